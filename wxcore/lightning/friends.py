"""Friends of friends: which points hang together by links of at most 1, however many of them are crowded in a place.

Exact, by two walks over one tree of boxes (a dual-tree search; for the halos of cosmology Feng and Modi 2017 [M]):
boxes too far from each other are never opened, and points in a box whose diagonal is at most 1 are one without a look.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AXES = 4
LEAF = 8
"""Points in a box that is not divided."""

FINENESS = 8.0
"""Points closer than 1 / FINENESS need not be told apart by the order of the curve."""
PLACE_BITS, TIME_BITS = 13, 24
"""Of the first three axes 2^13 / FINENESS = 1024 lengths are in order (the Earth has 772 of 16.5 km), of the last one
eight days of 330 ms. Points beyond are found all the same, only slower."""

STACK = 512
"""Room for pairs of boxes that wait: each step down, of which there are 2 log2(points / LEAF), leaves two behind."""


class Tree(NamedTuple):
    """Boxes around points that are neighbours on the curve; the children of box k are 2 k + 1 and 2 k + 2.

    Attributes:
        low, high: (box, axis) corners; at infinity, and low above high, where a box is empty.
        first: (box,) its first point; the last `leaves` boxes have LEAF points each.
        whole: (box,) 1 where its points are known to be of one set, else 0.
    """

    low: Doubles
    high: Doubles
    first: Ints
    whole: Ints
    leaves: int


def friends(points: Doubles) -> Ints:
    """The set of each point: the index of the set's first one, (n,).

    Args:
        points: (n, 4), finite, in units of the longest link: the last axis is time. Two points are linked where their
            Euclidean distance is at most 1; sets are chains of links.
    """
    if not points.shape[0]:
        return np.empty(0, dtype=np.int64)
    order = np.argsort(_along_curve(points), kind="stable")
    return np.asarray(_first_of_each(_sets(points[order]), order))


@numba.njit(cache=True, nogil=True)
def _along_curve(points: Doubles) -> Ints:
    """Place of each point on a curve (Morton 1966) that keeps neighbours together."""
    lowest = np.empty(AXES)
    for axis in range(AXES):
        lowest[axis] = points[:, axis].min()
    place = np.zeros(points.shape[0], np.int64)
    for i in range(points.shape[0]):
        for axis in range(AXES):
            most = 2 ** (TIME_BITS if axis == AXES - 1 else PLACE_BITS) - 1
            step = np.int64(min((points[i, axis] - lowest[axis]) * FINENESS, most))
            for bit in range(PLACE_BITS):
                place[i] |= ((step >> bit) & 1) << (AXES * bit + axis)
            place[i] |= (step >> PLACE_BITS) << (AXES * PLACE_BITS)
    return place


@numba.njit(cache=True, nogil=True)
def _root(parent: Ints, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, nogil=True)
def _join(parent: Ints, i: int, j: int) -> None:
    one, two = _root(parent, i), _root(parent, j)
    parent[max(one, two)] = min(one, two)


@numba.njit(cache=True, nogil=True)
def _tree(points: Doubles) -> Tree:
    """The tree; boxes with a diagonal of at most 1 are whole."""
    count, leaves = points.shape[0], 1
    while leaves * LEAF < count:
        leaves *= 2
    boxes = 2 * leaves - 1
    low, high = np.full((boxes, AXES), np.inf), np.full((boxes, AXES), -np.inf)
    first, whole = np.full(boxes, count), np.zeros(boxes, np.int64)
    for i in range(count - 1, -1, -1):
        k = leaves - 1 + i // LEAF
        first[k] = i
        for axis in range(AXES):
            low[k, axis], high[k, axis] = min(low[k, axis], points[i, axis]), max(high[k, axis], points[i, axis])
    for k in range(leaves - 2, -1, -1):
        left, right = 2 * k + 1, 2 * k + 2
        first[k] = first[left]
        for axis in range(AXES):
            low[k, axis] = min(low[left, axis], low[right, axis])
            high[k, axis] = max(high[left, axis], high[right, axis])
    for k in range(boxes):
        square = 0.0
        for axis in range(AXES):
            square += (high[k, axis] - low[k, axis]) ** 2
        whole[k] = square <= 1
    return Tree(low, high, first, whole, leaves)


@numba.njit(cache=True, nogil=True)
def _join_small(tree: Tree, parent: Ints) -> None:
    """Join the points of every box with a diagonal of at most 1."""
    for i in range(parent.size):
        k = tree.leaves - 1 + i // LEAF
        while k and tree.whole[(k - 1) // 2]:
            k = (k - 1) // 2
        if tree.whole[k]:
            parent[i] = tree.first[k]


@numba.njit(cache=True, nogil=True)
def _is_whole(tree: Tree, k: int, parent: Ints) -> bool:
    """Are all points of a box of one set, as far as is known? Remembered."""
    if tree.whole[k] == 0:
        root, one = _root(parent, tree.first[k]), True
        if k >= tree.leaves - 1:
            for i in range(tree.first[k] + 1, min(tree.first[k] + LEAF, parent.size)):
                one = one and _root(parent, i) == root
        else:
            right = tree.first[2 * k + 2]
            one = tree.whole[2 * k + 1] == 1
            if right < parent.size:
                one = one and tree.whole[2 * k + 2] == 1 and _root(parent, right) == root
        tree.whole[k] = one
    return bool(tree.whole[k] == 1)


@numba.njit(cache=True, nogil=True)
def _gap(tree: Tree, a: int, b: int) -> float:
    """Square of the least distance between two boxes: never above that of two of their points, by rounding neither."""
    square = 0.0
    for axis in range(AXES):
        between = max(tree.low[a, axis] - tree.high[b, axis], tree.low[b, axis] - tree.high[a, axis])
        square += max(between, 0.0) ** 2
    return square


@numba.njit(cache=True, nogil=True)
def _apart(points: Doubles, tree: Tree, a: int, b: int) -> bool:
    """Is every point of box a, which is not divided, too far from box b?"""
    for i in range(tree.first[a], min(tree.first[a] + LEAF, points.shape[0])):
        square = 0.0
        for axis in range(AXES):
            between = max(points[i, axis] - tree.high[b, axis], tree.low[b, axis] - points[i, axis])
            square += max(between, 0.0) ** 2
        if square <= 1:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _compare(points: Doubles, tree: Tree, a: int, b: int, parent: Ints) -> None:
    """Join the linked points of two boxes that are not divided, or of one with itself."""
    done = a != b and tree.whole[a] == 1 and tree.whole[b] == 1
    for i in range(tree.first[a], min(tree.first[a] + LEAF, parent.size)):
        for j in range(i + 1 if a == b else tree.first[b], min(tree.first[b] + LEAF, parent.size)):
            square = 0.0
            for axis in range(AXES):
                square += (points[i, axis] - points[j, axis]) ** 2
            if square <= 1:
                _join(parent, i, j)
                if done:
                    return


@numba.njit(cache=True, nogil=True)
def _halves(tree: Tree, a: int, b: int) -> bool:
    """Is it box a that is to be opened: the longer one that can be?"""
    if a >= tree.leaves - 1 or b >= tree.leaves - 1:
        return a < tree.leaves - 1
    longest = 0.0
    for axis in range(AXES):
        one, two = tree.high[a, axis] - tree.low[a, axis], tree.high[b, axis] - tree.low[b, axis]
        longest = one if one > abs(longest) else -two if two > abs(longest) else longest
    return longest >= 0


@numba.njit(cache=True, nogil=True)
def _sets(points: Doubles) -> Ints:
    """For each point, in the order of the curve, another one of its set, or itself: chains end at one point a set."""
    count = points.shape[0]
    parent = np.arange(count)
    tree = _tree(points)
    _join_small(tree, parent)
    waiting = np.zeros((STACK, 2), np.int64)
    size = 1
    while size:
        size -= 1
        a, b = waiting[size]
        if tree.first[a] == count or tree.first[b] == count or _gap(tree, a, b) > 1:
            continue
        if (
            _is_whole(tree, a, parent) and _is_whole(tree, b, parent)
            and _root(parent, tree.first[a]) == _root(parent, tree.first[b])
        ):  # fmt: skip
            continue
        a_leaf, b_leaf = a >= tree.leaves - 1, b >= tree.leaves - 1
        if (a_leaf and _apart(points, tree, a, b)) or (b_leaf and _apart(points, tree, b, a)):
            continue
        if a_leaf and b_leaf:
            _compare(points, tree, a, b, parent)
        elif a == b:
            left, right = 2 * a + 1, 2 * a + 2
            waiting[size], waiting[size + 1], waiting[size + 2] = (left, right), (right, right), (left, left)
            size += 3
        else:
            opened, other = (a, b) if _halves(tree, a, b) else (b, a)
            left, right = 2 * opened + 1, 2 * opened + 2
            nearer = _gap(tree, left, other) <= _gap(tree, right, other)
            waiting[size] = (right if nearer else left, other)
            waiting[size + 1] = (left if nearer else right, other)
            size += 2
    return parent


@numba.njit(cache=True, nogil=True)
def _first_of_each(parent: Ints, order: Ints) -> Ints:
    """The lowest index in each point's set, before points were put into `order`."""
    least = np.full(parent.size, parent.size)
    for i in range(parent.size):
        root = _root(parent, i)
        least[root] = min(least[root], order[i])
    found = np.empty(parent.size, np.int64)
    for i in range(parent.size):
        found[order[i]] = least[_root(parent, i)]
    return found
