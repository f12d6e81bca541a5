"""Commit a cycle: all or nothing, idempotent, durable, on one grid (DESIGN.md section 4, RELIABILITY.md B1)."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
import zarr

import wxcore
from wxcore.archive import layout
from wxcore.archive.layout import VARIABLES, Slot
from wxcore.archive.repository import (
    BRANCH,
    make_durable,
    open_or_create,
    region_folder,
    writer_lock,
)
from wxcore.archive.tables import encode_table
from wxcore.errors import ArchiveError, SchemaError
from wxcore.grid import Grid
from wxcore.schema import HEIGHT, LAT, LON, PROBABILITIES, STORMS, TIME, check, check_table
from wxcore.times import iso, require_utc, to_datetime64

FINGERPRINT = "fingerprint"
METHOD_ATTRIBUTES = ("method", "mesh_calibration", "hail_range_m", "hail_layer_observed")
"""Attributes of a cube's variables that the archive keeps: formula, calibration and where the product is given."""


@dataclass(frozen=True)
class Commit:
    """What `commit_cycle` did. `new` is False where this very cycle was in the archive already."""

    snapshot_id: str
    new: bool


def commit_cycle(
    root: Path,
    region_id: str,
    grid: Grid,
    when: datetime,
    cube: xr.Dataset,
    storms: pd.DataFrame,
    provenance: Mapping[str, Any],
    *,
    probabilities: pd.DataFrame | None = None,
) -> Commit:
    """Write one cycle in one Icechunk commit, and return when it is on the disk.

    A cycle that is there with another fingerprint gets a new version; the old one stays readable (`as_of`).

    Args:
        root: folder of the archives; the region's is `root/region_id`.
        grid: the region's grid; the first commit fixes it.
        when: the cycle, aware, a six-minute slot.
        cube: schema MOSAIC + PRODUCTS with one time, on `grid`; other variables are left out. Its attribute
            `radars` (or that of `nearest_radar`) names what `nearest_radar` counts in.
        storms: schema STORMS, other columns are kept.
        provenance: anything JSON can hold. `fingerprint` (text) identifies the inputs and the code: the same again
            commits nothing. `inputs` goes into the commit's metadata too.
        probabilities: schema PROBABILITIES, or None.

    Raises:
        SchemaError: cube or tables are not what the schema says.
        ArchiveError: another grid; no slot; no fingerprint; versions that cannot be opened; the commit failed.
        OSError: disk full, or a write error.
    """
    when = require_utc(when)
    slot = layout.slot_of(when)
    texts = _texts(storms, probabilities, provenance)
    _check_cube(cube, grid, when)
    folder = region_folder(root, region_id)
    with writer_lock(folder):
        repository = open_or_create(folder)
        session = repository.writable_session(BRANCH)
        group = _root_group(session, region_id, grid)
        if _fingerprint_of(group, slot) == provenance[FINGERPRINT]:
            return Commit(_snapshot_of(repository, when, provenance[FINGERPRINT]), new=False)
        try:
            if slot.day not in group.require_group(layout.CUBES):
                layout.create_day(group, slot.day, grid, region_id)
            _write_cube(group, slot, cube)
            _write_texts(group, slot, texts)
            snapshot_id = _commit(session, region_id, when, provenance)
        except icechunk.IcechunkError as cause:
            raise ArchiveError(
                f"the cycle {iso(when)} of {region_id} was not committed ({cause}): nothing changed; check free space, "
                "then run it again",
                f"{region_id} {iso(when)} 未能提交（{cause}）：归档未改变，请检查剩余空间后重试",
            ) from cause
        make_durable(folder)
    return Commit(snapshot_id, new=True)


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


def _check_cube(cube: xr.Dataset, grid: Grid, when: datetime) -> None:
    check(cube, VARIABLES, what=f"archive, cube of {iso(when)}")
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


def _write_cube(group: zarr.Group, slot: Slot, cube: xr.Dataset) -> None:
    cubes = group[f"{layout.CUBES}/{slot.day}"]
    assert isinstance(cubes, zarr.Group)
    for var in VARIABLES:
        values = cube[var.name].to_numpy()[0]
        if var.name == "nearest_radar":
            values = _in_archive_order(group, values, _radars(cube))
        _set(cubes, var.name, slot.index, layout.pack(values, var))
        _describe(_array(cubes, var.name), cube[var.name].attrs)
    _set(cubes, layout.WRITTEN, slot.index, 1)


def _describe(array: zarr.Array[Any], attrs: Mapping[Hashable, Any]) -> None:
    """Keep how the values were made beside them. What changes from cycle to cycle is in the provenance."""
    told = {name: attrs[name] for name in METHOD_ATTRIBUTES if name in attrs and array.attrs.get(name) != attrs[name]}
    if told:
        array.attrs.update(told)


def _write_texts(group: zarr.Group, slot: Slot, texts: Mapping[str, str]) -> None:
    tables = group[f"{layout.TABLES}/{slot.day}"]
    assert isinstance(tables, zarr.Group)
    for name, text in texts.items():
        _set(tables, name, slot.index, text)


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


def _commit(session: icechunk.Session, region_id: str, when: datetime, provenance: Mapping[str, Any]) -> str:
    metadata = {
        "cycle": iso(when),
        "region": region_id,
        FINGERPRINT: provenance[FINGERPRINT],
        "inputs": provenance.get("inputs", []),
        "wxcore": wxcore.__version__,
    }
    return str(session.commit(f"cycle {iso(when)} {region_id}", metadata=metadata))
