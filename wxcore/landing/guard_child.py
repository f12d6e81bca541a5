"""The killable child of `guard`: reads jobs from a pipe, runs them within limits, writes what came of them.

A job is two pickles: the limits, then (function, arguments). The answer is two pickles too: STARTED, then what came
of it. Limits None: the function's module is only imported and made ready, and nothing is answered.
"""

import ctypes
import errno
import os
import pickle
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from wxcore.errors import WxcoreError

STARTED = "started"
DONE, RAISED, FAILED, EXHAUSTED, TROUBLE = "done", "raised", "failed", "exhausted", "trouble"
"""Tags of an answer: a result; a WxcoreError; any other exception, as text; out of memory; and (errno, text) of what
the system refused, which is no fault of the job. After the last two the child is not used again."""

REFUSED = frozenset({errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOSPC, errno.EDQUOT})
"""Errors of the system that no bytes can provoke. ENOMEM and EAGAIN are not among them: the limits of a job make
those, where it asks for too much."""

GRACE_S = 5.0
"""The child ends itself this long after its limit: where the parent was killed, nobody else would."""

FAILURES = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError, LookupError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What a parser raises on hostile bytes. Anything else ends the child, and the parent tells a crash."""


def main(folder: str) -> None:
    """Serve jobs until the pipe closes, then delete `folder`, which is this child's for temporary files.

    Standard output becomes standard error, so a chatty parser harms nobody.
    """
    try:
        _serve_all()
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # where the parent was killed, nobody else would


def _serve_all() -> None:
    jobs = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            limits = pickle.load(jobs)
            function, arguments = pickle.load(jobs)  # imports the function's module
        except EOFError:
            return
        _make_ready()
        if limits is not None:
            _serve(answers, function, arguments, *limits)
            del arguments
            _give_back()


def _give_back() -> None:
    """Freed memory to the system, where the allocator can: glibc's keeps up to a gibibyte after a cycle."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _make_ready() -> None:
    """What xarray, where a reader imports it, puts off until its first use: finding its engines, and dask.

    That takes most of a second, and belongs to the start of a child and not to the time of its first file.
    """
    xarray = sys.modules.get("xarray")
    if xarray is not None:
        xarray.backends.list_engines()
        xarray.DataArray([0.0])


def _serve(
    answers: BinaryIO, function: Callable[..., Any], arguments: tuple[Any, ...], wall_s: float, memory_bytes: int
) -> None:
    pickle.dump(STARTED, answers)
    answers.flush()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes if hard < 0 else min(memory_bytes, hard), hard))
    signal.setitimer(signal.ITIMER_REAL, wall_s + GRACE_S)
    answer: tuple[str, Any]
    try:
        answer = (DONE, function(*arguments))
    except WxcoreError as error:
        answer = (RAISED, error)
    except OSError as error:
        text = f"{type(error).__name__}: {error}"
        answer = (TROUBLE, (error.errno, text)) if error.errno in REFUSED else (FAILED, text)
    except FAILURES as error:
        answer = (FAILED, f"{type(error).__name__}: {error}")
    except MemoryError:
        answer = (EXHAUSTED, f"out of memory: it needs more than {memory_bytes // 2**20} MiB")
    pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
    answers.flush()
    signal.setitimer(signal.ITIMER_REAL, 0)
