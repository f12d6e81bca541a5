"""`wx run`: ingest the files and run the cycles they cover."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from wxcore.errors import WxcoreError
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.gather import AIR, cycles_covered
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.report import publish
from wxcore.pipeline.result import QUARANTINED, CycleResult, Failure, Input, RunResult
from wxcore.region import Region
from wxcore.times import cycle_of


@dataclass(frozen=True)
class Jobs:
    """The two steps of a run, as plain functions or as flows."""

    ingest: Callable[..., list[Input]]
    cycle: Callable[..., CycleResult]


DIRECT = Jobs(ingest, run_cycle)


def plan(inputs: Sequence[Input], at: datetime | None) -> list[tuple[datetime, tuple[Input, ...]]]:
    """The cycles to run, each with the inputs that it lists: every input stands in exactly one cycle.

    Soundings and models make no cycle, and ground stations only where there is nothing else.

    Files that were refused before their time was known stand in the first.
    """
    usable = [item for item in inputs if item.status != QUARANTINED and item.kind not in AIR]
    seen = [item for item in usable if item.kind != "station"] or usable
    dated = [(item.kind, item.site, item.time) for item in seen if item.time is not None]
    cycles = [cycle_of(at)] if at is not None else cycles_covered(dated)
    listed: dict[datetime, list[Input]] = {cycle: [] for cycle in cycles}
    for item in inputs:
        own = cycle_of(item.time) if item.time is not None else None
        if cycles:
            listed[own if own in listed else cycles[0]].append(item)
    return [(cycle, tuple(items)) for cycle, items in listed.items()]


def run(
    paths: Sequence[Path],
    home: Home,
    region: Region,
    *,
    at: datetime | None = None,
    jobs: Jobs = DIRECT,
    heights: tuple[float | None, float | None] = (None, None),
    on_input: Callable[[Input], None] | None = None,
    on_cycle: Callable[[CycleResult], None] | None = None,
) -> RunResult:
    """Ingest and run every cycle covered (or the one at `at`), then write the report.

    Args:
        jobs: what ingests and runs a cycle: plain functions, or the flows around them.
        heights: heights of 0 C and -20 C [m ASL] set by hand.
    """
    inputs = jobs.ingest(paths, home, region, progress=on_input)
    cycles: list[CycleResult] = []
    failures: list[Failure] = []
    for when, items in plan(inputs, at):
        try:
            cycle = jobs.cycle(home, region, when, h0_m=heights[0], hm20_m=heights[1])
        except WxcoreError as error:  # the other cycles, and what was said of each file, must not be lost
            failures.append(Failure(when, error.en, error.zh))
            continue
        cycles.append(_with_offered(cycle, items))
        if on_cycle is not None:
            on_cycle(cycles[-1])
    result = RunResult(region.id, tuple(inputs), tuple(cycles), tuple(failures), str(home.report))
    publish(home, region, result)
    return result


def _with_offered(result: CycleResult, offered: Sequence[Input]) -> CycleResult:
    """The files offered now, as ingest judged them, before those that were on hand already."""
    known = {item.sha256 for item in offered}
    earlier = tuple(item for item in result.inputs if item.sha256 not in known)
    return replace(result, inputs=(*offered, *earlier))
