"""Ground heights: the coarse model of China, models of our own in each format, and damaged ones."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from wxcore.errors import RegionError
from wxcore.region import terrain
from wxcore.region.terrain import Terrain, find_dem, load_terrain, terrain_on

LAT, LON = np.array([29.0, 29.5, 30.0]), np.array([105.0, 105.5, 106.0, 106.5])
HEIGHTS = np.arange(12.0).reshape(3, 4) * 100


def dataset(**changes: object) -> xr.Dataset:
    given_ = {"heights": HEIGHTS, "lat": LAT, "lon": LON, "name": "dem", "dims": ("lat", "lon"), "units": "m"} | changes
    coords = {given_["dims"][0]: given_["lat"], given_["dims"][1]: given_["lon"]}
    return xr.Dataset({given_["name"]: (given_["dims"], given_["heights"], {"units": given_["units"]})}, coords)


def netcdf(path: Path, ds: xr.Dataset | None = None, engine: str = "h5netcdf") -> Path:
    (dataset() if ds is None else ds).to_netcdf(path, engine=engine)
    return path


def geotiff(
    path: Path, heights: np.ndarray, *, keys: tuple[int, ...] = (), nodata: str = "", scale: bool = True
) -> Path:
    """Row 0 is the north; the corner of its first cell is at 104.75 E 30.25 N."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    if scale:
        info[terrain.MODEL_PIXEL_SCALE] = (0.5, 0.5, 0.0)
        info.tagtype[terrain.MODEL_PIXEL_SCALE] = 12
    info[terrain.MODEL_TIEPOINT] = (0.0, 0.0, 0.0, 104.75, 30.25, 0.0)
    info.tagtype[terrain.MODEL_TIEPOINT] = 12
    if keys:
        info[terrain.GEO_KEYS] = (1, 1, 0, len(keys) // 4, *keys)
        info.tagtype[terrain.GEO_KEYS] = 3
    if nodata:
        info[terrain.NO_DATA] = nodata
        info.tagtype[terrain.NO_DATA] = 2
    Image.fromarray(heights).save(path, format="TIFF", tiffinfo=info)
    return path


class TestDefault:
    def test_china(self) -> None:
        found = load_terrain()
        assert found.source == "china-dem.nc"
        assert found.step_deg == pytest.approx(0.2, abs=1e-4)
        assert found.heights.shape == (225, 350)
        # Chongqing, Huai'an, Lhasa, and the sea
        heights = terrain_on([29.55, 33.24, 29.65, 20.0], [106.55, 118.83, 91.1, 120.0])
        assert 150 < heights[0] < 500
        assert 0 < heights[1] < 60
        assert 3600 < heights[2] < 5500
        assert np.isnan(heights[3])
        assert np.isnan(terrain_on(51.5, 0.0))

    def test_kept_between_calls(self) -> None:
        assert load_terrain() is load_terrain()


class TestFormats:
    @pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
    def test_netcdf(self, tmp_path: Path, engine: str) -> None:
        path = netcdf(tmp_path / "dem.nc", engine=engine)
        found = load_terrain(path)
        assert (found.source, found.step_deg) == ("dem.nc", 0.5)
        np.testing.assert_array_equal(found.heights, HEIGHTS)
        assert terrain_on(29.25, 105.25, dem=path) == pytest.approx(250.0)

    @pytest.mark.parametrize(("lat", "lon"), [(-1, 1), (1, -1), (-1, -1)])
    def test_descending(self, tmp_path: Path, lat: int, lon: int) -> None:
        ds = dataset(heights=HEIGHTS[::lat, ::lon], lat=LAT[::lat], lon=LON[::lon])
        found = load_terrain(netcdf(tmp_path / "dem.nc", ds))
        np.testing.assert_array_equal(found.heights, HEIGHTS)
        np.testing.assert_array_equal(found.lat, LAT)

    def test_other_names_order_and_fill(self, tmp_path: Path) -> None:
        heights = HEIGHTS.T.copy()
        heights[0, 0], heights[1, 0], heights[2, 0] = -32768, 9.96920997e36, np.nan
        ds = dataset(heights=heights, lat=LON, lon=LAT, dims=("longitude", "latitude"), name="Band1", units="metres")
        ds["crs"] = 0
        found = load_terrain(netcdf(tmp_path / "dem.nc", ds))
        assert np.isnan(found.heights[0, :3]).all()
        np.testing.assert_array_equal(found.heights[1:], HEIGHTS[1:])

    @pytest.mark.parametrize("dtype", ["f4", "u2", "i4"])
    def test_geotiff(self, tmp_path: Path, dtype: str) -> None:
        path = geotiff(tmp_path / "dem.tif", HEIGHTS[::-1].astype(dtype))
        found = load_terrain(path)
        np.testing.assert_array_equal(found.heights, HEIGHTS)
        np.testing.assert_allclose(found.lat, LAT)
        np.testing.assert_allclose(found.lon, LON)

    def test_geotiff_of_signed_16_bit(self, tmp_path: Path) -> None:
        """Written by hand: what SRTM comes as. -100 m is land, -32768 a fill value."""
        rows = np.array([[-100, 200], [300, -32768]], dtype="<i2")
        doubles = struct.pack("<9d", 0.5, 0.5, 0, 0, 0, 0, 104.75, 30.25, 0)
        tags = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
                (277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, 8), (339, 3, 1, 2), (33550, 12, 3, 16),
                (33922, 12, 6, 40)]  # fmt: skip
        body = rows.tobytes() + doubles
        directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
        path = tmp_path / "dem.tif"
        path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory)
        found = load_terrain(path)
        np.testing.assert_array_equal(found.heights, [[300, np.nan], [-100, 200]])
        np.testing.assert_allclose(found.lat, [29.5, 30.0])

    def test_geotiff_pixel_is_point_and_nodata(self, tmp_path: Path) -> None:
        heights = HEIGHTS[::-1].astype("f4")
        path = geotiff(tmp_path / "dem.tif", heights, keys=(1024, 0, 1, 2, 1025, 0, 1, 2), nodata="700")
        found = load_terrain(path)
        np.testing.assert_allclose(found.lat, LAT + 0.25)
        np.testing.assert_allclose(found.lon, LON - 0.25)
        assert np.isnan(found.heights[1, 3])
        assert np.isnan(found.heights).sum() == 1

    def test_a_changed_file_is_read_again(self, tmp_path: Path) -> None:
        path = netcdf(tmp_path / "dem.nc")
        load_terrain(path)
        netcdf(path, dataset(heights=HEIGHTS + 1))
        os.utime(path, ns=(1, 1))
        assert load_terrain(path).heights[0, 0] == 1

    def test_found_in_the_regions_folder(self, tmp_path: Path) -> None:
        (tmp_path / "here").mkdir()
        assert find_dem("here", root=tmp_path) is None
        tif = geotiff(tmp_path / "here" / "dem.tif", HEIGHTS.astype("f4"))
        assert find_dem("here", root=tmp_path) == tif
        nc = netcdf(tmp_path / "here" / "dem.nc")
        assert find_dem("here", root=tmp_path) == nc


