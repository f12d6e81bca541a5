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
from wxcore.landing.files import display_name
from wxcore.pipeline.analyse import ONLY_SKY
from wxcore.pipeline.doctor import Diagnosis
from wxcore.pipeline.report import sky_sources
from wxcore.pipeline.report_ground import believed
from wxcore.pipeline.result import QUARANTINED, CycleResult, Input, RunResult, first_hour, speed_m_s, strongest
from wxcore.schema import HAZARDS
from wxcore.times import beijing, iso

SCREEN = Console(stderr=True)
MOST_STORMS = 12
_HAZARD_WORDS = {"en": ("hail %", "tstm %", "gale %"), "zh": ("冰雹 %", "雷暴 %", "大风 %")}


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
    if ONLY_SKY[0] in cycle.notes_en:
        SCREEN.print(f"{clock}  {notes}", markup=False, highlight=False)
    else:
        SCREEN.print(_storm_table(cycle, f"{title}  {notes}", lang))
    for line in (levels_line(cycle, lang), sky_line(cycle, lang), ground_line(cycle, lang)):
        if line is not None:
            SCREEN.print(line, markup=False, highlight=False)
    for draft in cycle.drafts:
        SCREEN.print("▶ " + say(lang, draft.headline_en, draft.headline_zh), style="bold", markup=False)


def _storm_table(cycle: CycleResult, title: str, lang: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("id", "place", "dBZ", "MESH", "POSH", "m/s", *_HAZARD_WORDS[lang]):
        table.add_column(heading, justify="right", no_wrap=True)
    chance = first_hour(cycle.probabilities)
    for row in cycle.storms.sort_values("max_dbz", ascending=False).head(MOST_STORMS).to_dict("records"):
        odds = [100 * chance[row["storm_id"], hazard]["p"] for hazard in HAZARDS]
        figures = [row["max_dbz"], row["mesh_mm"], row["posh_percent"], speed_m_s(row), *odds]
        place = f"{row['lat']:.2f} {row['lon']:.2f}"
        table.add_row(row["storm_id"][-8:].replace("-0", "-"), place, *(_number(value) for value in figures))
    return table


def sky_line(cycle: CycleResult, lang: str) -> str | None:
    """Satellites and lightning that were used, with the age of the newest of each, and the number of cloud cells; None
    where there were none."""
    sources = sky_sources(cycle)
    if not sources:
        return None
    told = say(lang, ", ", "、").join(
        say(lang, f"{row['name']} {row['age']} min", f"{row['name']} {row['age']}分钟前") for row in sources
    )
    count = len(cycle.clouds)
    return say(lang, f"sky: {told}; cloud cells: {count}", f"卫星与闪电：{told}；云团：{count} 个")


def ground_line(cycle: CycleResult, lang: str) -> str | None:
    """Ground stations that reported, what quality control flagged, the strongest gust; None where there were none."""
    counts = next((item for item in cycle.station_sources if "stations" in item), None)
    if counts is None:
        return None
    en = f"ground: {counts['stations']} stations, {counts['suspect']} values suspect, {counts['bad']} bad"
    zh = f"地面站：{counts['stations']} 站，可疑 {counts['suspect']} 个值，错误 {counts['bad']} 个值"
    for row in strongest(cycle.stations).head(1).to_dict("records"):
        said_zh, said_en = believed(row)
        en += f"; strongest gust {row['gust_m_s']:.1f} m/s at {row['station_id']} ({said_en})"
        zh += f"；最大阵风 {row['gust_m_s']:.1f} m/s，{row['station_id']}（{said_zh}）"
    return say(lang, en, zh)


def levels_line(cycle: CycleResult, lang: str) -> str:
    """The heights of 0 C and -20 C that hail was judged by, and where they come from."""
    told = cycle.levels
    heights = f"0 C {told['h0_m']:.0f} m, -20 C {told['hm20_m']:.0f} m"
    return say(lang, f"{heights}: {told['note']} ({told['quality']})", f"{heights}：{told['note_zh']}")


def _number(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "–"


def show_run(result: RunResult, lang: str) -> None:
    """The whole run, the report's place last."""
    show_inputs(result.inputs, lang)
    for failure in result.failures:
        SCREEN.print(f"✗ {iso(failure.time)}: {say(lang, failure.message_en, failure.message_zh)}", style="bold red",
                     markup=False)  # fmt: skip
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
        SCREEN.print(f"{mark} {display_name(item.file)}{reason}", style=style, markup=False)
        SCREEN.print(f"    {say(lang, item.message_en, item.message_zh)}", markup=False)
        SCREEN.print(f"    {other}", style="dim", markup=False)
