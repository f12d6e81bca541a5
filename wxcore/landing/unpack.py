"""Compressed file to bytes, by magic bytes and never by name, with a cap on what comes out (RELIABILITY.md A4)."""

import bz2
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wxcore.errors import LimitError, ReadError, Reason, is_our_trouble
from wxcore.landing.files import display_name, open_regular

CAP_BYTES = 256 * 2**20
"""Most bytes that a file may hold after decompression (RELIABILITY.md A4, radar)."""

RATIO_CAP = 1000
"""Most bytes out per byte in, once RATIO_FREE_BYTES are out (RELIABILITY.md A4)."""

RATIO_FREE_BYTES = 2**20
BLOCK_IN, BLOCK_OUT = 2**16, 4 * 2**20
"""Bytes that are read, and that are decompressed, at a time. What is read beyond the end of a stream is copied."""

MAX_STREAMS = 10_000
"""Most streams of bz2 or gzip in a row: bgzip, which makes the smallest, needs 4,096 for CAP_BYTES."""

MAX_MEMBERS, MAX_DIRECTORY_BYTES = 100, 2**16
"""Most entries of a zip, folders among them, and most bytes of its directory: it should hold one file."""

ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The methods that are read in pieces; bz2 and LZMA would put out a whole member at a time."""

NESTED_LAYERS = 2
"""Compression inside compression: one more layer, such as bz2 inside gzip; a third is refused."""

TRAILING_LIMIT = 64
"""Bytes kept of what follows a compressed stream, to tell padding from damage."""


@dataclass(frozen=True)
class Unpacked:
    """Bytes of a file after decompression.

    Attributes:
        data: what came out.
        compression: "", "bz2", "gzip", "zip", or two of them such as "gzip+bz2" (outermost first).
        complete: False where the stream ends early, or damage follows it: `data` is then the good beginning.
    """

    data: bytes
    compression: str
    complete: bool


def unpack(path: Path, *, name: str = "", cap_bytes: int = CAP_BYTES, ratio_cap: int = RATIO_CAP) -> Unpacked:
    """Read and decompress a file (bz2 with any number of streams, gzip likewise, zip with one member, plain).

    `name` is what messages call it (the path where empty).
    Memory: `cap_bytes` and about an eighth of it, whatever the file claims or holds.

    Raises:
        ReadError: NOT_FOUND, IS_DIRECTORY, NOT_A_FILE, EMPTY, BAD_COMPRESSION, UNSUPPORTED (zip with several
            members or a password), TRUNCATED where nothing at all could be decompressed.
        LimitError: TOO_LARGE.
        OSError: the system cannot read the file now (`errors.OUR_TROUBLE`).
    """
    source, size = open_regular(path)
    with source:
        return _unpack(source, size, display_name(name or str(path)), cap_bytes, ratio_cap)


def unpack_bytes(data: bytes, name: str, *, cap_bytes: int = CAP_BYTES, ratio_cap: int = RATIO_CAP) -> Unpacked:
    """The same for bytes in memory. `name` is only used in messages."""
    return _unpack(io.BytesIO(data), len(data), display_name(name), cap_bytes, ratio_cap)


def compression_of(head: bytes) -> str:
    """ "bz2", "gzip", "zip" or "" by the first bytes (FORMATS.md: magic bytes, then name)."""
    if head[:3] == b"BZh" and head[3:4] in b"123456789" and head[4:10] in {b"1AY&SY", b"\x17rE8P\x90"}:
        return "bz2"
    if head[:2] == b"BZ" and head[2:3] == b"h" and len(head) < 10:
        return "bz2"
    if head[:3] == b"\x1f\x8b\x08":
        return "gzip"
    return "zip" if head[:4] in {b"PK\x03\x04", b"PK\x05\x06"} else ""


def _unpack(source: BinaryIO, size: int, name: str, cap: int, ratio: int) -> Unpacked:
    names: list[str] = []
    complete, held = True, 0
    while True:
        head = source.read(16)
        source.seek(0)
        kind = compression_of(head)
        if not kind:
            break
        if len(names) == NESTED_LAYERS:
            raise ReadError(
                Reason.BAD_COMPRESSION,
                f"{name}: {'+'.join([*names, kind])}: more than {NESTED_LAYERS} layers of compression",
                f"{name}：{'+'.join([*names, kind])}，压缩层数超过 {NESTED_LAYERS} 层",
            )
        names.append(kind)
        data, whole = _DECODERS[kind](source, _Budget(name, kind, cap - held, size, ratio))
        complete = complete and whole
        size = held = len(data)
        source = io.BytesIO(data)
    if size > cap:
        raise _too_large(name, f"{size} bytes", cap)
    plain = source.getvalue() if isinstance(source, io.BytesIO) else _read_plain(source, name, cap)
    if not plain:
        raise ReadError(Reason.EMPTY, f"{name}: holds 0 bytes after decompression", f"{name}：解压后为空（0 字节）")
    return Unpacked(plain, "+".join(names), complete)


@dataclass(frozen=True)
class _Budget:
    name: str
    kind: str
    cap: int
    size_in: int
    ratio: int

    def check(self, size_out: int) -> None:
        if size_out > self.cap:
            raise _too_large(self.name, f"over {self.cap} bytes", self.cap)
        if size_out > RATIO_FREE_BYTES and size_out > self.ratio * self.size_in:
            raise LimitError(
                Reason.TOO_LARGE,
                f"{self.name}: {self.size_in} bytes of {self.kind} hold more than {self.ratio} times as much: "
                "a decompression bomb, not a weather file",
                f"{self.name}：{self.size_in} 字节的 {self.kind} 解压后超过 {self.ratio} 倍，是压缩炸弹，不是气象文件",
            )


def _too_large(name: str, found: str, cap: int) -> LimitError:
    return LimitError(
        Reason.TOO_LARGE,
        f"{name}: {found} after decompression, expected at most {cap}",
        f"{name}：解压后{found}，上限为 {cap} 字节",
    )


def _read_plain(source: BinaryIO, name: str, cap: int) -> bytes:
    out = io.BytesIO()
    while block := source.read(min(BLOCK_OUT, cap + 1 - out.tell())):
        out.write(block)
        if out.tell() > cap:  # it grew while we read it
            raise _too_large(name, f"over {cap} bytes", cap)
    return out.getvalue()


def _bad(budget: _Budget, cause: Exception) -> ReadError:
    return ReadError(
        Reason.BAD_COMPRESSION,
        f"{budget.name}: damaged {budget.kind} ({cause}): fetch the file again",
        f"{budget.name}：{budget.kind} 压缩数据损坏（{cause}），请重新获取文件",
    )


def _truncated(budget: _Budget) -> ReadError:
    return ReadError(
        Reason.TRUNCATED,
        f"{budget.name}: {budget.kind} ends after {budget.size_in} bytes, before anything could be decompressed: "
        "fetch the file again",
        f"{budget.name}：{budget.kind} 在 {budget.size_in} 字节处中断，无法解压出任何内容，请重新获取文件",
        offset=0,
    )


def _bz2(source: BinaryIO, budget: _Budget) -> tuple[bytes, bool]:
    return _streams(source, budget, _bz2_stream, b"BZh")


def _gzip(source: BinaryIO, budget: _Budget) -> tuple[bytes, bool]:
    return _streams(source, budget, _gzip_stream, b"\x1f\x8b")


_Stream = Callable[[Iterator[bytes], bytes], Iterator["bytes | _End"]]


@dataclass(frozen=True)
class _End:
    """A stream has ended; `rest` is what was read beyond it."""

    rest: bytes


def _streams(source: BinaryIO, budget: _Budget, stream: _Stream, magic: bytes) -> tuple[bytes, bool]:
    out = io.BytesIO()  # its getvalue() hands the buffer over without a copy
    blocks = iter(lambda: source.read(BLOCK_IN), b"")
    rest = next(blocks, b"")
    complete = True
    for _ in range(MAX_STREAMS):
        end = _drain(stream(blocks, rest), out, budget)
        if end is None:
            complete = False
            break
        rest = end.rest
        while len(rest) < len(magic) and (more := next(blocks, b"")):
            rest += more
        if not rest.startswith(magic):  # zeros are padding; anything else is damage
            complete = not rest[:TRAILING_LIMIT].strip(b"\0")
            break
    else:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{budget.name}: more than {MAX_STREAMS} streams of {budget.kind} in a row: not a weather file",
            f"{budget.name}：连续的 {budget.kind} 压缩流超过 {MAX_STREAMS} 个，不是气象文件",
        )
    if not complete and out.tell() == 0:
        raise _truncated(budget)
    return out.getvalue(), complete


def _drain(pieces: Iterator["bytes | _End"], out: io.BytesIO, budget: _Budget) -> _End | None:
    try:
        for piece in pieces:
            if isinstance(piece, _End):
                return piece
            out.write(piece)
            budget.check(out.tell())
    except (OSError, zlib.error, EOFError) as cause:
        if is_our_trouble(cause):
            raise
        raise _bad(budget, cause) from cause
    return None


def _bz2_stream(blocks: Iterator[bytes], rest: bytes) -> Iterator["bytes | _End"]:
    decoder = bz2.BZ2Decompressor()
    while True:
        yield decoder.decompress(rest, BLOCK_OUT)
        if decoder.eof:
            yield _End(decoder.unused_data)
            return
        rest = next(blocks, b"") if decoder.needs_input else b""
        if not rest and decoder.needs_input:
            return


def _gzip_stream(blocks: Iterator[bytes], rest: bytes) -> Iterator["bytes | _End"]:
    decoder = zlib.decompressobj(wbits=31)
    while True:
        yield decoder.decompress(rest, BLOCK_OUT)
        if decoder.eof:
            yield _End(decoder.unused_data)
            return
        rest = decoder.unconsumed_tail or next(blocks, b"")
        if not rest:
            yield decoder.flush()
            return


_END = struct.Struct("<4s4H2LH")
_END_MAGIC, _ZIP64_MAGIC = b"PK\5\6", b"PK\6\7"
_ZIP64_BYTES, _COMMENT_BYTES = 20, 2**16
"""End of a zip's directory, the locator that precedes it in a zip64, and how far from the end zipfile looks for it: the
longest comment, and one more (PKWARE APPNOTE 6.3.9, 4.3.15 and 4.3.16)."""


def _zip(source: BinaryIO, budget: _Budget) -> tuple[bytes, bool]:
    out = io.BytesIO()
    try:
        _check_directory(source, budget)
        with zipfile.ZipFile(source) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) != 1 or members[0].flag_bits & 1 or members[0].compress_type not in ZIP_METHODS:
                raise ReadError(
                    Reason.UNSUPPORTED,
                    f"{budget.name}: zip with {len(members)} files, a password or a rare method, expected one open "
                    "file, deflated or stored: unzip it",
                    f"{budget.name}：zip 含 {len(members)} 个文件、有密码或压缩方法少见，"
                    "应只含一个 deflate 或未压缩的文件，请先解压",
                )
            with archive.open(members[0]) as member:
                while block := member.read(BLOCK_OUT):
                    out.write(block)
                    budget.check(out.tell())
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, ValueError,
    ) as cause:  # fmt: skip
        if is_our_trouble(cause):
            raise
        raise _bad(budget, cause) from cause
    return out.getvalue(), True


def _check_directory(source: BinaryIO, budget: _Budget) -> None:
    """Look at what the end of the directory declares, before zipfile reads all of it into memory.

    Raises:
        LimitError: TOO_LARGE.
        BadZipFile: there is no end.
    """
    size = source.seek(0, io.SEEK_END)
    source.seek(max(0, size - _END.size - _COMMENT_BYTES - _ZIP64_BYTES))
    tail = source.read()
    source.seek(0)
    # zipfile prefers an end without a comment, so must we
    bare = len(tail) - _END.size
    at = bare if tail[max(0, bare) :].startswith(_END_MAGIC) and tail.endswith(b"\0\0") else tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("its end is missing")
    _, _, _, _, members, directory_bytes, _, _ = _END.unpack_from(tail, at)
    zip64 = tail[max(0, at - _ZIP64_BYTES) : at].startswith(_ZIP64_MAGIC)
    if zip64 or members > MAX_MEMBERS or directory_bytes > MAX_DIRECTORY_BYTES:
        found = "zip64" if zip64 else f"{members} entries, {directory_bytes} bytes of directory"
        raise LimitError(
            Reason.TOO_LARGE,
            f"{budget.name}: zip with {found}, expected one file ({MAX_MEMBERS} entries and {MAX_DIRECTORY_BYTES} "
            "bytes at most): unzip it",
            f"{budget.name}：zip 目录过大（{found}），应只含一个文件"
            f"（最多 {MAX_MEMBERS} 项、{MAX_DIRECTORY_BYTES} 字节），请先解压",
        )


_DECODERS: dict[str, Callable[[BinaryIO, _Budget], tuple[bytes, bool]]] = {"bz2": _bz2, "gzip": _gzip, "zip": _zip}
