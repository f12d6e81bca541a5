"""Clouds of known height and place, painted as the satellite sees them by straight lines in ECEF, come back."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from wxcore.grid import Grid
from wxcore.satellite.geometry import DISTANCE_M, Viewpoint, apparent, zenith_deg
from wxcore.satellite.parallax import MAX_TOP_M, STEP_M, WALL_M, cloud_top_height, correct
from wxcore.satellite.regrid import wider
from wxcore.schema import CLOUDS

GRID = Grid(107.0, 29.5, 61, 51, 0.01)
H0_M, HM20_M = 5000.0, 8000.0
GROUND_K = 295.0
TO_ECEF = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
FROM_ECEF = Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True)
WINDOW = "brightness_temperature_108"
Mask = Callable[[np.ndarray, np.ndarray], np.ndarray]
Cloud = tuple[float, Mask]


def kelvin(height_m: float) -> float:
    """Brightness temperature of a top, by hand: 0 C at 5 km, -20 C at 8 km, 7 K/km above."""
    if height_m <= 8000:
        return 273.15 - 20 * (height_m - 5000) / 3000
    return 253.15 - 7 * (height_m - 8000) / 1000


def sight(grid: Grid, sub_longitude: float, height_m: float) -> tuple[np.ndarray, np.ndarray]:
    """(lon, lat) over which the line of sight to each cell's ground is `height_m` above the ellipsoid."""
    lon, lat = np.meshgrid(grid.lon, grid.lat)
    ground = np.stack(TO_ECEF.transform(lon, lat, np.zeros(lon.shape)))
    angle = np.deg2rad(sub_longitude)
    satellite = DISTANCE_M * np.array([np.cos(angle), np.sin(angle), 0.0])
    towards = satellite[:, None, None] - ground
    towards /= np.linalg.norm(towards, axis=0)
    way = np.full(lon.shape, height_m)
    for _ in range(9):
        lon, lat, high = FROM_ECEF.transform(*(ground + way * towards))
        way = way + (height_m - high) * 1.25
    assert np.abs(high - height_m).max() < 1
    return lon, lat


def painted(grid: Grid, sub_longitude: float, clouds: list[Cloud]) -> xr.Dataset:
    """What the satellite sees of opaque sheets: temperature, and the true longitude and latitude of what is seen."""
    lon, lat = np.meshgrid(grid.lon, grid.lat)
    seen = {WINDOW: np.full(lon.shape, GROUND_K), "true_lon": lon, "true_lat": lat}
    for height, mask in sorted(clouds, key=lambda cloud: cloud[0]):
        over_lon, over_lat = sight(grid, sub_longitude, height)
        here = mask(over_lon, over_lat)
        for name, value in (
            (WINDOW, np.full(lon.shape, kelvin(height))),
            ("true_lon", over_lon),
            ("true_lat", over_lat),
        ):
            seen[name] = np.where(here, value, seen[name])
    return images(grid, seen)


def images(grid: Grid, fields: dict[str, np.ndarray]) -> xr.Dataset:
    return xr.Dataset(
        {name: (("time", "lat", "lon"), values[None].astype(np.float32)) for name, values in fields.items()},
        coords={"time": [np.datetime64("2025-02-26T07:00", "ns")], "lat": grid.lat, "lon": grid.lon},
    )


def disc(lon: float, lat: float, radius_deg: float) -> Mask:
    return lambda x, y: np.hypot((x - lon) * np.cos(np.deg2rad(lat)), y - lat) < radius_deg


def near(mask: np.ndarray, cells: int) -> np.ndarray:
    """Cells within so many cells of the mask."""
    out = mask.copy()
    for _ in range(cells):
        grown = np.pad(out, 1)
        out = (
            grown[1:-1, 1:-1] | grown[:-2, 1:-1] | grown[2:, 1:-1] | grown[1:-1, :-2] | grown[1:-1, 2:]
            | grown[:-2, :-2] | grown[2:, 2:] | grown[:-2, 2:] | grown[2:, :-2]
        )  # fmt: skip
    return out


class TestHeight:
    @pytest.mark.parametrize(
        ("celsius", "height"),
        [
            (20, 0),
            (10, 0),
            (5, 2500),
            (0, 5000),
            (-10, 6500),
            (-20, 8000),
            (-27, 9000),
            (-83, 17_000),
            (-95, MAX_TOP_M),
        ],
    )
    def test_by_hand(self, celsius: float, height: float) -> None:
        found = cloud_top_height(np.array([[celsius + 273.15]]), H0_M, HM20_M)
        assert found.dtype == np.float32
        assert found == pytest.approx(np.array([[height]]), abs=0.5)

    def test_unknown_stays_unknown(self) -> None:
        assert np.isnan(cloud_top_height(np.array([np.nan], np.float32), H0_M, HM20_M)).all()

    @settings(deadline=None)
    @given(st.floats(180, 330, width=32), st.floats(180, 330, width=32), st.floats(0, 6000), st.floats(500, 4000))
    def test_colder_is_never_lower(self, one: float, other: float, h0_m: float, more_m: float) -> None:
        heights = cloud_top_height(np.array(sorted([one, other]), np.float32), h0_m, h0_m + more_m)
        assert heights[0] >= heights[1] - 0.01
        assert 0 <= heights.min() <= heights.max() <= MAX_TOP_M


