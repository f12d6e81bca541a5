import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore import times
from wxcore.errors import TimeError

LATEST = datetime(2100, 1, 1)  # noqa: DTZ001 (hypothesis wants naive bounds)
ANY = st.datetimes(datetime(1900, 1, 1), LATEST, timezones=st.just(UTC))  # noqa: DTZ001
OFFSETS = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/St_Johns", "Pacific/Kiritimati"])
def local_clock(request: pytest.FixtureRequest) -> Iterator[str]:
    """The process's own time zone, which nothing may depend on."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("observed", "cycle"),
    [
        ("2020-06-12T05:39:20Z", "2020-06-12T05:42:00Z"),
        ("2020-06-12T05:40:32Z", "2020-06-12T05:42:00Z"),
        ("2025-06-09T10:42:00Z", "2025-06-09T10:42:00Z"),
        ("2025-06-09T10:42:00.000001Z", "2025-06-09T10:48:00Z"),
        ("2025-06-09T18:42:00+08:00", "2025-06-09T10:42:00Z"),
        ("2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z"),
        ("2025-12-31T23:54:01Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2020-06-12T11:13:20+05:30", "2020-06-12T05:48:00Z"),
    ],
)
def test_cycle_of_by_hand(observed: str, cycle: str, local_clock: str) -> None:
    assert times.iso(times.cycle_of(times.parse_time(observed))) == cycle


@settings(max_examples=200, deadline=None)
@given(ANY, OFFSETS)
def test_cycle_is_the_first_not_before_the_observation(when: datetime, zone: timezone) -> None:
    cycle = times.cycle_of(when.astimezone(zone))
    assert timedelta(0) <= cycle - when < times.CYCLE
    assert (cycle - datetime(1970, 1, 1, tzinfo=UTC)) % times.CYCLE == timedelta(0)
    assert times.cycle_of(cycle) == cycle
    assert cycle.tzinfo is UTC


def test_beijing_of_a_file_name(local_clock: str) -> None:
    name = "Z_RADR_I_Z9230_20260701060012_O_DOR_SAD_CAP_FMT.bin.bz2"
    utc = datetime.strptime(name[15:29], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    assert times.beijing(utc).strftime("%Y-%m-%d %H:%M:%S") == "2026-07-01 14:00:12"
    assert times.beijing(utc) == utc


def test_require_utc_keeps_the_instant(local_clock: str) -> None:
    eight = timezone(timedelta(hours=8))
    time_ = times.require_utc(datetime(2026, 7, 1, 14, 0, 12, tzinfo=eight))
    assert (time_.hour, time_.tzinfo) == (6, UTC)


@pytest.mark.parametrize(
    "use",
    [times.require_utc, times.cycle_of, times.beijing, times.iso, times.to_datetime64],
    ids=lambda function: function.__name__,
)
def test_naive_is_refused_with_the_fix_in_two_languages(use) -> None:
    with pytest.raises(TimeError, match="no time zone: give UTC") as caught:
        use(datetime(2026, 7, 1, 6))  # noqa: DTZ001
    assert "没有时区" in caught.value.zh


@pytest.mark.parametrize("text", ["yesterday", "2020-06-12T05:42", "2020-06-12", "2020-13-01T00:00Z", ""])
def test_parse_time_refuses(text: str) -> None:
    with pytest.raises(TimeError):
        times.parse_time(text)


def test_from_epoch(local_clock: str) -> None:
    assert times.iso(times.from_epoch(1591940360)) == "2020-06-12T05:39:20Z"
    assert times.from_epoch(-1).year == 1969


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e18, -1e18])
def test_from_epoch_refuses_what_is_no_time(seconds: float) -> None:
    with pytest.raises(TimeError):
        times.from_epoch(seconds)


@settings(max_examples=200, deadline=None)
@given(ANY, OFFSETS)
def test_datetime64_round_trip(when: datetime, zone: timezone) -> None:
    there = times.to_datetime64(when.astimezone(zone))
    assert there.dtype == np.dtype("datetime64[ns]")
    assert times.from_datetime64(there) == when


def test_datetime64_by_hand(local_clock: str) -> None:
    stamp = np.datetime64("2020-06-12T05:39:20.5", "ms")
    assert times.from_datetime64(stamp) == datetime(2020, 6, 12, 5, 39, 20, 500_000, tzinfo=UTC)
    with pytest.raises(TimeError, match="NaT"):
        times.from_datetime64(np.datetime64("NaT", "ns"))


@settings(max_examples=100, deadline=None)
@given(ANY)
def test_iso_parses_back_to_the_second(when: datetime) -> None:
    assert times.parse_time(times.iso(when)) == when.replace(microsecond=0)


@settings(max_examples=100, deadline=None)
@given(ANY)
def test_latest_cycle_is_the_last_not_after_now(now: datetime) -> None:
    cycle = times.latest_cycle(now)
    assert timedelta(0) <= now - cycle < times.CYCLE
    assert times.cycle_of(cycle) == cycle


@pytest.mark.parametrize("year", [1600, 2600, 3000])
def test_years_that_would_wrap_are_refused(year: int) -> None:
    with pytest.raises(TimeError, match="out of range"):
        times.to_datetime64(datetime(year, 1, 1, tzinfo=UTC))


def test_a_zone_that_leaves_the_calendar_is_refused() -> None:
    with pytest.raises(TimeError, match="out of range"):
        times.parse_time("9999-12-31T23:59-05:00")
