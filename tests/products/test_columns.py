"""Column products: hand-computed columns, the plain-numpy oracle, and a real mosaic."""

import bz2

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wxcore import schema
from wxcore.errors import SchemaError, WxcoreError
from wxcore.grid import MRMS_LEVELS_M
from wxcore.products.columns import column_products, composite_only_products
from wxcore.products.reference import reference_products

HALF_KM = np.arange(0, 20_001, 500.0)
LEVELS = {"h0_m": 4500.0, "hm20_m": 7500.0}


def mosaic(columns, height, *, z_last=True):
    """(column, level) dBZ as a mosaic of one row."""
    values = np.asarray(columns, dtype=np.float32)[np.newaxis, np.newaxis]
    coords = {
        "time": np.array(["2026-07-01T06:00"], dtype="M8[ns]"),
        "lat": [29.5], "lon": 106 + 0.01 * np.arange(values.shape[2]), "height": height,
    }  # fmt: skip
    cube = xr.DataArray(values, coords, ("time", "lat", "lon", "height")).transpose("time", "height", "lat", "lon")
    return xr.Dataset({"reflectivity": cube if z_last else cube.copy(data=np.ascontiguousarray(cube.values))})


def products(column, height=HALF_KM, **levels):
    """Products of one column, name to float."""
    ds = column_products(mosaic([column], height), **{**LEVELS, **levels}, levels_source="test")
    schema.check(ds, schema.PRODUCTS, what="products")
    return {name: array.item() for name, array in ds.data_vars.items()}


def test_the_column_of_the_domain_brief():
    p = products(np.where(HALF_KM <= 12_000, 55.0, 0.0))
    assert p["vil"] == pytest.approx(58.97, abs=0.01)
    assert p["shi"] == pytest.approx(130.27, abs=0.01)
    assert p["mesh"] == pytest.approx(28.99, abs=0.01)
    assert p["mesh75"] == pytest.approx(41.16, abs=0.01)
    assert p["posh"] == pytest.approx(48.4, abs=0.05)
    assert p["echo_top_18"] == pytest.approx(12_336, abs=1)
    assert p["echo_top_45"] == pytest.approx(12_000 + 10 / 55 * 500, abs=1)
    assert p["h45_above_h0"] == pytest.approx(p["echo_top_45"] - 4500, abs=0.01)
    assert p["vil_density"] == pytest.approx(58.97 / 12.336, abs=0.01)
    assert np.isnan(p["echo_top_60"])
    assert p["topped"] == 0
    assert (p["composite_reflectivity"], p["composite_height"]) == (55, 0)


def test_vil_is_capped_at_56_dbz():
    weak, strong = (products(np.where(HALF_KM <= 12_000, z, -10.0))["vil"] for z in (56.0, 75.0))
    assert strong == pytest.approx(weak, rel=1e-6)


def test_unobserved_is_missing_and_no_echo_is_zero():
    blind, clear = products(np.full(41, np.nan)), products(np.full(41, -10.0))
    assert blind.pop("topped") == 0
    assert all(np.isnan(value) for value in blind.values())
    assert clear["composite_reflectivity"] == schema.NO_ECHO_DBZ
    assert [clear[name] for name in ("vil", "shi", "mesh", "mesh75", "mesh95", "posh", "topped")] == [0] * 7
    for name in ("composite_height", "vil_density", "echo_top_18", "echo_top_60", "h45_above_h0"):
        assert np.isnan(clear[name])


def test_weak_echo_keeps_its_composite():
    column = np.full(41, -10.0)
    column[[3, 5]] = 12.0
    p = products(column)
    assert (p["composite_reflectivity"], p["composite_height"], p["vil"]) == (12, 1500, 0)
    assert products(np.full(41, -4.0))["composite_reflectivity"] == -4
    assert products(np.full(41, -25.0))["composite_reflectivity"] == schema.NO_ECHO_DBZ


def test_a_gap_ends_the_search_for_the_top():
    column = np.where(HALF_KM <= 5000, 40.0, 0.0)
    column[11:15] = np.nan
    p = products(column)
    assert (p["echo_top_18"], p["echo_top_30"]) == (5000, 5000)
    assert p["topped"] == 0b00011
    assert np.isnan(p["vil_density"])


