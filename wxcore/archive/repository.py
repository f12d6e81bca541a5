"""One Icechunk repository a region: opened, created, and refused where its versions do not fit.

    <root>/<region>/archive.json   versions, so that what cannot be opened is refused with the fix
    <root>/<region>/lock           OS lock of the one writer (local disk)
    <root>/<region>/heads/         durable copies of what a commit overwrites (local disk; heads.py)
    <root>/<region>/repo/          Icechunk

Icechunk on a local disk loses acknowledged commits of two writers, and never calls fsync (ECOSYSTEM.md section 3,
RELIABILITY.md finding 2): hence the lock round each commit, and `seal` after it.
"""

import json
import time
from datetime import datetime
from typing import Any

import icechunk

from wxcore.archive.heads import seal
from wxcore.archive.layout import FORMAT
from wxcore.archive.place import (
    MARKER,
    Place,
    Root,
    config,
    first_line,
    place_of,
    read_marker,
    require_conditional_put,
    storage,
    write_marker,
)
from wxcore.errors import ArchiveError, TimeError
from wxcore.times import parse_time

BRANCH = "main"
HISTORY_FROM = "history_from"
"""Key of archive.json: time (ISO 8601) of the oldest commit that an expiry kept."""

CREATION_S = 2.0
"""How long another writer may need to create a repository in a store: three small objects [s]."""

LOG_FILTER = "error"
"""Icechunk warns at each opening of a local disk about two writers; the lock is our answer to that."""


def has_archive(root: Root) -> bool:
    """Is there an archive at this place (of one region)?

    Raises:
        ArchiveError: the store does not answer, or refuses.
    """
    return read_marker(place_of(root)) is not None


def icechunk_major() -> int:
    """Major version of the installed Icechunk."""
    return int(icechunk.__version__.split(".")[0])


def open_repository(root: Root) -> icechunk.Repository:
    """Open an existing repository.

    Raises:
        ArchiveError: there is none, it was written by versions that these cannot read, it is torn, or the store does
            not answer.
    """
    place = place_of(root)
    marker = read_marker(place)
    if marker is None:
        raise _no_archive(place)
    parse_marker(place, marker)
    try:
        return open_storage(place)
    except icechunk.IcechunkError as cause:
        if not place.local:
            raise ArchiveError(
                f"{place}: the repository cannot be opened ({first_line(cause)}): check endpoint, bucket and "
                "credentials, then run again",
                f"{place}：无法打开归档（{first_line(cause)}），请检查地址、桶和凭据后重试",
            ) from cause
        raise ArchiveError(
            f"{place}: cannot be opened ({first_line(cause)}): start a run, which recovers it, or move the folder away "
            "and ingest again, everything is rebuilt from the landed files",
            f"{place}：无法打开（{first_line(cause)}）：重新启动运行会自动恢复；或移走该目录后重新导入，归档可由落地文件重建",
        ) from cause


def open_storage(place: Place) -> icechunk.Repository:
    """Open the repository without looking at archive.json.

    Raises:
        icechunk.IcechunkError: it cannot be opened.
    """
    icechunk.set_logs_filter(LOG_FILTER)
    return icechunk.Repository.open(storage(place), config=config(place))


def open_or_create(root: Root) -> icechunk.Repository:
    """Open for writing, created where there is none. Call it with the writer's lock held.

    Raises:
        ArchiveError: as `open_repository`; an object store that ignores conditional PUT.
        OSError: disk full, or a write error.
    """
    place = place_of(root)
    require_conditional_put(place)
    if has_archive(place):
        return open_repository(place)
    try:
        repository = _created(place)
        seal(place, str(repository.lookup_branch(BRANCH)), None)
    except icechunk.IcechunkError as cause:
        raise ArchiveError(
            f"{place}: cannot be created ({first_line(cause)}): check permissions and free space",
            f"{place}：无法创建（{first_line(cause)}），请检查权限和剩余空间",
        ) from cause
    write_marker(place, new_marker())
    return repository


def _created(place: Place) -> icechunk.Repository:
    """Created, or opened where another writer of the same store has just created it."""
    icechunk.set_logs_filter(LOG_FILTER)
    try:
        return icechunk.Repository.open_or_create(storage(place), config=config(place))
    except icechunk.IcechunkError:
        if place.local:
            raise
        time.sleep(CREATION_S)
        return icechunk.Repository.open(storage(place), config=config(place))


def new_marker() -> bytes:
    """archive.json of a repository that these versions write."""
    return json.dumps({"wxcore_archive_format": FORMAT, "icechunk_major": icechunk_major()}).encode() + b"\n"


def history_from(place: Place) -> datetime | None:
    """Time of the oldest commit that an expiry kept; None where nothing has expired.

    Raises:
        ArchiveError: archive.json is damaged, or of other versions.
    """
    marker = read_marker(place)
    told = parse_marker(place, marker).get(HISTORY_FROM) if marker else None
    return parse_time(told) if told else None


def parse_marker(place: Place, content: bytes) -> dict[str, Any]:
    """The record in archive.json.

    Raises:
        ArchiveError: damaged, or of versions that these cannot read.
    """
    record = marker_record(content)
    if record is None:
        raise ArchiveError(
            f"{place}/{MARKER}: damaged: start a run, which writes it anew, or move the folder away and ingest again",
            f"{place}/{MARKER}：已损坏：重新启动运行会自动重写；或移走目录后重新导入",
        )
    found, major = record["wxcore_archive_format"], record["icechunk_major"]
    if found != FORMAT:
        raise ArchiveError(
            f"{place}: archive format {found}, this wxcore reads {FORMAT}: use the wxcore that wrote it, or move the "
            "folder away and ingest again",
            f"{place}：归档格式为 {found}，本版本只支持 {FORMAT}：请用写入它的 wxcore 版本，或移走目录后重新导入",
        )
    if major > icechunk_major():
        raise ArchiveError(
            f"{place}: written with Icechunk {major}, installed is {icechunk.__version__}: use Python 3.12 or newer "
            "(it gets Icechunk 2), or move the folder away and ingest again",
            f"{place}：由 Icechunk {major} 写入，当前为 {icechunk.__version__}：请用 Python 3.12 及以上，"
            "或移走目录后重新导入",
        )
    return record


def marker_record(content: bytes) -> dict[str, Any] | None:
    """The record in archive.json; None where it is damaged."""
    try:
        record: dict[str, Any] = json.loads(content)
        whole = all(isinstance(record[key], int) for key in ("wxcore_archive_format", "icechunk_major"))
        if record.get(HISTORY_FROM):
            parse_time(record[HISTORY_FROM])
    except (ValueError, KeyError, TypeError, TimeError):
        return None
    return record if whole else None


def _no_archive(place: Place) -> ArchiveError:
    folder = place.folder if place.local else None
    inside = sorted(path.parent.name for path in folder.glob(f"*/{MARKER}")) if folder and folder.is_dir() else []
    hint = f"; regions in it: {', '.join(inside)}" if inside else ""
    return ArchiveError(
        f"{place}: no archive here{hint}: give the folder of a region, such as out/archive/chongqing",
        f"{place}：此处没有归档{hint}，请给出区域的归档目录，例如 out/archive/chongqing",
    )
