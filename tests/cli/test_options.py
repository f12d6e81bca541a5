"""Every command that writes makes its home whole first, and says so."""

import shutil
from pathlib import Path

import pytest

from tests.faults.scene import START, tiny_region, write_cycle
from wxcore.cli.options import whole_home
from wxcore.landing.ledger import cycles_between
from wxcore.pipeline.home import Home
from wxcore.pipeline.run import run


def test_a_torn_home_is_recovered_before_work_and_a_sound_one_is_not_mentioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    region, home = tiny_region(tmp_path / "meta"), Home(tmp_path / "home")
    run(write_cycle(region, tmp_path / "in", START), home, region)
    (before,) = cycles_between(home.ledger(), region.id)
    assert whole_home(home.root, region, "zh").root == home.root
    assert capsys.readouterr().err == ""
    for path in home.root.glob("ledger.sqlite*"):
        path.unlink()
    shutil.rmtree(home.root / "archive")
    whole_home(home.root, region, "zh")
    told = "".join(capsys.readouterr().err.split())
    assert "已恢复：台账rebuilt" in told
    assert "已重新运行1个时次" in told
    (after,) = cycles_between(home.ledger(), region.id)
    assert (after.time, after.fingerprint) == (before.time, before.fingerprint)
    whole_home(home.root, region, "en")
    assert capsys.readouterr().err == ""
