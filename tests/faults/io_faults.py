"""Make the N-th input or output call under a folder fail, or end the process there. For child processes only.

Points are counted in the order in which they are reached: os calls that change the disk, files opened for writing and
each write to them, commits of SQL transactions and of Icechunk sessions (before and after).
"""

import builtins
import errno
import importlib
import io
import json
import os
import signal
import sqlite3
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import icechunk
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import OperationalError

COUNT, KILL, KILL_BOTH, EIO, ENOSPC = "count", "kill", "kill both", "eio", "enospc"
"""KILL ends this process, KILL_BOTH its parent and then this one."""

HOOK = "WX_FAULTS"
"""Environment variable of `install_hook`."""

PATH_CALLS = ("rename", "replace", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "truncate", "chmod")
FD_CALLS = ("write", "fsync", "fdatasync", "ftruncate", "posix_fallocate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
ENOSPC_CALLS = ("os.write", "file.write", "os.mkdir", "open", "os.open", "commit", "os.link", "os.posix_fallocate")
"""Beginnings of the points at which a full disk shows; at others it would be no such error, and EIO is given."""


@dataclass
class IoFaults:
    """The counter, and what happens when it reaches `at` (1 is the first point; 0 never).

    Attributes:
        delay_s: a kill comes so much later [s], wherever the process is then.
        log: where COUNT also writes each point down at once, for a process that will be killed; empty: nowhere.
        mark: a kill happens only where this file is not there yet, and makes it; empty: every time.
    """

    folder: Path
    mode: str
    at: int
    delay_s: float = 0.0
    log: str = ""
    mark: str = ""
    points: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def point(self, what: str) -> OSError | None:
        """Count a call; where it is the one, end the process or give the error to raise."""
        with self.lock:
            self.points.append(what)
            if self.log:
                _note(self.log, what)
            if len(self.points) != self.at:
                return None
        if self.mode in {KILL, KILL_BOTH}:
            self.kill()
        if self.mode not in {EIO, ENOSPC}:
            return None
        full = self.mode == ENOSPC and what.startswith(ENOSPC_CALLS)
        code = errno.ENOSPC if full else errno.EIO
        return OSError(code, os.strerror(code), what)

    def kill(self) -> None:
        """End the process, now or later."""
        if self.delay_s > 0:
            threading.Timer(self.delay_s, self._kill).start()
        else:
            self._kill()

    def _kill(self) -> None:
        if self.mark and not _note(self.mark, "killed", os.O_EXCL):
            return
        if self.mode == KILL_BOTH:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def check(self, what: str) -> None:
        """Count a call and raise where it is the one."""
        error = self.point(what)
        if error is not None:
            raise error

    def concerns(self, place: Any) -> bool:
        """Is it a path, or an open file, under the folder?"""
        try:
            path = str(Path(f"/proc/self/fd/{place}").readlink()) if isinstance(place, int) else os.fsdecode(place)
        except (OSError, TypeError):
            return False
        return Path(os.path.abspath(path)).is_relative_to(self.folder)  # noqa: PTH100 (resolve would follow links)


_OPEN, _WRITE = os.open, os.write


def _note(path: str, what: str, flags: int = os.O_APPEND) -> bool:
    """Write a line, by the calls as they were before they were wrapped; False where O_EXCL refuses."""
    try:
        descriptor = _OPEN(path, os.O_WRONLY | os.O_CREAT | flags)
    except FileExistsError:
        return False
    _WRITE(descriptor, what.encode() + b"\n")
    os.close(descriptor)
    return True


def install_hook() -> None:
    """What a Python process that a `wx` starts does first: wrap its calls as the environment says."""
    words = json.loads(os.environ[HOOK])
    install(Path(words.pop("folder")), **words)


def install(folder: Path, mode: str, at: int, **more: Any) -> IoFaults:
    """Wrap the calls of this process for good; `more`: attributes of IoFaults."""
    faults = IoFaults(folder.resolve(), mode, at, **more)
    for name in (*PATH_CALLS, *FD_CALLS):
        _wrap(faults, name)
    _wrap_os_open(faults)
    opener = _opening(faults)
    for module in (builtins, io, importlib.import_module("_io")):
        vars(module)["open"] = opener
    _wrap_method(faults, icechunk.Session, "commit", "commit icechunk", _ice)
    _wrap_method(faults, DefaultDialect, "do_commit", "commit sql", _sql)
    return faults


def _wrap(faults: IoFaults, name: str) -> None:
    original = getattr(os, name)

    def call(place: Any, *args: Any, **kwargs: Any) -> Any:
        if faults.concerns(place):
            faults.check(f"os.{name}")
        return original(place, *args, **kwargs)

    setattr(os, name, call)


def _wrap_os_open(faults: IoFaults) -> None:
    original = os.open

    def call(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & WRITING and faults.concerns(path):
            faults.check("os.open")
        return original(path, flags, *args, **kwargs)

    os.open = call


class _Raw(io.FileIO):
    """A file whose every write is a point."""

    faults: IoFaults

    def write(self, data: Any, /) -> int:
        self.faults.check("file.write")
        return super().write(data)


def _opening(faults: IoFaults) -> Callable[..., Any]:
    original = io.open

    def call(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
        if not set(mode) & set("wax+") or not faults.concerns(file):
            return original(file, mode, buffering, *args, **kwargs)
        faults.check("open")
        raw = _Raw(file, mode.replace("b", "").replace("t", ""), kwargs.get("closefd", True), kwargs.get("opener"))
        raw.faults = faults
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return buffered
        words = dict(zip(("encoding", "errors", "newline"), args, strict=False))
        words |= {name: kwargs[name] for name in ("encoding", "errors", "newline") if name in kwargs}
        return io.TextIOWrapper(buffered, **words)

    return call


def _wrap_method(
    faults: IoFaults, owner: type | types.ModuleType, name: str, what: str, dress: Callable[[OSError], Exception]
) -> None:
    """Points before and after a commit, with the error that its library would raise."""
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        for when in ("before", "after"):
            error = faults.point(f"{what} {when}")
            if error is not None:
                raise dress(error)
            if when == "before":
                answer = original(*args, **kwargs)
        return answer

    setattr(owner, name, call)


def _ice(error: OSError) -> Exception:
    return icechunk.IcechunkError(f"object store error {error}")


def _sql(error: OSError) -> Exception:
    cause = sqlite3.OperationalError("database or disk is full" if error.errno == errno.ENOSPC else "disk I/O error")
    return OperationalError("COMMIT", {}, cause)
