"""`wx watch`: run for ever, ingest what arrives, a cycle every six minutes."""

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from wxcore.cli.options import Json, Lang, Out, RegionId, home_of, region_of, until_told
from wxcore.cli.show import SCREEN, say
from wxcore.landing.arrivals import beneath
from wxcore.pipeline.catchup import BACK
from wxcore.pipeline.watch import POLL_S, Plan, watch
from wxcore.pipeline.watch_cycles import Told
from wxcore.settings import language, load_settings

STYLES = {"failed": "bold red", "paused": "bold red", "silent": "bold yellow", "cycle": "bold", "recovered": "yellow"}
Roots = Annotated[list[Path] | None, typer.Argument(help="Folders that files arrive in; WXCORE_INCOMING. 资料到达目录")]


def watch_command(
    roots: Roots = None,
    region: RegionId = "",
    out: Out = None,
    poll_s: Annotated[
        float, typer.Option("--poll-s", min=0.05, help="Pause between two looks [s]. 轮询间隔（秒）")
    ] = POLL_S,
    back_h: Annotated[
        float, typer.Option("--back-h", min=0, help="Older cycles are not run by themselves [h]. 不自动补算更早的时次")
    ] = BACK / timedelta(hours=1),
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when nothing is left to do. 处理完毕即退出")
    ] = False,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Run for ever: ingest what arrives, run its cycles, newest first. 持续监视与分析."""
    settings = load_settings()
    lang = language(lang or settings.lang)
    folders = tuple(roots or settings.incoming)
    absent = [str(folder) for folder in folders if not folder.is_dir()]
    if absent or not folders:
        en, zh = (f"no such folder: {', '.join(absent)}", f"没有此目录：{'、'.join(absent)}")
        raise typer.BadParameter(say(lang, en, zh) if absent else say(lang, "no folder named", "未指定目录"))
    home = home_of(out)
    strangers = [str(folder) for folder in folders if home.sources and not beneath(folder, home.sources)]
    if strangers:
        names = ", ".join(strangers)
        raise typer.BadParameter(say(lang, f"outside of WXCORE_ROOTS: {names}", f"不在 WXCORE_ROOTS 之内：{names}"))
    stop = until_told()

    def tell(told: Told) -> None:
        with suppress(OSError):  # a screen or a log that takes no more does not end the watch
            if as_json:
                line = {"event": told.kind, "message": say(lang, told.en, told.zh), **told.data}
                typer.echo(json.dumps(line, ensure_ascii=False))
            else:
                SCREEN.print(say(lang, told.en, told.zh), style=STYLES.get(told.kind), markup=False)

    plan = Plan(folders, poll_s, timedelta(hours=back_h), until_idle)
    if not watch(plan, home, region_of(region), tell=tell, stop=stop):
        raise typer.Exit(1)
