"""Attenuation: never less than measured, unknown where the beam is spent, S band untouched."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wxcore.radar.polarimetry.attenuation import CORRECTED_MOST_DBZ, PIA_MOST_DB, correct, hide, s_equivalent
from wxcore.radar.polarimetry.band import BANDS, band_of
from wxcore.radar.qc_kernels import NOTHING

from . import polarimetric_volumes as made

GATES = 200
RANGE_M = 125.0 + 250.0 * np.arange(GATES)


def rays(*values):
    return np.tile(np.asarray(values, dtype=np.float32), (4, 1))


def test_rain_of_known_phase_is_corrected_by_gamma_and_beta():
    phase = 2 * 1.0 * RANGE_M / 1000  # KDP 1 deg/km
    z, zdr = rays(*np.full(GATES, 35.0)), rays(*np.full(GATES, 1.0))
    for name, gamma, beta in (("C", 0.08, 0.02), ("X", 0.28, 0.04)):
        done = correct(z, zdr, rays(*phase), RANGE_M, BANDS[name])
        np.testing.assert_allclose(done.z[0, :100], 35.0 + gamma * phase[:100], atol=1e-3)
        np.testing.assert_allclose(done.zdr[0, :100], 1.0 + beta * phase[:100], atol=1e-3)
    # 2 gamma integral of KDP: 10 km at 1 deg/km at X band is 5.6 dB
    assert done.z[0, 39] - 35.0 == pytest.approx(5.6, abs=0.1)
    assert (z == 35.0).all()


def test_a_bump_of_backscatter_phase_is_not_carried_on():
    phase = np.full(GATES, 10.0)
    phase[50:60] = 40.0
    done = correct(rays(*np.full(GATES, 30.0)), None, rays(*phase), RANGE_M, BANDS["X"])
    assert done.z[0, 20] - 30 == pytest.approx(2.8, abs=0.01)
    assert (done.z[0, 50:] - 30 < 0.28 * 13).all()  # the bump's 300 deg shared by 150 gates
    assert (np.diff(done.z[0]) >= 0).all()
    assert done.zdr is None


def test_s_band_has_nothing_to_correct():
    z = rays(*np.linspace(0, 60, GATES))
    done = correct(z, z.copy(), rays(*np.linspace(0, 200, GATES)), RANGE_M, BANDS["S"])
    np.testing.assert_array_equal(done.z, z)
    assert not done.hidden.any()
    assert done.pia_most == 0


def test_beyond_the_largest_correction_nobody_knows():
    phase = np.linspace(0, 160, GATES)
    done = correct(rays(*np.full(GATES, 30.0)), None, rays(*phase), RANGE_M, BANDS["X"])
    spent = 0.28 * phase > PIA_MOST_DB
    assert np.isnan(done.z[0, spent]).all()
    assert done.hidden[0, spent].all()
    assert np.isfinite(done.z[0, ~spent]).all()
    assert done.pia_most <= PIA_MOST_DB


def test_behind_a_signal_lost_in_heavy_rain_no_echo_is_unknown_and_behind_light_rain_it_is_not():
    z = np.full((2, GATES), NOTHING, dtype=np.float32)
    z[0, :80], z[1, :80] = 40.0, 12.0
    phase = np.full(z.shape, np.nan, dtype=np.float32)
    phase[:, :80] = np.linspace(0, 20, 80)
    done = correct(z, None, phase, RANGE_M, BANDS["X"])
    assert done.hidden[0, 80:].all()
    assert not done.hidden[1].any()
    assert (done.z[1, 80:] == NOTHING).all()


def test_no_echo_is_unknown_where_a_weakened_beam_would_not_see_a_weak_echo():
    z = np.full((40, GATES), NOTHING, dtype=np.float32)
    level = 20 * np.log10(RANGE_M / 1000)
    z[:, 40:] = (level - 17)[40:]
    z[0, 120:] = NOTHING
    phase = np.full(z.shape, np.nan, dtype=np.float32)
    phase[0, 40:120] = 15.0  # 4.2 dB
    done = correct(z, None, phase, RANGE_M, BANDS["X"])
    expected = level - 17 + 4.2 >= 18.0
    wrong = done.hidden[0, 120:] != expected[120:]
    assert wrong.sum() <= 12  # the threshold is a percentile
    assert expected[120:].any()
    assert not expected[120:].all()
    assert not done.hidden[1:].any()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), shape=hnp.array_shapes(min_dims=2, max_dims=2, max_side=30), band=st.sampled_from("CX"))
def test_never_lowers_and_keeps_what_is_unknown(data, shape, band):
    z = data.draw(hnp.arrays("f4", shape, elements=st.floats(-30, 90, width=32) | st.sampled_from([NOTHING, np.nan])))
    phase = data.draw(hnp.arrays("f4", shape, elements=st.floats(-30, 400, width=32) | st.just(np.nan)))
    range_m = 500.0 + 1000.0 * np.arange(shape[1])
    done = correct(z, z * 0, phase, range_m, BANDS[band])
    assert np.isnan(done.z[np.isnan(z)]).all()
    echo = (z > NOTHING) & np.isfinite(done.z)
    assert (done.z[echo] >= z[echo]).all()
    assert (done.z[echo] <= np.maximum(z[echo], CORRECTED_MOST_DBZ)).all()
    nothing = (z == NOTHING) & ~done.hidden
    assert (done.z[nothing] == NOTHING).all()
    np.testing.assert_array_equal(np.isnan(done.z), np.isnan(z) | done.hidden)
    more = correct(z, None, phase + 15, range_m, BANDS[band])
    both = echo & np.isfinite(more.z)
    assert (more.z[both] >= done.z[both] - 1e-3).all()
    assert not (np.isfinite(more.z) & ~np.isfinite(done.z)).any()


def test_s_equivalent_is_continuous_monotone_and_that_of_brook():
    z = np.linspace(-30, 80, 2201)
    found = s_equivalent(z)
    assert (np.diff(found) > 0).all()
    assert np.diff(found).max() < 0.06
    np.testing.assert_allclose(found[z < 34.7], z[z < 34.7], atol=1e-5)
    assert s_equivalent(50.0) == pytest.approx(1.113 * 50 - 3.929, abs=1e-4)
    assert s_equivalent(34.77) == pytest.approx(34.77, abs=0.01)
    assert np.isnan(s_equivalent(np.nan))


def loss(dbz, km, a, b):
    """Two-way loss over rain of one reflectivity: 2 a R^b with Z = 200 R^1.6."""
    return 2 * km * a * (10 ** (dbz / 10) / 200) ** (b / 1.6)


@pytest.mark.parametrize(("name", "a", "b"), [("C", 0.0022, 1.17), ("X", 0.0074, 1.31)])
def test_without_a_phase_no_echo_is_unknown_behind_3_db_and_all_behind_20(name, a, b):
    core = np.full((3, GATES), NOTHING, dtype=np.float32)
    core[0, 20:120], core[1, 20:120], core[2, 20:120] = 45.0, 20.0, 58.0
    core[:, 150], core[:, 160] = np.nan, 12.0
    clear = np.zeros(core.shape, np.uint8)
    done = hide(core, clear, 250.0, BANDS[name])
    strong, hail = loss(45.0, 25.0, a, b), loss(53.0, 25.0, a, b)  # 53 dBZ is the most that counts as rain
    for ray, pia in ((0, strong), (1, loss(20.0, 25.0, a, b)), (2, hail)):
        assert done.hidden[ray, 121:150].all() == (pia >= 3)
        assert np.isnan(done.z[ray, 160]) == (pia > 20)
    assert not done.hidden[1].any()
    assert not done.hidden[:, :20].any()
    assert np.isnan(done.z[:, 150]).all()
    assert not done.hidden[:, 150].any()
    spent = done.hidden[2, 20:120]
    assert spent.any() == (hail > 20)
    assert np.flatnonzero(spent)[0] == int(20 / loss(53.0, 0.25, a, b)) + 1 if spent.any() else True
    kept = ~done.hidden & ~np.isnan(core)
    np.testing.assert_array_equal(done.z[kept], core[kept])
    # what quality control rejected takes nothing
    assert not hide(core, np.full_like(clear, 3), 250.0, BANDS[name]).hidden.any()
    assert not hide(core, clear, 250.0, BANDS["S"]).hidden.any()


@pytest.mark.parametrize("name", ["C", "X"])
def test_loss_by_rain_is_about_that_by_its_phase(name):
    # rain of 40 and 45 dBZ: R by Marshall & Palmer, KDP at S band by R = 44 KDP^0.822 (Ryzhkov et al. 2005)
    for dbz in (40.0, 45.0):
        rate = (10 ** (dbz / 10) / 200) ** (1 / 1.6)
        by_phase = 2 * BANDS[name].gamma * BANDS[name].kdp_ratio * (rate / 44) ** (1 / 0.822)
        assert 0.5 < loss(dbz, 1.0, *BANDS[name].rain_loss) / by_phase < 2.0


def slowly_hidden(ray, km, a, b):
    """Gate by gate: all behind 20 dB of what was measured, no echo behind 3 dB of twice the loss of raised rain."""
    sure, likely, hidden = 0.0, 0.0, []
    for v in ray.tolist():
        hidden.append(not np.isnan(v) and (sure > 20 or (v == NOTHING and likely >= 3)))
        if v > NOTHING:
            sure += loss(min(v, 53), km, a, b)
            likely += 2 * loss(min(v + min(likely, 20), 53), km, a, b)
    return hidden


@settings(max_examples=100, deadline=None)
@given(data=st.data(), shape=hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=30))
def test_hiding_is_that_of_a_slow_reference_and_changes_nothing_else(data, shape):
    z = data.draw(hnp.arrays("f4", shape, elements=st.floats(-30, 90, width=32) | st.sampled_from([NOTHING, np.nan])))
    qc = np.zeros(shape, np.uint8)
    gate_m = data.draw(st.sampled_from([75.0, 1000.0, -1.0]))
    at_c, at_x = (hide(z, qc, gate_m, BANDS[b]) for b in "CX")
    np.testing.assert_array_equal(np.isnan(at_x.z), np.isnan(z) | at_x.hidden)
    both = ~at_x.hidden & ~np.isnan(z)
    np.testing.assert_array_equal(at_x.z[both], z[both])
    assert at_x.pia_most <= PIA_MOST_DB
    for name, done in (("C", at_c), ("X", at_x)):
        for ray, hidden in zip(z, done.hidden, strict=True):
            np.testing.assert_array_equal(hidden, slowly_hidden(ray, max(gate_m, 0) / 1000, *BANDS[name].rain_loss))


def test_band_by_station_table_then_frequency_then_format():
    volume = made.volume
    empty = made.sweep(DBZH=[[1.0]])
    assert [band_of(volume(empty, band=b)).name for b in "SCX"] == ["S", "C", "X"]
    unknown = volume(empty, band="")
    assert band_of(unknown) is None
    assert band_of(unknown, "C").name == "C"
    assert band_of(volume(empty, band="X"), "S").name == "S"
    assert band_of(replace(unknown, format="nexrad-level2")).name == "S"
    with pytest.raises(KeyError):
        band_of(unknown, "Q")
