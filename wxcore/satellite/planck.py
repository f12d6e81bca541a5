"""Planck's law in the units of satellite files: radiance in mW m-2 sr-1 cm, wavelength in micrometres.

    L = C1 nu^3 / (exp(C2 nu / T) - 1),  T = C2 nu / ln(1 + C1 nu^3 / L),  nu = 10^4 / wavelength [cm-1]

C1 = 2 h c^2 and C2 = h c / k from the exact constants of the SI of 2019 (CODATA 2018).
"""

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

PLANCK_JS, LIGHT_M_S, BOLTZMANN_J_K = 6.626_070_15e-34, 299_792_458.0, 1.380_649e-23

C1 = 2 * PLANCK_JS * LIGHT_M_S**2 * 1e3 * 1e8
"""First radiation constant [mW m-2 sr-1 cm4]: 1.191042972e-5 (1e3: W to mW, 1e8: m4 to cm4 over m2 to cm2)."""
C2 = PLANCK_JS * LIGHT_M_S / BOLTZMANN_J_K * 100
"""Second radiation constant [K cm]: 1.438776877."""


def radiance(temperature_k: npt.ArrayLike, wavelength_um: float) -> Doubles:
    """Radiance [mW m-2 sr-1 cm] of a black body [K] at one wavelength [um]; NaN where it is not above 0 K."""
    nu = 1e4 / wavelength_um
    warm = _positive(temperature_k)
    with np.errstate(over="ignore"):
        return np.asarray(C1 * nu**3 / np.expm1(C2 * nu / warm))


def brightness_temperature(radiance: npt.ArrayLike, wavelength_um: float) -> Doubles:
    """Temperature [K] of the black body with this radiance [mW m-2 sr-1 cm] at one wavelength [um].

    NaN where the radiance is not above 0: nothing in the sky is at 0 K, so such a count is no measurement.
    """
    nu = 1e4 / wavelength_um
    return np.asarray(C2 * nu / np.log1p(C1 * nu**3 / _positive(radiance)))


def _positive(values: npt.ArrayLike) -> Doubles:
    values = np.asarray(values, dtype=np.float64)
    return np.where(values > 0, values, np.nan)
