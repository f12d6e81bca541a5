"""What the archive holds and how: groups, chunks, packing, CF metadata.

    cubes/20200612    240 slots of six minutes; MOSAIC and PRODUCTS on (time, [height,] lat, lon); `written`
    tables/20200612   240 slots; JSON text: storms, probabilities, provenance, OPTIONAL_TEXTS (codec: tables.py)
    views/20200612    the written cycles of a finished day, all on (time, lat, lon), deep in time (compact.py)
    stations/20200612 observations of ground stations, minute by minute (stations.py)
    attributes of /   wxcore_archive_format, region, grid, radars (what `nearest_radar` counts in)

A day is created whole, from a template: a slot that was never written costs nothing and reads as no data.
Tables are text and not groups a cycle because every commit rewrites the list of all nodes of the repository.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

import wxcore
from wxcore.errors import ArchiveError, SchemaError
from wxcore.grid import Grid
from wxcore.schema import ENVIRONMENT, HEIGHT, LAT, LON, MOSAIC, OPTIONAL, PRODUCTS, TIME, Var
from wxcore.times import CYCLE, iso, require_utc

FORMAT = 1
"""Version of this layout."""

SLOTS = timedelta(days=1) // CYCLE
CUBES, TABLES, VIEWS = "cubes", "tables", "views"
STORMS_TEXT, PROBABILITIES_TEXT, PROVENANCE_TEXT = "storms", "probabilities", "provenance"
CLOUD_CELLS_TEXT, STATION_TABLE_TEXT = "cloud_cells", "station_table"
TEXTS = (STORMS_TEXT, PROBABILITIES_TEXT, PROVENANCE_TEXT)
OPTIONAL_TEXTS = (CLOUD_CELLS_TEXT, STATION_TABLE_TEXT)
"""What every cycle tells; and what joins a day with its first cycle that tells it."""
NOT_IN_VIEWS = (STATION_TABLE_TEXT,)
"""Texts that go with the cubes: 2,500 rows a cycle, and the observations that they come from are kept themselves."""
WRITTEN = "written"
VARIABLES: tuple[Var, ...] = (*MOSAIC, *PRODUCTS, *ENVIRONMENT)
"""What every cycle holds. Those of schema.OPTIONAL join a day with its first cycle that has them."""

QUANTUM: Mapping[str, float] = {
    "reflectivity": 0.1,
    "composite_reflectivity": 0.1,
    "composite_height": 1.0,
    "echo_top_18": 1.0,
    "echo_top_30": 1.0,
    "echo_top_45": 1.0,
    "echo_top_50": 1.0,
    "echo_top_60": 1.0,
    "h45_above_h0": 1.0,
    "vil": 0.01,
    "vil_density": 0.01,
    "mesh": 0.01,
    "mesh75": 0.01,
    "mesh95": 0.01,
    "posh": 0.01,
    "column_offset": 1.0,
    "azimuthal_shear_low": 1e-5,
    "azimuthal_shear_mid": 1e-5,
    "radial_divergence_low": 1e-5,
    "radial_convergence_low": 1e-5,
    "radial_convergence_mid": 1e-5,
    "marc": 0.1,
    "radial_wind_low": 0.1,
    "radial_wind_low_azimuth": 1.0,
    "storm_top_divergence": 0.1,
    "spectrum_width_low": 0.1,
    "hail_differential_reflectivity": 0.01,
    "zdr_column_depth": 1.0,
    "specific_differential_phase_low": 0.01,
    "reflectance_065": 0.001,
    **{f"brightness_temperature_{band}": 0.02 for band in ("038", "062", "070", "073", "085", "108", "120", "133")},
    "satellite_offset": 1.0,
    "cloud_top_height": 1.0,
    "water_vapour_difference": 0.01,
    "split_window_difference": 0.01,
    "ice_difference": 0.01,
    "cloud_top_change_15min": 0.01,
    "convective_initiation": 1.0,
    "pass_brightness_temperature_108": 0.02,
    "pass_offset": 1.0,
    "flash_density": 0.05,
    "surface_temperature": 0.05,
    "surface_temperature_error": 0.01,
    "surface_theta_e": 0.05,
    "surface_theta_e_error": 0.01,
    "theta_e_deficit": 0.05,
    "pressure_change_1h": 0.01,
    "pressure_change_1h_error": 0.01,
    "gust_nearby": 0.1,
}
"""Step [units of the variable] that a float is rounded to, kept as i2 (CF scale_factor). The radar itself resolves
0.5 dBZ; 1 m of height is a hundredth of a gate. Floats without a quantum (shi has no bound) stay f4."""

PACKED_FILL = np.int16(-32768)
PACKED_MAX = 32767
INTEGER_FILL: Mapping[str, int] = {"nearest_radar": -1}
"""What an unwritten cell of an integer variable reads as, where that is not 0."""

CHUNK_CELLS = 160
"""Longest side in lat and lon of a chunk of the cube, and of the daily view."""

CHUNK_LEVELS = 11
"""Most levels in a chunk of the cube: a map of one level need not unpack the whole column."""

PLANE_CELLS = 640
"""Longest side of a chunk of a plane: the planes of a region of that size are one chunk, so one small file, a slot."""

VIEW_SLOTS = 20
"""Cycles in a chunk of the daily view: a day's series at a cell is 12 chunks, a map is 16 (decision 0009)."""

