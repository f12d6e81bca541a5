"""Beams to grid: the three-dimensional mosaic of one or more radars.

Vertical method (DOMAIN.md 1.4): in the column above a place, dBZ is linear in elevation between the two tilts that
bracket a level, however far apart they are; the gates are the nearest ones in range and azimuth at that place. Below
the lowest tilt the beam answers for half its half-power width; above the highest tilt nothing is known. Observed
without echo is the value NO_ECHO_DBZ and takes part in interpolation and mean; unobserved is NaN and takes part in
nothing: if one of the two tilts is unobserved the level between them is.

What is cheap here is that bracket, share and gate depend on the ground distance alone: a column needs only its
distance and azimuth as two u2 numbers (PERFORMANCE.md, "How the speed was got", 1, 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.errors import ReadError, Reason
from wxcore.grid import Grid
from wxcore.radar.geometry import beam_through, ground_position, slant_at_arc
from wxcore.radar.mosaic_kernels import OUT_OF_RANGE, fill_many, fill_one
from wxcore.radar.tilts import AZIMUTH_STEPS, Tilt, half_beam_deg, tilt_elevations, tilts_of
from wxcore.radar.volume import Volume
from wxcore.schema import HEIGHT, LAT, LON, MOSAIC, OBSERVED_NONE, OBSERVED_VOLUME, TIME
from wxcore.times import iso, require_utc, to_datetime64

METHOD = "dBZ linear in elevation, no gap limit"

MAX_RANGE_M = 300_000.0
"""Ground distance to which a radar takes part. At 300 km the lowest beam (0.5 deg) is 8 km above the antenna and
5 km thick: farther out it sees only anvils, and would call the storm below them unobserved at best (DOMAIN.md 1.1)."""

FULL_RANGE_M = 460_000.0
"""Longest range of an S-band surveillance cut (DOMAIN.md 1.2): what `own_box_grid` and the benchmark use."""

DISTANCE_STEP_M = 50.0
"""Step of the distance tables: 1/5 of the commonest gate (250 m)."""

WEIGHT_RANGE_M = 230_000.0
WEIGHT_BEAM_M = 3_000.0
WEIGHT_OFF_BEAM_DEG = 0.5
"""Weight of a radar in a cell at ground distance s, whose elevation is `off` away from the nearest tilt:
exp(-(s / 230 km)^2) / (1 + (beam radius / 3 km)^2) / (1 + (off / 0.5 deg)^2). The quality weights of DOMAIN.md 1.4,
with the cell's own distance from the beam in place of half the gap: the radar that looked there speaks before the one
that interpolates across 4 deg. (Huai'an and Taizhou, 2020-06-12: MESH of the mean 42.5 mm, 38.8 without this factor;
46.2 and 45.8 mm alone. A mean of displaced peaks is always lower than either.)"""

MUCH_SMALLER_SPAN = 0.25
"""Of two volumes of one radar the one whose tilts span less than this part of the other's is a scrap (a single PPI, a
volume cut off after the first tilts) and is used only where there is nothing else [our choice]. Clear-air volumes
(0.5 to 4.5 deg) are scraps beside storm volumes (to 19.5): for one cycle the older, deeper look counts."""

ROWS_AT_ONCE = 32
"""Rows for which float64 distances are held at a time: keeps the memory added by a table below 2 MB."""

Scalar = TypeVar("Scalar", bound=np.generic)

Z_LAST = (TIME, LAT, LON, HEIGHT)


@dataclass(frozen=True)
class ColumnIndex:
    """Where each column lies as seen from a radar: (Y, X) u2 steps of distance (OUT_OF_RANGE beyond) and azimuth."""

    distance: npt.NDArray[np.uint16]
    azimuth: npt.NDArray[np.uint16]


@dataclass(frozen=True)
class RadialTables:
    """What depends on the ground distance alone; D steps, T tilts, L levels.

    Attributes:
        bounds: (D, T + 1) u1 first level of each bracket, and the end of the last.
        slopes: (D, L) f4 share of the upper tilt.
        gates: (D, T) i4 gate above this distance, -1 where the tilt has none.
        weights: (D, L) f4 weight of the radar.
    """

    bounds: npt.NDArray[np.uint8]
    slopes: npt.NDArray[np.float32]
    gates: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


def grid_volume(
    volume: Volume, grid: Grid, *, when: datetime | None = None, max_range_m: float = FULL_RANGE_M
) -> xr.Dataset:
    """The mosaic of one radar, by default at the volume's own time and to its full range. See `mosaic`."""
    return mosaic([volume], grid, when=when or volume.start, max_range_m=max_range_m)


