"""MUSIC's answers: a real excerpt as XML, JSON and CSV made here, and every trap of codes, clocks and ids."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import ELEMENT_NAMES, QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT
from wxcore.station import music, music_csv, music_json, music_write, music_xml
from wxcore.station.music import station_id
from wxcore.station.reports import Reports
from wxcore.times import to_datetime64

REAL = "SURF_CHN_MAIN_MIN_201809011600_excerpt.xml"
FORMATS = (music_xml.FORMAT, music_json.FORMAT, music_csv.FORMAT)
ROW = {"Station_Id_C": "57516", "Lat": "29.58", "Lon": "106.46", "Alti": "259.1", "Year": "2020", "Mon": "6",
       "Day": "12", "Hour": "5", "Min": "0", "TEM": "25.1"}  # fmt: skip


@pytest.fixture(scope="module")
def real(data: Path) -> bytes:
    return (data / "stations" / "cimiss" / REAL).read_bytes()


def at(*clock: int) -> np.datetime64:
    return to_datetime64(datetime(*clock, tzinfo=UTC))  # type: ignore[arg-type,misc]


def as_json(*rows: Any, **more: Any) -> bytes:
    return json.dumps({"returnCode": "0", "returnMessage": "Query Succeed", **more, "DS": list(rows)}).encode()


def as_xml(*rows: dict[str, str], **more: str) -> bytes:
    root = etree.Element("DS", {"returnCode": "0", "returnMessage": "Query Succeed", **more})
    for row in rows:
        etree.SubElement(root, "R", row)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def as_csv(*rows: dict[str, str], delimiter: str = ",") -> bytes:
    return "\n".join(delimiter.join(words) for words in (tuple(rows[0]), *(row.values() for row in rows), ())).encode()


WAYS: tuple[tuple[Callable[..., bytes], Callable[[bytes, str], Reports]], ...] = (
    (as_xml, music_xml.read_music_xml), (as_json, music_json.read_music_json), (as_csv, music_csv.read_music_csv),
)  # fmt: skip
every_way = pytest.mark.parametrize(("write", "read"), WAYS, ids=["xml", "json", "csv"])


# The real excerpt


def test_real_excerpt(real: bytes) -> None:
    found = music_xml.read_music_xml(real, REAL)
    assert found.time.size == np.unique(found.station).size == 22
    assert (found.time == at(2018, 9, 1, 16)).all()
    missing = {name: int(np.isnan(column).sum()) for name, column in found.values.items()}
    assert missing == {"air_pressure": 13, "air_temperature": 0, "relative_humidity": 13, "wind_speed": 5,
                       "wind_from_direction": 5}  # fmt: skip
    assert [str(one) for one in found.station if one.startswith("A8")] == ["A8290", "A8279"]  # the two of Chongqing
    verdicts = {name: [int((flags == code).sum()) for code in (QC_GOOD, QC_BAD, QC_MISSING)]
                for name, flags in found.provider.items()}  # fmt: skip
    assert verdicts == {"air_pressure": [8, 1, 13], "air_temperature": [22, 0, 0], "relative_humidity": [9, 0, 13],
                        "wind_speed": [17, 0, 5], "wind_from_direction": [17, 0, 5]}  # fmt: skip
    assert (found.title, found.rejected) == ("MUSIC SURF_CHN_MAIN_MIN", ())
    assert found.remarks == ("answer says 48599 rows, has 22",)
    assert np.isnat(found.gust_time).all()


def test_real_excerpt_row_by_hand(real: bytes) -> None:
    found = music_xml.read_music_xml(real, REAL)
    row = found.station.tolist().index("W8120")
    assert (found.lat[row], found.lon[row], found.elevation[row]) == (36.0133, 108.1183, 1129)
    assert found.values["air_pressure"][row] == np.float32(876.3)
    assert found.provider["air_pressure"][row] == QC_BAD
    assert (found.values["wind_speed"][row], found.values["wind_from_direction"][row]) == (np.float32(1.4), 329)


def test_real_ids_are_the_numeric_ones_too(real: bytes) -> None:
    rows = [dict(row.items()) for row in etree.fromstring(real)]
    assert [station_id(str(row["Station_Id_d"])) for row in rows] == [row["Station_Id_C"] for row in rows]


def test_real_excerpt_says_the_same_three_ways(real: bytes) -> None:
    rows = [{str(k): str(v) for k, v in row.items()} for row in etree.fromstring(real)]
    expected = music_xml.read_music_xml(real, REAL)
    for found in (
        music_json.read_music_json(as_json(*rows), REAL),
        music_csv.read_music_csv(as_csv(*rows).decode().encode("gbk"), REAL),
        music_csv.read_music_csv(b"\xef\xbb\xbf" + as_csv(*rows, delimiter="\t"), REAL),
    ):
        same(found, expected)


def same(found: Reports, expected: Reports) -> None:
    for name in ("station", "time", "lat", "lon", "elevation", "gust_time"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    assert found.values.keys() == expected.values.keys()
    for name, column in expected.values.items():
        np.testing.assert_array_equal(found.values[name], column, name)
    assert found.provider.keys() == expected.provider.keys()
    for name, flags in expected.provider.items():
        np.testing.assert_array_equal(found.provider[name], flags, name)


# Codes, clocks, ids


@every_way
def test_names_without_case_and_winds(write: Any, read: Any) -> None:
    row = ROW | {"win_s_avg_2MI": "3.1", "WIN_D_Avg_2mi": "90", "WIN_S_Avg_10mi": "2.9", "WIN_D_Avg_10mi": "100",
                 "WIN_S_Inst_Max": "24.6", "WIN_D_INST_Max": "340", "WIN_S_INST_Max_OTime": "437",
                 "HAIL_Diam_Max": "12",
                 "PRE_1h": "17.2", "PRS": "981.2", "PRS_Sea": "1005.1", "DPT": "20.5", "WEP_Now": "95"}  # fmt: skip
    found = read(write(row, row), "a")
    assert {name: float(column[0]) for name, column in found.values.items()} == pytest.approx({
        "air_temperature": 25.1, "wind_speed": 3.1, "wind_from_direction": 90, "wind_speed_10min": 2.9,
        "wind_from_direction_10min": 100, "wind_speed_of_gust": 24.6, "wind_gust_from_direction": 340,
        "hail_diameter": 12, "precipitation_1h": 17.2, "air_pressure": 981.2, "air_pressure_at_mean_sea_level": 1005.1,
        "dew_point_temperature": 20.5, "present_weather": 95,
    }, rel=1e-6)  # fmt: skip
    assert found.gust_time[0] == at(2020, 6, 12, 4, 37)
    assert found.gust_period_min == 60


@every_way
@pytest.mark.parametrize(
    "text", ["999999", "999998", "999990", "999995.0", "", " ", "9999", "9999.0", "-9999", "32766", "32744", "32767",
             "99999", "999017", "996012"]
)  # fmt: skip
def test_what_is_missing(write: Any, read: Any, text: str) -> None:
    found = read(write(ROW | {"RHU": text, "PRE_1h": "0"}, ROW | {"RHU": "50", "PRE_1h": text}), "a")
    assert np.isnan(found.values["relative_humidity"][0])
    assert found.values["precipitation_1h"][0] == 0
    assert np.isnan(found.values["precipitation_1h"][1])
    assert found.remarks == ()


@every_way
def test_absurd_numbers_stay(write: Any, read: Any) -> None:
    found = read(write(ROW | {"TEM": "998", "PRS": "999.9", "RHU": "-999"}), "a")
    assert {name: float(column[0]) for name, column in found.values.items()} == pytest.approx(
        {"air_temperature": 998, "air_pressure": 999.9, "relative_humidity": -999}
    )


@every_way
def test_calm(write: Any, read: Any) -> None:
    calm = {"WIN_S_Avg_2mi": "0.2", "WIN_D_Avg_2mi": "999017"}
    found = read(write(ROW | calm, ROW | calm | {"WIN_S_Avg_2mi": "999999"}, ROW | calm | {"WIN_D_Avg_2mi": "0"}), "a")
    assert found.values["wind_speed"].tolist() == pytest.approx([0.2, 0, 0.2])
    assert np.isnan(found.values["wind_from_direction"]).tolist() == [True, True, False]


@every_way
def test_a_mean_wind_of_one_minute_where_there_is_no_other(write: Any, read: Any) -> None:
    both = {"WIN_S_Avg_2mi": "3", "WIN_D_Avg_2mi": "10", "WIN_S_Avg_1mi": "4", "WIN_D_Avg_1mi": "20",
            "Q_WIN_S_Avg_2mi": "0", "Q_WIN_S_Avg_1mi": "1"}  # fmt: skip
    lack = both | {"WIN_S_Avg_2mi": "999999", "WIN_D_Avg_2mi": "999999", "Q_WIN_S_Avg_2mi": "8"}
    found = read(write(ROW | both, ROW | lack), "a")
    assert found.values["wind_speed"].tolist() == [3, 4]
    assert found.values["wind_from_direction"].tolist() == [10, 20]
    assert found.provider["wind_speed"].tolist() == [QC_GOOD, QC_SUSPECT]


@every_way
def test_verdicts(write: Any, read: Any) -> None:
    rows = [ROW | {"Q_TEM": code} for code in ("0", "1", "2", "3", "4", "5", "7", "8", "9", "", "999999")]
    rows.append(ROW | {"TEM": "999999", "Q_TEM": "0"})
    none = QC_MISSING
    assert read(write(*rows), "a").provider["air_temperature"].tolist() == [
        QC_GOOD, QC_SUSPECT, QC_BAD, QC_GOOD, QC_GOOD, none, none, none, none, none, none, none,
    ]  # fmt: skip
    assert read(write(ROW), "a").provider == {}


@every_way
@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("437", at(2020, 6, 12, 4, 37)), ("0437", at(2020, 6, 12, 4, 37)), ("04:37", at(2020, 6, 12, 4, 37)),
        ("500", at(2020, 6, 12, 5)), ("501", at(2020, 6, 12, 5)), ("505", at(2020, 6, 12, 5)), ("506", None),
        ("359", at(2020, 6, 12, 3, 59)), ("358", None), ("0", None), ("2359", None), ("7", None),
        ("2020-06-12 05:02:00", at(2020, 6, 12, 5)), ("2020-06-12 03:41:00", None),
        ("2020-06-12 04:41:00", at(2020, 6, 12, 4, 41)), ("999998", None),
        ("1970-01-01 08:16:40", None), ("475", None), ("2460", None), ("999999", None), ("", None),
    ],
)  # fmt: skip
def test_clock_of_gusts(write: Any, read: Any, clock: str, expected: np.datetime64 | None) -> None:
    found = read(write(ROW | {"WIN_S_Inst_Max": "20", "WIN_S_INST_Max_OTime": clock}), "a")
    assert np.isnat(found.gust_time[0]) if expected is None else found.gust_time[0] == expected
    assert found.values["wind_speed_of_gust"][0] == 20


@every_way
def test_clock_of_gusts_about_midnight(write: Any, read: Any) -> None:
    row = ROW | {"Hour": "0", "WIN_S_Inst_Max": "20"}
    clocks = ("2359", "2300", "0", "2", "24:00")
    rows = [row | {"Station_Id_C": f"5751{at}", "WIN_S_INST_Max_OTime": clock} for at, clock in enumerate(clocks)]
    assert read(write(*rows), "a").gust_time.astype("datetime64[m]").astype(str).tolist() == [
        "2020-06-11T23:59", "2020-06-11T23:00", "2020-06-12T00:00", "2020-06-12T00:00", "NaT",
    ]  # fmt: skip


@every_way
def test_a_table_of_minutes_has_minutes(write: Any, read: Any) -> None:
    row = {key: value for key, value in ROW.items() if key != "Min"}
    with pytest.raises(ReadError, match="no column Min or Datetime") as caught:
        read(write(row), "SURF_CHN_MUL_MIN_x")
    assert caught.value.reason == Reason.BAD_HEADER
    assert read(write(row), "SURF_CHN_MUL_HOR_x").time.size == 1
    with pytest.raises(ReadError, match="several rows of an hour"):
        read(write(row, row | {"Station_Id_C": "57517"}, row | {"TEM": "25.2"}), "a")
    assert read(write(row, row | {"Station_Id_C": "57517", "TEM": "1"}, row), "a").time.size == 3
    assert read(write(ROW, ROW | {"TEM": "25.2"}), "a").time.size == 2


@every_way
@pytest.mark.parametrize("word", ["null", "NaN", "None", "", "NULL", "-"])
def test_words_for_nothing_are_no_ids(write: Any, read: Any, word: str) -> None:
    row = ROW | {"Station_Id_C": word, "Station_Id_d": "658290"}
    assert read(write(row), "a").station.tolist() == ["A8290"]
    rows = [ROW | {"Station_Id_d": ""}, row | {"Station_Id_d": word}]
    assert dict(read(write(*rows), "a").rejected) == {music.NO_ID: 1}


@every_way
def test_gusts_with_a_clock_that_is_not_utc_are_told(write: Any, read: Any) -> None:
    found = read(write(ROW | {"WIN_S_Inst_Max": "20", "WIN_S_INST_Max_OTime": "1237"}), "a")
    assert found.remarks == ("1 gusts with a clock that is not of the hour before their report: is it UTC?",)


@every_way
@pytest.mark.parametrize("text", ["2020-06-12 05:03:00", "20200612050300", "2020-06-12T05:03:00Z", "202006120503"])
def test_datetime_column(write: Any, read: Any, text: str) -> None:
    row = {key: value for key, value in ROW.items() if key not in {"Year", "Mon", "Day"}}
    assert read(write(row | {"Datetime": text}), "a").time[0] == at(2020, 6, 12, 5, 3)


@every_way
def test_rows_without_station_or_time_are_left_out(write: Any, read: Any) -> None:
    odd = [{"Station_Id_C": ""}, {"Station_Id_C": "999999"}, {"Mon": "13"}, {"Day": "31"}, {"Hour": "24"},
           {"Year": "0"}, {"Hour": "5.5"}, {"Hour": ""}]  # fmt: skip
    found = read(write(*[ROW] * 9, *(ROW | one for one in odd)), "a")
    assert found.time.size == 9
    assert dict(found.rejected) == {music.NO_ID: 2, music.NO_TIME: 6}
    with pytest.raises(ReadError) as caught:
        read(write(ROW, *(ROW | one for one in odd)), "a")
    assert caught.value.reason == Reason.BAD_VALUE


@every_way
def test_values_that_are_no_numbers_are_missing_and_told(write: Any, read: Any) -> None:
    found = read(write(ROW, *(ROW | {"TEM": text} for text in ("x", "1e99", "inf", "1_0"))), "a")
    assert np.isnan(found.values["air_temperature"]).tolist() == [False, True, True, True, True]
    assert found.remarks == ("4 values are no numbers: taken as missing",)


@every_way
def test_rain_of_a_minute_in_tables_of_minutes_only(write: Any, read: Any) -> None:
    row = ROW | {"Min": "7", "PRE": "0.6"}
    assert read(write(row), "SURF_CHN_MUL_MIN_20200612.x").values["precipitation_1min"][0] == np.float32(0.6)
    assert read(write(row), "x").values["precipitation_1min"][0] == np.float32(0.6)
    hourly = read(write(row), "SURF_CHN_MUL_HOR_20200612.x")
    assert "precipitation_1min" not in hourly.values
    assert "PRE is not read" in hourly.remarks[0]


@every_way
def test_weather_of_other_code_tables_is_missing(write: Any, read: Any) -> None:
    rows = [ROW | {"WEP_Now": code} for code in ("0", "99", "100", "508", "999999")]
    weather = read(write(*rows), "a").values["present_weather"]
    assert np.isnan(weather).tolist() == [False, False, True, True, True]


@every_way
def test_places_that_are_none(write: Any, read: Any) -> None:
    found = read(write(ROW | {"Lat": "95", "Lon": "999999", "Alti": "999999"}), "a")
    assert np.isnan([found.lat[0], found.lon[0], found.elevation[0]]).all()


@every_way
@pytest.mark.parametrize("lack", ["Station_Id_C", "Hour"])
def test_columns_that_must_be_there(write: Any, read: Any, lack: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(write({key: value for key, value in ROW.items() if key != lack}), "a.x")
    assert caught.value.reason == Reason.BAD_HEADER
    assert lack in caught.value.en
    assert re.search("[一-鿿]", caught.value.zh)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("658290", "A8290"), ("a8290", "A8290"), ("658290.0", "A8290"), ("57516", "57516"), ("57516.0", "57516"),
     ("909999", "Z9999"), ("649999", "649999"), ("914444", "914444"), ("", ""), ("999999", ""), ("A 1", ""),
     ("x" * 40, "")],
)  # fmt: skip
def test_station_ids(text: str, expected: str) -> None:
    assert station_id(text) == expected


@every_way
def test_numeric_id_where_there_is_no_other(write: Any, read: Any) -> None:
    row = {"Station_Id_d": "658290"} | {key: value for key, value in ROW.items() if key != "Station_Id_C"}
    assert read(write(row), "a").station.tolist() == ["A8290"]


# Answers that failed, hostile bytes


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (as_json(returnCode=-1, returnMessage="no such dataCode 资料代码错误"), music_json.read_music_json),
        (as_xml(returnCode="-1", returnMessage="no such dataCode"), music_xml.read_music_xml),
        (b'returnCode=-1 returnMessage="no such dataCode"\n', music_csv.read_music_csv),
    ],
)
def test_a_query_that_failed_is_quoted(data: bytes, read: Any) -> None:
    data = data.replace(b'"0", "returnMessage": "Query Succeed", ', b"")
    with pytest.raises(ReadError) as caught:
        read(data, "a.x")
    assert caught.value.reason == Reason.BAD_HEADER
    assert "no such dataCode" in caught.value.en
    assert "no such dataCode" in caught.value.zh


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b'{"returnCode":"-1","returnMessage":"query succeeded, no record"}', music_json.read_music_json),
        (b'<DS returnCode="-1" returnMessage="Query Succeed. No Record!"/>', music_xml.read_music_xml),
        (b'returnCode=-1 returnMessage="no record"\n', music_csv.read_music_csv),
        (as_json(), music_json.read_music_json), (b'{"returnCode": 0, "DS": ""}', music_json.read_music_json),
        (as_xml(), music_xml.read_music_xml), (as_csv(ROW).split(b"\n")[0], music_csv.read_music_csv),
        (as_csv(ROW).split(b"\n")[0] + b"\n \n", music_csv.read_music_csv), (b"", music_csv.read_music_csv),
    ],
)  # fmt: skip
def test_an_empty_answer_is_refused(data: bytes, read: Any) -> None:
    with pytest.raises(ReadError) as caught:
        read(data, "a.x")
    assert caught.value.reason == Reason.EMPTY
    assert "a.x" in caught.value.en


LAUGHS = (
    b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">%s]><DS returnCode="0"><R Station_Id_C="&a9;"/></DS>"""
    % (b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;") for n in range(10)))
)
OUTSIDE = (
    b'<!DOCTYPE DS [<!ENTITY x SYSTEM "file:///etc/passwd">]><DS returnCode="0"><R Station_Id_C="57516">&x;</R></DS>'
)


