"""Opening a ledger: created, upgraded without losing a row, refused where it is newer, damaged or forgotten."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from unittest import mock

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import String, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import PoolProxiedConnection

from tests.landing.doors import record_file
from tests.landing.test_ledger import ARRIVAL, NOON, ROW, numbered
from wxcore.errors import LedgerError
from wxcore.landing.ledger import (
    Arrival,
    FileRow,
    Ledger,
    catch_up,
    conservation,
    find_cycle,
    find_file,
    has_events,
    is_empty,
    is_sound,
    mark_stale,
    open_ledger,
    rebuild,
    receive,
    state_hash,
    warnings_before,
)
from wxcore.landing.ledger.connect import connect
from wxcore.landing.ledger.migrate import config
from wxcore.landing.ledger.tables import HEAD, METADATA, UtcTime
from wxcore.landing.space import is_full

OLD = """
CREATE TABLE files (sha256 VARCHAR(64) NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, format VARCHAR(64) NOT NULL,
  kind VARCHAR(16) NOT NULL, site VARCHAR(32) NOT NULL, obs_time VARCHAR(27), received_at VARCHAR(27) NOT NULL,
  status VARCHAR(16) NOT NULL, reason VARCHAR(32) NOT NULL, message_en TEXT NOT NULL, message_zh TEXT NOT NULL,
  "offset" INTEGER, PRIMARY KEY (sha256));
CREATE TABLE cycles (region VARCHAR(64) NOT NULL, time VARCHAR(27) NOT NULL, snapshot_id VARCHAR(64) NOT NULL,
  fingerprint VARCHAR(64) NOT NULL, degraded BOOLEAN NOT NULL, missing TEXT NOT NULL, committed_at VARCHAR(27) NOT NULL,
  PRIMARY KEY (region, time));
CREATE TABLE cycle_versions ({serial}, region VARCHAR(64) NOT NULL, time VARCHAR(27) NOT NULL,
  snapshot_id VARCHAR(64) NOT NULL, fingerprint VARCHAR(64) NOT NULL, degraded BOOLEAN NOT NULL, missing TEXT NOT NULL,
  committed_at VARCHAR(27) NOT NULL);
CREATE TABLE warnings (id VARCHAR(200) NOT NULL, region VARCHAR(64) NOT NULL, cycle_time VARCHAR(27) NOT NULL,
  hazard VARCHAR(16) NOT NULL, level VARCHAR(16) NOT NULL, state VARCHAR(16) NOT NULL, json TEXT NOT NULL,
  created_at VARCHAR(27) NOT NULL, PRIMARY KEY (id));
CREATE TABLE receipts ({serial}, sha256 VARCHAR(64) REFERENCES files (sha256), name TEXT NOT NULL,
  received_at VARCHAR(27) NOT NULL, outcome VARCHAR(16) NOT NULL, reason VARCHAR(32) NOT NULL,
  message_en TEXT NOT NULL, message_zh TEXT NOT NULL);
CREATE INDEX files_by_time ON files (status, obs_time);
CREATE INDEX versions_by_cycle ON cycle_versions (region, time);
CREATE INDEX warnings_by_cycle ON warnings (region, cycle_time);
CREATE INDEX receipts_by_file ON receipts (sha256);
INSERT INTO files VALUES ('{sha}', '雷达.bin', 10, 'cinrad-standard', 'volume', 'Z9517', '2020-06-12T05:42:00.000000Z',
  '2020-06-12T05:43:00.000005Z', 'stored', '', '', '', NULL);
INSERT INTO receipts (sha256, name, received_at, outcome, reason, message_en, message_zh)
  VALUES ('{sha}', '雷达.bin', '2020-06-12T05:43:00.000005Z', 'stored', '', '', '');
INSERT INTO receipts (sha256, name, received_at, outcome, reason, message_en, message_zh)
  VALUES ('{sha}', 'again', '2020-06-12T05:44:00.000000Z', 'duplicate', '', '', '');
INSERT INTO cycles VALUES ('r', '2020-06-12T05:42:00.000000Z', 'S', 'f', {true}, '[]', '2020-06-12T05:45:00.000000Z');
INSERT INTO warnings VALUES ('w', 'r', '2020-06-12T05:42:00.000000Z', 'hail', 'red', 'draft', '{{}}',
  '2020-06-12T05:45:00.000000Z');
