"""Make a region's stations.csv: import lists of stations, and merge them with the rows that are there."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from wxcore.errors import ReadError, Reason
from wxcore.grid import EARTH_RADIUS_M
from wxcore.region import Region, Station
from wxcore.region.stations import near
from wxcore.region.terrain import Terrain
from wxcore.station.network import MOVED_KM
from wxcore.station.table_rows import Found, Rejected, read_list

IMPORT_MARGIN_DEG = 0.5
"""How far outside of the grid a station still serves its edge [deg] [our choice]."""

MOUNTAIN_M = 1500.0
"""Stations above this report gales much too often (DOMAIN.md 2.6)."""
HILL_M = 500.0
"""Above this it is no plain: the usual bound of hills [our choice]."""
RIDGE_RELIEF_M, HILL_RELIEF_M = 300.0, 100.0
"""Height above the mean of the surroundings from which it is a ridge, or a hill [our choice]."""
SURROUNDINGS_KM = 10.0
"""Radius of the surroundings [our choice]."""

OUTSIDE = (f"outside of the grid and {IMPORT_MARGIN_DEG:g} deg around it", f"在格网及其外 {IMPORT_MARGIN_DEG:g} 度以外")
TWICE = ("id is there already, the first row is taken", "站号重复，取第一行")
NAMES_ONLY = ("a list of names without positions: not in the table", "仅有站名、没有经纬度的表：站点表中没有该站")
_NATIONAL, _REGIONAL = re.compile(r"[0-9]{5}"), re.compile(r"[A-Z][0-9]{4}")
_HAN = re.compile(r"[\u3400-\u9fff]")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Imported:
    """Rows for stations.csv, by id; and how many rows of the list were left out, and why (English, Chinese)."""

    rows: tuple[Station, ...]
    left_out: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Merged:
    """The whole table, by id and valid_from; ids that are new, moved, corrected in place, and as they were.

    `older`: ids, of the moved and corrected, whose row of the list begins before the table's newest, and when that one
    begins: an old list would overwrite what is known of later.
    """

    rows: tuple[Station, ...]
    added: tuple[str, ...]
    moved: tuple[str, ...]
    corrected: tuple[str, ...]
    unchanged: int
    older: tuple[tuple[str, date], ...] = ()


def import_stations(
    path: Path,
    region: Region,
    *,
    columns: Mapping[str, str] | None = None,
    valid_from: date,
    source: str = "",
    terrain: Terrain | None = None,
) -> Imported:
    """Read a list of stations and make rows of those on the region's grid and IMPORT_MARGIN_DEG around it.

    A bureau's CSV (UTF-8 or GBK; headers in SPELLINGS; positions in degrees, DDMM or DDMMSS), a MICAPS list
    (diamond 3, 16, 17), or a list of names without positions, which names stations that the region has already.

    Args:
        columns: field of SPELLINGS -> header, where the file's is unknown.
        valid_from: first day of the rows, on the region's own clock.
        source: where the list is from; the file's name where empty or blank.
        terrain: ground around the stations for `elev_class`; by elevation alone where None.

    Raises:
        ReadError: NOT_FOUND, or no list; OUTSIDE_REGION: not one station is near the grid.
    """
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise ReadError(
            Reason.NOT_FOUND, f"{path.name}: cannot be read ({cause.strerror}): check the path",
            f"{path.name}：无法读取（{cause.strerror}），请检查路径",
        ) from cause  # fmt: skip
    found, left_out = read_list(data, path.name, columns or {})
    if found and all(math.isnan(row.lat) for row in found):
        return _names(found, region)
    kept = _near(_first(found, left_out), region, left_out)
    if not kept:
        raise ReadError(
            Reason.OUTSIDE_REGION,
            f"{path.name}: none of {len(found)} stations is near the grid of {region.id}: another region, or latitude "
            "and longitude swapped? (--column lat=HEADER)",
            f"{path.name}：{len(found)} 个站均不在 {region.id} 格网附近：区域不对，或经纬度颠倒？（--column lat=列名）",
        )
    lat, lon = np.array([row.lat for row in kept]), np.array([row.lon for row in kept])
    adcodes = districts_of(region, lat, lon)
    classes = elev_classes(np.array([row.elevation for row in kept]), relief(terrain, lat, lon, kept))
    rows = [
        _station(row, adcode, elev_class, valid_from, source.strip() or path.name)
        for row, adcode, elev_class in zip(kept, adcodes, classes, strict=True)
    ]
    return Imported(tuple(sorted(rows, key=lambda row: row.id)), left_out)


def _names(found: Sequence[Found], region: Region) -> Imported:
    """Rows of the region's stations in force, with the names of the list."""
    named = {row.id: row.name for row in found}
    rows = [_with_name(row, named[row.id]) for row in region.stations if row.valid_to is None and row.id in named]
    others = len(named) - len(rows)
    return Imported(tuple(rows), {NAMES_ONLY: others} if others else {})


