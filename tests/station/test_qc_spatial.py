"""Buddy check and spatial consistency test: by hand, with elevation, and what they must leave alone."""

import numpy as np
import pytest

from wxcore.station.neighbours import BOX, EARTH_KM, NEAREST, network
from wxcore.station.qc_spatial import SCT_FEWEST, check_field, consistency

T, P = "air_temperature", "air_pressure"
RANDOM = np.random.default_rng(2)
N = 400
LAT, LON = RANDOM.uniform(29, 31, N), RANDOM.uniform(106, 108, N)
HEIGHT = RANDOM.uniform(200, 1500, N).astype("f4")
FIELD = 30 - 0.0065 * HEIGHT + 1.5 * np.sin(LAT * 3) + RANDOM.normal(0, 0.5, N)
NETWORK = network(LAT, LON, HEIGHT)


def flagged(values: np.ndarray, element: str = T) -> np.ndarray:
    return np.flatnonzero(check_field(element, values, NETWORK).level)


class TestNeighbours:
    def test_nearest_by_brute_force(self) -> None:
        lat, lon = np.deg2rad(LAT), np.deg2rad(LON)
        inner = np.sin(lat[:, None]) * np.sin(lat) + np.cos(lat[:, None]) * np.cos(lat) * np.cos(lon[:, None] - lon)
        arc = EARTH_KM * np.arccos(np.clip(inner, -1, 1))
        np.fill_diagonal(arc, np.inf)
        np.testing.assert_array_equal(NETWORK.near, np.argsort(arc, axis=1)[:, :NEAREST])
        np.testing.assert_allclose(NETWORK.km, np.sort(arc, axis=1)[:, :NEAREST], rtol=1e-3)

    def test_is_kept_for_the_same_stations(self) -> None:
        first = network(LAT, LON, HEIGHT)
        assert network(LAT.copy(), LON.copy(), HEIGHT.copy()) is first
        assert network(LAT, LON, HEIGHT + 1) is not first

    def test_without_a_position_nobody_is_near_and_at_one_place_everybody(self) -> None:
        lat = np.array([30.0, np.nan, 30.0, 30.0, 40.0])
        near = network(lat, np.full(5, 106.0), np.zeros(5, "f4")).near
        assert [sorted(row[row >= 0].tolist()) for row in near] == [[2, 3], [], [0, 3], [0, 2], []]


class TestBuddy:
    lat, lon = 30 + np.array([0, 1, -1, 0, 0, 1]) / 10, 106 + np.array([0, 0, 0, 1, -1, 1]) / 10

    def six(self, first: float, height: np.ndarray, values: np.ndarray) -> float:
        x = np.concatenate([[first], values])
        found = check_field(T, x, network(self.lat, self.lon, height.astype("f4")))
        assert not found.buddy[1:].any()
        return float(found.buddy[0])

    def test_by_hand(self) -> None:
        values = np.array([19.0, 20, 21, 19, 21])
        assert self.six(25, np.zeros(6), values) == pytest.approx(5 / 1.0, rel=1e-6)  # std sqrt(.8*1.2)=.98 < 1
        assert self.six(22.9, np.zeros(6), values) == 0
        values = 20 + 2 * (values - 20)
        assert self.six(30, np.zeros(6), values) == pytest.approx(10 / (np.sqrt(3.2) * np.sqrt(1.2)), rel=1e-6)

    def test_neighbours_are_moved_to_its_height_and_higher_ones_not_asked(self) -> None:
        height = np.array([250.0, 0, 0, 0, 0, 0])
        assert self.six(20 - 0.0065 * 250, height, np.full(5, 20.0)) == 0
        assert self.six(20 + 0.0065 * 250, height, np.full(5, 20.0)) == pytest.approx(3.25, rel=1e-6)
        assert self.six(30, height * 2, np.full(5, 20.0)) == 0

    def test_four_are_too_few(self) -> None:
        assert self.six(30, np.zeros(6), np.array([20, 20, 20, 20, np.nan])) == 0


class TestConsistency:
    def test_sane_field_passes(self) -> None:
        assert flagged(FIELD).size <= 2  # of 400; tails of the noise

    @pytest.mark.parametrize("off", [-50.0, -10.0, 12.0, 20.0])
    def test_each_of_many_outliers_is_found_and_few_others(self, off: float) -> None:
        wrong = [s for s in range(N) if NETWORK.near[s, :12].min() > s]
        assert len(wrong) >= 15
        values = FIELD.copy()
        values[wrong] += off
        found = flagged(values)
        assert set(wrong) <= set(found)
        assert len(set(found) - set(wrong)) <= 4

    def test_of_two_wrong_neighbours_both_are_found(self) -> None:
        values = FIELD.copy()
        pair = [7, NETWORK.near[7, 0]]
        values[pair] += 12
        assert set(pair) <= set(flagged(values))

    def test_its_own_lapse_rate_is_found(self) -> None:
        inversion = FIELD + (0.0065 + 0.01) * HEIGHT
        ratio, _ = consistency(T, inversion, NETWORK)
        assert (ratio > 0).mean() < 0.02

    def test_leave_one_out_as_by_a_dense_matrix(self) -> None:
        few = slice(0, BOX + 1)
        lat, lon, height = 30 + LAT[few] / 20, 106 + LON[few] / 20, np.zeros(BOX + 1, "f4")
        net = network(lat, lon, height)
        consistency(P, FIELD[few].copy(), net)
        km = np.linalg.norm(net.xyz[:, None] - net.xyz, axis=2)
        others = np.arange(1, BOX + 1)
        scale = np.clip(km[0, others].mean(), 10, 50)
        near = np.exp(-0.5 * (km / scale) ** 2)
        weight = np.linalg.solve(near[np.ix_(others, others)] + 0.5 * np.eye(BOX), near[0, others])
        kept = net.weights_of(P)
        np.testing.assert_allclose(kept.weight[0][np.argsort(net.near[0, :BOX])], weight, atol=2e-3)
        assert kept.variance[0] == pytest.approx(1.5 - near[0, others] @ weight, abs=2e-3)

    def test_nine_others_are_too_few(self) -> None:
        net = network(LAT[:SCT_FEWEST], LON[:SCT_FEWEST], np.zeros(SCT_FEWEST, "f4"))
        values = np.zeros(SCT_FEWEST)
        values[0] = 40
        assert not consistency(T, values, net)[0].any()

    def test_the_weights_follow_who_reports(self) -> None:
        values = FIELD.copy()
        first = consistency(T, values, NETWORK)
        values[::3] = np.nan
        consistency(T, values, NETWORK)
        np.testing.assert_array_equal(consistency(T, FIELD, NETWORK), first)

    def test_nobody_reports(self) -> None:
        assert not check_field(T, np.full(N, np.nan), NETWORK).level.any()
