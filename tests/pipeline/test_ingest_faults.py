"""One hostile file, one failing disk or one lost race stops no other file, and decides nothing that it should not."""

import errno
import lzma
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wxcore.errors import LedgerError, ReadError, Reason, RegionError, TimeError
from wxcore.landing import files as files_module
from wxcore.landing import guard
from wxcore.landing.arrivals import arrival_of, poll, refusal_key
from wxcore.landing.guard import GuardError, close_guard, run_guarded
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import PENDING, conservation, find_file, pending_files
from wxcore.pipeline import ingest as module
from wxcore.pipeline.formats import FORMATS
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import Offered, decide_pending, ingest, take_in
from wxcore.pipeline.read import Reading
from wxcore.pipeline.result import DUPLICATE, QUARANTINED, STORED
from wxcore.region import Region
from wxcore.schema import Box, Description

NOW = datetime(2026, 7, 1, tzinfo=UTC)
Reader = Callable[[Path, str], Reading]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def write(folder: Path, *names: str) -> list[Path]:
    """Files that were last written a while ago; each holds its name."""
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(path.name.encode())
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return paths


def good(kind: str = "composite", time: Any = NOW) -> Reading:
    """What is accepted in any region."""
    return Reading(FORMATS[0], None, Description(kind, "", time, 0, ()))


def readers(monkeypatch: pytest.MonkeyPatch, bad: Callable[[], Reading], name: str = "bad") -> None:
    """Every file is good, but the one of this name is read by `bad`."""
    monkeypatch.setattr(module, "read_file", lambda path, said, box, **_: bad() if said == name else good())


def throw(error: BaseException) -> Reading:
    raise error


UNEXPECTED = [
    lzma.LZMAError("Corrupt input data"), TimeError("NaT is no time", "NaT 不是时间"), RegionError("odd", "奇怪"),
    UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), RecursionError("deep"), KeyError("x"),
    MemoryError(), OSError("damaged file"), PermissionError(errno.EACCES, "no"), StopIteration(),
]  # fmt: skip