@pytest.mark.parametrize(
    "data",
    [LAUGHS, OUTSIDE, LAUGHS.decode().encode("utf-16"), b"", b"<DS", b"<DS returnCode='0'>", b"<R/>", b"\x00" * 50,
     b'<?xml version="1.0" encoding="nonsense"?><DS/>', b"<DS>" + b"<a>" * 5000],
)  # fmt: skip
def test_hostile_xml(data: bytes) -> None:
    with pytest.raises(ReadError) as caught:
        music_xml.read_music_xml(data, "a.xml")
    assert caught.value.reason == Reason.BAD_HEADER
    assert "root:" not in caught.value.en


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'"x"', b"[" * 100_000, b'{"a":' * 100_000, b'{"DS": 1' + b"9" * 5000 + b"}", b"\xff\xfe{",
     b'{"returnCode": 0, "DS": {"Station_Id_C": 1}}'],
)  # fmt: skip
def test_hostile_json(data: bytes) -> None:
    with pytest.raises(ReadError) as caught:
        music_json.read_music_json(data, "a.json")
    assert caught.value.reason == Reason.BAD_HEADER


def test_json_numbers_and_rows_that_are_none() -> None:
    row: dict[str, Any] = ROW | {"Station_Id_C": "57516", "TEM": 25.1, "Hour": 5, "RHU": None, "PRS": True, "DPT": [1]}
    found = music_json.read_music_json(as_json(row, row, "x"), "a")
    assert found.values.keys() == {"air_temperature"}
    assert found.rejected == (("row that is no object", 1),)


