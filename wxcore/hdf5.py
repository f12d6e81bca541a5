"""What an HDF5 or netCDF-4 file declares, checked from its metadata before any data are read (RELIABILITY.md A5).

A file of 1,400 bytes can declare terabytes, and one can name other files on this disk. So every object is visited
through low-level calls that follow no link and open no other file, and a reader only sees a file that passed.
Damaged metadata can make the library hang or crash: call this in a killable child (landing.guard). The one damage on
which it was seen to hang, a heap whose free space takes no bytes, is looked for before the library can walk into it.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z

from wxcore.errors import LimitError, ReadError, Reason

CAP_BYTES = 2**30
"""Most bytes that all datasets may declare together: 20 times the largest radar volume at hand (24 MB)."""

MAX_OBJECTS, MAX_DEPTH = 20_000, 8
"""Most objects and levels of groups: ODIM_H5 needs 4 levels and about 30 objects a sweep, satellite files 3 levels."""

MAX_RANK = 8
"""Most dimensions of a dataset: no weather file at hand has more than 4."""

MAX_ITEM_BYTES = 2**20
"""Largest element of a dataset: compound tables of satellite files take some hundred bytes."""

MAX_VLEN_ITEMS = 10_000
"""Most strings or lists of variable length in a dataset: each may name the same large piece of the file."""

MAX_ATTRIBUTES, MAX_ATTRIBUTE_BYTES = 1000, 16 * 2**20
"""Most attributes of one object, and most bytes that all attributes of a file may declare together."""

FILTERS = {
    h5z.FILTER_DEFLATE: "deflate", h5z.FILTER_SHUFFLE: "shuffle", h5z.FILTER_FLETCHER32: "fletcher32",
    h5z.FILTER_SZIP: "szip", h5z.FILTER_NBIT: "nbit", h5z.FILTER_SCALEOFFSET: "scale-offset",
}  # fmt: skip
"""Filters of the library itself. Any other would be a plug-in that it loads from the disk."""

CLASSES = frozenset(
    {h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.BITFIELD, h5t.OPAQUE, h5t.COMPOUND, h5t.REFERENCE, h5t.ENUM, h5t.VLEN,
     h5t.ARRAY}
)  # fmt: skip
NAME_SHOWN = 80

_HEAP = b"GCOL\1\0\0\0"
"""How a collection of the global heap begins: signature and version (HDF5 File Format Specification 3.0, III.E)."""

_LENGTH, _OBJECT = struct.Struct("<Q"), struct.Struct("<H6xQ")
"""What follows it: the collection's size; and the head of each object: its number (0: what is free), its size."""


@dataclass
class _Tally:
    """What was declared so far; `groups` are addresses, to find one that is reached twice."""

    what: str
    cap_bytes: int
    objects: int = 0
    data_bytes: int = 0
    attribute_bytes: int = 0
    groups: set[int] = field(default_factory=set)


@contextmanager
def open_checked(path: Path, name: str, what: str, *, cap_bytes: int = CAP_BYTES) -> Iterator[h5py.File]:
    """Open a file for reading, checked by `check_hdf5`; what the library says of damage becomes a ReadError.

    Args:
        path: of the uncompressed file.
        name: what messages call the file; what: what they call its format.
        cap_bytes: most bytes that its datasets may declare together, filters undone.

    Raises:
        ReadError: TRUNCATED or BAD_HEADER where it cannot be opened; BAD_VALUE where its contents cannot be read; and
            what `check_hdf5` raises.
    """
    try:
        with h5py.File(path, "r") as file:
            check_hdf5(file, what, cap_bytes=cap_bytes)
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError) as cause:
        truncated = "truncated" in str(cause)
        raise ReadError(
            Reason.TRUNCATED if truncated else Reason.BAD_VALUE,
            f"{name}: {what}: cannot be read ({str(cause) or type(cause).__name__}): fetch the file again",
            f"{name}：{what}：无法读取（{str(cause) or type(cause).__name__}），请重新获取文件",
        ) from cause


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
    _check_heaps(tally, file.id.get_file_image())
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


def _check_heaps(tally: _Tally, image: bytes) -> None:
    """Refuse a heap with free space of 0 bytes: from it the library goes on to the next object, which is itself.

    Each of the mutants that were seen to hang (215 of 28,100, of files with strings of variable length) had one. All
    sizes are taken as 8 bytes long, as h5py and netCDF write them; in files with others the killable child remains.
    """
    at = image.find(_HEAP)
    while at >= 0:
        head = at + len(_HEAP)
        end = min(at + _LENGTH.unpack_from(image, head)[0], len(image)) if head + _LENGTH.size <= len(image) else head
        place = head + _LENGTH.size
        while place + _OBJECT.size <= end:
            number, size = _OBJECT.unpack_from(image, place)
            if number == size == 0:
                raise ReadError(
                    Reason.BAD_VALUE,
                    f"{tally.what}: damaged heap at byte {at} (its free space takes 0 bytes): fetch the file again",
                    f"{tally.what}：字节 {at} 处的堆结构损坏（空闲空间为 0 字节），请重新获取文件",
                    offset=place,
                )
            place += size if number == 0 else _OBJECT.size + -(-size // 8) * 8
        at = image.find(_HEAP, head)


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
    if kind.get_class() not in CLASSES:
        raise _unsupported(tally, path, f"data type of class {kind.get_class()}", f"数据类型 {kind.get_class()}")
    if kind.get_size() > MAX_ITEM_BYTES:
        text = f"elements of {kind.get_size()} bytes, at most {MAX_ITEM_BYTES}"
        raise _too_large(tally, path, text, f"单个元素 {kind.get_size()} 字节，上限 {MAX_ITEM_BYTES}")
    variable = kind.detect_class(h5t.VLEN) or (kind.get_class() == h5t.STRING and kind.is_variable_str())
    if variable and count > MAX_VLEN_ITEMS:
        text = f"{count} elements of variable length, at most {MAX_VLEN_ITEMS}"
        raise _too_large(tally, path, text, f"变长元素 {count} 个，上限 {MAX_VLEN_ITEMS}")


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
