"""Small synthetic scenes of FY-4, and files of them with something changed."""

import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.satellite.agri import WAVELENGTHS_UM
from wxcore.satellite.fy4_counts import SOLAR_UM
from wxcore.satellite.geometry import Disk, fy4_disk
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, REFLECTANCE, Channel, Scene

START = datetime(2025, 6, 9, 10, 30, 2, 347000, tzinfo=UTC)
SCAN = timedelta(seconds=770)
CHONGQING = (107.5, 29.5)
BOX = (107.3, 29.4, 107.7, 29.6)
SUB_LONGITUDE = {"FY-4A": 104.7, "FY-4B": 105.0}
AGRI_NUMBERS = {500: (2,), 1000: (1, 2, 3), 2000: tuple(range(1, 8))}
"""Channels in files finer than 4 km."""


def agri_numbers(platform: str, resolution: int) -> tuple[int, ...]:
    """What a real file of that kind holds, C07 left out where there is C08."""
    everything = tuple(number for number in WAVELENGTHS_UM[platform] if number != 7)
    return AGRI_NUMBERS.get(resolution, everything)


def piece(resolution: int, sub_longitude: float, shape: tuple[int, int]) -> Disk:
    """A part of the FY-4 grid with CHONGQING in its middle."""
    full = fy4_disk(resolution, sub_longitude)
    line, column = full.pixels(np.array(CHONGQING[0]), np.array(CHONGQING[1]))
    return full.window(round(float(line)) - shape[0] // 2, round(float(column)) - shape[1] // 2, *shape)


def channel(number: int, wavelength: float, shape: tuple[int, int], seed: int = 1) -> Channel:
    """Noise: 200 to 300 K, or 0.01 to 1.1, and a few pixels without data."""
    rng = np.random.default_rng(seed + number)
    solar = wavelength < SOLAR_UM
    low, high = (0.01, 1.1) if solar else (200.0, 300.0)
    values = rng.uniform(low, high, shape).astype(np.float32)
    values[rng.uniform(size=shape) < 0.02] = np.nan
    return Channel(number, wavelength, REFLECTANCE if solar else BRIGHTNESS_TEMPERATURE, values)


def scene(
    instrument: str, platform: str, geometry: Disk, resolution: int, table: Mapping[int, float], seed: int = 1
) -> Scene:
    channels = [channel(number, wavelength, geometry.shape, seed) for number, wavelength in table.items()]
    return Scene(
        format=f"fy4-{instrument.lower()}", platform=platform, instrument=instrument, resolution_m=resolution,
        start=START, end=START + SCAN,
        channels=tuple(sorted(channels, key=lambda one: (one.wavelength_um, one.number))), geometry=geometry,
        line_offset_s=(np.arange(geometry.lines) + 0.5) / geometry.lines * SCAN.total_seconds(), simulated=True,
    )  # fmt: skip


def agri_scene(
    platform: str = "FY-4B", resolution: int = 4000, shape: tuple[int, int] = (40, 50), seed: int = 1
) -> Scene:
    table = {number: WAVELENGTHS_UM[platform][number] for number in agri_numbers(platform, resolution)}
    return scene("AGRI", platform, piece(resolution, SUB_LONGITUDE[platform], shape), resolution, table, seed)


def agri_name(platform: str = "FY-4B", resolution: int = 4000) -> str:
    longitude = round(SUB_LONGITUDE[platform] * 10)
    return (
        f"{platform.replace('-', '')}-_AGRI--_N_REGC_{longitude:04d}E_L1-_FDI-_MULT_NOM_20250609103000_20250609104459_"
        f"{resolution:04d}M_V0001.HDF"
    )


def changed(data: bytes, change: Callable[[h5py.File], None]) -> bytes:
    """The file after `change` has worked on it."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


def replaced(file: h5py.File, path: str, values: npt.NDArray[np.generic]) -> None:
    """Another dataset under the same name, with the attributes of the old one."""
    kept = dict(file[path].attrs)
    del file[path]
    file[path] = values
    file[path].attrs.update(kept)


def assert_same_scene(found: Scene, expected: Scene, tolerance: float) -> None:
    """Equal, values to a step of the counts; remarks are not compared."""
    for name in ("format", "platform", "instrument", "resolution_m", "start", "end", "simulated"):
        assert getattr(found, name) == getattr(expected, name), name
    np.testing.assert_allclose(found.line_offset_s, expected.line_offset_s)
    assert [(one.number, one.wavelength_um, one.quantity) for one in found.channels] == [
        (one.number, one.wavelength_um, one.quantity) for one in expected.channels
    ]
    for one, two in zip(found.channels, expected.channels, strict=True):
        assert one.values.dtype == np.float32
        span = tolerance if one.quantity == BRIGHTNESS_TEMPERATURE else tolerance / 100
        np.testing.assert_allclose(one.values, two.values, atol=span, rtol=0)
    assert_same_disk(found.geometry, expected.geometry)


def assert_same_disk(found: object, expected: object, pixels: float = 1e-3) -> None:
    """Equal to a thousandth of a pixel."""
    assert isinstance(found, Disk)
    assert isinstance(expected, Disk)
    assert found.shape == expected.shape
    corners = np.array([0.0, 0, found.lines - 1, found.lines - 1]), np.array([0.0, 1, 0, 1]) * (found.columns - 1)
    line, column = found.pixels(*expected.places(*corners))
    np.testing.assert_allclose(line, corners[0], atol=pixels)
    np.testing.assert_allclose(column, corners[1], atol=pixels)
