"""The flows in this process, with the signatures of the plain functions they wrap: what `wx` calls."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from flows.cycle import cycle
from flows.ingest import ingest
from wxcore.pipeline.home import Home
from wxcore.pipeline.result import CycleResult, Input
from wxcore.pipeline.run import Jobs
from wxcore.region import Region
from wxcore.times import iso


def _ingest(
    paths: Sequence[Path], home: Home, region: Region, *, progress: Callable[[Input], None] | None = None
) -> list[Input]:
    inputs: list[Input] = ingest([str(path) for path in paths], region.id, str(home.root))
    for item in inputs:
        if progress is not None:
            progress(item)
    return inputs


def _cycle(
    home: Home, region: Region, when: datetime, *, h0_m: float | None = None, hm20_m: float | None = None
) -> CycleResult:
    return cycle(iso(when), region.id, str(home.root), h0_m, hm20_m)


FLOWS = Jobs(_ingest, _cycle)
