"""Modbus/TCP Security: the same frames inside mutual TLS, by a context of our own.

The library's helper checks neither certificate nor name, so it is not used: here the PLC's
certificate must come from the authority given and bear its name, and this host shows its own.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from plc_adapters.contract import AdapterError

TLS_PORT = 802
"""Port of mbap over TLS, registered for Modbus/TCP Security."""
MINIMUM = ssl.TLSVersion.TLSv1_2
"""Modbus/TCP Security asks for TLS 1.2 or better."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates of one link, as PEM files."""

    ca: Path
    """The authority that signed the PLC's certificate; for a self-signed one, itself."""
    certificate: Path
    """This host's certificate, with those between it and the authority the PLC trusts."""
    key: Path
    """Its private key, without a pass phrase: nobody is there to type one."""
    server_name: str = ""
    """Name in the PLC's certificate, if it is not the host that is connected to."""

    @classmethod
    def of(cls, settings: object) -> "Tls":
        """Copy the fields from any object that has them all."""
        if isinstance(settings, cls):
            return settings
        return cls(**{name: getattr(settings, name) for name in cls.__dataclass_fields__})


_UNTRUSTED = (
    "the PLC does not trust this host's certificate; have it trust tls.certificate or its authority"
)
_NO_TLS = (
    "what answers there speaks no TLS; give the PLC's secure port "
    f"({TLS_PORT} unless changed), or remove tls from this link"
)
_OLD = "the PLC speaks no TLS 1.2 or better; update it"
_REASONS = {
    "CERTIFICATE_REQUIRED": (
        "the PLC wants a certificate and took none from this host; check tls.certificate"
    ),
    "CERTIFICATE_EXPIRED": (
        "the PLC says that this host's certificate has expired; make a new tls.certificate"
    ),
    "ALERT_UNKNOWN_CA": _UNTRUSTED,
    "BAD_CERTIFICATE": _UNTRUSTED,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "UNEXPECTED_MESSAGE": _NO_TLS,
    "PROTOCOL_VERSION": _OLD,
    "UNSUPPORTED_PROTOCOL": _OLD,
}
"""What a part of OpenSSL's reason (ssl.SSLError.reason) means, and what to do."""


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return the context of a host.

    Raises:
        AdapterError: a file can't be used; names it and says what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _load(context, tls.ca, tls.certificate, tls.key)
    return context


def server_context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a PLC: it asks every host for a certificate of that authority.

    Raises:
        AdapterError: as for :func:`client_context`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    _load(context, ca, certificate, key)
    return context


def _load(context: ssl.SSLContext, ca: Path, certificate: Path, key: Path) -> None:
    context.minimum_version = MINIMUM
    for name, path in (("ca", ca), ("certificate", certificate), ("key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise AdapterError(
                f"tls.{name}: {path}: can't be read: {error.strerror}; name a PEM file that this "
                "user may read"
            ) from None
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError:
        raise AdapterError(f"tls.ca: {ca}: holds no certificate; it must be PEM") from None
    try:
        # Without an answer of ours a key with a pass phrase would ask on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        raise AdapterError(f"tls.certificate: {certificate}: {_why_unusable(error, key)}") from None


def _why_unusable(error: ssl.SSLError, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"does not belong to the key {key}; give the pair that was made together"
    return (
        f"can't be used with the key {key}; both must be PEM, and the key without a pass phrase "
        f"({error.reason or 'unknown reason'})"
    )


def explain(error: Exception, server_name: str) -> str:
    """Return why a TLS connection failed, and what to do; ``server_name`` is the one expected."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_verification(error, server_name)
    reason = getattr(error, "reason", None) or ""
    for words, meaning in _REASONS.items():
        if words in reason:
            return meaning
    return f"TLS failed: {reason or error}"


def _explain_verification(error: ssl.SSLCertVerificationError, server_name: str) -> str:
    """Return what is wrong with the PLC's certificate, by OpenSSL's codes (x509_vfy.h)."""
    match error.verify_code:
        case 9:
            return "the PLC's certificate is not valid yet; compare its clock with this machine's"
        case 10:
            return "the PLC's certificate has expired; make it a new one"
        case 62 | 64:
            return (
                f"the PLC's certificate is not for {server_name}; set tls.server_name to a name "
                "in it, or make it one for this host"
            )
        case _:
            return (
                "the PLC's certificate is not signed by the authority in tls.ca "
                f"({error.verify_message}); give the right one"
            )
