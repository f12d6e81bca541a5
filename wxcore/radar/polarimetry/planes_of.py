"""What dual polarisation says of each place: the planes of schema.POLARIMETRY, from a volume's derived gates.

A cell of a plane takes the gates whose centres lie in it; where there are none (gates longer or rays wider than the
cell), the nearest. *No echo* and *no hail* are said of a column only where every gate seen in it says so: an echo
without a class leaves *not observed*, unless another gate has a class, or hail. HDR, which wants the same of a radar
as HSDA, is told only where that is. The depth of a ZDR column is that of ZDR >= 1 dB, without a gap, from the 0 C level
up to the -20 C level, beyond which there is no drop to lift (Kumjian et al. 2014; contour: Snyder et al. 2015), linear
between tilts.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from wxcore.radar.geometry import ground_arc
from wxcore.radar.planes import PLANE_AZIMUTHS, PLANE_DISTANCE_M, PLANE_SHAPE, PLANE_STEP_M, Plane
from wxcore.radar.polarimetry import classes
from wxcore.radar.polarimetry.gates import elevation_of, gate_ranges, heights, reflectivity
from wxcore.radar.polarimetry.hail_size import hdr as hdr_of
from wxcore.radar.qc_kernels import NOTHING
from wxcore.radar.tilts import AZIMUTH_STEPS, HIGHEST_TILT_DEG, ray_table
from wxcore.radar.volume import Sweep, Volume

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

COLUMN_ZDR_DB, LEAST_DBZ = 1.0, 20.0
"""Contour of a ZDR column (DOMAIN.md 2.2), and the weakest echo whose ZDR and KDP count: below, noise makes them [our
choice]."""
COLUMN_BASE_M = 1000.0
"""A lowest tilt that starts higher than this above 0 C does not see a column's foot: unknown [our choice]."""

UNKNOWN, NOT_OBSERVED, NONE = -1, 0, 1
"""Flags of hail_size_class and hydrometeor_class_low; HSDA's sizes 1, 2, 3 are flags 2, 3, 4. UNKNOWN, while sweeps are
merged, is what was seen but not told; at the end it is NOT_OBSERVED."""


class _Cells(NamedTuple):
    """Gates and rays of a sweep by cell: rays[ray_at[k] : ray_at[k + 1]], gates gate_from[j] up to gate_to[j]."""

    rays: Ints
    ray_at: Ints
    gate_from: Ints
    gate_to: Ints
    below_0c: npt.NDArray[np.bool_]


class _Planes(NamedTuple):
    hail: Floats
    hdr: Floats
    hclass: Floats
    kdp: Floats
    zdr: Floats


class _Limits(NamedTuple):
    nothing: float
    weather: float
    least_dbz: float
    no_echo: float


def polarimetric_planes(volume: Volume, *, h0_m: float, hm20_m: float) -> dict[str, Plane]:
    """Planes by the names of schema.POLARIMETRY; flags as f4, 0 where not observed. Empty without dual polarisation.

    hail_size_class and hail_differential_reflectivity only at S band with a known ZDR offset; what needs ZDR or KDP is
    left out where no sweep has them.

    Args:
        volume: of `polarimetric`.
        h0_m, hm20_m: heights ASL of 0 C and -20 C.
    """
    sweeps = sorted((s for s in volume.sweeps if _usable(s)), key=elevation_of)
    if not sweeps:
        return {}
    planes = _Planes(*(np.zeros(PLANE_SHAPE, dtype=np.float32) for _ in range(5)))
    planes.hdr[:] = planes.kdp[:] = np.nan
    zdr, height = np.empty((len(sweeps), *PLANE_SHAPE), np.float32), np.empty((len(sweeps), PLANE_SHAPE[1]))
    limits = _Limits(NOTHING, float(classes.LIGHT_RAIN), LEAST_DBZ, float(classes.NO_ECHO_CLASS))
    for k, sweep in enumerate(sweeps):
        at = heights(sweep, volume.site)
        cells = _cells(sweep, at.centre < h0_m)
        middle = (cells.gate_from + cells.gate_to) // 2
        height[k] = np.where(cells.gate_to > cells.gate_from, at.centre[np.minimum(middle, at.centre.size - 1)], np.nan)
        _reduce(_fields(sweep), cells, limits, planes._replace(zdr=zdr[k]))
    for flags in (planes.hail, planes.hclass):
        np.maximum(flags, NOT_OBSERVED, out=flags)
    depth = np.empty(PLANE_SHAPE, dtype=np.float32)
    _column_depth(zdr, height, (h0_m, hm20_m), (COLUMN_ZDR_DB, COLUMN_BASE_M), depth)
    named = {
        "hail_size_class": ("HSDA", planes.hail), "hail_differential_reflectivity": ("HSDA", planes.hdr),
        "hydrometeor_class_low": ("HCLASS", planes.hclass), "zdr_column_depth": ("ZDR", depth),
        "specific_differential_phase_low": ("KDP", planes.kdp),
    }  # fmt: skip
    return {name: plane for name, (needs, plane) in named.items() if any(needs in s.derived for s in sweeps)}


