"""AWX: real images and a grid of FY-2G, and synthetic ones of every projection, kind and byte order."""

import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.region.outlines import cnmaps_folder, to_wgs84
from wxcore.satellite.awx import FORMAT, read_awx
from wxcore.satellite.awx_header import GRID_BYTES, IMAGE_BYTES, LEVEL1_BYTES
from wxcore.satellite.awx_write import write_awx
from wxcore.satellite.geometry import Doubles, Plate
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, REFLECTANCE, Channel, Floats, Scene
from wxcore.schema import Box

IR1, VIS = "ANI_IR1_R04_20220331_2100_FY2G.AWX", "ANI_VIS_R02_20230308_1400_FY2G.AWX"
TBB = "FY2G_TBB_IR1_OTG_20150729_0000.AWX"
START = datetime(2022, 3, 31, 13, 0, tzinfo=UTC)
SHAPE = (20, 31)

LONGLAT = Plate("+proj=longlat", 105.0, 32.0, 0.1, -0.1, *SHAPE)


def centred(projection: str, lon: float, lat: float, step_km: float) -> Plate:
    origin = Plate(projection, 0, 0, 1, 1, 1, 1)
    y, x = (float(part) for part in origin.pixels(np.asarray(lon), np.asarray(lat)))
    step, (lines, columns) = step_km * 1000, SHAPE
    return Plate(projection, x - step * (columns - 1) / 2, y + step * (lines - 1) / 2, step, -step, lines, columns)


MERCATOR = centred("+proj=merc +R=6378137 +lon_0=110 +lat_ts=0", 110, 20, 5.0)
MERCATOR_30 = centred("+proj=merc +R=6378137 +lon_0=110 +lat_ts=30", 110, 20, 50.0)
LAMBERT = centred("+proj=lcc +R=6378137 +lat_0=35 +lon_0=105 +lat_1=30 +lat_2=60", 105, 35, 13.0)
PLATES = {"longlat": LONGLAT, "mercator": MERCATOR, "mercator true at 30": MERCATOR_30, "lambert": LAMBERT}


def scene(plate: Plate = LONGLAT, values: Floats | None = None, *, visible: bool = False) -> Scene:
    if values is None:
        low, high = (0.01, 1.0) if visible else (190.0, 310.0)
        values = np.random.default_rng(5).uniform(low, high, plate.shape).astype(np.float32)
        values[3, 4:9] = np.nan
    channel = Channel(5, 0.65, REFLECTANCE, values) if visible else Channel(1, 10.8, BRIGHTNESS_TEMPERATURE, values)
    offsets = np.zeros(plate.lines)
    return Scene("awx", "FY-2G", "S-VISSR", 5000.0, START, START + timedelta(minutes=25), (channel,), plate, offsets)


def real(data: Path, name: str) -> Scene:
    path = data / "satellite" / "awx" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return read_awx(path.read_bytes(), name)


@pytest.mark.parametrize(
    ("name", "start", "shape", "wavelength", "low", "median", "high"),
    [
        (IR1, datetime(2022, 3, 31, 13, 0, tzinfo=UTC), (1300, 1900), 10.8, 180, (260, 285), 312),
        (VIS, datetime(2023, 3, 8, 6, 0, tzinfo=UTC), (1100, 2228), 0.65, 0, (0.05, 0.2), 1.2),
        (TBB, datetime(2015, 7, 29, 0, 0, tzinfo=UTC), (1201, 1201), 10.8, 170, (270, 290), 310),
    ],
)
def test_the_real_files_are_read(
    data: Path, name: str, start: datetime, shape: tuple[int, int], wavelength: float, low: float,
    median: tuple[float, float], high: float,
) -> None:  # fmt: skip
    found = real(data, name)
    values = found.channels[0].values
    assert (found.platform, found.start, found.end) == ("FY-2G", start, start + timedelta(minutes=25))
    assert values.shape == shape
    assert found.channels[0].wavelength_um == wavelength
    assert low < np.nanmin(values)
    assert np.nanmax(values) < high
    assert median[0] < np.nanmedian(values) < median[1]
    assert np.isfinite(values).mean() > 0.99
    assert found.remarks == ()
    assert np.isfinite(found.line_offset_s).all()
    assert start < found.mean_time < found.end


