"""Tables from outside: their text, header, numbers and times, whatever they are written like."""

import difflib
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wxcore.errors import SampleError
from wxcore.hazard.samples.mapping import SEPARATORS, When

EMPTY = ("", "M", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-", "--", "*", "/", "//", "///")
"""Texts that stand for "no value" in tables of stations and reports."""

PIVOT = 50
"""Two digits of a year from here on are 19xx, below 20xx [our choice: no set is older than 1950]."""

CHUNK = 1 << 20
HALF_DAY = pd.Timedelta(hours=12)
SCALES: dict[str, tuple[str, float, float]] = {
    "mm": ("length", 1.0, 0.0), "cm": ("length", 10.0, 0.0), "in": ("length", 25.4, 0.0),
    "inch": ("length", 25.4, 0.0), "inches": ("length", 25.4, 0.0),
    "m s-1": ("speed", 1.0, 0.0), "m/s": ("speed", 1.0, 0.0), "ms-1": ("speed", 1.0, 0.0),
    "kt": ("speed", 1852.0 / 3600.0, 0.0), "kts": ("speed", 1852.0 / 3600.0, 0.0),
    "knots": ("speed", 1852.0 / 3600.0, 0.0), "km/h": ("speed", 1.0 / 3.6, 0.0), "mph": ("speed", 0.44704, 0.0),
    "degc": ("temperature", 1.0, 0.0), "c": ("temperature", 1.0, 0.0), "k": ("temperature", 1.0, -273.15),
    "f": ("temperature", 5.0 / 9.0, -160.0 / 9.0), "degf": ("temperature", 5.0 / 9.0, -160.0 / 9.0),
}  # fmt: skip
"""Units -> kind, and factor and offset to mm, m s-1 or deg C: what a header may say in brackets."""
UNITS_IN_NAME = re.compile(r"\s*[(\[]\s*([^)\]]*?)\s*[)\]]\s*$")


def plain(name: str) -> str:
    """A column's name without case, blanks, marks and units in brackets: DATE/RAOB is DATE / RAOB."""
    bare = UNITS_IN_NAME.sub("", str(name).strip())
    return re.sub(r"\W|_", "", bare).casefold() or str(name).strip().casefold()


def header(path: Path, separator: str = "") -> list[str]:
    """Names of a table's columns.

    Raises:
        SampleError: the file cannot be read, or is empty.
    """
    if path.suffix.lower() in {".parquet", ".pq"}:
        try:
            return [str(name) for name in pq.read_schema(path).names]
        except (OSError, pa.ArrowException) as cause:
            raise SampleError(f"{path}", [f"cannot be read as Parquet: {cause}"]) from cause
    first = _first_line(path)
    if not first:
        raise SampleError(f"{path}", ["is empty"])
    names = re.split(separator_of(path, separator), first.rstrip())
    return [name.strip().strip('"') for name in names]


def read_table(path: Path, separator: str, as_text: Sequence[str]) -> pd.DataFrame:
    """All columns of a table; those of `as_text` (by `plain` name) stay text, so that 00032800 keeps its zeros.

    Raises:
        SampleError: it cannot be read, or a line has more fields than the header.
    """
    names = header(path, separator)
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pd.read_parquet(path)
        kept = [name for name in names if plain(name) in as_text]
        try:
            table = _parsed_text(path, path, separator, kept)
        except pd.errors.ParserWarning:  # lines that end in empty fields beyond the header's
            marks = separator_of(path, separator) if separator_of(path, separator) != r"\s+" else ""
            with path.open(encoding=_encoding(path)) as lines:
                bare = io.StringIO("\n".join(line.rstrip(f"{marks} \r\n") for line in lines))
            table = _parsed_text(path, bare, separator, kept)
    except (OSError, ValueError, pa.ArrowException, pd.errors.ParserError, pd.errors.ParserWarning) as cause:
        raise SampleError(f"{path}", [f"cannot be read as a table: {cause}"]) from cause
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    return table.dropna(how="all").reset_index(drop=True)


def _parsed_text(path: Path, source: Path | io.StringIO, separator: str, as_text: Sequence[str]) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # fields beyond the header would be lost
        return pd.read_csv(
            source, sep=separator_of(path, separator), na_values=list(EMPTY), keep_default_na=False,
            dtype=dict.fromkeys(as_text, "str"), skipinitialspace=True, index_col=False, low_memory=False,
            encoding=_encoding(path),
        )  # fmt: skip


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding=_encoding(path)) as lines:
            return next((line for line in lines if line.strip()), "")
    except OSError as cause:
        raise SampleError(f"{path}", [f"cannot be read: {cause.strerror}"]) from cause


def _encoding(path: Path) -> str:
    """The first of the encodings of our users in which the whole file is text."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            with path.open(encoding=encoding) as text:
                while text.read(CHUNK):
                    pass
        except UnicodeDecodeError:
            continue
        return encoding
    raise SampleError(f"{path}", ["is neither UTF-8 nor GB18030 text, nor named .parquet"])


def separator_of(path: Path, told: str) -> str:
    """The separator of a file's columns: as told (mapping.SEPARATORS), else what stands in its first line."""
    if told:
        return SEPARATORS[told]
    line = _first_line(path)
    return next((SEPARATORS[name] for name in ("tab", "comma", "semicolon") if SEPARATORS[name] in line), r"\s+")


