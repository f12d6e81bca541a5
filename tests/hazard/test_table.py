"""The table of samples: written and read again, and what it refuses."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wxcore.errors import SampleError
from wxcore.hazard.samples.table import META, Samples, check_samples, label_column, read_samples, write_samples


@pytest.fixture
def samples() -> Samples:
    n = 40
    random = np.random.default_rng(1)
    mesh = random.normal(20, 8, n)
    mesh[3] = np.nan
    label = (random.random(n) < 0.4).astype(float)
    short = label.copy()
    short[5:9] = np.nan
    frame = pd.DataFrame({
        "day": [f"2024-05-{1 + i // 10:02d}" for i in range(n)],
        "storm": [f"s{i // 4}" for i in range(n)],
        "time": pd.date_range("2024-05-01T12:00", periods=n, freq="6min", tz="UTC").where(np.arange(n) != 7),
        "weight": 0.5,
        "label_source": ["SYN"] * 39 + ["report"],
        "label_0_60": label,
        "label_0_15": short,
        "mesh": mesh,
        "vil": random.normal(30, 9, n),
        "rule": random.random(n),
        "terrain": ["plain", "hills"] * (n // 2),
    })  # fmt: skip
    return Samples(
        frame=frame, hazard="hail", features=("mesh", "vil"), windows=("0-60", "0-15"), units={"mesh": "mm"},
        groups={"mesh": "radar"}, monotone={"mesh": 1}, baselines=("rule",), slices=("terrain",),
        label_text="冰雹 of at least 20 mm", source="season",
    )  # fmt: skip


def test_a_round_trip_keeps_everything(samples: Samples, tmp_path: Path) -> None:
    write_samples(samples, tmp_path / "deep" / "a.parquet")
    again = read_samples(tmp_path / "deep" / "a.parquet")
    for one in fields(Samples):
        if one.name != "frame":
            assert getattr(again, one.name) == getattr(samples, one.name), one.name
    assert list(again.frame.columns) == list(samples.frame.columns)
    for name in samples.frame:
        np.testing.assert_array_equal(again.frame[name].isna(), samples.frame[name].isna())
        assert (again.frame[name].dropna() == samples.frame[name].dropna()).all(), name
    assert again.frame["time"].dt.tz is not None
    assert again.frame["mesh"].dtype == np.float64


def test_the_same_samples_give_the_same_bytes(samples: Samples, tmp_path: Path) -> None:
    write_samples(samples, tmp_path / "a.parquet")
    write_samples(replace(samples, frame=samples.frame.copy()), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    write_samples(read_samples(tmp_path / "a.parquet"), tmp_path / "c.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "c.parquet").read_bytes()


def test_rows_whose_label_is_unknown_are_left_out_of_a_window(samples: Samples) -> None:
    short = samples.of_window("0-15")
    assert len(short.frame) == 36
    assert short.windows == ("0-15",)
    assert list(short.frame.index) == list(range(36))
    assert len(samples.of_window("0-60").frame) == 40
    assert label_column("30-60") == "label_30_60"


def test_the_weakest_class_of_truth_counts(samples: Samples) -> None:
    assert samples.truth_class == "SYN"
    reports = samples.frame[samples.frame["label_source"] == "report"]
    assert replace(samples, frame=reports).truth_class == "report"


def _spoilt(samples: Samples, **columns: object) -> Samples:
    return replace(samples, frame=samples.frame.assign(**columns))


def test_all_faults_are_listed_at_once(samples: Samples) -> None:
    spoilt = _spoilt(samples, label_0_60=2.0, mesh="large", vil=np.inf, label_source="hearsay")
    with pytest.raises(SampleError) as told:
        check_samples(spoilt)
    text = str(told.value)
    for part in ("label_0_60: holds [", "2.0", "mesh: is ", "expected a number", "vil: holds inf", "['hearsay']"):
        assert part in text
    assert len(told.value.faults) == 4
    assert "season" in text


@pytest.mark.parametrize(
    "name", ["day", "storm", "time", "weight", "label_source", "label_0_15", "vil", "rule", "terrain"]
)
def test_a_missing_column_is_named(samples: Samples, name: str) -> None:
    with pytest.raises(SampleError, match=f"no column {name}"):
        check_samples(replace(samples, frame=samples.frame.drop(columns=name)))


def test_double_roles_and_empty_tables_are_refused(samples: Samples) -> None:
    with pytest.raises(SampleError, match="stands twice"):
        check_samples(replace(samples, features=("mesh", "mesh")))
    with pytest.raises(SampleError, match="baseline is also a feature"):
        check_samples(replace(samples, features=("mesh", "rule")))
    with pytest.raises(SampleError, match="also a feature"):
        check_samples(replace(samples, features=("mesh", "label_0_60")))
    with pytest.raises(SampleError, match="no rows"):
        check_samples(replace(samples, frame=samples.frame.iloc[:0]))


def test_what_is_refused_is_not_written(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(SampleError):
        write_samples(_spoilt(samples, label_0_60=0.5), tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()


def test_other_files_are_refused_by_name(samples: Samples, tmp_path: Path) -> None:
    samples.frame.to_parquet(tmp_path / "plain.parquet")
    with pytest.raises(SampleError, match=r"plain\.parquet.*--columns"):
        read_samples(tmp_path / "plain.parquet")
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(SampleError, match=r"text\.parquet"):
        read_samples(tmp_path / "text.parquet")
    with pytest.raises(SampleError, match="nowhere"):
        read_samples(tmp_path / "nowhere.parquet")
    write_samples(samples, tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SampleError, match=r"cut\.parquet"):
        read_samples(tmp_path / "cut.parquet")
    assert META in whole
