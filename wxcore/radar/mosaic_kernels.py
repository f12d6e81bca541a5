"""The loops of gridding, compiled. Memory is z-last: all levels of a column lie side by side.

One row of the grid is one parallel task (NUMBA_NUM_THREADS is honoured; results do not depend on it).
Names of axes: R radars, Y rows, X columns, D steps of ground distance, A steps of azimuth, T tilts, L levels.
"""

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from wxcore.radar.tilts import UNOBSERVED
from wxcore.schema import NO_ECHO_DBZ

OUT_OF_RANGE = np.uint16(65_535)
"""Distance index of a column that the radar does not reach."""

_SCALE = np.float32(0.01)
_NAN = np.float32(np.nan)
_NO_ECHO = np.float32(NO_ECHO_DBZ)

# NaN is data here (unobserved): nnan and ninf must stay off
_FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}


@njit(cache=True, nogil=True, inline="always")
def _gate_value(
    values: npt.NDArray[np.int16], ray_start: np.int64, gate: np.int64
) -> np.int16:  # pragma: no cover - compiled
    """Hundredths of dBZ of one gate, UNOBSERVED where there is no ray or no gate."""
    if ray_start < 0 or gate < 0:
        return UNOBSERVED
    value: np.int16 = values[ray_start + gate]
    return value


@njit(cache=True, parallel=True, nogil=True, fastmath=_FAST)
def fill_one(
    distance: npt.NDArray[np.uint16],
    azimuth: npt.NDArray[np.uint16],
    rays: npt.NDArray[np.int32],
    gates: npt.NDArray[np.int32],
    bounds: npt.NDArray[np.uint8],
    slopes: npt.NDArray[np.float32],
    values: npt.NDArray[np.int16],
    out: tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.int16]],
) -> None:  # pragma: no cover - compiled
    """Grid one radar.

    Args:
        distance, azimuth: (Y, X) indices into the tables below.
        rays: (A, T) start of the ray in `values`, or -1; gates: (D, T) gate, or -1.
        bounds: (D, T + 1): bracket b holds the levels bounds[b] .. bounds[b + 1] - 1; bracket 0 is the half beam
            below the lowest tilt, bracket b lies between tilts b - 1 and b.
        slopes: (D, L) share of the upper tilt.
        values: hundredths of dBZ of all gates.
        out: reflectivity (Y, X, L), count (Y, X, L), nearest (Y, X); written in full.
    """
    dbz, count, nearest = out
    n_tilt, n_level = rays.shape[1], slopes.shape[1]
    for y in prange(distance.shape[0]):
        for x in range(distance.shape[1]):
            step = distance[y, x]
            nearest[y, x] = -1
            if step == OUT_OF_RANGE:
                dbz[y, x, :] = _NAN
                count[y, x, :] = 0
                continue
            turn = azimuth[y, x]
            below = bounds[step, 0]
            dbz[y, x, :below] = _NAN
            count[y, x, :below] = 0
            seen = False
            lower = UNOBSERVED
            for b in range(n_tilt):
                start, stop = bounds[step, b], bounds[step, b + 1]
                upper = _gate_value(values, rays[turn, b], gates[step, b])
                if b == 0:
                    lower = upper
                if min(lower, upper) == UNOBSERVED:
                    dbz[y, x, start:stop] = _NAN
                    count[y, x, start:stop] = 0
                else:
                    base, rise = _SCALE * np.float32(lower), _SCALE * (np.float32(upper) - np.float32(lower))
                    if rise == 0:
                        dbz[y, x, start:stop] = base
                    else:
                        for z in range(start, stop):
                            dbz[y, x, z] = base + slopes[step, z] * rise
                    count[y, x, start:stop] = 1
                    seen = seen or stop > start
                lower = upper
            above = bounds[step, n_tilt]
            dbz[y, x, above:n_level] = _NAN
            count[y, x, above:n_level] = 0
            if seen:
                nearest[y, x] = 0


@njit(cache=True, parallel=True, nogil=True, fastmath=_FAST)
def fill_many(  # noqa: C901 - one fused loop is the point
    columns: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]],
    tables: tuple[
        npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.uint8],
        npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64],
    ],
    values: npt.NDArray[np.int16],
    out: tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.int16]],
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Grid several radars at once: the weighted mean of dBZ over those that observe each cell.

    Args:
        columns: distance and azimuth index, (R, Y, X) each.
        tables: rays (R, A, T), gates (R, D, T), bounds (R, D, T + 1), slopes (R, D, L) as for `fill_one`, padded
            to the most tilts of any radar; weights (R, D, L); number of tilts (R,).
        values: hundredths of dBZ of all gates of all radars.
        out: reflectivity (Y, X, L), count (Y, X, L), nearest (Y, X); written in full.
    """
    distance, azimuth = columns
    rays, gates, bounds, slopes, weights, n_tilt = tables
    dbz, count, nearest = out
    n_radar, n_level = distance.shape[0], slopes.shape[2]
    for y in prange(distance.shape[1]):
        total, share = np.zeros(n_level, dtype=np.float32), np.zeros(n_level, dtype=np.float32)
        number = np.zeros(n_level, dtype=np.uint8)
        for x in range(distance.shape[2]):
            total[:] = 0
            share[:] = 0
            number[:] = 0
            nearest[y, x] = -1
            shortest = OUT_OF_RANGE
            for r in range(n_radar):
                step = distance[r, y, x]
                if step == OUT_OF_RANGE:
                    continue
                turn = azimuth[r, y, x]
                near, part, mass = bounds[r, step], slopes[r, step], weights[r, step]
                seen = False
                lower = UNOBSERVED
                for b in range(n_tilt[r]):
                    upper = _gate_value(values, rays[r, turn, b], gates[r, step, b])
                    if b == 0:
                        lower = upper
                    if min(lower, upper) != UNOBSERVED:
                        base = _SCALE * np.float32(lower)
                        rise = _SCALE * (np.float32(upper) - np.float32(lower))
                        for z in range(near[b], near[b + 1]):
                            total[z] += mass[z] * (base + part[z] * rise)
                            share[z] += mass[z]
                            number[z] += np.uint8(1)
                            seen = True
                    lower = upper
                if seen and step < shortest:
                    shortest = step
                    nearest[y, x] = r
            for z in range(n_level):
                # a mean of equal values may fall an ulp below them
                dbz[y, x, z] = max(total[z] / share[z], _NO_ECHO) if number[z] > 0 else _NAN
                count[y, x, z] = number[z]
