"""What all tests share: where the real files are, and a visible skip where they are not."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("WXCORE_TEST_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real files; the test is skipped, visibly, where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"real files not here ({DATA}); set WXCORE_TEST_DATA")
    return DATA


@pytest.fixture(scope="session")
def radar_data(data: Path) -> Path:
    """Folder of the real radar files."""
    return data / "radar"