def mosaic(volumes: Sequence[Volume], grid: Grid, *, when: datetime, max_range_m: float = MAX_RANGE_M) -> xr.Dataset:
    """The 3-D mosaic of the volumes on the grid, as schema.MOSAIC.

    Args:
        volumes: any number, in any order. Of the volumes of one radar (same id, same place) that have a usable tilt
            of DBZH, scraps (MUCH_SMALLER_SPAN) aside, the one nearest to `when` is used. A radar none of whose
            volumes has such a tilt is named in attribute `radars_without_tilts` and takes no part.
        grid: the target.
        when: the mosaic's time.
        max_range_m: ground distance to which a radar takes part [m].

    Returns:
        Dataset of dims (time, height, lat, lon) with reflectivity [dBZ] f4, radar_count u1, and (time, lat, lon)
        observed u1, nearest_radar i2 (index into attribute `radars`). Attribute `radar_times` holds the start of
        each radar's volume, `source_kind` is "volume". The memory is z-last:
        `ds.reflectivity.transpose("time", "lat", "lon", "height").values` is C-contiguous without a copy.

    Raises:
        TimeError: `when` is naive.
        ReadError: BAD_POSITION, a volume's site has no finite position.
    """
    when = require_utc(when)
    for volume in volumes:
        _require_position(volume)
    chosen, without = _one_per_radar(volumes, when)
    used = [(volume, tilts_of(volume, max_range_m=_slant_limit(max_range_m))) for volume in chosen]
    arrays = _fill(used, grid, max_range_m)
    attrs = {
        "radars": [volume.site.id for volume, _ in used],
        "radar_times": [iso(volume.start) for volume, _ in used],
        "radars_without_tilts": without,
        "method": METHOD,
        "source_kind": "volume",
        "max_range_m": max_range_m,
    }
    return _dataset(arrays, grid, when, attrs)


def _one_per_radar(volumes: Sequence[Volume], when: datetime) -> tuple[list[Volume], list[str]]:
    """One volume of each radar, by id, and the ids of the radars without a tilt."""
    spans: dict[tuple[str, float, float], list[tuple[float, Volume]]] = {}
    for volume in volumes:
        of_radar = spans.setdefault((volume.site.id, volume.site.latitude, volume.site.longitude), [])
        if elevations := tilt_elevations(volume):
            of_radar.append((elevations[-1] - elevations[0], volume))
    chosen: list[Volume] = []
    for _, of_radar in sorted(item for item in spans.items() if item[1]):
        least = MUCH_SMALLER_SPAN * max(span for span, _ in of_radar)
        whole = [volume for span, volume in of_radar if span >= least]
        chosen.append(min(whole, key=lambda volume: abs(volume.start - when)))
    seen = {volume.site.id for volume in chosen}
    return chosen, sorted({radar for radar, _, _ in spans} - seen)


def _require_position(volume: Volume) -> None:
    site = volume.site
    if not np.isfinite([site.latitude, site.longitude, site.altitude_m]).all():
        raise ReadError(
            Reason.BAD_POSITION,
            f"radar {site.id}: position {site.latitude}, {site.longitude}, {site.altitude_m} m is not finite; "
            "give its site in the region's radars.csv",
            f"雷达 {site.id}：位置 {site.latitude}, {site.longitude}, {site.altitude_m} m 无效；"
            "请在区域的 radars.csv 中填写站址",
        )


