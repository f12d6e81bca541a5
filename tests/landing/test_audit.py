"""The audit log: nothing is changed unseen, and where it was changed the entry is named (RELIABILITY.md C12)."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from time import thread_time

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from tests.landing.issued import LI, MINUTE, NOON, issue, put, release, sign, whole_life
from wxcore.errors import LedgerError, RefusedError, TimeError
from wxcore.landing.ledger import (
    GENESIS,
    Actor,
    AuditFault,
    AuditRow,
    Ledger,
    audit,
    list_audit,
    list_messages,
    open_ledger,
    rebuild,
    record_act,
    verify_audit,
)
from wxcore.landing.ledger.audit import NO_TIME, Act, enter_act, message_facts
from wxcore.landing.ledger.engine import reading, writing
from wxcore.landing.ledger.issue_tables import AUDIT, MESSAGES
from wxcore.landing.ledger.journal import WARNINGS_JOURNAL, day_files, plain, row_of
from wxcore.landing.ledger.rows import enter_rows
from wxcore.landing.ledger.tables import utc_text

COLUMNS = ("time", "actor", "role", "action", "subject", "reason", "detail", "prev", "hash")
COUNT = 8
DROP = {
    "sqlite": tuple(
        f"DROP TRIGGER {table}_{act}" for table in ("audit", "messages") for act in ("update", "delete", "insert")
    ),
    "postgresql": ("DROP FUNCTION audit_append_only() CASCADE", "DROP FUNCTION messages_kept() CASCADE"),
}
COPY = "INSERT INTO audit SELECT {seq}, time, actor, role, action, subject, reason, detail, {prev}, {hash} FROM audit"


MOVED_UP = [f"UPDATE audit SET seq = {number - 1} WHERE seq = {number}" for number in range(4, COUNT + 1)]


def fill(ledger: Ledger) -> None:
    for number in range(COUNT):
        record_act(ledger, LI, "login", f"用户{number}", now=NOON + number * MINUTE, detail={"n": number})


def found_after(ledger: Ledger, *statements: str) -> list[AuditFault]:
    """What is found after somebody with all rights wrote to the tables."""
    with ledger.engine.begin() as connection:
        for statement in (*DROP[ledger.engine.dialect.name], *statements):
            connection.exec_driver_sql(statement)
    faults = verify_audit(ledger)
    assert all("wx archive recover" in fault.en and "wx archive recover" in fault.zh for fault in faults)
    return faults


def tamper(ledger: Ledger, *statements: str) -> list[int]:
    """Numbers that are named then."""
    faults = found_after(ledger, *statements)
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


def test_the_database_refuses_to_change_a_message(ledger: Ledger) -> None:
    whole_life(ledger)
    statements = [
        *(f"UPDATE messages SET {column.name} = 'x'" for column in MESSAGES.columns if column.name[:5] != "ended"),
        "DELETE FROM messages WHERE identifier = 'm1'",
    ]
    if ledger.engine.dialect.name == "sqlite":
        statements.append("INSERT OR REPLACE INTO messages SELECT * FROM messages")
    else:
        statements.append("TRUNCATE messages")
    before = list_messages(ledger, "r", since=NOON)
    for statement in statements:
        with pytest.raises(DBAPIError, match="never changes"), ledger.engine.begin() as connection:
            connection.exec_driver_sql(statement)
        assert list_messages(ledger, "r", since=NOON) == before, statement
    assert verify_audit(ledger) == []


class TestMessages:
    """What was released is compared with the log of it: m1 by entry 6, m2 by entry 12."""

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            ("UPDATE messages SET cap = replace(cap, 'alert', 'Alert') WHERE identifier = 'm1'", "cap is '04afb5"),
            ("UPDATE messages SET json = replace(json, 'red', 'blue') WHERE identifier = 'm1'", "json is '"),
            ("UPDATE messages SET status = 'Actual' WHERE identifier = 'm1'", "status is 'Actual', .* was 'Test'"),
            ("UPDATE messages SET signed_by = 'wang' WHERE identifier = 'm1'", "signed_by is 'wang', .* was 'li'"),
            ("UPDATE messages SET digest = '' WHERE identifier = 'm1'", "digest is '', .* was 'ddd"),
            (
                "UPDATE messages SET expires = 'never' WHERE identifier = 'm1'",
                "expires is 'never'.* was '2025-06-09T05",
            ),
            ("UPDATE messages SET ended_by = 'm9' WHERE identifier = 'm1'", "ended_by is 'm9', .* was 'm2'"),
            (
                "UPDATE messages SET ended_by = '', ended_at = NULL WHERE identifier = 'm2'",
                "ended_by is '', .* 'expired'",
            ),
            ("DELETE FROM messages WHERE identifier = 'm1'", "released message m1, which is not among"),
            ("UPDATE messages SET identifier = 'm7' WHERE identifier = 'm1'", "message m7 was never released"),
        ],
    )
    def test_an_edit_is_named(self, statement: str, said: str, ledger: Ledger) -> None:
        whole_life(ledger)
        faults = found_after(ledger, statement)
        assert any(re.search(said, fault.en) for fault in faults), faults
        assert all("预警 m" in fault.zh for fault in faults)
        released = {row.subject: row.seq for row in list_audit(ledger) if row.action in {"issue", "update"}}
        assert {fault.seq for fault in faults} <= {0, *released.values()}

    def test_bytes_in_the_place_of_text(self, tmp_path: Path) -> None:
        ledger = open_ledger(tmp_path / "a.sqlite")
        whole_life(ledger)
        (fault,) = found_after(ledger, "UPDATE messages SET cap = CAST(cap AS BLOB) WHERE identifier = 'm1'")
        assert "cap is 'bytes'" in fault.en
        ledger.engine.dispose()

    def test_a_season_takes_seconds(self, tmp_path: Path) -> None:
        """One entry and one message each of 2,000; 20,000 take ten times as long."""
        ledger, count = open_ledger(tmp_path / "a.sqlite"), 2000
        put(ledger, "a")
        sign(ledger, "a")
        (first,) = release(ledger, issue("m0", "a", cap="<alert/>" * 1500))
        with writing(ledger) as transaction:
            for number in range(1, count):
                row = plain(asdict(replace(first, identifier=f"m{number}")))
                enter_rows(transaction, MESSAGES, [row_of(MESSAGES, row)])
                enter_act(transaction, LI, Act("issue", f"m{number}", "", message_facts(row)), now=NOON)
        start = thread_time()
        assert verify_audit(ledger) == []
        assert thread_time() - start < 3  # 0.1 s of the processor on a free machine
        ledger.engine.dispose()


class TestTampered:
    @pytest.mark.parametrize("column", COLUMNS)
    def test_bytes_in_the_place_of_text(self, column: str, tmp_path: Path) -> None:
        ledger = open_ledger(tmp_path / "a.sqlite")
        fill(ledger)
        assert 3 in tamper(ledger, f"UPDATE audit SET {column} = CAST({column} AS BLOB) WHERE seq = 3")
        ledger.engine.dispose()

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

    def test_a_line_added_to_the_journal_is_no_witness(self, journaled: Ledger, folders: tuple[Path, Path]) -> None:
        """Whoever forges the last entry, and then tells the journal so: what it was told first counts."""
        fill(journaled)
        row = list_audit(journaled)[-1]
        entry = {**asdict(row), "time": utc_text(row.time), "reason": "another"}
        sha256 = audit._hash(row.prev, {key: entry[key] for key in entry.keys() - {"prev", "hash"}})
        with writing(journaled) as transaction:
            transaction.tell(WARNINGS_JOURNAL, "enter", {"table": "audit", "row": {**entry, "hash": sha256}})
        assert b"another" in day_files(folders[1])[0].read_bytes()
        assert verify_audit(journaled) == []
        change = f"UPDATE audit SET reason = 'another', hash = '{sha256}' WHERE seq = {COUNT}"
        (fault,) = found_after(journaled, change)
        assert (fault.seq, "another one in the journal" in fault.en) == (COUNT, True)

    def test_an_entry_that_comes_while_the_journal_is_read(
        self, journaled: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(journaled)
        told = audit._told

        def slowly(ledger: Ledger) -> dict[int, str]:
            found = told(ledger)
            monkeypatch.undo()
            record_act(ledger, LI, "login", "x", now=NOON)
            return found

        monkeypatch.setattr(audit, "_told", slowly)
        assert verify_audit(journaled) == []
        assert len(list_audit(journaled)) == COUNT + 1

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


class TestEditedCells:
    """Whatever somebody wrote into a cell, the log can be read, and the entry is named."""

    @pytest.mark.parametrize("time", ["soon", "", "2025-06-09", "9999-12-31T23:59:59.000000Z"])
    def test_a_time_that_is_none(self, time: str, ledger: Ledger) -> None:
        fill(ledger)
        assert tamper(ledger, f"UPDATE audit SET time = '{time}' WHERE seq = 3") == [3]
        assert [row.seq for row in list_audit(ledger) if row.time == NO_TIME] == [3]

    @pytest.mark.parametrize("column", COLUMNS)
    @pytest.mark.parametrize("cell", ["CAST(x'ff41' AS TEXT)", "x'ff41'"])
    def test_bytes_that_are_no_text(self, column: str, cell: str, tmp_path: Path) -> None:
        ledger = open_ledger(tmp_path / "a.sqlite")
        fill(ledger)
        assert 3 in tamper(ledger, f"UPDATE audit SET {column} = {cell} WHERE seq = 3")
        rows = list_audit(ledger)
        assert [row.seq for row in rows] == list(range(1, COUNT + 1))
        assert all(str(asdict(row)).encode() for row in rows)
        ledger.engine.dispose()

    def test_broken_bytes_are_not_what_stands_for_them(self, tmp_path: Path) -> None:
        ledger = open_ledger(tmp_path / "a.sqlite")
        for text in ("\\udcff", "\\xff"):
            record_act(ledger, LI, "login", text, now=NOON)
        assert tamper(ledger, "UPDATE audit SET subject = CAST(x'ff' AS TEXT)") == [1, 2]
        with pytest.raises(LedgerError, match="UTF-8"), reading(ledger) as connection:  # only the log is read like this
            connection.execute(select(AUDIT.c.subject)).all()
        ledger.engine.dispose()

    @pytest.mark.parametrize("column", [column.name for column in MESSAGES.columns])
    def test_broken_bytes_in_a_message(self, column: str, tmp_path: Path) -> None:
        ledger = open_ledger(tmp_path / "a.sqlite")
        whole_life(ledger)
        faults = found_after(ledger, f"UPDATE messages SET {column} = CAST(x'ff41' AS TEXT) WHERE identifier = 'm1'")
        assert any("message" in fault.en and (fault.en + fault.zh).encode() for fault in faults)
        ledger.engine.dispose()

    def test_a_signature_in_an_entry_with_no_time_still_stands(self, ledger: Ledger) -> None:
        put(ledger, "a")
        sign(ledger, "a")
        found_after(ledger, "UPDATE audit SET time = 'soon'")
        assert [row.identifier for row in release(ledger, issue("m1", "a"))] == ["m1"]

    @pytest.mark.parametrize("detail", ["{", "[]", "{}"])
    def test_without_its_detail_a_signature_does_not(self, detail: str, ledger: Ledger) -> None:
        put(ledger, "a")
        sign(ledger, "a")
        found_after(ledger, f"UPDATE audit SET detail = '{detail}'")
        with pytest.raises(RefusedError, match="content was changed"):
            release(ledger, issue("m1", "a"))


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
    faults = verify_audit(ledger)
    about_messages = [fault for fault in faults if "message " in fault.en]
    assert (len(faults) == len(about_messages)) == is_whole
    there = [row.identifier for row in list_messages(ledger, "r", since=NOON)]
    assert about_messages or there == [row.subject for row in left if row.action in {"issue", "update"}]
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
