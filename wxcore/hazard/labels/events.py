"""Events: hail, flashes and gusts that somebody or something saw, one table whatever the source."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from wxcore.errors import SampleError, SchemaError, TimeError
from wxcore.hazard.samples.table import SOURCES
from wxcore.lightning.flashes import Flashes
from wxcore.schema import QC_GOOD, SIMULATED_ATTRIBUTE, SIMULATED_MARK, Column
from wxcore.schema.surface import qc_name
from wxcore.times import parse_time, to_datetime64

HAIL_KIND, FLASH_KIND, GUST_KIND = "hail", "flash", "gust"
KINDS = (HAIL_KIND, FLASH_KIND, GUST_KIND)

EVENTS: tuple[Column, ...] = (
    Column("kind", "str", "", "hail, flash or gust"),
    Column("time", "time", "UTC", "when it happened"),
    Column("lat", "float", "deg", "where", -90, 90),
    Column("lon", "float", "deg", "where", -180, 360),
    Column("value", "float", "mm, 1 or m s-1", "diameter of hail, NaN of unknown size; number of flashes; gust", 0),
    Column("time_error_min", "float", "min", "it happened within so much of the time", 0, 720),
    Column("place_error_km", "float", "km", "it happened within so much of the place", 0, 100),
    Column("label_source", "str", "", "SYN, algorithm, report or instrument"),
)
NAMES = tuple(column.name for column in EVENTS)

REPORT_ERROR_MIN, ROUND_ERROR_MIN, REPORT_ERROR_KM = 10.0, 30.0, 2.0
"""Of reports that do not tell: error of the time; of one at a full hour, which was rounded (both DOMAIN.md 5.2); error
of the place [our choice]. What instruments, algorithms and the simulator do not tell is 0."""

LARGEST = {HAIL_KIND: 250.0, FLASH_KIND: 1e6, GUST_KIND: 150.0}
"""Beyond these a value is an error: larger than the largest hailstone (203 mm) and gust (113 m/s) on record [M]."""

LEAST_GUST_M_S = 10.8
"""Weaker gusts of stations (below Beaufort 6) are no events [our choice]."""

HAIL_WEATHER = (89, 90, 96, 99)
"""Hail now: showers of hail, thunderstorm with hail (WMO code table 4677). 27, 93 and 94, hail in the hour before, and
87 and 88, small hail or snow pellets, are not taken."""

STATION_HAIL_ERROR_MIN = 5.0
"""Present weather is that of the ten minutes up to the observation [M]: their middle, and so much to either side."""

FLASH_ROW_ERROR_MIN = 2.999
"""Half of the six minutes of a storm row's flash rate, without its open begin [min]."""


def no_events() -> pd.DataFrame:
    """An empty table of EVENTS."""
    return _table({}, 0)


def _table(columns: Mapping[str, object], rows: int) -> pd.DataFrame:
    """EVENTS of columns or single values; no column: nothing known, which is 0 for errors only."""
    kinds = {"time": "datetime64[ns]", "float": np.float64, "str": object}
    frame = pd.DataFrame(index=pd.RangeIndex(rows))
    for column in EVENTS:
        value = columns.get(column.name, 0.0 if column.name.endswith(("_min", "_km")) else None)
        frame[column.name] = pd.Series(value, index=frame.index, dtype=kinds[column.kind])  # type: ignore[call-overload]
    return frame


def check_events(events: pd.DataFrame, what: str = "events") -> pd.DataFrame:
    """`events` with the columns of EVENTS only, if they are as EVENTS says.

    Raises:
        SampleError: every fault: a column is missing, times not datetime64 (UTC, without a zone) or unknown, places or
            values out of range, a kind or source that is none.
    """
    faults = [f"{name}: no such column" for name in NAMES if name not in events]
    if not faults and len(events):
        kind = events["time"].dtype
        if not isinstance(kind, np.dtype) or kind.kind != "M" or events["time"].isna().any():
            faults.append(f"time: {kind}, expected datetime64[ns] in UTC, each known")
        for name, allowed in (("kind", KINDS), ("label_source", SOURCES)):
            if odd := sorted({str(text) for text in events[name].unique()} - set(allowed)):
                faults.append(f"{name}: {', '.join(odd[:5])}; expected {', '.join(allowed)}")
        faults += [fault for column in EVENTS if column.kind == "float" for fault in _odd_column(events, column)]
    if faults:
        raise SampleError(what, faults)
    return events[list(NAMES)].reset_index(drop=True)


