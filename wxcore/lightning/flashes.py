"""From the records of files to flashes, and who looked where and when.

Strokes of a network become flashes by the rules of the NLDN (Cummins et al. 1998): within 10 km and 1 s of the first
stroke, and 0.5 s of the last one. Events and groups of an imager become flashes by those of the Lightning Mapper
(Goodman et al. 2013 [M]): chains of records within 16.5 km and 330 ms of each other, as a weighted distance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from wxcore.grid import EARTH_RADIUS_M
from wxcore.lightning.events import EVENT, FLASH, GROUP, STROKE, TOTAL, Doubles, Lightning, Times
from wxcore.lightning.friends import friends
from wxcore.lightning.watch import Look, covered, within
from wxcore.times import to_datetime64

STROKE_KM, STROKE_GAP_S, STROKE_SPAN_S = 10.0, 0.5, 1.0
"""A stroke belongs to a flash within this distance of its first stroke, time since its last, time since its first
(Cummins et al. 1998; DOMAIN.md 2.4)."""

OPTICAL_KM, OPTICAL_S = 16.5, 0.330
"""Records of an imager within sqrt((d / km)^2 + (t / s)^2) <= 1 are of one flash (Goodman et al. 2013 [M])."""

STROKE_LOOK_BACK = 500
"""Most flashes that a stroke is compared with [our choice]: of all China's, fewer than 100 are open in a second [M]."""

SAME_KM, SAME_S = 20.0, 1.0
"""A flash of another source this near is the same, one to one [our choice]: an imager's pixel is 8 km, the top that it
sees is displaced by up to 15 km, and a stroke may come late in the flash."""

_PLACE_STEP_DEG, _TIME_STEP = 1e-4, np.timedelta64(1, "ms")
"""Records of one source that agree to these are one record, in two files or versions of a file."""

_RANK = {FLASH: 2, GROUP: 1, EVENT: 0}
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Flashes:
    """Flashes of all sources, ascending in time, and what was looked at.

    Attributes:
        time: (n,) datetime64[ns], UTC, of the first record; lon, lat: (n,) [deg].
        strength_ka: (n,) [kA] the stroke with the largest current, with its sign; NaN for imagers.
        total: (n,) seen by an imager (else by a network: cloud to ground).
        repeat: (n,) another source of the same kind has this flash too: counted there.
        imaged: (n,) a network's flash that an imager saw too: counted there.
        source: (n,) index into `sources`.
        looks: one a file: who looked where from when to when.
    """

    time: Times
    lon: Doubles
    lat: Doubles
    strength_ka: Doubles
    total: Bools
    repeat: Bools
    imaged: Bools
    source: Ints
    sources: tuple[str, ...]
    looks: tuple[Look, ...]

    @property
    def positive(self) -> Doubles:
        """1 where the current is positive, 0 negative, NaN unknown, (n,)."""
        return np.where(np.isnan(self.strength_ka), np.nan, (self.strength_ka > 0).astype(np.float64))


@dataclass(frozen=True)
class _Points:
    time: Times
    lon: Doubles
    lat: Doubles
    strength: Doubles

    def __getitem__(self, which: Bools | Ints) -> "_Points":
        return _Points(self.time[which], self.lon[which], self.lat[which], self.strength[which])


_NONE = _Points(np.empty(0, "datetime64[ns]"), np.empty(0), np.empty(0), np.empty(0))


