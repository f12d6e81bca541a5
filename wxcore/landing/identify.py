"""Which format is this? Magic bytes decide; the name only adds a remark (DESIGN.md section 3)."""

from collections.abc import Sequence

from wxcore.errors import ReadError, Reason
from wxcore.landing.files import display_name
from wxcore.schema import HEAD_BYTES, Format

HEAD_SHOWN = 16
"""Bytes of an unknown file that the message shows."""


def claimants(head: bytes, formats: Sequence[Format]) -> list[Format]:
    """Every format whose recogniser claims these bytes; more than one is a mistake in the formats."""
    head = head[:HEAD_BYTES]
    return [candidate for candidate in formats if candidate.recognise(head)]


def identify(head: bytes, name: str, formats: Sequence[Format]) -> Format:
    """The format of a file by its first bytes (after decompression); the first that claims them.

    Args:
        head: at least the first HEAD_BYTES bytes, or the whole file where it is shorter.
        name: for the message.
        formats: what the source rooms offer.

    Raises:
        ReadError: UNKNOWN_FORMAT, with the first bytes.
    """
    head = head[:HEAD_BYTES]
    for candidate in formats:
        if candidate.recognise(head):
            return candidate
    shown = head[:HEAD_SHOWN].hex(" ")
    raise ReadError(
        Reason.UNKNOWN_FORMAT,
        f"{display_name(name)}: unknown format, begins with {shown}; "
        f"none of the {len(formats)} formats that we read (docs/reference.md lists them): find out what it is",
        f"{display_name(name)}：未知格式，开头字节为 {shown}；"
        f"不属于可读的 {len(formats)} 种格式（见 docs/reference.md）：请核实文件来源",
        offset=0,
    )


def name_remarks(found: Format, name: str, formats: Sequence[Format]) -> tuple[str, ...]:
    """A remark where the name is that of another format; the bytes are believed, the name is told."""
    if found.name_pattern.search(name):
        return ()
    others = [other.title_en for other in formats if other is not found and other.name_pattern.search(name)]
    if not others:
        return ()
    return (f"named as {', '.join(others)}, but its bytes are {found.title_en}",)
