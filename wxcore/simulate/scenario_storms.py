"""Storms out of cells and sheets: supercell, multicell, squall line, pulse, stratiform rain."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from wxcore.grid import Grid
from wxcore.simulate.scene import KM_PER_DEG, Air, Cell, Shield, moved

Place = tuple[float, float]
Motion = tuple[float, float]
Random = np.random.Generator

BUNKERS_M_S = 7.5
"""A supercell leaves the mean wind by this, at right angles to the shear (Bunkers et al. 2000)."""

STEERING_M = (1500.0, 3000.0, 4500.0, 6000.0, 7500.0, 9000.0)
"""Heights ASL whose mean wind steers cells."""

HAIL_MM = (20.0, 25.0, 30.0, 40.0, 50.0, 60.0)
HAIL_PEAK_DBZ = (52.8, 54.2, 55.3, 56.7, 57.5, 58.9)
"""Peak of a cell by its hail: MESH (Witt et al. 1998) of its axis is then its hail [fitted in the default Air]."""

DRY_TOP_M = (6000.0, 6500.0, 7000.0, 7500.0, 8000.0, 9000.0)
DRY_PEAK_DBZ = (58.5, 56.5, 55.0, 53.5, 52.0, 50.0)
"""Strongest peak by height of the core's top that gives less than 13 mm of MESH: cells without hail [fitted]."""

PROPAGATION_M_S = 5.0
"""New cells of a multicell storm come up on its right flank, south of the equator on its left: what that adds to its
motion."""

MERGER_MIN, CLOSING_M_S, NEAR_KM = 22.0, 3.0, 3.0
"""Two cells merge at this age; each comes nearer by this speed, and is so near to their middle then."""

GENERATION_MIN = 50.0
"""Cells of a squall line are followed by new ones in the same place after this."""


@dataclass(frozen=True)
class Stage:
    """Where and when storms may be, and the air that steers them."""

    grid: Grid
    start: datetime
    hours: float
    seed: int
    air: Air

    @cached_property
    def steering(self) -> Motion:
        """Mean wind of the cloud layer (u, v) [m s-1]."""
        u, v = self.air.wind(STEERING_M)
        return float(u.mean()), float(v.mean())

    @cached_property
    def deviation(self) -> Motion:
        """What a cyclonic supercell adds to it: to the right of the shear, south of the equator to the left; an
        anticyclonic one takes it away."""
        u, v = self.air.wind((self.air.ground_m, self.air.ground_m + 6000.0))
        east, north = float(u[1] - u[0]), float(v[1] - v[0])
        size = float(np.hypot(east, north))
        right = self.hemisphere * BUNKERS_M_S / size
        return right * north, -right * east

    @cached_property
    def right_mover(self) -> Motion:
        """Motion of a cyclonic supercell."""
        return self.steering[0] + self.deviation[0], self.steering[1] + self.deviation[1]

    @cached_property
    def hemisphere(self) -> float:
        """1 where the middle of the box is north of the equator, -1 south of it."""
        _, south, _, north = self.grid.bounds
        return float(np.copysign(1.0, south + north))

    @cached_property
    def size_km(self) -> tuple[float, float]:
        """Of the grid's box: east to west in its middle, north to south."""
        west, south, east, north = self.grid.bounds
        return (east - west) * KM_PER_DEG * float(np.cos(np.deg2rad((south + north) / 2))), (north - south) * KM_PER_DEG

    def at(self, x: float, y: float) -> Place:
        """(lon, lat) of a part of the box: (0, 0) is its south-west corner, (1, 1) its north-east one."""
        west, south, east, north = self.grid.bounds
        return west + x * (east - west), south + y * (north - south)


@dataclass(frozen=True)
class Seedling:
    """What every storm begins with: its name, its dice, when and where it begins."""

    name: str
    random: Random
    born: datetime
    lon: float
    lat: float

    def chance(self, low: float, high: float) -> float:
        """A number between."""
        return float(self.random.uniform(low, high))

    def after(self, minutes: float) -> datetime:
        """`born` and so much later, to the second."""
        return self.born + timedelta(seconds=round(minutes * 60))

    def path(self, motion: Motion, minutes: float, east_km: float = 0.0, north_km: float = 0.0) -> Place:
        """Place after so long of what moves so, and shifted."""
        seconds = minutes * 60
        there = moved(self.lon, self.lat, *motion, seconds)
        return moved(*there, east_km, north_km, 1000.0)


def hail_peak_dbz(hail_mm: float) -> float:
    """Peak of a cell whose MESH (Witt et al. 1998) in mid-life is its hail; its core's top up to 10 km. 20 to 60 mm."""
    return float(np.interp(hail_mm, HAIL_MM, HAIL_PEAK_DBZ))


def most_peak_dbz(core_top_m: float) -> float:
    """Strongest peak of a cell without hail: its MESH stays below 13 mm."""
    return float(np.interp(core_top_m, DRY_TOP_M, DRY_PEAK_DBZ))


