"""Open HDF5 and netCDF-4 files that pass `check_hdf5`; what the library says of damage becomes a ReadError."""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py

from wxcore.errors import LimitError, ReadError, Reason, is_our_trouble
from wxcore.hdf5.check import CAP_BYTES, check_hdf5

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""First bytes of HDF5 and netCDF-4 (HDF5 File Format Specification 3.0, II.A)."""

BROKEN = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
"""What h5py raises on damaged files, and what comes of a group where a dataset should be, by their common bases."""

CAUSE_SHOWN = 200

_Native = TypeVar("_Native")


class _File(h5py.File):  # type: ignore[misc]
    """A file whose error names the path that was asked for: the library's own says "component not found"."""

    def __getitem__(self, name: object) -> Any:
        try:
            return super().__getitem__(name)
        except KeyError as cause:
            raise KeyError(f"{name!r} is missing or damaged: {cause.args[0]}") from cause


@dataclass(frozen=True)
class _Open:
    """A file inside of its with block, and the bytes that its datasets declare."""

    path: Path
    file: h5py.File
    declared: int


_AROUND: ContextVar[_Open | None] = ContextVar("_AROUND", default=None)
"""The innermost with block of `open_checked` that this code runs in."""


def is_hdf5(head: bytes) -> bool:
    """Is it HDF5 or netCDF-4, by its first bytes?"""
    return head.startswith(SIGNATURE)


def read_bytes(read_path: Callable[[Path, str, None], _Native]) -> Callable[[bytes, str], _Native]:
    """A `Format.read` from a `Format.read_path`: the bytes go through a temporary file; everything is read."""

    def read(data: bytes, name: str) -> _Native:
        with tempfile.TemporaryDirectory(prefix="wxcore-") as folder:
            path = Path(folder) / "whole.h5"
            path.write_bytes(data)
            return read_path(path, name, None)

    return read


@contextmanager
def open_checked(path: Path, name: str, what: str, *, cap_bytes: int = CAP_BYTES) -> Iterator[h5py.File]:
    """Open a file for reading, checked by `check_hdf5`; what the library says of damage becomes a ReadError.

    Directly inside of a with block of the same path it is that open file again, which has been checked: who finds out
    of which kind a file is calls its reader there.

    Args:
        path: of the uncompressed file.
        name: what messages call the file; what: what they call its format.
        cap_bytes: most bytes that its datasets may declare together, filters undone.

    Raises:
        ReadError: NOT_FOUND; TRUNCATED or BAD_HEADER where it cannot be opened; BAD_VALUE where its contents cannot be
            read, also later, inside of the with block; and what `check_hdf5` raises.
        LimitError: TOO_LARGE where it asks for more memory than this process may have.
        OSError: OUR_TROUBLE.
    """
    around = _AROUND.get()
    if around is not None and around.path == path:
        with _told_as_read_error(name, what):
            if around.declared > cap_bytes:
                check_hdf5(around.file, what, cap_bytes=cap_bytes)
            yield around.file
        return
    try:
        file = _File(path, "r")
    except BROKEN as cause:
        if is_our_trouble(cause):
            raise
        raise _unopened(name, what, cause) from cause
    with _told_as_read_error(name, what), file:
        _AROUND.set(_Open(path, file, check_hdf5(file, what, cap_bytes=cap_bytes)))
        try:
            yield file
        finally:
            _AROUND.set(around)


@contextmanager
def _told_as_read_error(name: str, what: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as cause:
        if is_our_trouble(cause):
            raise
        raise _unreadable(name, what, cause) from cause


def _unopened(name: str, what: str, cause: Exception) -> ReadError:
    told, reason = _told(cause), Reason.BAD_HEADER
    if isinstance(cause, FileNotFoundError):
        reason = Reason.NOT_FOUND
    elif "truncated" in told:
        reason = Reason.TRUNCATED
    return ReadError(
        reason,
        f"{name}: {what}: cannot be opened as HDF5 ({told}): fetch the file again",
        f"{name}：{what}：无法作为 HDF5 文件打开（{told}），请重新获取文件",
    )


def _unreadable(name: str, what: str, cause: Exception) -> ReadError:
    told = _told(cause)
    if isinstance(cause, MemoryError):
        return LimitError(
            Reason.TOO_LARGE,
            f"{name}: {what}: asks for more memory than there is ({told}): the file is damaged or hostile",
            f"{name}：{what}：所需内存超过可用内存（{told}）：文件可能损坏或恶意",
        )
    return ReadError(
        Reason.BAD_VALUE,
        f"{name}: {what}: cannot be read ({told}): fetch the file again",
        f"{name}：{what}：无法读取（{told}），请重新获取文件",
    )


def _told(cause: Exception) -> str:
    """What the library says, on one safe line, without the times, paths and addresses of this very run."""
    text = str(cause.args[0] if isinstance(cause, KeyError) and cause.args else cause)
    text = re.split(r":? (?:name|time) = |\n", text)[0]
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:CAUSE_SHOWN])
    return text if type(cause) in {OSError, KeyError} else f"{type(cause).__name__}: {text}"
