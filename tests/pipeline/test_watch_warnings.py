"""What a watch says of warnings is one story in ledger, archive and files, whatever came between."""

import errno
import json
import os
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.faults.scene import START, write_cycle, write_scene
from tests.faults.watching import Clock, deliver, watch_once, watched
from wxcore.archive.read import list_cycles, read_provenance
from wxcore.landing.ledger import DRAFT, WITHDRAWN, WarningRow, held, list_products, pending_count, warnings_before
from wxcore.landing.ledger.engine import writing
from wxcore.pipeline import cycle, ingest, report
from wxcore.pipeline.agree import disagreeing
from wxcore.pipeline.catchup import CUT_OFF, PATIENCE
from wxcore.pipeline.home import Home
from wxcore.region import Region
from wxcore.schema import Box
from wxcore.times import CYCLE, iso

pytestmark = pytest.mark.usefixtures("quickly")
SECOND = timedelta(seconds=1)
EVER = datetime.fromisoformat("2200-01-01T00:00+00:00")


def rows(home: Home, region: Region) -> list[WarningRow]:
    return warnings_before(home.ledger(), region.id, EVER)


def standing(home: Home, region: Region) -> list[tuple[str, str]]:
    return [(row.id, row.json) for row in rows(home, region) if row.state == DRAFT]


def live(home: Home, region: Region, when: datetime) -> set[str]:
    """What the archive says to stand after a cycle."""
    return {item["id"] for item in (read_provenance(home.archive, region.id, when) or {})["warnings"]}


def consistent(home: Home, region: Region) -> None:
    standing = {row.id for row in rows(home, region) if row.state != WITHDRAWN}
    for when in list_cycles(home.archive, region.id):
        assert live(home, region, when) <= standing, "the archive tells of a warning that nobody drafted"
    files = {path.stem for path in home.drafts.glob("*.xml")}
    assert files == {row.id for row in rows(home, region) if row.state == DRAFT}


def test_after_an_outage_the_storm_of_now_is_warned_of(
    home: Home, folder: Path, region: Region, tmp_path: Path
) -> None:
    scene = list(write_scene(region, tmp_path / "src", 8))
    deliver([path for paths in scene for path in paths], folder)
    newest = START + 7 * CYCLE
    now = newest + PATIENCE
    told = watch_once(folder, home, region, now)
    drafted = [row for row in rows(home, region) if row.state == DRAFT]
    assert drafted, "hail over the region, and nothing said of it"
    assert min(row.cycle_time for row in drafted) >= now - CUT_OFF, "no warnings for past times"
    assert live(home, region, newest)
    past = [item.data for item in told if item.kind == "cycle" and item.data["reanalysis"]]
    slots = [START + k * CYCLE for k in range(8)]
    assert {item["time"] for item in past} == {iso(slot) for slot in slots if now - slot > CUT_OFF}
    assert [item["drafts"] for item in past] == [[]] * len(past)
    consistent(home, region)


def test_files_that_come_late_leave_the_warnings_that_they_would_have_made_in_time(
    home: Home, folder: Path, region: Region, tmp_path: Path
) -> None:
    """RELIABILITY.md A10: within the cut-off the final state knows no order of arrival."""
    first, second = write_scene(region, tmp_path / "src", 2)
    clock = Clock(START + PATIENCE)
    with watched(folder, home, region, clock) as here:
        deliver(first[:1], folder)
        here.until(lambda: len(here.of("cycle")) == 1)
        clock.now = START + CYCLE + PATIENCE
        deliver(second, folder)
        here.until(lambda: len(here.of("cycle")) == 2)
        clock.now += PATIENCE
        deliver(first[1:], folder)
        here.until(lambda: len(here.of("cycle")) == 4)
    ordered, again = Home(tmp_path / "ordered"), tmp_path / "in order"
    again.mkdir()
    with watched(again, ordered, region, Clock(START + PATIENCE)) as here:
        deliver(first, again)
        here.until(lambda: here.of("cycle"))
        here.clock.now = START + CYCLE + PATIENCE
        deliver(second, again)
        here.until(lambda: len(here.of("cycle")) == 2)
    assert standing(home, region) == standing(ordered, region)
    consistent(home, region)


