"""Lists of stations: no reports, and told as what they are (`wx stations import` takes them)."""

import re

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.schema import Description
from wxcore.station.heads import is_foreign

_LATITUDE, _LONGITUDE = re.compile(r"\b(lat|latitude)\b|纬度"), re.compile(r"\b(lon|long|longitude|lng)\b|经度")
_ID = re.compile(r"\b(id|ids|stid|station|stationid|logger|wmoid|icao)\b|站号|站点编号")
_REPORT = re.compile(
    r"\b(time|date|year|mon|month|hour|day|min|minute|datetime|obstime|timestamp|utc|valid|gust|wind|win|current|peak"
    r"|magnitude|mag|speed|tem|temp|temperature|rain|precipitation|pressure|depth|event|antenna|outline)\b|时间|日期|年|观测(?!场)|风|雨|气温|时次"
)
"""A table with one of these is one of reports, events, strokes, radars or districts and not of stations."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")
_SPAN = re.compile(r"\bvalid (?:from|to)\b")
"""Columns of our own table."""
_NAMES = re.compile(r"\A(?:\d{5} \S+ \S+\r?\n){5}")
"""Lines of a station's number, province and county."""


def recognise_list(head: bytes) -> bool:
    """Does a table begin whose columns tell id and place, and no time or weather, or one of numbers and names?"""
    text = _text(head)
    first = _WORD.sub(" ", text.split("\n", 1)[0]).lower()
    separated = first.count(",") + first.count("\t") >= 2 and not is_foreign(head)
    first = _SPAN.sub(" ", first)
    told = all(column.search(first) for column in (_LATITUDE, _LONGITUDE, _ID))
    return bool(separated and told and not _REPORT.search(first)) or _NAMES.match(text) is not None


def _text(head: bytes) -> str:
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        early = error.start < len(head) - 4
        return head.decode("gbk" if early else "utf-8-sig", errors="replace")


def read_list(data: bytes, name: str) -> Description:
    """Refuse: a list is imported, not ingested.

    Raises:
        ReadError: UNSUPPORTED, always.
    """
    lines = data.count(b"\n")
    raise ReadError(
        Reason.UNSUPPORTED,
        f"{name}: a list of stations ({lines} lines), no reports: `wx stations import {name} --region R` takes it",
        f"{name}：站点表（{lines} 行），不是观测报文：请用 wx stations import {name} --region 区域 导入",
    )


def _describe(native: Description) -> Description:
    return native


FORMAT = schema.Format(
    name="station-list",
    title_en="List of stations",
    title_zh="站点表",
    recognise=recognise_list,
    name_pattern=re.compile(r"^stations\.csv$", re.IGNORECASE),
    read=read_list,
    describe=_describe,
)
