"""What was made from a version of a cycle is listed, once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wxcore.errors import LedgerError, TimeError
from wxcore.landing.ledger import Ledger, open_ledger
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.products import REPLAY, Product, list_products, record_products
from wxcore.landing.ledger.replay import replay
from wxcore.times import BEIJING

NOON = datetime(2020, 6, 12, 5, 42, tzinfo=UTC)
REPORT = Product("report.html", "a" * 64, 5 * 2**30)
CAP = Product("cap/w1.xml", "b" * 64, 10)
LATER = NOON + timedelta(minutes=1, microseconds=7)


def test_the_same_again_changes_nothing(ledger: Ledger) -> None:
    assert record_products(ledger, "r", NOON, "S1", [REPORT, CAP, REPORT], now=LATER) == 2
    before = list_products(ledger, "r", NOON)
    assert [(row.name, row.size, row.created_at) for row in before] == [
        ("cap/w1.xml", 10, LATER), ("report.html", 5 * 2**30, LATER),
    ]  # fmt: skip
    assert record_products(ledger, "r", NOON.astimezone(BEIJING), "S1", [CAP, REPORT]) == 0
    assert list_products(ledger, "r", NOON.astimezone(BEIJING)) == before
    assert record_products(ledger, "r", NOON, "S1", []) == 0


def test_other_bytes_replace_and_other_versions_stay(ledger: Ledger) -> None:
    record_products(ledger, "r", NOON, "S1", [REPORT], now=NOON)
    assert record_products(ledger, "r", NOON, "S1", [replace(REPORT, sha256="c" * 64)], now=LATER) == 1
    assert record_products(ledger, "r", NOON, "S2", [REPORT], now=LATER + timedelta(minutes=1)) == 1
    record_products(ledger, "q", NOON, "S1", [CAP])
    record_products(ledger, "r", LATER, "S1", [CAP])
    rows = list_products(ledger, "r", NOON)
    assert [(row.snapshot_id, row.sha256[0], row.created_at > NOON) for row in rows] == [
        ("S1", "c", True), ("S2", "a", True),
    ]  # fmt: skip


def test_all_or_none(ledger: Ledger) -> None:
    with pytest.raises(LedgerError):
        record_products(ledger, "r", NOON, "S1", [REPORT, replace(CAP, sha256=None)])  # type: ignore[arg-type]
    assert list_products(ledger, "r", NOON) == []


def test_naive_times_are_refused(ledger: Ledger) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(TimeError):
        record_products(ledger, "r", naive, "S1", [REPORT])
    with pytest.raises(TimeError):
        list_products(ledger, "r", naive)


def test_a_lost_ledger_gets_them_back_from_the_journal(tmp_path: Path) -> None:
    lost = open_ledger(tmp_path / "lost.sqlite", warnings=tmp_path / "warnings")
    record_products(lost, "r", NOON, "S1", [REPORT, CAP], now=NOON)
    record_products(lost, "r", NOON, "S1", [replace(CAP, size=11), REPORT], now=LATER)
    new = open_ledger(tmp_path / "new.sqlite")
    for _ in range(2):  # a replay that is interrupted starts again
        with writing(new) as transaction:
            for event in replay(tmp_path / "warnings"):
                REPLAY[event.kind](transaction.connection, [event.data])
    assert list_products(new, "r", NOON) == list_products(lost, "r", NOON)
