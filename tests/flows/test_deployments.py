"""Prefect for real: the deployments of deploy/prefect.yaml, a scheduled run that fires, and a run from parameters."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PREFECT = str(Path(sys.executable).with_name("prefect"))
START_S, RUN_S = 180, 300

pytestmark = pytest.mark.flow


class Server:
    """A Prefect server of our own on a free port, its database in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.log = folder / "log.txt"
        self.env = {
            **os.environ,
            "PREFECT_HOME": str(folder),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "NO_PROXY": "127.0.0.1",
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> None:
        out = self.log.open("ab")
        self.processes.append(subprocess.Popen([PREFECT, *command], env=self.env, cwd=ROOT, stdout=out, stderr=out))

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [PREFECT, *command], env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def post(self, path: str, body: dict[str, Any] | list[dict[str, Any]]) -> Any:
        return self.ask("POST", path, json.dumps(body).encode())

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The server's answer; 503, its word for a database that is locked, means ask again."""
        request = urllib.request.Request(
            f"{self.api}/{path}", body, {"Content-Type": "application/json"}, method=method
        )
        end = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > end:
                    raise
                time.sleep(1)

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def until(self, condition: Callable[[], Any], seconds: float) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(1)
        raise AssertionError(f"not within {seconds} s; log:\n{self.log.read_text()[-4000:]}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Server, work pool, all deployments and a worker."""
    server = Server(tmp_path_factory.mktemp("prefect"))
    try:
        server.start("server", "start", "--host", "127.0.0.1", "--port", str(server.port))
        server.until(server.healthy, START_S)
        server.run("work-pool", "create", "wxcore", "--type", "process")
        # One run at a time: on a loaded machine runs of a short interval would starve each other, and none would end.
        server.run("work-pool", "set-concurrency-limit", "wxcore", "1")
        server.run("--no-prompt", "deploy", "--all", "--prefect-file", "deploy/prefect.yaml")
        server.start("worker", "start", "--pool", "wxcore")
        yield server
    finally:
        for process in reversed(server.processes):
            process.terminate()
        for process in server.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def runs(server: Server, **state: list[str]) -> list[dict[str, Any]]:
    return list(server.post("flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": state["types"]}}}}))


def ended_runs(server: Server, run_id: str) -> list[dict[str, Any]]:
    return [run for run in runs(server, types=["COMPLETED", "FAILED", "CRASHED"]) if run["id"] == run_id]


FORMS = {
    "ingest": {"paths", "region", "home", "new_only"},
    "cycle": {"at", "region", "home", "h0_m", "hm20_m"},
    "nightly-samples": {"at", "region", "home"},
    "train": {"hazard", "home", "seed"},
    "drift-report": {"home", "nights"},
}
BY_NIGHT = {"nightly-samples": ["10 13 * * *"], "train": [], "drift-report": ["0 14 * * *"]}
"""Crons in UTC: the day ends at 12, its labels look an hour ahead; models are trained by hand."""


def test_all_deployments_are_there_with_a_form(server: Server) -> None:
    found = {item["name"]: item for item in server.post("deployments/filter", {})}
    forms = {name: item["parameter_openapi_schema"]["properties"] for name, item in found.items()}
    assert {name: set(form) for name, form in forms.items()} == FORMS
    assert all(field.get("description") for form in forms.values() for field in form.values())
    for name, crons in BY_NIGHT.items():
        schedules = [item["schedule"] for item in found[name]["schedules"]]
        assert [item["cron"] for item in schedules] == crons
        assert {item["timezone"] for item in schedules} <= {"UTC"}


def test_a_scheduled_deployment_really_fires(server: Server, tmp_path: Path) -> None:
    """ECOSYSTEM.md traps 1 and 2: with the wrong versions nothing is ever scheduled, and nobody is told."""
    (incoming := tmp_path / "incoming").mkdir()
    deployment = next(item for item in server.post("deployments/filter", {}) if item["name"] == "ingest")
    schedule = {"schedule": {"interval": 20.0}, "active": True,
                "parameters": {"paths": [str(incoming)], "home": str(tmp_path / "home")}}  # fmt: skip
    request = [{**schedule, "max_scheduled_runs": None}]
    (made,) = server.post(f"deployments/{deployment['id']}/schedules", request)
    try:
        done = server.until(lambda: [run for run in runs(server, types=["COMPLETED"]) if run["auto_scheduled"]], RUN_S)
    finally:
        server.ask("DELETE", f"deployments/{deployment['id']}/schedules/{made['id']}")
    assert done[0]["deployment_id"] == deployment["id"]


def test_a_past_case_is_rerun_from_parameters(server: Server, demo_files: list[Path], tmp_path: Path) -> None:
    """What the form of the Prefect page does: custom parameters, then the worker does the job."""
    home = tmp_path / "home"
    for name, parameters in (
        ("ingest", {"paths": [str(path) for path in demo_files[:3]], "home": str(home)}),
        ("cycle", {"at": "2026-07-01T08:00Z", "home": str(home), "h0_m": 5200.0, "hm20_m": 8400.0}),
    ):
        deployment = next(item for item in server.post("deployments/filter", {}) if item["name"] == name)
        made = server.post(f"deployments/{deployment['id']}/create_flow_run", {
            "parameters": {**deployment["parameters"], **parameters}, "state": {"type": "SCHEDULED"},
        })  # fmt: skip
        ended = server.until(partial(ended_runs, server, made["id"]), RUN_S)
        assert ended[0]["state"]["type"] == "COMPLETED", server.log.read_text()[-4000:]
    assert "MESH" in (home / "report.html").read_text()


def test_the_command_line_through_flows_says_what_is_wrong_in_one_line(server: Server, tmp_path: Path) -> None:
    words = ["cycle", "--at", "2001-01-01T00:00Z", "--out", str(tmp_path), "--lang", "en"]
    done = subprocess.run(
        [sys.executable, "-c", "from wxcore.cli.app import main; main()", *words],
        env=server.env, capture_output=True, text=True, timeout=START_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "nothing on file" in done.stderr
    assert "Traceback" not in done.stderr
