"""Calls through the office: updates do not restart them, a lifted place hears of it, a cancel is the last word."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from tests.pipeline.issuing import D1, D2, LI, WHEN, enter, machine_draft, minutes
from wxcore.landing.ledger import MessageRow, OutboxRow, list_callouts, list_outbox
from wxcore.pipeline import issue_calls
from wxcore.pipeline.issue import Office, digest_of, prepare_cancel, record_of, release, sign, tick
from wxcore.pipeline.issue_office import draft_row

NOW = WHEN + minutes(2)


def put_out(office: Office, *places: str, now: datetime = NOW, lifted: tuple[str, ...] = ()) -> MessageRow:
    """A red one of these places, in place of what is in force there."""
    (name,) = enter(office, machine_draft("hail", "red", places, now - minutes(2)))
    sign(office, LI, name, digest_of(draft_row(office, name)), now=now)
    (message,) = release(office, LI, [name], now=now, lifted=lifted)
    return message


def cancel(office: Office, message: MessageRow, now: datetime) -> MessageRow:
    made = prepare_cancel(office, LI, message.identifier, now=now, reason="结束")
    sign(office, LI, made.id, made.digest, now=now)
    (end,) = release(office, LI, [made.id], now=now)
    return end


def calls(office: Office, message: MessageRow) -> dict[str, tuple[str, float]]:
    """Person: state, and minutes after NOW until the next one is due."""
    found = list_callouts(office.ledger, identifier=message.identifier)
    return {row.person: (row.state, (row.due_at - NOW) / minutes(1)) for row in found}


def texts(office: Office, message: MessageRow) -> dict[str, OutboxRow]:
    """What goes to people."""
    return {
        row.recipient: row for row in list_outbox(office.ledger, identifier=message.identifier) if row.channel == "sms"
    }


def test_updates_do_not_restart_the_calls(office: Office) -> None:
    put_out(office, D1)  # red: 3 minutes
    second = put_out(office, D1, now=NOW + minutes(2))
    assert calls(office, second) == {"a": ("called", 3.0), "c": ("called", 3.0)}
    tick(office, now=NOW + minutes(3))
    assert calls(office, second) == {"a": ("escalated", 3.0), "b": ("called", 6.0), "c": ("called", 3.0)}
    third = put_out(office, D1, now=NOW + minutes(4))
    assert calls(office, third) == {"a": ("escalated", 3.0), "b": ("called", 6.0), "c": ("called", 3.0)}
    assert set(texts(office, third)) == {"a", "b", "c"}
    assert all(json.loads(row.payload)["link"] for row in texts(office, third).values())


def test_the_district_that_is_let_go_hears_of_it(office: Office) -> None:
    put_out(office, D1, D2)
    update = put_out(office, D2, now=NOW + minutes(2), lifted=(D1,))
    told = texts(office, update)
    assert set(told) == {"a", "c"}
    heard = json.loads(told["c"].payload)
    assert (heard["link"], heard["msg_type"]) == ("", "Update")
    assert heard["sms"] == heard["headline"] == "【测试】冰雹预警18:46解除：甲区。请关注天气。"
    assert heard["headline_en"] == "TEST - Hail warning lifted 18:46: District 1. Watch the weather."
    assert heard["text"].startswith(heard["sms"])
    assert "解除甲区冰雹预警" in heard["text"]
    assert record_of(update).instruction_zh.splitlines()[0] not in heard["text"]
    called = json.loads(told["a"].payload)
    assert called["sms"].startswith("【测试】冰雹红色预警更新：乙区，18:46起，")
    assert called["sms"].endswith("解除：甲区。")
    assert set(calls(office, update)) == {"a"}


def test_a_cancel_is_the_last_word(office: Office) -> None:
    first = put_out(office, D1)
    end = cancel(office, first, NOW + minutes(1))
    assert {row.state for row in texts(office, first).values()} == {"expired"}
    assert {row.last_error for row in texts(office, first).values()} == {f"superseded by {end.identifier}"}
    assert {name: row.state for name, row in texts(office, end).items()} == dict.fromkeys("abc", "waiting")
    everyone = [row for row in list_outbox(office.ledger, state="waiting") if row.recipient == "all"]
    assert {row.identifier for row in everyone} == {first.identifier, end.identifier}  # machines get both


def test_nobody_is_called_for_what_is_cancelled_in_that_moment(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    first, real = put_out(office, D1), issue_calls.next_call

    def race(*args: object, **more: object) -> object:
        found = real(*args, **more)  # type: ignore[arg-type]
        cancel(office, first, NOW + minutes(3))
        monkeypatch.setattr(issue_calls, "next_call", real)
        return found

    monkeypatch.setattr(issue_calls, "next_call", race)
    tick(replace(office), now=NOW + minutes(3))
    assert {name: state for name, (state, _) in calls(office, first).items()} == {"a": "over", "c": "over"}
    assert set(texts(office, first)) == {"a", "c"}
