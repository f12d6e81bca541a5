"""C5: no connection to a private machine, whatever the URL looks like; the address that was judged is connected to."""

import ipaddress
import socket
import ssl
import threading
import time
from pathlib import Path

import httpcore
import pytest

from tests.warning.deliver.scene import receiver
from tests.warning.identity import server_files, server_tls
from wxcore.errors import DeliveryError
from wxcore.warning.deliver.ssrf import _Hurried, is_outside, judged, post

LOCAL = [ipaddress.ip_network("127.0.0.0/8")]

BAD_URLS = [
    # this machine
    "https://127.0.0.1/", "https://127.0.0.1:8080/", "https://127.1/", "https://127.0.1/", "https://127.255.255.254/",
    "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0x7f.1/", "https://0177.0.0.1/",
    "https://017700000001/", "https://0/", "https://0.0.0.0/", "https://localhost/", "https://LOCALHOST/",
    "https://localhost./", "https://127.0.0.1./", "https://[::1]/", "https://[::]/", "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::1]/", "https://[2002:7f00:1::]/", "https://[2001:0:7f00:1::]/",
    # private, shared, link-local, cloud metadata
    "https://10.0.0.1/", "https://10.255.255.255/", "https://172.16.0.1/", "https://172.31.255.255/",
    "https://192.168.0.1/", "https://169.254.169.254/latest/meta-data/", "https://0xa9fea9fe/", "https://2852039166/",
    "https://0251.0376.0251.0376/", "https://[::ffff:169.254.169.254]/", "https://[fd00:ec2::254]/",
    "https://100.64.0.1/", "https://100.100.100.200/", "https://[fe80::1]/", "https://[fe80::1%25lo]/",
    "https://[fc00::1]/", "https://[fec0::1]/", "https://192.0.0.192/", "https://[::ffff:10.0.0.1]/",
    "https://[2002:a00:1::]/",
    "https://168.63.129.16/machine/?comp=goalstate", "https://0xa83f8110/", "https://[fd20:ce::254]/",
    "https://169.254.0.23/", "https://169.254.170.2/",
    # multicast, broadcast, reserved, documentation, benchmark
    "https://224.0.0.1/", "https://239.255.255.250/", "https://255.255.255.255/", "https://240.0.0.1/",
    "https://[ff02::1]/", "https://198.18.0.1/", "https://192.0.2.1/", "https://198.51.100.1/", "https://203.0.113.1/",
    "https://[2001:db8::1]/", "https://192.88.99.1/", "https://[100::1]/", "https://[5f00::1]/",
    # written oddly
    "https://user@127.0.0.1/", "https://example.org@127.0.0.1/", "https://user:secret@example.org/",
    "https://example.org\\@127.0.0.1/", "https://①②⑦.0.0.1/", "https://127。0。0。1/", "https://%31%32%37.0.0.1/",
    "https://ⓛocalhost/", "https://127.0.0.1%2f@example.org/", "https://[::1", "https://:80/", "https:///x", "https://",
    "https:127.0.0.1", "//127.0.0.1/", "127.0.0.1", "", "https://127.0.0.1:99999/", "https://exa mple.org/",
    "https://127.0.0.1\r\nHost: example.org/", "https://127.0.0.1#@example.org/", "https://127.0.0.1?@example.org/",
    # other protocols
    "file:///etc/passwd", "file://localhost/etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:6379/_x",
    "dict://127.0.0.1:11211/", "ldap://127.0.0.1/", "data:text/plain,x", "javascript:alert(1)", "HTTPS+UNIX://x/",
    # in the clear to the public network
    "http://8.8.8.8/", "http://[2606:4700::1111]/",
]  # fmt: skip


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every address that anything tries to connect to; nothing is."""
    tried: list[object] = []

    def refuse(address: object, *_: object, **__: object) -> socket.socket:
        tried.append(address)
        raise OSError("no connection in this test")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: refuse(address))
    return tried


def test_the_list_is_long_enough() -> None:
    assert len(set(BAD_URLS)) == len(BAD_URLS) >= 60


@pytest.mark.parametrize("url", BAD_URLS)
def test_no_connection(url: str, connections: list[object]) -> None:
    with pytest.raises(DeliveryError):
        post(url, b"{}", {}, timeout_s=60.0)
    assert [address for address in connections if not _is_resolver(address)] == []


def _is_resolver(address: object) -> bool:
    return isinstance(address, tuple) and address[1] == 53


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "114.114.114.114", "2606:4700::1111", "2400:3200::1"])
def test_the_public_network_is_open(address: str, connections: list[object]) -> None:
    with pytest.raises(DeliveryError, match="broke off"):
        post("https://hook.example.org/x", b"{}", {}, timeout_s=60.0, resolver=lambda *_: [address])
    assert connections == [(address, 443)]


def test_one_bad_address_among_good_ones_refuses_the_host(connections: list[object]) -> None:
    with pytest.raises(DeliveryError, match=r"10\.0\.0\.1 is not a public address") as refused:
        post("https://hook.example.org/", b"{}", {}, timeout_s=60.0, resolver=lambda *_: ["8.8.8.8", "10.0.0.1"])
    assert refused.value.lasting
    assert connections == []


def test_rebinding_gains_nothing(connections: list[object]) -> None:
    """A name that is public when it is judged and private when it is looked up again."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]])
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return next(answers)

    with pytest.raises(DeliveryError):
        post("https://rebind.example.org/", b"{}", {}, timeout_s=60.0, resolver=rebinding)
    assert asked == [("rebind.example.org", 443)]
    assert connections == [("8.8.8.8", 443)]


