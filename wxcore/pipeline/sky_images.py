"""Scenes of satellites to one image on the grid, what its clouds did, and the passes of polar orbiters beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from wxcore.environment.levels import Levels
from wxcore.errors import ReadError, Reason
from wxcore.grid import Grid
from wxcore.landing.ledger import FileRow
from wxcore.pipeline.gather import ORBITERS, lost
from wxcore.pipeline.stages import stage
from wxcore.products.cloud_motion import Motion
from wxcore.products.clouds import Earlier, cloud_products, motion_of
from wxcore.region import Region
from wxcore.satellite.blend import Image, blend, flag, join
from wxcore.satellite.geometry import Viewpoint, viewpoint, zenith_deg
from wxcore.satellite.parallax import correct
from wxcore.satellite.regrid import LINE_OFFSET, to_grid, wider
from wxcore.satellite.scene import Scene
from wxcore.schema import CLOUDS, COLUMN, IMAGE, PASS, Var
from wxcore.times import to_datetime64

NOMINAL_E = {"FY-2G": 99.2, "FY-2H": 79.0}
"""Where satellites stand [deg east] whose products on maps do not say it, nor station_meta (DOMAIN.md 8.3 [M])."""

COMPARED_S = 900.0
"""A pass is compared with the geostationary image where they saw a cell within this time of each other."""

PASSES_KEPT = 8
"""Granules of passes that are kept for the next cycle in this process, read and on the grid: two of each orbiter."""

DEGREE_M = 111_195.0
"""Metres in a degree of latitude."""

BT108 = "brightness_temperature_108"


@dataclass(frozen=True)
class Read:
    """A decoded file and the row it came from."""

    row: FileRow
    native: Any


@dataclass(frozen=True)
class Instrument:
    """The images of one instrument of a geostationary satellite on the grid, parallax corrected: that which stands for
    the time, and those before it. Of two instruments (GHI, AGRI) none is the past of the other."""

    platform: str
    zenith: float
    placed: bool
    best: xr.Dataset
    earlier: tuple[xr.Dataset, ...] = field(default=())


def instruments(
    read: Sequence[Read], region: Region, when: datetime, levels: Levels, missing: list[str]
) -> list[Instrument]:
    """Geostationary images on the grid, by satellite and instrument; what cannot be used is added to `missing`."""
    names = sorted({(item.native.platform, item.native.instrument) for item in read})
    found = []
    for platform, name in names:
        mine = [item for item in read if (item.native.platform, item.native.instrument) == (platform, name)]
        seen_from = viewpoint(mine[-1].native.geometry, sub_longitude(platform, region, when))
        images = _on_grid(mine, seen_from, region, levels, missing)
        if not images:
            continue
        best = max(images, key=lambda image: (_sees(image), _began(image)))
        before = tuple(image for image in images if _sees(image) and _began(image) < _began(best))
        west, south, east, north = region.grid.bounds
        middle = np.array((west + east) / 2), np.array((south + north) / 2)
        zenith = 90.0 if seen_from is None else float(zenith_deg(seen_from, *middle))
        found.append(Instrument(platform, zenith, seen_from is not None, best, before))
    return found


def _on_grid(
    mine: Sequence[Read], seen_from: Viewpoint | None, region: Region, levels: Levels, missing: list[str]
) -> list[xr.Dataset]:
    """The images of one instrument, the files of a slot joined, each cloud where `seen_from` says that it is."""
    parts, wide = [], wider(region.grid)
    for item in mine:
        try:
            with stage("to grid"):
                parts.append(to_grid(item.native, wide))
        except ReadError as error:
            missing.append(lost(item.row, error))
    with stage("parallax"):
        return [correct(part, seen_from, region.grid, levels.h0_m, levels.hm20_m) for part in join(parts)]


def sub_longitude(platform: str, region: Region, when: datetime) -> float | None:
    """Where station_meta has a satellite at that time [deg east]; its nominal place; None where nobody says."""
    listed = (row.sub_longitude for row in region.satellites_at(when) if row.id == platform)
    return next(listed, NOMINAL_E.get(platform))


def _sees(image: xr.Dataset) -> bool:
    """Is its 10.8 um known anywhere?"""
    return BT108 in image and bool(np.isfinite(image[BT108].values).any())


def _began(image: xr.Dataset) -> np.datetime64:
    return np.datetime64(image["time"].values[0])


def one_image(found: Sequence[Instrument], region: Region, when: datetime) -> tuple[xr.Dataset, Motion | None]:
    """One image out of all, and what its clouds did since the earlier images of the instrument with the most cells."""
    if not found:
        return xr.Dataset(), None
    now = blend([Image(item.platform, item.best, item.zenith) for item in found], when)
    first = max(found, key=lambda item: _cells_of(item.best, now))
    earlier = []
    for image in first.earlier:
        before = blend([Image(first.platform, image, first.zenith)], when)
        seconds = now["satellite_offset"].values - before["satellite_offset"].values
        same = np.isfinite(seconds) & (now["satellite"].values == before["satellite"].values)
        if same.any():
            earlier.append(Earlier(before, float(np.median(seconds[same])) / 60))
    with stage("cloud motion"):
        motion = motion_of(now, earlier, region.grid) if earlier else None
    clouds = cloud_products(now, earlier, region.grid, motion=motion, pixel_cells=_pixel_cells(first, region))
    fields = [now[_held(now, IMAGE)], clouds[_held(clouds, CLOUDS)]]
    return xr.merge(fields, compat="override", combine_attrs="override"), motion


def _pixel_cells(first: Instrument, region: Region) -> float:
    """Side of the pixel over the region in cells of the grid: its area grows with the slant of the view."""
    slant = float(1 / np.sqrt(np.cos(np.deg2rad(min(first.zenith, 75.0)))))
    return max(float(first.best.attrs["resolution_m"]) * slant / (region.grid.step_deg * DEGREE_M), 1.0)


def _cells_of(image: xr.Dataset, now: xr.Dataset) -> int:
    """How many cells of `now` have their window brightness temperature from the image."""
    if BT108 not in image or BT108 not in now:
        return 0
    return int(np.count_nonzero(image[BT108].values == now[BT108].values))


def _held(fields: xr.Dataset, variables: Sequence[Var]) -> list[str]:
    return [var.name for var in variables if var.name in fields]


def passes(read: Sequence[Read], region: Region, when: datetime, missing: list[str]) -> xr.Dataset:
    """Window brightness temperature of polar orbiters, per cell of the newest pass that saw it (schema.PASS)."""
    grid = region.grid
    bt, offset = (np.full((1, *grid.shape), np.nan, np.float32) for _ in range(2))
    satellite = np.zeros((1, *grid.shape), np.uint8)
    for item in sorted(read, key=lambda item: (item.native.start, item.row.site), reverse=True):
        try:
            part = _of_pass(item.native, grid)
        except ReadError as error:
            missing += unusable(item.row, error)
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


@lru_cache(maxsize=PASSES_KEPT)
def _of_pass(scene: Scene, grid: Grid) -> xr.Dataset:
    """A granule on the grid: it stands for the cycles of a whole hour."""
    return to_grid(scene, grid)


def unusable(row: FileRow, error: ReadError) -> list[str]:
    """A file that cannot be used, as it is named among what is missing; nothing lacks where a pass is elsewhere."""
    elsewhere = error.reason is Reason.OUTSIDE_REGION and row.site.startswith(ORBITERS)
    return [] if elsewhere else [lost(row, error)]


def compared(fields: xr.Dataset) -> tuple[dict[str, Any], ...]:
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


def of_orbiter(item: Read) -> bool:
    """Is it a scene of a polar orbiter?"""
    return isinstance(item.native, Scene) and item.row.site.startswith(ORBITERS)
