"""`wx bench stations` on a tiny network: every row is there, and JSON can be read. Nothing is said of times."""

import json

import numpy as np
import pytest

from wxcore.archive import place
from wxcore.cli import bench_stations as bench
from wxcore.cli.bench_table import show_rows
from wxcore.grid import Grid
from wxcore.region import Region

REGION = Region("tiny", "小", "Tiny", Grid(106.0, 29.0, 40, 40), (), (), (), (), {})
SIZE = bench.Size(stations=30, many=40, minutes=6, spatial=64, repeats=1)


def test_rows_are_whole_and_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(place, "sync_file_system", lambda descriptor: None)
    monkeypatch.setattr(bench, "ground_heights", lambda region: np.full(region.grid.shape, 500, "f4"))
    monkeypatch.setattr(bench, "BACK", 20)
    monkeypatch.setattr(bench, "_peak_mib", lambda *_: 100.0)
    rows = bench.station_rows(REGION, None, SIZE)
    show_rows("wx bench stations", rows, as_json=True)
    told = json.loads(capsys.readouterr().out)["rows"]
    items = [row["item"] for row in told]
    for part in ("minute of 30 stations", "minute of 40 stations", "6 files of 30", "stored", "MUSIC CSV of 180 rows",
                 "FTM of 30", "spatial checks of 64", "ground work", "surface_analysis",
                 "station_table", "peak memory"):  # fmt: skip
        assert any(part in item for item in items), part
    # What storing costs is a difference of two times: on a busy machine it may be less than nothing.
    assert all(row["ours"] > 0 for row in told if "stored" not in row["item"])
    peers = [row for row in told if "titanlib" in row["other_name"]]
    assert [row["held"] for row in peers] == [None], "nothing is claimed without the peer"
    assert sum(row["held"] is not None for row in told) == 10


def test_wrong_values_and_the_outflow_are_in_the_reports() -> None:
    network = bench.standing(REGION, 400)
    calm, now = (bench.report(network, bench.END - age * bench.MINUTE).values for age in (60, 0))
    assert np.nanmedian(now["wind_speed_of_gust"]) > np.nanmedian(calm["wind_speed_of_gust"]) + 10
    fair = 33 - 0.0065 * network.elevation + np.sin(2 * network.lat) + np.cos(network.lon)
    assert 0 < np.count_nonzero(calm["air_temperature"] > fair + 5) < 20
