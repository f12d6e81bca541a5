import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.environment.makers import LAPSE, of, simple
from wxcore.environment.heights import heights_of, wet_bulb_temperature


def test_heights_of_a_known_lapse_rate() -> None:
    found = heights_of(simple(surface=26.0))
    assert (found.h0_m, found.hm10_m, found.hm20_m) == pytest.approx(
        (26 / LAPSE * 1000, 36 / LAPSE * 1000, 46 / LAPSE * 1000)
    )
    assert found.wet_bulb_zero_m < found.h0_m
    assert found.remarks == ()
    assert not found.grounded


def test_an_inversion_below_600_hpa_takes_its_highest_fall() -> None:
    # 0.5 km 3 C, 1.5 km -2 C, 2.5 km 4 C, 3.5 km -1 C (about 645 hPa), then colder.
    found = heights_of(of([3, -2, 4, -1, -7, -14, -21, -28]))
    assert found.h0_m == pytest.approx(2500 + 4 / 5 * 1000)
    assert "inversion, 2 falls" in found.remarks[0][0]
    assert "有逆温，2 次" in found.remarks[0][1]


def test_an_inversion_above_600_hpa_does_not_count() -> None:
    # Falls at 1.5 ... 2.5 km and again above 5.5 km (about 500 hPa): the first is the highest below 600 hPa.
    found = heights_of(of([10, 5, -1, -3, -2, 1, -8, -15, -22]))
    assert found.h0_m == pytest.approx(1500 + 5 / 6 * 1000)


def test_several_falls_all_above_600_hpa_take_the_first() -> None:
    found = heights_of(of([20, 16, 12, 8, 4, -1, 1, -8, -15, -22]))
    assert found.h0_m == pytest.approx(4500 + 4 / 5 * 1000)


def test_a_warm_nose_over_frozen_ground() -> None:
    found = heights_of(of([-2, 3, 1, -5, -12, -19, -26]))
    assert found.h0_m == pytest.approx(2500 + 1 / 6 * 1000)
    assert not found.grounded


def test_frozen_ground_is_its_own_height_and_told() -> None:
    found = heights_of(of([-2, -5, -12, -19, -26]))
    assert found.h0_m == 500
    assert found.grounded
    assert "ground is colder" in found.remarks[0][0]


def test_what_is_not_reached_is_nan() -> None:
    found = heights_of(of([20, 14, 8, 2, -5]))
    assert found.h0_m == pytest.approx(3500 + 2 / 7 * 1000)
    assert np.isnan(found.hm20_m)


def test_the_stratosphere_is_not_searched() -> None:
    profile = of([20, 10, 0.5, -10, -30, -60, -30, 5, -5], [1000, 850, 700, 500, 300, 100, 30, 3, 1])
    assert heights_of(profile).h0_m == pytest.approx(2500 + 0.5 / 10.5 * 1000)


def test_levels_without_temperature_are_passed() -> None:
    profile = of([20, 14, float("nan"), 2, -6, -13, -21])
    assert heights_of(profile).h0_m == pytest.approx(3500 + 2 / 8 * 1000)


def test_wet_bulb_of_the_psychrometric_table() -> None:
    # Psychrometer's equation by hand at Tw 10 C, T 15 C, 1000 hPa: e = 12.272 - 0.00066 * 1.0115 * 1000 * 5 =
    # 8.934 hPa, whose dew point is 243.5 x / (17.67 - x) with x = ln(8.934 / 6.112) = 0.3796: 5.346 C.
    found = wet_bulb_temperature(np.array([1000.0]), np.array([15.0]), np.array([5.346]))
    assert found[0] == pytest.approx(10, abs=0.02)


@settings(max_examples=100, deadline=None)
@given(st.floats(300, 1050), st.floats(-40, 45), st.floats(0, 50))
def test_wet_bulb_lies_between_dew_point_and_temperature(pressure: float, warm: float, depression: float) -> None:
    dew = warm - depression
    found = wet_bulb_temperature(np.array([pressure]), np.array([warm]), np.array([dew]))[0]
    assert dew - 0.01 <= found <= warm + 0.01
