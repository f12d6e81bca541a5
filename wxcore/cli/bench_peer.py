"""A peer's time on the same arrays: Py-ART, in an interpreter of its own, outside of the project."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

PEER_SCRIPT = Path(__file__).with_name("bench_pyart.py")


def peer_seconds(python: str, arrays: dict[str, Any]) -> float:
    """Median seconds of Py-ART on these arrays: dealiasing where there is a velocity, else gridding."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.npz"
        np.savez(path, **arrays)
        out = subprocess.run([python, str(PEER_SCRIPT), str(path)], check=True, capture_output=True, text=True)
    return float(json.loads(out.stdout.splitlines()[-1])["seconds"])
