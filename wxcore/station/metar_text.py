"""METAR and SPECI in GTS bulletins, through the library metar (BSD).

    SAUS70 KWBC 081400
    METAR
    KMIA 081403Z 16032G45KT 1/2SM +FC +TSRA BR BKN016CB 23/19 A3003 RMK PK WND 15045/0202 P0046=

Layout: WMO-No. 306, Manual on Codes I.1, FM 15 and FM 16; remarks of the United States: FMH-1. Ids are the four letters
of ICAO. Pressure is QNH, that is at sea level. The library sees one report at a time, without forecasts (their gusts
are none) and with no remark but those that are used: on LTG EEEEEEEEEEEEEEEEEEEEEEEEE its patterns run for years.
"""

import re
import warnings
from datetime import UTC, datetime, timedelta

import numpy as np
from metar.Metar import Metar

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
from wxcore.station.reports import CORRECTED, Reports, describe
from wxcore.times import require_utc

TITLE = "METAR"
GUST_MIN = 10.0
"""A gust is of the 10 minutes before the report (FM 15, regulation 15.5.5)."""

PEAK_WINDOW = timedelta(minutes=70)
"""A peak wind is of the time since the last hourly report; one with an older time is a typing error [our choice]."""

TWO_MINUTES = ("K", "PA", "PF", "PG", "PH", "PO", "PP", "TJ")
"""Ids of the United States, whose mean wind is of 2 minutes (FMH-1 [M]); elsewhere of 10 (FM 15)."""

MAX_REPORT = 1500
MAX_GROUP = 20
"""Longest report, and longest group that the library sees [characters, our choice]."""

NO_DATE, TOO_LONG, NOT_DECODED = "no possible day or time", f"longer than {MAX_REPORT} characters", "library gave up"

_REPORT = re.compile(rf"(?<![^\s=])(TAF\s+(?:(?:AMD|COR)\s+)?)?{METAR_START}")
_RECOGNISED = re.compile(
    rb"(?:^|[\n\r=])[\s\x01]*(?:(?:METAR|SPECI)\s+(?:COR\s+)?[A-Z][A-Z0-9]{3}\s+\d{6}Z\s"
    rb"|[A-Z][A-Z0-9]{3}\s+\d{6}Z\s+(?:(?:AUTO|COR)\s+)?(?:NIL\b|(?:\d{3}|VRB|///)[P/\d][/\d]{1,2}(?:G\d{2,3})?(?:KT|MPS|KMH)\s))"
)
_NAME = re.compile(r"^[AZ]_S[AP][A-Z]{2}\d\d[A-Z]{4}\d{6}.*_(?P<sent>\d{14})", re.IGNORECASE)
_FORECAST = re.compile(r"\s(?:TEMPO|BECMG|NOSIG|FCST|INTER)\b.*", re.DOTALL)
_WIND = re.compile(r"(?:[\dO]{3}|VRB|///)(?:P?[\dO]{2,3}|//)(?:GP?(?:\d{2,3}|//))?(?:KTS?|MPS|KMH)")
_REMARK = re.compile(r"(?<!\S)(?:T[01]\d{3}(?:[01]\d{3})?|P\d{4}|PK\s+WND\s+\d{5,6}/\d{2}(?:\d\d)?)(?!\S)")


def read_metar_dated(data: bytes, name: str, reference: datetime) -> Reports:
    """All reports of the bulletins of a file.

    Args:
        data: the whole file; name: its base name, whose time is taken instead of the reference where it has one.
        reference: when the file was published, aware UTC: it decides about month and year.

    Returns:
        wind_speed and direction (2 min, United States) or wind_speed_10min, temperature, dew point (to 0.1 K where a
        remark has it), air_pressure_at_mean_sea_level (QNH), precipitation_1h (remark P, traces are 0), gusts: of the
        10 minutes before the report, or the peak wind of a remark, with its time, where that is larger.
        Positions are not in it (NaN); weather is not translated.

    Raises:
        ReadError: BAD_HEADER without any report, EMPTY, BAD_VALUE.
        LimitError: TOO_LARGE.
        TimeError: the reference is naive.
    """
    reference = require_utc(reference)
    sent = time_of_name(name)
    text = clean_text(data, name)
    harvest = Harvest()
    harvest.note_others(text, "METAR")
    harvest.remarks.append(f"month and year from {'the name' if sent else f'the reference {reference:%Y-%m-%d %H:%M}'}")
    found = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for revision, body in bulletins(text):
            starts = list(_REPORT.finditer(body))
            for at, start in enumerate(starts):
                if start[1]:
                    continue
                found += 1
                end = starts[at + 1].start() if at + 1 < len(starts) else len(body)
                harvest.add(_row(start, body[start.end() : end].partition("=")[0], revision, sent or reference))
    if not found:
        raise ReadError(
            Reason.BAD_HEADER,
            f"{name}: {TITLE}: no report such as ZUCK 081400Z ...",
            f"{name}：{TITLE}：没有 ZUCK 081400Z … 之类的报告",
        )
    return assemble(FORMAT.name, TITLE, name, harvest)


