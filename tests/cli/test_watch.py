"""`wx watch` as its users type it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.scene import START, tiny_region, write_cycle
from tests.faults.watching import deliver, quick
from wxcore.archive.read import list_cycles
from wxcore.cli import app
from wxcore.landing.space import RESERVE
from wxcore.region import load_region
from wxcore.times import iso

LONG_AGO_H = "1000000"
Wx = Callable[..., tuple[int, str, str]]


@pytest.fixture
def meta(tmp_path: Path) -> Path:
    tiny_region(tmp_path / "meta")
    return tmp_path / "meta"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (arriving := tmp_path / "in").mkdir()
    return arriving


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def _signals() -> Iterator[None]:
    """`wx watch` takes them for itself."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def wx(
    meta: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], _signals: None
) -> Wx:
    """Run `wx watch` in this process: exit code, stdout, stderr."""
    quick(monkeypatch)
    monkeypatch.setenv("WXCORE_STATION_META", str(meta))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.delenv("WXCORE_INCOMING", raising=False)

    def call(*words: str, lang: str = "en") -> tuple[int, str, str]:
        where = ["--region", "tiny", "--out", str(home), "--poll-s", "0.05", "--until-idle", "--lang", lang]
        monkeypatch.setattr(sys, "argv", ["wx", "watch", *where, *words])
        with pytest.raises(SystemExit) as caught:
            app.main()
        told = capsys.readouterr()
        return int(caught.value.code or 0), told.out, told.err

    return call


def test_until_idle_tells_one_json_a_line(wx: Wx, folder: Path, home: Path, meta: Path) -> None:
    region = load_region("tiny", root=meta)
    deliver(write_cycle(region, folder.parent / "made", START), folder)
    (folder / "rubbish.bin").write_bytes(b"rubbish")
    code, out, _ = wx(str(folder), "--json", "--back-h", LONG_AGO_H)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 1, "a file was refused"
    assert [line["event"] for line in lines] == ["start", "file", "file", "file", "cycle", "stop"]
    assert all(line["message"] for line in lines)
    assert sorted(line["status"] for line in lines if line["event"] == "file") == ["quarantined", "stored", "stored"]
    (cycle,) = [line for line in lines if line["event"] == "cycle"]
    assert (cycle["time"], cycle["reanalysis"]) == (iso(START), True)
    assert {"storms", "drafts", "snapshot", "degraded", "inputs"} <= set(cycle)
    assert list_cycles(home / "archive", "tiny") == [START]
    code, out, err = wx(str(folder), "--back-h", LONG_AGO_H, lang="zh")  # in words, and nothing new
    assert (code, out) == (0, "")
    assert "正在监视" in err
    assert "已停止" in err


def test_the_folders_may_come_from_the_environment(wx: Wx, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WXCORE_INCOMING", str(folder))
    code, out, _ = wx("--json")
    assert code == 0
    assert str(folder) in json.loads(out.splitlines()[0])["message"]


@pytest.mark.parametrize(
    ("words", "en", "zh"),
    [
        (["absent-folder"], "no such folder", "没有此目录"),
        ([], "no folder named", "未指定目录"),
        ([".", "--poll-s", "0"], "--poll-s", "--poll-s"),
        ([".", "--back-h", "-1"], "--back-h", "--back-h"),
    ],
)
def test_bad_arguments(wx: Wx, home: Path, words: list[str], en: str, zh: str) -> None:
    for lang, needle in (("en", en), ("zh", zh)):
        code, out, err = wx(*words, lang=lang)
        assert (code, out) == (2, "")
        assert needle in err
        assert not home.exists()


def test_sigterm_ends_it_in_good_order(meta: Path, folder: Path, home: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from wxcore.cli.app import main; main()",
        "watch",
        str(folder),
        "--out",
        str(home),
    ]
    env = {**os.environ, "WXCORE_LANG": "en"}
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "start"
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line)["event"] for line in process.stdout]
        assert process.wait(60) == 0
    (home / RESERVE).unlink(missing_ok=True)
    assert rest == ["stop"]
