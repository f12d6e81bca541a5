"""`wx simulate`: an afternoon that never was, in true file formats, with the truth beside it."""

import json
import shlex
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from wxcore.archive.place import write_file
from wxcore.cli.options import Json, Lang, RegionId, region_of
from wxcore.cli.show import SCREEN, print_json, progress, say
from wxcore.settings import language, load_settings
from wxcore.simulate.feed import SCALES, SEED, Made, plan, send, setting_of
from wxcore.simulate.manifest import MANIFEST, manifest_text
from wxcore.simulate.mess import Mess, Sent, disturb, missing, overtaken
from wxcore.simulate.place import write_place
from wxcore.simulate.planned import FULL, Planned, Setting
from wxcore.simulate.scenarios import SCENARIOS
from wxcore.simulate.truth import FOLDER as TRUTH
from wxcore.simulate.truth import write_truth
from wxcore.times import iso, parse_time

FEED, META, MARK = "feed", "station_meta", "simulated.json"
"""What lies in the folder, beside the manifest; the last says what it was made with, and that it is ours."""

YEARS = range(1980, 2038)
"""Of the first observation: a radar volume counts its seconds since 1970 in 32 bits."""
MOST_HOURS, LAST_SEED = 240.0, 2**63 - 1

HEADINGS = (
    ("instrument", "仪器"), ("files", "文件"), ("MiB", "MiB"), ("late", "迟到"), ("missing", "缺失"),
    ("overtaken", "被取代"), ("twice", "重复"), ("broken", "损坏"),
)  # fmt: skip

Start = Annotated[str, typer.Option("--start", help="First observation, UTC: 2026-07-01T08:00Z. 起始时间（UTC）")]
Hours = Annotated[float, typer.Option("--hours", help="How long it goes on [h]. 时长（小时）", max=MOST_HOURS)]
Folder = Annotated[Path, typer.Option("--out", help="New or empty folder, or one of an earlier run. 输出目录")]
Scenario = Annotated[str, typer.Option("--scenario", help=f"Weather: {', '.join(SCENARIOS)}. 天气情景")]
ScaleName = Annotated[str, typer.Option("--scale", help="full or small. 规模")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=LAST_SEED, help="Same seed, same bytes. 随机种子")]
Workers = Annotated[int, typer.Option("--jobs", min=1, help="Processes. 进程数")]
Late = Annotated[float, typer.Option("--late", min=0, max=1, help="Part of files 5 to 40 min late. 迟到比例")]
Missing = Annotated[float, typer.Option("--missing", min=0, max=1, help="Part that never comes. 缺失比例")]
Doubled = Annotated[float, typer.Option("--duplicated", min=0, max=1, help="Part that comes twice. 重复比例")]
Broken = Annotated[float, typer.Option("--broken", min=0, max=1, help="Part that is broken. 损坏比例")]
Speed = Annotated[
    float | None, typer.Option("--speed", min=0.01, help="Files appear as they arrive, x real time. 按到达时刻倍速投放")
]


@dataclass(frozen=True)
class Done:
    """What was made; wall clock: `seconds` of the feed, `truth_s` of plan and truth [s]."""

    setting: Setting
    folder: Path
    made: Sequence[Made]
    lost: Sequence[Planned]
    overtaken: Sequence[Planned]
    seconds: float
    truth_s: float


def simulate_command(
    start: Start, hours: Hours, out: Folder, region: RegionId = "", scenario: Scenario = "afternoon",
    scale: ScaleName = FULL.name, seed: Seed = SEED, jobs: Workers = 2, late: Late = 0.0, missing: Missing = 0.0,
    duplicated: Doubled = 0.0, broken: Broken = 0.0, speed: Speed = None, as_json: Json = False, lang: Lang = "",
) -> None:  # fmt: skip
    """Simulate radars, satellites, lightning, stations and soundings in true file formats (all SYN). 模拟资料."""
    lang = language(lang or load_settings().lang)
    for name, known, option in ((scale, SCALES, "--scale"), (scenario, SCENARIOS, "--scenario")):
        if name not in known:
            raise typer.BadParameter(f"{name!r}: {', '.join(known)}", param_hint=option)
    where, when = region_of(region), parse_time(start)
    if when.year not in YEARS:
        raise typer.BadParameter(f"{start}: {YEARS[0]} to {YEARS[-1]}", param_hint="--start")
    try:
        setting = setting_of(where, SCALES[scale], start=when, hours=hours, scenario=scenario, seed=seed)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--hours") from error
    mess = Mess(late, missing, duplicated, broken, seed)
    _refuse_foreign(out, lang)
    done = _make(setting, mess, out, jobs, speed, lang)
    if as_json:
        print_json(report(done))
    else:
        _show(done, lang)


def _refuse_foreign(folder: Path, lang: str) -> None:
    """Leave a folder of somebody else's alone."""
    if folder.exists() and not (folder / MARK).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        en, zh = (
            f"{folder} is not empty, and not of wx simulate: name another",
            f"{folder} 非空，且不是模拟目录：请换一个",
        )
        raise typer.BadParameter(say(lang, en, zh), param_hint="--out")


