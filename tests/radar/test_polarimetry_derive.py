"""The door: what a volume is given, and what is broken is said and not used."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.grid import Grid
from wxcore.radar.looks import look_of
from wxcore.radar.mosaic import mosaic_looks
from wxcore.radar.polarimetry.derive import polarimetric
from wxcore.radar.polarimetry.planes_of import polarimetric_planes
from wxcore.schema import NO_ECHO_DBZ, POLARIMETRY

from . import polarimetric_volumes as made
from .polarimetric_volumes import rain, sweep, volume

LEVELS = {"h0_m": 4500.0, "hm20_m": 7700.0}


def derived(vol, **levels):
    return polarimetric(vol, **{**LEVELS, **levels})


def said(vol, word):
    return [remark for remark in vol.remarks if word in remark]


def test_single_polarisation_at_s_band_is_the_same_object():
    vol = volume(sweep(DBZH=np.full((60, 240), 40.0)))
    assert derived(vol) is vol
    assert polarimetric_planes(vol, **LEVELS) == {}


def test_single_polarisation_at_c_band_is_made_s_equivalent():
    z = np.array([[-np.inf, np.nan, 20.0, 50.0]])
    out = derived(volume(sweep(DBZH=z), band="C"))
    np.testing.assert_allclose(out.sweeps[0].derived["DBZH"][0], [NO_ECHO_DBZ, np.nan, 20.0, 51.721], atol=1e-3)
    assert said(out, "S-equivalent")
    assert "DBZH" in derived(volume(sweep(DBZH=z), band=""), band="C").sweeps[0].derived


def test_single_polarisation_at_x_band_stays_and_says_so():
    out = derived(volume(sweep(DBZH=np.full((4, 9), 40.0)), band="X"))
    assert set(out.sweeps[0].derived) == {"DBZH"}
    assert (out.sweeps[0].derived["DBZH"] == 40).all()
    assert said(out, "no conversion")
    assert said(out, "estimated from reflectivity")


@pytest.mark.parametrize(("band", "spent"), [("C", False), ("X", True)])
def test_behind_a_core_without_a_phase_no_echo_is_unknown(band, spent):
    z = np.full((60, 240), -np.inf)
    z[:10, 60:100], z[10:20, 60:100], z[:20, 150:160] = 58.0, 20.0, 15.0
    out = derived(volume(sweep(DBZH=z), band=band))
    dbz = out.sweeps[0].derived["DBZH"]
    assert np.isnan(dbz[:10, 110:150]).all()
    assert np.isnan(dbz[:10, 150:160]).all() == spent
    assert (dbz[10:, 110:150] == np.float32(NO_ECHO_DBZ)).all()
    assert (dbz[:10, :60] == np.float32(NO_ECHO_DBZ)).all()
    assert said(out, "gates behind unknown")
    # a sweep without dual polarisation beside one that has it
    mixed = derived(volume(sweep(DBZH=z), sweep(1.5, **rain(25.0)), band=band))
    np.testing.assert_array_equal(mixed.sweeps[0].derived["DBZH"], dbz)
    assert said(mixed, "estimated from reflectivity")
    assert said(mixed, "dB corrected")


def test_an_extinct_radar_does_not_erase_what_another_sees():
    elevations = (0.5, 1.5, 2.4, 3.4, 4.3, 6.0)
    far = volume(*[sweep(e, DBZH=np.full((360, 800), 50.0)) for e in elevations])
    core = np.full((360, 280), -np.inf)
    core[:20, 60:100] = core[340:, 60:100] = 58.0
    near = volume(*[sweep(e, DBZH=core) for e in elevations], band="X")
    near = near.at(replace(near.site, id="X0001", longitude=107.3))
    grid = Grid(107.2, 29.85, 21, 21, 0.01, (1500.0, 2000.0, 3000.0))
    found = mosaic_looks([look_of(derived(v)) for v in (far, near)], grid, when=far.start).reflectivity.values
    assert np.nanmedian(found) == pytest.approx(50.0, abs=0.1)


@pytest.mark.parametrize("how", ["absent", "percent"])
def test_phase_without_rhohv_corrects(how):
    moments = rain(45.0, slope=0.5)
    if how == "absent":
        del moments["RHOHV"]
    else:
        moments["RHOHV"] = moments["RHOHV"] * 100
    out = derived(volume(sweep(**moments), band="C"))
    found = out.sweeps[0].derived
    assert set(found) == {"DBZH", "PHIDP", "KDP"}
    corrected = 45 + 0.08 * 2 * 0.5 * (100.5 * 0.25)
    assert found["DBZH"][10, 100] == pytest.approx(1.113 * corrected - 3.929, abs=0.1)
    assert said(out, "RHOHV")
    assert polarimetric_planes(out, **LEVELS) == {}
    at_s = volume(sweep(**moments))
    assert derived(at_s).sweeps[0].derived == {}


def test_station_table_beats_the_header_and_it_is_said():
    z = np.array([[20.0, 50.0]])
    out = derived(volume(sweep(DBZH=z), band="S"), band="C")
    assert out.sweeps[0].derived["DBZH"][0, 1] == pytest.approx(51.721, abs=1e-3)
    assert said(out, "the file says S band, the station table C")
    back = derived(volume(sweep(DBZH=z), band="C"), band="S")
    assert back.sweeps[0].derived == {}
    assert said(back, "the file says C band, the station table S")
    assert not said(derived(volume(sweep(DBZH=z), band="C"), band="C"), "the file says")
    same = volume(sweep(DBZH=z), band="S")
    assert derived(same, band="S") is same


def calibration():
    """Light rain that tells the offset of ZDR."""
    return sweep(1.0, **rain(25.0, zdr=0.35, slope=0.05))


def test_hail_sizes_and_hdr_only_at_s_band_with_a_known_offset():
    core = sweep(**rain(60.0, zdr=0.0, rho=0.97))
    hail = {"hail_size_class", "hail_differential_reflectivity"}
    for band, sweeps, there in (
        ("S", (core, calibration()), True), ("S", (core,), False),
        ("C", (core, calibration()), False), ("X", (core, calibration()), False),
    ):  # fmt: skip
        out = derived(volume(*sweeps, band=band))
        assert ("HSDA" in out.sweeps[0].derived) == there
        assert hail & set(polarimetric_planes(out, **LEVELS)) == (hail if there else set())
        assert bool(said(out, "neither hail sizes nor HDR")) == (len(sweeps) == 1)


def test_strong_echo_whose_class_nobody_knows_is_neither_no_hail_nor_no_echo():
    moments = rain(60.0, zdr=0.0, rho=0.97)
    for name in ("ZDR", "RHOHV", "PHIDP"):
        moments[name][:, 160:] = np.nan
    weak = rain(25.0)
    for name in ("ZDR", "RHOHV", "PHIDP"):
        weak[name][:, 160:] = np.nan
    above = {name: values.copy() for name, values in rain(25.0).items()}
    above["DBZH"][:] = -np.inf
    found = polarimetric_planes(derived(volume(sweep(**moments), calibration(), sweep(2.4, **above))), **LEVELS)
    assert (found["hail_size_class"][:, 10:75] >= 2).all()
    assert (found["hail_size_class"][:, 85:115] == 0).all()
    alone = polarimetric_planes(derived(volume(sweep(**moments), sweep(2.4, **above), calibration())), **LEVELS)
    np.testing.assert_array_equal(alone["hail_size_class"], found["hail_size_class"])
    weaker = polarimetric_planes(derived(volume(sweep(**weak), sweep(2.4, **above))), **LEVELS)
    assert (weaker["hail_size_class"][:, 2:115] == 1).all()  # 25 dBZ is no hail, of whatever class
    assert (weaker["hydrometeor_class_low"][:, 2:75] == 4).all()
    assert (weaker["hydrometeor_class_low"][:, 85:115] == 0).all()


def test_s_band_rain():
    out = derived(volume(sweep(**rain(25.0, slope=0.2)))).sweeps[0].derived
    assert set(out) == {"ZDR", "PHIDP", "KDP", "HCLASS", "HSDA"}
    np.testing.assert_allclose(out["KDP"][:, 15:-15], 0.2, atol=0.005)
    assert (out["HCLASS"][:, 20:200] == 4).all()
    assert not out["HSDA"].any()
    assert all(a.dtype == np.float32 and a.shape == (60, 240) for a in out.values())


@pytest.mark.parametrize(("dbz", "zdr", "slope", "expected"), [(25, 0.4, 0.1, 4), (38, 1.0, 0.4, 5), (50, 2.0, 1.9, 6)])
def test_rain_by_strength(dbz, zdr, slope, expected):
    low = sweep(**rain(dbz, zdr=zdr, slope=slope, shape=(60, 160)))
    light = sweep(1.0, **rain(25.0, zdr=0.35, slope=0.05, shape=(60, 160)))
    out = derived(volume(low, light)).sweeps[0].derived["HCLASS"]
    assert (out[:, 20:-20] == expected).mean() > 0.95


def scene(dbz, zdr, rho, elevation=0.5, slope=0.2):
    """HCLASS of constant values, beside light rain that calibrates ZDR; by gate."""
    light = sweep(1.0, **rain(25.0, zdr=0.35, slope=0.05, shape=(60, 160)))
    low = sweep(elevation, **rain(dbz, zdr=zdr, rho=rho, slope=slope))
    return derived(volume(low, light)).sweeps[0].derived


def test_below_above_and_in_the_melting_layer():
    high = scene(25.0, 0.1, 0.995, elevation=12.0, slope=0.0)["HCLASS"][30]
    assert set(high[20:60]) <= {4, 5, 10}  # rain below
    assert (high[140:] == 11).all()  # dry snow above 6 km
    bright = scene(38.0, 1.5, 0.93, elevation=12.0, slope=0.0)["HCLASS"][30]
    assert 12 in bright[75:90]
    assert not (high == 12).any()
    assert not np.isin(high[140:], [4, 5, 6, 7]).any()


def test_big_hail_keeps_its_class_with_a_low_rhohv():
    below = scene(58.0, 0.0, 0.97)
    assert (below["HCLASS"][:, 20:200] == 8).all()
    assert (below["HSDA"][:, 20:200] > 0).all()
    mie = scene(58.0, -0.5, 0.82)
    assert (mie["HCLASS"][:, 20:200] == 8).mean() > 0.95
    assert (mie["HSDA"][:, 20:200] == 3).all()
    above = scene(58.0, 0.0, 0.97, elevation=15.0)["HCLASS"]
    assert (above[:, 150:220] == 9).all()


def test_what_quality_control_rejected_is_clutter_or_alive():
    moments = rain(20.0, zdr=4.0, rho=0.6)
    qc = np.full((60, 240), 4, np.uint8)
    qc[:, 120:] = 3
    out = derived(volume(sweep(**moments, qc=qc))).sweeps[0].derived["HCLASS"]
    assert (out[:, :120] == 3).mean() > 0.9
    assert (out[:, 120:] == 2).all()


def test_x_band_is_corrected_and_no_echo_stays_no_echo():
    moments = rain(30.0, slope=0.5)
    moments["DBZH"][30:] = -np.inf
    out = derived(volume(sweep(**moments), band="X"))
    z = out.sweeps[0].derived["DBZH"]
    km = (np.arange(240) + 0.5) * 0.25
    np.testing.assert_allclose(z[10, 15:-15], (30 + 0.28 * 2 * 0.5 * km)[15:-15], atol=0.15)
    assert (z[30:] == np.float32(NO_ECHO_DBZ)).all()
    assert "HSDA" not in out.sweeps[0].derived
    assert said(out, "attenuation of up to 1")


def test_c_band_is_corrected_then_s_equivalent():
    out = derived(volume(sweep(**rain(45.0, slope=0.5)), band="C")).sweeps[0].derived["DBZH"]
    corrected = 45 + 0.08 * 2 * 0.5 * (100.5 * 0.25)
    assert out[10, 100] == pytest.approx(1.113 * corrected - 3.929, abs=0.1)


@pytest.mark.parametrize("offset", [-0.8, 0.0, 0.6])
def test_zdr_offset_is_found_said_and_subtracted(offset):
    rng = np.random.default_rng(2)
    moments = rain(25.0, slope=0.05)
    moments["ZDR"] = 0.35 + offset + rng.normal(0, 0.3, moments["ZDR"].shape)
    out = derived(volume(sweep(**moments)))
    assert np.nanmean(out.sweeps[0].derived["ZDR"]) == pytest.approx(0.35, abs=0.06)
    assert said(out, f"ZDR offset {offset:+.1f}"[:13])
    assert said(out, "light rain")


def test_zdr_offset_by_snow_by_vertical_pointing_and_not_at_all():
    snow = derived(volume(sweep(12.0, **rain(25.0, zdr=0.7, slope=0.0))), h0_m=1000.0)
    assert said(snow, "ZDR offset +0.5")
    assert said(snow, "dry snow")
    up = derived(volume(sweep(90.0, **rain(25.0, zdr=0.3)), sweep(**rain(25.0, zdr=2.0))))
    assert said(up, "ZDR offset +0.3")
    assert said(up, "vertical pointing")
    none = derived(volume(sweep(**rain(45.0, zdr=1.5))))
    assert said(none, "offset unknown")
    np.testing.assert_allclose(none.sweeps[0].derived["ZDR"], 1.5, atol=0.01)


@pytest.mark.parametrize("dbz", [25.0, 45.0])
def test_a_broken_zdr_channel_is_said_and_not_used(dbz):
    out = derived(volume(sweep(**rain(dbz, zdr=8.3))))
    assert said(out, "ZDR broken")
    assert set(out.sweeps[0].derived) == {"PHIDP", "KDP", "HCLASS"}
    planes = polarimetric_planes(out, **LEVELS)
    assert set(planes) == {"hydrometeor_class_low", "specific_differential_phase_low"}


def test_a_constant_phidp_is_said_and_not_used():
    moments = rain(25.0)
    moments["PHIDP"][:] = 90.0
    out = derived(volume(sweep(**moments), band="X"))
    assert said(out, "PHIDP broken")
    assert not {"PHIDP", "KDP"} & set(out.sweeps[0].derived)
    assert (out.sweeps[0].derived["DBZH"] == 25).all()
    assert said(out, "estimated from reflectivity")
    assert (out.sweeps[0].derived["HCLASS"][:, 20:200] == 4).all()


def test_rhohv_in_percent_is_said_and_not_used():
    moments = rain(25.0)
    moments["RHOHV"] *= 100
    out = derived(volume(sweep(**moments)))
    assert said(out, "RHOHV broken")
    assert out.sweeps[0].derived == {}


def test_moments_that_are_all_missing_are_as_if_absent():
    moments = rain(25.0)
    for name in ("ZDR", "RHOHV", "PHIDP"):
        moments[name][:] = np.nan
    vol = volume(sweep(**moments))
    assert derived(vol) is vol


def test_without_band_or_0_c_level_no_classes():
    unknown = derived(volume(sweep(**rain(25.0)), band=""))
    assert set(unknown.sweeps[0].derived) == {"ZDR", "PHIDP", "KDP"}
    assert said(unknown, "band unknown")
    cold = derived(volume(sweep(**rain(25.0))), h0_m=np.nan)
    assert "HCLASS" not in cold.sweeps[0].derived
    assert said(cold, "0 C level unknown")
    assert polarimetric_planes(cold, **LEVELS) == {}


def test_moments_on_longer_gates_are_taken_from_the_nearest_and_end_where_they_end():
    moments = rain(25.0)
    low = sweep(**moments)
    longer = {name: made.moment(moments[name][:, 1:120:2], 500.0) for name in ("ZDR", "RHOHV", "PHIDP")}
    out = derived(volume(replace(low, moments={**low.moments, **longer}))).sweeps[0].derived
    np.testing.assert_allclose(out["KDP"][:, 15:100], 0.5, rtol=0.05)
    assert np.isfinite(out["ZDR"][:, :120]).all()
    assert not np.isfinite(out["ZDR"][:, 121:]).any()
    other = {name: replace(m, codes=m.codes[:-1]) for name, m in longer.items()}
    vol = volume(replace(low, moments={**low.moments, **other}))
    assert derived(vol) is vol


@settings(max_examples=40, deadline=None)
@given(
    rays=st.sampled_from([1, 2, 12, 60]), gates=st.sampled_from([1, 2, 30, 90]), seed=st.integers(0, 10**6),
    band=st.sampled_from(["S", "C", "X", ""]), gate_m=st.sampled_from([75.0, 1000.0]),
    holes=st.sampled_from([0.0, 0.5, 1.0]), qc=st.booleans(),
)  # fmt: skip
def test_any_volume_comes_back_bounded(rays, gates, seed, band, gate_m, holes, qc):
    rng = np.random.default_rng(seed)

    def noise(low, high):
        return np.where(rng.random((rays, gates)) < holes, np.nan, rng.uniform(low, high, (rays, gates)))

    z = noise(-30, 80)
    z[rng.random(z.shape) < 0.3] = -np.inf
    moments = {"DBZH": z, "ZDR": noise(-8, 8), "RHOHV": noise(0.2, 1.1), "PHIDP": noise(0, 360)}
    flags = rng.integers(0, 5, z.shape).astype(np.uint8) if qc else None
    low = sweep(float(rng.uniform(0, 30)), gate_m=gate_m, qc=flags, **moments)
    low.azimuth[:: rng.integers(1, 9)] = np.nan
    out = derived(volume(low, band=band))
    found = out.sweeps[0].derived
    measured = low.moments["DBZH"].values(no_echo=NO_ECHO_DBZ)
    if "DBZH" in found and band == "X":
        both = np.isfinite(found["DBZH"])
        assert (found["DBZH"][both] >= measured[both]).all()
        assert not np.isfinite(found["DBZH"][np.isnan(measured)]).any()
    if "HCLASS" in found:
        known = found["HCLASS"][np.isfinite(found["HCLASS"])]
        assert np.isin(known, np.arange(1, 14)).all()
    limits = {var.name: (var.valid_min, var.valid_max) for var in POLARIMETRY if not var.flags}
    flag_values = {var.name: [f for f, _ in var.flags] for var in POLARIMETRY if var.flags}
    for name, plane in polarimetric_planes(out, **LEVELS).items():
        assert plane.dtype == np.float32
        assert plane.shape == (360, 460)
        if name in flag_values:
            assert np.isin(plane, flag_values[name]).all()
        else:
            inside = plane[np.isfinite(plane)]
            assert ((inside >= limits[name][0]) & (inside <= limits[name][1])).all()
