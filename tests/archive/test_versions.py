"""An archive that Icechunk 1.1.21 wrote is read and written by every Icechunk that we install, and stays readable by 1.

data/icechunk1.zip: two cycles (slots 4 and 5 of tests.archive.days, seed = slot) and the tag w1, by Python 3.11.
"""

import json
import random
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.archive.cubes import SIX, cube
from tests.archive.days import DAY, MIDNIGHT, REGION, commit
from wxcore.archive.check import check_archive
from wxcore.archive.compact import compact
from wxcore.archive.digest import content_digest
from wxcore.archive.expire import IN_FLIGHT, Retention, expire
from wxcore.archive.log import commits, list_tags
from wxcore.archive.read import list_cycles, open_archive
from wxcore.archive.recover import recover
from wxcore.archive.series import open_day

DIGEST = "7f374040bd85c31d92d5f0793ef066e1db4808d231186e378c9ca99c7023b7b2"
"""`content_digest` as Python 3.11 with Icechunk 1.1.21 computed it."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Root of the old archive, a copy."""
    with zipfile.ZipFile(Path(__file__).parent / "data" / "icechunk1.zip") as packed:
        packed.extractall(tmp_path)
    return tmp_path


def _is_of_format_1(root: Path) -> bool:
    """Does Icechunk 1 open it? Its branches are files in refs/; Icechunk 2's own format has one file `repo` instead."""
    marker = json.loads((root / REGION / "archive.json").read_bytes())
    repo = root / REGION / "repo"
    return marker["icechunk_major"] == 1 and (repo / "refs").is_dir() and not (repo / "repo").exists()


def test_it_reads_as_it_was_written(old: Path) -> None:
    assert content_digest(old, REGION) == DIGEST
    assert check_archive(old, REGION).faults == ()
    found = open_archive(old, region=REGION).load()
    for at, slot in ((0, 4), (1, 5)):
        made = cube(MIDNIGHT + slot * SIX, seed=slot)
        np.testing.assert_array_equal(found["shi"].to_numpy()[at], made["shi"].to_numpy()[0])
        np.testing.assert_allclose(found["vil"].to_numpy()[at], made["vil"].to_numpy()[0], atol=0.0051)
    assert [record.cycle for record in commits(old, REGION)] == [MIDNIGHT + 5 * SIX, MIDNIGHT + 4 * SIX]
    assert list_tags(old, REGION) == {"w1": commits(old, REGION)[1].snapshot_id}


def test_it_is_written_on_and_the_way_back_stays_open(old: Path) -> None:
    before = open_archive(old, region=REGION).load()
    commit(old, MIDNIGHT + 6 * SIX, seed=6)
    assert compact(old, REGION, DAY).new
    assert expire(old, REGION, Retention(0, None, None), datetime.now(UTC) + 2 * IN_FLIGHT).snapshots > 0
    assert check_archive(old, REGION).faults == ()
    assert len(list_cycles(old, REGION)) == 3
    after = open_archive(old, region=REGION).isel(time=slice(0, 2)).load()
    xr.testing.assert_equal(after, before)
    assert open_day(old, REGION, DAY).attrs["view"] == 1
    assert list(list_tags(old, REGION)) == ["w1"]
    assert _is_of_format_1(old)


@pytest.mark.parametrize("seed", range(3))
def test_a_torn_commit_on_it_is_undone(seed: int, old: Path) -> None:
    recorded = commits(old, REGION)[0].snapshot_id
    folder = old / REGION
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    commit(old, MIDNIGHT + 6 * SIX, seed=6)
    heads = {path for path in folder.glob("heads/*") if path not in before}
    touched = [path for path in folder.rglob("*") if path.is_file() and path.read_bytes() != before.get(path)]
    torn = [path for path in touched if path not in heads and path.name != "lock"]
    for path in heads:  # it is saved last
        path.unlink()
    chance = random.Random(seed)
    for path in chance.sample(torn, chance.randint(1, len(torn))):
        path.write_bytes(b"")
    found = recover(old, REGION, recorded)
    assert (found.tip, found.action in {"reset", "restored"}) == (recorded, True)
    assert content_digest(old, REGION) == DIGEST
    assert commit(old, MIDNIGHT + 6 * SIX, seed=6)
    assert check_archive(old, REGION).faults == ()
    assert _is_of_format_1(old)