def _odd_column(events: pd.DataFrame, column: Column) -> list[str]:
    values = events[column.name].to_numpy(dtype=np.float64)
    lost = np.isnan(values)
    if column.name == "value":
        lost &= (events["kind"] != HAIL_KIND).to_numpy()
    wrong = lost | (values < column.valid_min) | (values > column.valid_max) | np.isinf(values)
    if not wrong.any():
        return []
    row = int(np.flatnonzero(wrong)[0])
    return [
        f"{column.name}: {values[row]:g} in row {row} ({int(wrong.sum())} such), expected {column.valid_min:g} to "
        f"{column.valid_max:g}"
    ]


def join_events(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Several tables as one, each event once, in the order of time, kind, place and value.

    Raises:
        SampleError: as `check_events`.
    """
    tables = [check_events(part) for part in parts if len(part)]
    if not tables:
        return no_events()
    whole = pd.concat(tables, ignore_index=True).drop_duplicates()
    return whole.sort_values(["time", *(name for name in NAMES if name != "time")], ignore_index=True)


def write_events(events: pd.DataFrame, path: Path, *, simulated: bool = False) -> None:
    """CSV of EVENTS: times to the millisecond, places to 0.0001 deg. The same events, in any order: the same bytes.

    Args:
        events: see EVENTS. path: written anew. simulated: mark the file as SYN though it holds no event.

    Raises:
        SampleError: as `check_events`.
        OSError: disk full, or a write error.
    """
    ordered = join_events([events])
    times = np.datetime_as_string(ordered["time"].to_numpy().astype("datetime64[ns]"), unit="ms")
    columns = (ordered[name].tolist() for name in NAMES[2:-1])
    mark = simulated or bool((ordered["label_source"] == SIMULATED_MARK).any())
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"# {SIMULATED_ATTRIBUTE}={SIMULATED_MARK}\n" if mark else "")
        file.write(",".join(NAMES) + "\n")
        for kind, time, lat, lon, value, minutes, km, source in zip(
            ordered["kind"], times, *columns, ordered["label_source"], strict=True
        ):
            size = "" if np.isnan(value) else f"{value:.6g}"
            file.write(f"{kind},{time}Z,{lat:.4f},{lon:.4f},{size},{minutes:.6g},{km:.6g},{source}\n")


def read_events(path: Path) -> pd.DataFrame:
    """Events of a CSV with the columns of EVENTS, in any order; lines that begin with # are comments.

    Times are ISO 8601 in UTC (Z or +00:00). A report without time_error_min has 10 min, 30 at a full hour; without
    place_error_km 2 km; what is empty of other sources is 0. Hail of unknown size has an empty value.

    Raises:
        SampleError: every bad row with its line; a column is missing or unknown; a file that says that it is simulated
            holds events that are not SYN.
        OSError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as cause:
        raise SampleError(f"{path}", [f"is not UTF-8 ({cause}): save it as UTF-8"]) from cause
    kept = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not kept:
        raise SampleError(f"{path}", [f"is empty: expected a line {','.join(NAMES)}"])
    head, *rows = csv.reader(line for _, line in kept)
    head = [name.strip() for name in head]
    faults = [f"no column {name}" for name in NAMES if name not in head]
    faults += [f"column {name}: unknown, expected {', '.join(NAMES)}" for name in head if name not in NAMES]
    if faults or len(set(head)) < len(head):
        raise SampleError(f"{path}", faults or ["a column stands twice"])
    simulated = any(line.replace(" ", "") == f"#{SIMULATED_ATTRIBUTE}={SIMULATED_MARK}" for line in lines)
    read: dict[str, list[object]] = {name: [] for name in NAMES}
    for (number, _), row in zip(kept[1:], rows, strict=False):
        if len(row) != len(head):
            faults.append(f"line {number}: {len(row)} fields, expected {len(head)}")
            continue
        values, wrong = _row({name: text.strip() for name, text in zip(head, row, strict=True)}, simulated)
        faults += [f"line {number}: {fault}" for fault in wrong]
        for name, value in values.items():
            read[name].append(value)
    if faults:
        raise SampleError(f"{path}", faults)
    return check_events(_table(read, len(read["kind"])), f"{path}") if read["kind"] else no_events()


def _row(texts: Mapping[str, str], simulated: bool) -> tuple[dict[str, object], list[str]]:
    kind, source = texts["kind"], texts["label_source"]
    faults = [
        f"{name} {texts[name]!r}, expected {', '.join(allowed)}"
        for name, allowed in (("kind", KINDS), ("label_source", SOURCES))
        if texts[name] not in allowed
    ]
    if simulated and source != SIMULATED_MARK:
        faults.append(f"label_source {source!r}, but the file says that it is simulated")
    values: dict[str, object] = {"kind": kind, "label_source": source}
    try:
        time = parse_time(texts["time"])
        if not texts["time"].endswith(("Z", "z", "+00:00")):
            faults.append(f"time {texts['time']}: not UTC, expected such as {time:%Y-%m-%dT%H:%M:%SZ}")
        values["time"] = to_datetime64(time)
        full_hour = time.minute == 0
    except TimeError as cause:
        faults.append(str(cause))
        full_hour = False
    told = source == "report"
    empty = {
        "time_error_min": (ROUND_ERROR_MIN if full_hour else REPORT_ERROR_MIN) if told else 0.0,
        "place_error_km": REPORT_ERROR_KM if told else 0.0,
    } | ({"value": np.nan} if kind == HAIL_KIND else {})
    for column in EVENTS:
        if column.kind == "float":
            highest = LARGEST.get(kind, np.inf) if column.name == "value" else column.valid_max
            values[column.name], fault = _number(texts[column.name], column, highest, empty.get(column.name))
            faults += [fault] if fault else []
    return values, faults


def _number(text: str, column: Column, highest: float, empty: float | None) -> tuple[float, str]:
    if not text and empty is not None:
        return empty, ""
    expected = f"expected a number from {column.valid_min:g} to {highest:g}"
    try:
        value = float(text)
    except ValueError:
        return np.nan, f"{column.name} {text!r}, {expected}"
    return value, "" if column.valid_min <= value <= highest else f"{column.name} {text}, {expected}"


def station_gusts(table: pd.DataFrame, label_source: str = "instrument") -> pd.DataFrame:
    """Gusts of a cycle's station table that quality control believes, at the place of the station.

    Believed: flag good, its time known, and not without a witness where there was anybody to ask (as
    hazard.gale_truth has it); from LEAST_GUST_M_S on. Tables of several cycles repeat a gust: the newest verdict on it
    counts. Whether a gust is convective the matching says: only gusts within 10 km of a storm's 35 dBZ outline count.

    Args:
        table: schema.STATION_TABLE, of several cycles in their order. label_source: SYN where the archive is simulated.

    Raises:
        SchemaError: a column is missing.
    """
    parts = []
    for name in ("gust", "gust_30min"):
        told = {f"{name}_{end}": end for end in ("m_s", "time", "flag", "witnesses")}
        _require(table, ("lat", "lon", *told), "station table")
        part = table[["lat", "lon", *told]].rename(columns=told)
        parts.append(part.assign(order=np.arange(len(table)))[part["time"].notna().to_numpy()])
    gusts = pd.concat(parts).sort_values("order", kind="stable")
    gusts = gusts.drop_duplicates(["lat", "lon", "time"], keep="last")
    speed, witnesses = (gusts[name].to_numpy(dtype=np.float64) for name in ("m_s", "witnesses"))
    rows = gusts[(gusts["flag"].to_numpy() == QC_GOOD) & (witnesses != 0) & (speed >= LEAST_GUST_M_S)]
    time = rows["time"].to_numpy()
    return join_events([as_events(GUST_KIND, time, rows["lat"], rows["lon"], rows["m_s"], label_source)])


def station_hail(observations: xr.Dataset, label_source: str = "instrument") -> pd.DataFrame:
    """Hail that stations observed: a good diameter, or present weather HAIL_WEATHER (then of unknown size).

    Args:
        observations: (time, station) after quality control, as the archive keeps them (schema.ELEMENTS and flags); the
            station table has no weather. label_source: SYN where the archive is simulated.

    Raises:
        SchemaError: lat or lon of the stations is missing.
    """
    if missing := [f"{name}: missing" for name in ("lat", "lon", "time") if name not in observations]:
        raise SchemaError("station observations", missing)
    size, weather = (_good(observations, name) for name in ("hail_diameter", "present_weather"))
    rows, stations = np.nonzero((size > 0) | np.isin(weather, HAIL_WEATHER))
    lat, lon = (observations[name].to_numpy().astype(np.float64)[stations] for name in ("lat", "lon"))
    found = size[rows, stations]
    values = np.where(found > 0, found, np.nan)
    half = np.timedelta64(round(STATION_HAIL_ERROR_MIN * 60), "s")
    time = observations["time"].to_numpy().astype("datetime64[ns]")[rows] - half
    table = as_events(HAIL_KIND, time, lat, lon, values, label_source)
    return join_events([table.assign(time_error_min=STATION_HAIL_ERROR_MIN)])


def _good(observations: xr.Dataset, name: str) -> npt.NDArray[np.float64]:
    shape = observations.sizes["time"], observations.sizes["station"]
    if name not in observations:
        return np.full(shape, np.nan)
    values = observations[name].to_numpy().astype(np.float64)
    flag = observations.get(qc_name(name))
    return values if flag is None else np.where(flag.to_numpy() == QC_GOOD, values, np.nan)


def flash_events(flashes: Flashes, label_source: str = "instrument") -> pd.DataFrame:
    """Flashes of any networks and imagers, each once."""
    first = ~flashes.repeat & ~flashes.imaged
    one = np.ones(int(first.sum()))
    return join_events(
        [as_events(FLASH_KIND, flashes.time[first], flashes.lat[first], flashes.lon[first], one, label_source)]
    )


def flash_rows(storms: pd.DataFrame, label_source: str = "instrument") -> pd.DataFrame:
    """Lightning as the storm rows of an archive have it, where the flashes themselves are not kept any more.

    A row with flash_rate_min > 0 is one event at its centre, some time in its six minutes; value: how many flashes.

    Args:
        storms: schema.STORMS of any times. label_source: SYN where the archive is simulated.
    """
    _require(storms, ("time", "lat", "lon", "flash_rate_min"), "storms")
    seen = storms[storms["flash_rate_min"].to_numpy(dtype=np.float64) > 0]
    half = np.timedelta64(round(FLASH_ROW_ERROR_MIN * 60_000), "ms")
    time = seen["time"].to_numpy().astype("datetime64[ns]") - half
    count = np.maximum(np.round(seen["flash_rate_min"].to_numpy(dtype=np.float64) * 6), 1)
    table = as_events(FLASH_KIND, time, seen["lat"], seen["lon"], count, label_source)
    return join_events([table.assign(time_error_min=FLASH_ROW_ERROR_MIN)])


def as_events(kind: str, time: object, lat: object, lon: object, value: object, label_source: str) -> pd.DataFrame:
    """EVENTS of one kind and truth class, without errors of time and place: columns (n,) each, times UTC."""
    times = np.asarray(time).astype("datetime64[ns]")
    places = {"lat": np.asarray(lat, dtype=np.float64), "lon": np.asarray(lon, dtype=np.float64)}
    values = np.asarray(value, dtype=np.float64)
    columns = {"kind": kind, "time": times, **places, "value": values, "label_source": label_source}
    return _table(columns, times.size)


def _require(table: pd.DataFrame, names: Sequence[str], what: str) -> None:
    if missing := [f"{name}: missing" for name in names if name not in table]:
        raise SchemaError(what, missing)
