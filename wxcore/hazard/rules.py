"""Published rules as probabilities: the models `baseline-1` of hail, thunderstorm and gale.

They are smooth, monotone in what they look at, and not trained on anything: no skill is claimed for them. Constants
marked [I] are ours. models/<hazard>/baseline-1/card.json documents every constant (a test keeps the two equal).
What a rule needs and does not have makes its probability NaN, never small.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from wxcore.hazard.definitions import GALE, HAIL, THUNDERSTORM
from wxcore.schema import PROBABILITIES

MODEL = "baseline-1"
LEAD_WINDOWS: tuple[tuple[int, int], ...] = ((0, 60), (0, 30), (30, 60))
GOOD_LEVELS = "good"
"""The only `levels_quality` that is trusted; any other (climatology) widens the probability of hail."""

HAIL_CONSTANTS: dict[str, float] = {
    "posh_weight": 0.5,  # [I] POSH is itself a probability of severe hail (Witt et al. 1998)
    "mesh_weight": 0.3,  # [I]
    "poh_weight": 0.2,  # [I] Waldvogel et al. 1979 is about hail of any size: a second opinion only
    "mesh_middle_mm": 25.0,  # DOMAIN.md 5.3: baselines 19 and 25 mm; US severe hail 1 inch
    "mesh_scale_mm": 5.0,  # [I]
    "poh_c0": -1.20231,  # cubic of Foote et al. 2005 (DOMAIN.md 2.2)
    "poh_c1": 1.00184,
    "poh_c2": -0.17018,
    "poh_c3": 0.01086,
    "poh_low_km": 1.65,  # range of the cubic, Waldvogel et al. 1979
    "poh_high_km": 5.8,
    "ceiling": 0.97,  # [I]
    "climatology_p": 0.1,  # [I] a convective cell at large
    "climatology_weight": 0.15,  # [I] pull towards climatology_p when levels are not of the day
    "decay_min": 30.0,  # DOMAIN.md 4: skill of cells e-folds in 20-30 min
}
THUNDERSTORM_CONSTANTS: dict[str, float] = {
    "dbz_middle": 42.0,  # DOMAIN.md 5.3: 35-40 dBZ at -10 C; at the column's maximum a few dB more [I]
    "dbz_scale": 3.0,  # [I]
    "top_middle_km": 9.0,  # [I] 18 dBZ top well above -20 C
    "top_scale_km": 1.2,  # [I]
    "h45_middle_km": 0.5,  # [I] 45 dBZ above the 0 C level: charging by graupel
    "h45_scale_km": 0.7,  # [I]
    "shallow_share": 0.4,  # [I] what is left of p for a storm without depth
    "ceiling": 0.97,  # [I]
    "flat_dbz_middle": 46.0,  # [I] from a 2-D composite only
    "flat_dbz_scale": 3.0,  # [I]
    "flat_ceiling": 0.8,  # [I] no depth known
    "decay_min": 45.0,  # DOMAIN.md 4
}
GALE_CONSTANTS: dict[str, float] = {
    "vil_factor": 20.628571,  # Stewart 1991 (NOAA NWS SR-136): gust^2 = a VIL - b top^2, m/s, kg m-2, m
    "top_factor": 3.125e-6,
    "speed_share": 1 / 3,  # of the mean wind in Stewart 1991; the storm's forward speed stands for it [M]
    "gust_middle_m_s": 17.2,  # definition of the hazard
    "gust_scale_m_s": 4.0,  # [I]
    "gust_weight": 0.4,  # [I] the potential falls with the echo top: nothing is left of it in the deepest storms
    "vil_middle_kg_m2": 43.0,  # Amburn & Wolf 1997: 38 severe or not, 43 severe with high probability
    "vil_scale_kg_m2": 6.0,  # [I]
    "vil_weight": 0.3,  # [I]
    "vild_middle_g_m3": 3.5,  # Amburn & Wolf 1997: severe; here a water-loaded core
    "vild_scale_g_m3": 0.7,  # [I]
    "vild_weight": 0.3,  # [I]
    "ceiling": 0.4,  # [I] no radial velocity, no environment: weak
    "decay_min": 35.0,  # [I] between hail and thunderstorm
}


@dataclass(frozen=True)
class Opinion:
    """A probability at lead 0, and why, in English and Chinese."""

    p: float
    drivers: tuple[str, ...]
    drivers_zh: tuple[str, ...]


Phrase = tuple[str, str]


def probabilities(
    storms: pd.DataFrame, *, levels_quality: str, lead_windows: Sequence[tuple[int, int]] = LEAD_WINDOWS
) -> pd.DataFrame:
    """Rows of schema.PROBABILITIES: each storm, each hazard, each lead window, in this order.

    A window that starts at lead s holds exp(-s / decay) of the probability now: rules know no growth.

    Args:
        storms: schema.STORMS.
        levels_quality: "good" if the heights of 0 C and -20 C describe the day; anything else pulls hail towards
            climatology.
        lead_windows: (start, end) [min].
    """
    rules: tuple[tuple[str, Callable[[Mapping[str, Any]], Opinion], float], ...] = (
        (HAIL.code, lambda row: hail(row, levels_quality=levels_quality), HAIL_CONSTANTS["decay_min"]),
        (THUNDERSTORM.code, thunderstorm, THUNDERSTORM_CONSTANTS["decay_min"]),
        (GALE.code, gale, GALE_CONSTANTS["decay_min"]),
    )
    rows = [
        (
            storm["storm_id"], code, start, end, opinion.p * math.exp(-start / decay), MODEL,
            opinion.drivers, opinion.drivers_zh,
        )
        for storm in storms.to_dict("records")
        for code, rule, decay in rules
        for opinion in (rule({str(key): value for key, value in storm.items()}),)
        for start, end in lead_windows
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=[column.name for column in PROBABILITIES])
    return table.astype({"lead_start_min": "i8", "lead_end_min": "i8", "p": "f8"})


def hail(storm: Mapping[str, Any], *, levels_quality: str) -> Opinion:
    """Severe hail: weighted mean of POSH, a logistic of MESH (both Witt et al. 1998) and POH (Foote et al. 2005).

    MESH75 (Murillo et al. 2021) holds nothing that MESH does not (both are functions of SHI alone): it is told among
    the drivers, not counted twice.
    """
    c = HAIL_CONSTANTS
    mesh, posh = float(storm["mesh_mm"]), float(storm["posh_percent"])
    if not (math.isfinite(mesh) and math.isfinite(posh)):
        return _hail_unknown(storm)
    parts = [
        (c["posh_weight"], min(max(posh / 100, 0.0), 1.0)),
        (c["mesh_weight"], logistic((mesh - c["mesh_middle_mm"]) / c["mesh_scale_mm"])),
    ]
    phrases: list[Phrase] = [
        (f"MESH {mesh:.0f} mm (>= {HAIL.threshold:.0f})", f"MESH {mesh:.0f} 毫米")
        if mesh >= HAIL.threshold
        else (f"MESH {mesh:.0f} mm (< {HAIL.threshold:.0f})", f"MESH {mesh:.0f} 毫米，未达{HAIL.threshold:.0f}毫米"),
        (f"POSH {posh:.0f} %", f"强冰雹概率 POSH {posh:.0f}%"),
    ]
    mesh75, above = float(storm["mesh75_mm"]), float(storm["h45_above_h0_km"])
    if math.isfinite(mesh75) and mesh >= HAIL.threshold:
        phrases.append((f"MESH75 {mesh75:.0f} mm", f"MESH75 {mesh75:.0f} 毫米"))
    if math.isfinite(above):
        parts.append((c["poh_weight"], poh(above)))
        phrases.append((f"45 dBZ {above:+.1f} km from 0 C level", f"45 dBZ 高度相对0℃层 {above:+.1f} 公里"))
    p = c["ceiling"] * weighted(parts)
    if levels_quality != GOOD_LEVELS:
        p += c["climatology_weight"] * (c["climatology_p"] - p)
        phrases.append(("0 C and -20 C heights not of the day: less certain", "0℃、-20℃层高度非当日资料：把握降低"))
    return _opinion(p, phrases)


def poh(h45_above_h0_km: float) -> float:
    """Probability of hail of any size from the height of 45 dBZ above the 0 C level [km]: cubic of Foote et al. 2005,
    0 below its range and 1 above (Waldvogel et al. 1979)."""
    c, d = HAIL_CONSTANTS, h45_above_h0_km
    if d < c["poh_low_km"]:
        return 0.0
    if d > c["poh_high_km"]:
        return 1.0
    return min(max(c["poh_c0"] + c["poh_c1"] * d + c["poh_c2"] * d**2 + c["poh_c3"] * d**3, 0.0), 1.0)


def thunderstorm(storm: Mapping[str, Any]) -> Opinion:
    """Lightning: a logistic of the maximum reflectivity, times what depth (18 dBZ top, 45 dBZ above 0 C) adds.

    Of a storm whose depth nobody saw (2-D composite only): a stricter logistic under a lower ceiling.
    """
    c = THUNDERSTORM_CONSTANTS
    dbz, top, above = (float(storm[name]) for name in ("max_dbz", "echo_top_18_km", "h45_above_h0_km"))
    if not math.isfinite(dbz):
        return _opinion(math.nan, [("no reflectivity: not assessed", "无反射率：不作判断")])
    phrases: list[Phrase] = [(f"max {dbz:.0f} dBZ", f"最大反射率 {dbz:.0f} dBZ")]
    if float(storm["observed_fraction"]) == 0 or not (math.isfinite(top) or math.isfinite(above)):
        phrases.append(("2-D composite only: depth unknown", "仅有二维组合反射率：垂直厚度未知"))
        return _opinion(c["flat_ceiling"] * logistic((dbz - c["flat_dbz_middle"]) / c["flat_dbz_scale"]), phrases)
    depth = 0.0
    if math.isfinite(top):
        depth = logistic((top - c["top_middle_km"]) / c["top_scale_km"])
        phrases.append((f"18 dBZ top {top:.1f} km", f"18 dBZ 回波顶高 {top:.1f} 公里"))
    if math.isfinite(above):
        depth = max(depth, logistic((above - c["h45_middle_km"]) / c["h45_scale_km"]))
        phrases.append((f"45 dBZ {above:+.1f} km from 0 C level", f"45 dBZ 高度相对0℃层 {above:+.1f} 公里"))
    share = c["shallow_share"] + (1 - c["shallow_share"]) * depth
    return _opinion(c["ceiling"] * logistic((dbz - c["dbz_middle"]) / c["dbz_scale"]) * share, phrases)


def gale(storm: Mapping[str, Any]) -> Opinion:
    """Convective gust: weighted mean of logistics of the gust potential (Stewart 1991, with a third of the storm's
    forward speed), VIL and VIL density (Amburn & Wolf 1997), under a low ceiling: no radial velocity is used."""
    c = GALE_CONSTANTS
    vil, top, density = (float(storm[name]) for name in ("vil_kg_m2", "echo_top_18_km", "vil_density_g_m3"))
    if not (math.isfinite(vil) and math.isfinite(top)):
        if float(storm["observed_fraction"]) == 0:
            return _opinion(math.nan, [("2-D composite only: gale not assessed", "仅有二维组合反射率：不判断大风")])
        return _opinion(math.nan, [("no VIL or echo top: gale not assessed", "缺少VIL或回波顶高：不判断大风")])
    speed = math.hypot(float(storm["u_m_s"]), float(storm["v_m_s"]))
    gust = gust_potential(vil, top) + (c["speed_share"] * speed if math.isfinite(speed) else 0.0)
    parts = [
        (c["gust_weight"], logistic((gust - c["gust_middle_m_s"]) / c["gust_scale_m_s"])),
        (c["vil_weight"], logistic((vil - c["vil_middle_kg_m2"]) / c["vil_scale_kg_m2"])),
    ]
    phrases: list[Phrase] = [
        (f"gust potential {gust:.0f} m/s (>= {GALE.threshold})", f"阵风潜势 {gust:.0f} 米/秒")
        if gust >= GALE.threshold
        else (f"gust potential {gust:.0f} m/s (< {GALE.threshold})", f"阵风潜势 {gust:.0f} 米/秒，未达8级"),
        (f"VIL {vil:.0f} kg/m2", f"垂直积分液态水 {vil:.0f} 千克/平方米"),
    ]
    if math.isfinite(density):
        parts.append((c["vild_weight"], logistic((density - c["vild_middle_g_m3"]) / c["vild_scale_g_m3"])))
        phrases.append((f"VIL density {density:.1f} g/m3", f"液态水密度 {density:.1f} 克/立方米"))
    if math.isfinite(speed):
        phrases.append((f"moving at {speed:.0f} m/s", f"移速 {speed:.0f} 米/秒"))
    else:
        phrases.append(("motion unknown", "移动未知"))
    phrases.append(("no radial velocity used", "未使用径向速度"))
    return _opinion(c["ceiling"] * weighted(parts), phrases)


def gust_potential(vil_kg_m2: float, echo_top_km: float) -> float:
    """Gust of a downdraft [m/s], sqrt(a VIL - b top^2), 0 where the root is of a negative number (Stewart 1991)."""
    c = GALE_CONSTANTS
    return math.sqrt(max(0.0, c["vil_factor"] * vil_kg_m2 - c["top_factor"] * (echo_top_km * 1000) ** 2))


def weighted(parts: Sequence[tuple[float, float]]) -> float:
    """Mean of (weight, value) pairs; what is not known is left out and the others weigh more."""
    return sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts)


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return float(0.5 * (1 + np.tanh(x / 2)))


def _hail_unknown(storm: Mapping[str, Any]) -> Opinion:
    if float(storm["observed_fraction"]) == 0:
        return _opinion(math.nan, [("2-D composite only: hail not assessed", "仅有二维组合反射率：不判断冰雹")])
    return _opinion(math.nan, [("no MESH or POSH: hail not assessed", "缺少MESH或POSH：不判断冰雹")])


def _opinion(p: float, phrases: list[Phrase]) -> Opinion:
    return Opinion(p, tuple(en for en, _ in phrases), tuple(zh for _, zh in phrases))
