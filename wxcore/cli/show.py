"""How results look in a terminal: tables and progress on stderr, JSON on stdout, in Chinese or English."""

import json
import math
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from wxcore.errors import WxcoreError
from wxcore.pipeline.doctor import Diagnosis
from wxcore.pipeline.result import QUARANTINED, CycleResult, Input, RunResult
from wxcore.times import beijing, iso

SCREEN = Console(stderr=True)


def say(lang: str, en: str, zh: str) -> str:
    """The text in the user's language."""
    return zh if lang == "zh" else en


def print_json(value: Any) -> None:
    """Machine-readable output: the only thing that a reporting command writes to stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def print_error(error: WxcoreError, lang: str) -> None:
    """One clear line; the exit code is the caller's."""
    SCREEN.print(say(lang, error.en, error.zh), style="bold red", markup=False)


def progress() -> Progress:
    """Progress bar for anything longer than two seconds; it vanishes when done."""
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=SCREEN, transient=True,
    )  # fmt: skip


def show_inputs(inputs: Sequence[Input], lang: str) -> None:
    """Counts, and a line for each file that was refused."""
    counts: dict[str, int] = {}
    for item in inputs:
        counts[item.status] = counts.get(item.status, 0) + 1
    words = ", ".join(f"{status} {count}" for status, count in sorted(counts.items()))
    SCREEN.print(say(lang, f"files: {words}", f"文件：{words}"), markup=False)
    for item in inputs:
        if item.status == QUARANTINED:
            message = say(lang, item.message_en, item.message_zh)
            SCREEN.print(f"  ✗ {item.file} [{item.reason}] {message}", style="yellow", markup=False)


def show_cycle(cycle: CycleResult, lang: str) -> None:
    """Storms of one cycle, strongest first, and its drafts."""
    clock = f"{iso(cycle.time)} ({beijing(cycle.time):%m-%d %H:%M} BJT)"
    notes = "; ".join(say(lang, " | ".join(cycle.notes_en), " | ".join(cycle.notes_zh)).split(" | "))
    title = say(lang, f"{clock}: {len(cycle.storms)} storms", f"{clock}：{len(cycle.storms)} 个风暴")
    table = Table(title=f"{title}  {notes}", title_justify="left")
    for heading in ("id", "lat", "lon", "dBZ", "VIL", "MESH mm", "POSH %", "m/s", "p hail", "p thunder", "p gale"):
        table.add_column(heading, justify="right")
    hour = cycle.probabilities[
        (cycle.probabilities["lead_start_min"] == 0) & (cycle.probabilities["lead_end_min"] == 60)
    ]
    chance = {(row.storm_id, row.hazard): row.p for row in hour.itertuples()}
    for row in cycle.storms.sort_values("max_dbz", ascending=False).head(12).itertuples():
        speed = (row.u_m_s**2 + row.v_m_s**2) ** 0.5
        cells = [row.max_dbz, row.vil_kg_m2, row.mesh_mm, row.posh_percent, speed]
        odds = [chance.get((row.storm_id, hazard), float("nan")) for hazard in ("hail", "thunderstorm", "gale")]
        table.add_row(
            row.storm_id, f"{row.lat:.2f}", f"{row.lon:.2f}",
            *(_number(value, 1) for value in cells), *(_number(value, 2) for value in odds),
        )  # fmt: skip
    SCREEN.print(table)
    for draft in cycle.drafts:
        SCREEN.print("▶ " + say(lang, draft.headline_en, draft.headline_zh), style="bold", markup=False)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def show_run(result: RunResult, lang: str) -> None:
    """The whole run, the report's place last."""
    show_inputs(result.inputs, lang)
    for cycle in result.cycles:
        show_cycle(cycle, lang)
    if result.report:
        SCREEN.print(say(lang, f"report: {result.report}", f"报告：{result.report}"), markup=False)


def show_diagnoses(diagnoses: Sequence[Diagnosis], lang: str) -> None:
    """One line a file."""
    for item in diagnoses:
        mark, style = ("✓", "green") if item.readable else ("✗", "yellow")
        where = f" @{item.offset}" if item.offset is not None else ""
        reason = f" [{item.reason}{where}]" if item.reason else ""
        other = say(lang, item.message_zh, item.message_en)
        SCREEN.print(f"{mark} {item.file}{reason}", style=style, markup=False)
        SCREEN.print(f"    {say(lang, item.message_en, item.message_zh)}", markup=False)
        SCREEN.print(f"    {other}", style="dim", markup=False)
