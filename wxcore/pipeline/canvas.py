"""Longitude and latitude to the pixels of an SVG map, and geometries to its paths."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from wxcore.grid import EARTH_RADIUS_M, Grid

WIDTH = 1000.0
"""Width of a map in SVG units; the height follows so that a kilometre is as long northward as eastward."""


@dataclass(frozen=True)
class Canvas:
    """An equirectangular map of a grid's outer edges, true to scale at the middle latitude."""

    west: float
    north: float
    per_lon: float
    per_lat: float
    height: float

    @classmethod
    def of(cls, grid: Grid) -> "Canvas":
        """The map of a grid."""
        west, south, east, north = grid.bounds
        per_lon = WIDTH / (east - west)
        per_lat = per_lon / float(np.cos(np.deg2rad((south + north) / 2)))
        return cls(west, north, per_lon, per_lat, (north - south) * per_lat)

    def x(self, lon: float) -> float:
        """SVG x of a longitude."""
        return round((lon - self.west) * self.per_lon, 1)

    def y(self, lat: float) -> float:
        """SVG y of a latitude (down)."""
        return round((self.north - lat) * self.per_lat, 1)

    def length(self, km: float) -> float:
        """SVG length of a distance."""
        degrees = np.rad2deg(km * 1000 / EARTH_RADIUS_M)
        return round(float(degrees * self.per_lat), 1)

    def line(self, places: Iterable[tuple[float, float]]) -> str:
        """SVG path through (lon, lat) places."""
        points = [f"{self.x(lon)},{self.y(lat)}" for lon, lat in places]
        return "M" + "L".join(points) if points else ""

    def path(self, shape: BaseGeometry, *, tolerance_deg: float = 0.0) -> str:
        """SVG path of a polygon or several, simplified by `tolerance_deg`."""
        simple = shape.simplify(tolerance_deg) if tolerance_deg else shape
        rings = []
        for part in shapely.get_parts(simple):
            if part.geom_type == "Polygon":
                rings += [self.line(ring.coords) + "Z" for ring in (part.exterior, *part.interiors)]
        return "".join(rings)
