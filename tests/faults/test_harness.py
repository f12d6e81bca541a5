"""The harness itself: a fault that is not survived must be found."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults import io_faults, mutants, power, values
from tests.faults.harness import Outcome, Tally
from tests.faults.scene import REGION, START, tiny_region, write_cycle
from tests.faults.seeds import format_names, small_seeds
from tests.faults.state import state
from tests.faults.zygote import Job, zygote
from wxcore.errors import ReadError
from wxcore.landing.land import landed_path
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.result import QUARANTINED, STORED, Input
from wxcore.pipeline.run import run
from wxcore.radar.swan import read_swan


def test_a_tally_counts_what_held_and_keeps_recipes() -> None:
    tally = Tally()
    tally.add("one", [])
    tally.add("two", ["broke"])
    outcome = tally.outcome("x")
    assert (outcome.tried, outcome.held, outcome.good) == (2, 1, False)
    assert "two: broke" in outcome.note
    assert not Outcome("nothing", 0, 0).good


def test_every_format_has_a_seed_and_the_decoded_ones_are_stored(tmp_path: Path) -> None:
    region = tiny_region(tmp_path / "meta", foreign=True)
    seeds = small_seeds(region)
    assert {seed.reader for seed in seeds} == format_names()
    decoded = [seed for seed in seeds if seed.reader in {"cinrad-standard", "cinrad-legacy", "cma-moc", "swan-grid"}]
    decoded += [seed for seed in seeds if seed.reader in {"nexrad-level2", "odim-h5"}]
    whole = [mutants.Mutant(seed, "", seed.raw) for seed in decoded]
    items = ingest(mutants.deliver(whole, tmp_path / "in"), Home(tmp_path / "home"), region)
    assert {item.status for item in items} == {STORED}, [item for item in items if item.status != STORED]


def test_the_mutator_is_seeded_and_changes_the_bytes(tmp_path: Path) -> None:
    (seed, *_) = small_seeds(tiny_region(tmp_path))
    one, two = (mutants.mutants(seed, np.random.default_rng(3), 60) for _ in range(2))
    assert one == two
    assert len({mutant.data for mutant in one}) > 50
    assert {mutant.recipe.split("@")[0] for mutant in one} >= {"cut", "flip", "zero", "word", "insert", "delete"}


def test_bad_ends_of_a_mutant_are_found(tmp_path: Path) -> None:
    region, home = tiny_region(tmp_path / "meta"), Home(tmp_path / "home")
    (seed, *_) = small_seeds(region)
    mutant = mutants.Mutant(seed, "", seed.raw)
    lost = Input("a", "", "")
    assert mutants.judge(mutant, lost, home, region)
    assert mutants.judge(mutant, replace(lost, status=QUARANTINED, reason="BECAUSE"), home, region)
    assert mutants.judge(mutant, replace(lost, status=QUARANTINED, reason="DECODE_CRASH"), home, region)
    assert not mutants.judge(mutant, replace(lost, status=QUARANTINED, reason="BAD_HEADER"), home, region)


def test_lost_and_changed_files_are_found(tmp_path: Path) -> None:
    region, home = tiny_region(tmp_path / "meta"), Home(tmp_path / "home")
    files = write_cycle(region, tmp_path / "in", START)
    run(files, home, region)
    before = state(home, REGION, files)
    assert before.differences(before) == []
    assert list(before.cycles) == ["20260701T0800"]
    other = tmp_path / "other.bin"
    other.write_bytes(b"never delivered")
    assert "absent" in state(home, REGION, [*files, other]).differences(before)[0]
    for path in home.drafts.glob("*.xml"):
        path.unlink()
    assert any("cap" in words for words in state(home, REGION, files).differences(before))
    assert landed_path(home.landing, next(iter(before.files))).is_file()


def test_a_cycle_made_of_other_files_is_found(tmp_path: Path) -> None:
    region = tiny_region(tmp_path / "meta")
    found = []
    for seed in (1, 2):
        files, home = write_cycle(region, tmp_path / f"in{seed}", START, seed=seed), Home(tmp_path / f"home{seed}")
        run(files, home, region)
        found.append(replace(state(home, REGION, files), files={}))
    assert found[0].cycles == found[1].cycles
    assert any(words.startswith("archive") for words in found[0].differences(found[1]))


def test_what_a_killed_process_leaves_goes_on_only_where_it_is_told_to(tmp_path: Path) -> None:
    job = Job([str(tmp_path)], str(tmp_path), call="tests.faults.test_harness:write_from_a_child")
    for leave in (True, False):
        with zygote() as maker:
            assert maker.run(replace(job, leave=leave)).code == -9
        before = (tmp_path / "beat").stat().st_mtime_ns
        time.sleep(1.0)
        assert ((tmp_path / "beat").stat().st_mtime_ns != before) == leave


def write_from_a_child(folder: str) -> None:
    """Start a process in a session of its own that writes for ever, and be killed when it does."""
    words = "import sys, time, pathlib\nwhile True: pathlib.Path(sys.argv[1]).write_text('x'); time.sleep(0.05)"
    beat = Path(folder) / "beat"
    subprocess.Popen([sys.executable, "-S", "-c", words, str(beat)], start_new_session=True)
    while not beat.exists():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_process_that_a_watch_starts_is_struck_once(tmp_path: Path) -> None:
    faults = io_faults.IoFaults(tmp_path, io_faults.COUNT, 1, log=str(tmp_path / "log"))
    faults.point("a")
    faults.point("b")
    assert (tmp_path / "log").read_text().split() == ["a", "b"]
    (tmp_path / "mark").touch()
    marked = io_faults.IoFaults(tmp_path, io_faults.KILL, 1, mark=str(tmp_path / "mark"))
    assert marked.point("it would end this process") is None


def test_every_power_cut_tears(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    written = [
        ["tiny/repo/refs/branch.main/ref.json", "tiny/heads/2.json", "tiny/repo/chunks/A"],
        ["tiny/repo/chunks/B"],
    ]
    for scope in power.SCOPES:
        names = power.torn_files(written, scope, rng)
        assert names
        assert set(names) <= {*written[0], *written[1]}
    for number, tear in enumerate(power.TEARS):
        path = tmp_path / str(number)
        path.write_bytes(bytes(range(1, 200)))
        tear(path, rng)
        assert not path.exists() or path.read_bytes() != bytes(range(1, 200))


def test_faults_strike_where_they_are_told_to(tmp_path: Path) -> None:
    call = "tests.faults.test_harness:write_three"
    with zygote() as maker:
        job = Job([str(tmp_path)], str(tmp_path), call=call, folder=str(tmp_path), mode="count")
        counted = maker.run(job)
        assert counted.code == 0, counted.err
        assert counted.points == ["open", "file.write", "os.replace", "os.open", "os.write", "os.fsync", "os.unlink"]
        failed = maker.run(replace(job, mode="enospc", at=5))
        assert failed.code == 70
        assert "No space left" in failed.err
        assert maker.run(replace(job, mode="kill", at=3)).code == -9
        assert not maker.run(replace(job, mode="kill", at=0, folder=str(tmp_path / "elsewhere"))).points
        hangs = replace(job, call="time:sleep", words=[], limit_s=0.2)
        assert maker.run(replace(hangs, call="tests.faults.test_harness:for_ever")).expired


def write_three(folder: str) -> None:
    """Three kinds of writing, for the counter."""
    place = Path(folder)
    (place / "a").write_text("a")
    (place / "a").replace(place / "b")
    descriptor = os.open(place / "c", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"c")
    os.fsync(descriptor)
    os.close(descriptor)
    (place / "c").unlink()
    (place.parent / "outside").write_text("not counted")


def for_ever() -> None:
    """A run that hangs."""
    while True:
        os.sched_yield()


@settings(deadline=None, max_examples=200)
@given(offset=st.floats(width=32), scale=st.floats(width=32))
def test_no_calibration_makes_a_value_out_of_range(offset: float, scale: float) -> None:
    try:
        field = read_swan(values.calibrated(offset, scale), "mosaic.bin")
    except ReadError:
        return
    found = field.values()
    present = found[~np.isnan(found)]
    assert present.size == 0 or (-35 <= present.min() <= present.max() <= 90)


@pytest.mark.parametrize(
    ("words", "said"),
    [("hail of nan mm", True), ("-9999 dBZ", True), ("gust 999.9 m/s", True), ("高度 inf 米", True),
     ("information at 09:15, 29.9999N", False), ("financial", False), ("9999 m away", True)],
)  # fmt: skip
def test_sentinels_in_words_are_seen(words: str, said: bool) -> None:
    assert bool(values.SAID.search(words)) == said
