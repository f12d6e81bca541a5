"""Velocity dealiasing: which multiple of twice the Nyquist velocity each gate lacks.

1. The Nyquist velocity is checked against the velocities (nyquist.py).
2. A sweep falls into regions of smooth gates without a fold inside. Gates that their neighbours contradict (noise,
   speckle, clutter edges, the core of a vortex) are in none, so that they tie nothing together.
3. Gates on both sides of a border vote for the fold between two regions; borders across gaps vote less. What is
   expected at a place (the next tilt at about the same height, else the wind profile) votes as one more region.
   Regions merge along their strongest votes first.
4. The first sweep, the one with the largest connected echo all around, has no tilt to lean on. Without a background
   wind its largest region is folded so that the mean around the circle is nearest to zero; its wind serves the others.
5. Single gates follow their neighbours. Nothing is smoothed: values are VRADH plus whole folds.
After Herraez et al. (2002) for the order of merging, Py-ART's region based method (Helmus & Collis 2016) for borders
that vote, and UNRAVEL (Louf et al. 2020) for the continuity between tilts.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wxcore.radar.geometry import beam_height
from wxcore.radar.velocity import graph_kernels, unfold_kernels, vote_kernels
from wxcore.radar.velocity.expected import expected_by_profile, expected_by_tilt
from wxcore.radar.velocity.nyquist import nyquist_of
from wxcore.radar.velocity.wind import NO_WIND, Beam, LayerFit, WindProfile, fit_layers, join_fits, profile_of
from wxcore.radar.velocity.work import FASTEST, Ints, Votes, Work, borders, prepare
from wxcore.radar.volume import Velocity, Volume

AGREE = 0.4
"""Neighbours that differ by less, in folds, agree: 0.8 Nyquist velocities (DOMAIN.md 1.3, step 6)."""
WITNESS_WEIGHT = 1.0
"""Vote of what is expected, in votes of a border, for a region of n gates: times their mean certainty, times the root
of n, for so a border grows too. The gates of a region err together, and their sum would outvote any border [our
choice]."""
LEVELS = np.array([256.0, 64.0, 16.0, 4.0, 1.0, 0.0])
PASSES = 24
"""Strength of votes that merge first, in pairs of gates; passes each takes at most: clusters at least halve."""
FIRST_LEVELS = LEVELS[:4]
"""Weaker votes of the first sweep wait for the wind."""
ATTACH_LEAST, ATTACH_PASSES = (2.5, 0.5), 8
"""Votes that a single gate needs from its neighbours, first and last; gates so deep in noise."""
SETTLE_M = 10_000.0
"""A gate that nothing else places follows the nearest known gate of its ray, up to here [our choice]."""
FULL_TRUST_GATES = 20.0
"""A cluster of n gates is trusted n / (n + this) [our choice]: speckle of 20 gates half."""
UNANCHORED, SINGLE, LONELY, CONTRARY = 0.6, 0.6, 0.3, 0.7
"""Factors of quality: a cluster that nothing ties to the rest; a gate in no region; one without a neighbour that is
known; one that contradicts what was expected [our choice]."""
TRUSTED = 50
"""Quality [%] from which a gate is a witness for the next tilt."""


def unfold(volume: Volume, *, background: WindProfile | None = None) -> Volume:
    """The volume with `velocity` in each sweep with usable VRADH; everything else as is. Always returns.

    A sweep without a Nyquist velocity, stated or found, gets none; `remarks` says where the header's was not believed.

    Args:
        background: wind at the volume's time, from the volume before (`wind.wind_profile`), a sounding or a model. It
            decides how often an echo that hangs together is folded; without one, that is taken from the circle's mean.
    """
    works, remarks = [], []
    for number, sweep in enumerate(volume.sweeps):
        if "VRADH" not in sweep.moments or sweep.moments["VRADH"].codes.shape[0] != sweep.azimuth.size:
            continue
        found = nyquist_of(sweep)
        if found.remark:
            remarks.append(f"sweep {number + 1}: {found.remark}")
        if np.isfinite(found.used):
            works.append(prepare(number, sweep, found))
    altitude = volume.site.altitude_m if np.isfinite(volume.site.altitude_m) else 0.0
    _solve(works, background or NO_WIND, altitude)
    sweeps = list(volume.sweeps)
    for work in works:
        back = np.argsort(work.order)
        values, quality = np.take(work.values, back, axis=0), np.take(work.quality, back, axis=0)
        velocity = Velocity(values, quality, work.score, work.nyquist.used)
        sweeps[work.number] = replace(sweeps[work.number], velocity=velocity)
    return replace(volume, sweeps=tuple(sweeps), remarks=(*volume.remarks, *remarks))


def _solve(works: list[Work], background: WindProfile, altitude_m: float) -> None:
    """Unfold the sweeps, from the surest to its neighbours in elevation."""
    folded = [work for work in works if work.nyquist.folded]
    for work in works:
        if not work.nyquist.folded:
            _finish(work, np.zeros(work.size.size, np.int32), np.ones(work.size.size, dtype=bool))
    if not folded:
        return
    folded.sort(key=lambda work: (work.elevation_deg, work.number))
    start = max(range(len(folded)), key=lambda k: _sureness(folded[k]))
    wind = background
    fit: LayerFit | None = None
    done: list[Work] = []
    for k in (*range(start, len(folded)), *range(start - 1, -1, -1)):
        work = folded[k]
        votes = borders(work)
        _expect(work, _nearest(work, done), wind, altitude_m)
        if not done and not np.isfinite(work.expected).any():
            wind = _begin(work, votes, altitude_m)
            _expect(work, None, wind, altitude_m)
        votes = _with_witness(work, votes)
        graph_kernels.merge(work.parent, work.offset, votes, LEVELS, PASSES)
        _finish(work, *_folds(work))
        done.append(work)
        if not background.height_m.size and len(done) < len(folded):
            fit = fit_layers([_beam(work)]) if fit is None else join_fits(fit, fit_layers([_beam(work)]))
            wind = profile_of(fit, altitude_m)


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


def _begin(work: Work, votes: Votes, altitude_m: float) -> WindProfile:
    """Fix the fold of the largest cluster of the first sweep, and give the wind in it."""
    own = tuple(part.copy() for part in votes)
    graph_kernels.merge(work.parent, work.offset, own, FIRST_LEVELS, PASSES)  # type: ignore[arg-type]
    if work.size.size == 0:
        return NO_WIND
    roots, folds = _roots(work)
    total = np.bincount(roots, weights=work.size, minlength=roots.size)
    main = int(np.argmax(total))
    members = roots == main
    fold_of = np.append(np.where(members, folds, 0), 0).astype(np.float32)
    inside = np.append(members, False)[work.label].view(np.uint8)
    values = (work.x + fold_of[work.label]) * np.float32(work.turn)
    fit = fit_layers([Beam(values, inside, 1, work.azimuth_deg, work.elevation_deg, work.range_m)])
    centre = _centre(fit, work)
    if np.isnan(centre):
        centre = float(np.average(folds[members], weights=work.size[members]))
        wind = NO_WIND
    else:
        wind = profile_of(fit, altitude_m)
    graph_kernels.unite(work.parent, work.offset, work.size.size, main, -round(centre))
    return wind


def _centre(fit: LayerFit, work: Work) -> float:
    """Mean around the circle, in folds; NaN where too little of the echo lies in layers all around."""
    known = np.isfinite(fit.offset)
    if not known.any():
        return np.nan
    return float(np.median(np.repeat(fit.offset[known], np.maximum(fit.gates[known] / 10, 1).astype(int)))) / work.turn


def _roots(work: Work) -> tuple[Ints, Ints]:
    """Root of each region, and its fold relative to it."""
    pairs = [graph_kernels.root_of(work.parent, work.offset, a) for a in range(work.size.size)]
    found = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _folds(work: Work) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Fold of each region, and whether anything ties it to what is known."""
    roots, folds = _roots(work)
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
    if work.nyquist.folded:
        for least in ATTACH_LEAST:
            left = unfold_kernels.attach(work.x, work.joined, left, least, ATTACH_PASSES, fold, known)
        reach = max(1, int(SETTLE_M / work.gate_m))
        unfold_kernels.settle(work.x, left, work.expected, reach, work.most, fold, known)
    else:
        known[np.isfinite(work.x)] = unfold_kernels.FOUND
    roots, _ = _roots(work)
    total = np.bincount(roots, weights=work.size, minlength=work.size.size + 1)[roots] if work.size.size else roots
    trust = total / (total + FULL_TRUST_GATES) * np.where(anchored, 1.0, UNANCHORED)
    work.values, work.quality = np.empty_like(work.x), np.empty(work.x.shape, dtype=np.uint8)
    valued, sound = unfold_kernels.judge(
        work.x, fold, known, work.joined, np.append(trust, SINGLE).astype(np.float32), work.label, work.expected,
        work.turn, (AGREE, LONELY, CONTRARY, FASTEST), work.values, work.quality,
    )  # fmt: skip
    work.score = sound / valued if valued else np.nan
    if not work.nyquist.sure:
        work.quality[:], work.score = 0, 0.0 if valued else np.nan
