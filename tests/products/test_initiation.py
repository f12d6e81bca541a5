"""SATCAST interest fields: each one met and failed by hand, and what cannot be judged."""

from dataclasses import fields, replace

import numpy as np
import pytest

from wxcore.products.initiation import FIELDS, Tops, convective_initiation, interest_fields

ALL_MET = {
    "bt108": 265.0, "change": -8.0, "change_before": -5.0, "warmest_before": 278.0, "wv": -25.0, "wv_change": 6.0,
    "co2": -15.0, "co2_change": 5.0,
}  # fmt: skip


def tops(**values):
    return Tops(**{name: np.array([value], "f4") for name, value in {**ALL_MET, **values}.items()})


def names(bits):
    return {name for k, name in enumerate(FIELDS) if int(bits[0]) >> k & 1}


def test_a_cumulus_that_shoots_up_meets_all_eight():
    met, judged = interest_fields(tops())
    assert names(met) == names(judged) == set(FIELDS)
    assert convective_initiation(tops()) == 8


@pytest.mark.parametrize(
    ("values", "lost"),
    [
        ({"bt108": 273.2}, {"below_freezing", "freezing_crossed"}),
        ({"change": -3.9}, {"cooling"}),
        ({"change_before": 0.0}, {"cooling_twice"}),
        ({"change": 0.5}, {"cooling", "cooling_twice"}),
        ({"wv": -35.1}, {"water_vapour"}),
        ({"wv": -9.9}, {"water_vapour"}),
        ({"wv_change": 3.0}, {"water_vapour_rise"}),
        ({"co2": -25.1}, {"carbon_dioxide"}),
        ({"co2": -4.9}, {"carbon_dioxide"}),
        ({"co2_change": 3.0}, {"carbon_dioxide_rise"}),
        ({"warmest_before": 273.1}, {"freezing_crossed"}),
    ],
)
def test_what_each_field_asks_for(values, lost):
    met, judged = interest_fields(tops(**values))
    assert names(judged) == set(FIELDS)
    assert set(FIELDS) - names(met) == lost
    assert convective_initiation(tops(**values)) == 8 - len(lost)


@pytest.mark.parametrize(
    "values", [{"bt108": 273.1}, {"change": -4.0}, {"wv": -35.0}, {"wv": -10.0}, {"co2": -25.0}, {"co2": -5.0},
               {"warmest_before": 273.2}]
)  # fmt: skip
def test_the_limits_themselves_count(values):
    assert convective_initiation(tops(**values)) == 8


def test_six_that_can_be_judged_are_enough_and_five_are_not():
    """Without 13.3 um (FY-2, GHI) two fields lack; without the image of 30 minutes ago two more."""
    no_co2 = tops(co2=np.nan, co2_change=np.nan)
    assert convective_initiation(no_co2) == 6
    assert names(interest_fields(no_co2)[1]) == set(FIELDS) - {"carbon_dioxide", "carbon_dioxide_rise"}
    assert np.isnan(convective_initiation(replace(no_co2, change_before=np.array([np.nan], "f4"))))


def test_what_cannot_be_judged_is_not_met():
    for field in fields(Tops):
        met, judged = interest_fields(tops(**{field.name: np.nan}))
        assert names(met) == names(judged) < set(FIELDS)


def test_clear_air_is_0_and_not_missing():
    clear = tops(bt108=292.0, change=0.0, change_before=0.0, warmest_before=292.0, wv=-52.0, wv_change=0.0, co2=-30.0,
                 co2_change=0.0)  # fmt: skip
    assert convective_initiation(clear) == 0
