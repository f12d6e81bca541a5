"""What may come in and from where: configured roots, schedules that offer the same folder again, and products told."""

import hashlib
from pathlib import Path

import pytest

from tests.faults.scene import START, tiny_region, write_cycle
from wxcore.errors import Reason, TimeError
from wxcore.landing.arrivals import arrival_of, poll
from wxcore.landing.ledger import conservation, list_products
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.result import DUPLICATE, QUARANTINED, STORED
from wxcore.pipeline.run import run
from wxcore.times import CYCLE


def test_files_come_from_configured_roots_only_whatever_their_path_says(tmp_path: Path) -> None:
    region = tiny_region(tmp_path / "meta")
    inside, outside = tmp_path / "in", tmp_path / "elsewhere"
    good, _ = write_cycle(region, inside, START)
    far, _ = write_cycle(region, outside, START + CYCLE)
    link = inside / "link.bin"
    link.symlink_to(far)
    home = Home(tmp_path / "home", sources=(inside,))
    told = ingest([good, far, link, inside / ".." / "elsewhere" / far.name], home, region)
    assert [(item.status, item.reason) for item in told if item.status == STORED] == [(STORED, "")]
    refused = [item for item in told if item.status == QUARANTINED]
    assert [item.reason for item in refused] == [Reason.OUTSIDE_ROOT] * 3
    assert str(inside) in refused[0].message_en
    assert str(inside) in refused[0].message_zh
    landed = [path for path in home.landing.rglob("*") if path.is_file() and path.stat().st_size > 10_000]
    assert [path.name for path in landed] == [hashlib.sha256(good.read_bytes()).hexdigest()]


def test_a_schedule_leaves_out_what_it_took_in_before_and_takes_what_has_changed(tmp_path: Path) -> None:
    region, home = tiny_region(tmp_path / "meta"), Home(tmp_path / "home")
    folder = tmp_path / "in"
    first, second = write_cycle(region, folder, START)
    assert [item.status for item in ingest([folder], home, region, new_only=True)] == [STORED, STORED]
    assert ingest([folder], home, region, new_only=True) == []
    counts = conservation(home.ledger())
    second.write_bytes(second.read_bytes()[:-1000])
    (changed,) = ingest([folder], home, region, new_only=True)
    assert (changed.file, changed.status) == (second.name, QUARANTINED)
    assert conservation(home.ledger()).received == counts.received + 1
    assert [item.status for item in ingest([first], home, region)] == [DUPLICATE]


def test_the_key_of_an_offered_file_is_the_one_that_a_watch_would_give(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"abc")
    (tmp_path / "way").symlink_to(folder)
    seen = poll([folder], {}).seen
    (ready,) = poll([folder], seen).ready
    assert arrival_of(folder / "a.bin") == ready
    assert arrival_of(tmp_path / "way" / "a.bin") == ready
    assert arrival_of(folder) is None
    assert arrival_of(folder / "absent") is None


def test_naive_clocks_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    region, home = tiny_region(tmp_path / "meta"), Home(tmp_path / "home")
    with pytest.raises(TimeError):
        ingest([], home, region, now=START.replace(tzinfo=None))
    assert not home.root.exists()


def test_the_ledger_knows_the_products_of_each_cycle(tmp_path: Path) -> None:
    region, home = tiny_region(tmp_path / "meta"), Home(tmp_path / "home")
    paths = [path for step in range(2) for path in write_cycle(region, tmp_path / "in", START + step * CYCLE)]
    first, last = run(paths, home, region).cycles
    assert first.drafts
    for cycle in (first, last):
        products = list_products(home.ledger(), region.id, cycle.time)
        names = {f"drafts/{item.id}.xml" for item in cycle.drafts}
        names |= {f"drafts/{region.id}-{cycle.time:%Y%m%dT%H%MZ}.geojson"} if cycle.drafts else set()
        assert {row.name for row in products} == names | ({"report.html"} if cycle is last else set())
        for row in products:
            content = (home.root / row.name).read_bytes()
            assert (row.sha256, row.size) == (hashlib.sha256(content).hexdigest(), len(content))
            assert row.snapshot_id == cycle.snapshot
