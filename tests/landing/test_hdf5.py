"""What real files declare passes; what is refused is told by its reason (other hostile recipes: test_bombs)."""

import errno
import io
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.seeds import with_strings
from tests.landing import hostile
from tests.radar.test_xradar_door import odim
from wxcore.errors import LimitError, ReadError, Reason, TimeError
from wxcore.hdf5 import MAX_CHUNK_BYTES, check_hdf5, is_hdf5, open_checked, read_bytes
from wxcore.hdf5.check import CHUNK_SLACK_BYTES, MAX_CHUNKS, WHOLE_BYTES
from wxcore.hdf5.heaps import parts_between
from wxcore.radar.xradar_door import BROKEN

FILES = (odim(), with_strings(odim()))
ROOT = Path(__file__).parent.parent.parent


def check(data: bytes, **limits: int) -> None:
    with h5py.File(io.BytesIO(data), "r") as file:
        check_hdf5(file, "test", **limits)


def test_a_good_file_passes_up_to_its_very_size() -> None:
    check(odim())
    check(odim(), cap_bytes=12)  # 4 x 3 codes
    with pytest.raises(LimitError) as caught:
        check(odim(), cap_bytes=11)
    assert caught.value.reason == Reason.TOO_LARGE


def test_the_message_names_the_object_on_one_line() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["bad\nname\x1b" + "x" * 200] = h5py.SoftLink("/y")
    with pytest.raises(ReadError) as caught:
        check(buffer.getvalue())
    for text in (caught.value.en, caught.value.zh):
        assert text.isprintable()
        assert "bad" in text
        assert len(text) < 300
    assert caught.value.en != caught.value.zh


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0), value=st.integers(0, 255), strings=st.booleans())
def test_a_changed_byte_is_refused_or_passes_but_never_hangs(place: int, value: int, strings: bool) -> None:
    """In this process: what hangs would be this test. Half of the files have a heap."""
    damaged = bytearray(FILES[strings])
    damaged[place % len(damaged)] = value
    with suppress(ReadError, *BROKEN):
        check(bytes(damaged))


def check_on_disk(data: bytes, folder: Path) -> None:
    (folder / "x.h5").write_bytes(data)
    with h5py.File(folder / "x.h5", "r") as file:
        assert file.driver == "sec2"  # the one that is looked through in pieces
        check_hdf5(file, "test")


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
@pytest.mark.parametrize("data", [hostile.hanging_odim(), hostile.hanging_netcdf4()], ids=["odim", "netcdf4"])
def test_a_heap_without_end_is_refused_with_its_place(data: bytes, on_disk: bool, tmp_path: Path) -> None:
    with pytest.raises(ReadError) as caught:
        check_on_disk(data, tmp_path) if on_disk else check(data)
    assert caught.value.reason == Reason.BAD_VALUE
    assert caught.value.offset is not None
    assert data[caught.value.offset : caught.value.offset + 16] == bytes(16)  # object 0 of 0 bytes
    assert f"at byte {data.index(b'GCOL')} " in caught.value.en


def test_a_heap_of_any_claimed_size_is_looked_through_and_no_further() -> None:
    whole = FILES[True]
    heap = whole.index(b"GCOL")
    for claimed in (0, 15, 16, 2**32, 2**64 - 1):
        damaged = bytearray(whole)
        damaged[heap + 8 : heap + 16] = claimed.to_bytes(8, "little")
        with suppress(ReadError, *BROKEN):
            check(bytes(damaged))
    check(whole + b"GCOL\1\0\0\0")  # the last bytes of a file that only look like one


def test_many_entries_up_to_the_limit() -> None:
    check(hostile.many_datasets(2000))
    with pytest.raises(LimitError):
        check(hostile.many_datasets(20_000))


