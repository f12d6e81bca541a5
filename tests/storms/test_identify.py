"""identify: thresholds, splits, outlines and features, on storms of known shape."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from tests.storms.frames import GRID, Blob, composite, products
from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.schema import STORMS, check_table
from wxcore.storms.features import group, outlines
from wxcore.storms.identify import MIN_AREA_KM2, OUTLINE_DBZ, identify, label_cells

CELL_KM2 = float(GRID.cell_area_km2.mean())


def block(dbz: float, rows: slice, columns: slice) -> np.ndarray:
    field = np.full(GRID.shape, -10, dtype=np.float32)
    field[rows, columns] = dbz
    return field


class TestWhatCounts:
    def test_no_echo_no_storms(self) -> None:
        cells = identify(products(composite([], 0)), GRID)
        assert cells.table.empty
        assert not cells.labels.any()
        check_table(cells.table, STORMS, what="storms")

    def test_unobserved_is_no_storm(self) -> None:
        cells = identify(products(np.full(GRID.shape, np.nan, dtype=np.float32), observed=0), GRID)
        assert cells.table.empty

    def test_smaller_than_ten_km2_is_dropped(self) -> None:
        side = 3  # 9 cells of 1.08 km2 are 9.7 km2; 12 are 13 km2
        assert 9 * CELL_KM2 < MIN_AREA_KM2 < 12 * CELL_KM2
        assert identify(products(block(50, slice(60, 60 + side), slice(60, 60 + side))), GRID).table.empty
        assert len(identify(products(block(50, slice(60, 63), slice(60, 64))), GRID).table) == 1

    @pytest.mark.parametrize(("peak", "storms"), [(39.9, 0), (40.0, 1)])
    def test_peak_of_at_least_forty(self, peak: float, storms: int) -> None:
        field = block(36, slice(50, 60), slice(50, 60))
        field[55, 55] = peak
        assert len(identify(products(field), GRID).table) == storms


class TestSplit:
    def test_two_cores_in_one_region_are_two_storms_that_share_all_of_it(self) -> None:
        field = block(36, slice(50, 60), slice(40, 80))
        field[52:58, 42:50] = 52
        field[52:58, 70:78] = 47
        cells = identify(products(field), GRID)
        assert cells.table["max_dbz"].tolist() == [52, 47]
        assert np.array_equal(cells.labels > 0, field >= OUTLINE_DBZ)
        assert (cells.labels[52:58, 42:50] == 1).all()
        assert (cells.labels[52:58, 70:78] == 2).all()

    def test_a_small_or_shallow_peak_is_no_core(self) -> None:
        field = block(36, slice(50, 60), slice(40, 80))
        field[52:58, 42:50] = 52
        field[54:56, 72:75] = 60  # 6.5 km2
        field[52:58, 60:68] = 42  # large, but only 2 dB above the threshold that tells it apart
        assert len(identify(products(field), GRID).table) == 1

    def test_cores_nested_at_fifty(self) -> None:
        cells = identify(products(composite([Blob(106.8, 29.8, 58), Blob(106.95, 29.8, 56)], 0)), GRID)
        assert len(cells.table) == 2
        assert abs(cells.table["lon"].to_numpy() - [106.8, 106.95]).max() < 0.01


class TestFeatures:
    def test_hand_computed(self) -> None:
        """Ten by four cells; the product fields are chosen so that each figure is known."""
        dbz = block(45, slice(50, 54), slice(60, 70))
        dbz[51, 62] = 55
        observed = np.ones(GRID.shape)
        observed[50:52] = 2  # half of the rows in three dimensions
        mesh = np.full(GRID.shape, np.nan)
        mesh[50:52] = 0
        mesh[50, 60:63], mesh[51, 62] = 20, 31
        top = np.full(GRID.shape, np.nan)
        top[51, 62] = 9500
        table = identify(products(dbz, mesh=mesh, echo_top_45=top).assign(observed=(("time", "lat", "lon"),
            observed[None].astype("u1"), products(dbz)["observed"].attrs)), GRID).table  # fmt: skip
        check_table(table, STORMS, what="storms")
        row = table.iloc[0]
        assert row["area_km2"] == pytest.approx(10 * GRID.cell_area_km2[50:54].sum())
        assert row["max_dbz"] == 55
        assert row["mesh_mm"] == 31
        assert (row["mesh_lat"], row["mesh_lon"]) == (GRID.lat[51], GRID.lon[62])
        assert row["mesh20_area_km2"] == pytest.approx(3 * GRID.cell_area_km2[50] + GRID.cell_area_km2[51])
        assert row["echo_top_45_km"] == 9.5
        assert row["observed_fraction"] == 0.5
        weight = 10 ** (dbz[50:54, 60:70].astype(float) / 10)
        assert row["lon"] == pytest.approx((weight * GRID.lon[60:70]).sum() / weight.sum())
        assert row["lat"] == pytest.approx((weight * GRID.lat[50:54, None]).sum() / weight.sum())

    def test_two_dimensional_is_missing_not_zero(self) -> None:
        row = identify(products(composite([Blob(106.8, 29.8, 60)], 0)), GRID).table.iloc[0]
        assert row["observed_fraction"] == 0
        for name in ("mesh_mm", "posh_percent", "vil_kg_m2", "shi", "mesh20_area_km2", "echo_top_18_km", "mesh_lat"):
            assert np.isnan(row[name]), name

    def test_no_hail_seen_in_three_dimensions_is_zero(self) -> None:
        dbz = composite([Blob(106.8, 29.8, 50)], 0)
        row = identify(products(dbz, observed=2, mesh=np.zeros(GRID.shape)), GRID).table.iloc[0]
        assert row["mesh_mm"] == 0
        assert row["mesh20_area_km2"] == 0
        assert np.isnan(row["mesh_lat"])

    def test_strongest_first(self) -> None:
        blobs = [Blob(106.3, 29.3, 48), Blob(107.3, 29.3, 62), Blob(106.8, 30.2, 55)]
        cells = identify(products(composite(blobs, 0)), GRID)
        assert cells.table["max_dbz"].is_monotonic_decreasing
        for row, blob in enumerate([blobs[1], blobs[2], blobs[0]]):
            assert cells.labels[round((blob.lat - 29) * 100), round((blob.lon - 106) * 100)] == row + 1


class TestDoor:
    def test_missing_composite(self) -> None:
        with pytest.raises(SchemaError, match="composite_reflectivity: missing"):
            identify(products(composite([], 0)).drop_vars("composite_reflectivity"), GRID)

    def test_another_grid(self) -> None:
        with pytest.raises(SchemaError, match="shape"):
            identify(products(composite([], 0)), Grid(106.0, 29.0, 100, 160))


SMALL = Grid(106.0, 29.0, 14, 12)


class TestOutline:
    @settings(max_examples=150, deadline=None)
    @given(arrays(np.bool_, SMALL.shape))
    def test_is_the_outer_ring_of_the_cells(self, mask: np.ndarray) -> None:
        """Against shapely's union of cell squares, for every connected piece of a random mask."""
        labels, count = ndimage.label(mask)
        if count == 0:
            return
        labels = labels.astype(np.int32)
        half = SMALL.step_deg / 2
        for storm, polygon in enumerate(outlines(labels, group(labels, count), SMALL, simplify_deg=0.0), start=1):
            rows, columns = np.nonzero(labels == storm)
            lon, lat = SMALL.lon[columns], SMALL.lat[rows]
            squares = shapely.union_all(shapely.box(lon - half, lat - half, lon + half, lat + half), grid_size=1e-6)
            filled = shapely.union_all(
                [shapely.Polygon(ring) for ring in [squares.exterior]] if squares.geom_type == "Polygon" else squares
            )
            assert polygon.is_valid
            assert not polygon.interiors
            assert polygon.exterior.is_ccw
            assert shapely.symmetric_difference(polygon, filled).area < 1e-9

    def test_simplified_outlines_are_valid_and_near(self) -> None:
        rng = np.random.default_rng(1)
        noise = ndimage.gaussian_filter(rng.normal(size=GRID.shape), 2)
        cells = identify(products((35 + 80 * noise).clip(-10, 75).astype(np.float32)), GRID)
        assert len(cells.table) > 20
        for row in cells.table.itertuples():
            assert row.polygon.is_valid
            assert row.polygon.geom_type == "Polygon"
            assert not row.polygon.interiors


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, (30, 30), elements=st.sampled_from([-10, 34, 36, 41, 44, 48, 53, 60])))
def test_labels_part_the_regions(field: np.ndarray) -> None:
    """Whatever the field: storms are whole regions or parts of them, connected, large enough, peaked enough."""
    field = np.kron(field, np.ones((2, 2), dtype=np.float32))
    area = np.full(field.shape[0], 1.0)
    labels, count = label_cells(field, area)
    regions, _ = ndimage.label(field >= OUTLINE_DBZ)
    for region in np.unique(regions[labels > 0]):
        assert (labels[regions == region] > 0).all()
    assert set(np.unique(labels)) <= set(range(count + 1))
    for storm in range(1, count + 1):
        inside = labels == storm
        assert ndimage.label(inside)[1] == 1
        assert inside.sum() >= MIN_AREA_KM2
        assert field[inside].max() >= 40


