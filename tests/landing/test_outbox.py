"""What was decided is sent: at least once, to each recipient, and never after its end."""

import json
import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random

import pytest

from wxcore.errors import TimeError
from wxcore.landing.ledger import Ledger, open_ledger, rebuild, state_hash
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.outbox import (
    BACKOFF_S,
    CLAIM_S,
    REPLAY,
    Message,
    OutboxRow,
    claim_due,
    enqueue,
    expire_due,
    is_claimed,
    list_outbox,
    mark_failed,
    mark_held_up,
    mark_sent,
    supersede,
)
from wxcore.landing.ledger.replay import replay

NOON = datetime(2020, 6, 12, 5, 42, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = 3600
SPAWN = multiprocessing.get_context("spawn")
SENDERS, SHARED = 3, 150
SOAKED = 300


def message(number: int = 0, lives_s: float = HOUR) -> Message:
    return Message("w1", "sms", f"+86 {number}", '{"text": "冰雹"}', NOON + lives_s * SECOND)


def put(ledger: Ledger, *messages: Message, after_s: float = 0) -> int:
    with writing(ledger) as transaction:
        return enqueue(transaction, messages, now=NOON + after_s * SECOND)


def claim(ledger: Ledger, after_s: float = 0, holder: str = "a", limit: int = 100) -> list[OutboxRow]:
    return claim_due(ledger, now=NOON + after_s * SECOND, holder=holder, limit=limit)


def fail(ledger: Ledger, row: OutboxRow, after_s: float = 0) -> float | None:
    """Seconds until it is due again."""
    now = NOON + after_s * SECOND
    due = mark_failed(ledger, row, error="500 from the gateway", now=now, random=Random(5))
    return None if due is None else (due - now) / SECOND


def only(ledger: Ledger) -> OutboxRow:
    (row,) = list_outbox(ledger)
    return row


class TestEnqueue:
    def test_the_first_decision_goes_out_once(self, ledger: Ledger) -> None:
        assert put(ledger, message(1), message(2), message(1)) == 2
        assert put(ledger, replace(message(1), payload="{}"), message(3), after_s=1) == 1
        rows = list_outbox(ledger, identifier="w1")
        assert [row.recipient for row in rows] == ["+86 1", "+86 2", "+86 3"]
        assert rows[0].payload == message().payload
        assert (rows[0].state, rows[0].attempts, rows[0].created_at, rows[2].created_at) == (
            "waiting", 0, NOON, NOON + SECOND,
        )  # fmt: skip
        assert len({row.key for row in rows}) == 3
        assert list_outbox(ledger, identifier="w2") == []

    def test_keys_tell_all_three_parts_apart(self) -> None:
        parts = [("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd"), ("a", "c", "bd")]
        assert len({Message(*three, "{}", NOON).key for three in parts}) == 4

    def test_no_warning_no_message(self, ledger: Ledger) -> None:
        def decide() -> None:
            with writing(ledger) as transaction:
                enqueue(transaction, [message()])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            decide()
        assert list_outbox(ledger) == []

    def test_many_at_once(self, ledger: Ledger) -> None:
        many = [message(number) for number in range(1201)]
        assert put(ledger, *many) == 1201
        assert put(ledger, *many, message(5000)) == 1
        rows = claim(ledger, limit=2000)
        assert [row.recipient for row in rows] == [*(one.recipient for one in many), "+86 5000"]
        assert mark_sent(ledger, rows, now=NOON) == 1202

    def test_naive_times_are_refused(self, ledger: Ledger) -> None:
        naive = NOON.replace(tzinfo=None)
        with pytest.raises(TimeError):
            claim_due(ledger, now=naive, holder="a", limit=1)
        with pytest.raises(TimeError):
            expire_due(ledger, now=naive)
        with pytest.raises(TimeError):
            put(ledger, replace(message(), expires_at=naive))


class TestClaim:
    def test_oldest_first_and_no_row_twice(self, ledger: Ledger) -> None:
        for number in range(5):
            put(ledger, message(number), after_s=number)
        assert [row.recipient for row in claim(ledger, 3, "a", 2)] == ["+86 0", "+86 1"]
        assert [row.recipient for row in claim(ledger, 3, "b", 9)] == ["+86 2", "+86 3"]
        assert claim(ledger, 3, "c") == []

    def test_rows_of_a_dead_sender_come_back(self, ledger: Ledger) -> None:
        put(ledger, message())
        (first,) = claim(ledger)
        assert first.claimed_until == NOON + CLAIM_S * SECOND
        assert claim(ledger, CLAIM_S - 0.001, "b") == []
        (second,) = claim(ledger, CLAIM_S, "b")
        assert (second.attempts, second.claimed_by) == (2, "b")

    def test_never_after_the_end(self, ledger: Ledger) -> None:
        put(ledger, message(lives_s=10))
        (row,) = claim(ledger, 4)
        assert row.claimed_until == row.expires_at == NOON + 10 * SECOND
        fail(ledger, row, 4)
        assert claim(ledger, 10) == []
        assert claim(ledger, 9.999) != []

    def test_full_channels_are_left_alone(self, ledger: Ledger) -> None:
        put(ledger, message(1), replace(message(2), channel="mail"), replace(message(3), channel="wis2"))
        rows = claim_due(ledger, now=NOON, holder="a", limit=9, skip=["sms", "wis2"])
        assert [row.channel for row in rows] == ["mail"]
        assert [row.channel for row in claim(ledger)] == ["sms", "wis2"]

    def test_a_clock_that_was_ahead_delays_nothing(self, ledger: Ledger) -> None:
        put(ledger, message(1, 9 * HOUR), message(2, 9 * HOUR), after_s=HOUR)
        (ahead, _) = claim(ledger, HOUR)
        fail(ledger, ahead, HOUR)
        assert [row.recipient for row in claim(ledger, 0)] == ["+86 2", "+86 1"]


class TestOutcome:
    def test_sent_is_final(self, ledger: Ledger) -> None:
        put(ledger, message())
        (row,) = claim(ledger)
        assert mark_sent(ledger, [row], now=NOON + SECOND) == 1
        assert mark_sent(ledger, [row], now=NOON + 2 * SECOND) == 0
        assert fail(ledger, row) is None
        assert claim(ledger, CLAIM_S) == []
        assert expire_due(ledger, now=NOON + 2 * HOUR * SECOND) == []
        assert (only(ledger).state, only(ledger).sent_at) == ("sent", NOON + SECOND)

    def test_a_late_answer_counts_as_sent(self, ledger: Ledger) -> None:
        put(ledger, message())
        (slow,) = claim(ledger, 0, "slow")
        (quick,) = claim(ledger, CLAIM_S, "quick")
        assert mark_sent(ledger, [slow], now=NOON) == 1
        assert fail(ledger, quick) is None
        assert only(ledger).state == "sent"

    def test_a_late_failure_does_not_take_the_row_from_the_next(self, ledger: Ledger) -> None:
        put(ledger, message())
        (before,) = claim(ledger)
        (now,) = claim(ledger, CLAIM_S)  # the same sender, once more
        assert fail(ledger, before, CLAIM_S) is None
        assert claim(ledger, CLAIM_S + 30) == []
        assert fail(ledger, now, CLAIM_S) is not None

    def test_back_off(self, ledger: Ledger) -> None:
        put(ledger, message(lives_s=10 * HOUR))
        now, waits = 0.0, list[float]()
        for _ in range(10):
            (row,) = claim(ledger, now)
            wait = fail(ledger, row, now)
            assert wait is not None
            assert claim(ledger, now + wait - 0.001) == []
            now, waits = now + wait, [*waits, wait]
        longest = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
        assert list(BACKOFF_S) == longest[:7]
        assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest, strict=True))
        assert only(ledger).last_error == "500 from the gateway"

    def test_who_asks_for_more_time_gets_it_up_to_a_minute(self, ledger: Ledger) -> None:
        put(ledger, message(lives_s=10 * HOUR))
        now = 0.0
        for asked, wait in ((10.0, 10.0), (3600.0, 60.0), (0.1, None)):
            (row,) = claim(ledger, now)
            time = NOON + now * SECOND
            due = mark_failed(ledger, row, error="429", now=time, random=Random(5), retry_after_s=asked)
            assert due is not None
            waited = (due - time) / SECOND
            assert waited == wait if wait else 2 <= waited <= 4
            now += waited

    def test_what_waits_behind_a_hung_channel_says_so(self, ledger: Ledger) -> None:
        put(ledger, *(message(number) for number in range(4)), replace(message(9), channel="mail"))
        done, failed, hung = claim(ledger, limit=3)
        mark_sent(ledger, [done], now=NOON)
        fail(ledger, failed)
        assert mark_held_up(ledger, "sms", error="no answer") == 2
        told = {row.recipient: (row.state, row.last_error) for row in list_outbox(ledger)}
        assert told == {
            "+86 0": ("sent", ""), "+86 1": ("waiting", "500 from the gateway"), "+86 2": ("sending", "no answer"),
            "+86 3": ("waiting", "no answer"), "+86 9": ("waiting", ""),
        }  # fmt: skip
        assert mark_held_up(ledger, "sms", error="again") == 0
        mark_sent(ledger, [hung], now=NOON)
        assert list_outbox(ledger)[2].last_error == ""

    def test_failures_do_not_come_back_together(self, ledger: Ledger) -> None:
        put(ledger, *(message(number) for number in range(20)))
        random = Random(1)
        due = {mark_failed(ledger, row, error="e", now=NOON, random=random) for row in claim(ledger)}
        assert len(due) == 20

    def test_expiry_waits_for_who_is_sending(self, ledger: Ledger) -> None:
        put(ledger, message(1, 10), message(2, 10), message(3))
        first, _ = claim(ledger, 0, limit=2)
        fail(ledger, first)
        end = NOON + 10 * SECOND
        assert expire_due(ledger, now=end - 0.001 * SECOND) == []
        keys = expire_due(ledger, now=end)
        assert keys == [message(1).key, message(2).key]  # a claim never outlives the message
        assert [row.state for row in list_outbox(ledger)] == ["expired", "expired", "waiting"]
        assert expire_due(ledger, now=end) == []
        assert [row.recipient for row in list_outbox(ledger, state="waiting")] == ["+86 3"]

    def test_taken_just_before_the_end(self, ledger: Ledger) -> None:
        put(ledger, message(1, 10))
        (row,) = claim(ledger, 9)
        expire_due(ledger, now=NOON + 10 * SECOND)
        assert mark_sent(ledger, [row], now=NOON + 9.9 * SECOND) == 1
        assert only(ledger).state == "sent"


