"""Quality control of a radar volume: values are kept, `Sweep.qc` says what is no weather and why (DOMAIN.md 1.3).

In this order, the first reason stays:
1. Spikes: sun and radio interference, whole rays.
2. Non-meteorological targets by dual polarisation, where the sweep has RHOHV on the gates of DBZH.
3. Ground clutter and anomalous propagation. Three witnesses: texture (TDBZ, SPIN), a Doppler velocity near zero, and
   an echo that is gone some kilometres above. No witness suffices alone, for each also speaks against some storm;
   where there is echo aloft nothing is removed, so a storm's core stays.
4. Speckle: what is left over in patches of a few gates. Strong gates that step 2 rejected (nobody knows) join patches.
Reserved codes are classes already (volume.py), and never get a flag: only gates with an echo do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from wxcore.radar import qc_kernels
from wxcore.radar.geometry import beam_height
from wxcore.radar.polarimetry.mask import no_weather
from wxcore.radar.qc_kernels import NOTHING
from wxcore.radar.tilts import NON_MET_EMPTY_BELOW_DBZ
from wxcore.radar.volume import (
    ECHO,
    MISSING,
    QC_CLUTTER,
    QC_GOOD,
    QC_MEANINGS,
    QC_NON_MET,
    QC_SPECKLE,
    QC_SPIKE,
    Moment,
    Sweep,
    Volume,
)

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

SPECKLE_GATES = 9
"""Smaller 8-connected patches are speckle (DOMAIN.md 1.3, step 4)."""

SPIKE_FROM_M = 100_000.0
SPIKE_FILLED = 0.65
"""A spike fills 60 to 70 % of its ray beyond 100 km (DOMAIN.md 1.3, step 3)."""
SPIKE_SPREAD_DB = 4.0
"""... and is near constant there: standard deviation of Z, or of Z - 20 log10 r, which is what constant power gives.
Weather over hundreds of kilometres varies by 8 to 12 dB [our choice]."""
SPIKE_CONTRAST = 0.4
SPIKE_NEIGHBOURS = 15
"""... and stands out: so much more of the ray is filled than of the median of 15 rays to each side [our choice]."""
SPIKE_STORM_DB = 6.0
"""Gates of a spike that are this much stronger than it hold something else as well, and stay [our choice]."""
SPIKE_MAX_WIDTH_DEG, SPIKE_LONG_M = 3.5, 150_000.0
"""... and is narrow (three rays of 1 deg, and pointing), or so long that no one level of rain fills it: a radar that
ends at 150 km sees only 50 km of a band of rain beyond SPIKE_FROM_M [our choice]."""
SPIKE_LEAST_GATES = 30
WEATHER_TOP_M = 20_000.0
"""Nothing above this height is weather: a ray that is filled up there needs no contrast."""

CLUTTER_MIN_DBZ, CLUTTER_MAX_TILT_DEG = 5.0, 4.0
"""Weaker or higher, ground clutter does no harm to any product [our choice]."""
ALOFT_M = (1500.0, 4500.0)
"""Echo aloft is looked for in the lowest tilt whose beam is this far above: a storm is deeper than 1.5 km, and few
are deeper than 4.5 km above any beam [our choice]."""
ALOFT_AROUND_M, ALOFT_MOST_RAYS, ALOFT_STEP_M = 2000.0, 6, 500.0
"""... within this distance, in steps of about the third, for storms lean."""
CORE_DBZ, STORM_SPEED, ALOFT_LONGEST_S, ALOFT_MOST_RAYS_MOVED = 40.0, 25.0, 400.0, 45
"""... and for what then seems clutter but is as strong as hail's growth needs (DOMAIN.md 2.2), again in a neighbourhood
wider by what a fast storm moves [m s-1] between the sweeps: a core that crosses the beam shows no velocity. More than
400 s is a damaged clock. Weaker echo must not profit from rain kilometres away [our choice]."""
GROUND_BEAM_M = 3000.0
"""A beam higher than this above the antenna meets no ground (the peaks about the Chongqing radars stay below), and
above it the edges of storms look like clutter: none is looked for [our choice]."""
TDBZ_RAMP, SPIN_RAMP = (20.0, 60.0), (10.0, 35.0)
DROP_RAMP = (10.0, 25.0)
"""Witness 0 to 1 between these: TDBZ [dB2] and SPIN [%] (Hubbert et al. 2009 give 20-40 and 15-30 for 250 m gates;
wider here for 1 km gates, where storms are rougher), and the loss to aloft [dB]."""
SPIN_DB = 2.0
"""Mean step that counts as a turn (Steiner & Smith 2002)."""
STILL_V, STILL_W = (1.0, 3.0), (1.5, 3.5)
"""Mean |V| and mean W [m s-1] from which the Doppler witness is 1, and at which it is 0 [our choice]."""
CLUTTER_SCORE, SCORE_WITHOUT_DOPPLER, WITNESS_LEAST = 0.6, 0.9, 0.5
"""Mean of the witnesses from which a gate is clutter, and where no velocity is known; texture and loss aloft must each
reach the third. Where no tilt looked aloft nothing is removed."""
MOVING = 5.0
"""What moves faster [m s-1] is no ground clutter."""
FROZEN_STILL = 0.9
"""A pillar (below) that stands so still needs no roughness: a mountain in a wide beam is as smooth as rain. Weaker echo
does, else shallow rain would be cut out where the wind blows across the beam [our choice]."""
PILLAR_DBZ, PILLAR_DROP_DB, PILLAR_ROUGH = 45.0, 30.0, 0.1
"""So strong, not moving, not quite smooth, and so much weaker within ALOFT_M: no storm does this, a mountain does."""
IMPOSSIBLE_DBZ = 72.0
"""Stronger than rain and hail get at S band (hail shafts reach 70); with the loss aloft velocity need not agree."""

PAIR_DEG, SAME_RAY_DEG = 0.5, 1.5
"""A reflectivity cut and its Doppler cut are at most this far apart in elevation (DOMAIN.md 1.2)."""


StaticClutter: TypeAlias = Mapping[float, Bools]
"""Where a radar nearly always sees echo: elevation [deg] to (360, kilometres), cells of 1 deg by 1 km of slant."""
GROUND_KM, SAME_GROUND_DEG = 1000.0, 0.3
"""Length of such a cell [m]; a map serves a sweep this near in elevation: tilts of one scan lie 0.9 deg apart."""


@dataclass(frozen=True)
class _Field:
    """Reflectivity of one sweep (NOTHING no echo, NaN unknown), and where and when (since 1970, NaN unknown) it is;
    height above the antenna by gate."""

    z: Floats
    azimuth: npt.NDArray[np.float64]
    range_m: npt.NDArray[np.float64]
    gate_m: float
    height: npt.NDArray[np.float64]
    elevation: float
    wrap: bool
    time_s: float

    @property
    def echo(self) -> Bools:
        return self.z > NOTHING


def quality_control(volume: Volume, ground: StaticClutter | None = None) -> Volume:
    """The volume with `qc` (ray, gate of DBZH; QC_* values) in each sweep that has DBZH; all values are kept.

    Gates without echo are QC_GOOD. Sweeps without DBZH, rays or gates stay as they are.

    Args:
        ground: static clutter of the radar, as it learnt (siting.occurrence); None where nothing is known.
    """
    fields = [_field(sweep) for sweep in volume.sweeps]
    sweeps = []
    for sweep, field in zip(volume.sweeps, fields, strict=True):
        if field is None:
            sweeps.append(sweep)
            continue
        qc = np.zeros(field.z.shape, dtype=np.uint8)
        _put(qc, QC_SPIKE, _spikes(sweep.moments["DBZH"], field))
        _put(qc, QC_NON_MET, no_weather(sweep, field.z))
        _put(qc, QC_CLUTTER, _clutter(volume, sweep, field, [f for f in fields if f is not None], ground))
        left = (qc == QC_GOOD) | ((qc == QC_NON_MET) & (field.z >= NON_MET_EMPTY_BELOW_DBZ))
        _put(qc, QC_SPECKLE, _speckle(field.echo & left, field.wrap))
        sweeps.append(replace(sweep, qc=qc))
    return replace(volume, sweeps=tuple(sweeps))


def qc_summary(volume: Volume) -> dict[str, int]:
    """Gates with an echo by what quality control said of them; keys are the CF flag meanings.

    Sweeps that were not controlled are not counted.
    """
    counts = np.zeros(256, dtype=np.int64)
    for sweep in volume.sweeps:
        if sweep.qc is not None:
            moment = sweep.moments["DBZH"]
            qc_kernels.tally(moment.codes, (moment.classes == ECHO).view(np.uint8), sweep.qc, counts)
    return {meaning: int(counts[flag]) for flag, meaning in QC_MEANINGS.items()}


def _put(qc: npt.NDArray[np.uint8], flag: int, where: Bools | None) -> None:
    if where is not None:
        qc[where & (qc == QC_GOOD)] = flag


def _field(sweep: Sweep) -> _Field | None:
    moment = sweep.moments.get("DBZH")
    if moment is None or moment.codes.size == 0:
        return None
    azimuth = np.mod(sweep.azimuth.astype(np.float64), 360.0)
    elevation = float(np.nanmedian(sweep.elevation)) if np.isfinite(sweep.elevation).any() else sweep.fixed_angle
    range_m = _range(moment)
    z = np.empty(moment.codes.shape, dtype=np.float32)
    qc_kernels.decode(moment.codes, moment.table(no_echo=NOTHING), z)
    gap = abs((azimuth[0] - azimuth[-1] + 180.0) % 360.0 - 180.0)
    return _Field(
        z=z,
        azimuth=np.where(np.isfinite(azimuth), azimuth, 0.0),
        range_m=range_m,
        gate_m=moment.gate_m,
        height=beam_height(range_m, elevation),
        elevation=elevation,
        wrap=bool(gap < 5.0 and azimuth.size > 90),
        time_s=_middle_s(sweep.time),
    )


def _middle_s(time: npt.NDArray[np.datetime64]) -> float:
    known = time[~np.isnat(time)]
    return float(np.median(known.astype("datetime64[ns]").astype(np.int64))) / 1e9 if known.size else np.nan


def _range(moment: Moment) -> npt.NDArray[np.float64]:
    return moment.first_gate_m + moment.gate_m * np.arange(moment.codes.shape[1], dtype=np.float64)


def _spikes(moment: Moment, field: _Field) -> Bools | None:
    """Gates of rays that are filled beyond 100 km with one level of reflectivity or of received power."""
    far = field.range_m >= SPIKE_FROM_M
    if far.sum() < SPIKE_LEAST_GATES:
        return None
    looked = (moment.classes != MISSING)[moment.codes[:, far]]
    filled = _part(field.echo[:, far], looked)
    if not (filled >= SPIKE_FILLED).any():
        return None
    high = field.height > WEATHER_TOP_M
    too_high = _part(field.echo[:, high], (moment.classes != MISSING)[moment.codes[:, high]])
    stands_out = filled - _around(filled, field.wrap) >= SPIKE_CONTRAST
    spacing = 360.0 / field.azimuth.size if field.wrap else 1.0
    narrow = _run_lengths(filled >= SPIKE_FILLED / 2, field.wrap) * spacing <= SPIKE_MAX_WIDTH_DEG
    stands_out &= narrow | (looked.sum(axis=1) * field.gate_m >= SPIKE_LONG_M)
    suspects = np.flatnonzero((filled >= SPIKE_FILLED) & (stands_out | (too_high >= SPIKE_FILLED)))
    spikes = np.zeros(field.z.shape, dtype=bool)
    power = 20.0 * np.log10(np.maximum(field.range_m, 1.0) / SPIKE_FROM_M)
    for ray in suspects:
        z = field.z[ray]
        valued = far & field.echo[ray]
        trend = min((np.zeros_like(power), power), key=lambda shape: float(np.std(z[valued] - shape[valued])))
        level = z - trend
        if np.std(level[valued]) <= SPIKE_SPREAD_DB:
            spikes[ray] = field.echo[ray] & (level <= np.median(level[valued]) + SPIKE_STORM_DB)
    return spikes


def _part(echo: Bools, looked: Bools) -> npt.NDArray[np.float64]:
    """Part of the gates looked at that hold an echo, by ray; 0 where too few were looked at."""
    count = looked.sum(axis=1)
    return np.where(count >= SPIKE_LEAST_GATES, echo.sum(axis=1) / np.maximum(count, 1), 0.0)


def _run_lengths(rays: Bools, wrap: bool) -> Ints:
    """Number of adjacent rays in the run that each ray belongs to, 0 outside."""
    size = np.empty((rays.size, 1), dtype=np.int32)
    qc_kernels.component_sizes(rays[:, np.newaxis].view(np.uint8), wrap, size)
    return size[:, 0]


def _around(values: npt.NDArray[np.float64], wrap: bool) -> npt.NDArray[np.float64]:
    """Median of the neighbours of each ray."""
    padded = np.pad(values, SPIKE_NEIGHBOURS, mode="wrap" if wrap else "reflect" if values.size > 15 else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * SPIKE_NEIGHBOURS + 1)
    return np.asarray(np.median(windows, axis=1), dtype=np.float64)


def _clutter(
    volume: Volume, sweep: Sweep, field: _Field, fields: list[_Field], ground: StaticClutter | None
) -> Bools | None:
    """Ground clutter and anomalous propagation; see the module's text."""
    low = (field.height <= GROUND_BEAM_M) & (field.range_m > 0)
    if field.elevation > CLUTTER_MAX_TILT_DEG or not low.any():
        return None
    part = replace(field, z=np.ascontiguousarray(field.z[:, low]), range_m=field.range_m[low], height=field.height[low])
    if not (part.z >= CLUTTER_MIN_DBZ).any():
        return None
    still, speed = _doppler(volume, sweep, part)
    rough = _roughness(part)
    if (known := _on_ground(part, ground)) is not None:
        rough = np.where(known, np.float32(1), rough)  # what is always there needs no texture
    witnesses = (rough, still, speed)
    clutter = _judge(part.z, part.z - _aloft(part, fields, part.z, moved=False), witnesses)
    cores = clutter & (part.z >= CORE_DBZ)
    if cores.any():
        suspects = np.where(cores, part.z, np.float32(NOTHING))
        clutter &= ~cores | _judge(part.z, part.z - _aloft(part, fields, suspects, moved=True), witnesses)
    found = np.zeros(field.z.shape, dtype=bool)
    found[:, low] = clutter
    return found


