"""The monthly A-file: one real month that is consistent in itself, and each trap of its layout."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT
from wxcore.station import afile, afile_blocks
from wxcore.station.afile import FORMAT, Month, read_afile
from wxcore.times import to_datetime64

NAME = "A58237-202111.TXT"
HEADER = "58237 3256N 11854E 000238 000240 105 000 S12 11111009110100111901 1 2021 02"


@pytest.fixture(scope="module")
def raw(data: Path) -> bytes:
    return (data / "stations" / "cma" / NAME).read_bytes()


@pytest.fixture(scope="module")
def month(raw: bytes) -> Month:
    return read_afile(raw, NAME)


def days_of(month: Month, element: str) -> Any:
    return month.reports.values[element].reshape(30, 24)


def at(*clock: int) -> np.datetime64:
    return to_datetime64(datetime(*clock, tzinfo=UTC))  # type: ignore[arg-type,misc]


def test_the_real_month_is_read(month: Month) -> None:
    hours = month.reports
    assert hours.time.size == 720
    assert hours.time[0] == at(2021, 10, 31, 13)  # 21:00 Beijing time of the day before the first
    assert hours.time[-1] == at(2021, 11, 30, 12)
    assert (hours.station == "58237").all()
    assert hours.lat[0] == pytest.approx(32 + 56 / 60)
    assert hours.lon[0] == pytest.approx(118 + 54 / 60)
    assert hours.elevation[0] == np.float32(23.8)
    assert month.barometer == 24.0
    told = {name: int((~np.isnan(column)).sum()) for name, column in hours.values.items()}
    assert told == {
        "air_pressure": 720, "air_pressure_at_mean_sea_level": 120, "air_temperature": 720,
        "dew_point_temperature": 720, "relative_humidity": 720, "wind_speed": 720, "wind_from_direction": 697,
        "wind_speed_10min": 720, "wind_from_direction_10min": 701, "wind_speed_of_gust": 30,
        "wind_gust_from_direction": 30, "precipitation_1h": 715,
    }  # fmt: skip
    assert month.unread == ("N9", "H9", "VB", "W0", "LA", "DB", "KB", "S2", "BA")
    assert hours.rejected == ()


def test_first_row_by_hand(month: Month) -> None:
    """Row 1 of each block: 0014, 0118, 0075, 104, 75, 029014; of the day's extremes 036108 1822 047096 1630."""
    first = {name: float(column[0]) for name, column in month.reports.values.items()}
    assert first["air_pressure"] == pytest.approx(1001.4)
    assert first["air_temperature"] == pytest.approx(11.8)
    assert first["dew_point_temperature"] == pytest.approx(7.5)
    assert first["relative_humidity"] == 75
    assert first["wind_from_direction"] == 29
    assert first["wind_speed"] == pytest.approx(1.4)
    assert month.vapour_pressure[0] == pytest.approx(10.4)
    gust = month.highest["wind_speed_of_gust"]
    assert float(gust.value[0]) == pytest.approx(4.7)
    assert float(gust.direction[0]) == 96
    assert gust.time[0] == at(2021, 11, 1, 8, 30)
    assert month.highest["wind_speed_10min"].time[1] == at(2021, 11, 1, 12, 52)  # 2052 of the evening before day 2


def test_vapour_pressure_fits_temperature_humidity_and_dew_point(month: Month) -> None:
    """Magnus (WMO-No. 8): within the rounding of 1 % of humidity and 0.1 K."""
    values = month.reports.values

    def saturation(celsius: Any) -> Any:
        return 6.112 * np.exp(17.62 * celsius / (243.12 + celsius))

    by_humidity = saturation(values["air_temperature"]) * values["relative_humidity"] / 100
    assert np.abs(by_humidity - month.vapour_pressure).max() < 0.2
    assert np.abs(saturation(values["dew_point_temperature"]) - month.vapour_pressure).max() < 0.12


def test_extremes_hold_the_hours(month: Month) -> None:
    for element, found in month.highest.items():
        over = found.value - np.nanmax(days_of(month, element), axis=1)
        assert over.min() >= 0, element
        assert over.max() < 1.05, element
    for element, found in month.lowest.items():
        assert (np.nanmin(days_of(month, element), axis=1) - found.value).min() >= 0, element
    assert (month.highest["wind_speed_of_gust"].value > month.highest["wind_speed_10min"].value).all()


