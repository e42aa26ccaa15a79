"""The emulator's registers as OPC UA variables, secured, with index ranges.

The library's server does sessions, security and subscriptions. It knows no index ranges: it answers
with the whole array, and a part that is written replaces it. So reads and writes of the mailbox's
variables are served here, straight from the registers.
"""

import hmac
import logging

from asyncua import Server as OpcuaServer
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace, AttributeService
from asyncua.server.user_managers import UserManager
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from plc_adapters.contract import AdapterError
from plc_adapters.emulator.config import EmulatorConfigError
from plc_adapters.emulator.front import HostWrite, ListenError, why_not
from plc_adapters.emulator.memory import Memory
from plc_adapters.emulator.sections import Listen, ListenOpcua
from plc_adapters.mailbox.table import EVENT_RING, EVENT_SLOT, HEADER
from plc_adapters.opcua.certificates import (
    application_uri,
    expect_pair,
    is_trusted,
    load_certificate,
    load_key,
)
from plc_adapters.opcua.nodes import PER_SLOT, NodeMap, Variable, variables

SESSION_MAX_MS = 60_000
"""Longest that a session outlives its link."""


class OpcuaFront:
    """See :class:`plc_adapters.emulator.front.Front`."""

    def __init__(self, listen: Listen, memory: Memory, host_write: HostWrite) -> None:
        assert listen.opcua is not None
        self._settings = listen.opcua
        self._memory = memory
        self._host_write = host_write
        self._own = _own_pair(listen.opcua)
        self._server: OpcuaServer | None = None
        self._head_node = ua.NodeId()
        self._head = -1
        """Head sequence as last told."""
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)

    async def listen(self, address: tuple[str, int]) -> tuple[str, int]:
        """Take connections from now on; sessions and subscriptions outlive a cut cable."""
        try:
            if self._server is None:
                self._server = await self._build(*address)
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

    async def after_cycle(self) -> None:
        """Tell the head to those who watch it."""
        head = self._memory.get(0, HEADER.field("head_sequence"))
        if self._server is not None and head != self._head:
            self._head = head
            value = ua.DataValue(ua.Variant(head, ua.VariantType.UInt32))
            await self._server.write_attribute_value(self._head_node, value)

    async def end(self) -> None:
        """Hang up for good."""
        if self._server is not None:
            await self._server.stop()
            self._server = None

    async def _build(self, host: str, port: int) -> OpcuaServer:
        settings = self._settings
        gate = _Gate(settings)
        server = OpcuaServer(user_manager=gate)
        await server.init()
        await server.set_application_uri(self._own[2])
        server.set_server_name("Emulated sorter")
        server.set_endpoint(f"opc.tcp://{host}:{port}")
        server.socket_address = (host, port)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        server.set_certificate_validator(gate.validate)
        server.set_identity_tokens(
            [ua.UserNameIdentityToken if settings.user else ua.AnonymousIdentityToken]
        )
        server.iserver.max_session_timeout_ms = SESSION_MAX_MS
        # The library's own loading tells PEM from DER by the file's name.
        server.iserver.certificate, server.iserver.private_key, _ = self._own
        nodes = PER_SLOT if settings.variable_per_slot else NodeMap()
        await self._add_variables(server, nodes)
        return server

    async def _add_variables(self, server: OpcuaServer, nodes: NodeMap) -> None:
        """Add the mailbox: what a client browses; the values are served from the registers."""
        index = await server.register_namespace(nodes.namespace)
        event_slots = (len(self._memory.registers) - EVENT_RING) // EVENT_SLOT.size
        folder = await server.nodes.objects.add_folder(
            ua.NodeId.from_string(f"ns={index};s=Mailbox"), f"{index}:Mailbox"
        )
        served: dict[ua.NodeId, Variable] = {}
        for variable in variables(nodes, event_slots):
            node_id = ua.NodeId.from_string(f"ns={index};{variable.identifier}")
            value = ua.Variant([0] * variable.size, ua.VariantType.UInt16)
            node = await folder.add_variable(node_id, f"{index}:{variable.identifier[2:]}", value)
            if HEADER.size <= variable.base < EVENT_RING:
                await node.set_writable()
            served[node_id] = variable
        self._head_node = ua.NodeId.from_string(f"ns={index};{nodes.head}")
        await folder.add_variable(
            self._head_node, f"{index}:{nodes.head[2:]}", ua.Variant(0, ua.VariantType.UInt32)
        )
        server.iserver.attribute_service = _Registers(
            server.iserver.aspace, served, self._memory.registers, self._host_write
        )


