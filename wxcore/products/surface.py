"""What the last two hours say at each ground station: gust, pressure jump, fall of temperature, theta-e, wind, rain."""

from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from wxcore.products.diurnal import pressure_tide
from wxcore.products.theta_e import dew_point, theta_e
from wxcore.schema import (
    ELEMENT_NAMES,
    QC_BAD,
    QC_GOOD,
    QC_MISSING,
    QC_REASONS,
    QC_SUSPECT,
    STATION_TABLE,
    qc_name,
    reason_name,
)
from wxcore.station.analysis import MINUTE, Recent
from wxcore.station.qc_sheet import GUST_WITNESSES

SLACK_MIN = 5
"""A report of an hour before may be so much earlier or later [our choice]: five-minute series, aviation reports."""

GUST_MIN = 60
"""A gust that blew earlier is not of the last hour."""

HALF_MIN = 30
"""A storm's gust is not older (DOMAIN.md 5.1)."""

SHORT_PERIOD_MIN = 10
"""A gust of a period not longer than this blew when it was reported [our choice]."""

JUMP_MIN = 10
"""A pressure jump is the largest rise within so many minutes (DOMAIN.md 2.6)."""

WIND_SHIFT_DEG = 45.0
"""Turn of the wind from which it is a shift (DOMAIN.md 2.6)."""

BEFORE_VALUES = 3
"""Values of theta-e, of 1 to 2 hours before, that make a median; one does where the source reports rarely."""

RARE_MIN = 20
"""A source whose values are never closer than this reports rarely."""

RAIN_MINUTES = 48
"""Minutes of the last 60 that must be known to make an hour's rain [our choice]: 80 %."""

FLAT_M = 300.0
"""Below this elevation pressure at sea level stands in for that of the station [our choice]: above it, the reduction
with the temperature at the station turns a cold outflow of 10 K into a rise of more than 1 hPa."""

THETA_E_K = (200.0, 450.0)
"""Values outside are of absurd observations (schema.STATION_TABLE)."""

NOT_A_TIME = np.datetime64("NaT", "ns")

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]


def station_table(obs: xr.Dataset, when: datetime) -> pd.DataFrame:
    """schema.STATION_TABLE: a row for each station that reported in the last 70 minutes, in the order of `obs`.

    Bad values are used nowhere. Of gusts, suspect ones count and carry their flag; everything else has no flag of its
    own and comes from good values only.

    - Gust: the largest of which the report says that it blew in the last hour: by its time, else by the earliest time
      at which it may have blown. A gust that hourly records repeat counts once, as its newest report has it; one that
      is bad in any report of it is bad in all. Witnesses: the most that any report of it has; 0 where its newest report
      is not good. The same of the last half hour, only of gusts of which the time is told.
    - Pressure: solar tides removed. Jump: largest rise in 10 minutes of the last hour; change: against an hour before.
    - Temperature: largest fall within the hour that ends with the newest value; two values at least.
    - Theta-e: dew point from humidity where it lacks, pressure from the elevation (standard atmosphere) where that
      lacks. Before: median of 1 to 2 hours before.
    - Wind shift: between the means of ten minutes now and an hour before; 0 where it turned by less than
      WIND_SHIFT_DEG or did not grow, NaN where either is unknown or calm.
    - Rain: sum of the minutes, else from what fell since the full hour.

    Args:
        obs: (time, station) after quality control, a row each minute (station.series).
        when: aware; later rows are not used.

    Raises:
        TimeError: `when` is naive. SchemaError: rows of `obs` are not each a minute.
    """
    recent = Recent(obs, when)
    newest = recent.newest(_reported(recent, obs.sizes["station"]))
    if not recent.rows.size or not (newest >= 0).any():
        return _empty()
    station = {name: obs[name].to_numpy() for name in ("station", "lat", "lon", "elevation")}
    pressure = _tideless(recent, station)
    jump, change = _pressure(recent, pressure)
    now, deficit = _theta_e(recent, station["elevation"].astype(np.float64))
    columns: dict[str, npt.NDArray[np.generic]] = {
        "station_id": station["station"].astype(object),
        "time": recent.rows[newest],
        "lat": station["lat"].astype(np.float64),
        "lon": station["lon"].astype(np.float64),
        "elevation_m": station["elevation"].astype(np.float64),
        **_gusts(recent, newest.size),
        "pressure_jump_10min_hpa": jump,
        "pressure_change_1h_hpa": change,
        "temperature_drop_k": _fall(recent, recent.good("air_temperature")),
        "theta_e_k": now,
        "theta_e_deficit_k": deficit,
        "wind_shift_deg": _wind_shift(recent),
        "rain_1h_mm": _rain(recent),
        "flags": _flags(recent, newest),
    }
    table = pd.DataFrame({column.name: columns[column.name] for column in STATION_TABLE})
    return table[newest >= 0].reset_index(drop=True)


