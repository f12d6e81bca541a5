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
from wxcore.radar import standard_tables as tables
from wxcore.radar.standard_product import (
    FORMAT,
    Radials,
    Raster,
    StandardProduct,
    describe,
    elevation,
    read_standard_product,
    values,
    write_standard_product,
)
from wxcore.radar.standard_tables import HAIL_CELL, HailTable, Mesocyclones, StormTracks, WindProfile

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


def tracks() -> bytes:
    """Two storms: one with two forecasts and a history, one new."""
    head = struct.pack("<iiiff", 2, 1, 3, 10.5, 270.0)
    rows = struct.pack("<fiffii", 90.0, 40_000, 12.0, 265.0, 900, 800) + struct.pack(
        "<fiffii", 91.0, 9, 10.5, 270, 0, 0
    )
    forecasts = struct.pack("<ifiifiii", 2, 90.5, 50_000, EPOCH + 900, 91.0, 60_000, EPOCH + 1800, 0)
    histories = struct.pack("<ifiii", 1, 89.0, 38_000, EPOCH - 354, 0)
    cells = b"".join(struct.pack("<iiifiififiiiiii", k, k - 1, 5, 90.0, 40_000, 5000, 60.5, 6000, 33.5, 2, 1, 9000, 2,
                                 1000, 1) for k in (1, 2))  # fmt: skip
    return head + rows + forecasts + histories + cells + struct.pack("<ifi", 1000, 55.0, 1) * 3 + b"adaptation"


def mesocyclones() -> bytes:
    """One row of each table: 68 bytes, then 72."""
    row = struct.pack("<iififfiiiffiififf", 1, 7, 271.9, 95_131, 3.24, 11.8, 5903, 5438, 8500, 84.4, 107.8, 7233, 2828,
                      4.79, 91, 1.47, 29.6)  # fmt: skip
    feature = struct.pack("<iiififiiiffffiifif", 1, 7, 1, 271.9, 95_131, 3.24, 5903, 5438, 8500, 6.3, 11.8, 84.4, 107.8,
                          7233, 2828, 4.79, 91_188, 84.2)  # fmt: skip
    return struct.pack("<3i", 37, 1, 1) + row + feature + b"adaptation"


def winds(volumes: int = 2, heights: int = 3) -> bytes:
    rows = [struct.pack("<iiifffii", EPOCH + 354 * v, 300 * (h + 1), h > 0, 270.0, 12.5, 3.0, 0, 0)
            for v in range(volumes) for h in range(heights)]  # fmt: skip
    return struct.pack("<iifff12x", 99, volumes, 12.5, 270.0, 900.0) + b"".join(rows)


