"""The audit log: nothing is changed unseen, and where it was changed the entry is named (RELIABILITY.md C12)."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from tests.landing.issued import LI, MINUTE, NOON, whole_life
from wxcore.errors import TimeError
from wxcore.landing.ledger import (
    GENESIS,
    Actor,
    AuditRow,
    Ledger,
    list_audit,
    open_ledger,
    rebuild,
    record_act,
    verify_audit,
)
from wxcore.landing.ledger.journal import day_files

COLUMNS = ("time", "actor", "role", "action", "subject", "reason", "detail", "prev", "hash")
COUNT = 8
DROP = {
    "sqlite": ("DROP TRIGGER audit_update", "DROP TRIGGER audit_delete", "DROP TRIGGER audit_insert"),
    "postgresql": ("DROP FUNCTION audit_append_only() CASCADE",),
}
COPY = "INSERT INTO audit SELECT {seq}, time, actor, role, action, subject, reason, detail, {prev}, {hash} FROM audit"


MOVED_UP = [f"UPDATE audit SET seq = {number - 1} WHERE seq = {number}" for number in range(4, COUNT + 1)]


def fill(ledger: Ledger) -> None:
    for number in range(COUNT):
        record_act(ledger, LI, "login", f"用户{number}", now=NOON + number * MINUTE, detail={"n": number})


def tamper(ledger: Ledger, *statements: str) -> list[int]:
    """Numbers that are named after somebody with all rights wrote to the table."""
    with ledger.engine.begin() as connection:
        for statement in (*DROP[ledger.engine.dialect.name], *statements):
            connection.exec_driver_sql(statement)
    faults = verify_audit(ledger)
    assert all(fault.en and str(fault.seq) in fault.zh for fault in faults)
    return sorted({fault.seq for fault in faults})


def test_the_first_entry_by_hand(ledger: Ledger) -> None:
    record_act(ledger, Actor("李", "duty"), "login", "li", now=NOON, reason="班次", detail={"b": 1, "a": "地"})
    (row,) = list_audit(ledger)
    entry = (
        '{"action":"login","actor":"李","detail":"{\\"a\\":\\"\\\\u5730\\",\\"b\\":1}","reason":"班次","role":"duty",'
        '"seq":1,"subject":"li","time":"2025-06-09T04:00:00.000000Z"}'
    )
    assert row.prev == GENESIS == hashlib.sha256(b"wxcore audit log").hexdigest()
    assert row.hash == hashlib.sha256((GENESIS + entry).encode()).hexdigest()
    assert verify_audit(ledger) == []


def test_each_entry_follows_the_one_before(ledger: Ledger) -> None:
    assert verify_audit(ledger) == list_audit(ledger) == []
    fill(ledger)
    rows = list_audit(ledger)
    assert [row.seq for row in rows] == list(range(1, COUNT + 1))
    assert [row.prev for row in rows[1:]] == [row.hash for row in rows[:-1]]
    assert list_audit(ledger, since_seq=2, limit=3) == rows[2:5]
    assert list_audit(ledger, limit=3, newest=True) == rows[-3:]
    assert list_audit(ledger, subject="用户3") == [rows[3]]
    with pytest.raises(TimeError):
        record_act(ledger, LI, "login", "", now=NOON.replace(tzinfo=None))


@pytest.mark.parametrize("name", ["\0", "\ud800", "x" * 5000, "'; DROP TABLE audit; --"])
def test_whatever_somebody_types_at_the_login(name: str, journaled: Ledger) -> None:
    record_act(journaled, Actor(name, name), "login", name, now=NOON, reason=name, detail={"name": name})
    assert len(list_audit(journaled)) == 1
    assert verify_audit(journaled) == []


def test_the_database_refuses_all_but_appends(ledger: Ledger) -> None:
    fill(ledger)
    statements = [
        "UPDATE audit SET reason = 'x' WHERE seq = 3", "DELETE FROM audit WHERE seq = 8", "DELETE FROM audit",
        COPY.format(seq=0, prev="'p'", hash="'h'") + " WHERE seq = 2",
    ]  # fmt: skip
    if ledger.engine.dialect.name == "sqlite":
        statements.append("INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 2")
    else:
        statements.append("TRUNCATE audit")
    for statement in statements:
        with pytest.raises(DBAPIError, match="append-only"), ledger.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    assert verify_audit(ledger) == []
    assert len(list_audit(ledger)) == COUNT


class TestTampered:
    @pytest.mark.parametrize(
        ("statements", "named"),
        [
            (["UPDATE audit SET reason = 'x' WHERE seq = 3"], [3]),
            (["UPDATE audit SET time = 'soon' WHERE seq = 1"], [1]),
            (["UPDATE audit SET hash = '0' WHERE seq = 3"], [3, 4]),
            (["DELETE FROM audit WHERE seq = 3"], [4]),
            (["DELETE FROM audit WHERE seq <= 3"], [4]),
            ([COPY.format(seq=0, prev="'p'", hash="'h'") + " WHERE seq = 2"], [0, 1]),
            (
                [f"UPDATE audit SET seq = {new} WHERE seq = {old}" for old, new in ((3, 99), (4, 3), (99, 4))],
                [3, 4, 5],
            ),
            (
                ["DELETE FROM audit WHERE seq = 3", *MOVED_UP],
                [3, 4, 5, 6, 7],
            ),
        ],
    )  # fmt: skip
    def test_the_entry_is_named(self, statements: Sequence[str], named: list[int], ledger: Ledger) -> None:
        fill(ledger)
        assert tamper(ledger, *statements) == named

    def test_an_end_that_is_cut_off(self, journaled: Ledger) -> None:
        fill(journaled)
        assert tamper(journaled, "DELETE FROM audit WHERE seq > 6") == [7, 8]

    def test_without_a_journal_a_cut_is_not_seen(self, ledger: Ledger) -> None:
        fill(ledger)
        assert tamper(ledger, "DELETE FROM audit WHERE seq > 6") == []  # the journal is what knows better

    def test_a_chain_forged_to_its_end(self, journaled: Ledger, new_url: Callable[[str], str]) -> None:
        fill(journaled)
        forged = open_ledger(new_url(journaled.engine.dialect.name))
        for number, row in enumerate(list_audit(journaled)):
            reason = "another" if number == 5 else row.reason
            record_act(forged, LI, row.action, row.subject, now=row.time, reason=reason, detail={"n": number})
        assert verify_audit(forged) == []
        changes = [
            f"UPDATE audit SET reason = '{row.reason}', prev = '{row.prev}', hash = '{row.hash}' WHERE seq = {row.seq}"
            for row in reversed(list_audit(forged)[5:])
        ]
        assert tamper(journaled, *changes) == [6, 7, 8]
        forged.engine.dispose()

    def test_an_entry_appended_behind_our_back(self, journaled: Ledger, ledger_url: str) -> None:
        fill(journaled)
        silent = open_ledger(ledger_url)
        record_act(silent, LI, "login", "x", now=NOON)
        assert [fault.seq for fault in verify_audit(journaled)] == [COUNT + 1]
        silent.engine.dispose()

    @settings(max_examples=12, deadline=None)
    @given(seq=st.integers(1, COUNT), column=st.sampled_from(COLUMNS), junk=st.text("abc01", min_size=1, max_size=9))
    def test_any_edit_is_found(
        self, seq: int, column: str, junk: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        ledger = open_ledger(tmp_path_factory.mktemp("audit") / "a.sqlite")
        fill(ledger)
        assert seq in tamper(ledger, f"UPDATE audit SET {column} = '{junk}' WHERE seq = {seq}")
        ledger.engine.dispose()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[AuditRow]]:
    """Lines of the journal of a whole life, and the log of it."""
    folder = tmp_path_factory.mktemp("told")
    ledger = open_ledger(folder / "a.sqlite", warnings=folder / "w")
    whole_life(ledger)
    (path,) = day_files(folder / "w")
    rows = list_audit(ledger)
    ledger.engine.dispose()
    return path.read_bytes().splitlines(keepends=True), rows


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
@example(lost={0, 16})
@given(lost=st.sets(st.integers(0, 60), max_size=12))
def test_whatever_lines_are_lost_the_rest_comes_back(
    lost: set[int], told: tuple[list[bytes], list[AuditRow]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines, rows = told
    folder = tmp_path_factory.mktemp("lost")
    kept = [line for number, line in enumerate(lines) if number not in lost]
    (folder / "20250609.jsonl").write_bytes(b"".join(kept))
    ledger = open_ledger(folder / "b.sqlite")
    rebuild(ledger, folder / "landing", folder)
    left = [row for row in rows if any(f'"hash":"{row.hash}"'.encode() in line for line in kept)]
    assert list_audit(ledger) == left
    is_whole = [row.seq for row in left] == list(range(1, len(left) + 1))  # a cut-off end shows nowhere but there
    assert (verify_audit(ledger) == []) == is_whole
    ledger.engine.dispose()


def test_a_lost_line_of_the_journal_shows_after_a_rebuild(
    journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: tuple[Path, Path]
) -> None:
    whole_life(journaled)
    (path,) = day_files(folders[1])
    lines = path.read_bytes().splitlines(keepends=True)
    acts = [number for number, line in enumerate(lines) if b'"table":"audit"' in line]
    lost = acts[3]
    path.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    ledger = open_ledger(new_url(kind))
    rebuild(ledger, *folders)
    assert {fault.seq for fault in verify_audit(ledger)} == {5}
    assert len(list_audit(ledger)) == len(acts) - 1
    ledger.engine.dispose()
