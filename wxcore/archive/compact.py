"""The daily analysis-ready view: the planes of a finished UTC day, deep in time, in one durable commit."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import icechunk
import numpy as np
import numpy.typing as npt
import zarr

from wxcore.archive import layout
from wxcore.archive.heads import seal
from wxcore.archive.place import Root, place_of, writer_lock
from wxcore.archive.repository import BRANCH, open_repository
from wxcore.archive.series import PLANES, TEXTS, array_of, day_name, day_slots, grid_of, root_group
from wxcore.errors import ArchiveError
from wxcore.schema import LAT, TIME

DIGEST = "made_of"
"""Attribute of a view: digest of the provenance of its cycles."""

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True)
class Compacted:
    """What `compact` did. `new` is False where the view was there already; `cycles` are in it."""

    snapshot_id: str
    new: bool
    cycles: int


def compact(root: Root, region: str, day: date, *, progress: Progress | None = None) -> Compacted:
    """Build the view of a UTC day (`views/20200612`) out of its cubes, and return when it is on the disk.

    For a day that is over: a later commit into the day drops the view (`drop_view`). The writer's lock is held.

    Args:
        progress: called with (variables done, variables in all).

    Raises:
        ArchiveError: no cycle of this day; another writer; the commit failed.
        OSError: disk full, or a write error.
    """
    place, name = place_of(root, region), day_name(day)
    with writer_lock(place):
        repository = open_repository(place)
        session = repository.writable_session(BRANCH)
        root_group(session)
        group = zarr.open_group(session.store, mode="a")
        cubes = f"{layout.CUBES}/{name}"
        slots = day_slots(group, cubes) if cubes in group else np.empty(0, "i8")
        if not slots.size:
            raise ArchiveError(
                f"{region}: no cycle of {name} (UTC) in the archive, so there is nothing to compact",
                f"{region}：归档中没有 {name}（UTC）的时次，无可整理",
            )
        texts = {text: np.asarray(array_of(group, f"{layout.TABLES}/{name}/{text}")[...])[slots] for text in TEXTS}
        digest = _digest(texts[layout.PROVENANCE_TEXT])
        if _digest_of(group, name) == digest:
            return Compacted(str(repository.lookup_branch(BRANCH)), False, slots.size)
        try:
            _build(group, name, slots, texts, region, progress)
            group[f"{layout.VIEWS}/{name}"].attrs[DIGEST] = digest
            snapshot_id = str(session.commit(f"view {name} {region}", metadata={"view": name, "region": region}))
        except icechunk.IcechunkError as cause:
            raise ArchiveError(
                f"the view of {name} was not committed ({cause}): nothing changed; check free space, then run it again",
                f"{name} 的逐日视图未能提交（{cause}）：归档未改变，请检查剩余空间后重试",
            ) from cause
        seal(place, snapshot_id, None)
    return Compacted(snapshot_id, True, slots.size)


def drop_view(group: zarr.Group, day: str) -> bool:
    """Drop the view of a day from the root group of a writable session: it no longer shows what the cubes hold.

    Returns:
        Was there one? To be called in the very commit that changes the day.
    """
    path = f"{layout.VIEWS}/{day}"
    if path not in group:
        return False
    del group[path]
    return True


def _build(
    group: zarr.Group,
    name: str,
    slots: npt.NDArray[np.int64],
    texts: dict[str, npt.NDArray[Any]],
    region: str,
    progress: Progress | None,
) -> None:
    drop_view(group, name)
    cubes = f"{layout.CUBES}/{name}"
    minutes = np.asarray(array_of(group, f"{cubes}/{TIME}")[...])[slots]
    view = layout.create_view(group, name, grid_of(group), region, minutes)
    for text, values in texts.items():
        array_of(view, text)[...] = values
    for done, var in enumerate(PLANES, start=1):
        source, target = array_of(group, f"{cubes}/{var.name}"), array_of(view, var.name)
        target.attrs.update(dict(source.attrs))  # how the values were made (method, calibration)
        step = layout.VIEW_SLOTS if LAT in var.dims else slots.size
        for begin in range(0, slots.size, step):
            picked = slots[begin : begin + step]
            span = source[int(picked[0]) : int(picked[-1]) + 1]
            target[begin : begin + picked.size] = np.asarray(span)[picked - picked[0]]
        if progress is not None:
            progress(done, len(PLANES))


def _digest(provenance: npt.NDArray[Any]) -> str:
    return hashlib.sha256("\n".join(str(text) for text in provenance).encode()).hexdigest()


def _digest_of(group: zarr.Group, name: str) -> str:
    path = f"{layout.VIEWS}/{name}"
    return str(group[path].attrs.get(DIGEST, "")) if path in group else ""
