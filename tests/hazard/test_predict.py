"""What a trained model says of storms: the same as when it was scored, with reasons that add up."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB
from threadpoolctl import threadpool_limits

from wxcore.errors import ModelError
from wxcore.hazard.drivers import TOLD, UNKNOWN, Contributions, Word, contributions, in_words, words_of
from wxcore.hazard.features.build import missing_groups
from wxcore.hazard.features.catalogue import NAMES
from wxcore.hazard.learn.calibrate import fit_calibrator
from wxcore.hazard.learn.fitted import Fitted
from wxcore.hazard.learn.zoo import BOOSTED, LOGISTIC
from wxcore.hazard.predict import NOT_SEEN, predict
from wxcore.hazard.registry.store import Loaded
from wxcore.hazard.windows import WINDOWS
from wxcore.schema import PROBABILITIES, check_table

SEEN = ("mesh_mm", "max_dbz", "flash_rate_min", "lightning_jump", "speed_m_s")
ROWS = 600
KINDS = {model.name: model for model in (BOOSTED, LOGISTIC)}
PARAMETERS: dict[str, dict[str, Any]] = {"boosted": {"max_iter": 20, "max_leaf_nodes": 7}, "logistic": {"C": 1.0}}
MODELS = pytest.mark.parametrize("model", [BOOSTED, LOGISTIC], ids=lambda model: model.name)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other at each tree take minutes where other tests run beside."""
    with threadpool_limits(1):
        yield


