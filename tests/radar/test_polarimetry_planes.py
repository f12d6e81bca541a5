"""From gates to places: what each cell is given, and the depth of ZDR columns."""

from dataclasses import replace

import numpy as np
import pytest

from wxcore.radar.geometry import beam_height, slant_at_arc
from wxcore.radar.planes import PLANE_SHAPE
from wxcore.radar.polarimetry.gates import heights
from wxcore.radar.polarimetry.planes_of import polarimetric_planes

from .polarimetric_volumes import sweep, volume

LEVELS = {"h0_m": 4000.0, "hm20_m": 7000.0}
NO_ECHO, MISSING = -np.inf, np.nan


def tilt(elevation, *, z=30.0, rays=360, gates=400, gate_m=250.0, **derived):
    """A tilt with constant derived values (or arrays); z -inf is no echo."""
    shape = (rays, gates)
    dbz = np.broadcast_to(np.float64(z), shape)
    hclass = np.where(np.isneginf(dbz), 1.0, np.where(np.isnan(dbz), np.nan, 5.0))
    values = {"HCLASS": hclass, "ZDR": 0.5, "KDP": 0.3, "HSDA": 0.0, **derived}
    made = sweep(elevation, gate_m=gate_m, DBZH=dbz)
    return replace(made, derived={k: np.array(np.broadcast_to(np.float32(v), shape)) for k, v in values.items()})


def planes(*tilts, **levels):
    return polarimetric_planes(volume(*tilts), **{**LEVELS, **levels})


def test_a_volume_without_dual_polarisation_has_none():
    assert planes(sweep(DBZH=np.full((360, 100), 30.0))) == {}


def test_values_where_observed_and_not_where_not():
    found = planes(tilt(0.5))
    assert set(found) == {
        "hail_size_class", "hail_differential_reflectivity", "hydrometeor_class_low", "zdr_column_depth",
        "specific_differential_phase_low",
    }  # fmt: skip
    assert all(p.shape == PLANE_SHAPE and p.dtype == np.float32 for p in found.values())
    assert (found["hydrometeor_class_low"][:, :199] == 5).all()
    assert (found["hydrometeor_class_low"][:, 201:] == 0).all()
    assert (found["hail_size_class"][:, :199] == 1).all()
    assert (found["hail_size_class"][:, 201:] == 0).all()
    np.testing.assert_allclose(found["hail_differential_reflectivity"][:, :199], 30 - (19 * 0.5 + 27), atol=1e-4)
    np.testing.assert_allclose(found["specific_differential_phase_low"][:, :199], 0.3, atol=1e-6)
    assert np.isnan(found["specific_differential_phase_low"][:, 201:]).all()


def test_no_echo_is_observed():
    found = planes(tilt(0.5, z=NO_ECHO))
    assert (found["hydrometeor_class_low"][:, :199] == 1).all()
    assert (found["hail_size_class"][:, :199] == 1).all()
    assert np.isnan(found["hail_differential_reflectivity"]).all()
    missing = planes(tilt(0.5, z=MISSING))
    assert (missing["hydrometeor_class_low"] == 0).all()
    assert (missing["hail_size_class"] == 0).all()


def test_one_gate_of_which_nobody_knows_leaves_its_column_unobserved_unless_another_tells():
    hsda, hclass = np.zeros((360, 400)), np.full((360, 400), 5.0)
    hsda[:, 100:101] = hclass[:, 100:101] = hsda[:, 140:141] = hclass[:, 140:141] = MISSING
    above = np.zeros((360, 400))
    above[:, 140:144] = 2.0
    for tilts in ((0.5, 2.0), (2.0, 0.5)):  # the gap below, then above
        low = tilt(tilts[0], z=50.0, HSDA=hsda, HCLASS=hclass)
        high = tilt(tilts[1], z=NO_ECHO, HSDA=above)
        found = planes(low, high)
        assert (found["hail_size_class"][:, 50] == 0).all()
        assert (found["hail_size_class"][:, 70:72].max(axis=1) == 3).all()
        assert (found["hail_size_class"][:, [40, 60]] == 1).all()
        assert (found["hydrometeor_class_low"][:, 40] == 5).all()
    alone = planes(tilt(0.5, z=50.0, gate_m=500.0, HCLASS=hclass, HSDA=hsda), tilt(2.0, z=NO_ECHO, gate_m=500.0))
    assert (alone["hydrometeor_class_low"][:, 100] == 0).all()
    assert (alone["hydrometeor_class_low"][:, 98] == 5).all()


def test_hdr_goes_with_hail_sizes():
    without = tilt(0.5)
    del without.derived["HSDA"]
    assert set(planes(without)) == {"hydrometeor_class_low", "zdr_column_depth", "specific_differential_phase_low"}


