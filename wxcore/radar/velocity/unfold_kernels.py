"""Compiled loops of unfolding over gates. What they decide and why: unfold.py.

Rays are in order of azimuth. `x` is (ray, gate) f4 velocity over twice the Nyquist velocity, so that a fold is 1; NaN
where there is none. `joined` (ray,) says whether the ray before (for the first ray the last) is a neighbour.
"""

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

FOUND, SETTLED = 1, 2
"""Of a gate's fold: its region or its neighbours said it; only what is expected or lies far along the ray did."""


@numba.njit(cache=True, nogil=True)
def look_up(
    codes: npt.NDArray[np.uint8], order: npt.NDArray[np.intp], table: Floats, out: Floats
) -> None:
    """Value of each code, rays in the given order."""
    for i in range(order.size):
        row = codes[order[i]]
        for g in range(row.size):
            out[i, g] = table[row[g]]


@numba.njit(cache=True, nogil=True)
def _count(a: Floats, b: Floats, near: float, period: float, present: Floats, agree: Floats) -> None:
    """Count for each gate of `a` whether `b` has a value, and whether it is nearer than `near`, up to one `period`."""
    one, none = np.float32(1), np.float32(0)
    for g in range(a.size):  # selects instead of branches: this loop is vectorised
        d = abs(a[g] - b[g])
        present[g] += one if d == d else none  # noqa: PLR0124
        agree[g] += one if d < near else none
        agree[g] += one if abs(d - period) < near else none


@numba.njit(cache=True, nogil=True)
def _neighbours(x: Floats, joined: Bools, i: int, limits: tuple[float, float], present: Floats, agree: Floats) -> None:
    """Number of the 8 neighbours of each gate of ray i that have a value, and that agree; see `_count`."""
    rays, gates = x.shape
    near, period = np.float32(limits[0]), np.float32(limits[1])
    present[:] = 0
    agree[:] = 0
    if gates > 1:
        _count(x[i, 1:], x[i, :-1], near, period, present[1:], agree[1:])
        _count(x[i, :-1], x[i, 1:], near, period, present[:-1], agree[:-1])
    for step in (-1, 1):
        if not joined[i if step < 0 else (i + 1) % rays]:
            continue
        j = (i + step + rays) % rays
        _count(x[i], x[j], near, period, present, agree)
        if gates > 1:
            _count(x[i, 1:], x[j, :-1], near, period, present[1:], agree[1:])
            _count(x[i, :-1], x[j, 1:], near, period, present[:-1], agree[:-1])


@numba.njit(cache=True, nogil=True)
def smooth_gates(x: Floats, joined: Bools, near: float, out: Bytes) -> None:
    """1 where more than half of the 8 neighbours' values, and at least 2, are nearer than `near` up to a fold."""
    rays, gates = x.shape
    present, agree = np.empty(gates, np.float32), np.empty(gates, np.float32)
    for i in range(rays):
        _neighbours(x, joined, i, (near, 1.0), present, agree)
        for g in range(gates):
            out[i, g] = (agree[g] >= 2) & (2 * agree[g] > present[g])


@numba.njit(cache=True, nogil=True)
def _root(parent: Ints, a: int) -> int:
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a


@numba.njit(cache=True, nogil=True)
def _link_rays(x: Floats, label: Ints, i: int, before: int, near: float, parent: Ints) -> None:
    """Unite the runs of two neighbouring rays where most of their values beside each other are nearer than `near`.

    One pair does not suffice: along a gust front some step is always close to a whole fold.
    """
    a, b, balance = -1, -1, 0
    for g in range(x.shape[1]):
        c, d = label[i, g], label[before, g]
        if c != a or d != b:
            if balance > 0:
                _unite(parent, a, b)
            a, b, balance = c, d, 0
        if c >= 0 and d >= 0:
            balance += 1 if abs(x[i, g] - x[before, g]) < near else -1
    if balance > 0:
        _unite(parent, a, b)


