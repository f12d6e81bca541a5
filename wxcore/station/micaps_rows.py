"""MICAPS text files: the rows of stations behind the header, and the record of those that are no reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.station.micaps_text import GLUED, LIST_YEAR, Text, clear, floats, station_id
from wxcore.station.reports import Doubles, Floats, Ids
from wxcore.times import BEIJING

FAR_MORE = 2
"""A file with so many times the rows that its header counts is none of ours [our choice]."""

FAR_FEWER = 0.9
"""A file with a smaller part of the rows that its header counts was cut off [our choice]; the real ones that miscount
lack 6 of 1,869 (17033115.000)."""

Columns = tuple[tuple[str, ...], ...]
Place = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""lon, lat [deg], elevation [m]."""

RAGGED, NO_PLACE = "row not understood", "impossible latitude or longitude"


@dataclass(frozen=True)
class Table:
    """Rows of stations: id, place, and all words by column."""

    station: Ids
    lon: Doubles
    lat: Doubles
    elevation: Floats
    words: Columns
    rejected: tuple[tuple[str, int], ...]
    remarks: tuple[str, ...]

    def numbers(self, column: int) -> Floats:
        """(rows,) f4, NaN missing."""
        return clear(floats(self.words[column]))


def decimal_place(words: Columns) -> Place:
    """Of id, lon, lat, elevation."""
    lon, lat, elevation = (floats(words[column]) for column in (1, 2, 3))
    return lon, lat, elevation


def table(
    text: Text, widths: Sequence[int], count: int, place: Callable[[Columns], Place] = decimal_place, tail: bool = False
) -> Table:
    """The rows behind the header.

    Args:
        widths: how many words a row may have, ascending (more are left off where `tail`); count: rows that the header
            tells; place: columns to lon, lat, elevation.

    Raises:
        ReadError: EMPTY, BAD_VALUE where most rows are bad, TRUNCATED where far fewer are there than counted.
    """
    lines = [line for line in text.lines() if line.strip(" \t\0\x1a")]
    if len(lines) > max(FAR_MORE * count, 1):
        raise _refusal(text, 0, len(lines), count)
    cut = text.ends_in_line and len(lines) < count  # its last number may be the beginning of a longer one
    rows: list[list[str]] = []
    for line in lines[: len(lines) - cut]:
        words = line.split()
        if len(words) not in widths and not (tail and len(words) > widths[-1]):
            words = GLUED.sub(" -", line).split()
            if len(words) not in widths:
                continue
        if station_id(words[0]):
            rows.append(words[: widths[0]])
    if not rows:
        raise _refusal(text, 0, len(lines), count)
    columns = tuple(zip(*rows, strict=True))
    lon, lat, elevation = place(columns)
    lon, lat = (np.where(np.abs(axis) == 9999, np.nan, axis) for axis in (lon, lat))
    good = (~(np.abs(lat) > 90)) & (~((lon < -180) | (lon > 360)))
    if not good.all():
        columns = tuple(tuple(np.array(column, dtype=object)[good]) for column in columns)
    rejected = tuple(
        (why, number) for why, number in ((RAGGED, len(lines) - len(rows)), (NO_PLACE, int((~good).sum()))) if number
    )
    kept = int(good.sum())
    if 2 * kept < len(lines) or len(lines) < FAR_FEWER * count:
        raise _refusal(text, kept, len(lines), count)
    lon, lat = lon[good], lat[good]
    ids = np.array([station_id(word) for word in columns[0]], dtype=np.str_)
    lon = np.where(lon > 180, lon - 360, lon)
    remarks = (f"header counts {count} rows, {len(lines)} are there",) if count != len(lines) else ()
    return Table(ids, lon, lat, clear(elevation[good]), columns, rejected, remarks + _shared(ids, lon, lat))


