"""Calibration, against hand values and what it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from wxcore.hazard.learn.calibrate import calibrated, fit_calibrator, logit, prior_corrected


def _overconfident(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """p said with twice the log odds that are true."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.2, n)
    return expit(2 * odds), (rng.random(n) < expit(odds)).astype(np.float64)


def test_thinning_is_undone_as_by_hand() -> None:
    # 10 events, 90 others of which 10 kept: a model of the thinned rows says .5, the truth is .1
    assert prior_corrected(np.array([0.5]), 10 / 90) == pytest.approx(0.1)
    assert prior_corrected(np.array([0.3]), 1.0)[0] == 0.3


@given(st.floats(0.001, 0.999), st.floats(0.001, 1.0))
@settings(max_examples=50, deadline=None)
def test_thinning_scales_the_odds(p: float, kept: float) -> None:
    found = prior_corrected(np.array([p]), kept)[0]
    assert found / (1 - found) == pytest.approx(kept * p / (1 - p), rel=1e-9)


def test_few_rows_get_a_sigmoid_that_finds_the_slope() -> None:
    p, y = _overconfident(900)
    found = fit_calibrator(p, y)
    assert isinstance(found, LogisticRegression)
    assert found.coef_[0, 0] == pytest.approx(0.5, abs=0.1)
    assert calibrated(found, p).mean() == pytest.approx(y.mean(), abs=1e-3)


def test_many_rows_get_isotonic_that_is_never_certain() -> None:
    p, y = _overconfident(5000)
    found = fit_calibrator(p, y)
    told = calibrated(found, p)
    assert isinstance(found, IsotonicRegression)
    assert told.min() >= 1 / 5002
    assert told.max() <= 1 - 1 / 5002
    assert (np.diff(told[np.argsort(p)]) >= 0).all()
    p2, y2 = _overconfident(20_000, seed=1)
    assert ((calibrated(found, p2) - y2) ** 2).mean() < ((p2 - y2) ** 2).mean() - 0.01


@pytest.mark.parametrize(("rows", "events", "isotonic"), [(1000, 50, True), (999, 500, False), (1000, 49, False)])
def test_the_border_between_both(rows: int, events: int, isotonic: bool) -> None:
    y = (np.arange(rows) < events).astype(np.float64)
    p = np.random.default_rng(0).random(rows)
    assert isinstance(fit_calibrator(p, y), IsotonicRegression) is isotonic


def test_a_model_that_is_upside_down_is_flattened_not_turned() -> None:
    p, y = _overconfident(500)
    told = calibrated(fit_calibrator(1 - p, y), 1 - p)
    assert told.std() < 0.02
    assert told.mean() == pytest.approx(y.mean(), abs=0.01)
    assert np.corrcoef(told, 1 - p)[0, 1] > 0


def test_one_class_cannot_be_calibrated_and_missing_stays_missing() -> None:
    assert fit_calibrator(np.array([0.1, 0.2]), np.zeros(2)) is None
    p, y = _overconfident(300)
    told = calibrated(fit_calibrator(p, y), np.array([np.nan, 0.0, 1.0]))
    assert np.isnan(told[0])
    assert 0 < told[1] < told[2] < 1


def test_log_odds_are_finite_at_the_ends() -> None:
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    assert expit(logit(np.array([0.25])))[0] == pytest.approx(0.25)
