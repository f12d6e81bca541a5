"""What ground stations near each storm report: gust, pressure jump, fall of temperature, theta-e deficit."""

from datetime import datetime
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from wxcore.grid import EARTH_RADIUS_M
from wxcore.times import to_datetime64

NEAR_KM = 20.0
"""Stations this near to the outline speak of the storm (DOMAIN.md 5.1, 5.2): outflow runs ahead of it."""

GUST_MIN = 30
"""Its gust blew in so many minutes (DOMAIN.md 5.1)."""

COLUMNS = (
    "stations_near", "gust_near_m_s", "gust_near_supported", "gust_near_witnesses", "pressure_jump_hpa",
    "temperature_drop_k", "theta_e_deficit_k",
)  # fmt: skip

LARGEST = {
    "pressure_jump_hpa": "pressure_jump_10min_hpa",
    "temperature_drop_k": "temperature_drop_k",
    "theta_e_deficit_k": "theta_e_deficit_k",
}
"""Column of schema.STORMS, column of schema.STATION_TABLE whose largest value it is."""

TOLD_GUST_M_S = 13.9
"""A gust that is told [m s-1]: Beaufort 7 (GB/T 28591)."""

BELIEVED = 2
"""Witnesses from which more make a gust no truer, only its size counts [our choice]."""

AIR = (
    "air_temperature", "dew_point_temperature", "relative_humidity", "air_pressure", "air_pressure_at_mean_sea_level",
)  # fmt: skip
"""A station of whose newest report one of these is doubted says nothing of the air: no jump, no fall, no deficit."""

DEGREE_KM = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)

Doubles = npt.NDArray[np.float64]


def storm_stations(storms: pd.DataFrame, table: pd.DataFrame, when: datetime) -> pd.DataFrame:
    """COLUMNS of schema.STORMS, one row a storm, with the index of `storms`; NaN where no station says anything.

    The gust: of those of TOLD_GUST_M_S and more the one with most witnesses (BELIEVED are enough; nobody to ask counts
    as half of one), then the largest: one absurd station must not hide a true gust, nor a breeze a doubted gale. Where
    none is so strong, the largest. A gust whose time nobody told is not counted: it may be older. Of the air, stations
    whose newest report is doubted (AIR) say nothing. A station may speak of several storms.

    Args:
        storms: schema.STORMS: polygon (lon, lat); rows without one are near to nothing.
        table: schema.STATION_TABLE of the same time.
        when: time of both, aware.

    Raises:
        TimeError: `when` is naive.
    """
    end = to_datetime64(when)
    result = pd.DataFrame(np.nan, index=storms.index, columns=list(COLUMNS), dtype=np.float64)
    result["stations_near"] = 0.0
    if storms.empty or table.empty:
        return result
    row, station = _near(storms, table)
    values: dict[str, Doubles] = {"stations_near": np.bincount(row, minlength=len(storms)).astype(np.float64)}
    doubted = np.array([any(flag.split(":")[0] in AIR for flag in flags) for flags in table["flags"]], dtype=np.bool_)
    for column, source in LARGEST.items():
        told = np.where(doubted, np.nan, table[source].to_numpy(dtype=np.float64))
        values[column] = np.full(len(storms), np.nan)
        np.fmax.at(values[column], row, told[station])
    gust, witnesses = (table[f"gust_30min_{name}"].to_numpy(dtype=np.float64) for name in ("m_s", "witnesses"))
    blew = table["gust_30min_time"].to_numpy().astype("datetime64[ns]")
    recent = np.isfinite(gust) & (blew >= end - np.timedelta64(GUST_MIN, "m")) & (blew <= end)
    rank = np.where(np.isnan(witnesses), 0.5, np.minimum(witnesses, BELIEVED))
    rank = np.where(gust >= TOLD_GUST_M_S, rank, -1.0)
    counted = recent[station]
    row, station = row[counted], station[counted]
    best_last = np.lexsort((gust[station], rank[station]))
    row, station = row[best_last], station[best_last]
    values["gust_near_m_s"], values["gust_near_witnesses"] = np.full((2, len(storms)), np.nan)
    values["gust_near_m_s"][row] = gust[station]
    values["gust_near_witnesses"][row] = witnesses[station]
    speaks = values["gust_near_witnesses"]
    values["gust_near_supported"] = np.where(np.isnan(speaks), np.nan, speaks >= 1)
    return result.assign(**values)


def _shifted(points: Doubles, *, origin: Doubles, scale: Doubles) -> Doubles:
    return (points - origin) * scale


def _near(storms: pd.DataFrame, table: pd.DataFrame) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pairs of rows of `storms` and `table` that are within NEAR_KM, on a plane about each storm's own latitude."""
    lat, lon = (table[name].to_numpy(dtype=np.float64) for name in ("lat", "lon"))
    rows, stations = [], []
    for row, outline in enumerate(storms["polygon"]):
        if outline is None or outline.is_empty:
            continue
        middle = outline.centroid
        scale = np.array([np.cos(np.deg2rad(middle.y)), 1.0]) * DEGREE_KM
        origin = np.array([middle.x, middle.y])
        on_plane = shapely.transform(outline, partial(_shifted, origin=origin, scale=scale))
        x, y = ((lon - middle.x + 180) % 360 - 180) * scale[0], (lat - middle.y) * scale[1]
        west, south, east, north = on_plane.bounds
        close = (x >= west - NEAR_KM) & (x <= east + NEAR_KM) & (y >= south - NEAR_KM) & (y <= north + NEAR_KM)
        some = np.flatnonzero(close)
        away = shapely.distance(on_plane, shapely.points(x[some], y[some]))
        found = some[np.asarray(away) <= NEAR_KM]
        stations.append(found)
        rows.append(np.full(found.size, row, dtype=np.intp))
    if not rows:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    return np.concatenate(rows), np.concatenate(stations)
