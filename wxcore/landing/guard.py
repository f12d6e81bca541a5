"""Run what may hang, crash or eat memory in a child that can be killed (RELIABILITY.md A2, A3, finding 4).

Children are long-lived and reused; `run_guarded` may be called from any number of threads, each call has a child
of its own. Plain subprocesses and not multiprocessing: nothing is inherited, and no main module is run again.
Each child leads a process group of its own, which is killed as a whole, and has a folder of its own for temporary
files, which goes with it: a parser that forks, or is killed, leaves nothing behind.
"""

import atexit
import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from wxcore.errors import LimitError, Reason, WxcoreError
from wxcore.landing.guard_child import DONE, EXHAUSTED, RAISED, STARTED, TROUBLE
from wxcore.landing.wire import Wire, is_running

T = TypeVar("T")

ARENAS = "2"
"""Pools of glibc's allocator in a child: one a core by 8 is its default, each with holes of its own."""

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


class GuardError(OSError):
    """Our own trouble, which says nothing about the job: no child can be started, or the guard was closed meanwhile.

    `errno`: ECHILD where a new child cannot be started, or ends before it has begun; ETIMEDOUT where it is not ready
    within START_S; ECANCELED where `close_guard` ended the job; else what the system refused to the child at work.
    """


@dataclass
class _Child:
    """`memory_bytes`: limit of its jobs, 0 before the first. One that had more cannot take less: it may hold more."""

    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    folder: str
    jobs: Wire
    answers: Wire
    memory_bytes: int = 0
    uses: int = 0
    slow: bool = False
    closed: bool = False


