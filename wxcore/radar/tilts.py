"""The sweeps of a volume as an ordered set of tilts, ready to be looked up by azimuth and range.

A tilt holds int16 hundredths of dBZ: quality control and the classes of codes are folded in once per gate, so that
the gridding of many points per gate need not ask again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from wxcore.radar.volume import (
    QC_CLUTTER,
    QC_NON_MET,
    QC_SPECKLE,
    QC_SPIKE,
    Site,
    Sweep,
    Volume,
)
from wxcore.schema import NO_ECHO_DBZ
from wxcore.times import to_datetime64

UNOBSERVED = np.int16(-32_768)
"""What a gate holds where nobody knows: range folded, missing, cut by quality control, or beyond the ray's end."""

NO_ECHO_HUNDREDTHS = np.int16(round(100 * NO_ECHO_DBZ))

STRONGEST_DBZ = 90.0
"""Stronger is no weather echo but a damaged code: unobserved. The upper limit of schema.MOSAIC."""

AZIMUTH_STEPS = 14_400
"""Entries of the azimuth -> ray table, 0.025 deg each: 1/20 of the finest ray spacing in use (0.5 deg)."""

RAY_REACH = 1.5
"""A ray answers for azimuths up to this many median ray spacings away: one or two lost rays are bridged by their
neighbours, a longer gap stays unobserved [our choice]."""

SAME_CUT_DEG = 0.2
"""Sweeps closer than this in elevation are one cut scanned twice (split cut). The closest neighbours of VCP11 and
VCP21 are 0.9 deg apart (DOMAIN.md 1.2); antenna pointing is good to 0.1 deg."""

SAME_GATES_M = 1.0
"""Gates of two sweeps whose lengths and first ranges differ by no more are the same gates [our choice]."""

HIGHEST_TILT_DEG = 60.0
"""Vertically pointing calibration sweeps (ODIM) are no tilt: they would close the cone of silence with fiction."""

STEADY_DEG = 1.0
"""A sweep whose elevations spread more than this (10th to 90th percentile) is an RHI, not a tilt."""

HALF_BEAM_LIMITS_DEG = (0.1, 1.5)
"""Half-power half-widths outside of this are damaged headers; then the S-band standard of 1 deg is taken."""

NON_MET_EMPTY_BELOW_DBZ = 30.0
"""A gate that dual polarisation rejects is empty of weather below this; insects and clear air stay below it. Stronger,
it may as well be rain or hail with a damaged phase or correlation: nobody knows [our choice]."""

COINCIDENT_DEG = 0.25
"""Rays closer than this lie beside one of another pass: half of the finest spacing in use. Such gaps say nothing about
how far apart the rays of a pass are."""

LONGEST_SCAN_S = 3600.0
"""Rays further from the start of their volume have a damaged clock; the tilt then counts as observed at the start."""

Blockage: TypeAlias = Mapping[float, npt.NDArray[np.float32]]
"""Elevation [deg] -> (360, n) f4: fraction of the beam that terrain hides, in cells of 1 deg by BLOCKAGE_STEP_M of
slant range. Beyond the last cell its value holds; NaN says nothing."""

BLOCKAGE_STEP_M = 1000.0
SAME_BLOCKAGE_DEG = 0.3
"""A tilt takes the blockage of the nearest elevation within this; farther away nothing is known of its beam."""

BLOCKED_LITTLE, BLOCKED_MOST = 0.1, 0.6
"""Up to the first nothing is done, up to the second the echo gets back what the hidden part of the beam took, beyond
it nothing is known (DOMAIN.md 1.3, step 7)."""

_OBSERVED_AS_EMPTY = (QC_SPECKLE, QC_NON_MET)
_UNKNOWN = (QC_SPIKE, QC_CLUTTER)


