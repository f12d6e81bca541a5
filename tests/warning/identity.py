"""Keys with a certificate that they sign themselves: of a bureau, or of a server that speaks TLS."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.warning.scene import WHEN


def identity(
    kind: str = "ec", *, first: datetime = WHEN - timedelta(days=30), last: datetime | None = None, host: str = ""
) -> tuple[bytes, bytes]:
    """(key, certificate) as PEM: elliptic, or RSA of so many bits; for a year unless `last` says otherwise."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, int(kind))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host or "Test Observatory")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(first).not_valid_after(last or first + timedelta(days=365))
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), certificate.public_bytes(Encoding.PEM)


def identity_files(folder: Path, **how: datetime) -> tuple[Path, Path]:
    """The same as files."""
    return _write(folder, identity(**how))


def server_files(folder: Path, host: str) -> tuple[Path, Path]:
    """Key and certificate of a server, good today by the real clock."""
    return _write(folder, identity(first=datetime.now(UTC) - timedelta(days=1), host=host))


def _write(folder: Path, pair: tuple[bytes, bytes]) -> tuple[Path, Path]:
    files = folder / "key.pem", folder / "cert.pem"
    for path, content in zip(files, pair, strict=True):
        path.write_bytes(content)
    return files


def server_tls(key: Path, cert: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
