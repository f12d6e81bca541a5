"""XML signatures of CAP messages: ours made, others' judged against certificates that we were given before.

Enveloped XML-DSig, RSA or ECDSA with SHA-256, exclusive canonical form. A certificate inside of a message proves
nothing (RELIABILITY.md finding 7: a forger brings his own): only pinned ones count, and only the bytes that were
signed are returned.
"""

from collections.abc import Callable, MutableSet, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from wxcore.errors import WarningError
from wxcore.times import FUTURE_LIMIT, iso, parse_time, require_utc
from wxcore.warning.cap_model import SIGNATURE
from wxcore.warning.cap_read import at, parse_cap, read_xml, version_of

MAX_AGE = timedelta(hours=24)
"""A message sent longer ago is stale and refused (RELIABILITY.md C7)."""

MIN_RSA_BITS = 2048
"""Shortest RSA key that we sign with (NIST SP 800-131A rev. 2: 2048 bits, 112 bits of strength)."""

METHODS = frozenset({SignatureMethod.RSA_SHA256, SignatureMethod.ECDSA_SHA256})
DIGESTS = frozenset({DigestAlgorithm.SHA256})

Key = tuple[str, str, str]
"""(sender, identifier, sent in UTC): what makes it the same message."""

Seen = MutableSet[Key] | Callable[[Key], bool]
"""Messages taken before: a set, to which each one taken is added; or a function that remembers, True: seen before."""


def sign_xml(xml: bytes, key_pem: bytes, cert_pem: bytes) -> bytes:
    """The message with an enveloped signature as its last element; comments and processing instructions are dropped.

    Args:
        key_pem: private key, RSA of at least 2048 bits or elliptic curve, without a password.
        cert_pem: its certificate; travels in the message for the reader's convenience.

    Raises:
        WarningError: not XML, signed already, or a key that cannot be used or does not fit the certificate.
    """
    root = read_xml(xml)
    if root.find(SIGNATURE) is not None:
        raise WarningError("CAP", [f"{at(root)}: is signed already 报文已签名"])
    certificate = _certificate(cert_pem)
    try:
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as cause:
        raise WarningError("signing key", [f"not a PEM private key without password 私钥无法读取: {cause}"]) from cause
    if isinstance(key, EllipticCurvePrivateKey):
        method = SignatureMethod.ECDSA_SHA256
    elif isinstance(key, RSAPrivateKey) and key.key_size >= MIN_RSA_BITS:
        method = SignatureMethod.RSA_SHA256
    else:
        raise WarningError("signing key", [f"expected RSA of {MIN_RSA_BITS} bits or more, or EC 密钥类型或长度不符"])
    if key.public_key() != certificate.public_key():
        raise WarningError("signing key", ["does not belong to the certificate 私钥与证书不符"])
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=method,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signed = signer.sign(root, key=key, cert=[certificate])
    return etree.tostring(signed, xml_declaration=True, encoding="UTF-8")


def verify_signed(
    xml: bytes, pinned: Sequence[bytes], *, now: datetime, seen: Seen | None = None, max_age: timedelta | None = MAX_AGE
) -> bytes:
    """The signed bytes of a message, and nothing else of it: canonical XML without the signature.

    Args:
        pinned: PEM certificates that we trust; several while keys are rotated. Chains and what the message brings
            along are not looked at.
        now: certificates must be valid, and the message neither stale nor from the future, at this time.
        seen: messages taken before; None: not checked.
        max_age: after `sent`; None: any age (archives).

    Raises:
        WarningError: anything but one whole-message signature by a pinned, valid certificate over a CAP message that
            is fresh and was not seen before.
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    root = read_xml(xml)
    version_of(root)
    _one_signature(root)
    signed = _signed_bytes(root, pinned, now)
    alert = parse_cap(signed)
    check_fresh(alert.identifier, alert.sent, now=now, max_age=max_age)
    check_new((alert.sender, alert.identifier, iso(parse_time(alert.sent))), seen)
    return signed


def check_fresh(identifier: str, sent: str, *, now: datetime, max_age: timedelta | None = MAX_AGE) -> None:
    """Refuse what was sent too long ago, or in the future by more than `times.FUTURE_LIMIT`.

    Raises:
        WarningError: stale, or from the future.
        TimeError: `now` is naive, or `sent` is no time with offset.
    """
    now, time = require_utc(now), parse_time(sent)
    if time > now + FUTURE_LIMIT:
        fault = f"<sent>: {sent} is after now, {iso(now)}: a wrong clock or a forgery 发布时间晚于当前时间"
    elif max_age is not None and now - time > max_age:
        fault = f"<sent>: {sent} is more than {max_age} before now, {iso(now)}: stale 报文已过时"
    else:
        return
    raise WarningError(f"CAP {identifier}", [fault])


def check_new(key: Key, seen: Seen | None) -> None:
    """Refuse a message that was taken before, and remember a new one.

    Raises:
        WarningError: seen before.
    """
    if seen is None:
        return
    if callable(seen):
        known = seen(key)
    else:
        known = key in seen
        seen.add(key)
    if known:
        raise WarningError(f"CAP {key[1]}", [f"was taken before: {', '.join(key)} 重复报文（重放）"])


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as cause:
        raise WarningError("certificate", [f"not a PEM certificate 证书无法读取: {cause}"]) from cause


def _one_signature(root: etree._Element) -> None:
    """Exactly one signature, directly below the alert, of the whole message: nothing can hide beside what is signed."""
    every = list(root.iter(SIGNATURE))
    if len(every) != 1:
        raise WarningError("CAP", [f"{at(root)}: {len(every)} signatures, expected one 签名数量应为 1"])
    signature = every[0]
    if signature.getparent() is not root:
        raise WarningError("CAP", [f"{at(signature)}: not directly below the alert 签名位置错误"])
    for reference in signature.iter(SIGNATURE.replace("}Signature", "}Reference")):
        if reference.get("URI") != "":
            uri = reference.get("URI")
            raise WarningError("CAP", [f"{at(reference)}: signs {uri!r}, expected the whole message 签名未覆盖全文"])


def _signed_bytes(root: etree._Element, pinned: Sequence[bytes], now: datetime) -> bytes:
    rules = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=METHODS,
        digest_algorithms=DIGESTS,
        verification_time=now,
    )
    faults = []
    for pem in pinned:
        try:
            result = XMLVerifier().verify(root, x509_cert=_certificate(pem), expect_config=rules)
        except WarningError:  # a damaged pin is our own fault, not the message's
            raise
        except Exception as cause:  # noqa: BLE001 - signxml lets errors of base64, lxml and cryptography pass
            faults.append(str(cause) or type(cause).__name__)
            continue
        assert not isinstance(result, list)
        return bytes(result.signed_data)
    reasons = list(dict.fromkeys(faults)) or ["no certificate is pinned 未配置受信任的证书"]
    signature = next(root.iter(SIGNATURE))
    raise WarningError("CAP", [f"{at(signature)}: not by a certificate we trust 签名不可信: {why}" for why in reasons])
