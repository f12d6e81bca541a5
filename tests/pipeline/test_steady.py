"""A clock that jumps is not acted on until it has gone on evenly; one that is slewed is followed."""

from datetime import datetime, timedelta

import pytest

from tests.pipeline.issuing import WHEN
from wxcore.errors import TimeError
from wxcore.pipeline.steady import AGREE_S, MOST_STEP_S, Steady


def watched(*looks: tuple[float, float]) -> list[bool]:
    """Is the clock believed after each look? A look: seconds of the steady clock, and of error of the wall's."""
    found, clock = [], Steady()
    for steady_s, error_s in looks:
        clock = clock.seen(WHEN + timedelta(seconds=steady_s + error_s), 1000.0 + steady_s)
        found.append(clock.is_right)
    return found


@pytest.mark.parametrize("jump_s", [10_800.0, -7200.0, MOST_STEP_S + 1, -MOST_STEP_S - 1])
def test_a_jump_is_not_believed_until_it_lasts(jump_s: float) -> None:
    looks = [(0.0, 0.0), (10.0, jump_s), (10.0 + AGREE_S - 1, jump_s), (10.0 + AGREE_S, jump_s), (300.0, jump_s)]
    assert watched(*looks) == [True, False, False, True, True]


def test_one_that_jumps_back_is_believed_at_once() -> None:
    assert watched((0.0, 0.0), (10.0, 10_800.0), (20.0, 5.0)) == [True, False, True]


def test_each_jump_counts_anew() -> None:
    end = 10.0 + AGREE_S
    assert watched((0.0, 0.0), (10.0, 3600.0), (end - 1, 7200.0), (end, 7200.0)) == [True, False, False, False]


def test_a_slewed_clock_is_followed() -> None:
    assert all(watched(*((10.0 * n, 2.0 * n) for n in range(100))))
    assert watched((0.0, 0.0), (1.0, MOST_STEP_S)) == [True, True]


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(TimeError):
        Steady().seen(datetime(2025, 6, 9), 0.0)  # noqa: DTZ001
