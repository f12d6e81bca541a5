"""CMA monthly A-files (AIIiii-YYYYMM.TXT): a station's month of hours, after quality control: truth for comparison.

Read are PC (pressure of the hours with extremes; at sea level at 02, 08, 14, 20), TB (temperature), IB (second segment:
dew point), EA (vapour pressure), UB (humidity), R6 (second segment: rain of the hours), FN (wind of 2 minutes, of 10
minutes, largest of the day) and their quality codes. Not read are IB's wet bulb, N (cloud amount), H (cloud height), C
(cloud kind), V (visibility), R6's totals of 12 and 24 hours, W (weather), L (evaporation), Z (snow), G (ice), D, K, A
and B (ground, deep ground, frozen ground, grass), S (sunshine), and the texts after the quality codes.

A day begins after 20:00 Beijing time of the day before: its hours are 21 ... 24, 01 ... 20. The layout is that of one
real file and is borne out by it: vapour pressure against temperature and humidity, extremes against hours, hours of
rain against totals (tests/station/test_afile.py). Largest winds are written speed first, hourly ones direction first.
"""

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT
from wxcore.station import reports
from wxcore.station.afile_blocks import HEADER, Blocks, Days, read_blocks
from wxcore.station.clocks import sexagesimal
from wxcore.station.reports import Floats, Reports, Times
from wxcore.station.sentinels import CODES
from wxcore.times import to_datetime64

HOURS = 24
THOUSAND = 5000.0
"""Pressure drops its 1000 hPa [0.1 hPa]: what is below is over 1000 hPa; no station of CMA lies where 500 hPa is."""

SENTINELS = frozenset({"-9999", "99999", "999999", "999017", *map(str, CODES)})
"""What is missing besides slashes, if a database wrote the file; 9999 is a pressure of 999.9 hPa here."""

WIDEST = 6
"""Characters of the widest word: direction and speed of a wind."""

GAS_OVER_GRAVITY = 287.05 / 9.80665
"""Gas constant of dry air over gravity [m K-1]."""

MOST_OFF_M = 50.0
"""A barometer farther than this from the height that its pressures tell is remarked on [m, our choice]: the formula is
off by a few per cent of the height, 50 m are 6 hPa."""

CALM = "PPC"
COMPASS = (
    "N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW",
)  # fmt: skip
"""Directions of stations without degrees, filled up with P: PPN, PNE, NNE [M]."""

TRACE, SATURATED = ",,,,", "%%"
"""Rain below 0.05 mm: 0.0 mm (the real file's totals count it so); humidity of 100 % in two characters [M]."""

VERDICTS = {"0": QC_GOOD, "1": QC_SUSPECT, "2": QC_BAD, "3": QC_GOOD, "4": QC_GOOD}
"""Quality codes [M]: 0 good, 1 suspect, 2 bad, 3 and 4 corrected, 8 missing, 9 not judged. Three digits a value: of the
station, the province and the nation; the last that judged counts."""

_NAME = re.compile(r"^A[A-Z0-9]{5}-(?P<month>\d{6})\.TXT$", re.IGNORECASE)

Flags = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Extremes:
    """Extreme of each day, (day,): value in the element's units, when [UTC, NaT not told], and where the wind came from
    [degree] (NaN otherwise)."""

    value: Floats
    time: Times
    direction: Floats


@dataclass(frozen=True)
class Month:
    """A station's month.

    Attributes:
        reports: hours, ascending. The largest gust of a day stands at the hour that ends after it, with its time: it is
            the largest of that hour as well; other hours have none.
        barometer: [m ASL], NaN unknown.
        vapour_pressure: (n,) [hPa] of the same hours.
        highest, lowest: element -> extremes of the days.
        unread: blocks of the file with something in them that is not read.
    """

    reports: Reports
    barometer: float
    vapour_pressure: Floats
    highest: Mapping[str, Extremes]
    lowest: Mapping[str, Extremes]
    unread: tuple[str, ...]


def _tenths(word: str) -> float:
    return int(word) / 10


def _whole(word: str) -> float:
    return 100.0 if word == SATURATED else float(int(word))


def _pressure(word: str) -> float:
    value = int(word)
    return (value + 10_000 if value < THOUSAND else value) / 10


def _rain(word: str) -> float:
    return 0.0 if word == TRACE else int(word) / 10


