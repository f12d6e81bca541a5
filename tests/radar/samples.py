"""Small synthetic volumes for the tests of the radar readers."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import strategies as st

from wxcore.radar import codes
from wxcore.radar.volume import Moment, Site, Sweep, Volume

START = datetime(2020, 6, 12, 5, 39, 20, tzinfo=UTC)
SITE = Site("Z9517", "HuaiAn", 33.25, 118.5, 66.0, 2790.0, 1.0)
SCALES = {
    "DBZH": (2.0, 66.0), "DBTH": (2.0, 66.0), "VRADH": (2.0, 129.0), "WRADH": (2.0, 129.0), "ZDR": (16.0, 130.0),
    "RHOHV": (200.0, 5.0), "PHIDP": (100.0, 50.0), "KDP": (10.0, 50.0), "SNRH": (2.0, 20.0),
}  # fmt: skip


def moment(raw: Any, name: str = "DBZH", gate: float = 1000.0, begin: float = 0.0) -> Moment:
    raw = np.asarray(raw)
    classes = codes.CLASSES_U1 if raw.dtype.itemsize == 1 else codes.CLASSES_U2
    return Moment(raw, *SCALES[name], begin + gate / 2, gate, classes)


def sweep(moments: dict[str, Moment], angle: float = 0.5, first_azimuth: float = 74.25, late_s: float = 0) -> Sweep:
    rays = next(iter(moments.values())).codes.shape[0]
    begin = np.datetime64(START.replace(tzinfo=None), "ns") + np.timedelta64(round(late_s * 1e6), "us")
    return Sweep(
        fixed_angle=angle,
        azimuth=((first_azimuth + np.arange(rays) * 360 / rays) % 360).astype("f4"),
        elevation=np.full(rays, angle, "f4"),
        time=begin + np.arange(rays) * np.timedelta64(87_000, "us"),
        nyquist=26.5,
        moments=moments,
    )


def volume(*sweeps: Sweep, form: str = "cinrad-standard") -> Volume:
    return Volume(form, SITE, START, "VCP21", sweeps)


def split_cut_volume(rays: tuple[int, int, int] = (7, 9, 8), seed: int = 1) -> Volume:
    """Split cut (reflectivity, then velocity), then a batch cut with both and two-byte PHIDP."""
    rng = np.random.default_rng(seed)

    def raw(count: int, gates: int, kind: str = "u1") -> Any:
        return rng.integers(0, 256 if kind == "u1" else 40_000, (count, gates)).astype(kind)

    return volume(
        sweep({"DBZH": moment(raw(rays[0], 23))}),
        sweep({n: moment(raw(rays[1], 46), n, 250.0) for n in ("VRADH", "WRADH")}, late_s=30, first_azimuth=81),
        sweep(
            {
                "DBZH": moment(raw(rays[2], 17)),
                "VRADH": moment(raw(rays[2], 40), "VRADH", 250.0),
                "PHIDP": moment(raw(rays[2], 17, "u2"), "PHIDP"),
            },
            angle=1.5,
            late_s=60,
            first_azimuth=350,
        ),
    )


def assert_same(found: Volume, expected: Volume) -> None:
    """Equal to the code, all of a volume but its remarks."""
    assert (found.format, found.start, found.task) == (expected.format, expected.start, expected.task)
    assert len(found.sweeps) == len(expected.sweeps)
    for one, two in zip(found.sweeps, expected.sweeps, strict=True):
        assert_same_sweep(one, two)


def assert_same_sweep(one: Sweep, two: Sweep) -> None:
    assert one.fixed_angle == two.fixed_angle
    np.testing.assert_array_equal(one.nyquist, two.nyquist)
    for field in ("azimuth", "elevation", "time"):
        np.testing.assert_array_equal(getattr(one, field), getattr(two, field))
    assert list(one.moments) == list(two.moments)
    for name, mine in one.moments.items():
        theirs = two.moments[name]
        assert mine.codes.dtype == theirs.codes.dtype
        np.testing.assert_array_equal(mine.codes, theirs.codes)
        assert (mine.scale, mine.offset) == (theirs.scale, theirs.offset)
        assert (mine.first_gate_m, mine.gate_m) == (theirs.first_gate_m, theirs.gate_m)
        np.testing.assert_array_equal(mine.classes, theirs.classes)


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    """Any standard-format volume: split, batch and dual-polarisation cuts of any size."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    sweeps = []
    for index in range(draw(st.integers(1, 4))):
        rays = draw(st.integers(1, 9))
        log, doppler = draw(st.sampled_from([(1000.0, 250.0), (250.0, 250.0), (75.0, 75.0), (500.0, 62.5)]))
        begin = float(draw(st.sampled_from([0, 2000])))
        gates_z, gates_v = draw(st.integers(1, 40)), draw(st.integers(1, 40))
        names = draw(st.lists(st.sampled_from(sorted(SCALES)), min_size=1, unique=True))
        velocity_only = not codes.LOG_MOMENTS & set(names)
        fast = codes.DOPPLER_MOMENTS | (set(names) if velocity_only and codes.DOPPLER_MOMENTS & set(names) else set())
        moments = {}
        for name in names:
            kind = draw(st.sampled_from(["u1", "u2"]))
            shape = (rays, gates_v if name in fast else gates_z)
            raw = rng.integers(0, 256 ** np.dtype(kind).itemsize, shape).astype(kind)
            moments[name] = moment(raw, name, doppler if name in fast else log, begin)
        angle = draw(st.floats(-2, 60, width=32))
        sweeps.append(sweep(moments, angle, draw(st.floats(0, 359, width=32)), late_s=index * 30))
    return volume(*sweeps)


def mutate(data: bytes, rng: np.random.Generator, header_bytes: int) -> bytes:
    """One seeded mutant: cut off, bits flipped, a block of zeros, a header field replaced, bytes lost or doubled."""
    raw = bytearray(data)
    size = len(raw)
    match int(rng.integers(0, 6)):
        case 0:
            del raw[int(rng.integers(0, size)) :]
        case 1:
            for at in rng.integers(0, size, int(rng.integers(1, 40))):
                raw[at] ^= 1 << int(rng.integers(0, 8))
        case 2:
            at, length = int(rng.integers(0, size)), int(rng.integers(1, 800))
            raw[at : at + length] = bytes(len(raw[at : at + length]))
        case 3:
            at = int(rng.integers(0, header_bytes // 4)) * 4
            value = [0, 1, -1, 2**31 - 1, -(2**31), 255, 65536, 0x7FC00000, 0x7F800000][int(rng.integers(0, 9))]
            raw[at : at + 4] = value.to_bytes(4, "little", signed=value < 0)
        case 4:
            at = int(rng.integers(0, size))
            del raw[at : at + int(rng.integers(1, 200))]
        case _:
            at = int(rng.integers(0, size))
            raw[at:at] = raw[at : at + int(rng.integers(1, 200))]
    return bytes(raw)
