"""Why a trained model says what it says: the contribution of each feature to its log odds, and that in words.

Gradient boosting: along the path of each tree (Saabas 2014, "Interpreting random forests"): a split gives to its
feature what it changes in the expected value, which at a node is the mean of the leaves below it, weighted with their
training rows. It sums exactly to the score. It is no Shapley value: features near the root get less than those near the
leaves where they act together. Logistic regression: coefficient x value as the regression sees it (scaled).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from wxcore.hazard.features.catalogue import SOURCES_EN, SOURCES_ZH
from wxcore.hazard.opinion import Phrase

Doubles = npt.NDArray[np.float64]

LEAF = -1
"""In the place of a feature: the node is a leaf."""

TOLD = 4
"""Contributions that are told, the largest first [our choice]."""

LEAST_LOG_ODDS = 0.05
"""A smaller contribution is not told: at most 1.25 % of probability [our choice]."""

UNITS_EN: dict[str, str] = {"1": "", "": "", "percent": " %", "m s-1": " m/s", "kg m-2": " kg/m²", "degree": "°"}
UNITS_ZH: dict[str, str] = UNITS_EN | {
    "mm": "毫米",
    "km": "公里",
    "m": "米",
    "min": "分钟",
    "m s-1": "米/秒",
    "km2": "平方公里",
    "kg m-2": "千克/平方米",
    "g m-3": "克/立方米",
    "hPa": "百帕",
    "%": "%",
    "min-1": "次/分钟",
}
RAISES: tuple[Phrase, Phrase] = (("lowers", "降低"), ("raises", "提高"))
UNKNOWN: Phrase = ("no drivers: this kind of model does not tell why", "无依据说明：该类模型不给出理由")


@dataclass(frozen=True)
class Contributions:
    """Of n storms and f features, in log odds, before calibration.

    Attributes:
        values: (n, f). base: what the model says where no feature speaks.
        score: (n,), the estimator's `decision_function`: base + sum of values, but for rounding.
    """

    values: Doubles
    base: float
    score: Doubles


@dataclass(frozen=True)
class Word:
    """How a feature is told: name in English and Chinese, units, and the source that it comes from."""

    en: str
    zh: str
    units: str
    group: str


def contributions(estimator: Any, matrix: Doubles, names: Sequence[str]) -> Contributions | None:
    """Contributions of features to the raw score (`decision_function`); None where this kind of model tells none.

    Args:
        estimator: fitted, of two classes: HistGradientBoostingClassifier without categories, LogisticRegression, or a
            pipeline that ends in one of them and whose steps keep track of names (get_feature_names_out).
        matrix: (n, f), NaN where missing; names: of its columns.
    """
    if isinstance(estimator, Pipeline):
        found = _through(estimator[:-1], matrix, names) if len(estimator) > 1 else (matrix, np.arange(len(names)))
        inner = None if found is None else _plain(estimator[-1], found[0])
        if found is None or inner is None:
            return None
        values = np.zeros(matrix.shape)
        np.add.at(values.T, found[1], inner.values.T)
        return Contributions(values, inner.base, inner.score)
    return _plain(estimator, matrix)


def _plain(estimator: Any, matrix: Doubles) -> Contributions | None:
    if isinstance(estimator, HistGradientBoostingClassifier):
        categorical = estimator.is_categorical_ is not None and np.any(estimator.is_categorical_)
        return None if categorical else _boosted(estimator, matrix)
    if isinstance(estimator, LogisticRegression) and len(estimator.classes_) == 2:
        base = float(estimator.intercept_[0])
        return Contributions(matrix * estimator.coef_[0], base, matrix @ estimator.coef_[0] + base)
    return None


def _through(steps: Pipeline, matrix: Doubles, names: Sequence[str]) -> tuple[Doubles, npt.NDArray[np.intp]] | None:
    """What the last step sees, and of which feature each of its columns tells; None where a column mixes several."""
    place = {name: number for number, name in enumerate(names)}
    place |= {f"missingindicator_{name}": number for name, number in place.items()}
    try:
        columns = [str(name) for name in steps.get_feature_names_out(list(names))]
    except AttributeError:
        return None
    if any(name not in place for name in columns):
        return None
    seen = steps.transform(pd.DataFrame(matrix, columns=list(names)))
    return np.asarray(seen, dtype=np.float64), np.array([place[name] for name in columns], dtype=np.intp)


def _boosted(estimator: Any, matrix: Doubles) -> Contributions:
    trees = [stage[0].nodes for stage in estimator._predictors]
    sizes = np.array([len(tree) for tree in trees], dtype=np.int64)
    base = float(estimator._baseline_prediction[0, 0])
    if not trees:
        return Contributions(np.zeros(matrix.shape), base, np.full(len(matrix), base))
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    nodes = np.empty(sizes.sum(), dtype=trees[0].dtype)
    for start, size, tree in zip(roots, sizes, trees, strict=True):
        nodes[start : start + size] = tree
    shift = np.repeat(roots, sizes)
    children = np.stack([nodes["right"] + shift, nodes["left"] + shift], axis=1).astype(np.int64)
    feature = np.where(nodes["is_leaf"] == 1, LEAF, nodes["feature_idx"]).astype(np.int64)
    expected = _expected(children, feature, nodes["value"].copy(), nodes["count"].astype(np.float64))
    x = np.ascontiguousarray(matrix, dtype=np.float64)
    limits, to_left = nodes["num_threshold"].copy(), nodes["missing_go_to_left"].astype(np.int64)
    values, score = _walk(x, roots, children, feature, limits, to_left, expected, base)
    return Contributions(values, base + float(expected[roots].sum()), score)


@njit(cache=True, nogil=True)
def _expected(children: Any, feature: Any, value: Any, count: Any) -> Any:  # pragma: no cover
    """Mean of the leaves below each node, weighted with their rows: children stand behind their parent."""
    for node in range(len(feature) - 1, -1, -1):
        if feature[node] != LEAF:
            one, other = children[node, 0], children[node, 1]
            rows = count[one] + count[other]
            value[node] = (value[one] * count[one] + value[other] * count[other]) / rows
    return value


@njit(cache=True, nogil=True)
def _walk(
    x: Any, roots: Any, children: Any, feature: Any, limits: Any, to_left: Any, expected: Any, base: float
) -> Any:  # pragma: no cover
    """Each row down each tree: what a split changes in the expected value is its feature's. The scores are summed in
    scikit-learn's order, so to the bit as its own, without a parallel region a tree: those wait long on a busy machine.
    """
    found, score = np.zeros(x.shape), np.full(x.shape[0], base)
    for tree in range(len(roots)):
        for row in range(x.shape[0]):
            node = roots[tree]
            while feature[node] != LEAF:
                value = x[row, feature[node]]
                side = to_left[node] if np.isnan(value) else int(value <= limits[node])
                child = children[node, side]
                found[row, feature[node]] += expected[child] - expected[node]
                node = child
            score[row] += expected[node]
    return found, score


def in_words(
    found: Contributions, matrix: Doubles, words: Sequence[Word]
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The TOLD largest contributions of each row, in English and Chinese.

    A source of which a row knows nothing is told once, with all that its absence moves.

    Args:
        matrix: (n, f), NaN where missing; words: of its columns.
    """
    missing = np.isnan(matrix)
    groups = list(dict.fromkeys(word.group for word in words if word.group))
    own = found.values.copy()
    absent = np.zeros((len(matrix), len(groups)))
    for number, group in enumerate(groups):
        columns = np.array([place for place, word in enumerate(words) if word.group == group])
        rows = np.flatnonzero(missing[:, columns].all(axis=1))
        cells = np.ix_(rows, columns)
        absent[rows, number] = own[cells].sum(axis=1)
        own[cells] = 0.0
    every = np.hstack([own, absent])
    size = -np.abs(every)
    if every.shape[1] > TOLD:
        order = np.sort(np.argpartition(size, TOLD - 1, axis=1)[:, :TOLD], axis=1)
    else:
        order = np.tile(np.arange(every.shape[1]), (len(every), 1))
    ranked = np.argsort(np.take_along_axis(size, order, axis=1), axis=1, kind="stable")
    order = np.take_along_axis(order, ranked, axis=1)
    largest = np.take_along_axis(every, order, axis=1)
    figures = np.take_along_axis(np.hstack([matrix, absent]), order, axis=1)
    stems = _Stems(words, groups)
    english, chinese = [], []
    counts = (np.abs(largest) >= LEAST_LOG_ODDS).sum(axis=1).tolist()
    for count, *row in zip(counts, order.tolist(), figures.tolist(), largest.tolist(), strict=True):
        told = list(map(stems.phrase, *(part[:count] for part in row)))
        en, zh = zip(*told, strict=True) if told else ((), ())
        english.append(en)
        chinese.append(zh)
    return english, chinese


