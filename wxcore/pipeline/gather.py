"""What a cycle is made of: which landed files feed it, and their decoded, placed and quality-controlled contents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wxcore.errors import ReadError
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import FileRow, Ledger, files_between
from wxcore.lightning import adtd
from wxcore.pipeline.home import Home
from wxcore.pipeline.read import read_file, read_pass_file
from wxcore.region import Region
from wxcore.schema import Box
from wxcore.times import CYCLE, beijing, cycle_of

VOLUME_TOLERANCE = timedelta(minutes=10)
"""A volume that began longer ago than this does not stand for the cycle (DOMAIN.md 1.4)."""

SCENE_TOLERANCE = timedelta(minutes=40)
"""A satellite image whose scan ended longer ago than this does not stand for the cycle: a full disk comes every
15 minutes (DOMAIN.md 7.3), so one slot may be missing and the next be late [our choice]."""

EARLIER_SCENES = (timedelta(minutes=15), timedelta(minutes=30))
EARLIER_SLACK = timedelta(minutes=5)
"""Images of the same satellite so long before its newest, give or take, show how clouds cooled (DOMAIN.md 2.5)."""

PASS_TOLERANCE = timedelta(minutes=60)
"""The same for a pass of a polar orbiter: there are two to four a day (DOMAIN.md 8.3) [our choice]."""

PASS_LENGTH = timedelta(minutes=10)
"""Granules so near in time are of one pass: it takes a few minutes over a region, a granule lasts 5 (DOMAIN.md 7.5)."""

LIGHTNING_BACK = timedelta(minutes=20)
"""How far back lightning is looked at: the jump needs 14 minutes before the newest two (DOMAIN.md 2.4)."""

LOOK_BACK = SCENE_TOLERANCE + EARLIER_SCENES[-1] + EARLIER_SLACK
"""How far back from a cycle the oldest file may be that feeds it."""

GROWING = adtd.FORMAT.name
"""The format whose file of the day is sent again and again, each time with more strokes."""

ORBITERS = "FY-3"
"""How the platforms of polar orbiters begin."""

DECODE_THREADS = 2
"""bz2 frees the GIL: two files decode side by side."""


@dataclass(frozen=True)
class Chosen:
    """The ledger rows that feed one cycle.

    Attributes:
        volumes: at most one a radar; mosaic, composite: at most one each.
        scenes: by source, the newest image of a geostationary satellite and those by which its clouds are seen to cool;
            the granules of the newest pass of a polar orbiter. In the order of source and time.
        places: files of longitudes and latitudes of such granules.
        lightning: of the last LIGHTNING_BACK.
    """

    volumes: tuple[FileRow, ...]
    mosaic: FileRow | None
    composite: FileRow | None
    scenes: tuple[FileRow, ...] = ()
    places: tuple[FileRow, ...] = ()
    lightning: tuple[FileRow, ...] = ()

    @property
    def rows(self) -> tuple[FileRow, ...]:
        """All of them, in a fixed order."""
        grids = (row for row in (self.mosaic, self.composite) if row is not None)
        return (*self.volumes, *grids, *self.scenes, *self.places, *self.lightning)

    @property
    def by_radar(self) -> bool:
        """Is there any radar among them?"""
        return bool(self.volumes) or self.mosaic is not None or self.composite is not None


def cycles_covered(times: Sequence[datetime]) -> list[datetime]:
    """The cycles that observations at these times belong to, ascending."""
    return sorted({cycle_of(time) for time in times})


def choose(ledger: Ledger, region: Region, when: datetime) -> Chosen:
    """The newest volume of each of the region's radars within tolerance, the mosaics of this very cycle, the newest
    image of each satellite, and the lightning of the last minutes."""
    return choose_from(files_between(ledger, when - LOOK_BACK, when), region, when)


def choose_from(rows: Sequence[FileRow], region: Region, when: datetime) -> Chosen:
    """The same among rows at hand, in the order of `files_between`: of one site and time the last published wins."""
    sky = [row for row in rows if row.obs_time is not None and when - LOOK_BACK <= row.obs_time <= when]
    known = [row for row in sky if row.obs_time is not None and when - VOLUME_TOLERANCE <= row.obs_time]
    volumes = {row.site: row for row in known if row.kind == "volume" and region.radar(row.site, when)}
    fresh = [row for row in known if row.obs_time is not None and when - CYCLE < row.obs_time]
    mosaics = [row for row in fresh if row.kind == "mosaic"]
    composites = [row for row in fresh if row.kind == "composite"]
    return Chosen(
        tuple(volumes[site] for site in sorted(volumes)),
        mosaics[-1] if mosaics else None,
        composites[-1] if composites else None,
        *_sky(sky, when),
    )


def _sky(
    rows: Sequence[FileRow], when: datetime
) -> tuple[tuple[FileRow, ...], tuple[FileRow, ...], tuple[FileRow, ...]]:
    """(scenes, places, lightning) of a cycle."""
    by_source: dict[str, dict[datetime, FileRow]] = {}
    for row in rows:
        if row.kind == "scene" and row.obs_time is not None:
            by_source.setdefault(row.site, {})[row.obs_time] = row
    scenes: list[FileRow] = []
    for source in sorted(by_source):
        pick = _pass_of if source.startswith(ORBITERS) else _images_of
        scenes += [by_source[source][time] for time in pick(sorted(by_source[source]), when)]
    passes = {row.site for row in scenes if row.site.startswith(ORBITERS)}
    places = [row for row in rows if row.kind == "geolocation" and row.site in passes]
    strikes = [row for row in rows if row.kind == "lightning" and row.obs_time and row.obs_time > when - LIGHTNING_BACK]
    return tuple(scenes), tuple(places), tuple(_versions_once(strikes))


def _images_of(times: Sequence[datetime], when: datetime) -> list[datetime]:
    """Of a geostationary satellite: the newest, and those nearest to EARLIER_SCENES before it, ascending."""
    if times[-1] < when - SCENE_TOLERANCE:
        return []
    newest, found = times[-1], {times[-1]}
    for back in EARLIER_SCENES:
        near = [time for time in times if abs(newest - back - time) <= EARLIER_SLACK]
        found |= {min(near, key=lambda time: (abs(newest - back - time), time))} if near else set()
    return sorted(found)


def _pass_of(times: Sequence[datetime], when: datetime) -> list[datetime]:
    """Of a polar orbiter: the granules of its newest pass, ascending."""
    return [time for time in times if times[-1] - time <= PASS_LENGTH and times[-1] >= when - PASS_TOLERANCE]


def _versions_once(rows: Sequence[FileRow]) -> list[FileRow]:
    """Of a network's file that grows through the day only its newest version; everything of the others."""
    newest = {beijing(row.obs_time).date(): row.sha256 for row in rows if row.format == GROWING and row.obs_time}
    return [row for row in rows if row.format != GROWING or row.sha256 in newest.values()]


def load_file(home: Home, row: FileRow, box: Box | None = None) -> Any:
    """The native object of a landed file; of a satellite's only what lies in `box` (and a margin).

    Raises:
        ReadError: its bytes are gone or damaged since it was stored.
    """
    return read_file(landed_path(home.landing, row.sha256), row.name, box).native


def load_pass(home: Home, row: FileRow, places: FileRow, box: Box) -> Any:
    """The scene of a polar orbiter whose longitudes and latitudes are in another file.

    Raises:
        ReadError: one of them is gone or damaged, or the two do not belong together.
    """
    path, other = (landed_path(home.landing, item.sha256) for item in (row, places))
    return read_pass_file(path, other, row.name, box)


def lost(row: FileRow, error: ReadError) -> str:
    """How a stored file that cannot be used is named among what is missing."""
    return f"file {row.name} ({error.reason})"
