"""Commit a cycle: all or nothing, idempotent, durable, on one grid (DESIGN.md section 4, RELIABILITY.md B1)."""

import json
import random
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import icechunk
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
import zarr

import wxcore
from wxcore.archive import layout
from wxcore.archive.compact import drop_view
from wxcore.archive.heads import seal, sealed_ids
from wxcore.archive.layout import VARIABLES, Slot
from wxcore.archive.log import FINGERPRINT, metadata_of
from wxcore.archive.place import Place, Root, place_of, writer_lock
from wxcore.archive.repository import BRANCH, open_or_create
from wxcore.archive.stations import check_stations, write_stations
from wxcore.archive.tables import encode_table
from wxcore.errors import ArchiveError, SchemaError
from wxcore.grid import Grid
from wxcore.schema import (
    CLOUD_CELLS,
    HEIGHT,
    LAT,
    LON,
    OPTIONAL,
    PROBABILITIES,
    STATION_TABLE,
    STORMS,
    TIME,
    Var,
    check,
    check_table,
)
from wxcore.times import iso, require_utc, to_datetime64

METHOD_ATTRIBUTES = ("method", "mesh_calibration", "hail_range_m", "hail_layer_observed")
"""Attributes of a cube's variables that the archive keeps: formula, calibration and where the product is given."""

CONFLICT_TRIES = 12
"""How often a cycle is written again because another writer of the same object store was faster."""
CONFLICT_WAIT_S = 2.0
"""Longest wait between two of these tries [s]; random below it, so that writers fall out of step."""

WRITERS = 4
"""Variables of a cycle that are packed and written at a time: some wait for Zarr, others compute (decision 0009)."""

FULL_DISK = ("No space left", "File too large", "Disk quota", "os error 28", "os error 27", "os error 122")


@dataclass(frozen=True)
class Commit:
    """What `commit_cycle` did. `new` is False where this very cycle was in the archive already."""

    snapshot_id: str
    new: bool


@dataclass(frozen=True)
class _Cycle:
    """What is to be committed, checked."""

    region_id: str
    grid: Grid
    when: datetime
    slot: Slot
    cube: xr.Dataset
    texts: Mapping[str, str]
    provenance: Mapping[str, Any]
    stations: xr.Dataset | None


def commit_cycle(  # noqa: PLR0913 (one argument a part of a cycle)
    root: Root,
    region_id: str,
    grid: Grid,
    when: datetime,
    cube: xr.Dataset,
    storms: pd.DataFrame,
    provenance: Mapping[str, Any],
    *,
    probabilities: pd.DataFrame | None = None,
    cloud_cells: pd.DataFrame | None = None,
    stations: xr.Dataset | None = None,
    station_table: pd.DataFrame | None = None,
    fence: Callable[[], None] | None = None,
) -> Commit:
    """Write one cycle in one Icechunk commit, and return when it is on the disk and its head is saved.

    A cycle that is there with another fingerprint gets a new version; the old one stays readable (`as_of`).

    Args:
        root: folder of the archives, or URL of an object store; the region's is `root/region_id`.
        grid: the region's grid; the first commit fixes it.
        when: the cycle, aware, a six-minute slot.
        cube: schema MOSAIC + PRODUCTS with one time, on `grid`; other variables are left out. Its attribute
            `radars` (or that of `nearest_radar`) names what `nearest_radar` counts in.
        storms: schema STORMS, other columns are kept.
        provenance: anything JSON can hold. `fingerprint` (text) identifies the inputs and the code: the same again
            commits nothing. The sha256 of `inputs`, and `missing` (and whether there are `notes`) go into the
            commit's metadata too.
        probabilities: schema PROBABILITIES, or None.
        cloud_cells: schema CLOUD_CELLS; None where no satellite was looked at.
        stations: observations after quality control, of which this cycle's minutes are kept (stations.py), or None.
        station_table: schema STATION_TABLE, or None.
        fence: called under the writer's lock immediately before the commit: where it raises, nothing is committed
            and its error is passed on.

    Raises:
        SchemaError: cube or tables are not what the schema says.
        ArchiveError: another grid; no slot; no fingerprint; versions that cannot be opened; a disk that is full; a
            store that does not answer, or ignores conditional PUT. Nothing changed.
    """
    when = require_utc(when)
    slot = layout.slot_of(when)
    texts = _texts(storms, probabilities, provenance) | _optional_texts(cloud_cells, station_table)
    _check_cube(cube, grid, when)
    if stations is not None:
        check_stations(stations)
    cycle = _Cycle(region_id, grid, when, slot, cube, texts, provenance, stations)
    place = place_of(root, region_id)
    with _nothing_changed(cycle, place), writer_lock(place):
        for attempt in range(CONFLICT_TRIES):
            try:
                return _commit_once(place, cycle, fence or _no_fence)
            except icechunk.ConflictError:
                time.sleep(random.uniform(0, min(CONFLICT_WAIT_S, 0.1 * 2**attempt)))
    raise ArchiveError(
        f"{place}: the cycle {iso(when)} was not committed: other writers were faster {CONFLICT_TRIES} times; nothing "
        "changed: run it again, with fewer writers",
        f"{place}：{iso(when)} 未能提交：{CONFLICT_TRIES} 次都被其他写入者抢先；归档未改变，请减少写入者后重试",
    )


