"""Flash density on the grid (schema.LIGHTNING): flashes of the last minutes, each spread over its neighbourhood."""

from datetime import datetime

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.lightning.flashes import Bools, Flashes
from wxcore.lightning.watch import MIN_COVERED_S, Look, looked, seconds, views, within
from wxcore.schema import LIGHTNING
from wxcore.times import to_datetime64

SIGMA_KM = 5.0
"""Standard deviation of the Gaussian by which a flash is spread [km] (DOMAIN.md 2.4): flashes are kilometres long."""

REACH = 5.0
"""Beyond so many standard deviations east or north there is nothing: a millionth of a flash is lost."""

NOT_OBSERVED, BY_IMAGER, BY_NETWORK, BY_BOTH = 0, 1, 2, 3
"""Flag values of `lightning_source`."""

BATCH = 2000
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


def density(flashes: Flashes, grid: Grid, when: datetime, *, minutes: float = 10.0) -> xr.Dataset:
    """Flash density of the minutes before `when` as schema.LIGHTNING, one time.

    A cell's rate is that of the time which was covered: flashes / covered time. Where an imager covered MIN_COVERED_S
    of the window or more, its flashes count, and those that only a network saw meanwhile; else the network's. NaN
    where nobody covered so much; 0 where somebody did and saw none. The field's integral over area and covered time is
    the number of flashes (those within REACH of the grid's edge lose what falls outside).

    Args:
        flashes: `to_flashes` of every file that may reach into the window; beyond the grid they are left out.
        grid: cells, for (lat, lon).
        when: end of the window, aware; minutes: its length.

    Raises:
        TimeError: `when` is naive.
    """
    end = to_datetime64(when)
    start = end - np.timedelta64(round(minutes * 60e9), "ns")
    rate = np.full(grid.shape, np.nan, dtype=np.float32)
    source = np.zeros(grid.shape, dtype=np.uint8)
    current = tuple(look for look in flashes.looks if look.start < end and look.end > start)
    for mask, looks in views(current, grid.lon[np.newaxis, :], grid.lat[:, np.newaxis]):
        chosen, hours = counted(flashes, looks, start, end)
        if hours > 0:
            rate[mask] = (spread(flashes.lon[chosen], flashes.lat[chosen], grid) / hours)[mask]
            source[mask] = who(looks, start, end)
    fields: dict[str, npt.NDArray[np.float32 | np.uint8]] = {"flash_density": rate, "lightning_source": source}
    return xr.Dataset(
        {var.name: (var.dims, fields[var.name][np.newaxis].astype(var.dtype), var.attrs) for var in LIGHTNING},
        {"time": np.array([end]), "lat": grid.lat, "lon": grid.lon},
    )


def counted(flashes: Flashes, looks: tuple[Look, ...], start: np.datetime64, end: np.datetime64) -> tuple[Bools, float]:
    """Which flashes between `start` (not in it) and `end` count where these files looked, and the hours covered.

    Hours 0 where less than MIN_COVERED_S of the window was covered.
    """
    chosen = (flashes.time > start) & (flashes.time <= end) & ~flashes.repeat
    imagers = looked(looks, total=True, start=start, end=end)
    if seconds(imagers) >= MIN_COVERED_S:
        only_network = ~flashes.total & ~flashes.imaged & within(imagers, flashes.time)
        return chosen & (flashes.total | only_network), seconds(imagers) / 3600
    networks = looked(looks, total=False, start=start, end=end)
    if seconds(networks) >= MIN_COVERED_S:
        return chosen & ~flashes.total, seconds(networks) / 3600
    return np.zeros_like(chosen), 0.0


def who(looks: tuple[Look, ...], start: np.datetime64, end: np.datetime64) -> int:
    """Flag value of who covered MIN_COVERED_S of the window or more."""
    imager, network = (
        seconds(looked(looks, total=total, start=start, end=end)) >= MIN_COVERED_S for total in (True, False)
    )
    return BY_BOTH if imager and network else BY_IMAGER if imager else BY_NETWORK if network else NOT_OBSERVED


def spread(lon: Doubles, lat: Doubles, grid: Grid) -> Doubles:
    """Sum of Gaussians of SIGMA_KM at the places, each of integral 1: (lat, lon) [km-2]."""
    field = np.zeros(grid.shape)
    west, south, east, north = grid.bounds
    km = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)
    reach = REACH * SIGMA_KM / km
    wide = reach / np.cos(np.deg2rad(np.minimum(np.abs(lat), 89.0)))
    offset = (lon - west + 180) % 360 - 180
    near = (lat > south - reach) & (lat < north + reach) & (offset > -wide) & (offset < east - west + wide)
    lon, lat = west + offset[near], lat[near]
    for begin in range(0, lon.size, BATCH):
        x, y = lon[begin : begin + BATCH, np.newaxis], lat[begin : begin + BATCH, np.newaxis]
        field += _bell((grid.lat - y) * km).T @ _bell((grid.lon - x) * km * np.cos(np.deg2rad(y)))
    return field


def _bell(km: Doubles) -> Doubles:
    values = np.exp(-0.5 * (km / SIGMA_KM) ** 2) / (SIGMA_KM * np.sqrt(2 * np.pi))
    return np.where(np.abs(km) <= REACH * SIGMA_KM, values, 0.0)
