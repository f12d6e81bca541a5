"""BUFR of land stations (data category 0), editions 3 and 4, through eccodes.

Messages may stand one after another, with GTS headings or other text between them. Read by the meaning of descriptors,
not by template: 307080 (SYNOP), 307091, 307092 and 307096 (hourly and one-minute data), national ones. A wind, a gust
or a precipitation belongs to the time period that was told last (WMO-No. 306, Manual on Codes I.2).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from wxcore import schema
from wxcore.codes import CHILD_BYTES, eccodes, trouble
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.station.bulletin import Gust, Harvest, Row, assemble, check_size
from wxcore.station.reports import Doubles, Reports, describe
from wxcore.times import YEARS

TITLE = "BUFR"
MAX_BYTES = 64 * 2**20
MAX_SUBSETS, MAX_MESSAGES, MAX_KEYS = 20_000, 20_000, 400_000
"""Most subsets and messages of a file, and keys of a message [our choice]: national minute data are 3,000 stations a
message. What is decoded before is bounded by the child's memory and time (landing.guard)."""

HEADING = 400
"""Most bytes of a GTS heading before the first message [our choice]."""

KELVIN = 273.15
SURFACE_LAND = 0
"""Data category (BUFR table A): surface data, land. Soundings are 2."""

NO_PLACE, NO_TIME, BROKEN = "no station number", "no possible time", "message not decoded"

_PLAIN = {
    "airTemperature": ("air_temperature", 1.0, -KELVIN), "dewpointTemperature": ("dew_point_temperature", 1.0, -KELVIN),
    "relativeHumidity": ("relative_humidity", 1.0, 0.0), "nonCoordinatePressure": ("air_pressure", 0.01, 0.0),
    "pressureReducedToMeanSeaLevel": ("air_pressure_at_mean_sea_level", 0.01, 0.0),
}  # fmt: skip
"""Key of eccodes -> element, factor, offset; the first value of a subset that is not missing is taken."""

_RAIN = "totalPrecipitationOrTotalWaterEquivalent"
_NUMBERS = frozenset({
    *_PLAIN, _RAIN, "totalPrecipitationPast1Hour", "year", "month", "day", "hour", "minute", "latitude", "longitude",
    "blockNumber", "stationNumber", "heightOfStationGroundAboveMeanSeaLevel", "heightOfStation",
    "wigosIdentifierSeries", "wigosIssuerOfIdentifier", "wigosIssueNumber", "presentWeather", "timePeriod",
    "windDirection", "windSpeed", "maximumWindGustSpeed", "maximumWindGustDirection",
})  # fmt: skip
_TEXTS = frozenset({"wigosLocalIdentifierCharacter"})
_WANTED = _NUMBERS | _TEXTS
_MINUTES = {"h": -60.0, "min": -1.0, "s": -1 / 60}
_WINDS = {1: "", 2: "", 10: "_10min"}


@dataclass
class _Subset:
    """What one station says, as far as it was walked through: first values, and those that belong to a period."""

    first: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    period_min: float = np.nan
    direction: float = np.nan
    gust_direction: float = np.nan
    winds: dict[str, tuple[float, float]] = field(default_factory=dict)
    gusts: list[Gust] = field(default_factory=list)
    rain: dict[int, float] = field(default_factory=dict)

    def take(self, key: str, value: float | str, minutes: float) -> None:
        """One value, NaN where missing. `minutes`: of a unit of `timePeriod`, negative as BUFR counts backwards."""
        if isinstance(value, str):
            if re.fullmatch(r"[A-Z0-9_-]{1,16}", value):
                self.texts.setdefault(key, value)
        elif key == "timePeriod":
            self.period_min = value * minutes
        elif key == "windDirection":
            self.direction = value
        elif key == "maximumWindGustDirection":
            self.gust_direction = value
        elif np.isfinite(value):
            self._keep(key, value)

    def _keep(self, key: str, value: float) -> None:
        if key == "windSpeed":
            minutes = 10 if np.isnan(self.period_min) else round(self.period_min)
            if minutes in _WINDS:
                self.winds.setdefault(_WINDS[minutes], (value, np.nan if value == 0 else self.direction))
        elif key == "maximumWindGustSpeed":
            if self.period_min > 0:
                self.gusts.append(Gust(value, self.gust_direction, self.period_min))
        elif key == _RAIN:
            if self.period_min in (1, 60):
                self.rain.setdefault(round(self.period_min), max(value, 0.0))  # -0.1 is a trace
        else:
            self.first.setdefault(key, value)

    def row(self, revision: int) -> Row | str | None:
        """The report, the reason for which it is left out, or None for a subset that is all missing."""
        if not self.first and not self.texts:
            return None
        get = self.first.get
        station = self._station()
        if not station:
            return NO_PLACE
        try:
            year, month, day, hour = (round(self.first[key]) for key in ("year", "month", "day", "hour"))
            time = datetime(year, month, day, hour, round(get("minute", 0)), tzinfo=UTC)
        except (KeyError, ValueError):
            return NO_TIME
        if not YEARS[0] <= time.year <= YEARS[1]:
            return NO_TIME
        values = {ours: get(key, np.nan) * factor + offset for key, (ours, factor, offset) in _PLAIN.items()}
        past = get("totalPrecipitationPast1Hour")
        values["precipitation_1h"] = self.rain.get(60, np.nan) if past is None else max(past, 0.0)
        values["precipitation_1min"] = self.rain.get(1, np.nan)
        weather = get("presentWeather", np.nan)
        values["present_weather"] = weather if weather < 100 else np.nan
        for mean, (speed, direction) in self.winds.items():
            values |= {f"wind_speed{mean}": speed, f"wind_from_direction{mean}": direction}
        elevation = get("heightOfStationGroundAboveMeanSeaLevel", get("heightOfStation", np.nan))
        lat, lon = get("latitude", np.nan), get("longitude", np.nan)
        return Row(station, time, values, self.gusts, lat, lon, elevation, revision)

    def _station(self) -> str:
        """Block and station number; else the WIGOS id: 0-20000-0-15015 is 15015, others as a whole; "" none."""
        block, number = self.first.get("blockNumber"), self.first.get("stationNumber")
        if block is not None and number is not None and number < 1000:
            return f"{round(block):02d}{round(number):03d}"
        local = self.texts.get("wigosLocalIdentifierCharacter", "")
        parts = [self.first.get(f"wigos{key}") for key in ("IdentifierSeries", "IssuerOfIdentifier", "IssueNumber")]
        if not local or None in parts:
            return ""
        series, issuer, issue = (round(part) for part in parts if part is not None)
        return local if (series, issue) == (0, 0) and issuer == 20000 else f"{series}-{issuer}-{issue}-{local}"


