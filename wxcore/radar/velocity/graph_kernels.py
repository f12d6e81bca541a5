"""Compiled merging of regions whose folds are known relative to each other: a graph of votes, strongest first.

A vote (a, b, k, weight) says: b is folded k times more often than a. Nodes that hang together share a root; `offset` is
the fold of a node relative to its parent's.
"""

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@numba.njit(cache=True, nogil=True)
def root_of(parent: Ints, offset: Ints, a: int) -> tuple[int, int]:
    """Root of a node and the node's fold relative to it; shortens the way."""
    top, fold = a, 0
    while parent[top] != top:
        fold += offset[top]
        top = parent[top]
    total = fold
    while parent[a] != top and a != top:
        above, own = parent[a], offset[a]
        parent[a], offset[a] = top, fold
        fold -= own
        a = above
    return top, total


@numba.njit(cache=True, nogil=True)
def roots_of(parent: Ints, offset: Ints, count: int) -> tuple[Ints, Ints]:
    """Root of each of the first `count` nodes, and its fold relative to it."""
    roots, folds = np.empty(count, dtype=np.int32), np.empty(count, dtype=np.int32)
    for a in range(count):
        roots[a], folds[a] = root_of(parent, offset, a)
    return roots, folds


@numba.njit(cache=True, nogil=True)
def unite(parent: Ints, offset: Ints, a: int, b: int, k: int) -> bool:
    """Let b be folded k times more often than a; False where both already hang together."""
    root_a, fold_a = root_of(parent, offset, a)
    root_b, fold_b = root_of(parent, offset, b)
    if root_a == root_b:
        return False
    parent[root_b] = root_a
    offset[root_b] = fold_a + k - fold_b
    return True


@numba.njit(cache=True, nogil=True)
def _slot(table: Longs, key: int) -> int:
    """Place of a key in an open hash table of a power of two entries, at most half full; -1 marks a free one."""
    mask = table.size - 1
    h = (key * 0x9E3779B97F4A7C1) >> 20 & mask
    while table[h] != -1 and table[h] != key:
        h = (h + 1) & mask
    return h


@numba.njit(cache=True, nogil=True)
def _gather(parent: Ints, offset: Ints, first: Ints, second: Ints, folds: Ints, weight: Floats, table: Longs) -> int:
    """Rewrite votes, in place, as votes between roots, alike ones summed; returns how many are left."""
    nodes = parent.size
    where = np.empty(table.size, dtype=np.int32)
    table[:] = -1
    n = 0
    for e in range(first.size):
        a, fold_a = root_of(parent, offset, first[e])
        b, fold_b = root_of(parent, offset, second[e])
        k = folds[e] + fold_a - fold_b
        if a == b or not abs(k) < 32_000 or not weight[e] > 0:
            continue
        if a > b:
            a, b, k = b, a, -k
        key = (np.int64(a) * nodes + b) * 65_536 + k + 32_768
        h = _slot(table, key)
        if table[h] == -1:
            table[h], where[h] = key, n
            first[n], second[n], folds[n], weight[n] = a, b, k, weight[e]
            n += 1
        else:
            weight[where[h]] += weight[e]
    return n


@numba.njit(cache=True, nogil=True)
def _best_of(nodes: int, first: Ints, second: Ints, weight: Floats, table: Longs, level: float) -> Longs:
    """For each node the vote it follows, -1 where none is at least `level` strong.

    Strength of a pair: (2 w - W)^2 / W with the weight w of its best k and W of all.
    """
    n = first.size
    pair = np.empty(table.size, dtype=np.int32)
    total, top = np.zeros(n, dtype=np.float32), np.empty(n, dtype=np.int32)
    table[:] = -1
    pairs = 0
    for e in range(n):
        key = np.int64(first[e]) * nodes + second[e]
        h = _slot(table, key)
        if table[h] == -1:
            table[h], pair[h] = key, pairs
            top[pairs] = e
            pairs += 1
        p = pair[h]
        total[p] += weight[e]
        if weight[e] > weight[top[p]]:
            top[p] = e
    follows, strength = np.full(nodes, -1, dtype=np.int64), np.zeros(nodes, dtype=np.float32)
    for p in range(pairs):
        e = top[p]
        margin = 2 * weight[e] - total[p]
        value = margin * margin / total[p]
        if not margin > 0 or value < level:
            continue
        if value > strength[first[e]]:
            follows[first[e]], strength[first[e]] = e, value
        if value > strength[second[e]]:
            follows[second[e]], strength[second[e]] = e, value
    return follows


@numba.njit(cache=True, nogil=True)
def merge(
    parent: Ints, offset: Ints, votes: tuple[Ints, Ints, Ints, Floats], levels: npt.NDArray[np.float64], passes: int
) -> int:
    """Unite nodes along their strongest votes, level by level (descending), at most `passes` times each.

    In each pass every cluster follows its strongest neighbour, so that a level ends after few passes (Boruvka). The
    votes' arrays are used up; returns how many votes, now between clusters, are left at their beginning.
    """
    first, second, folds, weight = votes
    size = 16
    while size < 2 * first.size:
        size *= 2
    table = np.empty(size, dtype=np.int64)
    n = _gather(parent, offset, first, second, folds, weight, table)
    for level in levels:
        for _ in range(passes):
            follows = _best_of(parent.size, first[:n], second[:n], weight[:n], table, level)
            merged = False
            for a in range(parent.size):
                e = follows[a]
                if e >= 0 and unite(parent, offset, first[e], second[e], folds[e]):
                    merged = True
            if not merged:
                break
            n = _gather(parent, offset, first[:n], second[:n], folds[:n], weight[:n], table)
    return n
