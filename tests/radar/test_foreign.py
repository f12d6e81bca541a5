"""Files that are recognised only to be refused with good words."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.ground_seeds import ground_seeds
from tests.radar import (
    old_volumes,
    samples,
    test_legacy,
    test_moc,
    test_phased,
    test_standard_product,
    test_swan,
    test_xradar_door,
)
from wxcore.errors import ReadError, Reason
from wxcore.pipeline.formats import FORMATS as ALL
from wxcore.radar import moc, standard_product, swan, xradar_door
from wxcore.radar.cc_write import write_cc
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.foreign import FORMATS, describe
from wxcore.radar.phased_write import write_phased
from wxcore.radar.scd_write import write_scd
from wxcore.schema import Format

READ = (moc.FORMAT, swan.FORMAT, standard_product.FORMAT, *xradar_door.FORMATS)


def level3(code: int = 94, day: int = 15846, second: int = 73_003) -> bytes:
    """A message header and the start of a product description (ICD 2620001)."""
    head = struct.pack(">hHIIhhh", code, day, second, 120, 200, 0, 3)
    return head + struct.pack(">hiihhhhhhHI", -1, 35_333, -97_278, 1277, code, 2, 12, 0, 1, day, second)


def claimants(head: bytes) -> list[Format]:
    return [found for found in (*READ, *FORMATS) if found.recognise(head)]


SAMPLES = [
    ("nexrad-level3", b"SDUS54 KOUN 202016\r\r\nN0QTLX\r\r\n" + level3()),
    ("nexrad-level3", b"\x01\r\r\n123 \r\r\nSDUS54 KOUN 202016\r\r\nN0QTLX\r\r\n" + level3()),
    ("nexrad-level3", b"SDUS64 KOUN 202016\r\r\nNCZTLX\r\r\nno message"),
    ("nexrad-level3", level3(37)),
    ("pgm", b"P5\n# obstime 201609281445\n760 1226\n255\n"),
    ("gif", b"GIF89a"),
    ("png", b"\x89PNG\r\n\x1a\n"),
    ("jpeg", b"\xff\xd8\xff\xe0"),
    ("tiff", b"II*\0"),
    ("bufr", b"BUFR"),
    ("netcdf3", b"CDF\1"),
    ("hdf5", b"\x89HDF\r\n\x1a\n" + b"NOMChannel01"),
]


@pytest.mark.parametrize(("name", "data"), SAMPLES)
def test_one_format_claims_it_and_refuses(name: str, data: bytes) -> None:
    (found,) = claimants(data)
    assert found.name == name
    with pytest.raises(ReadError) as caught:
        found.read(data, "x")
    assert caught.value.reason is Reason.UNSUPPORTED
    assert "not an input" in caught.value.en
    assert "不作为输入" in caught.value.zh


def test_level3_says_what_it_is() -> None:
    # 2013-05-20 is day 15846 where 1970-01-01 is day 1; 73,003 s is 20:16:43
    with pytest.raises(ReadError) as caught:
        FORMATS[0].read(SAMPLES[0][1], "x")
    for words in ("94 DR", "TLX", "35.333N", "-97.278E", "VCP12", "2013-05-20T20:16:43Z"):
        assert words in caught.value.en


def test_pup_says_its_source() -> None:
    with pytest.raises(ReadError, match="37 CR composite reflectivity, source 200"):
        FORMATS[0].read(level3(37), "20110916.000001.00.37.200")


def test_pgm_says_its_time() -> None:
    pgm = next(found for found in FORMATS if found.name == "pgm")
    with pytest.raises(ReadError, match="obstime 201609281445"):
        pgm.read(SAMPLES[4][1], "x")


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\0%" * 60, b"RSTM" + bytes(60), level3(8), level3()[:40]])
def test_others_are_not_claimed(data: bytes) -> None:
    assert claimants(data) == []


def test_nothing_is_described() -> None:
    with pytest.raises(ReadError):
        describe(b"")


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([data for _, data in SAMPLES]), st.binary(max_size=80), st.integers(0, 120))
def test_any_bytes_are_refused_in_order(seed: bytes, noise: bytes, start: int) -> None:
    data = seed[:start] + noise + seed[start + len(noise) :]
    for found in FORMATS:
        found.recognise(data)
        with pytest.raises(ReadError):
            found.read(data, "x")


def everything() -> list[tuple[str, bytes]]:
    """A sample or more of every format that is known: (name, bytes)."""
    product = test_standard_product
    planes = np.stack([np.arange(1600).reshape(40, 40) % 120] * 3)
    return [
        ("cinrad-standard", write_standard(samples.split_cut_volume())),
        ("cinrad-phased", write_phased(samples.split_cut_volume())),
        ("cinrad-phased", test_phased.by_hand(384)),
        ("cinrad-cc", write_cc(old_volumes.cc_volume([(6, 40), (5, 30)]))),
        ("cinrad-sc-cd", write_scd(old_volumes.scd_volume([(6, 40), (5, 30)]))),
        ("cinrad-legacy", test_legacy.write_legacy(test_legacy.two_cuts())),
        ("cinrad-3132", test_legacy.write_legacy(test_legacy.two_cuts(1000, 1000))),
        ("cinrad-product", product.product(38, product.hail())),
        ("cinrad-product", product.product(18, product.raster([[66, 70]]))),
        ("cma-moc", test_moc.moc()),
        ("swan-grid", test_swan.swan(planes)),
        ("nexrad-level2", test_xradar_door.nexrad()),
        ("odim-h5", test_xradar_door.odim()),
        *SAMPLES,
        ("awx", b"DMGL2900.AWX\0\0\x28\0".ljust(30, b"\0") + b"SAT2004\0\0\0FY2G".ljust(40, b"\0")),
        ("adtd-text", b"1 2018-06-26 08:00:01.1234567 lat=29.5631 lon=106.5512 strength=-35.2\n"),
        *((seed.reader, seed.raw) for seed in ground_seeds()),
    ]


def test_every_format_claims_its_own_bytes_and_no_other() -> None:
    known = everything()
    assert {name for name, _ in known} == {found.name for found in ALL}
    for name, data in known:
        found = [one.name for one in ALL if one.recognise(data[:8192])]
        assert found in ([name], [name, "bufr"]), name  # "bufr" takes what no room reads


def test_real_files_have_one_claimant(radar_data: Path) -> None:
    wanted = {
        "nexrad_l3_moore_20130520": "nexrad-level3", "pup_guangzhou_20110916": "nexrad-level3",
        "pysteps_fmi_20160928": "pgm", "pysteps_mch_20160711": "gif", "odim": "odim-h5", "nexrad_l2": "nexrad-level2",
        "rose_products": "cinrad-product", "cma_mosaic_cref": "cma-moc",
    }  # fmt: skip
    for folder, name in wanted.items():
        for path in (p for p in (radar_data / folder).rglob("*") if p.is_file()):
            data = path.read_bytes()
            data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            assert [found.name for found in ALL if found.recognise(data[:8192])] == [name], path
