"""The models that come with wxcore: they open, are of our features, and say that they are simulated."""

from pathlib import Path

import pytest

from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.features.catalogue import NAMES
from wxcore.hazard.registry.ours import strangers
from wxcore.hazard.registry.store import load_model
from wxcore.hazard.windows import WINDOWS

ROOT = Path(__file__).parents[2] / "models"
VERSION = "syn-1"


@pytest.mark.parametrize("hazard", list(DEFINITIONS))
def test_a_shipped_model_opens_and_says_syn(hazard: str) -> None:
    loaded = load_model(ROOT, hazard, VERSION)
    assert loaded.features == NAMES
    assert set(loaded.fitted) == {window.name for window in WINDOWS}
    assert loaded.card["truth_class"] == "SYN"
    assert not strangers(loaded.card)
    card = (ROOT / hazard / VERSION / "card.md").read_text(encoding="utf-8")
    assert "SYN" in card.splitlines()[0] + card.splitlines()[2]
    assert not (ROOT / hazard / "current.json").exists(), "nothing that is shipped is promoted"
