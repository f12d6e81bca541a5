"""Times: UTC at every door, Beijing time only on display, analysis cycles of six minutes.

Inside Datasets times are `datetime64[ns]` in UTC; between functions they are aware `datetime` in UTC.
"""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np

from wxcore.errors import TimeError

BEIJING = timezone(timedelta(hours=8), "BJT")
CYCLE = timedelta(minutes=6)
"""Length of a cycle: the volume period of VCP21 and of the CMA mosaics (DOMAIN.md 1.2, 1.4)."""

FUTURE_LIMIT = timedelta(minutes=10)
"""An observation later than now by more than this is refused (RELIABILITY.md A10)."""


def require_utc(time: datetime) -> datetime:
    """Return `time` in UTC; refuse a naive one.

    Raises:
        TimeError: the datetime carries no time zone.
    """
    if time.tzinfo is None or time.utcoffset() is None:
        raise TimeError(
            f"time {time.isoformat()} has no time zone: give UTC (…Z) or an offset (…+08:00)",
            f"时间 {time.isoformat()} 没有时区：请写成 UTC（…Z）或带偏移（…+08:00）",
        )
    try:
        return time.astimezone(UTC)
    except OverflowError as cause:
        raise TimeError(f"{time.isoformat()} is out of range", f"{time.isoformat()} 超出范围") from cause


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time with its zone, such as `2020-06-12T05:42Z`.

    Raises:
        TimeError: not a time, or a time without a zone.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError as cause:
        raise TimeError(
            f"{text!r} is not an ISO 8601 time such as 2020-06-12T05:42Z",
            f"{text!r} 不是 ISO 8601 时间，例如 2020-06-12T05:42Z",
        ) from cause
    time = require_utc(time)
    if not YEARS[0] <= time.year <= YEARS[1]:
        raise _out_of_years(time)
    return time


def _out_of_years(time: datetime) -> TimeError:
    return TimeError(
        f"year {time.year} is out of range {YEARS[0]} to {YEARS[1]}",
        f"年份 {time.year} 超出 {YEARS[0]} 至 {YEARS[1]}",
    )


def from_epoch(seconds: float) -> datetime:
    """Seconds since 1970-01-01 UTC to an aware datetime.

    Raises:
        TimeError: outside of the years 1 to 9999, or not finite.
    """
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError) as cause:
        raise TimeError(f"{seconds!r} s since 1970 is no time", f"{seconds!r} 秒不是有效的时间") from cause


YEARS = (1678, 2261)
"""Years that `datetime64[ns]` can hold; beyond them it would wrap silently."""


def to_datetime64(time: datetime) -> np.datetime64:
    """An aware datetime to UTC `datetime64[ns]`.

    Raises:
        TimeError: naive, or outside of YEARS.
    """
    if not YEARS[0] <= time.year <= YEARS[1]:
        raise _out_of_years(time)
    return np.datetime64(require_utc(time).replace(tzinfo=None), "ns")


def from_datetime64(time: np.datetime64) -> datetime:
    """UTC `datetime64` to an aware datetime (microseconds kept).

    Raises:
        TimeError: not a time (NaT).
    """
    if np.isnat(time):
        raise TimeError("NaT is no time", "NaT 不是时间")
    microseconds = int(time.astype("datetime64[us]").astype(np.int64))
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def cycle_of(time: datetime) -> datetime:
    """The cycle that an observation belongs to: its time rounded up to six minutes.

    An observation at 05:39:20 was known at 05:42, not at 05:36; one at 10:42:00 belongs to 10:42.
    """
    time = require_utc(time)
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    steps = -((midnight - time) // CYCLE)
    try:
        return midnight + steps * CYCLE
    except OverflowError as cause:
        raise TimeError(f"no cycle after {time.isoformat()}", f"{time.isoformat()} 之后没有时次") from cause


def latest_cycle(now: datetime) -> datetime:
    """The newest cycle that is not in the future."""
    cycle = cycle_of(now)
    return cycle if cycle <= require_utc(now) else cycle - CYCLE


def beijing(time: datetime) -> datetime:
    """For display only: the same instant with Beijing's clock."""
    return require_utc(time).astimezone(BEIJING)


def iso(time: datetime) -> str:
    """`2020-06-12T05:42:00Z`, as our JSON writes times (microseconds dropped)."""
    return require_utc(time).strftime("%Y-%m-%dT%H:%M:%SZ")
