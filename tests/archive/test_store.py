"""The archive keeps whole cycles only, once each, on one grid, and knows what was known when."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icechunk
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archive.cubes import GRID, NOON, SIX, cube, provenance, storms
from wxcore.archive import layout, repository
from wxcore.archive.read import list_cycles, open_archive, read_provenance
from wxcore.archive.store import Commit, commit_cycle
from wxcore.archive.storms import read_probabilities, read_storms, recent_storms
from wxcore.errors import ArchiveError, SchemaError, TimeError
from wxcore.schema import MOSAIC, NO_ECHO_DBZ, PRODUCTS, check

ROOT = Path(__file__).parent.parent.parent


def commit(root: Path | str, when: datetime, version: int = 0, **changes: object) -> Commit:
    given_cube = changes.get("cube", cube(when, seed=version))
    assert isinstance(given_cube, xr.Dataset)
    return commit_cycle(root, "r", GRID, when, given_cube, storms(when), provenance(when, version))


def snapshots(root: Path) -> list[str]:
    repo = repository.open_repository(root / "r")
    return [str(item.id) for item in repo.ancestry(branch="main")]


class TestRoundTrip:
    def test_every_variable_comes_back_within_half_a_quantum(self, tmp_path: Path) -> None:
        given_cube = cube(NOON)
        commit(tmp_path, NOON, cube=given_cube)
        found = open_archive(tmp_path, region="r").load()
        check(found, (*MOSAIC, *PRODUCTS), what="archive")
        for var in (*MOSAIC, *PRODUCTS):
            wanted, got = given_cube[var.name].to_numpy(), found[var.name].to_numpy()
            assert got.dtype == wanted.dtype
            if wanted.dtype.kind == "f":
                assert (np.isnan(got) == np.isnan(wanted)).all(), var.name
                step = layout.QUANTUM.get(var.name, 0.0)
                np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=step * 0.501)
            else:
                np.testing.assert_array_equal(got, wanted)
        for name in ("lat", "lon", "height", "time"):
            np.testing.assert_array_equal(found[name], given_cube[name])

    def test_no_echo_stays_no_echo_and_missing_stays_missing(self, tmp_path: Path) -> None:
        given_cube = cube(NOON)
        given_cube["reflectivity"].data[0, :, 0, :] = NO_ECHO_DBZ
        given_cube["reflectivity"].data[0, :, 1, :] = np.nan
        commit(tmp_path, NOON, cube=given_cube)
        found = open_archive(tmp_path, region="r")["reflectivity"].to_numpy()[0]
        assert (found[:, 0, :] == np.float32(NO_ECHO_DBZ)).all()
        assert np.isnan(found[:, 1, :]).all()

    def test_one_line_of_xarray_in_a_fresh_python(self, tmp_path: Path) -> None:
        commit(tmp_path, NOON)
        commit(tmp_path, NOON + SIX)
        code = "import sys, xarray; d = xarray.open_dataset(sys.argv[1], engine='wxcore'); print(dict(d.sizes))"
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "r")], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert "'time': 2" in done.stdout
        assert "WARN" not in done.stdout + done.stderr

    def test_gaps_days_and_order(self, tmp_path: Path) -> None:
        midnight = datetime(2020, 6, 13, tzinfo=UTC)
        times = [midnight + 3 * SIX, midnight - SIX, midnight, NOON]
        for when in times:
            commit(tmp_path, when)
        assert list_cycles(tmp_path, "r") == sorted(times)
        found = open_archive(tmp_path / "r")
        assert [pd.Timestamp(value).tz_localize("UTC").to_pydatetime() for value in found["time"].to_numpy()] == sorted(
            times
        )
        assert found["reflectivity"].dtype == np.float32

    def test_metadata_is_cf(self, tmp_path: Path) -> None:
        commit(tmp_path, NOON)
        found = open_archive(tmp_path, region="r")
        assert found.attrs["Conventions"] == "CF-1.11"
        assert found["crs"].attrs["grid_mapping_name"] == "latitude_longitude"
        assert found["reflectivity"].attrs["standard_name"] == "equivalent_reflectivity_factor"
        assert found["lat"].attrs["units"] == "degrees_north"
        assert found["height"].attrs["positive"] == "up"

    def test_tables_and_provenance(self, tmp_path: Path) -> None:
        chances = pd.DataFrame({
            "storm_id": ["a"], "hazard": ["hail"], "lead_start_min": [0], "lead_end_min": [30], "p": [0.1],
            "model": ["rules/1"], "drivers": [("MESH 46 mm",)], "drivers_zh": [("冰雹指数",)],
            "inputs_missing": [("satellite", "lightning")],
        })  # fmt: skip
        commit_cycle(tmp_path, "r", GRID, NOON, cube(NOON), storms(NOON), provenance(NOON), probabilities=chances)
        found = read_storms(tmp_path, "r", NOON)
        assert found is not None
        pd.testing.assert_frame_equal(found, storms(NOON), check_dtype=False)
        assert found["polygon"][1].equals_exact(storms(NOON)["polygon"][1], 0.0)
        read = read_probabilities(tmp_path, "r", NOON)
        assert read is not None
        pd.testing.assert_frame_equal(read, chances, check_dtype=False)
        assert read_provenance(tmp_path, "r", NOON) == provenance(NOON)
        newest = next(iter(repository.open_repository(tmp_path / "r").ancestry(branch="main")))
        assert newest.metadata["inputs"] == ["00" * 32]

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        assert list_cycles(tmp_path, "r") == []
        assert read_storms(tmp_path, "r", NOON) is None
        assert recent_storms(tmp_path, "r", NOON) == []
        commit(tmp_path, NOON)
        assert read_storms(tmp_path, "r", NOON + SIX) is None
        assert read_storms(tmp_path, "r", NOON + timedelta(days=1)) is None
        assert read_probabilities(tmp_path, "r", NOON) is None
        with pytest.raises(ArchiveError, match="no archive here; regions in it: r"):
            open_archive(tmp_path)

    def test_recent_storms_are_the_five_cycles_before_oldest_first(self, tmp_path: Path) -> None:
        for step in (0, 1, 3, 5, 6):
            commit_cycle(
                tmp_path, "r", GRID, NOON + step * SIX, cube(NOON + step * SIX), storms(NOON + step * SIX, rows=step),
                provenance(NOON + step * SIX),
            )  # fmt: skip
        found = recent_storms(tmp_path, "r", NOON + 6 * SIX)
        assert [len(table) for table in found] == [1, 3, 5]  # 2 and 4 were never run, 0 is 36 minutes ago

    def test_nearest_radar_counts_in_the_archives_list(self, tmp_path: Path) -> None:
        first, second = cube(NOON), cube(NOON + SIX)
        first.attrs["radars"], second.attrs["radars"] = ["A", "B"], ["C", "B"]
        first["nearest_radar"].data[...] = 1
        second["nearest_radar"].data[...] = 0
        second["nearest_radar"].data[0, 0, 0] = -1
        commit(tmp_path, NOON, cube=first)
        commit(tmp_path, NOON + SIX, cube=second)
        found = open_archive(tmp_path, region="r")
        radars, nearest = found.attrs["radars"], found["nearest_radar"].to_numpy()
        assert radars[nearest[0, 2, 2]] == "B"
        assert radars[nearest[1, 2, 2]] == "C"
        assert nearest[1, 0, 0] == -1


class TestIdempotence:
    def test_the_same_again_commits_nothing(self, tmp_path: Path) -> None:
        first = commit(tmp_path, NOON)
        commit(tmp_path, NOON + SIX)
        before = snapshots(tmp_path)
        again = commit(tmp_path, NOON)
        assert first.new
        assert again == replace(first, new=False)
        assert snapshots(tmp_path) == before

    def test_another_fingerprint_makes_a_new_version_and_keeps_the_old(self, tmp_path: Path) -> None:
        commit(tmp_path, NOON, 0)
        between = datetime.now(UTC)
        time.sleep(0.01)
        commit(tmp_path, NOON, 1)
        now, then = open_archive(tmp_path, region="r"), open_archive(tmp_path, region="r", as_of=between)
        quantum = layout.QUANTUM["vil"]
        np.testing.assert_allclose(now["vil"], cube(NOON, seed=1)["vil"], atol=quantum)
        np.testing.assert_allclose(then["vil"], cube(NOON, seed=0)["vil"], atol=quantum)
        with pytest.raises(ArchiveError, match="nothing was committed by"):
            open_archive(tmp_path, region="r", as_of=datetime(2000, 1, 1, tzinfo=UTC))
        with pytest.raises(TimeError):
            open_archive(tmp_path, region="r", as_of=datetime(2026, 1, 1))  # noqa: DTZ001

    def test_a_new_version_may_lose_echo(self, tmp_path: Path) -> None:
        empty = cube(NOON)
        empty["reflectivity"].data[...] = np.nan
        commit(tmp_path, NOON, 0)
        commit(tmp_path, NOON, 1, cube=empty)
        assert np.isnan(open_archive(tmp_path, region="r")["reflectivity"].to_numpy()).all()

    @settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(order=st.lists(st.integers(0, 2), min_size=3, max_size=5).filter(lambda steps: {0, 1, 2} <= set(steps)))
    def test_any_order_and_any_repeats_give_the_same_cube(
        self, order: list[int], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        root = tmp_path_factory.mktemp("order")
        for step in order:
            commit(root, NOON + step * SIX, cube=cube(NOON + step * SIX, seed=step))
        found = open_archive(root, region="r")
        for step in range(3):
            wanted = cube(NOON, seed=step)["mesh"].to_numpy()[0]
            np.testing.assert_allclose(found["mesh"].to_numpy()[step], wanted, atol=0.006)


class TestRefusals:
    def test_another_grid(self, tmp_path: Path) -> None:
        commit(tmp_path, NOON)
        other = replace(GRID, lon_west=107.0)
        with pytest.raises(ArchiveError, match=r"106\.0.*107\.0") as caught:
            commit_cycle(
                tmp_path, "r", other, NOON + SIX, cube(NOON + SIX, grid=other), storms(NOON), provenance(NOON + SIX)
            )
        assert "另一网格" in caught.value.zh
        assert list_cycles(tmp_path, "r") == [NOON]

    def test_a_cube_off_its_grid_or_time(self, tmp_path: Path) -> None:
        with pytest.raises(SchemaError, match="lat: 5 values") as caught:
            commit(tmp_path, NOON, cube=cube(NOON + SIX, grid=replace(GRID, lat_south=30.0)))
        assert any(fault.startswith("time:") for fault in caught.value.faults)
        assert not repository.has_archive(tmp_path / "r")

    @pytest.mark.parametrize("damage", ["dtype", "units", "missing", "dims"])
    def test_what_the_schema_forbids(self, damage: str, tmp_path: Path) -> None:
        wrong = cube(NOON)
        if damage == "dtype":
            wrong["vil"] = wrong["vil"].astype("f8").assign_attrs(wrong["vil"].attrs)
        elif damage == "units":
            wrong["vil"].attrs["units"] = "mm"
        elif damage == "missing":
            wrong = wrong.drop_vars("vil")
        else:
            wrong["vil"] = wrong["vil"].transpose("time", "lon", "lat")
        with pytest.raises(SchemaError, match="vil"):
            commit(tmp_path, NOON, cube=wrong)

    def test_no_slot_naive_and_no_fingerprint(self, tmp_path: Path) -> None:
        with pytest.raises(ArchiveError, match="05:42:00Z"):
            commit(tmp_path, NOON + timedelta(minutes=1))
        with pytest.raises(TimeError):
            commit(tmp_path, NOON.replace(tzinfo=None))
        with pytest.raises(ArchiveError, match="fingerprint"):
            commit_cycle(tmp_path, "r", GRID, NOON, cube(NOON), storms(NOON), {})

    def test_values_that_the_packing_cannot_hold(self, tmp_path: Path) -> None:
        wrong = cube(NOON)
        wrong["composite_height"].data[0, 0, 0] = np.inf
        with pytest.raises(SchemaError, match="composite_height"):
            commit(tmp_path, NOON, cube=wrong)
        assert list_cycles(tmp_path, "r") == []

    def test_unnamed_radars(self, tmp_path: Path) -> None:
        wrong = cube(NOON)
        wrong["nearest_radar"].data[0, 0, 0] = 2
        with pytest.raises(SchemaError, match="index 2"):
            commit(tmp_path, NOON, cube=wrong)

    @pytest.mark.parametrize(
        ("record", "message"),
        [
            ({"wxcore_archive_format": 99, "icechunk_major": 1}, "archive format 99"),
            ({"wxcore_archive_format": layout.FORMAT, "icechunk_major": 99}, "Icechunk 99"),
            ({}, "damaged"),
        ],
    )
    def test_versions_that_cannot_be_opened(self, record: dict[str, int], message: str, tmp_path: Path) -> None:
        commit(tmp_path, NOON)
        (tmp_path / "r" / repository.MARKER).write_text(json.dumps(record))
        with pytest.raises(ArchiveError, match=message):
            open_archive(tmp_path, region="r")
        with pytest.raises(ArchiveError, match=message):
            commit(tmp_path, NOON + SIX)

    def test_a_failed_commit_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        commit(tmp_path, NOON)

        def fail(*args: object, **kwargs: object) -> str:
            raise icechunk.IcechunkError("no")

        with monkeypatch.context() as patch:
            patch.setattr(icechunk.Session, "commit", fail)
            with pytest.raises(ArchiveError, match="was not committed"):
                commit(tmp_path, NOON + SIX)
        assert list_cycles(tmp_path, "r") == [NOON]
        assert commit(tmp_path, NOON + SIX).new


WRITER = """
import sys
from pathlib import Path
from tests.archive.cubes import *
from wxcore.archive.store import commit_cycle
root, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for step in range(first, last):
    when = NOON + step * SIX
    commit_cycle(root, "r", GRID, when, cube(when, seed=step), storms(when), provenance(when))
    print(step, flush=True)
"""


def writer(root: Path, first: int, last: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), str(first), str(last)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def assert_whole(root: Path, cycles: int) -> None:
    """Every cycle there is as it was given, and there are at least as many as were acknowledged."""
    times = list_cycles(root, "r")
    assert len(times) >= cycles
    found = open_archive(root, region="r").load()
    for index, when in enumerate(times):
        wanted = cube(when, seed=round((when - NOON) / SIX))
        assert set(wanted.data_vars) <= set(found.data_vars)
        for name, step in layout.QUANTUM.items():
            if name in wanted:
                np.testing.assert_allclose(found[name].to_numpy()[index], wanted[name].to_numpy()[0], atol=step)
        assert read_storms(root, "r", when) is not None


def test_killed_writers_leave_whole_cycles_only(tmp_path: Path) -> None:
    chance = random.Random(20200612)
    acknowledged = 0
    for whole in (1, 2):
        process = writer(tmp_path, acknowledged, 200)
        assert process.stdout is not None
        for _ in range(whole):
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
        acknowledged += whole + rest.count("\n")
        assert_whole(tmp_path, acknowledged)
    assert acknowledged >= 3
