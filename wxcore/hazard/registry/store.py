"""Trained models on the disk: models/<hazard>/<version>/{model.skops, card.json, card.md}.

A model is a folder that is never changed once it is there. Nothing of model.skops is looked at before its sha256 is the
card's; the sha256 finds damage and half-written files, and `packed` keeps out what somebody forged together with its
card. What the model is of (hazard, truth class, features ...) stands in both, and must agree.
"""

import difflib
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wxcore.archive.place import write_file
from wxcore.errors import ModelError
from wxcore.hazard.learn.fitted import Fitted
from wxcore.hazard.learn.trained import Trained
from wxcore.hazard.registry.card import (
    CARD,
    RULE,
    about_of,
    card_bytes,
    card_of,
    feature_names,
    load_card,
    sealed_card,
    versions,
)  # fmt: skip
from wxcore.hazard.registry.packed import MOST_BYTES, pack, require_zip, unpack
from wxcore.hazard.registry.verdict import why_not
from wxcore.hazard.registry.words import card_text
from wxcore.hazard.samples.table import Samples
from wxcore.schema import HAZARDS

__all__ = [
    "MODELS", "Loaded", "check_features", "folder_of", "list_models", "load_card", "load_model", "require_new",
    "root_of", "save_model", "writing",
]  # fmt: skip

MODELS = Path(__file__).resolve().parents[3] / "models"
"""Folder of the models that came with wxcore: beside the package, in the repository as in an installed wheel. Read
only: what is trained here goes into the home's folder."""

MODEL, TEXT, LOCK = "model.skops", "card.md", "lock"
LOCK_S = 30.0
"""How long a writer waits for another one [s]."""

FOREIGN = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")
"""Endings of files that run code when they are opened."""

ABOUT, PARTS = "about", "windows"
"""What model.skops holds: `about_of` its card, and {estimator, calibrator, kept} by window."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A version: also a folder's name."""


@dataclass(frozen=True)
class Loaded:
    """A model, checked and ready.

    Attributes:
        fitted: by window name. features: their names, in order. card: as card.json has it; card_sha256: of that file.
    """

    hazard: str
    version: str
    fitted: Mapping[str, Fitted]
    features: tuple[str, ...]
    card: Mapping[str, Any]
    card_sha256: str = ""


def folder_of(root: Path, hazard: str, version: str) -> Path:
    """Where a model is, or would be.

    Raises:
        ModelError: no such hazard, or no name of a version.
    """
    faults = [] if hazard in HAZARDS else [f"no hazard {hazard!r}, expected one of {', '.join(HAZARDS)}"]
    if not NAME.fullmatch(version):
        faults.append(f"version {version!r}: expected letters, digits, dots, - and _, at most 64")
    if faults:
        raise ModelError("model", faults)
    return root / hazard / version


def require_new(root: Path, hazard: str, version: str) -> None:
    """Refuse a version that no model can be saved as: asked before a training of hours.

    Raises:
        ModelError: no name of a version, or it is there already.
    """
    folder = folder_of(root, hazard, version)
    if folder.exists():
        raise _taken(folder)


def _taken(folder: Path) -> ModelError:
    return ModelError(str(folder), ["this version is there already: a model is never replaced, name another"])


