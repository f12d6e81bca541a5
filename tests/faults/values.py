"""A6: sentinels, NaN and infinities in radar and mosaic inputs reach no feature, product or text."""

import json
import math
import re
import struct
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from tests.faults import grids
from tests.faults.ground_seeds import ground_region, ground_seeds
from tests.faults.harness import Outcome, Tally
from tests.faults.scene import REGION, START, tiny_region, volume_at
from tests.radar import test_xradar_door
from wxcore.archive.read import open_archive
from wxcore.landing.land import landed_path
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.read import read_file
from wxcore.pipeline.result import STORED, CycleResult
from wxcore.pipeline.run import run
from wxcore.radar import codes as cinrad_codes
from wxcore.radar.cinrad_write import write_standard
from wxcore.region import Region
from wxcore.schema import MOSAIC, PRODUCTS, STORMS, check, check_table
from wxcore.station.ftm_write import PLACES
from wxcore.station.music_write import COLUMN_OF
from wxcore.station.reports import Reports
from wxcore.times import cycle_of, parse_time

CODES = (-32768, 32767, 32766, -9999, 9999, -999, -9990, 9990, -32767, -1, 32000)
"""Fill codes and sentinels as int16; in tenths of dBZ 9999 is 999.9. -1 is an ordinary -0.1 dBZ."""

FLOATS = (np.nan, np.inf, -np.inf, 999.9, -9999.0, 32766.0, 1e38, -1e38, 1e-45, 9.96921e36, -999.0, 0.0)
"""Floating-point fill values (9.96921e36 is netCDF's), ends and zeros."""

SAID = re.compile(r"(?<![\w.])(nan|inf|infinity|none|-?9999(\.\d)?|999\.9|-?32766|-?32767|-?32768)(?![\w])", re.I)
"""A sentinel in words."""

Maker = Callable[[np.random.Generator, Region], bytes]


