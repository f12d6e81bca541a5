from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.environment.levels import MAX_HM20_M, climatological_levels, levels_for, manual_levels
from wxcore.errors import TimeError, WxcoreError
from wxcore.grid import Grid
from wxcore.region import MonthLevels, Region

H0 = (3200, 3400, 3900, 4400, 4800, 5200, 5500, 5500, 5200, 4700, 4200, 3500)
HM20 = (6200, 6500, 7000, 7500, 8000, 8400, 8800, 8800, 8500, 7900, 7300, 6500)


def region(placeholder: bool = True) -> Region:
    months = tuple(
        MonthLevels(month, h0, hm20, "test", placeholder)
        for month, h0, hm20 in zip(range(1, 13), H0, HM20, strict=True)
    )
    return Region(
        id="here", name_zh="此地", name_en="Here", grid=Grid(104.8, 27.6, 10, 10), radars=(), satellites=(),
        districts=(), levels=months, rules={},
    )  # fmt: skip


def test_manual() -> None:
    levels = manual_levels(4600, 7900)
    assert (levels.h0_m, levels.hm20_m, levels.source, levels.quality) == (4600, 7900, "manual", "good")
    assert levels.age_h is None


@pytest.mark.parametrize(
    ("h0_m", "hm20_m"),
    [
        (7900, 4600),
        (4600, 4600),
        (-1, 3000),
        (4600, MAX_HM20_M + 1),
        (4.6, 7.9),
        (float("nan"), 7900),
        (4600, float("nan")),
        (4600, float("inf")),
    ],
)
def test_manual_refuses_with_the_fix(h0_m: float, hm20_m: float) -> None:
    with pytest.raises(WxcoreError, match="--h0-m and --hm20-m") as caught:
        manual_levels(h0_m, hm20_m)
    assert "海拔高度" in caught.value.zh


def test_manual_takes_the_limits() -> None:
    assert manual_levels(0, MAX_HM20_M).hm20_m == MAX_HM20_M


def test_climatology_in_the_middle_of_a_month_is_its_row() -> None:
    levels = climatological_levels(region(), datetime(2026, 7, 16, 12, tzinfo=UTC))  # 31 days: middle 16th 12 UTC
    assert (levels.h0_m, levels.hm20_m) == (5500, 8800)
    assert (levels.source, levels.quality, levels.age_h) == ("climatology", "climatology", None)
    assert "placeholder" in levels.source_note


def test_climatology_between_the_middles_by_hand() -> None:
    # Middle of June is the 16th 00 UTC, of July the 16th 12 UTC: 30.5 days. On 1 July 00 UTC 15 of them have passed.
    levels = climatological_levels(region(), datetime(2026, 7, 1, tzinfo=UTC))
    assert levels.h0_m == pytest.approx(5200 + 300 * 15 / 30.5, abs=0.05)
    assert levels.hm20_m == pytest.approx(8400 + 400 * 15 / 30.5, abs=0.05)


def test_climatology_runs_on_over_new_year() -> None:
    # Middles 16 December 12 UTC and 16 January 12 UTC: 31 days, of which 15.5 have passed at new year.
    levels = climatological_levels(region(), datetime(2026, 1, 1, tzinfo=UTC))
    assert (levels.h0_m, levels.hm20_m) == (3350, 6350)


@settings(max_examples=100, deadline=None)
@given(st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_climatology_never_jumps_and_stays_in_order(when: datetime) -> None:
    here = region()
    now, later = climatological_levels(here, when), climatological_levels(here, when + timedelta(hours=1))
    assert abs(later.h0_m - now.h0_m) <= 700 / (28 * 24) + 0.11  # steepest step of the table, and the rounding
    assert min(H0) <= now.h0_m <= max(H0)
    assert now.h0_m < now.hm20_m


def test_real_statistics_are_not_called_placeholder() -> None:
    levels = climatological_levels(region(placeholder=False), datetime(2026, 7, 1, tzinfo=UTC))
    assert "placeholder" not in levels.source_note
    assert levels.quality == "climatology"


def test_levels_for_chooses() -> None:
    when = datetime(2026, 7, 1, tzinfo=UTC)
    assert levels_for(region(), when, 4600, 7900) == manual_levels(4600, 7900)
    assert levels_for(region(), when) == climatological_levels(region(), when)


@pytest.mark.parametrize("given_levels", [{"h0_m": 4600.0}, {"hm20_m": 7900.0}])
def test_one_height_alone_is_refused(given_levels: dict[str, Any]) -> None:
    with pytest.raises(WxcoreError, match="give both"):
        levels_for(region(), datetime(2026, 7, 1, tzinfo=UTC), **given_levels)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(TimeError):
        levels_for(region(), datetime(2026, 7, 1))  # noqa: DTZ001
