"""Counts and lists of deliveries agree with the rows themselves, and never load a payload."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from wxcore.errors import TimeError
from wxcore.landing.ledger import (
    Ledger,
    Message,
    claim_due,
    count_outbox,
    enqueue,
    expire_due,
    list_deliveries,
    list_outbox,
    mark_failed,
    mark_sent,
    open_ledger,
)
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.outbox import supersede

NOW = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """One sent, one failed and waiting, one being sent, one run out, one fresh."""
    found = open_ledger(tmp_path / "ledger.sqlite")
    ends = {"sent": 60, "failed": 60, "sending": 60, "lost": 1, "fresh": 60}
    items = [Message("w-1", "mail", name, "x" * 1000, NOW + timedelta(minutes=end)) for name, end in ends.items()]
    with writing(found) as transaction:
        enqueue(transaction, items, now=NOW)
    rows = {row.recipient: row for row in claim_due(found, now=NOW, holder="s", limit=3)}
    mark_sent(found, [rows["sent"]], now=NOW)
    mark_failed(found, rows["failed"], error="550 no such box", now=NOW, random=Random(1))
    expire_due(found, now=NOW + timedelta(minutes=2))
    return found


def test_counts_are_those_of_the_rows(ledger: Ledger) -> None:
    counts = count_outbox(ledger, since=NOW)
    rows = list_outbox(ledger)
    assert sorted(row.state for row in rows) == ["expired", "sending", "sent", "waiting", "waiting"]
    assert (counts.waiting, counts.sending, counts.sent, counts.expired, counts.failing) == (2, 1, 1, 1, 1)
    assert counts.due_at == min(row.next_at for row in rows if row.state == "waiting")


def test_what_ended_long_ago_is_not_counted(ledger: Ledger) -> None:
    counts = count_outbox(ledger, since=NOW + timedelta(hours=2))
    assert (counts.sent, counts.expired, counts.waiting) == (0, 0, 2)


def test_trouble_is_what_failed_and_what_was_never_sent(ledger: Ledger) -> None:
    assert {row.recipient for row in list_deliveries(ledger, in_trouble=NOW)} == {"failed", "lost"}
    assert {row.recipient for row in list_deliveries(ledger, in_trouble=NOW + timedelta(hours=2))} == {"failed"}
    assert {row.recipient for row in list_deliveries(ledger)} == {"failed", "sending", "fresh"}
    assert len(list_deliveries(ledger, identifier="w-1")) == 5
    assert {row.payload for row in list_deliveries(ledger, identifier="w-1")} == {""}


def test_what_a_newer_message_took_the_place_of_is_no_trouble(ledger: Ledger) -> None:
    with writing(ledger) as transaction:
        closed = supersede(transaction, {"w-1": "w-2"}, now=NOW)
    assert closed == {("w-2", "failed"), ("w-2", "sending"), ("w-2", "fresh")}
    assert {row.recipient for row in list_deliveries(ledger, in_trouble=NOW)} == {"lost"}
    counts = count_outbox(ledger, since=NOW)
    assert (counts.waiting, counts.sending, counts.sent, counts.expired, counts.failing) == (0, 0, 1, 1, 0)


def test_naive_times_are_refused(ledger: Ledger) -> None:
    with pytest.raises(TimeError):
        count_outbox(ledger, since=NOW.replace(tzinfo=None))
    with pytest.raises(TimeError):
        list_deliveries(ledger, in_trouble=NOW.replace(tzinfo=None))
