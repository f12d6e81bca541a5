"""`wx`: one typer command a job. Exit code 0 done, 1 the work failed (in part), 2 bad arguments."""

import importlib
import math
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from wxcore.cli.archive import archive_app
from wxcore.cli.bench import bench_app
from wxcore.cli.bench_archive import bench_archive
from wxcore.cli.bench_landing import bench_landing
from wxcore.cli.demo import demo_command
from wxcore.cli.gusts import gusts_command
from wxcore.cli.kernels import compile_command
from wxcore.cli.options import Direct, Json, Lang, Out, RegionId, jobs_of, region_of, whole_home
from wxcore.cli.radar import radar_app
from wxcore.cli.show import (
    print_error,
    print_json,
    progress,
    say,
    show_cycle,
    show_diagnoses,
    show_inputs,
    show_run,
)
from wxcore.cli.simulate import simulate_command
from wxcore.cli.stations import stations_app
from wxcore.cli.watch import watch_command
from wxcore.environment.levels import manual_levels
from wxcore.errors import RegionError, TimeError, WxcoreError
from wxcore.pipeline.doctor import diagnose
from wxcore.pipeline.expand import expand
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.report import publish
from wxcore.pipeline.result import QUARANTINED, RunResult
from wxcore.pipeline.run import Jobs, run
from wxcore.region import Region
from wxcore.settings import language, load_settings
from wxcore.times import cycle_of, parse_time

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(bench_app, name="bench")
app.add_typer(archive_app, name="archive")
app.add_typer(radar_app, name="radar")
app.add_typer(stations_app, name="stations")
stations_app.command("gusts")(gusts_command)
app.command("watch")(watch_command)
app.command("demo")(demo_command)
app.command("simulate")(simulate_command)
app.command("compile")(compile_command)
bench_app.command("archive")(bench_archive)
bench_app.command("landing")(bench_landing)

LAZY = {
    "samples": "samples_command", "train": "train_command", "models": "models_app", "season": "season_command",
    "warnings": "warnings_app", "desk": "desk_app",
}  # fmt: skip
"""Commands, each of wxcore.cli.<name>, that load scikit-learn or a web server: it would keep all others waiting."""

At = Annotated[str | None, typer.Option("--at", help="Cycle time, UTC: 2020-06-12T05:42Z. 时次（UTC）")]
H0 = Annotated[float | None, typer.Option("--h0-m", help="Height of 0 C [m ASL]. 0℃层海拔（米）")]
NewOnly = Annotated[
    bool, typer.Option("--new-only", help="Leave out, unread, what was taken in before. 跳过已导入文件")
]
Hm20 = Annotated[float | None, typer.Option("--hm20-m", help="Height of -20 C [m ASL]. -20℃层海拔（米）")]
Files = Annotated[list[Path], typer.Argument(help="Files, or folders of files. 文件或目录", readable=False)]


def _heights(h0_m: float | None, hm20_m: float | None) -> tuple[float | None, float | None]:
    """The two heights, refused as bad arguments before anything is done."""
    if h0_m is None and hm20_m is None:
        return None, None
    try:
        levels = manual_levels(math.nan if h0_m is None else h0_m, math.nan if hm20_m is None else hm20_m)
    except WxcoreError as error:
        raise typer.BadParameter(f"{error.en} {error.zh}", param_hint="--h0-m, --hm20-m") from error
    return levels.h0_m, levels.hm20_m


@app.command()
def doctor(files: Files, as_json: Json = False, lang: Lang = "") -> None:
    """What is this file, can we read it, where does it break? 文件诊断."""
    lang = language(lang or load_settings().lang)
    paths = expand(files)
    if not paths:
        raise typer.BadParameter(say(lang, "no file there", "没有文件"))
    with progress() as bar:
        diagnoses = [diagnose(path) for path in bar.track(paths, description="doctor")]
    if as_json:
        print_json([item.to_json() for item in diagnoses])
    else:
        show_diagnoses(diagnoses, lang)
    raise typer.Exit(0 if all(item.readable for item in diagnoses) else 1)


