"""Let each radar's past teach where it sees mountains and where it is blind (`wx radar learn`)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError
from wxcore.landing.ledger import FileRow, files_between
from wxcore.pipeline.checks import place
from wxcore.pipeline.gather import load_file
from wxcore.pipeline.home import Home
from wxcore.pipeline.maintain import END, START
from wxcore.pipeline.static import occurrence_path
from wxcore.radar.siting.blockage import UNUSABLE
from wxcore.radar.siting.occurrence import (
    Occurrence,
    add,
    clutter_map,
    empty_occurrence,
    learn_blockage,
    load_occurrence,
    not_enough,
    save_occurrence,
)
from wxcore.radar.volume import Volume
from wxcore.region import Region
from wxcore.times import from_epoch, iso

SAVE_EVERY = 50
"""Volumes after which the counts are saved: so many are counted again after a crash, none twice."""


@dataclass(frozen=True)
class Learnt:
    """What is known of one radar.

    Attributes:
        new: volumes that were counted now; volumes: in all, since `first`.
        clutter_km2: ground that shows echo nearly always, lowest tilt that shows any.
        blocked: elevation [deg] to the part of the azimuths that are blind beyond some range.
        note_en, note_zh: why nothing is known yet; empty where it is.
        unread: names of files that could not be read.
    """

    site: str
    new: int
    volumes: int
    first: datetime | None
    last: datetime | None
    clutter_km2: float
    blocked: dict[float, float]
    note_en: str = ""
    note_zh: str = ""
    unread: tuple[str, ...] = field(default=())


def learn(home: Home, region: Region, progress: Callable[[int, int], None] | None = None) -> list[Learnt]:
    """Count the landed volumes that were not counted yet, radar by radar, in the order of time.

    A radar that stands elsewhere than its counts say begins anew.

    Raises:
        ReadError: counts that cannot be read. OSError: they cannot be written.
    """
    by_site: dict[str, list[FileRow]] = {}
    for row in files_between(home.ledger(), START, END, {"volume"}):
        by_site.setdefault(row.site, []).append(row)
    total, done = sum(map(len, by_site.values())), 0
    found = []
    for site in sorted(by_site):
        found.append(_learn_site(home, region, site, by_site[site]))
        done += len(by_site[site])
        if progress is not None:
            progress(done, total)
    return found


def _learn_site(home: Home, region: Region, site: str, rows: list[FileRow]) -> Learnt:
    path = occurrence_path(home, site)
    counts = load_occurrence(path) if path.is_file() else None
    new, unread = 0, []
    path.parent.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if counts is not None and row.obs_time is not None and row.obs_time.timestamp() <= counts.last_s:
            continue
        try:
            volume = place(load_file(home, row), region)
            counts = _with(counts, volume)
        except ReadError:
            unread.append(row.name)
            continue
        new += 1
        if new % SAVE_EVERY == 0:
            save_occurrence(counts, path)
    if counts is not None and new:
        save_occurrence(counts, path)
    return _told(site, new, counts, tuple(unread))


def _with(counts: Occurrence | None, volume: Volume) -> Occurrence:
    """One volume more; what was learnt at another place is dropped."""
    if counts is not None:
        try:
            return add(counts, volume)
        except ReadError:
            if (counts.latitude, counts.longitude) == (volume.site.latitude, volume.site.longitude):
                raise
    return add(empty_occurrence(volume), volume)


def _told(site: str, new: int, counts: Occurrence | None, unread: tuple[str, ...]) -> Learnt:
    if counts is None or counts.volumes == 0:
        return Learnt(
            site,
            new,
            0,
            None,
            None,
            0.0,
            {},
            f"{site}: no volume could be counted",
            f"{site}：没有可统计的体扫",
            unread,
        )
    reason = not_enough(counts)
    blocked = {angle: float((part[:, -1] > UNUSABLE).mean()) for angle, part in learn_blockage(counts).blocked.items()}
    return Learnt(
        site, new, counts.volumes, from_epoch(counts.first_s), from_epoch(counts.last_s),
        _area_km2(clutter_map(counts)), blocked, reason.en if reason else "", reason.zh if reason else "", unread,
    )  # fmt: skip


def _area_km2(cells: npt.NDArray[np.bool_]) -> float:
    """Ground below the cells (tilt, 360, kilometres) that are set in any tilt."""
    ring = 2 * np.pi * (np.arange(cells.shape[2]) + 0.5) / cells.shape[1]
    return float((cells.any(axis=0) * ring).sum())


def to_json(item: Learnt) -> dict[str, object]:
    """As `wx radar learn --json` prints it."""
    return {
        "site": item.site, "new": item.new, "volumes": item.volumes,
        "first": iso(item.first) if item.first else None, "last": iso(item.last) if item.last else None,
        "clutter_km2": round(item.clutter_km2, 1),
        "blocked": {f"{angle:g}": round(part, 3) for angle, part in item.blocked.items()},
        "note": item.note_en, "note_zh": item.note_zh, "unread": list(item.unread),
    }  # fmt: skip