@numba.njit(cache=True, nogil=True)
def _unite(parent: Ints, a: int, b: int) -> None:
    root_a, root_b = _root(parent, a), _root(parent, b)
    if root_a < root_b:
        parent[root_b] = root_a
    else:
        parent[root_a] = root_b


@numba.njit(cache=True, nogil=True)
def regions(x: Floats, smooth: Bytes, joined: Bools, near: float, label: Ints) -> Ints:
    """Number the regions of smooth gates in which neighbours differ by less than `near`; gives their sizes.

    label: (ray, gate) out: region, or -1 where the gate is not smooth.
    """
    rays, gates = x.shape
    near = np.float32(near)
    parent = np.empty(max(x.size, 1), dtype=np.int32)
    n = 0
    for i in range(rays):
        before = np.float32(np.nan)
        for g in range(gates):
            if not smooth[i, g]:
                before = np.float32(np.nan)
                label[i, g] = -1
                continue
            if not abs(x[i, g] - before) < near:
                parent[n] = n
                n += 1
            label[i, g] = n - 1
            before = x[i, g]
        if i > 0 and joined[i]:
            _link_rays(x, label, i, i - 1, near, parent)
    if rays > 2 and joined[0]:
        _link_rays(x, label, 0, rays - 1, near, parent)
    number = np.empty(n, dtype=np.int32)
    count = 0
    for run in range(n):  # a root comes before what hangs on it: unions keep the smaller
        root = _root(parent, run)
        if root == run:
            number[run] = count
            count += 1
        else:
            number[run] = number[root]
    size = np.zeros(count, dtype=np.int32)
    for i in range(rays):
        for g in range(gates):
            if label[i, g] >= 0:
                label[i, g] = number[label[i, g]]
                size[label[i, g]] += 1
    return size


Votes = tuple[Ints, Ints, Ints, Floats]
"""Region a, region b, k and weight of each vote: b is folded k times more often than a."""


@numba.njit(cache=True, nogil=True)
def _step(d: float, gap: float) -> tuple[int, float]:
    """Fold that makes a difference of d folds smallest, and the certainty of it: 1 to 0, over the gap squared."""
    k = np.rint(d)
    clear = (1 - 2 * abs(d - k)) / gap
    return np.int32(k), np.float32(clear * clear)


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
        start, last, folds, low = -1, -1, 0, np.float32(1)
        for g in range(gates):
            if np.isnan(x[i, g]):
                continue
            a = label[i, g]
            if start < 0 or (a >= 0 and start == last and label[i, start] == a):
                if a >= 0:
                    start, last, folds, low = g, g, 0, np.float32(1)
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
            start, folds, low = g, 0, np.float32(1)
    return n


