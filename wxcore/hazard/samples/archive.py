"""Samples out of the archive: a convective day at a time, each in its own process, joined on disk.

A day is from 12 to 12 UTC (DOMAIN.md 5.4) and has the name of the date of its begin. A storm belongs to the day of its
first row, with all its rows: what is learnt and what it is tested on never share a storm.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from dask.callbacks import Callback

from wxcore.archive.place import Root
from wxcore.archive.storms import BACK_MIN
from wxcore.errors import SampleError
from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.features.build import features
from wxcore.hazard.features.catalogue import FEATURES
from wxcore.hazard.labels.label import label_storms
from wxcore.hazard.samples.sources import SIMULATED, Cycle, read_cycles, truth_at_hand
from wxcore.hazard.samples.table import (
    DAY,
    LABEL_SOURCE,
    META,
    STORM,
    TIME,
    WEIGHT,
    Samples,
    label_column,
    write_samples,
)
from wxcore.hazard.windows import HOUR, WINDOWS
from wxcore.region import Region
from wxcore.times import from_datetime64, iso, require_utc, to_datetime64

DAY_BEGINS = time(12, tzinfo=UTC)
ONE_DAY = timedelta(days=1)
BACK = timedelta(minutes=BACK_MIN)
AHEAD = timedelta(minutes=HOUR.end_min)
"""So long after its row a label looks."""

LONGEST_TAIL = timedelta(hours=12)
"""So long after its day's end a storm is followed [our choice]: none lives longer."""

ENVIRONMENT, COVERAGE = "slice_environment", "slice_coverage"
"""Slices: where the levels came from; how well radars saw the storm in three dimensions."""

WELL_SEEN = 0.8
"""Part of a storm's cells seen in three dimensions from which it is well covered [our choice]."""

SPAWNED = "processes"
"""Dask's scheduler where there is more than one job: processes that begin afresh."""


@dataclass(frozen=True)
class Tally:
    """What came together.

    Attributes:
        rows, storms, days: written. events: rows whose label of the window 0-60 is 1; known: is known.
        censored: reason -> rows whose label of that window is not known; a row may have several. Rows without a known
            label in any window are not written.
        sources: truth class -> rows.
    """

    rows: int = 0
    storms: int = 0
    days: int = 0
    events: int = 0
    known: int = 0
    censored: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)

    @property
    def base_rate(self) -> float:
        """Part of the rows with an event within the hour; NaN where none is known."""
        return self.events / self.known if self.known else float("nan")

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.rows + other.rows, self.storms + other.storms, self.days + other.days, self.events + other.events,
            self.known + other.known, _summed(self.censored, other.censored), _summed(self.sources, other.sources),
        )  # fmt: skip


@dataclass(frozen=True)
class _Job:
    """One partition: a convective day, and which of its rows are wanted (times, both ends included)."""

    root: Root
    region: Region
    hazards: tuple[str, ...]
    day: date
    start: datetime
    end: datetime
    events: pd.DataFrame | None
    kinds: tuple[str, ...]
    folder: Path


def convective_day(when: datetime) -> date:
    """The convective day of a time (aware UTC): the date of its begin at 12 UTC.

    Raises:
        TimeError: naive.
    """
    return (require_utc(when) - timedelta(hours=DAY_BEGINS.hour)).date()


def build_samples(
    root: Root,
    region: Region,
    hazards: Sequence[str],
    period: tuple[datetime, datetime],
    folder: Path,
    *,
    events: pd.DataFrame | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Tally]:
    """Write `folder`/<hazard>.parquet (see samples/table.py) of the archive's rows of a period.

    Each convective day is a Dask partition: memory is that of `jobs` days, however long the period. The same archive
    and events give the same bytes, whatever `jobs` is. A hazard of which nothing is known has no file.

    Args:
        root, region: of the archive. period: start and end, aware UTC, both included.
        events: what was reported (labels.events.EVENTS), see sources.truth_at_hand.
        jobs: processes; 1: this one. progress: called with the days done, and how many there are.

    Returns:
        By hazard what was counted.

    Raises:
        TimeError: a naive time.
        SampleError: an unknown hazard, or a period that ends before it begins.
        ArchiveError: the archive cannot be opened.
    """
    start, end = (require_utc(when) for when in period)
    faults = [f"no hazard {name!r}, expected {', '.join(DEFINITIONS)}" for name in hazards if name not in DEFINITIONS]
    if faults or end < start:
        raise SampleError("samples", faults or [f"the period ends at {iso(end)}, before it begins at {iso(start)}"])
    first, last = convective_day(start) - ONE_DAY, convective_day(end)  # a storm of the day before may still live
    days = [first + number * ONE_DAY for number in range((last - first).days + 1)]
    kinds = () if events is None else tuple(sorted(set(events["kind"])))
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".parts-", dir=folder) as name:
        parts = Path(name)
        work = [
            dask.delayed(build_day)(  # type: ignore[attr-defined]
                _Job(root, region, tuple(hazards), day, start, end, _near(events, day), kinds, parts)
            )
            for day in days
        ]
        how = {"scheduler": SPAWNED if jobs > 1 else "sync", "num_workers": jobs}
        with _Told(len(days), progress or (lambda *_: None)):
            found = dask.compute(*work, **how)  # type: ignore[attr-defined,no-untyped-call]
        for hazard in hazards:
            join_parts([parts / _part(hazard, day) for day in days], folder / f"{hazard}.parquet")
    return {hazard: sum((tallies[hazard] for tallies in found), Tally()) for hazard in hazards}


