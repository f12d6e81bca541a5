"""Contacts: which channels a message leaves by, who must be called, and how long is waited for an answer.

All of it stands in one `delivery.toml` that is never in version control (deploy/delivery.example.toml shows one).
Secrets stand there as names of environment variables, never as values.
"""

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from wxcore.errors import WarningError
from wxcore.landing.ledger import EVERYONE, CalloutRow, Message
from wxcore.times import iso, require_utc
from wxcore.warning.deliver.channels import BASE_URL, MAIL, PROJECTIONS, WEBHOOK, WIS2, Channel, faults_of
from wxcore.warning.model import Warning
from wxcore.warning.sms import sms, sms_lifted

ESCALATE_MIN: Mapping[str, float] = {"red": 3.0, "orange": 5.0, "yellow": 10.0, "blue": 15.0}
"""Minutes until the next person of a post is called. Our choice: no rule of CMA gives one."""


@dataclass(frozen=True)
class Person:
    """Who is called for a tier (TIERS) and area (its code: 6 digits a district, 9 or 12 a town), lowest rank first."""

    id: str
    name: str
    tier: str
    area: str
    rank: int
    channel: str
    address: str
    language: str = "zh"

    @property
    def post(self) -> str:
        """The post, such as `district:500103`; people of one post are called one after another."""
        return f"{self.tier}:{self.area}"


@dataclass(frozen=True)
class Contacts:
    """What `delivery.toml` says. `escalate_min`: minutes until the next of a post is called, by level."""

    channels: tuple[Channel, ...] = ()
    people: tuple[Person, ...] = ()
    escalate_min: Mapping[str, float] = field(default_factory=lambda: dict(ESCALATE_MIN))
    base_url: str = BASE_URL

    def channel(self, name: str) -> Channel | None:
        """The channel of this id; the files and the feed are always there."""
        found = next((channel for channel in self.channels if channel.id == name), None)
        return found or (Channel(name, name) if name in PROJECTIONS else None)


def load_contacts(path: Path | None) -> Contacts:
    """Read `delivery.toml`; None: the files and the feed only, nobody is called.

    Raises:
        WarningError: every fault of the file at once: unknown keys, secrets given as values, unknown channels ...
    """
    if path is None:
        return Contacts()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as cause:
        raise WarningError(str(path), [f"cannot be read: {cause} 无法读取"]) from cause
    faults = faults_of(data)
    if faults:
        raise WarningError(str(path), faults)
    own = {"id", "kind"}
    channels = data.get("channel", [])
    return Contacts(
        tuple(Channel(row["id"], row["kind"], {k: v for k, v in row.items() if k not in own}) for row in channels),
        tuple(Person(**row) for row in data.get("person", [])),
        {**ESCALATE_MIN, **{level: float(minutes) for level, minutes in data.get("escalate", {}).items()}},
        data.get("public", {}).get("base_url", BASE_URL).rstrip("/"),
    )


def posts_for(contacts: Contacts, warning: Warning) -> list[tuple[str, list[Person]]]:
    """The posts that a warning concerns, each with its people, lowest rank first.

    Municipal posts get all, district posts what names their district, town posts what names their town. Where the
    warning names no town of a district, its towns go with the district: rather one call too many.
    """
    posts: dict[str, list[Person]] = {}
    for person in sorted(contacts.people, key=lambda person: (person.rank, person.id)):
        if person.tier == "municipal" or _concerns(person.area, warning):
            posts.setdefault(person.post, []).append(person)
    return sorted(posts.items())


def _concerns(area: str, warning: Warning) -> bool:
    towns = {town.adcode.ljust(12, "0"): town.district or town.adcode[:6] for town in warning.towns}
    if area.ljust(12, "0") in towns:
        return True
    district = area[:6]
    if len(area) > len(district) and district in towns.values():
        return False
    return district in warning.adcodes or district in towns.values()


def outbox_for(contacts: Contacts, warning: Warning, cap: str) -> list[Message]:
    """What leaves by channels that carry every message once: feed and files always, webhooks, WIS2, mailing lists."""
    payload = json.dumps({**facts(warning), "cap": cap}, ensure_ascii=False, sort_keys=True)
    ways = [(name, EVERYONE) for name in PROJECTIONS]
    for channel in contacts.channels:
        if channel.kind == WIS2 or (channel.kind == WEBHOOK and channel.settings.get("everyone", True)):
            ways.append((channel.id, EVERYONE))
        if channel.kind == MAIL:
            ways += [(channel.id, address) for address in channel.settings.get("to", [])]
    return [Message(warning.id, channel, recipient, payload, warning.expires) for channel, recipient in ways]