def sun_elevation(time: datetime, lon: Doubles, lat: Doubles) -> Doubles:
    """[deg], to a degree or so: declination by a cosine of the year, no equation of time."""
    day = time.timetuple().tm_yday
    declination = np.deg2rad(-23.44) * np.cos(2 * np.pi * (day + 10) / 365.25)
    hour = np.deg2rad((time.hour + time.minute / 60 - 12) * 15 + lon)
    phi = np.deg2rad(lat)
    sine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour)
    return np.asarray(np.rad2deg(np.arcsin(sine)))


def test_the_header_tells_utc_since_the_sun_shines_on_the_visible_image(data: Path) -> None:
    """Bright from 60E to 160E: day everywhere if the header's 06 is UTC; if it were 14 UTC, night over most of it."""
    found = real(data, VIS)
    assert isinstance(found.geometry, Plate)
    lines, columns = np.mgrid[50:1100:100, 50:2228:100]
    lon, lat = found.geometry.places(lines, columns)
    blocks = np.array([[np.nanmean(found.channels[0].values[i - 50 : i + 50, j - 50 : j + 50]) for j in columns[0]]
                       for i in lines[:, 0]])  # fmt: skip
    assert blocks.min() > 0.02  # no night anywhere
    assert sun_elevation(found.start, lon, lat).min() > 5
    assert (sun_elevation(found.start + timedelta(hours=8), lon, lat) < 0).mean() > 0.8


def land_share(plate: Plate, codes: tuple[int, ...], box: Box, lines: Doubles, columns: Doubles) -> Floats:
    """Share of pixels that lies in provinces, by 9 points each."""
    texts = [(cnmaps_folder() / f"{code}0000.geojson").read_text(encoding="utf-8") for code in codes]
    near = [shapely.clip_by_rect(shapely.from_geojson(text), *box) for text in texts]
    land = shapely.union_all(to_wgs84(near))
    shapely.prepare(land)
    share = np.zeros(lines.shape, dtype=np.float32)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            share += shapely.contains_xy(land, *plate.places(lines + down / 3, columns + right / 3)) / 9
    return share


@pytest.mark.parametrize(
    ("box", "codes"),
    [((118.5, 34.0, 122.9, 37.3), (37, 32)), ((119.5, 21.7, 122.3, 25.6), (71, 35)),
     ((108.3, 18.0, 111.3, 20.3), (46, 44))],
    ids=["Shandong", "Taiwan", "Hainan"],
)  # fmt: skip
def test_the_coast_of_the_visible_image_is_where_the_map_has_it(data: Path, box: Box, codes: tuple[int, ...]) -> None:
    """Best match of cloudless pixels with the land mask within 5 pixels: 0 or 1 pixel (5 km) off, FY-2's own error."""
    found = real(data, VIS)
    assert isinstance(found.geometry, Plate)
    (top, bottom), (left, right) = found.geometry.pixels(np.array([box[0], box[2]]), np.array([box[3], box[1]]))
    lines, columns = np.mgrid[int(top) : int(bottom), int(left) : int(right)]
    wider = (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1)
    share = land_share(found.geometry, codes, wider, lines.astype(float), columns.astype(float))
    values = found.channels[0].values
    match = {}
    for down in range(-5, 6):
        for right_by in range(-5, 6):
            shifted = values[lines + down, columns + right_by]
            clear = shifted < 0.22
            match[down, right_by] = np.corrcoef(shifted[clear], share[clear])[0, 1]
    best = max(match, key=lambda shift: match[shift])
    assert match[0, 0] > 0.65
    assert max(map(abs, best)) <= 1


MAKRAN = np.array(
    [
        (57.77, 25.63),
        (59.0, 25.40),
        (60.6, 25.28),
        (61.5, 25.1),
        (62.3, 25.13),
        (63.5, 25.22),
        (64.6, 25.22),
        (65.5, 25.36),
    ]
)
"""The coast of Iran and Pakistan, west to east [deg E, deg N], good to some km [M]."""


