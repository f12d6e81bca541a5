"""The lightning jump, computed by hand."""

import numpy as np
import pytest

from wxcore.lightning.jump import lightning_jump

QUIET = [2, 3, 2, 4, 3, 4]
"""Changes 1 -1 2 -1 1: mean 0.4, sum of squares 7.2, sigma sqrt(7.2 / 4) = 1.3416."""


@pytest.mark.parametrize(
    ("rates", "total", "sigma", "jump"),
    [
        ([*QUIET, 12], True, 8 / np.sqrt(1.8), 1),
        ([*QUIET, 9.9], True, 5.9 / np.sqrt(1.8), 0),  # strong growth, but fewer than 10 a minute
        ([*QUIET, 9.9], False, 5.9 / np.sqrt(1.8), 1),  # enough for cloud-to-ground flashes
        ([*QUIET, 3], True, -1 / np.sqrt(1.8), 0),
        ([20, 20, 20, 20, 20, 20, 22], True, 2.0, 1),  # sigma 0 is taken as 1; exactly two of it
        ([20, 20, 20, 20, 20, 20, 21.9], True, 1.9, 0),
        ([0, 0, 0, 0, 0, 0, 3], True, 3.0, 0),  # a first flash or three are no jump
        ([0, 0, 0, 0, 0, 0, 4], False, 4.0, 1),
        ([30, 20, 34, 22, 35, 24, 36], True, 12 / np.std([-10, 14, -12, 13, -11], ddof=1), 0),  # it always swings so
    ],
)
def test_by_hand(rates: list[float], total: bool, sigma: float, jump: float) -> None:
    found = lightning_jump(rates, total=total)
    assert float(found.sigma) == pytest.approx(sigma)
    assert float(found.jump) == jump


def test_a_growing_storm_jumps_once_and_not_while_it_falls() -> None:
    """Rates as a supercell's: steady, a jump to 27 a minute, on to 40, then decay."""
    rates = np.array([6, 7, 6, 8, 7, 9, 8, 27, 40, 41, 38, 30, 21, 15, 11.0])
    flags = [float(lightning_jump(rates[i - 7 : i], total=True).jump) for i in range(7, rates.size + 1)]
    # the change 8 -> 27 against sigma of (-1, 2, -1, 2, -1); 27 -> 40 is 13 against one that has seen 19: 8.6
    assert flags == [0, 1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("gap", range(7))
def test_a_gap_is_no_jump_and_no_calm(gap: int) -> None:
    rates = np.array([*QUIET, 12.0])
    rates[gap] = np.nan
    found = lightning_jump(rates, total=True)
    assert np.isnan(found.sigma)
    assert np.isnan(found.jump)


def test_many_storms_at_once_older_bins_are_not_used() -> None:
    found = lightning_jump(np.array([[99, *QUIET, 12], [np.nan, *QUIET, 3]]), total=[True, True])
    np.testing.assert_array_equal(found.jump, [1, 0])


def test_too_few_bins() -> None:
    with pytest.raises(ValueError, match="7"):
        lightning_jump(QUIET, total=True)
