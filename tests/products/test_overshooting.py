"""Overshooting tops: each limit of Bedka 2010 from both sides, uniqueness, gaps and edges."""

import numpy as np
import pytest

from wxcore.grid import Grid
from wxcore.products.overshooting import NONE, NOT_OBSERVED, OVERSHOOTING_TOP, overshooting_tops

GRID = Grid(106.0, 29.0, 120, 100)
ANVIL_K = 210.0


def anvil(*tops, level=ANVIL_K, pixel=4, grid=GRID):
    """A flat anvil with tops (row, column, depth) of one pixel."""
    bt = np.full(grid.shape, level, "f4")
    for row, column, depth in tops:
        bt[row : row + pixel, column : column + pixel] -= depth
    return bt


def number(bt, **more):
    flags = overshooting_tops(bt, GRID, **more)
    return int((flags == OVERSHOOTING_TOP).sum())


@pytest.mark.parametrize(("pixel", "depth", "expected"), [(4, 5.4, 0), (4, 5.6, 16), (1, 6.4, 0), (1, 6.6, 1)])
def test_how_much_colder_than_its_anvil(pixel, depth, expected):
    assert number(anvil((48, 60, depth), pixel=pixel), pixel_cells=pixel) == expected


def test_the_flag_stands_on_the_cells_of_the_top_and_none_elsewhere():
    flags = overshooting_tops(anvil((48, 60, 8.0)), GRID)
    expected = np.full(GRID.shape, NONE)
    expected[48:52, 60:64] = OVERSHOOTING_TOP
    np.testing.assert_array_equal(flags, expected)


@pytest.mark.parametrize(("level", "expected"), [(220.0, 16), (224.0, 0)])
def test_a_top_is_at_most_215_k(level, expected):
    assert number(anvil((48, 60, 8.0), level=level)) == expected


def test_the_tropopause_may_ask_for_a_colder_top():
    bt = anvil((48, 60, 8.0))
    assert number(bt, tropopause_k=203.0) == 16
    assert number(bt, tropopause_k=201.0) == 0


@pytest.mark.parametrize(("known", "expected"), [(9, 16), (8, 0)])
def test_the_anvil_must_be_there_in_nine_directions(known, expected):
    """The rest of the ring sees warm ground, which must not count as an anvil."""
    bt = anvil((48, 60, 8.0))
    row, column = np.mgrid[: GRID.n_lat, : GRID.n_lon]
    north, east = (row - 49) * 1.112, (column - 61) * 1.112 * np.cos(np.deg2rad(29.5))
    angle = np.rad2deg(np.arctan2(east, north)) % 360
    ring = np.hypot(north, east) > 6
    bt[ring & ((angle + 11.25) % 360 >= known * 22.5)] = 290
    assert number(bt) == expected


def test_of_two_within_15_km_the_colder_counts():
    bt = anvil((48, 60, 8.0), (48, 72, 9.0))
    flags = overshooting_tops(bt, GRID)
    assert (flags[48:52, 72:76] == OVERSHOOTING_TOP).all()
    assert (flags[48:52, 60:64] == NONE).all()


def test_two_that_are_20_km_apart_count_both():
    assert number(anvil((48, 40, 8.0), (48, 64, 9.0))) == 32


def test_a_slope_is_no_top():
    bt = np.broadcast_to(np.linspace(180, 230, GRID.n_lon, dtype="f4"), GRID.shape).copy()
    assert (overshooting_tops(bt, GRID)[:, 15:] == NONE).all()


def test_water_vapour_warmer_than_the_window_is_asked_for_where_it_is_known():
    bt = anvil((48, 60, 8.0))
    wv = np.full(GRID.shape, np.float32(1.0))
    assert number(bt, wv_difference=wv) == 16
    wv[48:52, 60:64] = -1.0
    assert number(bt, wv_difference=wv) == 0
    wv[48:52, 60:64] = np.nan
    assert number(bt, wv_difference=wv) == 16


def test_what_nobody_saw_is_not_observed():
    bt = anvil((48, 60, 8.0))
    bt[10:20] = np.nan
    flags = overshooting_tops(bt, GRID)
    assert (flags[10:20] == NOT_OBSERVED).all()
    assert (flags == OVERSHOOTING_TOP).sum() == 16


def test_a_cold_top_whose_surroundings_are_unknown_is_not_judged():
    bt = anvil((0, 0, 20.0))
    flags = overshooting_tops(bt, GRID)
    assert (flags[:4, :4] == NOT_OBSERVED).any()
    assert not (flags == OVERSHOOTING_TOP).any()
    assert (overshooting_tops(np.full(GRID.shape, np.nan, "f4"), GRID) == NOT_OBSERVED).all()
