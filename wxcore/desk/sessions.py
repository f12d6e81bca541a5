"""Sessions: a random token in a cookie, its SHA-256 in the ledger; and the lighter token of visitors' forms.

Renewed at login, closed at logout, when the account is disabled or its password or role changes, when idle (30 min,
but not during a duty shift) and after 12 h in any case (RELIABILITY.md C3, ASVS 7.2.3, 7.3).
"""

import hashlib
import logging
import secrets
from datetime import datetime, timedelta
from threading import Event, Lock, Thread

from starlette.requests import HTTPConnection
from starlette.responses import Response

from wxcore.desk.accounts import Account, find_account
from wxcore.desk.state import Desk, User, desk_of
from wxcore.landing.ledger import Ledger, close_sessions, find_session, open_session, touch_session

LOG = logging.getLogger(__name__)

LONGEST = timedelta(hours=12)
"""A duty shift: after it everybody logs in anew."""

IDLE = timedelta(minutes=30)
"""Without a request of a person for this long a session is over, except for ON_SHIFT."""

BY_PAGE = ("x-requested-by", "page")
"""Header of what our scripts ask of themselves, without somebody at the keys: no use of the session."""

BY_BROWSER = ("image/", "text/event-stream")
"""How Accept begins where a page loads pictures, or its stream opens anew: no use either."""

TOUCH_EVERY = timedelta(minutes=1)
"""A session is entered as seen at most this often: each entry is a synced write."""

TOUCH_WAIT_S = 0.1
"""How long a request waits for its entry as seen [s]: a ledger that another one writes for long must not hold up the
pages, nor keep its connections from them."""

ON_SHIFT = frozenset({"duty", "forecaster"})
TOKEN_BYTES = 32
"""256 bits; ASVS 7.2.3 asks for 128."""

COOKIE, VISITOR_COOKIE = "wx_session", "wx_visitor"


class _Touches:
    """Enters who was seen, one after the other in a thread that lives while there are any; one entry a session."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Ledger, str], tuple[datetime, Event]] = {}
        self._lock, self._works = Lock(), False

    def enter(self, ledger: Ledger, token_hash: str, now: datetime) -> None:
        """Have it entered, and wait a moment for it, unless an entry of this session is under way."""
        done = Event()
        with self._lock:
            if (ledger, token_hash) in self._waiting:
                return
            if not self._works:
                try:
                    Thread(target=self._work, name="touch", daemon=True).start()
                except RuntimeError:  # no thread to be had: the next request tries again
                    return
                self._works = True
            self._waiting[ledger, token_hash] = now, done
        done.wait(TOUCH_WAIT_S)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._works = False
                    return
                (ledger, token_hash), (now, done) = next(iter(self._waiting.items()))
            try:
                touch_session(ledger, token_hash, now)
            except Exception as error:  # noqa: BLE001 - a full disk must not shut the pages
                LOG.warning("desk: a session could not be entered as seen (%s)", error)
            finally:
                with self._lock:
                    del self._waiting[ledger, token_hash]
                done.set()


_TOUCHES = _Touches()


def cookie_name(desk: Desk, name: str = COOKIE) -> str:
    """Name of a cookie; `__Host-` ties it to this host and to https, which browsers check."""
    return f"__Host-{name}" if desk.secure_cookies else name


def start_session(desk: Desk, account: Account, response: Response, *, old_token: str = "") -> None:
    """Log this account in: a new token, its cookie on `response`; the session of `old_token` is closed."""
    now, token = desk.now(), secrets.token_urlsafe(TOKEN_BYTES)
    idle = LONGEST if account.role in ON_SHIFT else IDLE
    if old_token:
        close_sessions(desk.office.ledger, token_hash=hash_of(old_token))
    open_session(
        desk.office.ledger, token_hash=hash_of(token), user=account.name, role=account.role,
        csrf=secrets.token_urlsafe(TOKEN_BYTES), now=now, expires_at=now + LONGEST, idle_s=int(idle.total_seconds()),
    )  # fmt: skip
    set_cookie(desk, response, COOKIE, token, int(LONGEST.total_seconds()))


def end_session(desk: Desk, request: HTTPConnection, response: Response) -> None:
    """Log out: close the session in the ledger and drop the cookie."""
    token = token_of(desk, request)
    if token:
        close_sessions(desk.office.ledger, token_hash=hash_of(token))
    response.delete_cookie(
        cookie_name(desk), path="/", secure=desk.secure_cookies, httponly=True, samesite="strict"
    )  # fmt: skip


def find_user(desk: Desk, request: HTTPConnection) -> User | None:
    """Whose session this is; None where there is none, it is over, or the account is gone, disabled or changed."""
    token = token_of(desk, request)
    if not token:
        return None
    now = desk.now()
    row = find_session(desk.office.ledger, hash_of(token), now)
    if row is None:
        return None
    account = find_account(desk.accounts, row.user)
    if account is None or account.disabled or account.role != row.role:
        return None
    if now - row.seen_at >= TOUCH_EVERY and is_use(request):
        _TOUCHES.enter(desk.office.ledger, row.token_hash, now)
    return User(account.name, account.role, row.csrf, account.display)


def is_use(request: HTTPConnection) -> bool:
    """Did a person ask? An open page goes on asking when nobody sits before it."""
    name, value = BY_PAGE
    return request.headers.get(name) != value and not request.headers.get("accept", "").startswith(BY_BROWSER)


def visitor(request: HTTPConnection) -> User:
    """Somebody who is not logged in, with a token for their forms (login, acknowledgement links).

    The token is the SHA-256 of a random cookie (double submit); `keep_visitor` sets the cookie where it is new.
    """
    desk = desk_of(request)
    seed = request.cookies.get(cookie_name(desk, VISITOR_COOKIE), "")
    if not seed:
        seed = request.state.visitor_seed = secrets.token_urlsafe(TOKEN_BYTES)
    return User(csrf=hash_of(f"form:{seed}"))


def keep_visitor(request: HTTPConnection, response: Response) -> None:
    """Give a new visitor the cookie that their forms are checked against."""
    seed = getattr(request.state, "visitor_seed", "")
    if seed:
        set_cookie(desk_of(request), response, VISITOR_COOKIE, seed, None)


def set_cookie(desk: Desk, response: Response, name: str, value: str, max_age: int | None) -> None:
    """A cookie that no script reads and no other site sends."""
    response.set_cookie(
        cookie_name(desk, name), value, max_age=max_age, path="/", secure=desk.secure_cookies, httponly=True,
        samesite="strict",
    )  # fmt: skip


def token_of(desk: Desk, request: HTTPConnection) -> str:
    """The session token that the browser sent; empty where it sent none."""
    return request.cookies.get(cookie_name(desk), "")


def hash_of(token: str) -> str:
    """What the ledger keeps of a token: of 256 random bits a plain SHA-256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
