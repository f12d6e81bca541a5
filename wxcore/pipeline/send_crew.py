"""Carriers: each channel has its own, so that a slow endpoint holds nobody up but its own recipients.

The files and the feed are written from the ledger's messages instead of being sent.
"""

import json
import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

from wxcore.errors import DeliveryError, WxcoreError
from wxcore.landing.ledger import Ledger, OutboxRow, find_message, is_claimed, list_messages
from wxcore.pipeline.home import Home
from wxcore.region import Region
from wxcore.times import require_utc
from wxcore.warning.contacts import Contacts
from wxcore.warning.deliver import Parcel
from wxcore.warning.deliver.channels import FEED, FILES, MAIL, PROJECTIONS, WEBHOOK, WIS2, Channel
from wxcore.warning.deliver.feed import FEED_BACK
from wxcore.warning.deliver.files import is_public, write_public
from wxcore.warning.deliver.mail import send_mail
from wxcore.warning.deliver.webhook import send_webhook
from wxcore.warning.deliver.wis2 import send_wis2

Sender = Callable[[Channel, Parcel], None]

SENDERS: Mapping[str, Sender] = {WEBHOOK: send_webhook, MAIL: send_mail, WIS2: send_wis2}
"""What carries a message, by kind of channel; the files and the feed are written from the ledger instead."""

SLOWEST_S = 15.0
"""Longest time for one message [s]: well below the ledger's claim; a dumb endpoint is on the desk within 30 s (B9), the
desk's own look at the outbox included."""

SILENT_S = 3.0
"""A failure that took this long [s] is one of an endpoint that does not answer: what waits behind it is told so."""

CARRIERS = 4
"""Messages of one channel on their way at once: our choice, polite to one endpoint, and 4 in 15 s at its worst."""

MOST_UNDER_WAY = 256
"""Rows of one channel claimed and not yet marked: a channel that hangs keeps no more than these from the outbox, and no
other channel waits for it. 4 carriers that take 0.1 s each send 256 in 6 s, well within a claim."""

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
class Outcome:
    """What became of a row: sent where there is no error.

    Attributes:
        retry_after_s: how long the receiver asks us to wait [s].
        is_silent: it took so long that the endpoint does not answer.
    """

    row: OutboxRow
    error: str = ""
    retry_after_s: float = 0.0
    is_silent: bool = False


class Crew:
    """Carriers by channel, and what they came back with. Use it as a context; at the end what has not begun is left."""

    def __init__(self, office: Sending, senders: Mapping[str, Sender], clock: Callable[[], datetime]) -> None:
        self._office, self._senders, self._clock = office, senders, clock
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._out: dict[tuple[str, int], str] = {}  # claims on their way, each with its channel

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)

    @property
    def under_way(self) -> int:
        """Rows on their way, of all channels."""
        return len(self._out)

    def full(self) -> list[str]:
        """Channels that take no more for now."""
        carried = Counter(self._out.values())
        return sorted(channel for channel, count in carried.items() if count >= MOST_UNDER_WAY)

    def carry(self, row: OutboxRow) -> None:
        """Give a claimed row to the carriers of its channel."""
        pool = self._pools.get(row.channel)
        if pool is None:
            most = 1 if row.channel in PROJECTIONS else CARRIERS
            pool = self._pools[row.channel] = ThreadPoolExecutor(most, f"send-{row.channel}")
        self._out[row.key, row.attempts] = row.channel
        try:
            pool.submit(self._bring_back, row)
        except RuntimeError as error:  # no thread can be started: the row waits and is claimed anew
            self._outcomes.put(Outcome(row, f"{type(error).__name__}: {error}"))

    def _bring_back(self, row: OutboxRow) -> None:
        self._outcomes.put(self._try(row))

    def back(self, timeout_s: float) -> list[Outcome]:
        """All that is done by now; waits up to `timeout_s` for the first where nothing is."""
        found: list[Outcome] = []
        try:
            if self.under_way:
                found.append(self._outcomes.get(timeout=timeout_s))
            while True:
                found.append(self._outcomes.get_nowait())
        except queue.Empty:
            for outcome in found:
                self._out.pop((outcome.row.key, outcome.row.attempts), None)
            return found

    def _try(self, row: OutboxRow) -> Outcome:
        begun, retry_after_s = monotonic(), 0.0
        try:
            self._send(row)
        except DeliveryError as refused:
            error, retry_after_s = f"{LASTING if refused.lasting else ''}{refused.en} {refused.zh}", refused.retry_after
        except WxcoreError as refused:
            error = f"{LASTING}{refused.en} {refused.zh}"
        except Exception as broken:  # noqa: BLE001 - whatever breaks, the row must say so and wait, not vanish
            error = f"{type(broken).__name__}: {broken}"
        else:
            return Outcome(row)
        return Outcome(row, error, retry_after_s, monotonic() - begun >= SILENT_S)

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


def public_folder(home: Home) -> Path:
    """Where the feeds, the CAP files and the GeoJSON of the live warnings lie."""
    return home.root / "public"


def write_projections(office: Sending, *, now: datetime) -> None:
    """Bring the public folder to what the ledger says; all of it can be lost and written again.

    Raises:
        TimeError: a naive time.
        OSError: the disk refuses.
    """
    now = require_utc(now)
    with _WRITING:  # who reads the ledger later writes later
        messages = list_messages(office.ledger, office.region.id, since=now - FEED_BACK)
        write_public(
            public_folder(office.home), messages, now=now, base_url=office.contacts.base_url, region=office.region.id
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
    folder = public_folder(office.home)
    if is_public(folder, identifier, row.cap):
        return
    write_projections(office, now=now)
    if not is_public(folder, identifier, row.cap):
        raise DeliveryError(f"{identifier} is too old for the feed", f"{identifier} 已过期，不再列入", lasting=True)
