"""Strokes of the ADTD network as daily text: cloud to ground, one stroke a line, Beijing time.

    1 2018-06-26 08:00:01.1234567 纬度=29.5631 经度=106.5512 强度=-35.2 陡度=-8.1 误差=0.3 定位方式=四站算法

Never read from a real file: the layout is partly that of public readers (DOMAIN.md 7.4). Columns 1 and 2 are date and
time [V]; labels in Chinese (GBK or UTF-8) or ASCII (lat= lon=) come in any order. Beijing time is [M]: confirm with
the provider. The file of the running day grows; every version covers the day up to its last stroke.
"""

import re
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.lightning.events import CLOUD_TO_GROUND, STROKE, Lightning, Times, describe
from wxcore.lightning.files import FIRST_YEAR, LAST_YEAR, Records
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.times import BEIJING, from_datetime64, to_datetime64

TITLE = "ADTD"
MAX_BYTES = 64 * 2**20
"""Largest file [our choice]: half a million strokes, several times a stormy day of the national network."""

MAX_LINE = 300
"""Longest line [characters, our choice]: real ones have about 110."""

MAX_KA = 500.0
"""Largest current that is believed [kA, our choice]: the largest strokes known are of 300 to 500 kA [M]."""

RUBBISH = 1000
"""So many more lines that are not understood than strokes end the reading: it will be refused [our choice]."""

NOT_A_LINE, NO_CLOCK, NO_CURRENT = "line not understood", "no possible date or time", f"current over {MAX_KA:g} kA"

CUT_OFF = "last line without its end"
"""A growing file may be fetched in the middle of a line: 107.2 may be the beginning of 107.25. Left out; the next
version has it [our choice]."""

_FIELDS = tuple(
    rf"(?i:{labels})[ \t]{{0,3}}[=:：][ \t]{{0,3}}([-+]?\d{{1,8}}(?:\.\d{{0,12}})?)(?![\d.])"
    for labels in ("纬度|latitude|lat", "经度|longitude|lon", "强度|电流|strength|intensity|current|peak")
)
_LATITUDE, _LONGITUDE, _CURRENT = (re.compile(rf"(?<!\w){field}") for field in _FIELDS)
_CLOCK = r"[\s\ufeff]*\d+[\s,]+(\d{4})[-/](\d{1,2})[-/](\d{1,2})[\sT,]+(\d{1,2}):(\d{2}):(\d{2}(?:\.\d{0,9})?)[\s,]+"
_LINE = re.compile(rf"{_CLOCK}(\S.*)")
_USUAL = re.compile(_CLOCK + r"[ \t,;]{1,3}".join(_FIELDS))
"""A line in the usual order, in one go: it says the same as _LINE and a search for each label, in a third of the time,
since no label can be hidden in what stands before its place."""

_HEAD = re.compile(
    rb"^[ \t\xef\xbb\xbf]*\d+[ \t,]+\d{4}[-/]\d{1,2}[-/]\d{1,2}[ \tT,]+\d{1,2}:\d{2}:\d{2}[^\r\n]*?"
    rb"(?:lat|" + "纬度".encode("gbk") + rb"|" + "纬度".encode() + rb")[a-z]*[ \t]*(?:=|:|" + "：".encode() + rb")",
    re.MULTILINE | re.IGNORECASE,
)
_NAME = re.compile(r"^(?P<day>\d{4}_\d\d_\d\d)\.txt", re.IGNORECASE)
_SIMULATED_LINE = f"# {SIMULATED_ATTRIBUTE}={SIMULATED_MARK}"

_Stroke = tuple[int, int, float, float, float]
"""Beijing clock: day as ordinal; nanosecond of the day; lat, lon, current."""


def read_adtd(data: bytes, name: str) -> Lightning:
    """The strokes of a day, in UTC.

    Args:
        data: the whole file, uncompressed; name: its base name, whose date is compared.

    Returns:
        level STROKE, strength [kA] with its sign; `start` Beijing's midnight, `end` the last stroke; no coverage
        (everywhere that matters).

    Raises:
        ReadError: BAD_VALUE where not half of its lines are strokes of one day.
        LimitError: TOO_LARGE.
    """
    if len(data) > MAX_BYTES:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: {TITLE}: {len(data)} bytes, at most {MAX_BYTES} are read: cut the file by day",
            f"{name}：{TITLE}：{len(data)} 字节，上限 {MAX_BYTES}，请按日拆分文件",
        )
    text = data.decode("utf-8" if "纬度".encode() in data or data.isascii() else "gbk", errors="replace")
    *ended, last = text.split("\n")
    lines = [line for line in ended if line.strip("\ufeff\r\t\0 ") and not line.startswith("#")]
    rejected = {CUT_OFF: 1} if last.strip("\ufeff\r\t\0 ") else {}
    strokes: list[_Stroke] = []
    for line in lines:
        stroke = _stroke(line)
        if isinstance(stroke, str):
            rejected[stroke] = rejected.get(stroke, 0) + 1
        else:
            strokes.append(stroke)
        if rejected.get(NOT_A_LINE, 0) > RUBBISH + len(strokes):
            break
    table = np.array(strokes, dtype=np.float64).reshape(-1, 5)
    days, clock = table[:, 0].astype(np.int64), np.array([stroke[1] for stroke in strokes], dtype=np.int64)
    day = int(np.bincount(days).argmax()) if days.size else 0
    records = Records(_utc(days, clock), table[:, 3], table[:, 2], table[:, 4], rejected)
    if day:
        start = datetime.fromordinal(day).replace(tzinfo=BEIJING).astimezone(UTC)
        begin = to_datetime64(start)
        records.settle(begin, begin + np.timedelta64(86_400, "s"), None)
    if 2 * records.time.size < len(lines) or not records.time.size:
        why = "; ".join(f"{count} {reason}" for reason, count in records.reasons)
        raise ReadError(
            Reason.BAD_VALUE,
            f"{name}: {TITLE}: {records.time.size} strokes of one day in {len(lines)} lines ({why}): fetch it again",
            f"{name}：{TITLE}：{len(lines)} 行中仅 {records.time.size} 条当日有效回击，请重新获取文件",
        )
    return Lightning(
        FORMAT.name, TITLE, CLOUD_TO_GROUND, STROKE, start, from_datetime64(records.time[-1]),
        records.time, records.lon, records.lat, records.strength, None, records.reasons,
        text.startswith(_SIMULATED_LINE), _name_remarks(name, start),
    )  # fmt: skip


