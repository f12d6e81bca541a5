"""CINRAD standard-format products: blocks made by hand, damage, and the known answers of Hechi."""

import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import ReadError, Reason
from wxcore.radar.standard_product import (
    FORMAT,
    HAIL_CELL,
    HailTable,
    Radials,
    Raster,
    StandardProduct,
    describe,
    read_standard_product,
    values,
    write_standard_product,
)

EPOCH = 1_746_707_520
"""2025-05-08T12:32:00Z."""


def product(kind: int, body: bytes, *, cuts: int = 1, generic: int = 2, epoch: int = EPOCH) -> bytes:
    """A file made by hand from FORMATS.md A.7."""
    common = bytearray(416 + 256 * cuts)
    struct.pack_into("<ihhii", common, 0, 0x4D545352, 1, 1, generic, kind)
    struct.pack_into("<8s32sffiifff", common, 32, b"Z9778", b"HeChi", 24.99, 107.51, 1047, 1027, 2830.0, 0.88, 0.88)
    common[160:165] = b"VCP11"
    struct.pack_into("<i", common, 336, cuts)
    header = struct.pack("<i32s4i", kind, b"59", epoch + 300, epoch, epoch, epoch + 290).ljust(128, b"\0")
    return bytes(common) + header + bytes(64) + body


def hail(count: int = 2) -> bytes:
    rows = [struct.pack("<ifiiifi", k, 90.0 + k, 40_000, 100, 80, 2.5, 1) for k in range(count)]
    return struct.pack("<i", count) + b"".join(rows) + struct.pack("<3f", 2.153, 5.049, 0.001)


def raster(codes: object, *, scale: int = 2, offset: int = 66, size: int = 1) -> bytes:
    array = np.array(codes, {1: "u1", 2: "<u2"}.get(size, "u1"))
    head = struct.pack("<iiihhiiii", 2, scale, offset, size, 0, 1000, 1000, *array.shape)
    return head.ljust(64, b"\0") + array.tobytes()


def radials(rows: list[list[int]]) -> bytes:
    head = struct.pack("<iiihhiiii", 2, 2, 66, 1, 0, 250, 0, 230_000, len(rows)).ljust(64, b"\0")
    rays = [struct.pack("<ffi", 10.0 * k, 1.0, len(row)).ljust(32, b"\0") + bytes(row) for k, row in enumerate(rows)]
    return head + b"".join(rays)


