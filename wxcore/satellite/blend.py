"""One image out of several satellites: every cell is one satellite's, and says whose and how old."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.satellite.parallax import HEIGHT, WINDOW
from wxcore.satellite.regrid import LINE_OFFSET
from wxcore.satellite.regrid_kernels import Floats
from wxcore.schema import IMAGE, PLATFORMS, SIMULATED_ATTRIBUTE, SIMULATED_MARK, Var
from wxcore.times import require_utc

SLOT = timedelta(minutes=5)
"""Files of one instrument that start within this belong to one scan [our choice]: the resolutions of a slot do, and the
next full disk is 15 minutes later."""
AGE_STEP = timedelta(minutes=15)
"""Ages are compared in steps of this [our choice]: the slot of the full disk. Within one the steeper view wins."""

_SATELLITE, _OFFSET = (next(var for var in IMAGE if var.name == name) for name in ("satellite", "satellite_offset"))
_FIELDS: tuple[Var, ...] = (*(var for var in IMAGE if var not in {_SATELLITE, _OFFSET}), HEIGHT)
_INFRARED = tuple(var.name for var in IMAGE if var.name.startswith("brightness_temperature_"))
_KEYS = (WINDOW, *_INFRARED, "reflectance_065")


@dataclass(frozen=True)
class Image:
    """One satellite's image on the grid, after parallax.correct.

    Attributes:
        platform: "FY-4B". dataset: (time = 1, lat, lon) with `line_offset`.
        priority: smaller is preferred among images of about the same age: zenith angle of the satellite [deg] at the
            middle of the grid (geometry.zenith_deg).
    """

    platform: str
    dataset: xr.Dataset
    priority: float

    def age(self, when: datetime) -> timedelta:
        """Between the analysis and when the satellite was over the grid, whichever came first."""
        offsets = self.dataset[LINE_OFFSET.name].values
        mean = float(np.nanmean(offsets)) if np.isfinite(offsets).any() else 0.0
        return abs(timedelta(seconds=_start_after(self.dataset, when) + mean))


def join(parts: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """The files of one instrument and slot (4 km with every channel, 500 m with one) as one image, before parallax.

    Every cell of a field comes from the finest part that knows it, `line_offset` and the time from the part with 10.8
    um (else from the finest): so a finer reflectance moves with the clouds that the infrared knows.

    Args:
        parts: from to_grid, all on one grid, in any order.

    Returns:
        One image for each instrument and slot, ascending in platform, instrument and time.
    """
    groups: list[list[xr.Dataset]] = []
    for part in sorted(parts, key=lambda part: (*_whose(part), part["time"].values[0], part.attrs["resolution_m"])):
        first = groups[-1][0] if groups else None
        if first is not None and _whose(first) == _whose(part) and _later(part, first) <= np.timedelta64(SLOT):
            groups[-1].append(part)
        else:
            groups.append([part])
    return [_joined(group) for group in groups]


def _whose(part: xr.Dataset) -> tuple[str, str]:
    return str(part.attrs["platform"]), str(part.attrs["instrument"])


def _later(part: xr.Dataset, first: xr.Dataset) -> np.timedelta64:
    return np.timedelta64(part["time"].values[0] - first["time"].values[0])


def _joined(group: list[xr.Dataset]) -> xr.Dataset:
    finest_first = sorted(group, key=lambda part: (part.attrs["resolution_m"], part["time"].values[0]))
    base = next((part for part in finest_first if WINDOW in part), finest_first[0])
    fields: dict[str, Any] = {}
    for var in _FIELDS:
        planes = [part[var.name].values for part in finest_first if var.name in part]
        if planes:
            fields[var.name] = (var.dims, reduce(_filled, planes), var.attrs)
    return base.assign(fields).assign_attrs(_marks(group))


def _filled(fine: Floats, coarse: Floats) -> Floats:
    return np.where(np.isnan(fine), coarse, fine)


def _marks(datasets: Sequence[xr.Dataset]) -> dict[str, str]:
    """The mark of simulated data, where any of these carries it."""
    simulated = any(SIMULATED_ATTRIBUTE in dataset.attrs for dataset in datasets)
    return {SIMULATED_ATTRIBUTE: SIMULATED_MARK} if simulated else {}


def blend(images: Sequence[Image], when: datetime) -> xr.Dataset:
    """Several satellites' images as one: per cell all fields of the best image that sees the cell.

    An image sees a cell where its 10.8 um is known (without such a channel: its first infrared one; without any: its
    reflectance). Better is: with 10.8 um before without; then the smaller age in whole AGE_STEP, rounded up; then
    several infrared channels before one (GHI); then the smaller priority; then the smaller age; then the names of
    platform and instrument. The order of `images` does not matter. How old an image may be is the caller's choice.

    Returns:
        (time = 1: `when`, lat, lon): every field of schema.IMAGE and `cloud_top_height` that any image has, `satellite`
        (flags of schema.PLATFORMS, 0 where none sees the cell) and `satellite_offset` [s], negative before `when`.

    Raises:
        ValueError: no image, or images on different cells. TimeError: `when` is naive.
    """
    when = require_utc(when)
    if not images:
        raise ValueError("no image to blend")
    ranked = sorted(images, key=lambda image: _rank(image, when))
    lat, lon = (ranked[0].dataset[name] for name in ("lat", "lon"))
    if any(not (image.dataset["lat"].equals(lat) and image.dataset["lon"].equals(lon)) for image in ranked):
        raise ValueError("images to blend lie on different cells")
    shape = (1, lat.size, lon.size)
    names = [var.name for var in _FIELDS if any(var.name in image.dataset for image in ranked)]
    planes = {name: np.full(shape, np.nan, np.float32) for name in (*names, _OFFSET.name)}
    satellite = np.zeros(shape, np.uint8)
    for image in ranked:
        mine = _seen(image.dataset) & (satellite == 0)
        satellite[mine] = flag(image.platform)
        for name in names:
            if name in image.dataset:
                np.copyto(planes[name], image.dataset[name].values, where=mine)
        offset = image.dataset[LINE_OFFSET.name].values.astype(np.float64) + _start_after(image.dataset, when)
        np.copyto(planes[_OFFSET.name], offset.astype(np.float32), where=mine)
    variables: dict[str, Any] = {
        var.name: (var.dims, planes[var.name], var.attrs) for var in (*_FIELDS, _OFFSET) if var.name in planes
    }
    variables[_SATELLITE.name] = (_SATELLITE.dims, satellite, _SATELLITE.attrs)
    coordinates = {"time": ("time", [_naive(when)]), "lat": lat, "lon": lon}
    return xr.Dataset(variables, coords=coordinates, attrs=_marks([image.dataset for image in ranked]))


def flag(platform: str) -> int:
    """Flag value of a platform in schema.PLATFORMS: "other" for one that is not listed."""
    return PLATFORMS.index(platform if platform in PLATFORMS[1:] else "other")


def _rank(image: Image, when: datetime) -> tuple[bool, int, bool, float, timedelta, str, str]:
    age = image.age(when)
    lone = sum(name in image.dataset for name in _INFRARED) < 2
    names = image.platform, str(image.dataset.attrs.get("instrument", ""))
    return WINDOW not in image.dataset, max(1, -(-age // AGE_STEP)), lone, image.priority, age, *names


def _seen(dataset: xr.Dataset) -> npt.NDArray[np.bool_]:
    key = next((name for name in _KEYS if name in dataset), None)
    return (
        np.isfinite(dataset[key].values) if key else np.zeros((1, dataset["lat"].size, dataset["lon"].size), np.bool_)
    )


def _start_after(dataset: xr.Dataset, when: datetime) -> float:
    """Start of the scan minus `when` [s]."""
    return float((dataset["time"].values[0] - _naive(when)) / np.timedelta64(1, "s"))


def _naive(when: datetime) -> np.datetime64:
    return np.datetime64(when.replace(tzinfo=None), "ns")