def test_csv_rows_of_another_width_are_left_out() -> None:
    lines = as_csv(*[ROW] * 5).split(b"\n")
    odd = [lines[4] + b",7", "57516,沙坪坝".encode("gbk")]
    found = music_csv.read_music_csv(b"\n".join([*lines[:4], *odd, *lines[5:]]), "a")
    assert found.time.size == 4
    assert found.rejected == ((music_csv.WRONG_WIDTH, 2),)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["abc", '"ab', 'ab"', '"ab"', '"a,b"', '""', '"""', "'", "a,b"]), min_size=1))
def test_csv_quotes_swallow_no_rows(names: list[str]) -> None:
    rows = [",".join((*ROW.values(), name)) for name in [*["x"] * len(names), *names]]
    data = "\n".join((",".join((*ROW, "Station_Name")), *rows, "")).encode()
    found = music_csv.read_music_csv(data, "a")
    assert found.time.size + sum(count for _, count in found.rejected) == len(rows)
    assert found.time.size == len([name for name in names if "," not in name]) + len(names)


def test_csv_in_quotes_is_read() -> None:
    rows = as_csv(ROW, ROW).decode().strip().split("\n")
    quoted = "\n".join('"' + '","'.join(row.split(",")) + '"' for row in rows) + "\n"
    same(music_csv.read_music_csv(quoted.encode(), "a"), music_csv.read_music_csv(as_csv(ROW, ROW), "a"))


