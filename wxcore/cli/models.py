"""`wx models`: list, show, compare, promote, rollback."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from wxcore.cli.options import Json, Lang, Out, home_of
from wxcore.cli.show import SCREEN, print_json, say
from wxcore.errors import ModelError
from wxcore.hazard.registry.card import RULE, SYN, load_card
from wxcore.hazard.registry.promote import current, history, promote, rollback
from wxcore.hazard.registry.store import MODELS, folder_of, list_models, root_of
from wxcore.hazard.registry.verdict import entry_of, interval, main_window, number
from wxcore.hazard.rules import MODELS as RULES
from wxcore.schema import HAZARDS
from wxcore.settings import language, load_settings
from wxcore.times import iso

models_app = typer.Typer(no_args_is_help=True, help="Trained models and published rules. 模型的登记、比较与启用")

Hazard = Annotated[str, typer.Argument(help=f"{', '.join(HAZARDS)}. 灾种")]
Version = Annotated[str, typer.Argument(help="A version as wx models list names it. 模型版本")]
Folder = Annotated[Path | None, typer.Option("--models", help="Folder of models; WXCORE_MODELS, home/models. 模型目录")]
WindowName = Annotated[str, typer.Option("--window", help="Lead window such as 0-60. 预报时段（分钟）")]

Roots = tuple[Path, Path]
Card = Mapping[str, Any]


def roots_of(models: Path | None, out: Path | None) -> Roots:
    """The folder of models that were trained here, and of those that came with wxcore."""
    return (models or home_of(out).models, MODELS)


def _lang(lang: str) -> str:
    return language(lang or load_settings().lang)


def _known(hazard: str) -> str:
    if hazard not in HAZARDS:
        raise typer.BadParameter(f"{hazard!r}: expected {', '.join(HAZARDS)} 灾种应为其中之一")
    return hazard


@models_app.command("list")
def list_command(models: Folder = None, out: Out = None, as_json: Json = False, lang: Lang = "") -> None:
    """All versions of all hazards: what they learnt from, how they scored, which is in use. 列出模型."""
    lang, roots = _lang(lang), roots_of(models, out)
    rows = [_row(card, roots) for card in list_models(roots)]
    if as_json:
        print_json(rows)
        return
    headings = (("hazard", "灾种"), ("version", "版本"), ("truth", "真值类别"), ("window", "时段"), ("AUC", "AUC"),
                ("Brier skill", "Brier技巧"), ("events/rows", "事件/样本"), ("", ""))  # fmt: skip
    table = Table(*(say(lang, *pair) for pair in headings))
    for row in rows:
        counts = f"{row['events']}/{row['rows']}" if row["rows"] is not None else "–"
        table.add_row(row["hazard"], row["version"], row["truth_class"], row["window"] or "–", interval(row["auc"]),
                      interval(row["skill"]), counts, _state(row, lang))  # fmt: skip
    SCREEN.print(table)


def _row(card: Card, roots: Roots) -> dict[str, Any]:
    hazard, version, kind = card["hazard"], card["version"], card["kind"]
    row: dict[str, Any] = {
        "hazard": hazard, "version": version, "kind": kind, "truth_class": card.get("truth_class", ""),
        "in_use": (current(roots, hazard) or RULES[hazard]) == version,
        "window": None, "rows": None, "events": None, "auc": None, "skill": None, "skill_better": None,
        "why_not": card.get("why_not", []), "fault": card.get("fault", ""),
    }  # fmt: skip
    if kind in {RULE, "unreadable"}:
        return row
    window = main_window(card)
    entry = entry_of(card, window, "chosen") or {}
    counts = {name: card["board"][name].get(window) for name in ("rows", "events")}
    return {**row, **counts, "window": window, **{name: entry.get(name) for name in ("auc", "skill", "skill_better")}}


def _state(row: Card, lang: str) -> str:
    if row["fault"]:
        return say(lang, "unreadable: ", "无法读取：") + str(row["fault"])
    if row["in_use"]:
        only = say(lang, " (SYN only)", "（仅限模拟资料）") if row["truth_class"] == SYN else ""
        return say(lang, "in use", "使用中") + only
    if row["kind"] == RULE:
        return say(lang, "published rule", "公开规则")
    return say(lang, "not promoted: ", "不予启用：") + "; ".join(row["why_not"]) if row["why_not"] else ""


@models_app.command("show")
def show_command(
    hazard: Hazard, version: Version, models: Folder = None, out: Out = None, as_json: Json = False, lang: Lang = ""
) -> None:
    """The card of one version. 查看模型卡片."""
    roots = roots_of(models, out)
    folder = folder_of(root_of(roots, _known(hazard), version), hazard, version)
    card = load_card(folder)
    if as_json:
        print_json(card)
        return
    path = folder / "card.md"
    if not path.is_file():
        raise ModelError(str(path), [say(_lang(lang), "no such file: see --json", "没有此文件，请用 --json")])
    typer.echo(path.read_text(encoding="utf-8"))


@models_app.command("compare")
def compare_command(
    hazard: Hazard,
    first: Version,
    second: Version,
    window: WindowName = "",
    models: Folder = None,
    out: Out = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Two versions side by side in one lead window. 并列比较两个版本."""
    lang, roots = _lang(lang), roots_of(models, out)
    cards = [load_card(folder_of(root_of(roots, _known(hazard), name), hazard, name)) for name in (first, second)]
    if rules := [card["version"] for card in cards if card["kind"] == RULE]:
        raise ModelError(", ".join(rules), ["a published rule has no figures of its own: wx models show VERSION tells "
                                            "how a model scored beside the rules"])  # fmt: skip
    window = window or main_window(cards[0])
    if missing := [card["version"] for card in cards if window not in card["windows"]]:
        raise typer.BadParameter(f"--window {window}: {', '.join(missing)} has none 无此时段")
    sides = [_side(card, window) for card in cards]
    same = cards[0]["samples"]["sha256"] == cards[1]["samples"]["sha256"]
    if as_json:
        print_json({"hazard": hazard, "window": window, "same_samples": same, "sides": sides})
        return
    table = Table("", *(side["version"] for side in sides), title=f"{hazard} {window} min")
    for key in sides[0]:
        if key != "version":
            table.add_row(key.replace("_", " "), *(_cell(side[key]) for side in sides))
    SCREEN.print(table)
    if not same:
        words = say(lang, "not the same samples: the figures tell little of which is better",
                    "两者样本不同：数字不能直接说明优劣")  # fmt: skip
        SCREEN.print(f"! {words}", style="yellow", markup=False)


