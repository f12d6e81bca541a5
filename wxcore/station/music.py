"""What CMADaaS/CIMISS MUSIC calls its columns, its codes for what is missing and what its quality control says.

The same rows come as XML, JSON or CSV (FORMATS.md C). Names of columns are [V] of a delivery of 2018 and of public
clients, and compared without case: MUSIC itself writes WIN_S_Inst_Max but WIN_D_INST_Max. Times are UTC.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT
from wxcore.station.clocks import gust_times, minutes_of, nearest
from wxcore.station.ids import NO_IDS, with_letter
from wxcore.station.reports import Floats, Ids, Reports, Times
from wxcore.station.sentinels import is_missing
from wxcore.times import to_datetime64

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

MAX_BYTES = 64 * 2**20
"""Largest file [our choice]: an hour of minutes of 2,500 stations has 18 MB as CSV and 60 MB as JSON."""

PLAIN: tuple[tuple[str, str], ...] = (
    ("air_pressure", "PRS"),
    ("air_pressure_at_mean_sea_level", "PRS_Sea"),
    ("air_temperature", "TEM"),
    ("dew_point_temperature", "DPT"),
    ("relative_humidity", "RHU"),
    ("wind_speed_10min", "WIN_S_Avg_10mi"),
    ("wind_from_direction_10min", "WIN_D_Avg_10mi"),
    ("wind_speed_of_gust", "WIN_S_Inst_Max"),
    ("wind_gust_from_direction", "WIN_D_INST_Max"),
    ("precipitation_1h", "PRE_1h"),
    ("present_weather", "WEP_Now"),
    ("hail_diameter", "HAIL_Diam_Max"),
)
"""Element and column that mean the same, in the same units."""

MEAN_WINDS = (("WIN_S_Avg_2mi", "WIN_D_Avg_2mi"), ("WIN_S_Avg_1mi", "WIN_D_Avg_1mi"))
"""Speed and direction of wind_speed; the second where a row has no first (tables of main elements have only it)."""

MINUTE_RAIN, GUST_CLOCK = "PRE", "WIN_S_INST_Max_OTime"
"""PRE is the rain of the minute in tables of minutes only [M]; in those of hours its period is another column's."""

PLACE = ("Lat", "Lon", "Alti")
DAY = ("Year", "Mon", "Day", "Hour")
IDS = ("Station_Id_C", "Station_Id_d")
TEXTS = frozenset({name.lower() for name in (*IDS, "Datetime", GUST_CLOCK)})
_VALUES = (*(column for _, column in PLAIN), *MEAN_WINDS[0], *MEAN_WINDS[1], MINUTE_RAIN)
WANTED = frozenset({
    name.lower() for name in (*IDS, *PLACE, *DAY, "Min", "Datetime", GUST_CLOCK, *_VALUES, *(f"Q_{c}" for c in _VALUES))
})  # fmt: skip
"""Columns that are read, in lower case."""

KNOWN_VALUES = frozenset(column.lower() for column in _VALUES)

CALM_CODE = 999_017.0
"""Direction of a calm [M]; 999001 to 999016 are compass points [M], which are not read."""

NO_RECORD = re.compile(r"no\s+(?:record|data)|没有(?:记录|数据)|无(?:记录|数据)|记录为空", re.IGNORECASE)
"""What MUSIC says beside return code -1 where the query was right and nothing is there [M]."""

WEATHER_CODES = 99
"""Present weather above is of another code table (BUFR 0 20 003: from 100 automatic, from 508 nothing to say)."""

VERDICTS = {0: QC_GOOD, 1: QC_SUSPECT, 2: QC_BAD, 3: QC_GOOD, 4: QC_GOOD}
"""Q_ codes: 3 and 4 are corrected values; the others (7 not judged, 8 missing, 9 not judged) give no verdict."""

FIRST_YEAR, LAST_YEAR = 1950, 2199

_CODE = re.compile(r"SURF_[A-Z]{2,}(?:_[A-Z]{2,})*")
_DATETIME = re.compile(r"(\d{4})[-/]?(\d\d)[-/]?(\d\d)[T ]?(\d\d):?(\d\d)?(?::?(\d\d)(?:\.0*)?)?Z?", re.IGNORECASE)
_ID = re.compile(r"[A-Z0-9]{1,16}")

NO_ID, NO_TIME = "no station id", "no possible date and time"