def _with_name(row: Station, name: str) -> Station:
    return replace(row, name_zh=name) if _HAN.search(name) else replace(row, name_en=name)


def _first(found: Sequence[Found], left_out: Rejected) -> list[Found]:
    unique = {row.id: row for row in reversed(found)}
    if len(unique) < len(found):
        left_out[TWICE] = len(found) - len(unique)
    return list(unique.values())


def _near(found: Sequence[Found], region: Region, left_out: Rejected) -> list[Found]:
    lat, lon = np.array([row.lat for row in found]), np.array([row.lon for row in found])
    inside = near(region.grid, lat, lon, IMPORT_MARGIN_DEG)
    if not inside.all():
        left_out[OUTSIDE] = int((~inside).sum())
    return [row for row, keep in zip(found, inside, strict=True) if keep]


def _station(row: Found, adcode: str, elev_class: str, valid_from: date, source: str) -> Station:
    level = "national" if _NATIONAL.fullmatch(row.id) else "regional" if _REGIONAL.fullmatch(row.id) else ""
    lon = row.lon - 360 if row.lon > 180 else row.lon
    plain = Station(
        row.id, "", "", round(row.lat, 6), round(lon, 6), row.elevation, row.barometer, elev_class,
        adcode or row.adcode, level, valid_from, None, source,
    )  # fmt: skip
    return _with_name(plain, row.name)


def districts_of(region: Region, lat: Floats, lon: Floats) -> list[str]:
    """adcode of the district, of those that still exist, in which each place lies; empty outside of all."""
    districts = [row for row in region.districts if row.valid_to is None]
    codes = [""] * lat.size
    if districts:
        tree = shapely.STRtree([row.polygon for row in districts])
        for place, polygon in zip(*tree.query(shapely.points(lon, lat), predicate="intersects"), strict=True):
            codes[int(place)] = districts[int(polygon)].adcode
    return codes


def relief(terrain: Terrain | None, lat: Floats, lon: Floats, rows: Sequence[Found]) -> Floats:
    """Height of stations above the mean ground within SURROUNDINGS_KM [m]; NaN where either is unknown."""
    elevation = np.array([row.elevation for row in rows])
    if terrain is None:
        return np.full(lat.shape, np.nan)
    angle, part = np.meshgrid(np.deg2rad(np.arange(0, 360, 45)), (0.35, 0.79))  # mean radii of two rings of equal area
    step = np.rad2deg(SURROUNDINGS_KM * 1000 / EARTH_RADIUS_M) * part
    north, east = (step * np.cos(angle)).ravel(), (step * np.sin(angle)).ravel()
    around = terrain.at(lat[:, None] + north, lon[:, None] + east / np.cos(np.deg2rad(lat))[:, None])
    return np.asarray(elevation - around.mean(axis=1), dtype=np.float64)


