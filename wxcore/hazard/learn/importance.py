"""Permutation importance: what a model loses when one feature tells nothing any more."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from wxcore.hazard.learn import scores
from wxcore.hazard.learn.fitted import Fitted

Importance = tuple[tuple[str, float, float], ...]
"""(feature, mean loss of AUC, its standard deviation), the largest loss first."""

ROWS = 20_000


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
    sample = frame.loc[:, list(fitted.features)].iloc[chosen].reset_index(drop=True)
    truth = np.asarray(y, dtype=np.float64)[chosen]
    whole = scores.auc(truth, fitted.probability(sample))
    orders = [draw.permutation(len(sample)) for _ in range(repeats)]
    found = []
    for name in fitted.features:
        known = sample[name].to_numpy()
        losses = [
            whole - scores.auc(truth, fitted.probability(sample.assign(**{name: known[order]}))) for order in orders
        ]
        found.append((name, float(np.mean(losses)), float(np.std(losses))))
    return _ordered(found)


def _ordered(found: Sequence[tuple[str, float, float]]) -> Importance:
    return tuple(sorted(found, key=lambda each: (-np.nan_to_num(each[1], nan=-np.inf), each[0])))
