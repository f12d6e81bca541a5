"""Points to grid: what optimal interpolation must keep, recover, and refuse."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

from wxcore.errors import SchemaError, TimeError
from wxcore.grid import Grid
from wxcore.products.cold_pool import cold_pools
from wxcore.schema import QC_BAD, STATION_TABLE, SURFACE, check
from wxcore.station.analysis import GUST_KM, KM, LENGTH_KM, REACH, surface_analysis
from wxcore.station.analysis_kernels import bins, interpolate

WHEN = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
END = np.datetime64("2026-07-01T08:00", "ns")
GRID = Grid(106.0, 29.0, 151, 121)
MIDDLE = 29.6
KM_LON = KM * np.cos(np.deg2rad(MIDDLE))

Doubles = np.ndarray[Any, np.dtype[np.float64]]


def places(count: int, seed: int = 1) -> tuple[Doubles, Doubles]:
    rng = np.random.default_rng(seed)
    return rng.uniform(106.05, 107.45, count), rng.uniform(29.05, 30.15, count)


def table(lon: Doubles, lat: Doubles, **columns: Any) -> pd.DataFrame:
    made: dict[str, Any] = {
        column.name: np.full(len(lon), np.nan) for column in STATION_TABLE if column.kind == "float"
    }
    made |= {"station_id": [f"A{n:04d}" for n in range(len(lon))], "time": np.full(len(lon), END), "lon": lon,
             "lat": lat, "elevation_m": np.full(len(lon), 300.0)}  # fmt: skip
    return pd.DataFrame(made | columns)


def obs(lon: Doubles, lat: Doubles, celsius: Doubles, elevation: Doubles | float = 300.0) -> xr.Dataset:
    return xr.Dataset(
        {"air_temperature": (("time", "station"), np.asarray(celsius, "f4")[np.newaxis])},
        {"time": [END], "station": [f"A{n:04d}" for n in range(len(lon))], "lat": ("station", lat),
         "lon": ("station", lon), "elevation": ("station", np.broadcast_to(elevation, len(lon)).astype("f4"))},
    )  # fmt: skip


def analysed(
    lon: Doubles, lat: Doubles, celsius: Any = np.nan, *, elevation: Any = 300.0, heights: Any = None, **columns: Any
) -> xr.Dataset:
    made = table(lon, lat, elevation_m=np.broadcast_to(elevation, len(lon)).astype("f8"), **columns)
    given = obs(lon, lat, np.broadcast_to(celsius, len(lon)), elevation)
    return check(surface_analysis(given, made, GRID, WHEN, heights), SURFACE, what="surface")


def cell(lon: float, lat: float) -> dict[str, int]:
    return {"time": 0, "lat": round((lat - 29) / 0.01), "lon": round((lon - 106) / 0.01)}


def distance_km(lon: Doubles, lat: Doubles) -> Doubles:
    """(lat, lon) distance of the nearest station."""
    east = (GRID.lon[:, None] - lon)[None] * KM * np.cos(np.deg2rad((GRID.lat[:, None, None] + lat) / 2))
    return np.asarray(np.hypot(east, ((GRID.lat[:, None] - lat) * KM)[:, None, :]).min(axis=2))


class TestField:
    def test_constant_stays_constant(self) -> None:
        lon, lat = places(60)
        ds = analysed(lon, lat, 25.0, theta_e_k=350.0, theta_e_deficit_k=2.0, pressure_change_1h_hpa=-1.5)
        for name, value in (("surface_temperature", 298.15), ("surface_theta_e", 350), ("theta_e_deficit", 2),
                            ("pressure_change_1h", -1.5)):  # fmt: skip
            field = ds[name].to_numpy()
            assert np.isfinite(field).mean() > 0.9
            assert np.nanmax(np.abs(field - value)) < 1e-3

    def test_stations_are_met_within_the_observation_error(self) -> None:
        lon, lat = places(80)
        celsius = 25 + 4 * np.sin((lon - 106) * 6) * np.cos((lat - 29) * 6)
        ds = analysed(lon, lat, celsius)
        found = [float(ds["surface_temperature"][cell(x, y)]) for x, y in zip(lon, lat, strict=True)]
        assert np.sqrt(np.mean((np.array(found) - 273.15 - celsius) ** 2)) < 0.5

    def test_lapse_is_recovered_where_no_station_has_that_height(self) -> None:
        lon, lat = places(80)
        elevation = np.where(np.arange(80) % 2, 200.0, 900.0)
        heights = np.full(GRID.shape, 550, "f4")
        heights[60:, :] = 1300
        heights[:, 100:] = np.nan
        ds = analysed(lon, lat, 30 - 0.0072 * elevation, elevation=elevation, heights=heights)
        field = ds["surface_temperature"].to_numpy()[0] - 273.15
        assert field[20, 50] == pytest.approx(30 - 0.0072 * 550, abs=0.02)
        assert field[100, 50] == pytest.approx(30 - 0.0072 * 1300, abs=0.05)
        assert np.isnan(field[:, 100:]).all(), "unknown ground, unknown temperature"
        error = ds["surface_temperature_error"].to_numpy()[0]
        assert error[100, 50] > error[20, 50], "away from the stations' heights the line is less sure"

    def test_nothing_far_above_the_stations(self) -> None:
        lon, lat = places(40)
        heights = np.full(GRID.shape, 300, "f4")
        heights[50, 50], heights[60, 60] = 790, 810
        ds = analysed(lon, lat, 25.0, heights=heights)["surface_temperature"].to_numpy()[0]
        assert np.isfinite(ds[50, 50])
        assert np.isnan(ds[60, 60])

    def test_one_wrong_station_does_not_bend_the_line(self) -> None:
        lon, lat = places(60)
        elevation = np.linspace(100, 1000, 60)
        celsius = 30 - 0.0065 * elevation
        celsius[-1] += 25
        ds = analysed(lon, lat, celsius, elevation=elevation, heights=np.full(GRID.shape, 400, "f4"))
        far = distance_km(lon[-1:], lat[-1:]) > 3.1 * LENGTH_KM[0]
        field = ds["surface_temperature"].to_numpy()[0]
        assert np.nanmax(np.abs(field[far] - 273.15 - 27.4)) < 0.2


class TestLimits:
    def test_nothing_beyond_reach_and_everything_within(self) -> None:
        lon, lat = np.array([106.1, 106.2, 106.15]), np.array([29.1, 29.1, 29.2])
        ds = analysed(lon, lat, 25.0, theta_e_k=350.0, theta_e_deficit_k=6.0, pressure_change_1h_hpa=1.0)
        near = distance_km(lon, lat) <= REACH * LENGTH_KM[0]
        for name in ("surface_temperature", "surface_theta_e_error", "theta_e_deficit", "pressure_change_1h"):
            held = np.isfinite(ds[name].to_numpy()[0])
            assert (held & ~near).sum() <= 2
            assert (held != near).mean() < 1e-3
        assert (ds["cold_pool"].to_numpy()[0] == 0)[~near].mean() > 0.999

    def test_no_stations(self) -> None:
        empty = np.zeros(0)
        ds = analysed(empty, empty)
        assert np.isnan(ds["surface_temperature"]).all()
        assert (ds["cold_pool"] == 0).all()
        assert np.isnan(ds["gust_nearby"]).all()

    def test_stations_outside_count_at_the_edge_only(self) -> None:
        ds = analysed(np.array([105.9, 100.0, 466.1]), np.array([29.5, 29.5, 29.5]), np.array([20.0, 90.0, 24.0]))
        field = ds["surface_temperature"].to_numpy()[0]
        assert np.isfinite(field[50, 0])
        assert np.nanmax(field) < 300, "the far one has no say; 466.1 is 106.1"

    def test_bad_and_old_values_have_no_say(self) -> None:
        lon, lat = places(10)
        given = obs(lon, lat, np.full(10, 25.0))
        given["air_temperature_qc"] = (("time", "station"), np.full((1, 10), QC_BAD, "u1"))
        made = table(lon, lat)
        assert np.isnan(surface_analysis(given, made, GRID, WHEN)["surface_temperature"]).all()
        later = surface_analysis(obs(lon, lat, np.full(10, 25.0)), made, GRID, WHEN + timedelta(minutes=71))
        assert np.isnan(later["surface_temperature"]).all()

    def test_an_old_value_has_a_larger_error(self) -> None:
        lon, lat = places(30)
        given, made = obs(lon, lat, np.full(30, 25.0)), table(lon, lat)
        errors = [
            float(surface_analysis(given, made, GRID, WHEN + timedelta(minutes=m))["surface_temperature_error"].mean())
            for m in (0, 60)
        ]
        assert errors[1] > 1.2 * errors[0]

    def test_refused(self) -> None:
        lon, lat = places(3)
        given, made = obs(lon, lat, np.full(3, 25.0)), table(lon, lat)
        with pytest.raises(TimeError):
            surface_analysis(given, made, GRID, WHEN.replace(tzinfo=None))
        with pytest.raises(SchemaError, match="heights"):
            surface_analysis(given, made, GRID, WHEN, np.zeros((3, 3), "f4"))


class TestError:
    @pytest.mark.parametrize("scale_km", [12, 25])
    def test_hidden_places_lie_within_it(self, scale_km: float) -> None:
        """Fields of a shorter scale than assumed and of the same, with noise: 68 % within one stated error."""
        misses = np.concatenate([self.misses(seed, scale_km) for seed in range(4)])
        assert misses.size > 700
        assert 0.6 < (misses < 1).mean() < 0.8
        assert (misses < 2).mean() > 0.85

    def misses(self, seed: int, scale_km: float) -> Doubles:
        rng = np.random.default_rng(seed)
        lon, lat = places(400, seed=seed + 50)
        x, y = lon * KM_LON, lat * KM
        away = np.hypot(x[:, None] - x, y[:, None] - y)
        root = np.linalg.cholesky(np.exp(-0.5 * (away / scale_km) ** 2) + 1e-6 * np.eye(400))
        field = 25 + root @ rng.normal(0, 3, 400)
        ds = analysed(lon[:200], lat[:200], (field + rng.normal(0, 0.5, 400))[:200])
        row, column = np.rint((lat[200:] - 29) / 0.01).astype(int), np.rint((lon[200:] - 106) / 0.01).astype(int)
        value, error = (
            ds[name].to_numpy()[0, row, column] for name in ("surface_temperature", "surface_temperature_error")
        )
        seen = np.isfinite(value)
        return np.asarray(np.abs(value - 273.15 - field[200:])[seen] / error[seen])

    def test_grows_away_from_stations(self) -> None:
        lon, lat = places(25)
        error = analysed(lon, lat, 25 + 3 * np.sin(3 * (lon - 106)))["surface_temperature_error"].to_numpy()[0]
        away = distance_km(lon, lat)
        assert np.nanmean(error[away < 3]) < 0.7 * np.nanmean(error[away > 15])


class TestStations:
    def test_order_does_not_matter(self) -> None:
        lon, lat = places(50)
        rng = np.random.default_rng(2)
        columns = {name: rng.normal(size=50) for name in ("theta_e_deficit_k", "pressure_change_1h_hpa")}
        celsius, elevation = rng.normal(25, 2, 50), rng.uniform(100, 800, 50)
        heights = np.full(GRID.shape, 400, "f4")
        turn = rng.permutation(50)
        one = analysed(lon, lat, celsius, elevation=elevation, heights=heights, gust_m_s=celsius, **columns)
        other = analysed(
            lon[turn], lat[turn], celsius[turn], elevation=elevation[turn], heights=heights, gust_m_s=celsius[turn],
            **{name: values[turn] for name, values in columns.items()},
        )  # fmt: skip
        xr.testing.assert_identical(one, other)

    def test_two_at_one_place(self) -> None:
        lon, lat = places(20)
        celsius = np.full(20, 25.0)
        lon[1], lat[1], celsius[0], celsius[1] = lon[0], lat[0], 24.0, 26.0
        field = analysed(lon, lat, celsius)["surface_temperature"]
        assert float(field[cell(lon[0], lat[0])]) - 273.15 == pytest.approx(25, abs=0.3)

    def test_kernel_against_a_dense_solve(self) -> None:
        rng = np.random.default_rng(0)
        stations, points = rng.uniform(0, 1.2, (9, 3)), rng.uniform(0, 1.2, (20, 3))
        departure, noise = rng.normal(size=9), rng.uniform(0.1, 0.5, 9)
        order, starts, corner = bins(stations[:, 0], stations[:, 1])
        skip = np.full(20, -1)
        value, share = interpolate(points, skip, stations[order], departure[order], noise[order], (starts, corner), 12)

        def correlation(a: Doubles, b: Doubles) -> Doubles:
            return np.asarray(np.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(axis=2)))

        gain = np.linalg.solve(correlation(stations, stations) + np.diag(noise), correlation(stations, points))
        assert value == pytest.approx(gain.T @ departure, abs=1e-9)
        assert share == pytest.approx(1 - (gain * correlation(stations, points)).sum(axis=0), abs=1e-9)


class TestGusts:
    def test_no_interpolation(self) -> None:
        lon, lat, gust = np.array([106.5, 106.52, 107.2]), np.array([29.5, 29.5, 29.5]), np.array([20.0, 25.0, np.nan])
        field = analysed(lon, lat, gust_m_s=gust)["gust_nearby"].to_numpy()[0]
        near = distance_km(lon[:2], lat[:2]) <= GUST_KM
        assert set(np.unique(field[np.isfinite(field)])) == {20.0, 25.0}
        assert (np.isfinite(field) != near).sum() <= 4
        assert field[50, 50] == 25


class TestColdPool:
    LON, LAT = (axis.ravel() for axis in np.meshgrid(np.arange(106.1, 107.5, 0.1), np.arange(29.1, 30.2, 0.1)))

    def deficits(self, count: int) -> xr.Dataset:
        """`count` stations with 12 K nearest to the middle, the others with 0."""
        nearest = np.argsort(np.hypot(self.LON - 106.72, self.LAT - 29.62))
        values = np.zeros(self.LON.size)
        values[nearest[:count]] = 12
        return analysed(self.LON, self.LAT, theta_e_deficit_k=values)

    def test_outline_holds_the_stations(self) -> None:
        ds = self.deficits(20)
        pools = cold_pools(ds, GRID)
        assert len(pools) == 1
        assert pools[0].is_valid
        assert pools[0].contains(shapely.Point(106.72, 29.62))
        assert not pools[0].contains(shapely.Point(106.1, 29.1))
        area = pools[0].area * KM * KM_LON
        cells = float(((ds["cold_pool"][0] == 2).sum("lon") * xr.DataArray(GRID.cell_area_km2, dims="lat")).sum())
        assert area == pytest.approx(cells, rel=0.05)

    def test_one_station_alone_makes_none(self) -> None:
        """Five agree on nothing in the east, one in the west says 12 K: the field believes it, the flag does not."""
        lon, lat = np.array([106.2, 107.0, 107.1, 107.2, 107.3, 107.1]), np.array([29.5, 29.5, 29.6, 29.4, 29.5, 29.3])
        ds = analysed(lon, lat, theta_e_deficit_k=np.array([12.0, 0, 0, 0, 0, 0]))
        assert float(ds["theta_e_deficit"].max()) > 5, "the field would say so"
        assert not (ds["cold_pool"] == 2).any()
        assert (ds["cold_pool"] == 1).any()
        assert cold_pools(ds, GRID) == []

    def test_two_pools_largest_first(self) -> None:
        ds = self.deficits(0)
        flags = ds["cold_pool"].to_numpy().copy()
        flags[0, 10:30, 10:40], flags[0, 60:110, 60:120], flags[0, 80:90, 80:90], flags[0, 0, 0] = 2, 2, 1, 2
        pools = cold_pools(ds.assign(cold_pool=(ds["cold_pool"].dims, flags)), GRID)
        assert [pool.bounds for pool in pools] == [
            pytest.approx((106.595, 29.595, 107.195, 30.095)), pytest.approx((106.095, 29.095, 106.395, 29.295))
        ]  # fmt: skip
        assert all(len(pool.interiors) == 0 for pool in pools)
