"""One file to its native object: unpack within limits, identify by bytes, decode (in a child where C parses)."""

import errno
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wxcore.errors import ReadError, Reason
from wxcore.landing.files import open_regular
from wxcore.landing.guard import MEMORY_BYTES, WALL_S, GuardError, run_guarded
from wxcore.landing.identify import identify
from wxcore.landing.unpack import unpack
from wxcore.pipeline.formats import FORMATS
from wxcore.pipeline.hdf5_door import format_of, is_sky_file, read_hdf5
from wxcore.radar.volume import Volume
from wxcore.satellite import mersi
from wxcore.schema import HEAD_BYTES, Box, Description, Format
from wxcore.times import require_utc


@dataclass(frozen=True)
class Reading:
    """A decoded file: its format, the native object (a Volume, a mosaic, a Scene ...), and what it is."""

    format: Format
    native: Any
    description: Description


def read_file(
    path: Path, name: str, box: Box | None = None, *, wall_s: float = WALL_S, reference: datetime | None = None
) -> Reading:
    """Read one file, whatever its format; `name` is the base name it came with.

    Args:
        box: of satellite files only what lies in it (and a margin) is read; everything where None.
        wall_s: what needs a child is killed after this [s].
        reference: files that do not tell year or month hold the newest date not after this; when the file was last
            changed where None.

    Raises:
        ReadError: with the reason why not.
        TimeError: a naive reference.
        OSError: trouble of ours, which says nothing about the file (`errors.OUR_TROUBLE`, GuardError).
    """
    reference = None if reference is None else require_utc(reference)
    if is_sky_file(_head(path)):
        return _read_hdf5(path, name, box, wall_s)
    unpacked = unpack(path, name=name)
    head = unpacked.data[:HEAD_BYTES]
    if is_sky_file(head) and unpacked.complete:
        with tempfile.NamedTemporaryFile(suffix=".h5") as spool:
            spool.write(unpacked.data)
            spool.flush()
            return _read_hdf5(Path(spool.name), name, box, wall_s)
    found = identify(head, name, FORMATS)
    if not unpacked.complete:
        raise _truncated(name, f"{unpacked.compression}, {found.title_en}", len(unpacked.data))
    native = _decoded(found, unpacked.data, name, box, wall_s, reference or _written(path))
    if isinstance(native, Volume) and native.truncated_at is not None:
        raise _truncated(name, f"{found.title_en}, {native.remarks[-1]}", native.truncated_at)
    return Reading(found, native, found.describe(native))


def _decoded(found: Format, data: bytes, name: str, box: Box | None, wall_s: float, reference: datetime) -> Any:
    """The native object of a file's bytes, decoded in a child where a C library parses them."""
    if found.read_path is not None and box is not None:
        with tempfile.NamedTemporaryFile() as spool:
            spool.write(data)
            spool.flush()
            return _in_child(wall_s, found.read_path, Path(spool.name), name, box, memory_bytes=found.memory_bytes)
    dated = found.read_dated
    function: Callable[..., Any] = found.read if dated is None else dated
    args = (data, name) if dated is None else (data, name, reference)
    if not found.in_child:
        return function(*args)
    return _in_child(wall_s, function, *args, memory_bytes=found.memory_bytes)


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)


def read_pass_file(path: Path, places: Path, name: str, box: Box) -> Any:
    """The scene of a polar orbiter, its longitudes and latitudes from a file of their own; as `read_file`."""
    return _in_child(WALL_S, mersi.read_pass, path, places, name, box)


def _head(path: Path) -> bytes:
    source, _ = open_regular(path)
    with source:
        return source.read(HEAD_BYTES)


def _read_hdf5(path: Path, name: str, box: Box | None, wall_s: float) -> Reading:
    """By path and in place: a full disk has hundreds of megabytes, of which a region needs some."""
    title, native = _in_child(wall_s, read_hdf5, path, name, box)
    found = format_of(title)
    return Reading(found, native, found.describe(native))


def _in_child(wall_s: float, function: Callable[..., Any], *args: Any, memory_bytes: int = 0) -> Any:
    try:
        return run_guarded(function, *args, wall_s=wall_s, memory_bytes=memory_bytes or MEMORY_BYTES)
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
