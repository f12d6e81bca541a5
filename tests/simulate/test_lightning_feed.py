"""True flashes, and what FY-4A/LMI and ADTD tell of them: read back with the product's own readers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from wxcore.errors import TimeError
from wxcore.grid import EARTH_RADIUS_M
from wxcore.lightning.adtd import read_adtd
from wxcore.lightning.events import CLOUD_TO_GROUND, EVENT, STROKE, TOTAL, Doubles, Lightning
from wxcore.lightning.flashes import to_flashes
from wxcore.lightning.lmi import FORMAT as LMI_FORMAT
from wxcore.lightning.lmi import read_lmi
from wxcore.region import load_region
from wxcore.satellite.geometry import Viewpoint, apparent
from wxcore.simulate import flashes as flashes_module
from wxcore.simulate import lightning_feed
from wxcore.simulate.flashes import TO_GROUND, Flashes, flash_rate, flashes
from wxcore.simulate.lightning_feed import ADTD, GLOW_M, LMI
from wxcore.simulate.planned import FULL, Planned, Setting
from wxcore.simulate.scene import Cell, World
from wxcore.times import to_datetime64

START = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CELL = Cell(
    106.5, 29.5, 12.0, 5.0, START, 60.0, 60.0, 8.0, 9000.0, flashes_min=6.0, lean_x=0.8, lean_y=0.3, id="A", storm="S"
)  # fmt: skip
FAR = replace(CELL, lon=108.5, lat=30.5, lean_x=0.0, born=START + timedelta(minutes=10), id="B")
WORLD = World((CELL, FAR), seed=3)


@cache
def setting(*, clean: bool = False, start: datetime = START, end: datetime = START + 1.25 * HOUR) -> Setting:
    return Setting(load_region("chongqing"), WORLD, FULL, start, end, 11, clean)


@cache
def truth() -> Flashes:
    return flashes(WORLD, START - HOUR, START + 2 * HOUR)


def km(lon: Doubles, lat: Doubles, other_lon: Doubles, other_lat: Doubles) -> Doubles:
    """Great circles by the haversine formula."""
    a, b = np.deg2rad(lat), np.deg2rad(other_lat)
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.deg2rad(other_lon - lon) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_M / 1000 * np.arcsin(np.sqrt(half)))


def read_back(made: bytes, planned: Planned, folder: Path) -> Lightning:
    path = folder / "file.nc"
    path.write_bytes(made)
    return read_lmi(path, planned.path.rpartition("/")[2], None)


@cache
def events(folder: Path) -> tuple[Lightning, ...]:
    return tuple(read_back(LMI.make(setting(), one), one, folder) for one in LMI.plan(setting()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lmi")


class TestFlashes:
    def test_any_window_gives_the_same(self) -> None:
        cut = START + timedelta(minutes=31, seconds=17.3)
        parts = [flashes(WORLD, START, cut), flashes(WORLD, cut, START + HOUR)]
        whole = flashes(WORLD, START, START + HOUR)
        flashes_module._of_minute.cache_clear()
        again = flashes(WORLD, START, START + HOUR)
        for name in ("time", "lon", "lat", "height", "energy", "cloud_to_ground", "peak_current", "cell"):
            both = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_array_equal(both, getattr(whole, name))
            np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
        assert (np.diff(whole.time) >= np.timedelta64(0)).all()
        assert whole.time.size

    def test_as_many_as_the_rate_says(self) -> None:
        for number, cell in enumerate(WORLD.cells):
            minutes = (cell.born + timedelta(minutes=minute + 0.5) for minute in range(60))
            expected = sum(flash_rate(cell, middle) for middle in minutes)
            found = np.count_nonzero(truth().cell == number)
            assert expected > 150
            assert abs(found - expected) < 4 * np.sqrt(expected)

    def test_a_cell_has_its_own_whatever_others_there_are(self) -> None:
        alone = flashes(World((FAR,), seed=3), START, START + HOUR)
        among = flashes(WORLD, START, START + HOUR)
        np.testing.assert_array_equal(alone.time, among.time[among.cell == 1])
        nameless = World(tuple(replace(cell, id="") for cell in (CELL, CELL)), seed=3)
        both = flashes(nameless, START, START + HOUR)
        assert not np.isin(both.time[both.cell == 0], both.time[both.cell == 1]).any()

    def test_the_rate_by_hand(self) -> None:
        middle = START + timedelta(minutes=30)
        assert flash_rate(CELL, middle) == CELL.flashes_min
        assert flash_rate(CELL, middle - timedelta(minutes=15)) == pytest.approx(0.4 * 6 * (1 - 0.5**3) ** 2)
        assert flash_rate(CELL, middle + timedelta(minutes=15)) == pytest.approx(6 * (1 - 0.5**3) ** 2)
        assert flash_rate(CELL, START - timedelta(seconds=1)) == 0 == flash_rate(CELL, START + 1.01 * HOUR)

    def test_they_are_about_the_leaning_core(self) -> None:
        mine = truth()[truth().cell == 0]
        seconds = (mine.time - to_datetime64(START)) / np.timedelta64(1, "s")
        km_lat = np.pi * EARTH_RADIUS_M / 180_000
        east = (mine.lon - CELL.lon) * km_lat * np.cos(np.deg2rad(mine.lat)) - 0.012 * seconds
        north = (mine.lat - CELL.lat) * km_lat - 0.005 * seconds
        east, north = east - 0.8 * (mine.height - 2000) / 1000, north - 0.3 * (mine.height - 2000) / 1000
        for off in (east, north):
            assert abs(off.mean()) < 4 * 2.4 / np.sqrt(off.size)
            assert off.std() == pytest.approx(0.3 * 8.0, rel=0.2)
        assert ((mine.height >= 5100) & (mine.height <= 16_500)).all()

    def test_currents_are_of_those_to_the_ground(self) -> None:
        np.testing.assert_array_equal(np.isnan(truth().peak_current), ~truth().cloud_to_ground)
        count = truth().time.size
        assert abs(np.count_nonzero(truth().cloud_to_ground) - TO_GROUND * count) < 4 * np.sqrt(count * 0.21)
        strikes = truth().peak_current[truth().cloud_to_ground]
        assert 0 < np.count_nonzero(strikes > 0) < 0.25 * strikes.size
        assert np.abs(strikes).max() <= 300

    def test_naive_times_are_refused(self) -> None:
        with pytest.raises(TimeError):
            flashes(WORLD, START.replace(tzinfo=None), START + HOUR)
        with pytest.raises(TimeError):
            flash_rate(CELL, START.replace(tzinfo=None))


class TestImager:
    def test_a_file_every_minute_with_lightning_or_without(self, folder: Path) -> None:
        planned = list(LMI.plan(setting()))
        assert [one.start for one in planned] == [START + timedelta(minutes=minute) for minute in range(75)]
        assert all(LMI_FORMAT.name_pattern.search(one.path.rpartition("/")[2]) for one in planned)
        assert len({one.path for one in planned}) == 75
        for one, found in zip(planned, events(folder), strict=True):
            assert (found.start, found.end) == (one.start, one.end)
            assert (found.sees, found.level, found.simulated) == (TOTAL, EVENT, True)
            assert found.coverage == pytest.approx((51.8, 15, 121.8, 55))
            assert not found.rejected
            assert not found.remarks
        assert sum(not one.time.size for one in events(folder)) >= 3

    def test_the_same_bytes_in_any_order(self) -> None:
        planned = list(LMI.plan(setting()))[28:33]
        first = [LMI.make(setting(), one) for one in planned]
        lightning_feed._events.cache_clear()
        assert [LMI.make(setting(), one) for one in reversed(planned)] == first[::-1]

    def test_only_while_the_region_has_the_satellite(self) -> None:
        before = replace(setting(), start=START.replace(year=2012), end=START.replace(year=2012) + HOUR)
        denver = replace(setting(), region=load_region("denver"))
        assert not list(LMI.plan(before))
        assert not list(LMI.plan(denver))
        with pytest.raises(ValueError, match="FY-4A is not listed for denver"):
            LMI.make(denver, next(iter(LMI.plan(setting()))))

    def test_events_are_where_a_flash_appears(self, folder: Path) -> None:
        seen_lon, seen_lat = apparent(Viewpoint(86.5), truth().lon, truth().lat, GLOW_M)
        for one in events(folder):
            for time, lon, lat in zip(one.time, one.lon, one.lat, strict=True):
                age = (time - truth().time) / np.timedelta64(1, "ms")
                own = (age > -1) & (age < 400)
                # half a pixel of 7.8 km seen obliquely, and a pixel beside it
                assert km(lon, lat, seen_lon[own], seen_lat[own]).min() < 18
        assert sum(one.time.size for one in events(folder)) > 500

    def test_flashes_are_counted_and_displaced_away_from_the_satellite(self, folder: Path) -> None:
        found = to_flashes(events(folder))
        expected = 0.8 * np.count_nonzero(truth().time < to_datetime64(START + 1.25 * HOUR))
        # within 330 ms of another of the same cell two become one: 6 a minute, so some 3 %
        assert 0.95 * expected - 4 * np.sqrt(expected) < found.time.size < expected + 4 * np.sqrt(expected)
        near = np.abs(found.time[:, None] - truth().time).argmin(axis=1)
        off_east = (found.lon - truth().lon[near]) * 111.19 * np.cos(np.deg2rad(found.lat))
        distance = km(found.lon, found.lat, truth().lon[near], truth().lat[near])
        good = distance < 30  # the nearest in time may be one of the other cell
        assert good.mean() > 0.95
        assert 4 < np.median(off_east[good]) < 11
        seen = apparent(Viewpoint(86.5), truth().lon[near], truth().lat[near], GLOW_M)
        assert np.median(km(found.lon, found.lat, *seen)[good]) < 5
        assert (km(found.lon, found.lat, *seen)[good] < 8).mean() > 0.95

    def test_weak_ones_are_missed_more_often_and_a_clean_one_sees_all(self) -> None:
        minutes = [int(one.key[0]) for one in LMI.plan(setting())]
        parts = [lightning_feed._events(WORLD, minute, 11, True, 86.5)[0] for minute in minutes]
        within = truth()[truth().time < to_datetime64(START + 1.25 * HOUR)]
        assert np.isin(within.time, np.concatenate(parts)).all()
        some = [lightning_feed._events(WORLD, minute, 11, False, 86.5)[0] for minute in minutes]
        seen = np.isin(within.time, np.concatenate(some))
        strong = within.energy > np.median(within.energy)
        assert 0.65 < seen[~strong].mean() < seen[strong].mean() < 0.95

    def test_none_without_the_satellite_or_in_winter(self) -> None:
        without = replace(setting(), scale=replace(FULL, satellites=("FY-4B",)))
        assert not list(LMI.plan(without))
        winter = datetime(2026, 12, 1, tzinfo=UTC)
        assert not list(LMI.plan(setting(start=winter, end=winter + HOUR)))

    def test_naive_times_are_refused(self) -> None:
        with pytest.raises(TimeError):
            list(LMI.plan(replace(setting(), start=START.replace(tzinfo=None))))


class TestNetwork:
    def test_versions_of_the_day_grow(self) -> None:
        planned = list(ADTD.plan(setting()))
        assert {one.path for one in planned} == {"lightning/ADTD/2026_07_01.txt"}
        assert {one.start for one in planned} == {START}
        assert planned[-1].end == START + timedelta(minutes=78)
        assert all(one.arrives == one.end + timedelta(minutes=1) for one in planned)
        assert all(a.end + timedelta(minutes=6) == b.end for a, b in pairwise(planned))
        versions = [ADTD.make(setting(), one) for one in planned]
        for earlier, later, one in zip(versions[:-1], versions[1:], planned, strict=False):
            assert later.startswith(earlier)
            assert read_adtd(earlier, "2026_07_01.txt").end < one.end

    def test_the_same_bytes_in_any_order(self) -> None:
        planned = list(ADTD.plan(setting()))
        first = [ADTD.make(setting(), one) for one in planned]
        lightning_feed._strokes.cache_clear()
        assert [ADTD.make(setting(), one) for one in reversed(planned)] == first[::-1]

    def test_strokes_are_those_of_flashes_to_the_ground(self) -> None:
        last = list(ADTD.plan(setting()))[-1]
        found = read_adtd(ADTD.make(setting(), last), "2026_07_01.txt")
        assert (found.sees, found.level, found.simulated) == (CLOUD_TO_GROUND, STROKE, True)
        assert not found.rejected
        assert not found.remarks
        strikes = truth()[truth().cloud_to_ground]
        own = []
        for time, lon, lat in zip(found.time, found.lon, found.lat, strict=True):
            age = (time - strikes.time) / np.timedelta64(1, "ms")
            where = np.flatnonzero((age > -1e-3) & (age < 1000))
            distance = km(lon, lat, strikes.lon[where], strikes.lat[where])
            own.append((where[distance.argmin()], distance.min()))
        flash, distance = (np.array(column) for column in zip(*own, strict=True))
        assert (distance < 1.0).mean() > 0.99
        assert 0.2 < np.median(distance) < 0.4
        np.testing.assert_array_equal(np.sign(found.strength), np.sign(strikes.peak_current[flash.astype(int)]))
        # each stroke is located with 90 %; a flash has 1 to 4, of which the mean is 2.15 where it is negative
        assert 0.9 < np.unique(flash).size / strikes.time.size <= 1
        assert 1.6 < found.time.size / strikes.time.size < 2.2

    def test_the_reader_makes_the_same_flashes(self) -> None:
        clean = setting(clean=True)
        last = list(ADTD.plan(clean))[-1]
        found = to_flashes([read_adtd(ADTD.make(clean, last), "2026_07_01.txt")])
        strikes = truth()[truth().cloud_to_ground]
        # one of either cell within a second or so of another becomes one with it: of two a minute some 4 %
        assert 0.94 * strikes.time.size <= found.time.size <= strikes.time.size
        near = np.abs(found.time[:, None] - strikes.time).argmin(axis=1)
        np.testing.assert_allclose(found.lon, strikes.lon[near], atol=2e-6)
        # two flashes that are taken for one have the stronger current
        assert (np.abs(found.strength_ka - strikes.peak_current[near]) < 6e-4).mean() > 0.94

    def test_the_file_changes_at_midnight_of_beijing(self) -> None:
        start = datetime(2026, 7, 1, 15, 48, tzinfo=UTC)
        world = World((replace(CELL, born=start - timedelta(minutes=20)),), seed=3)
        late = replace(setting(), world=world, start=start, end=start + timedelta(minutes=30))
        found = {one.end: one for one in ADTD.plan(late)}
        midnight = datetime(2026, 7, 1, 16, tzinfo=UTC)
        assert found[midnight].path.endswith("2026_07_01.txt")
        after = found[midnight + timedelta(minutes=6)]
        assert after.path.endswith("2026_07_02.txt")
        assert after.start == midnight
        assert read_adtd(ADTD.make(late, after), "2026_07_02.txt").time.min() >= to_datetime64(midnight)

    def test_no_stroke_is_of_before_the_start(self) -> None:
        late = setting(start=START + timedelta(minutes=30))
        (first, *_), (whole, *_) = (
            list(ADTD.plan(late)),
            list(ADTD.plan(setting(end=START + timedelta(minutes=36))))[::-1],
        )
        found, more = (
            read_adtd(ADTD.make(one, file), "2026_07_01.txt") for one, file in ((late, first), (setting(), whole))
        )
        assert first.end == whole.end
        assert found.time.min() >= to_datetime64(late.start)
        np.testing.assert_array_equal(found.time, more.time[more.time >= to_datetime64(late.start)])
        assert 0 < found.time.size < more.time.size

    def test_no_file_before_the_first_stroke(self) -> None:
        assert not list(ADTD.plan(replace(setting(), world=World())))

    def test_naive_times_are_refused(self) -> None:
        with pytest.raises(TimeError):
            list(ADTD.plan(replace(setting(), end=START.replace(tzinfo=None))))
