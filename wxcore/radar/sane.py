"""Sweeps that cannot be believed are left out of a volume, and rays mended, before quality control.

Quality control asks gate by gate what is weather; here a sweep is asked as a whole whether it measured anything and
where. What was done is told in remarks, which `remarks.chinese` translates for the forecaster. A sound volume passes
as it is, after a look at some of its rays; only where they look bad is the whole sweep read.

1. Rays: without azimuth, of an earlier revolution, twice in one direction, or copies of the ray before are left out;
   times far from the volume's start are set to it.
2. Pointing: a sweep whose rays all look in one direction, or whose elevations are not the header's, is left out.
3. Signal: noise and a constant (stuck receiver) have the statistics of no weather.
4. What the tilts cannot see is said.
RHI sweeps and vertically pointing ones are left alone.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from wxcore.radar.sane_kernels import products, tally
from wxcore.radar.tilts import SAME_CUT_DEG, STEADY_DEG
from wxcore.radar.volume import ECHO, NO_ECHO, Moment, Sweep, Volume
from wxcore.times import to_datetime64

Indices = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]

INCOHERENT = 0.15
"""Correlation of neighbouring gates below which, along and across rays, a field is noise. Of the real sweeps at hand
the higher of both is never below 0.54 (VRADH of insects, 3 % of the gates); noise gives 0 [our choice]."""
SUSPECT = 0.4
"""A sample below this has its whole sweep read [our choice]."""
FILLED_WITH_NOISE, FILLED_BY_STUCK = 0.5, 0.95
"""Noise matters, and is told from specks, where this part of the observed gates holds echo; a stuck receiver leaves
none without [our choice]."""
STUCK_SPREAD = {"DBZH": 0.3, "VRADH": 0.3}
"""RMS difference of rays a third of a turn apart [dB, m s-1] below which all rays are the same. Thermal noise of 64
pulses that passes as echo has 4.34 / sqrt(64) = 0.54 dB and more [our choice]."""
LEAST_PAIRS = 1000
"""Fewer pairs of gates tell nothing: the correlation of noise is then uncertain by 0.03."""
STILL_M_S = 3.0
"""Velocities that spread less are still air, whose rounding looks like noise [our choice]."""
SAMPLE = 12
"""Rays, with the one after each, that are looked at first."""

SAME_AZIMUTH_DEG = 0.02
"""Half of the coarsest unit in use (0.044 deg): rays closer than this are said to look in one direction."""
SAME_PART = 0.25
"""Beyond a mere overlap, rays closer than this part of the spacing are one direction too."""
OVERLAP_RAYS = 12
"""An antenna turns some rays too far (up to 12 in CINRAD files): where they meet by chance both are kept, for each was
measured [our choice]."""
MANY_RAYS, FEW_AZIMUTHS, NARROW_DEG = 90, 20, 10.0
"""More rays than the first in fewer directions, or within fewer degrees: the azimuth is not known [our choice]."""
SECOND_TURN_DEG = 540.0
"""Rays that turn farther than this are of more than one revolution [our choice]."""
STEADILY = 0.95
PAIRED = 0.8
"""Rays are doubled where this part of those with echo come in pairs that are equal in every moment, to the code. Smooth
simulated fields repeat rays too, but in longer runs [our choice]."""
GAP_DEG = 5.0
"""A wider gap is told; tilts bridge one or two lost rays [our choice]."""
ELEVATION_OFF_DEG = 1.0
"""A ray's elevation and its cut's differ by the antenna's 0.1 deg; a beam's width apart, one of them is wrong."""
ZENITH_DEG = 85.0
EARLY_S, LATE_S = 60.0, 1800.0
"""Rays are measured within this of the volume's start: volumes take 6 minutes, the slowest 15 [our choice]."""
LOW_TOP_DEG, HIGH_BOTTOM_DEG = 10.0, 1.2
"""Below the first, storms within 60 km reach over the highest beam; with the second, the lowest beam is 3 km above the
radar at 100 km (DOMAIN.md 1.2: scans of 0.5 to 19.5 deg)."""


def sound(volume: Volume) -> Volume:
    """The volume as far as it can be believed, with a remark on each thing that was found.

    Args:
        volume: as read: sweeps without qc, velocity and derived.

    Returns:
        The same object where nothing is odd; else rays and sweeps are left out, azimuths and codes of those that stay
        are as they were. Without any sweep where nothing can be believed.
    """
    told: Counter[str] = Counter()
    doubted = _doubted(volume)
    sweeps = []
    for sweep in volume.sweeps:
        kept = sweep if _other_scan(sweep) else _sound(sweep, volume.start, doubted, told)
        if kept is not None:
            sweeps.append(kept)
    count = len(volume.sweeps)
    found = (*_told(told, count), *_unseen(sweeps, count))
    remarks = tuple(remark for remark in found if remark not in volume.remarks)
    same = len(sweeps) == count and all(a is b for a, b in zip(sweeps, volume.sweeps, strict=True))
    if same and not remarks:
        return volume
    return replace(volume, sweeps=volume.sweeps if same else tuple(sweeps), remarks=volume.remarks + remarks)


