"""The features and baselines of a table from outside, as its mapping says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wxcore.errors import SampleError
from wxcore.hazard.samples.mapping import STACK_PARTS, Columns, Pick
from wxcore.hazard.samples.reading import EMPTY, column_of, find, numbers, plain


@dataclass
class Made:
    """What is built of the features [f8 a row, NaN where missing]; `faults` of all of them."""

    values: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    monotone: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, name: str, values: NDArray[np.float64], pick: Pick) -> None:
        """One more feature, with the units, group and direction of `pick`."""
        self.values[name] = values
        self.units[name], self.groups[name] = pick.units, pick.group
        if pick.monotone:
            self.monotone[name] = pick.monotone


def features_of(table: pd.DataFrame, told: Columns) -> Made:
    """Features in the order of the mapping; what is excluded is none.

    Raises:
        SampleError: a column is missing (all else stands in `faults`).
    """
    made = Made()
    names = list(table.columns)
    barred = {name: one.reason for one in told.exclude for name in names if _matches(name, one.columns)}
    used = {find(names, want) for want in told.needed}
    shared = {find(names, base.column) for base in told.baselines if base.shared}
    taken: set[str | None] = used - shared
    for pick in told.features:
        if pick.column:
            name = column_of(table, pick.column)
            if name in barred:
                made.faults.append(f"{name}: is a feature and also excluded ({barred[name]})")
            spelled = pick.column if isinstance(pick.column, str) else pick.column[0]
            _add(made, pick.name or spelled, table, name, told, pick)
        elif pick.stack:
            _stacked(made, table, [name for name in names if name not in barred], told, pick)
        else:
            free = [name for name in names if name not in barred and name not in taken]
            for name in free:
                if pd.api.types.is_numeric_dtype(table[name]):
                    _add(made, name, table, name, told, pick)
                elif odd := _decimal_comma(table[name], told.missing):
                    made.faults.append(f"{name}: {odd!r} ...: decimal comma? expected a point (or exclude the column)")
    _describe(made, told)
    return made


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(
        fnmatchcase(name.casefold(), pattern.casefold()) or plain(name) == plain(pattern) for pattern in patterns
    )


def _decimal_comma(column: pd.Series, missing: Sequence[Any]) -> str:
    """The first such number of a column of text of which most values are numbers but for it; empty where it is none."""
    text = column.dropna().astype(str).str.strip()
    text = text[~text.isin([*EMPTY, *(str(one) for one in missing)])]
    known = pd.to_numeric(text.str.replace(",", ".", regex=False), errors="coerce").notna()
    odd = text[known & text.str.contains(",", regex=False)]
    return str(odd.iloc[0]) if len(odd) and known.mean() > 0.5 else ""


def _add(made: Made, name: str, table: pd.DataFrame, column: str, told: Columns, pick: Pick) -> None:
    try:
        made.add(name, numbers(table, column, told.missing, pick.units), pick)
    except SampleError as cause:
        made.faults += cause.faults


def _stacked(made: Made, table: pd.DataFrame, names: Sequence[str], told: Columns, pick: Pick) -> None:
    """Value at the middle, mean, largest and least of each grid."""
    grids: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if found := re.match(pick.stack, name):
            grids.setdefault(found["name"], []).append((int(found["place"]), name))
    for grid, members in grids.items():
        places = dict(members)
        try:
            values = np.column_stack([numbers(table, name, told.missing) for _, name in sorted(members)])
            middle = (
                numbers(table, places[pick.middle], told.missing) if pick.middle in places else values[:, 0] * np.nan
            )
        except SampleError as cause:
            made.faults += cause.faults
            continue
        frame = pd.DataFrame(values)
        parts = (middle, frame.mean(axis=1), frame.max(axis=1), frame.min(axis=1))
        for part, found_values in zip(STACK_PARTS, parts, strict=True):
            made.add(f"{grid}_{part}", np.asarray(found_values, dtype=np.float64), pick)


def _describe(made: Made, told: Columns) -> None:
    for about in told.about:
        for name in made.values:
            if _matches(name, about.features):
                made.units[name] = about.units or made.units[name]
                made.groups[name] = about.group or made.groups[name]
                if about.monotone:
                    made.monotone[name] = about.monotone


def baselines_of(table: pd.DataFrame, told: Columns, made: Made) -> dict[str, NDArray[np.float64]]:
    """The baselines by name, more of each is likelier; faults go to `made`."""
    bases = {}
    for base in told.baselines:
        name = column_of(table, base.column)
        try:
            bases[base.name or name] = base.sign * numbers(table, name, told.missing)
        except SampleError as cause:
            made.faults += cause.faults
    return bases
