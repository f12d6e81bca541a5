"""`wx doctor` on every real radar file: what it is, and whether we read it."""

from pathlib import Path

import pytest

from tests.radar import old_volumes, samples
from wxcore.pipeline.doctor import Diagnosis, diagnose
from wxcore.radar.cc_write import write_cc
from wxcore.radar.codes import UNMET
from wxcore.radar.phased_write import write_phased
from wxcore.radar.scd_write import write_scd

EXPECTED = {
    "cinrad_base": ("cinrad-standard", True),
    "cinrad_base_legacy": ("cinrad-legacy", True),
    "cma_mosaic_cref": ("cma-moc", True),
    "swan": ("swan", True),
    "rose_products": ("cinrad-product", True),
    "nexrad_l2": ("nexrad", True),
    "odim": ("odim", True),
    "nexrad_l3_moore_20130520": ("nexrad-level3", False),
    "pup_guangzhou_20110916": ("nexrad-level3", False),
    "pysteps_fmi_20160928": ("pgm", False),
    "pysteps_mch_20160711": ("gif", False),
}
FIRST_OF_MANY = 3


def files(folder: Path) -> list[Path]:
    """A few of the alike ones, all of the rest."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    many = folder.name.startswith(("pysteps", "pup", "nexrad_l3", "cma"))
    return found[:FIRST_OF_MANY] if many else found


@pytest.mark.parametrize("folder", EXPECTED)
def test_doctor_is_right_on_real_files(radar_data: Path, folder: str) -> None:
    prefix, readable = EXPECTED[folder]
    for path in files(radar_data / folder):
        found = diagnose(path)
        assert found.readable is readable, found
        assert found.format.startswith(prefix), found
        assert len(found.message_en) > 20
        assert any("\u4e00" <= letter <= "\u9fff" for letter in found.message_zh)
        if not readable:
            assert found.reason == "UNSUPPORTED"


NEW = {
    "cinrad-cc": write_cc(old_volumes.cc_volume([(6, 10)])),
    "cinrad-sc-cd": write_scd(old_volumes.scd_volume([(6, 10)])),
    "cinrad-phased": write_phased(samples.split_cut_volume()),
}


@pytest.mark.parametrize("name", NEW)
def test_doctor_says_that_no_real_file_was_met(tmp_path: Path, name: str) -> None:
    path = tmp_path / "volume.bin"
    path.write_bytes(NEW[name])
    found = diagnose(path)
    assert (found.readable, found.format, found.reason) == (True, name, "")
    assert UNMET in found.message_en
    assert "not yet met a real file" in found.message_en
    assert "尚未经实际文件验证" in found.message_zh


def only(radar_data: Path, pattern: str) -> Diagnosis:
    (path,) = radar_data.glob(pattern)
    return diagnose(path)


def test_doctor_names_site_scan_and_moments(radar_data: Path) -> None:
    huaian = only(radar_data, "cinrad_base/*Z9517*")
    assert (huaian.site, huaian.sweeps, huaian.time) == ("Z9517", 11, "2020-06-12T05:39:20Z")
    assert {"DBZH", "VRADH", "WRADH"} <= set(huaian.moments)
    xband = only(radar_data, "cinrad_base/*ZG170*")
    assert xband.site == "ZG170"
    assert {"DBZH", "ZDR", "RHOHV", "PHIDP"} <= set(xband.moments)
    assert only(radar_data, "odim/40_*").site == "AU40"
    assert only(radar_data, "nexrad_l2/KTLX1991*").site == "KTLX"
    assert only(radar_data, "swan/*MOSAIC*").time == "2023-03-16T11:30:00Z"