def _told(told: Counter[str], sweeps: int) -> list[str]:
    """What was done, in words."""
    texts = {
        "noise": "reflectivity is noise: {} of {} sweeps left out",
        "stuck": "reflectivity is one constant (receiver stuck): {} of {} sweeps left out",
        "velocity noise": "velocity is noise: not used in {} of {} sweeps",
        "velocity stuck": "velocity is one constant: not used in {} of {} sweeps",
        "one azimuth": "rays all at one azimuth: {} of {} sweeps left out",
        "elevation": "elevations of the rays contradict the header: {} of {} sweeps left out",
        "header": "elevations of the header are all the same: those of the rays taken in {} of {} sweeps",
        "no azimuth": "{} rays without an azimuth left out",
        "turns": "{} rays of earlier revolutions left out",
        "twice": "{} rays at the azimuth of a later one left out",
        "copies": "{} rays that repeat the one before left out",
        "clock": "times of {} rays far from the start of the volume: the start taken",
    }
    return [text.format(told[key], sweeps) for key, text in texts.items() if told[key]]


def _other_scan(sweep: Sweep) -> bool:
    """No rays, an RHI, or looking up."""
    if not sweep.azimuth.size:
        return True
    elevations = np.sort(sweep.elevation[np.isfinite(sweep.elevation)])
    if not elevations.size:
        return False
    last = elevations.size - 1
    if elevations[last // 2] > ZENITH_DEG:
        return True
    if elevations[round(0.9 * last)] - elevations[round(0.1 * last)] <= STEADY_DEG:
        return False
    return _span(_sorted_azimuths(sweep)) < NARROW_DEG


def _sorted_azimuths(sweep: Sweep) -> Doubles:
    return np.sort(sweep.azimuth[np.isfinite(sweep.azimuth)].astype(np.float64) % 360.0)


def _gaps(azimuths: Doubles) -> Doubles:
    """From each of the sorted azimuths to the next, around the circle [deg]; sums up to 360."""
    return np.diff(azimuths, append=azimuths[:1] + 360.0)


def _span(azimuths: Doubles) -> float:
    """Width of the narrowest sector that holds them [deg]."""
    return 360.0 - float(_gaps(azimuths).max(initial=0.0))


def _doubted(volume: Volume) -> str:
    """ "header" or "rays" where that says one elevation for all sweeps and the other several: it was not filled."""
    turned = [sweep for sweep in volume.sweeps if not _other_scan(sweep)]
    pairs = [(sweep.fixed_angle, own) for sweep in turned if np.isfinite(own := _elevation(sweep))]
    if len(pairs) < 2:
        return ""
    said, own = (max(values) - min(values) for values in zip(*pairs, strict=True))
    if said < SAME_CUT_DEG and own > ELEVATION_OFF_DEG:
        return "header"
    return "rays" if own < SAME_CUT_DEG and said > ELEVATION_OFF_DEG else ""


def _elevation(sweep: Sweep) -> float:
    """Middle of the rays' elevations [deg], NaN without any."""
    known = np.sort(sweep.elevation[np.isfinite(sweep.elevation)])
    return float(known[known.size // 2]) if known.size else np.nan


def _sound(sweep: Sweep, start: datetime, doubted: str, told: Counter[str]) -> Sweep | None:
    elevation = _elevation(sweep)
    off = abs(elevation - sweep.fixed_angle)
    if doubted == "header" and off > SAME_CUT_DEG:
        told["header"] += 1
        sweep = replace(sweep, fixed_angle=round(elevation, 2))
    elif doubted == "rays" or off > ELEVATION_OFF_DEG:  # False for NaN
        told["elevation"] += 1
        return None
    while True:  # ends: each turn but the last takes rays or moments away
        kept = _measured(mended, told) if (mended := _mended(sweep, told)) is not None else None
        if kept is None or kept is sweep:
            break
        sweep = kept
    return None if kept is None else _timed(kept, start, told)


def _mended(sweep: Sweep, told: Counter[str]) -> Sweep | None:
    for key, choose in _MENDS.items():
        keep = choose(sweep)
        if keep is not None:
            told[key] += sweep.azimuth.size - keep.size
            sweep = _only(sweep, keep)
        if not sweep.azimuth.size:
            return None
        if key == _AZIMUTHS_KNOWN and _narrow(_sorted_azimuths(sweep)):
            told["one azimuth"] += 1
            return None
    return sweep


def _narrow(azimuths: Doubles) -> bool:
    if azimuths.size <= MANY_RAYS:
        return False
    distinct = 1 + int(np.count_nonzero(np.diff(azimuths) > SAME_AZIMUTH_DEG))
    return distinct < FEW_AZIMUTHS or _span(azimuths) < NARROW_DEG


def _only(sweep: Sweep, keep: Indices) -> Sweep:
    moments = {name: replace(moment, codes=moment.codes[keep]) for name, moment in sweep.moments.items()}
    return replace(
        sweep, azimuth=sweep.azimuth[keep], elevation=sweep.elevation[keep], time=sweep.time[keep], moments=moments
    )


def _with_azimuth(sweep: Sweep) -> Indices | None:
    known = np.isfinite(sweep.azimuth)
    return None if known.all() else np.flatnonzero(known)


def _last_revolution(sweep: Sweep) -> Indices | None:
    """The rays of the last 360 deg, where the antenna turned steadily for more than SECOND_TURN_DEG."""
    steps = (np.diff(sweep.azimuth.astype(np.float64)) + 180.0) % 360.0 - 180.0
    turned = abs(float(steps.sum()))
    if turned < SECOND_TURN_DEG or turned < STEADILY * float(np.abs(steps).sum()):
        return None
    behind = np.abs(np.append(np.cumsum(steps[::-1])[::-1], 0.0))
    return np.flatnonzero(behind < 360.0 - SAME_AZIMUTH_DEG)


def _without_copies(sweep: Sweep) -> Indices | None:
    """The later of each pair of equal rays, where they come in pairs; all are asked if some of a sample are equal."""
    rays = sweep.azimuth.size
    moments = list(sweep.moments.values())
    if rays <= MANY_RAYS or not moments:
        return None
    rows = _spread(rays - 2)
    first = moments[0]
    equal = _equal(first, rows, rows + 1) | _equal(first, rows + 1, rows + 2)
    if not _has_echo(first, rows[equal] + 1).any():
        return None
    rows = np.arange(rays)
    filled = np.logical_or.reduce([_has_echo(moment, rows) for moment in moments])
    like_next = filled & np.logical_and.reduce([_equal(moment, rows, (rows + 1) % rays) for moment in moments])
    pairs = like_next & ~np.roll(like_next, 1) & ~np.roll(like_next, -1)
    if not pairs.any() or 2 * pairs.sum() < PAIRED * filled.sum():
        return None
    return np.flatnonzero(~like_next)


def _equal(moment: Moment, rows: Indices, others: Indices) -> npt.NDArray[np.bool_]:
    return np.asarray((moment.codes[rows] == moment.codes[others]).all(axis=1))


def _has_echo(moment: Moment, rows: Indices) -> npt.NDArray[np.bool_]:
    return np.asarray((moment.classes[moment.codes[rows]] == ECHO).any(axis=1))


def _later_of_two(sweep: Sweep) -> Indices | None:
    """Of rays in one direction the later one: the antenna's second pass, as `tilts.ray_table` takes it."""
    azimuth = sweep.azimuth.astype(np.float64) % 360.0
    order = np.argsort(azimuth, kind="stable")
    gaps = _gaps(azimuth[order])
    apart = gaps[gaps > SAME_AZIMUTH_DEG]
    if not apart.size:
        return None
    near = SAME_PART * float(np.median(apart))
    limit = near if np.count_nonzero(gaps < near) > OVERLAP_RAYS else SAME_AZIMUTH_DEG
    if gaps.min() >= limit:
        return None
    begin = (int(np.argmax(gaps)) + 1) % order.size
    order = np.roll(order, -begin)
    keep: list[int] = []
    first = -np.inf
    for ray, away in zip(order, (azimuth[order] - azimuth[order[0]]) % 360.0, strict=True):
        if away - first < limit:
            keep[-1] = max(keep[-1], int(ray))
        else:
            keep.append(int(ray))
            first = away
    return np.array(sorted(keep), dtype=np.intp)


_MENDS: dict[str, Callable[[Sweep], Indices | None]] = {
    "no azimuth": _with_azimuth, "turns": _last_revolution, "copies": _without_copies, "twice": _later_of_two,
}  # fmt: skip
"""Which rays stay, None for all, in this order."""
_AZIMUTHS_KNOWN = "no azimuth"
"""After this one all rays have an azimuth."""


def _timed(sweep: Sweep, start: datetime, told: Counter[str]) -> Sweep:
    begin = to_datetime64(start)
    seconds = (sweep.time - begin) / np.timedelta64(1, "s")
    off = (seconds < -EARLY_S) | (seconds > LATE_S)  # False for NaT
    if not off.any():
        return sweep
    told["clock"] += int(off.sum())
    return replace(sweep, time=np.where(off, begin, sweep.time))


def _measured(sweep: Sweep, told: Counter[str]) -> Sweep | None:
    """The sweep without moments that measured nothing; None without its reflectivity, or with no moment left."""
    z, v = sweep.moments.get("DBZH"), sweep.moments.get("VRADH")
    if z is not None and (found := _wrong(z, "DBZH", np.inf)):
        told[found] += 1
        return None
    if v is None or not (found := _wrong(v, "VRADH", sweep.nyquist)):
        return sweep
    told[f"velocity {found}"] += 1
    rest = {name: moment for name, moment in sweep.moments.items() if name not in ("VRADH", "WRADH")}
    return replace(sweep, moments=rest) if rest else None


def _spread(count: int) -> Indices:
    """Up to SAMPLE of so many rays, evenly spread."""
    chosen = min(SAMPLE, count)
    return np.arange(chosen) * (count - 1) // max(1, chosen - 1)


def _wrong(moment: Moment, name: str, circle: float) -> str:
    """ "noise", "stuck" or "": by a sample, and if that is bad by the whole."""
    rays = moment.codes.shape[0]
    if rays < 3 or moment.codes.shape[1] < 2:
        return ""
    if not _judged(moment, name, circle, _spread(rays - 1), SUSPECT, SAMPLE):
        return ""
    return _judged(moment, name, circle, np.arange(rays - 1), INCOHERENT, LEAST_PAIRS)


def _judged(moment: Moment, name: str, circle: float, rows: Indices, incoherent: float, least: int) -> str:
    """The same of some rays.

    Args:
        circle: values repeat after twice this (Nyquist velocity), and are then taken as unit vectors: a fold is no
            jump. Infinite or NaN: they do not.
        incoherent: correlation of noise, at most.
        least: pairs of gates.
    """
    counts = np.zeros(moment.classes.size, dtype=np.int64)
    tally(moment.codes, rows, counts)
    echo = np.where(moment.classes == ECHO, counts, 0)
    filled = echo.sum() / max(1, echo.sum() + counts[moment.classes == NO_ECHO].sum())
    if echo.sum() < least or (name == "DBZH" and filled < FILLED_WITH_NOISE):
        return ""
    values = moment.table().astype(np.float64)
    at = np.flatnonzero(echo)
    part = echo[at] / echo.sum()
    mean = part @ values[at]
    spread = float(np.sqrt(part @ (values[at] - mean) ** 2))
    rays = moment.codes.shape[0]
    table = np.stack([values - mean, np.zeros_like(values)], axis=1).astype(np.float32)
    rays = moment.codes.shape[0]
    if filled > FILLED_BY_STUCK:
        pairs, product, square = products(moment.codes, table, rows, (rows + rays // 3) % rays, 0)
        if pairs and max(0.0, 2 * (square - product) / pairs) < STUCK_SPREAD[name] ** 2:
            return "stuck"
    if name == "VRADH" and spread < STILL_M_S:
        return ""
    if np.isfinite(circle) and circle > 0:
        angle = np.pi * values / circle
        vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        table = (vectors - part @ vectors[at]).astype(np.float32)
    for others, shift in ((rows, 1), (rows + 1, 0)):
        pairs, product, square = products(moment.codes, table, rows, others, shift)
        if pairs < least or not product < incoherent * square:
            return ""
    return "noise"


def _unseen(sweeps: list[Sweep], before: int) -> list[str]:
    """What the sweeps that are left cannot see, in words."""
    if before and not sweeps:
        return ["no sweep of the volume can be believed"]
    remarks = []
    scans = [sweep for sweep in sweeps if not _other_scan(sweep)]
    gaps = [gap for sweep in scans if (gap := float(_gaps(_sorted_azimuths(sweep)).max(initial=0.0))) > GAP_DEG]
    if gaps:
        remarks.append(f"azimuth gap of up to {max(gaps):.0f} deg in {len(gaps)} of {len(sweeps)} sweeps")
    tilts = sorted(_pointing(sweep) for sweep in scans if "DBZH" in sweep.moments)
    if not tilts:
        return [*remarks, "no tilt with reflectivity"] if scans else remarks
    if tilts[-1] < LOW_TOP_DEG:
        count = 1 + int(np.count_nonzero(np.diff(tilts) >= SAME_CUT_DEG))
        remarks.append(f"only {count} tilt{'s' * (count > 1)}, up to {tilts[-1]:.1f} deg: tops of storms are unseen")
    if tilts[0] > HIGH_BOTTOM_DEG:
        remarks.append(f"no tilt below {tilts[0]:.1f} deg: the lowest echo is unseen")
    return remarks


def _pointing(sweep: Sweep) -> float:
    own = _elevation(sweep)
    return own if np.isfinite(own) else sweep.fixed_angle
