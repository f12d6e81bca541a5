"""card.json: all that is to be known of a trained model, beside its parameters."""

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np

from wxcore.errors import ModelError
from wxcore.hazard.learn.board import MODEL
from wxcore.hazard.learn.trained import Trained
from wxcore.hazard.samples.table import DAY, Samples, label_column
from wxcore.schema import SIMULATED_MARK

CARD = "card.json"
MOST_BYTES = 4 << 20
"""Of card.json [our choice]; one of 60 features and 4 windows has some 150 KiB."""

TRAINED, RULE = "trained", "published rule"
"""Kinds of cards."""

SYN = SIMULATED_MARK

NEEDED: Mapping[str, type | tuple[type, ...]] = {
    "hazard": str, "version": str, "kind": str, "truth_class": str, "model": dict, "features": list, "windows": list,
    "versions": dict, "board": dict, "threshold": dict, "why_not": list,
}  # fmt: skip
"""What a card of a trained model must have to be used."""


def card_of(trained: Trained, samples: Samples, version: str, created: str, commit: str) -> dict[str, Any]:
    """The card, but for `model` (sha256 and size of the parameters) and `why_not`.

    Args:
        created: time, ISO 8601 UTC, as the caller's clock says. commit: of the code.
    """
    board = trained.board
    chosen = {entry.window: entry for entry in board.entries if entry.name == board.chosen.get(entry.window)}
    card = {
        "hazard": board.hazard,
        "version": version,
        "kind": TRAINED,
        "truth_class": board.truth_class,
        "skill": {window: asdict(entry.skill) for window, entry in chosen.items()},
        "label": board.label_text,
        "windows": list(trained.fitted),
        "features": [_feature(samples, name) for name in samples.features],
        "samples": {"source": board.source, "sha256": trained.digest, "first_day": trained.first_day,
                    "last_day": trained.last_day, "class_of_labels": _counted(samples)},
        "event_days": _event_days(samples, tuple(trained.fitted)),
        "competitors": len({entry.name for entry in board.entries if entry.kind == MODEL}),
        "held_out": f"every convective day once, in {board.folds} folds; scores are of days that training had not seen",
        "board": board.to_json(),
        "threshold": {window: entry.threshold for window, entry in chosen.items()},
        "reliability": trained.reliability,
        "importance": trained.importance,
        "ablation": trained.ablation,
        "drift": {"features": trained.reference, "probability": trained.p_reference},
        "remarks": [*board.remarks, *(text for text in trained.remarks if text not in board.remarks)],
        "seed": board.seed,
        "versions": versions(),
        "commit": commit,
        "created": created,
    }  # fmt: skip
    return dict(plain(card))


def versions() -> dict[str, str]:
    """Of what a model is made with."""
    packages = {name: version_of(name) for name in ("scikit-learn", "skops", "numpy", "wxcore")}
    return {"python": platform.python_version(), **packages}


def _feature(samples: Samples, name: str) -> dict[str, Any]:
    return {"name": name, "units": samples.units.get(name, ""), "group": samples.groups.get(name, ""),
            "monotone": samples.monotone.get(name, 0)}  # fmt: skip


def _counted(samples: Samples) -> dict[str, int]:
    counts = samples.frame["label_source"].value_counts()
    return {str(name): int(counts[name]) for name in sorted(counts.index)}


def _event_days(samples: Samples, windows: tuple[str, ...]) -> dict[str, int]:
    """Convective days on which the event happened, by window."""
    frame = samples.frame
    return {window: int(frame.loc[frame[label_column(window)] == 1, DAY].nunique()) for window in windows}


def about_of(card: Mapping[str, Any]) -> dict[str, str]:
    """What a model is of, as JSON by name: it stands inside model.skops too, so under its sha256, and must agree."""
    told = {
        "hazard": card["hazard"],
        "truth_class": card["truth_class"],
        "features": list(feature_names(card)),
        "units": [item.get("units") for item in card["features"]],
        "windows": card["windows"],
        "label": card.get("label"),
    }
    return {name: json.dumps(value, ensure_ascii=False) for name, value in told.items()}


def plain(value: Any) -> Any:
    """As JSON can say it: what is not finite is null, numpy's numbers are numbers, tuples are lists.

    Raises:
        TypeError: nothing that a card can hold.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"a card cannot hold {type(value).__name__}: {value!r}")


def card_bytes(card: Mapping[str, Any]) -> bytes:
    """card.json."""
    return (json.dumps(card, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def load_card(folder: Path) -> dict[str, Any]:
    """The card in a model's folder, checked.

    Raises:
        ModelError: none, too large, no JSON, not what a card holds, or of another hazard or version than its folder.
    """
    return sealed_card(folder)[0]


def sealed_card(folder: Path) -> tuple[dict[str, Any], str]:
    """The card as `load_card` gives it, and the sha256 of its file.

    Raises:
        ModelError: as `load_card`.
    """
    path = folder / CARD
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(str(path), [f"{path.stat().st_size} bytes, at most {MOST_BYTES} are read"])
        data = path.read_bytes()
        card = json.loads(data)
    except FileNotFoundError as cause:
        raise ModelError(str(path), ["no such file: wx models list tells what there is"]) from cause
    except (OSError, ValueError, RecursionError) as cause:
        raise ModelError(str(path), [f"not readable as JSON ({cause})"]) from cause
    faults = _faults(card, folder)
    if faults:
        raise ModelError(str(path), faults)
    return dict(card), hashlib.sha256(data).hexdigest()


def _faults(card: Any, folder: Path) -> list[str]:
    if not isinstance(card, dict):
        return [f"holds a {type(card).__name__}, expected an object"]
    needed = NEEDED if card.get("kind") != RULE else dict.fromkeys(("hazard", "version", "truth_class"), str)
    faults = [
        f"{name}: {'missing' if name not in card else f'is {type(card[name]).__name__}'}, expected {_word(kind)}"
        for name, kind in needed.items()
        if not isinstance(card.get(name), kind)
    ]
    if faults:
        return faults
    if (card["hazard"], card["version"]) != (folder.parent.name, folder.name):
        faults.append(f"it is of {card['hazard']}/{card['version']}, the folder of {folder.parent.name}/{folder.name}")
    if card["kind"] != RULE:
        faults += _details(card)
    return faults


def _details(card: Mapping[str, Any]) -> list[str]:
    """Of a trained model."""
    faults = []
    if card["kind"] != TRAINED:
        faults.append(f"kind: {card['kind']!r}, expected {TRAINED!r} or {RULE!r}")
    if not all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in card["features"]):
        faults.append("features: expected objects with a name")
    if not card["windows"] or not all(isinstance(name, str) for name in card["windows"]):
        faults.append("windows: expected names such as 0-60")
    if not isinstance(card["versions"].get("scikit-learn"), str):
        faults.append("versions: scikit-learn is missing")
    if not isinstance(card["model"].get("sha256"), str):
        faults.append("model: sha256 is missing")
    if not isinstance(card["board"].get("entries"), list):
        faults.append("board: entries are missing")
    maps = ("rows", "events", "days", "best_baseline", "chosen")
    faults += [f"board: {name} is missing" for name in maps if not isinstance(card["board"].get(name), dict)]
    return faults


def _word(kind: type | tuple[type, ...]) -> str:
    return kind.__name__ if isinstance(kind, type) else " or ".join(item.__name__ for item in kind)


def feature_names(card: Mapping[str, Any]) -> tuple[str, ...]:
    """In the order in which the model sees them."""
    return tuple(item["name"] for item in card["features"])
