"""Loops of quality control that numpy has no words for: along time at each station, and around each station."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]
Levels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

STEP_GAP_MIN = 10
"""Reports farther apart are not compared: in an hour anything may happen [our choice]."""
SPIKE_GAP_MIN = 3
"""One report that is off between two that agree, no farther apart than this, is a spike [our choice]."""
DENSE_KM, SPARSE_KM, SPARSE_NEAREST = 30.0, 60.0, 3
"""Neighbours asked about a gust: within 30 km, of the nearest three within 60, for thin networks [our choice]."""
SAME_MAST_KM = 0.5
"""Who stands nearer is the same mast under another id, and no witness [our choice]."""
RETURN_SHARE = 0.5
"""It came back when less than this share of its jump is left: else the jump was the start of a slope [our choice]."""


@numba.njit(cache=True, nogil=True)
def step(x: Floats, minute: Indices, limits: Floats, level: Levels, jump: Floats, spike: Mask) -> None:
    """Compares each report with the last accepted one, so that the return from a spike is no second failure.

    Args:
        x: (time, station), NaN no report; minute: (time,) of the clock, rising.
        limits: (2,) suspect and bad within a minute; over n <= STEP_GAP_MIN minutes sqrt(n) times as much
            [our choice: between independent and steady change].
        level: 0, 1 suspect, 2 bad; jump: difference from the accepted report; spike: one report that came back.
            Written where a report fails.
    """
    times, stations = x.shape
    base, when = np.full(stations, np.nan, np.float32), np.zeros(stations, np.int64)
    failed, count = np.zeros(stations, np.int64), np.zeros(stations, np.int64)
    root = np.sqrt(np.arange(STEP_GAP_MIN + 1)).astype(np.float32)
    for s in range(stations):
        anchor = _anchor(x, minute, limits[0], root, s)
        if anchor < 0:
            continue
        base[s], when[s] = x[anchor, s], anchor
        for t in range(anchor):
            gap = minute[anchor] - minute[t]
            off = x[t, s] - base[s]
            if gap <= STEP_GAP_MIN and abs(off) > limits[0] * root[gap]:
                level[t, s] = 2 if abs(off) > limits[1] * root[gap] else 1
                jump[t, s], spike[t, s] = off, gap == 1
    for t in range(times):
        for s in range(stations):
            value = x[t, s]
            if np.isnan(value) or t <= when[s]:
                continue
            gap = minute[t] - minute[when[s]]
            off = value - base[s]
            if gap <= STEP_GAP_MIN and abs(off) > limits[0] * root[gap]:
                level[t, s] = 2 if abs(off) > limits[1] * root[gap] else 1
                jump[t, s] = off
                failed[s], count[s] = t, count[s] + 1
                continue
            if count[s] == 1 and gap <= SPIKE_GAP_MIN and abs(off) < RETURN_SHARE * abs(jump[failed[s], s]):
                spike[failed[s], s] = True
            base[s], when[s], count[s] = value, t, 0


@numba.njit(cache=True, nogil=True)
def _anchor(x: Floats, minute: Indices, limit: float, root: Floats, s: int) -> int:
    """The first report that its successor bears out, so that a spike at the window's start judges nobody; -1: none."""
    first = -1
    for t in range(x.shape[0]):
        if np.isnan(x[t, s]):
            continue
        if first >= 0:
            gap = minute[t] - minute[first]
            if gap > STEP_GAP_MIN or abs(x[t, s] - x[first, s]) <= limit * root[gap]:
                return first
        first = t
    return first


@numba.njit(cache=True, nogil=True)
def frozen(x: Floats, minute: Indices, rule: Floats, reports: int, turns: bool, stuck: Mask) -> None:
    """Marks runs of reports that stay within a range for long.

    Args:
        x: (time, station), NaN no report; rule: (4,) range, minutes, and: not where the run's largest value is at or
            below rule[2] (calm), nor where its smallest is at or above rule[3] (saturated).
        reports: fewest in the run; turns: x is a direction [deg]; stuck: True for the whole run.
    """
    times, stations = x.shape
    start, count = np.full(stations, -1, np.int64), np.zeros(stations, np.int64)
    low, high = np.zeros(stations, np.float32), np.zeros(stations, np.float32)
    for t in range(times):
        for s in range(stations):
            value = x[t, s]
            if np.isnan(value):
                continue
            if turns and start[s] >= 0:
                value = low[s] + (value - low[s] + np.float32(540)) % np.float32(360) - np.float32(180)
            below, above = min(low[s], value), max(high[s], value)
            if start[s] < 0 or above - below >= rule[0]:
                start[s], count[s], low[s], high[s] = t, 1, x[t, s], x[t, s]
                continue
            low[s], high[s], count[s] = below, above, count[s] + 1
            long = minute[t] - minute[start[s]] >= rule[1] and count[s] >= reports
            if long and above > rule[2] and below < rule[3]:
                stuck[t, s] = True
                if t and not stuck[t - 1, s]:
                    stuck[start[s] : t, s] = True


