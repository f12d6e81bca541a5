"""Permutation importance: what a model loses when one feature tells nothing any more."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from wxcore.hazard.learn import scores
from wxcore.hazard.learn.fitted import Fitted

Importance = tuple[tuple[str, float, float], ...]
"""(feature, mean loss of AUC, its standard deviation), the largest loss first."""

ROWS = 20_000

CHUNK = 50_000
"""Shuffled rows that the model is asked about at once: a call costs as much as some thousand rows."""

Doubles = npt.NDArray[np.float64]


def permutation(
    fitted: Fitted, frame: pd.DataFrame, y: npt.ArrayLike, seed: int, repeats: int = 5, rows: int = ROWS
) -> Importance:
    """Loss of AUC when a feature's values (and its gaps with them) are shuffled among the rows (Breiman 2001).

    Of two features that tell the same neither may seem to matter: this is what the model leans on, not what causes
    the event. All features see the same shuffles, so their order in `frame` does not matter.

    Args:
        fitted: of one window.
        frame: (n) rows whose days `fitted` has not seen, with its features.
        y: (n,) 0 or 1.
        seed: of the sample and the shuffles.
        repeats: shuffles a feature. rows: a larger frame is sampled to so many.

    Raises:
        KeyError: a feature is not there.
        ValueError: as `scores.checked`.
    """
    draw = np.random.default_rng(seed)
    chosen = np.sort(draw.choice(len(frame), size=min(rows, len(frame)), replace=False))
    names = list(fitted.features)
    sample = frame.loc[:, names].iloc[chosen]
    truth, told = scores.checked(np.asarray(y)[chosen], fitted.probability(sample))
    whole = _areas(truth == 1, told)
    known = sample.to_numpy()
    orders = [draw.permutation(len(sample)) for _ in range(repeats)]
    at_once = max(1, CHUNK // max(1, repeats * len(sample)))
    found = []
    for start in range(0, len(names), at_once):
        columns = range(start, min(start + at_once, len(names)))
        shuffled = np.tile(known, (len(columns), repeats, 1, 1))
        for place, column in enumerate(columns):
            for repeat, order in enumerate(orders):
                shuffled[place, repeat, :, column] = known[order, column]
        p = fitted.probability(pd.DataFrame(shuffled.reshape(-1, len(names)), columns=names))
        losses = whole - _areas(truth == 1, p.reshape(len(columns), repeats, len(sample)))
        found += [
            (names[column], float(own.mean()), float(own.std())) for column, own in zip(columns, losses, strict=True)
        ]
    return _ordered(found)


def _areas(yes: npt.NDArray[np.bool_], p: Doubles) -> Doubles:
    """`scores.auc` along the last axis, by the sum of the events' ranks (Mann and Whitney 1947), without its checks."""
    events, others = int(yes.sum()), int((~yes).sum())
    if not events or not others:
        return np.full(p.shape[:-1], np.nan)
    ranks = rankdata(p, axis=-1)[..., yes].sum(axis=-1)
    return np.asarray((ranks - events * (events + 1) / 2) / (events * others))


def _ordered(found: Sequence[tuple[str, float, float]]) -> Importance:
    return tuple(sorted(found, key=lambda each: (-np.nan_to_num(each[1], nan=-np.inf), each[0])))