def _no_fence() -> None:
    """The fence of a writer that holds no lease."""


def _commit_once(place: Place, cycle: _Cycle, fence: Callable[[], None]) -> Commit:
    repository = open_or_create(place)
    session = repository.writable_session(BRANCH)
    parent = str(session.snapshot_id)
    group = _root_group(session, cycle.region_id, cycle.grid)
    fingerprint = cycle.provenance[FINGERPRINT]
    if _fingerprint_of(group, cycle.slot) == fingerprint:
        if place.local and parent not in sealed_ids(place):  # its writer died before it was durable
            seal(place, parent, None)
        return Commit(_snapshot_of(repository, cycle.when, fingerprint), new=False)
    if cycle.slot.day not in group.require_group(layout.CUBES):
        _refuse_expired(group, cycle)
        layout.create_day(group, cycle.slot.day, cycle.grid, cycle.region_id)
    drop_view(group, cycle.slot.day)
    _write_cube(group, cycle.slot, cycle.cube, cycle.grid)
    _write_texts(group, cycle.slot, cycle.texts)
    write_stations(group, cycle.slot, cycle.region_id, cycle.stations)
    fence()
    when = iso(cycle.when)
    metadata = metadata_of(when, cycle.region_id, wxcore.__version__, cycle.provenance)
    snapshot_id = str(session.commit(f"cycle {when} {cycle.region_id}", metadata=metadata))
    try:
        seal(place, snapshot_id, cycle.when)
    except OSError:
        # After a failed sync the kernel may call lost pages clean: what it wrote must not be built upon.
        repository.reset_branch(BRANCH, parent, from_snapshot_id=snapshot_id)
        raise
    return Commit(snapshot_id, new=True)


def _refuse_expired(group: zarr.Group, cycle: _Cycle) -> None:
    if f"{layout.VIEWS}/{cycle.slot.day}" in group:
        raise ArchiveError(
            f"the cubes of {cycle.slot.day} have expired and only its view is kept: {iso(cycle.when)} cannot be added; "
            "use another --out folder",
            f"{cycle.slot.day} 的三维资料已过期，只保留逐日视图：不能再加入 {iso(cycle.when)}，请换一个输出目录",
        )


@contextmanager
def _nothing_changed(cycle: _Cycle, place: Place) -> Iterator[None]:
    """Tell a failure of disk or store as what it is."""
    try:
        yield
    except (icechunk.IcechunkError, OSError) as cause:
        full = place.local and any(sign in str(cause) for sign in FULL_DISK)
        told = " ".join(str(cause).split())[:300]
        en, zh = ("the disk is full", "磁盘已满") if full else (told, told)
        what_en = "free some space" if full else "check the disk" if place.local else "check the object store"
        what_zh = "清理磁盘空间" if full else "检查磁盘" if place.local else "检查对象存储"
        raise ArchiveError(
            f"{place}: the cycle {iso(cycle.when)} was not committed ({en}): nothing changed; {what_en}, then run it "
            "again",
            f"{place}：{iso(cycle.when)} 未能提交（{zh}）：归档未改变，请{what_zh}后重试",
        ) from cause


