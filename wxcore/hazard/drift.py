"""Drift: are features and probabilities still spread as they were when the model was trained?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wxcore.hazard.learn.trained import Reference

STEPS = 20
"""Quantiles of a Reference lie 1/STEPS apart; every second bounds a bin: ten bins, as the convention below has it."""

MOVED_A_LITTLE, MOVED = 0.1, 0.25
"""Limits of the population stability index: a convention of credit scoring (Siddiqi 2006) [M], not of meteorology;
they are no test. Under no drift at all the index of n rows is about (bins - 1) / n."""

MISSING_MOVED = 0.25
"""Change of the missing part that counts as moved; the lesser limit is MOVED_A_LITTLE as well [our choice]."""

FEWEST = 200
"""Values below which nothing is said [our choice]: the index of unchanged ones is then below 0.05."""

LEAST_SHARE = 1e-4
"""Least share of a bin, so that an empty one does not make the index infinite [convention]."""

STEADY, A_LITTLE, MUCH, TOO_FEW, ABSENT = "steady", "moved a little", "moved", "too few", "absent"

Doubles = npt.NDArray[np.float64]


def reference_of(values: npt.ArrayLike) -> Reference:
    """How values (any shape, NaN missing) are spread: quantiles (inverse of the distribution: values that were there)
    and the missing part. Without a single value: no quantiles, all missing."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    known = np.sort(flat[np.isfinite(flat)])
    if known.size == 0:
        return Reference((), 1.0)
    rank = -(-np.arange(STEPS + 1) * known.size // STEPS) - 1  # in whole numbers: the least value with F >= step
    return Reference(tuple(known[np.maximum(rank, 0)].tolist()), 1 - known.size / flat.size)


def stability_index(reference: Reference, values: npt.ArrayLike) -> float:
    """Population stability index, sum of (a - e) ln(a / e) over the bins between the reference's tenths and outside.

    A value that stands for several quantiles (the zeros of a rare event) leaves its share open by a twentieth: within
    that it counts as unchanged, for the reference cannot tell. NaN where either side has no values.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    known = np.sort(flat[np.isfinite(flat)])
    quantiles = np.asarray(reference.quantiles, dtype=np.float64)
    if known.size == 0 or quantiles.size == 0 or not np.isfinite(quantiles).all():
        return np.nan
    edges = np.unique(quantiles[::2])
    below = np.searchsorted(known, edges[0], side="left") / known.size
    now = np.searchsorted(known, edges, side="right") / known.size
    last = np.searchsorted(quantiles, edges, side="right") - 1
    is_open = last > np.searchsorted(quantiles, edges, side="left")
    is_open[0] = True  # any part up to a twentieth may be the least value
    then = np.where(is_open, np.clip(now, last / STEPS, np.minimum(last + 1, STEPS) / STEPS), last / STEPS)
    bins = (np.diff([0.0, least, *part, 1.0]) for least, part in ((0.0, then), (below, now)))
    expected, actual = (np.maximum(shares, LEAST_SHARE) for shares in bins)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def quantile_shift(reference: Reference, values: npt.ArrayLike) -> float:
    """Mean distance of the quantiles, over the reference's range from 5 to 95 % (over 1 where that is nothing).

    For probabilities: a calibrated one takes few values (isotonic steps), and those of the folds that the reference is
    from are not those of the final model; shares of bins would jump where p hardly changed. NaN as `stability_index`.
    """
    now, then = reference_of(values).quantiles, np.asarray(reference.quantiles, dtype=np.float64)
    if not now or len(then) != len(now) or not np.isfinite(then).all():
        return np.nan
    spread = float(then[-2] - then[1])
    return float(np.abs(np.asarray(now) - then).mean()) / (spread if spread > 0 else 1.0)


def drift(
    reference: Mapping[str, Reference],
    frame: pd.DataFrame,
    *,
    index: Callable[[Reference, npt.ArrayLike], float] = stability_index,
) -> pd.DataFrame:
    """One row a name of `reference`, the largest index first: name, index, missing_then, missing_now, rows, verdict.

    Rows of one storm, and storms of one day, are much alike: one day's index is large by chance. Judge by several.

    Args:
        reference: of features, or of probabilities (Trained.reference, p_reference).
        frame: (row, name) values of now, NaN missing; a name that it has no column of is "absent".
        index: `stability_index` of features, `quantile_shift` of probabilities; both are held against the same limits,
            which are a convention for the former and our choice for the latter.
    """
    rows = [_row(name, reference[name], frame, index) for name in reference]
    table = pd.DataFrame(rows, columns=["name", "index", "missing_then", "missing_now", "rows", "verdict"])
    return table.sort_values(["index", "name"], ascending=[False, True], na_position="last", ignore_index=True)


def _row(
    name: str, then: Reference, frame: pd.DataFrame, index: Callable[[Reference, npt.ArrayLike], float]
) -> tuple[str, float, float, float, int, str]:
    if name not in frame:
        return name, np.nan, then.missing, 1.0, 0, ABSENT
    values = frame[name].to_numpy(dtype=np.float64)
    missing = float(np.mean(~np.isfinite(values))) if values.size else 1.0
    found = index(then, values)
    return name, found, then.missing, missing, values.size, _verdict(found, missing - then.missing, values, then)


def _verdict(index: float, more_missing: float, values: Doubles, then: Reference) -> str:
    if values.size < FEWEST:
        return TOO_FEW
    apart = abs(more_missing)
    if apart >= MISSING_MOVED:
        return MUCH
    if np.isfinite(index) and np.isfinite(values).sum() >= FEWEST:
        if index >= MOVED:
            return MUCH
        if index >= MOVED_A_LITTLE:
            return A_LITTLE
    elif apart < MOVED_A_LITTLE and then.missing < 1:
        return TOO_FEW
    return A_LITTLE if apart >= MOVED_A_LITTLE else STEADY


def moved(table: pd.DataFrame) -> tuple[str, ...]:
    """Names of `drift` that moved, or are absent."""
    return tuple(table.loc[table["verdict"].isin([A_LITTLE, MUCH, ABSENT]), "name"])


def references_of(card: Mapping[str, Any], part: str) -> dict[str, Reference]:
    """References out of a model's card: "features" by name, or "probability" by window."""
    told: Mapping[str, Any] = (card.get("drift") or {}).get(part) or {}
    return {name: Reference(_figures(own["quantiles"]), float(own["missing"])) for name, own in told.items()}


def _figures(quantiles: Sequence[float | None]) -> tuple[float, ...]:
    """Empty where there was not one value: a card tells that as nulls."""
    return tuple(float(value) for value in quantiles if value is not None)
