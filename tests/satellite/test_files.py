"""Attributes in any dress, times, whole bytes."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from wxcore.errors import ReadError, Reason
from wxcore.hdf5 import is_hdf5, read_bytes
from wxcore.satellite.files import attribute_number, attribute_text, observing_time
from wxcore.schema import Box


def opened(**attributes: Any) -> h5py.File:
    file = h5py.File(io.BytesIO(), "w")
    for name, value in attributes.items():
        file.attrs[name.replace("_", " ")] = value
    return file


def test_is_hdf5() -> None:
    assert is_hdf5(b"\x89HDF\r\n\x1a\n\0\0")
    assert not is_hdf5(b"CDF\x01")
    assert not is_hdf5(b"")


@pytest.mark.parametrize(
    "value",
    ["FY4B", b"FY4B", np.bytes_(b"FY4B\0"), np.array([b"FY4B "]), np.array(["FY4B"], h5py.string_dtype()), " FY4B "],
)
def test_text_in_any_dress(value: Any) -> None:
    assert attribute_text(opened(name=value), "name") == "FY4B"


def test_text_that_is_not_utf8_does_not_raise() -> None:
    assert attribute_text(opened(name=np.bytes_(b"\xb7\xe7")), "name") == "·ç"


def test_first_name_that_exists() -> None:
    assert attribute_text(opened(b="2", c="3"), "a", "b", "c") == "2"
    assert attribute_text(opened(), "a") is None
    assert attribute_text(opened(a=np.array(["1", "2"], h5py.string_dtype())), "a") is None


@pytest.mark.parametrize("value", [105, np.float32(105), np.array([105], "i2"), np.array([[105.0]]), "105", b"105.0"])
def test_number_in_any_dress(value: Any) -> None:
    assert attribute_number(opened(name=value), "name") == 105


@pytest.mark.parametrize("value", [np.nan, np.inf, "east", np.array([1, 2]), np.zeros(0)])
def test_what_is_no_number(value: Any) -> None:
    assert attribute_number(opened(name=value), "name") is None
    assert attribute_number(opened(name=value, other=7), "name", "other") == 7


@pytest.mark.parametrize(
    ("clock", "microsecond"),
    [("10:30:02", 0), ("10:30:02.347", 347000), ("10:30:02.3471239", 347123), ("10:30:02.347Z", 347000)],
)
def test_times_with_and_without_a_fraction(clock: str, microsecond: int) -> None:
    file = opened(Observing_Beginning_Date="2025-06-09", Observing_Beginning_Time=np.bytes_(clock))
    assert observing_time(file, "Beginning") == datetime(2025, 6, 9, 10, 30, 2, microsecond, tzinfo=UTC)


@pytest.mark.parametrize("clock", ["", "25:00:00", "noon", "10:30"])
def test_what_is_no_time(clock: str) -> None:
    file = opened(Observing_Ending_Date="2025-06-09", Observing_Ending_Time=clock)
    with pytest.raises(ReadError, match="Observing Ending") as caught:
        observing_time(file, "Ending")
    assert caught.value.reason is Reason.BAD_HEADER


def test_read_bytes_reads_everything_from_a_file_that_is_gone_afterwards() -> None:
    seen: list[Path] = []

    def read_path(path: Path, name: str, box: Box | None) -> tuple[bytes, str, Box | None]:
        seen.append(path)
        return path.read_bytes(), name, box

    assert read_bytes(read_path)(b"abc", "a.HDF") == (b"abc", "a.HDF", None)
    assert not seen[0].exists()
