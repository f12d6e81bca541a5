"""Thunderstorm gale, `baseline-3`: radial velocities near the ground and aloft, over VIL and echo top.

Each witness speaks for itself, and together they speak as independent ones do: 1 - product of (1 - weight L). Where no
beam saw the wind near the ground, what is left is the weak rule of `baseline-1` and the witnesses aloft; the more of
the storm was seen, and the more along its motion, the less its structure counts beside what was measured. A radial wind
is a lower bound of the wind: it is divided by the cosine between beam and storm motion, not below `view_least`.
"""

import math
from collections.abc import Mapping
from typing import Any

from wxcore.hazard.definitions import GALE
from wxcore.hazard.opinion import Opinion, Phrase, logistic, opinion, weighted

MODEL = "baseline-3"

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
    "structure_weight": 0.3,  # [I] of all that, where the wind near the ground was seen all over and along the motion
    "structure_ceiling": 0.4,  # [I] ... and where it was not: no environment either
    "wind_middle_m_s": 20.0,  # DOMAIN.md 2.3, 5.3: |Vr| >= 20 m/s below 1.5 km
    "wind_scale_m_s": 2.5,  # [I]
    "wind_weight": 0.85,  # [I]
    "view_least": 0.7,  # [I] cosine of 45 deg: no more than 1.4 times what was measured
    "marc_middle_m_s": 25.0,  # Schmocker et al. 1996: damaging wind 10-30 min later
    "marc_scale_m_s": 3.0,  # [I]
    "marc_weight": 0.5,  # [I]
    "divergence_middle_s1": 0.006,  # DOMAIN.md 2.3: 0.004-0.01 s-1 is a downburst
    "divergence_scale_s1": 0.0015,  # [I]
    "divergence_weight": 0.4,  # [I]
    "view_unknown": 0.64,  # mean |cos| of all directions, 2 / pi: where the motion is unknown
    "bow_weight": 0.3,  # [I] DOMAIN.md 2.3: long, narrow, fast
    "gust_floor": 0.85,  # [I] a station measured it, others bear it out: not 1, for it may be over
    "ceiling": 0.95,  # [I]
    "decay_min": 35.0,  # [I] between hail and thunderstorm
}
C = GALE_CONSTANTS

SUPPORTS = 0.3
"""Structure that is told among the reasons beside a measured wind [our choice]."""

SLOWEST_M_S = 8.0
"""The motion of a slower storm has no direction to speak of: the view along it is unknown [our choice]."""

MOSTLY = 0.5
"""Where velocities were seen in less of a storm, the driver says so."""


def gale(storm: Mapping[str, Any]) -> Opinion:
    """Probability of a convective gust of 17.2 m/s or more, and why. Rules: see the module's text.

    NaN where only a 2-D composite saw the storm, and where nothing of it is known.
    """
    if float(storm["observed_fraction"]) == 0:
        return opinion(math.nan, [("2-D composite only: gale not assessed", "仅有二维组合反射率：不判断大风")])
    wind, said_of_wind = _wind(storm)
    aloft, said_of_aloft = _aloft(storm)
    structure, said_of_structure = _structure(storm)
    parts = list(aloft)
    if math.isfinite(wind):
        parts.append(C["wind_weight"] * wind)
    if math.isfinite(structure):
        share = C["structure_ceiling"] + _seen(storm) * (C["structure_weight"] - C["structure_ceiling"])
        parts.append(share * structure)
    # of a structure that speaks against gale beside a measured wind nothing is told: it reads as a contradiction
    told = said_of_structure if structure >= SUPPORTS or not math.isfinite(wind) else []
    said = [*said_of_wind, *said_of_aloft, *told]
    if not parts:
        return opinion(math.nan, [*said, ("nothing to judge gale by: not assessed", "缺少可用资料：不判断大风")])
    return opinion(min(C["ceiling"], 1 - math.prod(1 - part for part in parts)), said)


def _seen(storm: Mapping[str, Any]) -> float:
    """How far the wind near the ground is known, 0..1: part of the storm with velocities, times the view of it."""
    if not math.isfinite(_number(storm, "radial_wind_low_m_s")):
        return 0.0
    view, fraction = _view(storm), _number(storm, "velocity_fraction")
    return (fraction if math.isfinite(fraction) else 0.0) * (view if math.isfinite(view) else C["view_unknown"])


def _view(storm: Mapping[str, Any]) -> float:
    """Cosine between the beam and the storm's motion, NaN where the storm hardly moves."""
    speed = math.hypot(float(storm["u_m_s"]), float(storm["v_m_s"]))
    return _number(storm, "wind_view") if speed >= SLOWEST_M_S else math.nan


