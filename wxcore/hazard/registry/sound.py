"""Trees whose indices stay within their arrays.

scikit-learn follows the indices of a tree without looking (scikit-learn pull request 34558): a forged file could crash
the process, or never end, at its first prediction.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

BOOSTED, TREE = "TreePredictor", "Tree"


def unsound_trees(content: Any) -> list[str]:
    """What is wrong with the trees in `content`, one line each kind; empty: nothing."""
    faults: set[str] = set()
    for owner, tree in _trees(content, None, set()):
        if type(tree).__name__ == BOOSTED:
            faults |= _boosted(tree, owner)
        else:
            faults |= _plain(tree)
    return sorted(faults)


def _trees(thing: Any, owner: Any, seen: set[int]) -> Iterator[tuple[Any, Any]]:
    """(nearest estimator that knows its number of features, tree) of each tree."""
    if id(thing) in seen or isinstance(thing, str | int | float | None):
        return
    seen.add(id(thing))
    if type(thing).__name__ in {BOOSTED, TREE}:
        yield owner, thing
        return
    parts: Any = ()
    if isinstance(thing, Mapping):
        parts = thing.values()
    elif isinstance(thing, list | tuple | set) or (isinstance(thing, np.ndarray) and thing.dtype == object):
        parts = thing
    elif hasattr(thing, "__dict__"):
        owner = thing if "n_features_in_" in vars(thing) else owner
        parts = vars(thing).values()
    for part in parts:
        yield from _trees(part, owner, seen)


def _boosted(tree: Any, owner: Any) -> set[str]:
    nodes = tree.nodes
    if not isinstance(nodes, np.ndarray) or nodes.ndim != 1 or not len(nodes) or nodes.dtype.names is None:
        return {"a tree without nodes"}
    if owner is None:
        return {"a tree that belongs to no estimator"}
    inner = nodes[nodes["is_leaf"] == 0]
    faults = _children(np.flatnonzero(nodes["is_leaf"] == 0), inner["left"], inner["right"], len(nodes))
    faults |= _features(inner["feature_idx"], int(owner.n_features_in_))
    by_kind = inner[inner["is_categorical"] != 0]
    if len(by_kind) and by_kind["bitset_idx"].max() >= len(tree.raw_left_cat_bitsets):
        faults.add("a tree asks for categories that are not there")
    return faults


def _plain(tree: Any) -> set[str]:
    left, right = np.asarray(tree.children_left), np.asarray(tree.children_right)
    inner = np.flatnonzero(left != -1)
    faults = _children(inner, left[inner], right[inner], tree.node_count)
    return faults | _features(np.asarray(tree.feature)[inner], tree.n_features)


def _children(parents: Any, left: Any, right: Any, count: int) -> set[str]:
    """Children stand behind their parents, so no path ever returns."""
    below = np.minimum(left, right).astype(np.int64)
    above = np.maximum(left, right).astype(np.int64)
    bad = (below <= parents) | (above >= count)
    return {"a tree whose branches lead outside of it, or back"} if bad.any() else set()


def _features(asked: Any, count: int) -> set[str]:
    bad = (asked < 0) | (asked >= count)
    return {f"a tree asks for a feature that is not among its {count}"} if bad.any() else set()
