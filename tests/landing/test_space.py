"""A full disk: refused cleanly, let through by the reserve, nothing lost."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from wxcore.errors import LedgerError
from wxcore.landing import space
from wxcore.landing.guard import GuardError
from wxcore.landing.space import free_bytes, free_reserve, is_full, keep_reserve, room_for_ingest

MIB = 2**20

COMMON = '''
import json, os, resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from wxcore.errors import LedgerError
from wxcore.landing import space
from wxcore.landing.ledger import is_sound, open_ledger
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.outbox import Message, enqueue, list_outbox

home = Path(sys.argv[1])
told = {}
ledger = open_ledger(home / "ledger.sqlite", warnings=home / "warnings")

def decide(number):
    """One warning with a text of 100 kB; the error where it cannot be entered."""
    text = json.dumps("x" * 100_000)
    try:
        with writing(ledger) as transaction:
            enqueue(transaction, [Message(f"w{number}", "sms", "+86", text, datetime(2100, 1, 1, tzinfo=UTC))])
    except LedgerError as error:
        return error
    return None

def entered():
    return [row.identifier for row in list_outbox(ledger)]
'''

TMPFS = """
space.RESERVE_BYTES, space.MIN_FREE, space.RESUME_ABOVE, space.PAUSE_BELOW = MIB, 2 * MIB, 2 * MIB, MIB
space.MIN_FREE_FILES = 10
told["reserve"] = [space.keep_reserve(home), space.keep_reserve(home), (home / "reserve").stat().st_blocks * 512]
told["room"] = space.room_for_ingest(home).ok
filler = (home / "filler").open("wb", buffering=0)
try:
    while True:
        filler.write(bytes(4096))
except OSError as error:
    told["filler"] = space.is_full(error)
number, errors = 0, []
while not errors:
    number += 1
    errors += filter(None, [decide(number)])
told |= {"full": space.is_full(errors[0]), "number": number, "before": entered(), "sound": is_sound(ledger)}
told["paused"] = not space.room_for_ingest(home).ok
told["again"] = space.keep_reserve(home)
told["freed"] = [space.free_reserve(home), space.free_reserve(home)]
told["second"] = str(decide(number))
told["none to take"] = space.keep_reserve(home)
filler.close()
(home / "filler").unlink()
told["resumed"] = space.room_for_ingest(home, paused=True).ok
told["taken again"] = space.keep_reserve(home)
told |= {"after": entered(), "sound after": is_sound(ledger)}
print(json.dumps(told))
"""

FSIZE = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
assert decide(1) is None
with ledger.engine.connect() as connection:
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")  # now the journal is the first to reach the limit
resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, hard))
number, errors = 1, []
while not errors:
    number += 1
    errors += filter(None, [decide(number)])
told |= {"full": space.is_full(errors[0]), "number": number, "before": entered(), "sound": is_sound(ledger)}
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
told |= {"lines": [len(path.read_text().splitlines()) for path in (home / "warnings").iterdir()]}
told |= {"second": str(decide(number)), "after": entered(), "sound after": is_sound(ledger)}
print(json.dumps(told))
"""


