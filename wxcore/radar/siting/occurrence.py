"""How often a radar saw echo in each place, and the static maps that follow: what always shows echo is no storm, what
never does is hidden.

Nothing is learnt from little: with fewer volumes or days than named here every cell is *unknown*, which is neither
clear nor free. Weather passes: no storm stands in one place for 60 % of three days, and over such a time all sectors
see about the same part of what the higher tilts see.

Counted is what the radar measured, before quality control: quality control removes the very clutter that is looked
for. Counts are whole numbers in fixed classes, so that merging is exact, in any order and grouping.
"""

import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wxcore.errors import ReadError, Reason
from wxcore.radar.siting.learnt import Bools, Shares, around, blocked_rays
from wxcore.radar.siting.overlap import Sentence
from wxcore.radar.tilts import AZIMUTH_STEPS, UNOBSERVED, Blockage, Tilt, tilts_of
from wxcore.radar.volume import Volume
from wxcore.times import require_utc

Counts = npt.NDArray[np.uint32]

ELEVATION_EDGES_DEG = (-1.0, -0.3, 0.2, 0.7, 1.1, 1.65, 2.1, 2.75, 3.7, 4.7, 5.6, 6.9)
"""Classes of elevation. No tilt of VCP11, VCP21 or NEXRAD's VCPs lies within 0.1 deg of an edge, so a tilt stays in
its class however the antenna points. Above the last one no beam meets ground."""

AZIMUTHS, RANGE_KM = 360, 300
"""Cells of 1 deg by 1 km of slant range, as far as the mosaic takes a radar."""

ECHO_FROM_DBZ = 5.0
"""Weaker is no echo here: the least that quality control takes for clutter."""

SHAPE = (len(ELEVATION_EDGES_DEG) - 1, AZIMUTHS, RANGE_KM)

SAME_PLACE_DEG, SAME_PLACE_M = 0.005, 20.0
"""A site that moves by more than this starts anew: 0.5 km, half a cell."""

LEAST_VOLUMES, LEAST_DAYS = 200, 3.0
"""Volumes, and days from first to last, before anything is said: 20 hours of VCP21, over longer than any rain that
stays [our choice]."""

CLUTTER_SHARE = 0.6
"""Echo in this part of the looks: a mountain shows in nearly all, anomalous propagation in less [our choice]."""

CLUTTER_EXCESS = 0.3
"""... and in so much more of them than in the next tilt above, or than the median of its surroundings."""

RISE_DEG = 0.8
"""A tilt is judged by tilts at least this much higher: the closest pair of VCP21 is 0.95 deg apart."""

HIGHEST_JUDGED_DEG = 4.0
"""No horizon about a weather radar is higher; and above, too few tilts are left to compare with [our choice]."""

