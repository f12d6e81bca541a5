"""Compiled loops that judge unfolded velocities. What they decide and why: unfold.py."""

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@numba.njit(cache=True, nogil=True)
def _agreement(
    before: Floats, own: Floats, after: Floats, near: float, bend: float, along: Floats, counts: Floats
) -> None:
    """Weigh the neighbours of each gate of ray `own`, whose rays have a gate of NaN at both ends.

    A neighbour agrees that differs by less than `near`; and so do two opposite ones whose mean differs by less than
    `bend`, for in a steep gradient, as in a vortex, neighbours differ, but evenly. The two on the same ray weigh
    `along`, the others 1.

    Args:
        counts: (3, gate) out: weight of the neighbours with a value, of those that agree, and the part of the pairs of
            opposite neighbours that are even.
    """
    close, twice = np.float32(near), np.float32(2 * bend)
    one, none = np.float32(1), np.float32(0)
    present, agree, even = counts[0], counts[1], counts[2]
    a, b, c, d, middle = before[:-2], before[1:-1], before[2:], own[:-2], own[1:-1]
    h, g, f, e = after[2:], after[1:-1], after[:-2], own[2:]
    for k in range(middle.size):  # selects instead of branches: this loop is vectorised
        v, w = middle[k], along[k]
        a1, b1, c1, d1 = a[k] - v, b[k] - v, c[k] - v, d[k] - v
        a2, b2, c2, d2 = h[k] - v, g[k] - v, f[k] - v, e[k] - v
        a4, b4, c4, d4 = abs(a1 + a2), abs(b1 + b2), abs(c1 + c2), abs(d1 + d2)
        a3, b3, c3, d3 = a4 < twice, b4 < twice, c4 < twice, d4 < twice
        pairs = one if a4 == a4 else none  # noqa: PLR0124
        pairs += one if b4 == b4 else none  # noqa: PLR0124
        pairs += one if c4 == c4 else none  # noqa: PLR0124
        pairs += one if d4 == d4 else none  # noqa: PLR0124
        even[k] = ((one if a3 else none) + (one if b3 else none) + (one if c3 else none) + (one if d3 else none)) / max(
            pairs, one
        )
        n = one if a1 == a1 else none  # noqa: PLR0124
        n += one if b1 == b1 else none  # noqa: PLR0124
        n += one if c1 == c1 else none  # noqa: PLR0124
        n += w if d1 == d1 else none  # noqa: PLR0124
        n += one if a2 == a2 else none  # noqa: PLR0124
        n += one if b2 == b2 else none  # noqa: PLR0124
        n += one if c2 == c2 else none  # noqa: PLR0124
        n += w if d2 == d2 else none  # noqa: PLR0124
        m = one if (abs(a1) < close) | a3 else none
        m += one if (abs(b1) < close) | b3 else none
        m += one if (abs(c1) < close) | c3 else none
        m += w if (abs(d1) < close) | d3 else none
        m += one if (abs(a2) < close) | a3 else none
        m += one if (abs(b2) < close) | b3 else none
        m += one if (abs(c2) < close) | c3 else none
        m += w if (abs(d2) < close) | d3 else none
        present[k], agree[k] = n, m


@numba.njit(cache=True, nogil=True)
def _load(x: Floats, fold: Ints, i: int, scale: float, values: Floats, padded: Floats) -> None:
    """Unfold ray i [m s-1], and put it between the ends of `padded`."""
    own, turns, to, inner, turn = x[i], fold[i], values[i], padded[1:-1], np.float32(scale)
    for g in range(own.size):
        to[g] = inner[g] = (own[g] + np.float32(turns[g])) * turn


@numba.njit(cache=True, nogil=True, error_model="numpy")
def judge(  # noqa: PLR0913, PLR0917
    x: Floats, fold: Ints, known: Bytes, joined: Bools, trust: Floats, label: Ints, expected: Floats, turn: float,
    along: Floats, limits: tuple[float, float, float, float, float, int], values: Floats, quality: Bytes,
) -> tuple[int, int]:  # fmt: skip
    """Velocity [m s-1] and quality [%] of each gate.

    Args:
        known: how the fold of each gate was found; 0 where it was not.
        trust: (region + 1,) 0..1 by size; the last is for gates without a region.
        turn: twice the Nyquist velocity [m s-1].
        along: (gate,) weight of a neighbour on the same ray; others weigh 1.
        limits: neighbours that differ less, in folds, agree, and opposite ones whose mean does less than the second;
            factor of quality for gates that no neighbour knows; for those that what is expected contradicts; what is
            faster [m s-1] is not believed; what `known` is where no neighbour said it.

    Returns:
        Number of gates, and of those with neighbours that neither a neighbour nor what is expected contradicts.
    """
    rays, gates = x.shape
    scale, half, one, hundred = np.float32(turn), np.float32(turn / 2), np.float32(1), np.float32(100)
    near, bend, settled = limits[0] * turn, limits[1] * turn, limits[5]
    lonely, contrary, fastest = np.float32(limits[2]), np.float32(limits[3]), np.float32(limits[4])
    rows, nothing = np.full((3, gates + 2), np.float32(np.nan)), np.full(gates + 2, np.float32(np.nan))
    counts = np.empty((3, gates), np.float32)
    valued, sound = 0, 0
    if rays > 0:
        _load(x, fold, rays - 1, turn, values, rows[2])
        _load(x, fold, 0, turn, values, rows[0])
    for i in range(rays):
        after = (i + 1) % rays
        _load(x, fold, after, turn, values, rows[(i + 1) % 3])
        _agreement(
            rows[(i + 2) % 3] if joined[i] else nothing, rows[i % 3], rows[(i + 1) % 3] if joined[after] else nothing,
            near, bend, along, counts,
        )  # fmt: skip
        present, agree, even = counts[0], counts[1], counts[2]
        for g in range(gates):
            quality[i, g] = 0
            v = values[i, g]
            if np.isnan(v):
                continue
            valued += 1
            if not known[i, g]:
                continue
            against = abs(expected[i, g] * scale - v) > half
            part = agree[g] / present[g] if present[g] > 0 else lonely
            area = label[i, g]
            q = trust[area] * part * part
            q += 0 if area >= 0 else (one - trust[area]) * even[g] ** 4 * part * part
            q *= lonely if known[i, g] == settled else one
            q *= contrary if against else one
            quality[i, g] = np.uint8(hundred * q) if abs(v) <= fastest else 0
            sound += (present[g] > 0) & (agree[g] == present[g]) & (not against)
    return valued, sound
