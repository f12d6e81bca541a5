"""A region's folder with the simulated network as its stations: where commands find what a feed was made for."""

import os
import shutil
import tomllib
from pathlib import Path

from wxcore.region import Region
from wxcore.region.load import NONE, REGION_FILE
from wxcore.region.stations import STATIONS_FILE, stations_text

RULES = "rules"


def write_place(region: Region, root: Path) -> Path:
    """Copy the region's folder below `root`, with the rules it has or extends and `region.stations` as stations.csv.

    Rules may be those of another region, "../oklahoma/rules.toml": that file comes along, the rest of its folder not.

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
    named = str(tomllib.loads((folder / REGION_FILE).read_text(encoding="utf-8")).get(RULES, NONE))
    source, target = (region.folder / named).resolve(), Path(os.path.normpath(folder / named))
    if source.is_file() and source != target.resolve():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (folder / STATIONS_FILE).write_text(stations_text(region.stations), encoding="utf-8")
    return folder
