"""Inner loops of cloud motion and of nested contours. Rules: cloud_motion.py and storms/clouds.py; here is only speed.

No constant of a rule is written here: numba's cache does not notice a change in another module, so everything comes in
as an argument.
"""

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

OFF, WHOLE = -1, 1
"""Level of a cell outside of all contours; row of `state` that holds whole figures."""


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
def _correlation(  # noqa: PLR0913, PLR0917
    now: Floats, known_now: Floats, before: Floats, known_before: Floats,
    box: tuple[int, int, int, int], dy: int, dx: int, least_share: float, least_variance: float,
) -> float:  # fmt: skip
    """Correlation of the box (row, column, height, width) of `now` with the place it came from, over the cells known in
    both; -1 where these are too few, or flat. Unknown cells hold 0."""
    row, column, height, width = box
    low, high = max(column, dx), min(column + width, before.shape[1] + dx)
    n, x, y, xx, yy, xy = np.zeros(6)
    for i in range(max(row, dy), min(row + height, before.shape[0] + dy)):
        s0, s1, s2 = np.float32(0), np.float32(0), np.float32(0)
        s3, s4, s5 = np.float32(0), np.float32(0), np.float32(0)
        for j in range(low, high):
            ma, mb = known_now[i, j], known_before[i - dy, j - dx]
            a, b = now[i, j] * mb, before[i - dy, j - dx] * ma
            s0 += ma * mb
            s1 += a
            s2 += b
            s3 += a * a
            s4 += b * b
            s5 += a * b
        n, x, y, xx, yy, xy = n + s0, x + s1, y + s2, xx + s3, yy + s4, xy + s5
    if n < least_share * height * width:
        return -1.0
    spread_now, spread_before = xx / n - (x / n) ** 2, yy / n - (y / n) ** 2
    if spread_now < least_variance or spread_before < least_variance:
        return -1.0
    return float((xy / n - x * y / n**2) / np.sqrt(spread_now * spread_before))


@numba.njit(cache=True, nogil=True, parallel=True)
def correlations(  # noqa: PLR0913, PLR0917
    now: Floats, known_now: Floats, before: Floats, known_before: Floats, places: Longs, size: tuple[int, int],
    guess: Longs, reach: tuple[int, int], least_share: float, least_variance: float,
) -> Doubles:  # fmt: skip
    """Correlation of each block of `now` with `before`, for every displacement about a guess.

    Args:
        now, before: (row, column), 0 where unknown; known_now, known_before: 1 where known, else 0.
        places: (block, 2) first row and column; size: rows and columns of a block.
        guess: (block, 2) displacement in cells (row, column) from `before` to `now`.
        reach: displacements in rows and columns about the guess.

    Returns:
        (block, 2 reach + 1, 2 reach + 1); -1 where it cannot be told.
    """
    ny, nx = 2 * reach[0] + 1, 2 * reach[1] + 1
    out = np.full((places.shape[0], ny, nx), -1.0)
    for task in numba.prange(places.shape[0] * ny):
        block, k = task // ny, task % ny
        box = (places[block, 0], places[block, 1], size[0], size[1])
        dy = guess[block, 0] + k - reach[0]
        for m in range(nx):
            dx = guess[block, 1] + m - reach[1]
            out[block, k, m] = _correlation(
                now, known_now, before, known_before, box, dy, dx, least_share, least_variance
            )
    return out


@numba.njit(cache=True, nogil=True)
def _root(parent: Ints, p: int) -> int:
    while parent[p] != p:
        parent[p] = parent[parent[p]]
        p = parent[p]
    return p


@numba.njit(cache=True, nogil=True)
def _stands_out(root: int, lowest: Ints, state: Doubles, values: Floats, edge: float, limits: Doubles) -> bool:
    """Was the contour at `edge` [K], one level colder than now, a cell: not closed, deep and large enough?"""
    if state[2, root] > 0 or state[0, root] < limits[1]:
        return False
    return bool(edge - values[lowest[root]] >= limits[0])


@numba.njit(cache=True, nogil=True)
def _ordered(level: Ints) -> Longs:
    """Cells of level 0 and more, by level, then by place."""
    starts = np.zeros(level.max() + 2, dtype=np.int64)
    for p in range(level.size):
        if level[p] >= 0:
            starts[level[p] + 1] += 1
    starts = np.cumsum(starts)
    order = np.empty(starts[-1], dtype=np.int64)
    for p in range(level.size):
        if level[p] >= 0:
            order[starts[level[p]]] = p
            starts[level[p]] += 1
    return order


