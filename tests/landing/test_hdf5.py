"""What real files declare passes; what is refused is told by its reason (each hostile recipe: test_bombs)."""

import io
from pathlib import Path

import h5py
import pytest

from tests.landing import hostile
from tests.radar.test_xradar_door import odim
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.hdf5 import check_hdf5


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


def test_many_entries_up_to_the_limit() -> None:
    check(hostile.many_datasets(2000))
    with pytest.raises(LimitError):
        check(hostile.many_datasets(20_000))


def test_real_files(data: Path) -> None:
    found = [path for path in data.rglob("*") if path.is_file() and h5py.is_hdf5(path)]
    assert len(found) >= 4
    for path in found:
        check(path.read_bytes())
