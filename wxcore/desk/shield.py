"""What stands around every page: host names, size of requests, headers, origin (RELIABILITY.md C2).

`Shield` is plain ASGI, so that server-sent events pass through it untouched.
"""

import json
import logging
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wxcore.desk.state import Desk, desk_of

LOG = logging.getLogger(__name__)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LARGEST_BODY = 256 * 1024
"""Largest request [bytes]: our largest form, with a remark in two languages, is below 20 kB."""

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: under it browsers send `Origin: null` with forms (Fetch standard, "append a request Origin
    # header"), and the origin is what we check. same-origin tells other sites nothing either.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
STRICT_TRANSPORT = "max-age=31536000"
NO_STORE = "no-store"

_WORDS = {
    400: "unknown host name: call the desk by its configured name (--name)；主机名不在允许之列",
    413: "request larger than 256 kB；请求超过 256 kB",
    500: "internal error, see the log of the desk；内部错误，请查看值班台日志",
}


class TooLargeError(Exception):
    """The body of a request is larger than we take."""


class Shield:
    """ASGI middleware: refuses unknown host names and large bodies, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app = app
        self.desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._add_headers(message)
            await send(message)

        headers = Headers(scope=scope)
        if host_of(headers.get("host", "")) not in self.desk.all_hosts:
            await _refuse(send_with_headers, 400)
            return
        try:
            if scope["method"] not in SAFE_METHODS:
                receive = await _whole_body(headers, receive)
            await self.app(scope, receive, send_with_headers)
        except TooLargeError:
            await _refuse(send_with_headers, 413)
        except Exception:
            LOG.exception("desk: %s %s", scope["method"], scope["path"])
            if not started:
                await _refuse(send_with_headers, 500)

    def _add_headers(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in HEADERS.items():
            headers[name] = value
        if self.desk.secure_cookies:
            headers["Strict-Transport-Security"] = STRICT_TRANSPORT
        headers.setdefault("Cache-Control", NO_STORE)


def host_of(header: str) -> str:
    """The host of a Host header, lower case, without its port; empty where it is none."""
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
    return f"[{name}]" if ":" in name else name


def check_origin(request: HTTPConnection) -> None:
    """Does this unsafe request come from a page of ours? What says so is set by browsers, not by scripts.

    Raises:
        HTTPException: 403 where Origin or Sec-Fetch-Site is foreign, or neither was sent.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is None and origin is None:
        raise HTTPException(403, "origin")
    if site is not None and site != "same-origin":
        raise HTTPException(403, "origin")
    if origin is not None and not _is_ours(origin, request):
        raise HTTPException(403, "origin")


def _is_ours(origin: str, request: HTTPConnection) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    schemes = {"https"} if desk_of(request).secure_cookies else {"http", "https"}
    return parts.scheme in schemes and parts.netloc.lower() == request.headers.get("host", "").lower()


async def _whole_body(headers: Headers, receive: Receive) -> Receive:
    """Read the body, at most LARGEST_BODY; the application then gets it in one piece.

    Raises:
        TooLargeError: it is larger, or says so.
    """
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LARGEST_BODY:
        raise TooLargeError
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LARGEST_BODY:
            raise TooLargeError
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


async def _refuse(send: Send, status: int) -> None:
    body = json.dumps({"status": status, "error": _WORDS[status]}, ensure_ascii=False).encode()
    kind = (b"content-type", b"application/json; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [kind]})
    await send({"type": "http.response.body", "body": body})