def _empty() -> pd.DataFrame:
    kinds = {"str": "object", "float": "f8", "int": "i8", "time": "datetime64[ns]", "object": "object"}
    return pd.DataFrame({column.name: pd.Series(dtype=kinds[column.kind]) for column in STATION_TABLE})


def _reported(recent: Recent, stations: int) -> Bools:
    """(time, station): did it report anything? Only the last `recent.minutes` rows are looked at."""
    some = np.zeros((recent.rows.size, stations), dtype=bool)
    last = slice(recent.rows.size - recent.minutes, None)
    for name in ELEMENT_NAMES:
        values = recent.raw(name)
        if values is not None:
            some[last] |= ~np.isnan(values[last].astype(np.float32, copy=False))
    return some


def _ended(values: npt.NDArray[np.floating], row: Ints) -> npt.NDArray[np.floating]:
    """The same with each station's column moved, such that the row given is the last; all NaN where that is -1."""
    last = values.shape[0] - 1
    moved = np.flatnonzero(row != last)
    if not moved.size:
        return values
    source = np.arange(last + 1)[:, np.newaxis] - (last - row[moved])
    taken = np.take_along_axis(values[:, moved], np.maximum(source, 0), axis=0)
    out = values.copy()
    out[:, moved] = np.where((source >= 0) & (row[moved] >= 0), taken, np.nan)
    return out


