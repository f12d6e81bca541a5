"""The flows in this process, with the signatures of the plain functions they wrap: what `wx` calls."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx

from flows.cycle import cycle
from flows.ingest import ingest
from wxcore.errors import WxcoreError
from wxcore.pipeline.home import Home
from wxcore.pipeline.result import CycleResult, Input
from wxcore.pipeline.run import Jobs
from wxcore.region import Region
from wxcore.times import iso

PREFECT_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.flow_engine", "prefect.task_engine", "prefect")


def _ingest(
    paths: Sequence[Path], home: Home, region: Region, *, progress: Callable[[Input], None] | None = None
) -> list[Input]:
    with _prefect():
        inputs: list[Input] = ingest([str(path) for path in paths], region.id, str(home.root))
    for item in inputs:
        if progress is not None:
            progress(item)
    return inputs


def _cycle(
    home: Home, region: Region, when: datetime, *, h0_m: float | None = None, hm20_m: float | None = None
) -> CycleResult:
    with _prefect():
        return cycle(iso(when), region.id, str(home.root), h0_m, hm20_m)


@contextmanager
def _prefect() -> Iterator[None]:
    """What goes wrong becomes one clear line, ours or Prefect's with the way out, and no traceback on the screen."""
    for name in PREFECT_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    except (httpx.HTTPError, RuntimeError) as cause:
        raise WxcoreError(
            f"Prefect cannot be used ({cause}): unset PREFECT_API_URL where it is set, give a slow machine "
            "more time (PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=150), or run with --direct",
            f"Prefect 不可用（{cause}）：若已设置 PREFECT_API_URL 请取消；机器较慢时请延长启动时限"
            "（PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=150），或加 --direct 运行",
        ) from cause


FLOWS = Jobs(_ingest, _cycle)
