"""CINRAD phased-array base data: bytes made by hand from FORMATS.md A.1, round trips, damage. No real file is known."""

import struct
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from tests.radar import samples
from wxcore.errors import ReadError, Reason
from wxcore.radar import cinrad, codes
from wxcore.radar.phased import FORMAT, read_phased
from wxcore.radar.phased_write import write_phased
from wxcore.radar.volume import Volume

CUTS_AT = 416 + 640


def reason_of(data: bytes) -> Reason:
    with pytest.raises(ReadError) as caught:
        read_phased(data, "")
    assert caught.value.zh != caught.value.en
    return caught.value.reason


def patched(data: bytes, at: int, form: str, *values: object) -> bytes:
    raw = bytearray(data)
    struct.pack_into(form, raw, at, *values)
    return bytes(raw)


def by_hand(beam_bytes: int = 640, *, floats: bool = False, beams: int = 3) -> bytes:
    """Two cuts whose rays alternate, as beams of one antenna give them: 30-m gates from 150 m."""
    head = bytearray(416)
    struct.pack_into("<4shhii", head, 0, b"RSTM", 1, 0, 16, 0)
    struct.pack_into("<8s32sffiiii", head, 32, b"ZCQ01", b"Array", 29.5, 106.5, 585, 560, 2, 64)
    struct.pack_into("<32s", head, 160, b"VCP21")
    struct.pack_into("<iiiq", head, 160 + 168, beams, 2, 0, 1_591_940_360)
    cuts = bytearray(512)
    for number, angle in enumerate((0.9, 2.7)):
        struct.pack_into("<f", cuts, 256 * number + 4, angle)
        struct.pack_into("<ff", cuts, 256 * number + 72, 30.0, 62.5)
        struct.pack_into("<f" if floats else "<i", cuts, 256 * number + 80, 42_000)
        struct.pack_into("<f" if floats else "<i", cuts, 256 * number + 88, 150)
        struct.pack_into("<f", cuts, 256 * number + 108, 31.5)
    rays = []
    for k in range(6):
        state = 3 if k == 0 else 4 if k == 5 else 1
        ray = struct.pack("<5iffqiii", state, 0, k + 1, k // 2 + 1, k % 2 + 1, 10.0 * k, 0.9, 1_591_940_361, 250_000,
                          32 + 3 + 32 + 2, 2).ljust(128, b"\0")  # fmt: skip
        z = struct.pack("<iiihhi12x", 2, 2, 66, 1, 0, 3) + bytes([0, 66, 156])
        v = struct.pack("<iiihhi12x", 3, 2, 129, 1, 0, 2) + bytes([1, 139])
        rays.append(ray + z + v)
    return bytes(head) + bytes(beams * beam_bytes) + bytes(cuts) + b"".join(rays)


@pytest.mark.parametrize(("beam_bytes", "floats"), [(640, False), (384, True)])
def test_by_hand(beam_bytes: int, floats: bool) -> None:
    data = by_hand(beam_bytes, floats=floats)
    found = read_phased(data)
    low, high = found.sweeps
    assert FORMAT.recognise(data[:8192])
    assert (found.site.id, found.site.altitude_m, found.task) == ("ZCQ01", 585, "VCP21")
    assert found.start == samples.START.replace(hour=5, minute=39, second=20)
    assert (low.azimuth.tolist(), high.azimuth.tolist()) == ([0, 20, 40], [10, 30, 50])
    assert (low.fixed_angle, high.fixed_angle, low.nyquist) == (np.float32(0.9), np.float32(2.7), 31.5)
    assert str(low.time[0]) == "2020-06-12T05:39:21.250000000"
    z, v = low.moments["DBZH"], low.moments["VRADH"]
    np.testing.assert_array_equal(z.values(no_echo=-10)[0], [-10, 0, 45])
    np.testing.assert_array_equal(v.values()[0], [np.nan, 5])
    assert (z.first_gate_m, z.gate_m, v.first_gate_m, v.gate_m) == (165, 30, 181.25, 62.5)
    assert found.remarks == (codes.UNMET,)
    assert found.truncated_at is None


@settings(max_examples=40, deadline=None)
@given(samples.volumes())
def test_what_is_written_is_read_back(volume: Volume) -> None:
    volume = replace(volume, format="cinrad-phased")
    data = write_phased(volume)
    found = read_phased(data)
    samples.assert_same(found, volume)
    assert found.remarks == (codes.UNMET,)
    assert write_phased(found) == data


def test_cut_off_file() -> None:
    data = by_hand()
    found = read_phased(data[:-1])
    assert [s.azimuth.size for s in found.sweeps] == [3, 2]
    assert found.truncated_at == len(data) - 1
    assert found.remarks[-1].startswith("truncated at byte")
    for end in (0, 300, 416, 2000, 416 + 3 * 640 + 512):
        assert reason_of(data[:end]) is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("at", "form", "value", "reason"),
    [
        (0, "<4s", b"XXXX", Reason.BAD_HEADER),
        (8, "<i", codes.BASE_DATA, Reason.BAD_HEADER),
        (72, "<f", float("nan"), Reason.BAD_POSITION),
        (324, "<i", 2, Reason.UNSUPPORTED),
        (328, "<i", -1, Reason.BAD_HEADER),
        (332, "<i", 0, Reason.BAD_HEADER),
        (340, "<q", 5, Reason.BAD_VALUE),
        (340, "<q", 2**62, Reason.BAD_VALUE),
        (CUTS_AT + 4, "<f", float("nan"), Reason.BAD_HEADER),
        (CUTS_AT + 72, "<f", -3.0, Reason.BAD_VALUE),
        (CUTS_AT + 88, "<i", 2**30 + 2**29, Reason.BAD_VALUE),
    ],
)
def test_header_fields(at: int, form: str, value: object, reason: Reason) -> None:
    assert reason_of(patched(by_hand(beams=1), at, form, value)) is reason


def test_rays_with_a_clock_beyond_all_numbers_are_dropped() -> None:
    data = patched(by_hand(beams=1), CUTS_AT + 512 + 28, "<q", -(2**63))
    found = read_phased(data)
    assert found.sweeps[0].azimuth.tolist() == [20, 40]
    assert "1 of 3 rays dropped" in found.remarks[1]


def test_the_standard_reader_leaves_it_alone() -> None:
    data = by_hand()
    assert not cinrad.FORMAT.recognise(data)
    with pytest.raises(ReadError, match="phased"):
        cinrad.read_standard(data)


def test_the_writer_refuses_an_empty_volume() -> None:
    with pytest.raises(ValueError, match="0 sweeps"):
        write_phased(samples.volume())


def test_mutants_are_read_or_refused() -> None:
    data = write_phased(samples.split_cut_volume())
    rng = np.random.default_rng(16)
    seen: Counter[str] = Counter()
    for _ in range(300):
        mutant = samples.mutate(data, rng, CUTS_AT + 3 * 256 + 400)
        try:
            found = read_phased(mutant, "")
        except ReadError as error:
            seen[error.reason] += 1
            continue
        seen["read"] += 1
        held = sum(m.codes.nbytes for s in found.sweeps for m in s.moments.values())
        assert held <= 4 * len(mutant) + 3 * cinrad.PADDING_SLACK
        assert all(np.isfinite(s.azimuth).all() and not np.isnat(s.time).any() for s in found.sweeps)
    assert seen["read"] > 60
    assert len(seen) > 3
