"""Published times, arrival keys, bases of cycles, tallies, journals, leases, outbox, products."""

import secrets

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Text, false, text

revision = "0002"
down_revision = "0001"

SERIAL = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """What was received before published times were kept counts as published when it came."""
    for table in ("files", "receipts"):
        default = "1970-01-01T00:00:00.000000Z"
        op.add_column(table, Column("published_at", String(27), nullable=False, server_default=default))
        op.execute(f"UPDATE {table} SET published_at = received_at")
    op.add_column("receipts", Column("arrival_key", String(64)))
    op.create_index("receipts_by_arrival", "receipts", ["arrival_key"])
    op.create_table(
        "tallies",
        Column("outcome", String(16), primary_key=True),
        Column("count", BigInteger, nullable=False),
    )
    for table in ("cycles", "cycle_versions"):
        op.add_column(table, Column("basis", String(64), nullable=False, server_default=text("''")))
        op.add_column(table, Column("reanalysis", Boolean, nullable=False, server_default=false()))
    heads = op.create_table(
        "journal_heads",
        Column("journal", String(16), primary_key=True),
        Column("batch", String(16), nullable=False),
    )
    op.bulk_insert(heads, [{"journal": name, "batch": secrets.token_hex(8)} for name in ("files", "warnings")])
    _create_work_tables()


def _create_work_tables() -> None:
    op.create_table(
        "leases",
        Column("region", String(64), primary_key=True),
        Column("time", String(27), primary_key=True),
        Column("holder", String(200), nullable=False),
        Column("token", BigInteger, nullable=False),
        Column("acquired_at", String(27), nullable=False),
        Column("expires_at", String(27), nullable=False),
    )
    op.create_table(
        "outbox",
        Column("id", SERIAL, primary_key=True, autoincrement=True),
        Column("key", String(64), nullable=False, unique=True),
        Column("identifier", String(200), nullable=False),
        Column("channel", String(32), nullable=False),
        Column("recipient", Text, nullable=False),
        Column("payload", Text, nullable=False),
        Column("state", String(16), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_at", String(27), nullable=False),
        Column("expires_at", String(27), nullable=False),
        Column("claimed_by", String(200), nullable=False),
        Column("claimed_until", String(27)),
        Column("last_error", Text, nullable=False),
        Column("created_at", String(27), nullable=False),
        Column("sent_at", String(27)),
    )
    op.create_index("outbox_by_due", "outbox", ["state", "next_at"])
    op.create_table(
        "products",
        Column("region", String(64), primary_key=True),
        Column("time", String(27), primary_key=True),
        Column("snapshot_id", String(64), primary_key=True),
        Column("name", String(200), primary_key=True),
        Column("sha256", String(64), nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("created_at", String(27), nullable=False),
    )
