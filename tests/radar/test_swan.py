"""SWAN grids: header, codes, coordinates, clocks, damage; and the known answers of real ones."""

import bz2
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.grid import Grid
from wxcore.radar.regrid import GridField, to_grid
from wxcore.radar.swan import FORMAT, read_swan, write_swan

NAME = "Z_OTHE_RADAMCR_20230316113000.bin"


def swan(
    codes: object, *, label: bytes = b"MCR_20230316193000", hour: int = 11, heights: tuple[float, ...] = (),
    dtype: int = 0, calibration: tuple[float, float] = (0.0, 0.0), step: float = 0.01, tail: bytes = b"",
    names: tuple[bytes, ...] = (),
) -> bytes:  # fmt: skip
    """A file made by hand from FORMATS.md A.5, field by field. `codes` (level, row from the north, column)."""
    array = np.array(codes, {0: "u1", 1: "i1", 2: "<u2", 3: "<i2"}.get(dtype, "u1"))
    head = bytearray(1024)
    head[0:11], head[12 : 12 + len(label)] = b"diamond 131", label
    struct.pack_into("<6H", head, 66, 2023, 3, 16, hour, 30, 6)
    struct.pack_into("<3H", head, 78, *array.shape[::-1])
    struct.pack_into("<i", head, 84, len(names))
    struct.pack_into("<6f", head, 88, 100, 32, 0, 0, step, step)
    struct.pack_into(f"<{len(heights)}f", head, 112, *heights)
    for i, name in enumerate(names):
        head[272 + 16 * i : 272 + 16 * i + len(name)] = name
    struct.pack_into("<h", head, 852, dtype)
    struct.pack_into("<2f", head, 856, *calibration)
    return bytes(head) + array.tobytes() + tail


PLANE = [[[0, 1, 66], [106, 199, 26]]]


class TestValues:
    def test_codes_and_rows(self) -> None:
        field = read_swan(swan(PLANE), NAME)
        expected = np.array([[20, 66.5, -10], [np.nan, -10, 0]], "f4")  # south first
        np.testing.assert_array_equal(field.values()[0], expected)
        assert (field.kind, field.product) == ("composite", "MCR")

    def test_cell_centres(self) -> None:
        field = read_swan(swan(PLANE), NAME)
        np.testing.assert_allclose(field.lon, [100.005, 100.015, 100.025], atol=1e-9)
        np.testing.assert_allclose(field.lat, [31.985, 31.995], atol=1e-9)

    def test_the_headers_own_calibration_is_used(self) -> None:
        field = read_swan(swan(PLANE, calibration=(-10.0, 0.25)), NAME)
        assert field.values()[0, 0, 0] == pytest.approx(106 * 0.25 - 10)

    @pytest.mark.parametrize(
        ("dtype", "calibration", "fill"),
        [(0, (0.0, 0.0), 255), (0, (0.0, 0.0), 247), (3, (0.0, 0.1), -9999), (3, (0.0, 0.1), -32768),
         (3, (-33.0, 0.5), -128), (2, (-33.0, 0.5), 65535)],
    )  # fmt: skip
    def test_fill_values_are_no_data(self, dtype: int, calibration: tuple[float, float], fill: int) -> None:
        label, heights = b"TDMOSAIC_20230316193000", (0.5, 1.0)
        codes = [[[fill, 1, 100]], [[fill, 1, 100]]]
        field = read_swan(swan(codes, label=label, heights=heights, dtype=dtype, calibration=calibration), NAME)
        cube = to_grid(field, Grid(100.005, 31.995, 3, 1, 0.01, (500.0, 1000.0)))
        assert np.isnan(cube.reflectivity[0, :, 0, 0]).all()
        np.testing.assert_array_equal(cube.observed[0, 0], [0, 2, 2])
        assert float(cube.reflectivity[0, 0, 0, 1]) == -10

    def test_the_limits_of_reflectivity_are_values(self) -> None:
        codes = [[[-350, -351, 900, 901]]]
        field = read_swan(swan(codes, dtype=3, calibration=(0.0, 0.1)), NAME)
        np.testing.assert_allclose(field.values()[0, 0], [-10, np.nan, 90, np.nan])

    @pytest.mark.parametrize(("dtype", "code"), [(1, -5), (2, 40_000), (3, -300)])
    def test_code_types(self, dtype: int, code: int) -> None:
        field = read_swan(swan([[[code]]], label=b"QPE_20230316193000", dtype=dtype, calibration=(0.0, 0.1)), NAME)
        assert field.kind == "product"
        assert field.values()[0, 0, 0] == pytest.approx(code * 0.1, rel=1e-5)

    def test_mosaic(self) -> None:
        codes = [[[106]], [[146]]]
        field = read_swan(swan(codes, label=b"TDMOSAIC_20230316193000", heights=(0.5, 1.0)), NAME)
        assert (field.kind, field.heights_m) == ("mosaic", (500.0, 1000.0))
        np.testing.assert_array_equal(field.values()[:, 0, 0], [20, 40])

    def test_names_in_utf8_and_gbk_and_a_tail(self) -> None:
        names = ("贵阳".encode(), "遵义".encode("gbk"))
        field = read_swan(swan(PLANE, names=names, tail=b"Z9851Z9852"), NAME)
        assert field.radars == ("贵阳", "遵义")
        assert field.radar_count == 2

    def test_described(self) -> None:
        told = FORMAT.describe(read_swan(swan(PLANE), NAME))
        assert (told.kind, told.sweeps, told.moments) == ("composite", 1, ("MCR",))


