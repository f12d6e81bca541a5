"""Every fault of this package: its row, its small and its long number."""

from tests.faults import (
    afternoon,
    backlog,
    clocks,
    crashes,
    hostile_files,
    mutants,
    order,
    outages,
    outbox_soak,
    power,
    races,
    sources,
    values,
    watch_kills,
    zombies,
)
from tests.faults.harness import Fault

READERS = (
    "cinrad-standard", "cinrad-legacy", "cma-moc", "swan-grid", "cinrad-product", "nexrad-level2", "odim-h5",
)  # fmt: skip
"""The readers that decode; the other formats are recognised only to be refused."""

SKY_READERS = (
    "fy4-agri", "fy4-ghi", "fy3-mersi", "fy3-geolocation", "fy2-svissr", "awx", "fy4-lmi-l2", "goes-glm-lcfa",
    "adtd-text",
)  # fmt: skip
"""Those of satellites and lightning. CI feeds them more mutants without ingest: tests/satellite/test_hostile.py."""

GROUND_READERS = (
    "ftm-regional", "ftm-national", "music-xml", "music-json", "music-csv", "micaps-1", "micaps-3", "cma-afile",
    "synop-text", "metar-text", "bufr-surface", "wtm-5min", "temp-text", "sounding-wyoming", "micaps-5",
    "bufr-sounding", "nwp-grib",
)  # fmt: skip
"""Those of ground stations and of the air above them; MICAPS files that are no observations are other formats."""

FAULTS: tuple[Fault, ...] = (
    *(Fault("A1", name, 60, 10_000, mutants.reader(name)) for name in READERS),
    *(Fault("A1", name, 6, 10_000, mutants.reader(name)) for name in SKY_READERS),
    *(Fault("A1", name, 24, 10_000, mutants.reader(name)) for name in GROUND_READERS),
    Fault("A1", "other formats", 60, 2_000, mutants.others((*READERS, *SKY_READERS, *GROUND_READERS))),
    Fault("A1", "real files", 0, 500, mutants.real_files),
    Fault("A2", "hanging parsers", 0, 10, hostile_files.hanging),
    Fault("A3", "crashing readers", 3, 100, hostile_files.crashing),
    Fault("A4", "bombs", 0, 3, hostile_files.bombs),
    Fault("A5", "declared sizes and links", 0, 5, hostile_files.declared),
    Fault("A6", "sentinels", 3, 500, values.sentinels),
    Fault("A6", "sentinels of stations", 13, 200, values.station_sentinels),
    Fault("A9", "shuffled and doubled", 1, 50, order.shuffled),
    Fault("A10", "future-dated files", 99, 99, clocks.future),
    Fault("A11", "host time zones", 1, 99, clocks.zones),
    Fault("A11", "odd times", 1, 1, clocks.odd_times),
    Fault("A11", "naive times", 1, 1, clocks.naive),
    Fault("A12", "names and links", 1, 5, hostile_files.names),
    Fault("A13", "unfinished files", 10, 300, hostile_files.unfinished),
    Fault("A14", "missing sources", 4, 99, sources.subsets),
    Fault("B1", "kill -9", 4, 500, crashes.kills),
    Fault("B1", "kill -9 of wx watch", 1, 500, watch_kills.watch_kills),
    Fault("B1", "power cut", 1, 100, power.power_cuts),
    Fault("B2", "fail the N-th call", 1, 10_000, crashes.every_call_fails),
    Fault("B2", "fail a call of wx watch", 0, 300, watch_kills.watch_calls_fail),
    Fault("B13", "conservation", 2, 50, hostile_files.mixed),
    Fault("B13", "afternoon", 0, 3, afternoon.afternoon),
    Fault("B14", "ledger lost", 2, 100, power.ledger_lost),
    Fault("B3", "disk full", 1, 20, outages.full_disk),
    Fault("B4", "stalling store", 0, 20, outages.stalling_store),
    Fault("B5", "races in the ledger", 80, 2_000, races.ledger_races),
    Fault("B5", "races of whole runs", 1, 200, races.chain_races),
    Fault("B8", "zombies", 1, 80, zombies.zombies),
    Fault("B9", "outbox", 150, 10_000, outbox_soak.outbox_soak),
    Fault("B10", "backlog", 0, 6, backlog.backlog),
    Fault("B11", "storm of files", 0, 6_000, backlog.storm),
    Fault("B12", "silent source", 1, 10, backlog.silence),
    Fault("B5", "reading while writing", 15, 1_000, races.readers),
)