def _child(command: list[str], script: str, home: Path) -> dict[str, object]:
    source = f"MIB = {MIB}\n{COMMON}{script}"
    done = subprocess.run(
        [*command, sys.executable, "-c", source, str(home)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(told, dict)
    return told


def _tmpfs(home: Path) -> list[str]:
    """What runs a command with a disk of 8 MiB at `home`, seen by nobody else; skips where that is not allowed."""
    mount = f'mount -t tmpfs -o size=8m wxcore "{home}" && exec "$@"'
    command = ["unshare", "-Urm", "sh", "-c", mount, "sh"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no tmpfs of our own is allowed here: only the limit of file size is tested")
    return command


def _nothing_lost(told: dict[str, object]) -> None:
    number = told["number"]
    assert isinstance(number, int)
    assert told["full"] is True
    assert told["before"] == [f"w{one}" for one in range(1, number)]
    assert told["second"] == "None"
    assert told["after"] == [f"w{one}" for one in range(1, number + 1)]
    assert told["sound"] is told["sound after"] is True


def test_a_truly_full_disk(tmp_path: Path) -> None:
    told = _child(_tmpfs(tmp_path), TMPFS, tmp_path)
    assert told["reserve"] == [True, True, MIB]
    assert (told["room"], told["filler"], told["paused"]) == (True, True, True)
    _nothing_lost(told)
    assert (told["again"], told["freed"], told["none to take"]) == (True, [True, False], False)
    assert (told["resumed"], told["taken again"]) == (True, True)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    told = _child([], FSIZE, tmp_path)
    _nothing_lost(told)
    assert told["number"] == 3
    assert told["lines"] == [2]  # of the third, half a line was written, and taken back


class TestReserve:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(space, "RESERVE_BYTES", 3 * MIB)
        monkeypatch.setattr(space, "MIN_FREE", 0)

    def test_it_takes_true_space(self, tmp_path: Path) -> None:
        assert keep_reserve(tmp_path)
        reserve = tmp_path / "reserve"
        assert (reserve.stat().st_size, reserve.stat().st_blocks * 512 >= 3 * MIB) == (3 * MIB, True)
        assert free_reserve(tmp_path)
        assert not reserve.exists()
        assert not free_reserve(tmp_path)

    def test_one_half_made_or_hollow_is_made_whole(self, tmp_path: Path) -> None:
        reserve = tmp_path / "reserve"
        with reserve.open("wb") as hollow:
            hollow.truncate(3 * MIB)
        assert reserve.stat().st_blocks * 512 < 3 * MIB
        assert keep_reserve(tmp_path)
        assert reserve.stat().st_blocks * 512 >= 3 * MIB

    def test_not_from_the_last_space(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(space, "MIN_FREE", 2**62)
        assert not keep_reserve(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_somebody_else_was_faster(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(space, "RESERVE_BYTES", 2**62)
        monkeypatch.setattr(space, "free_bytes", lambda path: 2**63)
        assert not keep_reserve(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_other_errors_are_told(self, tmp_path: Path) -> None:
        (tmp_path / "reserve").mkdir()
        with pytest.raises(IsADirectoryError):
            keep_reserve(tmp_path)


class TestRoom:
    @pytest.mark.parametrize(
        ("free", "files", "paused", "ok"),
        [
            (space.PAUSE_BELOW, 10**6, False, True),
            (space.PAUSE_BELOW - 4096, 10**6, False, False),
            (space.RESUME_ABOVE - 4096, 10**6, True, False),
            (space.RESUME_ABOVE, 10**6, True, True),
            (space.RESUME_ABOVE, 10, False, False),
            (space.RESUME_ABOVE, None, False, True),
        ],
    )
    def test_it_does_not_flap(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, files: int | None, paused: bool, ok: bool
    ) -> None:
        disk = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_files=10**7 if files else 0, f_favail=files or 0)
        monkeypatch.setattr(os, "statvfs", lambda path: disk)
        room = room_for_ingest(tmp_path, paused=paused)
        assert (room.ok, room.free_bytes) == (ok, free)
        assert room.needed_bytes == (space.RESUME_ABOVE if paused else space.PAUSE_BELOW)
        for told in (room.message_en, room.message_zh):
            assert (str(tmp_path) in told) != ok

    def test_the_disk_of_this_folder(self, tmp_path: Path) -> None:
        assert free_bytes(tmp_path) == pytest.approx(shutil.disk_usage(tmp_path).free, abs=2**30)
        with pytest.raises(FileNotFoundError):
            free_bytes(tmp_path / "nowhere")


class TestIsFull:
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
    def test_what_the_system_says(self, code: int) -> None:
        assert is_full(OSError(code, os.strerror(code)))

    def test_sqlite_that_may_not_grow(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "small") as connection:
            connection.execute("PRAGMA max_page_count=2")
            with pytest.raises(sqlite3.OperationalError) as caught:
                connection.execute("CREATE TABLE t AS SELECT zeroblob(100000)")
        assert is_full(caught.value)
        assert is_full(OperationalError("INSERT", {}, caught.value))
        assert is_full(OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")))

    def test_the_cause_of_the_cause(self) -> None:
        def fails() -> None:
            try:
                raise OSError(errno.ENOSPC, "full")
            except OSError as cause:
                raise LedgerError("no journal") from cause

        with pytest.raises(LedgerError) as caught:
            fails()
        assert is_full(caught.value)
        own = GuardError(errno.ECHILD, "no child process can be started")
        own.__cause__ = caught.value  # of the folder of temporary files, which may be on another disk
        assert not is_full(own)
        assert is_full(GuardError(errno.ENOSPC, "what a child writes has no room"))
        assert is_full(ExceptionGroup("two", [ValueError("other"), caught.value]))

    def test_what_libraries_say(self) -> None:
        assert is_full(RuntimeError("object store: Generic error: No space left on device (os error 28)"))
        disk_full = psycopg.errors.DiskFull("could not extend file")
        assert is_full(OperationalError("INSERT", {}, disk_full))

    @pytest.mark.parametrize(
        "error",
        [
            OSError(errno.EIO, "I/O error"),
            PermissionError(errno.EACCES, "no"),
            sqlite3.OperationalError("database is locked"),
            OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error")),
            LedgerError("refused"),
        ],
    )
    def test_other_errors_are_not(self, error: Exception) -> None:
        assert not is_full(error)

    def test_a_circle_of_causes_ends(self) -> None:
        one, two = ValueError("1"), ValueError("2")
        one.__cause__, two.__cause__ = two, one
        assert not is_full(one)
