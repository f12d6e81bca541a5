"""The simulated ground network as FTM text, read back with the product's own reader."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from wxcore.errors import TimeError
from wxcore.region import Region, load_region
from wxcore.simulate import station_feed
from wxcore.simulate.fields import Ground, ground
from wxcore.simulate.ground_truth import dew_point_c, pressure_hpa
from wxcore.simulate.minutes import minutes_between
from wxcore.simulate.network import network
from wxcore.simulate.planned import FULL, SMALL, Planned, Setting
from wxcore.simulate.scene import Air, Cell, World
from wxcore.simulate.station_feed import FTM
from wxcore.station.ftm import FORMAT, read_ftm
from wxcore.station.reports import Reports
from wxcore.times import to_datetime64

START = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CELL = Cell(
    106.6, 29.6, 8.0, 3.0, START - 20 * MINUTE, 90.0, 60.0, 9.0, 9000.0, outflow_m_s=26.0, id="A", storm="S"
)  # fmt: skip
WORLD = World((CELL,), seed=3)
FRONT, CORE = 0, 1
"""Stations that are put 15 km from the cell's middle at its mid-life, and under its core."""


@cache
def region(count: int) -> Region:
    found = load_region("chongqing")
    stations = list(network(found, count))
    lon, lat = CELL.place(START + 25 * MINUTE)
    stations[FRONT] = replace(stations[FRONT], lon=lon, lat=lat - 15 / 111.195)
    stations[CORE] = replace(stations[CORE], lon=lon, lat=lat)
    return replace(found, stations=tuple(stations))


@cache
def setting(*, clean: bool = True, count: int = 60, hours: float = 2, seed: int = 8) -> Setting:
    return Setting(region(count), WORLD, FULL, START, START + timedelta(hours=hours), seed, clean)


@cache
def files() -> dict[datetime, Planned]:
    return {one.start: one for one in FTM.plan(setting())}


def read(made: bytes) -> Reports:
    return read_ftm(made, "Z_SURF_C_BEHT-REG_20260701060100_O_AWS_FTM.txt")


def told(when: datetime, where: Setting | None = None) -> Reports:
    return read(FTM.make(where or setting(), files()[when]))


def true(when: datetime, where: Setting | None = None) -> Ground:
    stations = (where or setting()).region.stations
    return ground(WORLD, [one.lon for one in stations], [one.lat for one in stations], when)


def ambient(air: Air, elevation: float) -> float:
    return air.ground_c * (air.h0_m - elevation) / (air.h0_m - air.ground_m)


class TestPlan:
    def test_a_file_a_minute_or_every_six(self) -> None:
        planned = list(FTM.plan(setting()))
        assert [one.start for one in planned] == [START + number * MINUTE for number in range(120)]
        late = [(one.arrives - one.start).total_seconds() for one in planned]
        assert min(late) >= 40
        assert max(late) <= 90
        assert len(set(late)) > 20
        small = replace(setting(), scale=SMALL, start=START + 2 * MINUTE)
        assert [one.start for one in FTM.plan(small)] == [START + number * MINUTE for number in range(6, 120, 6)]

    def test_names_are_operational_and_apart(self) -> None:
        for one in FTM.plan(setting()):
            folder, _, name = one.path.rpartition("/")
            assert FORMAT.name_pattern.fullmatch(name)
            assert folder == f"surface/FTM/{one.start:%Y%m%d%H}"
        assert len({one.path for one in FTM.plan(setting())}) == 120

    def test_none_without_stations(self) -> None:
        assert not list(FTM.plan(replace(setting(), scale=replace(FULL, stations=0))))
        assert not list(FTM.plan(replace(setting(), region=replace(region(60), stations=()))))

    def test_naive_times_are_refused(self) -> None:
        naive = START.replace(tzinfo=None)
        for wrong in (replace(setting(), start=naive), replace(setting(), end=naive)):
            with pytest.raises(TimeError):
                list(FTM.plan(wrong))
        with pytest.raises(TimeError):
            minutes_between(START.replace(tzinfo=None), START)


class TestBytes:
    def test_the_same_in_any_order(self) -> None:
        wanted = [files()[START + minute * MINUTE] for minute in (0, 1, 59, 60, 61)]
        for clean in (True, False):
            where = setting(clean=clean)
            first = [FTM.make(where, one) for one in wanted]
            for cache_of in (station_feed._hour, station_feed._sick):
                cache_of.cache_clear()
            assert [FTM.make(where, one) for one in reversed(wanted)] == first[::-1]
        assert FTM.make(setting(clean=False, seed=9), wanted[0]) != FTM.make(setting(clean=False), wanted[0])

    def test_they_say_that_they_are_simulated(self) -> None:
        found = told(START)
        assert found.simulated
        assert not found.rejected
        assert not found.remarks
        assert found.title == "FTM BEHT"


