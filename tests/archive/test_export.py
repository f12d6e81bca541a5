"""Exports hold the same values bit for bit, replace only when complete, and open without Icechunk."""

import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.archive.days import DAY, MIDNIGHT, REGION, fill
from wxcore.archive.compact import compact
from wxcore.archive.expire import Retention, expire
from wxcore.archive.export import export_day
from wxcore.archive.read import open_archive, read_provenance
from wxcore.archive.tables import decode_table
from wxcore.errors import ArchiveError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export")
    fill(root, [3, 4, 200])
    return root


def test_netcdf_holds_what_the_archive_holds(root: Path, tmp_path: Path) -> None:
    path = export_day(root, REGION, DAY, tmp_path / "out" / "day.nc")
    ours = open_archive(root, region=REGION).load()
    with netCDF4.Dataset(path) as raw:
        assert raw["reflectivity"].dtype == np.int16
        assert raw["vil"].filters()["zlib"]
    with xr.open_dataset(path, engine="h5netcdf") as found:  # another reader than the writer
        xr.testing.assert_equal(found[list(ours.data_vars)].rename(height_asl="height").load(), ours)
        facts = json.loads(str(found["provenance"].to_numpy()[2]))
        assert facts == read_provenance(root, REGION, MIDNIGHT + 200 * (MIDNIGHT.resolution * 360_000_000))
        assert len(decode_table(str(found["storms"].to_numpy()[0]))) == 2
        assert found.attrs["radars"] == "Z9517 Z9523"
    assert [path.name for path in path.parent.iterdir()] == ["day.nc"]


def test_zarr_opens_without_icechunk(root: Path, tmp_path: Path) -> None:
    path = export_day(root, REGION, DAY, tmp_path / "day.zarr", format="zarr")
    ours = open_archive(root, region=REGION).load()
    found = xr.open_zarr(path, consolidated=True).load()
    for name in ours.data_vars:
        # Zarr's JSON knows no float32, so other readers unpack to doubles.
        np.testing.assert_allclose(found[name].to_numpy(), ours[name].to_numpy(), atol=0, rtol=1e-6)
    assert json.loads(str(found["provenance"].to_numpy()[0]))["fingerprint"]


def test_the_view_is_exported_where_the_cubes_are_gone(tmp_path: Path) -> None:
    fill(tmp_path, [3, 4])
    compact(tmp_path, REGION, DAY)
    vil = open_archive(tmp_path, region=REGION)["vil"].to_numpy()
    expire(tmp_path, REGION, Retention(None, 0, None), MIDNIGHT.replace(year=2021))
    with xr.open_dataset(export_day(tmp_path, REGION, DAY, tmp_path / "day.nc")) as found:
        np.testing.assert_array_equal(found["vil"].to_numpy(), vil)
        assert "reflectivity" not in found
        assert "fingerprint" in str(found["provenance"].to_numpy()[1])


def test_a_failed_export_leaves_the_former_file(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "day.nc"
    target.write_bytes(b"former")

    def full(self: xr.Dataset, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full)
    with pytest.raises(OSError, match="No space"):
        export_day(root, REGION, DAY, target)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("day.nc", b"former")]


def test_a_folder_with_something_in_it_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(ArchiveError, match="there is something in this folder"):
        export_day(root, REGION, DAY, tmp_path, format="zarr")
    with pytest.raises(ArchiveError, match="no cycle of 20200611"):
        export_day(root, REGION, DAY.replace(day=11), tmp_path / "new.nc")
