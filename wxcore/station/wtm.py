"""Five-minute text of the West Texas Mesonet: lines of Campbell loggers, `type,day of year,HHMM,logger,...`.

    1,81,0,54,2.337,2.334,84.9,2.864,.199,2.842,11.81,12.95,12.03,55.08,350.8,0,2.855,1.195,0

No layout came with the file, so each column of type 1 was found from the numbers of FIVEMIN_82.txt (57 stations, a
day; columns counted from 0):
- 2 HHMM: clock of UTC-6 (CST). Radiation (18) is above 20 W/m2 from 07:25 to 18:40 (medians), its middle is 13:05, and
  that of the sun at 102 W on 22 March is 12:55 in UTC-6, 13:55 in UTC-5. That it stays so in summer is [M].
- 4, 5: mean wind, scalar and resultant (never above the scalar one); 6: its direction, 0 to 360; 7, 8: deviations.
- 9: largest 3-second wind: a multiple of 0.098 m/s / 3, which are the pulses of an R. M. Young propeller counted over
  3 s: this tells the 3 s and the unit at once (m/s); never below 4.
- 10, 11, 12: temperature at 1.5, 9 and 2 m: 11 has the smallest daily range, and is the warmest at night; 10 is the one
  with which 13 (relative humidity) gives 16 (dew point) best, to 0.3 K in the median, at most 0.6.
- 14: pressure minus 600 hPa: then all 57 stations are 2.8 to 5.4 hPa above the standard atmosphere at their elevation.
- 17: wind at 2 m; 18: solar radiation. Not read: 15 (rain of five minutes: no element, its unit is not certain), 19
  (of one logger alone), type 2 (soil), type 3 (type 1 again).
A row's time is taken as the end of its five minutes (Campbell's way [M]). The year is not in the file.
Ids are W and the four-digit number of the logger ("Logger ID" of the station list): W0054.
"""

import re
from calendar import isleap
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np

from wxcore import schema
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.station.reports import Doubles, Floats, Ids, Reports, Times, describe
from wxcore.station.sentinels import is_missing
from wxcore.times import YEARS, require_utc, to_datetime64

TITLE = "WTM"
MAX_BYTES = 64 * 2**20
CST = timedelta(hours=6)
"""UTC minus the logger's clock."""

SLACK = timedelta(days=1)
"""A row may be so much later than midnight of the day in a name, or than the reference [our choice]: a file
FIVEMIN_82 holds day 81, one of the running day its own."""

GUST_MIN = 5.0
PRESSURE_OFFSET = 600.0
SENTINELS = (6999.0, 7999.0)
"""What a Campbell logger writes for "not a number" (either sign), besides NAN, INF and what sentinels.py knows."""

NOT_A_ROW, NO_TIME = "line not understood", "no possible day, time or logger"
COLUMNS = {
    4: "wind_speed", 6: "wind_from_direction", 9: "wind_speed_of_gust", 10: "air_temperature",
    13: "relative_humidity", 14: "air_pressure", 16: "dew_point_temperature",
}  # fmt: skip
LAST = 18
"""The last column that is looked at."""

_ODD = re.compile(r"[^-+.\dNAIFnaif,]")
_HEAD = re.compile(rb"(?:[123],\d{1,3},\d{1,4},\d{1,4}(?:,[-+.\dA-Za-z\"]{0,16}){8,20}[ \t]*\r?\n)")
_NAME = re.compile(r"^FIVEMIN_(?P<day>(?:19|20)\d{5})", re.IGNORECASE)


def read_wtm(data: bytes, name: str) -> Reports:
    """The same as `read_wtm_dated`, the year taken from a name FIVEMIN_YYYYDDD.

    Raises:
        ReadError: BAD_HEADER where the name has no year.
    """
    reference = _day_of_name(name)
    if reference is None:
        raise ReadError(
            Reason.BAD_HEADER,
            f"{name}: {TITLE}: the year is not in the file: name it FIVEMIN_YYYYDDD..., or tell when it was sent",
            f"{name}：{TITLE}：文件内无年份，请命名为 FIVEMIN_YYYYDDD…，或给出发送时间",
        )
    return read_wtm_dated(data, name, reference)


