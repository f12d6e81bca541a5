"""Lightning of the GOES-R Geostationary Lightning Mapper: L2 LCFA netCDF-4, 20 s a file, events to groups to flashes.

Read from one real file (GOES-16, 2018-07-02). The structure is that of the GOES-R Product Definition and Users' Guide,
volume 5 (L2+), as the file itself shows it. Only the flashes are given; events and groups are counted in the remarks.

Traps: integers are unsigned ones stored as signed (`_Unsigned`); time offsets are milliseconds as int16 in files to
2018 and seconds as uint16 in later ones [M], so their unit is read from `units`; the first event of a flash may be up
to a second before the file's start; bounds of the field of view go north to south, and west of GOES-West's are beyond
the date line.
"""

import re
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np

from wxcore import schema
from wxcore.hdf5 import is_hdf5, open_checked, read_bytes
from wxcore.lightning.events import FLASH, TOTAL, Doubles, Lightning, Times, describe
from wxcore.lightning.files import (
    CAP_BYTES,
    Records,
    after,
    bad_header,
    believe,
    boxes_touch,
    dataset,
    header_time,
    is_simulated,
    outside,
    packed,
    same_length,
    text,
)
from wxcore.lightning.glm_write import write_glm
from wxcore.schema import Box
from wxcore.times import to_datetime64

TITLE = "GOES GLM L2 LCFA"

LONGEST = timedelta(minutes=10)
"""Longest period of a file that is believed [our choice]: real ones cover 20 s."""

EARLY, LATE = np.timedelta64(10, "s"), np.timedelta64(10, "s")
"""Flashes this much before and after the file's period are kept: a flash begins up to 5 s before [M]."""

GOOD = 0
DEGRADED = (1, 3, 5)
"""Values of `flash_quality_flag`, `flag_meanings`: events out of order; more events, or lasting longer, than the
algorithm takes: it was cut in two, and is lightning all the same. They are kept, and told in a remark [our choice]."""

_UNITS = re.compile(r"^(milliseconds|seconds) since (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?)Z?$")
_SECONDS = {"milliseconds": 1e-3, "seconds": 1.0}
_MEMBERS = ("flash_time_offset_of_first_event", "flash_lat", "flash_lon", "group_id", "event_id")


def read_glm(path: Path, name: str, box: Box | None) -> Lightning:
    """The flashes of an LCFA file.

    Args:
        path: of the uncompressed file; name: what messages call it.
        box: (west, south, east, north) [deg]; flashes beyond MARGIN_DEG of it are left out. None: everything.

    Returns:
        level FLASH, strength [J], NaN where it is not finite; coverage the field of view.

    Raises:
        ReadError: BAD_HEADER, BAD_VALUE, TRUNCATED, UNSUPPORTED; OUTSIDE_REGION where the box is not in the view.
        LimitError: TOO_LARGE.
    """
    with open_checked(path, name, TITLE, cap_bytes=CAP_BYTES) as file:
        start, end = _period(file)
        coverage = _view(file)
        if box is not None and not boxes_touch(coverage, box):
            raise outside(TITLE, name)
        columns = {
            "flash_lat": packed(file, "flash_lat"), "flash_lon": packed(file, "flash_lon"),
            "flash_energy": packed(file, "flash_energy"), "flash_quality_flag": packed(file, "flash_quality_flag"),
        }  # fmt: skip
        time, offsets = _times(file, "flash_time_offset_of_first_event")
        same_length({**columns, "flash_time_offset_of_first_event": offsets})
        energy = np.where(np.isfinite(columns["flash_energy"]), columns["flash_energy"], np.nan)
        records = Records(time, columns["flash_lon"], columns["flash_lat"], energy)
        flag = columns["flash_quality_flag"]
        degraded = int(np.isin(flag, DEGRADED).sum())
        records.keep(np.isin(flag, (GOOD, *DEGRADED)), "unknown quality flag")
        found = records.time.size
        records.settle(to_datetime64(start) - EARLY, to_datetime64(end) + LATE, box)
        believe(records, found, f"{name}: {TITLE}")
        remarks = [f"{dataset(file, f'{level}_id').size} {level}s" for level in ("group", "event")]
        if degraded:
            remarks.append(f"{degraded} flashes of degraded quality kept")
        return Lightning(
            FORMAT.name, f"{_platform(file)}/GLM", TOTAL, FLASH, start, end,
            records.time, records.lon, records.lat, records.strength,
            coverage, records.reasons, is_simulated(file), tuple(remarks),
        )  # fmt: skip


def _platform(file: h5py.File) -> str:
    """ "G16" is GOES-16."""
    found = text(file, "platform_ID")
    match = re.fullmatch(r"G(\d\d)", found)
    if match is None:
        raise bad_header("platform_ID", repr(found), "such as G16")
    return f"GOES-{match[1]}"


def _period(file: h5py.File) -> tuple[datetime, datetime]:
    start, end = (header_time(name, text(file, name)) for name in ("time_coverage_start", "time_coverage_end"))
    if not timedelta(0) < end - start <= LONGEST:
        raise bad_header("time_coverage_end", f"{end - start} after the start", f"more than 0, at most {LONGEST}")
    return start, end


def _times(file: h5py.File, name: str) -> tuple[Times, Doubles]:
    units = text(dataset(file, name), "units")
    match = _UNITS.match(units)
    if match is None:
        raise bad_header(f"{name}: units", repr(units), "(milli)seconds since a time")
    offsets = packed(file, name)
    origin = to_datetime64(header_time(f"{name}: units", match[2]))
    return after(origin, offsets * _SECONDS[match[1]]), offsets


def _view(file: h5py.File) -> Box:
    """Outer edges of the field of view; where it crosses the date line the west is less than -180."""
    lat, lon = packed(file, "lat_field_of_view_bounds"), packed(file, "lon_field_of_view_bounds")
    if lat.size != 2 or lon.size != 2 or not (np.abs(lat) <= 90).all() or not (np.abs(lon) <= 360).all():
        raise bad_header("field_of_view_bounds", f"lat {lat.tolist()}, lon {lon.tolist()}", "two of each, on Earth")
    west, east = float(lon[0]), float(lon[1])
    if west > east:
        west -= 360
    if not (lat[0] != lat[1] and 0 < east - west <= 360):
        raise bad_header("field_of_view_bounds", f"lat {lat.tolist()}, lon {lon.tolist()}", "an area")
    return west, float(lat.min()), east, float(lat.max())


def claims_glm(file: h5py.File) -> bool:
    """Is it an LCFA file, by its variables?"""
    return all(member in file for member in _MEMBERS)


FORMAT = schema.Format(
    name="goes-glm-lcfa",
    title_en="GOES-R lightning mapper, L2 events, groups and flashes",
    title_zh="GOES-R 闪电成像仪二级产品（LCFA）",
    recognise=is_hdf5,
    name_pattern=re.compile(r"^OR_GLM-L2-LCFA_G\d{2}_s\d{14}_e\d{14}_c\d{14}\.nc", re.IGNORECASE),
    read=read_bytes(read_glm),
    describe=describe,
    write=write_glm,
    in_child=True,
    read_path=read_glm,
    claims=claims_glm,
)
