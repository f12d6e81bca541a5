"""Logins: over in time, over when nobody is there, and never in a journal."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.landing.issued import MINUTE, NOON
from wxcore.errors import LedgerError, TimeError
from wxcore.landing.ledger import (
    Ledger,
    close_sessions,
    find_session,
    is_empty,
    open_ledger,
    open_session,
    rebuild,
    state_hash,
    touch_session,
)
from wxcore.landing.ledger.journal import has_events

HOURS = timedelta(hours=1)


def enter(ledger: Ledger, token: str = "t", user: str = "li", hours: int = 12) -> None:
    open_session(
        ledger, token_hash=token, user=user, role="forecaster", csrf="c", now=NOON, expires_at=NOON + hours * HOURS,
        idle_s=1800,
    )  # fmt: skip


def test_over_at_its_end_and_when_idle(ledger: Ledger) -> None:
    enter(ledger, hours=1)
    found = find_session(ledger, "t", NOON)
    assert found is not None
    assert (found.user, found.role, found.csrf, found.created_at) == ("li", "forecaster", "c", NOON)
    assert find_session(ledger, "t", NOON + 29 * MINUTE) is not None
    assert find_session(ledger, "t", NOON + 30 * MINUTE) is None
    touch_session(ledger, "t", NOON + 29 * MINUTE)
    touch_session(ledger, "t", NOON + 1 * MINUTE)  # of a slower request
    assert find_session(ledger, "t", NOON + 58 * MINUTE) is not None
    touch_session(ledger, "t", NOON + 58 * MINUTE)
    assert find_session(ledger, "t", NOON + 60 * MINUTE) is None
    assert find_session(ledger, "other", NOON) is None


def test_log_out(ledger: Ledger) -> None:
    for token, user in (("a", "li"), ("b", "li"), ("c", "wang"), ("d", "wang"), ("e", "zhao")):
        enter(ledger, token, user)
    assert close_sessions(ledger, token_hash="a", user="wang") == 0
    assert close_sessions(ledger, token_hash="a") == 1
    assert close_sessions(ledger, token_hash="a") == 0
    assert close_sessions(ledger, user="wang") == 2
    left = [token for token in "abcde" if find_session(ledger, token, NOON) is not None]
    assert left == ["b", "e"]
    assert close_sessions(ledger) == 2


def test_a_token_is_used_once(ledger: Ledger) -> None:
    enter(ledger)
    with pytest.raises(LedgerError):
        enter(ledger, user="wang")
    found = find_session(ledger, "t", NOON)
    assert found is not None
    assert found.user == "li"


def test_naive_times_are_refused(ledger: Ledger) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(TimeError):
        find_session(ledger, "t", naive)
    with pytest.raises(TimeError):
        touch_session(ledger, "t", naive)


def test_no_journal_and_no_hash_knows_them(
    journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: tuple[Path, Path]
) -> None:
    before = state_hash(journaled)
    enter(journaled)
    assert not has_events(*folders)
    assert state_hash(journaled) == before
    assert is_empty(journaled)
    ledger = open_ledger(new_url(kind))
    enter(ledger)
    rebuild(ledger, *folders)  # somebody who is logged in is no reason to refuse
    assert find_session(ledger, "t", NOON) is not None
    ledger.engine.dispose()
