"""Bytes decide, the name is only remarked upon."""

import re

import pytest

from wxcore.errors import ReadError, Reason
from wxcore.landing.identify import claimants, identify, name_remarks
from wxcore.schema import HEAD_BYTES, Description, Format
from wxcore.times import from_epoch


def make(name: str, magic: bytes) -> Format:
    return Format(
        name=name,
        title_en=f"format {name}",
        title_zh=f"格式{name}",
        recognise=lambda head: len(head) <= HEAD_BYTES and head.startswith(magic),
        name_pattern=re.compile(rf"\.{name}$"),
        read=lambda data, _: data,
        describe=lambda _: Description("volume", "", from_epoch(0), 0, ()),
    )


ALPHA, BETA, ALSO = make("alpha", b"AAAA"), make("beta", b"BBBB"), make("also", b"AA")


def test_bytes_decide() -> None:
    assert identify(b"BBBB" + bytes(20_000), "x.alpha", [ALPHA, BETA]) is BETA
    assert identify(b"AAAA", "", [ALPHA, BETA, ALSO]) is ALPHA
    assert claimants(b"AAAA", [ALPHA, BETA, ALSO]) == [ALPHA, ALSO]


def test_a_name_that_contradicts_is_remarked() -> None:
    assert name_remarks(BETA, "x.alpha", [ALPHA, BETA]) == ("named as format alpha, but its bytes are format beta",)
    assert name_remarks(BETA, "x.beta", [ALPHA, BETA]) == ()
    assert name_remarks(BETA, "whatever", [ALPHA, BETA]) == ()


def test_unknown_shows_the_bytes_and_how_much_we_read() -> None:
    with pytest.raises(ReadError) as caught:
        identify(b"\x00\x01<html>", "bad\nname", [ALPHA, BETA])
    assert caught.value.reason == Reason.UNKNOWN_FORMAT
    assert "00 01 3c 68" in caught.value.en
    assert "none of the 2 formats" in caught.value.en
    assert "不属于可读的 2 种格式" in caught.value.zh
    assert "\n" not in caught.value.en
