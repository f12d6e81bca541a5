"""May a model be promoted? What speaks against it, from its card alone."""

from collections.abc import Mapping
from typing import Any

from wxcore.hazard.learn.board import MODEL
from wxcore.hazard.registry.card import RULE
from wxcore.hazard.registry.ours import strangers
from wxcore.hazard.windows import HOUR

SLICE_ROWS, SLICE_EVENTS = 50, 5
"""A slice with fewer rows or events cannot tell better from worse [our choice]."""

LEAST_EVENTS, LEAST_DAYS = 50, 10
"""Fewer events, or days with events, prove nothing [our choice; calibration wants 50 events too, DOMAIN.md 5.3]."""

USEFUL_AUC = 0.60
"""Below it nobody is helped: sub-severe gusts from the environment alone reach .50-.60 (DATA.md)."""

SURROUNDINGS = frozenset({"environment"})
NO_SKILL = "environment alone: no useful skill; not promoted"


def main_window(card: Mapping[str, Any]) -> str:
    """The window that decides: 0-60 where there is one, else the first."""
    windows = [str(name) for name in card["windows"]]
    return HOUR.name if HOUR.name in windows else windows[0]


def entry_of(card: Mapping[str, Any], window: str, which: str) -> Mapping[str, Any] | None:
    """Entry of the board; which: `chosen` (the model) or `best_baseline`. None where there is none."""
    name = card["board"].get(which, {}).get(window)
    mine = (entry for entry in card["board"]["entries"] if (entry["window"], entry["name"]) == (window, name))
    return next(mine, None)


def why_not(card: Mapping[str, Any]) -> list[str]:
    """Why it may not be promoted, a line each; empty: it may. A figure that is missing speaks against it.

    Raises:
        KeyError, TypeError, AttributeError: the board is not one of `Board.to_json`.
    """
    if card["kind"] == RULE:
        return ["a published rule: it stands wherever no model is promoted; wx models rollback leads back to it"]
    window = main_window(card)
    mine, baseline = entry_of(card, window, "chosen"), entry_of(card, window, "best_baseline")
    if mine is None or baseline is None:
        return [f"{window}: the board has no {'model' if mine is None else 'baseline'} to compare"]
    others = [entry for entry in card["board"]["entries"] if entry["window"] == window and entry["kind"] != MODEL]
    said = [*strangers(card), *_environment_alone(card, mine), *_not_better(mine, baseline)]
    said += [text for entry in others for text in _worse(mine, entry, must=entry["name"] == baseline["name"])]
    said += _slices(mine, baseline["name"])
    said += [text for name in card["windows"] if name != window for text in _proven_worse(card, name)]
    return [*said, *_too_few(card, window), *(f"a leak: {text}" for text in card.get("remarks", ()) if _leak(text))]


def _not_better(mine: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[str]:
    better = mine["skill_better"]
    where = f"than {baseline['name']} on {mine['window']} min"
    said = []
    if better is None or not _above(better["low"], 0):
        said.append(f"Brier skill is not better {where}: difference {interval(better)}")
    if not _above(mine["skill"]["low"], 0):
        said.append(f"no Brier skill against climatology on {mine['window']} min: {interval(mine['skill'])}")
    return said


def _worse(mine: Mapping[str, Any], baseline: Mapping[str, Any], *, must: bool) -> list[str]:
    """Than one baseline, by value; must: it has to be known. A rule of no figures is no bar."""
    where = f"than {baseline['name']} on {mine['window']} min"
    auc, its_auc = mine["auc"]["value"], baseline["auc"]["value"]
    brier, its_brier = mine["brier"]["value"], baseline["brier"]["value"]
    said = []
    if (must or its_auc is not None) and not _above(auc, its_auc, equal=True):
        said.append(f"AUC is lower {where}: {number(auc)} < {number(its_auc)}")
    if (must or its_brier is not None) and not _above(its_brier, brier, equal=True):
        said.append(f"Brier score is worse {where}: {number(brier)} > {number(its_brier)}")
    return said


def _slices(mine: Mapping[str, Any], baseline: str) -> list[str]:
    return [
        f"worse than {baseline} where {column} is {value}: Brier score {number(found['brier'])} against "
        f"{number(found['baseline_brier'])} ({found['n']:.0f} rows, {found['events']:.0f} events)"
        for column, values in mine["slices"].items()
        for value, found in values.items()
        if found["n"] >= SLICE_ROWS
        and found["events"] >= SLICE_EVENTS
        and not _above(found["baseline_brier"], found["brier"], equal=True)
    ]


def _proven_worse(card: Mapping[str, Any], window: str) -> list[str]:
    """In another window than the deciding one: only where the whole interval says so."""
    mine, baseline = entry_of(card, window, "chosen"), entry_of(card, window, "best_baseline")
    better = mine["skill_better"] if mine else None
    if baseline is None or better is None or better["high"] is None or better["high"] >= 0:
        return []
    return [f"Brier skill is worse than {baseline['name']} on {window} min: difference {interval(better)}"]


def _environment_alone(card: Mapping[str, Any], mine: Mapping[str, Any]) -> list[str]:
    if {item.get("group") for item in card["features"]} != SURROUNDINGS:
        return []
    auc, skill = mine["auc"], mine["skill"]
    useful = _above(auc["value"], USEFUL_AUC, equal=True) and _above(auc["low"], 0.5) and _above(skill["low"], 0)
    return [] if useful else [f"{NO_SKILL} (AUC {interval(auc)}, Brier skill {interval(skill)})"]


def _too_few(card: Mapping[str, Any], window: str) -> list[str]:
    least = {"events": LEAST_EVENTS, "days with events": LEAST_DAYS}
    counts = {
        "events": card["board"].get("events", {}).get(window, 0),
        "days with events": card.get("event_days", {}).get(window, 0),
    }
    return [f"{counts[name]} {name} on {window} min, at least {few} are asked for" for name, few in least.items()
            if counts[name] < few]  # fmt: skip


def _leak(text: str) -> bool:
    """Is this remark one? A window of too few rows to look into is none: `_too_few` judges the one that decides."""
    low = text.lower()
    return "leak" in low and not any(harmless in low for harmless in ("no leak", "too few to look for leaks"))


def _above(value: float | None, bar: float | None, *, equal: bool = False) -> bool:
    return value is not None and bar is not None and (value > bar or (equal and value == bar))


def number(value: float | None) -> str:
    """Three decimals; a dash where nobody knows."""
    return "–" if value is None else f"{value:.3f}"


def interval(found: Mapping[str, float | None] | None) -> str:
    """Value and 95 % interval."""
    if found is None:
        return "–"
    return f"{number(found['value'])} [{number(found['low'])}, {number(found['high'])}]"
