"""Lists of stations to stations.csv: headers, units and notations of many houses; merging; the commands."""

import json
import math
import os
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import Point
from typer.testing import CliRunner

from wxcore.cli import stations as commands
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.region import Region, Station, load_region
from wxcore.region.terrain import Terrain, load_terrain
from wxcore.station import table_rows
from wxcore.station.reports import Reports
from wxcore.station.table import elev_classes, import_stations, merge_stations
from wxcore.station.table_rows import angles, read_list, station_id

DAY = date(2024, 5, 1)
REAL = Path(os.environ.get("WXCORE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "stations"


@cache
def chongqing() -> Region:
    return load_region("chongqing")


def bring(tmp_path: Path, text: str, encoding: str = "utf-8", **more: Any) -> Any:
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(encoding))
    return import_stations(path, chongqing(), valid_from=DAY, **more)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize(
    "text",
    [
        "站名,区站号,经度,纬度,海拔\n沙坪坝,57516,106.4667,29.5833,259.1\n",
        "Station_Id_C\tStation_Name\tLat\tLon\tAlti\n57516\t沙坪坝\t29.5833\t106.4667\t259.1\n",
        "站 号；纬度".replace("；", ";") + "(度);经度（度）;站名;海拔高度(米)\n57516;29.5833;106.4667;沙坪坝;259.1\n",
        "区站号,站名,纬度,经度,海拔\n57516,沙坪坝,2935,10628,259.1m\n",
        "区站号,站名,纬度,经度,海拔\n57516,沙坪坝,293500,1062800,259.1\n",
        "区站号,站名,纬度,经度,海拔\n57516,沙坪坝,29.5833N,106.4667E,850.07 ft.\n",
    ],
)
def test_one_station_many_spellings(text: str, encoding: str, tmp_path: Path) -> None:
    row = bring(tmp_path, text, encoding).rows[0]
    assert (row.id, row.name_zh, row.level, row.valid_from) == ("57516", "沙坪坝", "national", DAY)
    assert row.lat == pytest.approx(29.58333, abs=1e-4)
    assert row.lon == pytest.approx(106.46667, abs=1e-4)
    assert row.elevation_m == pytest.approx(259.1)
    inside = [item.adcode for item in chongqing().districts if item.polygon.contains(Point(row.lon, row.lat))]
    assert row.adcode in inside
    assert math.isnan(row.barometer_m)


def test_ids() -> None:
    assert [station_id(raw) for raw in ("a8290", "658290", "4018", " 57516 ", "990001")] == [
        "A8290", "A8290", "04018", "57516", "990001",
    ]  # fmt: skip


def test_angles() -> None:
    assert angles(["29.5", "-1.25", "95", "", "x"], 90)[:2] == [29.5, -1.25]
    assert all(map(math.isnan, angles(["29.5", "-1.25", "95", "", "x"], 90)[2:]))
    minutes = angles(["2930", "2975", "999999"], 90)
    assert minutes[0] == 29.5
    assert all(map(math.isnan, minutes[1:]))
    assert angles(["1062815"], 360) == [pytest.approx(106 + 28 / 60 + 15 / 3600)]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    text = "id,lat,lon,elev\n57516,29.58,106.47,\n57516,29.6,106.5,1\n!,29,106,1\n57517,,106,1\n54511,39.9,116.4,31\n"
    found = bring(tmp_path, text + "57518,29.5,106.5,999999\n")
    assert [row.id for row in found.rows] == ["57516", "57518"]
    assert found.rows[0].lat == 29.58
    assert all(math.isnan(row.elevation_m) and row.elev_class == "" for row in found.rows)
    counts = {en.split()[0]: count for (en, _), count in found.left_out.items()}
    assert counts == {"no": 1, "id": 1, "outside": 1}
    assert sum(found.left_out.values()) == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY), ("a,b,c\n1,2,3\n", Reason.BAD_HEADER), ("\x00\x01", Reason.BAD_HEADER),
        ("id,lat,lon\n54511,39.9,116.4\n", Reason.OUTSIDE_REGION), ("id,lat,lon\n", Reason.OUTSIDE_REGION),
        ("diamond 3 x\n", None),
    ],
)  # fmt: skip
def test_no_list(text: str, reason: Reason | None, tmp_path: Path) -> None:
    with pytest.raises(ReadError) as caught:
        bring(tmp_path, text)
    assert reason is None or caught.value.reason is reason


def test_named_columns_and_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "编码,北纬,东经\nA8290,29.58,106.47\n"
    assert bring(tmp_path, text, columns={"id": "编码", "lat": "北纬", "lon": "东经"}).rows[0].id == "A8290"
    monkeypatch.setattr(table_rows, "MAX_BYTES", 10)
    with pytest.raises(LimitError):
        bring(tmp_path, text)
    with pytest.raises(ReadError, match="cannot be read"):
        import_stations(tmp_path / "absent.csv", chongqing(), valid_from=DAY)


