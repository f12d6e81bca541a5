"""The table of samples: what `wx samples` writes and `wx train` reads."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from wxcore.errors import SampleError

DAY, STORM, TIME, WEIGHT, LABEL_SOURCE = "day", "storm", "time", "weight", "label_source"
"""Columns beside features and labels: convective day (text) and storm, by which rows belong together; time (UTC, NaT
where nobody told); weight of the row; truth class of its label."""

SOURCES = ("SYN", "algorithm", "report", "instrument")
"""Truth classes (DESIGN.md section 4), the weakest first."""

META = b"wxcore.samples"

LARGEST = 1e30
"""No feature is so large; beyond, 4-byte floats overflow."""


@dataclass(frozen=True)
class Samples:
    """Rows, and what their columns are.

    Attributes:
        frame: columns DAY, STORM, TIME, WEIGHT, LABEL_SOURCE; `label_column(window)` of each window: 1, 0, or NaN
            where it is censored; the features (f8, NaN where missing); the baselines; the slices.
        features: in the order in which a model sees them.
        windows: names of lead windows, such as 0-60.
        units: of features.
        groups: feature -> the source that it comes from (radar, satellite ...), for what-if-it-is-missing.
        monotone: feature -> 1 where the probability may only rise with it, -1 only fall.
        baselines: columns that are compared with and never learnt from; more of it is likelier.
        slices: columns of text by which scores are also told, and a model must not be worse.
        label_text: what the event is, in words. source: file, period or archive that the rows are from.
    """

    frame: pd.DataFrame
    hazard: str
    features: tuple[str, ...]
    windows: tuple[str, ...] = ("0-60",)
    units: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    monotone: Mapping[str, int] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    label_text: str = ""
    source: str = ""

    @property
    def truth_class(self) -> str:
        """The weakest class of any row's label."""
        known = set(self.frame[LABEL_SOURCE])
        return next(name for name in SOURCES if name in known)

    def of_window(self, window: str) -> "Samples":
        """The rows whose label of this window is known."""
        known = self.frame[label_column(window)].notna()
        return replace(self, frame=self.frame[known].reset_index(drop=True), windows=(window,))


def label_column(window: str) -> str:
    """Column of the label of a window."""
    return "label_" + window.replace("-", "_")


def check_samples(samples: Samples) -> None:
    """Refuse what nothing can be trained on.

    Raises:
        SampleError: every fault at once.
    """
    labels = [label_column(window) for window in samples.windows]
    faults = _absent(samples, labels)
    if not faults:
        numbers = (*samples.features, *samples.baselines)
        faults = [*_odd_labels(samples.frame, labels), *(_odd_number(samples.frame, name) for name in numbers)]
        faults += [f"{name}: empty in a row" for name in (DAY, STORM) if samples.frame[name].isna().any()]
        if not (samples.frame[WEIGHT] > 0).all() or not np.isfinite(samples.frame[WEIGHT]).all():
            faults.append(f"{WEIGHT}: expected numbers above 0")
        if not set(samples.frame[LABEL_SOURCE]) <= set(SOURCES):
            found = sorted(set(samples.frame[LABEL_SOURCE]))
            faults.append(f"{LABEL_SOURCE}: holds {found}, expected of {', '.join(SOURCES)}")
    if faults := [fault for fault in faults if fault]:
        raise SampleError(f"samples {samples.source or samples.hazard}", faults)


def _absent(samples: Samples, labels: list[str]) -> list[str]:
    needed = (DAY, STORM, TIME, WEIGHT, LABEL_SOURCE, *labels, *samples.features, *samples.baselines, *samples.slices)
    faults = [f"no column {name}" for name in needed if name not in samples.frame]
    if len(set(samples.features)) < len(samples.features):
        faults.append("a feature stands twice")
    if set(samples.features) & {*samples.baselines, *labels}:
        faults.append("a label or baseline is also a feature")
    return faults if faults or len(samples.frame) else ["no rows"]


def _odd_labels(frame: pd.DataFrame, labels: list[str]) -> list[str]:
    found = {name: set(frame[name].dropna().unique()) for name in labels}
    return [
        f"{name}: holds {[float(one) for one in sorted(values)[:5]]}, expected 0, 1 or nothing"
        for name, values in found.items()
        if not values <= {0.0, 1.0}
    ]


def _odd_number(frame: pd.DataFrame, name: str) -> str:
    if not pd.api.types.is_numeric_dtype(frame[name]):
        return f"{name}: is {frame[name].dtype}, expected a number"
    largest = np.nanmax(np.abs(frame[name].to_numpy(dtype=np.float64)), initial=0.0)
    return f"{name}: holds {largest:g}, expected less than {LARGEST:g}" if largest >= LARGEST else ""


def write_samples(samples: Samples, path: Path) -> None:
    """One Parquet file; what the columns are stands in its metadata. The same samples give the same bytes.

    Raises:
        SampleError: as `check_samples`.
        OSError: disk full, or a write error.
    """
    check_samples(samples)
    about = {name: value for name, value in asdict(replace(samples, frame=pd.DataFrame())).items() if name != "frame"}
    table = pa.Table.from_pandas(samples.frame, preserve_index=False)
    told = {**(table.schema.metadata or {}), META: json.dumps(about, ensure_ascii=False, sort_keys=True).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(told), path, compression="zstd")


def read_samples(path: Path) -> Samples:
    """Samples as `write_samples` wrote them.

    Raises:
        SampleError: not such a file, or as `check_samples`.
    """
    try:
        table = pq.read_table(path)
        about = json.loads((table.schema.metadata or {})[META])
        tuples = {name: tuple(about[name]) for name in ("features", "windows", "baselines", "slices")}
        samples = Samples(**{**about, **tuples, "frame": table.to_pandas()})
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as cause:
        raise SampleError(
            f"{path}", [f"not a table of wx samples ({cause}): name its columns with --columns"]
        ) from cause
    check_samples(samples)
    return samples
