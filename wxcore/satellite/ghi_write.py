"""Scene to FY-4B GHI L1 in HDF5, the inverse of `ghi.read_ghi` (FORMATS.md B; no original file was at hand)."""

import io

import h5py
import numpy as np

from wxcore.satellite.agri_write import one, write_channels, write_header
from wxcore.satellite.geometry import Disk
from wxcore.satellite.scene import Scene

CHANNELS = {250: (1,), 500: tuple(range(1, 7)), 2000: tuple(range(1, 8))}
"""Channels in a file by resolution [m]."""


def write_ghi(scene: Scene) -> bytes:
    """A scene of the whole extent of its file as GHI L1; corner points are centres of the corner pixels.

    Raises:
        ValueError: not FY-4B GHI, no such resolution or channel, no geostationary image, or one beyond the Earth.
    """
    resolution = round(scene.resolution_m)
    numbers = CHANNELS.get(resolution, ())
    known = {channel.number for channel in scene.channels} <= set(numbers)
    if (scene.platform, scene.instrument) != ("FY-4B", "GHI") or not known:
        raise ValueError(f"no GHI file of {scene.platform} {scene.instrument} at {resolution} m with these channels")
    disk = scene.geometry
    if not isinstance(disk, Disk):
        raise ValueError("GHI is an image of a part of a geostationary disk")
    last = (disk.lines - 1, disk.columns - 1)
    lon, lat = disk.places(np.array([0.0, 0, last[0], last[0]]), np.array([0.0, last[1], 0, last[1]]))
    if np.isnan(lon).any():
        raise ValueError("a corner of the image lies beside the Earth")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_header(file, scene, disk.shape, "REGX")
        file.attrs["NOMSubSatLat"], file.attrs["NOMSubSatLon"] = one(0, "f4"), one(disk.sub_longitude, "f4")
        file.attrs["NOMSatHeight"] = one(disk.distance_m / 1000, "f8")
        file.attrs["Semi_major_axis"] = one(disk.semi_major_m / 1000, "f8")
        file.attrs["Semi_minor_axis"] = one(disk.semi_minor_m / 1000, "f8")
        file.attrs["Corner-Point Longitudes"], file.attrs["Corner-Point Latitudes"] = lon, lat
        write_channels(file, scene.channels, resolution, len(numbers), at_root=False)
    return buffer.getvalue()
