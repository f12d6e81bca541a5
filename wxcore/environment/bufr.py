"""Soundings in BUFR (data category 2: templates 309052, 309057 and their kin), decoded by eccodes.

Every subset of a message is an ascent. A level begins where the message has a pressure, and holds what follows it up to
the next one. Times are those of the launch; `nominal_hour` makes the hour of them that people mean.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from wxcore import schema
from wxcore.codes import CHILD_BYTES, eccodes, trouble
from wxcore.environment.build import GRAVITY, MAX_LEVELS, Level, Place, wind
from wxcore.environment.profile import Soundings
from wxcore.environment.texts import YEARS, Found, check_size, describe
from wxcore.errors import ReadError, Reason
from wxcore.times import require_utc

TITLE = "BUFR sounding"
VERTICAL_SOUNDINGS = 2
"""Data category, BUFR table A."""

MAX_MESSAGES, MAX_SUBSETS = 5000, 500
MAX_KEYS = 40 * MAX_LEVELS
"""Most entries of a message that are looked at [our choice]."""

SYNOPTIC_H, LAUNCH_EARLY, LAUNCH_LATE = 6, timedelta(minutes=75), timedelta(minutes=30)
"""Launched so long before or after a synoptic hour (00, 06, 12, 18 UTC), an ascent is meant for it [our choice]."""

UNDECODED, NO_TIME = "message that eccodes does not decode", "no possible date"

_LEVEL_KEYS = (
    "pressure", "nonCoordinateGeopotentialHeight", "geopotentialHeight", "nonCoordinateGeopotential", "geopotential",
    "airTemperature", "dewpointTemperature", "windDirection", "windSpeed",
)  # fmt: skip


def category(message: bytes) -> int | None:
    """Data category of a BUFR message (edition 4: octet 11 of section 1, 2 and 3: octet 9), None where it has none."""
    if len(message) < 19 or message[:4] != b"BUFR":
        return None
    return message[18] if message[7] == 4 else message[16] if message[7] in {2, 3} else None


def read_bufr(data: bytes, name: str) -> Soundings:
    """All soundings of a file; messages of other categories are left.

    Raises:
        ReadError: TRUNCATED where no message is whole; BAD_VALUE where none, or less than half of the soundings, can be
            used.
        LimitError: TOO_LARGE.
    """
    check_size(len(data), name, TITLE)
    found = Found()
    messages = _messages(data)
    if not messages:
        raise ReadError(
            Reason.TRUNCATED,
            f"{name}: {TITLE}: no message that ends with 7777 where its header says: fetch the file again",
            f"{name}：{TITLE}：没有完整的报文（应在所报长度处以 7777 结束），请重新获取文件",
        )
    for message in messages:
        if category(message) == VERTICAL_SOUNDINGS:
            _read_message(message, found)
    return found.soundings(FORMAT.name, TITLE, name)


def _messages(data: bytes) -> list[bytes]:
    """The messages by their declared lengths; one that is cut off is left."""
    messages: list[bytes] = []
    at = data.find(b"BUFR")
    while at >= 0 and len(messages) < MAX_MESSAGES:
        size = int.from_bytes(data[at + 4 : at + 7], "big")
        whole = 8 < size <= len(data) - at and data[at + size - 4 : at + size] == b"7777"
        if whole:
            messages.append(data[at : at + size])
        at = data.find(b"BUFR", at + (size if whole else 4))
    return messages


def _read_message(message: bytes, found: Found) -> None:
    handles: list[int] = []
    try:
        handles.append(eccodes.codes_new_from_message(message))
        eccodes.codes_set(handles[0], "unpack", 1)
        subsets = eccodes.codes_get(handles[0], "numberOfSubsets")
        for subset in range(1, min(subsets, MAX_SUBSETS) + 1):
            if subsets > 1:
                eccodes.codes_set(handles[0], "extractSubset", subset)
                eccodes.codes_set(handles[0], "doExtractSubsets", 1)
                handles.append(eccodes.codes_clone(handles[0]))
                eccodes.codes_set(handles[-1], "unpack", 1)
            place = _place(handles[-1])
            if place is None:
                found.rejected[NO_TIME] += 1
            else:
                found.add(list(_levels(handles[-1])), place)
    except trouble():
        found.rejected[UNDECODED] += 1
    finally:
        for handle in handles:
            eccodes.codes_release(handle)


def _place(handle: int) -> Place | None:
    parts = {key: _first(handle, key) for key in ("year", "month", "day", "hour", "minute")}
    if np.isnan(parts["minute"]):
        parts["minute"] = 0.0
    if any(np.isnan(value) for value in parts.values()) or not YEARS[0] <= parts["year"] <= YEARS[1]:
        return None
    try:
        year, month, day, hour, minute = (int(value) for value in parts.values())
        launch = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    block, number = _first(handle, "blockNumber"), _first(handle, "stationNumber")
    station = "" if np.isnan(block + number) else f"{int(block):02d}{int(number):03d}"
    lat, lon = _first(handle, "latitude"), _first(handle, "longitude")
    inside = -90 <= lat <= 90 and -180 <= lon <= 360
    return Place(nominal_hour(launch), lat if inside else np.nan, lon if inside else np.nan, station or "unknown")


def nominal_hour(launch: datetime) -> datetime:
    """The synoptic hour that a launch is meant for (11:15 for 12 UTC), else the full hour that has begun.

    Raises:
        TimeError: `launch` is naive.
    """
    launch = require_utc(launch)
    midnight = launch.replace(hour=0, minute=0, second=0, microsecond=0)
    for hour in range(0, 25, SYNOPTIC_H):
        nominal = midnight + timedelta(hours=hour)
        if nominal - LAUNCH_EARLY <= launch <= nominal + LAUNCH_LATE:
            return nominal
    return launch.replace(minute=0, second=0, microsecond=0)


def _first(handle: int, key: str) -> float:
    """First value of a key, NaN where it is absent or missing."""
    try:
        return _clean(float(eccodes.codes_get(handle, f"#1#{key}")))
    except trouble():
        return np.nan


def _clean(value: float) -> float:
    missing = {float(eccodes.CODES_MISSING_DOUBLE), float(eccodes.CODES_MISSING_LONG)}
    return np.nan if value in missing else value


def _ranked(handle: int) -> Iterator[tuple[str, int]]:
    """Names and ranks of the level's keys, in the order of the message."""
    iterator = eccodes.codes_bufr_keys_iterator_new(handle)
    try:
        for _ in range(MAX_KEYS):
            if not eccodes.codes_bufr_keys_iterator_next(iterator):
                break
            match = re.fullmatch(r"#(\d+)#(\w+)", eccodes.codes_bufr_keys_iterator_get_name(iterator))
            if match is not None and match[2] in _LEVEL_KEYS:
                yield match[2], int(match[1])
    finally:
        eccodes.codes_bufr_keys_iterator_delete(iterator)


