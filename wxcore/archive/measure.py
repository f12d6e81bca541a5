"""What a cycle costs in Icechunk, beside plain Zarr of the very same layout (`wx bench archive`)."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr

from wxcore.archive import layout
from wxcore.archive.repository import LOG_FILTER
from wxcore.archive.store import write_slot
from wxcore.grid import Grid

DAY, REGION = "20200612", "bench"


@dataclass(frozen=True)
class WriteCost:
    """Medians a cycle: seconds in Icechunk (with its commit) and in plain Zarr, and bytes on the disk."""

    icechunk_s: float
    zarr_s: float
    bytes: float


def write_cost(folder: Path, grid: Grid, cubes: Iterable[xr.Dataset]) -> WriteCost:
    """Write cycles by turns to a new Icechunk repository and a new plain Zarr store; the first pair does not count."""
    icechunk.set_logs_filter(LOG_FILTER)
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(folder / "icechunk")))
    session = repository.writable_session("main")
    layout.create_day(zarr.open_group(session.store, mode="a", zarr_format=3), DAY, grid, REGION)
    session.commit("day")
    layout.create_day(zarr.open_group(folder / "zarr", mode="w", zarr_format=3), DAY, grid, REGION)
    seconds: dict[str, list[float]] = {"icechunk": [], "zarr": []}
    sizes = [_size(folder / "icechunk")]
    for slot, cube in enumerate(cubes):
        packed = {var.name: layout.pack(cube[var.name].to_numpy()[0], var) for var in layout.VARIABLES}
        began = time.perf_counter()
        session = repository.writable_session("main")
        _write(zarr.open_group(session.store, mode="a"), slot, packed)
        session.commit(f"cycle {slot}")
        seconds["icechunk"].append(time.perf_counter() - began)
        began = time.perf_counter()
        _write(zarr.open_group(folder / "zarr", mode="a"), slot, packed)
        seconds["zarr"].append(time.perf_counter() - began)
        sizes.append(_size(folder / "icechunk"))
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    return WriteCost(medians["icechunk"], medians["zarr"], float(np.median(np.diff(sizes))))


def median_seconds(function: Callable[[], Any], repeats: int = 7) -> float:
    """Median of a function's time [s], warm."""
    function()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _write(group: zarr.Group, slot: int, packed: Mapping[str, npt.NDArray[Any]]) -> None:
    day = group[f"{layout.CUBES}/{DAY}"]
    assert isinstance(day, zarr.Group)
    write_slot(day, slot, lambda var: packed[var.name])


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
