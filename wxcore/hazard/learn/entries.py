"""Entries of the board: every competitor of one window, scored on the same rows."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wxcore.hazard.learn import scores
from wxcore.hazard.learn.board import MODEL, Entry
from wxcore.hazard.learn.bootstrap import REPLICATES, intervals

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Slices = dict[str, dict[str, dict[str, float]]]

WITHOUT_OPINION = "rows_without_opinion"
"""Name among an entry's parameters: rows of which the competitor could not judge, and climatology stood in."""


@dataclass(frozen=True)
class Contest:
    """One window's rows, out of fold, and what every competitor says of them. All arrays are (n,), in one row order.

    A row of which a competitor has no opinion (NaN: the rule's input is missing) is not taken out: all competitors are
    scored on the same rows. There climatology stands in for its probability, and the median of its own known numbers
    in `ranks`; how many such rows there were is told in the entry's parameters (WITHOUT_OPINION).

    Attributes:
        window: name, such as 0-60.
        y: 0 or 1. No NaN: censored rows are taken out before (Samples.of_window).
        ps: competitor -> probability 0..1, or NaN. Each row judged by what was fitted without its day.
        kinds: competitor -> board.CLIMATOLOGY, RULE or MODEL.
        thresholds: competitor -> probability from which (>=) it says yes, chosen on training days: one number, or one
            a row where each fold chose its own (the board then shows the median over rows).
        climatology: frequency of the event on the training days of each row's fold (also the reference of skill).
        days: the convective day of each row: the blocks of the bootstrap.
        slices: columns of text, by which scores are told as well; None: no slices.
        ranks: competitor -> the number that AUC and average precision go by, more is likelier, where that is not its
            probability: a rule's own number (MESH in mm), which ties of its calibration would harm.
        parameters: competitor -> what was chosen, shown on the board.
    """

    window: str
    y: npt.ArrayLike
    ps: Mapping[str, npt.ArrayLike]
    kinds: Mapping[str, str]
    thresholds: Mapping[str, npt.ArrayLike]
    climatology: npt.ArrayLike
    days: Sequence[Hashable] | npt.NDArray[Any]
    slices: pd.DataFrame | None = None
    ranks: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def entries(
    contest: Contest, seed: int, baseline: str = "", replicates: int = REPLICATES
) -> tuple[tuple[Entry, ...], str]:
    """The entries, in the order of `ps`, and the name of the best baseline.

    Args:
        contest: who says what.
        seed: of the bootstrap. The same contest and seed give the same figures.
        baseline: who is compared with; empty: `best_baseline`.
        replicates: of the bootstrap.

    Raises:
        ValueError: arrays of unequal length, NaN in y or climatology, y not of 0 and 1, a probability outside 0..1, no
            competitor that is a baseline.
    """
    y, climatology = scores.checked(contest.y, contest.climatology)
    ps, ranks, unknown = _filled(contest, climatology)
    baseline = baseline or best_baseline(y, ps, contest.kinds, ranks)
    scored = intervals(
        y, ps, climatology, contest.days, seed=seed, replicates=replicates, baseline=baseline, ranks=ranks
    )
    cuts = _cuts(contest.slices, y.size)
    tables = {name: _by_slice(y, p, ranks.get(name, p), cuts) for name, p in ps.items()}
    found = []
    for name, p in ps.items():
        threshold = np.asarray(contest.thresholds[name], dtype=np.float64)
        told = {WITHOUT_OPINION: unknown[name]} if unknown[name] else {}
        mine = scored[name]
        found.append(
            Entry(
                name=name,
                kind=contest.kinds[name],
                window=contest.window,
                auc=mine.auc,
                average_precision=scores.average_precision(y, ranks.get(name, p)),
                brier=mine.brier,
                skill=mine.skill,
                ece=scores.ece(y, p),
                threshold=float(np.median(threshold)),
                **asdict(scores.counts(y, p >= threshold)),
                better=mine.better,
                skill_better=mine.skill_better,
                slices=_against(tables[name], tables[baseline]),
                parameters={**contest.parameters.get(name, {}), **told},
            )
        )
    return tuple(found), baseline


def best_baseline(
    y: npt.ArrayLike,
    ps: Mapping[str, Doubles],
    kinds: Mapping[str, str],
    ranks: Mapping[str, Doubles],
) -> str:
    """The competitor that is no model with the largest Brier skill; where it ties the larger AUC, then the name.

    Brier skill, since it is proper: a rule that ranks well and is badly calibrated is easily beaten. All are scored
    against one climatology, so the largest skill is the smallest Brier score.

    Raises:
        ValueError: all are models.
    """
    names = [name for name in ps if kinds[name] != MODEL]
    if not names:
        raise ValueError(f"no baseline among {', '.join(ps)}")
    areas = {name: scores.auc(y, ranks.get(name, ps[name])) for name in names}
    return min(names, key=lambda name: (scores.brier(y, ps[name]), -np.nan_to_num(areas[name], nan=-1.0), name))


def _filled(contest: Contest, climatology: Doubles) -> tuple[dict[str, Doubles], dict[str, Doubles], dict[str, int]]:
    """Probabilities and ranks without NaN, and in how many rows climatology stands in for each."""
    ps, unknown = {}, {}
    for name, p in contest.ps.items():
        ps[name], unknown[name] = scores.with_climatology(p, climatology)
        if ((ps[name] < 0) | (ps[name] > 1)).any():
            raise ValueError(f"{name}: holds probabilities outside 0..1; give a rule's own number as ranks")
    return (
        ps,
        {name: _median_filled(np.asarray(rank, dtype=np.float64)) for name, rank in contest.ranks.items()},
        unknown,
    )


def _median_filled(rank: Doubles) -> Doubles:
    known = rank[~np.isnan(rank)]
    return np.where(np.isnan(rank), np.median(known) if known.size else 0.0, rank)


def _cuts(slices: pd.DataFrame | None, rows: int) -> dict[str, dict[str, Flags]]:
    """Column -> value -> which rows. Rows without a value are in no slice."""
    if slices is None:
        return {}
    if len(slices) != rows:
        raise ValueError(f"{len(slices)} rows of slices for {rows} rows of y")
    return {
        str(column): {
            str(value): (slices[column] == value).to_numpy() for value in sorted(slices[column].dropna().unique())
        }
        for column in slices
    }


def _by_slice(y: Doubles, p: Doubles, rank: Doubles, cuts: Mapping[str, Mapping[str, Flags]]) -> Slices:
    return {
        column: {
            value: {
                "n": float(rows.sum()),
                "events": float(y[rows].sum()),
                "auc": scores.auc(y[rows], rank[rows]),
                "brier": scores.brier(y[rows], p[rows]),
            }
            for value, rows in values.items()
        }
        for column, values in cuts.items()
    }


def _against(mine: Slices, baseline: Slices) -> Slices:
    """The same with the AUC and Brier score that the best baseline has on these rows."""
    return {
        column: {
            value: {
                **found,
                "baseline_auc": baseline[column][value]["auc"],
                "baseline_brier": baseline[column][value]["brier"],
            }
            for value, found in values.items()
        }
        for column, values in mine.items()
    }
