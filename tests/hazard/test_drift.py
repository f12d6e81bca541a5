"""Drift: the index by hand, no alarm without drift, an alarm with one, ties, and what is missing."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import ModelError, SampleError, TimeError
from wxcore.hazard.drift import (
    A_LITTLE,
    ABSENT,
    MUCH,
    STEADY,
    TOO_FEW,
    drift,
    moved,
    quantile_shift,
    reference_of,
    references_of,
    stability_index,
)
from wxcore.hazard.learn.fitted import Fitted
from wxcore.hazard.learn.trained import Reference
from wxcore.hazard.nightly import drift_report, last_night, read_nights, write_drift
from wxcore.hazard.registry.card import plain
from wxcore.hazard.registry.store import Loaded
from wxcore.hazard.samples.table import Samples, write_samples

RANDOM = np.random.default_rng(8)
CALM = RANDOM.normal(size=20_000)


class TestReference:
    def test_quantiles_are_values(self) -> None:
        found = reference_of([*range(1, 101), math.nan, math.inf])
        assert found.quantiles == (1.0, *(5.0 * step for step in range(1, 21)))
        assert found.missing == pytest.approx(2 / 102)

    def test_nothing_known(self) -> None:
        assert reference_of([math.nan]) == Reference((), 1.0)
        assert reference_of([]) == Reference((), 1.0)

    def test_out_of_a_card(self) -> None:
        none = {"quantiles": [None, None], "missing": 1.0}
        card = {"drift": {"features": {"mesh_mm": {"quantiles": [0.0, 1.0], "missing": 0.5}, "hdr_db": none}}}
        assert references_of(card, "features") == {"mesh_mm": Reference((0.0, 1.0), 0.5), "hdr_db": Reference((), 1.0)}
        assert references_of(card, "probability") == {}


class TestIndex:
    def test_the_same_values(self) -> None:
        assert stability_index(reference_of(CALM), CALM) == pytest.approx(0.0, abs=1e-3)

    def test_by_hand(self) -> None:
        """All values in one of ten equal bins: (1 - .1) ln 10, and nine times (.0001 - .1) ln .001."""
        reference = reference_of(np.arange(1, 1001))
        expected = 0.9 * math.log(10) + 9 * (0.0001 - 0.1) * math.log(0.001)
        assert stability_index(reference, np.full(500, 150.0)) == pytest.approx(expected, rel=1e-6)

    def test_half_of_it_outside(self) -> None:
        """Halves of the bins: (.05 - .1) ln .5 ten times; .5 in a bin that had none."""
        values = np.concatenate([np.arange(1, 1001), np.full(1000, 5000)])
        expected = 10 * 0.05 * math.log(2) + (0.5 - 0.0001) * math.log(5000)
        assert stability_index(reference_of(np.arange(1, 1001)), values) == pytest.approx(expected, rel=0.02)

    @pytest.mark.parametrize("rate", [0.0005, 0.004, 0.03, 0.2, 0.97])
    def test_a_rare_event_that_stays_rare(self, rate: float) -> None:
        """Zeros stand for many quantiles; a coarse reference must not cry wolf over them."""
        then, now = (np.random.default_rng(seed).random(5000) < rate for seed in (1, 2))
        assert stability_index(reference_of(then), now) < 0.05

    def test_a_rare_event_that_becomes_common(self) -> None:
        then, now = np.arange(1000) < 5, np.arange(1000) < 300
        assert stability_index(reference_of(then), now) > 0.25

    def test_a_constant_that_changes(self) -> None:
        assert stability_index(reference_of(np.ones(50)), np.ones(50)) == pytest.approx(0.0, abs=1e-3)
        assert stability_index(reference_of(np.ones(50)), np.full(50, 2.0)) > 1
        assert stability_index(reference_of(np.ones(50)), np.zeros(50)) > 1

    @settings(max_examples=50, deadline=None)
    @given(
        then=st.lists(st.floats(-100, 100), min_size=1, max_size=60),
        now=st.lists(st.floats(-100, 100), min_size=1, max_size=60),
    )
    def test_never_negative_nor_infinite(self, then: list[float], now: list[float]) -> None:
        found = stability_index(reference_of(then), now)
        assert math.isfinite(found)
        assert found >= 0

    def test_unknown(self) -> None:
        assert math.isnan(stability_index(Reference((), 1.0), CALM))
        assert math.isnan(stability_index(Reference((math.nan,) * 21, 1.0), CALM))
        assert math.isnan(stability_index(reference_of(CALM), [math.nan]))


class TestShift:
    def test_by_hand(self) -> None:
        """All quantiles 0.09 away; from 5 to 95 % the reference spans 0.9."""
        p = np.arange(1, 1001) / 1000
        assert quantile_shift(reference_of(p), p + 0.09) == pytest.approx(0.1)

    def test_steps_of_a_calibration_are_no_drift(self) -> None:
        p = np.random.default_rng(4).random(3000)
        one, other = np.floor(p * 12) / 12, (np.floor(p * 9 + 0.5)) / 9
        assert stability_index(reference_of(one), other) > 1
        assert quantile_shift(reference_of(one), other) < 0.1

    def test_unknown_and_constant(self) -> None:
        assert math.isnan(quantile_shift(Reference((), 1.0), CALM))
        assert math.isnan(quantile_shift(reference_of(CALM), [math.nan]))
        assert quantile_shift(reference_of(np.full(9, 0.2)), np.full(9, 0.5)) == pytest.approx(0.3)


class TestVerdict:
    def verdicts(self, **now: np.ndarray) -> dict[str, str]:
        reference = dict.fromkeys(now, reference_of(CALM))
        found = drift(reference, pd.DataFrame(now))
        return dict(zip(found["name"], found["verdict"], strict=True))

    def test_steady_and_moved(self) -> None:
        other = np.random.default_rng(9).normal(size=2000)
        holes = np.where(np.arange(2000) % 3 == 0, np.nan, other)
        few = np.where(np.arange(2000) % 8 == 0, np.nan, other)
        assert self.verdicts(same=other, away=other + 1, little=other + 0.4, holes=holes, few=few) == {
            "same": STEADY, "away": MUCH, "little": A_LITTLE, "holes": MUCH, "few": A_LITTLE,
        }  # fmt: skip

    def test_largest_first_and_names(self) -> None:
        reference = {"a": reference_of(CALM), "b": reference_of(CALM), "c": reference_of(CALM)}
        found = drift(reference, pd.DataFrame({"a": CALM, "b": CALM + 2}))
        assert list(found["name"]) == ["b", "a", "c"]
        assert list(found["verdict"]) == [MUCH, STEADY, ABSENT]
        assert list(found["missing_now"]) == [0.0, 0.0, 1.0]
        assert moved(found) == ("b", "c")

    def test_few_rows_say_nothing(self) -> None:
        assert self.verdicts(x=CALM[:50] + 3) == {"x": TOO_FEW}
        assert drift({"x": reference_of(CALM)}, pd.DataFrame({"x": np.zeros(0)}))["verdict"][0] == TOO_FEW

    def test_always_missing_stays_steady(self) -> None:
        nothing = np.full(500, np.nan)
        found = drift({"x": reference_of(nothing), "y": reference_of(CALM)}, pd.DataFrame({"x": nothing, "y": nothing}))
        assert dict(zip(found["name"], found["verdict"], strict=True)) == {"x": STEADY, "y": MUCH}

    def test_few_values_among_many_rows(self) -> None:
        """A satellite seen in 30 of 1000 rows, then as now: nothing is said of its values."""
        then = np.where(np.arange(1000) < 30, CALM[:1000], np.nan)
        found = drift({"x": reference_of(then)}, pd.DataFrame({"x": then + 5}))
        assert found["verdict"][0] == TOO_FEW


class TestNights:
    def test_a_day_is_over_when_its_labels_are(self) -> None:
        """At 13 UTC the hour after its last storm is known; a minute earlier it is not."""
        night = last_night(datetime(2026, 7, 2, 13, tzinfo=UTC))
        assert night.name == "2026-07-01"
        assert night.start == datetime(2026, 7, 1, 12, tzinfo=UTC)
        assert night.end == datetime(2026, 7, 2, 11, 54, tzinfo=UTC)
        assert last_night(datetime(2026, 7, 2, 12, 59, tzinfo=UTC)).name == "2026-06-30"

    def test_nights_meet_without_gap_or_overlap(self) -> None:
        one, two = (last_night(datetime(2026, 7, day, 20, tzinfo=UTC)) for day in (2, 3))
        assert two.start - one.end == timedelta(minutes=6)

    def test_a_naive_time_is_refused(self) -> None:
        with pytest.raises(TimeError):
            last_night(datetime(2026, 7, 2, 13))  # noqa: DTZ001

    def test_the_newest_are_read(self, tmp_path: Path) -> None:
        for day in ("2026-07-01", "2026-07-03", "2026-07-02"):
            write_samples(samples_of(300, day=day), tmp_path / day / "hail.parquet")
        found = read_nights(tmp_path, "hail", 2)
        assert list(found.frame["day"].unique()) == ["2026-07-02", "2026-07-03"]
        assert found.source == "nights 2026-07-02 to 2026-07-03"
        assert len(read_nights(tmp_path, "hail").frame) == 900

    def test_other_columns_and_none_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SampleError, match="no samples of hail"):
            read_nights(tmp_path, "hail")
        write_samples(samples_of(10, day="2026-07-01"), tmp_path / "2026-07-01" / "hail.parquet")
        write_samples(samples_of(10, features=("mesh_mm",)), tmp_path / "2026-07-02" / "hail.parquet")
        with pytest.raises(SampleError, match=r"2026-07-02.*not those of"):
            read_nights(tmp_path, "hail")


def samples_of(
    rows: int, *, day: str = "2026-07-01", shift: float = 0.0, source: str = "report", flip: bool = False,
    features: tuple[str, ...] = ("mesh_mm", "max_dbz"),
) -> Samples:  # fmt: skip
    random = np.random.default_rng(5)
    values = {name: random.normal(size=rows) for name in features}
    label = random.random(rows) < 1 / (1 + np.exp(-2 * values["mesh_mm"] * (-1 if flip else 1)))
    frame = pd.DataFrame({"day": day, "storm": np.arange(rows).astype(str), "time": pd.Timestamp("2026-07-01T13:00"),
                          "weight": 1.0, "label_source": source, "label_0_60": label.astype("f8"), **values,
                          })  # fmt: skip
    frame["mesh_mm"] += shift
    return Samples(frame, "hail", features)


class Slope:
    """An estimator whose probability is the logistic of twice MESH."""

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        p = 1 / (1 + np.exp(-2 * frame["mesh_mm"].to_numpy()))
        return np.column_stack([1 - p, p])


@pytest.fixture
def loaded() -> Loaded:
    """Trained on 5000 rows that nothing was moved in; the card as JSON brings it back."""
    old = samples_of(5000)
    fitted = Fitted(Slope(), None, old.features)
    interval = {"value": 0.88, "low": 0.86, "high": 0.9}
    entry = {"window": "0-60", "name": "slope", "auc": interval, "brier": {"value": 0.14, "low": 0.13, "high": 0.15}}
    card: dict[str, Any] = {
        "hazard": "hail", "version": "a", "truth_class": "report",
        "features": [{"name": name} for name in old.features],
        "board": {"chosen": {"0-60": "slope"}, "entries": [entry]},
        "drift": {"features": {name: reference_of(old.frame[name]) for name in old.features},
                  "probability": {"0-60": reference_of(fitted.probability(old.frame))}},
    }  # fmt: skip
    return Loaded("hail", "a", {"0-60": fitted}, old.features, json.loads(json.dumps(plain(card))))


class TestReport:
    def test_nothing_moved(self, loaded: Loaded) -> None:
        found = drift_report(loaded, samples_of(2000))
        assert found["moved"] == {"features": [], "probability": []}
        assert found["scores"]["0-60"]["verdict"] == "as on the card"
        assert (found["rows"], found["days"]) == (2000, 1)

    def test_a_feature_and_with_it_the_probability_moved(self, loaded: Loaded) -> None:
        found = drift_report(loaded, samples_of(2000, shift=1.5))
        assert found["moved"] == {"features": ["mesh_mm"], "probability": ["0-60"]}
        assert found["scores"]["0-60"]["verdict"] == "worse: brier"

    def test_the_weather_does_not_follow_any_more(self, loaded: Loaded) -> None:
        """Nothing moved that one could see without the labels."""
        found = drift_report(loaded, samples_of(2000, flip=True))
        assert found["moved"] == {"features": [], "probability": []}
        assert found["scores"]["0-60"]["verdict"] == "worse: auc, brier"

    def test_scores_of_another_truth_are_not_compared(self, loaded: Loaded) -> None:
        found = drift_report(loaded, samples_of(2000, source="SYN"))
        assert found["scores"] == {}
        assert (found["truth_class"], found["card_truth_class"]) == ("SYN", "report")

    def test_few_events(self, loaded: Loaded) -> None:
        assert drift_report(loaded, samples_of(30))["scores"]["0-60"]["verdict"] == "too few"

    def test_a_feature_that_is_not_there(self, loaded: Loaded) -> None:
        with pytest.raises(ModelError, match="max_dbz"):
            drift_report(loaded, samples_of(300, features=("mesh_mm",)))

    def test_files(self, loaded: Loaded, tmp_path: Path) -> None:
        path = write_drift(drift_report(loaded, samples_of(300, shift=3)), tmp_path, "2026-07-01")
        assert path.name == "hail-2026-07-01.json"
        assert json.loads(path.read_text())["moved"]["features"] == ["mesh_mm"]
        lines = path.with_suffix(".csv").read_text().splitlines()
        assert lines[0] == "name,index,missing_then,missing_now,rows,verdict,part"
        assert len(lines) == 4