def _stroke(line: str) -> _Stroke | str:
    """What a line says, or the reason for which it is left out. 23:59:60 is a leap second: it becomes 24:00:00."""
    match = _USUAL.match(line) if len(line) <= MAX_LINE else None
    parts = _searched(line) if match is None else match.groups()
    if parts is None:
        return NOT_A_LINE
    year, month, day, hours, minutes, seconds, lat, lon, current = parts
    ordinal = _day(year, month, day)
    hour, minute, second = int(hours), int(minutes), float(seconds)
    if ordinal is None or hour > 23 or minute > 59 or second >= (61 if minute == 59 else 60):
        return NO_CLOCK
    ka = float(current)
    if abs(ka) > MAX_KA:
        return NO_CURRENT
    nanosecond = (hour * 3600 + minute * 60) * 10**9 + round(second * 1e9)
    return ordinal, nanosecond, float(lat), float(lon), ka


def _searched(line: str) -> tuple[str, ...] | None:
    """The texts of a line that has its labels anywhere: date and time, lat, lon, current ("nan" where it has none)."""
    match = _LINE.match(line) if len(line) <= MAX_LINE else None
    if match is None:
        return None
    lat, lon, current = (label.search(match[7]) for label in (_LATITUDE, _LONGITUDE, _CURRENT))
    if lat is None or lon is None:
        return None
    return (*match.groups()[:6], lat[1], lon[1], "nan" if current is None else current[1])


@lru_cache(maxsize=64)
def _day(year: str, month: str, day: str) -> int | None:
    """Proleptic ordinal, None where there is no such day in our years."""
    if not FIRST_YEAR <= int(year) <= LAST_YEAR:
        return None
    try:
        return date(int(year), int(month), int(day)).toordinal()
    except ValueError:
        return None


def _utc(days: npt.NDArray[np.int64], nanoseconds: npt.NDArray[np.int64]) -> Times:
    """Beijing's day (proleptic ordinal) and nanosecond of it to UTC, datetime64[ns]."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    since = (days - epoch) * 86_400 * 10**9 + nanoseconds - 8 * 3600 * 10**9
    return np.asarray(since.astype("datetime64[ns]"))


def _name_remarks(name: str, start: datetime) -> tuple[str, ...]:
    match = _NAME.match(name)
    day = f"{start.astimezone(BEIJING):%Y_%m_%d}"
    return (f"name says {match['day']}, most lines {day}",) if match is not None and match["day"] != day else ()


def write_adtd(native: Lightning, *, encoding: str = "gbk", labels: tuple[str, str, str] | None = None) -> bytes:
    """Strokes as ADTD text; times to 100 ns, places to 1e-6 deg, currents to 0.001 kA.

    Args:
        native: level STROKE.
        encoding: "gbk" or "utf-8"; labels: of latitude, longitude and current. None: the Chinese ones.

    Raises:
        ValueError: another level.
    """
    if native.level != STROKE:
        raise ValueError(f"ADTD holds strokes, not {native.level}s")
    lat, lon, current = labels or ("纬度", "经度", "强度")
    lines = [_SIMULATED_LINE] if native.simulated else []
    local = native.time + np.timedelta64(8, "h")
    for number, (when, x, y, ka) in enumerate(
        zip(local, native.lon, native.lat, native.strength, strict=True), start=1
    ):
        day, clock = str(when).split("T")
        strength = "" if np.isnan(ka) else f" {current}={ka:.3f}"
        lines.append(
            f"{number} {day} {clock[:16]} {lat}={y:.6f} {lon}={x:.6f}{strength} 陡度=0.0 误差=0.0 定位方式=四站算法"
        )
    return ("\n".join(lines) + "\n").encode(encoding)


def recognise_adtd(head: bytes) -> bool:
    """Is there a line of a stroke among the first ones?"""
    return _HEAD.search(head) is not None


FORMAT = schema.Format(
    name="adtd-text",
    title_en="ADTD strokes, daily text",
    title_zh="ADTD 闪电定位日文件（文本）",
    recognise=recognise_adtd,
    name_pattern=_NAME,
    read=read_adtd,
    describe=describe,
    write=write_adtd,
    in_child=True,
)