def tally_of(rows: pd.DataFrame, window: str, censored: Mapping[str, int] | None = None) -> Tally:
    """What is in a table of samples; events are those of a window."""
    label = rows[label_column(window)]
    return Tally(
        len(rows), rows[STORM].nunique(), rows[DAY].nunique(), int((label == 1).sum()), int(label.notna().sum()),
        censored or {}, _counted(rows[LABEL_SOURCE].tolist()),
    )  # fmt: skip


def join_parts(parts: Sequence[Path], target: Path, source: str = "") -> bool:
    """Join files of `write_samples` into one, row group by row group; parts that are not there are left out.

    Args:
        source: where the whole is from, in words; empty: as the first part says.

    Returns:
        Was there any? If not, no file is left at `target`.

    Raises:
        SampleError: the parts are of different columns, or another version wrote them.
        OSError: disk full, or a write error.
    """
    there = [part for part in parts if part.is_file()]
    target.unlink(missing_ok=True)
    if not there:
        return False
    schema = _as_of(pq.read_schema(there[0]), source)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for part in there:
            file = pq.ParquetFile(part)
            if not _as_of(file.schema_arrow, source).equals(schema, check_metadata=True):
                raise SampleError(f"{part}", [f"its columns, or what is told of them, differ from those of {there[0]}"])
            for number in range(file.num_row_groups):
                writer.write_table(file.read_row_group(number).cast(schema))
    partial.replace(target)
    return True


def _as_of(schema: pa.Schema, source: str) -> pa.Schema:
    """The same, with another source told of it; unchanged where empty."""
    told = dict(schema.metadata or {})
    if not source:
        return schema
    return schema.with_metadata(told | {META: json.dumps(
        json.loads(told[META]) | {"source": source}, ensure_ascii=False, sort_keys=True
    ).encode()})  # fmt: skip


def build_day(job: _Job) -> dict[str, Tally]:
    """One partition: a part a hazard, and what was counted."""
    cycles, own = _cycles_of(job)
    if own.empty:
        return {hazard: Tally() for hazard in job.hazards}
    frame = own.join(_features(cycles, own.index), how="inner")
    truth = truth_at_hand(job.root, job.region, cycles, job.events, job.kinds)
    labels = label_storms([cycle.storms for cycle in cycles], truth.events, truth.looked)
    labels = labels.set_index(["storm_id", "time"]).reindex(frame.index)
    simulated = frame.pop(SIMULATED).to_numpy(dtype=bool)
    return {hazard: _write(job, hazard, frame, labels, simulated) for hazard in job.hazards}


def _cycles_of(job: _Job) -> tuple[list[Cycle], pd.DataFrame]:
    """The cycles that a day's storms need: from half an hour before it until an hour after the last of them; and the
    wanted rows of its storms, indexed by storm_id and time."""
    begin = datetime.combine(job.day, DAY_BEGINS)
    end = begin + ONE_DAY
    until = end + AHEAD
    cycles = read_cycles(job.root, job.region.id, begin - BACK, until)
    while True:
        own = _own(cycles, begin, end)
        if own.empty:
            return [], own
        needed = from_datetime64(own.index.get_level_values("time").max().to_datetime64()) + AHEAD
        if needed <= until or until >= end + LONGEST_TAIL:
            break
        cycles += read_cycles(job.root, job.region.id, until, needed, after=True)
        until = needed
    when = own.index.get_level_values("time").to_numpy()
    return cycles, own[(when >= to_datetime64(job.start)) & (when <= to_datetime64(job.end))]


def _own(cycles: Sequence[Cycle], begin: datetime, end: datetime) -> pd.DataFrame:
    """WEIGHT and DAY of the rows of the storms that are first seen from `begin` until before `end`."""
    rows = [cycle.storms[["storm_id", "time"]] for cycle in cycles if len(cycle.storms)]
    frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame({"storm_id": [], "time": []})
    tracks = frame.groupby("storm_id")["time"]
    first = tracks.transform("min").to_numpy(dtype="datetime64[ns]")
    weight = 1 / np.sqrt(tracks.transform("size").to_numpy(dtype=np.float64))
    frame = frame.assign(**{WEIGHT: weight, DAY: begin.date().isoformat()})
    return frame[(first >= to_datetime64(begin)) & (first < to_datetime64(end))].set_index(["storm_id", "time"])


