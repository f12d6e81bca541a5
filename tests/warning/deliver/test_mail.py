"""E-mail: what the server gets, what counts as refused, and that no header can be smuggled in."""

import email
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.warning.identity import server_files, server_tls
from wxcore.errors import DeliveryError
from wxcore.warning.deliver import Parcel, mail
from wxcore.warning.deliver.channels import Channel
from wxcore.warning.deliver.mail import is_loopback, letter, send_mail

FACTS = {
    "headline": "测试气象台发布冰雹橙色预警", "headline_en": "Hail, orange", "sent": "2025-06-09T10:42:00Z",
    "address": "duty@example.org", "language": "zh", "text": "甲区将有冰雹。", "link": "https://w.example.org/a/t0ken",
    "status": "Test", "msg_type": "Alert",
}  # fmt: skip
PARCEL = Parcel("k1", "wx-1", "p1", FACTS, "<alert>冰雹</alert>", "https://w.example.org", 60.0)


ANSWERS = {"EHLO": b"250-stub\r\n250 8BITMIME\r\n", "DATA": b"354 go on\r\n", "QUIT": b"221 bye\r\n"}


def _talk(peer: socket.socket, refuse: str, reply: str, talks: list[list[str]], mails: list[bytes]) -> None:
    talks.append([])
    with peer, peer.makefile("rwb", buffering=0) as wire:
        wire.write(b"220 stub\r\n")
        while line := wire.readline():
            talks[-1].append(line.decode().strip())
            command = talks[-1][-1].split()[0].upper()
            if command == refuse:
                if not reply:
                    return
                wire.write(f"{reply}\r\n".encode())
                continue
            wire.write(ANSWERS.get(command, b"250 ok\r\n"))
            if command == "DATA":
                body = b""
                while not body.endswith(b"\r\n.\r\n") and (line := wire.readline()):
                    body += line
                mails.append(body[:-3])
                wire.write(b"250 taken\r\n")


@contextmanager
def smtp(refuse: str = "", reply: str = "") -> Iterator[tuple[int, list[list[str]], list[bytes]]]:
    """A server that speaks just enough SMTP; a command that begins with `refuse` is answered `reply`, or hung up on."""
    listener = socket.create_server(("127.0.0.1", 0))
    talks: list[list[str]] = []
    mails: list[bytes] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                _talk(listener.accept()[0], refuse, reply, talks, mails)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], talks, mails
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)
        assert not thread.is_alive()


def channel(port: int, **over: object) -> Channel:
    settings = {"host": "127.0.0.1", "port": port, "sender": "wx@example.org", "starttls": False, **over}
    return Channel("mail", "mail", settings)


def test_what_arrives() -> None:
    with smtp() as (port, talks, mails):
        send_mail(channel(port), PARCEL)
    assert [line.split()[0].upper() for line in talks[0]] == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    got = email.message_from_bytes(mails[0], policy=default)
    assert (got["Subject"], got["From"], got["To"]) == (FACTS["headline"], "wx@example.org", "duty@example.org")
    assert got["Message-ID"] == "<k1@example.org>"
    assert got["Date"] == "Mon, 09 Jun 2025 10:42:00 +0000"
    body = got.get_body().get_content()
    assert "甲区将有冰雹。" in body
    assert "https://w.example.org/a/t0ken" in body
    assert "Test" in body
    [attachment] = list(got.iter_attachments())
    assert (attachment.get_content_type(), attachment.get_filename()) == ("application/cap+xml", "wx-1.xml")
    assert attachment.get_content().decode() == PARCEL.cap


def test_english_and_a_mailing_list() -> None:
    english = letter("wx@example.org", replace(PARCEL, facts={**FACTS, "language": "en"}))
    assert english["Subject"] == "Hail, orange"
    assert "Please acknowledge" in english.get_body().get_content()
    facts = {key: value for key, value in FACTS.items() if key not in ("address", "text", "link")}
    listed = letter("wx@example.org", replace(PARCEL, facts=facts, recipient="list@example.org", cap=""))
    assert listed["To"] == "list@example.org"
    assert "确认收到" not in listed.get_content()


