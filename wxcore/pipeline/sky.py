"""Satellites and lightning of one cycle: from the files that were chosen to fields on the grid, and who said what."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import xarray as xr

from wxcore.environment.levels import Levels
from wxcore.errors import ReadError
from wxcore.landing.ledger import FileRow
from wxcore.lightning.density import density
from wxcore.lightning.events import Lightning
from wxcore.lightning.flashes import Flashes, to_flashes
from wxcore.pipeline.gather import DECODE_THREADS, ORBITERS, Chosen, load_file, load_pass, lost
from wxcore.pipeline.home import Home
from wxcore.products.cloud_motion import Motion
from wxcore.products.clouds import Earlier, cloud_products, motion_of
from wxcore.region import Region
from wxcore.satellite.blend import Image, blend, flag, join
from wxcore.satellite.geometry import Disk, viewpoint, zenith_deg
from wxcore.satellite.parallax import correct
from wxcore.satellite.regrid import LINE_OFFSET, to_grid, wider
from wxcore.satellite.scene import Scene
from wxcore.schema import CLOUDS, COLUMN, IMAGE, PASS
from wxcore.times import iso, to_datetime64

LATE = timedelta(minutes=25)
"""A geostationary image whose scan ended longer ago than this is told: a full disk comes every 15 minutes, and is with
us some minutes after its end, so one slot is missing."""

MOVED_DEG = 1.0
"""A satellite this far [deg] from where station_meta has it is told: it may have been moved, as FY-4A was in 2024."""

COMPARED_S = 900.0
"""A pass is compared with the geostationary image where they saw a cell within this time of each other."""

BT108 = "brightness_temperature_108"
Note = tuple[str, str]


@dataclass(frozen=True)
class Sky:
    """What satellites and lightning say of one cycle.

    Attributes:
        fields: of schema.SKY what there is, (time = 1, lat, lon) on the region's grid; nothing where nobody looked.
        flashes: of the last minutes; motion: of the cloud tops, None without images of before.
        sources: what was used, for the provenance.
        missing: satellites of the region, and files, that gave nothing; notes: what is odd, (English, Chinese).
        pixel_cells: side of a pixel of the preferred image in cells of the grid.
    """

    fields: xr.Dataset
    flashes: Flashes
    motion: Motion | None = None
    sources: tuple[dict[str, Any], ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    simulated: bool = False


@dataclass(frozen=True)
class _Read:
    """A decoded file and the row it came from."""

    row: FileRow
    native: Any


@dataclass(frozen=True)
class _Platform:
    """The images of one geostationary satellite on the grid: the newest, and those before it, newest first."""

    name: str
    zenith: float
    images: tuple[xr.Dataset, ...] = field(default=())


def sky_of(home: Home, region: Region, when: datetime, chosen: Chosen, levels: Levels) -> Sky:
    """Read what was chosen of satellites and lightning, and make the cycle's fields of it. Never raises for a file."""
    missing: list[str] = []
    read = list(_read(home, region, chosen, missing))
    scenes = [item for item in read if isinstance(item.native, Scene)]
    still = [item for item in scenes if not item.row.site.startswith(ORBITERS)]
    notes = [note for item in scenes for note in _remarks(item, region, when)]
    platforms = _platforms(still, region, when, levels, missing)
    images, motion = _images(platforms, region, when)
    passes = _passes([item for item in scenes if item.row.site.startswith(ORBITERS)], region, when, missing)
    records = [item.native for item in read if isinstance(item.native, Lightning)]
    flashes = to_flashes(records)
    struck = density(flashes, region.grid, when) if records else xr.Dataset()
    fields = xr.merge([images, passes, struck], compat="override", combine_attrs="override")
    return Sky(
        fields=fields,
        flashes=flashes,
        motion=motion,
        sources=tuple(_source(item, when) for item in read) + _compared(fields),
        missing=(*missing, *_absent(read, region, when)),
        notes=tuple(notes),
        simulated=any(item.native.simulated for item in read if isinstance(item.native, (Scene, Lightning))),
    )


