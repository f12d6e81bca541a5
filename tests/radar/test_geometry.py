"""Beam geometry: the check values of DOMAIN.md 1.1 and 10, round trips, and pyproj as an independent oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from wxcore.radar.geometry import (
    beam_height,
    beam_through,
    ground_arc,
    ground_position,
    own_box_grid,
    slant_at_arc,
)
from wxcore.radar.volume import Site


@pytest.mark.parametrize(
    ("slant_km", "elevation", "height_m"),
    [(50, 0.5, 583), (100, 0.5, 1461), (150, 0.5, 2633), (200, 0.5, 4099), (230, 0.5, 5119),
     (100, 1.5, 3206), (50, 19.5, 16_821), (150, 2.4, 7602)],
)  # fmt: skip
def test_height_has_the_published_values(slant_km: float, elevation: float, height_m: float) -> None:
    assert beam_height(slant_km * 1000, elevation) == pytest.approx(height_m, abs=0.5)


def test_arc_has_the_published_value() -> None:
    assert ground_arc(100_000, 0.5) == pytest.approx(99_980, abs=5)


@settings(max_examples=100, deadline=None)
@given(st.floats(100, 460_000), st.floats(-1, 60))
def test_inverse_undoes_forward(slant: float, elevation: float) -> None:
    arc, height = ground_arc(slant, elevation), beam_height(slant, elevation)
    back_elevation, back_slant = beam_through(arc, height)
    assert back_elevation == pytest.approx(elevation, abs=1e-6)
    assert back_slant == pytest.approx(slant, rel=1e-9)
    assert slant_at_arc(arc, elevation) == pytest.approx(slant, rel=1e-7)


def test_straight_up_and_down() -> None:
    elevation, slant = beam_through(0.0, np.array([1000.0, -200.0]))
    assert elevation.tolist() == [90.0, -90.0]
    assert slant == pytest.approx([1000.0, 200.0])


@settings(max_examples=100, deadline=None)
@given(st.floats(-60, 60), st.floats(0, 359.9), st.floats(1_000, 460_000))
def test_ground_position_agrees_with_the_geodesic(lat: float, azimuth: float, distance: float) -> None:
    there_lon, there_lat, _ = Geod(ellps="WGS84").fwd(106.5, lat, azimuth, distance)
    metres, degrees = ground_position(lat, 106.5, there_lat, there_lon)
    sideways = np.deg2rad((float(degrees) - azimuth + 180) % 360 - 180) * distance
    limit = 1.0 if distance <= 230_000 else 10.0
    assert metres == pytest.approx(distance, abs=limit)
    assert abs(sideways) < limit


def test_ground_position_crosses_the_date_line_and_broadcasts() -> None:
    metres, degrees = ground_position(30.0, 179.9, np.array([[30.0], [31.0]]), np.array([-179.9, 179.9, 179.5]))
    assert metres.shape == degrees.shape == (2, 3)
    assert metres[0, 0] == pytest.approx(19_297, abs=10)
    assert metres[0, 1] == 0
    assert degrees[1, 1] == pytest.approx(0, abs=1e-9)
    assert degrees[0, 2] == pytest.approx(270, abs=0.2)


def test_own_box_holds_the_circle_and_is_no_larger() -> None:
    site = Site("Z9517", "Huai'an", 33.2432, 118.8262, 66.0)
    grid = own_box_grid(site, 460_000.0, 0.01)
    assert (*grid.shape, grid.height.size) == (828, 990, 33)
    west, south, east, north = grid.bounds
    assert (west + east) / 2 == pytest.approx(site.longitude, abs=1e-4)
    assert (south + north) / 2 == pytest.approx(site.latitude, abs=1e-4)
    edges, _ = ground_position(site.latitude, site.longitude, [north, 33.2432], [118.8262, east])
    assert edges == pytest.approx([460_000, 460_000], rel=5e-3)
