"""Training on real tables whose answers are known (DATA.md): severe hail soundings, sub-severe gusts, modelled hail.

One set of parameters each, and few folds, for the sake of time: what `wx train` reports differs in the third decimal.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from wxcore.errors import ModelError, SampleError
from wxcore.hazard.learn.board import Board, Entry
from wxcore.hazard.learn.model import Model
from wxcore.hazard.learn.train import train
from wxcore.hazard.learn.trained import Trained
from wxcore.hazard.learn.zoo import BOOSTED, LOGISTIC
from wxcore.hazard.registry.promote import promote, why_not
from wxcore.hazard.registry.store import load_model, save_model
from wxcore.hazard.registry.verdict import NO_SKILL
from wxcore.hazard.samples.leaks import check_leaks
from wxcore.hazard.samples.outside import LABEL_VALUE, read_outside
from wxcore.hazard.samples.table import Samples

TRUTH = "truth"
SARS = f"{TRUTH}/sars/sars_hail_to2002.txt"
GUSTS = f"{TRUTH}/severewind/Data/subsevere"
HAGELSLAG = f"{TRUTH}/hagelslag/testdata/track_data_csv_unidata_train"
REPLICATES = 200
CREATED, COMMIT = "2026-07-01T00:00:00Z", "0123456789ab"
QUICK_LOGISTIC = replace(LOGISTIC, grid=({"C": 0.1},))
QUICK_BOOSTED = replace(BOOSTED, grid=({"max_iter": 30, "max_leaf_nodes": 7, "l2_regularization": 5.0},))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def _trained(
    data: Path, path: str, hazard: str, folds: int, models: tuple[Model, ...] = (QUICK_LOGISTIC, QUICK_BOOSTED)
) -> tuple[Samples, Trained]:
    samples = read_outside([data / path], hazard)
    check_leaks(samples)
    return samples, train(samples, models=models, folds=folds, seed=1, replicates=REPLICATES)


@pytest.fixture(scope="module")
def hail(data: Path) -> tuple[Samples, Trained]:
    return _trained(data, SARS, "hail", 10)


@pytest.fixture(scope="module")
def gusts(data: Path) -> tuple[Samples, Trained]:
    return _trained(data, GUSTS, "gale", 3)


def _entries(board: Board) -> dict[str, Entry]:
    return {entry.name: entry for entry in board.entries}


def _card(root: Path, samples: Samples, trained: Trained) -> dict[str, Any]:
    save_model(root, trained, samples, "a", CREATED, COMMIT)
    return dict(load_model(root, samples.hazard, "a").card)


def test_hail_soundings_score_as_the_data_page_says(hail: tuple[Samples, Trained]) -> None:
    board = hail[1].board
    found = _entries(board)
    assert (board.rows["0-60"], board.events["0-60"], board.days["0-60"], board.folds) == (785, 452, 544, 10)
    assert 0.885 <= found["SHIP"].auc.value <= 0.891
    for name in ("logistic", "boosted"):
        assert 0.86 <= found[name].auc.value <= 0.90
        assert found[name].auc.low > 0.8
        assert 0.115 <= found[name].brier.value <= 0.145
        assert found[name].skill.low > 0.3
        assert found[name].ece < 0.08
    assert board.best_baseline["0-60"] == "SHIP"
    assert found["climatology"].auc.value == 0.5


def test_no_model_of_hail_soundings_is_promoted_past_ship(hail: tuple[Samples, Trained], tmp_path: Path) -> None:
    card = _card(tmp_path, *hail)
    assert any("Brier skill is not better than SHIP" in text for text in card["why_not"])
    assert card["why_not"] == why_not(card)
    assert card["truth_class"] == "report"
    with pytest.raises(ModelError, match="Brier skill is not better than SHIP"):
        promote([tmp_path], "hail", "a", CREATED)
    loaded = load_model(tmp_path, "hail", "a")
    frame = hail[0].frame.head(50)
    assert np.array_equal(loaded.fitted["0-60"].probability(frame), hail[1].fitted["0-60"].probability(frame))


def test_gusts_from_the_environment_alone_have_no_useful_skill(gusts: tuple[Samples, Trained], tmp_path: Path) -> None:
    """A model may lead a baseline that knows nothing with its whole interval, and still help nobody."""
    samples, trained = gusts
    board = trained.board
    found = _entries(board)
    assert (board.rows["0-60"], board.events["0-60"]) == (2985, 1060)
    for name in ("logistic", "boosted"):
        assert 0.50 <= found[name].auc.value <= 0.60
        assert found[name].skill.value < 0.03
    card = _card(tmp_path, samples, trained)
    assert any(text.startswith(NO_SKILL) for text in card["why_not"])
    assert NO_SKILL == "environment alone: no useful skill; not promoted"
    with pytest.raises(ModelError, match=NO_SKILL):
        promote([tmp_path], "gale", "a", CREATED)
    entry = next(one for one in card["board"]["entries"] if one["name"] == board.chosen["0-60"])
    for score in ("better", "skill_better"):
        entry[score] = {"value": 0.05, "low": 0.02, "high": 0.08}
    assert any(text.startswith(NO_SKILL) for text in why_not(card)), "nor where it beats the best baseline"


@pytest.mark.parametrize("table", ["hail", "gusts"])
def test_a_planted_leak_is_refused_by_name(table: str, request: pytest.FixtureRequest) -> None:
    honest = request.getfixturevalue(table)[0]
    noise = np.random.default_rng(0).normal(size=len(honest.frame))
    planted = honest.frame[LABEL_VALUE] * 3 + 0.01 * noise
    leaky = replace(honest, frame=honest.frame.assign(innocent=planted), features=(*honest.features, "innocent"))
    with pytest.raises(SampleError, match="innocent") as told:
        check_leaks(leaky)
    assert len(told.value.faults) == 1, "none but the planted one"


def test_modelled_storms_of_a_few_days_give_a_board_with_intervals(data: Path) -> None:
    samples, trained = _trained(data, HAGELSLAG, "hail", 2, (QUICK_LOGISTIC,))
    board = trained.board
    assert (board.rows["0-60"], board.days["0-60"], board.truth_class) == (834, 11, "algorithm")
    assert {"updraft helicity", "column graupel", "simulated Z", "logistic"} < set(_entries(board))
    for entry in board.entries:
        for score in (entry.auc, entry.brier, entry.skill):
            assert np.isfinite([score.value, score.low, score.high]).all()
            assert score.low <= score.value <= score.high
    assert samples.frame["weight"].nunique() > 1, "rows of one storm share their weight"
    assert 0.5 < _entries(board)[board.chosen["0-60"]].auc.value < 0.95