def test_real_files(data: Path) -> None:
    found = [path for path in data.rglob("*") if path.is_file() and h5py.is_hdf5(path)]
    assert len(found) >= 4
    for path in found:
        check(path.read_bytes())


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 4096])
def test_a_heap_is_found_wherever_the_pieces_end(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wxcore.hdf5.heaps._PIECE_BYTES", size)
    check_on_disk(FILES[True], tmp_path)
    for data in (hostile.hanging_odim(), hostile.hanging_netcdf4()):
        with pytest.raises(ReadError) as caught:
            check_on_disk(data, tmp_path)
        assert f"at byte {data.index(b'GCOL')} " in caught.value.en


def test_heaps_within_heaps_are_walked_through_once_and_not_a_million_times() -> None:
    """Each object holds the head of a heap that claims the rest of the file: n objects would be n * n / 2 steps."""
    entry = b"\1\0" + bytes(6) + (16).to_bytes(8, "little") + b"GCOL\1\0\0\0" + (2**62).to_bytes(8, "little")
    last = b"\1\0" + bytes(6) + (2**50).to_bytes(8, "little")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["d"] = np.frombuffer(entry * 20_000 + last, "u1")
    with pytest.raises(LimitError) as caught:
        check(buffer.getvalue())
    assert caught.value.reason == Reason.TOO_LARGE
    assert "objects in heaps" in caught.value.en


@pytest.mark.parametrize("place", ["attribute", "member of a compound attribute", "dataset"])
@pytest.mark.parametrize("says", [2, 4, 15])
def test_variable_length_of_neither_list_nor_text_is_refused(place: str, says: int) -> None:
    """Reading such a value crashed the library (HDF5 2.0.0): without the check this test would end with the process."""
    text = h5py.string_dtype()
    values = {
        "attribute": lambda file: file.attrs.__setitem__("a", "text"),
        "member of a compound attribute": lambda file: file.attrs.create(
            "a", np.array((1, "text"), [("n", "i4"), ("t", text)])
        ),
        "dataset": lambda file: file.__setitem__("d", "text"),
    }
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        values[place](file)
    whole = buffer.getvalue()
    kind = whole.index(b"\x19\x01\x01\0")  # class 9, version 1: a text in UTF-8
    check(whole)
    check(whole[: kind + 1] + b"\0" + whole[kind + 2 :])  # a list of letters
    with pytest.raises(ReadError) as caught:
        check(whole[: kind + 1] + bytes([says]) + whole[kind + 2 :])
    assert caught.value.reason == Reason.BAD_VALUE


PEAK = """
import sys
from pathlib import Path
from wxcore.hdf5 import open_checked
def peak(path):
    with open_checked(Path(path), path, "test") as file:
        file["d"][:8, :8]
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
print(peak(sys.argv[1]), peak(sys.argv[2]))
"""
"""Not by getrusage, which tells the peak of the parent before exec if that was larger."""


def test_checking_a_large_file_takes_no_memory_of_its_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for name, megabytes in (("small", 1), ("large", 200)):
        with h5py.File(tmp_path / name, "w") as file:
            data = file.create_dataset("d", (1000 * megabytes, 1000), "u1", chunks=(1000, 1000), compression="gzip")
            for number in range(megabytes):  # as the filter would leave them where they do not shrink: as they are
                data.id.write_direct_chunk((1000 * number, 0), rng.bytes(10**6), filter_mask=1)
    assert (tmp_path / "large").stat().st_size > 200e6
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "small"), str(tmp_path / "large")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    small, large = map(int, done.stdout.split())
    assert large - small < 16 * 2**20


BOMB = """
import sys
from pathlib import Path
import h5py
from wxcore.errors import LimitError
from wxcore.hdf5 import open_checked
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
before = peak()
try:
    with open_checked(Path(sys.argv[1]), "x", "test") as file:
        file["d"][0]
except LimitError as error:
    print(error.reason, peak() - before)
with h5py.File(sys.argv[1]) as file:
    file["d"][0]
print(peak() - before)
"""


