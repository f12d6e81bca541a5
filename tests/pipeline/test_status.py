"""status.json says how the house is, and a source that goes silent is named within two nominal intervals."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.pipeline.tiny import NOW, Built
from wxcore.landing.ledger import Conservation, Source, conservation
from wxcore.pipeline.catchup import BACK
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import Offered, take_in
from wxcore.pipeline.status import SILENT_AFTER, silences, write_status
from wxcore.times import CYCLE, iso

SECOND = timedelta(seconds=1)


@pytest.fixture
def home(built: Built, tmp_path: Path) -> Home:
    return built.copy(tmp_path / "home")


def source(site: str, newest: datetime) -> Source:
    return Source("volume", site, newest, newest)


def test_silent_after_two_intervals_past_a_scan() -> None:
    assert SILENT_AFTER == 3 * CYCLE  # a volume's time is its begin: one cycle to scan it, then RELIABILITY.md B12
    just, past = source("a", NOW - SILENT_AFTER), source("b", NOW - SILENT_AFTER - SECOND)
    assert silences([], NOW) == ()
    assert silences([just], NOW) == ()
    (found,) = silences([just, past], NOW)
    assert (found.source, found.newest, found.age_min) == ("volume b", past.newest, 18)


@pytest.mark.parametrize(
    ("kind", "site", "newest_min", "received_min", "silent"),
    [
        ("scene", "FY-4B/AGRI-4000M", 44, 20, False),
        ("scene", "FY-4B/AGRI-4000M", 46, 30, True),
        ("scene", "FY-3D/MERSI-2-1000M", 600, 580, False),
        ("geolocation", "FY-3D/MERSI-2-1000M", 600, 580, False),
        ("lightning", "FY-4A/LMI", 17, 15, False),
        ("lightning", "FY-4A/LMI", 19, 17, True),
        ("lightning", "ADTD", 300, 17, False),
        ("lightning", "ADTD", 300, 19, True),
    ],
)
def test_satellites_and_lightning_have_their_own_patience(
    kind: str, site: str, newest_min: int, received_min: int, silent: bool
) -> None:
    minute = timedelta(minutes=1)
    item = Source(kind, site, NOW - newest_min * minute, NOW - received_min * minute)
    assert bool(silences([item], NOW)) == silent


def counted(home: Home) -> Conservation:
    return conservation(home.ledger())


def test_what_it_says(home: Home, built: Built) -> None:
    (extra := home.root.parent / "extra.bin").write_bytes(b"new")
    take_in([Offered(built.files[0]), Offered(extra)], home, built.region, home.ledger(), NOW)
    found = write_status(home, home.ledger(), NOW, counts=counted(home), paused=True, running=built.times[-1])
    told = json.loads(home.status.read_text())
    assert [item.name for item in found] == [f"volume {radar.id}" for radar in built.region.radars]
    assert (told["time"], told["running"], told["paused"]) == (iso(NOW), iso(built.times[-1]), True)
    counts = {name: told[name] for name in ("received", "stored", "duplicate", "quarantined", "pending")}
    assert counts == {"received": 9, "stored": 6, "duplicate": 1, "quarantined": 1, "pending": 1}
    assert told["conservation_holds"] is True
    assert told["free_bytes"] > 0
    assert [item["source"] for item in told["sources"]] == [item.name for item in found]
    assert told["sources"][0]["newest"] == iso(found[0].newest)
    assert told["silent"] == []


def test_who_is_silent_and_who_is_forgotten(home: Home, built: Built) -> None:
    ledger = home.ledger()
    newest = built.times[-1] - CYCLE + 20 * SECOND
    write_status(home, ledger, newest + SILENT_AFTER + SECOND, counts=counted(home), paused=False, running=None)
    told = json.loads(home.status.read_text())
    assert told["silent"] == [{"source": f"volume {built.region.radars[0].id}", "age_min": 18}]
    assert told["running"] is None
    assert (
        write_status(home, ledger, newest + BACK + 60 * SECOND, counts=counted(home), paused=False, running=None) == []
    )
    assert json.loads(home.status.read_text())["silent"] == []


def test_it_is_replaced_whole(home: Home, built: Built) -> None:
    write_status(home, home.ledger(), NOW, counts=counted(home), paused=False, running=None)
    inode = home.status.stat().st_ino
    write_status(home, home.ledger(), NOW + SECOND, counts=counted(home), paused=False, running=None)
    assert home.status.stat().st_ino != inode, "written beside it and renamed"
    assert [path.name for path in home.root.glob("*status*")] == ["status.json"]
