"""`wx archive`: check, log, compact, expire, export, recover."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from wxcore.archive.check import Fault
from wxcore.archive.expire import Retention
from wxcore.archive.export import export_day
from wxcore.archive.log import CommitRecord, commits
from wxcore.cli.options import Json, Lang, Out, RegionId, home_of, region_of, whole_home
from wxcore.cli.show import SCREEN, print_json, progress, say
from wxcore.pipeline.maintain import RAW_DAYS, check_home, compact_days, expire_home, finished_days
from wxcore.pipeline.recover import recover_home
from wxcore.settings import language, load_settings
from wxcore.times import iso

archive_app = typer.Typer(no_args_is_help=True, help="Inspect and keep the archive. 归档的检查与维护")
Newest = Annotated[
    int | None, typer.Option("--newest", min=1, help="Read only the newest N cycles. 只检查最新 N 个时次")
]
Deep = Annotated[bool, typer.Option("--deep", help="Read every landed file too. 同时校验落地文件内容")]
Days = Annotated[list[str] | None, typer.Argument(help="UTC days such as 20200612; none: all that are over. 日期")]
DRY = typer.Option("--dry-run", help="Only say what would go. 只列出，不删除")
_KEPT = Retention()


def _lang(lang: str) -> str:
    return language(lang or load_settings().lang)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: expected a UTC day such as 20200612 应为日期，例如 20200612") from error


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


@archive_app.command("check")
def check_command(
    newest: Newest = None,
    deep: Deep = False,
    region: RegionId = "",
    out: Out = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Read everything back; hold archive, ledger and landed files together. 全面检查."""
    lang, home, where = _lang(lang), home_of(out), region_of(region)
    with progress() as bar:
        task = bar.add_task(say(lang, "check", "检查"), total=None)
        found = check_home(
            home,
            where,
            quick=newest,
            deep=deep,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    told: dict[str, Any] = {"region": where.id, "cycles": found.archive.cycles, "snapshots": found.archive.snapshots,
            "bytes": found.archive.bytes, "files": found.files}  # fmt: skip
    if as_json:
        print_json(_plain({**told, "faults": [asdict(fault) for fault in found.faults]}))
    else:
        for fault in found.faults:
            SCREEN.print("✗ " + _fault(fault, lang), style="bold red", markup=False)
        SCREEN.print(say(
            lang,
            f"{where.id}: {told['cycles']} cycles, {told['snapshots']} snapshots, {told['bytes'] / 2**20:.1f} MiB, "
            f"{found.files} files, {len(found.faults)} faults",
            f"{where.name_zh}：{told['cycles']} 个时次，{told['snapshots']} 个快照，{told['bytes'] / 2**20:.1f} MiB，"
            f"{found.files} 个文件，{len(found.faults)} 处故障",
        ), markup=False)  # fmt: skip
    raise typer.Exit(1 if found.faults else 0)


def _fault(fault: Fault, lang: str) -> str:
    where = [fault.day, iso(fault.time) if fault.time else "", fault.variable, fault.file]
    place = " ".join(part for part in where if part)
    return f"{place}: {say(lang, fault.en, fault.zh)}" if place else say(lang, fault.en, fault.zh)


@archive_app.command("log")
def log_command(
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="How many, newest first. 条数")] = 20,
    region: RegionId = "",
    out: Out = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """The commits, newest first: when, which cycle, of what. 提交记录."""
    lang, home, where = _lang(lang), home_of(out), region_of(region)
    records = commits(home.archive, where.id)[:most]
    if as_json:
        print_json([_plain(asdict(record)) for record in records])
        return
    table = Table(title=f"{where.id}: {home.archive}", title_justify="left")
    for en, zh in (
        ("committed", "提交时间"),
        ("cycle", "时次"),
        ("snapshot", "快照"),
        ("files", "文件"),
        ("missing", "缺失"),
    ):
        table.add_column(say(lang, en, zh), no_wrap=en != "missing")
    for record in records:
        table.add_row(*_row(record))
    SCREEN.print(table)


def _row(record: CommitRecord) -> tuple[str, ...]:
    return (
        iso(record.written_at),
        iso(record.cycle),
        record.snapshot_id,
        str(len(record.inputs)),
        ", ".join(record.missing),
    )


@archive_app.command("compact")
def compact_command(
    days: Days = None, region: RegionId = "", out: Out = None, as_json: Json = False, lang: Lang = ""
) -> None:
    """Make the analysis-ready view of days: point series open fast. 生成按日视图."""
    lang, where = _lang(lang), region_of(region)
    home = whole_home(out, where, lang)
    wanted = [_day(text) for text in days] if days else finished_days(home, where, datetime.now(UTC))
    with progress() as bar:
        task = bar.add_task(say(lang, "compact", "整理"), total=len(wanted))
        done = compact_days(home, where, wanted, progress=lambda: bar.advance(task))
    if as_json:
        print_json([{"day": f"{day:%Y%m%d}", "written": new} for day, new in done.items()])
    for day, new in done.items() if not as_json else ():
        state = say(lang, "written", "已生成") if new else say(lang, "there already", "已存在")
        SCREEN.print(f"{day:%Y%m%d}: {state}", markup=False)


