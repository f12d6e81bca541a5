"""Which model judges each hazard in a cycle: the promoted one where there is one that may, else the published rule.

Nothing is promoted at first: then the rules judge, and scikit-learn is not even loaded. A trained model that cannot be
used never stops a cycle: the rule stands in, and the cycle's notes say so. A storm that no beam saw in three dimensions
is judged by the rule also where a model is promoted: models were not made for it.
"""

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from wxcore.errors import ModelError, WxcoreError
from wxcore.hazard.registry.ours import strangers
from wxcore.hazard.rules import MODELS, probabilities
from wxcore.hazard.windows import HOUR
from wxcore.pipeline.analyse import SIMULATED
from wxcore.pipeline.home import Home
from wxcore.schema import HAZARDS

SHIPPED = Path(__file__).resolve().parents[2] / "models"
"""Folder of the models that came with wxcore: beside the package, read only."""

CURRENT, MODEL_FILE, CARD = "current.json", "model.skops", "card.json"
ONLY_SYN = "learnt from simulated data: not used on real data unless WXCORE_SYN_MODELS=1"
KEPT = 6
"""Loaded models that a process keeps: two of each hazard."""

Note = tuple[str, str]


@dataclass(frozen=True)
class Models:
    """Where trained models may come from.

    Attributes:
        home: folder of those that were trained here, with `current.json`; shipped: of those that came with wxcore.
        syn: may those that learnt from simulated data judge real data?
    """

    home: Path
    shipped: Path = SHIPPED
    syn: bool = False

    @property
    def roots(self) -> tuple[Path, Path]:
        """In the order in which a version is looked for."""
        return (self.home, self.shipped)


@dataclass(frozen=True)
class Chances:
    """Probabilities, and who judged.

    Attributes:
        table: schema.PROBABILITIES: each storm, each hazard, each window, in this order.
        models: by hazard: `version` and `sha256` of its file ("" of a rule), and `truth_class` of a trained one;
            `instead_of` and `why` where a promoted one was passed over.
        notes: models that could not be used, (English, Chinese).
    """

    table: pd.DataFrame
    models: Mapping[str, Mapping[str, str]]
    notes: tuple[Note, ...] = ()


def models_of(home: Home) -> Models:
    """As the home says."""
    return Models(home.models, syn=home.syn_models)


def chances_of(
    home: Home, storms: pd.DataFrame, history: Sequence[pd.DataFrame], levels: Mapping[str, Any], *, truth: str
) -> Chances:
    """`chances` with the models of this home."""
    return chances(storms, history, levels, truth=truth, models=models_of(home))


def chances(
    storms: pd.DataFrame,
    history: Sequence[pd.DataFrame],
    levels: Mapping[str, Any],
    *,
    truth: str,
    models: Models,
) -> Chances:
    """Probabilities of all hazards for the storms of one time.

    Args:
        storms: schema.STORMS; history: earlier ones, oldest first, of at most 30 minutes.
        levels: as the provenance keeps them (`quality`, heights, indices ...).
        truth: "real" or "SYN": of the data.
    """
    table = probabilities(storms, levels_quality=levels["quality"])
    used: dict[str, Mapping[str, str]] = {code: {"version": MODELS[code], "sha256": ""} for code in HAZARDS}
    if not any((root / CURRENT).is_file() for root in models.roots):
        return Chances(table, used)
    notes: list[Note] = []
    judged: list[pd.DataFrame] = []
    frame: pd.DataFrame | None = None
    for code in HAZARDS:
        wanted = ""
        try:
            wanted = _promoted(models, code, syn=True).get("version", "")
            entry = _promoted(models, code, syn=models.syn or truth == SIMULATED)
            version = entry.get("version", "")
            if wanted != version:
                used[code] = {**used[code], "instead_of": wanted, "why": ONLY_SYN}
                wanted = version
            if not version:
                continue
            loaded, digest = _load(models, code, entry)
            truth_class = str(loaded.card["truth_class"])
            if truth_class == SIMULATED != truth and not models.syn:
                raise ModelError(f"model {code}/{version}", [f"{CURRENT} says otherwise, but its card: {ONLY_SYN}"])
            frame = frame if frame is not None else _features(storms, history, levels)
            judged.append(_predicted(loaded, frame, storms))
            used[code] = {**used[code], "version": version, "sha256": digest, "truth_class": truth_class}
        except (WxcoreError, OSError) as error:
            used[code] = {**used[code], "instead_of": wanted, "why": str(error)}
            notes.append(_note(code, wanted, error))
    return Chances(_joined(table, judged), used, tuple(notes))


