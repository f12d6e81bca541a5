"""Server-sent events: one look at the ledger for all viewers, told to each through a queue of its own.

However many watch, the ledger is read once in POLL_S. A viewer that does not keep up is dropped (its browser comes
back and loads the page anew); nobody waits for it. Format: HTML Standard, section 9.2.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from wxcore.desk.access import ROLES, permits
from wxcore.desk.accounts import find_account
from wxcore.desk.sessions import hash_of, token_of
from wxcore.desk.state import MOST_STREAMS, Desk, desk_of
from wxcore.landing.ledger import (
    MessageRow,
    SessionRow,
    cycles_between,
    find_session,
    list_audit,
    list_deliveries,
    list_messages,
    message_count,
)
from wxcore.pipeline.issue import record_of
from wxcore.times import iso

LOG = logging.getLogger(__name__)

router = APIRouter()

POLL_S = 0.3
"""How often the ledger is looked at [s]: a new message is on screen within 1 s of its release (issue 9)."""

HEARTBEAT_S = 15.0
"""A comment is sent after so much silence [s], so that proxies keep the line open (HTML Standard 9.2.7)."""

SLOW_S = 5.0
"""How often the outbox and the viewers' sessions are looked at [s]: a failure is on the desk, and the stream of a
session that is over ends, within 30 s (RELIABILITY.md B9)."""

QUEUE = 32
"""Events that may wait for one viewer: more than a busy minute brings."""

CYCLES_BACK = timedelta(hours=2)
MESSAGES_BACK = timedelta(minutes=10)
RETRY_MS = 2000

SPREAD_MS = 12.0
"""Browsers fetch their page again within so many milliseconds a viewer [ms]: 500 pages take 4.2 s on two cores
(measured), so that each still comes at once. The news itself is in the event and on screen before."""

QUIET = ("login", "logout", "account")
"""How acts begin that change no page of ours."""


@dataclass(eq=False)
class Viewer:
    """One open stream. `session`: hash of its token, as the ledger knows it."""

    session: str
    queue: asyncio.Queue[bytes | None]


News = tuple[str, Mapping[str, Any]]
"""Kind of an event, and what it says."""


@dataclass(frozen=True)
class Glance:
    """What the ledger looked like."""

    count: tuple[int, ...] = ()
    told: frozenset[str] = frozenset()
    seq: int = 0
    cycle: str = ""
    failing: tuple[str, ...] = ()


def event(kind: str, data: Mapping[str, Any]) -> bytes:
    """One event on the wire; JSON has no bare line break, so one `data` line is enough."""
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def look(desk: Desk, before: Glance | None, *, slow: bool) -> tuple[Glance, list[News]]:
    """Read the ledger; what is new since `before` as events (none where there is no before).

    Args:
        slow: look at the outbox too.
    """
    office, now = desk.office, desk.now()
    old = before or Glance()
    count = message_count(office.ledger, office.region.id)
    told, seq = old.told, old.seq
    news: list[News] = []
    if before is None or count != old.count:
        rows = list_messages(office.ledger, office.region.id, since=now - MESSAGES_BACK)
        acts = list_audit(office.ledger, since_seq=seq, newest=before is None)
        fresh = [row for row in rows if row.identifier not in old.told]
        told = frozenset(row.identifier for row in rows)
        seq = max((act.seq for act in acts), default=seq)
        subjects = sorted({act.subject for act in acts if not act.action.startswith(QUIET)})
        if fresh:
            news.append(("message", {"messages": [_told(row) for row in fresh]}))
        elif subjects or count[:3] != old.count[:3]:
            news.append(("change", {"subjects": subjects}))
    cycles = cycles_between(office.ledger, office.region.id, now - CYCLES_BACK)
    cycle = iso(cycles[-1].time) if cycles else ""
    if cycle != old.cycle:
        news.append(("cycle", {"time": cycle}))
    failing = _failing(desk) if slow else old.failing
    if failing != old.failing:
        news.append(("outbox", {"failing": len(failing)}))
    return Glance(count, told, seq, cycle, failing), news if before else []


def _told(row: MessageRow) -> dict[str, str]:
    warning = record_of(row)
    return {
        "identifier": row.identifier, "level": row.level, "hazard": row.hazard, "type": row.msg_type,
        "headline_zh": warning.headline_zh, "headline_en": warning.headline_en,
    }  # fmt: skip


def _failing(desk: Desk) -> tuple[str, ...]:
    return tuple(f"{row.key}:{row.attempts}" for row in list_deliveries(desk.office.ledger, in_trouble=desk.now()))


@dataclass(eq=False)
class Hub:
    """The viewers of one desk, and the one task that looks for all of them; it runs while somebody watches."""

    desk: Desk
    poll_s: float = POLL_S
    slow_s: float = SLOW_S
    heartbeat_s: float = HEARTBEAT_S
    viewers: set[Viewer] = field(default_factory=set)
    task: asyncio.Task[None] | None = None

    def join(self, session: str) -> Viewer:
        """A new viewer; the first one starts the task."""
        viewer = Viewer(session, asyncio.Queue(QUEUE))
        self.viewers.add(viewer)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.watch())
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """It is gone; the last one ends the task."""
        self.viewers.discard(viewer)
        if not self.viewers and self.task is not None:
            self.task.cancel()
            self.task = None

    def tell(self, items: Iterable[bytes]) -> None:
        """Put events into every queue; who has no room is dropped."""
        for item in items:
            for viewer in [*self.viewers]:
                try:
                    viewer.queue.put_nowait(item)
                except asyncio.QueueFull:
                    self.drop(viewer)

    def drop(self, viewer: Viewer) -> None:
        """End its stream; what still waits for it is forgotten."""
        self.viewers.discard(viewer)
        while not viewer.queue.empty():
            viewer.queue.get_nowait()
        viewer.queue.put_nowait(None)

    async def watch(self) -> None:
        """Look, tell, wait; for ever. A look that fails is logged, and the next one is tried."""
        before: Glance | None = None
        loop = asyncio.get_running_loop()
        slow_at = loop.time()
        while True:
            slow = loop.time() >= slow_at
            try:
                before, news = await asyncio.to_thread(look, self.desk, before, slow=slow)
                spread_ms = round(SPREAD_MS * len(self.viewers))
                self.tell(event(kind, {**data, "spread_ms": spread_ms}) for kind, data in news)
                if slow:
                    slow_at = loop.time() + self.slow_s
                    await self.end_old_sessions()
            except Exception:  # whatever a database may raise: a desk without news must not stay without for ever
                LOG.exception("desk: cannot look for news")
            await asyncio.sleep(self.poll_s)

    async def end_old_sessions(self) -> None:
        """End the streams of sessions that are over; each session is looked up once, however many streams it has."""
        asked = {viewer.session for viewer in self.viewers}
        over = await asyncio.to_thread(over_sessions, self.desk, asked)
        for viewer in [*self.viewers]:
            if viewer.session in over:
                self.drop(viewer)

    async def stream(self, viewer: Viewer) -> AsyncIterator[bytes]:
        """What one viewer gets, until its session is over, it lags or it leaves."""
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            while True:
                try:
                    item = await asyncio.wait_for(viewer.queue.get(), self.heartbeat_s)
                except TimeoutError:
                    item = b": still here\n\n"
                if item is None:
                    return
                yield item
        finally:
            self.leave(viewer)


def over_sessions(desk: Desk, sessions: Iterable[str]) -> set[str]:
    """Those that are closed, too old or idle, or whose account is gone, disabled or of another role by now.

    As `sessions.find_user` has it, but looking does not prolong them.
    """
    now = desk.now()
    return {one for one in sessions if _is_over(desk, find_session(desk.office.ledger, one, now))}


def _is_over(desk: Desk, session: SessionRow | None) -> bool:
    account = None if session is None else find_account(desk.accounts, session.user)
    return session is None or account is None or account.disabled or account.role != session.role


def hub_of(request: Request) -> Hub:
    """The hub of this application, made when the first viewer comes."""
    state = request.app.state
    if getattr(state, "hub", None) is None:
        state.hub = Hub(desk_of(request))
    hub: Hub = state.hub
    return hub


@router.get("/events", dependencies=[permits(*ROLES)])
async def events(request: Request) -> Response:
    """The stream of one viewer: events `message`, `change`, `cycle`, `outbox`; 429 for more than MOST_STREAMS."""
    hub, session = hub_of(request), hash_of(token_of(desk_of(request), request))
    if sum(viewer.session == session for viewer in hub.viewers) >= MOST_STREAMS:
        raise HTTPException(429)
    viewer = hub.join(session)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(hub.stream(viewer), media_type="text/event-stream", headers=headers)