CLUTTER_FREE_SHARE = 0.6
"""Cells with echo more often than this are ground themselves and tell nothing of what lies behind."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMAT = 1
_DTYPES = {"looked": np.uint32, "echo": np.uint32, "tilts": np.uint32, "elevation_hundredths": np.int64}


@dataclass(frozen=True)
class Occurrence:
    """Counts of one radar at one place; E classes of elevation.

    Attributes:
        radar: id; latitude, longitude [deg], altitude_m: of the site.
        looked: (E, 360, RANGE_KM) u4 volumes in which the cell was observed; echo: in which it held echo.
        tilts: (E,) u4 tilts counted in each class; elevation_hundredths: (E,) i8 sum of their elevations.
        volumes: volumes with at least one tilt in a class.
        first_s, last_s: start of the first and last volume [s since 1970 UTC]; 0 and 0 without volumes.
    """

    radar: str
    latitude: float
    longitude: float
    altitude_m: float
    looked: Counts
    echo: Counts
    tilts: Counts
    elevation_hundredths: npt.NDArray[np.int64]
    volumes: int
    first_s: int
    last_s: int

    @property
    def elevations_deg(self) -> npt.NDArray[np.float64]:
        """(E,) mean elevation of each class [deg], NaN where no tilt was counted."""
        with np.errstate(invalid="ignore"):
            return np.where(self.tilts > 0, self.elevation_hundredths / np.maximum(self.tilts, 1) / 100, np.nan)

    @property
    def days(self) -> float:
        """Days from the first to the last volume."""
        return (self.last_s - self.first_s) / 86_400


def empty_occurrence(volume: Volume) -> Occurrence:
    """Counts of nothing, for the radar and site of a volume.

    Raises:
        ReadError: BAD_POSITION, the site has no finite position.
    """
    site = volume.site
    if not np.isfinite([site.latitude, site.longitude, site.altitude_m]).all():
        raise ReadError(
            Reason.BAD_POSITION,
            f"radar {site.id}: position is not finite, nothing can be learnt of it; give its site in radars.csv",
            f"雷达 {site.id}：站址无效，无法统计；请在 radars.csv 中填写站址",
        )
    classes = SHAPE[0]
    return Occurrence(
        site.id, site.latitude, site.longitude, site.altitude_m, np.zeros(SHAPE, np.uint32),
        np.zeros(SHAPE, np.uint32), np.zeros(classes, np.uint32), np.zeros(classes, np.int64), 0, 0, 0,
    )  # fmt: skip


def of_volume(volume: Volume) -> Occurrence:
    """Counts of one volume. Of several tilts in a class the lowest counts.

    Raises:
        ReadError: as `empty_occurrence`. TimeError: the volume's start is naive.
    """
    empty = empty_occurrence(volume)
    seconds = int((require_utc(volume.start) - _EPOCH).total_seconds())
    measured = replace(volume, sweeps=tuple(replace(sweep, qc=None) for sweep in volume.sweeps))
    for tilt in tilts_of(measured, max_range_m=1000.0 * RANGE_KM):
        k = int(np.searchsorted(ELEVATION_EDGES_DEG, tilt.elevation_deg, side="right")) - 1
        if not 0 <= k < SHAPE[0] or empty.tilts[k] or not tilt.gate_m > 0:
            continue
        empty.tilts[k] = 1
        empty.elevation_hundredths[k] = round(100 * tilt.elevation_deg)
        _count(tilt, empty.looked[k], empty.echo[k])
    if not empty.tilts.any():
        return empty
    return replace(empty, volumes=1, first_s=seconds, last_s=seconds)


def _count(tilt: Tilt, looked: Counts, echo: Counts) -> None:
    cells = (tilt.first_gate_m + tilt.gate_m * np.arange(tilt.dbz.shape[1])) / 1000.0
    cell = np.where((cells >= 0) & (cells < RANGE_KM), cells, -1).astype(np.int32)
    per_degree = AZIMUTH_STEPS // AZIMUTHS
    rays = tilt.ray_of.reshape(AZIMUTHS, per_degree)
    _mark(tilt.dbz, rays, cell, np.int16(100 * ECHO_FROM_DBZ), UNOBSERVED, looked, echo)


@njit(cache=True, nogil=True)
def _mark(
    dbz: npt.NDArray[np.int16],
    rays: npt.NDArray[np.int32],
    cell: npt.NDArray[np.int32],
    least: np.int16,
    unobserved: np.int16,
    looked: Counts,
    echo: Counts,
) -> None:  # pragma: no cover - compiled
    """Set `looked` and `echo` (360, kilometres) to 1 where any gate of any ray of that degree was observed, is echo."""
    for k in range(rays.shape[0]):
        last = -1
        for j in range(rays.shape[1]):
            ray = rays[k, j]
            if ray < 0 or ray == last:
                continue
            last = ray
            for gate in range(dbz.shape[1]):
                if cell[gate] >= 0 and dbz[ray, gate] != unobserved:
                    looked[k, cell[gate]] = 1
                    if dbz[ray, gate] >= least:
                        echo[k, cell[gate]] = 1


def merge(a: Occurrence, b: Occurrence) -> Occurrence:
    """Counts of both, exactly: associative and commutative. One volume counted in both counts twice.

    Raises:
        ReadError: BAD_POSITION, not the same radar, or it stands elsewhere in one of them.
    """
    near = max(abs(a.latitude - b.latitude), abs(a.longitude - b.longitude)) <= SAME_PLACE_DEG
    if a.radar != b.radar or not near or abs(a.altitude_m - b.altitude_m) > SAME_PLACE_M:
        raise ReadError(
            Reason.BAD_POSITION,
            f"counts of radar {a.radar} at {a.latitude:.4f}, {a.longitude:.4f}, {a.altitude_m:g} m cannot be added to "
            f"{b.radar} at {b.latitude:.4f}, {b.longitude:.4f}, {b.altitude_m:g} m: start a new file for the new site",
            f"雷达 {a.radar}（{a.latitude:.4f}, {a.longitude:.4f}, {a.altitude_m:g} m）与 {b.radar}"
            f"（{b.latitude:.4f}, {b.longitude:.4f}, {b.altitude_m:g} m）的统计不能合并：请为新站址另建文件",
        )
    if not a.volumes or not b.volumes:
        times = (a.first_s + b.first_s, a.last_s + b.last_s)
    else:
        times = (min(a.first_s, b.first_s), max(a.last_s, b.last_s))
    # of two descriptions of one place, always the same one, whatever the order
    place = min((a.latitude, a.longitude, a.altitude_m), (b.latitude, b.longitude, b.altitude_m))
    return Occurrence(
        a.radar, *place, a.looked + b.looked, a.echo + b.echo, a.tilts + b.tilts,
        a.elevation_hundredths + b.elevation_hundredths, a.volumes + b.volumes, *times,
    )  # fmt: skip


def add(occurrence: Occurrence, volume: Volume) -> Occurrence:
    """The counts with one volume more; about 10 ms.

    Raises:
        ReadError: as `of_volume` and `merge`. TimeError: the volume's start is naive.
    """
    return merge(occurrence, of_volume(volume))


@dataclass(frozen=True)
class LearntBlockage:
    """Blockage by elevation [deg]: `blocked` as blockage.Blockage (0 where unknown), `known` (360, kilometres) bool."""

    blocked: Blockage
    known: Mapping[float, Bools]


def not_enough(occurrence: Occurrence) -> Sentence | None:
    """Why nothing can be learnt yet; None where enough was counted."""
    if occurrence.volumes >= LEAST_VOLUMES and occurrence.days >= LEAST_DAYS:
        return None
    found, days = occurrence.volumes, occurrence.days
    return Sentence(
        f"radar {occurrence.radar}: static clutter and blockage are unknown after {found} volumes in {days:.1f} days; "
        f"{LEAST_VOLUMES} volumes over {LEAST_DAYS:g} days are needed",
        f"雷达 {occurrence.radar}：已统计 {found} 个体扫（{days:.1f} 天），静态地物与遮挡未知；"
        f"需 {LEAST_VOLUMES} 个体扫且历时 {LEAST_DAYS:g} 天",
    )


def known_map(occurrence: Occurrence) -> Bools:
    """(E, 360, kilometres): places that were looked at often enough for `clutter_map` to say yes or no."""
    if not_enough(occurrence):
        return np.zeros(occurrence.looked.shape, dtype=bool)
    return np.asarray(occurrence.looked >= LEAST_VOLUMES)


def clutter_map(occurrence: Occurrence) -> Bools:
    """(E, 360, kilometres): places that show echo nearly always, and far more often than above or around them.

    False also where nobody knows: see `known_map` and `not_enough`.
    """
    known = known_map(occurrence)
    share = _share(occurrence)
    found = np.zeros(share.shape, dtype=bool)
    tilts = np.flatnonzero(known.any(axis=(1, 2)))
    for position, k in enumerate(tilts):
        often = known[k] & (share[k] >= CLUTTER_SHARE)
        if not often.any():
            continue
        stands_out = share[k] - around(np.where(known[k], share[k], np.nan)) >= CLUTTER_EXCESS
        above = tilts[position + 1] if position + 1 < tilts.size else None
        if above is not None:
            stands_out |= known[above] & (share[k] - share[above] >= CLUTTER_EXCESS)
        found[k] = often & stands_out
    return found


def _share(occurrence: Occurrence) -> Shares:
    """Part of the looks with echo, 0 without a look."""
    return (occurrence.echo / np.maximum(occurrence.looked, 1)).astype(np.float32)


def learn_blockage(occurrence: Occurrence) -> LearntBlockage:
    """Blocked sectors of the low tilts, by how much less a ray sees than its higher tilts and the other rays.

    A tilt is judged up to HIGHEST_JUDGED_DEG, by the most often seen of the tilts above it (learnt.blocked_rays). More
    than half of all rays blocked alike would hide in the median: then a terrain model is needed.
    """
    blocked: dict[float, npt.NDArray[np.float32]] = {}
    known: dict[float, Bools] = {}
    if not_enough(occurrence):
        return LearntBlockage(blocked, known)
    elevations, share = occurrence.elevations_deg, _share(occurrence)
    for k, elevation in enumerate(elevations):
        higher = [m for m, other in enumerate(elevations) if other >= elevation + RISE_DEG]
        if not np.isfinite(elevation) or elevation > HIGHEST_JUDGED_DEG or not higher:
            continue
        counted = (occurrence.looked[k] >= LEAST_VOLUMES) & (share[k] <= CLUTTER_FREE_SHARE)
        aloft = np.where(occurrence.looked[higher] >= LEAST_VOLUMES, share[higher], 0).max(axis=0)
        expected = np.where(counted, occurrence.looked[k] * aloft, 0.0)
        seen = np.where(counted, occurrence.echo[k], 0.0)
        angle = round(float(elevation), 2)
        blocked[angle], known[angle] = blocked_rays(seen, expected)
    return LearntBlockage(blocked, known)


def blockage_map(occurrence: Occurrence) -> Blockage:
    """`learn_blockage(...).blocked`: 0 where unknown; no elevation at all while too little was counted."""
    return learn_blockage(occurrence).blocked


def save_occurrence(occurrence: Occurrence, path: Path) -> None:
    """Write to an .npz file at once or not at all.

    Raises:
        OSError: disk full, or a write error; the old file stays.
    """
    content = io.BytesIO()
    members = {field.name: np.asarray(getattr(occurrence, field.name)) for field in fields(occurrence)}
    np.savez_compressed(content, allow_pickle=False, format=np.asarray(_FORMAT), **members)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_occurrence(path: Path) -> Occurrence:
    """Read what `save_occurrence` wrote.

    Raises:
        ReadError: NOT_FOUND; BAD_VALUE where it is damaged, of another format version, or contradicts itself.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if int(archive["format"]) != _FORMAT:
                raise ValueError(f"format {int(archive['format'])}, not {_FORMAT}")
            found = {field.name: _member(archive, field.name) for field in fields(Occurrence)}
        return _believable(Occurrence(**found))
    except FileNotFoundError as cause:
        raise ReadError(Reason.NOT_FOUND, f"{path}: no such file", f"{path}：文件不存在") from cause
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as cause:
        raise ReadError(
            Reason.BAD_VALUE,
            f"{path.name}: echo occurrence cannot be read ({cause}): restore it from a backup, or delete it to learn "
            "anew",
            f"{path.name}：回波频次文件无法读取（{cause}）：请用备份恢复，或删除后重新统计",
        ) from cause


def _member(archive: np.lib.npyio.NpzFile, name: str) -> Any:
    value = archive[name]
    if name in _DTYPES:
        shape = SHAPE if name in {"looked", "echo"} else SHAPE[:1]
        if value.shape != shape or value.dtype != _DTYPES[name]:
            raise ValueError(f"{name} is {value.dtype}{value.shape}, not {np.dtype(_DTYPES[name])}{shape}")
        return value
    if name == "radar":
        return str(value)
    return int(value) if name in {"volumes", "first_s", "last_s"} else float(value)


def _believable(found: Occurrence) -> Occurrence:
    place = np.isfinite([found.latitude, found.longitude, found.altitude_m]).all()
    counts = (found.echo <= found.looked).all() and (found.looked <= found.tilts[:, None, None]).all()
    if not place or not counts or (found.tilts > found.volumes).any() or found.first_s > found.last_s:
        raise ValueError("counts contradict each other")
    return found