@archive_app.command("expire")
def expire_command(
    history_days: Annotated[
        int, typer.Option("--history-days", min=0, help="Keep former versions [d]. 历史版本保留天数")
    ] = _KEPT.history_days or 0,
    cube_days: Annotated[
        int, typer.Option("--cube-days", min=0, help="Keep cycles with their cubes [d]. 时次资料保留天数")
    ] = _KEPT.cube_days or 0,
    view_days: Annotated[
        int, typer.Option("--view-days", min=0, help="Keep daily views [d]. 按日视图保留天数")
    ] = _KEPT.view_days or 0,
    raw_days: Annotated[
        int, typer.Option("--raw-days", min=1, help="Keep landed files [d]. 原始文件保留天数")
    ] = RAW_DAYS,
    dry_run: Annotated[bool, DRY] = False,
    region: RegionId = "",
    out: Out = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Forget by rule; warnings and what they were made of are kept for ever. 按规则清理."""
    lang, where = _lang(lang), region_of(region)
    home = whole_home(out, where, lang)
    rule = Retention(history_days, cube_days, view_days)
    with progress() as bar:
        bar.add_task(say(lang, "expire", "清理"), total=None)
        done = expire_home(home, where, rule, raw_days, datetime.now(UTC), dry_run=dry_run)
    if as_json:
        print_json(_plain({**asdict(done.archive), "raw_files": done.raw_files}))
        return
    old = done.archive
    SCREEN.print(say(
        lang,
        f"{'would forget' if dry_run else 'forgot'} {old.snapshots} versions, {len(old.cube_days)} days of cubes, "
        f"{len(old.view_days)} of views, {done.raw_files} landed files; {old.bytes_freed / 2**20:.1f} MiB freed",
        f"{'将清理' if dry_run else '已清理'} {old.snapshots} 个历史版本、{len(old.cube_days)} 天时次资料、"
        f"{len(old.view_days)} 天视图、{done.raw_files} 个原始文件；归档释放 {old.bytes_freed / 2**20:.1f} MiB",
    ), markup=False)  # fmt: skip


@archive_app.command("export")
def export_command(
    day: Annotated[str, typer.Argument(help="UTC day: 20200612. 日期（UTC）")],
    target: Annotated[Path, typer.Argument(help="File (netCDF) or folder (Zarr) to write. 输出文件或目录")],
    form: Annotated[str, typer.Option("--format", help="netcdf or zarr. 格式")] = "netcdf",
    region: RegionId = "",
    out: Out = None,
    lang: Lang = "",
) -> None:
    """Write a day as CF netCDF-4 or plain Zarr, for those without wxcore. 导出一天."""
    lang, home, where = _lang(lang), home_of(out), region_of(region)
    kinds: dict[str, Literal["netcdf", "zarr"]] = {"netcdf": "netcdf", "zarr": "zarr"}
    if form not in kinds:
        raise typer.BadParameter(f"{form!r}: expected netcdf or zarr 应为 netcdf 或 zarr", param_hint="--format")
    with progress() as bar:
        bar.add_task(say(lang, "export", "导出"), total=None)
        export_day(home.archive, where.id, _day(day), target, format=kinds[form])
    SCREEN.print(str(target), markup=False)


@archive_app.command("recover")
def recover_command(region: RegionId = "", out: Out = None, as_json: Json = False, lang: Lang = "") -> None:
    """After a power cut or a lost ledger: make everything whole again from the disk. 故障恢复."""
    lang, home, where = _lang(lang), home_of(out), region_of(region)
    with progress() as bar:
        task = bar.add_task(say(lang, "cycles run again", "重新运行的时次"), total=None)
        done = recover_home(home, where, thorough=True, progress=lambda _: bar.advance(task))
    told = {
        "ledger": done.ledger, "archive": done.archive, "lost": done.lost, "rerun": done.rerun,
        "failed": [{"time": time, "message_en": error.en, "message_zh": error.zh} for time, error in done.failed],
    }  # fmt: skip
    if as_json:
        print_json(_plain(told))
    else:
        SCREEN.print(say(lang, *done.words), markup=False)
        for time, error in done.failed:
            SCREEN.print(f"✗ {iso(time)}: {say(lang, error.en, error.zh)}", style="bold red", markup=False)
    raise typer.Exit(1 if done.failed else 0)
