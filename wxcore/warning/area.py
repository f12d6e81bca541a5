"""Where: districts and outlines that the storms will reach.

Motion and growth of error are nowcast's; here they meet the districts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from pyproj import Geod
from shapely import STRtree
from shapely.affinity import scale
from shapely.geometry import MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient
from shapely.ops import unary_union
from shapely.validation import make_valid

from wxcore.grid import EARTH_RADIUS_M
from wxcore.nowcast.advect import DEGREE_KM, area_at_risk, arrival_window, hit_probability
from wxcore.region import Region, Town
from wxcore.warning.model import Ring

MAX_POINTS = 100
"""Points of a polygon at most, the closing one included (RELIABILITY.md 3: keep entries small)."""

DECIMALS = 4
"""Coordinates are rounded to 1e-4 degree, about ten metres."""

MIN_RING_KM2 = 1.0
"""Smaller rings are dropped beside larger ones: less than a pixel of the analysis grid [our choice]."""

CUT_MARGIN = 0.001
"""A district is cut out with this margin [deg], about 100 m: rounded edges of two districts never quite meet."""

SLIVER = 0.01
"""What a cut leaves that is thinner than twice this [deg], about 2 km, comes of simplified outlines [our choice]."""

TOWN_RADIUS_KM = 2.0
"""A town is a disc about its centre [km]: the built-up part, of which towns.csv holds no outline [our choice]."""

_GEOD = Geod(ellps="WGS84")
_POINTS_EN = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
_POINTS_ZH = ("北", "东北", "东", "东南", "南", "西南", "西", "西北")


@dataclass(frozen=True)
class Touch:
    """A storm that may reach a place: when (`timed` as in nowcast.advect.Arrival), how likely, and its row.

    `adcode` is "" where the region has no districts; `district` is that of a town, else "".
    """

    adcode: str
    name_zh: str
    name_en: str
    storm_id: str
    eta_min: float
    end_min: float
    timed: bool
    p_hit: float
    storm: Mapping[Any, Any]
    district: str = ""

    @property
    def key(self) -> str:
        """As Place.key."""
        return self.adcode or self.storm_id


def find_touches(
    storms: pd.DataFrame, region: Region, when: datetime, *, horizon_min: float, min_overlap_km2: float
) -> tuple[list[Touch], dict[str, BaseGeometry]]:
    """Every (storm, place) pair within the horizon, and each storm's area at risk.

    Args:
        storms: schema.STORMS, one row a storm, all of the analysis time.
        when: analysis time; picks the districts in force then.
        horizon_min: how far storms are advected [min].
        min_overlap_km2: a district counts where at least so much of it lies in the area at risk [km2].

    Returns:
        touches in the order of storms and of the district table; storm_id -> polygon (lon, lat), clipped to the grid.
    """
    districts = region.districts_at(when)
    tree = STRtree([district.polygon for district in districts])
    frame = box(*region.grid.bounds)
    touches: list[Touch] = []
    areas: dict[str, BaseGeometry] = {}
    for row in storms.to_dict("records"):
        series = pd.Series(row)
        risk = make_valid(area_at_risk(series, 0.0, horizon_min)).intersection(frame)
        if risk.is_empty:
            continue
        areas[row["storm_id"]] = risk
        if not districts:
            touches.append(_position(row, region, when, horizon_min))
            continue
        for index in sorted(int(i) for i in tree.query(risk)):
            district = districts[index]
            if area_km2(risk.intersection(district.polygon)) < min_overlap_km2:
                continue
            stay = arrival_window(series, district.polygon, horizon_min)
            if stay is None or stay.eta_min >= horizon_min:
                continue
            p_hit = hit_probability(series, district.polygon, horizon_min)
            names = (district.adcode, district.name_zh, district.name_en)
            touches.append(Touch(*names, row["storm_id"], stay.eta_min, stay.end_min, stay.timed, p_hit, row))
    return touches, areas


def find_towns(
    touches: Sequence[Touch], areas: Mapping[str, BaseGeometry], region: Region, when: datetime, *, horizon_min: float
) -> list[Touch]:
    """Every (storm, town) pair of the districts touched where the storm's area at risk covers the town.

    Args:
        touches, areas: as `find_touches` gave them.
        when: analysis time; picks the towns in force then.
        horizon_min: how far storms are advected [min].

    Returns:
        in the order of touches and of the table of towns; none in a region without one.

    Raises:
        TimeError: `when` is naive.
    """
    towns: dict[str, list[tuple[Town, Polygon]]] = {}
    for town in region.towns_at(when):
        towns.setdefault(town.district, []).append((town, _disc(town)))
    found = []
    for touch in touches:
        series = pd.Series(dict(touch.storm))
        for town, disc in towns.get(touch.adcode, []):
            if not areas[touch.storm_id].intersects(disc):
                continue
            stay = arrival_window(series, disc, horizon_min)
            if stay is None or stay.eta_min >= horizon_min:
                continue
            p_hit = hit_probability(series, disc, horizon_min)
            names, times = (town.adcode, town.name_zh, town.name_en), (stay.eta_min, stay.end_min, stay.timed)
            found.append(Touch(*names, touch.storm_id, *times, p_hit, touch.storm, town.district))
    return found


def _disc(town: Town) -> Polygon:
    disc = Point(town.lon, town.lat).buffer(TOWN_RADIUS_KM / DEGREE_KM, quad_segs=4)
    return scale(disc, xfact=1 / np.cos(np.deg2rad(town.lat)), yfact=1.0, origin=(town.lon, town.lat))


def _position(row: Mapping[Any, Any], region: Region, when: datetime, horizon_min: float) -> Touch:
    name_zh, name_en = describe_position(float(row["lon"]), float(row["lat"]), region, when)
    return Touch("", name_zh, name_en, row["storm_id"], 0.0, horizon_min, True, 1.0, row)


def describe_position(lon: float, lat: float, region: Region, when: datetime) -> tuple[str, str]:
    """A storm's place in words, (Chinese, English): "32 km NE of KTLX", or its coordinates where there is no radar."""
    radars = region.radars_at(when)
    if not radars:
        north, east = "N" if lat >= 0 else "S", "E" if lon >= 0 else "W"
        return f"{abs(lat):.2f}°{north} {abs(lon):.2f}°{east}", f"{abs(lat):.2f}{north} {abs(lon):.2f}{east}"
    found = [(*_GEOD.inv(site.lon, site.lat, lon, lat), site) for site in radars]
    azimuth, _, distance, site = min(found, key=lambda item: item[2])
    km, point = round(distance / 1000), round((azimuth % 360) / 45) % 8
    if km == 0:
        return f"{site.id}上空", f"over {site.id}"
    return f"{site.id}{_POINTS_ZH[point]}方向{km}公里", f"{km} km {_POINTS_EN[point]} of {site.id}"


