"""`wx stations gusts`: the gusts of gale force in files or in the archive, what to think of each, and a map."""

import math
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from wxcore.archive.place import write_file
from wxcore.cli.options import Json, Lang, Out, RegionId, region_of, whole_home
from wxcore.cli.show import SCREEN, print_error, print_json, say
from wxcore.errors import ReadError
from wxcore.hazard.gale_truth import CONVECTIVE
from wxcore.hazard.gale_truth import VERDICTS as ORDER
from wxcore.pipeline.gust_map import gust_map
from wxcore.pipeline.gusts import Gusts, gusts_of_archive, gusts_of_files, to_json
from wxcore.pipeline.home import Home
from wxcore.pipeline.read import read_file
from wxcore.region import Region
from wxcore.settings import language, load_settings
from wxcore.station.reports import Reports
from wxcore.times import iso, parse_time

MOST_ROWS = 40
"""Stations on the screen, each with its strongest gust; --json gives all gusts, and why each is judged so."""

HEADINGS = (
    ("time (BJT)", "时间（北京时）"), ("station", "站号"), ("m", "海拔"), ("m/s", "米/秒"), ("from", "风向"),
    ("times", "次数"), ("supported", "佐证"), ("verdict", "判定"),
)  # fmt: skip
VERDICTS = (
    {verdict: verdict.replace("_", " ") for verdict in ORDER},
    dict(zip(ORDER, ("雷暴大风", "非对流", "系统性大风", "山脊站", "无法核实", "可疑", "低于阈值"), strict=True)),
)
SUPPORT = {1.0: "✓", 0.0: "✗"}

Files = Annotated[
    list[Path] | None, typer.Argument(help="Files of reports; the archive where none. 观测文件（缺省：归档）")
]
Start = Annotated[str, typer.Option("--start", help="Of the archive, UTC. 起始时间（UTC）")]
End = Annotated[str, typer.Option("--end", help="Of the archive, UTC. 结束时间（UTC）")]
Map = Annotated[Path | None, typer.Option("--map", help="Draw a PNG. 输出地图 PNG")]


def gusts_command(
    files: Files = None, region: RegionId = "", start: Start = "", end: End = "", out: Out = None,
    map_to: Map = None, as_json: Json = False, lang: Lang = "",
) -> None:  # fmt: skip
    """Gusts of 17.2 m/s or more, and whether they were a thunderstorm's (rules.toml [gale_truth]). 大风阵风与判定."""
    lang = language(lang or load_settings().lang)
    where = region_of(region)
    home = whole_home(out, where, lang)
    left_out = False
    if files:
        found, left_out = _of_files(files, where, home, lang)
    else:
        if not (start and end):
            raise typer.BadParameter("give files, or --start and --end 请给出文件，或 --start 与 --end")
        found = gusts_of_archive(home, where, parse_time(start), parse_time(end))
    if map_to is not None:
        title = f"{where.name_en}: gusts >= {found.rules.threshold_m_s:g} m/s, {iso(found.start)} to {iso(found.end)}"
        write_file(map_to, gust_map(where, found.table, title))
    if as_json:
        print_json(to_json(found, where))
    else:
        _show(found, lang)
    if map_to is not None and not as_json:
        SCREEN.print(say(lang, f"map: {map_to}", f"地图：{map_to}"), markup=False)
    if left_out:
        raise typer.Exit(1)


def _of_files(files: list[Path], region: Region, home: Home, lang: str) -> tuple[Gusts, bool]:
    """Their gusts, and whether files were left out: those that cannot be read, which are told."""
    try:
        return gusts_of_files(files, region, home=home), False
    except ReadError:
        usable = [file for file in files if _usable(file, lang)] if len(files) > 1 else []
        if not usable and len(files) > 1:
            raise typer.Exit(1) from None
        if len(usable) in {0, len(files)}:
            raise
    return gusts_of_files(usable, region, home=home), True


def _usable(file: Path, lang: str) -> bool:
    try:
        native = read_file(file, file.name).native
    except ReadError as error:
        print_error(error, lang)
        return False
    if not isinstance(native, Reports):
        told = say(lang, f"{file.name}: no file of station reports: left out", f"{file.name}：不是站点观测文件，已略去")
        SCREEN.print(told, style="bold red", markup=False)
    return isinstance(native, Reports)


def _show(found: Gusts, lang: str) -> None:
    table = Table()
    for pair in HEADINGS:
        table.add_column(say(lang, *pair))
    ordered = found.table.sort_values("gust_m_s", ascending=False, kind="stable")
    times = ordered["station_id"].value_counts()
    for row in ordered.drop_duplicates("station_id").head(MOST_ROWS).to_dict("records"):
        table.add_row(
            f"{row['time'] + timedelta(hours=8):%m-%d %H:%M}", row["station_id"], _whole(row["elevation_m"]),
            f"{row['gust_m_s']:.1f}", _whole(row["gust_from_deg"]), str(times[row["station_id"]]),
            SUPPORT.get(row["gust_supported"], "–"), VERDICTS[lang == "zh"][row["verdict"]],
        )  # fmt: skip
    SCREEN.print(table)
    stations, events = found.table["station_id"].nunique(), int((found.table["verdict"] == CONVECTIVE).sum())
    least, gusts = f"{found.rules.threshold_m_s:g}", len(found.table)
    en = (
        f"{gusts} gusts of {least} m/s or more at {stations} of {found.stations} stations, of {found.reports} gust "
        f"reports; {found.flagged} flagged; {events} convective gales"
    )
    zh = (
        f"{least} 米/秒以上阵风 {gusts} 次，{stations}/{found.stations} 站，阵风报文共 {found.reports} 次；"
        f"质控标记 {found.flagged} 次；雷暴大风 {events} 次"
    )
    SCREEN.print(say(lang, en, zh), markup=False)


def _whole(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "–"
