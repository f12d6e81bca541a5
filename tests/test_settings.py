"""WXCORE_STATION_META: an installation's own regions, wherever they lie."""

import shutil
from pathlib import Path

import pytest

from tests.faults.scene import REGION, tiny_region
from wxcore.errors import RegionError
from wxcore.region import STATION_META, load_region
from wxcore.region.terrain import find_dem
from wxcore.settings import load_settings, region_at


def test_without_it_the_regions_that_came_with_wxcore(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        monkeypatch.delenv("WXCORE_STATION_META", raising=False)
        if value is not None:
            monkeypatch.setenv("WXCORE_STATION_META", value)
        assert load_settings().station_meta == STATION_META
        assert region_at("canberra").folder == STATION_META / "canberra"


def test_with_it_only_those_of_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_region(tmp_path)
    monkeypatch.setenv("WXCORE_STATION_META", str(tmp_path))
    monkeypatch.setenv("WXCORE_REGION", REGION)
    assert region_at().id == REGION
    assert region_at().folder == tmp_path / REGION
    with pytest.raises(RegionError, match=f"known are {REGION}"):
        region_at("canberra")


def test_a_copy_is_the_same_region_with_its_own_stations_and_terrain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(STATION_META / "canberra", tmp_path / "canberra")
    (tmp_path / "canberra" / "dem.tif").touch()
    monkeypatch.setenv("WXCORE_STATION_META", str(tmp_path))
    assert region_at("canberra") == load_region("canberra")
    assert find_dem("canberra", root=load_settings().station_meta) == tmp_path / "canberra" / "dem.tif"
    assert find_dem("canberra") is None
