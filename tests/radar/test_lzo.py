"""Rays packed with LZO: round trips and bombs with the codec, the refusal without it. No real file is known."""

import struct
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar import samples
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.radar import lzo
from wxcore.radar.cinrad import read_standard
from wxcore.radar.cinrad_write import write_packed, write_standard
from wxcore.radar.volume import Volume

needs_codec = pytest.mark.skipif(not lzo.AVAILABLE, reason="lzallright is not here: pip install wxcore[lzo]")
CUTS_END = 416 + 256
LITERALS = bytes([17 + 6]) + b"radars" + b"\x11\0\0"
"""An LZO1X stream by hand: a first byte of 17 + n, n literals, the end marker (Linux, Documentation/staging/lzo)."""


def one_cut(rays: int = 4, gates: int = 300) -> Volume:
    rng = np.random.default_rng(rays)
    raw = np.where(rng.random((rays, gates)) < 0.2, rng.integers(5, 200, (rays, gates)), 0).astype("u1")
    return samples.volume(samples.sweep({"DBZH": samples.moment(raw)}))


def as_packed(payloads: list[bytes]) -> bytes:
    """A file of one cut whose rays hold these packed bytes."""
    head = write_standard(one_cut(1, 1))[: CUTS_END + 64]
    parts = [head[:CUTS_END]]
    for number, payload in enumerate(payloads):
        ray = bytearray(head[CUTS_END:])
        struct.pack_into("<i", ray, 0, 4 if number == len(payloads) - 1 else 1)
        struct.pack_into("<i", ray, 36, len(payload))
        ray[50] = 1
        parts += [bytes(ray), payload]
    return b"".join(parts)


def reason_of(data: bytes) -> Reason:
    with pytest.raises(ReadError) as caught:
        read_standard(data)
    assert caught.value.zh != caught.value.en
    return caught.value.reason


class Refusing:
    """A codec that finds every stream broken, as `lzallright` says it."""

    class LZOError(Exception):
        pass

    class LZOCompressor:
        @staticmethod
        def decompress(_data: bytes) -> bytes:
            raise Refusing.LZOError


class TestWithoutCodec:
    def test_it_is_refused_with_what_would_help(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lzo, "AVAILABLE", False)
        with pytest.raises(ReadError, match=r"wxcore\[lzo\]") as caught:
            read_standard(as_packed([LITERALS]))
        assert (caught.value.reason, caught.value.offset) == (Reason.UNSUPPORTED, CUTS_END + 50)
        with pytest.raises(ReadError, match=r"wxcore\[lzo\]"):
            write_packed(one_cut())

    def test_a_packed_ray_behind_plain_ones_is_refused(self) -> None:
        data = bytearray(write_standard(one_cut(3)))
        data[CUTS_END + 64 + 32 + 300 + 50] = 1
        with pytest.raises(ReadError, match="behind rays that are not") as caught:
            read_standard(bytes(data))
        assert caught.value.reason is Reason.UNSUPPORTED

    def test_a_broken_stream_has_a_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lzo, "codec", Refusing)
        monkeypatch.setattr(lzo, "AVAILABLE", True)
        assert reason_of(as_packed([LITERALS])) is Reason.BAD_COMPRESSION

    def test_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[int] = []

        def decompress(data: bytes) -> bytes:
            made.append(len(data))
            return bytes(50 * len(data))

        fake: Any = type("Codec", (), {"LZOError": ValueError})
        fake.LZOCompressor = type("C", (), {"decompress": staticmethod(decompress)})
        monkeypatch.setattr(lzo, "codec", fake)
        monkeypatch.setattr(lzo, "AVAILABLE", True)
        assert reason_of(as_packed([bytes(lzo.MAX_PACKED_RAY + 1)])) is Reason.TOO_LARGE
        assert made == []  # what goes in is limited before the codec sees it
        monkeypatch.setattr(lzo, "MAX_RAY", 4999)
        assert reason_of(as_packed([bytes(100)])) is Reason.TOO_LARGE
        monkeypatch.setattr(lzo, "MAX_RAY", 5000)
        monkeypatch.setattr(lzo, "MAX_UNPACKED", 12_000)
        with pytest.raises(LimitError, match="12000"):
            read_standard(as_packed([bytes(100)] * 4))
        assert made == [100, 100, 100, 100]


