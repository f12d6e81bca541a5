"""What all tests share: where the real files are, and a visible skip where they are not."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from wxcore.pipeline.home import Home
from wxcore.pipeline.result import RunResult
from wxcore.pipeline.run import run
from wxcore.region import Region, load_region
from wxcore.simulate.demo import write_demo

DATA = Path(os.environ.get("WXCORE_TEST_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))

# CI tries the same examples each time: what fails there was broken by the change. WXCORE_EXAMPLES asks for others.
settings.register_profile("same", derandomize=True, database=None)
if "WXCORE_EXAMPLES" not in os.environ:
    settings.load_profile("same")


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


@pytest.fixture(scope="session")
def chongqing() -> Region:
    return load_region("chongqing")


@pytest.fixture(scope="session")
def demo_files(tmp_path_factory: pytest.TempPathFactory, chongqing: Region) -> list[Path]:
    """The demo's volumes, ascending in time."""
    return list(write_demo(chongqing, tmp_path_factory.mktemp("demo")))


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def demo_run(demo_files: list[Path], demo_home: Home, chongqing: Region) -> RunResult:
    """The whole demo, run directly."""
    return run(demo_files, demo_home, chongqing)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first: at the end they would keep one core busy while the other has nothing left to do."""
    items.sort(key=lambda item: not {"wheel", "flow", "fault"} & {mark.name for mark in item.iter_markers()})
