"""Scenes on the analysis grid: every cell takes its nearest pixel, and nothing is filled in.

Cells are taken where the image shows them; clouds are put where they truly are afterwards (parallax.py).
"""

from dataclasses import replace
from datetime import UTC
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.errors import ReadError, Reason
from wxcore.grid import Grid
from wxcore.satellite.geometry import Disk, Doubles, Geometry, Plate, Swath, zenith_deg
from wxcore.satellite.regrid_kernels import NOTHING, Ints, into_buckets, nearest, take
from wxcore.satellite.scene import BANDS, MARGIN_DEG, Scene
from wxcore.schema import COLUMN, IMAGE, SIMULATED_ATTRIBUTE, SIMULATED_MARK, Var

LINE_OFFSET = Var("line_offset", COLUMN, "s", "time when the cell was seen minus the start of the scan")
"""Beside the bands on the grid, until blend.py makes `satellite_offset` of it."""

SWATH_REACH = 1.5
"""A cell takes a pixel of a swath up to so many of its own steps to the next pixel away [our choice]: MERSI's steps
grow from 1 km under the satellite to 5 km at the rim."""
FARTHEST_DEG = 0.3
"""No pixel of a swath further than this is looked for [our choice]: 33 km, six pixels at MERSI's rim."""
PIXELS_A_BUCKET = 2.0
"""Mean number of pixels in a bucket of the search [our choice; measured: 1 to 4 are equally fast]."""


MAX_ZENITH_DEG = 75.0
"""Beyond this zenith angle of the satellite nothing is taken from a disk [our choice]: a pixel is 15 km long there, a
top of 12 km is displaced by 45, and limb cooling makes the sky of every channel colder."""


def wider(grid: Grid, margin_deg: float = MARGIN_DEG) -> Grid:
    """The grid with a margin [deg] around it, on the same cells: clouds over the rim appear outside of it."""
    more = int(np.ceil(margin_deg / grid.step_deg - 1e-9))
    return replace(
        grid, lon_west=grid.lon_west - more * grid.step_deg, lat_south=grid.lat_south - more * grid.step_deg,
        n_lon=grid.n_lon + 2 * more, n_lat=grid.n_lat + 2 * more,
    )  # fmt: skip


def to_grid(scene: Scene, grid: Grid) -> xr.Dataset:
    """The scene's bands on the grid, by the nearest pixel.

    A cell takes the pixel of a disk or a map in which its centre lies (so nothing beyond half a pixel from the image's
    edge), and the nearest pixel of a swath if that is within SWATH_REACH of its steps. NaN of a pixel stays NaN: a bad
    line is not filled from its neighbours.

    Returns:
        (time = 1, lat, lon): every band of schema.IMAGE that the scene has (float32, K or 1) and `line_offset` [s];
        time is the start of the scan. Attributes: platform, instrument, resolution_m, and the mark of a simulated file.

    Raises:
        ReadError: OUTSIDE_REGION, no pixel lies over the grid; BAD_POSITION, the scene has no geometry.
    """
    if scene.geometry is None:
        raise ReadError(
            Reason.BAD_POSITION,
            f"{scene.platform} {scene.instrument} {scene.start:%Y-%m-%d %H:%M}: no longitudes and latitudes: "
            "give its geolocation file too",
            f"{scene.platform} {scene.instrument} {scene.start:%Y-%m-%d %H:%M}：没有经纬度，请同时提供其定位文件",
        )
    index = index_table(scene.geometry, grid)
    if index is None:
        raise ReadError(
            Reason.OUTSIDE_REGION,
            f"{scene.platform} {scene.instrument} {scene.start:%Y-%m-%d %H:%M}: no pixel over "
            f"{grid.lon[0]:g} to {grid.lon[-1]:g} E, {grid.lat[0]:g} to {grid.lat[-1]:g} N",
            f"{scene.platform} {scene.instrument} {scene.start:%Y-%m-%d %H:%M}：没有像元落在 "
            f"{grid.lon[0]:g}–{grid.lon[-1]:g}°E、{grid.lat[0]:g}–{grid.lat[-1]:g}°N 内",
        )
    fields: dict[str, tuple[tuple[str, ...], npt.NDArray[np.float32], dict[str, object]]] = {}
    attributes = {var.name: var.attrs for var in IMAGE}
    for band in BANDS:
        channel = scene.band(band.name)
        if channel is not None:
            fields[band.name] = (COLUMN, take(_flat(channel.values), index)[None], attributes[band.name])
    offsets = np.repeat(scene.line_offset_s.astype(np.float32), scene.geometry.shape[1])
    fields[LINE_OFFSET.name] = (COLUMN, take(offsets, index)[None], LINE_OFFSET.attrs)
    marks = {SIMULATED_ATTRIBUTE: SIMULATED_MARK} if scene.simulated else {}
    start = np.datetime64(scene.start.astimezone(UTC).replace(tzinfo=None), "ns")
    return xr.Dataset(
        fields,
        coords={"time": ("time", [start]), "lat": ("lat", grid.lat), "lon": ("lon", grid.lon)},
        attrs={"platform": scene.platform, "instrument": scene.instrument, "resolution_m": scene.resolution_m, **marks},
    )


