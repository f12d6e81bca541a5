"""Audit log: who did what, when and why, as a chain of hashes that can only grow (RELIABILITY.md C12).

The hash of an entry is the sha256 of the hash before it and the canonical JSON of the entry; the first one follows
GENESIS. Whoever edits, removes, inserts or swaps an entry breaks the chain at that number; whoever forges the chain
from there to its end, or cuts its end off, is found by the journal of warnings, which was told every entry.

The entry of a release holds every column of its message (the texts as sha256), those after it how the message ended:
what was released and is not so any more, or was never released, is found too.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Text, select, text, type_coerce

from wxcore.errors import TimeError
from wxcore.landing.ledger.engine import Writing, reading, writing
from wxcore.landing.ledger.issue_tables import AUDIT, MESSAGES
from wxcore.landing.ledger.replay import replay
from wxcore.landing.ledger.rows import enter_rows
from wxcore.landing.ledger.tables import Ledger, UtcTime, utc_text
from wxcore.times import parse_time, require_utc

GENESIS = hashlib.sha256(b"wxcore audit log").hexdigest()
"""What the first entry follows."""

MOST_SUBJECT = 200
"""Characters of a subject that are kept: a name at the login may be of any length."""

MOST_REASON = 4000
"""Characters of a reason that are kept."""

NO_TIME = datetime(1, 1, 1, tzinfo=UTC)
"""Time of an entry whose cell somebody made something else: no act is of the year 1, and `verify_audit` names it."""

BY_TIME = "expired"
"""`ended_by` of a message that no other one ended."""

ACTIONS = {"Alert": "issue", "Update": "update", "Cancel": "cancel"}
"""What the log calls the release of each type of message."""

TELLS_EN = "the journal of warnings tells what was entered: move the ledger away and run `wx archive recover`"
TELLS_ZH = "预警日志载有原始记录：请移走台账，再运行 `wx archive recover` 重建"
"""What to do about a fault."""


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
    """Where log or messages are not what was entered: number of the entry (0: there is none), and what is wrong."""

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
    """Entries by their number, ascending; the first `limit` after `since_seq`, or the last where `newest`.

    Whatever somebody wrote into a cell is shown as what can be read of it (a time that is none as NO_TIME).
    """
    number = AUDIT.c.seq
    wanted = select(*_CELLS).where(number > since_seq).order_by(number.desc() if newest else number).limit(limit)
    if subject is not None:
        wanted = wanted.where(AUDIT.c.subject == subject)
    with _reading_all(ledger) as connection:
        rows = [_entry(dict(row)) for row in connection.execute(wanted).mappings()]
    return rows[::-1] if newest else rows


_CELLS = [type_coerce(column, Text) if isinstance(column.type, UtcTime) else column for column in AUDIT.columns]
"""Columns of an entry, its time as the text that is kept: an edited one may be none."""


@contextmanager
def _reading_all(ledger: Ledger) -> Iterator[Connection]:
    """As `reading`, where SQLite gives broken UTF-8 too, its bytes as lone surrogates (PostgreSQL holds none)."""
    with reading(ledger) as connection:
        raw: Any = connection.connection.driver_connection
        if ledger.engine.dialect.name != "sqlite":
            yield connection
            return
        raw.text_factory = lambda cell: cell.decode("utf-8", "surrogateescape")
        try:
            yield connection
        finally:
            raw.text_factory = str


def _entry(row: Mapping[str, Any]) -> AuditRow:
    texts = {key: _shown(value) for key, value in row.items() if key != "seq"}
    try:
        time = parse_time(texts["time"])
    except TimeError:
        time = NO_TIME
    return AuditRow(**{**texts, "seq": row["seq"], "time": time})


def _shown(cell: Any) -> str:
    return _clean(cell.decode("utf-8", "surrogateescape") if isinstance(cell, bytes) else str(cell))


def message_facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the entry of a release holds of the message. `row`: its columns, times as text."""
    left = {"identifier", "json", "cap", "ended_by", "ended_at"}
    kept = {column.name: row[column.name] for column in MESSAGES.columns if column.name not in left}
    return {**kept, "json": _sha256(row["json"]), "cap": _sha256(row["cap"])}


def _sha256(content: Any) -> str:
    """Of a text; "bytes" and the like where somebody made it something else."""
    if not isinstance(content, str):
        return type(content).__name__
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()


def verify_audit(ledger: Ledger) -> list[AuditFault]:
    """What is wrong with the log, by number, and with the messages that it tells of; empty where all is whole.

    Compared with the journal of warnings where the ledger keeps one; without it a cut-off end is not seen, nor a chain
    that was forged to its end. Nobody who writes waits for it.

    Raises:
        LedgerError: the database fails.
    """
    told = None if ledger.warnings is None else _told(ledger)
    with writing(ledger):  # whatever of `told` was not committed by now never will be
        pass
    wanted = select(*_CELLS).order_by(AUDIT.c.seq)
    with _reading_all(ledger) as connection:
        rows = [dict(row) for row in connection.execute(wanted).mappings()]
        faults = [*_chain_faults(rows), *_message_faults(connection, rows)]
    if told is not None:
        if any(row["seq"] not in told for row in rows):  # entered while the journal was read, or behind its back
            known = {row["seq"] for row in rows}
            told |= {number: sha256 for number, sha256 in _told(ledger).items() if number in known}
        faults += _journal_faults(rows, told)
    return sorted(faults, key=lambda fault: fault.seq)


