"""card.md: what a forecaster or a reviewer must know of a trained model, on one page."""

from collections.abc import Mapping, Sequence
from typing import Any

from wxcore.hazard.registry.card import SYN
from wxcore.hazard.registry.verdict import interval, main_window, number

MOST_FEATURES = 12
"""That are told by importance."""

NEVER = (
    "as a probability of anything but the event named above, within the storm and the lead window",
    "where its features come from instruments or an algorithm other than those it learnt from",
    "to issue a warning without a forecaster",
)


def card_text(card: Mapping[str, Any]) -> str:
    """card.md of a card: the same card gives the same text."""
    window = main_window(card)
    parts = [
        [f"# {card['hazard']} / {card['version']}"],
        _truth(card),
        [_promotion(card)],
        [
            f"**Event**: {card['label']}  ",
            f"**Samples**: {_samples(card)}  ",
            f"**Held out**: {card['held_out']}  ",
            _chosen_of(card),
        ],
        *(_board(card, name) for name in card["windows"]),
        _importance(card, window),
        _ablation(card, window),
        _features(card),
        ["## Remarks", *(f"- {text}" for text in card["remarks"])] if card["remarks"] else [],
        ["## Not to be used", *(f"- {text}" for text in _never(card))],
        ["## Made with", _made(card)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _truth(card: Mapping[str, Any]) -> list[str]:
    if card["truth_class"] == SYN:
        return ["**SYN: trained and scored on simulated storms only. The figures prove that the machinery works, "
                "never skill on real weather.**"]  # fmt: skip
    return [f"**Truth class**: {card['truth_class']} (the weakest label of any row)"]


def _promotion(card: Mapping[str, Any]) -> str:
    if not card["why_not"]:
        beaten = card["board"]["best_baseline"][main_window(card)]
        known = " for SYN only" if card["truth_class"] == SYN else ""
        return f"**May be promoted{known}**: better than {beaten}, the best baseline, on held-out days."
    return "**Not promoted**: " + "; ".join(card["why_not"])


def _samples(card: Mapping[str, Any]) -> str:
    told = card["samples"]
    kinds = ", ".join(f"{name} {count}" for name, count in told["class_of_labels"].items())
    return f"{told['source']}, {told['first_day']} to {told['last_day']} (labels: {kinds})"


def _chosen_of(card: Mapping[str, Any]) -> str:
    """The best of many is flattered by chance: the reader must know of how many."""
    count = card["competitors"]
    return f"**Tried**: {count} {'model' if count == 1 else 'models'}, of which the best on these same days is kept"


def _board(card: Mapping[str, Any], window: str) -> list[str]:
    board = card["board"]
    rows, events = board["rows"][window], board["events"][window]
    entries = [entry for entry in board["entries"] if entry["window"] == window]
    entries.sort(key=lambda entry: (-(entry["auc"]["value"] or 0), entry["name"]))
    truth = f" ({SYN})" if card["truth_class"] == SYN else ""
    return [
        f"## {window} min{truth}",
        f"{rows} rows, {events} events (base rate {number(events / rows if rows else None)}), "
        f"{board['censored'].get(window, 0)} censored, {board['days'][window]} days "
        f"({card['event_days'][window]} with events), {board['storms'][window]} storms",
        "",
        "| | AUC [95 %] | Brier | Brier skill [95 %] | ECE | threshold | hits | false alarms | misses | right no |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_line(entry, board["chosen"].get(window)) for entry in entries),
    ]


def _line(entry: Mapping[str, Any], chosen: str | None) -> str:
    name = f"**{entry['name']}**" if entry["name"] == chosen else entry["name"]
    figures = (
        interval(entry["auc"]), number(entry["brier"]["value"]), interval(entry["skill"]), number(entry["ece"]),
        number(entry["threshold"]), entry["hits"], entry["false_alarms"], entry["misses"], entry["correct_negatives"],
    )  # fmt: skip
    return f"| {name} ({entry['kind']}) | " + " | ".join(str(figure) for figure in figures) + " |"


def _importance(card: Mapping[str, Any], window: str) -> list[str]:
    found: Sequence[Sequence[Any]] = card["importance"].get(window, ())
    lines = [f"- `{name}` {number(mean)} ± {number(sd)}" for name, mean, sd in found[:MOST_FEATURES]]
    return [f"## What it listens to ({window} min: AUC lost when shuffled)", *lines] if lines else []


def _ablation(card: Mapping[str, Any], window: str) -> list[str]:
    found = card["ablation"].get(window, {})
    lines = [f"| {source or 'nothing'} | {number(row['auc'])} | {number(row['brier'])} | {number(row['ece'])} |"
             for source, row in found.items()]  # fmt: skip
    heading = [f"## Without a source ({window} min)", "| taken away | AUC | Brier | ECE |", "|---|---|---|---|"]
    return [*heading, *lines] if lines else []


def _features(card: Mapping[str, Any]) -> list[str]:
    ways = {1: "only up", -1: "only down", 0: ""}
    lines = [f"| `{item['name']}` | {item['units']} | {item['group']} | {ways[item['monotone']]} |"
             for item in card["features"]]  # fmt: skip
    return ["## Features", "| name | units | source | may move p |", "|---|---|---|---|", *lines]


def _never(card: Mapping[str, Any]) -> tuple[str, ...]:
    return ("on real weather, unless told to by WXCORE_SYN_MODELS=1", *NEVER) if card["truth_class"] == SYN else NEVER


def _made(card: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {text}" for name, text in card["versions"].items())
    model = card["model"]
    return (f"seed {card['seed']}, commit {card['commit']}, {card['created']}; {packages}; "
            f"model.skops {model['bytes']} bytes, sha256 {model['sha256']}")  # fmt: skip
