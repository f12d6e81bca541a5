"""The tables of the first ledgers, which knew no revisions."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, String, Text

revision = "0001"
down_revision = None

SERIAL = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """From nothing."""
    op.create_table(
        "files",
        Column("sha256", String(64), primary_key=True),
        Column("name", Text, nullable=False),
        Column("size", Integer, nullable=False),
        Column("format", String(64), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("site", String(32), nullable=False),
        Column("obs_time", String(27)),
        Column("received_at", String(27), nullable=False),
        Column("status", String(16), nullable=False),
        Column("reason", String(32), nullable=False),
        Column("message_en", Text, nullable=False),
        Column("message_zh", Text, nullable=False),
        Column("offset", Integer),
    )
    op.create_index("files_by_time", "files", ["status", "obs_time"])
    op.create_table(
        "receipts",
        Column("id", SERIAL, primary_key=True, autoincrement=True),
        Column("sha256", String(64), ForeignKey("files.sha256")),
        Column("name", Text, nullable=False),
        Column("received_at", String(27), nullable=False),
        Column("outcome", String(16), nullable=False),
        Column("reason", String(32), nullable=False),
        Column("message_en", Text, nullable=False),
        Column("message_zh", Text, nullable=False),
    )
    op.create_index("receipts_by_file", "receipts", ["sha256"])
    _create_cycles()


def _create_cycles() -> None:
    for table, key in (
        ("cycles", ()),
        ("cycle_versions", (Column("id", SERIAL, primary_key=True, autoincrement=True),)),
    ):
        op.create_table(
            table,
            *key,
            Column("region", String(64), primary_key=not key, nullable=False),
            Column("time", String(27), primary_key=not key, nullable=False),
            Column("snapshot_id", String(64), nullable=False),
            Column("fingerprint", String(64), nullable=False),
            Column("degraded", Boolean, nullable=False),
            Column("missing", Text, nullable=False),
            Column("committed_at", String(27), nullable=False),
        )
    op.create_index("versions_by_cycle", "cycle_versions", ["region", "time"])
    op.create_table(
        "warnings",
        Column("id", String(200), primary_key=True),
        Column("region", String(64), nullable=False),
        Column("cycle_time", String(27), nullable=False),
        Column("hazard", String(16), nullable=False),
        Column("level", String(16), nullable=False),
        Column("state", String(16), nullable=False),
        Column("json", Text, nullable=False),
        Column("created_at", String(27), nullable=False),
    )
    op.create_index("warnings_by_cycle", "warnings", ["region", "cycle_time"])
