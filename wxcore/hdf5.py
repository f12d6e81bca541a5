"""What an HDF5 or netCDF-4 file declares, checked from its metadata before any data are read (RELIABILITY.md A5).

A file of 1,400 bytes can declare terabytes, and one can name other files on this disk. So every object is visited
through low-level calls that follow no link and open no other file, and a reader only sees a file that passed.
Damaged metadata can make the library hang or crash: call this in a killable child (landing.guard). The one damage on
which it was seen to hang, a heap whose free space takes no bytes, is looked for before the library can walk into it.
"""

import errno
import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z

from wxcore.errors import LimitError, ReadError, Reason

CAP_BYTES = 2**30
"""Most bytes that all datasets may declare together: 20 times the largest radar volume at hand (24 MB)."""

MAX_OBJECTS, MAX_DEPTH = 20_000, 8
"""Most objects and levels of groups: ODIM_H5 needs 4 levels and about 30 objects a sweep, satellite files 3 levels."""

MAX_CHUNK_BYTES = 256 * 2**20
"""Largest chunk of a dataset, whatever the cap: it is unpacked as a whole, however small the window that is read [our
choice: twice the 128 MB of an uncut 250 m image of GHI]."""

MAX_RANK = 8
"""Most dimensions of a dataset: no weather file at hand has more than 4."""

MAX_ITEM_BYTES = 2**20
"""Largest element of a dataset: compound tables of satellite files take some hundred bytes."""

MAX_VLEN_ITEMS = 10_000
"""Most strings or lists of variable length in a dataset: each may name the same large piece of the file."""

MAX_ATTRIBUTES, MAX_ATTRIBUTE_BYTES = 1000, 16 * 2**20
"""Most attributes of one object, and most bytes that all attributes of a file may declare together."""

OUR_TROUBLE = frozenset({
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT,
})  # fmt: skip
"""Errors of the system that say nothing about a file's bytes (as in landing.files, which is above this room)."""

BROKEN = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
"""What h5py raises on damaged files, and what comes of a group where a dataset should be, by their common bases."""

FILTERS = {
    h5z.FILTER_DEFLATE: "deflate", h5z.FILTER_SHUFFLE: "shuffle", h5z.FILTER_FLETCHER32: "fletcher32",
    h5z.FILTER_SZIP: "szip", h5z.FILTER_NBIT: "nbit", h5z.FILTER_SCALEOFFSET: "scale-offset",
}  # fmt: skip
"""Filters of the library itself. Any other would be a plug-in that it loads from the disk."""

CLASSES = frozenset(
    {h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.BITFIELD, h5t.OPAQUE, h5t.COMPOUND, h5t.REFERENCE, h5t.ENUM, h5t.VLEN,
     h5t.ARRAY}
)  # fmt: skip
NAME_SHOWN, CAUSE_SHOWN = 80, 200

_HEAP = b"GCOL\1\0\0\0"
"""How a collection of the global heap begins: signature and version (HDF5 File Format Specification 3.0, III.E)."""

_PIECE_BYTES = 2**20
"""How much of a file is looked through at once: finding is no faster in larger pieces."""

MAX_HEAP_OBJECTS = 200_000
"""Most objects in heaps: a volume of ODIM_H5 with texts of variable length has some thousand. Heaps that overlap in a
hostile file would otherwise be walked through again and again."""

_LENGTH, _OBJECT = struct.Struct("<Q"), struct.Struct("<H6xQ")
"""What follows it: the collection's size; and the head of each object: its number (0: what is free), its size."""


_VLEN_BYTE, _SEQUENCE = 3, 0
"""Where an encoded data type (two bytes, then its message) says what has variable length: 0 a list, 1 a text (IV.A.2.d;
the library calls the latter a STRING). It crashed on 2 of 2,000 mutants of AGRI files, which said something else."""


@dataclass
class _Tally:
    """What was declared so far; `groups` are addresses, to find one that is reached twice."""

    what: str
    cap_bytes: int
    objects: int = 0
    data_bytes: int = 0
    attribute_bytes: int = 0
    groups: set[int] = field(default_factory=set)


