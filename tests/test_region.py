import csv
import json
import re
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import RegionError, TimeError
from wxcore.grid import MRMS_LEVELS_M
from wxcore.region import STATION_META, Region, list_regions, load_region
from wxcore.region.outlines import cnmaps_folder, gcj02_to_wgs84, wgs84_to_gcj02
from wxcore.region.rules import merged

NOW = datetime(2026, 7, 1, tzinfo=UTC)
BEFORE = datetime(2025, 6, 9, tzinfo=UTC)
CENTRES_GCJ02 = {  # DOMAIN.md 6.4
    "500101": (108.4086, 30.8076), "500103": (106.5690, 29.5526), "500107": (106.5105, 29.5023),
    "500157": (106.5660, 29.6427), "500229": (108.6643, 31.9473),
    "500241": (109.0071, 28.4482), "500153": (105.6118, 29.4169),
}  # fmt: skip
COUNTS = {"chongqing": 37, "jianghuai": 245, "guizhou": 88, "guangdong": 70}


@pytest.fixture(scope="module")
def chongqing() -> Region:
    return load_region("chongqing")


class TestChongqing:
    def test_grid(self, chongqing: Region) -> None:
        assert chongqing.grid.shape == (521, 601)
        assert chongqing.grid.bounds == pytest.approx((104.795, 27.595, 110.805, 32.805))
        assert chongqing.grid.levels_m == MRMS_LEVELS_M

    def test_37_districts_now_and_38_before(self, chongqing: Region) -> None:
        now = {district.adcode for district in chongqing.districts_at(NOW)}
        before = {district.adcode for district in chongqing.districts_at(BEFORE)}
        assert (len(now), len(before)) == (37, 38)
        assert before - now == {"500105", "500112"}
        assert now - before == {"500157"}

    def test_the_change_happens_at_midnight_in_beijing(self, chongqing: Region) -> None:
        assert len(chongqing.districts_at(datetime(2025, 11, 5, 15, 59, tzinfo=UTC))) == 38
        assert len(chongqing.districts_at(datetime(2025, 11, 5, 16, 0, tzinfo=UTC))) == 37

    def test_liangjiang_is_the_union_of_what_it_replaced(self, chongqing: Region) -> None:
        by_code = {district.adcode: district.polygon for district in chongqing.districts}
        union = by_code["500105"].union(by_code["500112"])
        assert by_code["500157"].symmetric_difference(union).area < 1e-9
        assert by_code["500157"].area == pytest.approx(by_code["500105"].area + by_code["500112"].area)

    def test_every_centre_lies_in_its_district_and_in_no_other(self, chongqing: Region) -> None:
        for districts in (chongqing.districts_at(NOW), chongqing.districts_at(BEFORE)):
            for place in districts:
                point = shapely.Point(place.lon, place.lat)
                assert [d.adcode for d in districts if d.polygon.contains(point)] == [place.adcode]
                assert chongqing.grid.contains(place.lon, place.lat)

    def test_centres_are_those_of_the_brief_moved_to_wgs84(self, chongqing: Region) -> None:
        rows = {district.adcode: district for district in chongqing.districts}
        for adcode, centre in CENTRES_GCJ02.items():
            lon, lat = wgs84_to_gcj02(np.array([rows[adcode].lon]), np.array([rows[adcode].lat]))
            assert (lon[0], lat[0]) == pytest.approx(centre, abs=1e-4)

    def test_districts_tile(self, chongqing: Region) -> None:
        polygons = [district.polygon for district in chongqing.districts_at(NOW)]
        total = shapely.union_all(polygons)
        assert sum(polygon.area for polygon in polygons) - total.area < 1e-9
        # 82,400 km2 is the city's official area; a degree squared at 30N is 111.2^2 cos 30 deg km2
        assert total.area * 111.2**2 * np.cos(np.deg2rad(30)) == pytest.approx(82_400, rel=0.01)

    def test_simplification_moves_borders_by_less_than_a_cell(self, chongqing: Region) -> None:
        (wuxi,) = (district for district in chongqing.districts if district.adcode == "500238")
        raw = shapely.from_geojson((cnmaps_folder() / "500238.geojson").read_text(encoding="utf-8"))
        assert shapely.get_num_coordinates(wuxi.polygon) < shapely.get_num_coordinates(raw) / 2
        moved = shapely.transform(raw, lambda p: np.column_stack(gcj02_to_wgs84(p[:, 0], p[:, 1])))
        assert wuxi.polygon.symmetric_difference(moved).area < 0.005 * moved.area
        assert wuxi.polygon.hausdorff_distance(moved) < 0.01

    def test_14_radars_at_any_time(self, chongqing: Region) -> None:
        for when in (BEFORE, NOW, datetime(2012, 1, 1, tzinfo=UTC)):
            radars = chongqing.radars_at(when)
            assert len({radar.id for radar in radars}) == len(radars) == 14
        owners = [radar.owner for radar in chongqing.radars_at(NOW)]
        assert (owners.count("own"), owners.count("shared")) == (4, 10)
        assert all(radar.source for radar in chongqing.radars)

    def test_a_radar_as_it_was(self, chongqing: Region) -> None:
        old = chongqing.radar("Z9852", datetime(2015, 1, 1, tzinfo=UTC))
        new = chongqing.radar("Z9852", NOW)
        assert old is not None
        assert new is not None
        assert (old.type, new.type, new.band) == ("CD", "CDD", "C")
        assert chongqing.radar("Z9999", NOW) is None
        assert chongqing.radar("Z9230", datetime(1980, 1, 1, tzinfo=UTC)) is None

    def test_seven_satellites_and_two_registered(self, chongqing: Region) -> None:
        assert {row.id for row in chongqing.satellites_at(NOW)} == {
            "FY-2H", "FY-4A", "FY-4B", "FY-3D", "FY-3E", "FY-3F", "FY-3G",
        }  # fmt: skip
        assert {row.id for row in chongqing.satellites if not row.enabled} == {"FY-4C", "FY-3H"}

    def test_satellites_moved_in_march_2024(self, chongqing: Region) -> None:
        def longitudes(when: datetime) -> dict[str, float]:
            return {row.id: row.sub_longitude for row in chongqing.satellites_at(when)}

        assert longitudes(datetime(2024, 3, 1, tzinfo=UTC))["FY-4A"] == 104.7
        assert longitudes(NOW)["FY-4A"] == 86.5
        assert longitudes(NOW)["FY-4B"] == 105.0
        assert np.isnan(longitudes(NOW)["FY-3D"])

    def test_monthly_levels_are_placeholders_and_say_so(self, chongqing: Region) -> None:
        assert [(row.h0_m, row.hm20_m) for row in chongqing.levels[5:7]] == [(5200, 8400), (5500, 8800)]
        assert all(row.placeholder for row in chongqing.levels)
        assert chongqing.month_levels(datetime(2026, 6, 30, 16, tzinfo=UTC)).month == 7, "July began in Beijing"

    def test_issuer(self, chongqing: Region) -> None:
        assert chongqing.issuer.name_zh == "重庆市气象台"
        assert chongqing.issuer.adcode == "500000"
        assert chongqing.issuer.sender.endswith(".example"), "a domain that cannot exist"

    def test_naive_times_are_refused(self, chongqing: Region) -> None:
        for ask in (chongqing.districts_at, chongqing.radars_at, chongqing.month_levels, chongqing.satellites_at):
            with pytest.raises(TimeError):
                ask(datetime(2026, 7, 1))  # noqa: DTZ001


