"""Observations of ground stations, minute by minute, with their flags: kept as they were, never rounded.

    stations/20200612   1440 minutes, six a cycle: the minutes after the cycle before it, until its own. So minute 0 is
                        23:55 of the day before, and every cycle is whole in one day and one chunk.
    values f4, qc u1, qc_reason u2    (time, element, station); elements are named in the attribute `elements`
    gust_time, gust_earliest i8       (time, station), nanoseconds since 1970
    station, elev_class               (station,)
    position f8                       (lat | lon | elevation | barometer, station)
    given u1                          (cycle,): stations were looked at

Elements and stations are appended and never taken away: a new one only makes the arrays longer. A station whose
position changes within the day is appended again.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr

from wxcore.archive import layout
from wxcore.archive.layout import Slot
from wxcore.archive.series import array_of
from wxcore.errors import SchemaError
from wxcore.schema import (
    ELEMENT_NAMES,
    QC_BAD,
    QC_GOOD,
    QC_MISSING,
    QC_SUSPECT,
    REPORT,
    STATION,
    TIME,
    qc_name,
    reason_name,
)
from wxcore.times import CYCLE

STATIONS, GIVEN, CYCLE_DIM, ELEMENT = "stations", "given", "cycle", "element"
MINUTES = int(CYCLE.total_seconds()) // 60
"""Minutes of a cycle, so rows of one chunk."""

CHUNK_STATIONS, CHUNK_ELEMENTS = 4096, 16
"""Sides of a chunk: a region's stations and all elements are one object a cycle. What is not there costs no bytes."""

NAT = np.iinfo("i8").min
"""NaT as an integer."""

CODES = {QC_GOOD: "good", QC_SUSPECT: "suspect", QC_BAD: "bad", QC_MISSING: "missing"}
ARRAYS: Mapping[str, tuple[str, Any]] = {
    "values": ("f4", np.float32(np.nan)), "qc": ("u1", QC_MISSING), "qc_reason": ("u2", 0),
    "gust_time": ("i8", NAT), "gust_earliest": ("i8", NAT),
}  # fmt: skip
"""dtype and what a minute without a report reads as."""

GUSTS = ("gust_time", "gust_earliest")
PLACE: Mapping[str, str] = {
    STATION: "U", "lat": "f8", "lon": "f8", "elevation": "f4", "barometer": "f4", "elev_class": "U",
}  # fmt: skip
"""What is kept of a station, and its dtype."""
TEXTS = tuple(name for name, dtype in PLACE.items() if dtype == "U")
NUMBERS = tuple(name for name, dtype in PLACE.items() if dtype != "U")
POSITION = "position"
"""NUMBERS are one array: a commit reads them every time."""

UNKNOWN = -1e30
"""Stands for NaN where stations are compared."""

WRITERS = 5
"""Arrays that are written at a time."""

Arrays = dict[str, npt.NDArray[Any]]


def parts_of(element: str) -> dict[str, str]:
    """Array of the archive -> variable of the Dataset, of an element."""
    return {"values": element, "qc": qc_name(element), "qc_reason": reason_name(element)}


def check_stations(stations: xr.Dataset) -> None:
    """Is it the observations' Dataset, after quality control?

    Raises:
        SchemaError: dims, coordinates, dtypes or flags are not as they should be; every fault at once.
    """
    faults = [f"coordinate {name}: missing on {STATION}" for name in PLACE if name not in stations.coords]
    faults += [f"{name}: missing" for name in GUSTS if name not in stations]
    for name in (name for name in ELEMENT_NAMES if name in stations):
        for part, dtype in ((name, "f4"), (qc_name(name), "u1"), (reason_name(name), "u2")):
            if part not in stations:
                faults.append(f"{part}: missing beside {name}")
            elif stations[part].dims != REPORT or stations[part].dtype != np.dtype(dtype):
                found = f"{stations[part].dims} {stations[part].dtype}"
                faults.append(f"{part}: found {found}, expected {REPORT} {dtype}")
    ids = stations[STATION].to_numpy() if STATION in stations.coords else np.empty(0, "U1")
    if np.unique(ids).size != ids.size:
        faults.append("station: ids are there twice")
    times = stations[TIME].to_numpy() if TIME in stations.coords else np.empty(0, "M8[ns]")
    if (times != times.astype("M8[m]")).any() or (np.diff(times) <= np.timedelta64(0)).any():
        faults.append("time: expected whole minutes, ascending")
    if faults:
        raise SchemaError("archive, stations", faults)