def save_model(root: Path, trained: Trained, samples: Samples, version: str, created: str, commit: str) -> Path:
    """Write a model's folder: all of it or nothing. The same arguments give the same bytes.

    Args:
        created: ISO 8601 UTC, by the caller's clock. commit: of the code that trained it.

    Returns:
        The folder; as it was, where the same model is there already.

    Raises:
        ModelError: the version is another model, the model holds what may not be saved, or another process is writing.
        OSError: disk full, or a write error.
    """
    folder = folder_of(root, trained.board.hazard, version)
    card = card_of(trained, samples, version, created, commit)
    parts = {
        window: {"estimator": fitted.estimator, "calibrator": fitted.calibrator, "kept": float(fitted.kept)}
        for window, fitted in trained.fitted.items()
    }
    data = pack({ABOUT: about_of(card), PARTS: parts})
    unpack(data, f"{folder.parent.name}/{version}")
    card["model"] = {"file": MODEL, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    card["why_not"] = why_not(card)
    with writing(root):
        if folder.exists():
            if _same(folder, card):
                return folder
            raise _taken(folder)
        partial = folder.with_name(f".{version}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        write_file(partial / MODEL, data)
        write_file(partial / CARD, card_bytes(card))
        write_file(partial / TEXT, card_text(card).encode())
        partial.rename(folder)
    return folder


def _same(folder: Path, card: Mapping[str, Any]) -> bool:
    """Was exactly this model saved before, but for hour and commit?"""
    told = load_card(folder)
    return {**told, "created": "", "commit": ""} == {**card, "created": "", "commit": ""}


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Be the one writer of a folder of models.

    Raises:
        ModelError: another process held it for LOCK_S.
    """
    root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / LOCK, timeout=LOCK_S, thread_local=False):
            yield
    except Timeout as cause:
        raise ModelError(
            str(root), [f"another process has been writing for {LOCK_S:g} s: end it, run again"]
        ) from cause


def load_model(root: Path, hazard: str, version: str, features: Sequence[str] | None = None) -> Loaded:
    """A model, after everything about it was checked; sha256 before anything is opened.

    Args:
        features: names of the columns at hand; None: not asked yet.

    Raises:
        ModelError: damaged or forged, a pickle, a type that is not allowed, another scikit-learn, a feature missing, or
            a card that tells something else than the model does.
    """
    folder = folder_of(root, hazard, version)
    card, sealed = sealed_card(folder)
    if card.get("kind") == RULE:
        raise ModelError(str(folder), ["a published rule: it is code, there is nothing to load"])
    if features is not None:
        check_features(card, features)
    data = _bytes(folder, card)
    theirs, ours = card["versions"]["scikit-learn"], versions()["scikit-learn"]
    if _minor(theirs) != _minor(ours):
        raise ModelError(str(folder), [f"made with scikit-learn {theirs}, here is {ours}: train it again"])
    content = unpack(data, str(folder / MODEL))
    names = feature_names(card)
    faults = _about_faults(content, card) or _shape_faults(content[PARTS], tuple(card["windows"]), names)
    if faults:
        raise ModelError(str(folder / MODEL), faults)
    fitted = {
        window: Fitted(part["estimator"], part["calibrator"], names, part["kept"])
        for window, part in content[PARTS].items()
    }
    return Loaded(hazard, version, fitted, names, card, sealed)


def _bytes(folder: Path, card: Mapping[str, Any]) -> bytes:
    """model.skops as the card knows it, never interpreted."""
    foreign = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in FOREIGN)
    if foreign:
        raise ModelError(str(folder), [f"{name}: such a file runs code when opened, never opened" for name in foreign])
    path = folder / MODEL
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ModelError(str(path), [f"{size} bytes, at most {MOST_BYTES} are read"])
        data = path.read_bytes()
    except OSError as cause:
        raise ModelError(str(path), [f"cannot be read ({cause.strerror})"]) from cause
    require_zip(data, str(path))
    found, expected = hashlib.sha256(data).hexdigest(), card["model"]["sha256"]
    if found != expected:
        raise ModelError(
            str(path), [f"sha256 {found[:12]}… is not the card's {expected[:12]}…: damaged or tampered with"]
        )
    return data


def check_features(card: Mapping[str, Any], available: Sequence[str]) -> None:
    """Are all features of a model among the columns? More columns do no harm.

    Raises:
        ModelError: it names each that is missing, and what it may be called now.
    """
    wanted = feature_names(card)
    spare = sorted(set(available) - set(wanted))
    faults = []
    for name in wanted:
        if name not in set(available):
            near = difflib.get_close_matches(name, spare, n=1)
            faults.append(f"{name} is missing" + (f"; the table has {near[0]}: renamed?" if near else ""))
    if faults:
        raise ModelError(f"model {card['hazard']}/{card['version']}", faults)


def _about_faults(content: Any, card: Mapping[str, Any]) -> list[str]:
    """Where the card tells something else than what the model was saved with."""
    if not isinstance(content, dict) or set(content) != {ABOUT, PARTS} or not isinstance(content[ABOUT], dict):
        return ["does not say what it is of: save models with wx train"]
    found, told = content[ABOUT], about_of(card)
    kept = {name: found.get(name) if isinstance(found.get(name), str) else "nothing" for name in told}
    return [f"{name}: it was saved with {kept[name]:.200}, the card says {text:.200}: the card was changed"
            for name, text in told.items() if kept[name] != text]  # fmt: skip


def _shape_faults(content: Any, windows: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    parts = {"estimator", "calibrator", "kept"}
    if not isinstance(content, dict) or set(content) != set(windows):
        return [f"holds other windows than the card's {', '.join(windows)}"]
    faults = []
    for window, part in content.items():
        if not isinstance(part, dict) or set(part) != parts:
            faults.append(f"{window}: expected estimator, calibrator and kept")
            continue
        seen = tuple(getattr(part["estimator"], "feature_names_in_", ()))
        if seen != names:
            odd = [name for name in (*names, *seen) if (name in names) != (name in seen)] or ["their order"]
            faults.append(f"{window}: learnt from other features than the card's: {', '.join(map(str, odd[:5]))}")
        if not hasattr(part["estimator"], "predict_proba"):
            faults.append(f"{window}: {type(part['estimator']).__name__} gives no probabilities")
        if not isinstance(part["kept"], float) or not 0 < part["kept"] <= 1:
            faults.append(f"{window}: kept is {part['kept']!r}, expected 0..1")
    return faults


def _minor(text: str) -> list[str]:
    return text.split(".")[:2]


def list_models(roots: Sequence[Path]) -> tuple[dict[str, Any], ...]:
    """Cards of all models and published rules under these folders, by hazard and version; the first folder that has a
    version counts. A card that cannot be read stands as {"hazard", "version", "kind": "unreadable", "fault"}."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for root in roots:
        for path in sorted(root.glob(f"*/*/{CARD}")):
            key = (path.parent.parent.name, path.parent.name)
            if key[0] in HAZARDS and not key[1].startswith(".") and key not in found:
                found[key] = _card_or_fault(path.parent, *key)
    return tuple(found[key] for key in sorted(found, key=lambda key: (HAZARDS.index(key[0]), key[1])))


def _card_or_fault(folder: Path, hazard: str, version: str) -> dict[str, Any]:
    try:
        return load_card(folder)
    except ModelError as error:
        return {"hazard": hazard, "version": version, "kind": "unreadable", "fault": error.en}


def root_of(roots: Sequence[Path], hazard: str, version: str) -> Path:
    """The first of these folders that has the model.

    Raises:
        ModelError: none has.
    """
    for root in roots:
        if (folder_of(root, hazard, version) / CARD).is_file():
            return root
    known = [card["version"] for card in list_models(roots) if card["hazard"] == hazard]
    raise ModelError(f"model {hazard}/{version}", [f"no such version, there is {', '.join(known) or 'none'}"])
