"""The region's stations as arrays, and which of a file's reports are theirs: none is ever registered by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from wxcore.grid import EARTH_RADIUS_M
from wxcore.region import Region
from wxcore.schema import Box
from wxcore.station.reports import Doubles, Ids, Reports

MOVED_KM = 1.0
"""A report from farther than this from the station's place in the table is of a moved station, or a spoofed id
(RELIABILITY.md A8): it is flagged, and the table's place is used."""

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Network:
    """The stations that stand at a time, in the order of stations.csv.

    Attributes:
        ids: (station,) CMA ids; index: id -> place in the arrays.
        lat, lon: (station,) [deg]; elevation, barometer: (station,) [m ASL], NaN unknown (barometer: the ground's).
        elev_class: (station,) as in `region.Station`.
        bounds: of the region's grid, outer edges [deg].
    """

    ids: Ids
    lat: Doubles
    lon: Doubles
    elevation: Doubles
    barometer: Doubles
    elev_class: Ids
    index: Mapping[str, int]
    bounds: Box


@dataclass(frozen=True)
class Sorted:
    """Whose reports a file holds.

    Attributes:
        place: (n,) index of each report's station in the network, -1 where it is not of ours.
        unknown: ids that report from inside the region and are not in the table, sorted.
        moved: ids whose reports come from more than MOVED_KM off the table's place, sorted.
        elsewhere: number of reports from outside of the region, or from nobody knows where.
    """

    place: Ints
    unknown: tuple[str, ...]
    moved: tuple[str, ...]
    elsewhere: int


def network_of(region: Region, when: datetime) -> Network:
    """The stations of a region at a time.

    Raises:
        TimeError: `when` is naive.
    """
    rows = region.stations_at(when)
    elevation = np.array([row.elevation_m for row in rows], dtype=np.float64)
    barometer = np.array([row.barometer_m for row in rows], dtype=np.float64)
    return Network(
        ids=np.array([row.id for row in rows], dtype=np.str_),
        lat=np.array([row.lat for row in rows], dtype=np.float64),
        lon=np.array([row.lon for row in rows], dtype=np.float64),
        elevation=elevation,
        barometer=np.where(np.isnan(barometer), elevation, barometer),
        elev_class=np.array([row.elev_class for row in rows], dtype=np.str_),
        index={row.id: number for number, row in enumerate(rows)},
        bounds=region.grid.bounds,
    )


def sort_out(reports: Reports, network: Network) -> Sorted:
    """Which reports are of the network's stations; the others are told, never added to it."""
    ids, inverse = np.unique(reports.station, return_inverse=True)
    place = np.array([network.index.get(str(one), -1) for one in ids], dtype=np.int64)[inverse]
    west, south, east, north = network.bounds
    here = (reports.lat >= south) & (reports.lat <= north) & (np.mod(reports.lon - west, 360.0) <= east - west)
    known = place >= 0
    return Sorted(
        place=place,
        unknown=tuple(sorted({str(one) for one in reports.station[~known & here]})),
        moved=_moved(reports, network, place),
        elsewhere=int(np.count_nonzero(~known & ~here)),
    )


def _moved(reports: Reports, network: Network, place: Ints) -> tuple[str, ...]:
    rows = np.flatnonzero((place >= 0) & np.isfinite(reports.lat) & np.isfinite(reports.lon))
    lat, lon = network.lat[place[rows]], network.lon[place[rows]]
    km = np.deg2rad(1) * EARTH_RADIUS_M / 1000
    east = ((reports.lon[rows] - lon + 180) % 360 - 180) * np.cos(np.deg2rad(lat)) * km
    far = np.hypot(east, (reports.lat[rows] - lat) * km) > MOVED_KM
    return tuple(sorted({str(one) for one in reports.station[rows[far]]}))
