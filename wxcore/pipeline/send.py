"""Send: carry what the outbox holds, at least once, until its end and never after (RELIABILITY.md B9).

Each channel has carriers of its own, so that a slow endpoint holds nobody up but its own recipients. A row is taken by
a claim, sent before the claim ends, and then marked; a sender that dies in between leaves the row to the next one,
and the receiver knows the message by its idempotency key.
"""

import json
import queue
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic
from typing import Protocol
from uuid import uuid4

from wxcore.errors import DeliveryError, WxcoreError
from wxcore.landing.ledger import (
    Ledger,
    OutboxRow,
    claim_due,
    expire_due,
    find_message,
    is_claimed,
    list_messages,
    mark_failed,
    mark_sent,
)
from wxcore.pipeline.home import Home
from wxcore.region import Region
from wxcore.times import require_utc
from wxcore.warning.contacts import Contacts
from wxcore.warning.deliver import Parcel
from wxcore.warning.deliver.channels import FEED, FILES, MAIL, PROJECTIONS, WEBHOOK, WIS2, Channel
from wxcore.warning.deliver.feed import KEEP
from wxcore.warning.deliver.files import is_public, write_public
from wxcore.warning.deliver.mail import send_mail
from wxcore.warning.deliver.webhook import send_webhook
from wxcore.warning.deliver.wis2 import send_wis2

Sender = Callable[[Channel, Parcel], None]

SENDERS: Mapping[str, Sender] = {WEBHOOK: send_webhook, MAIL: send_mail, WIS2: send_wis2}
"""What carries a message, by kind of channel; the files and the feed are written from the ledger instead."""

SLOWEST_S = 25.0
"""Longest time for one message [s]: well below the ledger's claim, and a dumb endpoint shows within 30 s (B9)."""

CARRIERS = 4
"""Messages of one channel on their way at once: our choice, polite to one endpoint, and 4 in 25 s at its worst."""

BATCH = 64
"""Rows of one claim: one transaction of some milliseconds."""

MOST_UNDER_WAY = 256
"""Rows of one channel claimed and not yet marked: a channel that hangs keeps no more than these from the outbox, and no
other channel waits for it. 4 carriers that take 0.1 s each send 256 in 6 s, well within a claim."""

WAKE_S = 0.5
"""How long a message lies before it is looked for [s]."""

TICK_S = 10.0
"""How often what is over is ended and what is unanswered escalates [s]; failures must show within 30 s (B9)."""

LOOK_BACK = KEEP + timedelta(hours=48)
"""Messages that may still be in the feed: KEEP after an end that is at most two days after they were sent."""

LASTING = "needs a person 需人工处理: "
"""Before an error that trying again will not cure."""


_WRITING = threading.Lock()


class Sending(Protocol):
    """What of an office the sender needs."""

    @property
    def home(self) -> Home: ...
    @property
    def region(self) -> Region: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def contacts(self) -> Contacts: ...


@dataclass(frozen=True)
class _Outcome:
    row: OutboxRow
    error: str = ""


