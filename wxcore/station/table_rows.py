"""Station lists as they come: a bureau's CSV with its own headers, MICAPS lists, names; rows as plain records."""

import csv
import io
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.station.clocks import sexagesimal
from wxcore.station.ids import NO_IDS, with_letter
from wxcore.station.micaps import station_list

MAX_BYTES = 64 << 20
"""Largest list that is read: the longest public one (19,469 stations) has 0.7 MB."""

FOOT_M = 0.3048

UNITS_M: Mapping[str, float] = {
    **dict.fromkeys(("", "m", "米", "meter", "meters", "metre", "metres", "masl"), 1.0),
    **dict.fromkeys(("ft", "feet", "foot", "英尺"), FOOT_M),
    **dict.fromkeys(("0.1m", "0.1米", "dm", "分米"), 0.1),
}
"""Units of heights, as headers have them without blanks and dots at the end -> metres."""

SENTINELS = (9999.0, 99998.0, 99999.0, 999990.0, 999998.0, 999999.0)
"""Heights that say nothing, in whatever unit."""

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "id": ("区站号", "站号", "台站号", "站点编号", "stationidc", "stationid", "stationidd", "stid", "wmoid", "id"),
    "logger": ("loggerid",),
    "name": ("站名", "台站名称", "站点名称", "stationname", "name", "location", "icaoname"),
    "lat": ("纬度", "lat", "latitude", "y"),
    "lon": ("经度", "lon", "long", "longitude", "lng", "x"),
    "elevation": ("海拔", "海拔高度", "测站高度", "观测场海拔高度", "高度", "alti", "altitude", "elev",
                  "elevation", "height"),
    "barometer": ("气压传感器海拔高度", "气压表海拔高度", "气压传感器海拔", "altiprs", "prssensoralti", "barometer"),
    "adcode": ("行政区划代码", "行政区代码", "区划代码", "admincodechn", "admincode", "adcode"),
}  # fmt: skip
"""Headers by field, without case, blanks, units and underscores. CMADaaS: Station_Id_C, Alti, PRS_Sensor_Alti,
Admin_Code_CHN (its element list); the West Texas Mesonet: Logger ID, Long, Elevation (feet)."""

NEEDED, HEIGHTS = ("id", "lat", "lon"), ("elevation", "barometer")
_NOISE = re.compile(r"\(.*?\)|（.*?）|\[.*?\]|【.*?】|[\s_\-\"./]")
_BRACKET = re.compile(r"[(（\[【]([^()（）\[\]【】]*)[)）\]】]")
_TAIL = re.compile(
    r"(?:(?<=[\s_])|(?<=[^\x00-\x7f]))((?:0\.1\s*)?(?:feet|foot|ft|met(?:er|re)s?|[dckh]?m|inch(?:es)?|in|yd))\.?\s*$"
    r"|((?:0\.1\s*)?(?:米|英尺|分米|厘米|千米|公里))\s*$",
    re.IGNORECASE,
)
"""A unit without brackets at a header's end."""
_NUMBER = re.compile(r"\s*([+-]?\d+(?:\.\d*)?)\s*(ft\.?|feet|m|米)?\s*", re.IGNORECASE)
_ANGLE = re.compile(r"\s*([+-]?\d+(?:\.\d*)?)\s*°?\s*([NSEW]?)\s*", re.IGNORECASE)
_ID = re.compile(r"[0-9A-Z]{3,12}")
_NAMES = re.compile(r"([0-9A-Z]?[0-9]{3,11})\s+(\S+)(?:\s+(\S+))?")


@dataclass(frozen=True)
class Found:
    """One row of a list. `lat`, `lon` [deg], NaN in a list of names; heights [m ASL], NaN unknown."""

    id: str
    name: str
    lat: float
    lon: float
    elevation: float
    barometer: float
    adcode: str


Rejected = dict[tuple[str, str], int]
"""(reason in English, in Chinese) -> rows."""

NO_ID = ("no station id", "没有站号")
NO_PLACE = ("no valid position", "没有有效的经纬度")


def read_list(data: bytes, name: str, columns: Mapping[str, str]) -> tuple[list[Found], Rejected]:
    """The rows of a list, in its order, and what could not be read.

    Args:
        columns: field of SPELLINGS -> header, where the file's spelling is unknown.

    Raises:
        ReadError: EMPTY, BAD_HEADER (no header that names id and position), TOO_LARGE, or as `micaps.station_list`.
    """
    if len(data) > MAX_BYTES:
        raise LimitError(
            Reason.TOO_LARGE, f"{name}: {len(data)} bytes, a station list has at most {MAX_BYTES}",
            f"{name}：{len(data)} 字节，站点表最多 {MAX_BYTES} 字节",
        )  # fmt: skip
    if not data.strip():
        raise ReadError(
            Reason.EMPTY, f"{name}: the file is empty: export the list again", f"{name}：文件为空，请重新导出"
        )
    if data.lstrip()[:7].lower() == b"diamond":
        rows = [Found(station_id(number), "", lat, lon, round(elevation, 1), math.nan, "")
                for number, lon, lat, elevation in station_list(data, name)]  # fmt: skip
        return rows, {}
    lines = _text(data).splitlines()
    pairs = [_NAMES.match(line) for line in lines if line.strip()]
    bare = sum(pair is None for pair in pairs)
    if bare < len(pairs) / 10 and not any(mark in line for line in lines[:5] for mark in ",;\t"):
        return [_named(pair) for pair in pairs if pair is not None], {NO_ID: bare} if bare else {}
    return _table(lines, name, columns)


def station_id(raw: str) -> str:
    """The id as the table has it: upper case; four digits get their zero; 658290 (the letter's ASCII code) is A8290."""
    text = raw.strip().upper()
    if text.isascii() and text.isdigit():
        text = text.zfill(5)
    return "" if text in NO_IDS else with_letter(text)


