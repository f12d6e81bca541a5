"""Reports of many files to one Dataset: each station, minute and element once, strangers left out."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import TimeError
from wxcore.region import Region, Station, load_region
from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING
from wxcore.station.network import Network, network_of, sort_out
from wxcore.station.reports import PROVINCIAL, Reports
from wxcore.station.series import series

END = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
IDS = ("57516", "A8290", "A7003")
PLACES = {"57516": (29.58, 106.47), "A8290": (29.40, 105.50), "A7003": (29.16, 107.10)}


def network(ids: tuple[str, ...] = IDS) -> Network:
    lat, lon = (np.array([PLACES[one][axis] for one in ids]) for axis in (0, 1))
    height = np.full(len(ids), 300.0)
    return Network(
        np.array(ids), lat, lon, height, height, np.array([""] * len(ids)),
        {one: number for number, one in enumerate(ids)}, (104.8, 27.6, 110.8, 32.8),
    )  # fmt: skip


def reports(rows: list[tuple[str, int, float]], *, element: str = "air_temperature", **other: Any) -> Reports:
    """(station, minutes before END, value) each."""
    ids = np.array([row[0] for row in rows])
    time = np.array([np.datetime64((END - timedelta(minutes=row[1])).replace(tzinfo=None), "ns") for row in rows])
    lat = np.array([PLACES.get(row[0], (29.0, 106.0))[0] for row in rows])
    lon = np.array([PLACES.get(row[0], (29.0, 106.0))[1] for row in rows])
    values = {element: np.array([row[2] for row in rows], dtype=np.float32)}
    gust_time = other.pop("gust_time", np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[ns]"))
    return Reports(
        "test", "TEST", ids, time, other.pop("lat", lat), other.pop("lon", lon), np.full(len(rows), 300, "f4"),
        values, gust_time, **other,
    )  # fmt: skip


def laid(*files: Reports, minutes: int = 10) -> Any:
    return series(files, network(), END - timedelta(minutes=minutes), END)


def test_a_report_stands_at_its_minute_and_station_and_nowhere_else() -> None:
    found = laid(reports([("A8290", 3, 21.5)]))["air_temperature"]
    assert found.sel(station="A8290").values[7] == np.float32(21.5)
    assert int(found.notnull().sum()) == 1


def test_times_before_the_window_and_after_it_are_left_out() -> None:
    found = laid(reports([("A8290", 11, 1.0), ("A8290", -1, 2.0), ("A8290", 10, 3.0), ("A8290", 0, 4.0)]))
    assert found["air_temperature"].sel(station="A8290").values[[0, 10]].tolist() == [3.0, 4.0]
    assert int(found["air_temperature"].notnull().sum()) == 2


def test_of_two_reports_the_later_counts_and_what_it_lacks_is_the_earliers() -> None:
    first, second = reports([("57516", 0, 20.0), ("A7003", 0, 10.0)]), reports([("57516", 0, 21.0)])
    gap = reports([("57516", 0, np.nan)])
    found = laid(first, second, gap)["air_temperature"].isel(time=-1)
    assert found.sel(station="57516") == 21.0
    assert found.sel(station="A7003") == 10.0


def test_what_went_through_provincial_control_counts_whatever_the_order() -> None:
    raw, checked = reports([("57516", 0, 20.0)]), reports([("57516", 0, 21.0)], revision=PROVINCIAL)
    for order in ((raw, checked), (checked, raw)):
        assert laid(*order)["air_temperature"].sel(station="57516").values[-1] == 21.0


def test_a_gust_without_a_time_may_be_as_old_as_its_period() -> None:
    found = laid(reports([("57516", 0, 20.0)], element="wind_speed_of_gust", gust_period_min=60))
    assert np.isnat(found["gust_time"].values[-1, 0])
    assert found["gust_earliest"].values[-1, 0] == np.datetime64("2026-07-01T05:00")
    when = np.array([np.datetime64("2026-07-01T05:42")], dtype="datetime64[ns]")
    told = laid(reports([("57516", 0, 20.0)], element="wind_speed_of_gust", gust_time=when))
    assert told["gust_time"].values[-1, 0] == told["gust_earliest"].values[-1, 0] == when[0]


def test_rain_of_the_minutes_before_fills_what_the_minutes_did_not_tell() -> None:
    rain = np.full((1, 60), np.nan, dtype=np.float32)
    rain[0, 57:] = 0.1, 0.2, 0.3
    hourly = reports([("57516", 0, 20.0)], minute_rain=rain)
    minute = reports([("57516", 1, 0.9)], element="precipitation_1min")
    for order in ((hourly, minute), (minute, hourly)):
        found = laid(*order)["precipitation_1min"].sel(station="57516").values
        np.testing.assert_allclose(found[-3:], [0.1, 0.9, 0.3], rtol=1e-6)
        assert np.isnan(found[:-3]).all()


def test_minute_rain_of_a_later_report_counts_but_not_over_what_a_minute_tells() -> None:
    def rain(value: float) -> Any:
        column = np.full((1, 60), np.nan, dtype=np.float32)
        column[0, -4:] = value
        return column

    wrong, right = (reports([("57516", 0, 20.0)], minute_rain=rain(value)) for value in (9.0, 0.1))
    checked = replace(right, revision=PROVINCIAL)
    minute = reports([("57516", 1, 0.9)], element="precipitation_1min")
    for order in ((wrong, right, minute), (wrong, checked, minute), (checked, minute, wrong)):
        found = laid(*order)["precipitation_1min"].sel(station="57516").values
        np.testing.assert_allclose(found[-4:], [0.1, 0.1, 0.9, 0.1], rtol=1e-6)


def test_a_correction_of_one_station_does_not_lift_the_others_of_its_file() -> None:
    collective = reports([("57516", 0, 1.0), ("A8290", 0, 10.0)], revision=np.array([1, 0], dtype=np.int32))
    newer = reports([("57516", 0, 2.0), ("A8290", 0, 22.0)])
    found = laid(collective, newer)["air_temperature"].isel(time=-1)
    assert (found.sel(station="57516"), found.sel(station="A8290")) == (1.0, 22.0)
    again = reports([("57516", 0, 1.0), ("57516", 0, 2.0)], revision=np.array([1, 0], dtype=np.int32))
    assert laid(again)["air_temperature"].sel(station="57516").values[-1] == 1.0


def test_a_gust_has_the_period_of_its_own_row() -> None:
    rows = [("57516", 0, 20.0), ("A8290", 0, 30.0)]
    found = laid(reports(rows, element="wind_speed_of_gust", gust_period_min=np.array([10, 360], dtype=np.float32)))[
        "gust_earliest"
    ].isel(time=-1)
    assert found.sel(station="57516").values == np.datetime64("2026-07-01T05:50")
    assert found.sel(station="A8290").values == np.datetime64("2026-07-01T00:00")


def test_columns_of_rows_must_be_of_all_rows() -> None:
    for other in ({"revision": np.zeros(3, np.int32)}, {"gust_period_min": np.zeros(3, np.float32)}):
        with pytest.raises(ValueError, match="columns"):
            reports([("57516", 0, 20.0)], **other)


def test_a_providers_verdict_goes_with_its_value() -> None:
    judged = reports([("57516", 0, 60.0)], provider={"air_temperature": np.array([QC_BAD], dtype=np.uint8)})
    anew = reports([("57516", 0, 20.0)])
    assert laid(judged)["air_temperature_provider"].values[-1, 0] == QC_BAD
    assert laid(judged, anew)["air_temperature_provider"].values[-1, 0] == QC_MISSING
    assert laid(anew, judged)["air_temperature_provider"].values[-1, 0] == QC_BAD
    assert QC_GOOD not in laid(judged)["air_temperature_provider"].values


def test_unknown_stations_are_set_aside_and_moved_ones_are_told() -> None:
    mixed = reports([("Z9999", 0, 50.0), ("57516", 0, 20.0)], lat=np.array([29.0, 29.6]))
    found = sort_out(mixed, network())
    assert found.unknown == ("Z9999",)
    assert found.moved == ("57516",)  # 2.2 km north of its place in the table
    assert found.place.tolist() == [-1, 0]
    ds = laid(mixed)
    assert ds.moved.values.tolist() == [True, False, False]
    assert (ds.lat.values == network().lat).all()
    assert 50.0 not in ds["air_temperature"].values


def test_reports_from_elsewhere_are_no_strangers_of_ours() -> None:
    far = reports([("C4002", 0, 15.0), ("54511", 0, 20.0)], lat=np.array([40.7, np.nan]), lon=np.array([109.7, np.nan]))
    found = sort_out(far, network())
    assert (found.unknown, found.elsewhere) == ((), 2)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from((*IDS, "X0001")), st.integers(-3, 13), st.floats(-50, 60, width=32)), min_size=1
    )
)
def test_the_last_word_on_each_minute_stands(rows: list[tuple[str, int, float]]) -> None:
    expected = {(name, back): value for name, back, value in rows if name in IDS and 0 <= back <= 10}
    ds = series([reports([row]) for row in rows], network(), END - timedelta(minutes=10), END)
    found = ds.get("air_temperature")
    assert (0 if found is None else int(found.notnull().sum())) == len(expected)
    for (name, back), value in expected.items():
        assert found is not None
        assert found.values[10 - back, IDS.index(name)] == np.float32(value)


def test_naive_times_are_refused() -> None:
    with pytest.raises(TimeError):
        series([], network(), END.replace(tzinfo=None), END)


def test_the_network_is_that_of_the_day(chongqing_with_stations: Region) -> None:
    region = chongqing_with_stations
    before, after = (network_of(region, datetime(2026, 6, day, 12, tzinfo=UTC)) for day in (1, 20))
    assert before.ids.tolist() == after.ids.tolist() == ["57516"]
    assert (before.elevation[0], after.elevation[0]) == (259.0, 260.5)
    assert before.barometer[0] == 259.0  # none told: that of the ground


@pytest.fixture
def chongqing_with_stations() -> Region:
    def row(start: date, end: date | None, height: float) -> Station:
        return Station("57516", "沙坪坝", "Shapingba", 29.58, 106.47, height, np.nan, "", "500106", "national", start,
                       end, "test")  # fmt: skip

    moved = date(2026, 6, 10)
    rows = (row(date(2000, 1, 1), moved, 259.0), row(moved, None, 260.5))
    return replace(load_region("chongqing"), stations=rows)
