"""The killable child of `guard`: reads jobs from a pipe, runs them within limits, writes what came of them.

A job is two pickles: the limits, then (function, arguments). The answer is two pickles too: STARTED, then what came
of it. Limits None: the function's module is only imported and made ready, and nothing is answered.
"""

import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from wxcore.errors import WxcoreError

STARTED = "started"
DONE, RAISED, FAILED, EXHAUSTED = "done", "raised", "failed", "exhausted"
"""Tags of an answer: a result; a WxcoreError; any other exception, as text; out of memory, after which the child is
not used again."""

GRACE_S = 5.0
"""The child ends itself this long after its limit: where the parent was killed, nobody else would."""

FAILURES = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError, LookupError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What a parser raises on hostile bytes. Anything else ends the child, and the parent tells a crash."""


def main() -> None:
    """Serve jobs until the pipe closes. Standard output becomes standard error, so a chatty parser harms nobody."""
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
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, hard))
    signal.setitimer(signal.ITIMER_REAL, wall_s + GRACE_S)
    answer: tuple[str, Any]
    try:
        answer = (DONE, function(*arguments))
    except WxcoreError as error:
        answer = (RAISED, error)
    except FAILURES as error:
        answer = (FAILED, f"{type(error).__name__}: {error}")
    except MemoryError:
        answer = (EXHAUSTED, f"out of memory: it needs more than {memory_bytes // 2**20} MiB")
    pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
    answers.flush()
    signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
    sys.exit(0)
