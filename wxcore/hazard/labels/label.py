"""Labels: for each storm, time, hazard and lead window 1, 0, or nothing where nobody can honestly say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from wxcore.hazard.definitions import DEFINITIONS, GALE, HAIL, THUNDERSTORM
from wxcore.hazard.labels.events import FLASH_KIND, GUST_KIND, HAIL_KIND, check_events
from wxcore.hazard.labels.looked import Looked, Observers
from wxcore.hazard.labels.match import match
from wxcore.hazard.labels.scene import MINUTE, Bools, Doubles, Ints, Scene, plane, scene_of
from wxcore.hazard.samples.table import SOURCES
from wxcore.hazard.windows import HOUR, WINDOWS, Window
from wxcore.times import CYCLE

KIND_OF = {HAIL.code: HAIL_KIND, THUNDERSTORM.code: FLASH_KIND, GALE.code: GUST_KIND}

CYCLE_NS = round(CYCLE.total_seconds()) * 10**9

AMBIGUOUS = "an event may have been inside or outside the window"
UNSIZED = "hail of unknown size"
BEYOND = "the period ends within the window"
GAP = "data gap"
LEFT = "left the domain"
NOBODY = {HAIL_KIND: "nobody reported hail", FLASH_KIND: "no lightning source", GUST_KIND: "no stations"}
FAR = {
    HAIL_KIND: "nobody within {:g} km to report hail",
    FLASH_KIND: "no lightning sensor within {:g} km",
    GUST_KIND: "no station within {:g} km",
}


@dataclass(frozen=True, eq=False)
class _Happened:
    """Events that may be ahead of rows, (m,) each.

    Attributes:
        row: of the scene; low, high: when the event was, from the row's time on [ns]; value, share, source: of the
            event; is_event: 1 reaches the threshold, 0 not, NaN unknown.
    """

    row: Ints
    low: Ints
    high: Ints
    value: Doubles
    share: Doubles
    source: Ints
    is_event: Doubles

    def inside(self, window: Window) -> Bools:
        """Certainly within the window?"""
        return np.asarray((self.low > window.start_min * MINUTE) & (self.high <= window.end_min * MINUTE))

    def touches(self, window: Window) -> Bools:
        """Maybe within the window?"""
        return np.asarray((self.high > window.start_min * MINUTE) & (self.low <= window.end_min * MINUTE))


def label_storms(
    tables: Sequence[pd.DataFrame],
    events: pd.DataFrame,
    looked: Looked,
    thresholds: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """One row a storm a time, in the order of `tables`, with what happened ahead of it.

    An event belongs to the storms that `labels.match` says: near the outline moved along the track. A storm's label of
    the window (s, e] is 1 if an event of its track happens later than t + s and not later than t + e. Children inherit:
    where a storm splits, or merges into another, at time c, events from c on of the child (or of the storm that it
    became part of) count for its rows before c; events of the other storm before c, and rows of either from c on, do
    not mix. Else it is

    - NaN where the window reaches beyond the last cycle or over a cycle that is missing; where the storm, moved on with
      its own motion, leaves the domain; where nobody could have seen an event: no source looked, or no observer near
      that path in all the window. Events are censored there as well, and what became of the storm is not asked: if
      those that live long were censored more often, the probabilities would come out too low;
    - NaN where an event may have been inside or outside the window (its time error straddles an edge), or its size is
      unknown, and no other event settles it;
    - 0 where somebody looked and nothing is known. For hail that means nobody reported it although somebody could have:
      positives stay unlabelled among the zeros (DOMAIN.md 5.1).

    A gale must be convective (echo of 35 dBZ or lightning within 20 km and 30 min). A matched gust is that by
    construction: it is within 10 km and its place error of an outline of 35 dBZ.

    Args:
        tables: schema.STORMS of all cycles of a period in order, each with any number of rows.
        events: labels.events.EVENTS of at least the same period.
        looked: which cycles there are, and who could have seen what.
        thresholds: hazard -> least value of its event; else that of hazard.definitions.

    Returns:
        storm_id, time (datetime64, UTC), then for each hazard `label_<hazard>_<start>_<end>` (f8: 1, 0, NaN) of each
        window, `value_<hazard>` (largest hail [mm], number of flashes, largest gust [m/s] in 0-60 min, any size; 0
        where the label is 0 and nothing came, else NaN), `reason_<hazard>` (why windows are censored, "" none),
        `source_<hazard>` (strongest truth class of the events in 0-60 min, else of who looked; "" where all windows
        are censored), `weight_<hazard>` (1/n where the event in 0-60 min is shared by n storms; of several the
        largest; else 1); and `weight`, the least of those.

    Raises:
        SampleError: events or tables are not what they should be; a table's time is no cycle of `looked`.
    """
    events = check_events(events)
    scene, names = scene_of(tables, looked)
    columns: dict[str, npt.NDArray[np.generic]] = {name: names[name].to_numpy() for name in ("storm_id", "time")}
    where = _Where(scene, looked)
    least = {code: hazard.threshold for code, hazard in DEFINITIONS.items()} | dict(thresholds or {})
    for hazard in DEFINITIONS:
        kind = KIND_OF[hazard]
        mine = events[events["kind"] == kind].reset_index(drop=True)
        columns |= _of_hazard(hazard, scene, _happened(scene, mine, least[hazard]), where)
    weight = np.min([columns[f"weight_{hazard}"] for hazard in DEFINITIONS], axis=0)
    return pd.DataFrame(columns).assign(weight=weight)


def _happened(scene: Scene, events: pd.DataFrame, threshold: float) -> _Happened:
    found = match(scene, events)
    time = events["time"].to_numpy().astype("datetime64[ns]").astype(np.int64)[found.event]
    error = np.round(events["time_error_min"].to_numpy(dtype=np.float64)[found.event] * MINUTE).astype(np.int64)
    item, row = scene.pairs(found.track, time - error, time + error)
    low, high = (time - error)[item] - scene.time[row], (time + error)[item] - scene.time[row]
    value = events["value"].to_numpy(dtype=np.float64)[found.event[item]]
    rank = {name: number for number, name in enumerate(SOURCES)}
    ranks = np.array([rank[name] for name in events["label_source"]], dtype=np.int64)
    is_event = np.where(np.isnan(value), np.nan, value >= threshold)
    return _Happened(row, low, high, value, found.share[item], ranks[found.event[item]], is_event)


class _Where:
    """What is censored whatever the hazard, and who was near."""

    def __init__(self, scene: Scene, looked: Looked) -> None:
        self.scene, self.looked = scene, looked
        self._near: dict[tuple[Any, float, float], Bools] = {}

    def lost(self, window: Window) -> list[tuple[str, Bools]]:
        """Reasons and the rows that they censor."""
        scene, cycles = self.scene, self.scene.cycles
        end = scene.time + window.end_min * MINUTE
        beyond = end > cycles[-1]
        there = np.searchsorted(cycles, end, side="right") - np.searchsorted(cycles, scene.time, side="right")
        gap = there < window.end_min * MINUTE // CYCLE_NS
        return [(BEYOND, beyond), (GAP, gap), (LEFT, _crosses(scene, self.looked.box, window.end_min))]

    def unseen(self, kind: str, window: Window) -> list[tuple[str, Bools]]:
        """The same, of one kind of event."""
        rows = self.scene.time.size
        observers = self.looked.of_kind(kind)
        if observers is None:
            return [(NOBODY[kind], np.ones(rows, dtype=np.bool_))]
        start, end = (self.scene.time + minute * MINUTE for minute in (window.start_min, window.end_min))
        reasons = [(NOBODY[kind], ~observers.covered(start, end))]
        if observers.places is not None:
            far = ~self._attended_through(observers, window)
            reasons.append((FAR[kind].format(observers.radius_km), far))
        return reasons

    def _attended_through(self, observers: Observers, window: Window) -> Bools:
        """Is an observer near the outline, moved with the row's own motion, in all of the window?"""
        minutes = range(window.start_min, window.end_min, round(CYCLE_NS / MINUTE))
        return np.asarray(np.all([self._attended(observers, float(minute)) for minute in minutes], axis=0))

    def _attended(self, observers: Observers, minutes: float) -> Bools:
        key = observers.places, observers.radius_km, minutes
        if key not in self._near:
            self._near[key] = _attended(self.scene, observers, self.looked.box, minutes)
        return self._near[key]


