"""Beams to grid: the three-dimensional mosaic of one or more radars.

Vertical method (DOMAIN.md 1.4): in the column above a place, dBZ is linear in elevation between the two tilts that
bracket a level, however far apart they are; the gates are the nearest ones in range and azimuth at that place. Below
the lowest tilt the beam answers for half its half-power width; above the highest tilt nothing is known. Observed
without echo is the value NO_ECHO_DBZ and takes part in interpolation and mean; unobserved is NaN and takes part in
nothing: if one of the two tilts is unobserved the level between them is.

What is cheap here is that a level's place among the tilts and its weight depend on the ground distance alone: a column
needs only its distance and azimuth as two u2 numbers (PERFORMANCE.md, "How the speed was got", 1, 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.radar.looks import MAX_RANGE_M, Look, look_of, require_position
from wxcore.radar.mosaic_kernels import MOST_LEVELS, OUT_OF_RANGE, TIME_ROWS, fill, fill_alone, of_columns
from wxcore.radar.mosaic_tables import (
    STEP_M,
    RadialTables,
    column_indices,
    radial_tables,
    row_of_distance,
)
from wxcore.radar.tilts import AZIMUTH_STEPS, NO_ECHO_HUNDREDTHS, UNOBSERVED, Tilt, tilt_elevations
from wxcore.radar.volume import Site, Volume
from wxcore.schema import (
    COLUMN_QUALITY,
    HEIGHT,
    LAT,
    LON,
    MOSAIC,
    MOSAIC_QUALITY,
    NO_ECHO_DBZ,
    OBSERVED_NONE,
    OBSERVED_VOLUME,
    TIME,
)
from wxcore.times import iso, require_utc, to_datetime64

METHOD = "dBZ linear in elevation, no gap limit"

FULL_RANGE_M = 460_000.0
"""Longest range of an S-band surveillance cut (DOMAIN.md 1.2): what `own_box_grid` and the benchmark use."""

MUCH_SMALLER_SPAN = 0.25
"""Of two volumes of one radar the one whose tilts span less than this part of the other's is a scrap (a single PPI, a
volume cut off after the first tilts) and is used only where there is nothing else [our choice]. Clear-air volumes
(0.5 to 4.5 deg) are scraps beside storm volumes (to 19.5): for one cycle the older, deeper look counts."""

MOST_OFFSET_S = 3600.0
"""Observation times further from the mosaic's time are held at this, the limit of schema.MOSAIC_QUALITY."""

MOST_RAYS = 65_535
"""Rows of a tilt are counted in u2, one of them is for no ray."""

WEIGHT = "mosaic_weight"
"""Variable (time, height, lat, lon) f4 with the sum of the radars' weights, where `mosaic_looks` is asked for it."""

_F4: TypeAlias = npt.NDArray[np.float32]
_I4: TypeAlias = npt.NDArray[np.int32]
_U2: TypeAlias = npt.NDArray[np.uint16]

Z_LAST = (TIME, LAT, LON, HEIGHT)


@dataclass(frozen=True)
class _Filled:
    """What the kernel makes: (Y, X, L), `nearest` (Y, X); offset and quality, and weight, empty unless asked for."""

    dbz: npt.NDArray[np.float32]
    offset: npt.NDArray[np.float32]
    count: npt.NDArray[np.uint8]
    quality: npt.NDArray[np.uint8]
    nearest: npt.NDArray[np.int16]
    weight: npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Extras:
    """What is wanted beside schema.MOSAIC: schema.MOSAIC_QUALITY; WEIGHT."""

    quality: bool
    weights: bool = False


def grid_volume(
    volume: Volume, grid: Grid, *, when: datetime | None = None, max_range_m: float = FULL_RANGE_M
) -> xr.Dataset:
    """One radar alone, by default at the volume's own time and to its full range: schema.MOSAIC. See `mosaic_looks`."""
    return mosaic([volume], grid, when=when or volume.start, max_range_m=max_range_m, with_quality=False)


