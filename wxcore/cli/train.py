"""`wx train`: a leaderboard of rules and models on days they have not seen, and the best model with its card."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from wxcore.cli.options import Json, Lang, Out, home_of
from wxcore.cli.show import SCREEN, print_json, progress, say
from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.learn.board import Board, Entry, Interval
from wxcore.hazard.learn.plugin import load_models
from wxcore.hazard.learn.train import train
from wxcore.hazard.learn.trained import Trained
from wxcore.hazard.learn.zoo import MODELS
from wxcore.hazard.registry.card import load_card, plain
from wxcore.hazard.registry.keep import keep as keep_model
from wxcore.hazard.registry.store import require_new
from wxcore.hazard.registry.verdict import why_not
from wxcore.hazard.samples.leaks import check_leaks
from wxcore.hazard.samples.read import read_any
from wxcore.settings import language, load_settings

HazardCode = Annotated[str, typer.Argument(help=f"{', '.join(DEFINITIONS)}. 灾害种类")]
SampleFiles = Annotated[
    list[Path], typer.Option("--samples", help="Of wx samples, or any table with --columns. 样本表", readable=False)
]
Columns = Annotated[Path | None, typer.Option("--columns", help="TOML that names a table's columns. 列说明文件")]
With = Annotated[Path | None, typer.Option("--with", help="A .py file with MODEL or MODELS of your own. 自定义模型")]
Version = Annotated[str, typer.Option("--version", help="Name of the model; empty: of data and seed. 版本名")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same data: same model. 随机种子")]
Folds = Annotated[int | None, typer.Option("--folds", min=2, help="Of days; empty: 10, or 3 of large tables. 折数")]
Keep = Annotated[bool, typer.Option("--save/--no-save", help="Keep the best model and its card. 保存模型")]

WIDE = 160
"""Columns that the board needs: in a narrower terminal its lines wrap, but no name or figure is cut."""

HEADINGS = (
    ("competitor", "参评者"), ("AUC (95 %)", "AUC（95%）"), ("Brier", "Brier"), ("skill (95 %)", "技巧（95%）"),
    ("ECE", "ECE"), ("POD", "命中率"), ("FAR", "空报率"), ("CSI", "CSI"), ("a b c d", "a b c d"),
    ("better than best baseline (AUC)", "优于最佳基线（AUC）"),
)  # fmt: skip


def train_command(
    hazard: HazardCode, samples: SampleFiles, columns: Columns = None, own: With = None, version: Version = "",
    seed: Seed = 20260701, folds: Folds = None, keep: Keep = True, out: Out = None, as_json: Json = False,
    lang: Lang = "",
) -> None:  # fmt: skip
    """Train and compare on held-out days: climatology, published rules, models. 训练并比较."""
    lang = language(lang or load_settings().lang)
    if hazard not in DEFINITIONS:
        raise typer.BadParameter(f"{hazard!r}: {', '.join(DEFINITIONS)}", param_hint="HAZARD")
    if keep and version:
        require_new(home_of(out).models, hazard, version)
    models = (*MODELS, *(load_models(own) if own is not None else ()))
    table = read_any(samples, hazard, columns)
    with progress() as bar:
        task = bar.add_task(say(lang, "looking for leaks", "检查泄漏"), total=None)
        leaks = check_leaks(table)
        trained = train(
            table, models=models, folds=folds, seed=seed, progress=lambda text: bar.update(task, description=text)
        )
        folder = None
        if keep:
            bar.update(task, description=say(lang, "saving", "保存"))
            folder = keep_model(home_of(out).models, trained, table, datetime.now(UTC), leaks=leaks, version=version)
    reasons = [] if folder is None else why_not(load_card(folder))
    if as_json:
        print_json(plain(report(trained, leaks, folder, reasons)))
    else:
        show(trained, leaks, folder, reasons, lang)


def report(trained: Trained, leaks: Sequence[str], folder: Path | None, reasons: Sequence[str]) -> dict[str, Any]:
    """The JSON of `wx train`."""
    return {
        "hazard": trained.board.hazard, "truth": trained.board.truth_class, "digest": trained.digest,
        "first_day": trained.first_day, "last_day": trained.last_day, "board": trained.board.to_json(),
        "ablation": trained.ablation, "importance": trained.importance, "leak_remarks": list(leaks),
        "remarks": [*trained.board.remarks, *trained.remarks], "model": None if folder is None else str(folder),
        "not_promoted": list(reasons),
    }  # fmt: skip


def show(trained: Trained, leaks: Sequence[str], folder: Path | None, reasons: Sequence[str], lang: str) -> None:
    """Board, what matters, what is odd, and whether the model may be promoted, on the screen."""
    board, wide = trained.board, Console(stderr=True, width=max(SCREEN.width, WIDE))
    for window in board.rows:
        wide.print(board_table(board, window, lang))
        top = ", ".join(f"{name} {loss:.3f}" for name, loss, _ in trained.importance.get(window, ())[:8])
        if top:
            SCREEN.print(say(lang, f"AUC lost when shuffled: {top}", f"打乱后AUC损失：{top}"), markup=False)
        for source, scores in trained.ablation.get(window, {}).items():
            what = say(lang, f"without {source}" if source else "with all", f"无{source}" if source else "全部资料")
            told = " ".join(f"{name} {value:.3f}" for name, value in scores.items())
            SCREEN.print(f"  {what}: {told}", markup=False, highlight=False)
    for text in (*leaks, *board.remarks, *trained.remarks):
        SCREEN.print(f"! {text}", style="yellow", markup=False)
    if folder is not None:
        SCREEN.print(say(lang, f"kept: {folder}", f"已保存：{folder}"), markup=False, soft_wrap=True)
        verdict = say(lang, "not promoted: ", "不予启用：") + "; ".join(reasons)
        ready = say(lang, "may be promoted: wx models promote", "可启用：wx models promote")
        SCREEN.print(verdict if reasons else f"{ready} {board.hazard} {folder.name}", style="bold", markup=False)


def board_table(board: Board, window: str, lang: str) -> Table:
    """One window's entries, the best first, with raw counts and base rate in the title."""
    rows, events = board.rows[window], board.events[window]
    counts = (
        f"{board.hazard} {window} min, {board.truth_class}: {rows} rows, {events} events "
        f"({events / rows:.1%}), {board.censored[window]} censored, {board.days[window]} days, "
        f"{board.storms[window]} storms, {board.folds} folds"
    )
    table = Table(*(say(lang, *pair) for pair in HEADINGS), title=counts)
    for entry in board.of(window):
        name = f"* {entry.name}" if entry.name == board.chosen[window] else entry.name
        table.add_row(name, *_figures(entry), style="bold" if entry.kind == "model" else "")
    return table


def _figures(entry: Entry) -> tuple[str, ...]:
    a, b, c, d = entry.hits, entry.false_alarms, entry.misses, entry.correct_negatives
    shares = (_share(a, a + c), _share(b, a + b), _share(a, a + b + c))
    return (
        _interval(entry.auc), f"{entry.brier.value:.4f}", _interval(entry.skill), f"{entry.ece:.3f}", *shares,
        f"{a} {b} {c} {d}", "–" if entry.better is None else _interval(entry.better, "+"),
    )  # fmt: skip


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "–"


def _interval(found: Interval, sign: str = "") -> str:
    return f"{found.value:{sign}.3f} ({found.low:{sign}.3f} {found.high:{sign}.3f})"
