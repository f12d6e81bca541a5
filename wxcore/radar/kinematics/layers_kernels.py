"""Compiled loops from gates to polar planes. What they decide and why: layers.py."""

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Ints = npt.NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def kept(values: Floats, support: Bytes, least: int, dbz: Floats, least_dbz: float, out: Floats) -> None:
    """Values with at least so much support and reflectivity, NaN elsewhere; as many gates as `out` has."""
    weakest = np.float32(least_dbz)
    for i in range(out.shape[0]):
        row, known, z, to = values[i], support[i], dbz[i], out[i]
        for g in range(to.size):
            to[g] = row[g] if (known[g] >= least) & (z[g] >= weakest) else np.float32(np.nan)


@numba.njit(cache=True, nogil=True)
def ranks(codes: Codes, order: Ints, rank_of: Floats, support: Bytes, seen: np.float32, out: Floats) -> None:
    """Rank of each code, rays in the given order, and `seen` where there is support; as many gates as `out` has."""
    for i in range(order.size):
        row, known, to = codes[order[i]], support[i], out[i]
        for g in range(to.size):
            to[g] = seen if known[g] > 0 else rank_of[row[g]]


@numba.njit(cache=True, nogil=True)
def into_plane(  # noqa: PLR0913, PLR0917
    values: Floats, height: Floats, ground: Floats, ground_range: tuple[float, float], layer: tuple[float, float],
    most: float, places: tuple[Ints, Ints, Ints, Ints], first: int, signed: bool, sign: float, plane: Floats,
) -> None:  # fmt: skip
    """Raise each cell of `plane` to the largest value of its gates in the layer; NaN gates say nothing.

    Args:
        values: (ray, gate), from gate `first` on; larger than `most` in magnitude is an error, and says nothing either.
        height: (gate,) [m]; ground: like `plane` [m], finite, between `ground_range`; layer: from, below [m above
            ground].
        places: cell azimuth and ray of each pair of them, cell distance and gate of each pair of them.
        signed: the largest magnitude counts, and keeps its sign.
        sign: 1 or -1, of the values.
        plane: (azimuth, distance), NaN where nothing is known yet.
    """
    azimuths, rays, distances, gates = places
    low, high = layer
    turn, limit = np.float32(sign), np.float32(most)
    cell, gate = np.empty(gates.size, np.int64), np.empty(gates.size, np.int64)
    able = 0
    for b in range(gates.size):
        g = gates[b] - first
        if 0 <= g < values.shape[1] and low + ground_range[0] <= height[g] < high + ground_range[1]:
            cell[able], gate[able] = distances[b], g
            able += 1
    for a in range(azimuths.size):
        row, to, below = values[rays[a]], plane[azimuths[a]], ground[azimuths[a]]
        for b in range(able):
            v = turn * row[gate[b]]
            if not abs(v) <= limit:
                continue
            j = cell[b]
            above = height[gate[b]] - below[j]
            if not low <= above < high:
                continue
            old = to[j]
            if np.isnan(old) or (abs(v) > abs(old) if signed else v > old):
                to[j] = v


@numba.njit(cache=True, nogil=True)
def falls(values: Floats, longest: int, bridge: int, rise: float, out: Floats) -> None:
    """Largest fall of the values along each ray within `longest` gates, on the gates between its two ends.

    A ray is cut into falling stretches, each from a peak to the trough before the values rise by more than `rise` above
    it: smaller rises are noise. Each stretch whose steepest part of at most `longest` gates falls by more than `rise`
    marks that part. Other gates with a value get 0: there is no such fall; NaN where there is no value.

    Args:
        values: (ray, gate); unknown gates are skipped, more than `bridge` in a row end a stretch.
        out: (ray, gate), written.
    """
    rays, gates = values.shape
    queue = np.empty(gates, np.int64)
    for i in range(rays):
        v = values[i]
        head, tail = 0, 0  # of the queue: candidates for the peak, values descending
        trough, last = np.float32(np.inf), -1
        best, begin, end = np.float32(rise), 0, -1
        for g in range(gates):
            out[i, g] = np.nan
            if np.isnan(v[g]):
                continue
            out[i, g] = 0
            if g - last > bridge + 1 or v[g] > trough + rise:
                out[i, begin : end + 1] = best + 0 * v[begin : end + 1]  # what was bridged stays unknown
                head, tail, trough = 0, 0, v[g]
                best, begin, end = np.float32(rise), 0, -1
            last = g
            trough = min(trough, v[g])
            while tail > head and v[queue[tail - 1]] <= v[g]:
                tail -= 1
            queue[tail] = g
            tail += 1
            while g - queue[head] > longest:
                head += 1
            fall = v[queue[head]] - v[g]
            if fall > best:
                best, begin, end = fall, queue[head], g
        out[i, begin : end + 1] = best + 0 * v[begin : end + 1]