def to_flashes(records: Sequence[Lightning]) -> Flashes:
    """Flashes of any files in any order, each once.

    Where a source has files of several levels, flashes go before groups and groups before events for the time that
    they cover. Records that two files of a source share, or two versions of a growing file, count once.
    """
    sources = sorted({(one.sees != TOTAL, one.source) for one in records})
    parts: list[_Points] = []
    for _, source in sources:
        mine = [one for one in records if one.source == source]
        parts.append(_of_network(mine) if mine[0].level == STROKE else _of_imager(mine))
    repeat = [np.zeros(part.time.size, dtype=np.bool_) for part in parts]
    imaged = [np.zeros(part.time.size, dtype=np.bool_) for part in parts]
    total = [np.full(part.time.size, not of_network) for (of_network, _), part in zip(sources, parts, strict=True)]
    seen: dict[bool, _Points] = {False: _NONE, True: _NONE}
    for number, (of_network, _) in enumerate(sources):
        repeat[number] = _same(seen[of_network], parts[number])
        fresh = np.flatnonzero(~repeat[number])
        if of_network:
            imaged[number][fresh] = _same(seen[False], parts[number][fresh])
        seen[of_network] = _joined([seen[of_network], parts[number][fresh]])
    whole = _joined(parts)
    order = np.argsort(whole.time, kind="stable")
    index = np.repeat(np.arange(len(parts)), [part.time.size for part in parts])
    looks = tuple(
        Look(one.source, one.sees == TOTAL, to_datetime64(one.start), to_datetime64(one.end), one.coverage)
        for one in records
    )
    flat = {"total": total, "repeat": repeat, "imaged": imaged}
    marks = {name: np.concatenate([np.empty(0, np.bool_), *value])[order] for name, value in flat.items()}
    return Flashes(
        whole.time[order], whole.lon[order], whole.lat[order],
        np.where(marks["total"], np.nan, whole.strength[order]),
        marks["total"], marks["repeat"], marks["imaged"],
        index[order].astype(np.int64), tuple(source for _, source in sources), looks,
    )  # fmt: skip


def _joined(parts: Sequence[_Points]) -> _Points:
    return _Points(
        *(np.concatenate([getattr(_NONE, name), *(getattr(part, name) for part in parts)])
          for name in ("time", "lon", "lat", "strength"))
    )  # fmt: skip


def _points(one: Lightning) -> _Points:
    return _Points(one.time, one.lon, one.lat, one.strength)


def _once(points: _Points) -> _Points:
    """Sorted by time, each record once."""
    keys = np.stack(
        [
            (points.time - np.datetime64(0, "ns")) // _TIME_STEP,
            np.round(points.lon / _PLACE_STEP_DEG).astype(np.int64),
            np.round(points.lat / _PLACE_STEP_DEG).astype(np.int64),
        ]
    )
    order = np.lexsort(keys)
    fresh = np.ones(order.size, dtype=np.bool_)
    fresh[1:] = (keys[:, order[1:]] != keys[:, order[:-1]]).any(axis=0)
    kept = points[np.sort(order[fresh])]
    return kept[np.argsort(kept.time, kind="stable")]


def _of_imager(files: Sequence[Lightning]) -> _Points:
    """Flashes of one imager: those that it gives, and clusters of groups and events where it gives none."""
    done: list[_Points] = []
    better: list[Lightning] = []
    for level in sorted({one.level for one in files}, key=lambda name: -_RANK[name]):
        mine = [one for one in files if one.level == level]
        points = _once(_joined([_points(one) for one in mine]))
        spans = covered([(to_datetime64(one.start), to_datetime64(one.end)) for one in better])
        points = points[~within(spans, points.time)]
        done.append(points if level == FLASH else _clustered(points))
        better += mine
    return _joined(done)


def _of_network(files: Sequence[Lightning]) -> _Points:
    """Strokes of one network to flashes: time and place of the first stroke, the current of the strongest."""
    strokes = _once(_joined([_points(one) for one in files]))
    flash = _chain_strokes(_seconds(strokes.time), _sphere_km(strokes))
    first = np.unique(flash, return_index=True)[1]
    strength = strokes.strength[first].copy()
    known = np.flatnonzero(~np.isnan(strokes.strength))
    weakest_first = known[np.argsort(np.abs(strokes.strength[known]), kind="stable")]
    strength[flash[weakest_first]] = strokes.strength[weakest_first]
    return _Points(strokes.time[first], strokes.lon[first], strokes.lat[first], strength)


