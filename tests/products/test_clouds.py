"""Cloud products: differences by hand, change along the motion, which earlier images serve, initiation."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.products.skies import GRID, Cloud, image, many, sky
from wxcore import schema
from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.products.cloud_motion import unknown
from wxcore.products.clouds import Earlier, cloud_products, motion_of

CLOUDS = many()


def change(now, earlier, grid=GRID, **more):
    """cloud_top_change_15min (lat, lon) of plain temperatures; earlier: {minutes: temperature}."""
    images = [Earlier(image(bt, grid), minutes) for minutes, bt in earlier.items()]
    return cloud_products(image(now, grid), images, grid, **more)["cloud_top_change_15min"].to_numpy()[0]


def constant(value, grid=GRID):
    return np.full(grid.shape, value, "f4")


def test_differences_by_hand_and_as_the_schema_says():
    now = image(constant(250), bt062=constant(230), bt085=constant(252.5), bt120=constant(247), bt133=constant(240))
    height = now["brightness_temperature_108"].copy(data=constant(9000)[np.newaxis]).assign_attrs(units="m")
    products = cloud_products(now.assign(cloud_top_height=height), [], GRID)
    schema.check(products, schema.CLOUDS, what="clouds")
    assert (products["water_vapour_difference"] == -20).all()
    assert (products["split_window_difference"] == 3).all()
    assert (products["ice_difference"] == 2.5).all()
    assert (products["cloud_top_height"] == 9000).all()
    assert (products["overshooting_top"] == 1).all()
    assert np.isnan(products["cloud_top_change_15min"]).all()
    assert np.isnan(products["convective_initiation"]).all()


def test_a_satellite_with_fewer_bands_leaves_nan():
    """FY-2 has no 6.2, 8.5 and 13.3 um; GHI has 10.8 um alone; at worst there is none at all."""
    products = cloud_products(image(constant(250), bt120=constant(247)), [], GRID)
    assert np.isnan(products["water_vapour_difference"]).all()
    assert np.isnan(products["ice_difference"]).all()
    assert (products["split_window_difference"] == 3).all()
    none = cloud_products(image(constant(250)).drop_vars("brightness_temperature_108"), [], GRID)
    assert (none["overshooting_top"] == 0).all()
    assert np.isnan(none["split_window_difference"]).all()


@settings(max_examples=6, deadline=None)
@given(st.integers(-20, 20), st.integers(-30, 30), st.integers(0, 5), st.sampled_from([1, 4]))
def test_clouds_that_merely_move_do_not_change(rows, columns, seed, pixel):
    clouds = many(seed=seed, narrowest=15)  # a sharper top would lose more than 1 K between two pixels of 4 cells
    now, before = (sky(clouds, age, (rows, columns), pixel=pixel) for age in (0, -15))
    found = change(now, {15: before})
    assert np.isfinite(found).mean() > 0.6
    assert np.nanmax(np.abs(found)) < 1


def test_the_edges_of_a_moving_cloud_would_cool_without_the_motion():
    now, before = (sky(CLOUDS, age, (18, 25)) for age in (0, -15))
    assert np.nanmin(change(now, {15: before}, motion=unknown(GRID))) < -10


@pytest.mark.parametrize("minutes", [10.0, 15.0, 20.0])
def test_a_growing_top_cools_by_what_it_grows(minutes):
    clouds = [*CLOUDS, Cloud(120, 150, 95, 14, growth=12)]
    now, before = (sky(clouds, age, (6, 11), pixel=4) for age in (0, -minutes))
    found = change(now, {minutes: before})
    assert found[118:123, 148:153].min() == pytest.approx(-12, abs=1.5)
    assert np.nanmax(found) < 2


def test_a_decaying_top_warms():
    clouds = [*CLOUDS, Cloud(120, 150, 95, 18, growth=-12)]
    now, before = (sky(clouds, age, (0, 0)) for age in (0, -15))
    found = change(now, {15: before})
    row, column = np.unravel_index(np.argmin(before), before.shape)
    assert 4 < found[row, column] <= 12
    assert np.nanmin(found) > -1


def test_where_no_motion_is_known_the_box_is_wider():
    now, before = (sky([Cloud(120, 150, 60, 6)], age, (0, 9)) for age in (0, -15))
    assert np.nanmax(np.abs(change(now, {15: before}, motion=unknown(GRID)))) < 1
    assert np.nanmin(change(now, {15: before}, motion=unknown(GRID), pixel_cells=1)) < -10


def test_images_of_other_ages_do_not_serve():
    bt = sky(CLOUDS)
    for minutes in (5.0, 9.9, 20.1, 30.0, 60.0):
        assert np.isnan(change(bt, {minutes: bt})).all(), minutes
    products = cloud_products(image(bt), [Earlier(image(bt - 5), 18), Earlier(image(bt), 14), Earlier(image(bt), 29)],
                              GRID)  # fmt: skip
    assert products["cloud_top_change_15min"].attrs["earlier_images_min"] == [14, 29]
    assert np.nanmax(np.abs(products["cloud_top_change_15min"])) == 0


def test_cells_whose_satellite_differs_are_unknown():
    """FY-4B now; FY-4B in the west and FY-4A, a few kelvins off, in the east 15 minutes ago."""
    bt = sky(CLOUDS)
    before = image(np.where(np.arange(GRID.n_lon) < 150, bt, bt + 5))
    before["satellite"][:, :, 150:] = 2
    found = cloud_products(image(bt), [Earlier(before, 15)], GRID)["cloud_top_change_15min"].to_numpy()[0]
    assert np.nanmax(np.abs(found)) < 1e-4
    assert np.isnan(found[:, 152:]).all()
    assert np.isfinite(found[10:-10, 10:145]).all()
    assert np.isnan(motion_of(image(bt), [Earlier(image(bt, satellite=2), 15)], GRID).u).all()


def test_holes_and_the_world_beyond_the_edge_are_unknown():
    now, before = (sky(CLOUDS, age, (0, 30)) for age in (0, -15))
    before[100:140, 100:140] = np.nan
    found = change(now, {15: before})
    assert np.isnan(found[:, :30]).all(), "that came from beyond the western edge"
    assert np.isnan(found[110:130, 140:160]).all()
    assert np.nanmax(np.abs(found)) < 1


def growing_cumulus(minutes, *, co2=True):
    """A cumulus that rises through 0 C and its surroundings, with a cold deck far away that shows the motion."""
    deck = [Cloud(60, 50, 80, 15), Cloud(180, 60, 70, 10), Cloud(150, 250, 60, 12)]
    tower = Cloud(120, 150, 26, 10, growth=12)
    bt = sky([*deck, tower], minutes, (4, 8), pixel=4)
    bands = {"bt062": 236 + 0.08 * (bt - 240), "bt133": 0.55 * bt + 104}
    return image(bt, **{name: values for name, values in bands.items() if co2 or name != "bt133"})


def initiation(*, co2=True, ages=(15, 30)):
    now = growing_cumulus(0, co2=co2)
    earlier = [Earlier(growing_cumulus(-age, co2=co2), age) for age in ages]
    return cloud_products(now, earlier, GRID)["convective_initiation"].to_numpy()[0]


def test_a_rising_cumulus_meets_all_eight_interest_fields_and_clear_air_none():
    found = initiation()
    assert found[118:123, 148:153].max() == 8
    assert found[10:20, 160:200].max() == 0


def test_initiation_is_told_only_where_six_fields_can_be_judged():
    assert initiation(co2=False)[120, 150] == 6
    assert np.isnan(initiation(co2=False, ages=(15,))).all()
    assert np.isnan(initiation(ages=())).all()


def test_another_grid_and_several_times_are_refused():
    bt = image(constant(250))
    with pytest.raises(SchemaError, match="shape"):
        cloud_products(bt, [], Grid(105, 29, 299, 240))
    with pytest.raises(SchemaError, match="brightness_temperature_108"):
        cloud_products(xr.concat([bt, bt], "time"), [], GRID)
