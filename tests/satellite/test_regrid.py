"""Scenes on the grid: which pixel a cell takes, and what it never does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from wxcore.errors import ReadError, Reason
from wxcore.grid import Grid
from wxcore.satellite.geometry import Disk, Geometry, Plate, Swath, fy4_disk, zenith_deg
from wxcore.satellite.regrid import MAX_ZENITH_DEG, SWATH_REACH, index_table, to_grid, wider
from wxcore.satellite.regrid_kernels import NOTHING
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, REFLECTANCE, Channel, Scene
from wxcore.schema import IMAGE, SIMULATED_ATTRIBUTE, SIMULATED_MARK

START = datetime(2025, 2, 26, 7, 0, 3, tzinfo=UTC)
GRID = Grid(105.0, 29.0, 41, 31, 0.02)
DISK = fy4_disk(4000, 105.0).window(590, 1360, 60, 70)


def scene(geometry: Geometry | None, *channels: Channel, shape: tuple[int, int] | None = None) -> Scene:
    shape = shape or (geometry.shape if geometry else (2, 2))
    if not channels:
        channels = (channel(10.8, np.arange(np.prod(shape), dtype=np.float32).reshape(shape)),)
    offsets = 100.0 + np.arange(shape[0], dtype=np.float64)
    return Scene("f", "FY-4B", "AGRI", 4000, START, START + timedelta(minutes=15), channels, geometry, offsets)


def channel(um: float, values: np.ndarray, quantity: str = BRIGHTNESS_TEMPERATURE) -> Channel:
    return Channel(1, um, quantity, values.astype(np.float32))


def unit(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    lon, lat = np.deg2rad(np.asarray(lon, float)), np.deg2rad(np.asarray(lat, float))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


class TestFields:
    def test_bands_by_wavelength_with_their_attributes(self) -> None:
        shape = DISK.shape
        data = to_grid(
            scene(
                DISK,
                channel(0.65, np.full(shape, 0.25), REFLECTANCE),
                channel(6.25, np.full(shape, 240.0)),
                channel(10.8, np.full(shape, 280.0)),
                channel(1.61, np.full(shape, 0.5), REFLECTANCE),
            ),
            GRID,
        )
        assert set(data.data_vars) == {
            "reflectance_065", "brightness_temperature_062", "brightness_temperature_108", "line_offset"
        }  # fmt: skip
        for name, value in (("reflectance_065", 0.25), ("brightness_temperature_108", 280.0)):
            field = data[name]
            assert field.dims == ("time", "lat", "lon")
            assert field.shape == (1, 31, 41)
            assert field.dtype == np.float32
            assert field.attrs == next(var for var in IMAGE if var.name == name).attrs
            assert (field.values == value).all()

    def test_time_is_the_start_in_utc(self) -> None:
        data = to_grid(scene(DISK), GRID)
        assert data["time"].values.tolist() == [np.datetime64("2025-02-26T07:00:03", "ns").astype(int)]
        assert data["lat"].values.tolist() == GRID.lat.tolist()

    def test_source_is_kept(self) -> None:
        plain = to_grid(scene(DISK), GRID)
        assert plain.attrs == {"platform": "FY-4B", "instrument": "AGRI", "resolution_m": 4000}
        marked = to_grid(replace(scene(DISK), simulated=True), GRID)
        assert marked.attrs[SIMULATED_ATTRIBUTE] == SIMULATED_MARK

    def test_line_offset_is_the_line_s(self) -> None:
        data = to_grid(scene(DISK), GRID)
        line, _ = DISK.pixels(GRID.lon[None, :], GRID.lat[:, None])
        assert data["line_offset"].values[0] == pytest.approx(100 + np.floor(line + 0.5))
        assert data["line_offset"].attrs["units"] == "s"


class TestNearest:
    @pytest.mark.parametrize("geometry", [DISK, Plate("+proj=merc +lon_0=105", -5e4, 3.6e6, 5000.0, -5000.0, 60, 40)])
    def test_the_pixel_in_which_the_centre_lies(self, geometry: Disk | Plate) -> None:
        found = to_grid(scene(geometry), GRID)["brightness_temperature_108"].values[0]
        row, column = (axis.ravel() for axis in np.mgrid[0 : geometry.lines, 0 : geometry.columns].astype(float))
        lon, lat = np.meshgrid(GRID.lon, GRID.lat)
        y, x = geometry.pixels(lon, lat)
        nearest = np.asarray(
            cKDTree(np.stack([row, column], -1)).query(np.stack([y.ravel(), x.ravel()], -1))[1]
        ).reshape(lon.shape)
        known = np.isfinite(found)
        assert known.sum() > 500
        assert (found[known] == nearest[known]).all()

    def test_nothing_beyond_half_a_pixel_from_the_edge(self) -> None:
        plate = Plate("+proj=longlat", 105.2, 29.4, 0.1, -0.1, 3, 3)
        index = index_table(plate, Grid(105.0, 29.0, 61, 61, 0.01))
        assert index is not None
        lat, lon = np.nonzero(index >= 0)
        # pixel centres from 105.2 to 105.4 and from 29.2 to 29.4: cells strictly within 0.05 of them
        assert (lon.min(), lon.max()) in {(15, 44), (15, 45), (16, 44), (16, 45)}
        assert (lat.min(), lat.max()) in {(15, 44), (15, 45), (16, 44), (16, 45)}

    def test_a_bad_line_is_not_filled(self) -> None:
        values = np.full(DISK.shape, 250.0, np.float32)
        values[30] = np.nan
        found = to_grid(scene(DISK, channel(10.8, values)), GRID)["brightness_temperature_108"].values[0]
        line, _ = DISK.pixels(GRID.lon[None, :], GRID.lat[:, None])
        bad = np.floor(line + 0.5) == 30
        assert bad.sum() > 20
        assert (np.isnan(found) == bad).all()

    def test_north_is_up(self) -> None:
        found = to_grid(scene(DISK), GRID)["brightness_temperature_108"].values[0]
        assert found[0, 0] > found[-1, 0]
        assert found[0, 0] < found[0, -1]

    def test_values_of_any_memory_order(self) -> None:
        values = np.arange(np.prod(DISK.shape), dtype=np.float32).reshape(DISK.shape)
        turned = channel(10.8, values)
        turned = replace(turned, values=np.asfortranarray(values))
        assert to_grid(scene(DISK, turned), GRID).identical(to_grid(scene(DISK), GRID))


class TestRefusals:
    def test_no_pixel_over_the_grid(self) -> None:
        with pytest.raises(ReadError) as caught:
            to_grid(scene(DISK), Grid(140.0, 29.0, 5, 5))
        assert caught.value.reason is Reason.OUTSIDE_REGION
        assert "FY-4B" in str(caught.value)

    def test_the_other_side_of_the_earth(self) -> None:
        with pytest.raises(ReadError) as caught:
            to_grid(
                scene(fy4_disk(4000, 105.0), channel(10.8, np.zeros((2, 2))), shape=(2748, 2748)), Grid(-75, 5, 5, 5)
            )
        assert caught.value.reason is Reason.OUTSIDE_REGION

    def test_swath_elsewhere(self) -> None:
        lon, lat = np.meshgrid(np.arange(90.0, 91, 0.1), np.arange(10.0, 11, 0.1))
        with pytest.raises(ReadError) as caught:
            to_grid(scene(Swath(lon.astype("f4"), lat.astype("f4"))), GRID)
        assert caught.value.reason is Reason.OUTSIDE_REGION

    def test_a_scene_without_geolocation(self) -> None:
        with pytest.raises(ReadError) as caught:
            to_grid(scene(None), GRID)
        assert caught.value.reason is Reason.BAD_POSITION


class TestTables:
    def test_are_kept_by_geometry_and_grid(self) -> None:
        same = fy4_disk(4000, 105.0).window(590, 1360, 60, 70)
        assert index_table(DISK, GRID) is index_table(same, Grid(105.0, 29.0, 41, 31, 0.02))
        moved = index_table(fy4_disk(4000, 104.7).window(590, 1360, 60, 70), GRID)
        other = index_table(DISK, Grid(105.0, 29.0, 41, 31, 0.01))
        assert moved is not None
        assert other is not None
        assert (moved != index_table(DISK, GRID)).any()
        assert (other != index_table(DISK, GRID)).any()

    def test_cannot_be_spoilt(self) -> None:
        index = index_table(DISK, GRID)
        assert index is not None
        with pytest.raises(ValueError, match="read-only"):
            index[0, 0] = 7


def pass_over(
    step_km: float, turn: float, sub_lon: float = 105.4, stretch: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A swath of equal steps around the grid, its lines turned by `turn` [rad], its columns `stretch` times as far."""
    half = int(60 / step_km)
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * step_km / 111.2
    x = x * stretch
    lat = 29.3 - y * np.cos(turn) - x * np.sin(turn)
    lon = sub_lon + (x * np.cos(turn) - y * np.sin(turn)) / np.cos(np.deg2rad(29.3))
    return (lon + 180) % 360 - 180, lat


