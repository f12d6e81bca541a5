"""Compiled loops of unfolding over gates. What they decide and why: unfold.py.

Rays are in order of azimuth. `x` is (ray, gate) f4 velocity over twice the Nyquist velocity, so that a fold is 1; NaN
where there is none. `joined` (ray,) says whether the ray before (for the first ray the last) is a neighbour.
"""

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

DEEPEST = 8
"""Contradictions along a ray that wait for their opposite [our choice]."""

FOUND, SETTLED = 1, 2
"""Of a gate's fold: its region or its neighbours said it; only what is expected or lies far along the ray did."""


@numba.njit(cache=True, nogil=True)
def look_up(codes: Codes, order: npt.NDArray[np.intp], table: Floats, out: Floats) -> None:
    """Value of each code, rays in the given order; as many gates as `out` has."""
    for i in range(order.size):
        row, to = codes[order[i]], out[i]
        for g in range(to.size):
            to[g] = table[row[g]]


@numba.njit(cache=True, nogil=True)
def _count(a: Floats, b: Floats, near: float, period: float, present: Floats, agree: Floats) -> None:
    """Count for each gate of `a` whether `b` has a value, and whether it is nearer than `near`, up to one `period`."""
    one, none = np.float32(1), np.float32(0)
    close, whole = np.float32(near), np.float32(period)
    for g in range(a.size):  # selects instead of branches: this loop is vectorised
        d = abs(a[g] - b[g])
        present[g] += one if d == d else none  # noqa: PLR0124
        agree[g] += one if d < close else none
        agree[g] += one if abs(d - whole) < close else none


@numba.njit(cache=True, nogil=True)
def _count_three(a: Floats, b: Floats, near: float, period: float, present: Floats, agree: Floats) -> None:
    """As `_count`, for the three gates of ray `b` next to each of `a`; first and last gate are left to the caller."""
    one, none = np.float32(1), np.float32(0)
    close, whole = np.float32(near), np.float32(period)
    middle, left, right = a[1:-1], b[:-2], b[2:]
    centre, had, same = b[1:-1], present[1:-1], agree[1:-1]
    for g in range(middle.size):
        d, e, f = abs(middle[g] - left[g]), abs(middle[g] - centre[g]), abs(middle[g] - right[g])
        n = one if d == d else none  # noqa: PLR0124
        n += one if e == e else none  # noqa: PLR0124
        n += one if f == f else none  # noqa: PLR0124
        m = one if (d < close) | (abs(d - whole) < close) else none
        m += one if (e < close) | (abs(e - whole) < close) else none
        m += one if (f < close) | (abs(f - whole) < close) else none
        had[g] += n
        same[g] += m


@numba.njit(cache=True, nogil=True)
def _neighbours(x: Floats, joined: Bools, i: int, limits: tuple[float, float], present: Floats, agree: Floats) -> None:
    """Number of the 8 neighbours of each gate of ray i that have a value, and that agree; see `_count`."""
    rays, gates = x.shape
    near, period = limits
    present[:] = 0
    agree[:] = 0
    if gates > 1:
        _count(x[i, 1:], x[i, :-1], near, period, present[1:], agree[1:])
        _count(x[i, :-1], x[i, 1:], near, period, present[:-1], agree[:-1])
    for step in (-1, 1):
        if not joined[i if step < 0 else (i + 1) % rays]:
            continue
        j = (i + step + rays) % rays
        if gates > 2:
            _count_three(x[i], x[j], near, period, present, agree)
        for g in (0, gates - 1) if gates > 1 else (0, -1):
            if g < 0 or gates == 0:
                continue
            for h in range(max(g - 1, 0), min(g + 2, gates)):
                _count(x[i, g : g + 1], x[j, h : h + 1], near, period, present[g : g + 1], agree[g : g + 1])


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
def regions(x: Floats, smooth: Bytes, joined: Bools, along: float, across: float, label: Ints) -> Ints:  # noqa: C901
    """Number the regions of smooth gates in which neighbours along and across rays differ by less; gives their sizes.

    label: (ray, gate) out: region, or -1 where the gate is not smooth.
    """
    rays, gates = x.shape
    parent, length = np.empty(max(x.size, 1), dtype=np.int32), np.empty(max(x.size, 1), dtype=np.int32)
    n = 0
    for i in range(rays):
        before = np.float32(np.nan)
        for g in range(gates):
            value = x[i, g] if smooth[i, g] else np.float32(np.nan)
            if not abs(value - before) < along and not np.isnan(value):
                parent[n], length[n] = n, 0
                n += 1
            label[i, g] = -1 if np.isnan(value) else n - 1
            if not np.isnan(value):
                length[n - 1] += 1
            before = value
        if i > 0 and joined[i]:
            _link_rays(x, label, i, i - 1, across, parent)
    if rays > 2 and joined[0]:
        _link_rays(x, label, 0, rays - 1, across, parent)
    number, size = np.empty(n + 1, dtype=np.int32), np.zeros(n, dtype=np.int32)
    count = 0
    for run in range(n):  # a root comes before what hangs on it: unions keep the smaller
        root = _root(parent, run)
        if root == run:
            number[run] = count
            count += 1
        number[run] = number[root]
        size[number[run]] += length[run]
    number[n] = -1  # what label -1 finds, as the last
    for i in range(rays):
        for g in range(gates):
            label[i, g] = number[label[i, g]]
    return size[:count].copy()