class TestEveryRegion:
    @pytest.mark.parametrize("region_id", list_regions())
    def test_loads_and_is_consistent(self, region_id: str) -> None:
        region = load_region(region_id)
        assert region.id == region_id
        assert region.radars_at(NOW)
        assert [row.month for row in region.levels] == list(range(1, 13))
        assert len(region.districts_at(NOW)) == COUNTS.get(region_id, 0)
        assert all(district.polygon.is_valid for district in region.districts)
        assert region.rules["hazards"], "rules of the national signals reach every region"
        assert "extends" not in region.rules

    def test_the_needed_ones_are_there(self) -> None:
        assert {"chongqing", "jianghuai", "guizhou", "oklahoma", "canberra"} <= set(list_regions())

    @pytest.mark.parametrize(
        ("region_id", "radar_id", "lat", "lon"),
        [
            ("jianghuai", "Z9517", 33.2432, 118.8262),
            ("jianghuai", "Z9523", 32.5578, 119.9941),
            ("guizhou", "Z9852", 27.683, 106.913),
            ("oklahoma", "KTLX", 35.3331, -97.2778),
            ("canberra", "AU40", -35.661, 149.512),
        ],
    )
    def test_positions(self, region_id: str, radar_id: str, lat: float, lon: float) -> None:
        region = load_region(region_id)
        site = region.radar(radar_id, datetime(2020, 6, 12, tzinfo=UTC))
        assert site is not None
        assert (site.lat, site.lon) == pytest.approx((lat, lon), abs=5e-4)
        west, south, east, north = region.grid.bounds
        if region_id != "guizhou":  # a volume radar's 230 km fit on the grid (Guizhou gets a ready mosaic)
            degrees = 230 / 111.2
            assert south <= lat - degrees <= lat + degrees <= north
            assert west <= lon - degrees / np.cos(np.deg2rad(lat)) <= lon + degrees / np.cos(np.deg2rad(lat)) <= east

    def test_a_region_without_districts_has_none(self) -> None:
        assert load_region("oklahoma").districts == ()

    @pytest.mark.parametrize(("lon", "lat", "name"), [(119.40, 32.78, "高邮市"), (118.83, 33.24, "洪泽区")])
    def test_the_hail_of_2020_falls_in_the_right_county(self, lon: float, lat: float, name: str) -> None:
        districts = load_region("jianghuai").districts_at(datetime(2020, 6, 12, tzinfo=UTC))
        assert [d.name_zh for d in districts if d.polygon.contains(shapely.Point(lon, lat))] == [name]


