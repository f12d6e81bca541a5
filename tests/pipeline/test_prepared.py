"""What is kept of a volume between its arrival and its cycle: never needed, never trusted blindly."""

import bz2
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.test_network import WHEN
from tests.pipeline.test_run_real import HUAIAN, TAIZHOU
from tests.pipeline.tiny import NOW, Built
from wxcore.archive.digest import content_digest
from wxcore.environment.levels import manual_levels
from wxcore.landing.ledger import FileRow, files_between
from wxcore.pipeline import prepared
from wxcore.pipeline.ahead import Ahead, note
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.learn import learn
from wxcore.pipeline.prepared import FOLDER, KEPT, Winds, forget, from_record, prepare_ahead, prepared_of, to_record
from wxcore.pipeline.result import Input
from wxcore.radar.cinrad import read_standard
from wxcore.radar.planes import PLANE_SHAPE
from wxcore.radar.prepare import Prepared, Surroundings, pack, prepare, unpack
from wxcore.radar.velocity.wind import WindProfile
from wxcore.region import load_region
from wxcore.times import CYCLE

LEVELS = manual_levels(4600, 7900)
WIND = WindProfile(np.array([500.0, 1500.0]), np.array([5.04, 9.0]), np.array([1.0, -2.0]))


@pytest.fixture
def home(built: Built, tmp_path: Path) -> Home:
    return built.copy(tmp_path / "home")


@pytest.fixture
def row(home: Home, built: Built) -> FileRow:
    return files_between(home.ledger(), built.times[0] - CYCLE, built.times[-1], {"volume"})[0]


def keep(home: Home, built: Built, row: FileRow, levels=LEVELS, winds: Winds | None = None) -> Prepared:
    return prepared_of(home, built.region, row, levels, winds or {}, keep=True)


def kept(home: Home) -> list[Path]:
    return sorted((home.root / FOLDER).glob("*.npz"))


def same(one: Prepared, two: Prepared) -> bool:
    first, second = pack(one), pack(two)
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name], equal_nan=first[name].dtype.kind == "f") for name in first
    )


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("it was made again")


def test_pack_is_lossless(home: Home, built: Built, row: FileRow) -> None:
    made = keep(home, built, row)
    assert same(unpack(pack(made)), made)
    assert len(made.look.tilts) > 1
    assert made.look.start == unpack(pack(made)).look.start
    assert made.quality


def test_pack_is_lossless_with_planes(radar_data: Path) -> None:
    """Velocities and their planes too."""
    path = radar_data / "cinrad_base" / HUAIAN
    volume = read_standard(bz2.decompress(path.read_bytes()), HUAIAN)
    made = prepare(volume, Surroundings(lambda: np.full(PLANE_SHAPE, np.nan, "f4"), 4600, 7900))
    assert made.stack is not None
    assert np.isfinite(made.stack).any()
    assert made.wind.height_m.size
    again = unpack(pack(made))
    assert same(again, made)
    np.testing.assert_array_equal(again.stack, made.stack)


@pytest.mark.parametrize("ahead", [(True, True), (True, False)])
def test_a_cycle_is_the_same_made_ready_ahead_or_not(
    tmp_path: Path, radar_data: Path, ahead: tuple[bool, bool], no_syncfs: None
) -> None:
    """RELIABILITY.md A9: neither what was kept nor the order of arrival shows in the archive."""
    region, digests = load_region("jianghuai"), []
    files = [radar_data / "cinrad_base" / name for name in (HUAIAN, TAIZHOU)]
    for number, order in enumerate((files, files[::-1])):
        home = Home(tmp_path / str(number))
        for path in order:
            ingest([path], home, region)
        rows = files_between(home.ledger(), WHEN - CYCLE, WHEN, {"volume"})
        for row, early in zip(rows, ahead, strict=True):
            if early and number:
                prepare_ahead(home, region, row)
        assert len(kept(home)) == number * sum(ahead)
        result = run_cycle(home, region, WHEN)
        assert np.isfinite(result.storms["radial_wind_low_m_s"]).any()
        digests.append(content_digest(home.archive, region.id))
    assert digests[0] == digests[1]


def test_a_radar_that_learns_is_another_cycle(tmp_path: Path, radar_data: Path, no_syncfs: None) -> None:
    """What was learnt is in the provenance, so a re-run takes it up and says so."""
    region, home = load_region("jianghuai"), Home(tmp_path)
    ingest([radar_data / "cinrad_base" / HUAIAN], home, region)
    first = run_cycle(home, region, WHEN)
    assert not run_cycle(home, region, WHEN).committed
    learn(home, region)
    second = run_cycle(home, region, WHEN)
    assert second.committed
    assert second.snapshot != first.snapshot


