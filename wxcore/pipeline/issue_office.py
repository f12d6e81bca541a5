"""The office: what issuing needs, who may do what, and rows of the ledger as records."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from wxcore.errors import IssueError
from wxcore.landing.ledger import (
    DRAFT,
    Actor,
    Ledger,
    MessageRow,
    WarningRow,
    find_draft,
    find_message,
    list_drafts,
    live_messages,
)
from wxcore.pipeline.home import Home
from wxcore.pipeline.policy import STATUSES, Policy
from wxcore.region import Region
from wxcore.times import require_utc
from wxcore.warning.contacts import Contacts, load_contacts
from wxcore.warning.level import Rulebook, rulebook
from wxcore.warning.model import Warning, digest, from_json

ISSUING_ROLE = "forecaster"
"""Only a person of the weather bureau may issue (DOMAIN.md 6.1): the one role that edits, signs and releases."""

UNREAL_SENDERS = (".example", ".invalid", ".test", ".localhost", "example.com", "example.net", "example.org")
"""Ends of senders that stand for nobody (RFC 2606, RFC 6761)."""


OPEN = (DRAFT, "review", "signed")
"""States of drafts that somebody can still act on."""

LOOK_BACK = timedelta(hours=25)
"""How old the analysis of an open draft may be: an update rests on that of its message, valid for 24 h at most."""


@dataclass(frozen=True)
class Office:
    """One region's issuing office."""

    home: Home
    region: Region
    ledger: Ledger
    book: Rulebook
    policy: Policy
    contacts: Contacts


def open_office(home: Home, region: Region, policy: Policy) -> Office:
    """Open the ledger of `home` and read the rules and the contacts.

    Raises:
        IssueError: a status that is not one of STATUSES, or a region without rules.
        RegionError: rules that cannot be used.
        WarningError: faults of the delivery file.
        LedgerError: the ledger cannot be opened.
    """
    if policy.status not in STATUSES:
        raise IssueError(
            f"status {policy.status!r} (WXCORE_STATUS): expected one of {', '.join(STATUSES)}",
            f"状态 {policy.status!r}（WXCORE_STATUS）无效：须为 {'、'.join(STATUSES)} 之一",
        )
    if not region.rules:
        raise IssueError(
            f'{region.id} has no rules (rules = "none"): no warning can be issued for it',
            f"{region.name_zh}没有预警规则（rules = none），不能发布预警",
        )
    return Office(home, region, home.ledger(), rulebook(region.rules), policy, load_contacts(policy.delivery_file))


def record_of(row: WarningRow | MessageRow) -> Warning:
    """The record that a row holds."""
    return from_json(row.json)


def digest_of(row: WarningRow) -> str:
    """What a signature of this draft is given for; also of rows entered before the ledger kept it."""
    return row.digest or digest(record_of(row))


def draft_row(office: Office, name: str) -> WarningRow:
    """The row of a draft of this region.

    Raises:
        IssueError: there is none.
    """
    row = find_draft(office.ledger, name)
    if row is None or row.region != office.region.id:
        raise IssueError(f"{name}: no such draft in {office.region.id}", f"{office.region.name_zh}没有草稿 {name}")
    return row


def drafts_open(office: Office, now: datetime) -> list[WarningRow]:
    """Drafts that somebody can act on, newest first.

    Left out are machine drafts that a later machine draft refers to, unless somebody has taken them up (in review,
    signed), and what is older than the rules' horizon.

    Raises:
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    oldest = now - timedelta(minutes=office.book.horizon_min)
    rows = list_drafts(office.ledger, office.region.id, since=now - LOOK_BACK)
    later = [row for row in rows if row.origin == "machine" and row.state != "withdrawn" and row.cycle_time >= oldest]
    overtaken = {reference.identifier for row in later for reference in record_of(row).references}
    found = [
        row
        for row in rows
        if row.state in OPEN
        and _made(row) >= oldest
        and not (row.origin == "machine" and row.state == DRAFT and row.id in overtaken)
    ]
    return sorted(found, key=lambda row: (_made(row), row.cycle_time, row.id), reverse=True)


def _made(row: WarningRow) -> datetime:
    """The time of what it says: a machine's draft that of its analysis, a person's that of the person."""
    return row.cycle_time if row.origin == "machine" else row.created_at


def message_row(office: Office, identifier: str) -> MessageRow:
    """The row of a message of this region.

    Raises:
        IssueError: there is none.
    """
    row = find_message(office.ledger, identifier)
    if row is None or row.region != office.region.id:
        raise IssueError(
            f"{identifier}: no such message in {office.region.id}", f"{office.region.name_zh}没有发布过 {identifier}"
        )
    return row


def live_records(office: Office, now: datetime) -> list[Warning]:
    """The messages in force that have the office's status."""
    rows = live_messages(office.ledger, office.region.id, now)
    return [record_of(row) for row in rows if row.status == office.policy.status]


def require_issuer(actor: Actor, what: str) -> None:
    """Refuse anybody but a forecaster.

    Raises:
        IssueError: another role.
    """
    if actor.role != ISSUING_ROLE:
        raise IssueError(
            f"{actor.name} ({actor.role or 'no person'}) may not {what}: only a {ISSUING_ROLE} may",
            f"{actor.name}（{actor.role or '非人员'}）无权进行此操作（{what}）：仅预报员可以",
        )


def require_reason(reason: str) -> str:
    """The reason without spaces around it.

    Raises:
        IssueError: it is empty.
    """
    if not reason.strip():
        raise IssueError("a reason is needed: it is kept in the audit log", "请填写原因：原因将记入审计日志")
    return reason.strip()


def is_real_sender(sender: str) -> bool:
    """Does the CAP sender stand for somebody (not a reserved name)?"""
    return bool(sender) and not sender.lower().rstrip(".").endswith(UNREAL_SENDERS)
