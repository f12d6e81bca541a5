"""Tables of the mosaic: where columns lie as seen from a radar, and what depends on the ground distance alone.

They are small on purpose. The kernel reads one row of them for every column and radar in no order a cache could
foresee, so what counts is that the rows of all radars fit the second-level cache: rows lie closer together near the
radar, where elevations change fast, and their numbers are u2. Gates are not looked up but interpolated between
distances NODE_STEPS apart, where the slant range is a straight line to a few centimetres.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wxcore.grid import Grid
from wxcore.radar.geometry import Floats, beam_through, ground_position, slant_at_arc
from wxcore.radar.mosaic_kernels import NODE_STEPS, OUT_OF_RANGE, ROW_STEPS
from wxcore.radar.tilts import AZIMUTH_STEPS

STEP_M = 7.5
"""Step of the distance index: 1/33 of the commonest gate (250 m), so the nearest gate is missed by less than 1 %."""

ROW_SHARE = 1 / 1000
"""Beyond 30 km, rows lie this part of their distance apart: elevations are then right to 1/2000 [our choice]."""

MOST = 65_535.0
"""Full scale of the u2 tables."""

WEIGHT_RANGE_M = 230_000.0
WEIGHT_BEAM_M = 3_000.0
WEIGHT_OFF_BEAM_DEG = 0.5
"""Weight of a radar in a cell at ground distance s, whose elevation is `off` away from the nearest tilt:
exp(-(s / 230 km)^2) / (1 + (beam radius / 3 km)^2) / (1 + (off / 0.5 deg)^2). The quality weights of DOMAIN.md 1.4,
with the cell's own distance from the beam in place of half the gap: the radar that looked there speaks before the one
that interpolates across 4 deg. (Huai'an and Taizhou, 2020-06-12: MESH of the mean 42.5 mm, 38.8 without this factor;
46.2 and 45.8 mm alone. A mean of displaced peaks is always lower than either.)"""

ROWS_AT_ONCE = 32
"""Rows of the grid for which float64 distances are held at a time: keeps the memory added below 2 MB."""


@dataclass(frozen=True)
class ColumnIndex:
    """Where columns lie as seen from R radars.

    Attributes:
        distance: (R, Y, X) u2 in STEP_M, OUT_OF_RANGE beyond; azimuth: (R, Y, X) u2 in 360 / AZIMUTH_STEPS deg.
        reached: (R, Y) is any column of the row within range?
    """

    distance: npt.NDArray[np.uint16]
    azimuth: npt.NDArray[np.uint16]
    reached: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RadialTables:
    """What depends on the ground distance alone; D rows, N nodes, T tilts, L levels.

    Attributes:
        places: (D, L) u2: the level's place among the tilts (0 at the lowest, T - 1 at the highest) times `per_tilt`.
        roots: (D, L) u2: square root of 1 / (1 + (off / 0.5 deg)^2) times MOST; 0 where no tilt can see the level.
        near: (D,) f4: the weight's factors of distance, over MOST squared.
        used: (D, 2) u2: first tilt that any seen level needs, and the one after the last.
        gates, slopes: (N, T) f4: place in the tilt's block (its first gate at 1, half a gate added) at a node, and
            change a distance step.
        per_tilt: places between two tilts.
    """

    places: npt.NDArray[np.uint16]
    roots: npt.NDArray[np.uint16]
    near: npt.NDArray[np.float32]
    used: npt.NDArray[np.uint16]
    gates: npt.NDArray[np.float32]
    slopes: npt.NDArray[np.float32]
    per_tilt: float


@lru_cache(maxsize=4)
def row_distances(max_range_m: float) -> Floats:
    """Ground distance of each row [m], ascending, to beyond `max_range_m`."""
    closest = ROW_STEPS * STEP_M
    distances = [0.0]
    while distances[-1] < max_range_m + closest:
        distances.append(distances[-1] + max(closest, distances[-1] * ROW_SHARE))
    return np.array(distances)


@lru_cache(maxsize=4)
def row_of_distance(max_range_m: float) -> npt.NDArray[np.uint16]:
    """(K,) u2: the row nearest to each ROW_STEPS distance steps."""
    rows = row_distances(max_range_m)
    count = int(np.rint(max_range_m / STEP_M)) // ROW_STEPS + 2
    middle = (np.arange(count) * ROW_STEPS + (ROW_STEPS - 1) / 2) * STEP_M
    return np.searchsorted((rows[:-1] + rows[1:]) / 2, middle).astype(np.uint16)


@lru_cache(maxsize=2)
def column_indices(places: tuple[tuple[float, float], ...], grid: Grid, max_range_m: float) -> ColumnIndex:
    """The index of several radars, each (latitude, longitude); kept between calls."""
    each = [_column_index(lat, lon, grid, max_range_m) for lat, lon in places]
    distance, azimuth = np.stack([d for d, _ in each]), np.stack([a for _, a in each])
    return ColumnIndex(distance, azimuth, (distance != OUT_OF_RANGE).any(axis=2))


@lru_cache(maxsize=64)
def _column_index(
    site_lat: float, site_lon: float, grid: Grid, max_range_m: float
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """(Y, X) distance and azimuth of each column, in steps; kept between calls (4 bytes a column)."""
    distance = np.empty(grid.shape, dtype=np.uint16)
    azimuth = np.empty(grid.shape, dtype=np.uint16)
    for row in range(0, grid.n_lat, ROWS_AT_ONCE):
        rows = slice(row, row + ROWS_AT_ONCE)
        metres, degrees = ground_position(site_lat, site_lon, grid.lat[rows, None], grid.lon[None, :])
        distance[rows] = np.where(metres <= max_range_m, np.rint(metres / STEP_M), OUT_OF_RANGE)
        azimuth[rows] = (degrees * (AZIMUTH_STEPS / 360.0)).astype(np.int64) % AZIMUTH_STEPS
    return distance, azimuth


@lru_cache(maxsize=64)
def radial_tables(
    tilts: tuple[tuple[float, float, float, int], ...],
    altitude_m: float,
    half_beam: float,
    levels_m: tuple[float, ...],
    max_range_m: float,
) -> RadialTables:
    """Tables of a tilt set; kept between calls.

    Args:
        tilts: (elevation [deg], first gate [m], gate [m], gates) of each, in order of elevation.
        altitude_m: antenna [m ASL]; half_beam: half of the half-power beam width [deg].
        levels_m: levels [m ASL], ascending; max_range_m: ground distance of the last row [m].
    """
    arc = row_distances(max_range_m)
    beams = np.array([tilt[0] for tilt in tilts], dtype=np.float64)
    elevation, _ = beam_through(arc[:, None], np.asarray(levels_m)[None, :] - altitude_m)
    place = np.interp(elevation, beams, np.arange(beams.size, dtype=np.float64))
    below, above = np.floor(place).astype(np.intp), np.ceil(place).astype(np.intp)
    reached = np.stack([_has_gate(arc, *tilt) for tilt in tilts], axis=1)
    seen = (elevation >= beams[0] - half_beam) & (elevation <= beams[-1])
    seen &= np.take_along_axis(reached, below, axis=1) & np.take_along_axis(reached, above, axis=1)
    root = 1 / np.sqrt(1 + (_off_beam(elevation, beams) / WEIGHT_OFF_BEAM_DEG) ** 2)
    beam_radius = arc * np.deg2rad(half_beam)
    near = np.exp(-((arc / WEIGHT_RANGE_M) ** 2)) / (1 + (beam_radius / WEIGHT_BEAM_M) ** 2)
    per_tilt = MOST / max(beams.size - 1, 1)
    used = np.stack([np.where(seen, below, beams.size).min(axis=1), np.where(seen, above + 1, 0).max(axis=1)], axis=1)
    nodes = NODE_STEPS * STEP_M * np.arange(int(np.rint(max_range_m / STEP_M)) // NODE_STEPS + 3)
    gates = np.stack([(slant_at_arc(nodes, tilt[0]) - tilt[1]) / tilt[2] + 1.5 for tilt in tilts], axis=1)
    return RadialTables(
        places=np.rint(place * per_tilt).astype(np.uint16),
        roots=np.where(seen, np.maximum(np.rint(root * MOST), 1), 0).astype(np.uint16),
        near=(near / MOST**2).astype(np.float32),
        used=used.astype(np.uint16),
        gates=gates[:-1].astype(np.float32),
        slopes=(np.diff(gates, axis=0) / NODE_STEPS).astype(np.float32),
        per_tilt=per_tilt,
    )


def _off_beam(elevation: Floats, beams: Floats) -> Floats:
    """Angle between each elevation and the nearest beam [deg]."""
    off = np.full(elevation.shape, np.inf)
    for beam in beams:
        np.minimum(off, np.abs(elevation - beam), out=off)
    return off


def _has_gate(arc: Floats, elevation: float, first: float, gate_m: float, gates: int) -> npt.NDArray[np.bool_]:
    index = np.rint((slant_at_arc(arc, elevation) - first) / gate_m)
    return np.asarray((index >= 0) & (index < gates))
