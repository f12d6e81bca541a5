"""Options that several commands share."""

import importlib
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from wxcore.cli.show import SCREEN, say
from wxcore.pipeline.home import Home
from wxcore.pipeline.recover import recover_home
from wxcore.pipeline.run import DIRECT, Jobs
from wxcore.region import Region
from wxcore.settings import home_at, region_at

Json = Annotated[bool, typer.Option("--json", help="Machine-readable report on stdout. 输出 JSON")]
Lang = Annotated[str, typer.Option("--lang", help="zh or en; WXCORE_LANG, else the locale. 语言")]
RegionId = Annotated[str, typer.Option("--region", help="Folder in WXCORE_STATION_META; WXCORE_REGION. 区域")]
Out = Annotated[Path | None, typer.Option("--out", help="Where archive, ledger and report go; WXCORE_HOME. 输出目录")]

Direct = Annotated[bool, typer.Option("--direct", help="Without Prefect. 不经 Prefect 直接运行")]


def jobs_of(*, direct: bool) -> Jobs:
    """The steps, as flows unless `direct`: that must work even on a machine whose Prefect is broken."""
    return DIRECT if direct else importlib.import_module("flows.jobs").FLOWS


def region_of(region_id: str) -> Region:
    """The region asked for, else the settings'."""
    return region_at(region_id)


def whole_home(out: Path | None, region: Region, lang: str) -> Home:
    """The home asked for, recovered first where a crash or a power cut left it torn; says so on the screen."""
    home = home_of(out)
    found = recover_home(home, region)
    if not found.clean:
        SCREEN.print(say(lang, *found.words), style="yellow", markup=False)
    return home


def home_of(out: Path | None) -> Home:
    """The home asked for, else the settings'."""
    return home_at(out)


def until_told() -> threading.Event:
    """Set once somebody asks this process to end (SIGTERM, Ctrl-C)."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
