"""FY-4B GHI L1: writer then reader, the fit to the corner points, and what is refused."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.satellite.samples import BOX, assert_same_disk, assert_same_scene, changed, piece, scene
from tests.satellite.test_hostile import SEEDS, end_of, mutants
from wxcore.errors import ReadError, Reason
from wxcore.satellite import agri
from wxcore.satellite.geometry import Disk, fy4_disk
from wxcore.satellite.ghi import FORMAT, NAME, WAVELENGTHS_UM, read_ghi
from wxcore.satellite.ghi_write import CHANNELS, write_ghi
from wxcore.satellite.scene import Scene
from wxcore.schema import Box

SHAPE = (60, 80)


def ghi_scene(resolution: int = 2000, shape: tuple[int, int] = SHAPE, seed: int = 1, sub: float = 133.0) -> Scene:
    table = {number: WAVELENGTHS_UM[number] for number in CHANNELS[resolution]}
    return scene("GHI", "FY-4B", piece(resolution, sub, shape), resolution, table, seed)


def ghi_name(resolution: int, sub: float = 133.0) -> str:
    return (
        f"FY4B-_GHI---_N_REGX_{round(sub * 10):04d}E_L1-_FDI-_MULT_NOM_20250609103000_20250609103059_"
        f"{resolution:04d}M_V0001.HDF"
    )


@pytest.fixture(scope="session")
def ghi() -> bytes:
    return write_ghi(ghi_scene())


def read(data: bytes, tmp_path: Path, box: Box | None = None, name: str = "x.HDF") -> Scene:
    path = tmp_path / "x.HDF"
    path.write_bytes(data)
    return read_ghi(path, name, box)


def refused(data: bytes, tmp_path: Path, words: str, reason: Reason = Reason.BAD_HEADER) -> None:
    with pytest.raises(ReadError, match=words) as caught:
        read(data, tmp_path)
    assert caught.value.reason is reason
    assert caught.value.zh != caught.value.en


class TestWriterThenReader:
    @pytest.mark.parametrize("resolution", sorted(CHANNELS))
    @pytest.mark.parametrize("sub", [105.0, 123.5, 133.0])
    def test_every_resolution(self, resolution: int, sub: float, tmp_path: Path) -> None:
        written = ghi_scene(resolution, sub=sub)
        found = read(write_ghi(written), tmp_path, name=ghi_name(resolution, sub))
        assert_same_scene(found, written, tolerance=0.05)
        assert len(found.remarks) == 1
        assert "no original file" in found.remarks[0]

    @settings(max_examples=10, deadline=None)
    @given(
        resolution=st.sampled_from(sorted(CHANNELS)), lines=st.integers(10, 60), columns=st.integers(10, 60),
        seed=st.integers(0, 2**32 - 1),
    )  # fmt: skip
    def test_any_scene(self, resolution: int, lines: int, columns: int, seed: int) -> None:
        written = ghi_scene(resolution, (lines, columns), seed)
        assert FORMAT.write is not None
        assert_same_scene(FORMAT.read(FORMAT.write(written), ghi_name(resolution)), written, tolerance=0.05)

    def test_window_channel_counts_as_10_8_um(self, ghi: bytes, tmp_path: Path) -> None:
        window = read(ghi, tmp_path).band("brightness_temperature_108")
        assert window is not None
        assert (window.number, window.wavelength_um) == (7, 11.4)

    def test_only_the_window_over_the_box(self, tmp_path: Path) -> None:
        data = write_ghi(ghi_scene(shape=(300, 300)))
        whole, part = read(data, tmp_path), read(data, tmp_path, BOX)
        assert isinstance(whole.geometry, Disk)
        assert isinstance(part.geometry, Disk)
        line, column = whole.geometry.pixels(*part.geometry.places(np.zeros(1), np.zeros(1)))
        top, left = round(float(line[0])), round(float(column[0]))
        assert part.geometry.lines < 150
        for one, two in zip(part.channels, whole.channels, strict=True):
            np.testing.assert_array_equal(
                one.values, two.values[top : top + part.geometry.lines, left : left + part.geometry.columns]
            )

    def test_operational_names(self) -> None:
        match = NAME.fullmatch(ghi_name(250))
        assert match is not None
        assert match["t"] == "20250609103000"

    def test_what_the_writer_refuses(self) -> None:
        good = ghi_scene()
        space = fy4_disk(2000, 105.0).window(0, 0, *SHAPE)
        for wrong in ({"platform": "FY-4A"}, {"resolution_m": 250.0}, {"geometry": None}, {"geometry": space}):
            with pytest.raises(ValueError, match=r"GHI|Earth"):
                write_ghi(Scene(**{**vars(good), **wrong}))


def _corners(change: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[h5py.File], None]:
    names = ("Corner-Point Longitudes", "Corner-Point Latitudes")

    def apply(file: h5py.File) -> None:
        for name, values in zip(names, change(*(file.attrs[name] for name in names)), strict=True):
            file.attrs[name] = values

    return apply


class TestCornerPoints:
    def test_outer_corners_are_told_from_centres(self, ghi: bytes, tmp_path: Path) -> None:
        disk = ghi_scene().geometry
        assert isinstance(disk, Disk)
        lines, columns = np.array([0, 0, 60, 60]) - 0.5, np.array([0, 80, 0, 80]) - 0.5
        data = changed(ghi, _corners(lambda lon, lat: disk.places(lines, columns)))
        assert_same_disk(read(data, tmp_path).geometry, disk)

    def test_any_order(self, ghi: bytes, tmp_path: Path) -> None:
        data = changed(ghi, _corners(lambda lon, lat: (lon[[3, 1, 0, 2]], lat[[3, 1, 0, 2]])))
        assert_same_disk(read(data, tmp_path).geometry, ghi_scene().geometry)

    def test_single_precision_is_enough(self, tmp_path: Path) -> None:
        written = ghi_scene(250, (200, 200))
        data = changed(write_ghi(written), _corners(lambda lon, lat: (lon.astype("f4"), lat.astype("f4"))))
        assert_same_disk(read(data, tmp_path).geometry, written.geometry, pixels=0.1)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda lon, lat: (lon + np.array([0.1, 0, 0, 0]), lat), "no rectangle"),
            (lambda lon, lat: (lon, lat + np.array([0, 0.1, 0, 0])), "no rectangle"),
            (lambda lon, lat: (lon[[0, 0, 2, 3]], lat), "no rectangle"),
            (lambda lon, lat: (lon[[0, 0, 3, 3]], lat[[0, 0, 3, 3]]), "no rectangle"),
            (lambda lon, lat: (lon[:3], lat[:3]), "4 numbers"),
            (lambda lon, lat: (lon + 180, lat), "side of the Earth"),
            (lambda lon, lat: (lon, np.full(4, np.nan)), "side of the Earth"),
            (lambda lon, lat: (lon, lat * 0 + lat[0]), "no rectangle"),
        ],
    )
    def test_no_rectangle(
        self, change: Callable[[Any, Any], tuple[Any, Any]], words: str, ghi: bytes, tmp_path: Path
    ) -> None:
        refused(changed(ghi, _corners(change)), tmp_path, words)

    def test_a_pixel_of_no_known_resolution(self, ghi: bytes, tmp_path: Path) -> None:
        disk = piece(4000, 133.0, SHAPE)
        corners = disk.places(np.array([0.0, 0, 59, 59]), np.array([0.0, 79, 0, 79]))
        refused(changed(ghi, _corners(lambda lon, lat: corners)), tmp_path, "no pixels of 250, 500, 2000 m")

    def test_resolution_of_the_name_is_only_remarked_on(self, ghi: bytes, tmp_path: Path) -> None:
        found = read(ghi, tmp_path, name=ghi_name(250))
        assert found.resolution_m == 2000
        assert any("0250 m" in remark for remark in found.remarks)


class TestHeader:
    @pytest.mark.parametrize("height", [42164.0, 42_164_000.0, 35785.863, 35_785_863.0])
    def test_heights_in_any_dress(self, height: float, ghi: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            file.attrs["NOMSatHeight"] = height

        assert_same_disk(read(changed(ghi, change), tmp_path).geometry, ghi_scene().geometry)

    def test_another_satellite(self, ghi: bytes, tmp_path: Path) -> None:
        def change(file: h5py.File) -> None:
            file.attrs["Satellite Name"] = "FY4C"

        refused(changed(ghi, change), tmp_path, "expected FY-4B", Reason.UNSUPPORTED)

    def test_claims(self, ghi: bytes) -> None:
        assert FORMAT.claims is not None
        assert agri.FORMAT.claims is not None

        def nameless(file: h5py.File) -> None:
            del file.attrs["Sensor Identification Code"]
            del file.attrs["Sensor Name"]

        for data in (ghi, changed(ghi, nameless)):
            with h5py.File(io.BytesIO(data)) as file:
                assert FORMAT.claims(file)
                assert not agri.FORMAT.claims(file)


@pytest.mark.parametrize(("variant", "kind", "number", "at"), [("250", "meaning", 111, 70)])
def test_damaged_calibration_gives_no_value_out_of_range(variant: str, kind: str, number: int, at: int) -> None:
    """Coefficients that are damaged gave reflectances of 1e12."""
    seed = next(seed for seed in SEEDS if (seed.reader, seed.variant) == ("fy4-ghi", variant))
    assert end_of(seed.reader, mutants(seed, kind, number, at + 1)[at], seed.name) == ""
