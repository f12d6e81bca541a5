"""Indices of a profile (DOMAIN.md section 3) by MetPy. Import it through `thermo_door`: MetPy is slow to import."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import metpy.calc as mpcalc
import numpy as np
from metpy.units import units

from wxcore.environment.heights import heights_of
from wxcore.environment.profile import Doubles, Profile
from wxcore.environment.thermo_door import INDEX_NAMES

TOP_HPA = 100.0
"""Levels above are not given to MetPy [our choice]: parcels do not get there, and humidity is not known."""

MAX_LEVELS = 300
"""High-resolution ascents are thinned to about so many levels [our choice]: MetPy's time grows with them."""

TROPOPAUSE_BOTTOM_HPA, TROPOPAUSE_LAPSE, TROPOPAUSE_DEPTH_M = 500.0, 2.0, 2000.0
"""WMO (1957): the lowest level above 500 hPa with a lapse rate of 2 K/km or less, which on average to every level of
the 2 km above it stays so."""

_TROUBLE = (ValueError, ArithmeticError, RuntimeError, LookupError, TypeError, AttributeError, MemoryError)
"""What MetPy, pint and scipy raise at profiles that lack what an index needs; InvalidSoundingError is a ValueError."""


@dataclass(frozen=True)
class _Air:
    """Levels with temperature and humidity (p, z, t, td), and those with wind (wp, wz, u, v), as pint quantities."""

    p: Any
    z: Any
    t: Any
    td: Any
    wp: Any
    wz: Any
    u: Any
    v: Any
    ground: Any


