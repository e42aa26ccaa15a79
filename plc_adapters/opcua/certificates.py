"""Application certificates: making one, loading one, and which of a server's are trusted."""

import datetime as dt
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from plc_adapters.contract import AdapterError

KEY_BITS = 2048
"""Every policy offered takes keys of 2048 bits (OPC 10000-7); some PLCs take no longer ones."""
DAYS = 3650
"""How long a certificate made here holds; who renews it must have every PLC trust the new one."""
BACKDATED = dt.timedelta(days=1)
"""A PLC whose clock is behind would else refuse a certificate made just now."""
SUFFIXES = (".der", ".crt", ".cer", ".pem")
"""Files of a folder of trusted certificates."""
TRUSTED_MAX = 1000
"""Files of such a folder that are looked at."""


def make_pair(
    folder: Path, name: str, application_uri: str, hosts: tuple[str, ...]
) -> tuple[Path, Path]:
    """Make a self-signed application certificate (DER) and its key (PEM); return their paths.

    Args:
        folder: where ``<name>.der`` and ``<name>.key`` go; made if it does not exist.
        name: common name, and the files'.
        application_uri: goes into the certificate; the application must call itself the same.
        hosts: names and addresses of the machine.

    Raises:
        FileExistsError: one of the files is there; nothing is written over.
        OSError: the folder can't be written to.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True,
        data_encipherment=True, key_agreement=False, key_cert_sign=True, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    alternatives = [x509.UniformResourceIdentifier(application_uri), *map(_general_name, hosts)]
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.der", folder / f"{name}.key"
    present = [path for path in paths if path.exists()]
    if present:
        raise FileExistsError(f"{present[0]}: is there already; remove it, or give another name")
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(paths[1], pem, 0o600)
    _write(paths[0], certificate.public_bytes(serialization.Encoding.DER), 0o644)
    return paths


def write_trusted(certificate: x509.Certificate, folder: Path) -> Path:
    """Put a certificate among the trusted ones; return its path. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{thumbprint(certificate).replace(':', '')}.der"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    return path


def load_certificate(path: Path) -> x509.Certificate:
    """Return a certificate, DER or PEM.

    Raises:
        AdapterError: names the file and says what it should be.
    """
    data = _read(path)
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificate(data)
        return x509.load_der_x509_certificate(data)
    except ValueError:
        raise AdapterError(f"{path}: holds no certificate; it must be DER or PEM") from None


def load_key(path: Path) -> rsa.RSAPrivateKey:
    """Return a private key; raises AdapterError as :func:`load_certificate` does."""
    data = _read(path)
    load = serialization.load_der_private_key
    if b"-----BEGIN" in data:
        load = serialization.load_pem_private_key
    try:
        key = load(data, None)
    except (ValueError, TypeError):
        raise AdapterError(
            f"{path}: holds no private key; it must be PEM or DER, without a pass phrase"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise AdapterError(f"{path}: is no RSA key, which OPC UA's policies ask for; make another")
    return key


def expect_pair(certificate: x509.Certificate, key: rsa.RSAPrivateKey, path: Path) -> None:
    """Raise AdapterError if the certificate, from ``path``, is not the key's."""
    if certificate.public_key() != key.public_key():
        raise AdapterError(
            f"{path}: does not belong to its key; give the pair that was made together"
        )


def application_uri(certificate: x509.Certificate) -> str:
    """Return the application URI that a certificate bears, "" if none (OPC 10000-6, 6.2.2)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else ""


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the SHA-1 thumbprint, by which PLC tools show certificates."""
    return certificate.fingerprint(hashes.SHA1()).hex(":").upper()  # noqa: S303 - only shown


def is_trusted(certificate: x509.Certificate, folder: Path) -> bool:
    """Return whether the folder holds this certificate, or that of an authority that signed it.

    Raises:
        AdapterError: the folder, or a file in it, can't be read.
    """
    return any(other == certificate or _signed_by(certificate, other) for other in _trusted(folder))


def _trusted(folder: Path) -> Iterator[x509.Certificate]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise AdapterError(
            f"trusted: {folder}: can't be read: {error.strerror}; name the folder of the "
            "certificates that are trusted"
        ) from None
    for path in paths[:TRUSTED_MAX]:
        yield load_certificate(path)


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        limits = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not limits.ca:
            return False
        certificate.verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    return True


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AdapterError(
            f"{path}: can't be read: {error.strerror}; name a file that this user may read"
        ) from None


def _write(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
