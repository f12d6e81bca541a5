"""What is meant by a folder among the files offered."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from wxcore.pipeline.home import is_home

OF_FILES = (".bin", ".bz2", ".gz", ".zip", ".hdf", ".nc", ".txt")
"""A folder whose name ends so is no folder of files: something upstream went wrong, and it is refused by name."""


def expand(paths: Sequence[Path]) -> list[Path]:
    """Folders among `paths` become the files in them and below, by name; what is hidden, and homes of ours, are left
    out. A folder that cannot be listed stands for itself, and is refused."""
    found: list[Path] = []
    for path in paths:
        found += sorted(_below(path)) if path.is_dir() else [path]
    return found


def _below(folder: Path) -> Iterator[Path]:
    try:
        children = [child for child in folder.iterdir() if not child.name.startswith(".") and not is_home(child)]
    except OSError:
        children = []
        yield folder
    for child in children:
        inside = child.is_dir() and not child.is_symlink() and child.suffix.lower() not in OF_FILES
        yield from _below(child) if inside else (child,)
