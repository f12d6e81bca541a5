"""Files to landing tree and ledger: each ends as stored, duplicate or quarantined, and none stops the others."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from wxcore.errors import ReadError, Reason
from wxcore.landing.files import display_name
from wxcore.landing.land import Landed, land
from wxcore.landing.ledger import FileRow, Ledger, find_file, record_file, record_refusal
from wxcore.pipeline.checks import accept, known_radar
from wxcore.pipeline.gather import DECODE_THREADS
from wxcore.pipeline.home import Home
from wxcore.pipeline.read import read_file
from wxcore.pipeline.result import DUPLICATE, QUARANTINED, STORED, Input
from wxcore.region import Region


@dataclass(frozen=True)
class _Examined:
    """What became of one path before the ledger is told."""

    item: Input
    landed: Landed | None = None
    format: str = ""
    offset: int | None = None


def expand(paths: Sequence[Path]) -> list[Path]:
    """Folders among `paths` become what lies in them, by name; hidden files are left out."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(child for child in path.iterdir() if not child.name.startswith("."))
        else:
            found.append(path)
    return found


def ingest(
    paths: Sequence[Path],
    home: Home,
    region: Region,
    *,
    now: datetime | None = None,
    progress: Callable[[Input], None] | None = None,
) -> list[Input]:
    """Land, decode and register the files (folders are expanded once), in the order given.

    Args:
        now: what counts as the present for FUTURE_TIME; the clock where None.
        progress: called after each file.
    """
    now = now or datetime.now(UTC)
    ledger = home.ledger()
    inputs: list[Input] = []
    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        for examined in _examine_all(pool, expand(paths), home, region, ledger, now):
            item = _register(ledger, examined, now)
            inputs.append(item)
            if progress is not None:
                progress(item)
    return inputs


def _examine_all(
    pool: ThreadPoolExecutor, paths: Sequence[Path], home: Home, region: Region, ledger: Ledger, now: datetime
) -> Iterator[_Examined]:
    return pool.map(lambda path: _examine(path, home, region, ledger, now), paths)


def _examine(path: Path, home: Home, region: Region, ledger: Ledger, now: datetime) -> _Examined:
    name = display_name(path.name)
    try:
        landed = land(path, home.landing)
    except ReadError as error:
        return _Examined(_refused(name, "", error), offset=error.offset)
    known = find_file(ledger, landed.sha256)
    try:
        if known is not None and known.status == STORED:
            if known.kind == "volume" and known.obs_time is not None:
                known_radar(known.site, known.obs_time, region)
            return _Examined(_from_row(known, name), landed, known.format)
    except ReadError as error:  # stored for another region: its row stays as it is
        return _Examined(_refused(name, landed.sha256, error))
    try:
        reading = read_file(landed.path, name)
        accept(reading, name, region, now)
    except ReadError as error:
        return _Examined(_refused(name, landed.sha256, error), landed, offset=error.offset)
    what = reading.description
    item = Input(name, landed.sha256, STORED, kind=what.kind, site=what.site, time=what.time)
    return _Examined(item, landed, reading.format.name)


def _refused(name: str, sha256: str, error: ReadError) -> Input:
    return Input(name, sha256, QUARANTINED, str(error.reason), error.en, error.zh)


def _from_row(row: FileRow, name: str) -> Input:
    return Input(name, row.sha256, DUPLICATE, kind=row.kind, site=row.site, time=row.obs_time)


def _register(ledger: Ledger, examined: _Examined, now: datetime) -> Input:
    """Write the ledger row; two same files in one run are found here, where rows are written in order."""
    item, landed = examined.item, examined.landed
    if landed is None:
        record_refusal(ledger, name=item.file, reason=Reason(item.reason), message_en=item.message_en,
                       message_zh=item.message_zh, received_at=now)  # fmt: skip
        return item
    outcome = record_file(
        ledger,
        FileRow(
            sha256=landed.sha256,
            name=item.file,
            size=landed.size,
            format=examined.format,
            kind=item.kind,
            site=item.site,
            obs_time=item.time,
            received_at=now,
            status=QUARANTINED if item.status == QUARANTINED else STORED,
            reason=item.reason,
            message_en=item.message_en,
            message_zh=item.message_zh,
            offset=examined.offset,
        ),
    )
    if (
        outcome == DUPLICATE
    ):  # of bytes stored a moment ago, under another name perhaps: why this one was refused is moot
        return replace(item, status=DUPLICATE, reason="", message_en="", message_zh="")
    return replace(item, status=outcome)
