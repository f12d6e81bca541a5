"""West Texas Mesonet: the real day with its gales, how each column was found, and broken lines."""

import csv
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from wxcore.errors import ReadError, Reason, TimeError
from wxcore.station import wtm
from wxcore.station.reports import Reports

WHEN = datetime(2005, 4, 1, tzinfo=UTC)
ROW = "1,81,54,54,2.337,2.334,84.9,2.864,.199,2.842,11.81,12.95,12.03,55.08,350.8,0,2.855,1.195,0"
PROPELLER = 0.098
"""[m s-1] a turn per second: R. M. Young 05103, manual."""


@pytest.fixture(scope="module")
def day(data: Path) -> Reports:
    return wtm.read_wtm_dated((data / "stations" / "wtm" / "FIVEMIN_82.txt").read_bytes(), "FIVEMIN_82.txt", WHEN)


def read(*rows: str, name: str = "FIVEMIN_2005082.txt") -> Reports:
    return wtm.read_wtm("".join(f"{row}\r\n" for row in rows).encode(), name)


def test_counts(day: Reports) -> None:
    assert day.time.size == 17_567  # 55 loggers of 288 rows, one of 287, and W0060 of 1440
    assert np.unique(day.station).size == 57
    assert day.rejected == ()
    assert (day.time.min(), day.time.max()) == (np.datetime64("2005-03-22T06:00"), np.datetime64("2005-03-23T05:59"))
    assert day.gust_period_min == 5


def test_gales(day: Reports) -> None:
    gust = day.values["wind_speed_of_gust"]
    gale = gust >= 17.2
    assert gale.sum() == 238
    assert Counter(day.station[gale].tolist()).most_common(4) == [
        ("W0021", 44),
        ("W0022", 31),
        ("W0028", 30),
        ("W0020", 26),
    ]
    assert np.unique(day.station[gale]).size == 28
    assert (day.time[gale].min(), day.time[gale].max()) == (
        np.datetime64("2005-03-22T11:20"), np.datetime64("2005-03-23T04:55"),
    )  # fmt: skip
    top = int(np.argmax(gust))
    assert (gust[top], day.station[top], day.time[top]) == (
        np.float32(42.43),
        "W0040",
        np.datetime64("2005-03-23T02:50"),
    )


def test_peaks_are_pulses_of_a_propeller_in_three_seconds(day: Reports) -> None:
    gust = day.values["wind_speed_of_gust"].astype(float)
    pulses = gust[(gust > 3) & (gust < 6.9)] / (PROPELLER / 3)  # loggers write three decimals up to 6.999
    off = np.abs(pulses - np.round(pulses))
    assert np.quantile(off, 0.99) < 0.05  # any other unit: 0.25 in the mean
    assert (gust + 0.01 >= day.values["wind_speed"]).all()


def test_dew_point_is_that_of_temperature_and_humidity(day: Reports) -> None:
    t, rh = (day.values[key].astype(float) for key in ("air_temperature", "relative_humidity"))
    x = np.log(rh / 100) + 17.625 * t / (243.04 + t)  # Magnus, Alduchov and Eskridge 1996
    assert np.abs(243.04 * x / (17.625 - x) - day.values["dew_point_temperature"]).max() < 0.6


def test_pressure_is_that_of_the_elevation(day: Reports, data: Path) -> None:
    with (data / "stations" / "wtm" / "WestTexas_stations.csv").open(encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if row["Logger ID"].strip().isdigit()]
    height = {f"W{int(row['Logger ID']):04d}": float(row["Elevation"].split()[0]) * 0.3048 for row in rows}
    anomaly = []
    for station in np.unique(day.station):
        standard = 1013.25 * (1 - 2.25577e-5 * height[station]) ** 5.25588
        anomaly.append(float(np.median(day.values["air_pressure"][day.station == station])) - standard)
    assert len(anomaly) == 57
    assert 2.5 < min(anomaly) < max(anomaly) < 5.5
    assert max(anomaly) - min(anomaly) < 3  # one weather map, whatever the elevation (397 to 1698 m)


