"""`wx bench`: ours beside the peer and beside the floor, as ratios within one run (PERFORMANCE.md)."""

import bz2
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numba
import numpy as np
import typer

from wxcore.archive.measure import median_seconds
from wxcore.cli.bench_core import THREADS, core_rows, dealias_rows, mosaic_rows, shear_row, slowness
from wxcore.cli.bench_cycle import bench_cycle
from wxcore.cli.bench_peer import peer_seconds
from wxcore.cli.bench_satellite import satellite_rows
from wxcore.cli.bench_stations import bench_stations
from wxcore.cli.bench_table import Row, show_rows
from wxcore.grid import Grid
from wxcore.landing.unpack import unpack
from wxcore.products.columns import column_products
from wxcore.products.reference import reference_products
from wxcore.radar.cinrad import read_standard
from wxcore.radar.geometry import own_box_grid
from wxcore.radar.mosaic import grid_volume
from wxcore.radar.volume import Volume
from wxcore.region import load_region
from wxcore.simulate.demo import write_demo

bench_app = typer.Typer(no_args_is_help=True, help="Benchmarks: ours beside peers. 基准测试")

REPEATS = 7
CROWDED = "chongqing"
"""Region whose fourteen radars the mosaic's benchmark takes."""

PEER_ENV = "WXCORE_PEER_PYTHON"
"""Interpreter in which arm-pyart is installed; it stays outside of the project."""

SATPY_ENV = "WXCORE_SATPY_PYTHON"
"""Interpreter in which satpy is installed; GPL, so it stays outside too."""

LEVELS = {"h0_m": 4500.0, "hm20_m": 7500.0}
WET_FRACTION = 0.45
"""Share of columns above 18 dBZ in the products' benchmark, as in PERFORMANCE.md row 3."""

GIB = 1024**3


def _decode_rows(path: Path) -> list[Row]:
    packed = path.read_bytes()

    def to_codes() -> None:
        read_standard(unpack(path).data, path.name)

    def to_float32() -> None:
        volume = read_standard(unpack(path).data, path.name)
        for sweep in volume.sweeps:
            for moment in sweep.moments.values():
                moment.values()

    floor = median_seconds(lambda: bz2.decompress(packed), REPEATS)
    name = "bz2.decompress alone"
    return [
        Row(f"decode {path.name} to {what}", ours, floor, name, ours / floor, goal, at_most=True)
        for what, goal, ours in (
            ("codes", 1.10, median_seconds(to_codes, REPEATS)),
            ("float32", 1.30, median_seconds(to_float32, REPEATS)),
        )
    ]


def _grid_row(volume: Volume, peer: str | None) -> Row:
    grid = own_box_grid(volume.site)
    ours = median_seconds(lambda: grid_volume(volume, grid), REPEATS)
    other = _peer_seconds(volume, grid, peer) if peer else None
    ratio = other / ours if other else None
    title = f"one volume to {grid.n_lat}x{grid.n_lon}x{len(grid.levels_m)}, 1 thread"
    return Row(title, ours, other, "Py-ART grid_from_radars default", ratio, 100, at_most=False)


def _peer_seconds(volume: Volume, grid: Grid, python: str) -> float:
    """Py-ART on the same gates and the same number of points; no echo is masked there."""
    sweeps = [sweep for sweep in volume.sweeps if "DBZH" in sweep.moments]
    values = [sweep.moments["DBZH"].values() for sweep in sweeps]
    gates = max(z.shape[1] for z in values)
    first = sweeps[0].moments["DBZH"]
    return peer_seconds(python, {
        "dbz": np.concatenate([np.pad(z, ((0, 0), (0, gates - z.shape[1])), constant_values=np.nan) for z in values]),
        "azimuth": np.concatenate([sweep.azimuth for sweep in sweeps]),
        "elevation": np.concatenate([sweep.elevation for sweep in sweeps]),
        "rays": np.array([sweep.azimuth.size for sweep in sweeps]),
        "fixed": np.array([sweep.fixed_angle for sweep in sweeps]),
        "range": first.first_gate_m + first.gate_m * np.arange(gates),
        "site": np.array([volume.site.latitude, volume.site.longitude, volume.site.altitude_m]),
        "shape": np.array([len(grid.levels_m), grid.n_lat, grid.n_lon]),
        "height": grid.height,
    })  # fmt: skip