def _crosses(scene: Scene, box: tuple[float, float, float, float], minutes: float) -> Bools:
    """Is any of the outline, moved on for so long with the row's own motion, outside of the box?"""
    if not scene.time.size:
        return np.zeros(0, dtype=np.bool_)
    west, south, east, north = box
    corner = [
        plane(np.full((scene.time.size, 2), place), scene.lon, scene.lat) for place in ((west, south), (east, north))
    ]
    shift = np.column_stack([scene.east, scene.north]) * minutes
    bounds = shapely.bounds(scene.shape)
    low, high = bounds[:, :2] + shift, bounds[:, 2:] + shift
    return np.asarray(((low < corner[0]) | (high > corner[1])).any(axis=1), dtype=np.bool_)


def _attended(scene: Scene, observers: Observers, box: tuple[float, float, float, float], minutes: float) -> Bools:
    """Is an observer within their radius of the row's outline, moved on for so long?"""
    near = np.zeros(scene.time.size, dtype=np.bool_)
    if not observers.places or not near.size:
        return near
    middle = np.array([(box[0] + box[2]) / 2]), np.array([(box[1] + box[3]) / 2])
    places = plane(np.array(observers.places, dtype=np.float64), *middle)
    tree = shapely.STRtree(np.asarray(shapely.points(places), dtype=object))
    centres = plane(np.column_stack([scene.lon, scene.lat]), *middle)
    centres += np.column_stack([scene.east, scene.north]) * minutes
    coordinates, row = shapely.get_coordinates(scene.shape, return_index=True)
    shapes = shapely.set_coordinates(scene.shape.copy(), coordinates + centres[row])
    near[tree.query(shapes, predicate="dwithin", distance=observers.radius_km)[0]] = True
    return near


