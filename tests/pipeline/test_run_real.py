"""The main job on real files, against the known answers of DATA.md."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from wxcore.pipeline.home import Home
from wxcore.pipeline.result import RunResult
from wxcore.pipeline.run import run
from wxcore.region import load_region
from wxcore.warning.cap_rules import validate

HUAIAN = "Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP_FMT.bin.bz2"
TAIZHOU = "Z_RADR_I_Z9523_20200612054032_O_DOR_SA_CAP_FMT.bin.bz2"
HEIGHTS = (4600.0, 7900.0)


def jianghuai(tmp_path: Path, radar_data: Path, *names: str) -> RunResult:
    paths = [radar_data / "cinrad_base" / name for name in names]
    return run(paths, Home(tmp_path), load_region("jianghuai"), heights=HEIGHTS)


def mesh_maximum(tmp_path: Path, region: str) -> tuple[float, float, float]:
    """(MESH, lat, lon) of the largest MESH in the archive, read back with one line of xarray."""
    mesh = xr.open_dataset(tmp_path / "archive" / region, engine="wxcore")["mesh"].isel(time=-1).load()
    lat, lon = np.unravel_index(np.nanargmax(mesh.to_numpy()), mesh.shape)
    return float(mesh.max()), float(mesh["lat"][lat]), float(mesh["lon"][lon])


@pytest.mark.parametrize(("name", "mesh_mm"), [(HUAIAN, 46.1), (TAIZHOU, 45.6)])
def test_each_radar_alone_finds_the_hailstorm(tmp_path: Path, radar_data: Path, name: str, mesh_mm: float) -> None:
    result = jianghuai(tmp_path, radar_data, name)
    (cycle,) = result.cycles
    assert cycle.time == datetime(2020, 6, 12, 5, 42, tzinfo=UTC)
    storm = cycle.storms.loc[cycle.storms["mesh_mm"].idxmax()]
    assert storm["mesh_mm"] == pytest.approx(mesh_mm, rel=0.10)
    assert storm["posh_percent"] == pytest.approx(74, abs=8)
    found, lat, lon = mesh_maximum(tmp_path, "jianghuai")
    assert found == pytest.approx(mesh_mm, rel=0.10)
    assert lat == pytest.approx(32.78, abs=0.03)
    assert lon == pytest.approx(119.40, abs=0.03)
    hail = [draft for draft in cycle.drafts if draft.hazard == "hail"]
    assert hail
    assert all(draft.adcodes and draft.status == "Test" for draft in hail)
    written = list((tmp_path / "drafts").glob("*.xml"))
    assert len(written) == len(cycle.drafts)
    for path in written:
        validate(path.read_bytes())


def test_both_radars_together(tmp_path: Path, radar_data: Path) -> None:
    (cycle,) = jianghuai(tmp_path, radar_data, HUAIAN, TAIZHOU).cycles
    assert cycle.storms["mesh_mm"].max() == pytest.approx(46, rel=0.15)
    assert not [item for item in cycle.missing if not item.startswith(("satellite", "lightning"))]


def test_legacy_file_gives_the_same_storm(tmp_path: Path, radar_data: Path) -> None:
    path = radar_data / "cinrad_base_legacy" / "Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP.bin.bz2"
    (cycle,) = run([path], Home(tmp_path), load_region("jianghuai"), heights=HEIGHTS).cycles
    assert cycle.storms["mesh_mm"].max() == pytest.approx(46.1, rel=0.10)


def test_swan_mosaic_gives_a_hail_draft(tmp_path: Path, radar_data: Path) -> None:
    paths = sorted((radar_data / "swan").glob("*MOSAIC*"))
    (cycle,) = run(paths, Home(tmp_path), load_region("guizhou"), heights=(3600.0, 6600.0)).cycles
    assert cycle.storms["mesh_mm"].max() == pytest.approx(42.7, rel=0.15)
    assert any(draft.hazard == "hail" and draft.adcodes for draft in cycle.drafts)


@pytest.mark.parametrize(
    ("folder", "name", "region", "heights"),
    [
        ("nexrad_l2", "KTLX19910605_162126.gz", "oklahoma", (None, None)),
        ("nexrad_l2", "KTLX20140101_000624_V06.gz", "oklahoma", (None, None)),
        ("odim", "40_20181220_060630.pvol.h5", "canberra", (3900.0, 6900.0)),
    ],
)
def test_foreign_volumes_come_through_the_same_door(
    tmp_path: Path, radar_data: Path, folder: str, name: str, region: str, heights: tuple[float | None, float | None]
) -> None:
    result = run([radar_data / folder / name], Home(tmp_path), load_region(region), heights=heights)
    (cycle,) = result.cycles
    assert [item.status for item in cycle.inputs] == ["stored"]
    if region == "canberra":  # pyhail's polar method gives 59.6 mm; a dBZ-linear grid gives less (DATA.md)
        assert 25 <= cycle.storms["mesh_mm"].max() <= 62
