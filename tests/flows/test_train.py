"""What the flows of flows/train.py call, without a server: Prefect's own is left out (`.fn`)."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import flows.train as flows
from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.nightly import NIGHTS
from wxcore.schema import HAZARDS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, ...]]:
    """Arguments of each function of wxcore that a flow called, by its name."""
    told: dict[str, tuple[Any, ...]] = {}

    def spy(name: str, answer: Any) -> None:
        def called(*arguments: Any) -> Any:
            told[name] = arguments
            return answer

        monkeypatch.setattr(flows, name, called)

    for name, answer in (("build_samples", {}), ("read_nights", "samples"), ("retrain", Path("kept")), ("current", ""),
                         ("root_of", Path("root")), ("load_model", "loaded"), ("drift_report", {"hazard": "hail"}),
                         ("write_drift", Path("written"))):  # fmt: skip
        spy(name, answer)
    monkeypatch.setattr(flows, "region_at", lambda region: SimpleNamespace(id=region))
    for task in ("build_night", "train_and_keep", "compare_with_card"):
        monkeypatch.setattr(flows, task, getattr(flows, task).fn)
    return told


def test_nightly_samples_of_the_day_that_was_over(calls: dict[str, tuple[Any, ...]], tmp_path: Path) -> None:
    """At 13:10 UTC the day from 12 to 12 is over, and the hour that its labels look ahead as well."""
    folder = flows.nightly_samples.fn("2020-06-13T13:10Z", "chongqing", str(tmp_path))
    archive, region, hazards, period, out = calls["build_samples"]
    assert folder == str(out) == str(tmp_path / "nights" / "2020-06-12")
    assert archive == tmp_path / "archive"
    assert region.id == "chongqing"
    assert hazards == tuple(DEFINITIONS)
    assert period == (datetime(2020, 6, 12, 12, tzinfo=UTC), datetime(2020, 6, 13, 11, 54, tzinfo=UTC))


def test_train_takes_all_nights_and_promotes_nothing(calls: dict[str, tuple[Any, ...]], tmp_path: Path) -> None:
    assert flows.train.fn("gale", str(tmp_path), 7) == "kept"
    assert calls["read_nights"] == (tmp_path / "nights", "gale")
    samples, root, seed, now = calls["retrain"]
    assert (samples, root, seed) == ("samples", tmp_path / "models", 7)
    assert now.tzinfo is UTC
    assert set(calls) == {"read_nights", "retrain"}


def test_drift_is_of_models_in_use_only(
    calls: dict[str, tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert flows.drift_reports.fn(str(tmp_path)) == []
    assert "drift_report" not in calls
    monkeypatch.setattr(flows, "current", lambda _, hazard: "v1" if hazard == "hail" else "")
    assert flows.drift_reports.fn(str(tmp_path)) == ["written"]
    assert calls["load_model"] == (Path("root"), "hail", "v1")
    assert calls["read_nights"] == (tmp_path / "nights", "hail", NIGHTS)
    assert calls["drift_report"] == ("loaded", "samples")
    assert calls["write_drift"][:2] == ({"hazard": "hail"}, tmp_path / "drift")


def test_every_deployment_names_a_flow_that_is_there() -> None:
    told = yaml.safe_load((ROOT / "deploy" / "prefect.yaml").read_text(encoding="utf-8"))
    by_name = {item["name"]: item for item in told["deployments"]}
    for name, flow in (("nightly-samples", flows.nightly_samples), ("train", flows.train),
                       ("drift-report", flows.drift_reports)):  # fmt: skip
        file, _, function = by_name[name]["entrypoint"].partition(":")
        assert file == "flows/train.py"
        assert getattr(flows, function) is flow
        assert flow.name == name
        assert set(by_name[name]["parameters"]) <= set(flow.parameters.properties)
    assert by_name["train"]["parameters"]["hazard"] in HAZARDS
