"""HTTP POST to a URL that an operator wrote, never to a machine of our own network unless its network is allowed.

The host is resolved once, every address it has is judged, and exactly a judged address is connected to: a name that
answers otherwise the second time (DNS rebinding) gains nothing. TLS still checks the certificate of the name. No
proxy of the environment is used and no redirect is followed. RELIABILITY.md C5; OWASP ASVS 1.3.6. Address blocks: the
IANA special-purpose registries (RFC 6890), as `ipaddress` has them, and those that carry another address inside.
"""

import functools
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from wxcore.errors import DeliveryError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Sequence[str]]

CONNECT_S = 5.0
"""Longest wait for a connection to one address [s]."""

MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are read; what is longer is no receipt."""

GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All IPv6 that is out in the world (RFC 4291 2.4); NAT64, mapped and compatible addresses lie outside of it."""

NOT_OUTSIDE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
"""Special blocks that `is_global` of some Python versions lets pass: protocol assignments (RFC 6890), 6to4 relays and
6to4 (RFC 3068, 3056), Teredo and the rest of 2001::/23 (RFC 4380, 2928), documentation (RFC 3849, 9637)."""


CLOUD_HOSTS: tuple[Network, ...] = (ipaddress.ip_network("168.63.129.16/32"),)
"""Hosts of a cloud with a public address that answer only its own machines, with their secrets: Azure's WireServer
(learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16). The metadata services of other clouds lie
in blocks that are refused anyway: 169.254.0.0/16, 100.64.0.0/10 (Alibaba), 192.0.0.0/24 (Oracle), fc00::/7 (AWS)."""


@dataclass(frozen=True)
class Answer:
    """What came back: HTTP status, the beginning of the body, and the field Retry-After as it was sent."""

    status: int
    body: bytes
    retry_after: str = ""


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host by the system's resolver, which also reads 2130706433, 0x7f.1 and 0177.0.0.1."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def in_time(resolver: Resolver, deadline: float) -> Resolver:
    """A resolver that is waited for until `deadline` (time.monotonic) at the longest: name servers may be silent for
    minutes. It then raises TimeoutError; whoever hangs is left behind and ends by itself."""

    def ask(host: str, port: int) -> Sequence[str]:
        found: list[Sequence[str]] = []
        wrong: list[Exception] = []

        def work() -> None:
            try:
                found.append(resolver(host, port))
            except Exception as error:  # noqa: BLE001 - raised again where it is waited for
                wrong.append(error)

        thread = threading.Thread(target=work, name=f"resolve-{host}", daemon=True)
        thread.start()
        thread.join(max(deadline - time.monotonic(), 0.0))
        if wrong:
            raise wrong[0]
        if not found:
            raise TimeoutError("out of time")
        return found[0]

    return ask


def is_outside(address: Address) -> bool:
    """Is it a machine of the public network, and of no other?"""
    if address.is_multicast or any(address in network for network in (*NOT_OUTSIDE, *CLOUD_HOSTS)):
        return False
    return address.is_global and (address.version == 4 or address in GLOBAL_UNICAST)


def _refused(host: str, why: str, why_zh: str) -> DeliveryError:
    return DeliveryError(f"refused to connect to {host!r}: {why}", f"拒绝连接 {host!r}：{why_zh}", lasting=True)


def judged(
    host: str, port: int, *, allow: Iterable[Network] = (), inside_only: bool = False, resolver: Resolver = resolve
) -> list[str]:
    """Resolve a host, once, and return its addresses if every one of them may be connected to.

    Args:
        allow: networks that may be connected to though they are not public.
        inside_only: public addresses are refused too: what is not encrypted stays in the house.

    Raises:
        DeliveryError: no such host, or an address that is refused.
    """
    try:
        found = [ipaddress.ip_address(text) for text in resolver(host, port)]
    except (OSError, ValueError, UnicodeError) as cause:
        raise DeliveryError(f"host {host!r} was not found: {cause}", f"找不到主机 {host!r}：{cause}") from cause
    if not found:
        raise DeliveryError(f"host {host!r} has no address", f"主机 {host!r} 没有地址")
    allow = tuple(allow)
    for address in found:
        allowed = any(address in network for network in allow)
        if not allowed and inside_only:
            raise _refused(
                host,
                f"{address} without TLS; use https, or add its network to `allow`",
                f"{address} 未加密；请用 https，或将其网段列入 allow",
            )
        if not allowed and not is_outside(address):
            raise _refused(
                host,
                f"{address} is not a public address; add its network to `allow` if it is meant",
                f"{address} 不是公网地址；如确需连接，请将其网段列入 allow",
            )
    return [str(address) for address in found]


