"""GLM: the real file against an independent decode, writer then reader, every trap, damage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lightning.makers import change, lightning
from tests.radar.samples import mutate
from wxcore.errors import ReadError, Reason
from wxcore.lightning.events import Lightning
from wxcore.lightning.glm import FORMAT, read_glm
from wxcore.lightning.glm_write import glm_name, write_glm
from wxcore.times import to_datetime64

REAL = "OR_GLM-L2-LCFA_G16_s20181830433000_e20181830433200_c20181830433231.nc"
START = datetime(2018, 7, 2, 4, 33, tzinfo=UTC)
VIEW = (-141.56, -66.56, -8.44, 66.56)


def some(count: int = 5, **more: object) -> Lightning:
    rng = np.random.default_rng(count)
    seconds = np.round(rng.uniform(-0.7, 19.9, count), 2)
    made = lightning(
        seconds, rng.uniform(-120, -50, count), rng.uniform(-50, 50, count), rng.integers(1, 3000, count) * 1.52597e-15,
        source="GOES-16/GLM", start=START, cover_s=20, coverage=VIEW, form=FORMAT.name,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def real(data: Path) -> Path:
    return data / "satellite" / "glm" / REAL


class TestReal:
    def test_flashes_of_an_independent_decode(self, real: Path) -> None:
        found = read_glm(real, REAL, None)
        with h5py.File(real) as file:
            offset = file["flash_time_offset_of_first_event"][()].astype(int) * 2
            order = np.argsort(offset, kind="stable")
            raw = file["flash_energy"][()].view(np.uint16)
            assert (raw != 65535).all()
            np.testing.assert_allclose(found.strength, raw[order] * 1.52597e-15, rtol=1e-6)
            np.testing.assert_array_equal(found.lat, file["flash_lat"][()][order])
            np.testing.assert_allclose(found.lon, file["flash_lon"][()][order], atol=1e-12)
        expected = np.datetime64("2018-07-02T04:33:00", "ns") + offset[order].astype("timedelta64[ms]")
        np.testing.assert_array_equal(found.time, expected)
        assert found.time.size == 302
        assert (found.start, found.end) == (START, START + timedelta(seconds=20))
        assert found.source == "GOES-16/GLM"
        assert found.coverage == pytest.approx(VIEW)
        assert found.remarks == ("7182 groups", "18361 events", "10 flashes of degraded quality kept")
        assert found.rejected == ()

    def test_claims_and_names(self, real: Path) -> None:
        with h5py.File(real) as file:
            assert FORMAT.claims is not None
            assert FORMAT.claims(file)
        assert FORMAT.name_pattern.search(REAL)
        assert FORMAT.recognise(real.read_bytes()[:8192])

    def test_crop_keeps_what_is_in_the_box(self, real: Path) -> None:
        box = (-97.5, 43.0, -90.0, 49.0)
        whole, crop = read_glm(real, REAL, None), read_glm(real, REAL, box)
        kept = (whole.lon > -98) & (whole.lon < -89.5) & (whole.lat > 42.5) & (whole.lat < 49.5)
        np.testing.assert_array_equal(crop.lon, whole.lon[kept])
        assert 0 < crop.lon.size < 302
        assert crop.rejected == ()

    def test_china_is_not_in_view(self, real: Path) -> None:
        with pytest.raises(ReadError, match="field of view") as caught:
            read_glm(real, REAL, (105, 28, 110, 32))
        assert caught.value.reason == Reason.OUTSIDE_REGION

    def test_written_again_it_reads_the_same(self, real: Path) -> None:
        found = read_glm(real, REAL, None)
        again = FORMAT.read(write_glm(found), REAL)
        np.testing.assert_array_equal(again.time, found.time)
        np.testing.assert_array_equal(again.lon, found.lon)
        np.testing.assert_allclose(again.strength, found.strength, rtol=1e-6)
        assert again.coverage == found.coverage
        assert glm_name(found)[:55] == REAL[:55]

    def test_writer_has_the_types_of_the_real_file(self, real: Path, tmp_path: Path) -> None:
        path = tmp_path / "written.nc"
        path.write_bytes(write_glm(read_glm(real, REAL, None)))
        with h5py.File(real) as truth, h5py.File(path) as ours:
            for name, item in ours.items():
                assert item.dtype == truth[name].dtype, name
                assert item.chunks == truth[name].chunks, name
                for key in ("_Unsigned", "units", "_FillValue", "add_offset"):
                    if key in item.attrs:
                        np.testing.assert_array_equal(item.attrs[key], truth[name].attrs[key], err_msg=name)
                if "scale_factor" in item.attrs:
                    assert item.attrs["scale_factor"] == pytest.approx(truth[name].attrs["scale_factor"], rel=1e-5)


class TestTraps:
    def test_energy_is_unsigned(self) -> None:
        made = some(3, strength=np.array([1.0, 40_000.0, 65_534.0]) * 1.52597e-15)
        np.testing.assert_allclose(FORMAT.read(write_glm(made), "x").strength, made.strength, rtol=1e-6)

    def test_fill_is_nan(self) -> None:
        made = some(3, strength=np.array([1e-14, np.nan, 2e-14]))
        np.testing.assert_array_equal(np.isnan(FORMAT.read(write_glm(made), "x").strength), [False, True, False])

    def test_offsets_in_seconds_as_unsigned(self, tmp_path: Path) -> None:
        path = tmp_path / "a.nc"
        path.write_bytes(write_glm(some(2)))
        with h5py.File(path, "r+") as file:
            item = file["flash_time_offset_of_first_event"]
            item[:] = np.array([13_107, 60_000], dtype="u2").view("i2")
            item.attrs["scale_factor"], item.attrs["add_offset"] = np.float32(0.0003814756), np.float32(-5)
            item.attrs["_Unsigned"] = np.bytes_("true")
            item.attrs["units"] = np.bytes_("seconds since 2018-07-02 04:33:00.000")
        late = (read_glm(path, "x", None).time - to_datetime64(START)) / np.timedelta64(1, "s")
        np.testing.assert_allclose(late, [0.0, 17.88853], atol=1e-4)

    def test_other_quality_is_left_out_degraded_is_kept(self, tmp_path: Path) -> None:
        path = change(write_glm(some(5)), tmp_path / "a.nc", {"flash_quality_flag": np.array([0, 1, 3, 5, 2], "i2")})
        found = read_glm(path, "x", None)
        assert found.time.size == 4
        assert found.rejected == (("unknown quality flag", 1),)
        assert "3 flashes of degraded quality kept" in found.remarks

    def test_view_across_the_date_line(self) -> None:
        made = some(2, coverage=(156.0, -66.0, 289.0, 66.0), source="GOES-18/GLM", lon=np.array([-179.0, 170.0]))
        found = FORMAT.read(write_glm(made), "x")
        assert found.coverage == pytest.approx((-204.0, -66.0, -71.0, 66.0))
        assert found.source == "GOES-18/GLM"
        np.testing.assert_allclose(found.lon, made.lon)

    def test_no_flash_is_a_file_that_saw_none(self) -> None:
        found = FORMAT.read(write_glm(some(0)), "x")
        assert (found.time.size, found.end - found.start) == (0, timedelta(seconds=20))

    def test_impossible_places_are_no_zero(self, tmp_path: Path) -> None:
        lat = np.array([np.nan, 999, 95, 30, np.nan], "f4")
        with pytest.raises(ReadError, match="4 of 5") as caught:
            read_glm(change(write_glm(some(5)), tmp_path / "a.nc", {"flash_lat": lat}), "x", None)
        assert caught.value.reason == Reason.BAD_VALUE

    def test_strength_that_is_not_finite_is_unknown(self, tmp_path: Path) -> None:
        made = some(3)
        path = change(
            write_glm(made), tmp_path / "a.nc", {"flash_energy": np.array([np.inf, np.inf, -np.inf], np.float32)}
        )
        assert np.isnan(read_glm(path, glm_name(made), None).strength).all()

    @pytest.mark.parametrize("name", ["flash_lat", "flash_energy", "lon_field_of_view_bounds"])
    def test_missing_variable_is_named(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match=name):
            read_glm(change(write_glm(some(2)), tmp_path / "a.nc", {name: None}), "x", None)

    def test_simulated(self) -> None:
        assert FORMAT.read(write_glm(some(1, simulated=True)), "x").simulated
        assert not FORMAT.read(write_glm(some(1)), "x").simulated


@settings(max_examples=15, deadline=None)
@given(count=st.integers(0, 40), seed=st.integers(0, 99))
def test_writer_then_reader(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = some(count, lat=rng.uniform(-66, 66, count), lon=rng.uniform(-141, -9, count))
    found = FORMAT.read(write_glm(made), "x")
    assert np.all(np.abs(found.time - made.time) <= np.timedelta64(1, "ms"))
    np.testing.assert_allclose(found.lon, made.lon, atol=1e-5)
    np.testing.assert_allclose(found.lat, made.lat, atol=1e-5)
    np.testing.assert_allclose(found.strength, made.strength, atol=8e-16)


def test_mutants_raise_read_errors_only() -> None:
    data, rng = write_glm(some(20)), np.random.default_rng(5)
    for _ in range(150):
        try:
            FORMAT.read(mutate(data, rng, 512), "x.nc")
        except ReadError:
            continue
