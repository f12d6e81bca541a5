"""Ledger: what came, when, and what became of it. SQLAlchemy Core on SQLite (WAL, FULL) or PostgreSQL."""

from wxcore.landing.ledger.cycles import (
    CycleRow,
    Outcome,
    cycle_versions,
    cycles_between,
    find_cycle,
    last_snapshot,
    mark_stale,
    marked_stale,
)
from wxcore.landing.ledger.engine import is_damaged, is_sound, open_ledger
from wxcore.landing.ledger.expiry import count_expired, expire_files, prune_journal
from wxcore.landing.ledger.files import (
    AT_ARRIVAL,
    DUPLICATE,
    GONE,
    PENDING,
    QUARANTINED,
    STORED,
    Arrival,
    FileRow,
    decide,
    receive,
    record_refusal,
)
from wxcore.landing.ledger.journal import has_events
from wxcore.landing.ledger.leases import (
    Lease,
    acquire_lease,
    check_lease,
    fence,
    find_lease,
    held,
    is_alive,
    process_holder,
    release_lease,
    renew_lease,
)
from wxcore.landing.ledger.litter import discard, discard_litter
from wxcore.landing.ledger.lookup import (
    Conservation,
    conservation,
    files_between,
    find_file,
    known_arrivals,
    pending_files,
)
from wxcore.landing.ledger.outbox import (
    Message,
    OutboxRow,
    claim_due,
    enqueue,
    expire_due,
    list_outbox,
    mark_failed,
    mark_sent,
)
from wxcore.landing.ledger.overview import Source, pending_count, quarantined_since, sources
from wxcore.landing.ledger.products import Product, ProductRow, list_products, record_products
from wxcore.landing.ledger.publish import publish_cycle
from wxcore.landing.ledger.recovery import Rebuilt, catch_up, is_empty, rebuild, state_hash
from wxcore.landing.ledger.tables import Ledger
from wxcore.landing.ledger.warnings import DRAFT, WITHDRAWN, Draft, WarningRow, warnings_before

__all__ = [
    "AT_ARRIVAL", "DRAFT", "DUPLICATE", "GONE", "PENDING", "QUARANTINED", "STORED", "WITHDRAWN",
    "Arrival", "Conservation", "CycleRow", "Draft", "FileRow", "Lease", "Ledger", "Message", "OutboxRow", "Outcome",
    "Product", "ProductRow", "Rebuilt", "Source", "WarningRow",
    "acquire_lease", "catch_up", "check_lease", "claim_due", "conservation", "count_expired", "cycle_versions",
    "cycles_between", "decide", "discard", "discard_litter", "enqueue", "expire_due", "expire_files", "fence",
    "files_between", "find_cycle", "find_file", "find_lease", "has_events", "held", "is_alive", "is_damaged",
    "is_empty", "is_sound", "known_arrivals", "last_snapshot", "list_outbox", "list_products", "mark_failed",
    "mark_sent", "mark_stale", "marked_stale", "open_ledger", "pending_count", "pending_files", "process_holder",
    "prune_journal", "publish_cycle", "quarantined_since", "rebuild", "receive", "record_products",
    "record_refusal", "release_lease", "renew_lease", "sources", "state_hash", "warnings_before",
]  # fmt: skip
