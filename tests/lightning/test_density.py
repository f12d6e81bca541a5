"""Density: Gaussian by hand, conservation, zero against NaN, partial cover, sources, the real GLM file on a map."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lightning.makers import DEGREE_KM, START, lightning, strokes
from wxcore.errors import TimeError
from wxcore.grid import Grid
from wxcore.lightning.density import BY_BOTH, BY_IMAGER, BY_NETWORK, NOT_OBSERVED, counted, density, spread
from wxcore.lightning.events import Lightning
from wxcore.lightning.flashes import to_flashes
from wxcore.lightning.glm import read_glm
from wxcore.schema import LIGHTNING, check
from wxcore.times import to_datetime64

GRID = Grid(106.0, 29.0, 161, 141, 0.01)
REAL = "OR_GLM-L2-LCFA_G16_s20181830433000_e20181830433200_c20181830433231.nc"


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def made(files: list[Lightning], minutes: float = 10.0, grid: Grid = GRID) -> xr.Dataset:
    found = density(to_flashes(files), grid, at(minutes))
    check(found, LIGHTNING, what="lightning")
    return found


def integral(found: xr.Dataset, grid: Grid = GRID) -> float:
    """Flashes an hour."""
    return float((found["flash_density"].to_numpy()[0].astype(float) * grid.cell_area_km2[:, None]).sum())


def sources(found: xr.Dataset) -> list[int]:
    return [int(flag) for flag in np.unique(found["lightning_source"].to_numpy())]


class TestField:
    def test_peak_and_fall_by_hand(self) -> None:
        field = made([lightning([60], 106.8, 29.7, cover_s=600)])["flash_density"].isel(time=0)
        peak = 6 / (2 * np.pi * 25)  # one flash in 10 minutes
        assert float(field.sel(lon=106.8, lat=29.7)) == pytest.approx(peak, rel=1e-5)
        north = 0.09 * 111.19492664 / 5
        assert float(field.sel(lon=106.8, lat=29.79)) == pytest.approx(peak * np.exp(-(north**2) / 2), rel=1e-4)
        east = north * np.cos(np.deg2rad(29.7))
        assert float(field.sel(lon=106.89, lat=29.7)) == pytest.approx(peak * np.exp(-(east**2) / 2), rel=1e-4)
        assert float(field.sel(lon=107.5, lat=29.7)) == 0

    @settings(max_examples=15, deadline=None)
    @given(count=st.integers(1, 40), seed=st.integers(0, 99), step=st.sampled_from([0.01, 0.02, 0.04]))
    def test_conserves_flashes(self, count: int, seed: int, step: float) -> None:
        grid = Grid(106.0, 29.0, round(1.6 / step) + 1, round(1.4 / step) + 1, step)
        rng = np.random.default_rng(seed)
        lon, lat = rng.uniform(106.4, 107.2, count), rng.uniform(29.4, 30.0, count)
        found = made([lightning(np.linspace(1, 599, count), lon, lat, cover_s=600)], grid=grid)
        assert integral(found, grid) / 6 == pytest.approx(count, rel=1e-4)

    def test_flashes_outside_reach_in_and_those_at_the_edge_leak_out(self) -> None:
        outside = made([lightning([1], 105.97, 29.7, cover_s=600)])
        edge = made([lightning([1], GRID.bounds[0], 29.7, cover_s=600)])
        assert 0 < integral(outside) / 6 < 0.5
        assert integral(edge) / 6 == pytest.approx(0.5, rel=1e-3)

    def test_longitudes_of_another_turn(self) -> None:
        grid = Grid(179.0, 0.0, 200, 100, 0.01)
        found = made([lightning([1], -179.5, 0.5, cover_s=600, coverage=(150, -30, 210, 30))], grid=grid)
        assert float(found["flash_density"].isel(time=0).sel(lon=180.5, lat=0.5)) == pytest.approx(6 / (50 * np.pi))

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 999), count=st.integers(0, 60), step=st.sampled_from([0.01, 0.04, 0.3]))
    def test_the_sum_of_all_bells(self, seed: int, count: int, step: float) -> None:
        """Each flash to each cell, in and around the grid."""
        grid = Grid(106.0, 29.0, round(0.8 / step) + 1, round(0.6 / step) + 1, step)
        rng = np.random.default_rng(seed)
        lon, lat = rng.uniform(105.6, 107.2, count), rng.uniform(28.6, 30.0, count)
        north = (grid.lat[:, None, None] - lat) * DEGREE_KM / 5
        east = (grid.lon[None, :, None] - lon) * DEGREE_KM * np.cos(np.deg2rad(lat)) / 5
        near = (np.abs(north) <= 5) & (np.abs(east) <= 5)
        expected = np.where(near, np.exp(-0.5 * (north**2 + east**2)) / (2 * np.pi * 25), 0).sum(axis=2)
        np.testing.assert_allclose(spread(lon, lat, grid), expected, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
    def test_grids_of_one_line(self, shape: tuple[int, int]) -> None:
        grid = Grid(106.0, 29.0, shape[1], shape[0], 0.01)
        found = spread(np.array([106.0, 150.0]), np.array([29.0, 29.0]), grid)
        assert found.shape == shape
        assert found[0, 0] == pytest.approx(1 / (50 * np.pi))


class TestWindow:
    def test_begins_after_and_ends_with_the_analysis(self) -> None:
        files = [lightning([0, 1, 600, 601], [106.3, 106.6, 106.9, 107.2], 29.7, cover_s=900)]
        assert integral(made(files)) / 6 == pytest.approx(2, rel=1e-4)

    def test_rate_is_that_of_the_covered_time(self) -> None:
        # 3 flashes in the 2 covered minutes of 10, in two files that overlap
        files = [
            lightning([10, 50], [106.6, 106.9], 29.7, cover_s=80),
            lightning([100], 106.8, 29.7, start=at(0), cover_s=120),
        ]
        assert integral(made(files)) == pytest.approx(90, rel=1e-4)

    def test_naive_time(self) -> None:
        with pytest.raises(TimeError):
            density(to_flashes([]), GRID, datetime(2026, 7, 1))  # noqa: DTZ001


class TestObserved:
    def test_nobody_looked(self) -> None:
        for files in ([], [lightning([], [], [], start=at(-60))], [lightning([], [], [], cover_s=14)]):
            found = made(files)
            assert np.isnan(found["flash_density"]).all()
            assert sources(found) == [NOT_OBSERVED]

    def test_looked_and_saw_none(self) -> None:
        found = made([lightning([], [], [])])
        assert (found["flash_density"] == 0).all()
        assert sources(found) == [BY_IMAGER]

    def test_outside_of_the_coverage_is_nan(self) -> None:
        found = made([lightning([1], 106.5, 29.5, coverage=(100, 20, 106.8, 40))])
        field = found["flash_density"].isel(time=0)
        assert np.isnan(field.sel(lon=slice(106.81, 108))).all()
        assert field.sel(lon=slice(106, 106.8)).notnull().all()
        assert sources(found) == [NOT_OBSERVED, BY_IMAGER]

    def test_coverages_side_by_side(self) -> None:
        west = lightning([1], 106.4, 29.5, coverage=(100, 20, 106.805, 40))
        east = lightning([1, 2, 3], 107.2, 29.5, coverage=(106.805, 20, 110, 40), source="FY-4C/LMI", cover_s=120)
        found = made([west, east])
        field = found["flash_density"].isel(time=0) * GRID.cell_area_km2[:, None]
        assert float(field.sel(lon=slice(106, 106.805)).sum()) == pytest.approx(60, rel=1e-3)
        assert float(field.sel(lon=slice(106.805, 108)).sum()) == pytest.approx(90, rel=1e-3)


class TestSources:
    def test_network(self) -> None:
        found = made([strokes([10, 300], [106.6, 106.9], 29.7)])
        assert integral(found) / 6 == pytest.approx(2, rel=1e-4)
        assert sources(found) == [BY_NETWORK]

    def test_both_count_a_flash_once(self) -> None:
        imager = lightning([10, 300], [106.6, 106.9], 29.7, cover_s=600)
        network = strokes([10.2, 500], [106.65, 106.9], 29.7)
        found = made([imager, network])
        assert integral(found) / 6 == pytest.approx(3, rel=1e-4)
        assert sources(found) == [BY_BOTH]

    def test_an_imager_that_looked_for_most_of_the_time_is_believed(self) -> None:
        imager = lightning([10], 106.6, 29.7, cover_s=540)
        network = strokes([100, 550, 560, 570, 580], 106.9, 29.7)
        assert integral(made([imager, network])) == pytest.approx(2 * 3600 / 540, rel=1e-4)

    def test_an_imager_that_looked_for_a_minute_joins_the_network(self) -> None:
        imager = lightning([10], 106.6, 29.7, cover_s=60)
        network = strokes([100, 200, 300, 400, 500], 106.9, 29.7)
        assert integral(made([imager, network])) == pytest.approx(36, rel=1e-4)

    def test_repeats_count_once(self) -> None:
        files = [lightning([10], 106.6, 29.7, source=name, cover_s=600) for name in ("FY-4A/LMI", "FY-4C/LMI")]
        assert integral(made(files)) / 6 == pytest.approx(1, rel=1e-4)


def test_real_glm_over_the_upper_midwest(data: Path) -> None:
    """The integral is the number of flashes in the box; none lies within 25 km of its edges but inside the grid."""
    file = read_glm(data / "satellite" / "glm" / REAL, REAL, None)
    grid = Grid(-97.5, 45.5, 350, 250, 0.02)
    found = density(to_flashes([file]), grid, file.end)
    inside = (file.lon > -97) & (file.lon < -91) & (file.lat > 46) & (file.lat < 50)
    assert integral(found, grid) / 180 == pytest.approx(np.count_nonzero(inside), abs=0.05)
    peak = found["flash_density"].isel(time=0)
    at_peak = peak.where(peak == peak.max(), drop=True)
    assert np.min(np.hypot(file.lon - float(at_peak.lon[0]), file.lat - float(at_peak.lat[0]))) < 0.1


def test_a_minute_of_an_imager_does_not_silence_the_network() -> None:
    """Forty strokes in five minutes, and one empty minute of an imager: not "no lightning"."""
    network = strokes(np.arange(60, 360, 7.5), 106.8 + np.arange(40) * 0.2, 29.7, cover_s=360)
    empty = lightning([], [], [], start=at(4), cover_s=60)
    flashes = to_flashes([network, empty])
    chosen, hours = counted(flashes, flashes.looks, to_datetime64(START), to_datetime64(at(6)))
    assert chosen.sum() == 40
    assert hours == pytest.approx(0.1)
