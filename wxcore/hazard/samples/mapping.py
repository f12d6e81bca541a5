"""What the columns of a table from outside are: a small TOML file, and the sets that are known without one."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from wxcore.errors import SampleError
from wxcore.hazard.windows import window_of

KNOWN = Path(__file__).parent / "known"
"""Mappings of published sets, recognised by their header."""

SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "blanks": r"\s+"}
STACK_PARTS = ("middle", "mean", "max", "min")
"""What is made of values on a small grid about a place."""


@dataclass(frozen=True)
class Label:
    """The event: `column` is at least `at_least` [units], or one of `equals`; outside `plausible` nothing is read."""

    column: str | list[str]
    at_least: float | None = None
    equals: Sequence[Any] = ()
    units: str = ""
    plausible: Sequence[float] = ()


@dataclass(frozen=True)
class When:
    """A time: strptime `format`, or a regular expression with groups y, m, d, h, min; ISO where neither is given.
    `utc_offset_h`: hours by which the table's clock is ahead of UTC (8: Beijing time)."""

    column: str | list[str]
    format: str = ""
    pattern: str = ""
    utc_offset_h: float = 0.0


@dataclass(frozen=True)
class Storm:
    """Rows of one storm. `keeps_day`: the whole storm belongs to the day of its first row (ids never used twice)."""

    column: str | list[str]
    keeps_day: bool = False


@dataclass(frozen=True)
class Pick:
    """A feature (or several): one `column`; or `stack`, a regular expression with group `name` that gathers the
    values of a small grid; or `all_numeric`: every column of numbers that is nothing else and not excluded."""

    column: str | list[str] = ""
    name: str = ""
    units: str = ""
    group: str = "outside"
    monotone: int = 0
    stack: str = ""
    middle: int = 0
    all_numeric: bool = False


@dataclass(frozen=True)
class About:
    """Units, group and direction of features by their names (* and ? as in file names)."""

    features: Sequence[str]
    units: str = ""
    group: str = ""
    monotone: int = 0


@dataclass(frozen=True)
class Base:
    """A baseline: more of it is likelier (`sign` -1: less of it). Never a feature, unless `shared`."""

    column: str | list[str]
    name: str = ""
    sign: int = 1
    shared: bool = False


@dataclass(frozen=True)
class Slice:
    """A column of text by which scores are also told."""

    column: str | list[str]
    name: str = ""


@dataclass(frozen=True)
class Keep:
    """Rows that are used: all conditions that are given hold."""

    column: str | list[str]
    equals: Sequence[Any] = ()
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Exclude:
    """Columns (* and ? as in file names) that must not be features, and why."""

    columns: Sequence[str]
    reason: str


@dataclass(frozen=True)
class Columns:
    """A whole mapping. `known_by`: columns by which a header is recognised; `files`: glob within a folder."""

    name: str
    label: Label
    label_text: str
    label_source: str
    features: Sequence[Pick]
    hazard: str = ""
    known_by: Sequence[str] = ()
    files: str = "*"
    separator: str = ""
    missing: Sequence[Any] = ()
    window: str = "0-60"
    time: When | None = None
    day: When | None = None
    storm: Storm | None = None
    weight: str = ""
    rows: Sequence[Keep] = ()
    baselines: Sequence[Base] = ()
    slices: Sequence[Slice] = ()
    exclude: Sequence[Exclude] = ()
    about: Sequence[About] = ()

    @property
    def needed(self) -> list[str | list[str]]:
        """Columns that a file must have."""
        parts = (self.label, self.time, self.day, self.storm, *self.rows, *self.baselines, *self.slices, *self.features)
        named = [part.column for part in parts if part is not None and part.column]
        return [*named, self.weight] if self.weight else named


ONE: dict[str, type[Any]] = {"label": Label, "time": When, "day": When, "storm": Storm}
MANY: dict[str, type[Any]] = {
    "features": Pick, "rows": Keep, "baselines": Base, "slices": Slice, "exclude": Exclude, "about": About,
}  # fmt: skip
NUMBERS = {"at_least", "at_most", "utc_offset_h", "middle", "monotone", "sign"}
LISTS = {"equals", "plausible", "columns", "features", "known_by", "missing"}
T = TypeVar("T")


