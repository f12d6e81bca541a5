"""A model from its samples to a cycle's probabilities, with a real model.skops: trained, promoted, damaged, taken back.

All of it SYN: it proves that the parts fit, never skill.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from tests.pipeline.tiny import Built
from wxcore.archive.read import read_provenance
from wxcore.archive.storms import read_storms, recent_storms
from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.features.build import features
from wxcore.hazard.features.catalogue import FEATURES, NAMES
from wxcore.hazard.learn import train as training
from wxcore.hazard.learn.zoo import BOOSTED
from wxcore.hazard.registry.keep import keep
from wxcore.hazard.registry.promote import promote, rollback
from wxcore.hazard.registry.store import load_card, load_model
from wxcore.hazard.rules import MODELS
from wxcore.hazard.samples.leaks import check_leaks
from wxcore.hazard.samples.table import Samples
from wxcore.pipeline.chances import MODEL_FILE, ONLY_SYN, Models, chances
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.report import render
from wxcore.pipeline.result import CycleResult, RunResult

ROWS, DAYS = 400, 12
NOW = datetime(2026, 7, 1, tzinfo=UTC)
VERSION = "syn-1"
CHEAP = replace(BOOSTED, grid=({"max_iter": 10, "max_leaf_nodes": 5},))
ODD = "gust_near_m_s"
"""A feature that is the same everywhere here: `check_leaks` remarks on it."""


def samples() -> Samples:
    """All features, of which the 45 dBZ echo top alone tells of the event, and the published rules know nothing."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(ROWS, len(NAMES))), columns=list(NAMES))
    frame = frame.mask(rng.random(frame.shape) < 0.1)
    frame[ODD] = 3.0
    frame["hail_size_class"] = np.nan
    top = rng.uniform(3, 15, ROWS)
    frame["echo_top_45_km"] = top
    day = np.arange(ROWS) * DAYS // ROWS
    label = (rng.random(ROWS) < 1 / (1 + np.exp(-(top - 10)))).astype("f8")
    told = pd.DataFrame({
        "day": [f"2026-06-{1 + number:02d}" for number in day],
        "storm": [f"{number}-{row // 5}" for row, number in enumerate(day)],
        "time": pd.Timestamp("2026-06-01", tz="UTC") + pd.to_timedelta(np.arange(ROWS), unit="min"),
        "weight": 1.0, "label_source": "SYN", "label_0_60": label,
    })  # fmt: skip
    return Samples(
        pd.concat([told, frame], axis=1), "hail", NAMES,
        units={item.name: item.units for item in FEATURES}, groups={item.name: item.group for item in FEATURES},
        label_text=DEFINITIONS["hail"].event_en, source="season test",
    )  # fmt: skip


@dataclass
class Trained:
    """A folder of models with one that is promoted, and the last cycle of a home that it judged."""

    models: Path
    home: Home
    built: Built
    cycle: CycleResult

    @property
    def file(self) -> Path:
        return self.models / "hail" / VERSION / MODEL_FILE

    def again(self) -> CycleResult:
        return run_cycle(self.home, self.built.region, self.built.times[-1])


@pytest.fixture(scope="module")
def judged(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("promoted")
    home = built.copy(folder / "home")
    table = samples()
    with threadpool_limits(1), pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "IMPORTANCE_REPEATS", 1)
        leaks = check_leaks(table)
        trained = training.train(table, models=(CHEAP,), folds=2, replicates=40)
        keep(home.models, trained, table, NOW, leaks=leaks, version=VERSION)
        promote((home.models,), "hail", VERSION, "2026-07-01T00:00:00Z")
        found = Trained(home.models, home, built, run_cycle(home, built.region, built.times[-1]))
        yield found


def by_hazard(cycle: CycleResult) -> dict[str, set[str]]:
    return {hazard: set(rows["model"]) for hazard, rows in cycle.probabilities.groupby("hazard")}


RULES = {hazard: {model} for hazard, model in MODELS.items()}


def test_the_card_tells_what_is_odd_about_the_samples(judged: Trained) -> None:
    card = load_card(judged.file.parent)
    assert f"{ODD}: is the same everywhere" in card["remarks"]
    assert card["why_not"] == []
    assert card["truth_class"] == "SYN"
    assert {path.suffix for path in judged.file.parent.iterdir()} == {".json", ".md", ".png", ".skops"}


