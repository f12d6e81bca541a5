"""What velocity is expected at each gate of a sweep: from the tilt next to it, or from a wind profile."""

import numba
import numpy as np
import numpy.typing as npt

from wxcore.radar.geometry import beam_height, ground_arc

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

SAME_RAY_DEG = 1.5
"""The other tilt's nearest ray is at most this far away."""
SAME_HEIGHT_M = 1500.0
"""A tilt farther above or below says little: winds turn by 10 m/s and more a kilometre [our choice]."""

Rays = tuple[Floats, Bytes, Doubles, float, Doubles]
"""Velocities [m s-1], quality [%], azimuth (ray,) ascending [deg], elevation [deg], range (gate,) [m]."""


def expected_by_profile(
    azimuth_deg: Doubles, elevation_deg: float, wind: tuple[Doubles, Doubles], turn: float, out: Floats
) -> None:
    """Fill `out` (ray, gate) with the wind (u, v by gate [m s-1]) along the beam, in folds of `turn`."""
    stretch = np.cos(np.deg2rad(elevation_deg)) / turn
    angle = np.deg2rad(azimuth_deg)
    u, v = (np.asarray(part * stretch, dtype=np.float32) for part in wind)
    _project(np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32), u, v, out)


def expected_by_tilt(
    other: Rays, trusted: int, here: tuple[Doubles, float, Doubles], turn: float, out: Floats
) -> None:  # fmt: skip
    """Put the velocities of another tilt at the same place into `out` (ray, gate), in folds of `turn`.

    `out` stays where the other tilt has no velocity of at least `trusted` quality, or is more than SAME_HEIGHT_M away.
    """
    values, quality, azimuth, elevation, range_m = other
    own_azimuth, own_elevation, own_range = here
    if values.size == 0 or out.size == 0:
        return
    arc = ground_arc(range_m, elevation)
    own_arc = ground_arc(own_range, own_elevation)
    place = np.interp(own_arc, arc, np.arange(arc.size), left=-1, right=-1)
    gate = np.where(np.isfinite(place), np.rint(place), -1).astype(np.int32)
    apart = np.abs(beam_height(range_m[np.maximum(gate, 0)], elevation) - beam_height(own_range, own_elevation))
    gate[~(apart <= SAME_HEIGHT_M)] = -1
    _pick(values, quality, trusted, _nearest(own_azimuth, azimuth), gate, 1 / turn, out)


def _nearest(azimuth: Doubles, other: Doubles) -> Ints:
    """Ray of `other` (ascending, NaN last) nearest to each azimuth, -1 where none is within SAME_RAY_DEG."""
    known = other[np.isfinite(other)]
    if known.size == 0:
        return np.full(azimuth.size, -1, dtype=np.int32)
    after = np.searchsorted(known, azimuth) % known.size
    before = (after - 1) % known.size
    apart = [np.abs((known[k] - azimuth + 180.0) % 360.0 - 180.0) for k in (before, after)]
    nearest = np.where(apart[0] <= apart[1], before, after)
    return np.where(np.minimum(*apart) <= SAME_RAY_DEG, nearest, -1).astype(np.int32)


@numba.njit(cache=True, nogil=True)
def _project(sine: Floats, cosine: Floats, u: Floats, v: Floats, out: Floats) -> None:
    for i in range(out.shape[0]):
        for g in range(out.shape[1]):
            out[i, g] = sine[i] * u[g] + cosine[i] * v[g]


@numba.njit(cache=True, nogil=True)
def _pick(values: Floats, quality: Bytes, trusted: int, ray_of: Ints, gate_of: Ints, scale: float, out: Floats) -> None:
    for i in range(out.shape[0]):
        if ray_of[i] < 0:
            continue
        row, good = values[ray_of[i]], quality[ray_of[i]]
        for g in range(out.shape[1]):
            k = gate_of[g]
            if k >= 0 and good[k] >= trusted:
                out[i, g] = row[k] * scale