@numba.njit(cache=True, nogil=True)
def borders_across(
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


@numba.njit(cache=True, nogil=True)
def spread_folds(label: Ints, fold_of: Ints, x: Floats, fold: Ints, known: Bytes) -> Ints:
    """Give labelled gates their region's fold; returns the flat indices of gates that have a value but no region."""
    rays, gates = x.shape
    left = np.empty(x.size, dtype=np.int32)
    n = 0
    for i in range(rays):
        for g in range(gates):
            a = label[i, g]
            fold[i, g], known[i, g] = 0, 0
            if a >= 0:
                fold[i, g], known[i, g] = fold_of[a], FOUND
            elif x[i, g] == x[i, g]:  # noqa: PLR0124
                left[n] = i * gates + g
                n += 1
    return left[:n]


@numba.njit(cache=True, nogil=True)
def attach(x: Floats, joined: Bools, left: Ints, least: float, passes: int, fold: Ints, known: Bytes) -> Ints:
    """Fold single gates to their 8 neighbours that are known, from region borders outwards; returns those left over.

    Each pass looks only at what earlier passes knew. `least`: weight of the votes that suffices, in neighbours.
    """
    rays, gates = x.shape
    chosen = np.empty(left.size, dtype=np.int32)
    near, weight = np.empty(8, dtype=np.int32), np.empty(8, dtype=np.float32)
    for _ in range(passes):
        kept, done = 0, 0
        for m in range(left.size):
            i, g = left[m] // gates, left[m] % gates
            n = 0
            for step in range(-1, 2):
                j = i + step
                if (step < 0 and not joined[i]) or (step > 0 and not joined[(i + 1) % rays]):
                    continue
                j = (j + rays) % rays
                for h in range(max(g - 1, 0), min(g + 2, gates)):
                    if known[j, h]:
                        d = x[j, h] + fold[j, h] - x[i, g]
                        k = np.rint(d)
                        near[n], weight[n] = np.int32(k), 1 - 2 * abs(d - k)
                        n += 1
            best, best_weight = 0, np.float32(0)
            for p in range(n):
                total = np.float32(0)
                for q in range(n):
                    if near[q] == near[p]:
                        total += weight[q]
                if total > best_weight:
                    best, best_weight = near[p], total
            if best_weight >= least:
                left[m], left[done] = left[done], left[m]
                chosen[done] = best
                done += 1
        for m in range(done):
            i, g = left[m] // gates, left[m] % gates
            fold[i, g], known[i, g] = chosen[m], FOUND
        kept = left.size - done
        left = left[done:]
        if kept == 0 or done == 0:
            break
    return left


@numba.njit(cache=True, nogil=True)
def settle(x: Floats, left: Ints, expected: Floats, reach: int, most: int, fold: Ints, known: Bytes) -> None:
    """Fold gates without known neighbours to what is expected there, else to the nearest known gate of the ray."""
    gates = x.shape[1]
    for m in range(left.size):
        i, g = left[m] // gates, left[m] % gates
        d = expected[i, g] - x[i, g]
        if abs(d) <= most:
            fold[i, g] = np.int32(np.rint(d))
            continue
        for step in range(1, reach + 1):
            h = g - step
            if h < 0 or known[i, h] != FOUND:
                h = g + step
            if h < gates and known[i, h] == FOUND:
                fold[i, g] = np.int32(np.rint(x[i, h] + fold[i, h] - x[i, g]))
                break


@numba.njit(cache=True, nogil=True)
def judge(
    x: Floats, fold: Ints, known: Bytes, joined: Bools, trust: Floats, label: Ints, expected: Floats, turn: float,
    limits: tuple[float, float, float], values: Floats, quality: Bytes,
) -> tuple[int, int]:  # fmt: skip
    """Velocity [m s-1] and quality [%] of each gate.

    Args:
        trust: (region + 1,) 0..1 by size; the last is for gates without a region.
        turn: twice the Nyquist velocity [m s-1].
        limits: neighbours that differ less, in folds, agree; factor of quality for gates that no neighbour knows; for
            those that what is expected contradicts.

    Returns:
        Number of gates, and of those with neighbours that neither a neighbour nor what is expected contradicts.
    """
    rays, gates = x.shape
    one, hundred = np.float32(1), np.float32(100)
    turn, half = np.float32(turn), np.float32(turn / 2)
    lonely, contrary = np.float32(limits[1]), np.float32(limits[2])
    for i in range(rays):
        for g in range(gates):
            values[i, g] = (x[i, g] + np.float32(fold[i, g])) * turn
    present, agree = np.empty(gates, np.float32), np.empty(gates, np.float32)
    valued, sound = 0, 0
    for i in range(rays):
        _neighbours(values, joined, i, (limits[0] * turn, np.inf), present, agree)
        for g in range(gates):
            quality[i, g] = 0
            if not known[i, g]:
                continue
            against = abs(expected[i, g] * turn - values[i, g]) > half
            part = agree[g] / present[g] if present[g] > 0 else lonely
            q = trust[label[i, g]] * part * part
            q *= lonely if known[i, g] == SETTLED else one
            q *= contrary if against else one
            quality[i, g] = np.uint8(hundred * q)
            valued += 1
            sound += (present[g] > 0) & (agree[g] == present[g]) & (not against)
    return valued, sound