class TestGcj02:
    @settings(max_examples=200, deadline=None)
    @given(st.floats(75, 134), st.floats(19, 53))
    def test_inverse_converges(self, lon: float, lat: float) -> None:
        there = wgs84_to_gcj02(np.array([lon]), np.array([lat]))
        back = gcj02_to_wgs84(*there)
        assert (back[0][0], back[1][0]) == pytest.approx((lon, lat), abs=1e-9)

    def test_shift_at_chongqing(self) -> None:
        lon, lat = wgs84_to_gcj02(np.array([106.55]), np.array([29.56]))
        east_m = (lon[0] - 106.55) * 111_200 * np.cos(np.deg2rad(29.56))
        north_m = (lat[0] - 29.56) * 111_200
        assert 300 < np.hypot(east_m, north_m) < 600

    def test_known_pair(self) -> None:
        # A pair found in the documentation of several public converters (Beijing).
        lon, lat = wgs84_to_gcj02(np.array([116.404]), np.array([39.915]))
        assert (lon[0], lat[0]) == pytest.approx((116.41024449916938, 39.91640428150164), abs=1e-7)


SQUARE = [[[10, 50], [11, 50], [11, 51], [10, 51], [10, 50]]]
BOW_TIE = [[[11, 50], [12, 51], [12, 50], [11, 51], [11, 50]]]