def _usable(sweep: Sweep) -> bool:
    known = "HCLASS" in sweep.derived and bool(np.isfinite(sweep.azimuth).any())
    return known and -5.0 <= elevation_of(sweep) <= HIGHEST_TILT_DEG


def _fields(sweep: Sweep) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """z (NOTHING without echo), class, ZDR, KDP, HSDA; NaN, of HSDA -1, where the sweep lacks them."""
    hclass = sweep.derived["HCLASS"]
    z = sweep.derived.get("DBZH")
    measured = reflectivity(sweep) if z is None else np.where(hclass == classes.NO_ECHO_CLASS, np.float32(NOTHING), z)
    zdr, kdp, hsda = (
        sweep.derived[name] if name in sweep.derived else np.full(hclass.shape, lacking, dtype=np.float32)
        for name, lacking in (("ZDR", np.nan), ("KDP", np.nan), ("HSDA", -1.0))
    )
    return measured, hclass, zdr, kdp, hsda


def _cells(sweep: Sweep, below_0c: npt.NDArray[np.bool_]) -> _Cells:
    azimuth = sweep.azimuth.astype(np.float64)
    known = np.flatnonzero(np.isfinite(azimuth))
    cell = np.minimum((azimuth[known] % 360.0).astype(np.int32), PLANE_AZIMUTHS - 1)
    nearest = ray_table(sweep.azimuth)[AZIMUTH_STEPS // PLANE_AZIMUTHS // 2 :: AZIMUTH_STEPS // PLANE_AZIMUTHS]
    alone = np.setdiff1d(np.flatnonzero(nearest >= 0), cell)
    rays, cell = np.concatenate([known, nearest[alone]]), np.concatenate([cell, alone])
    order = np.argsort(cell, kind="stable")
    slant = gate_ranges(sweep.moments["DBZH"])
    arc = ground_arc(slant, elevation_of(sweep))
    edges = np.arange(PLANE_DISTANCE_M.size + 1) * PLANE_STEP_M
    at = np.searchsorted(arc, edges)
    first, last = at[:-1], at[1:]
    near = np.clip(np.searchsorted(arc, PLANE_DISTANCE_M), 1, max(arc.size - 1, 1))
    near = np.where(PLANE_DISTANCE_M - arc[near - 1] <= arc[np.minimum(near, arc.size - 1)] - PLANE_DISTANCE_M,
                    near - 1, np.minimum(near, arc.size - 1))  # fmt: skip
    step = sweep.moments["DBZH"].gate_m
    fill = (last <= first) & (np.abs(arc[near] - PLANE_DISTANCE_M) <= max(step / 2, PLANE_STEP_M / 2))
    first, last = np.where(fill, near, first), np.where(fill, near + 1, last)
    ray_at = np.searchsorted(cell[order], np.arange(PLANE_AZIMUTHS + 1))
    gates = (first.astype(np.int32), last.astype(np.int32))
    return _Cells(rays[order].astype(np.int32), ray_at.astype(np.int32), *gates, below_0c)


@numba.njit(cache=True, nogil=True)
def _merged(before: np.float32, found: np.float32, unknown: bool) -> np.float32:
    """Flag of a column by that of the sweeps before and of this one: what is there, else unknown, else none."""
    flag = max(before, found)
    return np.float32(UNKNOWN) if flag <= NONE and (unknown or before == UNKNOWN) else flag


@numba.njit(cache=True, nogil=True)
def _reduce(  # noqa: C901, PLR0912 - one pass over the gates of a cell
    fields: tuple[Floats, Floats, Floats, Floats, Floats], cells: _Cells, limits: _Limits, planes: _Planes
) -> None:
    """Merge a sweep, in ascending elevation, into the planes; `planes.zdr` is the sweep's own: means."""
    z, hclass, zdr, kdp, hsda = fields
    for k in range(planes.hail.shape[0]):
        for j in range(planes.hail.shape[1]):
            strongest, low, seen = limits.nothing, np.float32(0.0), False
            no_class, no_size = False, False
            hail, hdr, kdp_most = np.float32(-1.0), np.float32(np.nan), np.float32(np.nan)
            n, total = 0, 0.0
            for r in range(cells.ray_at[k], cells.ray_at[k + 1]):
                i = cells.rays[r]
                for g in range(cells.gate_from[j], cells.gate_to[j]):
                    if np.isnan(z[i, g]):
                        continue
                    seen = True
                    no_size |= np.isnan(hsda[i, g])
                    no_class |= np.isnan(hclass[i, g])
                    if not np.isnan(hsda[i, g]):
                        hail = max(hail, hsda[i, g])
                    if not (z[i, g] > limits.nothing and hclass[i, g] > limits.no_echo):
                        continue
                    if z[i, g] > strongest:
                        strongest, low = z[i, g], hclass[i, g]
                    if hclass[i, g] < limits.weather:
                        continue
                    if z[i, g] >= limits.least_dbz and not np.isnan(zdr[i, g]):
                        n += 1
                        total += zdr[i, g]
                    if cells.below_0c[g]:
                        h = np.float32(hdr_of(z[i, g], zdr[i, g]))
                        if np.isnan(hdr) or h > hdr:
                            hdr = h
                        if z[i, g] >= limits.least_dbz and (np.isnan(kdp_most) or kdp[i, g] > kdp_most):
                            kdp_most = kdp[i, g]
            planes.zdr[k, j] = total / n if n > 0 else np.nan
            if not seen:
                continue
            if planes.hclass[k, j] <= limits.no_echo:
                flag = np.float32(low) if low > 0.0 else np.float32(limits.no_echo)
                planes.hclass[k, j] = _merged(planes.hclass[k, j], flag, no_class)
            planes.hail[k, j] = _merged(planes.hail[k, j], np.float32(hail + 1.0), no_size)
            if np.isnan(planes.hdr[k, j]) or hdr > planes.hdr[k, j]:
                planes.hdr[k, j] = hdr
            if np.isnan(planes.kdp[k, j]) or kdp_most > planes.kdp[k, j]:
                planes.kdp[k, j] = kdp_most


@numba.njit(cache=True, nogil=True)
def _column_depth(  # noqa: C901 - one pass over a column
    zdr: Floats, height: Doubles, levels: tuple[float, float], limits: tuple[float, float], out: Floats
) -> None:
    """Depth [m] of the contour above levels[0] up to levels[1], by cell; NaN where no tilt tells of its foot.

    Args:
        zdr: (sweep, azimuth, range) in ascending elevation, NaN unknown; height: (sweep, range) ASL.
        limits: the contour [dB], and how far above the 0 C level the lowest tilt may be [m].
    """
    base, top = levels
    contour, reach = limits
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[k, j] = np.nan
            before, below = np.nan, np.nan
            depth = np.nan
            for s in range(zdr.shape[0]):
                v, h = np.float64(zdr[s, k, j]), height[s, j]
                if np.isnan(v) or np.isnan(h):
                    if not np.isnan(depth):
                        break
                    continue
                if h > base:
                    if np.isnan(depth):
                        if np.isnan(below) and h - base > reach:
                            break
                        foot = v if np.isnan(below) else before + (v - before) * (base - below) / (h - below)
                        depth = 0.0
                        if foot < contour:
                            break
                        before, below = foot, base
                    if v < contour:
                        depth = below + (before - contour) / (before - v) * (h - below) - base
                        break
                    depth = h - base
                before, below = v, h
            if not np.isnan(depth):
                out[k, j] = min(max(depth, 0.0), max(top - base, 0.0))
