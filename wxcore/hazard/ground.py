"""What ground stations say of a storm, in words for the forecaster, and whether they saw the gale itself."""

import math
from collections.abc import Mapping
from typing import Any

from wxcore.hazard.definitions import GALE
from wxcore.hazard.opinion import Phrase

JUMP_HPA = 1.0
"""A rise of pressure in 10 minutes that is told [hPa]: a mesohigh (DOMAIN.md 2.6: 1 to 2 hPa in an hour)."""

DROP_K = 5.0
"""A fall of temperature in an hour that is told [K] (DOMAIN.md 2.6)."""

DEFICIT_K = 5.0
"""A deficit of equivalent potential temperature that is told [K]: a cold pool (DOMAIN.md 2.6: 5 to 10 K)."""

TOLD_GUST_M_S = 13.9
"""A gust that is told [m s-1]: Beaufort 7 (GB/T 28591)."""


def gale_seen(storm: Mapping[str, Any]) -> bool:
    """Did a station near the storm measure the gale in the last half hour, with anything else speaking for it?

    One station alone, which neighbours, radar, lightning, temperature and pressure leave alone, never says so."""
    return _figure(storm, "gust_near_m_s") >= GALE.threshold and _figure(storm, "gust_near_supported") == 1


def outflow_signs(storm: Mapping[str, Any]) -> list[Phrase]:
    """The gust near the storm, and what outflow leaves behind: pressure jump, cooling, low theta-e."""
    phrases: list[Phrase] = []
    gust = _figure(storm, "gust_near_m_s")
    if gust >= TOLD_GUST_M_S:
        supported = _figure(storm, "gust_near_supported") == 1
        en, zh = ("", "") if supported else (", nothing else speaks for it: not used", "，无佐证，未采用")
        phrases.append((f"measured gust {gust:.1f} m/s{en}", f"实测阵风{gust:.1f}米/秒{zh}"))
    jump, drop = _figure(storm, "pressure_jump_hpa"), _figure(storm, "temperature_drop_k")
    if jump >= JUMP_HPA:
        phrases.append((f"pressure jump {jump:.1f} hPa in 10 min", f"10分钟升压{jump:.1f}百帕"))
    if drop >= DROP_K:
        phrases.append((f"temperature fell {drop:.0f} K", f"降温{drop:.0f}℃"))
    if (deficit := _figure(storm, "theta_e_deficit_k")) >= DEFICIT_K:
        phrases.append((f"theta-e deficit {deficit:.0f} K", f"相当位温下降{deficit:.0f}K"))
    return phrases


def _figure(storm: Mapping[str, Any], name: str) -> float:
    """A column's value, NaN (with which every comparison is false) where no station reported."""
    return float(storm.get(name, math.nan))
