"""MICAPS diamonds 4 (scalar on a grid), 11 (wind on a grid) and 14 (lines and symbols of a forecaster).

Header of 4 and 11: date, hour, lead time [h], level, steps in lon and lat, first and last lon, first and last lat,
number of lon and lat; 4 adds interval, lowest and highest of its contours, smoothing and a bold value. Values follow in
rows of constant latitude from the first one on, so a negative step means north to south; 11 has all of u, then all of
v. Read from nine real files. They are products: truth or a forecast to look at, never an input of a cycle.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from wxcore import schema
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.station.micaps_text import NAME, NUMBER, Text, clear, floats, recogniser
from wxcore.station.reports import Doubles, Floats

MAX_SIDE, MAX_CELLS = 10_000, 2**22
"""Largest grid [our choice]: the globe at 0.125 deg has 4.15 million points."""

MAX_POINTS = 100_000
"""Most points of a line, and most lines of a section [our choice]: real ones have 300 and 35."""


@dataclass(frozen=True)
class Field:
    """A grid of diamond 4 ("value") or 11 ("u", "v" [m/s]).

    Attributes:
        time: UTC, of the observation or the model's start; hours: lead time [h]; level: as the header has it,
            mostly hPa.
        lat, lon: [deg] ascending; values: name -> (lat, lon) f4, NaN missing, row 0 south; units are not told.
    """

    format: str
    title: str
    time: datetime
    hours: float
    level: float
    lat: Doubles
    lon: Doubles
    values: dict[str, Floats]
    simulated: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of diamond 14.

    Attributes:
        section: LINES, LINES_SYMBOL, CLOSED_CONTOURS or WEATHER_REGION; code: kind of the line (0: trough line) or of
            the weather, 0 where the section has none; width: as drawn, NaN where the section has none.
        lon, lat: [deg]; label: "" where there is none.
    """

    section: str
    code: int
    width: float
    lon: Doubles
    lat: Doubles
    label: str


@dataclass(frozen=True)
class Symbol:
    """A symbol of diamond 14: code of its kind, place [deg], and what stands beside it."""

    code: int
    lon: float
    lat: float
    text: str


@dataclass(frozen=True)
class Drawing:
    """Lines and symbols; `sections` counts what every section says it has, also those that are not read."""

    format: str
    title: str
    time: datetime
    hours: float
    lines: tuple[Line, ...]
    symbols: tuple[Symbol, ...]
    sections: dict[str, int]
    remarks: tuple[str, ...] = ()


def read_scalar(data: bytes, name: str) -> Field:
    """Diamond 4.

    Raises:
        ReadError: BAD_HEADER, TRUNCATED, BAD_VALUE; LimitError: TOO_LARGE.
    """
    return _field(Text(data, name), ("value",), contours=5)


def read_wind(data: bytes, name: str) -> Field:
    """Diamond 11.

    Raises:
        ReadError: BAD_HEADER, TRUNCATED, BAD_VALUE; LimitError: TOO_LARGE.
    """
    return _field(Text(data, name), ("u", "v"), contours=0)