def indices(profile: Profile) -> Mapping[str, float]:
    """Every index of `thermo_door.INDICES`; NaN where it cannot be computed. Never raises for a Profile."""
    found = dict.fromkeys(INDEX_NAMES, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found["wet_bulb_zero_m"] = heights_of(profile).wet_bulb_zero_m
        found["tropopause_m"], found["tropopause_temperature"] = tropopause(profile)
        for name, value in _lapse_rates(profile).items():
            found[name] = value
        air = _air(profile)
        for names, compute in _COMPUTED:
            values = _tried(compute, air)
            found.update(zip(names, values or [np.nan] * len(names), strict=True))
    return {name: float(value) if np.isfinite(value) else np.nan for name, value in found.items()}


def _tried(compute: Callable[[_Air], list[float]], air: _Air) -> list[float] | None:
    try:
        return compute(air)
    except _TROUBLE:
        return None


def _air(profile: Profile) -> _Air:
    use = profile.pressure >= TOP_HPA
    moist = _thinned(np.flatnonzero(use & np.isfinite(profile.temperature + profile.dew_point)))
    blown = _thinned(np.flatnonzero(use & np.isfinite(profile.u + profile.v)))
    hpa, metre, celsius, speed = units.hPa, units.m, units.degC, units("m/s")
    return _Air(
        profile.pressure[moist] * hpa, profile.height[moist] * metre, profile.temperature[moist] * celsius,
        profile.dew_point[moist] * celsius, profile.pressure[blown] * hpa, profile.height[blown] * metre,
        profile.u[blown] * speed, profile.v[blown] * speed, profile.height[0] * metre,
    )  # fmt: skip


def _thinned(levels: Any) -> Any:
    return levels[:: max(1, -(-levels.size // MAX_LEVELS))]


def _surface_parcel(air: _Air) -> list[float]:
    parcel = mpcalc.parcel_profile(air.p, air.t[0], air.td[0]).to("degC")
    cape, cin = mpcalc.cape_cin(air.p, air.t, air.td, parcel)
    return [cape.m, cin.m]


def _levels_of_parcel(air: _Air) -> list[float]:
    lcl, _ = mpcalc.lcl(air.p[0], air.t[0], air.td[0])
    lfc, _ = mpcalc.lfc(air.p, air.t, air.td)
    el, _ = mpcalc.el(air.p, air.t, air.td)
    return [_height_at(air, level.m_as("hPa")) for level in (lcl, lfc, el)]


def _height_at(air: _Air, pressure: float) -> float:
    return float(np.interp(-np.log(pressure), -np.log(air.p.m), air.z.m, left=np.nan, right=np.nan))


def _theta_e_drop(air: _Air) -> list[float]:
    theta_e = mpcalc.equivalent_potential_temperature(air.p, air.t, air.td).m_as("K")
    above = (air.z - air.ground).m
    layer = theta_e[(above >= 3000) & (above <= 7000)]
    return [theta_e[0] - layer.min()]


def _shear(depth_km: float) -> Callable[[_Air], list[float]]:
    def compute(air: _Air) -> list[float]:
        _reaches(air, depth_km)
        u, v = mpcalc.bulk_shear(air.wp, air.u, air.v, height=air.wz, depth=depth_km * units.km)
        return [float(np.hypot(u.m, v.m))]

    return compute


def _helicity(air: _Air) -> list[float]:
    _reaches(air, 6)
    (u, v), _, _ = mpcalc.bunkers_storm_motion(air.wp, air.u, air.v, air.wz)
    total = mpcalc.storm_relative_helicity(air.wz, air.u, air.v, 3 * units.km, storm_u=u, storm_v=v)[2]
    return [total.m]


def _mean_wind(air: _Air) -> list[float]:
    _reaches(air, 6)
    u, v = mpcalc.mean_pressure_weighted(air.wp, air.u, air.v, height=air.wz, depth=6 * units.km)
    return [u.m, v.m]


def _reaches(air: _Air, depth_km: float) -> None:
    """Winds must begin near the ground and reach so high: nothing is extrapolated."""
    above = (air.wz - air.ground).m
    if not above.size or above[0] > 200 or above[-1] < depth_km * 1000:
        raise ValueError("no wind over the whole layer")


_COMPUTED: tuple[tuple[tuple[str, ...], Callable[[_Air], list[float]]], ...] = (
    (("sbcape", "sbcin"), _surface_parcel),
    (("mucape",), lambda air: [mpcalc.most_unstable_cape_cin(air.p, air.t, air.td)[0].m]),
    (("mlcape",), lambda air: [mpcalc.mixed_layer_cape_cin(air.p, air.t, air.td)[0].m]),
    (("dcape",), lambda air: [mpcalc.downdraft_cape(air.p, air.t, air.td)[0].m]),
    (("lcl_m", "lfc_m", "el_m"), _levels_of_parcel),
    (("shear_0_1km",), _shear(1)),
    (("shear_0_3km",), _shear(3)),
    (("shear_0_6km",), _shear(6)),
    (("srh_0_3km",), _helicity),
    (("mean_u_0_6km", "mean_v_0_6km"), _mean_wind),
    (("pwat",), lambda air: [mpcalc.precipitable_water(air.p, air.td).m_as("mm")]),
    (("theta_e_drop",), _theta_e_drop),
)


def _lapse_rates(profile: Profile) -> dict[str, float]:
    known = np.isfinite(profile.temperature)
    log_p = -np.log(profile.pressure[known])
    found: dict[str, float] = {}
    if not log_p.size:
        return found
    for bottom in (700, 850):
        at = -np.log([float(bottom), 500.0])
        columns = (profile.temperature[known], profile.height[known])
        t, z = (np.interp(at, log_p, column, left=np.nan, right=np.nan) for column in columns)
        found[f"lapse_rate_{bottom}_500"] = float((t[0] - t[1]) / (z[1] - z[0]) * 1000)
    return found


def tropopause(profile: Profile) -> tuple[float, float]:
    """Height [m ASL] and temperature [degC] of the lowest tropopause; NaN where the profile does not reach it."""
    known = np.isfinite(profile.temperature)
    z: Doubles = profile.height[known]
    t: Doubles = profile.temperature[known]
    for level in np.flatnonzero(profile.pressure[known] <= TROPOPAUSE_BOTTOM_HPA):
        if z[-1] < z[level] + TROPOPAUSE_DEPTH_M:
            break
        above = np.append(z[(z > z[level]) & (z < z[level] + TROPOPAUSE_DEPTH_M)], z[level] + TROPOPAUSE_DEPTH_M)
        lapse = (t[level] - np.interp(above, z, t)) / (above - z[level]) * 1000
        if (lapse <= TROPOPAUSE_LAPSE).all():
            return float(z[level]), float(t[level])
    return np.nan, np.nan