@dataclass(frozen=True)
class _Message:
    """Sections 0, 1 and 3 of a message, read without eccodes, and its bytes."""

    data: bytes
    category: int
    update: int
    subsets: int
    compressed: bool


def _message(data: bytes, at: int) -> _Message | str:
    """The message that begins at a byte, or what is wrong with it."""
    edition = data[at + 7 : at + 8]
    if edition not in (b"\x03", b"\x04"):
        return "edition is not 3 or 4"
    body = data[at : at + int.from_bytes(data[at + 4 : at + 7], "big")]
    update, flag, category = (14, 15, 16) if edition == b"\x03" else (16, 17, 18)
    section = 8 + int.from_bytes(body[8:11], "big")
    if section < 25 or len(body) < section + 7 or not body.endswith(b"7777"):
        return "message cut off"
    if body[flag] & 0x80:
        section += int.from_bytes(body[section : section + 3], "big")
    if len(body) < section + 7:
        return "message cut off"
    subsets, compressed = int.from_bytes(body[section + 4 : section + 6], "big"), bool(body[section + 6] & 0x40)
    if not compressed and subsets > 8 * len(body):
        return "more subsets than bits"
    return _Message(body, body[category], 0 if body[update] == 255 else min(body[update], 99), subsets, compressed)


def read_bufr_surface(data: bytes, name: str) -> Reports:
    """Reports of land stations in all messages of a file; other data categories are passed over.

    Args:
        data: the whole file; name: its base name, used in messages.

    Returns:
        elements of each subset; winds by their period (10 minutes where none is told, 1 and 2 minutes as wind_speed);
        the largest of several gusts of up to an hour; `revision` is the smallest update number. Present weather of
        automatic stations (100 and more) is left out.

    Raises:
        ReadError: BAD_HEADER without any message, UNSUPPORTED without one of category 0, EMPTY, BAD_VALUE.
        LimitError: TOO_LARGE.
    """
    check_size(data, name, MAX_BYTES)
    harvest = Harvest()
    at, messages, subsets = data.find(b"BUFR"), 0, 0
    others: set[int] = set()
    while at >= 0:
        found = _message(data, at)
        messages += 1
        length = 4
        if isinstance(found, str):
            harvest.add(found)
        else:
            length = len(found.data)
            if found.category != SURFACE_LAND:
                others.add(found.category)
            else:
                subsets += found.subsets
                _check_counts(name, messages, subsets)
                _harvest(found, harvest, name)
        at = data.find(b"BUFR", at + length)
    if not messages or (others and not harvest.rows and not harvest.rejected and not harvest.silent):
        raise ReadError(
            Reason.UNSUPPORTED if messages else Reason.BAD_HEADER,
            f"{name}: {TITLE}: {messages} messages, of data categories {sorted(others)}; surface data of land are 0",
            f"{name}：{TITLE}：{messages} 条报文，资料类别 {sorted(others)}，陆地地面资料应为 0",
        )
    if others:
        harvest.remarks.append(f"messages of data categories {sorted(others)} are not read")
    return assemble(FORMAT.name, TITLE, name, harvest)


