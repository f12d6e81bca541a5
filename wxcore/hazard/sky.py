"""What satellites and lightning say of a storm, in words for the forecaster: reasons, none of them a probability."""

import math
from collections.abc import Mapping
from typing import Any

from wxcore.hazard.opinion import Phrase

COLD_TOP_K = 225.0
"""Tops colder than this are told [K]: the anvil limit of overshooting tops (Bedka et al. 2010)."""

COOLING_K = -4.0
"""Tops that cool by this in 15 minutes are told [K]: the SATCAST limit (Mecikalski & Bedka 2006; DOMAIN.md 2.5)."""

ZERO_C_K = 273.15


def severe_signs(storm: Mapping[str, Any]) -> list[Phrase]:
    """What often comes before hail and gales: a lightning jump (Schultz et al. 2009), overshooting tops."""
    phrases: list[Phrase] = []
    sigma = _figure(storm, "lightning_jump_sigma")
    if _figure(storm, "lightning_jump") > 0:
        phrases.append((f"lightning jump ({sigma:.1f} sigma)", f"闪电跃增（{sigma:.1f}倍标准差）"))
    if (tops := _figure(storm, "overshooting_tops")) > 0:
        phrases.append((f"{tops:.0f} overshooting top{'s' if tops > 1 else ''}", f"过冲云顶{tops:.0f}个"))
    return phrases


def convective_signs(storm: Mapping[str, Any]) -> list[Phrase]:
    """The flash rate, also of 0 where an imager looked, and cold or quickly cooling tops; then `severe_signs`."""
    phrases: list[Phrase] = []
    rate = _figure(storm, "flash_rate_min")
    if rate > 0:
        phrases.append((f"{rate:.1f} flashes a minute", f"闪电{rate:.1f}次/分钟"))
    elif rate == 0 and _figure(storm, "flash_total") > 0:
        phrases.append(("no lightning seen from space", "卫星未见闪电"))
    top, change = _figure(storm, "bt108_min_k"), _figure(storm, "bt108_change_15min_k")
    if top <= COLD_TOP_K:
        phrases.append((f"cloud top {top - ZERO_C_K:.0f} C", f"云顶亮温{top - ZERO_C_K:.0f}℃"))
    if change <= COOLING_K:
        phrases.append((f"cloud top cools {-change:.0f} K in 15 min", f"云顶15分钟降温{-change:.0f}℃"))
    return [*phrases, *severe_signs(storm)]


def flashes(storm: Mapping[str, Any]) -> bool:
    """Was lightning seen in the storm in the last minutes?"""
    return _figure(storm, "flash_rate_min") > 0


def _figure(storm: Mapping[str, Any], name: str) -> float:
    """A column's value, NaN (with which every comparison is false) where nobody looked."""
    return float(storm.get(name, math.nan))
