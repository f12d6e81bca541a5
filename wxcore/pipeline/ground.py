"""Ground stations of one cycle: from the files that were chosen to judged observations, a table, and fields.

Nothing here may stop a cycle: it is the radars' before all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wxcore.errors import ReadError
from wxcore.landing.ledger import FileRow
from wxcore.lightning.flashes import Flashes
from wxcore.pipeline.checks import without_future
from wxcore.pipeline.gather import STATION_BACK, Chosen, load_file, lost
from wxcore.pipeline.ground_evidence import evidence_at
from wxcore.pipeline.home import Home
from wxcore.pipeline.stages import stage
from wxcore.pipeline.static import ground_heights
from wxcore.products.surface import station_table
from wxcore.region import Region
from wxcore.schema import ELEMENT_NAMES, QC_BAD, QC_SUSPECT, STATION_TABLE, SURFACE, qc_name
from wxcore.station.analysis import surface_analysis
from wxcore.station.network import Sorted, network_of, sort_out
from wxcore.station.qc import quality_control
from wxcore.station.reports import Reports
from wxcore.station.series import series
from wxcore.times import iso, require_utc

KEPT = 192
"""Decoded station files that are kept in memory: each serves the cycles of two hours, 131 files of a minute each."""

TOLD = 6
"""So many station ids are named in a note; of more, the number."""

FEW = 0.5
"""A note is given where less than this part of the stations that reported in the last two hours did so in the last
RECENT [our choice]."""

RECENT = timedelta(minutes=75)
"""An hourly station reported lately if it did within this [our choice]."""

Note = tuple[str, str]


@dataclass(frozen=True)
class Ground:
    """What ground stations say of one cycle.

    Attributes:
        fields: of schema.SURFACE what there is, (time = 1, lat, lon) on the region's grid.
        table: schema.STATION_TABLE, no rows where nobody reported.
        observations: by minute and station, with flags (station.qc); None where nobody reported.
        sources: what was used, for the provenance; missing: files that gave nothing; notes: (English, Chinese).
    """

    fields: xr.Dataset = field(default_factory=xr.Dataset)
    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[one.name for one in STATION_TABLE]))
    observations: xr.Dataset | None = None
    sources: tuple[dict[str, Any], ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    simulated: bool = False


def ground_of(
    home: Home,
    region: Region,
    when: datetime,
    chosen: Chosen,
    cube: xr.Dataset,
    flashes: Flashes | None,
    *,
    real_only: bool = False,
) -> Ground:
    """Read the reports that were chosen, judge them, and make the cycle's table and fields of them.

    Args:
        cube: schema.MOSAIC and PRODUCTS of this time: echo speaks for a gust.
        flashes: of the last minutes; None where nobody looked.
        real_only: leave out simulated files: beside real radars they would make a real warning look simulated.

    Raises:
        TimeError: `when` is naive.
        OSError: trouble of ours (errors.OUR_TROUBLE, GuardError), nothing else.
    """
    when = require_utc(when)
    if not chosen.stations:
        return Ground()
    try:
        return _ground_of(home, region, when, chosen, cube, flashes, real_only=real_only)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever is odd in a station file, the radars' cycle goes on)
        return Ground(missing=(f"ground stations ({type(error).__name__}: {error})",))


def _ground_of(
    home: Home,
    region: Region,
    when: datetime,
    chosen: Chosen,
    cube: xr.Dataset,
    flashes: Flashes | None,
    *,
    real_only: bool,
) -> Ground:
    missing: list[str] = []
    with stage("read"):
        reports = list(_read(home, chosen.stations, missing, real_only=real_only))
    network = network_of(region, when)
    found = [sort_out(one, network) for one in reports]
    notes = _strangers(found, region)
    if not reports or not network.ids.size:
        return Ground(missing=tuple(missing), notes=tuple(notes))
    with stage("series"):
        observed = series(reports, network, when - STATION_BACK, when, found)
    with stage("evidence"):
        seen = evidence_at(home, region, when, cube, flashes, network)
    with stage("judge"):
        judged = quality_control(observed, seen)
    with stage("table"):
        table = station_table(judged, when)
    with stage("surface"):
        fields = surface_analysis(judged, table, region.grid, when, ground_heights(region))
    return Ground(
        fields=_possible(fields),
        table=table,
        observations=judged,
        sources=tuple(_sources(reports, judged, table)),
        missing=tuple(missing),
        notes=(*notes, *_silent(table, when)),
        simulated=any(one.simulated for one in reports),
    )


def _read(home: Home, rows: Sequence[FileRow], missing: list[str], *, real_only: bool) -> Iterator[Reports]:
    for row in rows:
        try:
            native = _decoded(home, row)
        except ReadError as error:
            missing.append(lost(row, error))
            continue
        if real_only and native.simulated:
            missing.append(f"file {row.name} (simulated, not used beside real radars)")
        else:
            yield native


@lru_cache(maxsize=KEPT)
def _decoded(home: Home, row: FileRow) -> Reports:
    native = load_file(home, row)
    assert isinstance(native, Reports)
    return without_future(native, row.received_at)


def _possible(fields: xr.Dataset) -> xr.Dataset:
    """The same fields, in which values that the schema does not allow became NaN."""
    for var in SURFACE:
        if var.name in fields and np.dtype(var.dtype).kind == "f":
            values = fields[var.name].values
            np.copyto(values, np.nan, where=(values < var.valid_min) | (values > var.valid_max))
    return fields


def _strangers(found: Sequence[Sorted], region: Region) -> list[Note]:
    """Ids that report from inside the region and are not in its table; stations that report from elsewhere."""
    unknown = sorted({name for one in found for name in one.unknown})
    moved = sorted({name for one in found for name in one.moved})
    notes: list[Note] = []
    if unknown:
        notes.append(
            (
                f"reports of {len(unknown)} unknown stations set aside ({_some(unknown)}): `wx stations check` prints "
                f"lines for station_meta/{region.id}/stations.csv",
                f"未登记站点 {len(unknown)} 个，其报文未使用（{_some(unknown)}）：用 wx stations check 可得到供 "
                f"station_meta/{region.id}/stations.csv 增补的行",
            )
        )
    if moved:
        notes.append(
            (
                f"{len(moved)} stations report another place than stations.csv, which is used: {_some(moved)}",
                f"{len(moved)} 个站点的报文位置与 stations.csv 不符，采用台站表位置：{_some(moved)}",
            )
        )
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:TOLD]) + (" ..." if len(names) > TOLD else "")


def _silent(table: pd.DataFrame, when: datetime) -> list[Note]:
    known = len(table)
    lately = int((table["time"] > pd.Timestamp((when - RECENT).replace(tzinfo=None))).sum())
    if not known or lately >= FEW * known:
        return []
    return [
        (
            f"only {lately} of {known} ground stations reported lately",
            f"近期仅有 {lately}/{known} 个地面站有报文",
        )
    ]


def _sources(reports: Sequence[Reports], judged: xr.Dataset, table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One record a source, and one of how many stations and values there were and what became of them."""
    titles = sorted({one.title for one in reports})
    for title in titles:
        mine = [one for one in reports if one.title == title]
        yield {
            "source": title,
            "files": len(mine),
            "start": iso(min(one.start for one in mine)),
            "end": iso(max(one.end for one in mine)),
            "reports": int(sum(one.time.size for one in mine)),
            "remarks": sorted({remark for one in mine for remark in one.remarks})[:TOLD],
        }
    flags = [judged[qc_name(name)].values for name in ELEMENT_NAMES if qc_name(name) in judged]
    yield {
        "stations": len(table),
        "values": int(
            sum(np.count_nonzero(np.isfinite(judged[name].values)) for name in ELEMENT_NAMES if name in judged)
        ),
        "suspect": sum(int(np.count_nonzero(one == QC_SUSPECT)) for one in flags),
        "bad": sum(int(np.count_nonzero(one == QC_BAD)) for one in flags),
    }
