"""Readers that crash, eat memory, or leave children behind; few imports, because a child does them all."""

import ctypes
import mmap
import os
import signal
import tempfile
import time
from pathlib import Path

from wxcore.errors import ReadError, Reason, RegionError

_KEPT: list[mmap.mmap] = []


def segfault(*_: object) -> None:
    """A reader that reads at address 0."""
    ctypes.string_at(0)


def eat_memory(*_: object) -> None:
    """A reader that allocates without end."""
    held = []
    while True:
        held.append(bytearray(16 * 2**20))


def fork_and(what: str, note: str) -> None:
    """A reader that forks a child, which ignores SIGTERM and keeps our pipes open; then it hangs, or dies.

    The child's number is written to the file `note`. "leave": the child leaves our process group first.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        if what == "leave":
            os.setsid()
        time.sleep(60)
        os._exit(0)
    Path(note).write_text(str(child))
    if what == "die":
        os._exit(3)
    time.sleep(60)


def meet(code: int) -> None:
    """A reader to which the system says no."""
    raise OSError(code, os.strerror(code))


def keep_mapped(size: int) -> int:
    """A job that leaves address space in use; the child's number."""
    _KEPT.append(mmap.mmap(-1, size))
    return os.getpid()


def hang_with_a_temporary_file(note: str) -> None:
    """A reader that needs its bytes in a file, which it writes as `tempfile` says; its name goes to the file `note`."""
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / "volume.h5").write_bytes(bytes(100_000))
        Path(note).write_text(str(file))
        time.sleep(60)


def raise_read_error(offset: int) -> None:
    """A reader that says what is wrong."""
    raise ReadError(Reason.BAD_HEADER, "bad", "坏", offset=offset)


def raise_region_error() -> None:
    """Another error of ours."""
    raise RegionError("en", "zh")


def raise_bug() -> None:
    """A reader with a bug."""
    raise KeyError("a reader's bug")


def chatter(text: str) -> str:
    """A reader that writes to standard output."""
    os.write(1, text.encode() * 10_000)
    return text


def process_id(_: int = 0) -> int:
    """The child's number."""
    return os.getpid()


def nap(seconds: float) -> int:
    """A job that takes its time [s]; the child's number."""
    time.sleep(seconds)
    return os.getpid()


def is_gone(process: int) -> bool:
    """Has the process ended (a zombie that nobody reaps counts)?"""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