def _on_ground(field: _Field, ground: StaticClutter | None) -> Bools | None:
    """Gates of a sweep that lie on static clutter; None where nothing is known of its elevation."""
    nearest = min(ground or (), key=lambda elevation: abs(elevation - field.elevation), default=None)
    if ground is None or nearest is None or abs(nearest - field.elevation) > SAME_GROUND_DEG:
        return None
    cells = ground[nearest]
    ray = field.azimuth.astype(np.intp) % cells.shape[0]
    kilometre = (field.range_m / GROUND_KM).astype(np.intp)
    inside = (kilometre >= 0) & (kilometre < cells.shape[1])
    return np.asarray(cells[ray][:, np.where(inside, kilometre, 0)] & inside)


def _judge(z: Floats, drop: Floats, witnesses: tuple[Floats, Floats, Floats]) -> Bools:
    """Clutter by the loss to aloft [dB] and the witnesses roughness, standing still, and mean |V| [m s-1]."""
    rough, still, speed = witnesses
    fading = _ramp(drop, DROP_RAMP)
    with np.errstate(invalid="ignore"):
        score = (rough + fading + np.nan_to_num(still)) / np.where(np.isnan(still), 2, 3)
        fuzzy = score >= np.where(np.isnan(still), SCORE_WITHOUT_DOPPLER, CLUTTER_SCORE)
        fuzzy &= (rough >= WITNESS_LEAST) & (fading >= WITNESS_LEAST)
        pillar = (z >= PILLAR_DBZ) & (drop >= PILLAR_DROP_DB) & ((rough >= PILLAR_ROUGH) | (still >= FROZEN_STILL))
        impossible = (z >= IMPOSSIBLE_DBZ) & (drop >= PILLAR_DROP_DB)
        clutter: Bools = (((fuzzy | pillar) & ~(speed > MOVING)) | impossible) & (z >= CLUTTER_MIN_DBZ)
    return clutter


