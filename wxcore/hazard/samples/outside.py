"""Samples from any table: a bureau's own, or a published set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wxcore.errors import SampleError
from wxcore.hazard.samples.made import baselines_of, features_of
from wxcore.hazard.samples.mapping import Columns, known_columns, read_columns
from wxcore.hazard.samples.reading import (
    column_of,
    convective_day,
    find,
    header,
    nearest,
    numbers,
    plain,
    read_table,
    spelled_as,
    times,
)
from wxcore.hazard.samples.table import (
    DAY,
    LABEL_SOURCE,
    STORM,
    TIME,
    WEIGHT,
    Samples,
    check_samples,
    label_column,
)

LABEL_VALUE = "label_value"
"""Column of the numbers that the label was made of, never a feature: `check_leaks` compares features with it."""


def read_outside(paths: Sequence[Path], hazard: str, columns: Path | None = None) -> Samples:
    """Samples of a table: CSV, TSV, blanks or Parquet; one file, several of one kind, or a folder of them.

    Args:
        paths: files, or folders in which the mapping's `files` are taken.
        hazard: as in schema.HAZARDS.
        columns: TOML file that says what the columns are; None: a known set (samples/known), recognised by its header.

    Raises:
        SampleError: every fault at once: an unknown set, columns that are missing (with the nearest name), no day, what
            is no number or no time, a label far from what its units allow, and what `check_samples` refuses.
    """
    told = read_columns(columns) if columns else _recognised(paths)
    if told.hazard and told.hazard != hazard:
        raise SampleError(_source(paths), [f"{told.name} has labels of {told.hazard}, not of {hazard}"])
    files = _files(paths, told.files)
    if not files:
        raise SampleError(_source(paths), [f"no file like {told.files} there"])
    table = _kept_rows(_joined(files, told), told)
    try:
        samples = _samples(table, told, hazard, _source(paths))
    except SampleError as cause:
        raise SampleError(_source(paths), cause.faults) from cause
    check_samples(samples)
    return samples


def _source(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _files(paths: Sequence[Path], pattern: str) -> list[Path]:
    inside = [sorted(path.glob(pattern)) if path.is_dir() else [path] for path in paths]
    return [file for files in inside for file in files if not file.is_dir()]


def _recognised(paths: Sequence[Path]) -> Columns:
    known = known_columns()
    for columns in known:
        files = _files(paths, columns.files)
        if files:
            names = header(files[0], columns.separator)
            if all(find(names, wanted) for wanted in columns.known_by):
                return columns
    names = next((header(file)[:12] for file in _files(paths, "*.*")), [])
    sets = ", ".join(f"{columns.name} ({', '.join(columns.known_by)})" for columns in known)
    raise SampleError(
        _source(paths),
        [
            f"not a set that is known by its header ({', '.join(names) or 'no file'} ...); known are: {sets}; "
            f"say what the columns are with --columns FILE.toml: [label], [day] or [time], [[features]] "
            f"(docs/models.md; examples in wxcore/hazard/samples/known)"
        ],
    )


def _joined(files: Sequence[Path], told: Columns) -> pd.DataFrame:
    """All files under each other, columns spelled as in the first one."""
    wanted = told.needed
    texts = [one.column for one in (told.time, told.day, told.storm) if one]
    as_text = [plain(name) for names in texts for name in ([names] if isinstance(names, str) else names)]
    tables: list[pd.DataFrame] = []
    faults: list[str] = []
    for file in files:
        table = read_table(file, told.separator, as_text)
        names = list(table.columns)
        lacking = [nearest(names, want) for want in wanted if find(names, want) is None]
        faults += [f"{file.name}: {fault}" for fault in lacking]
        if tables:
            table = table.rename(columns=spelled_as(list(tables[0].columns), names))
        tables.append(table)
    if faults:
        raise SampleError(_source(files[:3]), faults)
    return pd.concat(tables, ignore_index=True)


def _kept_rows(table: pd.DataFrame, told: Columns) -> pd.DataFrame:
    """Without lines that repeat the header (joined files), and only the rows that the mapping keeps."""
    label = column_of(table, told.label.column)
    kept = table[label].astype(str).str.strip() != label
    for rule in told.rows:
        name = column_of(table, rule.column)
        if rule.equals:
            kept &= table[name].isin(list(rule.equals))
        if rule.at_least is not None:
            kept &= numbers(table, name, told.missing) >= rule.at_least
        if rule.at_most is not None:
            kept &= numbers(table, name, told.missing) <= rule.at_most
    return table[kept].reset_index(drop=True)


def _samples(table: pd.DataFrame, told: Columns, hazard: str, source: str) -> Samples:
    label = label_column(told.window)
    columns, faults = _belonging(table, told)
    try:
        columns |= _label(table, told, label)
    except SampleError as cause:
        faults += cause.faults
    made = features_of(table, told)
    bases = baselines_of(table, told, made)
    faults += made.faults
    if faults:
        raise SampleError(source, faults)
    slices = {one.name or column_of(table, one.column): column_of(table, one.column) for one in told.slices}
    columns |= {
        name: table[column].astype("string").fillna("unknown").astype(object) for name, column in slices.items()
    }
    return Samples(
        frame=pd.DataFrame({**columns, **made.values, **bases}),
        hazard=hazard, features=tuple(made.values), windows=(told.window,), units=made.units, groups=made.groups,
        monotone=made.monotone, baselines=tuple(bases), slices=tuple(slices), label_text=told.label_text, source=source,
    )  # fmt: skip


def _label(table: pd.DataFrame, told: Columns, label: str) -> dict[str, NDArray[np.float64]]:
    """The label (NaN where its column is empty), and the numbers that it was made of."""
    how, name = told.label, column_of(table, told.label.column)
    if how.equals:
        known = table[name].notna().to_numpy() & ~table[name].isin(list(told.missing)).to_numpy()
        yes = table[name].isin(list(how.equals)).to_numpy(dtype=np.float64)
        return {label: np.where(known, yes, np.nan)}
    values = numbers(table, name, told.missing, how.units)
    if how.plausible and len(values):
        low, high = how.plausible
        outside = np.flatnonzero((values < low) | (values > high))
        if outside.size:
            raise SampleError(
                "label",
                [
                    f"{name}: {values[outside[0]]:g} in row {outside[0] + 1} (and {outside.size - 1} more), expected "
                    f"{low:g} to {high:g} {how.units}: other units, or a value for `missing`?"
                ],
            )
    bound = how.at_least if how.at_least is not None else np.nan
    return {label: np.where(np.isnan(values), np.nan, (values >= bound).astype(np.float64)), LABEL_VALUE: values}


def _belonging(table: pd.DataFrame, told: Columns) -> tuple[dict[str, object], list[str]]:
    """Day, storm, time, weight and truth class of each row, and what is wrong with them."""
    faults: list[str] = []
    utc = pd.Series(pd.NaT, index=table.index, dtype="datetime64[ns, UTC]")
    if told.time:
        name = column_of(table, told.time.column)
        utc = times(table[name], told.time).astype("datetime64[ns, UTC]")
        faults += _unread(table, name, utc)
    day = convective_day(utc)
    if told.day:
        name = column_of(table, told.day.column)
        date = times(table[name], told.day)
        faults += _unread(table, name, date)
        day = date.dt.strftime("%Y-%m-%d")
    storm = day.astype(str) + "/" + table.index.astype(str)
    if told.storm:
        own = table[column_of(table, told.storm.column)].astype("string").str.strip()
        if told.storm.keeps_day:
            day = day.groupby(own).transform("min").fillna(day)
            storm = own.fillna(storm)
        else:
            storm = (day.astype(str) + "/" + own).fillna(storm)
    rows = storm.groupby(storm).transform("size").to_numpy(dtype=np.float64)
    weight = 1.0 / np.sqrt(rows)
    if told.weight:
        weight = numbers(table, column_of(table, told.weight), told.missing)
        if not (weight > 0).all():
            faults.append(f"{told.weight}: a weight is missing, 0 or negative")
    columns = {
        DAY: day.astype(object), STORM: storm.astype(object), TIME: utc, WEIGHT: weight,
        LABEL_SOURCE: np.full(len(table), told.label_source, dtype=object),
    }  # fmt: skip
    return columns, faults


def _unread(table: pd.DataFrame, name: str, found: pd.Series) -> list[str]:
    bad = table.index[found.isna()]
    if not len(bad):
        return []
    first = table[name].iloc[bad[0]]
    return [f"{name}: {first!r} in row {bad[0] + 1} (and {len(bad) - 1} more) is no such time: see format or pattern"]