@numba.njit(cache=True, nogil=True)
def _record(found: Longs, place: int, level: int) -> None:
    """Append to `found`, whose first row holds how many follow."""
    found[0, 0] += 1
    found[found[0, 0], 0], found[found[0, 0], 1] = place, level


@numba.njit(cache=True, nogil=True)
def _meet(  # noqa: PLR0913, PLR0917
    a: int, b: int, now: int, parent: Ints, lowest: Ints, stamp: Ints, state: Doubles, values: Floats, limits: Doubles,
    found: Longs,
) -> None:  # fmt: skip
    """Join two components that touch at level `now`."""
    edge = limits[3] + now * limits[4]
    for r in (a, b):
        if stamp[r] != now:
            state[0, r], stamp[r] = state[WHOLE, r], now
    stands_a = _stands_out(a, lowest, state, values, edge, limits)
    stands_b = _stands_out(b, lowest, state, values, edge, limits)
    closed = state[2, a] > 0 or state[2, b] > 0 or (stands_a and stands_b)
    if closed and stands_a:
        _record(found, lowest[a], now - 1)
    if closed and stands_b:
        _record(found, lowest[b], now - 1)
    one, two = values[lowest[a]], values[lowest[b]]
    deeper = one < two or (one == two and lowest[a] < lowest[b])
    keep = a if (stands_a and not stands_b) or (stands_a == stands_b and deeper) else b
    before, low, area = state[0, keep], lowest[keep], state[WHOLE, a] + state[WHOLE, b]
    top, under = (a, b) if state[WHOLE, a] >= state[WHOLE, b] else (b, a)
    parent[under] = top
    lowest[top], state[0, top], state[WHOLE, top] = low, before, area
    state[2, top] = 1.0 if closed else 0.0
    if not closed and area > limits[2]:
        if _stands_out(top, lowest, state, values, edge, limits):
            _record(found, low, now - 1)
        state[2, top] = 1.0


@numba.njit(cache=True, nogil=True)
def nested_contours(level: Ints, values: Floats, columns: int, row_area: Doubles, limits: Doubles) -> Longs:
    """Warmest contours about one significant minimum each, (cell, 2): a place in it, and its level.

    Cells are added from cold to warm and joined with their neighbours (union-find, Najman & Couprie 2006). Where two
    components that both stand out meet, each closes at the level before; where one meets a closed one, or grows beyond
    the largest area, it closes too.

    Args:
        level: (cell,) contour level, ascending with warmth, OFF outside of all.
        values: (cell,) [K]; columns: cells a row; row_area: area of a cell by row [km2].
        limits: least relief [K], least and largest area [km2], then the temperature of level -1 and the step [K].
    """
    order = _ordered(level)
    parent = np.full(level.size, -1, dtype=np.int32)
    lowest, stamp = np.zeros(level.size, dtype=np.int32), np.zeros(level.size, dtype=np.int32)
    state = np.zeros((3, level.size))  # area at the level before, area, closed
    found = np.empty((order.size + 1, 2), dtype=np.int64)
    found[0, 0] = 0
    for p in order:
        parent[p], lowest[p], stamp[p] = p, p, level[p]
        state[WHOLE, p] = row_area[p // columns]
        for k in range(4):
            q = p + (1, -1, columns, -columns)[k]
            beside = k > 1 or (q // columns == p // columns)
            if q < 0 or q >= level.size or not beside or parent[q] < 0:
                continue
            a, b = _root(parent, p), _root(parent, q)
            if a != b:
                _meet(a, b, level[p], parent, lowest, stamp, state, values, limits, found)
    last = level.max()
    for p in order:
        if parent[p] == p:
            state[0, p] = state[WHOLE, p]
            if _stands_out(p, lowest, state, values, limits[3] + (last + 1) * limits[4], limits):
                _record(found, lowest[p], last)
    return found[1 : found[0, 0] + 1]


@numba.njit(cache=True, nogil=True)
def fill(level: Ints, columns: int, contours: Longs) -> Ints:
    """Labels 1.. of the contours (place, level), 0 elsewhere: all cells joined to the place over edges at that level or
    a colder one."""
    labels = np.zeros(level.size, dtype=np.int32)
    stack = np.empty(level.size, dtype=np.int32)
    for number in range(contours.shape[0]):
        stack[0], size = contours[number, 0], 1
        labels[stack[0]] = number + 1
        while size:
            size -= 1
            p = stack[size]
            for k in range(4):
                q = p + (1, -1, columns, -columns)[k]
                beside = k > 1 or (q // columns == p // columns)
                if q < 0 or q >= level.size or not beside or labels[q] or level[q] < 0:
                    continue
                if level[q] <= contours[number, 1]:
                    labels[q] = number + 1
                    stack[size] = q
                    size += 1
    return labels
