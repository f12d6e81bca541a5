"""Track storms: give each storm of a cycle its id, age, parents and motion from the tables of recent cycles.

DOMAIN.md section 4, project default: old storms are moved on by their motion and matched with the new ones by overlap
or distance (Hungarian); the child with the largest overlap keeps the id; one missed cycle is bridged. Everything
depends on times, ids and shapes only, never on the order of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy.optimize import linear_sum_assignment

from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.storms.features import empty_storms
from wxcore.storms.identify import Cells
from wxcore.storms.motion import Motion, blended, borrowed, common_shift, fit, inherited
from wxcore.times import to_datetime64

NS_PER_MIN = 60e9

MIN_OVERLAP = 0.3
"""Intersection over the smaller area from which two outlines are one storm, or one split or merged (DOMAIN.md 4)."""

MIN_SEARCH_KM, SEARCH_SPEED_M_S = 5.0, 30.0
"""Centroids match within max(5 km, 30 m/s x dt) of where the old storm should be (DOMAIN.md 4)."""

CLOSE_KM = 5.0
"""Scale on which nearness counts when outlines do not decide [km] [I]."""

CLOSE_WORTH_KM2 = 10.0
"""What being in the right place is worth, in km2 of overlap: the smallest storm's area [I]."""

MAX_POSITIONS = 5
"""Positions that a motion is fitted to."""

MAX_GAP_MIN = 13.0
"""Oldest table that a storm is continued from: one missed cycle of six minutes, and a minute of jitter."""

DEGREE_KM = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)

KM_PER_MIN = 0.06
"""km/min of one m/s."""

Floats = npt.NDArray[np.float64]
Shapes = npt.NDArray[np.object_]


@dataclass(frozen=True)
class _Plane:
    """Local plane [km] about the middle of the grid."""

    lon: float
    lat: float

    @property
    def east_km(self) -> float:
        return DEGREE_KM * float(np.cos(np.deg2rad(self.lat)))

    def positions(self, table: pd.DataFrame) -> Floats:
        east = (table["lon"].to_numpy(dtype="f8") - self.lon) * self.east_km
        north = (table["lat"].to_numpy(dtype="f8") - self.lat) * DEGREE_KM
        return np.column_stack([east, north])

    def polygons(self, table: pd.DataFrame) -> Shapes:
        origin, scale = np.array([self.lon, self.lat]), np.array([self.east_km, DEGREE_KM])
        shapes = table["polygon"].to_numpy(dtype=object)
        return np.asarray(shapely.transform(shapes, lambda xy: (xy - origin) * scale))


@dataclass(frozen=True)
class _Match:
    """How old and new storms belong together.

    Attributes:
        pairs: new row -> old row that it continues.
        parents: new row -> ids it split from or merged out of.
        split_from: new row without a pair -> old row it split from.
    """

    pairs: dict[int, int]
    parents: dict[int, tuple[str, ...]]
    split_from: dict[int, int]


def track(
    current: Cells,
    previous: Sequence[pd.DataFrame],
    *,
    when: datetime,
    grid: Grid,
    max_gap_min: float = MAX_GAP_MIN,
) -> pd.DataFrame:
    """The current table with storm_id, parents, age_min and motion filled; rows stay in their order.

    Args:
        current: storms of this cycle, as identified.
        previous: tracked tables of recent cycles (any order; empty ones and ones not before `when` are passed over).
        when: analysis time, aware; makes the ids of new storms (`200001011206-001`: strongest first).
        grid: their grid.
        max_gap_min: a storm continues one last seen at most this long ago [min].

    Motion is NaN where nothing gives one: a storm's first cycle without measured storms within NEIGHBOUR_KM.

    Raises:
        TimeError: `when` is naive.
    """
    table = current.table.copy()
    now = to_datetime64(when)
    if table.empty:
        return table
    plane = _Plane(float(np.mean(grid.lon[[0, -1]])), float(np.mean(grid.lat[[0, -1]])))
    history = _history(previous, now)
    old = _candidates(history, now, max_gap_min)
    found = _match(table, old, now, plane)
    ids = _ids(table, found.pairs, old, when)
    table["storm_id"] = ids
    parents = np.empty(len(table), dtype=object)
    parents[:] = [found.parents.get(row, ()) for row in range(len(table))]
    table["parents"] = parents
    minutes = _minutes(now, old)
    old_age = old["age_min"].to_numpy(dtype="f8")
    table["age_min"] = [
        old_age[found.pairs[row]] + minutes[found.pairs[row]] if row in found.pairs else 0.0
        for row in range(len(table))
    ]
    motions = _motions(table, found, history, plane)
    for column, name in (("u_m_s", "u"), ("v_m_s", "v"), ("motion_sd_m_s", "sd")):
        table[column] = np.array([getattr(motion, name) for motion in motions], dtype="f8")
    return table


