"""Flip rate: counted by hand, and what hysteresis is for."""

from datetime import timedelta

import pytest

from tests.warning.scene import NATIONAL, WHEN, chance, region, storm, tables
from wxcore.errors import TimeError
from wxcore.warning.draft import draft
from wxcore.warning.flips import flip_rate, without_hysteresis
from wxcore.warning.level import rulebook

BOOK = rulebook(NATIONAL)
STEP = timedelta(minutes=6)


def history(ps, book, hazard="thunderstorm"):
    """A still storm over district 1 with these probabilities, one a run; NaN is not used, None: no storm."""
    live, runs = [], []
    for at, p in enumerate(ps):
        when = WHEN + at * STEP
        storms = [] if p is None else [storm(u_m_s=0.0, v_m_s=0.0)]
        chances = [] if p is None else [chance("s1", hazard, p)]
        live = draft(*tables(storms, chances), region(), when=when, previous=live, book=book)
        runs.append((when, live))
    return runs


def test_raw_thresholds_flip_where_hysteresis_holds():
    ps = [0.4, 0.25, 0.4, 0.25, 0.4]  # p_up 0.30, p_down 0.20
    held = flip_rate(history(ps, BOOK), hold_runs=BOOK.hold_runs)
    assert (held.again, held.back, held.names) == (0, 0, 1)
    assert held.place_hours == pytest.approx(0.4)
    raw_book = without_hysteresis(BOOK)
    raw = flip_rate(history(ps, raw_book), hold_runs=raw_book.hold_runs)
    assert (raw.again, raw.back, raw.names) == (2, 0, 3)
    assert raw.place_hours == pytest.approx(0.2)
    assert raw.rate == pytest.approx(10.0)


def test_raised_and_lowered_within_the_hour():
    raw_book = without_hysteresis(BOOK)
    raw = flip_rate(history([0.4, 0.8, 0.4], raw_book), hold_runs=1)
    assert (raw.again, raw.back) == (0, 1)
    late = flip_rate(history([0.4] + [0.8] * 11 + [0.4], raw_book), hold_runs=1)
    assert late.back == 0  # after 66 minutes
    assert flip_rate(history([0.4, 0.8, 0.4], BOOK), hold_runs=2).back == 0


def test_gone_for_more_than_an_hour_is_no_flip():
    raw_book = without_hysteresis(BOOK)
    assert flip_rate(history([0.4] + [0.1] * 10 + [0.4], raw_book), hold_runs=1).again == 1
    assert flip_rate(history([0.4] + [0.1] * 11 + [0.4], raw_book), hold_runs=1).again == 0


def test_nothing_warned_and_naive_times():
    assert flip_rate([], hold_runs=2).rate == 0.0
    with pytest.raises(TimeError):
        flip_rate([(WHEN.replace(tzinfo=None), [])], hold_runs=2)


def test_released_and_never_named_again_is_no_flip():
    found = flip_rate(history([0.4, 0.1, 0.1, None], without_hysteresis(BOOK)), hold_runs=1)
    assert (found.again, found.back, found.names) == (0, 0, 1)
