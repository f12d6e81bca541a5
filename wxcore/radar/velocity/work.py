"""One sweep on its way to unfolded velocities: rays in order, regions, and what these say of each other."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wxcore.radar.velocity import unfold_kernels, vote_kernels
from wxcore.radar.velocity.nyquist import Nyquist
from wxcore.radar.velocity.wind import is_level
from wxcore.radar.volume import Sweep

SMOOTH, NEAR = 0.2, 0.3
"""A gate is smooth when most neighbours differ by less than the first, in folds, that is 0.4 Nyquist velocities: of
noise spread over all values 4 of 10 do. Smooth neighbours belong together up to the second [our choice]: 8 m/s over a
gate at a Nyquist velocity of 13 m/s is a front; at S band it is 16 m/s."""
NEXT_RAY, CLOSED_WITHIN = 2.5, 20.0
"""Median ray spacings: up to the first the ray before is a neighbour, so that one lost ray does not matter; up to the
second the circle is closed and gaps are bridged (Py-ART bridges 100 rays, at any weight)."""
REACH_M = 25_000.0
"""Longest gap along a ray that is bridged: Py-ART's 100 gates of 250 m."""
LEAST_SHARE = 0.1
"""Rays far out are a kilometre and more apart, gates 250 m: over the longer way more may change, so a vote across
counts less, by the ratio of the two, but at least this [our choice]."""
FASTEST = 130.0
"""No wind is faster [m s-1]: limits the number of folds."""

MOST_REGIONS, LEAST_REGION = 20_000, 3
"""More regions than this are noise (the most of 76 real sweeps is 3140), and take seconds to tie: smaller ones than
this, and then ever larger ones, are taken apart into single gates."""
ONE_DIRECTION = 0.996
"""Mean of the rays' unit vectors from which they point in one direction (within 5 deg): a vertical scan."""

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Votes = vote_kernels.Votes


@dataclass
class Work:
    """A sweep being unfolded; rays in order of azimuth, of a vertical scan in order of elevation.

    Attributes:
        number: in the volume; order: (ray,) the file's ray of each; rays without angle are left out.
        level: whether it is a tilt, so that others and the wind tell of it.
        x: (ray, gate) velocity in folds; azimuth_deg: (ray,) in [0, 360).
        joined, place, closed: see unfold_kernels.
        label, size: regions; parent, offset: their graph, the last node is what is expected.
        expected: (ray, gate) in folds, NaN where nothing is.
        values, quality: result [m s-1], [%]; score.
    """

    number: int
    nyquist: Nyquist
    order: npt.NDArray[np.intp]
    level: bool
    x: Floats
    azimuth_deg: Doubles
    elevation_deg: float
    range_m: Doubles
    joined: npt.NDArray[np.bool_]
    place: Doubles
    closed: float
    spacing_deg: float
    label: Ints
    size: Ints
    parent: Ints
    offset: Ints
    expected: Floats
    values: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))
    quality: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0), np.uint8))
    score: float = np.nan

    @property
    def gate_m(self) -> float:
        """Distance of gates [m], at least 1."""
        return max(float(self.range_m[1] - self.range_m[0]) if self.range_m.size > 1 else 1.0, 1.0)

    @property
    def share(self) -> Floats:
        """(gate,) distance of gates over that of rays, LEAST_SHARE to 1."""
        width_m = np.maximum(self.range_m, 0.0) * np.deg2rad(self.spacing_deg)
        share: Floats = np.clip(self.gate_m / np.maximum(width_m, 1.0), LEAST_SHARE, 1.0).astype(np.float32)
        return share

    @property
    def turn(self) -> float:
        """Twice the Nyquist velocity [m s-1]."""
        return 2.0 * self.nyquist.used

    @property
    def most(self) -> int:
        return int(FASTEST / self.turn) + 2