def write_stations(root: zarr.Group, slot: Slot, region_id: str, stations: xr.Dataset | None) -> None:
    """Write the six minutes of a cycle; what an earlier version of it had is gone, also where `stations` is None."""
    path = f"{STATIONS}/{slot.day}"
    if path not in root:
        if stations is None:
            return
        _create_day(root, slot.day, region_id)
    group = root[path]
    assert isinstance(group, zarr.Group)
    given = array_of(group, GIVEN)
    if stations is None and not int(given[slot.index]):  # type: ignore[arg-type]
        return
    elements = elements_of(group)
    places = np.empty(0, "i8")
    if stations is not None:
        elements = _append_elements(group, [name for name in ELEMENT_NAMES if name not in elements])
        places = _places(group, stations)
    content = _content(slot, elements, array_of(group, STATION).shape[0], places, stations)
    rows = slice(slot.index * MINUTES, (slot.index + 1) * MINUTES)

    def write(name: str) -> None:
        array_of(group, name)[rows] = content[name]

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, ARRAYS))
    given[slot.index] = int(stations is not None)


def _content(
    slot: Slot, elements: list[str], size: int, places: npt.NDArray[np.int64], stations: xr.Dataset | None
) -> Arrays:
    """The rows of a cycle in every array."""
    content = {
        name: np.full((MINUTES, size) if name in GUSTS else (MINUTES, len(elements), size), fill, dtype)
        for name, (dtype, fill) in ARRAYS.items()
    }
    if stations is None:
        return content
    minutes = (stations[TIME].to_numpy() - minutes_of(slot.day)[slot.index * MINUTES]) // np.timedelta64(1, "m")
    ours = np.flatnonzero((minutes >= 0) & (minutes < MINUTES))
    target = (minutes[ours][:, None], places[None, :])
    for name in GUSTS:
        content[name][target] = stations[name].to_numpy()[ours].astype("M8[ns]").view("i8")
    for index, element in enumerate(elements):
        if element in stations:
            for name, part in parts_of(element).items():
                content[name][:, index][target] = stations[part].to_numpy()[ours]
    return content


def _create_day(root: zarr.Group, day: str, region_id: str) -> None:
    group = root.require_group(STATIONS).create_group(day, attributes={
        "Conventions": "CF-1.11", "title": f"observations of ground stations of {region_id}, {day} UTC",
        "region": region_id, "elements": list(ELEMENT_NAMES),
    })  # fmt: skip
    for name, (dtype, fill) in ARRAYS.items():
        dims = REPORT if name in GUSTS else (TIME, ELEMENT, STATION)
        shape = {TIME: layout.SLOTS * MINUTES, ELEMENT: len(ELEMENT_NAMES), STATION: 0}
        chunk = {TIME: MINUTES, ELEMENT: CHUNK_ELEMENTS, STATION: CHUNK_STATIONS}
        group.create_array(
            name, shape=tuple(shape[dim] for dim in dims), chunks=tuple(chunk[dim] for dim in dims), dtype=dtype,
            fill_value=fill, dimension_names=dims, compressors=layout.MAPS,
            attributes={"units": "nanoseconds since 1970-01-01"} if name in GUSTS else {},
        )  # fmt: skip
    for name in TEXTS:
        group.create_array(
            name, shape=(0,), chunks=(CHUNK_STATIONS,), dtype=str, fill_value="", dimension_names=(STATION,),
            compressors=layout.SMALL,
        )  # fmt: skip
    group.create_array(
        POSITION, shape=(len(NUMBERS), 0), chunks=(len(NUMBERS), CHUNK_STATIONS), dtype="f8", fill_value=np.nan,
        dimension_names=(POSITION, STATION), compressors=layout.SMALL, attributes={"rows": list(NUMBERS)},
    )  # fmt: skip
    group.create_array(
        GIVEN, shape=(layout.SLOTS,), chunks=(layout.SLOTS,), dtype="u1", fill_value=0, dimension_names=(CYCLE_DIM,),
        compressors=layout.SMALL, attributes={"long_name": "stations were looked at in this cycle"},
    )  # fmt: skip


def elements_of(group: zarr.Group) -> list[str]:
    return [str(name) for name in group.attrs["elements"]]  # type: ignore[union-attr]


def _append_elements(group: zarr.Group, names: list[str]) -> list[str]:
    """All elements of a day, after those that a newer version knows joined it."""
    elements = [*elements_of(group), *names]
    if names:
        group.attrs["elements"] = elements
        for name in (name for name in ARRAYS if name not in GUSTS):
            array = array_of(group, name)
            array.resize((array.shape[0], len(elements), array.shape[2]))
    return elements


