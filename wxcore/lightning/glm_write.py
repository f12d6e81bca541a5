"""Writer of GOES GLM L2 LCFA files: the structure, names, types and packing of the real file at hand."""

import io
from datetime import UTC, datetime

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.lightning.events import Lightning
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.times import to_datetime64

TIME_STEP_S, ENERGY_STEP_J, DEGREE_STEP = 2e-3, 1.52597e-15, 0.00203128
"""Packing of the real file: frames of 2 ms, energy, places of events."""

CHUNK = 256
_FILLED: dict[str, object] = {"_Unsigned": "true", "_FillValue": np.array([-1], dtype="i2")}
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
Columns = dict[str, npt.NDArray[np.float64]]


def write_glm(native: Lightning) -> bytes:
    """Flashes as an LCFA file, each flash with one group of one event; the coverage is the field of view.

    Times are rounded to 2 ms, energies to 1.5e-15 J and places to float32, as the format does.

    Raises:
        ValueError: no coverage; a time more than 65 s from the start; an energy beyond 16 bits; another platform.
    """
    if native.coverage is None:
        raise ValueError("GLM needs the outer edges of the field of view")
    platform = native.source.removesuffix("/GLM").removeprefix("GOES-")
    if not (len(platform) == 2 and platform.isdigit()):
        raise ValueError(f"source {native.source!r}, expected such as GOES-16/GLM")
    offset = (native.time - to_datetime64(native.start)) / np.timedelta64(1, "s")
    if np.any(np.abs(offset) > 65):
        raise ValueError("a flash is more than 65 s from the start")
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        _attributes(file, native, platform)
        columns = {"time": offset, "lat": native.lat, "lon": native.lon, "energy": native.strength}
        _level(file, "event", native, columns)
        _level(file, "group", native, columns)
        _level(file, "flash", native, columns)
        _scalars(file, native)
    return memory.getvalue()


def _attributes(file: h5py.File, native: Lightning, platform: str) -> None:
    def iso(time: datetime) -> str:
        return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 100_000}Z"

    values = {
        "dataset_name": glm_name(native), "title": "GLM L2 Lightning Detections: Events, Groups, and Flashes",
        "platform_ID": f"G{platform}", "instrument_ID": "FM1", "featureType": "point",
        "instrument_type": "GOES-R Series Geostationary Lightning Mapper", "spatial_resolution": "8km at nadir",
        "time_coverage_start": iso(native.start), "time_coverage_end": iso(native.end),
    }  # fmt: skip
    if native.simulated:
        values[SIMULATED_ATTRIBUTE] = SIMULATED_MARK
    for name, value in values.items():
        file.attrs[name] = np.bytes_(value)


def glm_name(native: Lightning) -> str:
    """What the file is called: start, end and creation as year, day of the year, time and tenths of a second."""
    platform = native.source.removesuffix("/GLM").removeprefix("GOES-")
    start, end = (f"{time:%Y%j%H%M%S}{time.microsecond // 100_000}" for time in (native.start, native.end))
    return f"OR_GLM-L2-LCFA_G{platform}_s{start}_e{end}_c{end}.nc"


def _level(file: h5py.File, level: str, native: Lightning, columns: Columns) -> None:
    """The variables of events, groups or flashes: places of events are packed, the others' float32."""
    count = native.time.size
    numbers = np.arange(count)
    _put(file, f"{level}_id", numbers.astype("i2" if level == "flash" else "i4"), {"_Unsigned": "true"})
    units = {"units": f"milliseconds since {native.start:%Y-%m-%d %H:%M:%S}.{native.start.microsecond // 1000:03d}"}
    ends = ("_of_first_event", "_of_last_event") if level == "flash" else ("",)
    for end in ends:
        _pack(file, f"{level}_time_offset{end}", columns["time"], (TIME_STEP_S, 0.0), {**units, "scale_factor": 2.0})
    west, south = -141.56, -66.56
    for axis, origin in (("lat", south), ("lon", west)):
        if level == "event":
            turned = columns[axis] if axis == "lat" else origin + (columns[axis] - origin) % 360
            extra = {"scale_factor": DEGREE_STEP, "add_offset": origin, "_Unsigned": "true"}
            _pack(file, f"event_{axis}", np.clip(turned, origin, origin + 133), (DEGREE_STEP, origin), extra)
        else:
            _put(file, f"{level}_{axis}", columns[axis].astype("f4"), {})
    _pack(file, f"{level}_energy", columns["energy"], (ENERGY_STEP_J, 0.0),
          {"scale_factor": ENERGY_STEP_J, "add_offset": 0.0, "units": "J", **_FILLED})  # fmt: skip
    if level != "event":
        _pack(file, f"{level}_quality_flag", np.zeros(count), (1.0, 0.0), _FILLED)
    parent = {"event": ("group", "i4"), "group": ("flash", "i2")}.get(level)
    if parent is not None:
        _put(file, f"{level}_parent_{parent[0]}_id", numbers.astype(parent[1]), {"_Unsigned": "true"})


def _pack(
    file: h5py.File,
    name: str,
    values: npt.NDArray[np.float64],
    packing: tuple[float, float],
    attributes: dict[str, object],
) -> None:
    """16 bits; unsigned ones are stored as signed, NaN as the fill."""
    unsigned = attributes.get("_Unsigned") == "true"
    codes = np.round((values - packing[1]) / packing[0])
    low, high = (0, 65_534) if unsigned else (-32_768, 32_767)
    known = np.isfinite(codes)
    if np.any((codes[known] < low) | (codes[known] > high)):
        raise ValueError(f"{name}: a value does not fit in 16 bits")
    whole = np.where(known, codes, 65_535 if unsigned else 0).astype(np.int64)
    stored = whole.astype(np.uint16).view(np.int16) if unsigned else whole.astype(np.int16)
    _put(file, name, stored, attributes)


def _put(file: h5py.File, name: str, values: npt.NDArray[np.generic], attributes: dict[str, object]) -> None:
    item = file.create_dataset(name, data=values, chunks=(CHUNK,), maxshape=(None,))
    for key, value in attributes.items():
        if isinstance(value, str):
            item.attrs[key] = np.bytes_(value)
        elif isinstance(value, float):
            item.attrs[key] = np.array([value], dtype="f4")
        else:
            item.attrs[key] = value


def _scalars(file: h5py.File, native: Lightning) -> None:
    assert native.coverage is not None
    west, south, east, north = native.coverage
    seconds = [(time - _J2000).total_seconds() for time in (native.start, native.end)]
    turned = [(lon + 180) % 360 - 180 for lon in (west, east)]
    file["product_time"], file["product_time_bounds"] = np.float64(seconds[0]), np.array(seconds)
    file["product_time"].attrs["units"] = np.bytes_("seconds since 2000-01-01 12:00:00")
    file["lat_field_of_view_bounds"] = np.array([north, south], dtype="f4")
    file["lon_field_of_view_bounds"] = np.array(turned, dtype="f4")
    for level in ("event", "group", "flash"):
        file[f"{level}_count"] = np.int32(native.time.size)
