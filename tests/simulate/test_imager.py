"""What a pixel sees: rays against pyproj and the product's own geometry, clouds and mixtures against hand values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from wxcore.errors import TimeError
from wxcore.satellite import planck
from wxcore.satellite.geometry import Disk, apparent, fy4_disk
from wxcore.satellite.scene import BANDS, BRIGHTNESS_TEMPERATURE, REFLECTANCE
from wxcore.simulate.imager import Look, brightness_temperature, clear_k, look, noisy, reflectance, see, sun_cosine
from wxcore.simulate.imager_kernels import look_down
from wxcore.simulate.imager_orbit import ORBITERS, Orbiter, pass_over
from wxcore.simulate.imager_rays import HIGH_M, Rays, disk_rays, earth_centred
from wxcore.simulate.scene import Air, Cell, Shield, World

NOON = datetime(2026, 7, 1, 5, 0, tzinfo=UTC)
MIDDLE = (107.0, 30.0)
INFRARED_UM = (3.72, 6.25, 6.95, 7.42, 8.5, 10.8, 12.0, 13.5)
TO_CENTRE = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


def piece(sub_longitude: float, size: int = 60) -> Disk:
    """A part of the 4 km grid around MIDDLE."""
    full = fy4_disk(4000, sub_longitude)
    line, column = full.pixels(np.array(MIDDLE[0]), np.array(MIDDLE[1]))
    return full.window(round(float(line)) - size // 2, round(float(column)) - size // 2, size, size)


def sheet_of_rain(top_m: float = 12_000.0, radius_km: float = 40.0) -> World:
    """A round cloud with a flat top, at rest over MIDDLE."""
    born = NOON - timedelta(hours=1)
    return World(shields=(Shield(*MIDDLE, 0.0, 0.0, born, 120.0, 35.0, radius_km, radius_km, 0.0, top_m),))


def looked(top_m: object, sheet_m: object = 0.0, emissivity: object = 0.0, sun: float = 0.0) -> Look:
    """One pixel whose samples meet these."""
    top, sheet, part = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, float)) for x in (top_m, sheet_m, emissivity)))
    return Look(top[None, None], sheet[None, None], part[None, None], np.full((1, 1), sun))


def at(disk: Disk, values: npt.NDArray[Any], lon: float, lat: float) -> float:
    line, column = (round(float(part)) for part in disk.pixels(np.array(lon), np.array(lat)))
    return float(values[line, column])


@given(st.floats(-180, 180), st.floats(-89, 89), st.floats(0, 40_000))
def test_places_are_those_of_pyproj(lon: float, lat: float, height_m: float) -> None:
    np.testing.assert_allclose(earth_centred(lon, lat, height_m), TO_CENTRE.transform(lon, lat, height_m), atol=1e-3)


@pytest.mark.parametrize("sub_longitude", [79.0, 86.5, 105.0])
@pytest.mark.parametrize("height_m", [0.0, 3000.0, 12_000.0, HIGH_M])
def test_a_ray_of_a_disk_is_a_straight_line(sub_longitude: float, height_m: float) -> None:
    disk = piece(sub_longitude)
    rays = disk_rays(disk, 2)
    ground = np.stack(TO_CENTRE.transform(*rays.over(0.0), np.zeros(rays.shape)))
    aloft = np.stack(TO_CENTRE.transform(*rays.over(height_m), np.full(rays.shape, height_m)))
    east = np.deg2rad(sub_longitude)
    satellite = disk.distance_m * np.array([np.cos(east), np.sin(east), 0]).reshape(3, 1, 1, 1)
    way = ground - satellite
    way /= np.linalg.norm(way, axis=0)
    off = np.linalg.norm(np.cross(aloft - satellite, way, axis=0), axis=0)
    assert off.max() < 5.0


@pytest.mark.parametrize("height_m", [2000.0, 11_000.0, 17_000.0])
def test_rays_undo_the_products_displacement(height_m: float) -> None:
    disk = piece(86.5)
    rays = disk_rays(disk, 1)
    lon, lat = rays.over(height_m)
    np.testing.assert_allclose(np.stack(apparent(disk, lon, lat, height_m)), np.stack(rays.over(0.0)), atol=1e-4)


def test_samples_are_spread_over_the_pixel() -> None:
    disk = piece(105.0)
    rays = disk_rays(disk, 2)
    line, column = disk.pixels(*rays.over(0.0))
    np.testing.assert_allclose(line[7, 5], [6.75, 6.75, 7.25, 7.25], atol=1e-5)
    np.testing.assert_allclose(column[7, 5], [4.75, 5.25, 4.75, 5.25], atol=1e-5)


def test_beside_the_earth_nothing_is_seen() -> None:
    full = fy4_disk(4000, 105.0)
    values = see(World(), disk_rays(full.window(0, 0, 3, 3), 2).lines, NOON, np.zeros(3),
                 [(um, BRIGHTNESS_TEMPERATURE) for um in INFRARED_UM] + [(0.65, REFLECTANCE)])  # fmt: skip
    assert np.isnan(values).all()


@pytest.mark.parametrize("orbiter", ORBITERS, ids=lambda one: one.platform)
def test_a_pass_sees_high_things_away_from_its_track(orbiter: Orbiter) -> None:
    over = pass_over(orbiter, (106.5, 29.5, 107.5, 30.5))
    rays = over.rays(slice(None))
    ground, aloft = (earth_centred(*rays.over(height), height)[..., 0] for height in (0.0, 12_000.0))
    way = ground - over.satellite[:, :, None]
    way /= np.linalg.norm(way, axis=0)
    off = np.linalg.norm(np.cross(aloft - over.satellite[:, :, None], way, axis=0), axis=0)
    assert off.max() < 5.0
    assert (np.linalg.norm(aloft - over.satellite[:, :, None], axis=0) < np.linalg.norm(
        ground - over.satellite[:, :, None], axis=0)).all()  # fmt: skip
    step = np.linalg.norm(np.diff(ground, axis=1), axis=0)
    assert step.mean() == pytest.approx(over.line_s * 6700, rel=0.25)


def test_clear_sky_is_the_background() -> None:
    channels = [(um, BRIGHTNESS_TEMPERATURE) for um in INFRARED_UM]
    rays = disk_rays(piece(105.0, 8), 2)
    lon, lat = rays.over(0.0)
    sun = sun_cosine(lon.mean(axis=2), lat.mean(axis=2), NOON)
    for (um, _), values in zip(channels, see(World(), rays.lines, NOON, np.zeros(8), channels), strict=True):
        np.testing.assert_allclose(values, clear_k(Air(), um, sun), atol=1e-3)
    vapour, lower, lowest, dioxide, window = (float(clear_k(Air(), um, 0.0)) for um in (6.25, 6.95, 7.42, 13.5, 10.8))
    assert vapour < lower < lowest < dioxide < window
    assert window == pytest.approx(31.0 + 273.15 - 3.0)


@pytest.mark.parametrize("um", [10.8, 12.0, 8.5, 3.72])
def test_a_flat_opaque_top_has_its_airs_temperature(um: float) -> None:
    disk, world = piece(105.0), sheet_of_rain()
    (values,) = see(world, disk_rays(disk, 2).lines, NOON, np.zeros(disk.lines), [(um, BRIGHTNESS_TEMPERATURE)])
    lon, lat = apparent(disk, np.array(MIDDLE[0]), np.array(MIDDLE[1]), 12_000.0)
    assert at(disk, values, float(lon), float(lat)) == pytest.approx(
        float(world.air.temperature_c(12_000.0)) + 273.15, abs=0.01
    )


@pytest.mark.parametrize("sub_longitude", [79.0, 86.5, 105.0, 133.0])
def test_a_cloud_appears_where_the_product_says(sub_longitude: float) -> None:
    disk = piece(sub_longitude)
    seen = look(sheet_of_rain(), disk_rays(disk, 3), NOON)
    cold = (seen.top_m > 11_000).mean(axis=2)
    line, column = (float((part * cold).sum() / cold.sum()) for part in np.mgrid[0 : disk.lines, 0 : disk.columns])
    middle = np.array(MIDDLE[0]), np.array(MIDDLE[1])
    expected = disk.pixels(*apparent(disk, *middle, 12_000.0))
    true = disk.pixels(*middle)
    assert (line, column) == pytest.approx((float(expected[0]), float(expected[1])), abs=0.5)
    assert true[0] - line > 1.0
    if abs(sub_longitude - MIDDLE[0]) > 15:
        assert np.sign(column - true[1]) == np.sign(MIDDLE[0] - sub_longitude)


def test_a_tower_shows_its_side() -> None:
    """A ray that runs down eastwards by 1 cell a kilometre, and a wall 6 km high at cell 3."""
    track = np.zeros((2, 3, 1))
    track[0, 0, 0], track[0, 1, 0] = 8.0, -1e-3
    clouds = np.zeros((4, 1, 12))
    clouds[3] = 9000.0
    clouds[0, 0, 4] = 6000.0
    met = np.zeros((3, 1))
    look_down(track, clouds, (0.0, 0.0), 1.0, 250.0, met)
    assert met[0, 0] == pytest.approx(4500.0, abs=250)
    clouds[0, 0, 4] = 3000.0
    met[:] = 0
    look_down(track, clouds, (0.0, 0.0), 1.0, 250.0, met)
    assert met[0, 0] == 0


def test_a_sheet_is_met_at_its_height_only() -> None:
    track = np.zeros((2, 3, 1))
    track[0, 0, 0], track[0, 1, 0] = 8.0, -1e-3
    for cell, emissivity in ((2, 0.6), (5, 0.0)):
        clouds = np.zeros((4, 1, 12))
        clouds[3] = 9000.0
        clouds[1, 0, cell], clouds[2, 0, cell] = 6100.0, 0.6
        met = np.zeros((3, 1))
        look_down(track, clouds, (0.0, 0.0), 1.0, 250.0, met)
        assert met[2, 0] == emissivity


@given(st.floats(0.0, 1.0), st.sampled_from([3.72, 8.5, 10.8, 12.0]))
def test_a_sheet_mixes_by_its_emissivity(emissivity: float, um: float) -> None:
    air = Air()
    warm, cold = planck.radiance([float(clear_k(air, um, 0.0)), float(air.temperature_c(13_000.0)) + 273.15], um)
    expected = planck.brightness_temperature(emissivity * cold + (1 - emissivity) * warm, um)
    found = brightness_temperature(air, looked(0.0, 13_000.0, emissivity), um)[0, 0]
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_samples_are_averaged_in_radiance() -> None:
    air = Air()
    found = brightness_temperature(air, looked([0.0, 0.0, 10_000.0, 10_000.0]), 10.8)[0, 0]
    two = planck.radiance([301.15, float(air.temperature_c(10_000.0)) + 273.15], 10.8)
    assert found == pytest.approx(float(planck.brightness_temperature(two.mean(), 10.8)))


@given(st.floats(300.0, 18_000.0), st.sampled_from(INFRARED_UM))
def test_clouds_never_warm_and_never_are_colder_than_their_air(top_m: float, um: float) -> None:
    air = Air()
    found = brightness_temperature(air, looked(top_m), um)[0, 0]
    own, clear = float(air.temperature_c(top_m)) + 273.15, float(clear_k(air, um, 0.0))
    assert min(own, clear) - 1e-6 <= found <= max(own, clear) + 1e-6


def test_vapour_hides_low_clouds_and_not_high_ones() -> None:
    air = Air()
    low, high = (
        [brightness_temperature(air, looked(top), um)[0, 0] for um in (6.25, 10.8)] for top in (4000.0, 16_000.0)
    )
    assert low[0] - low[1] < -25
    assert -3 < high[0] - high[1] < 3


@pytest.mark.parametrize(("when", "cosine"), [
    (datetime(2026, 3, 21, 12, tzinfo=UTC), np.cos(np.deg2rad(30.0))),
    (datetime(2026, 6, 21, 12, tzinfo=UTC), np.cos(np.deg2rad(30.0 - 23.44))),
    (datetime(2026, 6, 21, 0, tzinfo=UTC), 0.0),
])  # fmt: skip
def test_the_sun_of_hand_values(when: datetime, cosine: float) -> None:
    assert float(sun_cosine(np.array(0.0), np.array(30.0), when)) == pytest.approx(cosine, abs=0.01)


@pytest.mark.parametrize("um", [0.47, 0.65, 0.83, 1.37, 1.61, 2.22])
def test_reflectance_grows_with_cloud_and_sun(um: float) -> None:
    tops = [0.0, 6000.0, 9000.0, 16_000.0]
    bright = [reflectance(looked(top, sun=1.0), um)[0, 0] for top in tops]
    assert all(0 <= one < two <= 1 for one, two in pairwise(bright))
    assert reflectance(looked(16_000.0), um)[0, 0] == 0
    half, full = (reflectance(looked(9000.0, 12_000.0, 0.5, sun), um)[0, 0] for sun in (0.5, 1.0))
    assert half == pytest.approx(full / 2)
    assert full > bright[2]


def test_each_line_is_seen_at_its_time() -> None:
    """The cloud is born at noon: the first lines come before it."""
    world = sheet_of_rain(radius_km=300.0)
    world = replace(world, shields=(replace(world.shields[0], born=NOON, life_min=30.0, dbz=45.0),))
    disk = piece(105.0, 12)
    start = NOON - timedelta(minutes=10)
    (values,) = see(world, disk_rays(disk, 1).lines, start, np.linspace(0, 1320, 12), [(10.8, BRIGHTNESS_TEMPERATURE)])
    assert (values[:4] > 290).all()
    assert (values[8:] < 250).all()


def test_what_grows_gets_colder() -> None:
    world = World(cells=(Cell(*MIDDLE, 0.0, 0.0, NOON, 100.0, 62.0, 12.0, 9000.0),))
    rays = disk_rays(piece(105.0), 2)
    coldest = [float(brightness_temperature(world.air, look(world, rays, NOON + timedelta(minutes=m)), 10.8).min())
               for m in (1, 10, 20, 40)]  # fmt: skip
    assert coldest == sorted(coldest, reverse=True)
    assert coldest[0] - coldest[-1] > 10


def test_noise_has_its_size_and_keeps_missing() -> None:
    values = np.full((200, 200), 250.0, np.float32)
    values[0, 0] = np.nan
    found = noisy(values, BRIGHTNESS_TEMPERATURE, np.random.default_rng(1))
    assert np.isnan(found[0, 0])
    assert np.nanstd(found) == pytest.approx(0.2, rel=0.05)
    dark = noisy(np.zeros((50, 50), np.float32), REFLECTANCE, np.random.default_rng(1))
    assert dark.min() == 0
    assert dark.max() < 0.02


def test_every_infrared_band_is_known_and_nothing_else() -> None:
    for band in BANDS:
        if band.quantity == BRIGHTNESS_TEMPERATURE:
            assert 220 < float(clear_k(Air(), (band.low_um + band.high_um) / 2, 0.0)) < 310
    with pytest.raises(ValueError, match="no band"):
        clear_k(Air(), 9.7, 0.0)


def test_naive_times_are_refused() -> None:
    naive = NOON.replace(tzinfo=None)
    rays: Rays = disk_rays(piece(105.0, 4), 1)
    with pytest.raises(TimeError):
        look(World(), rays, naive)
    with pytest.raises(TimeError):
        see(World(), rays.lines, naive, np.zeros(4), [(10.8, BRIGHTNESS_TEMPERATURE)])
    with pytest.raises(TimeError):
        sun_cosine(np.array(0.0), np.array(0.0), naive)
