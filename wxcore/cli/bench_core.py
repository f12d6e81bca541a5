"""`wx bench radar`: dealiasing, shear, the mosaic of fourteen radars, and the radar core of a cycle.

The radars are the region's; their volumes are the two files that are given, placed at each site in turn: real gates
at fourteen positions.
"""

import bz2
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numba
import numpy as np

from wxcore.archive.measure import median_seconds
from wxcore.cli.bench_peer import peer_seconds
from wxcore.cli.bench_table import Row, against, timed
from wxcore.landing.unpack import unpack
from wxcore.products.columns import column_products
from wxcore.radar.cinrad import read_standard
from wxcore.radar.kinematics.llsd import derivatives
from wxcore.radar.looks import look_of
from wxcore.radar.mosaic import mosaic_looks
from wxcore.radar.plane_mosaic import plane_mosaic
from wxcore.radar.planes import Plane
from wxcore.radar.prepare import Prepared, Surroundings, prepare
from wxcore.radar.siting.ground import terrain_plane
from wxcore.radar.velocity.pairing import dbz_on, reflectivity_of
from wxcore.radar.velocity.unfold import unfold
from wxcore.radar.volume import Site, Volume
from wxcore.region import RadarSite, Region, load_region
from wxcore.region.terrain import load_terrain

H0_M, HM20_M = 4500.0, 7500.0
THREADS = 2
REPEATS = 9
GIB = 1024**3

YARDSTICK = "2285142ca341d563e4e7d8b1e973961ec0324970bf5fa13b1db6d337ee27e4b1"
YARDSTICK_S = 0.110
"""sha256 of the Z9517 file of DATA.md, and the seconds that bz2.decompress of it took where the goals were measured
(PERFORMANCE.md: absolute seconds are to be divided by the run's own)."""


def slowness(paths: Sequence[Path]) -> float:
    """How much slower than the machine of PERFORMANCE.md this one is now, by its own yardstick: bz2 of Z9517; 1 where
    that file is not among the files."""
    for path in paths:
        packed = path.read_bytes()
        if hashlib.sha256(packed).hexdigest() == YARDSTICK:
            return median_seconds(partial(bz2.decompress, packed), REPEATS) / YARDSTICK_S
    return 1.0


def dealias_rows(volume: Volume, peer: str | None, machine: float) -> list[Row]:
    """Whole volume a sweep, and the fullest sweep beside Py-ART."""
    doppler = [sweep for sweep in volume.sweeps if "VRADH" in sweep.moments]
    whole = median_seconds(lambda: unfold(volume), REPEATS) / len(doppler)
    fullest = max(doppler, key=lambda sweep: sweep.moments["VRADH"].codes.size)
    alone = replace(volume, sweeps=(fullest,))
    ours = median_seconds(lambda: unfold(alone), REPEATS)
    gates = "x".join(map(str, fullest.moments["VRADH"].codes.shape))
    other = None
    if peer:
        moment = fullest.moments["VRADH"]
        other = peer_seconds(peer, {
            "velocity": moment.values(), "azimuth": fullest.azimuth, "elevation": fullest.elevation,
            "rays": np.array([fullest.azimuth.size]), "fixed": np.array([fullest.fixed_angle]),
            "range": moment.first_gate_m + moment.gate_m * np.arange(moment.codes.shape[1]),
            "site": np.zeros(3), "nyquist": np.array([fullest.nyquist]),
        })  # fmt: skip
    ratio = other / ours if other else None
    return [
        timed(f"dealias, mean of {len(doppler)} sweeps, 1 thread", whole, 0.010, machine),
        Row(f"dealias {gates}, 1 thread", ours, other, "Py-ART region based", ratio, 5, at_most=False),
    ]


def shear_row(volume: Volume, machine: float) -> Row:
    """Shear and divergence of the fullest Doppler sweep."""
    done = unfold(volume)
    number = max(
        (k for k, sweep in enumerate(done.sweeps) if sweep.velocity is not None),
        key=lambda k: done.sweeps[k].moments["VRADH"].codes.size,
    )
    sweep, partner = done.sweeps[number], reflectivity_of(done, number)
    dbz = dbz_on(sweep, partner) if partner is not None else None
    seconds = median_seconds(lambda: derivatives(sweep, dbz), REPEATS)
    return timed(f"shear and divergence of a sweep, {numba.get_num_threads()} threads", seconds, 0.015, machine)


