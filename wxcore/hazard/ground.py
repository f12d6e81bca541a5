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

WITNESSES_NEEDED = 2
"""Of sky, neighbours and the station's own air [our choice]: at least one of any two is on the ground. With the sky
alone, a broken anemometer beside any storm would be a gale."""


def gale_seen(storm: Mapping[str, Any]) -> bool:
    """Did a station near the storm measure the gale in the last half hour, with WITNESSES_NEEDED to speak for it?

    One station alone never says so: radar or lightning beside it bear out the storm, not the anemometer."""
    strong = _figure(storm, "gust_near_m_s") >= GALE.threshold
    return strong and _figure(storm, "gust_near_witnesses") >= WITNESSES_NEEDED


def outflow_signs(storm: Mapping[str, Any]) -> list[Phrase]:
    """The gust near the storm, and what outflow leaves behind: pressure jump, cooling, low theta-e."""
    phrases: list[Phrase] = []
    gust = _figure(storm, "gust_near_m_s")
    if gust >= TOLD_GUST_M_S:
        en, zh = _believed(_figure(storm, "gust_near_witnesses"))
        phrases.append((f"measured gust {gust:.1f} m/s{en}", f"实测阵风{gust:.1f}米/秒{zh}"))
    jump, drop = _figure(storm, "pressure_jump_hpa"), _figure(storm, "temperature_drop_k")
    if jump >= JUMP_HPA:
        phrases.append((f"pressure jump {jump:.1f} hPa in 10 min", f"10分钟升压{jump:.1f}百帕"))
    if drop >= DROP_K:
        phrases.append((f"temperature fell {drop:.0f} K", f"降温{drop:.0f}℃"))
    if (deficit := _figure(storm, "theta_e_deficit_k")) >= DEFICIT_K:
        phrases.append((f"theta-e deficit {deficit:.0f} K", f"相当位温下降{deficit:.0f}K"))
    return phrases


def _believed(witnesses: float) -> Phrase:
    """What is said behind a measured gust."""
    if witnesses >= WITNESSES_NEEDED:
        return "", ""
    if witnesses == 1:
        return (
            ", one witness only (radar or lightning, neighbours, or own air): check it",
            "，仅一项佐证（雷达或闪电、邻站、本站气温气压之一），请核实",
        )
    return ", nothing else speaks for it: not used", "，无佐证，未采用"


def _figure(storm: Mapping[str, Any], name: str) -> float:
    """A column's value, NaN (with which every comparison is false) where no station reported."""
    return float(storm.get(name, math.nan))
