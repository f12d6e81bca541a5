"""What satellite images say of clouds (schema.CLOUDS): differences, change along the motion, overshooting tops, CI.

A change is told only as far as it is sure. The cell is compared with the box of one pixel around where it came from:
it cools by what it is colder than the coldest of the box, warms by what it is warmer than the warmest, and between the
two it may have been there before: 0. So an edge that merely moves does not cool, a wrong motion of less than a pixel
makes nothing up, and a gradual change on a steep slope is understated (DOMAIN.md 2.5: minimum over the displaced box).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore import schema
from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.products.cloud_motion import DEGREE_M, Motion, cloud_motion, unknown
from wxcore.products.initiation import Tops, convective_initiation
from wxcore.products.overshooting import overshooting_tops

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

BT108, BT120 = "brightness_temperature_108", "brightness_temperature_120"
BT062, BT085, BT133 = "brightness_temperature_062", "brightness_temperature_085", "brightness_temperature_133"

STEP_MIN, STEP_RANGE_MIN = 15.0, (10.0, 20.0)
"""Changes are of 15 minutes; images of 10 to 20 minutes ago serve, scaled."""
BACK_MIN, BACK_RANGE_MIN = 30.0, (25.0, 35.0)
"""What came before that: the image of 25 to 35 minutes ago."""
WIDE_PIXELS = 3.0
"""Half width [pixels] of the box where no motion is known: 13 m/s in 15 minutes at 4 km [our choice]."""
LEAST_SHARE = 0.9
"""Part of a box that the earlier image must know [our choice]: what is hidden may have been colder than the rest."""

METHODS = {
    "water_vapour_difference": "6.2 um minus 10.8 um",
    "split_window_difference": "10.8 um minus 12.0 um",
    "ice_difference": "8.5 um minus 10.8 um",
    "cloud_top_change_15min": "against the coldest and warmest within a pixel of the place it came from, which lies "
    "along the motion by block correlation",
    "overshooting_top": "Bedka 2010, infrared window texture",
    "convective_initiation": "Mecikalski & Bedka 2006, interest fields by box differences along the motion",
}


@dataclass(frozen=True, eq=False)
class Earlier:
    """An earlier image of the same satellite, on the same grid: schema.IMAGE of one time, and its age against now."""

    dataset: xr.Dataset
    minutes_before: float


def cloud_products(
    now: xr.Dataset, earlier: Sequence[Earlier], grid: Grid, *, motion: Motion | None = None,
    pixel_cells: float = 4.0, tropopause_k: float | None = None,
) -> xr.Dataset:  # fmt: skip
    """Every product of schema.CLOUDS but the cloud-top height, which is kept where `now` has it.

    NaN (not_observed) where a channel, an earlier image of the same satellite or its surroundings lack.

    Args:
        now: variables of schema.IMAGE (time, lat, lon) of one time, as many as there are; parallax corrected.
        earlier: images before it; the nearest to 15 and 30 minutes ago are taken, the rest is not looked at.
        grid: of all of them.
        motion: of the clouds, where `motion_of` was asked already.
        pixel_cells: side of the satellite's pixel in cells of the grid.
        tropopause_k: temperature of the tropopause [K], a further limit of overshooting tops.

    Raises:
        SchemaError: several times or another grid.
    """
    motion = motion_of(now, earlier, grid) if motion is None else motion
    bt = {name: plane(now, name, grid) for name in (BT062, BT085, BT108, BT120, BT133)}
    wv, co2 = bt[BT062] - bt[BT108], bt[BT133] - bt[BT108]
    step, back = nearest(earlier, STEP_MIN, STEP_RANGE_MIN), nearest(earlier, BACK_MIN, BACK_RANGE_MIN)
    recent, past = (_Past(image, now, motion, grid, pixel_cells) for image in (step, back))
    came = recent.like(bt[BT108], BT108)
    older = past.like(came, BT108)
    tops = Tops(
        bt108=bt[BT108],
        change=_rate(bt[BT108] - came, step),
        change_before=came - older,
        warmest_before=np.maximum(came, older),
        wv=wv,
        wv_change=_rate(wv - recent.like(wv, BT062, BT108), step),
        co2=co2,
        co2_change=_rate(co2 - recent.like(co2, BT133, BT108), step),
    )
    arrays: dict[str, Floats | Bytes] = {
        "water_vapour_difference": wv,
        "split_window_difference": bt[BT108] - bt[BT120],
        "ice_difference": bt[BT085] - bt[BT108],
        "cloud_top_change_15min": tops.change,
        "overshooting_top": overshooting_tops(
            bt[BT108], grid, wv_difference=wv, pixel_cells=pixel_cells, tropopause_k=tropopause_k
        ),
        "convective_initiation": convective_initiation(tops),
    }
    ages = [] if step is None else [step.minutes_before, *([] if back is None else [back.minutes_before])]
    return _dataset(now, arrays, {"earlier_images_min": ages})


def motion_of(now: xr.Dataset, earlier: Sequence[Earlier], grid: Grid) -> Motion:
    """Motion of cloud tops from the image nearest to 15 minutes ago; unknown where there is none.

    Cells whose satellite differs between the images do not count.
    """
    step = nearest(earlier, STEP_MIN, STEP_RANGE_MIN)
    if step is None or BT108 not in now or BT108 not in step.dataset:
        return unknown(grid)
    same = satellite(now, grid) == satellite(step.dataset, grid)
    after, before = (np.where(same, plane(ds, BT108, grid), np.float32(np.nan)) for ds in (now, step.dataset))
    return cloud_motion(after, before, step.minutes_before, grid)


def nearest(earlier: Sequence[Earlier], minutes: float, within: tuple[float, float]) -> Earlier | None:
    """The image nearest to so many minutes ago, of those within the range; None where there is none."""
    fit = [image for image in earlier if within[0] <= image.minutes_before <= within[1]]
    return min(fit, key=lambda image: abs(image.minutes_before - minutes), default=None)


def plane(ds: xr.Dataset, name: str, grid: Grid) -> Floats:
    """A column variable of one time as (lat, lon) float32; NaN throughout where the Dataset lacks it.

    Raises:
        SchemaError: several times or another grid.
    """
    if name not in ds:
        return np.full(grid.shape, np.nan, dtype=np.float32)
    return _one_time(ds[name], grid).astype(np.float32)


def satellite(ds: xr.Dataset, grid: Grid) -> Bytes:
    """The flag of `satellite` (lat, lon); 0 throughout where the Dataset lacks it."""
    if "satellite" not in ds:
        return np.zeros(grid.shape, dtype=np.uint8)
    return _one_time(ds["satellite"], grid).astype(np.uint8)


def _one_time(array: xr.DataArray, grid: Grid) -> npt.NDArray[np.generic]:
    values = array.to_numpy()
    if values.shape != (1, *grid.shape):
        raise SchemaError(str(array.name), [f"shape {values.shape}, expected {(1, *grid.shape)}"])
    return np.asarray(values[0])


class _Past:
    """An earlier image seen along the motion of the clouds of now; of no image all is NaN."""

    def __init__(self, image: Earlier | None, now: xr.Dataset, motion: Motion, grid: Grid, pixel_cells: float) -> None:
        """The part of the cells of each satellite and each kind of box, and where they came from."""
        self._image, self._grid = image, grid
        self._step = max(int(np.ceil(pixel_cells)) // 2, 1)
        self._parts: list[tuple[Bools, int, Bools, npt.NDArray[np.int64]]] = []
        if image is None:
            return
        place, moves = _origin(motion, image.minutes_before, grid)
        ours, theirs = satellite(now, grid), satellite(image.dataset, grid)
        for half, cells in ((pixel_cells, moves), (WIDE_PIXELS * pixel_cells, ~moves)):
            for number in np.unique(ours):
                here = cells & (ours == number) & (place >= 0)
                if here.any():
                    self._parts.append((theirs == number, int(np.ceil(half)), here, place[here]))

    def like(self, values: Floats, *names: str) -> Floats:
        """What in each cell's box is most like `values`, so the least change; NaN where it is not known.

        Args:
            values: (lat, lon), of now.
            names: the variable of the image, or the two of which it is the difference (first minus second).
        """
        low, high = (np.full(self._grid.shape, np.nan, dtype=np.float32) for _ in range(2))
        if self._image is None or any(name not in self._image.dataset for name in names):
            return low
        before = plane(self._image.dataset, names[0], self._grid)
        for name in names[1:]:
            before = before - plane(self._image.dataset, name, self._grid)
        for theirs, half, here, place in self._parts:
            seen = before if theirs.all() else np.where(theirs, before, np.float32(np.nan))
            least, most = _box_extremes(seen, half, self._step)
            low[here], high[here] = least.ravel()[place], most.ravel()[place]
        return np.asarray(np.clip(values, low, high), dtype=np.float32)


def _origin(motion: Motion, minutes: float, grid: Grid) -> tuple[npt.NDArray[np.int64], Bools]:
    """Flat index of where each cell came from, -1 off the grid, and whether its motion is known: else it stays."""
    cells = np.float32(minutes * 60 / (DEGREE_M * grid.step_deg))
    wider = (cells / np.cos(np.deg2rad(grid.lat))).astype(np.float32)[:, np.newaxis]
    moves = np.isfinite(motion.u) & np.isfinite(motion.v)
    row = np.arange(grid.n_lat)[:, np.newaxis] - np.rint(np.where(moves, motion.v * cells, 0)).astype(np.int64)
    column = np.arange(grid.n_lon) - np.rint(np.where(moves, motion.u * wider, 0)).astype(np.int64)
    on = (row >= 0) & (row < grid.n_lat) & (column >= 0) & (column < grid.n_lon)
    return np.where(on, row * grid.n_lon + column, -1), moves


def _box_extremes(values: Floats, half: int, step: int) -> tuple[Floats, Floats]:
    """Smallest and largest known value of the box about each cell, NaN where less than LEAST_SHARE of it is known.

    Args:
        half: half width of the box [cells]; step: from sample to sample.
    """
    known = np.isfinite(values)
    offsets = range(-(half // step) * step, half + 1, step)
    low = _box(np.where(known, values, np.float32(np.inf)), offsets, np.minimum, np.inf)
    high = _box(np.where(known, values, np.float32(-np.inf)), offsets, np.maximum, -np.inf)
    count = _box(known.astype(np.float32), offsets, np.add, 0.0)
    hidden = count < max(LEAST_SHARE * len(offsets) ** 2, 1)
    low[hidden], high[hidden] = np.nan, np.nan
    return low, high


def _box(values: Floats, offsets: range, join: np.ufunc, nothing: float) -> Floats:
    """Each cell joined with those at the offsets along both axes; `nothing` lies beyond the edge."""
    margin, (rows, columns) = abs(offsets[0]), values.shape
    wide = np.pad(values, margin, constant_values=nothing)
    tall = wide[:rows].copy()
    for k in offsets[1:]:
        join(tall, wide[margin + k : margin + k + rows], out=tall)
    out = tall[:, :columns].copy()
    for k in offsets[1:]:
        join(out, tall[:, margin + k : margin + k + columns], out=out)
    return out


def _rate(change: Floats, image: Earlier | None) -> Floats:
    """A change since the image as a change in 15 minutes."""
    return change if image is None else change * np.float32(STEP_MIN / image.minutes_before)


def _dataset(now: xr.Dataset, arrays: Mapping[str, Floats | Bytes], of_change: Mapping[str, object]) -> xr.Dataset:
    variables: dict[str, object] = {}
    for var in schema.CLOUDS:
        if var.name not in arrays:
            if var.name in now:
                variables[var.name] = now[var.name]
            continue
        attrs = {**var.attrs, "method": METHODS[var.name]}
        if var.name in {"cloud_top_change_15min", "convective_initiation"}:
            attrs |= of_change
        variables[var.name] = (var.dims, arrays[var.name][np.newaxis], attrs)
    coords = {name: now.coords[name] for name in schema.COLUMN if name in now.coords}
    return xr.Dataset(variables, coords)
