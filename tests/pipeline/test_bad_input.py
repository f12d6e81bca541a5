"""Bad input: each bad file ends quarantined with a reason and a clear message; the good ones are processed."""

import bz2
import random
from pathlib import Path

import pytest

from tests.pipeline.bad_input import write_all
from wxcore.errors import ReadError
from wxcore.landing.ledger import conservation
from wxcore.pipeline.checks import accept
from wxcore.pipeline.doctor import diagnose
from wxcore.pipeline.home import Home
from wxcore.pipeline.read import read_file
from wxcore.pipeline.run import run
from wxcore.region import Region
from wxcore.times import parse_time

NOW = parse_time("2026-07-02T00:00Z")
MUTANTS = 500


def test_each_bad_file_is_quarantined_and_the_good_one_is_processed(
    tmp_path: Path, demo_files: list[Path], chongqing: Region
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = demo_files[1]
    bad = write_all(good, folder, chongqing.radars[0])
    home = Home(tmp_path / "home")
    result = run([folder, good], home, chongqing)
    outcome = {item.file: item for item in result.inputs}
    for name, (what, reasons) in bad.items():
        item = outcome[name]
        assert item.status == "quarantined", f"{what}: {item}"
        assert item.reason in reasons, f"{what}: {item}"
        assert len(item.message_en) > 20, what
        assert any("\u4e00" <= letter <= "\u9fff" for letter in item.message_zh), what
    # the same bytes under a wrong name and the right one: the bytes are good
    assert outcome[good.name].status == "stored"
    assert len(result.cycles) == 1
    assert len(result.cycles[0].storms) >= 1
    assert result.failed
    counts = conservation(home.ledger())
    assert counts.holds
    assert counts.received == len(bad) + 1


def test_doctor_says_where_a_file_breaks(tmp_path: Path, demo_files: list[Path]) -> None:
    raw = bz2.decompress(demo_files[0].read_bytes())
    (cut := tmp_path / "cut.bin").write_bytes(raw[: len(raw) - 1000])
    found = diagnose(cut)
    assert not found.readable
    assert found.format == "cinrad-standard"
    assert found.offset is not None
    assert len(raw) - 1_000_000 < found.offset < len(raw)


def mutate(raw: bytes, rng: random.Random) -> bytes:
    """Truncate, flip bits, zero a block, overwrite a header word, or glue two parts together."""
    data = bytearray(raw)
    kind = rng.randrange(5)
    if kind == 0:
        return bytes(data[: rng.randrange(len(data))])
    if kind == 1:
        for _ in range(rng.choice((1, 8, 200))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        start = rng.randrange(len(data))
        data[start : start + 4096] = bytes(min(4096, len(data) - start))
    elif kind == 3:
        start = rng.randrange(min(3500, len(data) - 4))
        data[start : start + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f"))
    else:
        start = rng.randrange(len(data))
        return bytes(data[:start] + data[start + rng.randrange(1, 5000) :])
    return bytes(data)


def refusal(path: Path, name: str, region: Region) -> ReadError | None:
    """None where the file was read, the error where it was refused; any other exception fails the test."""
    try:
        accept(read_file(path, name), name, region, NOW)
    except ReadError as error:
        return error
    return None


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "bz2"])
def test_mutants_are_read_or_refused_but_never_crash(
    tmp_path: Path, demo_files: list[Path], chongqing: Region, packed: bool
) -> None:
    rng = random.Random(2026)
    source = demo_files[0]
    raw = source.read_bytes() if packed else bz2.decompress(source.read_bytes())
    path = tmp_path / "mutant.bin"
    refused = []
    for _ in range(MUTANTS // 2):
        path.write_bytes(mutate(raw, rng))
        error = refusal(path, source.name, chongqing)
        if error is not None:
            refused.append(error)
    assert refused  # or the mutator does nothing
    assert all(error.reason and error.en and error.zh for error in refused)


def test_mutants_of_every_real_format_are_read_or_refused(tmp_path: Path, radar_data: Path, chongqing: Region) -> None:
    rng = random.Random(2027)
    sources = [
        "cinrad_base/Z_RADR_I_Z9523_20200612054032_O_DOR_SA_CAP_FMT.bin.bz2",
        "cinrad_base_legacy/Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP.bin.bz2",
        "swan/Z_OTHE_RADAMCR_20230316113000.bin.bz2",
        "rose_products/Z9778/Z9778_20250508123200Z_HI_00_59",
        "nexrad_l2/KTLX20140101_000624_V06.gz",
    ]
    for source in sources:
        packed = (radar_data / source).read_bytes()
        raw = bz2.decompress(packed) if source.endswith("bz2") else packed
        for number in range(20):
            path = tmp_path / f"mutant-{number}"
            path.write_bytes(mutate(raw, rng))
            refusal(path, Path(source).name, chongqing)
