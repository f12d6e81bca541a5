"""A day of the archive for analysis, and time series at a place: out of the daily view, or the cubes where none is."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import icechunk
import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr

from wxcore.archive import layout
from wxcore.archive.place import Root
from wxcore.archive.read import open_session
from wxcore.errors import ArchiveError
from wxcore.grid import Grid
from wxcore.schema import HEIGHT, LAT, LON, OPTIONAL, TIME, Var
from wxcore.times import require_utc, to_datetime64

PLANES: tuple[Var, ...] = tuple(var for var in layout.VARIABLES if HEIGHT not in var.dims)
"""What the daily view holds of every day: all but the cubes. Planes of schema.OPTIONAL are there on days with any."""

TEXTS = (*layout.TEXTS, *layout.OPTIONAL_TEXTS)


def day_name(day: date) -> str:
    """`20200612`, the name of a UTC day's groups; of an aware datetime its UTC day.

    Raises:
        TimeError: a naive datetime.
    """
    return f"{require_utc(day) if isinstance(day, datetime) else day:%Y%m%d}"


def open_day(root: Root, region: str, day: date, as_of: datetime | None = None) -> xr.Dataset:
    """The written cycles of a UTC day, read when needed (Dask): the view where it is there, else the cubes.

    Args:
        as_of: only what was committed by then (aware); everything where None.

    Returns:
        (time, [height,] lat, lon), decoded. A view holds no `reflectivity` and `radar_count`, and its attribute
        `view` is 1.

    Raises:
        ArchiveError: nothing of this day; or as `open_archive`.
    """
    session = open_session(root, region, as_of)
    name = day_name(day)
    group = root_group(session)
    is_view = f"{layout.VIEWS}/{name}" in group
    if not is_view and f"{layout.CUBES}/{name}" not in group:
        raise _no_day(region, name)
    raw = open_raw(session, f"{layout.VIEWS if is_view else layout.CUBES}/{name}")
    raw = raw.drop_vars([text for text in TEXTS if text in raw])
    if not is_view:
        raw = raw.isel({TIME: np.flatnonzero(raw[layout.WRITTEN].to_numpy())}).drop_vars(layout.WRITTEN)
    dataset = xr.decode_cf(raw).chunk({TIME: layout.VIEW_SLOTS if is_view else 1})
    dataset.attrs |= {"radars": list(group.attrs["radars"]), "view": int(is_view)}  # type: ignore[arg-type]
    return dataset


def open_raw(session: icechunk.Session, path: str) -> xr.Dataset:
    """A group as it is on disk (packed, undecoded), lazily, with attributes typed as CF wants them."""
    raw: xr.Dataset = xr.open_zarr(
        session.store, group=path, consolidated=False, chunks=None, mask_and_scale=False, decode_times=False
    )
    for array in raw.variables.values():
        for name in ("flag_values", "flag_masks"):  # JSON knows no small integers
            if name in array.attrs:
                array.attrs[name] = np.asarray(array.attrs[name], array.dtype)
        if "scale_factor" in array.attrs:
            # JSON has no float32: as a double it would make xarray decode to doubles.
            array.attrs["scale_factor"] = np.float32(array.attrs["scale_factor"])
            array.attrs["_FillValue"] = np.int16(array.attrs["_FillValue"])
    return raw


def point_series(
    root: Root,
    region: str,
    lat: float,
    lon: float,
    *,
    start: datetime,
    end: datetime,
    variables: Sequence[str] | None = None,
    as_of: datetime | None = None,
) -> xr.Dataset:
    """Values of the cell nearest to a place, from `start` to `end` (both included, aware).

    Args:
        lat, lon: the place [deg].
        variables: names of PLANES or of schema.OPTIONAL, or also `reflectivity` and `radar_count` (they come out of
            the cubes); all of PLANES where None. Without data on days that do not have them.

    Returns:
        (time[, height]); a cycle that was never written is absent. Coordinates lat, lon: centre of the cell.

    Raises:
        ArchiveError: outside of the grid; no such variable; cubes asked for that were expired; or as `open_archive`.
    """
    start, end = require_utc(start), require_utc(end)
    chosen = _chosen(variables)
    group = root_group(open_session(root, region, as_of))
    grid = grid_of(group)
    if not grid.contains(lon, lat):
        raise _outside(region, grid, lat, lon)
    row = min(max(round((lat - grid.lat_south) / grid.step_deg), 0), grid.n_lat - 1)
    column = min(max(round((lon - grid.lon_west) / grid.step_deg), 0), grid.n_lon - 1)
    parts = [_day_series(group, name, chosen, (row, column), start, end) for name in _days(group, start, end)]
    parts = [part for part in parts if part[0].size]
    times = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, "M8[ns]")
    data: dict[str, Any] = {}
    for var in chosen:
        dims = tuple(name for name in var.dims if name not in (LAT, LON))
        empty = np.empty((0, len(grid.levels_m))[: len(dims)], var.dtype)
        data[var.name] = (dims, np.concatenate([empty, *(part[1][var.name] for part in parts)]), dict(var.attrs))
    coords: dict[str, Any] = {TIME: times, LAT: grid.lat[row], LON: grid.lon[column]}
    if any(HEIGHT in var.dims for var in chosen):
        coords[HEIGHT] = grid.height
    return xr.Dataset(data, coords, {"region": region, "radars": list(group.attrs["radars"])})  # type: ignore[arg-type]


def texts_of(group: zarr.Group, path: str) -> list[str]:
    """The texts that cycles of a day have (`tables/20200612`, `views/20200612`)."""
    return [text for text in TEXTS if text in layout.TEXTS or f"{path}/{text}" in group]


def unpack(raw: npt.NDArray[Any], var: Var) -> npt.NDArray[Any]:
    """Values as they are on disk to those of the schema."""
    if var.name not in layout.QUANTUM:
        return raw
    values = raw.astype("f4") * np.float32(layout.QUANTUM[var.name])
    values[raw == layout.PACKED_FILL] = np.nan
    return values


def root_group(session: icechunk.Session) -> zarr.Group:
    """The root of the repository, to read.

    Raises:
        ArchiveError: nothing was committed yet.
    """
    try:
        return zarr.open_group(session.store, mode="r")
    except zarr.errors.GroupNotFoundError as cause:
        raise ArchiveError("the archive is empty: run a cycle first", "归档中尚无任何时次：请先运行一次分析") from cause


def grid_of(group: zarr.Group) -> Grid:
    """The grid that the first commit fixed."""
    record: Any = group.attrs["grid"]
    return Grid(**{**record, "levels_m": tuple(record["levels_m"])})


def array_of(group: zarr.Group, path: str) -> zarr.Array[Any]:
    """An array of the archive."""
    array = group[path]
    assert isinstance(array, zarr.Array)
    return array


def day_slots(group: zarr.Group, path: str) -> npt.NDArray[np.int64]:
    """Slots of a day's cubes (`cubes/20200612`) that hold a cycle."""
    return np.flatnonzero(np.asarray(array_of(group, f"{path}/{layout.WRITTEN}")[...]))