def _chain_faults(rows: Iterable[Mapping[str, Any]]) -> Iterator[AuditFault]:
    seq, prev = 0, GENESIS
    for row in rows:
        number = int(row["seq"])
        if number != seq + 1:
            yield _fault(
                number,
                f"entry {number} follows {seq}: {number - seq - 1} between them are missing, or it was inserted",
                f"第 {number} 条紧接第 {seq} 条：其间缺少 {number - seq - 1} 条，或该条为插入",
            )
        if row["prev"] != prev:
            yield _fault(
                number,
                f"entry {number} does not follow the entry before it: one of the two was changed, removed or moved",
                f"第 {number} 条与前一条不衔接：其中一条被改动、删除或移位",
            )
        if not _gives_hash(row):
            yield _fault(
                number,
                f"entry {number} was changed: its content does not give its hash",
                f"第 {number} 条被改动：内容与其哈希值不符",
            )
        seq, prev = number, row["hash"]


def _fault(seq: int, en: str, zh: str) -> AuditFault:
    return AuditFault(seq, _clean(f"{en}; {TELLS_EN}"), _clean(f"{zh}；{TELLS_ZH}"))


def _gives_hash(row: Mapping[str, Any]) -> bool:
    entry = {key: row[key] for key in row.keys() - {"prev", "hash"}}
    are_texts = all(isinstance(row[key], str) for key in row.keys() - {"seq"})
    return are_texts and bool(row["hash"] == _hash(row["prev"], entry))


def _message_faults(connection: Connection, entries: Iterable[Mapping[str, Any]]) -> Iterator[AuditFault]:
    """Messages against the entries of their release and their end."""
    released = {str(entry["subject"]): entry for entry in entries if entry["action"] in ACTIONS.values()}
    ends = {str(entry["subject"]): entry for entry in entries if entry["action"] in {"end", "expire"}}
    columns = ", ".join(column.name for column in MESSAGES.columns)
    found = connection.execution_options(yield_per=200).execute(text(f"SELECT {columns} FROM messages"))
    for row in found.mappings():
        name = str(row["identifier"])
        entry = released.pop(name, None)
        if entry is None:
            yield _fault(0, f"message {name} was never released: no entry of it", f"预警 {name} 没有发布记录：为插入")
        else:
            expected = {**detail_of(entry["detail"]), **_end(ends.get(name))}
            told = {**message_facts(dict(row)), "ended_by": row["ended_by"], "ended_at": row["ended_at"]}
            yield from _differences(int(entry["seq"]), name, told, expected)
    for name, entry in released.items():
        seq = int(entry["seq"])
        yield _fault(
            seq,
            f"entry {seq} released message {name}, which is not among the messages: it was removed",
            f"第 {seq} 条所发布的预警 {name} 已不存在：被删除",
        )


def _differences(seq: int, name: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[AuditFault]:
    for column, value in found.items():
        if value != expected.get(column):
            yield _fault(
                seq,
                f"message {name}: {column} is {value!r}, released (entry {seq}) was {expected.get(column)!r}",
                f"预警 {name}：{column} 现为 {value!r}，发布时（第 {seq} 条）为 {expected.get(column)!r}",
            )


def detail_of(cell: Any) -> dict[str, Any]:
    """What the `detail` of an entry holds; nothing where somebody made it something else (`verify_audit` says so)."""
    try:
        found = json.loads(cell)
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _end(entry: Mapping[str, Any] | None) -> dict[str, Any]:
    if entry is None:
        return {"ended_by": "", "ended_at": None}
    by = BY_TIME if entry["action"] == "expire" else detail_of(entry["detail"]).get("by")
    return {"ended_by": by, "ended_at": entry["time"]}


def _journal_faults(rows: Iterable[Mapping[str, Any]], told: Mapping[int, str]) -> Iterator[AuditFault]:
    held = {int(row["seq"]): row["hash"] for row in rows}
    for number in sorted(held.keys() | told.keys()):
        if number not in held:
            yield _fault(
                number,
                f"entry {number} is in the journal of warnings only: it was removed, or never came back",
                f"第 {number} 条仅见于预警日志：已被删除，或尚未恢复",
            )
        elif number not in told:
            yield _fault(
                number,
                f"entry {number} is not in the journal of warnings: it was inserted, or the journal is damaged",
                f"第 {number} 条不在预警日志中：为插入条目，或日志已损坏",
            )
        elif told[number] != held[number]:
            yield _fault(
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
