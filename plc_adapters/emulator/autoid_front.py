"""An AutoID device over OPC UA: a scanner of its own beside the emulated PLC.

The library can't serve AutoID's own model, as it loses the fields that a type inherits; what a
client needs of it is made here: the device, its LastScanData, and its events with their results.
"""

from datetime import UTC

from asyncua import Node, ua
from asyncua import Server as OpcuaServer
from asyncua.common.events import Event

from plc_adapters.emulator.listen_sections import ListenOpcua
from plc_adapters.emulator.opcua_server import Listening, own_pair, secured_server
from plc_adapters.emulator.scan_results import AIM_BYTES, OPTICAL_ENCODING, STRING, optical_result
from plc_adapters.emulator.scanner_sections import ScannerFaults

AUTOID = "http://opcfoundation.org/UA/AutoID/"
OWN = "urn:sorting-centre:emulator"
"""Namespace of the device, and of the event field with the piece id."""
DEVICE = "Scanner"
TRIGGER_FIELD = "TriggerId"
OPTICAL_SCAN_EVENT = 1009
SOUND = ScannerFaults()
UNKNOWN_KIND = 9
"""Of a scan's data, told on purpose."""
STANDING_ID = 1
"""Piece id of every scan of a scanner that does not count on."""


class AutoIdFront(Listening):
    """Serves one scanner.

    Raises:
        EmulatorConfigError: certificate or key can't be used.
    """

    def __init__(self, settings: ListenOpcua, faults: ScannerFaults = SOUND) -> None:
        super().__init__()
        self._settings = settings
        self.faults = faults
        self._own = own_pair(settings)
        self._device: Node
        self._last: Node
        self._autoid = 0

    async def tell(self, codes: tuple[bytes, ...], read_ns: int, piece_id: int) -> None:
        """Tell what was read, as an event and, of the first code, as LastScanData."""
        assert self._server is not None
        faults = self.faults
        codes = codes or ((faults.says_no_read.encode(),) if faults.says_no_read else ())
        read_ns += faults.stamp_ahead_ms * 1_000_000
        kind = UNKNOWN_KIND if faults.unknown_kind else STRING
        instant = ua.DateTime.fromtimestamp(read_ns / 1e9, UTC)
        encoding = ua.NodeId(ua.Int32(OPTICAL_ENCODING), ua.Int16(self._autoid))
        results = [
            ua.ExtensionObject(encoding, ua.ByteString(optical_result(code, read_ns, kind)))
            for code in codes
        ]
        event = Event(self._device.nodeid)
        event_type = ua.NodeId(ua.Int32(OPTICAL_SCAN_EVENT), ua.Int16(self._autoid))
        event.add_property("EventType", event_type, ua.VariantType.NodeId)
        event.add_property("Time", instant, ua.VariantType.DateTime)
        event.add_property("ScanResult", results, ua.VariantType.ExtensionObject)
        event.add_property("DeviceName", DEVICE, ua.VariantType.String)
        if not faults.no_trigger_id:
            told_id = STANDING_ID if faults.trigger_stands else piece_id
            event.add_property(TRIGGER_FIELD, told_id, ua.VariantType.UInt32)
        await self._server.iserver.isession.subscription_service.trigger_event(event)
        first = codes[0] if codes else b""
        code = first[AIM_BYTES:] if first.startswith(b"]") else first
        await self._server.write_attribute_value(
            self._last.nodeid,
            ua.DataValue(
                ua.Variant(code.decode("utf-8", "replace"), ua.VariantType.String),
                SourceTimestamp=instant,
            ),
        )

    async def _build(self, address: tuple[str, int]) -> OpcuaServer:
        server = await secured_server(self._settings, self._own, address, "Emulated scanner")
        await self._add_device(server)
        return server

    async def _add_device(self, server: OpcuaServer) -> None:
        self._autoid = await server.register_namespace(OWN if self.faults.no_autoid else AUTOID)
        own = await server.register_namespace(OWN)
        self._device = await server.nodes.objects.add_object(
            ua.NodeId.from_string(f"ns={own};s={DEVICE}"), f"{own}:{DEVICE}"
        )
        if not self.faults.no_events:
            await self._device.set_event_notifier([ua.EventNotifier.SubscribeToEvents])
        self._last = await self._device.add_variable(
            ua.NodeId.from_string(f"ns={own};s={DEVICE}.LastScanData"),
            f"{self._autoid}:LastScanData",
            ua.Variant("", ua.VariantType.String),
        )
