"""Who stands near whom: the nearest stations of each station, kept for as long as the set of stations is the same."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]

EARTH_KM = 6371.0
NEAREST = 32
"""Neighbours kept for each station [our choice]: more only cost time in a dense network."""
OUTER_KM = 100.0
"""Nobody farther away is a neighbour [our choice]: half of a mesoscale wave."""
BOX = 24
"""Members of the local box of the spatial consistency test, beside the station itself [our choice]."""
KEPT_SETS = 4


@dataclass
class Weights:
    """Optimal interpolation of each station from its box; holds for the members in `used` (bits).

    Attributes:
        weight: (station, BOX) f4, of the members' innovations; variance: (station,) f4, of the difference between
        observation and estimate, in units of the background's variance.
    """

    weight: Floats
    variance: Floats
    used: npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Network:
    """Neighbours of every station.

    Attributes:
        near: (station, NEAREST) i4, neighbours by distance, -1 where there are no more within OUTER_KM.
        km: (station, NEAREST) f4, their distance; inf where there are no more.
        elevation: (station,) f4 [m]; NaN unknown. xyz: (station, 3) f8 [km] from the earth's centre; NaN unknown.
        weights: of optimal interpolation by element, used and renewed under `lock`.
    """

    near: Indices
    km: Floats
    elevation: Floats
    xyz: Doubles
    weights: dict[str, Weights] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def weights_of(self, element: str) -> Weights:
        """The element's weights, empty at first."""
        stations = len(self.near)
        if element not in self.weights:
            self.weights[element] = Weights(
                np.zeros((stations, BOX), "f4"), np.ones(stations, "f4"), np.zeros(stations, "u4")
            )
        return self.weights[element]


_kept: OrderedDict[bytes, Network] = OrderedDict()
_keeper = threading.Lock()


def network(lat: Doubles, lon: Doubles, elevation: Floats) -> Network:
    """Neighbours of stations; the same object for the same stations (the last KEPT_SETS sets are kept).

    Args:
        lat, lon: (station,) [deg]; elevation: (station,) [m]. A station without a position has no neighbours and is
            nobody's.
    """
    lat, lon = np.ascontiguousarray(lat, "f8"), np.ascontiguousarray(lon, "f8")
    elevation = np.ascontiguousarray(elevation, "f4")
    key = lat.tobytes() + lon.tobytes() + elevation.tobytes()
    with _keeper:
        if key not in _kept:
            _kept[key] = _build(lat, lon, elevation)
        _kept.move_to_end(key)
        while len(_kept) > KEPT_SETS:
            _kept.popitem(last=False)
        return _kept[key]


def _build(lat: Doubles, lon: Doubles, elevation: Floats) -> Network:
    stations = lat.size
    near, km = np.full((stations, NEAREST), -1, "i4"), np.full((stations, NEAREST), np.inf, "f4")
    placed = np.flatnonzero(np.isfinite(lat) & np.isfinite(lon) & (np.abs(lat) <= 90))
    phi, lam = np.deg2rad(np.where(np.isfinite(lat), lat, 0)), np.deg2rad(np.where(np.isfinite(lon), lon, 0))
    xyz = EARTH_KM * np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)
    if placed.size > 1:
        tree = cKDTree(xyz[placed])
        count = min(NEAREST + 1, placed.size)
        found = tree.query(xyz[placed], k=count, distance_upper_bound=OUTER_KM)
        distance, index = np.asarray(found[0], "f8"), np.asarray(found[1])
        there = np.isfinite(distance) & (index != np.arange(placed.size)[:, None])
        order = np.argsort(~there, axis=1, kind="stable")[:, : min(NEAREST, count)]
        there = np.take_along_axis(there, order, axis=1)
        index = np.take_along_axis(np.where(index < placed.size, index, 0), order, axis=1)
        width = there.shape[1]
        near[placed, :width] = np.where(there, placed[index], -1)
        km[placed, :width] = np.where(there, np.take_along_axis(distance, order, axis=1), np.inf)
    return Network(near, km, elevation, np.where(np.isin(np.arange(stations), placed)[:, None], xyz, np.nan))
