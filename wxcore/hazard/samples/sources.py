"""What the archive holds of a period: its cycles, what was seen there to learn from, and who looked.

Truth is, the first that is there: the events of a simulated period, where they are given; else what the archive itself
tells (believed gusts of stations, hail that stations observed, lightning of the storm rows) with the events given.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from wxcore.archive.layout import PROVENANCE_TEXT, STATION_TABLE_TEXT, STORMS_TEXT
from wxcore.archive.observations import read_stations
from wxcore.archive.place import Root
from wxcore.archive.read import list_cycles, read_texts
from wxcore.archive.tables import decode_table
from wxcore.hazard.labels.events import (
    HAIL_KIND,
    KINDS,
    flash_rows,
    join_events,
    no_events,
    station_gusts,
    station_hail,
)
from wxcore.hazard.labels.looked import (
    GUST_RADIUS_KM,
    HAIL_RADIUS_KM,
    Looked,
    Observers,
    Period,
    everything_seen,
)
from wxcore.region import Region
from wxcore.schema import QC_GOOD, SIMULATED_MARK
from wxcore.times import CYCLE

SIMULATED, REPORT, INSTRUMENT = SIMULATED_MARK, "report", "instrument"

LIGHTNING_COUNTS = ("strokes", "flashes", "groups", "events")
"""Of a provenance's sources of the sky: by these it is lightning."""

AT_A_TIME = 10
"""Station tables that are in memory together: each has a row a station."""

GUST_COLUMNS = ("lat", "lon", *(f"{name}_{end}" for name in ("gust", "gust_30min")
                                for end in ("m_s", "time", "flag", "witnesses")))  # fmt: skip

ATTENDS = 0.8
"""A station says "no gale" where it measured good gusts in this part of the cycles [our choice]."""


@dataclass(frozen=True)
class Cycle:
    """A cycle of the archive.

    Attributes:
        time: aware UTC. storms: schema.STORMS. levels: provenance["levels"]; empty: unknown.
        simulated: is its truth class SYN? lightning: did anything look for lightning where there are storms?
    """

    time: datetime
    storms: pd.DataFrame
    levels: Mapping[str, Any]
    simulated: bool
    lightning: bool


@dataclass(frozen=True)
class Truth:
    """What was seen in a period, and who looked."""

    events: pd.DataFrame
    looked: Looked


def read_cycles(root: Root, region: str, start: datetime, end: datetime, *, after: bool = False) -> list[Cycle]:
    """The archive's cycles from `start` (where `after`, later than it) to `end`, ascending. Aware UTC.

    Raises:
        ArchiveError: versions that cannot be opened, or a damaged table.
        TimeError: a naive time.
    """
    times = [when for when in list_cycles(root, region, since=start) if when <= end and not (after and when == start)]
    storms = read_texts(root, region, times, STORMS_TEXT)
    provenances = read_texts(root, region, times, PROVENANCE_TEXT)
    return [
        _cycle(when, decode_table(text), json.loads(told or "{}"))
        for when, text, told in zip(times, storms, provenances, strict=True)
        if text is not None
    ]


def _cycle(when: datetime, storms: pd.DataFrame, provenance: Mapping[str, Any]) -> Cycle:
    levels = provenance.get("levels")
    looked = any(name in source for source in provenance.get("sky", ()) for name in LIGHTNING_COUNTS)
    if len(storms):
        looked = bool(np.isfinite(storms["flash_rate_min"].to_numpy(dtype=np.float64)).all())
    known = levels if isinstance(levels, Mapping) else {}
    return Cycle(when, storms, known, provenance.get("truth", SIMULATED) == SIMULATED, looked)


