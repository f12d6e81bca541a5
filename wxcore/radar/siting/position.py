"""A radar that was moved or turned, detected against its neighbours.

Two radars whose positions and azimuths are right agree best as they are, but for what storms move between their
volumes. An alarm needs two things at once: another pose is clearly better, and it carries the echoes farther than
motion and pointing explain. Of two radars nobody can tell which one is wrong; with a third, `who_moved` counts votes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from wxcore.radar.siting.match import (
    Pose,
    Scene,
    best_poses,
    best_turn_about_a,
    best_turn_about_b,
    better_everywhere,
    mean_displacement_m,
    pose_at,
    scene_of,
)
from wxcore.radar.siting.overlap import Sentence, View, not_comparable
from wxcore.times import iso, require_utc

STORM_SPEED, SPEED_LEFT = 15.0, 5.0
"""What storms move [m s-1], and what is left where their motion is known."""

TOLERANCE_M = 2500.0
"""Echoes may lie so far apart without alarm: an azimuth error of 1 deg at 100 km, or two gates [our choice]. Huai'an
and Taizhou, 2020-06-12, lie 1 to 2 km apart, by half a degree of azimuth and 72 s of motion; with 2 km one of 27
sectors of 20 to 120 deg of them was taken for moved."""

MUCH_BETTER = 0.6
"""The best pose leaves at most this part of the variance that is unexplained at rest [our choice]; 0.82 for that pair
as it is, 0.26 to 0.36 with one of them displaced by 0.05 deg."""

ALIKE = 1.3
"""Of explanations whose unexplained variance differs by less than this factor, the simplest is told [our choice]."""

GOOD_MATCH, NO_MATCH = 0.7, 0.4
"""Correlation that a best pose must reach to be believed; and below which two radars with much echo do not match at
all, as when one is much farther away than it says [our choice]."""

LEAST_ECHOES = 400
"""Points with echo, of 2 km by 2 km at one height, that both need: some storms of 25 by 25 km. With 45 deg sectors of
the real pair, down to 300 points, one in ten was taken for moved: a storm had grown [our choice]."""


@dataclass(frozen=True)
class PositionCheck:
    """Radar b as seen against radar a. What is named is to be added to what b's header and azimuths say.

    Attributes:
        time: of the later volume, UTC.
        shift_km_east, shift_km_north: where b seems to stand, from its registered site, if a is right [km].
        rotation_deg: to be added to the azimuths of `about` [deg, clockwise].
        about: id of the radar whose turn explains the difference best; "" where no turn is needed.
        displacement_km: mean distance that this carries the echoes [km]; tolerance_km: what needs no explanation.
        correlation_here, correlation_best: of dBZ, as registered and at the best pose.
        everywhere: the best pose is better in the east as in the west, in the north as in the south.
        n: points with echo. reason: why nothing was compared, None where it was.
    """

    radar_a: str
    radar_b: str
    time: datetime
    shift_km_east: float
    shift_km_north: float
    rotation_deg: float
    correlation_here: float
    correlation_best: float
    n: int
    about: str = ""
    displacement_km: float = 0.0
    tolerance_km: float = TOLERANCE_M / 1000
    everywhere: bool = False
    reason: Sentence | None = None

    @property
    def moved(self) -> bool:
        """Another pose is clearly better, and beyond the tolerance."""
        left = (1 - self.correlation_best**2) / max(1 - self.correlation_here**2, 1e-9)
        good = (
            self.everywhere
            and self.correlation_best >= GOOD_MATCH
            and (left <= MUCH_BETTER or self.correlation_here < 0)
        )
        return self.reason is None and good and self.displacement_km > self.tolerance_km

    @property
    def unmatched(self) -> bool:
        """Much echo in both, and no pose in reach brings it together."""
        return self.reason is None and self.correlation_best < NO_MATCH

    @property
    def alarm(self) -> bool:
        return self.moved or self.unmatched


@dataclass(frozen=True)
class PositionAlarm:
    """The radar that seems to have moved, or the radars among which the one is."""

    radars: tuple[str, ...]
    sentence: Sentence


def position_check(a: View, b: View, *, motion: tuple[float, float] | None = None) -> PositionCheck:
    """Compare two views; about 50 ms. Where they cannot be compared n is 0 or small, and `reason` says why.

    Args:
        motion: of the storms, towards east and north [m s-1]; without it they may move STORM_SPEED.

    Raises:
        TimeError: a view's time is naive.
    """
    time = max(require_utc(a.time), require_utc(b.time))
    nothing = PositionCheck(a.site.id, b.site.id, time, np.nan, np.nan, np.nan, np.nan, np.nan, 0)
    if reason := not_comparable(a, b):
        return replace(nothing, reason=reason)
    scene = scene_of(a, b)
    n = 0 if scene is None else min(scene.echoes, scene.b_echoes)
    if scene is None or n < LEAST_ECHOES:
        return replace(nothing, n=n, reason=_too_little(a.site.id, b.site.id, n))
    return _checked(nothing, scene, (b.time - a.time).total_seconds(), motion)


def _too_little(a: str, b: str, n: int) -> Sentence:
    return Sentence(
        f"positions of radars {a} and {b} not compared: {n} points of common echo, {LEAST_ECHOES} are needed",
        f"雷达 {a} 与 {b} 的位置未比对：共同回波 {n} 点，需要 {LEAST_ECHOES} 点",
    )


def _checked(nothing: PositionCheck, scene: Scene, later_s: float, motion: tuple[float, float] | None) -> PositionCheck:
    here = pose_at(scene)
    if not np.isfinite(here.correlation):
        return replace(nothing, reason=_too_little(nothing.radar_a, nothing.radar_b, 0))
    best, about = _simplest(scene, here, nothing.radar_a, nothing.radar_b)
    moved_m = (0.0, 0.0) if motion is None else (motion[0] * later_s, motion[1] * later_s)
    true = replace(best, east_m=best.east_m + moved_m[0], north_m=best.north_m + moved_m[1])
    turned_a = about == nothing.radar_a
    speed = STORM_SPEED if motion is None else SPEED_LEFT
    return replace(
        nothing,
        shift_km_east=0.0 if turned_a else true.east_m / 1000,
        shift_km_north=0.0 if turned_a else true.north_m / 1000,
        rotation_deg=-best.turn_deg if turned_a else best.turn_deg,
        about=about,
        displacement_km=mean_displacement_m(scene, true) / 1000,
        tolerance_km=(TOLERANCE_M + speed * abs(later_s)) / 1000,
        correlation_here=here.correlation,
        correlation_best=best.correlation,
        n=min(scene.echoes, scene.b_echoes),
        everywhere=better_everywhere(scene, best),
    )


def _simplest(scene: Scene, here: Pose, radar_a: str, radar_b: str) -> tuple[Pose, str]:
    """The simplest pose that explains about as much as the best one, and whose turn it is."""
    shifted, free = best_poses(scene)
    about_a, about_b = best_turn_about_a(scene), best_turn_about_b(scene)
    one = max(((shifted, ""), (about_b, radar_b), (about_a, radar_a)), key=lambda item: _known(item[0]))
    both = max((free, radar_b), one, key=lambda item: _known(item[0]))
    least = 1 - _known(both[0]) ** 2
    for pose, about in ((here, ""), one):
        if 1 - _known(pose) ** 2 <= ALIKE * least:
            return pose, about
    return both


def _known(pose: Pose) -> float:
    return max(pose.correlation, 0.0) if np.isfinite(pose.correlation) else 0.0


def who_moved(checks: Iterable[PositionCheck]) -> list[tuple[str, ...]]:
    """The radars that alarms point at: one id where the votes name it, both ids of a pair where they do not.

    A radar is named that has at least two alarms, none has more, and it has more alarms than pairs in order; unless
    that holds for all radars alike. Then its alarms are explained, and the rest is looked at again. Of a pair that is
    left, the one is named whose partner has a pair in order and which itself has none. Pairs that were not compared
    have no vote.
    """
    compared = [check for check in checks if check.reason is None]
    calm = [_pair(check) for check in compared if not check.alarm]
    open_ = [_pair(check) for check in compared if check.alarm]
    named: list[tuple[str, ...]] = []
    while suspects := _most_accused(open_, calm):
        named += [(radar,) for radar in suspects]
        open_ = [pair for pair in open_ if not set(pair) & set(suspects)]
    return named + [_of_pair(pair, calm) for pair in open_]


def _pair(check: PositionCheck) -> tuple[str, str]:
    return check.radar_a, check.radar_b


def _most_accused(alarms: Sequence[tuple[str, str]], calm: Sequence[tuple[str, str]]) -> list[str]:
    """Radars with the most alarms, by id; none where the votes do not tell."""
    votes = Counter(radar for pair in alarms for radar in pair)
    most = max(votes.values(), default=0)
    accused = sorted(radar for radar, count in votes.items() if count == most)
    if most < 2 or len(accused) == len(votes):
        return []
    in_order = Counter(radar for pair in calm for radar in pair)
    return [radar for radar in accused if most > in_order[radar]]


def _of_pair(pair: tuple[str, str], calm: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    cleared = [radar for radar in pair if any(radar in other for other in calm)]
    return tuple(radar for radar in pair if radar not in cleared) if len(cleared) == 1 else pair


def position_alarms(checks: Sequence[PositionCheck]) -> list[PositionAlarm]:
    """A sentence for each finding of `who_moved`, with what the largest alarm of that radar measured."""
    alarms = []
    for radars in who_moved(checks):
        own = [c for c in checks if c.alarm and (set(radars) == set(_pair(c)) or radars[0] in _pair(c))]
        worst = max(own, key=lambda check: check.displacement_km)
        alarms.append(PositionAlarm(radars, _sentence(radars, worst, len(own))))
    return alarms


def _sentence(radars: tuple[str, ...], check: PositionCheck, count: int) -> Sentence:
    en, zh = _found(check)
    if len(radars) == 1:
        return Sentence(
            f"radar {radars[0]} does not agree with {count} of its neighbours ({iso(check.time)}): {en}. "
            "Check its site and azimuths",
            f"雷达 {radars[0]} 与 {count} 部相邻雷达不一致（{iso(check.time)}）：{zh}。请检查站址与方位",
        )
    return Sentence(
        f"radars {radars[0]} and {radars[1]} do not agree ({iso(check.time)}): {en}. Which one is wrong two radars "
        "cannot tell: check site and azimuths of both",
        f"雷达 {radars[0]} 与 {radars[1]} 不一致（{iso(check.time)}）：{zh}。仅两部雷达无法判断哪一部有误，"
        "请检查两部雷达的站址与方位",
    )  # fmt: skip


def _found(check: PositionCheck) -> tuple[str, str]:
    a, b = _pair(check)
    if not check.moved:
        return f"{a} and {b} match nowhere within reach", f"{a} 与 {b} 在可查范围内均不吻合"
    parts_en, parts_zh = [], []
    if np.hypot(check.shift_km_east, check.shift_km_north) >= 0.5:
        place = f"{check.shift_km_east:+.1f} km east, {check.shift_km_north:+.1f} km north"
        parts_en.append(f"seen from {a}, {b} stands {place} of its registered site")
        parts_zh.append(
            f"以 {a} 为准，{b} 偏离登记站址：东 {check.shift_km_east:+.1f} km，北 {check.shift_km_north:+.1f} km"
        )
    if check.about and abs(check.rotation_deg) >= 0.25:
        parts_en.append(f"azimuths of {check.about} need {check.rotation_deg:+.1f} deg")
        parts_zh.append(f"{check.about} 的方位需加 {check.rotation_deg:+.1f}°")
    better = f"{check.correlation_here:.2f} -> {check.correlation_best:.2f}"
    return f"{'; '.join(parts_en)} (correlation {better})", f"{'；'.join(parts_zh)}（相关系数 {better}）"