def _products_row(volume: Volume) -> Row:
    """A 601x521x33 mosaic with WET_FRACTION of its columns above 18 dBZ: real columns, drawn with repeats."""
    region = load_region("chongqing")
    box = grid_volume(volume, own_box_grid(volume.site))
    columns = box["reflectivity"].transpose("time", "lat", "lon", "height").to_numpy().reshape(-1, box.sizes["height"])
    peak = np.nanmax(np.where(np.isnan(columns), -10, columns), axis=1)
    rng = np.random.default_rng(1)
    count = region.grid.n_lat * region.grid.n_lon
    wet = rng.choice(np.flatnonzero(peak > 18), int(count * WET_FRACTION))
    dry = rng.choice(np.flatnonzero(peak <= 18), count - wet.size)
    picked = np.sort(np.concatenate([wet, dry]))  # neighbours stay neighbours, as in a real field
    shape = (1, *region.grid.shape, len(region.grid.levels_m))
    z = np.ascontiguousarray(columns[picked].reshape(shape))
    cube = box[["reflectivity"]].isel(lat=slice(0), lon=slice(0)).drop_vars("reflectivity")
    cube = cube.assign_coords(lat=region.grid.lat, lon=region.grid.lon)
    cube = cube.assign(reflectivity=(("time", "lat", "lon", "height"), z, box["reflectivity"].attrs))
    cube = cube.transpose("time", "height", "lat", "lon")
    ours = median_seconds(lambda: column_products(cube, levels_source="manual", **LEVELS), REPEATS)
    other = median_seconds(lambda: reference_products(z, region.grid.height, **LEVELS), repeats=3)
    return Row("all column products 601x521x33, 1 thread", ours, other, "numpy", other / ours, 35, at_most=False)


def _memory_row(paths: list[Path], region: str, heights: list[str]) -> Row:
    """Peak memory of `wx run` on two volumes, in a process of its own; seconds of the row are GiB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from wxcore.cli.app import main; main()", "run", *map(str, paths)]
        options = ["--region", region, "--out", folder, "--direct", "--json", *heights]
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / GIB
    return Row("peak memory of wx run on two volumes [GiB]", peak, 1.5, "limit", peak / 1.5, 1.0, at_most=True)


bench_app.command("stations")(bench_stations)
bench_app.command("cycle")(bench_cycle)


@bench_app.command("satellite")
def satellite(
    crop: Annotated[Path | None, typer.Argument(help="FY-4B 4 km file to tile; made up where none. FY-4B 文件")] = None,
    region: Annotated[str, typer.Option("--region", help="Region. 区域")] = "chongqing",
    peer_python: Annotated[
        str, typer.Option("--peer-python", envvar=SATPY_ENV, help="Interpreter with satpy installed.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Six infrared channels of a full disk to the region's grid, against PERFORMANCE.md goal 5."""
    if crop is not None and not crop.is_file():
        raise typer.BadParameter(f"{crop}: no such file 文件不存在")
    show_rows("wx bench satellite", satellite_rows(load_region(region), crop, peer_python or None), as_json=as_json)


@bench_app.command("radar")
def radar(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Two standard-format volumes; simulated ones where none. 两个基数据文件")
    ] = None,
    region: Annotated[str, typer.Option("--region", help="Region of the files. 区域")] = "chongqing",
    peer_python: Annotated[
        str, typer.Option("--peer-python", envvar=PEER_ENV, help="Interpreter with arm-pyart installed.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Decoding, gridding, dealiasing, shear, mosaic, products and memory, against PERFORMANCE.md goals 1 to 4."""
    with tempfile.TemporaryDirectory() as folder:
        if missing := [path for path in files or [] if not path.is_file()]:
            raise typer.BadParameter(f"{missing[0]}: no such file 文件不存在")
        paths = list(files or [])[:2] or list(write_demo(load_region("chongqing"), Path(folder)))[:2]
        memory = _memory_row(paths, region, [])
        numba.set_num_threads(1)
        volumes = [read_standard(unpack(path).data, path.name) for path in paths]
        rows = [row for path in paths for row in _decode_rows(path)]
        rows += [_grid_row(volumes[0], peer_python or None), _products_row(volumes[0])]
        machine = slowness(paths)
        rows += dealias_rows(volumes[0], peer_python or None, machine)
        numba.set_num_threads(THREADS)
        rows += [shear_row(volumes[0], machine), *mosaic_rows(volumes, load_region(CROWDED), machine)]
        rows += [*core_rows(paths, CROWDED, machine), memory]
    show_rows("wx bench radar", rows, as_json=as_json)
