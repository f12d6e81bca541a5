"""WIS2: valid by WMO's schema, within its sizes, the same again on a retry; and the broker's receipt awaited."""

import base64
import getpass
import hashlib
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.warning.deliver.scene import first, message
from tests.warning.identity import server_files
from tests.warning.scene import WHEN
from wxcore.errors import DeliveryError
from wxcore.warning.cap import cap_xml
from wxcore.warning.contacts import facts
from wxcore.warning.deliver import Parcel
from wxcore.warning.deliver.channels import Channel
from wxcore.warning.deliver.wis2 import encoded, notification, send_wis2
from wxcore.warning.model import Reference, Warning

TOPIC = "origin/a/wis2/xx-test/data/core/weather/advisories-warnings"
WAYS = {"topic": TOPIC, "metadata_id": "urn:wmo:md:xx-test:warnings"}


def parcel(warning: Warning, cap: str | None = None) -> Parcel:
    text = cap_xml(warning).decode() if cap is None else cap
    return Parcel("k1", warning.id, "all", facts(warning), text, "https://w.example.org", 60.0)


def channel(port: int, **over: object) -> Channel:
    return Channel("wis2", "wis2", {"host": "127.0.0.1", "port": port, "tls": False, **WAYS, **over})


def test_every_kind_is_valid_by_the_schema(data: Path) -> None:
    schema = json.loads((data / "cap/wis2/wis2-notification-message-bundled.json").read_text())
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    one = message("wx-1")
    kinds = [
        one, message("wx-2", msg_type="Update", references=(one.reference,)),
        message("wx-3", msg_type="Cancel", references=(one.reference,)), message("wx-4", polygons=()),
    ]  # fmt: skip
    for warning in kinds:
        for cap in (None, "<alert>冰雹</alert>"):
            notice = notification(parcel(warning, cap), **WAYS)
            assert list(checker.iter_errors(notice)) == []
            assert len(encoded(notice)) <= 8192
            assert ("content" in notice["properties"]) is (cap is not None or len(cap_xml(warning)) <= 4096)


def test_what_it_says() -> None:
    one = message("wx-2", msg_type="Update", references=(Reference("s", "wx-1", WHEN, WHEN),))
    notice = notification(parcel(one), **WAYS)
    [ring] = notice["geometry"]["coordinates"]
    assert all(104 < lon < 109 and 28 < lat < 31 for lon, lat in ring)  # lon first: the reverse of CAP
    assert ring[0] == ring[-1]
    points = [point for each in first().polygons for point in each]
    assert ring[0] == [min(lon for lon, _ in points), min(lat for _, lat in points)]
    integrity = notice["properties"]["integrity"]
    assert integrity == {
        "method": "sha512", "value": base64.b64encode(hashlib.sha512(cap_xml(one)).digest()).decode(),
    }  # fmt: skip
    said = {name: notice["properties"][name] for name in ("status", "msg_type", "headline", "headline_en")}
    assert said == {
        "status": "Test", "msg_type": "Update", "headline": one.headline_zh, "headline_en": one.headline_en,
    }  # fmt: skip
    assert notice["links"] == [
        {"rel": "canonical", "type": "application/cap+xml", "href": "https://w.example.org/cap/wx-2.xml"},
        {"rel": "predecessor-version", "type": "application/cap+xml", "href": "https://w.example.org/cap/wx-1.xml"},
    ]
    assert notice == notification(parcel(one), **WAYS)
    assert notice["id"] != notification(parcel(message("wx-3")), **WAYS)["id"]


def test_sizes_at_their_edges() -> None:
    whole = message("wx-1")
    for size, inline in ((4096, True), (4097, False)):
        notice = notification(parcel(whole, "x" * size), **WAYS)
        assert ("content" in notice["properties"]) is inline
    quoted = notification(parcel(whole, '"' * 4096), **WAYS)  # two bytes each in JSON: 8192 and the rest
    assert "content" not in quoted["properties"]
    many = tuple(Reference("s", f"wx-old-{n:03}", WHEN, WHEN) for n in range(200))
    notice = notification(parcel(message("wx-1", msg_type="Update", references=many)), **WAYS)
    assert len(encoded(notice)) <= 8192
    assert notice["links"][0]["rel"] == "canonical"
    assert 10 < len(notice["links"]) < 201


