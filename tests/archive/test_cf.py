"""What leaves the house is CF: judged by the IOOS compliance checker, not by us."""

from pathlib import Path

import pytest
from compliance_checker.runner import CheckSuite  # type: ignore[import-untyped]

from tests.archive.days import DAY, REGION, fill
from wxcore.archive.compact import compact
from wxcore.archive.expire import Retention, expire
from wxcore.archive.export import export_day

HIGH, MEDIUM = 3, 2
CHECKER = "cf:1.11"


def _faults(path: Path) -> list[str]:
    suite = CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(path))
    results, errors = suite.run_all(dataset, [CHECKER])[CHECKER]
    assert not errors, errors
    return [
        f"{result.weight} {result.name}: {message}"
        for result in results
        if result.weight >= MEDIUM and result.value is not True
        and not (isinstance(result.value, tuple) and result.value[0] == result.value[1])
        for message in result.msgs
    ]  # fmt: skip


@pytest.mark.parametrize("what", ["cubes", "view"])
def test_an_exported_day_has_no_error_of_high_or_medium_priority(tmp_path: Path, what: str) -> None:
    times = fill(tmp_path, [3, 4])
    if what == "view":
        compact(tmp_path, REGION, DAY)
        expire(tmp_path, REGION, Retention(None, 0, None), times[0].replace(year=2021))
    assert _faults(export_day(tmp_path, REGION, DAY, tmp_path / "day.nc")) == []
