"""`wx compile`: compile the numba kernels before they are needed, on a small simulated cycle that is thrown away.

A first cycle that compiles takes a minute more: too long at 3 a.m., and for a newcomer. `make setup` does it.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from wxcore.cli.options import Lang
from wxcore.cli.show import SCREEN, progress, say
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.expand import expand
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.region import STATION_META, load_region
from wxcore.settings import language, load_settings
from wxcore.simulate.feed import AFTERNOON, file_count, setting_of, write_feed
from wxcore.simulate.planned import Scale
from wxcore.times import cycle_of

EACH = Scale("each", ("Z9230", "Z9090"), ("FY-2H", "FY-4A", "FY-4B", "FY-3D"), 60, 6)
"""A little of every kind: a standard and a legacy volume, disks, a swath, both lightning sources, stations."""

HOURS = 0.3
"""Long enough for a pass, and for some cycles with radars."""


def compile_command(lang: Lang = "") -> None:
    """Compile the numerical kernels ahead of the first cycle; a repeat takes seconds. 预编译计算内核."""
    lang = language(lang or load_settings().lang)
    began = time.monotonic()
    setting = setting_of(load_region("chongqing", root=STATION_META), EACH, start=AFTERNOON, hours=HOURS)
    with TemporaryDirectory(prefix="wxcore-kernels-") as name, progress() as bar:
        feed = Path(name) / "feed"
        files = write_feed(setting, feed, jobs=1)
        for _ in bar.track(files, total=file_count(setting), description=say(lang, "simulate", "模拟")):
            pass
        home = Home(Path(name) / "home")
        volumes = [item.time for item in ingest(expand([feed]), home, setting.region) if item.kind == "volume"]
        cycles = sorted({cycle_of(time) for time in volumes if time is not None})
        for when in bar.track(cycles, description=say(lang, "cycles", "时次")):
            run_cycle(home, setting.region, when)
    seconds = time.monotonic() - began
    SCREEN.print(say(lang, f"kernels ready, {seconds:.0f} s", f"计算内核已就绪，{seconds:.0f} 秒"))
