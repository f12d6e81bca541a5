"""Which files of the watched folders are complete (RELIABILITY.md A12, A13): the same in two polls, or renamed into
place. Nothing is opened, no symbolic link is followed, and one bad folder or name never stops the others.
"""

import hashlib
import os
import stat
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wxcore.errors import ReadError, Reason
from wxcore.landing.files import display_name, link_refused

STABLE_POLLS = 2
"""Consecutive polls with the same size, mtime and inode that make a file complete (RELIABILITY.md A13)."""

EMPTY_POLLS = 30
"""The same for a file of 0 bytes, which its writer most likely has only just created."""

TEMPORARY_SUFFIXES = (".tmp", ".part", ".partial", ".filepart", ".writing", "~")
"""Names that writers use until a file is complete (FTP clients, WinSCP, rsync and ours)."""

TEMPORARY_PREFIXES = (".", "~")
MAX_DEPTH = 8
"""Levels of folders below a watched one that are looked into."""

LIMIT = 1000
"""Files that one poll hands out at most; the rest stays in the folders, which are the queue."""

SETTLE_S, POLL_S, TIMEOUT_S = 5.0, 0.5, 60.0
"""`wait_until_complete`: a file unchanged for so long is complete; how often younger ones are looked at; and for how
long at most [s]."""


@dataclass(frozen=True)
class Seen:
    """What the last poll saw under a path.

    Attributes:
        size: [bytes].
        mtime_ns: [ns since 1970].
        polls: consecutive polls that saw exactly this.
        told: it was handed out by `take`, or it was refused: not told again while it stays as it is.
    """

    size: int
    mtime_ns: int
    inode: int
    polls: int = 1
    told: bool = False

    def same(self, other: "Seen | None") -> bool:
        """Is it the same file in the same state?"""
        return other is not None and (self.size, self.mtime_ns, self.inode) == (other.size, other.mtime_ns, other.inode)


@dataclass(frozen=True)
class Arrived:
    """A complete file. `key` (sha256 of path, size, mtime and inode, hex) is the same after a restart."""

    path: Path
    size: int
    mtime_ns: int
    inode: int
    key: str


@dataclass(frozen=True)
class Refused:
    """Something in a watched folder that is left alone, and why."""

    path: Path
    error: ReadError


@dataclass(frozen=True)
class Poll:
    """What one poll found.

    Attributes:
        ready: complete files that were not taken yet, newest first.
        seen: to be given to the next poll.
        refused: told once, when it is first met.
    """

    ready: tuple[Arrived, ...]
    seen: Mapping[str, Seen]
    refused: tuple[Refused, ...]


def poll(roots: Sequence[Path], previous: Mapping[str, Seen], *, limit: int = LIMIT) -> Poll:
    """Look into the folders once. Polls should be a second apart or more: a writer that pauses is told by its pauses.

    Args:
        roots: watched folders; one that is itself a link is followed, what lies in it is not.
        previous: `seen` of the poll before, through `take`; empty at the start.
        limit: most files handed out.
    """
    found: dict[str, Seen] = {}
    refused: dict[str, ReadError] = {}
    for root in roots:
        _scan(os.path.realpath(root), 0, found, refused)
    seen = {path: _next(now, previous.get(path)) for path, now in found.items()}
    unseen = tuple(f"{path}/" for path in refused)
    seen |= {path: before for path, before in previous.items() if path not in seen and path.startswith(unseen)}
    renamed = _renamed(found, previous)
    ready = [
        path
        for path, now in seen.items()
        if not now.told and path not in refused and not _is_temporary(path) and (_is_stable(now) or path in renamed)
    ]
    ready.sort(key=lambda path: (-seen[path].mtime_ns, path))
    news = tuple(
        Refused(Path(path), error)
        for path, error in refused.items()
        if not (path in previous and previous[path].told and previous[path].same(found[path]))
    )
    for path in refused:
        seen[path] = replace(seen[path], told=True)
    return Poll(tuple(_arrived(path, seen[path]) for path in ready[:limit]), seen, news)


def take(seen: Mapping[str, Seen], taken: Collection[Arrived]) -> dict[str, Seen]:
    """`seen` with these files marked: they are not handed out again unless they change."""
    marked = dict(seen)
    for file in taken:
        path = os.fspath(file.path)
        if path in marked:
            marked[path] = replace(marked[path], told=True)
    return marked


def waiting(seen: Mapping[str, Seen]) -> bool:
    """Is there a file that was not taken yet, complete or not?"""
    return any(not state.told and not _is_temporary(path) for path, state in seen.items())


def wait_until_complete(
    paths: Sequence[Path], *, poll_s: float = POLL_S, timeout_s: float = TIMEOUT_S
) -> tuple[list[Path], list[Path]]:
    """Wait until these files are complete: last written SETTLE_S ago, or the same in STABLE_POLLS polls.

    What is no readable file counts as complete: landing it will say why.

    Returns:
        (complete, unfinished after `timeout_s`), each in the order given.
    """
    settled_ns = time.time_ns() - int(SETTLE_S * 1e9)
    young = {path: now for path in paths if (now := _state(path)) is not None and now.mtime_ns > settled_ns}
    end = time.monotonic() + timeout_s
    while young and time.monotonic() < end:
        time.sleep(poll_s)
        for path, before in list(young.items()):
            now = _state(path)
            if now is None or _is_stable(now := _next(now, before)):
                del young[path]
            else:
                young[path] = now
    return [path for path in paths if path not in young], [path for path in paths if path in young]


