"""Run the desk: the web server, and beside it the threads that send, escalate and end what has expired."""

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from time import monotonic

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from wxcore.desk.app import create_app
from wxcore.desk.frames import make_ready
from wxcore.desk.state import Desk
from wxcore.pipeline.issue import Office, tick
from wxcore.pipeline.send import TICK_S, send_loop
from wxcore.pipeline.steady import Steady

LOG = logging.getLogger(__name__)
HOST, PORT = "127.0.0.1", 8080

STOP_S = 10.0
"""How long the threads may take to end [s]."""

QUEUE = 2048
"""Connections at a time: 500 viewers with one event stream and a few pictures each.

One caller may take them all: from other machines the desk is reached through a proxy that limits connections by
address and ends idle ones (docs/warnings.md)."""

KEEP_ALIVE_S = 2
"""How long a connection without a request is kept after an answer [s]."""


FIRST_REQUEST_S = 5.0
"""How long a new connection may take to send its first request whole, without its body [s]."""


class Impatient(H11Protocol):
    """HTTP of uvicorn, which by itself would keep a connection that never asks anything for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection."""
        super().connection_made(transport)
        self.loop.call_later(FIRST_REQUEST_S, self._give_up)

    def _give_up(self) -> None:
        if not self.cycle:
            self.transport.close()


def serve(desk: Desk, *, host: str = HOST, port: int = PORT, send: bool = True, behind_proxy: bool = False) -> None:
    """Serve until a signal ends it.

    Args:
        send: also send what is due, here, in a thread.
        behind_proxy: a reverse proxy on this machine stands before it: believe what it says of the caller's address.

    Raises:
        AccessError: a route does not say who may use it.
    """
    config = uvicorn.Config(
        create_app(desk), http=Impatient, host=host, port=port, server_header=False, proxy_headers=behind_proxy,
        forwarded_allow_ips="127.0.0.1", log_level="warning", limit_concurrency=QUEUE, timeout_graceful_shutdown=5,
        timeout_keep_alive=KEEP_ALIVE_S,
    )  # fmt: skip
    with working(desk, send=send):
        uvicorn.Server(config).run()


@contextmanager
def working(desk: Desk, *, send: bool) -> Iterator[None]:
    """The threads beside the server, for as long as the block lasts."""
    stop = threading.Event()
    loops: list[Callable[..., object]] = [tick_loop, send_loop] if send else [tick_loop]
    threads = [
        threading.Thread(target=_again, args=(partial(loop, desk.office, stop=stop, now=desk.now), stop), daemon=True)
        for loop in loops
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(STOP_S)


def _again(loop: Callable[[], object], stop: threading.Event) -> None:
    """Run a loop that ends by `stop` alone; one that breaks is begun anew."""
    while not stop.is_set():
        try:
            loop()
        except Exception:  # whatever it is: a desk that sends and calls no more would say nothing of it
            LOG.exception("desk: a loop broke; begun anew in %s s", TICK_S)
        stop.wait(TICK_S)


def tick_loop(office: Office, *, stop: threading.Event, now: Callable[[], datetime], every_s: float = TICK_S) -> None:
    """End what has expired, call the next person, draw the newest cycle, until `stop`; trouble is logged and tried
    again. While the clock cannot be believed (`pipeline.steady`) nothing is done."""
    clock = Steady()
    while not stop.is_set():
        try:
            time = now()
            clock = clock.seen(time, monotonic())
            if clock.is_right:
                tick(office, now=time)
                make_ready(office.home, office.region, office.ledger, now=time)
            else:
                LOG.error("desk: the clock jumped; nothing is ended and nobody is called until it goes on evenly")
        except Exception:  # without this thread nothing ends and nobody is called any more
            LOG.exception("desk: expiry, escalation or the newest map failed; tried again in %s s", every_s)
        stop.wait(every_s * random.uniform(0.9, 1.1))
