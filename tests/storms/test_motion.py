"""Motion from positions: hand-computed fits, honest errors, first guesses."""

import numpy as np
import pytest

from wxcore.storms.motion import (
    CHANGE_SD_M_S,
    MAX_SPEED_M_S,
    POSITION_SD_KM,
    UNKNOWN,
    Motion,
    blended,
    borrowed,
    capped,
    common_shift,
    fit,
    inherited,
)

MINUTES = np.array([-24.0, -18.0, -12.0, -6.0, 0.0])


class TestFit:
    def test_straight_line(self) -> None:
        motion = fit(MINUTES, 0.6 * MINUTES, -0.3 * MINUTES)  # 0.6 km/min is 10 m/s
        assert (motion.u, motion.v) == (pytest.approx(10), pytest.approx(-5))

    def test_two_positions_by_hand(self) -> None:
        """Weights 0.8 and 1: spread = 0.8 * 1 / 1.8 * 36 = 16 min2, so sd = 2.5 km / 4 min."""
        motion = fit(np.array([-6.0, 0.0]), np.array([0.0, 3.6]), np.array([0.0, 0.0]))
        assert motion.u == pytest.approx(10)
        assert motion.sd == pytest.approx(POSITION_SD_KM / 4 * 1000 / 60)

    def test_agrees_with_numpy_polyfit(self) -> None:
        rng = np.random.default_rng(3)
        east, north = rng.normal(size=(2, 5)) * 5
        weight = np.sqrt(0.8 ** np.arange(4, -1, -1))
        motion = fit(MINUTES, east, north)
        assert motion.u * 0.06 == pytest.approx(np.polyfit(MINUTES, east, 1, w=weight)[0])
        assert motion.v * 0.06 == pytest.approx(np.polyfit(MINUTES, north, 1, w=weight)[0])

    def test_scatter_makes_it_less_sure(self) -> None:
        zigzag = np.array([3.0, -3.0, 3.0, -3.0, 3.0])
        assert fit(MINUTES, zigzag, zigzag).sd > 1.5 * fit(MINUTES, 0 * zigzag, 0 * zigzag).sd

    def test_error_is_honest(self) -> None:
        """Positions with POSITION_SD_KM of noise: the slope's error is what the fit says, within a fifth."""
        rng = np.random.default_rng(5)
        noise = rng.normal(scale=POSITION_SD_KM, size=(2000, 2, 5))
        motions = [fit(MINUTES, east, north) for east, north in noise]
        found = np.sqrt(np.mean([motion.u**2 for motion in motions]))
        said = np.sqrt(np.mean([motion.sd**2 for motion in motions]))
        assert said == pytest.approx(found, rel=0.2)

    def test_cap(self) -> None:
        motion = capped(Motion(60.0, 80.0, 2.0))
        assert np.hypot(motion.u, motion.v) == pytest.approx(MAX_SPEED_M_S)
        assert motion.u / motion.v == pytest.approx(60 / 80)
        assert motion.sd == pytest.approx(100 - MAX_SPEED_M_S)


class TestNeighbours:
    OTHERS = np.array([[0.0, 0.0, 10.0, 0.0, 2.0], [50.0, 0.0, 14.0, 0.0, 2.0], [500.0, 0.0, -30.0, 0.0, 2.0]])

    def test_mean_of_those_near(self) -> None:
        motion = borrowed(20.0, 0.0, self.OTHERS)
        assert (motion.u, motion.v) == (pytest.approx(12), 0)
        # Spread 2 (4 in u, 0 in v, halved) pooled with 6^2 half and half; own error of the mean 2 / sqrt 2.
        assert motion.sd == pytest.approx(np.sqrt((2 * 2 + 2 * 36) / 4 + 2))

    def test_none_near(self) -> None:
        assert np.isnan(borrowed(1000.0, 0.0, self.OTHERS).u)
        assert np.isnan(borrowed(0.0, 0.0, np.empty((0, 5))).sd)

    def test_blend_leans_on_the_surer(self) -> None:
        assert blended(Motion(10, 0, 1), Motion(20, 0, 3)).u == pytest.approx(11)
        assert blended(Motion(10, 0, 1), UNKNOWN).u == 10
        assert blended(Motion(10, 0, 0.1), UNKNOWN).sd > CHANGE_SD_M_S

    def test_a_split_storm_is_less_sure_than_its_mother(self) -> None:
        assert inherited(Motion(10, 0, 2)).sd > 6


class TestCommonShift:
    def test_rows_of_like_storms(self) -> None:
        old = np.array([[12.0 * i, 0.0] for i in range(6)])
        area = np.array([10.0, 40.0, 20.0, 80.0, 15.0, 60.0])
        shift = common_shift(old, area, old + np.array([8.5, 1.0]), area, radius_km=10.8)
        assert np.allclose(shift, [8.5, 1.0], atol=0.5)

    def test_nothing_in_reach_is_no_shift(self) -> None:
        shift = common_shift(np.zeros((1, 2)), np.ones(1), np.full((1, 2), 50.0), np.ones(1), radius_km=10.8)
        assert (shift == 0).all()
