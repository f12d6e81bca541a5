"""FY-2 S-VISSR disks in HDF5, written for tests and the simulator in the structure that `vissr` reads."""

import io
from datetime import datetime

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.satellite.geometry import Disk
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, Channel, Floats, Scene
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK

FILL = 65535
"""Count beside the Earth."""
HOTTEST_K, STEP_K = 340.0, 0.2
"""Brightness temperature of count 0, and its fall from count to count: 340 to 135.4 K [our choice]."""
BRIGHTEST = 1.2
"""Reflectance of the visible count 63; it goes with the square of the count [our choice]."""
IR_COUNTS, VIS_COUNTS = 1024, 64
_NAMES = {1: "IR1", 2: "IR2", 3: "IR3", 4: "IR4", 5: "VIS"}
_CLOCK = ("Year", "Month", "Day", "Hour", "Minute", "Second")


def ir_table() -> Floats:
    """Brightness temperature [K] by count."""
    return (HOTTEST_K - STEP_K * np.arange(IR_COUNTS)).astype(np.float32)


def vis_table() -> Floats:
    """Reflectance [0-1] by count."""
    return (BRIGHTEST * (np.arange(VIS_COUNTS) / (VIS_COUNTS - 1)) ** 2).astype(np.float32)


def write_svissr(scene: Scene) -> bytes:
    """A full disk as HDF5; values go to the nearest valid count, NaN to the fill.

    Raises:
        ValueError: the scene is not on a disk, or has a channel that S-VISSR has not.
    """
    if not isinstance(scene.geometry, Disk):
        raise ValueError(f"S-VISSR writes disks, not {type(scene.geometry).__name__}")
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file["NomFileInfo"] = _info(scene, scene.geometry.sub_longitude)
        for channel in scene.channels:
            name = _NAMES.get(channel.number)
            if name is None:
                raise ValueError(f"S-VISSR has no channel {channel.number}")
            file.create_dataset(f"NOMChannel{name}", data=_counts(channel), compression="gzip", compression_opts=1)
            infrared = channel.quantity == BRIGHTNESS_TEMPERATURE
            file[f"CALChannel{name}"] = (ir_table() if infrared else vis_table())[np.newaxis]
        if scene.simulated:
            file.attrs[SIMULATED_ATTRIBUTE] = SIMULATED_MARK
    return memory.getvalue()


def _counts(channel: Channel) -> npt.NDArray[np.uint16]:
    values = channel.values
    if channel.quantity == BRIGHTNESS_TEMPERATURE:
        counts = np.clip(np.rint((HOTTEST_K - values) / STEP_K), 1, IR_COUNTS - 2)
    else:
        root = np.sqrt(np.maximum(values, 0) / BRIGHTEST) * (VIS_COUNTS - 1)
        counts = np.clip(np.rint(root), 1, VIS_COUNTS - 2)
    return np.where(np.isfinite(values), counts, FILL).astype(np.uint16)


def _info(scene: Scene, sub_longitude: float) -> npt.NDArray[np.void]:
    members: list[tuple[str, str]] = [("NOMCenterLat", "<f4"), ("NOMCenterLon", "<f4")]
    members += [(f"{which}{part}", "<u2") for which in ("Start", "End") for part in _CLOCK]
    row = (0.0, sub_longitude, *_clock(scene.start), *_clock(scene.end), scene.platform.replace("-", "").encode())
    return np.array([row], dtype=[*members, ("Satellite", "S13")])


def _clock(time: datetime) -> tuple[int, ...]:
    return (time.year, time.month, time.day, time.hour, time.minute, time.second)
