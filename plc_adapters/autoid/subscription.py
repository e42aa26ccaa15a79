"""A subscription to what one scanner reads: asked for with explicit sizes, and heard in order."""

import logging
from collections.abc import Callable
from typing import Any

from asyncua import Client, ua

from plc_adapters.autoid.settings import ScannerSettings
from plc_adapters.autoid.structures import NAMESPACE
from plc_adapters.autoid.tie import NS_PER_MS
from plc_adapters.host.wire import LinkError
from plc_adapters.opcua.explain import explain_status
from plc_adapters.opcua.session import told_as_link_error

_log = logging.getLogger(__name__)

QUEUE_SIZE = 200
"""Scans that wait at the scanner for a publication: a scanner reads fewer in a second."""
KEEP_ALIVE_COUNT = 5
"""Publishing intervals after which the server speaks though nothing was read; each word also tells
its clock. Few, as a server may make the interval longer than asked for."""
LIFETIME_MS = 10_000
"""How long the server keeps a subscription that nobody asks for."""
SILENT_KEEP_ALIVES = 8
"""A server that has left out so many is taken for gone, if they are more than a second."""
SILENCE_MIN_MS = 1000
SELECTED = ("EventType", "Time")
"""Fields of every event that are selected before ``ScanResult`` and the piece id's."""
OVERFLOW_BITS = 0x480
"""Of a status code: values before this one were thrown away (OPC 10000-4, 7.39.1)."""

Publish = Callable[[ua.PublishResult], None]


