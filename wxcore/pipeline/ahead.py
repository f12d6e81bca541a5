"""Of a watch: volumes are made ready as they arrive, so that a cycle only has to put them together.

One at a time, in a process that can be killed. It is only for speed: what fails here, the cycle meets again and tells.
"""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wxcore.errors import WxcoreError
from wxcore.landing.guard import run_guarded
from wxcore.landing.ledger import STORED, find_file
from wxcore.pipeline.prepared import prepare_ahead
from wxcore.pipeline.result import Input
from wxcore.pipeline.watch_cycles import CYCLE_MEMORY_BYTES, Office
from wxcore.times import CYCLE

WORTH_WITHIN = timedelta(minutes=20)
"""Older volumes belong to cycles of a backlog, which is not waited for [our choice]."""

WALL_S = CYCLE.total_seconds()
"""A volume takes half a second; the first of a new process compiles for half a minute."""


@dataclass
class Ahead:
    """(observation time, sha256) of the volumes that wait, the newest last, and the job at work; all may be lost."""

    waiting: deque[tuple[datetime, str]] = field(default_factory=lambda: deque(maxlen=64))
    job: Future[None] | None = None


def note(ahead: Ahead, item: Input, now: datetime) -> None:
    """Remember a file that was decided, if it is a volume of the present."""
    if item.status == STORED and item.kind == "volume" and item.time is not None and now - item.time <= WORTH_WITHIN:
        ahead.waiting.append((item.time, item.sha256))


def advance(office: Office, ahead: Ahead, now: datetime) -> None:
    """Take the end of the job at work, and begin the next; what has grown old meanwhile is left."""
    if ahead.job is not None:
        if not ahead.job.done():
            return
        ahead.job = None
    while ahead.waiting and now - ahead.waiting[0][0] > WORTH_WITHIN:
        ahead.waiting.popleft()
    if ahead.waiting:
        ahead.job = office.pool.submit(_make_ready, office, ahead.waiting.pop()[1])
        ahead.job.add_done_callback(lambda _: office.wake())


def _make_ready(office: Office, sha256: str) -> None:
    try:
        row = find_file(office.ledger, sha256)
        if row is not None:
            run_guarded(prepare_ahead, office.home, office.region, row, wall_s=WALL_S, memory_bytes=CYCLE_MEMORY_BYTES)
    except (OSError, WxcoreError):
        return
