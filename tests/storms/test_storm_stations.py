"""Ground stations near storms: distance to the outline, time of the gust, witnesses before size."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from wxcore.errors import TimeError
from wxcore.schema import STORMS
from wxcore.storms.stations import COLUMNS, DEGREE_KM, storm_stations

WHEN = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
END = np.datetime64("2026-07-01T08:00", "ns")
LAT = 30.0
KM_LON = 1 / (DEGREE_KM * np.cos(np.deg2rad(LAT)))
KM_LAT = 1 / DEGREE_KM


def storms(*centres: float) -> pd.DataFrame:
    """Storms of 10 by 10 km at these longitudes."""
    boxes = [shapely.box(x - 5 * KM_LON, LAT - 5 * KM_LAT, x + 5 * KM_LON, LAT + 5 * KM_LAT) for x in centres]
    return pd.DataFrame({"polygon": boxes}, index=[f"s{n}" for n in range(len(boxes))])


def station(east_km: float, gust: float = np.nan, witnesses: float = np.nan, minutes: float = 10, **more: Any) -> Any:
    row: dict[str, Any] = {
        "lon": 107 + east_km * KM_LON, "lat": LAT, "gust_30min_m_s": gust, "gust_30min_witnesses": witnesses,
        "flags": (), "gust_30min_time": END - np.timedelta64(round(60 * minutes), "s"),
        "pressure_jump_10min_hpa": np.nan, "temperature_drop_k": np.nan, "theta_e_deficit_k": np.nan,
    }  # fmt: skip
    return row | more


def found(*stations: Any, where: tuple[float, ...] = (107.0,)) -> Any:
    return storm_stations(storms(*where), pd.DataFrame(list(stations)), WHEN)


def test_columns_are_those_of_the_schema() -> None:
    assert set(COLUMNS) <= {column.name for column in STORMS}
    result = found(station(0, 20))
    assert list(result.columns) == list(COLUMNS)
    assert result.index.tolist() == ["s0"]


@pytest.mark.parametrize(("east_km", "count"), [(0, 1), (24.9, 1), (25.1, 0), (-24.9, 1), (-25.1, 0)])
def test_twenty_km_around_the_outline(east_km: float, count: int) -> None:
    result = found(station(east_km, 20)).iloc[0]
    assert result["stations_near"] == count
    assert np.isfinite(result["gust_near_m_s"]) == bool(count)


def test_largest_of_each() -> None:
    result = found(
        station(1, 15, 1, pressure_jump_10min_hpa=1.0, temperature_drop_k=9.0),
        station(2, 19, 1, pressure_jump_10min_hpa=2.5, theta_e_deficit_k=14.0),
        station(60, 40, 1, pressure_jump_10min_hpa=9.0, theta_e_deficit_k=30.0),
    ).iloc[0]
    assert result.tolist() == [2, 19, 1, 1, 2.5, 9, 14]


def gust_of(*stations: Any) -> tuple[float, float, float]:
    row = found(*stations).iloc[0]
    return row["gust_near_m_s"], row["gust_near_supported"], row["gust_near_witnesses"]


def test_a_gust_with_witnesses_goes_before_a_larger_one_without() -> None:
    assert gust_of(station(1, 60, 0), station(2, 18, 1), station(3, 30)) == (18, 1, 1)
    assert gust_of(station(1, 60, 1), station(2, 18, 2)) == (18, 1, 2)
    assert gust_of(station(1, 60, 0), station(3, 20, 0)) == (60, 0, 0)
    size, supported, witnesses = gust_of(station(1, 60, 0), station(3, 30))
    assert size == 30
    assert np.isnan(supported)
    assert np.isnan(witnesses)


def test_two_witnesses_are_enough_and_then_size_counts() -> None:
    assert gust_of(station(1, 14, 3), station(2, 25, 2)) == (25, 1, 2)


def test_a_breeze_does_not_hide_a_doubted_gale() -> None:
    assert gust_of(station(1, 28, 0), station(2, 9, 3)) == (28, 0, 0)
    assert gust_of(station(1, 8, 0), station(2, 6, 3)) == (8, 0, 0)


@pytest.mark.parametrize("doubted", ["air_temperature:step", "dew_point_temperature:buddy", "air_pressure:range"])
def test_a_station_whose_air_is_doubted_says_nothing_of_the_air(doubted: str) -> None:
    told = {"pressure_jump_10min_hpa": 3.0, "temperature_drop_k": 9.0, "theta_e_deficit_k": 14.0}
    row = found(station(1, 20, 2, flags=(doubted,), **told), station(2, temperature_drop_k=2.0)).iloc[0]
    assert row["temperature_drop_k"] == 2
    assert row[["pressure_jump_hpa", "theta_e_deficit_k"]].isna().all()
    assert row["gust_near_m_s"] == 20
    wind = found(station(1, flags=("wind_speed:step",), **told)).iloc[0]
    assert wind["pressure_jump_hpa"] == 3


@pytest.mark.parametrize(("minutes", "counts"), [(0, True), (30, True), (31, False), (-1, False)])
def test_gust_of_the_last_half_hour(minutes: float, counts: bool) -> None:
    assert np.isfinite(found(station(1, 20, 1, minutes)).iloc[0]["gust_near_m_s"]) == counts


def test_gust_without_time_is_not_counted() -> None:
    result = found(station(1, 20, 1, gust_30min_time=np.datetime64("NaT"))).iloc[0]
    assert result["stations_near"] == 1
    assert np.isnan(result["gust_near_m_s"])


def test_a_station_between_two_storms_speaks_of_both() -> None:
    result = found(station(15, 20, 1), where=(107.0, 107 + 30 * KM_LON, 109.0))
    assert result["stations_near"].tolist() == [1, 1, 0]
    assert result["gust_near_m_s"].isna().tolist() == [False, False, True]


def test_nothing_there() -> None:
    empty = pd.DataFrame([station(0)]).iloc[:0]
    result = storm_stations(storms(107.0), empty, WHEN)
    assert result["stations_near"].tolist() == [0]
    assert result.drop(columns="stations_near").isna().all(axis=None)
    assert storm_stations(storms(), pd.DataFrame([station(0)]), WHEN).empty
    no_outline = pd.DataFrame({"polygon": [None, shapely.Polygon()]})
    assert storm_stations(no_outline, pd.DataFrame([station(0)]), WHEN)["stations_near"].tolist() == [0, 0]


def test_naive_time_is_refused() -> None:
    with pytest.raises(TimeError):
        storm_stations(storms(107.0), pd.DataFrame([station(0)]), WHEN.replace(tzinfo=None))
