"""Planted leaks are refused by name; honest tables and strong features pass."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, spearmanr
from sklearn.metrics import roc_auc_score

from wxcore.errors import SampleError
from wxcore.hazard.registry import verdict
from wxcore.hazard.samples import leaks
from wxcore.hazard.samples.leaks import check_leaks
from wxcore.hazard.samples.outside import LABEL_VALUE, read_outside
from wxcore.hazard.samples.table import Samples

ROWS = 3000


def _samples(share: float = 0.2, seed: int = 4) -> Samples:
    random = np.random.default_rng(seed)
    gust = np.round(random.gumbel(12, 4, ROWS), 1)
    label = (gust >= np.quantile(gust, 1 - share)).astype(float)
    frame = pd.DataFrame({
        "day": [f"d{i // 60:03d}" for i in range(ROWS)],
        "storm": [f"s{i // 6}" for i in range(ROWS)],
        "time": pd.NaT,
        "weight": 1.0,
        "label_source": "instrument",
        "label_0_60": label,
        LABEL_VALUE: gust,
        "shear": random.normal(20, 6, ROWS) + label,
        "cape": np.where(random.random(ROWS) < 0.3, np.nan, random.normal(1500, 600, ROWS)),
    })  # fmt: skip
    return Samples(frame=frame, hazard="gale", features=("shear", "cape"), source="made up")


def _with(samples: Samples, name: str, values: object) -> Samples:
    return replace(samples, frame=samples.frame.assign(**{name: values}), features=(*samples.features, name))


RANDOM = np.random.default_rng(9)


def _any(*codes: int) -> np.ndarray:
    return RANDOM.choice(codes, ROWS)


PLANTED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "label itself": lambda label, gust: label,
    "label and noise": lambda label, gust: label + RANDOM.normal(0, 0.1, ROWS),
    "negative": lambda label, gust: 5 - 3 * label,
    "ranks": lambda label, gust: pd.Series(gust).rank().to_numpy(),
    "in other units": lambda label, gust: gust * 1.94384,
    "cube of it": lambda label, gust: -(gust**3),
    "with gaps": lambda label, gust: np.where(RANDOM.random(ROWS) < 0.4, np.nan, label),
    "there for events only": lambda label, gust: np.where(label == 1, 7.0, np.nan),
    "missing for events only": lambda label, gust: np.where(label == 1, np.nan, RANDOM.normal(0, 1, ROWS)),
    "codes of classes": lambda label, gust: np.where(label == 1, _any(2, 5), _any(1, 3, 4)),
    "both tails": lambda label, gust: np.where(label == 1, _any(-3, 3), 0) + RANDOM.uniform(-1, 1, ROWS),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("share", [0.2, 0.02])
def test_a_planted_leak_is_refused_and_named(kind: str, share: float) -> None:
    samples = _samples(share)
    label, gust = samples.frame["label_0_60"].to_numpy(), samples.frame[LABEL_VALUE].to_numpy()
    with pytest.raises(SampleError) as told:
        check_leaks(_with(samples, "innocent", PLANTED[kind](label, gust)))
    assert [fault.split(":")[0] for fault in told.value.faults] == ["innocent"]
    assert "features contain the label" in str(told.value)


def test_values_that_follow_the_number_behind_the_label_are_refused_even_where_they_do_not_part_events() -> None:
    samples = _samples()
    ordered = samples.frame[LABEL_VALUE].to_numpy() + np.random.default_rng(2).normal(0, 0.6, ROWS)
    assert roc_auc_score(samples.frame["label_0_60"], ordered) < 0.998
    with pytest.raises(SampleError, match="innocent"):
        check_leaks(_with(samples, "innocent", ordered))


def test_every_leak_is_told_at_once() -> None:
    samples = _samples()
    label = samples.frame["label_0_60"]
    with pytest.raises(SampleError) as told:
        check_leaks(_with(_with(samples, "first", label), "second", -label))
    assert [fault.split(":")[0] for fault in told.value.faults] == ["first", "second"]


def test_a_strong_but_honest_feature_passes() -> None:
    samples = _samples()
    apart = np.sqrt(2) * norm.ppf(0.95)
    strong = samples.frame["label_0_60"] * apart + np.random.default_rng(3).normal(0, 1, ROWS)
    assert roc_auc_score(samples.frame["label_0_60"], strong) == pytest.approx(0.95, abs=0.01)
    (remark,) = check_leaks(_with(samples, "mesh", strong))
    assert re.fullmatch(
        r"possible leak: mesh alone tells events from others \(AUC 0\.9[56]\d, rank .* 0\.\d+\)", remark
    )
    weaker = samples.frame["label_0_60"] * 1.5 + np.random.default_rng(3).normal(0, 1, ROWS)
    assert check_leaks(_with(samples, "mesh", weaker)) == ()


def _on_even_days(samples: Samples, leak: np.ndarray) -> np.ndarray:
    even = pd.factorize(samples.frame["day"])[0] % 2 == 0
    return np.where(even, leak, np.random.default_rng(5).permutation(leak))


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("sparse", [False, True])
def test_a_leak_on_even_days_only_is_refused(kind: str, sparse: bool) -> None:
    """And where the feature is unknown on the others."""
    samples = _samples()
    label, gust = samples.frame["label_0_60"].to_numpy(), samples.frame[LABEL_VALUE].to_numpy()
    planted = _on_even_days(samples, PLANTED[kind](label, gust))
    if sparse:
        planted = np.where(pd.factorize(samples.frame["day"])[0] % 2 == 0, planted, np.nan)
    with pytest.raises(SampleError, match="innocent: "):
        check_leaks(_with(samples, "innocent", planted))


def test_gaps_on_even_days_only_are_told_as_gaps() -> None:
    samples = _samples()
    label, gust = samples.frame["label_0_60"].to_numpy(), samples.frame[LABEL_VALUE].to_numpy()
    planted = _on_even_days(samples, PLANTED["missing for events only"](label, gust))
    with pytest.raises(SampleError, match=r"innocent: whether it is missing .*AUC 1\.000"):
        check_leaks(_with(samples, "innocent", planted))


def test_classes_that_leak_in_the_few_rows_where_they_are_known_are_refused() -> None:
    samples = _samples()
    label = samples.frame["label_0_60"].to_numpy()
    codes = np.where(np.random.default_rng(1).random(ROWS) < 0.3, np.where(label == 1, _any(2, 5), _any(1, 3)), np.nan)
    with pytest.raises(SampleError, match="innocent: its values, by classes"):
        check_leaks(_with(samples, "innocent", codes))


def test_numbers_that_follow_the_label_from_afar_are_remarked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "ODD_AUC", 2.0)
    samples = _samples()
    gust, noise = samples.frame[LABEL_VALUE].to_numpy(), np.random.default_rng(2).normal(0, 1, ROWS)
    (remark,) = check_leaks(_with(samples, "innocent", gust + 1.8 * noise))
    assert remark.startswith("possible leak: innocent ")
    assert check_leaks(_with(samples, "innocent", gust + 3 * noise)) == ()
    (half,) = check_leaks(_with(samples, "innocent", _on_even_days(samples, -gust + 1.2 * noise)))
    assert half.startswith("possible leak: innocent ")


@pytest.mark.parametrize("name", ["label_15", "Truth", "hail_target", "verified"])
def test_names_that_are_no_features_are_refused_whatever_they_hold(name: str) -> None:
    samples = _samples()
    few = samples.frame.assign(label_0_60=(np.arange(ROWS) < 5).astype(float))
    for table in (samples, replace(samples, frame=few)):
        with pytest.raises(SampleError, match=f"{name}: its name says"):
            check_leaks(_with(table, name, np.random.default_rng(2).normal(0, 1, ROWS)))


@pytest.mark.parametrize(
    ("source", "name", "word"),
    [
        ("archive of cn, 2026-06-01 to 2026-07-01", "flash_rate_min", "strong"),
        ("nights 2026-06-01 to 2026-07-01", "flash_rate_min", "strong"),
        ("archive of cn, 2026-06-01 to 2026-07-01", "own", "possible leak"),
        ("table.csv", "flash_rate_min", "possible leak"),
    ],
)
def test_our_own_features_of_our_own_archive_are_strong_and_no_leak(source: str, name: str, word: str) -> None:
    samples = _samples()
    samples = replace(samples, frame=samples.frame.drop(columns=LABEL_VALUE), source=source, hazard="thunderstorm")
    values = samples.frame["label_0_60"] * 2.6 + np.random.default_rng(3).normal(0, 1, ROWS)
    (remark,) = check_leaks(_with(samples, name, values))
    assert remark.startswith(f"{word}: {name} alone tells events from others (AUC 0.9")
    assert verdict._leak(remark) == (word != "strong")


def test_auc_and_rank_correlation_are_those_of_sklearn_and_scipy() -> None:
    random = np.random.default_rng(8)
    values, other = np.round(random.normal(0, 1, 400), 1), random.normal(0, 1, 400)
    yes = values + other > 0.5
    assert leaks._both_ways(values, yes) == pytest.approx(roc_auc_score(yes, values), abs=1e-12)
    assert leaks._both_ways(-values, yes) == pytest.approx(roc_auc_score(yes, values), abs=1e-12)
    assert leaks._rank_correlation(values, values + other) == pytest.approx(spearmanr(values, values + other).statistic)


def test_few_events_are_told_and_not_judged() -> None:
    samples = _samples()
    few = samples.frame.assign(label_0_60=(np.arange(ROWS) < 5).astype(float))
    (remark,) = check_leaks(replace(samples, frame=few))
    assert "5 events, 2995 others" in remark


def test_a_leak_in_one_window_only_is_found() -> None:
    samples = _samples()
    short = (np.random.default_rng(6).random(ROWS) < 0.1).astype(float)
    frame = samples.frame.assign(label_0_15=short, innocent=short)
    with pytest.raises(SampleError, match="innocent"):
        check_leaks(replace(samples, frame=frame, windows=("0-60", "0-15"), features=("shear", "innocent")))


def test_odd_columns_are_remarked() -> None:
    samples = _samples()
    day = pd.factorize(samples.frame["day"])[0]
    order = np.random.default_rng(7).permutation(ROWS)
    odd = {
        "flat": np.full(ROWS, 3.0), "nothing": np.full(ROWS, np.nan), "again": samples.frame["cape"],
        "date": np.random.default_rng(1).permutation(50)[day] / 7.0,
        "track": pd.factorize(samples.frame["storm"])[0] * 0.5, "row": order.astype(float),
        "front_gust": RANDOM.normal(0, 1, ROWS),
    }  # fmt: skip
    for name, values in odd.items():
        samples = _with(samples, name, values)
    told = {remark.split(":")[0]: remark for remark in check_leaks(samples)}
    assert set(told) == set(odd)
    assert "same everywhere" in told["flat"]
    assert "never there" in told["nothing"]
    assert "same as cape" in told["again"]
    assert "one value a day" in told["date"]
    assert "one value a storm" in told["track"]
    assert "another one in each row" in told["row"]


def test_thinning_keeps_events_and_still_sees_the_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "MOST_ROWS", 400)
    samples = _samples(0.02)
    rows = leaks._rows(samples, "0-60")
    assert len(rows.yes) == 400
    assert rows.yes.sum() == samples.frame["label_0_60"].sum()
    assert check_leaks(samples) == ()
    with pytest.raises(SampleError, match="innocent"):
        check_leaks(_with(samples, "innocent", samples.frame["label_0_60"]))


@pytest.fixture(scope="module")
def gusts(data: Path) -> Samples:
    return read_outside([data / "truth/severewind/Data/subsevere/2013_subsevere_results_final.csv"], "gale")


def test_real_tables_pass(data: Path, gusts: Samples) -> None:
    assert check_leaks(gusts) == ()
    assert check_leaks(read_outside([data / "truth/sars/sars_hail_to2002.txt"], "hail")) == ()
    assert check_leaks(read_outside([data / "truth/hagelslag/testdata/track_data_csv_unidata_train"], "hail")) == ()


@pytest.mark.parametrize("column", ["peak_wind_gust_kts", "wind_gust_kts"])
def test_the_gust_in_the_table_of_gusts_is_refused(data: Path, gusts: Samples, column: str) -> None:
    table = pd.read_csv(data / "truth/severewind/Data/subsevere/2013_subsevere_results_final.csv")
    with pytest.raises(SampleError, match=f"{column}: "):
        check_leaks(_with(gusts, column, table[column].to_numpy(dtype=float)))


def test_the_size_in_the_table_of_hail_is_refused(data: Path) -> None:
    samples = read_outside([data / "truth/sars/sars_hail_to2002.txt"], "hail")
    with pytest.raises(SampleError, match="size_mm: "):
        check_leaks(_with(samples, "size_mm", samples.frame[LABEL_VALUE] * 25.4))
