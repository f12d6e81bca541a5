"""SYNOP bulletins: real ones, the same reports as BUFR, and every trap of the library."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import ReadError, Reason, TimeError
from wxcore.station import bufr, synop
from wxcore.station.bulletin import newest_date
from wxcore.station.reports import Reports

WHEN = datetime(2022, 4, 2, tzinfo=UTC)
NAME = "A_SMRO01YRBK211200_C_EDZW_20220321120500_12524785.txt"


@pytest.fixture
def folder(data: Path) -> Path:
    return data / "stations" / "synop" / "data"


def read(*reports: str, head: str = "AAXX 21121", heading: str = "SMRO01 YRBK 211200") -> Reports:
    text = f"{heading}\n{head}\n" + "".join(f"{report}=\n" for report in reports)
    return synop.read_synop_dated(text.encode(), NAME, WHEN)


def only(reports: Reports, element: str) -> float:
    assert reports.time.size == 1
    return float(reports.values[element][0]) if element in reports.values else np.nan


def test_agrees_with_the_same_reports_as_bufr(folder: Path) -> None:
    text = synop.FORMAT.read((folder / "example_with_bufr" / NAME).read_bytes(), NAME)
    files = sorted((folder / "example_with_bufr" / "reference_bufr").glob("*.bin"))
    other = bufr.FORMAT.read(b"".join(file.read_bytes() for file in files), "reference.bin")
    order = np.argsort(text.station)
    assert text.station[order].tolist() == other.station.tolist()
    assert (text.time == other.time).all()
    counts = {}
    for element in (
        "air_pressure", "air_pressure_at_mean_sea_level", "air_temperature", "dew_point_temperature",
        "wind_speed_10min", "wind_from_direction_10min",
    ):  # fmt: skip
        ours = text.values[element][order]
        np.testing.assert_allclose(ours, other.values[element], atol=1e-3)
        counts[element] = int(np.isfinite(ours).sum())
    assert counts.pop("air_pressure_at_mean_sea_level") == 19
    assert set(counts.values()) == {23}
    gust, theirs = text.values["wind_speed_of_gust"][order], other.values["wind_speed_of_gust"]
    both = np.isfinite(gust) & np.isfinite(theirs)
    assert both.sum() == 22  # the maker of the BUFR lost 91007 of 15360, behind its section 222
    np.testing.assert_allclose(gust[both], theirs[both])
    assert (text.gust_period_min, other.gust_period_min) == (10.0, 10.0)
    assert np.isnan(text.lat).all()


def test_shares_of_real_reports_read(folder: Path) -> None:
    cuba = synop.FORMAT.read_dated((folder / "gts_data" / "WX.00").read_bytes(), "WX.00", WHEN)  # type: ignore[misc]
    assert (cuba.time.size, cuba.rejected) == (66, ())
    assert "2 stations report nothing" in cuba.remarks
    assert np.unique(cuba.time) == np.datetime64("2022-03-31T00:00")
    assert cuba.gust_period_min == 360  # nobody there has gusts of ten minutes
    row = cuba.station.tolist().index("78310")
    assert [cuba.values[key][row] for key in ("wind_speed_of_gust", "wind_gust_from_direction")] == [
        18,
        360,
    ]  # 91118 91536
    files = sorted((folder / "wis2box_data").glob("*.txt"))
    found = [synop.FORMAT.read(file.read_bytes(), file.name) for file in files]
    assert [one.time.size for one in found if not one.revision] == [23] * 8
    assert sorted(one.revision for one in found if one.revision) == [1, 1, 1, 2, 2]
    assert all(one.rejected == () for one in found)


def test_exact_time_and_hourly_rain(folder: Path) -> None:
    found = synop.FORMAT.read_dated((folder / "fake_all_groups" / "all_groups.txt").read_bytes(), "x", WHEN)  # type: ignore[misc]
    assert found.time[0] == np.datetime64("2022-03-21T11:55")  # 91155
    assert found.values["precipitation_1h"][0] == 3  # 60035 of section 3; 60071 of section 1 is of six hours
    assert found.values["wind_speed_of_gust"][0] == 8


@pytest.mark.parametrize(("indicator", "speed"), [("0", 10), ("1", 10), ("3", 5.14444), ("4", 5.14444), ("/", np.nan)])
def test_unit_of_wind(indicator: str, speed: float) -> None:
    found = read("15015 02999 02510 10103 333 91020", head=f"AAXX 2112{indicator}")
    np.testing.assert_allclose(only(found, "wind_speed_10min"), speed, rtol=1e-5)
    np.testing.assert_allclose(only(found, "wind_speed_of_gust"), 2 * speed, rtol=1e-5)


def test_wind_and_gust_of_more_than_99() -> None:
    found = read("15015 02999 02599 00120 10103 333 91099 00123 91512 55300", head="AAXX 21124")
    np.testing.assert_allclose(only(found, "wind_speed_10min"), 120 * 1852 / 3600, rtol=1e-6)
    np.testing.assert_allclose(only(found, "wind_speed_of_gust"), 123 * 1852 / 3600, rtol=1e-6)
    assert only(found, "wind_gust_from_direction") == 120


def test_calm_and_variable_wind_have_no_direction() -> None:
    found = read("15015 02999 00000 10103", "15020 02999 09903 10103")
    assert found.values["wind_speed_10min"].tolist() == [0, 3]
    assert "wind_from_direction_10min" not in found.values


def test_slashes_and_nil_are_missing() -> None:
    found = read("15015 ///// ///// 1//// 2//// 3//// 40134", "15020 NIL", "15090 nil", "15108 ///// /////")
    assert found.station.tolist() == ["15015"]
    assert set(found.values) == {"air_pressure_at_mean_sea_level"}
    assert only(found, "air_pressure_at_mean_sea_level") == np.float32(1013.4)
    assert "3 stations report nothing" in found.remarks
    with pytest.raises(ReadError) as caught:
        read("15020 NIL")
    assert caught.value.reason is Reason.EMPTY


@pytest.mark.parametrize(
    ("group", "rain"), [("60125", 12), ("69905", 0), ("69935", 0.3), ("60121", np.nan), ("60127", np.nan)]
)
def test_rain_only_where_it_is_of_one_hour(group: str, rain: float) -> None:
    np.testing.assert_allclose(only(read(f"15015 11999 02510 10103 {group}"), "precipitation_1h"), rain, rtol=1e-6)


def test_negative_temperatures_and_low_pressure() -> None:
    found = read("55591 02999 02510 11205 21310 36521")
    assert [round(only(found, key), 1) for key in ("air_temperature", "dew_point_temperature", "air_pressure")] == [
        -20.5, -31.0, 652.1,
    ]  # fmt: skip


def test_present_weather_of_automatic_stations_is_of_another_table() -> None:
    assert only(read("15015 11999 02510 10103 79599"), "present_weather") == 95
    assert np.isnan(only(read("15015 16999 02510 10103 79599"), "present_weather"))


def test_every_gust_with_the_period_of_its_own_row() -> None:
    found = read(
        "15015 02999 02510 10103 333 91012 91130",  # 30 m/s of six hours, at noon
        "15020 02999 02510 10103 333 90710 91125 91509",  # 907: one hour
        "15090 02999 02510 10103 333 91117",
    )
    assert found.values["wind_speed_of_gust"].tolist() == [12, 25, 17]
    assert np.asarray(found.gust_period_min).tolist() == [10, 60, 360]
    assert "1 stations have a larger gust of more than an hour, up to 30.0 m/s" in found.remarks
    alone = read("15090 02999 02510 10103 333 91117", head="AAXX 21091")
    assert (only(alone, "wind_speed_of_gust"), alone.gust_period_min) == (17, 180)
    assert read("15090 02999 02510 10103 333 91117", head="AAXX 21111").gust_period_min == 60


def test_a_broken_third_section_leaves_the_first() -> None:
    found = read("15015 02999 02510 10103 333 55800 57999 8//// 91020", "15020 02999 02510 10103 333 5599/ 55999 6X")
    assert found.values["wind_speed_10min"].tolist() == [10, 10]


def test_one_broken_report_is_left_out_and_most_refuse_the_file() -> None:
    found = read("15015 02999 02510 10103", "1502A 02999 02510", "15090 02999 02510 10103")
    assert found.station.tolist() == ["15015", "15090"]
    assert found.rejected == ((synop.NO_NUMBER, 1),)
    with pytest.raises(ReadError) as caught:
        read("15015 02999 02510 10103", "1502A 02999 02510", "1502B 02999 02510")
    assert caught.value.reason is Reason.BAD_VALUE


def test_bad_characters_envelopes_and_ships() -> None:
    raw = (
        b"\x01\r\r\nZCZC 123\r\r\nSMCU20 MUHV 210000 CCB\r\r\nAAXX 21001\r\r\n78310 01470 70303\r\r\n 10250 20214\x00="
        b"\r\r\n\xff78315 01462 \xfe 10233=\r\r\nBBXX DBBH 21004 99101 10123 41498 80205=\r\r\nNNNN\r\r\n\x03"
    )
    found = synop.read_synop_dated(raw, "x", WHEN)
    assert found.station.tolist() == ["78310"]
    assert found.revision == 2
    assert "1 reports of ships or mobile stations are not read" in found.remarks


def test_the_later_of_two_reports_and_the_correction() -> None:
    body = b"SMRO01 YRBK 211200 %b\nAAXX 21121\n15015 02999 02510 1%b=\n"
    raw = body % (b"CCA", b"0200") + body % (b"", b"0100") + body % (b"RRA", b"0110")
    found = synop.FORMAT.read(raw, NAME)
    assert only(found, "air_temperature") == 20
    assert found.revision == 1
    other = b"SMRO01 YRBK 211200\nAAXX 21121\n15020 02999 02501 10100=\n"
    assert np.asarray(synop.FORMAT.read(raw + other, NAME).revision).tolist() == [1, 0]


def test_reports_of_another_kind_are_counted() -> None:
    raw = (
        b"SMCI01 BABJ 211200\nAAXX 21121\n57516 02999 02501 10200 21090=\n\nSACI01 BABJ 211200\n"
        b"METAR ZUCK 211200Z 24010G28MPS 9999 25/20 Q1000=\nZUUU 211200Z 24010MPS 9999 25/20 Q1000=\n"
        b"USCI01 BABJ 211200\nTTAA 71121 57516 99950 25050 00000=\n"
    )
    others = (("reports of another kind (METAR): split the file", 2),
              ("reports of another kind (TEMP): split the file", 1))  # fmt: skip
    found = synop.FORMAT.read(raw, NAME)
    assert (found.station.tolist(), found.rejected) == (["57516"], others)
    bare = b"\n".join(line for line in raw.split(b"\n") if b" BABJ " not in line)
    assert synop.FORMAT.read(bare, NAME).rejected == others  # without headings between them
    assert synop.recognise_synop(raw)


def test_texts_that_quote_a_report_are_not_claimed() -> None:
    report = b"AAXX 01061\n57516 02999 02530 10200 21090=\n"
    for head in (b'"""How\n\n', b"# How SYNOP looks\n\n", b"import re\n", b'{"x": "', b"2026-07-01 06:00 INFO ",
                 b"<p>\n", b"A page on SYNOP\n", b"    text "):  # fmt: skip
        assert not synop.recognise_synop(head + report), head
    for head in (b"", b"\x01\r\r\n123\r\r\n", b"ZCZC 123\n", b"SMCI01 BABJ 010600 CCA\r\r\n", b"BBXX\nX 01061 99101="):
        assert synop.recognise_synop(head + report), head