class _File(h5py.File):  # type: ignore[misc]
    """A file whose error names the path that was asked for: the library's own says "component not found"."""

    def __getitem__(self, name: object) -> Any:
        try:
            return super().__getitem__(name)
        except KeyError as cause:
            raise KeyError(f"{name!r} is missing or damaged: {cause.args[0]}") from cause


@contextmanager
def open_checked(path: Path, name: str, what: str, *, cap_bytes: int = CAP_BYTES) -> Iterator[h5py.File]:
    """Open a file for reading, checked by `check_hdf5`; what the library says of damage becomes a ReadError.

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
    try:
        file = _File(path, "r")
    except BROKEN as cause:
        if _is_ours(cause):
            raise
        raise _unopened(name, what, cause) from cause
    try:
        with file:
            check_hdf5(file, what, cap_bytes=cap_bytes)
            yield file
    except BROKEN as cause:
        if _is_ours(cause):
            raise
        raise _unreadable(name, what, cause) from cause


def check_hdf5(file: h5py.File, what: str, *, cap_bytes: int = CAP_BYTES) -> None:
    """Refuse a file that would lead out of itself or out of memory; of its contents nothing but metadata is decoded.

    Args:
        file: open for reading.
        what: what messages call it, such as "ODIM_H5".
        cap_bytes: most bytes that its datasets may declare together, filters undone.

    Raises:
        LimitError: TOO_LARGE: bytes, objects, depth, dimensions or attributes.
        ReadError: UNSUPPORTED: a link that is not hard, a group reached twice, data in other files, a filter or data
            type outside of FILTERS and CLASSES. BAD_VALUE: a heap that the library would walk through for ever.
        OSError, RuntimeError, KeyError, ValueError, TypeError: h5py's own, on damaged metadata.
    """
    tally = _Tally(what, cap_bytes)
    _check_heaps(tally, file)
    waiting: list[tuple[h5g.GroupID, int, str]] = [(file["/"].id, 1, "/")]
    while waiting:
        group, depth, path = waiting.pop()
        _enter(tally, group, depth, path)
        for name in _names(tally, group, path):
            item = h5o.open(group, name)
            shown = f"{path}{name.decode('utf-8', 'replace')}"
            _check_attributes(tally, item, shown)
            if isinstance(item, h5g.GroupID):
                waiting.append((item, depth + 1, f"{shown}/"))
            elif isinstance(item, h5d.DatasetID):
                _check_dataset(tally, item, shown)


def _check_heaps(tally: _Tally, file: h5py.File) -> None:
    """Refuse a heap with free space of 0 bytes: from it the library goes on to the next object, which is itself.

    Each of the mutants that were seen to hang (215 of 28,100, of files with strings of variable length) had one. All
    sizes are taken as 8 bytes long, as h5py and netCDF write them; in files with others the killable child remains.
    """
    read, length = _bytes_of(file)
    objects = 0
    for at in _heaps(read, length):
        place = at + len(_HEAP) + _LENGTH.size
        claimed = read(at + len(_HEAP), _LENGTH.size)
        end = min(at + _LENGTH.unpack(claimed)[0], length) if len(claimed) == _LENGTH.size else place
        while place + _OBJECT.size <= end and len(found := read(place, _OBJECT.size)) == _OBJECT.size:
            number, size = _OBJECT.unpack(found)
            if number == size == 0:
                raise ReadError(
                    Reason.BAD_VALUE,
                    f"{tally.what}: damaged heap at byte {at} (its free space takes 0 bytes): fetch the file again",
                    f"{tally.what}：字节 {at} 处的堆结构损坏（空闲空间为 0 字节），请重新获取文件",
                    offset=place,
                )
            place += size if number == 0 else _OBJECT.size + -(-size // 8) * 8
            objects += 1
            if objects > MAX_HEAP_OBJECTS:
                text = f"more than {MAX_HEAP_OBJECTS} objects in heaps"
                raise _too_large(tally, "/", text, f"堆中对象超过 {MAX_HEAP_OBJECTS} 个")


_Read = Callable[[int, int], bytes]
"""(place, size) -> bytes of a file; fewer at its end."""


def _bytes_of(file: h5py.File) -> tuple[_Read, int]:
    """How to read the file's bytes, and how many there are; of a file on disk no more is held than what is asked."""
    if file.driver == "sec2":
        descriptor = file.id.get_vfd_handle()
        return lambda place, size: os.pread(descriptor, size, place), os.fstat(descriptor).st_size
    image = file.id.get_file_image()
    return lambda place, size: image[place : place + size], len(image)