def _packet(wire: Any) -> tuple[int, bytes]:
    head, length, shift = wire.read(1), 0, 0
    while head:
        byte = wire.read(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return head[0], wire.read(length)
    return 0, b""


def _talk(peer: socket.socket, greet: int, receipts: int, got: list[tuple[int, str, bytes]]) -> None:
    with peer, peer.makefile("rwb") as wire:
        while (told := _packet(wire))[0] >> 4 not in (0, 14):
            kind, qos, body = told[0] >> 4, told[0] >> 1 & 3, told[1]
            if kind == 1 and greet >= 0:
                wire.write(bytes([0x20, 2, 0, greet]))
            if kind == 3:
                size = int.from_bytes(body[:2], "big")
                got.append((qos, body[2 : 2 + size].decode(), body[4 + size :]))
                if len(got) <= receipts:
                    wire.write(bytes([0x40, 2]) + body[2 + size : 4 + size])
            wire.flush()


@contextmanager
def broker(*, greet: int = 0, receipts: int = 99) -> Iterator[tuple[int, list[tuple[int, str, bytes]]]]:
    """A server that speaks CONNECT, PUBLISH of QoS 1 and PUBACK (MQTT 3.1.1); gives so many receipts at most."""
    listener = socket.create_server(("127.0.0.1", 0))
    got: list[tuple[int, str, bytes]] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer = listener.accept()[0]
                threading.Thread(target=_talk, args=(peer, greet, receipts, got), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], got
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_published_with_qos_1_and_a_receipt() -> None:
    with broker() as (port, got):
        send_wis2(channel(port), parcel(message("wx-1")))
    [(qos, topic, body)] = got
    assert (qos, topic) == (1, TOPIC)
    assert body == encoded(notification(parcel(message("wx-1")), **WAYS))


def test_a_lost_receipt_fails_and_the_retry_is_the_same_notification() -> None:
    with broker(receipts=0) as (port, got), pytest.raises(DeliveryError, match="no receipt"):
        send_wis2(channel(port), replace(parcel(message("wx-1")), timeout_s=1.0))
    with broker() as (port, again):
        send_wis2(channel(port), parcel(message("wx-1")))
    assert json.loads(got[0][2])["id"] == json.loads(again[0][2])["id"]


def test_nothing_is_published_once_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that takes all the time there is, to a broker that greets at once: the message may have run out."""
    real = mqtt.Client.connect

    def slow(client: mqtt.Client, *broker: Any) -> Any:
        time.sleep(0.12)
        return real(client, *broker)

    monkeypatch.setattr(mqtt.Client, "connect", slow)
    waits: list[float] = []
    wait = threading.Event.wait
    monkeypatch.setattr(threading.Event, "wait", lambda event, left=None: waits.append(left) or wait(event, 0.1))
    with broker() as (port, got), pytest.raises(DeliveryError):
        send_wis2(channel(port), replace(parcel(message("wx-1")), timeout_s=0.1))
    assert got == []
    assert 0.0 in waits


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    one = parcel(message("wx-1"))
    with broker(greet=5) as (port, got), pytest.raises(DeliveryError, match="Not authorized") as refused:
        send_wis2(channel(port), one)
    assert (refused.value.lasting, got) == (True, [])
    with broker(greet=-1) as (port, got), pytest.raises(DeliveryError, match="does not greet"):
        send_wis2(channel(port), replace(one, timeout_s=0.5))
    with pytest.raises(DeliveryError, match="ConnectionRefusedError"):
        send_wis2(channel(port), one)
    with pytest.raises(DeliveryError, match="without TLS"):
        send_wis2(channel(1883, host="192.0.2.1"), one)
    monkeypatch.delenv("MQTT_PASSWORD", raising=False)
    with pytest.raises(DeliveryError, match="MQTT_PASSWORD is not set"):
        send_wis2(channel(port, user="u", password_env="MQTT_PASSWORD"), one)


@contextmanager
def mosquitto(folder: Path, *lines: str) -> Iterator[int]:
    """A broker by others."""
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(program).exists():
        pytest.skip("mosquitto is not installed here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join([f"user {getpass.getuser()}", f"listener {port} 127.0.0.1", *lines, ""]))
    server = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        server.terminate()
        server.wait(60)


def test_a_real_broker(tmp_path: Path) -> None:
    got: list[bytes] = []
    with mosquitto(tmp_path, "allow_anonymous true") as port, _reader(port, got):
        send_wis2(channel(port), replace(parcel(message("wx-1")), timeout_s=60.0))
        _until_one_of(got)
    assert got == [encoded(notification(parcel(message("wx-1")), **WAYS))]


def test_a_real_broker_that_asks_for_tls_and_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, cert = server_files(tmp_path, "localhost")
    users, got = tmp_path / "users", list[bytes]()
    maker = shutil.which("mosquitto_passwd")
    if maker is None:
        pytest.skip("mosquitto_passwd is not installed here")
    subprocess.run([maker, "-b", "-c", str(users), "wx", "s3cret"], check=True, capture_output=True)
    lines = (f"certfile {cert}", f"keyfile {key}", "allow_anonymous false", f"password_file {users}")
    told = replace(parcel(message("wx-1")), timeout_s=60.0)
    ways = {"host": "localhost", "tls": True, "user": "wx", "password_env": "MQTT_PASSWORD"}
    with mosquitto(tmp_path, *lines) as port, _reader(port, got, cert):
        for word, trusted, wrong in (("guess", True, "Not authorized"), ("s3cret", False, "CERTIFICATE_VERIFY")):
            monkeypatch.setenv("MQTT_PASSWORD", word)
            authority = {"ca_file": str(cert)} if trusted else {}
            with pytest.raises(DeliveryError, match=wrong):
                send_wis2(channel(port, **ways, **authority), told)
        send_wis2(channel(port, **ways, ca_file=str(cert)), told)
        _until_one_of(got)
    assert got == [encoded(notification(parcel(message("wx-1")), **WAYS))]


def _until_one_of(got: list[bytes]) -> None:
    for _ in range(3000):
        if got:
            break
        time.sleep(0.02)


@contextmanager
def _reader(port: int, got: list[bytes], cert: Path | None = None) -> Iterator[None]:
    reader, ready = mqtt.Client(CallbackAPIVersion.VERSION2), threading.Event()
    if cert is not None:
        reader.tls_set(ca_certs=str(cert))
        reader.username_pw_set("wx", "s3cret")
    reader.on_connect = lambda client, *_: client.subscribe("origin/#", qos=1)
    reader.on_subscribe = lambda *_: ready.set()
    reader.on_message = lambda _client, _data, told: got.append(told.payload)
    for _ in range(1200):
        try:
            reader.connect("localhost", port)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    reader.loop_start()
    assert ready.wait(60)
    yield
    reader.disconnect()
    reader.loop_stop()
