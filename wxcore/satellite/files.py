"""What all readers of satellite files in HDF5 share: attributes in any dress, and times."""

from datetime import UTC, datetime
from typing import Any, Literal

import h5py
import numpy as np

from wxcore.errors import ReadError, Reason, is_our_trouble

HDF5_CAP_BYTES = 4 * 2**30
"""Most bytes that a satellite file may declare [our choice]: full disks at 250-500 m; only windows are read."""

TEXT_SHOWN = 60


def attribute_text(item: h5py.File | h5py.Group | h5py.Dataset, *names: str) -> str | None:
    """The first of the attributes that exists and is one value, as stripped text; None where there is none.

    Bytes (UTF-8, else latin-1), numpy strings, numbers and arrays of one all become text, which can be encoded: what
    is no letter comes out as "?".

    Raises:
        OSError: OUR_TROUBLE.
    """
    for name in names:
        value = _single(item, name)
        if value is not None:
            return _text(value)
    return None


def attribute_number(item: h5py.File | h5py.Group | h5py.Dataset, *names: str) -> float | None:
    """The first of the attributes that exists and is one finite number (arrays of one, text too); else None.

    Raises:
        OSError: OUR_TROUBLE.
    """
    for name in names:
        value = _single(item, name)
        if value is None:
            continue
        try:
            number = float(_text(value) if isinstance(value, bytes | str) else value)
        except (TypeError, ValueError):
            continue
        if np.isfinite(number):
            return number
    return None


def observing_time(file: h5py.File | h5py.Group, which: Literal["Beginning", "Ending"]) -> datetime:
    """UTC of 'Observing Beginning (Ending) Date' and '... Time', "07:00:00" or "07:00:00.123" (FORMATS.md B).

    Raises:
        ReadError: BAD_HEADER where an attribute is missing or is no date or time.
        OSError: OUR_TROUBLE.
    """
    day, clock = (attribute_text(file, f"Observing {which} {part}") for part in ("Date", "Time"))
    found = f"{day or ''} {clock or ''}".strip()
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"):
        try:
            return datetime.strptime(_six_digits(found), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    what = f"Observing {which} Date/Time"
    raise ReadError(
        Reason.BAD_HEADER,
        f"attributes {what!r}: found {found[:TEXT_SHOWN]!r}, expected such as '2025-02-26 07:00:00.123': fetch again",
        f"属性 {what!r}：实为 {found[:TEXT_SHOWN]!r}，应如 '2025-02-26 07:00:00.123'，请重新获取文件",
    )


def _six_digits(clock: str) -> str:
    """The same time with at most six digits of the fraction, and no zone letter."""
    whole, dot, fraction = clock.removesuffix("Z").partition(".")
    return whole + dot + fraction[:6]


def _single(item: h5py.File | h5py.Group | h5py.Dataset, name: str) -> Any:
    """An attribute's one value; None where it is missing, empty, of many values, or of a type h5py cannot give."""
    try:
        if name not in item.attrs:
            return None
        value = np.asarray(item.attrs[name])
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as cause:
        if is_our_trouble(cause):
            raise
        return None
    return value.reshape(-1)[0] if value.size == 1 and value.dtype.kind in "biufSUO" else None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    return str(value).encode("utf-8", "replace").decode("utf-8").replace("\0", " ").strip()
