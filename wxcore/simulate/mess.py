"""What becomes of files on their way: late, missing, duplicated, broken, each at a rate of its own.

What befalls a file depends on its name and the seed only: the same in any order, and another rate of one kind changes
no other.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import numpy as np

from wxcore.simulate.planned import Planned

LATE_MIN = (5, 40)
"""How much later a late file comes [min] [our choice]: on both sides of the cut-off of 20 min."""

COPY_MIN = (1, 30)
"""How long after the first the same file comes a second time [min] [our choice]."""

RESENT = "resent"
"""Folder of second copies: the same name and bytes by another route, as where two lines carry one bulletin."""

TRUNCATED, FLIPPED, ZEROS, EMPTY, PAGE = KINDS = ("truncated", "flipped", "zeros", "empty", "page")
"""How files break: cut off; bytes flipped in the middle; all zeros, as after a power cut; no bytes at all; a page of
HTML that says why there is no file."""

MOST_FLIPPED = 64
"""Bytes that are flipped at most."""


@dataclass(frozen=True)
class Mess:
    """Parts of the files, 0 to 1, that are late, never come, come twice, are broken; drawn with `seed`.

    Raises:
        ValueError: a rate that is no such part.
    """

    late: float = 0.0
    missing: float = 0.0
    duplicated: float = 0.0
    broken: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "seed" and not 0 <= value <= 1:
                raise ValueError(f"{item.name} {value}, expected a part from 0 to 1")


@dataclass(frozen=True)
class Sent:
    """One file that arrives; plain and picklable.

    Attributes:
        path: in the feed's folder; of a copy below RESENT.
        arrives: aware UTC, when its last byte is there.
        broken: one of KINDS, empty where it is whole.
        copy: 0, and 1 of the second time that it comes.
    """

    planned: Planned
    path: str
    arrives: datetime
    broken: str = ""
    copy: int = 0

    @property
    def late(self) -> timedelta:
        """How much later than planned it comes."""
        return self.arrives - self.planned.arrives


@dataclass(frozen=True)
class _Fate:
    """What befalls one file."""

    missing: bool
    late: timedelta
    again: timedelta | None
    broken: str


def disturb(planned: Iterable[Planned], mess: Mess | None = None) -> list[Sent]:
    """What arrives of these files, by time of arrival, then path: without the missing, with the second copies; each
    path may come several times, as a newer version.

    A broken file comes broken both times: it broke at its source.
    """
    sent = []
    for item in planned:
        fate = _fate(name_of(item), mess) if mess else _Fate(False, timedelta(0), None, "")
        if fate.missing:
            continue
        arrives = item.arrives + fate.late
        sent.append(Sent(item, item.path, arrives, fate.broken))
        if fate.again is not None:
            sent.append(Sent(item, f"{RESENT}/{item.path}", arrives + fate.again, fate.broken, 1))
    return _without_overtaken(sorted(sent, key=lambda item: (item.arrives, item.path, item.planned.arrives)))


def _without_overtaken(sent: Sequence[Sent]) -> list[Sent]:
    """Of a file that is written again and again: no version comes when there is a newer one."""
    newest: dict[str, datetime] = {}
    kept = []
    for item in sent:
        if item.path not in newest or newest[item.path] < item.planned.arrives:
            newest[item.path] = item.planned.arrives
            kept.append(item)
    return kept


def missing(planned: Iterable[Planned], sent: Iterable[Sent]) -> list[Planned]:
    """Those of these files that never come, in the order given."""
    came = {item.planned for item in sent}
    return [item for item in planned if item not in came]


def overtaken(never: Iterable[Planned], mess: Mess) -> list[Planned]:
    """Of the files that never come, those that are not lost: a newer version of theirs was there before them."""
    return [item for item in never if not _fate(name_of(item), mess).missing]


def name_of(planned: Planned) -> str:
    """What tells a file from all others, and from its other versions."""
    return f"{planned.path} {planned.arrives:%Y%m%d%H%M%S%f}"


def broken_bytes(content: bytes, kind: str, name: str, seed: int) -> bytes:
    """The bytes of a file that broke.

    Args:
        kind: one of KINDS; what cannot be cut or flipped (fewer than 3 bytes) comes empty.
        name, seed: where it is cut or flipped depends on them.

    Raises:
        ValueError: another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"broken {kind!r}, expected one of {', '.join(KINDS)}")
    random, size = _random(name, seed, "broken"), len(content)
    if kind == ZEROS:
        return bytes(size)
    if kind == PAGE:
        return f"<!DOCTYPE html>\n<html><body><h1>404 Not Found</h1><p>{name}</p></body></html>\n".encode()
    if kind == EMPTY or size < 3:
        return b""
    if kind == TRUNCATED:
        return content[: int(random.integers(1, size))]
    flipped = np.frombuffer(content, dtype=np.uint8).copy()
    places = random.integers(size // 3, 2 * size // 3 + 1, random.integers(1, MOST_FLIPPED + 1))
    unique = np.unique(places)
    flipped[unique] ^= random.integers(1, 256, unique.size, dtype=np.uint8)
    return flipped.tobytes()


def _fate(name: str, mess: Mess) -> _Fate:
    random = _random(name, mess.seed, "fate")
    is_missing, is_late, is_doubled, is_broken = random.random(4) < (
        mess.missing, mess.late, mess.duplicated, mess.broken
    )  # fmt: skip
    late, again = (int(random.integers(60 * first, 60 * last + 1)) for first, last in (LATE_MIN, COPY_MIN))
    kind = KINDS[int(random.integers(len(KINDS)))]
    return _Fate(
        bool(is_missing), timedelta(seconds=late if is_late else 0),
        timedelta(seconds=again) if is_doubled else None, kind if is_broken else "",
    )  # fmt: skip


def _random(name: str, seed: int, purpose: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{purpose}\0{name}".encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype="<u4").tolist()])