class TestBad:
    def refused(self, path: Path, words: str) -> None:
        with pytest.raises(RegionError, match=words) as caught:
            load_terrain(path)
        assert path.name in caught.value.en
        assert f"高程数据 {path.name}" in caught.value.zh

    @pytest.mark.parametrize(("changes", "words"), [
        ({"units": "ft"}, "heights are in 'ft'"),
        ({"dims": ("rows", "columns")}, "needs one field"),
        ({"lat": np.array([29.0, 29.1, 30.0])}, "latitude is not evenly spaced"),
        ({"lon": np.array([105.0, np.nan, 106.0, 106.5])}, "longitude is not evenly spaced"),
        ({"lat": LAT[:1], "heights": HEIGHTS[:1]}, "two cells at least"),
        ({"lat": LAT * 0 + 30}, "latitude is not evenly spaced"),
        ({"lat": LAT * 1000}, "coordinates are not degrees"),
        ({"heights": HEIGHTS * np.nan}, "not one height"),
    ])  # fmt: skip
    def test_contents(self, tmp_path: Path, changes: dict[str, object], words: str) -> None:
        self.refused(netcdf(tmp_path / "dem.nc", dataset(**changes)), words)

    def test_two_fields(self, tmp_path: Path) -> None:
        ds = dataset(name="one").assign(two=(("lat", "lon"), HEIGHTS))
        self.refused(netcdf(tmp_path / "dem.nc", ds), r"needs one field of \(lat, lon\), found one")
        named = dataset(name="elevation").assign(slope=(("lat", "lon"), HEIGHTS * 0))
        assert load_terrain(netcdf(tmp_path / "named.nc", named)).heights.max() == 1100

    def test_files(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "absent.nc", "cannot be read")
        self.refused(tmp_path, "cannot be read|neither")
        junk = tmp_path / "dem.nc"
        junk.write_bytes(b"lat,lon,height\n")
        self.refused(junk, "neither netCDF nor GeoTIFF")

    def test_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(terrain, "MOST_CELLS", 11)
        self.refused(netcdf(tmp_path / "dem.nc"), "12 cells, at most 11")
        self.refused(geotiff(tmp_path / "dem.tif", HEIGHTS.astype("f4")), "12 cells, at most 11")

    def test_geotiff(self, tmp_path: Path) -> None:
        plain = HEIGHTS.astype("f4")
        self.refused(geotiff(tmp_path / "a.tif", plain, keys=(1024, 0, 1, 1)), "is projected")
        self.refused(geotiff(tmp_path / "b.tif", plain, scale=False), "no ModelPixelScale")
        colour = np.zeros((3, 4, 3), dtype="u1")
        self.refused(geotiff(tmp_path / "c.tif", colour), "has 3 bands")

    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(["nc", "nc3", "tif"]), st.integers(0, 10**6), st.integers(0, 255), st.floats(0, 1))
    def test_damage_is_refused_or_read(
        self, tmp_path_factory: pytest.TempPathFactory, kind: str, at: int, value: int, keep: float
    ) -> None:
        """One byte changed, or the end cut off: a Terrain or a RegionError, nothing else."""
        path = tmp_path_factory.mktemp("damage") / f"dem.{kind[:3]}"
        if kind == "tif":
            geotiff(path, HEIGHTS.astype("f4"))
        else:
            netcdf(path, engine="h5netcdf" if kind == "nc" else "scipy")
        data = bytearray(path.read_bytes())
        data[at % len(data)] = value
        path.write_bytes(data[: max(1, int(len(data) * max(keep, at % 2)))])
        try:
            assert isinstance(load_terrain(path), Terrain)
        except RegionError as error:
            assert path.name in error.en  # noqa: PT017


