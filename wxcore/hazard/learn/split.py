"""Splits by convective day: never by row, and a storm is of one day."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wxcore.errors import SampleError
from wxcore.hazard.samples.table import DAY, STORM, Samples, label_column

Doubles = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FOLDS = 10
MANY_ROWS, FOLDS_OF_MANY = 200_000, 3
"""More rows than this make do with three folds of day blocks (DOMAIN.md 5.3)."""

CALIBRATION = 4
"""One day in this many, by rows and events, is kept for calibration [our choice]."""


def day_folds(days: npt.NDArray[Any], y: Doubles, folds: int, seed: int) -> Whole:
    """Fold 0..folds-1 of each row (n,): whole days, events and rows as even as the days allow.

    Days go one by one, those with most events first, to the fold that is emptiest then (as StratifiedGroupKFold of
    scikit-learn does in spirit; equal days are shuffled by the seed). No more folds than days.
    """
    code, names = pd.factorize(days, sort=True)
    rows = np.bincount(code, minlength=len(names)).astype(np.float64)
    events = np.bincount(code, weights=y, minlength=len(names))
    shares = np.stack([rows / rows.sum(), events / max(events.sum(), 1.0)], axis=1)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.lexsort((-rows[shuffled], -events[shuffled]))]
    count = min(folds, len(names))
    filled = np.zeros((count, 2))
    chosen = np.zeros(len(names), dtype=np.int64)
    for day in order:
        fullness = ((filled + shares[day]) ** 2).sum(axis=1) - (filled**2).sum(axis=1)
        chosen[day] = int(np.argmin(fullness))
        filled[chosen[day]] += shares[day]
    return np.asarray(chosen[code])


def fit_and_calibration(days: npt.NDArray[Any], y: Doubles, seed: int) -> tuple[Flags, Flags]:
    """Rows to fit with and rows to calibrate with (n,): whole days, about one in CALIBRATION for calibration."""
    calibration = day_folds(days, y, CALIBRATION, seed) == 0
    return ~calibration, calibration


def halves(groups: Whole, y: Doubles) -> Iterator[tuple[Flags, Flags]]:
    """(training, held out) of each fold whose training rows hold both classes; a fold may hold out days of one."""
    for group in range(int(groups.max()) + 1):
        held = groups == group
        if held.any() and 0 < y[~held].sum() < (~held).sum():
            yield ~held, held


def default_folds(days: int, rows: int) -> int:
    """FOLDS, or one a day where there are fewer days; FOLDS_OF_MANY of many rows."""
    return min(FOLDS_OF_MANY if rows > MANY_ROWS else FOLDS, days)


def whole_days(days: npt.NDArray[Any], most: int, seed: int) -> Flags:
    """Rows (n,) of days picked at random until the next would make more than `most` rows; one day at least."""
    if len(days) <= most:
        return np.ones(len(days), dtype=np.bool_)
    code, names = pd.factorize(days, sort=True)
    order = np.random.default_rng(seed).permutation(len(names))
    total = np.cumsum(np.bincount(code, minlength=len(names))[order])
    picked = order[: max(1, int(np.searchsorted(total, most, side="right")))]
    return np.asarray(np.isin(code, picked))


def check_days(samples: Samples, window: str) -> None:
    """Refuse what cannot be split by day.

    Raises:
        SampleError: a storm of two days, no event, nothing but events, or events on fewer than two days.
    """
    label = label_column(window)
    frame = samples.frame.loc[samples.frame[label].notna(), [DAY, STORM, label]]
    y = frame[label].to_numpy(dtype=np.float64)
    events, days = int(y.sum()), frame.loc[y == 1, DAY].nunique()
    faults = []
    pairs = frame[[STORM, DAY]].drop_duplicates()
    if len(astray := sorted(set(pairs.loc[pairs[STORM].duplicated(), STORM].astype(str)))):
        faults.append(
            f"{STORM}: {len(astray)} storms lie on more than one {DAY}, such as {astray[0]!r}; expected one day a "
            "storm (the day of its first row), or a fold would know the answer"
        )
    if events == 0:
        faults.append(f"{label}: no event in {len(y)} rows; expected some: take a longer period")
    elif events == len(y):
        faults.append(f"{label}: all {len(y)} rows are events; expected rows without as well")
    elif days < 2:
        faults.append(f"{label}: all {events} events on one day; expected 2 days with events, to hold one out")
    if faults:
        raise SampleError(f"samples {samples.source or samples.hazard}, window {window}", faults)
