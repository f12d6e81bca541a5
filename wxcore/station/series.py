"""Reports of many files to one Dataset (time, station): each station, minute and element once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.schema import ELEMENTS, QC_MISSING, REPORT, STATION, TIME
from wxcore.station.network import Network, Sorted, sort_out
from wxcore.station.reports import Doubles, Floats, Ids, Reports, Times
from wxcore.times import to_datetime64

MINUTE = np.timedelta64(1, "m")
RAIN_MINUTES = 60
MINUTE_RAIN = "precipitation_1min"
GUST = "wind_speed_of_gust"
PROVIDER = "_provider"
"""Ending of the variables that hold the provider's own flags."""

Ints = npt.NDArray[np.int64]


def series(
    reports: Sequence[Reports],
    network: Network,
    start: datetime,
    end: datetime,
    found: Sequence[Sorted] | None = None,
) -> xr.Dataset:
    """What the network's stations reported, by the minute.

    Of two reports of a station, minute and element the higher revision counts, then the later of `reports`; an element
    that it lacks is the other's. So with the rain of the minutes before reports, of which it is what no report of the
    minute itself tells.

    Args:
        reports: in an order that does not depend on when files came.
        start, end: first and last minute, aware, both included; seconds are cut off.
        found: `sort_out` of each of the reports, where it was asked already.

    Returns:
        (time, station) Dataset: elements of schema.ELEMENTS that anybody reported (f4, NaN no report);
        `<element>_provider` (u1); `gust_time` and `gust_earliest` (datetime64, NaT unknown). Coordinates of a
        station: lat, lon [deg], elevation, barometer [m], elev_class, moved.

    Raises:
        TimeError: a naive time.
    """
    first = to_datetime64(start).astype("datetime64[m]")
    count = int((to_datetime64(end).astype("datetime64[m]") - first) // MINUTE) + 1
    shape = (count, network.ids.size)
    moved: set[str] = set()
    values: dict[str, Floats] = {}
    provider: dict[str, npt.NDArray[np.uint8]] = {}
    gusts = _no_times(shape), _no_times(shape)
    before: dict[str, Floats] = {}
    found = [sort_out(one, network) for one in reports] if found is None else found
    for level, number in sorted((level, number) for number, one in enumerate(reports) for level in _levels(one)):
        one, place = reports[number], found[number].place
        moved |= set(found[number].moved)
        minute = ((one.time.astype("datetime64[m]") - first) // MINUTE).astype(np.int64)
        mine = (place >= 0) & (one.revision == level)
        rows = np.flatnonzero(mine & (minute >= 0) & (minute < count))
        at = minute[rows], place[rows]
        _lay(values, one.values, rows, at, shape)
        _judge(provider, one, rows, at, shape)
        _gusts(gusts, one, rows, at)
        if one.minute_rain is not None:
            _rain(before, one.minute_rain[mine], (minute[mine], place[mine]), shape)
    for name, rain in before.items():
        values[name] = np.where(np.isnan(values[name]), rain, values[name]) if name in values else rain
    return _dataset(values, provider, gusts, network, first + MINUTE * np.arange(count), moved)


def _levels(one: Reports) -> list[int]:
    """The revisions of its rows."""
    return [int(level) for level in np.unique(one.revision)]


def _no_times(shape: tuple[int, int]) -> Times:
    return np.full(shape, np.datetime64("NaT"), dtype="datetime64[ns]")


def _lay(
    values: dict[str, Floats], found: Mapping[str, Floats], rows: Ints, at: tuple[Ints, Ints], shape: tuple[int, int]
) -> None:
    for name, column in found.items():
        told = ~np.isnan(column[rows])
        if told.any():
            if name not in values:
                values[name] = np.full(shape, np.nan, dtype=np.float32)
            values[name][at[0][told], at[1][told]] = column[rows][told]


def _judge(
    provider: dict[str, npt.NDArray[np.uint8]], one: Reports, rows: Ints, at: tuple[Ints, Ints], shape: tuple[int, int]
) -> None:
    """Flags follow their values: of an element that a later report tells anew, the flag is its own or none."""
    for name, column in one.values.items():
        told = ~np.isnan(column[rows])
        flags = one.provider.get(name)
        if told.any() and (flags is not None or name in provider):
            if name not in provider:
                provider[name] = np.full(shape, QC_MISSING, dtype=np.uint8)
            provider[name][at[0][told], at[1][told]] = QC_MISSING if flags is None else flags[rows][told]


def _gusts(gusts: tuple[Times, Times], one: Reports, rows: Ints, at: tuple[Ints, Ints]) -> None:
    if GUST not in one.values:
        return
    told = ~np.isnan(one.values[GUST][rows])
    place, mine = (at[0][told], at[1][told]), rows[told]
    minutes = np.broadcast_to(one.gust_period_min, one.time.shape)[mine].astype(np.float64)
    period = np.rint(minutes * 60).astype("timedelta64[s]")
    known = ~np.isnat(one.gust_time[mine])
    gusts[0][place] = one.gust_time[mine]
    gusts[1][place] = np.where(known, one.gust_time[mine], one.time[mine] - period)


def _rain(before: dict[str, Floats], rain: Floats, at: tuple[Ints, Ints], shape: tuple[int, int]) -> None:
    """Rain of the minutes before each report, over what reports before it told of them."""
    row, minute = np.nonzero(~np.isnan(rain))
    when = at[0][row] - (RAIN_MINUTES - 1) + minute
    place = at[1][row]
    use = (when >= 0) & (when < shape[0])
    if use.any():
        if MINUTE_RAIN not in before:
            before[MINUTE_RAIN] = np.full(shape, np.nan, dtype=np.float32)
        before[MINUTE_RAIN][when[use], place[use]] = rain[row[use], minute[use]]


def _dataset(
    values: Mapping[str, Floats],
    provider: Mapping[str, npt.NDArray[np.uint8]],
    gusts: tuple[Times, Times],
    network: Network,
    times: Times,
    moved: Iterable[str],
) -> xr.Dataset:
    variables: dict[str, tuple[tuple[str, str], npt.NDArray[np.generic], dict[str, str]]] = {}
    for element in ELEMENTS:
        if element.name in values:
            attrs = {"units": element.units, "long_name": element.long_name}
            if element.standard_name:
                attrs["standard_name"] = element.standard_name
            variables[element.name] = (REPORT, values[element.name], attrs)
        if element.name in provider:
            told = {"long_name": f"what the provider says of {element.name}"}
            variables[element.name + PROVIDER] = (REPORT, provider[element.name], told)
    variables["gust_time"] = (REPORT, gusts[0], {"long_name": "when the gust blew"})
    variables["gust_earliest"] = (REPORT, gusts[1], {"long_name": "earliest time at which it may have blown"})
    by_station: dict[str, Doubles | Ids] = {
        "lat": network.lat, "lon": network.lon, "elevation": network.elevation, "barometer": network.barometer,
        "elev_class": network.elev_class,
    }  # fmt: skip
    return xr.Dataset(
        variables,
        coords={
            TIME: times.astype("datetime64[ns]"),
            STATION: network.ids,
            **{name: (STATION, column) for name, column in by_station.items()},
            "moved": (STATION, np.isin(network.ids, sorted(moved))),
        },
    )