def at_sites(volumes: Sequence[Volume], region: Region) -> list[Volume]:
    """The volumes, in turn, at the region's radars."""
    newest = max(row.valid_from for row in region.radars)
    standing = [row for row in region.radars if row.valid_to is None or row.valid_to > newest]
    return [_moved(volume, row) for volume, row in zip(cycle(volumes), standing, strict=False)]


def _moved(volume: Volume, row: RadarSite) -> Volume:
    place = {"latitude": row.lat, "longitude": row.lon, "altitude_m": row.antenna_m}
    return volume.at(replace(volume.site, id=row.id, name=row.name_en, **place))


def mosaic_rows(volumes: Sequence[Volume], region: Region, machine: float) -> list[Row]:
    """All radars to 300 km, with every column product."""
    looks = [look_of(volume) for volume in at_sites(volumes, region)]
    when = looks[0].start

    def both() -> None:
        column_products(mosaic_looks(looks, region.grid, when=when), levels_source="manual", h0_m=H0_M, hm20_m=HM20_M)

    alone = median_seconds(lambda: mosaic_looks(looks, region.grid, when=when), REPEATS)
    shape = "x".join(map(str, (*region.grid.shape, len(region.grid.levels_m))))
    return [
        timed(f"mosaic of {len(looks)} radars, {shape}, 300 km", alone, 0.25, machine),
        timed("... and all column products", median_seconds(both, REPEATS), 0.25, machine),
    ]


def core_rows(paths: Sequence[Path], region: str, machine: float) -> list[Row]:
    """Decode, control, dealias, derive, merge: in a process of its own, warm."""
    command = [sys.executable, "-m", "wxcore.cli.bench_core", region, *map(str, paths)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    return [
        timed(f"radar core of a cycle, {told['files']} files, with velocities", told["seconds"], 2.5, machine),
        timed("... critical path after the last file", told["last"], 1.0, machine),
        against("... its peak memory [GiB]", told["gib"], 1.5),
    ]


def core(paths: Sequence[Path], region: Region) -> tuple[float, float]:
    """Seconds of the whole core, and from the last file's bytes to the products where all others are ready."""
    sites = [volume.site for volume in at_sites([_decode(path) for path in paths], region)]
    ground = load_terrain()
    around = [
        Surroundings(partial(_same, terrain_plane(ground, site.latitude, site.longitude)), H0_M, HM20_M)
        for site in sites
    ]
    jobs = list(zip(islice(cycle(paths), len(sites)), sites, around, strict=True))

    def ready(job: tuple[Path, Site, Surroundings]) -> Prepared:
        return prepare(_decode(job[0]).at(job[1]), job[2])

    def together(done: Sequence[Prepared]) -> None:
        cube = mosaic_looks([one.look for one in done], region.grid, when=done[0].look.start)
        column_products(cube, levels_source="manual", h0_m=H0_M, hm20_m=HM20_M)
        plane_mosaic([share for one in done if (share := one.share) is not None], region.grid)

    wholes, lasts = [], []
    for _ in range(4):
        began = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            done = list(pool.map(ready, jobs))
        together(done)
        wholes.append(time.perf_counter() - began)
        began = time.perf_counter()
        together([*done[:-1], ready(jobs[-1])])
        lasts.append(time.perf_counter() - began)
    return float(np.median(wholes[1:])), float(np.median(lasts[1:]))


def _same(plane: Plane) -> Plane:
    return plane


def _decode(path: Path) -> Volume:
    return read_standard(unpack(path).data, path.name)


def main(region: str, paths: Sequence[str]) -> None:
    """Measure `core`, print it as JSON."""
    place = load_region(region)
    seconds, last = core([Path(path) for path in paths], place)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    files = len(at_sites([_decode(Path(paths[0]))], place))
    sys.stdout.write(json.dumps({"seconds": seconds, "last": last, "gib": peak, "files": files}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
