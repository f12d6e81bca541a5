"""SYNOP of land stations (FM-12, AAXX) in GTS bulletins, through the library pymetdecoder (MIT).

    SMRO01 YRBK 211200
    AAXX 21121
    15015 02999 02501 10103 21090 39765 42952 57020 60001 333 4/000 60007 91003 91104=

Layout: WMO-No. 306, Manual on Codes I.1, FM 12. A report tells day and hour; its wind is a mean of 10 minutes, in the
unit that AAXX YYGGi tells (i 0 or 1 m/s, 3 or 4 knots; without it there is no wind). Positions are not in it.
The library reads sections 0, 1 and 3 of one report at a time; gust groups are read here, since it gives up the rest of
section 3 at 00fff (a gust of 99 units or more), or at a group it does not know.
"""

import re
import warnings
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from pymetdecoder.synop import SYNOP  # type: ignore[import-untyped]

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.station.bulletin import (
    KNOT,
    METAR_START,
    Gust,
    Harvest,
    Row,
    assemble,
    bulletins,
    clean_text,
    is_bulletin,
    newest_date,
    reader_by_name,
    time_of_name,
)
from wxcore.station.reports import Reports, describe
from wxcore.times import require_utc

TITLE = "SYNOP"
MAX_REPORT = 1500
"""Longest report [characters, our choice]: one with every group has about 600."""

NO_NUMBER, NO_DATE, TOO_LONG = "no station number", "no possible day or hour", f"longer than {MAX_REPORT} characters"
NOT_DECODED = "library gave up"

_SECTION = re.compile(r"\b(?:(BBXX|OOXX)|AAXX\s+(\d\d)(\d\d)([0-9/])(?=\s))")
_RECOGNISED = re.compile(rb"(?:^|[\n\r=])[\s\x01]*AAXX\s+\d{4}[0-9/]\s+\d{5}\s", re.IGNORECASE)
_OTHER_KIND = re.compile(rf"(?:^|=)\s*(?:(?:METAR|SPECI|TAF|(?:TT|PP)(?:AA|BB|CC|DD))\s|{METAR_START})", re.MULTILINE)
_NAME = re.compile(r"^[AZ]_S[MNI][A-Z]{2}\d\d[A-Z]{4}\d{6}.*_(?P<sent>\d{14})", re.IGNORECASE)
_ELEMENTS = {
    "air_temperature": "air_temperature", "dewpoint_temperature": "dew_point_temperature",
    "relative_humidity": "relative_humidity", "station_pressure": "air_pressure",
    "sea_level_pressure": "air_pressure_at_mean_sea_level",
}  # fmt: skip
_UNITS = {"0": 1.0, "1": 1.0, "3": KNOT, "4": KNOT}


def read_synop_dated(data: bytes, name: str, reference: datetime) -> Reports:
    """All land stations of the bulletins of a file.

    Args:
        data: the whole file; name: its base name, whose time is taken instead of the reference where it has one.
        reference: when the file was published, aware UTC: it decides about month and year.

    Returns:
        wind_speed_10min [m s-1] and its direction, temperature, dew point, pressures, precipitation_1h (only where a
        group says "one hour"), present weather of table 4677 (that of automatic stations, 4680, is left out), gusts.
        lat, lon, elevation NaN. `revision` of CCA is 1, of CCB 2.

    Raises:
        ReadError: BAD_HEADER without any AAXX, EMPTY, BAD_VALUE.
        LimitError: TOO_LARGE.
        TimeError: the reference is naive.
    """
    reference = require_utc(reference)
    sent = time_of_name(name)
    text = clean_text(data, name)
    harvest = Harvest()
    harvest.note_others(text, "SYNOP")
    harvest.remarks.append(f"month and year from {'the name' if sent else f'the reference {reference:%Y-%m-%d %H:%M}'}")
    others = sections = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for revision, body in bulletins(text):
            for found, reports in _sections(_OTHER_KIND.split(body, maxsplit=1)[0]):
                sections += 1
                if found[1]:
                    others += len(reports)
                    continue
                for report in reports:
                    harvest.add(_row(report, found, revision, sent or reference))
    if not sections:
        raise ReadError(
            Reason.BAD_HEADER,
            f"{name}: {TITLE}: no group AAXX YYGGi, which begins the reports of land stations",
            f"{name}：{TITLE}：没有陆地站报告的起始组 AAXX YYGGi",
        )
    if others:
        harvest.remarks.append(f"{others} reports of ships or mobile stations are not read")
    return assemble(FORMAT.name, TITLE, name, harvest)


def _sections(body: str) -> list[tuple[re.Match[str], list[list[str]]]]:
    """What begins the sections of a bulletin, and the groups of each of their reports."""
    starts = list(_SECTION.finditer(body))
    found = []
    for at, start in enumerate(starts):
        end = starts[at + 1].start() if at + 1 < len(starts) else len(body)
        found.append((start, [report.split() for report in body[start.end() : end].split("=") if report.strip()]))
    return found


