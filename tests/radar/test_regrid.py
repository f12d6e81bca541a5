"""Gridded fields on to our grid: which cell, which level, and what is not known."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore import schema
from wxcore.errors import ReadError, Reason, SchemaError
from wxcore.grid import Grid
from wxcore.radar.regrid import GridField, describe, to_dataset, to_grid
from wxcore.radar.volume import ECHO, MISSING, NO_ECHO

TIME = datetime(2025, 6, 9, 10, 42, tzinfo=UTC)


def classes() -> np.ndarray:
    table = np.full(256, ECHO, np.uint8)
    table[0], table[1] = MISSING, NO_ECHO
    return table


def field(codes: object, kind: str = "composite", heights: tuple[float, ...] = ()) -> GridField:
    """Cells of 0.1 degree whose south-west corner is 100E 30N; value = (code - 66) / 2."""
    array = np.array(codes, np.uint8)
    array = array.reshape((-1, *array.shape[-2:]))
    return GridField(
        "test", kind, "X", "dBZ", TIME, 100.05, 30.05, 0.1, 0.1, heights, array, 2.0, 66.0, classes()
    )  # fmt: skip


class TestHorizontal:
    def test_the_same_cells_keep_their_values(self) -> None:
        grid = Grid(100.05, 30.05, 2, 2, 0.1)
        result = to_grid(field([[0, 1], [146, 106]]), grid)
        np.testing.assert_array_equal(result.composite_reflectivity[0], [[np.nan, -10], [40, 20]])
        np.testing.assert_array_equal(result.observed[0], [[0, 1], [1, 1]])

    def test_weaker_than_no_echo_is_raised_to_it(self) -> None:
        assert to_grid(field([[26]]), Grid(100.05, 30.05, 1, 1, 0.1)).composite_reflectivity.item() == -10

    def test_a_place_takes_the_cell_that_holds_it(self) -> None:
        grid = Grid(100.01, 30.05, 4, 1, 0.03)  # 100.01, .04, .07, .10: the last lies on an edge
        result = to_grid(field([[106, 146]]), grid)
        np.testing.assert_array_equal(result.composite_reflectivity[0, 0], [20, 20, 20, 40])

    def test_outside_is_no_data(self) -> None:
        result = to_grid(field([[106]]), Grid(99.95, 29.95, 3, 3, 0.1))
        expected = np.full((3, 3), np.nan)
        expected[1, 1] = 20
        np.testing.assert_array_equal(result.composite_reflectivity[0], expected)
        assert result.observed.sum() == 1

    def test_no_overlap_is_refused(self) -> None:
        with pytest.raises(ReadError) as caught:
            to_grid(field([[106]]), Grid(110, 30.05, 3, 3, 0.1))
        assert caught.value.reason is Reason.OUTSIDE_REGION

    def test_a_product_is_never_an_input(self) -> None:
        with pytest.raises(SchemaError):
            to_grid(field([[106]], kind="product"), Grid(100.05, 30.05, 1, 1, 0.1))

    @settings(deadline=None, max_examples=60)
    @given(
        st.integers(1, 30),
        st.integers(1, 30),
        st.sampled_from([0.01, 0.02, 0.05, 0.1]),
        st.floats(-170, 170).map(lambda x: round(x, 2)),
    )
    def test_aligned_grids_agree_cell_by_cell(self, n_lon: int, n_lat: int, step: float, west: float) -> None:
        rng = np.random.default_rng(n_lon * 31 + n_lat)
        codes = rng.integers(2, 255, (1, n_lat, n_lon), dtype=np.uint8)
        source = replace(
            field([[0]]), codes=codes, lon_west=west + step / 2, lat_south=20 + step / 2, d_lon=step, d_lat=step
        )
        grid = Grid(west + step / 2, 20 + step / 2, n_lon, n_lat, step)
        dbz = np.maximum((codes[0].astype("f4") - 66) / 2, -10)
        expected = np.where(dbz > 90, np.nan, dbz)  # a fill value, not the strongest hail on earth
        np.testing.assert_array_equal(to_grid(source, grid).composite_reflectivity[0], expected)

    @pytest.mark.parametrize(("field_west", "grid_west"), [(262.05, -97.95), (-97.95, 262.05), (179.95, -180.05)])
    def test_both_ways_to_count_longitudes_meet(self, field_west: float, grid_west: float) -> None:
        source = replace(field([[106, 146, 126]]), lon_west=field_west)
        result = to_grid(source, Grid(grid_west, 30.05, 3, 1, 0.1))
        np.testing.assert_array_equal(result.composite_reflectivity[0, 0], [20, 40, 30])

    def test_a_whole_circle_serves_both_sides_of_greenwich(self) -> None:
        codes = np.full((1, 1, 360), 66, np.uint8)
        codes[0, 0, [358, 359, 0, 1]] = 86, 106, 126, 146
        source = replace(field([[0]]), codes=codes, lon_west=0.5, d_lon=1.0)
        result = to_grid(source, Grid(-1.5, 30.05, 4, 1, 1.0))
        np.testing.assert_array_equal(result.composite_reflectivity[0, 0], [10, 20, 30, 40])


class TestVertical:
    GRID = Grid(100.05, 30.05, 1, 1, 0.1, (250.0, 500.0, 750.0, 1000.0, 1500.0, 2500.0))

    def column(self, *codes: int) -> np.ndarray:
        heights = tuple(500.0 * (k + 1) for k in range(len(codes)))
        source = field([[[code]] for code in codes], "mosaic", heights)
        return np.asarray(to_grid(source, self.GRID).reflectivity[0, :, 0, 0])

    def test_linear_in_dbz_between_levels(self) -> None:
        # 20, 40, 30 dBZ at 500, 1000, 1500 m; 250 m takes the bottom, 2500 m is above the top
        np.testing.assert_array_equal(self.column(106, 146, 126), [20, 20, 30, 40, 30, np.nan])

    def test_no_echo_counts_as_its_value(self) -> None:
        np.testing.assert_array_equal(self.column(146, 1, 1), [40, 40, 15, -10, -10, np.nan])

    def test_no_data_spreads_only_between_levels(self) -> None:
        np.testing.assert_array_equal(self.column(106, 0, 126), [20, 20, np.nan, np.nan, 30, np.nan])

    def test_far_below_the_bottom_is_no_data(self) -> None:
        source = field([[[106]], [[106]]], "mosaic", (501.0, 1000.0))
        result = to_grid(source, Grid(100.05, 30.05, 1, 1, 0.1, (250.0, 260.0)))
        np.testing.assert_array_equal(result.reflectivity[0, :, 0, 0], [np.nan, 20])

    def test_what_is_observed(self) -> None:
        source = field([[[106, 0]], [[0, 0]]], "mosaic", (500.0, 1000.0))
        result = to_grid(source, Grid(100.05, 30.05, 2, 1, 0.1, (500.0, 1000.0)))
        np.testing.assert_array_equal(result.observed[0, 0], [2, 0])
        np.testing.assert_array_equal(result.radar_count[0, :, 0], [[1, 0], [0, 0]])
        assert (result.nearest_radar == -1).all()
        assert result.attrs["source_kind"] == "volume"


def test_results_are_as_the_schema_says() -> None:
    grid = Grid(100.05, 30.05, 2, 2, 0.1, (500.0, 1000.0))
    cube = to_grid(field([[[246, 1], [250, 106]]] * 2, "mosaic", (500.0, 1000.0)), grid)
    schema.check(cube, schema.MOSAIC, what="mosaic")
    plane = to_grid(field([[246, 1], [250, 106]]), grid)
    wanted = [var for var in (*schema.MOSAIC, *schema.PRODUCTS) if var.name in {"composite_reflectivity", "observed"}]
    schema.check(plane, wanted, what="composite")
    assert plane.attrs["source_kind"] == "composite"
    # code 250 is 92 dBZ: no data
    np.testing.assert_array_equal(plane.composite_reflectivity[0], [[90, -10], [np.nan, 20]])
    np.testing.assert_array_equal(plane.observed[0], [[1, 1], [0, 1]])
    np.testing.assert_array_equal(cube.observed[0], [[2, 2], [0, 2]])
    assert plane.time.to_numpy()[0] == np.datetime64("2025-06-09T10:42")


class TestDataset:
    def test_crop_keeps_centres_inside(self) -> None:
        source = field([[2, 4, 6], [8, 10, 12]])
        part = to_dataset(source, (100.1, 30.0, 100.3, 30.1))
        np.testing.assert_allclose(part.lon, [100.15, 100.25])
        np.testing.assert_allclose(part.lat, [30.05])
        assert part.composite_reflectivity.shape == (1, 2)

    def test_whole_field_and_levels(self) -> None:
        cube = to_dataset(field([[[106]], [[146]]], "mosaic", (500.0, 1000.0)))
        assert cube.reflectivity.dims == ("height", "lat", "lon")
        np.testing.assert_array_equal(cube.reflectivity[:, 0, 0], [20, 40])

    def test_signed_codes(self) -> None:
        table = np.full(65536, ECHO, np.uint8)
        table[np.array([-32768], np.int16).view(np.uint16)[0]] = MISSING
        source = replace(
            field([[0]]), codes=np.array([[[-32768, -50, 355]]], np.int16), scale=10.0, offset=0.0, classes=table
        )
        np.testing.assert_array_equal(source.values()[0, 0], np.array([np.nan, -5, 35.5], "f4"))


def test_describe() -> None:
    told = describe(replace(field([[[106]], [[146]]], "mosaic", (500.0, 1000.0)), radar_count=14))
    assert (told.kind, told.sweeps, told.time, told.remarks) == ("mosaic", 2, TIME, ("2 levels", "14 radars"))
