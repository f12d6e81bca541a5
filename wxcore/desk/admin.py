"""Accounts and audit. An admin keeps the accounts and sees who did what, and can neither sign nor release."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from wxcore.desk.access import ROLES, permits
from wxcore.desk.accounts import FAILED, Audit, add_account, audited, change_account, load_accounts
from wxcore.desk.render import render
from wxcore.desk.state import desk_of, user_of
from wxcore.desk.words import Pair, act_words
from wxcore.errors import AccountError
from wxcore.landing.ledger import AuditFault, close_sessions, list_audit, verify_audit

router = APIRouter()

Text = Annotated[str, Form()]
ACTS = {
    "login": "登录", "logout": "退出", "login failed": "登录失败", "account added": "新建账户",
    "account disabled": "停用账户", "account enabled": "启用账户", "account role": "更改角色",
    "account password": "更改密码",
}  # fmt: skip
"""Acts of accounts in Chinese; those of warnings are in `words`."""

NOTHING_TYPED = {"name": "", "display": "", "role": ""}

HIGHEST_SEQ = 2**63 - 1
"""The highest number of an entry that SQLite can hold."""

PAGE = 200
"""Entries of the audit on one page."""


@router.get("/admin", dependencies=[permits("admin")])
def admin_page(request: Request) -> Response:
    """All accounts, and forms to add and change them."""
    return accounts_page(request)


@router.post("/admin/users", dependencies=[permits("admin")])
def add(
    request: Request, name: Text = "", role: Text = "", password: Text = "", again: Text = "", display: Text = ""
) -> Response:
    """Make an account."""
    typed = {"name": name, "display": display, "role": role}
    if password != again:
        return accounts_page(request, 422, ("两次输入的密码不一致", "the two passwords do not agree"), typed)
    try:
        entry = _entry(request, "account added", name, {"role": role})
        add_account(desk_of(request).accounts, name, role, password, display=display, audit=entry)
    except AccountError as error:
        return accounts_page(request, 422, (error.zh, error.en), typed)
    return RedirectResponse("/admin", 303)


@router.post("/admin/users/{name}/disable", dependencies=[permits("admin")])
def disable(request: Request, name: str) -> Response:
    """Nobody logs in with it any more; its sessions are closed."""
    return _changed(request, "account disabled", name, {}, disabled=True)


@router.post("/admin/users/{name}/enable", dependencies=[permits("admin")])
def enable(request: Request, name: str) -> Response:
    """The account may be used again."""
    return _changed(request, "account enabled", name, {}, disabled=False)


@router.post("/admin/users/{name}/role", dependencies=[permits("admin")])
def give_role(request: Request, name: str, role: Text = "") -> Response:
    """Another role; its sessions are closed."""
    return _changed(request, "account role", name, {"role": role}, role=role)


@router.post("/admin/users/{name}/password", dependencies=[permits("admin")])
def give_password(request: Request, name: str, password: Text = "", again: Text = "") -> Response:
    """Another password; its sessions are closed."""
    if password != again:
        return accounts_page(request, 422, ("两次输入的密码不一致", "the two passwords do not agree"))
    return _changed(request, "account password", name, {}, password=password)


@router.get("/audit", dependencies=[permits("duty", "forecaster", "admin")])
def audit_page(
    request: Request, before: Annotated[int, Query(ge=0, le=HIGHEST_SEQ)] = 0, subject: str = ""
) -> Response:
    """Who did what, when and why; the newest first."""
    return _audit(request, before, subject, None)


@router.post("/audit/verify", dependencies=[permits("duty", "forecaster", "admin")])
def verify(request: Request) -> Response:
    """Read the whole chain and its journal, and say whether both are whole. Takes a moment: not on every page."""
    return _audit(request, 0, "", verify_audit(desk_of(request).office.ledger))


def accounts_page(
    request: Request, status: int = 200, words: tuple[str, str] | None = None, typed: Mapping[str, str] = NOTHING_TYPED
) -> Response:
    """The page of the accounts, with what went wrong where something did, and what was typed for a new account."""
    accounts = sorted(load_accounts(desk_of(request).accounts), key=lambda account: account.name)
    return render(request, "admin.html", status, accounts=accounts, words=words, typed=typed, roles=ROLES)


def _audit(request: Request, before: int, subject: str, faults: list[AuditFault] | None) -> Response:
    ledger = desk_of(request).office.ledger
    since = max(0, before - PAGE - 1) if before > 0 else 0
    rows = list_audit(ledger, subject=subject or None, since_seq=since, limit=PAGE, newest=before <= 0)
    entries = [
        (row, _act(row.action), _detail(row.detail)) for row in reversed(rows) if before <= 0 or row.seq < before
    ]
    older = entries[-1][0].seq if entries and entries[-1][0].seq > 1 and not subject else None
    return render(request, "audit.html", entries=entries, faults=faults, older=older, subject=subject)


def _changed(request: Request, action: str, name: str, detail: dict[str, Any], **changes: Any) -> Response:
    desk = desk_of(request)
    try:
        change_account(desk.accounts, name, audit=_entry(request, action, name, detail), **changes)
    except AccountError as error:
        return accounts_page(request, 422, (error.zh, error.en))
    close_sessions(desk.office.ledger, user=name)
    return RedirectResponse("/admin", 303)


def _entry(request: Request, action: str, name: str, detail: dict[str, Any]) -> Audit:
    desk = desk_of(request)
    return audited(desk.office.ledger, user_of(request).actor, action, name, now=desk.now(), detail=detail)


def _act(action: str) -> Pair:
    if action in ACTS:
        return ACTS[action], action
    done = action.removesuffix(f" {FAILED}")
    return (f"{ACTS[done]}（未成功）", action) if done in ACTS else act_words(action)


def _detail(text: str) -> str:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return text
    return "; ".join(f"{key}: {value}" for key, value in found.items()) if isinstance(found, dict) else str(found)