@pytest.mark.parametrize(
    ("day", "hour", "reference", "expected"),
    [
        (31, 23, datetime(2022, 4, 1, 0, 5, tzinfo=UTC), datetime(2022, 3, 31, 23, tzinfo=UTC)),
        (31, 12, datetime(2022, 1, 1, 0, 5, tzinfo=UTC), datetime(2021, 12, 31, 12, tzinfo=UTC)),
        (1, 0, datetime(2022, 2, 28, 23, 50, tzinfo=UTC), datetime(2022, 3, 1, tzinfo=UTC)),
        (30, 0, datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 1, 30, tzinfo=UTC)),
        (29, 0, datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)),
        (32, 0, datetime(2024, 3, 1, tzinfo=UTC), None),
        (1, 24, datetime(2024, 3, 1, tzinfo=UTC), None),
    ],
)
def test_month_and_year(day: int, hour: int, reference: datetime, expected: datetime | None) -> None:
    assert newest_date(day, hour, 0, reference) == expected


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.integers(0, 27 * 1440))  # noqa: DTZ001
def test_month_and_year_of_any_report_of_the_last_weeks(naive: datetime, age: int) -> None:
    reference = naive.replace(tzinfo=UTC, second=0, microsecond=0)
    time = reference - timedelta(minutes=age)
    assert newest_date(time.day, time.hour, time.minute, reference) == time


