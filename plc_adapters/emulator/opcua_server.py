"""An OPC UA server of the emulator's: secured, and open to trusted hosts only."""

import hmac

from asyncua import Server as OpcuaServer
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from plc_adapters.contract import AdapterError
from plc_adapters.emulator.config import EmulatorConfigError
from plc_adapters.emulator.sections import ListenOpcua
from plc_adapters.opcua.certificates import (
    application_uri,
    expect_pair,
    is_trusted,
    load_certificate,
    load_key,
)

SESSION_MAX_MS = 60_000
"""Longest that a session outlives its link."""

OwnPair = tuple[x509.Certificate, RSAPrivateKey, str]
"""A server's certificate, its key, and the application URI that it bears."""


async def secured_server(
    settings: ListenOpcua, own: OwnPair, address: tuple[str, int], name: str
) -> OpcuaServer:
    """Return a server that listens nowhere yet, with nothing of its own in it."""
    gate = Gate(settings)
    server = OpcuaServer(user_manager=gate)
    await server.init()
    await server.set_application_uri(own[2])
    server.set_server_name(name)
    server.set_endpoint(f"opc.tcp://{address[0]}:{address[1]}")
    server.socket_address = address
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.set_certificate_validator(gate.validate)
    server.set_identity_tokens(
        [ua.UserNameIdentityToken if settings.user else ua.AnonymousIdentityToken]
    )
    server.iserver.max_session_timeout_ms = SESSION_MAX_MS
    # The library's own loading tells PEM from DER by the file's name.
    server.iserver.certificate, server.iserver.private_key, _ = own
    return server


class Gate(UserManager):
    """Lets hosts in whose certificate is trusted, and whose user is known if one is asked for."""

    def __init__(self, settings: ListenOpcua) -> None:
        self._settings = settings

    async def validate(
        self, certificate: x509.Certificate, _application: ua.ApplicationDescription
    ) -> None:
        """Refuse a certificate that is not trusted, when a session is made."""
        if not self._trusts(certificate):
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    def get_user(
        self,
        iserver: object,  # noqa: ARG002 - the library's signature
        username: str | None = None,
        password: str | None = None,
        certificate: bytes | None = None,
    ) -> User | None:
        """Return who a session is for; none on a channel that no certificate secures.

        The library lets anybody open an unsecured channel, as endpoints are asked for on one.
        """
        if not certificate or not self._trusts(x509.load_der_x509_certificate(certificate)):
            return None
        known = self._settings
        if known.user and not (
            hmac.compare_digest(username or "", known.user)
            and hmac.compare_digest((password or "").encode(), known.password.encode())
        ):
            return None
        return User(role=UserRole.User, name=username)

    def _trusts(self, certificate: x509.Certificate) -> bool:
        try:
            return is_trusted(certificate, self._settings.trusted)
        except AdapterError:
            return False


def own_pair(settings: ListenOpcua) -> OwnPair:
    """Return the server's certificate, its key, and the application URI that it bears.

    Raises:
        EmulatorConfigError: certificate or key can't be used.
    """
    try:
        certificate, key = load_certificate(settings.certificate), load_key(settings.key)
        expect_pair(certificate, key, settings.certificate)
        is_trusted(certificate, settings.trusted)
    except AdapterError as error:
        raise EmulatorConfigError(f"listen.opcua: {error}") from None
    uri = application_uri(certificate)
    if not uri:
        raise EmulatorConfigError(
            f"listen.opcua: {settings.certificate}: bears no application URI; make one with "
            "sorter plc certificate"
        )
    return certificate, key, uri
