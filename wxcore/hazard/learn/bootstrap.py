"""95 % intervals by resampling whole days: storms of one day share their weather, so rows are no independent cases.

A replicate draws as many days as there are, with replacement (Efron and Tibshirani 1993, percentile method; blocks of
days: Hamill 1999). All competitors see the same draws, so differences are paired. No row is ever copied: a day is its
counts of events and non-events by bin of p, a replicate their sum weighted by how often the day was drawn.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array
from scipy.stats import norm, t

from wxcore.hazard.learn import scores
from wxcore.hazard.learn.board import Interval

Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

REPLICATES = 1000
COVERED = 0.95
DISTINCT = 4096
"""Up to so many distinct values of p the AUC of a replicate is exact; beyond, bins of quantiles: then an AUC is off by
at most half the part of the non-events that the fullest bin holds, 1.3e-4 where events are rare."""
SAID = 0.9
"""A replicate without an event, or of events only, has no AUC. Where fewer than this part has one, an interval would
tell of the days that happened to be drawn: NaN. [our choice]"""
SPARSE_COST = 8
"""A product with a sparse matrix costs so much more a number than with a dense one [measured, 2 cores]."""


@dataclass(frozen=True)
class Scored:
    """A competitor's scores with their intervals.

    better: AUC less that of the baseline; skill_better: Brier skill less that of the baseline; None: it is that.
    """

    auc: Interval
    brier: Interval
    skill: Interval
    better: Interval | None
    skill_better: Interval | None


@dataclass(frozen=True)
class _Replicates:
    """Scores of every replicate, (replicates,), and of all rows."""

    auc: Doubles
    brier: Doubles
    skill: Doubles
    whole: tuple[float, float, float]


def intervals(
    y: npt.ArrayLike,
    ps: Mapping[str, npt.ArrayLike],
    climatology: npt.ArrayLike,
    days: Sequence[Hashable] | npt.NDArray[Any],
    *,
    seed: int,
    baseline: str,
    replicates: int = REPLICATES,
    ranks: Mapping[str, npt.ArrayLike] | None = None,
) -> Mapping[str, Scored]:
    """Scores of every competitor with their block-bootstrap intervals, in the order of `ps`.

    With one day alone nothing is known of other days: low and high are NaN. With few days plain percentiles would be
    too narrow (85-87 % instead of 95 % with 6 days, 90-92 % with 10 [measured, 250 drawn seasons]); they are expanded
    as Student's t is (see `expanded_levels`). With fewer than six days even a lead on each of them comes by chance in
    more than 2.5 % of cases (2^-5): that proves nothing. What another training season would have made of a model is
    not in the interval: only the days it is scored on vary.

    Args:
        y: (n,) 0 or 1. ps: competitor -> (n,) probability without NaN.
        climatology: (n,) frequency of the event on each row's training days.
        days: (n,) the block of each row.
        seed: the same one gives the same intervals.
        baseline: the competitor of `ps` that the others are compared with.
        replicates: at least 1000 for a board.
        ranks: competitor -> (n,) number that AUC goes by, where that is not its probability.

    Raises:
        ValueError: as `scores.checked`; days of another length; a baseline that is no competitor.
    """
    truth, reference = scores.checked(y, climatology)
    if baseline not in ps:
        raise ValueError(f"baseline {baseline} is not among the competitors {', '.join(ps)}")
    if len(days) != truth.size:
        raise ValueError(f"{len(days)} days for {truth.size} rows: expected one a row")
    day, names = pd.factorize(np.asarray(days), sort=True)
    draws = _draws(len(names), replicates, seed)
    scored = {}
    for name, p in ps.items():
        number = p if ranks is None else ranks.get(name, p)
        scored[name] = _replicates((truth, reference, day), draws, scores.checked(truth, p)[1], number)
    levels = expanded_levels(len(names))
    return {
        name: _scored(mine, None if name == baseline else scored[baseline], levels) for name, mine in scored.items()
    }


def expanded_levels(days: int) -> tuple[float, float]:
    """Percentiles [%] between which 95 % of the replicates of so many blocks count (Hesterberg 2015, The American
    Statistician 69, 371-386: expanded percentiles, Phi(-sqrt(n / (n - 1)) t)); 2.5 and 97.5 of very many."""
    if days < 2:
        return 0.0, 100.0
    low = 100 * float(norm.cdf(-np.sqrt(days / (days - 1)) * t.ppf((1 + COVERED) / 2, days - 1)))
    return low, 100 - low


def _scored(mine: _Replicates, baseline: _Replicates | None, levels: tuple[float, float]) -> Scored:
    area, error, gain = mine.whole
    auc, brier, skill = (
        _interval(value, drawn, levels) for value, drawn in ((area, mine.auc), (error, mine.brier), (gain, mine.skill))
    )
    if baseline is None:
        return Scored(auc, brier, skill, better=None, skill_better=None)
    base_area, _, base_gain = baseline.whole
    return Scored(
        auc,
        brier,
        skill,
        better=_interval(area - base_area, mine.auc - baseline.auc, levels),
        skill_better=_interval(gain - base_gain, mine.skill - baseline.skill, levels),
    )


def _draws(days: int, replicates: int, seed: int) -> Doubles:
    """How often each day is in each replicate, (replicates, days); one day alone: nothing to draw, (0, days)."""
    rows = replicates if days > 1 else 0
    return np.random.default_rng(seed).multinomial(days, np.full(days, 1 / max(days, 1)), size=rows).astype(np.float64)


def _replicates(
    about: tuple[Doubles, Doubles, Indices], draws: Doubles, p: Doubles, rank: npt.ArrayLike
) -> _Replicates:
    truth, climatology, day = about
    number = scores.checked(truth, rank)[1]
    totals = _total(draws, day, np.ones_like(truth))
    errors, references = (_total(draws, day, (each - truth) ** 2) for each in (p, climatology))
    with np.errstate(divide="ignore", invalid="ignore"):
        skill = np.where(references > 0, 1 - errors / references, np.nan)
    whole = (scores.auc(truth, number), scores.brier(truth, p), scores.skill(truth, p, climatology))
    return _Replicates(_aucs(truth, number, day, draws), errors / totals, skill, whole)


def _total(draws: Doubles, day: Indices, value: Doubles) -> Doubles:
    """Sum of a row's value over each replicate. Not by BLAS, whose sums differ with its threads."""
    by_day = np.bincount(day, weights=value, minlength=draws.shape[1])
    return np.asarray(np.einsum("rd,d->r", draws, by_day), dtype=np.float64)


