"""What a file, and a format of files, is: the records by which source rooms, landing and the ledger speak."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

Box = tuple[float, float, float, float]
"""Outer edges (west, south, east, north) [deg]."""


@dataclass(frozen=True)
class Description:
    """What a native object is, for `wx doctor` and the ledger.

    `kind`: "volume" (one radar's beams), "mosaic" (3-D grid), "composite" (2-D grid), "product" (truth for
    comparison, never an input of a cycle), "scene" (a satellite's image), "geolocation" (the places of a scene in
    another file), "lightning", "station" (reports of ground stations), "sounding", "nwp" (a model's profiles: `time`
    is when the last of them is valid, `began` when the model started). `site` is a radar's id, "" for a grid,
    "FY-4B/AGRI-4000M" for a scene, "FY-4A/LMI" for lightning; `scan` names the scan strategy.
    `time` is the observation time: of radars when it began, of satellites and lightning when it ended and could be
    sent; `began` then tells the beginning.
    """

    kind: str
    site: str
    time: datetime
    sweeps: int
    moments: tuple[str, ...]
    remarks: tuple[str, ...] = field(default=())
    scan: str = ""
    began: datetime | None = None


@dataclass(frozen=True)
class Format:
    """A file format as a source room offers it to landing.

    Attributes:
        name: stable id, such as "cinrad-standard"; title_en, title_zh: what people call it.
        recognise: the first HEAD_BYTES bytes (after decompression) -> is it this format? Decides alone; the
            file's name is only read after it, for what the bytes do not hold.
        name_pattern: what a well-named file of this format is called (searched in the file's base name).
        read: (whole uncompressed bytes, base name) -> native object. Raises ReadError.
        describe: native object -> Description.
        write: native object -> bytes, where there is a writer.
        in_child: a C library parses it, so it is decoded where a hang or crash can be killed.
        memory_bytes: address space of that child; the usual where 0. Children of one limit are kept for one another.
        read_path: (path of the uncompressed file, base name, box or None) -> native object, instead of `read`, for
            files of which only the part over a box is read. None: everything.
        read_dated: (bytes, base name, reference) -> native object, instead of `read`, for files that do not tell year
            or month: the newest date that fits and is not after the reference (aware UTC, when the file was published)
            is taken, and a remark says so.
        claims: of a kind of HDF5 file, whose first bytes tell nothing: (open h5py.File that passed `hdf5.check_hdf5`)
            -> is it this kind, by its groups, datasets and attributes alone?
    """

    name: str
    title_en: str
    title_zh: str
    recognise: Callable[[bytes], bool]
    name_pattern: re.Pattern[str]
    read: Callable[[bytes, str], Any]
    describe: Callable[[Any], Description]
    write: Callable[[Any], bytes] | None = None
    in_child: bool = False
    memory_bytes: int = 0
    read_path: Callable[[Path, str, Box | None], Any] | None = None
    read_dated: Callable[[bytes, str, datetime], Any] | None = None
    claims: Callable[[Any], bool] | None = None


SIMULATED_ATTRIBUTE, SIMULATED_MARK = "wxcore_truth", "SYN"
"""Root attribute, and its value, by which a simulated HDF5 or netCDF file says of itself that it is simulated."""

HEAD_BYTES = 8192
"""How much of a file `Format.recognise` sees."""