def _read(home: Home, region: Region, chosen: Chosen, missing: list[str]) -> Iterator[_Read]:
    """Each file that can be read, in the order chosen; the others are named among what is missing, but for granules
    of a pass whose places have not come: they are seldom over the region."""
    box = region.grid.bounds

    def load(row: FileRow) -> Any:
        try:
            native = load_file(home, row, box)
            if isinstance(native, Scene) and native.geometry is None:
                places = _places_of(row, chosen.places)
                return None if places is None else load_pass(home, row, places, box)
            return native
        except ReadError as error:
            return error

    rows = (*chosen.scenes, *chosen.lightning)
    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        for row, native in zip(rows, pool.map(load, rows), strict=True):
            if isinstance(native, ReadError):
                missing.append(lost(row, native))
            elif native is not None:
                yield _Read(row, native)


def _places_of(row: FileRow, places: Sequence[FileRow]) -> FileRow | None:
    """The file of longitudes and latitudes of a granule: the same source, nearest in time."""
    near = [other for other in places if other.site == row.site and other.obs_time and row.obs_time]
    return min(near, key=lambda other: abs(other.obs_time - row.obs_time), default=None)  # type: ignore[operator]


def _platforms(
    read: Sequence[_Read], region: Region, when: datetime, levels: Levels, missing: list[str]
) -> list[_Platform]:
    """Geostationary images on the grid, parallax corrected, by satellite."""
    wide, names = wider(region.grid), sorted({item.native.platform for item in read})
    found = []
    for name in names:
        mine = [item for item in read if item.native.platform == name]
        seen_from = viewpoint(mine[-1].native.geometry, _sub_longitude(name, region, when))
        parts = []
        for item in mine:
            try:
                parts.append(to_grid(item.native, wide))
            except ReadError as error:
                missing.append(lost(item.row, error))
        moved = [correct(part, seen_from, region.grid, levels.h0_m, levels.hm20_m) for part in join(parts)]
        if moved:
            west, south, east, north = region.grid.bounds
            middle = np.array((west + east) / 2), np.array((south + north) / 2)
            zenith = 90.0 if seen_from is None else float(zenith_deg(seen_from, *middle))
            found.append(_Platform(name, zenith, tuple(sorted(moved, key=_began, reverse=True))))
    return found


def _sub_longitude(platform: str, region: Region, when: datetime) -> float | None:
    return next((row.sub_longitude for row in region.satellites_at(when) if row.id == platform), None)


def _began(image: xr.Dataset) -> np.datetime64:
    return np.datetime64(image["time"].values[0])


def _images(platforms: Sequence[_Platform], region: Region, when: datetime) -> tuple[xr.Dataset, Motion | None]:
    """One image out of all satellites, and what the clouds did since that satellite's images of before."""
    if not platforms:
        return xr.Dataset(), None
    now = blend([Image(item.name, item.images[0], item.zenith) for item in platforms], when)
    seen = now["satellite"].values
    first = max(platforms, key=lambda item: int(np.count_nonzero(seen == flag(item.name))))
    earlier = [
        Earlier(
            blend([Image(first.name, image, first.zenith)], when),
            float((_began(first.images[0]) - _began(image)) / np.timedelta64(1, "m")),
        )
        for image in first.images[1:]
    ]
    motion = motion_of(now, earlier, region.grid) if earlier else None
    pixel = float(first.images[0].attrs["resolution_m"]) / (region.grid.step_deg * 111_000.0)
    clouds = cloud_products(now, earlier, region.grid, motion=motion, pixel_cells=max(pixel, 1.0))
    return xr.merge(
        [now[_held(now, IMAGE)], clouds[_held(clouds, CLOUDS)]], compat="override", combine_attrs="override"
    ), motion


def _held(fields: xr.Dataset, variables: Sequence[Any]) -> list[str]:
    return [var.name for var in variables if var.name in fields]