def _speed(word: str) -> float:
    return int(word[3:]) / 10


def _direction(word: str) -> float:
    """Degrees of DDDfff; NaN where calm."""
    code = word[:3]
    if code == CALM:
        return np.nan
    plain = code.strip("P")
    return COMPASS.index(plain) * 22.5 if plain in COMPASS else float(int(code))


_VAPOUR = "vapour_pressure"
_HOURLY: tuple[tuple[str, str, int, Callable[[str], float]], ...] = (
    ("air_pressure", "PC", 0, _pressure),
    ("air_temperature", "TB", 0, _tenths),
    ("dew_point_temperature", "IB", 1, _tenths),
    (_VAPOUR, "EA", 0, _tenths),
    ("relative_humidity", "UB", 0, _whole),
    ("precipitation_1h", "R6", 1, _rain),
    ("wind_speed", "FN", 0, _speed),
    ("wind_from_direction", "FN", 0, _direction),
    ("wind_speed_10min", "FN", 1, _speed),
    ("wind_from_direction_10min", "FN", 1, _direction),
)
"""Element, its block and segment, and what a word of it means."""

_EXTREMES = (
    ("air_pressure", "PC", 24, 26, _pressure),
    ("air_temperature", "TB", 24, 26, _tenths),
    ("relative_humidity", "UB", None, 24, _whole),
)
"""Element, block, and where in a day's words the highest and the lowest stand, each followed by its time."""

READ = frozenset({"PC", "TB", "IB", "EA", "UB", "R6", "FN"})
SEA_LEVEL_HOURS = (5, 11, 17, 23)
"""Which of a day's hours (21, 22 ... 20 Beijing time) are 02, 08, 14 and 20."""


def read_afile(data: bytes, name: str) -> Month:
    """A station's month.

    Args:
        data: the whole file, uncompressed; name: its base name, whose month is compared.

    Raises:
        ReadError: BAD_HEADER, TRUNCATED; BAD_VALUE where most days of what is read cannot be, or nothing is there.
        LimitError: TOO_LARGE.
    """
    blocks = read_blocks(data, name)
    header = blocks.header
    year, month = int(header["year"]), int(header["month"])
    days = calendar.monthrange(year, month)[1]
    first = to_datetime64(datetime(year, month, 1, tzinfo=UTC)) - np.timedelta64(12, "h")
    time = first + np.arange(1, days * HOURS + 1) * np.timedelta64(1, "h")
    reading = _Reading(blocks, days, first)
    values = {element: reading.hours(block, segment, of) for element, block, segment, of in _HOURLY}
    values["air_pressure_at_mean_sea_level"] = reading.sea_level()
    highest, lowest = reading.extremes()
    gust_time = _lay_gusts(values, highest, time)
    vapour = values.pop(_VAPOUR)
    keep = np.any([~np.isnan(column) for column in values.values()], axis=0)
    if not keep.any() or reading.bad > reading.good:
        raise ReadError(
            Reason.BAD_VALUE,
            f"{name}: A-file: {reading.good} days of elements can be read, {reading.bad} cannot: fetch it again",
            f"{name}：A 文件：{reading.good} 个要素日可读，{reading.bad} 个不可读，请重新获取",
        )
    provider = {element: flags[keep] for element, flags in reading.verdicts(values).items()}
    hours = Reports(
        format=FORMAT.name,
        title=f"A-file {header['id']}",
        station=np.full(int(keep.sum()), header["id"]),
        time=time[keep],
        lat=np.full(int(keep.sum()), _degrees(header["lat"], 2) * (1 if header["ns"] == "N" else -1)),
        lon=np.full(int(keep.sum()), _degrees(header["lon"], 3) * (1 if header["ew"] == "E" else -1)),
        elevation=np.full(int(keep.sum()), _height(header["elevation"]), dtype=np.float32),
        values={element: column[keep] for element, column in values.items() if not np.isnan(column).all()},
        gust_time=gust_time[keep],
        provider={element: flags for element, flags in provider.items() if not np.isnan(values[element]).all()},
        rejected=((BAD_DAY, reading.bad),) if reading.bad else (),
        remarks=(*_remarks(name, f"{year:04d}{month:02d}", reading.odd), *_height_remark(values, header["barometer"])),
    )
    unread = tuple(key for key, found in blocks.segments.items() if key[0] != "Q" and key not in READ and any(found))
    return Month(hours, _height(header["barometer"]), vapour[keep], highest, lowest, unread)


