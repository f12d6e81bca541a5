"""Heights of the 0, -10 and -20 C levels and of the wet-bulb zero of a profile."""

from dataclasses import dataclass

import numpy as np

from wxcore.environment.profile import Doubles, Profile, Remark

INVERSION_TOP_HPA = 600.0
"""With several crossings the highest one at or below this pressure level counts (DOMAIN.md section 3)."""

SEARCH_TOP_HPA = 100.0
"""No level is searched above [our choice]: the stratosphere warms again."""

COLD_GROUND: Remark = ("the ground is colder: its height", "地面已低于该温度，取地面高度")

PSYCHROMETER = 6.6e-4
"""Coefficient of the ventilated psychrometer over water [K-1], times 1 + 0.00115 Tw (WMO-No. 8, annex 4.B)."""


@dataclass(frozen=True)
class Heights:
    """Heights [m ASL], NaN where the profile does not tell; `grounded`: the ground is colder than 0 C."""

    h0_m: float
    hm10_m: float
    hm20_m: float
    wet_bulb_zero_m: float
    grounded: bool
    remarks: tuple[Remark, ...]


def heights_of(profile: Profile) -> Heights:
    """Heights of the levels, linear in ln p (DOMAIN.md section 3); remarks tell of inversions and cold ground."""
    remarks: list[Remark] = []
    found = []
    for target in (0.0, -10.0, -20.0):
        height, remark = crossing(profile.pressure, profile.height, profile.temperature, target)
        found.append(height)
        remarks += _told(f"{target:g} C", f"{target:g} ℃", remark)
    wet_bulb = wet_bulb_temperature(profile.pressure, profile.temperature, profile.dew_point)
    wet_bulb_zero, remark = crossing(profile.pressure, profile.height, wet_bulb, 0.0)
    remarks += _told("wet-bulb 0 C", "湿球 0 ℃", remark)
    known = np.flatnonzero(np.isfinite(profile.temperature))[:1]
    grounded = bool(((profile.temperature[known] < 0) & (profile.height[known] == found[0])).any())
    return Heights(found[0], found[1], found[2], wet_bulb_zero, grounded, tuple(remarks))


def _told(what: str, what_zh: str, remark: Remark | None) -> list[Remark]:
    return [] if remark is None else [(f"{what}: {remark[0]}", f"{what_zh}：{remark[1]}")]


def crossing(pressure: Doubles, height: Doubles, column: Doubles, target: float) -> tuple[float, Remark | None]:
    """Height [m ASL] above which a temperature (n,) [degC] at levels [hPa] is under `target`, and a remark or None.

    The first crossing from below; where the profile crosses it several times (inversion), the highest fall at or below
    INVERSION_TOP_HPA, or the first fall where none is so low. Under `target` from the ground up: the ground. Between
    levels both temperature and height are linear in ln p. NaN where it is never reached.
    """
    use = np.isfinite(column) & (pressure >= SEARCH_TOP_HPA)
    log_p, height, above = np.log(pressure[use]), height[use], column[use] - target
    if not above.size:
        return np.nan, None
    falls = np.flatnonzero((above[:-1] >= 0) & (above[1:] < 0))
    if not falls.size:
        return (float(height[0]), COLD_GROUND) if above[0] < 0 else (np.nan, None)
    share = above[falls] / (above[falls] - above[falls + 1])
    log_crossing = log_p[falls] + share * (log_p[falls + 1] - log_p[falls])
    crossings = height[falls] + share * (height[falls + 1] - height[falls])
    if falls.size == 1 and above[0] >= 0:
        return float(crossings[0]), None
    low = np.flatnonzero(log_crossing >= np.log(INVERSION_TOP_HPA))
    chosen = int(low[-1]) if low.size else 0
    count, taken = falls.size, crossings[chosen]
    remark = (
        f"inversion, {count} falls through it: that at {taken:.0f} m",
        f"有逆温，{count} 次降至该温度以下，取 {taken:.0f} m 处",
    )
    return float(taken), remark


def saturation_vapour_pressure(temperature: Doubles) -> Doubles:
    """Over water [hPa] at [degC] (Bolton 1980, eq. 10)."""
    pressure: Doubles = 6.112 * np.exp(17.67 * temperature / (temperature + 243.5))
    return pressure


def wet_bulb_temperature(pressure: Doubles, temperature: Doubles, dew_point: Doubles) -> Doubles:
    """Wet-bulb temperature over water [degC] of [hPa], [degC], [degC], by the psychrometer's equation.

    Within 0.6 K of the thermodynamic one of MetPy from -30 to 35 C (tests); NaN where an argument is.
    """
    vapour = saturation_vapour_pressure(dew_point)
    low, high = np.minimum(dew_point, temperature), temperature.copy()
    for _ in range(40):
        middle = (low + high) / 2
        coefficient = PSYCHROMETER * (1 + 0.00115 * middle) * pressure
        warm = saturation_vapour_pressure(middle) - coefficient * (temperature - middle) > vapour
        low, high = np.where(warm, low, middle), np.where(warm, middle, high)
    wet_bulb: Doubles = (low + high) / 2
    return wet_bulb
