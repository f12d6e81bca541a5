"""The files of `wx bench cycle`: a full-scale afternoon, and networks larger than any region's for the scaling runs."""

import bz2
import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from wxcore.errors import WxcoreError
from wxcore.landing.unpack import unpack
from wxcore.radar.cinrad import read_standard
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.legacy import read_legacy
from wxcore.region import RadarSite, Region, load_region
from wxcore.simulate.feed import AFTERNOON, FULL, plan, send, setting_of
from wxcore.simulate.mess import disturb
from wxcore.simulate.network import MOST
from wxcore.simulate.place import write_place
from wxcore.simulate.planned import Planned
from wxcore.times import CYCLE

CROWDED = "chongqing"
META, FILES = "station_meta", "feed"
"""Folders of the region and of its files."""

BEFORE = timedelta(hours=1)
"""The radars scan only the cycles that are measured; all else is there from so long before."""

LETTERS = "-QRSTUVWXY"
"""Of the ids of a network's copies: no radar at hand has them."""

MOST_RADARS = 14 * len(LETTERS)
"""The region's own 14, and as many copies of each as there are letters after the first."""

STANDARD, LEGACY = "_CAP_FMT.", "_CAP."
"""How names of volumes in the standard and in the legacy format end, before their suffix."""

SHIFT_DEG = 0.11
"""A copy of a radar stands so far from it, north and east in turn."""


def full_scale_feed(folder: Path, radars: int, stations: int, cycles: int) -> Path:
    """Write the files of so many cycles into `folder/FILES`, and the region that they are of into `folder/META`.

    Of more radars than the region has, the others are copies of its first ones, a little beside them.

    Returns:
        the folder of the files.

    Raises:
        WxcoreError: more radars than MOST_RADARS, or more stations than the simulated network's MOST.
    """
    if not (1 <= radars <= MOST_RADARS and 1 <= stations <= MOST):
        raise WxcoreError(
            f"{radars} radars, {stations} stations: 1 to {MOST_RADARS} and 1 to {MOST} can be simulated",
            f"雷达 {radars} 部、地面站 {stations} 个：可模拟的范围为 1 至 {MOST_RADARS} 部、1 至 {MOST} 个",
        )
    region, feed = load_region(CROWDED), folder / FILES
    own = region.radars_at(AFTERNOON)
    scale = replace(FULL, radars=tuple(site.id for site in own[:radars]), stations=stations)
    hours = (BEFORE + cycles * CYCLE) / timedelta(hours=1)
    setting = setting_of(region, scale, start=AFTERNOON - BEFORE, hours=hours)
    write_place(setting.region, folder / META)
    for _ in send(setting, feed, disturb(_wanted(plan(setting))), jobs=2):
        pass
    if radars > len(own):
        table = folder / META / CROWDED / "radars.csv"
        table.write_text(with_copies(table.read_text(), radars - len(own)))
        sites = load_region(CROWDED, root=folder / META).radars_at(AFTERNOON)
        copy_volumes(feed, own, [site for site in sites if site.id[1] in LETTERS])
    return feed


def _wanted(planned: Sequence[Planned]) -> list[Planned]:
    return [item for item in planned if item.instrument != "radar" or item.start >= AFTERNOON]


def with_copies(text: str, count: int) -> str:
    """A radars.csv with so many rows more: copies of those in force, in turn."""
    rows = list(csv.DictReader(io.StringIO(text)))
    own = [row for row in rows if not row["valid_to"]]
    for number in range(count):
        row, copy = dict(own[number % len(own)]), number // len(own) + 1
        row["id"] = f"Z{LETTERS[copy]}{row['id'][2:]}"
        row["lat"] = f"{float(row['lat']) + SHIFT_DEG * (copy % 2):.3f}"
        row["lon"] = f"{float(row['lon']) + SHIFT_DEG * ((copy + 1) // 2):.3f}"
        row["source"] = "SYN copy of a radar for wx bench cycle, no real one"
        rows.append(row)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def copy_volumes(feed: Path, own: Sequence[RadarSite], copies: Sequence[RadarSite]) -> None:
    """For each file of a radar the same volume at the places of its copies."""
    for site in own:
        mine = [other for other in copies if other.id[2:] == site.id[2:]]
        for path in sorted(feed.rglob(f"Z_RADR_I_{site.id}_*")) if mine else ():
            read = read_standard if STANDARD in path.name else read_legacy
            volume = read(unpack(path).data, path.name)
            for other in mine:
                moved = volume.at(replace(
                    volume.site, id=other.id, latitude=other.lat, longitude=other.lon, altitude_m=other.antenna_m
                ))  # fmt: skip
                name = path.name.replace(site.id, other.id).replace(LEGACY, STANDARD)
                (path.parent / name).write_bytes(bz2.compress(write_standard(moved)))


def region_of_feed(folder: Path) -> Region:
    """The region that a feed is of: as written beside it, else the region as it comes."""
    meta = folder / META
    return load_region(CROWDED, root=meta) if meta.is_dir() else load_region(CROWDED)
