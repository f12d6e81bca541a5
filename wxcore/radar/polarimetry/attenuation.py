"""Attenuation at C and X band by differential phase, and C-band reflectivity as S band would measure it.

Z_corr = Z + gamma (PhiDP - PhiDP0), ZDR_corr = ZDR + beta (PhiDP - PhiDP0), which is Z + 2 gamma int KDP dr (DOMAIN.md
1.3, 5; Bringi et al. 1990). PhiDP is made monotone first, by isotonic regression: a bump of backscatter phase is
averaged out instead of being carried to the end of the ray.

Without PhiDP nothing is corrected: from Z alone the correction is unstable (Hitschfeld & Bordan 1954). `hide` then only
tells where the beam is too weak to say anything, by the rain in front, k = a R^b, Z = 200 R^1.6. From Z as measured,
itself weakened, the loss is a lower bound, by which echoes are given up. Silence is doubted earlier, by what the loss
may well be: MARGIN times that of Z with the loss in front added, the unstable solution, which errs to *unknown*.

A ray is extinguished where the correction would exceed PIA_MOST, and behind its last echo where that is still heavy
rain; and what a weakened beam no longer sees is not *no echo*: a gate without echo is unknown where a weak echo of
HIDDEN_DBZ would have stayed below the radar's own threshold. Wet radomes are not corrected.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from wxcore.radar.polarimetry.band import MARSHALL_PALMER, Band
from wxcore.radar.qc_kernels import NOTHING

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

PIA_MOST_DB = 20.0
"""Two-way path attenuation beyond this is not corrected but unknown: gamma is uncertain by a third [our choice]."""
CORRECTED_MOST_DBZ = 75.0
"""No correction lifts an echo above this, about what hail reaches at S band; what was measured stays [our choice]."""
HIDDEN_DBZ, HIDDEN_FROM_DB = 18.0, 3.0
"""Weakest echo that a product counts (DOMAIN.md 2.1), and the attenuation from which it may be hidden [our choice]."""
RAIN_MOST_DBZ = 53.0
"""Stronger is hail, whose reflectivity says little of the attenuation (the cap of WSR-88D rain rates: Fulton et al.
1998)."""
MARGIN = 2.0
"""In the X-band rain of ZG170 (2026-03-29) the loss by PhiDP is 1.8 to 3 times that by corrected Z: wet radome, drop
sizes, calibration [our choice]."""
LOST_DBZ, LOST_M = 35.0, 1500.0
"""The signal was lost where the last echoes of a ray, over this distance, are on average as strong [our choice]."""
THRESHOLD_PERCENTILE, THRESHOLD_LEAST, THRESHOLD_EVERY = 1.0, 200, 4
"""The radar's threshold at 1 km: this percentile of Z - 20 log10 r, from so many echoes, of every fourth ray."""

S_SLOPE, S_SHIFT_DBZ = 1.113, -3.929
"""S-equivalent of C-band reflectivity in hail (Brook et al. 2023, arXiv:2306.12016)."""
S_FROM_DBZ = -S_SHIFT_DBZ / (S_SLOPE - 1.0)
"""34.77: where the line meets Z' = Z. Below it would lower rain, for which it was not made."""


class _Rules(NamedTuple):
    nothing: float
    gamma: float
    beta: float
    pia_most: float
    corrected_most: float
    threshold_at_1_km: float
    hidden: float
    hidden_from: float
    lost: float
    lost_gates: int


@dataclass(frozen=True)
class Attenuated:
    """A corrected sweep.

    Attributes:
        z: (ray, gate) corrected reflectivity; NOTHING where observed without echo, NaN where unknown.
        zdr: (ray, gate) corrected differential reflectivity; None where none was given.
        hidden: (ray, gate) bool: was observed, but the beam is too weak there to say anything.
        pia_most: largest two-way attenuation of a gate that has a value [dB].
    """

    z: Floats
    zdr: Floats | None
    hidden: npt.NDArray[np.bool_]
    pia_most: float