def supercell(stage: Stage, seed: Seedling, life_min: float, hail_mm: float) -> Iterator[Cell]:
    """A cyclonic one with hail and rotation (north of the equator a right mover); its mirror image splits from it."""
    (u, v), (du, dv) = stage.steering, stage.deviation
    first = Cell(
        seed.lon, seed.lat, u + du, v + dv, seed.born, life_min, hail_peak_dbz(hail_mm), seed.chance(9, 12),
        seed.chance(9200, 10_000), hail_mm=hail_mm, rotation_m_s=stage.hemisphere * seed.chance(18, 25),
        outflow_m_s=seed.chance(18, 24), flashes_min=seed.chance(20, 40), lean_x=seed.chance(0.15, 0.3),
        lean_y=seed.chance(0.0, 0.1), id=f"{seed.name}-1", storm=seed.name,
    )  # fmt: skip
    splits = seed.after(0.42 * life_min)
    hail = seed.chance(20, 28)
    yield first
    yield Cell(
        *first.place(splits), u - du, v - dv, splits, seed.chance(60, 90), hail_peak_dbz(hail), seed.chance(6, 8),
        seed.chance(8000, 9000), hail_mm=hail, outflow_m_s=seed.chance(12, 17), flashes_min=seed.chance(8, 15),
        lean_x=first.lean_x, lean_y=first.lean_y, id=f"{seed.name}-2", storm=seed.name, parents=(first.id,),
    )  # fmt: skip


def multicell(stage: Stage, seed: Seedling, life_min: float) -> Iterator[Cell]:
    """A cluster: a new cell on that flank every 8 to 15 minutes, the old ones die; two of its cells merge."""
    (u, v), (right_x, right_y) = stage.steering, _right_of(stage.steering)
    flank = stage.hemisphere * PROPAGATION_M_S
    motion = u + flank * right_x, v + flank * right_y
    yield from _merger(stage, seed, motion, 0.45 * life_min)
    minutes, number = 0.0, 4
    while minutes < life_min - 30:
        there = seed.path(motion, minutes, seed.chance(-5, 5), seed.chance(-5, 5))
        cell = _ordinary(seed, seed.after(minutes), there, (u, v), f"{seed.name}-{number}")
        yield cell
        minutes, number = minutes + seed.chance(8, 15), number + 1


def _ordinary(seed: Seedling, born: datetime, there: Place, motion: Motion, name: str) -> Cell:
    """A cell of a cluster; one in five with small hail."""
    top = seed.chance(6500, 8500)
    hail = seed.chance(20, 28) if seed.chance(0, 1) < 0.2 else 0.0
    most = hail_peak_dbz(hail) if hail else most_peak_dbz(top) - seed.chance(0, 2)
    u, v = motion[0] + seed.chance(-1, 1), motion[1] + seed.chance(-1, 1)
    return Cell(
        *there, u, v, born, seed.chance(35, 50), most, seed.chance(6, 9), top, hail_mm=hail,
        outflow_m_s=seed.chance(9, 16), flashes_min=seed.chance(4, 15), lean_x=seed.chance(0, 0.15), id=name,
        storm=seed.name,
    )  # fmt: skip


def _merger(stage: Stage, seed: Seedling, motion: Motion, minutes: float) -> Iterator[Cell]:
    """Two cells that come together ahead of the cluster's left flank, and the one that they become."""
    (u, v), (right_x, right_y) = stage.steering, _right_of(stage.steering)
    begins = minutes - MERGER_MIN
    names = tuple(f"{seed.name}-{number}" for number in (1, 2))
    middle = seed.path(motion, minutes, 16 * (right_y - right_x) / 1.4, -16 * (right_x + right_y) / 1.4)
    for side, name in zip((-1, 1), names, strict=True):
        across = side * (NEAR_KM + CLOSING_M_S * MERGER_MIN * 0.06)
        behind = moved(*middle, -u, -v, MERGER_MIN * 60)
        there = moved(*behind, across * right_x, across * right_y, 1000.0)
        closing = u - side * CLOSING_M_S * right_x, v - side * CLOSING_M_S * right_y
        yield Cell(
            *there, *closing, seed.after(begins), 1.5 * MERGER_MIN, 53.0, 7.0, 7200.0,
            outflow_m_s=10.0, flashes_min=6.0, id=name, storm=seed.name,
        )  # fmt: skip
    yield Cell(
        *middle, u, v, seed.after(minutes), seed.chance(55, 70), hail_peak_dbz(24.0), 9.0, 8500.0, hail_mm=24.0,
        outflow_m_s=17.0, flashes_min=14.0, lean_x=0.1, id=f"{seed.name}-3", storm=seed.name, parents=names,
    )  # fmt: skip


