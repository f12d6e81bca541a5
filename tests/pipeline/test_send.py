"""The sender: at least once, never after the end, nobody held up, every failure to be seen (RELIABILITY.md B9)."""

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
from wxcore.errors import TimeError
from wxcore.landing.ledger import Ledger, Message, OutboxRow, claim_due, expire_due, list_outbox
from wxcore.landing.ledger.outbox import CLAIM_S
from wxcore.pipeline import send
from wxcore.pipeline.send import SLOWEST_S, public_folder, send_due, send_loop, show, write_projections
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
        folder = public_folder(place)
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
        """The loop on the real clock until `until`, ten seconds at the longest."""
        stop, told, sent = threading.Event(), [], []
        words = {"now": lambda: datetime.now(UTC), "tell": told.append, **over}
        thread = threading.Thread(target=lambda: sent.append(send_loop(place, stop=stop, **words)))
        thread.start()
        limit = time.monotonic() + 10
        while not until() and time.monotonic() < limit:
            time.sleep(0.02)
        stop.set()
        thread.join(10)
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
                hold.wait(5)
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
        monkeypatch.setattr(send, "MOST_UNDER_WAY", 20)
        monkeypatch.setattr(send, "BATCH", 8)
        monkeypatch.setattr(send, "WAKE_S", 0.02)
        place = office(tmp_path, webhook("https://x/", "slow"), webhook("https://x/", "quick"))
        hold, got = threading.Event(), []

        def carry(channel: Channel, parcel: Parcel) -> None:
            if channel.id == "slow":
                hold.wait(1)
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
        assert public_folder(place).joinpath("feed.atom").is_file()


def test_what_was_ended_in_the_queue_is_not_sent(tmp_path: Path) -> None:
    place = office(tmp_path, webhook("https://x/"))
    released(place.ledger, message("i"), outbox=tuple(parcels(1)))
    [row] = claim_due(place.ledger, now=WHEN, holder="h", limit=1)
    cancel = message("j", msg_type="Cancel", references=(message("i").reference,))
    released(place.ledger, cancel, ended=("i",))
    with send.Crew(place, {"webhook": lambda *_: pytest.fail("sent after its cancel")}, lambda: WHEN + SECOND) as crew:
        crew.carry(row)
        [outcome] = crew.back(5.0)
    assert "closed before it was sent" in outcome.error
    assert states(place) == ["expired"]


def test_a_claim_that_ended_in_the_queue_goes_back(tmp_path: Path) -> None:
    place = office(tmp_path, webhook("https://x/"))
    put(place.ledger, parcels(1))
    [row] = claim_due(place.ledger, now=WHEN, holder="h", limit=1)
    late = WHEN + (CLAIM_S + 1) * SECOND
    with send.Crew(place, {"webhook": lambda *_: pytest.fail("sent after its claim")}, lambda: late) as crew:
        crew.carry(row)
        [outcome] = crew.back(5.0)
    assert "too busy" in outcome.error
