"""FY-4 AGRI L1: the real FY-4B crop against an independent decode, writer then reader, and every trap."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from tests.satellite.samples import (
    BOX,
    agri_name,
    agri_numbers,
    agri_scene,
    assert_same_disk,
    assert_same_scene,
    changed,
    replaced,
)
from tests.satellite.test_hostile import SEEDS, end_of, mutants
from wxcore.errors import ReadError, Reason
from wxcore.satellite.agri import FORMAT, NAME, read_agri
from wxcore.satellite.agri_write import write_agri
from wxcore.satellite.geometry import GEOS_COFF, Disk, fy4_disk
from wxcore.satellite.scene import BANDS, BRIGHTNESS_TEMPERATURE, REFLECTANCE, VALID, Scene, within_range
from wxcore.schema import IMAGE, Box

FILES = [("FY-4A", 500), ("FY-4A", 1000), ("FY-4A", 2000), ("FY-4A", 4000),
         ("FY-4B", 500), ("FY-4B", 1000), ("FY-4B", 2000), ("FY-4B", 4000)]  # fmt: skip


@pytest.fixture(scope="session")
def crop(data: Path) -> Path:
    """The real FY-4B scene."""
    return next((data / "satellite" / "fy4b_hdf").glob("FY4B*.HDF"))


@pytest.fixture(scope="session")
def fy4b() -> bytes:
    return write_agri(agri_scene())


@pytest.fixture(scope="session")
def fy4a() -> bytes:
    return write_agri(agri_scene("FY-4A"))


def read(data: bytes, tmp_path: Path, box: Box | None = None, name: str = "") -> Scene:
    path = tmp_path / "x.HDF"
    path.write_bytes(data)
    return read_agri(path, name or "x.HDF", box)


def values(found: Scene, number: int) -> npt.NDArray[np.float32]:
    return next(channel.values for channel in found.channels if channel.number == number)


class TestRealFile:
    """Plain h5py, numpy and pyproj, sharing nothing with the reader."""

    def test_values(self, crop: Path) -> None:
        found = read_agri(crop, crop.name)
        assert [channel.number for channel in found.channels] == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        with h5py.File(crop) as file:
            for channel in found.channels:
                counts = file[f"Data/NOMChannel{channel.number:02d}"][...].astype(int)
                if channel.number <= 6:
                    scale, offset = file["Calibration/CALIBRATION_COEF(SCALE+OFFSET)"][channel.number - 1]
                    expected = np.where(counts == 65535, np.nan, np.maximum(counts * scale + offset, 0))
                else:
                    lut = file[f"Calibration/CALChannel{channel.number:02d}"][...]
                    expected = np.where(counts < lut.size, lut[np.minimum(counts, lut.size - 1)], np.nan)
                np.testing.assert_array_equal(np.isnan(channel.values), np.isnan(expected))
                np.testing.assert_allclose(channel.values, expected, rtol=2e-6)

    def test_coldest_window_is_the_published_one(self, crop: Path) -> None:
        window = read_agri(crop, crop.name).band("brightness_temperature_108")
        assert window is not None
        assert window.number == 13
        assert float(np.nanmin(window.values)) == pytest.approx(222.2, abs=0.05)

    def test_places(self, crop: Path) -> None:
        disk = read_agri(crop, crop.name).geometry
        assert isinstance(disk, Disk)
        height, a, b = 35_786_000.0, 6_378_137.0, 6_356_752.0
        plane = Transformer.from_crs(
            f"+proj=geos +h={height} +lon_0=105 +a={a} +b={b} +sweep=y", f"+proj=longlat +a={a} +b={b}", always_xy=True
        )
        step = np.deg2rad(65536 / 10233137)
        line, column = np.mgrid[400:800, 1180:1700]
        lon, lat = plane.transform((column - 1373.5) * step * height, -(line - 1373.5) * step * height)
        found = disk.places(*np.mgrid[:400, :520].astype(float))
        np.testing.assert_allclose(found[0], lon, atol=1e-6)
        np.testing.assert_allclose(found[1], lat, atol=1e-6)

    def test_what_it_is(self, crop: Path) -> None:
        found = read_agri(crop, crop.name)
        assert (found.platform, found.instrument, found.resolution_m) == ("FY-4B", "AGRI", 4000)
        assert (found.bad_lines, found.simulated, found.remarks) == (0, False, ())
        assert found.start.isoformat() == "2025-02-26T07:00:02.347000+00:00"
        assert found.end.isoformat() == "2025-02-26T07:12:54.302000+00:00"
        with h5py.File(crop) as file:
            assert FORMAT.claims is not None
            assert FORMAT.claims(file)

    def test_a_box_is_the_same_pixels(self, crop: Path) -> None:
        whole, part = (read_agri(crop, crop.name, box) for box in (None, (105.0, 28.0, 110.3, 32.3)))
        assert isinstance(whole.geometry, Disk)
        assert isinstance(part.geometry, Disk)
        line, column = whole.geometry.pixels(*part.geometry.places(np.zeros(1), np.zeros(1)))
        rows = slice(round(float(line[0])), round(float(line[0])) + part.geometry.lines)
        columns = slice(round(float(column[0])), round(float(column[0])) + part.geometry.columns)
        assert part.geometry.lines * part.geometry.columns < 0.15 * 400 * 520
        for one, two in zip(part.channels, whole.channels, strict=True):
            np.testing.assert_array_equal(one.values, two.values[rows, columns])
        np.testing.assert_array_equal(part.line_offset_s, whole.line_offset_s[rows])


class TestNavigation:
    @pytest.mark.parametrize(
        ("sub", "column", "line"),
        [(105.0, 1410.19, 610.80), (104.7, 1417.29, 610.82), (86.5, 1833.98, 618.66), (133.0, 779.54, 624.26)],
    )
    def test_check_values_of_the_domain_brief(self, sub: float, column: float, line: float) -> None:
        found = fy4_disk(4000, sub).pixels(np.array(106.55), np.array(29.57))
        assert [float(value) for value in found] == pytest.approx([line, column], abs=0.006)

    @pytest.mark.parametrize("resolution", sorted(GEOS_COFF))
    def test_pixel_centres_are_those_of_proj(self, resolution: int) -> None:
        disk = fy4_disk(resolution, 105.0)
        height = disk.distance_m - disk.semi_major_m
        plane = Transformer.from_crs(
            "+proj=longlat +a=6378137 +b=6356752.3",
            f"+proj=geos +h={height} +lon_0=105 +a=6378137 +b=6356752.3 +sweep=y", always_xy=True,
        )  # fmt: skip
        lon, lat = np.meshgrid(np.linspace(60, 150, 19), np.linspace(-55, 55, 23))
        x, y = (np.asarray(value) / height for value in plane.transform(lon, lat))
        line, column = disk.pixels(lon, lat)
        np.testing.assert_allclose(column, x / disk.step_x + GEOS_COFF[resolution], atol=0.01)
        np.testing.assert_allclose(line, -y / disk.step_y + GEOS_COFF[resolution], atol=0.01)


class TestWriterThenReader:
    @pytest.mark.parametrize(("platform", "resolution"), FILES)
    def test_every_kind_of_file(self, platform: str, resolution: int, tmp_path: Path) -> None:
        written = agri_scene(platform, resolution)
        found = read(write_agri(written), tmp_path, name=agri_name(platform, resolution))
        assert_same_scene(found, written, tolerance=0.05)
        assert found.remarks == ()
        assert [one.number for one in sorted(found.channels, key=lambda one: one.number)] == list(
            agri_numbers(platform, resolution)
        )

    @settings(max_examples=15, deadline=None)
    @given(
        file=st.sampled_from(FILES),
        lines=st.integers(2, 30),
        columns=st.integers(2, 30),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_any_scene(self, file: tuple[str, int], lines: int, columns: int, seed: int) -> None:
        written = agri_scene(*file, (lines, columns), seed)
        assert FORMAT.write is not None
        assert_same_scene(FORMAT.read(FORMAT.write(written), agri_name(*file)), written, tolerance=0.05)

    def test_operational_names(self) -> None:
        for platform, resolution in FILES:
            match = NAME.fullmatch(agri_name(platform, resolution))
            assert match is not None
            assert match["t"] == "20250609103000"
        assert NAME.search(agri_name().replace("_FDI-_", "_GEO-_")) is None

    def test_what_the_writer_refuses(self) -> None:
        good = agri_scene()
        for wrong in (
            Scene(**{**vars(good), "platform": "FY-4C"}),
            Scene(**{**vars(good), "resolution_m": 500.0}),
            Scene(**{**vars(good), "geometry": None}),
            Scene(**{**vars(good), "geometry": fy4_disk(2000, 105.0)}),
        ):
            with pytest.raises(ValueError, match=r"AGRI|grid"):
                write_agri(wrong)


class TestChannels:
    @pytest.mark.parametrize(("platform", "number"), [("FY-4A", 12), ("FY-4B", 13)])
    def test_window_channel_by_the_satellites_table(self, platform: str, number: int, tmp_path: Path) -> None:
        def strip(file: h5py.File) -> None:
            for item in (file if platform == "FY-4A" else file["Data"]).values():
                item.attrs.pop("center_wavelength", None)

        written = agri_scene(platform)
        found = read(changed(write_agri(written), strip), tmp_path)
        window = found.band("brightness_temperature_108")
        assert window is not None
        assert (window.number, window.wavelength_um) == (number, 10.8)

    def test_attribute_is_believed_more_than_the_table(self, fy4b: bytes, tmp_path: Path) -> None:
        def swap(file: h5py.File) -> None:
            file["Data/NOMChannel13"].attrs["center_wavelength"] = np.array([b"12.0um"])
            file["Data/NOMChannel14"].attrs["center_wavelength"] = "10.8 um"

        window = (found := read(changed(fy4b, swap), tmp_path)).band("brightness_temperature_108")
        assert window is not None
        assert window.number == 14
        assert any("NOMChannel14" in remark for remark in found.remarks)

    def test_low_gain_is_taken_at_3_7_um(self, fy4b: bytes, tmp_path: Path) -> None:
        def add_high(file: h5py.File) -> None:
            for path in ("Data/NOMChannel08", "Calibration/CALChannel08"):
                file.copy(path, path.replace("08", "07"))

        found = read(changed(fy4b, add_high), tmp_path)
        assert [one.number for one in found.channels if 3.5 < one.wavelength_um < 4.1] == [8]

    def test_high_gain_where_there_is_no_low(self, tmp_path: Path) -> None:
        found = read(write_agri(agri_scene("FY-4B", 2000)), tmp_path)
        band = found.band("brightness_temperature_038")
        assert band is not None
        assert band.number == 7

    def test_only_the_bands_asked_for(self, fy4b: bytes, tmp_path: Path) -> None:
        (tmp_path / "x.HDF").write_bytes(fy4b)
        wanted = [band for band in BANDS if band.name == "brightness_temperature_108"]
        found = read_agri(tmp_path / "x.HDF", "x.HDF", None, wanted)
        assert [one.number for one in found.channels] == [13]

    def test_a_channel_without_calibration_is_left_out_and_said(self, fy4b: bytes, tmp_path: Path) -> None:
        def drop(file: h5py.File) -> None:
            del file["Calibration/CALChannel13"]

        found = read(changed(fy4b, drop), tmp_path)
        assert 13 not in [one.number for one in found.channels]
        assert any("channel 13 is left out" in remark for remark in found.remarks)


class TestCounts:
    def counts(self, data: bytes, path: str, place: tuple[int, int], count: int, **attributes: Any) -> bytes:
        def change(file: h5py.File) -> None:
            file[path][place] = count
            for name, value in attributes.items():
                if value is None:
                    del file[path].attrs[name]
                else:
                    file[path].attrs[name] = value

        return changed(data, change)

    def test_fill_and_what_is_outside_of_the_valid_range(self, fy4b: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            for path in ("Data/NOMChannel13", "Data/NOMChannel02"):
                file[path][0, :4] = 65535, 3001, 99, 3000
                file[path].attrs["valid_range"] = np.array([100, 3000], "u2")

        found = read(changed(fy4b, change), tmp_path)
        for number in (2, 13):
            assert np.isnan(values(found, number)[0, :4]).tolist() == [True, True, True, False]

    def test_default_valid_range(self, fy4b: bytes, tmp_path: Path) -> None:
        data = self.counts(fy4b, "Data/NOMChannel02", (0, 0), 4096, valid_range=None, FillValue=None)
        assert np.isnan(values(read(data, tmp_path), 2)[0, 0])

    def test_table_of_all_counts_is_cut_at_the_fill(self, fy4b: bytes, tmp_path: Path) -> None:
        lut = np.full(65536, 250, "f4")

        def change(file: h5py.File) -> None:
            replaced(file, "Calibration/CALChannel08", lut)
            file["Data/NOMChannel08"][0, :2] = 65535, 65534
            file["Data/NOMChannel08"].attrs["valid_range"] = np.array([0, 65535], "u2")

        found = values(read(changed(fy4b, change), tmp_path), 8)
        assert np.isnan(found[0, 0])
        assert found[0, 1] == 250

    def test_table_is_cut_at_another_fill_too(self, fy4b: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            file["Data/NOMChannel13"][0, :3] = 3999, 4000, 4001
            file["Data/NOMChannel13"].attrs["FillValue"] = np.array([4000], "u2")

        found = values(read(changed(fy4b, change), tmp_path), 13)
        assert np.isnan(found[0, :3]).tolist() == [False, True, True]

    def test_fill_within_the_valid_range_of_reflected_light(self, fy4b: bytes, tmp_path: Path) -> None:
        data = self.counts(fy4b, "Data/NOMChannel02", (0, 0), 4000, FillValue=np.array([4000], "u2"))
        assert np.isnan(values(read(data, tmp_path), 2)[0, 0])

    def test_counts_beyond_the_table(self, fy4b: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            replaced(file, "Calibration/CALChannel13", np.linspace(200, 300, 500).astype("f4"))
            file["Data/NOMChannel13"][0, :3] = 499, 500, 4095

        found = values(read(changed(fy4b, change), tmp_path), 13)
        assert found[0, 0] == 300
        assert np.isnan(found[0, 1:3]).all()

    def test_entries_that_are_no_temperature(self, fy4b: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            file["Calibration/CALChannel13"][:4] = 0, 65535, np.nan, 250
            file["Data/NOMChannel13"][0, :4] = 0, 1, 2, 3

        found = values(read(changed(fy4b, change), tmp_path), 13)
        assert np.isnan(found[0, :4]).tolist() == [True, True, True, False]

    def test_reflectance_is_a_fraction_and_not_below_zero(self, fy4b: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            file["Calibration/CALIBRATION_COEF(SCALE+OFFSET)"][1] = 0.0003, -0.02
            file["Data/NOMChannel02"][0, :2] = 10, 3400

        found = values(read(changed(fy4b, change), tmp_path), 2)
        assert found[0, 0] == 0
        assert found[0, 1] == pytest.approx(1.0)

    def test_reflectance_beyond_two_is_no_data(self, fy4b: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            file["Calibration/CALIBRATION_COEF(SCALE+OFFSET)"][1] = 0.001, 0.0
            file["Data/NOMChannel02"][0, :3] = 1900, 2100, 4000

        found = values(read(changed(fy4b, change), tmp_path), 2)[0, :3]
        np.testing.assert_allclose(found, [1.9, np.nan, np.nan], rtol=1e-6)

    def test_500_m_has_one_row_of_coefficients(self, tmp_path: Path) -> None:
        data = write_agri(agri_scene("FY-4A", 500))
        with h5py.File(io.BytesIO(data)) as file:
            assert file["CALIBRATION_COEF(SCALE+OFFSET)"].shape == (1, 2)
        assert [one.number for one in read(data, tmp_path).channels] == [2]

    def test_bad_lines(self, fy4b: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            file["Data/NOMChannel13"][[3, 20]] = 65535
            file["Data/NOMChannel09"][20] = 65535
            file["Data/NOMChannel02"][7] = 65535  # reflected light may be missing

        found = read(changed(fy4b, change), tmp_path)
        assert found.bad_lines == 2
        assert np.isnan(values(found, 13)[[3, 20]]).all()

    def test_space_is_no_bad_line(self, tmp_path: Path) -> None:
        full = fy4_disk(4000, 105.0)
        corner = full.window(0, 1340, 60, 60)
        channels = tuple(
            type(one)(one.number, one.wavelength_um, one.quantity, np.full((60, 60), np.nan, np.float32))
            for one in agri_scene().channels
        )
        lon, _ = corner.places(*np.mgrid[:60, :60].astype(float))
        scene = Scene(**{**vars(agri_scene()), "geometry": corner, "channels": channels, "line_offset_s": np.zeros(60)})
        found = read(write_agri(scene), tmp_path)
        assert 0 < found.bad_lines < 60
        assert found.bad_lines == int((~np.isnan(lon)).any(axis=1).sum())


class TestRange:
    def test_bounds_are_those_of_the_schema(self) -> None:
        for quantity, bounds in VALID.items():
            mine = [(var.valid_min, var.valid_max) for var in IMAGE if var.name.startswith(quantity)]
            assert mine
            assert set(mine) == {bounds}

    def test_only_what_is_in_range_is_left(self) -> None:
        given = np.array([99.9, 100, 500, 500.1, 1e300, np.inf, -np.inf, np.nan, 0])
        nan = np.nan
        found = within_range(given, BRIGHTNESS_TEMPERATURE)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, [nan, 100, 500, nan, nan, nan, nan, nan, nan])
        np.testing.assert_array_equal(
            within_range(np.array([-0.1, 0, 2, 2.1, np.inf], np.float32), REFLECTANCE), [nan, 0, 2, nan, nan]
        )


class TestGeometry:
    @pytest.mark.parametrize(
        "attributes",
        [
            {"NOMSatHeight": 42_164_000.0},
            {"NOMSatHeight": 42_164.0},
            {"NOMSatHeight": 35_785_863.0},
            {"NOMSatHeight": np.array([35_785.863], "f4")},
            {"dEA": np.array([6378137.0]), "Semimajor axis of ellipsoid": None},
            {"dEA": 6378.137, "Semimajor axis of ellipsoid": None},
            {"dEA": 6378.137, "dObRecFlat": 298.2572, "Semimajor axis of ellipsoid": None,
             "Semiminor axis of ellipsoid": None},
            {"Semimajor axis of ellipsoid": None, "Semiminor axis of ellipsoid": None},
        ],
    )  # fmt: skip
    def test_heights_and_axes_in_any_dress(self, attributes: dict[str, Any], fy4b: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            for name, value in attributes.items():
                if value is None:
                    del file.attrs[name]
                else:
                    file.attrs[name] = value

        assert_same_disk(read(changed(fy4b, change), tmp_path).geometry, agri_scene().geometry, pixels=0.02)

    def test_the_files_own_flattening_is_used(self, fy4a: bytes, tmp_path: Path) -> None:
        def flatter(file: h5py.File) -> None:
            file.attrs["dObRecFlat"] = np.array([250.0])

        disk = read(changed(fy4a, flatter), tmp_path).geometry
        assert isinstance(disk, Disk)
        assert disk.semi_minor_m == pytest.approx(6378137 * (1 - 1 / 250))

    def test_either_layout_for_either_satellite(self, fy4a: bytes, fy4b: bytes, tmp_path: Path) -> None:
        def into_groups(file: h5py.File) -> None:
            for name in list(file):
                file.move(name, f"{'Data' if name.startswith('NOM') else 'Calibration'}/{name}")

        def to_root(file: h5py.File) -> None:
            for group in ("Data", "Calibration"):
                for name in list(file[group]):
                    file.move(f"{group}/{name}", name)

        for data, change in ((fy4a, into_groups), (fy4b, to_root)):
            moved, plain = read(changed(data, change), tmp_path), read(data, tmp_path)
            assert_same_scene(moved, plain, tolerance=0)

    def test_sub_longitude_of_another_slot(self, fy4b: bytes, tmp_path: Path) -> None:
        def move(file: h5py.File) -> None:
            file.attrs["NOMCenterLon"] = np.array([104.7], "f4")

        found = read(changed(fy4b, move), tmp_path, name=agri_name())
        assert isinstance(found.geometry, Disk)
        assert found.geometry.sub_longitude == 104.7
        assert found.remarks == ("the name says 105.0 E, the file 104.7 E: the file is believed",)

    def test_sub_longitude_from_the_name_where_the_file_has_none(self, fy4b: bytes, tmp_path: Path) -> None:
        def drop(file: h5py.File) -> None:
            del file.attrs["NOMCenterLon"]

        data = changed(fy4b, drop)
        found = read(data, tmp_path, name=agri_name())
        assert isinstance(found.geometry, Disk)
        assert found.geometry.sub_longitude == 105
        refused(data, tmp_path, Reason.BAD_HEADER, "NOMCenterLon")

    def test_begin_numbers_from_the_end_ones(self, fy4b: bytes, tmp_path: Path) -> None:
        def drop(file: h5py.File) -> None:
            del file.attrs["Begin Line Number"]
            del file.attrs["Begin Pixel Number"]

        assert_same_disk(read(changed(fy4b, drop), tmp_path).geometry, agri_scene().geometry)

    def test_full_disk_needs_no_begin_numbers(self, tmp_path: Path) -> None:
        path = tmp_path / "disk.HDF"
        path.write_bytes(changed(write_agri(agri_scene()), _to_full_disk))
        found = read_agri(path, "x.HDF", BOX)
        disk = found.geometry
        assert isinstance(disk, Disk)
        line, column = disk.pixels(np.array(107.5), np.array(29.5))
        whole = fy4_disk(4000, 105.0).pixels(np.array(107.5), np.array(29.5))
        first = round(float(whole[0] - line)), round(float(whole[1] - column))
        assert float(values(found, 13)[round(float(line)), round(float(column))]) == pytest.approx(250, abs=0.1)
        expected = (np.arange(first[0], first[0] + disk.lines) + 0.5) / 2748 * (found.end - found.start).total_seconds()
        np.testing.assert_allclose(found.line_offset_s, expected)

    def test_resolution_of_a_file_that_does_not_say_it(self, tmp_path: Path) -> None:
        def strip(file: h5py.File) -> None:
            for item in file.values():
                item.attrs.pop("long_name", None)

        for resolution in (500, 1000, 2000, 4000):
            data = changed(write_agri(agri_scene("FY-4A", resolution)), strip)
            assert read(data, tmp_path).resolution_m == resolution

        def keep_one(file: h5py.File) -> None:
            strip(file)
            for number in range(3, 15):
                file.pop(f"NOMChannel{number:02d}", None)

        few = changed(write_agri(agri_scene("FY-4A")), keep_one)
        assert read(few, tmp_path, name=agri_name("FY-4A", 4000)).resolution_m == 4000
        assert read(write_agri(agri_scene()), tmp_path, name=agri_name("FY-4B", 2000)).remarks == (
            "the name says 2000 m, the file 4000 m: the file is believed",
        )


def _to_full_disk(file: h5py.File) -> None:
    """One channel of the size of a full disk, 250 K at Chongqing, stored in a few chunks."""
    line, column = fy4_disk(4000, 105.0).pixels(np.array(107.5), np.array(29.5))
    kept = dict(file["Data/NOMChannel13"].attrs)
    del file["Data"]
    image = file.create_dataset("Data/NOMChannel13", (2748, 2748), "u2", chunks=(256, 256), fillvalue=65535)
    lut = file["Calibration/CALChannel13"][...]
    image[round(float(line)), round(float(column))] = int(np.argmin(np.abs(lut - 250)))
    image.attrs.update(kept)
    for name in ("RegLength", "RegWidth"):
        file.attrs[name] = np.array([2748], "i2")
    for name in ("Begin Line", "End Line", "Begin Pixel", "End Pixel"):
        del file.attrs[f"{name} Number"]


def refused(data: bytes, tmp_path: Path, reason: Reason, words: str, box: Box | None = None) -> None:
    with pytest.raises(ReadError, match=words) as caught:
        read(data, tmp_path, box)
    assert caught.value.reason is reason
    assert caught.value.zh != caught.value.en


def _set(**attributes: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        for name, value in attributes.items():
            file.attrs[name.replace("_", " ")] = value

    return change


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "reason", "words"),
        [
            (_set(Satellite_Name="FY4C"), Reason.UNSUPPORTED, "FY-4C is registered but disabled"),
            (_set(Satellite_Name="FY2H"), Reason.UNSUPPORTED, "Satellite Name"),
            (_set(RegLength=39), Reason.BAD_HEADER, "RegLength"),
            (_set(Begin_Line_Number=500), Reason.BAD_HEADER, "Begin/End Line"),
            (_set(Begin_Pixel_Number=2700, End_Pixel_Number=2749), Reason.BAD_HEADER, "Begin/End Pixel"),
            (_set(NOMSatHeight=0), Reason.BAD_HEADER, "NOMSatHeight"),
            (_set(NOMCenterLon=1e9), Reason.BAD_HEADER, "NOMCenterLon"),
            (_set(Semimajor_axis_of_ellipsoid=5e6), Reason.BAD_HEADER, "axes"),
            (_set(Observing_Ending_Time="09:00:00"), Reason.BAD_HEADER, "Observing"),
            (_set(Observing_Beginning_Date="20250609"), Reason.BAD_HEADER, "Observing Beginning"),
        ],
    )
    def test_headers(
        self, change: Callable[[h5py.File], None], reason: Reason, words: str, fy4b: bytes, tmp_path: Path
    ) -> None:
        refused(changed(fy4b, change), tmp_path, reason, words)

    def test_a_region_without_its_place(self, fy4b: bytes, tmp_path: Path) -> None:
        def drop(file: h5py.File) -> None:
            del file.attrs["Begin Line Number"]
            del file.attrs["End Line Number"]

        refused(changed(fy4b, drop), tmp_path, Reason.BAD_HEADER, "Begin/End Line")

    def test_geo_twin(self, fy4b: bytes, tmp_path: Path) -> None:
        def to_geo(file: h5py.File) -> None:
            file["Navigation/NOMSatelliteZenith"] = file["Data/NOMChannel13"][...]
            del file["Data"]

        data = changed(fy4b, to_geo)
        refused(data, tmp_path, Reason.UNSUPPORTED, "GEO twin")
        with h5py.File(io.BytesIO(data)) as file:
            assert FORMAT.claims is not None
            assert FORMAT.claims(file)

    def test_elsewhere(self, fy4b: bytes, tmp_path: Path) -> None:
        refused(fy4b, tmp_path, Reason.OUTSIDE_REGION, "box", (120.0, 10.0, 121.0, 11.0))
        refused(fy4b, tmp_path, Reason.OUTSIDE_REGION, "box", (-80.0, 10.0, -70.0, 20.0))

    def test_not_hdf5(self, tmp_path: Path) -> None:
        refused(b"\x89HDF\r\n\x1a\n" + bytes(100), tmp_path, Reason.BAD_HEADER, "cannot be opened")

    def test_truncated(self, fy4b: bytes, tmp_path: Path) -> None:
        refused(fy4b[:-2000], tmp_path, Reason.TRUNCATED, "truncated")

    def test_whatever_is_missing_nothing_but_a_read_error_comes(self, tmp_path: Path) -> None:
        data = write_agri(agri_scene(shape=(4, 4)))
        with h5py.File(io.BytesIO(data)) as file:
            attributes = list(file.attrs)
        paths = ["Data", "Data/NOMChannel13", "Calibration", "Calibration/CALChannel13",
                 "Calibration/CALIBRATION_COEF(SCALE+OFFSET)"]  # fmt: skip

        def without(what: str) -> Callable[[h5py.File], None]:
            def change(file: h5py.File) -> None:
                if what in attributes:
                    del file.attrs[what]
                else:
                    del file[what]

            return change

        outcomes = {_outcome(changed(data, without(what)), tmp_path) for what in [*attributes, *paths]}
        assert outcomes == {None, Reason.BAD_HEADER, Reason.UNSUPPORTED}


def _outcome(data: bytes, tmp_path: Path) -> Reason | None:
    try:
        read(data, tmp_path)
    except ReadError as error:
        return error.reason
    return None


class TestOnlyTheWindowIsRead:
    def test_damage_elsewhere_is_not_met(self, tmp_path: Path) -> None:
        data = bytearray(write_agri(agri_scene("FY-4B", 500, (300, 520))))
        with h5py.File(io.BytesIO(bytes(data))) as file:
            place = file["Data/NOMChannel02"].id.get_chunk_info_by_coord((0, 0))
        data[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
        east = (108.6, 29.2, 108.7, 29.6)
        assert values(read(bytes(data), tmp_path, east), 2).size
        refused(bytes(data), tmp_path, Reason.BAD_VALUE, "cannot be read")

    def test_attributes_as_plain_values_and_bytes(self, fy4b: bytes, tmp_path: Path) -> None:
        def plain(file: h5py.File) -> None:
            for name, value in dict(file.attrs).items():
                file.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else value.reshape(-1)[0]

        assert_same_scene(read(changed(fy4b, plain), tmp_path), read(fy4b, tmp_path), tolerance=0)


def test_claims_only_its_own(fy4b: bytes) -> None:
    def other(file: h5py.File) -> None:
        file.attrs["Sensor Identification Code"] = "GHI"

    assert FORMAT.claims is not None
    with h5py.File(io.BytesIO(changed(fy4b, other))) as file:
        assert not FORMAT.claims(file)
    with h5py.File(io.BytesIO(), "w") as file:
        file["NOMChannelIR1"] = np.zeros((2, 2))
        assert not FORMAT.claims(file)


@pytest.mark.parametrize(
    ("variant", "kind", "number", "at"), [("A-4000", "meaning", 401, 99), ("B-500", "meaning", 411, 2)]
)
def test_damaged_calibration_gives_no_value_out_of_range(variant: str, kind: str, number: int, at: int) -> None:
    """Coefficients that are damaged gave reflectances of 1e33 and 2.25."""
    seed = next(seed for seed in SEEDS if (seed.reader, seed.variant) == ("fy4-agri", variant))
    assert end_of(seed.reader, mutants(seed, kind, number, at + 1)[at], seed.name) == ""