@dataclass(frozen=True)
class Tilt:
    """One elevation.

    Attributes:
        elevation_deg: median of the rays, to 0.01 deg.
        dbz: (ray, gate) int16 hundredths of dBZ, at least NO_ECHO_HUNDREDTHS; UNOBSERVED where nobody knows.
        first_gate_m, gate_m: slant range of the centre of gate 0, and distance of gates [m].
        ray_of: (AZIMUTH_STEPS,) int32 nearest ray for the azimuth (k + 1/2) * 360 / AZIMUTH_STEPS; -1 where none.
        time_s: median observation time of the rays [s after the start of the volume].
    """

    elevation_deg: float
    dbz: npt.NDArray[np.int16]
    first_gate_m: float
    gate_m: float
    ray_of: npt.NDArray[np.int32]
    time_s: float = 0.0


def half_beam_deg(site: Site) -> float:
    """Half of the half-power beam width [deg]; 0.5 where the file's value cannot be."""
    half = site.beam_width_deg / 2
    low, high = HALF_BEAM_LIMITS_DEG
    return half if low <= half <= high else 0.5


def tilts_of(volume: Volume, *, max_range_m: float = np.inf, blocked: Blockage | None = None) -> tuple[Tilt, ...]:
    """The volume's tilts in order of elevation, none twice; gates beyond `max_range_m` are left out.

    Only sweeps that carry DBZH, with at least one ray of finite azimuth, at a steady elevation not above
    HIGHEST_TILT_DEG. Where a sweep has a derived DBZH, that is used in place of the measured
    one.

    Of a split cut the sweep that reaches farther is taken, of equals the first; but one that was corrected for
    attenuation comes first, and a farther one goes on beyond it where its gates are the same; where they are not, the
    corrected one is taken if it reaches at least half as far.

    Args:
        volume: with or without quality control.
        max_range_m: slant range of the last gate [m].
        blocked: what terrain hides of the beams.
    """
    candidates = [(elevation, sweep) for sweep in volume.sweeps if (elevation := _elevation(sweep)) is not None]
    candidates.sort(key=lambda pair: pair[0])
    tilts = []
    for elevation, sweep, farther in _one_per_cut(candidates):
        tilt = _tilt(elevation, sweep, volume.start, max_range_m, blocked)
        if farther is not None:
            tilt = _continued(tilt, sweep.azimuth, _tilt(elevation, farther, volume.start, max_range_m, blocked))
        tilts.append(tilt)
    return tuple(tilts)


def tilt_elevations(volume: Volume) -> tuple[float, ...]:
    """Elevations [deg], ascending, of the sweeps from which `tilts_of` chooses; a split cut counts twice."""
    return tuple(sorted(found for sweep in volume.sweeps if (found := _elevation(sweep)) is not None))


def _elevation(sweep: Sweep) -> float | None:
    if "DBZH" not in sweep.moments or not sweep.moments["DBZH"].codes.size or not np.isfinite(sweep.azimuth).any():
        return None
    elevations = sweep.elevation[np.isfinite(sweep.elevation)].astype(np.float64)
    if not elevations.size:
        elevations = np.array([sweep.fixed_angle])
    low, middle, high = np.percentile(elevations, (10, 50, 90))
    if not -5.0 <= middle <= HIGHEST_TILT_DEG or high - low > STEADY_DEG:
        return None
    return round(float(middle), 2)


def _one_per_cut(candidates: Sequence[tuple[float, Sweep]]) -> list[tuple[float, Sweep, Sweep | None]]:
    """Elevation and sweep of each cut, and the sweep that goes on beyond it; None without."""
    cuts: list[list[tuple[float, Sweep]]] = []
    for candidate in candidates:
        if not cuts or candidate[0] - cuts[-1][0][0] >= SAME_CUT_DEG:
            cuts.append([])
        cuts[-1].append(candidate)
    return [_best_of(cut) for cut in cuts]


