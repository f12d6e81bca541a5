"""Radar against radar: differences of reflectivity where two beams of the same width see the same air.

At about equal distance from both radars, and at equal height, beams have the same size and pass the same bright band,
so what remains is calibration (DOMAIN.md 1.3, step 8). A pair gives a difference; the network gives each radar a bias
by least squares. Nothing is corrected here: a bias is told, with its date, and an alarm where it is large.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
from pyproj import Geod

from wxcore.radar.geometry import Floats, ground_position
from wxcore.radar.siting.overlap import LEVELS_M, REACH_M, Sentence, View, not_comparable, sampler, values_at
from wxcore.radar.tilts import UNOBSERVED
from wxcore.times import iso, parse_time, require_utc

EQUAL_WITHIN = 0.1
"""Distances from the two radars that differ by less than this part count as equal: beam widths then do too."""

POINT_STEP_M = 1000.0
"""Distance of the points compared: the gate of surveillance cuts in the standard format."""

ECHO_DBZ = (10.0, 50.0)
"""Both echoes in between: weaker ones are edges, stronger ones hail cores that turn and move in a minute."""

MEAN_DBZ = (20.0, 40.0)
"""... and their mean within these. A threshold on each echo alone drops just the pairs in which the weaker radar falls
below it, and so hides part of the bias (3 % of 3 dB in the real pair); one on the mean does not, for differences to
20 dB stay whole [our choice]."""

LEAST_POINTS = 300
"""Fewer matched points say nothing: about three storms of 10 by 10 km at one height [our choice]."""

LEAST_CORRELATION = 0.5
"""Worse correlated, the two do not see the same air (a moved radar, another time): no bias is told [our choice]."""

ALARM_DB = 2.0
"""|bias| from which an alarm is raised (DOMAIN.md 1.3, step 8)."""

QUANTILES = (10, 25, 75, 90)

_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class PairBias:
    """Reflectivity of radar b minus that of radar a where both see the same air.

    Attributes:
        time: of the later volume, UTC.
        n: points compared; below LEAST_POINTS the pair says nothing.
        median_db: median of b - a [dB]; spread_db: 1.4826 x median absolute deviation [dB]; correlation of the two.
            NaN where n is too small to have one.
        quantiles_db: 10, 25, 75 and 90 % of b - a [dB].
        reason: why nothing was compared, None where it was.
    """

    radar_a: str
    radar_b: str
    time: datetime
    n: int
    median_db: float
    spread_db: float
    correlation: float
    quantiles_db: tuple[float, float, float, float] = (np.nan, np.nan, np.nan, np.nan)
    reason: Sentence | None = None

    @property
    def valid(self) -> bool:
        """May it be used? Enough points, and the two do see the same air."""
        return self.n >= LEAST_POINTS and self.correlation >= LEAST_CORRELATION and bool(np.isfinite(self.median_db))


@dataclass(frozen=True)
class BiasAlarm:
    """A bias beyond ALARM_DB of one radar, or the difference of a pair that nobody else can judge."""

    radars: tuple[str, ...]
    bias_db: float
    n: int
    sentence: Sentence


def pair_bias(a: View, b: View) -> PairBias:
    """Compare two views; about 20 ms. Where they cannot be compared n is 0 and `reason` says why.

    Raises:
        TimeError: a view's time is naive.
    """
    time = max(require_utc(a.time), require_utc(b.time))
    nothing = PairBias(a.site.id, b.site.id, time, 0, np.nan, np.nan, np.nan)
    if reason := not_comparable(a, b):
        return replace(nothing, reason=reason)
    lat, lon = _middle_points(a, b)
    if not lat.size:
        return replace(nothing, reason=_no_overlap(a, b))
    level = np.arange(len(LEVELS_M))[:, None]
    dbz = []
    for view in (a, b):
        metres, degrees = ground_position(view.site.latitude, view.site.longitude, lat, lon)
        dbz.append(values_at(sampler(view), metres[None, :], degrees[None, :], level).ravel())
    return _compare(nothing, *dbz)


def _no_overlap(a: View, b: View) -> Sentence:
    return Sentence(
        f"radars {a.site.id} and {b.site.id} not compared: no place is equally far from both within "
        f"{REACH_M / 1000:.0f} km",
        f"雷达 {a.site.id} 与 {b.site.id} 未比对：{REACH_M / 1000:.0f} km 内无等距位置",
    )


def _middle_points(a: View, b: View) -> tuple[Floats, Floats]:
    """Latitudes and longitudes, (P,) each, of points about equally far from both radars."""
    azimuth, _, apart = _GEOD.inv(a.site.longitude, a.site.latitude, b.site.longitude, b.site.latitude)
    if apart > 2 * REACH_M:
        return np.empty(0), np.empty(0)
    line = np.arange(-REACH_M, REACH_M + 1, POINT_STEP_M)
    x, y = (part.ravel() for part in np.meshgrid(line, line))
    to_a, to_b = np.hypot(x + apart / 2, y), np.hypot(x - apart / 2, y)
    equal = (np.abs(to_a - to_b) <= EQUAL_WITHIN * np.minimum(to_a, to_b)) & (np.maximum(to_a, to_b) <= REACH_M)
    x, y = x[equal], y[equal]
    middle = _GEOD.fwd(a.site.longitude, a.site.latitude, azimuth, apart / 2)
    lon, lat, _ = _GEOD.fwd(
        np.full(x.size, middle[0]), np.full(x.size, middle[1]), azimuth + np.rad2deg(np.arctan2(y, x)), np.hypot(x, y)
    )  # fmt: skip
    return np.asarray(lat), np.asarray(lon)


def _compare(nothing: PairBias, a: npt.NDArray[np.int16], b: npt.NDArray[np.int16]) -> PairBias:
    """Statistics of the hundredths of dBZ of both radars at the same points, (P,) each."""
    seen = (a != UNOBSERVED) & (b != UNOBSERVED)
    x, y = a[seen] / 100.0, b[seen] / 100.0
    low, high = ECHO_DBZ
    echo = (np.minimum(x, y) >= low) & (np.maximum(x, y) <= high)
    x, y = x[echo], y[echo]
    middle = (x + y >= 2 * MEAN_DBZ[0]) & (x + y <= 2 * MEAN_DBZ[1])
    difference = (y - x)[middle]
    if difference.size < 2:
        reason = Sentence(
            f"radars {nothing.radar_a} and {nothing.radar_b}: no common echo",
            f"雷达 {nothing.radar_a} 与 {nothing.radar_b}：无共同回波",
        )
        return replace(nothing, n=int(difference.size), reason=reason)
    median = float(np.median(difference))
    spread = 1.4826 * float(np.median(np.abs(difference - median)))
    varies = bool(x.std() > 0 and y.std() > 0)
    correlation = float(np.corrcoef(x, y)[0, 1]) if varies else np.nan
    low_db, lower_db, upper_db, high_db = (float(value) for value in np.percentile(difference, QUANTILES))
    return replace(
        nothing, n=int(difference.size), median_db=median, spread_db=spread, correlation=correlation,
        quantiles_db=(low_db, lower_db, upper_db, high_db),
    )  # fmt: skip


def radar_biases(pairs: Iterable[PairBias], *, reference: str | None = None) -> dict[str, float]:
    """Bias of each radar [dB], positive where it shows too much: least squares over the valid pairs, weights n.

    Radars that are joined by valid pairs, directly or through others, form a network. In each the biases have sum
    zero, or are relative to `reference` where it belongs. A radar without a valid pair is absent: nothing is known.
    """
    valid = [pair for pair in pairs if pair.valid and pair.radar_a != pair.radar_b]
    biases: dict[str, float] = {}
    for network in _networks(valid):
        biases |= _solve([pair for pair in valid if pair.radar_a in network], network, reference)
    return biases


def _networks(pairs: Sequence[PairBias]) -> list[list[str]]:
    groups: list[set[str]] = []
    for pair in pairs:
        joined = {pair.radar_a, pair.radar_b}
        apart = [group for group in groups if not group & joined]
        groups = [*apart, joined.union(*(group for group in groups if group & joined))]
    return sorted(sorted(group) for group in groups)


def _solve(pairs: Sequence[PairBias], radars: Sequence[str], reference: str | None) -> dict[str, float]:
    matrix, target = np.zeros((len(pairs) + 1, len(radars))), np.zeros(len(pairs) + 1)
    for row, pair in enumerate(pairs):
        weight = np.sqrt(pair.n)
        matrix[row, radars.index(pair.radar_b)] = weight
        matrix[row, radars.index(pair.radar_a)] = -weight
        target[row] = weight * pair.median_db
    # one more equation, which the differences leave free, fixes the level
    matrix[-1] = 1.0
    bias = np.linalg.lstsq(matrix, target, rcond=None)[0]
    bias -= bias[radars.index(reference)] if reference in radars else bias.mean()
    return {radar: float(value) for radar, value in zip(radars, bias, strict=True)}


def bias_alarms(pairs: Sequence[PairBias], *, reference: str | None = None) -> list[BiasAlarm]:
    """A sentence for each radar whose bias is beyond ALARM_DB, worst first. No valid pair, no alarm.

    Where a network has two radars and no reference, who of them is wrong cannot be told: one alarm names both, with
    their difference.
    """
    alarms = []
    valid = [pair for pair in pairs if pair.valid and pair.radar_a != pair.radar_b]
    for network in _networks(valid):
        own = [pair for pair in valid if pair.radar_a in network]
        biases = _solve(own, network, reference)
        time = max(pair.time for pair in own)
        if len(network) == 2 and reference not in network:
            strong, weak = sorted(network, key=lambda radar: -biases[radar])
            alarms.append(_both(strong, weak, biases[strong] - biases[weak], sum(pair.n for pair in own), time))
            continue
        for radar, bias in biases.items():
            n = sum(pair.n for pair in own if radar in {pair.radar_a, pair.radar_b})
            alarms.append(_one(radar, bias, n, time))
    return sorted((alarm for alarm in alarms if abs(alarm.bias_db) > ALARM_DB), key=lambda alarm: -abs(alarm.bias_db))


def _one(radar: str, bias: float, n: int, time: datetime) -> BiasAlarm:
    more, zh = ("more", "偏强") if bias > 0 else ("less", "偏弱")
    return BiasAlarm((radar,), bias, n, Sentence(
        f"radar {radar} shows {abs(bias):.1f} dB {more} than its neighbours ({iso(time)}, {n} points): "
        "check its calibration",
        f"雷达 {radar} 比相邻雷达{zh} {abs(bias):.1f} dB（{iso(time)}，{n} 点）：请检查标定",
    ))  # fmt: skip


def _both(strong: str, weak: str, difference: float, n: int, time: datetime) -> BiasAlarm:
    return BiasAlarm((strong, weak), difference, n, Sentence(
        f"radar {strong} shows {difference:.1f} dB more than radar {weak} ({iso(time)}, {n} points); which one is "
        "wrong two radars cannot tell: check both calibrations",
        f"雷达 {strong} 比雷达 {weak} 强 {difference:.1f} dB（{iso(time)}，{n} 点）；"
        "仅两部雷达无法判断哪一部有误：请检查两部雷达的标定",
    ))  # fmt: skip


def to_row(pair: PairBias) -> dict[str, str]:
    """A row of the bias table, as text for a CSV file; the reason is not kept."""
    low, lower, upper, high = pair.quantiles_db
    numbers = {
        "median_db": pair.median_db, "spread_db": pair.spread_db, "correlation": pair.correlation,
        "q10_db": low, "q25_db": lower, "q75_db": upper, "q90_db": high,
    }  # fmt: skip
    texts = {name: f"{value:.3f}" if np.isfinite(value) else "" for name, value in numbers.items()}
    head = {"time": iso(pair.time), "radar_a": pair.radar_a, "radar_b": pair.radar_b, "n": str(pair.n)}
    return {**head, **texts}


def from_row(row: Mapping[str, str]) -> PairBias:
    """The pair of a row written by `to_row`, to three decimals.

    Raises:
        KeyError: a column is absent. ValueError: not a number. TimeError: not a time.
    """

    def number(name: str) -> float:
        return float(row[name]) if row[name].strip() else np.nan

    return PairBias(
        row["radar_a"], row["radar_b"], parse_time(row["time"]), int(row["n"]), number("median_db"),
        number("spread_db"), number("correlation"),
        (number("q10_db"), number("q25_db"), number("q75_db"), number("q90_db")),
    )  # fmt: skip