def _texts(storms: pd.DataFrame, probabilities: pd.DataFrame | None, provenance: Mapping[str, Any]) -> dict[str, str]:
    """The cycle's tables and provenance as they are kept; checked before anything is opened."""
    if not isinstance(provenance.get(FINGERPRINT), str) or not provenance[FINGERPRINT]:
        raise ArchiveError(
            "provenance holds no fingerprint (text that identifies inputs and code): add it",
            "溯源信息缺少 fingerprint（标识输入与代码的文本），请补充",
        )
    check_table(storms, STORMS, what="archive, storms")
    if probabilities is not None:
        check_table(probabilities, PROBABILITIES, what="archive, probabilities")
    try:
        text = json.dumps(dict(provenance), ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as cause:
        raise ArchiveError(f"provenance is no JSON: {cause}", f"溯源信息不是合法的 JSON：{cause}") from cause
    return {
        layout.STORMS_TEXT: encode_table(storms),
        layout.PROBABILITIES_TEXT: "" if probabilities is None else encode_table(probabilities),
        layout.PROVENANCE_TEXT: text,
    }


def _optional_texts(cloud_cells: pd.DataFrame | None, station_table: pd.DataFrame | None) -> dict[str, str]:
    """The tables that only some cycles have, checked."""
    given = (
        (layout.CLOUD_CELLS_TEXT, cloud_cells, CLOUD_CELLS), (layout.STATION_TABLE_TEXT, station_table, STATION_TABLE),
    )  # fmt: skip
    return {
        name: encode_table(check_table(table, columns, what=f"archive, {name}"))
        for name, table, columns in given
        if table is not None
    }


def _check_cube(cube: xr.Dataset, grid: Grid, when: datetime) -> None:
    optional = (var for var in OPTIONAL if var.name in cube)
    check(cube, (*VARIABLES, *optional), what=f"archive, cube of {iso(when)}")
    faults: list[str] = []
    for name, wanted in ((HEIGHT, grid.height), (LAT, grid.lat), (LON, grid.lon)):
        found = cube[name].to_numpy() if name in cube.coords else np.empty(0)
        if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=0, atol=1e-6):
            faults.append(f"{name}: {_span(found)}, expected {_span(wanted)}")
    times = cube[TIME].to_numpy() if TIME in cube.coords else np.empty(0)
    if times.shape != (1,) or times[0] != to_datetime64(when):
        faults.append(f"time: {[str(time) for time in times]}, expected only {iso(when)}")
    if faults:
        raise SchemaError(f"archive, cube of {iso(when)}", faults)


def _span(values: npt.NDArray[Any]) -> str:
    return f"{values.size} values" + (f" {values[0]:g} to {values[-1]:g}" if values.size else "")


def _root_group(session: icechunk.Session, region_id: str, grid: Grid) -> zarr.Group:
    group = zarr.open_group(session.store, mode="a", zarr_format=3)
    ours = layout.grid_record(grid)
    theirs = group.attrs.get("grid")
    if theirs is None:
        group.attrs.update({"wxcore_archive_format": layout.FORMAT, "region": region_id, "grid": ours, "radars": []})
    elif theirs != ours:
        raise ArchiveError(
            f"the archive of {region_id} is on another grid: found {theirs}, expected {ours}: use the region's former "
            "grid, or another --out folder",
            f"{region_id} 的归档采用另一网格：已有 {theirs}，本次 {ours}：请恢复原网格，或换一个输出目录",
        )
    return group


def _fingerprint_of(group: zarr.Group, slot: Slot) -> str:
    path = f"{layout.TABLES}/{slot.day}/{layout.PROVENANCE_TEXT}"
    if path not in group:
        return ""
    text = str(_array(group, path)[slot.index])
    return str(json.loads(text)[FINGERPRINT]) if text else ""


