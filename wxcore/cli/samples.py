"""`wx samples`: a table of samples out of the archive, or out of any table, for `wx train`."""

import math
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from wxcore.cli.options import Json, Lang, RegionId, home_of, region_of
from wxcore.cli.show import SCREEN, print_json, progress, say
from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.labels.events import join_events, read_events
from wxcore.hazard.samples.archive import Tally, build_samples, tally_of
from wxcore.hazard.samples.leaks import check_leaks
from wxcore.hazard.samples.outside import read_outside
from wxcore.hazard.samples.table import SOURCES, write_samples
from wxcore.settings import language, load_settings
from wxcore.times import parse_time

FOLDER = "samples"
"""In the home, where no file is named."""

NOTHING = ("nothing known of any storm: no samples", "没有任何已知标签：未生成样本")

HazardName = Annotated[str, typer.Argument(help=f"{', '.join(DEFINITIONS)}. 灾害类别")]
From = Annotated[str, typer.Option("--from", help="Of the archive, UTC: 2026-07-01T00:00Z. 起始时间（UTC）")]
To = Annotated[str, typer.Option("--to", help="Of the archive, UTC, included. 结束时间（UTC，含）")]
Events = Annotated[
    list[Path] | None, typer.Option("--events", help="CSV of reported hail, flashes, gusts; repeatable. 灾情报告 CSV")
]
Table = Annotated[
    list[Path] | None, typer.Option("--table", help="Take this table instead of the archive. 改用外部表格")
]
Columns = Annotated[Path | None, typer.Option("--columns", help="TOML: what the table's columns are. 列说明文件")]
To_file = Annotated[Path | None, typer.Option("--out", help="Parquet; samples/HAZARD.parquet of the home. 输出文件")]
HomeFolder = Annotated[Path | None, typer.Option("--home", help="Whose archive; WXCORE_HOME. 归档所在目录")]
Workers = Annotated[int, typer.Option("--jobs", min=1, max=64, help="Days at a time. 并行天数")]


def samples_command(
    hazard: HazardName, start: From = "", end: To = "", events: Events = None, table: Table = None,
    columns: Columns = None, out: To_file = None, home: HomeFolder = None, region: RegionId = "", jobs: Workers = 1,
    as_json: Json = False, lang: Lang = "",
) -> None:  # fmt: skip
    """One row a storm a time: features and what came of it, from the archive or any table. 构建训练样本."""
    lang = language(lang or load_settings().lang)
    if hazard not in DEFINITIONS:
        raise typer.BadParameter(f"{hazard!r}: {', '.join(DEFINITIONS)}", param_hint="HAZARD")
    if bool(table) == bool(start and end):
        raise typer.BadParameter("give --from and --to, or --table 请给出 --from 与 --to，或 --table")
    if table and events:
        raise typer.BadParameter(
            "events are for the archive, not for a table 事件文件不用于外部表格", param_hint="--events"
        )
    if table:
        target = out or Path(f"{hazard}.parquet")
        tally, remarks = _of_table(hazard, table, columns, target)
    else:
        target, tally = _of_archive(hazard, (start, end), events or [], out, home, region, jobs, lang)
        remarks = ()
    if as_json:
        print_json(told(tally) | {"hazard": hazard, "file": str(target) if tally.rows else None, "remarks": remarks})
    else:
        _show(hazard, tally, target, remarks, lang)
    raise typer.Exit(0 if tally.rows else 1)


def _of_table(hazard: str, table: list[Path], columns: Path | None, target: Path) -> tuple[Tally, tuple[str, ...]]:
    """Raises SampleError where the table cannot be read so, or a feature contains the label."""
    samples = read_outside(table, hazard, columns)
    remarks = check_leaks(samples)
    write_samples(samples, target)
    return tally_of(samples.frame, samples.windows[0]), remarks


def _of_archive(
    hazard: str, period: tuple[str, str], events: list[Path], out: Path | None, home_folder: Path | None,
    region: str, jobs: int, lang: str,
) -> tuple[Path, Tally]:  # fmt: skip
    where, (start, end) = region_of(region), (parse_time(text) for text in period)
    if end < start:
        raise typer.BadParameter("the period ends before it begins 结束时间早于起始时间", param_hint="--to")
    reported = join_events([read_events(path) for path in events]) if events else None
    home = home_of(home_folder)
    target = out or home.root / FOLDER / f"{hazard}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    with progress() as bar, TemporaryDirectory(prefix=".samples-", dir=target.parent) as name:
        task = bar.add_task(say(lang, "convective days", "对流日"), total=None)
        tallies = build_samples(
            home.archive, where, (hazard,), (start, end), Path(name), events=reported, jobs=jobs,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
        tally = tallies[hazard]
        if tally.rows:
            (Path(name) / f"{hazard}.parquet").replace(target)
    return target, tally


def told(tally: Tally) -> dict[str, Any]:
    """The counts for JSON; base rate None where nothing is known, truth the weakest class."""
    rate = None if math.isnan(tally.base_rate) else tally.base_rate
    return asdict(tally) | {"base_rate": rate, "truth": truth_of(tally)}


def truth_of(tally: Tally) -> str:
    """The weakest truth class of any row; "" where there is none."""
    return next((name for name in SOURCES if tally.sources.get(name)), "")


def _show(hazard: str, tally: Tally, target: Path, remarks: tuple[str, ...], lang: str) -> None:
    lines = [
        say(
            lang,
            f"{hazard}: {tally.rows} rows, {tally.storms} storms, {tally.days} convective days",
            f"{hazard}：{tally.rows} 行，{tally.storms} 个风暴，{tally.days} 个对流日",
        )
    ]
    if tally.known:
        counts = f"{tally.events}/{tally.known} = {tally.base_rate:.1%}"
        lines.append(
            say(lang, f"events {counts}; truth: {truth_of(tally)}", f"事件 {counts}；真值类别：{truth_of(tally)}")
        )
    lines += [
        say(lang, f"  censored: {reason}: {count} rows", f"  已剔除：{reason}：{count} 行")
        for reason, count in tally.censored.items()
    ]
    lines += [f"  {remark}" for remark in remarks]
    lines.append(str(target) if tally.rows else say(lang, *NOTHING))
    for line in lines:
        SCREEN.print(line, markup=False, highlight=False, soft_wrap=True)