def _ramp(values: Floats, ends: tuple[float, float]) -> Floats:
    """0 up to the first end, 1 from the second (which may be the smaller)."""
    ramp: Floats = np.clip((values - np.float32(ends[0])) / np.float32(ends[1] - ends[0]), 0, 1)
    return ramp


def _roughness(field: _Field) -> Floats:
    tdbz, spin = np.empty_like(field.z), np.empty_like(field.z)
    half = int(np.clip(round(1500.0 / field.gate_m), 3, 6))
    qc_kernels.texture(field.z, half, SPIN_DB, field.wrap, tdbz, spin)
    return (_ramp(tdbz, TDBZ_RAMP) + _ramp(spin, SPIN_RAMP)) / np.float32(2)


def _aloft(field: _Field, fields: list[_Field], wanted: Floats, *, moved: bool) -> Floats:
    """Strongest echo about 2 km above each echo of `wanted`, and where a fast storm may have `moved` to.

    At least NOTHING's stand-in of -10 dBZ where observed, else NaN.
    """
    out = np.full(field.z.shape, np.nan, dtype=np.float32)
    todo = np.ones(field.range_m.size, dtype=bool)
    for upper in sorted(fields, key=lambda other: other.elevation):
        gate = np.round((field.range_m - upper.range_m[0]) / upper.gate_m).astype(np.int32)
        above = beam_height(field.range_m, upper.elevation) - field.height
        use = todo & (above >= ALOFT_M[0]) & (above <= ALOFT_M[1]) & (gate >= 0) & (gate < upper.range_m.size)
        if not use.any():
            continue
        todo &= ~use
        width = field.range_m * np.deg2rad(360.0 / max(upper.azimuth.size, 180))
        around = ALOFT_AROUND_M + (_moved_m(field, upper) if moved else 0.0)
        most = ALOFT_MOST_RAYS_MOVED if moved else ALOFT_MOST_RAYS
        rays = np.minimum(np.ceil(around / np.maximum(width, 1.0)), most)
        step = max(1, round(ALOFT_STEP_M / upper.gate_m))
        gates = np.full(rays.shape, step * np.ceil(around / upper.gate_m / step))
        qc_kernels.strongest_around(
            upper.z, wanted, _nearest_rays(field.azimuth, upper.azimuth), np.where(use, gate, -1).astype(np.int32),
            np.stack([rays, gates]).astype(np.int32), step, out,
        )  # fmt: skip
    return np.where(np.isnan(out), out, np.maximum(out, np.float32(-10.0)))


