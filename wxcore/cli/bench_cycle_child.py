"""`wx bench cycle`, the part that is measured: cycles run one after the other in a process of its own."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from wxcore.cli.bench_cycle_feed import CROWDED
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.recover import recover_home
from wxcore.pipeline.report import publish
from wxcore.pipeline.result import CycleResult, RunResult
from wxcore.pipeline.stages import collecting, peak_mib, stage
from wxcore.region import load_region
from wxcore.times import iso, parse_time

PROC = Path("/proc")


@dataclass(frozen=True)
class Job:
    """What a child does: these cycles, in this home; `flow`: through Prefect; `cores`: it may use."""

    home: str
    meta: str
    cycles: list[str]
    flow: bool = False
    cores: int = 0


def measure(job: Job) -> list[dict[str, Any]]:
    """Run the cycles; of each the seconds of the whole and of its stages, peaks of memory, bytes written."""
    if job.cores:
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: job.cores]))
    home, cycle = Home(Path(job.home)), _through_prefect(job) if job.flow else _direct(job)
    return [_one(home, cycle, parse_time(text)) for text in job.cycles]


def _direct(job: Job) -> Callable[[datetime], CycleResult]:
    """What the flow does, without it."""
    home, region = Home(Path(job.home)), load_region(CROWDED, root=Path(job.meta))

    def cycle(when: datetime) -> CycleResult:
        with stage("recover"):
            recover_home(home, region)
        result = run_cycle(home, region, when)
        publish(home, region, RunResult(region.id, result.inputs, (result,)))
        return result

    return cycle


def _through_prefect(job: Job) -> Callable[[datetime], CycleResult]:
    home, region = Home(Path(job.home)), load_region(CROWDED, root=Path(job.meta))
    flows = import_module("flows.jobs").FLOWS

    def cycle(when: datetime) -> CycleResult:
        result: CycleResult = flows.cycle(home, region, when)
        return result

    return cycle


def _one(home: Home, cycle: Callable[[datetime], CycleResult], when: datetime) -> dict[str, Any]:
    before = archive_bytes(home)
    with collecting() as stages:
        began = time.perf_counter()
        result = cycle(when)
        seconds = time.perf_counter() - began
    return {
        "cycle": iso(when),
        "seconds": seconds,
        "staged": stages.seconds,
        "stages": [
            {
                "name": one.name, "seconds": one.seconds, "busy_s": one.busy_s, "calls": one.calls, "bytes": one.size,
                "peak_mib": one.peak_mib,
            }
            for one in stages.table
        ],
        "peak_mib": stages.peak_mib,
        "children_mib": sum(peak_mib(PROC / str(pid) / "status") for pid in children()),
        "archive_bytes": archive_bytes(home) - before,
        "storms": len(result.storms),
        "stations": len(result.stations),
        "volumes": sum(item.kind == "volume" for item in result.inputs),
        "missing": list(result.missing),
        "committed": result.committed,
    }  # fmt: skip


def archive_bytes(home: Home) -> int:
    """Bytes that the archive takes."""
    return sum(path.stat().st_size for path in Path(home.archive).rglob("*") if path.is_file())


def children(tasks: Path = PROC / "self" / "task") -> Iterator[int]:
    """Processes that this one has started and that still run: those that decode satellites' files.

    Of those of a thread that ends meanwhile, or where the system does not tell, none.
    """
    with suppress(OSError):
        for task in sorted(tasks.iterdir()):
            with suppress(OSError):
                yield from (int(pid) for pid in (task / "children").read_text().split())


def main(text: str) -> None:
    """Measure a Job given as JSON, print what was found as one line of JSON."""
    sys.stdout.write(json.dumps(measure(Job(**json.loads(text)))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