def _slant_limit(max_range_m: float) -> float:
    """Slant range that no gate above `max_range_m` exceeds below 30 km: the rest is not decoded."""
    return float(np.hypot(max_range_m * 1.01, 30_000.0))


def _fill(
    used: list[tuple[Volume, tuple[Tilt, ...]]], grid: Grid, max_range_m: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.int16]]:
    """Reflectivity and count (Y, X, L), nearest (Y, X)."""
    shape = (*grid.shape, grid.height.size)
    if not used:
        return np.full(shape, np.nan, "f4"), np.zeros(shape, "u1"), np.full(grid.shape, -1, "i2")
    out = (np.empty(shape, "f4"), np.empty(shape, "u1"), np.empty(grid.shape, "i2"))
    columns = [column_index(v.site.latitude, v.site.longitude, grid, max_range_m) for v, _ in used]
    tables = [
        radial_tables(
            tuple((t.elevation_deg, t.first_gate_m, t.gate_m, t.dbz.shape[1]) for t in tilts),
            v.site.altitude_m, half_beam_deg(v.site), grid.levels_m, max_range_m,
        )
        for v, tilts in used
    ]  # fmt: skip
    values, rays = _polar([tilts for _, tilts in used])
    if len(used) == 1:
        table = tables[0]
        fill_one(
            columns[0].distance, columns[0].azimuth, rays[0], table.gates, table.bounds, table.slopes, values, out
        )  # fmt: skip
        return out
    fill_many(
        (np.stack([c.distance for c in columns]), np.stack([c.azimuth for c in columns])),
        (
            rays,
            _padded([t.gates for t in tables]),
            _padded([t.bounds for t in tables]),
            np.stack([t.slopes for t in tables]),
            np.stack([t.weights for t in tables]),
            np.array([len(tilts) for _, tilts in used], dtype=np.int64),
        ),
        values,
        out,
    )
    return out


def _polar(volumes: list[tuple[Tilt, ...]]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int32]]:
    """All gates side by side, and (R, A, T) where in them the ray for each azimuth begins, -1 where none."""
    values = np.empty(sum(tilt.dbz.size for tilts in volumes for tilt in tilts), dtype=np.int16)
    rays = np.full((len(volumes), AZIMUTH_STEPS, max(len(tilts) for tilts in volumes)), -1, dtype=np.int32)
    start = 0
    for r, tilts in enumerate(volumes):
        for t, tilt in enumerate(tilts):
            values[start : start + tilt.dbz.size] = tilt.dbz.ravel()
            rays[r, :, t] = np.where(tilt.ray_of >= 0, start + tilt.ray_of * tilt.dbz.shape[1], -1)
            start += tilt.dbz.size
    return values, rays


def _padded(arrays: list[npt.NDArray[Scalar]]) -> npt.NDArray[Scalar]:
    """(R, D, widest) with the last column repeated."""
    widest = max(array.shape[1] for array in arrays)
    return np.stack([np.pad(array, ((0, 0), (0, widest - array.shape[1])), mode="edge") for array in arrays])


@lru_cache(maxsize=64)
def column_index(site_lat: float, site_lon: float, grid: Grid, max_range_m: float) -> ColumnIndex:
    """Distance and azimuth of each column, in steps of the tables; kept between calls (4 bytes a column)."""
    distance = np.empty(grid.shape, dtype=np.uint16)
    azimuth = np.empty(grid.shape, dtype=np.uint16)
    for row in range(0, grid.n_lat, ROWS_AT_ONCE):
        rows = slice(row, row + ROWS_AT_ONCE)
        metres, degrees = ground_position(site_lat, site_lon, grid.lat[rows, None], grid.lon[None, :])
        steps = np.rint(metres / DISTANCE_STEP_M)
        distance[rows] = np.where(metres <= max_range_m, steps, OUT_OF_RANGE)
        azimuth[rows] = (degrees * (AZIMUTH_STEPS / 360.0)).astype(np.int64) % AZIMUTH_STEPS
    return ColumnIndex(distance, azimuth)


