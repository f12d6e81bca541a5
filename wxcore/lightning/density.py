"""Flash density on the grid (schema.LIGHTNING): flashes of the last minutes, each spread over its neighbourhood."""

from datetime import datetime

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.lightning.flashes import Bools, Flashes
from wxcore.lightning.watch import MIN_COVERED_S, Look, covered, looked, seconds, views, within
from wxcore.schema import LIGHTNING
from wxcore.times import to_datetime64

SIGMA_KM = 5.0
"""Standard deviation of the Gaussian by which a flash is spread [km] (DOMAIN.md 2.4): flashes are kilometres long."""

REACH = 5.0
"""Beyond so many standard deviations east or north there is nothing: a millionth of a flash is lost."""

IMAGER_SHARE = 0.8
"""Part of a network's time that an imager must have looked to be believed instead of it [our choice]."""

NOT_OBSERVED, BY_IMAGER, BY_NETWORK, BY_BOTH = 0, 1, 2, 3
"""Flag values of `lightning_source`."""

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

    Hours 0 where less than MIN_COVERED_S of the window was covered. An imager that looked for a small part of the time
    that a network did (less than IMAGER_SHARE) does not speak for all of it: then both count, over the time of both.
    """
    chosen = (flashes.time > start) & (flashes.time <= end) & ~flashes.repeat
    imagers = looked(looks, total=True, start=start, end=end)
    networks = looked(looks, total=False, start=start, end=end)
    if MIN_COVERED_S <= seconds(imagers) < IMAGER_SHARE * seconds(networks):
        either = covered([(one[0], one[1]) for one in (*imagers, *networks)])
        return chosen & (flashes.total | ~flashes.imaged), seconds(either) / 3600
    if seconds(imagers) >= MIN_COVERED_S:
        only_network = ~flashes.total & ~flashes.imaged & within(imagers, flashes.time)
        return chosen & (flashes.total | only_network), seconds(imagers) / 3600
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
    _add_bells(field, west + offset[near], lat[near], grid.lon, grid.lat, km, SIGMA_KM, REACH)
    return field


@numba.njit(cache=True, nogil=True)
def _bell(places: Doubles, centre: float, km: float, sigma: float, reach: float) -> tuple[int, int, Doubles]:
    """Gaussian of integral 1 [km-1] around a centre [deg] at places within reach: first, one after the last, values.

    Args:
        places: (n,) ascending, evenly spaced [deg]; km: of a degree along them; sigma: [km]; reach: in sigma.
    """
    step = places[1] - places[0] if places.size > 1 else 1.0
    half = reach * sigma / km
    begin = max(int(np.floor((centre - half - places[0]) / step)), 0)
    end = min(int(np.ceil((centre + half - places[0]) / step)) + 1, places.size)
    values = np.zeros(max(end - begin, 0))
    for i in range(begin, end):
        away = (places[i] - centre) * km / sigma
        if abs(away) <= reach:
            values[i - begin] = np.exp(-0.5 * away**2) / (sigma * np.sqrt(2 * np.pi))
    return begin, end, values


@numba.njit(cache=True, nogil=True)
def _add_bells(
    field: Doubles, x: Doubles, y: Doubles, lon: Doubles, lat: Doubles, km: float, sigma: float, reach: float
) -> None:
    """Add a Gaussian [km-2] for each place (x, y) [deg] to `field` (lat, lon); `km`: of a degree of latitude."""
    for n in range(x.size):
        south, north, column = _bell(lat, y[n], km, sigma, reach)
        west, east, row = _bell(lon, x[n], km * np.cos(np.deg2rad(y[n])), sigma, reach)
        for i in range(south, north):
            for j in range(west, east):
                field[i, j] += column[i - south] * row[j - west]
