"""`wx archive`: exit codes, JSON, both languages, on a home of the tiny region."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from tests.pipeline.tiny import NOW, Built, build
from wxcore.archive import place
from wxcore.cli import app
from wxcore.pipeline.home import Home
from wxcore.times import iso

Wx = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture
def home(built: Built, tmp_path: Path) -> Home:
    return built.copy(tmp_path / "home")


@pytest.fixture
def wx(built: Built, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Wx:
    """Run `wx archive` in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("WXCORE_STATION_META", str(built.meta))
    monkeypatch.setattr(place, "sync_file_system", lambda descriptor: None)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str, lang: str = "en") -> tuple[int, str, str]:
        where = ["--region", built.region.id, "--out", str(home.root), "--lang", lang]
        monkeypatch.setattr(sys, "argv", ["wx", "archive", *words, *where])
        with pytest.raises(SystemExit) as caught:
            app.main()
        told = capsys.readouterr()
        return int(caught.value.code or 0), told.out, told.err

    return call


def test_check(wx: Wx, home: Home) -> None:
    code, out, _ = wx("check", "--deep", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["region"], told["cycles"], told["files"], told["faults"]) == ("tiny", 3, 6, [])
    assert json.loads(wx("check", "--newest", "1", "--json")[1])["cycles"] == 1
    shutil.rmtree(home.landing)
    code, out, _ = wx("check", "--json")
    assert code == 1
    assert len(json.loads(out)["faults"]) == 6
    for lang, words in (("en", "its landed bytes are gone"), ("zh", "落地文件缺失")):
        code, out, err = wx("check", lang=lang)
        assert (code, out) == (1, "")
        assert "".join(err.split()).count("".join(words.split())) == 6  # lines are broken where they must


def test_log(wx: Wx, built: Built) -> None:
    code, out, _ = wx("log", "--json")
    records = json.loads(out)
    assert code == 0
    assert [record["cycle"] for record in records] == [iso(time) for time in reversed(built.times)]
    assert len(records[0]["inputs"]) == 2
    assert len(json.loads(wx("log", "-n", "1", "--json")[1])) == 1
    assert records[0]["snapshot_id"] in wx("log", lang="zh")[2]


def test_compact_and_export(wx: Wx, tmp_path: Path) -> None:
    day = f"{NOW:%Y%m%d}"
    for written in (True, False):
        code, out, _ = wx("compact", day, "--json")
        assert (code, json.loads(out)) == (0, [{"day": day, "written": written}])
    assert "已存在" in wx("compact", day, lang="zh")[2]
    target = tmp_path / "day.nc"
    code, _, err = wx("export", day, str(target))
    assert (code, str(target) in err) == (0, True)
    with xr.open_dataset(target) as opened:
        assert opened.sizes["time"] == 3


def test_expire(wx: Wx, built: Built) -> None:
    """The scene is of 2026-07-01: whether its files are old depends on the clock; everything is older than nothing."""
    code, out, _ = wx("expire", "--dry-run", "--cube-days", "0", "--json")
    told = json.loads(out)
    assert (code, told["dry_run"], told["kept_days"]) == (0, True, [f"{NOW:%Y%m%d}"])
    assert "would forget" in wx("expire", "--dry-run")[2]
    code, out, _ = wx("expire", "--history-days", "0", "--cube-days", "0", "--json")
    assert code == 0
    assert json.loads(out)["cube_days"] == []  # no view of it is there
    assert "已清理" in wx("expire", lang="zh")[2]


def test_recover(wx: Wx, home: Home, built: Built) -> None:
    code, out, _ = wx("recover", "--json")
    whole = {"ledger": "sound", "archive": "clean", "lost": [], "rerun": [], "failed": []}
    assert (code, json.loads(out)) == (0, whole)
    for path in home.root.glob("ledger.sqlite*"):
        path.unlink()
    for name in built.touched:
        (home.root / "archive" / name).write_bytes(b"")
    code, out, _ = wx("recover", "--json")
    told = json.loads(out)
    assert (code, told["ledger"], told["rerun"], told["failed"]) == (0, "rebuilt", [iso(built.times[-1])], [])
    assert "sound" in wx("recover")[2]


@pytest.mark.parametrize(
    ("words", "code", "needle"),
    [
        (["compact", "yesterday"], 2, "yesterday"),
        (["export", "20260701", "x.nc", "--format", "csv"], 2, "netcdf or zarr"),
        (["export", "20260702", "x.nc"], 1, "2026"),
        (["check", "--newest", "0"], 2, "--newest"),
        (["log", "-n", "0"], 2, "--most"),
        (["expire", "--raw-days", "0"], 2, "--raw-days"),
        (["expire", "--cube-days", "-1"], 2, "--cube-days"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_what_is_wrong(wx: Wx, words: list[str], code: int, needle: str) -> None:
    found, out, err = wx(*words)
    assert (found, out) == (code, "")
    assert needle in err
    assert "Traceback" not in err
