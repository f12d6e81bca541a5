"""MOC mosaics: codes, coordinates, time zone, inner compression, damage."""

import bz2
import gzip
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.grid import Grid
from wxcore.radar.moc import FORMAT, read_moc, read_moc_dataset, write_moc
from wxcore.radar.regrid import to_grid

NAME = "Z_RADA_C_BABJ_20250609104822_P_DOR_ACHN_CREF_20250609_104200.bin"
CODES = [[-32768, -1280, -305, 0], [655, -31000, -18600, 901]]
"""Row 0 is the file's first, the north."""


def moc(
    codes: object = CODES, *, zone: int = 0, hour: int = 10, compression: int = 0, body: bytes | None = None,
    product: bytes = b"CREF", scale: int = 10, edges: tuple[int, ...] = (30000, 100000, 30020, 100040), nx: int = 4,
    ny: int = 2,
) -> bytes:  # fmt: skip
    """A file made by hand from FORMATS.md A.6, field by field."""
    head = bytearray(256)
    body = np.array(codes, "<i2").tobytes() if body is None else body
    head[0:4], head[16 : 16 + len(product)] = b"MOC\0", product
    struct.pack_into("<i", head, 8, 256 + len(body))
    struct.pack_into("<iii", head, 88, 256, len(body), zone)
    struct.pack_into("<6H", head, 100, 2025, 6, 9, hour, 42, 0)
    struct.pack_into("<4i", head, 124, *edges)
    struct.pack_into("<4i", head, 148, nx, ny, 100, 100)
    struct.pack_into("<HHiiH", head, 164, 0, compression, 244, (nx * ny * 2) % 2**31, scale)
    return bytes(head) + body


class TestValues:
    def test_codes(self) -> None:
        ds = read_moc_dataset(moc(), NAME)
        expected = np.array([[65.5, np.nan, np.nan, np.nan], [np.nan, -10, -10, 0]], "f4")  # south first
        np.testing.assert_array_equal(ds.composite_reflectivity, expected)

    def test_cell_centres(self) -> None:
        ds = read_moc_dataset(moc(), NAME)
        np.testing.assert_allclose(ds.lon, [100.005, 100.015, 100.025, 100.035], atol=1e-9)
        np.testing.assert_allclose(ds.lat, [30.005, 30.015], atol=1e-9)

    def test_crop(self) -> None:
        ds = read_moc_dataset(moc(), NAME, (100.01, 30.01, 100.03, 30.02))
        np.testing.assert_array_equal(ds.composite_reflectivity, np.array([[-10, -10]], "f4"))
        np.testing.assert_allclose(ds.lon, [100.015, 100.025])

    def test_other_products_are_products(self) -> None:
        field = read_moc(moc(product=b"VIL"), NAME)
        assert (field.kind, field.product, field.units) == ("product", "VIL", "kg m-2")
        ds = read_moc_dataset(moc(product=b"VIL"), NAME)
        assert float(ds["vil"][0, 0]) == 65.5

    def test_described(self) -> None:
        told = FORMAT.describe(read_moc(moc(), NAME))
        assert (told.kind, told.moments, told.remarks) == ("composite", ("CREF",), ("244 radars",))


class TestTime:
    def test_utc(self) -> None:
        assert read_moc(moc(), NAME).time == datetime(2025, 6, 9, 10, 42, tzinfo=UTC)

    def test_beijing(self) -> None:
        field = read_moc(moc(zone=28800, hour=18), NAME)
        assert field.time == datetime(2025, 6, 9, 10, 42, tzinfo=UTC)
        assert field.remarks == ()

    def test_name_that_differs_is_told(self) -> None:
        assert "18" in read_moc(moc(hour=18), NAME).remarks[0]


