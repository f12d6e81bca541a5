"""The webhook: what is sent, what is a receipt, and that no redirect is followed."""

import hashlib
import hmac
import json
import socket
import threading

import pytest

from tests.warning.deliver.scene import OK, receiver, webhook
from wxcore.errors import DeliveryError
from wxcore.warning.deliver import Parcel
from wxcore.warning.deliver import webhook as hook
from wxcore.warning.deliver.ssrf import Answer
from wxcore.warning.deliver.webhook import send_webhook

PARCEL = Parcel("k1", "wx-1", "all", {"identifier": "wx-1", "headline": "冰雹橙色预警"}, "<alert/>", "https://w", 60.0)


def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "t0k")
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    with receiver() as (url, seen):
        send_webhook(webhook(url, token_env="HOOK_TOKEN", secret_env="HOOK_SECRET"), PARCEL)
    [(headers, body)] = seen.requests
    assert json.loads(body) == {
        "identifier": "wx-1", "headline": "冰雹橙色预警", "cap": "<alert/>", "idempotency_key": "k1",
        "recipient": "all",
    }  # fmt: skip
    assert headers["idempotency-key"] == "k1"
    assert headers["authorization"] == "Bearer t0k"
    assert headers["x-wxcore-signature"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["host"] == url.split("/")[2]


def test_a_secret_that_is_not_set_is_told_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_TOKEN", raising=False)
    with receiver() as (url, seen), pytest.raises(DeliveryError, match="HOOK_TOKEN is not set"):
        send_webhook(webhook(url, token_env="HOOK_TOKEN"), PARCEL)
    assert seen.requests == []


@pytest.mark.parametrize(
    ("behaviour", "says", "lasting"),
    [
        ("500", "answered 500", False), ("503", "answered 503", False), ("429", "answered 429", False),
        ("408", "answered 408", False), ("425", "answered 425", False), ("404", "answered 404", True),
        ("401", "answered 401", True), ("301", "answered 301", True), ("307", "answered 307", True),
        ("accepted, no answer", "in time", False), ("reset", "broke off", False), ("garbage", "broke off", False),
        ("cut short", "broke off", False), ("huge", "above", True),
    ],
)  # fmt: skip
def test_what_is_no_receipt(behaviour: str, says: str, lasting: bool) -> None:
    with receiver(lambda: behaviour, silence_s=30) as (url, _):
        parcel = Parcel("k1", "wx-1", "all", {}, "", "https://w", 0.5 if behaviour == "accepted, no answer" else 60.0)
        with pytest.raises(DeliveryError, match=says) as refused:
            send_webhook(webhook(url), parcel)
    assert refused.value.lasting is lasting
    assert refused.value.zh != refused.value.en


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("30", 30.0), (" 5 ", 5.0), ("0", 0.0), ("", 0.0), ("-3", 0.0), ("1e9", 0.0), ("9" * 400, 0.0), ("３０", 0.0),
     ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)],
)  # fmt: skip
def test_a_receiver_that_asks_us_to_wait(asked: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "post", lambda *_, **__: Answer(429, b"", asked))
    with pytest.raises(DeliveryError, match="answered 429") as refused:
        send_webhook(webhook("https://x/"), PARCEL)
    assert (refused.value.retry_after, refused.value.lasting) == (seconds, False)


def test_the_wish_is_read_from_the_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 503 busy\r\nretry-AFTER: 7\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(DeliveryError) as refused:
            send_webhook(webhook(f"http://127.0.0.1:{listener.getsockname()[1]}/"), PARCEL)
        thread.join(5)
    assert refused.value.retry_after == 7.0


def test_a_closed_door_and_a_slow_one() -> None:
    with receiver(lambda: OK) as (url, _):
        pass
    with pytest.raises(DeliveryError, match="broke off"):
        send_webhook(webhook(url), PARCEL)
    with receiver(lambda: "slow") as (url, seen):
        send_webhook(webhook(url), PARCEL)
    assert len(seen.effects) == 1
