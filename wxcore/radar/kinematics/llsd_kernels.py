"""Compiled loops of the linear least squares derivatives. What they decide and why: llsd.py. Rays ascend in azimuth."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

SUMS = 5
"""Sums over a stretch of a ray, by `_range_sums`: gates, offsets, squared offsets, values, values times offsets."""
BLOCK = 128
"""Gates fitted at a time: their sums on all rays stay in the processor's cache."""
TOTALS = 10
"""Sums over a kernel, by `_add_ray`: those of SUMS; arcs, their squares, arcs times offsets, times values; rays."""


@numba.njit(cache=True, nogil=True)
def _lower(a: Any, b: Any) -> Any:
    return a if a < b else b


@numba.njit(cache=True, nogil=True)
def _higher(a: Any, b: Any) -> Any:
    return b if a < b else a


@numba.njit(cache=True, nogil=True)
def _middle(a: Any, b: Any, c: Any) -> Any:
    return _higher(_lower(a, b), _lower(_higher(a, b), c))


@numba.njit(cache=True, nogil=True)
def _medians_of_nine(x: Floats, y: Floats, z: Floats, out: Floats) -> None:
    """Median of each gate of the ray `y` and its eight neighbours, by sorted columns; wrong about any NaN.

    The first and last gate are not written. A branch or a check for NaN would keep the loops from being vectorised.
    """
    gates = y.size
    low, mid, high = np.empty(gates, np.float32), np.empty(gates, np.float32), np.empty(gates, np.float32)
    for g in range(gates):
        low[g] = _lower(x[g], _lower(y[g], z[g]))
        high[g] = _higher(x[g], _higher(y[g], z[g]))
        mid[g] = _middle(x[g], y[g], z[g])
    for g in range(1, gates - 1):
        lows = _higher(low[g - 1], _higher(low[g], low[g + 1]))
        highs = _lower(high[g - 1], _lower(high[g], high[g + 1]))
        out[g] = _middle(lows, _middle(mid[g - 1], mid[g], mid[g + 1]), highs)


@numba.njit(cache=True, nogil=True)
def _median_of_nine(w: Floats) -> Any:
    """Median of nine numbers, by three sorted columns."""
    low_a, mid_a, high_a = (
        _lower(w[0], _lower(w[1], w[2])),
        _middle(w[0], w[1], w[2]),
        _higher(w[0], _higher(w[1], w[2])),
    )
    low_b, mid_b, high_b = (
        _lower(w[3], _lower(w[4], w[5])),
        _middle(w[3], w[4], w[5]),
        _higher(w[3], _higher(w[4], w[5])),
    )
    low_c, mid_c, high_c = (
        _lower(w[6], _lower(w[7], w[8])),
        _middle(w[6], w[7], w[8]),
        _higher(w[6], _higher(w[7], w[8])),
    )
    lows, highs = _higher(low_a, _higher(low_b, low_c)), _lower(high_a, _lower(high_b, high_c))
    return _middle(lows, _middle(mid_a, mid_b, mid_c), highs)


@numba.njit(cache=True, nogil=True)
def _median_of_known(window: Floats, holes: Ints) -> Any:
    """Median of nine places of which some are NaN, but not all; the window is spoilt.

    Holes become infinities of both signs in turn, which leaves the others' median in the middle. An odd number of holes
    gives one sign more than the other: done both ways, these are the two middle values, and the median is their mean.
    For an even number both ways are the same.
    """
    missing = 0
    for k in range(9):
        if np.isnan(window[k]):
            holes[missing] = k
            missing += 1
    middle = 0.0
    for sign in (-1, 1):
        for m in range(missing):
            window[holes[m]] = sign * np.inf if m % 2 == 0 else -sign * np.inf
        found = _median_of_nine(window)
        if missing % 2 == 0:
            return np.float64(found)
        middle += found / 2
    return middle


