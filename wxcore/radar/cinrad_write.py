"""Volume to CINRAD standard base data (V2), the inverse of `cinrad.read_standard`. Compression is the caller's."""

import struct

import numpy as np
import numpy.typing as npt

from wxcore.radar import codes
from wxcore.radar.codes import CUT, MOMENT_BYTES, RADIAL
from wxcore.radar.lzo import pack_rays
from wxcore.radar.volume import Moment, Site, Sweep, Volume
from wxcore.times import to_datetime64

_WAVEFORM_CS, _WAVEFORM_CD, _WAVEFORM_BATCH = 0, 1, 4
_SINGLE_POLARISATION, _SIMULTANEOUS = 1, 3
_DUAL = frozenset({"ZDR", "RHOHV", "PHIDP", "KDP", "LDR", "SNRV"})


def write_standard(volume: Volume) -> bytes:
    """Bytes of a volume in the standard format, uncompressed.

    Cuts are numbered in the volume's order; the padding of ragged rays is written out. A NaN position is written
    as 0, 0.

    Raises:
        ValueError: the format cannot hold it: a moment it has no type for, a scale or offset that is not whole,
            gates of one kind with different sizes, moments that begin at different ranges, no sweep at all.
    """
    if not 1 <= len(volume.sweeps) <= 256:
        raise ValueError(f"{len(volume.sweeps)} sweeps: the format holds 1 to 256")
    polarisation = _SINGLE_POLARISATION
    if any(name in _DUAL for sweep in volume.sweeps for name in sweep.moments):
        polarisation = _SIMULTANEOUS
    start = int(to_datetime64(volume.start).astype("datetime64[s]").astype("i8"))
    head = bytearray(codes.CUTS_AT)
    struct.pack_into("<4shhii", head, codes.GENERIC_AT, codes.MAGIC, 2, 0, codes.BASE_DATA, 0)
    _put_site(head, volume.site)
    struct.pack_into("<32s128s5i", head, codes.TASK_AT, fit(volume.task, 32), b"", polarisation, 0, 0, start,
                     len(volume.sweeps))  # fmt: skip
    cuts = [cut_block(sweep).tobytes() for sweep in volume.sweeps]
    return b"".join([bytes(head), *cuts, *ray_blocks(volume, RADIAL)])


def write_packed(volume: Volume) -> bytes:
    """As `write_standard`, with the moments of each ray packed by LZO (`lzo`).

    Raises:
        ValueError: as `write_standard`.
        ReadError: UNSUPPORTED where the codec is not installed.
    """
    return pack_rays(write_standard(volume), codes.CUTS_AT + len(volume.sweeps) * codes.CUT_BYTES)


def ray_blocks(volume: Volume, ray: np.dtype[np.void]) -> list[bytes]:
    """The records of each cut; `ray` is the type of their headers."""
    parts, written = [], 0
    for index, sweep in enumerate(volume.sweeps):
        parts.append(_rays(sweep, ray, index, len(volume.sweeps), written))
        written += sweep.azimuth.size
    return parts


def fit(label: str, size: int) -> bytes:
    """UTF-8 bytes of a fixed-width field, cut between characters."""
    return label.encode()[:size].decode(errors="ignore").encode()


def _put_site(head: bytearray, site: Site) -> None:
    known = np.isfinite(site.latitude) and np.isfinite(site.longitude)
    height = round(site.altitude_m) if np.isfinite(site.altitude_m) else 0
    frequency = site.frequency_mhz if np.isfinite(site.frequency_mhz) else 0.0
    struct.pack_into(
        "<8s32sffii3f", head, codes.SITE_AT, fit(site.id, 8), fit(site.name, 32),
        site.latitude if known else 0.0, site.longitude if known else 0.0, height, height, frequency,
        site.beam_width_deg, site.beam_width_deg,
    )  # fmt: skip


