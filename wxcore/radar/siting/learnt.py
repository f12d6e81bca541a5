"""The arithmetic of static maps: which cells stand out of their surroundings, and which rays are hidden.

Arrays are (360, kilometres); what they are made of, and when they may be believed, says occurrence.py.
"""

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Shares = npt.NDArray[np.float32]

AROUND_DEG, AROUND_KM = 20, 15
"""Half-widths of the surroundings, in azimuth and range."""

WINDOW_KM = 20
"""Echoes are compared over so much of a ray."""

LEAST_EXPECTED = 30.0
"""Echoes in a window that the higher tilt lets us expect, below which the window says nothing [our choice]."""

BLOCKED_BELOW = 0.5
"""A ray that sees less than this part of what others at its range see is blocked. Occurrence is no power: a beam half
blocked loses 3 dB and few echoes, so partial blockage below about 90 % is found from a terrain model only."""


def around(share: Shares) -> Shares:
    """Median of the surroundings of each cell, unknown ones left out; from blocks, which is enough for a median."""
    azimuths, kilometres = 2 * AROUND_DEG, 2 * AROUND_KM
    padded = np.pad(share, ((AROUND_DEG, AROUND_DEG), (0, 0)), mode="wrap")
    padded = np.pad(padded, ((0, 0), (AROUND_KM, AROUND_KM)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded[::4, ::3], (azimuths // 4 + 1, kilometres // 3 + 1))
    flat = windows.reshape(*windows.shape[:2], -1)
    counted = ~np.isnan(flat)
    ordered = np.sort(flat, axis=2)  # NaN last
    middle = np.maximum(counted.sum(axis=2) - 1, 0) // 2
    blocks = np.take_along_axis(ordered, middle[..., None], axis=2)[..., 0]
    rows = np.minimum(np.arange(share.shape[0]) // 4, blocks.shape[0] - 1)
    columns = np.minimum(np.arange(share.shape[1]) // 3, blocks.shape[1] - 1)
    return np.asarray(np.nan_to_num(blocks[rows][:, columns]), dtype=np.float32)


def blocked_rays(seen: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> tuple[Shares, Bools]:
    """Blocked part and where something is known, (360, kilometres), from echoes seen and expected in each cell.

    The number of kilometres is a multiple of WINDOW_KM. In windows of WINDOW_KM what is seen is divided by what is
    expected, and by the median of this ratio over all rays. Where it stays below BLOCKED_BELOW from some range to the
    last window that says anything, the ray is blocked from there, by 1 - ratio; in the first window from the kilometre
    after the last that is seen as often.
    """
    got, wanted = _window_sums(seen), _window_sums(expected)
    tells = wanted >= LEAST_EXPECTED
    ratio = np.where(tells, got / np.maximum(wanted, 1.0), np.nan)
    usual = np.array([np.median(line[~np.isnan(line)]) if (~np.isnan(line)).any() else np.nan for line in ratio.T])
    tells &= usual > 0
    ratio = np.where(tells, ratio / np.where(usual > 0, usual, 1.0), np.nan)
    low = ~tells | (ratio < BLOCKED_BELOW)
    to_the_end = np.logical_and.accumulate(low[:, ::-1], axis=1)[:, ::-1]
    any_from_here = np.logical_or.accumulate(tells[:, ::-1], axis=1)[:, ::-1]
    hidden = to_the_end & any_from_here & np.logical_or.accumulate(tells, axis=1)
    total_got = np.where(hidden & tells, ratio, 0.0).sum(axis=1) / np.maximum((hidden & tells).sum(axis=1), 1)
    part = np.where(hidden, 1.0 - np.clip(total_got, 0.0, 1.0)[:, None], 0.0)
    # what hides a ray hides it to its end
    cells = _by_kilometre(np.maximum.accumulate(part, axis=1))
    for ray in np.flatnonzero(hidden.any(axis=1)):
        window = int(np.argmax(hidden[ray]))
        near = slice(window * WINDOW_KM, (window + 1) * WINDOW_KM)
        free = np.flatnonzero(seen[ray, near] > BLOCKED_BELOW * expected[ray, near] * usual[window])
        cells[ray, near][: free[-1] + 1 if free.size else 0] = 0.0
    return cells.astype(np.float32), _by_kilometre(tells).astype(bool)


def _window_sums(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(cells.reshape(cells.shape[0], -1, WINDOW_KM).sum(axis=2))


def _by_kilometre(windows: npt.NDArray[np.float64] | Bools) -> npt.NDArray[np.float64]:
    return np.repeat(windows, WINDOW_KM, axis=1).astype(np.float64)
