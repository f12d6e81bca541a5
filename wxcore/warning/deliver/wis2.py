"""WIS2 notification of a message by MQTT: Manual on WIS (WMO-No. 1060) II, appendix E; WNM 1.1 core.

GeoJSON with coordinates lon, lat (the reverse of CAP). Each CAP message, an Update or a Cancel too, is a granule of its
own that readers must fetch, so its link is `canonical`; `update` and `deletion` of WNM mean a granule that was
published wrongly. What it supersedes is linked as `predecessor-version` (RFC 5829). WNM lets properties be added: ours
say whether it is a test, an update or a cancellation, and its headline, before anybody fetches it.
"""

import base64
import hashlib
import json
import threading
import time
import uuid
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from wxcore.errors import DeliveryError
from wxcore.warning.deliver import Parcel
from wxcore.warning.deliver.channels import Channel, secret_of
from wxcore.warning.deliver.feed import CAP_TYPE, cap_url
from wxcore.warning.deliver.mail import is_loopback

CONFORMS = "http://wis.wmo.int/spec/wnm/1/conf/core"
MOST_BYTES, MOST_INLINE = 8192, 4096
"""Longest notification, longest content inside of it [bytes]: WNM 1.1, and RELIABILITY.md 3."""

CONNECT_S = 5.0
"""Longest wait for the broker's greeting [s]."""


def notification(parcel: Parcel, *, topic: str, metadata_id: str) -> dict[str, Any]:
    """The notification of a message; the same parcel gives the same one, so that a retry is known again by its id."""
    facts, cap = parcel.facts, parcel.cap.encode()
    canonical = {"rel": "canonical", "type": CAP_TYPE, "href": cap_url(parcel.base_url, parcel.identifier)}
    older = [
        {"rel": "predecessor-version", "type": CAP_TYPE, "href": cap_url(parcel.base_url, identifier)}
        for identifier in facts["references"]
    ]
    properties: dict[str, Any] = {
        "pubtime": facts["sent"], "start_datetime": facts["onset"], "end_datetime": facts["expires"],
        "data_id": f"{topic}/{parcel.identifier}", "metadata_id": metadata_id,
        **{name: facts[name] for name in ("status", "msg_type", "headline", "headline_en")},
        "integrity": {"method": "sha512", "value": base64.b64encode(hashlib.sha512(cap).digest()).decode()},
    }  # fmt: skip
    whole: dict[str, Any] = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, parcel.identifier)), "conformsTo": [CONFORMS], "type": "Feature",
        "geometry": _box(facts["bbox"]), "properties": properties, "links": [canonical, *older],
    }  # fmt: skip
    while len(encoded(whole)) > MOST_BYTES and len(whole["links"]) > 1:
        whole["links"] = whole["links"][:-1]
    content = {"encoding": "utf-8", "size": len(cap), "value": parcel.cap}
    inline = {**whole, "properties": {**properties, "content": content}}
    fits = len(cap) <= MOST_INLINE and len(encoded(inline)) <= MOST_BYTES
    return inline if fits else whole


def _box(bbox: list[float]) -> dict[str, Any] | None:
    """The rectangle around all polygons, counter-clockwise (RFC 7946 3.1.6): WNM takes one polygon, not several."""
    if not bbox:
        return None
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def encoded(notice: dict[str, Any]) -> bytes:
    """UTF-8 JSON without spaces, keys in a fixed order."""
    return json.dumps(notice, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()


def send_wis2(channel: Channel, parcel: Parcel) -> None:
    """Publish the notification with QoS 1 and wait for the broker's receipt.

    Raises:
        DeliveryError: no receipt; `lasting` where the settings or the broker's rules are at fault.
    """
    settings, topic = channel.settings, str(channel.settings["topic"])
    host, secure = settings["host"], bool(settings.get("tls", True))
    if not secure and not is_loopback(host):
        raise DeliveryError(
            f"channel {channel.id}: {host} without TLS; only this machine may be spoken to in the clear",
            f"通道 {channel.id}：{host} 未加密，仅允许对本机明文发送", lasting=True,
        )  # fmt: skip
    body = encoded(notification(parcel, topic=topic, metadata_id=str(settings["metadata_id"])))
    if len(body) > MOST_BYTES:
        raise DeliveryError(f"a notification of {len(body)} bytes", f"通知长度 {len(body)} 字节", lasting=True)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"wxcore-{uuid.uuid4()}", protocol=mqtt.MQTTv311)
    password = secret_of(channel, "password_env")
    if "user" in settings:
        client.username_pw_set(settings["user"], password or None)
    if secure:
        client.tls_set(ca_certs=settings.get("ca_file"))
    client.connect_timeout = min(CONNECT_S, parcel.timeout_s)
    _publish(client, (host, settings.get("port", 8883 if secure else 1883)), topic, body, parcel.timeout_s)


def _publish(client: mqtt.Client, broker: tuple[str, int], topic: str, body: bytes, timeout_s: float) -> None:
    deadline, answered, refusals = time.monotonic() + timeout_s, threading.Event(), list[str]()

    def on_connect(_client: mqtt.Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        if reason.is_failure:
            refusals.append(str(reason))
        answered.set()

    client.on_connect = on_connect
    try:
        client.connect(*broker)
        client.loop_start()
        if not answered.wait(min(CONNECT_S, max(deadline - time.monotonic(), 0.0))):
            raise DeliveryError(f"broker {broker[0]} does not greet", f"代理 {broker[0]} 无应答")
        if refusals:
            raise DeliveryError(f"broker {broker[0]}: {refusals[0]}", f"代理 {broker[0]}：{refusals[0]}", lasting=True)
        left = deadline - time.monotonic()
        if left <= 0:  # the message may have run out by now
            raise DeliveryError(f"broker {broker[0]}: out of time", f"代理 {broker[0]}：超时，未发布")
        told = client.publish(topic, body, qos=1)
        told.wait_for_publish(left)
        if not told.is_published():
            raise DeliveryError(f"broker {broker[0]} gave no receipt", f"代理 {broker[0]} 未回执")
    except (OSError, ValueError, RuntimeError) as cause:
        why = f"{type(cause).__name__}: {cause}"
        raise DeliveryError(f"broker {broker[0]}: {why}", f"代理 {broker[0]}：{why}") from cause
    finally:
        client.disconnect()
        client.loop_stop()
