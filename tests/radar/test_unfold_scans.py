"""Headers that state a wrong Nyquist velocity, scans that are no tilt, backgrounds that are no wind."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.radar.velocity_fields import fold, sheared_wind, sweep, truth, vertical_scan, volume
from wxcore.radar.velocity.nyquist import nyquist_of
from wxcore.radar.velocity.unfold import unfold
from wxcore.radar.velocity.wind import WindProfile, wind_profile

TILTS = (0.5, 1.5, 4.3)


def right(found, true):
    known = np.isfinite(true)
    return (np.abs(found.values - true)[known] < found.nyquist / 2).mean()


def tilts(nyquist, speed=40.0, rays=slice(None)):
    trues = [truth(partial(sheared_wind, speed), e, seed=k) for k, e in enumerate(TILTS)]
    for true in trues:
        true[~np.isin(np.arange(360), np.arange(360)[rays])] = np.nan
    return trues, [sweep(fold(t, nyquist), nyquist=nyquist, elevation=e) for t, e in zip(trues, TILTS, strict=True)]


@pytest.mark.parametrize("nyquist", [8.6, 13.0, 27.0])
@pytest.mark.parametrize("part", [0.5, 0.8, 0.92, 1.05, 1.1, 1.2, 1.33, 1.5, 2.0])
@pytest.mark.parametrize("stray", [0, 1, 60])
def test_a_wrong_header_is_seen(nyquist, part, stray):
    rng = np.random.default_rng(int(100 * part) + stray)
    measured = fold(truth(partial(sheared_wind, 40.0), 1.5), nyquist)
    measured.flat[rng.choice(measured.size, stray, replace=False)] = rng.uniform(-1.9, 1.9, stray) * nyquist
    found = nyquist_of(sweep(measured, nyquist=part * nyquist))
    assert found.used == pytest.approx(nyquist, rel=0.01)
    assert found.folded
    assert found.sure
    assert f"{part * nyquist:.2f}" in found.remark


@pytest.mark.parametrize("nyquist", [8.6, 13.0, 27.0])
@pytest.mark.parametrize("speed", [8.0, 20.0, 40.0])
@pytest.mark.parametrize("step", [0.01, 0.5, 1.0])
def test_a_right_header_is_believed(nyquist, speed, step):
    """Whatever the air does, and however coarse the codes."""
    measured = np.rint(fold(truth(partial(sheared_wind, speed), 1.5), nyquist) / step) * step
    one = sweep(measured, nyquist=nyquist)
    moment = one.moments["VRADH"]
    codes = np.where(moment.codes > 1, np.rint((moment.codes - 32_768.0) * 0.01 / step) + 32_768, moment.codes)
    coarse = replace(one, moments={"VRADH": replace(moment, codes=codes.astype("u2"), scale=1 / step)})
    assert nyquist_of(coarse).remark == ""
    assert nyquist_of(coarse).used == nyquist


def test_a_header_too_high_is_said_and_the_velocities_are_right():
    trues, measured = tilts(13.0)
    found = unfold(volume([replace(s, nyquist=14.0) for s in measured]))
    assert len(found.remarks) == 3
    assert all(right(s.velocity, t) >= 0.99 for s, t in zip(found.sweeps, trues, strict=True))


@pytest.mark.parametrize("nyquist", [8.6, 13.0])
def test_a_beam_straight_up_does_not_lead(nyquist):
    """It has the largest echo all around, and knows nothing of the wind."""
    trues, measured = tilts(nyquist, rays=slice(0, 230))
    up = sweep(np.full((360, 460), -1.0), nyquist=nyquist, elevation=90.0)
    for sweeps in ([up, *measured], [*measured, up]):
        found = unfold(volume(sweeps))
        by_angle = [s for s in found.sweeps if s.fixed_angle < 45]
        assert all(right(s.velocity, t) >= 0.995 for s, t in zip(by_angle, trues, strict=True))
        steep = next(s for s in found.sweeps if s.fixed_angle == 90)
        np.testing.assert_allclose(steep.velocity.values, -1.0, atol=0.01)
        assert steep.velocity.quality.min() >= 90


def test_a_sector_follows_the_sweep_that_sees_a_circle():
    """The sector is the surer sweep, with one large region; only the other tells how often it is folded."""
    whole = truth(partial(sheared_wind, 40.0), 1.5)
    part = np.where((np.arange(360) < 60)[:, None], truth(partial(sheared_wind, 40.0), 2.4, holes=False), np.nan)
    found = unfold(volume([
        sweep(fold(whole, 8.6), nyquist=8.6, elevation=1.5), sweep(fold(part, 13.0), nyquist=13.0, elevation=2.4)
    ]))  # fmt: skip
    assert right(found.sweeps[0].velocity, whole) >= 0.995
    assert right(found.sweeps[1].velocity, part) >= 0.995


@pytest.mark.parametrize("towards", [70.0, 0.0, 250.0])
def test_a_vertical_scan_is_unfolded_by_elevation(towards):
    """Its azimuth trembles about one direction, across north too: no order of rays."""
    true, scan = vertical_scan(40.0, towards, 13.0)
    trues, measured = tilts(13.0)
    alone = unfold(volume([scan])).sweeps[0].velocity
    assert right(alone, true) >= 0.995
    found = unfold(volume([scan, *measured]))
    assert right(found.sweeps[0].velocity, true) >= 0.995
    assert all(right(s.velocity, t) >= 0.995 for s, t in zip(found.sweeps[1:], trues, strict=True))
    without = wind_profile(unfold(volume(measured)))
    np.testing.assert_array_equal(wind_profile(found).u, without.u)


def test_vertical_scans_all_around_are_no_wind():
    scans = [vertical_scan(40.0, a, 13.0, seed=int(a))[1] for a in np.arange(8) * 45.0]
    assert wind_profile(unfold(volume(scans))).height_m.size == 0


@pytest.mark.parametrize(("nyquist", "off"), [(8.6, 20.0), (13.0, 30.0), (27.0, 30.0), (13.0, 8.0)])
def test_a_wrong_background_does_not_override_the_circle(nyquist, off):
    trues, measured = tilts(nyquist)
    levels = np.arange(0.0, 20_000.0, 500.0)
    towards, strength = np.deg2rad(70 + levels / 1000 * 6), 40 * np.clip(levels / 5000, 0.25, 1)
    wind = WindProfile(levels, strength * np.sin(towards) + off, strength * np.cos(towards))
    found = unfold(volume(measured), background=wind)
    assert all(right(s.velocity, t) >= 0.995 for s, t in zip(found.sweeps, trues, strict=True))
    assert bool(found.remarks) == (off > nyquist)


def test_rays_without_azimuth_are_not_trusted_and_open_no_circle():
    trues, measured = tilts(8.6)
    lost = [10, 100, 200]
    azimuth = measured[0].azimuth.copy()
    azimuth[lost] = np.nan
    found = unfold(volume([replace(s, azimuth=azimuth) for s in measured]))
    for one, true in zip(found.sweeps, trues, strict=True):
        assert (one.velocity.quality[lost] == 0).all()
        np.testing.assert_array_equal(one.velocity.values[lost], one.moments["VRADH"].values()[lost])
        kept = np.where(np.isin(np.arange(360), lost)[:, None], np.nan, true)
        assert right(one.velocity, kept) >= 0.995
    assert wind_profile(found).height_m.size >= 5
