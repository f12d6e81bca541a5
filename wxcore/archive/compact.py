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
from wxcore.archive.place import Place, Root, make_durable, place_of, writer_lock
from wxcore.archive.repository import BRANCH, open_repository
from wxcore.archive.series import array_of, day_name, day_slots, grid_of, root_group, texts_of
from wxcore.errors import ArchiveError
from wxcore.schema import HEIGHT, LAT, TIME

DIGEST = "made_of"
"""Attribute of a view: digest of the provenance of its cycles."""

TRIES = 3
"""How often a view is built again because a cycle of its day was committed meanwhile."""

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True)
class Compacted:
    """What `compact` did. `new` is False where the view was there already; `cycles` are in it."""

    snapshot_id: str
    new: bool
    cycles: int


@dataclass(frozen=True)
class _Built:
    """A view that is in its session and not committed yet; `digest` is of the cycles that it shows."""

    session: icechunk.Session
    name: str
    digest: str
    cycles: int


def compact(root: Root, region: str, day: date, *, progress: Progress | None = None) -> Compacted:
    """Build the view of a UTC day (`views/20200612`) out of its cubes, and return when it is on the disk.

    For a day that is over: a later commit into the day drops the view (`drop_view`). The writer's lock is held for the
    commit only. Where a cycle of the day was committed while its view was built, the view is thrown away and built
    again, TRIES times.

    Args:
        progress: called with (variables done, variables in all).

    Raises:
        ArchiveError: no cycle of this day; its cycles keep changing; another writer; the commit failed.
        OSError: disk full, or a write error.
    """
    place, name = place_of(root, region), day_name(day)
    try:
        for _ in range(TRIES):
            repository = open_repository(place)
            done = _compact_once(place, repository, region, name, progress)
            if done is not None:
                return done
    except icechunk.IcechunkError as cause:
        raise ArchiveError(
            f"the view of {name} was not committed ({cause}): nothing changed; check free space, then run it again",
            f"{name} 的逐日视图未能提交（{cause}）：归档未改变，请检查剩余空间后重试",
        ) from cause
    raise ArchiveError(
        f"{region}: the view of {name} was not made: cycles of this day were committed meanwhile, {TRIES} times: "
        "nothing changed; run it again when the day is over",
        f"{region}：未能整理 {name}：期间该日时次被提交 {TRIES} 次；归档未改变，请在该日结束后重试",
    )


def _compact_once(
    place: Place, repository: icechunk.Repository, region: str, name: str, progress: Progress | None
) -> Compacted | None:
    """None where the day changed meanwhile."""
    session = repository.writable_session(BRANCH)
    root_group(session)
    group = zarr.open_group(session.store, mode="a")
    slots, texts = _cycles(group, region, name)
    built = _Built(session, name, _digest(texts[layout.PROVENANCE_TEXT]), slots.size)
    if _digest_of(group, name) == built.digest:
        return Compacted(str(session.snapshot_id), False, slots.size)
    _build(group, name, slots, texts, region, progress)
    group[f"{layout.VIEWS}/{name}"].attrs[DIGEST] = built.digest
    make_durable(place)  # most of the bytes, while cycles may still be committed
    with writer_lock(place):
        snapshot_id = _commit(built, region)
        if snapshot_id is None:
            return None
        try:
            seal(place, snapshot_id, None)
        except OSError:  # as in store.py: what a failed sync may have lost must not be built upon
            parent = repository.lookup_snapshot(snapshot_id).parent_id
            repository.reset_branch(BRANCH, str(parent), from_snapshot_id=snapshot_id)
            raise
    return Compacted(snapshot_id, True, slots.size)


def _commit(built: _Built, region: str) -> str | None:
    """Commit on top of what others committed meanwhile; None where that changed this day."""
    session, name = built.session, built.name
    while True:
        try:
            return str(session.commit(f"view {name} {region}", metadata={"view": name, "region": region}))
        except icechunk.ConflictError:
            try:
                session.rebase(icechunk.ConflictDetector())
            except (icechunk.RebaseFailedError, icechunk.IcechunkError):  # one thing changed twice, or a parent expired
                return None
        cubes = zarr.open_group(session.store, mode="r")
        if f"{layout.CUBES}/{name}" not in cubes:
            return None
        _, texts = _cycles(cubes, region, name)
        if _digest(texts[layout.PROVENANCE_TEXT]) != built.digest:
            return None


def _cycles(group: zarr.Group, region: str, name: str) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
    """The slots of a day that hold a cycle, and their texts.

    Raises:
        ArchiveError: none does.
    """
    cubes = f"{layout.CUBES}/{name}"
    slots = day_slots(group, cubes) if cubes in group else np.empty(0, "i8")
    if not slots.size:
        raise ArchiveError(
            f"{region}: no cycle of {name} (UTC) in the archive, so there is nothing to compact",
            f"{region}：归档中没有 {name}（UTC）的时次，无可整理",
        )
    tables = f"{layout.TABLES}/{name}"
    return slots, {
        text: np.asarray(array_of(group, f"{tables}/{text}")[...])[slots]
        for text in texts_of(group, tables)
        if text not in layout.NOT_IN_VIEWS
    }


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
    held = group[cubes]
    assert isinstance(held, zarr.Group)
    planes = [var for var in layout.variables_of(held) if HEIGHT not in var.dims]
    minutes = np.asarray(array_of(group, f"{cubes}/{TIME}")[...])[slots]
    view = layout.create_view(group, name, grid_of(group), region, minutes, planes)
    for text, values in texts.items():
        if text not in view:
            layout.create_text(view, text, slots.size, chunk=slots.size)
        array_of(view, text)[...] = values
    for done, var in enumerate(planes, start=1):
        source, target = array_of(group, f"{cubes}/{var.name}"), array_of(view, var.name)
        target.attrs.update(dict(source.attrs))  # how the values were made (method, calibration)
        step = layout.VIEW_SLOTS if LAT in var.dims else slots.size
        for begin in range(0, slots.size, step):
            picked = slots[begin : begin + step]
            span = source[int(picked[0]) : int(picked[-1]) + 1]
            target[begin : begin + picked.size] = np.asarray(span)[picked - picked[0]]
        if progress is not None:
            progress(done, len(planes))


def _digest(provenance: npt.NDArray[Any]) -> str:
    return hashlib.sha256("\n".join(str(text) for text in provenance).encode()).hexdigest()


def _digest_of(group: zarr.Group, name: str) -> str:
    path = f"{layout.VIEWS}/{name}"
    return str(group[path].attrs.get(DIGEST, "")) if path in group else ""