class Subscription:
    """What was asked of the server, and what it agreed to."""

    def __init__(self, client: Client, settings: ScannerSettings) -> None:
        self._client = client
        self._settings = settings
        self.autoid = 0
        """Index of AutoID's namespace in this session."""
        self._uris: list[str] = []
        self.silence_ns = 0
        """A server that says nothing for so long is gone."""
        self.late_ms = 0.0
        """How late scans are published at most, by what it agreed to."""

    async def open(self, on_publish: Publish) -> None:
        """Subscribe; ``on_publish`` is called with each message of the server, in order.

        Raises:
            LinkError: the server has no such device, or delivers too late to be of use.
        """
        with told_as_link_error(self._peer, "can't prepare the session"):
            await self.learn_namespaces()
            await self._subscribe(await self.find(), on_publish)

    async def learn_namespaces(self) -> None:
        """Ask for the server's namespaces; LinkError where AutoID's is not among them."""
        self._uris = await self._client.get_namespace_array()
        self.autoid = self._index(NAMESPACE, "is this an AutoID device (OPC 30010)?")

    async def find(self) -> ua.MonitoredItemCreateRequest:
        """Return what is to be watched; LinkError where the server has no such thing."""
        if self._settings.mode == "events":
            return self._events()
        return await self._last_scan_data()

    async def expect_events(self) -> None:
        """Raise LinkError where the device is not there, or says that it raises no events."""
        (told,) = await self._client.uaclient.read_attributes(
            [self._device()], ua.AttributeIds.EventNotifier
        )
        what = self._settings.device or "the server"
        if told.StatusCode is not None and not told.StatusCode.is_good():
            raise LinkError(
                f"{self._peer}: has no object {what}: {explain_status(told.StatusCode.value)}; "
                "correct device and device_namespace"
            )
        notifier = told.Value.Value if told.Value is not None else 0
        if not int(notifier or 0) & ua.EventNotifierType.SubscribeToEvents:
            raise LinkError(
                f"{self._peer}: {what} raises no events; correct device, or use mode last_scan_data"
            )

    @property
    def _peer(self) -> str:
        return self._settings.endpoint.peer

    def _index(self, uri: str, advice: str) -> int:
        if uri not in self._uris:
            known = ", ".join(self._uris[1:]) or "none of its own"
            raise LinkError(f"{self._peer}: has no namespace {uri} (it has {known}); {advice}")
        return self._uris.index(uri)

    def _device(self) -> ua.NodeId:
        settings = self._settings
        if not settings.device:
            return ua.NodeId(ua.Int32(ua.ObjectIds.Server))
        index = self._index(settings.device_namespace, "correct device_namespace")
        return ua.NodeId.from_string(f"ns={index};{settings.device}")

    def _events(self) -> ua.MonitoredItemCreateRequest:
        """Return the request for events, filtered to the fields that count.

        No events are filtered out: a server need not know that a device maker's event type is one
        of AutoID's.
        """
        settings = self._settings
        names = [ua.QualifiedName(name, 0) for name in SELECTED]
        names.append(ua.QualifiedName("ScanResult", self.autoid))
        if settings.trigger_field:
            index = self._index(settings.trigger_namespace, "correct trigger_namespace")
            names.append(ua.QualifiedName(settings.trigger_field, index))
        clauses = [
            ua.SimpleAttributeOperand(
                TypeDefinitionId=ua.NodeId(ua.Int32(ua.ObjectIds.BaseEventType)),
                BrowsePath=[name],
                AttributeId=ua.AttributeIds.Value,
            )
            for name in names
        ]
        return self._item(
            self._device(),
            ua.AttributeIds.EventNotifier,
            0.0,
            ua.EventFilter(SelectClauses=clauses),
        )

    async def _last_scan_data(self) -> ua.MonitoredItemCreateRequest:
        """Return the request for the last scan; the same code once more counts by its instant."""
        name = ua.QualifiedName("LastScanData", self.autoid)
        step = ua.RelativePathElement(
            ReferenceTypeId=ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences)),
            IsInverse=False,  # type: ignore[arg-type]
            TargetName=name,
        )
        path = ua.BrowsePath(self._device(), ua.RelativePath([step]))
        (found,) = await self._client.uaclient.translate_browsepaths_to_nodeids([path])
        if not found.StatusCode.is_good() or not found.Targets:
            raise LinkError(
                f"{self._peer}: {self._settings.device} has no LastScanData: "
                f"{explain_status(found.StatusCode.value)}; correct device, or use mode events"
            )
        return self._item(
            found.Targets[0].TargetId,
            ua.AttributeIds.Value,
            float(self._settings.sampling_interval_ms),
            ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp),
        )

    def _item(
        self, node: ua.NodeId, attribute: ua.AttributeIds, sampling_ms: float, rules: Any
    ) -> ua.MonitoredItemCreateRequest:
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=attribute),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=1,
                SamplingInterval=sampling_ms,
                Filter=rules,
                QueueSize=QUEUE_SIZE,
                DiscardOldest=True,
            ),
        )

    async def _subscribe(self, item: ua.MonitoredItemCreateRequest, on_publish: Publish) -> None:
        period = self._settings.publishing_interval_ms
        wanted = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=period,
            RequestedLifetimeCount=max(3 * KEEP_ALIVE_COUNT, LIFETIME_MS // period),
            RequestedMaxKeepAliveCount=KEEP_ALIVE_COUNT,
            MaxNotificationsPerPublish=QUEUE_SIZE,
            PublishingEnabled=True,
            Priority=0,
        )
        made = await self._client.uaclient.create_subscription(wanted, on_publish)
        items = ua.CreateMonitoredItemsParameters(
            SubscriptionId=made.SubscriptionId,
            TimestampsToReturn=ua.TimestampsToReturn.Source,
            ItemsToCreate=[item],
        )
        (result,) = await self._client.uaclient.create_monitored_items(items)
        if not result.StatusCode.is_good():
            what = self._settings.device or "the server"
            raise LinkError(
                f"{self._peer}: {what} can't be watched in mode {self._settings.mode}: "
                f"{explain_status(result.StatusCode.value)}; correct device, or use the other mode"
            )
        self._expect_in_time(made, result)
        keep_alive_ms = made.RevisedMaxKeepAliveCount * made.RevisedPublishingInterval
        silence_ms = max(SILENT_KEEP_ALIVES * keep_alive_ms, SILENCE_MIN_MS)
        self.silence_ns = int(silence_ms * NS_PER_MS)

    def _expect_in_time(
        self, made: ua.CreateSubscriptionResult, result: ua.MonitoredItemCreateResult
    ) -> None:
        """Raise LinkError where results would come later than pieces wait for them."""
        sampling_ms = 0.0
        if self._settings.mode == "last_scan_data":
            sampling_ms = max(0.0, result.RevisedSamplingInterval)
        self.late_ms = made.RevisedPublishingInterval + sampling_ms
        if self.late_ms > self._settings.window.delivery_ms:
            raise LinkError(
                f"{self._peer}: samples every {sampling_ms:g} and publishes every "
                f"{made.RevisedPublishingInterval:g} ms at best, later than delivery_ms "
                f"({self._settings.window.delivery_ms}); lower the minimums in the scanner, or "
                "raise delivery_ms"
            )
        if result.RevisedQueueSize < QUEUE_SIZE:
            _log.warning(
                "%s: keeps %d scans of the %d asked for between two publications",
                self._peer,
                result.RevisedQueueSize,
                QUEUE_SIZE,
            )