def find(names: Sequence[str], wanted: str | Sequence[str]) -> str | None:
    """The column that is meant: the very name, else the one that differs in case, blanks, marks or units only."""
    spellings = [wanted] if isinstance(wanted, str) else list(wanted)
    exact = next((name for name in spellings if name in names), None)
    alike = {plain(name): name for name in reversed(list(names))}
    return exact or next((alike[plain(name)] for name in spellings if plain(name) in alike), None)


def column_of(table: pd.DataFrame, wanted: str | list[str]) -> str:
    """The column that is meant (`find`).

    Raises:
        SampleError: there is none; the nearest is named.
    """
    name = find(list(table.columns), wanted)
    if name is None:
        raise SampleError("table", [nearest(list(table.columns), wanted)])
    return name


def spelled_as(first: Sequence[str], other: Sequence[str]) -> dict[str, str]:
    """Names of another file -> how the first one spells them; what differs in more than spelling is left out."""
    exact = set(first)
    alike = {plain(name): name for name in reversed(list(first))}
    return {name: alike[plain(name)] for name in other if name not in exact and plain(name) in alike}


def nearest(names: Sequence[str], wanted: str | Sequence[str]) -> str:
    """A fault: the column that is missing, and the one that looks most like it."""
    text = wanted if isinstance(wanted, str) else wanted[0]
    alike = {plain(name): name for name in names}
    close = difflib.get_close_matches(plain(text), alike, n=1, cutoff=0.3)
    return f"no column {text}" + (f" (nearest: {alike[close[0]]})" if close else f" (there are: {', '.join(names)})")


def numbers(table: pd.DataFrame, name: str, missing: Sequence[Any], units: str = "") -> NDArray[np.float64]:
    """A column as f8, NaN where missing; in `units` where the header says others in brackets.

    Raises:
        SampleError: what is no number is named with its row; or units that cannot be turned into `units`.
    """
    column = table[name]
    values = column.to_numpy(dtype=np.float64, na_value=np.nan).copy() if _numeric(column) else _parsed(column, missing)
    for one in missing:
        if _is_number(one):
            values[values == float(one)] = np.nan
    values[np.isinf(values)] = np.nan
    head = UNITS_IN_NAME.search(name)
    return converted(values, head.group(1), units, name) if head and units else values


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)


def _parsed(column: pd.Series, missing: Sequence[Any]) -> NDArray[np.float64]:
    found = pd.to_numeric(column, errors="coerce")
    said = {str(one) for one in missing}
    odd = column[found.isna() & column.notna() & ~column.astype(str).str.strip().isin([*EMPTY, *said])]
    if len(odd):
        told = f"{column.name}: {odd.iloc[0]!r} in row {int(odd.index[0]) + 1} (and {len(odd) - 1} more) is no number"
        raise SampleError("table", [f"{told}; list it in `missing`, or exclude the column"])
    return found.to_numpy(dtype=np.float64, na_value=np.nan).copy()


def _is_number(value: Any) -> bool:
    return bool(np.isfinite(pd.to_numeric(str(value), errors="coerce")))


def converted(values: NDArray[np.float64], given: str, wanted: str, name: str) -> NDArray[np.float64]:
    """Values [given] in `wanted` (UNITS).

    Raises:
        SampleError: the two are not of one kind, or not known.
    """
    first, second = given.strip().casefold(), wanted.strip().casefold()
    if first == second:
        return values
    if first not in SCALES or second not in SCALES or SCALES[first][0] != SCALES[second][0]:
        raise SampleError("table", [f"{name}: is in {given}, expected {wanted}; say how in a file for --columns"])
    (_, factor, offset), (_, other, shift) = SCALES[first], SCALES[second]
    return (values * factor + offset - shift) / other


def times(column: pd.Series, when: When) -> pd.Series:
    """UTC times of a column; NaT where it cannot be read."""
    if pd.api.types.is_datetime64_any_dtype(column):
        local = column if column.dt.tz is not None else column.dt.tz_localize("UTC")
    elif when.pattern:
        local = _by_pattern(column.astype("string").str.strip(), when.pattern)
    else:
        text = column.astype("string").str.strip()
        local = pd.to_datetime(text, format=when.format or "ISO8601", errors="coerce", utc=True)
    utc: pd.Series = local.dt.tz_convert("UTC") - pd.Timedelta(hours=when.utc_offset_h)
    return utc


def _by_pattern(text: pd.Series, pattern: str) -> pd.Series:
    found = text.str.extract(pattern)
    parts = {key: pd.to_numeric(found[key], errors="coerce") for key in ("y", "m", "d", "h", "min") if key in found}
    year = parts["y"].where(parts["y"] >= 100, parts["y"] + np.where(parts["y"] >= PIVOT, 1900, 2000))
    named = {
        "year": year, "month": parts["m"], "day": parts["d"],
        "hour": parts.get("h", pd.Series(0, text.index)), "minute": parts.get("min", pd.Series(0, text.index)),
    }  # fmt: skip
    return pd.to_datetime(pd.DataFrame(named), errors="coerce", utc=True)


def convective_day(utc: pd.Series) -> pd.Series:
    """Name of the convective day, 12 UTC (inclusive) to 12 UTC: ISO date of its begin; missing stays missing."""
    return (utc - HALF_DAY).dt.strftime("%Y-%m-%d")
