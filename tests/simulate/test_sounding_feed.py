"""Soundings of the simulated air, read back with the product's own reader."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from wxcore.environment.heights import heights_of
from wxcore.environment.tlogp import FORMAT, read_tlogp, recognise_tlogp
from wxcore.errors import TimeError
from wxcore.region import load_region
from wxcore.simulate.ground_truth import height_m, pressure_hpa, temperature_c
from wxcore.simulate.planned import SMALL, Setting
from wxcore.simulate.scene import Air, World
from wxcore.simulate.sounding_feed import SOUNDING, profile

START = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
COOL = Air(ground_m=420.0, ground_c=12.0, dew_point_c=9.0, ground_hpa=966.0, h0_m=2480.0, hm20_m=5950.0,
           tropopause_m=11_000.0, tropopause_c=-56.0)  # fmt: skip
STANDARD = Air(ground_m=0.0, ground_c=15.0, dew_point_c=-40.0, ground_hpa=1013.25, h0_m=15 / 0.0065,
               hm20_m=35 / 0.0065, tropopause_m=11_000.0, tropopause_c=-56.5)  # fmt: skip


def setting(air: Air | None = None, *, hours: float = 6) -> Setting:
    world = World(air=air or Air())
    return Setting(load_region("chongqing"), world, SMALL, START, START + timedelta(hours=hours), 4)


def test_the_files_that_an_afternoon_needs() -> None:
    assert [one.start.hour for one in SOUNDING.plan(setting())] == [0]
    planned = list(SOUNDING.plan(setting(hours=7)))
    assert [one.start for one in planned] == [START.replace(hour=0), START.replace(hour=12)]
    assert [one.arrives - one.start for one in planned] == [timedelta(minutes=80)] * 2
    assert planned[0].path == "upper_air/TLOGP/20260701080000.000"
    assert FORMAT.name_pattern.search(planned[0].path.rpartition("/")[2])
    from_noon = replace(setting(), start=START.replace(hour=12), end=START.replace(hour=13))
    assert [one.start.hour for one in SOUNDING.plan(from_noon)] == [0, 12]


@pytest.mark.parametrize("air", [Air(), COOL, STANDARD, Air(ground_m=1071.0, ground_hpa=893.0, ground_c=27.0)])
def test_the_heights_come_back(air: Air) -> None:
    made = SOUNDING.make(setting(air), next(SOUNDING.plan(setting(air))))
    assert recognise_tlogp(made[:512])
    found = read_tlogp(made, "20260701080000.000")
    assert found.simulated
    assert not found.rejected
    assert not found.remarks  # no height contradicts its pressure
    (one,) = found.profiles
    assert one.time == START.replace(hour=0)
    assert (one.place, one.lat, one.lon) == ("57516", 29.58, 106.46)
    heights = heights_of(one)
    assert heights.h0_m == pytest.approx(air.h0_m, abs=30)
    assert heights.hm20_m == pytest.approx(air.hm20_m, abs=30)
    assert not heights.remarks
    assert one.height[0] == pytest.approx(air.ground_m, abs=0.5)
    assert one.pressure[0] == pytest.approx(air.ground_hpa, abs=0.06)
    np.testing.assert_allclose(one.temperature, air.temperature_c(one.height), atol=0.06)
    u, v = air.wind(one.height)
    np.testing.assert_allclose(np.hypot(one.u - u, one.v - v), 0, atol=0.15)
    assert (one.dew_point <= one.temperature).all()
    assert 30 < one.height.size < 60
    assert np.diff(one.pressure).min() > -28


def test_pressure_is_that_of_the_standard_atmosphere() -> None:
    """ICAO: 850, 500 and 226.3 hPa at 1457, 5574 and 11,000 m; vapour makes our air a little higher."""
    for pressure, height in ((850, 1457), (500, 5574), (226.3, 11_000)):
        assert float(height_m(STANDARD, pressure)) == pytest.approx(height, rel=0.004)
    heights = np.array([-300.0, 0, 123, 4567, 20_000])
    np.testing.assert_allclose(height_m(STANDARD, pressure_hpa(STANDARD, heights)), heights, atol=1.0)


def test_below_its_ground_the_air_is_warmer_by_its_lapse() -> None:
    assert float(temperature_c(Air(), 300.0)) == 31.0
    assert float(temperature_c(Air(), 180.0)) == pytest.approx(31 + 120 * 31 / 4800)


def test_the_same_bytes_in_any_order_and_none_without_stations() -> None:
    planned = list(SOUNDING.plan(setting(hours=12)))
    first = [SOUNDING.make(setting(), one) for one in planned]
    assert [SOUNDING.make(setting(), one) for one in reversed(planned)] == first[::-1]
    assert len(set(first)) == len(planned)
    nowhere = replace(setting(), region=replace(load_region("chongqing"), soundings={}))
    assert not list(SOUNDING.plan(nowhere))


def test_several_stations_in_a_file() -> None:
    places = {"57516": (29.58, 106.47), "57461": (30.7, 111.3)}
    two = replace(setting(), region=replace(load_region("chongqing"), soundings=places))
    found = read_tlogp(SOUNDING.make(two, next(SOUNDING.plan(two))), "20260701080000.000")
    assert {one.place: (one.lat, one.lon) for one in found.profiles} == places


def test_naive_times_are_refused() -> None:
    naive = START.replace(tzinfo=None)
    with pytest.raises(TimeError):
        list(SOUNDING.plan(replace(setting(), start=naive)))
    with pytest.raises(TimeError):
        profile(Air(), naive, 29.6, 106.5, "57516")


def test_it_says_that_it_is_simulated_in_its_first_line() -> None:
    made = SOUNDING.make(setting(), next(SOUNDING.plan(setting())))
    assert re.match(rb"# \S+=\S+", made)