MAPS = (BloscCodec(cname="lz4", clevel=9, shuffle="shuffle"), Crc32cCodec())
"""Codecs of maps and cubes. LZ4 takes a fifth of the time of zstd 3 in writing and half of it in reading, for 1.4 x the
bytes (decision 0009), and decodes torn bytes without complaint: hence the checksum, by which a torn commit is known."""

SMALL = (ZstdCodec(), Crc32cCodec())
"""Codecs of coordinates and texts."""

INSTITUTION = "operator of this wxcore installation"
REFERENCES = "wxcore, docs/decisions/0003-archive-layout.md and 0009-chunks-of-the-archive.md"

DESCRIPTION: Mapping[str, Mapping[str, Any]] = {
    "reflectivity": {"ancillary_variables": "radar_count observed nearest_radar"},
    "composite_reflectivity": {"ancillary_variables": "observed nearest_radar topped"},
    "vil": {"ancillary_variables": "observed topped"},
    **{f"echo_top_{dbz}": {"ancillary_variables": "topped"} for dbz in (18, 30, 45, 50, 60)},
    **{name: {"ancillary_variables": "observed levels_source"} for name in ("shi", "mesh", "mesh75", "mesh95", "posh")},
    "topped": {
        "flag_masks": [1, 2, 4, 8, 16],
        "flag_meanings": "above_18_dBZ above_30_dBZ above_45_dBZ above_50_dBZ above_60_dBZ",
    },
}
"""CF attributes that link quality to what it qualifies, beside those of the schema."""


@dataclass(frozen=True)
class Slot:
    """Where a cycle is: its day's group and its place in it."""

    day: str
    index: int


def slot_of(when: datetime) -> Slot:
    """The slot of a cycle.

    Raises:
        ArchiveError: not a whole multiple of six minutes after midnight UTC.
        TimeError: naive.
    """
    when = require_utc(when)
    midnight = when.replace(hour=0, minute=0, second=0, microsecond=0)
    index, rest = divmod(when - midnight, CYCLE)
    if rest:
        raise ArchiveError(
            f"{when.isoformat()} is no cycle: the archive holds one every six minutes from 00:00 UTC, such as "
            f"{iso(midnight + index * CYCLE)}",
            f"{when.isoformat()} 不是分析时次：归档从 00:00 UTC 起每 6 分钟一个时次，"
            f"例如 {iso(midnight + index * CYCLE)}",
        )
    return Slot(f"{midnight:%Y%m%d}", index)


def grid_record(grid: Grid) -> dict[str, Any]:
    """A grid as the repository's attribute."""
    return {
        "lon_west": grid.lon_west,
        "lat_south": grid.lat_south,
        "n_lon": grid.n_lon,
        "n_lat": grid.n_lat,
        "step_deg": grid.step_deg,
        "levels_m": list(grid.levels_m),
    }