class TestClean:
    def test_every_station_at_its_place(self) -> None:
        found = told(START + 25 * MINUTE)
        stations = region(60).stations
        assert found.station.tolist() == [one.id for one in stations]
        assert (found.time == to_datetime64(START + 25 * MINUTE)).all()
        np.testing.assert_allclose(found.lon, [one.lon for one in stations], atol=0.5 / 3600 + 1e-9)
        np.testing.assert_allclose(found.lat, [one.lat for one in stations], atol=0.5 / 3600 + 1e-9)
        np.testing.assert_allclose(found.elevation, [one.elevation_m for one in stations], atol=0.051)

    @pytest.mark.parametrize("minute", [0, 1, 25, 60])
    def test_air_and_wind_are_the_true_ones(self, minute: int) -> None:
        when = START + minute * MINUTE
        found, here = told(when), true(when)
        stations, air = region(60).stations, WORLD.air
        elevation = np.array([one.elevation_m for one in stations])
        celsius = np.array([ambient(air, height) for height in elevation]) - here.deficit
        np.testing.assert_allclose(found.values["air_temperature"], celsius, atol=0.051)
        pressure = pressure_hpa(air, [one.barometer_m for one in stations]) + here.jump
        np.testing.assert_allclose(found.values["air_pressure"], pressure, atol=0.051)
        dew_point = np.minimum(dew_point_c(air, elevation) - 0.25 * here.deficit, celsius)
        np.testing.assert_allclose(found.values["dew_point_temperature"], dew_point, atol=0.051)
        for length, ending in ((2, ""), (10, "_10min")):
            past = [true(when - back * MINUTE) for back in range(length)]
            u, v = (np.mean([getattr(one, name) for one in past], axis=0) for name in "uv")
            np.testing.assert_allclose(found.values[f"wind_speed{ending}"], np.hypot(u, v), atol=0.051)
            off = found.values[f"wind_from_direction{ending}"] - np.rad2deg(np.arctan2(-u, -v))
            assert (np.abs((off + 180) % 360 - 180) < 0.51).all()

    def test_the_gust_is_the_largest_since_the_full_hour(self) -> None:
        for minute in (1, 40, 60):
            found = told(START + minute * MINUTE)
            gusts = np.stack([true(START + one * MINUTE).gust for one in range(1, minute + 1)])
            np.testing.assert_allclose(found.values["wind_speed_of_gust"], gusts.max(axis=0), atol=0.051)
            blew = to_datetime64(START) + (1 + gusts.argmax(axis=0)).astype("timedelta64[m]")
            np.testing.assert_array_equal(found.gust_time, blew)

    def test_the_hours_rain_is_the_sum_of_its_minutes(self) -> None:
        for minute in (7, 30, 60):
            found = told(START + minute * MINUTE)
            assert found.minute_rain is not None
            assert np.isnan(found.minute_rain[:, : 60 - minute]).all()
            by_minute = found.minute_rain[:, 60 - minute :].sum(axis=1)
            np.testing.assert_allclose(found.values["precipitation_1h"], by_minute, atol=1e-4)
            exact = sum(true(START + one * MINUTE).rain / 60 for one in range(1, minute + 1))
            short = exact - found.values["precipitation_1h"]
            assert -1e-3 < short.min() <= short.max() < 0.1 + 1e-3
        assert found.values["precipitation_1h"][CORE] > 15
        assert told(START + 61 * MINUTE).values["precipitation_1h"][CORE] < 3

    def test_no_noise_no_silence(self) -> None:
        for minute in range(0, 120, 30):
            assert told(START + minute * MINUTE).time.size == 60


