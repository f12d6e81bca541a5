"""Keep a file's bytes under their sha256, durably, before anybody decodes them (RELIABILITY.md A12, A13, B1, B11).

A batch shares its folder syncs: every file is synced, then all are renamed, then each touched folder is synced once.
"""

import errno
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
from wxcore.landing.arrivals import Arrived, beneath, outside
from wxcore.landing.files import display_name, open_regular, sync_folder

BLOCK = 4 * 2**20
LANDED_CAP_BYTES = 512 * 2**20
"""Largest file that is kept: a full disk of 500 m pixels is 22,000 x 22,000 x 2 bytes before compression (FORMATS.md
B), a third of that after. What is unpacked in memory has a smaller limit (unpack.CAP_BYTES)."""
INCOMING = "incoming"
"""Folder of files that are being copied; what a crash leaves there was never landed and may be deleted."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WITHOUT_MEANS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Why no file at all can be opened; other trouble is that of one source's disk or share."""


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
class _Source:
    """How sources are opened: see `land_batch`."""

    cap_bytes: int
    follow_links: bool
    roots: Sequence[Path]


@dataclass(frozen=True)
class _Copied:
    """A synced copy that is not in its place yet; `temporary` is None where the bytes are there already."""

    landed: Landed
    temporary: Path | None


def land(path: Path, landing_root: Path, *, cap_bytes: int = LANDED_CAP_BYTES, follow_links: bool = True) -> Landed:
    """Copy a file to `landing_root/ab/abcdef...` (its sha256) and make it durable before returning.

    The name of the source plays no part in the place, so no name can lead outside of `landing_root`.

    Args:
        follow_links: False where a symbolic link is refused (watched folders, where others put the names).

    Raises:
        ReadError: NOT_FOUND (absent, or its disk does not give it now), IS_DIRECTORY, NOT_A_FILE, EMPTY,
            OUTSIDE_ROOT, or STILL_WRITTEN where the file changed while it was copied; nothing is kept of it.
        LimitError: TOO_LARGE, more than `cap_bytes`; nothing is kept of it.
        OSError: we cannot write (disk full), or open no file (too many are open); nothing is kept of it.
    """
    (landed,) = land_batch([path], landing_root, cap_bytes=cap_bytes, follow_links=follow_links)
    if isinstance(landed, ReadError):
        raise landed
    return landed


def land_batch(
    paths: Sequence[Path],
    landing_root: Path,
    *,
    seen: Sequence[Arrived | None] = (),
    cap_bytes: int = LANDED_CAP_BYTES,
    follow_links: bool = True,
    roots: Sequence[Path] = (),
) -> list[Landed | ReadError]:
    """Land many files as `land` does; all are durable when this returns.

    Args:
        seen: for each path the state in which it was found complete: in any other it is STILL_WRITTEN. None, or no
            sequence at all: as it is.
        roots: folders that the opened files must lie in, links followed (OUTSIDE_ROOT otherwise); empty: anywhere.

    Returns:
        for each path what was landed, or why it was not: one bad file never stops the others.

    Raises:
        OSError: we cannot write (disk full), or open no file (too many are open). No temporary file is left; what is in
            its place already stays there, and the whole batch can be offered again.
    """
    copies: list[_Copied | ReadError] = []
    source, states = _Source(cap_bytes, follow_links, roots), seen or [None] * len(paths)
    try:
        # extend keeps what was copied before one fails
        copies.extend(
            _copy_synced(path, state, landing_root, source) for path, state in zip(paths, states, strict=True)
        )
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


def _copy_synced(path: Path, seen: Arrived | None, landing_root: Path, how: _Source) -> _Copied | ReadError:
    """The bytes in `incoming/`, synced, unless they are in the tree already.

    Raises:
        OSError: we cannot write, or open no file.
    """
    name = display_name(os.fspath(path))
    try:
        source = _open(path, seen, name, how)
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
                sha256, size = _copy(source, target, how.cap_bytes, name)
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


def _open(path: Path, seen: Arrived | None, name: str, how: _Source) -> BinaryIO:
    """The source, which is what was looked at: the names on the way to it may have been changed since.

    Raises:
        ReadError: it is not, or cannot be opened.
        OSError: WITHOUT_MEANS.
    """
    try:
        source, _ = open_regular(path, follow_links=how.follow_links)
    except OSError as cause:
        if cause.errno in WITHOUT_MEANS:
            raise
        raise _unreadable(name, cause) from cause
    try:
        if how.roots and not beneath(_opened_path(source, path), how.roots):
            raise outside(path, how.roots)
        if seen is not None:
            now = os.fstat(source.fileno())
            if (seen.size, seen.mtime_ns, seen.inode) != (now.st_size, now.st_mtime_ns, now.st_ino):
                raise _changed(name, seen.size, now.st_size)
    except BaseException:
        source.close()
        raise
    return source


def _opened_path(source: BinaryIO, path: Path) -> Path:
    """Where the opened file lies; where the system does not say (no /proc), where its path leads to now."""
    try:
        return Path(f"/proc/self/fd/{source.fileno()}").readlink()
    except OSError:
        return path


def _is_here(final: Path, size: int) -> bool:
    """Are these bytes in their place, whole? What the disk has spoilt or does not give is not.

    That takes a read of what is offered twice; only so can a damaged file be mended by offering it again.
    """
    try:
        with final.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size == size
            return whole and hashlib.file_digest(file, "sha256").hexdigest() == final.name
    except FileNotFoundError:
        return False
    except OSError as cause:
        if cause.errno in WITHOUT_MEANS:
            raise
        return False


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
        raise _unreadable(name, cause) from cause


def _unreadable(name: str, cause: OSError) -> ReadError:
    return ReadError(
        Reason.NOT_FOUND,
        f"{name}: cannot be read now ({cause}): check the disk or share that it is on, and offer it again",
        f"{name}：暂时无法读取（{cause}），请检查其所在磁盘或共享目录，然后重新导入",
    )


def _check_unchanged(before: os.stat_result, after: os.stat_result, size: int, name: str) -> None:
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or size != after.st_size:
        raise _changed(name, before.st_size, after.st_size)


def _changed(name: str, before: int, after: int) -> ReadError:
    return ReadError(
        Reason.STILL_WRITTEN,
        f"{name}: changed since it was looked at ({before} bytes before, {after} after): "
        "it is still being written, and is taken when it is complete",
        f"{name}：接收过程中发生变化（之前 {before} 字节，之后 {after} 字节），仍在写入，完整后再接收",
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
