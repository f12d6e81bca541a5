"""stations.csv of a region: read and checked with every fault at once."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from wxcore.errors import RegionError
from wxcore.region import STATION_META, Station, load_region
from wxcore.region.load import check_stations
from wxcore.region.stations import STATIONS_FILE, near, sounding_places, stations_text

NAN = float("nan")
BASE = Station("A8290", "沙坪坝", "", -35.3, 149.2, 259.1, NAN, "plain", "", "regional", date(2000, 1, 1), None, "test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A region of its own, without stations."""
    shutil.copytree(STATION_META / "rules", tmp_path / "rules")
    shutil.copytree(STATION_META / "canberra", tmp_path / "canberra")
    (tmp_path / "canberra" / STATIONS_FILE).unlink(missing_ok=True)
    return tmp_path


def load(folder: Path, text: str) -> tuple[Station, ...]:
    (folder / "canberra" / STATIONS_FILE).write_text(text, encoding="utf-8")
    return load_region("canberra", root=folder).stations


def test_no_table_no_stations(folder: Path) -> None:
    assert load_region("canberra", root=folder).stations == ()


def test_rows_come_back(folder: Path) -> None:
    moved = replace(BASE, lat=-35.25, elevation_m=NAN, barometer_m=260.5, elev_class="", valid_from=date(2024, 5, 2))
    rows = (replace(BASE, valid_to=date(2024, 5, 2)), moved, replace(BASE, id="57516", name_en='a, "b"'))
    found = load(folder, "\ufeff" + stations_text(rows))
    assert repr(found) == repr(rows), "a NaN equals none"
    region = load_region("canberra", root=folder)
    assert [row.lat for row in region.stations_at(datetime(2024, 5, 1, tzinfo=UTC)) if row.id == "A8290"] == [-35.3]
    assert [row.lat for row in region.stations_at(datetime(2024, 5, 3, tzinfo=UTC)) if row.id == "A8290"] == [-35.25]


def test_every_fault_at_once(folder: Path) -> None:
    good = stations_text([BASE])
    head, line = good.splitlines()
    faulty = [
        head, line.replace("A8290", "a8290"), line.replace("plain", "top"), line.replace("-35.3,149.2", "149.2,-35.3"),
        line.replace("259.1", "99999").replace("A8290", "57001"), line.replace("2000-01-01,", "2000-01-01,1999-01-01"),
        line.replace("-35.3,149.2", "29.5,106.4").replace("A8290", "57002"), line.replace("regional", "city"),
        line, line,
    ]  # fmt: skip
    with pytest.raises(RegionError) as caught:
        load(folder, "\n".join(faulty) + "\n")
    told = caught.value.en
    for words in (
        "row 2, id", "row 3, elev_class", "row 4, lat", "row 5, elevation_m", "row 6, valid_to", "row 7, lat, lon",
        "row 8, level", "row 10, valid_from",
    ):  # fmt: skip
        assert words in told, words
    assert "stations.csv" in caught.value.zh


def test_where_soundings_are_launched(folder: Path) -> None:
    region_file = folder / "canberra" / "region.toml"
    plain = region_file.read_text(encoding="utf-8")
    when = datetime(2024, 5, 1, tzinfo=UTC)
    assert sounding_places(load_region("canberra", root=folder), when) == {}
    region_file.write_text(plain + "\n[soundings]\n94926 = [-35.3, 149.2]\n94767 = [-33.9, 151]\n", encoding="utf-8")
    assert sounding_places(load_region("canberra", root=folder), when) == {
        "94926": (-35.3, 149.2), "94767": (-33.9, 151.0),
    }  # fmt: skip
    load(folder, stations_text([replace(BASE, id="94926", lat=-35.25)]))
    region = load_region("canberra", root=folder)
    assert sounding_places(region, when)["94926"] == (-35.25, 149.2), "the table goes first"
    assert sounding_places(region, datetime(1999, 1, 1, tzinfo=UTC))["94926"] == (-35.3, 149.2)


def test_every_fault_of_soundings(folder: Path) -> None:
    region_file = folder / "canberra" / "region.toml"
    plain = region_file.read_text(encoding="utf-8")
    lines = (
        "94001 = [149.2, -35.3]", "94002 = [-35.3]", "94003 = 35", "'a b' = [-35.3, 149.2]", "94005 = [true, 149.2]",
        "94006 = [nan, 149.2]", "94007 = [-35.3, 'x']",
    )  # fmt: skip
    region_file.write_text(plain + "\n[soundings]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(RegionError) as caught:
        load_region("canberra", root=folder)
    for number in ("94001", "94002", "94003", "a b", "94005", "94006", "94007"):
        assert f"[soundings] {number}" in caught.value.en
        assert f"[soundings] {number}" in caught.value.zh
    region_file.write_text("soundings = 3\n" + plain, encoding="utf-8")
    with pytest.raises(RegionError, match="a section of 57516"):
        load_region("canberra", root=folder)


def test_chongqings_sounding_is_inside_its_grid() -> None:
    region = load_region("chongqing")
    lat, lon = sounding_places(region, datetime(2024, 5, 1, tzinfo=UTC))["57516"]
    assert near(region.grid, np.array([lat]), np.array([lon]), 0).all()


def test_a_text_that_would_not_load(folder: Path) -> None:
    grid = load_region("canberra", root=folder).grid
    check_stations(stations_text([BASE]), grid)
    with pytest.raises(RegionError, match="source") as caught:
        check_stations(stations_text([replace(BASE, source=" "), replace(BASE, id="b")]), grid)
    assert "nothing is written" in caught.value.en
    assert "row 3, id" in caught.value.en
    with pytest.raises(RegionError, match="one row at a time"):
        check_stations(stations_text([BASE, BASE]), grid)


def test_near_across_the_date_line(folder: Path) -> None:
    grid = replace(load_region("canberra", root=folder).grid, lon_west=179.0, n_lon=300, step_deg=0.01)
    inside = near(grid, np.full(4, -35.0), np.array([-179.0, 179.5, 170.0, -170.0]), 0.5)
    assert inside.tolist() == [True, True, False, False]
