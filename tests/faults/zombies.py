"""B8: a run that is stopped in its middle, and comes back when another has taken its cycle over."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.harness import Outcome, Tally
from tests.faults.racers import databases, forks
from tests.faults.scene import START, tiny_region, write_cycle
from tests.faults.state import State, state
from wxcore.archive import place
from wxcore.archive.check import check_archive
from wxcore.archive.log import commits
from wxcore.archive.read import list_fingerprints
from wxcore.errors import WxcoreError
from wxcore.landing.ledger import cycle_versions, find_lease, leases
from wxcore.pipeline import cycle as chain
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.region import Region

STOPS = {
    "with its lease": ("choose", False),
    "before its commit": ("commit_cycle", False),
    "past the fence": ("fence", True),
    "before the ledger": ("publish_cycle", False),
}
"""Where a run is stopped, before or after which call of wxcore.pipeline.cycle: just begun; all computed; fence passed,
the writer's lock held and not committed; committed and not published."""

HOLDS_THE_LOCK = "past the fence"

SHORT_S, BEAT_S = 2.0, 0.3
"""A lease and its heartbeat [s], in place of 90 and 30 (RELIABILITY.md B8): what waits for its end waits less."""

LIMIT_S = 120.0
KINDS = ("sqlite", "postgresql")


_BEAT = threading.Lock()
"""A run is not stopped in the middle of a renewal: its transaction would hold the whole ledger, and nobody could go on
until the stop ends. That is true of any writer, and not what is tried here."""


def _hurry() -> None:
    leases.LEASE_S, leases.HEARTBEAT_S = SHORT_S, BEAT_S
    renew = leases.renew_lease

    def renew_whole(*args: Any, **words: Any) -> Any:
        with _BEAT:
            return renew(*args, **words)

    leases.renew_lease = renew_whole
    place.sync_file_system = lambda descriptor: None


def _stopping(function: Any, *, after: bool = False) -> Any:
    """`function`, and this process stops itself before or after it, once."""
    stopped: list[bool] = []

    def call(*args: Any, **words: Any) -> Any:
        result = function(*args, **words) if after else None
        if not stopped:
            stopped.append(True)
            with _BEAT:
                os.kill(os.getpid(), signal.SIGSTOP)
        return result if after else function(*args, **words)

    return call


def zombie(pipe: Any, home: Home, region: Region, stop: str) -> None:
    """Run the cycle, stopped once in its middle; what came of it."""
    _hurry()
    name, after = STOPS[stop]
    setattr(chain, name, _stopping(getattr(chain, name), after=after))
    _tell(pipe, home, region)


def another(pipe: Any, home: Home, region: Region) -> None:
    """Run the cycle from the files that are there now."""
    _hurry()
    _tell(pipe, home, region)


def _tell(pipe: Any, home: Home, region: Region) -> None:
    try:
        pipe.send(("published", chain.run_cycle(home, region, START).snapshot))
    except WxcoreError as error:
        pipe.send((type(error).__name__, error.en))


@dataclass(frozen=True)
class Ground:
    """What the trials share: files of one radar, then of both, and what must be there in the end."""

    region: Region
    files: list[Path]
    expected: State


def _until(what: Any, words: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < end, f"not within {LIMIT_S} s: {words}"
        time.sleep(0.02)


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _lease_is_over(home: Home, region: Region) -> bool:
    lease = find_lease(home.ledger(), region.id, START)
    return lease is not None and lease.expires_at.timestamp() < time.time()


def trial(ground: Ground, home: Home, stop: str) -> list[str]:
    """Stop a run; let its lease end and another publish with one file more; let the first go on."""
    region, context = ground.region, forks()
    ingest(ground.files[:1], home, region)
    (here, there), (here2, there2) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    first = context.Process(target=zombie, args=(there, home, region, stop))
    second = context.Process(target=another, args=(there2, home, region))
    first.start()
    assert first.pid is not None
    try:
        _until(partial(_is_stopped, first.pid), f"the run stops {stop}")
        ingest(ground.files[1:], home, region)
        _until(partial(_lease_is_over, home, region), "its lease ends")
        second.start()
        if (
            stop != HOLDS_THE_LOCK
        ):  # there the first holds the writer's lock, and must go on before the second can commit
            assert here2.poll(LIMIT_S), "the other run does not end"
        else:
            _until(partial(_taken_over, home, region), "the other run takes the lease")
            time.sleep(SHORT_S)
        os.kill(first.pid, signal.SIGCONT)
        assert here.poll(LIMIT_S), "the stopped run does not end"
        assert here2.poll(LIMIT_S), "the other run does not end"
        return _faults(ground, home, here.recv(), here2.recv())
    finally:
        for process in (first, second):
            if process.pid is not None:
                process.kill()
                process.join()


def _taken_over(home: Home, region: Region) -> bool:
    lease = find_lease(home.ledger(), region.id, START)
    return lease is not None and lease.token > 1


def _faults(ground: Ground, home: Home, first: tuple[str, str], second: tuple[str, str]) -> list[str]:
    region, faults = ground.region, []
    if first[0] != "LedgerError" or "no longer valid" not in first[1]:
        faults.append(f"the stopped run was not refused: {first}")
    if second[0] != "published":
        faults.append(f"the other run did not publish: {second}")
    rows = cycle_versions(home.ledger(), region.id, START)
    if [row.snapshot_id for row in rows] != [second[1]]:
        faults.append(f"the ledger holds {[row.snapshot_id for row in rows]}, expected {second[1]}")
    if commits(home.archive, region.id)[0].snapshot_id != second[1]:
        faults.append("the newest commit is not the other run's")
    if list_fingerprints(home.archive, region.id).get(START) != rows[-1].fingerprint:
        faults.append("archive and ledger do not agree")
    faults += [fault.en for fault in check_archive(home.archive, region.id).faults]
    return faults + state(home, region.id, ground.files).differences(ground.expected)


def zombies(n: int, seed: int, folder: Path) -> Outcome:
    """`n` runs stopped at one place after the other, on SQLite and PostgreSQL in turn: none publishes past its time."""
    tally = Tally()
    region = tiny_region(folder / "meta")
    files = write_cycle(region, folder / "in", START)
    alone = Home(folder / "alone")
    ingest(files, alone, region)
    chain.run_cycle(alone, region, START)
    ground = Ground(region, files, state(alone, region.id, files))
    with databases(folder) as new:
        for number in range(n):
            stop, kind = list(STOPS)[(number + seed) % len(STOPS)], KINDS[number // len(STOPS) % len(KINDS)]
            home = Home(folder / f"home{number}", new(kind) if kind == "postgresql" else "")
            try:
                faults = trial(ground, home, stop)
            except AssertionError as error:
                faults = [str(error)]
            tally.add(f"stopped {stop}, {kind}", faults)
    return tally.outcome("B8 zombies", {"lease [s]": SHORT_S})
