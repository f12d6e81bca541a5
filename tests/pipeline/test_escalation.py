"""The next person: whoever is due is called, and one call that cannot be made stops no other."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

import pytest
from sqlalchemy import Connection, insert

from tests.pipeline.issuing import D1, D2, minutes
from tests.pipeline.test_calls import NOW, calls, put_out
from wxcore.errors import LedgerError, WarningError
from wxcore.landing.ledger import CalloutRow, list_audit, list_callouts
from wxcore.landing.ledger.callouts import carry_over
from wxcore.landing.ledger.issue_tables import CALLOUTS
from wxcore.pipeline import issue_calls
from wxcore.pipeline.issue import Office, escalate, tick


def test_two_people_of_one_rank_are_called_one_after_the_other(office: Office) -> None:
    first, second, district = office.contacts.people
    equals = replace(office, contacts=replace(office.contacts, people=(first, replace(second, rank=1), district)))
    message = put_out(equals, D1)
    tick(equals, now=NOW + minutes(3))
    assert calls(equals, message)["a"][0] == "escalated"
    assert calls(equals, message)["b"] == ("called", 6.0)


def test_of_two_calls_before_the_earlier_clock_goes_on(office: Office) -> None:
    """Two messages with unanswered calls of one person, ended by one: the next person is due when the first call is."""
    message = put_out(office, D1)
    row = next(row for row in list_callouts(office.ledger, identifier=message.identifier) if row.person == "a")
    for late, early in ((0, 1), (1, 0)):
        old = [replace(row, key=f"k{n}", identifier=f"m{n}", due_at=NOW + minutes(5 + n)) for n in (late, early)]
        offered = replace(row, identifier="new", key="new", due_at=NOW + minutes(60))
        with _entered(office, old) as connection:
            [carried], _ = carry_over(connection, {"m0": "new", "m1": "new"}, [offered], [], set())
        assert carried.due_at == NOW + minutes(5)


@contextmanager
def _entered(office: Office, rows: list[CalloutRow]) -> Iterator[Connection]:
    """A connection that sees these rows too, until the block ends."""
    with office.ledger.engine.connect() as connection:
        tokens = [{**asdict(row), "token_hash": row.key} for row in rows]
        connection.execute(insert(CALLOUTS), tokens)
        yield connection
        connection.rollback()


class TestTrouble:
    """One call that cannot be made: of person `a`, whose warning cannot be told in so few words."""

    def break_calls(self, monkeypatch: pytest.MonkeyPatch, error: Exception, identifier: str) -> None:
        real = issue_calls.next_call

        def call(*args: object, **more: object) -> object:
            if args[2].identifier == identifier:  # type: ignore[attr-defined]
                raise error
            return real(*args, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(issue_calls, "next_call", call)

    @pytest.mark.parametrize("error", [WarningError("sms", ["too long"]), ValueError("no number"), KeyError("level")])
    def test_stops_no_other_call_and_is_entered_once(
        self, office: Office, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        bad, good = put_out(office, D1), put_out(office, D2, now=NOW + minutes(1))
        self.break_calls(monkeypatch, error, bad.identifier)
        assert escalate(office, now=NOW + minutes(4)) == 1
        assert calls(office, good)["a"][0] == "escalated"
        assert calls(office, bad)["a"][0] == "called"
        assert escalate(office, now=NOW + minutes(5)) == 0
        acts = [act for act in list_audit(office.ledger) if act.action == "call_failed"]
        assert {act.subject for act in acts} == {bad.identifier}
        keys = [json.loads(act.detail)["key"] for act in acts]
        assert len(keys) == len(set(keys))
        assert type(error).__name__ in acts[0].detail

    def test_a_ledger_that_fails_is_not_the_row_s_fault(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        message = put_out(office, D1)
        self.break_calls(monkeypatch, LedgerError("locked", "锁定"), message.identifier)
        with pytest.raises(LedgerError):
            escalate(office, now=NOW + minutes(4))
