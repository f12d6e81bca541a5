"""The loop of gridding, compiled. Memory is z-last: all levels of a column lie side by side.

Every second row of the grid is one task, so that threads share the rows evenly; results do not depend on their number.
Loops over levels hold no branch, so that the compiler takes eight levels at once. For the same reason what is summed
up in a column lies in one block of fixed shape: of several arrays the compiler could not tell that they do not overlap.
Names of axes: R radars, Y rows, X columns, D rows of the tables, N nodes, A steps of azimuth, T tilts, L levels.
"""

import numpy as np
import numpy.typing as npt
from numba import njit, prange

Floats = npt.NDArray[np.float32]
Shorts = npt.NDArray[np.uint16]
Ints = npt.NDArray[np.int32]

MOST_LEVELS = 256
"""Levels that a column's block has room for."""

OUT_OF_RANGE = 65_535
"""Distance index of a column that the radar does not reach."""

ROW_STEPS = 4
"""Distance steps for each entry of the table that names the row of the radial tables: 30 m, the closest rows lie."""

NODE_STEPS = 256
"""Distance steps between the nodes of slant range: 1.9 km."""

TIME_ROWS = 8
"""Rows of the radial tables for each row of observation times, which need not be exact."""

_TOTAL, _SHARE, _TIME, _BEST, _NUMBER, _EXCESS = range(6)
"""Lines of a column's block: sum of weight times dBZ above no echo, of weight, of weight times seconds; largest weight;
number of radars; and the dBZ above no echo of one radar."""

_WHOLE = np.float32(0.999)
"""A level so many tilts away is on the next one: places are rounded."""

