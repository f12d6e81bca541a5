"""Whole minutes since 1970-01-01 UTC: what names the parts of a simulated afternoon that are drawn apart."""

from datetime import UTC, datetime, timedelta

from wxcore.times import require_utc

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def minute_of(time: datetime) -> int:
    """The minute that `time` is in.

    Raises:
        TimeError: a naive time.
    """
    return (require_utc(time) - EPOCH) // MINUTE


def time_of(minute: int) -> datetime:
    """When a minute begins, aware UTC."""
    return EPOCH + minute * MINUTE


def minutes_between(start: datetime, end: datetime, step: int = 1) -> range:
    """Minutes from `start` (inclusive) to `end` (exclusive), those that `step` divides: of 6 the analysis cycles.

    Raises:
        TimeError: a naive time.
    """
    first, last = (-((EPOCH - require_utc(time)) // (step * MINUTE)) for time in (start, end))
    return range(first * step, last * step, step)
