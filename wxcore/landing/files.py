"""Open a path as a regular file, or say why not; show a hostile name safely; make new names durable."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from wxcore.errors import ReadError, Reason, is_our_trouble

MAX_NAME_SHOWN = 255
"""Characters of a name that messages and the ledger keep (NAME_MAX of Linux file systems)."""

MAX_TEXT_SHOWN = 4000
"""Characters of a message that are kept: a header may hold megabytes where it should hold five letters."""


def display_name(name: str) -> str:
    """A file's base name as data that is safe to store and show.

    Undecodable bytes, control characters, line breaks and bidirectional overrides come out escaped (`\\xff`,
    `\\x0a`, `\\u202e`); the folder part is dropped; very long names are cut. Never use the result as a path.
    """
    return _shown(name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1], MAX_NAME_SHOWN)


def display_text(text: str) -> str:
    """Text that may hold what came out of a file, as one line that is safe to store and show; escaped as names are."""
    return _shown(text, MAX_TEXT_SHOWN)


def _shown(text: str, limit: int) -> str:
    cut = text[: limit + 1]
    shown = "".join(character if character.isprintable() else _escape(character) for character in cut)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as os.fsdecode keeps it (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def open_regular(path: Path, *, follow_links: bool = True) -> tuple[BinaryIO, int]:
    """Open `path` for reading; a symbolic link to a regular file is fine unless `follow_links` is False.

    Returns:
        The open file and its size [bytes], both of the same inode.

    Raises:
        ReadError: NOT_FOUND, IS_DIRECTORY, NOT_A_FILE (device, pipe, socket, or no permission), EMPTY, or
            OUTSIDE_ROOT (a link that must not be followed).
        OSError: OUR_TROUBLE.
    """
    name = display_name(os.fspath(path))
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as cause:
        if is_our_trouble(cause):
            raise
        if not follow_links and isinstance(cause, OSError) and cause.errno == errno.ELOOP:
            raise link_refused(name) from cause
        raise _refusal(path, name, cause) from cause
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        os.close(descriptor)
        raise _not_regular(name, status)
    return os.fdopen(descriptor, "rb", buffering=0), status.st_size


def link_refused(name: str) -> ReadError:
    """Why a symbolic link in a watched folder is left alone: `name` as it is shown."""
    return ReadError(
        Reason.OUTSIDE_ROOT,
        f"{name}: is a symbolic link, which may lead out of the watched folder: put the file itself there",
        f"{name}：是符号链接，可能指向监视目录之外，请直接放入文件",
    )


def _refusal(path: Path, name: str, cause: OSError | ValueError) -> ReadError:
    try:
        status = os.stat(path)  # noqa: PTH116 (a Path method would hide the ValueError of a NUL byte)
    except (OSError, ValueError):
        detail = str(cause.strerror if isinstance(cause, OSError) else cause)
        return ReadError(
            Reason.NOT_FOUND,
            f"{name}: there is no such file ({detail}): check the path",
            f"{name}：没有这个文件（{detail}），请检查路径",
        )
    if not stat.S_ISREG(status.st_mode):
        return _not_regular(name, status)
    return ReadError(
        Reason.NOT_A_FILE,
        f"{name}: cannot be opened ({cause}): check its permissions",
        f"{name}：无法打开（{cause}），请检查权限",
    )


def _not_regular(name: str, status: os.stat_result) -> ReadError:
    if stat.S_ISDIR(status.st_mode):
        return ReadError(
            Reason.IS_DIRECTORY,
            f"{name}: is a folder, expected a file: name the files in it",
            f"{name}：是文件夹，应为文件，请给出其中的文件",
        )
    if not stat.S_ISREG(status.st_mode):
        return ReadError(
            Reason.NOT_A_FILE,
            f"{name}: is a device, pipe or socket, expected a regular file",
            f"{name}：是设备、管道或套接字，应为普通文件",
        )
    return ReadError(
        Reason.EMPTY,
        f"{name}: 0 bytes: the transfer was probably cut short; fetch it again",
        f"{name}：文件为空（0 字节），可能传输中断，请重新获取",
    )


def sync_folder(folder: Path) -> None:
    """Make names that were put into this folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