def profile(body: bytes, heights: int = 3) -> bytes:
    """A VWP: the number of heights is the first of its parameters."""
    data = bytearray(product(32, body))
    struct.pack_into("<i", data, len(data) - len(body) - 64, heights)
    return bytes(data)


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

    def test_tracks(self) -> None:
        data = product(37, tracks())
        found = read_standard_product(data, "")
        block = found.block
        assert isinstance(block, StormTracks)
        assert (block.continuing, block.speed_m_s, block.from_deg) == (1, 10.5, 270)
        assert block.tracks["speed_m_s"].tolist() == [12, 10.5]
        assert [f["range_m"].tolist() for f in block.forecasts] == [[50_000, 60_000], []]
        assert [h["time"].tolist() for h in block.histories] == [[EPOCH - 354], []]
        assert block.cells["max_dbz"].tolist() == [60.5, 60.5]
        assert block.cells["is_new"].tolist() == [0, 1]
        assert (block.components.size, block.adaptation) == (3, b"adaptation")
        assert write_standard_product(found) == data
        assert describe(found).remarks[-1] == "2 storms, 1 tracked on, mean motion 10.5 m/s from 270 deg"

    def test_mesocyclones(self) -> None:
        data = product(39, mesocyclones())
        found = read_standard_product(data, "")
        block = found.block
        assert isinstance(block, Mesocyclones)
        assert (block.mesocyclones["cell"].item(), block.mesocyclones["base_m"].item()) == (7, 2828)
        assert (block.features["kind"].item(), block.features["base_range_m"].item()) == (1, 91_188)
        assert block.adaptation == b"adaptation"
        assert write_standard_product(found) == data
        assert "1 mesocyclones among 1 features" in describe(found).remarks[-1]

    def test_winds(self) -> None:
        data = profile(winds())
        found = read_standard_product(data, "")
        block = found.block
        assert isinstance(block, WindProfile)
        assert block.winds.shape == (2, 3)
        assert block.winds["height_m"][1].tolist() == [300, 600, 900]
        assert (block.speed_m_s, block.from_deg, block.height_m) == (12.5, 270, 900)
        assert write_standard_product(found) == data
        assert describe(found).remarks[-1] == "winds of 2 volumes at 3 heights, 4 valid"

    def test_elevation(self) -> None:
        data = bytearray(product(1, body := radials([[66]])))
        struct.pack_into("<f", data, len(data) - len(body) - 64, 2.4)
        assert elevation(read_standard_product(bytes(data), "")) == pytest.approx(2.4)
        assert np.isnan(elevation(read_standard_product(product(38, hail()), "")))

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
        (product(37, tracks()[:120]), Reason.TRUNCATED),
        (product(37, struct.pack("<iiiff", 10_001, 0, 0, 0, 0)), Reason.BAD_HEADER),
        (product(37, struct.pack("<iiiff", 1, 0, 0, 0, 0) + bytes(24) + struct.pack("<i", 65)), Reason.BAD_HEADER),
        (product(37, struct.pack("<iiiff", 1, 0, 0, 0, 0) + bytes(24)), Reason.TRUNCATED),
        (product(39, mesocyclones()[:100]), Reason.TRUNCATED),
        (product(39, struct.pack("<3i", 0, -1, 0)), Reason.BAD_HEADER),
        (profile(winds()[:-1]), Reason.TRUNCATED),
        (profile(winds(), heights=65), Reason.BAD_HEADER),
        (profile(winds(), heights=0), Reason.BAD_HEADER),
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


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(
        [
            product(38, hail()),
            product(18, raster([[66, 70], [80, 90]])),
            product(1, radials([[66, 67]])),
            product(37, tracks()),
            product(39, mesocyclones()),
            profile(winds()),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 1200),
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

    def test_velocities_are_folded_ones(self, radar_data: Path) -> None:
        _, found = self.read(radar_data, "PPI_03_26")
        block = found.block
        assert isinstance(block, Radials)
        nyquist = 26.85  # of that cut, in the header of the volume
        assert elevation(found) == pytest.approx(2.4)
        assert abs(np.nanmax(np.abs(values(block))) - nyquist) < 0.3
        assert "VRADH maximum 27" in describe(found).remarks[-1]
        assert (block.codes == 1).any()  # range folded
        assert np.isnan(values(block)[block.codes == 1]).all()


SS_CELL = np.dtype(
    [("id", "<i4"), ("azimuth_deg", "<f4"), ("range_m", "<i4"), ("base_m", "<i4"), ("top_m", "<i4"), ("vil", "<f4"),
     ("max_dbz", "<f4"), ("max_height_m", "<i4")]
)  # fmt: skip
"""One row of Hechi's SS table: an independent witness of its cells."""


class TestTablesOfHechi:
    """What `standard_tables` says of each field, checked against the other products of the same volume."""

    @staticmethod
    def body(radar_data: Path, name: str) -> bytes:
        data = (radar_data / "rose_products" / "Z9778" / f"Z9778_20250508123200Z_{name}").read_bytes()
        return data[416 + 256 * struct.unpack_from("<i", data, 336)[0] + 192 :]

    @classmethod
    def structure(cls, radar_data: Path) -> np.ndarray:
        body = cls.body(radar_data, "SS_00_62")
        return np.frombuffer(body, SS_CELL, struct.unpack_from("<i", body)[0], 4)

    @staticmethod
    def on_plane(azimuth_deg: np.ndarray, range_m: np.ndarray) -> np.ndarray:
        angle = np.radians(azimuth_deg.astype("f8"))
        return np.stack([range_m * np.sin(angle), range_m * np.cos(angle)], axis=-1)

    def test_storm_tracks(self, radar_data: Path) -> None:
        data, found = TestRealFiles.read(radar_data, "STI_00_58")
        sti = found.block
        assert isinstance(sti, StormTracks)
        assert write_standard_product(found) == data
        storms, cells = self.structure(radar_data), sti.cells
        assert sti.tracks.size == cells.size == storms.size == 38
        for name in ("id", "azimuth_deg", "range_m", "base_m", "top_m", "max_dbz", "max_height_m"):
            np.testing.assert_array_equal(cells[name], storms[name], err_msg=name)
        np.testing.assert_array_equal(cells["vil_kg_m2"], storms["vil"])
        np.testing.assert_array_equal(sti.tracks["azimuth_deg"], cells["azimuth_deg"])
        np.testing.assert_array_equal(sti.tracks["range_m"], cells["range_m"])
        assert sti.continuing == (cells["is_new"] == 0).sum() == 32
        np.testing.assert_array_equal(np.cumsum(cells["components"])[:-1] + 1, cells["first_component"][1:])
        assert cells["components"].sum() == sti.components.size == 198
        first = sti.components[: cells["components"][0]]
        assert (first["number"].tolist(), first["height_m"][0], first["height_m"][-1]) == ([*range(1, 10)], 1416, 14575)
        assert first["max_dbz"].max() == cells["max_dbz"][0]

    def test_hail_cells_are_storms(self, radar_data: Path) -> None:
        hail_cells = TestRealFiles.read(radar_data, "HI_00_59")[1].block
        sti = TestRealFiles.read(radar_data, "STI_00_58")[1].block
        assert isinstance(hail_cells, HailTable)
        assert isinstance(sti, StormTracks)
        place = {int(c["id"]): (c["azimuth_deg"], c["range_m"]) for c in sti.cells}
        assert all(place[int(c["id"])] == (c["azimuth_deg"], c["range_m"]) for c in hail_cells.cells)

    def test_forecasts_follow_from_position_and_motion(self, radar_data: Path) -> None:
        sti = TestRealFiles.read(radar_data, "STI_00_58")[1].block
        assert isinstance(sti, StormTracks)
        compared = 0
        for track, forecast, history in zip(sti.tracks, sti.forecasts, sti.histories, strict=True):
            later = forecast["time"] - EPOCH
            assert later.tolist() == [900 * (k + 1) for k in range(later.size)]
            assert [round((EPOCH - t) / 354) for t in history["time"]] == [*range(1, history.size + 1)]
            came_from = self.on_plane(np.array(track["from_deg"]), np.array(1.0))
            start = self.on_plane(np.array(track["azimuth_deg"]), np.array(track["range_m"]))
            expected = start - came_from * track["speed_m_s"] * later[:, None]
            found = self.on_plane(forecast["azimuth_deg"], forecast["range_m"])
            np.testing.assert_allclose(found, expected, atol=5)
            compared += later.size
        assert compared == 75

    def test_mesocyclones(self, radar_data: Path) -> None:
        data, found = TestRealFiles.read(radar_data, "M_00_60")
        block = found.block
        assert isinstance(block, Mesocyclones)
        assert write_standard_product(found) == data
        f, m = block.features, block.mesocyclones
        assert (m.size, f.size, len(block.adaptation)) == (3, 27, 52)
        shared = [name for name in tables.MESOCYCLONE.names or () if name in (tables.FEATURE.names or ())]
        for name in shared:
            np.testing.assert_array_equal(m[name], f[name][:3], err_msg=name)
        assert (f["kind"].tolist()) == [1] * 3 + [2] * 6 + [3] * 18
        beam = f["range_m"] * np.sin(np.radians(f["elevation_deg"])) + f["range_m"].astype("f8") ** 2 / (2 * 8495e3)
        single = f["kind"] == 3
        np.testing.assert_allclose(f["height_m"], beam, atol=8)
        assert (f["base_m"] <= f["height_m"]).all()
        assert (f["height_m"] <= f["top_m"]).all()
        for low, high in (("base_m", "top_m"), ("a_mean", "a_max"), ("b_mean", "b_max"), ("base_range_m", "range_m")):
            np.testing.assert_array_equal(f[low][single], f[high][single])
        assert (f["a_mean"] <= f["a_max"]).all()
        assert (f["b_mean"] <= f["b_max"]).all()
        np.testing.assert_allclose(f["base_azimuth_rad"][single], np.radians(f["azimuth_deg"][single]), atol=2e-4)
        np.testing.assert_allclose(f["base_elevation"][single] * np.pi / 180, f["elevation_deg"][single], atol=1e-3)
        storms = self.structure(radar_data)
        away = np.linalg.norm(
            self.on_plane(f["azimuth_deg"], f["range_m"])[:, None]
            - self.on_plane(storms["azimuth_deg"], storms["range_m"])[None],
            axis=-1,
        )
        np.testing.assert_array_equal(storms["id"][away.argmin(axis=1)], f["cell"])

    def test_wind_profile(self, radar_data: Path) -> None:
        data, found = TestRealFiles.read(radar_data, "VWP_00_48")
        block = found.block
        assert isinstance(block, WindProfile)
        assert write_standard_product(found) == data
        winds_of = block.winds
        assert winds_of.shape == (6, 30)
        assert (winds_of["time"] == winds_of["time"][:, :1]).all()
        assert winds_of["time"][-1, 0] == EPOCH
        assert set(np.diff(winds_of["time"][:, 0]).tolist()) <= {353, 354}
        assert (np.diff(winds_of["height_m"], axis=1) > 0).all()
        told = np.frombuffer(found.parameters, "<i2", 30, 4)
        np.testing.assert_array_equal(winds_of["height_m"], np.tile(told, (6, 1)))
        known = winds_of[winds_of["valid"] != 0]
        assert known.size == 87
        assert ((known["from_deg"] >= 0) & (known["from_deg"] <= 360)).all()
        assert ((known["speed_m_s"] > 0) & (known["speed_m_s"] < 60) & (known["rms_m_s"] < 10)).all()
        assert known["height_m"].min() > found.site.altitude_m
        top = known[np.argmax(known["speed_m_s"])]
        assert (block.speed_m_s, block.from_deg, block.height_m) == (top["speed_m_s"], top["from_deg"], top["height_m"])
