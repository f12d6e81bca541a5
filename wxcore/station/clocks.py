"""What is written in sixties: clocks of gusts, and angles as DDMM or DDMMSS."""

import re

import numpy as np
import numpy.typing as npt

from wxcore.station.reports import Doubles, Times

OLDEST_GUST = np.timedelta64(61, "m")
"""A gust is of the hour before its report, and a minute for rounding [our choice]."""

LATE_CLOCK = np.timedelta64(5, "m")
"""So much later than its report a gust's clock may be, for two clocks of a station differ [our choice]."""

DAY = np.timedelta64(1, "D")

_CLOCK = re.compile(r"(\d{1,2}):?([0-5]\d)(?:\.0*)?|([0-5]?\d)(?:\.0*)?")


def minutes_of(text: str) -> float:
    """HHMM (823 is 08:23, 0 midnight) or HH:MM as minutes of the day; NaN where it is none."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        return np.nan
    hours, minutes = (0, int(match[3])) if match[3] else (int(match[1]), int(match[2]))
    return hours * 60 + minutes if hours <= 23 else np.nan


def nearest(time: Times, minutes: Doubles) -> Times:
    """Clocks (n,) in minutes of the day, UTC, to the last moment that is not over LATE_CLOCK after `time`; NaT where
    NaN."""
    known = ~np.isnan(minutes)
    clock = np.where(known, minutes, 0).astype(np.int64).astype("timedelta64[m]")
    midnight = (time + LATE_CLOCK).astype("datetime64[D]").astype("datetime64[ns]")
    moment = midnight + clock
    moment = np.where(moment > time + LATE_CLOCK, moment - DAY, moment)
    return np.where(known, moment, np.datetime64("NaT", "ns"))


def gust_times(time: Times, moments: Times, told: npt.NDArray[np.bool_]) -> tuple[Times, tuple[str, ...]]:
    """When gusts blew, and what is odd.

    Args:
        time: (n,) of the reports; moments: (n,) what they say, NaT nothing; told: (n,) is there a gust at all?

    Returns:
        (n,) the moment where it is of OLDEST_GUST before the report; the report's time where it is up to LATE_CLOCK
        after; else NaT, so that it may have blown in all of its period.
    """
    age = time - moments
    here = told & (age >= -LATE_CLOCK) & (age <= OLDEST_GUST)
    odd = int(np.count_nonzero(told & ~np.isnat(moments) & ~here))
    remarks = (f"{odd} gusts with a clock that is not of the hour before their report: is it UTC?",) if odd else ()
    return np.where(here, np.minimum(moments, time), np.datetime64("NaT", "ns")), remarks


def sexagesimal(number: Doubles, *, seconds: bool) -> Doubles:
    """Whole numbers DDMM, or DDMMSS with seconds, to degrees of the same sign; NaN where minutes or seconds are 60 or
    more, for then it may be decimal degrees without their point."""
    rest, second = np.divmod(np.abs(number), 100) if seconds else (np.abs(number), np.zeros_like(number))
    degree, minute = np.divmod(rest, 100)
    degrees = np.copysign(degree + minute / 60 + second / 3600, number)
    return np.where((minute < 60) & (second < 60), degrees, np.nan)