class TestSupersede:
    def end(self, ledger: Ledger, after_s: float = 9) -> set[tuple[str, str]]:
        with writing(ledger) as transaction:
            return supersede(transaction, {"w1": "w2"}, now=NOON + after_s * SECOND)

    def test_an_old_word_never_follows_the_new_one(self, ledger: Ledger) -> None:
        machine = replace(message(), channel="feed", recipient="all")
        put(ledger, *(message(number) for number in range(4)), machine, replace(message(7), identifier="other"))
        sent, failed, hung, queued, feed, _ = claim(ledger)
        mark_sent(ledger, [sent], now=NOON)
        fail(ledger, failed)
        fail(ledger, feed)
        assert is_claimed(ledger, hung)
        assert self.end(ledger) == {("w2", "+86 1"), ("w2", "+86 2"), ("w2", "+86 3")}
        assert not is_claimed(ledger, hung)
        assert fail(ledger, hung, 9) is None  # it does not come back
        assert mark_sent(ledger, [queued], now=NOON) == 1  # it was on its way already: what happened is entered
        put(ledger, replace(machine, identifier="w2"), after_s=9)
        assert [(row.identifier, row.channel) for row in claim(ledger, 9)] == [("w1", "feed"), ("w2", "feed")]
        assert sorted(row.identifier for row in claim(ledger, HOUR - 1)) == ["other", "w1", "w2"]
        rows = {row.recipient: row for row in list_outbox(ledger, identifier="w1")}
        assert [row.state for row in rows.values()] == ["sent", "expired", "expired", "sent", "sending"]
        assert rows["+86 1"].last_error == rows["+86 2"].last_error == "superseded by w2"

    def test_a_machine_s_claimed_row_keeps_its_time(self, ledger: Ledger) -> None:
        machines = [replace(message(), channel=name, recipient="all") for name in ("feed", "wis2")]
        put(ledger, *machines)
        claimed = claim(ledger, 3, limit=1)
        self.end(ledger, 9)
        times = {row.channel: (row.state, row.next_at) for row in list_outbox(ledger)}
        assert times == {"feed": ("sending", claimed[0].next_at), "wis2": ("waiting", NOON + 9 * SECOND)}
        assert claimed[0].next_at == NOON

    def test_the_journal_tells_it(self, tmp_path: Path) -> None:
        lost, new = open_ledger(tmp_path / "lost.sqlite", warnings=tmp_path / "w"), open_ledger(tmp_path / "new.sqlite")
        put(lost, message(1), message(2), replace(message(3), recipient="all"))
        claim(lost, limit=1)
        self.end(lost)
        assert rebuild(new, tmp_path / "landing", tmp_path / "w")
        assert state_hash(new) == state_hash(lost)
        told = [(row.state, row.last_error) for row in list_outbox(new)]
        assert told == [("expired", "superseded by w2")] * 2 + [("waiting", "")]


