"""Files that must not be believed, made from a good simulated volume."""

import bz2
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wxcore.radar.cinrad import read_standard
from wxcore.radar.cinrad_write import write_standard
from wxcore.region import RadarSite
from wxcore.simulate.radar import scan
from wxcore.simulate.scene import World

SITE_LATITUDE, TASK_START, TASK_CUTS, CUT_BYTES = 72, 332, 336, 256
FIRST_CUT = 416


def write_all(good: Path, folder: Path, site: RadarSite) -> dict[str, tuple[str, set[str]]]:
    """Write each bad file into `folder`; return name -> (what it is, acceptable reasons)."""
    packed, name = good.read_bytes(), good.name
    raw = bytearray(bz2.decompress(packed))
    made: dict[str, tuple[str, set[str]]] = {}

    def put(what: str, content: bytes, *reasons: str, called: str | None = None) -> None:
        file = called or f"{what}-{name}"
        (folder / file).write_bytes(content)
        made[file] = (what, set(reasons))

    put("empty", b"", "EMPTY")
    put("truncated", packed[: len(packed) // 2], "TRUNCATED", "BAD_COMPRESSION")
    put("truncated-plain", bytes(raw[: len(raw) // 2 + 7]), "TRUNCATED")
    flipped = bytearray(packed)
    for place in range(len(packed) // 3, len(packed) // 3 + 40):
        flipped[place] ^= 0x55
    put("bit-flipped", bytes(flipped), "BAD_COMPRESSION")
    put("bomb", bz2.compress(bytes(300_000_000)), "TOO_LARGE")
    put("text", b"not a radar file at all\n" * 50, "UNKNOWN_FORMAT")
    other = name.replace("Z9230", "Z9092").replace("Z9090", "Z9092")
    put("wrongly-named", packed, "NAME_MISMATCH", called=other)
    put("named-as-a-picture", packed, "NAME_MISMATCH", called="radar.gif")
    put("named-as-a-mosaic", packed, "NAME_MISMATCH", called="Z_OTHE_RADAMCR_20260701080000.bin.bz2")
    (cuts,) = struct.unpack_from("<i", raw, TASK_CUTS)
    put("no-ray", bz2.compress(bytes(raw[: FIRST_CUT + CUT_BYTES * cuts])), "NO_RADIALS", "TRUNCATED")
    put("nan-position", bz2.compress(_patched(raw, SITE_LATITUDE, "<f", float("nan"))), "BAD_POSITION")
    late = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    future = replace(scan(site, World(), late, seed=1), site=read_standard(bytes(raw)).site)
    put("future", bz2.compress(write_standard(future)), "FUTURE_TIME", called="future.bin.bz2")
    other_day = _patched(raw, TASK_START, "<i", int(late.timestamp()))
    put("header-time", bz2.compress(other_day), "NO_RADIALS", "BAD_VALUE", called="header-time.bin.bz2")
    unknown = bytearray(raw)
    unknown[32:40] = b"Z9999\0\0\0"
    put("unknown-site", bz2.compress(bytes(unknown)), "UNKNOWN_SITE", called="unknown.bin.bz2")
    (folder / "a-folder.bin.bz2").mkdir()
    made["a-folder.bin.bz2"] = ("directory", {"IS_DIRECTORY"})
    return made


def _patched(raw: bytearray, place: int, form: str, value: float) -> bytes:
    copy = bytearray(raw)
    struct.pack_into(form, copy, place, value)
    return bytes(copy)
