"""What an HDF5 or netCDF-4 file declares, checked from its metadata before any data are read (RELIABILITY.md A5).

A file of 1,400 bytes can declare terabytes, and one can name other files on this disk. So every object is visited
through low-level calls that follow no link and open no other file, and a reader only sees a file that passed.
Damaged metadata can make the library hang or crash: call this in a killable child (landing.guard). The one damage on
which it was seen to hang is looked for in the file's bytes (hdf5.heaps).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o, h5p, h5s, h5t, h5z

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.hdf5.heaps import Part, bytes_of, check_heaps, parts_between

CAP_BYTES = 2**30
"""Most bytes that all datasets may declare together: 20 times the largest radar volume at hand (24 MB)."""

MAX_OBJECTS, MAX_DEPTH = 20_000, 8
"""Most objects and levels of groups: ODIM_H5 needs 4 levels and about 30 objects a sweep, satellite files 3 levels."""

MAX_CHUNK_BYTES = 256 * 2**20
"""Largest chunk of a dataset, whatever the cap: it is unpacked as a whole, however small the window that is read [our
choice: twice the 128 MB of an uncut 250 m image of GHI]."""

CHUNK_SLACK_BYTES = 4096
"""A stored chunk may be this much larger than what is in it, and an eighth: data that do not shrink grow a little (by
5 bytes in 16 kB in deflate; no chunk of the files at hand grew at all) [our choice]. The library unpacks all that is
stored, whatever the chunk declares: with this it makes at most 1032 times the chunk, deflate's best (zlib's manual)."""

MAX_CHUNKS = 1_000_000
"""Most chunks of a file, declared or stored [our choice]: 1,100 times the most at hand. They are all looked at."""

WHOLE_BYTES = 8 * 2**20
"""Files up to this size are searched for heaps as a whole, before the library is asked anything; of larger ones what
the stored data leave, after that: the rest of a full disk is a hundredth of it [our choice]."""

SEARCHED_BYTES = 4096
"""Smaller pieces of stored data are searched too: going around them takes longer."""

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

INFLATING = frozenset({h5z.FILTER_DEFLATE, h5z.FILTER_SZIP})
"""Filters that can make much of little: one after another they would make a million times as much."""

CLASSES = frozenset(
    {h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.BITFIELD, h5t.OPAQUE, h5t.COMPOUND, h5t.REFERENCE, h5t.ENUM, h5t.VLEN,
     h5t.ARRAY}
)  # fmt: skip
NAME_SHOWN = 80

_VLEN_BYTE, _SEQUENCE = 3, 0
"""Where an encoded data type (two bytes, then its message) says what has variable length: 0 a list, 1 a text (IV.A.2.d;
the library calls the latter a STRING). It crashed on 2 of 2,000 mutants of AGRI files, which said something else."""


@dataclass
class _Tally:
    """What was declared so far, where groups are (to find one that is reached twice) and where data are."""

    what: str
    cap_bytes: int
    objects: int = 0
    data_bytes: int = 0
    attribute_bytes: int = 0
    chunks: int = 0
    groups: set[int] = field(default_factory=set)
    stored: list[Part] = field(default_factory=list)


def check_hdf5(file: h5py.File, what: str, *, cap_bytes: int = CAP_BYTES) -> int:
    """Refuse a file that would lead out of itself or out of memory; of its contents nothing but metadata is decoded.

    Args:
        file: open for reading.
        what: what messages call it, such as "ODIM_H5".
        cap_bytes: most bytes that its datasets may declare together, filters undone.

    Returns:
        How many bytes they declare.

    Raises:
        LimitError: TOO_LARGE: bytes, objects, depth, dimensions, attributes or chunks, or a chunk that holds more than
            it declares.
        ReadError: UNSUPPORTED: a link that is not hard, a group reached twice, data in other files, a filter or data
            type outside of FILTERS and CLASSES. BAD_VALUE: a heap that the library would walk through for ever.
        OSError, RuntimeError, KeyError, ValueError, TypeError: h5py's own, on damaged metadata.
    """
    tally = _Tally(what, cap_bytes)
    read, length = bytes_of(file)
    if length <= WHOLE_BYTES:
        check_heaps(what, read, length, [(0, length)])
        _visit(tally, file)
    else:
        _visit(tally, file)
        check_heaps(what, read, length, parts_between(tally.stored, length))
    return tally.data_bytes


def _visit(tally: _Tally, file: h5py.File) -> None:
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
    _check_filters(tally, created, path)
    space, kind = data.get_space(), data.get_type()
    count = _count(tally, space, path)
    _check_type(tally, kind, count, path)
    item = kind.get_size()
    sides = created.get_chunk() if layout == h5d.CHUNKED else (0,)
    chunk = item * math.prod(sides)
    if chunk > MAX_CHUNK_BYTES:
        text = f"a chunk of {chunk} bytes, at most {MAX_CHUNK_BYTES}"
        raise _too_large(tally, path, text, f"分块 {chunk} 字节，上限 {MAX_CHUNK_BYTES}")
    tally.data_bytes += max(count * item, chunk)
    if tally.data_bytes > tally.cap_bytes:
        limit = tally.cap_bytes
        raise _too_large(
            tally, path, f"datasets declare {tally.data_bytes} bytes, at most {limit} are decoded",
            f"数据集声明 {tally.data_bytes} 字节，上限 {limit}",
        )  # fmt: skip
    if layout == h5d.CHUNKED:
        _check_chunks(tally, data, path, sides, chunk)
    elif layout == h5d.CONTIGUOUS:
        _remember(tally, data.get_offset(), data.get_storage_size())


def _check_filters(tally: _Tally, created: h5p.PropDCID, path: str) -> None:
    codes = [created.get_filter(number)[0] for number in range(created.get_nfilters())]
    for code in codes:
        if code not in FILTERS:
            raise _unsupported(tally, path, f"filter {code}, which is a plug-in", f"过滤器 {code} 属于外部插件")
    if sum(code in INFLATING for code in codes) > 1:
        raise _unsupported(tally, path, "data that are packed twice", "数据被重复压缩")


def _check_chunks(tally: _Tally, data: h5d.DatasetID, path: str, sides: tuple[int, ...], chunk: int) -> None:
    """Refuse what would be unpacked to far more than a chunk's bytes; note where the chunks are."""
    most = chunk + chunk // 8 + CHUNK_SLACK_BYTES
    found: list[int] = []

    def look(one: h5d.StoreInfo) -> bool | None:  # nothing may be raised through the library
        found.append(one.size)
        _remember(tally, one.byte_offset, one.size)
        return True if one.size > most or len(found) > MAX_CHUNKS else None

    tally.chunks += math.prod(-(-length // side) for length, side in zip(data.shape, sides, strict=True))
    if tally.chunks <= MAX_CHUNKS:
        data.chunk_iter(look)
    if max(tally.chunks, len(found)) > MAX_CHUNKS:
        raise _too_large(tally, path, f"more than {MAX_CHUNKS} chunks", f"分块超过 {MAX_CHUNKS} 个")
    if found and found[-1] > most:
        text = f"a chunk of {chunk} bytes that takes {found[-1]} in the file"
        raise _too_large(tally, path, text, f"{chunk} 字节的分块在文件中占 {found[-1]} 字节")


def _remember(tally: _Tally, place: int | None, size: int) -> None:
    if place is not None and size >= SEARCHED_BYTES:
        tally.stored.append((place, place + size))


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
