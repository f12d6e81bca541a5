"""Files that hang a parser, declare more than a disk holds, or unpack to more than memory (A2, A4, A5)."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.landing import hostile
from wxcore.errors import LimitError, Reason
from wxcore.landing.guard import close_guard, run_guarded
from wxcore.landing.unpack import CAP_BYTES, unpack_bytes
from wxcore.radar.xradar_door import read_odim

ROOT = Path(__file__).parent.parent.parent
MAX_RSS = 512 * 2**20


def test_the_hanging_mutants_are_refused_before_the_library_walks_into_them() -> None:
    """RELIABILITY.md A2: what is known to hang takes no child with it."""
    close_guard()
    reasons, _ = run_guarded(hostile.refusals, read_odim, [hostile.hanging_odim(), hostile.hanging_netcdf4()], wall_s=5)
    assert reasons == ["BAD_VALUE"] * 2


def test_without_the_check_they_hang() -> None:
    """Else the test before would prove nothing."""
    for read, arguments in (
        (hostile.read_trusting, (hostile.hanging_odim(), "x.h5")),
        (hostile.open_with_xarray, (hostile.hanging_netcdf4(),)),
    ):
        with pytest.raises(LimitError) as caught:
            run_guarded(read, *arguments, wall_s=1)
        assert caught.value.reason == Reason.DECODE_TIMEOUT


def test_what_declares_or_leads_too_far_is_refused_from_metadata(tmp_path: Path) -> None:
    """RELIABILITY.md A5. The other file is a pipe: opening it would wait for ever."""
    os.mkfifo(tmp_path / "other.h5")
    other = tmp_path / "other.h5"
    too_large, unsupported = hostile.declaring_too_much(), hostile.leading_away(other)
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
