"""Rays of CINRAD standard base data whose moments are packed with LZO1X (zip type 1 of the ray's header).

**Not yet met with a real file.** Taken here: the 64-byte header is not packed, `length` counts the packed bytes, and
they are one LZO1X stream of all moment blocks of the ray, their headers included.

The codec is `lzallright` (MIT), which `pip install wxcore[lzo]` brings; without it such files stay refused. It takes no
limit for what comes out, but LZO1X itself has one: no byte of a stream makes more than MAX_EXPANSION bytes (a zero byte
lengthens a match by 255), so the limit on what goes in bounds each ray, and the sum of the rays is limited here.
"""

import contextlib
import importlib
import struct
from typing import Any

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.radar import codes
from wxcore.radar.cinrad_header import bad
from wxcore.radar.codes import PACKED_AT, RADIAL_BYTES

codec: Any = None
with contextlib.suppress(ImportError):
    codec = importlib.import_module("lzallright")

AVAILABLE = codec is not None
"""Whether the library is installed."""

REMARK = f"rays packed with LZO: {codes.UNMET}"

MAX_EXPANSION = 255
MAX_PACKED_RAY = 65_536
"""A ray of 24 moments of 1,000 gates has 40 kB unpacked. Bounds what one ray can become to 17 MB. [our choice]"""

MAX_RAY = 4_200_000
"""Bytes of one ray: `cinrad_rays.MAX_MOMENTS` moments of `MAX_GATES` gates of two bytes."""

MAX_UNPACKED = 256 * 2**20
"""Bytes of all rays: as much as a file may hold after decompression (`backend.MAX_BYTES`)."""

_LENGTH_AT = 36
_LENGTH = struct.Struct("<i")


def is_packed(data: bytes, at: int) -> bool:
    """Whether the ray at `at` is packed."""
    return len(data) >= at + RADIAL_BYTES and data[at + PACKED_AT] == codes.LZO


def unpack_rays(data: bytes, at: int) -> bytes:
    """The file with every ray from byte `at` on unpacked; what follows the last whole ray stays as it is, in part.

    Raises:
        ReadError: BAD_COMPRESSION, BAD_HEADER, UNSUPPORTED (the library is not installed).
        LimitError: TOO_LARGE.
    """
    parts, total, ended = [data[:at]], 0, False
    while at + RADIAL_BYTES <= len(data) and not ended:
        (length,) = _LENGTH.unpack_from(data, at + _LENGTH_AT)
        packed = data[at + PACKED_AT]
        if length < 0 or packed not in {0, codes.LZO} or (packed == 0 and length == 0):
            what = f"byte {at}: a ray of {length} bytes, zip type {packed}, among packed ones"
            raise bad(Reason.BAD_HEADER, what, f"字节 {at} 处的压缩径向头无效", at)
        begin, end = at + RADIAL_BYTES, at + RADIAL_BYTES + length
        if end > len(data):
            break
        head = bytearray(data[at:begin])
        payload = _unpack(data[begin:end], at) if packed else data[begin:end]
        _LENGTH.pack_into(head, _LENGTH_AT, len(payload))
        head[PACKED_AT] = 0
        total += len(head) + len(payload)
        if total > MAX_UNPACKED:
            raise _too_large(f"rays unpack to more than {MAX_UNPACKED} bytes", f"径向解压后超过 {MAX_UNPACKED} 字节")
        parts += [bytes(head), payload]
        ended = int.from_bytes(head[:4], "little") == codes.END_VOLUME
        at = end
    parts.append(data[at:] if ended else data[at : at + RADIAL_BYTES - 1])
    return b"".join(parts)


def pack_rays(data: bytes, at: int) -> bytes:
    """Inverse of `unpack_rays`, for whole files whose rays state their length.

    Raises:
        ReadError: UNSUPPORTED (the library is not installed).
    """
    compressor = _need_codec(at).LZOCompressor()
    parts = [data[:at]]
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at + _LENGTH_AT)
        head, payload = bytearray(data[at : at + RADIAL_BYTES]), data[at + RADIAL_BYTES : at + RADIAL_BYTES + length]
        packed = compressor.compress(payload)
        _LENGTH.pack_into(head, _LENGTH_AT, len(packed))
        head[PACKED_AT] = codes.LZO
        parts += [bytes(head), packed]
        at += RADIAL_BYTES + length
    return b"".join(parts)


def _unpack(packed: bytes, at: int) -> bytes:
    lzo = _need_codec(at)
    if len(packed) > MAX_PACKED_RAY:
        raise _too_large(
            f"ray at byte {at}: {len(packed)} packed bytes, more than {MAX_PACKED_RAY}",
            f"字节 {at} 处的压缩径向有 {len(packed)} 字节，超过 {MAX_PACKED_RAY}",
        )
    try:
        payload: bytes = lzo.LZOCompressor.decompress(packed)
    except lzo.LZOError as error:
        raise ReadError(
            Reason.BAD_COMPRESSION,
            f"ray at byte {at}: broken LZO stream ({type(error).__name__}): fetch the file again",
            f"字节 {at} 处径向的 LZO 压缩流已损坏：请重新获取文件",
            offset=at,
        ) from error
    if len(payload) > MAX_RAY:
        raise _too_large(
            f"ray at byte {at}: unpacks to {len(payload)} bytes, more than {MAX_RAY}",
            f"字节 {at} 处的径向解压后有 {len(payload)} 字节，超过 {MAX_RAY}",
        )
    return payload


def _need_codec(at: int) -> Any:
    if not AVAILABLE:
        raise ReadError(
            Reason.UNSUPPORTED,
            f"ray at byte {at}: compressed inside (zip type 1, LZO): export the volume uncompressed, or install "
            "wxcore[lzo]",
            f"字节 {at} 处的径向为内部压缩（zip type 1，LZO）：请以未压缩方式导出，或安装 wxcore[lzo]",
            offset=at + PACKED_AT,
        )
    return codec


def _too_large(what: str, what_zh: str) -> LimitError:
    return LimitError(Reason.TOO_LARGE, f"{what}: no radar sends that much", f"{what_zh}：不是正常的雷达资料")
