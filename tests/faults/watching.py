"""A watch that runs in a thread of this process, with a clock that is set by hand."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import Tally
from wxcore.archive import place
from wxcore.landing import space
from wxcore.landing.guard import crash_of
from wxcore.landing.guard_child import FAILURES
from wxcore.pipeline import watch_cycles
from wxcore.pipeline.home import Home
from wxcore.pipeline.watch import Plan, watch
from wxcore.pipeline.watch_cycles import Told
from wxcore.region import Region

POLL_S = 0.05
PATIENCE_S = 180.0
"""How long something that must happen is waited for [s]."""
SMALL_RESERVE = 2**20


@dataclass
class Clock:
    """The present, as the watch is told it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Watched:
    """A watch, and what it has told so far."""

    clock: Clock
    told: list[Told] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def of(self, kind: str) -> list[Told]:
        """What it told of this kind."""
        return [item for item in list(self.told) if item.kind == kind]

    def until(self, what: Callable[[], object]) -> None:
        """Wait until something holds.

        Raises:
            AssertionError: it did not within PATIENCE_S, or the watch has ended by an error.
        """
        end = time.monotonic() + PATIENCE_S
        while not what():
            assert self.error is None, f"the watch has ended: {self.error!r}"
            last = [(one.kind, one.en) for one in self.told[-20:]]
            assert time.monotonic() < end, f"not within {PATIENCE_S} s; told: {last}"
            time.sleep(POLL_S / 2)

    def looks(self, home: Home, times: int = 3) -> None:
        """Wait until it has looked at its folders so many times more; status.json is its heartbeat."""
        for _ in range(times + 1):
            before = _beat(home)
            self.until(lambda before=before: _beat(home) != before)  # type: ignore[misc]


def _beat(home: Home) -> int:
    return home.status.stat().st_mtime_ns if home.status.exists() else 0


@contextmanager
def watched(folder: Path, home: Home, region: Region, clock: Clock) -> Iterator[Watched]:
    """A watch of `folder` for as long as the context lives."""
    here = Watched(clock)

    def run() -> None:
        try:
            watch(Plan((folder,), POLL_S), home, region, tell=here.told.append, stop=here.stop, now=clock)
        except BaseException as error:  # noqa: BLE001 (told to whoever waits)
            here.error = error

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield here
    finally:
        here.stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive(), "it does not stop"
    assert here.error is None, f"the watch has ended: {here.error!r}"


@contextmanager
def counted(tally: Tally, recipe: str) -> Iterator[None]:
    """What is waited for in vain, or a watch that died, is a try that did not hold."""
    try:
        yield
    except AssertionError as error:
        tally.add(recipe, [str(error)[:500]])


def watch_once(folder: Path, home: Home, region: Region, now: datetime) -> list[Told]:
    """Watch until nothing is left to do; what was told."""
    told: list[Told] = []
    watch(Plan((folder,), POLL_S, until_idle=True), home, region, tell=told.append, now=Clock(now))
    return told


def here(function: Callable[..., Any], *args: Any, wall_s: float, memory_bytes: int) -> Any:
    """In place of `run_guarded`: in this process, where a start costs nothing; its errors are the guard's."""
    try:
        return function(*args)
    except FAILURES as error:
        raise crash_of(function.__name__, f"{type(error).__name__}: {error}") from error


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cycles run in this process, nobody waits for the disk, and the reserve is small."""
    monkeypatch.setattr(watch_cycles, "run_guarded", here)
    monkeypatch.setattr(place, "sync_file_system", lambda descriptor: None)
    monkeypatch.setattr(space, "RESERVE_BYTES", SMALL_RESERVE)


def deliver(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Let files appear in a folder as a careful source does: whole, under their name, with their time."""
    folder.mkdir(parents=True, exist_ok=True)
    arrived = []
    for path in paths:
        hidden = folder / f".{path.name}.part"
        shutil.copy2(path, hidden)
        arrived.append(hidden.rename(folder / path.name))
    return arrived