def _passes(read: Sequence[_Read], region: Region, when: datetime, missing: list[str]) -> xr.Dataset:
    """Window brightness temperature of polar orbiters, per cell of the newest pass that saw it (schema.PASS)."""
    grid = region.grid
    bt, offset = (np.full((1, *grid.shape), np.nan, np.float32) for _ in range(2))
    satellite = np.zeros((1, *grid.shape), np.uint8)
    for item in sorted(read, key=lambda item: (item.native.start, item.row.site), reverse=True):
        try:
            part = to_grid(item.native, grid)
        except ReadError as error:
            missing.append(lost(item.row, error))
            continue
        if BT108 not in part:
            continue
        mine = (satellite == 0) & np.isfinite(part[BT108].values)
        seconds = float((_began(part) - to_datetime64(when)) / np.timedelta64(1, "s")) + part[LINE_OFFSET.name].values
        np.copyto(bt, part[BT108].values, where=mine)
        np.copyto(offset, seconds.astype(np.float32), where=mine)
        satellite[mine] = flag(item.native.platform)
    if not satellite.any():
        return xr.Dataset()
    values = {PASS[0].name: bt, PASS[1].name: satellite, PASS[2].name: offset}
    coords = {"time": [to_datetime64(when)], "lat": grid.lat, "lon": grid.lon}
    return xr.Dataset({var.name: (COLUMN, values[var.name], var.attrs) for var in PASS}, coords)


def _compared(fields: xr.Dataset) -> tuple[dict[str, Any], ...]:
    """How far the passes are from the geostationary image where both saw a cell at about the same time."""
    if PASS[0].name not in fields or BT108 not in fields:
        return ()
    difference = fields[PASS[0].name].values - fields[BT108].values
    near = np.abs(fields["pass_offset"].values - fields["satellite_offset"].values) <= COMPARED_S
    both = difference[near & np.isfinite(difference)]
    if not both.size:
        return ()
    return ({"check": "pass minus geostationary, 10.8 um", "median_k": round(float(np.median(both)), 2),
             "cells": int(both.size)},)  # fmt: skip


def _source(item: _Read, when: datetime) -> dict[str, Any]:
    native = item.native
    told: dict[str, Any] = {"source": item.row.site, "start": iso(native.start), "end": iso(native.end)}
    if isinstance(native, Scene):
        age = (when - native.mean_time).total_seconds() / 60
        told |= {"age_min": round(age, 1), "bad_lines": native.bad_lines}
    else:
        told |= {f"{native.level}s": int(native.time.size), "left_out": dict(native.rejected)}
    return told | ({"remarks": list(native.remarks)} if native.remarks else {})


def _remarks(item: _Read, region: Region, when: datetime) -> Iterator[Note]:
    """What a forecaster should know of an image."""
    scene: Scene = item.native
    if scene.bad_lines:
        yield (
            f"{item.row.site} {scene.start:%H:%M}: {scene.bad_lines} bad lines over the region, left out",
            f"{item.row.site} {scene.start:%H:%M}：区域内有{scene.bad_lines}条坏线，未使用",
        )
    listed = _sub_longitude(scene.platform, region, when)
    if isinstance(scene.geometry, Disk) and listed is not None:
        found = scene.geometry.sub_longitude
        if abs((found - listed + 180) % 360 - 180) > MOVED_DEG:
            yield (
                f"{scene.platform} stands at {found:.1f} E by its file, by station_meta at {listed:.1f} E: file used",
                f"{scene.platform} 文件所示定点经度 {found:.1f}°E，与台站表 {listed:.1f}°E 不符：采用文件值",
            )


def _absent(read: Sequence[_Read], region: Region, when: datetime) -> Iterator[str]:
    """The region's geostationary satellites without an image, or with a late one; lightning where nobody looked."""
    expected = [row for row in region.satellites_at(when) if row.orbit == "GEO"]
    for row in expected:
        ends = [item.native.end for item in read if isinstance(item.native, Scene) and item.native.platform == row.id]
        if not ends:
            yield f"satellite {row.id}"
        elif when - max(ends) > LATE:
            minutes = (when - max(ends)).total_seconds() / 60
            yield f"satellite {row.id}: a slot is missing, its newest image is {minutes:.0f} min old"
    if expected and not any(isinstance(item.native, Lightning) for item in read):
        yield "lightning"
