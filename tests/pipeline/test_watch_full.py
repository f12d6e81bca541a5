"""`wx watch` when a write finds no room: it pauses and says so once, gives the reserve back, and loses nothing."""

import errno
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scene import START
from tests.faults.watching import Clock, deliver, watched
from wxcore.archive.read import list_cycles
from wxcore.errors import ArchiveError, LedgerError
from wxcore.landing.ledger import pending_count
from wxcore.landing.space import RESERVE, free_reserve
from wxcore.pipeline import cycle, watch_cycles
from wxcore.pipeline import watch as watch_module
from wxcore.pipeline.catchup import PATIENCE, RERUN_EVERY
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import take_in
from wxcore.pipeline.watch_cycles import ATTEMPTS
from wxcore.region import Region
from wxcore.times import iso

pytestmark = pytest.mark.usefixtures("quickly")
SECOND = timedelta(seconds=1)
Scene = Sequence[Sequence[Path]]


class TestDiskFull:
    """A write that finds no room although there seemed to be some: a quota, or somebody else was faster."""

    errors: list[Exception]
    calls: int

    @pytest.fixture(autouse=True)
    def _refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors, self.calls = [], 0

        def sometimes(*args: Any, **words: Any) -> Any:
            self.calls += 1
            if self.errors:
                raise self.errors[0]
            return take_in(*args, **words)

        monkeypatch.setattr(watch_module, "take_in", sometimes)

    @pytest.mark.parametrize(
        "error",
        [OSError(errno.ENOSPC, "No space left on device"), LedgerError("x: database or disk is full", "x：磁盘已满")],
        ids=["landing", "ledger"],
    )
    def test_the_reserve_is_given_back_and_nothing_is_lost(
        self,
        home: Home,
        folder: Path,
        region: Region,
        scene: Scene,
        error: Exception,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        freed: list[bool] = []
        monkeypatch.setattr(watch_module, "free_reserve", lambda root: freed.append(free_reserve(root)))
        with watched(folder, home, region, Clock(START + PATIENCE)) as here:
            here.until((home.root / RESERVE).exists)
            self.errors.append(error)
            deliver(scene[0], folder)
            here.until(lambda: here.of("paused"))
            assert freed[0] is True
            here.until(lambda: self.calls > 3)
            self.errors.clear()
            here.until(lambda: here.of("cycle"))
            assert pending_count(home.ledger()) == 0
        assert len(here.of("resumed")) > 0
        assert (home.root / RESERVE).exists()

    def test_it_does_not_say_resumed_before_a_write_went_through(
        self, home: Home, folder: Path, region: Region, scene: Scene
    ) -> None:
        self.errors.append(OSError(errno.EDQUOT, "Disk quota exceeded"))
        with watched(folder, home, region, Clock(START + PATIENCE)) as here:
            deliver(scene[0], folder)
            here.until(lambda: self.calls > 5)
        assert (len(here.of("paused")), len(here.of("resumed"))) == (1, 0)

    def test_its_heart_goes_on(self, home: Home, folder: Path, region: Region, scene: Scene) -> None:
        clock = Clock(START + PATIENCE)
        with watched(folder, home, region, clock) as here:
            here.looks(home)
            self.errors.append(OSError(errno.ENOSPC, "No space left on device"))
            deliver(scene[0], folder)
            here.until(lambda: here.of("paused"))
            clock.now += SECOND
            calls = self.calls
            here.until(lambda: self.calls > calls + 2)
        assert iso(clock.now) in home.status.read_text()

    def test_a_second_time_is_told_too(self, home: Home, folder: Path, region: Region, scene: Scene) -> None:
        with watched(folder, home, region, Clock(START + PATIENCE)) as here:
            for number in range(2):
                calls, full = self.calls, OSError(errno.ENOSPC, "No space left on device")
                self.errors.append(full)
                deliver(scene[number], folder)
                here.until(lambda calls=calls: self.calls > calls + 3)  # type: ignore[misc]
                self.errors.clear()
                files = 2 * (number + 1)
                here.until(lambda files=files: len(here.of("file")) == files)  # type: ignore[misc]
        assert len(here.of("paused")) == 2

    def test_cycles_that_found_no_room_are_run_when_there_is(
        self, home: Home, folder: Path, region: Region, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full = [True]
        calls: list[datetime] = []

        def run_cycle(home: Home, region: Region, when: datetime, **words: Any) -> Any:
            calls.append(when)
            if full:
                raise ArchiveError("tiny: the archive cannot be written (No space left on device)", "tiny：磁盘已满")
            return cycle.run_cycle(home, region, when, **words)

        monkeypatch.setattr(watch_cycles, "run_cycle", run_cycle)
        clock = Clock(START + PATIENCE)
        with watched(folder, home, region, clock) as here:
            deliver(scene[0], folder)
            while len(calls) < ATTEMPTS:
                here.looks(home)
                clock.now += RERUN_EVERY
            full.clear()
            for _ in range(3):
                here.looks(home)
                clock.now += RERUN_EVERY
        assert list_cycles(home.archive, region.id) == [START]
