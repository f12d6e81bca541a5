"""Scene to FY-4 AGRI L1 in HDF5, the inverse of `agri.read_agri`, and what the writer of GHI shares with it.

Structure, dtypes, attributes and chunks are those of FORMATS.md B and, for FY-4B, of the file at hand. FY-4A has all
at the root, with dEA [km], dObRecFlat and a height from the Earth's centre. Angles (Navigation) are not written.
"""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.satellite.geometry import Disk, fy4_disk
from wxcore.satellite.scene import REFLECTANCE, Channel, Floats, Scene
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK

CHANNELS = {"FY-4A": {500: (2,), 1000: (1, 2, 3), 2000: tuple(range(1, 8)), 4000: tuple(range(1, 15))},
            "FY-4B": {500: (2,), 1000: (1, 2, 3), 2000: tuple(range(1, 8)), 4000: tuple(range(1, 16))}}  # fmt: skip
"""Channels in a file, by satellite and resolution [m]."""

CODES, FILL = 4096, 65535
"""Counts that carry a value, and the one that carries none."""

SCALE, OFFSET = 0.0002844, -0.02153644
"""Reflectance by count of every visible channel in the FY-4B file at hand: up to 1.143."""

CHUNK, DEFLATE = 256, 6
"""Chunks of (256, 256), shuffled: those of the FY-4B file at hand; original files' are unknown."""

FLATTENING = 298.257223563


def write_agri(scene: Scene) -> bytes:
    """A scene of the whole extent of its file (full disk or region) as AGRI L1.

    Temperatures are rounded to a table of 4096 steps between the channel's lowest and highest.

    Raises:
        ValueError: not FY-4A or FY-4B AGRI, no such resolution or channel, or not on the FY-4 grid.
    """
    resolution = round(scene.resolution_m)
    numbers = CHANNELS.get(scene.platform, {}).get(resolution, ())
    if scene.instrument != "AGRI" or not {channel.number for channel in scene.channels} <= set(numbers):
        raise ValueError(f"no AGRI file of {scene.platform} {scene.instrument} at {resolution} m with these channels")
    disk = scene.geometry
    if not isinstance(disk, Disk):
        raise ValueError("AGRI is an image of a geostationary disk")
    full = fy4_disk(resolution, disk.sub_longitude)
    line, column = (disk.first_y - full.first_y) / full.step_y, (disk.first_x - full.first_x) / full.step_x
    if max(abs(line - round(line)), abs(column - round(column)), abs(disk.step_x / full.step_x - 1)) > 0.01:
        raise ValueError(f"the image is not a part of the FY-4 grid at {resolution} m")
    at_root = scene.platform == "FY-4A"
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_header(file, scene, disk.shape, "DISK" if disk.shape == full.shape else "REGC")
        file.attrs["NOMCenterLat"], file.attrs["NOMCenterLon"] = one(0, "f4"), one(disk.sub_longitude, "f4")
        for what, first, length in (("Line", line, disk.lines), ("Pixel", column, disk.columns)):
            file.attrs[f"Begin {what} Number"] = one(round(first), "i2")
            file.attrs[f"End {what} Number"] = one(round(first) + length - 1, "i2")
        _write_earth(file, disk, at_root=at_root)
        write_channels(file, scene.channels, resolution, len(numbers), at_root=at_root)
    return buffer.getvalue()


def one(value: float, dtype: str) -> npt.NDArray[Any]:
    """An attribute as these files have it: an array of one."""
    return np.array([value], dtype)


def write_header(file: h5py.File, scene: Scene, shape: tuple[int, int], area: str) -> None:
    """Root attributes that AGRI and GHI share: names, size, times, mark of a simulation."""
    file.attrs["Satellite Name"] = scene.platform.replace("-", "")
    file.attrs["Sensor Name"] = file.attrs["Sensor Identification Code"] = scene.instrument
    file.attrs["OBIType"] = area
    file.attrs["RegLength"], file.attrs["RegWidth"] = one(shape[0], "i2"), one(shape[1], "i2")
    for which, time in (("Beginning", scene.start), ("Ending", scene.end)):
        file.attrs[f"Observing {which} Date"] = f"{time:%Y-%m-%d}"
        file.attrs[f"Observing {which} Time"] = _clock(time)
    if scene.simulated:
        file.attrs[SIMULATED_ATTRIBUTE] = SIMULATED_MARK