def _promoted(models: Models, code: str, *, syn: bool) -> Mapping[str, str]:
    """Entry of the promoted model; empty where the rule stands."""
    promote = importlib.import_module("wxcore.hazard.registry.promote")
    return dict(promote.standing(models.roots, code, syn=syn))


def _load(models: Models, code: str, entry: Mapping[str, str]) -> tuple[Any, str]:
    """The model, and sha256 of its file; only with the card that was promoted, and of our storms."""
    version = entry["version"]
    root = importlib.import_module("wxcore.hazard.registry.store").root_of(models.roots, code, version)
    digest, sealed = (
        hashlib.sha256((root / code / version / name).read_bytes()).hexdigest() for name in (MODEL_FILE, CARD)
    )
    if sealed != entry.get("card"):
        raise ModelError(
            f"model {code}/{version}", [f"{CARD} is not the one that was promoted: look at it, promote it again"]
        )
    loaded = _loaded(root, code, version, digest, sealed)
    if odd := strangers(loaded.card):
        raise ModelError(f"model {code}/{version}", odd)
    if HOUR.name not in loaded.fitted:
        raise ModelError(f"model {code}/{version}", [f"it does not know the window {HOUR.name}, which reports go by"])
    return loaded, digest


@lru_cache(maxsize=KEPT)
def _loaded(root: Path, code: str, version: str, sha256: str, card_sha256: str) -> Any:
    """Opened once a process; another file, or card, of the same name is another model."""
    loaded = importlib.import_module("wxcore.hazard.registry.store").load_model(root, code, version)
    if (loaded.card["model"]["sha256"], loaded.card_sha256) != (sha256, card_sha256):
        raise ModelError(f"model {code}/{version}", ["it changed while it was read"])
    return loaded


def _features(storms: pd.DataFrame, history: Sequence[pd.DataFrame], levels: Mapping[str, Any]) -> pd.DataFrame:
    found: pd.DataFrame = importlib.import_module("wxcore.hazard.features.build").features(storms, history, levels)
    return found


def _predicted(loaded: Any, frame: pd.DataFrame, storms: pd.DataFrame) -> pd.DataFrame:
    found: pd.DataFrame = importlib.import_module("wxcore.hazard.predict").predict(loaded, frame, storms)
    return found


def _note(code: str, version: str, error: Exception) -> Note:
    zh = error.zh if isinstance(error, WxcoreError) else str(error)
    name = f"{code}/{version}" if version else code
    return (
        f"trained model {name} not used ({error}): the published rule {MODELS[code]} stands in",
        f"训练模型 {name} 未使用（{zh}）：改用公开规则 {MODELS[code]}",
    )


def _joined(rules: pd.DataFrame, judged: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rules' rows with those of the models in the place of theirs, storm by storm, hazard by hazard."""
    known = [table[table["p"].notna()] for table in judged]
    known = [table for table in known if len(table)]
    if not known:
        return rules
    keys = ["storm_id", "hazard"]
    taken = {pair for table in known for pair in zip(table["storm_id"], table["hazard"], strict=True)}
    left = [pair not in taken for pair in zip(rules["storm_id"], rules["hazard"], strict=True)]
    every = pd.concat([part for part in (rules[left], *known) if len(part)], ignore_index=True)
    place = {pair: number for number, pair in enumerate(dict.fromkeys(rules[keys].itertuples(index=False, name=None)))}
    order = pd.Series([place[pair] for pair in every[keys].itertuples(index=False, name=None)])
    return every.loc[order.sort_values(kind="stable").index].reset_index(drop=True)
