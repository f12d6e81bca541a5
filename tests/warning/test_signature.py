"""Signatures: ours verify and come back; every attack of RELIABILITY.md C7 is refused."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from tests.warning.identity import identity
from tests.warning.scene import WHEN
from tests.warning.test_cap import example
from wxcore.errors import TimeError, WarningError
from wxcore.warning.cap import cap_xml
from wxcore.warning.cap_model import NAMESPACES, SIGNATURE
from wxcore.warning.cap_record import warning_from_cap
from wxcore.warning.cap_rules import validate
from wxcore.warning.signature import MAX_AGE, sign_xml, verify_signed

BOX = (104.995, 27.995, 108.0, 30.5)
CAP = f"{{{NAMESPACES['1.2']}}}"


@cache
def ours() -> tuple[bytes, bytes]:
    return identity()


@cache
def signed() -> bytes:
    return sign_xml(cap_xml(replace(example(), stage="issued")), *ours())


def verify(xml: bytes, *pins: bytes, **how: object) -> bytes:
    return verify_signed(xml, pins or [ours()[1]], **{"now": WHEN, **how})


@pytest.mark.parametrize("kind", ["ec", "2048"])
def test_signed_valid_and_lossless(kind: str) -> None:
    warning = replace(example(), stage="issued")
    key, certificate = identity(kind)
    xml = sign_xml(cap_xml(warning), key, certificate)
    validate(xml, BOX)
    assert warning_from_cap(xml) == warning
    body = verify(xml, certificate)
    assert b"Signature" not in body
    assert warning_from_cap(body) == warning


def leaves() -> list[int]:
    root = etree.fromstring(signed())
    elements = list(root.iter(etree.Element))
    return [n for n, e in enumerate(elements) if not len(e) and str(e.tag).startswith(CAP)]


def test_each_field_altered() -> None:
    count = 0
    for n in leaves():
        root = etree.fromstring(signed())
        element = list(root.iter(etree.Element))[n]
        element.text = f"{element.text}0"
        with pytest.raises(WarningError, match=r"line \d+ <Signature>"):
            verify(etree.tostring(root))
        count += 1
    assert count > 60


def test_an_element_added_or_removed() -> None:
    for change in (lambda r: r.remove(r[6]), lambda r: r.insert(7, etree.Element(f"{CAP}note"))):
        root = etree.fromstring(signed())
        change(root)
        with pytest.raises(WarningError, match="not by a certificate we trust"):
            verify(etree.tostring(root))


def test_a_forger_with_his_own_certificate() -> None:
    forged = sign_xml(cap_xml(replace(example(), headline_zh="假")), *identity())
    with pytest.raises(WarningError, match="not by a certificate we trust"):
        verify(forged)
    root = etree.fromstring(signed())
    resigned = etree.fromstring(forged).find(SIGNATURE)
    root.replace(root.find(SIGNATURE), resigned)
    with pytest.raises(WarningError, match="not by a certificate we trust"):
        verify(etree.tostring(root))


def test_without_pins_nobody_is_trusted() -> None:
    with pytest.raises(WarningError, match="no certificate is pinned"):
        verify_signed(signed(), [], now=WHEN)


@pytest.mark.parametrize("place", ["incidents", "parameter", "object"])
def test_the_signed_original_wrapped_in_a_forgery(place: str) -> None:
    original = etree.fromstring(signed())
    forged = deepcopy(original)
    forged.find(f".//{CAP}headline").text = "假警报"
    signature = forged.find(SIGNATURE)
    forged.remove(signature)
    if place == "object":
        holder = etree.SubElement(signature, SIGNATURE.replace("}Signature", "}Object"))
        forged.append(signature)
    elif place == "parameter":
        holder = etree.SubElement(forged.find(f".//{CAP}parameter"), f"{CAP}value")
    else:
        holder = etree.SubElement(forged, f"{CAP}incidents")
    holder.append(original)
    with pytest.raises(WarningError):
        verify(etree.tostring(forged))


def test_a_reference_by_id_is_refused() -> None:
    root = etree.fromstring(signed())
    reference = next(root.iter(SIGNATURE.replace("}Signature", "}Reference")))
    reference.set("URI", "#original")
    with pytest.raises(WarningError, match="expected the whole message"):
        verify(etree.tostring(root))


def test_no_signature_or_two() -> None:
    root = etree.fromstring(signed())
    root.append(deepcopy(root.find(SIGNATURE)))
    with pytest.raises(WarningError, match="2 signatures"):
        verify(etree.tostring(root))
    for element in root.findall(SIGNATURE):
        root.remove(element)
    with pytest.raises(WarningError, match="0 signatures"):
        verify(etree.tostring(root))


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (SignatureMethod.RSA_SHA512, DigestAlgorithm.SHA256),
        (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA512),
        (SignatureMethod.HMAC_SHA256, DigestAlgorithm.SHA256),
    ],
)
def test_other_algorithms(method: SignatureMethod, digest: DigestAlgorithm) -> None:
    key, certificate = identity("2048")
    signer = XMLSigner(signature_algorithm=method, digest_algorithm=digest)
    root = etree.fromstring(cap_xml(example()))
    if method is SignatureMethod.HMAC_SHA256:
        xml = signer.sign(root, key=certificate)  # the classic: the public certificate as shared secret
    else:
        xml = signer.sign(root, key=key, cert=[x509.load_pem_x509_certificate(certificate)])
    with pytest.raises(WarningError, match="not by a certificate we trust"):
        verify(etree.tostring(xml), certificate)


class TestTime:
    def test_stale(self) -> None:
        verify(signed(), now=WHEN + MAX_AGE)
        with pytest.raises(WarningError, match="stale"):
            verify(signed(), now=WHEN + MAX_AGE + timedelta(seconds=1))
        verify(signed(), now=WHEN + timedelta(days=20), max_age=None)

    def test_from_the_future(self) -> None:
        verify(signed(), now=WHEN - timedelta(minutes=10))
        with pytest.raises(WarningError, match="after now"):
            verify(signed(), now=WHEN - timedelta(minutes=10, seconds=1))

    @pytest.mark.parametrize("start", [WHEN + timedelta(hours=1), WHEN - timedelta(days=11)])
    def test_certificates_are_judged_at_now(self, start: datetime) -> None:
        key, certificate = identity(first=start, last=start + timedelta(days=10))
        with pytest.raises(WarningError, match="certificate"):
            verify(sign_xml(cap_xml(example()), key, certificate), certificate)

    def test_naive_now(self) -> None:
        with pytest.raises(TimeError):
            verify(signed(), now=datetime(2025, 6, 9, 10, 42))  # noqa: DTZ001


def test_rotation() -> None:
    key, new = identity()
    for xml in (signed(), sign_xml(cap_xml(example()), key, new)):
        verify(xml, ours()[1], new)
    with pytest.raises(WarningError):
        verify(signed(), new)


def test_replay_by_set_and_by_function() -> None:
    seen: set[tuple[str, str, str]] = set()
    verify(signed(), seen=seen)
    assert seen == {(example().sender, example().id, "2025-06-09T10:42:00Z")}
    with pytest.raises(WarningError, match="taken before"):
        verify(signed(), seen=seen)
    with pytest.raises(WarningError, match="taken before"):
        verify(signed(), seen=lambda key: key in seen)
    unknown: set[tuple[str, str, str]] = set()
    with pytest.raises(WarningError):
        verify(signed(), identity()[1], seen=unknown)
    assert unknown == set(), "a forgery must not use up the name of the real one"


class TestSigning:
    def test_what_is_refused(self) -> None:
        xml, (key, certificate) = cap_xml(example()), ours()
        for args, words in (
            ((signed(), key, certificate), "signed already"),
            ((xml, b"no key", certificate), "private key"),
            ((xml, key, b"no certificate"), "not a PEM certificate"),
            ((xml, identity()[0], certificate), "does not belong"),
            ((xml, *identity("1024")), "2048"),
        ):
            with pytest.raises(WarningError, match=words):
                sign_xml(*args)

    def test_a_damaged_pin_is_told(self) -> None:
        with pytest.raises(WarningError, match="not a PEM certificate"):
            verify(signed(), b"no certificate")


def test_the_signed_messages_of_the_corpus_use_sha1_and_are_refused(data: Path) -> None:
    folder = data / "cap/google-cap-library"
    pins = [path.read_bytes() for path in sorted(folder.glob("*.pem"))]
    assert len(pins) == 2
    for name, words in (("canada_signed.cap", "2 signatures"), ("earthquake_signed.cap", "RSA_SHA1 forbidden")):
        with pytest.raises(WarningError, match=words):
            verify_signed((folder / name).read_bytes(), pins, now=datetime(2013, 1, 24, 22, tzinfo=UTC))
