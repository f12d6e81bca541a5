"""A database that lost its newest commits gets them back from the journals; one that lost none is left alone."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.landing.conftest import copy_database
from tests.landing.doors import record_cycle, record_warnings, withdraw_drafts
from tests.landing.test_ledger import ARRIVAL, BAD, MINUTE, NOON, ROW, numbered, refuse
from tests.landing.test_rebuild import Folders, everything
from wxcore.landing.ledger import (
    Ledger,
    Message,
    Product,
    catch_up,
    claim_due,
    decide,
    enqueue,
    expire_files,
    mark_sent,
    mark_stale,
    open_ledger,
    prune_journal,
    rebuild,
    receive,
    record_products,
)
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.journal import day_files, journal_folder
from wxcore.landing.ledger.replay import last_event

EXPIRE = 4
ENTRY = ("hail", "red", {"p": 1})


def act(ledger: Ledger, what: int, number: int) -> None:
    """One transaction (or none, where there is nothing to do) of one of twelve kinds."""
    now, sha256 = NOON + number * MINUTE, numbered(number % 5)
    if what == 0:
        receive(ledger, [replace(ARRIVAL, sha256=sha256, received_at=now, arrival_key=f"k{number}")] * (1 + number % 2))
    elif what == 1:
        decide(ledger, [replace(ROW, sha256=sha256)])
    elif what == 2:
        decide(ledger, [replace(BAD, sha256=sha256)])
    elif what == 3:
        refuse(ledger, now, "folder")
    elif what == EXPIRE:
        expire_files(ledger, now)
    else:
        act_on_cycles(ledger, what, number)


def act_on_cycles(ledger: Ledger, what: int, number: int) -> None:
    now = NOON + number * MINUTE
    if what == 5:
        record_warnings(ledger, [(f"w{number % 3}", "r", NOON, *ENTRY)])
    elif what == 6:
        withdraw_drafts(ledger, "r", NOON, [f"w{number % 3}"])
    elif what == 7:
        record_cycle(ledger, "r", NOON, snapshot_id=f"S{number}", degraded=False, missing=[], basis="b")
    elif what == 8:
        mark_stale(ledger, "r", [NOON])
    elif what == 9:
        with writing(ledger) as transaction:
            enqueue(transaction, [Message(f"w{number % 3}", "mail", "x", "{}", NOON + 999 * MINUTE)], now=now)
    elif what == 10:
        mark_sent(ledger, claim_due(ledger, now=now, holder="h", limit=1), now=now)
    else:
        record_products(ledger, "r", NOON, "S", [Product("report.html", numbered(number), 7)], now=now)


def fail(ledger: Ledger, what: int, number: int) -> None:
    """The same, but power is lost between the journal and the commit."""
    with mock.patch.object(ledger.engine.dialect, "do_commit", side_effect=KeyboardInterrupt):
        try:
            act(ledger, what, number)
        except KeyboardInterrupt:
            return


def settle(ledger: Ledger) -> None:
    """One more of each: the fate of a very last batch is told by the one after it."""
    receive(ledger, [replace(ARRIVAL, sha256="e" * 64)])
    record_cycle(ledger, "r", NOON - MINUTE, snapshot_id="S", degraded=False, missing=[])


STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 11), st.integers(0, 30)), min_size=1, max_size=14)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, data=st.data())
def test_from_any_copy_to_the_present(
    steps: list[tuple[bool, int, int]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, cut = tmp_path_factory.mktemp("life"), data.draw(st.integers(0, len(steps)))
    ledger = open_ledger(folder / "a.sqlite", landing=folder / "landing", warnings=folder / "warnings")
    receive(ledger, [ARRIVAL])
    for place, (is_whole, what, number) in enumerate(steps):
        if place == cut:
            copy_database(ledger, str(folder / "b.sqlite"))
        (act if is_whole else fail)(ledger, what, number)
    if cut == len(steps):
        copy_database(ledger, str(folder / "b.sqlite"))
    settle(ledger)
    copy = open_ledger(folder / "b.sqlite", landing=folder / "landing", warnings=folder / "warnings")
    assert catch_up(copy)
    assert everything(copy) == everything(ledger)
    assert (catch_up(copy), catch_up(ledger)) == (0, 0)
    assert everything(copy) == everything(ledger)
    for opened in (ledger, copy):
        opened.engine.dispose()


def test_an_older_copy_put_back(journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders) -> None:
    random, older = Random(5), new_url(kind)
    receive(journaled, [ARRIVAL])
    for step in range(60):
        if step == 20:
            Path(older).parent.mkdir(exist_ok=True) if kind == "sqlite" else None
            copy_database(journaled, older)
        act(journaled, random.randrange(12), random.randrange(30))
    copy = open_ledger(older, landing=folders[0], warnings=folders[1])
    assert everything(copy) != everything(journaled)
    assert catch_up(copy)
    assert everything(copy) == everything(journaled)
    assert catch_up(copy) == 0
    settle(copy)  # life goes on, and its journal is the whole one
    fresh = open_ledger(new_url(kind))
    rebuild(fresh, *folders)
    assert everything(fresh) == everything(copy)
    for opened in (copy, fresh):
        opened.engine.dispose()


def test_a_lost_wal(new_url: Callable[[str], str], folders: Folders) -> None:
    path, torn = Path(new_url("sqlite")), Path(new_url("sqlite"))
    ledger = open_ledger(path, landing=folders[0], warnings=folders[1])
    receive(ledger, [ARRIVAL])
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    decide(ledger, [ROW])
    record_cycle(ledger, "r", NOON, snapshot_id="S", degraded=False, missing=[])
    shutil.copy(path, torn)  # without its -wal
    left = open_ledger(torn, landing=folders[0], warnings=folders[1])
    assert everything(left) != everything(ledger)
    assert catch_up(left) == 2
    assert everything(left) == everything(ledger)
    for opened in (ledger, left):
        opened.engine.dispose()


def test_a_copy_older_than_the_journal_must_be_rebuilt(
    journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders
) -> None:
    receive(journaled, [ARRIVAL])
    older = new_url(kind)
    copy_database(journaled, older)
    decide(journaled, [ROW])
    (day,) = day_files(journal_folder(folders[0]))
    day.rename(day.with_name("20200612.jsonl"))
    receive(journaled, [replace(ARRIVAL, received_at=NOON + 3 * 1440 * MINUTE)])
    assert prune_journal(journaled, NOON + 2 * 1440 * MINUTE)
    receive(journaled, [replace(ARRIVAL, sha256="b" * 64)])
    copy = open_ledger(older, landing=folders[0], warnings=folders[1])
    before = everything(copy)
    assert catch_up(copy) is None
    assert everything(copy) == before
    assert catch_up(journaled) == 0
    copy.engine.dispose()


def test_a_rebuilt_ledger_is_not_behind(
    journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders
) -> None:
    for step in range(12):
        act(journaled, step, step)
    url = new_url(kind)
    first = open_ledger(url)
    rebuild(first, *folders)
    rebuilt = open_ledger(url, landing=folders[0], warnings=folders[1])
    before = everything(rebuilt)
    assert catch_up(rebuilt) == 0
    settle(rebuilt)
    assert everything(rebuilt) != before
    assert catch_up(rebuilt) == 0
    rebuilt.engine.dispose()


def test_a_broken_end_of_the_journal_takes_nothing_back(journaled: Ledger, folders: Folders) -> None:
    receive(journaled, [ARRIVAL])
    decide(journaled, [ROW])
    (day,) = day_files(journal_folder(folders[0]))
    content = bytearray(day.read_bytes())
    content[-9] ^= 1
    day.write_bytes(content)
    before = everything(journaled)
    assert catch_up(journaled) == 0
    assert everything(journaled) == before


def test_what_a_zombie_told_is_not_done_again(journaled: Ledger, folders: Folders) -> None:
    receive(journaled, [ARRIVAL])
    (day,) = day_files(journal_folder(folders[0]))
    fail(journaled, 3, 1)
    late = day.read_bytes().splitlines(keepends=True)[-1]
    day.write_bytes(day.read_bytes().removesuffix(late))
    decide(journaled, [ROW])
    with day.open("ab") as file:
        file.write(late)
    before = everything(journaled)
    assert catch_up(journaled) == 0
    assert everything(journaled) == before
    receive(journaled, [ARRIVAL])
    assert catch_up(journaled) == 0
    last, _ = last_event(journal_folder(folders[0]))
    assert last is not None
    assert last.kind == "receive"


def test_without_journals(ledger: Ledger) -> None:
    receive(ledger, [ARRIVAL])
    assert catch_up(ledger) == 0
