"""Peer of `wx bench satellite`, run by another interpreter: satpy on the same file and grid."""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pyresample import AreaDefinition
from satpy import Scene

REPEATS = 3


def main(path: Path, out: Path) -> None:
    """Load and resample three times, without and with a cache; values to `out`, medians in seconds as JSON.

    `out` is an npz that holds the names of the channels and the grid (bounds, shape); it is replaced.
    """
    given = np.load(out)
    names = [str(name) for name in given["names"]]
    lines, columns = (int(count) for count in given["shape"])
    area = AreaDefinition("grid", "", "", "EPSG:4326", columns, lines, tuple(given["bounds"]))
    fields, plain = _timed(path, names, area, None)
    with tempfile.TemporaryDirectory() as folder:
        _once(path, names, area, folder)  # fills the cache
        _, cached = _timed(path, names, area, folder)
    np.savez(out, **fields)
    sys.stdout.write(json.dumps({"plain": plain, "cached": cached}) + "\n")


def _timed(path: Path, names: list[str], area: AreaDefinition, cache: str | None) -> tuple[dict[str, Any], float]:
    times = []
    fields: dict[str, Any] = {}
    for _ in range(REPEATS):
        began = time.perf_counter()
        fields = _once(path, names, area, cache)
        times.append(time.perf_counter() - began)
    return fields, statistics.median(times)


def _once(path: Path, names: list[str], area: AreaDefinition, cache: str | None) -> dict[str, Any]:
    scene = Scene(reader="agri_fy4b_l1", filenames=[str(path)])
    scene.load(names)
    options = {"cache_dir": cache} if cache else {}
    placed = scene.resample(area, datasets=names, resampler="nearest", **options)
    return {name: placed[name].values for name in names}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
