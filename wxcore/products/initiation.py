"""Convective initiation: the eight SATCAST interest fields (Mecikalski & Bedka 2006; DOMAIN.md 2.5) [M].

They speak of growing cumulus that has no anvil yet. Under cirrus, and on an anvil that spreads, they count too and mean
nothing: read them where no cold cloud was before. No cloud mask is applied: cold ground meets the first field by
itself, which is one of eight.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

FREEZING_K = 273.15
COOLING_K = -4.0
"""Change of 10.8 um in 15 minutes [K] (Mecikalski & Bedka 2006) [M]."""
WV_RANGE_K, CO2_RANGE_K = (-35.0, -10.0), (-25.0, -5.0)
"""6.2 - 10.8 um and 13.3 - 10.8 um of cumulus that rises [K] (Mecikalski & Bedka 2006) [M]."""
RISE_K = 3.0
"""Rise of either difference in 15 minutes [K] (Mecikalski & Bedka 2006) [M]."""
LEAST_JUDGED = 6
"""Fewer fields than this give no count (schema.CLOUDS)."""

FIELDS = (
    "below_freezing", "cooling", "cooling_twice", "water_vapour", "water_vapour_rise", "carbon_dioxide",
    "carbon_dioxide_rise", "freezing_crossed",
)  # fmt: skip
"""Interest fields by bit, from the lowest."""


@dataclass(frozen=True, eq=False)
class Tops:
    """What the fields are judged from, each (lat, lon) [K], NaN where unknown; "change" is along the motion.

    Attributes:
        bt108: now; change: of it, in 15 minutes; change_before: from 30 to 15 minutes ago.
        warmest_before: warmest of the cloud's 10.8 um 15 and 30 minutes ago.
        wv, wv_change: 6.2 - 10.8 um, and its change in 15 minutes.
        co2, co2_change: 13.3 - 10.8 um, and its change in 15 minutes.
    """

    bt108: Floats
    change: Floats
    change_before: Floats
    warmest_before: Floats
    wv: Floats
    wv_change: Floats
    co2: Floats
    co2_change: Floats


def interest_fields(tops: Tops) -> tuple[Bytes, Bytes]:
    """Which of FIELDS are met, and which could be judged: bits, (lat, lon)."""
    t = tops
    rules = (
        (t.bt108 < FREEZING_K, t.bt108),
        (t.change <= COOLING_K, t.change),
        ((t.change < 0) & (t.change_before < 0), t.change + t.change_before),
        ((t.wv >= WV_RANGE_K[0]) & (t.wv <= WV_RANGE_K[1]), t.wv),
        (t.wv_change > RISE_K, t.wv_change),
        ((t.co2 >= CO2_RANGE_K[0]) & (t.co2 <= CO2_RANGE_K[1]), t.co2),
        (t.co2_change > RISE_K, t.co2_change),
        ((t.bt108 < FREEZING_K) & (t.warmest_before >= FREEZING_K), t.bt108 + t.warmest_before),
    )
    met, judged = (np.zeros(t.bt108.shape, dtype=np.uint8) for _ in range(2))
    for bit, (yes, of) in enumerate(rules):
        met |= yes.astype(np.uint8) << np.uint8(bit)
        judged |= np.isfinite(of).astype(np.uint8) << np.uint8(bit)
    return met & judged, judged


def convective_initiation(tops: Tops) -> Floats:
    """Number of FIELDS met (lat, lon); NaN where fewer than LEAST_JUDGED can be judged."""
    met, judged = interest_fields(tops)
    count = np.bitwise_count(met).astype(np.float32)
    return np.where(np.bitwise_count(judged) >= LEAST_JUDGED, count, np.float32(np.nan))
