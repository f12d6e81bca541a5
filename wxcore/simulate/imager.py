"""What the pixels of an imager see: brightness temperatures and reflectances of a simulated world.

Every sample of a pixel is followed from the satellite down to the first opaque cloud or to the ground, so clouds appear
where the satellite sees them, away from their place (parallax). A sheet of thin cloud on the way mixes in by its
emissivity, in radiance; so do the samples of a pixel. Channels whose air is not clear (water vapour, carbon dioxide)
see the ground as if from the air at a height of their own, and a cloud the more the higher it is.

Left out [our choice]: sunlight at 3.8 um, limb darkening, terrain, land and water, cold ground under storms, vapour
above the tropopause. Numbers in the tables are of the size of clear summer afternoons [M].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter

from wxcore.satellite import planck
from wxcore.satellite.scene import BANDS, REFLECTANCE, VALID, Floats
from wxcore.simulate.fields import clouds
from wxcore.simulate.imager_kernels import look_down
from wxcore.simulate.imager_rays import HIGH_M, Rays
from wxcore.simulate.scene import Air, Doubles, World
from wxcore.times import require_utc

CELL_DEG, STEP_M = 0.01, 250.0
"""Cells of the map of clouds under the rays [deg]; step of the way down [m]."""

STRIP_S = 60.0
"""Lines seen within this are seen at once [s]: a cloud moves 0.6 km either way at 20 m/s."""

ZERO_C_K, DAY_K = 273.15, 3.0
"""0 C [K]; how much warmer than the air the ground is with the sun overhead [K, our choice]."""

CLEAR = {
    "brightness_temperature_038": (1.0, 0.0), "brightness_temperature_062": (0.0, 10_300.0),
    "brightness_temperature_070": (0.0, 8600.0), "brightness_temperature_073": (0.0, 7000.0),
    "brightness_temperature_085": (5.0, 0.0), "brightness_temperature_108": (3.0, 0.0),
    "brightness_temperature_120": (5.0, 0.0), "brightness_temperature_133": (0.0, 5400.0),
}  # fmt: skip
"""Of each band: how much colder the clear ground looks [K]; height whose air it sees instead [m ASL], 0: the ground."""

DEPTH_M = 1500.0
"""How gently a band with air in its way ceases to see clouds below its height [m, our choice]."""

ALBEDO_UM, CLEAR_ALBEDO, CLOUD_PART = np.array([
    (0.47, 0.12, 1.0), (0.55, 0.11, 1.0), (0.65, 0.09, 1.0), (0.70, 0.12, 1.0), (0.83, 0.25, 1.0),
    (0.935, 0.12, 0.9), (1.03, 0.27, 0.9), (1.375, 0.005, 0.8), (1.62, 0.20, 0.55), (2.2, 0.10, 0.40),
]).T  # fmt: skip
"""By wavelength [um]: albedo of the clear ground with green plants; what part of their light ice clouds send back."""

CIRRUS_UM = (1.3, 1.45)
"""Vapour hides what is low from channels in between [um]."""

BASE_M, CIRRUS_BASE_M = 1000.0, 5000.0
"""Height above which cloud is seen by reflected light: everywhere, in cirrus channels [m ASL, our choice]."""

THICKNESS_PER_M, SHEET_THICKNESS = 0.005, 2.0
"""Optical thickness of a metre of opaque cloud [our choice]; of a sheet in sunlight over that in the infrared (2: light
that is only bent does not count there)."""

FORWARD = 0.15
"""1 - g of cloud particles: a layer reflects 0.15 t / (2 + 0.15 t) (two streams, no absorption; g of 0.85)."""

NOISE_K, NOISE_REFLECTANCE = 0.2, 0.002
"""Standard deviation of a pixel's noise [our choice]: AGRI's requirement is 0.2 K at 300 K [M]."""


@dataclass(frozen=True, eq=False)
class Look:
    """What the samples of pixels meet.

    Attributes:
        top_m: (line, column, sample) height at which an opaque cloud is met [m ASL], 0: the ground, NaN: no Earth.
        sheet_m, emissivity: of the thin cloud above it; 0 without.
        sun: (line, column) cosine of the sun's zenith angle at the pixel, 0 at night.
    """

    top_m: Doubles
    sheet_m: Doubles
    emissivity: Doubles
    sun: Doubles


def look(world: World, rays: Rays, when: datetime) -> Look:
    """What rays meet at one time.

    Raises:
        TimeError: `when` is naive.
    """
    when = require_utc(when)
    met = np.zeros((3, *rays.shape))
    lon, lat = ground = rays.over(0.0)
    high = rays.over(HIGH_M)
    met[0, ~np.isfinite(lon)] = np.nan
    if np.isfinite(high).any():
        edges = [(min(np.nanmin(low), np.nanmin(far)), max(np.nanmax(low), np.nanmax(far)))
                 for low, far in zip(ground, high, strict=True)]  # fmt: skip
        lons, lats = (np.arange(low, high + 2 * CELL_DEG, CELL_DEG) for low, high in edges)
        truth = np.stack(clouds(world, lons, lats[:, None], when))
        reach = [
            int(np.ceil(np.nanmax(np.abs(far - low)) / CELL_DEG)) + 1 for low, far in zip(ground, high, strict=True)
        ]
        most = np.minimum(np.maximum(truth[0], truth[1]), HIGH_M)
        ceiling = maximum_filter(most, (2 * reach[1] + 1, 2 * reach[0] + 1))
        flat = np.ascontiguousarray(rays.track).reshape(2, 3, -1)
        corner = float(edges[0][0]), float(edges[1][0])
        look_down(flat, np.stack([*truth, ceiling]), corner, CELL_DEG, STEP_M, met.reshape(3, -1))
    return Look(met[0], met[1], met[2], sun_cosine(lon.mean(axis=2), lat.mean(axis=2), when))


def sun_cosine(lon: Doubles, lat: Doubles, when: datetime) -> Doubles:
    """Cosine of the sun's zenith angle at places [deg]; 0 at night, NaN at NaN.

    Declination -23.44 deg cos(360 deg (day + 10) / 365), mean solar time (no equation of time): within 4 degrees [M].

    Raises:
        TimeError: `when` is naive.
    """
    when = require_utc(when)
    declination = np.deg2rad(-23.44 * np.cos(2 * np.pi * (when.timetuple().tm_yday + 10) / 365))
    hours = when.hour + when.minute / 60 + when.second / 3600
    angle, phi = np.deg2rad(15 * (hours - 12) + lon), np.deg2rad(lat)
    cosine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(angle)
    return np.asarray(np.maximum(cosine, 0.0))


def clear_k(air: Air, wavelength_um: float, sun: npt.ArrayLike) -> Doubles:
    """Brightness temperature [K] of the clear sky, of the shape of `sun` (cosine of its zenith angle).

    Raises:
        ValueError: a wavelength of no band (satellite.scene.BANDS).
    """
    colder, height_m = _band(wavelength_um)
    if height_m:
        return np.full(np.shape(sun), float(air.temperature_c(height_m)) + ZERO_C_K)
    return np.asarray(air.ground_c + ZERO_C_K - colder + DAY_K * np.asarray(sun, dtype=np.float64))


def _band(wavelength_um: float) -> tuple[float, float]:
    for band in BANDS:
        if band.name in CLEAR and band.low_um <= wavelength_um < band.high_um:
            return CLEAR[band.name]
    raise ValueError(f"no band at {wavelength_um} um")


def brightness_temperature(air: Air, seen: Look, wavelength_um: float) -> Doubles:
    """Brightness temperature [K] (line, column) of pixels; NaN where there is no Earth.

    Raises:
        ValueError: a wavelength of no band.
    """
    clear = planck.radiance(clear_k(air, wavelength_um, seen.sun), wavelength_um)
    sample = np.broadcast_to(clear[..., None], seen.top_m.shape).copy()
    for cloudy, height, emissivity in (
        (seen.top_m > 0, seen.top_m, np.ones(1)),
        (seen.emissivity > 0, seen.sheet_m, seen.emissivity),
    ):
        above = height[cloudy]
        behind = sample[cloudy]
        own = np.broadcast_to(emissivity, cloudy.shape)[cloudy] * _seen_part(wavelength_um, above)
        cold = planck.radiance(air.temperature_c(above) + ZERO_C_K, wavelength_um)
        if _band(wavelength_um)[1]:
            cold = np.minimum(cold, np.broadcast_to(clear[..., None], cloudy.shape)[cloudy])
        sample[cloudy] = own * cold + (1 - own) * behind
    sample[np.isnan(seen.top_m)] = np.nan
    return planck.brightness_temperature(sample.mean(axis=2), wavelength_um)


def _seen_part(wavelength_um: float, height_m: Doubles) -> Doubles:
    """Part of what a cloud sends upwards that gets through the air above it: all in windows."""
    level_m = _band(wavelength_um)[1]
    return 1 / (1 + np.exp((level_m - height_m) / DEPTH_M)) if level_m else np.ones_like(height_m)


def reflectance(seen: Look, wavelength_um: float) -> Doubles:
    """Reflectance [1, of all light that an overhead sun sends] (line, column); 0 at night, NaN without Earth."""
    base_m = CIRRUS_BASE_M if CIRRUS_UM[0] <= wavelength_um <= CIRRUS_UM[1] else BASE_M
    ground, part = (float(np.interp(wavelength_um, ALBEDO_UM, table)) for table in (CLEAR_ALBEDO, CLOUD_PART))
    thickness = THICKNESS_PER_M * np.maximum(seen.top_m - base_m, 0.0)
    thickness -= SHEET_THICKNESS * np.log1p(-np.minimum(seen.emissivity, 0.999))
    cloud = FORWARD * thickness / (2 + FORWARD * thickness)
    albedo: Doubles = (part * cloud + (1 - cloud) ** 2 * ground).mean(axis=2)
    return albedo * seen.sun


def see(
    world: World, rays: Callable[[slice], Rays], start: datetime, line_s: Doubles, channels: Sequence[tuple[float, str]]
) -> list[Floats]:
    """The channels of an image without noise, each (line, column) float32; NaN where there is no Earth.

    Args:
        rays: those of some lines; start: aware UTC; line_s: (line,) seconds after it at which each line is seen,
            ascending; channels: (wavelength [um], quantity as of satellite.scene.Channel).

    Raises:
        TimeError: `start` is naive. ValueError: a wavelength of no band.
    """
    start = require_utc(start)
    strip = ((line_s - line_s[:1]) // STRIP_S).astype(int)
    parts: list[list[Floats]] = [[] for _ in channels]
    for number in np.unique(strip):
        rows = slice(int(np.searchsorted(strip, number)), int(np.searchsorted(strip, number, side="right")))
        seen = look(world, rays(rows), start + timedelta(seconds=float(line_s[rows].mean())))
        for part, (wavelength_um, quantity) in zip(parts, channels, strict=True):
            if quantity == REFLECTANCE:
                values = reflectance(seen, wavelength_um)
            else:
                values = brightness_temperature(world.air, seen, wavelength_um)
            part.append(values.astype(np.float32))
    return [np.concatenate(part) for part in parts]


def noisy(values: Floats, quantity: str, random: np.random.Generator) -> Floats:
    """The same with a detector's noise, never out of the quantity's range."""
    noise = NOISE_REFLECTANCE if quantity == REFLECTANCE else NOISE_K
    return np.clip(values + np.float32(noise) * random.standard_normal(values.shape, np.float32), *VALID[quantity])