def _field(text: Text, names: tuple[str, ...], contours: int) -> Field:
    when, remarks = text.observed()
    hours, level = text.number("lead time"), text.number("level")
    step_lon, step_lat = (text.number(what, -90, 90) for what in ("step of longitude", "step of latitude"))
    west, east = (text.number(what, -360, 720) for what in ("first longitude", "last longitude"))
    first, last = (text.number(what, -90, 90) for what in ("first latitude", "last latitude"))
    columns, rows = (text.count(what, MAX_SIDE, low=2) for what in ("number of longitudes", "number of latitudes"))
    for _ in range(contours):
        text.number("contours")
    lon = _axis(text, "longitude", west, east, step_lon, columns)
    lat = _axis(text, "latitude", first, last, step_lat, rows)
    cells = rows * columns
    if cells > MAX_CELLS:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{text.name}: MICAPS grid of {rows} x {columns}, at most {MAX_CELLS} points are read",
            f"{text.name}：MICAPS 格点 {rows} x {columns}，上限 {MAX_CELLS} 点",
        )
    words = " ".join(text.lines()).split(None, cells * len(names))
    if len(words) > cells * len(names) and words[-1].strip("\0\x1a "):
        remarks = (*remarks, "more values than the grid has points: the rest is left out")
    numbers = floats(words[: cells * len(names)])
    values, bad = clear(numbers), int((~np.isfinite(numbers)).sum())
    if values.size < cells * len(names):
        raise ReadError(
            Reason.TRUNCATED,
            f"{text.name}: MICAPS grid: {values.size} values of {rows} x {columns} x {len(names)}: fetch it again",
            f"{text.name}：MICAPS 格点数据 {values.size} 个，应为 {rows} x {columns} x {len(names)}，请重新获取文件",
        )
    if 2 * bad > numbers.size:
        raise ReadError(
            Reason.BAD_VALUE,
            f"{text.name}: MICAPS grid: {bad} of {numbers.size} values are no numbers: fetch it again",
            f"{text.name}：MICAPS 格点数据 {numbers.size} 个中 {bad} 个不是数字，请重新获取文件",
        )
    planes = values.reshape(len(names), rows, columns)[:, :: 1 if step_lat > 0 else -1, :: 1 if step_lon > 0 else -1]
    return Field(
        f"micaps-{text.diamond}", text.title, when, hours, level, lat, lon,
        {key: np.ascontiguousarray(plane) for key, plane in zip(names, planes, strict=True)}, text.simulated,
        (*remarks, f"{bad} values are no numbers") if bad else remarks,
    )  # fmt: skip


def _axis(text: Text, what: str, first: float, last: float, step: float, count: int) -> Doubles:
    """Ascending coordinates; first, last and count are believed, the step (rounded in some files) is compared."""
    away = abs(first + step * (count - 1) - last)
    if step == 0 or (last - first) * step <= 0 or away > abs(step):
        raise text.bad_header(
            what, f"{first:g} to {last:g} by {step:g} in {count} points", "a step of that sign and size"
        )
    return np.linspace(min(first, last), max(first, last), count)


SECTION = re.compile(r"\s*([A-Za-z]+(?:_[A-Za-z]+)+|LINES|SYMBOLS|FILLAREA)\s*:?\s*(\d{0,6})\s*")
LINE_HEADS = {"LINES": 1, "CLOSED_CONTOURS": 1, "LINES_SYMBOL": 2, "WEATHER_REGION": 1}
"""Sections that are lines, and how many numbers come before the number of points: width; code and width; code."""


def read_drawing(data: bytes, name: str) -> Drawing:
    """Diamond 14: contours, troughs, symbols. Filled areas, notes and coloured copies of lines are counted only.

    Raises:
        ReadError: BAD_HEADER, BAD_VALUE, TRUNCATED; LimitError: TOO_LARGE.
    """
    text = Text(data, name)
    when, remarks = text.observed()
    hours = text.number("lead time")
    counts: dict[str, int] = {}
    bodies: dict[str, list[str]] = {}
    body: list[str] = []
    for row in text.lines():
        match = SECTION.fullmatch(row)
        if match is None or match[1] in counts:
            body.append(row)
            continue
        counts[match[1]], body = int(match[2] or 0), []
        bodies[match[1]] = body
    if not counts:
        raise text.bad_header("sections", "none", "LINES, LINES_SYMBOL, SYMBOLS ...")
    lines = tuple(
        line for key in LINE_HEADS if key in counts for line in _section_lines(text, key, bodies[key], counts[key])
    )
    symbols = _symbols(text, bodies.get("SYMBOLS", []), counts.get("SYMBOLS", 0))
    unread = tuple(f"{counts[key]} of {key} not read" for key in counts if counts[key] and key not in _READ)
    return Drawing(f"micaps-{text.diamond}", text.title, when, hours, lines, symbols, counts, (*remarks, *unread))


_READ = {*LINE_HEADS, "SYMBOLS"}


