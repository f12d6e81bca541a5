"""Indices by MetPy, through the door."""

import subprocess
import sys

import metpy.calc as mpcalc
import numpy as np
import pytest
from metpy.units import units

from tests.environment.makers import LAPSE, NOON, of, simple
from wxcore.environment.build import Level, Place, profile
from wxcore.environment.heights import wet_bulb_temperature
from wxcore.environment.profile import Profile
from wxcore.environment.thermo import tropopause
from wxcore.environment.thermo_door import INDEX_NAMES, indices_of


def with_dew_point(depression: float = 10.0, surface: float = 34.0, lapse: float = 7.8) -> Profile:
    """An unstable day: 34 C at the ground, 7.8 K/km to 12 km, isothermal above."""
    p = np.array(
        [1000, 975, 950, 925, 900, 850, 800, 750, 700, 650, 600, 550, 500, 450, 400, 350, 300, 250, 200, 150, 100]
    )
    levels, z, kelvin = [], 100.0, surface + 273.15
    for index, pressure in enumerate(p):
        if index:
            z += 287.05 / 9.80665 * (kelvin - 1) * np.log(p[index - 1] / pressure)
        kelvin = surface + 273.15 - lapse * min(z - 100, 12_000) / 1000
        dry = depression + max(0.0, z - 1500) / 1000 * 3
        levels.append(
            Level(float(pressure), z, kelvin - 273.15, kelvin - 273.15 - dry, 2 + z / 500, 1.0 if z < 3000 else 5.0)
        )
    made = profile(levels, Place(NOON, 29.6, 106.5, "57516"))
    assert not isinstance(made, str)
    return made[0]


def test_metpy_gives_the_check_values_of_theta_e() -> None:
    # DOMAIN.md section 10, whose vapour pressure is Bolton's; MetPy 1.7 takes that of Ambaum (2020): 0.1 K less.
    pressure, warm, dew = np.array([960.0, 965.0]), np.array([34.0, 23.0]), np.array([24.0, 21.0])
    found = mpcalc.equivalent_potential_temperature(pressure * units.hPa, warm * units.degC, dew * units.degC).m_as("K")
    assert found == pytest.approx([372.3, 347.4], abs=0.15)


def test_an_unstable_day_has_every_index() -> None:
    day = with_dew_point()
    found = indices_of(day)
    assert tuple(found) == INDEX_NAMES
    assert all(isinstance(value, float) for value in found.values())
    assert [name for name, value in found.items() if np.isnan(value)] == []
    assert 3000 < found["sbcape"] < 7000
    assert found["mucape"] >= found["sbcape"] - 1
    assert found["sbcin"] <= 0
    assert found["dcape"] > 300
    assert found["lcl_m"] < found["lfc_m"] < found["el_m"]
    # Espy: 125 m a kelvin of dew point depression, above the ground at 100 m.
    assert found["lcl_m"] == pytest.approx(100 + 125 * 10, abs=100)
    # Wind by hand: u = 2 + z / 500, so 1 km of depth are 2 m/s; v 1 below 3 km, 5 above.
    assert found["shear_0_1km"] == pytest.approx(2, abs=0.05)
    assert found["shear_0_6km"] == pytest.approx(np.hypot(12, 4), abs=0.1)
    assert found["lapse_rate_700_500"] == pytest.approx(7.8, abs=0.05)
    assert found["lapse_rate_850_500"] == pytest.approx(7.8, abs=0.05)
    assert found["theta_e_drop"] > 15
    assert 20 < found["pwat"] < 80
    assert found["tropopause_m"] == pytest.approx(12_100, abs=1500)


def test_the_standard_tropopause() -> None:
    z = np.arange(0, 20_001, 500.0)
    p = np.where(
        z <= 11_000, 1013.25 * (1 - z / 44_330.8) ** 5.25588, 226.32 * np.exp(-(z - 11_000) / 6341.6)
    )  # ICAO: 15 C, 6.5 K/km to 11 km, -56.5 C above
    t = np.maximum(15 - LAPSE * z / 1000, -56.5)
    nothing = np.full(z.size, np.nan)
    assert tropopause(Profile(p, z, t, t, nothing, nothing, NOON, 0, 0, "x")) == pytest.approx((11_000, -56.5))


@pytest.mark.parametrize(
    "bare",
    [
        of([20, 14, 8, 2, -5]),
        of([20, 14]),
        of([-30, -31, -32, -33, -34]),
        of([float("nan")] * 5),
        of([30, 20, float("nan"), 0, -10], [1000, 900, 800, 700, 600]),
    ],
)
def test_what_is_not_there_is_nan_and_never_an_exception(bare: Profile) -> None:
    found = indices_of(bare)
    assert tuple(found) == INDEX_NAMES
    for name in ("shear_0_1km", "shear_0_6km", "srh_0_3km", "mean_u_0_6km"):
        assert np.isnan(found[name])


def test_wind_that_ends_low_is_not_extrapolated() -> None:
    low = simple(pressures=(1000, 950, 900, 850, 800, 700, 650))
    found = indices_of(low)
    assert np.isfinite(found["shear_0_3km"])
    assert np.isnan(found["shear_0_6km"])


def test_wet_bulb_beside_metpy() -> None:
    cases = [(1000, 30, 20), (850, 20, 5), (700, 8, -2), (600, 2, -15), (500, -6, -10), (700, 10, -25), (400, -20, -30)]
    pressure, warm, dew = (np.array(column, dtype=float) for column in zip(*cases, strict=True))
    expected = mpcalc.wet_bulb_temperature(pressure * units.hPa, warm * units.degC, dew * units.degC).m_as("degC")
    assert wet_bulb_temperature(pressure, warm, dew) == pytest.approx(expected, abs=0.6)


def test_the_room_does_not_import_metpy() -> None:
    code = (
        "import sys, wxcore.environment.levels, wxcore.environment.files, wxcore.environment.thermo_door; "
        "sys.exit('metpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_eccodes_and_pyproj_live_in_one_process() -> None:
    """Loaded in the other order they end in a segmentation fault (see wxcore/codes.py); and nobody loads eccodes who
    decodes nothing."""
    code = (
        "import sys, wxcore.environment.files; assert 'eccodes' not in sys.modules; "
        "from wxcore.codes import eccodes; eccodes.codes_get_api_version(); import pyproj; "
        "assert round(pyproj.Transformer.from_crs(4326, 3857).transform(0, 90)[0]) == 10018754"
    )
    done = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], check=False, timeout=60)
    assert done.returncode == 0
