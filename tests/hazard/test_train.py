"""Training, on small tables of which the answer is known, and on the real SARS set."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from wxcore.errors import ModelError, SampleError
from wxcore.hazard import rules
from wxcore.hazard.learn.baselines import judged, rule_columns
from wxcore.hazard.learn.board import Interval
from wxcore.hazard.learn.digest import digest
from wxcore.hazard.learn.dropout import copies, masked, sources
from wxcore.hazard.learn.model import Model
from wxcore.hazard.learn.plugin import load_models
from wxcore.hazard.learn.recipe import make, snapped, thinned
from wxcore.hazard.learn.train import _best, train, window_data
from wxcore.hazard.learn.trained import Trained
from wxcore.hazard.learn.zoo import BOOSTED, LOGISTIC, MODELS
from wxcore.hazard.registry.packed import pack
from wxcore.hazard.samples.table import Samples, read_samples, write_samples

FOREST = """
from sklearn.ensemble import RandomForestClassifier
from wxcore.hazard.learn.model import Model


def forest(seed, directions, parameters):
    return RandomForestClassifier(n_estimators=20, min_samples_leaf=5, random_state=seed, **parameters)


MODEL = Model(name="forest", title="random forest", make=forest)
"""

ONE_LOGISTIC = replace(LOGISTIC, grid=LOGISTIC.grid[:1])
ONE_BOOSTED = replace(BOOSTED, grid=({"max_iter": 20, "max_leaf_nodes": 7},))


def _samples(rows: int = 600, days: int = 12, seed: int = 0, noise: float = 0.0) -> Samples:
    """MESH and flash rate raise the chance, `idle` tells nothing; a day: a run of rows; a tenth of MESH is missing."""
    rng = np.random.default_rng(seed)
    mesh, flash = rng.gamma(2, 12, rows), rng.gamma(2, 3, rows)
    odds = (1 - noise) * (0.12 * (mesh - 30) + 0.3 * (flash - 6))
    day = np.arange(rows) * days // rows
    frame = pd.DataFrame({
        "day": [f"2026-06-{1 + number:02d}" for number in day],
        "storm": [f"{number}-{row // 5}" for row, number in enumerate(day)],
        "time": pd.Timestamp("2026-06-01", tz="UTC") + pd.to_timedelta(np.arange(rows), unit="min"),
        "weight": 1.0,
        "label_source": "SYN",
        "label_0_60": (rng.random(rows) < expit(odds)).astype(np.float64),
        "mesh_mm": np.where(rng.random(rows) < 0.1, np.nan, mesh),
        "flash_rate_min": flash,
        "idle": rng.normal(size=rows),
        "reference": mesh,
    })  # fmt: skip
    frame["slice"] = np.where(np.arange(rows) % 2, "odd", "even")
    return Samples(
        frame=frame,
        hazard="hail",
        features=("mesh_mm", "flash_rate_min", "idle"),
        groups={"mesh_mm": "radar", "flash_rate_min": "lightning", "idle": "radar"},
        monotone={"mesh_mm": 1},
        baselines=("reference",),
        slices=("slice",),
    )


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of trees wait for one another, most of all where other work holds a core."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(_samples(), models=(ONE_LOGISTIC, ONE_BOOSTED), folds=4, replicates=50)


def _plain(estimator: Any) -> list[Any]:
    """What skops writes, without addresses in memory and times of writing."""
    files = zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator)))
    schema = files.read("schema.json").decode()
    for number, name in enumerate(entry.filename for entry in files.infolist()):
        schema = schema.replace(name, f"file {number}")
    arrays = [files.read(name) for name in files.namelist() if name != "schema.json"]
    return [json.loads(schema, object_pairs_hook=lambda pairs: [one for one in pairs if one[0] != "__id__"]), arrays]


def test_everyone_is_on_the_board_on_the_same_rows(trained: Trained) -> None:
    found = {entry.name: entry for entry in trained.board.entries}
    assert set(found) == {"climatology", "reference", "MESH (Witt 1998)", "logistic", "boosted"}
    assert [found[name].kind for name in ("climatology", "reference", "logistic")] == ["climatology", "rule", "model"]
    counted = {(e.hits + e.false_alarms + e.misses + e.correct_negatives) for e in found.values()}
    assert counted == {600} == {trained.board.rows["0-60"]}
    assert trained.board.days["0-60"] == 12
    assert trained.board.folds == 4
    assert trained.board.storms["0-60"] == 120
    # two causes tell more than one; calibrated, and better than climatology
    assert found["logistic"].auc.value > found["reference"].auc.value + 0.02 > 0.7
    assert found["logistic"].skill.value > found["reference"].skill.value > 0.1
    assert max(found[name].ece for name in ("logistic", "reference")) < 0.08
    assert trained.board.chosen["0-60"] == "logistic"
    assert trained.board.best_baseline["0-60"] == "reference"


def test_what_goes_to_the_card(trained: Trained) -> None:
    assert trained.importance["0-60"][0][0] in {"mesh_mm", "flash_rate_min"}
    assert trained.importance["0-60"][-1][0] == "idle"
    lost = trained.ablation["0-60"]
    assert set(lost) == {"", "radar", "lightning"}
    assert lost["radar"]["auc"] < lost[""]["auc"] - 0.02
    assert max(one["ece"] for one in lost.values()) < 0.12, "still calibrated without a source"
    assert trained.reference["mesh_mm"].missing == pytest.approx(_samples().frame["mesh_mm"].isna().mean())
    assert len(trained.p_reference["0-60"].quantiles) == 21
    assert any("sigmoid" in text for text in trained.board.remarks)
    assert (trained.first_day, trained.last_day) == ("2026-06-01", "2026-06-12")


def test_same_seed_same_model_bytes_and_scores(trained: Trained) -> None:
    again = train(_samples(), models=(ONE_LOGISTIC, ONE_BOOSTED), folds=4, replicates=50)
    assert again.board == trained.board
    for one, other in ((again.fitted["0-60"], trained.fitted["0-60"]),):
        assert _plain(one.estimator) == _plain(other.estimator)
        assert _plain(one.calibrator) == _plain(other.calibrator)
    data, _ = window_data(_samples(), "0-60")
    boosted = [make(ONE_BOOSTED, data, np.arange(400), 0).fitted for _ in range(2)]
    assert _plain(boosted[0].estimator) == _plain(boosted[1].estimator)
    other = make(ONE_BOOSTED, data, np.arange(400), 1).fitted
    assert _plain(other.estimator) != _plain(boosted[0].estimator), "dropped sources follow the seed"


def test_the_labels_of_a_test_day_never_reach_its_probabilities() -> None:
    """An injected fault: labels of the held out days turned round change nothing of what is said of them."""
    data, _ = window_data(_samples(), "0-60")
    rows, held = np.arange(450), np.arange(450, 600)
    turned = replace(data, y=np.where(np.arange(600) >= 450, 1 - data.y, data.y))
    one, other = (make(ONE_LOGISTIC, each, rows, 0) for each in (data, turned))
    assert np.array_equal(one.fitted.probability(data.x.iloc[held]), other.fitted.probability(data.x.iloc[held]))
    assert one.threshold == other.threshold


def test_monotone_is_kept() -> None:
    data, _ = window_data(_samples(), "0-60")
    fitted = make(ONE_BOOSTED, data, np.arange(600), 0).fitted
    rising = pd.DataFrame({"mesh_mm": np.linspace(0, 100, 50), "flash_rate_min": 5.0, "idle": 0.0})
    assert (np.diff(fitted.probability(rising)) >= 0).all()


def test_the_grid_is_chosen_by_log_loss() -> None:
    data, _ = window_data(_samples(), "0-60")
    poor_or_good = replace(LOGISTIC, grid=({"C": 1e-9}, {"C": 1.0}))
    assert make(poor_or_good, data, np.arange(600), 0).parameters == {"C": 1.0}


def test_thinning_keeps_all_events_and_tells_the_part() -> None:
    y = (np.arange(60_000) % 100 == 0).astype(np.float64)
    rows, kept = thinned(y, np.arange(60_000), 0)
    assert y[rows].sum() == 600
    assert len(rows) == 6600
    assert kept == pytest.approx(6000 / 59_400)
    assert thinned(y[:40_000], np.arange(40_000), 0)[1] == 1.0


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_copies_lose_whole_sources_and_nothing_else(seed: int) -> None:
    samples = _samples(100)
    frame = samples.frame[list(samples.features)]
    made, of = copies(frame, samples.groups, seed)
    assert 20 < len(made) < 80
    for row, original in zip(made.to_numpy(), frame.to_numpy()[of], strict=True):
        radar, lightning = np.isnan(row[[0, 2]]).all(), np.isnan(row[1])
        assert radar or lightning
        assert radar or np.array_equal(row[[0, 2]], original[[0, 2]], equal_nan=True)
        assert lightning or row[1] == original[1]


@pytest.mark.parametrize("model", [ONE_LOGISTIC, ONE_BOOSTED])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_feature_that_no_training_row_has_changes_nothing(model: Model, weighted: bool) -> None:
    """Archives without polarimetry; scikit-learn 1.9.1 itself cannot bin such a column."""
    samples = _samples()
    frame = samples.frame.assign(zdr_column_km=np.nan, weight=np.linspace(0.5, 1, 600) if weighted else 1.0)
    samples = replace(samples, frame=frame, features=("zdr_column_km", *samples.features))
    fitted = make(model, window_data(samples, "0-60")[0], np.arange(450), 0).fitted
    asked = [frame.iloc[450:].assign(zdr_column_km=value) for value in (np.nan, -5.0, 0.0, 3.0)]
    first, *others = (fitted.probability(one) for one in asked)
    assert fitted.features[0] == "zdr_column_km"
    assert np.ptp(first) > 0.1
    assert all(np.array_equal(first, other) for other in others)


@given(st.integers(0, 1000), st.sampled_from([np.float32, np.float64]), st.sampled_from([40, 3000]))
@settings(max_examples=15, deadline=None)
def test_trees_part_snapped_values_as_they_part_the_values(seed: int, kind: type, rows: int) -> None:
    rng = np.random.default_rng(seed)
    x = pd.DataFrame({"a": rng.gamma(1, 20, rows), "b": rng.integers(0, 9, rows), "none": np.nan}).astype(kind)
    x.loc[rng.random(rows) < 0.2, "a"] = np.nan
    few = snapped(x, 63)
    assert (few.nunique() <= 63).all()
    assert (few.dtypes == kind).all()
    assert few["a"].isna().equals(x["a"].isna())
    assert set(few["a"].dropna()) <= set(x["a"].dropna())
    assert few["b"].equals(x["b"]), "few values stay as they are"
    y = (rng.random(rows) < expit((np.nan_to_num(x["a"].to_numpy(np.float64)) - 20) / 10)).astype(np.float64)
    y[:2] = 0, 1
    trees = ONE_BOOSTED.make(0, (0, 0), {"max_iter": 5}).fit(
        few[["a", "b"]], y, sample_weight=rng.uniform(0.2, 1, rows)
    )
    assert np.array_equal(trees.predict_proba(few[["a", "b"]]), trees.predict_proba(x[["a", "b"]]))


def test_threads_of_trees_change_no_byte() -> None:
    data, _ = window_data(_samples(3000), "0-60")
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="openmp"):
            trees = BOOSTED.make(0, data.directions, {"max_iter": 3, "max_leaf_nodes": 15})
            found.append(pack({"estimator": trees.fit(snapped(data.x, 63), data.y, sample_weight=data.weight)}))
    assert found[0] == found[1]


def test_climatology_has_no_order_and_quality_is_never_taken_away(trained: Trained) -> None:
    climatology = next(entry for entry in trained.board.entries if entry.kind == "climatology")
    assert climatology.auc == Interval(0.5, 0.5, 0.5)
    groups = {"a": "radar", "b": "quality", "c": "satellite", "d": "quality"}
    assert sources(list("abcde"), groups) == {"radar": ["a"], "satellite": ["c"]}
    assert sources(["a", "b"], groups) == {}


def test_the_best_model_is_one_with_a_figure(trained: Trained) -> None:
    one, other = (entry for entry in trained.board.entries if entry.kind == "model")
    unknown = replace(one, skill=Interval(np.nan, np.nan, np.nan))
    assert _best([unknown, other]) == _best([other, unknown]) == other.name
    assert _best([unknown]) == one.name


def test_one_source_is_not_dropped() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert len(copies(frame, {"a": "radar", "b": "radar"}, 0)[0]) == 0
    assert masked(frame, ["a"]).isna().sum().to_dict() == {"a": 2, "b": 0}


def test_a_rule_is_calibrated_and_says_nothing_where_it_knows_nothing() -> None:
    rng = np.random.default_rng(0)
    values = np.append(rng.normal(20, 5, 999), np.nan)
    y = (rng.random(1000) < expit((np.nan_to_num(values) - 25) / 3)).astype(np.float64)
    half = np.arange(1000) % 2 == 0
    _, p = judged(values, y, half, ~half)
    assert np.isnan(p[-1])
    assert np.isfinite(p[:-1]).all()
    assert p[:-1].mean() == pytest.approx(y[~half].mean(), abs=0.03)


def test_our_own_rule_is_a_competitor_with_its_own_p() -> None:
    columns = {"mesh_mm": 30.0, "posh_percent": 60.0, "h45_above_h0_km": 3.0, "observed_fraction": 1.0}
    frame = pd.DataFrame({**columns, "hail_size_class": [3.0, np.nan]})
    found = rule_columns(Samples(frame, "hail", tuple(frame)))
    direct = [rules.hail({**row, "mesh75_mm": 40.0}, levels_quality="good").p for row in frame.to_dict("records")]
    assert found["wxcore rule baseline-2"].tolist() == direct
    assert {"MESH (Witt 1998)", "POSH (Witt 1998)", "H45-H0 (Waldvogel 1979)"} < set(found)


def test_a_modeller_adds_a_forest_in_a_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "forest.py"
    path.write_text(FOREST)
    assert len(FOREST.splitlines()) < 40
    found = train(_samples(300, 6), models=(ONE_LOGISTIC, *load_models(path)), folds=2, replicates=20)
    assert "forest" in {entry.name for entry in found.board.of("0-60")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "expected MODEL"),
        ("1/0", "does not run: ZeroDivisionError"),
        (FOREST.replace('"forest"', '"boosted"'), "'boosted' is taken"),
    ],
)
def test_a_bad_model_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(ModelError, match=said):
        load_models(path)
    with pytest.raises(ModelError, match="not a file"):
        load_models(tmp_path / "absent.py")


def test_what_cannot_be_split_is_refused() -> None:
    samples = _samples(100, 1)
    with pytest.raises(SampleError, match="events on one day"):
        train(samples, models=MODELS)
    with pytest.raises(ValueError, match="0 models"):
        train(samples, models=())


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    samples = _samples(100)
    write_samples(samples, tmp_path / "a.parquet")
    assert digest(read_samples(tmp_path / "a.parquet")) == digest(samples)
    changed = samples.frame.copy()
    changed.loc[7, "idle"] += 1e-9
    assert digest(replace(samples, frame=changed)) != digest(samples)
