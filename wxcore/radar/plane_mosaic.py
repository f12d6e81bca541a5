"""The planes of many radars on the grid: what velocities and dual polarisation say of each column.

Of a radial derivative the nearest radar speaks that observed the column: its beam is the narrowest. Of a wind or a
velocity difference along the beam the largest stands, whoever saw it: a radar sees one component, and each component is
a lower bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xarray as xr
from numba import njit, prange

from wxcore.grid import Grid
from wxcore.radar.geometry import ground_position
from wxcore.radar.planes import PLANE_AZIMUTHS, PLANE_SHAPE, PLANE_STEP_M, Plane
from wxcore.radar.volume import Site
from wxcore.schema import KINEMATICS, LAT, LON, POLARIMETRY

VARIABLES = (*KINEMATICS, *POLARIMETRY)
NAMES = tuple(var.name for var in VARIABLES)
"""Order of a stack's last axis."""

Stack = npt.NDArray[np.float32]
"""The planes of one radar, (PLANE_AZIMUTHS, PLANE_RANGES, NAMES): all of a place side by side. NaN where unknown."""

_NEAREST, _LARGEST, _FOLLOWS = 0, 1, 2
_RULES: Mapping[str, int] = {
    "marc": _LARGEST, "radial_wind_low": _LARGEST, "radial_wind_low_azimuth": _FOLLOWS,
    "storm_top_divergence": _LARGEST, "velocity_observed": _LARGEST,
}  # fmt: skip
_RULE = np.array([_RULES.get(name, _NEAREST) for name in NAMES], dtype=np.uint8)
_FLAGS = tuple(var.name for var in VARIABLES if var.flags)
_OBSERVED = "velocity_observed"
_RANK = np.array([0, 2, 1], dtype=np.float32)
"""Of velocity_observed: observed beats range folded, which beats nothing. Its own inverse."""

ROWS_AT_ONCE = 32
"""Rows for which float64 distances are held at a time."""

_FAR = np.float32(np.inf)


@dataclass(frozen=True)
class Share:
    """One radar's part."""

    site: Site
    stack: Stack


def stack_of(planes: Mapping[str, Plane]) -> Stack:
    """The planes, by name, as a stack; those that are not given are unknown.

    Raises:
        ValueError: a plane of another name or shape.
    """
    for name, plane in planes.items():
        if name not in NAMES or plane.shape != PLANE_SHAPE:
            raise ValueError(f"plane {name} {plane.shape}: expected one of {NAMES} and shape {PLANE_SHAPE}")
    unknown = np.full(PLANE_SHAPE, np.nan, dtype=np.float32)
    given = tuple(np.ascontiguousarray(planes.get(name, unknown), dtype=np.float32) for name in NAMES)
    stack = np.empty((*PLANE_SHAPE, len(NAMES)), dtype=np.float32)
    _interleave(given, _KIND, _RANK, stack)
    return stack


_PLAIN, _FLAG, _RANKED = 0, 1, 2
_KIND = np.array([_RANKED if name == _OBSERVED else _FLAG if name in _FLAGS else _PLAIN for name in NAMES], np.uint8)


@njit(cache=True, nogil=True)
def _interleave(
    planes: tuple[Plane, ...], kind: npt.NDArray[np.uint8], rank: npt.NDArray[np.float32], stack: Stack
) -> None:  # pragma: no cover - compiled
    """Lay planes side by side; flags become ranks where `kind` says so, and a flag of 0 becomes NaN."""
    nothing = np.float32(np.nan)
    for k in range(stack.shape[0]):
        for p in range(len(planes)):
            plane = planes[p]
            if kind[p] == _PLAIN:
                for j in range(stack.shape[1]):
                    stack[k, j, p] = plane[k, j]
                continue
            for j in range(stack.shape[1]):
                v = plane[k, j]
                if kind[p] == _RANKED:
                    v = rank[int(v)] if 0 <= v < rank.size else nothing
                stack[k, j, p] = v if v != 0 else nothing


def plane_mosaic(shares: Sequence[Share], grid: Grid) -> xr.Dataset:
    """Every variable of schema.KINEMATICS and schema.POLARIMETRY of which any radar knows something.

    Args:
        shares: any number, in any order.

    Returns:
        Dataset (time, lat, lon) without coordinates of time; empty where no radar knows anything.
    """
    out = np.full((*grid.shape, len(NAMES)), np.nan, dtype=np.float32)
    nearest = np.full(out.shape, _FAR, dtype=np.float32)
    for share in sorted(shares, key=lambda item: item.site.id):
        metres, azimuth = _places(share.site.latitude, share.site.longitude, grid)
        _merge(share.stack, metres, azimuth, np.float32(PLANE_STEP_M), _RULE, out, nearest)
    known = np.asarray(np.isfinite(out).reshape(-1, len(NAMES)).any(axis=0))
    groups = [[var.name for var in group] for group in (KINEMATICS, POLARIMETRY)]
    kept = {name for group in groups for name in group if any(known[NAMES.index(other)] for other in group)}
    return xr.Dataset(
        {
            var.name: (var.dims, _values(out[:, :, k], var.name)[np.newaxis].astype(var.dtype), var.attrs)
            for k, var in enumerate(VARIABLES)
            if var.name in kept
        },
        {LAT: grid.lat, LON: grid.lon},
    )


@lru_cache(maxsize=64)
def _places(lat: float, lon: float, grid: Grid) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
    """Distance [m] and plane's azimuth of each column (row, column), seen from a site; kept between calls."""
    metres, azimuth = np.empty(grid.shape, dtype=np.float32), np.empty(grid.shape, dtype=np.uint16)
    for row in range(0, grid.n_lat, ROWS_AT_ONCE):
        rows = slice(row, row + ROWS_AT_ONCE)
        away, degrees = ground_position(lat, lon, grid.lat[rows, None], grid.lon[None, :])
        metres[rows] = away
        azimuth[rows] = (degrees * (PLANE_AZIMUTHS / 360.0)).astype(np.int64) % PLANE_AZIMUTHS
    return metres, azimuth


def _values(plane: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.float32]:
    if name not in _FLAGS:
        return plane
    known: npt.NDArray[np.float32] = np.nan_to_num(plane)
    return _RANK[known.astype(np.intp)] if name == _OBSERVED else known


@njit(cache=True, parallel=True, nogil=True)
def _merge(
    stack: Stack,
    metres: npt.NDArray[np.float32],
    azimuth: npt.NDArray[np.uint16],
    step_m: np.float32,
    rule: npt.NDArray[np.uint8],
    out: npt.NDArray[np.float32],
    nearest: npt.NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """One more radar: distance and plane's azimuth (row, column), `out` and `nearest` (row, column, name)."""
    names = stack.shape[2]
    reach = stack.shape[1] * step_m
    for y in prange(metres.shape[0]):
        for x in range(metres.shape[1]):
            away = metres[y, x]
            if not away < reach:
                continue
            k, j = azimuth[y, x], min(int(away / step_m), stack.shape[1] - 1)
            taken = False
            for p in range(names):
                value = stack[k, j, p]
                if rule[p] == _FOLLOWS:
                    if taken:
                        out[y, x, p] = value
                    continue
                taken = False
                if np.isnan(value):
                    continue
                more = np.isnan(out[y, x, p]) or value > out[y, x, p]
                taken = more if rule[p] == _LARGEST else away < nearest[y, x, p]
                if taken:
                    out[y, x, p] = value
                    nearest[y, x, p] = away
