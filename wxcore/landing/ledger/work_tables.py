"""Tables of work under way: who may publish a cycle, what waits to be sent, what a version's products are."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from wxcore.landing.ledger.tables import METADATA, SERIAL, UtcTime

LEASES = Table(
    "leases",
    METADATA,
    Column("region", String(64), primary_key=True),
    Column("time", UtcTime, primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("acquired_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)
"""The newest lease on each cycle, `holder` empty after release; rows stay for ever, so that no token comes twice."""

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("identifier", String(200), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("recipient", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("claimed_by", String(200), nullable=False),
    Column("claimed_until", UtcTime),
    Column("last_error", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("sent_at", UtcTime),
    Index("outbox_by_due", "state", "next_at"),
)
"""One row a warning, channel and recipient. `state`: waiting, sending, sent or expired; `payload`: JSON."""

PRODUCTS = Table(
    "products",
    METADATA,
    Column("region", String(64), primary_key=True),
    Column("time", UtcTime, primary_key=True),
    Column("snapshot_id", String(64), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
"""Files made from one version of a cycle (a report, a CAP message)."""
