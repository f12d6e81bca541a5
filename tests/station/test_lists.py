"""Lists of stations are told from tables of reports, and no text format of ours claims what only quotes one."""

from pathlib import Path

import numpy as np
import pytest

from wxcore.errors import ReadError, Reason
from wxcore.schema import HEAD_BYTES
from wxcore.station import lists
from wxcore.station.clocks import gust_times, nearest, sexagesimal
from wxcore.station.files import FORMATS
from wxcore.station.ids import with_letter
from wxcore.station.sentinels import is_missing

REPOSITORY = Path(__file__).parents[2]
OURS = {"stations.csv": "station-list"}
"""Files of the repository that are what they look like."""

SYNOP = "AAXX 01061\n57516 02999 02530 10200 21090=\n"
METAR = "METAR ZUCK 010600Z 24010G28MPS 9999 25/20 Q1000=\n"


def claims(head: bytes) -> list[str]:
    return [form.name for form in FORMATS if form.recognise(head)]


def test_no_file_of_the_repository_is_claimed() -> None:
    asked = 0
    for folder in ("wxcore", "tests", "docs", "deploy", "flows", "models", "station_meta", ".ci"):
        for path in (REPOSITORY / folder).rglob("*"):
            if path.suffix not in {".py", ".md", ".json", ".xml", ".csv", ".toml", ".txt", ".yaml", ".yml", ".sh"}:
                continue
            with path.open("rb") as file:
                found = claims(file.read(HEAD_BYTES))
            assert found == ([OURS[path.name]] if path.name in OURS else []), path
            asked += 1
    assert asked > 300


@pytest.mark.parametrize("report", [SYNOP, METAR], ids=["synop", "metar"])
@pytest.mark.parametrize(
    "quote",
    [
        "<?xml version='1.0'?>\n<alert xmlns='urn:oasis:cap:1.2'><info><description>\n{}</description>",
        '{{"text":\n"{}"}}', "# A page\n\n{}", "2026-07-01 06:00:00 INFO {}", "2026-07-01 06:00:00,123 INFO\n{}",
        'import re\n\nA = """\n{}"""', "def f():\n    x = 1\n{}", 'id,text\n1,"{}"', "Dear all,\n{}", '"a","b"\n{}',
    ],
)  # fmt: skip
def test_nobody_claims_a_quoted_report(quote: str, report: str) -> None:
    assert claims(quote.format(report).encode()) == []


@pytest.mark.parametrize(
    "header",
    [
        "station_id,lat,lon,elev", "Station_Id_C,Station_Name,Lat,Lon,Alti", "StationId\tLatitude\tLongitude",
        "站号,站名,纬度,经度", "id,name,region,lat,lon,elev,icao", "区站号,站名,经度,纬度,观测场海拔高度",
        "Location,Area,Lat,Long,Elevation,ID,4 Letter ID,LDM ID,Node,Logger ID,SHEF ID",
    ],
)  # fmt: skip
def test_lists_are_claimed(header: str) -> None:
    assert claims(f"{header}\n57516,x,29.5,106.5\n".encode()) == ["station-list"]
    with pytest.raises(ReadError) as caught:
        lists.read_list(header.encode(), "a.csv")
    assert caught.value.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    "header",
    [
        "station_id,lat,lon,obs_time,wind_gust", "id,lat,lon,peak_current", "id,lat,lon,valid", "id,lat,lon,gustSpeed",
        "eventId,lat,lon,magnitude", "stationId,lat,lon,obsTime", "id,lat,lon,beginDate", "name,lat,lon,population",
        "lat,lon,elevation", "id,lat,lon,WIN_S_Max", "站号,纬度,经度,风速", "<id,lat,lon,name",
    ],
)  # fmt: skip
def test_tables_of_reports_and_places_are_no_lists(header: str) -> None:
    assert claims(f"{header}\nA8290,29.5,106.5,28\n".encode()) == []


def test_what_is_parsed_at_length_is_parsed_in_a_child() -> None:
    in_child = {form.name for form in FORMATS if form.in_child}
    texts = {
        "ftm-regional",
        "ftm-national",
        "wtm-5min",
        "synop-text",
        "metar-text",
        "micaps-1",
        "micaps-4",
        "music-csv",
    }
    assert texts <= in_child


def test_one_rule_for_codes() -> None:
    codes = np.array([9999, -9999, 99999, 32744, 32766, 32767, 999017, 999999, 990000, -999999.0])
    assert is_missing(codes).all()
    assert not is_missing(np.array([999.9, 0, 9998, 9999.5, 32765, 101325, 989999, np.nan])).any()


def test_one_rule_for_letters() -> None:
    ids = ["658290", "909999", "649999", "919999", "57516", "A8290", "65829x", "６５8290"]
    assert [with_letter(one) for one in ids] == ["A8290", "Z9999", *ids[2:]]


def test_one_rule_for_sixties() -> None:
    np.testing.assert_allclose(
        sexagesimal(np.array([360302.0, -360302, 1142339, 6000, 60, np.nan]), seconds=True),
        [36.0505556, -36.0505556, 114.3941667, np.nan, np.nan, np.nan], rtol=1e-7,
    )  # fmt: skip
    np.testing.assert_allclose(
        sexagesimal(np.array([2932.0, -2932, 11854, 60]), seconds=False), [29.533333, -29.533333, 118.9, np.nan], 1e-6
    )


def test_one_rule_for_clocks_of_gusts() -> None:
    time = np.full(7, np.datetime64("2026-07-01T00:10:30", "ns"))
    clocks = np.array([10, 11, 15, 16, 1430, 1380, np.nan])
    found, remarks = gust_times(time, nearest(time, clocks), np.array([True] * 7))
    assert found.astype("datetime64[s]").astype(str).tolist() == [
        "2026-07-01T00:10:00", "2026-07-01T00:10:30", "2026-07-01T00:10:30", "NaT", "2026-06-30T23:50:00", "NaT", "NaT",
    ]  # fmt: skip
    assert remarks == ("2 gusts with a clock that is not of the hour before their report: is it UTC?",)
