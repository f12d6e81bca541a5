"""Samples as one number."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from wxcore.hazard.samples.table import DAY, LABEL_SOURCE, STORM, TIME, WEIGHT, Samples, label_column


def digest(samples: Samples) -> str:
    """sha256 of all that training looks at: the names, then column by column; the file's format does not matter.

    Numbers as little-endian doubles (every NaN alike), times as nanoseconds, text as UTF-8 with a zero byte between.
    """
    labels = [label_column(window) for window in samples.windows]
    named = [DAY, STORM, TIME, WEIGHT, LABEL_SOURCE, *labels, *samples.features, *samples.baselines, *samples.slices]
    found = hashlib.sha256("\0".join([samples.hazard, *named]).encode())
    for name in named:
        found.update(_plain(samples.frame[name]))
    return found.hexdigest()


def _plain(column: "pd.Series[Any]") -> bytes:
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.DatetimeIndex(column).as_unit("ns").asi8.astype("<i8").tobytes()
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype="<f8", na_value=np.nan)
        return np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes()
    return "\0".join(column.astype(str)).encode()
