"""Records of CINRAD base data (FORMATS.md A.1): runs of rays of one layout, each one strided view over the file.

The lengths and moment headers of a run are compared at once; ragged records are runs of their own. The standard and
the phased-array format differ in the header of a ray only, which `Layout` describes.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason
from wxcore.radar import codes
from wxcore.radar.cinrad_header import bad
from wxcore.radar.codes import MOMENT_BYTES

MAX_MOMENTS, MAX_GATES = 64, 32768
"""More of them is no radar: 24 moment types and 4,000 gates are the most that are known."""

_FIRST_LOOK = 64
_SIZE = struct.Struct("<ii")
_MOMENT = struct.Struct("<iiihhi")
_SAME_WORDS = np.array([True] * 7 + [False] + [True] * 2)
"""The 16-bit words of a moment header that make a layout: all but the flags."""


@dataclass(frozen=True)
class Layout:
    """The header of a ray: its record type, where length and number of moments stand, and the byte that says packed
    (None where the format has none that we know)."""

    ray: np.dtype[np.void]
    length_at: int
    packed_at: int | None

    @property
    def size(self) -> int:
        """Bytes of the header."""
        return self.ray.itemsize


STANDARD = Layout(codes.RADIAL, 36, codes.PACKED_AT)
PHASED = Layout(codes.PHASED_RADIAL, 40, None)


@dataclass(frozen=True)
class Block:
    """One moment inside of a record: `at` is where its data begin, from the record's start."""

    kind: int
    scale: int
    offset: int
    size: int
    gates: int
    at: int

    @property
    def key(self) -> tuple[int, int, int]:
        """What rays of one moment must share."""
        return self.scale, self.offset, self.size


@dataclass(frozen=True)
class Run:
    """Consecutive records of one layout and cut."""

    at: int
    stride: int
    rays: npt.NDArray[Any]
    blocks: tuple[Block, ...]

    @property
    def end(self) -> int:
        """The byte behind its last record."""
        return self.at + self.stride * self.rays.size


def walk(data: bytes, at: int, cuts: int, layout: Layout) -> tuple[list[Run], int]:
    """Runs of records from `at` on, and the byte behind the last whole record.

    Bytes that are no record end the file if the volume was complete before them.

    Raises:
        ReadError: BAD_HEADER or UNSUPPORTED (packed rays).
    """
    runs: list[Run] = []
    while at + layout.size <= len(data):
        try:
            run = _run(data, at, cuts, layout)
        except ReadError:
            if runs and runs[-1].rays["state"][-1] == codes.END_VOLUME:
                break
            raise
        if run is None:
            break
        runs.append(run)
        at = run.end
    return runs, at


def _run(data: bytes, at: int, cuts: int, layout: Layout) -> Run | None:
    """The longest run of records like the one at `at`; None if that one is cut off by the file's end."""
    found = _record(data, at, cuts, layout)
    if found is None:
        return None
    stride, blocks = found
    room = (len(data) - at) // stride
    first: Any = np.ndarray((1,), layout.ray, data, at)[0]
    heads = [np.frombuffer(data, "<u2", _SAME_WORDS.size, at + b.at - MOMENT_BYTES) for b in blocks]
    count, look = 1, _FIRST_LOOK
    while count < room:
        size = min(look, room - count)
        begin = at + count * stride
        rays: npt.NDArray[Any] = np.ndarray((size,), layout.ray, data, begin, (stride,))
        alike = (rays["cut"] == first["cut"]) & (rays["length"] == first["length"])
        alike &= rays["moments"] == first["moments"]
        if layout.packed_at is not None:
            alike &= rays["zip"] == 0
        for block, head in zip(blocks, heads, strict=True):
            place = begin + block.at - MOMENT_BYTES
            words: npt.NDArray[np.uint16] = np.ndarray((size, head.size), "<u2", data, place, (stride, 2))
            alike &= ((words == head) | ~_SAME_WORDS).all(axis=1)
        if not alike.all():
            count += int(np.argmin(alike))
            break
        count, look = count + size, look * 2
    return Run(at, stride, np.ndarray((count,), layout.ray, data, at, (stride,)), blocks)


def _record(data: bytes, at: int, cuts: int, layout: Layout) -> tuple[int, tuple[Block, ...]] | None:
    """Length and moments of the record at `at`; None if the file ends inside of it.

    Raises:
        ReadError: BAD_HEADER or UNSUPPORTED.
    """
    (cut,) = struct.unpack_from("<i", data, at + codes.RAY_CUT_AT)
    length, count = _SIZE.unpack_from(data, at + layout.length_at)
    packed = 0 if layout.packed_at is None else data[at + layout.packed_at]
    if not (1 <= cut <= cuts and 0 <= count <= MAX_MOMENTS and length >= 0 and packed in {0, codes.LZO}):
        what = f"byte {at}: cut {cut} of {cuts}, {count} moments, {length} bytes is no ray"
        raise bad(Reason.BAD_HEADER, what, f"字节 {at} 处不是有效的径向头", at)
    if packed == codes.LZO:
        raise ReadError(
            Reason.UNSUPPORTED,
            f"ray at byte {at}: compressed inside (zip type 1, LZO) behind rays that are not: export the volume "
            "uncompressed",
            f"字节 {at} 处的径向为内部压缩（zip type 1，LZO），而之前的径向未压缩：请以未压缩方式导出",
            offset=at,
        )
    blocks = []
    place = at + layout.size
    for _ in range(count):
        if place + MOMENT_BYTES > len(data):
            return None
        kind, scale, offset, size, _flags, nbytes = _MOMENT.unpack_from(data, place)
        place += MOMENT_BYTES
        sane = 0 < scale <= 1_000_000 and abs(offset) <= 1_000_000 and size in {1, 2}
        if not (sane and 0 <= nbytes <= MAX_GATES * size and nbytes % size == 0):
            what = f"byte {place - MOMENT_BYTES}: moment {kind}, scale {scale}, {nbytes} bytes of {size} is no moment"
            raise bad(Reason.BAD_HEADER, what, f"字节 {place - MOMENT_BYTES} 处不是有效的数据块头", place)
        if nbytes:  # an empty block is seen in the wild and means: not measured
            blocks.append(Block(kind, scale, offset, size, nbytes // size, place - at))
        place += nbytes
    end = at + layout.size + length if length else place
    if end < place:
        what = f"byte {at}: {length} bytes declared for a ray of {place - at - layout.size}"
        raise bad(Reason.BAD_HEADER, what, f"字节 {at} 处径向长度与内容不符", at)
    return None if end > len(data) else (end - at, tuple(blocks))
