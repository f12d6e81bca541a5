"""Keep a file's bytes under their sha256, durably, before anybody decodes them (RELIABILITY.md A12, A13, B1, B11).

A batch shares its folder syncs: every file is synced, then all are renamed, then each touched folder is synced once.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.landing.files import display_name, open_regular, sync_folder
from wxcore.landing.unpack import CAP_BYTES

BLOCK = 4 * 2**20
INCOMING = "incoming"
"""Folder of files that are being copied; what a crash leaves there was never landed and may be deleted."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Landed:
    """A file in our keeping.

    Attributes:
        sha256: of the bytes as they came (before decompression), hex.
        size: [bytes].
        name: the original base name, made safe to show; data only, never a path.
        path: where the bytes are now.
        new: False where the same bytes were here already.
        published_at: aware UTC, when the source was last written by its own clock: not before 1970, not after now.
    """

    sha256: str
    size: int
    name: str
    path: Path
    new: bool
    published_at: datetime


@dataclass(frozen=True)
class _Copied:
    """A synced copy that is not in its place yet; `temporary` is None where the bytes are there already."""

    landed: Landed
    temporary: Path | None


def land(path: Path, landing_root: Path, *, cap_bytes: int = CAP_BYTES, follow_links: bool = True) -> Landed:
    """Copy a file to `landing_root/ab/abcdef...` (its sha256) and make it durable before returning.

    The name of the source plays no part in the place, so no name can lead outside of `landing_root`.

    Args:
        follow_links: False where a symbolic link is refused (watched folders, where others put the names).

    Raises:
        ReadError: NOT_FOUND, IS_DIRECTORY, NOT_A_FILE, EMPTY, OUTSIDE_ROOT, or STILL_WRITTEN where the file changed
            while it was copied; nothing is kept of it.
        LimitError: TOO_LARGE, more than `cap_bytes`; nothing is kept of it.
        OSError: we cannot write (disk full); nothing is kept of it.
    """
    (landed,) = land_batch([path], landing_root, cap_bytes=cap_bytes, follow_links=follow_links)
    if isinstance(landed, ReadError):
        raise landed
    return landed


def land_batch(
    paths: Sequence[Path], landing_root: Path, *, cap_bytes: int = CAP_BYTES, follow_links: bool = True
) -> list[Landed | ReadError]:
    """Land many files as `land` does; all are durable when this returns.

    Returns:
        for each path what was landed, or why it was not: one bad file never stops the others.

    Raises:
        OSError: we cannot write (disk full). No temporary file is left; what is in its place already stays there, and
            the whole batch can be offered again.
    """
    copies: list[_Copied | ReadError] = []
    try:
        # extend keeps what was copied before one fails
        copies.extend(_copy_synced(path, landing_root, cap_bytes, follow_links=follow_links) for path in paths)
        return _place(copies, landing_root)
    except BaseException:
        for copied in copies:
            if isinstance(copied, _Copied) and copied.temporary is not None:
                copied.temporary.unlink(missing_ok=True)
        raise


def landed_path(landing_root: Path, sha256: str) -> Path:
    """Where the bytes with this hash are, or would be."""
    return landing_root / sha256[:2] / sha256


def clean_incoming(landing_root: Path, older_than_s: float) -> int:
    """Delete what a crash left half-copied, and return how many files that were.

    Args:
        older_than_s: age of the last write [s]; a younger file may be one that another process is copying.
    """
    limit, count = time.time() - older_than_s, 0
    incoming = landing_root / INCOMING
    for left in incoming.iterdir() if incoming.is_dir() else ():
        try:
            if left.stat().st_mtime <= limit:
                left.unlink()
                count += 1
        except FileNotFoundError:
            continue  # landed, or cleaned by another, in this moment
    return count