@dataclass
class _Pool:
    """Children that wait for a job or have one. Belongs to the process `pid`: a forked one must not share the pipes.

    `most` is how many had a job at the same time so far, for each limit of memory.
    """

    pid: int = 0
    idle: list[_Child] = field(default_factory=list)
    busy: list[_Child] = field(default_factory=list)
    most: Counter[int] = field(default_factory=Counter)
    closings: int = 0
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
        GuardError: nothing is known of the job: no child could be started, the disk refused the child, or
            `close_guard` was called.
    """
    child = _begin(function, args, wall_s, memory_bytes, closings())
    healthy = False
    try:
        tag, value = _answer(child, function, wall_s)
        healthy = tag not in {EXHAUSTED, TROUBLE} and _alive(child)
    finally:
        _give_back(child, healthy=healthy)
    if tag == DONE:
        result: T = value
        return result
    if tag == RAISED and isinstance(value, WxcoreError):
        raise value
    if tag == TROUBLE:
        raise GuardError(*value)
    raise crash_of(function.__name__, str(value))


def close_guard() -> None:
    """End every waiting child, and kill those at work (also done at exit); their jobs end as GuardError.

    So does a job that has not got a child yet. Jobs that begin later have new children.
    """
    with _POOL.lock:
        children, _POOL.idle, _POOL.most = _POOL.idle, [], Counter()
        _POOL.closings += 1
        for child in _POOL.busy:
            child.closed = True
            if _POOL.pid == os.getpid():
                _kill_group(child)
    if _POOL.pid == os.getpid():
        for child in children:
            _end(child)


def closings() -> int:
    """How often `close_guard` was called: work of several jobs that finds more of them than before is to end."""
    return _POOL.closings


def closed() -> GuardError:
    """What a job raises that `close_guard` has ended."""
    return GuardError(errno.ECANCELED, "closed before the job was done; it can be done again")


def crash_of(name: str, detail: str, detail_zh: str = "") -> LimitError:
    """DECODE_CRASH: `name` (of a file, or of what reads it) could not be decoded because of `detail`."""
    return LimitError(
        Reason.DECODE_CRASH,
        f"{name}: decoding failed ({detail}): the file is damaged or hostile",
        f"{name}：解码失败（{detail_zh or detail}）：文件可能损坏或恶意",
    )


def _begin(function: Callable[..., Any], args: tuple[Any, ...], wall_s: float, memory_bytes: int, since: int) -> _Child:
    """A child that has begun the job.

    A used one that ends before has died of what it did before, or while it waited: the next one is asked.
    """
    while True:
        child = _borrow(memory_bytes, since)
        begun = False
        try:
            child.jobs.deadline = child.answers.deadline = time.monotonic() + START_S
            child.jobs.send((wall_s, memory_bytes), (function, args))
            begun = child.answers.receive() == STARTED
            if begun:
                return child
        except TimeoutError as cause:
            raise GuardError(errno.ETIMEDOUT, f"a child process was not ready within {START_S:g} s") from cause
        except _GONE as cause:
            if child.closed:
                raise closed() from cause
            if not child.uses:
                text = f"a child process ended before it began ({_last_words(child)})"
                raise GuardError(errno.ECHILD, text) from cause
        finally:
            if not begun:
                _give_back(child, healthy=False)


_GONE = (EOFError, BrokenPipeError, ConnectionResetError, pickle.UnpicklingError)
"""What a pipe raises whose other end has died."""


def _answer(child: _Child, function: Callable[..., Any], wall_s: float) -> tuple[str, Any]:
    end = time.monotonic() + wall_s
    try:
        child.answers.deadline = end - (1 - SPARE_SHARE) * wall_s
        if not child.answers.ready():
            _start_spare(child, function)
        child.answers.deadline = end
        answer: tuple[str, Any] = child.answers.receive()
    except TimeoutError as cause:
        raise _timeout(function.__name__, wall_s) from cause
    except _GONE as cause:
        if child.closed:
            raise closed() from cause
        raise crash_of(function.__name__, _last_words(child)) from cause
    return answer


def _start_spare(slow: _Child, function: Callable[..., Any]) -> None:
    """A child that is ready for the function, unless enough would be left without those that are slow."""
    memory_bytes = slow.memory_bytes
    with _POOL.lock:
        slow.slow, since = True, _POOL.closings
        left = sum(child.memory_bytes == memory_bytes for child in _POOL.idle)
        left += sum(child.memory_bytes == memory_bytes and not child.slow for child in _POOL.busy)
        if slow.closed or left >= _POOL.most[memory_bytes]:
            return
    with suppress(OSError):  # no spare, then: the job at work has its child
        spare, ready = _start(), False
        spare.memory_bytes = memory_bytes
        try:
            spare.jobs.deadline = time.monotonic() + START_S
            spare.jobs.send(None, (function, ()))
            with _POOL.lock:
                ready = _POOL.closings == since
                if ready:
                    _POOL.idle.append(spare)
        finally:
            if not ready:
                _end(spare)


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


def _borrow(memory_bytes: int, since: int) -> _Child:
    with _POOL.lock:
        if _POOL.pid != os.getpid():
            if not _POOL.pid:
                atexit.register(close_guard)
            _POOL.pid, _POOL.idle, _POOL.busy, _POOL.most = os.getpid(), [], [], Counter()
        child = None
        while child is None and (alike := [idle for idle in _POOL.idle if idle.memory_bytes == memory_bytes]):
            child = alike[-1]
            _POOL.idle.remove(child)
            if not _alive(child):
                _end(child)
                child = None
    child = child or _start()
    child.memory_bytes = memory_bytes
    with _POOL.lock:
        late = _POOL.closings != since
        if not late:
            _POOL.busy.append(child)
            _POOL.most[memory_bytes] = max(
                _POOL.most[memory_bytes], sum(busy.memory_bytes == memory_bytes for busy in _POOL.busy)
            )
    if late:
        _end(child)
        raise closed()
    return child


def _give_back(child: _Child, *, healthy: bool) -> None:
    child.uses += 1
    child.slow = False
    with _POOL.lock:
        _POOL.busy.remove(child)
        keep = healthy and child.uses < USES and not child.closed
        if keep:
            _POOL.idle.append(child)
    if not keep:
        _end(child)


def _start() -> _Child:
    """A new child.

    Raises:
        GuardError: the system has no memory, process, file or disk space for it.
    """
    try:
        folder = tempfile.mkdtemp(prefix="wxcore-child-")
        try:
            return _launch(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as cause:
        raise GuardError(errno.ECHILD, f"no child process can be started ({cause})") from cause


def _launch(folder: str) -> _Child:
    # The child imports from where we import, and -P keeps the working folder out of that.
    here = [str(Path(entry).absolute()) for entry in sys.path if entry]
    code = f"import sys; sys.path[:] = {here!r}; from wxcore.landing.guard_child import main; main({folder!r})"
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            start_new_session=True,
            env={"MALLOC_ARENA_MAX": ARENAS, **os.environ, "TMPDIR": folder},
        )
    except BaseException:
        stderr.close()
        raise
    assert process.stdin is not None
    assert process.stdout is not None
    jobs, answers = (Wire(pipe.fileno(), process.pid) for pipe in (process.stdin, process.stdout))
    return _Child(process, stderr, folder, jobs, answers)


def _alive(child: _Child) -> bool:
    return child.process.returncode is None and is_running(child.process.pid)


def _kill_group(child: _Child) -> None:
    """Kill the child and all that it started. Never after it was reaped: its number may then be somebody else's."""
    if child.process.returncode is None:
        with suppress(ProcessLookupError):  # reaped by its own thread in this moment
            os.killpg(child.process.pid, signal.SIGKILL)


def _end(child: _Child) -> None:
    _kill_group(child)
    child.process.wait()
    for pipe in (child.process.stdin, child.process.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    shutil.rmtree(child.folder, ignore_errors=True)  # what a decoding that was killed left there
