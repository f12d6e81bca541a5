"""The order in which the sweeps of a volume are unfolded, and what they tell each other. Why: unfold.py."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wxcore.radar.geometry import beam_height
from wxcore.radar.velocity import graph_kernels, quality_kernels, unfold_kernels, vote_kernels
from wxcore.radar.velocity.expected import expected_by_profile, expected_by_tilt
from wxcore.radar.velocity.wind import (
    MOST_EMPTY,
    NO_WIND,
    Beam,
    LayerFit,
    WindProfile,
    fit_layers,
    join_fits,
    profile_of,
    widest_gap,
)  # fmt: skip
from wxcore.radar.velocity.work import FASTEST, Ints, Votes, Work, borders

AGREE, EVEN = 0.4, 0.125
"""Neighbours that differ by less, in folds, agree: 0.8 Nyquist velocities (DOMAIN.md 1.3, step 6). So do two opposite
ones whose mean differs by less than the second, a quarter of the Nyquist velocity: the core of a vortex is steep, but
even [our choice]."""
WITNESS_WEIGHT = 1.0
"""Vote of what is expected, in votes of a border, for a region of n gates: times their mean certainty, times the root
of n, for so a border grows too. The gates of a region err together, and their sum would outvote any border [our
choice]."""
LEVELS = np.array([256.0, 64.0, 16.0, 4.0, 1.0, 0.0])
PASSES = 24
"""Strength of votes that merge first, in pairs of gates; passes each takes at most: clusters at least halve."""
FIRST_LEVELS = LEVELS[:4]
"""Weaker votes of the first sweep wait for the wind."""
MEND_CLEAR, MEND_M = 0.4, 10_000.0
"""A piece of a ray that contradicts the gates before and behind it follows them, where all steps from gate to gate are
this near to a whole fold; piece and gaps between regions are at most this long [our choice]."""
ATTACH = ((0.3, 8), (0.15, 24), (0.06, 8))
"""Rounds in which single gates follow their neighbours: part of the neighbours' votes that a gate needs, and passes,
each one gate deep. The second part is little less than one neighbour of the same ray has far out, so that gates follow
their ray before they follow a ray that differs [our choice]."""
SETTLE_M = 10_000.0
"""A gate that nothing else places follows the nearest known gate of its ray, up to here [our choice]."""
LEAST_ACROSS = np.float32(1 / 3)
"""A neighbour on another ray is farther away than one on the same, and tells less of a single gate's fold and quality:
by the ratio of the two ways, but at least this [our choice]."""
FULL_TRUST_GATES = 20.0
"""A cluster of n gates is trusted n / (n + this) [our choice]: speckle of 20 gates half."""
UNANCHORED, SINGLE, LONELY, CONTRARY = 0.6, 0.6, 0.3, 0.7
"""Factors of quality: a cluster that nothing ties to the rest; a gate in no region; one without a neighbour that is
known; one that contradicts what was expected [our choice]."""
TRUSTED = 50
"""Quality [%] from which a gate is a witness for the next tilt."""
LEAST_SCORE = 0.6
"""A lower score of the middle sweep of a volume speaks against the background, where no circle does [our choice]."""


@dataclass(frozen=True)
class _Start:
    """The largest cluster of the sweep to begin with.

    Attributes:
        work, votes: the sweep and what its regions say of each other.
        root, fold: of the cluster; fold that brings it to its place.
        fit: wind in it; None where it does not reach around the circle, and the fold is a guess.
    """

    work: Work
    votes: Votes
    root: int
    fold: int
    fit: LayerFit | None


def solve(works: list[Work], background: WindProfile, altitude_m: float) -> list[str]:
    """Unfold the sweeps, from the surest to its neighbours in elevation; says where the background was not believed.

    What is no tilt (a vertical scan, a beam straight up) is unfolded alone: it knows no wind around the circle, nor
    what lies at the same place of a tilt.
    """
    tilts = []
    for work in works:
        if not work.nyquist.folded:
            _finish(work, np.zeros(work.size.size, np.int32), np.ones(work.size.size, dtype=bool))
        elif work.level:
            tilts.append(work)
        else:
            start = _begin(work)
            _unite(start)
            _merge(work, start.votes)
    tilts.sort(key=lambda work: (work.elevation_deg, work.number))
    return _solve_all(tilts, background, altitude_m) if tilts else []


def _solve_all(tilts: list[Work], background: WindProfile, altitude_m: float) -> list[str]:
    """Unfold the tilts, with the background unless the circle or the score speaks against it."""
    start = _start(tilts)
    if not background.height_m.size:
        _solve_tilts(tilts, start, NO_WIND, altitude_m)
        return []
    if start.fit is not None and _contradicts(background, profile_of(start.fit, altitude_m), start.work.nyquist.used):
        _solve_tilts(tilts, start, NO_WIND, altitude_m)
        return ["background wind contradicts the wind around the radar: not used"]
    _reset(start.work)
    _solve_tilts(tilts, start, background, altitude_m)
    if start.fit is not None or not _score(tilts) < LEAST_SCORE:
        return []
    kept = [(work.values, work.quality, work.score) for work in tilts]
    before = _score(tilts)
    for work in tilts:
        _reset(work)
    _solve_tilts(tilts, _begin(start.work), NO_WIND, altitude_m)
    if _score(tilts) > before:
        return ["background wind does not fit the velocities: not used"]
    for work, (values, quality, score) in zip(tilts, kept, strict=True):
        work.values, work.quality, work.score = values, quality, score
    return []


def _score(works: list[Work]) -> float:
    """Score of the middle sweep."""
    known = [work.score for work in works if np.isfinite(work.score)]
    return float(np.median(known)) if known else np.nan


def _contradicts(background: WindProfile, wind: WindProfile, nyquist: float) -> bool:
    """Do two winds differ by more than the Nyquist velocity, so that they fold otherwise?"""
    u, v = background.at(wind.height_m)
    apart = np.hypot(u - wind.u, v - wind.v)
    known = apart[np.isfinite(apart)]
    return bool(known.size and np.median(known) > nyquist)


def _start(tilts: list[Work]) -> _Start:
    """The surest sweep whose largest cluster reaches around the circle; else the surest."""
    order = sorted(tilts, key=_sureness, reverse=True)
    for work in order:
        if widest_gap(work.azimuth_deg[(work.label >= 0).any(axis=1)]) > MOST_EMPTY:
            continue
        start = _begin(work)
        if start.fit is not None:
            return start
        _reset(work)
    return _begin(order[0])


def _solve_tilts(tilts: list[Work], start: _Start, background: WindProfile, altitude_m: float) -> None:
    """Unfold the tilts from that of `start` upwards, then downwards.

    Without a background, the start's cluster is put at its place first, and the wind of each sweep serves the next.
    """
    first, wind = tilts.index(start.work), background
    if not background.height_m.size:
        _unite(start)
        wind = NO_WIND if start.fit is None else profile_of(start.fit, altitude_m)
    fit: LayerFit | None = None
    done: list[Work] = []
    for k in (*range(first, len(tilts)), *range(first - 1, -1, -1)):
        work = tilts[k]
        _expect(work, _nearest(work, done), wind, altitude_m)
        if not done and background.height_m.size and not np.isfinite(work.expected).any():
            _unite(_begin(work))
        _merge(work, start.votes if not done else borders(work))
        done.append(work)
        if not background.height_m.size and len(done) < len(tilts):
            fit = fit_layers([_beam(work)]) if fit is None else join_fits(fit, fit_layers([_beam(work)]))
            wind = profile_of(fit, altitude_m)


def _merge(work: Work, votes: Votes) -> None:
    """Tie the regions to each other and to what is expected, and fold the gates; `votes` stay."""
    graph_kernels.merge(work.parent, work.offset, _with_witness(work, votes), LEVELS, PASSES)
    _finish(work, *_folds(work))


def _reset(work: Work) -> None:
    """Untie the regions, and expect nothing."""
    work.parent[:] = np.arange(work.parent.size, dtype=np.int32)
    work.offset[:] = 0
    work.expected[:] = np.nan


def _nearest(work: Work, done: list[Work]) -> Work | None:
    return min(done, key=lambda other: abs(other.elevation_deg - work.elevation_deg), default=None)


def _sureness(work: Work) -> float:
    """Which sweep to begin with: a high Nyquist velocity, one large region, all around."""
    if work.size.size == 0:
        return 0.0
    main = (work.label == int(np.argmax(work.size))).any(axis=1).mean()
    return float(work.nyquist.used * main * work.size.max() / max(work.size.sum(), 1) * np.sqrt(work.size.max()))


def _beam(work: Work) -> Beam:
    return Beam(work.values, work.quality, TRUSTED, work.azimuth_deg, work.elevation_deg, work.range_m)


def _expect(work: Work, nearest: Work | None, wind: WindProfile, altitude_m: float) -> None:
    """Fill `work.expected` from the nearest tilt, and from the wind where that knows nothing."""
    if wind.height_m.size:
        height = altitude_m + beam_height(work.range_m, work.elevation_deg)
        expected_by_profile(work.azimuth_deg, work.elevation_deg, wind.at(height), work.turn, work.expected)
    if nearest is not None:
        expected_by_tilt(
            (nearest.values, nearest.quality, nearest.azimuth_deg, nearest.elevation_deg, nearest.range_m), TRUSTED,
            (work.azimuth_deg, work.elevation_deg, work.range_m), work.turn, work.expected,
        )  # fmt: skip


def _with_witness(work: Work, votes: Votes) -> Votes:
    """The votes of borders and, with the last node, of what is expected."""
    by_fold = np.zeros((work.size.size, 2 * work.most + 1))
    vote_kernels.witness_votes(work.x, work.label, work.expected, work.most, by_fold)
    region, column = np.nonzero(by_fold)
    last = np.full(region.size, work.size.size, dtype=np.int32)
    weight = (WITNESS_WEIGHT * by_fold[region, column] / np.sqrt(work.size[region])).astype(np.float32)
    first, second, folds, weights = votes
    return (
        np.concatenate([first, last]), np.concatenate([second, region.astype(np.int32)]),
        np.concatenate([folds, (column - work.most).astype(np.int32)]), np.concatenate([weights, weight]),
    )  # fmt: skip


def _begin(work: Work) -> _Start:
    """Tie the regions of a sweep along their strong borders; where its largest cluster belongs."""
    votes = borders(work)
    own = tuple(part.copy() for part in votes)
    graph_kernels.merge(work.parent, work.offset, own, FIRST_LEVELS, PASSES)  # type: ignore[arg-type]
    if work.size.size == 0:
        return _Start(work, votes, -1, 0, None)
    roots, folds = graph_kernels.roots_of(work.parent, work.offset, work.size.size)
    total = np.bincount(roots, weights=work.size, minlength=roots.size)
    main = int(np.argmax(total))
    members = roots == main
    if work.level:
        fold_of = np.append(np.where(members, folds, 0), 0).astype(np.float32)
        inside = np.append(members, False)[work.label].view(np.uint8)
        values = (work.x + fold_of[work.label]) * np.float32(work.turn)
        fit = fit_layers([Beam(values, inside, 1, work.azimuth_deg, work.elevation_deg, work.range_m)])
        centre = _centre(fit, work)
        if np.isfinite(centre):
            return _Start(work, votes, main, -round(centre), fit)
    return _Start(work, votes, main, -round(float(np.average(folds[members], weights=work.size[members]))), None)


def _unite(start: _Start) -> None:
    if start.root >= 0:
        graph_kernels.unite(start.work.parent, start.work.offset, start.work.size.size, start.root, start.fold)


def _centre(fit: LayerFit, work: Work) -> float:
    """Mean around the circle, in folds; NaN where too little of the echo lies in layers all around."""
    known = np.isfinite(fit.offset)
    if not known.any():
        return np.nan
    return float(np.median(np.repeat(fit.offset[known], np.maximum(fit.gates[known] / 10, 1).astype(int)))) / work.turn


def _folds(work: Work) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Fold of each region, and whether anything ties it to what is known."""
    roots, folds = graph_kernels.roots_of(work.parent, work.offset, work.size.size)
    top, own = graph_kernels.root_of(work.parent, work.offset, work.size.size)
    anchored = roots == top
    total = np.bincount(roots, weights=work.size, minlength=work.size.size + 1)
    mean = np.bincount(roots, weights=work.size * folds, minlength=work.size.size + 1) / np.maximum(total, 1)
    centre = np.where(anchored, own, np.rint(mean[roots]))
    return (folds - centre).astype(np.int32), anchored


