"""Does a feature contain the label? A score that is too good is looked into before it is believed.

Each feature is judged alone: what only several columns together give away (the two components of the gust) is not seen
here; a board whose AUC is beyond belief (above .99) is to be looked into by a person.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from wxcore.errors import SampleError
from wxcore.hazard.samples.outside import LABEL_VALUE
from wxcore.hazard.samples.table import DAY, STORM, Samples, label_column

LARGEST_AUC = 0.995
"""A single feature that tells events from others better than this, on both halves of the days, contains the label [our
choice: the best single rules of DOMAIN.md 5.3 stay below .95, indices in published sets below .90]."""

LARGEST_RANK_CORRELATION = 0.99
"""With the numbers that the label was made of [our choice]."""

NAMED_AUC, NAMED_CORRELATION = 0.75, 0.5
"""A column of a table from outside that is named like the label is refused from here on [our choice]: the gust of the
minute does not make the label that the peak gust makes, but no forecaster has it an hour before."""

FEWEST = 10
"""Events, and others, without which nothing can be said."""

MOST_ROWS = 200_000
"""Rows that are looked at: all events up to half of it, and others at equal steps (AUC does not depend on shares)."""

BINS = 64
"""Of a feature's values, by which relations that are not monotone are seen (codes of classes, both tails)."""

EVENT_EDGES = 8
"""Of these bins' edges, so many are quantiles of events: few, since events are."""

WORDS = {
    "hail": r"hail|report",
    "gale": r"gust|wind_speed|windspeed|fmax|report",
    "thunderstorm": r"flash|stroke|lightning|report",
}
"""In names of what a label is made of; looked at in tables from outside only: features of our own end before the
window begins, whatever they are called."""

ALWAYS = r"label|truth|target|verif"
"""In names of what no feature should be, wherever it is from."""


@dataclass(frozen=True)
class _Rows:
    """The rows that are looked at, for one window. `half`: which half of the days a row is of."""

    frame: pd.DataFrame
    yes: NDArray[np.bool_]
    half: NDArray[np.bool_]

    def enough(self) -> bool:
        """Events and others enough to judge by?"""
        return bool(min(self.yes.sum(), (~self.yes).sum()) >= FEWEST)

    def halves(self) -> list[NDArray[np.bool_]]:
        """Both halves where both can be judged, else all rows."""
        parts = [self.half, ~self.half]
        judged = all(min((self.yes & part).sum(), (~self.yes & part).sum()) >= FEWEST for part in parts)
        return parts if judged else [np.ones(len(self.yes), dtype=np.bool_)]


def check_leaks(samples: Samples) -> tuple[str, ...]:
    """Remarks on features that look odd; refusal of those that contain the label.

    Refused: a feature whose values, bins of values, or whether it is there at all tell events from others with an AUC
    of LARGEST_AUC or more on both halves of the days; one in the order of the numbers that the label was made of
    (column LABEL_VALUE, where the table has it); one of a table from outside that is named like the label and
    goes with it. At most MOST_ROWS rows a window are looked at.

    Raises:
        SampleError: every leak at once, with its feature, its figure and what to do.
    """
    faults: dict[str, str] = {}
    remarks: list[str] = []
    for window in samples.windows:
        rows = _rows(samples, window)
        if not rows.enough():
            few = f"{int(rows.yes.sum())} events, {int((~rows.yes).sum())} others"
            remarks.append(f"{window} min: too few to look for leaks ({few}; {FEWEST} of each are needed)")
            continue
        for name in samples.features:
            if name not in faults and (fault := _leak(samples, rows, name)):
                faults[name] = fault
    if faults:
        told = [f"{name}: {fault}; exclude it ([[exclude]] in the file of --columns)" for name, fault in faults.items()]
        raise SampleError(f"samples {samples.source or samples.hazard}: features contain the label", told)
    return (*remarks, *_odd_columns(samples), *_odd_names(samples))


