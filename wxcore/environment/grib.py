"""Forecast models in GRIB 1 and 2: the mean profile over the region's box at every valid time, through eccodes.

Read are temperature, height (or geopotential), humidity (dew point, relative or specific) and wind on pressure levels,
and at the ground 2 m temperature and dew point, 10 m wind, pressure and orography where they are there. Of each field
only the points inside the box are kept.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.codes import CHILD_BYTES, eccodes, trouble
from wxcore.environment.box_mean import Cube, Field, mean_profile, spread_h0
from wxcore.environment.profile import Doubles, Model, Profile
from wxcore.errors import LimitError, ReadError, Reason

TITLE = "GRIB"
MAX_FILE_BYTES = 4 * 2**30
"""Largest file [our choice]: a global model at 0.1 deg with all levels of one time is about 1 GiB."""

MAX_POINTS = 30_000_000
"""Most points that a field may declare [our choice]: 0.05 deg around the globe are 25.9 million."""

MAX_MESSAGES = 20_000
MAX_GRIDS = 20
NEAREST_KM = 100.0
"""A box between the grid points takes the nearest one, if it is not farther than this [our choice]."""

_FIELDS = {
    "t": Field.TEMPERATURE, "gh": Field.HEIGHT, "z": Field.GEOPOTENTIAL, "r": Field.RELATIVE_HUMIDITY,
    "q": Field.SPECIFIC_HUMIDITY, "dpt": Field.DEW_POINT, "u": Field.U, "v": Field.V,
}  # fmt: skip
"""eccodes' short names on pressure levels."""

_GROUND = {
    "2t": Field.TEMPERATURE, "2d": Field.DEW_POINT, "10u": Field.U, "10v": Field.V, "sp": Field.PRESSURE,
    "orog": Field.HEIGHT, "gh": Field.HEIGHT, "z": Field.GEOPOTENTIAL,
}  # fmt: skip
"""eccodes' short names at the ground."""

_PRESSURE_LEVELS = {"isobaricInhPa": 1.0, "isobaricInPa": 0.01}
_GROUND_LEVELS = {"surface", "heightAboveGround"}


@dataclass
class _Grid:
    """Which points of a grid are inside the box: indices into its values."""

    points: npt.NDArray[np.intp]
    remark: str = ""


@dataclass
class _Collected:
    """Fields by run and valid time, and what was left out."""

    cubes: dict[tuple[datetime, datetime], Cube] = field(default_factory=dict)
    grids: dict[str, _Grid] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    broken: int = 0
    other: int = 0
    outside: int = 0