class _Stems:
    """The words of each column, made once."""

    def __init__(self, words: Sequence[Word], groups: Sequence[str]) -> None:
        self.words = [
            (word.en, word.zh, UNITS_EN.get(word.units, f" {word.units}"), UNITS_ZH.get(word.units, f" {word.units}"))
            for word in words
        ]
        self.groups = [
            (f"no {SOURCES_EN.get(name, name)} data", f"无{SOURCES_ZH.get(name, name)}资料") for name in groups
        ]

    def phrase(self, column: int, figure: float, amount: float) -> Phrase:
        """Such as "MESH 46 mm raises"."""
        verb_en, verb_zh = RAISES[amount > 0]
        if column >= len(self.words):
            en, zh = self.groups[column - len(self.words)]
            return f"{en} {verb_en}", f"{zh} {verb_zh}"
        en, zh, units_en, units_zh = self.words[column]
        if math.isnan(figure):
            return f"{en} unknown {verb_en}", f"{zh}未知 {verb_zh}"
        number = _figure(figure)
        return f"{en} {number}{units_en} {verb_en}", f"{zh} {number}{units_zh} {verb_zh}"


def _figure(value: float) -> str:
    """Whole from 10 on, one decimal from 1, else two figures."""
    size = abs(value)
    return f"{value:.0f}" if size >= 10 or value == int(value) else f"{value:.1f}" if size >= 1 else f"{value:.2g}"


def words_of(names: Sequence[str], known: Mapping[str, Word]) -> list[Word]:
    """The words of these features; of one that nobody described its name."""
    return [known.get(name) or Word(name, name, "", "") for name in names]
