"""Planes of several radars on one grid."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.radar.synthetic_volumes import SITE
from wxcore.grid import Grid
from wxcore.radar.geometry import ground_position
from wxcore.radar.plane_mosaic import NAMES, Share, plane_mosaic, stack_of
from wxcore.radar.planes import PLANE_AZIMUTH_DEG, PLANE_DISTANCE_M, PLANE_SHAPE, PLANE_STEP_M, Plane
from wxcore.schema import KINEMATICS, OPTIONAL, POLARIMETRY, check

GRID = Grid(lon_west=105.0, lat_south=29.0, n_lon=201, n_lat=181, levels_m=(1000.0,))
WEST, EAST = replace(SITE, id="Z9001"), replace(SITE, id="Z9002", latitude=30.1, longitude=106.7)


def plane(value: float) -> Plane:
    return np.full(PLANE_SHAPE, value, dtype=np.float32)


def share(site=WEST, **planes: Plane) -> Share:
    return Share(site, stack_of(planes))


def at(ds, name: str, lat: float, lon: float) -> float:
    return float(ds[name].sel(lat=lat, lon=lon, method="nearest")[0])


def test_every_cell_holds_its_place() -> None:
    """Against the geometry, cell by cell: a plane that holds its own azimuth, and one its own distance."""
    turn = np.repeat(PLANE_AZIMUTH_DEG[:, None], PLANE_SHAPE[1], axis=1).astype("f4")
    far = np.repeat(PLANE_DISTANCE_M[None, :] / 1e4, PLANE_SHAPE[0], axis=0).astype("f4")
    ds = plane_mosaic([share(marc=far, radial_wind_low_azimuth=turn, radial_wind_low=plane(5))], GRID)
    distance, azimuth = ground_position(WEST.latitude, WEST.longitude, GRID.lat[:, None], GRID.lon[None, :])
    inside = distance < 229_000
    assert np.abs(ds["marc"].to_numpy()[0] * 1e4 - distance)[inside].max() <= PLANE_STEP_M / 2 + 50
    off = (ds["radial_wind_low_azimuth"].to_numpy()[0] - azimuth + 180) % 360 - 180
    assert np.abs(off)[inside].max() <= 0.55


def test_of_a_derivative_the_nearest_radar_speaks() -> None:
    pair = [share(WEST, azimuthal_shear_low=plane(0.001)), share(EAST, azimuthal_shear_low=plane(0.002))]
    for order in (pair, pair[::-1]):
        ds = plane_mosaic(order, GRID)
        assert at(ds, "azimuthal_shear_low", 30.0, 105.9) == pytest.approx(0.001)
        assert at(ds, "azimuthal_shear_low", 30.0, 106.8) == pytest.approx(0.002)


def test_where_the_nearest_did_not_look_the_next_speaks() -> None:
    blind = plane(0.001)
    blind[:, :40] = np.nan  # the first 20 km
    ds = plane_mosaic([share(WEST, azimuthal_shear_low=blind), share(EAST, azimuthal_shear_low=plane(0.002))], GRID)
    assert at(ds, "azimuthal_shear_low", 30.0, 106.05) == pytest.approx(0.002)
    assert at(ds, "azimuthal_shear_low", 30.0, 105.6) == pytest.approx(0.001)


def test_of_a_wind_the_largest_stands_with_its_own_azimuth() -> None:
    weak = share(WEST, radial_wind_low=plane(12), radial_wind_low_azimuth=plane(90))
    strong = share(EAST, radial_wind_low=plane(25), radial_wind_low_azimuth=plane(200))
    for order in ([weak, strong], [strong, weak]):
        ds = plane_mosaic(order, GRID)
        assert at(ds, "radial_wind_low", 30.0, 106.0) == 25
        assert at(ds, "radial_wind_low_azimuth", 30.0, 106.0) == 200


def test_an_observed_velocity_beats_a_folded_one_and_both_beat_nothing() -> None:
    folded, observed, nothing = share(WEST, velocity_observed=plane(2)), plane(1), plane(0)
    assert at(plane_mosaic([folded, share(EAST, velocity_observed=observed)], GRID), "velocity_observed", 30, 106) == 1
    assert at(plane_mosaic([folded, share(EAST, velocity_observed=nothing)], GRID), "velocity_observed", 30, 106) == 2
    ds = plane_mosaic([share(EAST, velocity_observed=nothing, marc=plane(3))], GRID)
    assert at(ds, "velocity_observed", 30, 106) == 0


def test_a_class_of_not_observed_hides_nobody() -> None:
    classes = [share(WEST, hail_size_class=plane(0)), share(EAST, hail_size_class=plane(3))]
    assert at(plane_mosaic(classes, GRID), "hail_size_class", 30.0, 106.0) == 3


def test_only_what_somebody_knows_is_there() -> None:
    assert not plane_mosaic([], GRID).data_vars
    ds = plane_mosaic([share(marc=plane(2))], GRID).assign_coords(time=[np.datetime64(0, "ns")])
    assert set(ds.data_vars) == {var.name for var in KINEMATICS}
    check(ds, KINEMATICS, what="kinematics")
    dual = plane_mosaic([share(hail_size_class=plane(1))], GRID)
    assert set(dual.data_vars) == {var.name for var in POLARIMETRY}


def test_beyond_the_planes_nothing_is_known() -> None:
    wide = Grid(lon_west=105.0, lat_south=29.0, n_lon=400, n_lat=20, levels_m=(1000.0,))
    ds = plane_mosaic([share(marc=plane(2))], wide)
    distance, _ = ground_position(WEST.latitude, WEST.longitude, wide.lat[:, None], wide.lon[None, :])
    np.testing.assert_array_equal(np.isfinite(ds["marc"].to_numpy()[0]), distance.astype("f4") < 230_000)


def test_a_wrong_plane_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        stack_of({"marc": np.zeros((3, 4), "f4")})
    with pytest.raises(ValueError, match="expected one of"):
        stack_of({"march": plane(1)})


def test_the_order_follows_the_schema() -> None:
    """`radial_wind_low_azimuth` follows what stands directly before it."""
    assert NAMES.index("radial_wind_low_azimuth") == NAMES.index("radial_wind_low") + 1
    assert set(NAMES) <= {var.name for var in OPTIONAL}
    assert math.isclose(PLANE_STEP_M * PLANE_SHAPE[1], 230_000)