@lru_cache(maxsize=64)
def radial_tables(
    tilts: tuple[tuple[float, float, float, int], ...],
    altitude_m: float,
    half_beam: float,
    levels_m: tuple[float, ...],
    max_range_m: float,
) -> RadialTables:
    """Tables of a tilt set; kept between calls.

    Args:
        tilts: (elevation [deg], first gate [m], gate [m], gates) of each, in order of elevation.
        altitude_m: antenna [m ASL]; half_beam: half of the half-power beam width [deg].
        levels_m: levels [m ASL], ascending; max_range_m: ground distance of the last step [m].
    """
    arc = DISTANCE_STEP_M * np.arange(int(np.rint(max_range_m / DISTANCE_STEP_M)) + 1, dtype=np.float64)
    beams = np.array([tilt[0] for tilt in tilts], dtype=np.float64)
    elevation, _ = beam_through(arc[:, None], np.asarray(levels_m)[None, :] - altitude_m)
    lowest = np.concatenate([[beams[0] - half_beam], beams])
    bounds = np.stack([(elevation < edge).sum(axis=1) for edge in lowest], axis=1)
    bounds[:, -1] = (elevation <= beams[-1]).sum(axis=1)
    upper = np.clip(np.searchsorted(beams, elevation, side="right"), 1, max(beams.size - 1, 1))
    slopes = np.zeros(elevation.shape)
    if beams.size > 1:
        slopes = np.clip((elevation - beams[upper - 1]) / (beams[upper] - beams[upper - 1]), 0.0, 1.0)
    gates = np.stack([_gate_above(arc, *tilt) for tilt in tilts], axis=1)
    weights = _weights(arc, elevation, beams, half_beam)
    return RadialTables(bounds.astype(np.uint8), slopes.astype(np.float32), gates, weights.astype(np.float32))


def _weights(
    arc: npt.NDArray[np.float64], elevation: npt.NDArray[np.float64], beams: npt.NDArray[np.float64], half_beam: float
) -> npt.NDArray[np.float64]:
    """(D, L) weight of the radar at each distance and level."""
    beam_radius = arc * np.deg2rad(half_beam)
    near = np.exp(-((arc / WEIGHT_RANGE_M) ** 2)) / (1 + (beam_radius / WEIGHT_BEAM_M) ** 2)
    off = np.full(elevation.shape, np.inf)
    for beam in beams:
        np.minimum(off, np.abs(elevation - beam), out=off)
    return np.asarray(near[:, None] / (1 + (off / WEIGHT_OFF_BEAM_DEG) ** 2))


def _gate_above(
    arc: npt.NDArray[np.float64], elevation: float, first: float, gate_m: float, gates: int
) -> npt.NDArray[np.int32]:
    index = np.rint((slant_at_arc(arc, elevation) - first) / gate_m)
    return np.where((index >= 0) & (index < gates), index, -1).astype(np.int32)


def _dataset(
    arrays: tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.int16]],
    grid: Grid,
    when: datetime,
    attrs: dict[str, object],
) -> xr.Dataset:
    dbz, count, nearest = arrays
    observed = np.where(nearest >= 0, OBSERVED_VOLUME, OBSERVED_NONE).astype(np.uint8)
    values: dict[str, npt.NDArray[Any]] = {
        "reflectivity": dbz,
        "radar_count": count,
        "observed": observed,
        "nearest_radar": nearest,
    }
    data = {
        var.name: (var.dims, np.moveaxis(values[var.name], -1, 0)[None] if HEIGHT in var.dims else
                   values[var.name][None], var.attrs)
        for var in MOSAIC
    }  # fmt: skip
    coords = {
        TIME: (TIME, np.array([to_datetime64(when)])),
        HEIGHT: (HEIGHT, grid.height, {"units": "m", "positive": "up", "standard_name": "height_above_mean_sea_level"}),
        LAT: (LAT, grid.lat, {"units": "degrees_north", "standard_name": "latitude"}),
        LON: (LON, grid.lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return xr.Dataset(data, coords, attrs)