def test_clock_of_extremes_is_the_clock_of_hours(month: Month) -> None:
    """Between the two hours around an extreme it is near; eight hours off it would not be."""
    hours, found = month.reports, month.highest["air_temperature"]

    def off(shift: int) -> float:
        when = (found.time + np.timedelta64(shift, "h")).astype(np.int64)
        there = np.interp(when, hours.time.astype(np.int64), hours.values["air_temperature"])
        return float(np.abs(found.value - there).max())

    assert off(0) < 1.0
    assert off(8) > 5.0
    assert off(-8) > 5.0


def test_gusts_stand_at_the_hour_that_ends_after_them(month: Month) -> None:
    hours = month.reports
    told = ~np.isnan(hours.values["wind_speed_of_gust"])
    age = hours.time[told] - hours.gust_time[told]
    assert (age >= np.timedelta64(0)).all()
    assert (age < np.timedelta64(1, "h")).all()
    assert np.isnat(hours.gust_time[~told]).all()
    assert hours.values["wind_speed_of_gust"][told].max() == np.float32(10.7)


def test_sea_level_pressure_belongs_to_its_hours(month: Month) -> None:
    """At the right hours both pressures tell one height; three hours off they scatter by 2 hPa and more."""
    values = month.reports.values
    names = ("air_pressure", "air_pressure_at_mean_sea_level", "air_temperature")
    station, sea, celsius = (values[name].astype("f8") for name in names)

    def scatter(hours: int) -> float:
        heights = 29.27 * (np.roll(celsius, hours) + 273.15) * np.log(sea / np.roll(station, hours))
        return float(np.nanstd(heights))

    assert scatter(0) < 4
    assert min(scatter(hours) for hours in (-3, -1, 1, 3)) > 5


def test_the_header_of_the_sample_is_not_of_its_station(month: Month) -> None:
    """Its pressures are of 257 m, its header says 24 m (and its texts name a "royal observatory"): it is told."""
    assert afile.implied_height(month.reports.values) == pytest.approx(257, abs=2)
    assert month.reports.remarks == (
        "barometer at 24 m in the header, at 257 m by the pressures: the place is doubtful",
    )


def test_rain_of_hours_makes_the_totals(month: Month, raw: bytes) -> None:
    """R6's totals of 12 and 24 hours are not read; they bear out that a trace (,,,,) counts nothing."""
    segments = afile_blocks.read_blocks(raw, NAME).segments
    totals = [0.0 if words[2] == ",,,," else int(words[2]) / 10 for words in segments["R6"][0]]
    rain = days_of(month, "precipitation_1h")
    off = np.nansum(rain, axis=1) - totals
    assert np.flatnonzero(np.abs(off) > 0.01).tolist() == [22]  # 0.5 mm fell while five hours were not measured
    assert off[22] == pytest.approx(-0.5)
    trace, lost = rain[16, 20], rain[22, 12:17]  # day 17, 17:00; day 23, 09:00 to 13:00: ////
    assert trace == 0
    assert np.isnan(lost).all()
    assert (month.reports.provider["precipitation_1h"].reshape(30, 24)[22, 12:17] == QC_MISSING).all()


def test_verdicts_of_the_real_month(month: Month) -> None:
    provider = month.reports.provider
    assert len(provider) == 9
    assert all(
        set(np.unique(flags[~np.isnan(month.reports.values[name])])) == {QC_GOOD} for name, flags in provider.items()
    )


def test_it_is_truth_and_never_an_input(month: Month) -> None:
    description = FORMAT.describe(month)
    assert description.kind == "product"
    assert description.began == datetime(2021, 10, 31, 13, tzinfo=UTC)
    assert any("N9 H9 VB" in remark for remark in description.remarks)


def test_recognise(raw: bytes, data: Path) -> None:
    assert FORMAT.recognise(raw[:8192])
    assert FORMAT.name_pattern.search(NAME)
    for other in (data / "stations").rglob("*"):
        if other.is_file() and other.name != NAME:
            assert not FORMAT.recognise(other.open("rb").read(8192)), other


def made(
    pc: str = "", tb: str = "", fn: str = "", quality: str = "", header: str = HEADER, end: str = "??????"
) -> bytes:
    """28 days of February 2021 (`pc` and the like replace the first day)."""

    def block(first: str, usual: str, last: str = "=") -> str:
        return "\n".join([f"{first or usual}.", *[f"{usual}."] * 26, usual]) + last

    pressure = block(pc, " ".join(["9950"] * 24 + ["9960", "0900", "9940", "2130"]))
    temperature = block(tb, " ".join(["0050"] * 24 + ["0060", "1400", "0040", "0600"]))
    wind = block(fn, " ".join(["180020"] * 24))
    ten = block("", " ".join(["180020"] * 24))
    large = "\n".join(["030270 0300 090PPC 2001"] * 28) + "="
    blocks = f"PC\n{pressure}\n=\nTB\n{temperature}\nC=\nFN\n{wind}\n{ten}\n{large}"
    text = f"{header}\n{blocks}\n{end}\n{quality}******\n######\n"
    return text.encode("gbk")