def test_the_lowest_echo_gives_the_class_and_the_largest_hail_of_the_column_its_size():
    low, high = np.full((360, 400), NO_ECHO), np.full((360, 400), 55.0)
    low[:, :100] = 30.0
    hsda = np.zeros((360, 400))
    hsda[:, 50:60] = 3.0
    found = planes(tilt(2.0, z=high, HCLASS=np.full((360, 400), 9.0), HSDA=hsda), tilt(0.5, z=low))
    assert (found["hydrometeor_class_low"][:, 2:49] == 5).all()
    assert (found["hydrometeor_class_low"][:, 52:190] == 9).all()
    assert (found["hail_size_class"][:, 26:29] == 4).all()
    assert (found["hail_size_class"][:, 35:190] == 1).all()


def test_of_a_cell_the_strongest_gate_tells_the_class_and_the_largest_kdp_counts_below_0_c_only():
    z, hclass, kdp = np.full((360, 400), 30.0), np.full((360, 400), 5.0), np.full((360, 400), 0.3)
    z[:, 21::2], hclass[:, 21::2], kdp[:, 20::2] = 45.0, 6.0, 2.0
    found = planes(tilt(2.0, z=z, HCLASS=hclass, KDP=kdp))
    assert (found["hydrometeor_class_low"][:, 11:190] == 6).all()
    below = heights(tilt(2.0), volume().site).centre < 4000.0
    last = int(np.flatnonzero(below)[-1] * 0.25 / 0.5)
    np.testing.assert_allclose(found["specific_differential_phase_low"][:, 11 : last - 1], 2.0)
    assert np.isnan(found["specific_differential_phase_low"][:, last + 1 :]).all()


def test_clutter_and_birds_have_no_hdr_and_no_kdp():
    found = planes(tilt(0.5, HCLASS=2.0))
    assert (found["hydrometeor_class_low"][:, :199] == 2).all()
    assert np.isnan(found["hail_differential_reflectivity"]).all()
    assert np.isnan(found["specific_differential_phase_low"]).all()


@pytest.mark.parametrize(("rays", "gate_m"), [(720, 75.0), (360, 1000.0), (363, 500.0)])
def test_any_spacing_fills_the_cells(rays, gate_m):
    gates = int(90_000 / gate_m)
    found = planes(tilt(0.5, rays=rays, gates=gates, gate_m=gate_m))["hydrometeor_class_low"]
    assert (found[:, 1:178] == 5).all()
    assert (found[:, 182:] == 0).all()


def column(zdr_by_tilt, elevations=(1.0, 3.0, 5.0, 7.0, 9.0), **levels):
    """Depth by range of constant ZDR a tilt; and each tilt's height by cell."""
    tilts = [tilt(e, ZDR=v, gates=260) for e, v in zip(elevations, zdr_by_tilt, strict=True)]
    depth = planes(*tilts, **levels)["zdr_column_depth"]
    assert np.array_equal(depth[0], depth[200], equal_nan=True)
    return depth[0]


def test_depth_is_interpolated_to_the_contour():
    # 40 km: tilts at 0.79, 2.19, 3.58, 4.98 and 6.37 km
    j = 80
    at = [beam_height(slant_at_arc(40_250.0, e), e) for e in (1.0, 3.0, 5.0, 7.0, 9.0)]
    found = column((2.0, 2.0, 2.0, 2.0, 0.0))[j]
    assert found == pytest.approx((at[3] + at[4]) / 2 - 4000, abs=30)
    found = column((2.0, 2.0, 2.0, 0.5, 0.5))[j]  # contour at 2/3 between the third and the fourth
    assert found == pytest.approx(at[2] + (at[3] - at[2]) * 2 / 3 - 4000, abs=30)


def test_no_column_is_0_and_a_column_ends_at_its_first_gap_and_at_minus_20():
    assert column((2.0, 2.0, 0.2, 0.2, 0.2))[80] == 0
    assert column((2.0, 2.0, 2.0, 2.0, 2.0), hm20_m=5000.0)[80] == 1000
    gap = column((2.0, 2.0, 2.0, np.nan, 2.0), h0_m=3000.0)[80]
    assert gap == pytest.approx(beam_height(slant_at_arc(40_250.0, 5.0), 5.0) - 3000, abs=30)


def test_unknown_without_a_tilt_near_the_foot():
    assert np.isnan(column((2.0, 2.0), (0.5, 1.0))[80])  # all below 0 C
    assert np.isnan(column((2.0, 2.0), (10.0, 12.0))[80])  # the lowest is 3 km above
    assert column((2.0, 2.0), (6.5, 9.0))[80] > 0  # less than 1 km above: it counts as the foot
