"""Scenarios: which storms live when and where in a region. The same seed gives the same storms.

Storms are drawn one by one, each with dice of its own: a longer period has the storms of a shorter one and more.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

import numpy as np

from wxcore.errors import WxcoreError
from wxcore.region import Region
from wxcore.simulate.scenario_storms import (
    Motion,
    Place,
    Random,
    Seedling,
    Stage,
    line_motion,
    multicell,
    pulse,
    sheet,
    squall_line,
    supercell,
    trailing,
)
from wxcore.simulate.scene import Air, Cell, Shield, World, moved
from wxcore.times import require_utc

SUPERCELLS, MULTICELLS, PULSES, LINES, SHEETS = range(1, 6)
"""Kinds of storms, as they go into the seed."""

CORNER, STORM, OPENING = 91, 92, 93
"""Tell the draws of each from those of others with the same seed. numpy takes a seed's last zeros for nothing: numbers
in one begin with 1."""

NAMES = {SUPERCELLS: "SUP", MULTICELLS: "MUL", PULSES: "PUL", LINES: "LIN", SHEETS: "STR"}

MARGIN = 0.1
"""Storms are in the box in mid-life, this part of its side or more from its edge."""

SPREAD = (0.7548776662466927, 0.5698402909980532)
"""Steps of an even sequence of places in the plane (Roberts 2018, R2)."""

ASTRAY = 0.08
"""So far a storm may be from its place in the sequence, as a part of the box's side."""

OPENING_HAIL, OPENING_LINE, OPENING_CLUSTER = (0.17, 0.36), (0.45, 0.46), (0.62, 0.2)
"""Parts of the box where the first storms are at the start; of Chongqing: Yongchuan, Changshou, Youyang."""

LINE_LIFE_MIN, LINE_EVERY_MIN = 150.0, 160.0
CLUSTER_LIFE_MIN = 160.0

BEFORE = timedelta(minutes=60)
"""Storms of so long before the start are there too: images, rain of the hour and cooling look back on them."""

NIGHT_AIR = Air(ground_c=25.0, dew_point_c=23.0)

Storms = Iterator[Cell | Shield]


@dataclass(frozen=True)
class Scenario:
    """`build` yields the storms of a stage; some may be outside of its period or box."""

    name: str
    title_en: str
    title_zh: str
    build: Callable[[Stage], Storms]
    air: Air = Air()  # noqa: RUF009  # frozen


def build_world(scenario: str, region: Region, start: datetime, hours: float, seed: int) -> World:
    """The storms of a scenario that are in the region's box at some time from an hour before `start` to `hours` after.

    Args:
        scenario: a name of SCENARIOS; start: aware UTC; hours: more than 0; seed: not negative.

    Raises:
        WxcoreError: no such scenario.
        ValueError: `hours` is not a number above 0, `seed` is negative.
        TimeError: `start` is naive.
    """
    start = require_utc(start)
    if scenario not in SCENARIOS:
        known = ", ".join(SCENARIOS)
        raise WxcoreError(
            f"no scenario {scenario!r}: the known ones are {known}", f"没有名为 {scenario!r} 的情景，可选：{known}"
        )
    if not (math.isfinite(hours) and hours > 0):
        raise ValueError(f"{hours} hours, expected more than 0")
    found = SCENARIOS[scenario]
    stage = Stage(region.grid, start, hours, seed, found.air)
    storms = [storm for storm in found.build(stage) if _is_there(storm, stage)]
    cells = [storm for storm in storms if isinstance(storm, Cell)]
    ids = {cell.id for cell in cells}
    return World(
        tuple(replace(cell, parents=tuple(name for name in cell.parents if name in ids)) for cell in cells),
        tuple(storm for storm in storms if isinstance(storm, Shield)),
        found.air, scenario, seed,
    )  # fmt: skip


def _is_there(storm: Cell | Shield, stage: Stage) -> bool:
    """Is its middle in the box at some minute of its life in the period, or the hour before?"""
    first = max(storm.born, stage.start - BEFORE)
    last = min(storm.born + timedelta(minutes=storm.life_min), stage.start + timedelta(hours=stage.hours))
    if first >= last:
        return False
    whole = [first + timedelta(minutes=minute) for minute in range(1, math.ceil((last - first) / timedelta(minutes=1)))]
    return any(stage.grid.contains(*storm.place(when)) for when in whole or [first + (last - first) / 2])


def _series(
    stage: Stage, kind: int, every_min: float, from_min: float, uneven: float = 0.6
) -> Iterator[tuple[int, Random, float, Place]]:
    """(number, dice, minutes after the start, place in mid-life) of the storms of a kind, one in every so many minutes.

    The first is `from_min` minutes after the start (before it where negative); each is late by up to the part
    `uneven` of the interval.
    """
    corner = np.random.default_rng([stage.seed, CORNER, kind]).uniform(0, 1, 2)
    for number in range(math.ceil((stage.hours * 60 - from_min) / every_min)):
        random = np.random.default_rng([stage.seed, STORM, kind, number + 1])
        even = (corner + number * np.array(SPREAD) + random.uniform(-ASTRAY, ASTRAY, 2)) % 1
        x, y = MARGIN + (1 - 2 * MARGIN) * even
        yield (
            number,
            random,
            from_min + every_min * (number + uneven * float(random.uniform(0, 1))),
            stage.at(float(x), float(y)),
        )


def _seed(
    stage: Stage, kind: int, number: int | str, random: Random, minutes: float, there: Place, motion: Motion, age: float
) -> Seedling:
    """Of a storm that is born so many minutes after the start and is at `there` at an age [min]."""
    born = stage.start + timedelta(seconds=round(minutes * 60))
    return Seedling(f"{NAMES[kind]}{number}", random, born, *moved(*there, -motion[0], -motion[1], age * 60))