def _at_newest(recent: Recent, values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """`_ended` at each station's newest value."""
    return _ended(values, recent.newest(np.isfinite(values)))


def _gusts(recent: Recent, stations: int) -> dict[str, npt.NDArray[np.generic]]:
    last = slice(recent.rows.size - recent.minutes, None)
    shape = (recent.minutes, stations)
    values, flags = recent.raw("wind_speed_of_gust"), recent.raw(qc_name("wind_speed_of_gust"))
    counts = recent.raw(GUST_WITNESSES)
    told = np.full(shape, np.nan) if values is None else values[last].astype(np.float64)
    flag = np.zeros(shape, dtype=np.int64) if flags is None else flags[last].astype(np.int64)
    witnesses = np.full(shape, np.nan) if counts is None else counts[last].astype(np.float64)
    time, current = _blew(recent, last, shape)
    direction = recent.good("wind_gust_from_direction")[last]
    row, found = _gust(told, time, flag, witnesses, current)
    half = slice(recent.minutes - recent.count(HALF_MIN), None)  # it was not reported before it blew
    late_time = time[half]
    counted = (late_time >= recent.end - HALF_MIN * MINUTE) & (late_time <= recent.end)
    late = _gust(told[half], late_time, flag[half], witnesses[half], counted)[1]
    speaks = found["witnesses"].astype(np.float64)
    return {
        "gust_m_s": found["m_s"], "gust_time": found["time"], "gust_flag": found["flag"], "gust_witnesses": speaks,
        "gust_from_deg": np.where(row >= 0, direction[row, np.arange(stations)], np.nan).astype(np.float64),
        "gust_supported": np.where(np.isnan(speaks), np.nan, speaks >= 1),
        **{f"gust_30min_{name}": column for name, column in late.items()},
    }  # fmt: skip


def _gust(
    told: Doubles, time: Times, flag: Ints, witnesses: Doubles, counted: Bools
) -> tuple[Ints, dict[str, npt.NDArray[np.generic]]]:
    """Each station's largest gust of those that are counted: the row of its newest report (-1 none), and what of it."""
    row, same = _largest(np.where(counted, told, np.nan), time, flag == QC_BAD)
    column, there = np.arange(row.size), row >= 0
    verdict: Ints = np.where(there, flag[row, column], np.int64(QC_MISSING)).astype(np.int64)
    most = np.fmax.reduce(np.where(same, witnesses, np.nan), axis=0)
    return row, {
        "m_s": np.where(there, told[row, column], np.nan),
        "time": np.where(there, time[row, column], NOT_A_TIME),
        "flag": verdict,
        "witnesses": np.minimum(most, np.where(verdict == QC_GOOD, np.inf, 0.0)),
    }


def _blew(recent: Recent, last: slice, shape: tuple[int, int]) -> tuple[Times, Bools]:
    """When each gust blew (NaT unknown), and whether that was in the hour before `recent.end`: (time, station)."""
    unknown = np.full(shape, NOT_A_TIME)
    time, earliest = (
        unknown if values is None else values[last].astype("datetime64[ns]")
        for values in (recent.raw("gust_time"), recent.raw("gust_earliest"))
    )
    reported = np.broadcast_to(recent.rows[last, np.newaxis], shape)
    short = np.isnat(time) & (reported - earliest <= SHORT_PERIOD_MIN * MINUTE)
    time = np.where(short, reported, time)
    at_least = np.where(np.isnat(time), np.where(np.isnat(earliest), reported, earliest), time)
    return time, (at_least >= recent.end - GUST_MIN * MINUTE) & (at_least <= recent.end)


def _largest(left: Doubles, time: Times, bad: Bools) -> tuple[Ints, Bools]:
    """Newest report of each station's largest gust that no report of it calls bad: row (-1 none), and all its reports.

    Args:
        left: (time, station) gusts, NaN what does not count; time: when they blew; bad: verdicts.
    """
    rows, column = np.arange(left.shape[0])[:, np.newaxis], np.arange(left.shape[1])
    while True:
        best = np.fmax.reduce(left, axis=0)
        row = np.where(left == best, rows, -1).max(axis=0)
        same = (row >= 0) & (left == best) & ((time == time[row, column]) | (rows == row))
        condemned = same & (same & bad).any(axis=0)
        if not condemned.any():
            return row, same
        left = np.where(condemned, np.nan, left)


def _tideless(recent: Recent, station: dict[str, npt.NDArray[np.generic]]) -> Floats:
    """Pressure without solar tides [hPa], (time, station): at the station, else at sea level where it lies low."""
    at_station, at_sea = recent.good("air_pressure"), recent.good("air_pressure_at_mean_sea_level")
    stand_in = ~np.isfinite(at_station).any(axis=0) & (station["elevation"].astype(np.float64) <= FLAT_M)
    told = np.where(stand_in, at_sea, at_station) if stand_in.any() else at_station
    lat, lon = station["lat"].astype(np.float64), station["lon"].astype(np.float64)
    return (told - pressure_tide(recent.rows, lat, lon)).astype(np.float32)


def _pressure(recent: Recent, pressure: Floats) -> tuple[Doubles, Doubles]:
    """Largest rise in JUMP_MIN of the last hour, and change in an hour [hPa]: (station,)."""
    jump, size = np.full(pressure.shape[1], np.nan, dtype=np.float32), pressure.shape[0]
    for lag in range(1, JUMP_MIN + 1):
        first = max(size - recent.count(60), lag)
        if first < size:
            rises = pressure[first:] - pressure[first - lag : size - lag]
            jump = np.fmax(jump, np.fmax.reduce(rises, axis=0))
    ended = _at_newest(recent, pressure)
    return jump.astype(np.float64), (ended[-1] - _hour_before(ended)).astype(np.float64)


def _hour_before(ended: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """(station,) value nearest to an hour before the last row, at most SLACK_MIN from it; NaN where none is."""
    found = np.full(ended.shape[1], np.nan, dtype=ended.dtype)
    for off in sorted(range(-SLACK_MIN, SLACK_MIN + 1), key=abs):
        row = ended.shape[0] - 61 - off
        if row >= 0:
            found = np.where(np.isnan(found), ended[row], found)
    return found


def _fall(recent: Recent, celsius: Floats) -> Doubles:
    """Largest fall within the hour that ends with the newest value [K]; NaN where there are not two values."""
    hour = _at_newest(recent, celsius)[-61 - SLACK_MIN :]
    fall = np.fmax.reduce(np.fmax.accumulate(hour, axis=0) - hour, axis=0)
    return np.where(np.isfinite(hour).sum(axis=0) >= 2, fall, np.nan).astype(np.float64)


def _theta_e(recent: Recent, elevation: Doubles) -> tuple[Doubles, Doubles]:
    """Theta-e of the newest values and its deficit against 1 to 2 hours before [K]: (station,)."""
    names = ("air_pressure", "air_temperature", "dew_point_temperature", "relative_humidity")
    pressure, celsius, dew, humidity = (recent.good(name) for name in names)
    known = np.isfinite(celsius) & (np.isfinite(dew) | np.isfinite(humidity))
    row = recent.newest(known)
    rare = _rare(known)
    usual = _at_newest(recent, pressure)[-1].astype(np.float64)
    standard = 1013.25 * (1 - 2.25577e-5 * elevation) ** 5.25588  # ICAO standard atmosphere
    stand_in = np.where(np.isfinite(usual), usual, standard)
    ended = [_ended(field, row) for field in (pressure, celsius, dew, humidity)]
    now = _of_known(tuple(field[-1:] for field in ended), stand_in)[0]
    before = _of_known(tuple(field[-121 - SLACK_MIN : -60 + SLACK_MIN] for field in ended), stand_in)
    ordered = np.sort(before, axis=0)
    count = np.isfinite(ordered).sum(axis=0)
    enough = count >= np.where(rare, 1, BEFORE_VALUES)
    column = np.arange(row.size)
    if not ordered.size:
        return now, np.full(row.size, np.nan)
    middle = (ordered[np.maximum(count - 1, 0) // 2, column] + ordered[count // 2 % ordered.shape[0], column]) / 2
    return now, np.where(enough, middle - now, np.nan)


def _rare(known: Bools) -> Bools:
    """(station,): are no two values closer than RARE_MIN?"""
    row = np.arange(known.shape[0], dtype=np.int32)[:, np.newaxis]
    seen = np.maximum.accumulate(np.where(known, row, -RARE_MIN), axis=0)
    close = known[1:] & (row[1:] - seen[:-1] < RARE_MIN)
    return np.asarray(~close.any(axis=0), dtype=np.bool_)


def _of_known(fields: tuple[npt.NDArray[np.floating], ...], stand_in: Doubles) -> Doubles:
    """theta_e of (pressure, temperature, dew point, humidity), each (time, station), where they are known; NaN where
    the result is absurd. stand_in: (station,) pressure where it lacks."""
    pressure, celsius, dew, humidity = fields
    out = np.full(celsius.shape, np.nan)
    cell = np.nonzero(np.isfinite(celsius) & (np.isfinite(dew) | np.isfinite(humidity)))
    p, t, td, rh = (field[cell].astype(np.float64) for field in (pressure, celsius, dew, humidity))
    lacking = np.isnan(td)
    td[lacking] = dew_point(t[lacking], rh[lacking])
    found = theta_e(np.where(np.isnan(p), stand_in[cell[1]], p), t, td)
    out[cell] = np.where((found >= THETA_E_K[0]) & (found <= THETA_E_K[1]), found, np.nan)
    return out


def _wind_shift(recent: Recent) -> Doubles:
    """(station,) [deg]: see `station_table`."""
    speeds, directions = [], []
    for name in ("wind_speed_10min", "wind_speed"):
        speeds.append(recent.good(name))
        directions.append(recent.good(name.replace("speed", "from_direction")))
    ten = np.isfinite(speeds[0]).any(axis=0)
    if ten.all():
        speed, direction = speeds[0], directions[0]
    else:
        speed, direction = np.where(ten, speeds[0], speeds[1]), np.where(ten, directions[0], directions[1])
    speed = np.where(np.isfinite(direction) | (speed == 0), speed, np.float32(np.nan))
    row = recent.newest(np.isfinite(speed))
    speed, direction = _ended(speed, row), _ended(direction, row)
    means = []
    for rows in (slice(-JUMP_MIN, None), slice(-60 - JUMP_MIN - SLACK_MIN, -60 + SLACK_MIN)):
        of, angle = speed[rows].astype(np.float64), np.deg2rad(direction[rows].astype(np.float64))
        count = np.maximum(np.isfinite(of).sum(axis=0), 1)
        there = np.isfinite(of).any(axis=0)
        means.append(tuple(
            np.where(there, np.nansum(part, axis=0) / count, np.nan)
            for part in (of, of * np.sin(angle), of * np.cos(angle))  # a calm has no direction
        ))  # fmt: skip
    (now, u, v), (before, u0, v0) = means
    blowing = (np.hypot(u, v) > 0) & (np.hypot(u0, v0) > 0)
    turn = np.abs(np.rad2deg(np.arctan2(u * v0 - v * u0, u * u0 + v * v0)))
    shift = np.where((now > before) & (turn >= WIND_SHIFT_DEG), turn, 0.0)
    return np.where(blowing, shift, np.nan)


def _rain(recent: Recent) -> Doubles:
    """Precipitation of the last hour [mm], (station,): see `station_table`."""
    hour = recent.good("precipitation_1min")[recent.rows.size - recent.count(59) :]
    minutes = np.isfinite(hour).sum(axis=0)
    total = np.where(minutes >= RAIN_MINUTES, np.nansum(hour, axis=0), np.nan)
    since = recent.good("precipitation_1h")
    row = recent.newest(np.isfinite(since))
    ended = _ended(since, row).astype(np.float64)
    past_hour = ((recent.rows[row] - recent.rows[row].astype("datetime64[h]")) // MINUTE).astype(np.int64)
    column = np.arange(row.size)
    full_hour = ended.shape[0] - 1 - past_hour
    whole = np.where(full_hour >= 0, ended[np.maximum(full_hour, 0), column], np.nan)
    earlier = ended[-61] if ended.shape[0] > 60 else np.full(row.size, np.nan)
    rest = np.where((past_hour > 0) & np.isfinite(whole - earlier), np.maximum(whole - earlier, 0.0), 0.0)
    return np.where(np.isnan(total), ended[-1] + rest, total).astype(np.float64)


def _flags(recent: Recent, newest: Ints) -> npt.NDArray[np.object_]:
    """(station,) of tuples element:reason of what is suspect or bad in the newest report."""
    found: list[list[str]] = [[] for _ in range(newest.size)]
    column = np.arange(newest.size)
    for name in ELEMENT_NAMES:
        flags, reasons = recent.raw(qc_name(name)), recent.raw(reason_name(name))
        if flags is None:
            continue
        verdict = flags[newest, column]
        for station in np.flatnonzero((newest >= 0) & ((verdict == QC_SUSPECT) | (verdict == QC_BAD))):
            bits = 0 if reasons is None else int(reasons[newest[station], station])
            said = [reason for bit, reason in QC_REASONS if bits & bit] or ["unsaid"]
            found[station] += [f"{name}:{reason}" for reason in said]
    out = np.empty(newest.size, dtype=object)
    out[:] = [tuple(each) for each in found]
    return out