# NaN is data here (unobserved): nnan and ninf must stay off
_FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _clear(block: Floats, n_level: int) -> None:  # pragma: no cover - compiled
    """Empty the sums of a column."""
    for line in range(_EXCESS):
        for z in range(n_level):
            block[line, z] = 0


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _gather(  # noqa: PLR0913, PLR0917
    excess: Floats, r: int, step: np.uint32, turn: np.uint16, first: int, last: int, gates: Floats, slopes: Floats,
    ends: Floats, widths: Ints, starts: Ints, rays: Shorts, values: npt.NDArray[np.int16], empty: np.int16,
    scale: np.float32,
) -> tuple[np.int16, np.int16]:  # fmt: skip  # pragma: no cover - compiled
    """dBZ above no echo of the tilts first .. last - 1 above a column; the strongest and the weakest code."""
    node, past = step // np.uint32(NODE_STEPS), np.float32(step % np.uint32(NODE_STEPS))
    strongest, weakest = empty, empty
    for t in range(first, last):
        gate = min(max(gates[r, node, t] + past * slopes[r, node, t], np.float32(0)), ends[r, t])
        ray = np.int32(rays[r, turn, t]) * widths[r, t] + starts[r, t]
        value = values[np.uint32(ray + np.int32(gate))]
        strongest, weakest = max(strongest, value), min(weakest, value)
        excess[t] = scale * np.float32(value - empty)
    return strongest, weakest


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _add_weights(
    block: Floats, n_level: int, seen: Shorts, near: np.float32, times: Floats, radar: int, late: int
) -> None:  # pragma: no cover - compiled
    """What a radar adds to a column beside its echo."""
    for z in range(n_level):
        root = np.float32(seen[0, 0, z])
        weight = near * root * root
        block[_SHARE, z] += weight
        block[_TIME, z] += weight * times[radar, late, z]
        block[_BEST, z] = max(block[_BEST, z], weight)
        block[_NUMBER, z] += np.float32(1) if weight > np.float32(0) else np.float32(0)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _add_echo(block: Floats, n_level: int, seen: Shorts, near: np.float32) -> None:  # pragma: no cover - compiled
    """Add a radar's echo with its weight."""
    for z in range(n_level):
        root = np.float32(seen[0, 0, z])
        block[_TOTAL, z] += near * root * root * block[_EXCESS, z]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _echo(  # noqa: PLR0913, PLR0917
    block: Floats, n_level: int, places: Shorts, radar: int, at: int, spacing: np.float32, excess: Floats, first: int,
    last: int,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """The echo of tilts first .. last - 1 by level. A tilt counts 1 at its own place and nothing at its neighbours'."""
    nothing = np.float32(0)
    for z in range(n_level):
        block[_EXCESS, z] = nothing
    for t in range(first, last):
        dbz, place = excess[t], np.float32(t)
        if dbz <= nothing:
            continue
        for z in range(n_level):
            apart = abs(spacing * np.float32(places[radar, at, z]) - place)
            block[_EXCESS, z] += dbz * max(np.float32(1) - apart, nothing)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _what_is_seen(  # noqa: PLR0913, PLR0917
    seen: Shorts, n_level: int, roots: Shorts, radar: int, at: int, places: Shorts, spacing: np.float32,
    excess: Floats, first: int, last: int, holes: bool,
) -> bool:  # fmt: skip  # pragma: no cover - compiled
    """Copy a row of roots, with 0 where there are `holes` and a neighbouring tilt is unobserved. Is anything left?"""
    left = np.uint16(0)
    for z in range(n_level):
        seen[0, 0, z] = roots[radar, at, z]
    if not holes:
        return True
    for t in range(first, last):
        if excess[t] >= np.float32(0):
            continue
        for z in range(n_level):
            apart = abs(spacing * np.float32(places[radar, at, z]) - np.float32(t))
            seen[0, 0, z] = seen[0, 0, z] if apart >= _WHOLE else np.uint16(0)
    for z in range(n_level):
        left = max(left, seen[0, 0, z])
    return bool(left > 0)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _finish(  # noqa: PLR0913, PLR0917
    block: Floats, n_level: int, y: int, x: int, no_echo: np.float32, dbz: Floats, offset: Floats,
    count: npt.NDArray[np.uint8], quality: npt.NDArray[np.uint8], weight: Floats,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Means of a column from its sums."""
    for z in range(n_level):
        share = block[_SHARE, z]
        seen = share > np.float32(0)
        # a mean of equal values may fall an ulp below them
        mean = max(block[_TOTAL, z] / share, np.float32(0)) + no_echo
        dbz[y, x, z] = mean if seen else np.float32(np.nan)
    for z in range(n_level):
        count[y, x, z] = np.uint8(min(block[_NUMBER, z], np.float32(255)))
    for z in range(n_level if offset.size else 0):
        share, number = block[_SHARE, z], block[_NUMBER, z]
        offset[y, x, z] = block[_TIME, z] / share if share > np.float32(0) else np.float32(np.nan)
        hundredths = np.float32(100) * block[_BEST, z] + np.float32(0.5)
        quality[y, x, z] = np.uint8(max(hundredths, min(number, np.float32(1))))
    if weight.size:
        for z in range(n_level):
            weight[y, x, z] = block[_SHARE, z]


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def fill(
    columns: tuple[Shorts, Shorts, npt.NDArray[np.bool_], Shorts],
    radial: tuple[Shorts, Shorts, Floats, Shorts, Floats, Floats],
    polar: tuple[Floats, Floats, Floats, Ints, Ints, Shorts, npt.NDArray[np.int16]],
    marks: tuple[int, np.int16, np.int16, np.float32, np.float32],
    out: tuple[Floats, Floats, npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int16], Floats],
) -> None:  # pragma: no cover - compiled
    """Grid the radars: the weighted mean of dBZ over those that observe each cell.

    Args:
        columns: distance and azimuth (R, Y, X), reached (R, Y), row of each distance (mosaic_tables).
        radial: places, roots (R, D, L), near (R, D), used (R, D, 2), times (R, D', L) [s], spacing of places (R,).
        polar: gates, slopes (R, N, T), last place of a tilt's rays (R, T), their length (R, T), start of its block in
            `values` (R, T), rows of the block (R, A, T), values: hundredths of dBZ in blocks (1 + rays, 2 + gates),
            whose first row and outer places are unobserved.
        marks: number of levels, codes of unobserved and of no echo, dBZ of no echo, dBZ of a code.
        out: reflectivity, offset, count, quality (Y, X, L), nearest (Y, X), weight (Y, X, L); offset with quality, and
            weight, may be empty instead.
    """
    distance, azimuth, reached, row_of = columns
    places, roots, near, used, times, spacing = radial
    gates, slopes, ends, widths, starts, rays, values = polar
    n_level, unobserved, empty, no_echo, scale = marks
    dbz, offset, count, quality, nearest, weight = out
    n_row, n_col = distance.shape[1:]
    half = (n_row + 1) // 2
    for task in prange(n_row):
        y = 2 * task if task < half else 2 * (task - half) + 1
        block = np.zeros((6, MOST_LEVELS), dtype=np.float32)
        seen = np.zeros((1, 1, MOST_LEVELS), dtype=np.uint16)
        excess = np.zeros(gates.shape[2], dtype=np.float32)
        here = np.flatnonzero(reached[:, y])
        for x in range(n_col):
            shortest, closest = np.uint32(OUT_OF_RANGE), -1
            _clear(block, n_level)
            for i in range(here.size):
                r = here[i]
                step = np.uint32(distance[r, y, x])
                if step == OUT_OF_RANGE:
                    continue
                at = int(row_of[step // np.uint32(ROW_STEPS)])
                first, last = int(used[r, at, 0]), int(used[r, at, 1])
                if first >= last:
                    continue
                strongest, weakest = _gather(
                    excess, r, step, azimuth[r, y, x], first, last, gates, slopes, ends, widths, starts, rays, values,
                    empty, scale,
                )  # fmt: skip
                holes = weakest == unobserved
                if not _what_is_seen(seen, n_level, roots, r, at, places, spacing[r], excess, first, last, holes):
                    continue
                if strongest > empty:
                    _echo(block, n_level, places, r, at, spacing[r], excess, first, last)
                    _add_echo(block, n_level, seen, near[r, at])
                _add_weights(block, n_level, seen, near[r, at], times, r, at // TIME_ROWS)
                if step < shortest:
                    shortest, closest = step, r
            nearest[y, x] = closest
            _finish(block, n_level, y, x, no_echo, dbz, offset, count, quality, weight)


@njit(cache=True, nogil=True, parallel=True, fastmath=_FAST, error_model="numpy")
def fill_alone(
    columns: tuple[Shorts, Shorts, npt.NDArray[np.bool_], Shorts],
    radial: tuple[Shorts, Shorts, Floats, Shorts, Floats, Floats],
    polar: tuple[Floats, Floats, Floats, Ints, Ints, Shorts, npt.NDArray[np.int16]],
    marks: tuple[int, np.int16, np.int16, np.float32, np.float32],
    out: tuple[Floats, Floats, npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int16], Floats],
) -> None:  # pragma: no cover - compiled
    """As `fill`, of a single radar and without quality and weight: nothing is weighed."""
    distance, azimuth, _, row_of = columns
    places, roots, _, used, _, spacing = radial
    gates, slopes, ends, widths, starts, rays, values = polar
    n_level, unobserved, empty, no_echo, scale = marks
    dbz, _, count, _, nearest, _ = out
    for y in prange(distance.shape[1]):
        block = np.zeros((6, MOST_LEVELS), dtype=np.float32)
        seen = np.zeros((1, 1, MOST_LEVELS), dtype=np.uint16)
        excess = np.zeros(gates.shape[2], dtype=np.float32)
        for x in range(distance.shape[2]):
            step = np.uint32(distance[0, y, x])
            at = int(row_of[step // np.uint32(ROW_STEPS)]) if step != OUT_OF_RANGE else 0
            first, last = int(used[0, at, 0]), int(used[0, at, 1])
            nearest[y, x] = -1
            if step == OUT_OF_RANGE or first >= last:
                for z in range(n_level):
                    dbz[y, x, z] = np.float32(np.nan)
                    count[y, x, z] = 0
                continue
            strongest, weakest = _gather(
                excess, 0, step, azimuth[0, y, x], first, last, gates, slopes, ends, widths, starts, rays, values,
                empty, scale,
            )  # fmt: skip
            holes = weakest == unobserved
            if _what_is_seen(seen, n_level, roots, 0, at, places, spacing[0], excess, first, last, holes):
                nearest[y, x] = 0
            if strongest > empty:
                _echo(block, n_level, places, 0, at, spacing[0], excess, first, last)
            else:
                for z in range(n_level):
                    block[_EXCESS, z] = 0
            for z in range(n_level):
                dbz[y, x, z] = block[_EXCESS, z] + no_echo if seen[0, 0, z] > 0 else np.float32(np.nan)
            for z in range(n_level):
                count[y, x, z] = np.uint8(1) if seen[0, 0, z] > 0 else np.uint8(0)


@njit(cache=True, nogil=True, parallel=True)
def of_columns(
    quality: npt.NDArray[np.uint8], offset: Floats
) -> tuple[npt.NDArray[np.uint8], Floats]:  # pragma: no cover - compiled
    """Largest quality, and mean offset of the observed levels (NaN where none), of each column (Y, X, L)."""
    best = np.zeros(quality.shape[:2], dtype=np.uint8)
    mean = np.full(quality.shape[:2], np.nan, dtype=np.float32)
    for y in prange(quality.shape[0]):
        for x in range(quality.shape[1]):
            total, number, most = np.float32(0), 0, np.uint8(0)
            for z in range(quality.shape[2]):
                if quality[y, x, z] > 0:
                    total += offset[y, x, z]
                    number += 1
                    most = max(most, quality[y, x, z])
            best[y, x] = most
            if number > 0:
                mean[y, x] = total / number
    return best, mean
