"""Differential phase: the slope that was put in comes out, wraps and noise or not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.radar.polarimetry.phase import circular_percentile, differential_phase, system_phase
from wxcore.radar.qc_kernels import NOTHING

SHAPE, GATE_M = (24, 400), 250.0
KM = (np.arange(SHAPE[1]) + 0.5) * GATE_M / 1000


def fields(phase, dbz=30.0, rho=0.99):
    """z, rho, phi, qc."""
    ones = np.ones(np.shape(phase), np.float32)
    return ones * np.float32(dbz), ones * np.float32(rho), np.mod(phase, 360).astype("f4"), np.zeros(ones.shape, "u1")


def phase_of(phase, offset, **others):
    ratio, gate_m = others.pop("ratio", 1.0), others.pop("gate_m", GATE_M)
    return differential_phase(*fields(phase, **others), offset=offset, gate_m=gate_m, ratio=ratio)


@pytest.mark.parametrize("slope", [-0.5, 0.2, 1.0, 3.0])
@pytest.mark.parametrize("system", [0.0, 60.0, 300.0])
@pytest.mark.parametrize("dbz", [20.0, 50.0])
def test_constant_slope_is_found_and_wraps_do_not_matter(slope, system, dbz):
    true = 2 * slope * KM * np.ones(SHAPE)
    found = phase_of(system + true, system, dbz=dbz)
    inner = slice(15, -15)
    np.testing.assert_allclose(found.kdp[:, inner], slope, rtol=0.02)
    np.testing.assert_allclose(found.phidp[:, inner], true[:, inner], atol=0.05)
    assert np.isfinite(found.kdp).mean() > 0.9
    assert np.nanmax(found.texture) < 0.1


@pytest.mark.parametrize(("dbz", "most"), [(25.0, 0.25), (50.0, 1.1)])
def test_noise_of_3_deg_is_kept_within_the_error_of_a_straight_line(dbz, most):
    # standard error of a slope: sigma sqrt(3 / n) / length, 25 gates in 6.25 km and 9 in 2.25 km
    rng = np.random.default_rng(7)
    true = 2 * 1.5 * KM * np.ones(SHAPE) + rng.normal(0, 3, SHAPE)
    found = phase_of(70 + true, 70.0, dbz=dbz)
    kdp = found.kdp[:, 15:-15]
    assert np.sqrt(np.nanmean((kdp - 1.5) ** 2)) < most
    assert abs(np.nanmean(kdp) - 1.5) < 0.03
    assert np.nanmedian(found.texture) == pytest.approx(3.0, rel=0.1)


def test_slow_reference_agrees():
    """Least squares gate by gate with numpy's polyfit, constant reflectivity (long window)."""
    rng = np.random.default_rng(3)
    phase = 2 * np.cumsum(rng.uniform(0, 0.4, (3, 120)), axis=1) + rng.normal(0, 1, (3, 120))
    found = phase_of(phase + 50, 50.0, dbz=20.0)
    km = np.arange(120) * 0.25
    for i in range(3):
        for g in range(12, 108):
            part = slice(max(g - 12, 0), g + 13)
            slope, level = np.polyfit(km[part] - km[g], phase[i, part], 1)
            assert found.kdp[i, g] == pytest.approx(slope / 2, abs=1e-3)
            assert found.phidp[i, g] == pytest.approx(level, abs=1e-2)


def test_gates_of_low_rhohv_and_rough_phase_do_not_count_and_are_bridged():
    true = 2 * 1.0 * KM * np.ones(SHAPE)
    z, rho, phi, qc = fields(60 + true)
    rng = np.random.default_rng(1)
    rho[:, 100:140], phi[:, 100:140] = 0.5, rng.uniform(0, 360, (24, 40))
    phi[:, 250:300] = rng.uniform(0, 360, (24, 50))
    qc[:, 330:340], phi[:, 330:340] = 3, 200.0
    found = differential_phase(z, rho, phi, qc, offset=60.0, gate_m=GATE_M, ratio=1.0)
    assert np.abs(found.phidp[:, 15:-15] - true[:, 15:-15]).max() < 2.0
    known = np.isfinite(found.kdp[:, 15:-15])
    assert np.abs(found.kdp[:, 15:-15][known] - 1.0).max() < 0.3
    assert not np.isfinite(found.kdp[:, 115:125]).any()
    assert not np.isfinite(found.kdp[:, 270:280]).any()


def test_specks_and_no_echo_have_no_phase():
    z, rho, phi, qc = fields(60 + 0 * KM * np.ones(SHAPE))
    z[:] = NOTHING
    z[:, 50:52] = 30.0
    found = differential_phase(z, rho, phi, qc, offset=60.0, gate_m=GATE_M, ratio=1.0)
    assert not np.isfinite(found.kdp).any()
    assert not np.isfinite(found.phidp).any()


def test_short_runs_do_not_count_however_many():
    z, rho, phi, qc = fields(60 + 2 * KM * np.ones(SHAPE))
    rho[:, ::4] = 0.5  # three good gates at a time
    found = differential_phase(z, rho, phi, qc, offset=60.0, gate_m=GATE_M, ratio=1.0)
    assert not np.isfinite(found.kdp).any()


@pytest.mark.parametrize("system", [1.0, 180.0, 359.5])
def test_system_phase_is_where_rays_begin_and_rain_at_the_radar_does_not_lift_it(system):
    rng = np.random.default_rng(5)
    true = 2 * 0.2 * KM * np.ones((60, 400))
    true[:40] = 2 * 6.0 * KM  # two thirds of the rays begin in a downpour
    found = system_phase(*fields(system + true + rng.normal(0, 1.0, true.shape)), GATE_M)
    assert abs((found - system + 180) % 360 - 180) < 2.0


def test_system_phase_needs_rays():
    assert np.isnan(system_phase(*fields(60 + np.zeros((9, 400))), GATE_M))
    assert np.isnan(circular_percentile([], 50))
    assert circular_percentile([350.0, 0.0, 10.0, 20.0], 50) == pytest.approx(5.0)


@settings(max_examples=60, deadline=None)
@given(
    rays=st.integers(0, 3), gates=st.integers(1, 60), seed=st.integers(0, 99), gate_m=st.sampled_from([30.0, 1000.0]),
    holes=st.floats(0, 1),
)  # fmt: skip
def test_any_input_is_bounded(rays, gates, seed, gate_m, holes):
    rng = np.random.default_rng(seed)
    shape = (rays, gates)
    z = np.where(rng.random(shape) < holes, rng.choice([np.nan, NOTHING], shape), rng.uniform(-30, 80, shape))
    rho, phi = rng.uniform(0.2, 1.2, shape), np.where(rng.random(shape) < holes / 2, np.nan, rng.uniform(0, 360, shape))
    qc = rng.integers(0, 5, shape).astype("u1")
    found = differential_phase(
        z.astype("f4"), rho.astype("f4"), phi.astype("f4"), qc, offset=12.0, gate_m=gate_m, ratio=3.3
    )
    kdp = found.kdp[np.isfinite(found.kdp)]
    assert ((kdp >= -4 * 3.3 - 1e-3) & (kdp <= 16 * 3.3 + 1e-3)).all()
    assert not np.isfinite(found.kdp[~(z > NOTHING)]).any()
    assert not np.isinf(found.phidp).any()
