"""The wind profile of unfolded velocities: a known wind comes back, and what cannot be known stays unknown."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.velocity_fields import SITE, sheared_wind, sweep, truth, volume
from wxcore.radar.geometry import beam_height
from wxcore.radar.velocity.unfold import unfold
from wxcore.radar.velocity.wind import NO_WIND, Beam, WindProfile, fit_layers, join_fits, wind_profile

AZIMUTH = np.arange(360) + 0.5
RANGE = 1000.0 * (np.arange(90) + 1)


def beam(values, azimuth=AZIMUTH, elevation=4.0):
    return Beam(values.astype(np.float32), np.full(values.shape, 100, np.uint8), 50, azimuth, elevation, RANGE)


@settings(max_examples=30, deadline=None)
@given(u=st.floats(-50, 50), v=st.floats(-50, 50), c=st.floats(-5, 5))
def test_a_uniform_wind_comes_back(u, v, c):
    angle = np.deg2rad(AZIMUTH)[:, None]
    values = (c + u * np.sin(angle) + v * np.cos(angle)) * np.cos(np.deg2rad(4.0)) + np.zeros((360, 90))
    fit = fit_layers([beam(values)])
    known = np.isfinite(fit.u)
    assert known.any()
    np.testing.assert_allclose(fit.u[known], u, atol=0.01)
    np.testing.assert_allclose(fit.v[known], v, atol=0.01)
    np.testing.assert_allclose(fit.offset[known], c, atol=0.01)


def test_equals_an_ordinary_least_squares_fit_without_outliers():
    rng = np.random.default_rng(2)
    angle = np.deg2rad(AZIMUTH)[:, None] + np.zeros((360, 90))
    values = 7 * np.sin(angle) - 12 * np.cos(angle) + rng.normal(0, 1, angle.shape)
    bad = rng.random(angle.shape) < 0.1
    fit = fit_layers([beam(np.where(bad, 40.0, values), elevation=0.0)])
    layer = np.floor(beam_height(RANGE, 0.0) / 500)
    gates = (layer == 0) & (np.arange(90) % 2 == 0)  # one gate in 2 km, as the fit samples them
    design = np.stack([np.ones(angle.shape), np.sin(angle), np.cos(angle)], axis=-1)[:, gates]
    kept = ~bad[:, gates]
    expected = np.linalg.lstsq(design[kept], values[:, gates][kept], rcond=None)[0]
    np.testing.assert_allclose([fit.offset[0], fit.u[0], fit.v[0]], expected, atol=0.1)


@pytest.mark.parametrize("rays", [slice(0, 120), slice(0, 170)])
def test_a_sector_gives_no_wind(rays):
    """u and v are not apart where the radar looks in one direction only."""
    values = np.full((360, 90), np.nan)
    values[rays] = 10.0
    quality = np.where(np.isnan(values), 0, 100).astype(np.uint8)
    fit = fit_layers([Beam(values.astype(np.float32), quality, 50, AZIMUTH, 4.0, RANGE)])
    assert np.isnan(fit.u).all()
    assert (fit.gates == 0).all()


def test_gates_of_low_quality_say_nothing():
    values = np.full((360, 90), 10.0, dtype=np.float32)
    assert np.isnan(fit_layers([Beam(values, np.full((360, 90), 49, np.uint8), 50, AZIMUTH, 4.0, RANGE)]).u).all()


def test_noise_is_no_wind():
    assert np.isnan(fit_layers([beam(np.random.default_rng(1).uniform(-27, 27, (360, 90)))]).u).all()


def test_fits_join_by_their_gates():
    calm = fit_layers([beam(np.zeros((360, 90)))])
    east = fit_layers([beam(np.sin(np.deg2rad(AZIMUTH))[:, None] * 8 * np.ones(90), elevation=1.0)])
    joined = join_fits(calm, east)
    one, both = np.isfinite(calm.u) & ~np.isfinite(east.u), np.isfinite(calm.u) & np.isfinite(east.u)
    assert one.any()
    assert both.any()
    np.testing.assert_allclose(joined.u[one], 0, atol=1e-6)
    weight = east.gates[both] / (east.gates + calm.gates)[both]
    np.testing.assert_allclose(joined.u[both], 8 * weight, atol=0.01)


def test_profile_of_a_folded_volume():
    tilts = (0.5, 1.5, 4.3, 9.9)
    field = partial(sheared_wind, 30.0)
    measured = volume([
        sweep((truth(field, e, seed=k) + 13) % 26 - 13, nyquist=13.0, elevation=e) for k, e in enumerate(tilts)
    ])  # fmt: skip
    assert wind_profile(measured).height_m.size == 0  # nothing is unfolded yet
    profile = wind_profile(unfold(measured))
    assert profile.height_m.size >= 10
    assert (np.diff(profile.height_m) > 0).all()
    angle = np.deg2rad(70 + profile.height_m / 1000 * 6)
    speed = 30 * np.clip(profile.height_m / 5000, 0.25, 1)
    np.testing.assert_allclose(profile.u, speed * np.sin(angle), atol=1.5)
    np.testing.assert_allclose(profile.v, speed * np.cos(angle), atol=1.5)


def test_heights_are_above_sea_level():
    values = np.full((360, 90), 5.0) * np.sin(np.deg2rad(AZIMUTH))[:, None]
    low = volume([sweep(values, nyquist=27.0, elevation=2.0)])
    raised = low.at(type(SITE)("Z9718", "High", 30.0, 106.0, 1752.0))
    shift = wind_profile(unfold(raised)).height_m - wind_profile(unfold(low)).height_m
    np.testing.assert_allclose(shift, 1752.0)


def test_between_levels_and_beyond():
    profile = WindProfile(np.array([1000.0, 2000.0, 6000.0]), np.array([0.0, 10.0, np.nan]), np.array([5.0, 5.0, 0.0]))
    u, v = profile.at([500.0, 1500.0, 2500.0, 4000.0, -500.0])
    np.testing.assert_allclose(u, [0, 5, 10, np.nan, np.nan])
    np.testing.assert_allclose(v, [5, 5, 5, np.nan, np.nan])
    assert np.isnan(NO_WIND.at([100.0])).all()