def test_rebinding_back_is_refused_at_once(connections: list[object]) -> None:
    with pytest.raises(DeliveryError, match="not a public address"):
        post("https://rebind.example.org/", b"{}", {}, timeout_s=60.0, resolver=lambda *_: ["127.0.0.1"])
    assert connections == []


def test_an_allowed_network_is_open_and_no_other() -> None:
    assert judged("h", 80, allow=LOCAL, inside_only=True, resolver=lambda *_: ["127.0.0.2"]) == ["127.0.0.2"]
    with pytest.raises(DeliveryError):
        judged("h", 80, allow=LOCAL, resolver=lambda *_: ["10.0.0.1"])
    with pytest.raises(DeliveryError, match="without TLS"):
        judged("h", 80, allow=LOCAL, inside_only=True, resolver=lambda *_: ["8.8.8.8"])
    with pytest.raises(DeliveryError, match="was not found"):
        judged("h", 80, allow=LOCAL, resolver=lambda *_: ["no address"])
    with pytest.raises(DeliveryError, match="has no address"):
        judged("h", 80, allow=LOCAL, resolver=lambda *_: [])


def test_every_special_block_is_inside() -> None:
    """First and last address of each block of the IANA registries."""
    blocks = (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 ::1/128 "
        "::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 "
        "5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8"
    )
    for text in blocks.split():
        block = ipaddress.ip_network(text)
        assert not is_outside(block[0]), block
        assert not is_outside(block[-1]), block
    for text in ("9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0"):
        assert is_outside(ipaddress.ip_address(text)), text


def test_the_environment_s_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as (url, seen), receiver() as (proxy, proxied):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("ALL_PROXY", proxy)
        assert post(url, b'{"recipient": "r"}', {"Idempotency-Key": "k"}, allow=LOCAL, timeout_s=60.0).status == 200
    assert (len(seen.requests), len(proxied.requests)) == (1, 0)


def test_the_time_is_up_for_a_server_that_drips() -> None:
    """One byte at a time, each within any read timeout: the whole is cut off."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        with listener.accept()[0] as peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not stop.wait(0.02):
                try:
                    peer.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    with pytest.raises(DeliveryError, match="in time"):
        post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"{}", {}, allow=LOCAL, timeout_s=0.3)
    stop.set()
    thread.join()
    listener.close()


def test_a_server_that_drips_its_head_is_cut_off_by_the_whole_time_left() -> None:
    """Lines of the head, each well within the time: their sum is not; nor is a first silence given again."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        with listener.accept()[0] as peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.1):
                try:
                    peer.sendall(b"X-More: 1\r\n")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    begun = time.monotonic()
    with pytest.raises(DeliveryError, match="in time"):
        post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"{}", {}, allow=LOCAL, timeout_s=0.4)
    took = time.monotonic() - begun
    stop.set()
    thread.join()
    listener.close()
    assert 0.35 < took < 60  # it drips as long as anybody listens


def test_time_left_is_that_of_the_whole() -> None:
    """Whatever limit a single read has by itself."""
    given = []

    class Stream:
        def read(self, _: int, timeout: float) -> bytes:
            given.append(timeout)
            return b""

        write = read

    stream = _Hurried(Stream(), time.monotonic() + 300.0)  # type: ignore[arg-type]
    stream.read(1, None)
    stream.read(1, 900.0)
    stream.write(b"", 900.0)
    stream.read(1, 1.0)
    assert all(100.0 < left <= 300.0 for left in given[:3])
    assert given[3] == 1.0
    late = _Hurried(Stream(), time.monotonic())  # type: ignore[arg-type]
    with pytest.raises(httpcore.ReadTimeout):
        late.read(1, None)
    with pytest.raises(httpcore.WriteTimeout):
        late.write(b"", None)


def test_a_name_server_that_is_silent_costs_no_more_than_the_time(connections: list[object]) -> None:
    hold = threading.Event()

    def silent(host: str, port: int) -> list[str]:
        hold.wait(120)
        return ["8.8.8.8"]

    begun = time.monotonic()
    with pytest.raises(DeliveryError, match="out of time"):
        post("https://hook.example.org/", b"{}", {}, timeout_s=0.1, resolver=silent)
    assert time.monotonic() - begun < 60
    hold.set()
    assert connections == []


@pytest.mark.parametrize(("host", "good"), [("hook.example.org", True), ("other.example.org", False)])
def test_tls_checks_the_name_though_the_address_is_pinned(tmp_path: Path, host: str, good: bool) -> None:
    key, cert = server_files(tmp_path, "hook.example.org")
    names: list[str | None] = []
    server = server_tls(key, cert)
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    with receiver(tls=server) as (url, seen):
        port = url.split("/")[2].split(":")[1]
        words = {"allow": LOCAL, "timeout_s": 60.0, "resolver": lambda *_: ["127.0.0.1"]}
        words["tls"] = ssl.create_default_context(cafile=cert)
        body, headers = b'{"recipient": "r"}', {"Idempotency-Key": "k"}
        if good:
            assert post(f"https://{host}:{port}/x", body, headers, **words).status == 200
        else:
            with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
                post(f"https://{host}:{port}/x", body, headers, **words)
    assert names == [host]
    assert len(seen.requests) == good
