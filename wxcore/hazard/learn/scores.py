"""Scores of probabilities and of yes/no against what happened.

y is 0 or 1, p a probability 0..1 (AUC and average precision take any number that rises with likelihood), both (n,).
NaN is refused with ValueError: who has no opinion is dealt with before (`with_climatology`). A score that has no
meaning (no event, no row) is NaN, never zero. Formulas: DOMAIN.md 5.4; Wilks (2011) chapter 8.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from wxcore.hazard.learn.trained import Bin

Doubles = npt.NDArray[np.float64]

BINS = 10


def checked(y: npt.ArrayLike, p: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    """Both as f8 of the same length, without NaN, y of 0 and 1.

    Raises:
        ValueError: they are not.
    """
    truth, found = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != found.shape:
        raise ValueError(f"y is {truth.shape} and p {found.shape}: expected one number a row in both")
    if not np.isin(truth, (0.0, 1.0)).all():
        raise ValueError("y holds something else than 0 and 1: take censored rows out first")
    if np.isnan(found).any():
        raise ValueError("p holds NaN: put climatology in its place first")
    return truth, found


def with_climatology(p: npt.ArrayLike, climatology: npt.ArrayLike) -> tuple[Doubles, int]:
    """p with `climatology` (n,) where it is NaN, and in how many rows."""
    found = np.asarray(p, dtype=np.float64)
    unknown = np.isnan(found)
    return np.where(unknown, climatology, found), int(unknown.sum())


def auc(y: npt.ArrayLike, p: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Area under the ROC curve: the chance that an event stood above a non-event, ties half. NaN with one class."""
    truth, found = checked(y, p)
    if not _two_classes(truth):
        return math.nan
    return float(roc_auc_score(truth, found, sample_weight=weight))


