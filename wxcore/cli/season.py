"""`wx season`: some days of simulated weather through the whole chain, and the samples that come of them. All SYN.

Each day has a scenario, a seed and an air of its own, and a home of its own (no lock is shared): what is done is kept,
and a season that was broken off goes on.
"""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from wxcore.archive.place import write_file
from wxcore.cli.options import Json, Lang
from wxcore.cli.show import SCREEN, print_json, progress, say
from wxcore.errors import WxcoreError
from wxcore.hazard.labels.events import read_events
from wxcore.hazard.samples.archive import Tally, build_samples, join_parts
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.expand import expand
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.region import STATION_META, load_region
from wxcore.schema import HAZARDS
from wxcore.settings import language, load_settings
from wxcore.simulate.feed import SEED, THREADS, setting_of, write_feed
from wxcore.simulate.planned import Scale, Setting
from wxcore.simulate.scene import Air
from wxcore.simulate.truth import FOLDER, write_truth
from wxcore.times import cycle_of, iso

REGION = "chongqing"
RADARS = ("Z9230", "Z9092", "Z9090", "Z9091", "Z9817")
"""Around the city and down the river: most of the box is seen by one or two, its edges by none."""

SEASON = Scale("season", RADARS, ("FY-4B",), 400, 6)
FIRST_DAY = datetime(2026, 6, 1, 7, 0, tzinfo=UTC)
"""First observation of the first day: mid-afternoon in Chongqing."""

WEATHER = (
    "afternoon", "multicell", "supercell", "squall_line", "pulse", "stratiform", "afternoon", "supercell",
    "multicell", "squall_line",
)  # fmt: skip
"""Scenario of each day, again from the first after the last."""

H0_M, DEPTH_M, GROUND_C, DEW_K, WIND = (4500.0, 5500.0), (3100.0, 3500.0), (27.0, 34.0), (5.0, 10.0), (0.8, 1.2)
"""Ranges of the air of a day [our choice, of a flood season]: height of 0 C [m ASL]; depth from there to -20 C [m];
temperature at the ground [degC]; how much below it the dew point is [K]; what the wind is multiplied by. Storms keep
the motion of their scenario."""

AIR_DRAW = 94
"""Tells these draws from others with the same seed."""

DAYS, DONE, EVENTS, MARK, SAMPLES, TALLIES = (
    "days", "done.json", "events.csv", "season.json", "samples", "tallies",
)  # fmt: skip
AFTER = timedelta(hours=1)

