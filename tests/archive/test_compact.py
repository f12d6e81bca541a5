"""The daily view: one commit, idempotent, never stale, deep in time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import zarr

from tests.archive.cubes import SIX
from tests.archive.days import DAY, MIDNIGHT, REGION, commit, fill
from wxcore.archive import compact as module
from wxcore.archive import layout
from wxcore.archive import place as place_module
from wxcore.archive.compact import compact, drop_view
from wxcore.archive.heads import seal
from wxcore.archive.place import Place, place_of
from wxcore.archive.read import list_cycles, open_archive
from wxcore.archive.repository import BRANCH, open_repository
from wxcore.archive.series import PLANES, open_day
from wxcore.errors import ArchiveError


def _group(root: Path) -> zarr.Group:
    session = open_repository(place_of(root, REGION)).readonly_session(BRANCH)
    return zarr.open_group(session.store, mode="r")


def _commits(root: Path) -> int:
    return sum(1 for _ in open_repository(place_of(root, REGION)).ancestry(branch=BRANCH))


def test_one_commit_and_the_same_again_is_none(tmp_path: Path) -> None:
    fill(tmp_path, [3, 4, 9])
    before = _commits(tmp_path)
    told: list[tuple[int, int]] = []
    first = compact(tmp_path, REGION, DAY, progress=lambda done, total: told.append((done, total)))
    again = compact(tmp_path, REGION, DAY)
    assert (first.new, first.cycles, again.new, again.snapshot_id) == (True, 3, False, first.snapshot_id)
    assert _commits(tmp_path) == before + 1
    assert told[-1] == (len(PLANES), len(PLANES))
    view = _group(tmp_path)["views/20200612"]
    assert isinstance(view, zarr.Group)
    assert set(view.array_keys()) == {var.name for var in PLANES} | set(layout.TEXTS) | {"time", "lat", "lon", "crs"}
    assert view["vil"].chunks[0] == 3  # type: ignore[union-attr]


def test_another_version_of_a_cycle_makes_another_view(tmp_path: Path) -> None:
    fill(tmp_path, [3, 4])
    compact(tmp_path, REGION, DAY)
    commit(tmp_path, MIDNIGHT + 4 * SIX, seed=77, version=1)
    assert open_day(tmp_path, REGION, DAY).attrs["view"] == 0  # the commit dropped what no longer holds
    assert compact(tmp_path, REGION, DAY).new
    cubes, view = open_archive(tmp_path, region=REGION), open_day(tmp_path, REGION, DAY)
    assert view.attrs["view"] == 1
    assert float(abs(view["shi"] - cubes["shi"]).max()) == 0


def test_a_view_can_be_dropped_in_a_session(tmp_path: Path) -> None:
    fill(tmp_path, [3])
    compact(tmp_path, REGION, DAY)
    session = open_repository(place_of(tmp_path, REGION)).writable_session(BRANCH)
    group = zarr.open_group(session.store, mode="a")
    assert drop_view(group, "20200612")
    assert not drop_view(group, "20200612")
    assert "views/20200612" not in group
    assert "cubes/20200612" in group


def test_a_day_without_cycles_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, [3])
    with pytest.raises(ArchiveError, match="no cycle of 20200613"):
        compact(tmp_path, REGION, DAY.replace(day=13))


def test_a_view_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, [3, 4])
    before = _commits(tmp_path)

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        compact(tmp_path, REGION, DAY, progress=stop)
    assert _commits(tmp_path) == before
    assert open_day(tmp_path, REGION, DAY).attrs["view"] == 0
    sealed: list[str] = []

    def seal_and_tell(place: Place, snapshot_id: str, cycle: datetime | None) -> None:
        sealed.append(snapshot_id)
        seal(place, snapshot_id, cycle)

    monkeypatch.setattr(module, "seal", seal_and_tell)
    assert sealed == [compact(tmp_path, REGION, DAY).snapshot_id]


def _while_building(act: Callable[[int], object]) -> Callable[[int, int], None]:
    """Progress that acts once in the middle of each building."""
    tries: list[int] = []

    def told(done: int, total: int) -> None:
        if done == total // 2:
            tries.append(done)
            act(len(tries))

    return told


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that finds the lock held says so at once."""
    monkeypatch.setattr(place_module, "LOCK_S", 5.0)


@pytest.mark.usefixtures("short_wait")
def test_a_cycle_is_committed_while_a_view_is_built(tmp_path: Path) -> None:
    fill(tmp_path, [3, 4])
    later = MIDNIGHT + timedelta(days=1)
    done = compact(tmp_path, REGION, DAY, progress=_while_building(lambda _: commit(tmp_path, later, seed=9)))
    assert done.new
    assert _commits(tmp_path) == 5  # the repository's own, three cycles, one view: built once
    assert list_cycles(tmp_path, REGION) == [MIDNIGHT + 3 * SIX, MIDNIGHT + 4 * SIX, later]
    assert _is_of_the_cubes(tmp_path)


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize("slot", [4, 5])
@pytest.mark.parametrize("before", [False, True])
def test_a_cycle_changed_while_its_view_is_built_is_in_it(before: bool, slot: int, tmp_path: Path) -> None:
    fill(tmp_path, [3, 4])
    if before:  # a view that no longer holds is there while the new one is built
        compact(tmp_path, REGION, DAY)
        commit(tmp_path, MIDNIGHT + 3 * SIX, seed=50, version=1)

    def change(attempt: int) -> None:
        if attempt == 1:
            commit(tmp_path, MIDNIGHT + slot * SIX, seed=77, version=7)

    done = compact(tmp_path, REGION, DAY, progress=_while_building(change))
    assert done.cycles == len({3, 4, slot})
    assert _is_of_the_cubes(tmp_path)


@pytest.mark.usefixtures("short_wait")
def test_a_day_that_keeps_changing_is_left(tmp_path: Path) -> None:
    fill(tmp_path, [3])

    def change(attempt: int) -> None:
        commit(tmp_path, MIDNIGHT + 3 * SIX, seed=attempt, version=attempt)

    with pytest.raises(ArchiveError, match="committed meanwhile, 3 times"):
        compact(tmp_path, REGION, DAY, progress=_while_building(change))
    assert open_day(tmp_path, REGION, DAY).attrs["view"] == 0


@pytest.mark.usefixtures("short_wait")
def test_two_that_build_one_view_make_one(tmp_path: Path) -> None:
    fill(tmp_path, [3, 4])
    other: list[str] = []
    done = compact(
        tmp_path, REGION, DAY,
        progress=_while_building(lambda _: other.append(compact(tmp_path, REGION, DAY).snapshot_id)),
    )  # fmt: skip
    assert (done.new, done.snapshot_id) == (False, other[0])
    assert _is_of_the_cubes(tmp_path)


def test_a_failed_sync_takes_the_view_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, [3])
    before = _commits(tmp_path)

    def fail(place: Place, snapshot_id: str, cycle: datetime | None) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(module, "seal", fail)
        with pytest.raises(OSError, match="Input/output"):
            compact(tmp_path, REGION, DAY)
    assert _commits(tmp_path) == before
    assert compact(tmp_path, REGION, DAY).new


def _is_of_the_cubes(root: Path) -> bool:
    """Is there a view, equal to the newest cubes value by value?"""
    view = open_day(root, REGION, DAY).load()
    cubes = open_archive(root, region=REGION).sel(time=view["time"]).load()
    same = [np.array_equal(view[var.name], cubes[var.name], equal_nan=True) for var in PLANES]
    return view.attrs["view"] == 1 and all(same)
