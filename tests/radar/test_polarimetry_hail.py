"""HDR and HSDA: DOMAIN.md's vectors and table, a slow reference of that table, and pyhail's answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.radar.polarimetry.hail_size import hail_sizes, hdr, hdr_diameter, layers
from wxcore.radar.qc_kernels import NOTHING

KINDS = (8.0, 9.0)


@pytest.mark.parametrize(
    ("zh", "zdr", "db", "mm"),
    [(60, 0.5, 23.5, 18.77), (60, 2.0, 0.0, 0.0), (55, -1.0, 28.0, 23.71), (45, 1.74, -15.06, 0.0)],
)
def test_hdr_vectors(zh, zdr, db, mm):
    assert hdr(zh, zdr) == pytest.approx(db, abs=1e-9)
    assert hdr_diameter(hdr(zh, zdr)) == pytest.approx(mm, abs=0.01)


def test_hdr_of_the_unknown_is_unknown():
    assert np.isnan(hdr(60.0, np.nan))
    assert np.isnan(hdr(np.nan, 1.0))
    assert np.isnan(hdr_diameter(np.nan))


def test_layers_from_the_top():
    found = layers([9000, 8000, 7999, 4000, 3999, 3000, 2999, 2000, 1999, 1000, 999, 0], 4000.0, 8000.0)
    assert found.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def size(z, zdr, rho, layer, **others):
    """Of a gate in the middle of nine equal ones."""
    row = [np.full((1, 9), v, np.float32) for v in (z, zdr, rho)]
    hclass = np.full((1, 9), 8, np.float32)
    return int(hail_sizes(*row, hclass, np.full(9, layer, np.int32), KINDS, **others)[0, 4])


def slow(z, zdr, rho, layer):
    """DOMAIN.md 2.2 read line by line."""
    f1, f2, f3 = -0.5 + 2.5e-3 * z + 7.5e-4 * z * z, 0.1 * (z - 50), 0.1 * (z - 60)
    g1, g2, g3 = -0.9 + 1.5e-2 * z + 5e-4 * z * z, 0.075 * (z - 50), 0.075 * (z - 60)
    ice, low = (-8.75, -7.75), (0.91, 0.94, 0.96, 0.99)
    small_z = [(45, 50, 60, 65)] * 3 + [(45, 52, 62, 67), (45, 49, 59, 64), (45, 47, 57, 62)]
    large_z = [(48, 58, 63, 68)] * 3 + [(50, 60, 65, 70), (50, 57, 62, 67), (50, 55, 60, 65)]
    giant_z = [(50, 60, 100, 101)] * 3 + [(52, 62, 100, 101), (50, 59, 100, 101), (50, 57, 100, 101)]
    f_small, f_large, f_giant = (f2 - 0.3, f2, f1, f1 + 0.3), (f3 - 0.3, f3, f2, f2 + 0.3), (*ice, f3, f3 + 0.3)
    small_zdr = [(-0.5, -0.3, 0.3, 0.5)] * 2 + [(-0.1, 0.3, 0.7, 1.2), (g2 - 0.3, g2, g1, g1 + 0.3), f_small, f_small]
    large_zdr = [(-0.5, -0.3, 0.3, 0.5)] * 2 + [(-0.3, 0.1, 0.5, 1), (g3 - 0.3, g3, g2, g2 + 0.3), f_large, f_large]
    giant_zdr = [(*ice, 0.3, 0.5), (*ice, 0.2, 0.5), (*ice, 0.2, 0.7), (*ice, g3, g3 + 0.3), f_giant, f_giant]
    small_rho = [(0.92, 0.96, 0.99, 1)] * 2 + [(0.93, 0.96, 0.99, 1), (0.94, 0.96, 0.98, 1), low, low]
    large_rho = [(0.92, 0.96, 0.99, 1), (0.86, 0.90, 0.96, 0.98)] + [(0.80, 0.91, 0.97, 0.98)] * 2
    large_rho += [(0.80, 0.90, 0.96, 0.99)] * 2
    giant_rho = [(-1, 0, 0.99, 1), (-1, 0, 0.93, 0.98), (-1, 0, 0.94, 0.98), (-1, 0, 0.96, 0.98)]
    giant_rho += [(-1, 0, 0.93, 0.98)] * 2
    weights = [(1, 0.3, 0.6)] * 2 + [(0.8, 0.5, 0.6), (0.7, 0.8, 0.6), (0.7, 1, 0.6), (0.7, 1, 0.6)]
    scores = []
    for tables in ((small_z, small_zdr, small_rho), (large_z, large_zdr, large_rho), (giant_z, giant_zdr, giant_rho)):
        members = []
        for x, table in zip((z, zdr, rho), tables, strict=True):
            a, b, c, d = table[layer]
            members.append(
                1.0 if b <= x <= c else 0.0 if x <= a or x >= d else min((x - a) / (b - a), (d - x) / (d - c))
            )
        w = weights[layer]
        scores.append(0.0 if min(members) < 0.2 else sum(a * b for a, b in zip(w, members, strict=True)) / sum(w))
    best = max(k for k in range(3) if scores[k] == max(scores))
    return 1 if max(scores) < 0.6 or zdr >= 2 else best + 1


@settings(max_examples=600, deadline=None)
@given(
    z=st.integers(420, 760).map(lambda k: k / 10), zdr=st.integers(-30, 60).map(lambda k: k / 16),
    rho=st.integers(160, 210).map(lambda k: k / 200), layer=st.integers(0, 5),
)  # fmt: skip
def test_hsda_is_the_table(z, zdr, rho, layer):
    z, zdr, rho = (float(np.float32(v)) for v in (z, zdr, rho))
    assert size(z, zdr, rho, layer) == slow(z, zdr, rho, layer)


PYHAIL = np.array([
    (75.3, 1.5625, 0.83, 0, 1), (53.5, 0.75, 0.93, 0, 1), (58.4, -0.375, 0.98, 0, 2), (59.2, -0.1875, 0.96, 0, 2),
    (58.4, -0.3125, 0.995, 0, 2), (75.8, -1.5625, 0.965, 0, 3), (66.5, -1.5, 0.82, 0, 3), (69.2, -1.8125, 0.945, 0, 3),
    (51.3, -1.0625, 0.93, 1, 1), (56.6, -1.8125, 0.98, 1, 1), (62.1, -0.125, 0.935, 1, 2), (58.2, 0.3125, 0.93, 1, 2),
    (56.2, 0.375, 0.915, 1, 2), (54.5, -1.3125, 0.89, 1, 3), (64.7, -0.8125, 0.89, 1, 3), (71.4, -1, 0.88, 1, 3),
    (60.4, 1.1875, 0.835, 2, 1), (48.9, 1.5, 0.855, 2, 1), (57.6, 0.3125, 0.87, 2, 2), (54.3, 0.375, 0.905, 2, 2),
    (60.4, 0.375, 0.905, 2, 2), (69.1, -1.625, 0.86, 2, 3), (68.7, -0.625, 0.805, 2, 3), (58.4, 0.4375, 0.825, 2, 3),
    (74.2, 1.3125, 0.89, 3, 1), (71, 1.625, 0.89, 3, 1), (55.4, -0.125, 0.95, 3, 2), (57.8, 0.5, 0.88, 3, 2),
    (66.4, 0.875, 0.94, 3, 2), (70.5, 0.8125, 0.965, 3, 3), (57.8, -0.375, 0.855, 3, 3), (65.7, -0.25, 0.915, 3, 3),
    (72.3, 0, 0.99, 4, 1), (68.3, 1.0625, 0.945, 4, 1), (62, 1, 0.84, 4, 2), (63.6, 1.0625, 0.885, 4, 2),
    (53.5, -0.125, 0.825, 4, 2), (64.5, -0.1875, 0.95, 4, 3), (68.4, -0.5, 0.825, 4, 3), (65.3, -1.6875, 0.845, 4, 3),
    (60.8, 1.875, 0.83, 5, 1), (62.1, -0.625, 0.995, 5, 1), (58.5, -0.0625, 0.88, 5, 2), (60.8, 0.625, 0.925, 5, 2),
    (58.5, 0.5625, 0.85, 5, 2), (71.5, -1.1875, 0.84, 5, 3), (69.7, -1.75, 0.825, 5, 3), (61.9, -0.9375, 0.9, 5, 3),
])  # fmt: skip
"""z, zdr, rho, layer, class: pyhail 3.4.2, hsda.main on nine equal gates."""


def test_hsda_is_that_of_pyhail():
    found = [size(z, zdr, rho, int(layer)) for z, zdr, rho, layer, _ in PYHAIL]
    assert found == PYHAIL[:, 4].astype(int).tolist()
    assert set(found) == {1, 2, 3}


def test_ties_go_to_the_larger():
    # above -25 C, Z 60, ZDR 0, rhoHV 0.97: all memberships of all three classes are 1
    assert size(60.0, 0.0, 0.97, 0) == 3


def test_only_hail_gates_and_known_values_have_a_size():
    row = [np.full((1, 9), v, np.float32) for v in (60.0, 0.0, 0.97)]
    hclass = np.array([[1, 5, 8, 9, 10, 8, np.nan, 9, 8]], np.float32)
    row[0][0, 8], row[1][0, 7] = NOTHING, np.nan
    found = hail_sizes(*row, hclass, np.zeros(9, np.int32), KINDS)[0]
    assert (found == 0).tolist() == [True, True, False, False, True, False, False, False, False]
    assert np.isnan(found).tolist() == [False] * 6 + [True, True, True]
    assert (found > 0).tolist() == [False, False, True, True, False, True, False, False, False]


def test_of_an_unknown_class_weak_echo_is_no_hail_and_strong_echo_nobody_knows():
    z = np.array([[NOTHING, np.nan, 20.0, 39.9, 40.0, 65.0]], np.float32)
    hclass = np.array([[1, np.nan, np.nan, np.nan, np.nan, np.nan]], np.float32)
    row = [np.full_like(z, v) for v in (0.0, 0.97)]
    found = hail_sizes(z, *row, hclass, np.zeros(6, np.int32), KINDS)[0]
    np.testing.assert_array_equal(found, [0, np.nan, 0, 0, np.nan, np.nan])


def test_five_gates_are_averaged_without_those_that_have_no_echo():
    z = np.array([[40.0, 50, 60, 60, 60, NOTHING, 58]], np.float32)
    zdr, rho = np.zeros_like(z), np.full_like(z, 0.97)
    hclass = np.array([[1, 1, 9, 1, 1, 1, 1]], np.float32)
    layer = np.zeros(7, np.int32)
    assert hail_sizes(z, zdr, rho, hclass, layer, KINDS)[0, 2] == slow(54.0, 0.0, 0.97, 0) == 1
    hclass[0, 2], hclass[0, 4] = 1, 9
    assert hail_sizes(z, zdr, rho, hclass, layer, KINDS)[0, 4] == slow(59.5, 0.0, 0.97, 0)


def test_quality_weighs_the_variables():
    case = (51.0, -0.25, 0.98, 5)  # its rhoHV says small, the others large
    assert (size(*case), size(*case, quality=(1.0, 1.0, 0.1))) == (1, 2)
