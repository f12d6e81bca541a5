"""What is true at a place and time: reflectivity, wind, cloud tops, what the ground feels, hail."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.simulate.field_kernels import (
    CELL_COLUMNS,
    NOTHING_DBZ,
    SHIELD_COLUMNS,
    fill_clouds,
    fill_dbz,
    fill_ground,
    fill_wind,
)
from wxcore.simulate.scene import DYING_DB, KM_PER_DEG, Cell, Doubles, Shield, World
from wxcore.times import require_utc

YOUNG_TOP = 0.6
"""Height of a new-born cell's core top, as a part of that in mid-life: towers grow and collapse."""

HAIL_DB_PER_MM, MOST_HAIL_DB = 0.15, 8.0
"""Excess of the hail core over the cell's peak [our choice]: 6 dB for 40 mm."""

OUTFLOW_FROM, OUTFLOW_KM_PER_M_S_MIN = 0.3, 0.03
"""Part of a cell's life at which its outflow begins; spread of the front: half of the gust's speed."""

COLD_K_PER_M_S, JUMP_HPA_PER_M_S = 0.4, 0.15
"""Deficit and pressure jump of a cold pool by its gust [our choice]: 8 K and 3 hPa at 20 m/s."""

ANVIL_FROM, ANVIL_KM_MIN, ANVIL_DRIFT = 0.3, 0.5, 0.4
"""Part of a cell's life at which its anvil begins; its growth; its drift, as a part of the wind at the tropopause."""

ANVIL_ABOVE_M = 2500.0
"""Anvil above the core's top in mid-life, never above the tropopause."""

GUST_FACTOR = 1.3
"""Gust over the wind of the same place [our choice]: gust factors of outflows are 1.2 to 1.5."""

RAIN_A, RAIN_B, RAIN_CAP_DBZ, RAIN_AT_M = 300.0, 1.4, 53.0, 1500.0
"""Z = 300 R^1.4 (WSR-88D convective), capped for hail; of the echo at this height."""


@dataclass(frozen=True)
class Instant:
    """A world at one time, as rows for the kernels: cells (n, CELL_COLUMNS), shields (m, SHIELD_COLUMNS) f8."""

    cells: Doubles
    shields: Doubles


@dataclass(frozen=True, eq=False)
class Ground:
    """What the ground feels; arrays of one shape.

    Attributes:
        u, v: wind [m s-1]; gust: [m s-1]; deficit: of temperature [K]; jump: of pressure [hPa]; rain: [mm h-1].
    """

    u: Doubles
    v: Doubles
    gust: Doubles
    deficit: Doubles
    jump: Doubles
    rain: Doubles


@lru_cache(maxsize=64)
def instant(world: World, when: datetime) -> Instant:
    """The cells and shields that are there at `when` (aware UTC)."""
    when = require_utc(when)
    cells = [_cell(cell, world, when) for cell in world.cells if cell.vigour(when) > 0]
    shields = [_shield(shield, world, when) for shield in world.shields if shield.vigour(when) > 0]
    return Instant(
        np.array(cells, dtype=np.float64).reshape(-1, CELL_COLUMNS),
        np.array(shields, dtype=np.float64).reshape(-1, SHIELD_COLUMNS),
    )


def _cell(cell: Cell, world: World, when: datetime) -> list[float]:
    lon, lat = cell.place(when)
    age, vigour = cell.age(when), cell.vigour(when)
    kx = KM_PER_DEG * float(np.cos(np.deg2rad(lat)))
    gust = cell.outflow_m_s * min(max(age - OUTFLOW_FROM, 0) / 0.2, 1) * min(max(1 - age, 0) / 0.2, 1)
    since_outflow = max(age - OUTFLOW_FROM, 0) * cell.life_min
    front = cell.radius_km / 2 + OUTFLOW_KM_PER_M_S_MIN * cell.outflow_m_s * since_outflow if gust > 0 else 0.0
    since_anvil = max(age - ANVIL_FROM, 0) * cell.life_min
    anvil = min(cell.core_top_m + ANVIL_ABOVE_M, world.air.tropopause_m)
    u, v = (float(part) * ANVIL_DRIFT for part in world.air.wind(anvil))
    return [
        lon, lat, kx, cell.radius_km, cell.peak_dbz - DYING_DB * (1 - vigour),
        cell.core_top_m * (YOUNG_TOP + (1 - YOUNG_TOP) * vigour), cell.lapse_db_km, cell.lean_x, cell.lean_y,
        min(HAIL_DB_PER_MM * cell.hail_mm, MOST_HAIL_DB) * vigour, cell.rotation_m_s * vigour, gust / GUST_FACTOR,
        front, cell.hail_mm * max(2 * vigour - 1, 0), COLD_K_PER_M_S * gust, JUMP_HPA_PER_M_S * gust,
        lon + u * since_anvil * 0.06 / kx, lat + v * since_anvil * 0.06 / KM_PER_DEG,
        cell.radius_km + ANVIL_KM_MIN * since_anvil if since_anvil > 0 else 0.0, anvil,
    ]  # fmt: skip


