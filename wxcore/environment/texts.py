"""What the readers of soundings share: decoding, refusals, the record that comes out and its description."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from wxcore.environment.build import Level, Place, profile
from wxcore.environment.profile import Profile, Soundings
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK, Description

MAX_BYTES = 64 * 2**20
"""Largest file of soundings [our choice]: a thousand soundings with one-second data."""

MAX_TEXT_BYTES = 16 * 2**20
"""Largest text of the same [our choice]: the TEMP of all the world of a day are about half of it."""

SIMULATED_LINE = f"# {SIMULATED_ATTRIBUTE}={SIMULATED_MARK}"
YEARS = (1950, 2100)
"""Years of a sounding that are believed [our choice]."""

_NAME_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(\d\d)?(?:\d\d){0,2}(?!\d)")


@dataclass
class Found:
    """Profiles of a file as they are made, and what went wrong."""

    profiles: list[Profile] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def add(self, levels: list[Level], place: Place) -> None:
        """One more sounding; one that makes no profile is counted."""
        made = profile(levels, place)
        if isinstance(made, str):
            self.rejected[made] += 1
            return
        self.profiles.append(made[0])
        self.remarks += [f"{place.name}: {remark}" for remark in made[1]]

    def soundings(self, form: str, title: str, name: str, *, simulated: bool = False) -> Soundings:
        """The record.

        Raises:
            ReadError: BAD_VALUE where there is no profile, or fewer than there are failures.
        """
        bad = sum(self.rejected.values())
        if not self.profiles or len(self.profiles) < bad:
            why = "; ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items())) or "none found"
            raise ReadError(
                Reason.BAD_VALUE,
                f"{name}: {title}: {len(self.profiles)} usable soundings ({why}): fetch it again",
                f"{name}：{title}：可用探空 {len(self.profiles)} 份，另有 {bad} 份无法使用，请重新获取文件",
            )
        rejected = tuple(sorted(self.rejected.items()))
        return Soundings(form, title, tuple(self.profiles), rejected, simulated, tuple(self.remarks))


def check_size(size: int, name: str, title: str, limit: int = MAX_BYTES) -> None:
    """Refuse too large a file.

    Raises:
        LimitError: TOO_LARGE.
    """
    if size > limit:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: {title}: {size} bytes, at most {limit} are read: split the file",
            f"{name}：{title}：{size} 字节，上限 {limit}，请拆分文件",
        )


def decode(data: bytes, name: str, title: str) -> str:
    """The text of a file: UTF-8, else GBK; bytes that are neither become replacement signs.

    Raises:
        LimitError: TOO_LARGE.
    """
    check_size(len(data), name, title, MAX_TEXT_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gbk", errors="replace")


def is_simulated(text: str) -> bool:
    """Does the text say in a line of its own that it is simulated?"""
    return any(line.strip() == SIMULATED_LINE for line in text.splitlines()[:20])


def clock(year: int, month: int, day: int, hour: int) -> datetime | None:
    """A whole hour in UTC (24 is 00 of the next day); None where there is none."""
    if not (YEARS[0] <= year <= YEARS[1] and 0 <= hour <= 24):
        return None
    try:
        return datetime(year, month, day, tzinfo=UTC) + timedelta(hours=hour)
    except ValueError:
        return None


def date_in_name(name: str) -> datetime | None:
    """Day, and hour where it is there, of the first date YYYYMMDD[HH[mm[ss]]] in a file's name, taken as UTC.

    Without an hour it is the end of the day, so that every hour of it comes before.
    """
    for match in _NAME_DATE.finditer(name):
        year, month, day = (int(part) for part in match.groups()[:3])
        when = clock(year, month, day, 24 if match[4] is None else int(match[4]))
        if when is not None:
            return when
    return None


def day_before(reference: datetime, day: int, hour: int) -> datetime | None:
    """The newest date with this day of the month and hour (UTC) that is not after `reference`."""
    year, month = reference.year, reference.month
    for _ in range(3):
        when = clock(year, month, day, hour)
        if when is not None and when <= reference:
            return when
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    return None


def describe(native: Any) -> Description:
    """What a file of soundings is; its time is the newest nominal hour."""
    assert isinstance(native, Soundings)
    times = [one.time for one in native.profiles]
    places = sorted({one.place for one in native.profiles})
    shown = ", ".join(places[:10]) + (" ..." if len(places) > 10 else "")
    rejected = tuple(f"{count} soundings left out: {why}" for why, count in native.rejected)
    return Description(
        kind="sounding",
        site=places[0] if len(places) == 1 else native.title,
        time=max(times),
        sweeps=0,
        moments=("temperature", "dew_point", "wind"),
        remarks=(f"{len(native.profiles)} soundings of {shown}", *rejected, *native.remarks),
        began=min(times),
    )