def cut_block(sweep: Sweep) -> npt.NDArray[np.void]:
    """The cut's header, checked to give back each moment's gates when read."""
    doppler = [m.gate_m for name, m in sweep.moments.items() if name in codes.DOPPLER_MOMENTS]
    others = {name: m for name, m in sweep.moments.items() if name not in codes.DOPPLER_MOMENTS}
    log = [m.gate_m for name, m in others.items() if name in codes.LOG_MOMENTS] or [
        m.gate_m for m in others.values() if m.gate_m not in doppler
    ]
    log_gate = (log or doppler or [1000.0])[0]
    doppler_gate = (doppler or [m.gate_m for m in others.values() if m.gate_m != log_gate] or [log_gate])[0]
    counts = {name: m.codes.shape[1] for name, m in sweep.moments.items()}
    reach = max((counts[name] * m.gate_m for name, m in sweep.moments.items()), default=0.0)
    starts = {m.first_gate_m - m.gate_m / 2 for m in sweep.moments.values()} or {0.0}
    start = starts.pop()
    if starts or start != round(start):
        raise ValueError(
            f"cut at {sweep.fixed_angle} deg: moments begin at {sorted({start, *starts})} m, not at one whole"
        )
    for name, moment in sweep.moments.items():
        fast = codes.has_doppler_gates(name, counts[name], counts, log_gate, reach)
        if moment.gate_m != (doppler_gate if fast else log_gate):
            raise ValueError(
                f"cut at {sweep.fixed_angle} deg: {name} has gates of {moment.gate_m} m; a cut has two sizes"
            )
    reflectivity, velocity = "DBZH" in sweep.moments, "VRADH" in sweep.moments
    cut = np.zeros(1, CUT)
    cut["process"] = 2
    cut["waveform"] = _WAVEFORM_BATCH if reflectivity and velocity else _WAVEFORM_CD if velocity else _WAVEFORM_CS
    cut["dealias"], cut["angular_step"], cut["end_angle"] = 1, 1.0, 360.0
    cut["elevation"], cut["start_range"] = sweep.fixed_angle, round(start)
    cut["log_gate"], cut["doppler_gate"] = codes.gate_raw(log_gate), codes.gate_raw(doppler_gate)
    cut["max_range1"] = cut["max_range2"] = round(reach)
    cut["nyquist"] = sweep.nyquist if np.isfinite(sweep.nyquist) else 0.0
    for name, moment in sweep.moments.items():
        bit = np.uint64(1) << np.uint64(_type(name))
        cut["moments"] |= bit
        if moment.codes.dtype.itemsize == 2:
            cut["sizes"] |= bit
    return cut[0]  # type: ignore[no-any-return]


def _rays(sweep: Sweep, ray: np.dtype[np.void], index: int, sweeps: int, written: int) -> bytes:
    """Every record of a cut, as one (ray, byte) array."""
    count = sweep.azimuth.size
    sizes = [MOMENT_BYTES + m.codes.shape[1] * m.codes.dtype.itemsize for m in sweep.moments.values()]
    stride = ray.itemsize + sum(sizes)
    table = np.zeros((count, stride), np.uint8)
    rays: npt.NDArray[np.void] = np.ndarray((count,), ray, table, 0, (stride,))
    micro = sweep.time.astype("datetime64[us]").astype("i8")
    rays["state"] = codes.MIDDLE
    if count:
        rays["state"][0] = codes.START_CUT if index else codes.START_VOLUME
        rays["state"][-1] = codes.END_VOLUME if index == sweeps - 1 else codes.END_CUT
    rays["sequence"] = np.arange(written + 1, written + count + 1)
    rays["number"] = np.arange(1, count + 1)
    rays["cut"] = index + 1
    rays["azimuth"], rays["elevation"] = sweep.azimuth, sweep.elevation
    rays["seconds"], rays["microseconds"] = micro // 1_000_000, micro % 1_000_000
    rays["length"], rays["moments"] = stride - ray.itemsize, len(sweep.moments)
    at = ray.itemsize
    for (name, moment), size in zip(sweep.moments.items(), sizes, strict=True):
        data = np.ascontiguousarray(moment.codes, f"<u{moment.codes.dtype.itemsize}")
        table[:, at : at + MOMENT_BYTES] = np.frombuffer(_moment_header(name, moment), np.uint8)
        table[:, at + MOMENT_BYTES : at + size] = data.view(np.uint8).reshape(count, -1)
        at += size
    return table.tobytes()


def _moment_header(name: str, moment: Moment) -> bytes:
    scale, offset = round(moment.scale), round(moment.offset)
    if scale != moment.scale or offset != moment.offset or scale <= 0:
        raise ValueError(f"{name}: scale {moment.scale}, offset {moment.offset}: the format holds whole numbers only")
    width = moment.codes.dtype.itemsize
    return struct.pack("<iiihhi12x", _type(name), scale, offset, width, 0, moment.codes.shape[1] * width)


def _type(name: str) -> int:
    if name not in codes.TYPES:
        raise ValueError(f"{name}: the standard format has no moment type for it; it has {', '.join(codes.TYPES)}")
    return codes.TYPES[name]
