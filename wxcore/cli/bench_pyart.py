"""Peer of `wx bench radar`, run by another interpreter: Py-ART's default gridding of the arrays in an npz file."""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pyart

BOX_M = 460_000.0


def main(path: Path) -> None:
    """Grid three times; print the median as JSON."""
    given = np.load(path)
    radar = pyart.testing.make_empty_ppi_radar(given["range"].size, 1, 1)
    radar = _radar(radar, given)
    shape = tuple(int(count) for count in given["shape"])
    height = given["height"]
    limits = ((float(height[0]), float(height[-1])), (-BOX_M, BOX_M), (-BOX_M, BOX_M))
    times = []
    for _ in range(3):
        began = time.perf_counter()
        pyart.map.grid_from_radars((radar,), grid_shape=shape, grid_limits=limits, fields=["reflectivity"])
        times.append(time.perf_counter() - began)
    sys.stdout.write(json.dumps({"seconds": statistics.median(times)}) + "\n")


def _radar(radar: "pyart.core.Radar", given: "np.lib.npyio.NpzFile") -> "pyart.core.Radar":
    rays = given["rays"]
    ends = np.cumsum(rays) - 1
    dbz = np.ma.masked_invalid(given["dbz"])
    return pyart.core.Radar(
        time={"data": np.arange(dbz.shape[0], dtype=float), "units": "seconds since 2000-01-01T00:00:00Z"},
        _range={**radar.range, "data": given["range"].astype("f4")},
        fields={"reflectivity": {"data": dbz, "units": "dBZ", "_FillValue": -9999.0}},
        metadata={}, scan_type="ppi",
        latitude={"data": given["site"][:1]}, longitude={"data": given["site"][1:2]},
        altitude={"data": given["site"][2:3]},
        sweep_number={"data": np.arange(rays.size)}, sweep_mode={"data": np.array(["ppi"] * rays.size)},
        fixed_angle={"data": given["fixed"].astype("f4")},
        sweep_start_ray_index={"data": ends - rays + 1}, sweep_end_ray_index={"data": ends},
        azimuth={"data": given["azimuth"]}, elevation={"data": given["elevation"]},
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