def _clustered(points: _Points) -> _Points:
    """Groups or events of one imager to flashes: first time, centroid by radiance (by number where that is unknown)."""
    if not points.time.size:
        return points
    space = np.column_stack([_sphere_km(points) / OPTICAL_KM, _seconds(points.time) / OPTICAL_S])
    flash = np.unique(friends(space), return_inverse=True)[1]
    return _merged(points, flash)


def _merged(points: _Points, flash: Ints) -> _Points:
    """One point a flash, of no current; `points` ascend in time."""
    first = np.unique(flash, return_index=True)[1]
    known = np.bincount(flash, weights=~(points.strength > 0)) == 0
    strongest = np.zeros(first.size)
    np.fmax.at(strongest, flash, points.strength)
    weight = np.where(known[flash], points.strength / np.where(strongest > 0, strongest, 1.0)[flash], 1.0)
    whole = np.bincount(flash, weights=weight)
    origin = points.lon[first]
    east = np.bincount(flash, weights=weight * ((points.lon - origin[flash] + 180) % 360 - 180)) / whole
    lat = np.bincount(flash, weights=weight * points.lat) / whole
    merged = _Points(points.time[first], (origin + east + 180) % 360 - 180, lat, np.full(first.size, np.nan))
    return merged[np.argsort(merged.time, kind="stable")]


def _seconds(time: Times) -> Doubles:
    """Seconds since the first, to the nanosecond."""
    return np.asarray((time - time[:1].repeat(time.size)) / np.timedelta64(1, "ns") * 1e-9, dtype=np.float64)


def _sphere_km(points: _Points) -> Doubles:
    """Places in space [km], (n, 3): the chord is the distance to a millionth, at the date line too."""
    lon, lat = np.deg2rad(points.lon), np.deg2rad(points.lat)
    unit = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    return np.asarray(unit * (EARTH_RADIUS_M / 1000))


def _same(earlier: _Points, later: _Points) -> Bools:
    """Which of the later points are one of the earlier ones, the nearest pairs first, each in one pair only."""
    found = np.zeros(later.time.size, dtype=np.bool_)
    if not earlier.time.size or not later.time.size:
        return found
    both = _joined([earlier, later])
    space = np.column_stack([_sphere_km(both) / SAME_KM, _seconds(both.time) / SAME_S])
    size = earlier.time.size
    tree = cKDTree(space[:size])
    answer = tree.query(space[size:], k=list(range(1, min(8, size) + 1)), distance_upper_bound=1.0)
    near, which = np.asarray(answer[0]), np.asarray(answer[1])
    mine, rank = np.nonzero(np.isfinite(near))
    taken: set[int] = set()
    for at in np.argsort(near[mine, rank], kind="stable"):
        partner = int(which[mine[at], rank[at]])
        if not found[mine[at]] and partner not in taken:
            found[mine[at]] = True
            taken.add(partner)
    return found


@numba.njit(cache=True, nogil=True)
def _chain_strokes(seconds: Doubles, xyz: Doubles) -> Ints:
    """Number of the flash of each stroke (time ascending), counted from 0 in the order of their first strokes."""
    count, oldest = 0, 0
    flash = np.empty(seconds.size, dtype=np.int64)
    first = np.empty(seconds.size, dtype=np.int64)
    last = np.empty(seconds.size)
    for i in range(seconds.size):
        while oldest < count and seconds[i] - seconds[first[oldest]] > STROKE_SPAN_S:
            oldest += 1
        best, nearest = -1, STROKE_KM**2
        for k in range(max(oldest, count - STROKE_LOOK_BACK), count):
            if seconds[i] - last[k] <= STROKE_GAP_S:
                square = 0.0
                for axis in range(3):
                    square += (xyz[i, axis] - xyz[first[k], axis]) ** 2
                if square <= nearest:
                    best, nearest = k, square
        if best < 0:
            best = count
            first[count] = i
            count += 1
        flash[i], last[best] = best, seconds[i]
    return flash
