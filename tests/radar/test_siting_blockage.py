"""Beams and mountains: wradlib's numbers, ridges by hand, a site's altitude against the ground."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcore.errors import RegionError
from wxcore.radar.geometry import beam_height, ground_position
from wxcore.radar.planes import PLANE_AZIMUTH_DEG, PLANE_DISTANCE_M, PLANE_SHAPE
from wxcore.radar.siting.blockage import (
    blockage_from_terrain,
    correction_db,
    fine_enough,
    lowest_usable,
    partial_blockage,
)
from wxcore.radar.siting.ground import antenna_fault, terrain_plane
from wxcore.radar.volume import Site
from wxcore.region.terrain import Terrain

WRADLIB = (0, 0.08545775, 0.4273626, 0.242138, 0.54556408, 0.68558125, 0.16477827, 0, 0, 0)
SITE = Site("Z9001", "Test", 30.0, 106.0, 500.0, beam_width_deg=1.0)


def made(heights: np.ndarray | float, step: float = 0.01, half: float = 1.2) -> Terrain:
    """A model about the site: a constant, or (lat, lon) heights."""
    count = 2 * round(half / step) + 1
    lat, lon = SITE.latitude + step * (np.arange(count) - count // 2), 106.0 + step * (np.arange(count) - count // 2)
    return Terrain(np.broadcast_to(np.float32(heights), (count, count)).copy(), lat, lon, "made", step)


def ridge(height: float, distance_m: float, width_m: float, sector: tuple[float, float]) -> Terrain:
    """Ground at 300 m with a ridge about the site in a sector of azimuth."""
    flat = made(300.0)
    metres, degrees = ground_position(SITE.latitude, SITE.longitude, flat.lat[:, None], flat.lon[None, :])
    on = (np.abs(metres - distance_m) <= width_m / 2) & (degrees >= sector[0]) & (degrees <= sector[1])
    return Terrain(np.where(on, height, flat.heights).astype("f4"), flat.lat, flat.lon, "ridge", flat.step_deg)


class TestFormula:
    def test_wradlib(self) -> None:
        """wradlib 2.9.6, qual.beam_block_frac; bin_altitude with re = 6371 km, half_power_radius."""
        found = partial_blockage([300, 500, 700, 900, 1100], 700.0, 400.0)
        assert found == pytest.approx([0.0, 0.19550111, 0.5, 0.80449889, 1.0], abs=1e-7)
        slant = np.arange(5e3, 105e3, 10e3)
        ground = np.array([0, 150, 330, 350, 640, 900, 600, 300, 0, 0.0])
        found = partial_blockage(ground, beam_height(slant, 0.5) + 100, slant * np.deg2rad(0.5))
        assert found == pytest.approx(WRADLIB, abs=2e-4)

    def test_by_hand(self) -> None:
        """y = a / 2: [sqrt(3) / 4 + pi / 6 + pi / 2] / pi = 0.8045; a beam of no width is seen or not."""
        assert partial_blockage(150, 100, 100) == pytest.approx(
            (math.sqrt(3) / 4 + math.pi / 6 + math.pi / 2) / math.pi
        )
        assert partial_blockage([99, 101], 100, 0).tolist() == [0.0, 1.0]

    @given(st.floats(-500, 9000) | st.just(np.nan), st.floats(-500, 30_000), st.floats(0, 5000))
    def test_between_0_and_1_and_no_ground_blocks_nothing(self, ground: float, beam: float, radius: float) -> None:
        found = float(partial_blockage(ground, beam, radius))
        assert 0 <= found <= 1
        if np.isnan(ground) or ground <= beam - max(radius, 0.001):
            assert found == pytest.approx(0, abs=1e-9)

    @given(st.floats(-300, 300), st.floats(1, 400))
    def test_share_of_a_disc_by_counting(self, above: float, radius: float) -> None:
        line = np.linspace(-1, 1, 401)
        disc = np.hypot(line[:, None], line[None, :]) <= 1
        counted = (disc & (line[:, None] <= above / radius)).sum() / disc.sum()
        assert float(partial_blockage(above, 0, radius)) == pytest.approx(counted, abs=0.01)


class TestTerrain:
    def test_flat_blocks_nothing(self) -> None:
        found = blockage_from_terrain(made(300.0), SITE, (0.5, 1.45), range_km=100)
        assert list(found) == [0.5, 1.45]
        for blocked in found.values():
            assert blocked.shape == (360, 100)
            assert blocked.dtype == np.float32
            assert not blocked.any()

    @pytest.mark.parametrize("height", [700.0, 900.0, 1050.0, 1300.0])
    def test_ridge_at_40_km(self, height: float) -> None:
        """The 0.5 deg beam is at 500 + 443 m there and 698 m wide; behind the ridge the loss stays."""
        found = blockage_from_terrain(ridge(height, 40_000, 6000, (60, 120)), SITE, (0.5, 2.4), range_km=80)
        centre = 500 + 40_000 * math.sin(math.radians(0.5)) + 40_000**2 / (2 * 4 / 3 * 6_371_000)
        radius = 40_000 * math.radians(0.5)
        y = max(-radius, min(radius, height - centre))
        expected = (y * math.sqrt(radius**2 - y**2) + radius**2 * math.asin(y / radius) + math.pi * radius**2 / 2) / (
            math.pi * radius**2
        )
        low, high = found[0.5], found[2.4]
        # it begins 3 km before, where the beam is 28 m lower and hits more
        assert low[65:115, 50:] == pytest.approx(np.float32(expected), abs=0.09)
        assert (low[65:115, 50:] >= np.float32(expected) - 0.01).all()
        assert not low[:, :35].any()
        assert not low[125:360, :].any()
        assert not low[:55, :].any()
        assert not high.any()
        assert (np.diff(low, axis=1) >= 0).all()

    def test_a_narrow_ridge_blocks_part_of_a_degree(self) -> None:
        """Half of the rays of a degree hit a wall from azimuth 90.33 on."""
        found = blockage_from_terrain(ridge(3000.0, 60_000, 4000, (90.4, 110.0)), SITE, (0.5,), range_km=80)[0.5]
        assert 0.2 < found[90, 70] < 0.8
        assert found[95, 70] == 1.0
        assert found[85, 70] == 0.0

    def test_unknown_ground_blocks_nothing(self) -> None:
        terrain = made(np.nan)
        assert not blockage_from_terrain(terrain, SITE, (0.5,), range_km=50)[0.5].any()

    def test_a_coarse_model_is_refused(self) -> None:
        coarse = made(300.0, step=0.2)
        assert not fine_enough(coarse)
        assert fine_enough(made(300.0))
        with pytest.raises(RegionError, match=r"steps of 0\.2 deg: too coarse") as caught:
            blockage_from_terrain(coarse, SITE, (0.5,))
        assert "不足以计算波束遮挡" in caught.value.zh

    def test_no_position(self) -> None:
        with pytest.raises(RegionError, match="needs a position"):
            blockage_from_terrain(made(1.0), Site("X", "", np.nan, 106.0, 5.0), (0.5,))


class TestUse:
    def test_correction(self) -> None:
        found = correction_db([0.0, 0.05, 0.1, 0.5, 0.6, 0.61, 1.0])
        assert found == pytest.approx([0, 0, 0.4576, 3.0103, 3.9794, np.nan, np.nan], abs=1e-3, nan_ok=True)

    def test_lowest_usable(self) -> None:
        low, middle = np.zeros((360, 5), "f4"), np.zeros((360, 5), "f4")
        low[10, 2:], middle[10, 4:] = 0.7, 0.9
        low[11] = 0.6
        found = lowest_usable({1.5: middle, 0.5: low})
        assert found[10].tolist()[:4] == [0.5, 0.5, 1.5, 1.5]
        assert np.isnan(found[10, 4])
        assert (found[11] == 0.5).all()
        assert lowest_usable({}).shape == (360, 0)


class TestGround:
    def test_plane_holds_the_ground_below_each_cell(self) -> None:
        tilted = made(0.0)
        heights = 1000 * (tilted.lat[:, None] - 30) + 100 * (tilted.lon[None, :] - 106)
        terrain = Terrain(heights.astype("f4"), tilted.lat, tilted.lon, "tilted", tilted.step_deg)
        plane = terrain_plane(terrain, 30.0, 106.0)
        assert plane.shape == PLANE_SHAPE
        assert plane.dtype == np.float32
        near = int(np.argmin(np.abs(PLANE_DISTANCE_M - 50_250)))
        north, east = int(np.argmin(np.abs(PLANE_AZIMUTH_DEG - 0.5))), int(np.argmin(np.abs(PLANE_AZIMUTH_DEG - 90.5)))
        assert plane[north, near] == pytest.approx(50.25 / 110.85 * 1000, rel=0.01)
        assert plane[east, near] == pytest.approx(50.25 / 96.49 * 100, abs=6)
        assert np.isnan(plane[:, -1]).all()  # 230 km, beyond the model

    @pytest.mark.parametrize(("altitude", "wrong"), [(350.0, False), (440.0, False), (900.0, True), (0.0, True)])
    def test_altitude(self, altitude: float, wrong: bool) -> None:
        site = Site("Z9001", "", 30.0, 106.0, altitude)
        fault = antenna_fault(site, made(300.0))
        assert (fault is not None) == wrong
        if fault is not None:
            assert "check position and altitude" in fault.en
            assert "请核对站址与海拔" in fault.zh

    def test_unknown_ground_makes_no_claim(self) -> None:
        assert antenna_fault(SITE, made(np.nan)) is None
        assert antenna_fault(Site("X", "", np.nan, 106.0, 5.0), made(300.0)) is None
        assert antenna_fault(Site("X", "", 30.0, 106.0, np.nan), made(300.0)) is not None