def read_columns(path: Path) -> Columns:
    """A mapping from a TOML file.

    Raises:
        SampleError: no such file, not TOML, or every key that is unknown, missing or contradictory.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as cause:
        raise SampleError(f"{path}", [f"cannot be read as a TOML file of columns: {cause}"]) from cause
    faults: list[str] = []
    parts: dict[str, Any] = {"name": path.stem, **told}
    for key, kind in ONE.items():
        if key in told:
            parts[key] = _part(kind, told[key], f"[{key}]", faults)
    for key, kind in MANY.items():
        rows = told.get(key, [])
        if isinstance(rows, list):
            parts[key] = [_part(kind, row, f"[[{key}]] {n + 1}", faults) for n, row in enumerate(rows)]
        else:
            faults.append(f"[{key}]: is one table, expected a list of them: [[{key}]]")
    if not told.get("features"):
        faults.append("no [[features]]: name each column, or write all_numeric = true with [[exclude]]")
    columns = _part(Columns, parts, "file", faults)
    if columns is not None and not faults:
        faults = _contradictions(columns)
    if columns is None or faults:
        raise SampleError(f"{path}", faults)
    return columns


def known_columns() -> tuple[Columns, ...]:
    """The published sets that are recognised by their header."""
    return tuple(read_columns(path) for path in sorted(KNOWN.glob("*.toml")))


def _part(kind: type[T], told: Any, where: str, faults: list[str]) -> T | None:
    if not isinstance(told, Mapping):
        faults.append(f"{where}: is {told!r}, expected a table of keys")
        return None
    keys = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    for name, value in told.items():
        if name in NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
            faults.append(f"{where}: {name} is {value!r}, expected a number")
        if name in LISTS and not isinstance(value, list):
            faults.append(f"{where}: {name} is {value!r}, expected a list: [...]")
    needed = [name for name, one in keys.items() if one.default is MISSING]
    faults += [f"{where}: key {name} is unknown, expected of {', '.join(keys)}" for name in told if name not in keys]
    faults += [f"{where}: {name} is missing" for name in needed if name not in told]
    return None if set(told) - set(keys) or set(needed) - set(told) else kind(**told)


def _contradictions(columns: Columns) -> list[str]:
    label = columns.label
    faults = []
    if (label.at_least is None) == (not label.equals):
        faults.append("[label]: give either at_least (a number) or equals (a list of values)")
    if columns.separator and columns.separator not in SEPARATORS:
        faults.append(f"separator: is {columns.separator!r}, expected of {', '.join(SEPARATORS)}")
    if columns.day is None and columns.time is None:
        faults.append(
            "no [day] and no [time]: rows of one day would be on both sides of a split, and every score too good; "
            "name the column of the day, or of the time"
        )
    ways = [sum(bool(way) for way in (pick.column, pick.stack, pick.all_numeric)) for pick in columns.features]
    if any(count != 1 for count in ways):
        faults.append("[[features]]: each needs one of column, stack, all_numeric")
    try:
        window_of(columns.window)
    except ValueError:
        faults.append(f"window: is {columns.window!r}, expected minutes such as 0-60")
    return [*faults, *_odd_patterns(columns)]


def _odd_patterns(columns: Columns) -> list[str]:
    """Regular expressions that are none, or lack the groups by which they are read."""
    patterns = [(when.pattern, {"y", "m", "d"}) for when in (columns.time, columns.day) if when and when.pattern]
    patterns += [(pick.stack, {"name", "place"}) for pick in columns.features if pick.stack]
    faults = []
    for pattern, groups in patterns:
        try:
            lacking = groups - set(re.compile(pattern).groupindex)
        except re.error as cause:
            faults.append(f"{pattern}: is no regular expression ({cause})")
            continue
        if lacking:
            faults.append(f"{pattern}: lacks groups (?P<{'>...), (?P<'.join(sorted(lacking))}>...)")
    return faults
