"""The check finds real damage, names its place, and never raises."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archive.days import DAY, MIDNIGHT, REGION, fill
from wxcore.archive.check import Checked, check_archive
from wxcore.archive.compact import compact
from wxcore.archive.place import place_of
from wxcore.archive.repository import BRANCH, open_repository


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    fill(root, [3, 4, 200])
    compact(root, REGION, DAY)
    return root


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "archive")
    return tmp_path / "archive"


def _change(root: Path, path: str, index: Any, value: Any) -> None:
    session = open_repository(place_of(root, REGION)).writable_session(BRANCH)
    zarr.open_group(session.store, mode="a")[path][index] = value
    session.commit("damage")


def test_a_whole_archive_is_clean(whole: Path) -> None:
    told: list[tuple[int, int]] = []
    found = check_archive(whole, REGION, progress=lambda done, total: told.append((done, total)))
    assert found.clean
    assert (found.cycles, found.snapshots, told[-1]) == (3, 5, (3, 3))
    assert found.bytes == sum(path.stat().st_size for path in (whole / REGION / "repo").rglob("*") if path.is_file())
    assert check_archive(whole, REGION, quick=2).cycles == 2


@pytest.mark.parametrize(
    ("path", "index", "value", "variable", "says"),
    [
        ("cubes/20200612/vil", (4, 0, 0), 20_100, "vil", "expected 0 … 200 kg m-2"),
        ("cubes/20200612/reflectivity", (4, 1, 2, 3), -200, "reflectivity", "values -20"),
        ("cubes/20200612/nearest_radar", (4, 0, 0), 2, "nearest_radar", "expected -1 … 1"),
        ("cubes/20200612/observed", (4, 0, 0), 3, "observed", "expected -inf … 2"),
        ("cubes/20200612/shi", (4, 0, 0), float("inf"), "shi", "inf"),
        ("tables/20200612/storms", 4, '{"rows": 1, "columns": {"a"', "storms", "damaged table"),
        ("tables/20200612/provenance", 4, "{", "provenance", "JSONDecodeError"),
        ("tables/20200612/provenance", 4, "", "written", "no provenance"),
        ("tables/20200612/provenance", 7, '{"fingerprint": "x"}', "written", "not marked"),
        ("cubes/20200612/time", 5, 0, "time", "not ascending"),
        ("cubes/20200612/lat", 0, 28.0, "lat", "expected 5 ascending from 29"),
        ("views/20200612/mesh", (1, 0, 0), -5, "view/mesh", "expected 0 … 250 mm"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    copy: Path, path: str, index: Any, value: Any, variable: str, says: str
) -> None:
    _change(copy, path, index, value)
    faults = check_archive(copy, REGION).faults
    told = [fault for fault in faults if fault.variable == variable]
    assert told, faults
    assert says in told[0].en
    assert told[0].day == "20200612"
    assert told[0].zh
    if "cubes" in path and variable not in {"time", "lat"}:
        assert f"{told[0].time:%H%M}" == "0024"


def test_an_archive_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    found = check_archive(tmp_path, REGION)
    assert (found.clean, found.cycles) == (False, 0)
    assert "no archive here" in found.faults[0].en


def test_an_orphan_is_told(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = open_repository(place_of(copy, REGION))
    ids = [info.id for info in repository.ancestry(branch=BRANCH)]
    repository.reset_branch(BRANCH, ids[1])  # the view's commit belongs to nobody now
    monkeypatch.setattr("wxcore.archive.check.ORPHAN_AGE", MIDNIGHT - MIDNIGHT)
    faults = check_archive(copy, REGION).faults
    assert len(faults) == 1
    assert "belong to no commit" in faults[0].en


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_of_files_makes_it_raise(whole: Path, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    root = tmp_path_factory.mktemp("damaged") / "archive"
    shutil.copytree(whole, root)
    repo = root / REGION / "repo"
    victim = data.draw(st.sampled_from(sorted(path for path in repo.rglob("*") if path.is_file())))
    content = victim.read_bytes()
    how = data.draw(st.sampled_from(["empty", "gone", "half", "flip"]))
    if how == "gone":
        victim.unlink()
    elif how == "flip":
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        victim.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :] if content else b"")
    else:
        victim.write_bytes(b"" if how == "empty" else content[: len(content) // 2])
    found = check_archive(root, REGION)
    assert isinstance(found, Checked)
    if how == "empty":
        assert any(fault.file == str(victim.relative_to(root / REGION)) for fault in found.faults)
    json.dumps([fault.en for fault in found.faults])
    shutil.rmtree(root)
