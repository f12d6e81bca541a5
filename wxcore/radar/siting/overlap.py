"""Two radars that look at the same air: what of them can be compared, and the values of each at common points.

A column is looked up as the mosaic does it (DOMAIN.md 1.4): dBZ linear in elevation between the tilts that bracket a
height. But where the tilts are far apart nothing is compared, for there the two radars would differ by what they
interpolate. All heights are ASL, of one fixed list, so that tables of (distance, height) serve all points.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from numba import njit

from wxcore.radar.geometry import Floats, beam_through, slant_at_arc
from wxcore.radar.tilts import AZIMUTH_STEPS, UNOBSERVED, Tilt, half_beam_deg, tilts_of
from wxcore.radar.volume import Site, Volume
from wxcore.times import iso, require_utc

REACH_M = 200_000.0
"""Ground distance to which radars are compared [m]: beyond, a beam of 1 deg is thicker than 3.5 km."""

MAX_APART = timedelta(minutes=10)
"""Volumes farther apart in time see other storms: not compared (the tolerance of pycwr and PyCINRAD, DOMAIN.md 1.4)."""

LEVELS_M = tuple(1000.0 + 500.0 * k for k in range(17))
"""Heights at which radars are compared [m ASL]: 1 to 9 km, the resolution of a beam at 30 km."""

LEAST_ABOVE_M, MOST_ABOVE_M = 1000.0, 7000.0
"""... and of these only what lies so far above both antennas: lower there is clutter, higher there is little echo."""

MAX_GAP_DEG = 1.25
"""Between tilts farther apart a value is an interpolation, not an observation: VCP21 has 1 deg up to 4.3 deg, then
1.7 (DOMAIN.md 1.2)."""

ALTITUDES_M = (-400.0, 6000.0)
"""Antennas lower or higher than this do not exist; the limits of radars.csv."""

STEP_M = 250.0
"""Step of the distance tables: the commonest gate."""

_SLANT_LIMIT_M = math.hypot(REACH_M, 20_000.0)


@dataclass(frozen=True)
class Sentence:
    """One sentence for the forecaster, in English and Chinese."""

    en: str
    zh: str


@dataclass(frozen=True)
class View:
    """What one radar saw in one volume.

    Attributes:
        time: start of the volume, aware UTC.
        tilts: in order of elevation; quality control is in them.
    """

    site: Site
    time: datetime
    tilts: tuple[Tilt, ...]


@dataclass(frozen=True)
class Sampler:
    """A view made ready to be looked up at any (distance, azimuth, level); D steps, L levels, T tilts.

    Attributes:
        lower: (D, L) i1 tilt below the level, -1 where nothing is compared; share: (D, L) f4 share of the next tilt.
        gates: (D, T) i4 gate above a distance, -1 where none.
        rays: (AZIMUTH_STEPS, T) i4 where in `values` a ray begins, -1 where none.
        values: (all gates,) i2 hundredths of dBZ, UNOBSERVED where nobody knows.
    """

    lower: npt.NDArray[np.int8]
    share: npt.NDArray[np.float32]
    gates: npt.NDArray[np.int32]
    rays: npt.NDArray[np.int32]
    values: npt.NDArray[np.int16]


def view_of(volume: Volume) -> View:
    """The view of a volume, out to REACH_M. Its DBZH should have been through quality control."""
    return View(volume.site, volume.start, tilts_of(volume, max_range_m=_SLANT_LIMIT_M))


def not_comparable(a: View, b: View) -> Sentence | None:
    """Why two views cannot be compared; None where they can.

    Raises:
        TimeError: a view's time is naive.
    """
    for view in (a, b):
        if fault := view_fault(view):
            return fault
    apart = abs(require_utc(a.time) - require_utc(b.time))
    if apart > MAX_APART:
        minutes = apart.total_seconds() / 60
        return Sentence(
            f"radars {a.site.id} and {b.site.id} not compared: {minutes:.0f} min apart ({iso(a.time)}, {iso(b.time)})",
            f"雷达 {a.site.id} 与 {b.site.id} 未比对：时间相差 {minutes:.0f} 分钟（{iso(a.time)}，{iso(b.time)}）",
        )
    return None


def view_fault(view: View) -> Sentence | None:
    """What makes a view unusable for any comparison: no position, an impossible height, no tilt; None where nothing."""
    site = view.site
    where = (site.latitude, site.longitude, site.altitude_m)
    if not np.isfinite(where).all() or abs(site.latitude) > 90 or abs(site.longitude) > 360:
        return Sentence(
            f"radar {site.id} not compared: position {where[0]}, {where[1]}, {where[2]} m is not valid",
            f"雷达 {site.id} 未比对：站址 {where[0]}, {where[1]}, {where[2]} m 无效",
        )
    if not ALTITUDES_M[0] <= site.altitude_m <= ALTITUDES_M[1]:
        return Sentence(
            f"radar {site.id} not compared: antenna at {site.altitude_m:g} m ASL cannot be",
            f"雷达 {site.id} 未比对：天线海拔 {site.altitude_m:g} m 不可能",
        )
    if not view.tilts:
        return Sentence(f"radar {site.id} not compared: no tilt of DBZH", f"雷达 {site.id} 未比对：无 DBZH 仰角层")
    return None


def sampler(view: View) -> Sampler:
    """Tables of a view with at least one tilt; about 1 ms."""
    arc = STEP_M * np.arange(int(REACH_M / STEP_M) + 1, dtype=np.float64)
    beams = np.array([tilt.elevation_deg for tilt in view.tilts])
    heights = np.asarray(LEVELS_M) - view.site.altitude_m
    elevation, _ = beam_through(arc[:, None], heights[None, :])
    half = half_beam_deg(view.site)
    lower = np.clip(np.searchsorted(beams, elevation, side="right") - 1, 0, max(beams.size - 2, 0))
    upper = np.minimum(lower + 1, beams.size - 1)
    gap = beams[upper] - beams[lower]
    share = np.clip((elevation - beams[lower]) / np.where(gap > 0, gap, 1.0), 0.0, 1.0)
    near = np.abs(elevation[..., None] - beams).min(axis=2)
    seen = (elevation >= beams[0] - half) & (elevation <= beams[-1] + half) & ((gap <= MAX_GAP_DEG) | (near <= half))
    share = np.where(gap > MAX_GAP_DEG, np.rint(share), share)
    seen &= (heights >= LEAST_ABOVE_M) & (heights <= MOST_ABOVE_M)
    gates = np.stack([_gate_above(arc, tilt) for tilt in view.tilts], axis=1)
    values, rays = _side_by_side(view.tilts)
    return Sampler(np.where(seen, lower, -1).astype(np.int8), share.astype(np.float32), gates, rays, values)


def _gate_above(arc: Floats, tilt: Tilt) -> npt.NDArray[np.int32]:
    index = np.rint((slant_at_arc(arc, tilt.elevation_deg) - tilt.first_gate_m) / tilt.gate_m)
    return np.where((index >= 0) & (index < tilt.dbz.shape[1]), index, -1).astype(np.int32)


def _side_by_side(tilts: tuple[Tilt, ...]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int32]]:
    starts = np.cumsum([0, *(tilt.dbz.size for tilt in tilts)])
    rays = [
        np.where(tilt.ray_of >= 0, start + tilt.ray_of * tilt.dbz.shape[1], -1).astype(np.int32)
        for tilt, start in zip(tilts, starts[:-1], strict=True)
    ]
    return np.concatenate([tilt.dbz.ravel() for tilt in tilts]), np.stack(rays, axis=1)


def values_at(
    of: Sampler, distance_m: npt.ArrayLike, azimuth_deg: npt.ArrayLike, level: npt.ArrayLike
) -> npt.NDArray[np.int16]:
    """Hundredths of dBZ at points, UNOBSERVED where this view says nothing.

    Args:
        distance_m: along the ground [m]; azimuth_deg: [deg, 0..360); level: index into LEVELS_M; shapes broadcast.
    """
    step = np.rint(np.asarray(distance_m, dtype=np.float64) / STEP_M).astype(np.int32)
    turn = (np.asarray(azimuth_deg, dtype=np.float64) * (AZIMUTH_STEPS / 360.0)).astype(np.int32) % AZIMUTH_STEPS
    points = np.broadcast_arrays(step, turn, np.asarray(level, dtype=np.int32))
    out = np.empty(points[0].shape, dtype=np.int16)
    tables = (of.lower, of.share, of.gates, of.rays, of.values)
    _look_up(np.stack([part.ravel() for part in points]), tables, UNOBSERVED, out.reshape(-1))
    return out


@njit(cache=True, nogil=True)
def _look_up(
    points: npt.NDArray[np.int32],
    tables: tuple[
        npt.NDArray[np.int8],
        npt.NDArray[np.float32],
        npt.NDArray[np.int32],
        npt.NDArray[np.int32],
        npt.NDArray[np.int16],
    ],
    unobserved: np.int16,
    out: npt.NDArray[np.int16],
) -> None:  # pragma: no cover - compiled
    """Fill `out` (P,) from the tables of `Sampler`; `points` (3, P) step, turn, level. Steps beyond are unobserved."""
    lower, share, gates, rays, values = tables
    last = gates.shape[1] - 1
    for p in range(points.shape[1]):
        step, turn, level = points[0, p], points[1, p], points[2, p]
        out[p] = unobserved
        if step < 0 or step >= lower.shape[0] or lower[step, level] < 0:
            continue
        below = lower[step, level]
        above = min(below + 1, last)
        part = share[step, level]
        first = second = unobserved
        if rays[turn, below] >= 0 and gates[step, below] >= 0:
            first = values[rays[turn, below] + gates[step, below]]
        if rays[turn, above] >= 0 and gates[step, above] >= 0:
            second = values[rays[turn, above] + gates[step, above]]
        if part <= 0:
            out[p] = first
        elif part >= 1:
            out[p] = second
        elif min(first, second) != unobserved:
            out[p] = np.int16(round(first + part * (np.float32(second) - np.float32(first))))