def _supercells(stage: Stage, every_min: float = 85.0, from_min: float = -120.0) -> Storms:
    for number, random, minutes, there in _series(stage, SUPERCELLS, every_min, from_min):
        life, hail = float(random.uniform(125, 175)), float(random.uniform(30, 56))
        yield from supercell(
            stage, _seed(stage, SUPERCELLS, number, random, minutes, there, stage.right_mover, life / 2), life, hail
        )


def _multicells(stage: Stage, every_min: float = 65.0, from_min: float = -165.0) -> Storms:
    for number, random, minutes, there in _series(stage, MULTICELLS, every_min, from_min):
        life = float(random.uniform(140, 180))
        yield from multicell(
            stage, _seed(stage, MULTICELLS, number, random, minutes, there, stage.steering, life / 2), life
        )


def _pulses(stage: Stage, every_min: float = 4.0, *, peaks: tuple[float, float] = (46.0, 56.0)) -> Storms:
    for number, random, minutes, there in _series(stage, PULSES, every_min, -105.0):
        yield pulse(stage, _seed(stage, PULSES, number, random, minutes, there, (0, 0), 0), peaks=peaks)


def _lines(stage: Stage, from_min: float) -> Storms:
    for number, random, minutes, there in _series(stage, LINES, LINE_EVERY_MIN, from_min, 0.15):
        yield from _line(stage, number, random, minutes, there, LINE_LIFE_MIN / 2)


def _line(stage: Stage, number: int | str, random: Random, minutes: float, there: Place, age: float) -> Storms:
    """A squall line with its sheet of rain, at `there` at an age [min]; shorter in a small box."""
    east, north, speed = line_motion(stage)
    seed = _seed(stage, LINES, number, random, minutes, there, (east * speed, north * speed), age)
    length = min(float(random.uniform(110, 180)), 0.6 * min(stage.size_km))
    yield from trailing(stage, seed, LINE_LIFE_MIN, length)
    yield from squall_line(stage, seed, LINE_LIFE_MIN, length, min(max(round(length / 12.5), 8), 14))


def _sheets(stage: Stage) -> Storms:
    for number, random, minutes, there in _series(stage, SHEETS, 90.0, -330.0):
        motion = (0.8 * stage.steering[0], 0.8 * stage.steering[1])
        yield sheet(stage, _seed(stage, SHEETS, number, random, minutes, there, motion, 180.0))


def _first_supercell(stage: Stage, age: float = 50.0) -> Storms:
    """A hailstorm that is mature at the start and splits in the first half hour."""
    random = np.random.default_rng([stage.seed, OPENING, SUPERCELLS])
    seed = _seed(stage, SUPERCELLS, "00", random, -age, stage.at(*OPENING_HAIL), stage.right_mover, age)
    yield from supercell(stage, seed, float(random.uniform(145, 170)), float(random.uniform(44, 56)))


def _first_cluster(stage: Stage, age: float = 50.0) -> Storms:
    """A cluster two cells of which merge in the first half hour."""
    random = np.random.default_rng([stage.seed, OPENING, MULTICELLS])
    seed = _seed(stage, MULTICELLS, "00", random, -age, stage.at(*OPENING_CLUSTER), stage.steering, age)
    yield from multicell(stage, seed, CLUSTER_LIFE_MIN)


def _first_line(stage: Stage, age: float = 60.0) -> Storms:
    """A squall line that bows over the middle of the box at the start."""
    random = np.random.default_rng([stage.seed, OPENING, LINES])
    yield from _line(stage, "00", random, -age, stage.at(*OPENING_LINE), age)


def _afternoon(stage: Stage) -> Storms:
    yield from _first_supercell(stage)
    yield from _first_line(stage)
    yield from _first_cluster(stage)
    yield from _supercells(stage, from_min=-60.0)
    yield from _multicells(stage)
    yield from _pulses(stage)
    yield from _lines(stage, from_min=95.0)


def _supercell_day(stage: Stage) -> Storms:
    yield from _first_supercell(stage)
    yield from _supercells(stage, every_min=60.0)


def _multicell_day(stage: Stage) -> Storms:
    yield from _first_cluster(stage)
    yield from _multicells(stage, every_min=45.0)


def _line_day(stage: Stage) -> Storms:
    yield from _first_line(stage)
    yield from _lines(stage, from_min=95.0)


def _pulse_day(stage: Stage) -> Storms:
    yield from _pulses(stage, every_min=2.5)


def _stratiform(stage: Stage) -> Storms:
    yield from _sheets(stage)
    yield from _pulses(stage, every_min=9.0, peaks=(45.0, 46.0))


def _clear(_stage: Stage) -> Storms:
    yield from ()


_ALL = (
    Scenario(
        "afternoon", "flood-season afternoon: hail, multicells, pulses, squall line", "汛期午后：雹暴、多单体、飑线",
        _afternoon,
    ),
    Scenario("multicell", "multicell clusters", "多单体风暴", _multicell_day),
    Scenario("supercell", "splitting supercells with large hail", "分裂的超级单体与大冰雹", _supercell_day),
    Scenario("squall_line", "squall lines with bow and stratiform rain behind", "弓形飑线与尾随层状云", _line_day),
    Scenario("pulse", "short-lived pulse storms", "短生命史脉冲风暴", _pulse_day),
    Scenario("stratiform", "nocturnal stratiform rain", "夜间层状云降水", _stratiform, NIGHT_AIR),
    Scenario("clear", "clear day", "晴空", _clear),
)  # fmt: skip
SCENARIOS: Mapping[str, Scenario] = MappingProxyType({scenario.name: scenario for scenario in _ALL})