def _side(card: Card, window: str) -> dict[str, Any]:
    entry, board = entry_of(card, window, "chosen"), card["board"]
    if entry is None:
        raise ModelError(card["version"], [f"{window}: its board does not name the model"])
    hits, false_alarms, misses = entry["hits"], entry["false_alarms"], entry["misses"]
    shares = {"pod": (hits, hits + misses), "far": (false_alarms, hits + false_alarms),
              "csi": (hits, hits + false_alarms + misses)}  # fmt: skip
    return {
        "version": card["version"], "model": entry["name"], "truth_class": card["truth_class"],
        "source": card["samples"]["source"], "rows": board["rows"][window], "events": board["events"][window],
        "days": board["days"][window],
        **{name: entry[name] for name in ("auc", "average_precision", "brier", "skill", "ece", "threshold")},
        **{name: part / whole if whole else None for name, (part, whole) in shares.items()},
        "hits": hits, "false_alarms": false_alarms, "misses": misses, "correct_negatives": entry["correct_negatives"],
        "best_baseline": board["best_baseline"][window], "skill_better": entry["skill_better"],
        "features": len(card["features"]), "why_not": card["why_not"],
    }  # fmt: skip


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return interval(value)
    if isinstance(value, list):
        return "; ".join(value) or "–"
    return number(value) if value is None or isinstance(value, float) else str(value)


@models_app.command("promote")
def promote_command(
    hazard: Hazard, version: Version, models: Folder = None, out: Out = None, as_json: Json = False, lang: Lang = ""
) -> None:
    """Put a model to use; refused where it does not beat all baselines, or is not of our storms. 启用模型."""
    lang, roots = _lang(lang), roots_of(models, out)
    entry = promote(roots, _known(hazard), version, iso(datetime.now(UTC)))
    if as_json:
        print_json({"hazard": hazard, **entry})
        return
    only = entry["truth_class"] == SYN
    en = f"{hazard}: {version} is in use" + (" for SYN only: it learnt from simulated storms" if only else "")
    zh = f"{hazard}：{version} 已启用" + ("，仅限模拟资料：它由模拟风暴训练" if only else "")
    SCREEN.print(say(lang, en, zh), markup=False)


@models_app.command("rollback")
def rollback_command(
    hazard: Hazard, models: Folder = None, out: Out = None, as_json: Json = False, lang: Lang = ""
) -> None:
    """Take the newest promotion of a hazard back. 撤回最近一次启用."""
    lang, roots = _lang(lang), roots_of(models, out)
    taken, version = rollback(roots, _known(hazard))
    now = version or RULES[hazard]
    if as_json:
        left = len(history(roots, hazard))
        print_json({"hazard": hazard, "taken_back": taken["version"], "in_use": now, "promotions_left": left})
        return
    en, zh = (
        f"{hazard}: {taken['version']} taken back, {now} is in use",
        f"{hazard}：已撤回 {taken['version']}，现用 {now}",
    )
    SCREEN.print(say(lang, en, zh), markup=False)