def read_path(path: Path, name: str, box: schema.Box | None) -> Model:
    """Mean profiles over a box (None: over the whole field).

    Args:
        path: of the uncompressed file; name: what messages call it; box: outer edges (west, south, east, north) [deg].

    Raises:
        ReadError: TRUNCATED or BAD_VALUE (no field can be decoded), UNSUPPORTED (no profile in it), OUTSIDE_REGION.
        LimitError: TOO_LARGE: the file, or a declared grid.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise _too_large(name, f"{path.stat().st_size} bytes", MAX_FILE_BYTES)
    found = _Collected()
    with path.open("rb") as source:
        for handle in _handles(source, found):
            try:
                _collect(handle, name, box, found)
            except trouble():
                found.broken += 1
            finally:
                eccodes.codes_release(handle)
    return _model(found, name, box)


def read(data: bytes, name: str) -> Model:
    """As `read_path`, over the whole field."""
    with tempfile.TemporaryDirectory(prefix="wxcore-") as folder:
        path = Path(folder) / "whole.grib"
        path.write_bytes(data)
        return read_path(path, name, None)


def _handles(source: BinaryIO, found: _Collected) -> Iterator[int]:
    for _ in range(MAX_MESSAGES):
        try:
            handle = eccodes.codes_grib_new_from_file(source)
        except trouble():
            found.broken += 1
            return
        if handle is None:
            return
        yield handle


def _collect(handle: int, name: str, box: schema.Box | None, found: _Collected) -> None:
    where, level = _kind(handle)
    if where is None or eccodes.codes_get(handle, "stepType") != "instant" or _perturbed(handle):
        found.other += 1
        return
    declared = eccodes.codes_get(handle, "numberOfDataPoints")
    if not 0 < declared <= MAX_POINTS or eccodes.codes_get(handle, "numberOfValues") > MAX_POINTS:
        raise _too_large(name, f"a field of {declared} points", MAX_POINTS)
    grid = _grid(handle, box, found)
    if not grid.points.size:
        found.outside += 1
        return
    run = _clock(handle, "dataDate", "dataTime")
    valid = _clock(handle, "validityDate", "validityTime")
    values = _values(handle)
    if values.size <= grid.points.max():
        raise ValueError("fewer values than places")
    # With the number of the process: a centre's global and regional models must not be taken for one.
    centre, process = (eccodes.codes_get(handle, key) for key in ("centre", "generatingProcessIdentifier"))
    found.models.add(f"{str(centre).upper()} {process}")
    cube = found.cubes.setdefault((run, valid), Cube())
    cube.add(where, level, values[grid.points])


def _kind(handle: int) -> tuple[Field | None, float]:
    """Which field a message is, and its pressure [hPa] (NaN at the ground)."""
    short, kind = eccodes.codes_get(handle, "shortName"), eccodes.codes_get(handle, "typeOfLevel")
    if kind in _PRESSURE_LEVELS:
        level = float(eccodes.codes_get(handle, "level")) * _PRESSURE_LEVELS[kind]
        return _FIELDS.get(short), level
    return (_GROUND.get(short) if kind in _GROUND_LEVELS else None), np.nan


def _perturbed(handle: int) -> bool:
    """Is it a member of an ensemble other than the control?"""
    return bool(eccodes.codes_is_defined(handle, "perturbationNumber")) and (
        eccodes.codes_get(handle, "perturbationNumber") not in {0, None}
    )


def _clock(handle: int, day: str, hour: str) -> datetime:
    date, time = eccodes.codes_get(handle, day), eccodes.codes_get(handle, hour)
    return datetime(date // 10_000, date // 100 % 100, date % 100, time // 100, time % 100, tzinfo=UTC)


def _values(handle: int) -> Doubles:
    """Values of a field, NaN where its bitmap says so."""
    eccodes.codes_set(handle, "missingValue", 1e30)
    values = np.asarray(eccodes.codes_get_values(handle), dtype=np.float64)
    return np.where(np.abs(values) < 1e29, values, np.nan)


def _grid(handle: int, box: schema.Box | None, found: _Collected) -> _Grid:
    """Places inside the box, by eccodes' own latitudes and longitudes (any grid and scanning order)."""
    key = str(eccodes.codes_get(handle, "md5GridSection"))
    if key not in found.grids:
        if len(found.grids) >= MAX_GRIDS:
            raise ValueError("too many grids")
        lat = np.asarray(eccodes.codes_get_array(handle, "latitudes"), dtype=np.float64)
        lon = np.asarray(eccodes.codes_get_array(handle, "longitudes"), dtype=np.float64)
        found.grids[key] = _inside(lat, lon, box)
    return found.grids[key]


def _inside(lat: Doubles, lon: Doubles, box: schema.Box | None) -> _Grid:
    if box is None:
        return _Grid(np.arange(lat.size), "no box given: mean over the whole field")
    west, south, east, north = box
    inside = (lat >= south) & (lat <= north) & ((lon - west) % 360 <= east - west)
    if inside.any():
        return _Grid(np.flatnonzero(inside))
    middle_lat, middle_lon = np.deg2rad((south + north) / 2), (west + east) / 2
    half = np.sin((np.deg2rad(lat) - middle_lat) / 2) ** 2 + np.cos(np.deg2rad(lat)) * np.cos(middle_lat) * (
        np.sin(np.deg2rad(lon - middle_lon) / 2) ** 2
    )
    distance = 2 * 6371.0 * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    nearest = int(np.argmin(distance))
    if distance[nearest] > NEAREST_KM:
        return _Grid(np.empty(0, np.intp))
    return _Grid(
        np.array([nearest]), f"no grid point in the box: the nearest, {distance[nearest]:.0f} km off its centre"
    )


