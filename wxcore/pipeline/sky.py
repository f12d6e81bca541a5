"""Satellites and lightning of one cycle: from the files that were chosen to fields on the grid, and who said what.

Nothing here may stop a cycle, or keep it waiting for long: it is the radars' before all.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from wxcore.environment.levels import Levels
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.landing.ledger import FileRow
from wxcore.lightning.density import density
from wxcore.lightning.events import FLASH, Lightning
from wxcore.lightning.flashes import Flashes, to_flashes
from wxcore.pipeline.gather import DECODE_THREADS, ORBITERS, SLOW, Chosen, load_file, load_pass
from wxcore.pipeline.home import Home
from wxcore.pipeline.sky_images import (
    BT108,
    PASSES_KEPT,
    Instrument,
    Read,
    compared,
    instruments,
    of_orbiter,
    one_image,
    passes,
    sub_longitude,
    unusable,
)
from wxcore.pipeline.stages import stage
from wxcore.products.cloud_motion import Motion
from wxcore.region import Region
from wxcore.satellite.geometry import Disk
from wxcore.satellite.scene import Scene
from wxcore.schema import SKY, Box
from wxcore.times import iso, require_utc

READ_BUDGET_S = 20.0
"""All files of a cycle are read within this, or are not waited for [s, our choice]: 60 healthy ones take 5."""

READ_WALL_S = 6.0
"""One file is given this [s, our choice]: a full disk of 500 m takes 1.4. Ingest read it once, in its own time."""

KEPT = 32
"""Decoded windows that are kept in memory: an image serves several cycles, and as the past of later ones."""

LATE = timedelta(minutes=25)
"""A geostationary image whose scan ended longer ago than this is told: a full disk comes every 15 minutes, and is with
us some minutes after its end, so one slot is missing. Of SLOW satellites none is late before it is too old."""

MOVED_DEG = 1.0
"""A satellite this far [deg] from where station_meta has it is told: it may have been moved, as FY-4A was in 2024."""

Note = tuple[str, str]


@dataclass(frozen=True)
class Sky:
    """What satellites and lightning say of one cycle.

    Attributes:
        fields: of schema.SKY what there is, (time = 1, lat, lon) on the region's grid; nothing where nobody looked.
        flashes: of the last minutes; motion: of the cloud tops, None without images of before.
        sources: what was used, for the provenance.
        missing: satellites of the region, and files, that gave nothing; notes: what is odd, (English, Chinese).
    """

    fields: xr.Dataset
    flashes: Flashes
    motion: Motion | None = None
    sources: tuple[dict[str, Any], ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    simulated: bool = False


def sky_of(
    home: Home, region: Region, when: datetime, chosen: Chosen, levels: Levels, *, real_only: bool = False
) -> Sky:
    """Read what was chosen of satellites and lightning, and make the cycle's fields of it.

    Args:
        real_only: leave out simulated files: beside real radars they would make a real warning look simulated.

    Raises:
        TimeError: `when` is naive.
        OSError: trouble of ours (errors.OUR_TROUBLE, GuardError), nothing else.
    """
    when = require_utc(when)
    try:
        return _sky_of(home, region, when, chosen, levels, real_only=real_only)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever is odd in the sky, the radars' cycle goes on)
        told = f"satellites and lightning ({type(error).__name__}: {error})"
        return Sky(xr.Dataset(), to_flashes([]), missing=(told,))


def _sky_of(home: Home, region: Region, when: datetime, chosen: Chosen, levels: Levels, *, real_only: bool) -> Sky:
    missing: list[str] = []
    with stage("read sky files", size=sum(row.size for row in (*chosen.scenes, *chosen.lightning))):
        read = list(_usable(_read(home, region, chosen, missing), region, when, missing, real_only=real_only))
    scenes = [item for item in read if isinstance(item.native, Scene)]
    with stage("satellite"):
        found = instruments([item for item in scenes if not of_orbiter(item)], region, when, levels, missing)
        images, motion = one_image(found, region, when)
        passed = passes([item for item in scenes if of_orbiter(item)], region, when, missing)
    records = [item.native for item in read if isinstance(item.native, Lightning)]
    with stage("lightning"):
        flashes = to_flashes(records)
        struck = density(flashes, region.grid, when) if records else xr.Dataset()
    fields = xr.merge([images, passed, struck], compat="override", combine_attrs="override")
    fields, doubted = believable(fields)
    notes = [*doubted, *(note for item in scenes for note in _remarks(item, region, when)), *_unplaced(found)]
    return Sky(
        fields=fields,
        flashes=flashes,
        motion=motion,
        sources=tuple(_source(item, when) for item in read) + compared(fields),
        missing=(*missing, *_absent(read, found, region, when)),
        notes=tuple(dict.fromkeys(notes)),
        simulated=any(item.native.simulated for item in read),
    )


def believable(fields: xr.Dataset) -> tuple[xr.Dataset, list[Note]]:
    """The fields without values that the schema does not allow, and a note where there were any: one pixel of noise
    must not make the archive refuse the cycle."""
    kept, doubted = {}, []
    for var in SKY:
        if var.name not in fields or np.dtype(var.dtype).kind != "f":
            continue
        values = fields[var.name].values
        with np.errstate(invalid="ignore"):
            wrong = (values < var.valid_min) | (values > var.valid_max)
        if wrong.any():
            kept[var.name] = fields[var.name].where(~wrong)
            doubted.append(f"{var.name} ({int(wrong.sum())})")
    if not doubted:
        return fields, []
    listed = ", ".join(doubted)
    note = (f"impossible values left out, in cells: {listed}", f"剔除不可能的数值（格点数）：{listed}")
    return fields.assign(kept), [note]


def _read(home: Home, region: Region, chosen: Chosen, missing: list[str]) -> Iterator[Read]:
    """Each file that can be read, in the order chosen; the others are named among what is missing, but for granules
    of a pass whose places have not come, or are not over the region: most are not."""
    box, until = region.grid.bounds, time.monotonic() + READ_BUDGET_S
    hung: set[str] = set()

    def load(row: FileRow) -> Any:
        try:
            if time.monotonic() > until or row.site in hung:
                return _not_in_time(row)
            if row.site.startswith(ORBITERS):
                return _granule(home, row, _places_of(row, chosen.places), box)
            return _decoded(home, row, box)
        except ReadError as error:
            if error.reason is Reason.DECODE_TIMEOUT:
                hung.add(row.site)
            return error

    rows = (*chosen.scenes, *chosen.lightning)
    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        for row, native in zip(rows, pool.map(load, rows), strict=True):
            if isinstance(native, ReadError):
                missing += unusable(row, native)
            elif native is not None:
                yield Read(row, native)


@lru_cache(maxsize=KEPT)
def _decoded(home: Home, row: FileRow, box: Box) -> Any:
    return load_file(home, row, box, wall_s=READ_WALL_S)


@lru_cache(maxsize=PASSES_KEPT)
def _granule(home: Home, row: FileRow, places: FileRow | None, box: Box) -> Any:
    """A granule of a pass with its places and of its channels the window, all that is used; None without places. The
    others would be most of what a cycle's process holds."""
    native = load_file(home, row, box, wall_s=READ_WALL_S)
    if not isinstance(native, Scene):
        return native
    if native.geometry is None:
        native = None if places is None else load_pass(home, row, places, box)
    window = None if native is None else native.band(BT108)
    return native if window is None else replace(native, channels=(window,))