class TestBlocks:
    def test_header(self) -> None:
        found = read_standard_product(product(41, b""), "")
        assert (found.short_name, found.number, found.task, found.block) == ("SS", "59", "VCP11", None)
        assert (found.site.id, found.site.name, found.site.altitude_m) == ("Z9778", "HeChi", 1047)
        assert found.start == datetime(2025, 5, 8, 12, 32, tzinfo=UTC)
        assert "header only" in describe(found).remarks[-1]

    def test_hail(self) -> None:
        block = read_standard_product(product(38, hail()), "").block
        assert isinstance(block, HailTable)
        assert [block.h0_km, block.hm20_km] == pytest.approx([2.153, 5.049])
        assert block.cells["azimuth_deg"].tolist() == [90.0, 91.0]
        assert block.cells["posh_percent"].tolist() == [80, 80]

    def test_hail_without_heights(self) -> None:
        block = read_standard_product(product(38, struct.pack("<i", 0)), "").block
        assert isinstance(block, HailTable)
        assert np.isnan(block.h0_km)

    def test_raster(self) -> None:
        block = read_standard_product(product(18, raster([[0, 4, 5], [66, 106, 207]])), "").block
        assert isinstance(block, Raster)
        np.testing.assert_array_equal(values(block), np.array([[np.nan, np.nan, -30.5], [0, 20, 70.5]], "f4"))
        assert (block.row_m, block.column_m) == (1000, 1000)

    def test_two_byte_raster(self) -> None:
        block = read_standard_product(product(23, raster([[1005]], scale=10, offset=5, size=2)), "").block
        assert isinstance(block, Raster)
        assert values(block).item() == 100

    def test_ragged_radials(self) -> None:
        block = read_standard_product(product(1, radials([[66, 106], [146], [66, 66, 86]])), "").block
        assert isinstance(block, Radials)
        expected = np.array([[0, 20, np.nan], [40, np.nan, np.nan], [0, 0, 10]], "f4")
        np.testing.assert_array_equal(values(block), expected)
        assert block.azimuth.tolist() == [0, 10, 20]

    def test_only_products_are_recognised(self) -> None:
        assert FORMAT.recognise(product(38, hail()))
        assert not FORMAT.recognise(product(38, hail(), generic=1))  # base data: another reader's
        assert not FORMAT.recognise(b"RSTM")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (product(38, hail())[:300], Reason.TRUNCATED),
        (product(38, hail())[:700], Reason.TRUNCATED),
        (product(38, hail()[:30]), Reason.TRUNCATED),
        (product(38, hail(), generic=1), Reason.BAD_HEADER),
        (product(38, struct.pack("<i", -1)), Reason.BAD_HEADER),
        (product(18, raster([[1]])[:-1]), Reason.TRUNCATED),
        (product(18, raster([[1]], scale=0)), Reason.BAD_HEADER),
        (product(18, raster([[1]], size=4)), Reason.BAD_HEADER),
        (product(18, raster(np.zeros((0, 0)))), Reason.BAD_HEADER),
        (product(18, struct.pack("<iiihhiiii", 2, 2, 66, 1, 0, 1, 1, 2**20, 2**20).ljust(64)), Reason.TOO_LARGE),
        (product(1, radials([])), Reason.BAD_HEADER),
        (product(1, radials([[66]])[:-1]), Reason.TRUNCATED),
    ],
)
def test_damage_has_a_reason(data: bytes, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_standard_product(data, "")
    assert caught.value.reason is reason
    assert caught.value.zh != caught.value.en


class TestRoundTrip:
    @settings(deadline=None, max_examples=40)
    @given(st.integers(0, 30), st.integers(0, 2**32 - 1))
    def test_hail(self, count: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        cells = np.zeros(count, HAIL_CELL)
        for name in HAIL_CELL.names or ():
            cells[name] = rng.integers(0, 100, count)
        found = read_standard_product(product(38, hail()), "")
        block = HailTable(cells, 4.6, 7.9, struct.pack("<2f", 4.6, 7.9))
        again = read_standard_product(write_standard_product(replace(found, block=block)), "").block
        assert isinstance(again, HailTable)
        np.testing.assert_array_equal(again.cells, cells)
        assert again.hm20_km == pytest.approx(7.9)

    @settings(deadline=None, max_examples=40)
    @given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2]), st.sampled_from([18, 1]))
    def test_codes(self, rows: int, columns: int, size: int, kind: int) -> None:
        codes = np.random.default_rng(rows * columns).integers(0, 255, (rows, columns)).astype(f"u{size}")
        ray = np.arange(rows, dtype="f4")
        block: Raster | Radials = Raster(codes, 2.0, 66.0, 1000.0, 1000.0, 2)
        if kind == 1:
            block = Radials(codes, 2.0, 66.0, ray, ray + 1, 250.0, 125.0, 2)
        found = read_standard_product(product(kind, raster([[1]]) if kind == 18 else radials([[1]])), "")
        again = read_standard_product(write_standard_product(replace(found, block=block)), "").block
        assert isinstance(again, type(block))
        np.testing.assert_array_equal(again.codes, codes)
        assert (again.scale, again.offset) == (2.0, 66.0)

    def test_header_only_cannot_be_written(self) -> None:
        with pytest.raises(ValueError, match="SS"):
            write_standard_product(read_standard_product(product(41, b""), ""))


@settings(deadline=None, max_examples=250)
@given(
    st.sampled_from([product(38, hail()), product(18, raster([[66, 70], [80, 90]])), product(1, radials([[66, 67]]))]),
    st.lists(st.tuples(st.integers(0, 979), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 980),
)
def test_mutants_read_or_raise_read_error(seed: bytes, changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(seed)
    for position, value in changes:
        data[position % len(data)] = value
    for mutant in (bytes(data), bytes(data[:end])):
        try:
            found = read_standard_product(mutant, "")
        except ReadError:
            continue
        assert describe(found).kind == "product"


class TestRealFiles:
    @staticmethod
    def read(radar_data: Path, name: str) -> tuple[bytes, StandardProduct]:
        data = (radar_data / "rose_products" / "Z9778" / f"Z9778_20250508123200Z_{name}").read_bytes()
        assert FORMAT.recognise(data[:8192])
        return data, read_standard_product(data, "")

    @pytest.mark.parametrize(("name", "maximum"), [("CR_00_38", 70.5), ("VIL_00_57", 54.0), ("HSR_00_33", 59.5)])
    def test_maximum(self, radar_data: Path, name: str, maximum: float) -> None:
        _, found = self.read(radar_data, name)
        assert isinstance(found.block, Raster | Radials)
        assert np.nanmax(values(found.block)) == maximum

    def test_hail(self, radar_data: Path) -> None:
        data, found = self.read(radar_data, "HI_00_59")
        assert isinstance(found.block, HailTable)
        assert found.block.cells.size == 37
        assert (round(found.block.h0_km, 3), round(found.block.hm20_km, 3)) == (2.153, 5.049)
        assert write_standard_product(found) == data
        assert "37 hail cells" in describe(found).remarks[-1]

    def test_all_are_read(self, radar_data: Path) -> None:
        paths = sorted((radar_data / "rose_products" / "Z9778").iterdir())
        told = [describe(read_standard_product(path.read_bytes(), path.name)) for path in paths]
        assert len(told) == 27
        assert {t.time for t in told} == {datetime(2025, 5, 8, 12, 32, tzinfo=UTC)}
        assert {t.site for t in told} == {"Z9778"}
        assert all(FORMAT.name_pattern.search(path.name) for path in paths)