def area_km2(geometry: BaseGeometry) -> float:
    """Area [km2] of a small (lon, lat) polygon on a sphere of EARTH_RADIUS_M, by its middle latitude."""
    if geometry.is_empty:
        return 0.0
    _, south, _, north = geometry.bounds
    degree_km = np.deg2rad(1.0) * EARTH_RADIUS_M / 1000
    return float(geometry.area * degree_km**2 * np.cos(np.deg2rad((south + north) / 2)))


def polygon_parts(geometry: BaseGeometry) -> list[Polygon]:
    """The polygons of any geometry; lines and points are dropped."""
    if isinstance(geometry, Polygon):
        return [] if geometry.is_empty else [geometry]
    parts: Iterable[BaseGeometry] = getattr(geometry, "geoms", ())
    return [polygon for part in parts for polygon in polygon_parts(part)]


def outline(geometries: Sequence[BaseGeometry]) -> tuple[Ring, ...]:
    """Union of the geometries as closed, valid, counter-clockwise rings of at most MAX_POINTS points, largest first.

    Holes are filled: people inside a ring of storms are warned too.
    """
    merged = MultiPolygon([Polygon(part.exterior) for part in polygon_parts(unary_union(list(geometries)))])
    rings: list[tuple[float, Ring]] = []
    for part in polygon_parts(make_valid(unary_union(merged))):
        pieces = polygon_parts(_simple(Polygon(part.exterior)))
        rings += [(area_km2(polygon), _ring(polygon)) for polygon in pieces if _ring_is_valid(polygon)]
    rings.sort(key=lambda item: (-item[0], item[1]))
    return tuple(ring for number, (area, ring) in enumerate(rings) if number == 0 or area >= MIN_RING_KM2)


def cut_away(ground: BaseGeometry, cut: Sequence[BaseGeometry]) -> BaseGeometry:
    """The ground (lon, lat) without these districts, and without the slivers along their borders."""
    rest = ground.difference(unary_union(list(cut)).buffer(CUT_MARGIN))
    return rest.intersection(rest.buffer(-SLIVER).buffer(SLIVER))


def is_place(ground: BaseGeometry, district: BaseGeometry) -> bool:
    """Does more of the district lie in the ground than a ring that would be dropped?"""
    return area_km2(ground.intersection(district)) >= MIN_RING_KM2


def _simple(polygon: Polygon) -> BaseGeometry:
    tolerance = 0.005
    simple: BaseGeometry = polygon
    while max((len(part.exterior.coords) for part in polygon_parts(simple)), default=0) > MAX_POINTS:
        simple = polygon.simplify(tolerance)
        tolerance *= 1.5
    rounded = [Polygon(np.round(np.asarray(p.exterior.coords), DECIMALS)) for p in polygon_parts(simple)]
    repaired = unary_union([make_valid(p) for p in rounded if p.area > 0])
    parts = [Polygon(p.exterior) for p in polygon_parts(repaired)]
    large = [p for p in parts if area_km2(p) >= MIN_RING_KM2] or parts
    return MultiPolygon(large) if all(_ring_is_valid(p) for p in large) else polygon.convex_hull.simplify(0.01)


def _ring(polygon: Polygon) -> Ring:
    coords = np.round(np.asarray(orient(polygon, 1.0).exterior.coords), DECIMALS)
    return tuple((float(lon), float(lat)) for lon, lat in coords)


def _ring_is_valid(polygon: Polygon) -> bool:
    ring = Polygon(_ring(polygon))
    return ring.is_valid and ring.area > 0 and len(polygon.exterior.coords) <= MAX_POINTS
