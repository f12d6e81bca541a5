"""Files: the public folder with both feeds, one CAP file a message, and the live warnings as GeoJSON.

All of it can be thrown away: it is written again from the ledger's messages. Each file is whole at every moment, for
it is written beside and renamed.
"""

import os
import re
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from wxcore.errors import IssueError
from wxcore.landing.ledger import MessageRow
from wxcore.times import require_utc
from wxcore.warning.deliver.feed import Feeds, feed_bytes, in_feed
from wxcore.warning.geojson import geojson_bytes
from wxcore.warning.model import from_json

FEED_FILE, RSS_FILE, GEOJSON_FILE = "feed.atom", "feed.rss", "warnings.geojson"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")


def cap_file(folder: Path, identifier: str) -> Path:
    """Where the CAP of a message lies.

    Raises:
        IssueError: an identifier that is no plain file name.
    """
    if not _NAME.fullmatch(identifier):
        raise IssueError(f"{identifier!r} is no file name", f"{identifier!r} 不能作为文件名")
    return folder / "cap" / f"{identifier}.xml"


def is_live(row: MessageRow, now: datetime) -> bool:
    """Is the message in force at `now`?

    Raises:
        TimeError: a naive time.
    """
    return row.expires > require_utc(now) and not row.ended_by and row.msg_type != "Cancel"


def write_public(
    folder: Path, messages: Sequence[MessageRow], *, now: datetime, base_url: str, region: str = ""
) -> Feeds:
    """Bring the public folder to what the messages say; what is right already is not written again.

    CAP files come first, so that no feed ever names one that is not there; files that left the feed stay.

    Raises:
        TimeError: a naive time.
        IssueError: an identifier that is no plain file name.
        OSError: the disk refuses.
    """
    now = require_utc(now)
    for row in in_feed(messages, now):
        put_whole(cap_file(folder, row.identifier), row.cap.encode())
    live = [from_json(row.json) for row in in_feed(messages, now) if is_live(row, now)]
    feeds = feed_bytes(messages, now=now, base_url=base_url, region=region)
    for name, content in ((GEOJSON_FILE, geojson_bytes(live)), (RSS_FILE, feeds.rss), (FEED_FILE, feeds.atom)):
        put_whole(folder / name, content)
    return feeds


def is_public(folder: Path, identifier: str, cap: str) -> bool:
    """Does the folder show this message, in its file and in the feed?"""
    try:
        whole = cap_file(folder, identifier).read_bytes() == cap.encode()
        return whole and f"<id>{identifier}</id>".encode() in (folder / FEED_FILE).read_bytes()
    except FileNotFoundError:
        return False


def put_whole(path: Path, content: bytes) -> None:
    """Write a file that readers find whole or not at all; nothing where it says this already.

    Raises:
        OSError: the disk refuses; nothing is left beside it.
    """
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
