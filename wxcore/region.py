"""A Region: grid, radars, satellites, districts, rules and temperature levels, read from station_meta/<id>/.

A region is data only: adding one needs no code (station_meta/README.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from shapely.geometry.base import BaseGeometry

from wxcore.grid import Grid


@dataclass(frozen=True)
class RadarSite:
    """One row of radars.csv. `band` is S, C or X; `valid_to` None while it stands."""

    id: str
    name_zh: str
    name_en: str
    lat: float
    lon: float
    antenna_m: float
    type: str
    band: str
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True)
class Satellite:
    """One row of satellites.csv."""

    id: str
    orbit: str
    sub_longitude: float
    instruments: tuple[str, ...]
    enabled: bool
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True)
class District:
    """An administrative unit: GB/T 2260 code, names, centre and outline (WGS-84, shapely, lon/lat)."""

    adcode: str
    name_zh: str
    name_en: str
    lat: float
    lon: float
    valid_from: date
    valid_to: date | None
    polygon: BaseGeometry


@dataclass(frozen=True)
class MonthLevels:
    """Climatological heights of one month [m ASL]. `placeholder`: an estimate, to be replaced by statistics."""

    month: int
    h0_m: float
    hm20_m: float
    source: str
    placeholder: bool


@dataclass(frozen=True)
class Region:
    """Everything that makes a place: see the rows above. `rules` is rules.toml as read."""

    id: str
    name_zh: str
    name_en: str
    grid: Grid
    radars: tuple[RadarSite, ...]
    satellites: tuple[Satellite, ...]
    districts: tuple[District, ...]
    levels: tuple[MonthLevels, ...]
    rules: Mapping[str, Any]
