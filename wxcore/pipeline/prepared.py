"""Volumes made ready when they arrive, and kept until their cycles are over.

What is kept is a copy that may be lost at any time: a file that is absent, torn or of another version is made again.
The name of a file is a digest of all that it was made from.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import wxcore
from wxcore.archive.read import list_cycles, read_provenance
from wxcore.environment.levels import Levels, levels_for
from wxcore.errors import ArchiveError, ReadError
from wxcore.landing.ledger import FileRow
from wxcore.landing.space import room_for_ingest
from wxcore.pipeline.checks import known_radar, place
from wxcore.pipeline.gather import DECODE_THREADS, load_file, lost
from wxcore.pipeline.home import Home
from wxcore.pipeline.stages import stage
from wxcore.pipeline.static import blockage_of, clutter_of, static_digest, terrain_of
from wxcore.radar.prepare import VERSION, Prepared, Surroundings, pack, prepare, unpack
from wxcore.radar.velocity.wind import WindProfile
from wxcore.region import RadarSite, Region
from wxcore.times import cycle_of

FOLDER = "prepared"
"""In the home."""

KEPT = timedelta(minutes=40)
"""Kept so long after they were made: the tolerance of a cycle, a late re-run, and a margin [our choice]."""

WIND_AGE = timedelta(minutes=30)
"""An older wind says nothing about a volume: a gust front has passed since [our choice]."""

Winds = Mapping[str, WindProfile]
"""Wind over each radar that an earlier cycle found, by site id."""


def load_prepared(
    home: Home, region: Region, rows: Sequence[FileRow], levels: Levels, winds: Winds
) -> tuple[list[Prepared], list[str]]:
    """The volumes of these rows, made ready: as kept, or made now, two at a time.

    Returns:
        in the order of `rows`, and a sentence for each that could not be read any more.
    """

    def load(row: FileRow) -> Prepared | str:
        try:
            return prepared_of(home, region, row, levels, winds)
        except ReadError as error:
            return lost(row, error)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # a volume that nobody expected must not take the other radars with it
            return f"file {row.name} (cannot be made ready: {type(error).__name__}: {error})"

    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        found = list(pool.map(load, rows))
    return [item for item in found if isinstance(item, Prepared)], [item for item in found if isinstance(item, str)]


def prepared_of(
    home: Home, region: Region, row: FileRow, levels: Levels, winds: Winds, *, keep: bool = False
) -> Prepared:
    """One volume made ready: as it was kept, or made now, and then kept if so wanted.

    Raises:
        ReadError: its bytes are gone or damaged, or the region does not know the radar any more.
    """
    assert row.obs_time is not None
    radar = known_radar(row.site, row.obs_time, region)
    path = home.root / FOLDER / f"{_key(home, region, row, radar, levels, winds.get(row.site))}.npz"
    with stage("read prepared"):
        found = _kept(path)
    if found is not None:
        return found
    with stage("decode", size=row.size):
        volume = place(load_file(home, row), region)
    with stage("prepare"):
        around = Surroundings(
            terrain=partial(terrain_of, region, volume.site), h0_m=levels.h0_m,
            hm20_m=levels.hm20_m, band=radar.band, blocked=blockage_of(home, region, volume),
            ground=clutter_of(home, volume.site), wind=winds.get(row.site),
        )  # fmt: skip
        made = prepare(volume, around)
    if keep:
        with suppress(OSError):  # the copy is only for speed, and never takes the room that ingest needs
            if room_for_ingest(home.root).ok:
                _keep(path, pack(made))
    return made


def prepare_ahead(home: Home, region: Region, row: FileRow) -> None:
    """Make ready, and keep, what the cycle that a stored volume belongs to will ask for.

    It is only for speed: what cannot be read is left for the cycle, which says so.
    """
    assert row.obs_time is not None
    when = cycle_of(row.obs_time)
    with suppress(ReadError, ArchiveError):
        prepared_of(home, region, row, levels_for(region, when), winds_before(home, region, when), keep=True)
    with suppress(OSError):
        forget(home)


def winds_before(home: Home, region: Region, when: datetime) -> dict[str, WindProfile]:
    """What the newest cycle before `when` found of the wind, if it is young enough.

    Raises:
        ArchiveError: the archive cannot be opened.
    """
    earlier = [slot for slot in list_cycles(home.archive, region.id, since=when - WIND_AGE) if slot < when]
    told = (read_provenance(home.archive, region.id, earlier[-1]) or {}) if earlier else {}
    return {site: from_record(record) for site, record in told.get("winds", {}).items()}


def to_record(wind: WindProfile) -> dict[str, list[float]]:
    """A profile as JSON has it, to a tenth: what the next cycle reads is what this one says."""
    return {name: np.round(getattr(wind, name), 1).tolist() for name in ("height_m", "u", "v")}


def from_record(record: Mapping[str, Sequence[float]]) -> WindProfile:
    """Inverse of `to_record`."""
    return WindProfile(*(np.asarray(record[name], dtype=np.float64) for name in ("height_m", "u", "v")))


def forget(home: Home, kept: timedelta = KEPT) -> int:
    """Delete what was kept longer than this, and what a crash left half-written; how many files."""
    folder, count = home.root / FOLDER, 0
    oldest = time.time() - kept.total_seconds()
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            if path.stat().st_mtime <= oldest:
                path.unlink()
                count += 1
    return count


def _key(home: Home, region: Region, row: FileRow, radar: RadarSite, levels: Levels, wind: WindProfile | None) -> str:
    parts = [
        VERSION, wxcore.__version__, row.sha256, str(radar), levels.h0_m, levels.hm20_m,
        to_record(wind) if wind is not None else None, static_digest(home, region, row.site),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _kept(path: Path) -> Prepared | None:
    """What was kept, None where it is not there or not whole."""
    try:
        with np.load(path) as arrays:
            return unpack({name: arrays[name] for name in arrays.files})
    except Exception:  # noqa: BLE001 (what a damaged copy can raise has no end, and it is only a copy)
        return None


def _keep(path: Path, arrays: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
        try:
            np.savez(file, **arrays)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
    Path(file.name).replace(path)
