"""One file to its native object: unpack within limits, identify by bytes, decode (in a child where C parses)."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wxcore.errors import ReadError, Reason
from wxcore.landing.guard import run_guarded
from wxcore.landing.identify import identify
from wxcore.landing.unpack import unpack
from wxcore.pipeline.formats import FORMATS
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
    """
    unpacked = unpack(path)
    found = identify(unpacked.data[:HEAD_BYTES], name, FORMATS)
    if not unpacked.complete:
        raise ReadError(
            Reason.TRUNCATED,
            f"{name}: the {unpacked.compression} stream ends early, after {len(unpacked.data)} bytes of "
            f"{found.title_en}: the transfer was cut; fetch the file again",
            f"{name}：{unpacked.compression} 压缩流提前结束（{found.title_zh}，解出 {len(unpacked.data)} 字节）："
            "传输中断，请重新获取该文件",
            offset=len(unpacked.data),
        )
    decode = partial(run_guarded, found.read) if found.in_child else found.read
    native = decode(unpacked.data, name)
    return Reading(found, native, found.describe(native))
