"""Published rules as probabilities: hail and thunderstorm, and the table of all (gale: gale.py).

They are smooth, monotone in what they look at, and not trained on anything: no skill is claimed for them. Constants
marked [I] are ours. models/<hazard>/<version>/card.json documents every constant (a test keeps the two equal).
What a rule needs and does not have makes its probability NaN, never small.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from wxcore.hazard.definitions import GALE, HAIL, THUNDERSTORM
from wxcore.hazard.features.catalogue import ALSO_FLAT, COVERAGE, FEATURES, GROUPS
from wxcore.hazard.gale import GALE_CONSTANTS, gale
from wxcore.hazard.gale import MODEL as GALE_MODEL
from wxcore.hazard.ground import gale_seen, outflow_signs
from wxcore.hazard.opinion import Opinion, Phrase, logistic, opinion, weighted, with_reasons
from wxcore.hazard.sky import convective_signs, flashes, severe_signs
from wxcore.hazard.windows import WINDOWS
from wxcore.schema import PROBABILITIES, STORMS

MODELS: dict[str, str] = {HAIL.code: "baseline-2", THUNDERSTORM.code: "baseline-3", GALE.code: GALE_MODEL}
"""Version of each hazard's rule: a folder of models/<hazard>/."""
LEAD_WINDOWS: tuple[tuple[int, int], ...] = tuple((window.start_min, window.end_min) for window in WINDOWS)
GOOD_LEVELS = "good"
"""The only `levels_quality` that is trusted; any other (climatology) widens the probability of hail."""

CLIMATOLOGY = "climatology"

SOURCES: dict[str, tuple[str, ...]] = {
    group: tuple(
        item.name
        for item in FEATURES
        if item.group == group
        and item.name not in {*COVERAGE, *ALSO_FLAT}
        and item.name in {own.name for own in STORMS}
    )
    for group in GROUPS
    if group not in {"environment", "motion", "quality"}
} | {"motion": ("u_m_s", "v_m_s")}
"""By source the columns of a storm: where all is NaN it is missing (as hazard.features.build.missing_groups says)."""

HAIL_CONSTANTS: dict[str, float] = {
    "posh_weight": 0.5,  # [I] POSH is itself a probability of severe hail (Witt et al. 1998)
    "mesh_weight": 0.3,  # [I]
    "poh_weight": 0.2,  # [I] Waldvogel et al. 1979 is about hail of any size: a second opinion only
    "mesh_middle_mm": 25.0,  # DOMAIN.md 5.3: baselines 19 and 25 mm; US severe hail 1 inch
    "mesh_scale_mm": 5.0,  # [I]
    "size_weight": 0.3,  # [I] dual polarisation's own view of what falls
    "size_none": 0.05,  # [I] HSDA (Ortega et al. 2016) saw no hail in the column
    "size_below_25_mm": 0.4,  # [I] hail, of which severe begins at 20 mm
    "size_25_to_50_mm": 0.95,  # [I]
    "size_above_50_mm": 1.0,  # [I]
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
    "warm_share": 0.1,  # [I] and of that for echo all below 0 C: charging needs ice (Takahashi 1978)
    "ceiling": 0.97,  # [I]
    "flat_dbz_middle": 46.0,  # [I] from a 2-D composite only
    "flat_dbz_scale": 3.0,  # [I]
    "flat_ceiling": 0.8,  # [I] no depth known
    "flash_floor": 0.9,  # [I] lightning was seen: not 1, for a flash may be another storm's, and this one ending
    "decay_min": 45.0,  # DOMAIN.md 4
}
_SIZES: dict[float, tuple[str, str, str]] = {
    1: ("size_none", "no hail seen", "未见冰雹"),
    2: ("size_below_25_mm", "hail below 25 mm", "冰雹小于25毫米"),
    3: ("size_25_to_50_mm", "hail 25 to 50 mm", "冰雹25至50毫米"),
    4: ("size_above_50_mm", "hail above 50 mm", "冰雹大于50毫米"),
}
"""By hail_size_class (schema.POLARIMETRY): the constant, and what is said. Any other number is no class: missing."""


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
            storm["storm_id"], code, start, end, found.p * math.exp(-start / decay), MODELS[code],
            found.drivers, found.drivers_zh, missing,
        )
        for storm in storms.to_dict("records")
        for missing in (inputs_missing(storm, levels_quality),)
        for code, rule, decay in rules
        for row in ({str(key): value for key, value in storm.items()},)
        for found in (_with_signs(rule(row), code, row),)
        for start, end in lead_windows
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=[column.name for column in PROBABILITIES])
    return table.astype({"lead_start_min": "i8", "lead_end_min": "i8", "p": "f8"})