@pytest.mark.parametrize(
    ("header", "cell", "metres"),
    [
        ("Elevation (feet)", "1000", 304.8), ("elev_ft", "1000", 304.8), ("Elevation ft", "1000", 304.8),
        ("海拔(英尺)", "1000", 304.8), ("海拔高度(0.1米)", "2591", 259.1), ("海拔高度(0.1m)", "2591", 259.1),
        ("海拔高度（单位：0.1 米）", "2591", 259.1), ("海拔0.1米", "2591", 259.1), ("海拔高度(m)", "259.1", 259.1),
        ("Elevation (m a.s.l.)", "259.1", 259.1),
        ("海拔米", "259.1", 259.1), ("高度[m]", "259.1", 259.1), ("height_m", "259.1", 259.1), ("Alti", "259.1", 259.1),
        ("Elevation (feet)", "3333 ft.", 1015.9), ("Elevation (feet)", "259.1 m", 259.1), ("elev", "3333 ft.", 1015.9),
        ("海拔(0.1m)", "9999", math.nan), ("海拔(0.1m)", "99999", math.nan), ("elev (ft)", "9999", math.nan),
        ("elev (ft)", "29000", 8839.2), ("barometer (feet)", "1000", math.nan),
    ],
)  # fmt: skip
def test_units_of_heights_in_headers(header: str, cell: str, metres: float) -> None:
    rows, _ = read_list(f"id,lat,lon,{header}\n57516,29.58,106.47,{cell}\n".encode(), "x.csv", {})
    assert rows[0].elevation == pytest.approx(metres, nan_ok=True)
    if header.startswith("barometer"):
        assert rows[0].barometer == pytest.approx(304.8)


