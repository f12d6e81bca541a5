"""B10, B11, B12: a backlog after an outage, a storm of small files, and a source that falls silent."""

import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.harness import Outcome, Tally, peak_mib
from tests.faults.scene import START, tiny_region, write_cycle
from tests.faults.watching import Clock, Watched, counted, deliver, quick, watched
from wxcore.archive.read import list_cycles
from wxcore.cli.bench_landing import GOAL, measure
from wxcore.landing.ledger import pending_count, warnings_before
from wxcore.pipeline.catchup import BACK, CUT_OFF, PATIENCE, stale_cycles
from wxcore.pipeline.home import Home
from wxcore.pipeline.status import SILENT_AFTER
from wxcore.region import Region
from wxcore.times import CYCLE, iso

PRESENT = 2
"""Cycles that arrive while the backlog is caught up with."""

TARGET = CYCLE
"""The present's latency while catching up, from its last file to its result: done before the next one is due."""

CATCH_UP = 5.0
"""RELIABILITY.md B10: at least so many times as fast as time goes by."""

STEPS = 6
"""Looks at the clock within a cycle: a silence is seen a minute after it is one."""

MEMORY_MIB = 64.0
"""What the process may grow by between two storms of files [MiB]: flat, but for caches."""


@dataclass(frozen=True)
class Backlog:
    """A backlog of `past` cycles and the present after them: their times and files, and where they are delivered."""

    region: Region
    home: Home
    arriving: Path
    past: int
    times: list[datetime]
    files: list[list[Path]]


def _prepared(hours: int, folder: Path) -> Backlog:
    region, past = tiny_region(folder / "meta"), int(timedelta(hours=hours) / CYCLE)
    times = [START + number * CYCLE for number in range(past + PRESENT)]
    files = [write_cycle(region, folder / "in", when, seed=number, born=when) for number, when in enumerate(times)]
    return Backlog(region, Home(folder / "home"), folder / "arriving", past, times, files)


def _ran(here: Watched, since: int = 0) -> list[str]:
    return [str(item.data["time"]) for item in here.of("cycle")[since:]]


def _present(work: Backlog, here: Watched, number: int, tally: Tally) -> float:
    """A new cycle's files come while the backlog is worked off; seconds until it has run."""
    when = work.times[work.past + number]
    here.until(lambda: len(here.of("cycle")) >= 2 * (number + 1))
    here.clock.now = when + PATIENCE
    told, began = len(here.of("cycle")), time.monotonic()
    deliver(work.files[work.past + number], work.arriving)
    here.until(lambda: iso(when) in _ran(here))
    seconds = time.monotonic() - began
    before = _ran(here, told).index(iso(when))
    late = before > 1 or timedelta(seconds=seconds) > TARGET  # one may have been at work when its files came
    tally.add(f"the present {number}", [f"{before} others first, {seconds:.0f} s"] if late else [])
    return seconds


def _work_off(work: Backlog, here: Watched, limit_s: float) -> None:
    ledger, end = work.home.ledger(), work.times[-1] + PATIENCE
    until = time.monotonic() + limit_s
    while time.monotonic() < until and (
        pending_count(ledger) or stale_cycles(ledger, work.region, end - BACK, work.times[-1])
    ):
        assert here.error is None, f"the watch has ended: {here.error!r}"
        time.sleep(0.5)
        here.clock.now += timedelta(seconds=5)  # what was run before is run again after RERUN_EVERY