class Columns(Protocol):
    """A delivery's columns, by lower-case name."""

    @property
    def names(self) -> frozenset[str]: ...

    @property
    def size(self) -> int: ...

    @property
    def bad(self) -> int:
        """How many values so far were no numbers."""

    def numbers(self, name: str) -> npt.NDArray[np.floating[Any]]:
        """(n,) NaN where empty or no number; sentinels are still in it."""

    def texts(self, name: str) -> tuple[list[str], Ints]:
        """Distinct texts, stripped, and (n,) which of them each row has."""


@dataclass(frozen=True)
class Delivery:
    """What is known of a file beside its columns. `code` is MUSIC's data code, "" unknown."""

    name: str
    format: str
    code: str = ""
    rejected: dict[str, int] = field(default_factory=dict)
    simulated: bool = False
    remarks: tuple[str, ...] = ()


def too_large(data: bytes, name: str) -> None:
    """Refuse more than MAX_BYTES.

    Raises:
        LimitError: TOO_LARGE.
    """
    if len(data) > MAX_BYTES:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: {len(data)} bytes, at most {MAX_BYTES} are read: ask MUSIC for a shorter time range",
            f"{name}：{len(data)} 字节，上限 {MAX_BYTES}，请缩短 MUSIC 查询的时段",
        )


def check_answer(name: str, code: object, message: object) -> None:
    """Refuse the answer of a query that failed.

    Raises:
        ReadError: BAD_HEADER, with MUSIC's own words; EMPTY where these say that there is no record.
    """
    if str(code).strip() in {"-1", "-1.0"} and NO_RECORD.search(str(message)):
        raise empty(name)
    if str(code).strip() not in {"0", "0.0"}:
        raise ReadError(
            Reason.BAD_HEADER,
            f"{name}: MUSIC refused the query: returnCode {str(code)[:40]!r}, {str(message)[:300]!r}: ask again",
            f"{name}：MUSIC 查询失败：returnCode {str(code)[:40]!r}，{str(message)[:300]!r}，请重新查询",
        )


def empty(name: str) -> ReadError:
    """The refusal of an answer without rows."""
    return ReadError(
        Reason.EMPTY,
        f"{name}: MUSIC's answer holds no row of a station: check the times, stations and data code of the query",
        f"{name}：MUSIC 返回结果没有任何站点记录：请核对查询的时间、站点和资料代码",
    )


def data_code(*texts: str) -> str:
    """MUSIC's data code in the first text that has one, such as SURF_CHN_MUL_HOR; "" where none has."""
    found = (_CODE.search(text) for text in texts)
    return next((match[0] for match in found if match is not None), "")


def station_id(text: str) -> str:
    """An id as CMA writes it: 658290 is A8290 (ASCII code of the letter, FORMATS.md C). "" where it is none."""
    plain = text.strip().upper()
    whole, _, rest = plain.partition(".")
    if rest and not rest.strip("0"):
        plain = whole
    if not _ID.fullmatch(plain) or plain in {"999999", "999998", *NO_IDS}:
        return ""
    return with_letter(plain)


def build(columns: Columns, told: Delivery) -> Reports:
    """The reports of a delivery's columns.

    Raises:
        ReadError: BAD_HEADER where columns lack that tell station, time or minute, EMPTY without a row, BAD_VALUE where
            most rows have no station or time.
    """
    if not columns.size:
        raise empty(told.name)
    ids, time = _ids(columns, told.name), _times(columns, told.name)
    whole_hours = not {"min", "datetime"} & columns.names
    if whole_hours and told.code.endswith("_MIN"):
        raise _missing(told.name, f"Min or Datetime, though {told.code} is a table of minutes")
    known = ids != ""
    keep = known & ~np.isnat(time)
    kept, rejected = int(np.count_nonzero(keep)), dict(told.rejected)
    for why, count in ((NO_ID, np.count_nonzero(~known)), (NO_TIME, np.count_nonzero(known & ~keep))):
        if count:
            rejected[why] = rejected.get(why, 0) + int(count)
    if kept < sum(rejected.values()) or not kept:
        why = "; ".join(f"{count} {reason}" for reason, count in rejected.items())
        raise ReadError(
            Reason.BAD_VALUE,
            f"{told.name}: MUSIC: {kept} rows with a station and a time, others: {why}: fetch it again",
            f"{told.name}：MUSIC：仅 {kept} 行有站号和时间，其余：{why}，请重新获取文件",
        )
    values, provider, remarks = _elements(columns, told.code)
    lat, lon, elevation = (_clean(columns.numbers(name.lower())) for name in PLACE)
    if whole_hours and _contradict(ids, time, keep, values):
        raise _missing(told.name, "Min or Datetime, though stations have several rows of an hour that differ")
    gust_time, odd = _gust_times(columns, time, values.get("wind_speed_of_gust"))
    remarks += odd
    if columns.bad:
        remarks.append(f"{columns.bad} values are no numbers: taken as missing")
    rows = slice(None) if kept == columns.size else keep
    told_values = {element: column[rows] for element, column in values.items()}
    told_values = {element: column for element, column in told_values.items() if not np.isnan(column).all()}
    return Reports(
        format=told.format,
        title=f"MUSIC {told.code}".rstrip(),
        station=ids[rows],
        time=time[rows],
        lat=np.where(np.abs(lat) <= 90, lat, np.nan)[rows].astype(np.float64, copy=False),
        lon=np.where(np.abs(lon) <= 360, lon, np.nan)[rows].astype(np.float64, copy=False),
        elevation=elevation[rows].astype(np.float32, copy=False),
        values=told_values,
        gust_time=gust_time[rows],
        provider={element: column[rows] for element, column in provider.items() if element in told_values},
        rejected=tuple(rejected.items()),
        simulated=told.simulated,
        remarks=(*told.remarks, *remarks),
    )