def _refusal(text: Text, kept: int, found: int, count: int) -> ReadError:
    reason = Reason.BAD_VALUE
    if found < FAR_FEWER * count:
        reason = Reason.TRUNCATED
    elif not found:
        reason = Reason.EMPTY
    return ReadError(
        reason,
        f"{text.name}: MICAPS diamond {text.diamond}: {kept} good rows of {found}, header counts {count}: "
        "fetch it again",
        f"{text.name}：MICAPS 第 {text.diamond} 类：{found} 行中 {kept} 行有效，文件头记 {count} 行，请重新获取文件",
    )


def _shared(ids: Ids, lon: Doubles, lat: Doubles) -> tuple[str, ...]:
    """A remark on ids with several rows, and on those whose rows stand at several places (01009: ships and others)."""
    names, first, inverse, counts = np.unique(ids, return_index=True, return_inverse=True, return_counts=True)
    if names.size == ids.size:
        return ()
    away = (np.abs(lon - lon[first][inverse]) > 0.1) | (np.abs(lat - lat[first][inverse]) > 0.1)
    places = np.unique(ids[away])
    shown = f", {places.size} of them at several places ({', '.join(places[:3])})" if places.size else ""
    return (f"{int((counts > 1).sum())} station ids have several rows, the last is the newest{shown}",)


@dataclass(frozen=True)
class Plot:
    """Rows of stations that are no observation of ours: forecasts, upper air, unclear elements, station lists.

    Attributes:
        time: UTC; hours: lead time [h]; level: [hPa] of upper air, else as the header has it (NaN where it has none).
        station, lon, lat, elevation: (n,), as in Reports; values: column -> (n,) f4, NaN missing.
        stations_only: it is a station list.
    """

    format: str
    title: str
    time: datetime
    hours: float
    level: float
    station: Ids
    lon: Doubles
    lat: Doubles
    elevation: Floats
    values: dict[str, Floats]
    rejected: tuple[tuple[str, int], ...] = ()
    simulated: bool = False
    remarks: tuple[str, ...] = field(default=())
    stations_only: bool = False


def make_plot(
    text: Text, rows: Table, values: dict[str, Floats], time: datetime, hours: float = 0, level: float = np.nan,
    remarks: tuple[str, ...] = (), stations_only: bool = False,
) -> Plot:  # fmt: skip
    """The record of what was read."""
    return Plot(
        f"micaps-{text.diamond}", text.title, time, hours, level, rows.station, rows.lon, rows.lat, rows.elevation,
        values, rows.rejected, text.simulated, remarks + rows.remarks, stations_only,
    )  # fmt: skip


def describe_plot(native: Any) -> schema.Description:
    """Always kind "product": never an input of a cycle."""
    assert isinstance(native, Plot)
    rows = f"{native.station.size} rows of {np.unique(native.station).size} stations: {native.title[:60]}"
    a_list = ("a station list: take it in by `wx stations import`",) if native.stations_only else ()
    rejected = tuple(f"{count} rows left out: {why}" for why, count in native.rejected)
    return schema.Description(
        "product", "", native.time, 0, tuple(native.values), (rows, *a_list, *rejected, *native.remarks)
    )


def scatter(text: Text) -> Plot:
    """Diamond 3: stations with the values of one or more elements, of which the header does not say what they are."""
    when, remarks = text.observed()
    level = text.number("level")
    text.take(text.count("number of contours", 10_000), "contours")
    text.number("smoothing")
    text.number("bold contour")
    text.take(2 * text.count("points of the boundary", 100_000), "boundary")
    elements = text.count("number of elements", 100, low=1)
    rows = table(text, [4 + elements], text.count("number of rows", 10**8))
    names = ["value"] if elements == 1 else [f"value{number}" for number in range(1, elements + 1)]
    values = {name: rows.numbers(4 + column) for column, name in enumerate(names)}
    is_list = when.astimezone(BEIJING).year == LIST_YEAR
    return make_plot(text, rows, values, when, level=level, remarks=() if is_list else remarks, stations_only=is_list)
