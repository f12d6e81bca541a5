"""Soundings as TEMP text, WMO code form FM 35 (WMO-No. 306, volume I.1): parts A to D of land stations.

    TTAA 12001 57516 99978 24421 01002 00103 ///// ///// 92587 22016 14504 85503 18232 20506 ...=
    TTBB 12008 57516 00978 24421 11956 25858 ... 21212 00978 01002 ...=

A day above 50 says that winds are in knots. The text tells day and hour alone: month and year come from the reference
or from the file's name. It tells no position either: `lat` and `lon` are NaN, and who uses it looks the station up.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from wxcore import schema
from wxcore.environment.build import KNOT_M_S, Level, Place, wind
from wxcore.environment.profile import Soundings
from wxcore.environment.texts import Found, date_in_name, day_before, decode, describe, is_simulated
from wxcore.errors import ReadError, Reason
from wxcore.times import require_utc

TITLE = "TEMP (FM 35)"
EARLY = timedelta(hours=1)
"""Part A of the 12 UTC ascent, launched at 11:15, may be sent before 12 UTC [our choice]."""

MANDATORY = {
    "A": {"00": 1000, "92": 925, "85": 850, "70": 700, "50": 500, "40": 400, "30": 300, "25": 250, "20": 200,
          "15": 150, "10": 100},
    "C": {"70": 70, "50": 50, "30": 30, "20": 20, "10": 10},
}  # fmt: skip
"""Indicator -> pressure [hPa] of parts A and C."""

LAST_WIND = {"0": 1000, "8": 850, "9": 925} | {str(digit): 100 * digit for digit in range(1, 8)}
"""Code Id of part A -> lowest pressure [hPa] whose wind is given; part C has a tenth of 1 to 7."""

BAD_DATE, NO_GROUPS = "day and hour that no month has", "part without levels"

_ENDS = re.compile(r"=|\bNNNN\b|(?=\bTT(?:AA|BB|CC|DD)\s)")
_PART = re.compile(r"TT(AA|BB|CC|DD)\s+(\d\d)(\d\d)([\d/])\s+(\d{5})\s")
_GROUP = re.compile(r"[\d/]{5}")
_SIGNIFICANT = re.compile(r"([0-9])\1[\d/]{3}")
_HEAD = re.compile(
    rb"\A(?:[\x01-\x09\x0b-\x7e]{0,78}\n){0,12}?[\x01-\x09\x0b-\x7e]{0,60}?\bTT(?:AA|BB|CC|DD)\s+\d{4}[\d/]\s+\d{5}\s+[\d/]{5}\s"
)


@dataclass
class _Report:
    """What the parts of one ascent say."""

    levels: list[Level] = field(default_factory=list)
    ground_hpa: float = np.nan


def read_temp(data: bytes, name: str) -> Soundings:
    """As `read_dated`, with the date in the file's name (as of operational bulletins) for reference.

    Raises:
        ReadError: BAD_HEADER where the name holds no date; else as `read_dated`.
    """
    reference = date_in_name(name)
    if reference is None:
        raise ReadError(
            Reason.BAD_HEADER,
            f"{name}: {TITLE}: the text tells day and hour alone, and the name has no date: put YYYYMMDD into the name",
            f"{name}：{TITLE}：报文只含日和时，文件名中也没有日期 YYYYMMDD，请在文件名中注明",
        )
    return read_dated(data, name, reference)


def read_dated(data: bytes, name: str, reference: datetime) -> Soundings:
    """All ascents of a file; parts of one station and hour become one profile.

    Args:
        reference: when the file was published (aware UTC): the newest date that fits and is not more than EARLY after
            it is taken.

    Raises:
        ReadError: BAD_VALUE where none, or less than half of the ascents, can be used.
        LimitError: TOO_LARGE.
        TimeError: `reference` is naive.
    """
    reference = require_utc(reference)
    text = decode(data, name, TITLE)
    reports: dict[tuple[str, int, int], _Report] = {}
    found = Found()
    for piece in _ENDS.split(text):
        match = _PART.match(piece)
        if match is None:
            continue
        part, day, hour, last_wind, station = match.groups()
        knots = int(day) > 50
        report = reports.setdefault((station, int(day) - 50 * knots, int(hour)), _Report())
        groups = [group for group in piece[match.end() :].split() if _GROUP.fullmatch(group)]
        scale = KNOT_M_S if knots else 1.0
        if part in {"AA", "CC"}:
            _mandatory(part[0], groups, last_wind, scale, report)
        else:
            _significant(part[0], groups, scale, report)
    for (station, number, hour), report in reports.items():
        when = day_before(reference + EARLY, number, hour)
        if when is None:
            found.rejected[BAD_DATE] += 1
            continue
        # Below the ground there are heights alone; pressures as text allows, to 1 hPa.
        levels = [level for level in report.levels if not level.pressure > report.ground_hpa]
        found.add(levels, Place(when, np.nan, np.nan, station))
    if found.profiles:
        found.remarks.insert(0, f"year and month from the reference {reference:%Y-%m-%d %H:%M} UTC")
    return found.soundings(FORMAT.name, TITLE, name, simulated=is_simulated(text))


def _mandatory(part: str, groups: list[str], last_wind: str, scale: float, report: _Report) -> None:
    """Parts A and C: surface, standard pressures, tropopause; the maximum winds after them are left."""
    lowest_wind = LAST_WIND.get(last_wind, 2000) / (1 if part == "A" else 10)
    rest = iter(groups)
    for group in rest:
        kind = group[:2]
        if kind == "99":
            report.ground_hpa = _hectopascals(group[2:])
            level = _temperatures(report.ground_hpa, next(rest, ""))
            if last_wind != "/":
                level.u, level.v = _wind(next(rest, ""), scale)
        elif kind in MANDATORY[part]:
            pressure = MANDATORY[part][kind]
            level = _temperatures(pressure, next(rest, ""))
            level.height = _height(pressure, group[2:])
            if pressure >= lowest_wind:
                level.u, level.v = _wind(next(rest, ""), scale)
        elif kind == "88" and group != "88999":
            pressure_of_tropopause = _hectopascals(group[2:]) if part == "A" else _number(group[2:]) / 10
            level = _temperatures(pressure_of_tropopause, next(rest, ""))
            level.u, level.v = _wind(next(rest, ""), scale)
        else:
            break
        report.levels.append(level)


def _significant(part: str, groups: list[str], scale: float, report: _Report) -> None:
    """Parts B and D: levels of temperature, then after 21212 levels of wind."""
    rest: Iterator[str] = iter(groups)
    winds = False
    for group in rest:
        if group == "21212":
            winds = True
            continue
        if not _SIGNIFICANT.fullmatch(group):
            break
        pressure = _hectopascals(group[2:]) if part == "B" else _number(group[2:]) / 10
        following = next(rest, "")
        if winds:
            u, v = _wind(following, scale)
            report.levels.append(Level(pressure, u=u, v=v))
        else:
            report.levels.append(_temperatures(pressure, following))


def _number(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() else np.nan


def _hectopascals(text: str) -> float:
    """Three digits of a pressure; under 100 the thousand is left out."""
    pressure = _number(text)
    return pressure + 1000 if pressure < 100 else pressure


def _temperatures(pressure: float, group: str) -> Level:
    """TTTDD: tenths of a degree, odd tenths below zero; dew point depression in tenths to 50, above it degrees + 50."""
    temperature = _number(group[:3]) / 10
    if group[2:3] in set("13579"):
        temperature = -temperature
    code = _number(group[3:])
    depression = code / 10 if code <= 50 else code - 50 if code >= 56 else np.nan
    return Level(pressure, temperature=temperature, dew_point=temperature - depression)


def _wind(group: str, scale: float) -> tuple[float, float]:
    """ddfff: tens of degrees; the hundreds of the speed carry another 5 degrees as 500."""
    direction, speed = _number(group[:2]) * 10, _number(group[2:])
    if np.isnan(direction + speed):
        return np.nan, np.nan
    return wind(direction + 5 * (speed >= 500), speed % 500 * scale)


def _height(pressure: float, text: str) -> float:
    """Three digits of a height [m]: metres below the 500 hPa level, else decametres; the thousands are those
    nearest to the standard atmosphere. At 1000 hPa heights below sea level have 500 added."""
    digits = _number(text)
    if np.isnan(digits):
        return np.nan
    if pressure == 1000:
        return digits if digits < 500 else 500 - digits
    step, digits = (10_000.0, digits * 10) if pressure <= 500 else (1000.0, digits)
    return digits + step * round((standard_height(pressure) - digits) / step)


def standard_height(pressure: float) -> float:
    """Height [m] of a pressure [hPa] in the ICAO standard atmosphere (isothermal from 11 to 20 km, then +1 K/km)."""
    if pressure >= 226.32:
        return 44_330.8 * (1 - math.pow(pressure / 1013.25, 0.190263))
    if pressure >= 54.749:
        return 11_000 + 6341.6 * math.log(226.32 / pressure)
    return 20_000 + 216_650 * (math.pow(54.749 / pressure, 1 / 34.1632) - 1)


def recognise_temp(head: bytes) -> bool:
    """Is there a part of a TEMP after at most a few lines of bulletin heading?"""
    return _HEAD.search(head) is not None


FORMAT = schema.Format(
    name="temp-text",
    title_en="TEMP soundings (FM 35 text)",
    title_zh="TEMP 探空报（FM 35 文本）",
    recognise=recognise_temp,
    name_pattern=re.compile(r"(?:^|_)U[A-Z]{3}\d\d[A-Z]{4}\d{6}|(?:^|[_.-])TEMP(?:[_.-]|$)|UPAR_", re.IGNORECASE),
    read=read_temp,
    describe=describe,
    read_dated=read_dated,
)