def write_csv(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def new_region(root: Path, name: str = "thuringia") -> Path:
    """A small region of one radar and one district, as a user would write it."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "region.toml").write_text(
        f'id = "{name}"\nname_zh = "图林根"\nname_en = "Thuringia"\ntimezone = "Europe/Berlin"\nrules = "none"\n'
        "[grid]\nlon_west = 9.5\nlat_south = 49.5\nn_lon = 301\nn_lat = 301\nstep_deg = 0.01\n"
        "levels = [500, 1000, 2000]\n"
        '[boundaries]\nsource = "geojson"\nfile = "map.geojson"\ndatum = "wgs84"\n'
        '[issuer]\nname_zh = "台"\nname_en = "Office"\nsender = "a@b.example"\nadcode = "16"\n',
        encoding="utf-8",
    )
    write_csv(
        folder / "radars.csv",
        "id,name_zh,name_en,lat,lon,antenna_m,type,band,owner,valid_from,valid_to,source\n"
        "DENHB,诺伊豪斯,Neuhaus,50.5,11.1,879,,C,own,2015-01-01,,own survey\n",
    )
    write_csv(folder / "satellites.csv", "id,orbit,sub_longitude,instruments,enabled,valid_from,valid_to,source\n")
    write_csv(
        folder / "levels.csv",
        "month,h0_m,hm20_m,source,placeholder\n" + "".join(f"{m},2000,5000,guess,true\n" for m in range(1, 13)),
    )
    write_csv(
        folder / "districts.csv",
        "adcode,name_zh,name_en,lat,lon,outline,valid_from,valid_to\n16051,爱尔福特,Erfurt,50.5,10.5,16051,2000-01-01,\n",
    )
    write_map(folder, SQUARE)
    return folder


def write_map(folder: Path, rings: list[Any]) -> None:
    feature = {
        "type": "Feature", "properties": {"adcode": 16051}, "geometry": {"type": "Polygon", "coordinates": rings},
    }  # fmt: skip
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    (folder / "map.geojson").write_text(text, encoding="utf-8")


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def faults_of(root: Path, name: str = "thuringia") -> list[str]:
    with pytest.raises(RegionError) as caught:
        load_region(name, root=root)
    assert len(caught.value.zh.splitlines()) == len(caught.value.en.splitlines())
    return caught.value.en.splitlines()[1:]


class TestAnewRegion:
    def test_needs_no_code(self, tmp_path: Path) -> None:
        new_region(tmp_path)
        assert list_regions(tmp_path) == ["thuringia"]
        region = load_region("thuringia", root=tmp_path)
        assert region.grid.levels_m == (500, 1000, 2000)
        assert region.districts[0].polygon.bounds == (10, 50, 11, 51)
        assert region.radars[0].valid_from == date(2015, 1, 1)
        assert (region.rules, region.timezone) == ({}, "Europe/Berlin")
        assert region.satellites == ()

    def test_a_table_from_a_spreadsheet(self, tmp_path: Path) -> None:
        path = new_region(tmp_path) / "radars.csv"
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        turned = "".join(",".join(reversed([*row, "remark"])) + "\r\n" for row in rows)
        path.write_text("\ufeff" + turned, encoding="utf-8")
        assert load_region("thuringia", root=tmp_path).radars[0].name_zh == "诺伊豪斯"

    def test_gcj02_outlines_are_moved(self, tmp_path: Path) -> None:
        folder = new_region(tmp_path)
        change(folder / "region.toml", 'datum = "wgs84"', 'datum = "gcj02"')
        west = load_region("thuringia", root=tmp_path).districts[0].polygon.bounds[0]
        assert 1e-4 < abs(west - 10) < 0.1

    def test_own_rules_over_the_national_ones(self, tmp_path: Path) -> None:
        folder = new_region(tmp_path)
        change(folder / "region.toml", 'rules = "none"\n', "")
        (folder / "rules.toml").write_text('extends = "national"\n[drafting]\nhorizon_min = 45\n', encoding="utf-8")
        drafting = load_region("thuringia", root=tmp_path).rules["drafting"]
        national = load_region("chongqing").rules["drafting"]
        assert drafting == {**national, "horizon_min": 45}


class TestBadFolders:
    def test_unknown_region_names_the_known(self, tmp_path: Path) -> None:
        with pytest.raises(RegionError, match=r"no region 'chonqing'.*chongqing.*station_meta/README.md") as caught:
            load_region("chonqing")
        assert "已有" in caught.value.zh
        with pytest.raises(RegionError, match="known are none"):
            load_region("x", root=tmp_path)
        with pytest.raises(RegionError, match=r"no region '\.\./secrets'"):
            load_region("../secrets")

    def test_all_faults_at_once_with_file_row_and_field(self, tmp_path: Path) -> None:
        folder = new_region(tmp_path)
        change(folder / "region.toml", "Europe/Berlin", "Europe/Weimar")
        change(folder / "region.toml", "n_lat = 301", "n_lat = 0.5")
        change(folder / "region.toml", 'sender = "a@b.example"\n', "")
        change(folder / "region.toml", 'id = "thuringia"', 'id = "saxony"')
        change(folder / "radars.csv", "50.5,11.1,879,,C", "hello,11.1,879,,K")
        change(folder / "levels.csv", "7,2000,5000", "7,5000,2000")
        change(folder / "districts.csv", "16051,2000-01-01,", "16051+16052,2000-01-01,")
        faults = faults_of(tmp_path)
        for expected in (
            "region.toml, id: found 'saxony', expected one of thuringia",
            "region.toml, timezone: found 'Europe/Weimar'",
            "region.toml, [grid], n_lat: found 0.5, expected a whole number from 2 to 20000",
            "region.toml, [issuer], sender: found nothing, expected text",
            "radars.csv, row 2, lat: found 'hello', expected a number from -90 to 90",
            "radars.csv, row 2, band: found 'K', expected one of S | C | X",
            "levels.csv, row 8, hm20_m: found 2000, not above h0_m 5000",
            "districts.csv, row 2, outline: found 16052, expected a code that the source",
        ):
            assert any(expected in fault for fault in faults), expected
        assert len(faults) == 8

    @pytest.mark.parametrize("name", ["radars.csv", "satellites.csv", "levels.csv", "districts.csv", "map.geojson"])
    def test_a_missing_file(self, tmp_path: Path, name: str) -> None:
        (new_region(tmp_path) / name).unlink()
        assert any(fault.startswith(f"- {name}") for fault in faults_of(tmp_path))

    def test_missing_rules_unless_none_is_said(self, tmp_path: Path) -> None:
        change(new_region(tmp_path) / "region.toml", 'rules = "none"\n', "")
        assert faults_of(tmp_path) == ["- rules.toml: found FileNotFoundError, expected a TOML file"]

    @pytest.mark.parametrize("text", ['extends = "martian"', 'extends = "../x"', "extends = 3"])
    def test_rules_that_extend_nothing(self, tmp_path: Path, text: str) -> None:
        folder = new_region(tmp_path)
        change(folder / "region.toml", 'rules = "none"\n', "")
        (folder / "rules.toml").write_text(text, encoding="utf-8")
        assert len(faults_of(tmp_path)) == 1

    def test_rules_that_extend_themselves(self, tmp_path: Path) -> None:
        folder = new_region(tmp_path)
        change(folder / "region.toml", 'rules = "none"\n', "")
        (tmp_path / "rules").mkdir()
        for path in (folder / "rules.toml", tmp_path / "rules" / "round.toml"):
            path.write_text('extends = "round"', encoding="utf-8")
        assert "leads back to itself" in faults_of(tmp_path)[0]

    def test_two_rows_at_one_time(self, tmp_path: Path) -> None:
        path = new_region(tmp_path) / "districts.csv"
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "16051,又,Again,50.5,10.5,16051,2010-01-01,\n", encoding="utf-8")
        expected = "- districts.csv, row 3, valid_from: found 16051 of row 2 still valid on 2010-01-01"
        assert faults_of(tmp_path)[0].startswith(expected)
        change(path, "16051,2000-01-01,", "16051,2000-01-01,2010-01-01")
        assert len(load_region("thuringia", root=tmp_path).districts) == 2

    def test_an_end_before_the_beginning(self, tmp_path: Path) -> None:
        change(new_region(tmp_path) / "radars.csv", "2015-01-01,", "2015-01-01,2014-01-01")
        assert "radars.csv, row 2, valid_to: found 2014-01-01" in faults_of(tmp_path)[0]

    def test_a_month_is_missing_or_twice(self, tmp_path: Path) -> None:
        change(new_region(tmp_path) / "levels.csv", "\n12,", "\n11,")
        assert "levels.csv, month" in faults_of(tmp_path)[0]

    def test_a_column_is_missing(self, tmp_path: Path) -> None:
        change(new_region(tmp_path) / "radars.csv", "antenna_m", "height")
        assert "radars.csv, row 1, antenna_m: found no such column" in faults_of(tmp_path)[0]

    def test_a_radar_with_lat_and_lon_exchanged(self, tmp_path: Path) -> None:
        change(new_region(tmp_path) / "radars.csv", "50.5,11.1", "11.1,50.5")
        assert "radars.csv, row 2, lat, lon: found 11.1, 50.5, expected a place within 460 km" in faults_of(tmp_path)[0]

    def test_a_polygon_that_crosses_itself(self, tmp_path: Path) -> None:
        write_map(new_region(tmp_path), BOW_TIE)
        assert "districts.csv, row 2, outline: found Polygon, Self-intersection" in faults_of(tmp_path)[0]

    @pytest.mark.parametrize("text", ["", "[]", '{"features": [1]}', '{"features": [{"properties": {}}]}'])
    def test_a_map_that_is_none(self, tmp_path: Path, text: str) -> None:
        (new_region(tmp_path) / "map.geojson").write_text(text, encoding="utf-8")
        assert any("not a GeoJSON FeatureCollection" in fault for fault in faults_of(tmp_path))

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"id = ", b""])
    def test_region_toml_that_is_none(self, tmp_path: Path, content: bytes) -> None:
        (new_region(tmp_path) / "region.toml").write_bytes(content)
        assert faults_of(tmp_path)

    def test_a_table_that_is_not_utf8(self, tmp_path: Path) -> None:
        path = new_region(tmp_path) / "radars.csv"
        path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))
        assert "expected CSV in UTF-8" in faults_of(tmp_path)[0]

    @pytest.mark.parametrize("levels", ['"cma"', "[500]", "[1000, 500]", '["a", "b"]', "[0, 99000]", "3", "true"])
    def test_levels_that_are_none(self, tmp_path: Path, levels: str) -> None:
        change(new_region(tmp_path) / "region.toml", "[500, 1000, 2000]", levels)
        assert "[grid], levels" in faults_of(tmp_path)[0]

    def test_a_grid_beyond_the_pole(self, tmp_path: Path) -> None:
        change(new_region(tmp_path) / "region.toml", "lat_south = 49.5", "lat_south = 89.5")
        assert "expected a grid on the globe" in faults_of(tmp_path)[0]


TOWNS_HEADER = "adcode,name_zh,name_en,lat,lon,district,valid_from,valid_to,source\n"


class TestTowns:
    def test_none_without_the_file(self, tmp_path: Path, chongqing: Region) -> None:
        new_region(tmp_path)
        assert load_region("thuringia", root=tmp_path).towns == ()
        assert chongqing.towns_at(NOW) == ()

    def test_towns_of_a_day(self, tmp_path: Path) -> None:
        folder = new_region(tmp_path)
        change(folder / "districts.csv", "16051,爱尔福特,Erfurt,50.5,10.5,16051", "160510,爱,Erfurt,50.5,10.5,16051")
        rows = (
            "160510001,甲镇,,50.4,10.4,160510,2000-01-01,2026-01-01,list\n"
            "160510001,甲街道,Jia,50.4,10.4,160510,2026-01-01,,list\n160510002000,乙镇,Yi,50.6,10.6,160510,2000-01-01,,list\n"
        )
        write_csv(folder / "towns.csv", TOWNS_HEADER + rows)
        region = load_region("thuringia", root=tmp_path)
        assert [town.name_zh for town in region.towns_at(BEFORE)] == ["甲镇", "乙镇"]
        assert [(town.adcode, town.name_zh) for town in region.towns_at(NOW)] == [
            ("160510001", "甲街道"), ("160510002000", "乙镇"),
        ]  # fmt: skip
        assert region.towns_at(NOW)[1].district == "160510"

    def test_faults_with_file_row_and_field(self, tmp_path: Path) -> None:
        rows = (
            "1605,甲镇,,50.4,10.4,160510,2000-01-01,,list\n160510002,,,50.4,10.4,160510,2000-01-01,,list\n"
            "160510003,丙镇,,10.4,50.4,999999,2000-01-01,,list\n160510004,丁镇,,50.4,10.4,1605,2000-01-01,,\n"
            "160510003,戊镇,,50.4,10.4,999999,2010-01-01,,list\n"
        )
        write_csv(new_region(tmp_path) / "towns.csv", TOWNS_HEADER + rows)
        faults = faults_of(tmp_path)
        for expected in (
            "towns.csv, row 2, adcode: found '1605', expected a code of 9 or 12 digits",
            "towns.csv, row 3, name_zh",
            "towns.csv, row 4, district: found 999999, expected a code that districts.csv holds",
            "towns.csv, row 4, lat, lon: found 10.4, 50.4",
            "towns.csv, row 5, district: found '1605', expected a code of 6 digits",
            "towns.csv, row 5, source",
            "towns.csv, row 6, district",
            "towns.csv, row 6, valid_from",
        ):
            assert any(expected in fault for fault in faults), expected
        assert len(faults) == 8


def test_merging_leaves_its_arguments_alone() -> None:
    base, over = {"a": {"x": 1, "y": [1, 2]}, "b": 2}, {"a": {"y": [3]}, "c": {"z": 0}}
    assert merged(base, over) == {"a": {"x": 1, "y": [3]}, "b": 2, "c": {"z": 0}}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": 2}


def test_the_readme_tells_every_region_and_column() -> None:
    readme = (STATION_META / "README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([\w.]+)`", readme))
    assert set(list_regions()) <= told
    for path in STATION_META.glob("chongqing/*.csv"):
        assert set(path.read_text(encoding="utf-8").splitlines()[0].split(",")) <= told, path.name


def test_results_do_not_depend_on_the_local_clock(monkeypatch: pytest.MonkeyPatch, chongqing: Region) -> None:
    edge = datetime(2025, 11, 5, 16, 0, tzinfo=UTC)
    try:
        for zone in ("UTC", "Asia/Shanghai", "America/St_Johns"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert len(chongqing.districts_at(edge)) == 37
    finally:
        monkeypatch.undo()
        time.tzset()