@numba.njit(cache=True, nogil=True)
def _median_along(y: Floats, g: int) -> Any:
    """Median of the known ones of a known gate and its two neighbours on the ray."""
    a = y[g - 1] if g > 0 else np.float32(np.nan)
    b = y[g + 1] if g + 1 < y.size else np.float32(np.nan)
    if np.isnan(a):
        return y[g] if np.isnan(b) else (y[g] + b) / 2
    return (y[g] + a) / 2 if np.isnan(b) else _middle(a, y[g], b)


@numba.njit(cache=True, nogil=True)
def trusted(values: Floats, quality: Bytes, least: int, order: Ints, out: Floats) -> None:
    """Values of at least this quality, rays in the given order; NaN elsewhere."""
    for i in range(order.size):
        row, good, to = values[order[i]], quality[order[i]], out[i]
        for g in range(row.size):
            to[g] = row[g] if good[g] >= least else np.float32(np.nan)


@numba.njit(cache=True, nogil=True)
def median_3x3(
    values: Floats, before: Ints, after: Ints, across: int, wanted: Bools, out: Floats, support: Bytes
) -> None:
    """Median of the known values among a gate and its eight neighbours, and how many of them are known.

    Args:
        values: (ray, gate), NaN unknown; `out` is NaN and `support` 0 where the gate itself is.
        before, after: (ray,) the neighbouring rays, -1 where none.
        across: from this gate on the median is that of three gates of the ray itself.
        wanted: (ray, gate); `out` and `support` of other gates are left as for an unknown one.
    """
    rays, gates = values.shape
    window, holes = np.empty(9, dtype=np.float32), np.empty(9, dtype=np.int64)
    nothing = np.full(gates, np.nan, dtype=np.float32)
    known = np.zeros(gates + 2, np.uint8)  # of the three rays, one gate off
    near = min(max(across, 0) + 1, gates)
    for i in range(rays):
        x = values[before[i]] if before[i] >= 0 else nothing
        z = values[after[i]] if after[i] >= 0 else nothing
        y = values[i]
        for g in range(gates):
            known[g + 1] = 3 - np.isnan(x[g]) - np.isnan(y[g]) - np.isnan(z[g])
        _medians_of_nine(x[:near], y[:near], z[:near], out[i, :near])
        for g in range(gates):
            if np.isnan(y[g]) or not wanted[i, g]:
                out[i, g], support[i, g] = np.nan, 0
                continue
            n = known[g] + known[g + 1] + known[g + 2]
            support[i, g] = n
            if g >= across:
                out[i, g] = _median_along(y, g)
            elif n < 9:
                window[:] = np.nan
                for k in range(max(g - 1, 0), min(g + 2, gates)):
                    at = 3 * (k - g + 1)
                    window[at], window[at + 1], window[at + 2] = x[k], y[k], z[k]
                out[i, g] = _median_of_known(window, holes)


@numba.njit(cache=True, nogil=True)
def _range_sums(values: Floats, begin: int, half: int, padded: Floats, sums: Floats) -> None:
    """Sums over the known gates of a ray within `half` gates of each gate from `begin` on; offsets in gates from it.

    Args:
        values: (gate,), NaN unknown.
        padded: (2, BLOCK + 2 half) room for the ray's values and which are known.
        sums: (SUMS * BLOCK,), written; gates beyond the ray's last are unknown.
    """
    one, none = np.float32(1), np.float32(0)
    known, value = padded[0], padded[1]
    known[:] = 0
    value[:] = 0
    for k in range(max(half - begin, 0), min(BLOCK + 2 * half, values.size - begin + half)):
        v = values[begin - half + k]
        sound = not np.isnan(v)
        known[k], value[k] = one if sound else none, v if sound else none
    sums[:] = 0
    for k in range(2 * half + 1):
        t = np.float32(k - half)
        m, v = known[k : k + BLOCK], value[k : k + BLOCK]
        for g in range(BLOCK):
            sums[g] += m[g]
            sums[g + BLOCK] += t * m[g]
            sums[g + 2 * BLOCK] += t * t * m[g]
            sums[g + 3 * BLOCK] += v[g]
            sums[g + 4 * BLOCK] += t * v[g]


