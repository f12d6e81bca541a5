"""Storm rows of a period as arrays, and which track's events count for which."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from wxcore.errors import SampleError
from wxcore.grid import EARTH_RADIUS_M
from wxcore.hazard.labels.looked import Looked
from wxcore.hazard.windows import WINDOWS

MINUTE = 60 * 10**9
"""[ns]"""

LEAD = max(window.end_min for window in WINDOWS) * MINUTE
"""Longest lead [ns]."""

KM_PER_DEG = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)

NEEDED = ("storm_id", "time", "lat", "lon", "polygon", "u_m_s", "v_m_s", "parents")

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Shapes = npt.NDArray[np.object_]

ALWAYS = np.iinfo(np.int64).max // 2


def grouped(values: Ints) -> list[tuple[int, Ints]]:
    """Each value, ascending, with the places where it stands, ascending."""
    order = np.argsort(values, kind="stable")
    found, first = np.unique(values[order], return_index=True)
    return [(int(value), part) for value, part in zip(found, np.split(order, first)[1:], strict=True)]


@dataclass(frozen=True)
class Link:
    """Events of a track from `since` on [ns] count for rows of the track `ancestor` before `before` [ns]."""

    ancestor: int
    before: int
    since: int


@dataclass(frozen=True, eq=False)
class Scene:
    """Storm rows of a period, (n,) each, in the order of their tables.

    Attributes:
        time: [ns since 1970]; cycle: index into `cycles`; track: number of the storm_id.
        lon, lat: of the centre [deg]; east, north: motion [km min-1], 0 where it is unknown.
        shape: outlines [km] about the centre; edges: (child, parent, time) of every split and merger.
        cycles: times of the analysis cycles that there are [ns].
    """

    time: Ints
    cycle: Ints
    track: Ints
    lon: Doubles
    lat: Doubles
    east: Doubles
    north: Doubles
    shape: Shapes
    edges: tuple[tuple[int, int, int], ...]
    cycles: Ints

    @cached_property
    def rows_of(self) -> dict[int, Ints]:
        """Rows of each track, ascending in time."""
        return {track: rows[np.argsort(self.time[rows], kind="stable")] for track, rows in grouped(self.track)}

    @cached_property
    def order(self) -> Ints:
        """Rows ascending in time."""
        return np.argsort(self.cycle, kind="stable")

    @cached_property
    def order_cycles(self) -> Ints:
        """Cycles of `order`."""
        return self.cycle[self.order]

    @cached_property
    def final(self) -> Bools:
        """Is it the last row of a track that did not merge into another?"""
        out = np.zeros(self.time.size, dtype=np.bool_)
        for track, rows in self.rows_of.items():
            out[rows[-1]] = not self.merged(track, int(self.time[rows[-1]]))
        return out

    def merged(self, track: int, after: int) -> bool:
        """Did the track become part of another after a time [ns]?"""
        return any(time > after for time in self._outs.get(track, ()))

    @cached_property
    def _outs(self) -> dict[int, list[int]]:
        out: dict[int, list[int]] = {}
        for _, parent, time in self.edges:
            out.setdefault(parent, []).append(time)
        return out

    @cached_property
    def _ins(self) -> dict[int, list[tuple[int, int]]]:
        out: dict[int, list[tuple[int, int]]] = {}
        for child, parent, time in self.edges:
            out.setdefault(child, []).append((parent, time))
        return out

    def links(self, track: int) -> list[Link]:
        """For which tracks, and which of their rows, the events of `track` count: itself first."""
        found = [Link(track, ALWAYS, -ALWAYS)]
        known = set(found)
        for link in found:
            for parent, time in self._ins.get(link.ancestor, ()):
                if time > link.before:
                    continue
                since = time if link.since == -ALWAYS else link.since
                new = Link(parent, time, since)
                if since - time < LEAD and new not in known:
                    known.add(new)
                    found.append(new)
        return found

    def pairs(self, track: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        """(item, row) of items that happen to tracks some time in low to high [ns], and rows that may have them ahead.

        Those rows are of the track, or of one that it split from or that merged into it, up to LEAD before.
        """
        items, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for number, mine in grouped(track):
            for link in self.links(number):
                own = self.rows_of.get(link.ancestor)
                chosen = mine[high[mine] >= link.since]
                if own is None or not chosen.size:
                    continue
                times = self.time[own]
                start = np.searchsorted(times, low[chosen] - LEAD, side="left")
                stop = np.searchsorted(times, np.minimum(high[chosen], link.before), side="left")
                count = np.maximum(stop - start, 0)
                within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
                items.append(np.repeat(chosen, count))
                rows.append(own[np.repeat(start, count) + within])
        item, row = np.concatenate(items), np.concatenate(rows)
        both = np.unique(item * np.int64(max(self.time.size, 1)) + row)
        return both // max(self.time.size, 1), both % max(self.time.size, 1)


def scene_of(tables: Sequence[pd.DataFrame], looked: Looked) -> tuple[Scene, pd.DataFrame]:
    """Rows of all tables as a scene, and their storm_id and time.

    Raises:
        SampleError: a column is missing; a table's time is no cycle of `looked`; a storm twice at a time.
    """
    filled = [table for table in tables if len(table)]
    faults = sorted({f"no column {name}" for table in filled for name in NEEDED if name not in table})
    if faults:
        raise SampleError("storm tables", faults)
    columns = list(NEEDED)
    whole = pd.concat([table[columns] for table in filled], ignore_index=True) if filled else pd.DataFrame(
        {name: pd.Series(dtype="datetime64[ns]" if name == "time" else object) for name in NEEDED}
    )  # fmt: skip
    time = whole["time"].to_numpy().astype("datetime64[ns]").astype(np.int64)
    cycles = looked.times
    cycle = np.minimum(np.searchsorted(cycles, time), cycles.size - 1)
    if (cycles[cycle] != time).any():
        odd = whole["time"][cycles[cycle] != time].iloc[0]
        raise SampleError("storm tables", [f"time {odd}Z is none of the cycles that there are"])
    if whole.duplicated(["storm_id", "time"]).any():
        twice = whole[whole.duplicated(["storm_id", "time"])].iloc[0]
        raise SampleError("storm tables", [f"storm {twice['storm_id']} stands twice at {twice['time']}Z"])
    names, track = np.unique(whole["storm_id"].to_numpy(dtype=object).astype(str), return_inverse=True)
    numbers = {str(name): number for number, name in enumerate(names)}
    lon, lat, u, v = (whole[name].to_numpy(dtype=np.float64) for name in ("lon", "lat", "u_m_s", "v_m_s"))
    unknown = np.isnan(u) | np.isnan(v)
    edges = tuple(
        (int(child), numbers[parent], int(when))
        for child, parents, when in zip(track, whole["parents"], time, strict=True)
        for parent in parents
        if parent in numbers and numbers[parent] != child
    )
    scene = Scene(
        time, cycle.astype(np.int64), track.astype(np.int64), lon, lat, np.where(unknown, 0.0, u) * 0.06,
        np.where(unknown, 0.0, v) * 0.06, _outlines(whole, lon, lat), edges, cycles,
    )  # fmt: skip
    return scene, whole[["storm_id", "time"]]


def _outlines(whole: pd.DataFrame, lon: Doubles, lat: Doubles) -> Shapes:
    """Outlines [km] about their centres."""
    shapes = np.empty(len(whole), dtype=object)
    shapes[:] = whole["polygon"].tolist()
    coordinates, row = shapely.get_coordinates(shapes, return_index=True)
    return np.asarray(shapely.set_coordinates(shapes.copy(), plane(coordinates, lon[row], lat[row])), dtype=object)


def plane(places: Doubles, lon: Doubles, lat: Doubles) -> Doubles:
    """(lon, lat) [deg] of places -> (east, north) [km] of (lon, lat), on the tangent plane there; any turn of lon."""
    east = (places[:, 0] - lon + 180) % 360 - 180
    return np.column_stack([east * np.cos(np.deg2rad(lat)), places[:, 1] - lat]) * KM_PER_DEG
