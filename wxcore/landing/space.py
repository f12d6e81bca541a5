"""Disk space: ingest pauses while the ledger and the warnings still have room (RELIABILITY.md B3).

A file `reserve` in the home holds space that nobody uses. When a write fails because the disk is full, it is deleted:
the ledger and the warnings already decided go through, and it is taken again once there is room.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wxcore.landing.guard import GuardError

RESERVE = "reserve"
"""Name of the file, in the home."""

RESERVE_BYTES = 256 * 2**20
"""Space kept for the ledger and the warnings [bytes] (RELIABILITY.md B3)."""

PAUSE_BELOW = 512 * 2**20
"""Ingest pauses with less free space than this [bytes]: some six cycles of 14 radars with volumes of 5 MiB."""

RESUME_ABOVE = 1024 * 2**20
"""Ingest that has paused goes on with this much free space [bytes]; above PAUSE_BELOW, so that it does not flap."""

MIN_FREE = RESUME_ABOVE
"""Free space that must remain when the reserve is taken [bytes]: taking it may not pause ingest again."""

MIN_FREE_FILES = 1000
"""Ingest pauses with fewer free inodes than this: two cycles of the files and chunks that one leaves, about 500."""

_FULL_ERRNO = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_SQLSTATE = "53100"
"""PostgreSQL: disk_full (its manual, appendix A)."""

_FULL_TEXT = ("No space left on device", "Disk quota exceeded", "database or disk is full")
"""What libraries say that keep no number of the error (Icechunk, SQLite through a pool)."""


@dataclass(frozen=True)
class Room:
    """Whether ingest may go on. The messages are empty where it may."""

    ok: bool
    free_bytes: int
    needed_bytes: int
    message_en: str = ""
    message_zh: str = ""


def keep_reserve(home_root: Path) -> bool:
    """Take the reserve, if it is not there and the disk has room for it beyond MIN_FREE.

    Returns:
        Whether the reserve is there now.
    """
    path = home_root / RESERVE
    if path.exists() and path.stat().st_blocks * 512 >= RESERVE_BYTES:
        return True
    if free_bytes(home_root) < RESERVE_BYTES + MIN_FREE:
        return False
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        path.unlink(missing_ok=True)
        if is_full(error):  # somebody else was faster
            return False
        raise
    return True


def free_reserve(home_root: Path) -> bool:
    """Give the reserve back to the disk: call it when a write failed with `is_full`, then try that write again.

    Returns:
        False where there was none.
    """
    try:
        (home_root / RESERVE).unlink()
    except FileNotFoundError:
        return False
    return True


def free_bytes(path: Path) -> int:
    """Space on the disk of `path` that we may use [bytes].

    Raises:
        OSError: no such path.
    """
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def room_for_ingest(home_root: Path, *, paused: bool = False) -> Room:
    """Whether the disk has room for more files.

    Args:
        paused: whether the answer was no the last time: then RESUME_ABOVE is asked for, not PAUSE_BELOW.

    Raises:
        OSError: no such path.
    """
    disk = os.statvfs(home_root)
    free, needed = disk.f_bavail * disk.f_frsize, RESUME_ABOVE if paused else PAUSE_BELOW
    if free < needed:
        return Room(False, free, needed, *_too_little(home_root, f"{free / 2**20:.0f}", f"{needed / 2**20:.0f}", "MiB"))
    if disk.f_files and disk.f_favail < MIN_FREE_FILES:  # f_files 0: the file system has no such limit
        return Room(False, free, needed, *_too_little(home_root, str(disk.f_favail), str(MIN_FREE_FILES), "inodes"))
    return Room(True, free, needed)


def _too_little(root: Path, free: str, needed: str, unit: str) -> tuple[str, str]:
    return (
        f"{root}: {free} {unit} free, {needed} needed: ingest pauses, warnings still go out; free some space or expire "
        "old cycles, ingest goes on by itself",
        f"{root}：剩余 {free} {unit}，需要 {needed}：暂停导入，预警照常发出；请清理磁盘或过期旧时次，之后自动恢复",
    )


def is_full(error: BaseException) -> bool:
    """Whether an error, or one that caused it, says that there is no space (disk, quota, or limit of file size).

    What caused a GuardError does not count: that is the disk of temporary files.
    """
    return any(_says_full(one) for one in _chain(error))


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL_ERRNO
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL or _FULL_TEXT[-1] in str(error)
    return getattr(error, "sqlstate", None) == _FULL_SQLSTATE or any(text in str(error) for text in _FULL_TEXT)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, its causes and what SQLAlchemy wraps, each once."""
    waiting: list[object] = [error]
    seen = set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            if isinstance(one, GuardError):
                continue
            members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
            waiting += [getattr(one, "orig", None), one.__cause__, one.__context__, *members]
