"""Tables of what people issue: messages, who is called out, others' alerts, the audit log, who is logged in."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from wxcore.landing.ledger.tables import METADATA, SERIAL, UtcTime

MESSAGES = Table(
    "messages",
    METADATA,
    Column("identifier", String(200), primary_key=True),
    Column("draft_id", String(200), nullable=False),
    Column("region", String(64), nullable=False),
    Column("hazard", String(16), nullable=False),
    Column("level", String(16), nullable=False),
    Column("msg_type", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("chain", String(200), nullable=False),
    Column("sent", UtcTime, nullable=False),
    Column("expires", UtcTime, nullable=False),
    Column("json", Text, nullable=False),
    Column("cap", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("signed_by", Text, nullable=False),
    Column("released_by", Text, nullable=False),
    Column("released_at", UtcTime, nullable=False),
    Column("ended_by", String(200), nullable=False),
    Column("ended_at", UtcTime),
    Index("messages_by_end", "region", "ended_by", "expires"),
    Index("messages_by_time", "region", "sent"),
)
"""What was released; only `ended_by` and `ended_at` ever change: triggers allow no more. `json`: the record; `cap`: the
CAP message as signed; `chain`: identifier of the first message of its chain."""

CALLOUTS = Table(
    "callouts",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("identifier", String(200), nullable=False),
    Column("region", String(64), nullable=False),
    Column("post", String(200), nullable=False),
    Column("tier", String(16), nullable=False),
    Column("area", String(64), nullable=False),
    Column("person", String(200), nullable=False),
    Column("name", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("called_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("acknowledged_at", UtcTime),
    Column("how", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index("callouts_by_message", "identifier"),
    Index("callouts_by_token", "token_hash"),
    Index("callouts_by_state", "state", "due_at"),
)
"""One row a message and person called. `state`: called, acknowledged, escalated (the next person is called) or over."""

IMPORTS = Table(
    "imports",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("sender", Text, nullable=False),
    Column("identifier", Text, nullable=False),
    Column("sent", UtcTime, nullable=False),
    Column("expires", UtcTime),
    Column("xml", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Index("imports_by_time", "received_at"),
)
"""Alerts of other offices; `key`: hash of sender, identifier and sent, which tell one CAP message from every other."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("seq", SERIAL, primary_key=True, autoincrement=False),
    Column("time", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("prev", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False),
    Index("audit_by_subject", "subject", "seq"),
)
"""Every act, numbered without a gap; `hash` covers the entry and the hash before it. Triggers allow appends only."""

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("user", String(200), nullable=False),
    Column("role", String(32), nullable=False),
    Column("csrf", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("idle_s", Integer, nullable=False),
)
"""Who is logged in at the desk, by the hash of the token; a rebuilt ledger has none: people log in again."""
