"""The sender: at least once, never after the end, nobody held up, every failure to be seen (RELIABILITY.md B9)."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.warning.deliver.scene import Office, message, office, parcels, put, receiver, released, webhook
from tests.warning.scene import WHEN
from wxcore.desk import events
from wxcore.errors import DeliveryError, TimeError
from wxcore.landing.ledger import (
    Ledger,
    Message,
    OutboxRow,
    claim_due,
    expire_due,
    list_deliveries,
    list_outbox,
    mark_failed,
)
from wxcore.landing.ledger.outbox import CLAIM_S
from wxcore.pipeline import send, send_crew, steady
from wxcore.pipeline.send import send_due, send_loop, sender_file
from wxcore.pipeline.send_crew import SLOWEST_S, Crew, public_folder, show, write_projections
from wxcore.warning.contacts import Contacts, outbox_for
from wxcore.warning.deliver import Parcel
from wxcore.warning.deliver.channels import Channel
from wxcore.warning.deliver.webhook import send_webhook

SECOND = timedelta(seconds=1)


def due(place: Office, now: datetime = WHEN, **senders: Callable[[Channel, Parcel], None]) -> int:
    return send_due(place, now=now, random=Random(1), senders=senders or {"webhook": send_webhook})


def states(place: Office) -> list[str]:
    return [row.state for row in list_outbox(place.ledger)]


def test_what_is_due_is_sent_once(tmp_path: Path) -> None:
    with receiver() as (url, seen):
        place = office(tmp_path, webhook(url))
        put(place.ledger, parcels(150))
        assert due(place) == 150
        assert due(place) == 0
    assert sorted(seen.effects.values()) == sorted(f"r{n}" for n in range(150))
    assert (len(seen.requests), set(states(place))) == (150, {"sent"})


def test_a_failure_is_to_be_seen_and_waits(tmp_path: Path) -> None:
    with receiver(lambda: "500") as (url, _):
        place = office(tmp_path, webhook(url))
        put(place.ledger, parcels(1))
        assert due(place) == 0
        [row] = list_outbox(place.ledger)
        assert (row.state, row.attempts) == ("waiting", 1)
        assert "answered 500" in row.last_error
        assert "接收方应答 500" in row.last_error
        assert "needs a person" not in row.last_error
        assert WHEN < row.next_at <= WHEN + 2 * SECOND
        assert due(place, WHEN) == 0
        assert list_outbox(place.ledger)[0].attempts == 1  # not yet due again
    with receiver() as (url, _):
        assert due(replace(place, contacts=Contacts((webhook(url),))), WHEN + 3 * SECOND) == 1


@pytest.mark.parametrize(
    ("channel", "says"),
    [
        (Channel("other", "mail"), "channel hook is not in delivery.toml"),
        (Channel("hook", "webhook", {"url": "https://169.254.169.254/"}), "is not a public address"),
        (Channel("hook", "webhook", {"url": "https://x/", "token_env": "NO_SUCH_VARIABLE"}), "is not set"),
    ],
)
def test_what_needs_a_person_says_so_and_is_still_tried(tmp_path: Path, channel: Channel, says: str) -> None:
    place = office(tmp_path, channel)
    put(place.ledger, parcels(1))
    for attempt, later in ((1, 0), (2, 5)):
        assert due(place, WHEN + later * SECOND) == 0
        [row] = list_outbox(place.ledger)
        assert (row.state, row.attempts) == ("waiting", attempt)
        assert says in row.last_error
        assert row.last_error.startswith("needs a person 需人工处理")


def test_never_after_the_end(tmp_path: Path) -> None:
    with receiver() as (url, seen):
        place = office(tmp_path, webhook(url))
        put(place.ledger, parcels(3, minutes=5))
        assert due(place, WHEN + timedelta(minutes=5)) == 0
        assert due(place, WHEN + timedelta(days=1)) == 0
        assert seen.requests == []
    expire_due(place.ledger, now=WHEN + timedelta(minutes=5))
    assert states(place) == ["expired"] * 3


def test_a_message_near_its_end_gets_no_more_time_than_it_has(tmp_path: Path) -> None:
    place, given = office(tmp_path, webhook("https://x/")), []
    put(place.ledger, parcels(1, minutes=60))
    late = WHEN + timedelta(minutes=60) - 4 * SECOND
    assert due(place, late, webhook=lambda _, parcel: given.append(parcel.timeout_s)) == 1
    assert 3.0 < given[0] <= 4.0
    assert SLOWEST_S < CLAIM_S / 2


def test_a_sender_that_breaks_is_a_failure_like_others(tmp_path: Path) -> None:
    place = office(tmp_path, webhook("https://x/"))
    put(place.ledger, parcels(2))

    def broken(_: Channel, parcel: Parcel) -> None:
        if parcel.recipient == "r0":
            raise ZeroDivisionError("a bug")

    assert due(place, webhook=broken) == 1
    assert list_outbox(place.ledger)[0].last_error == "ZeroDivisionError: a bug"


def test_another_sender_s_rows_are_left_alone_until_its_claim_ends(tmp_path: Path) -> None:
    with receiver() as (url, seen):
        place = office(tmp_path, webhook(url))
        put(place.ledger, parcels(5))
        assert len(claim_due(place.ledger, now=WHEN, holder="dead", limit=3)) == 3
        assert due(place, WHEN + SECOND) == 2
        assert due(place, WHEN + (CLAIM_S + 1) * SECOND) == 3
    assert len(seen.effects) == 5
    assert not seen.doubled


def test_a_naive_time_is_refused(tmp_path: Path) -> None:
    place, naive = office(tmp_path), WHEN.replace(tzinfo=None)
    for door in (due, lambda at, now: write_projections(at, now=now), lambda at, now: show(at, "x", now=now)):
        with pytest.raises(TimeError):
            door(place, naive)


class TestProjections:
    def test_feed_and_files_come_from_the_ledger(self, tmp_path: Path) -> None:
        place = office(tmp_path)
        for number in range(3):
            warning = message(f"wx-{number}", hazard=f"h{number}")
            released(place.ledger, warning, outbox=tuple(outbox_for(place.contacts, warning, "<alert/>")))
        assert due(place) == 6
        folder = public_folder(place.home)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert len(before) == 6
        assert b"https://w.example.org/cap/wx-2.xml" in before[folder / "feed.atom"]
        for path in before:
            path.unlink()
        write_projections(place, now=WHEN)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    def test_a_message_that_is_not_in_the_ledger_is_not_shown(self, tmp_path: Path) -> None:
        place = office(tmp_path)
        put(place.ledger, parcels(1, "feed"))
        assert due(place) == 0
        assert "no message i" in list_outbox(place.ledger)[0].last_error

    def test_a_mail_carries_the_cap_as_it_was_signed(self, tmp_path: Path) -> None:
        place, got = office(tmp_path, Channel("hook", "mail", {})), []
        cap = released(place.ledger, message("i"), outbox=tuple(parcels(1)))
        assert due(place, mail=lambda _, parcel: got.append(parcel.cap)) == 1
        assert got == [cap]


class TestLoop:
    def run(self, place: Office, until: Callable[[], bool], **over: object) -> tuple[int, list[str]]:
        """The loop on the real clock until `until`, two minutes at the longest."""
        stop, told, sent = threading.Event(), [], []
        words = {"now": lambda: datetime.now(UTC), "tell": told.append, **over}
        thread = threading.Thread(target=lambda: sent.append(send_loop(place, stop=stop, **words)))
        thread.start()
        limit = time.monotonic() + 120
        while not until() and time.monotonic() < limit:
            time.sleep(0.02)
        stop.set()
        thread.join(120)
        assert not thread.is_alive()
        return sent[0], told

    def fresh(self, count: int, channel: str) -> list[Message]:
        end = datetime.now(UTC) + timedelta(minutes=10)
        return [replace(each, expires_at=end) for each in parcels(count, channel)]

    def test_a_slow_channel_holds_nobody_up(self, tmp_path: Path) -> None:
        """More messages to a channel that does not answer than it has carriers; the others go out meanwhile."""
        place = office(tmp_path, webhook("https://x/", "slow"), webhook("https://x/", "quick"))
        hold, got = threading.Event(), []

        def carry(channel: Channel, parcel: Parcel) -> None:
            if channel.id == "slow":
                hold.wait(60)
            else:
                got.append(parcel.recipient)

        now = datetime.now(UTC)
        put(place.ledger, [*self.fresh(40, "slow"), *self.fresh(10, "quick")], now)

        def quick_ones_are_out() -> bool:
            if len(got) == 10:
                assert not hold.is_set()
                hold.set()
            return hold.is_set()

        sent, told = self.run(place, quick_ones_are_out, senders={"webhook": carry})
        assert len(got) == 10
        assert told == []
        assert sent >= 14
        assert sorted(states(place)).count("sent") == sent

    def test_a_channel_that_hangs_starves_nobody(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Far more rows of it than are under way at once, all due before the others."""
        monkeypatch.setattr(send_crew, "MOST_UNDER_WAY", 20)
        monkeypatch.setattr(send, "BATCH", 8)
        monkeypatch.setattr(send, "WAKE_S", 0.02)
        place = office(tmp_path, webhook("https://x/", "slow"), webhook("https://x/", "quick"))
        hold, got = threading.Event(), []

        def carry(channel: Channel, parcel: Parcel) -> None:
            if channel.id == "slow":
                hold.wait(60)
            else:
                got.append(parcel.recipient)

        now = datetime.now(UTC)
        put(place.ledger, self.fresh(100, "slow"), now - SECOND)
        put(place.ledger, self.fresh(40, "quick"), now)

        def quick_ones_are_out() -> bool:
            if len(got) == 40:
                claimed = [row for row in list_outbox(place.ledger, state="sending") if row.channel == "slow"]
                assert 20 <= len(claimed) < 20 + 8
                hold.set()
            return hold.is_set()

        _, told = self.run(place, quick_ones_are_out, senders={"webhook": carry})
        assert (len(got), told) == (40, [])

    def test_trouble_of_the_ledger_is_told_and_outlived(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place, got, failures, ticks = office(tmp_path, webhook("https://x/")), [], iter(range(2)), []
        put(place.ledger, self.fresh(1, "hook"), datetime.now(UTC))
        real = send.claim_due
        monkeypatch.setattr(send, "WAKE_S", 0.02)

        def claim(ledger: Ledger, **words: Any) -> list[OutboxRow]:
            if next(failures, None) is not None:
                raise OSError("database is locked")
            return real(ledger, **words)

        monkeypatch.setattr(send, "claim_due", claim)

        def tick(now: datetime) -> None:
            ticks.append(now)
            raise ValueError("tick is broken")

        carry = {"webhook": lambda _, parcel: got.append(parcel.key)}
        sent, told = self.run(place, lambda: bool(got), senders=carry, tick=tick)
        assert (sent, len(got), len(ticks)) == (1, 1, 1)
        assert sum("database is locked" in each for each in told) == 2
        assert any("tick is broken" in each for each in told)
        assert public_folder(place.home).joinpath("feed.atom").is_file()

    def test_what_could_not_be_marked_is_marked_later_not_sent_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place, got, failures = office(tmp_path, webhook("https://x/")), [], iter(range(1))
        put(place.ledger, self.fresh(1, "hook"), datetime.now(UTC))
        real = send.mark_sent
        monkeypatch.setattr(send, "WAKE_S", 0.02)

        def mark(ledger: Ledger, rows: list[OutboxRow], **words: Any) -> int:
            if next(failures, None) is not None:
                raise OSError("disk full")
            return real(ledger, rows, **words)

        monkeypatch.setattr(send, "mark_sent", mark)
        sent, told = self.run(
            place, lambda: states(place) == ["sent"], senders={"webhook": lambda _, parcel: got.append(parcel.key)}
        )
        assert (sent, len(got), states(place)) == (1, 1, ["sent"])
        assert sum("disk full" in each for each in told) == 1

    def test_nobody_who_listens_does_not_end_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place, got, failures = (
            office(tmp_path, webhook("https://x/")),
            [],
            iter([OSError("pipe"), ValueError("closed")]),
        )
        put(place.ledger, self.fresh(1, "hook"), datetime.now(UTC))
        real = send.claim_due
        monkeypatch.setattr(send, "WAKE_S", 0.02)

        class Gone:
            def write(self, _: str) -> None:
                raise BrokenPipeError("nobody reads")

        def claim(ledger: Ledger, **words: Any) -> list[OutboxRow]:
            for error in failures:
                raise error
            return real(ledger, **words)

        monkeypatch.setattr(send, "claim_due", claim)
        monkeypatch.setattr(send.sys, "stderr", Gone())
        carry = {"webhook": lambda _, parcel: got.append(parcel.key)}
        assert self.run(place, lambda: bool(got), senders=carry, tell=send._complain)[0] == 1

    def test_a_clock_that_jumps_ends_and_claims_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three hours ahead, for good: after AGREE_S it is believed, and only then what has run out is ended."""
        monkeypatch.setattr(send, "WAKE_S", 0.02)
        monkeypatch.setattr(send, "TICK_S", 0.05)
        place, ahead, ticks, said = office(tmp_path, webhook("https://x/")), [timedelta(0)], [], []
        file = sender_file(place.home)

        def step(until: Callable[[], bool]) -> bool:
            if file.is_file() and (not said or said[-1] != json.loads(file.read_text())["clock"]):
                said.append(json.loads(file.read_text())["clock"])
            if said == [True] and not ahead[0]:
                ahead[0] = timedelta(hours=3)
                put(place.ledger, self.fresh(1, "hook"), datetime.now(UTC))
            if said == [True, False] and steady.AGREE_S > 100:
                time.sleep(0.3)
                assert states(place) == ["waiting"]
                assert all(tick < datetime.now(UTC) + timedelta(hours=1) for tick in ticks)
                monkeypatch.setattr(steady, "AGREE_S", 0.1)
            return until()

        _, told = self.run(
            place, lambda: step(lambda: said == [True, False, True] and states(place) == ["expired"]),
            now=lambda: datetime.now(UTC) + ahead[0], tick=ticks.append, senders={"webhook": lambda *_: None},
        )  # fmt: skip
        assert (said, states(place), told) == ([True, False, True], ["expired"], [])
        assert ticks[-1] > datetime.now(UTC) + timedelta(hours=1)

    def test_public_files_that_cannot_be_written_are_told_to_the_desk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(send, "WAKE_S", 0.02)
        monkeypatch.setattr(send, "TICK_S", 0.05)
        place, full, said = office(tmp_path), [True], list[str]()
        real = send.write_projections

        def write(at: Office, *, now: datetime) -> None:
            if full[0]:
                raise OSError(28, "No space left on device", str(tmp_path / "secret"))
            real(at, now=now)

        monkeypatch.setattr(send, "write_projections", write)

        def told_and_mended() -> bool:
            file = sender_file(place.home)
            public = json.loads(file.read_text())["public"] if file.is_file() else "?"
            if public not in said:
                said.append(public)
            full[0] = full[0] and public in ("?", "")
            return said[-1] == "" and not full[0]

        _, told = self.run(place, told_and_mended)
        assert [word for word in said if word != "?"] == ["No space left on device", ""]
        assert any("No space left" in each for each in told)


def test_what_waits_behind_a_silent_endpoint_says_so(tmp_path: Path) -> None:
    """Twelve messages, four of them claimed: after the first time-out all twelve are in trouble on the desk."""
    place = office(tmp_path, webhook("https://x/"), webhook("https://x/", "quick"))
    put(place.ledger, [*parcels(12), *parcels(1, "quick")])
    first, *_ = claim_due(place.ledger, now=WHEN, holder="h", limit=4)
    assert list_deliveries(place.ledger, in_trouble=WHEN) == []
    send._mark(place, [send_crew.Outcome(first, "no answer in time", is_silent=True)], WHEN, Random(1))
    assert len(list_deliveries(place.ledger, in_trouble=WHEN)) == 12
    errors = {row.last_error for row in list_outbox(place.ledger) if row.channel == "hook"}
    assert errors == {"no answer in time", send.HELD_UP}
    assert due(place, WHEN + (CLAIM_S + 5) * SECOND, webhook=lambda *_: None) == 13
    assert {row.last_error for row in list_outbox(place.ledger)} == {""}


@pytest.mark.parametrize(("silent_s", "is_silent"), [(0.0, True), (60.0, False)])
def test_what_failed_slowly_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent_s: float, is_silent: bool
) -> None:
    monkeypatch.setattr(send_crew, "SILENT_S", silent_s)
    place = office(tmp_path, Channel("other", "mail"))
    put(place.ledger, parcels(1))
    with Crew(place, {}, lambda: WHEN) as crew:
        crew.carry(claim_due(place.ledger, now=WHEN, holder="h", limit=1)[0])
        assert [outcome.is_silent for outcome in crew.back(60.0)] == [is_silent]


def test_a_failure_is_on_the_desk_within_half_a_minute() -> None:
    assert SLOWEST_S + send.WAKE_S + events.SLOW_S + events.POLL_S < 30 - 5  # 5 s for threads, disk and line


def test_a_thread_that_cannot_be_started_costs_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, sent = office(tmp_path, webhook("https://x/")), []
    put(place.ledger, parcels(3))
    rows = claim_due(place.ledger, now=WHEN, holder="h", limit=3)

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with Crew(place, {"webhook": lambda _, parcel: sent.append(parcel.key)}, lambda: WHEN) as crew:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            for row in rows:
                crew.carry(row)
            outcomes = crew.back(1.0)
        assert (len(outcomes), crew.under_way, crew.full()) == (3, 0, [])
        assert {outcome.error for outcome in outcomes} == {"RuntimeError: can't start new thread"}
        for outcome in outcomes:
            assert mark_failed(place.ledger, outcome.row, error=outcome.error, now=WHEN, random=Random(1))
        again = claim_due(place.ledger, now=WHEN + 5 * SECOND, holder="h", limit=3)
        for row in again:
            crew.carry(row)
        while crew.under_way:
            crew.back(1.0)
    assert sorted(sent) == sorted(row.key for row in rows)  # what was left in the queue found its claim gone


def test_the_receiver_s_wish_to_wait_is_kept(tmp_path: Path) -> None:
    place = office(tmp_path, webhook("https://x/"))
    put(place.ledger, parcels(1))

    def busy(_: Channel, __: Parcel) -> None:
        raise DeliveryError("the receiver answered 429", retry_after=20.0)

    assert due(place, webhook=busy) == 0
    assert 20 * SECOND <= list_outbox(place.ledger)[0].next_at - WHEN < 25 * SECOND


def test_what_was_ended_in_the_queue_is_not_sent(tmp_path: Path) -> None:
    place = office(tmp_path, webhook("https://x/"))
    released(place.ledger, message("i"), outbox=tuple(parcels(1)))
    [row] = claim_due(place.ledger, now=WHEN, holder="h", limit=1)
    cancel = message("j", msg_type="Cancel", references=(message("i").reference,))
    released(place.ledger, cancel, ended=("i",))
    with Crew(place, {"webhook": lambda *_: pytest.fail("sent after its cancel")}, lambda: WHEN + SECOND) as crew:
        crew.carry(row)
        [outcome] = crew.back(60.0)
    assert "closed before it was sent" in outcome.error
    assert states(place) == ["expired"]


def test_a_claim_that_ended_in_the_queue_goes_back(tmp_path: Path) -> None:
    place = office(tmp_path, webhook("https://x/"))
    put(place.ledger, parcels(1))
    [row] = claim_due(place.ledger, now=WHEN, holder="h", limit=1)
    late = WHEN + (CLAIM_S + 1) * SECOND
    with Crew(place, {"webhook": lambda *_: pytest.fail("sent after its claim")}, lambda: late) as crew:
        crew.carry(row)
        [outcome] = crew.back(60.0)
    assert "too busy" in outcome.error
