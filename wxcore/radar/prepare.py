"""A volume made ready as soon as it is there: what is left for the cycle is to put the radars together.

What cannot be believed is left out; then come quality control, polarimetry, dealiasing, kinematics and the tilts. The
result is small, knows its place, and needs no other radar: it may be kept until the cycle (`pack`, `unpack`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason
from wxcore.radar.kinematics.layers import kinematic_planes
from wxcore.radar.looks import Blockage, Look, look_of
from wxcore.radar.plane_mosaic import Share, Stack, stack_of
from wxcore.radar.planes import Plane
from wxcore.radar.polarimetry.derive import polarimetric
from wxcore.radar.polarimetry.planes_of import polarimetric_planes
from wxcore.radar.qc import StaticClutter, qc_summary, quality_control
from wxcore.radar.sane import sound
from wxcore.radar.tilts import Tilt
from wxcore.radar.velocity.unfold import unfold
from wxcore.radar.velocity.wind import WindProfile, wind_profile
from wxcore.radar.volume import Site, Volume

VERSION = 1
"""Of what `pack` writes and of how a volume is prepared: kept results of another version are made again."""


@dataclass(frozen=True)
class Surroundings:
    """What is known of a radar's place and day, beside the volume.

    Attributes:
        terrain: ground height [m ASL] on the cells of a plane, NaN where unknown; asked for only where there are
            velocities.
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL].
        band: S, C or X by the station table; "" where it does not tell.
        blocked: part of the beam that terrain takes away; empty where nothing is known.
        ground: static clutter, as the radar learnt; None where nothing is known.
        wind: of the time before, for dealiasing; None where none is known.
    """

    terrain: Callable[[], Plane]
    h0_m: float
    hm20_m: float
    band: str = ""
    blocked: Blockage | None = None
    ground: StaticClutter | None = None
    wind: WindProfile | None = None


@dataclass(frozen=True)
class Prepared:
    """A volume's part of a cycle.

    Attributes:
        stack: planes of kinematics and polarimetry; None where the volume has neither.
        wind: the wind that its velocities show.
        quality: gates with an echo by flag of the quality control.
        task: as the volume's; remarks: what was odd.
        range_m: slant range of the last gate of reflectivity [m].
    """

    look: Look
    stack: Stack | None
    wind: WindProfile
    quality: Mapping[str, int]
    task: str
    remarks: tuple[str, ...]
    range_m: float

    @property
    def share(self) -> Share | None:
        """For `plane_mosaic`."""
        return None if self.stack is None else Share(self.look.site, self.stack)


def prepare(volume: Volume, around: Surroundings) -> Prepared:
    """All that a volume gives without any other radar.

    Args:
        volume: as read, at its true position.

    Raises:
        ReadError: NO_RADIALS, none of its sweeps can be believed.
    """
    believed = sound(volume)
    if not any("DBZH" in sweep.moments for sweep in believed.sweeps):
        raise ReadError(
            Reason.NO_RADIALS,
            f"radar {volume.site.id}: not one sweep of reflectivity can be used ({'; '.join(believed.remarks)}): "
            "look at the radar",
            f"雷达 {volume.site.id}：没有一层反射率可用：请检查雷达",
        )
    done = polarimetric(
        quality_control(believed, around.ground), h0_m=around.h0_m, hm20_m=around.hm20_m, band=around.band or None
    )
    done = unfold(done, background=around.wind)
    planes: dict[str, Plane] = {}
    if any(sweep.velocity is not None for sweep in done.sweeps):
        planes |= kinematic_planes(done, around.terrain())
    planes |= polarimetric_planes(done, h0_m=around.h0_m, hm20_m=around.hm20_m)
    return Prepared(
        look=look_of(done, blocked=around.blocked),
        stack=stack_of(planes) if planes else None,
        wind=wind_profile(done),
        quality=qc_summary(done),
        task=volume.task,
        remarks=done.remarks,
        range_m=_range_m(volume),
    )


def _range_m(volume: Volume) -> float:
    moments = [sweep.moments["DBZH"] for sweep in volume.sweeps if "DBZH" in sweep.moments]
    return max((moment.first_gate_m + moment.codes.shape[1] * moment.gate_m for moment in moments), default=0.0)


def pack(prepared: Prepared) -> dict[str, npt.NDArray[Any]]:
    """As arrays by name, without objects; inverse of `unpack`."""
    look, tilts = prepared.look, prepared.look.tilts
    words = {
        "version": VERSION, "site": asdict(look.site), "start": look.start.isoformat(), "half_beam": look.half_beam,
        "tilts": [
            {name: value for name, value in vars(tilt).items() if not isinstance(value, np.ndarray)} for tilt in tilts
        ],
        "quality": dict(prepared.quality), "task": prepared.task, "remarks": prepared.remarks,
        "range_m": prepared.range_m,
    }  # fmt: skip
    arrays: dict[str, npt.NDArray[Any]] = {"words": np.array(json.dumps(words))}
    for k, tilt in enumerate(tilts):
        arrays |= {f"tilt{k}_{name}": value for name, value in vars(tilt).items() if isinstance(value, np.ndarray)}
    arrays |= {f"wind_{name}": getattr(prepared.wind, name) for name in ("height_m", "u", "v")}
    if prepared.stack is not None:
        places = np.flatnonzero(np.isfinite(prepared.stack).any(axis=2))
        arrays["places"] = places.astype(np.uint32)
        arrays["planes"] = prepared.stack.reshape(-1, prepared.stack.shape[2])[places]
    return arrays


def unpack(arrays: Mapping[str, npt.NDArray[Any]]) -> Prepared:
    """Inverse of `pack`.

    Raises:
        ValueError, KeyError, TypeError: not what `pack` of this version gave.
    """
    words = json.loads(str(arrays["words"]))
    if words["version"] != VERSION:
        raise ValueError(f"version {words['version']}, expected {VERSION}")
    tilts = tuple(_tilt(plain, arrays, f"tilt{k}_") for k, plain in enumerate(words["tilts"]))
    stack = None
    if "places" in arrays:
        stack = stack_of({})
        stack.reshape(-1, stack.shape[2])[arrays["places"]] = arrays["planes"]
    return Prepared(
        look=Look(Site(**words["site"]), datetime.fromisoformat(words["start"]), tilts, words["half_beam"]),
        stack=stack,
        wind=WindProfile(*(arrays[f"wind_{name}"] for name in ("height_m", "u", "v"))),
        quality=words["quality"],
        task=words["task"],
        remarks=tuple(words["remarks"]),
        range_m=words["range_m"],
    )


def _tilt(plain: dict[str, Any], arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> Tilt:
    parts: dict[str, Any] = {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
    return Tilt(**plain, **parts)
