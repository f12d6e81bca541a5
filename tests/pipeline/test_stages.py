"""The clock of a cycle's stages: sums never count twice, whatever threads do."""

import mmap
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wxcore.pipeline.stages import CLEAR, collecting, peak_mib, stage

BIG_MIB = 128
told = pytest.mark.skipif(not os.access(CLEAR, os.W_OK), reason="this system does not forget a peak of memory")


def _take() -> None:
    """Take so much memory of the system and give it back: a heap may have room that it kept."""
    with mmap.mmap(-1, BIG_MIB * 2**20) as taken:
        for page in range(0, len(taken), mmap.PAGESIZE):
            taken[page] = 1


def test_nothing_is_kept_while_nobody_collects() -> None:
    with stage("decode", size=1), collecting() as stages:
        pass
    assert stages.table == ()
    assert stages.seconds == 0.0


def test_order_calls_and_bytes() -> None:
    with collecting() as stages:
        for size in (3, 4):
            with stage("mosaic", size=size):
                pass
        with stage("decode"):
            pass
    assert [(one.name, one.calls, one.size) for one in stages.table] == [("mosaic", 2, 7), ("decode", 1, 0)]


def test_of_nested_stages_the_inner_has_the_time() -> None:
    with collecting() as stages:
        began = time.perf_counter()
        with stage("stations"), stage("read"):
            time.sleep(0.05)
        whole = time.perf_counter() - began
    outer, inner = stages.table
    assert (outer.name, inner.name) == ("stations", "stations/read")
    assert outer.seconds < inner.seconds <= inner.busy_s <= outer.busy_s <= whole
    assert inner.seconds >= 0.05
    assert stages.seconds == pytest.approx(outer.busy_s)


def test_threads_share_the_wall_clock() -> None:
    both = threading.Barrier(2)

    def work(name: str) -> None:
        with stage(name):
            both.wait()
            time.sleep(0.05)
            both.wait()

    with collecting() as stages:
        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, ("decode", "prepare")))
        whole = time.perf_counter() - began
    busy = sum(one.busy_s for one in stages.table)
    assert 0.05 <= stages.seconds <= whole
    assert stages.seconds < busy
    assert busy >= 0.1
    assert all(one.seconds >= 0.025 for one in stages.table)


def test_many_threads_add_up() -> None:
    """As many begins as ends, of stages within stages, in eight threads: no more than the wall clock is given out."""

    def work(number: int) -> None:
        for _ in range(50):
            with stage(f"outer {number % 3}", size=2), stage("inner", size=1):
                pass

    with collecting() as stages:
        began = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(24)))
        whole = time.perf_counter() - began
    assert sum(one.calls for one in stages.table) == 2 * 24 * 50
    assert {one.name: one.size for one in stages.table} == {
        name: 400 * size for number in range(3) for name, size in ((f"outer {number}", 2), (f"outer {number}/inner", 1))
    }
    assert 0 < stages.seconds <= whole


def test_what_fails_is_counted() -> None:
    with collecting() as stages, pytest.raises(ValueError, match="torn"), stage("decode"):
        raise ValueError("torn")
    with collecting() as again, stage("mosaic"):
        pass
    assert [(one.name, one.calls) for one in stages.table] == [("decode", 1)]
    assert [one.name for one in again.table] == ["mosaic"]


def test_one_collector_at_a_time() -> None:
    with collecting(), pytest.raises(RuntimeError, match="already"), collecting():
        pass
    with collecting() as stages:
        pass
    assert stages.table == ()


@told
def test_memory_is_of_the_stage_that_took_it() -> None:
    with collecting() as stages, stage("outer"), stage("much"):
        _take()
    with collecting() as later, stage("little"):
        pass
    outer, much = stages.table
    assert much.peak_mib >= BIG_MIB
    assert stages.peak_mib == outer.peak_mib >= much.peak_mib
    assert later.peak_mib < stages.peak_mib - BIG_MIB / 2


@told
def test_memory_between_stages_is_in_the_whole_and_in_no_stage() -> None:
    with collecting() as stages:
        with stage("decode"):
            pass
        _take()
        with stage("mosaic"):
            pass
    assert all(0 < one.peak_mib < stages.peak_mib - BIG_MIB / 2 for one in stages.table)


@told
@pytest.mark.parametrize("when", ["before", "after"])
def test_memory_before_the_first_and_after_the_last_stage_is_in_the_whole(when: str) -> None:
    with collecting() as stages:
        if when == "before":
            _take()
        with stage("decode"):
            pass
        if when == "after":
            _take()
    (decode,) = stages.table
    assert 0 < decode.peak_mib < stages.peak_mib - BIG_MIB / 2


@told
def test_a_small_stage_has_not_the_peak_of_its_elder_sibling() -> None:
    with collecting() as stages, stage("outer"):
        with stage("much"):
            _take()
        with stage("little"):
            pass
    outer, much, little = stages.table
    assert little.peak_mib < much.peak_mib - BIG_MIB / 2
    assert stages.peak_mib == outer.peak_mib >= much.peak_mib


@told
def test_memory_between_inner_stages_is_of_the_outer() -> None:
    with collecting() as stages, stage("outer"):
        with stage("first"):
            pass
        _take()
        with stage("second"):
            pass
    outer, first, second = stages.table
    assert max(first.peak_mib, second.peak_mib) < outer.peak_mib - BIG_MIB / 2


@told
def test_threads_side_by_side_share_a_peak() -> None:
    both = threading.Barrier(2)

    def work(name: str) -> None:
        with stage(name):
            both.wait()
            if name == "much":
                _take()
            both.wait()

    with collecting() as stages:
        with stage("alone"):
            pass
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, ("much", "beside")))
    peaks = {one.name: one.peak_mib for one in stages.table}
    assert min(peaks["much"], peaks["beside"]) > peaks["alone"] + BIG_MIB / 2


def test_peak_of_a_status_file(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t    3072 kB\n")
    assert peak_mib(tmp_path / "status") == 3.0
    assert peak_mib(tmp_path / "none") == 0.0