class Crew:
    """Carriers by channel, and what they came back with. Use it as a context; at the end what has not begun is left."""

    def __init__(self, office: Sending, senders: Mapping[str, Sender], clock: Callable[[], datetime]) -> None:
        self._office, self._senders, self._clock = office, senders, clock
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._outcomes: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
        self.carried = Counter[str]()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)

    @property
    def under_way(self) -> int:
        """Rows on their way, of all channels."""
        return self.carried.total()

    def full(self) -> list[str]:
        """Channels that take no more for now."""
        return sorted(channel for channel, count in self.carried.items() if count >= MOST_UNDER_WAY)

    def carry(self, row: OutboxRow) -> None:
        """Give a claimed row to the carriers of its channel."""
        pool = self._pools.get(row.channel)
        if pool is None:
            most = 1 if row.channel in PROJECTIONS else CARRIERS
            pool = self._pools[row.channel] = ThreadPoolExecutor(most, f"send-{row.channel}")
        self.carried[row.channel] += 1
        pool.submit(self._try, row).add_done_callback(self._note)

    def _note(self, future: Future[_Outcome]) -> None:
        if not future.cancelled():
            self._outcomes.put(future.result())

    def back(self, timeout_s: float) -> list[_Outcome]:
        """All that is done by now; waits up to `timeout_s` for the first where nothing is."""
        found: list[_Outcome] = []
        try:
            if self.under_way:
                found.append(self._outcomes.get(timeout=timeout_s))
            while True:
                found.append(self._outcomes.get_nowait())
        except queue.Empty:
            self.carried.subtract(outcome.row.channel for outcome in found)
            return found

    def _try(self, row: OutboxRow) -> _Outcome:
        try:
            self._send(row)
        except DeliveryError as refused:
            return _Outcome(row, f"{LASTING if refused.lasting else ''}{refused.en} {refused.zh}")
        except WxcoreError as refused:
            return _Outcome(row, f"{LASTING}{refused.en} {refused.zh}")
        except Exception as error:  # noqa: BLE001 - whatever breaks, the row must say so and wait, not vanish
            return _Outcome(row, f"{type(error).__name__}: {error}")
        return _Outcome(row)

    def _send(self, row: OutboxRow) -> None:
        now = self._clock()
        until = min(row.expires_at, row.claimed_until or row.expires_at)
        if now >= until:
            raise DeliveryError("the channel was too busy before the claim ended", "通道繁忙，未能在时限内发送")
        if not is_claimed(self._office.ledger, row):  # ended by a newer message while it stood in the queue
            raise DeliveryError("closed before it was sent", "发送前已被更新的消息取代")
        channel = self._office.contacts.channel(row.channel)
        if channel is None:
            raise DeliveryError(
                f"channel {row.channel} is not in delivery.toml",
                f"delivery.toml 中没有通道 {row.channel}",
                lasting=True,
            )
        if channel.kind in (FILES, FEED):
            show(self._office, row.identifier, now=now)
            return
        facts = json.loads(row.payload)
        cap = facts.pop("cap", "") or (_cap(self._office.ledger, row.identifier) if channel.kind == MAIL else "")
        left = min(SLOWEST_S, (until - now).total_seconds())
        base_url = self._office.contacts.base_url
        self._senders[channel.kind](
            channel, Parcel(row.key, row.identifier, row.recipient, facts, cap, base_url, left)
        )  # fmt: skip


def _cap(ledger: Ledger, identifier: str) -> str:
    row = find_message(ledger, identifier)
    return row.cap if row else ""


def public_folder(office: Sending) -> Path:
    """Where the feeds, the CAP files and the GeoJSON of the live warnings lie."""
    return office.home.root / "public"


def write_projections(office: Sending, *, now: datetime) -> None:
    """Bring the public folder to what the ledger says; all of it can be lost and written again.

    Raises:
        TimeError: a naive time.
        OSError: the disk refuses.
    """
    now = require_utc(now)
    with _WRITING:  # who reads the ledger later writes later
        messages = list_messages(office.ledger, office.region.id, since=now - LOOK_BACK)
        write_public(
            public_folder(office), messages, now=now, base_url=office.contacts.base_url, region=office.region.id
        )


def show(office: Sending, identifier: str, *, now: datetime) -> None:
    """Make sure that a message is in the public folder.

    Raises:
        TimeError: a naive time.
        DeliveryError: it is not in the ledger, or too old for the feed.
    """
    now = require_utc(now)
    row = find_message(office.ledger, identifier)
    if row is None:
        raise DeliveryError(f"no message {identifier}", f"没有消息 {identifier}", lasting=True)
    folder = public_folder(office)
    if is_public(folder, identifier, row.cap):
        return
    write_projections(office, now=now)
    if not is_public(folder, identifier, row.cap):
        raise DeliveryError(f"{identifier} is too old for the feed", f"{identifier} 已过期，不再列入", lasting=True)


