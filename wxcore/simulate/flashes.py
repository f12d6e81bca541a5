"""True flashes of the simulated storms: Poisson in each cell and minute, about the leaning core."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from zlib import crc32

import numpy as np
import numpy.typing as npt

from wxcore.simulate.field_kernels import LEANS_FROM_M
from wxcore.simulate.minutes import minutes_between, time_of
from wxcore.simulate.scene import KM_PER_DEG, Cell, Doubles, World, seconds_since
from wxcore.times import to_datetime64

STREAM = 71
"""Tells these draws from those of others with the same seed."""

SPREAD = 0.3
"""Standard deviation of a flash's place about the core, as a part of the cell's radius."""

DEPTH_M = 1200.0
"""Standard deviation of a flash's height about the -20 C level [our choice]: the main negative charge is between
-10 and -25 C [M]."""

JUMP_MIN, BEFORE_JUMP = (-12.0, -8.0), 0.4
"""The lightning jump: from this part of the rate to all of it between these minutes about mid-life [our choice], so
that it leads the hail by ten minutes (Schultz et al. 2009: some 20)."""

TO_GROUND = 0.3
"""Share of flashes to the ground [M]: one to three or four of all."""

POSITIVE = 0.1
"""Share of flashes to the ground that are positive [M]."""

NEGATIVE_KA, POSITIVE_KA, SPREAD_KA, MOST_KA = 25.0, 40.0, 0.5, 300.0
"""Medians of peak currents, standard deviation of their logarithm [M]; largest."""

ENERGY, ENERGY_SPREAD = 15.0, 0.8
"""Median energy [uJ m-2 sr-1, as a lightning imager sees it] and standard deviation of its logarithm [our choice]."""


@dataclass(frozen=True, eq=False)
class Flashes:
    """Flashes, ascending in time, (n,) each.

    Attributes:
        time: datetime64[ns] UTC; lon, lat: [deg]; height: [m ASL]; energy: see ENERGY.
        cloud_to_ground: does it strike the ground? peak_current: [kA], signed; NaN where not.
        cell: index into World.cells.
    """

    time: npt.NDArray[np.datetime64]
    lon: Doubles
    lat: Doubles
    height: Doubles
    energy: Doubles
    cloud_to_ground: npt.NDArray[np.bool_]
    peak_current: Doubles
    cell: npt.NDArray[np.int64]

    def __getitem__(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Flashes":
        return Flashes(*(getattr(self, column.name)[which] for column in fields(self)))


def flash_rate(cell: Cell, when: datetime) -> float:
    """Flashes a minute of a cell at `when` (aware UTC): its strongest rate, times its vigour squared, with the jump."""
    since_middle = seconds_since(cell.born, when) / 60 - cell.life_min / 2
    grown = float(np.interp(since_middle, JUMP_MIN, (BEFORE_JUMP, 1.0)))
    return cell.flashes_min * cell.vigour(when) ** 2 * grown


def flashes(world: World, start: datetime, end: datetime) -> Flashes:
    """All flashes from `start` (inclusive) to `end` (exclusive), aware UTC.

    Each cell (by its id, by its place in the world where it has none) and minute is drawn by itself, with the rate of
    its middle: any window gives the same flashes.

    Raises:
        TimeError: a naive time.
    """
    first, last = to_datetime64(start), to_datetime64(end)
    whole = minutes_between(start, end)
    found = joined([_of_minute(world, minute) for minute in range(whole.start - 1, whole.stop)])
    return found[(found.time >= first) & (found.time < last)]


def joined(parts: Iterable[Flashes]) -> Flashes:
    """Several as one, ascending in time."""
    parts = [_NONE, *parts]
    whole = Flashes(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Flashes)))
    return whole[np.argsort(whole.time, kind="stable")]


_NONE = Flashes(
    np.empty(0, "datetime64[ns]"), np.empty(0), np.empty(0), np.empty(0), np.empty(0), np.empty(0, np.bool_),
    np.empty(0), np.empty(0, np.int64),
)  # fmt: skip


@lru_cache(maxsize=1024)
def _of_minute(world: World, minute: int) -> Flashes:
    middle = time_of(minute) + timedelta(seconds=30)
    parts = []
    for number, cell in enumerate(world.cells):
        rate = flash_rate(cell, middle)
        if rate > 0:
            parts.append(_of_cell(world, number, minute, rate))
    return joined(parts)


def _of_cell(world: World, number: int, minute: int, rate: float) -> Flashes:
    cell, begin = world.cells[number], time_of(minute)
    own = crc32(cell.id.encode()) if cell.id else number
    random = np.random.default_rng([world.seed, STREAM, own, minute])
    count = int(random.poisson(rate))
    seconds = np.sort(random.uniform(0, 60, count))
    height = np.clip(world.air.hm20_m + DEPTH_M * random.standard_normal(count), world.air.h0_m, world.air.tropopause_m)
    aloft = np.maximum(height - LEANS_FROM_M, 0) / 1000
    off = SPREAD * cell.radius_km * random.standard_normal((2, count))
    lon, lat = cell.place(begin)
    east = cell.u_m_s * seconds / 1000 + cell.lean_x * aloft + off[0]
    north = cell.v_m_s * seconds / 1000 + cell.lean_y * aloft + off[1]
    to_ground = random.random(count) < TO_GROUND
    positive = random.random(count) < POSITIVE
    current = np.where(positive, POSITIVE_KA, -NEGATIVE_KA) * np.exp(SPREAD_KA * random.standard_normal(count))
    return Flashes(
        to_datetime64(begin) + (seconds * 1e9).astype("timedelta64[ns]"),
        lon + east / (KM_PER_DEG * float(np.cos(np.deg2rad(lat)))), lat + north / KM_PER_DEG, height,
        ENERGY * np.exp(ENERGY_SPREAD * random.standard_normal(count)),
        to_ground, np.where(to_ground, np.clip(current, -MOST_KA, MOST_KA), np.nan),
        np.full(count, number, dtype=np.int64),
    )  # fmt: skip