def _day_series(
    group: zarr.Group, day: str, chosen: Iterable[Var], cell: tuple[int, int], start: datetime, end: datetime
) -> tuple[npt.NDArray[np.datetime64], dict[str, npt.NDArray[Any]]]:
    view, cubes = f"{layout.VIEWS}/{day}", f"{layout.CUBES}/{day}"
    has_view = view in group
    series: dict[str, npt.NDArray[Any]] = {}
    times: npt.NDArray[np.datetime64] = np.empty(0, "M8[ns]")
    places: dict[str, tuple[slice, npt.NDArray[np.int64]]] = {}
    for var in chosen:
        path = view if has_view and HEIGHT not in var.dims else cubes
        if path not in places:
            if path == cubes and cubes not in group:
                raise ArchiveError(
                    f"{var.name} of {day} was expired, only the daily view is left: ask for {PLANES[2].name} and the "
                    "like",
                    f"{day} 的 {var.name} 已过期删除，仅剩逐日视图：请改为查询 {PLANES[2].name} 等二维产品",
                )
            slots, times = _slots_between(group, path, day, start, end)
            span = slice(int(slots[0]), int(slots[-1]) + 1) if slots.size else slice(0, 0)
            places[path] = (span, slots - span.start)
        span, inside = places[path]
        key = (span, *(cell if LAT in var.dims else ()))
        if HEIGHT in var.dims:
            key = (span, slice(None), *cell)
        if f"{path}/{var.name}" in group:
            raw = np.asarray(array_of(group, f"{path}/{var.name}")[key])[inside]
        else:  # one of OPTIONAL on a day that has none
            levels = (array_of(group, f"{path}/{HEIGHT}").shape[0],) if HEIGHT in var.dims else ()
            raw = np.full((inside.size, *levels), *reversed(layout.storage(var)))
        series[var.name] = unpack(raw, var)
    return times, series


def _slots_between(
    group: zarr.Group, path: str, day: str, start: datetime, end: datetime
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.datetime64]]:
    """Places of the cycles from `start` to `end` on the time axis of a day's group, and their times."""
    times = _times(group, path, day)
    slots = np.arange(times.size) if path.startswith(layout.VIEWS) else day_slots(group, path)
    slots = slots[(times[slots] >= to_datetime64(start)) & (times[slots] <= to_datetime64(end))]
    return slots, times[slots]


def _times(group: zarr.Group, path: str, day: str) -> npt.NDArray[np.datetime64]:
    minutes = np.asarray(array_of(group, f"{path}/{TIME}")[...])
    midnight = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}", "ns")
    return midnight + minutes.astype("m8[m]").astype("m8[ns]")


def _days(group: zarr.Group, start: datetime, end: datetime) -> list[str]:
    names = {*layout.day_names(group, layout.CUBES), *layout.day_names(group, layout.VIEWS)}
    return sorted(name for name in names if f"{start:%Y%m%d}" <= name <= f"{end:%Y%m%d}")


def _chosen(variables: Sequence[str] | None) -> tuple[Var, ...]:
    if variables is None:
        return PLANES
    known = {var.name: var for var in (*layout.VARIABLES, *OPTIONAL)}
    unknown = [name for name in variables if name not in known]
    if unknown:
        raise ArchiveError(
            f"no variable {', '.join(unknown)} in the archive: expected some of {', '.join(known)}",
            f"归档中没有变量 {', '.join(unknown)}：可用的有 {', '.join(known)}",
        )
    return tuple(known[name] for name in variables)


def _outside(region: str, grid: Grid, lat: float, lon: float) -> ArchiveError:
    west, south, east, north = grid.bounds
    bounds = f"{south:g} to {north:g} N, {west:g} to {east:g} E"
    return ArchiveError(
        f"lat {lat:g}, lon {lon:g} is outside of the grid of {region}, expected {bounds}: latitude comes first",
        f"纬度 {lat:g}、经度 {lon:g} 在 {region} 网格之外（应在 {bounds} 内）：注意先纬度后经度",
    )


def _no_day(region: str, name: str) -> ArchiveError:
    return ArchiveError(
        f"{region}: no cycle of {name} (UTC) in the archive: `wx archive log` lists what there is",
        f"{region}：归档中没有 {name}（UTC）的时次：可用 `wx archive log` 查看已有内容",
    )
