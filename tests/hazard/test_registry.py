"""Trained models on the disk: what is refused before it is opened, what is promoted, and one step back."""

import hashlib
import io
import json
import os
import pickle
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from wxcore.errors import ModelError
from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.features.catalogue import FEATURES as CATALOGUE
from wxcore.hazard.learn.board import CLIMATOLOGY, MODEL, RULE, Board, Entry, Interval
from wxcore.hazard.learn.fitted import Fitted
from wxcore.hazard.learn.trained import Bin, Reference, Trained
from wxcore.hazard.registry import packed, promote, store
from wxcore.hazard.registry.card import about_of, load_card, plain
from wxcore.hazard.registry.verdict import NO_SKILL, why_not
from wxcore.hazard.samples.table import Samples

DAYS = 12
CREATED, COMMIT = "2026-06-30T00:00:00Z", "0123456789ab"
FEATURES = ("mesh_mm", "vil_kg_m2", "h0_m")
UNITS = {item.name: item.units for item in CATALOGUE if item.name in FEATURES}
EVENT = DEFINITIONS["hail"].event_en


@cache
def rows() -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=list(FEATURES))
    frame.loc[::7, "vil_kg_m2"] = np.nan
    return frame, (frame["mesh_mm"] + rng.normal(size=200) > 0).astype(float)


def boosted() -> Fitted:
    frame, y = rows()
    model = HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=5, random_state=1, monotonic_cst=[1, 0, 0])
    model.fit(frame, y)
    return Fitted(model, IsotonicRegression(out_of_bounds="clip").fit(model.predict_proba(frame)[:, 1], y), FEATURES)


def logistic() -> Fitted:
    frame, y = rows()
    model = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression()).fit(frame, y)
    return Fitted(model, None, FEATURES, 0.5)


def interval(value: float, half: float = 0.02) -> Interval:
    return Interval(value, value - half, value + half)


def entry(name: str, kind: str, window: str, auc: float, better: float | None) -> Entry:
    far = None if better is None else interval(better)
    return Entry(
        name, kind, window, interval(auc), 0.4, interval(0.10), interval(0.3), 0.02, 0.31, 40, 20, 11, 129, far, far,
        {"season": {"spring": {"n": 100, "events": 30, "auc": 0.8, "brier": 0.10, "baseline_auc": 0.7,
                               "baseline_brier": 0.12}}},
    )  # fmt: skip


def board(truth: str = "report", windows: tuple[str, ...] = ("0-60", "0-15"), better: float = 0.1) -> Board:
    entries = [
        item
        for window in windows
        for item in (
            entry("climatology", CLIMATOLOGY, window, 0.5, -0.2),
            entry("MESH", RULE, window, 0.7, None),
            entry("boosted", MODEL, window, 0.8, better),
        )
    ]
    each = {name: dict.fromkeys(windows, count) for name, count in
            {"rows": 200, "events": 51, "censored": 7, "days": 12, "storms": 60}.items()}  # fmt: skip
    return Board(
        "hail", "season.parquet", EVENT, truth, 5, 1, **each, entries=tuple(entries),
        best_baseline=dict.fromkeys(windows, "MESH"), chosen=dict.fromkeys(windows, "boosted"),
        remarks=("few days",),
    )  # fmt: skip


@cache
def trained(truth: str = "report", better: float = 0.1) -> Trained:
    reference = Reference(tuple(float(step) for step in range(21)), 0.1)
    return Trained(
        board(truth, better=better), {"0-60": boosted(), "0-15": logistic()},
        {"0-60": (Bin(0.1, 0.12, 90), Bin(0.9, float("nan"), 0))}, {"0-60": (("mesh_mm", 0.2, 0.01),)},
        {"0-60": {"": {"auc": 0.8, "brier": 0.1, "ece": 0.02}, "radar": {"auc": 0.6, "brier": 0.2, "ece": 0.04}}},
        dict.fromkeys(FEATURES, reference), {"0-60": reference}, "ab" * 32, "2026-06-01", "2026-06-10",
    )  # fmt: skip


def samples(truth: str = "report") -> Samples:
    frame, y = rows()
    days = [f"2026-06-{1 + row % DAYS:02d}" for row in range(len(frame))]
    told = frame.assign(
        day=days, storm="a", time=pd.NaT, weight=1.0, label_source=truth, label_0_60=y, label_0_15=y.where(y == 0)
    )
    return Samples(told, "hail", FEATURES, units=UNITS, label_text=EVENT, groups=dict.fromkeys(FEATURES, "radar"),
                   monotone={"mesh_mm": 1})  # fmt: skip


