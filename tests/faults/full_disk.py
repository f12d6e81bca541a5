"""Run as a process of its own: `wx watch` on a disk that becomes full at a given moment, and empty again.

`python -m tests.faults.full_disk KIND FOLDER META SOURCE`, where FOLDER is a small disk of its own (KIND tmpfs) or any
(KIND limit: no file may grow, as RLIMIT_FSIZE says). JSON on stdout: what did not hold, and how long it took.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scene import REGION, START
from tests.faults.state import State, state
from tests.faults.watching import Clock, Watched, deliver, quick, watched
from wxcore.landing import space
from wxcore.landing.ledger import Draft, Outcome, acquire_lease, publish_cycle, warnings_before
from wxcore.pipeline import watch as watch_module
from wxcore.pipeline import watch_cycles
from wxcore.pipeline.catchup import PATIENCE, RERUN_EVERY
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.watch_cycles import ATTEMPTS
from wxcore.region import Region, load_region
from wxcore.times import CYCLE

MIB = 2**20
TMPFS = "tmpfs"
MOMENTS = {"idle": "", "landing": "take_in", "deciding": "decide_pending", "at work": "run_cycle"}
"""When the disk becomes full: nothing is done; just before the watch calls this."""

TRY_S = 1.0
"""Time for a cycle that finds the disk full to fail [s]: of such tries there are more than a watch would make."""

TOLD_S = 60.0
"""RELIABILITY.md B3: told within [s]."""


@dataclass
class Disk:
    """What becomes full."""

    kind: str
    folder: Path
    hard: int = field(default_factory=lambda: resource.getrlimit(resource.RLIMIT_FSIZE)[1])

    def fill(self) -> None:
        """Nothing can be written any more."""
        if self.kind != TMPFS:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, self.hard))
            return
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                return

    def clear(self) -> None:
        """There is room again."""
        if self.kind != TMPFS:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.hard, self.hard))
        (self.folder / "filler").unlink(missing_ok=True)


@dataclass(frozen=True)
class Stage:
    """What the trials share."""

    disk: Disk
    region: Region
    first: list[Path]
    second: list[Path]
    expected: State


def small_disk(patch: pytest.MonkeyPatch) -> None:
    """The figures of wxcore.landing.space for a disk of 24 MiB."""
    patch.setattr(space, "RESERVE_BYTES", 2 * MIB)
    patch.setattr(space, "PAUSE_BELOW", 4 * MIB)
    patch.setattr(space, "RESUME_ABOVE", 6 * MIB)
    patch.setattr(space, "MIN_FREE", 6 * MIB)
    patch.setattr(space, "MIN_FREE_FILES", 10)


def filling(stage: Stage, function: Callable[..., Any], filled: list[float]) -> Callable[..., Any]:
    """`function`, before whose first call after `filled` is asked for the disk becomes full."""

    def call(*args: Any, **words: Any) -> Any:
        if not filled:
            stage.disk.fill()
            filled.append(time.monotonic())
        return function(*args, **words)

    return call


def decided_goes_out(home: Home, region: Region) -> str:
    """Enter a draft while the disk is full, as whoever decides does: give the reserve back and try again."""
    ledger, when = home.ledger(), START - CYCLE
    draft = Draft("decided-before", "hail", "red", {"id": "decided-before"})
    outcome = Outcome("s", "f", degraded=False, missing=())
    for _ in range(2):
        try:
            lease = acquire_lease(ledger, region.id, when, holder="duty")
            assert lease is not None
            publish_cycle(ledger, lease, outcome, [draft])
        except Exception as error:  # noqa: BLE001 (of whatever library it comes)
            told = f"a draft already decided was refused: {error}"
            space.free_reserve(home.root)
        else:
            break
    else:
        return told
    entered = {row.id for row in warnings_before(ledger, region.id, START)}
    return "" if draft.id in entered else "a draft already decided is not in the ledger"


def trial(stage: Stage, moment: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """One cycle undisturbed; full at the moment while the next comes; room again; everything must be there."""
    home, arriving = Home(stage.disk.folder / moment.replace(" ", "-")), stage.disk.folder.parent / f"in {moment}"
    arriving.mkdir()
    ready = [path.rename(arriving.parent / path.name) for path in deliver(stage.second, arriving)]
    clock, filled, faults = Clock(START + PATIENCE), list[float](), list[str]()
    name = MOMENTS[moment]
    with watched(arriving, home, stage.region, clock) as here:
        deliver(stage.first, arriving)
        here.until(lambda: here.of("cycle"))
        here.until((home.root / space.RESERVE).exists)
        if name:
            module = watch_cycles if name == "run_cycle" else watch_module
            patch.setattr(module, name, filling(stage, getattr(module, name), filled))
        else:
            stage.disk.fill()
            filled.append(time.monotonic())
        clock.now = START + CYCLE + PATIENCE
        for path in ready:
            path.rename(arriving / path.name)
        here.until(lambda: filled and _alarms(here))
        seconds = time.monotonic() - filled[0]
        for _ in range(ATTEMPTS if moment == "at work" else 0):
            clock.now += RERUN_EVERY
            time.sleep(TRY_S)
        if stage.disk.kind == TMPFS and moment == "idle":
            here.looks(home)
            if len(here.of("file")) != len(stage.first):
                faults.append("ingest did not pause")
            faults += [words for words in [decided_goes_out(home, stage.region)] if words]
        stage.disk.clear()
        deadline = time.monotonic() + 120
        while len(here.of("cycle")) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
            clock.now += RERUN_EVERY / 8
    if seconds > TOLD_S:
        faults.append(f"told after {seconds:.1f} s")
    if len(here.of("cycle")) < 2:
        faults.append(f"it does not resume by itself: {[(item.kind, item.en[:80]) for item in here.told[-4:]]}")
    sources = [*stage.first, *stage.second]
    faults += [
        word for word in state(home, stage.region.id, sources).differences(stage.expected)
        if not word.startswith(("drafts", "cap"))
    ]  # fmt: skip
    return {"moment": moment, "faults": faults, "told_s": round(seconds, 2)}


def _alarms(here: Watched) -> list[Any]:
    return here.of("paused") + here.of("failed")


def main() -> None:
    """Every moment, one after the other."""
    kind, folder, meta, source = sys.argv[1], *map(Path, sys.argv[2:5])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    region = load_region(REGION, root=meta)
    files = sorted(source.iterdir(), key=lambda path: path.stat().st_mtime)
    half = len(files) // 2
    told = []
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        alone = Home(source.parent / f"alone-{kind}")
        ingest(files, alone, region)
        for number in range(2):
            run_cycle(alone, region, START + number * CYCLE)
        expected = state(alone, region.id, files)
        if kind == TMPFS:
            small_disk(patch)
        for moment in MOMENTS:
            with patch.context() as inner:
                stage = Stage(Disk(kind, folder), region, files[:half], files[half:], expected)
                told.append(trial(stage, moment, inner))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