def average_precision(y: npt.ArrayLike, p: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Area under precision against recall, by steps. Without skill it is the base rate. NaN without an event."""
    truth, found = checked(y, p)
    return float(average_precision_score(truth, found, sample_weight=weight)) if truth.any() else math.nan


def brier(y: npt.ArrayLike, p: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Mean of (p - y)^2 (Brier 1950). 0 is perfect."""
    truth, found = checked(y, p)
    parts = None if weight is None else np.asarray(weight, dtype=np.float64)
    return float(np.average((found - truth) ** 2, weights=parts)) if truth.size else math.nan


def skill(y: npt.ArrayLike, p: npt.ArrayLike, climatology: npt.ArrayLike) -> float:
    """Brier skill, 1 - BS / BS of `climatology` (a number, or one a row, of training days). NaN where that is 0."""
    truth, found = checked(y, p)
    reference = brier(truth, np.broadcast_to(np.asarray(climatology, dtype=np.float64), truth.shape))
    return 1 - brier(truth, found) / reference if reference > 0 else math.nan


def reliability(y: npt.ArrayLike, p: npt.ArrayLike, bins: int = BINS) -> tuple[Bin, ...]:
    """Of `bins` bins of equal width over 0..1 those that hold a row: mean p, frequency of the event, rows."""
    truth, found = checked(y, p)
    number = np.clip((found * bins).astype(np.intp), 0, bins - 1)
    rows = np.bincount(number, minlength=bins)
    sums = np.bincount(number, weights=found, minlength=bins)
    events = np.bincount(number, weights=truth, minlength=bins)
    return tuple(Bin(float(sums[i] / rows[i]), float(events[i] / rows[i]), int(rows[i])) for i in np.flatnonzero(rows))


def ece(y: npt.ArrayLike, p: npt.ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: mean |p - frequency| of the bins, weighted by rows (Naeini et al. 2015)."""
    found = reliability(y, p, bins)
    rows = sum(each.rows for each in found)
    return sum(each.rows * abs(each.p - each.frequency) for each in found) / rows if rows else math.nan


@dataclass(frozen=True)
class Decomposition:
    """Brier = reliability - resolution + uncertainty (Murphy 1973); exact where all p of a bin are equal."""

    reliability: float
    resolution: float
    uncertainty: float


def decomposition(y: npt.ArrayLike, p: npt.ArrayLike, bins: int = BINS) -> Decomposition:
    """The three parts, over bins of equal width."""
    truth, found = checked(y, p)
    parts = reliability(truth, found, bins)
    if not parts:
        return Decomposition(math.nan, math.nan, math.nan)
    base = float(truth.mean())
    return Decomposition(
        sum(each.rows * (each.p - each.frequency) ** 2 for each in parts) / truth.size,
        sum(each.rows * (each.frequency - base) ** 2 for each in parts) / truth.size,
        base * (1 - base),
    )


@dataclass(frozen=True)
class Counts:
    """The contingency table; its scores are NaN where they would divide by zero."""

    hits: int
    false_alarms: int
    misses: int
    correct_negatives: int

    @property
    def rows(self) -> int:
        """All."""
        return self.hits + self.false_alarms + self.misses + self.correct_negatives

    @property
    def pod(self) -> float:
        """Probability of detection: hits of the events."""
        return _ratio(self.hits, self.hits + self.misses)

    @property
    def far(self) -> float:
        """False alarm ratio: false alarms of all yes. (Not the false alarm rate: that is `pofd`.)"""
        return _ratio(self.false_alarms, self.hits + self.false_alarms)

    @property
    def success_ratio(self) -> float:
        """1 - FAR."""
        return _ratio(self.hits, self.hits + self.false_alarms)

    @property
    def pofd(self) -> float:
        """Probability of false detection: false alarms of the non-events."""
        return _ratio(self.false_alarms, self.false_alarms + self.correct_negatives)

    @property
    def csi(self) -> float:
        """Critical success index (threat score, TS)."""
        return _ratio(self.hits, self.hits + self.false_alarms + self.misses)

    @property
    def bias(self) -> float:
        """Frequency bias: how many yes an event; 1 is right."""
        return _ratio(self.hits + self.false_alarms, self.hits + self.misses)

    @property
    def ets(self) -> float:
        """Equitable threat score (Gilbert): CSI with the hits of chance taken off."""
        chance = _ratio((self.hits + self.false_alarms) * (self.hits + self.misses), self.rows)
        return _ratio(self.hits - chance, self.hits + self.false_alarms + self.misses - chance)

    @property
    def hss(self) -> float:
        """Heidke skill score."""
        a, b, c, d = self.hits, self.false_alarms, self.misses, self.correct_negatives
        return _ratio(2 * (a * d - b * c), (a + c) * (c + d) + (a + b) * (b + d))

    @property
    def pss(self) -> float:
        """Peirce skill score (true skill statistic): POD - POFD."""
        return self.pod - self.pofd

    @property
    def sedi(self) -> float:
        """Symmetric extremal dependence index (Ferro and Stephenson 2011). NaN where POD or POFD is 0 or 1."""
        h, f = self.pod, self.pofd
        if not (0 < h < 1 and 0 < f < 1):
            return math.nan
        low, high = math.log(f) - math.log(h), math.log(1 - h) - math.log(1 - f)
        return _ratio(low + high, math.log(f) + math.log(h) + math.log(1 - h) + math.log(1 - f))


def counts(y: npt.ArrayLike, yes: npt.ArrayLike) -> Counts:
    """The table of the rows where it was said `yes` (bool, (n,))."""
    said = np.asarray(yes, dtype=bool)
    truth = checked(y, said)[0] == 1
    return Counts(
        int((said & truth).sum()), int((said & ~truth).sum()), int((~said & truth).sum()), int((~said & ~truth).sum())
    )


def best_threshold(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """The p from which (>=) to say yes for the largest CSI; of equals the highest (fewest yes). NaN with no event."""
    truth, found = checked(y, p)
    if not truth.any():
        return math.nan
    order = np.argsort(-found, kind="stable")
    ordered = found[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    hits = np.cumsum(truth[order])[last]
    csi = hits / (last + 1 + truth.sum() - hits)
    return float(ordered[last[int(np.argmax(csi))]])


def _two_classes(truth: Doubles) -> bool:
    return bool(truth.any() and not truth.all())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
