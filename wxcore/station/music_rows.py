"""Rows that a parser gives one by one (XML, JSON) as the columns that `music.build` reads."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.station.music import WANTED, Delivery, Ints, build, data_code
from wxcore.station.reports import Reports

F4_MAX = float(np.finfo(np.float32).max)
ABSENT = frozenset({"", "null", "none", "nan", "-"})
NO_ROW = "row that is no object"


def number(value: object) -> float:
    """A value of a row: NaN where it is empty.

    Raises:
        ValueError: it is no number, or none that fits f4.
    """
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{value!r} is no number")
    if isinstance(value, str):
        if value.strip().lower() in ABSENT:
            return math.nan
        if "_" in value:
            raise ValueError(f"{value!r} is no number")
    try:
        found = float(value)
    except OverflowError as cause:
        raise ValueError("too large") from cause
    if abs(found) > F4_MAX:
        raise ValueError(f"{value!r} is no number")
    return found


def numbers(values: Sequence[object]) -> tuple[npt.NDArray[np.float64], int]:
    """(n,) NaN where missing or no number, and how many were no numbers."""
    found, bad = np.full(len(values), np.nan), 0
    for place, value in enumerate(values):
        try:
            found[place] = number(value)
        except ValueError:
            bad += 1
    return found, bad


class RowColumns:
    """Columns of rows; of a name that is spelled twice the first spelling with something in it counts."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        spellings: dict[str, list[str]] = {}
        for key in dict.fromkeys(key for row in rows for key in row):
            if key.lower() in WANTED:
                spellings.setdefault(key.lower(), []).append(key)
        self._rows, self._spellings, self._bad = rows, spellings, dict[str, int]()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._spellings)

    @property
    def size(self) -> int:
        return len(self._rows)

    @property
    def bad(self) -> int:
        return sum(self._bad.values())

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        found, self._bad[name] = numbers(self._values(name))
        return found

    def texts(self, name: str) -> tuple[list[str], Ints]:
        places: dict[str, int] = {}
        which = [places.setdefault(_text(value), len(places)) for value in self._values(name)]
        return list(places), np.array(which, dtype=np.int64)

    def _values(self, name: str) -> list[object]:
        spellings = self._spellings.get(name)
        if not spellings:
            return [None] * len(self._rows)
        values: list[object] = [row.get(spellings[0]) for row in self._rows]
        for other in spellings[1:]:
            values = [row.get(other) if value is None else value for value, row in zip(values, self._rows, strict=True)]
        return values


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, (bool, dict, list)) else str(value)[:64].strip()


def read_rows(rows: Sequence[object], name: str, form: str, told: Mapping[str, object], *, simulated: bool) -> Reports:
    """Reports of an answer's rows; those that are no mappings are left out and counted.

    Args:
        told: what the answer says of itself (requestParams, rowCount).

    Raises:
        ReadError: as `music.build`.
    """
    good = [row for row in rows if isinstance(row, Mapping)]
    rejected = {NO_ROW: len(rows) - len(good)} if len(good) < len(rows) else {}
    said = str(told.get("rowCount", "")).strip()[:20]
    remarks = (f"answer says {said} rows, has {len(rows)}",) if said.isdecimal() and int(said) != len(rows) else ()
    code = data_code(_asked(str(told.get("requestParams", ""))), name)
    return build(RowColumns(good), Delivery(name, form, code, rejected, simulated, remarks))


def _asked(parameters: str) -> str:
    """The part of a query that names the data code."""
    return next((part for part in parameters.split("&") if part.lower().startswith("datacode=")), "")
