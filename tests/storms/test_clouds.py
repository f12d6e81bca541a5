"""Cloud cells: known relief, nested, touching, at the edge, with holes; a plain oracle; a real image."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from tests.products.skies import GRID, Cloud, image, sky
from wxcore import schema
from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.products.cloud_kernels import fill, nested_contours
from wxcore.products.cloud_motion import Motion
from wxcore.products.clouds import cloud_products
from wxcore.satellite import regrid
from wxcore.satellite.agri import FORMAT
from wxcore.storms.clouds import AREA_KM2, MAX_CELLS, cloud_cells, label_clouds


def cells(bt108, grid=GRID, **more):
    return cloud_cells(image(bt108, grid, **more), grid)


def two_on_an_anvil(relief, anvil=225.0):
    """Two tops of some relief on a round flat anvil."""
    bt = sky([Cloud(120, 150, 290 - anvil + 40, 40)])
    bt = np.maximum(bt, anvil)
    tops = sky([Cloud(120, 130, relief, 6), Cloud(120, 170, relief + 1, 6)]) - 290
    return (bt + tops).astype("f4")


def test_one_cloud_is_one_cell_to_the_warmest_contour():
    bt = sky([Cloud(120, 150, 70, 12)])
    found = cells(bt)
    assert len(found.table) == 1
    row = found.table.iloc[0]
    np.testing.assert_array_equal(found.labels > 0, bt <= 273)
    assert (row["lat"], row["lon"]) == (GRID.lat[120], GRID.lon[150])
    assert row["bt108_min_k"] == pytest.approx(220)
    assert row["bt108_edge_k"] == pytest.approx(272.7, abs=0.4)
    assert row["area_km2"] == pytest.approx((bt <= 273).sum() * GRID.cell_area_km2[120], rel=0.01)
    assert row["polygon"].is_valid
    assert row["polygon"].area == pytest.approx((bt <= 273).sum() * 1e-4, rel=0.05)


@pytest.mark.parametrize(("relief", "expected"), [(4.0, 1), (5.0, 1), (8.5, 2)])
def test_two_tops_are_two_cells_with_enough_relief(relief, expected):
    assert len(cells(two_on_an_anvil(relief)).table) == expected


def test_two_that_touch_end_before_their_contours_meet():
    found = cells(sky([Cloud(120, 120, 70, 12), Cloud(120, 155, 75, 12)]))
    assert len(found.table) == 2
    assert list(found.table["bt108_min_k"]) == sorted(found.table["bt108_min_k"])
    assert found.labels[120, 155] == 1
    assert found.labels[120, 120] == 2
    saddle = sky([Cloud(120, 120, 70, 12), Cloud(120, 155, 75, 12)])[120, 137]
    assert saddle - 1.5 <= found.table["bt108_edge_k"].max() <= saddle


def test_a_top_on_an_anvil_is_no_cell_of_its_own_beside_none():
    """Nested: one core on a broad cloud is the broad cloud's minimum; both together are one cell."""
    bt = np.minimum(sky([Cloud(120, 150, 50, 40)]), sky([Cloud(120, 150, 75, 8)]))
    found = cells(bt)
    assert len(found.table) == 1
    assert found.table["area_km2"][0] > 5000


def test_a_warm_top_a_small_one_and_shallow_relief_are_no_cells():
    assert cells(sky([Cloud(120, 150, 35, 12)])).table.empty
    assert cells(sky([Cloud(120, 150, 70, 2.0)])).table.empty
    assert cells(np.full(GRID.shape, 230.0)).table.empty


def test_a_cell_ends_at_the_largest_area():
    grid = Grid(105.0, 25.0, 400, 400)
    found = cells(sky([Cloud(200, 200, 80, 130)], grid=grid), grid)
    assert len(found.table) == 1
    assert 0.9 * AREA_KM2[1] < found.table["area_km2"][0] <= AREA_KM2[1]


def test_at_the_edge_and_over_holes():
    bt = sky([Cloud(120, 0, 70, 12), Cloud(60, 150, 70, 12)])
    bt[58:62] = np.nan
    found = cells(bt)
    assert (found.labels[np.isnan(bt)] == 0).all()
    assert len(found.table) == 3, "the bad lines cut one in two"
    assert all(polygon.is_valid for polygon in found.table["polygon"])


def test_without_an_image_there_are_none():
    assert cells(np.full(GRID.shape, np.nan)).table.empty
    none = cloud_cells(image(np.full(GRID.shape, 1.0)).drop_vars("brightness_temperature_108"), GRID)
    schema.check_table(none.table, schema.CLOUD_CELLS, what="none")
    with pytest.raises(SchemaError):
        cloud_cells(image(np.full(GRID.shape, 230.0)), Grid(105, 29, 299, 240))


def test_only_the_coldest_200_are_kept_and_said():
    grid = Grid(105.0, 29.0, 480, 480)
    one = sky([Cloud(15, 15, 60, 5.5)], grid=Grid(105.0, 29.0, 30, 30))
    found = cells(np.tile(one, (16, 16)) - np.kron(np.arange(256).reshape(16, 16) * 0.01, np.ones((30, 30))), grid)
    assert len(found.table) == MAX_CELLS == found.labels.max()
    assert found.notes == ("256 cloud cells, the 200 coldest kept",)
    assert found.table["bt108_min_k"].is_monotonic_increasing


