"""Does a feature contain the label? A score that is too good is looked into before it is believed.

Each feature is judged alone: what only several columns together give away (the two components of the gust) is not seen
here; a board whose AUC is beyond belief (above .99) is to be looked into by a person.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from wxcore.errors import SampleError
from wxcore.hazard.features.catalogue import NAMES
from wxcore.hazard.samples.outside import LABEL_VALUE
from wxcore.hazard.samples.table import DAY, STORM, Samples, label_column

LARGEST_AUC = 0.995
"""A single feature that tells events from others better than this, on either half of the days, contains the label [our
choice: the best single rules of DOMAIN.md 5.3 stay below .95, indices in published sets below .90]."""

LARGEST_RANK_CORRELATION = 0.99
"""With the numbers that the label was made of [our choice]."""

ODD_AUC, ODD_CORRELATION = 0.95, 0.9
"""From here on a feature is told as a possible leak, which keeps a model from being promoted until a person has looked
[our choice, as LARGEST_AUC]."""

OWN_SOURCES = ("archive of ", "nights ", "season ")
"""How `Samples.source` begins where our own code built the features of our catalogue, from before the window: flash
rate honestly nearly equals the next hour's lightning, which is told as strong, not as a leak."""

NAMED_AUC, NAMED_CORRELATION = 0.75, 0.5
"""A column of a table from outside that is named like the label is refused from here on [our choice]: the gust of the
minute does not make the label that the peak gust makes, but no forecaster has it an hour before."""

FEWEST = 10
"""Events, and others, without which nothing can be said."""

FEWEST_OF_HALF = 25
"""The same, for half of the days alone to decide: by chance a feature of AUC .95 shows LARGEST_AUC there in less than
one of 4000 tables, one of .85 ODD_AUC in one of 2000 (simulated, two normal distributions; of 10 events: 0.8, 2 %)."""

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
"""In names of what no feature should be, wherever it is from: refused."""

HALVES = ((0, 2), (1, 3))
QUARTERS = (((0,), (2,)), ((1,), (3,)))
"""Of the days, by their number modulo 4: halves, and each half in two."""