def pulse(stage: Stage, seed: Seedling, *, peaks: tuple[float, float] = (46.0, 56.0)) -> Cell:
    """One cell that comes and goes in 30 to 45 minutes and hardly moves."""
    top = seed.chance(6000, 7800)
    peak = min(seed.chance(*peaks), most_peak_dbz(top))
    u, v = (0.45 * part + seed.chance(-1.5, 1.5) for part in stage.steering)
    flashes = peak - 45 if peak >= 46 else 0.0
    return Cell(
        seed.lon, seed.lat, u, v, seed.born, seed.chance(30, 45), peak, seed.chance(4, 7), top,
        outflow_m_s=max(peak - 42, 0.0), flashes_min=flashes, id=f"{seed.name}-1", storm=seed.name,
    )  # fmt: skip


def squall_line(stage: Stage, seed: Seedling, life_min: float, length_km: float, count: int) -> Iterator[Cell]:
    """A line across its motion that bows: its middle runs ahead, with the strongest outflow."""
    ahead_x, ahead_y, speed = line_motion(stage)
    bow = seed.chance(3.5, 5.0)
    strongest = seed.chance(29, 32)
    for slot, part in enumerate(np.linspace(-1, 1, count)):
        inner = 1 - float(part) ** 2
        own = speed + bow * inner
        for generation in range(round(life_min / GENERATION_MIN)):
            minutes = GENERATION_MIN * (generation + 0.5 * (slot % 2)) + seed.chance(-7, 7)
            east, north = -ahead_y * part * length_km / 2, ahead_x * part * length_km / 2
            fore = 8 * inner + bow * inner * 0.06 * minutes + seed.chance(-3, 3)
            motion = ahead_x * speed, ahead_y * speed
            there = seed.path(motion, minutes, east + ahead_x * fore, north + ahead_y * fore + seed.chance(-3, 3))
            top = seed.chance(6500, 7800)
            yield Cell(
                *there, ahead_x * own, ahead_y * own, seed.after(minutes), seed.chance(75, 88),
                most_peak_dbz(top) - seed.chance(0, 3) - 2 * (1 - inner), seed.chance(7, 11), top,
                outflow_m_s=_line_gust(strongest, float(part), count), flashes_min=seed.chance(3, 9) + 8 * inner,
                lean_x=-0.1 * ahead_x, lean_y=-0.1 * ahead_y, id=f"{seed.name}-{slot + 1}{'abcdef'[generation]}",
                storm=seed.name,
            )  # fmt: skip


def _line_gust(strongest: float, part: float, count: int) -> float:
    """Gust of a line's cell: the strongest in the middle, of the others less."""
    middle = abs(part) <= 1 / (count - 1) + 1e-9 and part <= 0
    return strongest if middle else 20.0 - 6.0 * abs(part)


def line_motion(stage: Stage) -> tuple[float, float, float]:
    """(east, north, speed [m s-1]) of a squall line: unit vector between the mean wind and the shear, 1.3 its speed."""
    (u, v), (right_x, right_y) = stage.steering, _right_of(stage.steering)
    speed = float(np.hypot(u, v))
    east, north = u / speed + 0.3 * right_x, v / speed + 0.3 * right_y
    size = float(np.hypot(east, north))
    return east / size, north / size, 1.25 * speed


def trailing(stage: Stage, seed: Seedling, life_min: float, length_km: float) -> Iterator[Shield]:
    """The rain behind a squall line: a large sheet, and smaller ones that make its outline uneven."""
    ahead_x, ahead_y, speed = line_motion(stage)
    motion = ahead_x * speed, ahead_y * speed
    heading = float(np.rad2deg(np.arctan2(-ahead_y, ahead_x)))
    # Part of the line to the left of its middle, km behind it, part of its length, depth over length, dBZ less.
    sheets = ((0.05, 34.0, 0.46, 0.5, 0.0), (0.3, 48.0, 0.27, 0.8, 2.0), (-0.3, 30.0, 0.24, 0.8, 3.0))
    for number, (left, behind, size, depth, weaker) in enumerate(sheets):
        left_km, behind_km = left * length_km + seed.chance(-6, 6), behind + seed.chance(-6, 6)
        east, north = -ahead_y * left_km - ahead_x * behind_km, ahead_x * left_km - ahead_y * behind_km
        there = seed.path(motion, 20.0, east, north)
        yield Shield(
            *there, *motion, seed.after(20), life_min + seed.chance(20, 45), seed.chance(34, 37) - weaker,
            size * length_km, depth * size * length_km, heading + seed.chance(-20, 20), top_m=11_000.0,
            id=f"{seed.name}-shield{number + 1}",
        )  # fmt: skip


def sheet(stage: Stage, seed: Seedling) -> Shield:
    """A large sheet of stratiform rain."""
    u, v = (0.8 * part for part in stage.steering)
    most = 0.3 * min(stage.size_km)
    return Shield(
        seed.lon, seed.lat, u, v, seed.born, seed.chance(300, 420), seed.chance(28, 37),
        min(seed.chance(90, 160), most), min(seed.chance(45, 80), 0.6 * most), seed.chance(20, 110),
        top_m=seed.chance(7500, 9500), id=f"{seed.name}-shield",
    )  # fmt: skip


def _right_of(motion: Motion) -> Motion:
    """Unit vector to the right of a motion."""
    size = float(np.hypot(*motion))
    return motion[1] / size, -motion[0] / size