def _prepare(folder: Path, setting: Setting, mess: Mess, lang: str) -> None:
    """Empty our folder of what an earlier run left, and mark it. A station_meta that the region is read from stays."""
    source, meta = setting.region.folder, folder / META
    read_there = source is not None and source.resolve().is_relative_to(meta.resolve())
    names = (FEED, TRUTH) if read_there else (FEED, TRUTH, META)
    if (folder / MARK).is_file():
        en, zh = "replacing what an earlier run left", "替换上次模拟的内容"
        told = f"{folder}: {say(lang, en, zh)}: {', '.join(names)}, {MANIFEST}"
        SCREEN.print(told, markup=False, highlight=False, soft_wrap=True)
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    words = {
        "truth": "SYN", "region": setting.region.id, "start": iso(setting.start), "end": iso(setting.end),
        "scenario": setting.world.scenario, "scale": setting.scale.name, "seed": setting.seed, "mess": asdict(mess),
    }  # fmt: skip
    write_file(folder / MARK, json.dumps(words, ensure_ascii=False, indent=1).encode())
    write_place(setting.region, meta)
    (folder / FEED).mkdir(exist_ok=True)


def _make(setting: Setting, mess: Mess, folder: Path, jobs: int, speed: float | None, lang: str) -> Done:
    """Plan, then empty the folder, then make; the manifest is written however it ends, with what had been made."""
    with progress() as bar:
        began = time.monotonic()
        task = bar.add_task(say(lang, "plan", "计划"), total=None)
        planned = plan(setting)
        files = disturb(planned, mess)
        never = missing(planned, files)
        _prepare(folder, setting, mess, lang)
        made = list[Made]()
        try:
            bar.update(task, description=say(lang, "truth", "真值"))
            write_truth(setting, folder)
            truth_s = time.monotonic() - began
            bar.update(task, description=say(lang, "files", "文件"), total=len(files))
            wait = pacer(setting.start, speed) if speed else lambda _: None
            for item in send(setting, folder / FEED, files, jobs=jobs, mess=mess, wait=wait):
                made.append(item)
                bar.advance(task)
        finally:
            write_file(folder / MANIFEST, manifest_text(made, never, files[len(made) :]).encode())
    older = set(overtaken(never, mess))
    lost, late = ([item for item in never if (item in older) is flag] for flag in (False, True))
    return Done(setting, folder, made, lost, late, time.monotonic() - began - truth_s, truth_s)


def pacer(start: datetime, speed: float) -> Callable[[Sent], None]:
    """Waits until it is time for a file, where time goes `speed` times as fast and it is `start` (aware UTC) now."""
    began = time.monotonic()

    def wait(sent: Sent) -> None:
        time.sleep(max(0.0, began + (sent.arrives - start).total_seconds() / speed - time.monotonic()))

    return wait


def report(done: Done) -> dict[str, Any]:
    """The JSON of `wx simulate`: counts by instrument, sizes [bytes], times [s]."""
    setting = done.setting
    simulated_s = (setting.end - setting.start).total_seconds()
    planned = (*(item.sent.planned for item in done.made), *done.lost, *done.overtaken)
    names = sorted({item.instrument for item in planned})
    return {
        "region": setting.region.id, "start": iso(setting.start), "end": iso(setting.end),
        "scenario": setting.world.scenario, "scale": setting.scale.name, "seed": setting.seed, "truth": "SYN",
        "instruments": [_counts(name, done) for name in names],
        "files": len(done.made), "bytes": sum(item.size for item in done.made),
        "seconds": round(done.seconds, 2), "truth_seconds": round(done.truth_s, 2),
        "times_real_time": round(simulated_s / max(done.seconds + done.truth_s, 1e-3), 2),
        "feed": str(done.folder / FEED), "manifest": str(done.folder / MANIFEST),
        "truth_folder": str(done.folder / TRUTH), "station_meta": str(done.folder / META),
    }  # fmt: skip


def _counts(name: str, done: Done) -> dict[str, Any]:
    made = [item for item in done.made if item.sent.planned.instrument == name]
    return {
        "instrument": name, "files": len(made), "bytes": sum(item.size for item in made),
        "late": _number(item.sent.late.total_seconds() > 0 and not item.sent.copy for item in made),
        "missing": _number(item.instrument == name for item in done.lost),
        "overtaken": _number(item.instrument == name for item in done.overtaken),
        "duplicated": _number(item.sent.copy > 0 for item in made),
        "broken": _number(bool(item.sent.broken) for item in made),
    }  # fmt: skip


def _number(flags: Iterable[bool]) -> int:
    return sum(flags)


def _show(done: Done, lang: str) -> None:
    told = report(done)
    table = Table(*(say(lang, *pair) for pair in HEADINGS))
    for row in told["instruments"]:
        counts = (row[key] for key in ("late", "missing", "overtaken", "duplicated", "broken"))
        table.add_row(row["instrument"], str(row["files"]), f"{row['bytes'] / 2**20:.1f}", *map(str, counts))
    SCREEN.print(table)
    count, mib, times = told["files"], round(told["bytes"] / 2**20), told["times_real_time"]
    seconds = round(told["seconds"] + told["truth_seconds"])
    meta, feed = (shlex.quote(str(Path(told[key]).absolute())) for key in ("station_meta", "feed"))
    run = f"  wx run {feed} --region {shlex.quote(told['region'])} --out"
    lines = (
        (f"{count} files, {mib} MiB in {seconds} s: {times:g} x real time; all of it is SYN",
         f"{count} 个文件、{mib} MiB，用时 {seconds} 秒，为实时的 {times:g} 倍；均为模拟（SYN）"),
        ("Next:", "下一步："),
        (f"  export WXCORE_STATION_META={meta}", f"  export WXCORE_STATION_META={meta}"),
        (f"{run} HOME", f"{run} 目录"),
    )  # fmt: skip
    for pair in lines:
        SCREEN.print(say(lang, *pair), markup=False, highlight=False, soft_wrap=True)