def _history(previous: Sequence[pd.DataFrame], now: np.datetime64) -> pd.DataFrame:
    """All earlier rows, by time and id."""
    tables = [table for table in previous if not table.empty]
    rows = pd.concat(tables, ignore_index=True) if tables else empty_storms()
    rows = rows[rows["time"].to_numpy(dtype="datetime64[ns]") < now]
    return rows.sort_values(["time", "storm_id"], kind="stable").reset_index(drop=True)


def _minutes(now: np.datetime64, rows: pd.DataFrame) -> Floats:
    times = rows["time"].to_numpy(dtype="datetime64[ns]")
    return (now - times).astype("timedelta64[ns]").astype(np.float64) / NS_PER_MIN


def _candidates(history: pd.DataFrame, now: np.datetime64, max_gap_min: float) -> pd.DataFrame:
    """The last row of each storm seen within the gap, unless it has merged into another since."""
    recent = history[_minutes(now, history) <= max_gap_min]
    merged = {
        parent
        for name, parents in zip(recent["storm_id"], recent["parents"], strict=True)
        for parent in parents
        if parent != name
    }
    last = recent.drop_duplicates("storm_id", keep="last")
    newest = recent["time"].max() if len(recent) else None
    alive = (last["time"] == newest) | ~last["storm_id"].isin(merged)
    return last[alive].sort_values("storm_id").reset_index(drop=True)