class _Words:
    """The words of a section, taken one after the other."""

    def __init__(self, text: Text, section: str, body: list[str]) -> None:
        self._text, self._section = text, section
        self._words, self._at = " ".join(body).split(), 0

    def take(self, count: int) -> list[str]:
        self._at += count
        if self._at > len(self._words):
            raise _cut_off(self._text, self._section)
        return self._words[self._at - count : self._at]

    def number(self) -> float:
        (word,) = self.take(1)
        if NUMBER.fullmatch(word) is None:
            raise self._bad(word)
        return float(word)

    def count(self) -> int:
        (word,) = self.take(1)
        if not (word.isascii() and word.isdecimal() and len(word) < 7 and int(word) <= MAX_POINTS):
            raise self._bad(word)
        return int(word)

    def points(self, count: int) -> tuple[Doubles, Doubles]:
        """lon, lat of x, y, z triples; z is 0, or 1 where a line begins."""
        table = floats(self.take(3 * count)).reshape(count, 3)
        if not (np.abs(table[:, 0]) <= 720).all() or not (np.abs(table[:, 1]) <= 90).all():
            raise self._bad("a point off the globe")
        return table[:, 0], table[:, 1]

    def _bad(self, found: str) -> ReadError:
        return ReadError(
            Reason.BAD_VALUE,
            f"{self._text.name}: MICAPS {self._section}: {found[:30]!r} in place of a number or point: fetch it again",
            f"{self._text.name}：MICAPS {self._section} 中 {found[:30]!r} 不是有效数字或坐标，请重新获取文件",
        )


def _cut_off(text: Text, section: str) -> ReadError:
    return ReadError(
        Reason.TRUNCATED,
        f"{text.name}: MICAPS {section} ends before all of it is there: fetch it again",
        f"{text.name}：MICAPS {section} 数据不完整，请重新获取文件",
    )


def _section_lines(text: Text, section: str, body: list[str], count: int) -> list[Line]:
    if count > MAX_POINTS:
        raise text.bad_header(section, f"{count}", f"{MAX_POINTS} at most")
    words, found = _Words(text, section, body), []
    for _ in range(count):
        head = [words.number() for _ in range(LINE_HEADS[section])]
        lon, lat = words.points(words.count())
        label = ""
        if section != "WEATHER_REGION":
            (label,) = words.take(1)
            words.points(words.count())
        code = 0 if LINE_HEADS[section] == 1 and section != "WEATHER_REGION" else int(np.clip(head[0], -1e9, 1e9))
        width = np.nan if section == "WEATHER_REGION" else head[-1]
        found.append(Line(section, code, width, lon, lat, "" if label == "NoLabel" else label))
    return found


def _symbols(text: Text, body: list[str], count: int) -> tuple[Symbol, ...]:
    """One a line: code, x, y, z, and a value or a text."""
    rows = [row.split(None, 4) for row in body if row.strip()]
    if len(rows) < count:
        raise _cut_off(text, "SYMBOLS")
    found = []
    for row in rows[:count]:
        words = _Words(text, "SYMBOLS", row[:4])
        code = words.number()
        lon, lat = words.points(1)
        found.append(Symbol(int(np.clip(code, -1e9, 1e9)), float(lon[0]), float(lat[0]), " ".join(row[4:]).strip()))
    return tuple(found)


def describe(native: Any) -> schema.Description:
    """Always kind "product": never an input of a cycle."""
    assert isinstance(native, Field | Drawing)
    if isinstance(native, Field):
        south, north, west, east = native.lat[0], native.lat[-1], native.lon[0], native.lon[-1]
        what = f"{native.lat.size} x {native.lon.size} points, lat {south:g} to {north:g}, lon {west:g} to {east:g}"
        level = f", level {native.level:g}"
        moments = tuple(native.values)
    else:
        what, level, moments = f"{len(native.lines)} lines, {len(native.symbols)} symbols", "", ()
    head = f"{native.title[:60] or 'no title'}: {what}{level}, lead time {native.hours:g} h"
    return schema.Description("product", "", native.time, 0, moments, (head, *native.remarks))


def _format(diamond: int, english: str, chinese: str, read: Callable[[bytes, str], Any]) -> schema.Format:
    return schema.Format(
        name=f"micaps-{diamond}",
        title_en=f"MICAPS {english}, text (diamond {diamond})",
        title_zh=f"MICAPS {chinese}（第 {diamond} 类）",
        recognise=recogniser(diamond),
        name_pattern=NAME,
        read=read,
        describe=describe,
        in_child=True,
    )


FORMATS = (
    _format(4, "scalar grid", "格点数据", read_scalar),
    _format(11, "wind grid", "格点矢量数据", read_wind),
    _format(14, "lines and symbols", "编辑图元数据", read_drawing),
)
