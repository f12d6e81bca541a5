"""Which reflectivity belongs to a Doppler sweep, and what it says on the velocity's gates.

Split cuts scan the lowest tilts twice: once for reflectivity, far out, and once for velocity, at a high pulse rate
(DOMAIN.md 1.2). The two have other rays, other gates and another start azimuth.
"""

import numba
import numpy as np
import numpy.typing as npt

from wxcore.radar.qc_kernels import decode
from wxcore.radar.tilts import AZIMUTH_STEPS, NON_MET_EMPTY_BELOW_DBZ, STRONGEST_DBZ, ray_table
from wxcore.radar.volume import ECHO, QC_CLUTTER, QC_NON_MET, QC_SPECKLE, QC_SPIKE, Sweep, Volume
from wxcore.schema import NO_ECHO_DBZ

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

PAIR_DEG = 0.5
"""A reflectivity cut and its Doppler cut are at most this far apart in elevation (DOMAIN.md 1.2)."""


def reflectivity_of(volume: Volume, number: int) -> Sweep | None:
    """The sweep with the reflectivity that belongs to the velocities of sweep `number`; None where none does.

    The sweep itself if it has DBZH. Else the nearest in elevation, to 0.1 deg and at most PAIR_DEG away, that has; of
    equals one without velocities of its own, then the nearest in time (in the file's order where times are unknown).
    """
    sweep = volume.sweeps[number]
    if _has(sweep, "DBZH"):
        return sweep
    when = _middle_s(sweep)
    found = []
    for k, other in enumerate(volume.sweeps):
        apart = abs(float(other.fixed_angle) - float(sweep.fixed_angle))
        if not _has(other, "DBZH") or not apart <= PAIR_DEG:
            continue
        later = abs(_middle_s(other) - when)
        found.append((round(apart, 1), _has(other, "VRADH"), later if np.isfinite(later) else 0.0, abs(k - number), k))
    return volume.sweeps[min(found)[-1]] if found else None


def dbz_on(doppler: Sweep, reflectivity: Sweep, rays: Ints | None = None) -> Floats:
    """Reflectivity on the velocity's gates, (ray, gate of VRADH) [dBZ], from the nearest ray and gate.

    NO_ECHO_DBZ where observed empty, or called speckle or non-meteorological by quality control; NaN where nobody
    knows: range folded, missing, clutter, spike, beyond the last ray or gate, stronger than any weather, or strong and
    rejected by dual polarisation (as in `tilts`). `reflectivity.derived["DBZH"]` supersedes the echoes as measured.

    Args:
        rays: which of the velocity's, in this order; None: all, in the file's.

    Raises:
        KeyError: `doppler` has no VRADH, or `reflectivity` no DBZH.
    """
    velocity, moment = doppler.moments["VRADH"], reflectivity.moments["DBZH"]
    gates = velocity.codes.shape[1]
    ray = _nearest_rays(doppler, reflectivity).astype(np.int64)
    if rays is not None:
        ray = ray[rays]
    out = np.empty((ray.size, gates), dtype=np.float32)
    if moment.codes.size == 0 or out.size == 0:
        out.fill(np.nan)
        return out
    place = velocity.first_gate_m + velocity.gate_m * np.arange(gates, dtype=np.float64)
    gate = np.floor((place - moment.first_gate_m) / moment.gate_m + 0.5)
    inside = (gate >= 0) & (gate < moment.codes.shape[1])
    _spread(_controlled(reflectivity), ray, np.where(inside, gate, -1).astype(np.int64), out)
    return out


def _controlled(sweep: Sweep) -> Floats:
    """(ray, gate of DBZH) reflectivity after correction and quality control."""
    moment = sweep.moments["DBZH"]
    z = np.empty(moment.codes.shape, dtype=np.float32)
    decode(moment.codes, moment.table(no_echo=NO_ECHO_DBZ), z)
    if "DBZH" in sweep.derived:
        z = np.where((moment.classes == ECHO)[moment.codes], sweep.derived["DBZH"], z)
    qc = np.zeros(z.shape, dtype=np.uint8) if sweep.qc is None else np.ascontiguousarray(sweep.qc)
    _reject(z, qc, _MEANING, (NO_ECHO_DBZ, NON_MET_EMPTY_BELOW_DBZ, STRONGEST_DBZ))
    return z


_EMPTY, _UNKNOWN, _REJECTED = 1, 2, 3
_MEANING = np.zeros(256, dtype=np.uint8)
_MEANING[[QC_SPECKLE, QC_CLUTTER, QC_SPIKE, QC_NON_MET]] = _EMPTY, _UNKNOWN, _UNKNOWN, _REJECTED


@numba.njit(cache=True, nogil=True)
def _reject(z: Floats, qc: Bytes, meaning: Bytes, limits: tuple[float, float, float]) -> None:
    """Put empty and unknown into z [dBZ], in place.

    limits: [dBZ] of no echo; below which what is rejected is empty, else unknown; above which nothing is known.
    """
    nothing, weak, most = np.float32(limits[0]), np.float32(limits[1]), np.float32(limits[2])
    for i in range(z.shape[0]):
        row, flags = z[i], qc[i]
        for g in range(row.size):
            v, said = row[g], meaning[flags[g]]
            if said == _REJECTED:
                said = _EMPTY if v < weak else _UNKNOWN
            if said == _EMPTY and np.isfinite(v):
                v = nothing
            if said == _UNKNOWN or not v <= most:
                v = np.float32(np.nan)
            row[g] = nothing if v < nothing else v


@numba.njit(cache=True, nogil=True)
def _spread(z: Floats, ray: Ints, gate: Ints, out: Floats) -> None:
    """out[i, g] = z[ray[i], gate[g]], NaN where one of them is -1."""
    for i in range(ray.size):
        to = out[i]
        if ray[i] < 0:
            to[:] = np.nan
            continue
        row = z[ray[i]]
        for g in range(gate.size):
            to[g] = row[gate[g]] if gate[g] >= 0 else np.float32(np.nan)


def _nearest_rays(doppler: Sweep, reflectivity: Sweep) -> npt.NDArray[np.intp]:
    """Ray of the reflectivity for each ray of the velocity, -1 where none lies there."""
    if doppler is reflectivity or np.array_equal(doppler.azimuth, reflectivity.azimuth):
        return np.arange(doppler.azimuth.size)
    known = np.isfinite(doppler.azimuth)
    turned = np.where(known, doppler.azimuth, 0.0).astype(np.float64) % 360.0
    entry = np.minimum((turned * (AZIMUTH_STEPS / 360.0)).astype(np.intp), AZIMUTH_STEPS - 1)
    return np.where(known, ray_table(reflectivity.azimuth)[entry], -1)


def _has(sweep: Sweep, name: str) -> bool:
    return name in sweep.moments and sweep.moments[name].codes.size > 0


def _middle_s(sweep: Sweep) -> float:
    """Middle of the sweep's times [s since 1970], NaN where unknown."""
    known = sweep.time[~np.isnat(sweep.time)]
    return float(np.median(known.astype("datetime64[ns]").astype(np.int64))) / 1e9 if known.size else np.nan
