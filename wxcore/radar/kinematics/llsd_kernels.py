"""Compiled loops of the linear least squares derivatives. What they decide and why: llsd.py. Rays ascend in azimuth."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Numbers = tuple[Any, ...]

SUMS = 5
"""Sums over a stretch of a ray, by `range_sums`: gates, offsets, squared offsets, values, values times offsets."""


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
        middle += _median_of_nine(window) / 2
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
def median_3x3(values: Floats, before: Ints, after: Ints, across: int, out: Floats, support: Bytes) -> None:
    """Median of the known values among a gate and its eight neighbours, and how many of them are known.

    Args:
        values: (ray, gate), NaN unknown; `out` is NaN and `support` 0 where the gate itself is.
        before, after: (ray,) the neighbouring rays, -1 where none.
        across: from this gate on the median is that of three gates of the ray itself.
    """
    rays, gates = values.shape
    window, holes = np.empty(9, dtype=np.float32), np.empty(9, dtype=np.int64)
    nothing = np.full(gates, np.nan, dtype=np.float32)
    known = np.zeros(gates + 2, np.int64)  # of the three rays, one gate off
    for i in range(rays):
        x = values[before[i]] if before[i] >= 0 else nothing
        z = values[after[i]] if after[i] >= 0 else nothing
        y = values[i]
        for g in range(gates):
            known[g + 1] = 3 - np.isnan(x[g]) - np.isnan(y[g]) - np.isnan(z[g])
        _medians_of_nine(x, y, z, out[i])
        for g in range(gates):
            if np.isnan(y[g]):
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
def range_sums(values: Floats, half: int, sums: Floats) -> None:
    """Sums over the known gates within `half` gates of each gate of its ray; offsets in gates from it.

    Args:
        values: (ray, gate), NaN unknown.
        sums: (ray, gate, SUMS), written.
    """
    rays, gates = values.shape
    for i in range(rays):
        n, t, tt, u, ut = 0, 0, 0, 0.0, 0.0
        for g in range(-half, gates):
            # the middle moves on by one gate: all offsets shrink by one
            tt, ut = tt - 2 * t + n, ut - u
            t -= n
            if g > half:
                v = np.float64(values[i, g - half - 1])
                if not np.isnan(v):
                    n, t, tt = n - 1, t + (half + 1), tt - (half + 1) * (half + 1)
                    u, ut = u - v, ut + (half + 1) * v
            if g + half < gates:
                v = np.float64(values[i, g + half])
                if not np.isnan(v):
                    n, t, tt = n + 1, t + half, tt + half * half
                    u, ut = u + v, ut + half * v
            if n == 0:
                u, ut = 0.0, 0.0  # leaves no rounding behind
            if g >= 0:
                sums[i, g, 0], sums[i, g, 1], sums[i, g, 2], sums[i, g, 3], sums[i, g, 4] = n, t, tt, u, ut


@numba.njit(cache=True, nogil=True)
def _neighbours(azimuth: Doubles, i: int, side: int, widest: float, index: Ints, angle: Floats) -> int:
    """Rays within `widest` of ray i on one side (1 or -1), nearest first: indices, signed angles [rad], how many."""
    rays, n = azimuth.size, 0
    for d in range(1, rays):
        j = (i + side * d) % rays
        turn = (side * (azimuth[j] - azimuth[i])) % (2 * np.pi)
        if turn > widest:
            break
        index[n], angle[n] = j, side * turn
        n += 1
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _slopes(total: Numbers, full_r: Any, full_s: Any, least: Numbers, across: bool) -> Any:
    """u_s [per km] or u_r [per gate] from a kernel's sums; NaN where they hold too little.

    Args:
        total: part of the kernel known; gates, r, r r, u, u r, s, s s, s r, u s summed.
        full_r, full_s: variance of a whole kernel's offsets.
    """
    part, n, r, rr, u, ur, s, ss, sr, us = total
    c_rr, c_ss, c_rs = rr - r * r / n, ss - s * s / n, sr - s * r / n
    determinant = c_rr * c_ss - c_rs * c_rs
    if part < least[0] or c_rr < least[1] * n * full_r or c_ss < least[1] * n * full_s:
        return np.nan
    if not determinant > least[2] * c_rr * c_ss:
        return np.nan
    c_ur, c_us = ur - u * r / n, us - u * s / n
    return (c_rr * c_us - c_rs * c_ur if across else c_ss * c_ur - c_rs * c_us) / determinant


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fit(
    sums: Floats, azimuth: Doubles, geometry: Doubles, widths: Doubles, least: Doubles, wanted: Bytes, across: bool,
    out: Floats,
) -> None:  # fmt: skip
    """Slope of the least squares plane u0 + u_r dr + u_s ds about each wanted gate; `out` is NaN elsewhere.

    Args:
        sums: (ray, gate, SUMS) from `range_sums`.
        azimuth: (ray,) ascending [rad, 0 to 2 pi].
        geometry: (first gate [m], distance of gates [m], cosine of the elevation, `half` of `range_sums`).
        widths: half-width in azimuth [m], narrowest and widest half-width [rad].
        least: part of the kernel's gates that must be known; variance of their offsets in each direction as a part of
            a full kernel's; 1 - squared correlation of the two offsets.
        wanted: (ray, gate), 0 where nothing is asked.
        across: u_s, else u_r.
        out: (ray, gate) [s-1], written.
    """
    rays, gates = wanted.shape
    half = int(geometry[3])
    # kilometres of arc: their squares stay small, and so do the errors of float32
    arc = ((geometry[0] + np.arange(gates) * geometry[1]) * geometry[2] / 1000).astype(np.float32)
    step = np.float32(geometry[1] * geometry[2] / 1000)
    reach = np.minimum(np.maximum(widths[0] / 1000 / np.maximum(arc, np.float32(1e-6)), widths[1]), widths[2])
    needed = (np.float32(least[0]), np.float32(least[1]), np.float32(least[2]))
    unit = 1 / 1000 if across else 1 / geometry[1]
    index, angle, count = np.empty((2, rays), np.int64), np.empty((2, rays), np.float32), np.zeros(2, np.int64)
    for i in range(rays):
        out[i] = np.nan
        count[0] = _neighbours(azimuth, i, -1, widths[2], index[0], angle[0])
        count[1] = _neighbours(azimuth, i, 1, widths[2], index[1], angle[1])
        for g in range(gates):
            if not wanted[i, g] or not arc[g] > 0:
                continue
            n, r, rr, u, ur = sums[i, g, 0], sums[i, g, 1], sums[i, g, 2], sums[i, g, 3], sums[i, g, 4]
            s, ss, sr, us = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for side in range(2):
                # ranges ascend, so the kernel narrows: a ray once outside stays so
                while count[side] > 0 and abs(angle[side, count[side] - 1]) > reach[g]:
                    count[side] -= 1
                for d in range(count[side]):
                    a = angle[side, d]
                    k = sums[index[side, d], g]
                    n, r, rr, u, ur = n + k[0], r + k[1], rr + k[2], u + k[3], ur + k[4]
                    along, along_r = arc[g] * k[0] + step * k[1], arc[g] * k[1] + step * k[2]
                    s, sr, ss = s + a * along, sr + a * along_r, ss + a * a * (arc[g] * along + step * along_r)
                    us += a * (arc[g] * k[3] + step * k[4])
            part = n / np.float32((1 + count[0] + count[1]) * (2 * half + 1))
            full_s = np.float32((reach[g] * arc[g]) ** 2 / 3)
            total = (part, n, r, rr, u, ur, s, ss, sr, us)
            out[i, g] = unit * _slopes(total, np.float32(half * (half + 1) / 3), full_s, needed, across)
