"""Log in, log out, change one's own password; and asking for the password again before a signature."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from wxcore.desk.access import ROLES, permits
from wxcore.desk.accounts import Account, audited, change_account, find_account, matches
from wxcore.desk.limits import key_of
from wxcore.desk.render import render
from wxcore.desk.sessions import end_session, start_session, token_of
from wxcore.desk.state import BUSY_S, Desk, User, address_of, desk_of, user_of
from wxcore.errors import AccountError
from wxcore.landing.ledger import Actor, close_sessions, record_act

router = APIRouter()

Text = Annotated[str, Form()]
WRONG = ("用户名或密码错误", "wrong name or password")
COME_BACK_S = 1
"""When to try again where too many passwords wait to be checked [s]."""

TOO_MANY = ("尝试次数过多，请在 {} 秒后再试", "too many attempts: try again in {} s")


@router.get("/login", dependencies=[permits(public=True)])
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002
    """The form."""
    return render(request, "login.html", next=safe_path(next), typed="", words=None)


@router.post("/login", dependencies=[permits(public=True)])
async def login(request: Request, name: Text = "", password: Text = "", next: Text = "/") -> Response:  # noqa: A002
    """Log in, or say why not: the same words and the same work whether there is such a name or not.

    Waits for its turn here and not in a thread: a flood of logins must leave the threads to the other pages.
    """
    desk, target, now = desk_of(request), safe_path(next), desk_of(request).now()
    keys = [f"account:{name.casefold()[:64]}", key_of(address_of(request))]
    wait = desk.attempts.admit(keys, now=now)
    if wait:
        return _turned_away(request, target, name, wait)
    try:
        async with asyncio.timeout(BUSY_S):
            await desk.logins.acquire()
    except TimeoutError:
        desk.attempts.forgive(keys, now=now)
        return _turned_away(request, target, name, COME_BACK_S)
    try:
        account = await run_in_threadpool(_checked, desk, name, password, keys, now, address_of(request))
        if account is not None:
            return await run_in_threadpool(_enter, request, account, target)
    finally:
        desk.logins.release()
    return render(request, "login.html", 401, next=target, typed=name, words=WRONG)


def _turned_away(request: Request, target: str, name: str, wait: int) -> Response:
    words = (TOO_MANY[0].format(wait), TOO_MANY[1].format(wait))
    response = render(request, "login.html", 429, next=target, typed=name, words=words)
    response.headers["Retry-After"] = str(wait)
    return response


def _enter(request: Request, account: Account, target: str) -> Response:
    desk = desk_of(request)
    response = RedirectResponse(target, 303)
    start_session(desk, account, response, old_token=token_of(desk, request))
    record_act(
        desk.office.ledger, Actor(account.name, account.role), "login", account.name, now=desk.now(), reason="",
        detail={"address": address_of(request)},
    )  # fmt: skip
    return response


@router.post("/logout", dependencies=[permits(*ROLES)])
def logout(request: Request) -> Response:
    """Close the session."""
    desk, user = desk_of(request), user_of(request)
    response = RedirectResponse("/login", 303)
    end_session(desk, request, response)
    record_act(desk.office.ledger, user.actor, "logout", user.name, now=desk.now(), reason="")
    return response


@router.get("/me", dependencies=[permits(*ROLES)])
def me(request: Request) -> Response:
    """Who I am; the form to change my password."""
    return render(request, "me.html", words=None)


@router.post("/me/password", dependencies=[permits(*ROLES)])
def change_own(request: Request, old: Text = "", new: Text = "", again: Text = "") -> Response:
    """Change one's own password; closes all one's sessions."""
    desk, user = desk_of(request), user_of(request)
    if new != again:
        return render(request, "me.html", 422, words=("两次输入不一致", "the two do not agree"))
    if not confirm_password(desk, user, old, address=address_of(request)):
        return render(request, "me.html", 403, words=("当前密码错误", "the present password is wrong"))
    try:
        entry = audited(
            desk.office.ledger, user.actor, "account password", user.name, now=desk.now(), detail={"by": "the owner"}
        )
        change_account(desk.accounts, user.name, password=new, audit=entry)
    except AccountError as error:
        return render(request, "me.html", 422, words=(error.zh, error.en))
    close_sessions(desk.office.ledger, user=user.name)
    response = RedirectResponse("/login", 303)
    end_session(desk, request, response)
    return response


def confirm_password(desk: Desk, user: User, password: str, *, address: str = "") -> bool:
    """Is it really this user? Asked again before each signature.

    Failures count for this session alone (its CSRF token stands for it): nobody who is not logged in can keep a
    forecaster from signing by failing at the login in their name.

    Raises:
        HTTPException: 429, with Retry-After, after too many failures, or where too many are being checked.
    """
    now, keys = desk.now(), [f"sign:{user.name}:{user.csrf}"]
    wait = desk.attempts.admit(keys, now=now)
    if not wait and not desk.hashing.acquire(timeout=BUSY_S):
        desk.attempts.forgive(keys, now=now)
        wait = COME_BACK_S
    if wait:
        raise HTTPException(429, headers={"Retry-After": str(wait)})
    try:
        return _checked(desk, user.name, password, keys, now, address) is not None
    finally:
        desk.hashing.release()


def _checked(desk: Desk, name: str, password: str, keys: Sequence[str], now: datetime, address: str) -> Account | None:
    """The account where it is its password: the attempt at `now` no longer counts. Else the failure is audited."""
    account = find_account(desk.accounts, name)
    if matches(account, password):
        desk.attempts.forgive(keys, now=now)
        return account
    # A name that is no account's is not written down: people type their password there.
    subject = account.name if account is not None else "(unknown)"
    record_act(
        desk.office.ledger, Actor(subject, ""), "login failed", subject, now=now, reason="wrong name or password",
        detail={"address": address},
    )  # fmt: skip
    return None


def safe_path(path: str) -> str:
    """A path of this desk to go on to after the login; `/` for anything that leads elsewhere."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    odd = "\\" in path or any(ord(letter) < 0x21 for letter in path)
    ours = path.startswith("/") and not path.startswith("//") and not parts.netloc and not parts.scheme
    return path if ours and not odd and not path.startswith("/login") else "/"
