"""FY-2 S-VISSR disks: synthetic ones only, since no original file is at hand."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest

from wxcore.errors import ReadError, Reason
from wxcore.satellite.geometry import Disk
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, REFLECTANCE, Channel, Scene
from wxcore.satellite.vissr import FORMAT, SIZE, disk, line_seconds, platform_name, read_svissr
from wxcore.satellite.vissr_write import write_svissr

NAME = "FY2H_FDI_ALL_NOM_20260701_0600.hdf"
START = datetime(2026, 7, 1, 6, 0, 12, tzinfo=UTC)
CHONGQING = (105.0, 28.0, 110.3, 32.3)
SUB = 79.0
WAVELENGTHS = {5: 0.65, 4: 3.8, 3: 6.95, 1: 10.8, 2: 12.0}


def whole(numbers: tuple[int, ...] = (5, 1), *, platform: str = "FY-2H", simulated: bool = True) -> Scene:
    """A disk of which only the part around Chongqing has values that change from pixel to pixel."""
    part = (slice(240, 760), slice(1380, 1900))
    line, column = np.mgrid[part].astype(np.float32)
    channels = []
    for number in numbers:
        values = np.full((SIZE, SIZE), np.nan, dtype=np.float32)
        if number == 5:
            values[part], quantity = 0.1 + 0.9 * ((line + 3 * column) % 97) / 97, REFLECTANCE
        else:
            values[part], quantity = 195 + (7 * line + 5 * column + number) % 110, BRIGHTNESS_TEMPERATURE
        channels.append(Channel(number, WAVELENGTHS[number], quantity, values))
    end = START + timedelta(minutes=25)
    offsets = line_seconds(np.arange(SIZE, dtype=np.float64))
    return Scene(
        "fy2-svissr", platform, "S-VISSR", 5000.0, START, end, tuple(channels), disk(SUB), offsets, simulated=simulated
    )


@pytest.fixture(scope="module")
def file_bytes() -> bytes:
    return write_svissr(whole())


@pytest.fixture
def path(tmp_path: Path, file_bytes: bytes) -> Path:
    (tmp_path / NAME).write_bytes(file_bytes)
    return tmp_path / NAME


def changed(path: Path, change: Callable[[h5py.File], None]) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replaced(file: h5py.File, name: str, data: object) -> None:
    del file[name]
    file[name] = data


def info(file: h5py.File, **members: object) -> None:
    """Change members of /NomFileInfo; None takes one out."""
    row = file["NomFileInfo"][()]
    kept = [name for name in row.dtype.names if members.get(name, 0) is not None]
    table = row[kept].astype([(name, row.dtype[name]) for name in kept])
    for name in set(members) & set(kept):
        table[name] = members[name]
    replaced(file, "NomFileInfo", table)


def test_a_window_is_the_same_part_of_the_whole(path: Path, file_bytes: bytes) -> None:
    found, all_of_it = read_svissr(path, NAME, CHONGQING), FORMAT.read(file_bytes, NAME)
    written = whole()
    assert [channel.wavelength_um for channel in found.channels] == [0.65, 10.8]
    assert isinstance(found.geometry, Disk)
    first_line = round((found.geometry.first_y - written.geometry.first_y) / 140e-6)  # type: ignore[union-attr]
    first_column = round((found.geometry.first_x - written.geometry.first_x) / 140e-6)  # type: ignore[union-attr]
    rows = slice(first_line, first_line + found.geometry.lines)
    columns = slice(first_column, first_column + found.geometry.columns)
    assert found.geometry.lines < 130
    assert found.geometry.columns < 160
    for index, (mine, theirs) in enumerate(zip(found.channels, all_of_it.channels, strict=True)):
        want = written.channels[index].values
        np.testing.assert_array_equal(mine.values, theirs.values[rows, columns])
        np.testing.assert_array_equal(np.isnan(theirs.values), np.isnan(want))
        np.testing.assert_allclose(theirs.values, want, atol=0.02 if index == 0 else 0.11)
    np.testing.assert_allclose(found.line_offset_s, written.line_offset_s[rows])
    lon, lat = np.meshgrid([105.0, 110.3], [28.0, 32.3])
    line, column = found.geometry.pixels(lon, lat)
    assert (line > 5).all()  # the margin is there
    assert (column < found.geometry.columns - 5).all()
    assert (found.platform, found.instrument, found.start, found.simulated) == ("FY-2H", "S-VISSR", START, True)
    assert (found.bad_lines, found.remarks, found.end - START) == (0, (), timedelta(minutes=25))


def test_all_channels_by_wavelength(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(write_svissr(whole((1, 2, 3, 4), simulated=False)))
    found = read_svissr(tmp_path / NAME, NAME, CHONGQING)
    assert not found.simulated
    for band, number in (("038", 4), ("070", 3), ("108", 1), ("120", 2)):
        channel = found.band(f"brightness_temperature_{band}")
        assert channel is not None
        assert channel.number == number


def test_pixels_by_hand() -> None:
    """The sub-satellite point is the middle; 10 degrees east on the equator is seen at atan2(a sin, D - a cos)."""
    whole_disk = disk(SUB)
    line, column = whole_disk.pixels(np.array([79.0, 89.0]), np.array([0.0, 0.0]))
    angle = np.arctan2(6378.137 * np.sin(np.deg2rad(10)), 42164.0 - 6378.137 * np.cos(np.deg2rad(10)))
    np.testing.assert_allclose(line, 1143.5)
    np.testing.assert_allclose(column, [1143.5, 1143.5 + angle / 140e-6])
    rim = np.rad2deg(np.arcsin(6378.137 / 42164.0))  # 8.70 degrees: the disk of 9.18 holds the Earth
    assert rim < np.rad2deg(1143.5 * 140e-6)


def test_counts_that_are_not_valid_are_no_data(path: Path) -> None:
    """0, 1023 and the fill of the infrared, 0 and 63 of the visible: each would be a plausible value by its table."""

    def change(file: h5py.File) -> None:
        file["NOMChannelIR1"][500, 1640:1646] = [0, 1, 1022, 1023, 1024, 65535]
        file["NOMChannelVIS"][500, 1640:1646] = [0, 1, 62, 63, 64, 65535]

    values = {channel.number: channel.values for channel in read_svissr(changed(path, change), NAME).channels}
    np.testing.assert_allclose(values[1][500, 1640:1646], [np.nan, 339.8, 135.6, np.nan, np.nan, np.nan], rtol=1e-5)
    assert np.isfinite(values[5][500, 1640:1646]).tolist() == [False, True, True, False, False, False]


def test_a_visible_table_in_percent_becomes_a_share(path: Path) -> None:
    before = read_svissr(path, NAME, CHONGQING).channels[0].values
    after = read_svissr(
        changed(path, lambda file: replaced(file, "CALChannelVIS", 100 * file["CALChannelVIS"][()])), NAME, CHONGQING
    )
    np.testing.assert_allclose(after.channels[0].values, before, rtol=1e-5)


def test_entries_of_a_table_that_are_no_temperature_are_no_data(path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["CALChannelIR1"][0, 300] = 0.0
        file["NOMChannelIR1"][500, 1640:1642] = [300, 301]

    found = read_svissr(changed(path, change), NAME).channels[1].values
    assert np.isnan(found[500, 1640])
    assert found[500, 1641] == pytest.approx(340 - 60.2)


def test_entries_of_a_table_that_are_no_reflectance_are_no_data(path: Path) -> None:
    def change(file: h5py.File) -> None:
        table = np.linspace(0, 190, 64, dtype=np.float32)
        table[40:44] = np.inf, -1.0, 1e30, 201.0
        replaced(file, "CALChannelVIS", table.reshape(file["CALChannelVIS"].shape))

    values = read_svissr(changed(path, change), NAME, CHONGQING).channels[0].values
    assert np.isnan(values).any()
    assert 1.5 < np.nanmax(values) < 2
    assert np.nanmin(values) > 0


def test_lines_without_values_are_counted_but_not_for_the_visible_channel_at_night(path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["NOMChannelVIS"][:] = 0
        file["NOMChannelIR1"][500:503, :] = 65535

    assert read_svissr(changed(path, change), NAME, CHONGQING).bad_lines == 3


def test_time_comes_from_the_table_else_from_the_name(path: Path) -> None:
    changed(path, lambda file: info(file, StartYear=None))
    found = read_svissr(path, NAME, CHONGQING)
    assert found.start == datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
    assert found.end == found.start + timedelta(minutes=25)
    with pytest.raises(ReadError) as caught:
        read_svissr(path, "a.hdf", CHONGQING)
    assert caught.value.reason is Reason.BAD_HEADER


def test_a_table_far_from_the_name_is_not_believed(path: Path) -> None:
    found = read_svissr(changed(path, lambda file: info(file, StartHour=14)), NAME, CHONGQING)
    assert found.start == datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
    assert "the name is used" in found.remarks[0]


def test_the_satellite_comes_from_the_table_else_from_the_name(path: Path) -> None:
    assert read_svissr(path, "a.hdf", CHONGQING).platform == "FY-2H"
    changed(path, lambda file: info(file, Satellite=None))
    assert read_svissr(path, NAME.replace("FY2H", "FY2G"), CHONGQING).platform == "FY-2G"
    with pytest.raises(ReadError, match="FY2C to FY2H"):
        read_svissr(path, "a.hdf", CHONGQING)
    assert platform_name("FY-2F") == "FY-2F"
    assert platform_name("FY4A") is None


def test_the_sub_longitude_is_the_files(path: Path) -> None:
    found = read_svissr(changed(path, lambda file: info(file, NOMCenterLon=104.5)), NAME, CHONGQING)
    assert isinstance(found.geometry, Disk)
    assert found.geometry.sub_longitude == pytest.approx(104.5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda file: info(file, NOMCenterLon=None), Reason.BAD_HEADER),
        (lambda file: info(file, NOMCenterLon=np.nan), Reason.BAD_HEADER),
        (lambda file: info(file, NOMCenterLon=999.0), Reason.BAD_HEADER),
        (lambda file: replaced(file, "NomFileInfo", np.arange(3)), Reason.BAD_HEADER),
        (lambda file: replaced(file, "NOMChannelIR1", np.zeros((20, 20), "u2")), Reason.BAD_HEADER),
        (lambda file: replaced(file, "CALChannelIR1", np.zeros((1, 1023), "f4")), Reason.BAD_HEADER),
        (lambda file: replaced(file, "CALChannelIR1", np.zeros((1, 1024), "i4")), Reason.BAD_HEADER),
        (lambda file: replaced(file, "CALChannelIR1", np.zeros((1, 1024), "f4")), Reason.BAD_VALUE),
        (lambda file: file.__delitem__("CALChannelIR1"), Reason.BAD_HEADER),
        (lambda file: (file.__delitem__("NOMChannelIR1"), file.__delitem__("NOMChannelVIS")), Reason.BAD_HEADER),
    ],
)  # fmt: skip
def test_what_is_refused(path: Path, change: Callable[[h5py.File], None], reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_svissr(changed(path, change), NAME, CHONGQING)
    assert caught.value.reason is reason


def test_a_box_that_the_satellite_does_not_see(path: Path) -> None:
    with pytest.raises(ReadError) as caught:
        read_svissr(path, NAME, (-100.0, 30.0, -90.0, 40.0))
    assert caught.value.reason is Reason.OUTSIDE_REGION


def test_a_truncated_file(path: Path, file_bytes: bytes) -> None:
    path.write_bytes(file_bytes[: len(file_bytes) // 2])
    with pytest.raises(ReadError):
        read_svissr(path, NAME, CHONGQING)


def test_recognition(file_bytes: bytes) -> None:
    assert FORMAT.recognise(file_bytes[:8192])
    assert FORMAT.name_pattern.search(NAME)
    assert FORMAT.claims is not None
    with h5py.File(io.BytesIO(file_bytes), "r") as file:
        assert FORMAT.claims(file)
    with h5py.File(io.BytesIO(), "w") as file:
        file["NOMChannel01"] = np.zeros((2, 2))  # FY-4A has such names
        assert not FORMAT.claims(file)


def test_lines_are_seen_at_a_hundred_a_minute_in_the_middle_of_a_scan_of_2500() -> None:
    """106 of the scan's lines come before line 0; the middle of the disk is seen after half of the 25 minutes."""
    np.testing.assert_allclose(line_seconds(np.array([0.0, 1144.0, 2287.0])), [63.6, 750.0, 1435.8])
