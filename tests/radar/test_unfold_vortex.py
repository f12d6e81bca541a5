"""Vortices through dealiasing and derivatives, and input without meaning: what to trust, and what not."""

from functools import partial

import numpy as np
import pytest

from tests.radar.velocity_fields import fold, sweep, truth, volume, vortex
from wxcore.radar.kinematics.llsd import derivatives
from wxcore.radar.velocity.nyquist import nyquist_of
from wxcore.radar.velocity.unfold import unfold
from wxcore.radar.velocity.work import MOST_REGIONS, borders, prepare

AZIMUTH_DEG = 60.5
GATE_M, GATES = 250.0, 520


def unfolded_vortex(nyquist, range_km, speed, core_m, seed=1):
    """Truth, the unfolded sweep, and each gate's distance from the middle of the vortex [m]."""
    angle = np.deg2rad(AZIMUTH_DEG)
    place = range_km * 1e3 * np.sin(angle), range_km * 1e3 * np.cos(angle)
    true = truth(partial(vortex, place, core_m, speed), 0.5, gates=GATES, gate_m=GATE_M, holes=False, seed=seed)
    found = unfold(volume([sweep(fold(true, nyquist), nyquist=nyquist, gate_m=GATE_M)])).sweeps[0]
    azimuth, slant = np.deg2rad(np.arange(360) + 0.5)[:, None], GATE_M * (np.arange(GATES) + 1)[None, :]
    return true, found, np.hypot(slant * np.sin(azimuth) - place[0], slant * np.cos(azimuth) - place[1])


@pytest.mark.parametrize(("range_km", "speed", "core_m"), [
    (30, 40.0, 2500.0), (30, 60.0, 2500.0), (60, 40.0, 2500.0), (60, 50.0, 2500.0), (60, 60.0, 2500.0),
    (60, 60.0, 4000.0), (100, 40.0, 4000.0), (100, 50.0, 4000.0), (100, 60.0, 4000.0),
])  # fmt: skip
def test_the_shear_of_a_vortex_survives(range_km, speed, core_m):
    """From folded codes to azimuthal shear: the fold is right, and quality does not hide it."""
    true, found, distance = unfolded_vortex(27.0, range_km, speed, core_m)
    near = distance < 1.5 * core_m
    right = np.abs(found.velocity.values - true) < 13.5
    assert right[near].mean() >= 0.995
    shear = derivatives(found, None).azimuthal_shear
    assert np.nanmax(shear[near]) == pytest.approx(2 * speed / (2 * core_m), rel=0.15)
    assert np.isfinite(shear[distance < core_m]).mean() >= 0.6


@pytest.mark.parametrize(("nyquist", "range_km", "speed", "core_m", "least"), [
    (27.0, 100, 50.0, 2500.0, 0.995),  # 35 m/s from ray to ray, 5 m/s from gate to gate
    (27.0, 100, 60.0, 2500.0, 0.9),  # 42 m/s from ray to ray
    (13.0, 30, 50.0, 4000.0, 0.995), (13.0, 60, 50.0, 2500.0, 0.97), (13.0, 60, 60.0, 4000.0, 0.97),
    (13.0, 60, 60.0, 2500.0, 0.97), (13.0, 100, 60.0, 2500.0, 0.97), (8.6, 30, 60.0, 4000.0, 0.97),
])  # fmt: skip
def test_along_the_ray_where_rays_are_a_fold_apart(nyquist, range_km, speed, core_m, least):
    """From ray to ray the wind changes by more than the Nyquist velocity; from gate to gate it does not."""
    true, found, distance = unfolded_vortex(nyquist, range_km, speed, core_m)
    right = np.abs(found.velocity.values - true) < nyquist / 2
    assert right[distance < 1.5 * core_m].mean() >= least


@pytest.mark.parametrize("nyquist", [8.6, 13.0, 27.0])
@pytest.mark.parametrize("seed", [6, 7])
def test_noise_is_not_trusted(nyquist, seed):
    noise = np.random.default_rng(seed).uniform(-nyquist, nyquist, (360, 400))
    found = unfold(volume([sweep(noise, nyquist=nyquist)])).sweeps[0].velocity
    assert found.quality.mean() < 40
    assert found.score < 0.15


@pytest.mark.parametrize("edge", [1, 2, 3])
def test_patterns_of_folds_are_taken_apart(edge):
    """Every patch a region of its own: votes are counted among a bounded number of regions, and nothing is trusted."""
    rays, gates = np.indices((360, 900))
    pattern = ((rays // edge + gates // edge) % 2 * 2 - 1) * (12.9 if edge == 1 else 6.4)
    measured = sweep(pattern, nyquist=13.0)
    work = prepare(0, measured, nyquist_of(measured))
    assert work.size.size <= MOST_REGIONS
    assert borders(work)[0].size <= 2 * work.x.size
    found = unfold(volume([measured])).sweeps[0].velocity
    assert found.quality.mean() < 40


def test_gates_that_nothing_places_are_judged():
    """Every gate alone: no quality, and a score of 0, not one without meaning."""
    alone = np.full((360, 400), np.nan)
    alone[::4, ::6] = 5.0
    found = unfold(volume([sweep(alone, nyquist=13.0)])).sweeps[0].velocity
    assert found.quality.max() == 0
    assert found.score == 0


def test_a_gate_far_along_the_ray_is_placed_but_hardly_trusted():
    air = np.full((360, 100), np.nan)
    air[:, :60] = 20.0 * np.sin(np.deg2rad(np.arange(360) + 0.5))[:, None]
    air[90, 70] = 20.0
    found = unfold(volume([sweep(fold(air, 13.0), nyquist=13.0)])).sweeps[0].velocity
    assert found.values[90, 70] == pytest.approx(20.0, abs=0.01)
    assert 0 < found.quality[90, 70] < 20
