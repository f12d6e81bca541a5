"""Lay one radar's echoes over another's: the shift and turn with which they agree best.

Points of radar a, at a few heights, are compared with maps of radar b at the same heights (own_map: kilometres about
b's own site, so b's map is the same whatever its site is said to be). If b stands `shift` from its registered place,
and `turn` must be added to its azimuths, then what a sees at p stands in b's map at the point p - shift, turned back.
Coarse steps first, then steps halved about the best few; every loop is bounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numba import njit
from pyproj import Geod

from wxcore.radar.geometry import Floats, ground_position
from wxcore.radar.siting.overlap import LEVELS_M, REACH_M, View, sampler, values_at
from wxcore.radar.tilts import UNOBSERVED

ABOVE_M = (1500.0, 3000.0, 4500.0)
"""Heights compared, above the higher antenna [m]: over the clutter, and most storms reach them [our choice]."""

MAP_STEP_M, MAP_HALF = 1000.0, 200
"""Cells of b's map, and how many to each side: to REACH_M."""

POINT_STEP_M, POINTS_REACH_M = 2000.0, 150_000.0
"""Distance of a's points, and how far from both radars they lie at most: farther, a beam of 1 deg mixes 2.6 km of
leaning storm, which looks like a shift of 3 km."""

ECHO_DBZ, CEILING_DBZ = 10.0, 50.0
"""Echo from here; correlated are dBZ between 0 and the ceiling, so that edges count and hail cores do not rule."""

STEPS_A_DB, UNKNOWN = 4, np.uint8(255)
"""Values are compared as u1 quarters of dB, so that the maps stay in the processor's cache; this one is unobserved."""

MOST_POINTS = 3000
"""Points used, half of them with echo at most; every third in the coarse search."""

COARSE_M, COARSE_DEG = 3000.0, 1.0
FARTHEST_M, LARGEST_TURN_DEG = 12_000.0, 10.0
"""Searched: shifts to 12 km (0.1 deg and a little) and turns to 10 deg. Steps of 3 km still meet a storm of 5 km."""

POOR, WIDE_M = 0.8, 48_000.0
"""Where nothing in reach matches better than this, shifts (without a turn) are searched as far as this."""

HALVINGS, LEADERS = 3, 4
"""Steps are halved so often, to 0.4 km and 0.1 deg, about the best few."""

TURNS_DEG = np.arange(-LARGEST_TURN_DEG, LARGEST_TURN_DEG + 0.01, 0.25)

_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Pose:
    """East and north shift of b [m], turn to be added to its azimuths [deg], and how well it matches then."""

    east_m: float
    north_m: float
    turn_deg: float
    correlation: float


@dataclass(frozen=True)
class Scene:
    """What is compared; P points, N cells.

    Attributes:
        quarters: (P,) u1 of radar a, 0 to CEILING_DBZ; east_m, north_m: (P,) f8 from b's site [m]; level: (P,) i4.
        maps: (level, N, N) u1 of radar b, UNKNOWN where unobserved; rows north, columns east.
        echoes: points of a with echo; a_east_m, a_north_m: a's site in b's frame [m].
        b_echoes: points of a where b, as it is registered, has echo.
    """

    quarters: npt.NDArray[np.uint8]
    east_m: Floats
    north_m: Floats
    level: npt.NDArray[np.int32]
    maps: npt.NDArray[np.uint8]
    echoes: int
    b_echoes: int
    a_east_m: float
    a_north_m: float


def scene_of(a: View, b: View) -> Scene | None:
    """What two comparable views have in common; None where nothing."""
    levels = _levels(max(a.site.altitude_m, b.site.altitude_m))
    azimuth, _, apart = _GEOD.inv(b.site.longitude, b.site.latitude, a.site.longitude, a.site.latitude)
    a_east, a_north = apart * np.sin(np.deg2rad(azimuth)), apart * np.cos(np.deg2rad(azimuth))
    line = np.arange(-REACH_M, REACH_M + 1, POINT_STEP_M)
    east, north = (part.ravel() for part in np.meshgrid(line, line))
    to_b, to_a = np.hypot(east, north), np.hypot(east - a_east, north - a_north)
    common = np.maximum(to_a, to_b) <= POINTS_REACH_M
    if not common.any() or not levels:
        return None
    east, north = east[common], north[common]
    lon, lat, _ = _GEOD.fwd(
        np.full(east.size, b.site.longitude), np.full(east.size, b.site.latitude),
        np.rad2deg(np.arctan2(east, north)), np.hypot(east, north),
    )  # fmt: skip
    metres, degrees = ground_position(a.site.latitude, a.site.longitude, lat, lon)
    seen = values_at(sampler(a), metres[None, :], degrees[None, :], np.array(levels)[:, None])
    level, point = _chosen(seen)
    maps = _own_map(b, levels)
    quarters = _quarters(seen[level, point])
    scene = Scene(
        quarters, east[point], north[point], level.astype(np.int32), maps, int(_echo(quarters).sum()), 0,
        float(a_east), float(a_north),
    )  # fmt: skip
    cells = (np.rint(np.stack([scene.north_m, scene.east_m]) / MAP_STEP_M) + MAP_HALF).astype(np.intp)
    there = maps[level, cells[0], cells[1]]
    return replace(scene, b_echoes=int(_echo(there).sum()))


