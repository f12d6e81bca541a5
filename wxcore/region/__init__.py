"""A Region: grid, radars, satellites, districts, rules and temperature levels, read from station_meta/<id>/.

A region is data only: adding one needs no code (station_meta/README.md).
"""

from wxcore.region.load import STATION_META, list_regions, load_region
from wxcore.region.records import District, Issuer, MonthLevels, RadarSite, Region, Satellite, Station, Town

__all__ = [
    "STATION_META",
    "District",
    "Issuer",
    "MonthLevels",
    "RadarSite",
    "Region",
    "Satellite",
    "Station",
    "Town",
    "list_regions",
    "load_region",
]
