"""`wx models`: what is there, what is in use, what is refused. Cards are written by hand: no model is opened here."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wxcore.cli import models as commands
from wxcore.cli.models import models_app
from wxcore.errors import ModelError
from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.registry import promote as promotions

WINDOWS = ("0-60", "0-15")


def spread(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def entry(name: str, window: str, auc: float, better: float | None) -> dict[str, Any]:
    return {
        "name": name, "kind": "model" if better else "rule", "window": window, "auc": spread(auc), "slices": {},
        "average_precision": 0.4, "brier": spread(0.1), "skill": spread(0.3), "ece": None, "threshold": 0.31,
        "hits": 40, "false_alarms": 10, "misses": 10, "correct_negatives": 140,
        "skill_better": spread(better) if better else None, "better": None,
    }  # fmt: skip


def put(root: Path, version: str, *, truth: str = "report", better: float = 0.1, digest: str = "d1",
        windows: tuple[str, ...] = WINDOWS, **changes: Any) -> None:  # fmt: skip
    counts = {"rows": 200, "events": 51, "days": 12}
    card = {
        "hazard": "hail", "version": version, "kind": "trained", "truth_class": truth, "model": {"sha256": "0"},
        "features": [{"name": "mesh_mm", "units": "mm", "group": "radar"}], "windows": list(windows),
        "threshold": {}, "remarks": [],
        "versions": {"scikit-learn": "1.9.1"}, "why_not": [] if better > 0.02 else ["not better"],
        "samples": {"source": "season.parquet", "sha256": digest}, "label": DEFINITIONS["hail"].event_en,
        "event_days": dict.fromkeys(windows, 12),
        "board": {
            **{name: dict.fromkeys(windows, count) for name, count in counts.items()},
            "chosen": dict.fromkeys(windows, "boosted"), "best_baseline": dict.fromkeys(windows, "MESH"),
            "entries": [item for window in windows for item in
                        (entry("MESH", window, 0.7, None), entry("boosted", window, 0.8, better))],
        },
    } | changes  # fmt: skip
    folder = root / "hail" / version
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    (folder / "card.md").write_text(f"# hail / {version}\n", encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models whose parameters are sound, whatever they are."""

    class Opened:
        def __init__(self, root: Path, hazard: str, version: str) -> None:
            self.card = json.loads((root / hazard / version / "card.json").read_text())
            self.card_sha256 = "0"

    monkeypatch.setattr(promotions, "load_model", Opened)
    monkeypatch.setenv("WXCORE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("WXCORE_LANG", "en")
    put(tmp_path / "models", "a1")
    return tmp_path / "models"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(models_app, list(arguments))


def told(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


class TestList:
    def test_rules_and_models(self, root: Path) -> None:
        rows = {(row["hazard"], row["version"]): row for row in told("list")}
        assert rows["hail", "baseline-2"]["in_use"] is True
        assert rows["gale", "baseline-3"]["kind"] == "published rule"
        assert rows["gale", "baseline-3"]["auc"] is None
        mine = rows["hail", "a1"]
        assert (mine["in_use"], mine["rows"], mine["events"], mine["window"]) == (False, 200, 51, "0-60")
        assert mine["auc"]["value"] == 0.8

    def test_on_the_screen(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(root, "b1", truth="SYN")
        put(root, "c1", better=0.01)
        (root / "hail" / "a1" / "card.json").write_text("{")
        told("promote", "hail", "b1")
        monkeypatch.setattr(commands.SCREEN, "width", 200)
        said = run("list").output
        assert "in use (SYN only)" in said
        assert "not promoted: not better" in said
        assert "unreadable" in said
        assert "0.800 [0.780, 0.820]" in said

    def test_another_folder(self, root: Path, tmp_path: Path) -> None:
        put(tmp_path / "other", "z9")
        versions = [row["version"] for row in told("list", "--models", str(tmp_path / "other"))]
        assert "z9" in versions
        assert "a1" not in versions


class TestShow:
    def test_card(self, root: Path) -> None:
        assert told("show", "hail", "a1")["version"] == "a1"
        assert run("show", "hail", "a1").stdout.startswith("# hail / a1")
        assert "Severe hail from POSH" in run("show", "hail", "baseline-2").stdout

    def test_no_such_version(self, root: Path) -> None:
        result = run("show", "hail", "zz")
        assert isinstance(result.exception, ModelError)
        assert "there is a1, baseline-2" in str(result.exception)

    def test_no_such_hazard(self, root: Path) -> None:
        assert run("show", "tornado", "a1").exit_code == 2


class TestCompare:
    def test_side_by_side(self, root: Path) -> None:
        put(root, "a2", digest="d2")
        found = told("compare", "hail", "a1", "a2", "--window", "0-15")
        assert (found["window"], found["same_samples"]) == ("0-15", False)
        side = found["sides"][1]
        assert (side["version"], side["pod"], side["far"]) == ("a2", 0.8, 0.2)
        assert side["csi"] == 40 / 60
        said = run("compare", "hail", "a1", "a2").output
        assert "not the same samples" in said
        assert "0.800 [0.780, 0.820]" in said

    def test_same_samples(self, root: Path) -> None:
        put(root, "a2")
        assert "not the same samples" not in run("compare", "hail", "a1", "a2").output

    def test_no_such_window(self, root: Path) -> None:
        put(root, "a2", windows=("0-60",))
        assert run("compare", "hail", "a1", "a2", "--window", "0-15").exit_code == 2

    def test_rule_has_no_figures(self, root: Path) -> None:
        assert "baseline-2" in str(run("compare", "hail", "a1", "baseline-2").exception)


class TestPromote:
    def test_and_back(self, root: Path) -> None:
        put(root, "a2")
        assert told("promote", "hail", "a1")["version"] == "a1"
        told("promote", "hail", "a2")
        in_use = {row["version"] for row in told("list") if row["in_use"] and row["hazard"] == "hail"}
        assert in_use == {"a2"}
        assert told("rollback", "hail") == {
            "hazard": "hail", "taken_back": "a2", "in_use": "a1", "promotions_left": 1,
        }  # fmt: skip
        assert "a1 taken back, baseline-2 is in use" in run("rollback", "hail").output
        assert "the published rule stands already" in str(run("rollback", "hail").exception)

    def test_refused(self, root: Path) -> None:
        put(root, "c1", better=0.01)
        assert "not better than MESH" in str(run("promote", "hail", "c1").exception)
        assert not (root / "current.json").exists()

    def test_a_table_of_others(self, root: Path) -> None:
        put(root, "e1", label="hail of any size")
        said = str(run("promote", "hail", "e1").exception)
        assert "made from a table of others (label hail of any size): it cannot speak for our storms" in said
        assert not (root / "current.json").exists()

    def test_syn_says_so(self, root: Path) -> None:
        put(root, "b1", truth="SYN")
        assert "for SYN only" in run("promote", "hail", "b1").output
        told("rollback", "hail")
        assert "仅限模拟资料" in run("promote", "hail", "b1", "--lang", "zh").output

    def test_board_that_cannot_be_read(self, root: Path) -> None:
        put(root, "d1", board={"entries": [3]})
        assert isinstance(run("promote", "hail", "d1").exception, ModelError)