def _match(table: pd.DataFrame, old: pd.DataFrame, now: np.datetime64, plane: _Plane) -> _Match:
    if old.empty:
        return _Match({}, {}, {})
    minutes = _minutes(now, old)
    search = np.maximum(MIN_SEARCH_KM, SEARCH_SPEED_M_S * KM_PER_MIN * minutes)
    here, there = plane.positions(table), plane.positions(old)
    shift = _expected_shift(table, old, minutes, plane, radius_km=float(search.max()))
    shapes, moved = plane.polygons(table), _moved(plane.polygons(old), shift)
    common = _intersections(moved, shapes)
    overlap = common / np.minimum(shapely.area(moved)[:, None], shapely.area(shapes)[None, :])
    apart = (there + shift)[:, None, :] - here[None, :, :]
    distance = np.hypot(apart[..., 0], apart[..., 1])
    allowed = (overlap >= MIN_OVERLAP) | (distance <= search[:, None])
    worth = np.where(allowed, np.sqrt(common + CLOSE_WORTH_KM2 * np.exp(-((distance / CLOSE_KM) ** 2))), 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    pairs = {int(new): int(prior) for prior, new in zip(rows, columns, strict=True) if allowed[prior, new]}
    return _families(pairs, common, overlap, old["storm_id"].tolist())


def _expected_shift(
    table: pd.DataFrame, old: pd.DataFrame, minutes: Floats, plane: _Plane, *, radius_km: float
) -> Floats:
    """Displacement [km] of each old storm: by its motion, or by the shift common to storms around it."""
    shift = old[["u_m_s", "v_m_s"]].to_numpy(dtype="f8") * KM_PER_MIN * minutes[:, None]
    lost = np.isnan(shift[:, 0] + shift[:, 1])
    if not lost.any():
        return shift
    guess = common_shift(
        plane.positions(old), old["area_km2"].to_numpy(dtype="f8"),
        plane.positions(table), table["area_km2"].to_numpy(dtype="f8"), radius_km=radius_km,
    )  # fmt: skip
    return np.where(lost[:, None], guess, shift)


def _moved(shapes: Shapes, shift: Floats) -> Shapes:
    """Each shape by its own displacement."""
    moved = shapes.copy()
    by = np.repeat(shift, shapely.get_num_coordinates(shapes), axis=0)
    return np.asarray(shapely.set_coordinates(moved, shapely.get_coordinates(shapes) + by))


def _intersections(old: Shapes, new: Shapes) -> Floats:
    """Common area of every pair, (old, new) [km2]."""
    common = np.zeros((old.size, new.size))
    i, j = shapely.STRtree(new.tolist()).query(old, predicate="intersects")
    common[i, j] = shapely.area(shapely.intersection(old[i], new[j]))
    return common


def _families(pairs: dict[int, int], common: Floats, overlap: Floats, ids: list[str]) -> _Match:
    """Splits: a new storm without a pair out of one that goes on. Merges: an old one without a pair into a new one."""
    parents: dict[int, tuple[str, ...]] = {}
    split_from: dict[int, int] = {}
    for new in range(common.shape[1]):
        if new not in pairs:
            prior = int(np.argmax(common[:, new]))
            if overlap[prior, new] >= MIN_OVERLAP:
                split_from[new] = prior
                parents[new] = (ids[prior],)
    continued = set(pairs.values())
    for prior in range(common.shape[0]):
        new = int(np.argmax(common[prior]))
        if prior not in continued and new in pairs and overlap[prior, new] >= MIN_OVERLAP:
            parents[new] = (*parents.get(new, (ids[pairs[new]],)), ids[prior])
    return _Match(pairs, parents, split_from)


def _ids(table: pd.DataFrame, pairs: dict[int, int], old: pd.DataFrame, when: datetime) -> list[str]:
    """Old ids for pairs; new ones numbered from the strongest, then from south-west."""
    ids = [""] * len(table)
    for new, prior in pairs.items():
        ids[new] = str(old["storm_id"].iloc[prior])
    stamp = f"{pd.Timestamp(to_datetime64(when)):%Y%m%d%H%M}"
    taken = set(ids)
    order = np.lexsort((table["lon"], table["lat"], -table["max_dbz"]))
    free = (name for name in (f"{stamp}-{number:03d}" for number in range(1, 2 * len(ids) + 1)) if name not in taken)
    for row in order:
        if not ids[row]:
            ids[row] = next(free)
    return ids


def _motions(table: pd.DataFrame, found: _Match, history: pd.DataFrame, plane: _Plane) -> list[Motion]:
    """Its own track's, else that of the storm it split from, leaning on its neighbours'; else theirs; else UNKNOWN."""
    here = plane.positions(table)
    tracks = _tracks(table, history, plane)
    own = {row: _own_motion(tracks[table["storm_id"].iloc[row]]) for row in sorted(found.pairs)}
    measured = np.array([[*here[row], motion.u, motion.v, motion.sd] for row, motion in own.items()]).reshape(-1, 5)
    rows = np.array(list(own), dtype=np.int64)
    new_of = {prior: new for new, prior in found.pairs.items()}
    motions: list[Motion] = []
    for row in range(len(table)):
        near = borrowed(here[row, 0], here[row, 1], measured[rows != row])
        motion = own.get(row)
        if motion is None and row in found.split_from:
            motion = inherited(own[new_of[found.split_from[row]]])
        motions.append(near if motion is None else blended(motion, near))
    return motions


@dataclass(frozen=True)
class _Track:
    """Last positions of one storm, time ascending, the current one last.

    Attributes:
        minutes: (n,), 0 now; positions: (n, 2) [km]; motion: (n, 2) [m/s], NaN now; jumped: split or merged then,
            be it that a part of it became another storm.
    """

    minutes: Floats
    positions: Floats
    motion: Floats
    jumped: npt.NDArray[np.bool_]


def _tracks(table: pd.DataFrame, history: pd.DataFrame, plane: _Plane) -> dict[str, _Track]:
    """By storm_id, for the storms of the current table."""
    names = np.concatenate([history["storm_id"].to_numpy(dtype=object), table["storm_id"].to_numpy(dtype=object)])
    lines: dict[str, list[int]] = {name: [] for name in table["storm_id"]}
    for index, name in enumerate(names):
        if name in lines:
            lines[name].append(index)
    now = table["time"].iloc[0].to_datetime64()
    minutes = -np.concatenate([_minutes(now, history), np.zeros(len(table))])
    positions = np.concatenate([plane.positions(history), plane.positions(table)])
    past = history[["u_m_s", "v_m_s"]].to_numpy(dtype="f8")
    motion = np.concatenate([past, np.full((len(table), 2), np.nan)])
    parents = (*history["parents"], *table["parents"])
    split = {(parent, minute) for own, minute in zip(parents, minutes, strict=True) for parent in own}
    jumped = np.array(
        [len(own) > 0 or (name, minute) in split for own, name, minute in zip(parents, names, minutes, strict=True)],
        dtype=np.bool_,
    )
    return {
        name: _Track(minutes[last], positions[last], motion[last], jumped[last])
        for name, rows in lines.items()
        for last in (rows[-MAX_POSITIONS:],)
    }


def _own_motion(line: _Track) -> Motion:
    """Fit to the last positions. Where a split or merge made the centroid jump, the jump is taken out: the track before
    is moved so that it leads, with its own motion, to the position after."""
    positions = line.positions.copy()
    for k in np.flatnonzero(line.jumped[1:]) + 1:
        if np.isfinite(line.motion[k - 1]).all():
            step = line.motion[k - 1] * KM_PER_MIN * (line.minutes[k] - line.minutes[k - 1])
            positions[:k] += positions[k] - positions[k - 1] - step
    return fit(line.minutes, positions[:, 0], positions[:, 1])
