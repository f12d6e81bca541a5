"""After a power cut: find the newest whole commit, and make it the tip.

Icechunk on a local disk never syncs, so that a cut may leave the files of the newest commit empty, half or missing in
any combination, also the one that names it. What is older than the last head (heads.py) or the last commit in the
ledger was synced before either heard of it. A commit is whole where every object that it wrote can be read and
decoded. Cycles whose commits are dropped are committed again from the landed files, by whoever called this.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import icechunk
import zarr

from wxcore.archive.heads import HEADS, Head, read_heads, restore_head, seal, sealed_ids
from wxcore.archive.log import CommitRecord, record_of
from wxcore.archive.place import MARKER, REPO, Place, Root, first_line, place_of, read_marker, write_marker, writer_lock
from wxcore.archive.repository import (
    BRANCH,
    has_archive,
    marker_record,
    new_marker,
    open_or_create,
    open_repository,
    open_storage,
    parse_marker,
)
from wxcore.errors import ArchiveError

Action = Literal["clean", "adopted", "reset", "restored", "rebuilt"]
UNREADABLE = (icechunk.IcechunkError, OSError, ValueError, RuntimeError, KeyError)
"""What reading a torn object raises: Icechunk's own, and those of codecs and of Zarr."""


@dataclass(frozen=True)
class Recovery:
    """What `recover` found and did.

    Attributes:
        tip: snapshot id of the branch now; empty where there is no archive yet.
        action: clean: nothing was wrong and nothing is new. adopted: whole commits that the ledger has not heard of.
            reset: the tip was torn and the branch is back at the newest whole commit. restored: the same, from a
            copy of the head, for the repository did not tell its history. rebuilt: nothing was whole; `repo` was
            moved aside and the archive is empty: every cycle must be committed again.
        lost: cycles of dropped commits, as far as a torn archive still tells: compare `list_cycles` with the ledger.
        adopted: whole commits after `recorded`, newest first.
    """

    tip: str
    action: Action
    lost: tuple[datetime, ...] = ()
    adopted: tuple[CommitRecord, ...] = ()


def recover(root: Root, region_id: str, recorded: str | None) -> Recovery:
    """Make a region's archive sound again, under the writer's lock. Changes nothing in a sound one.

    Args:
        recorded: snapshot id of the last commit that the ledger knows; None where it knows none.

    Raises:
        ArchiveError: versions that cannot be opened; an object store that does not answer.
        OSError: disk full, or a write error.
    """
    place = place_of(root, region_id)
    if not place.local:
        return _on_store(place, recorded)
    if not (place.folder / REPO).exists() and not has_archive(place):
        return Recovery("", "clean")
    with writer_lock(place):
        _check_versions(place)
        heads = read_heads(place)
        history = _history(place)
        good = _newest_whole(place, history, recorded)
        if good == 0 and (recorded is None or recorded in _ids(history) or not _readable(place, recorded)):
            return _keep(place, history, recorded)
        if good is not None:
            return _reset(place, history, good, recorded, heads)
        return _restore(place, history, recorded, heads)


def _on_store(place: Place, recorded: str | None) -> Recovery:
    """A store keeps what it acknowledged, whole: only what is new to the ledger is told."""
    if not has_archive(place):
        return Recovery("", "clean")
    try:
        history = list(open_repository(place).ancestry(branch=BRANCH))
    except icechunk.IcechunkError as cause:
        raise ArchiveError(
            f"{place}: its history does not read ({first_line(cause)}): check the object store, then start again",
            f"{place}：历史无法读取（{first_line(cause)}）：请检查对象存储后重新启动",
        ) from cause
    return _told(history, recorded)


def _check_versions(place: Place) -> None:
    """Refuse other versions; a torn archive.json says nothing about them and is written anew later."""
    marker = read_marker(place)
    if marker is not None and marker_record(marker) is not None:
        parse_marker(place, marker)


def _history(place: Place) -> list[icechunk.SnapshotInfo]:
    """The branch's commits as far back as they read, newest first."""
    found: list[icechunk.SnapshotInfo] = []
    try:
        for snapshot in open_storage(place).ancestry(branch=BRANCH):
            found.append(snapshot)  # noqa: PERF402 (keep what was read before it breaks)
    except UNREADABLE:
        pass
    return found


def _ids(history: Iterable[icechunk.SnapshotInfo]) -> list[str]:
    return [str(snapshot.id) for snapshot in history]


def _readable(place: Place, snapshot_id: str) -> bool:
    """Is it a snapshot that the repository has, on the branch or not?"""
    try:
        open_storage(place).inspect_snapshot(snapshot_id)
    except UNREADABLE:
        return False
    return True


def _newest_whole(place: Place, history: Sequence[icechunk.SnapshotInfo], recorded: str | None) -> int | None:
    """Index of the newest commit that is whole and stands on whole ones; None where there is none.

    What the ledger recorded (or, where it recorded nothing, the newest head) was synced: those after it are read, and
    it too, for disks lie.
    """
    if not history:
        return None
    ids = _ids(history)
    anchors = [recorded] if recorded in ids else [name for name in sealed_ids(place) if name in ids]
    base = ids.index(str(anchors[0])) if anchors else len(ids) - 1
    repository = open_storage(place)
    good: int | None = None
    for index in range(base, -1, -1):
        if not _is_whole(repository, history, index):
            break
        good = index
    if good is not None:
        return good
    return next((index for index in range(base + 1, len(ids)) if _is_whole(repository, history, index)), None)


