"""What a cycle is made of: which landed files feed it, and their decoded, placed and quality-controlled contents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wxcore.errors import ReadError
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import FileRow, Ledger, files_between
from wxcore.pipeline.home import Home
from wxcore.pipeline.read import read_file
from wxcore.region import Region
from wxcore.times import CYCLE, cycle_of

VOLUME_TOLERANCE = timedelta(minutes=10)
"""A volume that began longer ago than this does not stand for the cycle (DOMAIN.md 1.4)."""

DECODE_THREADS = 2
"""bz2 frees the GIL: two files decode side by side."""


@dataclass(frozen=True)
class Chosen:
    """The ledger rows that feed one cycle: at most one volume a radar, one 3-D mosaic and one composite."""

    volumes: tuple[FileRow, ...]
    mosaic: FileRow | None
    composite: FileRow | None

    @property
    def rows(self) -> tuple[FileRow, ...]:
        """All of them, in a fixed order."""
        return (*self.volumes, *(row for row in (self.mosaic, self.composite) if row is not None))


def cycles_covered(times: Sequence[datetime]) -> list[datetime]:
    """The cycles that observations at these times belong to, ascending."""
    return sorted({cycle_of(time) for time in times})


def choose(ledger: Ledger, region: Region, when: datetime) -> Chosen:
    """The newest volume of each of the region's radars within tolerance, and the mosaics of this very cycle."""
    return choose_from(files_between(ledger, when - VOLUME_TOLERANCE, when), region, when)


def choose_from(rows: Sequence[FileRow], region: Region, when: datetime) -> Chosen:
    """The same among rows at hand, in the order of `files_between`: of one site and time the last published wins."""
    known = [row for row in rows if row.obs_time is not None and when - VOLUME_TOLERANCE <= row.obs_time <= when]
    volumes = {row.site: row for row in known if row.kind == "volume" and region.radar(row.site, when)}
    fresh = [row for row in known if row.obs_time is not None and when - CYCLE < row.obs_time]
    mosaics = [row for row in fresh if row.kind == "mosaic"]
    composites = [row for row in fresh if row.kind == "composite"]
    return Chosen(
        tuple(volumes[site] for site in sorted(volumes)),
        mosaics[-1] if mosaics else None,
        composites[-1] if composites else None,
    )


def load_file(home: Home, row: FileRow) -> Any:
    """The native object of a landed file.

    Raises:
        ReadError: its bytes are gone or damaged since it was stored.
    """
    return read_file(landed_path(home.landing, row.sha256), row.name).native


def lost(row: FileRow, error: ReadError) -> str:
    """How a stored file that cannot be used is named among what is missing."""
    return f"file {row.name} ({error.reason})"
