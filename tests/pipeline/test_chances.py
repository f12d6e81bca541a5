"""Which model judges a cycle: the rule, unless a trained one is promoted, fits the data and can be opened."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from tests.faults.scene import START
from tests.hazard.test_predict import SEEN, fitted
from tests.pipeline.tiny import Built
from wxcore.archive.read import read_provenance
from wxcore.archive.storms import read_probabilities, read_storms, recent_storms
from wxcore.archive.tables import encode_table
from wxcore.errors import ModelError
from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.features.build import features
from wxcore.hazard.features.catalogue import FEATURES
from wxcore.hazard.learn.zoo import BOOSTED
from wxcore.hazard.registry import store
from wxcore.hazard.registry.store import Loaded
from wxcore.hazard.rules import MODELS, probabilities
from wxcore.hazard.windows import WINDOWS
from wxcore.pipeline import chances as room
from wxcore.pipeline.chances import CURRENT, MODEL_FILE, Models, chances
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.schema import HAZARDS, PROBABILITIES, check_table
from wxcore.settings import home_at
from wxcore.times import CYCLE

VERSION = "trained-1"
UNITS = {item.name: item.units for item in FEATURES}
SEALED = room.hashlib.sha256(b"{}").hexdigest()
"""Of the card.json that stands beside the file here."""
LEVELS = {"quality": "good", "source": "sounding", "h0_m": 5000.0, "hm20_m": 8300.0, "indices": {}}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def card_of(hazard: str, version: str, names: tuple[str, ...], data: bytes) -> dict[str, Any]:
    return {
        "hazard": hazard, "version": version, "label": DEFINITIONS[hazard].event_en,
        "features": [{"name": name, "units": UNITS.get(name, "1")} for name in names],
        "truth_class": data.decode().split()[0], "model": {"sha256": room.hashlib.sha256(data).hexdigest()},
    }  # fmt: skip


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`load_model` gives a stand-in of the truth class that the file names; the list tells which were opened."""
    calls: list[str] = []

    def load(root: Path, hazard: str, version: str) -> Loaded:
        calls.append(f"{hazard}/{version}")
        data = (root / hazard / version / MODEL_FILE).read_bytes()
        if data == b"damaged":
            raise ModelError(f"{hazard}/{version}", ["sha256 is not the card's"])
        card = card_of(hazard, version, SEEN, data)
        parts = {window.name: fitted(BOOSTED, number) for number, window in enumerate(WINDOWS)}
        return Loaded(hazard, version, parts, SEEN, card, SEALED)

    monkeypatch.setattr(store, "load_model", load)
    room._loaded.cache_clear()
    return calls


def promote(root: Path, *hazards: str, truth: str = "report", content: str = "", version: str = VERSION) -> Models:
    for hazard in hazards:
        folder = root / hazard / version
        folder.mkdir(parents=True)
        (folder / MODEL_FILE).write_text(content or truth)
        (folder / "card.json").write_text("{}")
    entry = {"version": version, "truth_class": truth, "promoted": "2026-06-30T00:00:00Z", "card": SEALED}
    (root / CURRENT).write_text(json.dumps({hazard: [entry] for hazard in hazards}))
    return Models(root)


def storms(blind: int = -1) -> pd.DataFrame:
    row: dict[str, Any] = {
        "time": pd.Timestamp("2026-07-01T08:00"), "lat": 29.2, "lon": 106.1, "parents": (), "max_dbz": 60.0,
        "vil_kg_m2": 40.0, "vil_density_g_m3": 3.4, "echo_top_18_km": 13.0, "mesh_mm": 44.0, "mesh75_mm": 49.0,
        "posh_percent": 70.0, "h45_above_h0_km": 4.2, "u_m_s": 10.0, "v_m_s": 0.0, "observed_fraction": 1.0,
    }  # fmt: skip
    rows = [{**row, "storm_id": f"s{number}", "mesh_mm": 20.0 + 9 * number} for number in range(3)]
    if blind >= 0:
        rows[blind] |= {"observed_fraction": 0.0, "mesh_mm": np.nan, "posh_percent": np.nan}
    return pd.DataFrame(rows)


def judge(models: Models, *, truth: str = "real", blind: int = -1) -> room.Chances:
    found = chances(storms(blind), [], LEVELS, truth=truth, models=models)
    check_table(found.table, PROBABILITIES, what="chances")
    keys = found.table[["storm_id", "hazard", "lead_start_min", "lead_end_min"]]
    rules = probabilities(storms(blind), levels_quality="good")
    pd.testing.assert_frame_equal(keys, rules[keys.columns])  # whoever judges, the rows stand in the same order
    return found


def by_hazard(found: room.Chances) -> dict[str, set[str]]:
    return {hazard: set(rows["model"]) for hazard, rows in found.table.groupby("hazard")}