def test_a_cycle_is_judged_by_it_with_reasons(judged: Trained) -> None:
    """p is what the file's model says of the features that the archive gives again."""
    home, region, when = judged.home, judged.built.region, judged.built.times[-1]
    assert by_hazard(judged.cycle) == RULES | {"hail": {VERSION}}
    provenance = read_provenance(home.archive, region.id, when)
    storms = read_storms(home.archive, region.id, when)
    assert provenance is not None
    assert storms is not None
    assert provenance["models"]["hail"] == {
        "version": VERSION, "sha256": hashlib.sha256(judged.file.read_bytes()).hexdigest(), "truth_class": "SYN",
    }  # fmt: skip
    frame = features(storms, recent_storms(home.archive, region.id, when), provenance["levels"])
    p = load_model(judged.models, "hail", VERSION).fitted["0-60"].probability(frame)
    rows = judged.cycle.probabilities.query("hazard == 'hail'")
    np.testing.assert_allclose(rows["p"], p, atol=1e-12)
    assert len(rows) == len(storms) > 0
    for row in rows.to_dict("records"):
        assert any("45 dBZ echo top" in text for text in row["drivers"])
        assert any("45 dBZ回波顶高" in text for text in row["drivers_zh"])
        assert {"satellite", "lightning", "station"} <= set(row["inputs_missing"])


def test_the_report_names_the_model_and_what_it_went_without(judged: Trained) -> None:
    page = render(judged.built.region, RunResult(judged.built.region.id, (), (judged.cycle,)))
    told = page.partition('<div class="judge">')[2].partition("</div>")[0]
    assert told.startswith(VERSION)
    assert "卫星、闪电" in told
    assert "satellite, lightning" in told
    assert MODELS["gale"] in page


@pytest.mark.parametrize("may", [False, True])
def test_on_real_data_only_where_that_is_allowed(judged: Trained, *, may: bool) -> None:
    home, region, when = judged.home, judged.built.region, judged.built.times[-1]
    provenance = read_provenance(home.archive, region.id, when)
    storms = read_storms(home.archive, region.id, when)
    assert provenance is not None
    assert storms is not None
    earlier = recent_storms(home.archive, region.id, when)
    found = chances(storms, earlier, provenance["levels"], truth="real", models=Models(judged.models, syn=may))
    assert set(found.table.query("hazard == 'hail'")["model"]) == {VERSION if may else MODELS["hail"]}
    assert found.models["hail"].get("instead_of") == (None if may else VERSION)
    assert found.models["hail"].get("why") == (None if may else ONLY_SYN)
    assert found.notes == ()


def test_a_file_that_was_tampered_with_costs_a_note_and_the_rule_judges(judged: Trained, no_syncfs: None) -> None:
    whole = judged.file.read_bytes()
    judged.file.write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    try:
        cycle = judged.again()
    finally:
        judged.file.write_bytes(whole)
    assert by_hazard(cycle) == RULES
    assert any(f"hail/{VERSION} not used" in note and "sha256" in note for note in cycle.notes_en)
    assert any(f"hail/{VERSION} 未使用" in note for note in cycle.notes_zh)
    assert cycle.degraded
    assert by_hazard(judged.again())["hail"] == {VERSION}


@pytest.mark.parametrize(("old", "new"), [('"commit": "', '"commit": "x'),
                                          ('"truth_class": "SYN"', '"truth_class": "report"')])  # fmt: skip
def test_a_card_that_changed_since_it_was_promoted_is_not_believed(
    judged: Trained, no_syncfs: None, old: str, new: str
) -> None:
    """Not in what the model is judged by, nor in the word that keeps it from real weather."""
    card = judged.file.with_name("card.json")
    whole = card.read_text(encoding="utf-8")
    assert old in whole
    card.write_text(whole.replace(old, new, 1), encoding="utf-8")
    try:
        cycle = judged.again()
    finally:
        card.write_text(whole, encoding="utf-8")
    assert by_hazard(cycle) == RULES
    assert any("card.json is not the one that was promoted" in note for note in cycle.notes_en)
    assert by_hazard(judged.again())["hail"] == {VERSION}


def test_one_step_back_leads_to_the_published_rule(judged: Trained, no_syncfs: None) -> None:
    assert rollback((judged.models,), "hail")[1] == ""
    cycle = judged.again()
    assert by_hazard(cycle) == RULES
    assert not any("not used" in note for note in cycle.notes_en)
    promote((judged.models,), "hail", VERSION, "2026-07-02T00:00:00Z")
    assert by_hazard(judged.again())["hail"] == {VERSION}
