"""HDF5 and netCDF-4: files are opened through a check of what they declare, so that none leads out of itself, out of
memory, or into a loop of the library (RELIABILITY.md A5)."""

from wxcore.hdf5.check import CAP_BYTES, MAX_CHUNK_BYTES, check_hdf5
from wxcore.hdf5.files import is_hdf5, open_checked, read_bytes

__all__ = [
    "CAP_BYTES",
    "MAX_CHUNK_BYTES",
    "check_hdf5",
    "is_hdf5",
    "open_checked",
    "read_bytes",
]
