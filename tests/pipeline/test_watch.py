"""`wx watch` with a clock set by hand: what it takes, what it runs, when it tells, and what it does not do twice."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scene import START, packed, volume_at
from tests.faults.watching import Clock, deliver, watch_once, watched
from wxcore.archive.read import list_cycles
from wxcore.errors import WxcoreError
from wxcore.landing.arrivals import poll
from wxcore.landing.ledger import conservation, cycle_versions, find_cycle, find_file, pending_count, warnings_before
from wxcore.landing.space import RESERVE, Room
from wxcore.pipeline import cycle, watch_cycles
from wxcore.pipeline import watch as watch_module
from wxcore.pipeline.catchup import BACK, CUT_OFF, PATIENCE, RERUN_EVERY, stale_cycles
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import Offered, take_in
from wxcore.pipeline.status import SILENT_AFTER
from wxcore.pipeline.watch import Plan, watch
from wxcore.pipeline.watch_cycles import ATTEMPTS, Told
from wxcore.region import Region
from wxcore.times import CYCLE, iso

pytestmark = pytest.mark.usefixtures("quickly")
SECOND = timedelta(seconds=1)
EVER = datetime(2200, 1, 1, tzinfo=UTC)
Scene = Sequence[Sequence[Path]]


def cycles(told: Sequence[Told]) -> list[datetime]:
    return [datetime.fromisoformat(item.data["time"]) for item in told if item.kind == "cycle"]


def status_of(home: Home, path: Path) -> str:
    row = find_file(home.ledger(), hashlib.sha256(path.read_bytes()).hexdigest())
    return row.status if row else "absent"


def failing(error: WxcoreError, calls: list[datetime]) -> Any:
    def run_cycle(home: Home, region: Region, when: datetime, **words: Any) -> None:
        calls.append(when)
        raise error

    return run_cycle


def test_newest_first_until_nothing_is_left(home: Home, folder: Path, region: Region, scene: Scene) -> None:
    deliver([path for paths in scene for path in paths], folder)
    now = START + 2 * CYCLE + PATIENCE
    told = watch_once(folder, home, region, now)
    assert [item.data["status"] for item in told if item.kind == "file"] == ["stored"] * 6
    ran = cycles(told)
    assert ran[0] == START + 2 * CYCLE
    assert set(ran) == {START, START + CYCLE, START + 2 * CYCLE} == set(list_cycles(home.archive, region.id))
    assert [ran[-3], ran[-2], ran[-1]] == sorted(set(ran)), "the last pass is in the order of time"
    ledger = home.ledger()
    assert stale_cycles(ledger, region, now - BACK, now) == []
    assert conservation(ledger).holds
    assert cycles(watch_once(folder, home, region, now)) == []  # a start with nothing new runs nothing
    assert conservation(ledger).received == 6


def test_a_file_that_still_grows_is_left_alone(
    home: Home, folder: Path, region: Region, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, growing = scene[0][0].read_bytes(), folder / scene[0][0].name
    written: list[int] = []

    def poll_after_a_write(*args: Any, **words: Any) -> Any:
        """Its writer adds a piece between any two looks."""
        if len(written) < 10:
            piece = len(content) // 9
            with growing.open("ab") as file:
                written.append(file.write(content[len(written) * piece :][:piece]))
        return poll(*args, **words)

    monkeypatch.setattr(watch_module, "poll", poll_after_a_write)
    with watched(folder, home, region, Clock(START)) as here:
        here.until(lambda: here.of("file"))
    assert sum(written) == len(content)
    assert [item.data["status"] for item in here.of("file")] == ["stored"]


def test_a_late_file_and_a_corrected_file_make_new_versions(
    home: Home, folder: Path, region: Region, scene: Scene
) -> None:
    clock = Clock(START + PATIENCE)
    ledger = home.ledger()
    with watched(folder, home, region, clock) as here:
        deliver(scene[0][:1], folder)
        here.until(lambda: len(here.of("cycle")) == 1)
        (late,) = deliver(scene[0][1:], folder)
        here.until(lambda: status_of(home, late) == "stored")
        clock.now += RERUN_EVERY - SECOND
        here.looks(home)
        assert len(here.of("cycle")) == 1, "not more often than every RERUN_EVERY"
        clock.now += SECOND
        here.until(lambda: len(here.of("cycle")) == 2)
        site = region.radars[0]
        volume = volume_at(site, START - CYCLE + 20 * SECOND, seed=77)
        (folder / "corrected.bin").write_bytes(packed(replace(volume, sweeps=volume.sweeps[:-1])))
        here.until(lambda: status_of(home, folder / "corrected.bin") == "stored")
        clock.now += RERUN_EVERY
        here.until(lambda: len(here.of("cycle")) == 3)
        here.looks(home)
    assert len(here.of("cycle")) == 3
    first, second, third = cycle_versions(ledger, region.id, START)
    assert region.radars[1].id in " ".join(first.missing)
    assert second.missing == third.missing == ()
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3
    used = {item["sha256"] for item in here.of("cycle")[-1].data["inputs"]}
    assert hashlib.sha256((folder / "corrected.bin").read_bytes()).hexdigest() in used
    assert hashlib.sha256(scene[0][0].read_bytes()).hexdigest() not in used


@pytest.mark.parametrize(("late", "issued"), [(CUT_OFF, True), (CUT_OFF + SECOND, False)])
def test_past_the_cut_off_it_is_a_reanalysis(
    home: Home, folder: Path, region: Region, scene: Scene, late: timedelta, issued: bool
) -> None:
    deliver(scene[0], folder)
    (told,) = [item for item in watch_once(folder, home, region, START + late) if item.kind == "cycle"]
    row = find_cycle(home.ledger(), region.id, START)
    assert row is not None
    assert told.data["reanalysis"] is row.reanalysis is not issued
    assert bool(told.data["drafts"]) is bool(warnings_before(home.ledger(), region.id, EVER)) is issued
    assert ("re-analysis" in told.en) is ("再分析" in told.zh) is not issued


def test_older_than_back_is_not_run(home: Home, folder: Path, region: Region, scene: Scene) -> None:
    deliver(scene[0], folder)
    told = watch_once(folder, home, region, START + BACK + SECOND)
    assert len([item for item in told if item.kind == "file"]) == 2
    assert cycles(told) == []


def test_a_second_watch_is_refused(home: Home, folder: Path, region: Region) -> None:
    with watched(folder, home, region, Clock(START)) as here:
        here.until(home.status.exists)
        with pytest.raises(WxcoreError, match="another wx watch") as caught:
            watch_once(folder, home, region, START)
        assert "已有 wx watch" in caught.value.zh
    assert watch_once(folder, home, region, START)[-1].kind == "stop"


def test_silence_is_told_once_and_again_after_a_return(home: Home, folder: Path, region: Region, scene: Scene) -> None:
    began = START - CYCLE + 20 * SECOND  # of the first radar's volume
    clock = Clock(START + PATIENCE)
    with watched(folder, home, region, clock) as here:
        deliver(scene[0], folder)
        here.until(lambda: here.of("cycle"))
        clock.now = began + SILENT_AFTER
        here.looks(home)
        assert here.of("silent") == []
        clock.now = began + SILENT_AFTER + 60 * SECOND
        here.until(lambda: len(here.of("silent")) == 2)
        here.looks(home)
        assert [item.data["source"] for item in here.of("silent")] == [f"volume {one.id}" for one in region.radars]
        assert "silent" in here.of("silent")[0].en
        assert "资料中断" in here.of("silent")[0].zh
        deliver(scene[1][:1], folder)
        here.until(lambda: len(here.of("file")) == 3)
        here.looks(home)
        clock.now = began + CYCLE + SILENT_AFTER + 60 * SECOND
        here.until(lambda: len(here.of("silent")) == 3)
        assert here.of("silent")[-1].data["source"] == f"volume {region.radars[0].id}"


def test_without_room_it_pauses_and_it_resumes_by_itself(
    home: Home, folder: Path, region: Region, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = [Room(False, 5, 10, "too little", "空间不足")]
    asked: list[bool] = []

    def room(root: Path, *, paused: bool = False) -> Room:
        asked.append(paused)
        return rooms[-1]

    monkeypatch.setattr(watch_module, "room_for_ingest", room)
    with watched(folder, home, region, Clock(START + PATIENCE)) as here:
        deliver(scene[0], folder)
        here.until(lambda: here.of("paused"))
        here.looks(home)
        assert [(item.en, item.data) for item in here.of("paused")] == [("too little", {"free_bytes": 5})]
        assert here.of("file") == []
        assert asked[:2] == [False, True], "more room is asked for to go on than to stop"
        assert not (home.root / RESERVE).exists()
        rooms.append(Room(True, 20, 10))
        here.until(lambda: here.of("cycle"))
    assert len(here.of("resumed")) == 1
    assert [item.data["status"] for item in here.of("file")] == ["stored"] * 2
    assert (home.root / RESERVE).exists()


def test_a_cycle_that_fails_is_tried_so_often_and_not_for_ever(
    home: Home, folder: Path, region: Region, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[datetime] = []
    broken = WxcoreError("the sky has fallen", "天塌了")
    monkeypatch.setattr(watch_cycles, "run_cycle", failing(broken, calls))
    clock = Clock(START + PATIENCE)
    with watched(folder, home, region, clock) as here:
        deliver(scene[0][:1], folder)
        for tried in range(1, ATTEMPTS + 1):
            here.until(lambda tried=tried: len(here.of("failed")) == tried)  # type: ignore[misc]
            here.looks(home)
            assert calls == [START] * tried, "not again at once"
            clock.now += RERUN_EVERY
        here.looks(home)
        assert calls == [START] * ATTEMPTS
        deliver(scene[0][1:], folder)  # it is another cycle now
        here.until(lambda: len(calls) == ATTEMPTS + 1)
    assert here.of("failed")[0].en == f"{iso(START)}: the sky has fallen"
    assert here.of("failed")[0].zh == f"{iso(START)}：天塌了"


def test_one_failing_cycle_does_not_stop_the_others(
    home: Home, folder: Path, region: Region, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_cycle(home: Home, region: Region, when: datetime, **words: Any) -> Any:
        if when == START + CYCLE:
            raise WxcoreError("no", "否")
        return cycle.run_cycle(home, region, when, **words)

    monkeypatch.setattr(watch_cycles, "run_cycle", run_cycle)
    deliver([path for paths in scene for path in paths], folder)
    told = watch_once(folder, home, region, START + 2 * CYCLE)
    assert set(cycles(told)) == {START, START + 2 * CYCLE}
    failed = [item.data["time"] for item in told if item.kind == "failed"]
    assert 0 < len(failed) <= 3 * ATTEMPTS
    assert set(failed) == {iso(START + CYCLE)}


def test_what_a_crash_left_is_done_at_the_next_start(home: Home, folder: Path, region: Region, scene: Scene) -> None:
    ledger = home.ledger()
    take_in([Offered(path) for path in scene[0]], home, region, ledger, START)
    assert pending_count(ledger) == 2
    told = watch_once(folder, home, region, START + PATIENCE)
    assert [item.data["status"] for item in told if item.kind == "file"] == ["stored"] * 2
    assert cycles(told) == [START]


def test_a_lost_ledger_is_told_and_rebuilt(home: Home, folder: Path, region: Region, scene: Scene) -> None:
    deliver(scene[0], folder)
    now = START + PATIENCE
    watch_once(folder, home, region, now)
    for path in home.root.glob("ledger.sqlite*"):
        path.unlink()
    told = watch_once(folder, home, region, now)
    (recovered,) = [item for item in told if item.kind == "recovered"]
    assert recovered.data == {"ledger": "rebuilt", "archive": "clean", "lost": []}
    assert [item.kind for item in told] == ["start", "recovered", "stop"]


class TestRealChild:
    """With the guard as it is: cycles in a process that is killed."""

    @pytest.fixture(autouse=True)
    def _real(self, monkeypatch: pytest.MonkeyPatch, quickly: None) -> None:
        monkeypatch.undo()

    def test_stop_in_the_middle_of_a_cycle(self, home: Home, folder: Path, region: Region, scene: Scene) -> None:
        deliver(scene[0], folder)
        with watched(folder, home, region, Clock(START + PATIENCE)) as here:
            here.until(lambda: here.of("file"))
            here.until(lambda: home.status.exists() and iso(START) in home.status.read_text())
            began = time.monotonic()
        assert time.monotonic() - began < 60  # the child is killed
        told = watch_once(folder, home, region, START + PATIENCE)
        assert cycles(told) in ([], [START])
        assert list_cycles(home.archive, region.id) == [START]
        assert [row.time for row in cycle_versions(home.ledger(), region.id, START)] == [START]


def test_a_home_that_cannot_be_is_an_error(tmp_path: Path, folder: Path, region: Region) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        watch(Plan((folder,), until_idle=True), Home(tmp_path / "file"), region, tell=lambda _: None)
