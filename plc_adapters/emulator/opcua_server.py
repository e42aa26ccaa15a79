"""An OPC UA server of the emulator's: secured, and open to trusted hosts only."""

import hmac
import logging
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from asyncua import Server as OpcuaServer
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.user_managers import UserManager
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from plc_adapters.contract import AdapterError
from plc_adapters.emulator.config import EmulatorConfigError
from plc_adapters.emulator.front import ListenError, why_not
from plc_adapters.emulator.listen_sections import ListenOpcua
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
    server = OpcuaServer(_SecuredOnly(gate))
    await server.init()
    await server.set_application_uri(own[2])
    server.set_server_name(name)
    server.set_endpoint(f"opc.tcp://{address[0]}:{address[1]}")
    server.socket_address = address
    server.set_security_policy(
        [ua.SecurityPolicyType[f"{policy}_SignAndEncrypt"] for policy in settings.security_policies]
    )
    server.set_certificate_validator(gate.validate)
    server.set_identity_tokens(gate.tokens())
    server.iserver.max_session_timeout_ms = SESSION_MAX_MS
    # The library's own loading tells PEM from DER by the file's name.
    server.iserver.certificate, server.iserver.private_key, _ = own
    return server


class Listening(ABC):
    """A server that listens, hangs up and listens again at the same place."""

    def __init__(self) -> None:
        self._server: OpcuaServer | None = None
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)

    @abstractmethod
    async def _build(self, address: tuple[str, int]) -> OpcuaServer:
        """Return the server with all that is in it; it listens nowhere yet."""

    async def listen(self, address: tuple[str, int]) -> tuple[str, int]:
        """Take connections from now on; sessions and subscriptions outlive a cut cable.

        Returns:
            Where it listens.

        Raises:
            ListenError: the port is in use, or the address is not this machine's.
        """
        try:
            if self._server is None:
                self._server = await self._build(address)
                await self._server.start()
            elif self._server.bserver is not None:
                await self._server.bserver.start()
        except OSError:
            self._server = None
            raise ListenError(why_not(*address)) from None
        listener = self._server.bserver
        assert listener is not None
        return listener.hostname, listener.port

    async def hang_up(self) -> None:
        """Drop all connections and take no new ones."""
        if self._server is not None and self._server.bserver is not None:
            await self._server.bserver.stop()

    async def end(self) -> None:
        """Hang up for good."""
        if self._server is not None:
            await self._server.stop()
            self._server = None


class Gate(UserManager):
    """Knows which hosts and which users may come in."""

    def __init__(self, settings: ListenOpcua) -> None:
        self._settings = settings

    async def validate(
        self, certificate: x509.Certificate, _application: ua.ApplicationDescription
    ) -> None:
        """Refuse a certificate that is not trusted, when a session is made."""
        if not self.lets_in(certificate.public_bytes(Encoding.DER)):
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    def get_user(
        self,
        iserver: object,  # noqa: ARG002 - the library's signature
        username: str | None = None,
        password: str | None = None,
        certificate: bytes | None = None,
    ) -> User | None:
        """Return who a session is for; ``certificate`` is the user's if that is the identity."""
        known = self._settings
        user = User(role=UserRole.User, name=username)
        if username is not None:
            right = hmac.compare_digest(username.encode(), known.user.encode())
            right &= hmac.compare_digest((password or "").encode(), known.password.encode())
            return user if known.user and right else None
        if known.users_trusted is not None:
            return user if _trusts(certificate, known.users_trusted) else None
        return None if known.user else user

    def tokens(self) -> list[type]:
        """Return how a host may say who it is."""
        known = self._settings
        found: list[type] = [ua.UserNameIdentityToken] if known.user else []
        if known.users_trusted is not None:
            found.append(ua.X509IdentityToken)
        return found or [ua.AnonymousIdentityToken]

    def lets_in(self, certificate: bytes | None) -> bool:
        """Whether a channel is secured by a trusted certificate, given as DER."""
        return _trusts(certificate, self._settings.trusted)


class _SecuredOnly(InternalServer):
    """A server whose sessions begin only on channels that a trusted certificate secures.

    The library lets anybody open an unsecured channel, as endpoints are asked for on one.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate)
        self._gate = gate

    def create_session(
        self,
        name: str,
        user: User = User(role=UserRole.Anonymous),  # noqa: B008 - the library's
        external: bool = False,  # noqa: FBT001, FBT002 - signature
    ) -> InternalSession:
        """Make a session of a connection."""
        return _SecuredSession(
            self._gate, self, self.aspace, self.subscription_service, name, user, external
        )


class _SecuredSession(InternalSession):
    """See :class:`_SecuredOnly`."""

    def __init__(self, gate: Gate, *of_library: Any) -> None:
        super().__init__(*of_library)
        self._gate = gate

    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        """Let a host in whose channel's certificate is trusted."""
        if not self._gate.lets_in(peer_certificate):
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        return super().activate_session(params, peer_certificate)


def _trusts(certificate: bytes | None, folder: Path) -> bool:
    if not certificate:
        return False
    try:
        return is_trusted(x509.load_der_x509_certificate(certificate), folder)
    except (AdapterError, ValueError):
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
        if settings.users_trusted is not None:
            is_trusted(certificate, settings.users_trusted)
    except AdapterError as error:
        raise EmulatorConfigError(f"listen.opcua: {error}") from None
    uri = application_uri(certificate)
    if not uri:
        raise EmulatorConfigError(
            f"listen.opcua: {settings.certificate}: bears no application URI; make one with "
            "sorter plc certificate"
        )
    return certificate, key, uri
