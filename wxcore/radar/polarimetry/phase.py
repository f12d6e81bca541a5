"""Differential phase: the system's own phase off, unwrapped, cleaned and smoothed; and its slope, KDP.

A gate's phase is good where there is echo that quality control left, rhoHV is at least GOOD_RHOHV, the texture (the
spread about a straight line over 2 km) at most GOOD_TEXTURE, in runs of no less than RUN_M. KDP is half the slope of a
least-squares line through the good gates of a window, which is short in heavy rain, where the slope is large and
changes, and long in weak rain, where noise is all (Ryzhkov & Zrnic 1996: 9 and 25 gates of 250 m; a window that
follows the data: Wang & Chandrasekar 2009). PhiDP is the value of the same line: it may fall, where backscatter adds
phase or noise prevails; only the correction for attenuation makes it monotone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wxcore.radar.polarimetry import phase_kernels
from wxcore.radar.polarimetry.phase_kernels import Rules
from wxcore.radar.qc_kernels import NOTHING

Floats = npt.NDArray[np.float32]

GOOD_RHOHV, GOOD_TEXTURE = 0.80, 20.0
"""rhoHV a little below that of weather, for hail and the melting layer carry phase too [our choice]; texture [deg] as
DOMAIN.md 1.3, step 3."""
RUN_M, LEAST_RUN = 1000.0, 4
"""Shorter runs of good gates are speckle [our choice]; at least four gates."""
TEXTURE_M = 2000.0
"""Window of the texture (Park et al. 2009)."""
SHORT_M, LONG_M = 2250.0, 6250.0
"""Windows of KDP in heavy and in weak rain (Ryzhkov & Zrnic 1996)."""
SHORT_DBZ, LONG_DBZ = 42.0, 35.0
"""Short from, long up to, linear between: Ryzhkov & Zrnic step at 40 dBZ; steps in KDP would look like weather."""
FILLED = 0.4
"""Part of the window that must be good: less is a slope from one side only [our choice]."""
KDP_LIMITS = (-4.0, 16.0)
"""At S band [deg km-1]; times the band's ratio elsewhere. What lies beyond is a phase gone wrong [our choice]: 16
is three times that of 150 mm/h."""
START_M, START_RHOHV, START_RAYS, START_PERCENTILE = 750.0, 0.95, 10, 20.0
"""The system's phase: of the first good gates in a row that are so long, of as many rays, this percentile: rays that
start in rain start higher, and over the radar that may be most of them [our choice]."""


@dataclass(frozen=True)
class Phase:
    """Arrays are (ray, gate); NaN where nobody knows.

    Attributes:
        phidp: differential phase above the system's [deg].
        kdp: specific differential phase [deg km-1].
        texture: spread of the measured phase about a line over 2 km [deg], at all echoes.
    """

    phidp: Floats
    kdp: Floats
    texture: Floats


def system_phase(z: Floats, rho: Floats, phi: Floats, qc: npt.NDArray[np.uint8], gate_m: float) -> float:
    """Phase of the radar itself [deg, 0..360), from where its rays start; NaN with too few rays.

    Args:
        z: [dBZ], NOTHING without echo; rho: rhoHV; phi: PhiDP as measured [deg]; qc: QC_* values. All (ray, gate).
        gate_m: distance of gates.
    """
    begins = np.empty(z.shape[0], dtype=np.float64)
    run = max(LEAST_RUN, round(START_M / gate_m))
    phase_kernels.starts((z, rho, phi), qc, NOTHING, START_RHOHV, run, begins)
    found = begins[np.isfinite(begins)]
    return circular_percentile(found, START_PERCENTILE) if found.size >= START_RAYS else np.nan


def circular_percentile(angles: Sequence[float] | npt.NDArray[np.float64], percent: float) -> float:
    """Percentile [deg, 0..360) of angles in the sense of rotation about their circular mean; NaN without any."""
    found = np.asarray(angles, dtype=np.float64)
    if found.size == 0:
        return np.nan
    turns = np.exp(1j * np.deg2rad(found))
    mean = turns.mean()
    about = np.rad2deg(np.angle(turns * np.conj(mean)))
    return float((np.rad2deg(np.angle(mean)) + np.percentile(about, percent)) % 360.0)


def differential_phase(
    z: Floats, rho: Floats, phi: Floats, qc: npt.NDArray[np.uint8], *, offset: float, gate_m: float, ratio: float
) -> Phase:
    """PhiDP, KDP and texture of a sweep.

    Args:
        z, rho, phi, qc, gate_m: as for `system_phase`.
        offset: the system's phase [deg].
        ratio: KDP of the band over that at S band.
    """
    out = (np.empty_like(z), np.empty_like(z), np.empty_like(z))
    phase_kernels.clean(z, rho, phi, qc, float(offset), _rules(gate_m, ratio), out)
    return Phase(*out)


def _rules(gate_m: float, ratio: float) -> Rules:
    half = [max(2, round(window / 2 / gate_m)) for window in (TEXTURE_M, SHORT_M, LONG_M)]
    return Rules(
        NOTHING, GOOD_RHOHV, GOOD_TEXTURE, max(LEAST_RUN, round(RUN_M / gate_m)), half[0], half[1], half[2],
        SHORT_DBZ, LONG_DBZ, FILLED, KDP_LIMITS[0] * ratio, KDP_LIMITS[1] * ratio, gate_m / 1000.0,
    )  # fmt: skip
