"""Global heaps that would hang the library, found in a file's bytes without it.

A heap whose free space takes no bytes is the one damage on which HDF5 was seen to hang: it goes on from the free space
to the next object, which is itself. What is in heaps are values of variable length and references.
"""

import os
import struct
from collections.abc import Callable, Iterable, Iterator

import h5py

from wxcore.errors import LimitError, ReadError, Reason

MAX_HEAP_OBJECTS = 200_000
"""Most objects in heaps: a volume of ODIM_H5 with texts of variable length has some thousand. Heaps that overlap in a
hostile file would otherwise be walked through again and again."""

_HEAP = b"GCOL\1\0\0\0"
"""How a collection of the global heap begins: signature and version (HDF5 File Format Specification 3.0, III.E)."""

_LENGTH, _OBJECT = struct.Struct("<Q"), struct.Struct("<H6xQ")
"""What follows it: the collection's size; and the head of each object: its number (0: what is free), its size."""

_PIECE_BYTES = 2**20
"""How much of a file is looked through at once: finding is no faster in larger pieces."""

Read = Callable[[int, int], bytes]
"""(place, size) -> bytes of a file; fewer at its end."""

Part = tuple[int, int]
"""(first byte, byte after the last) of a file."""


def bytes_of(file: h5py.File) -> tuple[Read, int]:
    """How to read an open file's bytes, and how many there are; of one on disk no more is held than what is asked."""
    if file.driver == "sec2":
        descriptor = file.id.get_vfd_handle()
        return lambda place, size: os.pread(descriptor, size, place), os.fstat(descriptor).st_size
    image = bytes(file.userblock_size) + file.id.get_file_image()  # which leaves the user block out
    return lambda place, size: image[place : place + size], len(image)


def parts_between(taken: Iterable[Part], length: int) -> Iterator[Part]:
    """What is left of a file of `length` bytes, in order; the parts that are taken may overlap, or lie beyond it."""
    at = 0
    for first, after in sorted(taken):
        if at < min(first, length):
            yield at, min(first, length)
        at = max(at, after)
    if at < length:
        yield at, length


def check_heaps(what: str, read: Read, length: int, parts: Iterable[Part]) -> None:
    """Refuse heaps with free space of 0 bytes.

    Each of the mutants that were seen to hang (215 of 28,100, of files with strings of variable length) had one. All
    sizes are taken as 8 bytes long, as h5py and netCDF write them; in files with others the killable child remains.

    Args:
        what: what messages call the file; read, length: as `bytes_of` gives them.
        parts: where heaps are looked for.

    Raises:
        ReadError: BAD_VALUE, with the place of the free space.
        LimitError: TOO_LARGE: more than MAX_HEAP_OBJECTS.
    """
    objects = 0
    for at in _heaps(read, parts):
        place = at + len(_HEAP) + _LENGTH.size
        claimed = read(at + len(_HEAP), _LENGTH.size)
        end = min(at + _LENGTH.unpack(claimed)[0], length) if len(claimed) == _LENGTH.size else place
        while place + _OBJECT.size <= end and len(found := read(place, _OBJECT.size)) == _OBJECT.size:
            number, size = _OBJECT.unpack(found)
            if number == size == 0:
                raise ReadError(
                    Reason.BAD_VALUE,
                    f"{what}: damaged heap at byte {at} (its free space takes 0 bytes): fetch the file again",
                    f"{what}：字节 {at} 处的堆结构损坏（空闲空间为 0 字节），请重新获取文件",
                    offset=place,
                )
            place += size if number == 0 else _OBJECT.size + -(-size // 8) * 8
            objects += 1
            if objects > MAX_HEAP_OBJECTS:
                raise LimitError(
                    Reason.TOO_LARGE,
                    f"{what}: more than {MAX_HEAP_OBJECTS} objects in heaps: the file is damaged or hostile",
                    f"{what}：堆中对象超过 {MAX_HEAP_OBJECTS} 个：文件可能损坏或恶意",
                )


def _heaps(read: Read, parts: Iterable[Part]) -> Iterator[int]:
    """Where each heap begins that begins in one of the parts."""
    for first, after in parts:
        for start in range(first, after, _PIECE_BYTES):
            piece = read(start, min(_PIECE_BYTES, after - start) + len(_HEAP) - 1)
            at = piece.find(_HEAP)
            while at >= 0:
                yield start + at
                at = piece.find(_HEAP, at + 1)