class TestWhoJudges:
    def test_nothing_is_promoted_at_first(self, tmp_path: Path) -> None:
        found = judge(Models(tmp_path))
        pd.testing.assert_frame_equal(found.table, probabilities(storms(), levels_quality="good"))
        assert found.models == {hazard: {"version": MODELS[hazard], "sha256": ""} for hazard in HAZARDS}
        assert found.notes == ()

    def test_the_promoted_model_for_its_hazard_alone(self, tmp_path: Path, opened: list[str]) -> None:
        found = judge(promote(tmp_path, "hail"))
        assert by_hazard(found) == {code: {VERSION if code == "hail" else MODELS[code]} for code in HAZARDS}
        digest = room.hashlib.sha256(b"report").hexdigest()
        assert found.models["hail"] == {"version": VERSION, "sha256": digest, "truth_class": "report"}
        assert found.notes == ()

    def test_one_that_came_with_wxcore_unless_the_home_says_otherwise(self, tmp_path: Path, opened: list[str]) -> None:
        shipped = promote(tmp_path / "shipped", "hail").home
        models = Models(tmp_path / "home", shipped)
        assert by_hazard(judge(models))["hail"] == {VERSION}
        promote(tmp_path / "home", "hail", version="own")
        assert by_hazard(judge(models))["hail"] == {"own"}
        (tmp_path / "home" / CURRENT).write_text('{"hail": []}')
        assert by_hazard(judge(models))["hail"] == {MODELS["hail"]}

    def test_a_model_is_opened_once_and_again_when_its_file_is_another(self, tmp_path: Path, opened: list[str]) -> None:
        models = promote(tmp_path, "hail", "gale")
        for _ in range(3):
            judge(models)
        assert opened == [f"hail/{VERSION}", f"gale/{VERSION}"]
        (tmp_path / "hail" / VERSION / MODEL_FILE).write_text("report anew")
        judge(models)
        assert len(opened) == 3

    def test_the_rule_judges_what_was_seen_as_a_composite_only(self, tmp_path: Path, opened: list[str]) -> None:
        table = judge(promote(tmp_path, *HAZARDS), blind=1).table
        assert {row["storm_id"] for row in table.to_dict("records") if row["model"] != VERSION} == {"s1"}
        flat = table[(table["storm_id"] == "s1") & (table["lead_end_min"] == 60) & (table["lead_start_min"] == 0)]
        assert flat.set_index("hazard")["p"].isna().to_dict()["hail"]

    @pytest.mark.parametrize(("truth", "allowed", "used"), [("real", False, False), ("SYN", False, True),
                                                           ("real", True, True)])  # fmt: skip
    def test_models_of_simulated_data(
        self, tmp_path: Path, opened: list[str], truth: str, allowed: bool, used: bool
    ) -> None:
        found = judge(replace(promote(tmp_path, "hail", truth="SYN"), syn=allowed), truth=truth)
        assert by_hazard(found)["hail"] == {VERSION if used else MODELS["hail"]}
        assert found.notes == ()
        if not used:
            assert opened == []
            assert found.models["hail"]["instead_of"] == VERSION
            assert "simulated" in found.models["hail"]["why"]

    def test_a_card_that_says_syn_is_believed_more_than_the_list(self, tmp_path: Path, opened: list[str]) -> None:
        found = judge(promote(tmp_path, "hail", truth="report", content="SYN"))
        assert by_hazard(found)["hail"] == {MODELS["hail"]}
        assert "simulated" in found.notes[0][0]


