"""Lightning of storms and cloud cells: flash rate, polarity, current, 2-sigma jump (columns of schema.STORMS)."""

from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.lightning.density import BY_BOTH, BY_IMAGER, BY_NETWORK, counted, who
from wxcore.lightning.flashes import Flashes
from wxcore.lightning.jump import BIN_MINUTES, BINS, lightning_jump
from wxcore.lightning.watch import Look, looked, seconds, views
from wxcore.times import to_datetime64

RATE_MINUTES = 6.0
"""Minutes of the flash rate: a cycle."""

AROUND_KM, AROUND_UNKNOWN_KM = 10.0, 15.0
"""Flashes this near to the outline belong to the storm (DOMAIN.md 2.4: 5 to 10 km: anvil, error of the places); the
second for the past of a storm whose motion is unknown [our choice]."""

BIN_COVERED_S = 60.0
"""Least time covered in a bin of the jump [s, our choice]: half of it."""

COLUMNS = (
    "flash_rate_min", "flash_total", "flash_positive_fraction", "peak_current_ka", "lightning_jump_sigma",
    "lightning_jump",
)  # fmt: skip

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Outlines = npt.NDArray[np.object_]


def storm_lightning(storms: pd.DataFrame, flashes: Flashes, when: datetime, grid: Grid) -> pd.DataFrame:
    """COLUMNS of each storm, on the index of `storms`; NaN where no source looked at the storm.

    A flash belongs to one storm only: that with the nearest outline (of two that hold it, the nearest centre). The jump
    is that of the imagers' flashes where they covered all of its bins, else of the networks'; its outlines are moved
    back along the storm's motion.

    Args:
        storms: schema.STORMS at `when`: polygon, lon, lat, u_m_s, v_m_s.
        flashes: `to_flashes` of every file of the last 14 minutes.
        when: time of the storms, aware; grid: theirs.

    Raises:
        TimeError: `when` is naive.
    """
    end = to_datetime64(when)
    table = pd.DataFrame(np.nan, index=storms.index, columns=list(COLUMNS))
    if storms.empty:
        return table
    plane = _Plane(grid, storms, flashes)
    owner = plane.owners(_before(end, RATE_MINUTES), end, 0.0)
    columns = {name: np.full(len(storms), np.nan) for name in COLUMNS}
    start = _before(end, BINS * BIN_MINUTES)
    looks = tuple(look for look in flashes.looks if look.start < end and look.end > start)
    parts = views(looks, plane.lon, plane.lat)
    for mask, seen in parts:
        begin = _before(end, RATE_MINUTES)
        columns["flash_rate_min"][mask] = _rates(flashes, owner, seen, (begin, end), len(storms))[mask]
        source = who(seen, begin, end)
        if source:
            columns["flash_total"][mask] = float(source in {BY_IMAGER, BY_BOTH})
        if source in {BY_NETWORK, BY_BOTH}:
            fraction, peak = _currents(flashes, owner, len(storms))
            columns["flash_positive_fraction"][mask], columns["peak_current_ka"][mask] = fraction[mask], peak[mask]
    columns["lightning_jump_sigma"], columns["lightning_jump"] = _jumps(plane, flashes, parts, end)
    return table.assign(**columns)


def cell_flash_rate(cells: pd.DataFrame, flashes: Flashes, when: datetime, grid: Grid) -> pd.Series:
    """flash_rate_min of any table with polygon, lon and lat (cloud cells), as `storm_lightning` has it.

    Raises:
        TimeError: `when` is naive.
    """
    end = to_datetime64(when)
    start = _before(end, RATE_MINUTES)
    rate = np.full(len(cells), np.nan)
    if len(cells):
        plane = _Plane(grid, cells, flashes)
        owner = plane.owners(start, end, 0.0)
        looks = tuple(look for look in flashes.looks if look.start < end and look.end > start)
        for mask, seen in views(looks, plane.lon, plane.lat):
            rate[mask] = _rates(flashes, owner, seen, (start, end), len(cells))[mask]
    return pd.Series(rate, index=cells.index, name="flash_rate_min")


def _before(end: np.datetime64, minutes: float) -> np.datetime64:
    return end - np.timedelta64(round(minutes * 60), "s")


