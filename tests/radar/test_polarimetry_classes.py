"""Hydrometeor classes against a slow reference of the fuzzy logic, without tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.radar.polarimetry import classes
from wxcore.radar.polarimetry.band import BANDS
from wxcore.radar.polarimetry.classes import Fields, hydrometeors, layers, trapezoid
from wxcore.radar.polarimetry.gates import Heights
from wxcore.radar.qc_kernels import NOTHING
from wxcore.radar.volume import QC_SPECKLE, QC_SPIKE
from wxcore.schema import POLARIMETRY

GATES = 9
H0 = 4000.0
NAMES = ("GC", "BS", "DS", "WS", "CR", "GR", "BD", "RA", "HR", "RH")
FLAG = {"GC": 2, "BS": 3, "DS": 11, "WS": 12, "CR": 13, "GR": 10, "BD": 7, "RA": 5, "HR": 6, "RH": 8}


def at(height, half_beam=200.0):
    return Heights(*(np.full(GATES, height + off) for off in (0.0, -half_beam, half_beam)))


def classify(z, zdr, rho, kdp, texture, height, band="S"):
    """Class of the middle one of equal gates."""
    row = [np.full((1, GATES), v, np.float32) for v in (z, zdr, rho, kdp, texture)]
    fields = Fields(*row, np.zeros((1, GATES), np.uint8))
    return hydrometeors(fields, at(height), H0, 250.0, BANDS[band])[0][0, 4]


def slow_scores(z, zdr, rho, kdp, texture):
    """Park et al. (2009), tables 1 and 2 and eq. 4, at S band; spread of Z is 0."""
    f1, f2, f3 = (
        -0.5 + 2.5e-3 * z + 7.5e-4 * z**2,
        0.68 - 4.81e-2 * z + 2.92e-3 * z**2,
        1.42 + 6.67e-2 * z + 4.85e-4 * z**2,
    )
    g1, g2, p1 = -44 + 0.8 * z, -22 + 0.5 * z, max(f1, 0)
    top, hail = max(f1, f2), (0.55, 0.65) if z >= 45 else (0.85, 0.90)
    lkdp = 10 * np.log10(kdp) if kdp > 1e-3 else -30
    zdrs = {
        "DS": (-0.3, 0, 0.3, 0.6), "WS": (0.5, 1, 2, 3), "CR": (0.1, 0.4, 3, 3.3), "GR": (-0.3, 0, p1, p1 + 0.3),
        "BD": (f2 - 0.3, f2, f3, f3 + 1), "RA": (f1 - 0.3, f1, top, top + 0.5), "HR": (f1 - 0.3, f1, top, top + 0.5),
        "RH": (-0.3, 0, p1, p1 + 0.5),
    }  # fmt: skip
    zs = {"DS": (5, 10, 35, 40), "WS": (25, 30, 40, 50), "CR": (0, 5, 20, 25), "GR": (25, 35, 50, 55),
          "BD": (20, 25, 45, 50), "RA": (5, 10, 45, 50), "HR": (40, 45, 55, 60), "RH": (45, 50, 75, 80)}  # fmt: skip
    rhos = {"DS": (0.95, 0.98), "WS": (0.88, 0.92, 0.95, 0.985), "CR": (0.95, 0.98), "GR": (0.90, 0.97),
            "BD": (0.92, 0.95), "RA": (0.95, 0.97), "HR": (0.92, 0.95), "RH": hail}  # fmt: skip
    kdps = {"CR": (-5, 0, 10, 15), "HR": (g1 - 1, g1, g2, g2 + 1), "RH": (-10, -4, g1, g1 + 1)}
    weights = {"DS": (1, 0.8, 0.6, 0), "WS": (0.6, 0.8, 1, 0), "CR": (1, 0.6, 0.4, 0.5), "GR": (0.8, 1, 0.4, 0),
               "BD": (0.8, 1, 0.6, 0), "RA": (1, 0.8, 0.6, 0), "HR": (1, 0.8, 0.6, 1)}  # fmt: skip
    weights["RH"] = weights["HR"]
    scores = {}
    for name, w in weights.items():
        members = (
            trapezoid(z, *zs[name]), trapezoid(zdr, *zdrs[name]),
            trapezoid(min(rho, 1.0), *(rhos[name] if len(rhos[name]) == 4 else (*rhos[name], 1.0, 1.01))),
            trapezoid(lkdp, *kdps[name]) if name in kdps else 0.0,
        )  # fmt: skip
        sd_z, sd_phi = trapezoid(0.0, 0, 0.5, 3, 6), trapezoid(texture, 0, 1, 15, 30)
        total = sum(a * b for a, b in zip(w, members, strict=True)) + 0.2 * (sd_z + sd_phi)
        scores[name] = float(total) / (sum(w) + 0.4)
    out = {"RA": z > 50, "DS": zdr > 2, "WS": zdr < 0 or z < 20, "GR": not 10 <= z <= 60, "HR": z < 30, "RH": z < 40,
           "BD": zdr < f2 - 0.3 or z < 20}  # fmt: skip
    return {name: score for name, score in scores.items() if not out.get(name)}


LAYERS = {
    1000.0: ("BD", "RA", "HR", "RH"), 3400.0: ("WS", "GR", "BD", "RA", "HR", "RH"),
    3750.0: ("DS", "WS", "GR", "BD", "RH"),
    4100.0: ("DS", "WS", "CR", "GR", "BD", "RH"), 7000.0: ("DS", "CR", "GR", "RH"),
}  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    z=st.integers(5, 70), zdr=st.integers(-24, 80).map(lambda k: k / 16), rho=st.floats(0.86, 1.04),
    kdp=st.floats(-0.5, 5),
    texture=st.floats(0, 20), height=st.sampled_from(sorted(LAYERS)),
)  # fmt: skip
def test_weather_is_that_of_the_slow_reference(z, zdr, rho, kdp, texture, height):
    scores = {name: s for name, s in slow_scores(z, zdr, rho, kdp, texture).items() if name in LAYERS[height]}
    found = classify(z, zdr, rho, kdp, texture, height)
    ranked = sorted(scores, key=scores.get, reverse=True)
    if np.isnan(found):
        assert not scores or scores[ranked[0]] < 0.5
        return
    if found in {2, 3}:
        assert height != 7000.0
        return  # clutter and biology are below
    name = next(n for n, flag in FLAG.items() if flag == {4: 5, 9: 8}.get(int(found), int(found)))
    assert scores[name] >= scores[ranked[0]] - 0.12  # the steps of the tables


@pytest.mark.parametrize(
    ("gate", "flag"),
    [
        ((22, 0.3, 0.99, 0.0, 3, 1000), 4), ((38, 0.9, 0.99, 0.4, 3, 1000), 5), ((52, 2.2, 0.985, 2.0, 3, 1000), 6),
        ((32, 3.0, 0.97, 0.3, 3, 1000), 7), ((57, 0.2, 0.96, 1.0, 5, 1000), 8), ((57, 0.2, 0.96, 0.2, 5, 7000), 9),
        ((45, 0.2, 0.985, 0.2, 3, 7000), 10), ((22, 0.1, 0.99, 0.0, 3, 7000), 11), ((36, 1.5, 0.93, 0.2, 5, 3750), 12),
        ((8, 1.2, 0.985, 0.6, 3, 7000), 13), ((30, -1.0, 0.7, 0.0, 55, 1000), 2), ((10, 5.0, 0.6, 0.0, 20, 1000), 3),
        ((48, 0.0, 0.68, 0.5, 10, 1000), 8),
    ],
)  # fmt: skip
def test_textbook_gates(gate, flag):
    assert classify(*gate) == flag


def test_kdp_counts_by_band():
    # KDP goes with the frequency: 2.8, 5.6 and 9.4 GHz
    assert [BANDS[b].kdp_ratio for b in "SCX"] == pytest.approx([1.0, 5.6 / 2.8, 9.4 / 2.8], rel=0.03)
    for name in "CX":
        table, sizes = classes.memberships(BANDS[name])
        part = table[sizes.at_kdp : sizes.at_sd_z].reshape(sizes.z, sizes.kdp, sizes.classes)
        at_s, sizes_s = classes.memberships(BANDS["S"])
        part_s = at_s[sizes_s.at_kdp : sizes_s.at_sd_z].reshape(part.shape)
        moved = round(10 * np.log10(BANDS[name].kdp_ratio) / 0.5)
        np.testing.assert_allclose(part[:, moved:-1], part_s[:, : -1 - moved], atol=0.25)
        assert np.abs(part - part_s).max() > 0.9
    assert classify(50, 2.0, 0.98, 1.6, 3, 1000) == classify(50, 2.0, 0.98, 1.6 * 3.3, 3, 1000, "X") == 6


def test_unknown_variables_are_left_out():
    assert classify(25, np.nan, 0.99, np.nan, np.nan, 1000) == 4
    assert np.isnan(classify(25, 0.4, np.nan, 0.1, 3, 1000))
    assert np.isnan(classify(np.nan, 0.4, 0.99, 0.1, 3, 1000))
    assert classify(NOTHING, np.nan, np.nan, np.nan, np.nan, 1000) == 1


def test_a_speckle_is_no_echo_as_in_the_tilts():
    values = [np.full((1, 9), v, np.float32) for v in (25.0, 0.3, 0.99, 0.1, 3.0)]
    qc = np.array([[0, 0, 0, 0, QC_SPECKLE, 0, QC_SPIKE, 0, 0]], np.uint8)
    at = Heights(*(np.full(9, h) for h in (1000.0, 900.0, 1100.0)))
    found, _ = classes.hydrometeors(classes.Fields(*values, qc), at, 4000.0, 250.0, BANDS["S"])
    assert found[0, 4] == 1
    assert np.isnan(found[0, 6])
    assert (found[0, [0, 3, 5, 8]] == 4).all()


def test_layers_by_the_beam():
    heights = Heights(
        np.array([3000.0, 3400, 3700, 4050, 4300]), np.array([2900.0, 3200, 3500, 3900, 4100]),
        np.array([3100.0, 3600, 3900, 4200, 4500]),
    )  # fmt: skip
    assert layers(heights, H0).tolist() == [0, 1, 2, 3, 4]


def test_flags_are_those_of_the_schema():
    flags = dict(next(var.flags for var in POLARIMETRY if var.name == "hydrometeor_class_low"))
    mine = {flags[v]: v for v in range(1, 14)}
    assert mine == {
        "no_echo": classes.NO_ECHO_CLASS, "ground_clutter": classes.CLUTTER, "biological": classes.BIOLOGICAL,
        "drizzle_light_rain": classes.LIGHT_RAIN, "rain": classes.RAIN, "heavy_rain": classes.HEAVY_RAIN,
        "big_drops": classes.BIG_DROPS, "rain_hail": classes.RAIN_HAIL, "hail": classes.HAIL,
        "graupel": classes.GRAUPEL, "dry_snow": classes.DRY_SNOW, "wet_snow": classes.WET_SNOW,
        "ice_crystals": classes.CRYSTALS,
    }  # fmt: skip
