"""What radar and lightning say near each ground station, in the last half hour."""

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr
from scipy.spatial import cKDTree

from wxcore.archive.storms import recent_storms
from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.lightning.flashes import Flashes
from wxcore.lightning.watch import views
from wxcore.pipeline.home import Home
from wxcore.region import Region
from wxcore.station.evidence import EVIDENCE_MIN, FLASH_KM, RADAR_KM, Evidence
from wxcore.station.network import Network
from wxcore.times import to_datetime64

KM_PER_DEG = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)
Floats = npt.NDArray[np.float32]


def evidence_at(
    home: Home, region: Region, when: datetime, cube: xr.Dataset, flashes: Flashes | None, network: Network
) -> Evidence:
    """Echo and lightning near the stations: of this time's composite, of the storms of earlier cycles, of the flashes.

    Args:
        cube: with `composite_reflectivity` (time = 1, lat, lon) [dBZ], NaN where no radar looked.
        flashes: None where nobody looked for lightning.

    Raises:
        TimeError: `when` is naive.
    """
    largest = largest_near(cube["composite_reflectivity"].values[0], region.grid, network, RADAR_KM)
    for storms in recent_storms(home.archive, region.id, when, int(EVIDENCE_MIN)):
        largest = np.fmax(largest, _of_storms(storms, network))
    return Evidence(largest.astype(np.float32), _flashes_near(flashes, network, when))


def largest_near(values: Floats, grid: Grid, network: Network, reach_km: float) -> Floats:
    """Largest value of a field (lat, lon) within `reach_km` of each station; NaN where all of it is."""
    found = np.full(network.ids.size, np.nan, dtype=np.float32)
    rows = reach_km / (KM_PER_DEG * grid.step_deg)
    for number, (lat, lon) in enumerate(zip(network.lat, network.lon, strict=True)):
        columns = rows / np.cos(np.deg2rad(lat))
        row, column = (lat - grid.lat[0]) / grid.step_deg, (lon - grid.lon[0]) / grid.step_deg
        top, left = max(0, int(np.ceil(row - rows))), max(0, int(np.ceil(column - columns)))
        bottom = min(grid.n_lat, int(np.floor(row + rows)) + 1)
        right = min(grid.n_lon, int(np.floor(column + columns)) + 1)
        if top < bottom and left < right:
            y = (np.arange(top, bottom) - row) / rows
            x = (np.arange(left, right) - column) / columns
            near = values[top:bottom, left:right][y[:, np.newaxis] ** 2 + x[np.newaxis, :] ** 2 <= 1]
            found[number] = np.fmax.reduce(near) if near.size else np.nan
    return found


def _of_storms(storms: pd.DataFrame, network: Network) -> Floats:
    """Reflectivity of the strongest storm whose outline is within RADAR_KM of each station; no echo elsewhere in what
    was looked at is not known here, so NaN."""
    found = np.full(network.ids.size, np.nan, dtype=np.float32)
    if storms.empty or not network.ids.size:
        return found
    scale = np.array([np.cos(np.deg2rad(float(network.lat.mean()))), 1.0]) * KM_PER_DEG
    points = shapely.points(np.column_stack([network.lon, network.lat]) * scale)
    outlines = shapely.transform(np.array(storms["polygon"].tolist(), dtype=object), lambda place: place * scale)
    station, storm = shapely.STRtree(outlines).query(points, predicate="dwithin", distance=RADAR_KM)
    np.fmax.at(found, station, storms["max_dbz"].to_numpy(dtype=np.float32)[storm])
    return found


def _flashes_near(flashes: Flashes | None, network: Network, when: datetime) -> Floats:
    """Number of flashes within FLASH_KM of each station in the last EVIDENCE_MIN; NaN where nobody looked."""
    if flashes is None or not flashes.looks or not network.ids.size:
        return np.full(network.ids.size, np.nan, dtype=np.float32)
    end = to_datetime64(when)
    start = to_datetime64(when - timedelta(minutes=EVIDENCE_MIN))
    seen = np.zeros(network.ids.size, dtype=np.bool_)
    current = tuple(look for look in flashes.looks if look.start < end and look.end > start)
    for mask, looks in views(current, network.lon, network.lat):
        if looks:
            seen |= mask
    recent = (flashes.time > start) & (flashes.time <= end) & ~flashes.repeat
    number = np.zeros(network.ids.size)
    scale = np.array([np.cos(np.deg2rad(float(network.lat.mean()))), 1.0]) * KM_PER_DEG
    if recent.any():
        struck = cKDTree(np.column_stack([flashes.lon[recent], flashes.lat[recent]]) * scale)
        places = np.column_stack([network.lon, network.lat]) * scale
        number[:] = struck.query_ball_point(places, FLASH_KM, return_length=True)
    return np.where(seen, number, np.nan).astype(np.float32)
