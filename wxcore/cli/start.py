"""Entry point of `wx`: before anything is imported, numba gets a place for its compiled kernels.

Where neither the installed package nor the home can be written (containers, service users) numba refuses to import a
kernel at all. Then it gets a private folder for this process; set NUMBA_CACHE_DIR to keep the kernels between runs.
"""

import importlib
import os
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the command line."""
    if "NUMBA_CACHE_DIR" not in os.environ and not any(os.access(folder, os.W_OK) for folder in (PACKAGE, Path.home())):
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="wxcore-numba-")
    importlib.import_module("wxcore.cli.app").main()