def test_killed_between_commit_and_ledger_and_resumed_past_the_cut_off(
    home: Home, folder: Path, region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyError("kill -9")

    with monkeypatch.context() as patch:
        patch.setattr(cycle, "_record", killed)
        deliver(write_cycle(region, tmp_path / "src", START), folder)
        watch_once(folder, home, region, START + PATIENCE)
    assert live(home, region, START)
    assert rows(home, region) == []
    later = START + CUT_OFF + CYCLE
    when = START + 4 * CYCLE
    deliver(write_cycle(region, tmp_path / "src", when, seed=9), folder)
    watch_once(folder, home, region, later)
    assert live(home, region, START) == set()
    assert live(home, region, when) == {row.id for row in rows(home, region)} != set()
    consistent(home, region)


@pytest.mark.parametrize("again", [False, True], ids=["goes on", "starts again"])
def test_drafts_whose_files_found_no_room_are_written_later(
    home: Home, folder: Path, region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    write_whole, full = report.write_whole, [True]

    def refused(path: Path, content: bytes) -> None:
        if full and path.suffix == ".xml":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, content)

    monkeypatch.setattr(report, "write_whole", refused)
    clock = Clock(START + PATIENCE)
    deliver(write_cycle(region, tmp_path / "src", START), folder)
    with watched(folder, home, region, clock) as here:
        here.until(lambda: here.of("failed"))
        assert rows(home, region)
        if not again:
            full.clear()
            here.until(lambda: list(home.drafts.glob("*.xml")))
    full.clear()
    if again:
        watch_once(folder, home, region, clock.now)
    consistent(home, region)
    told = {item.name for item in list_products(home.ledger(), region.id, START)}
    assert {f"drafts/{row.id}.xml" for row in rows(home, region)} <= told
    assert "damaged or hostile" not in " ".join(item.en for item in here.of("failed"))


def test_a_draft_that_this_version_cannot_read_stops_nothing(
    home: Home, folder: Path, region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(write_cycle(region, tmp_path / "src", START), folder)
    with monkeypatch.context() as patch:
        patch.setattr(cycle, "to_dict", lambda item: {"id": item.id, "from": "another version"})
        patch.setattr(report, "from_json", lambda text: (_ for _ in ()).throw(KeyError("hazard")))
        watch_once(folder, home, region, START + PATIENCE)
    assert all(json.loads(row.json)["from"] for row in rows(home, region))
    assert rows(home, region)
    assert watch_once(folder, home, region, START + PATIENCE)[-1].kind == "stop"


def test_it_waits_for_a_radar_that_delivered_lately(home: Home, folder: Path, region: Region, tmp_path: Path) -> None:
    first, second = write_scene(region, tmp_path / "src", 2)
    clock = Clock(START + SECOND)
    with watched(folder, home, region, clock) as here:
        deliver(first, folder)
        here.until(lambda: here.of("cycle"))
        clock.now = START + CYCLE + SECOND
        deliver(second[:1], folder)
        here.until(lambda: len(here.of("file")) == 3)
        here.looks(home)
        assert len(here.of("cycle")) == 1, "the other radar delivers too: it is waited for"
        deliver(second[1:], folder)
        here.until(lambda: len(here.of("cycle")) == 2)
        assert here.of("cycle")[-1].data["missing"] == []
        clock.now = START + 2 * CYCLE + PATIENCE
        deliver(write_cycle(region, tmp_path / "third", START + 2 * CYCLE, seed=21)[:1], folder)
        here.until(lambda: len(here.of("cycle")) == 3)
    assert here.of("cycle")[-1].data["missing"], "but not for ever"


def test_what_hangs_holds_up_neither_cycles_nor_the_heartbeat(
    home: Home, folder: Path, region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, read = threading.Event(), ingest.read_file

    def hanging(path: Path, name: str, box: Box, **dated: Any) -> Any:
        if name.startswith("hangs"):
            released.wait(60)
        return read(path, name, box, **dated)

    first, second = write_scene(region, tmp_path / "src", 2)
    with watched(folder, home, region, Clock(START + CYCLE + PATIENCE)) as here:
        deliver(first, folder)
        here.until(lambda: len(here.of("file")) == 2)
        monkeypatch.setattr(ingest, "read_file", hanging)
        for number in range(6):
            (folder / f"hangs{number}").write_bytes(b"x" * (number + 1))
            os.utime(folder / f"hangs{number}", (START.timestamp(),) * 2)
        here.until(lambda: here.of("cycle"))
        here.looks(home, 10)
        assert len(here.of("file")) == 2
        deliver(second, folder)
        here.until(lambda: pending_count(home.ledger()) == 8)
        released.set()
        here.until(lambda: len(here.of("file")) == 10)
    names = [item.data["file"] for item in here.of("file")]
    assert {names.index(path.name) for path in second} <= set(range(2, 8)), "the newest are not the last"


def test_a_cycle_that_a_living_run_works_on_is_not_called_torn(
    home: Home, folder: Path, region: Region, tmp_path: Path
) -> None:
    """`wx archive recover` beside a healthy watch, in the moment between its commit and its word to the ledger."""
    deliver(write_cycle(region, tmp_path / "src", START), folder)
    watch_once(folder, home, region, START + PATIENCE)
    ledger = home.ledger()
    with writing(ledger) as transaction:
        transaction.connection.execute(text("update cycles set fingerprint = 'another'"))
    assert disagreeing(home, region, ledger) == [START]
    with held(ledger, region.id, START, holder="somebody"):
        assert disagreeing(home, region, ledger) == []
    assert disagreeing(home, region, ledger) == [START]
