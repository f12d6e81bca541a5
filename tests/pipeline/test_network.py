"""Radars held against each other in a cycle: the alarm reaches the notes, the table reaches the provenance."""

import bz2
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.pipeline.test_run_real import HEIGHTS, HUAIAN, TAIZHOU
from wxcore.archive.read import read_provenance
from wxcore.pipeline.home import Home
from wxcore.pipeline.network import PAIRS_A_CYCLE, bias_table, compare
from wxcore.pipeline.result import CycleResult
from wxcore.pipeline.run import run
from wxcore.radar.cinrad import read_standard, write_standard
from wxcore.radar.looks import Look
from wxcore.radar.siting.bias import PairBias
from wxcore.radar.siting.overlap import View
from wxcore.radar.volume import Moment, Site, Volume
from wxcore.region import load_region
from wxcore.region.terrain import load_terrain
from wxcore.times import CYCLE

REGION = load_region("jianghuai")
WHEN = datetime(2020, 6, 12, 5, 42, tzinfo=UTC)


def pair(tmp_path: Path, radar_data: Path, change) -> CycleResult:
    """The cycle of Huai'an as it is and Taizhou changed."""
    folder = radar_data / "cinrad_base"
    volume = change(read_standard(bz2.decompress((folder / TAIZHOU).read_bytes()), TAIZHOU))
    changed = tmp_path / TAIZHOU
    changed.write_bytes(bz2.compress(write_standard(volume), 1))
    (cycle,) = run([folder / HUAIAN, changed], Home(tmp_path / "home"), REGION, heights=HEIGHTS).cycles
    return cycle


def stronger(volume: Volume, db: float) -> Volume:
    def raised(moment: Moment) -> Moment:
        return replace(moment, offset=moment.offset - db * moment.scale)

    return replace(
        volume,
        sweeps=tuple(
            replace(s, moments={name: raised(m) if name == "DBZH" else m for name, m in s.moments.items()})
            for s in volume.sweeps
        ),
    )


def test_two_radars_that_stand_where_they_should(tmp_path: Path, radar_data: Path) -> None:
    """Taizhou shows 3.3 dB more (tests/radar/test_siting_bias.py): that is told, and nothing else of the radars."""
    cycle = pair(tmp_path, radar_data, lambda volume: volume)
    (note,) = [note for note in cycle.notes_en if note.startswith("radar")]
    assert note.startswith("radar Z9523 shows 3.")


def test_the_table_keeps_the_pair(tmp_path: Path, radar_data: Path) -> None:
    pair(tmp_path, radar_data, lambda volume: volume)
    table = bias_table(Home(tmp_path / "home"), REGION, timedelta(days=1))
    (row,) = table.pairs
    assert (row.radar_a, row.radar_b) == ("Z9517", "Z9523")
    assert row.median_db == pytest.approx(3.3, abs=0.2)
    assert row.n > 300
    assert table.radars["Z9523"] == pytest.approx(row.median_db / 2, abs=0.01)
    assert len(table.alarms) == 1


@pytest.mark.parametrize(("east", "north"), [(0.05, 0.0), (0.0, -0.05)])
def test_a_displaced_radar_raises_the_alarm(tmp_path: Path, radar_data: Path, east: float, north: float) -> None:
    """Just within what is believed of a header (0.05 deg)."""

    def moved(volume: Volume) -> Volume:
        site = volume.site
        place = replace(site, longitude=site.longitude + 0.999 * east, latitude=site.latitude + 0.999 * north)
        return volume.at(place)

    cycle = pair(tmp_path, radar_data, moved)
    (note,) = [note for note in cycle.notes_en if note.startswith("radar")]
    assert "do not agree" in note
    assert "Z9517" in note
    assert "Z9523" in note
    assert any("不一致" in note for note in cycle.notes_zh)


def test_a_radar_that_reads_high_raises_the_alarm(tmp_path: Path, radar_data: Path) -> None:
    cycle = pair(tmp_path, radar_data, lambda volume: stronger(volume, 3.0))
    assert [note for note in cycle.notes_en if note.startswith("radar Z9523 shows 6.")]
    told = read_provenance(Home(tmp_path / "home").archive, REGION.id, WHEN)
    assert told is not None
    assert float(told["radar_pairs"][0]["median_db"]) > 5
    assert bias_table(Home(tmp_path / "home"), REGION, timedelta(days=1)).alarms


def test_a_radar_twelve_minutes_late_is_missing_and_said_so(tmp_path: Path, radar_data: Path) -> None:
    def late(volume: Volume) -> Volume:
        back = timedelta(minutes=12)
        sweeps = tuple(replace(s, time=s.time - np.timedelta64(12, "m")) for s in volume.sweeps)
        return replace(volume, start=volume.start - back, sweeps=sweeps)

    folder = radar_data / "cinrad_base"
    volume = late(read_standard(bz2.decompress((folder / TAIZHOU).read_bytes()), TAIZHOU))
    name = f"Z_RADR_I_Z9523_{volume.start:%Y%m%d%H%M%S}_O_DOR_SA_CAP_FMT.bin"
    (tmp_path / name).write_bytes(write_standard(volume))
    result = run([folder / HUAIAN, tmp_path / name], Home(tmp_path / "home"), REGION, at=WHEN, heights=HEIGHTS)
    (cycle,) = result.cycles
    assert "radar Z9523" in cycle.missing
    assert cycle.degraded


def test_every_pair_has_its_turn() -> None:
    """Five radars, ten pairs, some at a time: all within three cycles; none alone."""
    looks = [Look(Site(f"Z900{k}", "", 29.5 + 0.1 * k, 106.5, 500.0), WHEN, (), 0.5) for k in range(5)]
    assert compare(looks[:1], WHEN, load_terrain()).rows == ()
    seen = set()
    for turn in range(3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "wxcore.pipeline.network.pair_bias", lambda a, b: seen.add((a.site.id, b.site.id)) or _none(a, b)
            )
            patch.setattr("wxcore.pipeline.network.position_check", lambda a, b: SimpleNamespace(alarm=False))
            patch.setattr("wxcore.pipeline.network.position_alarms", lambda checks: [])
            before = len(seen)
            compare(looks, WHEN + turn * CYCLE, load_terrain())
            assert len(seen) - before <= PAIRS_A_CYCLE
    assert len(seen) == 10


def _none(a: View, b: View) -> PairBias:
    return PairBias(a.site.id, b.site.id, WHEN, 0, np.nan, np.nan, np.nan)