"""
"""A ledger as the wxcore before revisions wrote it."""


def write_old(kind: str, url: str) -> None:
    on_sqlite = kind == "sqlite"
    serial = "id INTEGER NOT NULL PRIMARY KEY" if on_sqlite else "id BIGSERIAL PRIMARY KEY"
    script = OLD.format(sha=ROW.sha256, serial=serial, true="1" if on_sqlite else "true")
    if on_sqlite:
        Path(url).parent.mkdir()
    engine = create_engine(f"sqlite:///{url}" if on_sqlite else url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for statement in script.strip().split(";\n"):
            connection.exec_driver_sql(statement.rstrip(";"))
    engine.dispose()


def differences(ledger: Ledger) -> list[object]:
    def differs(context: object, found: object, wanted: object, found_type: object, wanted_type: object) -> bool | None:
        return False if isinstance(wanted_type, UtcTime) and isinstance(found_type, String) else None

    with ledger.engine.connect() as connection:
        options = {"compare_type": differs, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


def test_the_newest_revision_is_ours() -> None:
    assert ScriptDirectory.from_config(config()).get_current_head() == HEAD


def test_migrated_is_what_the_code_says(ledger: Ledger) -> None:
    assert differences(ledger) == []
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE files ADD COLUMN more TEXT")
    assert differences(ledger)  # the comparison can fail


def test_an_old_ledger_keeps_every_row(kind: str, ledger_url: str) -> None:
    write_old(kind, ledger_url)
    ledger = open_ledger(ledger_url)
    assert differences(ledger) == []
    assert find_file(ledger, ROW.sha256) == FileRow(**{**vars(ROW), "published_at": ROW.received_at})
    counts = conservation(ledger)
    assert (counts.received, counts.stored, counts.duplicate, counts.holds) == (2, 1, 1, True)
    cycle = find_cycle(ledger, "r", NOON)
    assert cycle is not None
    assert (cycle.snapshot_id, cycle.degraded) == ("S", True)
    assert [row.id for row in warnings_before(ledger, "r", NOON + (ARRIVAL.received_at - NOON))] == ["w"]
    assert receive(ledger, [ARRIVAL]) == ["duplicate"]
    ledger.engine.dispose()


REFUSED = """INSERT INTO receipts (sha256, name, received_at, outcome, reason, message_en, message_zh)
VALUES (NULL, 'd', '2020-06-12T05:44:00.000000Z', 'quarantined', 'IS_DIRECTORY', 'e', 'z')"""

VERSIONS = """INSERT INTO cycle_versions (region, time, snapshot_id, fingerprint, degraded, missing, committed_at)
SELECT region, time, snapshot_id, fingerprint, degraded, missing, committed_at FROM cycles"""


@pytest.mark.parametrize("power_lost", [False, True])
def test_an_upgrade_tells_the_journals_what_was_there(
    power_lost: bool, kind: str, ledger_url: str, new_url: Callable[[str], str], folders: tuple[Path, Path]
) -> None:
    write_old(kind, ledger_url)
    engine = connect(ledger_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(REFUSED)
        connection.exec_driver_sql(VERSIONS)
    real = engine.dialect.do_commit

    def commit(connection: PoolProxiedConnection) -> None:
        if power_lost and has_events(*folders):
            raise KeyboardInterrupt
        real(connection)

    if power_lost:
        with mock.patch.object(engine.dialect, "do_commit", commit), pytest.raises(KeyboardInterrupt):
            open_ledger(ledger_url, landing=folders[0], warnings=folders[1])
        assert has_events(*folders)
    ledger = open_ledger(ledger_url, landing=folders[0], warnings=folders[1])
    assert catch_up(ledger) == 0
    rebuilt = open_ledger(new_url(kind))
    rebuild(rebuilt, *folders)
    assert state_hash(rebuilt) == state_hash(ledger)
    assert conservation(rebuilt) == conservation(ledger)
    assert (conservation(rebuilt).received, conservation(rebuilt).quarantined) == (3, 1)
    assert [row.id for row in warnings_before(rebuilt, "r", ARRIVAL.received_at)] == ["w"]
    assert find_cycle(rebuilt, "r", NOON) == find_cycle(ledger, "r", NOON)
    for opened in (ledger, rebuilt):
        opened.engine.dispose()


def test_a_failed_upgrade_changes_nothing(kind: str, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_old(kind, ledger_url)

    def fail(size: int) -> str:
        raise OSError("power")

    with monkeypatch.context() as patched:
        patched.setattr("secrets.token_hex", fail)  # used half-way through the second revision
        with pytest.raises(OSError, match="power"):
            open_ledger(ledger_url)
    ledger = open_ledger(ledger_url)
    assert differences(ledger) == []
    assert conservation(ledger).received == 2
    ledger.engine.dispose()


def test_a_newer_ledger_is_refused(ledger: Ledger, ledger_url: str) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match=r"9999.*upgrade wxcore") as caught:
        open_ledger(ledger_url)
    assert "9999" in caught.value.zh
    assert "升级" in caught.value.zh


def test_a_forgotten_ledger_is_not_started_anew(
    journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: tuple[Path, Path]
) -> None:
    receive(journaled, [ARRIVAL])
    empty = new_url(kind)
    for _ in range(2):
        with pytest.raises(LedgerError, match="wx archive recover"):
            open_ledger(empty, landing=folders[0], warnings=folders[1])
    assert conservation(open_ledger(empty)).received == 0  # as whoever rebuilds it opens it


class TestHalfARecovery:
    """Killed between the new tables and their content."""

    def test_it_is_not_taken_for_a_new_ledger(
        self, journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: tuple[Path, Path]
    ) -> None:
        receive(journaled, [ARRIVAL])
        url = new_url(kind)
        open_ledger(url).engine.dispose()
        with pytest.raises(LedgerError, match="wx archive recover") as caught:
            open_ledger(url, landing=folders[0], warnings=folders[1])
        assert "重建" in caught.value.zh
        assert is_empty(open_ledger(url))
        rebuild(open_ledger(url), *folders)
        ledger = open_ledger(url, landing=folders[0], warnings=folders[1])
        assert conservation(ledger).received == 1
        ledger.engine.dispose()

    def test_a_ledger_that_is_rightly_empty_opens(
        self, journaled: Ledger, ledger_url: str, kind: str, new_url: Callable[[str], str], folders: tuple[Path, Path]
    ) -> None:
        mark_stale(journaled, "r", [NOON])  # told, though there is no such cycle
        url = new_url(kind)
        rebuild(open_ledger(url), *folders)
        for opened in (ledger_url, url):
            assert is_empty(open_ledger(opened, landing=folders[0], warnings=folders[1]))


def test_what_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, only text that is long enough to be read as a header of one" * 20)
    with pytest.raises(LedgerError, match="wx archive recover") as caught:
        open_ledger(tmp_path / "text")
    assert str(tmp_path / "text") in caught.value.zh
    with pytest.raises(LedgerError):
        open_ledger(tmp_path)
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE other (x)")
    assert conservation(open_ledger(tmp_path / "other.sqlite")).received == 0


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "nonsense://x", "://"])
def test_servers_that_are_not_there(url: str) -> None:
    with pytest.raises(LedgerError) as caught:
        open_ledger(url)
    assert caught.value.zh != caught.value.en


def test_a_password_is_never_shown() -> None:
    with pytest.raises(LedgerError) as caught:
        open_ledger("postgresql://nobody:geheim@127.0.0.1:1/none")
    assert "geheim" not in f"{caught.value.en}{caught.value.zh}"


def test_a_lost_connection_is_a_ledger_error(ledger: Ledger, kind: str, tmp_path: Path) -> None:
    record_file(ledger, ROW)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE files RENAME TO elsewhere")
    with pytest.raises(LedgerError, match="cannot be used"):
        find_file(ledger, ROW.sha256)
    with pytest.raises(LedgerError, match="cannot be used"):
        receive(ledger, [ARRIVAL])


def test_a_full_disk_is_recognised(new_url: Callable[[str], str]) -> None:
    ledger = open_ledger(new_url("sqlite"))
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 40")
        connection.rollback()
    assert receive(ledger, [ARRIVAL]) == ["pending"]
    with pytest.raises(LedgerError) as caught:
        receive(ledger, [Arrival(numbered(number), "n" * 20_000, 1, NOON) for number in range(20)])
    assert is_full(caught.value)
    assert isinstance(caught.value.__cause__, OperationalError)
    assert conservation(ledger).received == 1
    assert not is_full(LedgerError("something else"))
    ledger.engine.dispose()


@pytest.mark.parametrize("seed", range(12))
def test_damage_is_told_not_hidden(seed: int, new_url: Callable[[str], str]) -> None:
    random, path = Random(seed), Path(new_url("sqlite"))
    ledger = open_ledger(path)
    receive(ledger, [Arrival(numbered(number), "n" * 50, 1, NOON) for number in range(200)])
    assert is_sound(ledger)
    ledger.engine.dispose()
    content = bytearray(path.read_bytes())
    if seed % 2:
        del content[random.randrange(1, len(content) - 4096) :]
    else:
        start = random.choice([0, random.randrange(len(content) // 4096) * 4096])
        content[start : start + 100] = random.randbytes(100)
    path.write_bytes(content)
    fault = fault_of(path)
    assert fault is not None
    assert fault == "unsound" or "wx archive recover" in fault


def fault_of(path: Path) -> str | None:
    """What opening a ledger, or else looking through it, says of it."""
    try:
        opened = open_ledger(path)
    except LedgerError as error:
        return error.en
    sound = is_sound(opened)
    opened.engine.dispose()
    return None if sound else "unsound"