def _copy_synced(path: Path, landing_root: Path, cap: int, *, follow_links: bool) -> _Copied | ReadError:
    """The bytes in `incoming/`, synced, unless they are in the tree already.

    Raises:
        OSError: we cannot write.
    """
    name = display_name(os.fspath(path))
    try:
        source, _ = open_regular(path, follow_links=follow_links)
    except ReadError as error:
        return error
    incoming = landing_root / INCOMING
    with source:
        if not incoming.is_dir():
            incoming.mkdir(parents=True, exist_ok=True)
            sync_folder(landing_root.parent)
        descriptor, temporary = tempfile.mkstemp(dir=incoming)
        copied, keep = Path(temporary), False
        try:
            with os.fdopen(descriptor, "wb") as target:
                before = os.fstat(source.fileno())
                sha256, size = _copy(source, target, cap, name)
                _check_unchanged(before, os.fstat(source.fileno()), size, name)
                final = landed_path(landing_root, sha256)
                keep = not _is_here(final, size)
                if keep:
                    target.flush()
                    os.fchmod(target.fileno(), 0o444)
                    os.fsync(target.fileno())
        except ReadError as error:
            keep = False
            return error
        except BaseException:
            keep = False
            raise
        finally:
            if not keep:
                copied.unlink(missing_ok=True)
    return _Copied(Landed(sha256, size, name, final, keep, _published(before)), copied if keep else None)


def _is_here(final: Path, size: int) -> bool:
    return final.is_file() and final.stat().st_size == size


def _copy(source: BinaryIO, target: BinaryIO, cap: int, name: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while block := _read(source, name):
        if size + len(block) > cap:
            raise LimitError(
                Reason.TOO_LARGE,
                f"{name}: larger than {cap} bytes: no weather file of ours is, so it is not kept",
                f"{name}：超过 {cap} 字节，不是本系统的气象文件，不予保存",
            )
        digest.update(block)
        target.write(block)
        size += len(block)
    return digest.hexdigest(), size


def _read(source: BinaryIO, name: str) -> bytes:
    try:
        return source.read(BLOCK)
    except OSError as cause:  # of the source alone: a full disk of ours is another matter
        raise ReadError(
            Reason.NOT_A_FILE,
            f"{name}: cannot be read ({cause}): check the disk or share that it is on",
            f"{name}：无法读取（{cause}），请检查其所在磁盘或共享目录",
        ) from cause


def _check_unchanged(before: os.stat_result, after: os.stat_result, size: int, name: str) -> None:
    if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and size == after.st_size:
        return
    raise ReadError(
        Reason.STILL_WRITTEN,
        f"{name}: changed while it was copied ({before.st_size} bytes before, {after.st_size} after): "
        "it is still being written, and is taken when it is complete",
        f"{name}：复制过程中发生变化（之前 {before.st_size} 字节，之后 {after.st_size} 字节），仍在写入，完整后再接收",
    )


def _published(status: os.stat_result) -> datetime:
    """The source's mtime; a clock that is ahead counts as now, one before 1970 as 1970."""
    nanoseconds = min(max(status.st_mtime_ns, 0), time.time_ns())
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _place(copies: Sequence[_Copied | ReadError], landing_root: Path) -> list[Landed | ReadError]:
    """Rename each copy to its place, in order, then sync each folder once.

    Folders of bytes that were here already are synced too: who put them there may not have come to it.
    """
    placed: list[Landed | ReadError] = []
    folders: dict[Path, None] = {}
    for copied in copies:
        if isinstance(copied, ReadError):
            placed.append(copied)
            continue
        landed, temporary = copied.landed, copied.temporary
        folder = landed.path.parent
        folders[folder] = None
        new = temporary is not None and not _is_here(landed.path, landed.size)
        if temporary is not None and new:
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                folders[landing_root] = None
            temporary.replace(landed.path)
        elif temporary is not None:
            temporary.unlink(missing_ok=True)
        placed.append(replace(landed, new=new))
    for folder in folders:
        sync_folder(folder)
    return placed
