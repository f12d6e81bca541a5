"""One file to its native object: unpack within limits, identify by bytes, decode (in a child where C parses)."""

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wxcore.errors import ReadError, Reason
from wxcore.landing.guard import GuardError, run_guarded
from wxcore.landing.identify import identify
from wxcore.landing.unpack import unpack
from wxcore.pipeline.formats import FORMATS
from wxcore.radar.volume import Volume
from wxcore.schema import HEAD_BYTES, Description, Format


@dataclass(frozen=True)
class Reading:
    """A decoded file: its format, the native object (a Volume or a mosaic), and what it is."""

    format: Format
    native: Any
    description: Description


def read_file(path: Path, name: str) -> Reading:
    """Read one file, whatever its format; `name` is the base name it came with.

    Raises:
        ReadError: with the reason why not.
        OSError: trouble of ours, which says nothing about the file (`files.OUR_TROUBLE`, GuardError).
    """
    unpacked = unpack(path, name=name)
    found = identify(unpacked.data[:HEAD_BYTES], name, FORMATS)
    if not unpacked.complete:
        raise _truncated(name, f"{unpacked.compression}, {found.title_en}", len(unpacked.data))
    native = _in_child(found, unpacked.data, name) if found.in_child else found.read(unpacked.data, name)
    if isinstance(native, Volume) and native.truncated_at is not None:
        raise _truncated(name, f"{found.title_en}, {native.remarks[-1]}", native.truncated_at)
    return Reading(found, native, found.describe(native))


def _in_child(found: Format, data: bytes, name: str) -> Any:
    try:
        return run_guarded(found.read, data, name)
    except GuardError as error:
        if error.errno == errno.ECANCELED:
            raise
        # A reader writes temporary files only: where they find no room, the home's disk is not full.
        raise GuardError(errno.ECHILD, f"nothing can be decoded now ({error.strerror})") from error


def _truncated(name: str, what: str, offset: int) -> ReadError:
    """A volume without its upper tilts would hide the hail: it is not used, though its whole rays could be read."""
    return ReadError(
        Reason.TRUNCATED,
        f"{name}: ends early, after {offset} unpacked bytes ({what}): the transfer was cut; fetch the file again",
        f"{name}：解出 {offset} 字节后提前结束（{what}）：传输中断，请重新获取该文件",
        offset=offset,
    )
