"""Linear least squares derivatives: known fields, a slow scalar reference, and what real sweeps do to them."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.synthetic_velocities import doppler, outflow, rankine, seen_from_the_side
from wxcore.radar.kinematics import llsd
from wxcore.radar.kinematics.llsd import Derivatives, derivatives
from wxcore.radar.volume import Sweep


def reference(
    sweep: Sweep, values: np.ndarray, ray: int, gate: int, across_m: float, along_m: float
) -> tuple[float, float]:
    """u_r and u_s about one gate by numpy.linalg.lstsq, from the rules in llsd.py's text; NaN where too few known.

    Only for sweeps whose rays ascend and are distinct.
    """
    rays, gates = values.shape
    azimuth = np.deg2rad(sweep.azimuth.astype("f8"))
    spacing = median_spacing(azimuth)
    moment = sweep.moments["VRADH"]
    r = (moment.first_gate_m + moment.gate_m * gate) * np.cos(np.deg2rad(sweep.fixed_angle))
    reach = np.clip(across_m / 2 / r, 1.25 * spacing, min(25.5 * spacing, np.pi / 3))
    half = max(1, int(along_m / 2 / moment.gate_m))
    rows, right, kernel = [], [], 0
    for j in range(rays):
        turn = (azimuth[j] - azimuth[ray] + np.pi) % (2 * np.pi) - np.pi
        if abs(turn) > reach:
            continue
        for k in range(gate - half, gate + half + 1):
            kernel += 1
            if 0 <= k < gates and np.isfinite(v := values[j, k]):
                dr = (k - gate) * moment.gate_m
                rows.append((1.0, dr, (r + dr * np.cos(np.deg2rad(sweep.fixed_angle))) * turn))
                right.append(v)
    if len(rows) < 0.5 * kernel:
        return np.nan, np.nan
    matrix = np.array(rows)
    variance = matrix[:, 1:].var(axis=0)
    correlation = np.corrcoef(matrix[:, 1], matrix[:, 2])[0, 1] if (variance > 0).all() else 1.0
    full = np.array([half * (half + 1) / 3 * moment.gate_m**2, (reach * r) ** 2 / 3])
    if (variance < 0.15 * full).any() or 1 - correlation**2 < 0.1:
        return np.nan, np.nan
    _, u_r, u_s = np.linalg.lstsq(matrix, np.array(right), rcond=None)[0]
    return float(u_r), float(u_s)


def smoothed(sweep: Sweep) -> np.ndarray:
    """(ray, gate) median of the known values of the 3 x 3 gates, NaN where the middle one is unknown."""
    assert sweep.velocity is not None
    values = np.where(sweep.velocity.quality >= 50, sweep.velocity.values, np.nan).astype("f8")
    azimuth = np.deg2rad(sweep.azimuth.astype("f8"))
    spacing = median_spacing(azimuth)
    moment = sweep.moments["VRADH"]
    slant = moment.first_gate_m + moment.gate_m * np.arange(values.shape[1])
    far = slant * np.cos(np.deg2rad(sweep.fixed_angle)) * spacing > 1250
    rows = []
    for shift in (-1, 0, 1):
        turn = np.abs((np.roll(azimuth, shift) - azimuth + np.pi) % (2 * np.pi) - np.pi)
        beside = np.where(
            (turn <= 2 * spacing)[:, None] & ~(far & (shift != 0)), np.roll(values, shift, axis=0), np.nan
        )
        padded = np.pad(beside, ((0, 0), (1, 1)), constant_values=np.nan)
        rows += [padded[:, :-2], padded[:, 1:-1], padded[:, 2:]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of gates without any known neighbour
        return np.where(np.isnan(values), np.nan, np.nanmedian(rows, axis=0))


def median_spacing(azimuth: np.ndarray) -> float:
    gaps = np.diff(np.r_[azimuth, azimuth[0] + 2 * np.pi])
    return float(np.median(gaps[gaps >= np.deg2rad(0.25)]))


@pytest.mark.parametrize("rays", [300, 360, 719])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("gate_m", [75.0, 250.0, 1000.0])
def test_agrees_with_a_plain_least_squares_at_each_gate(rays, missing, gate_m):
    rng = np.random.default_rng(rays)
    azimuth = np.sort(((np.arange(rays) + rng.uniform(0.1, 0.9, rays)) * 360 / rays).astype("f4"))
    azimuth = np.delete(azimuth, np.r_[40:43, 100])
    sweep = doppler(lambda a, r: rng.normal(0, 20, (azimuth.size, 60)) + 30, azimuth=azimuth, gates=60, gate_m=gate_m,
                    elevation=9.9)  # fmt: skip
    values = np.where(rng.random(sweep.velocity.values.shape) < missing, np.nan, sweep.velocity.values).astype("f4")
    quality = np.where(rng.random(values.shape) < 0.1, 30, 100).astype("u1")
    sweep = replace(sweep, velocity=replace(sweep.velocity, values=values, quality=quality))
    found = derivatives(sweep, None)
    trusted = np.isfinite(values) & (quality >= 50)
    smooth = smoothed(sweep)
    compared = unknown = 0
    for ray, gate in zip(rng.integers(0, azimuth.size, 60), rng.integers(0, 60, 60), strict=True):
        if not trusted[ray, gate]:
            assert np.isnan(found.azimuthal_shear[ray, gate])
            continue
        shear = reference(sweep, smooth, ray, gate, 2500.0, 750.0)[1]
        divergence = reference(sweep, smooth, ray, gate, 750.0, 1500.0)[0]
        np.testing.assert_allclose(found.azimuthal_shear[ray, gate], shear, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found.radial_divergence[ray, gate], divergence, rtol=1e-3, atol=1e-5)
        compared += np.isfinite(shear)
        unknown += np.isnan(shear)
    assert compared > (15 if missing else 30)
    assert missing == 0 or unknown > 0 or gate_m < 1000


def peak(found: Derivatives, name: str, ray: int, gate: int) -> float:
    """Largest value within two rays and 1 km of a place."""
    return float(np.nanmax(getattr(found, name)[ray - 2 : ray + 3, gate - 4 : gate + 5]))


@pytest.mark.parametrize("between", [0.0, 0.5])
@pytest.mark.parametrize("core_m", [2500.0, 4000.0])
@pytest.mark.parametrize("range_m", [30_000.0, 60_000.0, 100_000.0])
def test_the_shear_of_a_rankine_vortex_is_recovered_within_10_percent(range_m, core_m, between):
    turn = np.deg2rad(60.5 + between)  # on a ray, and between two
    place = range_m * np.sin(turn), range_m * np.cos(turn)
    sweep = doppler(seen_from_the_side(rankine(*place, core_m, 25.0)))
    found = derivatives(sweep, None)
    gate = int(range_m / 250)
    truth = 25.0 / core_m
    assert found.azimuthal_shear[60, gate] == pytest.approx(truth, rel=0.1)
    assert peak(found, "azimuthal_shear", 60, gate) == pytest.approx(truth, rel=0.1)
    assert abs(found.radial_divergence[60, gate]) < 0.1 * truth
    clockwise = derivatives(doppler(seen_from_the_side(rankine(*place, core_m, -25.0))), None)
    assert clockwise.azimuthal_shear[60, gate] == pytest.approx(-truth, rel=0.1)


@pytest.mark.parametrize("range_m", [30_000.0, 60_000.0, 100_000.0])
def test_half_of_the_divergence_of_an_axisymmetric_outflow_is_seen(range_m):
    turn = np.deg2rad(200.5)
    field = outflow(range_m * np.sin(turn), range_m * np.cos(turn), 2500.0, 25.0)
    found = derivatives(doppler(seen_from_the_side(field)), None)
    divergence = 2 * 25.0 / 2500.0
    gate = int(range_m / 250)
    assert found.radial_divergence[200, gate] == pytest.approx(divergence / 2, rel=0.1)
    assert abs(found.azimuthal_shear[200, gate]) < 0.1 * divergence


@pytest.mark.parametrize("range_m", [30_000.0, 60_000.0, 100_000.0])
def test_a_linear_divergence_along_the_beam_is_recovered(range_m):
    found = derivatives(doppler(lambda a, r: 0.004 * (r - range_m) + 0 * a), None)
    gate = int(range_m / 250)
    np.testing.assert_allclose(found.radial_divergence[:, gate - 8 : gate + 8], 0.004, rtol=1e-3)


@pytest.mark.parametrize("core_m", [500.0, 750.0, 1000.0, 1250.0])
def test_small_vortices_are_flattened_as_the_text_says(core_m):
    range_m, turn = 30_125.0, np.deg2rad(60.25)
    field = rankine(range_m * np.sin(turn), range_m * np.cos(turn), core_m, 25.0)
    sweep = doppler(seen_from_the_side(field), rays=720, gates=200)
    kept = derivatives(sweep, None).azimuthal_shear[120, 120] / (25.0 / core_m)
    x = core_m / 1250
    assert kept == pytest.approx(x**2 * (3 - 2 * x), abs=0.1)


def test_a_uniform_wind_has_only_the_shear_of_the_turning_beam():
    sweep = doppler(seen_from_the_side(lambda x, y: (0 * x + 20.0, 0 * y)), elevation=0.5)
    found = derivatives(sweep, None)
    azimuth, slant = np.deg2rad(sweep.azimuth[:, None]), 125 + 250 * np.arange(480)
    far = slant > 5000
    expected = 20.0 * np.cos(azimuth) / slant[None, far]
    assert (np.abs(found.azimuthal_shear[:, far] - expected) <= 2e-5 + 0.03 * 20 / slant[far]).all()
    assert np.abs(found.radial_divergence[:, far]).max() < 1e-4


def test_the_noise_of_the_derivatives_is_what_least_squares_says():
    rng = np.random.default_rng(4)
    sweep = doppler(lambda a, r: rng.normal(0, 1.0, (360, 480)), rays=360)
    values = sweep.velocity.values
    beams = replace(llsd.beams_of(sweep), values=values)  # without the median, whose noise is correlated
    shear = llsd.azimuthal_shear(beams, np.ones(values.shape, dtype=bool))
    at_100_km = shear[:, 390:410]  # three rays by three gates: c_ss = 6 (r dtheta)^2
    expected = 1.0 / (np.sqrt(6) * 100_000 * np.deg2rad(1.0))
    assert np.nanstd(at_100_km) == pytest.approx(expected, rel=0.1)
    assert np.nanstd(derivatives(sweep, None).azimuthal_shear[:, 390:410]) < expected


def test_turning_the_antenna_turns_the_field():
    rng = np.random.default_rng(5)
    sweep = doppler(lambda a, r: rng.normal(0, 10, (361, 90)), rays=361, gates=90)
    found = derivatives(sweep, None)
    turned = derivatives(replace(sweep, azimuth=(sweep.azimuth + 137.25) % 360), None)
    np.testing.assert_allclose(turned.azimuthal_shear, found.azimuthal_shear, rtol=1e-3, atol=2e-6)
    np.testing.assert_allclose(turned.radial_divergence, found.radial_divergence, rtol=1e-3, atol=2e-6)


def test_the_order_of_the_rays_does_not_matter_and_a_ray_without_azimuth_is_left_out():
    rng = np.random.default_rng(6)
    sweep = doppler(lambda a, r: rng.normal(0, 10, (360, 90)), gates=90)
    found = derivatives(sweep, None)
    shuffle = rng.permutation(360)
    azimuth = sweep.azimuth[shuffle]
    velocity = replace(sweep.velocity, values=sweep.velocity.values[shuffle], quality=sweep.velocity.quality[shuffle])
    moments = {"VRADH": replace(sweep.moments["VRADH"], codes=sweep.moments["VRADH"].codes[shuffle])}
    mixed = replace(sweep, azimuth=azimuth, moments=moments, velocity=velocity)
    np.testing.assert_array_equal(derivatives(mixed, None).azimuthal_shear, found.azimuthal_shear[shuffle])
    lost = azimuth.copy()
    lost[7] = np.nan
    got = derivatives(replace(mixed, azimuth=lost), None).azimuthal_shear
    assert np.isnan(got[7]).all()
    far = np.abs((azimuth - azimuth[7] + 180) % 360 - 180) > 60
    np.testing.assert_allclose(got[far], found.azimuthal_shear[shuffle][far], atol=1e-6)


def test_where_a_ray_begins_moves_no_derivative():
    """Gates are fitted in blocks: other blocks over the same gates give the same."""
    rng = np.random.default_rng(8)
    field = np.where(rng.random((360, 400)) < 0.8, rng.normal(0, 10, (360, 400)), np.nan)
    whole = derivatives(doppler(lambda a, r: field, gates=400), None)
    later = doppler(lambda a, r: field[:, 37:], gates=363)
    moment = replace(later.moments["VRADH"], first_gate_m=later.moments["VRADH"].first_gate_m + 37 * 250.0)
    part = derivatives(replace(later, moments={"VRADH": moment}), None)
    for name in ("azimuthal_shear", "radial_divergence"):
        expected, found = getattr(whole, name)[:, 42:], getattr(part, name)[:, 5:]
        assert np.isfinite(expected).any(axis=0).all()
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-6)


def test_a_second_pass_over_the_same_azimuths_changes_nothing_of_a_smooth_field():
    azimuth = (np.arange(380) * 0.98) % 360  # 372 deg: the first 12 deg twice
    truth = seen_from_the_side(rankine(8000.0, 30_000.0, 4000.0, 25.0))
    found = derivatives(doppler(truth, azimuth=azimuth, gates=200), None).azimuthal_shear
    ray = int(np.argmin(np.abs(azimuth[:360] - 14.93)))
    assert found[ray, 124] == pytest.approx(25 / 4000, rel=0.1)
    assert np.isfinite(found[:, 20:180]).all()


def test_a_sector_does_not_reach_across_its_open_side():
    azimuth = np.arange(10.0, 100.0)
    found = derivatives(doppler(lambda a, r: a + 0 * r, azimuth=azimuth, gates=400), None).azimuthal_shear
    slant = 125 + 250 * np.arange(400)
    expected = np.rad2deg(1.0) / slant
    inner = found[8:-8, 40:]
    np.testing.assert_allclose(inner, np.broadcast_to(expected[40:], inner.shape), rtol=0.02)
    edges = found[[0, -1], 40:-1] / expected[40:-1]  # one-sided fits; across the open side the field would jump by 90
    assert ((edges > 0.4) & (edges < 1.02)).all()


def test_shear_needs_reflectivity_where_it_is_known_and_divergence_does_not():
    sweep = doppler(lambda a, r: 0.002 * r + 0 * a, gates=40)
    dbz = np.full((360, 40), 30.0, dtype="f4")
    dbz[:, 10], dbz[:, 11], dbz[:, 12] = 19.5, np.nan, 20.0
    found = derivatives(sweep, dbz)
    assert np.isnan(found.azimuthal_shear[:, 10:12]).all()
    assert np.isfinite(found.azimuthal_shear[:, 12]).all()
    assert np.isfinite(found.radial_divergence[:, 10:12]).all()
    assert np.isfinite(derivatives(sweep, None).azimuthal_shear[:, 10:12]).all()


def test_a_wild_gate_is_taken_out_by_the_median_and_a_doubtful_one_by_its_quality():
    sweep = doppler(lambda a, r: 0 * a + 0 * r, gates=100)
    values, quality = sweep.velocity.values.copy(), sweep.velocity.quality.copy()
    values[50, 50] = 54.0
    values[100:110, 60:70], quality[100:110, 60:70] = 54.0, 49
    found = derivatives(replace(sweep, velocity=replace(sweep.velocity, values=values, quality=quality)), None)
    assert np.nanmax(np.abs(found.azimuthal_shear)) == 0
    assert np.nanmax(np.abs(found.radial_divergence)) == 0
    assert np.isnan(found.azimuthal_shear[100:110, 60:70]).all()
    assert np.isfinite(found.azimuthal_shear[50, 50])


def test_lone_gates_have_no_derivative():
    lone = np.zeros((360, 100), dtype=bool)
    lone[::4, ::6] = True
    found = derivatives(doppler(lambda a, r: np.where(lone, 5.0, np.nan), gates=100), None)
    assert np.isnan(found.azimuthal_shear).all()
    assert np.isnan(found.radial_divergence).all()


def test_without_unfolded_velocity_it_refuses():
    sweep = replace(doppler(lambda a, r: 0 * a * r, gates=5), velocity=None)
    with pytest.raises(ValueError, match="dealias"):
        derivatives(sweep, None)


@settings(max_examples=60, deadline=None)
@given(
    rays=st.integers(0, 60), gates=st.integers(0, 12), seed=st.integers(0, 2**16),
    gate_m=st.sampled_from([30.0, 250.0, 3000.0]), first=st.sampled_from([-500.0, 0.0, 125.0]),
)  # fmt: skip
def test_any_shape_gives_bounded_values_or_nan(rays, gates, seed, gate_m, first):
    rng = np.random.default_rng(seed)
    azimuth = rng.choice([0.0, 0.5, 1.0, 7.0, 180.0, 359.5, 360.0, -3.0, np.nan, np.inf], rays) + rng.choice([0, 0.3])
    sweep = doppler(lambda a, r: rng.choice([-60.0, 0.0, 60.0, np.nan], (rays, gates)), azimuth=azimuth, gates=gates,
                    gate_m=gate_m)  # fmt: skip
    moment = replace(sweep.moments["VRADH"], first_gate_m=first)
    found = derivatives(replace(sweep, moments={"VRADH": moment}), None)
    for values in (found.azimuthal_shear, found.radial_divergence):
        assert values.shape == (rays, gates)
        assert values.dtype == np.float32
        assert not np.isinf(values).any()
    known = found.radial_divergence[np.isfinite(found.radial_divergence)]
    assert (np.abs(known) <= 20 * 120 / gate_m).all()
