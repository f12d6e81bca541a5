"""Calibration of probabilities, and the thinning of negatives undone."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

Doubles = npt.NDArray[np.float64]

ISOTONIC_ROWS, ISOTONIC_EVENTS = 1000, 50
"""Isotonic from this many rows on, with as many events (and as many without), else sigmoid (DOMAIN.md 5.3)."""

NEAREST = 1e-6
"""Probabilities are held this far from 0 and 1 before their log odds are taken [our choice]."""

FLATTEST = 0.01
"""Smallest slope of a sigmoid [our choice]: calibration may flatten what a model says but never turn it round."""

STIFFNESS = 100.0
"""Inverse strength of the sigmoid's penalty [our choice]: keeps the slope finite where a few rows are separable."""


def logit(p: Doubles) -> Doubles:
    """Log odds of probabilities, finite."""
    return np.asarray(special.logit(np.clip(p, NEAREST, 1 - NEAREST)))


def fit_calibrator(
    p: Doubles, y: Doubles, weight: Doubles | None = None, *, enough: tuple[int, int] = (ISOTONIC_ROWS, ISOTONIC_EVENTS)
) -> Any:
    """A calibrator of probabilities `p` (n,) from what happened, `y` (n,) of 0 and 1.

    Isotonic regression (Zadrozny & Elkan 2002) where there is enough, else a sigmoid of the log odds (Platt 1999).
    Isotonic values stay within 1 / (n + 2) of 0 and 1 (Laplace's rule): never certain. Weights are for those who must:
    scores count each row once, so does the trainer here.

    Args:
        enough: rows, and rows of the rarer class, from which on it is isotonic.

    Returns:
        IsotonicRegression or LogisticRegression; None (leave as it is) where y holds one class only.
    """
    events = int(y.sum())
    if events == 0 or events == len(y):
        return None
    if len(y) >= enough[0] and min(events, len(y) - events) >= enough[1]:
        edge = 1 / (len(y) + 2)
        steps = IsotonicRegression(y_min=edge, y_max=1 - edge, increasing=True, out_of_bounds="clip")
        return steps.fit(p, y, sample_weight=weight)
    sigmoid = LogisticRegression(C=STIFFNESS)
    sigmoid.fit(logit(p)[:, None], y, sample_weight=weight)
    if sigmoid.coef_[0, 0] < FLATTEST:
        base = np.array([np.average(y, weights=weight)])
        middle = np.average(logit(p), weights=weight)
        sigmoid.coef_ = np.array([[FLATTEST]])
        sigmoid.intercept_ = logit(base) - FLATTEST * middle
    return sigmoid


def is_sigmoid(calibrator: Any) -> bool:
    """Was there too little for isotonic regression?"""
    return isinstance(calibrator, LogisticRegression)


def calibrated(calibrator: Any, p: Doubles) -> Doubles:
    """Probabilities (n,) as the calibrator corrects them; NaN stays NaN; None leaves them as they are."""
    if calibrator is None:
        return p
    found = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if is_sigmoid(calibrator):
        found[known] = special.expit(calibrator.coef_[0, 0] * logit(p[known]) + calibrator.intercept_[0])
    elif known.any():
        found[known] = calibrator.predict(p[known])
    return found


def prior_corrected(p: Doubles, kept: float) -> Doubles:
    """Probabilities (n,) of a model that saw a part `kept` of the negatives: p s / (p s + 1 - p) (DOMAIN.md 5.3)."""
    return p if kept == 1 else p * kept / (p * kept + 1 - p)
