"""Compression by magic bytes, with caps that hold."""

import bz2
import gzip
import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.landing import unpack as unpacking
from wxcore.landing.unpack import unpack, unpack_bytes

ROOT = Path(__file__).parent.parent.parent
RANDOM = bytes(range(256)) * 40 + os.urandom(300_000)


def zipped(*members: bytes, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = comment
        for number, data in enumerate(members):
            archive.writestr(f"{number}.bin", data)
    return out.getvalue()


def reason_of(data: bytes, **limits: int) -> Reason:
    with pytest.raises(ReadError) as caught:
        unpack_bytes(data, "x", **limits)
    assert caught.value.zh != caught.value.en
    return caught.value.reason


@pytest.mark.parametrize(
    ("data", "compression"),
    [
        (RANDOM, ""),
        (bz2.compress(RANDOM), "bz2"),
        (bz2.compress(RANDOM[:1000]) + bz2.compress(RANDOM[1000:]), "bz2"),
        (bz2.compress(RANDOM) + bytes(500), "bz2"),
        (gzip.compress(RANDOM), "gzip"),
        (gzip.compress(RANDOM[:7]) + gzip.compress(RANDOM[7:]), "gzip"),
        (zipped(RANDOM), "zip"),
        (gzip.compress(bz2.compress(RANDOM)), "gzip+bz2"),
        (zipped(bz2.compress(RANDOM)), "zip+bz2"),
    ],
)
def test_every_compression(data: bytes, compression: str, tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(data)
    found = unpack(path)
    assert (found.data, found.compression, found.complete) == (RANDOM, compression, True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=4), st.sampled_from([bz2, gzip]))
def test_streams_join(parts: list[bytes], codec: object) -> None:
    parts = [b"\0", *parts]  # content that begins like a compressed file would be unpacked further
    data = b"".join(codec.compress(part) for part in parts)  # type: ignore[attr-defined]
    found = unpack_bytes(data, "x")
    assert found.data == b"".join(parts)
    assert found.complete


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([bz2.compress(RANDOM), gzip.compress(RANDOM), zipped(RANDOM)]), st.data())
def test_damage_is_told_and_never_crashes(whole: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(whole) - 1))
    flip = data.draw(st.integers(0, len(whole) - 1))
    for damaged in (whole[:cut], whole[:flip] + bytes([whole[flip] ^ 0x41]) + whole[flip + 1 :]):
        try:
            found = unpack_bytes(damaged, "x")
        except ReadError as error:
            assert error.reason in {  # noqa: PT017 (either outcome is right, each in its way)
                Reason.BAD_COMPRESSION, Reason.TRUNCATED, Reason.UNSUPPORTED, Reason.EMPTY,
            }  # fmt: skip
        else:
            # A header's name or date may change harmlessly; a magic number that breaks leaves plain bytes.
            assert found.data == RANDOM or not found.complete or found.compression == ""