@numba.njit(cache=True, nogil=True)
def own_any(signal: Mask, rows: Any, columns: Any, back: int, ahead: int) -> Mask:
    """Is `signal` (time, station) True at the case's station from `back` rows before to `ahead` after it?"""
    out = np.zeros(rows.size, np.bool_)
    for c in range(rows.size):
        for t in range(max(rows[c] - back, 0), min(rows[c] + ahead + 1, signal.shape[0])):
            if signal[t, columns[c]]:
                out[c] = True
                break
    return out


@numba.njit(cache=True, nogil=True)
def neighbour_any(
    signal: Mask, rows: Any, columns: Any, near: Indices, km: Floats, reach: float, back: int, ahead: int
) -> Mask:
    """The same at any neighbour within `reach` km."""
    out = np.zeros(rows.size, np.bool_)
    for c in range(rows.size):
        for k in range(near.shape[1]):
            n = near[columns[c], k]
            if n < 0 or km[columns[c], k] > reach or out[c]:
                break
            for t in range(max(rows[c] - back, 0), min(rows[c] + ahead + 1, signal.shape[0])):
                if signal[t, n]:
                    out[c] = True
                    break
    return out


@numba.njit(cache=True, nogil=True)
def neighbour_reaches(
    x: Floats, rows: Any, columns: Any, wanted: Floats, near: Indices, km: Floats, back: int, ahead: int
) -> Levels:
    """1 where a neighbour has at least `wanted` near the time of each case, 0 where none has, 8 where none reports."""
    out = np.full(rows.size, 8, np.uint8)
    for c in range(rows.size):
        t, s, others = rows[c], columns[c], 0
        for k in range(near.shape[1]):
            n = near[s, k]
            if n < 0 or km[s, k] > (SPARSE_KM if others < SPARSE_NEAREST else DENSE_KM) or out[c] == 1:
                break
            if km[s, k] < SAME_MAST_KM:
                continue
            others += 1
            for row in range(min(t + ahead, x.shape[0] - 1), max(t - back, 0) - 1, -1):
                if x[row, n] >= wanted[c]:
                    out[c] = 1
                    break
                if not np.isnan(x[row, n]):
                    out[c] = 0
    return out


@numba.njit(cache=True, nogil=True)
def buddy(  # noqa: PLR0917, PLR0913
    x: Doubles, elevation: Floats, near: Indices, km: Floats, reach: float, height: float, gradient: float,
    fewest: int, threshold: float, least_std: float, iterations: int, excess: Doubles, off: Doubles,
) -> None:  # fmt: skip
    """Buddy check of one time after Titanlib: distance from the neighbours' mean over their spread.

    Args:
        x: (station,), NaN where nothing is to be checked or used; values are moved along `gradient` [per m].
        reach [km], height [m]: how far and how much higher or lower a neighbour may stand; fewest: of them.
        excess, off: (station,) written where above `threshold`: distance / spread, and x minus the mean.
    """
    flagged = np.zeros(x.size, np.bool_)
    for _ in range(iterations):
        found = 0
        before = flagged.copy()
        for s in range(x.size):
            if np.isnan(x[s]) or np.isnan(elevation[s]) or before[s]:
                continue
            n, total, squares = 0, 0.0, 0.0
            for k in range(near.shape[1]):
                b = near[s, k]
                if b < 0 or km[s, k] > reach:
                    break
                rise = elevation[s] - elevation[b]
                if np.isnan(x[b]) or before[b] or not abs(rise) <= height:
                    continue
                value = x[b] + gradient * rise - x[s]
                n, total, squares = n + 1, total + value, squares + value * value
            if n < fewest:
                continue
            mean = total / n
            std = np.sqrt(max(squares / n - mean * mean, 0.0))
            times = abs(mean) / max(std * np.sqrt(1 + 1 / n), least_std)
            if times > threshold:
                excess[s], off[s], flagged[s], found = times, -mean, True, found + 1
        if not found:
            break
