"""What is true at a place and time, against plain formulas written a second time, and hand values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import TimeError
from wxcore.simulate import fields
from wxcore.simulate.scene import Air, Cell, Shield, World

NOON = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
LIFE = 100.0
CALM = Air(winds=((0.0, 0.0, 0.0), (20_000.0, 0.0, 0.0)))
KM = 6371 * np.pi / 180
LAT = 29.5
CELL = Cell(
    106.5, LAT, 0, 0, NOON, LIFE, 56.0, 10.0, 9000.0, hail_mm=40, rotation_m_s=20, outflow_m_s=26,
    lean_x=0.3, lean_y=0.1,
)  # fmt: skip
SHIELD = Shield(106.5, LAT, 0, 0, NOON, LIFE, 35.0, 60.0, 20.0, 90.0)


def at_age(part: float) -> datetime:
    return NOON + timedelta(minutes=part * LIFE)


def world(*cells: Cell, air: Air = CALM) -> World:
    return World(cells, air=air)


def place(east_km: float, north_km: float) -> tuple[float, float]:
    """Of so many km from the cell, by its own parallel."""
    return 106.5 + east_km / (KM * np.cos(np.deg2rad(LAT))), LAT + north_km / KM


def expected_dbz(x: float, y: float, height: float, age: float) -> float:
    vigour = 1 - abs(2 * age - 1) ** 3
    aloft = max(height / 1000 - 2, 0)
    square = ((x - 0.3 * aloft) ** 2 + (y - 0.1 * aloft) ** 2) / 10**2
    peak, top = 56 - 20 * (1 - vigour), 9000 * (0.6 + 0.4 * vigour)
    body = peak - 20 * square - 6 * max(height - top, 0) / 1000
    hail_core = peak + 6 * vigour - 120 * square - 3 * ((height - 6500) / 2500) ** 2
    return max(body, hail_core, -33.0)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-25, 25), st.floats(-25, 25), st.floats(0, 19_000), st.sampled_from((0.05, 0.2, 0.5, 0.9))
)  # fmt: skip
def test_the_echo_of_a_cell(x: float, y: float, height: float, age: float) -> None:
    found = fields.reflectivity(world(CELL), *place(x, y), height, at_age(age))
    assert float(found) == pytest.approx(expected_dbz(x, y, height, age), abs=0.02)


def test_the_echo_falls_by_20_db_at_the_radius_and_the_hail_core_is_aloft() -> None:
    straight = world(replace(CELL, lean_x=0, lean_y=0))
    column = fields.reflectivity(straight, 106.5, LAT, np.array([1500.0, 6500, 10_000]), at_age(0.5))
    np.testing.assert_allclose(column, [56, 62, 56 + 6 - 3 * 1.4**2], atol=0.01)
    assert float(fields.reflectivity(straight, *place(0, 10), 1500, at_age(0.5))) == pytest.approx(36, abs=0.01)


def test_a_mesocyclone_turns_by_its_sign() -> None:
    one, other = (
        fields.wind(world(replace(CELL, outflow_m_s=0, rotation_m_s=sign * 20.0)), *place(5, 3), 4000, at_age(0.5))
        for sign in (1, -1)
    )
    np.testing.assert_allclose(one, np.negative(other))
    assert np.hypot(*one) > 5
    assert one[1] > 0, "counterclockwise: to the north on its east side"


def test_nothing_is_there_before_birth_and_after_death() -> None:
    for when in (NOON - timedelta(seconds=1), at_age(1) + timedelta(seconds=1)):
        assert float(fields.reflectivity(world(CELL), 106.5, LAT, 3000, when)) == -33
        assert float(fields.ground(world(CELL), 106.5, LAT, when).gust) == 0


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 0.98))
def test_echo_and_wind_have_no_steps_in_time(age: float) -> None:
    moving = replace(CELL, u_m_s=12.0, v_m_s=-5.0)
    before, after = at_age(age), at_age(age) + timedelta(seconds=1)
    dbz = [
        float(fields.reflectivity(world(moving), *moving.place(when), 3000, when)) for when in (before, after)
    ]  # fmt: skip
    assert abs(dbz[1] - dbz[0]) < 20 * 6 / LIFE / 60 + 0.01
    here = moving.place(before)
    gusts = [float(fields.ground(world(moving), here[0], here[1] + 0.1, when).gust) for when in (before, after)]
    assert abs(gusts[1] - gusts[0]) < 0.3


def test_a_sheet_has_a_bright_band_and_lies_along_its_heading() -> None:
    sheet = World(shields=(SHIELD,), air=CALM)
    heights = np.array([2000.0, 4900, 4900 + 300, 6100])
    column = fields.reflectivity(sheet, 106.5, LAT, heights, at_age(0.5))
    np.testing.assert_allclose(column, [35, 41, 35 - 4.5 * 0.1, 35 - 4.5], atol=1e-6)
    east, north = (float(fields.reflectivity(sheet, *place(*km), 2000, at_age(0.5))) for km in ((60, 0), (0, 20)))
    assert [east, north] == pytest.approx([20, 20], abs=0.05)
    turned = World(shields=(replace(SHIELD, heading_deg=0.0),), air=CALM)
    assert float(fields.reflectivity(turned, *place(0, 60), 2000, at_age(0.5))) == pytest.approx(20, abs=0.05)


def test_a_mesocyclone_turns_counterclockwise_and_is_strongest_at_a_quarter_of_the_radius() -> None:
    turning = world(replace(CELL, lean_x=0, lean_y=0, outflow_m_s=0))
    km = np.arange(0, 12, 0.25)
    u, v = fields.wind(turning, place(1, 0)[0] + (km - 1) * (place(1, 0)[0] - 106.5), LAT, 4750, at_age(0.5))
    assert km[v.argmax()] == 2.5
    assert v.max() == pytest.approx(20, abs=0.01)
    np.testing.assert_allclose(u, 0, atol=1e-9)
    assert float(fields.wind(turning, *place(0, 2.5), 4750, at_age(0.5))[0]) == pytest.approx(-20, abs=0.01)
    for height in (400, 9100):
        assert float(np.hypot(*fields.wind(turning, *place(2.5, 0), height, at_age(0.5)))) == 0


def test_outflow_is_strongest_at_the_front_and_ends_a_quarter_beyond() -> None:
    blowing = world(replace(CELL, rotation_m_s=0))
    front = 5 + 0.03 * 26 * 0.2 * LIFE
    felt = fields.ground(blowing, 106.5, place(0, front)[1], at_age(0.5))
    assert float(felt.gust) == pytest.approx(26 * (1 - 10 / 1500), abs=0.02)
    assert float(felt.v) == pytest.approx(float(felt.gust) / 1.3)
    assert float(felt.u) == pytest.approx(0, abs=1e-9)
    north = LAT + np.arange(0, 40, 0.5) / KM
    gust = fields.ground(blowing, 106.5, north, at_age(0.5)).gust
    assert abs(float(np.arange(0, 40, 0.5)[gust.argmax()]) - front) <= 0.5
    assert float(fields.ground(blowing, *place(0, 1.26 * front), at_age(0.5)).gust) == 0
    assert float(fields.wind(blowing, *place(0, front), 300 + 1500, at_age(0.5))[1]) == 0
    assert float(fields.ground(blowing, *place(0, 5), at_age(0.25)).gust) == 0, "before its outflow"


def test_the_ground_feels_rain_cold_and_pressure() -> None:
    felt = fields.ground(world(replace(CELL, peak_dbz=40.0, hail_mm=0)), 106.5, LAT, at_age(0.5))
    assert float(felt.rain) == pytest.approx((10**4 / 300) ** (1 / 1.4))
    assert float(felt.deficit) == pytest.approx(0.4 * 26)
    assert float(felt.jump) == pytest.approx(0.15 * 26)
    heavy = fields.ground(world(CELL), 106.5, LAT, at_age(0.5))
    assert float(heavy.rain) == pytest.approx((10**5.3 / 300) ** (1 / 1.4)), "capped at 53 dBZ"
    far = fields.ground(world(CELL), *place(80, 0), at_age(0.5))
    assert (float(far.rain), float(far.deficit), float(far.jump), float(far.gust)) == (0, 0, 0, 0)


def test_hail_falls_near_the_core_in_mid_life() -> None:
    def hail(east_km: float, age: float) -> float:
        return float(fields.hail_size(world(CELL), *place(east_km, 0), at_age(age)))

    assert hail(0, 0.5) == pytest.approx(40)
    assert hail(2, 0.5) == pytest.approx(40 * (1 - 6 * 0.04), abs=0.05)
    assert hail(4.1, 0.5) == 0
    assert hail(0, 0.2) == pytest.approx(40 * (2 * (1 - 0.6**3) - 1))
    assert hail(0, 0.05) == 0


def test_the_cloud_is_a_dome_with_an_anvil() -> None:
    tower = world(CELL)
    top, thin, emissivity = fields.clouds(tower, 106.5, LAT, at_age(0.5))
    assert float(top) == pytest.approx(9000 + 1000 * (56 - 5) / 6)
    side = float(fields.clouds(tower, *place(5, 0), at_age(0.5))[0])
    assert side == pytest.approx(9000 + 1000 * (56 - 5 - 5) / 6, abs=2)
    assert float(thin) == 9000 + fields.ANVIL_ABOVE_M
    assert 0 < float(emissivity) <= 1
    edge = 10 + 0.5 * 0.2 * LIFE
    assert float(fields.clouds(tower, *place(edge - 0.5, 0), at_age(0.5))[2]) > 0
    assert [float(part) for part in fields.clouds(tower, *place(edge + 0.5, 0), at_age(0.5))] == [0, 0, 0]
    over_sheet = fields.clouds(World(shields=(SHIELD,)), *place(55, 0), at_age(0.5))
    assert float(over_sheet[0]) == SHIELD.top_m


def test_air_is_that_of_the_environment_where_no_storm_is() -> None:
    clear = World()
    u, v = fields.wind(clear, 106.5, LAT, np.array([300.0, 5600, 7300]), NOON)
    np.testing.assert_allclose(u, [-1, 12, 14.5])
    np.testing.assert_allclose(v, [2.5, 5, 4.5])
    np.testing.assert_allclose(clear.air.temperature_c([300, 5100, 8400, 18_000]), [31, 0, -20, -76])


def test_naive_times_are_refused() -> None:
    naive = NOON.replace(tzinfo=None)
    for ask in (fields.clouds, fields.ground, fields.hail_size):
        with pytest.raises(TimeError):
            ask(world(CELL), 106.5, LAT, naive)
    for ask_aloft in (fields.reflectivity, fields.wind):
        with pytest.raises(TimeError):
            ask_aloft(world(CELL), 106.5, LAT, 1000, naive)