def _gather(office: Sending, crew: Crew, holder: str, now: datetime) -> bool:
    """Claim what is due of the channels that are not full; was that all of theirs?"""
    rows = claim_due(office.ledger, now=now, holder=holder, limit=BATCH, skip=crew.full())
    for row in rows:
        crew.carry(row)
    return len(rows) < BATCH


def _mark(office: Sending, outcomes: list[_Outcome], now: datetime, random: Random) -> int:
    done = [outcome.row for outcome in outcomes if not outcome.error]
    if done:
        mark_sent(office.ledger, done, now=now)
    for outcome in outcomes:
        if outcome.error:
            mark_failed(office.ledger, outcome.row, error=outcome.error, now=now, random=random)
    return len(done)


def new_holder() -> str:
    """A name that no other sender has."""
    return f"send-{uuid4()}"


def send_due(office: Sending, *, now: datetime, random: Random, senders: Mapping[str, Sender] = SENDERS) -> int:
    """Send once all that is due at `now`, and wait for what comes of it.

    Args:
        random: draws the waits after failures.

    Returns:
        How many messages were taken by their receivers.

    Raises:
        TimeError: a naive time.
        LedgerError: the ledger refuses; what was under way comes back when its claim ends.
    """
    start, begun = require_utc(now), monotonic()

    def clock() -> datetime:
        return start + timedelta(seconds=monotonic() - begun)

    holder, sent, all_claimed = new_holder(), 0, False
    with Crew(office, senders, clock) as crew:
        while not all_claimed or crew.under_way:
            full, more = crew.full(), False
            if not all_claimed:
                more = not _gather(office, crew, holder, start)
                all_claimed = not more and not full
            sent += _mark(office, crew.back(0.0 if more else WAKE_S), clock(), random)
    return sent


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def send_loop(
    office: Sending, *, stop: threading.Event, now: Callable[[], datetime],
    tick: Callable[[datetime], object] | None = None, random: Random | None = None,
    senders: Mapping[str, Sender] = SENDERS, tell: Callable[[str], None] = _complain,
) -> int:  # fmt: skip
    """Send until `stop` is set; what is being sent then is waited for, what has not begun goes back by itself.

    Args:
        now: the clock.
        tick: what else must happen every TICK_S: end the expired, escalate (pipeline.issue.tick).
        tell: hears of what went wrong outside of a single message; the loop goes on.

    Returns:
        How many messages were taken by their receivers.
    """
    random, holder, sent, ticked = random or Random(), new_holder(), 0, -TICK_S
    unmarked: list[_Outcome] = []
    with Crew(office, senders, now) as crew:
        while not stop.is_set():
            if monotonic() - ticked >= TICK_S:
                ticked = monotonic()
                _keep(office, now(), tick, tell)
            try:
                more = not _gather(office, crew, holder, now())
                unmarked += crew.back(0.0 if more else WAKE_S)
                sent += _mark(office, unmarked, now(), random)
                unmarked.clear()
            except Exception as error:  # noqa: BLE001 - a full disk or a locked ledger passes; the sender outlives it
                tell(_trouble(error))
                stop.wait(WAKE_S)
            if not crew.under_way:
                stop.wait(WAKE_S)
    return sent + _mark(office, [*unmarked, *crew.back(0.0)], now(), random)


def _trouble(error: Exception) -> str:
    return f"sender 发送进程: {type(error).__name__}: {error}"


def _keep(
    office: Sending, now: datetime, tick: Callable[[datetime], object] | None, tell: Callable[[str], None]
) -> None:
    acts: list[Callable[[], object]] = [
        lambda: expire_due(office.ledger, now=now),
        lambda: write_projections(office, now=now),
    ]
    if tick is not None:
        acts.append(partial(tick, now))
    for act in acts:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - as in send_loop: one that fails must not hold up the others
            tell(_trouble(error))
