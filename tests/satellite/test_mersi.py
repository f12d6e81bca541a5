"""FY-3 MERSI: Planck's law, every trap of FORMATS.md B, writer then reader. No real file is at hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from scipy import constants

from tests.satellite.test_hostile import SEEDS, end_of, mutants
from wxcore.errors import ReadError, Reason
from wxcore.hdf5 import check_hdf5
from wxcore.satellite import mersi, mersi_places, planck
from wxcore.satellite.geometry import Swath
from wxcore.satellite.mersi_tables import VARIANTS, Variant, variant_of
from wxcore.satellite.mersi_write import A, B, write, write_geolocation
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, MARGIN_DEG, REFLECTANCE, Channel, Geolocation, Scene

START = datetime(2026, 7, 1, 3, 10, 5, 250_000, tzinfo=UTC)
BOX = (105.0, 28.0, 110.5, 32.5)
LINES, COLUMNS = 80, 60
EACH = pytest.mark.parametrize("variant", VARIANTS, ids=lambda one: f"{one.platform}-{one.resolution_m:g}")
Edit = Callable[[h5py.File], Any]


def swath(lines: int = LINES, columns: int = COLUMNS, west: float = 100.0, step: float = 0.2) -> Swath:
    """A slanted piece of a pass, which runs southwards over Chongqing."""
    line, column = np.mgrid[0:lines, 0:columns].astype(np.float64)
    lon = west + step * column - 0.05 * line
    return Swath(((lon + 180) % 360 - 180).astype("f4"), (37.0 - step * line - 0.03 * column).astype("f4"))


def scene(variant: Variant, kelvin: npt.NDArray[Any] | None = None, geometry: Swath | None = None) -> Scene:
    """All bands of a kind; temperatures and reflectances that differ from pixel to pixel and from band to band."""
    geometry = geometry or swath()
    ramp = np.linspace(0, 1, geometry.lon.size).reshape(geometry.shape)
    channels = []
    for plane in variant.planes:
        if plane.quantity == REFLECTANCE:
            values = (ramp + plane.number / 100) % 1
        else:
            values = 200 + 115 * ramp + plane.row if kelvin is None else kelvin
        channels.append(Channel(plane.number, plane.wavelength_um, plane.quantity, values.astype("f4")))
    order = tuple(sorted(channels, key=lambda channel: channel.wavelength_um))
    end = START + timedelta(seconds=300)
    return Scene(mersi.NAME, variant.platform, variant.instrument, variant.resolution_m, START, end, order, geometry,
                 np.zeros(geometry.shape[0]))  # fmt: skip


def names(variant: Variant) -> tuple[str, str]:
    head, tail = f"{variant.platform.replace('-', '')}_MERSI_GRAN_L1_20260701_0310_", "_V0.HDF"
    return head + variant.code + tail, head + variant.places_code + tail


def stored(folder: Path, variant: Variant, given: Scene | None = None, edit: Edit | None = None) -> tuple[Path, Path]:
    """A pass and its geolocation as files; `edit` changes the pass."""
    given = given or scene(variant)
    paths = folder / names(variant)[0], folder / names(variant)[1]
    for path, data in zip(paths, (write(given), write_geolocation(given)), strict=True):
        path.write_bytes(data)
    if edit is not None:
        with h5py.File(paths[0], "r+") as file:
            edit(file)
    return paths


def read(paths: tuple[Path, Path], box: tuple[float, float, float, float] | None = None) -> Scene:
    return mersi.read_pass(paths[0], paths[1], paths[0].name, box)


def band(given: Scene, number: int) -> npt.NDArray[np.float32]:
    return next(channel.values for channel in given.channels if channel.number == number)


def radiance(kelvin: Any, um: float) -> Any:
    """Planck's law once more, written out with its two constants."""
    nu = 1e4 / um
    return 1.191042972e-5 * nu**3 / (np.exp(1.438776877 * nu / np.asarray(kelvin, dtype=float)) - 1)


def kelvin_of(mw: float, um: float, a: float = 1.0, b: float = 0.0) -> float:
    nu = 1e4 / um
    return (1.438776877 * nu / math.log(1 + 1.191042972e-5 * nu**3 / mw) - b) / a


def refused(reason: Reason, action: Callable[[], object], *words: str) -> None:
    with pytest.raises(ReadError) as caught:
        action()
    assert caught.value.reason is reason, caught.value.en
    for word in words:
        assert word in caught.value.en
    assert caught.value.zh != caught.value.en


def put(path: str, at: Any, value: int) -> Edit:
    def edit(file: h5py.File) -> None:
        file[path][at] = value

    return edit


# Planck's law