def _heaps(read: _Read, length: int) -> Iterator[int]:
    """Where each heap begins."""
    for start in range(0, length, _PIECE_BYTES):
        piece = read(start, _PIECE_BYTES + len(_HEAP) - 1)
        at = piece.find(_HEAP)
        while at >= 0:
            yield start + at
            at = piece.find(_HEAP, at + 1)


def _enter(tally: _Tally, group: h5g.GroupID, depth: int, path: str) -> None:
    if depth > MAX_DEPTH:
        raise _too_large(tally, path, f"more than {MAX_DEPTH} levels of groups", f"组的层数超过 {MAX_DEPTH}")
    if depth == 1:
        _check_attributes(tally, group, path)
    address = h5o.get_info(group).addr
    if address in tally.groups:
        raise _unsupported(tally, path, "a group that is reached in two ways, or contains itself", "组被重复或循环引用")
    tally.groups.add(address)
    tally.objects += group.get_num_objs()
    if tally.objects > MAX_OBJECTS:
        raise _too_large(tally, path, f"more than {MAX_OBJECTS} objects", f"对象超过 {MAX_OBJECTS} 个")


def _names(tally: _Tally, group: h5g.GroupID, path: str) -> list[bytes]:
    """Names in a group, all of them hard links."""
    found: list[tuple[bytes, int]] = []

    def look(name: bytes, info: h5l.LinkInfo) -> bool | None:  # nothing may be raised through the library
        found.append((name, info.type))
        return True if len(found) > MAX_OBJECTS else None  # it holds more than it says

    group.links.iterate(look, info=True)
    for name, kind in found:
        if kind != h5l.TYPE_HARD:
            shown = f"{path}{name.decode('utf-8', 'replace')}"
            raise _unsupported(tally, shown, "a soft, external or user-defined link", "软链接、外部链接或自定义链接")
    return [name for name, _ in found]


def _check_dataset(tally: _Tally, data: h5d.DatasetID, path: str) -> None:
    created = data.get_create_plist()
    layout = created.get_layout()
    # Before the shape is asked for: of a virtual dataset that would open the other files.
    if layout == h5d.VIRTUAL or created.get_external_count():
        raise _unsupported(tally, path, "data that are in other files", "数据位于其他文件")
    for number in range(created.get_nfilters()):
        code = created.get_filter(number)[0]
        if code not in FILTERS:
            raise _unsupported(tally, path, f"filter {code}, which is a plug-in", f"过滤器 {code} 属于外部插件")
    space, kind = data.get_space(), data.get_type()
    count = _count(tally, space, path)
    _check_type(tally, kind, count, path)
    item = kind.get_size()
    held = count * item
    if layout == h5d.CHUNKED:
        chunk = item
        for length in created.get_chunk():
            chunk *= length
        if chunk > MAX_CHUNK_BYTES:
            text = f"a chunk of {chunk} bytes, at most {MAX_CHUNK_BYTES}"
            raise _too_large(tally, path, text, f"分块 {chunk} 字节，上限 {MAX_CHUNK_BYTES}")
        held = max(held, chunk)
    tally.data_bytes += held
    if tally.data_bytes > tally.cap_bytes:
        limit = tally.cap_bytes
        raise _too_large(
            tally, path, f"datasets declare {tally.data_bytes} bytes, at most {limit} are decoded",
            f"数据集声明 {tally.data_bytes} 字节，上限 {limit}",
        )  # fmt: skip


def _count(tally: _Tally, space: h5s.SpaceID, path: str) -> int:
    """Elements that a shape declares, as a Python integer: the library's own product can overflow."""
    kind = space.get_simple_extent_type()
    if kind != h5s.SIMPLE:
        return 1 if kind == h5s.SCALAR else 0
    if space.get_simple_extent_ndims() > MAX_RANK:
        raise _too_large(tally, path, f"more than {MAX_RANK} dimensions", f"维数超过 {MAX_RANK}")
    count = 1
    for length in space.get_simple_extent_dims():
        count *= int(length)
    return count


