"""A model that was trained, with its card and its diagrams: what `wx train` and the flow `train` leave behind."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from wxcore.archive.place import write_file
from wxcore.hazard.learn.diagrams import performance_diagram, reliability_diagram
from wxcore.hazard.learn.trained import Trained
from wxcore.hazard.registry.store import save_model
from wxcore.hazard.samples.table import Samples
from wxcore.times import iso, require_utc


def keep(
    root: Path, trained: Trained, samples: Samples, now: datetime, *, leaks: Sequence[str] = (), version: str = ""
) -> Path:
    """Save the chosen model and its card, then a reliability and a performance diagram of each window beside them.

    Args:
        root: folder of models. now: aware UTC, told in the card.
        leaks: remarks of `check_leaks`, which the card tells first.
        version: empty: named after data and seed.

    Returns:
        The model's folder.

    Raises:
        ModelError: the version is another model, or the model cannot be saved.
        OSError: disk full, or a write error.
        TimeError: `now` is naive.
    """
    created = iso(require_utc(now))
    told = replace(trained, remarks=(*leaks, *trained.remarks))
    version = version or f"trained-{trained.digest[:8]}-{trained.board.seed}"
    folder = save_model(root, told, samples, version, created, commit())
    for window in trained.fitted:
        write_file(folder / f"reliability-{window}.png", reliability_diagram(trained, window))
        write_file(folder / f"performance-{window}.png", performance_diagram(trained.board, window))
    return folder


def commit() -> str:
    """Commit of the code that trains, with "+" where it was changed since; empty outside of a checkout."""
    here = Path(__file__).parent
    try:
        told = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude", "*"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return told.stdout.strip()
