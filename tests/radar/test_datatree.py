"""The CfRadial2/FM301 view and the xarray engine."""

import bz2
import gzip
import io
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import xradar

from tests.radar import samples
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.radar import backend
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.datatree import sweep_dataset, to_datatree
from wxcore.radar.legacy_write import write_legacy
from wxcore.radar.volume import FOLDED, MISSING, NO_ECHO, QC_SPECKLE, Sweep, Volume


@pytest.fixture
def volume() -> Volume:
    return samples.split_cut_volume()


def pack(data: bytes, how: str) -> bytes:
    return {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress}[how](data)


def test_root(volume: Volume) -> None:
    tree = to_datatree(volume)
    assert list(tree.children) == ["sweep_0", "sweep_1", "sweep_2"]
    assert (float(tree.latitude), float(tree.longitude), float(tree.altitude)) == (33.25, 118.5, 66.0)
    assert tree.sweep_group_name.to_numpy().tolist() == ["sweep_0", "sweep_1", "sweep_2"]
    assert tree.sweep_fixed_angle.to_numpy().tolist() == [0.5, 0.5, 1.5]
    assert str(tree.time_coverage_start.item()) == "2020-06-12T05:39:20Z"
    assert str(tree.time_coverage_end.item()) == "2020-06-12T05:40:20Z"  # 60 s + 7 x 87 ms
    assert tree.attrs["instrument_name"] == "Z9517"


def test_rays_are_sorted_by_azimuth_and_carry_their_own_values(volume: Volume) -> None:
    sweep = volume.sweeps[0]
    ds = to_datatree(volume)["sweep_0"].to_dataset()
    assert (np.diff(ds.azimuth) > 0).all()
    table = sweep.moments["DBZH"].values()
    for ray in range(sweep.azimuth.size):
        row = ds.sel(azimuth=sweep.azimuth[ray])
        np.testing.assert_array_equal(row.DBZH, table[ray])
        assert row.time == sweep.time[ray]
    assert ds.DBZH.dtype == np.float32
    assert ds.DBZH.attrs["units"] == "dBZ"
    assert (float(ds.sweep_fixed_angle), float(ds.nyquist_velocity)) == (0.5, 26.5)


def test_one_axis_for_coarse_and_fine_gates(volume: Volume) -> None:
    """17 gates of 1000 m and 40 of 250 m: 68 fine gates; each coarse one fills the four that lie in it."""
    sweep = volume.sweeps[2]
    ds = to_datatree(volume)["sweep_2"].to_dataset()
    np.testing.assert_array_equal(ds.range, 125 + 250 * np.arange(68))
    order = np.argsort(sweep.azimuth)
    np.testing.assert_array_equal(ds.DBZH, np.repeat(sweep.moments["DBZH"].values()[order], 4, axis=1))
    np.testing.assert_array_equal(ds.VRADH[:, :40], sweep.moments["VRADH"].values()[order])
    assert np.isnan(ds.VRADH[:, 40:]).all()
    assert (ds.VRADH_class[:, 40:] == MISSING).all()
    assert (ds.DBZH.attrs["native_gate_m"], ds.VRADH.attrs["native_gate_m"]) == (1000.0, 250.0)


def test_no_echo_is_not_no_data() -> None:
    raw = np.array([[0, 1, 4, 100]], "u1")
    ds = sweep_dataset(samples.sweep({"DBZH": samples.moment(raw)}), 0, samples.SITE)
    assert np.isnan(ds.DBZH[0, :3]).all()
    assert ds.DBZH_class[0].to_numpy().tolist() == [NO_ECHO, FOLDED, MISSING, 0]
    assert float(ds.DBZH[0, 3]) == 17.0
    assert ds.DBZH_class.attrs["flag_meanings"] == "echo no_echo folded missing"
    assert float(ds.altitude) == 66.0


def test_quality_flags_travel() -> None:
    plain = samples.sweep({"DBZH": samples.moment(np.full((3, 4), 90, "u1"))}, first_azimuth=300)
    qc = np.zeros((3, 4), np.uint8)
    qc[0, 1] = QC_SPECKLE  # the ray at 300 degrees comes last when sorted
    flagged = Sweep(**{**vars(plain), "qc": qc})
    ds = sweep_dataset(flagged, 0)
    assert ds.DBZH_qc.to_numpy().tolist() == [[0] * 4, [0] * 4, [0, QC_SPECKLE, 0, 0]]
    assert "DBZH_qc" not in sweep_dataset(plain, 0)


def test_a_volume_without_sweeps_has_no_tree() -> None:
    with pytest.raises(ValueError, match="without sweeps"):
        to_datatree(samples.volume())