def stored_as(stored: bytes, chunk: int = 1024, **more: object) -> bytes:
    """A dataset of one chunk whose stored bytes are these."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        data = file.create_dataset("d", shape=(chunk,), dtype="u1", chunks=(chunk,), **({"compression": "gzip"} | more))
        data.id.write_direct_chunk((0,), stored)
    return buffer.getvalue()


def test_a_chunk_that_would_unpack_to_hundreds_of_megabytes_is_refused_from_metadata(tmp_path: Path) -> None:
    """What it declares is 1 kB. Read without the check it takes them all."""
    packer = zlib.compressobj()
    zeros = b"".join([*(packer.compress(bytes(2**20)) for _ in range(300)), packer.flush()])
    (tmp_path / "bomb.h5").write_bytes(stored_as(zeros))
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(tmp_path / "bomb.h5")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    reason, checked, unchecked = done.stdout.split()
    assert reason == Reason.TOO_LARGE
    assert int(checked) < 16 * 2**20
    assert int(unchecked) > 250 * 2**20


@pytest.mark.parametrize("chunk", [1, 1024, 800_000])
@pytest.mark.parametrize("packed", [True, False])
def test_a_stored_chunk_may_be_a_little_larger_than_what_is_in_it(chunk: int, packed: bool) -> None:
    most = chunk + chunk // 8 + CHUNK_SLACK_BYTES
    more = {"compression": "gzip" if packed else None}
    check(stored_as(bytes(most), chunk, **more))
    with pytest.raises(LimitError) as caught:
        check(stored_as(bytes(most + 1), chunk, **more))
    assert caught.value.reason == Reason.TOO_LARGE
    assert f"takes {most + 1} in the file" in caught.value.en


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_every_chunk_is_looked_at_whatever_their_index(libver: str) -> None:
    for shape, maxshape in (((40,), None), ((40,), (None,)), ((40, 2), (None, None))):
        for bad in (0, 17, 39):
            buffer = io.BytesIO()
            with h5py.File(buffer, "w", libver=libver) as file:
                side = (1, *shape[1:])
                data = file.create_dataset("d", shape, "u1", chunks=side, maxshape=maxshape, compression="gzip")
                for number in range(40):
                    place = (number, *[0] * (len(shape) - 1))
                    data.id.write_direct_chunk(place, bytes(5000 if number == bad else 10))
            with pytest.raises(LimitError) as caught:
                check(buffer.getvalue())
            assert "takes 5000 in the file" in caught.value.en


def test_what_does_not_shrink_passes() -> None:
    """Noise packed by each filter of the library."""
    noise = np.random.default_rng(3).integers(0, 2**16, 10**6).astype("u2")
    for more in (
        {"compression": "gzip"}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"fletcher32": True},
        {"scaleoffset": 0}, {"scaleoffset": 0, "compression": "gzip"},
    ):  # fmt: skip
        for chunk in (100, 10**6):
            buffer = io.BytesIO()
            with h5py.File(buffer, "w") as file:
                file.create_dataset("d", data=noise[: 10 * chunk], chunks=(chunk,), **more)
            check(buffer.getvalue())


def test_packing_twice_is_refused() -> None:
    """Each time a thousandth: a million times as much comes out of it."""
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk((100,))
    created.set_deflate(9)
    created.set_deflate(9)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        h5py.h5d.create(file.id, b"d", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((100,)), created)
    with pytest.raises(ReadError) as caught:
        check(buffer.getvalue())
    assert caught.value.reason == Reason.UNSUPPORTED
    assert "packed twice" in caught.value.en


@pytest.mark.parametrize("early", [True, False])
def test_many_chunks_up_to_the_limit(early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All together, of all datasets; also where none is stored, and where their places follow from the first."""

    def chunks(*counts: int) -> bytes:
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_chunk((1,))
        created.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY if early else h5py.h5d.ALLOC_TIME_LATE)
        buffer = io.BytesIO()
        with h5py.File(buffer, "w", libver="latest") as file:
            for count in counts:
                space = h5py.h5s.create_simple((count,))
                h5py.h5d.create(file.id, b"d%d" % count, h5py.h5t.STD_U8LE, space, created)
        return buffer.getvalue()

    assert MAX_CHUNKS == 1_000_000
    monkeypatch.setattr("wxcore.hdf5.check.MAX_CHUNKS", 1000)
    check(chunks(400, 600))
    for counts in ((1001,), (401, 600)):
        with pytest.raises(LimitError) as caught:
            check(chunks(*counts))
        assert "chunks" in caught.value.en


