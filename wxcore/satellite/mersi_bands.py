"""Bands of an FY-3 MERSI L1B file, from counts to temperatures and reflectances (FORMATS.md B, DOMAIN.md 7.5)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason
from wxcore.satellite import planck
from wxcore.satellite.files import attribute_number
from wxcore.satellite.geometry import Swath
from wxcore.satellite.mersi_places import Window, error
from wxcore.satellite.mersi_tables import DEPTH, INFRARED_BANDS, LOW_LIGHT, Plane, Variant
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, Channel, Floats, within_range

FIRST_CODE = 65533
"""From here on counts are codes: 65533 dead detector, 65534 saturated, 65535 bad (FORMATS.md B)."""
WRONG_TOP, TRUE_TOP = 4095, 25_000
"""`valid_range` of the 10.8 and 12.0 um bands ends at 4095, as if they were 12 bits, though counts go up to 25000."""
WAVELENGTH_TOLERANCE = 0.05
"""A file's wavelength further from the nominal one belongs to another band or is in other units [our choice]."""


@dataclass(frozen=True)
class Bands:
    """The bands of an open L1B file; `shape` is (lines, columns); `remarks` grows while they are read."""

    file: h5py.File
    name: str
    variant: Variant
    shape: tuple[int, ...]
    remarks: list[str] = field(default_factory=list)

    def remark(self, text: str) -> None:
        """Note it once."""
        if text not in self.remarks:
            self.remarks.append(text)

    def channels(self, window: Window | None) -> Iterator[Channel]:
        """All bands over the window; None: without values.

        Raises:
            ReadError: BAD_HEADER, BAD_VALUE or UNSUPPORTED: an infrared dataset that is missing or odd.
        """
        for plane in self.variant.planes:
            try:
                data = self._dataset(plane)
                um = self._wavelength(plane, data)
                table = self._table(plane, data, um)
            except ReadError as cause:
                if plane.quantity == BRIGHTNESS_TEMPERATURE:
                    raise
                self.remark(f"band {plane.number} left out: {cause.en}")
                continue
            values = np.zeros((0, 0), dtype=np.float32)
            if window is not None:
                at: tuple[Any, ...] = (window.lines, window.columns)
                values = table[data[at if plane.index is None else (plane.index, *at)]]
            yield Channel(plane.number, um, plane.quantity, values)

    def _error(self, what: str, found: str, expected: str, zh: str, reason: Reason = Reason.BAD_HEADER) -> ReadError:
        return error(reason, self.name, what, found, expected, zh)

    def _dataset(self, plane: Plane) -> h5py.Dataset:
        data = self.file.get(plane.dataset)
        expected = self.shape if plane.index is None else (DEPTH[plane.dataset], *self.shape)
        if not isinstance(data, h5py.Dataset):
            raise self._error(plane.dataset, "nothing", f"a dataset {expected}", "数据集缺失")
        if data.shape != expected or len(self.shape) != 2 or not data.size:
            zh = f"大小为 {data.shape}，应为 {expected}"
            raise self._error(plane.dataset, f"shape {data.shape}", f"{expected}", zh, Reason.BAD_VALUE)
        if data.dtype.kind != "u" or data.dtype.itemsize != 2:
            zh = f"类型为 {data.dtype}，应为 uint16"
            raise self._error(plane.dataset, f"type {data.dtype}", "uint16", zh, Reason.UNSUPPORTED)
        return data

    def _wavelength(self, plane: Plane, data: h5py.Dataset) -> float:
        """Effective centre [um]: what the file says, where it can be meant."""
        lists = self._listed("Effect_Center_WaveLength"), _numbers(data, "center_wavelength")
        for values, at in zip(lists, (plane.number - 1, plane.index or 0), strict=True):
            if values is not None and at < values.size:
                um = round(float(values[at]), 6)
                if abs(um / plane.wavelength_um - 1) <= WAVELENGTH_TOLERANCE:
                    return um
        if plane.quantity == BRIGHTNESS_TEMPERATURE:
            self.remark("no Effect_Center_WaveLength: nominal wavelengths, temperatures up to 1 K off")
        return plane.wavelength_um

    def _listed(self, what: str) -> npt.NDArray[np.float64] | None:
        """A list that is a root attribute (FY-3D) or a dataset in Calibration (third-party code for FY-3E)."""
        values = _numbers(self.file, what)
        data = self.file.get(f"Calibration/{what}")
        if values is None and isinstance(data, h5py.Dataset) and data.dtype.kind in "fiu" and 0 < data.size <= 1000:
            return np.asarray(data[()], dtype=np.float64).reshape(-1)
        return values

    def _table(self, plane: Plane, data: h5py.Dataset, um: float) -> Floats:
        """Calibrated value of each of the 65536 counts; NaN for codes and for what is out of range.

        Coefficients without sense overflow, or divide by zero: those values are out of range too.
        """
        count = np.arange(65536, dtype=np.float64)
        infrared = plane.quantity == BRIGHTNESS_TEMPERATURE
        slope, intercept = (self._scale(plane, data, what) for what in ("Slope", "Intercept"))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            number = count * slope + intercept
            if infrared:
                a, b = self._correction(plane)
                values = (planck.brightness_temperature(number, um) - b) / a
            else:
                c0, c1, c2 = self._reflective(plane)
                values = np.maximum(c0 + c1 * number + c2 * number**2, 0.0)
        low, top = 0.0, float(FIRST_CODE - 1)
        valid = _numbers(data, "valid_range")
        if valid is not None and valid.size == 2:
            low, top = valid[0], TRUE_TOP if infrared and valid[1] == WRONG_TOP else min(valid[1], top)
        fill = attribute_number(data, "FillValue", "_FillValue")
        values[(count < low) | (count > top) | (count == fill)] = np.nan
        return within_range(values, plane.quantity)

    def _scale(self, plane: Plane, data: h5py.Dataset, what: str) -> float:
        """Slope or Intercept of a plane: one for all, or one each."""
        values, at = _numbers(data, what), plane.index or 0
        if values is None and plane.quantity != BRIGHTNESS_TEMPERATURE:
            return 1.0 if what == "Slope" else 0.0
        if values is None or (values.size > 1 and at >= values.size):
            found = "none" if values is None else f"{values.size} values"
            raise self._error(f"{plane.dataset}, {what}", found, "a number for each band", "缺少定标系数")
        return float(values[at if values.size > 1 else 0])

    def _correction(self, plane: Plane) -> tuple[float, float]:
        """A and B of (T - B) / A; A = 0 and no attribute at all mean: no correction."""
        lists = [self._listed(what) for what in self.variant.correction]
        missing = [what for what, values in zip(self.variant.correction, lists, strict=True) if values is None]
        if missing or not lists:
            if missing:
                self.remark(f"no {' and '.join(missing)}: temperatures are not corrected for the width of the bands")
            return 1.0, 0.0
        both = np.concatenate([values for values in lists if values is not None])
        if both.size != 2 * INFRARED_BANDS:
            raise self._error(" and ".join(self.variant.correction), f"{both.size} values", f"{2 * INFRARED_BANDS}",
                              f"共 {both.size} 个系数，应为 {2 * INFRARED_BANDS} 个")  # fmt: skip
        a, b = float(both[plane.row]), float(both[plane.row + INFRARED_BANDS])
        return (a, b) if a else (1.0, 0.0)

    def _reflective(self, plane: Plane) -> tuple[float, float, float]:
        """c0, c1, c2 that give the reflectance as a part of 1."""
        what = self.variant.reflective
        data = self.file.get(what)
        if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu" or not 0 < data.size <= 1000:
            raise self._error(what, "nothing of use", "coefficients", "缺少反射率定标系数")
        rows = np.asarray(data[()], dtype=np.float64)
        if what == LOW_LIGHT:
            rows = rows.reshape(-1, 1)
        elif rows.ndim != 2 or rows.shape[1] != 3 or plane.row >= rows.shape[0]:
            raise self._error(what, f"shape {data.shape}", f"(bands, 3) with band {plane.number}", "系数表大小不符")
        slopes, intercepts = _numbers(data, "Slope"), _numbers(data, "Intercept")
        row = rows[plane.row] * _of(slopes, plane.row, 1.0) + _of(intercepts, plane.row, 0.0)
        if what == LOW_LIGHT:
            return 0.0, float(np.pi / row[0]) if row[0] > 0 else np.nan, 0.0
        c0, c1, c2 = (float(part) / self.variant.reflective_unit for part in row)
        return c0, c1, c2


def _numbers(item: h5py.File | h5py.Dataset, what: str) -> npt.NDArray[np.float64] | None:
    """An attribute as a flat list of finite numbers; None where it is missing or is anything else."""
    if what not in item.attrs:
        return None
    values = np.asarray(item.attrs[what])
    if values.dtype.kind not in "fiu" or not values.size or not np.isfinite(values).all():
        return None
    return values.astype(np.float64).reshape(-1)


def _of(values: npt.NDArray[np.float64] | None, row: int, without: float) -> float:
    if values is None:
        return without
    return float(values[row if row < values.size else 0])


def bad_lines(channels: tuple[Channel, ...], swath: Swath) -> int:
    """Lines with known places of which an infrared channel has no valid pixel."""
    placed = np.isfinite(swath.lon)
    bad = np.zeros(placed.shape[0], dtype=bool)
    for channel in channels:
        if channel.quantity == BRIGHTNESS_TEMPERATURE:
            bad |= ~(np.isfinite(channel.values) & placed).any(axis=1)
    return int((bad & placed.any(axis=1)).sum())
