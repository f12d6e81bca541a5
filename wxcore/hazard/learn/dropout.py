"""Sources dropped in training: so that a model has met a missing satellite before the night when there is none."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

COPIED = 0.5
"""Copies a row [our choice]: half of the rows stand a second time, with a source or two masked."""

SECOND = 1 / 3
"""Part of the copies in which a second source is masked as well [our choice]."""


NEVER_MISSING = "quality"
"""The group of features that tells what is known of the rest: it is always there, so it is never dropped."""


def sources(features: Sequence[str], groups: Mapping[str, str]) -> dict[str, list[str]]:
    """Source -> its features, in the order of the features, but NEVER_MISSING; empty where fewer than two are told."""
    found: dict[str, list[str]] = {}
    for name in features:
        if groups.get(name, NEVER_MISSING) != NEVER_MISSING:
            found.setdefault(groups[name], []).append(name)
    return found if len(found) >= 2 else {}


def masked(frame: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """The frame without what these features say (NaN)."""
    found = frame.copy()
    for name in features:
        found[name] = np.full(len(frame), np.nan, dtype=frame[name].to_numpy().dtype)
    return found


def copies(frame: pd.DataFrame, groups: Mapping[str, str], seed: int) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """Copies of a part of the rows with a whole source masked, often two; what no row knows is not masked.

    Args:
        frame: features only.
        groups: feature -> source.

    Returns:
        The copies, and the position in `frame` that each is a copy of. A copy that changes nothing is left out.
    """
    columns = {
        source: names
        for source, names in sources(frame.columns.to_list(), groups).items()
        if frame[names].notna().any(axis=None)
    }
    if len(columns) < 2:
        return frame.iloc[:0], np.zeros(0, dtype=np.int64)
    random = np.random.default_rng(seed)
    picked = np.flatnonzero(random.random(len(frame)) < COPIED)
    first = random.integers(0, len(columns), len(picked))
    second = np.where(random.random(len(picked)) < SECOND, random.integers(0, len(columns), len(picked)), first)
    made = frame.iloc[picked].reset_index(drop=True)
    changed = np.zeros(len(picked), dtype=np.bool_)
    for number, names in enumerate(columns.values()):
        lost = (first == number) | (second == number)
        for name in names:
            values = made[name].to_numpy()
            changed |= lost & np.isfinite(values)
            made[name] = np.where(lost, values.dtype.type(np.nan), values)
    return made[changed].reset_index(drop=True), picked[changed]
