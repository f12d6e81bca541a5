"""Run what may hang, crash or eat memory in a child that can be killed (RELIABILITY.md A2, A3, finding 4).

Children are long-lived and reused; `run_guarded` may be called from any number of threads, each call has a child
of its own. Plain subprocesses and not multiprocessing: nothing is inherited, and no main module is run again.
"""

import atexit
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from wxcore.errors import LimitError, Reason, WxcoreError
from wxcore.landing.guard_child import DONE, RAISED, STARTED

T = TypeVar("T")

WALL_S = 20.0
"""Wall-clock limit of one decoding [s] (RELIABILITY.md A1: hard kill at 20 s)."""

MEMORY_BYTES = 2 * 2**30
"""Address space of the child (RELIABILITY.md section 4: RLIMIT_AS 2 GiB)."""

START_S = 60.0
"""Limit for starting a child and importing the function's module [s]."""

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
    uses: int = 0


@dataclass
class _Pool:
    """Children that wait for a job. Belongs to the process `pid`: a forked one must not share the pipes."""

    pid: int = 0
    idle: list[_Child] = field(default_factory=list)
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
        LimitError: DECODE_TIMEOUT after `wall_s`; DECODE_CRASH where the child dies, runs out of memory or raises
            what is no WxcoreError.
        WxcoreError: whatever the function raised of that tree, as it was raised.
    """
    child = _borrow()
    healthy = False
    try:
        answer = _ask(child, function, args, wall_s, memory_bytes)
        healthy = child.process.poll() is None
    finally:
        _give_back(child, healthy=healthy)
    tag, value = answer
    if tag == DONE:
        result: T = value
        return result
    if tag == RAISED and isinstance(value, WxcoreError):
        raise value
    raise _crash(function, str(value))


def close_guard() -> None:
    """End every waiting child (also done at exit)."""
    with _POOL.lock:
        children, _POOL.idle = _POOL.idle, []
    if _POOL.pid == os.getpid():
        for child in children:
            _end(child)


def _ask(
    child: _Child, function: Callable[..., Any], args: tuple[Any, ...], wall_s: float, memory_bytes: int
) -> tuple[str, Any]:
    jobs, answers = child.process.stdin, child.process.stdout
    assert jobs is not None
    assert answers is not None
    expired = threading.Event()
    timer = _timer(child, expired, START_S)
    try:
        pickle.dump((wall_s, memory_bytes), jobs)
        pickle.dump((function, args), jobs, protocol=pickle.HIGHEST_PROTOCOL)
        jobs.flush()
        if answers.read(1) != STARTED:
            raise _ended(child, function, expired, START_S)
        timer.cancel()
        timer = _timer(child, expired, wall_s)
        answer: tuple[str, Any] = pickle.load(answers)
    except (EOFError, BrokenPipeError, ConnectionResetError, pickle.UnpicklingError) as cause:
        raise _ended(child, function, expired, wall_s) from cause
    finally:
        timer.cancel()
    return answer


def _timer(child: _Child, expired: threading.Event, seconds: float) -> threading.Timer:
    def expire() -> None:
        expired.set()
        child.process.kill()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    return timer


def _ended(child: _Child, function: Callable[..., Any], expired: threading.Event, wall_s: float) -> LimitError:
    try:  # the pipe closes a moment before the process is gone; its own status tells more than our kill
        status = child.process.wait(timeout=EXIT_S)
    except subprocess.TimeoutExpired:
        child.process.kill()
        status = child.process.wait()
    if expired.is_set():
        return LimitError(
            Reason.DECODE_TIMEOUT,
            f"{function.__name__} did not end within {wall_s:g} s and was stopped: the file is damaged or hostile",
            f"{function.__name__} 在 {wall_s:g} 秒内未结束，已终止：文件可能损坏或恶意",
        )
    child.stderr.seek(0, os.SEEK_END)
    child.stderr.seek(max(0, child.stderr.tell() - TAIL_BYTES))
    words = child.stderr.read().decode("utf-8", "replace").strip().splitlines()
    return _crash(function, f"child ended with status {status}" + (f", last said: {words[-1]}" if words else ""))


def _crash(function: Callable[..., Any], detail: str) -> LimitError:
    return LimitError(
        Reason.DECODE_CRASH,
        f"{function.__name__} failed on this file ({detail}): the file is damaged or hostile",
        f"{function.__name__} 处理该文件时失败（{detail}）：文件可能损坏或恶意",
    )


def _borrow() -> _Child:
    with _POOL.lock:
        if _POOL.pid != os.getpid():
            if not _POOL.pid:
                atexit.register(close_guard)
            _POOL.pid, _POOL.idle = os.getpid(), []
        while _POOL.idle:
            child = _POOL.idle.pop()
            if child.process.poll() is None:
                return child
            _end(child)
    return _start()


def _give_back(child: _Child, *, healthy: bool) -> None:
    child.uses += 1
    if healthy and child.uses < USES:
        with _POOL.lock:
            _POOL.idle.append(child)
    else:
        _end(child)


def _start() -> _Child:
    # The child imports from where we import, and -P keeps the working folder out of that.
    here = [str(Path(entry).absolute()) for entry in sys.path if entry]
    code = f"import sys; sys.path[:] = {here!r}; from wxcore.landing.guard_child import main; main()"
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
    )
    return _Child(process, stderr)


def _end(child: _Child) -> None:
    child.process.kill()
    child.process.wait()
    for pipe in (child.process.stdin, child.process.stdout, child.stderr):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # what was still to be written no longer matters
