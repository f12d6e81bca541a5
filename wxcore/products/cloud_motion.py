"""Motion of cloud tops between two images at 10.8 um, by correlation of blocks.

Each block of the later image is looked for in the earlier one by normalised cross-correlation over the cells known in
both (masked correlation after Padfield 2012; the place of the best match and its neighbours give the fraction of a
cell). Ground is cut off: all that is warmer than WARMEST_K counts as WARMEST_K, so that a still earth does not hold
moving clouds. Blocks without cold texture and those that contradict their neighbours take the neighbours' motion.
One motion a place: of two layers that move apart the colder and rougher one wins.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.products import cloud_kernels

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

DEGREE_M = float(np.deg2rad(1) * EARTH_RADIUS_M)

WARMEST_K = 270.0
"""What is warmer is no cloud to be followed [our choice]: between the freezing level and most night-time ground."""
BLOCK_CELLS, BLOCK_STEP_CELLS = 128, 64
"""Side of a block and distance of blocks [cells]: 30 x 30 pixels of 4 km on the 0.01 degree grid [our choice]."""
LEAST_BLOCK_CELLS = 32
"""A grid smaller than this has no motion of its own."""
COARSE, MIDDLE, FINE = 8, 4, 2
"""All displacements are tried on means of COARSE cells; the best is refined on finer means."""
MAX_SPEED_M_S = 60.0
"""Fastest cloud tops [our choice]: the jet over China in spring; storms themselves do 40 m/s."""
LEAST_CORRELATION = 0.6
"""A match is at least this good [our choice]."""
LEAST_TEXTURE_K = 2.0
"""Standard deviation of a block that can be followed [our choice]."""
LEAST_SHARE = 0.6
"""Part of a block that both images must know [our choice]."""
OUTLIER_M_S = 8.0
"""A block that differs by more from the median of its neighbours is dropped [our choice]."""
SMOOTH_KM, INHERIT_KM = 60.0, 200.0
"""Width of the Gaussian over the blocks, and how far a block lends its motion to places without one [our choice]."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Motion of cloud tops: u, v (lat, lon) float32 [m/s] eastward, northward; NaN where unknown."""

    u: Floats
    v: Floats


def unknown(grid: Grid) -> Motion:
    """No motion is known."""
    return Motion(*(np.full(grid.shape, np.nan, dtype=np.float32) for _ in range(2)))


