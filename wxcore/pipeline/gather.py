"""What a cycle is made of: which landed files feed it, and their decoded, placed and quality-controlled contents."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from wxcore.errors import ReadError
from wxcore.landing.guard import WALL_S
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import FileRow, Ledger, files_between
from wxcore.lightning import adtd
from wxcore.pipeline.home import Home
from wxcore.pipeline.read import read_file, read_pass_file
from wxcore.region import Region
from wxcore.satellite import awx
from wxcore.schema import Box
from wxcore.times import CYCLE, beijing, cycle_of

VOLUME_TOLERANCE = timedelta(minutes=10)
"""A volume that began longer ago than this does not stand for the cycle (DOMAIN.md 1.4)."""

SCENE_TOLERANCE = timedelta(minutes=40)
"""A satellite image whose scan ended longer ago than this does not stand for the cycle: a full disk comes every
15 minutes (DOMAIN.md 7.3), so one slot may be missing and the next be late [our choice]."""

SLOW, SLOW_TOLERANCE = "FY-2", timedelta(minutes=70)
"""The same for satellites of the platforms that begin so: their disk comes every 30 minutes or hourly (DOMAIN.md 8.3
[M])."""

EARLIER_SCENES = (timedelta(minutes=15), timedelta(minutes=30))
EARLIER_SLACK = timedelta(minutes=5)
"""Images of the same satellite so long before its newest, give or take, show how clouds cooled (DOMAIN.md 2.5)."""

PASS_TOLERANCE = timedelta(minutes=60)
"""The same for a pass of a polar orbiter: there are two to four a day (DOMAIN.md 8.3) [our choice]."""

PASS_LENGTH = timedelta(minutes=10)
"""Granules so near in time are of one pass: it takes a few minutes over a region, a granule lasts 5 (DOMAIN.md 7.5)."""

LIGHTNING_BACK = timedelta(minutes=20)
"""How far back lightning is looked at: the jump needs 14 minutes before the newest two (DOMAIN.md 2.4)."""

FINE_M = 2000
"""Files of finer pixels than this hold no infrared (FORMATS.md B), so their past tells nothing of cooling [m]."""

STATION_BACK = timedelta(minutes=130)
"""How far back reports of stations are looked at: the air before a storm is the median of one to two hours before
(DOMAIN.md 2.6), and a file may be some minutes late."""

LOOK_BACK = max(SLOW_TOLERANCE + EARLIER_SCENES[-1] + EARLIER_SLACK, STATION_BACK)
"""How far back from a cycle the oldest file may be that feeds it."""

SOUNDING_BACK = timedelta(hours=12)
"""A sounding older than this does not stand for the cycle (DOMAIN.md section 3)."""

MODEL_BACK, MODEL_AHEAD = timedelta(hours=6), timedelta(days=10)
"""A model's file may serve a cycle where its last valid time is so long before, or after [our choice]: one file may
hold one step or all steps of a run."""

MODELS = 8
"""Of the models' files those whose last valid time is nearest are read, at most so many [our choice]: two of each of
some runs."""

SPAN = r"/(\d+)min$"
"""How the source of a station file ends whose reports are of more than a cycle."""

AIR = ("sounding", "nwp")
"""Kinds that tell of the environment: they join cycles and make none."""

GROWING = adtd.FORMAT.name
"""The format whose file of the day is sent again and again, each time with more strokes."""

SINGLE_CHANNEL = awx.FORMAT.name
"""The format with one channel a file: only the names tell the files of one image apart."""

DAY = timedelta(days=1)

SURELY = timedelta(hours=1)
"""A file without year or month that was read once is of the same date again where this is added to its time."""

ORBITERS = "FY-3"
"""How the platforms of polar orbiters begin."""

DECODE_THREADS = 2
"""bz2 frees the GIL: two files decode side by side."""


Dated = tuple[str, str, datetime]
"""Kind, source and time of a file."""


@dataclass(frozen=True)
class Chosen:
    """The ledger rows that feed one cycle.

    Attributes:
        volumes: at most one a radar; mosaic, composite: at most one each.
        scenes: by source, the newest image of a geostationary satellite and those by which its clouds are seen to cool;
            the granules of the newest pass of a polar orbiter. In the order of source and time.
        places: files of longitudes and latitudes of such granules.
        lightning: of the last LIGHTNING_BACK.
        stations: reports of the last STATION_BACK; air: soundings and fields of models. By content, not by arrival.
    """

    volumes: tuple[FileRow, ...]
    mosaic: FileRow | None
    composite: FileRow | None
    scenes: tuple[FileRow, ...] = ()
    places: tuple[FileRow, ...] = ()
    lightning: tuple[FileRow, ...] = ()
    stations: tuple[FileRow, ...] = ()
    air: tuple[FileRow, ...] = ()

    @property
    def rows(self) -> tuple[FileRow, ...]:
        """All of them, in a fixed order."""
        grids = (row for row in (self.mosaic, self.composite) if row is not None)
        return (*self.volumes, *grids, *self.scenes, *self.places, *self.lightning, *self.stations, *self.air)

    @property
    def observed(self) -> bool:
        """Is there anything that makes a cycle? The environment alone does not."""
        return len(self.rows) > len(self.air)


def cycles_covered(files: Iterable[Dated]) -> list[datetime]:
    """The cycles that these observations belong to, ascending; those of the environment make none."""
    cycles: set[datetime] = set()
    for kind, site, time in files:
        if kind not in AIR:
            begin = cycle_of(time - span_of(site)) if kind == "station" else cycle_of(time)
            cycles.update(begin + number * CYCLE for number in range((cycle_of(time) - begin) // CYCLE + 1))
    return sorted(cycles)


def choose(ledger: Ledger, region: Region, when: datetime) -> Chosen:
    """The newest volume of each of the region's radars within tolerance, the mosaics of this very cycle, the newest
    image of each satellite, and the lightning of the last minutes."""
    rows = [*files_between(ledger, when - LOOK_BACK, when), *later(ledger, when, when)]
    return choose_from([*rows, *air_between(ledger, when, when)], region, when)


def later(ledger: Ledger, start: datetime, end: datetime) -> list[FileRow]:
    """Versions of the networks' growing files that may hold lightning of times from `start` to `end`, and end later;
    and files of stations that hold reports of such times."""
    rows = files_between(ledger, start, end + DAY, {"lightning", "station"})
    return [row for row in rows if row.obs_time and start < row.obs_time and _begins(row) <= end]


def _begins(row: FileRow) -> datetime:
    """When the oldest record of a file may be of: of what grows through a day, a day before its end."""
    assert row.obs_time is not None
    return row.obs_time - (DAY if row.format == GROWING else span_of(row.site))


def span_of(site: str) -> timedelta:
    """How long the reports of a file of stations reach back from its time, as its source says ("WTM/1435min")."""
    found = re.search(SPAN, site)
    return timedelta(minutes=int(found[1])) if found else timedelta()


def air_between(ledger: Ledger, start: datetime, end: datetime) -> list[FileRow]:
    """Soundings and fields of models that may tell of times from `start` to `end`, by time."""
    return files_between(ledger, start - SOUNDING_BACK, end + MODEL_AHEAD, AIR)


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
        *_sky([*sky, *(row for row in rows if _of_the_day(row, when))], when),
        stations=_stations(rows, when),
        air=_air(rows, when),
    )


def _stations(rows: Sequence[FileRow], when: datetime) -> tuple[FileRow, ...]:
    """Reports that may be of the last STATION_BACK; each once though a source sends what it sent before, with more."""
    oldest = when - STATION_BACK
    reports = {row.sha256: row for row in rows if row.kind == "station" and row.obs_time and row.obs_time > oldest}
    found = [row for row in reports.values() if not span_of(row.site) and row.obs_time and row.obs_time <= when]
    long: dict[str, list[FileRow]] = {}
    for row in reports.values():
        if span_of(row.site) and _begins(row) <= when:
            long.setdefault(re.sub(SPAN, "", row.site), []).append(row)
    for versions in long.values():
        found += _cover(sorted(versions, key=_fuller_last), oldest, when)
    return tuple(sorted(found, key=_fuller_last))


def _cover(versions: Sequence[FileRow], oldest: datetime, when: datetime) -> list[FileRow]:
    """The first file that reaches `when`, else the newest; then those that reach back to `oldest`, as few as can be. So
    what comes later changes nothing any more."""
    reaching = [row for row in versions if row.obs_time and row.obs_time >= when]
    found = [reaching[0] if reaching else versions[-1]]
    while (begin := _begins(found[-1])) > oldest:
        before = [row for row in versions if _begins(row) < begin and row.obs_time and row.obs_time < when]
        if not before:
            break
        joined = [row for row in before if row.obs_time and row.obs_time >= begin]
        found.append(min(joined, key=_begins) if joined else before[-1])
    return found


def _air(rows: Sequence[FileRow], when: datetime) -> tuple[FileRow, ...]:
    soundings = [
        row for row in rows if row.kind == "sounding" and row.obs_time and when - SOUNDING_BACK <= row.obs_time <= when
    ]
    fields = [
        row for row in rows if row.kind == "nwp" and row.obs_time and -MODEL_BACK <= row.obs_time - when <= MODEL_AHEAD
    ]
    fields.sort(key=lambda row: (abs(row.obs_time - when) if row.obs_time else MODEL_AHEAD, row.sha256))
    return tuple(sorted({row.sha256: row for row in (*soundings, *fields[:MODELS])}.values(), key=_by_content))


def _fuller_last(row: FileRow) -> tuple[datetime | None, str, int, str]:
    """By content, not by arrival; of two deliveries of the same reports the larger file comes last, and so counts."""
    return row.obs_time, row.site, row.size, row.sha256


def _of_the_day(row: FileRow, when: datetime) -> bool:
    """Is it a version of the day's growing file that ends after `when`?"""
    if row.format != GROWING or row.obs_time is None or row.obs_time <= when:
        return False
    return beijing(row.obs_time).date() == beijing(when).date()