def _not_in_time(row: FileRow) -> LimitError:
    en = f"{row.name}: not read in time, the cycle does not wait"
    return LimitError(Reason.DECODE_TIMEOUT, en, f"{row.name}：未能及时读取，本时次不再等待")


def _usable(
    read: Iterator[Read], region: Region, when: datetime, missing: list[str], *, real_only: bool
) -> Iterator[Read]:
    """Without simulated files beside real radars, and without satellites that the region has switched off."""
    off = {row.id for row in region.satellites} - {row.id for row in region.satellites_at(when)}
    for item in read:
        if real_only and item.native.simulated:
            missing.append(f"file {item.row.name} (simulated, not used beside real radars)")
        elif not (isinstance(item.native, Scene) and item.native.platform in off):
            yield item


def _places_of(row: FileRow, places: Sequence[FileRow]) -> FileRow | None:
    """The file of longitudes and latitudes of a granule: the same source, nearest in time."""
    near = [other for other in places if other.site == row.site and other.obs_time and row.obs_time]
    return min(near, key=lambda other: abs(other.obs_time - row.obs_time), default=None)  # type: ignore[operator]


def _source(item: Read, when: datetime) -> dict[str, Any]:
    native = item.native
    told: dict[str, Any] = {"source": item.row.site, "start": iso(native.start), "end": iso(native.end)}
    if isinstance(native, Scene):
        age = (when - native.mean_time).total_seconds() / 60
        told |= {"age_min": round(age, 1), "bad_lines": native.bad_lines}
    else:
        plural = "flashes" if native.level == FLASH else f"{native.level}s"
        told |= {plural: int(native.time.size), "left_out": dict(native.rejected)}
    return told | ({"remarks": list(native.remarks)} if native.remarks else {})