def _levels(handle: int) -> Iterator[Level]:
    rows: list[dict[str, float]] = []
    columns: dict[str, list[float]] = {}
    for key, rank in list(_ranked(handle)):
        if key not in columns:
            columns[key] = [_clean(float(value)) for value in eccodes.codes_get_array(handle, key)]
        values = columns[key]
        # One value for all ranks is how eccodes gives a constant column.
        value = (
            values[rank - 1] if len(values) > 1 or rank == 1 else _clean(eccodes.codes_get(handle, f"#{rank}#{key}"))
        )
        if key == "pressure":
            rows.append({})
        if rows:
            rows[-1].setdefault(key, value)
    for row in rows[:MAX_LEVELS]:
        u, v = wind(row.get("windDirection", np.nan), row.get("windSpeed", np.nan))
        height = row.get("nonCoordinateGeopotentialHeight", row.get("geopotentialHeight", np.nan))
        if np.isnan(height):
            height = row.get("nonCoordinateGeopotential", row.get("geopotential", np.nan)) / GRAVITY
        yield Level(
            round(row["pressure"] / 100, 3), height, row.get("airTemperature", np.nan) - 273.15,
            row.get("dewpointTemperature", np.nan) - 273.15, u, v,
        )  # fmt: skip


def recognise_bufr(head: bytes) -> bool:
    """Is its first message, at most a bulletin's heading from the beginning, of the category of soundings?"""
    at = head.find(b"BUFR", 0, 200)
    return at >= 0 and category(head[at:]) == VERTICAL_SOUNDINGS


FORMAT = schema.Format(
    name="bufr-sounding",
    title_en="BUFR soundings",
    title_zh="BUFR 探空",
    recognise=recognise_bufr,
    name_pattern=re.compile(
        r"(?:^|_)IU[SKJ][A-Z]\d\d[A-Z]{4}\d{6}|UPAR_[^/]*\.bu?fr?$|UPAR_[^/]*\.BIN$", re.IGNORECASE
    ),
    read=read_bufr,
    describe=describe,
    in_child=True,
    memory_bytes=CHILD_BYTES,
)
