"""Retention by rule: forget old versions, and delete old days. Tagged snapshots (issued warnings) are never touched."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import icechunk
import zarr

from wxcore.archive import layout
from wxcore.archive.heads import seal
from wxcore.archive.place import Place, Root, place_of, read_marker, write_marker, writer_lock
from wxcore.archive.repository import BRANCH, HISTORY_FROM, open_repository, parse_marker
from wxcore.archive.series import root_group
from wxcore.archive.stations import STATIONS
from wxcore.errors import ArchiveError
from wxcore.times import require_utc

IN_FLIGHT = timedelta(hours=1)
"""What was written this lately is not collected: it may belong to a commit or a view that is being made, and the clock
of an object store, which dates its objects, may be slow by so much beside ours, which dates the commits."""

CONFLICT_TRIES = 5
"""How often the deletion is made again because a writer of the same object store was faster."""

STEPS = ("days", "history", "collect", "durable")
Progress = Callable[[str, int, int], None]
"""Called with (step that begins, steps done, steps in all)."""


@dataclass(frozen=True)
class Retention:
    """How long what is kept [days]; None is for ever.

    Attributes:
        history_days: former versions (`as_of`). A month covers the review of a case; what a warning was made of is
            tagged and outlives this.
        cube_days: the cycles with their cubes and tables, 1.4 GB a day (decision 0009). Two months; the landed
            files bring back the last of them (30 days). Only a day whose view is there, or too old itself, is deleted.
        view_days: the daily views, a sixth of it at most, and the observations of stations. Thirteen months: one
            season beside the former one.
    """

    history_days: int | None = 30
    cube_days: int | None = 60
    view_days: int | None = 400

    def __post_init__(self) -> None:
        for name in ("history_days", "cube_days", "view_days"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ArchiveError(
                    f"retention, {name}: found {value}, expected days >= 0, or none to keep for ever",
                    f"保留规则 {name}：为 {value}，应为不小于 0 的天数，或留空表示永久保留",
                )


@dataclass(frozen=True)
class Expired:
    """What `expire` did, or in a dry run would do (there `bytes_freed` is 0).

    Attributes:
        snapshots: commits that were forgotten.
        cube_days, view_days: days that were deleted.
        kept_days: days that were due, kept because no view of them is there (`wx archive compact` makes it).
        bytes_freed: on the disk.
        history_from: first moment that `as_of` can show; None where nothing was forgotten.
        station_days: days whose observations of stations were deleted.
    """

    snapshots: int
    cube_days: tuple[str, ...]
    view_days: tuple[str, ...]
    kept_days: tuple[str, ...]
    bytes_freed: int
    history_from: datetime | None
    dry_run: bool
    station_days: tuple[str, ...] = ()


def expire(
    root: Root,
    region: str,
    retention: Retention,
    now: datetime,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Expired:
    """Delete days, then forget history and free its space.

    On a local disk the writer's lock is held, so that nobody commits meanwhile. In an object store writers go on: a
    commit that is being made keeps what it wrote (IN_FLIGHT).

    A crash in between leaves whole states: days go in one commit; `history_from` is on the disk before anything is
    forgotten; what was not collected is collected the next time that anything is forgotten.

    Raises:
        ArchiveError: no archive; another writer; Icechunk refuses.
        OSError: disk full, or a write error.
    """
    now, place = require_utc(now), place_of(root, region)
    with writer_lock(place):
        repository = open_repository(place)
        _tell(progress, 0)
        cubes, views, stations, kept = _due_days(repository, retention, now)
        due = {layout.CUBES: cubes, layout.TABLES: cubes, layout.VIEWS: views, STATIONS: stations}
        if any(due.values()) and not dry_run:
            _delete_days(repository, region, due)
        _tell(progress, 1)
        forgotten, base = _forgettable(repository, retention, now)
        freed = 0
        if base is not None and not dry_run:
            _write_history_from(place, base)
            freed = _forget(repository, base, min(base, now - IN_FLIGHT), progress)
        _tell(progress, 3)
        if not dry_run and (any(due.values()) or base is not None):
            _seal(place, repository)
        _tell(progress, 4)
    return Expired(forgotten, cubes, views, kept, freed, base, dry_run, stations)


def _due_days(
    repository: icechunk.Repository, retention: Retention, now: datetime
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(days whose cubes go, whose view goes, whose observations of stations go, days kept for want of a view)."""
    group = root_group(repository.readonly_session(BRANCH))
    cubes = [day for day in layout.day_names(group, layout.CUBES) if _older(day, retention.cube_days, now)]
    views = layout.day_names(group, layout.VIEWS)
    old_views = tuple(day for day in views if _older(day, retention.view_days, now))
    kept = tuple(day for day in cubes if day not in views and not _older(day, retention.view_days, now))
    stations = tuple(day for day in layout.day_names(group, STATIONS) if _older(day, retention.view_days, now))
    return tuple(day for day in cubes if day not in kept), old_views, stations, kept


