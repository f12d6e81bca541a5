"""The small numbers of CI: every fault of the registry holds. The long ones: `python -m tests.faults`."""

from pathlib import Path

import pytest

from tests.faults.harness import Fault
from tests.faults.registry import FAULTS

SEED = 2026
SMALL = [fault for fault in FAULTS if fault.small]


@pytest.mark.fault
@pytest.mark.parametrize("fault", SMALL, ids=[f"{fault.row}-{fault.title}".replace(" ", "-") for fault in SMALL])
def test_it_holds(fault: Fault, tmp_path: Path) -> None:
    outcome = fault.make(fault.small, SEED, tmp_path)
    assert outcome.tried > 0
    assert outcome.held == outcome.tried, outcome.note
