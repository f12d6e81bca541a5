"""Which cycles must be run (again), and in which order: newest first, without starving what came before.

A cycle's *basis* is everything that it is made of: the files that `choose` would take now, and the versions of the
earlier cycles that its tracking and hysteresis read. Where the ledger holds another basis the cycle is stale. So
nothing is remembered that a crash could lose, and a late or corrected file reaches every cycle that it touches.
"""

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wxcore.archive.storms import BACK_MIN
from wxcore.landing.ledger import CycleRow, Ledger, cycles_between, files_between
from wxcore.pipeline.gather import LOOK_BACK, Chosen, air_between, choose_from, cycles_covered, later
from wxcore.region import Region
from wxcore.times import CYCLE, latest_cycle

HISTORY = timedelta(minutes=BACK_MIN)
"""How far back a cycle's tracking reads."""

WARNING_MEMORY = timedelta(hours=24)
"""How far back drafts are looked up for hysteresis and references: the longest validity (DOMAIN.md 6.3)."""

CUT_OFF = timedelta(minutes=20)
"""A run this long after its cycle is a re-analysis: it drafts no warning and changes none (RELIABILITY.md section 4:
lateness cut-off, pytroll's 1200 s)."""

BACK = timedelta(hours=24)
"""Cycles older than this are not caught up with by themselves (RELIABILITY.md B10: WIS2 holds 24 h)."""

PATIENCE = timedelta(minutes=2)
"""How long a cycle waits for radars that delivered lately and have not yet."""

RERUN_EVERY = timedelta(minutes=2)
"""A cycle that has been run is not run again for late files more often than this."""


SKY_RERUN_EVERY = CYCLE
"""... and for late lightning or images, where its radar files are the same, not more often than this: a lightning file
comes every minute, each some minutes late."""


LATE_RERUN_EVERY = timedelta(minutes=60)
"""The same of cycles past the cut-off: late reports, soundings and models reach many of them one by one."""


@dataclass(frozen=True)
class Stale:
    """A cycle whose result is not what its files and its past would give now. `row`: its newest version, if any."""

    time: datetime
    chosen: Chosen
    basis: str
    row: CycleRow | None


def basis_of(chosen: Chosen, history: Sequence[CycleRow]) -> str:
    """Digest of a cycle's files and of the versions of earlier cycles that it reads."""
    parts = [[row.sha256 for row in chosen.rows], [[f"{row.time:%Y%m%d%H%M}", row.fingerprint] for row in history]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def history_of(known: Sequence[CycleRow], when: datetime) -> list[CycleRow]:
    """The cycles that the one at `when` reads: those that tracking looks back on, and the newest before for drafts.

    Args:
        known: newest versions, ascending in time.
    """
    times = [row.time for row in known]
    end = bisect_left(times, when)
    start = bisect_left(times, when - HISTORY)
    if start == end > 0 and times[end - 1] >= when - WARNING_MEMORY:
        start = end - 1
    return list(known[start:end])


def basis_now(ledger: Ledger, region: Region, when: datetime, chosen: Chosen) -> str:
    """The basis of a cycle as the ledger stands."""
    return basis_of(chosen, history_of(cycles_between(ledger, region.id, when - WARNING_MEMORY, when), when))


def stale_cycles(ledger: Ledger, region: Region, start: datetime, end: datetime) -> list[Stale]:
    """Cycles from `start` to `end` that a file belongs to and whose basis is not the one on record, ascending."""
    rows = files_between(ledger, start - LOOK_BACK, end)
    reports = [row for row in rows if row.kind == "station"]
    rows = [row for row in rows if row.kind != "station"]
    times, reported = ([row.obs_time for row in part if row.obs_time is not None] for part in (rows, reports))
    growing, air = later(ledger, start, end), air_between(ledger, start, end)
    known = cycles_between(ledger, region.id, start - WARNING_MEMORY, end)
    by_time = {row.time: row for row in known}
    found: list[Stale] = []
    dated = [(row.kind, row.site, row.obs_time) for row in (*rows, *reports) if row.obs_time is not None]
    for when in cycles_covered(dated):
        if not start <= when <= end:
            continue
        window = rows[bisect_left(times, when - LOOK_BACK) : bisect_right(times, when)]
        window += reports[bisect_left(reported, when - LOOK_BACK) : bisect_right(reported, when)]
        ahead = [row for row in growing if row.obs_time is not None and row.obs_time > when]
        chosen, row = choose_from([*window, *ahead, *air], region, when), by_time.get(when)
        basis = basis_of(chosen, history_of(known, when))
        if chosen.observed and (row is None or row.basis != basis):
            found.append(Stale(when, chosen, basis, row))
    return found


def next_cycle(ready: Sequence[Stale], now: datetime, recorded: datetime | None) -> Stale | None:
    """The cycle to run next among those that are ready (ascending), or None.

    The newest first. Then its last half hour in the order of time, because the motion of storms is fitted to it; then
    what is older: newest gap first, within a gap in the order of time, so that each is run once and not once for
    every cycle before it.
    """
    if not ready:
        return None
    newest = ready[-1]
    is_present = newest.time >= latest_cycle(now) - CUT_OFF
    if is_present and newest.row is None and (recorded is None or newest.time > recorded):
        return newest
    if is_present:
        return next(item for item in ready if item.time >= newest.time - HISTORY)
    gap = [newest]
    for item in reversed(ready[:-1]):
        if gap[-1].time - item.time > HISTORY:
            break
        gap.append(item)
    return gap[-1]


def radar_files(chosen: Chosen) -> tuple[str, ...]:
    """The sha256 of the radars' files among what was chosen."""
    rows = (*chosen.volumes, *(row for row in (chosen.mosaic, chosen.composite) if row is not None))
    return tuple(row.sha256 for row in rows)


def is_newest(ledger: Ledger, region: Region, when: datetime) -> bool:
    """Is no later cycle on record?"""
    return not cycles_between(ledger, region.id, when + CYCLE)


@dataclass(frozen=True)
class Ran:
    """When this process last ran a cycle, and with which files of radars (sha256)."""

    at: datetime
    radars: tuple[str, ...] = ()


def ready(item: Stale, recent_sites: Collection[str], last_run: Mapping[datetime, Ran], now: datetime) -> bool:
    """Is a stale cycle worth running now? New: all radars that deliver are in, or patience ended. Run before: not
    more often than RERUN_EVERY, or SKY_RERUN_EVERY.

    Args:
        recent_sites: radars of which a volume came in the last half hour.
        last_run: what this process last ran of each cycle.
    """
    if item.row is not None or item.time in last_run:
        ran, chosen = last_run.get(item.time), item.chosen
        others = bool(chosen.scenes or chosen.lightning or chosen.stations or chosen.air)
        by_sky = ran is not None and others and radar_files(chosen) == ran.radars
        every = SKY_RERUN_EVERY if now - item.time <= CUT_OFF else LATE_RERUN_EVERY
        # The clock may have been set back.
        return ran is None or abs(now - ran.at) >= (every if by_sky else RERUN_EVERY)
    if now >= item.time + PATIENCE:
        return True
    own = {row.site for row in item.chosen.volumes if row.obs_time is not None and row.obs_time > item.time - CYCLE}
    return now >= item.time and own >= set(recent_sites)
