"""Where pixels lie: geostationary disks, swaths, and images on a map projection.

Lines count downwards (north to south in FengYun files), columns eastwards, both from 0; pixel centres are whole.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Transformer

Doubles = npt.NDArray[np.float64]

WGS84_A_M, WGS84_B_M = 6_378_137.0, 6_356_752.3
"""Semi-axes [m] of the FY-4 grid (DOMAIN.md section 10)."""
DISTANCE_M = 42_164_000.0
"""Nominal distance of a geostationary satellite from the Earth's centre [m] (CGMS 03)."""


@dataclass(frozen=True)
class Viewpoint:
    """Where a geostationary satellite stands: longitude [deg east], distance from the Earth's centre [m]; ellipsoid."""

    sub_longitude: float
    distance_m: float = DISTANCE_M
    semi_major_m: float = WGS84_A_M
    semi_minor_m: float = WGS84_B_M


@dataclass(frozen=True)
class Disk:
    """A geostationary image: pixels at equal steps of the scan angle (CGMS 03, LRIT/HRIT Global Specification 4.4.3).

    Attributes:
        sub_longitude: of the satellite [deg east].
        distance_m: satellite to the Earth's centre [m]; semi_major_m, semi_minor_m: the ellipsoid.
        first_x, first_y: scan angles [rad] of column 0 and line 0; x grows eastwards, y grows southwards.
        step_x, step_y: angle from pixel to pixel [rad]; lines, columns: size of the window.
    """

    sub_longitude: float
    first_x: float
    first_y: float
    step_x: float
    step_y: float
    lines: int
    columns: int
    distance_m: float = DISTANCE_M
    semi_major_m: float = WGS84_A_M
    semi_minor_m: float = WGS84_B_M

    def pixels(self, lon: Doubles, lat: Doubles) -> tuple[Doubles, Doubles]:
        """Fractional (line, column) of places [deg] of any common shape; NaN where the satellite does not see them."""
        x, y = self._angles(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
        return (y - self.first_y) / self.step_y, (x - self.first_x) / self.step_x

    def _angles(self, lon: Doubles, lat: Doubles) -> tuple[Doubles, Doubles]:
        flat = (self.semi_minor_m / self.semi_major_m) ** 2
        centric = np.arctan(flat * np.tan(np.deg2rad(lat)))
        radius = self.semi_minor_m / np.sqrt(1 - (1 - flat) * np.cos(centric) ** 2)
        delta = np.deg2rad(lon - self.sub_longitude)
        r1 = self.distance_m - radius * np.cos(centric) * np.cos(delta)
        r2 = -radius * np.cos(centric) * np.sin(delta)
        r3 = radius * np.sin(centric)
        hidden = self.distance_m * (self.distance_m - r1) < r2**2 + r3**2 / flat + (self.distance_m - r1) ** 2
        x = np.arctan2(-r2, r1)
        y = -np.arcsin(r3 / np.sqrt(r1**2 + r2**2 + r3**2))
        return np.where(hidden, np.nan, x), np.where(hidden, np.nan, y)

    def places(self, line: Doubles, column: Doubles) -> tuple[Doubles, Doubles]:
        """(lon, lat) [deg] of pixels (fractions allowed); NaN beside the Earth."""
        x = self.first_x + np.asarray(column, dtype=np.float64) * self.step_x
        y = self.first_y + np.asarray(line, dtype=np.float64) * self.step_y
        flat = (self.semi_major_m / self.semi_minor_m) ** 2
        cos_x, cos_y, sin_y = np.cos(x), np.cos(y), np.sin(y)
        share = cos_y**2 + flat * sin_y**2
        under = (self.distance_m * cos_x * cos_y) ** 2 - share * (self.distance_m**2 - self.semi_major_m**2)
        with np.errstate(invalid="ignore"):
            reach = (self.distance_m * cos_x * cos_y - np.sqrt(under)) / share
        s1 = self.distance_m - reach * cos_x * cos_y
        s2 = reach * np.sin(x) * cos_y
        s3 = -reach * sin_y
        lon = np.rad2deg(np.arctan2(s2, s1)) + self.sub_longitude
        lat = np.rad2deg(np.arctan(flat * s3 / np.hypot(s1, s2)))
        return (lon + 180) % 360 - 180, lat

    def window(self, first_line: int, first_column: int, lines: int, columns: int) -> "Disk":
        """The same image, of which only a window is kept."""
        return replace(
            self, first_x=self.first_x + first_column * self.step_x, first_y=self.first_y + first_line * self.step_y,
            lines=lines, columns=columns,
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int]:
        """(lines, columns)."""
        return (self.lines, self.columns)

    @property
    def viewpoint(self) -> Viewpoint:
        """Where the satellite stands."""
        return Viewpoint(self.sub_longitude, self.distance_m, self.semi_major_m, self.semi_minor_m)


@dataclass(frozen=True)
class Plate:
    """An image on a map projection with equal steps.

    Attributes:
        projection: PROJ text of the coordinates x and y, such as "+proj=merc +lat_ts=30 +lon_0=105" or
            "+proj=longlat" (then x, y are degrees).
        first_x, first_y: of column 0 and line 0; step_x > 0, step_y < 0 where line 0 is the north.
    """

    projection: str
    first_x: float
    first_y: float
    step_x: float
    step_y: float
    lines: int
    columns: int

    @cached_property
    def _to_plane(self) -> Transformer | None:
        if "+proj=longlat" in self.projection:
            return None
        crs: Any = CRS.from_proj4(self.projection)
        return Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)

    def pixels(self, lon: Doubles, lat: Doubles) -> tuple[Doubles, Doubles]:
        """Fractional (line, column) of places [deg] of any common shape; NaN where the projection has no such place."""
        lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        if self._to_plane is None:
            middle = self.first_x + self.step_x * (self.columns - 1) / 2
            x, y = middle + (lon - middle + 180) % 360 - 180, lat
        else:
            wide_lon, wide_lat = np.broadcast_arrays(lon, lat)
            x, y = self._to_plane.transform(wide_lon, wide_lat)
        line, column = (np.asarray(y) - self.first_y) / self.step_y, (np.asarray(x) - self.first_x) / self.step_x
        known = np.isfinite(line) & np.isfinite(column)
        return np.where(known, line, np.nan), np.where(known, column, np.nan)

    def places(self, line: Doubles, column: Doubles) -> tuple[Doubles, Doubles]:
        """(lon, lat) [deg] of pixels (fractions allowed)."""
        x = self.first_x + np.asarray(column, dtype=np.float64) * self.step_x
        y = self.first_y + np.asarray(line, dtype=np.float64) * self.step_y
        if self._to_plane is None:
            return (x + 180) % 360 - 180, y
        wide_x, wide_y = np.broadcast_arrays(x, y)
        lon, lat = self._to_plane.transform(wide_x, wide_y, direction="INVERSE")
        known = np.isfinite(lon) & np.isfinite(lat)
        return np.where(known, lon, np.nan), np.where(known, lat, np.nan)

    @property
    def shape(self) -> tuple[int, int]:
        """(lines, columns)."""
        return (self.lines, self.columns)