def test_the_coast_of_the_infrared_image_is_where_the_map_has_it(data: Path) -> None:
    """Land is 7 K warmer than the sea, and the sharpest change is on the coast."""
    found = real(data, IR1)
    assert isinstance(found.geometry, Plate)
    lon = np.arange(58, 65.4, 0.1)
    line, column = found.geometry.pixels(lon, np.interp(lon, *MAKRAN.T))
    profile = found.channels[0].values[
        np.rint(line).astype(int)[:, np.newaxis] + np.arange(-8, 9), np.rint(column).astype(int)[:, np.newaxis]
    ]
    steepest = np.rint(line) - 7.5 + np.abs(np.diff(profile, axis=1)).argmax(axis=1)
    assert abs(np.median(steepest - line)) < 1.5
    assert np.median(profile[:, 4] - profile[:, 12]) > 4


@pytest.mark.parametrize("name", [IR1, VIS])
def test_the_corners_are_those_of_the_header(data: Path, name: str) -> None:
    """Bounds are cut off at 0.01 deg; pixels come out within 0.1 pixel of where they may be."""
    found = real(data, name)
    bounds = struct.unpack_from("<4h", (data / "satellite" / "awx" / name).read_bytes(), 72)
    north, south, west, east = (np.asarray(bound / 100) for bound in bounds)
    assert isinstance(found.geometry, Plate)
    cut = 0.01 / 0.045
    for lon, lat, at_line, at_column in (
        (west, north, 0, 0), (east, south, found.geometry.lines - 1, found.geometry.columns - 1),
    ):  # fmt: skip
        line, column = found.geometry.pixels(lon, lat)
        assert abs(float(line) - at_line) < cut + 0.1
        assert abs(float(column) - at_column) < cut + 0.1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("visible", [False, True])
@pytest.mark.parametrize("plate", PLATES.values(), ids=PLATES)
def test_an_image_written_is_read_again(plate: Plate, visible: bool, order: str) -> None:
    one = scene(plate, visible=visible)
    again = read_awx(write_awx(one, order=order), "ANI_IR1_R01_20220331_2100_FY2G.AWX")
    want, found = one.channels[0].values, again.channels[0].values
    np.testing.assert_array_equal(np.isnan(found), np.isnan(want))
    np.testing.assert_allclose(found, want, atol=0.02 if visible else 0.41)
    assert (again.platform, again.start, again.remarks) == ("FY-2G", START, ())
    assert again.channels[0].wavelength_um == one.channels[0].wavelength_um
    lon, lat = plate.places(np.array([0.0, 19, 7]), np.array([0.0, 30, 11]))
    assert isinstance(again.geometry, Plate)
    np.testing.assert_allclose(again.geometry.pixels(lon, lat), ([0, 19, 7], [0, 30, 11]), atol=0.1)
    assert write_awx(read_awx(write_awx(again), "")) == write_awx(again)


@given(
    st.sampled_from([1, 2, 4]), st.sampled_from("<>"), st.integers(2, 40), st.integers(2, 40), st.integers(0, 99),
)  # fmt: skip
def test_a_grid_written_is_read_again(size: int, order: str, lines: int, columns: int, seed: int) -> None:
    plate = Plate("+proj=longlat", 45.0, 60.0, 0.1, -0.1, lines, columns)
    rng = np.random.default_rng(seed)
    values = rng.uniform(170, 330, plate.shape).astype(np.float32)
    values[rng.random(plate.shape) < 0.2] = np.nan
    again = read_awx(write_awx(scene(plate, values), order=order, grid_bytes=size), "x_TBB_IR1_OTG.AWX")
    np.testing.assert_allclose(again.channels[0].values, values, atol=0.51 if size == 1 else 0.006)
    assert isinstance(again.geometry, Plate)
    assert (again.start, again.end) == (START, START + timedelta(minutes=25))
    np.testing.assert_allclose(again.geometry.pixels(np.asarray(45.3), np.asarray(59.9)), (1, 3), atol=1e-6)