def create_day(root: zarr.Group, day: str, grid: Grid, region_id: str) -> None:
    """Create the groups of a UTC day (`20200612`) with all slots, unwritten."""
    cubes = root.require_group(CUBES).create_group(day, attributes=group_attributes(region_id, day))
    minutes = np.arange(SLOTS, dtype="i8") * int(CYCLE.total_seconds() // 60)
    _create_coordinates(cubes, day, grid, minutes)
    _create_height(cubes, grid)
    for var in VARIABLES:
        _create_variable(cubes, var, grid)
    _plain(cubes, WRITTEN, np.zeros(SLOTS, "u1"), (TIME,), {
        "long_name": "the cycle is in the archive", "flag_values": [0, 1], "flag_meanings": "absent written",
    })  # fmt: skip
    tables = root.require_group(TABLES).create_group(day, attributes={"region": region_id})
    _create_time(tables, day, minutes)
    _create_texts(tables, SLOTS, chunk=1)


def variables_of(cubes: zarr.Group) -> tuple[Var, ...]:
    """What a day's group of cubes holds."""
    return (*VARIABLES, *(var for var in OPTIONAL if var.name in cubes))


def add_optional(cubes: zarr.Group, var: Var, grid: Grid) -> None:
    """Give a day's cubes one of schema.OPTIONAL, unwritten in every slot, where they do not have it yet."""
    if var.name not in cubes:
        _create_variable(cubes, var, grid)


def create_view(
    root: zarr.Group,
    day: str,
    grid: Grid,
    region_id: str,
    minutes: npt.NDArray[np.int64],
    variables: Sequence[Var] = VARIABLES,
) -> zarr.Group:
    """Create the group of a day's view, unfilled: the cycles at `minutes` of the day and no others.

    Args:
        variables: what the day's cubes hold; those with a height are left out.

    Returns:
        The group: the planes deep in time, and the texts of the tables.
    """
    view = root.require_group(VIEWS).create_group(day, attributes=group_attributes(region_id, day))
    _create_coordinates(view, day, grid, minutes)
    for var in variables:
        if HEIGHT not in var.dims:
            slots = min(VIEW_SLOTS, minutes.size) if LAT in var.dims else minutes.size
            chunk = {TIME: slots, LAT: chunk_side(grid.n_lat), LON: chunk_side(grid.n_lon)}
            _create_array(view, var, {TIME: minutes.size, LAT: grid.n_lat, LON: grid.n_lon}, chunk)
    _create_texts(view, minutes.size, chunk=minutes.size)
    return view


def group_attributes(region_id: str, day: str) -> dict[str, str]:
    """Global CF attributes of a day's group."""
    return {
        "Conventions": "CF-1.11",
        "title": f"wxcore analysis of {region_id}, {day} UTC",
        "institution": INSTITUTION,
        "source": "weather radar mosaic and column products",
        "history": f"wxcore {wxcore.__version__}: gridded, merged, analysed; inputs of each cycle in its provenance",
        "references": REFERENCES,
        "region": region_id,
    }


def _create_texts(group: zarr.Group, slots: int, chunk: int) -> None:
    for name in TEXTS:
        create_text(group, name, slots, chunk)


def create_text(group: zarr.Group, name: str, slots: int, chunk: int) -> None:
    """One of TEXTS or OPTIONAL_TEXTS in a group, unwritten in every slot."""
    group.create_array(
        name, shape=(slots,), chunks=(chunk,), dtype=str, fill_value="", dimension_names=(TIME,),
        compressors=SMALL, attributes={"long_name": f"{name} of the cycle, JSON"},
    )  # fmt: skip


def _create_coordinates(group: zarr.Group, day: str, grid: Grid, minutes: npt.NDArray[np.int64]) -> None:
    _create_time(group, day, minutes)
    _plain(group, LAT, grid.lat, (LAT,), {
        "units": "degrees_north", "standard_name": "latitude", "long_name": "latitude of cell centres", "axis": "Y",
    })  # fmt: skip
    _plain(group, LON, grid.lon, (LON,), {
        "units": "degrees_east", "standard_name": "longitude", "long_name": "longitude of cell centres", "axis": "X",
    })  # fmt: skip
    _plain(group, "crs", np.array(0, "i4"), (), {
        "grid_mapping_name": "latitude_longitude", "longitude_of_prime_meridian": 0.0,
        "semi_major_axis": 6378137.0, "inverse_flattening": 298.257223563,
    })  # fmt: skip


def _create_height(group: zarr.Group, grid: Grid) -> None:
    _plain(group, HEIGHT, grid.height, (HEIGHT,), {
        "units": "m", "standard_name": "height_above_mean_sea_level", "long_name": "height above sea level",
        "positive": "up", "axis": "Z",
    })  # fmt: skip


def _create_time(group: zarr.Group, day: str, minutes: npt.NDArray[np.int64]) -> None:
    _plain(group, TIME, minutes, (TIME,), {
        "units": f"minutes since {day[:4]}-{day[4:6]}-{day[6:]} 00:00:00", "calendar": "proleptic_gregorian",
        "units_metadata": "leap_seconds: none",
        "standard_name": "time", "long_name": "analysis time, UTC", "axis": "T",
    })  # fmt: skip


def _plain(
    group: zarr.Group, name: str, values: npt.NDArray[Any], dims: tuple[str, ...], attributes: dict[str, Any]
) -> None:
    array = group.create_array(
        name, shape=values.shape, chunks=values.shape or (), dtype=values.dtype, dimension_names=dims,
        compressors=SMALL, attributes=attributes,
    )  # fmt: skip
    array[...] = values


def _create_variable(group: zarr.Group, var: Var, grid: Grid) -> None:
    sizes = {TIME: SLOTS, HEIGHT: len(grid.levels_m), LAT: grid.n_lat, LON: grid.n_lon}
    longest = CHUNK_CELLS if HEIGHT in var.dims else PLANE_CELLS
    chunk = {
        TIME: 1 if LAT in var.dims else SLOTS,  # a series of single numbers is one chunk a day
        HEIGHT: chunk_side(sizes[HEIGHT], CHUNK_LEVELS),
        LAT: chunk_side(grid.n_lat, longest),
        LON: chunk_side(grid.n_lon, longest),
    }
    shard = {name: -(-sizes[name] // chunk[name]) * chunk[name] for name in sizes} | {TIME: chunk[TIME]}
    in_shards = any(shard[name] > chunk[name] for name in var.dims)
    _create_array(group, var, sizes, chunk, shard if in_shards else None)


def _create_array(
    group: zarr.Group,
    var: Var,
    sizes: Mapping[str, int],
    chunk: Mapping[str, int],
    shard: Mapping[str, int] | None = None,
) -> None:
    dtype, fill = storage(var)
    group.create_array(
        var.name,
        shape=tuple(sizes[name] for name in var.dims),
        chunks=tuple(chunk[name] for name in var.dims),
        shards=tuple(shard[name] for name in var.dims) if shard else None,
        dtype=dtype,
        fill_value=fill,
        dimension_names=var.dims,
        compressors=MAPS,
        attributes=_attributes(var),
    )


def chunk_side(cells: int, longest: int = CHUNK_CELLS) -> int:
    """Length of equal chunks of at most `longest` that cover `cells` with the least overhang."""
    return -(-cells // -(-cells // longest))


def storage(var: Var) -> tuple[np.dtype[Any], Any]:
    """(dtype, fill value) of a variable on disk."""
    if var.name in QUANTUM:
        return np.dtype("i2"), PACKED_FILL
    if np.dtype(var.dtype).kind == "f":
        return np.dtype(var.dtype), np.float32(np.nan)
    return np.dtype(var.dtype), INTEGER_FILL.get(var.name, 0)


def _attributes(var: Var) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in var.attrs.items()
    }
    attributes |= DESCRIPTION.get(var.name, {})
    if LAT in var.dims:
        attributes["grid_mapping"] = "crs"
    if var.name in QUANTUM:
        attributes |= {"scale_factor": QUANTUM[var.name], "_FillValue": int(PACKED_FILL)}
    return attributes


def pack(values: npt.NDArray[np.float32], var: Var) -> npt.NDArray[Any]:
    """Values of one slot as they are kept on disk: shape as it is, i2 where the variable has a quantum.

    Works on one level at a time, so that a cube of 33 levels needs half of its own size on top.

    Raises:
        SchemaError: a value that the packing cannot hold (infinite, or beyond 32,767 quanta).
    """
    if var.name not in QUANTUM:
        return np.asarray(values)
    packed = np.empty(values.shape, "i2")
    flat_in = values.reshape(-1, values.shape[-1] * values.shape[-2])
    flat_out = packed.reshape(flat_in.shape)
    per_unit = np.float32(round(1 / QUANTUM[var.name]))
    steps = np.empty(flat_in.shape[1:], "f4")
    for level_in, level_out in zip(flat_in, flat_out, strict=True):
        np.rint(np.multiply(level_in, per_unit, out=steps), out=steps)
        largest = max(np.fmax.reduce(steps), -np.fmin.reduce(steps)) if steps.size else 0.0  # NaN counts for nothing
        if largest > PACKED_MAX:
            raise SchemaError(
                f"archive, {var.name}",
                [f"values up to {largest / per_unit:g} {var.units}, the archive holds at most "
                 f"{PACKED_MAX / per_unit:g} in steps of {QUANTUM[var.name]:g}"],
            )  # fmt: skip
        level_out[...] = np.fmax(steps, np.float32(PACKED_FILL), out=steps)  # fmax takes the number beside a NaN
    return packed


def day_names(group: zarr.Group | None, kind: str) -> list[str]:
    """Names (YYYYMMDD) of the days that the archive holds of a kind (CUBES, VIEWS), ascending; none without a group."""
    if group is None or kind not in group:
        return []
    part = group[kind]
    assert isinstance(part, zarr.Group)
    return sorted(part.group_keys())