def mosaic(
    volumes: Sequence[Volume],
    grid: Grid,
    *,
    when: datetime,
    max_range_m: float = MAX_RANGE_M,
    with_quality: bool = True,
) -> xr.Dataset:
    """The mosaic of volumes that were not made ready before. See `mosaic_looks`.

    Args:
        with_quality: also schema.MOSAIC_QUALITY, which takes as much memory as the rest.

    Raises:
        ReadError: BAD_POSITION, a volume's site has no finite position.
    """
    when = require_utc(when)
    for volume in volumes:
        require_position(volume.site)
    chosen, without = _one_per_radar([(v.site, v.start, tilt_elevations(v)) for v in volumes], when)
    looks = [look_of(volumes[index], max_range_m=max_range_m) for index in chosen]
    return _mosaic(looks, without, grid, when, max_range_m, _Extras(with_quality))


def mosaic_looks(
    looks: Sequence[Look],
    grid: Grid,
    *,
    when: datetime,
    max_range_m: float = MAX_RANGE_M,
    keep_weights: bool = False,
) -> xr.Dataset:
    """The 3-D mosaic of the looks on the grid, as schema.MOSAIC, MOSAIC_QUALITY and COLUMN_QUALITY.

    Args:
        looks: any number, in any order. Of the looks of one radar (same id, same place) that have a tilt, scraps
            (MUCH_SMALLER_SPAN) aside, the one nearest to `when` is used. A radar none of whose looks has a tilt is
            named in attribute `radars_without_tilts` and takes no part.
        grid: the target.
        when: the mosaic's time.
        max_range_m: ground distance to which a radar takes part [m].
        keep_weights: add WEIGHT, which `mosaic_late.add_look` needs.

    Returns:
        Dataset of dims (time, height, lat, lon) with reflectivity [dBZ] f4, radar_count u1, mosaic_quality u1 (the
        largest weight of a radar in hundredths, rounded, at least 1 where observed, 0 elsewhere), observation_offset
        f4 [s] (of each radar the time of the two tilts by their shares, of the radars the weighted mean, minus
        `when`, to a few seconds; NaN where unobserved), and (time, lat, lon) observed u1, nearest_radar i2 (index into
        attribute `radars`). Attribute `radar_times` holds the start of each radar's volume, `radar_lat` and
        `radar_lon` its place, `source_kind` is "volume". The memory is z-last:
        `ds.reflectivity.transpose("time", "lat", "lon", "height").values` is C-contiguous without a copy.

    Raises:
        TimeError: `when` is naive.
        SchemaError: a grid of more than MOST_LEVELS levels, or a range of more than 491 km.
    """
    when = require_utc(when)
    found = [(look.site, look.start, tuple(tilt.elevation_deg for tilt in look.tilts)) for look in looks]
    chosen, without = _one_per_radar(found, when)
    return _mosaic([looks[index] for index in chosen], without, grid, when, max_range_m, _Extras(True, keep_weights))


def _mosaic(
    looks: list[Look], without: list[str], grid: Grid, when: datetime, max_range_m: float, extras: _Extras
) -> xr.Dataset:
    if len(grid.levels_m) > MOST_LEVELS or max_range_m >= OUT_OF_RANGE * STEP_M:
        given = f"{len(grid.levels_m)} levels to {max_range_m / 1000:g} km"
        raise SchemaError("mosaic", [f"{given}: expected at most {MOST_LEVELS} levels to 491 km"])
    attrs = {
        "radars": [look.site.id for look in looks],
        "radar_times": [iso(look.start) for look in looks],
        "radar_lat": [float(look.site.latitude) for look in looks],
        "radar_lon": [float(look.site.longitude) for look in looks],
        "radars_without_tilts": without,
        "method": METHOD,
        "source_kind": "volume",
        "max_range_m": max_range_m,
    }
    return _dataset(_fill(looks, grid, when, max_range_m, extras), grid, when, attrs)


