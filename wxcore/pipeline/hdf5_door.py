"""HDF5 and netCDF-4 files of satellites and lightning imagers: which kind is it, told by its structure alone."""

from pathlib import Path
from typing import Any

from wxcore.errors import ReadError, Reason
from wxcore.hdf5 import is_hdf5, open_checked
from wxcore.pipeline.formats import SKY_HDF5
from wxcore.radar.xradar_door import is_odim
from wxcore.satellite.files import HDF5_CAP_BYTES
from wxcore.schema import Box, Format

NAMES_SHOWN = 6
"""Names of groups and datasets that a message shows of an unknown file."""


def is_sky_file(head: bytes) -> bool:
    """Is it HDF5 that is no radar volume (ODIM_H5)?"""
    return is_hdf5(head) and not is_odim(head)


def read_hdf5(path: Path, name: str, box: Box | None) -> tuple[str, Any]:
    """The name of the format, and the native object; to be called in a killable child.

    Raises:
        ReadError: UNSUPPORTED where no reader claims the file; and what the readers raise.
    """
    with open_checked(path, name, "HDF5", cap_bytes=HDF5_CAP_BYTES) as file:
        claimed = next((item for item in SKY_HDF5 if item.claims is not None and item.claims(file)), None)
        if claimed is not None and claimed.read_path is not None:
            return claimed.name, claimed.read_path(path, name, box)  # in here it gets this file, checked and open
        inside = ", ".join(sorted(file)[:NAMES_SHOWN])
    raise ReadError(
        Reason.UNSUPPORTED,
        f"{name}: HDF5 or netCDF-4 file of no kind that we know (it holds {inside or 'nothing'}); "
        f"we read: ODIM_H5, {', '.join(item.title_en for item in SKY_HDF5)}",
        f"{name}：未知类型的 HDF5 / netCDF-4 文件（其中有 {inside or '无内容'}）；"
        f"可读：ODIM_H5、{'、'.join(item.title_zh for item in SKY_HDF5)}",
    )


def format_of(name: str) -> Format:
    """The record of a format of SKY_HDF5."""
    return next(item for item in SKY_HDF5 if item.name == name)
