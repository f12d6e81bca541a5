"""Run what may hang, crash or eat memory in a child that can be killed (RELIABILITY.md A2, A3, finding 4).

Children are long-lived and reused; `run_guarded` may be called from any number of threads, each call has a child
of its own. Plain subprocesses and not multiprocessing: nothing is inherited, and no main module is run again.
Each child leads a process group of its own, which is killed as a whole: a parser that forks leaves nothing behind.
"""

import atexit
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from wxcore.errors import LimitError, Reason, WxcoreError
from wxcore.landing.guard_child import DONE, EXHAUSTED, RAISED, STARTED
from wxcore.landing.wire import Wire, is_running

T = TypeVar("T")

WALL_S = 20.0
"""Wall-clock limit of one decoding [s] (RELIABILITY.md A1: hard kill at 20 s)."""

MEMORY_BYTES = 2 * 2**30
"""Address space of the child (RELIABILITY.md section 4: RLIMIT_AS 2 GiB)."""

START_S = 60.0
"""Limit for starting a child and importing the function's module [s]."""

SPARE_SHARE = 0.1
"""A job that has used this share of its limit, 2 of 20 s, may well be killed (RELIABILITY.md A1: p99 2 s): a spare
child starts and gets ready meanwhile, so that the next file is decoded within a second of the kill (A2). That takes
2 s on a free machine, and ten on a crowded one."""

EXIT_S = 1.0
"""Time for a child that closed its pipe to be gone [s]."""

USES = 200
"""A child is replaced after so many jobs (RELIABILITY.md section 4)."""

TAIL_BYTES = 400
"""How much of a dead child's last words the message shows."""


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    jobs: Wire
    answers: Wire
    uses: int = 0
    slow: bool = False


@dataclass
class _Pool:
    """Children that wait for a job or have one. Belongs to the process `pid`: a forked one must not share the pipes.

    `most` is how many had a job at the same time so far.
    """

    pid: int = 0
    idle: list[_Child] = field(default_factory=list)
    busy: list[_Child] = field(default_factory=list)
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_POOL = _Pool()


def run_guarded(
    function: Callable[..., T],
    *args: Any,
    wall_s: float = WALL_S,
    memory_bytes: int = MEMORY_BYTES,
) -> T:
    """Run `function(*args)` in a child process and return its result.

    Args:
        function: importable by its name (a top-level function); arguments and result can be pickled.
        wall_s: the child is killed after this [s], not counting its start and imports.
        memory_bytes: address space that the child may use.

    Raises:
        LimitError: DECODE_TIMEOUT after `wall_s`; DECODE_CRASH where the child dies, is killed, runs out of memory or
            raises what is no WxcoreError.
        WxcoreError: whatever the function raised of that tree, as it was raised.
    """
    child = _borrow()
    healthy = False
    try:
        tag, value = _ask(child, function, args, wall_s, memory_bytes)
        healthy = tag != EXHAUSTED and _alive(child)
    finally:
        _give_back(child, healthy=healthy)
    if tag == DONE:
        result: T = value
        return result
    if tag == RAISED and isinstance(value, WxcoreError):
        raise value
    raise crash_of(function.__name__, str(value))


def close_guard() -> None:
    """End every waiting child, and kill those at work (also done at exit); their jobs end as DECODE_CRASH."""
    with _POOL.lock:
        children, _POOL.idle, _POOL.most = _POOL.idle, [], 0
        busy = list(_POOL.busy)
    if _POOL.pid == os.getpid():
        for child in children:
            _end(child)
        for child in busy:
            _kill_group(child)


def crash_of(name: str, detail: str) -> LimitError:
    """DECODE_CRASH: `name` (of a file, or of what reads it) could not be decoded because of `detail`."""
    return LimitError(
        Reason.DECODE_CRASH,
        f"{name}: decoding failed ({detail}): the file is damaged or hostile",
        f"{name}：解码失败（{detail}）：文件可能损坏或恶意",
    )