class TestWhatCannotBeUsed:
    def told(self, models: Models) -> tuple[str, str]:
        """The note, where the rules stood in for hail."""
        found = judge(models)
        pd.testing.assert_frame_equal(found.table, probabilities(storms(), levels_quality="good"))
        ((english, chinese),) = found.notes
        assert MODELS["hail"] in english
        assert "未使用" in chinese
        assert found.models["hail"]["version"] == MODELS["hail"]
        return english, found.models["hail"]["why"]

    def test_a_damaged_model(self, tmp_path: Path, opened: list[str]) -> None:
        english, why = self.told(promote(tmp_path, "hail", content="damaged"))
        assert f"hail/{VERSION} not used" in english
        assert "sha256" in why

    def test_a_model_that_is_gone(self, tmp_path: Path, opened: list[str]) -> None:
        models = promote(tmp_path, "hail")
        (tmp_path / "hail" / VERSION / MODEL_FILE).unlink()
        assert f"hail/{VERSION} not used" in self.told(models)[0]

    def test_features_that_are_not_ours(
        self, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        card = card_of("hail", VERSION, ("SHIP",), b"report")
        other = Loaded("hail", VERSION, {"0-60": fitted(BOOSTED)}, ("SHIP",), card, SEALED)
        monkeypatch.setattr(store, "load_model", lambda *_: other)
        assert "feature SHIP in units 1" in self.told(promote(tmp_path, "hail"))[0]

    @pytest.mark.parametrize("changes", [
        {"label": "hail of any size"}, {"features": [{"name": name, "units": "inch"} for name in SEEN]},
    ])  # fmt: skip
    def test_a_model_of_somebody_elses_table(
        self, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
    ) -> None:
        """Columns of our names, in other units, or of another event."""
        card = card_of("hail", VERSION, SEEN, b"report") | changes
        other = Loaded("hail", VERSION, {"0-60": fitted(BOOSTED)}, SEEN, card, SEALED)
        monkeypatch.setattr(store, "load_model", lambda *_: other)
        assert "made from a table of others" in self.told(promote(tmp_path, "hail"))[1]

    def test_a_card_that_changed_since(self, tmp_path: Path, opened: list[str]) -> None:
        """Also where the model was opened before, and where nobody wrote down which card it was."""
        models = promote(tmp_path, "hail")
        assert by_hazard(judge(models))["hail"] == {VERSION}
        card = tmp_path / "hail" / VERSION / "card.json"
        card.write_text("{ }")
        assert "not the one that was promoted" in self.told(models)[1]
        card.write_text("{}")
        assert by_hazard(judge(models))["hail"] == {VERSION}
        (tmp_path / CURRENT).write_text(json.dumps({"hail": [{"version": VERSION, "truth_class": "report"}]}))
        assert "promote it again" in self.told(models)[1]

    def test_a_model_without_the_first_hour(
        self, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        card = card_of("hail", VERSION, SEEN, b"report")
        other = Loaded("hail", VERSION, {"0-15": fitted(BOOSTED)}, SEEN, card, SEALED)
        monkeypatch.setattr(store, "load_model", lambda *_: other)
        assert "0-60" in self.told(promote(tmp_path, "hail"))[0]

    def test_a_damaged_list_costs_each_hazard_a_note_and_no_cycle(self, tmp_path: Path) -> None:
        (tmp_path / CURRENT).write_text("{")
        found = judge(Models(tmp_path))
        assert len(found.notes) == len(HAZARDS)
        assert all(CURRENT in english for english, _ in found.notes)


class TestInTheCycle:
    def test_the_settings_reach_the_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("WXCORE_MODELS", "WXCORE_SYN_MODELS"):
            monkeypatch.delenv(name, raising=False)
        assert room.models_of(home_at(tmp_path)) == Models(tmp_path / "models")
        monkeypatch.setenv("WXCORE_MODELS", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("WXCORE_SYN_MODELS", "1")
        assert room.models_of(home_at(tmp_path)) == Models(tmp_path / "elsewhere", syn=True)

    def test_live_features_are_those_of_the_archive_to_the_bit(
        self, built: Built, tmp_path: Path, no_syncfs: None, opened: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No train/serve skew; and the cycle says who judged, and with what."""
        home = Home(tmp_path / "home")
        promote(home.models, "hail", truth="SYN")
        live: list[pd.DataFrame] = []

        def spy(*args: Any) -> pd.DataFrame:
            live.append(features(*args))
            return live[-1]

        monkeypatch.setattr(room, "_features", spy)
        ingest(built.files, home, built.region, now=START + 3 * CYCLE)
        results = [run_cycle(home, built.region, when) for when in built.times]
        assert len(live) == len(built.times)
        for when, mine, result in zip(built.times, live, results, strict=True):
            stored = read_storms(home.archive, built.region.id, when)
            provenance = read_provenance(home.archive, built.region.id, when)
            assert stored is not None
            assert provenance is not None
            earlier = recent_storms(home.archive, built.region.id, when)
            again = features(stored, earlier, provenance["levels"])
            assert again.to_numpy().tobytes() == mine.to_numpy().tobytes()
            assert list(again) == list(mine)
            assert len(mine) > 0
            assert provenance["models"]["hail"]["version"] == VERSION
            assert provenance["models"]["hail"]["sha256"] == room.hashlib.sha256(b"SYN").hexdigest()
            assert provenance["models"]["gale"] == {"version": MODELS["gale"], "sha256": ""}
            told = {row["model"] for row in result.to_json()["probabilities"] if row["hazard"] == "hail"}
            assert told == {VERSION}
        assert np.isfinite(live[-1]["mesh_trend"].to_numpy()).any()  # history took part

    def test_a_model_that_cannot_be_used_is_told_in_the_cycles_notes(
        self, built: Built, tmp_path: Path, no_syncfs: None, opened: list[str]
    ) -> None:
        home = Home(tmp_path / "home")
        promote(home.models, "hail", truth="SYN", content="damaged")
        ingest(built.files, home, built.region, now=START + 3 * CYCLE)
        result = run_cycle(home, built.region, built.times[0])
        assert any(f"hail/{VERSION} not used" in note for note in result.notes_en)
        assert any("未使用" in note for note in result.notes_zh)
        assert set(result.probabilities["model"]) == set(MODELS.values())


def _text(text: str, *_: object, **__: object) -> str:
    return text


def test_a_table_of_before_inputs_missing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    old = probabilities(storms(), levels_quality="good").drop(columns="inputs_missing")
    for table in (old, old.iloc[:0]):
        monkeypatch.setattr("wxcore.archive.storms.read_text", partial(_text, encode_table(table)))
        found = read_probabilities("anywhere", "r", START)
        assert found is not None
        assert found["inputs_missing"].tolist() == [()] * len(table)
        check_table(found, PROBABILITIES, what="old table")
