"""Scores: hand values (DOMAIN.md section 10), scikit-learn as oracle, and what has no meaning is NaN."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from wxcore.hazard.learn import scores
from wxcore.hazard.learn.scores import Counts
from wxcore.hazard.learn.trained import Bin

PAIRS = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 1.0])), min_size=2)


def rows(n=3000, seed=0):
    draw = np.random.default_rng(seed)
    p = draw.beta(0.6, 4, n)
    return (draw.random(n) < p).astype(float), p


def test_counts_have_the_scores_of_the_hand_calculation():
    found = Counts(hits=30, false_alarms=20, misses=10, correct_negatives=940)
    assert (found.pod, found.far, found.csi, found.bias, found.success_ratio) == (0.75, 0.40, 0.50, 1.25, 0.60)
    assert found.hss == pytest.approx(0.651, abs=5e-4)
    assert found.pss == pytest.approx(0.729, abs=5e-4)
    assert found.ets == pytest.approx(0.483, abs=5e-4)
    assert found.csi == pytest.approx(1 / (1 / found.success_ratio + 1 / found.pod - 1))
    h, f = 0.75, 20 / 960
    by_hand = (math.log(f) - math.log(h) + math.log(1 - h) - math.log(1 - f)) / (
        math.log(f) + math.log(h) + math.log(1 - h) + math.log(1 - f)
    )
    assert found.sedi == pytest.approx(by_hand)
    assert 0 < found.sedi < 1


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (Counts(0, 5, 0, 5), "pod"), (Counts(0, 0, 5, 5), "far"), (Counts(0, 0, 0, 9), "csi"),
        (Counts(0, 3, 0, 9), "bias"), (Counts(0, 0, 0, 0), "hss"), (Counts(0, 0, 0, 0), "ets"),
        (Counts(5, 0, 0, 5), "sedi"), (Counts(5, 0, 5, 0), "pss"), (Counts(5, 0, 5, 0), "pofd"),
    ],
)  # fmt: skip
def test_score_without_meaning_is_nan_not_zero(table, name):
    assert math.isnan(getattr(table, name))


@given(PAIRS)
def test_chance_free_scores_are_at_most_one_and_counts_keep_every_row(pairs):
    y, p = np.array(pairs, dtype=float).T
    found = scores.counts(y, p >= 0.5)
    assert found.rows == len(pairs)
    assert found.hits + found.misses == y.sum()
    assert all(math.isnan(v) or v <= 1 + 1e-12 for v in (found.ets, found.hss, found.pss, found.csi))


@given(PAIRS)
def test_auc_is_the_part_of_ordered_pairs(pairs):
    y, p = np.array(pairs, dtype=float).T
    events, others = p[y == 1], p[y == 0]
    found = scores.auc(y, p)
    if not len(events) or not len(others):
        assert math.isnan(found)
    else:
        above = events[:, None] - others[None, :]
        assert found == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean())


def test_scores_are_those_of_scikit_learn():
    y, p = rows()
    weight = np.random.default_rng(1).random(y.size)
    assert scores.auc(y, p, weight) == pytest.approx(metrics.roc_auc_score(y, p, sample_weight=weight))
    assert scores.average_precision(y, p) == pytest.approx(metrics.average_precision_score(y, p))
    assert scores.brier(y, p, weight) == pytest.approx(metrics.brier_score_loss(y, p, sample_weight=weight))
    found = scores.counts(y, p >= 0.3)
    assert found.pod == pytest.approx(metrics.recall_score(y, p >= 0.3))
    assert found.success_ratio == pytest.approx(metrics.precision_score(y, p >= 0.3))
    assert found.csi == pytest.approx(metrics.jaccard_score(y, p >= 0.3))
    assert found.hss == pytest.approx(metrics.cohen_kappa_score(y, p >= 0.3))


def test_skill_is_against_the_climatology_of_each_row():
    y = np.array([0.0, 1.0, 0.0, 1.0])
    climatology = np.array([0.25, 0.25, 0.5, 0.5])
    reference = (0.0625 + 0.5625 + 0.25 + 0.25) / 4
    assert scores.skill(y, [0.0, 1.0, 0.0, 1.0], climatology) == 1
    assert scores.skill(y, climatology, climatology) == 0
    assert scores.skill(y, np.full(4, 0.5), climatology) == pytest.approx(1 - 0.25 / reference)
    assert math.isnan(scores.skill(np.zeros(2), np.zeros(2), 0.0))


def test_reliability_tells_mean_frequency_and_rows_of_bins_that_hold_any():
    found = scores.reliability([0, 1, 1, 1], [0.05, 0.07, 0.95, 1.0])
    assert found == (Bin(pytest.approx(0.06), 0.5, 2), Bin(pytest.approx(0.975), 1.0, 2))
    assert scores.ece([0, 1, 1, 1], [0.05, 0.07, 0.95, 1.0]) == pytest.approx((2 * 0.44 + 2 * 0.025) / 4)


def test_well_calibrated_rows_have_a_small_error_and_shifted_ones_their_shift():
    y, p = rows(200_000)
    assert scores.ece(y, p) < 0.005
    assert scores.ece(y, np.clip(p + 0.2, 0, 1)) == pytest.approx(0.2, abs=0.01)


@given(PAIRS)
def test_brier_is_its_three_parts_where_bins_hold_one_probability(pairs):
    y, p = np.array(pairs, dtype=float).T
    p = np.floor(p * 10) / 10 + 0.05 * (p < 1)  # one value a bin
    p = np.clip(p, 0, 0.95)
    parts = scores.decomposition(y, p)
    assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(scores.brier(y, p), abs=1e-12)


@given(PAIRS)
def test_best_threshold_has_the_largest_csi_of_all_thresholds(pairs):
    y, p = np.array(pairs, dtype=float).T
    found = scores.best_threshold(y, p)
    if not y.any():
        assert math.isnan(found)
        return
    all_csi = {value: scores.counts(y, p >= value).csi for value in np.unique(p)}
    assert all_csi[found] == pytest.approx(max(all_csi.values()))
    assert all(value <= found for value, csi in all_csi.items() if csi == all_csi[found])


def test_climatology_stands_in_where_nothing_is_said():
    found, unknown = scores.with_climatology([0.2, np.nan, 0.4], np.array([0.1, 0.15, 0.2]))
    assert found.tolist() == [0.2, 0.15, 0.4]
    assert unknown == 1


@pytest.mark.parametrize(
    ("y", "p", "told"),
    [
        ([0, 1], [0.1, np.nan], "p holds NaN"), ([0, np.nan], [0.1, 0.2], "0 and 1"), ([0, 2], [0.1, 0.2], "0 and 1"),
        ([0, 1, 1], [0.1, 0.2], "one number a row"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("score", [scores.auc, scores.brier, scores.average_precision, scores.ece, scores.reliability])
def test_what_cannot_be_scored_is_refused(score, y, p, told):
    with pytest.raises(ValueError, match=told):
        score(y, p)


def test_no_rows_score_nan():
    assert math.isnan(scores.brier([], []))
    assert math.isnan(scores.ece([], []))
    assert math.isnan(scores.average_precision([0, 0], [0.1, 0.2]))
    assert math.isnan(scores.decomposition([], []).reliability)