def _ask(
    child: _Child, function: Callable[..., Any], args: tuple[Any, ...], wall_s: float, memory_bytes: int
) -> tuple[str, Any]:
    limit = START_S
    try:
        child.jobs.deadline = child.answers.deadline = time.monotonic() + START_S
        child.jobs.send((wall_s, memory_bytes), (function, args))
        if child.answers.receive() != STARTED:
            raise EOFError
        limit, end = wall_s, time.monotonic() + wall_s
        child.answers.deadline = end - (1 - SPARE_SHARE) * wall_s
        if not child.answers.ready():
            _start_spare(child, function)
        child.answers.deadline = end
        answer: tuple[str, Any] = child.answers.receive()
    except TimeoutError as cause:
        raise _timeout(function.__name__, limit) from cause
    except (EOFError, BrokenPipeError, ConnectionResetError, pickle.UnpicklingError) as cause:
        raise crash_of(function.__name__, _last_words(child)) from cause
    return answer


def _start_spare(slow: _Child, function: Callable[..., Any]) -> None:
    """A child that is ready for the function, unless enough would be left without those that are slow."""
    with _POOL.lock:
        slow.slow = True
        left = len(_POOL.idle) + sum(not child.slow for child in _POOL.busy)
        if left >= _POOL.most:
            return
    spare = _start()
    spare.jobs.deadline = time.monotonic() + START_S
    spare.jobs.send(None, (function, ()))
    with _POOL.lock:
        _POOL.idle.append(spare)


def _timeout(name: str, wall_s: float) -> LimitError:
    return LimitError(
        Reason.DECODE_TIMEOUT,
        f"{name} did not end within {wall_s:g} s and was stopped: the file is damaged or hostile",
        f"{name} 在 {wall_s:g} 秒内未结束，已终止：文件可能损坏或恶意",
    )


def _last_words(child: _Child) -> str:
    """How a child ended whose pipe has closed; its own status tells more than our kill would."""
    end = time.monotonic() + EXIT_S
    while _alive(child) and time.monotonic() < end:
        time.sleep(0.01)
    _kill_group(child)
    status = child.process.wait()
    child.stderr.seek(0, os.SEEK_END)
    child.stderr.seek(max(0, child.stderr.tell() - TAIL_BYTES))
    words = child.stderr.read().decode("utf-8", "replace").strip().splitlines()
    ended = f"killed by {signal.Signals(-status).name}" if status < 0 else f"child ended with status {status}"
    return ended + (f", last said: {words[-1]}" if words else "")


def _borrow() -> _Child:
    with _POOL.lock:
        if _POOL.pid != os.getpid():
            if not _POOL.pid:
                atexit.register(close_guard)
            _POOL.pid, _POOL.idle, _POOL.busy, _POOL.most = os.getpid(), [], [], 0
        child = None
        while child is None and _POOL.idle:
            child = _POOL.idle.pop()
            if not _alive(child):
                _end(child)
                child = None
    child = child or _start()
    with _POOL.lock:
        _POOL.busy.append(child)
        _POOL.most = max(_POOL.most, len(_POOL.busy))
    return child


def _give_back(child: _Child, *, healthy: bool) -> None:
    child.uses += 1
    child.slow = False
    keep = healthy and child.uses < USES
    with _POOL.lock:
        _POOL.busy.remove(child)
        if keep:
            _POOL.idle.append(child)
    if not keep:
        _end(child)


def _start() -> _Child:
    # The child imports from where we import, and -P keeps the working folder out of that.
    here = [str(Path(entry).absolute()) for entry in sys.path if entry]
    code = f"import sys; sys.path[:] = {here!r}; from wxcore.landing.guard_child import main; main()"
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    jobs, answers = (Wire(pipe.fileno(), process.pid) for pipe in (process.stdin, process.stdout))
    return _Child(process, stderr, jobs, answers)


def _alive(child: _Child) -> bool:
    return child.process.returncode is None and is_running(child.process.pid)


def _kill_group(child: _Child) -> None:
    """Kill the child and all that it started. Never after it was reaped: its number may then be somebody else's."""
    if child.process.returncode is None:
        os.killpg(child.process.pid, signal.SIGKILL)


def _end(child: _Child) -> None:
    _kill_group(child)
    child.process.wait()
    for pipe in (child.process.stdin, child.process.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
