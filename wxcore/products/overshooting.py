"""Overshooting cloud tops from their temperature, after Bedka et al. 2010 (infrared window texture; DOMAIN.md 2.5)."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wxcore.grid import EARTH_RADIUS_M, Grid

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

NOT_OBSERVED, NONE, OVERSHOOTING_TOP = 0, 1, 2
"""Flag values of `overshooting_top`."""

COLDEST_K = 215.0
"""A top is at most this warm (Bedka 2010) [M]."""
ANVIL_K = 225.0
"""What is warmer around it is no anvil (Bedka 2010) [M]."""
APART_KM = 15.0
"""Tops are at least this far apart (Bedka 2010) [M]."""
RING_KM, DIRECTIONS, LEAST_DIRECTIONS = 8.0, 16, 9
"""The anvil is looked at in so many directions at this radius, and must be there in so many (Bedka 2010) [M]."""
COLDER_K, COLDER_COARSE_K = 6.5, 5.5
"""A top is colder than its anvil by this (Bedka 2010, pixels of 1-3 km) [M]; in coarser pixels, which mix it with the
anvil, by the second [our choice between the 5 and 6 K of DOMAIN.md 2.5]."""
COARSE_PIXEL_KM = 3.0
"""From this size a pixel is coarse."""

DEGREE_KM = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)


def overshooting_tops(
    bt108: Floats, grid: Grid, *, wv_difference: Floats | None = None, pixel_cells: float = 4.0,
    tropopause_k: float | None = None,
) -> Bytes:  # fmt: skip
    """Flags of `overshooting_top` (lat, lon).

    A top is a local minimum of at most COLDEST_K (and `tropopause_k`), the coldest within APART_KM, colder than the
    mean of its anvil by COLDER_K, and, where 6.2 um is known, with 6.2 - 10.8 um above 0. The flag stands on the cells
    joined to it that are as cold against the anvil, to half of APART_KM: tops are apart, so that they can be counted.
    Where fewer than LEAST_DIRECTIONS are known around a cold minimum it stays NOT_OBSERVED.

    Args:
        bt108: brightness temperature at 10.8 um (lat, lon) [K], NaN unknown.
        wv_difference: brightness temperature at 6.2 minus 10.8 um (lat, lon) [K].
        pixel_cells: side of a pixel in cells.
        tropopause_k: temperature of the tropopause [K].
    """
    known = np.isfinite(bt108)
    flags = np.where(known, NONE, NOT_OBSERVED).astype(np.uint8)
    coldest = min(COLDEST_K, COLDEST_K if tropopause_k is None else tropopause_k)
    pixel_km = pixel_cells * grid.step_deg * DEGREE_KM
    colder = COLDER_K if pixel_km < COARSE_PIXEL_KM else COLDER_COARSE_K
    dry = known if wv_difference is None else known & ~(wv_difference <= 0)
    for row, column in _minima(bt108, dry & (bt108 <= coldest), grid, pixel_cells, colder):
        ring = _ring(bt108, row, column, grid)
        window, inside = _around(bt108.shape, row, column, grid)
        if np.isfinite(ring).sum() < LEAST_DIRECTIONS:
            flags[row, column] = NOT_OBSERVED
            continue
        anvil = ring[ring <= ANVIL_K]
        if anvil.size < LEAST_DIRECTIONS or bt108[row, column] > anvil.mean() - colder:
            continue
        cold, _ = ndimage.label(inside & (bt108[window] <= anvil.mean() - colder))
        top = cold == cold[row - window[0].start, column - window[1].start]
        flags[window][top] = OVERSHOOTING_TOP
    return flags


def _minima(bt108: Floats, candidates: Bools, grid: Grid, pixel_cells: float, colder: float) -> list[tuple[int, int]]:
    """Cells (row, column) that are the coldest within APART_KM, coldest first.

    Only where something on the ring may be warmer by `colder`: flat anvils have thousands of minima.
    """
    if not candidates.any():
        return []
    pixel = 2 * int(np.ceil(pixel_cells)) + 1
    reach = [2 * int(np.ceil(RING_KM / km + pixel_cells)) + 1 for km in _cell_km(grid, float(grid.lat[-1]))]
    known = np.isfinite(bt108)
    lowest = ndimage.minimum_filter(np.where(known, bt108, np.inf), size=pixel, mode="nearest")
    highest = ndimage.maximum_filter(np.where(known, bt108, -np.inf), size=reach, mode="nearest")
    rows, columns = np.nonzero(candidates & (bt108 <= lowest) & (highest >= bt108 + colder))
    order = np.argsort(bt108[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    free = np.ones(rows.size, dtype=bool)
    minima = []
    for k in range(rows.size):
        if free[k]:
            tall, wide = _cell_km(grid, float(grid.lat[rows[k]]))
            near = np.hypot((rows - rows[k]) * tall, (columns - columns[k]) * wide) < APART_KM
            minima.append(_middle(bt108, rows[near & free], columns[near & free], (rows[k], columns[k])))
            free &= ~near
    return minima


def _middle(
    bt108: Floats, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], first: tuple[int, int]
) -> tuple[int, int]:
    """The middle one of the cells as cold as the first: a pixel covers several cells."""
    same = bt108[rows, columns] == bt108[first]
    rows, columns = rows[same], columns[same]
    middle = int(np.argmin(np.hypot(rows - rows.mean(), columns - columns.mean())))
    return int(rows[middle]), int(columns[middle])


def _cell_km(grid: Grid, lat: float) -> tuple[float, float]:
    """Height and width of a cell [km]."""
    return grid.step_deg * DEGREE_KM, grid.step_deg * DEGREE_KM * float(np.cos(np.deg2rad(lat)))


def _ring(bt108: Floats, row: int, column: int, grid: Grid) -> Floats:
    """Temperatures at RING_KM in DIRECTIONS; NaN off the grid."""
    tall, wide = _cell_km(grid, float(grid.lat[row]))
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    rows = np.rint(row + RING_KM / tall * np.cos(angle)).astype(int)
    columns = np.rint(column + RING_KM / wide * np.sin(angle)).astype(int)
    on = (rows >= 0) & (rows < grid.n_lat) & (columns >= 0) & (columns < grid.n_lon)
    ring = np.full(DIRECTIONS, np.nan, dtype=np.float32)
    ring[on] = bt108[rows[on], columns[on]]
    return ring


def _around(shape: tuple[int, ...], row: int, column: int, grid: Grid) -> tuple[tuple[slice, slice], Bools]:
    """The window about a cell, and which of its cells are within half of APART_KM."""
    tall, wide = _cell_km(grid, float(grid.lat[row]))
    high, broad = int(APART_KM / 2 / tall), int(APART_KM / 2 / wide)
    rows = slice(max(row - high, 0), min(row + high + 1, shape[0]))
    columns = slice(max(column - broad, 0), min(column + broad + 1, shape[1]))
    y = (np.arange(rows.start, rows.stop) - row)[:, np.newaxis] * tall
    x = (np.arange(columns.start, columns.stop) - column)[np.newaxis] * wide
    return (rows, columns), np.asarray(np.hypot(y, x) < APART_KM / 2, dtype=bool)