def read_wtm_dated(data: bytes, name: str, reference: datetime) -> Reports:
    """The rows of type 1.

    Args:
        data: the whole file; name: its base name, whose day is taken instead of the reference where it has one.
        reference: when it was published, aware UTC; the newest year that fits is taken.

    Returns:
        wind_speed [m s-1] and direction (mean of 5 minutes, 10 m), gust of the 5 minutes (3 s), temperature (1.5 m),
        humidity, dew point, air_pressure [hPa]. Positions are not in it (NaN). Direction is NaN where the wind is 0.

    Raises:
        ReadError: BAD_VALUE where most rows of type 1 cannot be read.
        LimitError: TOO_LARGE.
        TimeError: the reference is naive.
    """
    reference = require_utc(reference)
    if len(data) > MAX_BYTES:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: {TITLE}: {len(data)} bytes, at most {MAX_BYTES} are read: cut the file by day",
            f"{name}：{TITLE}：{len(data)} 字节，上限 {MAX_BYTES}，请按日拆分文件",
        )
    text = re.sub(rb"[\r\n]{2,}", b"\n", data.replace(b"\0", b"")).decode("latin-1")
    lines = [line for line in text.splitlines() if line]
    asked = sum(1 for line in lines if line[:2] not in ("2,", "3,") and line.strip())
    table = _table([line[2:] for line in lines if line.startswith("1,")])
    rejected = Counter({NOT_A_ROW: asked - len(table)} if asked > len(table) else {})
    time = _times(table[:, 0], table[:, 1], _day_of_name(name) or reference)
    logger = table[:, 2]
    good = ~np.isnat(time) & (logger >= 0) & (logger <= 9999) & (logger % 1 == 0)
    if not good.all():
        rejected[NO_TIME] = int((~good).sum())
    if rejected.total() > good.sum() or not good.any():
        why = "; ".join(f"{count} {reason}" for reason, count in rejected.items()) or "none of type 1"
        raise ReadError(
            Reason.BAD_VALUE,
            f"{name}: {TITLE}: {int(good.sum())} rows of type 1 read, the others not ({why}): fetch it again",
            f"{name}：{TITLE}：仅 {int(good.sum())} 行类型 1 可读，请重新获取文件",
        )
    size = int(good.sum())
    return Reports(
        FORMAT.name, TITLE,
        _ids(logger[good]),
        time[good],
        np.full(size, np.nan), np.full(size, np.nan), np.full(size, np.nan, np.float32),
        _elements(table[good]),
        np.full(size, np.datetime64("NaT", "ns")),
        gust_period_min=GUST_MIN,
        rejected=tuple(rejected.items()),
        remarks=(f"year {str(time[good][0])[:4]} from {'the name' if _day_of_name(name) else 'the reference'}",),
    )  # fmt: skip


def _table(rows: list[str]) -> Doubles:
    """Columns 1 to 18 of the rows that have them; NaN where empty, a sentinel, or not finite."""
    commas = [row.count(",") for row in rows]
    full = [
        row if n == LAST - 1 else row.rsplit(",", n - LAST + 1)[0]
        for row, n in zip(rows, commas, strict=True)
        if n >= LAST - 1
    ]
    try:
        flat = _floats(",".join(full)) if full else np.empty(0)
    except ValueError:
        flat = np.array([_number(field) for row in full for field in row.split(",")])
    table = flat.reshape(-1, LAST)
    table[np.isin(np.abs(table), SENTINELS) | is_missing(table)] = np.nan
    return table


def _floats(joined: str) -> Doubles:
    """Texts between commas as numbers; NaN where empty. Raises ValueError for anything else."""
    if '"' in joined or ",," in joined or joined[0] == "," or joined[-1] == ",":
        joined = ",".join(field or "NAN" for field in joined.replace('"', "").split(","))
    if _ODD.search(joined):
        raise ValueError("no number")
    return np.array(joined.split(","), dtype=np.float64)


def _number(field: str) -> float:
    """A text as a number, NaN where it is none."""
    try:
        return float(_floats(field)[0])
    except ValueError:
        return np.nan


def _ids(loggers: Doubles) -> Ids:
    """Station ids of loggers."""
    unique, where = np.unique(loggers, return_inverse=True)
    return np.array([f"W{int(logger):04d}" for logger in unique])[where]


def _elements(table: Doubles) -> dict[str, Floats]:
    """Columns by element, those without any number left out."""
    table[:, 14 - 1] += PRESSURE_OFFSET
    table[table[:, 4 - 1] == 0, 6 - 1] = np.nan
    values = {element: table[:, column - 1].astype(np.float32) for column, element in COLUMNS.items()}
    return {element: column for element, column in values.items() if np.isfinite(column).any()}


def _times(days: Doubles, clocks: Doubles, reference: datetime) -> Times:
    """Day of year and HHMM of UTC-6 to UTC, in the newest year that is not after the reference plus SLACK; NaT where
    there is no such day or time. 2400 is the end of its day."""
    possible = (days >= 1) & (days <= 366) & (clocks >= 0) & (clocks <= 2400) & (clocks % 100 < 60)
    possible &= (days % 1 == 0) & (clocks % 1 == 0)
    day, clock = np.where(possible, days, 1).astype(np.int64), np.where(possible, clocks, 0).astype(np.int64)
    since = (day - 1) * np.timedelta64(1, "D") + ((clock // 100) * 60 + clock % 100) * np.timedelta64(1, "m")
    limit = to_datetime64(reference) + np.timedelta64(SLACK)
    result = np.full(days.size, np.datetime64("NaT", "ns"))
    for year in range(reference.year + 1, max(reference.year - 9, YEARS[0]), -1):  # day 366 may be eight years back
        time = np.datetime64(f"{year}-01-01", "ns") + np.timedelta64(CST) + since
        fits = possible & (day <= 365 + isleap(year)) & (time <= limit) & np.isnat(result)
        result[fits] = time[fits]
    return result


def _day_of_name(name: str) -> datetime | None:
    """End of the day (UTC-6) that a name FIVEMIN_YYYYDDD tells; None where it has none."""
    match = _NAME.match(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match["day"], "%Y%j").replace(tzinfo=UTC) + CST
    except ValueError:
        return None


def recognise_wtm(head: bytes) -> bool:
    """Do the first lines begin with a type of 1 to 3, a day, a time and a logger, and nothing but numbers after?"""
    match = _HEAD.match(head)
    return match is not None and (match.end() == len(head) or _HEAD.match(head, match.end()) is not None)


FORMAT = schema.Format(
    name="wtm-5min",
    title_en="West Texas Mesonet, 5-minute text",
    title_zh="西得克萨斯中尺度网 5 分钟文本",
    recognise=recognise_wtm,
    name_pattern=_NAME,
    read=read_wtm,
    describe=describe,
    in_child=True,
    read_dated=read_wtm_dated,
)
