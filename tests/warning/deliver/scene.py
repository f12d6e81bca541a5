"""Messages, an office and a receiver that keeps its word or does not, for the tests of delivery."""

import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.warning.scene import WHEN, chance, region, storm, tables
from wxcore.landing.ledger import Actor, Issue, Ledger, Message, Revision, enter_revision, release_messages, sign_draft
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.outbox import enqueue
from wxcore.pipeline.home import Home
from wxcore.region import Region
from wxcore.warning.cap import cap_xml
from wxcore.warning.contacts import Contacts
from wxcore.warning.deliver.channels import Channel
from wxcore.warning.draft import draft
from wxcore.warning.model import Warning, to_dict

DUTY = Actor("duty", "forecaster")
LOCAL = ["127.0.0.0/8"]


@cache
def first() -> Warning:
    """One hail warning of the made-up region, as the machine drafts it."""
    return draft(*tables([storm()], [chance("s1", "hail", 0.72)]), region(), when=WHEN)[0]


def message(name: str = "wx-testland-1", **over: Any) -> Warning:
    return replace(first(), id=name, **over)


def released(ledger: Ledger, warning: Warning, *, outbox: tuple[Message, ...] = (), ended: tuple[str, ...] = ()) -> str:
    """Enter, sign and release a message; gives its CAP."""
    content, cap, now = to_dict(warning), cap_xml(warning).decode(), warning.sent
    made = enter_revision(
        ledger, DUTY,
        Revision(f"{warning.id}.d", "", warning.region, warning.cycle, warning.hazard, warning.level, content),
        now=now, reason="test",
    )  # fmt: skip
    sign_draft(ledger, DUTY, made.id, made.digest, now=now)
    issue = Issue(
        warning.id, made.id, warning.region, warning.hazard, warning.level, warning.msg_type, warning.status,
        ended[0] if ended else warning.id, warning.sent, warning.expires, content, cap, made.digest,
    )  # fmt: skip
    release_messages(
        ledger, DUTY, [issue], seen_live=frozenset(ended), ended=dict.fromkeys(ended, warning.id), outbox=outbox,
        callouts=(), now=now, reason="test",
    )  # fmt: skip
    return cap


@dataclass(frozen=True)
class Office:
    home: Home
    region: Region
    ledger: Ledger
    contacts: Contacts


def office(folder: Path, *channels: Channel) -> Office:
    home = Home(folder)
    return Office(home, region(), home.ledger(), Contacts(channels, base_url="https://w.example.org"))


def webhook(url: str, name: str = "hook", **over: Any) -> Channel:
    return Channel(name, "webhook", {"url": url, "allow": LOCAL, **over})


def put(ledger: Ledger, messages: list[Message], now: datetime = WHEN) -> None:
    with writing(ledger) as transaction:
        enqueue(transaction, messages, now=now)


def parcels(count: int, channel: str = "hook", *, minutes: float = 60) -> list[Message]:
    payload = json.dumps({"identifier": "i", "headline": "冰雹"})
    return [Message("i", channel, f"r{n}", payload, WHEN + timedelta(minutes=minutes)) for n in range(count)]


@dataclass
class Seen:
    """What a receiver saw: every request, and the effects, one a key."""

    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    effects: dict[str, str] = field(default_factory=dict)
    doubled: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, headers: dict[str, str], body: bytes) -> None:
        with self.lock:
            self.requests.append((headers, body))
            key = headers["idempotency-key"]
            if key in self.effects:
                self.doubled[key] += 1
            else:
                self.effects[key] = json.loads(body)["recipient"]


OK = "ok"
BEHAVIOURS = ("500", "503", "429", "404", "301", "slow", "accepted, no answer", "reset", "garbage", "cut short", "huge")


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"{}") -> None:
    handler.send_response(status)
    handler.send_header("Location", "http://127.0.0.1:1/elsewhere")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _behave(handler: BaseHTTPRequestHandler, what: str, seen: Seen, silence_s: float) -> None:
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    headers = {name.lower(): value for name, value in handler.headers.items()}
    if what in (OK, "slow", "accepted, no answer", "cut short", "huge"):
        seen.take(headers, body)
    if what == "slow":
        time.sleep(0.02)
    if what in (OK, "slow"):
        _answer(handler, 200)
    elif what == "huge":
        _answer(handler, 200, b"x" * 200_000)
    elif what.isdigit():
        _answer(handler, int(what))
    elif what == "accepted, no answer":
        time.sleep(silence_s)
    elif what == "reset":
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif what == "garbage":
        handler.wfile.write(b"\x00\xff\xfe not http\r\n\r\n")
    elif what == "cut short":
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    handler.close_connection = True


@contextmanager
def receiver(
    behave: Callable[[], str] = lambda: OK, *, silence_s: float = 0.3, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, Seen]]:
    """A server on this machine; `behave` tells what becomes of the next request."""
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            _behave(self, behave(), seen, silence_s)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", seen
    finally:
        server.shutdown()
        server.server_close()