@pytest.mark.parametrize("error", UNEXPECTED, ids=lambda error: type(error).__name__)
def test_whatever_a_reader_raises_is_about_its_file_alone(
    home: Home, folder: Path, region: Region, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers(monkeypatch, lambda: throw(error))
    told = {item.file: item for item in ingest(write(folder, "a", "bad", "c"), home, region)}
    assert {name: item.status for name, item in told.items()} == {"a": STORED, "bad": QUARANTINED, "c": STORED}
    assert told["bad"].reason == Reason.DECODE_CRASH
    if isinstance(error, TimeError | RegionError):
        assert error.en in told["bad"].message_en
        assert error.zh in told["bad"].message_zh
    assert pending_files(home.ledger(), 9) == []


def test_a_time_that_is_none_is_refused_before_it_comes_to_the_ledger(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers(monkeypatch, lambda: good(time=pd.NaT))
    told = {item.file: item.status for item in ingest(write(folder, "a", "bad"), home, region)}
    assert told == {"a": STORED, "bad": QUARANTINED}


def test_what_came_out_of_a_file_is_one_safe_line_everywhere(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "radar A\0B\ud800\udcff\n\x1b[2J\u202e is not in region"
    readers(monkeypatch, lambda: throw(ReadError(Reason.UNKNOWN_SITE, text, text * 1000)))
    (item,) = ingest(write(folder, "bad"), home, region)
    row = find_file(home.ledger(), item.sha256)
    assert row is not None
    assert (row.message_en, row.message_zh) == (item.message_en, item.message_zh)
    assert row.message_en == r"radar A\x00B\ud800\xff\x0a\x1b[2J\u202e is not in region"
    assert len(row.message_zh) <= files_module.MAX_TEXT_SHOWN
    refused = module.refuse(home.ledger(), "x", ReadError(Reason.NOT_FOUND, text), NOW)
    assert refused.message_en == row.message_en


def test_a_decision_that_cannot_be_entered_undoes_no_other(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lone surrogate where nobody expected text of a file: SQLite and JSON both refuse it."""
    readers(monkeypatch, lambda: good(kind="\ud800"))
    told = {item.file: item for item in ingest(write(folder, "a", "b", "bad", "c"), home, region)}
    assert {name: item.status for name, item in told.items()} == {
        "a": STORED, "b": STORED, "bad": QUARANTINED, "c": STORED,
    }  # fmt: skip
    assert "UnicodeEncodeError" in told["bad"].message_en
    assert conservation(home.ledger()).holds


TROUBLE = [GuardError(errno.ECHILD, "no child"), OSError(errno.EIO, "disk"), OSError(errno.EMFILE, "many")]


@pytest.mark.parametrize("error", TROUBLE, ids=str)
def test_trouble_of_ours_leaves_the_file_waiting_and_enters_the_others(
    home: Home, folder: Path, region: Region, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(folder, "a", "bad", "c")
    with monkeypatch.context() as patched:
        readers(patched, lambda: throw(error))
        with pytest.raises(OSError, match=error.strerror):
            ingest(paths, home, region)
        assert [row.name for row in pending_files(home.ledger(), 9)] == ["bad"]
        with pytest.raises(OSError, match=error.strerror):
            list(decide_pending(home, region, home.ledger(), 4, NOW))
    readers(monkeypatch, good)
    assert [item.status for item in decide_pending(home, region, home.ledger(), 4, NOW)] == [STORED]
    assert conservation(home.ledger()).quarantined == 0


def test_a_good_file_is_read_later_where_no_child_can_be_started(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write(folder, "x.h5")
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"ODIM_H5" * 20)

    def refuse() -> None:
        raise GuardError(errno.ECHILD, "no child process can be started")

    close_guard()
    with monkeypatch.context() as patched:
        patched.setattr(guard, "_start", refuse)
        with pytest.raises(GuardError):
            ingest([path], home, region)
    assert [row.status for row in pending_files(home.ledger(), 9)] == [PENDING]
    (item,) = decide_pending(home, region, home.ledger(), 4, NOW)
    assert item.reason != Reason.DECODE_CRASH


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO])
def test_landed_bytes_that_cannot_be_opened_now_are_read_later(
    home: Home, folder: Path, region: Region, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = home.ledger()
    (received,) = take_in([Offered(path) for path in write(folder, "a")], home, region, ledger, NOW)
    assert received is not None
    real, landed = os.open, landed_path(home.landing, received.sha256)

    def no(path: Any, *args: Any, **words: Any) -> int:
        if path == landed:
            raise OSError(code, os.strerror(code))
        return real(path, *args, **words)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", no)
        with pytest.raises(OSError, match=os.strerror(code)):
            list(decide_pending(home, region, ledger, 4, NOW))
    (item,) = decide_pending(home, region, ledger, 4, NOW)
    assert item.reason == Reason.UNKNOWN_FORMAT


def test_closing_ends_the_deciding_in_another_thread_and_decides_nothing(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files are in children, one waits: `close_guard` is all that a watch calls at its end."""
    ledger = home.ledger()
    take_in([Offered(path) for path in write(folder, "a", "b", "c", "d")], home, region, ledger, NOW)

    def hang(path: Path, name: str, box: Box, **_: Any) -> Reading:
        run_guarded(time.sleep, 60, wall_s=90)
        return good()

    monkeypatch.setattr(module, "read_file", hang)
    with ThreadPoolExecutor(1) as pool:
        deciding = pool.submit(lambda: list(decide_pending(home, region, ledger, 4, NOW)))
        end = time.monotonic() + 60
        while len(guard._POOL.busy) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        close_guard()
        with pytest.raises(GuardError) as caught:
            deciding.result(timeout=50)
    assert caught.value.errno == errno.ECANCELED
    assert len(pending_files(ledger, 9)) == 4
    assert guard._POOL.busy == []


def test_closing_between_two_jobs_decides_nothing_either(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = home.ledger()
    take_in([Offered(path) for path in write(folder, "a", "b", "c")], home, region, ledger, NOW)
    read: list[str] = []

    def read_and_close(path: Path, name: str, box: Box, **_: Any) -> Reading:
        read.append(name)
        close_guard()  # no child is at work: this format is decoded here
        return good()

    monkeypatch.setattr(module, "read_file", read_and_close)
    monkeypatch.setattr(module, "DECODE_THREADS", 1)
    with pytest.raises(GuardError):
        list(decide_pending(home, region, ledger, 4, NOW))
    assert len(read) == 1
    assert len(pending_files(ledger, 9)) == 3


def test_one_thread_decides_while_another_takes_in(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read_file", lambda path, name, box, **_: good())
    ledger, done, decided = home.ledger(), threading.Event(), []

    def decide() -> None:
        while not done.is_set() or pending_files(ledger, 1):
            decided.extend(decide_pending(home, region, ledger, 4, NOW))

    with ThreadPoolExecutor(1) as pool:
        deciding = pool.submit(decide)
        for number in range(10):
            paths = write(folder, *(f"{number}-{part}" for part in range(3)), "again")
            take_in([Offered(path) for path in paths], home, region, ledger, NOW)
        done.set()
        deciding.result(timeout=60)
    counts = conservation(ledger)
    assert counts.holds
    assert (counts.received, counts.stored, counts.pending) == (40, 31, 0)
    assert {item.status for item in decided} <= {STORED, DUPLICATE}


def test_a_ledger_that_fails_is_told_without_decoding_the_rest(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, read = home.ledger(), []
    take_in([Offered(path) for path in write(folder, *map(str, range(40)))], home, region, ledger, NOW)

    def slow(path: Path, name: str, box: Box, **_: Any) -> Reading:
        read.append(name)
        time.sleep(0.02)
        return good()

    def fail(*_: object) -> None:
        raise LedgerError("disk full")

    monkeypatch.setattr(module, "read_file", slow)
    monkeypatch.setattr(module, "decide", fail)
    with pytest.raises(LedgerError):
        list(decide_pending(home, region, ledger, 40, NOW))
    assert len(read) < 20


@pytest.mark.parametrize("new_only", [True, False])
def test_a_file_that_vanishes_between_look_and_copy_is_told_and_taken_when_it_is_back(
    home: Home, folder: Path, region: Region, new_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, land_batch = write(folder, "a", "b"), module.land_batch
    monkeypatch.setattr(module, "read_file", lambda path, name, box, **_: good())

    def move_away(*args: Any, **words: Any) -> Any:
        paths[0].unlink(missing_ok=True)
        return land_batch(*args, **words)

    with monkeypatch.context() as patched:
        patched.setattr(module, "land_batch", move_away)
        told = ingest(paths, home, region, new_only=new_only)
    assert [(item.status, item.reason) for item in told] == [(QUARANTINED, Reason.NOT_FOUND), (STORED, "")]
    write(folder, "a")
    again = ingest(paths, home, region, new_only=new_only)
    assert [item.status for item in again] == [STORED] + ([] if new_only else [DUPLICATE])


def test_the_same_bytes_twice_in_a_batch_are_one_stored_and_one_duplicate(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read_file", lambda path, name, box, **_: good())
    paths = write(folder, "a", "b")
    paths[1].write_bytes(paths[0].read_bytes())
    os.utime(paths[1], (NOW.timestamp(), NOW.timestamp()))
    assert [item.status for item in ingest(paths, home, region, new_only=True)] == [STORED, DUPLICATE]


def test_a_watched_file_that_is_another_one_by_now_waits(home: Home, folder: Path, region: Region) -> None:
    """A correction, half of which has come; and a folder that became a link to elsewhere."""
    (folder / "deep").mkdir()
    (elsewhere := folder.parent / "elsewhere").mkdir()
    path, far = *write(folder, "a"), *write(folder / "deep", "secret")
    write(elsewhere, "secret")
    found = poll([folder], poll([folder], {}).seen).ready
    path.unlink()
    path.write_bytes(b"half")
    shutil.move(folder / "deep", folder.parent / "moved")
    (folder / "deep").symlink_to(elsewhere)
    offered = [Offered(item.path, item.key, item) for item in found]
    assert {item.path for item in offered} == {path, far}
    ledger = home.ledger()
    assert take_in(offered, home, region, ledger, NOW, follow_links=False) == [None, None]
    assert conservation(ledger).received == 0


def test_what_is_opened_lies_in_the_sources_whatever_became_of_its_path(
    folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(folder.parent / "home", sources=(folder,))
    (path,) = write(folder, "a")
    (far,) = write(folder.parent, "far")
    wait = module.wait_until_complete

    def wait_and_swap(paths: Any) -> Any:
        found = wait(paths)
        path.unlink()
        path.symlink_to(far)
        return found

    monkeypatch.setattr(module, "wait_until_complete", wait_and_swap)
    (item,) = ingest([path], home, region)
    assert item.reason == Reason.OUTSIDE_ROOT
    assert pending_files(home.ledger(), 9) == []


def test_damaged_landed_bytes_are_mended_by_offering_the_file_again(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read_file", lambda path, name, box, **_: good())
    (path,) = write(folder, "a")
    (item,) = ingest([path], home, region)
    landed = landed_path(home.landing, item.sha256)
    landed.chmod(0o644)
    landed.write_bytes(b"b")
    assert [item.status for item in ingest([path], home, region)] == [DUPLICATE]
    assert landed.read_bytes() == b"a"


def test_a_refusal_without_bytes_is_entered_once(home: Home, folder: Path, region: Region) -> None:
    (folder / "link").symlink_to("/nowhere")
    (folder / "sub").mkdir()
    for _ in range(3):  # restarts, and runs of a schedule
        (refused,) = (item for item in poll([folder], {}).refused if item.path.name == "link")
        key = refusal_key(refused.path, refused.error.reason)
        told = module.refuse(home.ledger(), refused.path.name, refused.error, NOW, key)
        assert told.reason == Reason.OUTSIDE_ROOT
        absent = ingest([folder / "absent", folder / "sub" / "absent"], home, region, new_only=True)
        assert [item.reason for item in absent] == [Reason.NOT_FOUND] * 2
    assert conservation(home.ledger()).received == 3
    ingest([folder / "absent"], home, region)  # by hand: each offer counts
    assert conservation(home.ledger()).received == 4


def test_a_file_that_may_not_be_opened_is_taken_when_it_may(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions change neither size nor time: the refusal must not be remembered as the file's."""
    (path,), real = write(folder, "a"), os.open

    def no(name: Any, *args: Any, **words: Any) -> int:
        if name == path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(name, *args, **words)

    monkeypatch.setattr(module, "read_file", lambda path, name, box, **_: good())
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", no)
        for _ in range(2):
            assert [item.reason for item in ingest([path], home, region, new_only=True)] == [Reason.NOT_A_FILE]
    assert conservation(home.ledger()).received == 1
    assert [item.status for item in ingest([path], home, region, new_only=True)] == [STORED]


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO])
def test_a_watched_file_that_cannot_be_opened_now_is_offered_again(
    home: Home, folder: Path, region: Region, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,), real, ledger = write(folder, "a"), os.open, home.ledger()
    seen = arrival_of(path)
    assert seen is not None

    def no(name: Any, *args: Any, **words: Any) -> int:
        if name == path:
            raise OSError(code, os.strerror(code))
        return real(name, *args, **words)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", no)
        if code == errno.EMFILE:
            with pytest.raises(OSError, match=os.strerror(code)):
                take_in([Offered(path, seen.key, seen)], home, region, ledger, NOW)
        else:
            assert take_in([Offered(path, seen.key, seen)], home, region, ledger, NOW) == [None]
    assert conservation(ledger).received == 0
    (item,) = take_in([Offered(path, seen.key, seen)], home, region, ledger, NOW)
    assert item is not None
    assert item.status == PENDING


def test_bytes_that_expire_while_they_are_landed_are_landed_again(
    home: Home, folder: Path, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,), land_batch, times = write(folder, "a"), module.land_batch, []
    monkeypatch.setattr(module, "read_file", lambda path, name, box, **_: good())

    def land_and_expire(*args: Any, **words: Any) -> Any:
        landed = land_batch(*args, **words)
        if not times:
            landed[0].path.unlink()
        times.append(1)
        return landed

    monkeypatch.setattr(module, "land_batch", land_and_expire)
    (item,) = ingest([path], home, region)
    assert item.status == STORED
    assert len(times) == 2
    assert landed_path(home.landing, item.sha256).read_bytes() == b"a"
    assert conservation(home.ledger()).received == 1
