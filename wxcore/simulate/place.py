"""A region's folder with the simulated network as its stations: where commands find what a feed was made for."""

import shutil
from pathlib import Path

from wxcore.region import Region
from wxcore.region.stations import STATIONS_FILE, stations_text

RULES = "rules"


def write_place(region: Region, root: Path) -> Path:
    """Copy the region's folder below `root`, with the rules that it may extend and `region.stations` as stations.csv.

    `load_region(region.id, root=root)` then gives the same region. What was there of these folders is replaced.

    Returns:
        the region's folder.

    Raises:
        ValueError: the region was not read from a folder.
        OSError: a folder cannot be read or written.
    """
    if region.folder is None:
        raise ValueError(f"region {region.id} was not read from a folder")
    folder = root / region.id
    for source, target in ((region.folder, folder), (region.folder.parent / RULES, root / RULES)):
        if source.is_dir() and source.resolve() != target.resolve():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
    (folder / STATIONS_FILE).write_text(stations_text(region.stations), encoding="utf-8")
    return folder
