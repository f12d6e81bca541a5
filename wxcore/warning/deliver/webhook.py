"""Webhook: one POST of JSON a message; the receiver drops a key that it has seen."""

import hashlib
import hmac
import ipaddress
import json
import re

from wxcore.errors import DeliveryError
from wxcore.warning.deliver import Parcel
from wxcore.warning.deliver.channels import Channel, secret_of
from wxcore.warning.deliver.ssrf import Resolver, post, resolve

KEY_HEADER = "Idempotency-Key"
"""draft-ietf-httpapi-idempotency-key-header-07: the receiver carries out a key once."""

SIGNATURE_HEADER = "X-Wxcore-Signature"
"""`sha256=` and the hex HMAC-SHA256 of the body under the secret that the receiver shares with us (RFC 2104)."""

PASSING = frozenset({408, 425, 429})
"""Client errors that pass: time-out, too early, too many (RFC 9110, 8470, 6585)."""

_SECONDS = re.compile("[0-9]{1,9}")


def send_webhook(channel: Channel, parcel: Parcel, *, resolver: Resolver = resolve) -> None:
    """Deliver one message to the channel's `url`. Any 2xx is a receipt; a redirect is not followed and is none.

    Raises:
        DeliveryError: no receipt; `lasting` where the receiver will not take it as it is.
    """
    cap = {"cap": parcel.cap} if parcel.cap else {}
    told = {**parcel.facts, **cap, "idempotency_key": parcel.key, "recipient": parcel.recipient}
    body = json.dumps(told, ensure_ascii=False, sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "wxcore",
        "Connection": "close",
        KEY_HEADER: parcel.key,
    }
    token, secret = secret_of(channel, "token_env"), secret_of(channel, "secret_env")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if secret:
        headers[SIGNATURE_HEADER] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    allow = [ipaddress.ip_network(text) for text in channel.settings.get("allow", [])]
    answer = post(channel.settings["url"], body, headers, allow=allow, timeout_s=parcel.timeout_s, resolver=resolver)
    if not 200 <= answer.status < 300:
        lasting = 300 <= answer.status < 500 and answer.status not in PASSING
        wait = answer.retry_after.strip()  # seconds; a date (RFC 9110 10.2.3) is left to our own back-off
        raise DeliveryError(
            f"the receiver answered {answer.status}", f"接收方应答 {answer.status}", lasting=lasting,
            retry_after=float(wait) if _SECONDS.fullmatch(wait) else 0.0,
        )  # fmt: skip
