"""`wx bench models`: features to probabilities with their drivers, for as many storms as a bad day has."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wxcore.archive.measure import median_seconds
from wxcore.cli.bench_table import Row, show_rows, timed
from wxcore.cli.options import Json
from wxcore.hazard.features.catalogue import NAMES
from wxcore.hazard.learn.calibrate import fit_calibrator
from wxcore.hazard.learn.fitted import Fitted
from wxcore.hazard.learn.model import Model
from wxcore.hazard.learn.zoo import BOOSTED, LOGISTIC
from wxcore.hazard.predict import predict
from wxcore.hazard.registry.store import Loaded
from wxcore.hazard.windows import WINDOWS
from wxcore.schema import HAZARDS

STORMS = 500
GOAL_S = 0.2
"""500 storms x 3 hazards x 4 windows with their drivers (issue 8)."""

ROWS, MISSING, REPEATS = 4000, 0.2, 7


def bench_models(as_json: Json = False) -> None:
    """Probabilities and drivers of 500 storms, 3 hazards, 4 windows, by models of each kind. 训练模型推理基准."""
    show_rows("wx bench models", model_rows(), as_json=as_json)


def model_rows(models: Sequence[Model] = (BOOSTED, LOGISTIC), rows: int = ROWS, storms: int = STORMS) -> list[Row]:
    """A row a kind of model, each with the largest parameters of its grid, fitted on noise with a signal in it."""
    return [_row(model, rows, storms) for model in models]


def _row(model: Model, rows: int, count: int) -> Row:
    frame, happened = _noise(rows)
    estimator = model.make(0, [0] * len(NAMES), model.grid[-1]).fit(frame, happened)
    calibrator = fit_calibrator(estimator.predict_proba(frame)[:, 1], happened)
    part = Fitted(estimator, calibrator, NAMES)
    parts = {window.name: part for window in WINDOWS}
    card = {"features": [{"name": name} for name in NAMES], "version": "bench"}
    loaded = [Loaded(hazard, "bench", parts, NAMES, {**card, "hazard": hazard}) for hazard in HAZARDS]
    table = frame.iloc[:count]
    storms = pd.DataFrame({"storm_id": [f"s{row}" for row in range(len(table))], "observed_fraction": 1.0})
    seconds = median_seconds(lambda: [predict(one, table, storms) for one in loaded], REPEATS)
    title = f"{model.name}: {count} storms x {len(HAZARDS)} hazards x {len(WINDOWS)} windows with drivers"
    return timed(title, seconds, GOAL_S, 1.0)


def _noise(rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Features, a part of them missing, and what happened."""
    random = np.random.default_rng(0)
    values = random.normal(size=(rows, len(NAMES)))
    happened = (values[:, :3].sum(axis=1) + random.logistic(size=rows) > 1).astype(np.float64)
    values[random.random(values.shape) < MISSING] = np.nan
    return pd.DataFrame(values, columns=list(NAMES)), happened
