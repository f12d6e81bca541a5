"""`wx bench satellite`: six infrared channels of a full disk to the region's grid, beside satpy and bare reading."""

import itertools
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.archive.measure import median_seconds
from wxcore.cli.bench_table import Row, against
from wxcore.grid import Grid
from wxcore.region import Region
from wxcore.satellite.agri import WAVELENGTHS_UM, read_agri
from wxcore.satellite.agri_write import write_agri
from wxcore.satellite.fy4_counts import SOLAR_UM
from wxcore.satellite.geometry import Disk, fy4_disk
from wxcore.satellite.regrid import to_grid
from wxcore.satellite.scene import BANDS, BRIGHTNESS_TEMPERATURE, REFLECTANCE, Channel, Floats, Scene

PEER_SCRIPT = Path(__file__).with_name("bench_satpy.py")
REPEATS = 7

SIX = {9: "062", 10: "070", 11: "073", 12: "085", 13: "108", 14: "120"}
"""Channels of FY-4B that are read, and the bands that they are."""

WANTED = tuple(band for band in BANDS if band.name.removeprefix("brightness_temperature_") in SIX.values())

TIMES_FASTER, TIMES_FASTER_CACHED, TIMES_READING = 50.0, 15.0, 1.6
EQUAL_SHARE, EQUAL_K = 0.98, 0.01
PEAK_MIB = 300.0
"""Goals of issue 5 and PERFORMANCE.md goal 5."""

TILE = (400, 520)
"""Lines and columns of the field that is repeated over the disk."""

_CHILD = """
import sys
from pathlib import Path
from wxcore.region import load_region
from wxcore.satellite.agri import read_agri
from wxcore.satellite.regrid import to_grid
path, grid = Path(sys.argv[1]), load_region(sys.argv[2]).grid
to_grid(read_agri(path, path.name, grid.bounds), grid)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""All channels to the grid in a process of its own; its peak [KiB] (getrusage would tell the parent's before exec)."""


