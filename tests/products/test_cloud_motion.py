"""Cloud motion: known displacements, growth, noise, pixels, still ground, holes, no clouds, a real image."""

from pathlib import Path

import numpy as np
import pytest

from tests.products.skies import DEGREE_M, GRID, GROUND_K, Cloud, many, sky
from wxcore.grid import Grid
from wxcore.products.cloud_motion import LEAST_BLOCK_CELLS, cloud_motion
from wxcore.satellite import regrid
from wxcore.satellite.agri import FORMAT


def missed(motion, shift, minutes=15.0, grid=GRID):
    """Largest error of the displacement in 15 minutes [cells]; NaN anywhere fails."""
    cell = DEGREE_M * grid.step_deg
    rows = motion.v * 900 / cell
    columns = motion.u * 900 / (cell * np.cos(np.deg2rad(grid.lat)))[:, np.newaxis]
    return max(np.abs(rows - shift[0]).max(), np.abs(columns - shift[1]).max())


def moved(shift, minutes=15.0, *, growth=0.0, pixel=1, noise=0.0):
    clouds, rng = many(growth=growth), np.random.default_rng(5)
    now, before = (sky(clouds, age, shift, pixel=pixel) for age in (0, -minutes))
    return tuple((f + rng.normal(0, noise, f.shape)).astype("f4") for f in (now, before))


@pytest.mark.parametrize("shift", [(0, 0), (14, -8), (-20, 45), (3.4, -2.7)])
def test_a_known_displacement_is_found(shift):
    assert missed(cloud_motion(*moved(shift), 15, GRID), shift) <= 0.5


def test_a_still_scene_stays():
    now, _ = moved((0, 0))
    motion = cloud_motion(now, now, 15, GRID)
    assert np.hypot(motion.u, motion.v).max() < 0.4


def test_growing_clouds_are_followed():
    shift = (9, 16)
    assert missed(cloud_motion(*moved(shift, growth=10.0), 15, GRID), shift) <= 0.5


def test_noise_does_no_harm():
    shift = (9, 16)
    assert missed(cloud_motion(*moved(shift, noise=1.0), 15, GRID), shift) <= 0.5


@pytest.mark.parametrize("shift", [(0, 0), (6, 10), (-5, 13)])
def test_steps_of_pixels_do_not_hold_the_clouds(shift):
    assert missed(cloud_motion(*moved(shift, pixel=4), 15, GRID), shift) <= 0.5


def test_ten_minutes_give_the_same_speed_as_fifteen():
    shift = (9, 16)
    assert missed(cloud_motion(*moved(shift, 10.0), 10, GRID), shift) <= 0.75


def test_textured_ground_does_not_hold_the_clouds():
    ground = np.random.default_rng(2).uniform(275, 305, GRID.shape).astype("f4")
    now, before = (np.where(f < 270, f, ground) for f in moved((9, 16)))
    assert missed(cloud_motion(now, before, 15, GRID), (9, 16)) <= 0.5


def test_without_cold_clouds_nothing_is_known():
    ground = np.random.default_rng(2).uniform(275, 305, GRID.shape).astype("f4")
    motion = cloud_motion(ground, ground, 15, GRID)
    assert np.isnan(motion.u).all()
    assert np.isnan(motion.v).all()


def test_places_without_clouds_inherit_from_near_ones_only():
    grid = Grid(100.0, 29.0, 800, 136)
    clouds = [Cloud(30, 40), Cloud(90, 70, 70, 9), Cloud(60, 100, 50, 15)]
    motion = cloud_motion(*(sky(clouds, age, (4, 7), grid=grid) for age in (0, -15)), 15, grid)
    near = motion.u[:, :250] * 900 / (DEGREE_M * 0.01 * np.cos(np.deg2rad(grid.lat)))[:, np.newaxis]
    assert np.abs(near - 7).max() <= 0.5
    assert np.isnan(motion.u[:, 500:]).all()


def test_bad_lines_and_an_unknown_quarter_do_not_matter():
    now, before = moved((9, 16))
    now[50:54], before[120:128] = np.nan, np.nan
    before[:100, :100] = np.nan
    assert missed(cloud_motion(now, before, 15, GRID), (9, 16)) <= 0.5


def test_a_block_that_contradicts_its_neighbours_is_dropped():
    grid = Grid(105.0, 29.0, 384, 384)
    clouds = many(grid, count=60)
    now, before = (sky(clouds, age, (6, 6), grid=grid) for age in (0, -15))
    before[128:256, 128:256] = np.roll(now, (-24, 24), axis=(0, 1))[128:256, 128:256]
    motion = cloud_motion(now, before, 15, grid)
    assert missed(motion, (6, 6), grid=grid) <= 2.5, "its own motion is 30 cells off, its neighbours' up to 3"


def test_all_unknown_and_tiny_grids_are_unknown():
    now, before = moved((0, 0))
    assert np.isnan(cloud_motion(np.full_like(now, np.nan), before, 15, GRID).u).all()
    tiny = Grid(105, 29, 200, LEAST_BLOCK_CELLS - 1)
    assert np.isnan(cloud_motion(now[: tiny.n_lat, :200], before[: tiny.n_lat, :200], 15, tiny).v).all()


def test_a_flat_deck_has_no_motion():
    deck = np.full(GRID.shape, GROUND_K - 60, "f4")
    assert np.isnan(cloud_motion(deck, deck, 15, GRID).u).all()


def test_a_real_image_that_was_moved(data: Path):
    """The FY-4B scene on two grids, the second beside the first: every cloud moves by the same cells."""
    path = next((data / "satellite" / "fy4b_hdf").glob("*.HDF"), None)
    if path is None or FORMAT.read_path is None:
        pytest.skip("no FY-4B file")
    first, second = Grid(100.0, 27.0, 300, 300), Grid(100.09, 26.94, 300, 300)
    scene = FORMAT.read_path(path, path.name, (99.0, 26.0, 104.0, 31.0))
    now, before = (regrid.to_grid(scene, grid)["brightness_temperature_108"].to_numpy()[0] for grid in (first, second))
    assert missed(cloud_motion(now, before, 15, first), (-6, 9), grid=first) <= 0.5
