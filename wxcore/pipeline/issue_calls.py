"""Calling out: acknowledgements, and the next person where nobody answers."""

import hashlib
import secrets
from datetime import datetime

from wxcore.errors import IssueError, LedgerError, RefusedError
from wxcore.landing.ledger import (
    CLOCK,
    Actor,
    CalloutRow,
    MessageRow,
    acknowledge,
    enter_callouts,
    find_callout,
    find_message,
    list_audit,
    list_callouts,
    mark_escalated,
    record_act,
)
from wxcore.pipeline.issue_office import Office, record_of
from wxcore.times import require_utc
from wxcore.warning.contacts import next_call
from wxcore.warning.words import bjt

TOKEN_BYTES = 24
"""Randomness of an acknowledgement link: 192 bits (OWASP ASVS asks for 128)."""

FAILED = "call_failed"
"""Act of the audit log: a next person could not be called, once for each call that nobody answered."""

CONTACT_ROLE = "contact"
"""Role in the audit log of a person who acknowledges by a link: they have no account."""


def new_token() -> str:
    """An unguessable text for an acknowledgement link."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def callout_of_token(office: Office, token: str) -> CalloutRow | None:
    """The call that an acknowledgement link belongs to; None where it is no link of this region."""
    row = find_callout(office.ledger, hashlib.sha256(token.encode()).hexdigest())
    return row if row is not None and row.region == office.region.id else None


def acknowledge_token(office: Office, token: str, *, now: datetime, note: str = "") -> CalloutRow:
    """Acknowledge by link; a second time changes nothing. Late is better than never: also after the next was called.

    Raises:
        IssueError: no such link, or the warning is over.
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    row = callout_of_token(office, token)
    if row is None:
        raise IssueError("this acknowledgement link is not known", "确认链接无效")
    if row.acknowledged_at is None and row.expires_at <= now:
        raise IssueError(
            f"the warning ran out at {bjt(row.expires_at)} BJT: nothing is left to acknowledge",
            f"预警已于 {bjt(row.expires_at)}（北京时）失效，无需确认",
        )
    acknowledge(office.ledger, Actor(row.person, CONTACT_ROLE), row.key, now=now, how="link", note=note)
    return callout_of_token(office, token) or row


def escalate(office: Office, *, now: datetime) -> int:
    """Call the next person of each post where nobody answered in time, until the warning ends.

    A call that cannot be made is entered in the audit log; the others go on, and it is tried again.

    Returns:
        How many were called.

    Raises:
        TimeError: `now` is naive.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    called = 0
    for row in list_callouts(office.ledger, open_only=True):
        if row.region != office.region.id or not row.due_at <= now < row.expires_at or row.state != "called":
            continue
        message = find_message(office.ledger, row.identifier)
        if message is None or message.ended_by or _is_answered(office, row):
            continue
        try:
            called += _call_next(office, row, message, now)
        except Exception as error:  # one message that cannot be read or told stops no other call
            if isinstance(error, LedgerError) and not isinstance(error, RefusedError):
                raise
            _note_failure(office, row, error, now)
    return called


def _note_failure(office: Office, row: CalloutRow, error: Exception, now: datetime) -> None:
    acts = list_audit(office.ledger, subject=row.identifier, newest=True)
    if not any(act.action == FAILED and row.key in act.detail for act in acts):
        detail = {"key": row.key, "post": row.post, "error": f"{type(error).__name__}: {error}"}
        record_act(office.ledger, CLOCK, FAILED, row.identifier, now=now, detail=detail)


def _is_answered(office: Office, row: CalloutRow) -> bool:
    """Has anybody of the post acknowledged this message?"""
    calls = list_callouts(office.ledger, identifier=row.identifier)
    return any(call.post == row.post and call.acknowledged_at is not None for call in calls)


def _call_next(office: Office, row: CalloutRow, message: MessageRow, now: datetime) -> int:
    url = office.policy.desk_url
    found = next_call(office.contacts, record_of(message), row, now=now, token=new_token, desk_url=url)
    if found is None:  # the last of the post: the call stays open, and the desk shows it
        return 0
    call, told = found
    # Entered first: a crash in between only enters the same call again, which its key makes a no-op.
    entered = enter_callouts(office.ledger, [call], [told], now=now)
    mark_escalated(office.ledger, [row.key], now=now)
    return entered