class _Hurried(httpcore.NetworkStream):
    """A stream that is over when its time is: a server that drips one byte at a time holds nobody up."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def _left(self, most: float | None, kind: type[Exception]) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise kind("out of time")
        return left if most is None else min(left, most)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _Hurried(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Pinned(httpcore.NetworkBackend):
    """Connects to addresses that were judged, whatever the host's name is by then."""

    def __init__(self, addresses: Sequence[str], deadline: float) -> None:
        self._addresses, self._deadline, self._plain = addresses, deadline, httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        error: Exception = httpcore.ConnectError(f"no address of {host} answers")
        for address in self._addresses:
            left = min(timeout or CONNECT_S, CONNECT_S, self._deadline - time.monotonic())
            if left <= 0:
                raise httpcore.ConnectTimeout("out of time")
            try:
                stream = self._plain.connect_tcp(address, port, left, local_address, socket_options or [])
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as cause:
                error = cause
            else:
                return _Hurried(stream, self._deadline)
        raise error


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()  # the system's authorities: where a bureau enters its own


def checked_url(url: str) -> httpx.URL:
    """A URL that may be asked for: http or https, a host, no user in it.

    Raises:
        DeliveryError: any other.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as cause:
        raise _refused(url, str(cause), f"网址有误：{cause}") from cause
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise _refused(url, "expected http(s)://host/...", "应为 http(s)://主机/…")
    if parsed.userinfo or "%" in parsed.raw_host.decode() or not 0 < (parsed.port or 443) < 65536:
        raise _refused(url, "a user, a zone or an impossible port in the URL", "网址中含用户名、区域或无效端口")
    return parsed


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, allow: Iterable[Network] = (), timeout_s: float,
    resolver: Resolver = resolve, tls: ssl.SSLContext | None = None,
) -> Answer:  # fmt: skip
    """POST `body` and wait for the answer, `timeout_s` [s] at the longest for all of it.

    Raises:
        DeliveryError: the URL or an address is refused, nobody answers, or the answer is no HTTP.
    """
    deadline = time.monotonic() + timeout_s
    parsed = checked_url(url)
    secure = parsed.scheme == "https"
    port, host = parsed.port or (443 if secure else 80), parsed.raw_host.decode()
    addresses = judged(host, port, allow=allow, inside_only=not secure, resolver=in_time(resolver, deadline))
    fields = [(b"Host", parsed.netloc), *((name.encode(), value.encode()) for name, value in headers.items())]
    backend = _Pinned(addresses, deadline)
    try:
        with (
            httpcore.ConnectionPool(ssl_context=tls or _tls(), network_backend=backend, retries=0) as pool,
            pool.stream(
                "POST", httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=port, target=parsed.raw_path),
                headers=[*fields, (b"Content-Length", str(len(body)).encode())], content=body,
            ) as response,
        ):  # fmt: skip
            return Answer(response.status, _read(response), _field(response, b"retry-after"))
    except httpcore.TimeoutException as cause:
        raise DeliveryError(f"{host} did not answer in time ({cause})", f"{host} 超时未应答") from cause
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as cause:
        why = f"{type(cause).__name__}: {cause}"
        raise DeliveryError(f"{host} broke off ({why})", f"与 {host} 的连接中断（{why}）") from cause


def _field(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")


def _read(response: httpcore.Response) -> bytes:
    body = b""
    for chunk in response.iter_stream():
        body += chunk
        if len(body) > MOST_ANSWER:
            raise DeliveryError(f"an answer above {MOST_ANSWER} bytes", f"应答超过 {MOST_ANSWER} 字节", lasting=True)
    return body