def inputs_missing(storm: Mapping[Any, Any], levels_quality: str) -> tuple[str, ...]:
    """Sources of which nothing is known at a storm, in the order of GROUPS; environment: its levels are climatology."""
    absent = {name for name, columns in SOURCES.items() if all(_unknown(storm.get(column)) for column in columns)}
    return tuple(name for name in GROUPS if name in absent or (name, levels_quality) == ("environment", CLIMATOLOGY))


def _unknown(value: Any) -> bool:
    return value is None or math.isnan(value)


def _with_signs(found: Opinion, code: str, storm: Mapping[str, Any]) -> Opinion:
    """The opinion with what satellites, lightning and stations say. Thunderstorms listen to lightning that was seen,
    gales to a gust that was measured and has two witnesses."""
    if code == GALE.code:
        p = float(np.fmax(GALE_CONSTANTS["gust_floor"], found.p)) if gale_seen(storm) else found.p
        return with_reasons(found, p, [*outflow_signs(storm), *severe_signs(storm)])
    if code != THUNDERSTORM.code:
        return with_reasons(found, found.p, severe_signs(storm))
    p = float(np.fmax(THUNDERSTORM_CONSTANTS["flash_floor"], found.p)) if flashes(storm) else found.p
    return with_reasons(found, p, convective_signs(storm))


def hail(storm: Mapping[str, Any], *, levels_quality: str) -> Opinion:
    """Severe hail: weighted mean of POSH, a logistic of MESH (both Witt et al. 1998), POH (Foote et al. 2005) and,
    where a dual-polarisation radar looked, the size class of HSDA (Ortega et al. 2016).

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
    if size := _SIZES.get(float(storm.get("hail_size_class", math.nan))):
        constant, size_en, size_zh = size
        parts.append((c["size_weight"], c[constant]))
        phrases.append((f"dual polarisation: {size_en}", f"双偏振：{size_zh}"))
    p = c["ceiling"] * weighted(parts)
    if levels_quality != GOOD_LEVELS:
        p += c["climatology_weight"] * (c["climatology_p"] - p)
        phrases.append(("0 C and -20 C heights not of the day: less certain", "0℃、-20℃层高度非当日资料：把握降低"))
    return opinion(p, phrases)


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

    Of a storm whose depth nobody saw (2-D composite only): a stricter logistic under a lower ceiling; the larger of
    both where the top is open (no beam above it). Echo that ends below the 0 C level holds no ice to charge it.
    """
    c = THUNDERSTORM_CONSTANTS
    dbz, top, above = (float(storm[name]) for name in ("max_dbz", "echo_top_18_km", "h45_above_h0_km"))
    if not math.isfinite(dbz):
        return opinion(math.nan, [("no reflectivity: not assessed", "无反射率：不作判断")])
    phrases: list[Phrase] = [(f"max {dbz:.0f} dBZ", f"最大反射率 {dbz:.0f} dBZ")]
    if float(storm["observed_fraction"]) == 0 or not (math.isfinite(top) or math.isfinite(above)):
        phrases.append(("2-D composite only: depth unknown", "仅有二维组合反射率：垂直厚度未知"))
        return opinion(c["flat_ceiling"] * logistic((dbz - c["flat_dbz_middle"]) / c["flat_dbz_scale"]), phrases)
    depth, is_open = 0.0, float(storm.get("top18_open", math.nan)) > 0
    if math.isfinite(top):
        depth = logistic((top - c["top_middle_km"]) / c["top_scale_km"])
        least_en, least_zh = ("at least ", "至少") if is_open else ("", "")
        phrases.append((f"18 dBZ top {least_en}{top:.1f} km", f"18 dBZ 回波顶高{least_zh} {top:.1f} 公里"))
    if math.isfinite(above):
        depth = max(depth, logistic((above - c["h45_middle_km"]) / c["h45_scale_km"]))
        phrases.append((f"45 dBZ {above:+.1f} km from 0 C level", f"45 dBZ 高度相对0℃层 {above:+.1f} 公里"))
    share = c["shallow_share"] + (1 - c["shallow_share"]) * depth
    if not is_open and float(storm.get("top18_above_h0_km", math.nan)) < 0:
        share *= c["warm_share"]
        phrases.append(("all echo below the 0 C level", "回波全部位于0℃层以下"))
    p = c["ceiling"] * logistic((dbz - c["dbz_middle"]) / c["dbz_scale"]) * share
    if is_open:
        phrases.append(("nobody saw what is above", "其上未观测"))
        p = max(p, c["flat_ceiling"] * logistic((dbz - c["flat_dbz_middle"]) / c["flat_dbz_scale"]))
    return opinion(p, phrases)


def _hail_unknown(storm: Mapping[str, Any]) -> Opinion:
    if float(storm["observed_fraction"]) == 0:
        return opinion(math.nan, [("2-D composite only: hail not assessed", "仅有二维组合反射率：不判断冰雹")])
    return opinion(math.nan, [("no MESH or POSH: hail not assessed", "缺少MESH或POSH：不判断冰雹")])