BAD_DAY = "day of an element without its number of words"


def _degrees(text: str, whole: int) -> float:
    """Degrees of DDMM or DDMMSS (`whole` digits of degrees); NaN where there is no such place."""
    degrees = float(sexagesimal(np.array([float(text)]), seconds=len(text) > whole + 2)[0])
    return degrees if degrees <= 90 * (whole - 1) else np.nan


def _height(text: str) -> float:
    """[m] of 0.1 m with a first digit that tells how it was found (0 measured, 1 estimated, or a sign)."""
    digits = text[1:]
    if not digits.isdecimal():
        return np.nan
    return int(digits) / (-10 if text[0] == "-" else 10)


def _remarks(name: str, month: str, odd: int) -> tuple[str, ...]:
    match = _NAME.match(name)
    differs = (f"name says {match['month']}, file {month}",) if match is not None and match["month"] != month else ()
    return (*differs, f"{odd} words are no values: taken as missing") if odd else differs


def implied_height(values: Mapping[str, Floats]) -> float:
    """Height of the barometer [m ASL] by the median of what its pressure and that at sea level say of it (hypsometric
    equation, air temperature of the hour, dry); NaN where either is missing."""
    names = ("air_pressure", "air_pressure_at_mean_sea_level", "air_temperature")
    station, sea, celsius = (values[name].astype(np.float64) for name in names)
    heights = GAS_OVER_GRAVITY * (celsius + 273.15) * np.log(sea / station)
    return float(np.nanmedian(heights)) if np.isfinite(heights).any() else np.nan


def _height_remark(values: Mapping[str, Floats], barometer: str) -> tuple[str, ...]:
    told, implied = _height(barometer), implied_height(values)
    if not abs(told - implied) > MOST_OFF_M:
        return ()
    return (f"barometer at {told:.0f} m in the header, at {implied:.0f} m by the pressures: the place is doubtful",)


def _lay_gusts(values: dict[str, Floats], highest: Mapping[str, Extremes], time: Times) -> Times:
    """Put each day's largest gust to the hour that ends after it; gives the (n,) times of gusts."""
    values["wind_speed_of_gust"] = np.full(time.size, np.nan, dtype=np.float32)
    values["wind_gust_from_direction"] = np.full(time.size, np.nan, dtype=np.float32)
    gust_time = np.full(time.size, np.datetime64("NaT", "ns"))
    gusts = highest.get("wind_speed_of_gust")
    if gusts is not None:
        told = np.flatnonzero(~np.isnat(gusts.time) & ~np.isnan(gusts.value))
        place = np.searchsorted(time, gusts.time[told])
        told, place = told[place < time.size], place[place < time.size]
        values["wind_speed_of_gust"][place] = gusts.value[told]
        values["wind_gust_from_direction"][place] = gusts.direction[told]
        gust_time[place] = gusts.time[told]
    return gust_time