def _check_counts(name: str, messages: int, subsets: int) -> None:
    if messages > MAX_MESSAGES or subsets > MAX_SUBSETS:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: {TITLE}: over {MAX_MESSAGES} messages or {MAX_SUBSETS} subsets: cut the file",
            f"{name}：{TITLE}：超过 {MAX_MESSAGES} 条报文或 {MAX_SUBSETS} 个子集，请拆分文件",
        )


def _harvest(message: _Message, harvest: Harvest, name: str) -> None:
    """Add the rows of a message. Whatever eccodes cannot decode is one rejected message."""
    try:
        handle = eccodes.codes_new_from_message(message.data)
        try:
            eccodes.codes_set(handle, "unpack", 1)
            found = _walk(handle, message, name)
        finally:
            eccodes.codes_release(handle)
    except trouble():
        harvest.add(BROKEN)
        return
    for subset in found:
        harvest.add(subset.row(message.update))


def _walk(handle: int, message: _Message, name: str) -> list[_Subset]:
    """Every subset of an unpacked message. Compressed: a key holds all subsets; otherwise they follow one another."""
    count = message.subsets
    found = [_Subset() for _ in range(count)]
    now, started, path = 0, False, 0
    minutes: dict[int, float] = {}  # unit of a period, by all words of the subset before it: asking takes long
    columns: dict[str, Sequence[float | str]] = {}
    for total, key in enumerate(_keys(handle)):
        if total > MAX_KEYS:
            raise LimitError(
                Reason.TOO_LARGE,
                f"{name}: {TITLE}: over {MAX_KEYS} values in a message: no surface reports",
                f"{name}：{TITLE}：一条报文超过 {MAX_KEYS} 个值，不是地面报告",
            )
        if key == "subsetNumber":
            now, started, path = (now + 1 if started else 0), True, 0
            continue
        rank, _, word = key[1:].partition("#")
        path = hash((path, word))
        if not key.startswith("#") or now >= count or word not in _WANTED:
            continue
        if word == "timePeriod" and path not in minutes:
            minutes[path] = _MINUTES.get(eccodes.codes_get_string(handle, f"{key}->units"), np.nan)
        factor = minutes[path] if word == "timePeriod" else 1.0
        if message.compressed:
            for subset, value in zip(found, _column(handle, key, word, count), strict=True):
                subset.take(word, value, factor)
        else:
            if word not in columns:  # all ranks at once: asking rank by rank takes the square of the time
                columns[word] = _column(handle, word, word, 0)
            found[now].take(word, columns[word][int(rank) - 1], factor)
    return found


def _keys(handle: int) -> Iterator[str]:
    """Names of the keys of an unpacked message, in its order."""
    iterator = eccodes.codes_bufr_keys_iterator_new(handle)
    try:
        while eccodes.codes_bufr_keys_iterator_next(iterator):
            yield eccodes.codes_bufr_keys_iterator_get_name(iterator)
    finally:
        eccodes.codes_bufr_keys_iterator_delete(iterator)


def _column(handle: int, key: str, word: str, count: int) -> Sequence[float | str]:
    """Values of a key: numbers, NaN where missing; or texts in upper case.

    `count`: so many are wanted, where one stands for all; 0: as many as there are.
    """
    if word in _TEXTS:
        texts = [str(text).strip().upper() for text in eccodes.codes_get_string_array(handle, key)]
        return texts * count if len(texts) == 1 and count else texts
    values: Doubles = np.asarray(eccodes.codes_get_double_array(handle, key), dtype=np.float64)
    values[(values == eccodes.CODES_MISSING_DOUBLE) | (values == eccodes.CODES_MISSING_LONG)] = np.nan
    numbers: list[float] = values.tolist()
    return numbers * count if len(numbers) == 1 and count else numbers


def recognise_bufr_surface(head: bytes) -> bool:
    """Does a first message (after at most HEADING bytes) say edition 3 or 4 and data category 0?"""
    at = head.find(b"BUFR", 0, HEADING)
    edition = head[at + 7 : at + 8]
    if at < 0 or edition not in (b"\x03", b"\x04"):
        return False
    octet = at + (16 if edition == b"\x03" else 18)
    return head[octet : octet + 1] == bytes([SURFACE_LAND])


FORMAT = schema.Format(
    name="bufr-surface",
    title_en="BUFR surface reports of land stations",
    title_zh="BUFR 陆地地面观测",
    recognise=recognise_bufr_surface,
    name_pattern=re.compile(r"^[AZ]_IS[A-Z]{2}\d\d[A-Z]{4}\d{6}.*\.(?:bin|bufr)$|\.bufr$", re.IGNORECASE),
    read=read_bufr_surface,
    describe=describe,
    in_child=True,
    memory_bytes=CHILD_BYTES,
)