def test_csv_without_a_header_row_has_the_documented_columns() -> None:
    row = "A8290,658290,29.3111,106.0942,2018,9,1,16,1.2,999017,0.4,0,8.9,320,1553,999999,30.6,61,22.3"
    for mark in (",", " ", "  ", "\t"):
        found = music_csv.read_music_csv(f"{row}\n{row}\n".replace(",", mark).encode(), "a.txt")
        assert music_csv.FORMAT.recognise(f"{row}\n".replace(",", mark).encode())
        assert found.time.tolist() == [at(2018, 9, 1, 16).astype(int)] * 2
        assert found.gust_time[0] == at(2018, 9, 1, 15, 53)
        assert {name: float(column[0]) for name, column in found.values.items()} == pytest.approx({
            "wind_speed": 1.2, "precipitation_1h": 0.4, "wind_speed_of_gust": 8.9, "wind_gust_from_direction": 320,
            "air_temperature": 30.6, "relative_humidity": 61, "dew_point_temperature": 22.3,
        })  # fmt: skip
        assert found.provider["precipitation_1h"].tolist() == [QC_GOOD] * 2


def test_csv_with_spaces_return_line_and_crlf() -> None:
    rows = as_csv(ROW, ROW, delimiter="  ").replace(b"\n", b" \r\n")
    found = music_csv.read_music_csv(b"returnCode=0 returnMessage=ok datacode=SURF_CHN_MUL_HOR\r\n" + rows, "a")
    assert (found.time.size, found.title) == (2, "MUSIC SURF_CHN_MUL_HOR")