class _Registers(AttributeService):
    """Reads and writes of the mailbox's variables; all others are the library's."""

    def __init__(
        self,
        space: AddressSpace,
        served: dict[ua.NodeId, Variable],
        registers: list[int],
        host_write: HostWrite,
    ) -> None:
        super().__init__(space)
        self._served = served
        self._registers = registers
        self._host_write = host_write

    def _variable(self, wanted: ua.ReadValueId | ua.WriteValue) -> Variable | None:
        if wanted.AttributeId != ua.AttributeIds.Value:
            return None
        return self._served.get(wanted.NodeId)

    def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        return [self._read_one(wanted) for wanted in params.NodesToRead]

    def _read_one(self, wanted: ua.ReadValueId) -> ua.DataValue:
        variable = self._variable(wanted)
        if variable is None:
            return super().read(ua.ReadParameters(NodesToRead=[wanted]))[0]
        span = _span(variable, wanted.IndexRange)
        if isinstance(span, ua.StatusCode):
            return ua.DataValue(StatusCode=span)
        found = self._registers[variable.base + span.start : variable.base + span.stop]
        return ua.DataValue(ua.Variant(found, ua.VariantType.UInt16))

    async def write(
        self,
        params: ua.WriteParameters,
        user: User = User(role=UserRole.Admin),  # noqa: B008
    ) -> list[ua.StatusCode]:
        results = []
        for wanted in params.NodesToWrite:
            variable = self._variable(wanted)
            if variable is None:
                results += await super().write(ua.WriteParameters(NodesToWrite=[wanted]), user)
            else:
                results.append(self._write_one(variable, wanted))
        return results

    def _write_one(self, variable: Variable, wanted: ua.WriteValue) -> ua.StatusCode:
        span = _span(variable, wanted.IndexRange)
        if isinstance(span, ua.StatusCode):
            return span
        value = wanted.Value.Value
        if value is None or value.VariantType is not ua.VariantType.UInt16:
            return _status(ua.StatusCodes.BadTypeMismatch)
        if not isinstance(value.Value, list) or len(value.Value) != len(span):
            return _status(ua.StatusCodes.BadTypeMismatch)
        if not self._host_write(variable.base + span.start, value.Value):
            return _status(ua.StatusCodes.BadNotWritable)
        return ua.StatusCode()


def _status(code: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(code))


def _span(variable: Variable, index_range: str | None) -> range | ua.StatusCode:
    """Return the registers of a variable that an index range names (OPC 10000-4, 7.27)."""
    if not index_range:
        return range(variable.size)
    first, colon, last = index_range.partition(":")
    if not variable.ranged or not first.isdecimal() or (colon and not last.isdecimal()):
        return _status(ua.StatusCodes.BadIndexRangeInvalid)
    span = range(int(first), int(last or first) + 1)
    if not span or (colon and len(span) == 1):
        return _status(ua.StatusCodes.BadIndexRangeInvalid)
    if span.stop > variable.size:
        return _status(ua.StatusCodes.BadIndexRangeNoData)
    return span


class _Gate(UserManager):
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


def _own_pair(settings: ListenOpcua) -> tuple[x509.Certificate, RSAPrivateKey, str]:
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