class TestBilinear:
    @settings(max_examples=100, deadline=None)
    @given(st.floats(29, 30), st.floats(105, 106.5), st.tuples(*[st.floats(-2, 2)] * 3))
    def test_a_plane_stays_a_plane(self, lat: float, lon: float, plane: tuple[float, float, float]) -> None:
        a, b, c = plane
        heights = 100 + 50 * a + 40 * b * (LAT[:, None] - 29) + 30 * c * (LON[None, :] - 105)
        found = Terrain(heights.astype("f4"), LAT, LON, "made", 0.5).at(lat, lon)
        assert float(found) == pytest.approx(100 + 50 * a + 40 * b * (lat - 29) + 30 * c * (lon - 105), abs=1e-3)

    def test_edges_fill_and_turns(self) -> None:
        heights = HEIGHTS.astype("f4")
        heights[1, 1] = np.nan
        made = Terrain(heights, LAT, LON, "made", 0.5)
        corners = made.at([29.0, 30.0, 30.0 + 1e-9, 30.0], [105.0, 106.5, 106.5, 106.5 - 360])
        np.testing.assert_allclose(corners, [0, 1100, 1100, 1100])
        assert np.isnan(made.at([28.9, 30.1, np.nan, 29.2], [105.0, 106.0, 106.0, 105.2])).all()
        assert made.at(29.2, 106.2) == pytest.approx(400)
        assert made.at(LAT[:, None], LON[None, :]).shape == (3, 4)
