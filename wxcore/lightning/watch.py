"""Who looked where and when: zero lightning is only said where somebody looked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wxcore.lightning.events import Times
from wxcore.lightning.files import inside
from wxcore.schema import Box

MIN_COVERED_S = 15.0
"""Least time covered in a window [s] for a rate over it [our choice]: less than one GLM file."""

Bools = npt.NDArray[np.bool_]
Span = tuple[np.datetime64, np.datetime64]


@dataclass(frozen=True)
class Look:
    """One file: its source looked at `coverage` (None: everywhere that matters) from `start` to `end`.

    `total`: an imager, which sees all lightning; else a network, which sees strokes to the ground.
    """

    source: str
    total: bool
    start: np.datetime64
    end: np.datetime64
    coverage: Box | None


def covered(spans: Iterable[Span]) -> Times:
    """The union of time spans, (k, 2) datetime64[ns], ascending and apart."""
    union: list[list[np.datetime64]] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if union and start <= union[-1][1]:
            union[-1][1] = max(union[-1][1], end)
        else:
            union.append([start, end])
    return np.array(union, dtype="datetime64[ns]").reshape(-1, 2)


def looked(looks: Iterable[Look], *, total: bool, start: np.datetime64, end: np.datetime64) -> Times:
    """When imagers (or networks) looked between `start` and `end`, (k, 2)."""
    return covered((max(one.start, start), min(one.end, end)) for one in looks if one.total == total)


def seconds(spans: Times) -> float:
    """How long a union of spans is [s]."""
    return float(np.sum(spans[:, 1] - spans[:, 0]) / np.timedelta64(1, "s")) if spans.size else 0.0


def within(spans: Times, time: Times) -> Bools:
    """Which times are in a union of spans, edges included."""
    if not spans.size:
        return np.zeros(time.shape, dtype=np.bool_)
    before = np.searchsorted(spans[:, 0], time, side="right") - 1
    return np.asarray((before >= 0) & (time <= spans[np.maximum(before, 0), 1]))


def views(
    looks: Sequence[Look], lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]
) -> list[tuple[Bools, tuple[Look, ...]]]:
    """Parts of the places (of any shape) that the same files see: a mask of the places, and the looks at them."""
    boxes = sorted({one.coverage for one in looks if one.coverage is not None})
    seen = [inside(box, lon, lat) for box in boxes]
    shape = np.broadcast(lon, lat).shape
    pattern = np.zeros(int(np.prod(shape)), dtype=np.int64)
    for mask in seen:
        pattern = np.unique(pattern * 2 + mask.ravel(), return_inverse=True)[1]
    parts = []
    for value in np.unique(pattern):
        part = pattern == value
        place = int(np.argmax(part))
        here = {box for box, mask in zip(boxes, seen, strict=True) if mask.ravel()[place]}
        kept = tuple(one for one in looks if one.coverage is None or one.coverage in here)
        parts.append((part.reshape(shape), kept))
    return parts