def _model(found: _Collected, name: str, box: schema.Box | None) -> Model:
    """The newest run's profiles."""
    if not found.cubes:
        raise _nothing(found, name, box)
    run = max(run for run, _ in found.cubes)
    title = "/".join(sorted(found.models))
    profiles: dict[datetime, Profile] = {}
    spread: dict[datetime, float] = {}
    remarks = [grid.remark for grid in found.grids.values() if grid.remark]
    lat, lon = ((box[1] + box[3]) / 2, (box[0] + box[2]) / 2) if box else (np.nan, np.nan)
    for started, valid in sorted(found.cubes):
        if started != run:
            continue
        made = mean_profile(found.cubes[started, valid], valid, lat, lon, title)
        if isinstance(made, str):
            remarks.append(f"{valid:%Y-%m-%d %H:%M} UTC: no profile: {made}")
            continue
        profiles[valid], more = made
        remarks += more
        spread[valid] = spread_h0(found.cubes[started, valid])
    older = len({started for started, _ in found.cubes}) - 1
    remarks += [f"{older} older runs left out"] if older else []
    remarks += [f"{found.broken} messages could not be decoded"] if found.broken else []
    if not profiles:
        raise ReadError(
            Reason.UNSUPPORTED,
            f"{name}: {TITLE}: no profile of temperature on pressure levels ({'; '.join(remarks)}): order temperature "
            "and height on at least 5 pressure levels",
            f"{name}：{TITLE}：没有可用的等压面温度廓线，请订购至少 5 层等压面的温度与位势高度",
        )
    return Model(FORMAT.name, title, run, profiles, spread, remarks=tuple(dict.fromkeys(remarks)))


def _nothing(found: _Collected, name: str, box: schema.Box | None) -> ReadError:
    if found.outside:
        return ReadError(
            Reason.OUTSIDE_REGION,
            f"{name}: {TITLE}: no grid point over the box {box}: order fields that cover the region",
            f"{name}：{TITLE}：范围 {box} 内没有格点，请订购覆盖本区域的资料",
        )
    if found.broken or not found.other:
        return ReadError(
            Reason.TRUNCATED,
            f"{name}: {TITLE}: {found.broken} messages, none can be decoded: fetch the file again",
            f"{name}：{TITLE}：{found.broken} 条报文均无法解码，请重新获取文件",
        )
    return ReadError(
        Reason.UNSUPPORTED,
        f"{name}: {TITLE}: {found.other} fields, none of temperature, height, humidity or wind on pressure levels",
        f"{name}：{TITLE}：{found.other} 个场，均不是等压面上的温度、高度、湿度或风",
    )


def _too_large(name: str, what: str, limit: int) -> LimitError:
    return LimitError(
        Reason.TOO_LARGE,
        f"{name}: {TITLE}: {what}, at most {limit} are read: cut the file to the region",
        f"{name}：{TITLE}：{what}，上限 {limit}，请裁剪到本区域",
    )


def describe(native: Any) -> schema.Description:
    """What the file is: `time` is its last valid time, `began` the run; `sweeps` counts valid times."""
    assert isinstance(native, Model)
    times = sorted(native.profiles)
    return schema.Description(
        kind="nwp",
        site=native.title,
        time=times[-1],
        sweeps=len(times),
        moments=("temperature", "dew_point", "wind"),
        remarks=(f"run {native.run:%Y-%m-%d %H:%M} UTC, {len(times)} valid times from {times[0]:%Y-%m-%d %H:%M} to "
                 f"{times[-1]:%Y-%m-%d %H:%M} UTC", *native.remarks),
        began=native.run,
    )  # fmt: skip


def recognise_grib(head: bytes) -> bool:
    """Does a GRIB 1 or 2 message begin at most a bulletin's heading from the beginning?"""
    at = head.find(b"GRIB", 0, 200)
    return at >= 0 and head[at + 7 : at + 8] in {b"\x01", b"\x02"}


FORMAT = schema.Format(
    name="nwp-grib",
    title_en="Forecast model (GRIB 1 or 2)",
    title_zh="数值预报（GRIB 1/2）",
    recognise=recognise_grib,
    name_pattern=re.compile(r"\.(?:grib2?|grb2?|grib1|grb1)$|^Z_NAFP_|^W_NAFP_|^gfs\.t\d\dz", re.IGNORECASE),
    read=read,
    describe=describe,
    in_child=True,
    memory_bytes=CHILD_BYTES,
    read_path=read_path,
)
