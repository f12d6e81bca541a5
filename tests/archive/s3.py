"""S3 endpoints on 127.0.0.1: moto's, one that ignores conditional PUT, and one that does not answer."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
from moto.server import ThreadedMotoServer

from wxcore.archive.repository import new_marker

BUCKET = "archive"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "NO_PROXY": "127.0.0.1"}


def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a store asks for, in the environment."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def serve_moto() -> Iterator[str]:
    """URL of a moto server with a bucket, for as long as the generator lives."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT"), timeout=30).close()
    yield endpoint
    server.stop()


class Careless(BaseHTTPRequestHandler):
    """Puts and gets objects and ignores If-None-Match."""

    kept: ClassVar[dict[str, bytes]] = {}
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.kept[urlsplit(self.path).path] = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200, b"")

    def do_GET(self) -> None:
        content = self.kept.get(urlsplit(self.path).path)
        self._answer(404 if content is None else 200, content or b"")

    def do_DELETE(self) -> None:
        self.kept.pop(urlsplit(self.path).path, None)
        self._answer(204, b"")

    def _answer(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Fri, 12 Jun 2020 05:42:00 GMT")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


class Stalling(Careless):
    """Hands out archive.json and never answers to anything else (until the test ends)."""

    ended: threading.Event

    def do_GET(self) -> None:
        if self.path.endswith("archive.json"):
            self._answer(200, new_marker())
        else:
            self.ended.wait(120)

    def do_PUT(self) -> None:
        self.ended.wait(120)


@contextmanager
def serving(handler: type[Careless]) -> Iterator[str]:
    """Root of archives at a server of our own."""
    kept: type[Careless] = type(handler.__name__, (handler,), {"kept": {}, "ended": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kept)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"s3://{BUCKET}/x?endpoint_url=http://127.0.0.1:{server.server_port}&region=us-east-1&allow_http=true"
    finally:
        getattr(kept, "ended").set()  # noqa: B009
        server.shutdown()
