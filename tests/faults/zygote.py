"""A process that has imported wxcore and forks a child for each job: `wx` with arguments, under a fault.

One JSON object a line comes in (Job), one goes out (Ended). Nothing but imports happens before a fork, so no thread
is lost in it; what a child did is gone with it. The zygote is the reaper of whatever its children started and left.
"""

import atexit
import ctypes
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dask.array  # noqa: F401 (loaded once here, not in every child)
import numpy as np
import xarray as xr

from tests.faults import io_faults
from tests.faults.scene import START, tiny_region, volume_at
from wxcore.cli import app
from wxcore.radar.cinrad import read_standard
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.planes import PLANE_SHAPE
from wxcore.radar.prepare import Surroundings, prepare

TAIL = 4000
"""Characters of a child's words that are kept."""

PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h: orphans of our children become our children, in whichever session they are."""


@dataclass(frozen=True)
class Job:
    """One run of `wx`.

    Attributes:
        words: its arguments; meta: the station_meta folder that it finds regions in.
        call: "module:function" to call with `words` instead of `wx`.
        folder, mode, at: see `io_faults.install`; no faults where mode is empty.
        kill_s: SIGKILL to it after so many seconds; never where negative.
        limit_s: the same, as a failure to end; zone: the host's TZ.
        leave: what it started and left when it ended goes on, for as long as the next job does not end without this.
    """

    words: list[str]
    meta: str
    call: str = ""
    folder: str = ""
    mode: str = ""
    at: int = 0
    kill_s: float = -1.0
    limit_s: float = 60.0
    zone: str = "UTC"
    leave: bool = False
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How it ended: exit code (negative: a signal), seconds, what it printed, the points that it reached."""

    code: int
    seconds: float
    out: str
    err: str
    points: list[str]
    expired: bool


def _child(job: Job, out: str, err: str, points: str) -> int:
    for number, name in ((1, out), (2, err)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update({"TZ": job.zone, "WXCORE_STATION_META": job.meta, **job.env})
    time.tzset()
    faults = io_faults.install(Path(job.folder), job.mode, job.at) if job.mode else None
    code = 0
    try:
        if job.call:
            module, _, name = job.call.partition(":")
            getattr(importlib.import_module(module), name)(*job.words)
        else:
            sys.argv = ["wx", *job.words]
            app.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 (a fork must never return into its parent's code)
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    if faults is not None:
        os.write(os.open(points, os.O_WRONLY | os.O_CREAT), json.dumps(faults.points).encode())
    return code


def _wait(pid: int, job: Job, began: float) -> tuple[int, bool]:
    handle = os.pidfd_open(pid)
    limit = job.limit_s if job.kill_s < 0 else min(job.kill_s, job.limit_s)
    ended = bool(select.select([handle], [], [], max(0.0, began + limit - time.monotonic()))[0])
    if not ended:
        os.killpg(pid, signal.SIGKILL)
    os.close(handle)
    _, status = os.waitpid(pid, 0)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # children that it left
    _reap(kill=not job.leave)
    return os.waitstatus_to_exitcode(status), not ended and job.kill_s < 0


def _reap(*, kill: bool) -> None:
    """Bury the dead among the orphans; `kill` them all first, and what they leave in turn."""
    left = _children()
    while left:
        for pid in left if kill else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            os.waitpid(pid, 0 if kill else os.WNOHANG)
        left = _children() if kill else []


def _children() -> list[int]:
    me = os.getpid()
    return [int(pid) for pid in Path(f"/proc/{me}/task/{me}/children").read_text().split()]


def _run(job: Job, folder: Path) -> Ended:
    names = [str(folder / name) for name in ("out", "err", "points")]
    for name in names:
        Path(name).unlink(missing_ok=True)
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            code = _child(job, *names)
        except BaseException:  # noqa: BLE001 (a fork must never return into its parent's code)
            traceback.print_exc()
            code = 71
        os._exit(code)
    with suppress(PermissionError, ProcessLookupError):  # it has made its own group already
        os.setpgid(pid, pid)
    code, expired = _wait(pid, job, began)
    texts = [Path(name).read_text(errors="replace") if Path(name).exists() else "" for name in names]
    points = json.loads(texts[2]) if texts[2] else []
    return Ended(code, time.monotonic() - began, texts[0], texts[1][-TAIL:], points, expired)


def warm(folder: Path) -> None:
    """Load what every child would load again: lazy imports, and compiled code that starts no thread."""
    (site, *_) = tiny_region(folder).radars
    volume = read_standard(write_standard(volume_at(site, START)))
    prepare(volume, Surroundings(lambda: np.zeros(PLANE_SHAPE, "f4"), 4500.0, 7500.0))
    xr.Dataset({"a": ("x", [1.0])}).to_array().to_numpy()


def serve() -> None:
    """Answer jobs until the input closes."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        warm(Path(folder) / "warm")
        for line in sys.stdin:
            ended = _run(Job(**json.loads(line)), Path(folder))
            sys.stdout.write(json.dumps(asdict(ended)) + "\n")
            sys.stdout.flush()
        _reap(kill=True)


class Zygote:
    """The other end: `run` a job and wait for how it ended."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def run(self, job: Job) -> Ended:
        """Run a job to its end."""
        jobs, answers = self._process.stdin, self._process.stdout
        assert jobs is not None
        assert answers is not None
        jobs.write(json.dumps(asdict(job)) + "\n")
        jobs.flush()
        answer: dict[str, Any] = json.loads(answers.readline())
        return Ended(**answer)

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(timeout=30)


@cache
def _shared() -> Zygote:
    one = Zygote()
    atexit.register(one.close)
    return one


@contextmanager
def zygote() -> Iterator[Zygote]:
    """The one zygote of this process: it is started at first use and ends with the process."""
    yield _shared()


if __name__ == "__main__":
    serve()
