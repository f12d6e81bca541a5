"""The gale rule: hand-computed values, what velocities add, what their absence says."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hazard.test_rules import FLAT, SEVERE
from wxcore.hazard.gale import gale, gust_potential

NAN = math.nan
LIGHT: dict[str, Any] = SEVERE | {
    "radial_wind_low_m_s": 6.0, "marc_m_s": 8.0, "divergence_low_s1": 0.001, "bow": 0.0, "wind_view": 1.0,
    "velocity_fraction": 1.0, "folded_fraction": 0.0, "gust_front_km": 0.0,
}  # fmt: skip
"""Deep and wet, but the wind near the ground was seen and is light."""


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def structure() -> float:
    """S of SEVERE: gust potential 25.0 m/s and a third of 11.2 m/s; VIL 60; VIL density 4.3."""
    gust = math.sqrt(20.628571 * 60 - 3.125e-6 * 14_000**2) + math.hypot(10, 5) / 3
    return 0.4 * logistic((gust - 17.2) / 4) + 0.3 * logistic((60 - 43) / 6) + 0.3 * logistic((4.3 - 3.5) / 0.7)


def test_gust_of_stewart() -> None:
    """sqrt(20.628571 * 60 - 3.125e-6 * 14000^2) = sqrt(1237.7 - 612.5)."""
    assert gust_potential(60, 14) == pytest.approx(25.0, abs=0.01)
    assert gust_potential(10, 14) == 0


def test_without_velocities_it_is_weak_and_says_so() -> None:
    opinion = gale(SEVERE)
    assert opinion.p == pytest.approx(0.4 * structure())
    assert opinion.drivers[0] == "no radial velocity used"
    assert opinion.drivers_zh[0] == "未使用径向速度"


def test_by_hand() -> None:
    storm = LIGHT | {
        "radial_wind_low_m_s": 24.0,
        "wind_view": 0.8,
        "marc_m_s": 28.0,
        "divergence_low_s1": 0.009,
        "bow": 1.0,
    }
    share = 0.4 - 0.1 * 0.8
    parts = (
        0.85 * logistic((30.0 - 20) / 2.5), 0.5 * logistic((28 - 25) / 3), 0.4 * logistic((0.009 - 0.006) / 0.0015),
        0.3, share * structure(),
    )  # fmt: skip
    opinion = gale(storm)
    assert opinion.p == pytest.approx(min(0.95, 1 - math.prod(1 - part for part in parts)))
    assert opinion.drivers[:4] == (
        "radial wind 24.0 m/s below 1.5 km (>= 20)", "mid-level convergence (MARC) 28 m/s",
        "low-level divergence 9e-3 s-1", "bow-shaped, fast",
    )  # fmt: skip


def test_one_cell_of_light_wind_silences_nothing() -> None:
    """What was not seen, or only across the motion, is not calm."""
    blind = LIGHT | {"radial_wind_low_m_s": NAN}
    cell = LIGHT | {"radial_wind_low_m_s": 2.0, "velocity_fraction": 0.002}
    across = LIGHT | {"radial_wind_low_m_s": 3.0, "wind_view": 0.02}
    for storm in (cell, across):
        assert gale(storm).p == pytest.approx(gale(blind).p, abs=0.01)
    assert "wind seen in 0 % of the storm" in gale(cell).drivers
    assert gale(LIGHT).p < gale(blind).p - 0.05


def test_a_light_wind_that_was_seen_speaks_against() -> None:
    assert gale(LIGHT).p < gale(SEVERE).p
    assert gale(LIGHT).p < 0.35, "blue would be drafted"


def test_a_beam_across_the_motion_is_a_lower_bound() -> None:
    along, across = (gale(LIGHT | {"radial_wind_low_m_s": 18.0, "wind_view": view}) for view in (1.0, 0.1))
    assert across.p > along.p
    assert "beam across the motion: the wind may be stronger" in across.drivers
    less = gale(LIGHT | {"radial_wind_low_m_s": 18.0, "wind_view": 0.7})
    assert along.p < less.p < across.p, "the more across, the more the structure counts"
    assert along.p < gale(LIGHT | {"radial_wind_low_m_s": 18.0, "wind_view": NAN}).p < less.p


@pytest.mark.parametrize(
    ("fractions", "said"),
    [
        ({"velocity_fraction": 0.0, "folded_fraction": 0.0, "marc_m_s": NAN}, "no radial velocity used"),
        ({"velocity_fraction": 0.0, "folded_fraction": 0.6}, "low-level velocities range folded"),
        ({"velocity_fraction": 0.9, "folded_fraction": 0.01}, "no radial wind seen below 1.5 km"),
    ],
)
def test_why_no_wind_is_known(fractions: dict[str, float], said: str) -> None:
    assert gale(LIGHT | fractions | {"radial_wind_low_m_s": NAN}).drivers[0] == said


def test_what_is_known_aloft_counts_without_a_low_wind() -> None:
    blind = LIGHT | {"radial_wind_low_m_s": NAN, "marc_m_s": NAN, "divergence_low_s1": NAN}
    assert gale(blind).p == pytest.approx(0.4 * structure())
    parts = (0.5 * logistic((35 - 25) / 3), 0.4 * structure())
    assert gale(blind | {"marc_m_s": 35.0}).p == pytest.approx(1 - math.prod(1 - part for part in parts))
    assert gale(blind | {"marc_m_s": 0.0}).p >= gale(blind).p


def test_speed_adds_and_unknown_motion_does_not() -> None:
    lazy, fast, unknown = (gale(SEVERE | {"u_m_s": u, "v_m_s": 0.0}) for u in (0.0, 20.0, NAN))
    assert lazy.p < fast.p
    assert unknown.p == lazy.p
    assert "motion unknown" in unknown.drivers


def test_a_storm_that_hardly_moves_has_no_view() -> None:
    slow = LIGHT | {"radial_wind_low_m_s": 18.0, "u_m_s": 2.0, "v_m_s": 0.0}
    found = [gale(slow | {"wind_view": view}) for view in (0.05, 1.0, NAN)]
    assert found[0] == found[1] == found[2]


def test_a_structure_that_speaks_against_is_not_told_beside_a_wind() -> None:
    weak = LIGHT | {"radial_wind_low_m_s": 24.0, "vil_kg_m2": 4.0, "vil_density_g_m3": 0.5}
    assert not [driver for driver in gale(weak).drivers if "potential" in driver or "VIL" in driver]
    assert [driver for driver in gale(weak | {"radial_wind_low_m_s": NAN}).drivers if "VIL" in driver]


def test_velocities_alone_are_enough_and_nothing_is_not() -> None:
    bare = LIGHT | {"vil_kg_m2": NAN, "echo_top_18_km": NAN}
    assert gale(bare | {"radial_wind_low_m_s": 28.0}).p > 0.7
    nothing = {"radial_wind_low_m_s": NAN, "marc_m_s": NAN, "divergence_low_s1": NAN}
    assert gale(bare | nothing | {"marc_m_s": 45.0}).p > 0.45
    assert math.isnan(gale(bare | nothing).p)


def test_two_dimensional_is_not_assessed() -> None:
    assert math.isnan(gale(FLAT).p)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "radial_wind_low_m_s": st.floats(0, 60) | st.just(NAN),
            "marc_m_s": st.floats(0, 60) | st.just(NAN),
            "divergence_low_s1": st.floats(-0.02, 0.05) | st.just(NAN),
            "bow": st.sampled_from([0.0, 1.0, NAN]),
            "wind_view": st.floats(0, 1) | st.just(NAN),
            "vil_kg_m2": st.floats(0, 120),
        }
    ),
    st.floats(0, 30),
)
def test_monotone_and_within_0_and_1(beams: dict[str, float], more: float) -> None:
    p = gale(LIGHT | beams).p
    assert 0 <= p <= 0.95
    for name, step in (
        ("radial_wind_low_m_s", 1.0),
        ("marc_m_s", 1.0),
        ("divergence_low_s1", 1e-3),
        ("vil_kg_m2", 1.0),
    ):
        if math.isfinite(beams[name]):
            assert gale(LIGHT | beams | {name: beams[name] + more * step}).p >= p - 1e-12, name
