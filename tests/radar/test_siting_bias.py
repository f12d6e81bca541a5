"""Bias between radars: the real pair with known offsets, an independent look through the mosaic, and the network."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radar.siting_scene import moved, offset, real_pair, synthetic_view
from tests.radar.synthetic_volumes import WHEN
from wxcore.errors import TimeError
from wxcore.grid import Grid
from wxcore.radar.geometry import ground_position
from wxcore.radar.mosaic import grid_volume
from wxcore.radar.siting.bias import (
    LEAST_POINTS,
    PairBias,
    bias_alarms,
    from_row,
    pair_bias,
    radar_biases,
    to_row,
)
from wxcore.radar.siting.overlap import View, view_of


@pytest.fixture(scope="module")
def pair(radar_data: Path) -> tuple[View, View]:
    one, two = real_pair(radar_data)
    return view_of(one), view_of(two)


def made(a: str, b: str, median: float, n: int = 1000, correlation: float = 0.9) -> PairBias:
    return PairBias(a, b, WHEN, n, median, 2.0, correlation, (-1.0, 0.0, 1.0, 2.0))


class TestRealPair:
    def test_taizhou_shows_more(self, pair: tuple[View, View]) -> None:
        found = pair_bias(*pair)
        assert found.valid
        assert (found.radar_a, found.radar_b) == ("Z9517", "Z9523")
        assert found.n > 20_000
        assert found.median_db == pytest.approx(3.26, abs=0.1)
        assert found.spread_db < 4
        assert found.correlation > 0.8
        assert found.time == pair[1].time
        low, lower, upper, high = found.quantiles_db
        assert low < lower < found.median_db < upper < high

    def test_the_other_way_round(self, pair: tuple[View, View]) -> None:
        assert pair_bias(*pair[::-1]).median_db == pytest.approx(-pair_bias(*pair).median_db, abs=0.05)

    def test_against_the_columns_of_the_mosaic(self, radar_data: Path, pair: tuple[View, View]) -> None:
        """Another way: two single-radar mosaics at 3 km, cells about equally far from both."""
        volumes = real_pair(radar_data)
        grid = Grid(118.2, 31.4, 240, 300, 0.01, levels_m=(3000.0, 3500.0))
        dbz, far = [], []
        for volume in volumes:
            dbz.append(grid_volume(volume, grid).reflectivity.to_numpy()[0])
            site = volume.site
            metres, _ = ground_position(site.latitude, site.longitude, grid.lat[:, None], grid.lon[None, :])
            far.append(metres)
        equal = np.abs(far[0] - far[1]) <= 0.1 * np.minimum(*far)
        a, b = dbz
        with np.errstate(invalid="ignore"):
            echo = (np.minimum(a, b) >= 10) & (np.maximum(a, b) <= 50) & (a + b >= 40) & (a + b <= 80) & equal
        assert echo.sum() > 3000
        assert np.median((b - a)[echo]) == pytest.approx(pair_bias(*pair).median_db, abs=0.8)

    @pytest.mark.parametrize("db", [3.0, 1.0, -1.0, -3.0])
    def test_known_offset_is_found(self, pair: tuple[View, View], db: float) -> None:
        before, after = pair_bias(*pair).median_db, pair_bias(pair[0], offset(pair[1], db)).median_db
        assert after - before == pytest.approx(db, abs=0.15)

    def test_the_real_difference_is_told_and_an_offset_adds_to_it(self, pair: tuple[View, View]) -> None:
        for views, db in ((pair, 3.3), ((pair[0], offset(pair[1], 3.0)), 6.3), ((offset(pair[0], -3.0), pair[1]), 6.3)):
            (alarm,) = bias_alarms([pair_bias(*views)])
            assert alarm.radars == ("Z9523", "Z9517")
            assert alarm.bias_db == pytest.approx(db, abs=0.3)
            assert f"radar Z9523 shows {db:.0f}." in alarm.sentence.en
            assert f"雷达 Z9523 比雷达 Z9517 强 {db:.0f}." in alarm.sentence.zh

    @pytest.mark.parametrize("db", [1.0, -1.0])
    def test_levelled_a_decibel_is_no_alarm(self, pair: tuple[View, View], db: float) -> None:
        level = pair_bias(*pair).median_db
        assert bias_alarms([pair_bias(pair[0], offset(pair[1], db - level))]) == []

    @pytest.mark.parametrize(("db", "alarms"), [(3.0, 1), (-3.0, 1), (1.0, 0), (-1.0, 0)])
    def test_against_a_calibrated_reference(self, pair: tuple[View, View], db: float, alarms: int) -> None:
        """Taizhou levelled to Huai'an, then put off by a known amount."""
        level = pair_bias(*pair).median_db
        found = pair_bias(pair[0], offset(pair[1], db - level))
        told = bias_alarms([found], reference="Z9517")
        assert len(told) == alarms
        for alarm in told:
            assert alarm.radars == ("Z9523",)
            assert np.sign(alarm.bias_db) == np.sign(db)
            assert ("more" if db > 0 else "less") in alarm.sentence.en
            assert ("偏强" if db > 0 else "偏弱") in alarm.sentence.zh

    def test_elsewhere_displaced_the_two_do_not_correlate(self, pair: tuple[View, View]) -> None:
        found = pair_bias(pair[0], moved(pair[1], 0.3, 0.3))
        assert not found.valid
        assert radar_biases([found]) == {}