def _row(start: re.Match[str], rest: str, revision: int, reference: datetime) -> Row | str | None:
    """A report, the reason for which it is left out, or None for NIL."""
    if len(rest) > MAX_REPORT:
        return TOO_LONG
    time = newest_date(int(start[5]), int(start[6]), int(start[7]), reference)
    if time is None:
        return NO_DATE
    body, _, remarks = f" {rest} ".partition(" RMK ")
    groups = [group for group in _FORECAST.sub("", body).split() if len(group) <= MAX_GROUP]
    if "NIL" in groups[:2]:
        return None
    wind = next((group for group in groups[:3] if _WIND.fullmatch(group)), None)
    kept = " ".join(match[0] for match in _REMARK.finditer(remarks))
    try:
        report = Metar(
            f"METAR {start[4]} {time:%d%H%M}Z {' '.join(groups)} RMK {kept}", time.month, time.year, strict=False
        )
        row = _decoded(report, start[4], time, wind)
    except Exception:  # noqa: BLE001 (the library raises whatever it likes)
        return NOT_DECODED
    row.revision = max(revision, CORRECTED if start[3] or "COR" in groups[:2] else 0)
    return row


def _decoded(report: Metar, station: str, time: datetime, wind: str | None) -> Row:
    """What the library found. Where no group has a direction, speed and unit it takes visibilities for winds: no wind
    then."""
    pressure = _number(report.press, "HPA")  # Q0000 is written where there is none
    values = {
        "air_temperature": _number(report.temp, "C"),
        "dew_point_temperature": _number(report.dewpt, "C"),
        "air_pressure_at_mean_sea_level": pressure if pressure > 0 else np.nan,
        "precipitation_1h": _number(report.precip_1hr, "IN") * 25.4,
    }
    gusts: list[Gust] = []
    if wind is not None:
        speed, direction = _number(report.wind_speed, "MPS"), _degrees(report.wind_dir)
        mean = "" if station.startswith(TWO_MINUTES) else "_10min"
        values[f"wind_speed{mean}"] = speed
        values[f"wind_from_direction{mean}"] = np.nan if speed == 0 else direction
        gust = _number(report.wind_gust, "MPS")
        if np.isfinite(gust):
            gusts.append(Gust(gust, direction, GUST_MIN))
    peak = _number(report.wind_speed_peak, "KT") * KNOT
    blew = report.peak_wind_time.replace(tzinfo=UTC) if report.peak_wind_time is not None else None
    if np.isfinite(peak) and blew is not None and time - PEAK_WINDOW <= blew <= time:
        gusts.append(Gust(peak, _degrees(report.wind_dir_peak), 60.0, blew))
    return Row(station, time, values, gusts)


def _number(found: object, unit: str) -> float:
    """A value of the library in a unit, NaN where there is none."""
    value = getattr(found, "value", None)
    return float(value(unit)) if callable(value) else np.nan


def _degrees(found: object) -> float:
    """A direction of the library [deg], NaN where there is none."""
    value = getattr(found, "value", None)
    return float(value()) if callable(value) else np.nan


def recognise_metar(head: bytes) -> bool:
    """Does a line of a bulletin begin with a station, time and wind, or METAR or SPECI before them, without SYNOP?"""
    return _RECOGNISED.search(head) is not None and b"AAXX" not in head and is_bulletin(head)


FORMAT = schema.Format(
    name="metar-text",
    title_en="METAR and SPECI bulletin (FM-15, FM-16)",
    title_zh="METAR/SPECI 机场报公报（FM-15、FM-16）",
    recognise=recognise_metar,
    name_pattern=_NAME,
    read=reader_by_name(read_metar_dated),
    describe=describe,
    in_child=True,
    read_dated=read_metar_dated,
)
