"""Equivalent potential temperature of Bolton (1980): how much a parcel holds; the air of an outflow holds little."""

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

KAPPA = 0.2857
"""R / c_p of dry air (DOMAIN.md 2.6)."""

EPSILON = 0.62198
"""Ratio of the gas constants of dry air and water vapour [M: molar masses 18.015 and 28.964]."""

ZERO_C_K = 273.15


def vapour_pressure(dew_point_c: npt.ArrayLike) -> Doubles:
    """Vapour pressure [hPa] of a dew point [degC] (Bolton 1980, eq. 10): saturation over water."""
    dew_point = np.asarray(dew_point_c, dtype=np.float64)
    with np.errstate(all="ignore"):
        return np.asarray(6.112 * np.exp(17.67 * dew_point / (dew_point + 243.5)), dtype=np.float64)


def dew_point(temperature_c: npt.ArrayLike, humidity_percent: npt.ArrayLike) -> Doubles:
    """Dew point [degC] of a temperature [degC] and a relative humidity [%], Bolton's eq. 10 turned round (eq. 11).

    NaN where the humidity is not above 0. Arrays broadcast.
    """
    humidity = np.asarray(humidity_percent, dtype=np.float64)
    with np.errstate(all="ignore"):
        known = np.where(humidity > 0, humidity, np.nan)
        ratio = np.log(vapour_pressure(temperature_c) * known / 100 / 6.112)
        return np.asarray(243.5 * ratio / (17.67 - ratio), dtype=np.float64)


def theta_e(pressure_hpa: npt.ArrayLike, temperature_c: npt.ArrayLike, dew_point_c: npt.ArrayLike) -> Doubles:
    """Equivalent potential temperature [K] (Bolton 1980, eq. 39, with T_L of eq. 15 and theta_L of eq. 24).

    Args:
        pressure_hpa: at the station [hPa]; temperature_c, dew_point_c: [degC]. Arrays broadcast.

    Returns:
        NaN where any of them is, or where vapour would be all of the pressure.
    """
    pressure = np.asarray(pressure_hpa, dtype=np.float64)
    t = np.asarray(temperature_c, dtype=np.float64) + ZERO_C_K
    td = np.asarray(dew_point_c, dtype=np.float64) + ZERO_C_K
    e = vapour_pressure(dew_point_c)
    with np.errstate(all="ignore"):
        dry = np.where(pressure > e, pressure - e, np.nan)
        r = EPSILON * e / dry
        at_lcl = 56 + 1 / (1 / (td - 56) + np.log(t / td) / 800)
        theta = t * (1000 / dry) ** KAPPA * (t / at_lcl) ** (0.28 * r)
        return np.asarray(theta * np.exp((3036 / at_lcl - 1.78) * r * (1 + 0.448 * r)), dtype=np.float64)