def _sky(
    rows: Sequence[FileRow], when: datetime
) -> tuple[tuple[FileRow, ...], tuple[FileRow, ...], tuple[FileRow, ...]]:
    """(scenes, places, lightning) of a cycle."""
    by_source: dict[str, dict[tuple[datetime, str], FileRow]] = {}
    for row in rows:
        if row.kind == "scene" and row.obs_time is not None:
            channel = row.name if row.format == SINGLE_CHANNEL else ""
            by_source.setdefault(row.site, {})[row.obs_time, channel] = row
    scenes: list[FileRow] = []
    for source, of_source in sorted(by_source.items()):
        pick = _pass_of if source.startswith(ORBITERS) else partial(_images_of, source)
        times = pick(sorted({time for time, _ in of_source}), when)
        scenes += [of_source[key] for key in sorted(of_source) if key[0] in times]
    passes = {row.site for row in scenes if row.site.startswith(ORBITERS)}
    places = {(row.obs_time, row.site): row for row in rows if row.kind == "geolocation" and row.site in passes}
    strikes = [row for row in rows if row.kind == "lightning" and row.obs_time and row.obs_time > when - LIGHTNING_BACK]
    return tuple(scenes), tuple(places.values()), tuple(sorted(_versions_once(strikes, when), key=_by_content))


