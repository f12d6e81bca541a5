"""Clouds where they are: an oblique view shows a high top away from the sub-satellite point (DOMAIN.md 2.5).

For every cell the sight lines over it are followed down from the highest cloud: at height h the cell's column is seen
at A(h) = cell + h * shift. The first height at which the top seen at A(h) is itself at h is the top of this column.
Where there is none, the ground is seen at the cell itself; unless a cloud of another place stands there in the image:
then nobody saw this cell.
"""

from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.grid import Grid
from wxcore.satellite.geometry import Viewpoint, apparent
from wxcore.satellite.regrid_kernels import NOTHING, Floats, Ints, take
from wxcore.schema import CLOUDS

ZERO_C_K, MINUS_20_C_K = 273.15, 253.15
GROUND_K = 283.15
"""Warmer is taken for the ground [our choice]. Between this and 0 C the height grows to that of 0 C: a step there would
tear holes along the coldest ground of a winter night, which is no wall of cloud."""
LAPSE_K_PER_M = 0.007
"""Lapse rate above the -20 C level [our choice]: between the moist rates of a warm and a cold troposphere."""
MAX_TOP_M = 18_000.0
"""No top is counted higher [our choice]: tropical tropopause; colder is an overshoot."""
STEP_M = 250.0
"""Step of the march [m]: moves the sight line by 0.3 cells of 0.01 degree at a zenith angle of 47 degrees."""
WALL_M = 3000.0
"""A side of a cloud no higher than this above the cloud behind it counts as that cloud [our choice]: its top is hidden
over at most three cells, less than the pixel of 4 km. Higher: not seen."""
SHIFT_HEIGHT_M = 10_000.0
"""The displacement per metre is taken at this height: it is linear to 1 % up to 18 km at zenith angles below 60."""
BLOCK = 16
"""Cells on a side of the blocks whose highest top the march begins at."""

HEIGHT = next(var for var in CLOUDS if var.name == "cloud_top_height")
WINDOW = "brightness_temperature_108"


def cloud_top_height(bt108: npt.NDArray[np.float32], h0_m: float, hm20_m: float) -> Floats:
    """Height [m ASL] of the cloud top of a brightness temperature at 10.8 um [K], of the same shape.

    Linear from 0 at GROUND_K to `h0_m` at 0 C and `hm20_m` at -20 C, and by LAPSE_K_PER_M above, at most MAX_TOP_M;
    NaN stays NaN. A semi-transparent cloud is higher than this says.
    """
    kelvin = np.asarray(bt108, dtype=np.float32)
    below = h0_m + (ZERO_C_K - kelvin) / (ZERO_C_K - MINUS_20_C_K) * (hm20_m - h0_m)
    height = np.where(kelvin >= MINUS_20_C_K, below, hm20_m + (MINUS_20_C_K - kelvin) / LAPSE_K_PER_M)
    warm = np.maximum(h0_m * (GROUND_K - kelvin) / (GROUND_K - ZERO_C_K), 0.0)
    return np.where(kelvin > ZERO_C_K, warm, np.minimum(height, MAX_TOP_M)).astype(np.float32)


def correct(images: xr.Dataset, seen_from: Viewpoint | None, grid: Grid, h0_m: float, hm20_m: float) -> xr.Dataset:
    """The images with every cloud where it truly is, all variables moved together, and `cloud_top_height` [m].

    Args:
        images: (time = 1, lat, lon) from to_grid, on the grid or on a wider one of the same cells (regrid.wider), which
            also brings the tops that appear outside of the grid.
        seen_from: geometry.viewpoint of the scene; None (a swath, a map of unknown origin): nothing is moved.
        grid: of the result; h0_m, hm20_m: heights of 0 C and -20 C [m ASL].

    Returns:
        (time = 1, lat, lon) on the grid. NaN where a displaced cloud hides the place from the satellite. Without 10.8
        um nothing is moved, and there is no height.

    Raises:
        ValueError: the images do not cover the grid, or lie on other cells.
    """
    row, column = _corner(images, grid)
    window = images.isel(lat=slice(row, row + grid.n_lat), lon=slice(column, column + grid.n_lon))
    if WINDOW not in images:
        return window
    height = cloud_top_height(images[WINDOW].values[0], h0_m, hm20_m)
    if seen_from is None:
        own = height[row : row + grid.n_lat, column : column + grid.n_lon]
        return window.assign({HEIGHT.name: (HEIGHT.dims, own[None], HEIGHT.attrs)})
    index = march(height, *_shift(seen_from, grid), (row, column), STEP_M, WALL_M, BLOCK)
    moved = {
        name: (field.dims, take(np.ascontiguousarray(field.values).reshape(-1), index)[None], field.attrs)
        for name, field in images.data_vars.items()
    }
    moved[HEIGHT.name] = (HEIGHT.dims, take(height.reshape(-1), index)[None], HEIGHT.attrs)
    return window.assign(moved)