def first_day(name: str, **parts: str) -> Any:
    return read_afile(made(**parts), "a").reports.values[name][:24]


def test_pressure_over_a_thousand() -> None:
    assert first_day("air_pressure", pc=" ".join(["0043", "9999", "6004"] * 8 + ["0"] * 4))[:3] == pytest.approx(
        [1004.3, 999.9, 600.4]
    )


def test_below_freezing_and_missing() -> None:
    found = first_day("air_temperature", tb=" ".join(["-012", "////", "0003"] * 8))
    assert found[0] == np.float32(-1.2)
    assert np.isnan(found[1])


def test_calm_and_compass_points() -> None:
    words = " ".join(["PPC000", "PPC002", "PPN010", "NNE011", "PNW012", "//////", "360013", "000014"] * 3)
    month = read_afile(made(fn=words), "a").reports.values
    assert month["wind_speed"][:8] == pytest.approx([0, 0.2, 1, 1.1, 1.2, np.nan, 1.3, 1.4], nan_ok=True)
    assert month["wind_from_direction"][:8] == pytest.approx([np.nan] * 2 + [0, 22.5, 315, np.nan, 360, 0], nan_ok=True)


def test_gust_without_direction_in_the_evening_before() -> None:
    month = read_afile(made(), "a")
    gust = month.highest["wind_speed_of_gust"]
    assert gust.time[0] == at(2021, 1, 31, 12, 1)
    assert month.reports.values["wind_speed_of_gust"][0] == 9.0
    assert np.isnan(gust.direction).all()


def test_quality_codes_last_judge_counts() -> None:
    codes = " ".join(["099", "019", "092", "899", "999", "049", "x99", "910"] * 3 + ["099"] * 4)
    rest = "\n".join([" ".join(["099"] * 28)] * 27)
    found = read_afile(made(quality=f"QTB\n{codes}\n{rest}=\n"), "a").reports.provider["air_temperature"]
    expected = [QC_GOOD, QC_SUSPECT, QC_BAD, QC_MISSING, QC_MISSING, QC_GOOD, QC_MISSING, QC_GOOD]
    assert found[:8].tolist() == expected


def test_a_day_without_its_words_is_left_out() -> None:
    month = read_afile(made(tb="0050 0051"), "a")
    assert month.reports.rejected == ((afile.BAD_DAY, 1),)
    assert np.isnan(month.reports.values["air_temperature"][:24]).all()
    assert month.reports.values["air_temperature"][24] == 5


def test_odd_words_are_missing_and_told() -> None:
    month = read_afile(made(tb=" ".join(["0050", "00x0", "9" * 400] * 8)), "a")
    assert np.isnan(month.reports.values["air_temperature"][1:3]).all()
    assert "words are no values" in month.reports.remarks[0]


def test_another_month_in_the_name_is_told() -> None:
    assert read_afile(made(), "A58237-202103.TXT").reports.remarks == ("name says 202103, file 202102",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.BAD_HEADER),
        (b"\xff\xfe" * 100, Reason.BAD_HEADER),
        (made(header=HEADER[:-2] + "13"), Reason.BAD_HEADER),
        (made(end=""), Reason.TRUNCATED),
        (f"{HEADER}\nPC\n=\n??????\n".encode(), Reason.BAD_VALUE),
        (f"{HEADER}\nPC\n1 2 3=\n??????\n".encode(), Reason.BAD_VALUE),
    ],
)
def test_refusals(data: bytes, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_afile(data, "a.txt")
    assert caught.value.reason == reason
    assert "a.txt" in caught.value.en
    assert re.search("[一-鿿]", caught.value.zh)


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(afile_blocks, "MAX_BYTES", 100)
    with pytest.raises(LimitError):
        read_afile(made(), "a")


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 6000), junk=st.binary(max_size=12), cut=st.integers(0, 200))
def test_hostile_bytes_raise_nothing_else(place: int, junk: bytes, cut: int) -> None:
    whole = made()
    try:
        month = read_afile(whole[:place] + junk + whole[place + cut :], "a")
    except ReadError:
        return
    assert all(np.isfinite(column[~np.isnan(column)]).all() for column in month.reports.values.values())
