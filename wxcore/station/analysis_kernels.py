"""Kernels of the surface analysis: optimal interpolation from the nearest stations, and what stations reach."""

import numba
import numpy as np
import numpy.typing as npt

from wxcore.station.solve_kernels import solve

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

CUTOFF = 3.0
"""Stations further than so many correlation lengths have no say: a correlation of 0.011."""


def bins(x: Doubles, y: Doubles) -> tuple[Ints, Ints, Doubles]:
    """Order of the stations by squares of one correlation length, where each square begins in it, and (west, south,
    columns) of the squares.

    Args:
        x, y: (station,) in correlation lengths, one at least.
    """
    west, south = float(x.min()), float(y.min())
    column, row = np.floor(x - west).astype(np.int64), np.floor(y - south).astype(np.int64)
    columns = int(column.max()) + 1
    square = row * columns + column
    order = np.argsort(square, kind="stable").astype(np.int64)
    starts = np.searchsorted(square[order], np.arange((int(row.max()) + 1) * columns + 1)).astype(np.int64)
    return order, starts, np.array([west, south, columns])


@numba.njit(cache=True, nogil=True)
def _insert(n: int, away: float, count: int, chosen: Ints, distance: Doubles) -> int:
    """Put a station where it belongs among the nearest, the nearest first; how many there are then."""
    most = chosen.size
    place = min(count, most - 1)
    while place > 0 and distance[place - 1] > away:
        distance[place], chosen[place] = distance[place - 1], chosen[place - 1]
        place -= 1
    distance[place], chosen[place] = away, n
    return min(count + 1, most)


@numba.njit(cache=True, nogil=True)
def nearest(
    point: Doubles, stations: Doubles, skip: int, starts: Ints, corner: Doubles, chosen: Ints, distance: Doubles
) -> int:
    """Fill `chosen` and `distance` (squared, in correlation lengths) with the nearest stations, the nearest first.

    Args:
        point: (3,) and stations: (station, 3), in correlation lengths, in the order of `bins`.
        skip: a station that is left out, -1 none; starts, corner: of `bins`.

    Returns:
        How many there are: at most the size of `chosen`, none beyond CUTOFF.
    """
    count, most, columns = 0, chosen.size, int(corner[2])
    rows = (starts.size - 1) // columns
    column, row = int(np.floor(point[0] - corner[0])), int(np.floor(point[1] - corner[1]))
    ring = 0
    while ring <= CUTOFF and not (count == most and ring > 1 and distance[most - 1] <= (ring - 1.0) ** 2):
        for i in range(max(row - ring, 0), min(row + ring + 1, rows)):
            stride = 1 if abs(i - row) == ring else max(2 * ring, 1)
            for j in range(column - ring, column + ring + 1, stride):
                if j < 0 or j >= columns:
                    continue
                for n in range(starts[i * columns + j], starts[i * columns + j + 1]):
                    away = (
                        (stations[n, 0] - point[0]) ** 2
                        + (stations[n, 1] - point[1]) ** 2
                        + (stations[n, 2] - point[2]) ** 2
                    )
                    if n != skip and away <= CUTOFF**2 and (count < most or away < distance[most - 1]):
                        count = _insert(n, away, count, chosen, distance)
        ring += 1
    return count