def _check_type(tally: _Tally, kind: h5t.TypeID, count: int, path: str) -> None:
    for part in _parts(kind):
        if part.get_class() not in CLASSES:
            raise _unsupported(tally, path, f"data type of class {part.get_class()}", f"数据类型 {part.get_class()}")
        if part.get_class() == h5t.VLEN and part.encode()[_VLEN_BYTE] & 0x0F != _SEQUENCE:
            raise ReadError(
                Reason.BAD_VALUE,
                f"{tally.what}: {_shown(path)}: variable length of neither a list nor a text: fetch the file again",
                f"{tally.what}：{_shown(path)}：变长类型既非列表也非文本，请重新获取文件",
            )
    if kind.get_size() > MAX_ITEM_BYTES:
        text = f"elements of {kind.get_size()} bytes, at most {MAX_ITEM_BYTES}"
        raise _too_large(tally, path, text, f"单个元素 {kind.get_size()} 字节，上限 {MAX_ITEM_BYTES}")
    variable = kind.detect_class(h5t.VLEN) or (kind.get_class() == h5t.STRING and kind.is_variable_str())
    if variable and count > MAX_VLEN_ITEMS:
        text = f"{count} elements of variable length, at most {MAX_VLEN_ITEMS}"
        raise _too_large(tally, path, text, f"变长元素 {count} 个，上限 {MAX_VLEN_ITEMS}")


def _parts(kind: h5t.TypeID) -> Iterator[h5t.TypeID]:
    """A data type, and those that it is made of."""
    yield kind
    if kind.get_class() == h5t.COMPOUND:
        for member in range(kind.get_nmembers()):
            yield from _parts(kind.get_member_type(member))
    elif kind.get_class() in {h5t.ARRAY, h5t.VLEN}:
        yield from _parts(kind.get_super())


def _check_attributes(tally: _Tally, item: h5g.GroupID | h5d.DatasetID | h5t.TypeID, path: str) -> None:
    count = h5a.get_num_attrs(item)
    if count > MAX_ATTRIBUTES:
        text = f"{count} attributes, at most {MAX_ATTRIBUTES}"
        raise _too_large(tally, path, text, f"属性 {count} 个，上限 {MAX_ATTRIBUTES}")
    for index in range(count):
        attribute = h5a.open(item, index=index)
        elements, kind = _count(tally, attribute.get_space(), path), attribute.get_type()
        _check_type(tally, kind, elements, path)
        tally.attribute_bytes += elements * kind.get_size()
        if tally.attribute_bytes > MAX_ATTRIBUTE_BYTES:
            text = f"attributes declare {tally.attribute_bytes} bytes, at most {MAX_ATTRIBUTE_BYTES}"
            zh = f"属性声明 {tally.attribute_bytes} 字节，上限 {MAX_ATTRIBUTE_BYTES}"
            raise _too_large(tally, path, text, zh)


def _shown(path: str) -> str:
    """The object's path on one safe line."""
    text = repr(path)
    return text if len(text) <= NAME_SHOWN else text[: NAME_SHOWN - 1] + "…"


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


def _is_ours(cause: Exception) -> bool:
    return isinstance(cause, OSError) and cause.errno in OUR_TROUBLE


def _told(cause: Exception) -> str:
    """What the library says, on one safe line, without the times, paths and addresses of this very run."""
    text = str(cause.args[0] if isinstance(cause, KeyError) and cause.args else cause)
    text = re.split(r":? (?:name|time) = |\n", text)[0]
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:CAUSE_SHOWN])
    return text if type(cause) in {OSError, KeyError} else f"{type(cause).__name__}: {text}"


def _too_large(tally: _Tally, path: str, en: str, zh: str) -> LimitError:
    return LimitError(
        Reason.TOO_LARGE,
        f"{tally.what}: {_shown(path)}: {en}: the file is damaged or hostile",
        f"{tally.what}：{_shown(path)}：{zh}：文件可能损坏或恶意",
    )


def _unsupported(tally: _Tally, path: str, en: str, zh: str) -> ReadError:
    return ReadError(
        Reason.UNSUPPORTED,
        f"{tally.what}: {_shown(path)}: {en}: not followed; give a file that holds all of its data itself",
        f"{tally.what}：{_shown(path)}：{zh}：不予读取，请提供自包含的文件",
    )
