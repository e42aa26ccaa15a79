"""The emulator's registers as OPC UA variables, secured, with index ranges.

The library's server does sessions, security and subscriptions. It knows no index ranges: it answers
with the whole array, and a part that is written replaces it. So reads and writes of the mailbox's
variables are served here, straight from the registers.
"""

from asyncua import Server as OpcuaServer
from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace, AttributeService

from plc_adapters.emulator.front import HostWrite
from plc_adapters.emulator.listen_sections import Listen
from plc_adapters.emulator.memory import Memory
from plc_adapters.emulator.opcua_server import Listening, own_pair, secured_server
from plc_adapters.mailbox.table import EVENT_RING, EVENT_SLOT, HEADER
from plc_adapters.opcua.nodes import PER_SLOT, NodeMap, Variable, variables


class OpcuaFront(Listening):
    """See :class:`plc_adapters.emulator.front.Front`."""

    def __init__(self, listen: Listen, memory: Memory, host_write: HostWrite) -> None:
        super().__init__()
        assert listen.opcua is not None
        self._settings = listen.opcua
        self._memory = memory
        self._host_write = host_write
        self._own = own_pair(listen.opcua)
        self._head_node = ua.NodeId()
        self._head = -1
        """Head sequence as last told."""

    async def after_cycle(self) -> None:
        """Tell the head to those who watch it."""
        head = self._memory.get(0, HEADER.field("head_sequence"))
        if self._server is not None and head != self._head:
            self._head = head
            value = ua.DataValue(ua.Variant(head, ua.VariantType.UInt32))
            await self._server.write_attribute_value(self._head_node, value)

    async def _build(self, address: tuple[str, int]) -> OpcuaServer:
        server = await secured_server(self._settings, self._own, address, "Emulated sorter")
        nodes = PER_SLOT if self._settings.variable_per_slot else NodeMap()
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