@numba.njit(cache=True, nogil=True)
def interpolate(
    points: Doubles,
    skip: Ints,
    stations: Doubles,
    departure: Doubles,
    noise: Doubles,
    binned: tuple[Ints, Doubles],
    most: int,
) -> tuple[Doubles, Doubles]:
    """Optimal interpolation with Gaussian correlation exp(-d^2 / 2) (Gandin 1963; Daley 1991, chapter 4).

    Args:
        points: (point, 3) and stations: (station, 3): east, north, up in correlation lengths, in the order of `bins`.
        skip: (point,) station to leave out at a point, -1 none.
        departure: (station,) from the background; noise: (station,) variance of the observation error over that of the
            background.
        binned: where squares begin, and their corner, of `bins`; most: stations used at a point.

    Returns:
        (point,) departure, and the error variance over that of the background: 1 where no station has a say.
    """
    starts, corner = binned
    value, share = np.zeros(skip.size), np.ones(skip.size)
    chosen, distance = np.zeros(most, dtype=np.int64), np.zeros(most)
    matrix, weight = np.zeros((most, most)), np.zeros(most)
    for p in range(skip.size):
        count = nearest(points[p], stations, skip[p], starts, corner, chosen, distance)
        for i in range(count):
            for j in range(i):
                a, b = chosen[i], chosen[j]
                away = (
                    (stations[a, 0] - stations[b, 0]) ** 2
                    + (stations[a, 1] - stations[b, 1]) ** 2
                    + (stations[a, 2] - stations[b, 2]) ** 2
                )
                matrix[i, j] = np.exp(-0.5 * away)
            matrix[i, i] = 1.0 + noise[chosen[i]]
            weight[i] = np.exp(-0.5 * distance[i])
        solve(matrix, weight, count)
        for i in range(count):
            value[p] += weight[i] * departure[chosen[i]]
            share[p] -= weight[i] * np.exp(-0.5 * distance[i])
        share[p] = min(max(share[p], 0.0), 1.0)
    return value, share


@numba.njit(cache=True, nogil=True)
def _window(centre: float, half: float, first: float, step: float, size: int) -> tuple[int, int]:
    """Numbers of the cells within `half` of a centre: the first, and one after the last."""
    begin = int(np.ceil((centre - half - first) / step))
    end = int(np.floor((centre + half - first) / step)) + 1
    return min(max(begin, 0), size), min(max(end, 0), size)


@numba.njit(cache=True, nogil=True)
def reached(lon: Doubles, lat: Doubles, step: float, places: Doubles, radius: float, km: float) -> Counts:
    """How many of the places lie within a radius of each cell: (lat, lon) i4.

    Args:
        lon, lat: cell centres [deg], `step` apart; places: (place, 2) lon, lat [deg] on the grid's turn of longitude.
        radius: [km]; km: of a degree of latitude.
    """
    change = np.zeros((lat.size, lon.size + 1), dtype=np.int32)
    for n in range(places.shape[0]):
        south, north = _window(places[n, 1], radius / km, lat[0], step, lat.size)
        for i in range(south, north):
            rest = max(radius**2 - ((lat[i] - places[n, 1]) * km) ** 2, 0.0)
            narrow = max(np.cos(np.deg2rad((lat[i] + places[n, 1]) / 2)), 1e-3)
            west, east = _window(places[n, 0], np.sqrt(rest) / (km * narrow), lon[0], step, lon.size)
            if east > west:
                change[i, west] += 1
                change[i, east] -= 1
    for i in range(lat.size):
        for j in range(1, lon.size):
            change[i, j] += change[i, j - 1]
    return change[:, : lon.size]


@numba.njit(cache=True, nogil=True)
def largest(
    lon: Doubles, lat: Doubles, step: float, places: Doubles, values: Doubles, radius: float, km: float
) -> Doubles:
    """Largest value of the places within a radius of each cell: (lat, lon), NaN where there is none; as `reached`."""
    field = np.full((lat.size, lon.size), np.nan)
    for n in range(places.shape[0]):
        south, north = _window(places[n, 1], radius / km, lat[0], step, lat.size)
        for i in range(south, north):
            rest = max(radius**2 - ((lat[i] - places[n, 1]) * km) ** 2, 0.0)
            narrow = max(np.cos(np.deg2rad((lat[i] + places[n, 1]) / 2)), 1e-3)
            west, east = _window(places[n, 0], np.sqrt(rest) / (km * narrow), lon[0], step, lon.size)
            for j in range(west, east):
                if not field[i, j] >= values[n]:
                    field[i, j] = values[n]
    return field


def shares(size: int, every: int) -> tuple[Ints, Doubles]:
    """For each of `size` cells the point of the lattice before it, and the share of the point after that."""
    cell = np.arange(size)
    return (cell // every).astype(np.int64), (cell % every / every).astype(np.float64)
