"""`wx radar`: what the radars' own past says of them."""

import math
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from wxcore.cli.options import Json, Lang, Out, RegionId, region_of, whole_home
from wxcore.cli.show import SCREEN, print_json, progress, say
from wxcore.pipeline.learn import learn, to_json
from wxcore.pipeline.network import bias_table
from wxcore.radar.siting.bias import PairBias
from wxcore.settings import language, load_settings
from wxcore.times import iso

radar_app = typer.Typer(no_args_is_help=True, help="Bias, clutter and blockage of the radars. 雷达一致性与静态地物")
MOST_PAIRS = 40
"""Newest pairs on the screen; --json gives all."""

Days = Annotated[float, typer.Option("--days", min=0.001, help="How far back. 统计天数")]


@radar_app.command("bias")
def bias_command(
    days: Days = 7.0, region: RegionId = "", out: Out = None, as_json: Json = False, lang: Lang = ""
) -> None:
    """Reflectivity of each radar against its neighbours, by date; alarms beyond 2 dB. 雷达间偏差."""
    lang = language(lang or load_settings().lang)
    where = region_of(region)
    table = bias_table(whole_home(out, where, lang), where, timedelta(days=days))
    if as_json:
        print_json({
            "region": where.id, "pairs": [_pair_json(pair) for pair in table.pairs],
            "radars": {radar: round(bias, 2) for radar, bias in table.radars.items()},
            "alarms": [{"en": en, "zh": zh} for en, zh in table.alarms],
        })  # fmt: skip
        return
    _show_pairs(table.pairs[-MOST_PAIRS:], lang)
    for radar, bias in sorted(table.radars.items()):
        SCREEN.print(f"{radar}: {bias:+.1f} dB", markup=False)
    for en, zh in table.alarms:
        SCREEN.print(say(lang, en, zh), style="bold red", markup=False)
    if not table.pairs:
        SCREEN.print(say(lang, "no two radars were compared yet", "尚无雷达间比对"))


def _show_pairs(pairs: tuple[PairBias, ...], lang: str) -> None:
    table = Table()
    for heading in (say(lang, "time", "时间"), "a", "b", "b - a [dB]", say(lang, "spread", "离散"), "n", "r"):
        table.add_column(heading)
    for pair in pairs:
        numbers = (f"{pair.median_db:+.1f}", f"{pair.spread_db:.1f}", str(pair.n), f"{pair.correlation:.2f}")
        table.add_row(iso(pair.time), pair.radar_a, pair.radar_b, *numbers)
    SCREEN.print(table)


def _pair_json(pair: PairBias) -> dict[str, Any]:
    numbers = {"median_db": pair.median_db, "spread_db": pair.spread_db, "correlation": pair.correlation}
    plain = {name: round(value, 3) if math.isfinite(value) else None for name, value in numbers.items()}
    return {"time": iso(pair.time), "radar_a": pair.radar_a, "radar_b": pair.radar_b, "n": pair.n, **plain}


@radar_app.command("learn")
def learn_command(region: RegionId = "", out: Out = None, as_json: Json = False, lang: Lang = "") -> None:
    """Count echo in the landed volumes: static clutter and blocked sectors; run it daily. 统计静态地物与遮挡."""
    lang = language(lang or load_settings().lang)
    where = region_of(region)
    home = whole_home(out, where, lang)
    with progress() as bar:
        task = bar.add_task(say(lang, "learn", "统计"), total=None)
        found = learn(home, where, progress=lambda done, total: bar.update(task, completed=done, total=total))
    if as_json:
        print_json([to_json(item) for item in found])
        return
    for item in found:
        blocked = ", ".join(f"{angle:g}° {part:.0%}" for angle, part in item.blocked.items()) or "-"
        known = say(
            lang,
            f"{item.site}: {item.volumes} volumes, clutter {item.clutter_km2:.0f} km2, blocked {blocked}",
            f"{item.site}：{item.volumes} 个体扫，静态地物 {item.clutter_km2:.0f} 平方公里，遮挡 {blocked}",
        )
        SCREEN.print(say(lang, item.note_en, item.note_zh) or known, markup=False)
    if not found:
        SCREEN.print(say(lang, "no volume is on file", "没有已导入的体扫"))
