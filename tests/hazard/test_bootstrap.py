"""Intervals by whole days against resampling done the slow way; entries of the board; permutation importance."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from wxcore.hazard.learn import bootstrap, scores
from wxcore.hazard.learn.bootstrap import expanded_levels, intervals
from wxcore.hazard.learn.entries import WITHOUT_OPINION, Contest, best_baseline, entries
from wxcore.hazard.learn.importance import permutation


def season(n=1500, days=25, seed=0, digits=None):
    """Rows whose chance rises with x, days unlike each other; a good, a noisy and a constant competitor."""
    draw = np.random.default_rng(seed)
    day = np.sort(draw.integers(0, days, n))
    logit = draw.normal(0, 1.5, n) + draw.normal(0, 0.8, days)[day] - 1.5
    y = (draw.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    good = 1 / (1 + np.exp(-(logit + draw.normal(0, 0.4, n))))
    noisy = 1 / (1 + np.exp(-(logit + draw.normal(0, 2.5, n))))
    if digits is not None:
        good, noisy = good.round(digits), noisy.round(digits)
    names = np.array([f"2024-06-{i + 1:02d}" for i in range(days)])[day]
    return y, {"good": good, "noisy": noisy, "climatology": np.full(n, y.mean())}, names


def slow(y, ps, climatology, days, seed, replicates):
    """Copies of whole days, scored by scikit-learn: auc, brier, skill of each competitor in each replicate."""
    names, day = np.unique(days, return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=replicates)
    found = {name: [] for name in ps}
    for drawn in draws:
        rows = np.repeat(np.arange(len(y)), drawn[day])
        for name, p in ps.items():
            error, reference = ((each[rows] - y[rows]) ** 2 for each in (p, climatology))
            found[name].append((roc_auc_score(y[rows], p[rows]), error.mean(), 1 - error.mean() / reference.mean()))
    return {name: np.array(each).T for name, each in found.items()}


def test_levels_are_wider_with_few_days():
    """Hesterberg 2015: t of 9 degrees of freedom is 2.262, times sqrt(10 / 9): 2.384 standard deviations."""
    assert expanded_levels(10) == pytest.approx((0.856, 99.144), abs=0.002)
    assert expanded_levels(100_000) == pytest.approx((2.5, 97.5), abs=0.001)


@pytest.mark.parametrize("digits", [2, None])
def test_intervals_are_those_of_resampling_days_the_slow_way(digits):
    y, ps, days = season(digits=digits)
    climatology = np.full(len(y), 0.2)
    found = intervals(y, ps, climatology, days, seed=3, baseline="noisy", replicates=80)
    expected = slow(y, ps, climatology, days, 3, 80)
    levels = expanded_levels(25)
    for name, mine in found.items():
        for interval, replicates in zip((mine.auc, mine.brier, mine.skill), expected[name], strict=True):
            assert (interval.low, interval.high) == pytest.approx(np.percentile(replicates, levels), abs=1e-9)
    better = np.percentile(expected["good"][0] - expected["noisy"][0], levels)
    assert (found["good"].better.low, found["good"].better.high) == pytest.approx(better, abs=1e-9)
    gain = np.percentile(expected["good"][2] - expected["noisy"][2], levels)
    assert (found["good"].skill_better.low, found["good"].skill_better.high) == pytest.approx(gain, abs=1e-9)
    assert found["noisy"].better is None
    assert found["noisy"].skill_better is None


def test_values_are_those_of_all_rows():
    y, ps, days = season()
    climatology = np.full(len(y), 0.2)
    found = intervals(y, ps, climatology, days, seed=0, baseline="climatology", replicates=50)["good"]
    assert found.auc.value == roc_auc_score(y, ps["good"])
    assert found.brier.value == scores.brier(y, ps["good"])
    assert found.skill.value == scores.skill(y, ps["good"], climatology)
    assert found.better.value == pytest.approx(found.auc.value - 0.5)
    assert found.auc.low < found.auc.value < found.auc.high


@pytest.mark.parametrize("rare", [0.3, 0.003])
def test_binned_auc_is_within_a_thousandth_where_values_are_many(rare):
    draw = np.random.default_rng(5)
    n = 60_000
    y = (draw.random(n) < rare).astype(float)
    p = draw.normal(0, 1, n) + 1.2 * y
    p[draw.random(n) < 0.3] = -0.5  # a value that many share
    assert np.unique(p).size > bootstrap.DISTINCT
    day = np.zeros(n, dtype=np.intp)
    found = bootstrap._aucs(y, p, day, np.ones((1, 1)))
    assert found[0] == pytest.approx(roc_auc_score(y, p), abs=0.001)


def test_sparse_and_dense_sums_agree(monkeypatch):
    y, ps, days = season(n=400, days=300)
    climatology = np.full(len(y), 0.2)
    found = []
    for cost in (0, 1e9):
        monkeypatch.setattr(bootstrap, "SPARSE_COST", cost)
        found.append(intervals(y, ps, climatology, days, seed=1, baseline="noisy", replicates=60))
    assert found[0] == found[1]


def test_same_seed_same_intervals_and_row_order_does_not_matter():
    y, ps, days = season()
    climatology = np.full(len(y), 0.2)
    one, two, other = (
        intervals(y, ps, climatology, days, seed=seed, baseline="noisy", replicates=60) for seed in (1, 1, 2)
    )
    assert one == two
    assert one != other
    order = np.random.default_rng(0).permutation(len(y))
    mixed = intervals(
        y[order],
        {k: p[order] for k, p in ps.items()},
        climatology,
        days[order],
        seed=1,
        baseline="noisy",
        replicates=60,
    )
    assert (mixed["good"].auc.low, mixed["good"].better.high) == pytest.approx(
        (one["good"].auc.low, one["good"].better.high)
    )


def test_days_that_differ_give_wider_intervals_than_rows_alone():
    y, ps, days = season(n=3000)
    climatology = np.full(len(y), 0.2)
    by_day = intervals(y, ps, climatology, days, seed=1, baseline="noisy", replicates=300)["good"].brier
    by_row = intervals(y, ps, climatology, np.arange(len(y)), seed=1, baseline="noisy", replicates=300)["good"].brier
    assert by_day.high - by_day.low > 1.3 * (by_row.high - by_row.low)


def test_one_day_has_no_interval():
    y, ps, _ = season()
    found = intervals(y, ps, np.full(len(y), 0.2), ["2024-06-01"] * len(y), seed=0, baseline="noisy")["good"]
    assert found.auc.value > 0.5
    for interval in (found.auc, found.brier, found.skill, found.better, found.skill_better):
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)


def test_events_on_one_of_four_days_have_no_interval_of_auc_but_one_of_brier():
    days = np.repeat(["a", "b", "c", "d"], 5)
    y = np.zeros(20)
    y[:2] = 1
    p = np.linspace(0.9, 0.1, 20)
    found = intervals(y, {"rule": p, "other": 1 - p}, np.full(20, 0.1), days, seed=0, baseline="other")["rule"]
    assert math.isnan(found.auc.low)
    assert math.isnan(found.better.low)
    assert found.brier.low < found.brier.value < found.brier.high


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"baseline": "nobody"}, "nobody"),
        ({"days": ["a"]}, "1 days for 20 rows"),
        ({"ps": {"rule": [np.nan] * 20}}, "NaN"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, told):
    given = {"ps": {"rule": np.full(20, 0.5)}, "days": ["a"] * 20, "baseline": "rule"} | change
    with pytest.raises(ValueError, match=told):
        intervals(np.arange(20) % 2, given["ps"], np.full(20, 0.5), given["days"], seed=0, baseline=given["baseline"])


def contest(**changes):
    y, ps, days = season()
    ps["noisy"] = 0.4 * ps["noisy"] + 0.6 * y.mean()  # such as isotonic regression makes of it: better than climatology
    slices = pd.DataFrame({"elevation": np.where(np.arange(len(y)) % 3 == 0, "ridge", "valley")})
    slices.loc[:9, "elevation"] = None
    given = Contest(
        window="0-60",
        y=y,
        ps=ps,
        kinds={"good": "model", "noisy": "rule", "climatology": "climatology"},
        thresholds={"good": 0.4, "noisy": np.full(len(y), 0.3), "climatology": 0.9},
        climatology=np.full(len(y), 0.2),
        days=days,
        slices=slices,
        parameters={"good": {"depth": 3}},
    )
    return dataclasses.replace(given, **changes)


def test_entries_tell_scores_counts_and_slices_against_the_best_baseline():
    given = contest()
    (good, noisy, climatology), best = entries(given, seed=1, replicates=60)
    assert best == "noisy"
    assert [each.name for each in (good, noisy, climatology)] == list(given.ps)
    assert (good.kind, good.window, good.parameters) == ("model", "0-60", {"depth": 3})
    assert good.better.low > 0
    assert noisy.better is None
    table = scores.counts(given.y, given.ps["good"] >= 0.4)
    assert (good.hits, good.false_alarms, good.misses, good.correct_negatives) == dataclasses.astuple(table)
    assert (climatology.hits, climatology.false_alarms) == (0, 0)
    assert good.ece == scores.ece(given.y, given.ps["good"])
    ridge = (given.slices["elevation"] == "ridge").to_numpy()
    assert good.slices["elevation"]["ridge"] == {
        "n": ridge.sum(),
        "events": given.y[ridge].sum(),
        "auc": scores.auc(given.y[ridge], given.ps["good"][ridge]),
        "brier": scores.brier(given.y[ridge], given.ps["good"][ridge]),
        "baseline_auc": scores.auc(given.y[ridge], given.ps["noisy"][ridge]),
        "baseline_brier": scores.brier(given.y[ridge], given.ps["noisy"][ridge]),
    }
    assert set(good.slices["elevation"]) == {"ridge", "valley"}
    assert (given.y.size - 10) == sum(each["n"] for each in good.slices["elevation"].values())


def test_rows_without_opinion_stay_on_the_board_with_climatology():
    given = contest()
    silent = given.ps["noisy"].copy()
    silent[:100] = np.nan
    found, _ = entries(contest(ps={**given.ps, "noisy": silent}), seed=1, replicates=20)
    filled = np.where(np.isnan(silent), 0.2, silent)
    assert found[1].brier.value == scores.brier(given.y, filled)
    assert found[1].parameters == {WITHOUT_OPINION: 100}
    assert WITHOUT_OPINION not in found[0].parameters
    assert found[1].hits + found[1].misses == found[0].hits + found[0].misses == given.y.sum()


def test_auc_goes_by_the_rules_own_number_where_it_is_given():
    given = contest()
    millimetres = given.ps["noisy"] * 80
    millimetres[:5] = np.nan
    coarse = {**given.ps, "noisy": np.where(given.ps["noisy"] > 0.3, 0.4, 0.2)}
    found, best = entries(contest(ps=coarse, ranks={"noisy": millimetres}), seed=1, replicates=20)
    median_filled = np.where(np.isnan(millimetres), np.nanmedian(millimetres), millimetres)
    assert found[1].auc.value == scores.auc(given.y, median_filled)
    assert found[1].average_precision == scores.average_precision(given.y, median_filled)
    assert found[1].brier.value == scores.brier(given.y, coarse["noisy"])
    assert best == "noisy"


def test_best_baseline_has_the_largest_brier_skill_though_another_ranks_better():
    """Of hand: Brier 0.1225 of the one that ranks two pairs wrongly, 0.2426 of the one that ranks all right."""
    y = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    ps = {"ranks": np.array([0.0, 0.02, 0.0, 0.02, 0.01, 0.02]), "judges": np.array([0.1, 0.9, 0.7, 0.9, 0.1, 0.6])}
    kinds = {"ranks": "rule", "judges": "rule"}
    areas = {name: scores.auc(y, p) for name, p in ps.items()}
    assert areas["ranks"] == 1 > areas["judges"] > 0.8
    assert best_baseline(y, ps, kinds, {}) == "judges"
    # the same probabilities: what ranks better, by its own number
    assert best_baseline(y, {"a": ps["judges"], "b": ps["judges"]}, {"a": "rule", "b": "rule"}, {"b": y}) == "b"


def test_best_baseline_is_no_model_and_full_ties_go_by_name():
    y = np.array([0.0, 1.0, 0.0, 1.0])
    p = np.array([0.1, 0.9, 0.2, 0.8])
    ps = {"model": p, "wide": p / 2, "sharp": p, "flat": np.full(4, 0.5)}
    kinds = {"model": "model", "wide": "rule", "sharp": "rule", "flat": "climatology"}
    assert best_baseline(y, ps, kinds, {}) == "sharp"
    assert best_baseline(y, {"b": p, "a": p}, {"a": "rule", "b": "rule"}, {}) == "a"
    assert best_baseline(np.zeros(4), ps, kinds, {}) == "wide"
    with pytest.raises(ValueError, match="no baseline"):
        best_baseline(y, {"model": p}, kinds, {})


def test_number_that_is_no_probability_is_refused():
    given = contest()
    with pytest.raises(ValueError, match="noisy: holds probabilities outside"):
        entries(contest(ps={**given.ps, "noisy": given.ps["noisy"] * 80}), seed=0)
    with pytest.raises(ValueError, match="3 rows of slices"):
        entries(contest(slices=pd.DataFrame({"elevation": ["a", "b", "c"]})), seed=0)


@dataclasses.dataclass(frozen=True)
class ByFeature:
    """Stands for a Fitted: its probability is feature `a` alone; `b` is never looked at."""

    features: tuple[str, ...] = ("b", "a")

    def probability(self, frame):
        assert list(frame) == list(self.features)
        return frame["a"].to_numpy()


def test_importance_is_the_auc_lost_by_shuffling_and_nothing_for_what_is_not_used():
    y, ps, _ = season()
    frame = pd.DataFrame({"a": ps["good"], "b": y, "unused": "text"}, index=np.arange(len(y)) + 7)
    found = permutation(ByFeature(), frame, y, seed=1, repeats=3)
    assert [name for name, _, _ in found] == ["a", "b"]
    assert found[0][1] == pytest.approx(scores.auc(y, ps["good"]) - 0.5, abs=0.03)
    assert found[0][2] > 0
    assert found[1][1:] == (0.0, 0.0)
    assert found == permutation(ByFeature(), frame, y, seed=1, repeats=3)
    assert found != permutation(ByFeature(), frame, y, seed=2, repeats=3)
    assert found == permutation(ByFeature(features=("b", "a")), frame[["unused", "b", "a"]], y, seed=1, repeats=3)


def test_importance_samples_a_large_frame():
    y, ps, _ = season()
    frame = pd.DataFrame({"a": ps["good"], "b": y})
    assert permutation(ByFeature(), frame, y, seed=1, rows=200) != permutation(ByFeature(), frame, y, seed=1)
    with pytest.raises(KeyError, match="b"):
        permutation(ByFeature(), frame[["a"]], y, seed=1)
