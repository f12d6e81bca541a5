"""`wx bench stations`: from files of reports to judged, stored and analysed observations, beside peers and goals."""

import csv
import io
import json
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import typer
import xarray as xr
from pyarrow import csv as arrow_csv

from wxcore.archive import layout
from wxcore.archive.store import commit_cycle
from wxcore.cli.bench_table import Row, against, show_rows
from wxcore.grid import Grid
from wxcore.pipeline.ground_evidence import largest_near
from wxcore.pipeline.static import ground_heights
from wxcore.products.surface import station_table
from wxcore.region import Region, load_region
from wxcore.schema import HEIGHT, LAT, LON, STORMS, TIME
from wxcore.simulate.network import network as synthetic
from wxcore.station.analysis import surface_analysis
from wxcore.station.evidence import RADAR_KM, Evidence, nothing_seen
from wxcore.station.ftm import read_ftm
from wxcore.station.ftm_write import write_ftm
from wxcore.station.music_csv import read_music_csv
from wxcore.station.music_write import write_csv
from wxcore.station.neighbours import network as neighbours
from wxcore.station.network import Network, network_of
from wxcore.station.qc import quality_control
from wxcore.station.qc_spatial import check_field
from wxcore.station.reports import Reports
from wxcore.station.series import series
from wxcore.times import CYCLE, to_datetime64

PEER_SCRIPT = Path(__file__).with_name("bench_titan.py")
PEER_ENV = "WXCORE_TITANLIB_PYTHON"
"""Interpreter in which titanlib is installed; it stays outside of the project."""