class TestFront:
    def test_it_passes_with_gust_cold_and_pressure(self) -> None:
        """By hand: half the cell's radius and 0.78 km a minute since 30 % of its life, so at 15 km 13.5 min later, with
        three quarters of its 26 m/s, against a wind of 2.5 m/s."""
        reach = 0.3 * 90 + (15 - 4.5) / (0.03 * 26)
        when = CELL.born + timedelta(minutes=round(reach))
        before, after = told(when - 10 * MINUTE), told(when + 12 * MINUTE)
        fall = before.values["air_temperature"][FRONT] - after.values["air_temperature"][FRONT]
        rise = after.values["air_pressure"][FRONT] - before.values["air_pressure"][FRONT]
        assert 4 < fall < 0.4 * 26
        assert 1.5 < rise < 0.15 * 26
        assert before.values["wind_speed_of_gust"][FRONT] < 6
        assert 15 < after.values["wind_speed_of_gust"][FRONT] < 26 + 1.3 * 4
        passed = (after.gust_time[FRONT] - to_datetime64(when)) / np.timedelta64(1, "m")
        assert -4 <= passed <= 6
        north = after.values["wind_gust_from_direction"][FRONT]
        assert min(north, 360 - north) < 45
        humid = after.values["relative_humidity"][FRONT] - before.values["relative_humidity"][FRONT]
        assert humid > 10

    def test_with_noise_it_is_the_same_within_it(self) -> None:
        noisy = setting(clean=False)
        compared = 0
        for minute in range(20, 56, 5):
            found, clean = told(START + minute * MINUTE, noisy), told(START + minute * MINUTE)
            rows = np.flatnonzero(found.station == region(60).stations[FRONT].id)
            if not rows.size:
                continue
            row = int(rows[0])
            compared += 1
            for name, width in (("air_temperature", 0.9), ("air_pressure", 0.5), ("wind_speed", 2.0)):
                assert abs(found.values[name][row] - clean.values[name][FRONT]) < width
            gust = clean.values["wind_speed_of_gust"][FRONT]
            assert abs(found.values["wind_speed_of_gust"][row] - gust) < 0.25 * gust + 1
        assert compared >= 4


class TestFailures:
    def test_some_are_silent_for_spells(self) -> None:
        many = setting(clean=False, count=400, hours=12)
        ids = np.array([one.id for one in many.region.stations])
        minute = int(START.timestamp()) // 60
        silent = np.stack([station_feed._silent(ids.size, minute + at, 8) for at in range(1440)])
        assert 0.006 < silent.mean() < 0.014
        runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], silent.T.ravel(), [0]])))).reshape(-1)[::2]
        assert np.median(runs) == station_feed.SPELL_MIN
        (quiet,) = np.flatnonzero(silent.sum(axis=1) >= 4)[:1]
        when = START + int(quiet % 240) * MINUTE
        found = told_by(many, when)
        expected = ~station_feed._silent(ids.size, int(when.timestamp()) // 60, 8)
        assert found.station.tolist() == ids[expected].tolist()

    def test_some_sensors_are_sick(self) -> None:
        many = setting(clean=False, count=1200)
        found = [told_by(many, START + minute * MINUTE) for minute in range(2, 61, 2)]
        sick = station_feed._sick(1200, 8)
        ids = np.array([one.id for one in many.region.stations])
        gusts = {name for one in found for name in one.station[one.values["wind_speed_of_gust"] > 70]}
        cold = {name for one in found for name in one.station[one.values["air_temperature"] < -30]}
        wet = {name for one in found for name in one.station[one.values["precipitation_1h"] >= 90]}
        assert gusts == set(ids[sick.gusty])
        assert cold == set(ids[sick.cold])
        assert wet == set(ids[sick.wet])
        for stuck in ids[sick.stuck]:
            values = {float(one.values["air_temperature"][one.station == stuck][0]) for one in found
                      if (one.station == stuck).any()}  # fmt: skip
            assert len(values) == 1
        total = sum(getattr(sick, name).size for name in ("stuck", "cold", "gusty", "wet"))
        assert total == 4

    def test_noise_is_as_wide_as_it_says(self) -> None:
        many = setting(clean=False, count=1200)
        found = told_by(many, START)
        air = many.world.air
        elevation = found.elevation.astype(np.float64)
        usual = np.array([ambient(air, height) for height in elevation])
        off = found.values["air_temperature"] - usual
        off = off[np.abs(off) < 1]
        assert off.size > 1150
        assert off.std() == pytest.approx(np.hypot(0.15, 0.1 / np.sqrt(12)), rel=0.15)
        assert abs(off.mean()) < 0.02
        assert (found.values["relative_humidity"] <= 100).all()


def told_by(where: Setting, when: datetime) -> Reports:
    planned = Planned("surface/FTM/x.txt", when, when, when, "ftm")
    return read(FTM.make(where, planned))


@pytest.mark.parametrize(("west", "south"), [(-0.5, 28.0), (106.0, -1.0)])
def test_no_text_for_places_that_it_cannot_hold(west: float, south: float) -> None:
    grid = replace(setting().region.grid, lon_west=west, lat_south=south)
    assert not list(FTM.plan(replace(setting(), region=replace(setting().region, grid=grid))))