def correct(z: Floats, zdr: Floats | None, phidp: Floats, range_m: Doubles, band: Band) -> Attenuated:
    """Correct a sweep; arguments stay as they are.

    Args:
        z: (ray, gate) as measured [dBZ], NOTHING without echo, NaN unknown.
        zdr: likewise [dB], NaN unknown.
        phidp: likewise, above the system's phase [deg].
        range_m: (gate,) slant range, ascending.
        band: at S band the constants are 0, and nothing changes.
    """
    level = 20.0 * np.log10(np.maximum(range_m, 1.0) / 1000.0)
    gate_m = float(np.median(np.diff(range_m))) if range_m.size > 1 else LOST_M
    rules = _Rules(
        NOTHING, band.gamma, band.beta, PIA_MOST_DB, CORRECTED_MOST_DBZ, _threshold(z, level),
        HIDDEN_DBZ, HIDDEN_FROM_DB, LOST_DBZ, max(1, round(LOST_M / max(gate_m, 1.0))),
    )  # fmt: skip
    dbz, hidden = np.empty_like(z), np.zeros(z.shape, dtype=np.bool_)
    corrected = None if zdr is None else zdr.copy()
    none = np.empty((0, 0), dtype=np.float32)
    pia = _correct(z, phidp, level, rules, (dbz, none if corrected is None else corrected, hidden))
    return Attenuated(dbz, corrected, hidden, pia)


def hide(z: Floats, qc: npt.NDArray[np.uint8], gate_m: float, band: Band) -> Attenuated:
    """Without PhiDP: nothing corrected, but what cannot be known made unknown.

    Where rain may well take HIDDEN_FROM_DB or more, gates without echo are unknown; where it takes PIA_MOST_DB at
    least, all are. The radar's own threshold is not asked: the estimate is good to a factor of two at best.

    Args:
        z: (ray, gate) as measured [dBZ], NOTHING without echo, NaN unknown.
        qc: likewise, QC_* values; echo that is not good weakens nothing.
        gate_m: distance of gates.
        band: at S band nothing changes.
    """
    a, b = band.rain_loss
    per_gate, slope = 2.0 * a * max(gate_m, 0.0) / 1000.0, b / MARSHALL_PALMER[1]
    rules = (NOTHING, per_gate / MARSHALL_PALMER[0] ** slope, slope * np.log(10.0) / 10.0, RAIN_MOST_DBZ, MARGIN)
    dbz, hidden = np.empty_like(z), np.zeros(z.shape, dtype=np.bool_)
    pia = _hide(z, qc, rules, (HIDDEN_FROM_DB, PIA_MOST_DB), (dbz, hidden))
    return Attenuated(dbz, None, hidden, pia)


def s_equivalent(z: npt.ArrayLike) -> Floats:
    """C-band reflectivity [dBZ] as S band would measure it: Z' = 1.113 Z - 3.929 above 34.77 dBZ, else unchanged.

    The line meets Z' = Z there, so the whole is continuous and rises with Z. For X band no conversion is published.
    """
    values = np.asarray(z, dtype=np.float32)
    return np.where(values > S_FROM_DBZ, np.float32(S_SLOPE) * values + np.float32(S_SHIFT_DBZ), values)


def _threshold(z: Floats, level: Doubles) -> float:
    """Weakest echo the radar sees at 1 km [dBZ]; -inf where too few echoes tell."""
    part = z[::THRESHOLD_EVERY]
    power = (part - level.astype(np.float32))[part > NOTHING]
    return float(np.percentile(power, THRESHOLD_PERCENTILE)) if power.size >= THRESHOLD_LEAST else -np.inf


@numba.njit(cache=True, nogil=True)
def _isotonic(values: Floats, fitted: Doubles, weight: npt.NDArray[np.int32]) -> None:
    """Non-decreasing least-squares fit of a ray, at least 0 and 0 before the first value, which NaN repeats.

    Pool adjacent violators (Barlow et al. 1972). `weight` is scratch of the same length.
    """
    n = 0
    for g in range(values.size):
        if np.isnan(values[g]):
            continue
        fitted[n], weight[n] = np.float64(values[g]), 1
        n += 1
        while n > 1 and fitted[n - 2] > fitted[n - 1]:
            total = weight[n - 2] + weight[n - 1]
            fitted[n - 2] = (fitted[n - 2] * weight[n - 2] + fitted[n - 1] * weight[n - 1]) / total
            weight[n - 2] = total
            n -= 1
    for g in range(values.size - 1, -1, -1):
        if n > 0 and not np.isnan(values[g]):
            level = max(fitted[n - 1], 0.0)
            weight[n - 1] -= 1
            values[g] = np.float32(level)
            if weight[n - 1] == 0:
                n -= 1
    level = 0.0
    for g in range(values.size):
        if not np.isnan(values[g]):
            level = np.float64(values[g])
        fitted[g] = level