def facts(warning: Warning) -> dict[str, Any]:
    """What a receiver needs to know of a message without reading its CAP; JSON-ready."""
    return {
        "identifier": warning.id, "status": warning.status, "msg_type": warning.msg_type, "hazard": warning.hazard,
        "level": warning.level, "event_code": warning.event_code, "sent": iso(warning.sent),
        "onset": iso(warning.onset), "expires": iso(warning.expires), "headline": warning.headline_zh,
        "headline_en": warning.headline_en, "bbox": _bbox(warning), "adcodes": list(warning.adcodes),
        "references": [reference.identifier for reference in warning.references],
    }  # fmt: skip


def _bbox(warning: Warning) -> list[float]:
    """West, south, east, north [deg] of all polygons; empty where there are none."""
    points = [point for ring in warning.polygons for point in ring]
    if not points:
        return []
    lons, lats = zip(*points, strict=True)
    return [min(lons), min(lats), max(lons), max(lats)]


def callouts_for(
    contacts: Contacts, warning: Warning, *, now: datetime, token: Callable[[], str], desk_url: str
) -> tuple[list[CalloutRow], list[Message]]:
    """Who is called for a new message: the first person of each post it concerns.

    A Cancel calls nobody: everyone of those posts is told, nobody need answer. A message that ends others also gives
    calls and messages `if_told`, of which the ledger keeps those of people who heard of what it ends: the next of each
    post are called again, those of all other posts are told, and where it lifts their district, of that alone.

    Args:
        token: a new unguessable text each time; only its sha256 is kept in the call-out.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    posts = dict(posts_for(contacts, warning))
    others = [person for person in contacts.people if person.post not in posts and warning.msg_type != "Alert"]
    lifted = [replace(_told_again(warning, person), if_told=True) for person in others]
    if warning.msg_type == "Cancel":
        return [], [*(_told(warning, person) for people in posts.values() for person in people), *lifted]
    calls = [_call(contacts, warning, people[0], now, token(), desk_url) for people in posts.values()]
    later = [person for people in posts.values() for person in people[1:] if warning.msg_type != "Alert"]
    again = [_call(contacts, warning, person, now, token(), desk_url) for person in later]
    told = [*(message for _, message in calls), *(replace(message, if_told=True) for _, message in again), *lifted]
    return [row for row, _ in (*calls, *again)], told


def next_call(
    contacts: Contacts, warning: Warning, unanswered: CalloutRow, *, now: datetime, token: Callable[[], str],
    desk_url: str,
) -> tuple[CalloutRow, Message] | None:  # fmt: skip
    """The next person of the post of a call that nobody answered; None where there is none, or the warning is over.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    people = dict(posts_for(contacts, warning)).get(unanswered.post, [])
    later = [person for person in people if (person.rank, person.id) > (unanswered.rank, unanswered.person)]
    if not later or warning.expires <= now:
        return None
    return _call(contacts, warning, later[0], now, token(), desk_url)


def _call(
    contacts: Contacts, warning: Warning, person: Person, now: datetime, token: str, desk_url: str
) -> tuple[CalloutRow, Message]:
    row = CalloutRow(
        key=_hash(warning.id, "callout", person.post, person.id), identifier=warning.id, region=warning.region,
        post=person.post, tier=person.tier, area=person.area, person=person.id, name=person.name, rank=person.rank,
        token_hash=_hash(token), state="called", called_at=now,
        due_at=now + timedelta(minutes=contacts.escalate_min[warning.level]), acknowledged_at=None, how="", note="",
        expires_at=warning.expires,
    )  # fmt: skip
    return row, _told(warning, person, link=f"{desk_url.rstrip('/')}/a/{token}")


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _told_again(warning: Warning, person: Person) -> Message:
    """What somebody hears of a message that names their place no more: the lifting, where their district is lifted."""
    if warning.msg_type == "Cancel" or not warning.change.released or person.area[:6] in warning.adcodes:
        return _told(warning, person)
    body = warning.description_zh if person.language == "zh" else warning.description_en
    over = sms_lifted(warning, person.language)
    heads = {"headline": sms_lifted(warning, "zh"), "headline_en": sms_lifted(warning, "en")}
    return _told(warning, person, **heads, sms=over, text=f"{over}\n{body}")


def _told(warning: Warning, person: Person, **other: str) -> Message:
    """A message to one person. `other`: what of its facts is told otherwise."""
    told = {
        **facts(warning), "person": person.id, "name": person.name, "post": person.post, "address": person.address,
        "language": person.language, "text": _text(warning, person.language), "sms": sms(warning, person.language),
        "link": "", **other,
    }  # fmt: skip
    payload = json.dumps(told, ensure_ascii=False, sort_keys=True)
    return Message(warning.id, person.channel, person.id, payload, warning.expires)


def _text(warning: Warning, language: str) -> str:
    zh = (warning.headline_zh, warning.description_zh, warning.instruction_zh)
    en = (warning.headline_en, warning.description_en, warning.instruction_en)
    return "\n".join(part for part in (zh if language == "zh" else en) if part)