class TestTime:
    def test_header_is_utc(self) -> None:
        field = read_swan(swan(PLANE), NAME)
        assert (field.time, field.remarks) == (datetime(2023, 3, 16, 11, 30, tzinfo=UTC), ())

    def test_header_in_beijing_time_is_put_right(self) -> None:
        field = read_swan(swan(PLANE, hour=19), NAME)
        assert field.time == datetime(2023, 3, 16, 11, 30, tzinfo=UTC)
        assert "Beijing" in field.remarks[0]

    def test_name_that_differs_is_told(self) -> None:
        assert "202303161130" in read_swan(swan(PLANE, hour=14), NAME).remarks[0]

    @pytest.mark.parametrize("name", ["mosaic.bin", "x_99999999999999.bin"])
    def test_name_without_a_time(self, name: str) -> None:
        assert read_swan(swan(PLANE), name).time.hour == 11


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (swan(PLANE)[:500], Reason.TRUNCATED),
        (swan(PLANE)[:-1], Reason.TRUNCATED),
        (swan(PLANE, dtype=7), Reason.BAD_HEADER),
        (swan(PLANE, hour=25), Reason.BAD_HEADER),
        (swan(PLANE, step=0.0), Reason.BAD_HEADER),
        (swan(PLANE, step=np.nan), Reason.BAD_HEADER),
        (swan(np.zeros((1, 0, 0))), Reason.BAD_HEADER),
        (swan([[[2]], [[2]]], label=b"TDMOSAIC", heights=(1.0, 0.5)), Reason.BAD_HEADER),
        (swan(PLANE)[:78] + b"\xff" * 6 + swan(PLANE)[84:], Reason.TOO_LARGE),
    ],
)
def test_damage_has_a_reason(data: bytes, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_swan(data, NAME)
    assert caught.value.reason is reason
    assert caught.value.zh != caught.value.en


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 4), st.integers(1, 8), st.integers(1, 8), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_round_trip(n_level: int, n_lat: int, n_lon: int, dtype: int, seed: int) -> None:
    info = np.iinfo(("u1", "i1", "u2", "i2")[dtype])
    codes = np.random.default_rng(seed).integers(info.min, info.max, (n_level, n_lat, n_lon), dtype=info.dtype)
    heights = tuple(500.0 * (k + 1) for k in range(n_level))
    label = b"TDMOSAIC" if n_level > 1 else b"MCR"
    data = swan(codes, label=label, heights=tuple(h / 1000 for h in heights), dtype=dtype, names=(b"Guiyang",))
    field = read_swan(data, NAME)
    again = read_swan(write_swan(field), NAME)
    np.testing.assert_array_equal(again.codes, codes[:, ::-1])
    for name in ("product", "kind", "time", "lon_west", "lat_south", "heights_m", "scale", "offset", "radars"):
        assert getattr(again, name) == getattr(field, name), name


def test_what_swan_cannot_hold() -> None:
    field = read_swan(swan(PLANE), NAME)
    with pytest.raises(ValueError, match="cannot hold"):
        write_swan(replace(field, heights_m=tuple(float(k) for k in range(41))))


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 1029), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, 1030))
def test_mutants_read_or_raise_read_error(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(swan(PLANE))
    for position, value in changes:
        data[position] = value
    for mutant in (bytes(data), bytes(data[:end])):
        try:
            field = read_swan(mutant, NAME)
        except ReadError:
            continue
        assert np.isfinite(field.scale)
        assert field.time.tzinfo is UTC


@pytest.fixture(scope="module")
def fields(radar_data: Path) -> dict[str, GridField]:
    paths = sorted((radar_data / "swan").glob("*.bz2"))
    found = [read_swan(bz2.decompress(path.read_bytes()), path.name) for path in paths]
    return {field.product: field for field in found}


class TestRealFiles:
    def test_kinds(self, fields: dict[str, GridField]) -> None:
        assert {name: field.kind for name, field in fields.items()} == {
            "MCR": "composite", "TDMOSAIC": "mosaic", "HCA": "product",
        }  # fmt: skip
        field = fields["TDMOSAIC"]
        assert field.time == datetime(2023, 3, 16, 11, 30, tzinfo=UTC)
        assert len(field.heights_m) == 21
        assert (field.heights_m[0], field.heights_m[-1]) == (500.0, 19_000.0)
        assert field.radars[:2] == ("习水", "务川")
        assert (field.radar_count, len(field.radars)) == (14, 14)

    def test_maximum_over_height_is_the_composite(self, fields: dict[str, GridField]) -> None:
        np.testing.assert_array_equal(fields["TDMOSAIC"].codes.max(axis=0), fields["MCR"].codes[0])
        assert np.nanmax(fields["MCR"].values()) == 66.5

    def test_strongest_column(self, fields: dict[str, GridField]) -> None:
        # SHI of Witt et al. 1998 by the trapezoid on the file's levels, H0 3.6 km, H-20 6.6 km (DATA.md: 283)
        field = fields["TDMOSAIC"]
        cube = to_grid(field, Grid(104.005, 25.005, 500, 400, 0.01, field.heights_m))
        schema.check(cube, schema.MOSAIC, what="swan")
        z = cube.reflectivity[0].fillna(-10).to_numpy().astype(float)
        height = cube.height.to_numpy()
        flux = 5e-6 * 10 ** (0.084 * z) * np.clip((z - 40) / 10, 0, 1)
        flux *= np.clip((height - 3600) / 3000, 0, 1)[:, None, None]
        shi = 0.1 * np.trapezoid(flux, height, axis=0)
        row, column = np.unravel_index(shi.argmax(), shi.shape)
        assert shi.max() == pytest.approx(283, abs=1)
        assert float(cube.lon[column]) == pytest.approx(106.83, abs=0.0051)
        assert float(cube.lat[row]) == pytest.approx(26.70, abs=0.0051)
