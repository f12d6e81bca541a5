"""A wheel built from the tree carries everything that `wx demo` needs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECK = "import pathlib, wxcore; print(pathlib.Path(wxcore.__file__).parent.parent)"
DEMO = "from wxcore.cli import app, demo; demo.HOURS['small'] = 0.1; app.main()"
"""One cycle, which reaches all that must be shipped; tests/cli/test_demo.py tries the demo itself."""


def python(*words: str, cwd: Path, path: Path) -> str:
    """Run Python where the installed wheel is found before the checkout."""
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def take_over_kernels(place: Path) -> None:
    """The compiled kernels of the checkout: numba takes them where a source's size and time are the same."""
    for cached in (ROOT / "wxcore").rglob("__pycache__/*.nb[ic]"):
        folder = cached.parent.parent
        source = folder / f"{cached.name.partition('.')[0]}.py"
        installed = place / folder.relative_to(ROOT) / source.name
        if installed.is_file() and installed.read_bytes() == source.read_bytes():
            stat = source.stat()
            os.utime(installed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            target = installed.parent / "__pycache__" / cached.name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(cached, target)


@pytest.mark.wheel
def test_demo_runs_from_the_wheel(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run([*pip, *build], check=True, timeout=300)
    (wheel,) = tmp_path.glob("wxcore-*.whl")
    place = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(place), str(wheel)], check=True)
    assert Path(python("-c", CHECK, cwd=tmp_path, path=place).strip()) == place
    take_over_kernels(place)
    demo = ("demo", "--scale", "small", "--direct", "--json", "--out", str(tmp_path / "out"))
    answer = json.loads(python("-c", DEMO, *demo, cwd=tmp_path, path=place))
    assert [bool(cycle["storms"]) for cycle in answer["cycles"]] == [True]
    assert Path(answer["report"]).is_file()
    shipped = {path.relative_to(place).parts[0] for path in place.rglob("*") if path.is_file()}
    assert {"wxcore", "flows", "station_meta", "models", "deploy"} <= shipped
    assert "tests" not in shipped
