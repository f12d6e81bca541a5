"""Warning: the one frozen record that leaves the house."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from datetime import datetime
from typing import Any

from wxcore.errors import WarningError
from wxcore.times import iso, parse_time, require_utc

LEVELS = ("blue", "yellow", "orange", "red")
"""Colours from low to high."""

STATUSES = ("Test", "Exercise", "Draft", "Actual")
"""CAP statuses a Warning may carry; `Actual` only once issued, never as a draft (RELIABILITY.md C13)."""

STAGES = ("draft", "issued")
"""A draft is the machine's or a person's proposal; an issued record is a message that was released."""

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
    """A district or town named in a warning; a storm's own position where the region has no districts.

    Attributes:
        adcode: GB/T 2260 code (a town's has 9 or 12 digits), "" for a storm's position.
        storm_id: strongest storm that threatens the place.
        eta_min, end_min: arrival and departure [min after the cycle at which they were found]; a departure at the
            horizon means: not before it.
        arrival: "timed": `eta_min` is the expected arrival; "possible": the storm may come within the horizon, at a
            time that cannot be told (`eta_min` is the earliest possible); "held": no storm supports the level in this
            run, the earlier warning is only held over (times and `p` are those of the run that last found the storm).
        p: probability there, NaN-free.
        since: when the place was first named at this level (UTC).
        below_runs: consecutive runs below the level's p_down; held at hold_runs - 1 during the minimal life, so that
            hold_runs means: released, though its message may still stand.
        district: of a town: the code of its district, which the town's own code may not begin with after a reform.
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
    district: str = ""

    @property
    def key(self) -> str:
        """What makes it the same place in the next run."""
        return self.adcode or self.storm_id


@dataclass(frozen=True)
class Observed:
    """What the radar shows now of the storms behind a message, rounded as the texts tell it; None: not known.

    Attributes:
        storms: cells behind the message; 0: none supports it in this run.
        max_dbz: largest reflectivity [dBZ]; echo_top_km: 18-dBZ echo top [km]; mesh_mm: radar hail size [mm].
        towards: where the strongest cell goes, index of N, NE, E, SE, S, SW, W, NW; speed_km_h: how fast [km/h].
    """

    storms: int
    max_dbz: float | None = None
    echo_top_km: float | None = None
    mesh_mm: float | None = None
    towards: int | None = None
    speed_km_h: int | None = None


@dataclass(frozen=True)
class Move:
    """Places, names (zh, en), that go from one level to another."""

    names: tuple[tuple[str, str], ...]
    old: str
    new: str


@dataclass(frozen=True)
class Change:
    """What differs from the messages before: names (zh, en) of places added and released, and other notes."""

    added: tuple[tuple[str, str], ...] = ()
    released: tuple[tuple[str, str], ...] = ()
    raised: tuple[Move, ...] = ()
    lowered: tuple[Move, ...] = ()
    renewed: bool = False


@dataclass(frozen=True)
class Also:
    """Another hazard that is drafted or in force at the same places.

    Attributes:
        places: names (zh, en) of those of the warning's places where it is; empty: at all of them.
    """

    hazard: str
    level: str
    event_zh: str
    event_en: str
    places: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Warning:  # noqa: A001 - the noun of this room; the builtin is never used here
    """One draft or message, complete: who, what, where, when, how sure, why, what changed, what to do.

    `districts[*].below_runs` is bookkeeping of the life-cycle; all else never changes under one id. Times: aware UTC.
    `polygons`: closed rings (lon, lat). `truth`: "real" or "SYN". `data_kind`: "volume" or "composite".
    `towns`: towns reached within the districts, where the region has a table of them.
    `also`: the other hazards at the same places, most harmful first; `leads`: at none of its places is one of them more
    harmful than this one. `remark_*`: what a forecaster adds. `stage`: one of STAGES.
    `shortened_from`: the end promised before, where this record ends earlier on purpose.

    Raises:
        WarningError: status, stage, level or message type not allowed; naive times; expires not after onset.
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
    observed: Observed | None = None
    change: Change = Change()
    also: tuple[Also, ...] = ()
    leads: bool = True
    towns: tuple[Place, ...] = ()
    remark_zh: str = ""
    remark_en: str = ""
    stage: str = "draft"
    shortened_from: datetime | None = None

    def __post_init__(self) -> None:
        faults = []
        if self.stage not in STAGES:
            faults.append(f"stage {self.stage!r}: expected one of {', '.join(STAGES)}")
        if self.status not in STATUSES or (self.status == "Actual" and self.stage != "issued"):
            allowed = ", ".join(status for status in STATUSES if status != "Actual")
            faults.append(f"status {self.status!r}: a draft may be {allowed} 草稿不得以此状态发出")
        if self.level not in LEVELS:
            faults.append(f"level {self.level!r}: expected one of {', '.join(LEVELS)}")
        if self.msg_type not in MSG_TYPES:
            faults.append(f"msg_type {self.msg_type!r}: expected one of {', '.join(MSG_TYPES)}")
        for name in ("cycle", "sent", "effective", "onset", "expires"):
            require_utc(getattr(self, name))
        if self.shortened_from is not None:
            require_utc(self.shortened_from)
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
    if isinstance(value, Place | Reference | Observed | Move | Change | Also):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def to_dict(warning: Warning) -> dict[str, Any]:
    """JSON-ready dict: every field, times as ISO 8601 UTC to the second."""
    return {field.name: _plain(getattr(warning, field.name)) for field in fields(warning)}


def digest(warning: Warning) -> str:
    """SHA-256 of the whole record as canonical JSON: what a signature is given for."""
    text = json.dumps(to_dict(warning), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def from_json(text: str) -> Warning:
    """The record that a row of the ledger holds.

    Raises:
        WarningError: as `from_dict`.
    """
    return from_dict(json.loads(text))


def from_dict(data: Mapping[str, Any]) -> Warning:
    """Back from `to_dict` (after JSON too). Fields that have a default may be missing: older records lack them.

    Raises:
        WarningError: a field is missing or unknown, or breaks a rule of Warning.
    """
    faults = _field_faults(Warning, data)
    change = data.get("change", {})
    for kind, name, rows in (
        (Place, "districts", data.get("districts", [])),
        (Place, "towns", data.get("towns", [])),
        (Reference, "references", data.get("references", [])),
        (Also, "also", data.get("also", [])),
        (Observed, "observed", [data["observed"]] if data.get("observed") else []),
        (Change, "change", [change]),
        (Move, "change", [*change.get("raised", []), *change.get("lowered", [])]),
    ):
        faults += [f"{name}: {fault}" for row in rows for fault in _field_faults(kind, row)]
    if faults:
        raise WarningError(f"warning {data.get('id', '?')}", faults)
    values = dict(data)
    for name in ("cycle", "sent", "effective", "onset", "expires"):
        values[name] = parse_time(values[name])
    if values.get("shortened_from"):
        values["shortened_from"] = parse_time(values["shortened_from"])
    values["references"] = tuple(
        Reference(**{**row, "sent": parse_time(row["sent"]), "expires": parse_time(row["expires"])})
        for row in values["references"]
    )
    for name in ("districts", "towns"):
        values[name] = tuple(Place(**{**row, "since": parse_time(row["since"])}) for row in values.get(name, ()))
    values["polygons"] = tuple(tuple((lon, lat) for lon, lat in ring) for ring in values["polygons"])
    for name in ("response", "storm_ids", "drivers", "drivers_zh", "degraded", "degraded_zh", "languages"):
        values[name] = tuple(values[name])
    values["observed"] = Observed(**data["observed"]) if data.get("observed") else None
    values["also"] = tuple(Also(**{**row, "places": _pairs(row.get("places", ()))}) for row in data.get("also", ()))
    values["change"] = _change(change)
    return Warning(**values)


def _change(row: Mapping[str, Any]) -> Change:
    return Change(
        added=_pairs(row.get("added", ())),
        released=_pairs(row.get("released", ())),
        raised=_moves(row.get("raised", ())),
        lowered=_moves(row.get("lowered", ())),
        renewed=bool(row.get("renewed", False)),
    )


def _moves(rows: Iterable[Mapping[str, Any]]) -> tuple[Move, ...]:
    return tuple(Move(_pairs(row["names"]), row["old"], row["new"]) for row in rows)


def _pairs(rows: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((zh, en) for zh, en in rows)


def _field_faults(kind: type, row: Mapping[str, Any]) -> list[str]:
    names = {field.name: field.default is MISSING for field in fields(kind)}
    faults = [f"{name}: missing" for name in sorted(names) if names[name] and name not in row]
    return faults + [f"{name}: unknown field" for name in sorted(set(row) - set(names))]


def with_counts(warning: Warning, below: Mapping[str, int]) -> Warning:
    """The same message with the bookkeeping of this run: runs below p_down by place key."""
    places = tuple(replace(place, below_runs=below.get(place.key, place.below_runs)) for place in warning.districts)
    return replace(warning, districts=places)