END = datetime(2026, 7, 1, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BACK = 131
"""Minutes of reports that a cycle looks at (pipeline.gather.STATION_BACK)."""

MINUTE_S, MINUTE_OF_MANY_S, TIMES_ARROW, TIMES_PYTHON = 0.010, 0.040, 1.2, 15.0
HOUR_S, SPATIAL_S, PEAK_MIB, TIMES_SPLIT = 3.0, 2.0, 500.0, 5.0
CYCLE_S, EQUAL_SHARE = 0.15, 0.98
"""Goals of issue 6 and PERFORMANCE.md goal 9 (a minute's file beside plain Python: .0019 and .010 s); its budget of a
cycle; our choice."""

BUDDY, SCT, THREADS = (30_000.0, 5, 3.0, 300.0, -0.0065, 1.0, 5), (10, 10, 200.0, 16.0, 0.5), 2
"""What titanlib is told: the rules of station.qc_spatial, in the order of bench_titan.py; ours has one thread."""

STORM_KM, STORM_MIN = 40.0, 20
"""An outflow of so many minutes around the middle of the grid: something for the checks to clear."""
SPOILED = 0.01
"""Share of the stations whose temperature is wrong by 8 to 20 K [our choice]."""

STEPS = ("read", "laid", "judged", "stored, beyond such commits without")
TINY = Grid(106.0, 29.0, 7, 5, 0.01, (500.0, 1000.0, 2000.0))
"""Grid of the archive: only the stations' part of a cycle is measured."""

_CHILD = """
import sys
from pathlib import Path
from wxcore.cli.bench_stations import hour, standing
from wxcore.region import load_region
folder = Path(sys.argv[1])
hour(sorted(folder.glob("*.TXT")), standing(load_region(sys.argv[2]), int(sys.argv[3])), folder / "child")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""The hour in a process of its own; its peak [KiB]."""
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """Stations, stations of the large network, files of the hour, stations of spatial checks; how often."""

    stations: int = 2500
    many: int = 9999
    minutes: int = 60
    spatial: int = 19_000
    repeats: int = 7


def bench_stations(
    region: Annotated[str, typer.Option("--region", help="Region. 区域")] = "chongqing",
    peer_python: Annotated[
        str, typer.Option("--peer-python", envvar=PEER_ENV, help="Interpreter with titanlib installed.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Ground stations read, checked, stored and analysed, against issue 6 and PERFORMANCE.md goal 9."""
    show_rows("wx bench stations", station_rows(load_region(region), peer_python or None), as_json=as_json)


def station_rows(region: Region, peer_python: str | None, size: Size = Size()) -> list[Row]:
    """Reading, checking, storing and analysing the reports of synthetic networks; titanlib's by `peer_python`."""
    with tempfile.TemporaryDirectory() as name:
        folder, network = Path(name), standing(region, size.stations)
        reports = [report(network, END - age * MINUTE) for age in reversed(range(max(BACK, size.minutes)))]
        paths = [_ftm(folder, one) for one in reports[-size.minutes :]]
        rows = _minute_rows(paths[-1], reports, network, MINUTE_S, size)
        many = standing(region, size.many)
        rows += _minute_rows(_ftm(folder / "many", report(many, END)), [], many, MINUTE_OF_MANY_S, size)
        rows += _hour_rows(folder, paths, network, size)
        rows += _file_rows(paths[-1], reports[-size.minutes :], size)
        rows += _spatial_rows(folder, region, peer_python, size)
        rows += _cycle_rows(paths, reports, network, region, size)
        rows.append(against("peak memory of the hour [MiB]", _peak_mib(folder, region.id, size), PEAK_MIB, "limit"))
    return rows


def standing(region: Region, count: int) -> Network:
    """A synthetic network on the region's grid."""
    return network_of(replace(region, stations=synthetic(region, count)), END)


def report(network: Network, when: datetime) -> Reports:
    """What every station says of a minute of a fair afternoon, but for an outflow at the end and a few wrong values."""
    rng = np.random.default_rng(round(when.timestamp()))
    count = network.ids.size

    def about(middle: Doubles | float, spread: float) -> Doubles:
        return middle + rng.normal(0, spread, count)

    values = {
        "air_temperature": about(_fair(network.lat, network.lon, network.elevation), 0.2),
        "dew_point_temperature": about(23 - 0.0018 * network.elevation, 0.2),
        "air_pressure": about(1008 * np.exp(-network.barometer / 8700), 0.05),
        "wind_speed": np.abs(about(2.5, 0.6)), "wind_from_direction": np.abs(about(180, 15)),
        "wind_speed_of_gust": np.abs(about(5.0, 0.6)), "wind_gust_from_direction": np.abs(about(180, 15)),
        "wind_speed_10min": np.abs(about(2.5, 0.3)), "wind_from_direction_10min": np.abs(about(180, 10)),
        "precipitation_1h": np.zeros(count),
    }  # fmt: skip
    if END - when < STORM_MIN * MINUTE:
        west, south, east, north = network.bounds
        away = np.hypot((network.lon - (west + east) / 2) * 0.87, network.lat - (south + north) / 2) * 111
        for name, change in (
            ("air_temperature", -7), ("dew_point_temperature", -3), ("air_pressure", 2), ("wind_speed", 9),
            ("wind_speed_of_gust", 16),
        ):  # fmt: skip
            values[name] = values[name] + np.where(away < STORM_KM, change, 0)
    values["air_temperature"] += _faults(count)
    time = np.full(count, to_datetime64(when))
    return Reports(
        format="ftm-regional", title="FTM BECQ", station=network.ids, time=time, lat=network.lat, lon=network.lon,
        elevation=network.elevation.astype("f4"), gust_time=time, simulated=True,
        values={name: np.round(column, 1).astype("f4") for name, column in values.items()},
    )  # fmt: skip


def _fair(lat: Doubles, lon: Doubles, elevation: Doubles) -> Doubles:
    """Temperature [C] of a fair afternoon."""
    return np.asarray(33 - 0.0065 * elevation + np.sin(2 * lat) + np.cos(lon))


def _faults(count: int) -> Doubles:
    """What broken sensors, the same ones every minute, add to the temperature."""
    rng = np.random.default_rng(7)
    return np.where(rng.random(count) < SPOILED, rng.uniform(8, 20, count), 0.0)


def _ftm(folder: Path, one: Reports) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"Z_SURF_C_BECQ-REG_{one.end:%Y%m%d%H%M%S}_O_AWS_FTM.TXT"
    path.write_bytes(write_ftm(one))
    return path


def _read(path: Path) -> Reports:
    return read_ftm(path.read_bytes(), path.name)


def _minute_rows(path: Path, before: Sequence[Reports], network: Network, goal: float, size: Size) -> list[Row]:
    """A minute's file to judged observations: alone, and (which steps need) with the ten minutes before it."""
    title = f"minute of {network.ids.size} stations: read, laid, judged"

    def judged(earlier: Sequence[Reports]) -> xr.Dataset:
        obs = series([*earlier, _read(path)], network, END - len(earlier) * MINUTE, END)
        return quality_control(obs, spatial_minutes=1)

    steps: dict[str, Callable[[], Any]] = {"of it: read": lambda: _read(path)}
    if before:
        steps["with the ten minutes before it at hand"] = lambda: judged(before[-11:-1])
    return [
        against(title, _best(lambda: judged(()), size.repeats), goal),
        *(_part(f"  {name}", _best(step, size.repeats)) for name, step in steps.items()),
    ]


def _best(function: Callable[[], Any], repeats: int) -> float:
    """Least of a function's times [s], warm: on a shared machine the others' work is no part of ours."""
    function()
    return min(timeit.repeat(function, number=1, repeat=repeats))  # collects no garbage meanwhile


def _part(item: str, seconds: float, whole: float | None = None) -> Row:
    """A time without a goal of its own."""
    return Row(item, seconds, whole, "the whole" if whole else "", None, 1.0, at_most=True)


def hour(paths: Sequence[Path], network: Network, root: Path) -> dict[str, float]:
    """Files of consecutive minutes read, laid together, judged (every minute beside its neighbours) and stored, a
    commit each cycle; seconds of each step."""
    start = time.perf_counter()
    reports = [_read(path) for path in paths]
    read = time.perf_counter()
    obs = series(reports, network, END - (len(paths) - 1) * MINUTE, END)
    laid = time.perf_counter()
    judged = quality_control(obs, spatial_minutes=len(paths))
    checked = time.perf_counter()
    stored = _commit(root / "with", paths, judged) - _commit(root / "without", paths, None)
    return dict(zip(STEPS, (read - start, laid - read, checked - laid, stored), strict=True))


def _commit(root: Path, paths: Sequence[Path], judged: xr.Dataset | None) -> float:
    start = time.perf_counter()
    nothing = pd.DataFrame({column.name: [] for column in STORMS})
    for when in (END - number * CYCLE for number in reversed(range(len(paths) * MINUTE // CYCLE))):
        commit_cycle(root, "bench", TINY, when, _empty(when), nothing, {"fingerprint": str(when)}, stations=judged)
    return time.perf_counter() - start


def _empty(when: datetime) -> xr.Dataset:
    """A cube in which there is nothing."""
    sizes = {TIME: 1, HEIGHT: len(TINY.levels_m), LAT: TINY.n_lat, LON: TINY.n_lon}
    data = {}
    for var in layout.VARIABLES:
        fill = np.nan if np.dtype(var.dtype).kind == "f" else 0
        data[var.name] = var.dims, np.full([sizes[dim] for dim in var.dims], fill, var.dtype), dict(var.attrs)
    coords = {TIME: [to_datetime64(when)], HEIGHT: TINY.height, LAT: TINY.lat, LON: TINY.lon}
    return xr.Dataset(data, coords, {"radars": ["none"]})


def _hour_rows(folder: Path, paths: list[Path], network: Network, size: Size) -> list[Row]:
    runs = [hour(paths, network, folder / f"archive{run}") for run in range(-(-size.repeats // 2))]
    whole, best = min(((sum(run.values()), run) for run in runs), key=lambda pair: pair[0])
    title = f"{len(paths)} files of {network.ids.size} stations: read, laid, judged, stored"
    return [against(title, whole, HOUR_S), *(_part(f"  {step}", took, whole) for step, took in best.items())]


def _file_rows(path: Path, reports: Sequence[Reports], size: Size) -> list[Row]:
    """Readers beside bare Arrow and beside plain Python."""
    texts = [write_csv(one) for one in reports]
    table = b"".join([texts[0], *(text.split(b"\n", 2)[2] for text in texts[1:])])
    name = f"SURF_CHN_MUL_MIN_{END:%Y%m%d%H%M%S}.csv"
    text, options = path.read_bytes(), arrow_csv.ReadOptions(skip_rows=1)
    ours = _best(lambda: read_music_csv(table, name), size.repeats)
    bare = _best(lambda: arrow_csv.read_csv(pa.BufferReader(table), options), size.repeats)
    slow = _best(lambda: _plain_csv(table), 1)
    ftm = _best(lambda: read_ftm(text, path.name), size.repeats)
    split = _best(lambda: _plain_ftm(text), -(-size.repeats // 2))
    title = f"MUSIC CSV of {sum(one.time.size for one in reports)} rows to reports"
    return [
        Row(title, ours, bare, "pyarrow.csv alone", ours / bare, TIMES_ARROW, at_most=True),
        Row(title, ours, slow, "plain Python, csv", slow / ours, TIMES_PYTHON, at_most=False),
        Row(f"FTM of {reports[-1].time.size} stations to reports", ftm, split, "plain Python, split", split / ftm,
            TIMES_SPLIT, at_most=False),
    ]  # fmt: skip


def _plain_csv(data: bytes) -> list[tuple[str, datetime, list[float | None]]]:
    """What one writes at first: rows with a time, numbers, and None for missing ones."""
    rows = csv.reader(io.StringIO(data.decode()))
    next(rows)  # the comment
    next(rows)
    found = []
    for row in rows:
        year, month, day, hours, minute = map(int, row[4:9])
        values = [None if text == "999999" else float(text) for text in (*row[1:4], *row[9:])]
        found.append((row[0], datetime(year, month, day, hours, minute, tzinfo=UTC), values))
    return found


def _plain_ftm(data: bytes) -> list[tuple[str, datetime, list[float | None], list[float | None], str]]:
    """The same of blocks of five lines: values, rain of the minutes, flags."""
    lines = data.decode().splitlines()[1:-1]
    found = []
    for at in range(0, len(lines), 5):
        head, clock, rain = lines[at].split(), lines[at + 1].split(), lines[at + 2]
        when = datetime.strptime(clock[0], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        values = [None if "/" in text or text == "PPC" else float(text) / 10 for text in (*head[1:5], *clock[1:])]
        pairs = [rain[place : place + 2] for place in range(0, 120, 2)]
        minutes = [None if "/" in text else float(text) / 10 for text in pairs]
        found.append((head[0], when, values, minutes, lines[at + 4]))
    return found


def _spatial_rows(folder: Path, region: Region, python: str | None, size: Size) -> list[Row]:
    """Buddy check and spatial consistency test of one time: with neighbours and weights to find, and at hand."""
    lat, lon, elevation = _wide(region, size.spatial)
    rng = np.random.default_rng(1)
    wrong = _faults(lat.size)
    values = _fair(lat, lon, elevation) + rng.normal(0, 0.5, lat.size) + wrong
    shifts = iter(range(1, 100))
    near = neighbours(lat, lon, elevation.astype("f4"))

    def first() -> None:
        moved = neighbours(lat, lon + 1e-6 * next(shifts), elevation.astype("f4"))
        check_field("air_temperature", values, moved)

    fresh = _best(first, -(-size.repeats // 2))
    kept = _best(lambda: check_field("air_temperature", values, near), size.repeats)
    title = f"spatial checks of {lat.size} stations, one time"
    rows = [against(f"{title}, a network never seen", fresh, SPATIAL_S), against(title, kept, SPATIAL_S)]
    told, theirs = _titanlib(folder, python, (lat, lon, elevation, values)) if python else ({}, {})
    other = sum(told.values()) if told else None
    peer = f"titanlib buddy_check and sct, {THREADS} threads"
    rows.append(Row(title, kept, other, peer, other / kept if other else None, 1, at_most=False))
    found = check_field("air_temperature", values, near)
    for name, ours in (("buddy", found.buddy > 0), ("sct", found.sct > 0)):
        if name in theirs:
            flags = theirs[name] > 0
            equal, seconds = float(np.mean(ours == flags)), told[name]
            hits = float(ours[wrong > 0].mean()), float(flags[wrong > 0].mean())
            rows.append(Row(f"  {name}: share of equal flags", equal, None, f"titanlib, {seconds:.1f} s", equal,
                            EQUAL_SHARE, at_most=False))  # fmt: skip
            rows.append(Row(f"  {name}: share of the wrong values found", hits[0], hits[1], "titanlib", None, 1,
                            at_most=False))  # fmt: skip
    return rows


def _wide(region: Region, count: int) -> tuple[Doubles, Doubles, Doubles]:
    """Places of a country's stations, as dense as a region's 2,375: eight networks side by side."""
    west, south, east, north = region.grid.bounds
    lat, lon, elevation = [], [], []
    for number in range(8):
        rows = synthetic(region, -(-count // 8), seed=number)
        lat += [row.lat + number // 4 * (north - south) for row in rows]
        lon += [row.lon + number % 4 * (east - west) for row in rows]
        elevation += [row.elevation_m for row in rows]
    return np.array(lat)[:count], np.array(lon)[:count], np.array(elevation)[:count]


def _titanlib(
    folder: Path, python: str, field: tuple[Doubles, Doubles, Doubles, Doubles]
) -> tuple[dict[str, float], dict[str, npt.NDArray[Any]]]:
    """Seconds and flags of its two checks."""
    path = folder / "field.npz"
    lat, lon, elevation, values = field
    np.savez(path, lat=lat, lon=lon, elevation=elevation, values=values, buddy=BUDDY, sct=SCT, threads=THREADS)
    told = subprocess.run([python, str(PEER_SCRIPT), str(path)], check=True, capture_output=True, text=True)
    with np.load(path) as found:
        return json.loads(told.stdout.splitlines()[-1]), {name: found[name] for name in found.files}


def _cycle_rows(
    paths: Sequence[Path], reports: Sequence[Reports], network: Network, region: Region, size: Size
) -> list[Row]:
    """The ground work of a cycle: its six new files, two hours of reports, judged, to table and fields."""
    new, before = paths[-6:], reports[-BACK:-6]
    start, heights = END - (BACK - 1) * MINUTE, ground_heights(region)
    echo = np.full(region.grid.shape, -10, "f4")
    echo[region.grid.n_lat // 2 : region.grid.n_lat * 2 // 3, region.grid.n_lon // 2 : region.grid.n_lon * 2 // 3] = 50

    def evidence() -> Evidence:
        return replace(nothing_seen(network.ids.size), max_dbz=largest_near(echo, region.grid, network, RADAR_KM))

    def work() -> None:
        obs = series([*before, *map(_read, new)], network, start, END)
        seen = evidence()
        judged = quality_control(obs, seen)
        table = station_table(judged, END)
        surface_analysis(judged, table, region.grid, END, heights)

    obs, seen = series(reports[-BACK:], network, start, END), evidence()
    judged = quality_control(obs, seen)
    table = station_table(judged, END)
    whole = _best(work, size.repeats)
    steps = {
        "six files read": lambda: [_read(path) for path in new],
        f"{BACK} minutes laid together": lambda: series(reports[-BACK:], network, start, END),
        "echo near the stations": evidence,
        "quality_control": lambda: quality_control(obs, seen),
        "station_table": lambda: station_table(judged, END),
        "surface_analysis": lambda: surface_analysis(judged, table, region.grid, END, heights),
    }
    goal = against(f"ground work of a cycle, {network.ids.size} stations", whole, CYCLE_S)
    return [goal, *(_part(f"  {name}", _best(step, size.repeats), whole) for name, step in steps.items())]


def _peak_mib(folder: Path, region: str, size: Size) -> float:
    command = [sys.executable, "-c", _CHILD, str(folder), region, str(size.stations)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]) / 1024