def test_echo_above_a_gap_is_found_first():
    column = np.where(HALF_KM <= 9000, 40.0, 0.0)
    column[6:10] = np.nan
    p = products(column)
    assert p["topped"] == 0
    assert p["echo_top_30"] == pytest.approx(9000 + 500 * 10 / 40)


def test_topmost_level_with_echo_sets_its_bits():
    column = np.full(41, 55.0)
    p = products(column)
    assert p["topped"] == 0b01111
    assert p["echo_top_50"] == 20_000
    column[30:] = np.nan
    assert products(column)["topped"] == 0b01111
    assert products(column)["echo_top_18"] == 14_500


def test_density_is_undefined_for_a_low_top():
    assert np.isnan(products(np.where(HALF_KM <= 1000, 50.0, -10.0))["vil_density"])
    assert products(np.where(HALF_KM <= 2000, 50.0, -10.0))["vil_density"] > 0


def test_layers_beside_a_gap_do_not_count():
    full, gap = np.full(41, -10.0), np.full(41, -10.0)
    full[16:21] = gap[16:21] = 55.0
    gap[18] = np.nan
    weight = 5e-6 * 10 ** (0.084 * 55) * 0.1
    assert products(full)["shi"] == pytest.approx(weight * (4 * 500 + 2 * 250), rel=1e-4)
    assert products(gap)["shi"] == pytest.approx(weight * (2 * 500 + 2 * 250), rel=1e-4)


def test_freezing_level_below_the_lowest_level():
    p = products(np.where(HALF_KM <= 9500, 55.0, -10.0)[1:], HALF_KM[1:], h0_m=-200.0, hm20_m=300.0)
    assert p["shi"] == pytest.approx(5e-6 * 10 ** (0.084 * 55) * 0.1 * (9000 + 250), rel=1e-4)
    assert 0 < p["posh"] <= 100


def test_a_single_observed_level_has_a_top_and_no_depth():
    column = np.full(41, np.nan)
    column[20] = 60.0
    p = products(column)
    assert (p["composite_reflectivity"], p["echo_top_60"], p["topped"]) == (60, 10_000, 31)
    assert (p["vil"], p["shi"], p["mesh"], p["posh"]) == (0, 0, 0, 0)


@pytest.mark.parametrize(("h0_m", "hm20_m"), [(4500, 4500), (5000, 4000), (np.nan, 7000), (4000, np.inf)])
def test_impossible_levels_are_refused(h0_m, hm20_m):
    with pytest.raises(WxcoreError, match="C level") as error:
        column_products(mosaic([HALF_KM * 0], HALF_KM), h0_m=h0_m, hm20_m=hm20_m, levels_source="test")
    assert "℃" in error.value.zh


def test_descending_heights_are_refused():
    with pytest.raises(SchemaError, match="ascending"):
        column_products(mosaic([HALF_KM * 0], HALF_KM[::-1]), **LEVELS, levels_source="test")


def test_attributes_name_levels_and_calibration():
    ds = column_products(mosaic([HALF_KM * 0], HALF_KM), **LEVELS, levels_source="sounding 57516")
    for name in ("shi", "mesh", "mesh75", "mesh95", "posh", "h45_above_h0"):
        attrs = ds[name].attrs
        assert (attrs["freezing_level_m"], attrs["minus20_level_m"]) == (4500, 7500)
        assert attrs["levels_source"] == "sounding 57516"
    assert ds["mesh"].attrs["mesh_calibration"] == "Witt 1998"
    assert "Murillo 2021" in ds["mesh75"].attrs["mesh_calibration"]
    assert "levels_source" not in ds["vil"].attrs


COLUMNS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.just(len(MRMS_LEVELS_M))),
    elements=st.one_of(
        st.floats(-10, 80, width=32),
        st.sampled_from([float("nan"), -10.0, 18.0, 30.0, 45.0, 50.0, 60.0]),
    ),
    fill=st.sampled_from([-10.0, float("nan"), 55.0]),
)
TOLERANCE = {"vil": 2e-3, "vil_density": 2e-3, "shi": 3e-3, "mesh": 2e-3, "mesh75": 1e-3, "mesh95": 1e-3}
"""Relative: the tables round a value by at most 0.01 dB."""


