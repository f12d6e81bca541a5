"""Compiled loops of quality control. What they decide and why: qc.py. Reflectivity is float32 (ray, gate): NOTHING
where a gate was observed without echo, NaN where nobody knows."""

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

NOTHING = -100.0
"""Reflectivity [dBZ] of "observed, no echo" inside quality control: below every real echo."""


@numba.njit(cache=True, nogil=True)
def decode(codes: Codes, table: Floats, out: Floats) -> None:
    """Value of each code."""
    for i in range(codes.shape[0]):
        row, to = codes[i], out[i]
        for g in range(row.size):
            to[g] = table[row[g]]


@numba.njit(cache=True, nogil=True)
def spread(values: Floats, half: int, least: int, out: Floats) -> None:
    """Standard deviation [deg] of a phase along the ray in a window of 2 half + 1 gates; NaN with fewer than `least`.

    The phase is unwrapped along the ray first, from one known value to the next: 359 and 1 deg are 2 deg apart.
    """
    rays, gates = values.shape
    count = np.zeros(gates + 1, dtype=np.int32)
    total = np.zeros(gates + 1, dtype=np.float64)
    squares = np.zeros(gates + 1, dtype=np.float64)
    for i in range(rays):
        before, turns = np.nan, 0.0
        for g in range(gates):
            v = np.float64(values[i, g])
            known = not np.isnan(v)
            if known:
                if v - before > 180.0:
                    turns -= 360.0
                elif v - before < -180.0:
                    turns += 360.0
                before = v
                v += turns
            count[g + 1] = count[g] + known
            total[g + 1] = total[g] + (v if known else 0.0)
            squares[g + 1] = squares[g] + (v * v if known else 0.0)
        for g in range(gates):
            low, high = max(g - half, 0), min(g + half + 1, gates)
            n = count[high] - count[low]
            out[i, g] = np.nan
            if n >= least:
                mean = (total[high] - total[low]) / n
                out[i, g] = np.sqrt(max((squares[high] - squares[low]) / n - mean * mean, 0.0))


@numba.njit(cache=True, nogil=True)
def texture(z: Floats, half: int, spin_db: float, wrap: bool, tdbz: Floats, spin: Floats) -> None:  # noqa: C901
    """TDBZ [dB2] and SPIN [%] over 2 half + 1 gates of a ray and its two neighbours; 0 where there is no echo.

    TDBZ: mean of (Z_i - Z_i-1)^2 (Hubbert et al. 2009). SPIN: part of the gates where the slope changes its sign and
    the two steps are larger than `spin_db` on average (Steiner & Smith 2002).
    """
    rays, gates = z.shape
    square = np.zeros((rays, gates + 1), dtype=np.float64)
    steps = np.zeros((rays, gates + 1), dtype=np.int32)
    turns = np.zeros((rays, gates + 1), dtype=np.int32)
    for i in range(rays):
        before = np.nan
        for g in range(gates):
            step = np.nan
            if g > 0 and z[i, g] > NOTHING and z[i, g - 1] > NOTHING:
                step = z[i, g] - z[i, g - 1]
            valued = not np.isnan(step)
            turn = valued and step * before < 0 and (abs(step) + abs(before)) / 2 > spin_db
            square[i, g + 1] = square[i, g] + (step * step if valued else 0.0)
            steps[i, g + 1] = steps[i, g] + valued
            turns[i, g + 1] = turns[i, g] + turn
            before = step
    for i in range(rays):
        for g in range(gates):
            tdbz[i, g] = spin[i, g] = 0.0
            if not z[i, g] > NOTHING:
                continue
            low, high = max(g - half, 0), min(g + half + 1, gates)
            n, total, turned = 0, 0.0, 0
            for d in range(-1, 2):
                j = i + d
                if j < 0 or j >= rays:
                    if not wrap:
                        continue
                    j %= rays
                n += steps[j, high] - steps[j, low]
                total += square[j, high] - square[j, low]
                turned += turns[j, high] - turns[j, low]
            if n > 0:
                tdbz[i, g], spin[i, g] = total / n, 100.0 * turned / n


