"""Splits by day."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import SampleError
from wxcore.hazard.learn.split import (
    check_days,
    day_folds,
    default_folds,
    fit_and_calibration,
    halves,
    whole_days,
)
from wxcore.hazard.samples.table import Samples


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=2, max_size=200), st.integers(2, 12))
@settings(max_examples=60, deadline=None)
def test_no_day_is_in_two_folds_and_no_row_is_lost(rows: list[tuple[int, bool]], folds: int) -> None:
    days = np.array([day for day, _ in rows])
    y = np.array([float(event) for _, event in rows])
    found = day_folds(days, y, folds, seed=1)
    assert found.shape == days.shape
    assert pd.Series(found).groupby(days).nunique().max() == 1
    assert len(set(found)) == min(folds, len(set(days)))


def test_folds_are_even_in_rows_and_events_and_repeat() -> None:
    rng = np.random.default_rng(0)
    days = rng.integers(0, 100, 5000)
    y = (rng.random(5000) < 0.1).astype(np.float64)
    found = day_folds(days, y, 10, seed=3)
    assert np.bincount(found).min() > 400
    assert np.bincount(found, weights=y).min() > 0.7 * y.sum() / 10
    assert (found == day_folds(days, y, 10, seed=3)).all()
    assert (found != day_folds(days, y, 10, seed=4)).any()


def test_two_days_with_events_come_into_two_folds() -> None:
    days = np.repeat(np.arange(6), 10)
    y = np.isin(np.arange(60), [0, 25]).astype(np.float64)
    found = day_folds(days, y, 3, seed=0)
    assert found[0] != found[25]


def test_calibration_takes_whole_days() -> None:
    days = np.repeat(np.arange(40), 25)
    y = np.tile(np.arange(25) < 3, 40).astype(np.float64)
    fit, calibration = fit_and_calibration(days, y, seed=0)
    assert not set(days[fit]) & set(days[calibration])
    assert (fit ^ calibration).all()
    assert calibration.mean() == pytest.approx(0.25, abs=0.03)


def test_a_fold_whose_training_rows_lack_a_class_is_passed_over() -> None:
    groups, y = np.array([0, 0, 1, 1]), np.array([1.0, 0.0, 0.0, 0.0])
    assert [held.tolist() for _, held in halves(groups, y)] == [[False, False, True, True]]


def test_defaults() -> None:
    assert [default_folds(*case) for case in [(40, 785), (6, 785), (40, 300_000), (2, 300_000)]] == [10, 6, 3, 2]


def test_whole_days_are_picked() -> None:
    days = np.repeat(np.arange(50), 10)
    picked = whole_days(days, 105, seed=0)
    assert picked.sum() == 100
    assert set(days[picked]).isdisjoint(days[~picked])


def _samples(days: list[str], storms: list[str], y: list[float]) -> Samples:
    return Samples(pd.DataFrame({"day": days, "storm": storms, "label_0_60": y}), "hail", ())


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (_samples(["a", "b", "b"], ["s", "s", "t"], [1, 1, 0]), "1 storms lie on more than one day, such as 's'"),
        (_samples(["a", "b"], ["s", "t"], [0, 0]), "no event in 2 rows"),
        (_samples(["a", "b"], ["s", "t"], [1, 1]), "all 2 rows are events"),
        (_samples(["a", "b", "b"], ["s", "t", "t"], [0, 1, 1]), "all 2 events on one day"),
        (_samples(["a", "b"], ["s", "t"], [np.nan, 0]), "no event in 1 rows"),
    ],
)
def test_refused(samples: Samples, said: str) -> None:
    with pytest.raises(SampleError, match=said):
        check_days(samples, "0-60")
