"""The tables and TOML fields of a region's folder: parsing that keeps every fault with its file, row and field."""

import csv
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a region's folder. `where` is a row ("row 3") or "" for the whole file."""

    file: str
    where: str
    field: str
    found: str
    expected: str
    expected_zh: str

    @property
    def en(self) -> str:
        """English, one line."""
        place = ", ".join(part for part in (self.file, self.where, self.field) if part)
        return f"{place}: found {self.found}, expected {self.expected}"

    @property
    def zh(self) -> str:
        """Chinese, one line."""
        place = "，".join(part for part in (self.file, self.where.replace("row", "行"), self.field) if part)
        return f"{place}：读到 {self.found}，应为{self.expected_zh}"


@dataclass(frozen=True)
class Field:
    """A column or a TOML key: its parser (raises ValueError) and what it accepts, in words."""

    name: str
    parse: Callable[[Any], Any]
    expected: str
    expected_zh: str


@dataclass(frozen=True)
class Row:
    """A parsed row and the line of the file it stands on (the header is line 1)."""

    line: int
    values: Mapping[str, Any]


def text(name: str, *, empty: bool = False) -> Field:
    """Any text; not empty unless `empty`."""

    def parse(raw: object) -> str:
        if not isinstance(raw, str) or (not raw.strip() and not empty):
            raise ValueError(raw)
        return raw.strip()

    return Field(name, parse, "text", "文字")


def number(name: str, low: float, high: float, *, empty: bool = False) -> Field:
    """A number from `low` to `high`; NaN for an empty cell if `empty`."""

    def parse(raw: str | float) -> float:
        if empty and raw == "":
            return math.nan
        if isinstance(raw, bool):
            raise ValueError(raw)
        value = float(raw)
        if not low <= value <= high:
            raise ValueError(raw)
        return value

    return Field(name, parse, f"a number from {low:g} to {high:g}", f" {low:g} 到 {high:g} 之间的数")


def integer(name: str, low: int, high: int) -> Field:
    """A whole number from `low` to `high`."""

    def parse(raw: str | float) -> int:
        if isinstance(raw, bool | float) or not low <= int(raw) <= high:
            raise ValueError(raw)
        return int(raw)

    return Field(name, parse, f"a whole number from {low} to {high}", f" {low} 到 {high} 之间的整数")


def choice(name: str, *words: str) -> Field:
    """One of `words`."""

    def parse(raw: object) -> str:
        if raw not in words:
            raise ValueError(raw)
        return str(raw)

    listing = " | ".join(word or '""' for word in words)
    return Field(name, parse, f"one of {listing}", f"其中之一 {listing}")


def flag(name: str) -> Field:
    """true or false."""
    return Field(name, {"true": True, "false": False}.__getitem__, "true or false", " true 或 false")


def day(name: str, *, empty: bool = False) -> Field:
    """A date YYYY-MM-DD; None for an empty cell if `empty`."""

    def parse(raw: str) -> date | None:
        return None if empty and raw == "" else date.fromisoformat(raw)

    return Field(name, parse, "a date YYYY-MM-DD", "日期 YYYY-MM-DD")


def take(
    found: Mapping[str, Any], fields: tuple[Field, ...], faults: list[Fault], *, file: str, where: str
) -> dict[str, Any]:
    """Parse `fields` of a mapping; what is missing or wrong goes to `faults` and is absent from the answer."""
    values: dict[str, Any] = {}
    for field in fields:
        raw = found.get(field.name)
        if raw is None:
            faults.append(Fault(file, where, field.name, "nothing", field.expected, field.expected_zh))
            continue
        try:
            values[field.name] = field.parse(raw)
        except (ValueError, TypeError, KeyError, OverflowError):
            faults.append(Fault(file, where, field.name, repr(raw), field.expected, field.expected_zh))
    return values


def read_table(path: Path, fields: tuple[Field, ...], faults: list[Fault]) -> list[Row]:
    """Rows of a UTF-8 CSV file that are right in all `fields`; the faults of the others go to `faults`.

    Columns in any order; more columns than `fields` are allowed.
    """
    names = ", ".join(field.name for field in fields)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            header = reader.fieldnames or []
            found = [(reader.line_num, row) for row in reader]
    except OSError as cause:
        faults.append(Fault(path.name, "", "", f"{type(cause).__name__}", f"a CSV table {names}", f" CSV 表 {names}"))
        return []
    except (UnicodeDecodeError, csv.Error) as cause:
        faults.append(Fault(path.name, "", "", f"{cause}", "CSV in UTF-8", " UTF-8 编码的 CSV"))
        return []
    absent = [field.name for field in fields if field.name not in header]
    if absent:
        listing = ", ".join(absent)
        faults.append(Fault(path.name, "row 1", listing, "no such column", f"columns {names}", f"列 {names}"))
        return []
    rows: list[Row] = []
    for line, raw in found:
        values = take(raw, fields, faults, file=path.name, where=f"row {line}")
        if len(values) == len(fields):
            rows.append(Row(line, values))
    return rows


def read_toml(path: Path, faults: list[Fault]) -> dict[str, Any]:
    """A TOML file as read; an empty mapping and a fault where that fails."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        faults.append(Fault(path.name, "", "", type(cause).__name__, "a TOML file", " TOML 文件"))
    except ValueError as cause:
        faults.append(Fault(path.name, "", "", str(cause), "TOML in UTF-8", " UTF-8 编码的 TOML"))
    return {}
