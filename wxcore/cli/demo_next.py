"""What each user can do with a demo's home: commands that work on it as it is."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wxcore.cli.show import SCREEN, say
from wxcore.pipeline.home import Home
from wxcore.pipeline.result import RunResult
from wxcore.times import CYCLE, iso


@dataclass(frozen=True)
class Step:
    """A command that a user may type next, and what it does."""

    command: str
    en: str
    zh: str


Steps = dict[tuple[str, str], tuple[Step, ...]]
"""By user, in English and Chinese."""


def next_steps(home: Home, result: RunResult, files: Path) -> Steps:
    """Some commands for each user, which need `settings_line` first.

    Args:
        files: what was simulated; the last cycle of `result` is the one that is shown.
    """
    wx = _program()
    if not result.cycles:
        look = (Step(f"{wx} doctor {_quoted(files)}", "what is in each file", "逐个文件诊断"),)
        return {("everybody", "所有用户"): look}
    first, last = result.cycles[0].time, result.cycles[-1].time
    span = f"--start {iso(first - CYCLE)} --end {iso(last)}"
    one = _some(result, files)
    radar, volume, page = (_quoted(path) for path in (one.parent, one, home.report))
    own, again, listed, export = (
        _quoted(home.root / name) for name in ("own-levels", "again", "again.json", "export.nc")
    )
    return {
        ("forecaster", "预报员"): (
            Step(f"xdg-open {page}", "the maps, the animation, the drafts", "地图、动画与预警草稿"),
            Step(f"{wx} stations gusts {span}", "gusts: borne out, and of a thunderstorm?", "阵风核实与成因"),
            Step(f"{wx} run {radar} --direct --at {iso(last)} --h0-m 5000 --hm20-m 8200 --out {own}",
                 "one radar's cycle again, with your own heights of 0 C and -20 C", "单雷达按自定 0℃、-20℃ 高度重算"),
        ),
        ("who issues", "签发人员"): (
            Step(f"{wx} warnings list --at {iso(last)}", "the drafts that wait at the time of the demo",
                 "查看演示时刻的草稿"),
            Step(f"{wx} desk users add li --role forecaster", "an account; asks for a password of 12 characters",
                 "新建账户（密码至少 12 个字符）"),
            Step(f"{wx} desk --at {iso(last)}", "the web desk, on a clock that starts at the demo's end",
                 "网页值班台：演习时钟自演示结束时刻起走"),
        ),
        ("duty staff", "值班员"): (
            Step(f"{wx} doctor {volume}", "what is this file, can it be read?", "文件是什么、能否读取"),
            Step(f"{wx} ingest {radar}", "what arrived is taken in once, whatever is sent again",
                 "重复到达的文件不会重复入库"),
            Step(f"{wx} archive check", "is everything whole?", "检查台账、归档与落地文件是否一致"),
        ),
        ("modeller", "建模人员"): (
            Step(f"{wx} archive log", "every commit: its cycle, inputs and code", "每次提交的时次、资料与代码版本"),
            Step(f"{wx} archive export {last:%Y%m%d} {export}", "the day as CF netCDF-4",
                 "导出当日为 CF netCDF-4"),
            Step(f"{wx} radar bias --days 3650", "reflectivity of neighbours compared", "相邻雷达反射率比对"),
        ),
        ("engineer", "工程师"): (
            Step(f"{wx} run {radar} --direct --json --out {again} > {listed}",
                 "one radar's files alone, in a home of their own", "仅用单部雷达的文件另行运行"),
            Step(f"{wx} archive check --deep --json", "hashes of every landed file", "校验每个落地文件的散列值"),
            Step(f"{wx} bench landing", "what a loaded landing and ledger do", "落地与台账的性能"),
        ),
    }  # fmt: skip


def settings_line(home: Home, region: str) -> str:
    """What a shell needs so that the commands find the demo's home and region."""
    root, meta = _quoted(home.root), _quoted(Path(os.environ["WXCORE_STATION_META"]))
    return f"export WXCORE_HOME={root} WXCORE_STATION_META={meta} WXCORE_REGION={region}"


def show_next(home: Home, region: str, steps: Steps, lang: str) -> None:
    """The next steps on the screen."""
    SCREEN.print(say(lang, "Next steps (first this line):", "下一步（先执行这一行）："), style="bold", markup=False)
    _plain(f"  {settings_line(home, region)}")
    for (en, zh), own in steps.items():
        SCREEN.print(say(lang, en, zh), style="bold cyan", markup=False)
        for step in own:
            SCREEN.print(f"  # {say(lang, step.en, step.zh)}", style="dim", markup=False, highlight=False)
            _plain(f"  {step.command}")


def steps_json(home: Home, region: str, steps: Steps) -> dict[str, Any]:
    """The same for programs: `settings`, and commands by user."""
    commands = {en: [step.command for step in own] for (en, _), own in steps.items()}
    return {"settings": settings_line(home, region), "commands": commands}


def _plain(line: str) -> None:
    """A command to be copied: never wrapped."""
    SCREEN.print(line, markup=False, highlight=False, soft_wrap=True)


def _program() -> str:
    """How `wx` is called from here: newcomers have not activated the environment."""
    if shutil.which("wx"):
        return "wx"
    path = Path(sys.argv[0])
    return _quoted(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _some(result: RunResult, files: Path) -> Path:
    """One of the files: a radar volume where there is one."""
    names = [item.file for item in result.inputs if item.kind == "volume"] or [item.file for item in result.inputs]
    found: Sequence[Path] = sorted(files.rglob(Path(names[0]).name)) if names else ()
    return found[0] if found else files
