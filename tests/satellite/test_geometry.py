"""Pixel centres against PROJ, DOMAIN.md 2.5 and 10, and straight lines in ECEF."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Proj, Transformer

from wxcore.satellite.geometry import (
    DISTANCE_M,
    WGS84_A_M,
    WGS84_B_M,
    Disk,
    Plate,
    Swath,
    Viewpoint,
    apparent,
    fy4_disk,
    viewpoint,
    zenith_deg,
)

SUB_LONGITUDES = (79.0, 86.5, 104.7, 105.0, 133.0)
TO_ECEF = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
FY2_A_M, FY2_B_M = 6_378_140.0, 6_356_755.0


def oracle(disk: Disk) -> Proj:
    return Proj(
        proj="geos", sweep="y", h=disk.distance_m - disk.semi_major_m, a=disk.semi_major_m, b=disk.semi_minor_m,
        lon_0=disk.sub_longitude,
    )  # fmt: skip


def around(sub_longitude: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    lon, lat = np.meshgrid(sub_longitude + np.arange(-89.5, 90, step), np.arange(-89.5, 90, step))
    return lon, lat


@pytest.mark.parametrize("sub_longitude", SUB_LONGITUDES)
@pytest.mark.parametrize("ellipsoid", [(WGS84_A_M, WGS84_B_M), (FY2_A_M, FY2_B_M)])
@pytest.mark.parametrize("distance", [DISTANCE_M, 42_166_500.0])
class TestDiskAgainstProj:
    def test_pixels(self, sub_longitude: float, ellipsoid: tuple[float, float], distance: float) -> None:
        full = fy4_disk(4000, sub_longitude, distance)
        disk = Disk(
            sub_longitude, full.first_x, full.first_y, full.step_x, full.step_y, 2748, 2748, distance, *ellipsoid
        )
        lon, lat = around(sub_longitude, 1.0)
        line, column = disk.pixels(lon, lat)
        x, y = oracle(disk)(lon, lat)
        seen = np.isfinite(x)
        high = distance - ellipsoid[0]
        assert (np.isfinite(line) == seen).all()
        assert (np.isfinite(column) == seen).all()
        assert seen.sum() > 10_000
        assert np.abs(line - (-y / high - disk.first_y) / disk.step_y)[seen].max() < 1e-6
        assert np.abs(column - (x / high - disk.first_x) / disk.step_x)[seen].max() < 1e-6

    def test_places(self, sub_longitude: float, ellipsoid: tuple[float, float], distance: float) -> None:
        full = fy4_disk(4000, sub_longitude, distance)
        disk = Disk(
            sub_longitude, full.first_x, full.first_y, full.step_x, full.step_y, 2748, 2748, distance, *ellipsoid
        )
        line, column = np.mgrid[0:2748:23, 0:2748:23].astype(float)
        high = distance - ellipsoid[0]
        x, y = disk.first_x + column * disk.step_x, disk.first_y + line * disk.step_y
        true_lon, true_lat = oracle(disk)(x * high, -y * high, inverse=True)
        seen = np.isfinite(true_lon)
        lon, lat = disk.places(line, column)
        assert (np.isfinite(lon) == seen).all()
        assert (np.isfinite(lat) == seen).all()
        assert np.abs((lon - true_lon + 180) % 360 - 180)[seen].max() < 1e-7
        assert np.abs(lat - true_lat)[seen].max() < 1e-7


@pytest.mark.parametrize(
    ("sub_longitude", "column", "line"),
    [(105.0, 1410.19, 610.80), (104.7, 1417.29, 610.82), (86.5, 1833.98, 618.66), (133.0, 779.54, 624.26)],
)
def test_check_values_of_chongqing(sub_longitude: float, column: float, line: float) -> None:
    found = fy4_disk(4000, sub_longitude).pixels(np.array(106.55), np.array(29.57))
    assert np.array(found) == pytest.approx(np.array([line, column]), abs=0.006)


@pytest.mark.parametrize("resolution", [250, 500, 1000, 2000, 4000])
def test_the_middle_of_a_full_disk_is_under_the_satellite(resolution: int) -> None:
    disk = fy4_disk(resolution, 105.0)
    middle = np.array((disk.lines - 1) / 2)
    lon, lat = disk.places(middle, middle)
    assert np.array([lon, lat]) == pytest.approx(np.array([105.0, 0.0]), abs=1e-9)
    north = disk.places(middle - 400, middle)[1]
    east = disk.places(middle, middle + 400)[0]
    assert north > 0
    assert east > 105


class TestLimb:
    def test_behind_the_limb_is_nan(self) -> None:
        lon, lat = np.array([105.0, 105.0, 285.0, 105 + 81.5, 105 + 81.0]), np.array([82.0, 81.0, 0.0, 0.0, 0.0])
        seen = np.isfinite(fy4_disk(4000, 105.0).pixels(lon, lat)[0])
        assert seen.tolist() == [False, True, False, False, True]

    def test_the_limb_is_where_the_satellite_sinks_below_the_horizon(self) -> None:
        disk = fy4_disk(4000, 105.0)
        lon, lat = around(105.0, 0.7)
        zenith = zenith_deg(disk, lon, lat)
        seen = np.isfinite(disk.pixels(lon, lat)[0])
        assert (seen == (zenith <= 90)).all()

    def test_beside_the_earth_is_nan(self) -> None:
        lon, lat = fy4_disk(4000, 105.0).places(np.array([0.0, 1373.5]), np.array([0.0, 1373.5]))
        assert np.isnan(lon).tolist() == np.isnan(lat).tolist() == [True, False]


@settings(deadline=None)
@given(
    st.sampled_from((*SUB_LONGITUDES, 179.0, -179.5)),
    st.floats(-70, 70),
    st.floats(-70, 70),
    st.sampled_from([250, 500, 1000, 2000, 4000]),
)
def test_there_and_back(sub_longitude: float, east: float, lat: float, resolution: int) -> None:
    disk = fy4_disk(resolution, sub_longitude)
    line, column = disk.pixels(np.array(sub_longitude + east), np.array(lat))
    if np.isnan(line):
        assert np.isnan(column)
        assert zenith_deg(disk, np.array(sub_longitude + east), np.array(lat)) > 89.9
        return
    lon, back = disk.places(line, column)
    assert -180 <= lon < 180
    assert back == pytest.approx(lat, abs=1e-6)
    assert (lon - sub_longitude + 180) % 360 - 180 == pytest.approx(east, abs=1e-6)


def test_antimeridian() -> None:
    disk = fy4_disk(4000, 133.0)
    east = disk.pixels(np.array([181.0, -179.0, 541.0]), np.array([10.0, 10.0, 10.0]))
    assert np.ptp(east[0]) < 1e-6
    assert np.ptp(east[1]) < 1e-6
    assert float(disk.places(east[0], east[1])[0][0]) == pytest.approx(-179.0)


def test_window_keeps_the_places() -> None:
    disk = fy4_disk(4000, 105.0)
    part = disk.window(560, 1300, 120, 200)
    assert part.shape == (120, 200)
    whole = np.array(disk.places(np.array([600.0]), np.array([1400.0])))
    assert np.array(part.places(np.array([40.0]), np.array([100.0]))) == pytest.approx(whole)
    assert np.array(part.pixels(*whole)).ravel() == pytest.approx(np.array([40.0, 100.0]))


class TestPlate:
    @pytest.mark.parametrize(
        "projection",
        [
            "+proj=merc +lat_ts=30 +lon_0=105 +ellps=WGS84",
            "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=30 +lon_0=105 +R=6371000",
        ],
    )
    def test_against_proj(self, projection: str) -> None:
        plate = Plate(projection, -2e6, 3e6, 5000.0, -4000.0, 900, 800)
        lon, lat = np.meshgrid(np.arange(90.0, 120.0, 0.7), np.arange(20.0, 45.0, 0.7))
        x, y = Proj(projection)(lon, lat)
        line, column = plate.pixels(lon, lat)
        assert np.abs(column - (x + 2e6) / 5000).max() < 1e-6
        assert np.abs(line - (3e6 - y) / 4000).max() < 1e-6
        back = plate.places(line, column)
        assert np.abs(back[0] - lon).max() < 1e-7
        assert np.abs(back[1] - lat).max() < 1e-7

    def test_rows_and_columns_broadcast(self) -> None:
        plate = Plate("+proj=merc +lon_0=105", -2e6, 3e6, 5000.0, -5000.0, 900, 800)
        lon, lat = np.arange(100.0, 110.0), np.arange(20.0, 25.0)
        wide = plate.pixels(*np.meshgrid(lon, lat))
        assert np.array(plate.pixels(lon[None, :], lat[:, None])) == pytest.approx(np.array(wide))

    def test_degrees_across_the_antimeridian(self) -> None:
        plate = Plate("+proj=longlat", 170.0, 60.0, 0.1, -0.1, 600, 300)
        line, column = plate.pixels(np.array([-175.0, 185.0]), np.array([10.0, 10.0]))
        assert column == pytest.approx([150.0, 150.0])
        assert line == pytest.approx([500.0, 500.0])
        assert plate.places(line, column)[0] == pytest.approx([-175.0, -175.0])

    def test_a_place_without_coordinates_is_nan(self) -> None:
        plate = Plate("+proj=merc +lon_0=105", -2e6, 3e6, 5000.0, -5000.0, 900, 800)
        line, column = plate.pixels(np.array([105.0, 105.0, np.nan]), np.array([30.0, 91.0, 30.0]))
        assert np.isnan(line).tolist() == np.isnan(column).tolist() == [False, True, True]

    def test_equal_plates_are_one_key_also_after_use(self) -> None:
        one, other = (Plate("+proj=merc +lon_0=105", -2e6, 3e6, 5e3, -5e3, 900, 800) for _ in range(2))
        one.pixels(np.array(105.0), np.array(30.0))
        assert hash(one) == hash(other)
        assert pickle.loads(pickle.dumps(one)) == other


VIEWS = [(105.0, 35.2, 8.5), (86.5, 42.1, 10.8), (133.0, 44.5, 11.8), (79.0, 47.0, 12.9)]


@pytest.mark.parametrize(("sub_longitude", "zenith", "km"), VIEWS)
class TestView:
    def test_check_values(self, sub_longitude: float, zenith: float, km: float) -> None:
        """DOMAIN.md 2.5 at 107.8E 30N. Its zenith angles are up to 0.12 degree high (see the exact test below)."""
        lon, lat = np.array(107.8), np.array(30.0)
        far = apparent(fy4_disk(4000, sub_longitude), lon, lat, 12_000.0)
        azimuth, _, way = Geod(ellps="WGS84").inv(107.8, 30.0, float(far[0]), float(far[1]))
        away = Geod(ellps="WGS84").inv(107.8, 30.0, sub_longitude, 0.0)[0] + 180
        assert zenith_deg(Viewpoint(sub_longitude), lon, lat) == pytest.approx(zenith, abs=0.15)
        assert way / 1000 == pytest.approx(km, abs=0.08)
        assert (azimuth - away + 180) % 360 - 180 == pytest.approx(0, abs=1.0)

    def test_against_straight_lines_in_ecef(self, sub_longitude: float, zenith: float, km: float) -> None:
        satellite = DISTANCE_M * np.array([np.cos(np.deg2rad(sub_longitude)), np.sin(np.deg2rad(sub_longitude)), 0])
        ground, top = (np.array(TO_ECEF.transform(107.8, 30.0, high)) for high in (0.0, 12_000.0))
        up, sight = (top - ground) / 12_000, satellite - ground
        exact = np.rad2deg(np.arccos(sight @ up / np.linalg.norm(sight)))
        assert zenith_deg(Viewpoint(sub_longitude), np.array(107.8), np.array(30.0)) == pytest.approx(exact, abs=1e-6)
        lon, lat = apparent(Viewpoint(sub_longitude), np.array(107.8), np.array(30.0), 12_000.0)
        seen = np.array(TO_ECEF.transform(float(lon), float(lat), 0.0))
        off_line = np.cross(seen - satellite, top - satellite) / np.linalg.norm(top - satellite)
        assert np.linalg.norm(off_line) < 0.1
        assert np.linalg.norm(seen - satellite) > np.linalg.norm(top - satellite)


class TestApparent:
    def test_the_ground_is_where_it_is(self) -> None:
        lon, lat = around(105.0, 7.0)
        lon, lat = lon[zenith_deg(Viewpoint(105.0), lon, lat) < 88], lat[zenith_deg(Viewpoint(105.0), lon, lat) < 88]
        far = apparent(Viewpoint(105.0), lon, lat, 0.0)
        assert np.abs((far[0] - lon + 180) % 360 - 180).max() < 1e-7
        assert np.abs(far[1] - lat).max() < 1e-7

    def test_behind_the_limb_is_nan(self) -> None:
        assert np.isnan(apparent(Viewpoint(105.0), np.array(285.0), np.array(10.0), 5000.0)[0])
        assert np.isnan(apparent(Viewpoint(105.0), np.array(200.0), np.array(0.0), 5000.0)[1])


def test_viewpoint_of_each_geometry() -> None:
    disk = Disk(86.5, 0, 0, 1e-4, 1e-4, 2, 2, 42_160_000.0, FY2_A_M, FY2_B_M)
    plate = Plate("+proj=longlat", 100, 40, 0.1, -0.1, 2, 2)
    swath = Swath(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32))
    assert viewpoint(disk, 105.0) == Viewpoint(86.5, 42_160_000.0, FY2_A_M, FY2_B_M)
    assert viewpoint(plate, 105.0) == Viewpoint(105.0)
    assert viewpoint(plate) is viewpoint(swath, 105.0) is viewpoint(None) is None
