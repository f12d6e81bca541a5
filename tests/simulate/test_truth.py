"""Truth beside the files: the same as the fields it was made from, the same bytes every time, and it says SYN."""

import csv
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xarray as xr

from wxcore.errors import TimeError
from wxcore.hazard.labels.events import read_events
from wxcore.region import load_region
from wxcore.schema import NO_ECHO_DBZ
from wxcore.simulate import fields
from wxcore.simulate.flashes import flashes
from wxcore.simulate.planned import SMALL, Setting
from wxcore.simulate.scenarios import build_world
from wxcore.simulate.scene import Cell, World
from wxcore.simulate.truth import phase, read_truth, truth_cycles, write_truth

START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
END = START + timedelta(minutes=12)
CYCLES = [START + timedelta(minutes=6), END]


@cache
def setting() -> Setting:
    region = load_region("guangdong")
    return Setting(region, build_world("afternoon", region, START, 1.0, 3), SMALL, START, END, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("feed")
    paths = write_truth(setting(), target)
    names = ["README.txt", "cells.csv", "flashes.csv", "events.csv", "truth.nc"]
    assert paths == [target / "truth" / name for name in names]
    assert sorted(path.name for path in (target / "truth").iterdir()) == sorted(names)
    return target


@pytest.fixture(scope="module")
def truth(folder: Path) -> xr.Dataset:
    return read_truth(folder)


def places(count: int = 4000) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    random = np.random.default_rng(8)
    n_lat, n_lon = setting().region.grid.shape
    return random.integers(0, n_lat, count), random.integers(0, n_lon, count)


def test_the_same_setting_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for path in write_truth(setting(), tmp_path):
        assert path.read_bytes() == (folder / "truth" / path.name).read_bytes()


def test_everything_says_syn(folder: Path, truth: xr.Dataset) -> None:
    assert (folder / "truth" / "README.txt").read_text(encoding="utf-8").startswith("SYN")
    assert truth.attrs["wxcore_truth"] == "SYN"
    for name in ("cells.csv", "flashes.csv", "events.csv"):
        assert (folder / "truth" / name).read_text(encoding="utf-8").startswith("# wxcore_truth=SYN\n")


def test_the_grid_is_the_regions_and_the_times_are_cycles(truth: xr.Dataset) -> None:
    grid = setting().region.grid
    np.testing.assert_array_equal(truth["lon"], grid.lon)
    np.testing.assert_array_equal(truth["lat"], grid.lat)
    assert [pd.Timestamp(time).tz_localize("UTC") for time in truth["time"].to_numpy()] == CYCLES
    bounds = truth["time_bounds"].to_numpy()
    assert (bounds[:, 1] == truth["time"].to_numpy()).all()
    assert (bounds[:, 1] - bounds[:, 0] == np.timedelta64(6, "m")).all()


def test_echo_is_that_of_the_levels(truth: xr.Dataset) -> None:
    grid = setting().region.grid
    y, x = places()
    for index, when in enumerate(CYCLES):
        column = fields.reflectivity(
            setting().world, grid.lon[x][:, None], grid.lat[y][:, None], grid.height, when
        ).max(axis=1)  # fmt: skip
        found = truth["composite_reflectivity"].to_numpy()[index, y, x]
        np.testing.assert_allclose(found, np.maximum(column, NO_ECHO_DBZ), atol=0.051)
        assert (found > 20).sum() > 50
        assert (found == NO_ECHO_DBZ).sum() > 50


def test_hail_and_gusts_are_the_largest_of_six_minutes(truth: xr.Dataset) -> None:
    grid = setting().region.grid
    y, x = places()
    for index, when in enumerate(CYCLES):
        times = [when - timedelta(minutes=minute) for minute in range(6)]
        gust = np.max([fields.ground(setting().world, grid.lon[x], grid.lat[y], at).gust for at in times], axis=0)
        found = truth["wind_speed_of_gust"].to_numpy()[index, y, x]
        np.testing.assert_allclose(found, gust, atol=0.051)
        assert np.ptp(found) > 10
        lon, lat = np.meshgrid(grid.lon, grid.lat)
        hail = np.max([fields.hail_size(setting().world, lon, lat, at) for at in times], axis=0)
        np.testing.assert_allclose(truth["hail_size"].to_numpy()[index], hail, atol=0.051)
        assert hail.max() > 30


def test_flashes_are_counted_in_their_cell_and_six_minutes(folder: Path, truth: xr.Dataset) -> None:
    grid = setting().region.grid
    listed = pd.read_csv(folder / "truth" / "flashes.csv", comment="#", parse_dates=["time"])
    made = flashes(setting().world, START - timedelta(seconds=1), END)
    assert made.time[0] < np.datetime64(START.replace(tzinfo=None)), "the end of such a flash may be in a file"
    assert len(listed) == made.time.size > 100
    np.testing.assert_allclose(listed["lon"], made.lon, atol=6e-5)
    np.testing.assert_allclose(listed["height_m"], made.height, atol=0.51)
    assert (listed["peak_current_ka"].notna() == (listed["cloud_to_ground"] == 1)).all()
    edges = [np.append(axis - 0.005, axis[-1] + 0.005) for axis in (grid.lat, grid.lon)]
    for index, when in enumerate(CYCLES):
        mask = made.time >= np.datetime64((when - timedelta(minutes=6)).replace(tzinfo=None))
        mask &= made.time < np.datetime64(when.replace(tzinfo=None))
        count = np.histogram2d(made.lat[mask], made.lon[mask], bins=edges)[0]
        np.testing.assert_array_equal(truth["flash_count"].to_numpy()[index], count)
        assert count.sum() > 50


def test_cells_are_listed_while_they_live(folder: Path) -> None:
    lines = (folder / "truth" / "cells.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines[1:]))
    world = setting().world
    for when in CYCLES:
        now = [row for row in rows if row["time"] == f"{when:%Y-%m-%dT%H:%M:%SZ}"]
        living = [cell for cell in world.cells if cell.vigour(when) > 0]
        for row, cell in zip(now, living, strict=True):
            assert (row["id"], row["storm"], row["parents"].split()) == (cell.id, cell.storm, list(cell.parents))
            lon, lat = cell.place(when)
            assert (float(row["lon"]), float(row["lat"])) == pytest.approx((lon, lat), abs=6e-5)
            alone = fields.reflectivity(World((cell,)), lon, lat, 1000, when)
            assert float(row["peak_dbz"]) >= float(alone) - 0.06
            assert float(row["hail_mm"]) == pytest.approx(cell.hail_mm * max(2 * cell.vigour(when) - 1, 0), abs=0.06)
            assert float(row["rotation_m_s"]) == pytest.approx(cell.rotation_m_s * cell.vigour(when), abs=0.06)
            assert float(row["gust_m_s"]) <= cell.outflow_m_s + 0.06
    assert {row["phase"] for row in rows} == {"initiation", "growth", "mature", "decay"}


def test_events_are_the_truth_of_the_other_files(folder: Path, truth: xr.Dataset) -> None:
    events = read_events(folder / "truth" / "events.csv")
    assert (events["label_source"] == "SYN").all()
    assert (events[["time_error_min", "place_error_km"]] == 0).all().all()
    of = dict(list(events.groupby("kind")))
    listed = pd.read_csv(folder / "truth" / "flashes.csv", comment="#", parse_dates=["time"])
    assert of["flash"]["time"].tolist() == sorted(listed["time"].dt.tz_localize(None))
    cells = pd.read_csv(folder / "truth" / "cells.csv", comment="#", parse_dates=["time"])
    falls = cells[cells["hail_mm"] >= 0.1]
    assert len(of["hail"]) >= len(falls) > 0
    found = of["hail"][of["hail"]["value"] >= 0.1]
    np.testing.assert_allclose(np.sort(found["value"].to_numpy())[-len(falls) :], np.sort(falls["hail_mm"]), atol=0.051)
    assert sorted(zip(found["lon"], found["lat"], strict=True))[-1][0] in set(cells["lon"])
    gusts = of["gust"]
    assert gusts["value"].min() >= 10.8
    for when in CYCLES:
        now = gusts[gusts["time"] == pd.Timestamp(when).tz_localize(None)]
        assert len(now)
        there = fields.ground(setting().world, now["lon"].to_numpy(), now["lat"].to_numpy(), when).gust
        np.testing.assert_allclose(now["value"], there, atol=0.05)


def test_phases_follow_each_other() -> None:
    cell = Cell(106, 29, 0, 0, START, 100, 50, 8, 7000)
    names = [phase(cell, START + timedelta(minutes=minute)) for minute in (1, 11, 13, 34, 36, 50, 69, 71, 99)]
    assert names == [*["initiation"] * 2, *["growth"] * 2, *["mature"] * 3, *["decay"] * 2]


def test_cycles_of_a_period() -> None:
    assert truth_cycles(START, END) == CYCLES
    assert truth_cycles(START + timedelta(minutes=3), END + timedelta(minutes=1)) == [
        *CYCLES,
        END + timedelta(minutes=6),
    ]
    with pytest.raises(TimeError):
        truth_cycles(START.replace(tzinfo=None), END)


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_truth(tmp_path)
