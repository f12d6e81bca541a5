"""Counts of the FY-4 imagers to reflectance and brightness temperature, over a window (FORMATS.md B, DOMAIN.md 2.5).

Of each channel one table of all 65,536 counts is made, NaN for the fill, what is outside of valid_range and what is
beyond the file's own table: no count can be taken for a value that it is not.
"""

import re
from collections.abc import Mapping, Sequence

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.satellite.files import attribute_number, attribute_text
from wxcore.satellite.fy4 import CALIBRATION, DATA, Window, bad_header, member
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, REFLECTANCE, Band, Channel, Floats, within_range

Counts = npt.NDArray[np.uint16]

COEFFICIENTS = "CALIBRATION_COEF(SCALE+OFFSET)"
FILL, VALID = 65535, (0, 4095)
"""Of the counts, where a dataset has no FillValue or valid_range of its own (FORMATS.md B)."""

CODES = 65536
"""Values that a count of two bytes can have."""

SOLAR_UM = 3.0
"""Channels below it are reflected sunlight, above it emission: AGRI's 2.2 and 3.7 um are the nearest to it."""

TABLE_TOLERANCE = 0.05
"""A wavelength attribute this far from the satellite's table, relatively, is remarked on [our choice]."""

WAVELENGTHS_UM = (0.3, 15.0)
"""Wavelengths outside of this are no channel of an imager, and not believed [our choice]."""

STRIP = 512
"""Lines that are looked up at a time: the index of a look-up is four times as large as its counts."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def read_channels(
    file: h5py.File,
    numbers: Sequence[int],
    table: Mapping[int, float],
    shape: tuple[int, int],
    part: Window,
    bands: Sequence[Band] = (),
) -> tuple[tuple[Channel, ...], list[str]]:
    """Calibrated channels over a window, ascending in wavelength, and remarks on those that are left out.

    Args:
        table: wavelength [um] of each channel by its number, of this satellite: for datasets without the attribute
            center_wavelength, which else decides.
        bands: only the channels in one of these are read; none given: all.

    Raises:
        ReadError: BAD_HEADER where no channel is left.
    """
    channels: list[Channel] = []
    remarks: list[str] = []
    for number in numbers:
        data = member(file, DATA, f"NOMChannel{number:02d}")
        wavelength = table.get(number) if data is None else _wavelength(data, table.get(number), remarks)
        if bands and wavelength is not None and not any(b.low_um <= wavelength < b.high_um for b in bands):
            continue
        fault = "no wavelength" if wavelength is None else _fault(data, shape)
        values = None
        if wavelength is not None and data is not None and not fault:
            lookup = _lookup(file, data, number, numbers, solar=wavelength < SOLAR_UM)
            fault = lookup if isinstance(lookup, str) else ""
            values = None if isinstance(lookup, str) else _looked_up(lookup, data, part)
        if values is None or wavelength is None:
            remarks.append(f"channel {number:02d} is left out: {fault}")
            continue
        quantity = REFLECTANCE if wavelength < SOLAR_UM else BRIGHTNESS_TEMPERATURE
        channels.append(Channel(number, wavelength, quantity, values))
    if not channels:
        raise bad_header("channels", "; ".join(remarks) or "none", "one that can be calibrated", "至少一个可定标的通道")
    return tuple(sorted(channels, key=lambda channel: (channel.wavelength_um, channel.number))), remarks


def _wavelength(data: h5py.Dataset, said: float | None, remarks: list[str]) -> float | None:
    """Centre [um] by the attribute ("10.8um"), else by the table; a remark where they contradict each other."""
    match = _NUMBER.search(attribute_text(data, "center_wavelength") or "")
    found = float(match[0]) if match else 0.0
    if not WAVELENGTHS_UM[0] <= found <= WAVELENGTHS_UM[1]:
        return said
    if said is not None and abs(found - said) > TABLE_TOLERANCE * said:
        remarks.append(
            f"{data.name}: {found:g} um by its attribute, {said:g} um by the table: the attribute is believed"
        )
    return found


def _fault(data: h5py.Dataset | None, shape: tuple[int, int]) -> str:
    if data is None or data.shape != shape:
        return "not of the others' size"
    return "" if data.dtype.kind in "iu" and data.dtype.itemsize == 2 else f"counts of type {data.dtype}"


def _lookup(file: h5py.File, data: h5py.Dataset, number: int, numbers: Sequence[int], *, solar: bool) -> Floats | str:
    """Value of each of the CODES counts, NaN where it is none; or why there is no such table."""
    values = np.full(CODES, np.nan, np.float32)
    fill = attribute_number(data, "FillValue", "_FillValue")
    end = round(fill) if fill is not None and 0 <= fill < CODES else FILL
    if solar:
        row = _coefficients(file, number, numbers)
        if row is None:
            return f"no coefficients of it in {COEFFICIENTS}"
        values[:] = within_range(np.maximum(np.arange(CODES) * row[0] + row[1], 0), REFLECTANCE)
    else:
        lut = member(file, CALIBRATION, f"CALChannel{number:02d}")
        if lut is None or not 0 < lut.size <= CODES or lut.dtype.kind != "f":
            return f"no look-up table CALChannel{number:02d}"
        entries = np.ravel(lut[...])[:end]  # a table of all 65536 codes has an entry for the fill too
        values[: entries.size] = within_range(entries, BRIGHTNESS_TEMPERATURE)
    low, high = _valid_range(data)
    values[:low] = np.nan
    values[high + 1 :] = np.nan
    values[end] = np.nan
    return values


def _coefficients(file: h5py.File, number: int, numbers: Sequence[int]) -> tuple[float, float] | None:
    """(scale, offset) of a channel: row number - 1, but the first of a single row (the 500 m file of C02)."""
    data = member(file, CALIBRATION, COEFFICIENTS)
    if data is None or data.ndim != 2 or data.shape[1] != 2 or data.dtype.kind != "f":
        return None
    index = 0 if data.shape[0] == 1 and len(numbers) == 1 else number - 1
    if index >= data.shape[0]:
        return None
    scale, offset = (float(value) for value in data[index])
    return (scale, offset) if np.isfinite(scale + offset) and scale > 0 else None


def _valid_range(data: h5py.Dataset) -> tuple[int, int]:
    """Lowest and highest count, by the attribute valid_range, else VALID."""
    given = data.attrs.get("valid_range")
    if given is None or np.size(given) != 2 or np.asarray(given).dtype.kind not in "iuf":
        return VALID
    low, high = (float(value) for value in np.ravel(given))
    return (max(round(low), 0), min(round(high), CODES - 1)) if 0 <= low <= high < np.inf else VALID


def _looked_up(values: Floats, data: h5py.Dataset, part: Window) -> Floats:
    counts: Counts = data[part[0], part[1]].astype(np.uint16, copy=False)
    found = np.empty(counts.shape, np.float32)
    for top in range(0, counts.shape[0], STRIP):
        found[top : top + STRIP] = values[counts[top : top + STRIP]]
    return found