def _aucs(truth: Doubles, number: Doubles, day: Indices, draws: Doubles) -> Doubles:
    """AUC of each replicate: of the pairs event, non-event those in order, and half of those in one bin."""
    bins, size = _bins(number)
    events = _summed(bins[truth == 1], day[truth == 1], draws, size)
    others = _summed(bins[truth == 0], day[truth == 0], draws, size)
    below = np.cumsum(others, axis=1)
    pairs = events.sum(axis=1) * below[:, -1]
    in_order = (events * (below - others / 2)).sum(axis=1)
    return np.asarray(np.divide(in_order, pairs, out=np.full(len(draws), np.nan), where=pairs > 0))


def _bins(number: Doubles) -> tuple[Indices, int]:
    """Bin of each row, ascending with its number, and how many bins there are."""
    values, bins = np.unique(number, return_inverse=True)
    if values.size <= DISTINCT:
        return bins, values.size
    edges = np.unique(np.quantile(number, np.arange(1, DISTINCT) / DISTINCT))
    return np.searchsorted(edges, values, side="right")[bins], edges.size + 1


def _summed(bins: Indices, day: Indices, draws: Doubles, size: int) -> Doubles:
    """Rows of each replicate in each bin, (replicates, bins). Whole numbers: exact in whatever order they are added."""
    days = draws.shape[1]
    cells, found = np.unique(day * size + bins, return_counts=True)
    table = csr_array((found.astype(np.float64), (cells // size, cells % size)), shape=(days, size))
    if table.nnz * SPARSE_COST < days * size:
        return np.asarray((table.T @ draws.T).T)
    return np.asarray(draws @ table.toarray())


def _interval(value: float, found: Doubles, levels: tuple[float, float]) -> Interval:
    known = found[~np.isnan(found)]
    if not known.size or known.size < SAID * found.size:
        return Interval(value, np.nan, np.nan)
    low, high = np.percentile(known, levels)
    return Interval(value, float(low), float(high))
