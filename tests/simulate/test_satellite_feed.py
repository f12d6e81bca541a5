"""Files of the seven satellites, read back with the product's own readers."""

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import TimeError
from wxcore.pipeline.hdf5_door import format_of, read_hdf5
from wxcore.region import Region, load_region
from wxcore.satellite.geometry import Swath, apparent, viewpoint
from wxcore.satellite.mersi import needs_geolocation, read_pass
from wxcore.satellite.parallax import HEIGHT, correct
from wxcore.satellite.regrid import index_table, to_grid, wider
from wxcore.satellite.regrid_kernels import NOTHING
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, Geolocation, Scene
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.simulate.fields import clouds
from wxcore.simulate.imager import clear_k
from wxcore.simulate.imager_orbit import ORBITERS, Orbiter, pass_over
from wxcore.simulate.planned import FULL, SMALL, Planned, Setting
from wxcore.simulate.satellite_feed import INSTRUMENTS
from wxcore.simulate.scene import Cell, Shield, World

START = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOP_M = 12_000.0
MIDDLE = (107.0, 30.0)
BT108 = "brightness_temperature_108"
RAIN = World(shields=(Shield(*MIDDLE, 0.0, 0.0, START - HOUR, 240.0, 35.0, 35.0, 35.0, 0.0, TOP_M),))
"""A round cloud with a flat top, at rest."""

CELLS = World(cells=(Cell(*MIDDLE, 9.0, 4.0, START - HOUR / 2, 120.0, 62.0, 9.0, 9500.0),))
GEOSTATIONARY = ("FY-4B", "FY-4A", "FY-2H")
BY_NAME = {one.name: one for one in INSTRUMENTS}


@cache
def small() -> Region:
    """Chongqing with a grid of 1.4 x 1.2 degrees around MIDDLE."""
    region = load_region("chongqing")
    grid = replace(region.grid, lon_west=MIDDLE[0] - 0.7, lat_south=MIDDLE[1] - 0.6, n_lon=141, n_lat=121)
    return replace(region, grid=grid)


def setting(world: World = RAIN, *, clean: bool = True, start: datetime = START, seed: int = 5) -> Setting:
    return Setting(small(), world, FULL, start, start + HOUR, seed, clean)


def planned(of: Setting) -> list[Planned]:
    return [item for one in INSTRUMENTS for item in one.plan(of)]


def made(of: Setting, item: Planned) -> bytes:
    return BY_NAME[item.instrument].make(of, item)