class TestSwath:
    @settings(max_examples=15, deadline=None)
    @given(
        st.floats(0.7, 5.0), st.floats(-3.1, 3.1), st.integers(0, 5), st.sampled_from([105.0, 179.6]),
        st.sampled_from([1.0, 5.0]),
    )  # fmt: skip
    @example(0.7, 0.3, 0, 105.0, 30.0)  # the nearest is several buckets away
    def test_equals_a_tree_search(
        self, step_km: float, turn: float, seed: int, lon_west: float, stretch: float
    ) -> None:
        grid = Grid(lon_west, 29.0, 41, 31, 0.02)
        lon, lat = pass_over(step_km, turn, lon_west + 0.4, stretch)
        rng = np.random.default_rng(seed)
        lon += rng.normal(0, 0.002, lon.shape)
        lon[rng.random(lon.shape) < 0.02] = np.nan
        swath = Swath(lon.astype("f4"), lat.astype("f4"))
        index = index_table(swath, grid)
        assert index is not None
        places = unit(swath.lon, swath.lat).reshape(-1, 3)
        usable = np.flatnonzero(np.isfinite(places).all(axis=1))
        cells = unit(*np.meshgrid(grid.lon, grid.lat)).reshape(-1, 3)
        way, at = (np.asarray(part) for part in cKDTree(places[usable]).query(cells))
        mine = index.ravel()
        found = mine >= 0
        assert found.mean() > 0.9
        assert np.linalg.norm(places[mine[found]] - cells[found], axis=1) == pytest.approx(way[found], abs=1e-12)
        assert (usable[at][found] == mine[found]).mean() > 0.999  # ties

    def test_reaches_no_further_than_its_own_steps(self) -> None:
        lon, lat = np.meshgrid(np.arange(105.2, 105.41, 0.05), np.arange(29.4, 29.19, -0.05))
        index = index_table(Swath(lon.astype("f4"), lat.astype("f4")), Grid(105.0, 29.3, 61, 1, 0.01))
        assert index is not None
        west, east = np.flatnonzero(index[0] >= 0)[[0, -1]] * 0.01 + 105.0
        reach = SWATH_REACH * 0.05 / np.cos(np.deg2rad(29.3))  # the longer of the steps is the one northwards
        assert west == pytest.approx(105.2 - reach, abs=0.011)
        assert east == pytest.approx(105.4 + reach, abs=0.011)

    def test_a_hole_stays_a_hole(self) -> None:
        lon, lat = pass_over(1.0, 0.3)
        hole = np.hypot(lon - 105.4, lat - 29.3) < 0.15
        swath = Swath(np.where(hole, np.nan, lon).astype("f4"), lat.astype("f4"))
        index = index_table(swath, GRID)
        assert index is not None
        distance = np.hypot(*np.meshgrid(GRID.lon - 105.4, GRID.lat - 29.3))
        assert (index[distance < 0.12] < 0).all()
        assert (index[distance > 0.19] >= 0).all()

    def test_values_and_times_follow(self) -> None:
        lon, lat = pass_over(1.0, 0.0)
        data = to_grid(scene(Swath(lon.astype("f4"), lat.astype("f4")), channel(10.8, 200 + lat)), GRID)
        expected = np.broadcast_to(200 + GRID.lat[:, None], GRID.shape)
        assert np.abs(data["brightness_temperature_108"].values[0] - expected).max() < 0.006
        assert data["line_offset"].values[0, 0, 0] > data["line_offset"].values[0, -1, 0]


def test_wider_has_the_same_cells() -> None:
    more = wider(GRID, 0.13)
    assert more.shape == (31 + 14, 41 + 14)
    assert more.lon[7:-7] == pytest.approx(GRID.lon, abs=1e-9)
    assert more.lat[7:-7] == pytest.approx(GRID.lat, abs=1e-9)
    assert more.lat[0] <= 29.0 - 0.13
    assert wider(GRID, 0.1).n_lon == 41 + 10


def test_nothing_is_taken_from_the_rim_of_the_disk() -> None:
    """FY-2H (79 E) sees Brisbane 85 degrees from the zenith: a top of 12 km would lie 160 km off."""
    disk = Disk(79.0, -0.16, -0.16, 0.32 / 2287, 0.32 / 2287, 2288, 2288)
    assert index_table(disk, Grid(152.0, -28.0, 20, 20, 0.05)) is None
    near = Grid(140.0, 0.0, 300, 3, 0.1)
    seen = index_table(disk, near)
    assert seen is not None
    far = zenith_deg(disk, near.lon[None, :], near.lat[:, None]) > MAX_ZENITH_DEG
    assert far.any()
    assert not far.all()
    np.testing.assert_array_equal(seen == NOTHING, far)