class _Plane:
    """Outlines and flashes on a plane [km] about the middle of the grid."""

    def __init__(self, grid: Grid, table: pd.DataFrame, flashes: Flashes) -> None:
        west, south, east, north = grid.bounds
        self._lon, self._lat = (west + east) / 2, (south + north) / 2
        self._km = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)
        self.lon = table["lon"].to_numpy(dtype=np.float64)
        self.lat = table["lat"].to_numpy(dtype=np.float64)
        self._outlines = np.asarray(
            shapely.transform(np.array(table["polygon"].tolist(), dtype=object), self._to_km), dtype=object
        )
        self._centres = self._to_km(np.column_stack([self.lon, self.lat]))
        self._flashes = self._to_km(np.column_stack([flashes.lon, flashes.lat]))
        self._time = flashes.time
        motion = [table[name].to_numpy(dtype=np.float64) if name in table else None for name in ("u_m_s", "v_m_s")]
        known = [values if values is not None else np.full(len(table), np.nan) for values in motion]
        self._motion = np.column_stack(known) * 0.06

    def _to_km(self, places: Doubles) -> Doubles:
        east = (places[:, 0] - self._lon + 180) % 360 - 180
        scale = np.array([np.cos(np.deg2rad(self._lat)), 1.0]) * self._km
        return np.column_stack([east, places[:, 1] - self._lat]) * scale

    def owners(self, start: np.datetime64, end: np.datetime64, back: float) -> Ints:
        """Which row each flash belongs to, outlines being moved `back` minutes; -1: none, or not in the window."""
        owner = np.full(self._time.size, -1, dtype=np.int64)
        chosen = np.flatnonzero((self._time > start) & (self._time <= end))
        unknown = np.asarray(np.isnan(self._motion).any(axis=1), dtype=np.bool_)
        shift = np.where(unknown[:, np.newaxis], 0.0, -self._motion * back)
        around = np.where(unknown & (back > 0), AROUND_UNKNOWN_KM, AROUND_KM)
        outlines = _moved(self._outlines, shift)
        points = np.asarray(shapely.points(self._flashes[chosen]), dtype=object)
        pairs = shapely.STRtree(outlines).query(points, predicate="dwithin", distance=float(around.max()))
        distance = np.asarray(shapely.distance(points[pairs[0]], outlines[pairs[1]]), dtype=np.float64)
        near = np.asarray(distance <= around[pairs[1]], dtype=np.bool_)
        point, row, distance = pairs[0][near], pairs[1][near], distance[near]
        centre = self._centres[row] + shift[row]
        from_centre = np.hypot(*(self._flashes[chosen[point]] - centre).T)
        order = np.lexsort((from_centre, distance, point))
        _, first = np.unique(point[order], return_index=True)
        owner[chosen[point[order][first]]] = row[order][first]
        return owner


def _moved(outlines: Outlines, shift: Doubles) -> Outlines:
    coordinates, index = shapely.get_coordinates(outlines, return_index=True)
    return np.asarray(shapely.set_coordinates(outlines.copy(), coordinates + shift[index]), dtype=object)


def _count(owner: Ints, chosen: npt.NDArray[np.bool_], rows: int) -> Doubles:
    return np.bincount(owner[chosen & (owner >= 0)], minlength=rows).astype(np.float64)


def _rates(
    flashes: Flashes, owner: Ints, looks: tuple[Look, ...], window: tuple[np.datetime64, np.datetime64], rows: int
) -> Doubles:
    """Flashes a covered minute of each row; NaN where these files covered too little."""
    chosen, hours = counted(flashes, looks, *window)
    return _count(owner, chosen, rows) / (hours * 60) if hours > 0 else np.full(rows, np.nan)


def _currents(flashes: Flashes, owner: Ints, rows: int) -> tuple[Doubles, Doubles]:
    """Part of the networks' flashes with positive current, and the largest magnitude; NaN where there is none."""
    known = ~flashes.total & ~flashes.repeat & ~np.isnan(flashes.strength_ka)
    number = _count(owner, known, rows)
    positive = _count(owner, known & (flashes.positive == 1), rows)
    peak = np.full(rows, np.nan)
    mine = known & (owner >= 0)
    np.fmax.at(peak, owner[mine], np.abs(flashes.strength_ka[mine]))
    return np.divide(positive, number, out=np.full(rows, np.nan), where=number > 0), peak


def _jumps(
    plane: _Plane, flashes: Flashes, parts: list[tuple[npt.NDArray[np.bool_], tuple[Look, ...]]], end: np.datetime64
) -> tuple[Doubles, Doubles]:
    """Sigma and flag of the jump of each row."""
    rows = plane.lon.size
    edges = [_before(end, BIN_MINUTES * number) for number in range(BINS, -1, -1)]
    bins = list(pairwise(edges))
    rates = np.full((rows, BINS), np.nan)
    total = np.zeros(rows, dtype=np.bool_)
    owners = [plane.owners(low, high, BIN_MINUTES * (BINS - number - 0.5)) for number, (low, high) in enumerate(bins)]
    for mask, looks in parts:
        for kind in (True, False):
            covered = np.array([seconds(looked(looks, total=kind, start=low, end=high)) for low, high in bins])
            if np.all(covered >= BIN_COVERED_S):
                chosen = (flashes.total == kind) & ~flashes.repeat
                counts = np.stack([_count(owner, chosen, rows) for owner in owners], axis=1)
                rates[mask], total[mask] = (counts / (covered / 60))[mask], kind
                break
    judged = lightning_jump(rates, total=total)
    return judged.sigma, judged.jump
