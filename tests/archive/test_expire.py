"""Retention: what is forgotten, what survives, and that an expiry never changes what is read."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icechunk
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archive.cubes import GRID, SIX, cube, provenance, storms
from tests.archive.days import DAY, MIDNIGHT, REGION, commit, fill
from wxcore.archive.check import check_archive
from wxcore.archive.compact import compact
from wxcore.archive.expire import IN_FLIGHT, Expired, Retention, expire
from wxcore.archive.place import place_of
from wxcore.archive.read import list_cycles, open_archive
from wxcore.archive.repository import open_repository
from wxcore.archive.series import open_day, point_series
from wxcore.archive.store import commit_cycle
from wxcore.errors import ArchiveError, TimeError

FOREVER = Retention(None, None, None)
HISTORY = Retention(history_days=0, cube_days=None, view_days=None)


def _now() -> datetime:
    return datetime.now(UTC)


def _vil_of(root: Path, tag: str) -> float:
    session = open_repository(place_of(root, REGION)).readonly_session(tag=tag)
    raw = xr.open_zarr(session.store, group="cubes/20200612", consolidated=False, chunks=None)
    return float(raw["vil"][7].sum())


def test_former_versions_go_tagged_ones_stay(tmp_path: Path) -> None:
    when = MIDNIGHT + 7 * SIX
    ids = [commit(tmp_path, when, seed=version, version=version) for version in range(5)]
    open_repository(place_of(tmp_path, REGION)).create_tag("warning-1", ids[1])
    first, before = _vil_of(tmp_path, "warning-1"), open_archive(tmp_path, region=REGION).load()
    early = open_repository(place_of(tmp_path, REGION)).lookup_snapshot(ids[1]).written_at
    told = expire(tmp_path, REGION, HISTORY, _now() + 2 * IN_FLIGHT)
    assert (told.snapshots, told.dry_run, told.cube_days) == (4, False, ())
    assert told.bytes_freed > 0
    xr.testing.assert_identical(open_archive(tmp_path, region=REGION).load().drop_attrs(), before.drop_attrs())
    assert _vil_of(tmp_path, "warning-1") == first == pytest.approx(
        float(cube(when, seed=1)["vil"].sum()), abs=0.3
    )  # fmt: skip
    repository = open_repository(place_of(tmp_path, REGION))
    for lost in (ids[0], ids[2], ids[3]):
        with pytest.raises(Exception, match="not found"):
            repository.readonly_session(snapshot_id=lost)
    assert told.history_from == repository.lookup_snapshot(ids[4]).written_at
    marker = json.loads((tmp_path / REGION / "archive.json").read_text())
    assert datetime.fromisoformat(marker["history_from"]) == told.history_from
    with pytest.raises(ArchiveError):
        open_archive(tmp_path, region=REGION, as_of=early)
    assert open_archive(tmp_path, region=REGION, as_of=told.history_from).sizes["time"] == 1
    assert check_archive(tmp_path, REGION).faults == ()
    commit(tmp_path, when + SIX, seed=9)
    assert len(list_cycles(tmp_path, REGION)) == 2


@settings(max_examples=4, deadline=None)
@given(versions=st.lists(st.integers(0, 2), min_size=1, max_size=5), keep=st.integers(0, 5))
def test_every_state_that_was_not_forgotten_reads_as_before(
    tmp_path_factory: pytest.TempPathFactory, versions: list[int], keep: int
) -> None:
    root = tmp_path_factory.mktemp("expire")
    states: list[tuple[datetime, xr.Dataset]] = []
    for version, slot in enumerate(versions):
        commit(root, MIDNIGHT + slot * SIX, seed=version, version=version)
        states.append((_now(), open_archive(root, region=REGION)[["vil", "shi"]].load().drop_attrs()))
    kept = min(keep, len(states) - 1)
    told = expire(root, REGION, HISTORY, states[kept][0])
    assert told.snapshots == (kept if told.history_from else 0)
    for moment, before in states[kept:]:
        now = open_archive(root, region=REGION, as_of=moment)[["vil", "shi"]].load()
        xr.testing.assert_identical(now.drop_attrs(), before)
    assert check_archive(root, REGION).faults == ()
    assert expire(root, REGION, HISTORY, states[kept][0]).snapshots == 0


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    commit(tmp_path, MIDNIGHT, seed=1)
    commit(tmp_path, MIDNIGHT, seed=2, version=2)
    compact(tmp_path, REGION, DAY)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    told = expire(tmp_path, REGION, Retention(0, 0, None), _now(), dry_run=True)
    assert (told.cube_days, told.snapshots, told.bytes_freed, told.dry_run) == (("20200612",), 2, 0, True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_old_cubes_go_the_view_stays(tmp_path: Path) -> None:
    fill(tmp_path, [4, 5])
    fill(tmp_path, [6], MIDNIGHT + timedelta(days=40))
    compact(tmp_path, REGION, DAY)
    before = open_day(tmp_path, REGION, DAY).load()
    now = MIDNIGHT + timedelta(days=61)
    steps: list[tuple[str, int, int]] = []
    told = expire(tmp_path, REGION, Retention(None, 60, 400), now, progress=lambda *step: steps.append(step))
    assert (told.cube_days, told.view_days, told.kept_days) == (("20200612",), (), ())
    assert steps[-1][1:] == (4, 4)
    assert [f"{time:%Y%m%d}" for time in list_cycles(tmp_path, REGION)] == ["20200722"]
    xr.testing.assert_identical(open_day(tmp_path, REGION, DAY).load(), before)
    whole = point_series(tmp_path, REGION, 29.0, 106.0, start=MIDNIGHT, end=now, variables=["vil"])
    assert whole.sizes == {"time": 3}
    with pytest.raises(ArchiveError, match="reflectivity of 20200612 was expired"):
        point_series(tmp_path, REGION, 29.0, 106.0, start=MIDNIGHT, end=now, variables=["reflectivity"])
    told = expire(tmp_path, REGION, Retention(0, 60, 60), now)
    assert told.view_days == ("20200612",)
    with pytest.raises(ArchiveError, match="no cycle"):
        open_day(tmp_path, REGION, DAY)
    assert check_archive(tmp_path, REGION).faults == ()
    commit(tmp_path, MIDNIGHT + 4 * SIX, seed=4)  # ingested again, it comes back
    assert len(list_cycles(tmp_path, REGION)) == 2


def test_the_last_day_within_the_rule_is_kept(tmp_path: Path) -> None:
    fill(tmp_path, [0, 239])
    compact(tmp_path, REGION, DAY)
    for at, due in ((MIDNIGHT + timedelta(days=60, hours=23), ()), (MIDNIGHT + timedelta(days=61), ("20200612",))):
        assert expire(tmp_path, REGION, Retention(None, 60, None), at, dry_run=True).cube_days == due


def test_a_day_without_a_view_is_not_deleted(tmp_path: Path) -> None:
    fill(tmp_path, [4])
    now = MIDNIGHT + timedelta(days=100)
    told = expire(tmp_path, REGION, Retention(None, 60, 400), now)
    assert (told.kept_days, told.cube_days) == (("20200612",), ())
    assert len(list_cycles(tmp_path, REGION)) == 1
    assert expire(tmp_path, REGION, Retention(None, 60, 90), now).cube_days == ("20200612",)


def test_for_ever_is_for_ever(tmp_path: Path) -> None:
    fill(tmp_path, [4])
    told = expire(tmp_path, REGION, FOREVER, _now() + timedelta(days=10_000))
    assert told == Expired(0, (), (), (), 0, None, dry_run=False)


def test_bad_rules_and_naive_times_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="history_days: found -1"):
        Retention(history_days=-1)
    with pytest.raises(TimeError):
        expire(tmp_path, REGION, FOREVER, MIDNIGHT.replace(tzinfo=None))


WIDE = replace(GRID, n_lon=40, n_lat=30)
"""Large enough that Icechunk writes chunks as objects of their own (above 512 bytes)."""


def test_a_view_that_is_being_built_keeps_what_it_wrote(tmp_path: Path) -> None:
    """Its objects are older than the newest commit, and nothing refers to them yet."""
    for slot in (4, 5):
        commit(tmp_path, MIDNIGHT + slot * SIX, seed=slot, grid=WIDE)

    turns: list[int] = []

    def collect(done: int, total: int) -> None:
        if done == total - 1 and not turns:
            turns.append(1)
            commit(tmp_path, MIDNIGHT + timedelta(days=1), seed=9, grid=WIDE)
            assert expire(tmp_path, REGION, HISTORY, _now()).snapshots > 0

    assert compact(tmp_path, REGION, DAY, progress=collect).new
    view = open_day(tmp_path, REGION, DAY).load()
    assert view.attrs["view"] == 1
    xr.testing.assert_equal(view["shi"], open_archive(tmp_path, region=REGION)["shi"].sel(time=view["time"]).load())
    assert check_archive(tmp_path, REGION).faults == ()


@pytest.mark.parametrize("another", [False, True])
def test_a_store_is_expired_beside_a_writer(another: bool, s3_root: str) -> None:
    """No lock there: between a writer's last object and its commit others commit, delete a day, forget and collect."""
    for version in range(3):
        commit(s3_root, MIDNIGHT, seed=version, version=version, grid=WIDE)
    when = _now().replace(hour=0, minute=0, second=0, microsecond=0)
    turns: list[int] = []

    def expire_now() -> None:
        if not turns:
            turns.append(1)
            if another:
                commit(s3_root, when + SIX, seed=8, grid=WIDE)
            told = expire(s3_root, REGION, Retention(0, 60, 60), _now())
            assert (told.snapshots > 0, told.cube_days) == (True, ("20200612",))

    made = cube(when, seed=7, grid=WIDE)
    commit_cycle(s3_root, REGION, WIDE, when, made, storms(when), provenance(when), fence=expire_now)
    assert list_cycles(s3_root, REGION) == [when, when + SIX][: 1 + another]
    found = open_archive(s3_root, region=REGION).load()
    assert (found["shi"].to_numpy()[0] == made["shi"].to_numpy()[0]).sum() > 100
    assert check_archive(s3_root, REGION).faults == ()


def test_a_day_is_deleted_although_another_writer_was_faster(s3_root: str) -> None:
    fill(s3_root, [4])
    now = MIDNIGHT + timedelta(days=100)
    turns: list[int] = []
    commit_of = icechunk.Session.commit

    def commit_late(self: icechunk.Session, *args: Any, **options: Any) -> str:
        if not turns:
            turns.append(1)
            commit(s3_root, now, seed=1)
        return commit_of(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(icechunk.Session, "commit", commit_late)
        told = expire(s3_root, REGION, Retention(None, 60, 0), now)
    assert told.cube_days == ("20200612",)
    assert list_cycles(s3_root, REGION) == [now]