def backlog(n: int, seed: int, folder: Path) -> Outcome:
    """B10: the files of `n` hours come at once, and while they are worked off the present goes on."""
    tally, latencies, work = Tally(), [0.0], _prepared(n, folder)
    last = work.times[work.past - 1]
    deliver([path for paths in work.files[: work.past] for path in paths], work.arriving)
    began, runs = time.monotonic(), 0
    with pytest.MonkeyPatch.context() as patch, counted(tally, "the watch"):
        quick(patch)
        with watched(work.arriving, work.home, work.region, Clock(last + PATIENCE)) as here:
            here.until(lambda: here.of("cycle"))
            tally.add("the newest first", [] if _ran(here)[0] == iso(last) else [f"{_ran(here)[0]} was run first"])
            latencies += [_present(work, here, number, tally) for number in range(PRESENT)]
            _work_off(work, here, n * 3600 / CATCH_UP)
            runs = len(here.of("cycle"))
    speed = n * 3600 / (time.monotonic() - began)
    made = list_cycles(work.home.archive, work.region.id)
    tally.add("all of it", [] if made == work.times else [f"{len(made)} of {len(work.times)} cycles"])
    tally.add("catching up", [] if speed >= CATCH_UP else [f"only {speed:.1f} x real time"])
    rows = warnings_before(work.home.ledger(), work.region.id, work.times[-1] + CYCLE)
    warned = {row.cycle_time for row in rows if row.cycle_time < last - CUT_OFF}
    tally.add("no drafts for what is past", [f"drafts of {sorted(map(iso, warned))}"] if warned else [])
    tally.add("drafts for the present", [] if rows else ["none"])
    return tally.outcome("B10 backlog", {
        "cycles": len(work.times), "runs": runs, "x real time": round(speed, 1),
        "present's latency [s]": round(max(latencies), 1),
    })  # fmt: skip


def storm(n: int, seed: int, folder: Path) -> Outcome:
    """B11: storms of `n` small files landed, synced and registered: how many a second, and does memory stay flat."""
    tally, rates, peaks = Tally(), list[float](), list[float]()
    for number in range(3):
        (place := folder / str(number)).mkdir()
        row = measure(n, place)
        rates.append(row.registered)
        peaks.append(peak_mib())
        tally.add(f"storm {number}", [] if row.registered >= GOAL else [f"{row.registered:.0f} files/s"])
    grown = peaks[-1] - peaks[0]
    tally.add("memory", [f"{grown:.0f} MiB more after each other"] if grown > MEMORY_MIB else [])
    cpu = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    return tally.outcome("B11 storm of files", {
        "files/s at least": round(min(rates)), "files/s at best": round(max(rates)), "grown [MiB]": round(grown, 1),
        "cpu [s]": round(cpu, 1),
    })  # fmt: skip


def silence(n: int, seed: int, folder: Path) -> Outcome:
    """B12: a radar that delivered `n` cycles stops while the other goes on; told after two intervals past its scan."""
    tally = Tally()
    region = tiny_region(folder / "meta")
    home, arriving = Home(folder / "home"), folder / "arriving"
    arriving.mkdir()
    stopped, goes_on = region.radars
    clock = Clock(START)
    told, alarm, files = list[str](), datetime.max.replace(tzinfo=UTC), 0
    with pytest.MonkeyPatch.context() as patch, counted(tally, "the watch"):
        quick(patch)
        with watched(arriving, home, region, clock) as here:
            for number in range(n + 4):
                when = START + number * CYCLE
                paths = write_cycle(region, folder / "in", when, seed=number)
                new = [path for path in paths if goes_on.id in path.name or number < n]
                files += len(deliver(new, arriving))
                for step in range(STEPS):
                    clock.now = when + step * CYCLE / STEPS
                    here.until(lambda files=files: len(here.of("file")) == files)  # type: ignore[misc]
                    here.looks(home, 1)
                    alarm = min(alarm, clock.now) if here.of("silent") else alarm
            told = [str(item.data["source"]) for item in here.of("silent")]
    newest = START + (n - 1) * CYCLE - CYCLE + timedelta(seconds=20)
    tally.add("who", [] if told == [f"volume {stopped.id}"] else [f"told of {told}"])
    after = alarm - newest
    minutes = round(after / timedelta(minutes=1), 1)
    tally.add("when", [] if SILENT_AFTER < after <= SILENT_AFTER + CYCLE / STEPS else [f"after {minutes} min"])
    return tally.outcome("B12 silent source", {"after its newest observation began [min]": minutes})
