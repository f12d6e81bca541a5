"""Speed for regrid.py: pixels taken through an index table, and the exact nearest pixel of a swath.

No number of a rule is written here: numba's cache does not notice a change in another module, so all are arguments.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

NOTHING = -1
"""Index of a cell that no pixel lies over."""


class Buckets(NamedTuple):
    """Pixels of a swath sorted into squares of longitude and latitude.

    Attributes:
        west, south: corner of the squares; size: of one; all [deg]. rows, columns: number of them.
        pixels: indices into the flat swath, bucket by bucket; first: (bucket + 1,) where each begins in `pixels`.
    """

    west: float
    south: float
    size: float
    rows: int
    columns: int
    pixels: Ints
    first: Ints


@numba.njit(cache=True, nogil=True)
def take(values: Floats, index: Ints) -> Floats:
    """`values` (pixel,) at `index` (lat, lon); NaN where the index is negative."""
    rows, columns = index.shape
    out = np.empty((rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            pixel = index[row, column]
            out[row, column] = values[pixel] if pixel >= 0 else np.nan
    return out


@numba.njit(cache=True, nogil=True)
def into_buckets(
    lon: Doubles, lat: Doubles, west: float, south: float, size: float, rows: int, columns: int
) -> Buckets:
    """Sort pixels (flat, degrees); those outside, and those of unknown place, are left out."""
    home = np.full(lon.size, -1, np.int32)
    first = np.zeros(rows * columns + 1, np.int32)
    for pixel in range(lon.size):
        row, column = np.floor((lat[pixel] - south) / size), np.floor(((lon[pixel] - west) % 360.0) / size)
        if 0 <= row < rows and 0 <= column < columns:  # never for NaN
            home[pixel] = int(row) * columns + int(column)
            first[home[pixel] + 1] += 1
    for bucket in range(rows * columns):
        first[bucket + 1] += first[bucket]
    free = first[:-1].copy()
    pixels = np.empty(first[-1], np.int32)
    for pixel in range(lon.size):
        if home[pixel] >= 0:
            pixels[free[home[pixel]]] = pixel
            free[home[pixel]] += 1
    return Buckets(west, south, size, rows, columns, pixels, first)


@numba.njit(cache=True, nogil=True)
def _square(lon: float, lat: float, other_lon: float, other_lat: float, cosines: float) -> float:
    """Half the chord between two places [rad] on the unit sphere, squared (haversine); cosines of both latitudes."""
    up, along = np.sin((other_lat - lat) / 2), np.sin((other_lon - lon) / 2)
    return float(up * up + cosines * along * along)


@numba.njit(cache=True, nogil=True)
def _step(lon: Doubles, lat: Doubles, line: int, column: int, down: int) -> float:
    """Shorter of the ways [`_square`] from a pixel to its neighbours in the next lines (down = 1) or columns (0)."""
    here_lon, here_lat = lon[line, column], lat[line, column]
    nearest_way = np.inf
    for sign in (-1, 1):
        y, x = line + sign * down, column + sign * (1 - down)
        if 0 <= y < lon.shape[0] and 0 <= x < lon.shape[1]:
            way = _square(here_lon, here_lat, lon[y, x], lat[y, x], np.cos(here_lat) * np.cos(lat[y, x]))
            if not np.isnan(way):
                nearest_way = min(nearest_way, way)
    return 0.0 if np.isinf(nearest_way) else nearest_way


@numba.njit(cache=True, nogil=True)
def _closest(
    lon: float, lat: float, buckets: Buckets, places: Doubles, narrow: float, limit: float
) -> tuple[int, float]:
    """The nearest pixel to a place [rad], and its `_square`; NOTHING where all are further than the limit.

    Buckets are searched in growing rings. What lies beyond ring k is further than k buckets, counted at the narrowest
    parallel: so the first pixel nearer than that is the nearest of all.
    """
    best, pixel, cosine = limit, NOTHING, np.cos(lat)
    row = int(np.floor((np.rad2deg(lat) - buckets.south) / buckets.size))
    column = int(np.floor(((np.rad2deg(lon) - buckets.west) % 360.0) / buckets.size))
    for ring in range(max(buckets.rows, buckets.columns)):
        for y in range(max(row - ring, 0), min(row + ring, buckets.rows - 1) + 1):
            stride = 1 if abs(y - row) == ring else 2 * ring
            for x in range(column - ring, column + ring + 1, stride):
                if not 0 <= x < buckets.columns:
                    continue
                bucket = y * buckets.columns + x
                for at in range(buckets.first[bucket], buckets.first[bucket + 1]):
                    way = _square(lon, lat, places[at, 0], places[at, 1], cosine * places[at, 2])
                    if way < best:
                        best, pixel = way, buckets.pixels[at]
        if (narrow * np.sin(ring * np.deg2rad(buckets.size) / 2)) ** 2 >= best:
            break
    return pixel, best


@numba.njit(cache=True, nogil=True)
def nearest(
    lon: Doubles, lat: Doubles, cells_lon: Doubles, cells_lat: Doubles, buckets: Buckets,
    narrow: float, limit: float, factor: float,
) -> Ints:  # fmt: skip
    """Index (lat, lon) into the flat swath of the pixel nearest to each cell; NOTHING where none is near.

    Args:
        lon, lat: (line, column) of the swath; cells_lon, cells_lat: of the grid; all [rad].
        narrow: cosine of the highest latitude of the buckets; limit: `_square` beyond which no pixel is looked for.
        factor: how many steps from pixel to pixel a cell may be away.
    """
    flat_lon, flat_lat = lon.ravel(), lat.ravel()
    places = np.empty((buckets.pixels.size, 3))
    for at in range(buckets.pixels.size):
        pixel = buckets.pixels[at]
        places[at, 0], places[at, 1], places[at, 2] = flat_lon[pixel], flat_lat[pixel], np.cos(flat_lat[pixel])
    out = np.full((cells_lat.size, cells_lon.size), NOTHING, np.int32)
    for i in range(cells_lat.size):
        for j in range(cells_lon.size):
            pixel, way = _closest(cells_lon[j], cells_lat[i], buckets, places, narrow, limit)
            if pixel >= 0:
                line, column = pixel // lon.shape[1], pixel % lon.shape[1]
                step = max(_step(lon, lat, line, column, 0), _step(lon, lat, line, column, 1))
                if way <= factor * factor * step:
                    out[i, j] = pixel
    return out