@numba.njit(cache=True, nogil=True)
def strongest_around(
    z: Floats, wanted: Floats, ray_of: Ints, gate_of: Ints, reach: Ints, step: int, out: Floats
) -> None:
    """Largest value of another sweep about each gate that has an echo; `out` stays where `gate_of` is -1.

    Args:
        z: the other sweep.
        wanted: (ray, gate) of this sweep: only echoes are looked up, and the search ends at that strength.
        ray_of: (ray,) nearest ray of the other sweep, -1 where none; gate_of: (gate,) likewise.
        reach: (2, gate) half-widths of the neighbourhood in rays and in gates of the other sweep.
        step: only every so many gates are looked at, the middle one among them.
        out: (ray, gate): NOTHING where all of the neighbourhood is observed without echo, NaN where unobserved.
    """
    rays, gates = z.shape
    for i in range(wanted.shape[0]):
        for g in range(wanted.shape[1]):
            if ray_of[i] < 0 or gate_of[g] < 0 or not wanted[i, g] > NOTHING:
                continue
            best = np.float32(-np.inf)
            for k in range(gate_of[g] - reach[1, g], gate_of[g] + reach[1, g] + 1, step):
                if k < 0 or k >= gates:
                    continue
                j = (ray_of[i] - reach[0, g]) % rays
                for _ in range(2 * reach[0, g] + 1):
                    v = z[j, k]
                    if v > best:  # noqa: PLR1730 - False for NaN, which max is not
                        best = v
                    j = j + 1 if j + 1 < rays else 0
                if best >= wanted[i, g]:
                    break
            out[i, g] = best if best > -np.inf else np.nan


@numba.njit(cache=True, nogil=True)
def mean_over(codes: Codes, size_of: Floats, z: Floats, ray_of: Ints, first: Ints, count: int, out: Floats) -> None:
    """Mean size of `count` gates of another sweep from gate `first` on, where `z` has an echo; else NaN.

    size_of: by code, NaN where it has none.
    """
    gates = codes.shape[1]
    for i in range(out.shape[0]):
        out[i] = np.nan
        if ray_of[i] < 0:
            continue
        row = codes[ray_of[i]]
        for g in range(out.shape[1]):
            n, total = 0, 0.0
            if z[i, g] > NOTHING:
                for k in range(max(first[g], 0), min(first[g] + count, gates)):
                    v = size_of[row[k]]
                    if not np.isnan(v):
                        n += 1
                        total += v
                if n > 0:
                    out[i, g] = total / n


@numba.njit(cache=True, nogil=True)
def _root(parent: Ints, a: int) -> int:
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a


@numba.njit(cache=True, nogil=True)
def _touch(start: Ints, end: Ints, parent: Ints, a: int, a_end: int, b: int, b_end: int) -> None:
    """Unite the runs a..a_end of a ray with those of b..b_end of its neighbour that they touch, corners included."""
    while a < a_end and b < b_end:
        if start[a] <= end[b] + 1 and start[b] <= end[a] + 1:
            parent[_root(parent, b)] = _root(parent, a)
        if end[a] < end[b]:
            a += 1
        else:
            b += 1


@numba.njit(cache=True, nogil=True)
def component_sizes(mask: Bytes, wrap: bool, out: Ints) -> None:
    """Number of gates of the 8-connected component that each gate of `mask` (ray, gate) belongs to; 0 outside.

    `wrap`: the last ray is the first one's neighbour. Works on runs of gates, which are few.
    """
    rays, gates = mask.shape
    most = rays * (gates // 2 + 1)
    start, end, parent = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    first = np.zeros(rays + 1, dtype=np.int32)
    n = 0
    for i in range(rays):
        for g in range(gates):
            out[i, g] = 0
            if mask[i, g]:
                if g == 0 or not mask[i, g - 1]:
                    start[n], parent[n] = g, n
                    n += 1
                end[n - 1] = g
        first[i + 1] = n
        if i > 0:
            _touch(start, end, parent, first[i - 1], first[i], first[i], n)
    if wrap and rays > 2:
        _touch(start, end, parent, first[rays - 1], n, 0, first[1])
    size = np.zeros(n, dtype=np.int32)
    for k in range(n):
        size[_root(parent, k)] += end[k] - start[k] + 1
    for i in range(rays):
        for k in range(first[i], first[i + 1]):
            out[i, start[k] : end[k] + 1] = size[_root(parent, k)]


@numba.njit(cache=True, nogil=True)
def tally(codes: Codes, echo: Bytes, qc: Bytes, counts: npt.NDArray[np.int64]) -> None:
    """Add to `counts` how often each flag comes among the gates whose code is an echo's."""
    for i in range(codes.shape[0]):
        row, flags = codes[i], qc[i]
        for g in range(row.size):
            counts[flags[g]] += echo[row[g]]
