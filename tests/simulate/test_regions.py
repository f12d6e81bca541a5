"""Every region of station_meta can be simulated: each instrument's first file is made, and read where that is cheap."""

import bz2
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from wxcore.environment.tlogp import read_tlogp
from wxcore.lightning.adtd import read_adtd
from wxcore.lightning.lmi import read_lmi
from wxcore.radar.cinrad import read_standard
from wxcore.radar.legacy import read_legacy
from wxcore.region import Station, list_regions, load_region
from wxcore.simulate.feed import INSTRUMENTS, plan
from wxcore.simulate.planned import Planned, Scale, Setting
from wxcore.simulate.radar_feed import LEGACY_TYPES
from wxcore.simulate.scenarios import build_world
from wxcore.station.ftm import read_ftm

START = datetime(2026, 7, 1, 8, tzinfo=UTC)
TINY = Scale("tiny", ("Z9230",), ("FY-4A",), 3, 6)
STATION = Station(
    "X0001", "模拟", "Synthetic", 0.0, 0.0, 300.0, 301.2, "valley", "", "regional", date(2000, 1, 1), None, "SYN"
)
ABROAD = {"brisbane", "canberra", "denver", "iowa", "lubbock", "oklahoma"}


@cache
def firsts(name: str) -> tuple[Setting, dict[str, Planned]]:
    """The first file of each instrument but the imagers, which test_satellite_feed makes."""
    region = load_region(name)
    world = build_world("pulse", region, START, 0.2, 5)
    west, south, _, _ = region.grid.bounds
    station = replace(STATION, lon=west + 1, lat=south + 1)
    setting = Setting(replace(region, stations=(station,)), world, TINY, START, START + timedelta(minutes=12), 5)
    found: dict[str, Planned] = {}
    for item in reversed(plan(setting, [one for one in INSTRUMENTS if one.name not in ("agri", "vissr", "mersi")])):
        found[item.instrument] = item
    return setting, found


@pytest.mark.parametrize("name", list_regions())
def test_a_file_of_each_instrument_is_made_and_read(name: str, tmp_path: Path) -> None:
    setting, items = firsts(name)
    made = {one.name: one.make(setting, items[one.name]) for one in INSTRUMENTS if one.name in items}
    names = {kind: item.path.rpartition("/")[2] for kind, item in items.items()}
    site = str(items["radar"].key[0])
    assert site in {row.id for row in setting.region.radars_at(START)}
    legacy = {row.id: row.type for row in setting.region.radars_at(START)}[site] in LEGACY_TYPES
    volume = (read_legacy if legacy else read_standard)(bz2.decompress(made["radar"]), names["radar"])
    assert volume.site.id == site
    assert volume.start == items["radar"].start
    strokes = read_adtd(made["adtd"], names["adtd"])
    west, south, east, north = setting.region.grid.bounds
    assert strokes.simulated
    assert ((strokes.lon > west - 2) & (strokes.lon < east + 2)).all()
    assert ((strokes.lat > south - 2) & (strokes.lat < north + 2)).all()
    assert ({"lmi", "ftm"} & set(made) == set()) == (name in ABROAD)
    assert ("sounding" in made) == bool(setting.region.soundings)
    if "lmi" in made:
        path = tmp_path / names["lmi"]
        path.write_bytes(made["lmi"])
        assert read_lmi(path, names["lmi"], None).simulated
    if "ftm" in made:
        reports = read_ftm(made["ftm"], names["ftm"])
        assert {*reports.station} <= {station.id for station in setting.region.stations}
        assert np.isfinite(reports.lat).all()
    if "sounding" in made:
        assert read_tlogp(made["sounding"], names["sounding"]).simulated


@pytest.mark.parametrize("name", list_regions())
def test_images_are_planned_where_a_satellite_sees_the_region(name: str) -> None:
    setting = replace(firsts(name)[0], scale=replace(TINY, satellites=("FY-2H", "FY-4B", "FY-3D")))
    found = {item.instrument for item in plan(setting, INSTRUMENTS)} & {"agri", "vissr", "mersi"}
    assert found <= ({"agri", "vissr", "mersi"} if name not in ABROAD else set())
    assert ("agri" in found) == (name not in ABROAD)
