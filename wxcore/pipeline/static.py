"""What is known of each radar beside its volumes: the ground it looks over, and what its own past taught.

In the home: radars/<site>.npz, echo occurrence (`wx radar learn`). In the region's folder: dem.nc or dem.tif, fine
enough for beam blockage; without one the coarse model of China serves for heights above ground.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, RegionError
from wxcore.grid import Grid
from wxcore.pipeline.home import Home
from wxcore.radar.looks import Blockage
from wxcore.radar.planes import Plane
from wxcore.radar.qc import StaticClutter
from wxcore.radar.siting.blockage import blockage_from_terrain, fine_enough
from wxcore.radar.siting.ground import terrain_plane
from wxcore.radar.siting.occurrence import Occurrence, blockage_map, clutter_map, load_occurrence, not_enough
from wxcore.radar.tilts import tilt_elevations
from wxcore.radar.volume import Site, Volume
from wxcore.region import Region
from wxcore.region.terrain import Terrain, dem_in, load_terrain

FOLDER = "radars"
"""In the home."""

SAME_TILT_DEG = 0.3
"""A learnt map serves a tilt this near [deg]: two tilts of one scan lie 0.9 deg apart (DOMAIN.md 1.2)."""

SAME_PLACE_DEG = 0.005
"""A radar that stands farther from where it learnt [deg, 0.5 km] has another horizon [our choice]."""


def occurrence_path(home: Home, site: str) -> Path:
    """Where the echo occurrence of a radar is kept."""
    return home.root / FOLDER / f"{site}.npz"


def static_digest(home: Home, region: Region, site: str) -> list[str]:
    """What static knowledge of a radar stands on: digests of the region's own elevation model and of what was learnt,
    as far as they are there."""
    paths = (dem_in(region.folder), occurrence_path(home, site))
    return [found for path in paths if path is not None and (found := _digest(path))]


def _digest(path: Path) -> str:
    """sha256 of a file, "" where there is none; read again only where the file changed."""
    try:
        found = path.stat()
        return _sha256(path, found.st_size, found.st_mtime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def terrain_of(region: Region, site: Site) -> Plane:
    """Ground height about a radar [m ASL]; of the coarse model where the region's own cannot be read."""
    return _terrain(dem_in(region.folder), _dem_digest(region), site.latitude, site.longitude)


@lru_cache(maxsize=64)
def _terrain(dem: Path | None, _digest: str, lat: float, lon: float) -> Plane:
    return terrain_plane(_model(dem), lat, lon)


def _dem_digest(region: Region) -> str:
    """Of the region's own elevation model; "" where it has none."""
    path = dem_in(region.folder)
    return _digest(path) if path is not None else ""


def ground_model(region: Region) -> Terrain:
    """The region's own elevation model; the coarse one where it has none, or one that cannot be read."""
    return _model(dem_in(region.folder))


def ground_heights(region: Region) -> npt.NDArray[np.float32]:
    """Height of the ground of each cell of the grid, (lat, lon) [m ASL]; NaN where the model does not reach."""
    return _ground_heights(dem_in(region.folder), _dem_digest(region), region.grid)


@lru_cache(maxsize=4)
def _ground_heights(dem: Path | None, _digest: str, grid: Grid) -> npt.NDArray[np.float32]:
    return _model(dem).at(grid.lat[:, np.newaxis], grid.lon[np.newaxis, :])


def _model(dem: Path | None) -> Terrain:
    try:
        return load_terrain(dem)
    except RegionError:
        return load_terrain()


def terrain_trouble(region: Region) -> tuple[str, str] | None:
    """Why the region's own elevation model is not used, in English and Chinese; None where it is, or has none."""
    try:
        load_terrain(dem_in(region.folder))
    except RegionError as error:
        return error.en, error.zh
    return None


def blockage_of(home: Home, region: Region, volume: Volume) -> Blockage | None:
    """Blocked part of the beam for each tilt of a volume, by terrain and by what was learnt, the larger of both; None
    where neither is known."""
    site = volume.site
    elevations = tuple(sorted({round(elevation, 1) for elevation in tilt_elevations(volume)}))
    maps = dict(_by_terrain(dem_in(region.folder), _dem_digest(region), site, elevations))
    for elevation, part in _learnt_of(home, site).blocked.items():
        key = min(maps, key=lambda other: abs(other - elevation), default=elevation)
        if abs(key - elevation) > SAME_TILT_DEG:
            key = elevation
        maps[key] = _larger(maps[key], part) if key in maps else part
    return maps or None


def _larger(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The larger of two maps of one place, as long as the longer."""
    long, short = (one, two) if one.shape[1] >= two.shape[1] else (two, one)
    larger = long.copy()
    part = larger[:, : short.shape[1]]
    np.maximum(part, short, out=part)
    return larger


@lru_cache(maxsize=16)
def _by_terrain(dem: Path | None, digest: str, site: Site, elevations: tuple[float, ...]) -> Blockage:
    terrain = _model(dem) if digest else None
    if terrain is None or not fine_enough(terrain):
        return {}
    return blockage_from_terrain(terrain, site, elevations)


def clutter_of(home: Home, site: Site) -> StaticClutter | None:
    """Where a radar nearly always sees echo, as it learnt; None where nothing is known."""
    return _learnt_of(home, site).clutter


@dataclass(frozen=True)
class _Learnt:
    """What a radar's past says; nothing where too little was counted."""

    blocked: Blockage
    clutter: StaticClutter | None


def _learnt_of(home: Home, site: Site) -> _Learnt:
    path = occurrence_path(home, site.id)
    return _learnt(path, _digest(path), site.latitude, site.longitude)


@lru_cache(maxsize=32)
def _learnt(path: Path, digest: str, lat: float, lon: float) -> _Learnt:
    """Read and judged once for each state of the file, not for each volume."""
    counts = _occurrence(path, lat, lon) if digest else None
    if counts is None or not_enough(counts):
        return _Learnt({}, None)
    cells = clutter_map(counts)
    known = enumerate(counts.elevations_deg)
    return _Learnt(blockage_map(counts), {float(angle): cells[k] for k, angle in known if np.isfinite(angle)})


def _occurrence(path: Path, lat: float, lon: float) -> Occurrence | None:
    """The counts of a radar; None where the file is damaged, or the radar stood elsewhere."""
    try:
        found = load_occurrence(path)
    except ReadError:
        return None
    return None if abs(found.latitude - lat) + abs(found.longitude - lon) > SAME_PLACE_DEG else found
