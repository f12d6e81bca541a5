"""A look moved to another time: each tilt's field carried along with the storms' motion from its own time.

Echoes move horizontally at the motion's speed and stay on their tilt. A gate takes the nearest gate of where its air
was; what comes from where the tilt has no gate or no ray is unobserved, never empty.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from wxcore.grid import EARTH_RADIUS_M
from wxcore.radar.geometry import ground_arc
from wxcore.radar.looks import Look
from wxcore.radar.tilts import UNOBSERVED, Tilt, ray_table
from wxcore.radar.volume import Site
from wxcore.times import require_utc

Floats: TypeAlias = npt.NDArray[np.float64]
MotionField: TypeAlias = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""(longitude, latitude) [deg] -> eastward and northward motion [m s-1], arrays of one shape; NaN stands still."""

RAYS = 720
"""Rays of a moved tilt, 0.5 deg apart: the finest spacing in use, so that moving coarsens nothing."""

MOTION_STEP_M = 5_000.0
MOTION_TURN_DEG = 5
"""A motion field is asked at polar cells of this size: motion of storms is smooth over 10 km [our choice]."""


def advect_tilts(
    look: Look, motion_u: float, motion_v: float, when: datetime, *, field: MotionField | None = None
) -> Look:
    """The look as it would have been, had every tilt been scanned at `when`.

    Args:
        look: any look.
        motion_u, motion_v: eastward and northward motion everywhere [m s-1].
        when: the time wanted.
        field: motion by place, in place of the uniform one.

    Returns:
        A look that starts at `when` with all tilts observed at that time; `radar_times` of its mosaic say so.

    Raises:
        TimeError: `when` is naive.
    """
    when = require_utc(when)
    late = (when - look.start).total_seconds()
    tilts = tuple(
        _moved(tilt, late - tilt.time_s, _motion(look.site, tilt, motion_u, motion_v, field)) for tilt in look.tilts
    )
    return replace(look, start=when, tilts=tilts)


def _motion(site: Site, tilt: Tilt, u: float, v: float, field: MotionField | None) -> Floats:
    """(2, azimuth, distance) motion at the middle of polar cells of MOTION_TURN_DEG by MOTION_STEP_M."""
    if field is None:
        return np.array([u, v], dtype=np.float64).reshape(2, 1, 1)
    reach = tilt.first_gate_m + tilt.gate_m * tilt.dbz.shape[1]
    arc = (np.arange(int(reach / MOTION_STEP_M) + 1) + 0.5) * MOTION_STEP_M
    turn = np.deg2rad(np.arange(0, 360, MOTION_TURN_DEG) + MOTION_TURN_DEG / 2)[:, None]
    lat = site.latitude + np.rad2deg(arc * np.cos(turn) / EARTH_RADIUS_M)
    lon = site.longitude + np.rad2deg(arc * np.sin(turn) / EARTH_RADIUS_M) / np.cos(np.deg2rad(lat))
    return np.nan_to_num(np.stack(field(lon, lat)).astype(np.float64))


def _moved(tilt: Tilt, seconds: float, motion: Floats) -> Tilt:
    """The tilt carried along for `seconds`."""
    slant = tilt.first_gate_m + tilt.gate_m * np.arange(tilt.dbz.shape[1])
    arc = ground_arc(slant, tilt.elevation_deg)
    azimuth = (np.arange(RAYS) + 0.5) * (360.0 / RAYS)
    dbz = np.full((RAYS, slant.size), UNOBSERVED, dtype=np.int16)
    per_metre = np.gradient(slant, arc) / tilt.gate_m if slant.size > 1 else np.full(1, 1 / tilt.gate_m)
    _carry(tilt.dbz, tilt.ray_of, arc, per_metre, np.deg2rad(azimuth), motion, seconds, MOTION_STEP_M, dbz)
    return Tilt(tilt.elevation_deg, dbz, tilt.first_gate_m, tilt.gate_m, ray_table(azimuth), 0.0)


@njit(cache=True, nogil=True)
def _carry(  # noqa: PLR0913, PLR0917
    source: npt.NDArray[np.int16], ray_of: npt.NDArray[np.int32], arc: Floats, per_metre: Floats, azimuth: Floats,
    motion: Floats, seconds: float, motion_step: float, out: npt.NDArray[np.int16],
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Fill `out` (ray, gate) from where each of its gates was; `arc` of the gates [m], `per_metre` gates a metre."""
    turns, n_gate = motion.shape[1], arc.size
    for ray in range(azimuth.size):
        sine, cosine = np.sin(azimuth[ray]), np.cos(azimuth[ray])
        turn = min(int(azimuth[ray] / (2 * np.pi) * turns), turns - 1)
        for gate in range(n_gate):
            cell = min(int(arc[gate] / motion_step), motion.shape[2] - 1)
            x = arc[gate] * sine - motion[0, turn, cell] * seconds
            y = arc[gate] * cosine - motion[1, turn, cell] * seconds
            moved = np.sqrt(x * x + y * y) - arc[gate]
            index = gate + int(np.floor(moved * per_metre[gate] + 0.5))
            step = int(np.floor(np.arctan2(x, y) / (2 * np.pi) * ray_of.size)) % ray_of.size
            if 0 <= index < n_gate and ray_of[step] >= 0:
                out[ray, gate] = source[ray_of[step], index]
