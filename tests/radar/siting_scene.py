"""Synthetic radars that look at one field of storms, for the tests of siting; and the real pair, quality controlled."""

import bz2
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from pyproj import Geod

from tests.radar.synthetic_volumes import WHEN, sweep, volume
from wxcore.radar.cinrad import read_standard
from wxcore.radar.geometry import beam_height, ground_arc
from wxcore.radar.qc import quality_control
from wxcore.radar.siting.overlap import View, view_of
from wxcore.radar.tilts import AZIMUTH_STEPS, NO_ECHO_HUNDREDTHS, UNOBSERVED
from wxcore.radar.volume import Site, Volume

ANGLES = (0.5, 1.45, 2.4, 3.35, 4.3)
GEOD = Geod(ellps="WGS84")
HUAIAN = "Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP_FMT.bin.bz2"
TAIZHOU = "Z_RADR_I_Z9523_20200612054032_O_DOR_SA_CAP_FMT.bin.bz2"


def storm_field(seed: int = 3, count: int = 60) -> tuple[np.ndarray, ...]:
    """Latitude, longitude, peak dBZ and radius [deg] of storms about 30 N 106 E."""
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(28.8, 31.6, count), rng.uniform(104.4, 107.6, count), rng.uniform(35, 52, count),
        rng.uniform(0.06, 0.16, count),
    )  # fmt: skip


def dbz_of(lat: np.ndarray, lon: np.ndarray, height: np.ndarray, storms: tuple[np.ndarray, ...]) -> np.ndarray:
    """The strongest storm at each place, weaker by 3 dB a km above 3 km; NaN (no echo) below 5 dBZ."""
    best = np.full(lat.shape, -np.inf)
    for at, beside, peak, radius in zip(*storms, strict=True):
        away = ((lat - at) ** 2 + ((lon - beside) * 0.866) ** 2) / radius**2
        best = np.maximum(best, peak - 25 * away)
    best -= 3 * np.maximum(height / 1000 - 3, 0)
    return np.where(best < 5, np.nan, best)


def synthetic_view(
    radar: str, lat: float, lon: float, *, north: float = 0.0, east: float = 0.0, turned: float = 0.0,
    altitude_m: float = 500.0, bias_db: float = 0.0, start: datetime = WHEN, seed: int = 3, count: int = 60,
) -> View:  # fmt: skip
    """A radar registered at lat, lon that stands `north`, `east` [deg] of it and whose azimuths are too large."""
    true_lat, true_lon = lat + north, lon + east
    storms = storm_field(seed, count)

    def field(elevation: float):
        def look(azimuth: np.ndarray, slant: np.ndarray) -> np.ndarray:
            turn, r = np.broadcast_arrays(azimuth - turned, slant)
            arc = ground_arc(r, elevation)
            flat = turn.size
            there_lon, there_lat, _ = GEOD.fwd(
                np.full(flat, true_lon), np.full(flat, true_lat), turn.ravel(), arc.ravel()
            )  # fmt: skip
            height = beam_height(r, elevation) + altitude_m
            return dbz_of(there_lat.reshape(r.shape), there_lon.reshape(r.shape), height, storms) + bias_db

        return look

    site = Site(radar, radar, lat, lon, altitude_m, beam_width_deg=1.0)
    cuts = [sweep(angle, field(angle), gates=180) for angle in ANGLES]
    return view_of(volume(cuts, site=site, start=start))


@lru_cache(maxsize=1)
def real_pair(radar_data: Path) -> tuple[Volume, Volume]:
    """Huai'an and Taizhou, 2020-06-12, 133 km apart, after quality control."""
    one, two = (
        quality_control(read_standard(bz2.decompress((radar_data / "cinrad_base" / name).read_bytes()), name))
        for name in (HUAIAN, TAIZHOU)
    )
    return one, two


def moved(view: View, north: float = 0.0, east: float = 0.0) -> View:
    """The same data under a site that is registered elsewhere [deg]."""
    site = replace(view.site, latitude=view.site.latitude + north, longitude=view.site.longitude + east)
    return replace(view, site=site)


def turned(view: View, degrees: float) -> View:
    """The same data with azimuths that are larger by `degrees`, to the step of the azimuth tables."""
    steps = round(degrees * AZIMUTH_STEPS / 360)
    return replace(view, tilts=tuple(replace(tilt, ray_of=np.roll(tilt.ray_of, steps)) for tilt in view.tilts))


def offset(view: View, db: float) -> View:
    """The same data with all echoes stronger by `db`."""
    tilts = []
    for tilt in view.tilts:
        echo = (tilt.dbz != UNOBSERVED) & (tilt.dbz > NO_ECHO_HUNDREDTHS)
        tilts.append(replace(tilt, dbz=np.where(echo, tilt.dbz + round(100 * db), tilt.dbz).astype(np.int16)))
    return replace(view, tilts=tuple(tilts))
