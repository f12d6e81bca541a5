"""Fields of a model at the points of a box, and the mean profile of them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from wxcore.environment.build import GRAVITY, Level, Place, profile
from wxcore.environment.heights import crossing, saturation_vapour_pressure
from wxcore.environment.profile import Doubles, Profile

SPREAD_POINTS = 200
"""Points of the box at which the 0 C height is looked for, evenly through it [our choice]."""

GROUND_GAP_HPA = 1.0
"""Levels nearer to the mean ground's pressure than this are left [our choice]."""

MIN_COVER = 0.25
"""A level needs this share of the box's points with temperature above the ground [our choice]: a few valleys are not
the box."""


class Field(Enum):
    """What a message is."""

    TEMPERATURE = auto()
    HEIGHT = auto()
    GEOPOTENTIAL = auto()
    RELATIVE_HUMIDITY = auto()
    SPECIFIC_HUMIDITY = auto()
    DEW_POINT = auto()
    U = auto()
    V = auto()
    PRESSURE = auto()


@dataclass
class Cube:
    """Fields of one run and valid time: (n_points,) f8 in GRIB's units [K, m, m2 s-2, %, kg kg-1, m s-1, Pa]."""

    levels: dict[float, dict[Field, Doubles]] = field(default_factory=dict)
    ground: dict[Field, Doubles] = field(default_factory=dict)

    def add(self, kind: Field, pressure_hpa: float, values: Doubles) -> None:
        """One more field (NaN: of the ground); of two the first counts.

        Raises:
            ValueError: another number of points than the fields before.
        """
        fields = self.ground if np.isnan(pressure_hpa) else self.levels.setdefault(pressure_hpa, {})
        sizes = {one.size for row in (self.ground, *self.levels.values()) for one in row.values()}
        if sizes - {values.size}:
            raise ValueError("fields of one time on different grids")
        fields.setdefault(kind, values)


def mean_profile(
    cube: Cube, valid: datetime, lat: float, lon: float, title: str
) -> tuple[Profile, tuple[str, ...]] | str:
    """The mean over the points, and remarks; or the reason for which there is none.

    Of each level the mean of the points above whose ground it lies; levels below the mean ground are left out, and the
    mean ground is the lowest level, where the model tells its pressure and temperature.
    """
    ground = _ground(cube)
    remarks = () if Field.PRESSURE in cube.ground else ("no surface pressure: levels below the ground may be in it",)
    levels = [] if ground is None else [ground]
    for pressure, fields in cube.levels.items():
        if Field.TEMPERATURE not in fields:
            continue
        under = _under(cube, pressure)
        temperature = np.where(under, np.nan, fields[Field.TEMPERATURE] - 273.15)
        covered = np.isfinite(temperature).mean()
        if covered < MIN_COVER or (ground is not None and pressure > ground.pressure - GROUND_GAP_HPA):
            continue
        columns = (_height(fields), temperature, dew_point(fields, pressure), *_wind(fields))
        levels.append(Level(pressure, *(_mean(column, under) for column in columns)))
    made = profile(levels, Place(valid, lat, lon, title))
    return made if isinstance(made, str) else (made[0], (*made[1], *remarks))


def spread_h0(cube: Cube) -> float:
    """Highest minus lowest 0 C height of the points [m], NaN where no two points tell."""
    pressures = sorted((p for p, fields in cube.levels.items() if Field.TEMPERATURE in fields), reverse=True)
    if not pressures:
        return np.nan
    size = cube.levels[pressures[0]][Field.TEMPERATURE].size
    points = np.unique(np.linspace(0, size - 1, min(size, SPREAD_POINTS)).astype(np.intp))
    above = np.array([~_under(cube, p)[points] for p in pressures])
    temperature = np.array([cube.levels[p][Field.TEMPERATURE][points] - 273.15 for p in pressures])
    height = np.array([_height(cube.levels[p])[points] for p in pressures])
    pressure = np.array(pressures)
    found = []
    for point in range(points.size):
        use = above[:, point] & np.isfinite(temperature[:, point]) & np.isfinite(height[:, point])
        if use.sum() > 1:
            found.append(crossing(pressure[use], height[use, point], temperature[use, point], 0.0)[0])
    told = np.array(found)[np.isfinite(found)] if found else np.empty(0)
    return float(told.max() - told.min()) if told.size > 1 else np.nan


def _ground(cube: Cube) -> Level | None:
    """The mean ground, None where pressure or temperature is not told."""
    fields = cube.ground
    if Field.PRESSURE not in fields or Field.TEMPERATURE not in fields:
        return None
    pressure = _mean(fields[Field.PRESSURE]) / 100
    columns = (_height(fields), fields[Field.TEMPERATURE] - 273.15, dew_point(fields, pressure), *_wind(fields))
    level = Level(pressure, *(_mean(column) for column in columns))
    return level if np.isfinite(level.pressure + level.temperature) else None


def _under(cube: Cube, pressure: float) -> npt.NDArray[np.bool_]:
    """At which points the level is below the ground (by the ground's pressure, else by its height; else nowhere)."""
    fields = cube.levels[pressure]
    size = next(iter(fields.values())).size
    if Field.PRESSURE in cube.ground:
        return np.asarray(pressure * 100 > cube.ground[Field.PRESSURE])
    ground = _height(cube.ground)
    return np.asarray(_height(fields) < ground) if ground.size else np.zeros(size, np.bool_)


def _height(fields: dict[Field, Doubles]) -> Doubles:
    """[m]; NaN where there is neither height nor geopotential; empty where there is no field at all."""
    if Field.HEIGHT in fields:
        return fields[Field.HEIGHT]
    if Field.GEOPOTENTIAL in fields:
        return fields[Field.GEOPOTENTIAL] / GRAVITY
    return np.full(next(iter(fields.values())).size if fields else 0, np.nan)


def _wind(fields: dict[Field, Doubles]) -> tuple[Doubles, Doubles]:
    nothing = np.full(next(iter(fields.values())).size, np.nan)
    return fields.get(Field.U, nothing), fields.get(Field.V, nothing)


def dew_point(fields: dict[Field, Doubles], pressure: float) -> Doubles:
    """Dew point over water [degC] from dew point [K], specific humidity [kg kg-1] or relative humidity [%], as it is
    there; NaN where none is (Bolton 1980, eq. 10 and 11)."""
    temperature = fields[Field.TEMPERATURE]
    if Field.DEW_POINT in fields:
        return fields[Field.DEW_POINT] - 273.15
    if Field.SPECIFIC_HUMIDITY in fields:
        humidity = fields[Field.SPECIFIC_HUMIDITY]
        vapour = humidity * pressure / (0.622 + 0.378 * humidity)
    elif Field.RELATIVE_HUMIDITY in fields:
        vapour = fields[Field.RELATIVE_HUMIDITY] / 100 * saturation_vapour_pressure(temperature - 273.15)
    else:
        return np.full(temperature.size, np.nan)
    logarithm = np.log(np.where(vapour > 1e-6, vapour, np.nan) / 6.112)
    found: Doubles = 243.5 * logarithm / (17.67 - logarithm)
    return found


def _mean(column: Doubles, left_out: npt.NDArray[np.bool_] | None = None) -> float:
    use = np.isfinite(column) if left_out is None else np.isfinite(column) & ~left_out
    return float(column[use].mean()) if use.any() else np.nan
