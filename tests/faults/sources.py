"""A14: cycles without some, or all, of their sources."""

import itertools
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from pyproj import Geod

from tests.faults import grids
from tests.faults.harness import Outcome, Tally
from tests.faults.scene import REGION, START, packed, tiny_region, volume_at
from tests.faults.zygote import Job, zygote
from wxcore.archive.read import list_cycles, open_archive
from wxcore.errors import WxcoreError
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.result import CycleResult
from wxcore.pipeline.run import run
from wxcore.radar.volume import Volume
from wxcore.region import Region
from wxcore.schema import COLUMN, OBSERVED_NONE, OBSERVED_VOLUME, PRODUCTS
from wxcore.times import iso, to_datetime64

GATES = 15
"""Gates of 1 km that are left of each volume: no radar sees the whole grid."""

HALF = 20
"""Columns of the mosaics: the east of the grid is not in them."""

HEIGHTS = (5000.0, 8300.0)
"""Given by hand, so that nothing but missing sources degrades a cycle."""

SOURCES = ("Z9001", "Z9002", "mosaic", "composite")
HAIL = ("mesh", "mesh75", "posh", "shi")
GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Scene:
    """The region and the file of each source."""

    region: Region
    files: dict[str, Path]


def _short(volume: Volume) -> Volume:
    sweeps = []
    for sweep in volume.sweeps:
        z = sweep.moments["DBZH"]
        sweeps.append(replace(sweep, moments={"DBZH": replace(z, codes=z.codes[:, :GATES].copy())}))
    return replace(volume, sweeps=tuple(sweeps))


def make(folder: Path) -> Scene:
    """Write one file of each source."""
    region = tiny_region(folder / "meta")
    files = {name: folder / "in" / f"{name}.bin" for name in SOURCES}
    (folder / "in").mkdir()
    for site in region.radars:
        files[site.id].write_bytes(packed(_short(volume_at(site, START - timedelta(minutes=5)))))
    west = grids.field()[:, :HALF]
    files["mosaic"].write_bytes(grids.swan_mosaic(grids.tenths(grids.stacked(west)), START))
    files["composite"].write_bytes(grids.moc_composite(grids.tenths(west), START))
    return Scene(region, files)


def judge(scene: Scene, present: tuple[str, ...], home: Home) -> list[str]:
    """Run the cycle with these sources only; what does not hold."""
    paths = [scene.files[name] for name in present]
    result = run(paths, home, scene.region, at=START, heights=HEIGHTS)
    if not present:
        return _nothing(scene, home, bool(result.cycles))
    if len(result.cycles) != 1:
        return [f"no cycle: {[item.message_en for item in result.failures]}"]
    (cycle,) = result.cycles
    return _words(cycle, present) + _coverage(scene, present, home)


def _nothing(scene: Scene, home: Home, ran: bool) -> list[str]:
    found = ["a cycle of nothing"] if ran else []
    try:
        run_cycle(home, scene.region, START)
        found.append("no error where nothing is on file")
    except WxcoreError as error:
        found += [] if "nothing on file" in error.en and error.zh != error.en else [f"unclear words: {error.en}"]
    return found + (["a product of nothing"] if list_cycles(home.archive, REGION) else [])


def _words(cycle: CycleResult, present: tuple[str, ...]) -> list[str]:
    """Inputs listed, missing radars named, degraded where it is."""
    found = []
    listed = {item.file.removesuffix(".bin") for item in cycle.inputs}
    if listed != set(present):
        found.append(f"inputs {sorted(listed)}, delivered {present}")
    radars = [name for name in SOURCES[:2] if name not in present]
    found += [f"{name} not named as missing" for name in radars if f"radar {name}" not in cycle.missing]
    if radars and not cycle.degraded:
        found.append(f"not degraded, though {radars} are missing")
    return found


def _coverage(scene: Scene, present: tuple[str, ...], home: Home) -> list[str]:
    """Cells that nobody can have seen, by distance alone, hold no data; what only a composite saw has no hail."""
    cube = open_archive(home.archive, region=REGION).sel(time=to_datetime64(START)).compute()
    observed = cube["observed"].to_numpy()
    columns = [var.name for var in PRODUCTS if var.dims == COLUMN and var.name in cube and var.dtype == "f4"]
    seen = np.zeros(observed.shape, bool)
    lon, lat = np.meshgrid(scene.region.grid.lon, scene.region.grid.lat)
    for site in scene.region.radars:
        if site.id in present:
            _, _, metres = GEOD.inv(lon, lat, np.full_like(lon, site.lon), np.full_like(lat, site.lat))
            seen |= metres < (GATES + 1) * 1000
    if ("mosaic" in present and not set(present) & set(SOURCES[:2])) or "composite" in present:
        seen[:, : HALF + 1] = True
    found = [f"{int((observed[~seen] != OBSERVED_NONE).sum())} unseen cells called observed"] if (
        observed[~seen] != OBSERVED_NONE).any() else []  # fmt: skip
    if not (~seen).any() or not (observed != OBSERVED_NONE).any():
        found.append("the scene has no blind, or no seen, cell: it tests nothing")
    found += [f"{name} has values where nobody looked" for name in columns if _values(cube, name, observed == 0)]
    flat = observed != OBSERVED_VOLUME
    return found + [f"{name} judged where no beam was" for name in HAIL if _values(cube, name, flat)]


def _values(cube: xr.Dataset, name: str, where: np.ndarray) -> bool:
    return bool(np.isfinite(cube[name].to_numpy()[where]).any())


def subsets(n: int, seed: int, folder: Path) -> Outcome:
    """Up to `n` subsets of the sources: all, none, each alone, then the others."""
    del seed
    scene, tally = make(folder), Tally()
    everything = [c for size in (4, 0, 1, 3, 2) for c in itertools.combinations(SOURCES, size)]
    for number, present in enumerate(everything[:n]):
        tally.add(f"with {', '.join(present) or 'nothing'}", judge(scene, present, Home(folder / f"home{number}")))
    with zygote() as maker:
        words = ["cycle", "--at", iso(START), "--region", REGION, "--out", str(folder / "none"), "--direct"]
        ended = maker.run(Job([*words, "--lang", "en"], str(folder / "meta")))
        wrong = ended.code != 1 or "Traceback" in ended.err or "nothing on file" not in ended.err + ended.out
        tally.add("wx cycle of nothing", [f"ended with {ended.code}: {ended.err[-300:]}"] if wrong else [])
    return tally.outcome("A14 missing sources")