def test_what_was_kept_is_used_and_equal(
    home: Home, built: Built, row: FileRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = keep(home, built, row, winds={row.site: WIND})
    monkeypatch.setattr(prepared, "prepare", refuse)
    assert same(keep(home, built, row, winds={row.site: WIND}), first)


def test_a_watch_prepares_what_the_cycle_asks_for(
    home: Home, built: Built, row: FileRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_ahead(home, built.region, row)
    assert row.obs_time is not None
    when = prepared.cycle_of(row.obs_time)
    monkeypatch.setattr(prepared, "prepare", refuse)
    winds = prepared.winds_before(home, built.region, when)
    prepared_of(home, built.region, row, prepared.levels_for(built.region, when), winds)


@pytest.mark.parametrize(
    "change",
    [
        lambda row, levels, winds: (row, manual_levels(4000, 7900), winds),
        lambda row, levels, winds: (row, levels, {row.site: WIND}),
    ],
    ids=["levels", "wind"],
)
def test_another_question_is_another_answer(home: Home, built: Built, row: FileRow, change) -> None:
    keep(home, built, row)
    keep(home, built, *change(row, LEVELS, {}))
    assert len(kept(home)) == 2


def test_a_radar_that_stands_elsewhere_now_is_made_again(home: Home, built: Built, row: FileRow) -> None:
    keep(home, built, row)
    radars = tuple(replace(site, antenna_m=site.antenna_m + 50) for site in built.region.radars)
    prepared_of(home, replace(built.region, radars=radars), row, LEVELS, {}, keep=True)
    assert len(kept(home)) == 2


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[: len(content) // 2], _flip, lambda content: b"\x93NUMPY" + content],
    ids=["empty", "cut", "flipped", "another kind"],
)
def test_a_damaged_copy_is_made_again(home: Home, built: Built, row: FileRow, damage) -> None:
    first = keep(home, built, row)
    (path,) = kept(home)
    path.write_bytes(damage(path.read_bytes()))
    assert same(keep(home, built, row), first)
    assert kept(home) == [path]
    assert same(keep(home, built, row), first)


def test_a_cycle_leaves_nothing_behind(home: Home, built: Built, row: FileRow) -> None:
    prepared_of(home, built.region, row, LEVELS, {})
    assert not (home.root / FOLDER).exists()


def test_a_copy_of_another_version_is_made_again(
    home: Home, built: Built, row: FileRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(home, built, row)
    monkeypatch.setattr(prepared, "VERSION", 999)
    keep(home, built, row)
    assert len(kept(home)) == 2


def test_a_disk_that_is_full_only_costs_time(
    home: Home, built: Built, row: FileRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: object, **_arrays: Mapping[str, object]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepared.np, "savez", full)
    assert keep(home, built, row).look.tilts
    assert not list((home.root / FOLDER).iterdir()), "half-written"


def test_what_is_old_is_forgotten(home: Home, built: Built, row: FileRow) -> None:
    keep(home, built, row)
    (path,) = kept(home)
    assert forget(home) == 0
    old = time.time() - KEPT.total_seconds() - 1
    os.utime(path, (old, old))
    (litter := path.with_name(".half.tmp")).write_bytes(b"x")
    os.utime(litter, (old, old))
    assert forget(home) == 2
    assert not list((home.root / FOLDER).iterdir())
    assert forget(Home(home.root / "nothing")) == 0


def test_a_wind_survives_the_provenance() -> None:
    found = from_record(to_record(WIND))
    np.testing.assert_array_equal(found.u, [5.0, 9.0])
    assert to_record(found) == to_record(WIND)


def test_only_volumes_of_the_present_are_prepared_ahead() -> None:
    ahead = Ahead()
    fresh = Input("a", "aa", "stored", kind="volume", time=NOW - CYCLE)
    for item in (
        fresh,
        replace(fresh, sha256="bb", status="quarantined"),
        replace(fresh, sha256="cc", kind="composite"),
        replace(fresh, sha256="dd", time=NOW - 10 * CYCLE),
        replace(fresh, sha256="ee", time=None),
    ):
        note(ahead, item, NOW)
    assert [sha256 for _, sha256 in ahead.waiting] == ["aa"]
