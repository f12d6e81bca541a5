"""Points to grid: optimal interpolation of station values, with its error, never where no station is near.

Optimal interpolation and not Barnes' scheme: it weighs stations that stand close together as one, uses the elevation of
each, and gives the error of every cell with the value (Gandin 1963; Daley 1991, chapter 4; the kind of scheme of
Haggmark et al. 2000, MESAN). The background is a robust line on elevation; departures from it are interpolated from
the nearest stations on a coarse lattice, whose step is a fifth of the correlation length, and laid bilinearly on the
grid. The stated error is scaled such that 68 % of the stations, each left out once, lie within it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import ndimage

from wxcore.errors import SchemaError
from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.schema import QC_GOOD, SURFACE, qc_name
from wxcore.station.analysis_kernels import bins, interpolate, largest, reached, shares
from wxcore.times import to_datetime64

RECENT_MIN = 70
"""A station that did not report for so long says nothing of now [our choice]: an hourly report, and ten minutes."""

LENGTH_KM, LENGTH_SPACINGS = (20.0, 40.0), 2.0
"""Correlation length: so many mean station distances, within these limits [our choice; 25 km at 12 km distance]."""

HEIGHT_SCALE_M = 400.0
"""Correlation length in height [our choice]: cold pools and inversions are some hundred metres deep."""

REACH = 1.25
"""Nearest used station at most so many correlation lengths away (25 to 50 km): there one station leaves 0.8 of the
background's variance; beyond is no value."""

HEIGHT_MARGIN_M = 500.0
"""No value higher above, or deeper below, all stations of the line on elevation [our choice]."""

AROUND_KM = 120.0
"""Stations so far outside of the grid still count: REACH and the cut-off of the correlation."""

THREADS = 2
"""Fields are interpolated side by side, for the kernels hold no lock: 250 ms become 150 (2,500 stations)."""

LATTICE_DEG = 0.05
"""Step of the coarse lattice."""

MOST_STATIONS = 12
"""Stations used at a point: the nearest, in correlation lengths. More change the third digit of the error."""

LAPSE_STATIONS, LAPSE_SPREAD_M = 20, 100.0
"""Fewer stations, or elevations of a smaller standard deviation, make no line: the usual lapse rate is taken."""

LAPSE_ERROR_K_M = 0.002
"""Standard error of the usual lapse rate [our choice]: 4.5 to 8.5 K/km hold two thirds of the days."""

HUBER = 1.345
"""Residuals beyond so many standard deviations weigh less (Huber 1981)."""

SCALE_STATIONS, SCALE_LIMITS = 20, (0.5, 5.0)
"""Stations from which the stated error is scaled by those left out, and how far."""

COLD_POOL_K, COLD_POOL_STATIONS, COLD_POOL_KM = 5.0, 2, 30.0
"""Cold pool: deficit of theta-e (DOMAIN.md 2.6), at so many stations within so far: one alone may be wrong."""

GUST_KM = 10.0
"""A gust is told for cells so near to its station."""

NOT_OBSERVED, NONE, COLD_POOL = 0, 1, 2
"""Flag values of `cold_pool`."""

KM = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)
MINUTE = np.timedelta64(60 * 10**9, "ns")

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """How one quantity is interpolated.

    Attributes:
        noise: standard deviation of the observation error (instrument, and what is smaller than station distances).
        usual, least: standard deviation of the background error where stations are too few to tell; smallest one.
        ageing: growth of the observation error with its age [1/h].
        lapse, lapses: usual change with height [1/m] and its limits; None: elevation has no say.
    """

    noise: float
    usual: float
    least: float
    ageing: float
    lapse: float = 0.0
    lapses: tuple[float, float] | None = None


TEMPERATURE = Kind(noise=0.5, usual=2.0, least=1.0, ageing=2.0, lapse=-0.0065, lapses=(-0.0100, 0.0050))
THETA_E = Kind(noise=1.5, usual=5.0, least=3.0, ageing=3.0, lapse=0.0, lapses=(-0.0200, 0.0100))
DEFICIT = Kind(noise=1.5, usual=4.0, least=3.0, ageing=3.0)
PRESSURE = Kind(noise=0.3, usual=0.7, least=0.5, ageing=0.5)
"""[our choice], after the instruments' classes of WMO-No. 8. `least` is what an outflow of two or three stations makes:
where all others agree, it must not be smoothed away."""


