"""How a storm changed: least-squares trends over its last half hour, and the change since the last cycle."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from wxcore.archive.storms import BACK_MIN

TREND_MIN = float(BACK_MIN)
"""Minutes that a trend looks back: as far as tracking does; 2 to 6 cycles."""

LAST_MIN = (4.5, 7.5)
"""The last cycle is this many minutes ago, above and up to [our choice: 6 and a quarter]; an older one is none."""

TRENDS: tuple[tuple[str, str], ...] = (
    ("max_dbz_trend", "max_dbz"),
    ("vil_trend", "vil_kg_m2"),
    ("mesh_trend", "mesh_mm"),
    ("echo_top_18_trend", "echo_top_18_km"),
    ("area_trend", "area_km2"),
    ("flash_rate_trend", "flash_rate_min"),
    ("bt108_trend", "bt108_min_k"),
)
CHANGES: tuple[tuple[str, str], ...] = (
    ("max_dbz_change", "max_dbz"),
    ("mesh_change", "mesh_mm"),
    ("flash_rate_change", "flash_rate_min"),
)
"""Feature, column of schema.STORMS."""

COLUMNS = tuple(column for _, column in TRENDS)

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def trends(storms: pd.DataFrame, history: Sequence[pd.DataFrame]) -> dict[str, Doubles]:
    """Features of TRENDS [units a minute], CHANGES [units] and `tracked_min`, each in the order of `storms`.

    Only rows of the same storm_id before the time of `storms`, at most TREND_MIN, count: what is later, or of the same
    time, is passed over. NaN with fewer than two times at which the column was known; `tracked_min` is 0 then.

    Args:
        storms: schema.STORMS of one time; history: earlier tables, in any order.
    """
    storm, minute, values = _rows(storms, history)
    count = len(storms)
    now = dict(zip(COLUMNS, numbers(storms, COLUMNS).T, strict=True))
    past = {name: values[:, at] for at, name in enumerate(COLUMNS)}
    found = {feature: _slope(storm, minute, past[column], count) for feature, column in TRENDS}
    is_last = (minute >= -LAST_MIN[1]) & (minute < -LAST_MIN[0])
    for feature, column in CHANGES:
        before = np.full(count, np.nan)
        before[storm[is_last]] = past[column][is_last]  # sorted by time: the newest stands
        found[feature] = now[column] - before
    found["tracked_min"] = np.zeros(count)
    np.maximum.at(found["tracked_min"], storm, np.abs(minute))
    return found


def _rows(storms: pd.DataFrame, history: Sequence[pd.DataFrame]) -> tuple[Ints, Doubles, Doubles]:
    """(row of `storms`, minutes from its time, COLUMNS) of the storms themselves and of their past; by storm and time.
    Sorted, so that the order in which they came cannot change a sum by a bit."""
    order = np.arange(len(storms))
    parts = [(order, np.zeros(len(storms)), numbers(storms, COLUMNS))]
    index = pd.Index(storms["storm_id"].astype(object))
    now = storms["time"].to_numpy().astype("datetime64[ns]")
    for table in history if index.is_unique else ():
        row = index.get_indexer(pd.Index(table["storm_id"].astype(object)))
        known = np.flatnonzero(row >= 0)
        row = row[known]
        minute = (table["time"].to_numpy().astype("datetime64[ns]")[known] - now[row]) / np.timedelta64(1, "m")
        use = (minute < 0) & (minute >= -TREND_MIN)
        parts.append((row[use], minute[use], numbers(table, COLUMNS)[known[use]]))
    storm, minute, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    by_time = np.lexsort((*values.T, minute, storm))
    return storm[by_time].astype(np.int64), minute[by_time], values[by_time]


def _slope(storm: Ints, minute: Doubles, values: Doubles, count: int) -> Doubles:
    """Least-squares slope of each storm [units a minute]; NaN with fewer than two times."""
    known = np.isfinite(values)
    storm, minute, values = storm[known], minute[known], values[known]
    n = np.bincount(storm, minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_minute, mean_value = (np.bincount(storm, part, count) / n for part in (minute, values))
        apart, above = minute - mean_minute[storm], values - mean_value[storm]
        spread = np.bincount(storm, apart**2, count)
        slope = np.bincount(storm, apart * above, count) / spread
    return np.where(spread > 0, slope, np.nan)


def numbers(table: pd.DataFrame, names: Sequence[str]) -> Doubles:
    """(row, name); NaN where it is not finite, and in a column that a table of an older version does not have."""
    values = table.reindex(columns=list(names)).to_numpy(dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)
