"""Loops of the spatial consistency test: optimal interpolation of each station from its box, without itself."""

import numba
import numpy as np
import numpy.typing as npt

from wxcore.station.solve_kernels import solve

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]
Bits = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

NOISE = 0.5
"""Variance of an observation over that of the background (eps2 of Lussana et al. 2010) [M]."""
LEAST_KM, MOST_KM = 10.0, 50.0
"""Range of the horizontal scale: the mean distance in the box, within these [our choice]."""
SCALE_M = 200.0
"""Vertical scale [M, Lussana et al. 2010]."""
SLOPE_PRIOR_M = 100.0
"""The box's own lapse rate counts as its spread of elevation is large against this, else the given [our choice]."""


@numba.njit(cache=True, nogil=True)
def members(x: Doubles, elevation: Floats, near: Indices, size: int) -> Bits:
    """Bits of those of the nearest `size` that report; 0 for a station that does not report itself."""
    out = np.zeros(x.size, np.uint32)
    for s in range(x.size):
        if np.isnan(x[s]) or np.isnan(elevation[s]):
            continue
        bits = np.uint32(0)
        for k in range(size):
            b = near[s, k]
            if b < 0:
                break
            if not (np.isnan(x[b]) or np.isnan(elevation[b])):
                bits |= np.uint32(1) << np.uint32(k)
        out[s] = bits
    return out


@numba.njit(cache=True, nogil=True)
def renew(
    now: Bits, used: Bits, near: Indices, km: Floats, xyz: Doubles, elevation: Floats, weight: Floats, variance: Floats
) -> None:
    """Solves (S + NOISE I) w = s by Cholesky for each station whose members changed; `used` becomes `now`."""
    size = weight.shape[1]
    box, matrix, right = np.zeros(size, np.int64), np.zeros((size, size)), np.zeros(size)
    for s in range(now.size):
        if now[s] == used[s]:
            continue
        used[s], weight[s], variance[s] = now[s], 0, 1 + NOISE
        n, total = 0, 0.0
        for k in range(size):
            if now[s] >> np.uint32(k) & np.uint32(1):
                box[n], n, total = k, n + 1, total + km[s, k]
        if not n:
            continue
        scale = min(max(total / n, LEAST_KM), MOST_KM)
        for i in range(n):
            a = near[s, box[i]]
            rise = (elevation[a] - elevation[s]) / SCALE_M
            right[i] = np.exp(-0.5 * (km[s, box[i]] / scale) ** 2 - 0.5 * rise * rise)
            for j in range(i + 1):
                b = near[s, box[j]]
                square = 0.0
                for c in range(3):
                    square += (xyz[a, c] - xyz[b, c]) ** 2
                rise = (elevation[a] - elevation[b]) / SCALE_M
                matrix[i, j] = np.exp(-0.5 * square / (scale * scale) - 0.5 * rise * rise)
            matrix[i, i] = 1 + NOISE
        explained = solve(matrix, right, n)
        variance[s] = 1 + NOISE - explained
        for i in range(n):
            weight[s, box[i]] = right[i]


@numba.njit(cache=True, nogil=True)
def residuals(  # noqa: PLR0917, PLR0913
    x: Doubles, elevation: Floats, near: Indices, now: Bits, weight: Floats, variance: Floats, lapse: float,
    clip: float, fewest: int, only: Mask, out: Doubles,
) -> None:  # fmt: skip
    """Observation minus estimate without it, over the square root of its variance; NaN where the box is too small.

    The background is a line in elevation: slope of the box (least squares of departures clipped to `clip`, drawn to
    `lapse` [per m]), level as _level says.
    """
    size = weight.shape[1]
    value, height, part = np.zeros(size), np.zeros(size), np.zeros(size)
    for s in range(x.size):
        if not only[s]:
            continue
        out[s] = np.nan
        n = 0
        mean_z = 0.0
        for k in range(size):
            if now[s] >> np.uint32(k) & np.uint32(1):
                b = near[s, k]
                height[n] = elevation[b] - elevation[s]
                value[n] = x[b] - x[s] - lapse * height[n]
                part[n] = weight[s, k]
                mean_z += height[n]
                n += 1
        if n < fewest:
            continue
        mean_z /= n
        middle = _level(value, n, clip)
        cross, square = 0.0, n * SLOPE_PRIOR_M**2
        for i in range(n):
            cross += (height[i] - mean_z) * min(max(value[i] - middle, -clip), clip)
            square += (height[i] - mean_z) ** 2
        slope = cross / square
        for i in range(n):
            value[i] -= slope * height[i]
        middle = _level(value, n, clip)
        estimate = middle
        for i in range(n):
            estimate += part[i] * (value[i] - middle)
        out[s] = -estimate / np.sqrt(variance[s])


@numba.njit(cache=True, nogil=True)
def _level(values: Doubles, n: int, clip: float) -> float:
    """Mean of the first n, none farther than `clip` from the plain mean: one outlier moves it little."""
    mean, rest = 0.0, 0.0
    for i in range(n):
        mean += values[i]
    mean /= n
    for i in range(n):
        rest += min(max(values[i] - mean, -clip), clip)
    return mean + rest / n


@numba.njit(cache=True, nogil=True)
def _median(values: Doubles, n: int) -> float:
    """Of the first n; they stay in their order."""
    ordered = values[:n].copy()
    for i in range(1, n):
        key = ordered[i]
        j = i - 1
        while j >= 0 and ordered[j] > key:
            ordered[j + 1] = ordered[j]
            j -= 1
        ordered[j + 1] = key
    middle: float = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
    return middle


@numba.njit(cache=True, nogil=True)
def judge(
    residual: Doubles, near: Indices, size: int, threshold: float, least_std: float, only: Mask, ratio: Doubles
) -> None:
    """(residual / spread of the box's residuals) ** 2, where above `threshold` and the largest of its box; else 0.

    The spread is 1.4826 times the median of the members' absolute residuals, so that one outlier does not hide itself
    or another; only the largest of a box is taken at a time, because its neighbours' residuals are its work too.
    """
    sizes = np.zeros(size)
    for s in range(residual.size):
        if not only[s]:
            continue
        ratio[s] = 0
        own = abs(residual[s])
        if np.isnan(own) or own * own <= threshold * least_std * least_std:
            continue
        n, largest = 0, 0.0
        for k in range(size):
            b = near[s, k]
            if b >= 0 and not np.isnan(residual[b]):
                sizes[n], n = abs(residual[b]), n + 1
                largest = max(largest, abs(residual[b]))
        spread = least_std
        if n:
            spread = max(spread, 1.4826 * _median(sizes, n))
        square = (own / spread) ** 2
        if square > threshold and own >= largest:
            ratio[s] = square
