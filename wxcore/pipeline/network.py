"""Radars held against their neighbours: bias of reflectivity, and whether each stands where station_meta says.

A few pairs a cycle, in turn, so that every pair is looked at within the half hour and the cycle does not wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from wxcore.archive.read import list_cycles, read_provenance
from wxcore.pipeline.home import Home
from wxcore.radar.geometry import ground_position
from wxcore.radar.looks import Look
from wxcore.radar.siting.bias import PairBias, bias_alarms, from_row, pair_bias, radar_biases, to_row
from wxcore.radar.siting.ground import antenna_fault
from wxcore.radar.siting.overlap import REACH_M, View
from wxcore.radar.siting.position import position_alarms, position_check
from wxcore.region import Region
from wxcore.region.terrain import Terrain
from wxcore.times import CYCLE

PAIRS_A_CYCLE = 4
"""Of some 20 pairs of 14 radars; each takes about 60 ms [our choice]."""


@dataclass(frozen=True)
class Compared:
    """What the pairs of one cycle showed.

    Attributes:
        rows: of the bias table, as text; alarms: (English, Chinese) sentences.
    """

    rows: tuple[dict[str, str], ...]
    alarms: tuple[tuple[str, str], ...]


def compare(looks: Sequence[Look], when: datetime, ground: Terrain) -> Compared:
    """Compare the pairs whose turn it is at `when`, and each antenna with the ground that it stands on.

    A pair that does not lie one over the other says nothing of calibration.
    """
    views = [View(look.site, look.start, look.tilts) for look in looks]
    pairs = [pair for pair in combinations(sorted(views, key=lambda view: view.site.id), 2) if _overlap(*pair)]
    turn = int(when.timestamp() // CYCLE.total_seconds()) * PAIRS_A_CYCLE
    due = [pairs[(turn + k) % len(pairs)] for k in range(min(PAIRS_A_CYCLE, len(pairs)))]
    checks = [position_check(a, b) for a, b in due]
    biases = [pair_bias(a, b) for (a, b), check in zip(due, checks, strict=True) if not check.alarm]
    sentences = [alarm.sentence for alarm in position_alarms(checks)]
    sentences += [alarm.sentence for alarm in bias_alarms(biases)]
    sentences += [fault for look in looks if (fault := antenna_fault(look.site, ground)) is not None]
    rows = tuple(to_row(pair) for pair in biases if pair.n > 0)
    return Compared(rows, tuple((sentence.en, sentence.zh) for sentence in sentences))


def _overlap(a: View, b: View) -> bool:
    """Do circles of REACH_M about both share more than a sliver?"""
    distance, _ = ground_position(a.site.latitude, a.site.longitude, b.site.latitude, b.site.longitude)
    return bool(0 < distance < 1.5 * REACH_M)


@dataclass(frozen=True)
class BiasTable:
    """Pairs as they were compared, oldest first; bias of each radar [dB] against the mean of its network; alarms."""

    pairs: tuple[PairBias, ...]
    radars: dict[str, float]
    alarms: tuple[tuple[str, str], ...]


def bias_table(home: Home, region: Region, since: timedelta) -> BiasTable:
    """The pairs of the newest cycles of the archive, `since` before the newest, and what follows from them.

    Raises:
        ArchiveError: versions that cannot be opened.
    """
    cycles = list_cycles(home.archive, region.id)
    rows: list[dict[str, Any]] = []
    for when in cycles:
        if when >= cycles[-1] - since:
            rows += (read_provenance(home.archive, region.id, when) or {}).get("radar_pairs", [])
    pairs = tuple(from_row(row) for row in rows)
    alarms = tuple((alarm.sentence.en, alarm.sentence.zh) for alarm in bias_alarms(pairs))
    return BiasTable(pairs, radar_biases(pairs), alarms)