@dataclass(frozen=True, eq=False)
class Swath:
    """Pixels of a polar-orbiting scanner: lon, lat (line, column) [deg] float32, NaN where unknown."""

    lon: npt.NDArray[np.float32]
    lat: npt.NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """(lines, columns)."""
        return (int(self.lon.shape[0]), int(self.lon.shape[1]))


Geometry = Disk | Plate | Swath


def viewpoint(geometry: Geometry | None, sub_longitude: float | None = None) -> Viewpoint | None:
    """From where an image was seen: a disk says so itself; an image on a map is told (`sub_longitude` [deg east]).

    None where it is unknown, and for a swath: a polar orbiter has no single place.
    """
    if isinstance(geometry, Disk):
        return geometry.viewpoint
    return Viewpoint(sub_longitude) if isinstance(geometry, Plate) and sub_longitude is not None else None


def _upright(lon: Doubles, lat: Doubles, height_m: float, seen_from: Viewpoint) -> tuple[Doubles, Doubles]:
    """Places above the ellipsoid and the direction of their zenith: two (3, ...), x towards the satellite [m, 1]."""
    delta = np.deg2rad(np.asarray(lon, dtype=np.float64) - seen_from.sub_longitude)
    phi = np.deg2rad(np.asarray(lat, dtype=np.float64))
    up = np.stack(np.broadcast_arrays(np.cos(phi) * np.cos(delta), np.cos(phi) * np.sin(delta), np.sin(phi)))
    flat = (seen_from.semi_minor_m / seen_from.semi_major_m) ** 2
    normal = seen_from.semi_major_m / np.sqrt(1 - (1 - flat) * np.sin(phi) ** 2)
    return np.stack([(normal + height_m) * up[0], (normal + height_m) * up[1], (flat * normal + height_m) * up[2]]), up