@numba.njit(cache=True, nogil=True)
def _neighbours(azimuth: Doubles, i: int, side: int, widest: float, index: Ints, angle: Floats) -> int:
    """Rays within `widest` of ray i on one side (1 or -1), nearest first: indices, signed angles [rad], how many."""
    rays, n = azimuth.size, 0
    for d in range(1, rays):
        j = i + side * d
        j += rays if j < 0 else -rays if j >= rays else 0
        turn = side * (azimuth[j] - azimuth[i])
        turn += 2 * np.pi if turn < 0 else 0.0
        if turn > widest:
            break
        index[n], angle[n] = j, side * turn
        n += 1
    return n


@numba.njit(cache=True, nogil=True)
def _add_ray(sums: Floats, arc: Floats, step: Any, a: Any, end: int, total: Floats) -> None:
    """Add a ray's sums to those of kernels whose middle lies `a` [rad] beside it, for gates before `end`.

    Args:
        sums: (SUMS * BLOCK,); total: (TOTALS * BLOCK,). One array with known strides, and no branch: this loop is
            vectorised without a check of what overlaps.
    """
    one = np.float32(1)
    for g in range(end):
        n, r, rr = sums[g], sums[g + BLOCK], sums[g + 2 * BLOCK]
        u, ur = sums[g + 3 * BLOCK], sums[g + 4 * BLOCK]
        along, along_r = arc[g] * n + step * r, arc[g] * r + step * rr
        total[g] += n
        total[g + BLOCK] += r
        total[g + 2 * BLOCK] += rr
        total[g + 3 * BLOCK] += u
        total[g + 4 * BLOCK] += ur
        total[g + 5 * BLOCK] += a * along
        total[g + 6 * BLOCK] += a * a * (arc[g] * along + step * along_r)
        total[g + 7 * BLOCK] += a * along_r
        total[g + 8 * BLOCK] += a * (arc[g] * u + step * ur)
        total[g + 9 * BLOCK] += one


@numba.njit(cache=True, nogil=True)
def _reached(reach: Doubles, angle: float, begin: int, end: int) -> int:
    """From this gate of a stretch on, kernels are narrower than `angle`; `reach` descends."""
    while begin < end:
        middle = (begin + end) // 2
        if reach[middle] >= angle:
            begin = middle + 1
        else:
            end = middle
    return begin


@numba.njit(cache=True, nogil=True)
def _add_rays(
    sums: Floats, azimuth: Doubles, i: int, arc: Floats, step: Any, reach: Doubles, span: tuple[int, int], total: Floats
) -> None:
    """`total` of the kernels about the gates of a span of ray i.

    reach: (gate,) half-width of the kernel [rad], descending.
    """
    begin, end = span
    index, angle = np.empty(azimuth.size, np.int64), np.empty(azimuth.size, np.float32)
    total[:] = 0
    _add_ray(sums[i], arc, step, np.float32(0), end, total)
    for side in (-1, 1):
        to = end
        for d in range(_neighbours(azimuth, i, side, reach[begin], index, angle)):
            to = _reached(reach, abs(angle[d]), begin, to)
            _add_ray(sums[index[d]], arc, step, angle[d], to, total)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _slopes(
    total: Floats, whole: tuple[Any, Any, Floats], least: tuple[Any, Any, Any], across: bool, end: int, out: Floats
) -> None:
    """u_s [per km] or u_r [per gate] from kernels' sums, for gates before `end`; NaN where they hold too little.

    Args:
        total: from `_add_ray`.
        whole: of a whole kernel gates on a ray, variance of offsets along the ray, and (gate,) of arcs.
    """
    unknown = np.float32(np.nan)
    for g in range(end):
        n, r, rr, u, ur = total[g], total[g + BLOCK], total[g + 2 * BLOCK], total[g + 3 * BLOCK], total[g + 4 * BLOCK]
        s, ss, sr, us = total[g + 5 * BLOCK], total[g + 6 * BLOCK], total[g + 7 * BLOCK], total[g + 8 * BLOCK]
        c_rr, c_ss, c_rs = rr - r * r / n, ss - s * s / n, sr - s * r / n
        determinant = c_rr * c_ss - c_rs * c_rs
        enough = n / (total[g + 9 * BLOCK] * whole[0]) >= least[0]
        enough &= (c_rr >= least[1] * n * whole[1]) & (c_ss >= least[1] * n * whole[2][g])
        enough &= determinant > least[2] * c_rr * c_ss
        c_ur, c_us = ur - u * r / n, us - u * s / n
        slope = c_rr * c_us - c_rs * c_ur if across else c_ss * c_ur - c_rs * c_us
        out[g] = slope / determinant if enough else unknown