def _features(cycles: Sequence[Cycle], wanted: pd.Index) -> pd.DataFrame:
    """Features and slices of the wanted storms, as a cycle that runs live would have them."""
    tables = []
    for number, cycle in enumerate(cycles):
        keys = pd.MultiIndex.from_frame(cycle.storms[["storm_id", "time"]])
        if not keys.isin(wanted).any():
            continue
        history = [item.storms for item in cycles[:number] if cycle.time - BACK <= item.time]
        found = features(cycle.storms, history, cycle.levels)
        slices: dict[str, Any] = {
            ENVIRONMENT: str(cycle.levels.get("source") or "none"),
            COVERAGE: _coverage(cycle.storms["observed_fraction"].to_numpy(dtype=np.float64)),
            SIMULATED: cycle.simulated,
        }
        tables.append(found.assign(**slices).set_index(keys))
    return pd.concat(tables) if tables else pd.DataFrame()


def _coverage(part: npt.NDArray[np.float64]) -> list[str]:
    return [
        "plane only" if not value > 0 else "well covered" if value >= WELL_SEEN else "partly covered"
        for value in part.tolist()
    ]


def _write(
    job: _Job, hazard: str, frame: pd.DataFrame, labels: pd.DataFrame, simulated: npt.NDArray[np.bool_]
) -> Tally:
    """The rows of a hazard whose label is known in any window, as a part."""
    columns = {label_column(w.name): f"label_{hazard}_{w.start_min}_{w.end_min}" for w in WINDOWS}
    known = pd.DataFrame({name: labels[column].astype("f8") for name, column in columns.items()})
    there = known.notna().any(axis=1).to_numpy()
    source = np.where(simulated, SIMULATED, labels[f"source_{hazard}"].astype(object))
    rows = pd.DataFrame({
        DAY: frame[DAY].to_numpy(), STORM: frame.index.get_level_values("storm_id").to_numpy(),
        TIME: frame.index.get_level_values("time").to_numpy(dtype="datetime64[ns]"),
        WEIGHT: (frame[WEIGHT] * labels[f"weight_{hazard}"]).to_numpy(), LABEL_SOURCE: source,
    })  # fmt: skip
    rest = pd.concat([known, frame.drop(columns=[DAY, WEIGHT])], axis=1).reset_index(drop=True)
    rows = pd.concat([rows, rest], axis=1)[there].sort_values([TIME, STORM], ignore_index=True)
    censored = _reasons(labels[f"reason_{hazard}"])
    if len(rows):
        write_samples(_samples(job, hazard, rows), job.folder / _part(hazard, job.day))
    return tally_of(rows, HOUR.name, censored)


def _samples(job: _Job, hazard: str, rows: pd.DataFrame) -> Samples:
    monotone = {item.name: 1 for item in FEATURES if hazard in item.up}
    return Samples(
        rows, hazard, tuple(item.name for item in FEATURES), tuple(window.name for window in WINDOWS),
        units={item.name: item.units for item in FEATURES}, groups={item.name: item.group for item in FEATURES},
        monotone=monotone | {item.name: -1 for item in FEATURES if hazard in item.down},
        slices=(ENVIRONMENT, COVERAGE), label_text=DEFINITIONS[hazard].event_en,
        source=f"archive of {job.region.id}, {iso(job.start)} to {iso(job.end)}",
    )  # fmt: skip


class _Told(Callback):
    """Tells of each partition that is done."""

    def __init__(self, total: int, tell: Callable[[int, int], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._done, self._total, self._tell = 0, total, tell

    def _posttask(self, *_: object) -> None:
        self._done += 1
        self._tell(min(self._done, self._total), self._total)


def _near(events: pd.DataFrame | None, day: date) -> pd.DataFrame | None:
    """The events that a day's storms may have made: what a partition is sent."""
    if events is None:
        return None
    begin = datetime.combine(day, DAY_BEGINS)
    when = events["time"].to_numpy(dtype="datetime64[ns]")
    near = (when >= to_datetime64(begin - ONE_DAY)) & (when <= to_datetime64(begin + 2 * ONE_DAY))
    return events[near].reset_index(drop=True)


def _part(hazard: str, day: date) -> str:
    return f"{hazard}-{day.isoformat()}.parquet"


def _reasons(told: "pd.Series[str]") -> dict[str, int]:
    """Rows by why HOUR is censored, of texts such as "data gap (0-60, 30-60); no stations (0-15)"."""
    parts = [part.rpartition(" (") for text in told for part in str(text).split("; ")]
    return _counted([reason for reason, _, windows in parts if HOUR.name in windows.rstrip(")").split(", ")])


def _counted(names: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _summed(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}