def _snapshot_of(repository: icechunk.Repository, when: datetime, fingerprint: str) -> str:
    """The newest commit of this cycle; the tip where the history was expired."""
    for snapshot in repository.ancestry(branch=BRANCH):
        if snapshot.metadata.get("cycle") == iso(when) and snapshot.metadata.get(FINGERPRINT) == fingerprint:
            return str(snapshot.id)
    return str(repository.lookup_branch(BRANCH))


def _write_cube(group: zarr.Group, slot: Slot, cube: xr.Dataset, grid: Grid) -> None:
    cubes = group[f"{layout.CUBES}/{slot.day}"]
    assert isinstance(cubes, zarr.Group)
    nearest = _in_archive_order(group, cube["nearest_radar"].to_numpy()[0], _radars(cube))

    def packed(var: Var) -> npt.NDArray[Any]:
        if var.name not in cube:  # an earlier version of this cycle may have had it
            return np.asarray(layout.storage(var)[1])
        return nearest if var.name == "nearest_radar" else layout.pack(cube[var.name].to_numpy()[0], var)

    for var in OPTIONAL:
        if var.name in cube:
            layout.add_optional(cubes, var, grid)
    for name, array in write_slot(cubes, slot.index, packed).items():
        if name in cube:
            _describe(array, cube[name].attrs)
    _set(cubes, layout.WRITTEN, slot.index, 1)


def write_slot(cubes: zarr.Group, index: int, packed: Callable[[Var], npt.NDArray[Any]]) -> dict[str, zarr.Array[Any]]:
    """Write a slot of every variable of a day's group, WRITERS of them at a time.

    Args:
        packed: values of a variable as they are kept (`layout.pack`), or one for all; called in threads.

    Returns:
        The arrays, by name.
    """

    def write(var: Var) -> tuple[str, zarr.Array[Any]]:
        array = _array(cubes, var.name)
        # A cube is written even where it is all fill: Zarr would compare each cell with the fill value first.
        array.with_config({"write_empty_chunks": HEIGHT in var.dims})[index] = packed(var)
        return var.name, array

    with ThreadPoolExecutor(WRITERS) as pool:
        return dict(pool.map(write, layout.variables_of(cubes)))


def _describe(array: zarr.Array[Any], attrs: Mapping[Hashable, Any]) -> None:
    """Keep how the values were made beside them. What changes from cycle to cycle is in the provenance."""
    told = {name: attrs[name] for name in METHOD_ATTRIBUTES if name in attrs and array.attrs.get(name) != attrs[name]}
    if told:
        array.attrs.update(told)


def _write_texts(group: zarr.Group, slot: Slot, texts: Mapping[str, str]) -> None:
    tables = group[f"{layout.TABLES}/{slot.day}"]
    assert isinstance(tables, zarr.Group)
    for name in (*texts, *(name for name in layout.OPTIONAL_TEXTS if name in tables and name not in texts)):
        if name not in tables:
            layout.create_text(tables, name, layout.SLOTS, chunk=1)
        _set(tables, name, slot.index, texts.get(name, ""))  # an earlier version of this cycle may have had it


def _radars(cube: xr.Dataset) -> list[str]:
    listed = cube["nearest_radar"].attrs.get("radars", cube.attrs.get("radars", ()))
    return listed.split() if isinstance(listed, str) else [str(radar) for radar in listed]


def _in_archive_order(
    group: zarr.Group, nearest: npt.NDArray[np.int16], radars: Sequence[str]
) -> npt.NDArray[np.int16]:
    """Indices into the cube's radars to indices into the archive's, which only ever grows at its end."""
    largest = int(nearest.max(initial=-1))
    if largest >= len(radars):
        raise SchemaError(
            "archive, nearest_radar",
            [f"index {largest}, but attribute radars names {len(radars)}: name every radar there"],
        )
    known = list(group.attrs.get("radars", []))  # type: ignore[arg-type]
    everyone = [*known, *(radar for radar in radars if radar not in known)]
    if everyone != known:
        group.attrs["radars"] = everyone
    table = np.array([*(everyone.index(radar) for radar in radars), -1], dtype=np.int16)
    return table[np.maximum(nearest, -1)]  # index -1 is the last entry: none


def _set(group: zarr.Group, name: str, index: int, value: Any) -> None:
    _array(group, name)[index] = value


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array
