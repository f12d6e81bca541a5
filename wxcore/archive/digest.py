"""A hash of what the archive says, whatever way it came to say it (RELIABILITY.md A9)."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from wxcore.archive import layout
from wxcore.archive.place import Root
from wxcore.archive.read import open_session
from wxcore.archive.stations import STATIONS, given_slots, slot_parts
from wxcore.schema import OPTIONAL, TIME

LEFT_OUT = ("history",)
"""Attributes that tell how the archive came to be, and not what it says."""

_OPTIONAL = frozenset((*(var.name for var in OPTIONAL), *layout.OPTIONAL_TEXTS))


def content_digest(root: Root, region: str, *, as_of: datetime | None = None) -> str:
    """sha256 of the written cycles: values as packed, coordinates, attributes, tables, observations, provenance.

    Independent of snapshot ids, of the order of commits and versions, of chunks and files, and of the order of the
    list that `nearest_radar` counts in, and of the order in which stations joined a day.

    Args:
        as_of: only what was committed by then (aware).

    Raises:
        ArchiveError: no archive here, versions that cannot be opened, nothing committed by `as_of`.
    """
    hashed = hashlib.sha256()
    for name, content in _parts(zarr.open_group(open_session(root, region, as_of).store, mode="r")):
        hashed.update(f"{name}\0{len(content)}\0".encode())
        hashed.update(content)
    return hashed.hexdigest()


def _parts(root: zarr.Group) -> Iterator[tuple[str, bytes]]:
    yield "region", _json([root.attrs.get("region"), root.attrs.get("grid")])
    radars = [str(name) for name in root.attrs.get("radars", [])]  # type: ignore[union-attr]
    for day in layout.day_names(root, layout.CUBES):
        written = np.flatnonzero(np.asarray(root[f"{layout.CUBES}/{day}/{layout.WRITTEN}"][...]))  # type: ignore[index]
        if written.size:
            for kind in (layout.CUBES, layout.TABLES):
                group = root[f"{kind}/{day}"]
                assert isinstance(group, zarr.Group)
                yield from _group(f"{kind}/{day}", group, written.tolist(), radars)
            yield from _stations(root, day, written.tolist())


def _stations(root: zarr.Group, day: str, slots: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    path = f"{STATIONS}/{day}"
    if path not in root:
        return
    group = root[path]
    assert isinstance(group, zarr.Group)
    for slot in (slot for slot in given_slots(group) if slot in slots):
        for name, content in slot_parts(group, slot):
            yield f"{path}/{slot}/{name}", content


def _group(path: str, group: zarr.Group, slots: Sequence[int], radars: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    yield path, _attributes(group)
    for name, array in sorted(group.arrays()):
        if name in _OPTIONAL and not any(_holds(array, slot) for slot in slots):
            continue  # an earlier version had it
        where = f"{path}/{name}"
        dims = array.metadata.dimension_names or ()  # type: ignore[union-attr]
        yield where, _attributes(array) + _json([str(array.dtype), list(dims)])
        if TIME not in dims:
            yield where, _content(np.asarray(array[...]))
            continue
        for slot in slots:
            values = np.asarray(array[slot])
            if name == "nearest_radar":
                values, used = _by_name(values, radars)
                yield f"{where}/{slot}/radars", _json(used)
            yield f"{where}/{slot}", _content(values)


def _holds(array: zarr.Array[Any], slot: int) -> bool:
    """Has an optional variable anything in this slot?"""
    values, fill = np.asarray(array[slot]), np.asarray(array.fill_value)
    same = np.isnan(values) if fill.dtype.kind == "f" and np.isnan(fill) else values == fill
    return not bool(np.all(same))


def _by_name(values: npt.NDArray[Any], radars: Sequence[str]) -> tuple[npt.NDArray[np.int16], list[str]]:
    """The same map counting in the sorted names of the radars that it uses; none stays -1."""
    used = sorted({radars[index] for index in np.unique(values).tolist() if index >= 0})
    table = np.array([*(used.index(name) if name in used else -1 for name in radars), -1], dtype=np.int16)
    return table[np.maximum(values, -1)], used


def _content(array: npt.NDArray[Any]) -> bytes:
    if array.dtype.kind not in "biuf":
        return "".join(str(text) for text in array.reshape(-1)).encode()
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()


def _attributes(node: zarr.Group | zarr.Array[Any]) -> bytes:
    return _json({name: value for name, value in node.attrs.items() if name not in LEFT_OUT})


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()
