"""Compiled loops in which gates vote for the folds of their regions; `x` and `label` as in unfold_kernels.py."""

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

Votes = tuple[Ints, Ints, Ints, Floats]
"""Region a, region b, k and weight of each vote: b is folded k times more often than a."""


@numba.njit(cache=True, nogil=True)
def _step(d: float, gap: float) -> tuple[int, float]:
    """Fold that makes a difference of d folds smallest, and the certainty of it: 1 to 0, over the gap squared."""
    k = np.rint(d)
    clear = (1 - 2 * abs(d - k)) / gap
    return int(k), clear * clear


@numba.njit(cache=True, nogil=True)
def _vote(votes: Votes, n: int, a: int, b: int, k: int, weight: float) -> int:
    """Put a vote behind the first n, or add it to the last if that says the same; returns how many there are then."""
    if n > 0 and votes[0][n - 1] == a and votes[1][n - 1] == b and votes[2][n - 1] == k:
        votes[3][n - 1] += weight
        return n
    votes[0][n], votes[1][n], votes[2][n], votes[3][n] = a, b, k, weight
    return n + 1


@numba.njit(cache=True, nogil=True)
def borders_along(x: Floats, label: Ints, reach: int, votes: Votes) -> int:
    """Votes of regions that follow each other along a ray; returns how many.

    Between gates beside each other a vote weighs its certainty. Between gates further apart there are two: of the walk
    over the gates between them, that weighs as its weakest step over its length; and of the two gates directly.
    `reach`: longest way in gates.
    """
    rays, gates = x.shape
    n = 0
    for i in range(rays):
        start, last, folds, low = -1, -1, 0, 1.0
        for g in range(gates):
            if np.isnan(x[i, g]):
                continue
            a = label[i, g]
            if start < 0 or (a >= 0 and start == last and label[i, start] == a):
                if a >= 0:
                    start, last, folds, low = g, g, 0, 1.0
                continue
            k, certain = _step(x[i, last] - x[i, g], g - last)
            folds += k
            low = min(low, certain)
            last = g
            if a < 0:
                continue
            b, gap = label[i, start], g - start
            if a != b and gap <= reach:
                n = _vote(votes, n, b, a, folds, low / gap)
                if gap > 1:
                    k, certain = _step(x[i, start] - x[i, g], gap)
                    n = _vote(votes, n, b, a, k, certain)
            start, folds, low = g, 0, 1.0
    return n


@numba.njit(cache=True, nogil=True)
def borders_across(  # noqa: C901
    x: Floats, label: Ints, place: Doubles, closed: float, reach: float, share: Floats, n: int, votes: Votes
) -> int:
    """Votes of regions that follow each other from ray to ray, put behind the first n; returns how many there are then.

    Args:
        place: (ray,) azimuth in median ray spacings, ascending.
        closed: spacings of the full circle where the sweep is one, else 0.
        reach: longest way in ray spacings.
        share: (gate,) what a vote counts against one along the ray.
    """
    rays, gates = x.shape
    none = -2 * rays - 1
    start, last = np.full(gates, none, dtype=np.int32), np.full(gates, none, dtype=np.int32)
    folds, low = np.zeros(gates, dtype=np.int32), np.ones(gates, dtype=np.float32)
    lead = 0
    while closed > 0 and lead < rays and place[rays - 1 - lead] - closed >= place[0] - reach:
        lead += 1
    for t in range(-lead, rays):
        i = t if t >= 0 else t + rays
        here = place[i] - (closed if t < 0 else 0.0)
        for g in range(gates):
            if np.isnan(x[i, g]):
                continue
            a, f, p = label[i, g], start[g], last[g]
            if f == none or (a >= 0 and p == f and label[f if f >= 0 else f + rays, g] == a):
                if a >= 0:
                    start[g], last[g] = t, t
                continue
            if p == f:
                folds[g], low[g] = 0, 1
            from_ray, from_place = (p, place[p]) if p >= 0 else (p + rays, place[p + rays] - closed)
            k, certain = _step(x[from_ray, g] - x[i, g], max(here - from_place, 1.0))
            folds[g] += k
            low[g] = min(low[g], certain)
            last[g] = t
            if a < 0:
                continue
            from_ray, from_place = (f, place[f]) if f >= 0 else (f + rays, place[f + rays] - closed)
            b, gap = label[from_ray, g], max(here - from_place, 1.0)
            if t >= 0 and a != b and gap <= reach:
                n = _vote(votes, n, b, a, folds[g], share[g] * low[g] / gap)
                if gap > 1.5:
                    k, certain = _step(x[from_ray, g] - x[i, g], gap)
                    n = _vote(votes, n, b, a, k, share[g] * certain)
            start[g] = t
    return n


@numba.njit(cache=True, nogil=True)
def witness_votes(x: Floats, label: Ints, expected: Floats, most: int, votes: Doubles) -> None:
    """Add to `votes` (region, 2 most + 1) what an expected velocity (in folds) says of each region's fold."""
    for i in range(x.shape[0]):
        for g in range(x.shape[1]):
            if label[i, g] < 0:
                continue
            d = expected[i, g] - x[i, g]
            if abs(d) <= most:  # False for NaN
                k, certain = _step(d, 1.0)
                votes[label[i, g], k + most] += certain
