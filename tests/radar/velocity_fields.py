"""Folded velocity sweeps of known truth for the tests of `velocity`.

u2 codes of 0.01 m/s; 0 missing, 1 range folded.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from wxcore.radar.geometry import beam_height
from wxcore.radar.volume import ECHO, FOLDED, MISSING, Moment, Site, Sweep, Volume

CLASSES = np.full(65_536, ECHO, dtype=np.uint8)
CLASSES[0], CLASSES[1] = MISSING, FOLDED
SITE = Site("Z9001", "Test", 30.0, 106.0, 0.0)
Field = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""Radial velocity of (azimuth [rad], slant range [m], elevation [deg])."""


def fold(values, nyquist):
    return (values + nyquist) % (2 * nyquist) - nyquist


def coded(values):
    """A VRADH moment; NaN is missing."""
    codes = np.where(np.isnan(values), 0, np.clip(np.rint(np.nan_to_num(values) * 100) + 32_768, 2, 65_535))
    return codes.astype(np.uint16)


def sweep(values, *, nyquist, elevation=0.5, gate_m=500.0, azimuth=None):
    """A sweep of measured velocities (ray, gate)."""
    rays = values.shape[0]
    if azimuth is None:
        azimuth = (np.arange(rays) + 0.5) * 360 / max(rays, 1)
    moment = Moment(coded(values), 100.0, 32_768.0, gate_m, gate_m, CLASSES)
    time = np.full(rays, np.datetime64("2020-06-12T05:40:00", "ns"))
    angles = np.full(rays, elevation, dtype="f4")
    return Sweep(elevation, np.asarray(azimuth, "f4"), angles, time, nyquist, {"VRADH": moment})


def volume(sweeps: Sequence[Sweep]) -> Volume:
    return Volume("test", SITE, datetime(2020, 6, 12, tzinfo=UTC), "VCP", tuple(sweeps))


def truth(field: Field, elevation, *, rays=360, gates=460, gate_m=500.0, noise=1.0, seed=1, holes=True):
    """What the radar would measure without folding; NaN in holes of some kilometres, and in 2 % of the gates."""
    rng = np.random.default_rng(seed)
    azimuth, slant = np.deg2rad((np.arange(rays) + 0.5) * 360 / rays), gate_m * (np.arange(gates) + 1)
    values = field(azimuth[:, None], slant[None, :], elevation) + np.zeros((rays, gates))
    values = values + noise * rng.normal(size=values.shape)
    if holes:
        coarse = rng.random((rays // 12 + 1, gates // 20 + 1)) < 0.2
        values[np.kron(coarse, np.ones((12, 20), bool))[:rays, :gates]] = np.nan
        values[rng.random(values.shape) < 0.02] = np.nan
    return values


def sheared_wind(speed, azimuth, slant, elevation):
    """A wind that strengthens to `speed` at 5 km and veers by 6 deg a kilometre."""
    height = beam_height(slant, elevation)
    towards = np.deg2rad(70 + height / 1000 * 6)
    strength = speed * np.clip(height / 5000, 0.25, 1)
    return strength * np.cos(azimuth - towards) * np.cos(np.deg2rad(elevation))


def outflow(width_m, azimuth, slant, elevation):
    """A disc of cold air, 35 km wide about (60, 10) km, that flows 35 m/s against the wind behind a front so wide."""
    x, y = slant * np.sin(azimuth), slant * np.cos(azimuth)
    inside = np.clip(0.5 - (np.hypot(x - 60e3, y - 10e3) - 35e3) / width_m, 0, 1)
    return (12 - 35 * inside) * np.sin(azimuth) + 3 * np.cos(azimuth)


def rankine(speed, azimuth, slant, elevation):
    """A vortex of 3 km radius at (45, 35) km in a wind of 10 m/s."""
    x, y = slant * np.sin(azimuth) - 45e3, slant * np.cos(azimuth) - 35e3
    r = np.hypot(x, y) + 1e-6
    turn = np.where(r < 3000, speed * r / 3000, speed * 3000 / r)
    return turn / r * (x * np.cos(azimuth) - y * np.sin(azimuth)) + 10 * np.cos(azimuth - np.deg2rad(70))


def vortex(place_m, core_m, speed, azimuth, slant, elevation):
    """A Rankine vortex at (x, y) in a wind of 10 m/s."""
    x, y = slant * np.sin(azimuth) - place_m[0], slant * np.cos(azimuth) - place_m[1]
    r = np.hypot(x, y) + 1e-6
    turn = np.where(r < core_m, speed * r / core_m, speed * core_m / r)
    return turn / r * (x * np.cos(azimuth) - y * np.sin(azimuth)) + 10 * np.cos(azimuth - np.deg2rad(70))


def vertical_scan(speed, towards_deg, nyquist, seed=1):
    """Truth and sweep of a vertical scan in `sheared_wind`, whose azimuth trembles."""
    rng = np.random.default_rng(seed)
    elevation = np.linspace(0, 30, 121)
    azimuth = towards_deg + rng.normal(0, 0.05, elevation.size)
    slant = 500.0 * (np.arange(300) + 1)
    true = np.stack([sheared_wind(speed, np.deg2rad(a), slant, e) for a, e in zip(azimuth, elevation, strict=True)])
    true = true + rng.normal(0, 0.5, true.shape)
    measured = sweep(fold(true, nyquist), nyquist=nyquist, azimuth=azimuth % 360)
    return true, replace(measured, fixed_angle=towards_deg, elevation=elevation.astype("f4"))
