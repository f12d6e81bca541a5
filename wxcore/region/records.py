"""What a region consists of. Frozen records; what holds at a time is asked with an aware datetime.

A row holds from the day `valid_from` until the day before `valid_to` (None: still), days of the region's own clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from shapely.geometry.base import BaseGeometry

from wxcore.grid import Grid
from wxcore.times import require_utc


@dataclass(frozen=True)
class RadarSite:
    """One row of radars.csv. `valid_to` None while it stands.

    Attributes:
        lat, lon: [deg], WGS-84; antenna_m: height of the antenna [m ASL].
        type: such as SA or CD; band: S, C or X. Both are "" where the source does not tell.
        owner: "own", "shared", or "" where it does not matter.
    """

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
    owner: str = ""


@dataclass(frozen=True)
class Satellite:
    """One row of satellites.csv. `sub_longitude` [deg east] is NaN for one that is not geostationary."""

    id: str
    orbit: str
    sub_longitude: float
    instruments: tuple[str, ...]
    enabled: bool
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True)
class Station:
    """One row of stations.csv: a ground station.

    Attributes:
        id: CMA id: five digits, or a letter and four digits.
        lat, lon: [deg], WGS-84; elevation_m: of the ground [m ASL], NaN unknown; barometer_m: of the barometer [m ASL],
            NaN unknown (then that of the ground).
        elev_class: "plain", "hill", "mountain", "ridge", or "" where nobody said; adcode: of its district, "" unknown.
        level: "national", "regional", or "" where the source does not tell.
    """

    id: str
    name_zh: str
    name_en: str
    lat: float
    lon: float
    elevation_m: float
    barometer_m: float
    elev_class: str
    adcode: str
    level: str
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
class Town:
    """One row of towns.csv: a town or street (乡镇、街道), known by its centre.

    Attributes:
        adcode: 9 digits (GB/T 10114) or 12; district: code of the district it belongs to, six digits.
        name_en: "" where nobody gave one; lat, lon: of its centre [deg], WGS-84.
    """

    adcode: str
    name_zh: str
    name_en: str
    lat: float
    lon: float
    district: str
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True)
class MonthLevels:
    """Climatological heights of one month [m ASL]. `placeholder`: an estimate, to be replaced by statistics."""

    month: int
    h0_m: float
    hm20_m: float
    source: str
    placeholder: bool


@dataclass(frozen=True)
class Issuer:
    """Who would sign the region's warnings. `sender` is the CAP sender id; `adcode` the issuer's own area."""

    name_zh: str
    name_en: str
    sender: str
    adcode: str


@dataclass(frozen=True)
class Region:
    """Everything that makes a place: see the rows above. `rules` is rules.toml as read, empty where there is none.

    `radars`, `satellites`, `stations`, `districts` and `towns` hold the rows of all times; the methods
    pick those of one time.
    `soundings` is where those are launched that no row of stations.csv stands for: WMO number -> lat, lon [deg].
    `timezone` is the IANA name of the clock on the wall there.
    `folder` is where it was read from, None for one made up.
    """

    id: str
    name_zh: str
    name_en: str
    grid: Grid
    radars: tuple[RadarSite, ...]
    satellites: tuple[Satellite, ...]
    districts: tuple[District, ...]
    levels: tuple[MonthLevels, ...]
    rules: Mapping[str, Any]
    issuer: Issuer = Issuer("", "", "", "")
    timezone: str = "UTC"
    stations: tuple[Station, ...] = ()
    soundings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False)
    towns: tuple[Town, ...] = ()

    def day(self, when: datetime) -> date:
        """The date on the region's own clock.

        Raises:
            TimeError: `when` is naive.
        """
        return require_utc(when).astimezone(ZoneInfo(self.timezone)).date()

    def radar(self, radar_id: str, when: datetime) -> RadarSite | None:
        """The site of a radar at a time, None where the region has no such radar then."""
        return next((site for site in self.radars_at(when) if site.id == radar_id), None)

    def radars_at(self, when: datetime) -> tuple[RadarSite, ...]:
        """The radars that stand at a time, in the order of radars.csv; each id once."""
        day = self.day(when)
        return tuple(row for row in self.radars if holds(row, day))

    def satellites_at(self, when: datetime) -> tuple[Satellite, ...]:
        """The enabled satellites at a time, where they are then; each id once."""
        day = self.day(when)
        return tuple(row for row in self.satellites if row.enabled and holds(row, day))

    def stations_at(self, when: datetime) -> tuple[Station, ...]:
        """The ground stations that stand at a time, in the order of stations.csv; each id once."""
        day = self.day(when)
        return tuple(row for row in self.stations if holds(row, day))

    def districts_at(self, when: datetime) -> tuple[District, ...]:
        """The administrative units at a time, in the order of districts.csv; each adcode once."""
        day = self.day(when)
        return tuple(row for row in self.districts if holds(row, day))

    def towns_at(self, when: datetime) -> tuple[Town, ...]:
        """The towns at a time, in the order of towns.csv; each adcode once."""
        day = self.day(when)
        return tuple(row for row in self.towns if holds(row, day))

    def month_levels(self, when: datetime) -> MonthLevels:
        """The row of levels.csv of the month on the region's own clock."""
        month = self.day(when).month
        return next(row for row in self.levels if row.month == month)


def holds(row: RadarSite | Satellite | Station | District | Town, day: date) -> bool:
    """Is the row in force on a day?"""
    return row.valid_from <= day and (row.valid_to is None or day < row.valid_to)
