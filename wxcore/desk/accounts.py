"""Accounts: a file of the home, so that a lost ledger locks nobody out. Argon2id; no account comes by default.

`accounts.json` (mode 0600): {"accounts": [{"name", "role", "hash", "display", "disabled"}]}.
"""

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from filelock import FileLock

from wxcore.errors import AccountError
from wxcore.landing.ledger import Actor, Ledger, record_act
from wxcore.times import require_utc

ROLES = ("viewer", "duty", "forecaster", "modeller", "admin")
"""viewer and modeller see; duty also acknowledges; forecaster also edits, signs, releases; admin keeps accounts."""

ACCOUNTS_FILE = "accounts.json"
SHORTEST = 12
"""Shortest password [characters]; ASVS 6.2.1 asks for 8 and recommends 15."""

LONGEST_PASSWORD = 1024
NAME = re.compile(r"[A-Za-z0-9\u4e00-\u9fff][A-Za-z0-9\u4e00-\u9fff._-]{0,31}")
LOCK_S = 10.0
OWNER_ONLY = 0o600
FAILED = "failed"
"""Ends the name of an act whose entry was written and whose change was not."""

Audit = AbstractContextManager[None]
HASHER = PasswordHasher()
"""Argon2id with the defaults of argon2-cffi 25: 64 MiB, 3 passes, 4 lanes (RFC 9106 section 4, second choice)."""


@dataclass(frozen=True)
class Account:
    """Somebody who may log in.

    Attributes:
        role: one of ROLES.
        hash: Argon2id, in its own text form.
        display: name as people read it.
    """

    name: str
    role: str
    hash: str
    display: str = ""
    disabled: bool = False