@numba.njit(cache=True, nogil=True)
def _lost_from(z: Floats, phase: Doubles, rules: _Rules) -> int:
    """Gate behind the last echo of a ray whose signal was lost in heavy rain; the ray's end where it was not."""
    last = z.size - 1
    while last >= 0 and not z[last] > rules.nothing:
        last -= 1
    if last < 0 or rules.gamma * phase[last] < rules.hidden_from:
        return int(z.size)
    n, total = 0, 0.0
    for g in range(max(last - rules.lost_gates + 1, 0), last + 1):
        if z[g] > rules.nothing:
            n += 1
            total += np.float64(z[g]) + rules.gamma * phase[g]
    return last + 1 if total >= rules.lost * n else int(z.size)


@numba.njit(cache=True, nogil=True)
def _correct(
    z: Floats, phidp: Floats, level: Doubles, rules: _Rules, out: tuple[Floats, Floats, npt.NDArray[np.bool_]]
) -> float:
    """Fill (dbz, zdr, hidden) and return the largest correction; `zdr` holds the measured values, or nothing."""
    dbz, zdr, hidden = out
    rays, gates = z.shape
    most = 0.0
    values, phase = np.empty(gates, dtype=np.float32), np.empty(gates, dtype=np.float64)
    weight = np.empty(gates, dtype=np.int32)
    for i in range(rays):
        values[:] = phidp[i]
        _isotonic(values, phase, weight)
        lost = _lost_from(z[i], phase, rules)
        for g in range(gates):
            pia = rules.gamma * phase[g]
            weak = pia >= rules.hidden_from and rules.threshold_at_1_km + level[g] + pia >= rules.hidden
            v = z[i, g]
            echo = v > rules.nothing
            if np.isnan(v):
                dbz[i, g] = np.nan
            elif pia > rules.pia_most or (not echo and (weak or g >= lost)):
                dbz[i, g], hidden[i, g] = np.nan, True
            elif not echo:
                dbz[i, g] = v
            else:
                dbz[i, g] = max(v, np.float32(min(np.float64(v) + pia, rules.corrected_most)))
                most = max(most, pia)
            if zdr.size > 0 and echo:
                zdr[i, g] += np.float32(rules.beta * phase[g]) if pia <= rules.pia_most else np.float32(np.nan)
    return most


@numba.njit(cache=True, nogil=True)
def _hide(
    z: Floats, qc: npt.NDArray[np.uint8], rules: tuple[float, float, float, float, float], limits: tuple[float, float],
    out: tuple[Floats, npt.NDArray[np.bool_]],
) -> float:  # fmt: skip
    """Fill (dbz, hidden) and return the largest lower bound at a gate that keeps its echo.

    `rules`: no echo, a and b of the loss a exp(b Z) [dB] over a gate, largest Z, margin; `limits`: hidden from, all
    beyond.
    """
    nothing, a, b, strongest, margin = rules
    hidden_from, pia_most = limits
    dbz, hidden = out
    most = 0.0
    for i in range(z.shape[0]):
        sure, likely = 0.0, 0.0
        for g in range(z.shape[1]):
            v = z[i, g]
            dbz[i, g] = v
            if np.isnan(v):
                continue
            echo = v > nothing
            if sure > pia_most or (not echo and likely >= hidden_from):
                dbz[i, g], hidden[i, g] = np.nan, True
            elif echo:
                most = max(most, sure)
            if echo and qc[i, g] == 0:
                sure += a * np.exp(b * min(np.float64(v), strongest))
                likely += margin * a * np.exp(b * min(v + min(likely, pia_most), strongest))
    return most