def frame_of(rows: int, seed: int = 0) -> pd.DataFrame:
    """Features that nobody measured, but SEEN; of every third row no lightning."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(np.nan, index=range(rows), columns=list(NAMES))
    frame[list(SEEN)] = np.column_stack([
        rng.gamma(2, 12, rows), rng.uniform(35, 70, rows), rng.poisson(3, rows), rng.integers(0, 2, rows),
        rng.gamma(4, 3, rows),
    ])  # fmt: skip
    frame = frame.mask((rng.random(frame.shape) < 0.1) & (frame.columns != "max_dbz"))
    frame.loc[::3, ["flash_rate_min", "lightning_jump"]] = np.nan
    return frame


def happened(frame: pd.DataFrame, seed: int = 1) -> np.ndarray:
    score = 0.1 * (frame["mesh_mm"].fillna(15) - 25) + 0.2 * frame["flash_rate_min"].fillna(0)
    return (score + np.random.default_rng(seed).logistic(size=len(frame)) > 0).astype(int).to_numpy()


def fitted(model: Any, seed: int = 0, kept: float = 1.0) -> Fitted:
    """The same object for the same arguments."""
    return _fitted(model.name, seed, kept)


@cache
def _fitted(name: str, seed: int, kept: float) -> Fitted:
    frame = frame_of(ROWS, seed)
    y = happened(frame, seed + 1)
    estimator = KINDS[name].make(seed, [0] * len(SEEN), PARAMETERS[name]).fit(frame[list(SEEN)], y)
    late = frame_of(2 * ROWS, seed + 50)
    p = estimator.predict_proba(late[list(SEEN)])[:, 1]
    return Fitted(estimator, fit_calibrator(p, happened(late, seed + 51)), SEEN, kept)


def loaded(parts: dict[str, Fitted], features: tuple[str, ...] = SEEN) -> Loaded:
    card = {"hazard": "hail", "version": "t1", "truth_class": "SYN", "features": [{"name": name} for name in features]}
    return Loaded("hail", "t1", parts, features, card)


def storms(rows: int, blind: tuple[int, ...] = ()) -> pd.DataFrame:
    seen = [0.0 if row in blind else 0.8 for row in range(rows)]
    return pd.DataFrame({"storm_id": [f"s{row}" for row in range(rows)], "observed_fraction": seen})


class TestContributions:
    @MODELS
    @pytest.mark.parametrize("seed", [0, 3])
    def test_they_add_up_to_scikit_learns_score(self, model: Any, seed: int) -> None:
        estimator, frame = fitted(model, seed).estimator, frame_of(200, 9)[list(SEEN)]
        found = contributions(estimator, frame.to_numpy(), SEEN)
        assert found is not None
        expected = estimator.decision_function(frame)
        np.testing.assert_allclose(found.values.sum(axis=1) + found.base, expected, atol=1e-12)
        np.testing.assert_allclose(found.score, expected, atol=1e-12)
        assert np.ptp(expected) > 1

    def test_one_tree_by_hand(self) -> None:
        """A stump: what it gives to the feature is its leaf less the mean of both, weighted with their rows."""
        x = pd.DataFrame({"a": [0.0] * 30 + [1.0] * 90, "b": np.tile([5.0, 6.0], 60)})
        y = [0] * 30 + [1] * 60 + [0] * 30
        stump = BOOSTED.make(0, [0, 0], {"max_iter": 1, "max_leaf_nodes": 2, "learning_rate": 1.0}).fit(x, y)
        low, high = (float(stump._predictors[0][0].nodes["value"][leaf]) for leaf in (1, 2))
        found = contributions(stump, np.array([[0.0, 5.0], [1.0, 6.0]]), ["a", "b"])
        assert found is not None
        mean = (30 * low + 90 * high) / 120
        np.testing.assert_allclose(found.values, [[low - mean, 0], [high - mean, 0]], atol=1e-12)
        assert low < high

    def test_logistic_by_hand(self) -> None:
        """Coefficient x scaled value; a missing one: that of the median, and of the column that says so."""
        estimator = fitted(LOGISTIC).estimator
        impute, scale, last = (step for _, step in estimator.steps)
        row = np.array([[np.nan, 50.0, 2.0, 0.0, 10.0]])
        found = contributions(estimator, row, SEEN)
        assert found is not None
        indicator = len(SEEN) + list(impute.indicator_.features_).index(0)
        imputed = (impute.statistics_[0] - scale.mean_[0]) / scale.scale_[0] * last.coef_[0, 0]
        told = (1 - scale.mean_[indicator]) / scale.scale_[indicator] * last.coef_[0, indicator]
        assert found.values[0, 0] == pytest.approx(imputed + told)
        assert found.values[0, 1] == pytest.approx((50 - scale.mean_[1]) / scale.scale_[1] * last.coef_[0, 1])

    def test_what_tells_no_reasons(self) -> None:
        frame = frame_of(50)[["max_dbz"]]
        assert contributions(GaussianNB().fit(frame, np.arange(50) % 2), frame.to_numpy(), ["max_dbz"]) is None


class TestWords:
    WORDS = (
        Word("MESH", "MESH", "mm", "radar"), Word("maximum reflectivity", "最大反射率", "dBZ", "radar"),
        Word("flash rate", "闪电频数", "min-1", "lightning"), Word("lightning jump", "闪电跃增", "1", "lightning"),
        Word("speed", "移速", "m s-1", "motion"), Word("gust", "阵风", "m s-1", "station"),
    )  # fmt: skip

    def told(self, amounts: list[float], row: list[float]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        values = np.array([amounts])
        english, chinese = in_words(Contributions(values, 0.0, values.sum(axis=1)), np.array([row]), self.WORDS)
        return english[0], chinese[0]

    def test_the_largest_first_and_what_is_small_not_at_all(self) -> None:
        english, chinese = self.told([1.0, -2.0, 0.01, 0.0, 0.5, 0.3], [46.2, 38.0, 1.5, 0.0, 7.25, 12.0])
        expected = ("maximum reflectivity 38 dBZ lowers", "MESH 46 mm raises", "speed 7.2 m/s raises")
        assert english == (*expected, "gust 12 m/s raises")
        assert chinese[:2] == ("最大反射率 38 dBZ 降低", "MESH 46毫米 提高")

    def test_a_source_that_is_missing_is_told_once_with_all_that_it_moves(self) -> None:
        nan = np.nan
        english, chinese = self.told(
            [0.5, nan_free := 0.0, -0.4, -0.3, nan_free, 0.1], [46.0, 50.0, nan, nan, 5.0, nan]
        )
        assert english == ("no lightning data lowers", "MESH 46 mm raises", "no station data raises")
        assert chinese[0] == "无闪电资料 降低"

    def test_one_feature_that_is_missing(self) -> None:
        english, chinese = self.told([-0.5, 0.0, 0.0, 0.0, 0.0, 0.0], [np.nan, 50.0, 1.0, 0.0, 5.0, 3.0])
        assert (english, chinese) == (("MESH unknown lowers",), ("MESH未知 降低",))

    def test_a_feature_without_words_is_named(self) -> None:
        assert words_of(["lapse"], {}) == [Word("lapse", "lapse", "", "")]


class TestPredict:
    @MODELS
    def test_the_probability_is_that_of_the_scored_model(self, model: Any) -> None:
        """To the bit for boosting: no train/serve skew where the score is computed by other code."""
        part = fitted(model, kept=0.3)
        frame = frame_of(120, 5)
        table = predict(loaded({"0-60": part}), frame, storms(120))
        expected = part.probability(frame)
        np.testing.assert_allclose(table["p"], expected, atol=0 if model is BOOSTED else 1e-12)
        assert table["p"].nunique() > 3

    def test_rows_are_the_schemas_storm_by_storm_window_by_window(self) -> None:
        parts = {window.name: fitted(BOOSTED, number) for number, window in enumerate(WINDOWS)}
        frame = frame_of(40, 5)
        table = check_table(predict(loaded(parts), frame, storms(40)), PROBABILITIES, what="predicted")
        assert table["storm_id"].tolist() == [f"s{row}" for row in range(40) for _ in WINDOWS]
        pairs = list(zip(table["lead_start_min"], table["lead_end_min"], strict=True))
        assert pairs == [(window.start_min, window.end_min) for window in WINDOWS] * 40
        assert set(table["model"]) == {"t1"}
        assert all(len(en) == len(zh) <= TOLD + 1 for en, zh in zip(table["drivers"], table["drivers_zh"], strict=True))
        assert table["inputs_missing"].tolist()[::4] == missing_groups(frame)
        assert "lightning" in table["inputs_missing"][0]

    def test_a_part_is_never_more_probable_than_the_hour_which_stays_as_calibrated(self) -> None:
        parts = {window.name: fitted(BOOSTED, number) for number, window in enumerate(WINDOWS)}
        frame = frame_of(80, 5)
        p = predict(loaded(parts), frame, storms(80))
        by_window = p["p"].to_numpy().reshape(-1, 4)
        before = np.column_stack([parts[window.name].probability(frame) for window in WINDOWS])
        np.testing.assert_array_equal(by_window[:, 0], before[:, 0])
        np.testing.assert_array_equal(by_window[:, 1:], np.minimum(before[:, 1:], before[:, :1]))
        held = np.array([row[-1] == "not above that of 0-60 min" for row in p["drivers"]]).reshape(-1, 4)
        np.testing.assert_array_equal(held, before > before[:, :1])
        assert held[:, 1:].any(axis=0).all()
        assert not held.all(axis=1).any()
        assert not any("raised to" in text for row in p["drivers"] for text in row)

    def test_parts_alone_are_held_to_nothing(self) -> None:
        part, frame = fitted(BOOSTED), frame_of(20, 5)
        table = predict(loaded({"0-15": part}), frame, storms(20))
        np.testing.assert_array_equal(table["p"], part.probability(frame))

    def test_a_storm_that_no_beam_saw_in_depth_is_not_judged(self) -> None:
        table = predict(loaded({"0-60": fitted(BOOSTED)}), frame_of(4), storms(4, blind=(1, 3)))
        assert table["p"].isna().tolist() == [False, True, False, True]
        assert table["drivers"][1] == (NOT_SEEN[0],)

    def test_a_renamed_feature_is_refused_by_name(self) -> None:
        frame = frame_of(4).rename(columns={"mesh_mm": "mesh"})
        with pytest.raises(ModelError, match="hail/t1: mesh_mm"):
            predict(loaded({"0-60": fitted(BOOSTED)}), frame, storms(4))

    def test_a_window_of_nobody_is_refused(self) -> None:
        with pytest.raises(ModelError, match="window 0-30"):
            predict(loaded({"0-30": fitted(BOOSTED)}), frame_of(4), storms(4))

    def test_a_model_that_breaks_is_an_error_of_ours(self) -> None:
        part = deepcopy(fitted(BOOSTED))
        del part.estimator._baseline_prediction
        with pytest.raises(ModelError, match="window 0-60 cannot be evaluated"):
            predict(loaded({"0-60": part}), frame_of(4), storms(4))

    def test_another_kind_of_model_judges_without_reasons(self) -> None:
        frame = frame_of(60)
        estimator = GaussianNB().fit(frame[["max_dbz"]], happened(frame))
        part = Fitted(estimator, None, ("max_dbz",))
        table = predict(loaded({"0-60": part}, ("max_dbz",)), frame, storms(60))
        np.testing.assert_array_equal(table["p"], part.probability(frame))
        assert set(table["drivers"]) == {(UNKNOWN[0],)}

    def test_no_storms(self) -> None:
        table = predict(loaded({"0-60": fitted(BOOSTED)}), frame_of(0), storms(0))
        assert table.empty
        check_table(table, PROBABILITIES, what="predicted")