@pytest.mark.parametrize("text", ["a\r\nBcc: x@example.org", "a\nX: y", "a\rb"])
def test_a_line_break_in_a_header_is_refused(text: str) -> None:
    with smtp() as (port, talks, mails):
        with pytest.raises(DeliveryError) as refused:
            send_mail(channel(port), replace(PARCEL, facts={**FACTS, "headline": text}))
        assert refused.value.lasting
        for address in (f"duty@example.org{text}", "a@b, c@d", "Duty <a@b>", "a@b>\r\nRCPT TO:<c@d", "nobody", ""):
            with pytest.raises(DeliveryError, match="no e-mail address"):
                send_mail(channel(port), replace(PARCEL, facts={**FACTS, "address": address}, recipient="nobody"))
    assert (talks, mails) == ([], [])


@pytest.mark.parametrize(
    ("refuse", "reply", "lasting"),
    [
        ("RCPT", "550 no such user", True), ("RCPT", "451 later", False), ("MAIL", "552 too much", True),
        ("EHLO", "", False), ("DATA", "", False), ("DATA", "421 down", False), ("MAIL", "garbage", False),
    ],
)  # fmt: skip
def test_what_is_no_receipt(refuse: str, reply: str, lasting: bool) -> None:
    with (
        smtp(refuse, reply) as (port, _, mails),
        pytest.raises(DeliveryError, match=r"mail server 127\.0\.0\.1") as refused,
    ):
        send_mail(channel(port), PARCEL)
    assert refused.value.lasting is lasting
    assert mails == []


def test_nobody_there() -> None:
    with smtp() as (port, _, _):
        pass
    with pytest.raises(DeliveryError, match="mail server"):
        send_mail(channel(port), PARCEL)


def test_in_the_clear_to_this_machine_only() -> None:
    with pytest.raises(DeliveryError, match="without STARTTLS") as refused:
        send_mail(channel(25, host="192.0.2.1"), PARCEL)
    assert refused.value.lasting
    assert [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "localhost.example.org")] == [
        True, True, True, False,
    ]  # fmt: skip
    with smtp() as (port, talks, mails), pytest.raises(DeliveryError, match="STARTTLS"):  # it offers none
        send_mail(channel(port, starttls=True), PARCEL)
    assert mails == []
    assert not any(line.startswith("MAIL") for line in talks[0])


def test_a_silent_server_costs_no_more_than_the_parcel_s_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DeliveryError, match="timed out"):
        send_mail(channel(silent.getsockname()[1]), replace(PARCEL, timeout_s=0.1))