def load_accounts(path: Path) -> tuple[Account, ...]:
    """All accounts of the file, by name; none where there is no file.

    Raises:
        AccountError: the file is damaged.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return _read(path, found.st_mtime_ns, found.st_size, found.st_ino)


@lru_cache(maxsize=8)
def _read(path: Path, _mtime_ns: int, _size: int, _inode: int) -> tuple[Account, ...]:
    try:
        return tuple(Account(**item) for item in json.loads(path.read_text("utf-8"))["accounts"])
    except (ValueError, TypeError, KeyError) as cause:
        raise AccountError(
            f"{path} is no file of accounts ({cause}); restore it or make accounts anew with wx desk users add",
            f"{path} 不是有效的账户文件（{cause}）；请恢复备份，或用 wx desk users add 重新建立账户",
        ) from cause


def find_account(path: Path, name: str) -> Account | None:
    """The account of this name.

    Raises:
        AccountError: as `load_accounts`.
    """
    return next((account for account in load_accounts(path) if account.name == name), None)


def audited(
    ledger: Ledger, actor: Actor, action: str, name: str, *, now: datetime, detail: Mapping[str, Any] | None = None
) -> Audit:
    """The entry of a change, for `add_account` and `change_account`: written before the file is, so that there is no
    change without an entry. Where the file then fails, a second entry says so.

    Raises:
        TimeError: a naive time.
        LedgerError: (when entered) the log takes no entry; nothing was changed.
    """
    return _audited(ledger, actor, action, name, require_utc(now), detail)


@contextmanager
def _audited(
    ledger: Ledger, actor: Actor, action: str, name: str, now: datetime, detail: Mapping[str, Any] | None
) -> Iterator[None]:
    record_act(ledger, actor, action, name, now=now, reason="", detail=detail)
    try:
        yield
    except Exception as error:
        record_act(ledger, actor, f"{action} {FAILED}", name, now=now, reason=str(error))
        raise


def add_account(
    path: Path, name: str, role: str, password: str, *, display: str = "", audit: Audit | None = None
) -> Account:
    """Make an account.

    Args:
        audit: from `audited`.

    Raises:
        AccountError: the name is taken or not a name, the role unknown, the password too weak.
        LedgerError: as `audited`.
    """
    if not NAME.fullmatch(name):
        raise AccountError(
            f"name {name!r}: expected 1 to 32 letters, digits, Chinese characters, '.', '_' or '-'",
            f"用户名 {name!r} 无效：应为 1 至 32 个字母、数字、汉字或 . _ -",
        )
    check_role(role)
    check_password(name, password)
    account = Account(name, role, HASHER.hash(password), display.strip()[:64] or name)

    def added(accounts: tuple[Account, ...]) -> tuple[Account, ...]:
        if any(other.name.casefold() == name.casefold() for other in accounts):
            raise AccountError(f"there is already an account {name}", f"账户 {name} 已存在")
        return (*accounts, account)

    _change(path, added, audit)
    return account


def change_account(
    path: Path,
    name: str,
    *,
    role: str | None = None,
    password: str | None = None,
    disabled: bool | None = None,
    audit: Audit | None = None,
) -> Account:
    """Change an account's role, password, or whether it is disabled.

    Args:
        audit: from `audited`.

    Raises:
        AccountError: no such account, unknown role, weak password, or no admin would be left.
        LedgerError: as `audited`.
    """
    if role is not None:
        check_role(role)
    if password is not None:
        check_password(name, password)
    digest = HASHER.hash(password) if password is not None else None

    def change(item: Account) -> Account:
        item = replace(item, role=item.role if role is None else role, hash=digest or item.hash)
        return replace(item, disabled=item.disabled if disabled is None else disabled)

    def changed(accounts: tuple[Account, ...]) -> tuple[Account, ...]:
        if all(account.name != name for account in accounts):
            raise AccountError(f"there is no account {name!r}", f"没有账户 {name!r}")
        after = tuple(change(item) if item.name == name else item for item in accounts)
        if _has_admin(accounts) and not _has_admin(after):
            raise AccountError(f"{name} is the only admin left", f"{name} 是唯一的管理员账户")
        return after

    return next(account for account in _change(path, changed, audit) if account.name == name)


def matches(account: Account | None, password: str) -> bool:
    """Is it the password of this account? The same work where there is no such account, or it is disabled.

    Counts nothing: pages ask `wxcore.desk.login.confirm_password`, which limits failures.
    """
    known = account is not None and not account.disabled
    try:
        HASHER.verify(account.hash if account is not None else _nobody(), password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
    return known


def check_password(name: str, password: str) -> None:
    """Is it good enough for this account?

    Raises:
        AccountError: too short, too long, or (nearly) the name.
    """
    if not SHORTEST <= len(password) <= LONGEST_PASSWORD:
        raise AccountError(
            f"a password has {SHORTEST} to {LONGEST_PASSWORD} characters; this one has {len(password)}",
            f"密码应为 {SHORTEST} 至 {LONGEST_PASSWORD} 个字符；现有 {len(password)} 个",
        )
    if len(set(password)) < 4 or not password.casefold().replace(name.casefold(), ""):
        raise AccountError("this password is easy to guess: it is the name, or repeats itself", "密码过于简单")


def check_role(role: str) -> None:
    """Is there such a role?

    Raises:
        AccountError: names those there are.
    """
    if role not in ROLES:
        raise AccountError(
            f"role {role!r}: expected {', '.join(ROLES)}", f"角色 {role!r} 无效：应为 {'、'.join(ROLES)}"
        )


def _has_admin(accounts: Sequence[Account]) -> bool:
    return any(account.role == "admin" and not account.disabled for account in accounts)


@lru_cache(maxsize=1)
def _nobody() -> str:
    """Hash of a password that nobody knows: what unknown names are checked against."""
    return HASHER.hash(secrets.token_urlsafe(32))


def _change(
    path: Path, change: Callable[[tuple[Account, ...]], tuple[Account, ...]], audit: Audit | None = None
) -> tuple[Account, ...]:
    path = path.resolve()  # where it is a link, the file it leads to
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=LOCK_S):
        accounts = change(load_accounts(path))
        with audit or nullcontext():
            _write(path, accounts)
    return accounts


def _write(path: Path, accounts: Sequence[Account]) -> None:
    text = json.dumps({"accounts": [asdict(item) for item in accounts]}, ensure_ascii=False, indent=1)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
