"""Which Nyquist velocity a sweep was folded at: the header's, unless the velocities say otherwise."""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from wxcore.radar.volume import ECHO, Moment, Sweep

Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

LEAST_NYQUIST, MOST_NYQUIST = 2.0, 150.0
"""Outside of this [m s-1] no weather radar works (C band at 300 Hz has 4, staggered pulses reach 70)."""

BEYOND_STEPS = 2.5
"""Values up to so many code steps beyond the Nyquist velocity are rounding (the readers' scale is 0.5 m s-1)."""
BEYOND_PART = 1e-3
"""Larger part of the gates beyond the header's Nyquist velocity: it is wrong, or the field is unfolded already."""

SHORT_OF = 0.75
"""Velocities of which no more than BEYOND_PART lie above this part of the header's Nyquist velocity are looked at: calm
air, or a wrong header."""
NEXT_TO, JUMP_LOW, NEXT_PART = 0.96, 1.2, 0.1
"""Where velocities fold at the header's Nyquist velocity, they lie next to it on both sides of each fold. Jumps of more
than JUMP_LOW times it, but next to it (from NEXT_TO on) fewer gates than NEXT_PART of the jumps: they fold earlier, and
it is too high. On the real files of three networks there are at least three times as many [our choice]."""

JUMP = 1.6
"""Neighbouring gates that differ by more than so many times the limit are a fold: twice the limit, less some noise."""
FOLD_JUMPS, FOLD_PART = 50, 1e-3
"""Folds of so many pairs of gates, and so large a part of them, prove the limit [our choice]: no couplet fills it."""
CUT_RATIO = 0.4
"""Folding cuts the distribution of |V| off: its last tenth holds at least this part of the tenth before."""
SHELF, FULL_DENSITY = 0.5, 20.0
"""The last shelf of 0.5 m s-1 with 1/20 of the mean density holds the limit: farther out are stray codes."""
STRAY_PART = 1e-4
"""... and this part of the gates may lie between the limit and the end of its shelf [our choice]."""


@dataclass(frozen=True)
class Nyquist:
    """What was found.

    Attributes:
        used: [m s-1]; NaN where there is none to use.
        folded: False where the velocities are unfolded already.
        sure: False where header and velocities contradict each other and neither proves right.
        remark: English, for Volume.remarks; "" where the header is right.
    """

    used: float
    folded: bool = True
    sure: bool = True
    remark: str = ""


def nyquist_of(sweep: Sweep) -> Nyquist:
    """The Nyquist velocity of a sweep with VRADH, the header's held against the velocities."""
    moment = sweep.moments["VRADH"]
    stated = float(sweep.nyquist)
    known = np.isfinite(stated) and LEAST_NYQUIST <= stated <= MOST_NYQUIST
    speed, count = _speeds(moment)
    total = int(count.sum())
    if total == 0:
        return Nyquist(stated if known else np.nan)
    step = 1.0 / abs(moment.scale)
    within = known and int(count[speed > stated + BEYOND_STEPS * step].sum()) <= BEYOND_PART * total
    high = within and _folds_earlier(moment, speed, count, stated, step)
    if within and not high and int(count[speed >= SHORT_OF * stated].sum()) > BEYOND_PART * total:
        return Nyquist(stated)
    limit = _limit(speed, count, step)
    folds = limit >= LEAST_NYQUIST and _is_folded(moment, limit) and _is_cut(speed, count, limit)
    if not known:
        return _without_header(limit, folds)
    if within and not high and not (folds and limit < SHORT_OF * stated):
        return Nyquist(stated)
    if folds:
        return Nyquist(limit, remark=f"Nyquist velocity {stated:.2f} m/s wrong; velocities fold at {limit:.1f}")
    if not _is_folded(moment, stated):
        return Nyquist(stated, folded=False, remark=f"velocities beyond the Nyquist {stated:.2f} m/s: unfolded already")
    return Nyquist(stated, folded=False, sure=False, remark=f"Nyquist velocity {stated:.2f} m/s contradicts velocities")