def prepare(number: int, sweep: Sweep, nyquist: Nyquist) -> Work:
    """Rays sorted, regions found."""
    moment = sweep.moments["VRADH"]
    level = is_level(sweep)
    turned = np.where(np.isfinite(sweep.azimuth), sweep.azimuth, np.nan).astype(np.float64) % 360.0
    angle = turned if level or not _one_direction(turned) else sweep.elevation.astype(np.float64)
    order = np.lexsort((sweep.time.astype(np.int64), angle)) if sweep.time.size == angle.size else np.argsort(angle)
    order = order[np.isfinite(angle[order])]
    table = (moment.table() / np.float32(2.0 * nyquist.used)).astype(np.float32)
    gates = moment.codes.shape[1]
    x = np.empty((order.size, gates), np.float32)
    unfold_kernels.look_up(moment.codes, order, table, x)
    joined, place, closed, spacing = _circle(angle[order])
    label, smooth = np.empty(x.shape, np.int32), np.empty(x.shape, np.uint8)
    unfold_kernels.smooth_gates(x, joined, SMOOTH, smooth)
    label, size = _fewer(label, unfold_kernels.regions(x, smooth, joined, NEAR, SMOOTH, label))
    known = sweep.elevation[np.isfinite(sweep.elevation)]
    elevation = float(np.median(known)) if known.size else float(sweep.fixed_angle)
    range_m: Doubles = moment.first_gate_m + moment.gate_m * np.arange(gates, dtype=np.float64)
    return Work(
        number, nyquist, order, level, x, turned[order], elevation,
        range_m, joined, place, closed, spacing, label, size, np.arange(size.size + 1, dtype=np.int32),
        np.zeros(size.size + 1, dtype=np.int32),
        np.full(x.shape, np.nan, dtype=np.float32),
    )  # fmt: skip


def _one_direction(azimuth_deg: Doubles) -> bool:
    towards = np.exp(1j * np.deg2rad(azimuth_deg[np.isfinite(azimuth_deg)]))
    return bool(towards.size and abs(towards.mean()) >= ONE_DIRECTION)


def _fewer(label: Ints, size: Ints) -> tuple[Ints, Ints]:
    """Labels and sizes of at most MOST_REGIONS regions, the largest; gates of the others are in none."""
    if size.size <= MOST_REGIONS:
        return label, size
    few = np.count_nonzero(size >= LEAST_REGION) <= MOST_REGIONS
    kept = size >= (LEAST_REGION if few else np.sort(size)[-MOST_REGIONS - 1] + 1)
    number = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    return np.append(number, np.int32(-1))[label], size[kept]


def _circle(angle: Doubles) -> tuple[npt.NDArray[np.bool_], Doubles, float, float]:
    """Which rays have the one before as a neighbour, where they are in ray spacings, and the circle's length if closed.

    Args:
        angle: (ray,) ascending [deg].
    """
    joined = np.zeros(angle.size, dtype=np.bool_)
    if angle.size < 2:
        return joined, np.zeros(angle.size), 0.0, 1.0
    gaps = np.diff(angle)
    apart = gaps[gaps > 0.05]
    spacing = float(np.median(apart)) if apart.size else 1.0
    joined[1:] = gaps <= NEXT_RAY * spacing
    behind = (angle[0] + 360.0 - angle[-1]) / spacing
    whole = angle.size > 2
    joined[0] = whole and behind <= NEXT_RAY
    return joined, angle / spacing, 360.0 / spacing if whole and behind <= CLOSED_WITHIN else 0.0, spacing


def borders(work: Work) -> Votes:
    """What the regions say of each other."""
    most = 4 * work.x.size + 1  # the system gives memory only to what is written
    votes = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.float32)
    n = vote_kernels.borders_along(work.x, work.label, int(np.clip(REACH_M / work.gate_m, 1, 1000)), votes)
    n = vote_kernels.borders_across(
        work.x, work.label, work.place, work.closed, CLOSED_WITHIN, work.share, n, votes
    )  # fmt: skip
    return votes[0][:n], votes[1][:n], votes[2][:n], votes[3][:n]