@needs_codec
def test_a_stream_by_hand() -> None:
    assert lzo.codec.LZOCompressor.decompress(LITERALS) == b"radars"


@needs_codec
def test_no_stream_grows_more_than_the_bound() -> None:
    packed = lzo.codec.LZOCompressor().compress(bytes(5_000_000))
    assert 100 < 5_000_000 / len(packed) < lzo.MAX_EXPANSION
    longest = (
        b"\x12\0" + b" " + bytes(50_000) + b"\1" + b"\0\0" + b"\x11\0\0"
    )  # one literal, repeated by one long match
    out = lzo.codec.LZOCompressor.decompress(longest)
    assert 12_000_000 < len(out) < lzo.MAX_EXPANSION * len(longest)


@needs_codec
@settings(max_examples=40, deadline=None)
@given(samples.volumes())
def test_what_is_packed_is_read_back(volume: Volume) -> None:
    found = read_standard(write_packed(volume))
    samples.assert_same(found, volume)
    assert found.remarks == (lzo.REMARK,)


@needs_codec
def test_packing_and_unpacking_are_inverse() -> None:
    data = write_standard(samples.split_cut_volume())
    begin = 416 + 3 * 256
    packed = lzo.pack_rays(data, begin)
    assert lzo.is_packed(packed, begin)
    assert lzo.unpack_rays(packed, begin) == data
    assert lzo.unpack_rays(packed + b"tail", begin) == data + b"tail"


@needs_codec
@settings(max_examples=60, deadline=None)
@given(st.integers(CUTS_END + 64, 2000))
def test_a_cut_off_file_gives_its_whole_rays(size: int) -> None:
    volume = one_cut(8)
    data = write_packed(volume)
    size = min(size, len(data) - 1)
    (first,) = struct.unpack_from("<i", data, CUTS_END + 36)
    if size < CUTS_END + 64 + first:
        assert reason_of(data[:size]) is Reason.TRUNCATED
        return
    found = read_standard(data[:size])
    (sweep,) = found.sweeps
    assert sweep.azimuth.size < 8
    assert found.truncated_at is not None
    assert found.remarks[-1].startswith("truncated at byte")
    kept = volume.sweeps[0].moments["DBZH"].codes[: sweep.azimuth.size]
    np.testing.assert_array_equal(sweep.moments["DBZH"].codes, kept)


@needs_codec
def test_an_unpacked_ray_among_packed_ones_is_read() -> None:
    volume = one_cut(3)
    packed, plain = write_packed(volume), write_standard(volume)
    (length,) = struct.unpack_from("<i", packed, CUTS_END + 36)
    mixed = packed[: CUTS_END + 64 + length] + plain[CUTS_END + 64 + 32 + 300 :]
    samples.assert_same(read_standard(mixed), volume)


@needs_codec
def test_mutants_are_read_or_refused() -> None:
    data = write_packed(replace(samples.split_cut_volume((9, 9, 9))))
    rng = np.random.default_rng(1)
    seen: Counter[str] = Counter()
    for _ in range(300):
        mutant = samples.mutate(data, rng, 416 + 3 * 256 + 400)
        try:
            found = read_standard(mutant)
        except ReadError as error:
            seen[error.reason] += 1
            continue
        seen["read"] += 1
        assert all(np.isfinite(s.azimuth).all() for s in found.sweeps)
    assert seen["read"] > 30
    assert seen[Reason.BAD_COMPRESSION] > 20