def test_radiance_of_known_black_bodies() -> None:
    # 9.924 W m-2 sr-1 um-1 at 10 um and 300 K (tables of the black body) = 99.24 mW m-2 sr-1 cm
    assert planck.radiance(300, 10.0) == pytest.approx(99.24, abs=0.005)
    # with bc: nu = 925.926, C1 nu^3 = 9454.8831, exp(C2 nu / 300) = 84.831707
    assert planck.radiance(300, 10.8) == pytest.approx(112.784094, rel=1e-8)
    assert planck.brightness_temperature(112.784094, 10.8) == pytest.approx(300, abs=1e-6)


@pytest.mark.parametrize("um", [3.8, 7.2, 10.8, 12.0])
def test_radiance_is_the_law_per_wavelength(um: float) -> None:
    h, c, k, metres = constants.h, constants.c, constants.k, um * 1e-6
    per_metre = 2 * h * c**2 / metres**5 / math.expm1(h * c / (metres * k * 250))
    assert planck.radiance(250, um) == pytest.approx(per_metre * metres**2 * 1e3 * 1e2, rel=1e-12)


@given(st.floats(180, 330), st.floats(3.5, 13.8))
def test_temperature_of_radiance_is_the_temperature(kelvin: float, um: float) -> None:
    assert planck.brightness_temperature(planck.radiance(kelvin, um), um) == pytest.approx(kelvin, abs=1e-9)


def test_nothing_warm_has_no_temperature() -> None:
    assert np.isnan(planck.brightness_temperature([0, -1, np.nan], 10.8)).all()
    assert np.isnan(planck.radiance([0, -1, np.nan], 10.8)).all()


# Writer then reader


@EACH
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kelvin=stn.arrays("f4", (10, 6), elements=st.floats(180, 320, width=32) | st.just(math.nan)))
def test_written_temperatures_are_read(variant: Variant, tmp_path: Path, kelvin: npt.NDArray[Any]) -> None:
    found = read(stored(tmp_path, variant, scene(variant, kelvin, swath(10, 6))))
    for plane in variant.planes:
        if plane.quantity == REFLECTANCE:
            continue
        a, b = (np.float32(A[plane.row]), np.float32(B[plane.row])) if variant.correction else (1.0, 0.0)
        slope, um = 2e-4 if plane.wavelength_um < 5 else 0.01, plane.wavelength_um
        wanted, values = radiance(a * kelvin + b, um), band(found, plane.number)
        visible = wanted > slope * 0.501
        np.testing.assert_array_equal(np.isnan(values) & (np.isnan(kelvin) | visible), np.isnan(kelvin))
        away = np.abs(radiance(a * values[visible] + b, um) - wanted[visible])
        assert (away <= slope * 0.5 + 2e-5 * wanted[visible]).all()


@EACH
def test_pass_and_places_are_read(variant: Variant, tmp_path: Path) -> None:
    given = replace(scene(variant), simulated=True)
    found = read(stored(tmp_path, variant, given))
    assert (found.format, found.platform, found.instrument) == (mersi.NAME, variant.platform, variant.instrument)
    assert (found.start, found.end, found.resolution_m) == (given.start, given.end, variant.resolution_m)
    assert isinstance(found.geometry, Swath)
    assert isinstance(given.geometry, Swath)
    np.testing.assert_allclose(found.geometry.lon, given.geometry.lon, atol=1e-5)
    np.testing.assert_array_equal(found.geometry.lat, given.geometry.lat)
    assert [channel.number for channel in found.channels] == [channel.number for channel in given.channels]
    for mine, theirs in zip(found.channels, given.channels, strict=True):
        assert mine.wavelength_um == pytest.approx(theirs.wavelength_um, abs=1e-6)
        if mine.quantity == REFLECTANCE:
            np.testing.assert_allclose(mine.values, theirs.values, atol=1 / 7900)
    assert found.simulated
    assert found.bad_lines == 0
    assert found.remarks == ()
    assert found.line_offset_s[[0, -1]] == pytest.approx([300 / LINES / 2, 300 - 300 / LINES / 2])


@EACH
def test_window_is_the_pixels_over_box_and_margin(variant: Variant, tmp_path: Path) -> None:
    paths = stored(tmp_path, variant)
    whole, part = read(paths), read(paths, BOX)
    assert isinstance(whole.geometry, Swath)
    assert isinstance(part.geometry, Swath)
    lon, lat = whole.geometry.lon.astype(float), whole.geometry.lat.astype(float)
    inside = (lon >= BOX[0] - MARGIN_DEG) & (lon <= BOX[2] + MARGIN_DEG)
    inside &= (lat >= BOX[1] - MARGIN_DEG) & (lat <= BOX[3] + MARGIN_DEG)
    lines, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    cut = np.s_[lines[0] : lines[-1] + 1, columns[0] : columns[-1] + 1]
    assert part.geometry.shape < whole.geometry.shape
    np.testing.assert_array_equal(part.geometry.lat, whole.geometry.lat[cut])
    np.testing.assert_array_equal(part.line_offset_s, whole.line_offset_s[cut[0]])
    for mine, theirs in zip(part.channels, whole.channels, strict=True):
        np.testing.assert_array_equal(mine.values, theirs.values[cut])