def patched(data: bytes, at: int, layout: str, *values: int) -> bytes:
    raw = bytearray(data)
    struct.pack_into(layout, raw, at, *values)
    return bytes(raw)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: patched(raw, 28, "<H", 2), Reason.UNSUPPORTED),  # LZW
        (lambda raw: patched(raw, 26, "<H", 2), Reason.UNSUPPORTED),  # polar orbit
        (lambda raw: patched(raw, 58, "<H", 77), Reason.UNSUPPORTED),  # channel
        (lambda raw: patched(raw, 60, "<H", 3), Reason.UNSUPPORTED),  # polar stereographic
        (lambda raw: raw.replace(b"FY2G", b"FY4A"), Reason.UNSUPPORTED),
        (lambda raw: patched(raw, 50, "<H", 13), Reason.BAD_HEADER),  # month
        (lambda raw: patched(raw, 20, "<H", 30), Reason.BAD_HEADER),  # record
        (lambda raw: patched(raw, 24, "<H", 19), Reason.BAD_HEADER),  # records
        (lambda raw: patched(raw, 22, "<H", 1), Reason.BAD_HEADER),  # header records
        (lambda raw: patched(raw, 98, "<H", 9000), Reason.BAD_HEADER),  # calibration
        (lambda raw: patched(raw, 98, "<H", 0), Reason.BAD_HEADER),
        (lambda raw: patched(raw, 104, "<1024H", *(60_000,) * 1024), Reason.BAD_VALUE),  # 600 K
        (lambda raw: raw[:-1], Reason.TRUNCATED),
        (lambda raw: raw[:300], Reason.TRUNCATED),
        (lambda raw: raw[:30], Reason.TRUNCATED),
    ],
)  # fmt: skip
def test_what_is_refused(change: Callable[[bytes], bytes], reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_awx(change(write_awx(scene())), "x.AWX")
    assert caught.value.reason is reason
    if reason is Reason.TRUNCATED:
        assert caught.value.offset == len(change(write_awx(scene())))


def test_a_huge_image_is_refused_before_it_is_allocated() -> None:
    raw = patched(write_awx(scene()), 62, "<2H", 65_535, 65_535)
    with pytest.raises(LimitError):
        read_awx(raw, "x.AWX")


def test_mercator_bounds_that_contradict_the_projection_are_refused() -> None:
    raw = write_awx(scene(MERCATOR))
    with pytest.raises(ReadError, match="bounds"):
        read_awx(patched(raw, 88, "<2H", 600, 600), "x.AWX")


def test_lambert_bounds_that_contradict_the_projection_give_a_remark() -> None:
    found = read_awx(patched(write_awx(scene(LAMBERT)), 88, "<2H", 2000, 2000), "x.AWX")
    assert "place not verified" in found.remarks[0]


def test_lambert_pixels_by_hand() -> None:
    """One parallel, Snyder (1987) 15-1 to 15-4 on the sphere: n = sin 30; a place 5 deg east, 4 deg north."""
    plate = centred("+proj=lcc +R=6378137 +lat_0=30 +lon_0=105 +lat_1=30 +lat_2=30", 105, 30, 10.0)
    found = read_awx(write_awx(scene(plate)), "x.AWX").geometry
    assert isinstance(found, Plate)
    n = np.sin(np.deg2rad(30))
    cone = [6378.137 / np.tan(np.deg2rad(30)) * (np.tan(np.deg2rad(60)) / np.tan(np.deg2rad(45 + lat / 2))) ** n
            for lat in (30, 34)]  # fmt: skip
    x, y = cone[1] * np.sin(n * np.deg2rad(5)), cone[0] - cone[1] * np.cos(n * np.deg2rad(5))
    line, column = found.pixels(np.asarray(110.0), np.asarray(34.0))
    assert float(column) == pytest.approx(15 + x / 10, abs=0.01)
    assert float(line) == pytest.approx(9.5 - y / 10, abs=0.01)


def test_lines_burnt_into_the_image_are_no_data_where_the_header_says_so() -> None:
    raw = bytearray(write_awx(scene()))
    raw[-1] = raw[-40] = 120
    plain = read_awx(bytes(raw), "x.AWX").channels[0].values
    found = read_awx(patched(bytes(raw), 92, "<2H", 1, 120), "x.AWX").channels[0].values
    code_120 = plain == plain[-1, -1]
    assert np.isfinite(plain[-1, -1])
    assert code_120.sum() >= 2
    np.testing.assert_array_equal(np.isnan(found), np.isnan(plain) | code_120)


def test_a_byte_of_an_infrared_image_is_the_upper_part_of_a_count() -> None:
    """Byte 100 is count 400, which the calibration written here has at 330 - 400 x 0.2 = 250 K."""
    raw = bytearray(write_awx(scene()))
    raw[-1] = 100
    assert read_awx(bytes(raw), "x.AWX").channels[0].values[-1, -1] == pytest.approx(250.0)


def test_a_reflectance_beyond_two_is_no_data() -> None:
    data = write_awx(scene(visible=True))
    words = np.arange(64) * 400
    again = read_awx(patched(data, LEVEL1_BYTES + IMAGE_BYTES, "<64H", *(int(word) for word in words)), "")
    was, values = read_awx(data, "").channels[0].values, again.channels[0].values
    count = np.rint(63 * np.sqrt(was / 1.2))  # as the writer's calibration has it
    np.testing.assert_array_equal(values, np.where(count <= 50, np.float32(0.04) * count, np.nan).astype(np.float32))
    assert np.isnan(values).sum() > np.isnan(was).sum()
    assert np.isfinite(values).any()


def grid_raw() -> bytes:
    return write_awx(scene(), grid_bytes=1)


def test_base_scale_limits_and_codes_of_a_grid() -> None:
    raw = bytearray(patched(grid_raw(), 52, "<2H", 400, 2))
    raw = bytearray(patched(bytes(raw), 112, "<3H", 3, 240, 60))
    raw = bytearray(patched(bytes(raw), 96, "<2H", 1, 90))  # land is 90
    raw[-5:] = bytes([59, 60, 90, 240, 241])
    values = read_awx(bytes(raw), TBB).channels[0].values
    np.testing.assert_array_equal(values[-1, -5:], [np.nan, 230, np.nan, 320, np.nan])


def test_the_channel_of_a_grid_comes_from_a_name() -> None:
    assert read_awx(grid_raw().replace(b"TBB_IR1", b"TBB_IR3"), "x.AWX").channels[0].wavelength_um == 6.95
    assert read_awx(grid_raw(), "FY2G_TBB_IR2_OTG_20150729_0000.AWX").channels[0].wavelength_um == 12.0
    with pytest.raises(ReadError, match="channel unknown"):
        read_awx(grid_raw().replace(b"TBB_IR1", b"PRODUCT"), "x.AWX")


@pytest.mark.parametrize(("at", "value"), [(48, 4), (86, 1)])
def test_other_grids_are_not_supported(at: int, value: int) -> None:
    with pytest.raises(ReadError) as caught:
        read_awx(patched(grid_raw(), at, "<H", value), TBB)
    assert caught.value.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("name", "remarks"),
    [
        ("ANI_IR1_R01_20220331_2100_FY2G.AWX", 0),
        ("FY2G_TBB_IR1_OTG_20220331_1300.AWX", 0),
        ("A_20220331_1500.AWX", 1),
    ],
)
def test_names_in_utc_or_beijing_time_agree_with_the_header(name: str, remarks: int) -> None:
    found = read_awx(write_awx(scene()), name)
    assert found.start == START
    assert len(found.remarks) == remarks


