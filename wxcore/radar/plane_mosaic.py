"""The planes of many radars on the grid: what velocities and dual polarisation say of each column.

Of a radial derivative the nearest radar speaks that observed the column: its beam is the narrowest. Of a wind or a
velocity difference along the beam the largest stands, whoever saw it: a radar sees one component, and each component is
a lower bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from numba import njit, prange

from wxcore.grid import Grid
from wxcore.radar.mosaic import DISTANCE_STEP_M, column_index
from wxcore.radar.mosaic_kernels import OUT_OF_RANGE
from wxcore.radar.planes import PLANE_AZIMUTHS, PLANE_RANGES, PLANE_SHAPE, PLANE_STEP_M, Plane
from wxcore.radar.tilts import AZIMUTH_STEPS
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

REACH_M = PLANE_RANGES * PLANE_STEP_M


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
    stack = np.full((*PLANE_SHAPE, len(NAMES)), np.nan, dtype=np.float32)
    for name, plane in planes.items():
        if name not in NAMES or plane.shape != PLANE_SHAPE:
            raise ValueError(f"plane {name} {plane.shape}: expected one of {NAMES} and shape {PLANE_SHAPE}")
        known = plane
        if name in _FLAGS:
            known = _RANK[plane.astype(np.intp)] if name == _OBSERVED else plane
            known = np.where(known == 0, np.nan, known).astype(np.float32)
        stack[:, :, NAMES.index(name)] = known
    return stack


def plane_mosaic(shares: Sequence[Share], grid: Grid) -> xr.Dataset:
    """Every variable of schema.KINEMATICS and schema.POLARIMETRY of which any radar knows something.

    Args:
        shares: any number, in any order.

    Returns:
        Dataset (time, lat, lon) without coordinates of time; empty where no radar knows anything.
    """
    out = np.full((*grid.shape, len(NAMES)), np.nan, dtype=np.float32)
    nearest = np.full(out.shape, OUT_OF_RANGE, dtype=np.uint16)
    scale = (np.float32(DISTANCE_STEP_M / PLANE_STEP_M), np.float32(PLANE_AZIMUTHS / AZIMUTH_STEPS))
    for share in sorted(shares, key=lambda item: item.site.id):
        index = column_index(share.site.latitude, share.site.longitude, grid, REACH_M)
        _merge(share.stack, index.distance, index.azimuth, scale, _RULE, out, nearest)
    known: npt.NDArray[np.bool_] = np.isfinite(out).reshape(-1, len(NAMES)).any(axis=0)
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


def _values(plane: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.float32]:
    if name not in _FLAGS:
        return plane
    known: npt.NDArray[np.float32] = np.nan_to_num(plane)
    return _RANK[known.astype(np.intp)] if name == _OBSERVED else known


@njit(cache=True, parallel=True, nogil=True)
def _merge(
    stack: Stack,
    distance: npt.NDArray[np.uint16],
    azimuth: npt.NDArray[np.uint16],
    scale: tuple[np.float32, np.float32],
    rule: npt.NDArray[np.uint8],
    out: npt.NDArray[np.float32],
    nearest: npt.NDArray[np.uint16],
) -> None:  # pragma: no cover - compiled
    """One more radar: distance and azimuth (row, column) in steps, `out` and `nearest` (row, column, name)."""
    turns, ranges, names = stack.shape
    for y in prange(distance.shape[0]):
        for x in range(distance.shape[1]):
            step = distance[y, x]
            j = int(step * scale[0])
            if j >= ranges:
                continue
            k = min(int(azimuth[y, x] * scale[1]), turns - 1)
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
                taken = more if rule[p] == _LARGEST else step < nearest[y, x, p]
                if taken:
                    out[y, x, p] = value
                    nearest[y, x, p] = step