def _finish(work: Work, folds: Ints, anchored: npt.NDArray[np.bool_]) -> None:
    """Folds of all gates, values, quality and score."""
    fold, known = np.empty(work.x.shape, np.int32), np.empty(work.x.shape, np.uint8)
    left = unfold_kernels.spread_folds(work.label, np.append(folds, np.int32(0)), work.x, fold, known)
    across = np.maximum(work.share, LEAST_ACROSS)
    if work.nyquist.folded:
        unfold_kernels.mend(work.x, work.label, MEND_CLEAR, int(MEND_M / work.gate_m), fold)
        for least, passes in ATTACH:
            left = unfold_kernels.attach(work.x, work.joined, across, left, least, passes, fold, known)
        reach = max(1, int(SETTLE_M / work.gate_m))
        unfold_kernels.settle(work.x, left, work.expected, reach, work.most, fold, known)
    else:
        known[np.isfinite(work.x)] = unfold_kernels.FOUND
    roots, _ = graph_kernels.roots_of(work.parent, work.offset, work.size.size)
    total = np.bincount(roots, weights=work.size, minlength=work.size.size + 1)[roots] if work.size.size else roots
    trust = total / (total + FULL_TRUST_GATES) * np.where(anchored, 1.0, UNANCHORED)
    work.values, work.quality = np.empty_like(work.x), np.empty(work.x.shape, dtype=np.uint8)
    valued, sound = quality_kernels.judge(
        work.x, fold, known, work.joined, np.append(trust, SINGLE).astype(np.float32), work.label, work.expected,
        work.turn, (1 / across).astype(np.float32),
        (AGREE, EVEN, LONELY, CONTRARY, FASTEST, unfold_kernels.SETTLED), work.values, work.quality,
    )  # fmt: skip
    work.score = sound / valued if valued else np.nan
    if not work.nyquist.sure:
        work.quality[:], work.score = 0, 0.0 if valued else np.nan