@given(
    taken=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda one: (one[0], sum(one)))),
    length=st.integers(0, 50),
)
def test_parts_between_are_all_that_is_left(taken: list[tuple[int, int]], length: int) -> None:
    left = [place for first, after in parts_between(taken, length) for place in range(first, after)]
    assert left == [place for place in range(length) if not any(first <= place < after for first, after in taken)]


LOOP = b"GCOL\1\0\0\0" + (64).to_bytes(8, "little") + bytes(48)
"""A heap without end."""


def with_data(values: np.ndarray, user_block: int = 0, libver: str = "earliest") -> bytes:
    """A file of 80 kB of data and some texts of variable length."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=user_block, libver=libver) as file:
        file.attrs["before"] = "text"
        file["plain"] = values
        file.create_dataset("chunks", data=np.tile(values, 8), chunks=values.shape)
        file.create_dataset("growing", data=np.tile(values, 8), chunks=values.shape, maxshape=(None,))
        for number in range(100):
            file.attrs[f"after {number}"] = "text" * 50
    return buffer.getvalue()


@pytest.mark.parametrize("user_block", [0, 512])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_the_stored_data_of_a_large_file_are_not_searched(
    user_block: int, libver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no heaps, whatever they look like; each byte of them shows when it is searched."""
    look_alike = with_data(np.frombuffer(LOOP * 100, "u1"), user_block, libver)
    with pytest.raises(ReadError):
        check_on_disk(look_alike, tmp_path)
    monkeypatch.setattr("wxcore.hdf5.check.WHOLE_BYTES", 0)
    check_on_disk(look_alike, tmp_path)
    check(look_alike)


