"""Compiled loops of the differential phase. What they decide and why: phase.py.

Fits are of a straight line to all good gates of a window, from prefix sums: the cost does not depend on the window.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


class Rules(NamedTuple):
    """Limits of phase.py in gates, dBZ and deg."""

    nothing: float
    rhohv: float
    texture: float
    run: int
    half_texture: int
    half_short: int
    half_long: int
    dbz_short: float
    dbz_long: float
    filled: float
    kdp_least: float
    kdp_most: float
    gate_km: float


@numba.njit(cache=True, nogil=True, error_model="numpy")
def starts(
    rows: tuple[Floats, Floats, Floats], qc: Bytes, nothing: float, rhohv: float, run: int, out: Doubles
) -> None:
    """Circular mean [deg, 0..360) of the phase over the first `run` good gates in a row of each ray; NaN without.

    `rows`: z, rho, phi. Runs whose phases do not agree (resultant below 0.95) are passed by.
    """
    z, rho, phi = rows
    rays, gates = z.shape
    for i in range(rays):
        out[i] = np.nan
        n, c, s = 0, 0.0, 0.0
        for g in range(gates):
            good = z[i, g] > nothing and qc[i, g] == 0 and rho[i, g] >= rhohv
            if not good or np.isnan(phi[i, g]):
                n, c, s = 0, 0.0, 0.0
                continue
            n += 1
            c += np.cos(np.deg2rad(phi[i, g]))
            s += np.sin(np.deg2rad(phi[i, g]))
            if n >= run:
                if np.hypot(c, s) >= 0.95 * n:
                    out[i] = np.rad2deg(np.arctan2(s, c)) % 360.0
                    break
                n, c, s = 0, 0.0, 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _unwrap(phi: Floats, good: Mask, offset: float, span: tuple[int, int], rules: Rules, out: Doubles) -> None:
    """Phase above the offset, each gate within 180 deg of a running mean of the good and steady ones before it.

    Steady: the last `run` steps are all within twice the texture. Through noise the mean stays what it was.
    """
    reference, before, steady = 0.0, np.nan, 0
    for g in range(span[0], span[1]):
        v = np.float64(phi[g]) - offset
        v -= 360.0 * np.rint((v - reference) / 360.0)
        out[g] = v
        if not good[g]:
            continue
        step = v - before
        step -= 360.0 * np.rint(step / 360.0)
        steady = steady + 1 if abs(step) <= 2.0 * rules.texture else 0
        before = v
        if steady >= rules.run:
            reference += 0.2 * (v - reference)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sums(v: Doubles, use: Mask, span: tuple[int, int], out: Doubles) -> None:
    """Prefix sums of n, x, y, xx, xy, yy with x = gate - span[0]; `out` is (gate + 1, 6)."""
    low, high = span
    n, sx, sy, xx, xy, yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for g in range(low, high + 1):
        out[g, 0], out[g, 1], out[g, 2], out[g, 3], out[g, 4], out[g, 5] = n, sx, sy, xx, xy, yy
        if g < high and use[g]:
            x, y = np.float64(g - low), v[g]
            n += 1.0
            sx += x
            sy += y
            xx += x * x
            xy += x * y
            yy += y * y


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fit(sums: Doubles, a: int, b: int, x: float) -> tuple[float, float, float]:
    """Number of gates in a..b; slope per gate and value at x of the line through them, NaN where there is none."""
    n = sums[b, 0] - sums[a, 0]
    sx, sy = sums[b, 1] - sums[a, 1], sums[b, 2] - sums[a, 2]
    xx = n * (sums[b, 3] - sums[a, 3]) - sx * sx
    if n < 2.0 or not xx > 0.0:
        return n, np.nan, np.nan
    slope = (n * (sums[b, 4] - sums[a, 4]) - sx * sy) / xx
    return n, slope, (sy - slope * sx) / n + slope * x


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _spread(sums: Doubles, a: int, b: int) -> float:
    """Standard deviation of the gates in a..b about their line; NaN with fewer than four."""
    n = sums[b, 0] - sums[a, 0]
    sx, sy = sums[b, 1] - sums[a, 1], sums[b, 2] - sums[a, 2]
    xx = n * (sums[b, 3] - sums[a, 3]) - sx * sx
    if n < 4.0 or not xx > 0.0:
        return np.nan
    xy = n * (sums[b, 4] - sums[a, 4]) - sx * sy
    yy = n * (sums[b, 5] - sums[a, 5]) - sy * sy
    return float(np.sqrt(max(yy - xy * xy / xx, 0.0) / (n * (n - 2.0))))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _drop_short_runs(use: Mask, span: tuple[int, int], least: int) -> None:
    begin = span[0]
    for g in range(span[0], span[1] + 1):
        if g < span[1] and use[g]:
            continue
        if g - begin < least:
            for k in range(begin, g):
                use[k] = False
        begin = g + 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _bridge(phidp: Floats, span: tuple[int, int]) -> None:
    """Straight lines between known gates of a ray; NaN before the first and after the last."""
    before = -1
    for g in range(span[0], span[1]):
        if np.isnan(phidp[g]):
            continue
        if before >= 0 and g - before > 1:
            step = (phidp[g] - phidp[before]) / np.float32(g - before)
            for k in range(before + 1, g):
                phidp[k] = phidp[before] + step * np.float32(k - before)
        before = g


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _half_window(echo: Doubles, a: int, b: int, rules: Rules) -> int:
    """Half window [gates] for the mean reflectivity of the echoes in a..b; `echo`: (gate + 1, 2) prefix sums."""
    n = echo[b, 0] - echo[a, 0]
    mean = (echo[b, 1] - echo[a, 1]) / n if n > 0 else rules.dbz_long
    part = min(max((mean - rules.dbz_long) / (rules.dbz_short - rules.dbz_long), 0.0), 1.0)
    return int(np.rint(rules.half_long + part * (rules.half_short - rules.half_long)))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _span(z: Floats, phi: Floats, nothing: float) -> tuple[int, int]:
    """First gate with echo and phase, and the one after the last."""
    low, high = z.size, 0
    for g in range(z.size):
        if z[g] > nothing and not np.isnan(phi[g]):
            low, high = min(low, g), g + 1
    return low, high


@numba.njit(cache=True, nogil=True, error_model="numpy")
def clean(
    z: Floats, rho: Floats, phi: Floats, qc: Bytes, offset: float, rules: Rules, out: tuple[Floats, Floats, Floats]
) -> None:
    """Fill PhiDP [deg], KDP [deg km-1] and texture [deg] (all (ray, gate)): see `phase.differential_phase`."""
    phidp, kdp, texture = out
    rays, gates = z.shape
    per_km = 0.5 / rules.gate_km
    v = np.empty(gates, dtype=np.float64)
    known, use = np.empty(gates, dtype=np.bool_), np.empty(gates, dtype=np.bool_)
    sums, echo = np.empty((gates + 1, 6), dtype=np.float64), np.empty((gates + 1, 2), dtype=np.float64)
    for i in range(rays):
        phidp[i] = kdp[i] = texture[i] = np.nan
        span = _span(z[i], phi[i], rules.nothing)
        low, high = span
        if low >= high:
            continue
        echo[low, 0] = echo[low, 1] = 0.0
        for g in range(low, high):
            there = z[i, g] > rules.nothing
            known[g] = there and not np.isnan(phi[i, g])
            use[g] = known[g] and rho[i, g] >= rules.rhohv and qc[i, g] == 0
            echo[g + 1, 0] = echo[g, 0] + there
            echo[g + 1, 1] = echo[g, 1] + (np.float64(z[i, g]) if there else 0.0)
        _unwrap(phi[i], use, offset, span, rules, v)
        _sums(v, known, span, sums)
        for g in range(low, high):
            if known[g]:
                a, b = max(g - rules.half_texture, low), min(g + rules.half_texture + 1, high)
                texture[i, g] = _spread(sums, a, b)
                use[g] = use[g] and texture[i, g] <= rules.texture
        _drop_short_runs(use, span, rules.run)
        _sums(v, use, span, sums)
        for g in range(low, high):
            if not z[i, g] > rules.nothing:
                continue
            a, b = max(g - rules.half_short, low), min(g + rules.half_short + 1, high)
            half = _half_window(echo, a, b, rules)
            a, b = max(g - half, low), min(g + half + 1, high)
            n, slope, value = _fit(sums, a, b, np.float64(g - low))
            if n >= rules.filled * (2 * half + 1):
                phidp[i, g] = value
                if rules.kdp_least <= slope * per_km <= rules.kdp_most:
                    kdp[i, g] = slope * per_km
        _bridge(phidp[i], span)