def _rows(samples: Samples, window: str) -> _Rows:
    frame = samples.frame
    label = frame[label_column(window)].to_numpy(dtype=np.float64)
    events, others = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    events = _at_steps(events, max(MOST_ROWS // 2, MOST_ROWS - others.size))
    picked = np.sort(np.concatenate([events, _at_steps(others, MOST_ROWS - events.size)]))
    columns = [*samples.features, DAY, *([LABEL_VALUE] if LABEL_VALUE in frame else [])]
    taken = frame[columns].iloc[picked].reset_index(drop=True)
    codes, _ = pd.factorize(taken[DAY], sort=True)
    return _Rows(taken, label[picked] == 1, codes % 2 == 0)


def _at_steps(index: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    if index.size <= most:
        return index
    return index[np.linspace(0, index.size - 1, most).astype(np.intp)]


def _leak(samples: Samples, rows: _Rows, name: str) -> str:
    """Why a feature is refused; empty where it is not."""
    values = rows.frame[name].to_numpy(dtype=np.float64)
    known = ~np.isnan(values)
    halves = rows.halves()
    order = min(_both_ways(values[part & known], rows.yes[part & known]) for part in halves)
    if order >= LARGEST_AUC:
        return f"its values alone tell events from others (AUC {order:.3f}; {LARGEST_AUC} is beyond belief)"
    gaps = min(_both_ways(known[part].astype(np.float64), rows.yes[part]) for part in halves)
    if gaps >= LARGEST_AUC:
        return f"whether it is missing tells events from others (AUC {gaps:.3f})"
    classes = _by_bins(values, rows)
    if classes >= LARGEST_AUC:
        return f"its values, by classes, tell events from others (AUC {classes:.3f})"
    return _like_label(samples, rows, name, values, order)


def _like_label(samples: Samples, rows: _Rows, name: str, values: NDArray[np.float64], order: float) -> str:
    if LABEL_VALUE not in rows.frame:
        return ""
    made_of = rows.frame[LABEL_VALUE].to_numpy(dtype=np.float64)
    both = ~np.isnan(values) & ~np.isnan(made_of)
    if both.sum() < 3 * FEWEST:
        return ""
    along = abs(_rank_correlation(values[both], made_of[both]))
    if along >= LARGEST_RANK_CORRELATION:
        return f"follows the numbers that the label was made of (rank correlation {along:.3f})"
    if _speaks(samples, name) and (order >= NAMED_AUC or along >= NAMED_CORRELATION):
        return f"is named like the label and goes with it (AUC {order:.2f}, rank correlation {along:.2f})"
    return ""


def _speaks(samples: Samples, name: str) -> bool:
    words = [ALWAYS, *([WORDS[samples.hazard]] if LABEL_VALUE in samples.frame and samples.hazard in WORDS else [])]
    return re.search("|".join(words), name.casefold()) is not None


def _both_ways(values: NDArray[np.float64], yes: NDArray[np.bool_]) -> float:
    """AUC of a column, or of its negative where that is larger; ties count half. 0.5 where there are too few."""
    events, others = int(yes.sum()), int((~yes).sum())
    if min(events, others) < FEWEST:
        return 0.5
    area = (rankdata(values)[yes].sum() - events * (events + 1) / 2) / (events * others)
    return float(max(area, 1 - area))


def _rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's; 0 where one of them is constant."""
    a, b = rankdata(first), rankdata(second)
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0


def _by_bins(values: NDArray[np.float64], rows: _Rows) -> float:
    """AUC of the share of events in the bin of a value (missing: a bin of its own), shares learnt on the other half of
    the days; the smaller one of the two halves. A bin that the other half has not gets its share of all."""
    halves = rows.halves()
    if len(halves) == 1:
        return 0.5
    bins = _bins(values, rows.yes)
    count = int(bins.max()) + 1
    areas = []
    for learnt, tried in (halves, halves[::-1]):
        rows_in = np.bincount(bins[learnt], minlength=count).astype(np.float64)
        events = np.bincount(bins[learnt], rows.yes[learnt], minlength=count)
        share = np.divide(events, rows_in, out=np.full(count, rows.yes[learnt].mean()), where=rows_in > 0)
        areas.append(_both_ways(share[bins[tried]], rows.yes[tried]))
    return min(areas)


def _bins(values: NDArray[np.float64], yes: NDArray[np.bool_]) -> NDArray[np.intp]:
    """0 where missing, else the number of a value's bin: between quantiles of events and of others, least and largest
    among them, so that rare events in both tails are parted from the rest; single values where these are few."""
    known = ~np.isnan(values)
    bins = np.zeros(values.size, dtype=np.intp)
    edges = np.unique(values[known])
    if edges.size > BINS:
        quantiles = [np.quantile(values[known & of], np.linspace(0, 1, count)) for of, count in _parts(yes, known)]
        edges = np.unique(np.concatenate(quantiles))
    bins[known] = 1 + np.searchsorted(edges, values[known], side="left")
    return bins


def _parts(yes: NDArray[np.bool_], known: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], int]]:
    return [(of, count) for of, count in ((yes, EVENT_EDGES), (~yes, BINS)) if (of & known).any()]


def _odd_columns(samples: Samples) -> list[str]:
    """Constant, equal, and id-like columns."""
    picked = _at_steps(np.arange(len(samples.frame)), MOST_ROWS)
    frame = samples.frame.iloc[picked]
    first: dict[bytes, str] = {}
    groups = {kind: pd.factorize(frame[kind])[0] for kind in (DAY, STORM)}
    remarks = []
    for name in samples.features:
        values = frame[name].to_numpy(dtype=np.float64)
        known = values[~np.isnan(values)]
        same = first.setdefault(np.nan_to_num(values, nan=np.inf).tobytes(), name)
        if not known.size or known.min() == known.max():
            remarks.append(f"{name}: {'is never there' if not known.size else 'is the same everywhere'}")
        elif same != name:
            remarks.append(f"{name}: is the same as {same}")
        elif _is_number_of_row(known):
            remarks.append(f"{name}: whole numbers, another one in each row: an id or a time?")
        else:
            known_by = [kind for kind, codes in groups.items() if _tells(values, codes)]
            remarks += [
                f"{name}: one value a {kind}, and another one for each: an id or a date?" for kind in known_by[:1]
            ]
    return remarks


def _is_number_of_row(known: NDArray[np.float64]) -> bool:
    return bool(known.size > 5 * FEWEST and (known == np.rint(known)).all() and np.unique(known).size == known.size)


def _tells(values: NDArray[np.float64], codes: NDArray[np.intp]) -> bool:
    """Is a column constant within each group, and different for all of them (of at least two rows each on average)?"""
    known = ~np.isnan(values)
    distinct, of_value = np.unique(values[known], return_inverse=True)
    groups = np.unique(codes[known]).size
    if distinct.size != groups or groups < FEWEST // 2 or known.sum() < 2 * groups:
        return False
    return bool(np.unique(codes[known].astype(np.int64) * distinct.size + of_value).size == groups)


def _odd_names(samples: Samples) -> list[str]:
    return [
        f"{name}: named like what a label is made of: is it known before the window begins?"
        for name in samples.features
        if _speaks(samples, name)
    ]
