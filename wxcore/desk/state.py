"""What every handler of the desk knows: the desk itself, and who asks."""

from asyncio import Semaphore
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import BoundedSemaphore

from starlette.requests import HTTPConnection

from wxcore.desk.limits import Attempts
from wxcore.desk.once import Once
from wxcore.landing.ledger import Actor
from wxcore.pipeline.issue import Office
from wxcore.warning.deliver.feed import Feeds

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""Names under which a desk on this machine is called."""

HASHING_AT_ONCE = 2
"""Password checks at a time: each takes 64 MiB (argon2-cffi's defaults, RFC 9106 section 4, second choice)."""

BUSY_S = 1.0
"""How long a password waits for its turn to be checked [s]; then the caller is told to come back."""

MOST_STREAMS = 6
"""Event streams of one session at a time: as many as a browser opens to one host over HTTP/1.1."""


@dataclass(frozen=True)
class User:
    """Who asks. Name and role are empty for somebody who is not logged in.

    Attributes:
        csrf: what every form carries in its field `csrf` (scripts: header `X-CSRF-Token`).
        display: name as people read it.
    """

    name: str = ""
    role: str = ""
    csrf: str = ""
    display: str = ""

    @property
    def actor(self) -> Actor:
        """As the audit log names them."""
        return Actor(self.name, self.role)

    @property
    def is_known(self) -> bool:
        """Logged in?"""
        return bool(self.role)


@dataclass(frozen=True)
class Desk:
    """One running desk.

    Attributes:
        accounts: the file of accounts (`wxcore.desk.accounts`).
        now: the clock, aware UTC.
        exercise_clock: `now` is that of an exercise, not the real one; the pages say so.
        lang: language where the browser chose none, zh or en.
        secure_cookies: the desk is reached by https only (a reverse proxy with TLS stands before it).
        hosts: names, besides those of this machine, by which it may be called.
        attempts: failed logins of the last minute.
        hashing: keeps password checks from taking all the memory; those of people who are logged in.
        logins: the same for logins, apart: a flood of them holds up neither a signature nor a page.
        feeds: the feeds as they were last made.
    """

    office: Office
    accounts: Path
    now: Callable[[], datetime]
    lang: str = "zh"
    exercise_clock: bool = False
    secure_cookies: bool = False
    hosts: tuple[str, ...] = ()
    attempts: Attempts = field(default_factory=Attempts)
    hashing: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(HASHING_AT_ONCE))
    logins: Semaphore = field(default_factory=lambda: Semaphore(HASHING_AT_ONCE))
    feeds: Once[tuple[Feeds, datetime]] = field(default_factory=lambda: Once(1))

    @property
    def all_hosts(self) -> frozenset[str]:
        """Every name by which it may be called, lower case, without port."""
        return frozenset(host.lower() for host in (*LOCAL_HOSTS, *self.hosts))


def desk_of(request: HTTPConnection) -> Desk:
    """The desk that serves this request."""
    desk: Desk = request.app.state.desk
    return desk


def user_of(request: HTTPConnection) -> User:
    """Who asks; somebody unknown (empty name and role) where nobody is logged in."""
    user: User = getattr(request.state, "user", User())
    return user


def address_of(request: HTTPConnection) -> str:
    """IP address of the caller, as the socket (or the trusted proxy) says."""
    return request.client.host if request.client else "unknown"