def _one_per_radar(
    found: Sequence[tuple[Site, datetime, tuple[float, ...]]], when: datetime
) -> tuple[list[int], list[str]]:
    """Of (site, start, elevations): index of one of each radar, by id, and the ids of the radars without a tilt."""
    spans: dict[tuple[str, float, float], list[tuple[float, int]]] = {}
    for index, (site, _, elevations) in enumerate(found):
        of_radar = spans.setdefault((site.id, site.latitude, site.longitude), [])
        if elevations:
            of_radar.append((elevations[-1] - elevations[0], index))
    chosen: list[int] = []
    for _, of_radar in sorted(item for item in spans.items() if item[1]):
        least = MUCH_SMALLER_SPAN * max(span for span, _ in of_radar)
        whole = [index for span, index in of_radar if span >= least]
        chosen.append(min(whole, key=lambda index: abs(found[index][1] - when)))
    seen = {found[index][0].id for index in chosen}
    return chosen, sorted({radar for radar, _, _ in spans} - seen)


def _fill(looks: list[Look], grid: Grid, when: datetime, max_range_m: float, extras: _Extras) -> _Filled:
    shape, none = (*grid.shape, grid.height.size), (0, 0, 0)
    quality, weight = shape if extras.quality else none, shape if extras.weights else none
    if not looks:
        return _Filled(
            np.full(shape, np.nan, "f4"), np.full(quality, np.nan, "f4"), np.zeros(shape, "u1"),
            np.zeros(quality, "u1"), np.full(grid.shape, -1, "i2"), np.zeros(weight, "f4"),
        )  # fmt: skip
    out = _Filled(
        np.empty(shape, "f4"), np.empty(quality, "f4"), np.empty(shape, "u1"), np.empty(quality, "u1"),
        np.empty(grid.shape, "i2"), np.empty(weight, "f4"),
    )  # fmt: skip
    columns = column_indices(tuple((k.site.latitude, k.site.longitude) for k in looks), grid, max_range_m)
    tables = [
        radial_tables(
            tuple((t.elevation_deg, t.first_gate_m, t.gate_m, t.dbz.shape[1]) for t in look.tilts),
            look.site.altitude_m, look.half_beam, grid.levels_m, max_range_m,
        )
        for look in looks
    ]  # fmt: skip
    run = fill_alone if len(looks) == 1 and not (extras.quality or extras.weights) else fill
    run(
        (columns.distance, columns.azimuth, columns.reached, row_of_distance(max_range_m)),
        (
            np.stack([table.places for table in tables]),
            np.stack([table.roots for table in tables]),
            np.stack([table.near for table in tables]),
            np.stack([table.used for table in tables]),
            np.stack([_times(table, look, when) for table, look in zip(tables, looks, strict=True)]),
            np.array([1 / table.per_tilt for table in tables], dtype=np.float32),
        ),
        (_padded([table.gates for table in tables]), _padded([table.slopes for table in tables]), *_polar(looks)),
        (grid.height.size, UNOBSERVED, NO_ECHO_HUNDREDTHS, np.float32(NO_ECHO_DBZ), np.float32(0.01)),
        (out.dbz, out.offset, out.count, out.quality, out.nearest, out.weight),
    )  # fmt: skip
    return out


def _times(table: RadialTables, look: Look, when: datetime) -> npt.NDArray[np.float32]:
    """(every TIME_ROWS-th row, L) observation time [s after `when`], between tilts by their shares."""
    start = (look.start - when).total_seconds()
    seconds = np.clip([start + tilt.time_s for tilt in look.tilts], -MOST_OFFSET_S, MOST_OFFSET_S)
    places = table.places[::TIME_ROWS].astype(np.float64) / table.per_tilt
    times: npt.NDArray[np.float32] = np.interp(places, np.arange(seconds.size), seconds).astype(np.float32)
    return times


