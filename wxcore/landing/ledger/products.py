"""Products: the files made from one version of a cycle (a report, a CAP message)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from wxcore.landing.ledger.engine import reading, writing
from wxcore.landing.ledger.journal import WARNINGS_JOURNAL, Replayer, plain
from wxcore.landing.ledger.tables import Ledger, utc_time
from wxcore.landing.ledger.work_tables import PRODUCTS
from wxcore.times import require_utc


@dataclass(frozen=True)
class Product:
    """One file. `name`: its path below the home's root, such as `report.html` or `cap/xxx.xml`; `size` [bytes]."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class ProductRow:
    """One product of one version of one cycle."""

    region: str
    time: datetime
    snapshot_id: str
    name: str
    sha256: str
    size: int
    created_at: datetime


def record_products(
    ledger: Ledger,
    region: str,
    when: datetime,
    snapshot_id: str,
    files: Sequence[Product],
    *,
    now: datetime | None = None,
) -> int:
    """Enter products of a version of a cycle, all or none; other bytes under a known name replace the row.

    Returns:
        How many rows were new or changed: 0 where the same is entered again.

    Raises:
        TimeError: a naive time.
    """
    created_at = datetime.now(UTC) if now is None else require_utc(now)
    version = {"region": region, "time": require_utc(when), "snapshot_id": snapshot_id}
    with writing(ledger) as transaction:
        changed = _enter(transaction.connection, version, files, created_at)
        if changed:
            told = {**version, "created_at": created_at, "files": [asdict(file) for file in changed]}
            transaction.tell(WARNINGS_JOURNAL, "products", plain(told))
    return len(changed)


def _enter(
    connection: Connection, version: Mapping[str, Any], files: Sequence[Product], created_at: datetime
) -> list[Product]:
    """Those that were new or changed."""
    here = and_(*(PRODUCTS.c[name] == value for name, value in version.items()))
    rows = connection.execute(select(PRODUCTS.c.name, PRODUCTS.c.sha256, PRODUCTS.c.size).where(here))
    known = {row.name: Product(row.name, row.sha256, row.size) for row in rows}
    wanted = {file.name: file for file in files}
    changed = [file for name, file in wanted.items() if known.get(name) != file]
    for file in changed:
        values = {"sha256": file.sha256, "size": file.size, "created_at": created_at}
        if file.name in known:
            connection.execute(update(PRODUCTS).where(here, PRODUCTS.c.name == file.name).values(values))
        else:
            connection.execute(insert(PRODUCTS).values(**version, name=file.name, **values))
    return changed


def _replay_products(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        version = {"region": data["region"], "time": utc_time(data["time"]), "snapshot_id": data["snapshot_id"]}
        _enter(connection, version, [Product(**file) for file in data["files"]], utc_time(data["created_at"]))


REPLAY: Mapping[str, Replayer] = {"products": _replay_products}


def list_products(ledger: Ledger, region: str, when: datetime) -> list[ProductRow]:
    """The products of all versions of a cycle, by time of entry, then name.

    Raises:
        TimeError: a naive time.
    """
    table = PRODUCTS.c
    wanted = select(PRODUCTS).where(table.region == region, table.time == require_utc(when))
    with reading(ledger) as connection:
        rows = [ProductRow(**row) for row in connection.execute(wanted).mappings()]
    # Here: databases differ in how they order text.
    return sorted(rows, key=lambda row: (row.created_at, row.name, row.snapshot_id))
