"""A day for those without Icechunk: one CF netCDF-4 file, or one plain Zarr store. Values are bit for bit as kept."""

import os
import shutil
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from wxcore.archive import layout
from wxcore.archive.observations import read_stations
from wxcore.archive.place import Root
from wxcore.archive.read import open_session
from wxcore.archive.series import TEXTS, array_of, day_name, open_raw, root_group, texts_of
from wxcore.archive.stations import STATIONS, parts_of
from wxcore.errors import ArchiveError
from wxcore.schema import ELEMENT_NAMES, HEIGHT, QC_MISSING, TIME, qc_name
from wxcore.times import CYCLE

ZLIB_LEVEL = 1
"""Of netCDF: every reader of HDF5 has zlib, not every one has zstd; level 4 is 3 % smaller and 30 % slower."""


HEIGHT_ASL = "height_asl"
"""Name of the levels in an export: CF checkers take `height` for heights above ground, ours are above the sea."""


def export_day(
    root: Root,
    region: str,
    day: date,
    target: Path,
    *,
    format: Literal["netcdf", "zarr"] = "netcdf",  # noqa: A002
) -> Path:
    """Write the written cycles of a UTC day: cubes and planes, or the view's planes where the cubes were expired.

    Packed integers stay packed (CF scale_factor). The dimension height is called
    HEIGHT_ASL there. Storms, probabilities and provenance go along as JSON text; observations of stations as the group
    `stations`, where there are any (elements that nobody reported are left out).

    Args:
        target: the file, or with "zarr" the folder; a file that is there is replaced, when the new one is complete.

    Returns:
        `target`.

    Raises:
        ArchiveError: nothing of this day; the target is a folder with something in it; or as `open_archive`.
        OSError: disk full, or a write error.
    """
    dataset = _day(root, region, day_name(day))
    stations = _stations(root, region, day_name(day))
    if target.is_dir() and any(target.iterdir()):
        raise ArchiveError(
            f"{target}: there is something in this folder: give a new name, or delete it first",
            f"{target}：目标目录非空，请换一个名称或先删除",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if format == "netcdf":
            _netcdf(dataset, stations, temporary)
        else:
            dataset.to_zarr(temporary, mode="w", zarr_format=3, consolidated=True, encoding=_zarr_encoding(dataset))
            if stations is not None:
                stations.to_zarr(temporary, mode="a", group=STATIONS, zarr_format=3)
        if target.is_dir():
            target.rmdir()
        temporary.replace(target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    return target


def _day(root: Root, region: str, name: str) -> xr.Dataset:
    session = open_session(root, region, None)
    group = root_group(session)
    if f"{layout.CUBES}/{name}" in group:
        raw = open_raw(session, f"{layout.CUBES}/{name}")
        slots = np.flatnonzero(raw[layout.WRITTEN].to_numpy())
        for text in texts_of(group, f"{layout.TABLES}/{name}"):
            values = np.asarray(array_of(group, f"{layout.TABLES}/{name}/{text}")[...])
            raw[text] = ((TIME,), values, {"long_name": f"{text} of the cycle, JSON"})
        raw = raw.isel({TIME: slots}).drop_vars(layout.WRITTEN)
        chunks = {TIME: 1}
    elif f"{layout.VIEWS}/{name}" in group:
        raw, chunks = open_raw(session, f"{layout.VIEWS}/{name}"), {TIME: layout.VIEW_SLOTS}
    else:
        raise ArchiveError(
            f"{region}: no cycle of {name} (UTC) in the archive: `wx archive log` lists what there is",
            f"{region}：归档中没有 {name}（UTC）的时次：可用 `wx archive log` 查看已有内容",
        )
    for array in raw.variables.values():
        array.encoding.clear()  # chunks and codecs of the archive
    dataset = raw.rename({HEIGHT: HEIGHT_ASL} if HEIGHT in raw.dims else {}).chunk(chunks)
    dataset["nearest_radar"].attrs |= radar_flags(list(group.attrs["radars"]))  # type: ignore[arg-type]
    for text in (text for text in TEXTS if text in dataset):
        dataset[text] = dataset[text].astype(object).load()
    dataset.attrs["radars"] = " ".join(group.attrs["radars"])  # type: ignore[arg-type]
    return dataset


def _stations(root: Root, region: str, name: str) -> xr.Dataset | None:
    """Observations of the day's cycles; None where they looked at no stations."""
    first = datetime.combine(date.fromisoformat(name), time(tzinfo=UTC)) - CYCLE + timedelta(minutes=1)
    found = read_stations(root, region, first, first + timedelta(days=1, minutes=-1))
    silent = [element for element in ELEMENT_NAMES if (found[qc_name(element)] == QC_MISSING).all()]
    found = found.drop_vars([part for element in silent for part in parts_of(element).values()])
    texts = {name: found[name].astype(object) for name in found.coords if found[name].dtype.kind == "U"}
    return found.assign_coords(texts) if found.sizes[TIME] else None


def radar_flags(radars: list[str]) -> dict[str, Any]:
    """Flag attributes that name the radars of `nearest_radar`."""
    return {
        "flag_values": np.arange(-1, len(radars), dtype="i2"),
        "flag_meanings": " ".join(["none", *radars]),
    }


def _netcdf(dataset: xr.Dataset, stations: xr.Dataset | None, path: Path) -> None:
    encoding: dict[str, dict[str, Any]] = {}
    for name, array in dataset.variables.items():
        if name in dataset.coords:
            encoding[str(name)] = {"_FillValue": None}  # CF: a coordinate has none
        if array.ndim < 3:
            continue
        leading = (min(layout.CHUNK_LEVELS, array.shape[1]),) if array.ndim == 4 else ()
        chunk = (1, *leading, *(layout.chunk_side(cells, layout.PLANE_CELLS) for cells in array.shape[-2:]))
        encoding[str(name)] = {"zlib": True, "complevel": ZLIB_LEVEL, "shuffle": True, "chunksizes": chunk}
    dataset.to_netcdf(path, engine="netcdf4", format="NETCDF4", encoding=encoding, unlimited_dims=[])
    if stations is not None:
        packing = {str(name): {"zlib": True, "complevel": ZLIB_LEVEL, "shuffle": True} for name in stations.data_vars}
        stations.to_netcdf(path, mode="a", group=STATIONS, engine="netcdf4", format="NETCDF4", encoding=packing)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _zarr_encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    encoding: dict[str, dict[str, Any]] = {}
    for name, array in dataset.data_vars.items():
        if array.ndim >= 3:
            leading = (layout.chunk_side(array.shape[1], layout.CHUNK_LEVELS),) if array.ndim == 4 else ()
            planes = (layout.chunk_side(cells, layout.PLANE_CELLS) for cells in array.shape[-2:])
            encoding[str(name)] = {"chunks": (1, *leading, *planes)}
    return encoding
