"""Whatever is odd, sick or noisy in the sky, the radars' cycle goes on, and says so."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests.faults.scene import START
from tests.pipeline.skies import NOW, adtd, agri_scene, images, lmi, sky_region
from tests.pipeline.test_sky import NEWEST, look, offer
from wxcore.environment.levels import levels_for
from wxcore.errors import LimitError, Reason
from wxcore.landing.ledger import STORED, FileRow
from wxcore.pipeline import sky as module
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.sky_images import BT108, Read, instruments, one_image
from wxcore.region import Region
from wxcore.satellite.scene import REFLECTANCE, Channel

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Region:
    return sky_region(tmp_path_factory.mktemp("faults-meta"))


@pytest.fixture
def home(tiny: Region, tmp_path: Path) -> Iterator[Home]:
    module._decoded.cache_clear()
    home = Home(tmp_path / "home")
    offer(home, tiny, [*images(tmp_path / "in", NEWEST), *lmi(tmp_path / "in", START)])
    yield home
    module._decoded.cache_clear()


def test_a_pixel_of_noise_does_not_stop_the_cycle(home: Home, tiny: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy(*args: Any) -> Any:
        fields, motion = one_image(*args)
        fields["split_window_difference"][0, 0, 0] = 160.0
        fields["ice_difference"][0, 1, 1] = -np.inf
        return fields, motion

    monkeypatch.setattr(module, "one_image", noisy)
    cycle = run_cycle(home, tiny, START)
    assert cycle.committed
    (note,) = [note for note in cycle.notes_en if note.startswith("impossible values")]
    assert "split_window_difference (1)" in note
    assert "ice_difference (1)" in note
    sky = look(home, tiny)
    assert np.isnan(sky.fields["split_window_difference"].values[0, 0, 0])


def test_an_error_that_nobody_expected_leaves_the_radars_alone(
    home: Home, tiny: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*args: Any) -> Any:
        raise ValueError("cannot convert float NaN to integer")

    monkeypatch.setattr(module, "one_image", wrong)
    sky = look(home, tiny)
    assert not sky.fields.data_vars
    assert sky.missing == ("satellites and lightning (ValueError: cannot convert float NaN to integer)",)


def test_of_a_source_whose_file_hangs_no_other_is_tried(
    home: Home, tiny: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def hangs(_: Home, row: FileRow, *__: Any) -> Any:
        tried.append(row.site)
        raise LimitError(Reason.DECODE_TIMEOUT, f"{row.name}: killed after 6 s")

    monkeypatch.setattr(module, "_decoded", hangs)
    monkeypatch.setattr(module, "DECODE_THREADS", 1)
    sky = look(home, tiny)
    assert sorted(tried) == ["FY-4A/LMI", "FY-4B/AGRI-4000M"]
    assert sum("DECODE_TIMEOUT" in item for item in sky.missing) == 5
    assert not sky.fields.data_vars


def test_the_cycle_waits_for_the_sky_only_so_long(home: Home, tiny: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_BUDGET_S", -1.0)
    assert sum("DECODE_TIMEOUT" in item for item in look(home, tiny).missing) == 5


def test_a_newer_file_without_infrared_does_not_hide_the_clouds(tiny: Region) -> None:
    """A file of 500 m that comes before the one of 4 km of its slot."""
    infrared = agri_scene(NEWEST)
    bright = Channel(2, 0.65, REFLECTANCE, np.full(infrared.channels[0].values.shape, 0.5, np.float32))
    visible = replace(agri_scene(NEWEST + 10 * MINUTE), channels=(bright,), resolution_m=500)
    rows = [
        FileRow(name * 64, name, 1, "fy4-agri", "scene", f"FY-4B/{name}", scene.end, NOW, STORED)
        for name, scene in (("a", infrared), ("b", visible))
    ]
    read = [Read(row, scene) for row, scene in zip(rows, (infrared, visible), strict=True)]
    missing: list[str] = []
    found = instruments(read, tiny, START, levels_for(tiny, START), missing)
    fields, _ = one_image(found, tiny, START)
    assert isinstance(fields, xr.Dataset)
    assert np.isfinite(fields[BT108].values).mean() > 0.9
    assert missing == []


def test_a_days_file_of_the_network_serves_the_cycles_within_the_day(tiny: Region, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    last = START + 90 * MINUTE
    offer(home, tiny, [adtd(tmp_path / "in", last, minutes=150)], now=last + MINUTE)
    sky = look(home, tiny)
    assert [source["source"] for source in sky.sources] == ["ADTD"]
    assert float(sky.fields["flash_density"].max()) > 0