def _moved_m(field: _Field, other: _Field) -> float:
    """What a fast storm moves between the two sweeps [m]; the most where a time is unknown."""
    apart = abs(other.time_s - field.time_s)
    return STORM_SPEED * (min(apart, ALOFT_LONGEST_S) if np.isfinite(apart) else ALOFT_LONGEST_S)


def _doppler(volume: Volume, sweep: Sweep, field: _Field) -> tuple[Floats, Floats]:
    """Doppler witness (1: it stands still) and mean |V| [m s-1] of each gate, NaN where velocity is unknown."""
    still, speed = np.full(field.z.shape, np.nan, dtype=np.float32), np.full(field.z.shape, np.nan, dtype=np.float32)
    pair = _doppler_cut(volume, sweep)
    if pair is None:
        return still, speed
    velocity, width = pair.moments["VRADH"], pair.moments.get("WRADH")
    rays = _nearest_rays(field.azimuth, np.mod(pair.azimuth.astype(np.float64), 360.0))
    count = max(1, round(field.gate_m / velocity.gate_m))
    near = field.range_m - field.gate_m / 2 + velocity.gate_m / 2
    first = np.round((near - velocity.first_gate_m) / velocity.gate_m).astype(np.int32)
    qc_kernels.mean_over(velocity.codes, np.abs(velocity.table()), field.z, rays, first, count, speed)
    still = 1 - _ramp(speed, STILL_V)
    if width is not None and width.codes.shape == velocity.codes.shape:
        spread = np.empty_like(speed)
        qc_kernels.mean_over(width.codes, np.abs(width.table()), field.z, rays, first, count, spread)
        still = np.minimum(still, 1 - _ramp(np.nan_to_num(spread), STILL_W))
    return still, speed


