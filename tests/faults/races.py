"""B5: processes that race for the same cycles; and readers while somebody writes."""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.archive.test_digest import read_while_writing
from tests.faults.harness import Outcome, Tally
from tests.faults.racers import databases, race
from tests.faults.scene import START, tiny_region, write_scene
from tests.faults.state import state
from wxcore.archive import place
from wxcore.archive.check import check_archive
from wxcore.archive.log import commits
from wxcore.errors import LedgerError
from wxcore.landing.ledger import Outcome as Published
from wxcore.landing.ledger import acquire_lease, cycle_versions, open_ledger, publish_cycle
from wxcore.landing.ledger.leases import LEASE_S
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.region import Region
from wxcore.times import CYCLE

RACERS, CHAIN_RACERS = 4, 3
MOST_RACERS = 8
STALE_SHARE = 0.2
"""Share of the cycles whose first lease is over when it is granted: another racer takes it over."""

PAUSE_S = 0.1
"""Longest work between a stale racer's lease and its publish [s]."""

REGION = "r"
KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Attempt:
    """A lease that was granted, and whether its publish was accepted."""

    time: datetime
    token: int
    fingerprint: str
    accepted: bool


def _is_stale(number: int, seed: int) -> bool:
    return bool(np.random.default_rng([seed, number]).random() < STALE_SHARE)


def race_in_ledger(barrier: Any, url: str, name: str, cycles: int, seed: int) -> list[Attempt]:
    """One racer: for every cycle a lease and a publish. The first lease of a stale cycle is over when it is granted."""
    ledger = open_ledger(url)
    rng = np.random.default_rng([seed, sum(name.encode())])
    attempts = []
    barrier.wait(60)
    for number in range(cycles):
        when, stale = START + number * CYCLE, _is_stale(number, seed)
        then = datetime.now(UTC) - timedelta(seconds=LEASE_S)
        lease = acquire_lease(ledger, REGION, when, holder=name, now=then) if stale else None
        lease = lease or acquire_lease(ledger, REGION, when, holder=name)
        if lease is None:
            continue
        if stale:
            time.sleep(rng.uniform(0, PAUSE_S))
        fingerprint = f"{name} {lease.token}"
        try:
            publish_cycle(ledger, lease, Published(fingerprint, fingerprint, degraded=False, missing=()), None)
        except LedgerError:
            attempts.append(Attempt(when, lease.token, fingerprint, accepted=False))
        else:
            attempts.append(Attempt(when, lease.token, fingerprint, accepted=True))
    return attempts


def _faults_of(attempts: list[Attempt], entered: list[str], stale: bool) -> list[str]:
    """What is wrong with what the racers were told of one cycle, beside the versions that the ledger holds."""
    by_token = sorted(attempts, key=lambda item: item.token)
    accepted = [item.fingerprint for item in by_token if item.accepted]
    faults = []
    if [item.token for item in by_token] != list(range(1, len(by_token) + 1)):
        faults.append(f"tokens {[item.token for item in by_token]}")
    if accepted != entered:
        faults.append(f"accepted {accepted}, the ledger holds {entered}")
    if not stale and (len(accepted), len(attempts)) != (1, 1):
        faults.append(f"{len(attempts)} leases and {len(accepted)} publishers")
    if not by_token or not by_token[-1].accepted:
        faults.append("its last lease was refused")
    return faults