def truth_at_hand(
    root: Root, region: Region, cycles: Sequence[Cycle], given: pd.DataFrame | None, kinds: Sequence[str] = KINDS
) -> Truth:
    """What is known of the storms of these cycles.

    Args:
        cycles: at least one, ascending.
        given: events that were reported (labels.events.EVENTS); None: nobody was asked. SYN events of simulated cycles
            are taken for the whole truth of every kind: what is not there did not happen.
        kinds: of events that somebody collected; of others no "none was reported" is concluded.

    Raises:
        ArchiveError: a damaged table.
        SampleError: `given` is not a table of events.
    """
    times = tuple(cycle.time for cycle in cycles)
    simulated = [cycle.simulated for cycle in cycles]
    if given is not None and all(simulated) and (given.empty or SIMULATED in set(given["label_source"])):
        return Truth(given, everything_seen(times, region.grid.bounds))
    lightning = [
        flash_rows(pd.concat(tables, ignore_index=True), source)
        for source, tables in _by_class(cycles, [cycle.storms for cycle in cycles]).items()
    ]
    stations, places, periods = _stations(root, region.id, cycles)
    events = join_events([*lightning, *stations, given if given is not None else no_events()])
    weakest = SIMULATED if any(simulated) else INSTRUMENT
    flash = Observers(_periods(cycle.time for cycle in cycles if cycle.lightning), weakest)
    gust = Observers(periods, weakest, places, GUST_RADIUS_KM)
    looked = Looked(times, region.grid.bounds, flash=flash, gust=gust)
    if given is not None and HAIL_KIND in kinds:
        whole = ((times[0] - CYCLE, times[-1]),)
        looked = replace(looked, hail=Observers(whole, REPORT, _people(region), HAIL_RADIUS_KM))
    return Truth(events, looked)


def _by_class(cycles: Sequence[Cycle], tables: Sequence[pd.DataFrame | None]) -> dict[str, list[pd.DataFrame]]:
    """The tables that hold anything, by the truth class of their cycles."""
    found: dict[str, list[pd.DataFrame]] = {}
    for cycle, table in zip(cycles, tables, strict=True):
        if table is not None and len(table):
            found.setdefault(SIMULATED if cycle.simulated else INSTRUMENT, []).append(table)
    return found


def _stations(
    root: Root, region: str, cycles: Sequence[Cycle]
) -> tuple[list[pd.DataFrame], tuple[tuple[float, float], ...], tuple[Period, ...]]:
    """Believed gusts and hail that stations observed; where stations measured gusts nearly all the time (lon, lat); and
    in which periods."""
    found: list[pd.DataFrame] = []
    gusts: dict[str, list[pd.DataFrame]] = {}
    when: list[datetime] = []
    for number in range(0, len(cycles), AT_A_TIME):
        some = cycles[number : number + AT_A_TIME]
        texts = read_texts(root, region, [cycle.time for cycle in some], STATION_TABLE_TEXT)
        tables = [None if text is None else decode_table(text)[list(GUST_COLUMNS)] for text in texts]
        for source, there in _by_class(some, tables).items():
            gusts.setdefault(source, []).extend(there)
        when += [cycle.time for cycle, table in zip(some, tables, strict=True) if table is not None]
        observed = read_stations(root, region, some[0].time - CYCLE, some[-1].time)
        if observed.sizes["station"]:
            found.append(station_hail(observed, SIMULATED if any(cycle.simulated for cycle in some) else INSTRUMENT))
    heard: Counter[tuple[float, float]] = Counter()
    for source, there in gusts.items():
        table = pd.concat(there, ignore_index=True)
        found.append(station_gusts(table, source))
        good = table[np.isfinite(table["gust_30min_m_s"]) & (table["gust_30min_flag"] == QC_GOOD)]
        heard.update(zip(good["lon"].tolist(), good["lat"].tolist(), strict=True))
    attended = tuple(sorted(place for place, count in heard.items() if count >= ATTENDS * len(when)))
    return found, attended, _periods(when)


def _periods(times: Iterable[datetime]) -> tuple[Period, ...]:
    """The six minutes that each cycle stands for."""
    return tuple((when - CYCLE, when) for when in times)


def _people(region: Region) -> tuple[tuple[float, float], ...]:
    """Where hail would have been told: about the stations of the region, which are where people are [our choice]."""
    return tuple(sorted((station.lon, station.lat) for station in region.stations))
