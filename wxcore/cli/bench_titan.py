"""Peer of `wx bench stations`, run by another interpreter: titanlib's buddy check and spatial consistency test."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import titanlib

INNER_M, OUTER_M = 50_000.0, 100_000.0
"""Circles of its boxes: stations of the inner one are judged by those of the outer one."""
NUM_MAX, NUM_MIN_PROFILE, MIN_ELEV_DIFF_M, MIN_SCALE_M = 100, 20, 200.0, 10_000.0
"""Values of titanlib's own examples."""


def main(path: Path) -> None:
    """Both checks once (they take a minute); seconds as JSON, flags into the npz file, which is replaced.

    It holds lat, lon, elevation, values, `buddy` (radius [m], fewest, threshold, most rise [m], gradient [1/m], least
    spread, iterations), `sct` (fewest, iterations, vertical scale [m], threshold, noise) and threads.
    """
    given = np.load(path)
    titanlib.set_omp_threads(int(given["threads"]))
    values = given["values"]
    points = titanlib.Points(given["lat"], given["lon"], given["elevation"])
    radius, fewest, threshold, rise, gradient, spread, iterations = given["buddy"].tolist()
    few, rounds, vertical, limit, noise = given["sct"].tolist()
    every = np.ones(values.size)

    def buddy() -> Any:
        near, number = np.array([radius]), np.array([fewest], dtype=np.int32)
        return titanlib.buddy_check(
            points, values, near, number, threshold, rise, gradient, spread, int(iterations), np.array([1])
        )

    def sct() -> Any:
        return titanlib.sct(
            points, values, int(few), NUM_MAX, INNER_M, OUTER_M, int(rounds), NUM_MIN_PROFILE, MIN_ELEV_DIFF_M,
            MIN_SCALE_M, vertical, limit * every, limit * every, noise * every,
        )[0]  # fmt: skip

    told, flags = {}, {}
    for name, check in (("buddy", buddy), ("sct", sct)):
        flags[name], told[name] = _timed(check)
    np.savez(path, **flags)
    sys.stdout.write(json.dumps(told) + "\n")


def _timed(check: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = check()
    return np.asarray(found), time.perf_counter() - began


if __name__ == "__main__":
    main(Path(sys.argv[1]))
