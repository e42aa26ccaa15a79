"""The mailbox's registers as variables of one OPC UA session; see :mod:`plc_adapters.host.wire`.

Events are read from the ring by their own sequence, so nothing that a subscription may lose, repeat
or merge can matter: it only wakes the host before its poll period is over.
"""

import asyncio
import logging

from asyncua import Client, ua

from plc_adapters.host.wire import LinkError
from plc_adapters.mailbox.table import EVENT_RING, HEADER, seat_address
from plc_adapters.opcua.explain import explain_status
from plc_adapters.opcua.nodes import Part, Variable, parts_of
from plc_adapters.opcua.session import (
    Credentials,
    close,
    connect,
    new_client,
    told_as_link_error,
)
from plc_adapters.opcua.settings import OpcuaLink

_log = logging.getLogger(__name__)

KEEP_ALIVE_MS = 2000
"""How often the server speaks while nothing changes."""
LIFETIME_MS = 10_000
"""How long the server keeps a subscription that nobody asks for; at least three keep-alives."""
HEAD_QUEUE = 1
"""Values of the head that wait for a publication: only the newest counts."""
_LIMITS = (
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
)
NODES_MAX = 100
"""Variables of one request where the server names no limit."""


class OpcuaWire:
    """A session with one PLC, used until it first fails."""

    def __init__(self, link: OpcuaLink, credentials: Credentials) -> None:
        self._link = link
        self._credentials = credentials
        self._client: Client | None = None
        self._namespace = 0
        """Index of the mailbox's namespace in this session."""
        self._nodes_per_read = self._nodes_per_write = NODES_MAX
        self._told = asyncio.Event()
        """Set when the head has changed since the last pause."""

    async def connect(self) -> None:
        """Open the session, find the variables, watch the head.

        Raises:
            LinkError: whatever is wrong; all of it can be put right without this host.
        """
        self._client = new_client(self._link, self._credentials)
        await connect(self._client, self._link, self._credentials)
        with told_as_link_error(self._link.peer, "can't prepare the session"):
            await self._find_namespace(self._client)
            await self._learn_limits(self._client)
            await self._prove_variables(self._client)
            if self._link.nodes.head:
                await self._watch_head(self._client)

    async def read(self, address: int, count: int) -> list[int]:
        """Return registers; ``address`` from the start of the mailbox."""
        client = self._expect_client()
        parts = parts_of(self._link.nodes, address, count)
        found: list[int] = []
        with told_as_link_error(self._link.peer, f"reading {count} registers at {address}"):
            for at in range(0, len(parts), self._nodes_per_read):
                found += await self._read_parts(client, parts[at : at + self._nodes_per_read])
        return found

    async def write(self, address: int, registers: list[int]) -> None:
        """Write registers; those of one variable arrive together."""
        client = self._expect_client()
        parts = parts_of(self._link.nodes, address, len(registers))
        values: list[tuple[Part, list[int]]] = []
        at = 0
        for part in parts:
            values.append((part, registers[at : at + part.count]))
            at += part.count
        doing = f"writing {len(registers)} registers at {address}"
        with told_as_link_error(self._link.peer, doing):
            for at in range(0, len(values), self._nodes_per_write):
                await self._write_parts(client, values[at : at + self._nodes_per_write])

    async def pause(self, seconds: float) -> None:
        """Return after so long, or once the head has changed."""
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            pass
        self._told.clear()

    async def close(self) -> None:
        """Let the session go."""
        client, self._client = self._client, None
        if client is not None:
            await close(client, self._link)

    def _expect_client(self) -> Client:
        if self._client is None:
            raise LinkError(f"{self._link.peer}: not connected")
        return self._client

    # Preparing a session.

    async def _find_namespace(self, client: Client) -> None:
        uris = await client.get_namespace_array()
        uri = self._link.nodes.namespace
        if uri not in uris:
            known = ", ".join(uris[1:]) or "none of its own"
            raise LinkError(
                f"{self._link.peer}: has no namespace {uri} (it has {known}); correct "
                "nodes.namespace, or load the mailbox into the PLC"
            )
        self._namespace = uris.index(uri)

    async def _learn_limits(self, client: Client) -> None:
        """Take in how many variables a request may name; servers say so, or leave it out."""
        values = await client.uaclient.read_attributes(
            [ua.NodeId(ua.Int32(limit)) for limit in _LIMITS], ua.AttributeIds.Value
        )
        numbers = [v.Value.Value if v.Value is not None else 0 for v in values]
        limits = [
            min(n or NODES_MAX, NODES_MAX) if isinstance(n, int) else NODES_MAX for n in numbers
        ]
        self._nodes_per_read, self._nodes_per_write = limits

    async def _prove_variables(self, client: Client) -> None:
        """Read one variable of each kind: a wrong map is told before anything hangs on it."""
        nodes, seat = self._link.nodes, seat_address(self._link.seat)
        parts = parts_of(nodes, 0, HEADER.size) + parts_of(nodes, seat, 2)
        parts += parts_of(nodes, EVENT_RING, 2)
        if nodes.instruction:
            parts += parts_of(nodes, seat + 8, 2)
        await self._read_parts(client, parts)

    async def _watch_head(self, client: Client) -> None:
        """Subscribe to the head, unless the server would tell it later than a poll finds it."""
        link = self._link
        wanted = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=link.publishing_interval_ms,
            RequestedLifetimeCount=max(1, LIFETIME_MS // link.publishing_interval_ms),
            RequestedMaxKeepAliveCount=max(1, KEEP_ALIVE_MS // link.publishing_interval_ms),
            MaxNotificationsPerPublish=HEAD_QUEUE,
            PublishingEnabled=True,
            Priority=0,
        )
        made = await client.uaclient.create_subscription(wanted, self._on_publish)
        node = self._node_id(link.nodes.head)
        item = ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=1,
                SamplingInterval=link.sampling_interval_ms,
                QueueSize=HEAD_QUEUE,
                DiscardOldest=True,
            ),
        )
        items = ua.CreateMonitoredItemsParameters(
            SubscriptionId=made.SubscriptionId,
            TimestampsToReturn=ua.TimestampsToReturn.Neither,
            ItemsToCreate=[item],
        )
        (result,) = await client.uaclient.create_monitored_items(items)
        if not result.StatusCode.is_good():
            raise LinkError(
                f"{link.peer}: {link.nodes.head}: can't be watched: "
                f"{explain_status(result.StatusCode.value)}; or set nodes.head to nothing"
            )
        late_ms = made.RevisedPublishingInterval + result.RevisedSamplingInterval
        if late_ms > link.poll_period_ms:
            _log.warning(
                "%s: samples every %g and publishes every %g ms at best, later than "
                "poll_period_ms (%d); it is polled instead: lower both minimums in the PLC, or "
                "set nodes.head to nothing",
                link.peer,
                result.RevisedSamplingInterval,
                made.RevisedPublishingInterval,
                link.poll_period_ms,
            )
            await client.uaclient.delete_subscriptions([made.SubscriptionId])

    def _on_publish(self, published: ua.PublishResult) -> None:
        """Wake the host; which value came does not matter."""
        if published.NotificationMessage.NotificationData:
            self._told.set()

    # Requests.

    def _node_id(self, identifier: str) -> ua.NodeId:
        return ua.NodeId.from_string(f"ns={self._namespace};{identifier}")

    async def _read_parts(self, client: Client, parts: list[Part]) -> list[int]:
        wanted = [
            ua.ReadValueId(
                NodeId=self._node_id(part.variable.identifier),
                AttributeId=ua.AttributeIds.Value,
                IndexRange=part.index_range or None,
            )
            for part in parts
        ]
        request = ua.ReadParameters(
            MaxAge=0, TimestampsToReturn=ua.TimestampsToReturn.Neither, NodesToRead=wanted
        )
        answers = await client.uaclient.read(request)
        if len(answers) != len(parts):
            raise LinkError(f"{self._link.peer}: answers {len(answers)} of {len(parts)} variables")
        found: list[int] = []
        for part, answer in zip(parts, answers, strict=True):
            found += self._registers(part, answer)
        return found

    def _registers(self, part: Part, answer: ua.DataValue) -> list[int]:
        """Return the registers of a part as answered, or raise what is wrong with the variable."""
        where = f"{self._link.peer}: {part.variable.identifier}"
        if answer.StatusCode is not None and not answer.StatusCode.is_good():
            raise LinkError(f"{where}: {explain_status(answer.StatusCode.value)}")
        value = answer.Value
        values = value.Value if value is not None else None
        if (
            value is None
            or value.VariantType is not ua.VariantType.UInt16
            or not isinstance(values, list)
        ):
            shown = value.VariantType.name if value is not None else "nothing"
            raise LinkError(
                f"{where}: holds {shown}, not an array of UInt16; declare it so in the PLC"
            )
        return self._cut(where, part, values)

    def _cut(self, where: str, part: Part, values: list[int]) -> list[int]:
        variable = part.variable
        if not variable.ranged and len(values) == variable.size:
            return values[part.first : part.first + part.count]
        if variable.ranged and len(values) == part.count:
            return values
        if variable.ranged and len(values) > part.count:
            raise LinkError(
                f"{where}: the server ignores index ranges: asked for {part.index_range} it gave "
                f"{len(values)} registers; map one variable per slot (nodes.events with {{slot}}, "
                "nodes.instruction)"
            )
        wanted = part.count if variable.ranged else variable.size
        raise LinkError(
            f"{where}: has {len(values)} registers, not {wanted}; declare it with the mailbox's "
            "length"
        )

    async def _write_parts(self, client: Client, values: list[tuple[Part, list[int]]]) -> None:
        writes = [
            ua.WriteValue(
                NodeId=self._node_id(part.variable.identifier),
                AttributeId=ua.AttributeIds.Value,
                IndexRange=part.index_range or None,
                # No time stamps: many servers refuse a write that brings its own.
                Value=ua.DataValue(
                    ua.Variant(_whole(part.variable, part, registers), ua.VariantType.UInt16)
                ),
            )
            for part, registers in values
        ]
        results = await client.uaclient.write(ua.WriteParameters(NodesToWrite=writes))
        for (part, _), result in zip(values, results, strict=True):
            if not result.is_good():
                raise LinkError(
                    f"{self._link.peer}: writing {part.variable.identifier}: "
                    f"{explain_status(result.value)}"
                )


def _whole(variable: Variable, part: Part, registers: list[int]) -> list[int]:
    """Return what to write: a variable that has no parts is written whole, unused registers 0."""
    if variable.ranged:
        return registers
    if part.first:
        raise LinkError(f"{variable.identifier}: can only be written from its beginning")
    return registers + [0] * (variable.size - part.count)