@pytest.mark.parametrize("user_block", [0, 512])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_all_else_of_a_large_file_is_searched(
    user_block: int, libver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wxcore.hdf5.check.WHOLE_BYTES", 0)
    whole = with_data(np.arange(6400) % 251, user_block, libver)
    check_on_disk(whole, tmp_path)
    places = [found.start() for found in re.finditer(b"GCOL", whole)]
    assert len(places) > 3
    for at in places:
        damaged = whole[: at + 16] + bytes(16) + whole[at + 32 :]  # its first object
        for look in (check, lambda data: check_on_disk(data, tmp_path)):
            with pytest.raises(ReadError) as caught:
                look(damaged)
            assert caught.value.offset == at + 16
    with pytest.raises(ReadError):
        check_on_disk(whole + LOOP, tmp_path)
    for data in (hostile.hanging_odim(), hostile.hanging_netcdf4()):
        with pytest.raises(ReadError, match="damaged heap"):
            check_on_disk(data, tmp_path)


def test_a_file_is_searched_as_a_whole_up_to_a_size(tmp_path: Path) -> None:
    """Before anything else of it, so that a virtual dataset or a fill text cannot lead the library into a loop."""
    look_alike = with_data(np.frombuffer(LOOP * 100, "u1"))
    fill = WHOLE_BYTES - len(look_alike)
    with pytest.raises(ReadError, match="damaged heap"):
        check_on_disk(look_alike + bytes(fill), tmp_path)
    check_on_disk(look_alike + bytes(fill + 1), tmp_path)


def test_inside_of_its_with_block_a_file_is_the_same_checked_one(chunked: bytes, tmp_path: Path) -> None:
    path, other = tmp_path / "x.h5", tmp_path / "y.h5"
    path.write_bytes(chunked)
    other.write_bytes(odim())
    with open_checked(path, "x", "HDF5") as outer:
        path.write_bytes(b"replaced, which nobody inside may notice")
        path.unlink()
        for _ in range(2):
            with open_checked(path, "x", "The Format") as inner:
                assert inner is outer
        with open_checked(other, "y", "The Format") as another, open_checked(other, "y", "The Format") as again:
            assert again is another is not outer
        assert not another
        with open_checked(path, "x", "The Format") as inner:
            assert inner["Data/plain"].shape == (100_000,)
    assert not outer
    with pytest.raises(ReadError) as caught, open_checked(path, "x", "The Format"):
        pass
    assert caught.value.reason == Reason.NOT_FOUND


def test_a_smaller_cap_holds_inside_of_a_larger_one(chunked: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(chunked)
    with open_checked(path, "x", "HDF5", cap_bytes=800_000):  # two times 100,000 of 4 bytes
        with open_checked(path, "x", "The Format", cap_bytes=800_000):
            pass
        with pytest.raises(LimitError) as caught, open_checked(path, "x", "The Format", cap_bytes=799_999):
            pass
        assert caught.value.reason == Reason.TOO_LARGE
        assert "The Format" in caught.value.en


def test_what_fails_inside_is_told_as_the_reader_calls_it(chunked: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(chunked)
    with open_checked(path, "x", "HDF5"):
        with pytest.raises(ReadError) as caught, open_checked(path, "the name", "The Format") as file:
            file["nope"]
        assert caught.value.en.startswith("the name: The Format: ")
        with pytest.raises(OSError, match="disk"), open_checked(path, "the name", "The Format"):
            raise OSError(errno.EIO, "disk")


def test_other_threads_get_a_file_of_their_own(chunked: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(chunked)

    def opened() -> bool:
        with open_checked(path, "x", "The Format") as file:
            return file is not outer

    with open_checked(path, "x", "HDF5") as outer, ThreadPoolExecutor(1) as pool:
        assert pool.submit(opened).result()
        assert outer


def test_hdf5_by_its_first_bytes() -> None:
    assert is_hdf5(odim()[:8])
    assert not is_hdf5(odim()[1:])
    assert not is_hdf5(b"CDF\x01")
    assert not is_hdf5(b"")


def test_read_bytes_reads_everything_from_a_file_that_is_gone_afterwards() -> None:
    seen: list[Path] = []

    def read_path(path: Path, name: str, box: None) -> tuple[bytes, str, None]:
        seen.append(path)
        return path.read_bytes(), name, box

    assert read_bytes(read_path)(b"abc", "a.HDF") == (b"abc", "a.HDF", None)
    assert not seen[0].exists()


def test_one_chunk_that_is_too_large_is_refused_whatever_the_cap() -> None:
    def chunk_of(size: int) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.create_dataset("d", shape=(1,), maxshape=(None,), chunks=(size,), dtype="u1")
        return buffer.getvalue()

    check(chunk_of(MAX_CHUNK_BYTES), cap_bytes=2**40)
    with pytest.raises(LimitError) as caught:
        check(chunk_of(MAX_CHUNK_BYTES + 1), cap_bytes=2**40)
    assert caught.value.reason == Reason.TOO_LARGE
    assert "chunk" in caught.value.en


def refusal(data: bytes, folder: Path, use: Callable[[h5py.File], object]) -> ReadError:
    """How a file is refused, being opened or used."""
    path = folder / "x.h5"
    path.write_bytes(data)
    with pytest.raises(ReadError) as caught, open_checked(path, "the file", "The Format") as file:
        use(file)
    error = caught.value
    assert error.en != error.zh
    assert str(folder) not in error.en + error.zh
    for text in (error.en, error.zh):
        assert text.isprintable()
        assert text.startswith(("the file: The Format: ", "the file：The Format：", "The Format"))
    return error


@pytest.fixture(scope="module")
def chunked() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        values = np.arange(100_000, dtype="i4") * 7919 % 1000
        file.create_dataset("Data/d", data=values, chunks=(1000,), compression="gzip")
        file["Data/plain"] = values
    return buffer.getvalue()


@pytest.mark.parametrize("left", [100, 3000, 100_000, -1])
def test_a_file_cut_short_is_truncated(left: int, chunked: bytes, tmp_path: Path) -> None:
    assert refusal(chunked[:left], tmp_path, lambda _: None).reason == Reason.TRUNCATED


@pytest.mark.parametrize("data", [b"", b"hello" * 1000, b"\x89HDF\r\n\x1a\n" + bytes(500)], ids=["0", "text", "head"])
def test_what_is_not_hdf5_has_a_bad_header(data: bytes, tmp_path: Path) -> None:
    assert refusal(data, tmp_path, lambda _: None).reason == Reason.BAD_HEADER


def test_no_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ReadError) as caught, open_checked(tmp_path / "none", "none", "The Format"):
        pass
    assert caught.value.reason == Reason.NOT_FOUND


def test_damage_that_is_met_later_is_a_bad_value(chunked: bytes, tmp_path: Path) -> None:
    with h5py.File(io.BytesIO(chunked), "r") as file:
        place, size = file["Data/d"].id.get_chunk_info(3)[2:]
    damaged = chunked[:place] + bytes(size) + chunked[place + size :]
    assert refusal(damaged, tmp_path, lambda file: file["Data/d"][3000:3001]).reason == Reason.BAD_VALUE


@pytest.mark.parametrize("path", ["nope", "Data/NOMChannel01", "nope/NOMChannel01", "Data/d/x\ny"])
def test_what_is_missing_is_named(path: str, chunked: bytes, tmp_path: Path) -> None:
    error = refusal(chunked, tmp_path, lambda file: file[path])
    assert error.reason == Reason.BAD_VALUE
    for text in (error.en, error.zh):
        assert repr(path) in text


@pytest.mark.parametrize(
    "use",
    [
        lambda file: file["Data"].shape,
        lambda file: file["Data/d"]["field"],
        lambda file: file["Data/d"][:, 0],
        lambda file: file["Data/d"].attrs["nope"],
        lambda file: dict(file.attrs)["own key"],
        lambda file: 1 // file.attrs.get("steps", 0),
    ],
    ids=["group for dataset", "no field", "too many dimensions", "no attribute", "own key", "division by 0"],
)
def test_what_comes_of_wrong_contents_is_a_bad_value(
    use: Callable[[h5py.File], object], chunked: bytes, tmp_path: Path
) -> None:
    assert refusal(chunked, tmp_path, use).reason == Reason.BAD_VALUE


def test_asking_for_more_memory_than_there_is_breaks_a_limit(chunked: bytes, tmp_path: Path) -> None:
    error = refusal(chunked, tmp_path, lambda _: np.ones(2**50))
    assert isinstance(error, LimitError)
    assert error.reason == Reason.TOO_LARGE


@pytest.mark.parametrize(
    "error",
    [
        ReadError(Reason.OUTSIDE_REGION, "en", "zh"),
        LimitError(Reason.TOO_LARGE, "en", "zh"),
        TimeError("en", "zh"),
        OSError(errno.EIO, "disk"),
        OSError(errno.ENOMEM, "memory"),
        OSError(errno.EMFILE, "files"),
    ],
    ids=repr,
)
def test_what_says_nothing_of_damage_passes_unchanged(error: Exception, chunked: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(chunked)
    with pytest.raises(type(error)) as caught, open_checked(tmp_path / "x.h5", "x", "The Format"):
        raise error
    assert caught.value is error


def test_too_many_open_files_are_not_the_files_fault(chunked: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(chunked)
    code = (
        "import resource, sys; from pathlib import Path; from wxcore.hdf5 import open_checked\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "try:\n with open_checked(Path(sys.argv[1]), 'x', 'The Format'): pass\n"
        "except OSError as error: print(error.errno)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "x.h5")]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(errno.EMFILE)