def _claim_all(url: str, name: str, start: Barrier, pipe: Pipe) -> None:
    ledger = open_ledger(url)
    start.wait(60)
    keys: list[str] = []
    while rows := claim_due(ledger, now=datetime.now(UTC), holder=name, limit=4):
        keys += [row.key for row in rows]
    pipe.send(keys)


def test_no_row_goes_to_two_senders(ledger_url: str, ledger: Ledger) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    with writing(ledger) as transaction:
        enqueue(transaction, [replace(message(number), expires_at=end) for number in range(SHARED)])
    start, pipes = SPAWN.Barrier(SENDERS), [SPAWN.Pipe() for _ in range(SENDERS)]
    senders = [
        SPAWN.Process(target=_claim_all, args=(ledger_url, f"s{number}", start, there))
        for number, (_, there) in enumerate(pipes)
    ]
    for sender in senders:
        sender.start()
    claimed = [here.recv() if here.poll(60) else [] for here, _ in pipes]
    for sender in senders:
        sender.join(60)
        assert sender.exitcode == 0
    keys = [key for some in claimed for key in some]
    assert len(keys) == len(set(keys)) == SHARED


def test_nothing_lost_nothing_twice_nothing_late(ledger: Ledger) -> None:
    """Senders that fail, crash before and after the send, or are slow; a receiver that takes each key once."""
    random = Random(20200612)
    lives = {number: random.choice([20.0, 200.0, 9 * HOUR]) for number in range(SOAKED)}
    put(ledger, *(message(number, life) for number, life in lives.items()))
    taken: dict[str, float] = {}
    handed, now, number = 0, 0.0, 0
    while list_outbox(ledger, state="waiting") or list_outbox(ledger, state="sending"):
        done = []
        for row in claim(ledger, now, f"sender {number}", 40):
            handed += 1
            assert NOON + now * SECOND < row.expires_at
            fate = random.choice(["answers", "answers", "refuses", "dies before", "dies after"])
            if fate in {"answers", "dies after"}:
                taken.setdefault(row.key, now)
            if fate == "answers":
                done.append(row)
            if fate == "refuses":
                fail(ledger, row, now)
        mark_sent(ledger, done, now=NOON + now * SECOND)
        expire_due(ledger, now=NOON + now * SECOND)
        now, number = now + random.choice([0.5, 5.0]), number + 1
    assert handed > SOAKED + 100  # there was much to repeat
    ends = {message(number).key: life for number, life in lives.items()}
    rows = {row.key: row for row in list_outbox(ledger)}
    assert set(rows) == set(ends)
    assert all(taken[key] < ends[key] for key in taken)
    assert {key for key, row in rows.items() if row.state == "sent"} <= set(taken)
    missed = set(ends) - set(taken)
    assert all(rows[key].state == "expired" and ends[key] < HOUR for key in missed)
    assert 0 < len(missed) < SOAKED / 4


