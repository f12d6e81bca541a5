"""Lines of sight of satellite images: over which place each of them is at which height.

A ray starts at the satellite and is cut with the Earth's ellipsoid raised by a height (both semi-axes longer by it,
which is the surface of that geodetic height to better than a metre up to 20 km). Cuts at 0, 10 and 20 km are exact;
between them a parabola is used, which misses by less than a metre at zenith angles up to 60 degrees.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wxcore.satellite.geometry import WGS84_A_M, WGS84_B_M, Disk, Doubles

HIGH_M = 20_000.0
"""Rays are followed down from this height [m]: no cloud is higher."""


@dataclass(frozen=True, eq=False)
class Rays:
    """The rays of an image. `track`: (lon | lat, power of the height, line, column, sample) f8; degrees for heights in
    metres above the ellipsoid; NaN beside the Earth. Samples of a pixel are spread evenly over it."""

    track: Doubles

    @property
    def shape(self) -> tuple[int, int, int]:
        """(lines, columns, samples)."""
        lines, columns, samples = self.track.shape[2:]
        return lines, columns, samples

    def over(self, height_m: npt.ArrayLike) -> tuple[Doubles, Doubles]:
        """(lon, lat) [deg] of (line, column, sample) where the rays are at heights [m] that broadcast."""
        height = np.asarray(height_m, dtype=np.float64)
        lon, lat = self.track[:, 0] + height * (self.track[:, 1] + height * self.track[:, 2])
        return lon, lat

    def lines(self, rows: slice) -> "Rays":
        """Those of some lines."""
        return Rays(self.track[:, :, rows])


def earth_centred(lon: npt.ArrayLike, lat: npt.ArrayLike, height_m: npt.ArrayLike = 0.0,
                  axes_m: tuple[float, float] = (WGS84_A_M, WGS84_B_M)) -> Doubles:  # fmt: skip
    """(x, y, z) [m], stacked in front, of places [deg] at heights [m] above the ellipsoid, all of which broadcast.

    Source: the closed form of every textbook of geodesy (pyproj's geocent is the test's oracle).
    """
    x, y, height = np.broadcast_arrays(np.deg2rad(lon), np.deg2rad(lat), np.asarray(height_m, dtype=np.float64))
    flat = (axes_m[1] / axes_m[0]) ** 2
    sine, cosine = np.sin(y), np.cos(y)
    normal = axes_m[0] / np.sqrt(1 - (1 - flat) * sine**2)
    out = (normal + height) * cosine
    return np.stack([out * np.cos(x), out * np.sin(x), (flat * normal + height) * sine])


def meet(satellite: Doubles, direction: Doubles, height_m: float,
         axes_m: tuple[float, float] = (WGS84_A_M, WGS84_B_M)) -> tuple[Doubles, Doubles]:  # fmt: skip
    """(lon, lat) [deg] where rays first meet the ellipsoid raised by a height [m]; NaN where they miss it.

    Args:
        satellite: (x, y, z) [m] in front, earth-centred; direction: of any length; both broadcast.
    """
    major, minor = axes_m[0] + height_m, axes_m[1] + height_m
    stretch = major / minor
    (sx, sy, sz), (dx, dy, dz) = satellite, direction
    sz, dz = sz * stretch, dz * stretch
    square, half = dx**2 + dy**2 + dz**2, sx * dx + sy * dy + sz * dz
    under = half**2 - square * (sx**2 + sy**2 + sz**2 - major**2)
    with np.errstate(invalid="ignore"):
        reach = (-half - np.sqrt(under)) / square
    x, y, z = sx + reach * dx, sy + reach * dy, sz + reach * dz
    return np.rad2deg(np.arctan2(y, x)), np.rad2deg(np.arctan(stretch * z / np.hypot(x, y)))


def rays_from(satellite: Doubles, lon: Doubles, lat: Doubles,
              axes_m: tuple[float, float] = (WGS84_A_M, WGS84_B_M)) -> Rays:  # fmt: skip
    """Rays from satellites to the places where they meet the ground.

    Args:
        satellite: (x, y, z) [m] in front, earth-centred, then what broadcasts with the places.
        lon, lat: (line, column, sample) [deg].
    """
    direction = earth_centred(lon, lat, 0.0, axes_m) - satellite
    track = np.empty((2, 3, *lon.shape))
    track[0, 0], track[1, 0] = lon, lat
    cuts = [meet(satellite, direction, height, axes_m) for height in (HIGH_M / 2, HIGH_M)]
    for which, ground in enumerate((lon, lat)):
        near, far = (cut[which] - ground for cut in cuts)
        if which == 0:
            near, far = ((part + 180) % 360 - 180 for part in (near, far))
        track[which, 1], track[which, 2] = (4 * near - far) / HIGH_M, (2 * far - 4 * near) / HIGH_M**2
    return Rays(track)


@lru_cache(maxsize=4)
def disk_rays(disk: Disk, samples: int) -> Rays:
    """Rays of a geostationary image, `samples` x `samples` in every pixel; kept, since windows do not change."""
    inside = (np.arange(samples) + 0.5) / samples - 0.5
    down, right = (part.ravel() for part in np.meshgrid(inside, inside, indexing="ij"))
    lines, columns = np.arange(disk.lines)[:, None, None], np.arange(disk.columns)[None, :, None]
    lon, lat = disk.places(lines + down, columns + right)
    east = np.deg2rad(disk.sub_longitude)
    satellite = disk.distance_m * np.array([np.cos(east), np.sin(east), 0.0]).reshape(3, 1, 1, 1)
    return rays_from(satellite, lon, lat, (disk.semi_major_m, disk.semi_minor_m))