class TestCorrect:
    @pytest.mark.parametrize("sub_longitude", [79.0, 86.5, 105.0, 133.0])
    @pytest.mark.parametrize("height", [6000.0, 12_100.0, 16_940.0])
    def test_a_cloud_comes_back(self, sub_longitude: float, height: float) -> None:
        truth = disc(107.3, 29.75, 0.08)
        back = correct(
            painted(wider(GRID), sub_longitude, [(height, truth)]), Viewpoint(sub_longitude), GRID, H0_M, HM20_M
        )
        top = back["cloud_top_height"].values[0]
        lon, lat = np.meshgrid(GRID.lon, GRID.lat)
        cloud = truth(lon, lat)
        found = top > 0
        assert not (found & ~near(cloud, 1)).any()
        assert (found | near(~cloud, 1)).all()
        assert top[found] == pytest.approx(height, abs=2)
        known = np.isfinite(top)
        assert np.abs(back["true_lon"].values[0] - lon)[known].max() < 0.0125
        assert np.abs(back["true_lat"].values[0] - lat)[known].max() < 0.0125

    def test_without_correction_it_would_be_cells_away(self) -> None:
        truth = disc(107.3, 29.75, 0.08)
        raw = correct(painted(wider(GRID), 86.5, [(12_100.0, truth)]), None, GRID, H0_M, HM20_M)
        off = raw["true_lon"].values[0] - GRID.lon[None, :]
        assert np.abs(off).max() > 0.06

    def test_ground_behind_a_cloud_is_not_seen(self) -> None:
        truth = disc(107.3, 29.75, 0.06)
        view = painted(wider(GRID), 79.0, [(14_000.0, truth)])
        back = correct(view, Viewpoint(79.0), GRID, H0_M, HM20_M)
        lon, lat = np.meshgrid(GRID.lon, GRID.lat)
        shown = view[WINDOW].sel(lat=GRID.lat, lon=GRID.lon, method="nearest").values[0] < GROUND_K
        hidden = shown & ~near(truth(lon, lat), 1)
        assert hidden.sum() > 50
        for name in (WINDOW, "true_lon", "cloud_top_height"):
            assert np.isnan(back[name].values[0][hidden]).all()
        untouched = ~near(shown, 1) & ~near(truth(lon, lat), 1)
        assert (back[WINDOW].values[0][untouched] == GROUND_K).all()

    def test_the_higher_of_two_is_the_top(self) -> None:
        low, high = disc(107.3, 29.75, 0.15), disc(107.3, 29.75, 0.05)
        back = correct(
            painted(wider(GRID), 133.0, [(9000.0, low), (13_000.0, high)]), Viewpoint(133.0), GRID, H0_M, HM20_M
        )
        top = back["cloud_top_height"].values[0]
        lon, lat = np.meshgrid(GRID.lon, GRID.lat)
        assert top[~near(~high(lon, lat), 1)] == pytest.approx(13_000, abs=2)
        around = ~near(~low(lon, lat), 1) & ~near(high(lon, lat), 7)
        assert around.sum() > 20
        assert top[around] == pytest.approx(9000, abs=2)

    def test_a_low_wall_between_clouds_leaves_no_slit(self) -> None:
        step = WALL_M - 500
        low, high = disc(107.3, 29.75, 0.2), disc(107.3, 29.75, 0.08)
        clouds: list[Cloud] = [(9000.0, low), (9000.0 + step, high)]
        back = correct(painted(wider(GRID), 79.0, clouds), Viewpoint(79.0), GRID, H0_M, HM20_M)
        lon, lat = np.meshgrid(GRID.lon, GRID.lat)
        inside = ~near(~low(lon, lat), 1)
        assert (back["cloud_top_height"].values[0][inside] > 8990).all()

    def test_a_high_wall_is_not_seen(self) -> None:
        low, high = disc(107.3, 29.75, 0.2), disc(107.3, 29.75, 0.08)
        clouds: list[Cloud] = [(6000.0, low), (6000.0 + WALL_M + 4000, high)]
        back = correct(painted(wider(GRID), 79.0, clouds), Viewpoint(79.0), GRID, H0_M, HM20_M)
        inside = ~near(~low(*np.meshgrid(GRID.lon, GRID.lat)), 1)
        assert np.isnan(back["cloud_top_height"].values[0][inside]).sum() > 20

    def test_a_clear_scene_is_unchanged(self) -> None:
        rng = np.random.default_rng(1)
        view = images(GRID, {WINDOW: rng.uniform(284, 310, GRID.shape), "reflectance_065": rng.random(GRID.shape)})
        back = correct(view, Viewpoint(86.5), GRID, H0_M, HM20_M)
        assert back.drop_vars("cloud_top_height").identical(view)
        assert (back["cloud_top_height"].values == 0).all()

    def test_an_unknown_pixel_stays_unknown_and_hides_nothing(self) -> None:
        values = np.full(GRID.shape, 290.0)
        values[20:23] = np.nan
        other = np.arange(values.size, dtype=float).reshape(values.shape)
        back = correct(images(GRID, {WINDOW: values, "other": other}), Viewpoint(79.0), GRID, H0_M, HM20_M)
        assert (np.isnan(back[WINDOW].values[0]) == np.isnan(values)).all()
        assert (np.isnan(back["cloud_top_height"].values[0]) == np.isnan(values)).all()
        assert (back["other"].values[0] == other).all()

    def test_without_a_viewpoint_only_the_height_is_added(self) -> None:
        view = images(wider(GRID), {WINDOW: np.full(wider(GRID).shape, 253.15)})
        back = correct(view, None, GRID, H0_M, HM20_M)
        assert back[WINDOW].shape == (1, *GRID.shape)
        assert (back[WINDOW].values == np.float32(253.15)).all()
        assert back["cloud_top_height"].values == pytest.approx(np.full((1, *GRID.shape), HM20_M), abs=0.1)
        assert back["cloud_top_height"].attrs == next(var for var in CLOUDS if var.name == "cloud_top_height").attrs

    def test_without_the_window_channel_nothing_is_moved(self) -> None:
        view = images(wider(GRID), {"reflectance_065": np.random.default_rng(2).random(wider(GRID).shape)})
        back = correct(view, Viewpoint(79.0), GRID, H0_M, HM20_M)
        assert set(back.data_vars) == {"reflectance_065"}
        assert (back["reflectance_065"].values[0] == view["reflectance_065"].values[0, 50:-50, 50:-50]).all()

    def test_a_cloud_seen_outside_of_the_grid_comes_in(self) -> None:
        truth = disc(107.3, 30.0, 0.06)  # at the northern rim
        view = painted(wider(GRID), 105.0, [(15_000.0, truth)])
        assert not (view[WINDOW].sel(lat=slice(None, 29.96)).values < GROUND_K).all()
        back = correct(view, Viewpoint(105.0), GRID, H0_M, HM20_M)
        inside = ~near(~truth(*np.meshgrid(GRID.lon, GRID.lat)), 1)
        inside[-1] = truth(GRID.lon, np.full(61, 29.97))
        assert back["cloud_top_height"].values[0][inside] == pytest.approx(15_000, abs=2)

    @pytest.mark.parametrize("grid", [Grid(106.9, 29.5, 61, 51), Grid(107.005, 29.5, 31, 31), Grid(107, 29.5, 62, 51)])
    def test_images_that_do_not_cover_the_grid(self, grid: Grid) -> None:
        view = images(GRID, {WINDOW: np.full(GRID.shape, 290.0)})
        with pytest.raises(ValueError, match="do not cover"):
            correct(view, Viewpoint(105.0), grid, H0_M, HM20_M)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([79.0, 105.0, 133.0]))