@numba.njit(cache=True, nogil=True)
def spread_folds(label: Ints, fold_of: Ints, x: Floats, fold: Ints, known: Bytes) -> Ints:
    """Give labelled gates their region's fold; returns the flat indices of gates that have a value but no region.

    fold_of: (region + 1,); the last, 0, is for gates without a region.
    """
    rays, gates = x.shape
    left = np.empty(x.size, dtype=np.int32)
    n = 0
    for i in range(rays):
        for g in range(gates):
            a = label[i, g]
            fold[i, g] = fold_of[a]
            known[i, g] = FOUND if a >= 0 else 0
            if a < 0 and not np.isnan(x[i, g]):
                left[n] = i * gates + g
                n += 1
    return left[:n]


@numba.njit(cache=True, nogil=True)
def mend(x: Floats, label: Ints, clear: float, longest: int, fold: Ints) -> None:
    """Shift pieces of rays that contradict the gates of their ray on both sides, by whole folds.

    Rays are farther apart than gates: in a vortex far out the wind changes by a whole fold from ray to ray, looks alike
    across, and is welded; along the ray it does not. Pieces may lie in pieces.

    Args:
        clear: a step along the ray, from gate to gate, tells its fold if it is this near to a whole one.
        longest: piece, and gap between gates of regions [gates].
        fold: (ray, gate) changed in place.
    """
    rays, gates = x.shape
    starts, wrongs = np.zeros(DEEPEST, dtype=np.int64), np.zeros(DEEPEST, dtype=np.int64)
    for i in range(rays):
        depth, anchor, last, walk, sure = 0, -1, -1, 0, True
        for g in range(gates):
            if np.isnan(x[i, g]):
                continue
            if last >= 0:
                d = x[i, last] - x[i, g]
                k = np.rint(d)
                walk += int(k)
                sure = sure and abs(d - k) <= clear
            last = g
            if label[i, g] < 0:
                continue
            off = fold[i, g] - fold[i, anchor] - walk if anchor >= 0 else 0
            if not sure or g - anchor > longest:
                depth, off = 0, 0
            while depth > 0 and off * wrongs[depth - 1] < 0 and g - starts[depth - 1] <= longest:
                shift = min(abs(off), abs(wrongs[depth - 1])) * (1 if off < 0 else -1)
                for h in range(starts[depth - 1], g):
                    fold[i, h] -= shift if label[i, h] >= 0 else 0
                off += shift
                wrongs[depth - 1] -= shift
                depth -= wrongs[depth - 1] == 0
            if off != 0:
                depth = min(depth, DEEPEST - 1)
                starts[depth], wrongs[depth] = g, off
                depth += 1
            anchor, walk, sure = g, 0, True