def elev_classes(elevation: Floats, above: Floats) -> list[str]:
    """Class of stations by elevation [m ASL] and height above their surroundings [m] (NaN: unknown, counts for none).

    ridge: RIDGE_RELIEF_M above the surroundings; mountain: above MOUNTAIN_M; hill: HILL_RELIEF_M above the
    surroundings or above HILL_M; plain: all others; empty where the elevation is unknown.
    """
    with np.errstate(invalid="ignore"):
        conditions = [
            np.isnan(elevation), above > RIDGE_RELIEF_M, elevation > MOUNTAIN_M,
            (above > HILL_RELIEF_M) | (elevation > HILL_M),
        ]  # fmt: skip
    return [str(word) for word in np.select(conditions, ["", "ridge", "mountain", "hill"], "plain")]


def merge_stations(existing: Sequence[Station], imported: Iterable[Station]) -> Merged:
    """The table with imported rows laid over it; former rows are never deleted.

    A station that moved more than MOVED_KM gets a new row, and the former ends the day that it begins; one that
    moved less keeps its row and place, and takes what the list knows better. A row that began on the same day or
    later is corrected in place.
    """
    new = list(imported)
    table = {(row.id, row.valid_from): row for row in existing}
    newest = {row.id: row for row in sorted(existing, key=lambda row: row.valid_from)}
    told = Counter[str]()
    ids: dict[str, list[str]] = {"added": [], "moved": [], "corrected": []}
    for row in new:
        former = newest.get(row.id)
        if former is None or (former.valid_to is not None and former.valid_to <= row.valid_from):
            table[row.id, row.valid_from] = row
            ids["added"].append(row.id)
        elif distance_km(former, row) > MOVED_KM:
            if former.valid_from < row.valid_from:
                table[row.id, former.valid_from] = replace(former, valid_to=row.valid_from)
                table[row.id, row.valid_from] = row
            else:
                table[row.id, former.valid_from] = replace(row, valid_from=former.valid_from, valid_to=former.valid_to)
            ids["moved"].append(row.id)
        else:
            better = _better(former, row)
            table[row.id, former.valid_from] = better
            if _same(better, former):
                told["unchanged"] += 1
            else:
                ids["corrected"].append(row.id)
    rows = tuple(table[key] for key in sorted(table))
    changed = {*ids["moved"], *ids["corrected"]}
    older = tuple(
        (row.id, newest[row.id].valid_from)
        for row in new if row.id in changed and row.valid_from < newest[row.id].valid_from
    )  # fmt: skip
    return Merged(rows, tuple(ids["added"]), tuple(ids["moved"]), tuple(ids["corrected"]), told["unchanged"], older)


def _better(former: Station, row: Station) -> Station:
    """The former row with what it does not know filled from the new one, and heights and names of the new one."""
    texts = {
        name: getattr(row, name) or getattr(former, name)
        for name in ("name_zh", "name_en", "elev_class", "adcode", "level")
    }  # fmt: skip
    heights = {
        name: getattr(former, name) if math.isnan(getattr(row, name)) else getattr(row, name)
        for name in ("elevation_m", "barometer_m")
    }  # fmt: skip
    better = replace(former, **texts, **heights)
    return former if _same(better, former) else replace(better, source=row.source)


def _same(first: Station, second: Station) -> bool:
    """Equal, NaN with NaN."""
    return repr(first) == repr(second)


def distance_km(first: Station, second: Station) -> float:
    """Distance of two places [km], on a sphere."""
    lat1, lat2 = math.radians(first.lat), math.radians(second.lat)
    half = math.sin((lat2 - lat1) / 2) ** 2
    half += math.cos(lat1) * math.cos(lat2) * math.sin(math.radians(second.lon - first.lon) / 2) ** 2
    return 2 * EARTH_RADIUS_M / 1000 * math.asin(math.sqrt(min(half, 1.0)))
