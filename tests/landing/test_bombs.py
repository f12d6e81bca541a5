"""Files that hang a parser, declare more than a disk holds, or unpack to more than memory (A2, A4, A5)."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.landing import hostile
from tests.radar.test_xradar_door import odim
from wxcore.errors import LimitError, Reason
from wxcore.landing import guard
from wxcore.landing.guard import close_guard, run_guarded
from wxcore.landing.unpack import CAP_BYTES, unpack_bytes
from wxcore.radar.xradar_door import read_odim

ROOT = Path(__file__).parent.parent.parent
MAX_RSS = 512 * 2**20


def timed_out(function: object, *args: object, wall_s: float) -> bool:
    with pytest.raises(LimitError) as caught:
        run_guarded(function, *args, wall_s=wall_s)  # type: ignore[arg-type]
    return caught.value.reason == Reason.DECODE_TIMEOUT


def test_a_hanging_mutant_is_killed_and_the_next_file_is_decoded_within_a_second() -> None:
    """RELIABILITY.md A2. The spare starts after a quarter of the limit, and imports xradar for some seconds."""
    close_guard()
    data, wall_s = hostile.hanging_odim(), 12.0
    assert len(data) < 10_000
    assert len(run_guarded(read_odim, odim(), "x.h5").sweeps) == 1
    started = time.monotonic()
    assert timed_out(read_odim, data, "x.h5", wall_s=wall_s)
    killed = time.monotonic()
    assert wall_s <= killed - started <= wall_s + 1
    (spare,) = guard._POOL.idle  # started before the kill, so that nobody waits for its start and imports
    volume = run_guarded(read_odim, odim(), "x.h5")
    assert time.monotonic() - killed <= 10  # 1 s where the machine is free
    assert (guard._POOL.idle, spare.uses) == ([spare], 1)
    assert len(volume.sweeps) == 1


def test_the_netcdf_mutant_hangs_too() -> None:
    assert timed_out(hostile.open_with_xarray, hostile.hanging_netcdf4(), wall_s=1)


def test_what_declares_or_leads_too_far_is_refused_from_metadata(tmp_path: Path) -> None:
    """RELIABILITY.md A5. The other file is a pipe: opening it would wait for ever."""
    os.mkfifo(tmp_path / "other.h5")
    other = tmp_path / "other.h5"
    too_large = [
        hostile.declares_terabytes(), hostile.declares_terabytes(chunks=(1000, 1000)), hostile.declares_past_64_bits(),
        hostile.many_datasets(), hostile.deep_groups(), hostile.huge_chunk(), hostile.many_dimensions(),
        hostile.huge_element(), hostile.many_strings(), hostile.many_attributes(), hostile.huge_attribute(),
    ]  # fmt: skip
    unsupported = [
        hostile.hard_link_cycle(), hostile.billion_groups(), hostile.external_link(other), hostile.soft_link(),
        hostile.virtual_dataset(other), hostile.external_storage(other), hostile.plug_in_filter(),
    ]  # fmt: skip
    assert len(too_large[0]) == 1400
    close_guard()
    started = time.monotonic()
    reasons, peak = run_guarded(hostile.refusals, read_odim, too_large + unsupported)
    assert reasons == ["TOO_LARGE"] * len(too_large) + ["UNSUPPORTED"] * len(unsupported)
    assert peak <= MAX_RSS
    assert time.monotonic() - started < 60


PEAK = """
import sys, time
from pathlib import Path
from tests.landing.hostile import refusals
from wxcore.landing.unpack import unpack
bombs = [Path(path) for path in sys.argv[2:]]
_, before = refusals(unpack, [])
for path in bombs:
    began = time.process_time()
    reasons, peak = refusals(lambda path, _: unpack(path, ratio_cap=int(sys.argv[1])), [path])
    print(reasons[0], peak - before, time.process_time() - began)
"""


QUICK = ("bz2 2 GiB in two streams", "gzip in many streams", "three layers")
"""Where the ratio does not stop them, each unpacks up to the cap: the three ways are enough."""


@pytest.mark.parametrize(("ratio_cap", "titles"), [(1000, tuple(hostile.BOMBS)), (10**9, QUICK)])
def test_bombs_are_refused_within_time_and_memory(tmp_path: Path, ratio_cap: int, titles: tuple[str, ...]) -> None:
    """RELIABILITY.md A4: cap + 64 MiB, 5 s of processor; with the ratio allowed, the cap itself must hold."""
    paths = []
    for number, title in enumerate(titles):
        paths.append(tmp_path / f"{number}.bin")
        paths[-1].write_bytes(hostile.BOMBS[title]())
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(ratio_cap), *map(str, paths)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = dict(zip(titles, map(str.split, done.stdout.splitlines()), strict=True))
    assert {reason for reason, _, _ in lines.values()} == {"TOO_LARGE", "BAD_COMPRESSION"}
    assert lines.pop("three layers")[0] == "BAD_COMPRESSION"
    for title, (reason, peak, seconds) in lines.items():
        assert reason == "TOO_LARGE", title
        assert int(peak) <= CAP_BYTES + 64 * 2**20, title
        assert float(seconds) <= 5, title


def test_a_zip_that_lies_about_its_size_is_refused() -> None:
    reasons, _ = hostile.refusals(unpack_bytes, [hostile.lying_zip()])
    assert reasons == ["BAD_COMPRESSION"]


def test_the_classic_bomb_is_785_bytes() -> None:
    assert len(hostile.BZ2_1_GIB) == 785
    with pytest.raises(LimitError) as caught:
        unpack_bytes(hostile.BZ2_1_GIB, "x.bz2", cap_bytes=64 * 2**20)  # stations
    assert caught.value.reason == Reason.TOO_LARGE
