"""Open the archive: now, or as it was known at a time (no look-ahead)."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import icechunk
import numpy as np
import xarray as xr
import zarr

from wxcore.archive import layout
from wxcore.archive.log import FINGERPRINT
from wxcore.archive.place import Place, Root, place_of
from wxcore.archive.repository import BRANCH, has_archive, history_from, open_repository
from wxcore.errors import ArchiveError
from wxcore.schema import OPTIONAL, TIME, Var
from wxcore.times import from_datetime64, iso, require_utc

CHUNKS = {TIME: 1}


def open_archive(root_or_repo: Root, *, region: str | None = None, as_of: datetime | None = None) -> xr.Dataset:
    """Every written cycle of a region as one Dataset, read when needed (Dask, one chunk a cycle).

    Args:
        root_or_repo: folder (or s3:// URL) of a region's archive, or with `region` that of all archives.
        as_of: only what was committed by then (aware); everything where None.

    Returns:
        MOSAIC and PRODUCTS on (time, [height,] lat, lon), time ascending, without gaps for what was never written;
        attributes region, radars (what `nearest_radar` counts in), snapshot_id.

    Raises:
        ArchiveError: no archive here, versions that cannot be opened, nothing committed (by then).
    """
    session = open_session(root_or_repo, region, as_of)
    runs = [run for day in _days(session) for run in _open_day(session, day)]
    if not runs:
        raise _nothing(place_of(root_or_repo, region), as_of)
    runs = _alike(runs)
    joined = runs[0] if len(runs) == 1 else xr.concat(
        runs, dim=TIME, data_vars="minimal", coords="minimal", compat="override", join="override",
        combine_attrs="override",
    )  # fmt: skip
    attributes = zarr.open_group(session.store, mode="r").attrs
    joined.attrs = {
        "Conventions": "CF-1.11",
        "title": f"wxcore analysis of {attributes['region']}",
        "source": joined.attrs.get("source", ""),
        "region": attributes["region"],
        "radars": list(attributes["radars"]),  # type: ignore[arg-type]
        "snapshot_id": str(session.snapshot_id),
    }
    return joined


def open_session(root_or_repo: Root, region: str | None, as_of: datetime | None) -> icechunk.Session:
    """A read-only session at the newest commit, or the newest one not after `as_of`.

    Raises:
        ArchiveError: no archive here, versions that cannot be opened, nothing committed by then, or expired.
    """
    place = place_of(root_or_repo, region)
    repository = open_repository(place)
    if as_of is None:
        return repository.readonly_session(BRANCH)
    kept_from = history_from(place)
    if kept_from is not None and require_utc(as_of) < kept_from:
        raise ArchiveError(
            f"{place}: what was known at {iso(as_of)} has expired, the history is kept from {iso(kept_from)}: ask for "
            "a later time, or for a snapshot that is tagged",
            f"{place}：{iso(as_of)} 时的状态已过期，历史保留自 {iso(kept_from)}：请改用更晚的时间，或已打标签的快照",
        )
    try:
        return repository.readonly_session(BRANCH, as_of=require_utc(as_of))
    except icechunk.IcechunkError as cause:
        raise _nothing(place, as_of) from cause


def list_cycles(
    root: Root, region: str, *, as_of: datetime | None = None, since: datetime | None = None
) -> list[datetime]:
    """The cycles in the archive, ascending; none where there is no archive yet.

    Args:
        since: only from this time on (aware): then the days before are not even opened.

    Raises:
        ArchiveError: versions that cannot be opened, or nothing committed by `as_of`.
    """
    if not has_archive(place_of(root, region)):
        return []
    session = open_session(root, region, as_of)
    group = _root_group(session)
    first = require_utc(since) if since is not None else None
    days = [day for day in _days(session) if first is None or day >= f"{first:%Y%m%d}"]
    return [when for day in days for when in _written(group, day) if first is None or when >= first]


def list_fingerprints(root: Root, region: str) -> dict[datetime, str]:
    """Fingerprint of the newest version of each cycle, ascending in time; none where there is no archive yet.

    Raises:
        ArchiveError: versions that cannot be opened.
    """
    if not has_archive(place_of(root, region)):
        return {}
    session = open_session(root, region, None)
    group = _root_group(session)
    found: dict[datetime, str] = {}
    for day in _days(session):
        texts = np.asarray(group[f"{layout.TABLES}/{day}/{layout.PROVENANCE_TEXT}"][...])  # type: ignore[index]
        for when in _written(group, day):
            found[when] = str(json.loads(str(texts[layout.slot_of(when).index]))[FINGERPRINT])
    return found


def list_views(root: Root, region: str) -> set[date]:
    """UTC days that have their view (compact.py), whether or not their cubes are still there."""
    if not has_archive(place_of(root, region)):
        return set()
    group = _root_group(open_session(root, region, None))
    return {date.fromisoformat(name) for name in layout.day_names(group, layout.VIEWS)}


def read_text(root: Root, region: str, when: datetime, name: str, *, as_of: datetime | None = None) -> str | None:
    """JSON text `name` ("storms", "probabilities", "provenance") of a cycle; None where it is not there.

    Raises:
        ArchiveError: no slot, versions that cannot be opened, nothing committed by `as_of`.
    """
    return read_texts(root, region, [when], name, as_of=as_of)[0]


def read_texts(
    root: Root, region: str, times: Sequence[datetime], name: str, *, as_of: datetime | None = None
) -> list[str | None]:
    """The same of several cycles, in the order of `times`: the archive is opened once."""
    slots = [layout.slot_of(when) for when in times]
    if not has_archive(place_of(root, region)):
        return [None] * len(slots)
    group = _root_group(open_session(root, region, as_of))
    arrays: dict[str, Any] = {}
    for day in {slot.day for slot in slots} if group is not None else ():
        path = f"{layout.TABLES}/{day}/{name}"
        arrays[day] = group.get(path)  # type: ignore[union-attr]
    found = [arrays.get(slot.day) for slot in slots]
    return [
        None if array is None else str(array[slot.index : slot.index + 1][0]) or None
        for array, slot in zip(found, slots, strict=True)
    ]


def read_provenance(root: Root, region: str, when: datetime, *, as_of: datetime | None = None) -> dict[str, Any] | None:
    """What went into a cycle (as given to `commit_cycle`); None where the cycle is not there."""
    text = read_text(root, region, when, layout.PROVENANCE_TEXT, as_of=as_of)
    if text is None:
        return None
    content: dict[str, Any] = json.loads(text)
    return content


def _root_group(session: icechunk.Session) -> zarr.Group | None:
    """None in a repository whose very first commit never happened."""
    try:
        return zarr.open_group(session.store, mode="r")
    except zarr.errors.GroupNotFoundError:
        return None


def _days(session: icechunk.Session) -> list[str]:
    return layout.day_names(_root_group(session), layout.CUBES)


def _written(group: zarr.Group | None, day: str) -> list[datetime]:
    """The cycles of a day."""
    written = np.asarray(group[f"{layout.CUBES}/{day}/{layout.WRITTEN}"][...])  # type: ignore[index]
    midnight = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}", "m")
    return [from_datetime64(midnight + np.timedelta64(6 * int(slot), "m")) for slot in np.flatnonzero(written)]


def _open_day(session: icechunk.Session, day: str) -> list[xr.Dataset]:
    """The written cycles of a day, one Dataset for each run without a gap."""
    raw = xr.open_zarr(
        session.store, group=f"{layout.CUBES}/{day}", consolidated=False, chunks=None, mask_and_scale=False,
        decode_times=False,
    )  # fmt: skip
    for name in layout.QUANTUM.keys() & raw.keys():
        # JSON has no float32: as a double it would make xarray decode to doubles.
        raw[name].attrs["scale_factor"] = np.float32(raw[name].attrs["scale_factor"])
    decoded = xr.decode_cf(raw)
    written = np.flatnonzero(decoded[layout.WRITTEN].to_numpy())
    decoded = decoded.drop_vars(layout.WRITTEN)
    # Slices and not an array of indices: that would take Zarr's slow way through a shard (30 x).
    runs = [run for run in np.split(written, np.flatnonzero(np.diff(written) > 1) + 1) if run.size]
    return [decoded.isel({TIME: slice(int(run[0]), int(run[-1]) + 1)}).chunk(CHUNKS) for run in runs]


def _alike(runs: list[xr.Dataset]) -> list[xr.Dataset]:
    """The runs with all of schema.OPTIONAL that any of them holds: no data where a day has none."""
    wanted = [var for var in OPTIONAL if any(var.name in run for run in runs)]
    return [run.assign({var.name: _nowhere(var, run) for var in wanted if var.name not in run}) for run in runs]


def _nowhere(var: Var, run: xr.Dataset) -> xr.DataArray:
    fill = np.nan if np.dtype(var.dtype).kind == "f" else layout.storage(var)[1]
    shape = tuple(run.sizes[name] for name in var.dims)
    coords = {name: run.coords[name] for name in var.dims}
    empty = xr.DataArray(np.zeros((), var.dtype) + np.dtype(var.dtype).type(fill), attrs=var.attrs)
    return empty.expand_dims(dict(zip(var.dims, shape, strict=True))).assign_coords(coords).chunk(CHUNKS)


def _nothing(folder: Place, as_of: datetime | None) -> ArchiveError:
    when_en = f" by {iso(as_of)}" if as_of else ""
    when_zh = f"（截至 {iso(as_of)}）" if as_of else ""
    return ArchiveError(
        f"{folder}: nothing was committed{when_en}: run a cycle first, or ask for a later time",
        f"{folder}：尚无已提交的时次{when_zh}，请先运行分析，或改用更晚的时间",
    )
