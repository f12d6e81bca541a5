"""`wx train` on a small table of a bureau's own: the board, the JSON, the model that is kept; training is tested in
tests/hazard."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from wxcore.cli import train as commands
from wxcore.cli.app import add_lazy, app
from wxcore.errors import ModelError, SampleError
from wxcore.hazard.learn.zoo import BOOSTED

ROWS, DAYS = 360, 12
SEED = 5
WIDE = 200
COLUMNS = """
label_text = "gust of at least 17 m/s"
label_source = "report"
missing = [-9999]
[label]
column = "gust"
at_least = 17.0
units = "m s-1"
[time]
column = "time"
[storm]
column = "storm"
[[features]]
column = "dbz"
units = "dBZ"
group = "radar"
monotone = 1
[[features]]
column = "vil"
[[baselines]]
column = "rule"
"""
OWN = """
from sklearn.naive_bayes import GaussianNB
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from wxcore.hazard.learn.model import Model


def naive(seed, directions, parameters):
    return make_pipeline(SimpleImputer(), GaussianNB())


MODEL = Model(name="naive bayes", title="Gaussian naive Bayes", make=naive)
"""


def table(rows: int = ROWS, days: int = DAYS) -> pd.DataFrame:
    """Gusts that follow reflectivity; `vil` and the rule say nothing."""
    rng = np.random.default_rng(3)
    dbz = rng.uniform(35, 65, rows)
    day = np.arange(rows) * days // rows
    hour = pd.Timestamp("2024-05-01T13:00Z") + pd.to_timedelta(day, unit="D")
    return pd.DataFrame({
        "storm": [f"{number}-{row // 3}" for row, number in enumerate(day)],
        "time": (hour + pd.to_timedelta(np.arange(rows) % 50, unit="min")).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dbz": np.where(rng.random(rows) < 0.1, -9999, dbz.round(2)),
        "vil": rng.uniform(0, 60, rows).round(2),
        "gust": (10 + 0.5 * (dbz - 45) + rng.logistic(0, 2, rows)).round(2),
        "rule": rng.random(rows).round(3),
    })  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """One thread, one model of few trees, and the commands that `main` would have added."""
    if "train" not in {item.name for item in app.registered_commands}:
        add_lazy(["train"])
    cheap = replace(BOOSTED, grid=({"max_iter": 10, "max_leaf_nodes": 5},))
    with threadpool_limits(1), pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "MODELS", (cheap,))
        yield


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    table().to_csv(folder / "table.csv", index=False)
    (folder / "columns.toml").write_text(COLUMNS, encoding="utf-8")
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    return folder


def run(samples: Path, home: Path, *words: str, hazard: str = "gale") -> Any:
    fixed = ("--samples", f"{samples / 'table.csv'}", "--columns", f"{samples / 'columns.toml'}", "--out", f"{home}",
             "--folds", "2", "--seed", f"{SEED}", "--lang", "en")  # fmt: skip
    return CliRunner().invoke(app, ["train", hazard, *fixed, *words])


def strict(text: str) -> Any:
    """JSON as the standard has it: Python's own NaN and Infinity are none."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def told(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON of a run with a model of one's own."""
    result = run(samples, tmp_path_factory.mktemp("home"), "--with", f"{samples / 'own.py'}", "--json")
    assert result.exit_code == 0, result.output
    return dict(strict(result.stdout))


def test_the_json_is_strict_and_tells_the_board(told: dict[str, Any]) -> None:
    assert (told["hazard"], told["truth"]) == ("gale", "report")
    names = {entry["name"]: entry["kind"] for entry in told["board"]["entries"]}
    assert {"boosted", "naive bayes", "climatology", "rule"} <= set(names)
    assert names["naive bayes"] == "model"
    assert told["board"]["rows"] == {"0-60": ROWS}
    assert (told["first_day"], told["last_day"]) == ("2024-05-01", "2024-05-12")
    assert told["importance"]["0-60"][0][0] == "dbz"


def test_the_model_is_kept_with_card_and_diagrams(told: dict[str, Any]) -> None:
    folder = Path(told["model"])
    assert folder.name == f"trained-{told['digest'][:8]}-{SEED}"
    assert {path.name for path in folder.iterdir()} == {
        "model.skops", "card.json", "card.md", "reliability-0-60.png", "performance-0-60.png",
    }  # fmt: skip
    card = strict((folder / "card.json").read_text(encoding="utf-8"))
    assert card["remarks"][: len(told["leak_remarks"])] == told["leak_remarks"]
    assert card["why_not"] == told["not_promoted"]
    assert card["competitors"] == 2
    assert "made from a table of others (feature dbz in units dBZ, feature vil in units unknown" in card["why_not"][0]
    assert "**Tried**: 2 models" in (folder / "card.md").read_text(encoding="utf-8")


def test_two_runs_give_the_same_bytes_and_the_same_board(samples: Path, told: dict[str, Any], tmp_path: Path) -> None:
    again = strict(run(samples, tmp_path, "--with", f"{samples / 'own.py'}", "--json").stdout)
    digests = {hashlib.sha256((Path(one["model"]) / "model.skops").read_bytes()).hexdigest() for one in (told, again)}
    assert len(digests) == 1
    assert again | {"model": ""} == told | {"model": ""}


def test_the_board_on_the_screen_and_why_it_is_not_promoted(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten days and fifty events are asked for: here are four days."""
    monkeypatch.setattr(commands, "SCREEN", Console(stderr=True, width=WIDE))
    few = Path(shutil.copytree(samples, tmp_path / "few"))
    table(120, 4).to_csv(few / "table.csv", index=False)
    result = run(few, tmp_path / "home")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    said = " ".join(result.stderr.split())
    assert "gale 0-60 min, report: 120 rows" in said
    for name in ("climatology", "rule", "boosted"):
        assert name in said
    assert "not promoted: " in said
    assert "4 days with events on 0-60 min, at least 10 are asked for" in said
    assert "kept: " in said


def test_nothing_is_kept_where_nobody_wants_it(samples: Path, tmp_path: Path) -> None:
    result = run(samples, tmp_path / "home", "--no-save", "--json")
    assert strict(result.stdout)["model"] is None
    assert not (tmp_path / "home" / "models").exists()


@pytest.mark.parametrize(("version", "word"), [("../up", "expected letters"), ("there", "never replaced")])
def test_a_version_that_cannot_be_is_refused_before_training(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, word: str
) -> None:
    monkeypatch.setattr(commands, "read_any", lambda *_: pytest.fail("it went to work"))
    (tmp_path / "models" / "gale" / "there").mkdir(parents=True)
    refused = run(samples, tmp_path, "--version", version)
    assert isinstance(refused.exception, ModelError)
    assert word in str(refused.exception)


def test_what_cannot_be(samples: Path, tmp_path: Path) -> None:
    unknown = run(samples, tmp_path, hazard="frogs")
    assert unknown.exit_code == 2
    assert "frogs" in unknown.stderr
    leak = Path(shutil.copytree(samples, tmp_path / "leak"))
    table().assign(vil=lambda rows: rows["gust"] * 2).to_csv(leak / "table.csv", index=False)
    refused = run(leak, tmp_path / "home")
    assert isinstance(refused.exception, SampleError)  # `main` makes it one line, and exit code 1
    assert "vil" in str(refused.exception)
    assert not (tmp_path / "home" / "models").exists()