def _polar(looks: list[Look]) -> tuple[_F4, _I4, _I4, _U2, npt.NDArray[np.int16]]:
    """`ends`, `widths`, `starts`, `rays` and `values` as the kernel wants them: tilts in blocks, side by side."""
    most = max(len(look.tilts) for look in looks)
    ends = np.zeros((len(looks), most), np.float32)
    widths, starts = np.zeros((2, len(looks), most), np.int32)
    rays = np.zeros((len(looks), AZIMUTH_STEPS, most), dtype=np.uint16)
    values = np.empty(sum(_block_size(tilt) for look in looks for tilt in look.tilts), dtype=np.int16)
    begin = 0
    for r, look in enumerate(looks):
        for t, tilt in enumerate(look.tilts):
            n_ray, n_gate = tilt.dbz.shape
            if n_ray >= MOST_RAYS:
                raise SchemaError(
                    "mosaic", [f"radar {look.site.id}: {n_ray} rays in a tilt, expected below {MOST_RAYS}"]
                )
            block = values[begin : begin + _block_size(tilt)].reshape(n_ray + 1, n_gate + 2)
            block[0], block[:, 0], block[:, -1] = UNOBSERVED, UNOBSERVED, UNOBSERVED
            block[1:, 1:-1] = tilt.dbz
            ends[r, t], widths[r, t], starts[r, t] = n_gate + 1, n_gate + 2, begin
            rays[r, :, t] = tilt.ray_of + 1
            begin += block.size
    return ends, widths, starts, rays, values


def _block_size(tilt: Tilt) -> int:
    n_ray, n_gate = tilt.dbz.shape
    return int((n_ray + 1) * (n_gate + 2))


def _padded(arrays: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """(R, N, widest) with the last column repeated."""
    widest = max(array.shape[1] for array in arrays)
    return np.stack([np.pad(array, ((0, 0), (0, widest - array.shape[1])), mode="edge") for array in arrays])


def _dataset(filled: _Filled, grid: Grid, when: datetime, attrs: dict[str, object]) -> xr.Dataset:
    observed = np.where(filled.nearest >= 0, OBSERVED_VOLUME, OBSERVED_NONE).astype(np.uint8)
    values: dict[str, npt.NDArray[Any]] = {
        "reflectivity": filled.dbz,
        "radar_count": filled.count,
        "observed": observed,
        "nearest_radar": filled.nearest,
        "mosaic_quality": filled.quality,
        "observation_offset": filled.offset,
    }
    data: dict[str, tuple[tuple[str, ...], npt.NDArray[Any], dict[str, object]]] = {
        var.name: (var.dims, np.moveaxis(values[var.name], -1, 0)[None] if HEIGHT in var.dims else
                   values[var.name][None], var.attrs)
        for var in (*MOSAIC, *(MOSAIC_QUALITY if filled.quality.size else ()))
    }  # fmt: skip
    if filled.quality.size:
        best, mean = of_columns(filled.quality, filled.offset)
        for var, plane in zip(COLUMN_QUALITY, (best, mean), strict=True):
            data[var.name] = (var.dims, np.asarray(plane)[np.newaxis], var.attrs)
    if filled.weight.size:
        about: dict[str, object] = {"units": "1", "long_name": "sum of the weights of the radars"}
        data[WEIGHT] = ((TIME, HEIGHT, LAT, LON), np.moveaxis(filled.weight, -1, 0)[None], about)
    coords = {
        TIME: (TIME, np.array([to_datetime64(when)])),
        HEIGHT: (HEIGHT, grid.height, {"units": "m", "positive": "up", "standard_name": "height_above_mean_sea_level"}),
        LAT: (LAT, grid.lat, {"units": "degrees_north", "standard_name": "latitude"}),
        LON: (LON, grid.lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return xr.Dataset(data, coords, attrs)
