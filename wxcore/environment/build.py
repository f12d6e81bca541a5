"""From the levels that a file gives to a Profile: sorted, merged, checked, missing heights filled."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from wxcore.environment.heights import saturation_vapour_pressure
from wxcore.environment.profile import Doubles, Profile

KNOT_M_S = 1852 / 3600
"""One knot [m s-1]."""

MIN_LEVELS = 5
"""Fewest levels with pressure and temperature of a profile [our choice]: the ground, 850, 700, 500, 400 hPa."""

MAX_LEVELS = 20_000
"""Most levels of one sounding [our choice]: two hours of one-second data are 7,200."""

PRESSURES_HPA = (0.5, 1100.0)
"""Pressures outside of these are no level of the air."""

DRY_GAS_CONSTANT, GRAVITY = 287.05, 9.80665
"""[J kg-1 K-1], [m s-2], WMO-No. 8."""

HEIGHT_TOLERANCE_M, HEIGHT_TOLERANCE_SHARE = 200.0, 0.05
"""A stated height that departs further than this (plus that share of the depth) from what pressure and temperature give
is an error [our choice]: levels 100 hPa apart without humidity are good to about 2 %."""

FILLED = "heights that lack are computed from pressure and temperature (hypsometric equation)"
TOO_FEW, NO_HEIGHT, BAD_HEIGHTS = "fewer than 5 levels with temperature", "no height", "heights contradict pressures"


@dataclass(frozen=True)
class Place:
    """Whose profile it is; units as in Profile."""

    time: datetime
    lat: float
    lon: float
    name: str


@dataclass
class Level:
    """One level as a file gives it; units as in Profile; NaN where it is missing."""

    pressure: float
    height: float = np.nan
    temperature: float = np.nan
    dew_point: float = np.nan
    u: float = np.nan
    v: float = np.nan


def wind(direction: float, speed: float) -> tuple[float, float]:
    """(u, v) [m s-1] of a wind from `direction` [deg]; calm is (0, 0) whatever its direction; NaN where unknown."""
    if speed == 0:
        return 0.0, 0.0
    if not 0 <= direction <= 360 or not 0 <= speed <= 200:
        return np.nan, np.nan
    angle = np.deg2rad(direction)
    return float(-speed * np.sin(angle)), float(-speed * np.cos(angle))


def profile(levels: Iterable[Level], place: Place) -> tuple[Profile, tuple[str, ...]] | str:
    """The profile and remarks, or the reason for which there is none.

    Levels of one pressure become one (what the first lacks comes from the next). A level without temperature keeps its
    wind. Heights that lack are filled between and beyond the known ones by the hypsometric equation with virtual
    temperature (dry where humidity lacks); a stated height that contradicts it is replaced.
    """
    table = _merged(levels)
    known = np.isfinite(table[:, 2])
    if known.sum() < MIN_LEVELS:
        return TOO_FEW
    inside = (table[:, 0] <= table[known, 0].max()) & (table[:, 0] >= table[known, 0].min())
    table = table[inside]  # a wind below the lowest or above the highest temperature has no height
    if not np.isfinite(table[:, 1]).any():
        return NO_HEIGHT
    height, wrong, filled = _heights(table)
    if wrong > np.isfinite(table[:, 1]).sum() // 3:
        return BAD_HEIGHTS
    keep = np.concatenate([[True], np.diff(np.maximum.accumulate(height)) > 0])
    table, height = table[keep], height[keep]
    remarks = ((FILLED,) if filled else ()) + ((f"{wrong} heights that contradict pressure replaced",) if wrong else ())
    pressure, _, temperature, dew_point, u, v = (np.ascontiguousarray(column) for column in table.T)
    if np.isfinite(temperature).sum() < MIN_LEVELS:
        return TOO_FEW
    made = Profile(pressure, height, temperature, dew_point, u, v, place.time, place.lat, place.lon, place.name)
    return made, remarks


def _merged(levels: Iterable[Level]) -> Doubles:
    """(n, 6) pressure, height, temperature, dew point, u, v; pressure strictly falling."""
    rows: dict[float, list[float]] = {}
    for level in levels:
        if not PRESSURES_HPA[0] <= level.pressure <= PRESSURES_HPA[1] or len(rows) >= MAX_LEVELS:
            continue
        temperature = level.temperature if -120 <= level.temperature <= 60 else np.nan
        dew_point = level.dew_point if -150 <= level.dew_point <= 60 else np.nan
        height = level.height if -1000 <= level.height <= 60_000 else np.nan
        dew_point = min(dew_point, temperature) if np.isfinite(dew_point + temperature) else np.nan
        row = [level.pressure, height, temperature, dew_point, level.u, level.v]
        earlier = rows.setdefault(level.pressure, row)
        for column, value in enumerate(row):
            if np.isnan(earlier[column]):
                earlier[column] = value
    return np.array([rows[pressure] for pressure in sorted(rows, reverse=True)], dtype=np.float64).reshape(-1, 6)


def _heights(table: Doubles) -> tuple[Doubles, int, bool]:
    """Heights of all levels, how many stated ones are wrong, and whether any was computed."""
    pressure, stated, temperature, dew_point = table.T[:4]
    log_p, known = np.log(pressure), np.isfinite(temperature)
    kelvin = np.interp(-log_p, -log_p[known], virtual_temperature(pressure, temperature, dew_point)[known])
    thickness = -DRY_GAS_CONSTANT / GRAVITY * (kelvin[1:] + kelvin[:-1]) / 2 * np.diff(log_p)
    computed = np.concatenate([[0.0], np.cumsum(thickness)])
    given = np.isfinite(stated)
    departure = stated[given] - computed[given]
    middle = float(np.median(departure))
    allowed = HEIGHT_TOLERANCE_M + HEIGHT_TOLERANCE_SHARE * computed[given]
    good = np.abs(departure - middle) <= allowed
    if not good.any():
        return computed, int(given.sum()), True
    anchors = np.flatnonzero(given)[good]
    height = computed + np.interp(computed, computed[anchors], stated[anchors] - computed[anchors])
    height[anchors] = stated[anchors]
    return height, int((~good).sum()), anchors.size < table.shape[0]


def virtual_temperature(pressure: Doubles, temperature: Doubles, dew_point: Doubles) -> Doubles:
    """Virtual temperature [K] of [hPa], [degC], [degC]; temperature itself where the dew point is NaN."""
    vapour = np.minimum(saturation_vapour_pressure(dew_point), pressure / 2)
    ratio = np.nan_to_num(0.622 * vapour / (pressure - vapour))
    kelvin: Doubles = (temperature + 273.15) * (1 + ratio / 0.622) / (1 + ratio)
    return kelvin