class TestOpenTops:
    @pytest.mark.parametrize(("bit", "expected"), [(0, 0.0), (1, 1.0)])
    def test_the_highest_top_tells(self, bit: int, expected: float) -> None:
        """A low open top beside a high closed one is no open storm."""
        field, tops = block(50, slice(50, 60), slice(50, 60)), np.full(GRID.shape, np.nan)
        tops[50:60, 50:60] = 9000
        tops[55, 55], topped = 4000, np.zeros(GRID.shape)
        topped[55, 55] = 1
        topped[50:53, 50:53] = bit
        row = identify(products(field, echo_top_18=tops, topped=topped), GRID).table.iloc[0]
        assert row["top18_open"] == expected
        assert np.isnan(row["top18_above_h0_km"])

    def test_above_the_freezing_level_of_the_cube(self) -> None:
        field, tops = block(50, slice(50, 60), slice(50, 60)), np.full(GRID.shape, 3500.0)
        cube = products(field, echo_top_18=tops, topped=np.zeros(GRID.shape)).assign(freezing_level=("time", [5000.0]))
        assert identify(cube, GRID).table.iloc[0]["top18_above_h0_km"] == pytest.approx(-1.5)

    def test_without_tops_nobody_knows(self) -> None:
        row = identify(products(block(50, slice(50, 60), slice(50, 60))), GRID).table.iloc[0]
        assert np.isnan(row[["top18_open", "top18_above_h0_km"]].astype(float)).all()