def _corner(images: xr.Dataset, grid: Grid) -> tuple[int, int]:
    """Row and column of the grid's south-west cell in the images."""
    lat, lon = images["lat"].values, images["lon"].values
    place = (grid.lat[0] - lat[0]) / grid.step_deg, (grid.lon[0] - lon[0]) / grid.step_deg
    row, column = round(place[0]), round(place[1])
    inside = 0 <= row <= lat.size - grid.n_lat and 0 <= column <= lon.size - grid.n_lon
    if not inside or max(abs(place[0] - row), abs(place[1] - column)) > 0.01:
        raise ValueError(f"images from {lon[0]:g} E {lat[0]:g} N do not cover the grid on its own cells")
    return row, column


@lru_cache(maxsize=16)
def _shift(seen_from: Viewpoint, grid: Grid) -> tuple[Floats, Floats]:
    """Cells northwards and eastwards by which a metre of height displaces, (lat, lon); 0 where it is not seen."""
    lon, lat = np.meshgrid(grid.lon, grid.lat)
    far_lon, far_lat = apparent(seen_from, lon, lat, SHIFT_HEIGHT_M)
    scale = SHIFT_HEIGHT_M * grid.step_deg
    north, east = (far_lat - lat) / scale, ((far_lon - lon + 180) % 360 - 180) / scale
    return np.nan_to_num(north).astype(np.float32), np.nan_to_num(east).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _highest(height: Floats, block: int) -> Floats:
    """Highest top of every block of cells; 0 for none."""
    out = np.zeros((height.shape[0] // block + 1, height.shape[1] // block + 1), np.float32)
    for row in range(height.shape[0]):
        for column in range(height.shape[1]):
            if not np.isnan(height[row, column]):
                out[row // block, column // block] = max(out[row // block, column // block], height[row, column])
    return out


@numba.njit(cache=True, nogil=True)
def _ceiling(blocks: Floats, place: tuple[int, int], way: tuple[float, float], block: int) -> float:
    """Highest top of the blocks from a block of cells (its first cell) along the way [cells] of its sight lines."""
    rows, columns = blocks.shape
    low, high = place[0] + min(way[0], 0.0) - 1, place[0] + max(way[0], 0.0) + block + 1
    left, right = place[1] + min(way[1], 0.0) - 1, place[1] + max(way[1], 0.0) + block + 1
    top = 0.0
    for row in range(max(int(low) // block, 0), min(int(high) // block, rows - 1) + 1):
        for column in range(max(int(left) // block, 0), min(int(right) // block, columns - 1) + 1):
            top = max(top, blocks[row, column])
    return top


@numba.njit(cache=True, nogil=True)
def _down(
    height: Floats, place: tuple[int, int], shift: tuple[float, float], top: float, step: float, wall: float
) -> int:
    """Index into the flat image of what is the top of one column, or NOTHING: see the head of this module."""
    rows, columns = height.shape
    behind, behind_m = NOTHING, 0.0
    for k in range(int(np.ceil(top / step)), 0, -1):
        level = k * step
        row = int(np.floor(place[0] + level * shift[0] + 0.5))
        column = int(np.floor(place[1] + level * shift[1] + 0.5))
        seen = height[row, column] if 0 <= row < rows and 0 <= column < columns else np.nan
        if seen >= level:
            if seen < level + step:
                return int(row * columns + column)
            if behind >= 0 and behind_m >= max(level - wall, step):
                return behind
            behind = NOTHING
        else:
            behind, behind_m = row * columns + column, seen  # NaN is behind nothing
    return NOTHING if height[place] >= step else place[0] * columns + place[1]


@numba.njit(cache=True, nogil=True)
def march(
    height: Floats, north: Floats, east: Floats, corner: tuple[int, int], step: float, wall: float, block: int
) -> Ints:
    """Index (lat, lon) into the flat image of what is the top of every cell's column; NOTHING where nobody saw it.

    Args:
        height: (image lat, image lon) top [m] of what is seen; north, east: (lat, lon) cells per metre.
        corner: row and column of the first cell in the image; step, wall: STEP_M, WALL_M; block: BLOCK.
    """
    rows, columns = north.shape
    out = np.empty((rows, columns), np.int32)
    blocks = _highest(height, block)
    most = blocks.max() + step
    for first_row in range(0, rows, block):
        for first_column in range(0, columns, block):
            place = (corner[0] + first_row, corner[1] + first_column)
            way = (most * north[first_row, first_column] * 1.05, most * east[first_row, first_column] * 1.05)
            top = min(_ceiling(blocks, place, way, block) + step, most)
            for row in range(first_row, min(first_row + block, rows)):
                for column in range(first_column, min(first_column + block, columns)):
                    out[row, column] = _down(
                        height, (corner[0] + row, corner[1] + column), (north[row, column], east[row, column]),
                        top, step, wall,
                    )  # fmt: skip
    return out