@pytest.mark.parametrize("how", ["plain", "gz", "bz2"])
def test_engine_by_name_and_by_guess(tmp_path: Path, volume: Volume, how: str) -> None:
    path = tmp_path / "anything.at.all"
    path.write_bytes(pack(write_standard(volume), how))
    tree = xr.open_datatree(path, engine="cinrad")
    xr.testing.assert_identical(tree, to_datatree(volume))
    xr.testing.assert_identical(xr.open_datatree(path), tree)
    ds = xr.open_dataset(path, engine="cinrad", group="sweep_1", drop_variables="WRADH")
    assert "WRADH" not in ds
    np.testing.assert_array_equal(ds.VRADH, tree["sweep_1"].VRADH)
    assert float(ds.longitude) == 118.5
    xr.testing.assert_identical(
        xr.open_dataset(path, engine="cinrad"), xr.open_dataset(path, engine="cinrad", group="/sweep_0")
    )


def test_engine_reads_legacy(tmp_path: Path) -> None:
    raw = np.arange(80, dtype="u1").reshape(4, 20)
    path = tmp_path / "Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP.bin.bz2"
    path.write_bytes(bz2.compress(write_legacy(samples.volume(samples.sweep({"DBZH": samples.moment(raw)})))))
    tree = xr.open_datatree(path)
    assert tree.attrs["instrument_name"] == "Z9517"
    assert np.isnan(tree.latitude)
    assert tree["sweep_0"].DBZH.shape == (4, 20)


def test_engine_reads_bytes_and_open_files(volume: Volume) -> None:
    data = bz2.compress(write_standard(volume))
    for source in (data, io.BytesIO(data)):
        assert len(backend.open_volume(source).sweeps) == 3


def test_what_it_refuses(tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    good = write_standard(volume)
    cases = {
        "empty": (b"", Reason.EMPTY),
        "other": (b"something else" * 100, Reason.UNKNOWN_FORMAT),
        "bz2 cut off": (bz2.compress(good)[:-20], Reason.TRUNCATED),
        "gz cut off": (gzip.compress(good)[:-20], Reason.TRUNCATED),
        "bz2 damaged": (b"BZh9" + bytes(200), Reason.BAD_COMPRESSION),
        "gz damaged": (b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 200, Reason.BAD_COMPRESSION),
    }
    for name, (data, reason) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ReadError) as caught:
            backend.open_volume(path)
        assert caught.value.reason is reason, name
        assert "cut off" in name or not backend.CinradBackend().guess_can_open(path)
    with pytest.raises(ReadError) as caught:
        backend.open_volume(tmp_path / "nowhere")
    assert caught.value.reason is Reason.NOT_FOUND
    with pytest.raises(ReadError) as caught:
        backend.open_volume(tmp_path)
    assert caught.value.reason is Reason.IS_DIRECTORY
    monkeypatch.setattr(backend, "MAX_BYTES", 4096)
    with pytest.raises(LimitError):
        backend.open_volume(bz2.compress(bytes(10_000_000)))


def test_no_such_sweep(volume: Volume) -> None:
    data = write_standard(volume)
    with pytest.raises(ValueError, match="sweeps 0 to 2"):
        xr.open_dataset(io.BytesIO(data), engine="cinrad", group=3)
    with pytest.raises(ValueError, match="expected sweep_0"):
        backend.CinradBackend().open_dataset(data, group="-1")


def test_xradar_places_and_exports_it(tmp_path: Path, volume: Volume) -> None:
    """xradar as oracle: the gate straight east of the antenna at 0.5 degree lies east of it."""
    placed = to_datatree(volume).xradar.georeference()
    near = placed["sweep_0"].ds.sel(azimuth=90, method="nearest").isel(range=10)
    azimuth = np.deg2rad(float(near.azimuth))
    ground = 10_500 * np.cos(np.deg2rad(0.5))
    assert float(near.x) == pytest.approx(ground * np.sin(azimuth), rel=1e-3)
    assert float(near.y) == pytest.approx(ground * np.cos(azimuth), rel=1e-3, abs=5)
    xradar.io.to_cfradial2(to_datatree(volume), tmp_path / "two.nc")
    with xr.open_datatree(tmp_path / "two.nc", engine="h5netcdf") as tree:
        ours = to_datatree(volume)["sweep_2"].to_dataset().sortby("time")
        np.testing.assert_array_equal(tree["sweep_2"].VRADH, ours.VRADH)
    alike = samples.volume(*(samples.sweep(volume.sweeps[0].moments, a, late_s=60 * a) for a in (0.5, 1.5)))
    xradar.io.to_cfradial1(to_datatree(alike), tmp_path / "one.nc")
    with xr.open_dataset(tmp_path / "one.nc", engine="h5netcdf") as flat:
        assert flat.sizes["time"] == 14


def test_real_volume(radar_data: Path) -> None:
    (path,) = (radar_data / "cinrad_base").glob("*Z9517*")
    tree = xr.open_datatree(path, engine="cinrad")
    assert len(tree.children) == 11
    assert float(max(node.DBZH.max() for node in tree.children.values() if "DBZH" in node)) == 65.5
    assert tree["sweep_4"].DBZH.shape == tree["sweep_4"].VRADH.shape == (372, 332 * 4)