def _row(groups: list[str], found: re.Match[str], revision: int, reference: datetime) -> Row | str | None:
    """A report, the reason for which it is left out, or None for NIL."""
    if not re.fullmatch(r"\d{5}", groups[0]):
        return NO_NUMBER
    if groups[1:2] == groups[:1]:  # an operator's repetition, as of 78370 in a Cuban bulletin
        groups = groups[1:]
    if groups[1:2] == ["NIL"] or len(groups) == 1:
        return None
    if sum(map(len, groups)) > MAX_REPORT:
        return TOO_LONG
    time = newest_date(int(found[2]), int(found[3]), 0, reference)
    if time is None:
        return NO_DATE
    head = f"AAXX {found[2]}{found[3]}{found[4]}"
    data = _decode(head, groups) or _decode(head, _until(groups, ("222", "333", "444", "555")))
    if data is None:
        return NOT_DECODED
    factor = _UNITS.get(found[4], np.nan)
    row = Row(groups[0], _exact(data, time), _values(data, factor), revision=revision)
    if "333" in groups:
        row.gusts = _gusts(_until(groups[groups.index("333") + 1 :], ("444", "555")), time.hour, factor)
    return row


def _until(groups: list[str], ends: tuple[str, ...]) -> list[str]:
    """The groups before the first one that begins another section (222 has two more digits)."""
    for at, group in enumerate(groups):
        if at and group[:3] in ends and (len(group) == 3 or group.startswith("222")):
            return groups[:at]
    return groups


def _decode(head: str, groups: list[str]) -> dict[str, Any] | None:
    """What the library makes of one report, None where it fails: it raises whatever it likes, and may call sys.exit."""
    try:
        data: dict[str, Any] = SYNOP().decode(" ".join([head, *groups]))
    except (Exception, SystemExit):  # noqa: BLE001
        return None
    return data


def _number(data: dict[str, Any], *path: str) -> float:
    """A number in nested dicts of the library, NaN where any of them is missing."""
    found: Any = data
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) else np.nan


def _exact(data: dict[str, Any], nominal: datetime) -> datetime:
    """The time of observation: of the group 9GGgg where it is within 90 minutes of the nominal one."""
    hour, minute = (_number(data, "exact_obs_time", key, "value") for key in ("hour", "minute"))
    if not (hour <= 23 and minute <= 59):
        return nominal
    exact = nominal.replace(hour=int(hour), minute=int(minute))
    near = min((exact + timedelta(days=days) for days in (-1, 0, 1)), key=lambda time: abs(time - nominal))
    return near if abs(near - nominal) <= timedelta(minutes=90) else nominal


def _values(data: dict[str, Any], factor: float) -> dict[str, float]:
    """Elements of sections 1 and 3, without gusts. `factor`: wind unit [m s-1], NaN unknown."""
    values = {ours: _number(data, theirs, "value") for theirs, ours in _ELEMENTS.items()}
    speed = _number(data, "surface_wind", "speed", "value") * factor
    calm = speed == 0
    values["wind_speed_10min"] = speed
    values["wind_from_direction_10min"] = np.nan if calm else _number(data, "surface_wind", "direction", "value")
    for key in ("precipitation_s1", "precipitation_s3"):
        if _number(data, key, "time_before_obs", "value") == 1:
            values["precipitation_1h"] = _number(data, key, "amount", "value")
    weather = data.get("present_weather")
    if isinstance(weather, dict) and weather.get("_table") == "4677":
        values["present_weather"] = _number(weather, "value")
    return values


def _gusts(groups: list[str], hour: int, factor: float) -> list[Gust]:
    """Gust groups of section 3: 910ff of the last 10 minutes, 911ff of the period of 907tt or of past weather (6 h at
    00, 06, 12, 18 UTC, 3 h at 03, 09 ..., else 1 h: regulation 12.2.6.6.1), 00fff where ff is 99, 915dd direction."""
    default = 360.0 if hour % 6 == 0 else 180.0 if hour % 3 == 0 else 60.0
    period = default
    gusts: list[Gust] = []
    for at, group in enumerate(groups):
        if not re.fullmatch(r"9(?:07|10|11)\d\d", group):
            continue
        number = int(group[3:])
        if group.startswith("907"):
            period = _minutes(number, default)
            continue
        rest = groups[at + 1 : at + 3]
        if number == 99 and rest and re.fullmatch(r"00\d{3}", rest[0]):
            number, rest = int(rest[0][2:]), rest[1:]
        turned = re.fullmatch(r"915(\d\d)", rest[0]) if rest else None
        direction = float(turned[1]) * 10 if turned and 1 <= int(turned[1]) <= 36 else np.nan
        if not np.isnan(factor):
            gusts.append(Gust(number * factor, direction, 10.0 if group.startswith("910") else period))
    return gusts


def _minutes(code: int, default: float) -> float:
    """Code table 4077: 0 to 60 are units of 6 minutes, 61 ... 66 are up to 7 ... 12 hours, 67 up to 18, 68 more."""
    if code <= 60:
        return max(6.0 * code, 6.0)
    return {67: 1080.0, 68: 1440.0}.get(code, 60.0 * (code - 54) if code <= 66 else default)


def recognise_synop(head: bytes) -> bool:
    """Does a line of a bulletin begin with a group AAXX YYGGi, with a station number after it?"""
    return _RECOGNISED.search(head) is not None and is_bulletin(head)


FORMAT = schema.Format(
    name="synop-text",
    title_en="SYNOP bulletin (FM-12)",
    title_zh="SYNOP 地面报公报（FM-12）",
    recognise=recognise_synop,
    name_pattern=_NAME,
    read=reader_by_name(read_synop_dated),
    describe=describe,
    in_child=True,
    read_dated=read_synop_dated,
)