@contextmanager
def dripping(script: dict[str, bytes], drip: bytes, at: str) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers by `script`, and at one command (or "" for its greeting) drips lines for a minute."""
    listener, stop, bodies = socket.create_server(("127.0.0.1", 0)), threading.Event(), list[bytes]()

    def answer(peer: socket.socket, command: str) -> None:
        for _ in range(600 if command == at else 0):
            if stop.wait(0.1):
                return
            peer.sendall(drip)
        peer.sendall(script.get(command, b"250 ok\r\n"))

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as peer, peer.makefile("rb") as lines:
            answer(peer, "")
            for line in lines:
                command = line.split()[0].decode().upper()
                answer(peer, command)
                if command == "DATA":
                    bodies.append(lines.read())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], bodies
    finally:
        stop.set()
        listener.close()
        thread.join(60)
        assert not thread.is_alive()


SCRIPT = {"": b"220 stub\r\n", "DATA": b"354 go on\r\n"}


@pytest.mark.parametrize(
    ("drip", "at"), [(b"220-wait\r\n", ""), (b"250-wait\r\n", "MAIL"), (b"354-wait\r\n", "DATA"), (b"3", "DATA")]
)
def test_an_answer_without_end_is_cut_off_and_no_body_follows(drip: bytes, at: str) -> None:
    """Each line comes well within any wait for one; the message may have run out by the last."""
    begun = time.monotonic()
    with dripping(SCRIPT, drip, at) as (port, bodies):
        with pytest.raises(DeliveryError, match=r"timed out|333") as refused:
            send_mail(channel(port), replace(PARCEL, timeout_s=0.4))
        took = time.monotonic() - begun
    assert 0.3 < took < 40
    assert not refused.value.lasting
    assert b"".join(bodies) == b""


def test_no_body_is_sent_after_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The go-ahead is read in time, and then the machine is busy."""
    with smtp() as (port, talks, mails):
        real, clock = mail._Session.getreply, [0.0]
        monkeypatch.setattr(mail.time, "monotonic", lambda: clock[0])

        def late(session: mail._Session) -> tuple[int, bytes]:
            code, text = real(session)
            clock[0] += 100.0 * (code == 354)
            return code, text

        monkeypatch.setattr(mail._Session, "getreply", late)
        with pytest.raises(DeliveryError, match="timed out"):
            send_mail(channel(port), replace(PARCEL, timeout_s=20.0))
        assert [line.split()[0].upper() for line in talks[0]][-1] == "DATA"
    assert mails in ([], [b""])


def test_a_name_server_that_is_silent_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = threading.Event()
    monkeypatch.setattr(mail, "resolve", lambda *_: [str(hold.wait(120))])
    with pytest.raises(DeliveryError, match="out of time"):
        send_mail(channel(25), replace(PARCEL, timeout_s=0.1))
    hold.set()


def test_who_took_the_mail_need_not_say_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANSWERS, "QUIT", b"")
    with smtp() as (port, _, mails):
        send_mail(channel(port), replace(PARCEL, timeout_s=3.0))
    assert len(mails) == 1


class _Mailbox(Sink):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(envelope.content or b"")
        return "250 taken"


@contextmanager
def encrypted(key: Path, cert: Path) -> Iterator[tuple[int, list[bytes]]]:
    """A server by others that takes no mail before STARTTLS and a login."""

    def who(server: SMTP, session: Session, envelope: Envelope, way: str, told: LoginPassword) -> AuthResult:
        return AuthResult(success=told == LoginPassword(b"wx", b"s3cret"), handled=False)

    box = _Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(
        box, "127.0.0.1", port, tls_context=server_tls(key, cert), require_starttls=True, auth_required=True,
        authenticator=who,
    )  # fmt: skip
    server.start()
    try:
        yield port, box.mails
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("name", "trusted", "password", "wrong", "lasting"),
    [
        ("localhost", True, "s3cret", "", False),
        ("localhost", True, "guess", "535", True),
        ("localhost", False, "s3cret", "CERTIFICATE_VERIFY_FAILED", False),
        ("mail.example.org", True, "s3cret", "CERTIFICATE_VERIFY_FAILED", False),
    ],
)
def test_a_server_that_asks_for_tls_and_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, password: str, wrong: str, lasting: bool
) -> None:
    key, cert = server_files(tmp_path, name)
    monkeypatch.setenv("SMTP_PASSWORD", password)
    tls = ssl.create_default_context(cafile=cert if trusted else None)
    ways = {"host": "localhost", "starttls": True, "user": "wx", "password_env": "SMTP_PASSWORD"}
    with encrypted(key, cert) as (port, mails):
        if wrong:
            with pytest.raises(DeliveryError, match=wrong) as refused:
                send_mail(channel(port, **ways), replace(PARCEL, timeout_s=60.0), tls=tls)
            assert refused.value.lasting is lasting
            assert password not in str(refused.value)
        else:
            send_mail(channel(port, **ways), replace(PARCEL, timeout_s=60.0), tls=tls)
    assert len(mails) == (0 if wrong else 1)
    assert not mails or email.message_from_bytes(mails[0], policy=default)["Subject"] == FACTS["headline"]