SEEDS = [write_awx(scene(plate)) for plate in (LONGLAT, MERCATOR, LAMBERT)] + [grid_raw()]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(6, (LEVEL1_BYTES + max(IMAGE_BYTES, GRID_BYTES)) // 2), st.integers(0, 65_535)),
             min_size=1, max_size=3),
    st.none() | st.integers(0, 3000),
)  # fmt: skip
def test_damaged_headers_give_a_scene_or_a_read_error(
    raw: bytes, changes: list[tuple[int, int]], length: int | None
) -> None:
    for word, value in changes:
        raw = patched(raw, 2 * word, "<H", value)
    try:
        found = read_awx(raw[:length], TBB)
    except ReadError:
        return
    assert found.start.tzinfo is UTC
    assert isinstance(found.geometry, Plate)
    assert found.channels[0].values.shape == found.geometry.shape
    assert found.mean_time is not None


def test_recognition() -> None:
    assert all(FORMAT.recognise(raw[:8192]) for raw in SEEDS)
    assert FORMAT.recognise(write_awx(scene(), order=">"))
    assert not FORMAT.recognise(b"\x89HDF\r\n\x1a\n" + bytes(200))
    assert not FORMAT.recognise(b"")
    assert FORMAT.name_pattern.search(IR1)


def test_what_awx_cannot_hold_is_not_written() -> None:
    odd = replace(LONGLAT, step_x=0.1234)
    for one in (scene(odd), replace(scene(), channels=())):
        with pytest.raises(ValueError, match="AWX"):
            write_awx(one)