def _flat(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1)


def index_table(geometry: Geometry, grid: Grid) -> Ints | None:
    """Index into the flat image of the pixel of each cell, (lat, lon); NOTHING = none; None where no cell has one.

    Tables of disks and maps are kept; a swath is never seen twice.
    """
    index = _swath_table(geometry, grid) if isinstance(geometry, Swath) else _table(geometry, grid)
    return index if (index != NOTHING).any() else None


@lru_cache(maxsize=32)
def _table(geometry: Disk | Plate, grid: Grid) -> Ints:
    line, column = geometry.pixels(grid.lon[None, :], grid.lat[:, None])
    with np.errstate(invalid="ignore"):
        line, column = np.floor(line + 0.5), np.floor(column + 0.5)
        inside = (line >= 0) & (line < geometry.lines) & (column >= 0) & (column < geometry.columns)
        if isinstance(geometry, Disk):
            inside &= zenith_deg(geometry, grid.lon[None, :], grid.lat[:, None]) <= MAX_ZENITH_DEG
        index = np.where(inside, line * geometry.columns + column, NOTHING).astype(np.int32)
    index.setflags(write=False)
    return index


def _swath_table(swath: Swath, grid: Grid) -> Ints:
    west, south, east, north = grid.bounds
    narrow = max(np.cos(np.deg2rad(max(abs(south), abs(north)) + FARTHEST_DEG)), 0.01)
    wide = FARTHEST_DEG / narrow
    lon, lat = swath.lon.astype(np.float64), swath.lat.astype(np.float64)
    high, across = north - south + 2 * FARTHEST_DEG, min(east - west + 2 * wide, 360.0)
    size = _bucket_deg(lon, lat, (west - wide, south - FARTHEST_DEG, across, high))
    buckets = into_buckets(
        lon.reshape(-1), lat.reshape(-1), west - wide, south - FARTHEST_DEG, size,
        int(np.ceil(high / size)) + 1, int(np.ceil(across / size)) + 1,
    )  # fmt: skip
    limit = np.sin(np.deg2rad(FARTHEST_DEG) / 2) ** 2
    cells = np.deg2rad(grid.lon), np.deg2rad(grid.lat)
    return np.asarray(nearest(np.deg2rad(lon), np.deg2rad(lat), *cells, buckets, narrow, limit, SWATH_REACH))


def _bucket_deg(lon: Doubles, lat: Doubles, area: tuple[float, float, float, float]) -> float:
    """Size of the buckets [deg] of which each has PIXELS_A_BUCKET pixels on average."""
    west, south, across, high = area
    inside = ((lon - west) % 360 <= across) & (lat >= south) & (lat <= south + high)
    count = max(int(np.count_nonzero(inside)), 1)
    return float(np.clip(np.sqrt(across * high * PIXELS_A_BUCKET / count), 0.002, FARTHEST_DEG))
