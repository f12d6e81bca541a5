"""Ledger: what came, when, and what became of it. SQLAlchemy Core on SQLite (WAL, FULL) or PostgreSQL."""

from wxcore.landing.ledger.cycles import CycleRow, cycle_versions, find_cycle, record_cycle
from wxcore.landing.ledger.files import (
    DUPLICATE,
    PENDING,
    QUARANTINED,
    STORED,
    Conservation,
    FileRow,
    conservation,
    files_between,
    find_file,
    record_file,
    record_refusal,
)
from wxcore.landing.ledger.tables import Ledger, open_ledger
from wxcore.landing.ledger.warnings import WarningRow, record_warnings, warnings_before, withdraw_drafts

__all__ = [
    "DUPLICATE", "PENDING", "QUARANTINED", "STORED",
    "Conservation", "CycleRow", "FileRow", "Ledger", "WarningRow",
    "conservation", "cycle_versions", "files_between", "find_cycle", "find_file", "open_ledger",
    "record_cycle", "record_file", "record_refusal", "record_warnings", "warnings_before", "withdraw_drafts",
]  # fmt: skip
