"""Passes of polar orbiters over a region: where each pixel lies, and where the satellite was.

These are no orbits [our choice]: a satellite crosses a region once an hour, straight on along a geodesic, at a fixed
minute, heading and side. Real ones come twice a day. Lines and pixels are evenly spaced in time and angle (no bow-tie,
no turning Earth); of the swath only the columns over the region are made.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pyproj import Geod, Transformer

from wxcore.satellite.geometry import Doubles, Swath
from wxcore.satellite.mersi_tables import variant_of
from wxcore.schema import Box
from wxcore.simulate.imager_rays import Rays, earth_centred, meet, rays_from

GEOD = Geod(ellps="WGS84")
RADIUS_M = 6_371_000.0
"""Of the sphere on which the width of a pass is measured."""

PAD_M = 10_000.0
"""A pass covers so much around the region [m]: more than the bend of its lines on the map, and a pixel."""

GROUND_M_S = 6700.0
"""Speed of the point below the satellite [m s-1]: 2 pi 6371 km in 101 minutes, less the turning Earth."""


@dataclass(frozen=True)
class Orbiter:
    """A satellite and how it passes.

    Attributes:
        platform: "FY-3D"; resolution_m: of its file; minute: of every hour at which a pass begins.
        heading_deg: clockwise from north; aside_m: its track passes so far to the right of the region's middle.
        height_m: of the orbit; kind, version: of the file's name.
    """

    platform: str
    resolution_m: int
    minute: int
    heading_deg: float
    aside_m: float
    height_m: float
    kind: str
    version: str


ORBITERS: tuple[Orbiter, ...] = (
    Orbiter("FY-3D", 1000, 10, 348.0, 450_000.0, 836_000.0, "GBAL", "MS"),
    Orbiter("FY-3E", 1000, 25, 192.0, 350_000.0, 836_000.0, "GRAN", "V0"),
    Orbiter("FY-3F", 1000, 40, 192.0, -300_000.0, 836_000.0, "GRAN", "V0"),
    Orbiter("FY-3G", 500, 50, 48.0, 0.0, 407_000.0, "GRAN", "V1"),
)
"""3D climbs in the afternoon, 3E and 3F descend; 3G's 50 degrees of inclination cross 30 N at azimuth 48 [M]."""


@dataclass(frozen=True, eq=False)
class Pass:
    """One crossing. `lon`, `lat`: (line, column) f8 [deg]; `satellite`: (3, line) earth-centred [m]; `line_s`: seconds
    from line to line."""

    lon: Doubles
    lat: Doubles
    satellite: Doubles
    line_s: float

    @property
    def swath(self) -> Swath:
        """As files have it."""
        return Swath(self.lon.astype(np.float32), self.lat.astype(np.float32))

    @property
    def seconds(self) -> float:
        """From its begin to its end, in whole milliseconds as files have it."""
        return round(len(self.lon) * self.line_s, 3)

    def rays(self, rows: slice) -> Rays:
        """One for each pixel of some lines."""
        return rays_from(self.satellite[:, rows, None, None], self.lon[rows, :, None], self.lat[rows, :, None])


@lru_cache(maxsize=4)
def pass_over(orbiter: Orbiter, box: Box) -> Pass:
    """The pixels over a box (west, south, east, north) [deg] and PAD_M around it.

    Raises:
        ValueError: no MERSI has the satellite's resolution, or it cannot see so far to the side.
    """
    variant = variant_of(orbiter.platform, orbiter.resolution_m)
    if variant is None:
        raise ValueError(f"no MERSI of {orbiter.platform} at {orbiter.resolution_m} m")
    west, south, east, north = box
    side = orbiter.heading_deg + 90
    below = GEOD.fwd((west + east) / 2, (south + north) / 2, side, orbiter.aside_m)[:2]
    along, across = _extent(below, orbiter.heading_deg, box)
    turn = variant.rows_per_scan * orbiter.resolution_m
    lines = variant.rows_per_scan * int(np.ceil((along[1] - along[0]) / turn))
    at = along[0] + np.arange(lines) * orbiter.resolution_m
    lon, lat, _ = GEOD.fwd(np.full(lines, below[0]), np.full(lines, below[1]), np.full(lines, orbiter.heading_deg), at)
    satellite = earth_centred(lon, lat, orbiter.height_m)
    ahead = np.gradient(satellite, axis=1)
    ahead /= np.sqrt((ahead**2).sum(axis=0))
    up = earth_centred(lon, lat, 1.0) - earth_centred(lon, lat)
    right = np.cross(ahead, up, axis=0)
    nadir, rim = (_angle(edge, orbiter.height_m) for edge in across)
    angle = np.arange(nadir, rim, orbiter.resolution_m / orbiter.height_m)
    direction = np.sin(angle) * right[:, :, None] - np.cos(angle) * up[:, :, None]
    places = meet(satellite[:, :, None], direction, 0.0)
    if not np.isfinite(places[0]).all():
        raise ValueError(f"{orbiter.platform} does not see {across} m to its side from {orbiter.height_m} m")
    return Pass(*places, satellite, orbiter.resolution_m / GROUND_M_S)


def _extent(below: tuple[float, float], heading_deg: float, box: Box) -> tuple[tuple[float, float], ...]:
    """How far a box and its pad reach along the track and to its right, from the point below [m]: (low, high) each."""
    plane = Transformer.from_crs(
        "EPSG:4326", f"+proj=aeqd +lon_0={below[0]} +lat_0={below[1]} +ellps=WGS84", always_xy=True
    )
    west, south, east, north = box
    lon, lat = np.meshgrid(np.linspace(west, east, 9), np.linspace(south, north, 9))
    x, y = plane.transform(lon, lat)
    sine, cosine = np.sin(np.deg2rad(heading_deg)), np.cos(np.deg2rad(heading_deg))
    ways = x * sine + y * cosine, x * cosine - y * sine
    return tuple((float(way.min()) - PAD_M, float(way.max()) + PAD_M) for way in ways)


def _angle(aside_m: float, height_m: float) -> float:
    """Angle from straight down [rad] at which a satellite sees what is so far to its side, on a sphere."""
    arc = aside_m / RADIUS_M
    return float(np.arctan2(RADIUS_M * np.sin(arc), height_m + RADIUS_M * (1 - np.cos(arc))))
