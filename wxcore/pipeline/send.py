"""Send: carry what the outbox holds, at least once, until its end and never after (RELIABILITY.md B9).

A row is taken by a claim, sent before the claim ends, and then marked; a sender that dies in between leaves the row to
the next one, and the receiver knows the message by its idempotency key.
"""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic
from uuid import uuid4

from wxcore.landing.ledger import claim_due, expire_due, mark_failed, mark_sent
from wxcore.landing.ledger.outbox import mark_held_up
from wxcore.pipeline.home import Home
from wxcore.pipeline.send_crew import SENDERS, Crew, Outcome, Sender, Sending, write_projections
from wxcore.pipeline.steady import Steady
from wxcore.times import iso, require_utc
from wxcore.warning.deliver.files import put_whole

BATCH = 64
"""Rows of one claim: one transaction of some milliseconds."""

WAKE_S = 0.5
"""How long a message lies before it is looked for [s]."""

TICK_S = 10.0
"""How often what is over is ended and what is unanswered escalates [s]; failures must show within 30 s (B9)."""

HELD_UP = "the channel does not answer; this message waits behind others 通道无应答，本消息排队等待"


def _gather(office: Sending, crew: Crew, holder: str, now: datetime) -> bool:
    """Claim what is due of the channels that are not full; was that all of theirs?"""
    rows = claim_due(office.ledger, now=now, holder=holder, limit=BATCH, skip=crew.full())
    for row in rows:
        crew.carry(row)
    return len(rows) < BATCH


def _mark(office: Sending, outcomes: list[Outcome], now: datetime, random: Random) -> int:
    done = [outcome.row for outcome in outcomes if not outcome.error]
    if done:
        mark_sent(office.ledger, done, now=now)
    for outcome in outcomes:
        if outcome.error:
            mark_failed(
                office.ledger, outcome.row, error=outcome.error, now=now, random=random,
                retry_after_s=outcome.retry_after_s,
            )  # fmt: skip
    for channel in sorted({outcome.row.channel for outcome in outcomes if outcome.is_silent}):
        mark_held_up(office.ledger, channel, error=HELD_UP)
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
    with suppress(OSError, ValueError, AttributeError):  # who listened may be gone; the sender goes on
        sys.stderr.write(f"{text}\n")


def send_loop(
    office: Sending, *, stop: threading.Event, now: Callable[[], datetime],
    tick: Callable[[datetime], object] | None = None, random: Random | None = None,
    senders: Mapping[str, Sender] = SENDERS, tell: Callable[[str], None] = _complain,
) -> int:  # fmt: skip
    """Send until `stop` is set; what is being sent then is waited for, what has not begun goes back by itself.

    While the clock cannot be believed (`steady`) nothing is ended, escalated or claimed.

    Args:
        now: the clock.
        tick: what else must happen every TICK_S: end the expired, escalate (pipeline.issue.tick).
        tell: hears of what went wrong outside of a single message; the loop goes on.

    Returns:
        How many messages were taken by their receivers.
    """
    random, holder, sent, ticked = random or Random(), new_holder(), 0, -TICK_S
    unmarked: list[Outcome] = []
    clock, was_right, public = Steady(), True, ""
    with Crew(office, senders, now) as crew:
        while not stop.is_set():
            time = now()  # looked at once: what was judged is what is acted on
            clock = clock.seen(time, monotonic())
            if monotonic() - ticked >= TICK_S or clock.is_right != was_right:
                ticked, was_right = monotonic(), clock.is_right
                if clock.is_right:
                    public = _keep(office, time, tick, tell)
                _beat(office.home, time, clock, public, tell)
            try:
                more = clock.is_right and not _gather(office, crew, holder, time)
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
) -> str:
    """Why the public files could not be written, without a path; empty where they were."""
    acts: dict[str, Callable[[], object]] = {
        "expire": lambda: expire_due(office.ledger, now=now),
        "public": lambda: write_projections(office, now=now),
    }
    if tick is not None:
        acts["tick"] = partial(tick, now)
    wrong = dict[str, str]()
    for name, act in acts.items():
        try:
            act()
        except Exception as error:  # noqa: BLE001 - as in send_loop: one that fails must not hold up the others
            wrong[name] = getattr(error, "strerror", None) or type(error).__name__
            tell(_trouble(error))
    return wrong.get("public", "")


def sender_file(home: Home) -> Path:
    """What the sender last said of itself: JSON with `time`, `clock` (is it believed?) and `public` (why the public
    files cannot be written)."""
    return home.root / "sender.json"


def _beat(home: Home, now: datetime, clock: Steady, public: str, tell: Callable[[str], None]) -> None:
    said = {"time": iso(now), "clock": clock.is_right, "public": public}
    try:
        put_whole(sender_file(home), json.dumps(said).encode())
    except OSError as error:
        tell(_trouble(error))