def test_csv_cut_off_is_told() -> None:
    assert "cut off" in music_csv.read_music_csv(as_csv(ROW).rstrip(b"\n"), "a").remarks[0]


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "MAX_BYTES", 10)
    for write, read in WAYS:
        with pytest.raises(LimitError):
            read(write(ROW), "a")


@settings(max_examples=80, deadline=None)
@given(way=st.sampled_from(WAYS), place=st.integers(0, 400), junk=st.binary(max_size=12), cut=st.integers(0, 40))
def test_broken_bytes_raise_nothing_else(way: Any, place: int, junk: bytes, cut: int) -> None:
    write, read = way
    whole = write(ROW, ROW, ROW)
    with suppress(ReadError):
        read(whole[:place] + junk + whole[place + cut :], "a")


# Recognition and writers


def test_each_is_recognised_by_its_own_alone(real: bytes, data: Path) -> None:
    heads = [real[:8192], as_json(ROW), as_csv(ROW)]
    for place, form in enumerate(FORMATS):
        assert [form.recognise(head) for head in heads] == [place == other for other in range(3)]
    assert music_xml.FORMAT.name_pattern.search(REAL)
    for other in (data / "stations").rglob("*"):
        if other.is_file() and other.name != REAL:
            head = other.open("rb").read(8192)
            assert not any(form.recognise(head) for form in FORMATS), other


