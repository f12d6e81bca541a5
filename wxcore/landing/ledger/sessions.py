"""Sessions of the desk: who is logged in, until when. No journal is told: after a rebuild people log in again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from wxcore.landing.ledger.engine import reading, writing
from wxcore.landing.ledger.issue_tables import SESSIONS
from wxcore.landing.ledger.tables import Ledger
from wxcore.times import require_utc


@dataclass(frozen=True)
class SessionRow:
    """A login. `token_hash`: of the token in the cookie, which is nowhere; over at `expires_at`, or `idle_s` [s] after
    it was last seen."""

    token_hash: str
    user: str
    role: str
    csrf: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    idle_s: int


def open_session(
    ledger: Ledger,
    *,
    token_hash: str,
    user: str,
    role: str,
    csrf: str,
    now: datetime,
    expires_at: datetime,
    idle_s: int,
) -> SessionRow:
    """Log somebody in; sessions that are over go.

    Raises:
        TimeError: a naive time.
        LedgerError: the database fails, or there is a session of this token.
    """
    now, expires_at = require_utc(now), require_utc(expires_at)
    row = SessionRow(token_hash, user, role, csrf, now, now, expires_at, idle_s)
    with writing(ledger) as transaction:
        transaction.connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= now))
        transaction.connection.execute(insert(SESSIONS).values(vars(row)))
    return row


def find_session(ledger: Ledger, token_hash: str, now: datetime) -> SessionRow | None:
    """The session of a token; None where there is none, or it is over, or nobody was seen too long.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    wanted = select(SESSIONS).where(SESSIONS.c.token_hash == token_hash)
    with reading(ledger) as connection:
        row = connection.execute(wanted).mappings().one_or_none()
    found = None if row is None else SessionRow(**row)
    if found is None or now >= min(found.expires_at, found.seen_at + timedelta(seconds=found.idle_s)):
        return None
    return found


def touch_session(ledger: Ledger, token_hash: str, now: datetime) -> None:
    """Enter that somebody was seen; time never goes back.

    Raises:
        TimeError: a naive time.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    here = (SESSIONS.c.token_hash == token_hash) & (SESSIONS.c.seen_at < now)
    with writing(ledger) as transaction:
        transaction.connection.execute(update(SESSIONS).where(here).values(seen_at=now))


def close_sessions(ledger: Ledger, *, token_hash: str | None = None, user: str | None = None) -> int:
    """Log out: one session, or all of a user; with neither, everybody.

    Returns:
        How many there were.

    Raises:
        LedgerError: the database fails.
    """
    which = delete(SESSIONS)
    if token_hash is not None:
        which = which.where(SESSIONS.c.token_hash == token_hash)
    if user is not None:
        which = which.where(SESSIONS.c.user == user)
    with writing(ledger) as transaction:
        return transaction.connection.execute(which).rowcount