def _best_of(cut: Sequence[tuple[float, Sweep]]) -> tuple[float, Sweep, Sweep | None]:
    farthest = max(cut, key=lambda pair: _reach(pair[1]))
    corrected = [pair for pair in cut if _is_corrected(pair[1])]
    if not corrected or _is_corrected(farthest[1]):
        return (*max(corrected or cut, key=lambda pair: _reach(pair[1])), None)
    best = max(corrected, key=lambda pair: _reach(pair[1]))
    near, far = best[1].moments["DBZH"], farthest[1].moments["DBZH"]
    if abs(near.gate_m - far.gate_m) <= SAME_GATES_M and abs(near.first_gate_m - far.first_gate_m) <= SAME_GATES_M:
        return (*best, farthest[1] if far.codes.shape[1] > near.codes.shape[1] else None)
    return (*(best if 2 * _reach(best[1]) >= _reach(farthest[1]) else farthest), None)


def _is_corrected(sweep: Sweep) -> bool:
    """Was its reflectivity corrected for attenuation by the differential phase?"""
    return {"DBZH", "PHIDP"} <= sweep.derived.keys()


def _continued(near: Tilt, azimuth: npt.NDArray[np.floating], far: Tilt) -> Tilt:
    """`near`, whose rays are at `azimuth`, with what `far` has beyond its last gate."""
    first = near.dbz.shape[1]
    known = np.isfinite(azimuth)
    step = np.where(known, azimuth, 0.0).astype(np.float64) % 360.0 * (AZIMUTH_STEPS / 360.0)
    ray = np.where(known, far.ray_of[step.astype(np.intp) % AZIMUTH_STEPS], -1)
    beyond = np.where(ray[:, np.newaxis] >= 0, far.dbz[ray, first:], UNOBSERVED)
    return replace(near, dbz=np.concatenate([near.dbz, beyond], axis=1))


def _reach(sweep: Sweep) -> float:
    moment = sweep.moments["DBZH"]
    return float(round(moment.first_gate_m + moment.codes.shape[1] * moment.gate_m, -3))


def _tilt(elevation: float, sweep: Sweep, start: datetime, max_range_m: float, blocked: Blockage | None) -> Tilt:
    moment = sweep.moments["DBZH"]
    gates = moment.codes.shape[1]
    if np.isfinite(max_range_m):
        gates = min(gates, max(1, int((max_range_m - moment.first_gate_m) / moment.gate_m + 0.5) + 1))
    if "DBZH" in sweep.derived:
        dbz = _to_hundredths(sweep.derived["DBZH"][:, :gates])
    else:
        dbz = _to_hundredths(moment.table(no_echo=NO_ECHO_DBZ))[moment.codes[:, :gates]]
    if sweep.qc is not None:
        dbz = _without_rejected(dbz, sweep.qc[:, :gates])
    hidden = _hidden(elevation, blocked)
    if hidden is not None:
        slant = moment.first_gate_m + moment.gate_m * np.arange(gates)
        dbz = _unblocked(dbz, hidden, sweep.azimuth.astype(np.float64), slant)
    ray_of = ray_table(sweep.azimuth)
    return Tilt(elevation, dbz, moment.first_gate_m, moment.gate_m, ray_of, _seconds_after(start, sweep.time))


def _seconds_after(start: datetime, time: npt.NDArray[np.datetime64]) -> float:
    """Median of the rays' times [s after `start`]; 0 where there is none that can be."""
    seconds = (time - to_datetime64(start)) / np.timedelta64(1, "s")
    seconds = seconds[np.abs(seconds) <= LONGEST_SCAN_S]  # False for NaT too
    return float(np.median(seconds)) if seconds.size else 0.0


