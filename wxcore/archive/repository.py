"""One Icechunk repository a region: where it is, opened, locked, and made durable.

    <root>/<region>/archive.json   versions, so that what cannot be opened is refused with the fix
    <root>/<region>/lock           OS lock of the one writer
    <root>/<region>/repo/          Icechunk

Icechunk on a local disk loses acknowledged commits of two writers, and never calls fsync (ECOSYSTEM.md section 3,
RELIABILITY.md finding 2): hence the lock round each commit, and `make_durable` after it.
"""

import ctypes
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import icechunk
from filelock import FileLock, Timeout

from wxcore.archive.layout import FORMAT
from wxcore.errors import ArchiveError

MARKER, LOCK, REPO = "archive.json", "lock", "repo"
BRANCH = "main"
LOCK_S = 600.0
"""How long a writer waits for another one [s]; a commit takes about a second."""

LOG_FILTER = "error"
"""Icechunk warns at each opening of a local disk about two writers; the lock is our answer to that."""


def region_folder(root: Path, region: str | None) -> Path:
    """Folder of a region's archive; `root` itself where `region` is None."""
    return root / region if region else root


def has_archive(folder: Path) -> bool:
    """Is there an archive in this folder (of one region)?"""
    return (folder / MARKER).is_file()


def icechunk_major() -> int:
    """Major version of the installed Icechunk."""
    return int(icechunk.__version__.split(".")[0])


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Be the one writer of this repository, across processes and threads.

    Raises:
        ArchiveError: another writer held it for LOCK_S.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=LOCK_S, thread_local=False)
    try:
        with lock:
            yield
    except Timeout as cause:
        raise ArchiveError(
            f"{folder}: another process has been writing for {LOCK_S:g} s: end it, then run again",
            f"{folder}：另一进程占用写锁已超过 {LOCK_S:g} 秒，请先结束它再重试",
        ) from cause


def open_repository(folder: Path) -> icechunk.Repository:
    """Open an existing repository.

    Raises:
        ArchiveError: there is none, or it was written by versions that these cannot read.
    """
    icechunk.set_logs_filter(LOG_FILTER)
    if not has_archive(folder):
        inside = sorted(path.parent.name for path in folder.glob(f"*/{MARKER}")) if folder.is_dir() else []
        hint = f"; regions in it: {', '.join(inside)}" if inside else ""
        raise ArchiveError(
            f"{folder}: no archive here{hint}: give the folder of a region, such as out/archive/chongqing",
            f"{folder}：此处没有归档{hint}，请给出区域的归档目录，例如 out/archive/chongqing",
        )
    _check_marker(folder)
    try:
        return icechunk.Repository.open(_storage(folder))
    except icechunk.IcechunkError as cause:
        raise ArchiveError(
            f"{folder}: cannot be opened ({_first_line(cause)}): move the folder away and ingest again, everything "
            "is rebuilt from the landed files",
            f"{folder}：无法打开（{_first_line(cause)}），请移走该目录后重新导入，归档可由落地文件重建",
        ) from cause


def open_or_create(folder: Path) -> icechunk.Repository:
    """The same, created where there is none. Call it with the writer's lock held.

    Raises:
        ArchiveError: as `open_repository`.
    """
    if has_archive(folder):
        return open_repository(folder)
    icechunk.set_logs_filter(LOG_FILTER)
    try:
        repository = icechunk.Repository.open_or_create(_storage(folder))
    except icechunk.IcechunkError as cause:
        raise ArchiveError(
            f"{folder}: cannot be created ({_first_line(cause)}): check permissions and free space",
            f"{folder}：无法创建（{_first_line(cause)}），请检查权限和剩余空间",
        ) from cause
    record = {"wxcore_archive_format": FORMAT, "icechunk_major": icechunk_major()}
    temporary = folder / f"{MARKER}.tmp"
    temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")
    make_durable(folder)
    temporary.replace(folder / MARKER)
    return repository


def make_durable(folder: Path) -> None:
    """Return only when everything written to this file system so far is on the disk (syncfs).

    Raises:
        OSError: the disk reports a write error.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def _storage(folder: Path) -> icechunk.Storage:
    return icechunk.local_filesystem_storage(str(folder / REPO))


def _check_marker(folder: Path) -> None:
    try:
        record = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        found, major = int(record["wxcore_archive_format"]), int(record["icechunk_major"])
    except (ValueError, KeyError, TypeError) as cause:
        raise ArchiveError(
            f"{folder / MARKER}: damaged ({cause}): restore it, or move the folder away and ingest again",
            f"{folder / MARKER}：已损坏（{cause}），请恢复该文件，或移走目录后重新导入",
        ) from cause
    if found != FORMAT:
        raise ArchiveError(
            f"{folder}: archive format {found}, this wxcore reads {FORMAT}: use the wxcore that wrote it, or move the "
            "folder away and ingest again",
            f"{folder}：归档格式为 {found}，本版本只支持 {FORMAT}：请用写入它的 wxcore 版本，或移走目录后重新导入",
        )
    if major > icechunk_major():
        raise ArchiveError(
            f"{folder}: written with Icechunk {major}, installed is {icechunk.__version__}: use Python 3.12 or newer "
            "(it gets Icechunk 2), or move the folder away and ingest again",
            f"{folder}：由 Icechunk {major} 写入，当前为 {icechunk.__version__}：请用 Python 3.12 及以上，"
            "或移走目录后重新导入",
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