def saved(root: Path, version: str = "a1", truth: str = "report", better: float = 0.1) -> Path:
    return store.save_model(root, trained(truth, better), samples(truth), version, CREATED, COMMIT)


def reseal(folder: Path, data: bytes, **card: Any) -> None:
    """Forge: other bytes, and a card that agrees with them."""
    told = json.loads((folder / "card.json").read_text())
    told["model"]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "card.json").write_text(json.dumps(told | card))
    (folder / "model.skops").write_bytes(data)


def refused(folder: Path, features: tuple[str, ...] | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        store.load_model(folder.parents[1], "hail", folder.name, features)
    return str(caught.value)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a file with skops fails the test."""

    def reached(*args: Any, **kwargs: Any) -> None:
        pytest.fail("the file was opened")

    monkeypatch.setattr(skops.io, "loads", reached)
    monkeypatch.setattr(skops.io, "get_untrusted_types", reached)


class Payload:
    """Makes a file as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


class TestSaveAndLoad:
    def test_round_trip(self, tmp_path: Path) -> None:
        loaded = store.load_model(saved(tmp_path).parents[1], "hail", "a1", (*FEATURES, "more"))
        frame, _ = rows()
        for window, fitted in trained().fitted.items():
            assert np.array_equal(loaded.fitted[window].probability(frame), fitted.probability(frame))
            assert loaded.fitted[window].kept == fitted.kept
        assert loaded.features == FEATURES
        assert (loaded.hazard, loaded.version) == ("hail", "a1")

    def test_same_trained_same_bytes(self, tmp_path: Path) -> None:
        one, two = saved(tmp_path / "one"), saved(tmp_path / "two")
        trained.cache_clear()  # fitted again: other objects at other addresses
        three = saved(tmp_path / "three")
        for name in ("model.skops", "card.json", "card.md"):
            assert (one / name).read_bytes() == (two / name).read_bytes() == (three / name).read_bytes()

    def test_card_holds_what_a_reviewer_asks(self, tmp_path: Path) -> None:
        folder = saved(tmp_path)
        card = load_card(folder)
        assert card["features"][0] == {"name": "mesh_mm", "units": "mm", "group": "radar", "monotone": 1}
        assert card["model"]["sha256"] == hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest()
        assert card["reliability"]["0-60"][1] == {"p": 0.9, "frequency": None, "rows": 0}
        assert card["threshold"] == {"0-60": 0.31, "0-15": 0.31}
        assert (card["created"], card["commit"], card["seed"]) == (CREATED, COMMIT, 1)
        assert card["samples"]["class_of_labels"] == {"report": 200}
        assert len(card["board"]["entries"]) == 6
        assert {"python", "scikit-learn", "skops", "numpy", "wxcore"} == set(card["versions"])
        assert card["why_not"] == []
        assert card["event_days"] == {"0-60": DAYS, "0-15": 0}
        assert card["competitors"] == 1
        assert set(card["drift"]["features"]) == set(FEATURES)

    def test_text_says_syn_first_and_bold(self, tmp_path: Path) -> None:
        text = (saved(tmp_path, truth="SYN") / "card.md").read_text(encoding="utf-8")
        assert text.splitlines()[2].startswith("**SYN: trained and scored on simulated storms only.")
        assert "base rate 0.255" in text
        assert "200 rows, 51 events" in text
        assert "12 days (0 with events)" in text
        assert "**Tried**: 1 model, of which the best on these same days is kept" in text
        assert "on real weather" in text.split("## Not to be used")[1]
        assert "| **boosted** (model) | 0.800 [0.780, 0.820] |" in text
        assert "SYN" not in (saved(tmp_path, "b") / "card.md").read_text(encoding="utf-8")

    def test_text_says_why_not(self, tmp_path: Path) -> None:
        text = (saved(tmp_path, better=0.01) / "card.md").read_text(encoding="utf-8")
        assert "**Not promoted**: Brier skill is not better than MESH on 0-60 min" in text

    def test_a_model_is_never_replaced(self, tmp_path: Path) -> None:
        folder = saved(tmp_path)
        before = (folder / "card.json").read_bytes()
        assert store.save_model(tmp_path, trained(), samples(), "a1", "2027-01-01T00:00:00Z", "other") == folder
        with pytest.raises(ModelError, match="never replaced"):
            saved(tmp_path, better=0.05)
        assert (folder / "card.json").read_bytes() == before

    @pytest.mark.parametrize("name", ["../a", "", ".hidden", "a/b", "x" * 65])
    def test_odd_versions(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ModelError, match="version"):
            saved(tmp_path, name)
        with pytest.raises(ModelError, match="version"):
            store.load_model(tmp_path, "hail", name)

    def test_interrupted_write_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = store.write_file

        def torn(path: Path, content: bytes) -> None:
            if path.name == "card.json":
                raise OSError(28, "disk full")
            whole(path, content)

        monkeypatch.setattr(store, "write_file", torn)
        with pytest.raises(OSError, match="disk full"):
            saved(tmp_path)
        assert store.list_models([tmp_path]) == ()
        monkeypatch.undo()
        assert store.load_model(saved(tmp_path).parents[1], "hail", "a1").version == "a1"

    def test_what_a_card_cannot_hold(self) -> None:
        assert plain({"a": (np.float32(0.5), np.int64(3), np.nan, None, np.bool_(True))}) == {
            "a": [0.5, 3, None, None, True]
        }
        with pytest.raises(TypeError, match="set"):
            plain({"a": {1}})


class TestTampered:
    def test_flipped_bytes_are_never_opened(self, tmp_path: Path, closed: None) -> None:
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patch:
            patch.setattr(store, "unpack", lambda *args: None)  # saving reads back
            folder = saved(tmp_path)
        whole = (folder / "model.skops").read_bytes()
        for place in np.linspace(0, len(whole) - 1, 60).astype(int):
            bad = bytearray(whole)
            bad[place] ^= 1 << (place % 8)
            (folder / "model.skops").write_bytes(bytes(bad))
            assert "sha256" in (said := refused(folder)) or "expected a zip" in said
        for bad in (whole[:-1], whole + b"\0", b""):
            (folder / "model.skops").write_bytes(bad)
            refused(folder)

    def test_flipped_bytes_with_a_forged_card(self, tmp_path: Path) -> None:
        """Refused, or what loads says exactly the same."""
        folder = saved(tmp_path)
        whole = (folder / "model.skops").read_bytes()
        frame, _ = rows()
        for place in np.linspace(4, len(whole) - 1, 40).astype(int):
            bad = bytearray(whole)
            bad[place] ^= 0x10
            reseal(folder, bytes(bad))
            try:
                loaded = store.load_model(tmp_path, "hail", "a1")
            except ModelError:
                continue
            expected = trained().fitted["0-60"].probability(frame)
            assert np.array_equal(loaded.fitted["0-60"].probability(frame), expected)

    @pytest.mark.parametrize("protocol", range(6))
    def test_pickle_is_named_and_never_run(
        self, tmp_path: Path, protocol: int, closed_late: Callable[[], None]
    ) -> None:
        folder, mark = saved(tmp_path / "models"), tmp_path / "mark"
        closed_late()
        reseal(folder, pickle.dumps(Payload(mark), protocol=protocol))
        assert "pickle" in refused(folder)
        assert not mark.exists()

    @pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)], ids=str)
    def test_joblib_is_named_and_never_run(
        self, tmp_path: Path, compress: Any, closed_late: Callable[[], None]
    ) -> None:
        folder, mark = saved(tmp_path / "models"), tmp_path / "mark"
        closed_late()
        buffer = io.BytesIO()
        joblib.dump(Payload(mark), buffer, compress=compress)
        reseal(folder, buffer.getvalue())
        assert "joblib" in (said := refused(folder)) or "pickle" in said
        assert not mark.exists()

    @pytest.mark.parametrize("name", ["model.pkl", "MODEL.PICKLE", "model.joblib"])
    def test_pickle_beside_it(self, tmp_path: Path, name: str) -> None:
        folder = saved(tmp_path)
        (folder / name).write_bytes(pickle.dumps(1))
        assert name in refused(folder)

    def test_type_that_is_not_allowed_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = saved(tmp_path)
        evil = {"0-60": {"estimator": make_pipeline(FunctionTransformer(os.system)), "calibrator": None, "kept": 1.0}}
        reseal(folder, skops.io.dumps(evil))
        monkeypatch.setattr(skops.io, "loads", lambda *args, **kwargs: pytest.fail("opened"))
        assert "posix.system" in refused(folder)
        with pytest.raises(ModelError, match=r"posix\.system"):
            packed.unpack(packed.pack(evil), "x")

    def test_model_of_a_foreign_type_is_not_saved(self, tmp_path: Path) -> None:
        frame, y = rows()
        model = make_pipeline(FunctionTransformer(np.nan_to_num, feature_names_out="one-to-one"), LogisticRegression())
        odd = replace(trained(), fitted={"0-60": Fitted(model.fit(frame, y), None, FEATURES)})
        with pytest.raises(ModelError, match="nan_to_num"):
            store.save_model(tmp_path, odd, samples(), "a1", CREATED, COMMIT)
        assert store.list_models([tmp_path]) == ()

    def test_zip_bomb_and_strange_members(self, tmp_path: Path, closed_late: Callable[[], None]) -> None:
        folder = saved(tmp_path)
        closed_late()
        for members, word in (
            ({"schema.json": b"{}", "0.npy": bytes(1 << 20)}, "zip bomb"),
            ({"schema.json": b"{}", "../0.npy": b""}, "holds a file"),
            ({"0.npy": b""}, "no schema.json"),
        ):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
                for name, content in members.items():
                    target.writestr(name, content)
            reseal(folder, buffer.getvalue())
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(packed, "MOST_UNPACKED", 1 << 19)
                assert word in refused(folder)

    def test_size_limits(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = saved(tmp_path)
        monkeypatch.setattr(store, "MOST_BYTES", 100)
        assert "at most 100" in refused(folder)
        monkeypatch.setattr("wxcore.hazard.registry.card.MOST_BYTES", 10)
        assert "at most 10 " in refused(folder)

    def test_json_is_measured_before_it_is_parsed(self, tmp_path: Path, closed_late: Callable[[], None]) -> None:
        """17 MiB of brackets would be a gigabyte of lists."""
        folder = saved(tmp_path)
        closed_late()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
            target.writestr("schema.json", b"[" + b"[]," * ((17 << 20) // 3) + b"[]]")
        reseal(folder, buffer.getvalue())
        assert "zip bomb" in refused(folder)
        (folder / "card.json").write_bytes(b" " * (5 << 20))
        assert "5242880 bytes" in refused(folder)

    def test_a_version_that_is_free(self, tmp_path: Path) -> None:
        store.require_new(tmp_path, "hail", "a1")
        saved(tmp_path)
        with pytest.raises(ModelError, match="never replaced"):
            store.require_new(tmp_path, "hail", "a1")
        with pytest.raises(ModelError, match="letters"):
            store.require_new(tmp_path, "hail", "../a")

    @pytest.mark.parametrize("field", ["left", "right", "feature_idx"])
    def test_tree_that_leads_outside(self, tmp_path: Path, field: str) -> None:
        folder = saved(tmp_path)
        fitted = boosted()
        for value in (0, 10_000):  # feature 0 is sound, branch 0 leads back
            if (field, value) == ("feature_idx", 0):
                continue
            nodes = fitted.estimator._predictors[0][0].nodes
            nodes[field][0] = value
            part = {"estimator": fitted.estimator, "calibrator": None, "kept": 1.0}
            about = about_of(load_card(folder))
            reseal(folder, packed.pack({"about": about, "windows": {"0-60": part, "0-15": part}}))
            assert "a tree" in refused(folder)

    def test_forest_is_sound(self) -> None:
        frame, y = rows()
        forest = RandomForestClassifier(3, max_depth=3, random_state=0).fit(frame.fillna(0), y)
        found = packed.unpack(packed.pack({"forest": forest}), "x")["forest"]
        assert np.array_equal(found.predict_proba(frame.fillna(0)), forest.predict_proba(frame.fillna(0)))
        forest.estimators_[0].tree_.feature[0] = 99
        with pytest.raises(ModelError, match="a feature that is not among its 3"):
            packed.unpack(packed.pack({"forest": forest}), "x")


@pytest.fixture
def closed_late(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """As `closed`, from when it is called: saving opens what it wrote."""

    def close() -> None:
        for name in ("loads", "get_untrusted_types"):
            monkeypatch.setattr(skops.io, name, lambda *args, **kwargs: pytest.fail("the file was opened"))

    return close


class TestCard:
    @pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "{}", '{"kind": "trained"}'])
    def test_damaged(self, tmp_path: Path, text: str, closed_late: Callable[[], None]) -> None:
        folder = saved(tmp_path)
        closed_late()
        (folder / "card.json").write_text(text)
        assert "card.json" in refused(folder)
        listed = store.list_models([tmp_path])
        assert [card["kind"] for card in listed] == ["unreadable"]

    @pytest.mark.parametrize("key", ["truth_class", "model", "features", "windows", "versions", "board", "threshold"])
    def test_key_missing_is_named(self, tmp_path: Path, key: str) -> None:
        folder = saved(tmp_path)
        told = json.loads((folder / "card.json").read_text())
        del told[key]
        (folder / "card.json").write_text(json.dumps(told))
        assert f"{key}: missing" in refused(folder)

    def test_of_another_folder(self, tmp_path: Path) -> None:
        folder = saved(tmp_path)
        folder.rename(folder.with_name("a2"))
        assert "it is of hail/a1" in refused(folder.with_name("a2"))

    def test_none(self, tmp_path: Path) -> None:
        assert "no such file" in refused(tmp_path / "hail" / "zz")

    def test_another_scikit_learn(self, tmp_path: Path, closed_late: Callable[[], None]) -> None:
        folder = saved(tmp_path)
        closed_late()
        versions = json.loads((folder / "card.json").read_text())["versions"]
        reseal(folder, (folder / "model.skops").read_bytes(), versions=versions | {"scikit-learn": "1.2.9"})
        assert "scikit-learn 1.2.9" in refused(folder)

    def test_another_patch_version_is_taken(self, tmp_path: Path) -> None:
        folder = saved(tmp_path)
        versions = json.loads((folder / "card.json").read_text())["versions"]
        other = ".".join([*versions["scikit-learn"].split(".")[:2], "99"])
        reseal(folder, (folder / "model.skops").read_bytes(), versions=versions | {"scikit-learn": other})
        assert store.load_model(tmp_path, "hail", "a1").version == "a1"


class TestFeatures:
    def test_missing_and_renamed_are_named(self, tmp_path: Path, closed_late: Callable[[], None]) -> None:
        folder = saved(tmp_path)
        closed_late()
        said = refused(folder, ("mesh", "vil_kg_m2"))
        assert "mesh_mm is missing; the table has mesh: renamed?" in said
        assert "h0_m is missing" in said
        assert "vil" not in said

    def test_card_and_model_disagree(self, tmp_path: Path) -> None:
        folder = saved(tmp_path)
        card = json.loads((folder / "card.json").read_text())
        data = (folder / "model.skops").read_bytes()
        renamed = [item | {"name": item["name"].replace("h0_m", "h0")} for item in card["features"]]
        reseal(folder, data, features=renamed)
        assert 'features: it was saved with ["mesh_mm", "vil_kg_m2", "h0_m"], the card says' in refused(folder)
        reseal(folder, data, features=card["features"][::-1])
        assert "the card was changed" in refused(folder)

    def test_estimator_of_other_features_than_both_say(self, tmp_path: Path) -> None:
        folder = saved(tmp_path)
        card = load_card(folder)
        part = {"estimator": boosted().estimator, "calibrator": None, "kept": 1.0}
        renamed = [item | {"name": item["name"].replace("h0_m", "h0")} for item in card["features"]]
        for features, word in ((renamed, "h0, h0_m"), (card["features"][::-1], "their order")):
            about = about_of(card | {"features": features})
            data = packed.pack({"about": about, "windows": {"0-60": part, "0-15": part}})
            reseal(folder, data, features=features)
            assert word in refused(folder)

    def test_windows_disagree(self, tmp_path: Path) -> None:
        folder = saved(tmp_path)
        reseal(folder, (folder / "model.skops").read_bytes(), windows=["0-60"])
        assert 'windows: it was saved with ["0-60", "0-15"], the card says ["0-60"]' in refused(folder)
        about = about_of(load_card(folder))
        part = {"estimator": boosted().estimator, "calibrator": None, "kept": 1.0}
        reseal(folder, packed.pack({"about": about, "windows": {"0-15": part}}), windows=["0-60"])
        assert "other windows" in refused(folder)

    @pytest.mark.parametrize(("name", "value"), [
        ("truth_class", "report"), ("label", "hail of any size"),
        ("features", [{"name": name, "units": "furlong", "monotone": 0} for name in FEATURES]),
    ])  # fmt: skip
    def test_a_card_that_was_rewritten(self, tmp_path: Path, name: str, value: Any) -> None:
        """Above all SYN made "report": one word would let a model of simulated storms judge real ones."""
        folder = saved(tmp_path, truth="SYN")
        reseal(folder, (folder / "model.skops").read_bytes(), **{name: value})
        said = refused(folder)
        assert f"{'units' if name == 'features' else name}: it was saved with" in said
        assert "the card was changed" in said

    @pytest.mark.parametrize("content", [[1], {"0-60": 1}, {"about": 3, "windows": {}},
                                         {"about": {"hazard": np.zeros(3)}, "windows": {}}])  # fmt: skip
    def test_a_model_that_does_not_say_what_it_is_of(self, tmp_path: Path, content: Any) -> None:
        folder = saved(tmp_path)
        reseal(folder, packed.pack(content))
        assert "was saved with nothing" in (said := refused(folder)) or "does not say what it is of" in said


def card_of(**board_changes: Any) -> dict[str, Any]:
    found = plain(replace(board(), **board_changes))
    return {"kind": "trained", "hazard": "hail", "version": "a", "windows": ["0-15", "0-60"], "board": found,
            "features": [{"name": "mesh_mm", "units": "mm", "group": "radar"}], "remarks": [], "label": EVENT,
            "event_days": {"0-60": 10, "0-15": 0}}  # fmt: skip


def mine(card: dict[str, Any], window: str = "0-60") -> dict[str, Any]:
    found: dict[str, Any] = next(
        item for item in card["board"]["entries"] if (item["name"], item["window"]) == ("boosted", window)
    )
    return found


class TestWhyNot:
    def test_better_is_promoted(self) -> None:
        assert why_not(card_of()) == []

    @pytest.mark.parametrize("better", [None, {"value": 0.1, "low": 0.0, "high": 0.2},
                                        {"value": None, "low": None, "high": None}])  # fmt: skip
    def test_interval_touches_nothing_better(self, better: Any) -> None:
        card = card_of()
        mine(card)["skill_better"] = better
        assert len(said := why_not(card)) == 1
        assert "Brier skill is not better than MESH on 0-60 min" in said[0]

    def test_lower_auc(self) -> None:
        card = card_of()
        mine(card)["auc"]["value"] = 0.69
        assert why_not(card) == ["AUC is lower than MESH on 0-60 min: 0.690 < 0.700"]

    def test_worse_on_a_slice(self) -> None:
        card = card_of()
        spring = mine(card)["slices"]["season"]["spring"]
        spring["brier"] = 0.13
        assert why_not(card) == ["worse than MESH where season is spring: Brier score 0.130 against 0.120 "
                                 "(100 rows, 30 events)"]  # fmt: skip
        spring["events"] = 4
        assert why_not(card) == []
        spring.update(events=30, n=49)
        assert why_not(card) == []

    def test_proven_worse_in_another_window(self) -> None:
        card = card_of()
        mine(card, "0-15")["skill_better"] = {"value": -0.1, "low": -0.2, "high": -0.01}
        assert "worse than MESH on 0-15 min" in why_not(card)[0]

    def test_few_events_and_days(self) -> None:
        said = why_not(card_of(events={"0-60": 49}) | {"event_days": {"0-60": 9}})
        assert [text.split(" on ")[0] for text in said] == ["49 events", "9 days with events"]
        untold = card_of()
        del untold["event_days"]
        assert why_not(untold) == ["0 days with events on 0-60 min, at least 10 are asked for"]

    @pytest.mark.parametrize("low", [0.0, -0.1, None])
    def test_no_skill_against_climatology(self, low: float | None) -> None:
        card = card_of()
        mine(card)["skill"] = {"value": 0.01, "low": low, "high": 0.1}
        assert len(said := why_not(card)) == 1
        assert said[0].startswith("no Brier skill against climatology on 0-60 min: 0.010 [")

    def test_worse_than_a_baseline_that_is_not_the_best(self) -> None:
        """The best in one score may be poor in the other: each baseline counts, a second model does not."""
        card = card_of()
        other = entry("SHIP", RULE, "0-60", 0.81, -0.1)
        elsewhere = entry("POSH", RULE, "0-15", 0.99, -0.1)
        second = entry("logistic", MODEL, "0-60", 0.9, 0.1)
        card["board"]["entries"] += plain([replace(other, brier=interval(0.09)), elsewhere, second])
        assert why_not(card) == ["AUC is lower than SHIP on 0-60 min: 0.800 < 0.810",
                                 "Brier score is worse than SHIP on 0-60 min: 0.100 > 0.090"]  # fmt: skip
        next(item for item in card["board"]["entries"] if item["name"] == "SHIP").update(
            auc={"value": None}, brier={"value": None}
        )
        assert why_not(card) == []
        mine(card)["brier"]["value"] = None
        assert why_not(card)[0].startswith("Brier score is worse than climatology")

    @pytest.mark.parametrize(("changes", "word"), [
        ({"label": "any hail"}, "label any hail"), ({"label": ""}, "label unknown"),
        ({"features": [{"name": "mesh_mm", "units": "inch"}]}, "feature mesh_mm in units inch"),
        ({"features": [{"name": "mesh_mm", "units": ""}]}, "feature mesh_mm in units unknown"),
        ({"features": [{"name": "SHIP"}]}, "feature SHIP in units unknown"),
        ({"features": [{"name": f"x{n}", "units": "1"} for n in range(5)]}, "feature x2 in units 1, 2 more"),
    ])  # fmt: skip
    def test_a_table_of_others(self, changes: dict[str, Any], word: str) -> None:
        (said,) = why_not(card_of() | changes)
        assert said.startswith("made from a table of others (")
        assert word in said
        assert said.endswith("): it cannot speak for our storms")

    def test_leak(self) -> None:
        card = card_of()
        few = "0-15 min: too few to look for leaks (8 events, 190 others; 10 of each are needed)"
        card["remarks"] = ["no leak found", few, "size_mm alone gives AUC 1.000: a leak?"]
        assert why_not(card) == ["a leak: size_mm alone gives AUC 1.000: a leak?"]

    def test_first_window_decides_where_there_is_no_hour(self) -> None:
        card = card_of()
        card["windows"] = ["0-15"]
        mine(card, "0-15")["skill_better"] = None
        assert "0-15 min" in why_not(card)[0]

    @pytest.mark.parametrize(("group", "auc", "skill", "said"), [
        ("environment", interval(0.57), interval(0.1), True),
        ("environment", interval(0.65, 0.2), interval(0.1), True),
        ("environment", interval(0.8), interval(0.01), True),
        ("environment", interval(0.8), interval(0.1), False),
        ("radar", interval(0.57), interval(0.1), False),
    ])  # fmt: skip
    def test_environment_alone(self, group: str, auc: Interval, skill: Interval, said: bool) -> None:
        card = card_of()
        card["features"] = [{"name": "cape", "group": "environment"}, {"name": "x", "group": group}]
        mine(card).update(plain({"auc": auc, "skill": skill}))
        assert any(NO_SKILL in text for text in why_not(card)) is said

    def test_published_rule(self) -> None:
        card = load_card(store.MODELS / "hail" / "baseline-2")
        assert "published rule" in why_not(card)[0]


class TestPromote:
    def test_sequence(self, tmp_path: Path) -> None:
        home, shipped = tmp_path / "home", tmp_path / "shipped"
        saved(shipped, "s1")
        saved(home, "a1")
        saved(home, "b1", truth="SYN")
        roots = (home, shipped)
        assert promote.current(roots, "hail") == ""
        for version in ("s1", "a1", "b1"):
            promote.promote(roots, "hail", version, CREATED)
        assert promote.current(roots, "hail") == "b1"
        assert promote.current(roots, "hail", syn=False) == "a1"
        assert promote.current(roots, "gale") == ""
        card = hashlib.sha256((home / "hail" / "b1" / "card.json").read_bytes()).hexdigest()
        newest = {"version": "b1", "truth_class": "SYN", "promoted": CREATED, "card": card}
        assert promote.history(roots, "hail")[-1] == promote.standing(roots, "hail") == newest
        assert promote.standing(roots, "hail", syn=False)["version"] == "a1"
        assert promote.standing(roots, "gale") == {}
        with pytest.raises(ModelError, match="in use already"):
            promote.promote(roots, "hail", "b1", CREATED)
        assert [promote.rollback(roots, "hail")[1] for _ in range(3)] == ["a1", "s1", ""]
        assert promote.current(roots, "hail") == ""
        with pytest.raises(ModelError, match="the published rule stands"):
            promote.rollback(roots, "hail")
        assert not (shipped / "current.json").exists()

    def test_what_came_promoted_can_be_taken_back(self, tmp_path: Path) -> None:
        home, shipped = tmp_path / "home", tmp_path / "shipped"
        saved(shipped, "s1", truth="SYN")
        promote.promote((shipped,), "hail", "s1", CREATED)
        assert promote.current((home, shipped), "hail") == "s1"
        assert promote.rollback((home, shipped), "hail")[1] == ""
        assert promote.current((home, shipped), "hail") == ""
        assert promote.current((shipped,), "hail") == "s1"

    def test_refused(self, tmp_path: Path) -> None:
        saved(tmp_path, better=0.01)
        with pytest.raises(ModelError, match="not better than MESH"):
            promote.promote((tmp_path,), "hail", "a1", CREATED)
        with pytest.raises(ModelError, match="there is a1"):
            promote.promote((tmp_path,), "hail", "zz", CREATED)
        with pytest.raises(ModelError, match="published rule"):
            promote.promote((tmp_path, store.MODELS), "hail", "baseline-2", CREATED)
        assert promote.current((tmp_path,), "hail") == ""

    def test_a_card_that_forgot_its_verdict_is_judged_again(self, tmp_path: Path) -> None:
        folder = saved(tmp_path, better=0.01)
        reseal(folder, (folder / "model.skops").read_bytes(), why_not=[])
        with pytest.raises(ModelError, match="not better than MESH"):
            promote.promote((tmp_path,), "hail", "a1", CREATED)

    def test_again_where_the_card_is_another(self, tmp_path: Path) -> None:
        folder = saved(tmp_path)
        first = promote.promote((tmp_path,), "hail", "a1", CREATED)
        reseal(folder, (folder / "model.skops").read_bytes(), commit="another")
        second = promote.promote((tmp_path,), "hail", "a1", CREATED)
        assert first["card"] != second["card"]
        with pytest.raises(ModelError, match="in use already"):
            promote.promote((tmp_path,), "hail", "a1", CREATED)

    def test_tampered(self, tmp_path: Path) -> None:
        folder = saved(tmp_path)
        with (folder / "model.skops").open("ab") as file:
            file.write(b"\0")
        with pytest.raises(ModelError, match="sha256"):
            promote.promote((tmp_path,), "hail", "a1", CREATED)

    def test_interrupted_write_keeps_the_old(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        saved(tmp_path, "a1")
        saved(tmp_path, "a2")
        promote.promote((tmp_path,), "hail", "a1", CREATED)

        def torn(self: Path, target: Path) -> None:
            raise OSError(5, "power cut")

        monkeypatch.setattr(Path, "replace", torn)
        with pytest.raises(OSError, match="power cut"):
            promote.promote((tmp_path,), "hail", "a2", CREATED)
        assert promote.current((tmp_path,), "hail") == "a1"

    @pytest.mark.parametrize("text", ["", "[]", '{"hail": 3}', '{"hail": [{"version": 1}]}', '{"hail": ["a1"]}'])
    def test_damaged_current(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "current.json").write_text(text)
        with pytest.raises(ModelError, match=r"current\.json"):
            promote.current((tmp_path,), "hail")

    def test_two_writers(self, tmp_path: Path) -> None:
        saved(tmp_path, "a1")
        entries = [{"version": f"v{n}", "truth_class": "report", "promoted": CREATED} for n in range(40)]

        def take(hazard: str) -> None:
            for _ in range(20):
                promote.rollback((tmp_path,), hazard)

        (tmp_path / "current.json").write_text(json.dumps({"hail": entries, "gale": entries}))
        threads = [threading.Thread(target=take, args=(hazard,)) for hazard in ("hail", "hail", "gale", "gale")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert json.loads((tmp_path / "current.json").read_text()) == {"hail": [], "gale": []}


class TestList:
    def test_shipped_rules_are_listed(self) -> None:
        rules = [card for card in store.list_models([store.MODELS]) if card["kind"] == "published rule"]
        assert [card["hazard"] for card in rules] == ["hail", "thunderstorm", "gale"]

    def test_home_comes_first(self, tmp_path: Path) -> None:
        saved(tmp_path / "home", "a1", truth="SYN")
        saved(tmp_path / "shipped", "a1")
        saved(tmp_path / "shipped", "a2")
        roots = (tmp_path / "home", tmp_path / "shipped")
        assert [(card["version"], card["truth_class"]) for card in store.list_models(roots)] == [
            ("a1", "SYN"), ("a2", "report"),
        ]  # fmt: skip
        assert store.root_of(roots, "hail", "a2") == roots[1]

    def test_a_rule_cannot_be_loaded(self) -> None:
        with pytest.raises(ModelError, match="it is code"):
            store.load_model(store.MODELS, "hail", "baseline-2")