def test_what_is_known_of_a_cell():
    bt = sky([Cloud(120, 150, 70, 12), Cloud(40, 40, 65, 12)])
    cube = image(bt, bt062=bt + 2, satellite_offset=np.full(GRID.shape, -420.0))
    flags, fields = np.ones(GRID.shape), {}
    flags[118:122, 148:152] = flags[110:113, 150:153] = 2
    flags[40, 40] = 2
    values = {
        "overshooting_top": flags, "cloud_top_change_15min": np.where(bt < 225, -9.0, 1.0),
        "convective_initiation": np.where(bt < 222, 7.0, 0.0), "water_vapour_difference": np.where(bt < 222, 2.0, -9.0),
    }  # fmt: skip
    for var in schema.CLOUDS:
        if var.name in values:
            fields[var.name] = (var.dims, values[var.name][np.newaxis].astype(var.dtype), var.attrs)
    fields["observed"] = (schema.COLUMN, np.where(np.arange(GRID.n_lon) < 150, 2, 0) * np.ones((1, *GRID.shape), "u1"))
    motion = Motion(np.where(np.arange(GRID.n_lon) < 100, np.nan, np.full(GRID.shape, 12.0)), np.full(GRID.shape, -3.0))
    table = cloud_cells(cube.assign(fields), GRID, motion=motion).table
    schema.check_table(table, schema.CLOUD_CELLS, what="cells")
    first, second = table.iloc[0], table.iloc[1]
    assert (first["cell_id"], second["cell_id"]) == ("202607010600-C001", "202607010600-C002")
    assert (first["overshooting_tops"], second["overshooting_tops"]) == (2, 1)
    assert (first["bt108_change_15min_k"], second["bt108_change_15min_k"]) == (-9, 1)
    assert (first["convective_initiation"], second["convective_initiation"]) == (7, 0)
    assert (first["wv_difference_max_k"], second["wv_difference_max_k"]) == (2, -9)
    assert first["radar_fraction"] == pytest.approx(0.49, abs=0.03)
    assert second["radar_fraction"] == 1
    assert (first["u_m_s"], first["v_m_s"]) == (12, -3)
    assert np.isnan(second["u_m_s"])
    assert (first["source"], first["age_min"]) == ("FY-4B", 7)
    assert np.isnan(table["flash_rate_min"]).all()


def test_what_is_missing_is_nan_and_not_zero():
    table = cells(sky([Cloud(120, 150, 70, 12)])).table
    schema.check_table(table, schema.CLOUD_CELLS, what="cells")
    missing = ("bt108_change_15min_k", "wv_difference_max_k", "overshooting_tops", "convective_initiation",
               "flash_rate_min", "u_m_s", "v_m_s", "radar_fraction", "age_min")  # fmt: skip
    assert table[list(missing)].isna().all(axis=None)


def oracle(level, area, relief, least, most):
    """Warmest contours about one significant minimum, level by level: {(cells, level)}."""
    found = set()
    last = {}  # members at the level before: (number of significant minima, best contour)
    for step in range(int(level.max()) + 1):
        parts, count = ndimage.label((level >= 0) & (level <= step))
        now = {}
        for part in range(1, count + 1):
            members = frozenset(np.flatnonzero(parts.ravel() == part).tolist())
            inside = [state for cells_before, state in last.items() if cells_before <= members]
            number = sum(state[0] for state in inside)
            deep = step - min(level.ravel()[list(members)]) >= relief and len(members) * area >= least
            if number > 1 or (number == 1 and len(members) * area > most):
                found |= {state[1] for state in inside if state[1] is not None}
                now[members] = (2, None)
            elif number == 1 or deep:
                fits = len(members) * area <= most
                now[members] = (1, (members, step)) if fits else (2, None)
            else:
                now[members] = (0, None)
        last = now
    return found | {state[1] for state in last.values() if state[1] is not None}


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.int32, (7, 9), elements=st.integers(-1, 12)), st.sampled_from([9.0, 63.0]))
def test_the_contours_equal_a_plain_search_level_by_level(level, most):
    values = level.astype("f4").ravel()
    limits = np.array([3.0, 2.0, most, -1.0, 1.0])
    contours = nested_contours(level.ravel(), values, 9, np.ones(7), limits)
    labels = fill(level.ravel(), 9, contours)
    found = {(frozenset(np.flatnonzero(labels == k + 1).tolist()), int(contours[k, 1])) for k in range(len(contours))}
    assert found == oracle(level, 1.0, 3, 2.0, most)


def test_the_order_does_not_depend_on_chance():
    bt = np.random.default_rng(3).normal(0, 6, GRID.shape)
    bt = (240 + ndimage.gaussian_filter(bt, 6) * 20).astype("f4")
    one, two = label_clouds(bt, GRID), label_clouds(bt.copy(), GRID)
    np.testing.assert_array_equal(one[1], two[1])
    assert one[0].size > 5


def test_a_real_image(data: Path):
    """FY-4B over western China: winter clouds with plausible, disjoint, valid cells."""
    path = next((data / "satellite" / "fy4b_hdf").glob("*.HDF"), None)
    if path is None or FORMAT.read_path is None:
        pytest.skip("no FY-4B file")
    grid = Grid(100.0, 27.0, 400, 300)
    scene = FORMAT.read_path(path, path.name, (99.0, 26.0, 105.0, 31.0))
    images = regrid.to_grid(scene, grid).drop_vars("line_offset")
    images["satellite"] = (schema.COLUMN, np.full((1, *grid.shape), 3, "u1"))
    found = cloud_cells(images.merge(cloud_products(images, [], grid)), grid)
    schema.check_table(found.table, schema.CLOUD_CELLS, what="real")
    assert 10 < len(found.table) < 100
    bt108 = images["brightness_temperature_108"].to_numpy()[0]
    for number, row in enumerate(found.table.itertuples(), start=1):
        ring = ndimage.binary_dilation(found.labels == number) & (found.labels != number)
        assert bt108[ring].min() >= row.bt108_min_k + 6, "all around it is warmer by the relief"
    assert found.table["area_km2"].between(*AREA_KM2).all()
    assert set(found.table["source"]) == {"FY-4B"}
