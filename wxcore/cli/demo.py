"""`wx demo`: simulate an afternoon over Chongqing, run the whole chain on it, and say what to try next. All SYN.

A demo has a home of its own, with a copy of the region whose ground stations are simulated: neither an installation's
ledger or archive nor the installed package is touched.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from wxcore.archive.place import write_file
from wxcore.cli.demo_next import next_steps, show_next, steps_json
from wxcore.cli.options import Direct, Json, Lang, jobs_of, whole_home
from wxcore.cli.show import SCREEN, print_json, progress, say, show_inputs
from wxcore.errors import WxcoreError
from wxcore.pipeline.expand import expand
from wxcore.pipeline.home import Home
from wxcore.pipeline.result import CycleResult, Input, RunResult
from wxcore.pipeline.run import Jobs, run
from wxcore.region import STATION_META, Region, load_region
from wxcore.settings import DEFAULT_HOME, language, load_settings, region_at
from wxcore.simulate.feed import AFTERNOON, SCALES, SEED, file_count, setting_of, write_feed
from wxcore.simulate.network import network
from wxcore.simulate.place import write_place
from wxcore.simulate.planned import FULL, SMALL, Scale
from wxcore.times import beijing, cycle_of, iso
from wxcore.warning.model import Warning

REGION = "chongqing"
HOURS = {FULL.name: 1.0, SMALL.name: 0.4}
"""How long each scale's afternoon is [h]."""

FILES, META, MARK = "demo-files", "station_meta", "demo.json"
"""In the demo's home: what the instruments sent, the region's copy, and what makes the home a demo's."""

OURS = ("WXCORE_LEDGER", "WXCORE_ARCHIVE", "WXCORE_ROOTS")
"""Settings of an installation that must not reach a demo."""

MOST_DISTRICTS = 6
"""Districts of a draft that are named on the screen."""

LEVELS_ZH = {"blue": "蓝色", "yellow": "黄色", "orange": "橙色", "red": "红色"}

ScaleName = Annotated[str, typer.Option("--scale", help="full or small. 规模")]
DemoOut = Annotated[Path, typer.Option("--out", help="A folder of the demo's own. 演示专用输出目录")]


class Stages:
    """Elapsed time of each stage [s], told as it ends."""

    def __init__(self, lang: str, bar: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._lang, self._bar = lang, bar
        self._last = time.perf_counter()

    def done(self, name: str, en: str, zh: str) -> None:
        """The stage that ran since the last one ended is over."""
        now = time.perf_counter()
        took, self._last = now - self._last, now
        self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 2)
        text = say(self._lang, en, zh)
        self._bar.console.print(f"✓ {text}  {took:.1f} s", style="green", markup=False, highlight=False)