@numba.njit(cache=True, nogil=True)
def _ask(  # noqa: PLR0913, PLR0917
    x: Floats, joined: Bools, across: Floats, fold: Ints, known: Bytes, i: int, g: int, near: Ints, weight: Floats
) -> tuple[int, float]:
    """The fold that the known neighbours of a gate vote for, and their votes; `near` and `weight` (8,) are scratch."""
    rays, gates = x.shape
    n = 0
    for step in range(-1, 2):
        if (step < 0 and not joined[i]) or (step > 0 and not joined[(i + 1) % rays]):
            continue
        j = (i + step + rays) % rays
        share = across[g] if step else np.float32(1)
        for h in range(max(g - 1, 0), min(g + 2, gates)):
            if known[j, h]:
                d = x[j, h] + fold[j, h] - x[i, g]
                k = np.rint(d)
                p = 0
                while p < n and near[p] != k:
                    p += 1
                if p == n:
                    near[n], weight[n] = np.int32(k), 0
                    n += 1
                weight[p] += (1 - 2 * abs(d - k)) * share
    best, best_weight = 0, 0.0
    for p in range(n):
        if weight[p] > best_weight:
            best, best_weight = near[p], weight[p]
    return best, best_weight


@numba.njit(cache=True, nogil=True)
def attach(  # noqa: C901
    x: Floats, joined: Bools, across: Floats, left: Ints, least: float, passes: int, fold: Ints, known: Bytes
) -> Ints:
    """Fold single gates to their 8 neighbours that are known, from region borders outwards; returns those left over.

    Each pass looks only at what earlier passes knew, and after the first only at gates beside those it newly knows.
    `across`: (gate,) vote of a neighbour on another ray, against 1 of one on the same. `least`: part of all votes that
    suffices.
    """
    rays, gates = x.shape
    queue, chosen, due = left.copy(), np.empty(left.size, dtype=np.int32), np.zeros(x.size, dtype=np.uint8)
    near, weight = np.empty(8, dtype=np.int32), np.empty(8, dtype=np.float32)
    waiting = left.size
    for _ in range(passes):
        done = 0
        for m in range(waiting):
            i, g = queue[m] // gates, queue[m] % gates
            due[queue[m]] = 0
            best, votes = _ask(x, joined, across, fold, known, i, g, near, weight)
            if votes > 0 and votes >= least * (2 + 6 * across[g]):
                queue[done], chosen[done] = queue[m], best
                done += 1
        fresh = queue[:done].copy()
        for m in range(done):
            fold[fresh[m] // gates, fresh[m] % gates] = chosen[m]
            known[fresh[m] // gates, fresh[m] % gates] = FOUND
        waiting = 0
        for m in range(done):
            i, g = fresh[m] // gates, fresh[m] % gates
            for step in range(-1, 2):
                if (step < 0 and not joined[i]) or (step > 0 and not joined[(i + 1) % rays]):
                    continue
                j = (i + step + rays) % rays
                for h in range(max(g - 1, 0), min(g + 2, gates)):
                    if not known[j, h] and not due[j * gates + h] and not np.isnan(x[j, h]):
                        due[j * gates + h] = 1
                        queue[waiting] = j * gates + h
                        waiting += 1
        if waiting == 0:
            break
    n = 0
    for m in range(left.size):
        if not known[left[m] // gates, left[m] % gates]:
            left[n] = left[m]
            n += 1
    return left[:n]


@numba.njit(cache=True, nogil=True)
def settle(x: Floats, left: Ints, expected: Floats, reach: int, most: int, fold: Ints, known: Bytes) -> None:
    """Fold gates without known neighbours to what is expected there, else to the nearest known gate of the ray."""
    gates = x.shape[1]
    for m in range(left.size):
        i, g = left[m] // gates, left[m] % gates
        d = expected[i, g] - x[i, g]
        if abs(d) <= most:
            fold[i, g], known[i, g] = np.int32(np.rint(d)), SETTLED
            continue
        for step in range(1, reach + 1):
            h = g - step
            if h < 0 or known[i, h] != FOUND:
                h = g + step
            if h < gates and known[i, h] == FOUND:
                fold[i, g], known[i, g] = np.int32(np.rint(x[i, h] + fold[i, h] - x[i, g])), SETTLED
                break
