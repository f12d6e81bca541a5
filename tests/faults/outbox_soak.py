"""B9: messages to a receiver that fails in every way, by senders that are killed: none lost, none carried out twice.

The clock of the outbox is made up, so that an hour of back-off takes a minute; answers and time-outs are real.
"""

import json
import time
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from threading import Lock

from tests.faults.harness import Outcome, Tally
from tests.faults.zygote import Job, zygote
from tests.warning.deliver.scene import BEHAVIOURS, OK, Office, Seen, office, put, receiver, webhook
from tests.warning.scene import WHEN
from wxcore.landing.ledger import Message, OutboxRow, list_outbox
from wxcore.landing.ledger.outbox import CLAIM_S
from wxcore.pipeline.send import send_due
from wxcore.times import parse_time
from wxcore.warning.deliver import Parcel
from wxcore.warning.deliver.channels import Channel
from wxcore.warning.deliver.webhook import send_webhook

TIMEOUT_S, SILENCE_S = 0.15, 0.2
"""How long the sender waits, and how long a silent receiver is silent [s]: the real 25 s would take a day."""

FAILING, REFUSED = 0.4, 0.05
"""Share of requests that fail at the receiver, and that find its door closed."""

STEP_S = 5.0
"""Steps of the made-up clock [s]."""

CHANNELS = ("one", "two", "three")
KILLS, KILL_AFTER_S = 4, (0.3, 1.2)
"""Senders that die, and when [s, for each 1,000 messages, 1 s at least]; one more finishes."""

LIFETIME = timedelta(hours=6)
CLOSED = "http://127.0.0.1:1/"


def _moody(rng: Random, lock: Lock) -> str:
    with lock:
        return rng.choice(BEHAVIOURS) if rng.random() < FAILING else OK


def _carry(channel: Channel, parcel: Parcel, *, rng: Random) -> None:
    if rng.random() < REFUSED:
        channel = replace(channel, settings={**channel.settings, "url": CLOSED})
    send_webhook(channel, replace(parcel, timeout_s=TIMEOUT_S))


def _is_open(row: OutboxRow) -> bool:
    return row.state in ("waiting", "sending")


def work(folder: str, url: str, begin: str, seed: str) -> None:
    """A sender: goes on from the made-up time `begin` until nothing is open."""
    place, random = _place(Path(folder), url), Random(int(seed))
    clock, senders = parse_time(begin), {"webhook": partial(_carry, rng=Random(int(seed) + 1))}
    while any(map(_is_open, list_outbox(place.ledger))) and clock < WHEN + LIFETIME:
        send_due(place, now=clock, random=random, senders=senders)
        clock += timedelta(seconds=STEP_S)


def _place(folder: Path, url: str) -> Office:
    return office(folder, *(webhook(url, name) for name in CHANNELS))


def _messages(n: int) -> list[Message]:
    """`n` messages: ten recipients a warning, over three channels."""
    return [
        Message(f"wx-{k // 10}", CHANNELS[k % 3], f"r{k}", json.dumps({"identifier": f"wx-{k // 10}"}), WHEN + LIFETIME)
        for k in range(n)
    ]


def outbox_soak(n: int, seed: int, folder: Path) -> Outcome:
    """`n` messages; senders are killed on the way and the last one is left to finish."""
    rng, tally, messages, began = Random(seed), Tally(), _messages(n), time.monotonic()
    home, clock, killed = folder / "soak", WHEN, 0
    with receiver(partial(_moody, rng, Lock()), silence_s=SILENCE_S) as (url, seen), zygote() as maker:
        place = _place(home, url)
        put(place.ledger, messages)
        for life in range(KILLS + 1):
            kill_s = rng.uniform(*KILL_AFTER_S) * max(1.0, n / 1000) if life < KILLS else -1.0
            words = [str(home), url, clock.isoformat(), str(seed + life)]
            job = Job(words, str(folder), call=f"{__name__}:work", kill_s=kill_s, limit_s=1800.0)
            ended = maker.run(job)
            killed += ended.code == -9
            if ended.code not in (0, -9):
                tally.add(f"seed {seed}, sender {life}", [f"code {ended.code}: {ended.err[-500:]}"])
            clock = _later(place, clock)
        rows = list_outbox(place.ledger)
    for message in messages:
        tally.add(f"seed {seed}, {message.recipient}", _faults(message, seen, rows[int(message.recipient[1:])]))
    strange = set(seen.effects) - {message.key for message in messages}
    if strange:
        tally.add(f"seed {seed}", [f"{len(strange)} keys that nobody gave out"])
    figures = {
        "taken": len(seen.requests), "repeats the receiver dropped": sum(seen.doubled.values()),
        "senders killed": killed, "attempts p100": max(row.attempts for row in rows),
        "time [s]": round(time.monotonic() - began, 1),
    }  # fmt: skip
    return tally.outcome("B9 outbox", figures)


def _later(place: Office, clock: datetime) -> datetime:
    """A time at which the claims of the sender that died have ended."""
    newest = max((row.claimed_until or row.next_at for row in list_outbox(place.ledger)), default=clock)
    return max(clock, newest) + timedelta(seconds=CLAIM_S)


def _faults(message: Message, seen: Seen, row: OutboxRow) -> list[str]:
    carried = seen.effects.get(message.key)
    faults = [] if carried == message.recipient else [f"lost: the receiver has {carried!r}"]
    return faults + ([] if row.state == "sent" and row.key == message.key else [f"the outbox says {row.state}"])
