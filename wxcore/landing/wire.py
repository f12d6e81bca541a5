"""Pickles through a pipe to a child process, with a deadline that holds whatever becomes of the other end.

A plain read would wait for ever where the child is dead and something that it forked keeps the pipe open.
"""

import io
import os
import pickle
import select
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

LOOK_S = 0.25
"""How often the child's life is checked while its pipe is silent [s]."""


def is_running(pid: int) -> bool:
    """Is our child still running? It is not reaped by asking, so its number stays its own."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


class Wire(io.RawIOBase):
    """One end of a pipe. `deadline` (of time.monotonic()) holds for every read and write.

    Raises (from any method):
        TimeoutError: the deadline passed.
        EOFError: the child has ended, or closed its end, before all was read.
        BrokenPipeError: the child has ended before all was written.
    """

    def __init__(self, descriptor: int, child: int) -> None:
        super().__init__()
        os.set_blocking(descriptor, False)
        self.deadline = 0.0
        self._descriptor, self._child = descriptor, child
        self._reader = io.BufferedReader(self)

    def send(self, *values: Any) -> None:
        """Write the values, one pickle each. Large bytes go out without a copy."""
        for value in values:
            pickle.dump(value, self, protocol=pickle.HIGHEST_PROTOCOL)

    def receive(self) -> Any:
        """The next pickle."""
        return pickle.load(self._reader)

    def ready(self) -> bool:
        """Does something come, or does the child end, before the deadline?"""
        try:
            self._reader.peek(1)  # what is to be read may lie in its buffer already
        except TimeoutError:
            return False
        return True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        while True:
            alive = self._wait(select.POLLIN)
            try:
                return os.readv(self._descriptor, [buffer])
            except BlockingIOError:
                if not alive:
                    return 0

    def write(self, data: "ReadableBuffer", /) -> int:
        """All of `data`, unlike a plain raw write."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            alive = self._wait(select.POLLOUT)
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                if not alive:
                    raise BrokenPipeError from None
        return size

    def _wait(self, event: int) -> bool:
        """Wait until the pipe is ready or the child has ended; is the child still running?"""
        poller = select.poll()
        poller.register(self._descriptor, event)
        while True:
            alive = is_running(self._child)
            left = self.deadline - time.monotonic()
            if poller.poll(0 if not alive else max(0.0, min(left, LOOK_S)) * 1000) or not alive:
                return alive
            if left <= 0:
                raise TimeoutError