class TestCompression:
    RAW = np.array(CODES, "<i2").tobytes()

    @pytest.mark.parametrize(("code", "pack"), [(0, bytes), (1, bz2.compress), (2, gzip.compress)])
    def test_all_read_alike(self, code: int, pack: object) -> None:
        field = read_moc(moc(compression=code, body=pack(self.RAW)), NAME)  # type: ignore[operator]
        np.testing.assert_array_equal(field.codes[0, ::-1], CODES)

    @pytest.mark.parametrize("code", [3, 9])
    def test_others_are_unsupported(self, code: int) -> None:
        with pytest.raises(ReadError) as caught:
            read_moc(moc(compression=code), NAME)
        assert caught.value.reason is Reason.UNSUPPORTED

    @pytest.mark.parametrize(("code", "pack"), [(1, bz2.compress), (2, gzip.compress)])
    def test_a_bomb_is_refused(self, code: int, pack: object) -> None:
        bomb = pack(bytes(50_000_000))  # type: ignore[operator]
        with pytest.raises(ReadError) as caught:
            read_moc(moc(compression=code, body=bomb), NAME)
        assert caught.value.reason is Reason.BAD_HEADER


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (moc()[:100], Reason.TRUNCATED),
        (moc()[:-1], Reason.TRUNCATED),
        (moc(body=b"\0" * 15), Reason.TRUNCATED),
        (moc(scale=0), Reason.BAD_HEADER),
        (moc(hour=30), Reason.BAD_HEADER),
        (moc(zone=10**6), Reason.BAD_HEADER),
        (moc(nx=0), Reason.BAD_HEADER),
        (moc(nx=5), Reason.BAD_HEADER),
        (moc(edges=(30020, 100000, 30000, 100040)), Reason.BAD_HEADER),
        (moc(nx=2**30, ny=2**30), Reason.TOO_LARGE),
        (moc(compression=1), Reason.BAD_COMPRESSION),
        (moc(compression=2), Reason.BAD_COMPRESSION),
    ],
)
def test_damage_has_a_reason(data: bytes, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_moc(data, NAME)
    assert caught.value.reason is reason
    assert caught.value.zh != caught.value.en
    assert isinstance(caught.value, LimitError) == (reason is Reason.TOO_LARGE)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_round_trip(n_lat: int, n_lon: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(-32768, 32767, (1, n_lat, n_lon), dtype=np.int16)
    field = replace(read_moc(moc(), NAME), codes=codes)
    again = read_moc(write_moc(field), NAME)
    np.testing.assert_array_equal(again.codes, codes)
    for name in ("product", "time", "lon_west", "lat_south", "d_lon", "d_lat", "scale", "radar_count", "kind"):
        assert getattr(again, name) == getattr(field, name), name


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 271), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 272))
def test_mutants_read_or_raise_read_error(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(moc())
    for position, value in changes:
        data[position] = value
    for mutant in (bytes(data), bytes(data[:end])):
        try:
            field = read_moc(mutant, NAME)
        except ReadError:
            continue
        assert field.time.tzinfo is UTC


class TestRealFiles:
    def test_first_frame(self, radar_data: Path) -> None:
        path = radar_data / "cma_mosaic_cref" / NAME
        data = path.read_bytes()
        assert FORMAT.recognise(data[:8192])
        field = read_moc(data, path.name)
        assert field.codes.shape == (1, 4200, 6200)
        assert (field.lon[0], field.lon[-1], field.lat[0], field.lat[-1]) == (73.005, 134.995, 12.205, 54.195)
        assert int((field.codes == -32768).sum()) == 15_689_700
        assert (field.time, field.radar_count) == (datetime(2025, 6, 9, 10, 42, tzinfo=UTC), 244)
        ds = to_grid(field, Grid(105.005, 28.005, 530, 430))
        assert 300 <= int((ds.composite_reflectivity >= 50).sum()) <= 550
        assert 61 <= float(ds.composite_reflectivity.max()) <= 68
        assert float(ds.composite_reflectivity.min()) == -10
