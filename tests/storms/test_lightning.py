"""Lightning of storms: rates, neighbours, polarity, jumps along the motion, who looked."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import shapely

from tests.lightning.makers import DEGREE_KM, START, lightning, strokes
from wxcore.errors import TimeError
from wxcore.grid import Grid
from wxcore.lightning.events import Lightning
from wxcore.lightning.flashes import to_flashes
from wxcore.schema import STORMS
from wxcore.storms.lightning import COLUMNS, cell_flash_rate, storm_lightning

GRID = Grid(106.0, 29.0, 200, 200)
WHEN = START + timedelta(minutes=14)
LAT = 30.0
KM_LON = 1 / (DEGREE_KM * np.cos(np.deg2rad(LAT)))
KM_LAT = 1 / DEGREE_KM


def storm(lon: float, lat: float = LAT, half_km: float = 5.0, u: float = 0.0, v: float = 0.0) -> dict[str, object]:
    box = shapely.box(lon - half_km * KM_LON, lat - half_km * KM_LAT, lon + half_km * KM_LON, lat + half_km * KM_LAT)
    return {"lon": lon, "lat": lat, "polygon": box, "u_m_s": u, "v_m_s": v}


def table(*storms: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(storms), index=[f"s{number}" for number in range(len(storms))])


def look(seconds: object, lon: object, lat: object = LAT, *, minutes: float = 14.0) -> Lightning:
    return lightning(seconds, lon, lat, cover_s=60 * minutes)  # type: ignore[arg-type]


def found(files: list[Lightning], *storms: dict[str, object]) -> pd.DataFrame:
    return storm_lightning(table(*storms), to_flashes(files), WHEN, GRID)


LATE = 60 * 13.0
"""Seconds from START, in the last six minutes."""


def test_columns_are_those_of_the_schema() -> None:
    names = [column.name for column in STORMS if "flash" in column.name or "lightning" in column.name]
    assert set(names) | {"peak_current_ka"} == set(COLUMNS)
    result = found([], storm(107))
    assert list(result.columns) == list(COLUMNS)
    assert result.index.tolist() == ["s0"]


class TestRate:
    @pytest.mark.parametrize(
        ("east_km", "flashes"), [(0, 1), (4.9, 1), (14.9, 1), (15.1, 0), (-14.9, 1), (-15.1, 0)]
    )  # fmt: skip
    def test_outline_and_ten_km(self, east_km: float, flashes: int) -> None:
        result = found([look([LATE], 107 + east_km * KM_LON)], storm(107))
        assert result["flash_rate_min"].tolist() == pytest.approx([flashes / 6])
        assert result["flash_total"].tolist() == [1]

    def test_last_six_minutes(self) -> None:
        seconds = [60 * 8, 60 * 8 + 1, 60 * 14, 60 * 14 + 1]
        result = found([look(seconds, 107, minutes=20)], storm(107))
        assert result["flash_rate_min"].tolist() == pytest.approx([2 / 6])

    def test_of_covered_minutes(self) -> None:
        file = lightning([10, 20, 30], 107, LAT, start=START + timedelta(minutes=12), cover_s=60)
        assert found([file], storm(107))["flash_rate_min"].tolist() == pytest.approx([3])

    def test_zero_where_somebody_looked(self) -> None:
        result = found([look([], [])], storm(107))
        assert result["flash_rate_min"].tolist() == [0]
        assert result[["flash_positive_fraction", "peak_current_ka"]].isna().all(axis=None)

    def test_nan_where_nobody_looked(self) -> None:
        west = lightning([LATE], 106.5, LAT, cover_s=840, coverage=(100, 20, 107, 40))
        result = found([west], storm(106.5), storm(107.5))
        assert result.loc["s0", "flash_rate_min"] == pytest.approx(1 / 6)
        assert result.loc["s1"].isna().all()
        assert found([], storm(107)).isna().all(axis=None)

    def test_naive_time(self) -> None:
        with pytest.raises(TimeError):
            storm_lightning(table(storm(107)), to_flashes([]), datetime(2026, 7, 1), GRID)  # noqa: DTZ001

    def test_no_storms(self) -> None:
        empty = table(storm(107)).iloc[:0]
        assert storm_lightning(empty, to_flashes([look([1], 107)]), WHEN, GRID).shape == (0, 6)


class TestNeighbours:
    def test_the_nearest_outline_has_it(self) -> None:
        # outlines 8 km apart; flashes 3 and 5 km from the first
        west, east = storm(107), storm(107 + 18 * KM_LON)
        places = 107 + np.array([8, 10, 3]) * KM_LON
        result = found([look([LATE, LATE + 5, LATE + 10], places)], west, east)
        assert (result["flash_rate_min"] * 6).tolist() == pytest.approx([2, 1])

    def test_of_two_that_hold_it_the_nearest_centre(self) -> None:
        wide, small = storm(107, half_km=20), storm(107 + 15 * KM_LON, half_km=4)
        for order in ((wide, small), (small, wide)):
            result = found([look([LATE], 107 + 14 * KM_LON)], *order)
            assert (result["flash_rate_min"] * 6).tolist() == pytest.approx([float(one is small) for one in order])

    def test_every_flash_once(self) -> None:
        rng = np.random.default_rng(1)
        storms = [storm(106.6 + 0.08 * i, 29.6 + 0.1 * j) for i in range(8) for j in range(6)]
        lon, lat = rng.uniform(106.6, 107.16, 300), rng.uniform(29.6, 30.1, 300)
        result = found([look(LATE - 200 + np.arange(300) * 0.8, lon, lat)], *storms)
        assert result["flash_rate_min"].sum() * 6 == pytest.approx(300)


class TestNetwork:
    def test_polarity_and_current(self) -> None:
        file = strokes([LATE, LATE + 5, LATE + 10, LATE + 15], 107, LAT, [-20, 35, -80.5, np.nan], cover_s=840)
        result = found([file], storm(107)).iloc[0]
        assert result["flash_total"] == 0
        assert result["flash_rate_min"] == pytest.approx(4 / 6)
        assert result["flash_positive_fraction"] == pytest.approx(1 / 3)
        assert result["peak_current_ka"] == 80.5

    def test_with_an_imager_the_currents_stay(self) -> None:
        network = strokes([LATE, LATE + 5], 107, LAT, [-20, 35], cover_s=840)
        result = found([network, look([LATE + 0.1, LATE + 30], 107)], storm(107)).iloc[0]
        assert result["flash_total"] == 1
        assert result["flash_rate_min"] == pytest.approx(3 / 6)  # one of the four was seen by both
        assert (result["flash_positive_fraction"], result["peak_current_ka"]) == (0.5, 35)


RATES = [2, 3, 2, 4, 3, 4, 12]
"""sigma of the changes sqrt(1.8), as in tests/lightning/test_jump.py."""


def series(rates: Sequence[float]) -> np.ndarray:
    """Seconds of flashes with these rates [min-1] in bins of two minutes."""
    bins = [120 * number + (np.arange(2 * rate) + 0.5) * 120 / (2 * rate) for number, rate in enumerate(rates)]
    return np.concatenate(bins)


class TestJump:
    def test_by_hand(self) -> None:
        result = found([look(series(RATES), 107)], storm(107)).iloc[0]
        assert result["lightning_jump_sigma"] == pytest.approx(8 / np.sqrt(1.8))
        assert result["lightning_jump"] == 1

    def test_of_the_network_alone(self) -> None:
        file = strokes(series([2, 3, 2, 4, 3, 4, 9]), 107, LAT, cover_s=840)
        result = found([file], storm(107)).iloc[0]
        assert result["lightning_jump"] == 1
        assert found([look(series([2, 3, 2, 4, 3, 4, 9]), 107)], storm(107))["lightning_jump"].tolist() == [0]

    @pytest.mark.parametrize("speed", [25.0, -25.0])
    def test_follows_the_storm(self, speed: float) -> None:
        seconds = series(RATES)
        lon = 107 + speed * 1e-3 * (seconds - 840) * KM_LON
        moved = found([look(seconds, lon)], storm(107, u=speed)).iloc[0]
        assert moved["lightning_jump_sigma"] == pytest.approx(8 / np.sqrt(1.8))
        still = found([look(seconds, lon)], storm(107)).iloc[0]
        assert still["lightning_jump_sigma"] != pytest.approx(8 / np.sqrt(1.8))

    def test_unknown_motion_takes_15_km_around(self) -> None:
        seconds = series(RATES)
        lon = np.where(seconds < 720, 107 + 18 * KM_LON, 107)
        unknown = found([look(seconds, lon)], storm(107, u=np.nan, v=np.nan)).iloc[0]
        assert unknown["lightning_jump_sigma"] == pytest.approx(8 / np.sqrt(1.8))

    def test_a_gap_in_the_cover_is_nan(self) -> None:
        first = lightning(np.empty(0), np.empty(0), np.empty(0), cover_s=120)
        late = lightning([], [], [], start=START + timedelta(minutes=4), cover_s=600)
        result = found([first, late], storm(107)).iloc[0]
        assert result[["lightning_jump", "lightning_jump_sigma"]].isna().all()
        assert result["flash_rate_min"] == 0

    def test_half_a_bin_covered_is_enough(self) -> None:
        first = lightning([], [], [], cover_s=60)
        late = lightning([], [], [], start=START + timedelta(minutes=2), cover_s=720)
        assert found([first, late], storm(107))["lightning_jump"].tolist() == [0]

    def test_networks_flashes_do_not_mix_with_an_imagers(self) -> None:
        """A network file that ends early must not look like a falling rate."""
        network = strokes(np.arange(0, 600, 3.0), 107 + 5 * KM_LON, LAT, cover_s=600)
        result = found([network, look(series(RATES), 107)], storm(107)).iloc[0]
        assert result["lightning_jump_sigma"] == pytest.approx(8 / np.sqrt(1.8))


def test_cloud_cells() -> None:
    cells = table(storm(107), storm(107.6)).drop(columns=["u_m_s", "v_m_s"])
    rate = cell_flash_rate(cells, to_flashes([look([LATE, LATE + 5], 107)]), WHEN, GRID)
    assert (rate * 6).tolist() == pytest.approx([2, 0])
    assert rate.index.tolist() == ["s0", "s1"]
    assert cell_flash_rate(cells, to_flashes([]), WHEN, GRID).isna().all()
    assert cell_flash_rate(cells.iloc[:0], to_flashes([]), WHEN, GRID).empty
