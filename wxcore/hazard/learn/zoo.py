"""The models that are trained: logistic regression and histogram gradient boosting."""

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from wxcore.hazard.learn.model import Model

ITERATIONS = 1000
"""Most iterations of the logistic regression's solver."""

LEAF_ROWS = 20
"""Fewest rows of a leaf (scikit-learn's own default)."""

BINS = 63
"""Bins of a feature [our choice]: quantiles, between which `recipe.snapped` leaves the trees to split."""


def _logistic(seed: int, _: Sequence[int], parameters: Mapping[str, Any]) -> Pipeline:
    """Missing values: the median of the training rows, and a column that says so. Directions cannot be held to."""
    return Pipeline([
        ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
        ("scale", StandardScaler()),
        ("logistic", LogisticRegression(max_iter=ITERATIONS, random_state=seed, **parameters)),
    ])  # fmt: skip


def _boosted(seed: int, directions: Sequence[int], parameters: Mapping[str, Any]) -> HistGradientBoostingClassifier:
    """No early stopping: it would hold rows, not days, out."""
    return HistGradientBoostingClassifier(
        early_stopping=False,
        min_samples_leaf=LEAF_ROWS,
        max_bins=BINS,
        monotonic_cst=list(directions),
        random_state=seed,
        **parameters,
    )


LOGISTIC = Model(
    name="logistic",
    title="logistic regression (medians and indicators for what is missing; scaled; L2)",
    make=_logistic,
    grid=({"C": 1.0}, {"C": 0.03}),
)

BOOSTED = Model(
    name="boosted",
    title="histogram gradient boosting (NaN-native, monotone where physics says so)",
    make=_boosted,
    grid=(
        {"learning_rate": 0.05, "max_iter": 150, "max_leaf_nodes": 7, "l2_regularization": 5.0},
        {"learning_rate": 0.1, "max_iter": 100, "max_leaf_nodes": 15, "l2_regularization": 1.0},
    ),
)

MODELS = (LOGISTIC, BOOSTED)
"""What `wx train` fits where nobody says otherwise."""