class _Reading:
    """Blocks to columns of all hours of the month; counts days that could not be read (`bad`) and odd words."""

    def __init__(self, blocks: Blocks, days: int, first: np.datetime64) -> None:
        self._segments, self._days, self._first = blocks.segments, days, first
        self.good = self.bad = self.odd = 0

    def hours(self, block: str, segment: int, meaning: Callable[[str], float]) -> Floats:
        """(n,) of all hours of the month, NaN missing."""
        found = np.full((self._days, HOURS), np.nan, dtype=np.float32)
        days = self._segment(block, segment)
        if len(days) != self._days:
            self.bad += len(days)
            return found.ravel()
        for day, words in enumerate(days):
            if len(words) < HOURS:
                self.bad += bool(words)
                continue
            self.good += 1
            found[day] = [self._value(word, meaning) for word in words[:HOURS]]
        return found.ravel()

    def sea_level(self) -> Floats:
        found = np.full((self._days, HOURS), np.nan, dtype=np.float32)
        for day, words in enumerate(self._of("PC", 1)):
            if len(words) == len(SEA_LEVEL_HOURS):
                found[day, list(SEA_LEVEL_HOURS)] = [self._value(word, _pressure) for word in words]
        return found.ravel()

    def extremes(self) -> tuple[dict[str, Extremes], dict[str, Extremes]]:
        """Highest and lowest of the days."""
        highest, lowest = {}, {}
        for element, block, high, low, meaning in _EXTREMES:
            if high is not None:
                highest[element] = self._extremes(block, 0, high, meaning)
            lowest[element] = self._extremes(block, 0, low, meaning)
        for element, place in (("wind_speed_10min", 0), ("wind_speed_of_gust", 2)):
            highest[element] = self._extremes("FN", 2, place, lambda word: int(word[:3]) / 10)
        return highest, lowest

    def verdicts(self, values: Mapping[str, Floats]) -> dict[str, Flags]:
        """Of the hourly elements; QC_MISSING where no value is."""
        found = {}
        for element, block, segment, _ in _HOURLY:
            if element in values and f"Q{block}" in self._segments:
                flags = np.full((self._days, HOURS), QC_MISSING, dtype=np.uint8)
                for day, words in enumerate(self._of(f"Q{block}", segment)):
                    if len(words) >= HOURS:
                        flags[day] = [verdict(word) for word in words[:HOURS]]
                found[element] = np.where(np.isnan(values[element]), np.uint8(QC_MISSING), flags.ravel())
        return found

    def _segment(self, block: str, segment: int) -> Days:
        found = self._segments.get(block, ())
        return found[segment] if segment < len(found) else []

    def _of(self, block: str, segment: int) -> Days:
        """The days of a segment, none where they are not those of the month."""
        days = self._segment(block, segment)
        return days if len(days) == self._days else []

    def _extremes(self, block: str, segment: int, place: int, meaning: Callable[[str], float]) -> Extremes:
        value = np.full(self._days, np.nan, dtype=np.float32)
        time = np.full(self._days, np.datetime64("NaT", "ns"))
        direction = np.full(self._days, np.nan, dtype=np.float32)
        for day, words in enumerate(self._of(block, segment)):
            if len(words) > place + 1:
                value[day] = self._value(words[place], meaning)
                time[day] = self._moment(day, words[place + 1])
                if block == "FN":
                    direction[day] = self._value(words[place], lambda word: _direction(word[3:]))
        return Extremes(value, time, direction)

    def _moment(self, day: int, clock: str) -> np.datetime64:
        """Beijing's HHMM of a day that began after 20:00: 2001 to 2359 are of the evening before."""
        if not re.fullmatch(r"[01]\d[0-5]\d|2[0-4][0-5]\d", clock):
            return np.datetime64("NaT", "ns")
        minutes = (int(clock[:2]) * 60 + int(clock[2:]) - 20 * 60) % 1440
        return self._first + np.timedelta64(day, "D") + np.timedelta64(minutes or 1440, "m")

    def _value(self, word: str, meaning: Callable[[str], float]) -> float:
        if "/" in word or word in SENTINELS or (word == "9999" and meaning is not _pressure):
            return np.nan
        try:
            if len(word) <= WIDEST:
                return meaning(word)
        except ValueError:
            pass
        self.odd += 1
        return np.nan


def verdict(code: str) -> int:
    """Of three digits, the last that is no 9."""
    judged = [digit for digit in code if digit != "9"]
    return VERDICTS.get(judged[-1], QC_MISSING) if judged else QC_MISSING


def describe(native: Any) -> schema.Description:
    """A month is truth for comparison: kind "product", so that no cycle takes it."""
    assert isinstance(native, Month)
    told = reports.describe(native.reports)
    unread = (f"not read: blocks {' '.join(native.unread)}",) if native.unread else ()
    return schema.Description(
        kind="product", site=told.site, time=told.time, sweeps=0, moments=told.moments,
        remarks=(*told.remarks, *unread), scan="month", began=told.began,
    )  # fmt: skip


def recognise_afile(head: bytes) -> bool:
    """Is the first line that of station parameters, and the second the first block's?"""
    first, _, rest = head[:512].decode("latin-1").partition("\n")
    return HEADER.fullmatch(first.strip()) is not None and re.match(r"P[A-Z0-9=]\s", rest) is not None


FORMAT = schema.Format(
    name="cma-afile",
    title_en="CMA monthly surface file (A-file)",
    title_zh="地面气象观测月数据文件（A 文件）",
    recognise=recognise_afile,
    name_pattern=_NAME,
    read=read_afile,
    describe=describe,
)
