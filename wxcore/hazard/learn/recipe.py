"""How one model is made from training rows: parameters, thinning, dropped sources, calibration, threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from wxcore.hazard.learn import scores
from wxcore.hazard.learn.calibrate import calibrated, fit_calibrator, is_sigmoid, logit
from wxcore.hazard.learn.dropout import copies
from wxcore.hazard.learn.fitted import Fitted
from wxcore.hazard.learn.model import Model
from wxcore.hazard.learn.split import day_folds, fit_and_calibration, halves, whole_days

Doubles = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CROSS_FITTED_ROWS, CROSS_FITTED = 20_000, 4
"""Up to this many training rows none is spent on calibration alone: that many models, each of which has not seen a
part of the days, speak for the calibrator, and all rows fit the model (scikit-learn: CalibratedClassifierCV with
ensemble=False). Beyond, days are kept apart [our choice]."""

CHOICE_ROWS, CHOICE_FOLDS = 50_000, 3
"""Parameters are chosen on at most so many rows of whole days, by as many folds of days [our choice]."""

THINNED_ROWS, NEGATIVES_AN_EVENT = 50_000, 10
"""Negatives are thinned to so many an event where rows are more than this (DOMAIN.md 5.3)."""


@dataclass(frozen=True)
class Data:
    """Rows of one window. Arrays are (n,).

    Attributes:
        x: features. y: 0 or 1. days: a number a convective day. weight: of the row in fits, never in scores.
        groups: feature -> source. directions: of each feature, as Model.make takes them.
    """

    x: pd.DataFrame
    y: Doubles
    days: Whole
    weight: Doubles
    groups: Mapping[str, str]
    directions: tuple[int, ...]


@dataclass(frozen=True)
class Made:
    """A model as it was made.

    Attributes:
        threshold: with the largest CSI on days that the estimator behind it had not seen; NaN: none could be held out.
        remarks: what is odd.
    """

    fitted: Fitted
    threshold: float
    parameters: Mapping[str, Any]
    remarks: tuple[str, ...] = ()


def calibration_rows(data: Data, rows: Whole, seed: int) -> Whole:
    """Those of the training rows on which a rule, which fits nothing else, is calibrated: as the models are."""
    if len(rows) <= CROSS_FITTED_ROWS:
        return rows
    return rows[fit_and_calibration(data.days[rows], data.y[rows], seed)[1]]


def make(model: Model, data: Data, rows: Whole, seed: int) -> Made:
    """The model, from rows `rows` (positions) alone."""
    parameters = choose(model, data, rows, seed)
    if len(rows) <= CROSS_FITTED_ROWS:
        groups = day_folds(data.days[rows], data.y[rows], CROSS_FITTED, seed)
        parts = [(rows[seen], rows[held]) for seen, held in halves(groups, data.y[rows])]
        spoken = [_heard(_fit(model, parameters, data, seen, seed), data, held, seed) for seen, held in parts]
        fitted = _fit(model, parameters, data, rows, seed)
    else:
        seen, held = fit_and_calibration(data.days[rows], data.y[rows], seed)
        possible = 0 < data.y[rows[seen]].sum() < seen.sum()
        fitted = _fit(model, parameters, data, rows[seen] if possible else rows, seed)
        spoken = [_heard(fitted, data, rows[held], seed)] if possible else []
    if not spoken:
        return Made(fitted, np.nan, parameters, ("no days to calibrate with: probabilities as the model gives them",))
    p, y, original = (np.concatenate(parts) for parts in zip(*spoken, strict=True))
    calibrator = fit_calibrator(p, y)
    told = calibrated(calibrator, p[original])
    remarks = []
    if is_sigmoid(calibrator):
        remarks.append(f"calibrated by a sigmoid: {int(original.sum())} rows and {int(y[original].sum())} events")
    if fitted.kept < 1:
        remarks.append(f"negatives thinned: {fitted.kept:.1%} kept, corrected in the probabilities")
    made = Fitted(fitted.estimator, calibrator, fitted.features, fitted.kept)
    return Made(made, scores.best_threshold(y[original], told), parameters, tuple(remarks))


def choose(model: Model, data: Data, rows: Whole, seed: int) -> Mapping[str, Any]:
    """Of the model's grid, what has the smallest log loss on held out days of the training rows."""
    if len(model.grid) == 1:
        return model.grid[0]
    rows = rows[whole_days(data.days[rows], CHOICE_ROWS, seed)]
    groups = day_folds(data.days[rows], data.y[rows], CHOICE_FOLDS, seed)
    parts = [(rows[seen], rows[held]) for seen, held in halves(groups, data.y[rows])]
    losses = [
        sum(_log_loss(data.y[held], _fit(model, one, data, seen, seed).raw(data.x.iloc[held])) for seen, held in parts)
        for one in model.grid
    ]
    return model.grid[int(np.argmin(losses))]


