"""The 2-sigma lightning jump (Schultz et al. 2009, 2011) of one series of flash rates."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BIN_MINUTES = 2.0
"""Length of a bin (Schultz et al. 2009)."""

PRIOR_CHANGES = 5
"""Changes of the rate, before the one that is judged, whose spread is sigma (Schultz 2009; DOMAIN.md 2.4)."""

BINS = PRIOR_CHANGES + 2
"""Bins that a judgement needs: 14 minutes."""

LEAST_SIGMA = 1.0
"""Sigma is taken as at least this [flashes min-1 per bin] (DOMAIN.md 2.4): a quiet past makes no jump of nothing."""

SIGMAS = 2.0
"""Change that makes a jump, in sigma (Schultz 2009)."""

TOTAL_RATE, GROUND_RATE = 10.0, 4.0
"""Least rate [flashes min-1] of a jump: of all lightning (Schultz 2009), and of cloud-to-ground flashes alone, for
which the rule was not made (3 to 5 in DOMAIN.md 2.4) [our choice]."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Jump:
    """`sigma`: last change of the rate over its standard deviation; `jump`: 1 in a jump, else 0. NaN unknown. (...,)"""

    sigma: Doubles
    jump: Doubles


def lightning_jump(rates: npt.ArrayLike, *, total: npt.ArrayLike) -> Jump:
    """Is there a jump in the last bin?

    Args:
        rates: (..., bin) [flashes min-1] in successive bins of BIN_MINUTES, the last one now; NaN: not covered. At
            least BINS of them; older ones are not used.
        total: (...,) or one: rates of all lightning (an imager), else of cloud-to-ground flashes.

    Returns:
        NaN where any of the last BINS bins is not covered: a gap must not look like a change. The standard deviation
        is the sample's (n - 1), as in the public code that DOMAIN.md 2.4 names.

    Raises:
        ValueError: fewer than BINS bins.
    """
    series = np.asarray(rates, dtype=np.float64)
    if series.ndim == 0 or series.shape[-1] < BINS:
        raise ValueError(f"{series.shape} bins, a jump needs {BINS} of {BIN_MINUTES:g} minutes")
    series = series[..., -BINS:]
    changes = np.diff(series, axis=-1)
    spread = np.maximum(np.std(changes[..., :-1], axis=-1, ddof=1), LEAST_SIGMA)
    sigma = changes[..., -1] / spread
    enough = series[..., -1] >= np.where(np.asarray(total, dtype=np.bool_), TOTAL_RATE, GROUND_RATE)
    jump = np.where(np.isnan(sigma), np.nan, (enough & (sigma >= SIGMAS)).astype(np.float64))
    return Jump(np.asarray(sigma), np.asarray(jump))