def _missing(name: str, what: str) -> ReadError:
    return ReadError(
        Reason.BAD_HEADER,
        f"{name}: MUSIC: no column {what}: put it into the query's elements",
        f"{name}：MUSIC：缺少字段 {what}：请在查询的 elements 中加入",
    )


def _ids(columns: Columns, name: str) -> Ids:
    there = [column.lower() for column in IDS if column.lower() in columns.names]
    if not there:
        raise _missing(name, " or ".join(IDS))
    found = np.full(columns.size, "", dtype=np.str_)
    for column in there:
        texts, which = columns.texts(column)
        here = np.array([station_id(text) for text in texts], dtype=np.str_)[which]
        found = here if column == there[0] else np.where(found == "", here, found)
    return found


def _times(columns: Columns, name: str) -> Times:
    """By Datetime where there is one, else by year, month, day, hour and minute; NaT where impossible."""
    if "datetime" in columns.names:
        texts, which = columns.texts("datetime")
        return np.array([_moment(text) for text in texts], dtype="datetime64[ns]")[which]
    if not {part.lower() for part in DAY} <= columns.names:
        raise _missing(name, f"Datetime, nor {' '.join(DAY)}")
    year, month, day, hour = (np.nan_to_num(columns.numbers(part.lower()), nan=-1) for part in DAY)
    minute = np.nan_to_num(columns.numbers("min"), nan=-1) if "min" in columns.names else np.zeros_like(hour)
    possible = (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    possible &= (hour >= 0) & (hour <= 23) & (minute >= 0) & (minute <= 59)
    parts = [np.where(possible, part, 1) for part in (year, month, day, hour, minute)]
    whole = [part.astype(np.int64) for part in parts]
    for part, number in zip(parts, whole, strict=True):
        possible &= part == number
    months = (whole[0] - 1970) * 12 + whole[1] - 1
    first = int(months.min())
    begins = np.arange(first, int(months.max()) + 2).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    days = begins[months - first] + whole[2] - 1
    possible &= days < begins[months - first + 1]
    time: Times = (((days * 24 + whole[3]) * 60 + whole[4]) * 60_000_000_000).view("datetime64[ns]")
    time[~possible] = np.datetime64("NaT", "ns")
    return time


def _contradict(ids: Ids, time: Times, keep: Mask, values: dict[str, Floats]) -> bool:
    """Are there rows of one station and time with different values?"""
    rows = np.flatnonzero(keep)
    order = rows[np.lexsort((time[rows], np.unique(ids[rows], return_inverse=True)[1]))]
    left, right = order[:-1], order[1:]
    again = (ids[left] == ids[right]) & (time[left] == time[right])
    left, right = left[again], right[again]
    return any(not np.array_equal(one[left], one[right], equal_nan=True) for one in values.values())


def _moment(text: str) -> np.datetime64:
    match = _DATETIME.fullmatch(text)
    if match is not None and FIRST_YEAR <= int(match[1]) <= LAST_YEAR:
        try:
            when = datetime(*(int(part or 0) for part in match.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
        except ValueError:
            return np.datetime64("NaT", "ns")
        return to_datetime64(when)
    return np.datetime64("NaT", "ns")


def _gust_times(columns: Columns, time: Times, gust: Floats | None) -> tuple[Times, tuple[str, ...]]:
    """By the clock (HHMM), or by the date and time that the row tells (of 1970, where a middle layer took 999999 for
    milliseconds: not told)."""
    if GUST_CLOCK.lower() not in columns.names or gust is None:
        return np.full(columns.size, np.datetime64("NaT", "ns")), ()
    texts, which = columns.texts(GUST_CLOCK.lower())
    minutes = np.array([minutes_of(text) for text in texts], dtype=np.float64)[which]
    moments = np.array([_moment(text) for text in texts], dtype="datetime64[ns]")[which]
    moments[moments < np.datetime64("1970-01-02")] = np.datetime64("NaT", "ns")
    moments = np.where(np.isnat(moments), nearest(time, minutes), moments)
    return gust_times(time, moments, ~np.isnan(gust) & ~np.isnat(time))


def _clean(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    return np.where(is_missing(values), np.nan, values)


def _verdicts(columns: Columns, column: str) -> Flags | None:
    name = f"q_{column.lower()}"
    if name not in columns.names:
        return None
    codes, flags = columns.numbers(name), np.full(columns.size, QC_MISSING, dtype=np.uint8)
    for code, flag in VERDICTS.items():
        flags[codes == code] = flag
    return flags


def _value(columns: Columns, column: str) -> tuple[Floats, Flags | None]:
    values = columns.numbers(column.lower())
    return _clean(values).astype(np.float32, copy=False), _verdicts(columns, column)


def _direction(columns: Columns, column: str, speed: Floats) -> tuple[Floats, Flags | None]:
    """Degrees, NaN where calm; the speed of a calm that tells none becomes 0, in place."""
    codes = columns.numbers(column.lower())
    speed[(codes == CALM_CODE) & np.isnan(speed)] = 0.0
    return _clean(codes).astype(np.float32), _verdicts(columns, column)


_Found = dict[str, tuple[Floats, Flags | None]]


def _elements(columns: Columns, code: str) -> tuple[dict[str, Floats], dict[str, Flags], list[str]]:
    """Values, verdicts and remarks; a verdict on a value that is missing is none."""
    found: _Found = {}
    for element, column in PLAIN:
        if column.lower() in columns.names and "direction" not in element:
            found[element] = _value(columns, column)
    _directions(columns, found)
    _mean_wind(columns, found)
    if "present_weather" in found:
        weather = found["present_weather"][0]
        weather[weather > WEATHER_CODES] = np.nan
    remarks = []
    if MINUTE_RAIN.lower() in columns.names:
        if _has_minutes(columns, code):
            found["precipitation_1min"] = _value(columns, MINUTE_RAIN)
        else:
            remarks.append(f"{MINUTE_RAIN} is not read: its period is told in tables of minutes only")
    values = {element: column for element, (column, _) in found.items()}
    provider = {
        element: np.where(np.isnan(column), np.uint8(QC_MISSING), flags)
        for element, (column, flags) in found.items()
        if flags is not None
    }
    return values, provider, remarks


def _directions(columns: Columns, found: _Found) -> None:
    pairs = (("wind_from_direction_10min", "wind_speed_10min"), ("wind_gust_from_direction", "wind_speed_of_gust"))
    for element, of in pairs:
        column = dict(PLAIN)[element]
        if column.lower() in columns.names:
            speed = found[of][0] if of in found else np.full(columns.size, np.nan, dtype=np.float32)
            found[element] = _direction(columns, column, speed)


def _mean_wind(columns: Columns, found: _Found) -> None:
    """The first of MEAN_WINDS that a row has; speed, direction and verdicts of the same."""
    winds = [pair for pair in MEAN_WINDS if {name.lower() for name in pair} & columns.names]
    speed = direction = np.full(columns.size, np.nan, dtype=np.float32)
    flags: list[Flags | None] = [None, None]
    for fast, turn in winds:
        own = _value(columns, fast)
        other = _direction(columns, turn, own[0])
        take = np.isnan(speed) & (~np.isnan(own[0]) | np.isnan(direction))
        speed, direction = np.where(take, own[0], speed), np.where(take, other[0], direction)
        for place, mine in enumerate((own[1], other[1])):
            before = flags[place]
            if mine is not None or before is not None:
                old = np.full(columns.size, QC_MISSING, dtype=np.uint8) if before is None else before
                flags[place] = np.where(take, np.uint8(QC_MISSING) if mine is None else mine, old)
    if winds:
        found["wind_speed"], found["wind_from_direction"] = (speed, flags[0]), (direction, flags[1])


def _has_minutes(columns: Columns, code: str) -> bool:
    """Is it a table of minutes? By its code, else by a row that is not of the full hour."""
    if code:
        return code.endswith("_MIN")
    return "min" in columns.names and bool((columns.numbers("min") > 0).any())