@app.command("ingest")
def ingest_command(
    paths: Files,
    region: RegionId = "",
    out: Out = None,
    new_only: NewOnly = False,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Land, decode and register files. 导入文件."""
    lang = language(lang or load_settings().lang)
    where = region_of(region)
    home = whole_home(out, where, lang)
    with progress() as bar:
        task = bar.add_task(say(lang, "ingest", "导入"), total=len(expand(paths)))
        inputs = ingest(paths, home, where, new_only=new_only, progress=lambda _: bar.advance(task))
    if as_json:
        print_json([item.to_json() for item in inputs])
    else:
        show_inputs(inputs, lang)
    raise typer.Exit(1 if any(item.status == QUARANTINED for item in inputs) else 0)


@app.command("cycle")
def cycle_command(
    at: Annotated[str, typer.Option("--at", help="Cycle time, UTC: 2020-06-12T05:42Z. 时次（UTC）")],
    region: RegionId = "",
    out: Out = None,
    direct: Direct = False,
    h0_m: H0 = None,
    hm20_m: Hm20 = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """One cycle from the files on hand: products, storms, probabilities, drafts. 运行一个时次."""
    lang = language(lang or load_settings().lang)
    when = cycle_of(parse_time(at))
    h0_m, hm20_m = _heights(h0_m, hm20_m)
    where = region_of(region)
    home = whole_home(out, where, lang)
    cycle = jobs_of(direct=direct).cycle(home, where, when, h0_m=h0_m, hm20_m=hm20_m)
    result = RunResult(where.id, cycle.inputs, (cycle,), report=str(home.report))
    publish(home, where, result)
    if as_json:
        print_json(result.to_json())
    else:
        show_cycle(cycle, lang)


@app.command("run")
def run_command(
    paths: Files,
    region: RegionId = "",
    at: At = None,
    out: Out = None,
    direct: Direct = False,
    h0_m: H0 = None,
    hm20_m: Hm20 = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Ingest these files and run the cycles they cover; writes report.html. 导入并运行."""
    lang = language(lang or load_settings().lang)
    where, when, heights = region_of(region), parse_time(at) if at else None, _heights(h0_m, hm20_m)
    home = whole_home(out, where, lang)
    result = _run(paths, home, where, jobs=jobs_of(direct=direct), at=when, heights=heights, lang=lang)
    if as_json:
        print_json(result.to_json())
    else:
        show_run(result, lang)
    raise typer.Exit(1 if result.failed else 0)


def _run(
    paths: list[Path],
    home: Home,
    region: Region,
    *,
    jobs: Jobs,
    at: datetime | None = None,
    heights: tuple[float | None, float | None] = (None, None),
    lang: str,
) -> RunResult:
    with progress() as bar:
        files = bar.add_task(say(lang, "files", "文件"), total=len(expand(paths)))
        cycles = bar.add_task(say(lang, "cycles", "时次"), total=None)
        return run(
            paths, home, region, at=at, jobs=jobs, heights=heights,
            on_input=lambda _: bar.advance(files), on_cycle=lambda _: bar.advance(cycles),
        )  # fmt: skip


def _asked_language(words: Sequence[str]) -> str:
    """The language of error messages: `--lang` wherever it stands, else the settings'."""
    asked = [after for word, after in pairwise(words) if word == "--lang"]
    asked += [word.partition("=")[2] for word in words if word.startswith("--lang=")]
    return language(asked[-1]) if asked else load_settings().lang


def add_lazy(words: Sequence[str]) -> None:
    """Add those commands of LAZY that a command line asks for: the one it names, all where it names none."""
    for name in ("models", "desk"):
        if words[:1] == ["bench"] and words[1:2] in ([], ["--help"], [name]):
            bench_app.command(name)(getattr(importlib.import_module(f"wxcore.cli.bench_{name}"), f"bench_{name}"))
    known = {item.name for item in app.registered_commands} | {item.name for item in app.registered_groups}
    if words and words[0] in known:
        return
    for name, attribute in LAZY.items():
        if not words or words[0] not in LAZY or words[0] == name:
            found = getattr(importlib.import_module(f"wxcore.cli.{name}"), attribute)
            if isinstance(found, typer.Typer):
                app.add_typer(found, name=name)
            else:
                app.command(name)(found)


def main() -> None:
    """Entry point: our own errors become one clear line; RegionError and TimeError are bad arguments."""
    try:
        add_lazy(sys.argv[1:])
        app()
    except WxcoreError as error:
        print_error(error, _asked_language(sys.argv))
        raise SystemExit(2 if isinstance(error, RegionError | TimeError) else 1) from error
    except OSError as error:
        words = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        print_error(WxcoreError(f"the system refused: {words}", f"系统拒绝操作：{words}"), _asked_language(sys.argv))
        raise SystemExit(1) from error
