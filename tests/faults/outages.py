"""B3 and B4: a disk that is full, and an object store that stalls, under a watch."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.archive.s3 import BUCKET, credentials, serve_moto
from tests.faults.full_disk import TMPFS
from tests.faults.harness import Outcome, Tally
from tests.faults.scene import START, tiny_region, write_scene
from tests.faults.watching import Clock, counted, deliver, quick, watched
from wxcore.archive import place
from wxcore.archive.read import list_cycles
from wxcore.pipeline.catchup import PATIENCE, RERUN_EVERY
from wxcore.pipeline.home import Home
from wxcore.pipeline.watch_cycles import CYCLE_WALL_S
from wxcore.times import CYCLE

DISK = "24m"
LIMIT = "limit"
CHILD_S = 300.0
ROOT = Path(__file__).parents[2]


def _mounted(folder: Path) -> list[str] | None:
    """What runs a command with a small disk at `folder` that nobody else sees; None where that is not allowed."""
    mount = f'mount -t tmpfs -o size={DISK} wxcore "{folder}" && exec "$@"'
    command = ["unshare", "-Urm", "sh", "-c", mount, "sh"]
    if shutil.which("unshare") is None:
        return None
    allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    return command if allowed else None


def full_disk(n: int, seed: int, folder: Path) -> Outcome:
    """B3: full when idle, before a landing, a decision and a cycle, `n` times each, then with room again.

    On a tmpfs of its own, and with RLIMIT_FSIZE; where no tmpfs is allowed the figures say so.
    """
    tally, told_s, figures = Tally(), [0.0], dict[str, float]()
    for number in range(n):
        for kind in (TMPFS, LIMIT):
            here = folder / f"{kind}{number}"
            tiny_region(here / "meta")
            region = tiny_region(here / "meta")
            for step, paths in enumerate(write_scene(region, here / "in", 2)):
                for path in paths:
                    os.utime(path, ((START + step * CYCLE).timestamp(),) * 2)
            (disk := here / "disk").mkdir()
            before = _mounted(disk) if kind == TMPFS else []
            if before is None:
                figures["no tmpfs allowed here"] = 1
                continue
            words = [kind, str(disk), str(here / "meta"), str(here / "in")]
            done = subprocess.run(
                [*before, sys.executable, "-m", "tests.faults.full_disk", *words],
                capture_output=True, text=True, cwd=ROOT, timeout=CHILD_S, check=False,
            )  # fmt: skip
            if done.returncode:
                tally.add(kind, [done.stderr.strip()[-400:]])
                continue
            for item in json.loads(done.stdout.splitlines()[-1]):
                tally.add(f"{kind}, full {item['moment']}", item["faults"])
                told_s.append(item["told_s"])
    return tally.outcome("B3 disk full", {**figures, "told after at most [s]": max(told_s)})


@dataclass
class Proxy:
    """Passes TCP on to a server, unless it stalls: then whoever asks waits."""

    target: tuple[str, int]
    open: threading.Event = field(default_factory=threading.Event)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while content := one.recv(65536):
                self.open.wait()
                other.sendall(content)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(endpoint: str) -> Iterator[Proxy]:
    """A proxy of an HTTP server, open at first."""
    host, _, port = endpoint.removeprefix("http://").partition(":")
    proxy = Proxy((host, int(port)))
    proxy.open.set()
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.open.set()
        proxy.listener.close()


def stalling_store(n: int, seed: int, folder: Path) -> Outcome:
    """B4: `n` times the object store stalls while a cycle is due: ingest goes on, the cycle fails in time and is made
    when the store answers again; no thread stays behind."""
    tally, threads, seconds = Tally(), list[int](), [0.0]
    region = tiny_region(folder / "meta")
    home, clock = folder / "home", Clock(START - CYCLE)
    serving = contextmanager(serve_moto)
    with pytest.MonkeyPatch.context() as patch, serving() as endpoint, proxied(endpoint) as proxy:
        quick(patch)
        credentials(patch)
        patch.setattr(place, "ANSWER_S", 1)
        options = f"endpoint_url=http://127.0.0.1:{proxy.port}&region=us-east-1&allow_http=true"
        stored = Home(home, archive_url=f"s3://{BUCKET}/{uuid4().hex}?{options}")
        (arriving := folder / "arriving").mkdir()
        with counted(tally, "the watch"), watched(arriving, stored, region, clock) as here:
            for number, paths in enumerate(write_scene(region, folder / "in", n + 1)):
                when, stalled = START + number * CYCLE, number > 0
                clock.now = when + PATIENCE
                failed, files, cycles = (len(here.of(kind)) for kind in ("failed", "file", "cycle"))
                proxy.open.clear() if stalled else proxy.open.set()
                deliver(paths, arriving)
                began = time.monotonic()
                here.until(lambda files=files, paths=paths: len(here.of("file")) == files + len(paths))  # type: ignore[misc]
                if stalled:
                    here.until(lambda failed=failed: len(here.of("failed")) > failed)  # type: ignore[misc]
                    seconds.append(time.monotonic() - began)
                    threads.append(len(list(Path("/proc/self/task").iterdir())))
                    proxy.open.set()
                    clock.now += RERUN_EVERY + timedelta(seconds=1)
                here.until(lambda cycles=cycles: len(here.of("cycle")) > cycles)  # type: ignore[misc]
                made = list_cycles(stored.archive, region.id)
                faults = [] if when in made else [f"{when} is not in the archive"]
                if stalled and here.of("file")[-1] not in here.told[: here.told.index(here.of("failed")[-1])]:
                    faults.append("ingest waited for the store")
                if seconds[-1] > CYCLE_WALL_S:
                    faults.append(f"hung for {seconds[-1]:.0f} s")
                tally.add(f"cycle {number}", faults)
        if len(threads) > 1:
            grown = threads[-1] - threads[0]
            tally.add("threads", [f"{grown} more after {n} stalls"] if grown > 8 else [])
    return tally.outcome("B4 stalling store", {"failed after at most [s]": round(max(seconds), 1)})