def ledger_races(n: int, seed: int, folder: Path) -> Outcome:
    """Processes take leases and publish, `n` cycles on each database: one publisher for each, stale ones refused."""
    tally, figures = Tally(), dict[str, float]()
    with databases(folder) as new:
        for number, kind in enumerate(KINDS):
            url = new(kind)
            racers = (2, RACERS, MOST_RACERS)[(seed + number) % 3]
            open_ledger(url).engine.dispose()
            began = time.monotonic()
            told = race(race_in_ledger, [(url, f"racer-{one}", n, seed) for one in range(racers)])
            figures[f"{kind} {racers} racers [cycles/s]"] = round(n / (time.monotonic() - began), 1)
            ledger = open_ledger(url)
            attempts: dict[datetime, list[Attempt]] = {START + one * CYCLE: [] for one in range(n)}
            for attempt in (one for part in told for one in part):
                attempts[attempt.time].append(attempt)
            for index, (when, found) in enumerate(attempts.items()):
                entered = [row.fingerprint for row in cycle_versions(ledger, REGION, when)]
                tally.add(f"{kind}, cycle {index}", _faults_of(found, entered, _is_stale(index, seed)))
            refused = sum(not one.accepted for part in attempts.values() for one in part)
            figures[f"{kind} refused"] = refused
            if n >= 100 and not refused:
                tally.add(f"{kind}", ["no publish was ever refused: the race tried nothing"])
            ledger.engine.dispose()
    return tally.outcome("B5 races in the ledger", figures)


def race_in_chain(barrier: Any, home: Home, region: Region, times: list[datetime]) -> list[str]:
    """One racer: the whole cycle, all racers at one moment; for each the snapshot it committed, busy, or again."""
    place.sync_file_system = lambda descriptor: None  # not about power cuts, and the disk is shared
    told = []
    for when in times:
        barrier.wait(60)
        try:
            done = run_cycle(home, region, when)
        except LedgerError:
            told.append("busy")
        else:
            told.append(done.snapshot if done.committed else "again")
    return told


def chain_races(n: int, seed: int, folder: Path) -> Outcome:
    """Processes run the same `n` cycles on each database: one commit and one version each, as if one had run alone."""
    tally, figures = Tally(), Counter[str]()
    region = tiny_region(folder / "meta")
    files = [path for paths in write_scene(region, folder / "in", n) for path in paths]
    times = [START + number * CYCLE for number in range(n)]
    alone = Home(folder / "alone")
    ingest(files, alone, region)
    for when in times:
        run_cycle(alone, region, when)
    expected = state(alone, region.id, files)
    with databases(folder) as new:
        for kind in KINDS:
            home = Home(folder / kind, new(kind) if kind == "postgresql" else "")
            ingest(files, home, region)
            told = race(race_in_chain, [(home, region, times)] * CHAIN_RACERS)
            archived = commits(home.archive, region.id)
            for number, when in enumerate(times):
                said = [part[number] for part in told]
                figures.update(f"{kind} {word}" for word in said if word in {"busy", "again"})
                winners = [word for word in said if word not in {"busy", "again"}]
                rows = [row.snapshot_id for row in cycle_versions(home.ledger(), region.id, when)]
                made = [record.snapshot_id for record in archived if record.cycle == when]
                same = len(winners) == 1 and winners == rows == made
                tally.add(f"{kind}, cycle {number}", [] if same else [f"told {said}, ledger {rows}, archive {made}"])
            faults = [fault.en for fault in check_archive(home.archive, region.id).faults]
            tally.add(f"{kind}, in the end", faults + state(home, region.id, files).differences(expected))
    return tally.outcome("B5 races of whole runs", {name: float(count) for name, count in sorted(figures.items())})


def readers(n: int, seed: int, folder: Path) -> Outcome:
    """Read the archive without a pause while `n` commits are made: each cycle that is seen is whole."""
    tally = Tally()
    try:
        reads = read_while_writing(folder, n)
    except Exception as error:  # noqa: BLE001 (whatever a torn cycle makes of a read)
        tally.add("reading", [f"{type(error).__name__}: {str(error)[:300]}"])
        return tally.outcome("reading while writing")
    tally.add("reading", [] if reads > 3 else [f"read {reads} times only"])
    found = len(commits(folder, "r"))
    tally.add("writing", [] if found == n else [f"{found} commits"])
    return tally.outcome("reading while writing", {"reads": reads, "commits": n})
