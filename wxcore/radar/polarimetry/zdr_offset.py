"""The calibration offset of ZDR, from echoes whose ZDR is known.

Of three, the first that has enough gates:
1. Vertical pointing: drops seen from below are round, ZDR is 0.
2. Light rain of 20 to 30 dBZ below the melting layer: ZDR by Z (Ryzhkov et al. 2005, table 2).
3. Dry snow of 20 to 30 dBZ, 1 to 3 km above the melting layer: 0.2 dB (Ryzhkov et al. 2005; WSR-88D practice).
The offset is the median of measured minus expected, good to about 0.2 dB in rain, since drop sizes differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

RAIN_FROM_DBZ = 20
RAIN_ZDR = (0.23, 0.25, 0.27, 0.295, 0.32, 0.35, 0.38, 0.42, 0.46, 0.505)
"""Expected ZDR [dB] of light rain, 20 to 29 dBZ, whole dBZ upwards (every other one interpolated)."""
SNOW_ZDR, VERTICAL_ZDR = 0.2, 0.0
OFFSET_RHOHV, BROKEN_RHOHV = 0.98, 0.95
"""Least rhoHV of a gate that tells the offset, and of one that tells whether the channel works at all."""
FAR_M, NEAR_M = 100_000.0, 5_000.0
"""Farther the beam is too wide to be in one kind of echo, nearer clutter leaks in [our choice]."""
PHIDP_MOST_DEG = 30.0
"""Behind more rain, differential attenuation is no longer known to 0.1 dB at C and X band [our choice]."""
LEAST_GATES, MOST_SPREAD_DB = 500, 1.0
"""Fewer gates, or a wider spread of them, tell no offset [our choice]."""
BROKEN_DB = 3.0
"""An offset beyond this is a broken channel, and ZDR is not used: WSR-88D stay within 1 dB (Richardson et al. 2017)
[our choice]."""

STEP_DB, LIMIT_DB = 0.02, 20.0
BINS = round(2 * LIMIT_DB / STEP_DB)
"""Differences are counted in bins: medians of many sweeps without keeping their gates."""


@dataclass(frozen=True)
class ZdrOffset:
    """What was found: the offset [dB] to subtract, its gates, their robust standard deviation [dB], and the method."""

    offset_db: float
    gates: int
    spread_db: float
    method: str

    def __str__(self) -> str:
        return f"ZDR offset {self.offset_db:+.2f} dB from {self.method} ({self.gates} gates, {self.spread_db:.2f} dB)"


def new_counts() -> npt.NDArray[np.int64]:
    """Empty counts for `count`."""
    return np.zeros(BINS, dtype=np.int64)


@numba.njit(cache=True, nogil=True)
def count(
    fields: tuple[Floats, Floats, Floats, Floats], qc: npt.NDArray[np.uint8], span: tuple[int, int], expected: Floats,
    z_from: int, limits: tuple[float, float, float], counts: npt.NDArray[np.int64],
) -> None:  # fmt: skip
    """Count measured minus expected ZDR of the gates span[0] to span[1] that qualify, into `counts` about 0.

    Args:
        fields: z [dBZ], zdr [dB], rhohv, phidp [deg] of a sweep, (ray, gate).
        qc: (ray, gate); only gates of 0 count.
        z_from: [dBZ] of expected[0]; the others follow by 1 dBZ.
        limits: least rhoHV, largest PhiDP [deg], width of a bin [dB].
    """
    z, zdr, rho, phi = fields
    rhohv, phidp_most, step = limits
    middle = counts.size // 2
    for i in range(z.shape[0]):
        for g in range(span[0], span[1]):
            over = z[i, g] - z_from
            if not (qc[i, g] == 0 and 0.0 <= over < expected.size and rho[i, g] >= rhohv) or np.isnan(zdr[i, g]):
                continue
            if phi[i, g] > phidp_most:
                continue
            k = middle + int(np.floor((zdr[i, g] - expected[int(over)]) / step))
            counts[min(max(k, 0), counts.size - 1)] += 1


def summary(counts: npt.NDArray[np.int64], method: str) -> ZdrOffset | None:
    """Median and spread of what was counted; None without any."""
    total = int(counts.sum())
    if total == 0:
        return None
    running = np.cumsum(counts)
    low, middle, high = (
        (np.searchsorted(running, part * total) + 0.5 - counts.size // 2) * STEP_DB for part in (0.25, 0.5, 0.75)
    )
    return ZdrOffset(round(float(middle), 2), total, round(float(high - low) / 1.349, 2), method)


def best(found: Sequence[ZdrOffset | None]) -> ZdrOffset | None:
    """The first, in the order of trust, with enough gates that agree; None where none has."""
    for offset in found:
        if offset is not None and offset.gates >= LEAST_GATES and offset.spread_db <= MOST_SPREAD_DB:
            return offset
    return None