def hours(end: np.datetime64, time: npt.NDArray[np.datetime64]) -> Doubles:
    """Hours from times until `end`; NaN for NaT."""
    apart = (end - time.astype("datetime64[ns]")).astype("timedelta64[ns]")
    return np.where(np.isnat(apart), np.nan, apart.astype(np.int64) / 3.6e12)


class Recent:
    """Reports of an observations Dataset up to a time, as quality control left them.

    Attributes:
        end: that time; rows: times of the rows, each a minute; minutes: `count` of the last RECENT_MIN.
        past: slice of the Dataset's rows.
    """

    def __init__(self, obs: xr.Dataset, when: datetime) -> None:
        """Raises TimeError: `when` is naive. SchemaError: rows are not each a minute."""
        time = obs["time"].to_numpy().astype("datetime64[ns]")
        if time.size > 1 and not (np.diff(time) == MINUTE).all():
            raise SchemaError("observations", ["time: rows must be a minute apart 时间须逐分钟"])
        self._obs, self._good = obs, dict[str, Floats]()
        self.end = to_datetime64(when)
        self.past = slice(0, int(np.searchsorted(time, self.end, side="right")))
        self.rows = time[self.past]
        self.minutes = self.count(RECENT_MIN)

    def count(self, minutes: int) -> int:
        """Number of rows that are not older than so many minutes."""
        return int((self.rows >= self.end - minutes * MINUTE).sum())

    def raw(self, name: str) -> npt.NDArray[np.generic] | None:
        """(time, station) of any variable, None where the Dataset has no such."""
        return self._obs.variables[name].to_numpy()[self.past] if name in self._obs.variables else None

    def good(self, name: str) -> Floats:
        """(time, station) f4 of an element, NaN where it is not good: suspect values have no say in what carries no
        flag of its own."""
        if name not in self._good:
            values, flags = self.raw(name), self.raw(qc_name(name))
            if values is None:
                told = np.full((self.rows.size, self._obs.sizes["station"]), np.nan, dtype=np.float32)
            else:
                told = values.astype(np.float32, copy=False)
            self._good[name] = told if flags is None else np.where(flags == QC_GOOD, told, np.float32(np.nan))
        return self._good[name]

    def newest(self, known: npt.NDArray[np.bool_]) -> Ints:
        """(station,) newest row of the last RECENT_MIN where `known` (time, station) holds; -1 where none does."""
        recent = known[known.shape[0] - self.minutes :]
        if not recent.size:
            return np.full(known.shape[1], -1, dtype=np.int64)
        back = np.argmax(recent[::-1], axis=0)
        return np.where(recent.any(axis=0), known.shape[0] - 1 - back, -1).astype(np.int64)

    def age_h(self, row: Ints) -> Doubles:
        """(station,) age of rows [h], NaN for -1."""
        if not self.rows.size:
            return np.full(row.size, np.nan)
        return np.where(row < 0, np.nan, hours(self.end, self.rows[row]))