def _by_content(row: FileRow) -> tuple[datetime | None, str, str]:
    """An order that does not depend on when files came: all lightning of a source and time is used."""
    return row.obs_time, row.site, row.sha256


def _images_of(source: str, times: Sequence[datetime], when: datetime) -> list[datetime]:
    """Of a geostationary satellite: the newest, and those nearest to EARLIER_SCENES before it, ascending."""
    if times[-1] < when - (SLOW_TOLERANCE if source.startswith(SLOW) else SCENE_TOLERANCE):
        return []
    newest, found = times[-1], {times[-1]}
    size = re.search(r"-(\d+)M$", source)
    for back in () if size and int(size[1]) < FINE_M else EARLIER_SCENES:
        near = [time for time in times if abs(newest - back - time) <= EARLIER_SLACK]
        found |= {min(near, key=lambda time: (abs(newest - back - time), time))} if near else set()
    return sorted(found)


def _pass_of(times: Sequence[datetime], when: datetime) -> list[datetime]:
    """Of a polar orbiter: the granules of its newest pass, ascending."""
    return [time for time in times if times[-1] - time <= PASS_LENGTH and times[-1] >= when - PASS_TOLERANCE]


def _versions_once(rows: Sequence[FileRow], when: datetime) -> list[FileRow]:
    """Of a network's file that grows through the day only the first version that reaches `when`, else the newest; so
    what came later in the day changes nothing any more. Everything of the others."""
    once: dict[date, FileRow] = {}
    for row in sorted((row for row in rows if row.format == GROWING and row.obs_time), key=_by_content):
        day = beijing(row.obs_time).date() if row.obs_time else date.min
        held = once.get(day)
        if held is None or held.obs_time is None or held.obs_time < when:
            once[day] = row
    return [row for row in rows if row.format != GROWING or row in once.values()]


def load_file(home: Home, row: FileRow, box: Box | None = None, *, wall_s: float = WALL_S) -> Any:
    """The native object of a landed file; of a satellite's only what lies in `box` (and a margin).

    Raises:
        ReadError: its bytes are gone or damaged since it was stored.
    """
    dated = None if row.obs_time is None else row.obs_time + SURELY
    return read_file(landed_path(home.landing, row.sha256), row.name, box, wall_s=wall_s, reference=dated).native


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