def _fit(model: Model, parameters: Mapping[str, Any], data: Data, rows: Whole, seed: int) -> Fitted:
    rows, kept = thinned(data.y, rows, seed)
    x, y, weight = data.x.iloc[rows], data.y[rows], data.weight[rows]
    more, of = copies(x, data.groups, seed)
    if len(of):
        x, y = pd.concat([x, more], ignore_index=True), np.concatenate([y, y[of]])
        weight = np.concatenate([weight, weight[of]])
    estimator = model.make(seed, data.directions, parameters)
    x = with_something(x)
    if isinstance(estimator, HistGradientBoostingClassifier):
        x = snapped(x, estimator.max_bins)
    given = weight if np.ptp(weight) > 0 else None
    name = f"{estimator.steps[-1][0]}__sample_weight" if isinstance(estimator, Pipeline) else "sample_weight"
    estimator.fit(x, y, **{name: given})
    return Fitted(estimator, None, tuple(data.x.columns.to_list()), kept)


def with_something(x: pd.DataFrame) -> pd.DataFrame:
    """The rows with 0 in features that not one of them has: nothing can be learnt from those, and whatever is asked
    later then changes nothing. scikit-learn 1.9 cannot bin a column without a value (ValueError: window shape)."""
    never = x.columns[x.isna().all()]
    return x.assign(**{str(name): x[name].to_numpy().dtype.type(0) for name in never}) if len(never) else x


def snapped(x: pd.DataFrame, bins: int) -> pd.DataFrame:
    """The rows with each value replaced by the nearest of at most `bins` quantiles of its column (NaN stays).

    Trees then split halfway between quantiles, and that parts the values themselves in the same way: nothing is lost
    but the choice of bins, which scikit-learn 1.9, where rows have weights, makes by sorting the column once a bin
    (two thirds of the time of a fit).
    """
    found = {}
    for name in x.columns:
        values = x[name].to_numpy().copy()
        known = ~np.isnan(values)
        levels = np.unique(values[known])
        if len(levels) > bins:
            steps = np.linspace(0, 100, bins)
            levels = np.unique(np.percentile(values[known], steps, method="inverted_cdf")).astype(values.dtype)
            halfway = levels[:-1] + (levels[1:].astype(np.float64) - levels[:-1]) / 2
            values[known] = levels[np.searchsorted(halfway, values[known].astype(np.float64), side="left")]
        found[name] = values
    return pd.DataFrame(found)


def thinned(y: Doubles, rows: Whole, seed: int) -> tuple[Whole, float]:
    """The rows that are fitted with, in order, and which part of the negatives is among them."""
    events, others = rows[y[rows] == 1], rows[y[rows] == 0]
    most = NEGATIVES_AN_EVENT * len(events)
    if len(rows) <= THINNED_ROWS or len(others) <= most:
        return rows, 1.0
    picked = np.random.default_rng(seed).choice(others, most, replace=False)
    return np.sort(np.concatenate([events, picked])), most / len(others)


def _heard(fitted: Fitted, data: Data, rows: Whole, seed: int) -> tuple[Doubles, Doubles, Flags]:
    """What it says of rows that it has not seen, and of copies with sources masked; what happened; which are rows."""
    x, y = data.x.iloc[rows], data.y[rows]
    more, of = copies(x, data.groups, seed + 1)
    p = [fitted.raw(x), fitted.raw(more)] if len(of) else [fitted.raw(x)]
    return np.concatenate(p), np.concatenate([y, y[of]]), np.arange(len(y) + len(of)) < len(y)


def _log_loss(y: Doubles, p: Doubles) -> float:
    """Sum over rows of the log loss, p held away from 0 and 1."""
    odds = logit(p)
    return float(np.logaddexp(0, np.where(y == 1, -odds, odds)).sum())