@pytest.mark.parametrize("header", ["elev_km", "Elevation (km)", "海拔(厘米)", "海拔高度(拔海)", "气压表海拔高度(hPa)"])
def test_other_units_are_refused_with_the_header(header: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_list(f"id,lat,lon,{header}\n57516,29.58,106.47,2\n".encode(), "x.csv", {})
    assert caught.value.reason is Reason.BAD_HEADER
    assert header in caught.value.en
    assert header in caught.value.zh


def test_named_column_of_heights_in_feet() -> None:
    text = b"id,lat,lon,top_ft\n57516,29.58,106.47,1000\n"
    assert read_list(text, "x.csv", {"elevation": "top_ft"})[0][0].elevation == 304.8
    assert read_list(text, "x.csv", {"elevation": "top"})[0][0].elevation == 304.8


def test_a_blank_source_is_the_files_name(tmp_path: Path) -> None:
    text = "id,lat,lon\n57516,29.58,106.47\n"
    assert bring(tmp_path, text, source=" \t").rows[0].source == "list.csv"
    assert bring(tmp_path, text, source=" list ").rows[0].source == "list"


def test_classes() -> None:
    nan = math.nan
    heights = np.array([nan, 200, 600, 1600, 900, 400, 1600])
    above = np.array([400, 0, nan, nan, 301, 101, 400])
    assert elev_classes(heights, above) == ["", "plain", "hill", "mountain", "ridge", "hill", "ridge"]


def test_a_ridge_stands_above_its_surroundings(tmp_path: Path) -> None:
    lat, lon = np.arange(28, 31.01, 0.05), np.arange(105, 108.01, 0.05)
    flat = Terrain(np.full((lat.size, lon.size), 300, "f4"), lat, lon, "flat", 0.05)
    text = "id,lat,lon,elev\nA0001,29.5,106.5,310\nA0002,29.5,106.5,650\n"
    assert [row.elev_class for row in bring(tmp_path, text, terrain=flat).rows] == ["plain", "ridge"]


def station(number: str, lat: float = 29.5, **more: Any) -> Station:
    row = Station(number, "甲", "", lat, 106.5, 300.0, math.nan, "plain", "500106", "regional", DAY, None, "one")
    return replace(row, **more)


def test_merging() -> None:
    before = [station("A0001"), station("A0002"), station("A0003"), station("A0009")]
    later = date(2025, 1, 1)
    known = station("A0002", lat=29.508, name_zh="", valid_from=later, source="two")
    new = [station("A0001", lat=29.52, valid_from=later), known, station("A0003", elevation_m=333.0, source="two",
           valid_from=later), station("A0004", valid_from=later)]  # fmt: skip
    merged = merge_stations(before, new)
    assert (merged.added, merged.moved, merged.corrected, merged.unchanged) == (("A0004",), ("A0001",), ("A0003",), 1)
    rows = {(row.id, row.valid_from): row for row in merged.rows}
    assert len(rows) == 6
    assert rows["A0001", DAY].valid_to == later
    assert rows["A0001", later].lat == 29.52
    assert rows["A0002", DAY] is before[1], "0.9 km is no move, and nothing else is known better"
    assert (rows["A0003", DAY].elevation_m, rows["A0003", DAY].source) == (333.0, "two")
    assert rows["A0009", DAY] is before[3], "not in the list: kept"
    again = merge_stations(merged.rows, new)
    assert again.rows == merged.rows
    assert again.unchanged == 4
    assert merge_stations(before, [station("A0001", lat=29.52)]).rows[0].lat == 29.52, "on the same day: corrected"


def test_an_older_list_over_newer_rows_is_told() -> None:
    newer = [station("A0001", valid_from=date(2025, 1, 1)), station("A0002", valid_from=date(2025, 1, 1))]
    older = [station("A0001", elevation_m=333.0), station("A0002"), station("A0003")]
    assert merge_stations(newer, older).older == (("A0001", date(2025, 1, 1)),), "the second says nothing else"
    assert merge_stations(newer, [station("A0001", lat=29.6)]).older == (("A0001", date(2025, 1, 1)),)
    assert merge_stations(older, newer).older == ()


def test_public_lists() -> None:
    if not (REAL / "lists").is_dir():
        pytest.skip(f"no {REAL / 'lists'}")
    terrain = load_terrain()
    found = {
        name: import_stations(REAL / "lists" / name, chongqing(), valid_from=DAY, terrain=terrain)
        for name in ("meteostat_cn.csv", "meteva_sta2411_alt.txt", "meteva_station_1w_plus_1w.txt")
    }  # fmt: skip
    assert [len(item.rows) for item in found.values()] == [52, 194, 826]
    region = replace(chongqing(), stations=found["meteva_sta2411_alt.txt"].rows)
    names = import_stations(REAL / "lists" / "meteva_station_id_pro_county.txt", region, valid_from=DAY)
    assert next(row.name_zh for row in names.rows if row.id == "57516") == "沙坪坝"
    assert merge_stations(region.stations, names.rows).added == ()


def test_west_texas() -> None:
    path = REAL / "wtm" / "WestTexas_stations.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    rows = {row.id: row for row in import_stations(path, load_region("lubbock"), valid_from=DAY).rows}
    assert rows["W0002"].name_en == "5ENE Abernathy"
    assert rows["W0002"].elevation_m == pytest.approx(3333 * 0.3048, abs=0.06)


def test_a_list_of_names() -> None:
    rows, _ = read_list("57516 重庆 沙坪坝\nA8290 重庆\n".encode(), "names.txt", {})
    assert [(row.id, row.name) for row in rows] == [("57516", "沙坪坝"), ("A8290", "重庆")]
    assert all(math.isnan(row.lat) for row in rows)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The commands at a folder of regions of their own; the region's stations are in the file there."""
    monkeypatch.setenv("WXCORE_STATION_META", str(tmp_path))
    monkeypatch.setattr(commands, "region_of", lambda region: replace(chongqing(), stations=(station("A0001"),)))
    (tmp_path / "chongqing").mkdir()
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(commands.stations_app, list(arguments))


def test_import_command(home: Path) -> None:
    source = home / "list.csv"
    source.write_text("id,lat,lon,elev\nA0001,29.6,106.5,300\nA0002,29.6,106.6,300\n", encoding="utf-8")
    target = home / "chongqing" / "stations.csv"
    told = run("import", str(source), "--dry-run", "--json", "--valid-from", "2025-01-01")
    assert told.exit_code == 0, told.output
    assert not target.exists()
    assert run("import", str(source), "--json", "--valid-from", "2025-01-01").exit_code == 0
    report = json.loads(told.stdout)
    assert (report["added"], report["moved"]) == (["A0002"], ["A0001"])
    assert [line.split(",")[0] for line in target.read_text(encoding="utf-8").splitlines()[1:]] == [
        "A0001", "A0001", "A0002",
    ]  # fmt: skip
    assert run("import", str(source), "--lang", "zh").exit_code == 0
    assert run("import", str(source), "--valid-from", "soon").exit_code != 0


def test_list_command(home: Path) -> None:
    told = run("list", "--json")
    assert [row["id"] for row in json.loads(told.stdout)] == ["A0001"]
    assert run("list").exit_code == 0


def test_check_tells_what_is_unknown_and_registers_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    when = np.array(["2025-05-01T00:00"] * 3, "M8[ns]")
    reports = Reports(
        "test", "test", np.array(["A0001", "A0005", "A0001"]), when, np.array([29.6, 29.7, 29.6]),
        np.array([106.5, 106.7, 106.5]), np.array([300, 310, 300], "f4"), {},
        np.full(3, np.datetime64("NaT"), "M8[ns]"),
    )  # fmt: skip

    class Reading:
        native = reports

    monkeypatch.setattr(commands, "read_file", lambda path, name: Reading)
    told = json.loads(run("check", str(home / "x"), "--json").stdout)[0]
    assert (told["stations"], told["unknown"], told["absent"]) == (2, ["A0005"], [])
    assert told["moved"]["A0001"] == pytest.approx(11.1, abs=0.1)
    assert told["lines"] == ["A0005,,,29.7,106.7,310.0,,,,,2025-05-01,,test report"]
    assert run("check", str(home / "x")).stdout.strip() == told["lines"][0]
    assert not (home / "chongqing" / "stations.csv").exists()


def test_check_of_no_report(home: Path) -> None:
    (home / "x.txt").write_text("what", encoding="utf-8")
    assert run("check", str(home / "x.txt")).exit_code == 1