def _quarters(hundredths: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """Between 0 and CEILING_DBZ; UNKNOWN where unobserved."""
    steps = np.rint(np.clip(hundredths * np.float32(STEPS_A_DB / 100), 0, CEILING_DBZ * STEPS_A_DB)).astype(np.uint8)
    return np.where(hundredths == UNOBSERVED, UNKNOWN, steps)


def _echo(quarters: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return np.asarray((quarters >= ECHO_DBZ * STEPS_A_DB) & (quarters != UNKNOWN))


def _levels(antenna_m: float) -> tuple[int, ...]:
    """Indices into LEVELS_M of the heights compared."""
    wanted = [round((antenna_m + above - LEVELS_M[0]) / (LEVELS_M[1] - LEVELS_M[0])) for above in ABOVE_M]
    return tuple(sorted({k for k in wanted if 0 <= k < len(LEVELS_M)}))


def _chosen(seen: npt.NDArray[np.int16]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(level, point) of at most MOST_POINTS observed points, half of them with echo, evenly drawn."""
    parts = []
    for wanted in (seen >= 100 * ECHO_DBZ, (seen != UNOBSERVED) & (seen < 100 * ECHO_DBZ)):
        found = np.flatnonzero(wanted)
        parts.append(found[np.linspace(0, max(found.size - 1, 0), min(found.size, MOST_POINTS // 2)).astype(np.intp)])
    level, point = np.unravel_index(np.concatenate(parts), seen.shape)
    return level, point


@lru_cache(maxsize=1)
def _map_cells() -> tuple[Floats, Floats]:
    """Distance [m] and azimuth [deg] of the cells of a map."""
    line = MAP_STEP_M * np.arange(-MAP_HALF, MAP_HALF + 1)
    east, north = np.meshgrid(line, line)
    return np.hypot(east, north), np.rad2deg(np.arctan2(east, north)) % 360.0


def _own_map(view: View, levels: Sequence[int]) -> npt.NDArray[np.uint8]:
    """(level, N, N) quarters of dB of a view about its own site."""
    of = sampler(view)
    return np.stack([_quarters(values_at(of, *_map_cells(), level)) for level in levels])


def correlations(scene: Scene, poses: Floats, *, every: int = 1) -> Floats:
    """(C,) correlation at each pose; NaN where fewer than half of the points are observed by both, or one is flat.

    Args:
        poses: (C, 3) east [m], north [m], turn [deg]; every: use each k-th point.
    """
    out = np.empty(len(poses))
    _correlate(
        scene.quarters[::every], np.stack([scene.east_m[::every], scene.north_m[::every]]) / MAP_STEP_M,
        scene.level[::every], scene.maps, poses * np.array([1 / MAP_STEP_M, 1 / MAP_STEP_M, 1.0]), UNKNOWN, out,
    )  # fmt: skip
    return out


@njit(cache=True, nogil=True)
def _correlate(
    quarters: npt.NDArray[np.uint8],
    places: Floats,
    level: npt.NDArray[np.int32],
    maps: npt.NDArray[np.uint8],
    poses: Floats,
    unknown: np.uint8,
    out: Floats,
) -> None:  # pragma: no cover - compiled
    """Pearson's correlation of `quarters` (P,) with the nearest cells of `maps`, at each pose.

    `places` (2, P) and the shifts of `poses` (C, 3) are in cells.
    """
    cells = maps.shape[1]
    # a place half a cell beyond the centre of the first belongs to it: truncation then rounds
    centre = (cells - 1) / 2 + 0.5
    for c in range(poses.shape[0]):
        turn = np.deg2rad(poses[c, 2])
        cosine, sine = np.cos(turn), np.sin(turn)
        n = a = b = aa = bb = ab = 0
        for p in range(quarters.size):
            x, y = places[0, p] - poses[c, 0], places[1, p] - poses[c, 1]
            # azimuths grow clockwise: turned back is anticlockwise
            right, up = cosine * x - sine * y + centre, sine * x + cosine * y + centre
            if not (0 <= right < cells and 0 <= up < cells):
                continue
            there = int(maps[level[p], int(up), int(right)])
            if there == unknown:
                continue
            here = int(quarters[p])
            n += 1
            a += here
            b += there
            aa += here * here
            bb += there * there
            ab += here * there
        product = float(n * aa - a * a) * float(n * bb - b * b)
        out[c] = np.nan
        if 2 * n >= quarters.size and n > 2 and product > 0:
            out[c] = (n * ab - a * b) / np.sqrt(product)


def pose_at(scene: Scene, east_m: float = 0.0, north_m: float = 0.0, turn_deg: float = 0.0) -> Pose:
    """One pose and its correlation."""
    return Pose(east_m, north_m, turn_deg, float(correlations(scene, np.array([[east_m, north_m, turn_deg]]))[0]))


def best_poses(scene: Scene) -> tuple[Pose, Pose]:
    """The best shift without a turn, and the best of near shifts with turns about b's site."""
    line = np.arange(-FARTHEST_M, FARTHEST_M + 1, COARSE_M)
    turns = np.arange(-LARGEST_TURN_DEG, LARGEST_TURN_DEG + 0.01, COARSE_DEG)
    poses = np.stack(np.meshgrid(line, line, turns, indexing="ij"), axis=-1).reshape(-1, 3)
    found = np.nan_to_num(correlations(scene, poses, every=3), nan=-1.0)
    still = poses[:, 2] == 0
    shifted = _refined(scene, poses[still], found[still], (COARSE_M, COARSE_M, 0.0))
    free = _refined(scene, poses, found, (COARSE_M, COARSE_M, COARSE_DEG))
    if max(shifted.correlation, free.correlation) >= POOR:
        return shifted, free
    line = np.arange(-WIDE_M, WIDE_M + 1, COARSE_M)
    poses = np.stack(np.meshgrid(line, line, 0.0, indexing="ij"), axis=-1).reshape(-1, 3)
    found = np.nan_to_num(correlations(scene, poses, every=3), nan=-1.0)
    far = _refined(scene, poses, found, (COARSE_M, COARSE_M, 0.0))
    return max(shifted, far, key=lambda pose: pose.correlation), free


def best_turn_about_a(scene: Scene) -> Pose:
    """The best of turns about a's site, as a pose of b: a turn of b by as much the other way, and a shift."""
    turn = np.deg2rad(TURNS_DEG)
    east, north = scene.a_east_m, scene.a_north_m
    poses = np.stack(
        [
            east - (np.cos(turn) * east + np.sin(turn) * north),
            north - (np.cos(turn) * north - np.sin(turn) * east),
            TURNS_DEG,
        ],
        axis=1,
    )
    return _best(scene, poses)


def best_turn_about_b(scene: Scene) -> Pose:
    """The best of turns about b's site without a shift."""
    return _best(scene, np.stack([0 * TURNS_DEG, 0 * TURNS_DEG, TURNS_DEG], axis=1))


def _best(scene: Scene, poses: Floats) -> Pose:
    found = correlations(scene, poses)
    k = int(np.argmax(np.nan_to_num(found, nan=-1.0)))
    return Pose(float(poses[k, 0]), float(poses[k, 1]), float(poses[k, 2]), float(found[k]))


def _refined(scene: Scene, poses: Floats, found: Floats, steps: tuple[float, float, float]) -> Pose:
    leaders = poses[np.argsort(-found, kind="stable")[:LEADERS]]
    for halving in range(HALVINGS):
        step = np.array(steps) / 2 ** (halving + 1)
        around = np.stack(np.meshgrid(*(np.unique([-s, 0.0, s]) for s in step), indexing="ij"), axis=-1).reshape(-1, 3)
        tried = np.unique((leaders[:, None, :] + around[None, :, :]).reshape(-1, 3), axis=0)
        scores = np.nan_to_num(correlations(scene, tried), nan=-1.0)
        leaders = tried[np.argsort(-scores, kind="stable")[: max(LEADERS >> (halving + 1), 1)]]
    return pose_at(scene, *(float(part) for part in leaders[0]))


def better_everywhere(scene: Scene, pose: Pose) -> bool:
    """Does the pose match better than rest in the east as in the west, in the north as in the south?

    A storm that grew or ran between two volumes pulls the whole, but not all halves of it.
    """
    echo = _echo(scene.quarters)
    for along in (scene.east_m, scene.north_m):
        middle = float(np.median(along[echo])) if echo.any() else 0.0
        for side in (along <= middle, along > middle):
            half = replace(
                scene, quarters=scene.quarters[side], east_m=scene.east_m[side], north_m=scene.north_m[side],
                level=scene.level[side],
            )  # fmt: skip
            poses = np.array([[0.0, 0.0, 0.0], [pose.east_m, pose.north_m, pose.turn_deg]])
            here, there = correlations(half, poses)
            if not there > here:
                return False
    return True


def mean_displacement_m(scene: Scene, pose: Pose) -> float:
    """How far the pose carries the points of b that a sees as echo, on average [m]."""
    echo = _echo(scene.quarters)
    x, y = scene.east_m[echo], scene.north_m[echo]
    turn = np.deg2rad(pose.turn_deg)
    back_x, back_y = x - pose.east_m, y - pose.north_m
    from_x = np.cos(turn) * back_x - np.sin(turn) * back_y
    from_y = np.sin(turn) * back_x + np.cos(turn) * back_y
    return float(np.hypot(x - from_x, y - from_y).mean()) if echo.any() else 0.0