def satellite_rows(region: Region, crop: Path | None, peer_python: str | None) -> list[Row]:
    """Ours beside satpy (where there is an interpreter with it), beside the bare reading, and peak memory.

    Args:
        crop: an FY-4B 4 km file whose image is repeated over the disk; None: a made-up one.
        peer_python: interpreter in which satpy is installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = (
            Path(folder) / "FY4B-_AGRI--_N_DISK_1050E_L1-_FDI-_MULT_NOM_20250609103000_20250609104459_4000M_V0001.HDF"
        )
        path.write_bytes(write_agri(full_disk(crop)))
        peak = _peak_mib(path, region.id)
        on_grid(path, region.grid)  # compiles and fills the table
        shifts = (count * 1e-9 for count in itertools.count(1))
        fresh = median_seconds(lambda: _new_place(path, region.grid, next(shifts)), REPEATS)
        kept = median_seconds(lambda: on_grid(path, region.grid), REPEATS)
        part = _window(path, region.grid)
        bare = median_seconds(lambda: _bare(path, *part), REPEATS)
        rows = [Row("six channels to the grid", kept, bare, "reading alone", kept / bare,
                    TIMES_READING, at_most=True)]  # fmt: skip
        rows += _beside_satpy(path, region.grid, (fresh, kept), peer_python)
        rows.append(against("peak memory [MiB]", peak, PEAK_MIB, "limit"))
    return rows


def on_grid(path: Path, grid: Grid) -> xr.Dataset:
    """What is measured: check, read the window of six channels, calibrate, put on the grid."""
    return to_grid(read_agri(path, path.name, grid.bounds, WANTED), grid)


def _new_place(path: Path, grid: Grid, shift: float) -> None:
    """The same for a satellite that was never here before: no index table is kept of it."""
    scene = read_agri(path, path.name, grid.bounds, WANTED)
    if isinstance(scene.geometry, Disk):
        place = scene.geometry.sub_longitude + shift
        to_grid(replace(scene, geometry=replace(scene.geometry, sub_longitude=place)), grid)


def _bare(path: Path, rows: slice, columns: slice) -> None:
    """Reading alone: the same windows of the same datasets, nothing checked or calibrated."""
    with h5py.File(path) as file:
        for number in SIX:
            file[f"Data/NOMChannel{number:02d}"][rows, columns]


def _window(path: Path, grid: Grid) -> tuple[slice, slice]:
    part = read_agri(path, path.name, grid.bounds, WANTED).geometry
    if not isinstance(part, Disk):
        raise TypeError("AGRI without a disk")
    full = fy4_disk(4000, part.sub_longitude)
    top, left = round((part.first_y - full.first_y) / part.step_y), round((part.first_x - full.first_x) / part.step_x)
    return slice(top, top + part.lines), slice(left, left + part.columns)


def _beside_satpy(path: Path, grid: Grid, times: tuple[float, float], python: str | None) -> list[Row]:
    """The ratios, and the share of cells that are equal; all without a peer where there is none.

    In a watch the table of cells is at hand, satpy's by default never: so it is held against both. A satellite's very
    first scene stands beside.
    """
    plain, cached = "satpy load + nearest", "the same with cache_dir"
    other: tuple[float | None, float | None] = (None, None)
    share = None
    if python:
        other, theirs = _satpy(path, grid, python)
        ours = on_grid(path, grid)
        share = float(np.mean([
            np.mean(np.isclose(ours[f"brightness_temperature_{band}"].to_numpy()[0], theirs[f"C{number:02d}"][::-1],
                               atol=EQUAL_K, rtol=0, equal_nan=True))
            for number, band in SIX.items()
        ]))  # fmt: skip
    first, later = times
    compared = (
        ("a scene to the grid", later, other[0], plain, TIMES_FASTER),
        ("a scene to the grid", later, other[1], cached, TIMES_FASTER_CACHED),
        ("a satellite's very first scene", first, other[0], plain, TIMES_FASTER),
    )
    rows = [
        Row(title, seconds, peer, name, peer / seconds if peer else None, goal, at_most=False)
        for title, seconds, peer, name, goal in compared
    ]
    if share is not None:
        rows.append(Row("share of cells equal to satpy's", share, None, "satpy", share, EQUAL_SHARE, at_most=False))
    return rows


def _satpy(path: Path, grid: Grid, python: str) -> tuple[tuple[float, float], dict[str, Floats]]:
    """Seconds without and with its cache, and its values, row 0 north."""
    out = path.with_name("grid.npz")
    np.savez(out, names=[f"C{number:02d}" for number in SIX], bounds=grid.bounds, shape=grid.shape)
    told = subprocess.run([python, str(PEER_SCRIPT), str(path), str(out)], check=True, capture_output=True, text=True)
    seconds = json.loads(told.stdout.splitlines()[-1])
    with np.load(out) as found:
        return (seconds["plain"], seconds["cached"]), {name: found[name] for name in found.files}


def _peak_mib(path: Path, region: str) -> float:
    command = [sys.executable, "-c", _CHILD, str(path), region]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]) / 1024


def full_disk(crop: Path | None) -> Scene:
    """A full disk of FY-4B at 4 km, of all channels but C07, with one field repeated over the Earth.

    Args:
        crop: an FY-4B 4 km file whose image is repeated; None: a made-up cloud field.
    """
    disk = fy4_disk(4000, 105.0)
    fields = _crop_fields(crop) if crop else _made_up()
    lon, _ = disk.places(*np.mgrid[: disk.lines, : disk.columns].astype(np.float64))
    space = np.isnan(lon)
    channels = tuple(
        Channel(number, WAVELENGTHS_UM["FY-4B"][number], quantity, _repeated(field, disk.shape, space))
        for number, (quantity, field) in fields.items()
    )
    start = datetime(2025, 6, 9, 10, 30, 2, tzinfo=UTC)
    return Scene("fy4-agri", "FY-4B", "AGRI", 4000, start, start + timedelta(seconds=770), channels, disk,
                 np.zeros(disk.lines), simulated=True)  # fmt: skip


def _crop_fields(crop: Path) -> dict[int, tuple[str, Floats]]:
    return {one.number: (one.quantity, one.values) for one in read_agri(crop, crop.name).channels}


def _made_up() -> dict[int, tuple[str, Floats]]:
    """Clouds of several sizes and a noise of 0.2 K, which gzip packs about as real images (seeded)."""
    rng = np.random.default_rng(1)
    lines, columns = np.mgrid[: TILE[0], : TILE[1]]
    cloud = np.zeros(TILE)
    for size in (200, 90, 40, 17, 8):
        phase = rng.uniform(0, 2 * np.pi, 4)
        wave = np.sin(lines / size + phase[0]) * np.cos(columns / size + phase[1])
        cloud += wave * np.sin((lines + columns) / size / 1.7 + phase[2])
    cloud = (cloud - cloud.min()) / (cloud.max() - cloud.min())
    fields = {}
    for number, wavelength in WAVELENGTHS_UM["FY-4B"].items():
        if number == 7:
            continue
        if wavelength < SOLAR_UM:
            values, quantity = 0.05 + 0.9 * cloud + rng.normal(0, 0.005, TILE), REFLECTANCE
        else:
            values, quantity = 300 - 90 * cloud + rng.normal(0, 0.2, TILE), BRIGHTNESS_TEMPERATURE
        fields[number] = quantity, values.astype(np.float32)
    return fields


def _repeated(field: Floats, shape: tuple[int, int], space: npt.NDArray[np.bool_]) -> Floats:
    times = tuple(-(-length // size) for length, size in zip(shape, field.shape, strict=True))
    values = np.tile(field, times)[: shape[0], : shape[1]]
    values[space] = np.nan
    return values