def cloud_motion(now: Floats, before: Floats, minutes: float, grid: Grid) -> Motion:
    """Motion of cold cloud tops from one image to the next.

    Args:
        now, before: brightness temperature at 10.8 um (lat, lon) [K] of the same satellite, NaN unknown.
        minutes: time between them, > 0.
        grid: of both.

    Returns:
        A smooth field; NaN farther than INHERIT_KM from every block that could be followed.
    """
    size = tuple(min(BLOCK_CELLS, count // COARSE * COARSE) for count in grid.shape)
    if min(size) < LEAST_BLOCK_CELLS:
        return unknown(grid)
    starts = [_starts(count, side) for count, side in zip(grid.shape, size, strict=True)]
    places = np.stack([mesh.ravel() for mesh in np.meshgrid(*starts, indexing="ij")], axis=1)
    lat = grid.lat[np.minimum(places[:, 0] + size[0] // 2, grid.n_lat - 1)]
    metres = np.stack([np.full(lat.size, DEGREE_M), DEGREE_M * np.cos(np.deg2rad(lat))], axis=1) * grid.step_deg
    most = MAX_SPEED_M_S * minutes * 60 / metres
    shift, score = _follow(now, before, places, (size[0], size[1]), most)
    v_u = shift * metres / (minutes * 60)
    known = (score >= LEAST_CORRELATION) & (np.hypot(v_u[:, 0], v_u[:, 1]) <= MAX_SPEED_M_S)
    shape = (starts[0].size, starts[1].size)
    fields, known = v_u.T.reshape(2, *shape), known.reshape(shape)
    good = known & ~_outliers(fields[0], known) & ~_outliers(fields[1], known)
    trust = np.where(good, score.reshape(shape) - LEAST_CORRELATION, 0.0)
    v, u = (_smooth(field, trust, places, metres) for field in fields)
    centres = [start.astype(np.float64) + side / 2 - 0.5 for start, side in zip(starts, size, strict=True)]
    return Motion(_to_cells(u, centres, grid), _to_cells(v, centres, grid))


def _starts(count: int, side: int) -> Longs:
    """First cells of the blocks along an axis, multiples of COARSE, from its beginning to its end."""
    blocks = int(np.ceil((count - side) / BLOCK_STEP_CELLS)) + 1
    return np.unique(np.linspace(0, count - side, blocks).astype(np.int64) // COARSE * COARSE)


def _follow(
    now: Floats, before: Floats, places: Longs, size: tuple[int, int], most: Doubles
) -> tuple[Doubles, Doubles]:
    """Displacement (block, 2) in cells (row, column) and correlation (block,); NaN, -1 where there is none.

    Args:
        most: largest displacement looked for, (block, 2) [cells].
    """
    reach = np.ceil(most.max(axis=0) / COARSE).astype(int)
    table = _correlate(now, before, places, size, COARSE, np.zeros_like(places), (int(reach[0]), int(reach[1])))
    alive = table.reshape(len(places), -1).max(axis=1) >= LEAST_CORRELATION / 2
    shift, score = np.full(places.shape, np.nan), np.full(len(places), -1.0)
    if not alive.any():
        return shift, score
    guess = _best(table[alive])[0] * (COARSE // MIDDLE)
    guess = (guess + _best(_correlate(now, before, places[alive], size, MIDDLE, guess, (2, 2)))[0]) * (MIDDLE // FINE)
    table = _correlate(now, before, places[alive], size, FINE, guess, (3, 3))
    middle, best = _best(table[:, 2:-2, 2:-2])
    fraction = _fraction(table, middle)
    shift[alive] = (guess + middle + fraction) * FINE
    score[alive] = np.where(np.isfinite(fraction).all(axis=1), best, -1.0)
    return shift, score


def _correlate(
    now: Floats, before: Floats, places: Longs, size: tuple[int, int], factor: int, guess: Longs,
    reach: tuple[int, int],
) -> Doubles:  # fmt: skip
    a, known_a = _means(now, factor)
    b, known_b = _means(before, factor)
    return cloud_kernels.correlations(
        a, known_a, b, known_b, places // factor, (size[0] // factor, size[1] // factor), guess, reach,
        LEAST_SHARE, LEAST_TEXTURE_K**2,
    )  # fmt: skip


def _means(bt: Floats, factor: int) -> tuple[Floats, Floats]:
    """Means of factor x factor cells, of temperature below WARMEST_K (0 where unknown), and 1 where known, else 0."""
    rows, columns = (count // factor * factor for count in bt.shape)
    cold = np.minimum(bt[:rows, :columns], np.float32(WARMEST_K)) - np.float32(WARMEST_K)
    tiles = cold.reshape(rows // factor, factor, columns // factor, factor)
    means = np.zeros((rows // factor, columns // factor), dtype=np.float32)
    for i in range(factor):
        for j in range(factor):
            means += tiles[:, i, :, j]
    known = np.isfinite(means)
    return np.where(known, means / factor**2, 0).astype(np.float32), known.astype(np.float32)


def _best(table: Doubles) -> tuple[Longs, Doubles]:
    """Displacement (block, 2) from the middle of each table to its largest correlation, and that correlation."""
    _, ny, nx = table.shape
    flat = table.reshape(len(table), -1)
    place = np.argmax(flat, axis=1)
    return np.stack([place // nx - ny // 2, place % nx - nx // 2], axis=1), flat[np.arange(len(flat)), place]


MAX_FRACTION = 1.5
"""A peak farther from the best of the displacements that were tried is none [fine cells]."""

_OFFSETS = np.arange(-2, 3)
_DY, _DX = (mesh.ravel() for mesh in np.meshgrid(_OFFSETS, _OFFSETS, indexing="ij"))
_QUADRATIC = np.linalg.pinv(np.stack([np.ones(25), _DY, _DX, _DY**2, _DY * _DX, _DX**2], axis=1).astype(np.float64))
"""Least-squares fit of a quadratic to 5 x 5 values: wider than a pixel, whose steps would else hold the peak."""


def _fraction(table: Doubles, middle: Longs) -> Doubles:
    """Where the quadratic about the best of the inner displacements has its peak, (block, 2).

    NaN where it has none within MAX_FRACTION, or a correlation lacks: the best is then the end of what could be tried.
    """
    centre = table.shape[1] // 2
    index = np.arange(len(table))[:, np.newaxis]
    around = table[index, centre + middle[:, :1] + _DY, centre + middle[:, 1:] + _DX]
    _, y, x, yy, xy, xx = _QUADRATIC @ around.T
    determinant = 4 * yy * xx - xy**2
    peaked = (determinant > 0) & (yy < 0) & (around > -1).all(axis=1)
    divide = np.where(peaked, determinant, 1.0)
    peak = np.stack([(xy * x - 2 * xx * y) / divide, (xy * y - 2 * yy * x) / divide], axis=1)
    peaked &= np.abs(peak).max(axis=1) <= MAX_FRACTION
    return np.where(peaked[:, np.newaxis], peak, np.nan)


def _smooth(component: Doubles, trust: Doubles, places: Longs, metres: Doubles) -> Doubles:
    """A component of the blocks' motion, smooth, lent to the blocks that have none (`trust` 0); NaN far from all."""
    east_north = places * metres / 1000
    apart = np.hypot(*(east_north[:, np.newaxis] - east_north[np.newaxis]).transpose(2, 0, 1))
    weight = np.where(apart <= INHERIT_KM, np.exp(-0.5 * (apart / SMOOTH_KM) ** 2), 0.0) * trust.ravel()
    total = weight.sum(axis=1)
    mean = weight @ np.where(trust > 0, component, 0.0).ravel() / np.where(total > 0, total, 1.0)
    return np.where(total > 0, mean, np.nan).reshape(component.shape)


def _outliers(component: Doubles, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Blocks far from the median of their known neighbours (of three at least)."""
    padded = np.pad(np.where(known, component, np.nan), 1, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(*component.shape, 9)
    others = np.delete(around, 4, axis=-1)
    enough = np.isfinite(others).sum(axis=-1) >= 3
    middle = np.zeros(component.shape)
    middle[enough] = np.nanmedian(others[enough], axis=-1)
    return np.asarray(enough & known & (np.abs(component - middle) > OUTLIER_M_S))


def _to_cells(blocks: Doubles, centres: list[Doubles], grid: Grid) -> Floats:
    """From block centres to cells: linear between known ones, constant beyond the outermost."""
    known = np.isfinite(blocks)
    south_north, west_east = (_weights(centre, count) for centre, count in zip(centres, grid.shape, strict=True))
    total = south_north @ known.astype(np.float32) @ west_east.T
    cells = south_north @ np.where(known, blocks, 0).astype(np.float32) @ west_east.T
    return np.asarray(np.where(total > 0, cells / np.where(total > 0, total, np.float32(1)), np.float32(np.nan)))


def _weights(centres: Doubles, count: int) -> Floats:
    """(cell, block) weights of linear interpolation."""
    cell = np.arange(count)
    return np.stack([np.interp(cell, centres, unit) for unit in np.eye(centres.size)], axis=1).astype(np.float32)