def surface_analysis(
    obs: xr.Dataset, table: pd.DataFrame, grid: Grid, when: datetime, heights: Floats | None = None
) -> xr.Dataset:
    """Surface analysis as schema.SURFACE, one time. NaN (0 in `cold_pool`) where no used station is within REACH.

    Temperature and theta-e also need ground heights within HEIGHT_MARGIN_M of the stations'. Without `heights` they are
    interpolated flat, and their errors say so. The order of the stations does not matter.

    Args:
        obs: observations after quality control, (time, station), see station.series.
        table: schema.STATION_TABLE of the same time (products.surface).
        grid: cells; heights: (lat, lon) f4 ground [m ASL], NaN unknown.
        when: time of the analysis, aware.

    Raises:
        TimeError: `when` is naive. SchemaError: rows of `obs` are not each a minute, or heights on another grid.
    """
    if heights is not None and heights.shape != grid.shape:
        raise SchemaError("ground heights", [f"shape {heights.shape}, expected {grid.shape}"])
    recent = Recent(obs, when)
    air = recent.good("air_temperature")
    row = recent.newest(np.isfinite(air))
    celsius = np.where(row < 0, np.nan, air[row, np.arange(row.size)]) if air.size else np.full(row.size, np.nan)
    of_obs = _Stations(grid, [obs[name].to_numpy() for name in ("lon", "lat", "elevation")], recent.age_h(row))
    age = hours(recent.end, table["time"].to_numpy())
    of_table = _Stations(grid, [table[name].to_numpy() for name in ("lon", "lat", "elevation_m")], age)
    lattice = _Lattice(grid, heights)
    tasks: dict[str, tuple[_Stations, npt.ArrayLike, Kind]] = {
        "surface_temperature": (of_obs, celsius + 273.15, TEMPERATURE),
        "surface_theta_e": (of_table, table["theta_e_k"], THETA_E),
        "theta_e_deficit": (of_table, table["theta_e_deficit_k"], DEFICIT),
        "pressure_change_1h": (of_table, table["pressure_change_1h_hpa"], PRESSURE),
    }
    fields: dict[str, Doubles] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for name, found in zip(
            tasks, pool.map(lambda of: _analysed(of[0], of[1], of[2], lattice), tasks.values()), strict=True
        ):
            fields[name], fields[f"{name}_error"] = found
    fields["gust_nearby"] = _gusts(of_table, np.asarray(table["gust_m_s"], dtype=np.float64), grid)
    deficits = np.asarray(table["theta_e_deficit_k"], dtype=np.float64)
    fields["cold_pool"] = _cold_pool(fields["theta_e_deficit"], of_table.places[deficits >= COLD_POOL_K], grid)
    return xr.Dataset(
        {var.name: (var.dims, fields[var.name][np.newaxis].astype(var.dtype), var.attrs) for var in SURFACE},
        {"time": np.array([recent.end]), "lat": grid.lat, "lon": grid.lon},
    )


class _Stations:
    """Where stations are: `places` (station, 2) lon, lat on the grid's turn of longitude; elevation; age [h]."""

    def __init__(self, grid: Grid, where: list[npt.NDArray[np.generic]], age_h: Doubles) -> None:
        """`where`: longitudes, latitudes, elevations."""
        lon, lat, self.elevation = (column.astype(np.float64) for column in where)
        middle = (grid.lon[0] + grid.lon[-1]) / 2
        self.places = np.column_stack([(lon - middle + 180) % 360 - 180 + middle, lat])
        self.age_h = age_h
        west, south, east_edge, north = grid.bounds
        wide = AROUND_KM / KM
        wider = wide / max(float(np.cos(np.deg2rad(np.abs(grid.lat).max()))), 0.1)
        self.near = (
            (self.places[:, 0] > west - wider) & (self.places[:, 0] < east_edge + wider)
            & (self.places[:, 1] > south - wide) & (self.places[:, 1] < north + wide)
        )  # fmt: skip