def _doppler_cut(volume: Volume, sweep: Sweep) -> Sweep | None:
    """The sweep itself if it has velocity, else the nearest one in elevation, then in time, that has."""
    if _usable(sweep):
        return sweep
    others = [
        (round(abs(other.fixed_angle - sweep.fixed_angle), 1), k, other)
        for k, other in enumerate(volume.sweeps)
        if _usable(other) and abs(other.fixed_angle - sweep.fixed_angle) <= PAIR_DEG
    ]
    here = next(k for k, other in enumerate(volume.sweeps) if other is sweep)
    return min(others, key=lambda item: (item[0], abs(item[1] - here)))[2] if others else None


def _usable(sweep: Sweep) -> bool:
    moment = sweep.moments.get("VRADH")
    return moment is not None and moment.codes.size > 0


def _nearest_rays(azimuth: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> Ints:
    """Index of the nearest of `other` for each azimuth [deg, 0..360), -1 where none is within SAME_RAY_DEG."""
    order = np.argsort(other)
    ordered = other[order]
    after = np.searchsorted(ordered, azimuth) % other.size
    before = (after - 1) % other.size
    distance = [np.abs((ordered[k] - azimuth + 180.0) % 360.0 - 180.0) for k in (before, after)]
    nearest = np.where(distance[0] <= distance[1], before, after)
    return np.where(np.minimum(*distance) <= SAME_RAY_DEG, order[nearest], -1).astype(np.int32)


def _speckle(mask: Bools, wrap: bool) -> Bools:
    size = np.empty(mask.shape, dtype=np.int32)
    qc_kernels.component_sizes(mask.view(np.uint8), wrap, size)
    return mask & (size < SPECKLE_GATES)