def zenith_deg(disk: Disk | Viewpoint, lon: Doubles, lat: Doubles) -> Doubles:
    """Angle between the zenith and the satellite [deg] at places [deg] of any common shape; above 90: not seen."""
    seen_from = disk.viewpoint if isinstance(disk, Disk) else disk
    place, up = _upright(lon, lat, 0.0, seen_from)
    sight = -place
    sight[0] += seen_from.distance_m
    cosine = (sight * up).sum(axis=0) / np.sqrt((sight**2).sum(axis=0))
    return np.asarray(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


def apparent(disk: Disk | Viewpoint, lon: Doubles, lat: Doubles, height_m: float) -> tuple[Doubles, Doubles]:
    """(lon, lat) [deg] where the line of sight through a cloud top meets the ellipsoid; NaN where it does not.

    Exact: the line from the satellite through the place at `height_m` [m] above the ellipsoid is cut with the ellipsoid
    (DOMAIN.md 2.5: at 107.8E 30N a top of 12 km seen from 105E appears 8.5 km away from the sub-satellite point).
    """
    seen_from = disk.viewpoint if isinstance(disk, Disk) else disk
    (x, y, z), _ = _upright(lon, lat, height_m, seen_from)
    stretch = seen_from.semi_major_m / seen_from.semi_minor_m
    dx, dy, dz = x - seen_from.distance_m, y, z * stretch
    square = dx**2 + dy**2 + dz**2
    half = seen_from.distance_m * dx
    under = half**2 - square * (seen_from.distance_m**2 - seen_from.semi_major_m**2)
    with np.errstate(invalid="ignore"):
        reach = (-half - np.sqrt(under)) / square
    reach = np.where(reach < 1 - 1e-9, np.nan, reach)  # the Earth stands before the place
    x, y, z = seen_from.distance_m + reach * dx, reach * dy, reach * dz
    lon = np.rad2deg(np.arctan2(y, x)) + seen_from.sub_longitude
    lat = np.rad2deg(np.arctan(stretch * z / np.hypot(x, y)))
    return (lon + 180) % 360 - 180, lat


GEOS_CFAC = {250: 163_730_199, 500: 81_865_099, 1000: 40_932_549, 2000: 20_466_274, 4000: 10_233_137}
"""CFAC = LFAC of the FY-4 full-disk grids by resolution [m] (FORMATS.md B)."""
GEOS_COFF = {250: 21983.5, 500: 10991.5, 1000: 5495.5, 2000: 2747.5, 4000: 1373.5}
"""COFF = LOFF of the same."""


def fy4_disk(resolution_m: int, sub_longitude: float, distance_m: float = DISTANCE_M) -> Disk:
    """The full disk of FY-4 at a resolution of 250 to 4000 m (FORMATS.md B): 2748 x 2748 pixels at 4 km.

    Raises:
        KeyError: no such resolution.
    """
    offset, step = GEOS_COFF[resolution_m], np.deg2rad(2**16 / GEOS_CFAC[resolution_m])
    size = round(2 * offset + 1)
    return Disk(sub_longitude, -offset * step, -offset * step, step, step, size, size, distance_m)
