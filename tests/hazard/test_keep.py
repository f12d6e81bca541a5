"""What `wx train` and the flow `train` leave behind: the same from both."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.hazard.test_registry import samples, trained
from wxcore.errors import TimeError
from wxcore.hazard import nightly
from wxcore.hazard.learn.trained import Bin, Trained
from wxcore.hazard.registry import keep as room
from wxcore.hazard.registry.keep import commit, keep
from wxcore.hazard.registry.store import load_card

NOW = datetime(2026, 6, 30, 13, 20, tzinfo=UTC)
ODD = "echo_top_18_km: is the same everywhere"
PNG = b"\x89PNG"


@pytest.fixture
def made() -> Trained:
    found = trained()
    return replace(found, reliability={window: (Bin(0.1, 0.12, 90), Bin(0.8, 0.7, 40)) for window in found.fitted})


def test_model_card_and_two_diagrams_a_window(made: Trained, tmp_path: Path) -> None:
    folder = keep(tmp_path, made, samples(), NOW, leaks=(ODD,))
    assert folder == tmp_path / "hail" / "trained-abababab-1"
    pictures = {path.stem: path.read_bytes() for path in folder.glob("*.png")}
    assert set(pictures) == {f"{kind}-{window}" for kind in ("reliability", "performance") for window in made.fitted}
    assert all(content.startswith(PNG) for content in pictures.values())
    card = load_card(folder)
    assert card["created"] == "2026-06-30T13:20:00Z"
    assert card["remarks"] == ["few days", ODD]
    assert ODD in (folder / "card.md").read_text(encoding="utf-8")


def test_a_name_of_ones_own_and_a_time_that_is_none(made: Trained, tmp_path: Path) -> None:
    assert keep(tmp_path, made, samples(), NOW, version="mine").name == "mine"
    with pytest.raises(TimeError):
        keep(tmp_path, made, samples(), NOW.replace(tzinfo=None), version="other")
    assert not (tmp_path / "hail" / "other").exists()


def test_by_night_the_same_is_kept(made: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "train", lambda _, seed: replace(made, board=replace(made.board, seed=seed)))
    monkeypatch.setattr(nightly, "check_leaks", lambda _: (ODD,))
    monkeypatch.setattr(room, "commit", lambda: "abc123+")
    folder = nightly.retrain(samples(), tmp_path, 7, NOW)
    card = load_card(folder)
    assert folder.name == "trained-abababab-7"
    assert (card["commit"], card["created"]) == ("abc123+", "2026-06-30T13:20:00Z")
    assert ODD in card["remarks"]
    assert len(list(folder.glob("*.png"))) == 2 * len(made.fitted)


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit() == ""
