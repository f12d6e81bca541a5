"""A small, real-shaped file for every reader, from which mutants are made."""

import bz2
import gzip
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from tests.faults import msg31
from tests.faults.ground_seeds import ground_seeds
from tests.faults.scene import SITES, START, volume_at
from tests.faults.sky_seeds import sky_seeds
from tests.radar import (
    old_volumes,
    test_foreign,
    test_moc,
    test_phased,
    test_standard_product,
    test_swan,
    test_xradar_door,
)
from wxcore.pipeline.formats import FORMATS, SKY_HDF5
from wxcore.radar import codes
from wxcore.radar.cc_write import write_cc
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.legacy_write import write_legacy
from wxcore.radar.scd_write import write_scd
from wxcore.radar.volume import Moment, Volume
from wxcore.region import RadarSite, Region

SITE = SITES[0][0]
ODIM_NAME = "40_20181220_060600.pvol.h5"
LEGACY_NAME = f"Z_RADR_I_{SITE}_{START:%Y%m%d%H%M%S}_O_DOR_SA_CAP.bin"
DATA = Path(os.environ.get("WXCORE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "radar"

REAL = (
    ("cinrad-standard", "cinrad_base/Z_RADR_I_ZG170_20260329064800_O_DOR_YTD2_CAP_FMT.cuts1-2.bin.bz2"),
    ("cinrad-legacy", "cinrad_base_legacy/Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP.bin.bz2"),
    ("nexrad-level2", "nexrad_l2/KTLX20140101_000624_V06.gz"),
    ("nexrad-level2", "nexrad_l2/KTLX19910605_162126.gz"),
    ("odim-h5", "odim/40_20181220_060630.pvol.h5"),
    ("cinrad-product", "rose_products/Z9778/Z9778_20250508123200Z_HI_00_59"),
    ("swan-grid", "swan/Z_OTHE_RADAMCR_20230316113000.bin.bz2"),
)
"""Real files, used too where they are at hand (the long run)."""


@dataclass(frozen=True)
class Seed:
    """A good file: the reader's name, a word for the variant, its bytes unpacked, the name it comes with.

    Attributes:
        hot: where what is worth breaking begins.
        text: words and numbers, of which other ones can be made.
    """

    reader: str
    variant: str
    raw: bytes
    name: str
    hot: int = 0
    text: bool = False


def _region_site(region: Region) -> RadarSite:
    return next(site for site in region.radars if site.id == SITE)


def _small(region: Region) -> Volume:
    """The scene's volume with two cuts, a tenth of the rays and 20 gates."""
    whole = volume_at(_region_site(region), START)
    sweeps = [
        replace(
            sweep, azimuth=sweep.azimuth[::10], elevation=sweep.elevation[::10], time=sweep.time[::10],
            moments={name: _cut(moment) for name, moment in sweep.moments.items()},
        )
        for sweep in whole.sweeps[:2]
    ]  # fmt: skip
    return replace(whole, sweeps=tuple(sweeps))


def _cut(moment: Moment) -> Moment:
    return replace(moment, codes=moment.codes[::10, :20].copy())


def _legacy(region: Region, gates_z: int, gates_v: int) -> bytes:
    small = _small(region)
    sweeps = []
    for sweep in small.sweeps:
        z = sweep.moments["DBZH"]
        wide = np.resize(z.codes, (z.codes.shape[0], gates_z)).astype("u1")
        fast = np.resize(np.arange(5, 250, dtype="u1"), (z.codes.shape[0], gates_v))
        moments = {"DBZH": replace(z, codes=wide, classes=codes.CLASSES_LEGACY)}
        for name in ("VRADH", "WRADH"):
            moments[name] = Moment(fast, 2.0, 129.0, 125.0, 250.0, codes.CLASSES_LEGACY)
        sweeps.append(replace(sweep, moments=moments))
    return write_legacy(replace(small, sweeps=tuple(sweeps)))


def _dual(region: Region) -> Volume:
    """Two-byte and dual-polarisation moments, as newer radars write them."""
    small = _small(region)
    sweep = small.sweeps[0]
    z = sweep.moments["DBZH"]
    wide = Moment(np.full(z.codes.shape, 9000, "u2"), 100.0, 50.0, z.first_gate_m, z.gate_m, codes.CLASSES_U2)
    zdr = Moment(np.full(z.codes.shape, 140, "u1"), 16.0, 130.0, z.first_gate_m, z.gate_m, codes.CLASSES_U1)
    return replace(small, sweeps=(replace(sweep, moments={"DBZH": z, "ZDR": zdr, "PHIDP": wide}),))


def _radar(region: Region) -> list[Seed]:
    name = "volume.bin"
    sizes = ((20, 40, "2432"), (500, 900, "4132"), (1000, 2000, "own"), (1000, 1000, "3132"))
    return [
        Seed("cinrad-standard", "single", write_standard(_small(region)), name),
        Seed("cinrad-standard", "dual", write_standard(_dual(region)), name),
        *(
            Seed("cinrad-3132" if word == "3132" else "cinrad-legacy", word, _legacy(region, z, v), LEGACY_NAME)
            for z, v, word in sizes
        ),
        Seed("nexrad-level2", "msg1", test_xradar_door.nexrad(), "KTLX19910605_162126"),
        Seed("nexrad-level2", "msg1-blocks", test_xradar_door.nexrad(blocks=True), "KTLX19910605_162126"),
        Seed("nexrad-level2", "msg31", msg31.msg31(), "KTLX20140101_000624_V06", msg31.HOT),
        Seed("odim-h5", "pvol", test_xradar_door.odim(), ODIM_NAME),
        Seed("odim-h5", "strings", with_strings(test_xradar_door.odim()), ODIM_NAME),
    ]


def with_strings(data: bytes) -> bytes:
    """The HDF5 file with its text attributes of variable length, as many tools write them: in a heap."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        groups: list[h5py.Group] = []
        file.visititems(lambda _, item: groups.append(item))
        for group in (file, *groups):
            for key, value in list(group.attrs.items()):
                if isinstance(value, bytes):
                    group.attrs[key] = value.decode()
    return buffer.getvalue()


def _plane(size: int = 40) -> np.ndarray:
    return np.arange(size * size, dtype="i4").reshape(size, size)


def _grids() -> list[Seed]:
    """Mosaics over the region, north row first."""
    dbz = (_plane() % 600).astype("i2")
    edges = (29000, 106000, 29400, 106400)
    planes = np.stack([_plane() % 180 + 20] * 3)
    mosaic = {"label": b"TDMOSAIC_20230316193000", "heights": (1.0, 3.0, 6.0)}
    body = bz2.compress(dbz.tobytes())
    seeds = [
        Seed("cma-moc", "plain", test_moc.moc(dbz, edges=edges, nx=40, ny=40), test_moc.NAME),
        Seed("cma-moc", "bz2", test_moc.moc(edges=edges, compression=1, body=body, nx=40, ny=40), test_moc.NAME),
    ]
    for dtype, calibration in ((0, (0.0, 0.0)), (1, (-33.0, 0.5)), (2, (-33.0, 0.5)), (3, (0.0, 0.1))):
        cube = test_swan.swan(planes % 127, dtype=dtype, calibration=calibration, **mosaic)  # type: ignore[arg-type]
        seeds.append(Seed("swan-grid", f"mosaic-{dtype}", _placed(cube), "mosaic.bin"))
    flat = test_swan.swan(planes[:1])
    return [*seeds, Seed("swan-grid", "composite", _placed(flat), test_swan.NAME)]


def _placed(data: bytes) -> bytes:
    """The test's SWAN file with its corner (at bytes 88: west, north) moved onto the region."""
    head = bytearray(data)
    head[88:96] = np.array([106.0, 29.4], "<f4").tobytes()
    return bytes(head)


def _products() -> list[Seed]:
    made = test_standard_product
    bodies = {"hail": (38, made.hail()), "raster": (18, made.raster(_plane(12) % 200)),
              "radials": (1, made.radials([[66, 106], [146], [66, 66, 86]]))}  # fmt: skip
    return [Seed("cinrad-product", word, made.product(kind, body), "p") for word, (kind, body) in bodies.items()]


def small_seeds(region: Region) -> list[Seed]:
    """A seed or more for every one of FORMATS."""
    refused = [Seed(name, str(k), data, "x") for k, (name, data) in enumerate(test_foreign.SAMPLES)]
    older = [
        Seed("cinrad-cc", "cc", write_cc(old_volumes.cc_volume([(6, 40)])), "x"),
        Seed("cinrad-sc-cd", "scd", write_scd(old_volumes.scd_volume([(6, 40)])), "x"),
        Seed("cinrad-phased", "phased", test_phased.by_hand(), "x"),
    ]
    skies, grounds = ([Seed(*made) for made in seeds()] for seeds in (sky_seeds, ground_seeds))
    return [*_radar(region), *_grids(), *_products(), *refused, *older, *skies, *grounds]


def real_seeds() -> list[Seed]:
    """Real files that are here, opened from their outer compression."""
    seeds = []
    for reader, place in REAL:
        path = DATA / place
        if path.is_file():
            data = path.read_bytes()
            opener = bz2.decompress if data[:3] == b"BZh" else gzip.decompress if data[:2] == b"\x1f\x8b" else bytes
            seeds.append(Seed(reader, "real", opener(data), path.name.removesuffix(".bz2").removesuffix(".gz")))
    return seeds


def format_names() -> set[str]:
    """The names of everything that landing recognises."""
    return {found.name for found in (*FORMATS, *SKY_HDF5)}