def _places(group: zarr.Group, stations: xr.Dataset) -> npt.NDArray[np.int64]:
    """Where the stations are in the day's arrays, which grow where one is new."""
    there = {key: index for index, key in enumerate(keys_of(places_of(group)))}
    found = {name: stations[name].to_numpy() for name in PLACE}
    keys = keys_of(found)
    new = [index for index, key in enumerate(keys) if key not in there]
    if new:
        first, size = len(there), len(there) + len(new)
        columns = {name: found[name][new] for name in TEXTS} | {
            POSITION: np.stack([found[name][new] for name in NUMBERS])
        }
        for name in (*ARRAYS, *columns):
            array = array_of(group, name)
            array.resize((*array.shape[:-1], size))
        for name, values in columns.items():
            array_of(group, name)[..., first:] = values.astype("f8" if name == POSITION else str)
        there |= {keys[index]: first + place for place, index in enumerate(new)}
    return np.array([there[key] for key in keys], "i8")


def places_of(group: zarr.Group) -> Arrays:
    """Ids, positions and classes of a day's stations."""
    position = np.asarray(array_of(group, POSITION)[...])
    texts = {name: np.asarray(array_of(group, name)[...]) for name in TEXTS}
    return texts | dict(zip(NUMBERS, position, strict=True))


def keys_of(places: Mapping[str, npt.NDArray[Any]]) -> list[tuple[Any, ...]]:
    """What makes a station the same one, in the order of PLACE: its id and all that is known of its place."""
    columns: list[list[Any]] = []
    for name in PLACE:
        values = places[name] if name in TEXTS else np.nan_to_num(places[name].astype("f8"), nan=UNKNOWN)
        columns.append(values.tolist())
    return list(zip(*columns, strict=True))


def minutes_of(day: str) -> npt.NDArray[np.datetime64]:
    """The minutes of a day's group."""
    midnight = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}", "m")
    return (midnight + np.arange(1 - MINUTES, layout.SLOTS * MINUTES + 1 - MINUTES)).astype("M8[ns]")


def given_slots(group: zarr.Group) -> list[int]:
    """Slots of a day's group in which stations were looked at."""
    return [int(slot) for slot in np.flatnonzero(np.asarray(array_of(group, GIVEN)[...]))]


def read_slot(group: zarr.Group, slot: int) -> Arrays:
    """The rows of one cycle in every array, and the stations' places, as they are kept."""
    return read_rows(group, slice(slot * MINUTES, (slot + 1) * MINUTES))


def read_rows(group: zarr.Group, rows: slice) -> Arrays:
    with ThreadPoolExecutor(WRITERS) as pool:
        told = dict(zip(ARRAYS, pool.map(lambda name: np.asarray(array_of(group, name)[rows]), ARRAYS), strict=True))
    return told | places_of(group)


def slot_parts(group: zarr.Group, slot: int) -> Iterator[tuple[str, bytes]]:
    """What a cycle's observations say, whatever order stations and elements joined the day in (digest.py)."""
    rows = read_slot(group, slot)
    keys = keys_of(rows)
    heard = (rows["qc"] != QC_MISSING).any(axis=(0, 1)) | ~np.isnan(rows["values"]).all(axis=(0, 1))
    for name in GUSTS:
        heard |= (rows[name] != NAT).any(axis=0)
    order = np.array(sorted(np.flatnonzero(heard), key=lambda index: keys[index]), "i8")
    yield "stations", repr([keys[index] for index in order]).encode()
    for name in GUSTS:
        yield name, _bytes(rows[name][:, order])
    for index, element in sorted(enumerate(elements_of(group)), key=lambda item: item[1]):
        if (rows["qc"][:, index] != QC_MISSING).any() or not np.isnan(rows["values"][:, index]).all():
            for name in (name for name in ARRAYS if name not in GUSTS):
                yield f"{element}/{name}", _bytes(rows[name][:, index][:, order])


def _bytes(array: npt.NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()


def slot_faults(group: zarr.Group, slot: int) -> list[tuple[str, str]]:
    """What is wrong with a cycle's rows (English, Chinese); reading them raises where they are damaged (check.py)."""
    rows = read_slot(group, slot)
    faults: list[tuple[str, str]] = []
    strange = sorted(set(np.unique(rows["qc"]).tolist()) - set(CODES))
    if strange:
        faults.append((f"flags {strange}, expected {sorted(CODES)}", f"质控码 {strange}，应为 {sorted(CODES)}"))
    unflagged = int((~np.isnan(rows["values"]) & (rows["qc"] == QC_MISSING)).sum())
    if unflagged:
        faults.append((f"{unflagged} values without a flag", f"{unflagged} 个值没有质控码"))
    sizes = {rows[name].shape[-1] for name in (*ARRAYS, *PLACE)}
    if (
        len(sizes) > 1
        or len(set(keys_of(rows))) != rows[STATION].size
        or rows["qc"].shape[1] != len(elements_of(group))
    ):
        faults.append(("stations or elements do not fit the arrays", "站点或要素与数组不符"))
    return faults