def test_places_searched_in_blocks_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = stored(tmp_path, VARIANTS[0])
    whole = read(paths, BOX)
    monkeypatch.setattr(mersi_places, "BLOCK_PIXELS", 7 * COLUMNS)
    blocks = read(paths, BOX)
    assert isinstance(whole.geometry, Swath)
    assert isinstance(blocks.geometry, Swath)
    np.testing.assert_array_equal(blocks.geometry.lon, whole.geometry.lon)
    np.testing.assert_array_equal(band(blocks, 24), band(whole, 24))


def test_lines_outside_of_the_window_are_not_read(tmp_path: Path) -> None:
    variant = VARIANTS[0]
    paths = stored(tmp_path, variant, scene(variant, geometry=swath(240, 20)))
    with h5py.File(paths[0]) as file:
        data = file["Data/EV_250_Aggr.1KM_Emissive"].id
        last = max((data.get_chunk_info(k) for k in range(data.get_num_chunks())), key=lambda info: info.chunk_offset)
    with paths[0].open("r+b") as raw:
        raw.seek(last.byte_offset)
        raw.write(b"\0" * last.size)
    assert np.isfinite(band(read(paths, (100, 33, 102, 36)), 24)).all()
    refused(Reason.BAD_VALUE, lambda: read(paths))


def test_window_across_the_antimeridian(tmp_path: Path) -> None:
    variant = VARIANTS[0]
    paths = stored(tmp_path, variant, scene(variant, geometry=swath(west=176.0)))
    for box in ((178.0, 28.0, -178.0, 32.0), (178.0, 28.0, 182.0, 32.0)):
        found = read(paths, box).geometry
        assert isinstance(found, Swath)
        assert found.lon.min() < -177.4
        assert found.lon.max() > 177.6
        assert found.shape < (LINES, COLUMNS)
    refused(Reason.OUTSIDE_REGION, lambda: read(paths, (0.0, 28.0, 10.0, 32.0)))


def test_longitudes_to_360_are_the_same_places(tmp_path: Path) -> None:
    variant = VARIANTS[0]
    paths = stored(tmp_path, variant, scene(variant, geometry=swath(west=176.0)))
    plain = read(paths, (178.0, 28.0, -178.0, 32.0)).geometry
    with h5py.File(paths[1], "r+") as file:
        lon = file["Geolocation/Longitude"]
        lon[...] = lon[...] % 360
    found = read(paths, (178.0, 28.0, -178.0, 32.0)).geometry
    assert isinstance(found, Swath)
    assert isinstance(plain, Swath)
    np.testing.assert_allclose(found.lon, plain.lon, atol=1e-4)


def test_unknown_places_are_nan_and_in_no_box(tmp_path: Path) -> None:
    geometry = swath()
    geometry.lon[:, 7], geometry.lat[3] = np.nan, np.nan
    paths = stored(tmp_path, VARIANTS[0], scene(VARIANTS[0], geometry=geometry))
    with h5py.File(paths[1], "r+") as file:
        file["Geolocation/Latitude"][5] = 65535
    found = read(paths).geometry
    assert isinstance(found, Swath)
    unknown = np.zeros(found.shape, dtype=bool)
    unknown[:, 7], unknown[[3, 5]] = True, True
    np.testing.assert_array_equal(np.isnan(found.lon), unknown)
    np.testing.assert_array_equal(np.isnan(found.lat), unknown)
    refused(Reason.OUTSIDE_REGION, lambda: read(paths, (-60.0, -10.0, -50.0, 0.0)), "ignore")


# Traps of the calibration


