"""Which storm an event belongs to: along the track, moved to the time of the event (DOMAIN.md 5.2)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely

from wxcore.hazard.labels.scene import MINUTE, Bools, Doubles, Ints, Scene, grouped, plane

REACH_KM = 10.0
"""An event this near to the moved outline is the storm's (DOMAIN.md 5.2); its own place error is added."""

SHARED_KM = 5.0
"""Storms that are at most so much further than the nearest share the event (DOMAIN.md 5.2)."""

ROW_AGE_MIN = 15.0
"""An outline is moved on for so long at most (DOMAIN.md 5.2: 10 to 15 min)."""

STEP_MIN = 6.0
"""An event whose time is uncertain is held against the storms at steps of at most this [min]: a cycle."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Events and the tracks that they belong to, (m,) each: index of the event, number of the track, share 1/n."""

    event: Ints
    track: Ints
    share: Doubles


def match(scene: Scene, events: pd.DataFrame) -> Matches:
    """The tracks of each event; an event near no storm has none.

    For each time at which the event may have been (its time, and steps of its time error), the outline of each track is
    that of its newest row at or before, at most ROW_AGE_MIN old, moved with the row's motion (unmoved where that is
    unknown). The event goes to the nearest outline within REACH_KM and its place error, and to those at most SHARED_KM
    further. A track that was not seen any more in the newest cycle counts only where no living one is near, and not at
    all if it merged into another.

    Args:
        scene: the storms. events: labels.events.EVENTS.
    """
    time = events["time"].to_numpy().astype("datetime64[ns]").astype(np.int64)
    event, when = _probes(time, events["time_error_min"].to_numpy(dtype=np.float64))
    lon, lat, error = (events[name].to_numpy(dtype=np.float64) for name in ("lon", "lat", "place_error_km"))
    newest = np.searchsorted(scene.cycles, when, side="right") - 1
    found: list[tuple[Ints, Ints, Doubles, Bools]] = []
    for cycle, mine in grouped(newest.astype(np.int64)):
        if cycle < 0:
            continue
        rows, ghost = _rows_at(scene, cycle)
        if rows.size:
            who = event[mine]
            places = np.column_stack([lon[who], lat[who]])
            probe, row, km = _near(scene, rows, places, when[mine], REACH_KM + error[who])
            found.append((who[probe], scene.track[rows[row]], km, ghost[row]))
    if not any(part[0].size for part in found):
        return Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    return _shared(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _probes(time: Ints, error_min: Doubles) -> tuple[Ints, Ints]:
    """(event, time): times at which each event may have been."""
    half = np.ceil(error_min / STEP_MIN).astype(np.int64)
    event = np.repeat(np.arange(time.size), 2 * half + 1)
    number = np.arange(event.size) - np.repeat(np.cumsum(2 * half + 1) - (2 * half + 1), 2 * half + 1)
    part = (number - half[event]) / np.maximum(half[event], 1)
    return event, time[event] + np.round(part * error_min[event] * MINUTE).astype(np.int64)


def _rows_at(scene: Scene, cycle: int) -> tuple[Ints, Bools]:
    """Newest row of each track at or before a cycle, ROW_AGE_MIN at most; is it one that is not seen any more?"""
    last = scene.cycles[cycle]
    oldest = int(np.searchsorted(scene.cycles, last - round(ROW_AGE_MIN * MINUTE), side="left"))
    begin, end = np.searchsorted(scene.order_cycles, [oldest, cycle + 1])
    rows = scene.order[begin:end][::-1]
    _, newest = np.unique(scene.track[rows], return_index=True)
    rows = np.sort(rows[newest])
    ghost = scene.cycle[rows] < cycle
    gone = [
        bool(is_ghost) and scene.merged(int(scene.track[row]), int(scene.time[row]))
        for row, is_ghost in zip(rows, ghost, strict=True)
    ]
    stays = ~np.array(gone, dtype=np.bool_)
    return rows[stays], ghost[stays]


def _near(scene: Scene, rows: Ints, places: Doubles, when: Ints, reach: Doubles) -> tuple[Ints, Ints, Doubles]:
    """(probe, row, distance [km]) of probes within reach of moved outlines."""
    count = rows.size
    probe, row = np.divmod(np.arange(when.size * count), count)
    which = rows[row]
    minutes = (when[probe] - scene.time[which]) / MINUTE
    offset = plane(places[probe], scene.lon[which], scene.lat[which])
    offset -= np.column_stack([scene.east[which] * minutes, scene.north[which] * minutes])
    bounds = shapely.bounds(scene.shape[rows])[row]
    gap = np.maximum(np.maximum(bounds[:, :2] - offset, offset - bounds[:, 2:]), 0)
    maybe = np.flatnonzero((np.hypot(*gap.T) <= reach[probe]) & (minutes <= ROW_AGE_MIN))
    km = np.asarray(shapely.distance(shapely.points(offset[maybe]), scene.shape[which[maybe]]), dtype=np.float64)
    near = km <= reach[probe[maybe]]
    return probe[maybe][near], row[maybe][near], km[near]


def _shared(event: Ints, track: Ints, km: Doubles, ghost: Bools) -> Matches:
    order = np.lexsort((km, track, ghost, event))
    event, track, km, ghost = event[order], track[order], km[order], ghost[order]
    starts = np.r_[True, event[1:] != event[:-1]]
    once = starts | np.r_[True, track[1:] != track[:-1]] | np.r_[True, ghost[1:] != ghost[:-1]]
    living = ~(ghost & ~ghost[starts][np.cumsum(starts) - 1])
    event, track, km = event[once & living], track[once & living], km[once & living]
    number = np.unique(event, return_inverse=True)[1]
    nearest = np.full(int(number.max()) + 1, np.inf)
    np.minimum.at(nearest, number, km)
    chosen = km <= nearest[number] + SHARED_KM
    shares = 1.0 / np.bincount(number[chosen], minlength=nearest.size)
    return Matches(event[chosen], track[chosen], shares[number[chosen]])
