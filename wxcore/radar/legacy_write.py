"""Volume to CINRAD legacy base data, the inverse of `legacy.read_legacy`."""

import numpy as np
import numpy.typing as npt

from wxcore.radar import codes
from wxcore.radar.codes import LEGACY_ANGLE, LEGACY_DAY_MS, LEGACY_HEADER, LEGACY_POINTER_BASE, LEGACY_RAY
from wxcore.radar.volume import MISSING, SIMULATED_TASK, Moment, Sweep, Volume

_FILLER = 4
_HELD = ("DBZH", "VRADH", "WRADH")
_COARSE, _FINE = 4, 2


def write_legacy(volume: Volume) -> bytes:
    """Bytes of a volume in the legacy format: 2432-byte records where its gates fit, else 4132, else as long as needed.

    Lost, for the format has no place for it: the site, other moments, the fixed angle, and angles finer than 0.0055
    and times finer than 0.001 s. Rays are as long as their last known gate; unknown gates before it become code 0.

    Raises:
        ValueError: the format cannot hold it: codes that are not the format's (u1; reflectivity 2, 66; velocity 2 or
            1, 129; width 2, 129), gate sizes or ranges that are not whole metres, no sweep at all.
    """
    if not volume.sweeps:
        raise ValueError("a volume without sweeps cannot be written in the legacy format")
    rays = [_headers(sweep, index, len(volume.sweeps), volume.task) for index, sweep in enumerate(volume.sweeps)]
    gates_r = max(int(heads["gates_r"].max(initial=0)) for heads in rays)
    gates_v = max(int(heads["gates_v"].max(initial=0)) for heads in rays)
    own = LEGACY_HEADER + gates_r + 2 * gates_v + _FILLER
    length = next((size for size, r, v in codes.LEGACY_SIZES if gates_r <= r and gates_v <= v), own)
    return b"".join(_records(sweep, heads, length) for sweep, heads in zip(volume.sweeps, rays, strict=True))


def _headers(sweep: Sweep, index: int, sweeps: int, task: str) -> npt.NDArray[np.void]:
    heads = np.zeros(sweep.azimuth.size, LEGACY_RAY)
    ms = sweep.time.astype("datetime64[ms]").astype("i8")
    heads["flag"], heads["ms"], heads["day"] = 1, ms % LEGACY_DAY_MS, ms // LEGACY_DAY_MS + 1
    heads["azimuth"], heads["elevation"] = _angle(sweep.azimuth), _angle(sweep.elevation)
    heads["number"] = np.arange(1, heads.size + 1)
    heads["state"] = codes.MIDDLE
    if heads.size:
        heads["state"][0] = codes.START_CUT if index else codes.START_VOLUME
        heads["state"][-1] = codes.END_VOLUME if index == sweeps - 1 else codes.END_CUT
    heads["cut"], heads["sector"] = index + 1, 1
    if task.startswith(SIMULATED_TASK):
        heads["mark"] = SIMULATED_TASK.encode()
    vcp = task.removeprefix(SIMULATED_TASK).strip().removeprefix("VCP")
    heads["vcp"] = int(vcp) if vcp.isdecimal() and int(vcp) < 65536 else 0
    heads["nyquist"] = round(sweep.nyquist * 100) if np.isfinite(sweep.nyquist) else 0
    heads["resolution"] = _resolution(sweep)
    for names, suffix in ((("DBZH",), "r"), (("VRADH", "WRADH"), "v")):
        for name in names:
            if name not in sweep.moments:
                continue
            moment = sweep.moments[name]
            heads[f"gate_{suffix}"], heads[f"first_{suffix}"] = _gates(name, moment)
            heads[f"gates_{suffix}"] = np.maximum(heads[f"gates_{suffix}"], _lengths(moment))
    heads["at_r"] = LEGACY_HEADER - LEGACY_POINTER_BASE
    heads["at_v"] = heads["at_r"] + heads["gates_r"]
    heads["at_w"] = heads["at_v"] + heads["gates_v"]
    reach = heads["gates_r"].astype("i8") * heads["gate_r"]
    heads["reach"] = np.minimum(np.maximum(reach, heads["gates_v"].astype("i8") * heads["gate_v"]) // 100, 65535)
    return heads


def _angle(degrees: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    return (np.rint(degrees.astype("f8") / LEGACY_ANGLE).astype("i8") % 65536).astype(np.uint16)


def _resolution(sweep: Sweep) -> int:
    """The velocity resolution code, with each moment's coding checked."""
    resolution = _FINE
    for name, moment in sweep.moments.items():
        if name not in _HELD:
            continue
        coding = (moment.scale, moment.offset)
        allowed = {(2.0, 66.0)} if name == "DBZH" else {(2.0, 129.0)}
        if name == "VRADH" and coding == (1.0, 129.0):
            resolution = _COARSE
        elif coding not in allowed:
            raise ValueError(f"{name}: scale and offset {coding}, the legacy format has {sorted(allowed)}")
        if moment.codes.dtype != np.uint8:
            raise ValueError(f"{name}: codes are {moment.codes.dtype}, the legacy format has uint8")
    return resolution


def _gates(name: str, moment: Moment) -> tuple[int, int]:
    """Gate size and where gate 0 begins, in whole metres."""
    first = moment.first_gate_m - moment.gate_m / 2
    if moment.gate_m != round(moment.gate_m) or first != round(first):
        raise ValueError(f"{name}: gates of {moment.gate_m} m from {first} m; the legacy format holds whole metres")
    return round(moment.gate_m), round(first)


def _lengths(moment: Moment) -> npt.NDArray[np.int64]:
    """Gates of each ray up to the last that is not MISSING."""
    known = moment.classes[moment.codes] != MISSING
    lengths: npt.NDArray[np.int64] = np.where(
        known.any(axis=1), known.shape[1] - np.argmax(known[:, ::-1], axis=1), 0
    ).astype("i8")
    return lengths


def _records(sweep: Sweep, heads: npt.NDArray[np.void], length: int) -> bytes:
    table = np.zeros((heads.size, length), np.uint8)
    table[:, :LEGACY_HEADER] = heads.view(np.uint8).reshape(heads.size, LEGACY_HEADER)
    for name, gates, at in zip(_HELD, ("gates_r", "gates_v", "gates_v"), ("at_r", "at_v", "at_w"), strict=True):
        if name not in sweep.moments:
            continue
        moment = sweep.moments[name]
        raw = np.where(moment.classes[moment.codes] == MISSING, 0, moment.codes).astype(np.uint8)
        for count in np.unique(heads[gates]):
            for place in np.unique(heads[at][heads[gates] == count]):
                mine = np.flatnonzero((heads[gates] == count) & (heads[at] == place))
                begin = LEGACY_POINTER_BASE + int(place)
                width = min(int(count), raw.shape[1])
                table[mine, begin : begin + width] = raw[mine, :width]
    return table.tobytes()