def test_clock_is_six_hours_behind_utc(day: Reports) -> None:
    hour = (day.time - np.datetime64("2005-03-22T00:00")) // np.timedelta64(1, "h") % 24
    mean = [float(np.mean(day.values["air_temperature"][hour == h])) for h in range(24)]
    assert np.argmin(mean) in (9, 10, 11, 12)  # before sunrise, 12:45 UTC
    assert np.argmax(mean) in (20, 21, 22)  # two hours or so after noon, 18:55 UTC


def test_calm_sentinels_and_quotes() -> None:
    calm = ROW.replace("2.337,2.334,84.9", "0,0,84.9")
    sentinels = '1,81,59,54,-6999,2.3,7999,2,.1,INF,-6999,1,1,"NAN",6999,0,,1,0'
    found = read(ROW, calm, sentinels, ROW + ",3.6")
    assert found.time.size == 4
    assert np.isnan(found.values["wind_from_direction"][1:3]).all()
    assert found.values["wind_speed"][1] == 0
    assert all(np.isnan(column[2]) for column in found.values.values())
    assert found.values["air_pressure"][3] == np.float32(950.8)
    assert found.rejected == ()


def test_broken_lines() -> None:
    short, odd, no_day, no_time = (
        ROW[:40],
        ROW.replace("84.9", "8x.9"),
        ROW.replace("1,81", "1,400"),
        ROW.replace(",54,54,", ",2460,54,"),
    )
    found = read(ROW, ROW, ROW, ROW, short, odd, no_day, no_time, "2,81,54,54,1,2", "3,81,54,54,1,2")
    assert found.time.size == 5
    assert dict(found.rejected) == {wtm.NOT_A_ROW: 1, wtm.NO_TIME: 2}
    assert np.isnan(found.values["wind_from_direction"]).tolist() == [False] * 4 + [True]  # 8x.9
    assert not np.isnan(found.values["air_temperature"]).any()
    with pytest.raises(ReadError) as caught:
        read(ROW, short, no_time)
    assert caught.value.reason is Reason.BAD_VALUE
    with pytest.raises(ReadError):
        read("2,81,54,54,1,2")


@pytest.mark.parametrize(
    ("row", "name", "expected"),
    [
        ("1,81,54", "FIVEMIN_2005082.txt", "2005-03-22T06:54"),
        ("1,81,2400", "FIVEMIN_2005082.txt", "2005-03-23T06:00"),
        ("1,366,0", "FIVEMIN_2005001.txt", "2004-12-31T06:00"),
        ("1,365,2355", "FIVEMIN_2006001.txt", "2006-01-01T05:55"),
        ("1,1,0", "FIVEMIN_2006001.txt", "2006-01-01T06:00"),
        ("1,60,0", "FIVEMIN_2008060.txt", "2008-02-29T06:00"),
    ],
)
def test_times(row: str, name: str, expected: str) -> None:
    assert read(ROW.replace("1,81,54", row, 1), name=name).time[0] == np.datetime64(expected)


def test_year_is_not_guessed() -> None:
    with pytest.raises(ReadError) as caught:
        read(ROW, name="FIVEMIN_82.txt")
    assert caught.value.reason is Reason.BAD_HEADER
    with pytest.raises(TimeError):
        wtm.read_wtm_dated(ROW.encode(), "x", datetime(2005, 4, 1))  # noqa: DTZ001
    assert wtm.read_wtm_dated(ROW.encode(), "x", datetime(2005, 3, 1, tzinfo=UTC)).time[0].astype(str)[:4] == "2004"


def test_recognised_by_its_bytes() -> None:
    assert wtm.recognise_wtm(f"{ROW}\r\n{ROW}\r\n".encode())
    for other in (b"1,2,3,4\n", b"1 2018-06-26 08:00:01", b"diamond 1 20", b"1,81,0,54,a b\n", b"", ROW.encode()):
        assert not wtm.recognise_wtm(other)