def beneath(path: Path, roots: Sequence[Path]) -> bool:
    """Does the path, with every link in it followed, lie in one of the folders (or is it one of them)?"""
    try:
        real = os.path.realpath(path)
        return any(os.path.commonpath([real, root]) == root for root in map(os.path.realpath, roots))
    except ValueError:  # a NUL byte in the path
        return False


def outside(path: Path, roots: Sequence[Path]) -> ReadError:
    """Why a path that is not `beneath` the configured roots is left alone."""
    name, allowed = display_name(os.fspath(path)), ", ".join(map(str, roots))
    return ReadError(
        Reason.OUTSIDE_ROOT,
        f"{name}: lies outside of the folders that files may come from ({allowed}): move it, or set WXCORE_ROOTS",
        f"{name}：不在允许的资料目录（{allowed}）内：请移动文件，或修改 WXCORE_ROOTS",
    )


def refusal_key(path: Path, reason: Reason) -> str:
    """What the ledger remembers the refusal of a path by that holds no file, so that it is entered once (hex)."""
    return hashlib.sha256(b"refused\0" + os.fsencode(path) + b"\0" + str(reason).encode()).hexdigest()


def arrival_of(path: Path) -> Arrived | None:
    """The file as `poll` would hand it out, complete or not; None where it is no regular file."""
    real = os.path.realpath(path)
    seen = _state(Path(real))
    return None if seen is None else _arrived(real, seen)


def _scan(folder: str, depth: int, found: dict[str, Seen], refused: dict[str, ReadError]) -> None:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                _look(entry, depth, found, refused)
    except (OSError, ValueError) as cause:
        found[folder] = Seen(0, 0, 0)
        refused[folder] = _unreadable(folder, cause)


def _look(entry: os.DirEntry[str], depth: int, found: dict[str, Seen], refused: dict[str, ReadError]) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # renamed or deleted in this moment
    except OSError as cause:
        found[entry.path], refused[entry.path] = Seen(0, 0, 0), _unreadable(entry.path, cause)
        return
    if stat.S_ISDIR(status.st_mode):
        if _is_temporary(entry.name):
            return
        if depth < MAX_DEPTH:
            _scan(entry.path, depth + 1, found, refused)
            return
        refused[entry.path] = _too_deep(entry.path)
    elif stat.S_ISLNK(status.st_mode):
        refused[entry.path] = link_refused(display_name(entry.name))
    elif not stat.S_ISREG(status.st_mode):
        refused[entry.path] = _no_file(entry.path)
    else:
        found[entry.path] = Seen(status.st_size, status.st_mtime_ns, status.st_ino)
        return
    found[entry.path] = Seen(0, 0, status.st_ino)  # a folder's mtime would change with what comes into it


def _next(now: Seen, before: Seen | None) -> Seen:
    if before is None or not now.same(before):
        return now
    return replace(now, polls=before.polls + 1, told=before.told)


def _is_stable(now: Seen) -> bool:
    return now.polls >= (STABLE_POLLS if now.size else EMPTY_POLLS)


def _is_temporary(path: str) -> bool:
    name = path.rsplit("/", 1)[-1].lower()
    return name.startswith(TEMPORARY_PREFIXES) or name.endswith(TEMPORARY_SUFFIXES)


def _renamed(found: Mapping[str, Seen], previous: Mapping[str, Seen]) -> frozenset[str]:
    """Paths whose file was there under a temporary name, in this very state, and is not there any more."""
    before = {seen.inode: seen for path, seen in previous.items() if _is_temporary(path) and path not in found}
    return frozenset(
        path for path, now in found.items() if now.size and path not in previous and now.same(before.get(now.inode))
    )


def _arrived(path: str, seen: Seen) -> Arrived:
    state = f"\0{seen.size} {seen.mtime_ns} {seen.inode}".encode()
    key = hashlib.sha256(os.fsencode(path) + state).hexdigest()
    return Arrived(Path(path), seen.size, seen.mtime_ns, seen.inode, key)


def _state(path: Path) -> Seen | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Seen(status.st_size, status.st_mtime_ns, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _unreadable(path: str, cause: Exception) -> ReadError:
    name = display_name(path)
    return ReadError(
        Reason.NOT_FOUND,
        f"{name}: cannot be looked into ({cause}): check the path and its permissions; it is tried again",
        f"{name}：无法访问（{cause}），请检查路径和权限；将再次尝试",
    )


def _too_deep(path: str) -> ReadError:
    name = display_name(path)
    return ReadError(
        Reason.UNSUPPORTED,
        f"{name}: more than {MAX_DEPTH} folders deep, not looked into: move its files up",
        f"{name}：目录层数超过 {MAX_DEPTH} 层，不再深入，请将文件上移",
    )


def _no_file(path: str) -> ReadError:
    name = display_name(path)
    return ReadError(
        Reason.NOT_A_FILE,
        f"{name}: is a device, pipe or socket, expected a regular file",
        f"{name}：是设备、管道或套接字，应为普通文件",
    )
