"""Read observations of ground stations out of the archive (stations.py says how they are kept)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr

from wxcore.archive import layout
from wxcore.archive.place import Root
from wxcore.archive.read import open_session
from wxcore.archive.series import array_of, root_group
from wxcore.archive.stations import (
    ARRAYS,
    CODES,
    GIVEN,
    GUSTS,
    MINUTES,
    PLACE,
    STATIONS,
    UNKNOWN,
    Arrays,
    elements_of,
    keys_of,
    minutes_of,
    parts_of,
    read_rows,
)
from wxcore.schema import ELEMENT_NAMES, ELEMENTS, QC_REASONS, REPORT, STATION, TIME, qc_name, reason_name
from wxcore.times import cycle_of, require_utc, to_datetime64

PLACE_ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    STATION: {"long_name": "station id", "cf_role": "timeseries_id"},
    "lat": {"units": "degrees_north", "standard_name": "latitude", "long_name": "latitude of the station"},
    "lon": {"units": "degrees_east", "standard_name": "longitude", "long_name": "longitude of the station"},
    "elevation": {"units": "m", "standard_name": "surface_altitude", "long_name": "ground above sea level"},
    "barometer": {"units": "m", "long_name": "barometer above sea level"},
    "elev_class": {"long_name": "plain, hill, mountain or ridge; empty where nobody said"},
}
GUST_ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "gust_time": {"standard_name": "time", "long_name": "when the gust blew, UTC"},
    "gust_earliest": {"standard_name": "time", "long_name": "earliest that the gust may have blown, UTC"},
}


def read_stations(
    root: Root, region: str, start: datetime, end: datetime, *, as_of: datetime | None = None
) -> xr.Dataset:
    """Observations from `start` to `end` (both included, aware), as they were when their cycle was committed.

    Args:
        as_of: only what was committed by then (aware); everything where None.

    Returns:
        (time, station): every minute of the cycles that looked at stations, ascending, no others. Elements of
        schema.ELEMENTS f4 with `_qc` u1 and `_qc_reason` u2; gust_time, gust_earliest datetime64[ns]. Coordinates on
        station as in the observations' Dataset, sorted by id; a station that moved meanwhile is there once with each
        place. NaN and QC_MISSING where nothing was reported. Empty where there is nothing.

    Raises:
        ArchiveError: no archive, versions that cannot be opened, nothing committed by `as_of`.
        TimeError: naive.
    """
    start, end = require_utc(start), require_utc(end)
    group = root_group(open_session(root, region, as_of))
    span = f"{cycle_of(start):%Y%m%d}", f"{cycle_of(end):%Y%m%d}"
    days = [day for day in layout.day_names(group, STATIONS) if span[0] <= day <= span[1]]
    parts = [part for day in days if (part := _day_rows(group, day, start, end)) is not None]
    elements = list(dict.fromkeys((*ELEMENT_NAMES, *(name for part in parts for name in part[1]))))
    keys = sorted({key for part in parts for key in keys_of(part[2])})
    place_of_key = {key: place for place, key in enumerate(keys)}
    times = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, "M8[ns]")
    data = _empty(elements, times.size, len(keys))
    first = 0
    for minutes, held, rows in parts:
        columns = np.array([place_of_key[key] for key in keys_of(rows)], "i8")
        target = (np.arange(first, first + minutes.size)[:, None], columns[None, :])
        for name in GUSTS:
            data[name][target] = rows[name].view("M8[ns]")
        for index, element in enumerate(held):
            for array, name in parts_of(element).items():
                data[name][target] = rows[array][:, index]
        first += minutes.size
    return _dataset(data, times, keys, str(group.attrs["region"]))


def _day_rows(
    group: zarr.Group, day: str, start: datetime, end: datetime
) -> tuple[npt.NDArray[np.datetime64], list[str], Arrays] | None:
    """(minutes, elements, rows of every array) of a day; None where no minute is asked for."""
    part = group[f"{STATIONS}/{day}"]
    assert isinstance(part, zarr.Group)
    times = minutes_of(day)
    wanted = np.repeat(np.asarray(array_of(part, GIVEN)[...]) != 0, MINUTES)
    wanted &= (times >= to_datetime64(start)) & (times <= to_datetime64(end))
    rows = np.flatnonzero(wanted)
    if not rows.size:
        return None
    found = read_rows(part, slice(int(rows[0]), int(rows[-1]) + 1))
    picked = {name: found[name][rows - rows[0]] for name in ARRAYS}
    return times[rows], elements_of(part), {**found, **picked}


def _empty(elements: list[str], minutes: int, stations: int) -> Arrays:
    shape = (minutes, stations)
    data: Arrays = {}
    for element in elements:
        for part, (dtype, fill) in zip(
            (element, qc_name(element), reason_name(element)), ARRAYS.values(), strict=False
        ):
            data[part] = np.full(shape, fill, dtype)
    return data | {name: np.full(shape, np.datetime64("NaT"), "M8[ns]") for name in GUSTS}


def _dataset(data: Arrays, times: npt.NDArray[np.datetime64], keys: list[tuple[Any, ...]], region: str) -> xr.Dataset:
    columns = list(zip(*keys, strict=True)) if keys else [()] * len(PLACE)
    coords: dict[str, Any] = {TIME: (TIME, times, {"standard_name": "time", "long_name": "minute that ends, UTC"})}
    for (name, dtype), column in zip(PLACE.items(), columns, strict=True):
        values = np.array(column, dtype)
        if dtype != "U":
            values[values == values.dtype.type(UNKNOWN)] = np.nan
        coords[name] = (STATION, values, dict(PLACE_ATTRIBUTES[name]))
    variables = {name: (REPORT, values, _attributes(name)) for name, values in data.items()}
    attributes = {
        "Conventions": "CF-1.11", "featureType": "timeSeries", "region": region,
        "title": f"observations of ground stations of {region}",
    }  # fmt: skip
    return xr.Dataset(variables, coords, attributes)


def _attributes(name: str) -> dict[str, Any]:
    """CF attributes of a variable that is handed out."""
    if name in GUSTS:
        return dict(GUST_ATTRIBUTES[name])
    for element in ELEMENTS:
        if name == element.name:
            told = {"units": element.units, "long_name": element.long_name, "standard_name": element.standard_name}
            links = {"ancillary_variables": f"{qc_name(name)} {reason_name(name)}"}
            return {key: text for key, text in (told | links).items() if text}
        if name == qc_name(element.name):
            return {
                "units": "1", "long_name": f"quality of {element.long_name}", "standard_name": "quality_flag",
                "flag_values": np.array(list(CODES), "u1"), "flag_meanings": " ".join(CODES.values()),
            }  # fmt: skip
        if name == reason_name(element.name):
            return {
                "units": "1", "long_name": f"checks that spoke of {element.long_name}",
                "flag_masks": np.array([bit for bit, _ in QC_REASONS], "u2"),
                "flag_meanings": " ".join(reason for _, reason in QC_REASONS),
            }  # fmt: skip
    return {}