def one_of(of: Setting, platform: str, what: str = "data") -> Planned:
    """The first file of a satellite that begins in the hour."""
    return next(item for item in planned(of) if item.key in {(platform,), (platform, what)} and item.start >= of.start)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each kind, of RAIN."""
    out = tmp_path_factory.mktemp("feed")
    for platform in FULL.satellites:
        for what in ("data",) if platform in GEOSTATIONARY else ("data", "places"):
            item = one_of(setting(), platform, what)
            (out / Path(item.path).name).write_bytes(made(setting(), item))
    return out


def found(folder: Path, platform: str, what: str = "data") -> tuple[Planned, Any]:
    item = one_of(setting(), platform, what)
    path = folder / Path(item.path).name
    name, native = read_hdf5(path, path.name, small().grid.bounds)
    pattern = format_of(name).name_pattern
    assert pattern is not None
    assert pattern.search(path.name)
    return item, native


@cache
def scene_of(folder: Path, platform: str) -> Scene:
    """As the chain has it: with its places."""
    item, native = found(folder, platform)
    if platform not in GEOSTATIONARY:
        paths = [folder / Path(one_of(setting(), platform, what).path).name for what in ("data", "places")]
        assert needs_geolocation(native)
        native = read_pass(paths[0], paths[1], Path(item.path).name, small().grid.bounds)
    assert isinstance(native, Scene)
    return native


@pytest.mark.parametrize("platform", FULL.satellites)
def test_each_file_is_what_it_was_planned_as(folder: Path, platform: str) -> None:
    item, _ = found(folder, platform)
    scene = scene_of(folder, platform)
    assert (scene.platform, scene.start, scene.end) == (platform, item.start, item.end)
    assert scene.simulated
    assert scene.bad_lines == 0
    assert not [remark for remark in scene.remarks if "name says" in remark or "whole scans" in remark]
    assert scene.band(BT108) is not None
    if platform not in GEOSTATIONARY:
        other, places = found(folder, platform, "places")
        assert isinstance(places, Geolocation)
        assert (places.platform, places.start, places.end) == (platform, other.start, other.end)
        assert (other.start, other.end) == (item.start, item.end)
        with h5py.File(folder / Path(other.path).name) as file:
            assert file.attrs[SIMULATED_ATTRIBUTE].decode() == SIMULATED_MARK


@pytest.mark.parametrize(("platform", "count"), [("FY-4B", 14), ("FY-4A", 13), ("FY-2H", 5), ("FY-3D", 14),
                                                 ("FY-3E", 7), ("FY-3F", 14), ("FY-3G", 8)])  # fmt: skip
def test_all_channels_are_there_without_holes(folder: Path, platform: str, count: int) -> None:
    """C07 of AGRI is in the file too, but its reader takes C08."""
    scene = scene_of(folder, platform)
    assert len(scene.channels) == count
    assert all(np.isfinite(one.values).all() for one in scene.channels)


@pytest.mark.parametrize("platform", FULL.satellites)
def test_the_clear_sky_is_the_background(folder: Path, platform: str) -> None:
    """Warmer than at night by at most 3 K, in every infrared channel, to a count of its table."""
    scene = scene_of(folder, platform)
    for one in scene.channels:
        if one.quantity == BRIGHTNESS_TEMPERATURE:
            night, day = (float(clear_k(RAIN.air, one.wavelength_um, sun)) for sun in (0.0, 1.0))
            assert night - 0.15 <= float(np.percentile(one.values, 97)) <= day + 0.15, one.wavelength_um


@pytest.mark.parametrize("platform", GEOSTATIONARY)
def test_the_products_correction_brings_a_cloud_home(folder: Path, platform: str) -> None:
    region, scene = small(), scene_of(folder, platform)
    grid, air = region.grid, RAIN.air
    seen_from = viewpoint(scene.geometry)
    images = to_grid(scene, wider(grid))
    home = correct(images, seen_from, grid, air.h0_m, air.hm20_m)
    lon, lat = np.meshgrid(grid.lon, grid.lat)
    true = clouds(RAIN, lon, lat, scene.mean_time)[0] > 0
    cold = home[BT108].values[0] < 250
    place, expected = centre(cold, grid.lon, grid.lat), centre(true, grid.lon, grid.lat)
    assert place == pytest.approx(expected, abs=0.03)
    row, column = np.argmin(np.abs(grid.lat - MIDDLE[1])), np.argmin(np.abs(grid.lon - MIDDLE[0]))
    own = float(air.temperature_c(TOP_M)) + 273.15
    assert float(home[BT108].values[0, row, column]) == pytest.approx(own, abs=1.0)
    assert float(home[HEIGHT.name].values[0, row, column]) == pytest.approx(TOP_M, abs=300)
    wide = images[BT108].values[0] < 250
    apart = centre(wide, images["lon"].values, images["lat"].values)
    assert seen_from is not None
    away = apparent(seen_from, np.array(MIDDLE[0]), np.array(MIDDLE[1]), TOP_M)
    assert apart == pytest.approx((float(away[0]), float(away[1])), abs=0.03)
    assert apart[1] - expected[1] > 0.05


def centre(mask: npt.NDArray[np.bool_], lon: npt.NDArray[Any], lat: npt.NDArray[Any]) -> tuple[float, float]:
    row, column = np.nonzero(mask)
    return float(lon[column].mean()), float(lat[row].mean())


@pytest.mark.parametrize("orbiter", ORBITERS, ids=lambda one: one.platform)
def test_a_pass_covers_the_whole_region(orbiter: Orbiter) -> None:
    grid = load_region("chongqing").grid
    coarse = replace(grid, n_lon=31, n_lat=27, step_deg=0.2)
    over = pass_over(orbiter, grid.bounds)
    some = Swath(over.swath.lon[::5, ::5], over.swath.lat[::5, ::5])
    table = index_table(some, coarse)
    assert table is not None
    assert (table != NOTHING).all()
    assert len(over.lon) % 10 == 0


def test_an_orbiter_sees_the_same_cloud(folder: Path) -> None:
    """Displaced by less than the height of the cloud times the tangent of 60 degrees."""
    for orbiter in ORBITERS:
        image = to_grid(scene_of(folder, orbiter.platform), small().grid)
        cold = image[BT108].values[0] < 250
        lon, lat = centre(cold, small().grid.lon, small().grid.lat)
        assert np.hypot((lon - MIDDLE[0]) * 96, (lat - MIDDLE[1]) * 111) < 21
        assert np.nanmin(image[BT108].values) == pytest.approx(float(RAIN.air.temperature_c(TOP_M)) + 273.15, abs=0.5)


@pytest.mark.parametrize("platform", ["FY-2H", "FY-3F"])
def test_a_file_made_again_is_the_same(folder: Path, platform: str) -> None:
    for what in ("data",) if platform in GEOSTATIONARY else ("data", "places"):
        item = one_of(setting(), platform, what)
        assert made(setting(), item) == (folder / Path(item.path).name).read_bytes()


@pytest.mark.parametrize("platform", ["FY-4B", "FY-3E"])
def test_the_same_bytes_twice_and_others_with_another_seed(platform: str) -> None:
    noise = setting(CELLS, clean=False)
    item = one_of(noise, platform)
    first = made(noise, item)
    made(noise, one_of(noise, "FY-4A"))
    assert made(setting(CELLS, clean=False), pickle.loads(pickle.dumps(item))) == first
    assert made(setting(CELLS, clean=False, seed=6), item) != first
    assert made(setting(CELLS), item) != first


@settings(max_examples=15)
@given(st.integers(0, 24 * 60 - 1))
def test_an_hour_has_its_images(minute: int) -> None:
    start = START + timedelta(minutes=minute)
    of = setting(start=start)
    items = planned(of)
    count = {platform: sum(item.key[0] == platform for item in items) for platform in FULL.satellites}
    assert count == {"FY-4B": 18, "FY-4A": 6, "FY-2H": 3, "FY-3D": 2, "FY-3E": 2, "FY-3F": 2, "FY-3G": 2}
    assert len({item.path for item in items}) == len(items)
    late = {"agri": (3, 6), "vissr": (8, 8), "mersi": (15, 25)}
    for item in items:
        back = timedelta(0) if item.instrument == "mersi" else timedelta(minutes=30)
        assert start - back <= item.end < start + HOUR
        low, high = late[item.instrument]
        assert timedelta(minutes=low) <= item.arrives - item.end <= timedelta(minutes=high)
        assert item.path.startswith(f"satellite/{str(item.key[0]).replace('-', '')}/")


def test_only_what_is_asked_for_and_where_it_stood() -> None:
    of = replace(setting(), scale=SMALL)
    assert {item.key[0] for item in planned(of)} == {"FY-4B"}
    before = datetime(2023, 7, 1, 6, 0, tzinfo=UTC)
    names = {item.key[0]: item.path for item in planned(setting(start=before))}
    assert "_1330E_" in names["FY-4B"]
    assert "_1047E_" in names["FY-4A"]
    assert "FY-3F" not in names
    assert not planned(replace(setting(), region=replace(small(), satellites=())))


def test_a_region_on_the_other_side_of_the_earth_is_not_seen() -> None:
    far = replace(small(), grid=replace(small().grid, lon_west=-98.0))
    of = replace(setting(), region=far)
    assert {item.instrument for item in planned(of)} == {"mersi"}
    with pytest.raises(ValueError, match="does not see"):
        made(of, one_of(setting(), "FY-4B"))


def test_naive_times_are_refused() -> None:
    naive = replace(setting(), start=START.replace(tzinfo=None))
    for one in INSTRUMENTS:
        with pytest.raises(TimeError):
            list(one.plan(naive))
    for platform in ("FY-4B", "FY-2H", "FY-3D"):
        item = one_of(setting(), platform)
        with pytest.raises(TimeError):
            made(setting(), replace(item, start=item.start.replace(tzinfo=None)))
