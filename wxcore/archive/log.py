"""What was committed and when, and the tags that keep a snapshot."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import icechunk

from wxcore.archive.heads import seal
from wxcore.archive.place import Root, first_line, place_of, writer_lock
from wxcore.archive.repository import BRANCH, has_archive, open_repository
from wxcore.errors import ArchiveError
from wxcore.times import parse_time, require_utc

CYCLE_KEY, FINGERPRINT = "cycle", "fingerprint"


@dataclass(frozen=True)
class CommitRecord:
    """One commit of a cycle.

    Attributes:
        written_at: when it was committed (UTC): what `as_of` compares with.
        fingerprint: identifies inputs and code.
        inputs: sha256 of the files that went in.
        wxcore: version that wrote it.
        degraded: something was missing, or noted.
        missing: ids of the radars that were not there.
    """

    snapshot_id: str
    cycle: datetime
    written_at: datetime
    fingerprint: str
    inputs: tuple[str, ...]
    wxcore: str
    degraded: bool
    missing: tuple[str, ...]


def commits(root: Root, region: str, *, since: str | None = None) -> list[CommitRecord]:
    """The commits of cycles that the history still has, newest first; none where there is no archive yet.

    Args:
        since: only those after this snapshot; all where it is None, or no longer in the history.

    Raises:
        ArchiveError: versions that cannot be opened, or the history does not read.
    """
    place = place_of(root, region)
    if not has_archive(place):
        return []
    repository = open_repository(place)
    found: list[CommitRecord] = []
    try:
        for snapshot in repository.ancestry(branch=BRANCH):
            if str(snapshot.id) == since:
                break
            record = record_of(snapshot)
            if record:
                found.append(record)
    except icechunk.IcechunkError as cause:
        raise ArchiveError(
            f"{place}: its history does not read ({first_line(cause)}): start a run, which recovers it",
            f"{place}：历史无法读取（{first_line(cause)}）：重新启动运行会自动恢复",
        ) from cause
    return found


def metadata_of(cycle: str, region: str, version: str, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What a commit tells of itself. Short: Icechunk 2 rewrites that of all commits with each."""
    missing = [str(radar) for radar in provenance.get("missing", [])]
    return {
        CYCLE_KEY: cycle,
        "region": region,
        FINGERPRINT: provenance[FINGERPRINT],
        "inputs": _sha256s(provenance.get("inputs", [])),
        "wxcore": version,
        "degraded": bool(missing or provenance.get("notes")),
        "missing": missing,
    }


def record_of(snapshot: icechunk.SnapshotInfo) -> CommitRecord | None:
    """The record of a snapshot; None where it is none of a cycle (the repository's first, a compaction)."""
    told = snapshot.metadata
    if CYCLE_KEY not in told:
        return None
    return CommitRecord(
        snapshot_id=str(snapshot.id),
        cycle=parse_time(told[CYCLE_KEY]),
        written_at=require_utc(snapshot.written_at),
        fingerprint=str(told.get(FINGERPRINT, "")),
        inputs=tuple(_sha256s(told.get("inputs", []))),
        wxcore=str(told.get("wxcore", "")),
        degraded=bool(told.get("degraded", False)),
        missing=tuple(told.get("missing", [])),
    )


def tag_snapshot(root: Root, region: str, tag: str, snapshot_id: str) -> None:
    """Name a snapshot, so that an expiry keeps it; durable on return. The same tag again is no error.

    Raises:
        ArchiveError: no such archive or snapshot; the tag names another snapshot already.
        OSError: disk full, or a write error.
    """
    place = place_of(root, region)
    with writer_lock(place):
        repository = open_repository(place)
        there = _tags(repository).get(tag)
        if there not in {None, snapshot_id}:
            raise ArchiveError(
                f"{place}: tag {tag!r} names {there} already, not {snapshot_id}: a tag never moves, use another name",
                f"{place}：标签 {tag!r} 已指向 {there}，不能改为 {snapshot_id}：请换一个名字",
            )
        if there is None:
            try:
                repository.create_tag(tag, snapshot_id=snapshot_id)
            except (icechunk.IcechunkError, ValueError) as cause:
                raise ArchiveError(
                    f"{place}: tag {tag!r} of {snapshot_id} was not made ({first_line(cause)}): wx archive log lists "
                    "the snapshots",
                    f"{place}：未能为 {snapshot_id} 建立标签 {tag!r}（{first_line(cause)}）："
                    "可用 wx archive log 查看快照",
                ) from cause
        seal(place, str(repository.lookup_branch(BRANCH)), None)


def list_tags(root: Root, region: str) -> dict[str, str]:
    """Tag to snapshot id, by name; none where there is no archive yet.

    Raises:
        ArchiveError: versions that cannot be opened.
    """
    place = place_of(root, region)
    return _tags(open_repository(place)) if has_archive(place) else {}


def _tags(repository: icechunk.Repository) -> dict[str, str]:
    return {tag: str(repository.lookup_tag(tag)) for tag in sorted(repository.list_tags())}


def _sha256s(inputs: Iterable[Any]) -> list[str]:
    """Of files as the provenance lists them, or of hashes."""
    listed: Sequence[Any] = [item["sha256"] if isinstance(item, Mapping) else item for item in inputs]
    return [str(sha256) for sha256 in listed]