class _Lattice:
    """Coarse points that hold the grid between them, and the way back to it. `heights` are those of the grid."""

    def __init__(self, grid: Grid, heights: Floats | None) -> None:
        self.grid, self.heights = grid, heights
        every = max(round(LATTICE_DEG / grid.step_deg), 1)
        self._rows, self._columns = (shares(size, every) for size in grid.shape)
        size = [(n - 1) // every + 2 for n in grid.shape]
        step = every * grid.step_deg
        lat = grid.lat_south + step * np.arange(size[0])
        lon = grid.lon_west + step * np.arange(size[1])
        self._shape = (lat.size, lon.size)
        self.places = np.column_stack([axis.ravel() for axis in np.meshgrid(lon, lat)])
        self.elevation = np.zeros(self.places.shape[0])
        if heights is not None:
            known = np.isfinite(heights)
            total = ndimage.uniform_filter(np.where(known, heights, 0.0).astype(np.float64), every)
            mean = total / np.maximum(ndimage.uniform_filter(known.astype(np.float64), every), 1e-6)
            row, column = (np.minimum(every * np.arange(n), most - 1) for n, most in zip(size, grid.shape, strict=True))
            self.elevation = mean[np.ix_(row, column)].ravel()

    def on_grid(self, values: Doubles) -> Doubles:
        """(lat, lon) of values at the lattice, bilinear."""
        (row, up), (column, right) = self._rows, self._columns
        field = values.reshape(self._shape)
        rows = field[row] * (1 - up[:, np.newaxis]) + field[row + 1] * up[:, np.newaxis]
        return np.asarray(rows[:, column] * (1 - right) + rows[:, column + 1] * right)


def _analysed(stations: _Stations, column: npt.ArrayLike, kind: Kind, lattice: _Lattice) -> tuple[Doubles, Doubles]:
    """Value and standard error, (lat, lon)."""
    grid, values = lattice.grid, np.asarray(column, dtype=np.float64)
    hilly = kind.lapses is not None and lattice.heights is not None
    known = stations.near & np.isfinite(values) & np.isfinite(stations.age_h) & np.isfinite(stations.places).all(axis=1)
    if hilly:
        known &= np.isfinite(stations.elevation)
    if not known.any():
        return np.full(grid.shape, np.nan), np.full(grid.shape, np.nan)
    elevation = stations.elevation if hilly else np.zeros(values.size)
    order = np.flatnonzero(known)
    columns = (stations.age_h, values, elevation, stations.places[:, 0], stations.places[:, 1])
    order = order[np.lexsort([column[order] for column in columns])]
    places, elevation, observed = stations.places[order], elevation[order], values[order]
    noise = kind.noise**2 + (kind.ageing * np.maximum(stations.age_h[order], 0.0)) ** 2
    length = _length(places)
    line = _line(elevation, observed, kind, lapsing=hilly, patches=_patches(places, length))
    variance = max(line.spread**2 - kind.noise**2, kind.least**2)
    to_lengths = _plane(grid, length)
    at = to_lengths(places, elevation)
    order, starts, corner = bins(at[:, 0], at[:, 1])
    at, places, elevation, noise, observed = (field[order] for field in (at, places, elevation, noise, observed))
    departure = observed - line.at(elevation)

    def run(points: Doubles, skip: Ints) -> tuple[Doubles, Doubles]:
        return interpolate(points, skip, at, departure, noise / variance, (starts, corner), MOST_STATIONS)

    nodes = to_lengths(lattice.places, lattice.elevation if hilly else np.zeros(lattice.places.shape[0]))
    increment, share = (lattice.on_grid(field) for field in run(nodes, np.full(nodes.shape[0], -1)))
    left_out, left_share = run(at, np.arange(order.size))
    ratio = _scale(departure - left_out, (variance + line.variance(elevation)) * left_share, noise)
    ground = lattice.heights.astype(np.float64) if hilly and lattice.heights is not None else np.zeros(grid.shape)
    value = line.at(ground) + increment
    error = ratio * np.sqrt((variance + line.variance(ground)) * np.clip(share, 0.0, 1.0))
    held = reached(grid.lon, grid.lat, grid.step_deg, places, REACH * length, KM) > 0
    held &= (ground >= elevation.min() - HEIGHT_MARGIN_M) & (ground <= elevation.max() + HEIGHT_MARGIN_M)
    return np.where(held, value, np.nan), np.where(held, error, np.nan)


def _plane(grid: Grid, length: float) -> Callable[[Doubles, Doubles], Doubles]:
    """What turns places (n, 2) and elevations (n,) [m] into correlation lengths, (n, 3)."""
    narrow = np.cos(np.deg2rad((grid.lat[0] + grid.lat[-1]) / 2))
    scale = np.array([KM * narrow / length, KM / length, 1 / HEIGHT_SCALE_M])
    origin = np.array([grid.lon[0], grid.lat[0], 0.0])
    return lambda places, elevation: (np.column_stack([places, elevation]) - origin) * scale


def _area(places: Doubles) -> float:
    """Area of the box about places [km2]."""
    west, south = places.min(axis=0)
    east, north = places.max(axis=0)
    return float((east - west) * (north - south) * KM**2 * np.cos(np.deg2rad((south + north) / 2)))


def _length(places: Doubles) -> float:
    """Correlation length [km] by the density of the stations."""
    return float(np.clip(LENGTH_SPACINGS * np.sqrt(_area(places) / places.shape[0]), *LENGTH_KM))


def _patches(places: Doubles, length: float) -> float:
    """How many stations say something of their own: those of one patch of the correlation length are one."""
    return float(np.clip(_area(places) / (2 * np.pi * length**2), 1.0, places.shape[0]))


def _scale(missed: Doubles, variance: Doubles, noise: Doubles) -> float:
    """What the stated error is multiplied with, so that 68 % of the stations left out were missed by less than it and
    their own observation error together."""
    if missed.size < SCALE_STATIONS:
        return 1.0
    needed = np.quantile((missed**2 - noise) / np.maximum(variance, 1e-12), 0.6827)
    return float(np.clip(np.sqrt(max(needed, 0.0)), *SCALE_LIMITS))


@dataclass(frozen=True)
class _Line:
    """Background: `base` at `middle` [m], `slope` [1/m] with its variance, `spread`: standard deviation about it."""

    base: float
    middle: float
    slope: float
    slope_variance: float
    spread: float

    def at(self, elevation: Doubles) -> Doubles:
        return self.base + self.slope * (elevation - self.middle)

    def variance(self, elevation: Doubles) -> Doubles:
        """What the slope's error adds to the background's variance."""
        return self.slope_variance * (elevation - self.middle) ** 2


def _line(elevation: Doubles, values: Doubles, kind: Kind, *, lapsing: bool, patches: float) -> _Line:
    """Robust line on elevation: Huber's weights, iterated; the usual lapse rate where stations do not tell it."""
    middle, slope, slope_variance = float(elevation.mean()), kind.lapse if lapsing else 0.0, 0.0
    above = elevation - middle
    enough = values.size >= LAPSE_STATIONS
    base = float(np.median(values - slope * above))
    if lapsing:
        slope_variance = LAPSE_ERROR_K_M**2
        if enough and float(elevation.std()) >= LAPSE_SPREAD_M and kind.lapses is not None:
            slope = float(np.clip(_huber_slope(above, values), *kind.lapses))
            base = float(np.median(values - slope * above))
            residual = _spread(values - slope * above - base)
            slope_variance = min(residual**2 / (float(elevation.var()) * patches), slope_variance)
    spread = _spread(values - slope * above - base) if values.size >= SCALE_STATIONS else kind.usual
    return _Line(base, middle, slope, slope_variance, spread)


def _spread(residual: Doubles) -> float:
    """Robust standard deviation: 1.4826 times the median of the magnitudes, at least a third of the plain one."""
    return max(1.4826 * float(np.median(np.abs(residual))), float(residual.std()) / 3)


def _huber_slope(above: Doubles, values: Doubles) -> float:
    slope, base = 0.0, float(np.median(values))
    for _ in range(15):
        residual = values - base - slope * above
        limit = HUBER * max(1.4826 * float(np.median(np.abs(residual))), 1e-9)
        weight = limit / np.maximum(np.abs(residual), limit)
        centre, level = float(np.average(above, weights=weight)), float(np.average(values, weights=weight))
        slope = float((weight * (above - centre) * (values - level)).sum() / (weight * (above - centre) ** 2).sum())
        base = level - slope * centre
    return slope


def _gusts(stations: _Stations, gust: Doubles, grid: Grid) -> Doubles:
    known = np.isfinite(gust) & np.isfinite(stations.places).all(axis=1)
    return np.asarray(largest(grid.lon, grid.lat, grid.step_deg, stations.places[known], gust[known], GUST_KM, KM))


def _cold_pool(deficit: Doubles, agreeing: Doubles, grid: Grid) -> Doubles:
    """Flags of `cold_pool`; agreeing: (station, 2) places with a deficit of their own."""
    together = reached(grid.lon, grid.lat, grid.step_deg, agreeing, COLD_POOL_KM, KM) >= COLD_POOL_STATIONS
    pool = (deficit >= COLD_POOL_K) & together
    return np.where(np.isnan(deficit), NOT_OBSERVED, np.where(pool, COLD_POOL, NONE)).astype(np.float64)
