"""Calls in the ledger: a release takes them over from what it ends, and nobody is called for what has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.landing.issued import LI, MINUTE, NOON, callout, issue, put, release, revision, sign
from wxcore.landing.ledger import (
    Actor,
    CalloutRow,
    Ledger,
    Message,
    acknowledge,
    end_expired,
    enter_callouts,
    enter_revision,
    list_callouts,
    list_outbox,
    mark_escalated,
    mark_sent,
    open_ledger,
    rebuild,
    release_messages,
    state_hash,
)
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.issue_tables import CALLOUTS
from wxcore.landing.ledger.rows import change_rows

END = NOON + 60 * MINUTE


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path / "ledger.sqlite")


def to(identifier: str, person: str, *, if_told: bool = False) -> Message:
    return Message(identifier, "sms", person, "{}", END, if_told)


def begin(ledger: Ledger, *callouts: CalloutRow) -> None:
    """m1 is out, and people are called for it."""
    put(ledger, "a")
    sign(ledger, "a")
    release(ledger, issue("m1", "a"), callouts=callouts)


def follow(
    ledger: Ledger, callouts: Sequence[CalloutRow], outbox: Sequence[Message], minute: int = 4, number: int = 2
) -> Mapping[str, CalloutRow]:
    """The next one is out and ends the one before; its calls by person."""
    old, new = f"m{number - 1}", f"m{number}"
    enter_revision(ledger, LI, revision(f"{old}.n", old), now=NOON, reason="")
    sign(ledger, f"{old}.n")
    calls = [replace(row, called_at=NOON + minute * MINUTE, due_at=NOON + (minute + 5) * MINUTE) for row in callouts]
    release_messages(
        ledger, LI, [issue(new, f"{old}.n", msg_type="Update", chain="m1")], seen_live={old}, ended={old: new},
        outbox=outbox, callouts=calls, now=NOON + minute * MINUTE, reason="",
    )  # fmt: skip
    return {row.person: row for row in list_callouts(ledger, identifier=new)}


def told(ledger: Ledger, identifier: str) -> list[str]:
    return [row.recipient for row in list_outbox(ledger, identifier=identifier) if row.channel == "sms"]


def offers(identifier: str) -> tuple[list[CalloutRow], list[Message]]:
    """Three people of one post: the first is called, the others if they heard before."""
    people = ("zhang", "zhao", "sun")
    calls = [callout(identifier, person, rank) for rank, person in enumerate(people, 1)]
    return calls, [to(identifier, person, if_told=person != "zhang") for person in people]


def test_a_post_that_did_not_answer_keeps_its_clock(ledger: Ledger) -> None:
    first, second = callout("m1", "zhang"), replace(callout("m1", "zhao", 2), due_at=NOON + 8 * MINUTE)
    begin(ledger, first)
    enter_callouts(ledger, [second], [to("m1", "zhao")], now=NOON + 3 * MINUTE)
    mark_escalated(ledger, [first.key], now=NOON + 3 * MINUTE)
    found = follow(ledger, *offers("m2"))
    assert {name: (row.state, row.due_at) for name, row in found.items()} == {
        "zhang": ("escalated", NOON + 5 * MINUTE), "zhao": ("called", NOON + 8 * MINUTE),
    }  # fmt: skip
    assert told(ledger, "m2") == ["zhang", "zhao"]
    again = follow(ledger, *offers("m3"), minute=7, number=3)
    assert (again["zhao"].state, again["zhao"].due_at) == ("called", NOON + 8 * MINUTE)
    assert {row.state for row in list_callouts(ledger, identifier="m2")} == {"over"}


def test_who_is_gone_from_the_post_does_not_stop_its_clock(ledger: Ledger) -> None:
    first, second = callout("m1", "zhang"), callout("m1", "zhao", 2)
    begin(ledger, first, second)
    mark_escalated(ledger, [first.key], now=NOON + 3 * MINUTE)
    calls, outbox = offers("m2")
    found = follow(ledger, [calls[0], calls[2]], [outbox[0], outbox[2]])
    assert {name: (row.state, row.due_at) for name, row in found.items()} == {"zhang": ("called", NOON + 5 * MINUTE)}


def test_a_post_that_answered_is_called_afresh(ledger: Ledger) -> None:
    first, second = callout("m1", "zhang"), callout("m1", "zhao", 2)
    begin(ledger, first, second)
    acknowledge(ledger, Actor("zhao", "duty"), second.key, now=NOON + 3 * MINUTE, how="link", note="")
    found = follow(ledger, *offers("m2"))
    assert {name: (row.state, row.due_at) for name, row in found.items()} == {"zhang": ("called", NOON + 9 * MINUTE)}
    assert told(ledger, "m2") == ["zhang"]


def test_who_was_called_for_a_lifted_place_is_told_once(ledger: Ledger) -> None:
    begin(ledger, callout("m1", "zhang"), callout("m1", "sun", post="区级"))
    calls, rest = [callout("m2", "zhang")], [to("m2", "sun", if_told=True), to("m2", "qian", if_told=True)]
    assert follow(ledger, calls, [to("m2", "zhang"), *rest]).keys() == {"zhang"}
    assert told(ledger, "m2") == ["zhang", "sun"]
    follow(ledger, [callout("m3", "zhang")], [to("m3", "zhang"), to("m3", "sun", if_told=True)], 5, 3)
    assert told(ledger, "m3") == ["zhang", "sun"]  # m2 had not reached them: this takes its place
    for row in list_outbox(ledger, identifier="m2"):
        assert row.state == "expired"


def test_who_was_told_of_the_lifting_is_not_told_again(ledger: Ledger) -> None:
    begin(ledger, callout("m1", "sun", post="区级"))
    follow(ledger, [], [to("m2", "sun", if_told=True)])
    mark_sent(ledger, list_outbox(ledger, state="waiting"), now=NOON)
    follow(ledger, [], [to("m3", "sun", if_told=True)], 5, 3)
    assert told(ledger, "m3") == []


def test_whom_the_bundle_concerns_anyway_is_not_told_twice(ledger: Ledger) -> None:
    begin(ledger, callout("m1", "sun", post="区级"))
    put(ledger, "c", "d")
    for name in "cd":
        sign(ledger, name)
    both = [issue("m2", "c", msg_type="Update", chain="m1"), issue("m3", "d")]
    release_messages(
        ledger, LI, both, seen_live={"m1"}, ended={"m1": "m2"}, callouts=[callout("m3", "sun", post="区级")],
        outbox=[to("m2", "sun", if_told=True), to("m3", "sun")], now=NOON + 4 * MINUTE, reason="",
    )  # fmt: skip
    assert (told(ledger, "m2"), told(ledger, "m3")) == ([], ["sun"])


def test_nobody_is_called_for_what_has_just_ended(ledger: Ledger) -> None:
    begin(ledger, callout("m1", "zhang"))
    follow(ledger, [], [])
    late = callout("m1", "zhao", 2)
    assert enter_callouts(ledger, [late], [to("m1", "zhao")], now=NOON + 5 * MINUTE) == 0
    assert told(ledger, "m1") == []
    assert list_callouts(ledger, open_only=True) == []


def test_calls_of_what_has_ended_are_closed(ledger: Ledger) -> None:
    """As an older version could leave them behind."""
    row = callout("m1", "zhang")
    begin(ledger, row)
    follow(ledger, [], [])
    with writing(ledger) as transaction:
        change_rows(transaction, CALLOUTS, [row.key], {"state": "called"})
    assert end_expired(ledger, "elsewhere", now=NOON + 6 * MINUTE) == []
    assert len(list_callouts(ledger, open_only=True)) == 1
    assert end_expired(ledger, "r", now=NOON + 6 * MINUTE) == []
    assert list_callouts(ledger, open_only=True) == []


def test_a_rebuilt_ledger_has_the_same_calls(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "lost.sqlite", warnings=tmp_path / "w")
    begin(ledger, callout("m1", "zhang"), callout("m1", "zhao", 2))
    follow(ledger, *offers("m2"))
    new = open_ledger(tmp_path / "new.sqlite")
    rebuild(new, tmp_path / "landing", tmp_path / "w")
    assert state_hash(new) == state_hash(ledger)
    assert list_callouts(new) == list_callouts(ledger)