def _without_rejected(dbz: npt.NDArray[np.int16], qc: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
    """The gates that quality control rejected become empty or unobserved; one that was unobserved before stays so."""
    meaning = np.zeros(256, dtype=np.int16)
    meaning[list(_OBSERVED_AS_EMPTY)] = NO_ECHO_HUNDREDTHS
    meaning[list(_UNKNOWN)] = UNOBSERVED
    instead = meaning[qc]
    instead[(qc == QC_NON_MET) & (dbz >= 100 * NON_MET_EMPTY_BELOW_DBZ)] = UNOBSERVED
    return np.where((instead != 0) & (dbz != UNOBSERVED), instead, dbz)


def _hidden(elevation: float, blocked: Blockage | None) -> npt.NDArray[np.float32] | None:
    """Blockage of the nearest elevation, None where none is near."""
    nearest = min(blocked or (), key=lambda known: abs(known - elevation), default=None)
    if blocked is None or nearest is None or abs(nearest - elevation) > SAME_BLOCKAGE_DEG:
        return None
    return blocked[nearest] if blocked[nearest].size else None


def _unblocked(
    dbz: npt.NDArray[np.int16], hidden: npt.NDArray[np.float32], azimuth: npt.NDArray[np.floating],
    slant: npt.NDArray[np.floating],
) -> npt.NDArray[np.int16]:  # fmt: skip
    """(ray, gate) hundredths of dBZ as an unblocked beam would have seen them; UNOBSERVED where too much is hidden."""
    rows = (np.where(np.isfinite(azimuth), azimuth, 0.0) % 360.0).astype(np.intp) % hidden.shape[0]
    cells = np.clip((slant / BLOCKAGE_STEP_M).astype(np.intp), 0, hidden.shape[1] - 1)
    part = np.nan_to_num(hidden.astype(np.float64), nan=0.0)
    lost = np.where(part >= BLOCKED_LITTLE, -10 * np.log10(1 - np.clip(part, 0.0, BLOCKED_MOST)), 0.0)
    gain = np.rint(100 * lost).astype(np.int16)[np.ix_(rows, cells)]
    raised = np.minimum(dbz + gain, np.int16(100 * STRONGEST_DBZ))
    raised = np.where(dbz > NO_ECHO_HUNDREDTHS, raised, dbz)
    return np.where((part > BLOCKED_MOST)[np.ix_(rows, cells)], UNOBSERVED, raised)


def _to_hundredths(dbz: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """dBZ -> hundredths, raised to no echo; UNOBSERVED where NaN or beyond STRONGEST_DBZ."""
    known = dbz <= STRONGEST_DBZ  # False for NaN too
    scaled = np.rint(100 * np.clip(np.where(known, dbz, NO_ECHO_DBZ), NO_ECHO_DBZ, STRONGEST_DBZ).astype(np.float64))
    return np.where(known, scaled, UNOBSERVED).astype(np.int16)


def ray_table(azimuth: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
    """(AZIMUTH_STEPS,) int32: the ray nearest to each azimuth, -1 where none is within RAY_REACH spacings.

    Rays may come in any order, start anywhere and overlap, for several revolutions; of two at the same azimuth the
    later one (the antenna's second pass) is taken; a ray without an azimuth is never taken.

    Args:
        azimuth: (ray,) [deg], in the order of the file.
    """
    wanted = (np.arange(AZIMUTH_STEPS) + 0.5) * (360.0 / AZIMUTH_STEPS)
    turned = np.where(np.isfinite(azimuth), azimuth, -1.0).astype(np.float64)
    usable = np.flatnonzero(np.isfinite(azimuth))
    if usable.size == 0:
        return np.full(AZIMUTH_STEPS, -1, dtype=np.int32)
    order = usable[np.lexsort((-usable, turned[usable] % 360.0))]
    angle, first = np.unique(turned[order] % 360.0, return_index=True)
    rays = order[first]
    gaps = np.diff(angle)
    gaps = gaps[gaps >= COINCIDENT_DEG]
    spacing = float(np.median(gaps)) if gaps.size else COINCIDENT_DEG if angle.size > 1 else 1.0
    after = np.searchsorted(angle, wanted) % angle.size
    before = after - 1
    to_after = (angle[after] - wanted) % 360.0
    to_before = (wanted - angle[before]) % 360.0
    nearest = np.where(to_before <= to_after, rays[before], rays[after])
    gap = np.minimum(to_before, to_after)
    return np.where(gap <= RAY_REACH * spacing, nearest, -1).astype(np.int32)
