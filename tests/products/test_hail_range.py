"""Hail products only where a radar can judge hail."""

import numpy as np
import pytest
import xarray as xr

from wxcore.grid import Grid
from wxcore.products.hail_range import HAIL_PRODUCTS, Reach, only_where_hail_can_be_judged
from wxcore.schema import COLUMN, CUBE

GRID = Grid(106.0, 29.0, 401, 3, 0.01, levels_m=(2000.0, 4000.0, 5000.0, 6000.0, 7000.0, 8000.0, 12_000.0))
HEIGHTS = {"h0_m": 4600.0, "hm20_m": 8100.0}  # the four levels from 5 to 8 km
FAR = 460_000.0


@pytest.fixture
def cube() -> xr.Dataset:
    shape = (1, *GRID.shape)
    ones = {name: (COLUMN, np.ones(shape, dtype="f4"), {"units": "x"}) for name in (*HAIL_PRODUCTS, "vil")}
    return xr.Dataset({**ones, "radar_count": (CUBE, np.ones((1, 7, *GRID.shape), dtype="u1"))})


def mesh(cube: xr.Dataset, *radars: Reach) -> np.ndarray:
    got = only_where_hail_can_be_judged(cube, GRID, radars=radars, **HEIGHTS)
    return got["mesh"].isel(time=0, lat=1).to_numpy()


def test_missing_over_the_radar_and_far_from_it_but_never_zero(cube: xr.Dataset) -> None:
    found = mesh(cube, Reach(29.01, 106.0, FAR))
    degree_km = 111.32 * np.cos(np.deg2rad(29.01))
    near, far = 10 / degree_km / 0.01, 150 / degree_km / 0.01
    assert np.isnan(found[: int(near)]).all()
    assert (found[int(near) + 2 : int(far) - 1] == 1).all()
    assert np.isnan(found[int(far) + 2 :]).all()


def test_other_products_and_attributes_stay(cube: xr.Dataset) -> None:
    got = only_where_hail_can_be_judged(cube, GRID, radars=[], **HEIGHTS)
    assert (got["vil"] == 1).all()
    assert got["mesh"].attrs["units"] == "x"
    assert got["posh"].isnull().all()


def test_a_second_radar_fills_the_cone_of_the_first_only_where_it_reaches(cube: xr.Dataset) -> None:
    first = Reach(29.01, 106.0, FAR)
    assert mesh(cube, first, Reach(29.01, 107.0, FAR))[0] == 1
    assert np.isnan(mesh(cube, first, Reach(29.01, 107.0, 70_000.0))[0])


@pytest.mark.parametrize(("blind", "judged"), [((), True), ((8000.0,), True), ((7000.0, 8000.0), False)])
def test_three_quarters_of_the_hail_layer_must_be_seen(
    cube: xr.Dataset, blind: tuple[float, ...], judged: bool
) -> None:
    for height in blind:
        cube["radar_count"][0, GRID.levels_m.index(height)] = 0
    got = only_where_hail_can_be_judged(cube, GRID, radars=None, **HEIGHTS)
    assert bool(got["mesh"].notnull().all()) is judged
    assert bool(got["mesh"].isnull().all()) is not judged


def test_levels_outside_of_the_layer_do_not_matter(cube: xr.Dataset) -> None:
    cube["radar_count"][0, [0, 1, 6]] = 0
    assert only_where_hail_can_be_judged(cube, GRID, radars=None, **HEIGHTS)["mesh"].notnull().all()
