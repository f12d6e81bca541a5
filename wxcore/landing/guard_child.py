"""The killable child of `guard`: reads jobs from a pipe, runs them within limits, writes what came of them.

A job is two pickles: the limits, then (function, arguments). The answer is STARTED, then one pickle.
"""

import os
import pickle
import resource
import signal
import sys
from typing import Any, BinaryIO

from wxcore.errors import WxcoreError

STARTED = b"S"
DONE, RAISED, FAILED = "done", "raised", "failed"
"""Tags of an answer: a result; a WxcoreError; any other exception, as text."""

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
            wall_s, memory_bytes = pickle.load(jobs)
        except EOFError:
            return
        _serve(jobs, answers, wall_s, memory_bytes)


def _serve(jobs: BinaryIO, answers: BinaryIO, wall_s: float, memory_bytes: int) -> None:
    function, arguments = pickle.load(jobs)  # imports the function's module
    answers.write(STARTED)
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
    pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
    answers.flush()
    signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
    sys.exit(0)
