"""Peer of `wx bench radar`, run by another interpreter: Py-ART on the arrays in an npz file."""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pyart

BOX_M = 460_000.0


def main(path: Path) -> None:
    """Dealias the velocity, or grid the reflectivity, three times; print the median as JSON."""
    given = np.load(path)
    radar = _radar(pyart.testing.make_empty_ppi_radar(given["range"].size, 1, 1), given)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        if "velocity" in given:
            pyart.correct.dealias_region_based(radar, vel_field="velocity", nyquist_vel=float(given["nyquist"][0]))
        else:
            _grid(radar, given)
        times.append(time.perf_counter() - began)
    sys.stdout.write(json.dumps({"seconds": statistics.median(times)}) + "\n")


def _grid(radar: "pyart.core.Radar", given: "np.lib.npyio.NpzFile") -> None:
    shape = tuple(int(count) for count in given["shape"])
    height = given["height"]
    limits = ((float(height[0]), float(height[-1])), (-BOX_M, BOX_M), (-BOX_M, BOX_M))
    pyart.map.grid_from_radars((radar,), grid_shape=shape, grid_limits=limits, fields=["reflectivity"])


def _radar(radar: "pyart.core.Radar", given: "np.lib.npyio.NpzFile") -> "pyart.core.Radar":
    rays = given["rays"]
    ends = np.cumsum(rays) - 1
    name, units = ("velocity", "m/s") if "velocity" in given else ("reflectivity", "dBZ")
    values = np.ma.masked_invalid(given["velocity" if name == "velocity" else "dbz"])
    return pyart.core.Radar(
        time={"data": np.arange(values.shape[0], dtype=float), "units": "seconds since 2000-01-01T00:00:00Z"},
        _range={**radar.range, "data": given["range"].astype("f4")},
        fields={name: {"data": values, "units": units, "_FillValue": -9999.0}},
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