SeasonOut = Annotated[Path, typer.Option("--out", help="A folder of the season's own. 输出目录")]
Days = Annotated[int, typer.Option("--days", min=1, max=60, help="How many days. 天数")]
Hours = Annotated[float, typer.Option("--hours", min=0.2, max=12, help="Length of each day's weather [h]. 每天时长")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same season. 随机种子")]
Workers = Annotated[int, typer.Option("--jobs", min=1, max=32, help="Days at a time. 并行天数")]


@dataclass(frozen=True)
class Day:
    """One day of a season."""

    number: int
    hours: float
    seed: int
    folder: Path

    @property
    def start(self) -> datetime:
        """First observation (UTC)."""
        return FIRST_DAY + timedelta(days=self.number)

    @property
    def scenario(self) -> str:
        """Its weather."""
        return WEATHER[self.number % len(WEATHER)]

    @property
    def home(self) -> Home:
        """Where its archive is."""
        return Home(self.folder / "home")


def season_command(
    out: SeasonOut, days: Days = 10, hours: Hours = 2.5, seed: Seed = SEED, jobs: Workers = 2, as_json: Json = False,
    lang: Lang = "",
) -> None:  # fmt: skip
    """Simulate a season of convective days (SYN) through the whole chain; samples of all hazards. 模拟季."""
    lang = language(lang or load_settings().lang)
    settle(out, {"hours": hours, "seed": seed})
    wanted = [Day(number, hours, seed, out / DAYS / f"{number:02d}") for number in range(days)]
    with progress() as bar:
        task = bar.add_task(say(lang, "days", "天"), total=days)
        for day in _run(wanted, jobs):
            text = f"{day.start:%Y-%m-%d} {day.scenario}"
            bar.console.print(f"✓ {text}", style="green", markup=False, highlight=False)
            bar.advance(task)
    tallies = join_season(wanted, out)
    if as_json:
        print_json({"truth": "SYN", "days": days, "hazards": {name: asdict(tally) for name, tally in tallies.items()}})
    for hazard, tally in tallies.items() if not as_json else ():
        told = f"{tally.rows} rows, {tally.storms} storms", f"{tally.rows} 行，{tally.storms} 个风暴"
        SCREEN.print(f"SYN {hazard}: {say(lang, *told)}: {out / hazard}.parquet", markup=False, highlight=False)


def day_setting(day: Day) -> Setting:
    """What is simulated of a day: its scenario's storms, with a seed and an air of the day's own."""
    region = load_region(REGION, root=STATION_META)
    seed = day.seed + day.number
    setting = setting_of(region, SEASON, start=day.start, hours=day.hours, scenario=day.scenario, seed=seed)
    return replace(setting, world=replace(setting.world, air=day_air(setting.world.air, seed)))


def day_air(air: Air, seed: int) -> Air:
    """The air with heights, warmth, moisture and wind drawn anew."""
    random = np.random.default_rng([seed, AIR_DRAW])
    h0, depth, ground, dew, wind = (float(random.uniform(*bounds)) for bounds in (H0_M, DEPTH_M, GROUND_C, DEW_K, WIND))
    winds = tuple((height, wind * u, wind * v) for height, u, v in air.winds)
    return replace(air, h0_m=h0, hm20_m=h0 + depth, ground_c=ground, dew_point_c=ground - dew, winds=winds)


def run_day(day: Day) -> Day:
    """Simulate, ingest and cycle a day, and build its samples; nothing where that was done."""
    if (day.folder / DONE).is_file():
        return day
    shutil.rmtree(day.folder, ignore_errors=True)  # what a broken-off run left
    setting, feed = day_setting(day), day.folder / "feed"
    for _ in write_feed(setting, feed, jobs=1):
        pass
    taken = ingest(expand([feed]), day.home, setting.region, now=setting.end + AFTER)
    cycles = sorted({cycle_of(item.time) for item in taken if item.kind == "volume" and item.time is not None})
    for when in cycles:
        run_cycle(day.home, setting.region, when, issue=False)
    write_truth(setting, day.folder)
    tallies = build_samples(
        day.home.archive, setting.region, HAZARDS, (cycles[0], cycles[-1]), day.folder / SAMPLES,
        events=read_events(day.folder / FOLDER / EVENTS),
    )  # fmt: skip
    for folder in (feed, day.home.landing):
        shutil.rmtree(folder, ignore_errors=True)
    told = {"start": iso(day.start), "scenario": day.scenario, "cycles": len(cycles)}
    counts = {hazard: asdict(tally) for hazard, tally in tallies.items()}
    write_file(day.folder / DONE, json.dumps(told | {TALLIES: counts}).encode())
    return day


def _run(days: list[Day], jobs: int) -> Iterator[Day]:
    """The days as they end; in this process where `jobs` is 1."""
    if jobs == 1:
        yield from map(run_day, days)
        return
    with _threads_each(jobs), ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        waiting: list[Future[Day]] = [pool.submit(run_day, day) for day in days]
        try:
            for future in as_completed(waiting):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _threads_each(jobs: int) -> Iterator[None]:
    """Processes that begin in here share the cores."""
    each = str(max(1, (os.cpu_count() or 1) // jobs))
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, each))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def join_season(days: list[Day], out: Path) -> dict[str, Tally]:
    """One file of samples a hazard, of all days in order."""
    counts = [json.loads((day.folder / DONE).read_text(encoding="utf-8"))[TALLIES] for day in days]
    for hazard in HAZARDS:
        source = f"season of {len(days)} simulated days of {days[0].hours:g} h, seed {days[0].seed}"
        join_parts([day.folder / SAMPLES / f"{hazard}.parquet" for day in days], out / f"{hazard}.parquet", source)
    return {hazard: sum((Tally(**count[hazard]) for count in counts), Tally()) for hazard in HAZARDS}


def settle(out: Path, asked: dict[str, float]) -> None:
    """Make `out` the season's folder.

    Raises:
        WxcoreError: it holds something else, or a season of another seed or length of day.
    """
    mark = out / MARK
    if mark.is_file():
        found = json.loads(mark.read_text(encoding="utf-8"))
        if found == asked:
            return
        raise WxcoreError(
            f"{out} holds a season of {found}, asked was {asked}: give another --out, or the same options",
            f"{out} 中已有参数为 {found} 的模拟季，与 {asked} 不同：请换 --out 或使用相同参数",
        )
    if out.is_dir() and any(out.iterdir()):
        raise WxcoreError(
            f"{out} holds something else: give --out a folder that is new or empty",
            f"{out} 中已有其他内容：请用 --out 指定新的或空的目录",
        )
    out.mkdir(parents=True, exist_ok=True)
    write_file(mark, json.dumps(asked).encode())