def _shield(shield: Shield, world: World, when: datetime) -> list[float]:
    lon, lat = shield.place(when)
    heading = np.deg2rad(shield.heading_deg)
    return [
        lon, lat, KM_PER_DEG * float(np.cos(np.deg2rad(lat))), shield.dbz - DYING_DB * (1 - shield.vigour(when)),
        shield.along_km, shield.across_km, float(np.sin(heading)), float(np.cos(heading)), shield.top_m,
        world.air.h0_m,
    ]  # fmt: skip


def reflectivity(
    world: World, lon: npt.ArrayLike, lat: npt.ArrayLike, height_m: npt.ArrayLike, when: datetime
) -> Doubles:
    """Reflectivity [dBZ] at places [deg] and heights ASL that broadcast; NOTHING_DBZ where no storm is."""
    now = instant(world, when)
    (lons, lats, heights), shape = _flat(lon, lat, height_m)
    out = np.full(lons.size, NOTHING_DBZ)
    fill_dbz(lons, lats, heights, now.cells, now.shields, out)
    return out.reshape(shape)


def wind(
    world: World, lon: npt.ArrayLike, lat: npt.ArrayLike, height_m: npt.ArrayLike, when: datetime
) -> tuple[Doubles, Doubles]:
    """(u, v) [m s-1] at places [deg] and heights ASL that broadcast: environment, mesocyclones and outflows."""
    now = instant(world, when)
    (lons, lats, heights), shape = _flat(lon, lat, height_m)
    u, v = world.air.wind(heights)
    fill_wind(lons, lats, heights, now.cells, world.air.ground_m, u, v)
    return u.reshape(shape), v.reshape(shape)


def clouds(
    world: World, lon: npt.ArrayLike, lat: npt.ArrayLike, when: datetime
) -> tuple[Doubles, Doubles, Doubles]:  # fmt: skip
    """(opaque, thin, emissivity): top of the opaque cloud [m ASL] (0: none), top and emissivity (0..1) of the anvil
    that may be above it."""
    now = instant(world, when)
    (lons, lats), shape = _flat(lon, lat)
    opaque, thin, emissivity = np.zeros((3, lons.size))
    fill_clouds(lons, lats, now.cells, now.shields, opaque, thin, emissivity)
    top = world.air.tropopause_m + 2000
    return np.minimum(opaque, top).reshape(shape), thin.reshape(shape), emissivity.reshape(shape)


def ground(world: World, lon: npt.ArrayLike, lat: npt.ArrayLike, when: datetime) -> Ground:
    """What the ground feels at places [deg] that broadcast."""
    now = instant(world, when)
    (lons, lats), shape = _flat(lon, lat)
    u, v = wind(world, lons, lats, world.air.ground_m + 10, when)
    deficit, jump, _ = _pools(now, lons, lats)
    dbz = np.minimum(reflectivity(world, lons, lats, RAIN_AT_M, when), RAIN_CAP_DBZ)
    rain = np.where(dbz > 10, (10 ** (dbz / 10) / RAIN_A) ** (1 / RAIN_B), 0.0)
    gust = GUST_FACTOR * np.hypot(u, v)
    return Ground(*(part.reshape(shape) for part in (u, v, gust, deficit, jump, rain)))


def hail_size(world: World, lon: npt.ArrayLike, lat: npt.ArrayLike, when: datetime) -> Doubles:
    """Diameter of the hail that falls [mm]; 0 where none does."""
    (lons, lats), shape = _flat(lon, lat)
    return _pools(instant(world, when), lons, lats)[2].reshape(shape)


def _pools(now: Instant, lon: Doubles, lat: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    deficit, jump, hail = np.zeros((3, lon.size))
    fill_ground(lon, lat, now.cells, deficit, jump, hail)
    return deficit, jump, hail


def _flat(*parts: npt.ArrayLike) -> tuple[list[Doubles], tuple[int, ...]]:
    together: list[npt.NDArray[Any]] = list(np.broadcast_arrays(*parts))
    return [np.array(part, dtype=np.float64).ravel() for part in together], together[0].shape