@dataclass(frozen=True)
class _Rows:
    """The rows that are looked at, for one window. `quarter`: number of the row's day modulo 4."""

    frame: pd.DataFrame
    yes: NDArray[np.bool_]
    quarter: NDArray[np.intp]

    def enough(self) -> bool:
        """Are there events and others to judge by?"""
        return bool(min(self.yes.sum(), (~self.yes).sum()) >= FEWEST)

    def halves(self, of: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Of these rows: each half that can be judged alone, else all."""
        parts = [of & np.isin(self.quarter, half) for half in HALVES]
        enough = [min((self.yes & part).sum(), (~self.yes & part).sum()) >= FEWEST_OF_HALF for part in parts]
        return [part for part, many in zip(parts, enough, strict=True) if many] or [of]


def check_leaks(samples: Samples) -> tuple[str, ...]:
    """Remarks on features that look odd; refusal of those that contain the label.

    Refused: a feature whose values, bins of values, or whether it is there at all tell events from others with an AUC
    of LARGEST_AUC or more on either half of the days; one in the order of the numbers that the label was made of
    (column LABEL_VALUE, where the table has it); one of a table from outside that is named like the label and
    goes with it; one whose name says that it is no feature (ALWAYS). From ODD_AUC or ODD_CORRELATION on the remark
    begins with "possible leak", and `wx models promote` refuses; or with "strong" where the feature is our own
    (OWN_SOURCES). At most MOST_ROWS rows a window are looked at.

    Raises:
        SampleError: every leak at once, with its feature, its figure and what to do.
    """
    faults = {name: "its name says that it is no feature" for name in samples.features if _matches(ALWAYS, name)}
    remarks: list[str] = []
    figures: dict[str, list[_Found]] = {name: [] for name in samples.features}
    for window in samples.windows:
        rows = _rows(samples, window)
        if not rows.enough():
            few = f"{int(rows.yes.sum())} events, {int((~rows.yes).sum())} others"
            remarks.append(f"{window} min: too few to look for leaks ({few}; {FEWEST} of each are needed)")
            continue
        for name in samples.features:
            if name in faults:
                continue
            found = _found(rows, name)
            if fault := _leak(samples, name, found):
                faults[name] = fault
            figures[name].append(found)
    if faults:
        told = [f"{name}: {fault}; exclude it ([[exclude]] in the file of --columns)" for name, fault in faults.items()]
        raise SampleError(f"samples {samples.source or samples.hazard}: features contain the label", told)
    return (*remarks, *_strong(samples, figures), *_odd_columns(samples), *_odd_names(samples))


def _rows(samples: Samples, window: str) -> _Rows:
    frame = samples.frame
    label = frame[label_column(window)].to_numpy(dtype=np.float64)
    events, others = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    events = _at_steps(events, max(MOST_ROWS // 2, MOST_ROWS - others.size))
    picked = np.sort(np.concatenate([events, _at_steps(others, MOST_ROWS - events.size)]))
    columns = [*samples.features, DAY, *([LABEL_VALUE] if LABEL_VALUE in frame else [])]
    taken = frame[columns].iloc[picked].reset_index(drop=True)
    codes, _ = pd.factorize(taken[DAY], sort=True)
    return _Rows(taken, label[picked] == 1, codes % 4)


def _at_steps(index: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    if index.size <= most:
        return index
    return index[np.linspace(0, index.size - 1, most).astype(np.intp)]


@dataclass(frozen=True)
class _Found:
    """How well a feature alone tells events from others (AUC of the half of the days where it does best): by its
    values, by whether it is there, by classes of its values; and its rank correlation with LABEL_VALUE."""

    order: float
    gaps: float
    classes: float
    along: float

    def largest(self) -> float:
        """AUC."""
        return max(self.order, self.gaps, self.classes)


def _found(rows: _Rows, name: str) -> _Found:
    values = rows.frame[name].to_numpy(dtype=np.float64)
    known = ~np.isnan(values)
    there = known.astype(np.float64)
    return _Found(
        order=max(_both_ways(values[part], rows.yes[part]) for part in rows.halves(known)),
        gaps=max(_both_ways(there[part], rows.yes[part]) for part in rows.halves(np.ones_like(known))),
        classes=_by_bins(values, rows),
        along=_along(values, rows),
    )


def _along(values: NDArray[np.float64], rows: _Rows) -> float:
    """Rank correlation with the numbers that the label was made of, where there are any: of all rows, or of the half of
    the days where it is largest."""
    if LABEL_VALUE not in rows.frame:
        return 0.0
    made_of = rows.frame[LABEL_VALUE].to_numpy(dtype=np.float64)
    both = ~np.isnan(values) & ~np.isnan(made_of)
    parts = [both, *(both & np.isin(rows.quarter, half) for half in HALVES)]
    enough = [part for part in parts if part.sum() >= 3 * FEWEST]
    return max((abs(_rank_correlation(values[part], made_of[part])) for part in enough), default=0.0)


def _leak(samples: Samples, name: str, found: _Found) -> str:
    """Why a feature is refused; empty where it is not."""
    if found.order >= LARGEST_AUC:
        return f"its values alone tell events from others (AUC {found.order:.3f}; {LARGEST_AUC} is beyond belief)"
    if found.gaps >= LARGEST_AUC:
        return f"whether it is missing tells events from others (AUC {found.gaps:.3f})"
    if found.classes >= LARGEST_AUC:
        return f"its values, by classes, tell events from others (AUC {found.classes:.3f})"
    if found.along >= LARGEST_RANK_CORRELATION:
        return f"follows the numbers that the label was made of (rank correlation {found.along:.3f})"
    if _speaks(samples, name) and (found.order >= NAMED_AUC or found.along >= NAMED_CORRELATION):
        return f"is named like the label and goes with it (AUC {found.order:.2f}, rank correlation {found.along:.2f})"
    return ""


def _strong(samples: Samples, figures: Mapping[str, Sequence[_Found]]) -> list[str]:
    """What is too good, in any window, to pass without a word."""
    ours = LABEL_VALUE not in samples.frame and samples.source.startswith(OWN_SOURCES)
    remarks = []
    for name, windows in figures.items():
        area = max((found.largest() for found in windows), default=0.5)
        along = max((found.along for found in windows), default=0.0)
        if area >= ODD_AUC or along >= ODD_CORRELATION:
            word = "strong" if ours and name in NAMES else "possible leak"
            told = f"AUC {area:.3f}" + (f", rank correlation with the label's numbers {along:.3f}" if along else "")
            remarks.append(f"{word}: {name} alone tells events from others ({told})")
    return remarks


def _speaks(samples: Samples, name: str) -> bool:
    """Is a column of a table from outside named like what the label is made of?"""
    return LABEL_VALUE in samples.frame and samples.hazard in WORDS and _matches(WORDS[samples.hazard], name)


def _matches(words: str, name: str) -> bool:
    return re.search(words, name.casefold()) is not None


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
    """AUC of the share of events in the bin of a value (missing: a bin of its own, and once more without these rows),
    shares learnt on other days than they are tried on: the other half, or the other quarter of the same half."""
    bins = _bins(values, rows.yes)
    count = int(bins.max()) + 1
    tables = np.zeros((4, 2, count))
    for quarter in range(4):
        for kind, of in enumerate((rows.yes, ~rows.yes)):
            tables[quarter, kind] = np.bincount(bins[of & (rows.quarter == quarter)], minlength=count)
    areas = [0.5]
    for first, second in (HALVES, *QUARTERS):
        pair = [tables[list(part)].sum(axis=0) for part in (first, second)]
        for least in (0, 1):
            one, other = (table[:, least:] for table in pair)
            tried = [_of_bins(one, other), _of_bins(other, one)]
            alone = [area for area, table in zip(tried, (other, one), strict=True) if _smaller(table) >= FEWEST_OF_HALF]
            areas.append(max(alone, default=min(tried)))
    return max(areas)


def _smaller(table: NDArray[np.float64]) -> float:
    return float(table.sum(axis=1).min())


def _of_bins(learnt: NDArray[np.float64], tried: NDArray[np.float64]) -> float:
    """AUC on `tried` of the shares of `learnt`, both counts of events and others (2, bins); 0.5 where there are too
    few. A bin that is empty in `learnt` gets its share of all."""
    if min(_smaller(learnt), _smaller(tried)) < FEWEST:
        return 0.5
    of_bin = learnt.sum(axis=0)
    share = np.divide(learnt[0], of_bin, out=np.full(of_bin.size, learnt[0].sum() / of_bin.sum()), where=of_bin > 0)
    _, rank = np.unique(share, return_inverse=True)
    events, others = (np.bincount(rank, counts) for counts in tried)
    area = float((events * (np.cumsum(others) - others / 2)).sum() / (events.sum() * others.sum()))
    return max(area, 1 - area)


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