def _text(data: bytes) -> str:
    """UTF-8, else GBK; what is in neither is replaced: names only suffer by it."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")


def _named(match: re.Match[str]) -> Found:
    return Found(station_id(match[1]), match[3] or match[2], math.nan, math.nan, math.nan, math.nan, "")


def _table(lines: Sequence[str], name: str, columns: Mapping[str, str]) -> tuple[list[Found], Rejected]:
    head = next((line for line in lines if line.strip()), "")
    delimiter = max(",\t;，|", key=head.count)
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter, skipinitialspace=True))
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    header = [_plain(cell) for cell in rows[0]]
    wanted = {field: (_plain(columns[field]),) if field in columns else known for field, known in SPELLINGS.items()}
    place = {field: index for field, known in wanted.items() if (index := _column(header, known)) >= 0}
    bare = [_plain(_TAIL.sub("", cell)) for cell in rows[0]]
    place |= {
        field: index for field in HEIGHTS if field not in place and (index := _column(bare, wanted[field])) >= 0
    }  # fmt: skip
    if "logger" in place:
        place["id"] = place["logger"]
    absent = [field for field in NEEDED if field not in place]
    if absent:
        told, known = (
            ", ".join(rows[0])[:200],
            "; ".join(f"{field}: {' / '.join(SPELLINGS[field])}" for field in absent),
        )
        raise ReadError(
            Reason.BAD_HEADER,
            f"{name}: no column for {', '.join(absent)} in the first line ({told}): expected {known}; or name the "
            "column with --column id=HEADER",
            f"{name}：首行（{told}）缺少 {'、'.join(absent)} 列：应为 {known}；或用 --column id=列名 指定",
        )
    return _rows(rows[1:], place, {field: _scale(rows[0][place[field]], name) for field in HEIGHTS if field in place})


def _column(header: Sequence[str], known: Sequence[str]) -> int:
    return next((header.index(word) for word in known if word in header), -1)


def _scale(header: str, name: str) -> float:
    """Metres in the unit of a column of heights; metres where its header says nothing.

    Raises:
        ReadError: BAD_HEADER, another unit.
    """
    tail = _TAIL.search(header)
    told = [tail[1] or tail[2]] if tail else _BRACKET.findall(header)
    units = [re.sub(r"单位|(?<!\d)\.|[\s:：]", "", unit).lower() for unit in told]
    unknown = [unit for unit in units if unit not in UNITS_M]
    if unknown:
        raise ReadError(
            Reason.BAD_HEADER,
            f"{name}: column {header.strip()[:60]!r}: {unknown[0]!r} is no unit of height that is read (m, ft, 0.1m): "
            "convert the column and correct its header",
            f"{name}：列“{header.strip()[:60]}”：不支持的高度单位 {unknown[0]!r}（可用 米、英尺、0.1米），"
            "请换算并改列名",
        )
    return UNITS_M[units[-1]] if units else 1.0


def _plain(header: str) -> str:
    return _NOISE.sub("", header.strip().strip("\ufeff")).lower()


def _rows(
    rows: Sequence[Sequence[str]], place: Mapping[str, int], scale: Mapping[str, float]
) -> tuple[list[Found], Rejected]:
    def cells(field: str) -> list[str]:
        index = place.get(field, -1)
        return [row[index].strip() if 0 <= index < len(row) else "" for row in rows]

    ids = [f"W{int(cell):04d}" if "logger" in place and cell.isdecimal() else station_id(cell) for cell in cells("id")]
    lat, lon = angles(cells("lat"), 90), angles(cells("lon"), 360)
    found: list[Found] = []
    rejected: Rejected = {}
    heights = [[_height(cell, scale.get(field, 1.0)) for cell in cells(field)] for field in HEIGHTS]
    others = zip(cells("name"), *heights, cells("adcode"), strict=True)
    for number, north, east, (name, elevation, barometer, adcode) in zip(ids, lat, lon, others, strict=True):
        if not _ID.fullmatch(number):
            rejected[NO_ID] = rejected.get(NO_ID, 0) + 1
        elif math.isnan(north) or math.isnan(east):
            rejected[NO_PLACE] = rejected.get(NO_PLACE, 0) + 1
        else:
            found.append(Found(number, name, north, east, elevation, barometer, adcode))
    return found, rejected


def angles(cells: Sequence[str], largest: float) -> list[float]:
    """A column of latitudes or longitudes [deg], NaN where there is none.

    Decimal degrees, or whole numbers DDMM or DDMMSS: the median of the column tells which of them all of it is.
    """
    matches = [_ANGLE.fullmatch(cell) for cell in cells]
    values = [
        math.nan if match is None else float(match[1]) * (-1 if match[2].upper() in {"S", "W"} else 1)
        for match in matches
    ]  # fmt: skip
    sizes = [abs(value) for value in values if math.isfinite(value)]
    middle = statistics.median(sizes) if sizes else 0.0
    degrees = np.array(values, dtype=np.float64)
    if middle > largest:
        degrees = sexagesimal(degrees, seconds=middle >= largest * 101)
    found: list[float] = np.where(np.abs(degrees) <= largest, degrees, np.nan).tolist()
    return found


def _height(cell: str, scale: float) -> float:
    """Metres of a cell, in its own unit where it has one, else in that of `scale` [m]; NaN beyond -500 to 9000 m."""
    match = _NUMBER.fullmatch(cell)
    if match is None:
        return math.nan
    value, unit = float(match[1]), (match[2] or "").lower().rstrip(".")
    metres = value * (UNITS_M[unit] if unit else scale)
    return round(metres, 1) if value not in SENTINELS and -500 <= metres <= 9000 else math.nan