class TestSynthetic:
    def test_radars_at_different_heights(self) -> None:
        a = synthetic_view("A", 30.3, 105.2)
        b = synthetic_view("B", 30.3, 106.4, altitude_m=1500.0, bias_db=2.5)
        found = pair_bias(a, b)
        assert found.n > LEAST_POINTS
        assert found.median_db == pytest.approx(2.5, abs=0.3)
        assert found.spread_db < 2.5

    def test_one_place(self) -> None:
        a = synthetic_view("A", 30.3, 106.0)
        found = pair_bias(a, replace(offset(a, 1.5), site=replace(a.site, id="B")))
        assert (found.median_db, found.spread_db) == pytest.approx((1.5, 0.0), abs=1e-6)


class TestNetwork:
    def test_solved_by_hand(self) -> None:
        pairs = [made("A", "B", 1.0), made("B", "C", 2.0), made("A", "C", 3.0)]
        assert radar_biases(pairs) == pytest.approx({"A": -4 / 3, "B": -1 / 3, "C": 5 / 3})
        assert radar_biases(pairs, reference="B") == pytest.approx({"A": -1.0, "B": 0.0, "C": 2.0})

    def test_more_points_weigh_more(self) -> None:
        """A-C says 6 with half the points of the two that say 3 together."""
        pairs = [made("A", "B", 1.0, 10_000), made("B", "C", 2.0, 10_000), made("A", "C", 6.0, 5000)]
        found = radar_biases(pairs, reference="A")
        # minimise 10 (b - 1)^2 + 10 (c - b - 2)^2 + 5 (c - 6)^2: b = 1.75, c = 4.5
        assert found == pytest.approx({"A": 0.0, "B": 1.75, "C": 4.5})

    def test_what_is_not_joined_is_solved_apart(self) -> None:
        found = radar_biases([made("A", "B", 4.0), made("C", "D", 6.0), made("D", "E", 0.0, n=5)])
        assert found == pytest.approx({"A": -2, "B": 2, "C": -3, "D": 3})

    def test_alarm_names_the_one(self) -> None:
        alarms = bias_alarms([made("A", "B", 0.1), made("B", "C", 4.0), made("A", "C", 4.0)])
        assert [alarm.radars for alarm in alarms] == [("C",)]
        assert alarms[0].n == 2000
        assert "2020-06-12T05:39:20Z" in alarms[0].sentence.en

    def test_two_radars_name_both_only_beyond_the_limit(self) -> None:
        assert bias_alarms([made("A", "B", 1.9)]) == []
        (alarm,) = bias_alarms([made("A", "B", -2.2)])
        assert alarm.radars == ("A", "B")
        assert alarm.bias_db == pytest.approx(2.2)

    @pytest.mark.parametrize("bad", [made("A", "B", 9.0, n=LEAST_POINTS - 1), made("A", "B", 9.0, correlation=0.2),
                                     made("A", "B", np.nan), made("A", "A", 9.0)])  # fmt: skip
    def test_no_claim_without_data(self, bad: PairBias) -> None:
        assert radar_biases([bad]) == {}
        assert bias_alarms([bad]) == []
        assert bias_alarms([]) == []

    @given(
        st.lists(st.floats(-5, 5), min_size=2, max_size=6),
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=15),
    )
    def test_consistent_differences_are_recovered(self, truth: Sequence[float], edges: list[tuple[int, int]]) -> None:
        joined = [(a % len(truth), b % len(truth)) for a, b in edges]
        pairs = [made(str(a), str(b), truth[b] - truth[a]) for a, b in joined if a != b]
        found = radar_biases(pairs)
        for pair in pairs:
            assert found[pair.radar_b] - found[pair.radar_a] == pytest.approx(pair.median_db, abs=1e-6)
        assert sum(found.values()) == pytest.approx(0, abs=1e-6)


class TestNotCompared:
    A = synthetic_view("A", 30.3, 105.2, count=5)

    def test_said_why(self) -> None:
        late = replace(self.A, time=WHEN + timedelta(minutes=12))
        for other, words in (
            (late, "12 min apart"),
            (replace(self.A, tilts=()), "no tilt"),
            (replace(self.A, site=replace(self.A.site, longitude=np.nan)), "is not valid"),
            (replace(self.A, site=replace(self.A.site, altitude_m=-9999.0)), "cannot be"),
            (moved(self.A, east=9.0), "no place is equally far"),
            (offset(self.A, -60.0), "no common echo"),
        ):
            found = pair_bias(self.A, other)
            assert found.n == 0
            assert not found.valid
            assert found.reason is not None
            assert words in found.reason.en
            assert "雷达" in found.reason.zh

    def test_naive_time(self) -> None:
        with pytest.raises(TimeError):
            pair_bias(self.A, replace(self.A, time=datetime(2020, 6, 12)))  # noqa: DTZ001


class TestRows:
    @given(
        st.floats(-30, 30) | st.just(np.nan), st.integers(0, 10**6), st.sampled_from(["Z9517", "雷达"]),
    )  # fmt: skip
    def test_round_trip(self, median: float, n: int, radar: str) -> None:
        pair = made(radar, "Z9523", median, n)
        row = to_row(pair)
        assert all(isinstance(value, str) for value in row.values())
        back = from_row(row)
        assert (back.radar_a, back.radar_b, back.time, back.n) == (radar, "Z9523", WHEN, n)
        assert back.median_db == pytest.approx(median, abs=5e-4, nan_ok=True)
        assert back.quantiles_db == pair.quantiles_db

    def test_a_damaged_row(self) -> None:
        row = to_row(made("A", "B", 1.0))
        with pytest.raises(ValueError, match="oops"):
            from_row({**row, "median_db": "oops"})
        with pytest.raises(TimeError):
            from_row({**row, "time": "yesterday"})
        with pytest.raises(KeyError):
            from_row({})
