"""The system calls of one commit: whatever the ledger says is on the disk before it says so (RELIABILITY.md B1)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.scene import START, tiny_region, write_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest

CALLS = "rename,renameat,renameat2,write,pwrite64,fsync,fdatasync,syncfs"
SCRIPT = """
import sys
from datetime import datetime
from pathlib import Path
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.region import load_region
meta, home, when = sys.argv[1:]
run_cycle(Home(Path(home)), load_region("tiny", root=Path(meta)), datetime.fromisoformat(when))
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_everything_is_synced_before_the_ledger_says_so(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    region = tiny_region(tmp_path / "meta")
    ingest(write_cycle(region, tmp_path / "in", START), home, region)
    words = ["-c", SCRIPT, str(tmp_path / "meta"), str(home.root), START.isoformat()]
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-o", str(trace), sys.executable, *words],
        check=True,
    )
    lines = trace.read_text(errors="replace").splitlines()

    def places(pattern: str) -> list[int]:
        return [number for number, line in enumerate(lines) if re.search(pattern, line)]

    archive, ledger = re.escape(str(home.root / "archive" / region.id)), re.escape(str(home.root / "ledger.sqlite"))
    (told,) = places(r"write\(.*jsonl.*snapshot_id")
    journal_synced = next(
        at for at in places(rf"(fsync|fdatasync)\(.*{re.escape(str(home.warnings))}/.*jsonl") if at > told
    )
    recorded = next(at for at in places(rf"(fsync|fdatasync)\(.*{ledger}-wal") if at > told)
    synced = places(rf"syncfs\(.*{archive}")[-1]
    head = places(rf"rename.*{archive}/heads/.*\.json\"\) = 0")[-1]
    written = places(rf"(rename|write).*{archive}/repo/")
    assert len(written) > 20
    assert places(rf"rename.*{archive}/repo/refs")[-1] == written[-1]
    assert written[-1] < synced < head < told < journal_synced < recorded
    between = range(synced, head)
    assert [at for at in places(rf"fsync\(.*{archive}/heads/.*\.tmp") if at in between]
    assert [at for at in places(rf"fsync\(.*{archive}/heads>\)") if head < at < told]
