"""`wx bench cycle`: whole cycles of a full-scale feed, stage by stage beside the budget of PERFORMANCE.md."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import numba
import numpy as np
import typer
from rich.table import Table

from wxcore.cli.bench_core import slowness
from wxcore.cli.bench_cycle_child import Job
from wxcore.cli.bench_cycle_feed import CROWDED, FILES, META, MOST_RADARS, full_scale_feed, region_of_feed
from wxcore.cli.bench_cycle_scaling import Load, Point, efficiency, loads, write_scaling
from wxcore.cli.bench_table import Row, against, show_rows, timed
from wxcore.cli.demo import OURS
from wxcore.cli.show import SCREEN, print_json
from wxcore.errors import WxcoreError
from wxcore.pipeline.expand import expand
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.region import STATION_META
from wxcore.simulate.network import MOST
from wxcore.times import cycle_of, iso

CYCLE_S, LATE_S, COMPUTE_S, PREFECT_S, PEAK_GIB, ARCHIVE_MB = 8.0, 12.0, 6.0, 2.0, 2.5, 10.0
"""Goals of issue 7 and PERFORMANCE.md goals 7, 10 and 11: median and 95th percentile of a cycle with Prefect, median of
one without, Prefect's part, peak memory, bytes written."""

NOT_OURS = (*OURS, "PREFECT_API_URL")
"""Settings of an installation that must not reach a bench: its archive, ledger, folders and Prefect server."""

SCALING = Path("build/bench-cycle")
"""Where scaling.json and scaling.png go without --out."""

BUDGET: tuple[tuple[str, tuple[str, ...], float | None], ...] = (
    ("choose files, environment, recovery", ("recover", "choose", "environment"), None),
    ("decode", ("read prepared", "decode"), 1.0),
    ("quality control, dealiasing, shear", ("prepare",), 2.8),
    ("mosaic, planes, radars compared", ("mosaic", "planes", "compare radars"), 0.25),
    ("products", ("products",), 0.02),
    ("satellites", ("read sky files", "satellite"), 0.15),
    ("lightning", ("lightning",), None),
    ("stations", ("stations",), 0.15),
    ("storms", ("storms",), 0.25),
    ("probabilities", ("probabilities",), 0.3),
    ("nowcast, drafts, pictures, report", ("drafts", "pictures", "report"), 0.5),
    ("commit", ("commit", "record"), 0.25),
)
"""Step, the stages that it is made of (wxcore.pipeline.stages), and its part of the budget of PERFORMANCE.md [s]."""

Measured = list[dict[str, Any]]


@dataclass(frozen=True)
class Prepared:
    """A home with everything ingested, the cycles that all radars scanned, how many these are, and the stations."""

    home: Path
    meta: Path
    cycles: list[datetime]
    radars: int
    stations: int