def test_no_date_no_guess() -> None:
    raw = b"AAXX 21121\n15015 02999 02510 10103="
    with pytest.raises(ReadError) as caught:
        synop.FORMAT.read(raw, "WX.00")
    assert caught.value.reason is Reason.BAD_HEADER
    with pytest.raises(TimeError):
        synop.read_synop_dated(raw, "WX.00", datetime(2022, 4, 2))  # noqa: DTZ001
    with pytest.raises(ReadError):
        synop.read_synop_dated(b"nothing", "x", WHEN)


GROUP = st.one_of(
    st.from_regex(r"[0-9/]{5}", fullmatch=True), st.sampled_from(["222//", "333", "444", "555", "ICE", "91099"]),
    st.text(max_size=6),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(GROUP, max_size=25), st.sampled_from("0134/"))
def test_any_groups_end_well(groups: list[str], indicator: str) -> None:
    text = f"AAXX 2112{indicator} 15015 02999 02510 10103 {' '.join(groups)}=\n15020 02999 02510 10103="
    try:
        found = synop.FORMAT.read(text.encode(errors="replace"), NAME)
    except ReadError:
        return
    for column in found.values.values():
        assert not np.isin(column, [9999, 999999, -9999]).any()


def test_recognised_by_its_bytes(folder: Path) -> None:
    assert synop.recognise_synop((folder / "gts_data" / "WX.00").read_bytes()[:8192])
    assert not synop.recognise_synop(b"METAR ZUCK 081400Z 00000KT 9999 25/16 Q1003=")
    assert not synop.recognise_synop(b"TTAA 21121 15015")
    described = synop.FORMAT.describe(synop.FORMAT.read((folder / "example_with_bufr" / NAME).read_bytes(), NAME))
    assert (described.kind, described.site) == ("station", "SYNOP")
