"""What a volume's velocities say of each place, in layers above ground, as polar planes (DOMAIN.md 2.3).

Gates are judged on their own sweep, then each cell takes the largest value of its gates in the layer, over all tilts.
Heights above ground are the beam's (4/3 earth, middle of the beam) minus the terrain's. A cell is NaN where no tilt has
a trusted velocity in the layer: from a mountain, a valley's lowest 1.5 km are unobserved, not calm.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wxcore.radar.geometry import beam_height, ground_arc
from wxcore.radar.kinematics import layers_kernels, llsd
from wxcore.radar.kinematics.llsd_kernels import Floats, Ints, median_3x3
from wxcore.radar.planes import PLANE_AZIMUTH_DEG, PLANE_AZIMUTHS, PLANE_RANGES, PLANE_SHAPE, PLANE_STEP_M, Plane
from wxcore.radar.tilts import HIGHEST_TILT_DEG, RAY_REACH, STEADY_DEG
from wxcore.radar.velocity.pairing import dbz_on, reflectivity_of
from wxcore.radar.velocity.unfold_kernels import look_up
from wxcore.radar.volume import FOLDED, Sweep, Volume
from wxcore.schema import KINEMATICS

Bools = npt.NDArray[np.bool_]
Planes = dict[str, Plane]

LOW_M, MID_M = (0.0, 2000.0), (3000.0, 6000.0)
"""Layers of shear and divergence [m above ground] (DOMAIN.md 2.3; MRMS)."""
WIND_M = (0.0, 1500.0)
"""Layer of the low radial wind [m above ground] (DOMAIN.md 2.3)."""
MARC_M, MARC_LONGEST_M = (3000.0, 7000.0), 15_000.0
"""Mid-altitude radial convergence: layer [m above ground], and length of the fall along the ray (Schmocker et al. 1996,
15th Conf. Wea. Analysis and Forecasting: 25 m/s and more within it go before damaging wind; DOMAIN.md 2.3)."""
TOP_FROM_M, TOP_LONGEST_M = 8000.0, 20_000.0
"""Storm-top divergence: from this height on [m ASL] (DOMAIN.md 2.3), within this length [our choice: the outflow of a
large storm's summit; Witt & Nelson 1991, J. Appl. Meteor. 30, take the difference of the extremes over the summit]."""
DIFFERENCE_LEAST_DBZ = 18.0
"""Velocity differences are taken inside of storms: from the reflectivity of echo tops on [our choice]."""
WIND_LEAST_DBZ = 0.0
"""Wind and divergence are looked for in weak echo too, such as a gust front's [our choice]."""
WIDTH_LEAST_DBZ = 20.0
"""Spectrum width of weaker echo is mostly noise [our choice; as for shear]."""
RISE_M_S, BRIDGED_M = 5.0, 1000.0
"""A fall of the velocity along a ray ends where it rises again by more than this, or over a longer gap [our choice:
three times the standard error of a velocity of 1 to 2 m/s after the median]."""
LEAST_SUPPORT = 5
"""Known gates among nine for the median to count as wind or as spectrum width: one noisy gate never wins [ours]."""
NEAREST_M = 5000.0
"""Nearer to the antenna nothing is said: ground clutter and side lobes leave velocities of any value there (at Taizhou
on 2020-06-12 99 % of the convergence above 0.01 s-1), and a kernel is wider than the arc it lies on [our choice]."""
SITE_ABOVE_GROUND_M = 20.0
"""Height of an antenna above its ground, where the terrain is unknown [our choice]."""


@dataclass(frozen=True)
class _Cut:
    """A sweep whose gates can be laid on planes; arrays (ray, gate) in the order of `beams`.

    `dbz` is infinite where no reflectivity is known of the whole cut.
    """

    sweep: Sweep
    beams: llsd.Beams
    dbz: Floats
    height: Floats
    ground: Plane
    ground_range: tuple[float, float]
    places: tuple[Ints, Ints, Ints, Ints]

    def strong(self, least_dbz: float) -> Bools:
        """Gates with a velocity and at least this reflectivity."""
        return np.asarray((self.dbz >= least_dbz) & (self.beams.support > 0), dtype=bool)

    def within(self, *layers: tuple[float, float]) -> Bools:
        """(gate,) gates that may lie in one of these layers above ground somewhere."""
        lowest, highest = self.ground_range
        found = [(self.height >= low + lowest) & (self.height < high + highest) for low, high in layers]
        return np.asarray(np.logical_or.reduce(found), dtype=bool)

    def reach(self, layer: tuple[float, float]) -> int:
        """How many gates of a ray to look at for this layer."""
        able = np.flatnonzero(self.within(layer))
        return int(able[-1]) + 1 if able.size else 0


def kinematic_planes(volume: Volume, terrain: Plane) -> dict[str, Plane]:
    """One plane for each variable of schema.KINEMATICS, by its name.

    Differences are along the beam only: storm-top and other divergence is about half of the true one, and what blows
    across the beam is unseen (`radial_wind_low_azimuth` allows the angle to be known). `velocity_observed` is 0, 1 or 2
    and never NaN, all others are NaN where no trusted velocity is in the layer. `marc` and `storm_top_divergence` are 0
    where velocities are known and differ by less than RISE_M_S.

    Args:
        volume: unfolded; sweeps without `Sweep.velocity` say nothing.
        terrain: height of the ground [m ASL], PLANE_SHAPE; NaN where unknown, which is then taken for
            SITE_ABOVE_GROUND_M below the antenna.
    """
    antenna = volume.site.altitude_m if np.isfinite(volume.site.altitude_m) else 0.0
    ground = np.where(np.isfinite(terrain), terrain, np.float32(antenna - SITE_ABOVE_GROUND_M)).astype(np.float32)
    planes = {var.name: np.full(PLANE_SHAPE, np.nan, dtype=np.float32) for var in KINEMATICS}
    for cut in _cuts(volume, antenna, ground):
        _derivatives(cut, planes)
        _differences(cut, planes)
        _wind_and_width(cut, planes)
        _observed(cut, planes)
    wind = planes["radial_wind_low"]
    towards = PLANE_AZIMUTH_DEG.astype(np.float32)[:, np.newaxis] + np.where(wind < 0, np.float32(180), np.float32(0))
    planes["radial_wind_low_azimuth"] = np.where(np.isnan(wind), wind, np.where(towards < 360, towards, towards - 360))
    planes["radial_wind_low"] = np.abs(wind)
    planes["velocity_observed"] = _FLAG_OF_RANK[np.nan_to_num(planes["velocity_observed"]).astype(np.intp)]
    return planes


_MOST = {var.name: var.valid_max for var in KINEMATICS}

_RANGE_FOLDED, _SEEN = 1, 2
_FLAG_OF_RANK = np.array([0, 2, 1], dtype=np.float32)
"""While planes are filled the better news has the larger number; the schema's flags have another order."""


def _cuts(volume: Volume, antenna: float, ground: Plane) -> Iterator[_Cut]:
    ground_range = float(ground.min()), float(ground.max())
    for number, sweep in enumerate(volume.sweeps):
        if sweep.velocity is None or not sweep.velocity.values.size or not _steady(sweep):
            continue
        beams = llsd.beams_of(sweep)
        if not beams.order.size:
            continue
        partner = reflectivity_of(volume, number)
        dbz = np.full(beams.values.shape, np.inf, np.float32)
        if partner is not None:
            dbz = dbz_on(sweep, partner, beams.order)
        slant = beams.first_gate_m + beams.gate_m * np.arange(beams.values.shape[1], dtype=np.float64)
        height = (antenna + beam_height(slant, beams.elevation)).astype(np.float32)
        azimuths, rays = _azimuth_places(np.rad2deg(beams.azimuth), np.rad2deg(beams.spacing))
        distances, gates = _distance_places(ground_arc(slant, beams.elevation), beams.gate_m)
        yield _Cut(sweep, beams, dbz, height, ground, ground_range, (azimuths, rays, distances, gates))


def _steady(sweep: Sweep) -> bool:
    """Is it a tilt, and no vertical scan or calibration?"""
    elevation = sweep.elevation[np.isfinite(sweep.elevation)]
    if not elevation.size:
        return bool(abs(sweep.fixed_angle) <= HIGHEST_TILT_DEG)
    low, middle, high = np.percentile(elevation, (10, 50, 90))
    return bool(abs(middle) <= HIGHEST_TILT_DEG and high - low <= STEADY_DEG)


def _azimuth_places(azimuth: npt.NDArray[np.float64], spacing: float) -> tuple[Ints, Ints]:
    """Pairs (cell, ray): each ray in its cell, and each cell's nearest ray, so that no cell between rays is empty.

    Azimuths [deg] ascend; a ray reaches as far as in `tilts.ray_table`.
    """
    after = np.searchsorted(azimuth, PLANE_AZIMUTH_DEG) % azimuth.size
    gaps = np.stack([(PLANE_AZIMUTH_DEG - azimuth[after - 1]) % 360.0, (azimuth[after] - PLANE_AZIMUTH_DEG) % 360.0])
    nearest = np.where(gaps[0] <= gaps[1], (after - 1) % azimuth.size, after)
    near = gaps.min(axis=0) <= RAY_REACH * spacing
    own = np.minimum(azimuth.astype(np.int64), PLANE_AZIMUTHS - 1)
    pairs = np.concatenate([
        np.column_stack([np.arange(PLANE_AZIMUTHS), nearest])[near], np.column_stack([own, np.arange(azimuth.size)]),
    ])  # fmt: skip
    return _unique(pairs)


def _distance_places(arc_m: npt.NDArray[np.float64], gate_m: float) -> tuple[Ints, Ints]:
    """Pairs (cell, gate) likewise; a cell beyond the last gate, or nearer than NEAREST_M, has none."""
    cells = np.arange(PLANE_RANGES)
    centre = (cells + 0.5) * PLANE_STEP_M
    nearest = np.clip(np.rint(np.interp(centre, arc_m, np.arange(arc_m.size))).astype(np.int64), 0, arc_m.size - 1)
    near = (np.abs(arc_m[nearest] - centre) <= gate_m) & (centre >= NEAREST_M)
    own = np.floor(arc_m / PLANE_STEP_M).astype(np.int64)
    inside = (arc_m >= NEAREST_M) & (own < PLANE_RANGES)
    pairs = np.concatenate([
        np.column_stack([cells, nearest])[near], np.column_stack([own, np.arange(arc_m.size)])[inside],
    ])  # fmt: skip
    return _unique(pairs)


def _unique(pairs: npt.NDArray[np.int64]) -> tuple[Ints, Ints]:
    most = int(pairs[:, 1].max(initial=0)) + 1
    found = np.sort(pairs[:, 0].astype(np.int64) * most + pairs[:, 1])
    found = found[np.append(True, found[1:] != found[:-1])[: found.size]]
    return found // most, found % most


def _lay(
    cut: _Cut, values: Floats, layer: tuple[float, float], name: str, planes: Planes, *, signed: bool = False,
    first: int = 0, sign: float = 1.0,
) -> None:  # fmt: skip
    """Raise a plane by `sign` times the gates in a layer above ground; what the schema calls impossible is left out.

    `values` holds the gates from `first` on, at least those that may lie in the layer.
    """
    layers_kernels.into_plane(
        values, cut.height[first:], cut.ground, cut.ground_range, layer, _MOST[name], cut.places, first, signed, sign,
        planes[name],
    )  # fmt: skip


def _derivatives(cut: _Cut, planes: Planes) -> None:
    asked = cut.within(LOW_M, MID_M)
    asked[: int(cut.places[3].min(initial=asked.size))] = False  # too near for any cell
    shear = llsd.azimuthal_shear(cut.beams, cut.strong(llsd.SHEAR_LEAST_DBZ) & asked)
    _lay(cut, shear, LOW_M, "azimuthal_shear_low", planes, signed=True)
    _lay(cut, shear, MID_M, "azimuthal_shear_mid", planes, signed=True)
    divergence = llsd.radial_divergence(cut.beams, cut.strong(WIND_LEAST_DBZ) & asked)
    _lay(cut, divergence, LOW_M, "radial_divergence_low", planes)
    _lay(cut, divergence, LOW_M, "radial_convergence_low", planes, sign=-1)
    _lay(cut, divergence, MID_M, "radial_convergence_mid", planes, sign=-1)


def _differences(cut: _Cut, planes: Planes) -> None:
    strong = cut.strong(DIFFERENCE_LEAST_DBZ)
    _fall(cut, strong & cut.within(MARC_M), (MARC_LONGEST_M, 1), MARC_M, "marc", planes)
    top = strong & (cut.height >= TOP_FROM_M)
    _fall(cut, top, (TOP_LONGEST_M, -1), (-np.inf, np.inf), "storm_top_divergence", planes)


def _fall(
    cut: _Cut, inside: Bools, what: tuple[float, int], layer: tuple[float, float], name: str, planes: Planes
) -> None:
    """Lay the largest falls of the velocity (of its negative: rises) over the gates `inside`.

    what: longest distance [m], and 1 for falls, -1 for rises.
    """
    able = np.flatnonzero(inside.any(axis=0))
    if not able.size:
        return
    (longest, sign), gate_m = what, cut.beams.gate_m
    some = slice(int(able[0]), int(able[-1]) + 1)
    kept = np.where(inside[:, some], sign * cut.beams.values[:, some], np.float32(np.nan))
    out = np.empty_like(kept)
    layers_kernels.falls(kept, max(1, int(longest / gate_m)), int(BRIDGED_M / gate_m), RISE_M_S, out)
    _lay(cut, out, layer, name, planes, first=some.start)


def _wind_and_width(cut: _Cut, planes: Planes) -> None:
    last = cut.reach(LOW_M)
    wind = np.empty((cut.beams.order.size, last), dtype=np.float32)
    layers_kernels.kept(cut.beams.values, cut.beams.support, LEAST_SUPPORT, cut.dbz, WIND_LEAST_DBZ, wind)
    _lay(cut, wind, WIND_M, "radial_wind_low", planes, signed=True)
    moment = cut.sweep.moments.get("WRADH")
    if moment is None or moment.codes.shape != cut.sweep.moments["VRADH"].codes.shape:
        return
    raw = wind
    look_up(moment.codes, cut.beams.order, moment.table(), raw)
    wanted = np.ascontiguousarray(cut.strong(WIDTH_LEAST_DBZ)[:, :last])
    width, support = np.empty_like(raw), np.empty(raw.shape, dtype=np.uint8)
    median_3x3(raw, cut.beams.before, cut.beams.after, cut.beams.across, wanted, width, support)
    layers_kernels.kept(width, support, LEAST_SUPPORT, cut.dbz, WIDTH_LEAST_DBZ, width)
    _lay(cut, width, LOW_M, "spectrum_width_low", planes)


def _observed(cut: _Cut, planes: Planes) -> None:
    moment = cut.sweep.moments["VRADH"]
    rank = np.empty((cut.beams.order.size, cut.reach(LOW_M)), dtype=np.float32)
    rank_of = np.where(moment.classes == FOLDED, np.float32(_RANGE_FOLDED), np.float32(np.nan))
    layers_kernels.ranks(moment.codes, cut.beams.order, rank_of, cut.beams.support, np.float32(_SEEN), rank)
    _lay(cut, rank, LOW_M, "velocity_observed", planes)