@pytest.mark.parametrize(
    "head", [b"", b"{}", b'{"type": "FeatureCollection"}', b"<alert/>", b"a,b\n1,2\n", b"\x1f\x8b" * 9, b"# x\n# y\n"]
)
def test_nothing_of_others_is_claimed(head: bytes) -> None:
    assert not any(form.recognise(head) for form in FORMATS)


def _float(lowest: float, highest: float) -> st.SearchStrategy[float]:
    return st.one_of(st.just(np.nan), st.floats(lowest, highest, width=32))


@st.composite
def made(draw: Any) -> Reports:
    n = draw(st.integers(1, 4))
    minutes = draw(st.lists(st.integers(0, 2_000_000), min_size=n, max_size=n))
    time = at(2020, 6, 12, 5, 42) + np.array(minutes).astype("timedelta64[m]")
    values = {}
    for name in draw(st.sets(st.sampled_from(ELEMENT_NAMES), min_size=1)):
        column = np.array(draw(st.lists(_float(0, 99), min_size=n, max_size=n)), dtype="f4")
        column[0] = 5
        values[name] = column
    for speed in ("wind_speed", "wind_speed_10min", "wind_speed_of_gust"):  # a calm's speed stays 0
        if speed in values:
            values[speed] = np.where(values[speed] == 0, np.float32(0.5), values[speed])
    codes = st.lists(st.sampled_from([QC_GOOD, QC_SUSPECT, QC_BAD, QC_MISSING]), min_size=n, max_size=n)
    provider = {
        name: np.where(np.isnan(column), np.uint8(QC_MISSING), np.array(draw(codes), dtype="u1"))
        for name, column in values.items()
        if draw(st.booleans())
    }
    ids = draw(st.lists(st.from_regex(r"\A[A-Z5][0-9]{4}\Z"), min_size=n, max_size=n))
    none = np.datetime64("NaT")
    ago = np.array(draw(st.lists(st.integers(0, 59), min_size=n, max_size=n))).astype("timedelta64[m]")
    return Reports(
        "made", "made", np.array(ids), time.astype("datetime64[ns]"),
        np.array(draw(st.lists(st.floats(20, 40), min_size=n, max_size=n))), np.full(n, 106.5),
        np.full(n, 259.1, dtype="f4"), values,
        np.where(np.isnan(values.get("wind_speed_of_gust", np.full(n, np.nan))), none, time - ago).astype("M8[ns]"),
        provider=provider,
        simulated=draw(st.booleans()),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(reports=made())
def test_what_is_written_is_read(reports: Reports) -> None:
    for form in (music_json.FORMAT, music_csv.FORMAT):
        assert form.write is not None
        written = form.write(reports)
        assert form.recognise(written[:8192])
        found = form.read(written, "SURF_CHN_MUL_MIN_x")
        same(found, reports)
        assert found.simulated == reports.simulated


def test_calm_is_written_as_such() -> None:
    calm = ROW | {"WIN_S_Avg_2mi": "0", "WIN_D_Avg_2mi": "999017"}
    one = music_json.read_music_json(as_json(calm, calm | {"WIN_S_Avg_2mi": "2", "WIN_D_Avg_2mi": "90"}), "a")
    assert music_write.write_csv(one).count(b"999017") == 1
    same(music_csv.read_music_csv(music_write.write_csv(one, delimiter="\t"), "a"), one)