def _remarks(item: Read, region: Region, when: datetime) -> Iterator[Note]:
    """What a forecaster should know of an image."""
    scene: Scene = item.native
    if scene.bad_lines:
        yield (
            f"{item.row.site} {scene.start:%H:%M}: {scene.bad_lines} bad lines over the region, left out",
            f"{item.row.site} {scene.start:%H:%M}：区域内有{scene.bad_lines}条坏线，未使用",
        )
    listed = sub_longitude(scene.platform, region, when)
    if isinstance(scene.geometry, Disk) and listed is not None:
        found = scene.geometry.sub_longitude
        if abs((found - listed + 180) % 360 - 180) > MOVED_DEG:
            yield (
                f"{scene.platform} stands at {found:.1f} E by its file, by station_meta at {listed:.1f} E: file used",
                f"{scene.platform} 文件所示定点经度 {found:.1f}°E，与台站表 {listed:.1f}°E 不符：采用文件值",
            )


def _unplaced(found: Sequence[Instrument]) -> Iterator[Note]:
    for item in found:
        if not item.placed:
            yield (
                f"{item.platform}: nobody says where it stands, so its clouds are not parallax corrected: add it to "
                "satellites.csv",
                f"{item.platform}：定点经度未知，云未作视差订正：请在 satellites.csv 中补充",
            )


def _absent(read: Sequence[Read], found: Sequence[Instrument], region: Region, when: datetime) -> Iterator[str]:
    """The region's geostationary satellites without an image, or with a late one; lightning where nobody looked."""
    expected = [row for row in region.satellites_at(when) if row.orbit == "GEO"]
    for row in expected:
        mine = [item.native for item in read if isinstance(item.native, Scene) and item.native.platform == row.id]
        ends = [scene.end for scene in mine if scene.band(BT108) is not None]
        seen = [item for item in found if item.platform == row.id and BT108 in item.best]
        if not ends:
            yield f"satellite {row.id}"
        elif not any(np.isfinite(item.best[BT108].values).any() for item in seen):
            yield f"satellite {row.id}: its images hold no data here"
        elif when - max(ends) > LATE and not row.id.startswith(SLOW):
            minutes = (when - max(ends)).total_seconds() / 60
            yield f"satellite {row.id}: a slot is missing, its newest image is {minutes:.0f} min old"
    if expected and not any(isinstance(item.native, Lightning) for item in read):
        yield "lightning"