def _of_hazard(
    hazard: str, scene: Scene, happened: _Happened, where: _Where
) -> dict[str, npt.NDArray[np.generic]]:  # fmt: skip
    rows = scene.time.size
    kind = KIND_OF[hazard]
    columns: dict[str, npt.NDArray[np.generic]] = {}
    said: list[tuple[str, list[str], npt.NDArray[np.int64]]] = []
    for window in WINDOWS:
        yes = _rows(happened, happened.inside(window) & (happened.is_event == 1), rows)
        touches = happened.touches(window)
        ambiguous = _rows(happened, touches & (happened.is_event == 1), rows)
        unsized = _rows(happened, touches & np.isnan(happened.is_event), rows)
        lost = [*where.lost(window), *where.unseen(kind, window)]
        reasons = [*lost, ("", yes), (AMBIGUOUS, ambiguous), (UNSIZED, unsized)]
        code = np.select([mask for _, mask in reasons], range(1, len(reasons) + 1), default=0)
        code = np.where(code == len(lost) + 1, 0, code)
        label = np.where(code > 0, np.nan, yes.astype(np.float64))
        columns[f"label_{hazard}_{window.start_min}_{window.end_min}"] = label
        said.append((window.name, ["", *(text for text, _ in reasons)], code.astype(np.int64)))
    labels = np.column_stack(list(columns.values())) if rows else np.empty((0, len(WINDOWS)))
    columns[f"value_{hazard}"] = _values(kind, happened, rows, labels[:, WINDOWS.index(HOUR)])
    columns[f"reason_{hazard}"] = _told(said, rows)
    settles = happened.inside(HOUR) & (happened.is_event == 1)
    best = np.full(rows, -1, dtype=np.int64)
    np.maximum.at(best, happened.row[settles], happened.source[settles])
    observers = where.looked.of_kind(kind)
    other = observers.source if observers is not None else ""
    known = ~np.isnan(labels).all(axis=1)
    names = np.array([*SOURCES, other], dtype=object)[best]
    columns[f"source_{hazard}"] = np.where(known, names, "")
    share = np.zeros(rows)
    np.maximum.at(share, happened.row[settles], happened.share[settles])
    columns[f"weight_{hazard}"] = np.where(share > 0, share, 1.0)
    return columns


def _rows(happened: _Happened, true: Bools, rows: int) -> Bools:
    out = np.zeros(rows, dtype=np.bool_)
    out[happened.row[true]] = True
    return out


def _values(kind: str, happened: _Happened, rows: int, label: Doubles) -> Doubles:
    inside = happened.inside(HOUR) & ~np.isnan(happened.value)
    row, value = happened.row[inside], happened.value[inside]
    out = np.full(rows, -np.inf)
    if kind == FLASH_KIND:
        out = np.where(np.bincount(row, minlength=rows) > 0, np.bincount(row, value, minlength=rows), -np.inf)
    else:
        np.maximum.at(out, row, value)
    return np.where(np.isfinite(out), out, np.where(label == 0, 0.0, np.nan))


def _told(said: list[tuple[str, list[str], npt.NDArray[np.int64]]], rows: int) -> npt.NDArray[np.object_]:
    """Such as "data gap (0-60, 30-60); no stations (0-15)"; rows with the same codes are told once."""
    out = np.empty(rows, dtype=object)
    combinations, which = np.unique(np.column_stack([code for _, _, code in said]), axis=0, return_inverse=True)
    texts = np.empty(len(combinations), dtype=object)
    for number, codes in enumerate(combinations):
        windows: dict[str, list[str]] = {}
        for (name, reasons, _), code in zip(said, codes, strict=True):
            if code:
                windows.setdefault(reasons[code], []).append(name)
        texts[number] = "; ".join(f"{reason} ({', '.join(names)})" for reason, names in windows.items())
    out[:] = texts[which.ravel()]
    return out
