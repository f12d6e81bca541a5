"""Hail formulas against the check values of DOMAIN.md sections 2.2 and 10."""

import numpy as np
import pytest

from wxcore.products import hail


@pytest.mark.parametrize(
    ("shi", "w98", "m75", "m95"),
    [
        (10, 8.03, 24.26, 36.10), (50, 17.96, 33.79, 50.78), (100, 25.4, 39.0, 58.8),
        (200, 35.9, 45.0, 68.1), (429.3, 52.63, 52.63, 80.10), (800, 71.84, 59.83, 91.40),
    ],
)  # fmt: skip
def test_mesh_calibrations(shi, w98, m75, m95):
    assert hail.mesh_w98(shi) == pytest.approx(w98, abs=0.051)
    assert hail.mesh75(shi) == pytest.approx(m75, abs=0.051)
    assert hail.mesh95(shi) == pytest.approx(m95, abs=0.051)


def test_blend_goes_from_witt_to_murillo():
    assert hail.mesh_blend(10) == pytest.approx(hail.mesh_w98(10), rel=1e-2)
    assert hail.mesh_blend(hail.BLEND_PIVOT_SHI) == pytest.approx(52.63, abs=0.01)
    assert hail.mesh_blend(900) == pytest.approx(hail.mesh75(900), rel=1e-2)
    ten, ninety = (float(hail.mesh_blend(hail.BLEND_PIVOT_SHI + d)) for d in (-100, 100))
    for value, shi, part in ((ten, 329.3, 0.1), (ninety, 529.3, 0.9)):
        assert value == pytest.approx((1 - part) * hail.mesh_w98(shi) + part * hail.mesh75(shi))


@pytest.mark.parametrize(("h0_m", "threshold"), [(4500, 137.75), (5000, 166.5), (3000, 51.5), (2000, 20.0), (0, 20.0)])
def test_warning_threshold_has_a_floor(h0_m, threshold):
    assert hail.warning_threshold(h0_m) == pytest.approx(threshold)


def test_posh():
    values = hail.posh([0, 137.75, 130.27, 1e-9, 1e9, np.nan], 4500)
    assert values[:3] == pytest.approx([0, 50, 48.4], abs=0.05)
    assert values[3:5].tolist() == [0, 100]
    assert np.isnan(values[5])


def test_weights():
    assert hail.reflectivity_weight([39, 40, 45, 50, 70]).tolist() == [0, 0, 0.5, 1, 1]
    assert hail.temperature_weight([0, 4500, 6000, 7500, 9000], 4500, 7500).tolist() == [0, 0, 0.5, 1, 1]
    assert hail.energy_flux(55) == pytest.approx(0.20843, rel=1e-4)
    assert hail.energy_flux(45) == pytest.approx(0.5 * 5e-6 * 10**3.78)
    assert np.isnan(hail.energy_flux(np.nan))


def test_h45_is_negative_below_freezing():
    assert hail.h45_above_h0([6000, 4000], 4500).tolist() == [1500, -500]
