"""xarray engine "cinrad": `xarray.open_datatree(path, engine="cinrad")` for standard and legacy base data.

Plain, gzip and bzip2 files alike, known by their bytes. `open_dataset` gives one sweep.
"""

import bz2
import gzip
import io
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, cast

import xarray as xr
from xarray.backends import BackendEntrypoint

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.radar import cinrad, legacy, phased
from wxcore.radar.datatree import sweep_dataset, to_datatree
from wxcore.radar.volume import Volume
from wxcore.schema import HEAD_BYTES

MAX_BYTES = 256 * 2**20
"""Largest file, and largest decompressed file, that is read (RELIABILITY.md A4)."""

_FORMATS = (cinrad.FORMAT, phased.FORMAT, *legacy.FORMATS)


def open_volume(source: object) -> Volume:
    """Read a volume from a path, bytes or a binary file object.

    Raises:
        ReadError: NOT_FOUND, IS_DIRECTORY, EMPTY, BAD_COMPRESSION, TRUNCATED, UNKNOWN_FORMAT, or what the reader says.
        LimitError: TOO_LARGE.
    """
    name = Path(os.fspath(source)).name if isinstance(source, str | os.PathLike) else ""
    data = _content(source, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: more than {MAX_BYTES} bytes after decompression: no radar volume is that large",
            f"{name}：解压后超过 {MAX_BYTES} 字节：不是正常的雷达体扫文件",
        )
    if not data:
        raise ReadError(Reason.EMPTY, f"{name}: empty file: fetch it again", f"{name}：空文件：请重新获取")
    for form in _FORMATS:
        if form.recognise(data[:HEAD_BYTES]):
            return cast("Volume", form.read(data, name))
    raise ReadError(
        Reason.UNKNOWN_FORMAT,
        f"{name}: not CINRAD base data (standard or legacy): run `wx doctor` on it",
        f"{name}：不是天气雷达基数据（标准或旧格式）：请用 wx doctor 检查",
        offset=0,
    )


def _content(source: object, most: int) -> bytes:
    """At most `most` bytes of what is inside the file."""
    try:
        if isinstance(source, str | os.PathLike):
            with Path(os.fspath(source)).open("rb") as file:
                return _inflate(file, most)
        if isinstance(source, bytes | bytearray | memoryview):
            return _inflate(io.BytesIO(source), most)
        return _inflate(cast("BinaryIO", source), most)
    except FileNotFoundError as cause:
        raise ReadError(Reason.NOT_FOUND, f"{source}: no such file", f"{source}：文件不存在") from cause
    except IsADirectoryError as cause:
        raise ReadError(
            Reason.IS_DIRECTORY, f"{source} is a folder: give a file", f"{source} 是目录：请给出文件"
        ) from cause
    except EOFError as cause:
        raise ReadError(
            Reason.TRUNCATED, "the compressed file ends early: fetch it again", "压缩文件不完整：请重新获取"
        ) from cause
    except (zlib.error, OSError) as cause:
        raise ReadError(
            Reason.BAD_COMPRESSION, f"cannot decompress ({cause}): fetch the file again", "无法解压：请重新获取文件"
        ) from cause


def _inflate(file: BinaryIO, most: int) -> bytes:
    start = file.tell()
    magic = file.read(3)
    file.seek(start)
    if magic == b"BZh":
        with bz2.BZ2File(file) as packed:
            return packed.read(most)
    if magic.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=file) as packed_gz:
            return packed_gz.read(most)
    return file.read(most)


def _sweep_number(group: str | int | None) -> int:
    if group is None:
        return 0
    text = str(group).strip("/").removeprefix("sweep_")
    if not text.isdecimal():
        raise ValueError(f"group {group!r}: expected sweep_0, sweep_1, ... or a number")
    return int(text)


class CinradBackend(BackendEntrypoint):
    """CINRAD base data for xarray, in CfRadial2/FM301 terms (see `wxcore.radar.datatree`)."""

    description = "CINRAD radar base data, standard and legacy SA/SB/CB format (plain, gzip or bzip2)"
    supports_groups = True

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        group: str | int | None = None,
    ) -> xr.Dataset:
        """One sweep with the site as coordinates; `group` is its number or "sweep_<i>", the first by default.

        Raises:
            ReadError: see `open_volume`. ValueError: no such sweep.
        """
        volume = open_volume(filename_or_obj)
        number = _sweep_number(group)
        if number >= len(volume.sweeps):
            raise ValueError(f"sweep {number}: the volume has sweeps 0 to {len(volume.sweeps) - 1}")
        ds = sweep_dataset(volume.sweeps[number], number, volume.site)
        return ds.drop_vars(_names(drop_variables), errors="ignore")

    def open_datatree(self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None) -> xr.DataTree:
        """The whole volume.

        Raises:
            ReadError: see `open_volume`.
        """
        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables))

    def open_groups_as_dict(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None
    ) -> dict[str, xr.Dataset]:
        """Each group's Dataset by its path."""
        names = _names(drop_variables)
        tree = to_datatree(open_volume(filename_or_obj))
        return {node.path: node.to_dataset(inherit=False).drop_vars(names, errors="ignore") for node in tree.subtree}

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """By the bytes, compressed or not; never by the name."""
        if not isinstance(filename_or_obj, str | os.PathLike | bytes):
            return False
        try:
            head = _content(filename_or_obj, HEAD_BYTES)
        except ReadError:
            return False
        return any(form.recognise(head) for form in _FORMATS)


def _names(drop: str | Iterable[str] | None) -> list[str]:
    if drop is None:
        return []
    return [drop] if isinstance(drop, str) else list(drop)