def test_10_8_and_12_go_beyond_the_valid_range_that_they_say(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        data = file["Data/EV_250_Aggr.1KM_Emissive"]
        assert data.attrs["valid_range"][1] == 4095
        data[0, 0, :2], data[1, 0, :2] = (9000, 25001), (8000, 25001)
        file.attrs["Effect_Center_WaveLength"] = np.full(25, 10.714, "f4")

    found = read(stored(tmp_path, VARIANTS[0], edit=edit))
    assert band(found, 24)[0, 0] == pytest.approx(kelvin_of(90.0, 10.714, A[4], B[4]), abs=2e-3)
    assert np.isfinite(band(found, 25)[0, 0])
    assert np.isnan(band(found, 24)[0, 1])
    assert np.isnan(band(found, 25)[0, 1])


@EACH
def test_bad_saturated_and_dead_are_nan(variant: Variant, tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        for plane in variant.planes:
            data = file[plane.dataset]
            data.attrs.pop("valid_range", None)
            data.attrs.pop("FillValue", None)
            data[(*(() if plane.index is None else (plane.index,)), 4, slice(0, 3))] = (65533, 65534, 65535)

    for channel in read(stored(tmp_path, variant, edit=edit)).channels:
        assert np.isnan(channel.values[4, :3]).all(), channel.number
        assert np.isfinite(channel.values[4, 3:]).all(), channel.number


@EACH
def test_no_radiance_in_the_first_columns_is_nan(variant: Variant, tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        for plane in variant.planes:
            if plane.quantity == BRIGHTNESS_TEMPERATURE:
                file[plane.dataset][..., :10] = 0

    for channel in read(stored(tmp_path, variant, edit=edit)).channels:
        if channel.quantity == BRIGHTNESS_TEMPERATURE:
            assert np.isnan(channel.values[:, :10]).all(), channel.number
            assert np.nanmin(channel.values) > 150


@pytest.mark.parametrize("platform", ["FY-3D", "FY-3F"])
def test_correction_takes_the_pair_of_the_band(platform: str, tmp_path: Path) -> None:
    variant = variant_of(platform, 1000)
    assert variant is not None

    def edit(file: h5py.File) -> None:
        file.attrs["TBB_Trans_Coefficient_A"] = 1 + np.arange(6) / 100
        file.attrs["TBB_Trans_Coefficient_B"] = np.arange(6) - 2.0
        for path in ("Data/EV_1KM_Emissive", "Data/EV_250_Aggr.1KM_Emissive"):
            file[path][:] = 5000
            file[path].attrs["Slope"] = np.full(file[path].shape[0], 0.01, "f4")

    found = read(stored(tmp_path, variant, edit=edit))
    for row, um in enumerate((3.8, 4.05, 7.2, 8.55, 10.8, 12.0)):
        wanted = kelvin_of(50.0, um, 1 + row / 100, row - 2.0)
        assert band(found, 20 + row)[0, 0] == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize("resolution", [250, 1000])
def test_low_light_has_both_coefficients_in_one_list(resolution: int, tmp_path: Path) -> None:
    variant = variant_of("FY-3E", resolution)
    assert variant is not None

    def edit(file: h5py.File) -> None:
        both = np.concatenate([1 + np.arange(6) / 100, np.arange(6) - 2.0])
        file.attrs["TBB_Trans_Coefficient"] = both
        for path in {plane.dataset for plane in variant.planes if plane.quantity == BRIGHTNESS_TEMPERATURE}:
            file[path][...] = 5000
            file[path].attrs["Slope"] = np.float32(0.01)

    found = read(stored(tmp_path, variant, edit=edit))
    for number, um in ((6, 10.8), (7, 12.0)):
        wanted = kelvin_of(50.0, um, 1 + (number - 2) / 100, number - 4.0)
        assert band(found, number)[0, 0] == pytest.approx(wanted, abs=2e-3)


def test_rain_imager_is_not_corrected(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        file["Data/EV_Emissive"][:] = 5000
        file.attrs["TBB_Trans_Coefficient_A"], file.attrs["TBB_Trans_Coefficient_B"] = np.full(6, 2.0), np.full(6, 9.0)

    found = read(stored(tmp_path, VARIANTS[-1], edit=edit))
    assert band(found, 7)[0, 0] == pytest.approx(kelvin_of(50.0, 10.736), abs=1e-3)
    assert band(found, 8)[0, 0] == pytest.approx(kelvin_of(50.0, 12.019), abs=1e-3)


def test_coefficients_of_zero_and_none_correct_nothing(tmp_path: Path) -> None:
    def zero(file: h5py.File) -> None:
        file["Data/EV_250_Aggr.1KM_Emissive"][:] = 5000
        file.attrs["TBB_Trans_Coefficient_A"], file.attrs["TBB_Trans_Coefficient_B"] = np.zeros(6), np.full(6, 9.0)

    def none(file: h5py.File) -> None:
        file["Data/EV_250_Aggr.1KM_Emissive"][:] = 5000
        del file.attrs["TBB_Trans_Coefficient_A"]

    for edit, remarks in ((zero, 0), (none, 1)):
        found = read(stored(tmp_path, VARIANTS[0], edit=edit))
        assert band(found, 24)[0, 0] == pytest.approx(kelvin_of(50.0, 10.8), abs=1e-3)
        assert len(found.remarks) == remarks


@EACH
def test_each_band_is_its_own_plane(variant: Variant, tmp_path: Path) -> None:
    """Numbers and planes as FORMATS.md B lists them, written out here once more."""
    first = {"Data/EV_1KM_RefSB": 5, "Data/EV_250_Aggr.1KM_RefSB": 1, "Data/EV_Reflectance": 1, "Data/EV_Emissive": 6}
    first["Data/EV_1KM_Emissive"] = 2 if variant.platform == "FY-3E" else 20
    first["Data/EV_250_Aggr.1KM_Emissive"] = 6 if variant.platform == "FY-3E" else 24

    def edit(file: h5py.File) -> None:
        for path in {plane.dataset for plane in variant.planes}:
            data = file[path]
            if data.ndim == 3:
                for index in range(data.shape[0]):
                    data[index] = 100 * (first[path] + index)
            else:
                number = int(path.rsplit("_b", 1)[1]) if "_b" in path else 1
                data[...] = 100 * number
            data.attrs["Slope"] = np.float32(0.01)

    found = read(stored(tmp_path, variant, edit=edit))
    assert {channel.number for channel in found.channels} == {plane.number for plane in variant.planes}
    for channel in found.channels:
        if channel.quantity == BRIGHTNESS_TEMPERATURE:
            row = next(plane.row for plane in variant.planes if plane.number == channel.number)
            a, b = (A[row], B[row]) if variant.correction else (1.0, 0.0)
            wanted = kelvin_of(channel.number, channel.wavelength_um, a, b)
            assert channel.values[2, 2] == pytest.approx(wanted, abs=2e-3)


def test_reflectance_is_a_polynomial_in_percent_of_the_row_of_the_band(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        table = np.zeros((19, 3))
        table[:, 0], table[:, 1], table[:, 2] = np.arange(19), 0.02, 1e-6
        file["Calibration/VIS_Cal_Coeff"][...] = table
        file["Data/EV_250_Aggr.1KM_RefSB"][:], file["Data/EV_1KM_RefSB"][:] = 1000, 1000

    found = read(stored(tmp_path, VARIANTS[0], edit=edit))
    for number in (1, 2, 3, 4, 5, 6, 7, 19):
        assert band(found, number)[0, 0] == pytest.approx((number - 1 + 0.02 * 1000 + 1e-6 * 1000**2) / 100, rel=1e-5)
    chosen = found.band("reflectance_065")
    assert chosen is not None
    assert chosen.number == 3


def test_reflectance_of_the_rain_imager_is_a_part_of_one(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        file["Calibration/RSB_Cal_Coeff"][...] = np.array([0.01, 2e-4, 0])
        file["Data/EV_Reflectance"][:] = 1000

    found = read(stored(tmp_path, VARIANTS[-1], edit=edit))
    assert band(found, 1)[0, 0] == pytest.approx(0.21, rel=1e-5)


@EACH
def test_values_beyond_the_range_of_their_quantity_are_no_data(variant: Variant, tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        for plane in variant.planes:
            slope = file[plane.dataset].attrs["Slope"]
            file[plane.dataset].attrs["Slope"] = np.full_like(slope, 1e30)

    for channel in read(stored(tmp_path, variant, edit=edit)).channels:
        if channel.quantity == BRIGHTNESS_TEMPERATURE:
            assert np.isnan(channel.values).all()


def test_low_light_is_radiance_over_irradiance(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        file["Data/EV_1KM_LL"][...] = 1000
        file["Data/EV_1KM_LL"].attrs["Slope"] = np.array([0.05], "f4")
        file["Calibration/Solar_Irradiance_LL"][...] = 400.0

    variant = variant_of("FY-3E", 1000)
    assert variant is not None
    found = read(stored(tmp_path, variant, edit=edit))
    assert band(found, 1)[0, 0] == pytest.approx(math.pi * 50 / 400, rel=1e-5)
    assert found.band("reflectance_065") is None


def test_dark_counts_reflect_nothing_less_than_nothing(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        file["Calibration/VIS_Cal_Coeff"][:, 0] = -2.0
        file["Data/EV_250_Aggr.1KM_RefSB"][:] = 0

    assert band(read(stored(tmp_path, VARIANTS[0], edit=edit)), 3)[0, 0] == 0


@pytest.mark.parametrize(("said", "um", "remarks"), [(10.714, 10.714, 0), (925.9, 10.8, 1), (12.0, 10.8, 1)])
def test_wavelength_is_that_of_the_file_where_it_can_be_meant(
    said: float, um: float, remarks: int, tmp_path: Path
) -> None:
    def edit(file: h5py.File) -> None:
        values = file.attrs["Effect_Center_WaveLength"].astype("f4")
        values[23] = said
        file.attrs["Effect_Center_WaveLength"] = values
        file["Data/EV_250_Aggr.1KM_Emissive"][0] = 9000

    found = read(stored(tmp_path, VARIANTS[0], edit=edit))
    channel = found.band("brightness_temperature_108")
    assert channel is not None
    assert channel.wavelength_um == pytest.approx(um, abs=1e-6)
    assert channel.values[0, 0] == pytest.approx(kelvin_of(90.0, um, A[4], B[4]), abs=2e-3)
    assert len(found.remarks) == remarks


# A pass and its geolocation


@EACH
def test_a_pass_alone_has_no_pixels(variant: Variant, tmp_path: Path) -> None:
    path, twin = stored(tmp_path, variant)
    found = mersi.read_path(path, path.name, BOX)
    assert isinstance(found, Scene)
    assert mersi.needs_geolocation(found)
    assert found.geometry is None
    assert {channel.values.shape for channel in found.channels} == {(0, 0)}
    assert len(found.channels) == len(variant.planes)
    assert found.line_offset_s.size == 0
    assert any("longitudes" in remark for remark in found.remarks)
    places = mersi.read_path(twin, twin.name, BOX)
    assert places == Geolocation(mersi.PLACES_NAME, variant.platform, variant.instrument, variant.resolution_m,
                                 START, START + timedelta(seconds=300), (LINES, COLUMNS))  # fmt: skip
    assert mersi.read_path(twin, "unnamed.hdf", None) == places
    refused(Reason.OUTSIDE_REGION, lambda: mersi.read_path(twin, twin.name, (0, 0, 5, 5)))
    assert mersi.FORMATS[0].describe(found).kind == "scene"
    assert mersi.FORMATS[1].describe(places).kind == "geolocation"


def test_a_pass_with_places_of_its_own_is_whole(tmp_path: Path) -> None:
    given = scene(VARIANTS[0])
    path = tmp_path / "tf2026182031005.FY3D-X_MERSI_1000M_L1B.HDF"
    path.write_bytes(write(given, own_places=True))
    found = mersi.read_path(path, path.name, BOX)
    assert isinstance(found, Scene)
    assert not mersi.needs_geolocation(found)
    path.with_name("geo.hdf").write_bytes(write_geolocation(given))
    twin = mersi.read_pass(path, path.with_name("geo.hdf"), path.name, BOX)
    np.testing.assert_array_equal(band(found, 24), band(twin, 24))
    with h5py.File(path, "r+") as file:
        for what in ("Longitude", "Latitude"):
            del file[f"Geolocation/{what}"]
            file[f"Geolocation/{what}"] = np.ones((LINES // 10, COLUMNS // 10), "f4")
    coarse = mersi.read_path(path, path.name, None)
    assert isinstance(coarse, Scene)
    assert mersi.needs_geolocation(coarse)
    assert any("shape" in remark for remark in coarse.remarks)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    here.mkdir()
    there.mkdir()
    pass_path, _ = stored(here, VARIANTS[0])
    _, other = stored(there, VARIANTS[2])
    refused(Reason.BAD_HEADER, lambda: read((pass_path, other)), "FY-3F", "FY-3D")
    _, twin = stored(there, VARIANTS[0], scene(VARIANTS[0], geometry=swath(LINES, COLUMNS + 1)))
    refused(Reason.BAD_VALUE, lambda: read((pass_path, twin)), "(80, 60)", "(80, 61)")
    for seconds in (60, -60):
        late = replace(scene(VARIANTS[0]), start=START + timedelta(seconds=seconds))
        assert read((pass_path, stored(there, VARIANTS[0], late)[1])).start == START
    late = replace(scene(VARIANTS[0]), start=START + timedelta(seconds=61))
    refused(Reason.BAD_HEADER, lambda: read((pass_path, stored(there, VARIANTS[0], late)[1])), "61 s")
    refused(Reason.BAD_HEADER, lambda: read((pass_path, pass_path)), "Longitude")


def test_lines_without_a_valid_pixel_are_counted(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        file["Data/EV_1KM_Emissive"][1, 30:32] = 65533
        file["Data/EV_250_Aggr.1KM_Emissive"][0, 31:33] = 65535
        file["Data/EV_1KM_RefSB"][:, 40] = 65535

    assert read(stored(tmp_path, VARIANTS[0], edit=edit)).bad_lines == 3


# What is refused


def test_new_and_foreign_satellites_are_refused(tmp_path: Path) -> None:
    path, twin = stored(tmp_path, VARIANTS[0], edit=lambda file: file.attrs.update({"Satellite Name": "FY-3H"}))
    refused(Reason.UNSUPPORTED, lambda: mersi.read_path(path, "new.hdf", None), "FY-3H", "unverified")
    path, twin = stored(tmp_path, VARIANTS[0], edit=lambda file: file.attrs.pop("Satellite Name"))
    name = "FY3H_MERSI_GRAN_L1_20260701_0310_1000M_V0.HDF"
    refused(Reason.UNSUPPORTED, lambda: mersi.read_path(path, name, None), "FY-3H", "unverified")
    assert mersi.read_path(path, names(VARIANTS[0])[0], None).platform == "FY-3D"
    refused(Reason.BAD_HEADER, lambda: mersi.read_path(path, "unnamed.hdf", None), "Satellite Name")
    refused(Reason.NAME_MISMATCH, lambda: mersi.read_path(twin, name.replace("H_M", "E_M"), None), "FY-3D")
    path, _ = stored(tmp_path, VARIANTS[0], edit=lambda file: file.attrs.update({"Satellite Name": "FY-3C"}))
    refused(Reason.UNSUPPORTED, lambda: mersi.read_path(path, "old.hdf", None), "FY-3C")


def test_infrared_that_is_missing_or_odd_is_refused(tmp_path: Path) -> None:
    path = "Data/EV_250_Aggr.1KM_Emissive"

    def drop(file: h5py.File) -> None:
        del file[path]

    def exchange(data: npt.NDArray[Any]) -> Edit:
        def edit(file: h5py.File) -> None:
            kept = dict(file[path].attrs)
            del file[path]
            file[path] = data
            file[path].attrs.update(kept)

        return edit

    one_plane, short = np.zeros((1, LINES, COLUMNS), "u2"), np.zeros((2, LINES - 1, COLUMNS), "u2")
    for reason, edit in (
        (Reason.BAD_HEADER, drop),
        (Reason.BAD_VALUE, exchange(one_plane)),
        (Reason.BAD_VALUE, exchange(short)),
        (Reason.BAD_VALUE, exchange(np.zeros(7, "u2"))),
        (Reason.UNSUPPORTED, exchange(np.zeros((2, LINES, COLUMNS), "f4"))),
        (Reason.BAD_HEADER, lambda file: file[path].attrs.pop("Slope")),
        (Reason.BAD_HEADER, lambda file: file[path].attrs.update(Slope=np.array([np.nan, 1.0]))),
    ):
        paths = stored(tmp_path, VARIANTS[0], edit=edit)
        refused(reason, lambda paths=paths: read(paths), path)  # type: ignore[misc]
    paths = stored(tmp_path, VARIANTS[0], edit=lambda file: file.attrs.update(TBB_Trans_Coefficient_A=np.ones(3)))
    refused(Reason.BAD_HEADER, lambda: read(paths), "TBB_Trans_Coefficient_A")
    paths = stored(
        tmp_path,
        VARIANTS[0],
        edit=lambda file: [file.pop(f"Data/EV_{part}_Emissive") for part in ("1KM", "250_Aggr.1KM")],
    )
    refused(Reason.BAD_HEADER, lambda: read(paths), "EV_250_Aggr.1KM_Emissive")


def test_reflective_that_is_missing_or_odd_is_left_out_with_a_remark(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file["Data/EV_1KM_RefSB"]
        del file["Data/EV_250_Aggr.1KM_RefSB"]
        file["Data/EV_250_Aggr.1KM_RefSB"] = np.zeros((4, 3, 3), "u2")

    found = read(stored(tmp_path, VARIANTS[0], edit=edit))
    assert [channel.number for channel in found.channels] == [20, 21, 22, 23, 24, 25]
    assert any("EV_1KM_RefSB" in remark for remark in found.remarks)
    found = read(stored(tmp_path, VARIANTS[0], edit=lambda file: file.pop("Calibration/VIS_Cal_Coeff")))
    assert len(found.channels) == 6


@pytest.mark.parametrize("which", [0, 1])
def test_damaged_files_are_refused(which: int, tmp_path: Path) -> None:
    paths = stored(tmp_path, VARIANTS[0])
    whole = paths[which].read_bytes()
    for length in (0, 7, 600, len(whole) // 2, len(whole) - 1):
        paths[which].write_bytes(whole[:length])
        with pytest.raises(ReadError):
            read(paths)
    paths[which].write_bytes(b"no HDF5 at all" * 100)
    with pytest.raises(ReadError):
        read(paths)


def test_times_that_cannot_be_are_refused(tmp_path: Path) -> None:
    early = replace(scene(VARIANTS[0]), end=START - timedelta(seconds=1))
    refused(Reason.BAD_HEADER, lambda: read(stored(tmp_path, VARIANTS[0], early)), "Observing Ending")
    paths = stored(tmp_path, VARIANTS[0], edit=lambda file: file.attrs.pop("Observing Beginning Time"))
    refused(Reason.BAD_HEADER, lambda: read(paths), "Observing Beginning")


def test_places_that_cannot_be_are_refused(tmp_path: Path) -> None:
    def edit(what: str, data: npt.NDArray[Any] | None) -> tuple[Path, Path]:
        paths = stored(tmp_path, VARIANTS[0])
        with h5py.File(paths[1], "r+") as file:
            del file[f"Geolocation/{what}"]
            if data is not None:
                file[f"Geolocation/{what}"] = data
        return paths

    refused(Reason.BAD_HEADER, lambda: read(edit("Latitude", None)), "Latitude")
    refused(Reason.BAD_VALUE, lambda: read(edit("Latitude", np.zeros((3, 4), "f4"))), "Geolocation/Latitude")
    refused(Reason.BAD_VALUE, lambda: read(edit("Longitude", np.zeros(5, "f4"))), "Geolocation/Longitude")
    paths = edit("Latitude", None)
    refused(Reason.BAD_HEADER, lambda: mersi.read_path(paths[1], paths[1].name, None), "Latitude")


# How landing finds them


@EACH
def test_each_format_claims_its_own(variant: Variant, tmp_path: Path) -> None:
    for k, path in enumerate(stored(tmp_path, variant)):
        head = path.read_bytes()[:8192]
        with h5py.File(path) as file:
            check_hdf5(file, "FY-3")
            assert [one.claims is not None and one.claims(file) for one in mersi.FORMATS] == [k == 0, k == 1]
        assert [one.recognise(head) for one in mersi.FORMATS] == [True, True]
        assert [bool(one.name_pattern.search(path.name)) for one in mersi.FORMATS] == [k == 0, k == 1]
        assert mersi.FORMATS[k].read(path.read_bytes(), path.name).platform == variant.platform
        assert mersi.FORMATS[k].write is not None


def test_other_files_are_not_claimed(tmp_path: Path) -> None:
    changes: tuple[Edit, ...] = (
        lambda file: file.attrs.update({"Satellite Name": "FY-4B"}) or [file.attrs.pop("Sensor Identification Code")],
        lambda file: file.attrs.update({"Sensor Identification Code": "VIRR"}),
        lambda file: file.attrs.update({"Satellite Name": "FY-3C"}),
        lambda file: file.pop("Data"),
    )
    for edit in changes:
        path, _ = stored(tmp_path, VARIANTS[0], edit=edit)
        with h5py.File(path) as file:
            assert not any(one.claims and one.claims(file) for one in mersi.FORMATS)
    path, twin = stored(tmp_path, VARIANTS[0], edit=lambda file: file.attrs.update({"Satellite Name": "FY-3H"}))
    with h5py.File(path) as file:
        assert [one.claims is not None and one.claims(file) for one in mersi.FORMATS] == [True, False]
    with h5py.File(twin, "r+") as file:
        del file.attrs["Sensor Identification Code"]
        assert not any(one.claims and one.claims(file) for one in mersi.FORMATS)


@pytest.mark.parametrize(("name", "kind"), [
    ("tf2019071182739.FY3D-X_MERSI_1000M_L1B.HDF", 0), ("tf2019071182739.FY3D-X_MERSI_GEOQK_L1B.HDF", 1),
    ("FY3D_MERSI_GBAL_L1_20190808_1302_0250M_MS.HDF", 0), ("FY3E_MERSI_GRAN_L1_20230410_1910_GEO1K_V0.HDF", 1),
    ("FY3G_MERSI_GRAN_L1_20230410_1910_0500M_V1.HDF", 0), ("FY3G_MERSI_GRAN_L1_20230410_1910_GEOHK_V1.HDF", 1),
    ("FY3D_20190808_130200_130300_8965_MERSI_1000M_L1B.HDF", 0), ("FY3C_VIRRX_GBAL_L1_20190808_1302_1000M_MS.HDF", 2),
])  # fmt: skip
def test_operational_names(name: str, kind: int) -> None:
    assert [bool(one.name_pattern.search(name)) for one in mersi.FORMATS] == [kind == 0, kind == 1]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    for action in (write, write_geolocation):
        with pytest.raises(ValueError, match="Swath"):
            action(replace(scene(VARIANTS[0]), geometry=None))
        with pytest.raises(ValueError, match="FY-4B"):
            action(replace(scene(VARIANTS[0]), platform="FY-4B"))


@pytest.mark.parametrize(
    ("variant", "kind", "number", "at"),
    [("FY3D", "bytes", 311, 65), ("FY3D", "meaning", 111, 20), ("FY3G", "meaning", 111, 9), ("FY3E", "bytes", 211, 37)],
)
def test_damaged_calibration_gives_no_value_out_of_range(variant: str, kind: str, number: int, at: int) -> None:
    """Coefficients that are damaged gave infinite, negative and 500 K and more."""
    seed = next(seed for seed in SEEDS if (seed.reader, seed.variant) == ("fy3-mersi", variant))
    assert end_of(seed.reader, mutants(seed, kind, number, at + 1)[at], seed.name) == ""
