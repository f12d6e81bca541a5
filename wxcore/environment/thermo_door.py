"""The only door to `environment.thermo`, which is imported when it is first needed: MetPy takes a second or two to
import, and the command line must not pay for it (precedent: cli/start.py). Run it where a hang or crash can be killed.
"""

import importlib
from collections.abc import Mapping

from wxcore.environment.profile import Profile

INDICES: tuple[tuple[str, str, str], ...] = (
    ("mucape", "J kg-1", "CAPE of the most unstable parcel of the lowest 300 hPa"),
    ("sbcape", "J kg-1", "CAPE of the parcel at the ground"),
    ("sbcin", "J kg-1", "CIN of the same (not positive)"),
    ("mlcape", "J kg-1", "CAPE of the parcel mixed over the lowest 100 hPa"),
    ("dcape", "J kg-1", "downdraft CAPE from the least theta_e between 700 and 500 hPa"),
    ("lcl_m", "m", "height of the lifting condensation level of the parcel at the ground, above sea level"),
    ("lfc_m", "m", "height of its level of free convection, above sea level"),
    ("el_m", "m", "height of its equilibrium level, above sea level"),
    ("lapse_rate_700_500", "K km-1", "lapse rate from 700 to 500 hPa; cooling upward is positive"),
    ("lapse_rate_850_500", "K km-1", "lapse rate from 850 to 500 hPa"),
    ("shear_0_1km", "m s-1", "wind 1 km above the ground minus wind at the ground"),
    ("shear_0_3km", "m s-1", "the same to 3 km"),
    ("shear_0_6km", "m s-1", "the same to 6 km"),
    ("srh_0_3km", "m2 s-2", "storm-relative helicity of the lowest 3 km, right-moving storm (Bunkers)"),
    ("mean_u_0_6km", "m s-1", "eastward mean wind of the lowest 6 km, weighted by pressure"),
    ("mean_v_0_6km", "m s-1", "northward mean wind of the same"),
    ("pwat", "mm", "precipitable water"),
    ("theta_e_drop", "K", "theta_e at the ground minus its least value 3 to 7 km above the ground"),
    ("wet_bulb_zero_m", "m", "height of the wet-bulb 0 C level above sea level"),
    ("tropopause_m", "m", "height of the lowest tropopause (WMO 1957), above sea level"),
    ("tropopause_temperature", "degC", "temperature there"),
)
"""(name, units, meaning) of every index."""

INDEX_NAMES = tuple(name for name, _, _ in INDICES)


def indices_of(profile: Profile) -> Mapping[str, float]:
    """Every index of INDICES, NaN where the profile does not give it; see `environment.thermo.indices`."""
    found: Mapping[str, float] = importlib.import_module("wxcore.environment.thermo").indices(profile)
    return found
