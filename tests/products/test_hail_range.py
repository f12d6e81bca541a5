"""Hail products only where a radar can judge hail."""

import numpy as np
import pytest
import xarray as xr

from wxcore.grid import Grid
from wxcore.products.hail_range import HAIL_PRODUCTS, within_hail_range
from wxcore.schema import COLUMN

GRID = Grid(106.0, 29.0, 401, 3, 0.01)


@pytest.fixture
def products() -> xr.Dataset:
    names = (*HAIL_PRODUCTS, "vil")
    return xr.Dataset({name: (COLUMN, np.ones((1, *GRID.shape), dtype="f4"), {"units": "x"}) for name in names})


def test_missing_over_the_radar_and_far_from_it_but_never_zero(products: xr.Dataset) -> None:
    got = within_hail_range(products, GRID, [(29.01, 106.0)])
    mesh = got["mesh"].isel(time=0, lat=1).to_numpy()
    degree_km = 111.32 * np.cos(np.deg2rad(29.01))
    near, far = 10 / degree_km / 0.01, 150 / degree_km / 0.01
    assert np.isnan(mesh[: int(near)]).all()
    assert (mesh[int(near) + 2 : int(far) - 1] == 1).all()
    assert np.isnan(mesh[int(far) + 2 :]).all()
    assert (got["vil"] == 1).all()
    assert got["mesh"].attrs["units"] == "x"


def test_a_second_radar_fills_the_cone_of_the_first(products: xr.Dataset) -> None:
    got = within_hail_range(products, GRID, [(29.01, 106.0), (29.01, 107.0)])
    assert float(got["mesh"].isel(time=0, lat=1, lon=0)) == 1


def test_without_any_radar_nothing_is_said(products: xr.Dataset) -> None:
    assert within_hail_range(products, GRID, [])["posh"].isnull().all()
