"""A radar that was moved or turned: the real pair displaced by hand, and three radars over one synthetic field."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.siting_scene import moved, real_pair, synthetic_view, turned
from tests.radar.synthetic_volumes import WHEN
from wxcore.errors import TimeError
from wxcore.radar.siting import match
from wxcore.radar.siting.overlap import View, view_of
from wxcore.radar.siting.position import (
    PositionCheck,
    position_alarms,
    position_check,
    who_moved,
)
from wxcore.radar.tilts import AZIMUTH_STEPS

DEG_KM = 111.0
PLACES = {"A": (30.3, 105.2), "B": (30.3, 106.6), "C": (29.4, 105.9)}


@pytest.fixture(scope="module")
def pair(radar_data: Path) -> tuple[View, View]:
    one, two = real_pair(radar_data)
    return view_of(one), view_of(two)


@lru_cache(maxsize=8)
def view(radar: str, *, north: float = 0.0, turn: float = 0.0) -> View:
    return synthetic_view(radar, *PLACES[radar], north=north, turned=turn)


def all_checks(views: Sequence[View]) -> list[PositionCheck]:
    return [position_check(a, b) for k, a in enumerate(views) for b in views[k + 1 :]]


class TestRealPair:
    def test_no_alarm_as_they_are(self, pair: tuple[View, View]) -> None:
        for check in (position_check(*pair), position_check(*pair[::-1])):
            assert check.reason is None
            assert not check.alarm
            assert check.correlation_here > 0.9
            assert check.n > 1000
            assert check.displacement_km < check.tolerance_km == pytest.approx(3.58)

    @pytest.mark.parametrize(("north", "east"), [(0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05)])
    def test_either_radar_displaced_by_005_deg(self, pair: tuple[View, View], north: float, east: float) -> None:
        here = np.cos(np.deg2rad(32.9))
        for which, sign in ((1, -1), (0, 1)):
            views = list(pair)
            views[which] = moved(views[which], north, east)
            check = position_check(views[0], views[1])
            assert check.alarm
            assert not check.about
            assert check.shift_km_north == pytest.approx(sign * north * DEG_KM, abs=1.2)
            assert check.shift_km_east == pytest.approx(sign * east * DEG_KM * here, abs=1.2)
            (alarm,) = position_alarms([check])
            assert alarm.radars == ("Z9517", "Z9523")

    @pytest.mark.parametrize("turn", [3.0, -3.0, 5.0, -5.0])
    def test_either_radar_turned(self, pair: tuple[View, View], turn: float) -> None:
        for which, radar in enumerate(("Z9517", "Z9523")):
            views = list(pair)
            views[which] = turned(views[which], turn)
            check = position_check(views[0], views[1])
            assert check.alarm
            assert check.about == radar
            assert check.rotation_deg == pytest.approx(-turn, abs=1.2)

    def test_far_from_where_it_says(self, pair: tuple[View, View]) -> None:
        far = position_check(pair[0], moved(pair[1], 0.2, 0.0))
        assert far.alarm
        assert far.shift_km_north == pytest.approx(-22.2, abs=2)
        nowhere = position_check(pair[0], moved(pair[1], 0.0, 1.0))
        assert nowhere.unmatched
        assert "match nowhere" in position_alarms([nowhere])[0].sentence.en
        assert "均不吻合" in position_alarms([nowhere])[0].sentence.zh

    @pytest.mark.parametrize("first", [0, 90, 180, 270])
    def test_no_alarm_from_a_part_of_the_sky(self, pair: tuple[View, View], first: int) -> None:
        a, b = pair
        azimuth = np.arange(AZIMUTH_STEPS) * (360 / AZIMUTH_STEPS)
        part = (azimuth >= first) & (azimuth < first + 90)
        tilts = tuple(replace(tilt, ray_of=np.where(part, tilt.ray_of, -1)) for tilt in a.tilts)
        check = position_check(replace(a, tilts=tilts), b)
        assert not check.alarm


class TestThreeRadars:
    def test_all_in_place(self) -> None:
        checks = all_checks([view("A"), view("B"), view("C")])
        assert all(check.reason is None and not check.alarm for check in checks)
        assert all(check.correlation_here > 0.93 for check in checks)
        assert who_moved(checks) == []

    @pytest.mark.parametrize("radar", ["A", "B", "C"])
    def test_the_moved_one_is_named(self, radar: str) -> None:
        views = [view(name, north=0.06 if name == radar else 0.0) for name in "ABC"]
        checks = all_checks(views)
        assert who_moved(checks) == [(radar,)]
        for check in checks:
            sign = (check.radar_b == radar) - (check.radar_a == radar)
            if sign:
                assert check.shift_km_north == pytest.approx(sign * 6.7, abs=1.0)
                assert abs(check.shift_km_east) < 1.0
            else:
                assert not check.alarm
        (alarm,) = position_alarms(checks)
        assert alarm.radars == (radar,)
        assert f"radar {radar} does not agree with 2 of its neighbours" in alarm.sentence.en
        assert f"雷达 {radar} 与 2 部相邻雷达不一致" in alarm.sentence.zh

    def test_the_turned_one_is_named(self) -> None:
        checks = all_checks([view("A"), view("B", turn=4.0), view("C")])
        assert who_moved(checks) == [("B",)]
        for check in checks:
            if check.alarm:
                assert check.about == "B"
                assert check.rotation_deg == pytest.approx(-4.0, abs=0.6)
        assert "azimuths of B need -" in position_alarms(checks)[0].sentence.en


class TestVotes:
    @staticmethod
    def check(a: str, b: str, *, alarm: bool) -> PositionCheck:
        best = 0.95 if alarm else 0.9
        return PositionCheck(a, b, WHEN, 6, 0, 0, 0.5 if alarm else 0.9, best, 999, displacement_km=6, everywhere=alarm)

    def checks(self, *alarms: str, calm: Sequence[str] = ()) -> list[PositionCheck]:
        return [self.check(*pair, alarm=True) for pair in alarms] + [self.check(*pair, alarm=False) for pair in calm]

    def test_two_radars_name_both(self) -> None:
        assert who_moved(self.checks("AB")) == [("A", "B")]

    def test_a_chain_names_the_one_without_a_calm_pair(self) -> None:
        assert who_moved(self.checks("AB", calm=["BC"])) == [("A",)]

    def test_two_that_moved(self) -> None:
        checks = self.checks("AB", "AC", "AD", "AE", "BC", "BD", "BE", calm=["CD", "CE", "DE"])
        assert sorted(who_moved(checks)) == [("A",), ("B",)]

    def test_all_against_all_names_no_one(self) -> None:
        assert sorted(who_moved(self.checks("AB", "AC", "BC"))) == [("A", "B"), ("A", "C"), ("B", "C")]

    def test_what_was_not_compared_has_no_vote(self) -> None:
        late = position_check(view("A"), replace(view("B"), time=WHEN + timedelta(minutes=12)))
        assert who_moved([late]) == []
        assert position_alarms([late]) == []

    @given(st.lists(st.tuples(st.sampled_from("ABCDEF"), st.sampled_from("ABCDEF"), st.booleans()), max_size=15))
    def test_every_alarm_is_told(self, pairs: list[tuple[str, str, bool]]) -> None:
        checks = [self.check(a, b, alarm=alarm) for a, b, alarm in pairs if a != b]
        named = who_moved(checks)
        for check in checks:
            told = any(radar in {check.radar_a, check.radar_b} for radars in named for radar in radars)
            assert told or not check.alarm
        assert len(position_alarms(checks)) == len(named)


class TestNotCompared:
    def reason(self, a: View, b: View) -> str:
        check = position_check(a, b)
        assert check.reason is not None
        assert not check.alarm
        assert check.reason.zh != check.reason.en
        return check.reason.en

    def test_twelve_minutes_late(self) -> None:
        late = replace(view("B"), time=WHEN + timedelta(minutes=12))
        assert "12 min apart" in self.reason(view("A"), late)
        assert position_check(view("A"), replace(late, time=WHEN + timedelta(minutes=9))).reason is None

    @pytest.mark.parametrize("field", ["latitude", "longitude", "altitude_m"])
    def test_nan_position(self, field: str) -> None:
        bad = replace(view("B"), site=replace(view("B").site, **{field: np.nan}))
        assert "is not valid" in self.reason(view("A"), bad)
        assert "is not valid" in self.reason(bad, view("A"))

    def test_impossible_height(self) -> None:
        bad = replace(view("B"), site=replace(view("B").site, altitude_m=99_999.0))
        assert "cannot be" in self.reason(bad, view("A"))

    def test_no_tilts_no_echo_no_overlap(self) -> None:
        assert "no tilt" in self.reason(replace(view("A"), tilts=()), view("B"))
        silent = synthetic_view("S", *PLACES["B"], count=0)
        assert "0 points" in self.reason(view("A"), silent)
        assert "0 points" in self.reason(view("A"), moved(view("B"), east=9.0))

    def test_naive_time(self) -> None:
        with pytest.raises(TimeError):
            position_check(view("A"), replace(view("B"), time=datetime(2020, 6, 12)))  # noqa: DTZ001


class TestMotion:
    def test_known_motion_is_taken_off(self) -> None:
        """B saw the storms 300 s later, 6 km farther north: a moved radar, unless the motion is known."""
        later = replace(view("B", north=-0.054), time=WHEN + timedelta(seconds=300))
        plain = position_check(view("A"), later)
        known = position_check(view("A"), later, motion=(0.0, 20.0))
        assert plain.tolerance_km == pytest.approx(7.0)
        assert known.tolerance_km == pytest.approx(4.0)
        assert plain.shift_km_north == pytest.approx(-6.0, abs=1.0)
        assert known.shift_km_north == pytest.approx(0.0, abs=1.0)
        assert not known.alarm
        still = position_check(view("A"), later, motion=(0.0, 0.0))
        assert still.alarm


class TestMatch:
    def test_correlation_against_numpy(self) -> None:
        scene = match.scene_of(view("A"), view("B"))
        assert scene is not None
        pose = (2000.0, -1000.0, 2.5)
        turn = np.deg2rad(pose[2])
        x, y = scene.east_m - pose[0], scene.north_m - pose[1]
        # azimuth of the point in b's map is smaller by the turn
        azimuth, distance = np.arctan2(x, y) - turn, np.hypot(x, y)
        column = np.rint(distance * np.sin(azimuth) / match.MAP_STEP_M).astype(int) + match.MAP_HALF
        row = np.rint(distance * np.cos(azimuth) / match.MAP_STEP_M).astype(int) + match.MAP_HALF
        there = scene.maps[scene.level, row, column]
        both = there != match.UNKNOWN
        expected = np.corrcoef(scene.quarters[both], there[both])[0, 1]
        assert match.correlations(scene, np.array([pose]))[0] == pytest.approx(expected, abs=2e-3)

    def test_a_turn_of_a_is_a_pose_of_b(self) -> None:
        """A turned by 4 deg: the pose about a's site is as good as none with a right."""
        scene = match.scene_of(view("A", turn=4.0), view("B"))
        right = match.scene_of(view("A"), view("B"))
        assert scene is not None
        assert right is not None
        pose = match.best_turn_about_a(scene)
        assert pose.turn_deg == pytest.approx(4.0, abs=0.5)
        assert pose.correlation == pytest.approx(match.pose_at(right).correlation, abs=0.02)

    @pytest.mark.parametrize(("part", "everywhere"), [(1.0, True), (0.5, False)])
    def test_a_part_that_moved_is_no_moved_radar(self, part: float, everywhere: bool) -> None:
        """Points read off b's own map, those of the west (or all) 6 km away from where they belong."""
        scene = match.scene_of(view("A"), view("B"))
        assert scene is not None
        east, north = np.round(scene.east_m, -3), np.round(scene.north_m, -3)
        off = np.where(east <= np.quantile(east, part), 6.0, 0.0)
        row, column = (north / 1000).astype(int) + match.MAP_HALF, (east / 1000 - off).astype(int) + match.MAP_HALF
        made = replace(scene, east_m=east, north_m=north, quarters=scene.maps[scene.level, row, column])
        known = made.quarters != match.UNKNOWN
        made = replace(
            made, east_m=east[known], north_m=north[known], level=made.level[known], quarters=made.quarters[known],
        )  # fmt: skip
        shifted, _ = match.best_poses(made)
        if everywhere:
            assert (shifted.east_m, shifted.north_m) == pytest.approx((6000, 0), abs=400)
            assert shifted.correlation == pytest.approx(1.0)
        assert match.better_everywhere(made, replace(shifted, east_m=6000.0, north_m=0.0)) == everywhere

    @settings(max_examples=20, deadline=None)
    @given(
        st.floats(-200_000, 200_000), st.floats(-200_000, 200_000), st.floats(-720, 720), st.integers(0, 50),
    )  # fmt: skip
    def test_any_pose_any_points(self, east: float, north: float, turn: float, count: int) -> None:
        scene = match.scene_of(view("A"), view("B"))
        assert scene is not None
        few = replace(
            scene, quarters=scene.quarters[:count], east_m=scene.east_m[:count], north_m=scene.north_m[:count],
            level=scene.level[:count],
        )  # fmt: skip
        found = match.pose_at(few, east, north, turn).correlation
        assert np.isnan(found) or -1.001 <= found <= 1.001
