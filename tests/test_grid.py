import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.grid import EARTH_RADIUS_M, MRMS_LEVELS_M, Grid

CHONGQING = Grid(104.8, 27.6, 601, 521)
GRIDS = st.builds(
    Grid,
    lon_west=st.floats(-180, 100).map(lambda x: round(x, 2)),
    lat_south=st.floats(-80, 60).map(lambda x: round(x, 2)),
    n_lon=st.integers(2, 700),
    n_lat=st.integers(2, 700),
    step_deg=st.sampled_from([0.005, 0.01, 0.02]),
)


def test_mrms_levels() -> None:
    assert len(MRMS_LEVELS_M) == 33
    assert MRMS_LEVELS_M[:3] == (500, 750, 1000)
    assert MRMS_LEVELS_M[10:13] == (3000, 3500, 4000)
    assert MRMS_LEVELS_M[22:25] == (9000, 10_000, 11_000)
    assert MRMS_LEVELS_M[-1] == 19_000
    steps = np.diff(MRMS_LEVELS_M)
    assert [int((steps == step).sum()) for step in (250, 500, 1000)] == [10, 12, 10]


def test_default_grid_of_the_domain_brief() -> None:
    assert CHONGQING.shape == (521, 601)
    assert (CHONGQING.lon[0], CHONGQING.lon[-1]) == (104.8, 110.8)
    assert (CHONGQING.lat[0], CHONGQING.lat[-1]) == (27.6, 32.8)
    assert CHONGQING.height.size == 33
    assert CHONGQING.lon[177] == 106.57, "no noise of binary fractions in the labels"


def test_bounds_are_the_outer_edges() -> None:
    assert CHONGQING.bounds == pytest.approx((104.795, 27.595, 110.805, 32.805), abs=1e-9)
    assert CHONGQING.contains(104.796, 27.596)
    assert not CHONGQING.contains(104.794, 30)
    assert not CHONGQING.contains(106, 32.806)


def test_area_of_a_cell_by_hand() -> None:
    # 0.01 deg = 1.111949 km on 6371 km; squared 1.236431; cos 30 deg = 0.8660254
    row = int(np.argmin(np.abs(CHONGQING.lat - 30.0)))
    assert CHONGQING.cell_area_km2[row] == pytest.approx(1.236431 * 0.8660254, rel=1e-6)
    assert CHONGQING.cell_area_km2.shape == (521,)


@settings(max_examples=50, deadline=None)
@given(GRIDS)
def test_area_agrees_with_the_exact_zone_of_a_sphere(grid: Grid) -> None:
    _, south, _, north = np.deg2rad(grid.bounds)
    exact = (EARTH_RADIUS_M / 1000) ** 2 * np.deg2rad(grid.step_deg) * (np.sin(north) - np.sin(south))
    assert grid.cell_area_km2.sum() == pytest.approx(exact, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(GRIDS)
def test_axes_ascend_evenly_and_lie_inside(grid: Grid) -> None:
    assert grid.lon.size == grid.n_lon
    assert grid.lat.size == grid.n_lat
    np.testing.assert_allclose(np.diff(grid.lon), grid.step_deg, atol=2e-6)
    np.testing.assert_allclose(np.diff(grid.lat), grid.step_deg, atol=2e-6)
    assert grid.contains(float(grid.lon[0]), float(grid.lat[0]))
    assert grid.contains(float(grid.lon[-1]), float(grid.lat[-1]))


def test_equal_grids_are_equal_and_hash_alike() -> None:
    twin = Grid(104.8, 27.6, 601, 521)
    assert twin == CHONGQING
    assert hash(twin) == hash(CHONGQING)
    assert Grid(104.8, 27.6, 601, 520) != CHONGQING
