"""A small NEXRAD Level II file of message 31, by the interface control document 2620002 (tables II, XVII)."""

import struct

DAY, MS = 16_071, 384_000
"""2014-01-01 (day 1 is 1970-01-01), and the milliseconds of its first ray."""

METADATA_RECORDS, RECORD_BYTES = 134, 2432
RAYS, GATES = 90, 12
START_VOLUME, MIDDLE, END_ELEVATION, START_ELEVATION, END_VOLUME = 3, 1, 2, 0, 4


def _message(kind: int, body: bytes) -> bytes:
    half = (len(body) + 16) // 2
    return bytes(12) + struct.pack(">HBBHHIHH", half, 8, kind, 1, DAY, MS, 1, 1) + body


def _block(name: bytes, words: int, scale: float, offset: float) -> bytes:
    codes = bytes([0, 1, *range(40, 40 + GATES - 2)]) if words == 8 else struct.pack(f">{GATES}H", *range(GATES))
    head = struct.pack(">4sIHHHhhBBff", b"D" + name, 0, GATES, 2125, 250, 100, 16, 0, words, scale, offset)
    return head + codes


def _ray(number: int, cut: int, status: int) -> bytes:
    volume = struct.pack(">4sHBBffhHfffffHH", b"RVOL", 44, 1, 0, 35.3333, -97.2778, 370, 20, 1, 1, 1, 1, 1, 21, 0)
    elevation = struct.pack(">4sHhf", b"RELV", 12, 0, 0.0)
    radial = struct.pack(">4sHHffHH", b"RRAD", 28, 4660, -80.0, -80.0, 2610, 0) + struct.pack(">ff", 0.0, 0.0)
    blocks = [
        volume, elevation, radial, _block(b"REF", 8, 2.0, 66.0), _block(b"VEL", 8, 2.0, 129.0),
        _block(b"PHI", 16, 2.8361, 2.0),
    ]  # fmt: skip
    places, at = [], 32 + 4 * 10
    for block in blocks:
        places.append(at)
        at += len(block)
    angle, elevation_deg = 360 / RAYS * number, 0.5 + cut
    head = struct.pack(
        ">4sIHHfBBHBBBBfBBH", b"KTLX", MS + 100 * number, DAY, number + 1, angle, 0, 0, at, 1, status, cut + 1, 1,
        elevation_deg, 0, 0, len(blocks),
    )  # fmt: skip
    body = head + struct.pack(">10I", *places, *[0] * (10 - len(places))) + b"".join(blocks)
    return _message(31, body + bytes(len(body) % 2))


def msg31() -> bytes:
    """Two cuts of RAYS rays after the metadata records."""
    head = b"AR2V0006.001" + struct.pack(">II", DAY, MS) + b"KTLX"
    rays = []
    for cut in range(2):
        for number in range(RAYS):
            first, last = number == 0, number == RAYS - 1
            status = (START_ELEVATION if cut else START_VOLUME) if first else MIDDLE
            rays.append(_ray(number, cut, (END_VOLUME if cut else END_ELEVATION) if last else status))
    return head + bytes(METADATA_RECORDS * RECORD_BYTES) + b"".join(rays)


HOT = 24 + METADATA_RECORDS * RECORD_BYTES
"""Where the rays begin: before it there is nothing worth breaking."""