def _clock(time: datetime) -> str:
    return f"{time:%H:%M:%S}.{time.microsecond // 1000:03d}"


def _write_earth(file: h5py.File, disk: Disk, *, at_root: bool) -> None:
    if at_root:
        file.attrs["NOMSatHeight"] = one(disk.distance_m, "f8")
        file.attrs["dEA"], file.attrs["dObRecFlat"] = one(disk.semi_major_m / 1000, "f8"), one(FLATTENING, "f8")
        return
    file.attrs["NOMSatHeight"] = one(disk.distance_m - disk.semi_major_m, "f8")
    file.attrs["Semimajor axis of ellipsoid"] = one(disk.semi_major_m, "f8")
    file.attrs["Semiminor axis of ellipsoid"] = one(disk.semi_minor_m, "f8")


def write_channels(file: h5py.File, channels: Sequence[Channel], resolution: int, rows: int, *, at_root: bool) -> None:
    """Counts, look-up tables and coefficients of a file whose full set has `rows` channels."""
    data, calibration = (file, file) if at_root else (file.create_group("Data"), file.create_group("Calibration"))
    coefficients = np.zeros((rows, 2), np.float32)
    for channel in channels:
        if channel.quantity == REFLECTANCE:
            scale = max(SCALE, (_bounds(channel.values)[1] - OFFSET) / (CODES - 1))
            coefficients[0 if rows == 1 else channel.number - 1] = scale, OFFSET
            lut = np.arange(CODES) * scale + OFFSET
        else:
            lut = np.linspace(*_bounds(channel.values), CODES, dtype=np.float64)
        wavelength = f"{channel.wavelength_um:g}um"
        image = data.create_dataset(
            f"NOMChannel{channel.number:02d}", data=_counts(channel.values, lut), compression="gzip",
            compression_opts=DEFLATE, shuffle=True, chunks=tuple(min(CHUNK, size) for size in channel.values.shape),
        )  # fmt: skip
        _describe(image, np.array([FILL], "u2"), np.array([0, CODES - 1], "u2"), "DN", wavelength)
        image.attrs["long_name"] = f"{wavelength} channel {_shown(resolution)} image data layer"
        image.attrs["band_names"] = f"band{channel.number}(band number is range from 1 to {rows})"
        table = calibration.create_dataset(f"CALChannel{channel.number:02d}", data=lut.astype("f4"))
        valid = (0, 1.5) if channel.quantity == REFLECTANCE else (100, 500)
        _describe(table, one(FILL, "f4"), np.array(valid, "f4"), "NUL", wavelength)
    table = calibration.create_dataset("CALIBRATION_COEF(SCALE+OFFSET)", data=coefficients)
    _describe(table, one(0, "f4"), np.array([-500, 500], "f4"), "NUL", "")


def _shown(resolution: int) -> str:
    return f"{resolution // 1000}km" if resolution >= 1000 else f"{resolution}m"


def _bounds(values: Floats) -> tuple[float, float]:
    """Lowest and highest value, some distance apart; those of a cold night sky where there is none."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 180.0, 330.0
    low, high = float(finite.min()), float(finite.max())
    return low, max(high, low + 0.01)


def _counts(values: Floats, lut: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint16]:
    """The nearest entry of an even table for each value, FILL where it is NaN."""
    step = (lut[-1] - lut[0]) / (lut.size - 1)
    counts = np.clip(np.round((values.astype(np.float64) - lut[0]) / step), 0, lut.size - 1)
    return np.where(np.isnan(counts), FILL, counts).astype(np.uint16)


def _describe(item: h5py.Dataset, fill: npt.NDArray[Any], valid: npt.NDArray[Any], units: str, wavelength: str) -> None:
    item.attrs["FillValue"], item.attrs["valid_range"], item.attrs["units"] = fill, valid, units
    item.attrs["Intercept"], item.attrs["Slope"] = one(0, "f4"), one(1, "f4")
    if wavelength:
        item.attrs["center_wavelength"] = wavelength
