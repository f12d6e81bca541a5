"""Regional FTM text: the published report, every trap, broken blocks, corrections, and writer then reader."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.samples import mutate
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT
from wxcore.station import ftm_fields
from wxcore.station.ftm import FORMAT, NOT_A_BLOCK, NOT_ITS_FIELDS, read_ftm, recognise_ftm
from wxcore.station.ftm_fields import NO_ID, NO_TIME
from wxcore.station.ftm_write import write_ftm
from wxcore.station.heads import is_foreign
from wxcore.station.reports import PROVINCIAL, Floats, Reports, revision_of

NAME = "Z_SURF_C_BEZZ-REG_20171226151103_O_AWS_FTM.txt"
BLOCK = """\
O3246 360302 1142339 00640 00648 4 000
20171226151000 249 004 226 005 250 007 1501 247 005 224 009 1504 0000 -028 -028 1501 -029 1505 056 055 1501 028 -104 \
10225 10226 1501 10225 1502 //// //// //// //// //// //// //// //// //// //// //// //// //// //// //// //// //// //// \
//// 10308 ///// ///// ////
00000000000000000000////////////////////////////////////////////////////////////////////////////////////////////////////
/// /// /// /// //// //////////////////////// /// //// ///// ///// ///// ///// ///// ///// /// /// /// // ///// ///// \
///// ///// /////
QC 000000000000000000000000000077777777777777777770777 000000000077777777777777777777777777777777777777777777777777=
"""
"""The report that NMIC's DecodeREG shows; its values are DOMAIN.md 10's."""

EXPECTED = {
    "air_pressure": 1022.5, "air_pressure_at_mean_sea_level": 1030.8, "air_temperature": -2.8,
    "dew_point_temperature": -10.4, "relative_humidity": 56, "wind_speed": 0.4, "wind_from_direction": 249,
    "wind_speed_10min": 0.5, "wind_from_direction_10min": 226, "wind_speed_of_gust": 0.9,
    "wind_gust_from_direction": 224, "precipitation_1h": 0, "precipitation_1min": 0,
}  # fmt: skip


def block(station: str = "O3246", *, values: dict[int, str] | None = None, **lines: str) -> str:
    """BLOCK with other tokens of the second line, or whole other lines: header, rain, weather, qc."""
    header, second, rain, weather, flags = BLOCK.splitlines()
    tokens = second.split()
    for at, token in (values or {}).items():
        tokens[at] = token
    header = lines.get("header", header.replace("O3246", station))
    whole = (header, " ".join(tokens), lines.get("rain", rain), lines.get("weather", weather), lines.get("qc", flags))
    return "\n".join(whole) + "\n"


def read(*blocks: str, end: str = "NNNN\n", name: str = NAME) -> Reports:
    return read_ftm(("".join(blocks) + end).encode(), name)


def value(reports: Reports, element: str, row: int = 0) -> float:
    return float(reports.values[element][row]) if element in reports.values else float("nan")


def test_published_report() -> None:
    data = (BLOCK + "\nNNNN\n").encode()
    assert recognise_ftm(data)
    reports = read_ftm(data, NAME)
    assert reports.title == "FTM BEZZ"
    assert reports.revision == 0
    assert not reports.rejected
    assert not reports.remarks
    assert reports.station.tolist() == ["O3246"]
    assert reports.time[0] == np.datetime64("2017-12-26T15:10:00")
    assert reports.gust_time[0] == np.datetime64("2017-12-26T15:04:00")
    assert (round(reports.lat[0], 4), round(reports.lon[0], 4), reports.elevation[0]) == (36.0506, 114.3942, 64.0)
    assert set(reports.values) == set(EXPECTED)
    for name, expected in EXPECTED.items():
        assert reports.values[name][0] == np.float32(expected), name
    assert reports.minute_rain is not None
    assert np.isnan(reports.minute_rain[0, :50]).all()
    assert (reports.minute_rain[0, 50:] == 0).all()
    assert FORMAT.describe(reports).time.isoformat() == "2017-12-26T15:10:00+00:00"


def test_dew_point_and_vapour_pressure_of_the_sample_agree() -> None:
    reports = read(BLOCK)
    dew, temperature = value(reports, "dew_point_temperature"), value(reports, "air_temperature")
    vapour = 6.112 * np.exp(17.67 * dew / (dew + 243.5))
    saturated = 6.112 * np.exp(17.67 * temperature / (temperature + 243.5))
    assert vapour == pytest.approx(2.8, abs=0.06)  # token 22: 028
    assert 100 * vapour / saturated == pytest.approx(value(reports, "relative_humidity"), abs=1)


MISSING = {
    "slashes": "////", "nines": "9999", "sentinel": "32766", "word": "null", "half": "1//5", "plus": "+028",
    "dash": "----", "point": "12.5",
}  # fmt: skip


@pytest.mark.parametrize("token", MISSING.values(), ids=MISSING)
@pytest.mark.parametrize(("element", "at"), [
    ("wind_from_direction", 1), ("wind_speed", 2), ("wind_from_direction_10min", 3), ("wind_speed_10min", 4),
    ("wind_gust_from_direction", 10), ("wind_speed_of_gust", 11), ("precipitation_1h", 13), ("air_temperature", 14),
    ("relative_humidity", 19), ("dew_point_temperature", 23), ("air_pressure", 24),
    ("air_pressure_at_mean_sea_level", 48),
])  # fmt: skip
def test_no_sentinel_becomes_a_value(element: str, at: int, token: str) -> None:
    reports = read(block(), block("O3247", values={at: token}))
    assert value(reports, element) == np.float32(EXPECTED[element])
    assert np.isnan(value(reports, element, 1))
    assert reports.provider[element].tolist() == [QC_GOOD, QC_MISSING]
    others = set(EXPECTED) - {element} - ({"precipitation_1min"} if element == "precipitation_1h" else set())
    assert all(value(reports, name, 1) == np.float32(EXPECTED[name]) for name in others)


def test_absurd_numbers_stay() -> None:
    reports = read(block(values={11: "998", 13: "9000", 14: "0800", 24: "00000"}))
    assert value(reports, "wind_speed_of_gust") == np.float32(99.8)
    assert (value(reports, "precipitation_1h"), value(reports, "air_temperature"), value(reports, "air_pressure")) == (
        900, 80, 0
    )  # fmt: skip


def test_calm_has_no_direction() -> None:
    reports = read(block(values={1: "PPC", 2: "000"}), block("O1", values={1: "045", 2: "000", 3: "PPC", 4: "///"}))
    assert reports.values["wind_speed"].tolist() == [0, 0]
    assert "wind_from_direction" not in reports.values
    assert np.isnan(value(reports, "wind_speed_10min", 1))
    assert np.isnan(value(reports, "wind_from_direction_10min", 1))


def test_trace_of_rain_is_zero_and_only_of_rain() -> None:
    rain = "00,,0112" + "/" * 112
    reports = read(block(values={13: ",,,,", 14: ",,,,", 0: "20171226150400"}, rain=rain))
    assert value(reports, "precipitation_1h") == 0
    assert np.isnan(value(reports, "air_temperature"))
    assert reports.minute_rain is not None
    assert reports.minute_rain[0, 56:].tolist() == [0, 0, np.float32(0.1), np.float32(1.2)]
    assert np.isnan(reports.minute_rain[0, :56]).all()
    assert value(reports, "precipitation_1min") == np.float32(1.2)


def test_minutes_of_a_full_hour_end_at_it() -> None:
    minutes = "".join(f"{minute:02d}" for minute in range(1, 61))
    reports = read(block(values={0: "20171226160000"}, rain=minutes))
    assert reports.minute_rain is not None
    assert np.allclose(reports.minute_rain[0], np.arange(1, 61) / 10)
    assert value(reports, "precipitation_1min") == 6


def test_minutes_that_have_not_ended_are_not_read() -> None:
    reports = read(block(rain="00" * 60))
    assert reports.minute_rain is not None
    assert np.isnan(reports.minute_rain[0]).sum() == 50


@pytest.mark.parametrize(("report", "hhmm", "blew"), [
    ("20180101000500", "2358", "2017-12-31T23:58"),
    ("20180101000000", "2400", "2018-01-01T00:00"),
    ("20180101000000", "0000", "2018-01-01T00:00"),
    ("20180101003000", "0030", "2018-01-01T00:30"),
    ("20171226151000", "////", "NaT"),
    ("20171226151000", "1460", "NaT"),
    ("20171226151000", "2401", "NaT"),
    ("20171226151000", "154", "NaT"),
])  # fmt: skip
def test_time_of_the_gust(report: str, hhmm: str, blew: str) -> None:
    reports = read(block(values={0: report, 12: hhmm}))
    assert str(reports.gust_time[0].astype("datetime64[m]")) == blew


def test_gusts_a_minute_after_their_report_are_of_its_time() -> None:
    late = read(block(values={12: "1511"}))
    assert late.gust_time[0] == late.time[0] == np.datetime64("2017-12-26T15:10")
    assert not late.remarks


def test_gust_clocks_of_another_hour_are_told_and_not_taken() -> None:
    found = read(block(values={12: "2304"}), block(values={11: "///", 12: "2304"}), block(values={12: "1409"}))
    assert np.isnat(found.gust_time).tolist() == [True, True, False]
    assert found.remarks == ("1 gusts with a clock that is not of the hour before their report: is it UTC?",)
    assert value(found, "wind_speed_of_gust") == np.float32(0.9)


def test_ids_that_are_words_for_nothing_are_no_stations() -> None:
    found = read(block("null"), block("NaN"), block("none"), *[block(f"A{at:04d}") for at in range(4)])
    assert found.station.tolist() == [f"A{at:04d}" for at in range(4)]
    assert dict(found.rejected) == {NO_ID: 3}


def test_codes_of_other_products_are_missing() -> None:
    found = read(block(values={10: "999017", 14: "-9999", 24: "32744", 48: "09999"}), block())
    assert [np.isnan(found.values[name][0]) for name in (
        "wind_gust_from_direction", "air_temperature", "air_pressure", "air_pressure_at_mean_sea_level",
    )] == [True, True, True, False]  # fmt: skip
    assert value(found, "air_pressure_at_mean_sea_level") == np.float32(999.9)


def test_too_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ftm_fields, "MAX_LINES", 20)
    assert read(BLOCK, "\n" * 50, BLOCK, "\r\n" * 50, end="").time.size == 2
    with pytest.raises(LimitError, match="25 lines"):
        read(*[BLOCK] * 5, end="")


def test_texts_that_quote_a_report_are_not_claimed() -> None:
    quotes = (f'"""Sample\n{BLOCK}"""\n', f"import re\n\nA = \n{BLOCK}", f"# FTM\n\n{BLOCK}", f"<pre>\n{BLOCK}")
    for text in quotes:
        assert is_foreign(text.encode())
        assert not recognise_ftm(text.encode())
    assert recognise_ftm(b"# wxcore_truth=SYN\n" + BLOCK.encode())


def test_no_gust_has_no_time() -> None:
    assert np.isnat(read(block(values={11: "///"})).gust_time[0])


@pytest.mark.parametrize(("digits", "time"), [
    ("20171231240000", "2018-01-01T00:00:00"), ("20161231235960", "2017-01-01T00:00:00"),
    ("20200229120000", "2020-02-29T12:00:00"),
])  # fmt: skip
def test_odd_times(digits: str, time: str) -> None:
    assert read(block(values={0: digits})).time[0] == np.datetime64(time)


@pytest.mark.parametrize("digits", [
    "20170229000000", "20171326151000", "20170026151000", "20170100151000", "20171226250000", "20171226240100",
    "20171226156000", "20171226151061", "201712261510", "//////////////", "00000000000000", "2017-12-26T15:1",
])  # fmt: skip
def test_impossible_time_is_left_out(digits: str) -> None:
    reports = read(block(), block("O3247", values={0: digits}))
    assert reports.station.tolist() == ["O3246"]
    assert reports.rejected == ((NO_TIME, 1),)


def test_mixed_times_in_a_file() -> None:
    reports = read(block(), block("O3247", values={0: "20171226155900"}), block("A0001", values={0: "20171226000100"}))
    assert np.diff(reports.time.astype("datetime64[m]").astype(int)).tolist() == [49, -958]
    assert reports.minute_rain is not None
    assert (~np.isnan(reports.minute_rain)).sum(axis=1).tolist() == [10, 10, 1]
    assert np.isnan(reports.minute_rain[1, 0])
    assert reports.minute_rain[1, 1] == 0
    assert str(FORMAT.describe(reports).time) == "2017-12-26 15:59:00+00:00"


@pytest.mark.parametrize(("given_id", "expected"), [
    ("a8290", "A8290"), ("658290", "A8290"), ("57516", "57516"), ("908290", "Z8290"), ("911234", "911234"),
])  # fmt: skip
def test_ids(given_id: str, expected: str) -> None:
    assert read(block(given_id), block()).station.tolist() == [expected, "O3246"]


def test_row_without_id_is_left_out() -> None:
    reports = read(block(), block("/////"), block("O-246"), block("A0001"))
    assert reports.station.tolist() == ["O3246", "A0001"]
    assert reports.rejected == ((NO_ID, 2),)


def position(lat: str, lon: str) -> tuple[float, float, tuple[str, ...]]:
    reports = read(block(header=f"O3246 {lat} {lon} 00640 00648 4 000"))
    return float(reports.lat[0]), float(reports.lon[0]), reports.remarks


def test_decimal_degrees_where_there_is_a_point() -> None:
    assert position("29.5631", "106.5512") == (29.5631, 106.5512, ())
    assert position("29.563100", "106.551200")[:2] == (29.5631, 106.5512)


@pytest.mark.parametrize(("lat", "lon"), [
    ("296012", "1063000"), ("293060", "1063000"), ("//////", "///////"), ("2930", "1063000"), ("999999", "9999999"),
])  # fmt: skip
def test_position_that_is_no_ddmmss_is_missing_but_the_row_stays(lat: str, lon: str) -> None:
    latitude, longitude, remarks = position(lat, lon)
    assert np.isnan(latitude) or np.isnan(longitude)
    assert len(remarks) == 1
    assert "1 reports have no position" in remarks[0]


def test_negative_height_and_missing_height() -> None:
    reports = read(
        block(header="O3246 360302 1142339 -0123 ///// 4 000"), block(header="O1 360302 1142339 ///// ///// 4 000")
    )
    assert reports.elevation[0] == np.float32(-12.3)
    assert np.isnan(reports.elevation[1])


def test_present_weather_only_of_two_digits() -> None:
    line = BLOCK.splitlines()[3].split()
    for token, expected in (("95", 95.0), ("//", np.nan), ("9589", np.nan), ("////", np.nan)):
        line[7] = token
        assert value(read(block(weather=" ".join(line))), "present_weather") == pytest.approx(expected, nan_ok=True)


def test_verdicts() -> None:
    flags = ["0"] * 51
    for token, code in ((11, "2"), (14, "1"), (24, "9"), (19, "3"), (23, "8")):
        flags[token - 1] = code
    reports = read(block(qc=f"QC {''.join(flags)} {'0' * 60}="), block("O3247", qc="QC 000="))
    assert reports.provider["wind_speed_of_gust"].tolist() == [QC_BAD, QC_MISSING]
    assert reports.provider["air_temperature"].tolist() == [QC_SUSPECT, QC_MISSING]
    assert reports.provider["wind_speed"].tolist() == [QC_GOOD, QC_MISSING]
    assert "air_pressure" not in reports.provider
    assert "relative_humidity" not in reports.provider
    assert set(EXPECTED) <= set(reports.values)


@pytest.mark.parametrize("change", [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\n", "\r"),
    lambda text: text.replace("\n", "\r\r\n"),
    lambda text: "\ufeff" + text,
    lambda text: text.replace("NNNN\n", ""),
    lambda text: text.replace("\nNNNN\n", ""),
    lambda text: text.replace("\n", "\n\n"),
    lambda text: text.replace("\n", "  \n"),
    lambda text: text.replace(" ", "  "),
    lambda text: text + "\n\n",
], ids=[
    "crlf", "cr", "crcrlf", "bom", "no_nnnn", "no_last_newline", "blank_lines", "trailing", "two_blanks", "after"
])  # fmt: skip
def test_dress_does_not_matter(change: object) -> None:
    assert callable(change)
    plain = block() + block("A0001", values={14: "0312"}) + "NNNN\n"
    reports, expected = read_ftm(change(plain).encode(), NAME), read_ftm(plain.encode(), NAME)
    same(reports, expected)
    assert not reports.rejected


def same(left: Reports, right: Reports) -> None:
    assert left.station.tolist() == right.station.tolist()
    assert set(left.values) == set(right.values)
    assert set(left.provider) == set(right.provider)
    for name in left.values:
        np.testing.assert_array_equal(left.values[name], right.values[name], err_msg=name)
    for name in left.provider:
        np.testing.assert_array_equal(left.provider[name], right.provider[name], err_msg=name)
    for column in ("time", "gust_time", "lat", "lon", "elevation"):
        np.testing.assert_array_equal(getattr(left, column), getattr(right, column), err_msg=column)
    assert (left.minute_rain is None) == (right.minute_rain is None)
    if left.minute_rain is not None and right.minute_rain is not None:
        np.testing.assert_array_equal(left.minute_rain, right.minute_rain)
    np.testing.assert_array_equal(left.revision, right.revision)
    assert (left.simulated, left.remarks) == (right.simulated, right.remarks)


def test_one_block_of_another_shape_is_read_like_the_others() -> None:
    blocks = [block(f"A{at:04d}", values={14: f"{at:04d}"}) for at in range(30)]
    blocks[7] = block("A0007", values={14: "7", 2: "4", 24: "10225"})
    blocks[9] = "\n" + blocks[9].replace("\n", " \n\n")
    reports = read(*blocks)
    assert reports.station.tolist() == [f"A{at:04d}" for at in range(30)]
    assert not reports.rejected
    assert np.allclose(reports.values["air_temperature"], np.arange(30) / 10)
    assert (reports.values["wind_speed"] == np.float32(0.4)).all()


@pytest.mark.parametrize(("broken", "reason"), [
    ("".join(block("B0002").splitlines(keepends=True)[:2]), NOT_A_BLOCK),
    ("".join(block("B0002").splitlines(keepends=True)[1:]), NOT_A_BLOCK),
    (block("B0002").replace("\n0000", "\nQC 0000"), NOT_A_BLOCK),
    (block("B0002").replace(" 056 055", " 056"), NOT_ITS_FIELDS),
    (block("B0002").replace(" 4 000\n", " 4\n"), NOT_ITS_FIELDS),
    ("a\nb\nc\nd\nQC e=\n", NOT_A_BLOCK),
])  # fmt: skip
def test_broken_block_is_counted_and_harms_no_other(broken: str, reason: str) -> None:
    reports = read(block("A0001"), block("A0002"), broken, block("A0003"), block("A0004"))
    assert reports.station.tolist() == ["A0001", "A0002", "A0003", "A0004"]
    assert [why for why, _ in reports.rejected] == [reason]


@pytest.mark.parametrize("keep", [10, 60, 300, 330, 480])
def test_last_block_cut_off(keep: int) -> None:
    text = block("A0001") + block("A0002") + block("A0003")[:keep]
    reports = read(text, end="")
    assert reports.station.tolist() == ["A0001", "A0002"]
    assert reports.rejected == ((NOT_A_BLOCK, 1),)


def test_cut_in_the_flags_keeps_the_values() -> None:
    reports = read(block("A0001"), block("A0002")[:-80], end="")
    assert reports.station.tolist() == ["A0001", "A0002"]
    assert value(reports, "air_pressure", 1) == 1022.5
    assert reports.provider["air_pressure"].tolist() == [QC_GOOD, QC_MISSING]


def test_rain_line_of_another_length_loses_only_the_rain() -> None:
    reports = read(block(rain="0000"), block("O3247"))
    assert reports.minute_rain is not None
    assert np.isnan(reports.minute_rain[0]).all()
    assert not np.isnan(reports.minute_rain[1]).all()
    assert value(reports, "air_temperature") == np.float32(-2.8)


def test_mostly_bad_is_refused() -> None:
    with pytest.raises(ReadError, match="1 reports read, 2 left out") as caught:
        read(block(), block(values={0: "/" * 14}), "a\nb\n")
    assert caught.value.reason is Reason.BAD_VALUE


@pytest.mark.parametrize(("data", "reason"), [
    (b"", Reason.EMPTY), (b"\r\n\n", Reason.EMPTY), (b"NNNN\n", Reason.BAD_VALUE), (b"QC\n" * 50, Reason.BAD_VALUE),
    (b"Q", Reason.BAD_VALUE), (b"\xff\xfe\x00" * 100, Reason.BAD_VALUE),
])  # fmt: skip
def test_nothing_in_it(data: bytes, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_ftm(data, NAME)
    assert caught.value.reason is reason


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ftm_fields, "MAX_BYTES", 100)
    with pytest.raises(LimitError) as caught:
        read(BLOCK)
    assert caught.value.reason is Reason.TOO_LARGE


def test_copies_of_a_report_both_stay() -> None:
    reports = read(block(), block(values={14: "0010"}))
    assert reports.station.tolist() == ["O3246", "O3246"]
    assert reports.values["air_temperature"].tolist() == [np.float32(-2.8), 1]


def corrected(mark: str, station: str = "O3246") -> str:
    return block(header=f"{station} 360302 1142339 00640 00648 4 {mark}")


def test_corrections_stand_last() -> None:
    reports = read(
        corrected("CCB", "A0002"), corrected("000", "A0000"), corrected("cca", "A0001"), corrected("000", "A3")
    )
    assert reports.station.tolist() == ["A0000", "A3", "A0001", "A0002"]
    assert np.asarray(reports.revision).tolist() == [0, 0, 1, 2]
    assert reports.remarks == ("2 of 4 reports are corrections (BBB); they stand last",)


@pytest.mark.parametrize(("name", "mark", "revision"), [
    (NAME, "000", 0), (NAME, "CCA", 1), (NAME, "///", 0), (NAME, "CC1", 0),
    (NAME.replace("FTM", "FTM_PQC"), "000", PROVINCIAL), (NAME.replace("FTM", "FTM_PQC"), "CCB", PROVINCIAL + 2),
    ("Z_SURF_I_58342_20171226151000_O_AWS_FTM-CCA.txt", "000", 1), ("copy.txt", "000", 0),
])  # fmt: skip
def test_revision(name: str, mark: str, revision: int) -> None:
    assert read(corrected(mark), name=name).revision == revision


@pytest.mark.parametrize(("name", "time"), [
    ("Z_SURF_I_58342_20181121040000_O_AWS_FTM-CCA.txt", "20181121040000"),
    ("Z_SURF_I_A8290-REG_20181121040000_O_AWS_FTM.txt", None),
    ("Z_SURF_C_BEHT-REG_20200623060733_O_AWS_FTM_PQC.txt", None),
    ("Z_SURF_C_BEHF_20131111072206_O_AWS_FTM.TXT", None),
])  # fmt: skip
def test_names(name: str, time: str | None) -> None:
    match = FORMAT.name_pattern.search(name)
    assert match is not None
    assert match["t"] == time


def test_names_of_others() -> None:
    for name in ("Z_SURF_I_57586_20190223060000_O_AWS_FTM_PQC.BIN", "Z_SURF_C_BEZZ_20180202045547_O_AWS-PRF_FTM.txt"):
        assert FORMAT.name_pattern.search(name) is None


def test_claims_nothing_else() -> None:
    for head in (
        b"",
        b"NNNN\n",
        b"\x89HDF",
        b"diamond 3 x\n 19 2 1 8\n",
        b"QC 000 000=\n",
        BLOCK.splitlines()[0].encode(),
    ):
        assert not recognise_ftm(head)
    assert recognise_ftm(write_ftm(replace(read(BLOCK), simulated=True)))
    assert recognise_ftm(("\ufeff" + BLOCK).replace("\n", "\r\n").encode())


def some_reports(seed: int) -> Reports:
    """Reports within the resolution and the width of the text; a third of all values is missing."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 8))

    def column(low: int, high: int, scale: float = 10) -> Floats:
        drawn = rng.integers(low, high, count, endpoint=True) / scale
        return np.where(rng.random(count) < 1 / 3, np.nan, drawn).astype(np.float32)

    values = {
        "air_pressure": column(5000, 10600), "air_pressure_at_mean_sea_level": column(8700, 10850),
        "air_temperature": column(-450, 460), "dew_point_temperature": column(-600, 350),
        "relative_humidity": column(0, 100, 1), "wind_speed": column(0, 20), "wind_from_direction": column(0, 360, 1),
        "wind_speed_10min": column(0, 450), "wind_from_direction_10min": column(0, 360, 1),
        "wind_speed_of_gust": column(0, 750), "wind_gust_from_direction": column(0, 360, 1),
        "precipitation_1h": column(0, 2000), "present_weather": column(0, 99, 1),
    }  # fmt: skip
    for direction, speed in ftm_fields.WINDS:
        values[direction][values[speed] == 0] = np.nan
    minute = rng.integers(0, 60 * 24 * 365 * 20, count)
    time = np.datetime64("2015-01-01T00:00", "ns") + minute.astype("timedelta64[m]")
    gust = time - rng.integers(0, 61, count).astype("timedelta64[m]")
    gust[np.isnan(values["wind_speed_of_gust"]) | (rng.random(count) < 0.2)] = np.datetime64("NaT")
    rain = np.stack([column(0, 99) for _ in range(60)], axis=1)
    rain[np.arange(60)[None, :] < 60 - ((minute - 1) % 60 + 1)[:, None]] = np.nan
    values["precipitation_1min"] = rain[:, -1].copy()
    values = {name: value for name, value in values.items() if not np.isnan(value).all()}
    provider = {}
    for name in set(values) - {"present_weather", "precipitation_1min"}:
        flags = rng.choice([QC_GOOD, QC_SUSPECT, QC_BAD, QC_MISSING], count).astype(np.uint8)
        flags[np.isnan(values[name])] = QC_MISSING
        if (flags != QC_MISSING).any():
            provider[name] = flags
    lat, lon = rng.integers(0, 90 * 3600, count), rng.integers(0, 180 * 3600, count)
    return Reports(
        FORMAT.name, "FTM", np.array([f"{rng.choice(list('AZ59'))}{rng.integers(10_000):04d}" for _ in range(count)]),
        time, lat / 3600, lon / 3600, column(-4000, 80000), values, gust,
        minute_rain=None if np.isnan(rain).all() else rain, provider=provider,
        revision=revision_of(np.sort(rng.integers(0, 27, count))), simulated=bool(rng.integers(2)),
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_writer_then_reader(seed: int) -> None:
    native = some_reports(seed)
    again = read_ftm(write_ftm(native), "x.txt")
    np.testing.assert_allclose(again.lat, native.lat, atol=1e-9)
    np.testing.assert_allclose(again.lon, native.lon, atol=1e-9)
    same(replace(again, lat=native.lat, lon=native.lon, remarks=native.remarks), native)


def test_writer_refuses_what_does_not_fit() -> None:
    reports = read(BLOCK)
    with pytest.raises(ValueError, match="five characters"):
        write_ftm(replace(reports, station=np.array(["A1"])))
    with pytest.raises(ValueError, match="wind_speed: 1234"):
        write_ftm(replace(reports, values={"wind_speed": np.array([123.4], np.float32)}))


def test_writer_writes_the_last_minute_where_there_are_no_others() -> None:
    reports = replace(read(BLOCK), minute_rain=None, values={"precipitation_1min": np.array([0.7], np.float32)})
    again = read_ftm(write_ftm(reports), NAME)
    assert value(again, "precipitation_1min") == np.float32(0.7)
    assert again.minute_rain is not None
    assert np.isnan(again.minute_rain[0, :-1]).all()


def test_mutants_raise_nothing_but_read_errors() -> None:
    data = ("".join(block(f"A{at:04d}") for at in range(8)) + "NNNN\n").encode()
    rng = np.random.default_rng(6)
    read_whole = 0
    for _ in range(400):
        try:
            read_whole += read_ftm(mutate(data, rng, 40), NAME).time.size > 0
        except ReadError:
            continue
    assert read_whole > 100
