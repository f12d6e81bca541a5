"""The commands as their users type them: exit codes, JSON, language."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wxcore.cli.app import main

WX = [sys.executable, "-c", "from wxcore.cli.app import main; main()"]


def wx(*words: str, lang: str = "en") -> subprocess.CompletedProcess[str]:
    command = [*WX, *words]
    env = {"WXCORE_LANG": lang, "PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=300)


Here = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Here:
    """The same command in this process: a new one takes seconds before it begins."""

    def run(*words: str, lang: str = "en") -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["wx", *words])
        monkeypatch.setenv("WXCORE_LANG", lang)
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return subprocess.CompletedProcess(words, code if isinstance(code, int) else 0, *capfd.readouterr())

    return run


def test_doctor_json_and_exit_code(tmp_path: Path, demo_files: list[Path], here: Here) -> None:
    (broken := tmp_path / "broken.bin").write_bytes(b"RSTM" + bytes(200))
    done = wx("doctor", str(demo_files[0]), str(broken), "--json")
    good, bad = json.loads(done.stdout)
    assert done.returncode == 1
    assert good["readable"] is True
    assert (good["format"], good["site"], good["sweeps"]) == ("cinrad-standard", "Z9230", 11)
    assert bad["readable"] is False
    assert bad["reason"] in {"TRUNCATED", "BAD_HEADER", "BAD_VALUE"}
    assert {
        "file",
        "readable",
        "format",
        "site",
        "time",
        "sweeps",
        "moments",
        "reason",
        "message_zh",
        "message_en",
    } <= set(good)
    assert here("doctor", str(demo_files[0])).returncode == 0


def test_run_again_is_a_duplicate_and_tells_the_same(demo_files: list[Path], tmp_path: Path, here: Here) -> None:
    words = ["run", *map(str, demo_files[:3]), "--out", str(tmp_path), "--direct", "--json", "--h0-m", "5000",
             "--hm20-m", "8300"]  # fmt: skip
    first, second = wx(*words), here(*words)
    assert first.returncode == second.returncode == 0, first.stderr
    one, two = json.loads(first.stdout), json.loads(second.stdout)
    assert [item["status"] for item in two["inputs"]] == ["duplicate"] * 3
    assert one["cycles"][0]["committed"] is True
    assert two["cycles"][0]["committed"] is False
    assert one["cycles"][0]["storms"] == two["cycles"][0]["storms"]
    assert one["cycles"][0]["drafts"] == two["cycles"][0]["drafts"]
    assert Path(one["report"]).is_file()
    again = here("cycle", "--at", "2026-07-01T08:00Z", "--out", str(tmp_path), "--direct", "--json", "--h0-m", "5000",
               "--hm20-m", "8300")  # fmt: skip
    assert json.loads(again.stdout)["cycles"][0]["storms"] == one["cycles"][0]["storms"]


@pytest.mark.parametrize(
    ("words", "code", "en", "zh"),
    [
        (["cycle", "--at", "2026-07-01T08:00"], 2, "no time zone", "没有时区"),
        (["run", "x.bin", "--region", "atlantis"], 2, "atlantis", "atlantis"),
        (["cycle", "--at", "2001-01-01T00:00Z", "--direct"], 1, "nothing on file", "没有可用资料"),
        (["cycle", "--at", "0001-01-01T00:00Z", "--direct"], 2, "out of range", "超出"),
        (["run", "x.bin", "--h0-m", "4600"], 2, "--hm20-m", "--hm20-m"),
        (["run", "x.bin", "--h0-m", "4.6", "--hm20-m", "7.9"], 2, "--hm20-m", "--hm20-m"),
    ],
)
def test_what_is_wrong_is_said_in_the_users_language(
    tmp_path: Path, words: list[str], code: int, en: str, zh: str, here: Here
) -> None:
    for lang, text in (("en", en), ("zh", zh)):
        done = here(*words, "--out", str(tmp_path), "--lang", lang, lang="zh" if lang == "en" else "en")
        assert done.returncode == code, done.stderr
        assert text in done.stderr
        assert "Traceback" not in done.stderr


def test_run_on_nothing_but_rubbish_fails_but_answers(tmp_path: Path, here: Here) -> None:
    (rubbish := tmp_path / "rubbish.bin").write_bytes(b"rubbish")
    done = here("run", str(rubbish), str(tmp_path / "absent"), "--out", str(tmp_path / "out"), "--direct", "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["cycles"] == []
    assert [item["reason"] for item in answer["inputs"]] == ["UNKNOWN_FORMAT", "NOT_FOUND"]


def test_an_empty_folder_and_an_unwritable_output_are_told_in_one_line(tmp_path: Path, here: Here) -> None:
    (empty := tmp_path / "empty").mkdir()
    assert here("doctor", str(empty)).returncode == 2
    (blocked := tmp_path / "a-file").write_bytes(b"x")
    done = here("ingest", str(tmp_path / "absent.bin"), "--out", str(blocked))
    assert done.returncode == 1
    assert "the system refused" in done.stderr
    assert "Traceback" not in done.stderr


def test_prefect_out_of_reach_is_told_with_the_way_out(tmp_path: Path) -> None:
    env = {
        "WXCORE_LANG": "en",
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }
    done = subprocess.run(
        [*WX, "cycle", "--at", "2026-07-01T08:00Z", "--out", str(tmp_path)],
        capture_output=True, text=True, env=env, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1
    assert "--direct" in done.stderr.splitlines()[-1] + done.stderr.splitlines()[-2]
