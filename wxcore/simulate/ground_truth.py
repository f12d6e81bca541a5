"""The simulated air as a column over any height, and an hour of what stations truly feel, minute by minute."""

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wxcore.environment.build import DRY_GAS_CONSTANT, GRAVITY, virtual_temperature
from wxcore.region import Station
from wxcore.simulate.fields import Ground, ground
from wxcore.simulate.minutes import time_of
from wxcore.simulate.scene import Air, Doubles, World

LOWEST_M, HIGHEST_M, STEP_M = -500.0, 32_000.0, 20.0
"""The column for which pressure is known."""

MIXED, DRY_K, DRIEST_K = 0.25, 10.0, 18.0
"""Depression of the dew point [our choice]: half that of the ground at this part of the way to 0 C (the cloud base),
this at 0 C and at the tropopause: a moist layer below, dry air in the middle that makes outflows."""

BEFORE_MIN = 8
"""Minutes of the hour before of which the ten-minute wind of the hour's first minute is."""


@dataclass(frozen=True, eq=False)
class Places:
    """Of stations, (n,) each: lon, lat [deg]; elevation, barometer [m ASL]."""

    lon: Doubles
    lat: Doubles
    elevation: Doubles
    barometer: Doubles


@lru_cache(maxsize=8)
def places(stations: tuple[Station, ...]) -> Places:
    """Columns of the stations."""
    rows = np.array([(one.lon, one.lat, one.elevation_m, one.barometer_m) for one in stations]).reshape(-1, 4)
    rows[:, 3] = np.where(np.isnan(rows[:, 3]), rows[:, 2], rows[:, 3])
    return Places(*(np.ascontiguousarray(column) for column in rows.T))


def felt(world: World, stations: tuple[Station, ...], hour: int) -> Ground:
    """An hour (since 1970) and the minutes before it, at the stations: (68 + 1, n).

    Row BEFORE_MIN + k is the minute that ends k minutes after the hour began, k = 1 ... 60.
    """
    where = places(stations)
    first = 60 * hour - BEFORE_MIN
    minutes = [ground(world, where.lon, where.lat, time_of(first + row)) for row in range(BEFORE_MIN + 61)]
    return Ground(*(np.stack([getattr(one, item.name) for one in minutes]) for item in fields(Ground)))


def temperature_c(air: Air, height_m: npt.ArrayLike) -> Doubles:
    """Air temperature [degC] at heights ASL; below the ground of `air` by the lapse above it."""
    height = np.asarray(height_m, dtype=np.float64)
    lapse = air.ground_c / (air.h0_m - air.ground_m)
    return np.asarray(air.temperature_c(height) + lapse * np.maximum(air.ground_m - height, 0))


def dew_point_c(air: Air, height_m: npt.ArrayLike) -> Doubles:
    """Dew point [degC] at heights ASL: see MIXED."""
    depression = air.ground_c - air.dew_point_c
    heights = (air.ground_m, air.ground_m + MIXED * (air.h0_m - air.ground_m), air.h0_m, air.tropopause_m)
    depressions = np.interp(np.asarray(height_m), heights, (depression, depression / 2, DRY_K, DRIEST_K))
    return np.asarray(temperature_c(air, height_m) - depressions)


def pressure_hpa(air: Air, height_m: npt.ArrayLike) -> Doubles:
    """Pressure [hPa] at heights ASL (LOWEST_M to HIGHEST_M): the hypsometric equation with virtual temperature."""
    heights, log_p = _column(air)
    return np.asarray(np.exp(np.interp(np.asarray(height_m), heights, log_p)))


def height_m(air: Air, pressure: npt.ArrayLike) -> Doubles:
    """Height ASL [m] of pressures [hPa], the inverse of `pressure_hpa`."""
    heights, log_p = _column(air)
    return np.asarray(np.interp(-np.log(np.asarray(pressure)), -log_p, heights))


@lru_cache(maxsize=8)
def _column(air: Air) -> tuple[Doubles, Doubles]:
    heights = np.arange(LOWEST_M, HIGHEST_M + STEP_M, STEP_M)
    celsius, dew_point = temperature_c(air, heights), dew_point_c(air, heights)
    kelvin = celsius + 273.15
    log_p = np.zeros(heights.size)
    for _ in range(3):  # humidity is known once pressure is: dry first, then to 0.01 hPa
        slope = GRAVITY / DRY_GAS_CONSTANT / kelvin
        fall = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * STEP_M)])
        log_p = np.log(air.ground_hpa) + np.interp(air.ground_m, heights, fall) - fall
        kelvin = virtual_temperature(np.exp(log_p), celsius, dew_point)
    return heights, log_p