@pytest.mark.parametrize(("compress", "name"), [(bz2.compress, "bz2"), (gzip.compress, "gzip")])
def test_a_truncated_stream_keeps_its_good_beginning(compress: object, name: str) -> None:
    # bz2 works in blocks of 900 kB: half of 4 MB still holds whole blocks.
    many = os.urandom(4_000_000)
    whole = compress(many)  # type: ignore[operator]
    found = unpack_bytes(whole[: len(whole) // 2], "x")
    assert not found.complete
    assert found.compression == name
    assert 900_000 < len(found.data) < len(many)
    assert many.startswith(found.data)


@pytest.mark.parametrize("split", range(1, 12))
def test_streams_in_reads_of_any_length(split: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "BLOCK_IN", split)
    for codec in (bz2, gzip):
        found = unpack_bytes(b"".join(codec.compress(part) for part in (b"one", b"two", b"three")), "x")
        assert (found.data, found.complete) == (b"onetwothree", True)


def test_damage_behind_a_stream_is_not_complete() -> None:
    found = unpack_bytes(bz2.compress(RANDOM) + b"BZx damaged second stream", "x")
    assert (found.data, found.complete) == (RANDOM, False)


def test_reasons() -> None:
    assert reason_of(b"") == Reason.EMPTY
    assert reason_of(bz2.compress(b"")) == Reason.EMPTY
    assert reason_of(bz2.compress(RANDOM)[:40]) == Reason.TRUNCATED
    assert reason_of(bz2.compress(RANDOM)[:9]) == Reason.TRUNCATED
    assert reason_of(gzip.compress(RANDOM)[:5]) == Reason.TRUNCATED
    flipped = bytearray(bz2.compress(RANDOM))
    flipped[len(flipped) // 2] ^= 0xFF
    assert reason_of(bytes(flipped)) == Reason.BAD_COMPRESSION
    flipped = bytearray(gzip.compress(RANDOM))
    flipped[-6] ^= 0xFF  # the CRC
    assert reason_of(bytes(flipped)) == Reason.BAD_COMPRESSION
    assert reason_of(zipped(RANDOM)[:-30]) == Reason.BAD_COMPRESSION
    assert reason_of(zipped(RANDOM, RANDOM)) == Reason.UNSUPPORTED
    assert reason_of(gzip.compress(gzip.compress(gzip.compress(RANDOM)))) == Reason.BAD_COMPRESSION


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, reason in {
        "empty": Reason.EMPTY, "folder": Reason.IS_DIRECTORY, "pipe": Reason.NOT_A_FILE,
        "dangling": Reason.NOT_FOUND, "loop": Reason.NOT_FOUND, "absent": Reason.NOT_FOUND,
        "n" * 300: Reason.NOT_FOUND, "nul\0byte": Reason.NOT_FOUND,
    }.items():  # fmt: skip
        with pytest.raises(ReadError) as caught:
            unpack(tmp_path / name)
        assert caught.value.reason == reason, name
    with pytest.raises(ReadError, match="device") as caught:
        unpack(Path("/dev/zero"))
    assert caught.value.reason == Reason.NOT_A_FILE
    (tmp_path / "good").write_bytes(b"good")
    (tmp_path / "link").symlink_to(tmp_path / "good")
    assert unpack(tmp_path / "link").data == b"good"


def bomb(compressor: object, size: int) -> bytes:
    block = bytes(2**20)
    parts = [compressor.compress(block) for _ in range(size // len(block))]  # type: ignore[attr-defined]
    return b"".join([*parts, compressor.flush()])  # type: ignore[attr-defined]


def test_bombs_are_refused() -> None:
    one = bomb(bz2.BZ2Compressor(), 64 * 2**20)
    assert reason_of(one) == Reason.TOO_LARGE  # by its ratio
    assert reason_of(one * 3) == Reason.TOO_LARGE
    assert reason_of(gzip.compress(one)) == Reason.TOO_LARGE
    assert reason_of(bomb(zlib.compressobj(9, zlib.DEFLATED, 31), 64 * 2**20), cap_bytes=10**7) == Reason.TOO_LARGE
    assert reason_of(zipped(bytes(64 * 2**20)), cap_bytes=10**7) == Reason.TOO_LARGE
    assert reason_of(RANDOM, cap_bytes=1000) == Reason.TOO_LARGE
    assert reason_of(bz2.compress(RANDOM), cap_bytes=len(RANDOM) - 1) == Reason.TOO_LARGE
    assert unpack_bytes(bz2.compress(RANDOM), "x", cap_bytes=len(RANDOM)).complete
    with pytest.raises(LimitError):
        unpack_bytes(one, "x")


PEAK = """
import resource, sys
from pathlib import Path
from wxcore.errors import ReadError
from wxcore.landing.unpack import unpack
cap = int(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(len(unpack(Path(sys.argv[1]), cap_bytes=cap, ratio_cap=10**9).data))
except ReadError as error:
    print(error.reason)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize(("megabytes", "refused"), [(127, False), (300, True)])
def test_peak_memory_stays_under_the_cap_and_64_mib(megabytes: int, refused: bool, tmp_path: Path) -> None:
    cap = 128 * 2**20
    path = tmp_path / "bomb.gz"
    path.write_bytes(bomb(zlib.compressobj(1, zlib.DEFLATED, 31), megabytes * 2**20))
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path), str(cap)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said, peak = done.stdout.split()
    assert said == ("TOO_LARGE" if refused else str(megabytes * 2**20))
    assert int(peak) <= cap + 64 * 2**20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zips_whose_method_has_no_bounded_read_are_refused(method: int) -> None:
    data = zipped(bytes(64 * 2**20), method=method)
    with pytest.raises(ReadError) as caught:
        unpack_bytes(data, "x")
    assert caught.value.reason == Reason.UNSUPPORTED
    assert reason_of(data[:60] + b"\xff" * 20 + data[80:]) in {Reason.UNSUPPORTED, Reason.BAD_COMPRESSION}


@pytest.mark.parametrize("comment", [b"", b"made by hand", b"c" * 65_535])
def test_zips_that_are_stored_or_have_a_comment(comment: bytes) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert unpack_bytes(zipped(RANDOM, method=method, comment=comment), "x").data == RANDOM
    many = zipped(*[b"x"] * 101, comment=comment)
    assert reason_of(many) == Reason.TOO_LARGE
    assert reason_of(zipped(*[b"x"] * 100, comment=comment)) == Reason.UNSUPPORTED


def test_a_zip_that_says_more_in_its_zip64_than_in_its_end() -> None:
    data = zipped(RANDOM)
    end = data[-22:]
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, 47 * 10**6, 30)
    assert reason_of(data[:-22] + record + locator + end) == Reason.TOO_LARGE


def test_a_zip_whose_member_lies_beyond_its_end() -> None:
    data = bytearray(zipped(RANDOM))
    struct.pack_into("<L", data, data.rindex(b"PK\1\2") + 42, len(data) - 10)
    assert reason_of(bytes(data)) == Reason.BAD_COMPRESSION


@pytest.mark.parametrize("codec", [bz2, gzip])
def test_streams_are_counted(codec: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_STREAMS", 20)
    one = codec.compress(b"1")  # type: ignore[attr-defined]
    assert unpack_bytes(one * 20, "x").data == b"1" * 20
    assert reason_of(one * 21) == Reason.TOO_LARGE


@pytest.mark.parametrize("data", [RANDOM, bz2.compress(RANDOM), gzip.compress(RANDOM), zipped(RANDOM)])
def test_a_disk_that_fails_says_nothing_about_the_bytes(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BadSector(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            if self.tell() > 0:
                raise OSError(5, "Input/output error")
            return super().read(size if size > 0 else 16)

    (path := tmp_path / "x").write_bytes(data)
    monkeypatch.setattr(unpacking, "open_regular", lambda _: (BadSector(path), len(data)))
    with pytest.raises(OSError, match="Input/output"):
        unpack(path)


def test_a_real_volume(radar_data: Path) -> None:
    for path in sorted((radar_data / "cinrad_base").glob("Z_RADR_I_Z95*.bz2")):
        found = unpack(path)
        assert found.complete
        assert found.data == bz2.decompress(path.read_bytes())
