"""`wx stations`: the table of ground stations: import lists, look at it, ask which reports it does not know."""

import errno
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from wxcore.archive.place import write_file
from wxcore.cli.options import Json, Lang, RegionId, region_of
from wxcore.cli.show import SCREEN, print_error, print_json, say
from wxcore.errors import ReadError, RegionError, WxcoreError
from wxcore.pipeline.read import read_file
from wxcore.region import Region, Station
from wxcore.region.load import check_stations
from wxcore.region.stations import STATIONS_FILE, stations_text
from wxcore.region.terrain import find_dem, load_terrain
from wxcore.settings import language, load_settings
from wxcore.station.network import MOVED_KM
from wxcore.station.reports import Reports
from wxcore.station.table import Imported, Merged, distance_km, import_stations, merge_stations
from wxcore.times import iso

stations_app = typer.Typer(no_args_is_help=True, help="The table of ground stations. 地面站点表")
OLDER = date(2000, 1, 1)
"""`valid_from` of a first table: older than our data, not an opening day, as in the other tables."""

MOST_ROWS = 40
"""Rows on the screen; --json gives all."""
MOST_TOLD = 10
"""Ids in an error."""

Files = Annotated[list[Path], typer.Argument(help="Files of station reports. 站点观测文件")]
ListFile = Annotated[Path, typer.Argument(help="CSV or MICAPS list of stations. 站点表")]
From = Annotated[str, typer.Option("--valid-from", help="First day of the rows, YYYY-MM-DD. 生效日期")]
Source = Annotated[str, typer.Option("--source", help="Where the list is from. 来源说明")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write nothing. 只检查不写入")]
Force = Annotated[bool, typer.Option("--force", help="An older list over newer rows. 允许旧表覆盖较新的记录")]
Columns = Annotated[list[str] | None, typer.Option("--column", help="FIELD=HEADER, such as id=编号. 指定列名")]


@stations_app.command("import")
def import_command(
    file: ListFile, region: RegionId = "", valid_from: From = "", source: Source = "", column: Columns = None,
    force: Force = False, dry_run: DryRun = False, as_json: Json = False, lang: Lang = "",
) -> None:  # fmt: skip
    """Lay a list of stations over WXCORE_STATION_META/REGION/stations.csv; moved ones get a new row. 导入站点表."""
    settings = load_settings()
    lang, meta = language(lang or settings.lang), settings.station_meta
    where = region_of(region)
    first = _day(valid_from, where)
    dem = find_dem(where.id, root=meta)
    imported = import_stations(
        file, where, columns=_columns(column or []), valid_from=first, source=source, terrain=load_terrain(dem)
    )
    merged = merge_stations(where.stations, imported.rows)
    if merged.older and not force:
        raise _older(merged, first)
    target, text = meta / where.id / STATIONS_FILE, stations_text(merged.rows)
    check_stations(text, where.grid)
    if not dry_run:
        _write(target, text)
    if as_json:
        print_json(_import_json(where, imported, merged, target, dry_run))
        return
    _show_import(imported, merged, target, dry_run, lang)


def _older(merged: Merged, first: date) -> RegionError:
    rows = ", ".join(f"{number} {day}" for number, day in merged.older[:MOST_TOLD])
    count = len(merged.older)
    more = " ..." if count > MOST_TOLD else ""
    return RegionError(
        f"--valid-from {first}: {count} stations have newer rows ({rows}{more}), which this older list would "
        "overwrite; nothing is written: give the right date, or --force",
        f"--valid-from {first}：{count} 个站已有更新的记录（{rows}{more}），旧表会将其覆盖，未写入；"
        "请更正日期，或加 --force",
    )


def _write(target: Path, text: str) -> None:
    """The table, or a clear error where the installation is another user's or read-only."""
    try:
        write_file(target, text.encode())
    except OSError as cause:
        if cause.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise
        raise WxcoreError(
            f"{target} cannot be written ({cause.strerror}): run the import as the owner of {target.parent}, give "
            f"this user write access to that folder, or set WXCORE_STATION_META to a copy of {target.parent.parent}",
            f"无法写入 {target}（{cause.strerror}）：请以 {target.parent} 所有者的身份导入，"
            f"为当前用户开放该文件夹的写权限，或将 WXCORE_STATION_META 设为 {target.parent.parent} 的副本",
        ) from cause


def _day(text: str, region: Region) -> date:
    if not text:
        return region.day(datetime.now(UTC)) if region.stations else OLDER
    try:
        return date.fromisoformat(text)
    except ValueError as cause:
        raise RegionError(
            f"--valid-from: found {text!r}, expected a date YYYY-MM-DD",
            f"--valid-from：为 {text!r}，应为日期 YYYY-MM-DD",
        ) from cause


def _columns(pairs: Sequence[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise RegionError(
            f"--column: found {wrong[0]!r}, expected FIELD=HEADER", f"--column：为 {wrong[0]!r}，应为 字段=列名"
        )
    return dict(pair.split("=", 1) for pair in pairs)


def _import_json(
    region: Region, imported: Imported, merged: Merged, target: Path, dry_run: bool
) -> dict[str, Any]:  # fmt: skip
    return {
        "region": region.id, "file": str(target), "written": not dry_run, "rows": len(merged.rows),
        "imported": len(imported.rows), "added": list(merged.added), "moved": list(merged.moved),
        "corrected": list(merged.corrected), "unchanged": merged.unchanged,
        "left_out": [{"en": en, "zh": zh, "rows": count} for (en, zh), count in imported.left_out.items()],
    }  # fmt: skip


def _show_import(imported: Imported, merged: Merged, target: Path, dry_run: bool, lang: str) -> None:
    counts = (len(merged.added), len(merged.moved), len(merged.corrected), merged.unchanged)
    SCREEN.print(say(
        lang,
        "{} new, {} moved, {} corrected, {} unchanged".format(*counts),
        "新增 {}，迁站 {}，更正 {}，未变 {}".format(*counts),
    ), markup=False)  # fmt: skip
    classes = Counter(row.elev_class or "?" for row in imported.rows)
    SCREEN.print(", ".join(f"{name} {count}" for name, count in sorted(classes.items())), markup=False)
    for (en, zh), count in imported.left_out.items():
        SCREEN.print(say(lang, f"{count} rows left out: {en}", f"略去 {count} 行：{zh}"), style="yellow", markup=False)
    rows = len(merged.rows)
    done = say(lang, f"{target}: {rows} rows", f"{target}：{rows} 行")
    SCREEN.print(say(lang, f"not written: {done}", f"未写入：{done}") if dry_run else done, markup=False)


@stations_app.command("list")
def list_command(region: RegionId = "", as_json: Json = False, lang: Lang = "") -> None:
    """The stations that stand today. 列出现有站点."""
    lang = language(lang or load_settings().lang)
    where = region_of(region)
    standing = where.stations_at(datetime.now(UTC))
    if as_json:
        print_json([_station_json(row) for row in standing])
        return
    table = Table()
    for heading in ("id", say(lang, "name", "站名"), "lat", "lon", "m", say(lang, "class", "类别"), "adcode"):
        table.add_column(heading)
    for row in standing[:MOST_ROWS]:
        name = say(lang, row.name_en or row.name_zh, row.name_zh or row.name_en)
        table.add_row(
            row.id, name, f"{row.lat:.4f}", f"{row.lon:.4f}", f"{row.elevation_m:g}", row.elev_class, row.adcode
        )
    SCREEN.print(table)
    levels = ", ".join(f"{level or '?'} {count}" for level, count in Counter(row.level for row in standing).items())
    counts = (len(standing), len(where.stations), levels)
    told = ("{} stations ({2}), {1} rows of all times", "现有 {0} 站（{2}），历史共 {1} 行")
    SCREEN.print(say(lang, told[0].replace("{}", "{0}").format(*counts), told[1].format(*counts)), markup=False)


def _station_json(row: Station) -> dict[str, Any]:
    told = asdict(row) | {"valid_from": str(row.valid_from), "valid_to": row.valid_to and str(row.valid_to)}
    return {name: None if value != value else value for name, value in told.items()}  # noqa: PLR0124 (NaN)


@stations_app.command("check")
def check_command(files: Files, region: RegionId = "", as_json: Json = False, lang: Lang = "") -> None:
    """Which stations of report files are unknown, moved or absent; nothing is registered. 核对观测文件中的站点."""
    lang = language(lang or load_settings().lang)
    where = region_of(region)
    told = [_checked(file, where, lang) for file in files]
    if as_json:
        print_json(told)
    else:
        for item in told:
            _show_checked(item, lang)
    if any(item["error"] for item in told):
        raise typer.Exit(1)


def _checked(file: Path, region: Region, lang: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "file": file.name,
        "error": "",
        "stations": 0,
        "unknown": [],
        "no_place": [],
        "moved": [],
        "absent": [],
    }
    try:
        native = read_file(file, file.name).native
    except ReadError as error:
        print_error(error, lang)
        return item | {"error": error.en}
    if not isinstance(native, Reports):
        told = say(lang, f"{file.name}: no file of station reports", f"{file.name}：不是站点观测文件")
        SCREEN.print(told, style="bold red", markup=False)
        return item | {"error": "no file of station reports"}
    return item | _compared(native, region)


def _compared(reports: Reports, region: Region) -> dict[str, Any]:
    """Ids of the region that the table lacks (with a line of it each; `no_place`: of these, those whose place is not in
    the file, so that they may be another region's), those far from their place, and silent ones."""
    standing = {row.id: row for row in region.stations_at(reports.end)}
    order = np.argsort(np.isnan(reports.lat + reports.lon), kind="stable")
    ids, first = np.unique(reports.station[order], return_index=True)
    places = {str(number): int(order[index]) for number, index in zip(ids, first, strict=True)}
    drafts = {number: _draft(reports, index, region) for number, index in places.items()}
    moved = {
        number: round(distance_km(standing[number], draft), 2)
        for number, draft in drafts.items() if number in standing and distance_km(standing[number], draft) > MOVED_KM
    }  # fmt: skip
    west, south, east, north = region.grid.bounds
    unknown = [
        draft for number, draft in drafts.items()
        if number not in standing and west <= draft.lon <= east and south <= draft.lat <= north
    ]  # fmt: skip
    no_place = [
        number for number, draft in drafts.items() if number not in standing and math.isnan(draft.lat + draft.lon)
    ]  # fmt: skip
    return {
        "time": iso(reports.end), "stations": len(places),
        "unknown": sorted([*(row.id for row in unknown), *no_place]), "no_place": no_place,
        "lines": stations_text(unknown, header=False).splitlines(), "moved": moved,
        "absent": sorted(standing.keys() - places.keys()),
    }  # fmt: skip


def _draft(reports: Reports, index: int, region: Region) -> Station:
    """The row that would describe a report's station."""
    height = round(float(reports.elevation[index]), 1)
    return Station(
        str(reports.station[index]), "", "", float(reports.lat[index]), float(reports.lon[index]), height, float("nan"),
        "", "", "", region.day(reports.end), None, f"{reports.format} report",
    )  # fmt: skip


def _show_checked(item: Mapping[str, Any], lang: str) -> None:
    if item["error"]:
        return
    counts = (item["stations"], len(item["unknown"]), len(item["moved"]), len(item["absent"]))
    en, zh = "{} stations: {} unknown, {} moved, {} absent", "{} 站：未登记 {}，位置不符 {}，缺报 {}"
    SCREEN.print(f"{item['file']} {item['time']} " + say(lang, en, zh).format(*counts), markup=False)
    if item["no_place"]:
        ids = ", ".join(item["no_place"][:MOST_TOLD]) + (" ..." if len(item["no_place"]) > MOST_TOLD else "")
        count = len(item["no_place"])
        SCREEN.print(say(
            lang, f"  {count} of the unknown: place not in the file: {ids}", f"  其中 {count} 站文件中无经纬度：{ids}",
        ), markup=False)  # fmt: skip
    for number, distance in list(item["moved"].items())[:MOST_ROWS]:
        SCREEN.print(say(lang, f"  {number}: {distance:g} km off", f"  {number}：相距 {distance:g} 公里"), markup=False)
    for line in item["lines"]:
        typer.echo(line)
