"""E-mail: text of the warning, the link to acknowledge it, and the CAP message beside it.

Encrypted by STARTTLS (RFC 3207) unless the server runs on this machine. The Message-ID is made of the idempotency key:
a mail that is sent twice, because the answer was lost, is one mail to readers that look at it.
"""

import ipaddress
import smtplib
import socket
import ssl
import threading
import time
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from wxcore.errors import DeliveryError
from wxcore.times import parse_time
from wxcore.warning.deliver import Parcel
from wxcore.warning.deliver.channels import Channel, is_address, secret_of
from wxcore.warning.deliver.ssrf import in_time, resolve

ANSWER_S = 8.0
"""Longest wait for one answer of the server [s]; the whole session ends with the parcel's time."""


def letter(sender: str, parcel: Parcel) -> EmailMessage:
    """The mail of a parcel.

    Raises:
        DeliveryError: no e-mail address, or a header that holds a line break: nothing is sent.
    """
    facts, english = parcel.facts, parcel.facts.get("language") == "en"
    to = str(facts.get("address") or parcel.recipient)
    for address in (sender, to):
        if not is_address(address):
            raise DeliveryError(f"{address!r} is no e-mail address", f"{address!r} 不是邮箱地址", lasting=True)
    headline = str(facts["headline_en"] if english else facts["headline"])
    mail = EmailMessage(policy=SMTP)
    try:
        mail["Subject"] = headline or parcel.identifier
        mail["From"], mail["To"] = sender, to
        mail["Date"] = format_datetime(parse_time(str(facts["sent"])))
        mail["Message-ID"] = f"<{parcel.key}@{sender.partition('@')[2]}>"
    except ValueError as cause:
        raise DeliveryError(f"no mail header: {cause}", f"邮件头有误：{cause}", lasting=True) from cause
    mail.set_content(_body(parcel, english), charset="utf-8")
    if parcel.cap:
        mail.add_attachment(
            parcel.cap.encode(), maintype="application", subtype="cap+xml", filename=f"{parcel.identifier}.xml"
        )
    return mail


def _body(parcel: Parcel, english: bool) -> str:
    facts = parcel.facts
    parts = [str(facts.get("text") or f"{facts['headline']}\n{facts['headline_en']}")]
    if facts.get("link"):
        ask = "Please acknowledge: " if english else "请点击确认收到："
        parts.append(f"{ask}{facts['link']}")
    parts.append(f"{parcel.identifier} · {facts['status']} · {facts['msg_type']}")
    return "\n\n".join(parts) + "\n"


def is_loopback(host: str) -> bool:
    """Does the name lead to this machine only? Judged by the name itself, without asking a name server."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Session(smtplib.SMTP):
    """A session that is over when its time is, however many addresses, answers or lines of an answer there are."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self._timer.start()
        try:
            super().__init__(host, port, timeout=seconds)
        except BaseException:
            self._timer.cancel()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        error: OSError = ConnectionError(f"no address of {host} answers")
        for address in in_time(resolve, self._deadline)(host, port):
            try:
                return socket.create_connection((address, port), min(timeout, self._left()))
            except OSError as cause:
                error = cause
        raise error

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise smtplib.SMTPServerDisconnected("timed out")
        return min(ANSWER_S, left)

    def _shut(self) -> None:
        here = self.sock
        if here is not None:
            with suppress(OSError):  # of the plain socket: TLS is not to be touched while another thread reads it
                socket.socket.shutdown(here, socket.SHUT_RDWR)

    def send(self, s: Any) -> None:
        self._hurry()
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        self._hurry()
        try:
            return super().getreply()
        except smtplib.SMTPServerDisconnected:
            self._left()
            raise

    def _hurry(self) -> None:
        left = self._left()
        if self.sock is not None:
            with suppress(OSError):  # closed: whoever uses it next says so
                self.sock.settimeout(left)

    def close(self) -> None:
        self._timer.cancel()
        super().close()


def send_mail(channel: Channel, parcel: Parcel, *, tls: ssl.SSLContext | None = None) -> None:
    """Hand one mail to the channel's server.

    Raises:
        DeliveryError: not taken; `lasting` where the server or the settings refuse it for good (5xx).
    """
    settings, encrypted = channel.settings, bool(channel.settings.get("starttls", True))
    host, port = settings["host"], settings.get("port", 587 if encrypted else 25)
    if not encrypted and not is_loopback(host):
        raise DeliveryError(
            f"channel {channel.id}: {host} without STARTTLS; only this machine may be spoken to in the clear",
            f"通道 {channel.id}：{host} 未启用 STARTTLS，仅允许对本机明文发送", lasting=True,
        )  # fmt: skip
    mail = letter(settings["sender"], parcel)
    password = secret_of(channel, "password_env")
    try:
        with _Session(host, port, parcel.timeout_s) as server:
            if encrypted:
                server.starttls(context=tls or ssl.create_default_context())
            if password:
                server.login(settings.get("user", settings["sender"]), password)
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as cause:
        codes = [code for code, _ in cause.recipients.values()]
        raise _refused(host, f"{mail['To']}: {codes}", min(codes) >= 500) from cause
    except smtplib.SMTPResponseException as cause:
        raise _refused(host, f"{cause.smtp_code} {cause.smtp_error!r}", cause.smtp_code >= 500) from cause
    except (smtplib.SMTPException, OSError) as cause:
        kind = "timeout" if isinstance(cause, TimeoutError) else type(cause).__name__
        raise _refused(host, f"{kind}: {cause}", False) from cause


def _refused(host: str, why: str, lasting: bool) -> DeliveryError:
    return DeliveryError(f"mail server {host}: {why}", f"邮件服务器 {host}：{why}", lasting=lasting)