def _is_whole(repository: icechunk.Repository, history: Sequence[icechunk.SnapshotInfo], index: int) -> bool:
    """Can every object that this commit wrote be read and decoded?"""
    snapshot_id = str(history[index].id)
    try:
        session = repository.readonly_session(snapshot_id=snapshot_id)
        repository.inspect_snapshot(snapshot_id)  # Icechunk 2 opens a session without reading it
        if index + 1 == len(history):  # the repository's first, which wrote nothing, or the oldest that an expiry kept
            return True
        changes = repository.diff(from_snapshot_id=str(history[index + 1].id), to_snapshot_id=snapshot_id)
        group = zarr.open_group(session.store, mode="r")
        for path, chunks in changes.updated_chunks.items():
            array = group[path.strip("/")]
            assert isinstance(array, zarr.Array)
            for chunk in chunks:
                array[_cells(array, chunk)]
    except UNREADABLE:
        return False
    return True


def _cells(array: zarr.Array[Any], chunk: Sequence[int]) -> tuple[slice, ...]:
    """The cells of one stored object (a shard, or a chunk) of an array."""
    sizes = array.shards or array.chunks
    return tuple(slice(place * size, (place + 1) * size) for place, size in zip(chunk, sizes, strict=True))


def _keep(place: Place, history: Sequence[icechunk.SnapshotInfo], recorded: str | None) -> Recovery:
    _mend(place)
    _sweep(place.folder / REPO / "refs")
    tip = str(history[0].id)
    if tip not in sealed_ids(place)[:1]:
        seal(place, tip, _cycle(history[0]))
    return _told(history, recorded)


def _told(history: Sequence[icechunk.SnapshotInfo], recorded: str | None) -> Recovery:
    adopted = _after(history, recorded)
    return Recovery(str(history[0].id), "adopted" if adopted else "clean", (), adopted)


def _after(history: Sequence[icechunk.SnapshotInfo], recorded: str | None) -> tuple[CommitRecord, ...]:
    ids = _ids(history)
    newer = history[: ids.index(recorded)] if recorded in ids else history
    return tuple(record for record in map(record_of, newer) if record)


def _reset(
    place: Place,
    history: Sequence[icechunk.SnapshotInfo],
    good: int,
    recorded: str | None,
    heads: Sequence[Head],
) -> Recovery:
    """Back to the newest whole commit: by its head where there is one, which knows nothing of the torn ones."""
    tip = str(history[good].id)
    head = next((head for head in heads if head.snapshot_id == tip), None)
    if head is not None:
        restore_head(place, head)
    else:
        open_storage(place).reset_branch(BRANCH, tip)
    return _finish(place, "reset", history, recorded, heads)


def _restore(
    place: Place, history: Sequence[icechunk.SnapshotInfo], recorded: str | None, heads: Sequence[Head]
) -> Recovery:
    """The repository does not tell its history: from the newest head that does."""
    for head in heads:
        restore_head(place, head)
        known = _history(place)
        good = _newest_whole(place, known, recorded)
        if good is not None:
            if good > 0:
                open_storage(place).reset_branch(BRANCH, str(known[good].id))
            return _finish(place, "restored", history, recorded, heads)
    aside = place.folder / f"{REPO}.torn-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    (place.folder / REPO).rename(aside)
    for name in (HEADS, MARKER):
        if (place.folder / name).exists():
            (place.folder / name).rename(aside / name)
    open_or_create(place)
    return _finish(place, "rebuilt", history, None, heads)


def _finish(
    place: Place,
    action: Action,
    former: Sequence[icechunk.SnapshotInfo],
    recorded: str | None,
    heads: Sequence[Head],
) -> Recovery:
    """Clean up, make it durable, and tell what the new history no longer holds."""
    _mend(place)
    _sweep(place.folder / REPO)
    history = _history(place)
    seal(place, str(history[0].id), _cycle(history[0]), forget=True)
    kept = set(_ids(history))
    gone = {_cycle(snapshot) for snapshot in former if str(snapshot.id) not in kept}
    gone |= {head.cycle for head in heads if head.snapshot_id not in kept}
    lost = tuple(sorted(cycle for cycle in gone if cycle))
    return Recovery(str(history[0].id), action, lost, _after(history, recorded))


def _mend(place: Place) -> None:
    """Write archive.json anew where it is torn or gone."""
    marker = read_marker(place)
    if marker is None or marker_record(marker) is None:
        write_marker(place, new_marker())


def _sweep(folder: Path) -> None:
    """Remove empty files: a torn commit's, and a torn tag's, which would stop a garbage collection."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path.stat().st_size == 0:
            path.unlink()
            if path.name == "ref.json":
                path.parent.rmdir()


def _cycle(snapshot: icechunk.SnapshotInfo) -> datetime | None:
    record = record_of(snapshot)
    return record.cycle if record else None