@settings(max_examples=150, deadline=None)
@given(COLUMNS, st.floats(-500, 6000), st.floats(100, 5000), st.booleans())
def test_kernel_agrees_with_plain_numpy(columns, h0_m, depth, z_last):
    levels = {"h0_m": h0_m, "hm20_m": h0_m + depth}
    height = np.array(MRMS_LEVELS_M)
    ours = column_products(mosaic(columns, height, z_last=z_last), **levels, levels_source="test")
    schema.check(ours, schema.PRODUCTS, what="products")
    for name, expected in reference_products(columns, height, **levels).items():
        got = ours[name].values[0, 0]
        if name == "posh":
            assert got == pytest.approx(expected, abs=0.3, nan_ok=True)
        elif name == "topped":
            assert (got == expected).all()
        else:
            assert got == pytest.approx(expected, rel=TOLERANCE.get(name, 1e-5), abs=2e-2, nan_ok=True), name


def test_several_times_are_independent():
    one = mosaic([np.where(HALF_KM <= 12_000, 55.0, 0.0)], HALF_KM)
    two = mosaic([np.full(41, -10.0)], HALF_KM).assign_coords(time=one.time + np.timedelta64(6, "m"))
    both = column_products(xr.concat([one, two], "time"), **LEVELS, levels_source="test")
    assert both["shi"].values[:, 0, 0] == pytest.approx([130.27, 0], abs=0.01)


def test_a_composite_never_claims_hail():
    values = np.array([[[70.0, -10.0, np.nan, -20.0]]], dtype=np.float32)
    flat = xr.Dataset(
        {"composite_reflectivity": (schema.COLUMN, values)}, {"lat": [29.0], "lon": [106.0, 107, 108, 109]}
    )
    ds = composite_only_products(flat.assign_coords(time=np.array(["2026-07-01"], dtype="M8[ns]")))
    schema.check(ds, schema.PRODUCTS, what="products")
    np.testing.assert_array_equal(ds["composite_reflectivity"].values, [[[70, -10, np.nan, -10]]])
    for name in set(ds) - {"composite_reflectivity", "topped"}:
        assert np.isnan(ds[name]).all(), name
    assert (ds["topped"] == 0).all()


def test_swan_mosaic_gives_its_answers(radar_data):
    """DATA.md: SHI 283, MESH 42.7 mm, POSH 85 %, 130 cells with 20 mm, strongest column 106.83E 26.70N."""
    raw = bz2.decompress((radar_data / "swan" / "Z_OTHE_RADAMOSAIC_20230316113000.bin.bz2").read_bytes())
    nx, ny, nz = np.frombuffer(raw, "<u2", 3, 78)
    west, north = np.frombuffer(raw, "<f4", 2, 88)
    step = np.frombuffer(raw, "<f4", 2, 104)
    height = np.frombuffer(raw, "<f4", 40, 112)[:nz].astype(float) * 1000
    codes = np.frombuffer(raw, "u1", int(nx) * int(ny) * int(nz), 1024).reshape(nz, ny, nx)
    window = codes[:, 400:700, 550:850]
    dbz = np.where(window == 0, np.nan, np.maximum((window.astype(np.float32) - 66) / 2, -10)).astype(np.float32)
    coords = {
        "time": np.array(["2023-03-16T11:30"], dtype="M8[ns]"), "height": height,
        "lat": north - step[1] * np.arange(400, 700), "lon": west + step[0] * np.arange(550, 850),
    }  # fmt: skip
    ds = xr.Dataset({"reflectivity": (schema.CUBE, dbz[np.newaxis])}, coords)
    p = column_products(ds, h0_m=3600, hm20_m=6600, levels_source="DATA.md").isel(time=0)
    best = p.shi.stack(place=("lat", "lon")).idxmax("place").item()
    assert float(p.shi.max()) == pytest.approx(283, abs=1)
    assert float(p.mesh.max()) == pytest.approx(42.7, abs=0.1)
    assert float(p.posh.max()) == pytest.approx(85, abs=1)
    assert int((p.mesh >= 20).sum()) == 130
    assert best == pytest.approx((26.70, 106.83), abs=0.02)
