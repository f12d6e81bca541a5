"""Satellite columns of the storm table: the outline, its margin, and what nobody saw."""

import numpy as np
import pandas as pd
import pytest
import shapely

from tests.products.skies import GRID, image
from wxcore import schema
from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.storms.satellite import COLUMNS, storm_satellite

BOX = shapely.box(106.0, 30.0, 106.2, 30.2)
"""Columns 100 to 120, rows 100 to 120."""


def storms(*polygons):
    return pd.DataFrame({"polygon": list(polygons)}, index=range(7, 7 + len(polygons)))


def cube(bt=None, **values):
    """An image, and fields of schema.CLOUDS."""
    ds = image(np.full(GRID.shape, 280.0) if bt is None else bt, satellite_offset=np.full(GRID.shape, -360.0))
    fields = {var.name: var for var in schema.CLOUDS}
    return ds.assign({
        name: (fields[name].dims, field[np.newaxis].astype(fields[name].dtype)) for name, field in values.items()
    })  # fmt: skip


def plain(value=np.nan, spots=()):
    field = np.full(GRID.shape, float(value))
    for row, column, there in spots:
        field[row, column] = there
    return field


def test_the_coldest_and_largest_over_the_outline():
    found = storm_satellite(
        cube(
            plain(280, [(110, 110, 205), (10, 10, 180)]),
            cloud_top_change_15min=plain(2, [(105, 110, -14), (106, 110, -3)]),
            water_vapour_difference=plain(-30, [(110, 110, 1.5)]),
            overshooting_top=plain(1, [(110, 110, 2), (110, 111, 2), (116, 118, 2), (10, 10, 2)]),
        ), storms(BOX), GRID,
    )  # fmt: skip
    assert list(found.columns) == list(COLUMNS)
    assert list(found.index) == [7]
    assert found.iloc[0].tolist() == pytest.approx([205, -14, 1.5, 2, 6])
    assert set(COLUMNS) <= {column.name for column in schema.STORMS}


@pytest.mark.parametrize(
    ("row", "column", "seen"),
    [(124, 110, True), (125, 110, False), (110, 125, True), (110, 126, False), (123, 123, True), (124, 124, False)],
)
def test_five_kilometres_around_belong_to_it(row, column, seen):
    """4 cells are 4.4 km in latitude; in longitude 5 are 4.8 km; the corner is round."""
    found = storm_satellite(cube(plain(280, [(row, column, 200)])), storms(BOX), GRID)
    assert found["bt108_min_k"].item() == (200 if seen else 280)


def test_missing_is_never_zero():
    bare = image(plain(280.0))
    found = storm_satellite(bare, storms(BOX), GRID)
    assert found["bt108_min_k"].item() == 280
    assert found.drop(columns="bt108_min_k").isna().all(axis=None)
    blind = cube(plain(), overshooting_top=plain(0))
    blind["satellite_offset"][:] = np.nan
    assert storm_satellite(blind, storms(BOX), GRID).isna().all(axis=None)
    assert storm_satellite(cube(overshooting_top=plain(1)), storms(BOX), GRID)["overshooting_tops"].item() == 0


def test_storms_partly_seen_beyond_the_grid_and_without_an_outline():
    bt = plain(280.0)
    bt[:, :110] = np.nan
    away = shapely.box(120, 40, 121, 41)
    found = storm_satellite(cube(bt), storms(BOX, away, shapely.Polygon(), None), GRID)
    assert list(found.index) == [7, 8, 9, 10]
    assert found["bt108_min_k"].iloc[0] == 280
    assert found.iloc[1:].isna().all(axis=None)


def test_no_storms_and_another_grid():
    empty = storm_satellite(cube(), storms(), GRID)
    assert empty.empty
    assert list(empty.columns) == list(COLUMNS)
    with pytest.raises(SchemaError):
        storm_satellite(cube(), storms(BOX), Grid(105, 29, 299, 240))