def _without_header(limit: float, folds: bool) -> Nyquist:
    if folds:
        return Nyquist(limit, remark=f"no Nyquist velocity; {limit:.1f} m/s taken, where the velocities fold")
    return Nyquist(np.nan, remark="no Nyquist velocity, and the velocities show none")


def _speeds(moment: Moment) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """|V| of each code that is a value, and how often it comes."""
    count = np.zeros(moment.classes.size, dtype=np.int64)
    _histogram(moment.codes, count)
    speed = np.abs(moment.table().astype(np.float64))
    valued = (moment.classes == ECHO) & np.isfinite(speed)
    return speed[valued], count[valued]


def _limit(speed: npt.NDArray[np.float64], count: npt.NDArray[np.int64], step: float) -> float:
    """The largest |V| that stray codes do not explain [m s-1]; half a step more, which rounding took."""
    shelf = (speed / SHELF).astype(np.int64)
    filled = np.bincount(shelf, weights=count)
    dense = np.flatnonzero(filled * FULL_DENSITY >= filled.sum() / max(np.count_nonzero(filled), 1))
    order = np.argsort(-speed)
    order = order[shelf[order] <= dense[-1]]
    beyond = np.cumsum(count[order])
    return float(speed[order[np.searchsorted(beyond, STRAY_PART * beyond[-1], side="right")]]) + step / 2


def _is_cut(speed: npt.NDArray[np.float64], count: npt.NDArray[np.int64], limit: float) -> bool:
    last = int(count[(speed > 0.9 * limit) & (speed <= limit)].sum())
    before = int(count[(speed > 0.8 * limit) & (speed <= 0.9 * limit)].sum())
    return last > 0 and last >= CUT_RATIO * before


def _is_folded(moment: Moment, limit: float) -> bool:
    """Do neighbouring gates differ by about twice the limit, often enough?"""
    return _enough(*_jumps(moment.codes, moment.table(), JUMP * limit, (4 - JUMP) * limit))


def _enough(jumps: int, pairs: int) -> bool:
    return bool(jumps >= FOLD_JUMPS and jumps >= FOLD_PART * pairs)


def _folds_earlier(
    moment: Moment, speed: npt.NDArray[np.float64], count: npt.NDArray[np.int64], stated: float, step: float
) -> bool:
    """Do velocities jump as at folds, without coming next to the stated limit?"""
    near = min(NEXT_TO * stated, stated - step)
    beside = int(count[(speed > near) & (speed <= stated + BEYOND_STEPS * step)].sum())
    if beside >= NEXT_PART * count.sum():
        return False
    jumps, pairs = _jumps(moment.codes, moment.table(), JUMP_LOW * stated, 2 * stated + step)
    return _enough(jumps, pairs) and beside < NEXT_PART * jumps


@numba.njit(cache=True, nogil=True)
def _jumps(codes: Codes, table: npt.NDArray[np.float32], low: float, high: float) -> tuple[int, int]:
    """Pairs of neighbouring gates of a ray that differ by `low` to `high`, and all pairs."""
    jumps, pairs = 0, 0
    least, most = np.float32(low), np.float32(high)
    row = np.empty(codes.shape[1], np.float32)
    for i in range(codes.shape[0]):
        for g in range(row.size):
            row[g] = table[codes[i, g]]
        for g in range(1, row.size):
            d = abs(row[g] - row[g - 1])
            pairs += d == d  # noqa: PLR0124
            jumps += (least <= d) & (d <= most)
    return jumps, pairs


@numba.njit(cache=True, nogil=True)
def _histogram(codes: Codes, count: npt.NDArray[np.int64]) -> None:
    """Add how often each code comes; on four tables, for the next gate often has the same code, and would wait."""
    tables = np.zeros((4, count.size), dtype=np.int64)
    a, b, c, d = tables[0], tables[1], tables[2], tables[3]
    for i in range(codes.shape[0]):
        row = codes[i]
        whole = row.size // 4
        for q in range(whole):
            g = 4 * q
            a[row[g]] += 1
            b[row[g + 1]] += 1
            c[row[g + 2]] += 1
            d[row[g + 3]] += 1
        for g in range(4 * whole, row.size):
            a[row[g]] += 1
    for k in range(count.size):
        count[k] += a[k] + b[k] + c[k] + d[k]