def test_sent_stays_sent_when_its_end_is_told_after_it(ledger: Ledger) -> None:
    """Two processes: one had sent it when the other closed it, and the journal has both."""
    put(ledger, message(1), message(2))
    keys = [message(1).key, message(2).key]
    with writing(ledger) as transaction:
        REPLAY["sent"](transaction.connection, [{"keys": keys[:1], "sent_at": "2020-06-12T05:42:00.000000Z"}])
        REPLAY["expired"](transaction.connection, [{"keys": keys, "error": "superseded by w2"}])
    assert [(row.state, row.last_error) for row in list_outbox(ledger)] == [
        ("sent", ""), ("expired", "superseded by w2"),
    ]  # fmt: skip


def test_a_lost_ledger_gets_it_back_from_the_journal(tmp_path: Path) -> None:
    lost = open_ledger(tmp_path / "lost.sqlite", warnings=tmp_path / "warnings")
    put(lost, *(message(number) for number in range(4)), replace(message(1), channel="mail"), message(9, 5))
    put(lost, message(2), message(7), after_s=1)
    sent, failed, _ = claim(lost, limit=3)
    mark_sent(lost, [sent], now=NOON + SECOND)
    fail(lost, failed)
    expire_due(lost, now=NOON + 6 * SECOND)
    new = open_ledger(tmp_path / "new.sqlite")
    for _ in range(2):  # the same twice changes nothing
        with writing(new) as transaction:
            for event in replay(tmp_path / "warnings"):
                REPLAY[event.kind](transaction.connection, [event.data])
    with writing(new) as transaction:  # nor do rows that nobody knows
        REPLAY["sent"](transaction.connection, [{"keys": ["0" * 64], "sent_at": "2020-06-12T05:42:00.000000Z"}])
        REPLAY["expired"](transaction.connection, [{"keys": ["0" * 64]}])
    idle = {"attempts": 0, "next_at": NOON, "claimed_by": "", "claimed_until": None, "last_error": ""}
    again = []
    for row in list_outbox(lost):
        state = "waiting" if row.state == "sending" else row.state
        again.append(replace(row, state=state, **{**idle, "next_at": row.created_at}))  # type: ignore[arg-type]
    assert list_outbox(new) == again
    assert {row.state for row in again} == {"waiting", "sent", "expired"}
    lines = [json.loads(line) for path in (tmp_path / "warnings").glob("*.jsonl") for line in path.open()]
    recipients = [line["event"]["data"].get("recipients") for line in lines]
    assert ["+86 0", "+86 1", "+86 2", "+86 3"] in recipients  # one line for one text, however many it goes to
