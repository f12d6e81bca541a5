"""Warning: the one frozen record that leaves the house."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from wxcore.errors import WarningError
from wxcore.times import iso, parse_time, require_utc

LEVELS = ("blue", "yellow", "orange", "red")
"""Colours from low to high."""

STATUSES = ("Test", "Exercise", "Draft")
"""CAP statuses a Warning may carry. `Actual` is missing on purpose: RELIABILITY.md C13."""

MSG_TYPES = ("Alert", "Update", "Cancel")

ARRIVALS = ("timed", "possible", "held")
"""What a warning knows of a storm's arrival at a place; in the order in which the text names the places."""

Ring = tuple[tuple[float, float], ...]
"""Closed ring of (lon, lat) [deg], counter-clockwise."""


@dataclass(frozen=True)
class Reference:
    """A message that this one supersedes."""

    sender: str
    identifier: str
    sent: datetime
    expires: datetime


@dataclass(frozen=True)
class Place:
    """A district named in a warning; a storm's own position where the region has no districts.

    Attributes:
        adcode: GB/T 2260 code, "" for a storm's position.
        storm_id: strongest storm that threatens the place.
        eta_min, end_min: arrival and end [min after the cycle at which they were found].
        arrival: "timed": `eta_min` is the expected arrival; "possible": the storm may come within the horizon, at a
            time that cannot be told (`eta_min` is the earliest possible); "held": no storm supports the level in this
            run, the earlier warning is only held over (times and `p` are those of the run that last found the storm).
        p: probability there, NaN-free.
        since: when the place was first named at this level (UTC).
        below_runs: consecutive runs below the level's p_down; held at hold_runs - 1 during the minimal life, so that
            hold_runs means: released, though its message may still stand.
    """

    adcode: str
    name_zh: str
    name_en: str
    storm_id: str
    eta_min: float
    end_min: float
    p: float
    since: datetime
    arrival: str
    below_runs: int = 0

    @property
    def key(self) -> str:
        """What makes it the same place in the next run."""
        return self.adcode or self.storm_id


@dataclass(frozen=True)
class Warning:  # noqa: A001 - the noun of this room; the builtin is never used here
    """One draft, complete: who, what, where, when, how sure, why, what changed, what to do.

    `districts[*].below_runs` is bookkeeping of the life-cycle; all else never changes under one id. Times: aware UTC.
    `polygons`: closed rings (lon, lat). `truth`: "real" or "SYN". `data_kind`: "volume" or "composite".

    Raises:
        WarningError: status, level or message type not allowed; naive times; expires not after onset.
    """

    id: str
    region: str
    cycle: datetime
    hazard: str
    level: str
    msg_type: str
    serial: int
    references: tuple[Reference, ...]
    sender: str
    sender_name_zh: str
    sender_name_en: str
    sent: datetime
    effective: datetime
    onset: datetime
    expires: datetime
    event_zh: str
    event_en: str
    event_code: str
    colour_en: str
    grade: str
    severity: str
    urgency: str
    certainty: str
    response: tuple[str, ...]
    districts: tuple[Place, ...]
    polygons: tuple[Ring, ...]
    p: float
    storm_ids: tuple[str, ...]
    model: str
    drivers: tuple[str, ...]
    drivers_zh: tuple[str, ...]
    degraded: tuple[str, ...]
    degraded_zh: tuple[str, ...]
    data_kind: str
    truth: str
    languages: tuple[str, ...]
    utc_offset_h: float
    headline_zh: str = ""
    headline_en: str = ""
    description_zh: str = ""
    description_en: str = ""
    instruction_zh: str = ""
    instruction_en: str = ""
    status: str = "Test"

    def __post_init__(self) -> None:
        faults = []
        if self.status not in STATUSES:
            faults.append(f"status {self.status!r}: a draft may be {', '.join(STATUSES)} 草稿不得以此状态发出")
        if self.level not in LEVELS:
            faults.append(f"level {self.level!r}: expected one of {', '.join(LEVELS)}")
        if self.msg_type not in MSG_TYPES:
            faults.append(f"msg_type {self.msg_type!r}: expected one of {', '.join(MSG_TYPES)}")
        for name in ("cycle", "sent", "effective", "onset", "expires"):
            require_utc(getattr(self, name))
        if not self.sent <= self.effective <= self.onset < self.expires:
            faults.append(
                f"times: expected sent <= effective <= onset < expires, found {iso(self.sent)}, {iso(self.effective)}, "
                f"{iso(self.onset)}, {iso(self.expires)}"
            )
        if faults:
            raise WarningError(f"warning {self.id}", faults)

    @property
    def adcodes(self) -> tuple[str, ...]:
        """Codes of the districts named."""
        return tuple(place.adcode for place in self.districts if place.adcode)

    @property
    def reference(self) -> Reference:
        """How a later message refers to this one."""
        return Reference(self.sender, self.id, self.sent, self.expires)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Place | Reference):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def to_dict(warning: Warning) -> dict[str, Any]:
    """JSON-ready dict: every field, times as ISO 8601 UTC to the second."""
    return {field.name: _plain(getattr(warning, field.name)) for field in fields(warning)}


def from_dict(data: Mapping[str, Any]) -> Warning:
    """Back from `to_dict` (after JSON too).

    Raises:
        WarningError: a field is missing or unknown, or breaks a rule of Warning.
    """
    faults = _field_faults(Warning, data)
    for kind, name in ((Place, "districts"), (Reference, "references")):
        faults += [f"{name}: {fault}" for row in data.get(name, []) for fault in _field_faults(kind, row)]
    if faults:
        raise WarningError(f"warning {data.get('id', '?')}", faults)
    values = dict(data)
    for name in ("cycle", "sent", "effective", "onset", "expires"):
        values[name] = parse_time(values[name])
    values["references"] = tuple(
        Reference(**{**row, "sent": parse_time(row["sent"]), "expires": parse_time(row["expires"])})
        for row in values["references"]
    )
    values["districts"] = tuple(Place(**{**row, "since": parse_time(row["since"])}) for row in values["districts"])
    values["polygons"] = tuple(tuple((lon, lat) for lon, lat in ring) for ring in values["polygons"])
    for name in ("response", "storm_ids", "drivers", "drivers_zh", "degraded", "degraded_zh", "languages"):
        values[name] = tuple(values[name])
    return Warning(**values)


def _field_faults(kind: type[Warning | Place | Reference], row: Mapping[str, Any]) -> list[str]:
    names = {field.name for field in fields(kind)}
    faults = [f"{name}: missing" for name in sorted(names - set(row))]
    return faults + [f"{name}: unknown field" for name in sorted(set(row) - names)]


def with_counts(warning: Warning, below: Mapping[str, int]) -> Warning:
    """The same message with the bookkeeping of this run: runs below p_down by place key."""
    places = tuple(replace(place, below_runs=below.get(place.key, place.below_runs)) for place in warning.districts)
    return replace(warning, districts=places)
