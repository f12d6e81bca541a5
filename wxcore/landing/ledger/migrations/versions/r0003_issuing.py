"""Drafts that people edit and sign, messages, call-outs, others' alerts, the audit log, sessions."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text, text

revision = "0003"
down_revision = "0002"

SERIAL = BigInteger().with_variant(Integer, "sqlite")

KEPT = (
    "identifier, draft_id, region, hazard, level, msg_type, status, chain, sent, expires, json, cap, digest, "
    "signed_by, released_by, released_at"
)
"""Columns of a message that never change: all but how it ended."""

SQLITE_GUARDS = (
    "CREATE TRIGGER audit_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_insert BEFORE INSERT ON audit "
    "WHEN NEW.seq <= (SELECT COALESCE(MAX(seq), 0) FROM audit) "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    f"CREATE TRIGGER messages_update BEFORE UPDATE OF {KEPT} ON messages "
    "BEGIN SELECT RAISE(ABORT, 'a released message never changes'); END",
    "CREATE TRIGGER messages_delete BEFORE DELETE ON messages "
    "BEGIN SELECT RAISE(ABORT, 'a released message never changes'); END",
    "CREATE TRIGGER messages_insert BEFORE INSERT ON messages "
    "WHEN EXISTS (SELECT 1 FROM messages WHERE identifier = NEW.identifier) "
    "BEGIN SELECT RAISE(ABORT, 'a released message never changes'); END",
)
"""Those of insertion are for INSERT OR REPLACE, which fires no trigger of deletion."""

POSTGRESQL_GUARDS = (
    "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF TG_OP = 'INSERT' THEN "
    "IF NEW.seq > (SELECT COALESCE(MAX(seq), 0) FROM audit) THEN RETURN NEW; END IF; END IF; "
    "RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE TRIGGER audit_rows BEFORE INSERT OR UPDATE OR DELETE ON audit "
    "FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
    "CREATE TRIGGER audit_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()",
    "CREATE FUNCTION messages_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION 'a released message never changes'; END $$",
    f"CREATE TRIGGER messages_rows BEFORE UPDATE OF {KEPT} OR DELETE ON messages "
    "FOR EACH ROW EXECUTE FUNCTION messages_kept()",
    "CREATE TRIGGER messages_truncate BEFORE TRUNCATE ON messages FOR EACH STATEMENT EXECUTE FUNCTION messages_kept()",
)


def upgrade() -> None:
    """All drafts there are were made by the machine."""
    empty = text("''")
    for column in (
        Column("origin", String(16), nullable=False, server_default=text("'machine'")),
        Column("parent", String(200), nullable=False, server_default=empty),
        Column("author", Text, nullable=False, server_default=empty),
        Column("digest", String(64), nullable=False, server_default=empty),
        Column("signed_by", Text, nullable=False, server_default=empty),
        Column("signed_at", String(27)),
        Column("message", String(200), nullable=False, server_default=empty),
        Column("reason", Text, nullable=False, server_default=empty),
    ):
        op.add_column("warnings", column)
    _create_messages()
    _create_callouts()
    _create_imports_and_sessions()
    _create_audit()


def _create_messages() -> None:
    op.create_table(
        "messages",
        Column("identifier", String(200), primary_key=True),
        Column("draft_id", String(200), nullable=False),
        Column("region", String(64), nullable=False),
        Column("hazard", String(16), nullable=False),
        Column("level", String(16), nullable=False),
        Column("msg_type", String(16), nullable=False),
        Column("status", String(16), nullable=False),
        Column("chain", String(200), nullable=False),
        Column("sent", String(27), nullable=False),
        Column("expires", String(27), nullable=False),
        Column("json", Text, nullable=False),
        Column("cap", Text, nullable=False),
        Column("digest", String(64), nullable=False),
        Column("signed_by", Text, nullable=False),
        Column("released_by", Text, nullable=False),
        Column("released_at", String(27), nullable=False),
        Column("ended_by", String(200), nullable=False),
        Column("ended_at", String(27)),
    )
    op.create_index("messages_by_end", "messages", ["region", "ended_by", "expires"])
    op.create_index("messages_by_time", "messages", ["region", "sent"])


def _create_callouts() -> None:
    op.create_table(
        "callouts",
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
        Column("called_at", String(27), nullable=False),
        Column("due_at", String(27), nullable=False),
        Column("acknowledged_at", String(27)),
        Column("how", Text, nullable=False),
        Column("note", Text, nullable=False),
        Column("expires_at", String(27), nullable=False),
    )
    op.create_index("callouts_by_message", "callouts", ["identifier"])
    op.create_index("callouts_by_token", "callouts", ["token_hash"])
    op.create_index("callouts_by_state", "callouts", ["state", "due_at"])


def _create_imports_and_sessions() -> None:
    op.create_table(
        "imports",
        Column("key", String(64), primary_key=True),
        Column("sender", Text, nullable=False),
        Column("identifier", Text, nullable=False),
        Column("sent", String(27), nullable=False),
        Column("expires", String(27)),
        Column("xml", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("received_at", String(27), nullable=False),
    )
    op.create_index("imports_by_time", "imports", ["received_at"])
    op.create_table(
        "sessions",
        Column("token_hash", String(64), primary_key=True),
        Column("user", String(200), nullable=False),
        Column("role", String(32), nullable=False),
        Column("csrf", String(128), nullable=False),
        Column("created_at", String(27), nullable=False),
        Column("seen_at", String(27), nullable=False),
        Column("expires_at", String(27), nullable=False),
        Column("idle_s", Integer, nullable=False),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        Column("seq", SERIAL, primary_key=True, autoincrement=False),
        Column("time", String(27), nullable=False),
        Column("actor", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("action", String(32), nullable=False),
        Column("subject", String(200), nullable=False),
        Column("reason", Text, nullable=False),
        Column("detail", Text, nullable=False),
        Column("prev", String(64), nullable=False, unique=True),
        Column("hash", String(64), nullable=False),
    )
    op.create_index("audit_by_subject", "audit", ["subject", "seq"])
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_GUARDS if on_sqlite else POSTGRESQL_GUARDS:
        op.execute(statement)