def demo_command(
    scale: ScaleName = FULL.name,
    out: DemoOut = DEFAULT_HOME,
    direct: Direct = False,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Simulate an afternoon over Chongqing (SYN), run the whole chain, write the report. 演示."""
    lang = language(lang or load_settings().lang)
    if scale not in SCALES:
        raise typer.BadParameter(f"{scale!r}: {' / '.join(SCALES)}", param_hint="--scale")
    out = out.resolve()  # the next steps hold in any folder
    region = settle(out, SCALES[scale])
    home = whole_home(out, region, lang)
    with progress() as bar:
        stages = Stages(lang, bar)
        result = _chain(SCALES[scale], home, region, direct=direct, lang=lang, bar=bar, stages=stages)
    steps = next_steps(home, result, home.root / FILES)
    if as_json:
        told = {"scale": scale, "seconds": stages.seconds, "next": steps_json(home, region.id, steps)}
        print_json(result.to_json() | {"demo": told})
    else:
        _tell(result, sum(stages.seconds.values()), lang)
        show_next(home, region.id, steps, lang)
    raise typer.Exit(1 if result.failed else 0)


def _tell(result: RunResult, seconds: float, lang: str) -> None:
    """What became of the files and cycles, and where to look."""
    show_inputs(result.inputs, lang)
    for failure in result.failures:
        told = say(lang, failure.message_en, failure.message_zh)
        SCREEN.print(f"✗ {iso(failure.time)}: {told}", style="bold red", markup=False)
    en, zh = f"{seconds:.0f} s in all; open {result.report}", f"总计 {seconds:.0f} 秒；请打开 {result.report}"
    SCREEN.print(say(lang, en, zh), style="bold", markup=False)


def settle(root: Path, scale: Scale) -> Region:
    """Make `root` a demo's home, and give the region with its simulated stations; this process then uses only these.

    Raises:
        WxcoreError: `root` holds something else, or a demo of another scale.
    """
    found = _found(root)
    if found not in ("", scale.name):
        what_en, what_zh = (f"a demo at scale {found}", f"规模为 {found} 的演示") if found in SCALES else (
            "something else", "其他内容")  # fmt: skip
        raise WxcoreError(
            f"{root} holds {what_en}: give --out a folder that is new or empty, or remove this one",
            f"{root} 中已有{what_zh}：请用 --out 指定新的或空的目录，或先删除该目录",
        )
    meta = root / META
    root.mkdir(parents=True, exist_ok=True)
    write_file(root / MARK, json.dumps({"scale": scale.name}).encode())
    bare = load_region(REGION, root=STATION_META)
    write_place(replace(bare, stations=network(bare, scale.stations, seed=SEED)), meta)
    for name in OURS:
        os.environ.pop(name, None)
    os.environ["WXCORE_STATION_META"] = str(meta)
    return region_at(REGION)


def _found(root: Path) -> str:
    """Scale of the demo in a folder; "" where there is nothing, "?" where there is something else."""
    try:
        return str(json.loads((root / MARK).read_text(encoding="utf-8"))["scale"])
    except FileNotFoundError:
        return "?" if root.is_dir() and any(root.iterdir()) else ""
    except (ValueError, KeyError, TypeError):
        return "?"


def simulated(scale: Scale, region: Region, folder: Path) -> tuple[int, Iterator[Path]]:
    """How many files the demo's instruments send, and their paths as each is there."""
    setting = setting_of(region, scale, start=AFTERNOON, hours=HOURS[scale.name])
    return file_count(setting), write_feed(setting, folder, jobs=os.cpu_count() or 1)


def _chain(
    scale: Scale, home: Home, region: Region, *, direct: bool, lang: str, bar: Progress, stages: Stages
) -> RunResult:
    """Simulate, ingest, run the cycles, report; bars and finished stages on the screen."""
    with ThreadPoolExecutor(1) as beside:
        jobs = beside.submit(jobs_of, direct=direct)  # Prefect takes seconds to import
        total, coming = simulated(scale, region, home.root / FILES)
        # A file that grows is written several times.
        paths = list(dict.fromkeys(bar.track(coming, total=total, description=say(lang, "simulate", "模拟"))))
        size = sum(path.stat().st_size for path in paths) / 1e6
        told = f"{len(paths)} files, {size:.0f} MB", f"{len(paths)} 个文件，{size:.0f} MB"
        stages.done("simulate", f"simulated {told[0]}", f"模拟 {told[1]}")
    steps = jobs.result()
    files = bar.add_task(say(lang, "ingest", "导入"), total=len(expand(paths)))
    first = "cycles; without `wx compile` the first takes minutes", "时次（未运行 `wx compile` 时首个需数分钟）"
    cycles = bar.add_task(say(lang, *first), total=None)

    taken: list[Input] = []

    def take_in(*words: Any, **more: Any) -> list[Input]:
        taken.extend(steps.ingest(*words, **more))
        stages.done("ingest", f"ingested {len(taken)} files", f"导入 {len(taken)} 个文件")
        return seen_by_radars(taken)

    def cycled(cycle: CycleResult) -> None:
        clock = f"{beijing(cycle.time):%H:%M} BJT {iso(cycle.time)}"
        count = len(cycle.storms)
        stages.done("cycles", f"{clock}: {count} storms", f"{clock}：{count} 个风暴")
        for draft in cycle.drafts:
            bar.console.print(draft_line(draft, lang), style="bold", markup=False, highlight=False)
        bar.advance(cycles)

    result = run(
        paths, home, region, jobs=Jobs(take_in, steps.cycle), on_input=lambda _: bar.advance(files), on_cycle=cycled
    )
    stages.done("report", f"report {result.report}", f"报告 {result.report}")
    return replace(result, inputs=tuple(taken))


def seen_by_radars(inputs: Sequence[Input]) -> list[Input]:
    """Without the files of before the first radar volume and after the last: a feed begins with older images, and ends
    with minutes that belong to a cycle of which it has no volume."""
    volumes = [cycle_of(item.time) for item in inputs if item.kind == "volume" and item.time is not None]
    first, last = min(volumes, default=None), max(volumes, default=None)
    return [
        item for item in inputs
        if first is None or last is None or item.time is None or first <= cycle_of(item.time) <= last
    ]  # fmt: skip


def draft_line(draft: Warning, lang: str) -> str:
    """One draft on one line: hazard, level, districts, from and to (Beijing time), probability."""
    names = [say(lang, place.name_en, place.name_zh) for place in draft.districts]
    more = len(names) - MOST_DISTRICTS
    where = say(lang, ", ", "、").join(names[:MOST_DISTRICTS]) + (f" +{more}" if more > 0 else "")
    begin, end = beijing(draft.onset), beijing(draft.expires)
    day = "" if begin.date() == end.date() else f"{end:%m-%d} "
    clock = f"{begin:%H:%M} - {day}{end:%H:%M} BJT"
    rest = f"({draft.msg_type}); {where}; {clock}; p {draft.p:.0%}"
    what = say(lang, f"draft: {draft.event_en}, {draft.level}", f"草稿：{draft.event_zh} {LEVELS_ZH[draft.level]}")
    return f"  ▶ {draft.truth} {what} {rest}"