def test_no_value_is_invented_and_every_cloud_cell_is_where_its_height_says(seed: int, sub_longitude: float) -> None:
    rng = np.random.default_rng(seed)
    more = wider(GRID, 0.3)
    bt = np.kron(rng.uniform(200, 300, (28, 31)), np.ones((4, 4)))[: more.shape[0], : more.shape[1]]
    lon, lat = np.meshgrid(more.lon, more.lat)
    back = correct(images(more, {WINDOW: bt, "lon_": lon, "lat_": lat}), Viewpoint(sub_longitude), GRID, H0_M, HM20_M)
    top = back["cloud_top_height"].values[0].astype(float)
    own_lon, own_lat = np.meshgrid(GRID.lon, GRID.lat)
    from_lon, from_lat = back["lon_"].values[0], back["lat_"].values[0]
    known = np.isfinite(top)
    assert (np.isfinite(back[WINDOW].values[0]) == known).all()
    ground = known & (top == 0)
    assert np.abs(from_lon - own_lon)[ground].max(initial=0) < 1e-4
    for low, high in ((5000, 9000), (9000, 13_000), (13_000, 18_000)):
        level = known & (top >= low) & (top < high)
        for edge, sign in ((low - WALL_M - STEP_M, 1), (high + WALL_M + STEP_M, -1)):
            limit = apparent(Viewpoint(sub_longitude), own_lon, own_lat, max(edge, 0.0))[1] - own_lat
            assert (sign * (from_lat - own_lat - limit)[level] > -0.011).all()


def test_displacement_is_linear_in_height() -> None:
    lon, lat = np.meshgrid(np.arange(73.0, 135, 6), np.arange(5.0, 54, 6))
    view = Viewpoint(105.0)
    steep = zenith_deg(view, lon, lat) < 60
    middle = np.array(apparent(view, lon, lat, 10_000.0)) - np.array([lon, lat])
    for height in (2000.0, 18_000.0):
        exact = np.array(apparent(view, lon, lat, height)) - np.array([lon, lat])
        assert np.abs(exact - middle * height / 10_000)[:, steep].max() < 0.01