def _wind(storm: Mapping[str, Any]) -> tuple[float, list[Phrase]]:
    """What the radial wind near the ground says, 0..1; NaN where it is unknown."""
    measured, view = _number(storm, "radial_wind_low_m_s"), _view(storm)
    if not math.isfinite(measured):
        if _number(storm, "folded_fraction") > _number(storm, "velocity_fraction"):
            return math.nan, [("low-level velocities range folded", "近地面速度距离折叠")]
        if _number(storm, "velocity_fraction") > 0 or math.isfinite(_number(storm, "marc_m_s")):
            return math.nan, [("no radial wind seen below 1.5 km", "1.5公里以下未观测到径向风")]
        return math.nan, [("no radial velocity used", "未使用径向速度")]
    wind = measured / max(view, C["view_least"]) if math.isfinite(view) else measured
    mark = ">=" if measured >= C["wind_middle_m_s"] else "<"
    said: list[Phrase] = [
        (
            f"radial wind {measured:.1f} m/s below 1.5 km ({mark} {C['wind_middle_m_s']:.0f})",
            f"1.5公里以下径向风 {measured:.1f} 米/秒（{'≥' if mark == '>=' else '<'}{C['wind_middle_m_s']:.0f}）",
        )
    ]
    fraction = _number(storm, "velocity_fraction")
    if fraction < MOSTLY:
        said.append(
            (f"wind seen in {100 * fraction:.0f} % of the storm", f"仅在风暴 {100 * fraction:.0f}% 的面积上观测到风")
        )
    if view < C["view_least"]:
        said.append(("beam across the motion: the wind may be stronger", "雷达波束与移向夹角大：实际风可能更强"))
    return logistic((wind - C["wind_middle_m_s"]) / C["wind_scale_m_s"]), said


def _aloft(storm: Mapping[str, Any]) -> tuple[list[float], list[Phrase]]:
    """Weighted parts of convergence aloft, divergence near the ground and the shape, as far as they are known."""
    parts: list[float] = []
    said: list[Phrase] = []
    marc, divergence = _number(storm, "marc_m_s"), _number(storm, "divergence_low_s1")
    if math.isfinite(marc):
        parts.append(C["marc_weight"] * logistic((marc - C["marc_middle_m_s"]) / C["marc_scale_m_s"]))
        if marc >= C["marc_middle_m_s"]:
            said.append((f"mid-level convergence (MARC) {marc:.0f} m/s", f"中层径向辐合 {marc:.0f} 米/秒"))
    if math.isfinite(divergence):
        at = logistic((divergence - C["divergence_middle_s1"]) / C["divergence_scale_s1"])
        parts.append(C["divergence_weight"] * at)
        if divergence >= C["divergence_middle_s1"]:
            told = 1000 * divergence
            said.append((f"low-level divergence {told:.0f}e-3 s-1", f"低层辐散 {told:.0f}×10⁻³ 每秒"))
    if _number(storm, "bow") > 0:
        parts.append(C["bow_weight"])
        said.append(("bow-shaped, fast", "弓形回波且移动快"))
    front = _number(storm, "gust_front_km")
    if front > 0:
        said.append((f"gust front, {front:.0f} km long", f"阵风锋长 {front:.0f} 公里"))
    return parts, said


def _structure(storm: Mapping[str, Any]) -> tuple[float, list[Phrase]]:
    """Weighted mean of logistics of the gust potential (Stewart 1991, with a third of the forward speed), VIL and VIL
    density (Amburn & Wolf 1997); NaN where VIL or echo top is unknown."""
    vil, top, density = (float(storm[name]) for name in ("vil_kg_m2", "echo_top_18_km", "vil_density_g_m3"))
    if not (math.isfinite(vil) and math.isfinite(top)):
        return math.nan, []
    speed = math.hypot(float(storm["u_m_s"]), float(storm["v_m_s"]))
    gust = gust_potential(vil, top) + (C["speed_share"] * speed if math.isfinite(speed) else 0.0)
    parts = [
        (C["gust_weight"], logistic((gust - C["gust_middle_m_s"]) / C["gust_scale_m_s"])),
        (C["vil_weight"], logistic((vil - C["vil_middle_kg_m2"]) / C["vil_scale_kg_m2"])),
    ]
    said: list[Phrase] = [
        (f"gust potential {gust:.0f} m/s (>= {GALE.threshold})", f"阵风潜势 {gust:.0f} 米/秒")
        if gust >= GALE.threshold
        else (f"gust potential {gust:.0f} m/s (< {GALE.threshold})", f"阵风潜势 {gust:.0f} 米/秒，未达8级"),
        (f"VIL {vil:.0f} kg/m2", f"垂直积分液态水 {vil:.0f} 千克/平方米"),
    ]
    if math.isfinite(density):
        parts.append((C["vild_weight"], logistic((density - C["vild_middle_g_m3"]) / C["vild_scale_g_m3"])))
        said.append((f"VIL density {density:.1f} g/m3", f"液态水密度 {density:.1f} 克/立方米"))
    if math.isfinite(speed):
        said.append((f"moving at {speed:.0f} m/s", f"移速 {speed:.0f} 米/秒"))
    else:
        said.append(("motion unknown", "移动未知"))
    return weighted(parts), said


def gust_potential(vil_kg_m2: float, echo_top_km: float) -> float:
    """Gust of a downdraft [m/s], sqrt(a VIL - b top^2), 0 where the root is of a negative number (Stewart 1991)."""
    return math.sqrt(max(0.0, C["vil_factor"] * vil_kg_m2 - C["top_factor"] * (echo_top_km * 1000) ** 2))


def _number(storm: Mapping[str, Any], name: str) -> float:
    """NaN where a table has no such column: one of an older version."""
    return float(storm.get(name, math.nan))