@numba.njit(cache=True, nogil=True)
def _span(wanted: Bools) -> tuple[int, int]:
    """First wanted gate and the one after the last; empty where there is none."""
    begin, end = 0, wanted.size
    while begin < end and not wanted[begin]:
        begin += 1
    while end > begin and not wanted[end - 1]:
        end -= 1
    return begin, end


@numba.njit(cache=True, nogil=True)
def fit(
    values: Floats, azimuth: Doubles, geometry: Doubles, widths: Doubles, least: Doubles, wanted: Bools, across: bool,
    out: Floats,
) -> None:  # fmt: skip
    """Slope of the least squares plane u0 + u_r dr + u_s ds about each wanted gate; `out` is NaN elsewhere.

    Args:
        values: (ray, gate) [m s-1], NaN unknown.
        azimuth: (ray,) ascending [rad, 0 to 2 pi].
        geometry: (first gate [m], distance of gates [m], cosine of the elevation, half-width along the ray in gates).
        widths: half-width in azimuth [m], narrowest and widest half-width [rad].
        least: part of the kernel's gates that must be known; variance of their offsets in each direction as a part of
            a full kernel's; 1 - squared correlation of the two offsets.
        wanted: (ray, gate), False where nothing is asked.
        across: u_s, else u_r.
        out: (ray, gate) [s-1], written.
    """
    rays, gates = wanted.shape
    half = int(geometry[3])
    # kilometres of arc: their squares stay small, and so do the errors of float32
    arcs = ((geometry[0] + np.arange(gates) * geometry[1]) * geometry[2] / 1000).astype(np.float32)
    step = np.float32(geometry[1] * geometry[2] / 1000)
    # ranges ascend, so kernels narrow
    reaches = np.minimum(np.maximum(widths[0] / 1000 / np.maximum(arcs, np.float32(1e-6)), widths[1]), widths[2])
    spreads = ((reaches * arcs) ** 2 / 3).astype(np.float32)
    needed = (np.float32(least[0]), np.float32(least[1]), np.float32(least[2]))
    whole = np.float32(2 * half + 1), np.float32(half * (half + 1) / 3)
    unit = 1 / 1000 if across else 1 / geometry[1]
    sums, total = np.empty((rays, SUMS * BLOCK), np.float32), np.empty(TOTALS * BLOCK, np.float32)
    slopes = np.empty(BLOCK, np.float32)
    padded, spans = np.empty((2, BLOCK + 2 * half), np.float32), np.empty((rays, 2), np.int64)
    out[:] = np.nan
    for first in range(0, gates, BLOCK):
        asked = False
        for i in range(rays):
            spans[i, 0], spans[i, 1] = _span(wanted[i, first : first + BLOCK])
            asked |= spans[i, 0] < spans[i, 1]
        if not asked:
            continue
        for i in range(rays):
            _range_sums(values[i], first, half, padded, sums[i])
        arc, reach, spread = arcs[first : first + BLOCK], reaches[first : first + BLOCK], spreads[first : first + BLOCK]
        for i in range(rays):
            begin, end = spans[i, 0], spans[i, 1]
            if begin == end:
                continue
            _add_rays(sums, azimuth, i, arc, step, reach, (begin, end), total)
            _slopes(total, (whole[0], whole[1], spread), needed, across, end, slopes)
            for g in range(begin, end):
                if wanted[i, first + g] and arc[g] > 0:
                    out[i, first + g] = unit * slopes[g]
