"""Audit log: who did what, when and why, as a chain of hashes that can only grow (RELIABILITY.md C12).

The hash of an entry is the sha256 of the hash before it and the canonical JSON of the entry; the first one follows
GENESIS. Whoever edits, removes, inserts or swaps an entry breaks the chain at that number; whoever forges the chain
from there to its end, or cuts its end off, is found by the journal of warnings, which was told every entry.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, text

from wxcore.landing.ledger.engine import Writing, reading, writing
from wxcore.landing.ledger.issue_tables import AUDIT
from wxcore.landing.ledger.replay import replay
from wxcore.landing.ledger.rows import enter_rows
from wxcore.landing.ledger.tables import Ledger, utc_text
from wxcore.times import require_utc

GENESIS = hashlib.sha256(b"wxcore audit log").hexdigest()
"""What the first entry follows."""

MOST_SUBJECT = 200
"""Characters of a subject that are kept: a name at the login may be of any length."""

MOST_REASON = 4000
"""Characters of a reason that are kept."""


@dataclass(frozen=True)
class Actor:
    """Who acts. `role`: as the desk knows it; "" where no person acts (machine, clock)."""

    name: str
    role: str


CLOCK = Actor("clock", "")
"""Who ends what has expired, and calls the next person."""

MACHINE = Actor("machine", "")


@dataclass(frozen=True)
class AuditRow:
    """One entry. `detail`: JSON text; `prev`: hash of the entry before it."""

    seq: int
    time: datetime
    actor: str
    role: str
    action: str
    subject: str
    reason: str
    detail: str
    prev: str
    hash: str


@dataclass(frozen=True)
class AuditFault:
    """Where the log is not what was entered: number of the entry, and what is wrong in English and Chinese."""

    seq: int
    en: str
    zh: str


@dataclass(frozen=True)
class Act:
    """What is done to a subject, and why; `detail` is what JSON can hold."""

    action: str
    subject: str
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def enter_act(transaction: Writing, actor: Actor, act: Act, *, now: datetime) -> None:
    """Append one entry inside the transaction of what was done.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    last = select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)
    seq, prev = transaction.connection.execute(last).one_or_none() or (0, GENESIS)
    entry: dict[str, Any] = {
        "seq": seq + 1,
        "time": now,
        "actor": _clean(actor.name),
        "role": _clean(actor.role),
        "action": act.action,
        "subject": _clean(act.subject)[:MOST_SUBJECT],
        "reason": _clean(act.reason)[:MOST_REASON],
        "detail": json.dumps(act.detail, sort_keys=True, separators=(",", ":")),
    }
    sealed = {**entry, "prev": prev, "hash": _hash(prev, {**entry, "time": utc_text(now)})}
    enter_rows(transaction, AUDIT, [sealed])


def _clean(words: str) -> str:
    """What every database can hold: no NUL (PostgreSQL), no lone surrogates."""
    return words.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _hash(prev: str, entry: Mapping[str, Any]) -> str:
    canonical = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256((prev + canonical).encode("utf-8", "backslashreplace")).hexdigest()


def record_act(
    ledger: Ledger,
    actor: Actor,
    action: str,
    subject: str,
    *,
    now: datetime,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Enter an act that changes no other row: a login, an export, an override.

    Raises:
        TimeError: a naive time.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    with writing(ledger) as transaction:
        enter_act(transaction, actor, Act(action, subject, reason, detail or {}), now=now)


def list_audit(
    ledger: Ledger, *, subject: str | None = None, since_seq: int = 0, limit: int = 500, newest: bool = False
) -> list[AuditRow]:
    """Entries by their number, ascending; the first `limit` after `since_seq`, or the last where `newest`."""
    number = AUDIT.c.seq
    wanted = select(AUDIT).where(number > since_seq).order_by(number.desc() if newest else number).limit(limit)
    if subject is not None:
        wanted = wanted.where(AUDIT.c.subject == subject)
    with reading(ledger) as connection:
        rows = [AuditRow(**row) for row in connection.execute(wanted).mappings()]
    return rows[::-1] if newest else rows


def verify_audit(ledger: Ledger) -> list[AuditFault]:
    """What is wrong with the log, by number; empty where it is whole.

    Compared with the journal of warnings where the ledger keeps one; without it a cut-off end is not seen, nor a chain
    that was forged to its end.

    Raises:
        LedgerError: the database fails.
    """
    told = None if ledger.warnings is None else _told(ledger)
    wanted = "SELECT seq, time, actor, role, action, subject, reason, detail, prev, hash FROM audit ORDER BY seq"
    with writing(ledger) as transaction:  # whatever of `told` was not committed by then never will be
        # As text: an edited time may be none.
        rows = [dict(row) for row in transaction.connection.execute(text(wanted)).mappings()]
    faults = list(_chain_faults(rows))
    if told is not None:
        faults += _journal_faults(rows, told)
    return sorted(faults, key=lambda fault: fault.seq)


def _chain_faults(rows: Iterable[Mapping[str, Any]]) -> Iterator[AuditFault]:
    seq, prev = 0, GENESIS
    for row in rows:
        number = int(row["seq"])
        if number != seq + 1:
            yield AuditFault(
                number,
                f"entry {number} follows {seq}: {number - seq - 1} between them are missing, or it was inserted",
                f"第 {number} 条紧接第 {seq} 条：其间缺少 {number - seq - 1} 条，或该条为插入",
            )
        if row["prev"] != prev:
            yield AuditFault(
                number,
                f"entry {number} does not follow the entry before it: one of the two was changed, removed or moved",
                f"第 {number} 条与前一条不衔接：其中一条被改动、删除或移位",
            )
        if row["hash"] != _hash(row["prev"], {key: row[key] for key in row.keys() - {"prev", "hash"}}):
            yield AuditFault(
                number,
                f"entry {number} was changed: its content does not give its hash",
                f"第 {number} 条被改动：内容与其哈希值不符",
            )
        seq, prev = number, row["hash"]


def _journal_faults(rows: Iterable[Mapping[str, Any]], told: Mapping[int, str]) -> Iterator[AuditFault]:
    held = {int(row["seq"]): row["hash"] for row in rows}
    for number in sorted(held.keys() | told.keys()):
        if number not in held:
            yield AuditFault(
                number,
                f"entry {number} is in the journal of warnings only: it was removed, or `wx archive recover` is due",
                f"第 {number} 条仅见于预警日志：已被删除，或需运行 `wx archive recover`",
            )
        elif number not in told:
            yield AuditFault(
                number,
                f"entry {number} is not in the journal of warnings: it was inserted, or the journal is damaged",
                f"第 {number} 条不在预警日志中：为插入条目，或日志已损坏",
            )
        elif told[number] != held[number]:
            yield AuditFault(
                number,
                f"entry {number} is another one in the journal of warnings: it was replaced",
                f"第 {number} 条与预警日志所载不同：已被替换",
            )


def _told(ledger: Ledger) -> dict[int, str]:
    """Hash of each entry that the journal knows; the first telling counts, as in a rebuild."""
    told: dict[int, str] = {}
    if ledger.warnings is not None:
        for event in replay(ledger.warnings):
            if event.kind == "enter" and event.data["table"] == AUDIT.name:
                told.setdefault(int(event.data["row"]["seq"]), str(event.data["row"]["hash"]))
    return told