def _sprinkled(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    where = rng.random(shape) < rng.uniform(0.02, 0.4)
    return where, rng.choice(np.array(CODES, "i2"), shape)


def swan(rng: np.random.Generator, _region: Region) -> bytes:
    """A mosaic with sentinels among its codes, in the storm as well."""
    codes = grids.tenths(grids.stacked(grids.field()))
    where, bad = _sprinkled(rng, codes.shape)
    return grids.swan_mosaic(np.where(where, bad, codes), START)


def moc(rng: np.random.Generator, _region: Region) -> bytes:
    """A composite with sentinels among its codes."""
    codes = grids.tenths(grids.field())
    where, bad = _sprinkled(rng, codes.shape)
    return grids.moc_composite(np.where(where, bad, codes), START)


def calibrated(offset: float, scale: float) -> bytes:
    """A mosaic whose calibration is whatever is given."""
    data = bytearray(grids.swan_mosaic(grids.tenths(grids.stacked(grids.field())), START))
    struct.pack_into("<2f", data, 856, offset, scale)
    return bytes(data)


def calibration(rng: np.random.Generator, _region: Region) -> bytes:
    """A mosaic with a sentinel for a calibration."""
    one, two = rng.choice(np.array(FLOATS, "f4"), 2)
    return calibrated(float(one), float(two)) if rng.random() < 0.5 else calibrated(0.0, float(two))


def volume(rng: np.random.Generator, region: Region) -> bytes:
    """A volume whose reflectivity has a sentinel for a scale or an offset, in the header of its moments."""
    raw = bytearray(write_standard(volume_at(region.radars[0], START - timedelta(minutes=5))))
    sentinel = int(rng.choice([-9999, 9999, 32766, 2**31 - 1, -(2**31), 0, -745, 65535]))
    at_word = int(rng.integers(1, 3))
    stride = cinrad_codes.RADIAL_BYTES + cinrad_codes.MOMENT_BYTES + 60
    (cuts,) = struct.unpack_from("<i", raw, cinrad_codes.TASK_AT + 176)
    first = cinrad_codes.CUTS_AT + 256 * cuts + cinrad_codes.RADIAL_BYTES
    for at in range(first, len(raw), stride):
        struct.pack_into("<i", raw, at + 4 * at_word, sentinel)
    return bytes(raw)


def odim(rng: np.random.Generator, _region: Region) -> bytes:
    """Floating-point ODIM data with sentinels in it, that its header does not declare."""
    data = rng.choice(np.array(FLOATS, "f4"), (4, 3))
    return test_xradar_door.odim(codes=data, nodata=-8888.0, undetect=-7777.0)


MAKERS: dict[str, Maker] = {"swan": swan, "moc": moc, "calibration": calibration, "volume": volume, "odim": odim}


def judge(data: bytes, kind: str, folder: Path, region: Region) -> list[str]:
    """Run the cycle of one file; what is wrong with what it says."""
    path = folder / f"{kind}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    home = Home(folder / "home")
    when = cycle_of(parse_time("2018-12-20T06:06:00Z")) if kind == "odim" else START
    try:
        result = run([path], home, region, at=when, heights=(5000.0, 8300.0))
    except Exception as error:  # noqa: BLE001 (nothing may come out of a run but its result)
        return [f"the run died of {type(error).__name__}: {str(error)[:200]}"]
    found: list[str] = []
    for cycle in result.cycles:
        found += _features(cycle, truth_known=kind in {"swan", "moc"})
        cube = open_archive(home.archive, region=REGION)
        check_range(cube, found)
    said = [failure.message_en for failure in result.failures]
    return found + [f"a text says {match[0]!r}" for text in said if (match := SAID.search(text))]


def check_range(cube: object, found: list[str]) -> None:
    """Add what the schema finds wrong with an archive's fields."""
    try:
        check(cube, MOSAIC + PRODUCTS, what="archive")  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001
        found.append(str(error)[:300])


def _features(cycle: CycleResult, *, truth_known: bool) -> list[str]:
    found: list[str] = []
    try:
        check_table(cycle.storms, STORMS, what="storms")
    except Exception as error:  # noqa: BLE001
        found.append(str(error)[:300])
    numbers = cycle.storms.select_dtypes("number")
    for name in numbers:
        values = numbers[name].to_numpy(dtype="f8")
        if np.isinf(values).any() or np.isin(np.round(values, 1), (999.9, -9999.0, 32766.0, 32767.0)).any():
            found.append(f"storms.{name} holds {values[:5]}")
    if truth_known and len(cycle.storms) and float(cycle.storms["max_dbz"].max()) > grids.STORM_DBZ + 0.5:
        found.append(f"a storm of {cycle.storms['max_dbz'].max()} dBZ where the truth is {grids.STORM_DBZ}")
    for item in cycle.drafts:
        words = (item.headline_en, item.headline_zh, item.description_en, item.description_zh)
        found += [f"a warning says {match[0]!r}: {text[:80]}" for text in words if (match := SAID.search(text))]
    return found


def sentinels(n: int, seed: int, folder: Path) -> Outcome:
    """`n` files with sentinels, by turns of every kind, each through ingest and a cycle."""
    rng, tally = np.random.default_rng(seed), Tally()
    region = tiny_region(folder / "meta", foreign=True)
    for number in range(n):
        kind = list(MAKERS)[number % len(MAKERS)]
        data = MAKERS[kind](rng, region)
        tally.add(f"{kind} {number} of seed {seed}", judge(data, kind, folder / f"{number}", region))
    return tally.outcome("A6 sentinels")


FTM_CODES = ("/", "9", "32766", "32744", "32767")
"""Of one character: so often as the field is wide."""

MUSIC_CODES = ("999999", "999998", "999996", "999990", "999999.0", "", "NaN", "-")
FIELDS = ("air_temperature", "air_pressure", "wind_speed_of_gust", "precipitation_1h")


def _spoiled_ftm(raw: bytes, code: str) -> bytes:
    """The regional FTM file with the code for every one of FIELDS in its first report."""
    lines = raw.decode().split("\n")
    first = int(lines[0].startswith("#"))
    for field in FIELDS:
        line, token = PLACES[field]
        words = lines[first + line].split(" ")
        words[token] = code * len(words[token]) if len(code) == 1 else code
        lines[first + line] = " ".join(words)
    return "\n".join(lines).encode()


def _spoiled_music(raw: bytes, code: str) -> bytes:
    answer = json.loads(raw)
    answer["DS"][0] |= dict.fromkeys([COLUMN_OF[field] for field in FIELDS], code)
    return json.dumps(answer).encode()


def station_sentinels(n: int, seed: int, folder: Path) -> Outcome:
    """A6: `n` files of stations whose first report has a sentinel for every value, through ingest: they are missing."""
    rng, tally, region = np.random.default_rng(seed), Tally(), ground_region(folder / "meta")
    seeds = {one.reader: one for one in reversed(ground_seeds())}
    kinds = [("ftm-regional", code) for code in FTM_CODES] + [("music-json", code) for code in MUSIC_CODES]
    for number in range(n):
        reader, code = kinds[int(rng.integers(0, len(kinds)))] if number >= len(kinds) else kinds[number]
        good = seeds[reader]
        path = folder / f"{number}" / good.name
        path.parent.mkdir()
        path.write_bytes((_spoiled_ftm if reader == "ftm-regional" else _spoiled_music)(good.raw, code))
        home = Home(folder / f"{number}" / "home")
        (item,) = ingest([path], home, region)
        if item.status != STORED:
            tally.add(f"{reader} {code!r}", [f"{item.status} {item.reason} {item.message_en}"])
            continue
        native = read_file(landed_path(home.landing, item.sha256), item.file, region.grid.bounds).native
        assert isinstance(native, Reports)
        told = {field: float(native.values[field][0]) for field in FIELDS if field in native.values}
        found = [f"{field} is {value}" for field, value in told.items() if not math.isnan(value)]
        tally.add(f"{reader} {code!r}", found)
    return tally.outcome("A6 sentinels of stations")