def bench_cycle(
    cycles: Annotated[int, typer.Option("--cycles", min=2, help="Cycles of a run; the first is discarded. 时次数")] = 4,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, help="Runs with and without Prefect, each a process. 重复次数")
    ] = 3,
    radars: Annotated[int, typer.Option("--radars", min=1, max=MOST_RADARS, help="Radars. 雷达数")] = 14,
    stations: Annotated[int, typer.Option("--stations", min=1, max=MOST, help="Ground stations. 地面站数")] = 2500,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Cores that a cycle may use. 可用核数")] = 2,
    feed: Annotated[
        Path | None, typer.Option("--feed", help="A feed that is there, with its radars and stations. 已有的模拟资料")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Keep files and homes here. 保留文件的目录")] = None,
    yardstick: Annotated[
        Path | None, typer.Option("--yardstick", help="Z9517 file of DATA.md: how fast is this machine? 标定文件")
    ] = None,
    scaling: Annotated[
        bool,
        typer.Option(
            "--scaling",
            help="Also by cores, radars, stations; scaling.json and .png in --out, else build/bench-cycle. 扩展性",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Whole cycles at full scale, against PERFORMANCE.md goals 7, 10 and 11. 完整时次的速度与内存."""
    load = Load(radars, stations, workers)
    with nullcontext(str(out)) if out is not None else tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready = made_ready(folder, feed or full_scale_feed(folder / "files", radars, stations, cycles).parent, cycles)
        load = load if feed is None else replace(load, radars=ready.radars, stations=ready.stations)
        direct, flow, machines = [], [], [_machine(yardstick)]
        for _ in range(repeat):
            direct.append(run_child(ready, folder / "run", load))
            machines.append(_machine(yardstick))
            flow.append(run_child(ready, folder / "flow", load, flow=True))
            machines.append(_machine(yardstick))
        points = scaling_points(folder, load, ready, cycles, yardstick) if scaling else []
        written = write_scaling(out or SCALING, points) if points else ()
    _show(load, direct, flow, float(np.median(machines)), points, as_json=as_json)
    for path in () if as_json else written:
        SCREEN.print(str(path))


def _machine(yardstick: Path | None) -> float:
    return 1.0 if yardstick is None else slowness([yardstick])


def _show(
    load: Load,
    direct: Sequence[Measured],
    flow: Sequence[Measured],
    machine: float,
    points: Sequence[Point],
    *,
    as_json: bool,
) -> None:
    measured = _later(direct)
    rows = goal_rows(direct, flow, machine)
    if points:
        rows.append(Row("... speed by core, two against one", efficiency(points), None, "", None, 1.0, at_most=False))
    if as_json:
        told = {"cpus": os.cpu_count(), "numba": numba.__version__, "python": sys.version.split()[0]}
        print_json({
            "machine": told | {"slowness": machine}, "load": asdict(load),
            "rows": [{**asdict(row), "held": row.held} for row in rows], "steps": steps(measured, machine),
            "stages": stage_medians(measured), "runs": list(direct), "flow": list(flow),
            "scaling": [asdict(point) for point in points],
        })  # fmt: skip
        return
    show_rows("wx bench cycle", rows, as_json=False)
    show_steps(measured, machine)


def scaling_points(folder: Path, base: Load, of_base: Prepared, cycles: int, yardstick: Path | None) -> list[Point]:
    """One run of each load, between two measurements of the machine; the files of each network are made once, those of
    the base load are there."""
    ready = {(base.radars, base.stations): of_base}
    points = []
    for varied, load in loads(base):
        key = load.radars, load.stations
        if key not in ready:
            place = folder / f"scaling-{load.radars}-{load.stations}"
            ready[key] = made_ready(place, full_scale_feed(place / "files", *key, cycles).parent, cycles)
        before = _machine(yardstick)
        measured = run_child(ready[key], folder / "scaling-run", load)[1:]
        machine = (before + _machine(yardstick)) / 2
        found = {str(one["step"]): float(one["seconds"]) / machine for one in steps(measured, machine)}
        peak = max(one["peak_mib"] for one in measured)
        points.append(Point(varied, load, _median(measured) / machine, peak, found, machine))
    return points


def made_ready(folder: Path, feed: Path, cycles: int) -> Prepared:
    """Ingest the feed into a home; the newest cycles of those for which the most radars sent a volume.

    Raises:
        WxcoreError: fewer such cycles than were asked for.
    """
    region, home = region_of_feed(feed), folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    files = feed / FILES if (feed / FILES).is_dir() else feed
    inputs = ingest(expand([files]), Home(home), region)
    volumes = {(cycle_of(item.time), item.site) for item in inputs if item.kind == "volume" and item.time is not None}
    scanned = Counter(cycle for cycle, _ in volumes)
    full = sorted(cycle for cycle, count in scanned.items() if count == max(scanned.values()))
    if len(full) < cycles:
        raise WxcoreError(
            f"{feed}: only {len(full)} cycles of all radars, {cycles} asked for: give more files, or fewer --cycles",
            f"{feed}：雷达资料齐全的时次只有 {len(full)} 个，要求 {cycles} 个：请增加文件或减小 --cycles",
        )
    meta = feed / META if (feed / META).is_dir() else STATION_META
    return Prepared(home, meta, full[-cycles:], max(scanned.values()), len(region.stations))


def run_child(ready: Prepared, home: Path, load: Load, *, flow: bool = False) -> Measured:
    """The cycles in a fresh process, on a copy of the home: a cycle that is there already commits nothing.

    No installation is touched: the process does not see NOT_OURS.
    """
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(ready.home, home)
    job = Job(str(home), str(ready.meta), [iso(when) for when in ready.cycles], flow, load.workers)
    threads = {name: str(load.workers) for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS")}
    command = [sys.executable, "-m", "wxcore.cli.bench_cycle_child", json.dumps(asdict(job))]
    kept = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    environment = kept | threads | {"WXCORE_STATION_META": str(ready.meta), "WXCORE_REGION": CROWDED}
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    shutil.rmtree(home)
    measured: Measured = json.loads(told.stdout.splitlines()[-1])
    return measured


def goal_rows(direct: Sequence[Measured], flow: Sequence[Measured], machine: float) -> list[Row]:
    """The whole cycle with Prefect and without, memory and bytes against their goals.

    The first cycle of each run, which also loads and compiles, is in a row of its own and in no other.

    Args:
        direct, flow: runs without Prefect and with it.
    """
    computed, whole = _later(direct), _later(flow)
    one = whole[0]
    title = f"{one['volumes']} volumes, {one['stations']} stations, {one['storms']} storms"
    late = float(np.percentile([one["seconds"] for one in whole], 95))
    peak = max(one["peak_mib"] for one in computed + whole) / 1024
    children = max(one["children_mib"] for one in computed + whole) / 1024
    written = float(np.median([one["archive_bytes"] for one in computed])) / 1e6
    first = _median([run[0] for run in flow])
    return [
        timed(f"a cycle with Prefect: {title}; median of {len(whole)}", _median(whole), CYCLE_S, machine),
        timed("... 95th percentile", late, LATE_S, machine),
        timed(f"... without Prefect; median of {len(computed)}", _median(computed), COMPUTE_S, machine),
        timed(
            "... Prefect's part: the one median less the other", _median(whole) - _median(computed), PREFECT_S, machine
        ),
        Row(
            f"... first cycle of a process, with Prefect; median of {len(flow)}",
            first,
            None,
            "",
            None,
            1.0,
            at_most=True,
        ),
        against("... peak memory [GiB]", peak, PEAK_GIB),
        against("... and with that of the decoders still running [GiB]", peak + children, PEAK_GIB),
        against("... bytes added to the archive [MB]", written, ARCHIVE_MB),
    ]


def _later(runs: Sequence[Measured]) -> Measured:
    """The cycles of all runs, without the first one of each."""
    return [one for run in runs for one in run[1:]]


def _median(measured: Measured) -> float:
    return float(np.median([one["seconds"] for one in measured]))


def stage_medians(measured: Measured) -> list[dict[str, Any]]:
    """Of each stage, in the order as run: medians of seconds, calls and bytes, and the largest peak."""
    names = dict.fromkeys(stage["name"] for one in measured for stage in one["stages"])
    found = []
    for name in names:
        mine = [[stage for stage in one["stages"] if stage["name"] == name] for one in measured]
        figures = {
            key: float(np.median([sum(stage[key] for stage in each) for each in mine]))
            for key in ("seconds", "busy_s", "calls", "bytes")
        }
        peak = max(stage["peak_mib"] for each in mine for stage in each)
        found.append({"name": name, **figures, "peak_mib": peak})
    return found


def steps(measured: Measured, machine: float) -> list[dict[str, Any]]:
    """The steps of the budget: medians over the cycles of the seconds of their stages; what is in no stage last."""
    found = []
    for title, names, budget in BUDGET:
        mine = [[stage for stage in one["stages"] if stage["name"].split("/")[0] in names] for one in measured]
        found.append({
            "step": title,
            "seconds": float(np.median([sum(stage["seconds"] for stage in each) for each in mine])),
            "budget_s": None if budget is None else budget * machine,
            "peak_mib": max((stage["peak_mib"] for each in mine for stage in each), default=0.0),
        })  # fmt: skip
    known = {name for _, names, _ in BUDGET for name in names}
    other = [
        one["seconds"] - sum(stage["seconds"] for stage in one["stages"] if stage["name"].split("/")[0] in known)
        for one in measured
    ]
    return [*found, {"step": "all else", "seconds": float(np.median(other)), "budget_s": None, "peak_mib": 0.0}]


def show_steps(measured: Measured, machine: float) -> None:
    """The steps beside their budget, on the screen."""
    table = Table(title="step by step, medians")
    for heading in ("step", "s", "budget [s]", "", "peak [MiB]"):
        table.add_column(heading)
    for one in steps(measured, machine):
        budget = one["budget_s"]
        mark = "–" if budget is None else "✓" if one["seconds"] <= budget else "✗"
        limit = "–" if budget is None else f"{budget:.2f}"
        table.add_row(one["step"], f"{one['seconds']:.3f}", limit, mark, f"{one['peak_mib']:.0f}")
    SCREEN.print(table)
