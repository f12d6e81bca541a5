"""`wx bench archive`: a day of real columns written, compacted and read, against PERFORMANCE.md goal 7."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
import xarray as xr
from rich.progress import track

from wxcore.archive.compact import compact
from wxcore.archive.measure import median_seconds, write_cost
from wxcore.archive.series import open_day, point_series
from wxcore.archive.store import commit_cycle
from wxcore.cli.bench_table import Row, show_rows
from wxcore.cli.show import SCREEN
from wxcore.grid import Grid
from wxcore.landing.unpack import unpack
from wxcore.products.columns import column_products
from wxcore.radar.cinrad import read_standard
from wxcore.radar.mosaic import mosaic
from wxcore.region import load_region
from wxcore.schema import ENVIRONMENT, HEIGHT, LAT, LON, STORMS, TIME
from wxcore.simulate.demo import write_demo
from wxcore.times import CYCLE, cycle_of, to_datetime64

REGION = "bench"
MIDNIGHT = datetime(2020, 6, 12, tzinfo=UTC)
LEVELS_M = {"h0_m": 4500.0, "hm20_m": 7500.0}
MOVE_CELLS = (1, 3)
"""Cells (lat, lon) that the echoes go on in a cycle: some 10 m/s, so that no two slots are alike."""

FULL_RANGE_M = 460_000.0
CYCLE_S, CYCLE_MB, OVERHEAD, POINT_S, SLICE_S = 0.15, 10.0, 1.15, 0.020, 0.030
"""PERFORMANCE.md, goal 7."""


def _field(paths: list[Path]) -> tuple[Grid, xr.Dataset]:
    """The mosaic of two volumes with all products, on a grid as large as Chongqing's around the radars."""
    volumes = [read_standard(unpack(path).data, path.name) for path in paths]
    size = load_region("chongqing").grid
    lat = float(np.mean([volume.site.latitude for volume in volumes])) - size.n_lat / 2 * size.step_deg
    lon = float(np.mean([volume.site.longitude for volume in volumes])) - size.n_lon / 2 * size.step_deg
    grid = Grid(round(lon, 2), round(lat, 2), size.n_lon, size.n_lat, size.step_deg, size.levels_m)
    when = cycle_of(max(volume.start for volume in volumes))
    cube = mosaic(volumes, grid, when=when, max_range_m=FULL_RANGE_M)
    cube = cube.merge(column_products(cube, levels_source="manual", **LEVELS_M)).transpose(TIME, HEIGHT, LAT, LON)
    for var, value in zip(ENVIRONMENT, (*LEVELS_M.values(), 1), strict=True):
        cube[var.name] = (var.dims, np.array([value], var.dtype), dict(var.attrs))
    cube.attrs["radars"] = [volume.site.id for volume in volumes]
    return grid, cube


def _cycles(cube: xr.Dataset, count: int) -> Iterator[tuple[datetime, xr.Dataset]]:
    for slot in range(count):
        when = MIDNIGHT + slot * CYCLE
        moved = cube.roll({LAT: slot * MOVE_CELLS[0], LON: slot * MOVE_CELLS[1]}, roll_coords=False)
        yield when, moved.assign_coords({TIME: [to_datetime64(when)]})


def _storms() -> pd.DataFrame:
    return pd.DataFrame({column.name: [] for column in STORMS})


def _rows(folder: Path, paths: list[Path], slots: int) -> list[Row]:
    grid, cube = _field(paths)
    cost = write_cost(folder, grid, (moved for _, moved in _cycles(cube, 9)))
    root, commits = folder / "archive", []
    for when, moved in track(_cycles(cube, slots), "cycles", total=slots, console=SCREEN, transient=True):
        began = time.perf_counter()
        commit_cycle(root, REGION, grid, when, moved, _storms(), {"fingerprint": when.isoformat()})
        commits.append(time.perf_counter() - began)
    day, end = MIDNIGHT.date(), MIDNIGHT + timedelta(days=1)
    lat, lon = float(grid.lat[grid.n_lat // 2]), float(grid.lon[grid.n_lon // 2])
    names = ["composite_reflectivity"]

    def point() -> xr.Dataset:
        return point_series(root, REGION, lat, lon, start=MIDNIGHT, end=end, variables=names)

    middle = {TIME: slots // 2}
    cubes = open_day(root, REGION, day)
    level = median_seconds(lambda: cubes["reflectivity"].isel({**middle, HEIGHT: 8}).load().copy())
    plane = median_seconds(lambda: cubes[names[0]].isel(middle).copy(deep=False).load())
    column = median_seconds(lambda: cubes["reflectivity"].isel({**middle, LAT: 260, LON: 300}).copy().load())
    slow = median_seconds(point, repeats=3)
    began = time.perf_counter()
    compact(root, REGION, day)
    compacted = time.perf_counter() - began
    view = open_day(root, REGION, day)
    view_plane = median_seconds(lambda: view[names[0]].isel(middle).copy(deep=False).load())
    commit = float(np.median(commits))
    megabytes, overhead = cost.bytes / 1e6, cost.icechunk_s / cost.zarr_s
    return [
        _row("a cycle, written and committed [s]", cost.icechunk_s, CYCLE_S),
        _row("a cycle on the disk [MB]", megabytes, CYCLE_MB),
        Row("Icechunk", cost.icechunk_s, cost.zarr_s, "plain Zarr", overhead, OVERHEAD, at_most=True),
        _row("commit_cycle: checks, packing, syncfs too [s]", commit, None),
        _row(f"compact a day of {slots} cycles [s]", compacted, None),
        Row(
            "point series, compacted [s]",
            (fast := median_seconds(point)),
            slow,
            "cubes",
            fast / POINT_S,
            1,
            at_most=True,
        ),
        _row("a plane out of the view [s]", view_plane, SLICE_S),
        _row("a plane out of the cubes [s]", plane, SLICE_S),
        _row("a level of the cube [s]", level, SLICE_S),
        _row("a column of the cube [s]", column, SLICE_S),
    ]


def _row(item: str, ours: float, goal: float | None) -> Row:
    return Row(item, ours, goal, "goal" if goal else "", ours / goal if goal else None, 1.0, at_most=True)


def bench_archive(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Two standard-format volumes; simulated ones where none. 两个基数据文件")
    ] = None,
    slots: Annotated[int, typer.Option("--slots", min=20, max=240, help="Cycles of the day. 时次数")] = 240,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Writing a cycle, compacting a day, point series and slices, against PERFORMANCE.md goal 7."""
    with tempfile.TemporaryDirectory() as folder:
        paths = list(files or [])[:2] or list(write_demo(load_region("chongqing"), Path(folder) / "demo"))[:2]
        rows = _rows(Path(folder), paths, slots)
    show_rows("wx bench archive", rows, as_json=as_json)
