"""What real files declare passes; what is refused is told by its reason (other hostile recipes: test_bombs)."""

import io
from contextlib import suppress
from pathlib import Path

import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.seeds import with_strings
from tests.landing import hostile
from tests.radar.test_xradar_door import odim
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.hdf5 import check_hdf5
from wxcore.radar.xradar_door import BROKEN

FILES = (odim(), with_strings(odim()))


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


@pytest.mark.parametrize("data", [hostile.hanging_odim(), hostile.hanging_netcdf4()], ids=["odim", "netcdf4"])
def test_a_heap_without_end_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(ReadError) as caught:
        check(data)
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