def _older(day: str, days: int | None, now: datetime) -> bool:
    """Has the whole day been over for more than so many days?"""
    return days is not None and day < f"{now - timedelta(days=days):%Y%m%d}"


def _delete_days(repository: icechunk.Repository, region: str, due: Mapping[str, tuple[str, ...]]) -> None:
    """Delete these days of these kinds, in one commit."""
    cubes, views = due[layout.CUBES], due[layout.VIEWS]
    metadata = {"expired_cubes": list(cubes), "expired_views": list(views), "region": region}
    for _ in range(CONFLICT_TRIES):
        session = repository.writable_session(BRANCH)
        group = zarr.open_group(session.store, mode="a")
        for path in (f"{kind}/{day}" for kind, days in due.items() for day in days):
            if path in group:
                del group[path]
        try:
            session.commit(f"expire {len(cubes)} days of cubes, {len(views)} views {region}", metadata=metadata)
        except icechunk.ConflictError:
            continue
        return
    raise ArchiveError(
        f"{region}: no day was deleted: other writers committed meanwhile, {CONFLICT_TRIES} times: nothing changed; "
        "expire again",
        f"{region}：未删除任何日期：期间其他写入者提交了 {CONFLICT_TRIES} 次；归档未改变，请重新清理",
    )


def _forgettable(repository: icechunk.Repository, retention: Retention, now: datetime) -> tuple[int, datetime | None]:
    """How many commits may go, and the moment that history begins with: the commit in force when it was due."""
    if retention.history_days is None:
        return 0, None
    due = now - timedelta(days=retention.history_days)
    old = [snapshot for snapshot in repository.ancestry(branch=BRANCH) if snapshot.written_at <= due]
    forgotten = len([snapshot for snapshot in old[1:] if snapshot.parent_id is not None])  # the first is never gone
    return (forgotten, old[0].written_at) if forgotten else (0, None)


def _forget(repository: icechunk.Repository, base: datetime, until: datetime, progress: Progress | None) -> int:
    """Forget what is older than `base`, and delete what nothing needs and was written before `until`."""
    try:
        repository.expire_snapshots(older_than=base)
        _tell(progress, 2)
        return int(repository.garbage_collect(until).bytes_deleted)
    except icechunk.IcechunkError as cause:
        raise ArchiveError(
            f"expiry stopped ({cause}): the current state is untouched; run `wx archive check`, then expire again",
            f"过期清理中断（{cause}）：当前数据未受影响；请先运行 `wx archive check`，再重新清理",
        ) from cause


def _write_history_from(place: Place, base: datetime) -> None:
    """What is left of an earlier state would look like an empty archive: from now on `as_of` refuses it."""
    marker = read_marker(place)
    assert marker is not None  # the repository is open
    record = parse_marker(place, marker) | {HISTORY_FROM: base.isoformat()}
    write_marker(place, (json.dumps(record) + "\n").encode())


def _seal(place: Place, repository: icechunk.Repository) -> None:
    """Former heads may name what was collected."""
    seal(place, str(repository.lookup_branch(BRANCH)), None, forget=True)


def _tell(progress: Progress | None, done: int) -> None:
    if progress is not None:
        progress(STEPS[min(done, len(STEPS) - 1)], done, len(STEPS))
