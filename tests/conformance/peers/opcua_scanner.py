"""An AutoID device served by the ``opcua`` package; see ``tests/interop/node/scanner_peer.mjs``.

``python -m tests.conformance.peers.opcua_scanner CERTIFICATE KEY``
"""

import json
import logging
import struct
import sys
import time
import warnings
from datetime import datetime, timedelta

warnings.simplefilter("ignore")
from opcua import Server, ua  # noqa: E402
from opcua.common.events import Event  # noqa: E402

AUTOID, OWN = "http://opcfoundation.org/UA/AutoID/", "urn:sorting-centre:emulator"
SYMBOLOGY = 8
KINDS = {"bytes": 1, "text": 2, "epc": 3}
TICKS_1601 = 116_444_736_000_000_000


def sized(data: bytes) -> bytes:
    return struct.pack("<i", len(data)) + data


def body(kind: str, text: str, at_ns: int) -> bytes:
    """An OpticalScanResult (OPC 30010, 9.3.10), or for a tag what an RfidScanResult begins with."""
    aim = text[:3] if text.startswith("]") and kind == "text" else ""
    data = sized(text[len(aim) :].encode())
    if kind == "epc":
        data = struct.pack("<H", 0x3000) + sized(bytes.fromhex(text)) + struct.pack("<HH", 0, 0)
    head = struct.pack("<I", SYMBOLOGY if aim else 0) + sized(b"RAW:STRING")
    ticks = struct.pack("<q", at_ns // 100 + TICKS_1601)
    return (
        head + struct.pack("<I", KINDS[kind]) + data + ticks + (sized(aim.encode()) if aim else b"")
    )


def main(certificate: str, key: str) -> None:
    logging.disable(logging.CRITICAL)
    server = Server()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.load_certificate(certificate)
    server.load_private_key(key)
    own, autoid = server.register_namespace(OWN), server.register_namespace(AUTOID)
    device = server.get_objects_node().add_object(
        ua.NodeId.from_string(f"ns={own};s=Scanner"), f"{own}:Scanner"
    )
    device.set_event_notifier([ua.EventNotifier.SubscribeToEvents])
    last = device.add_variable(
        ua.NodeId.from_string(f"ns={own};s=Last"), f"{autoid}:LastScanData", ua.Variant("")
    )
    server.start()
    print(server.bserver.port, flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        at = datetime.utcnow() - timedelta(milliseconds=told["ago_ms"])
        at_ns = time.time_ns() - told["ago_ms"] * 1_000_000
        results = []
        for kind, text in told["codes"]:
            result = ua.ExtensionObject()
            result.TypeId = ua.NodeId(5011 if kind == "epc" else 5040, autoid)
            result.Body = body(kind, text, at_ns)
            results.append(result)
        event = Event(device.nodeid)
        event.emitting_node = device.nodeid
        event.add_property("EventType", ua.NodeId(1009, autoid), ua.VariantType.NodeId)
        event.add_property("Time", at, ua.VariantType.DateTime)
        event.add_property("ScanResult", results, ua.VariantType.ExtensionObject)
        event.add_property("TriggerId", told["piece"], ua.VariantType.UInt32)
        server.iserver.subscription_service.trigger_event(event)
        first = told["codes"][0][1] if told["codes"] else ""
        code = first[3:] if first.startswith("]") else first
        value = ua.DataValue(ua.Variant(code, ua.VariantType.String))
        value.SourceTimestamp = at
        last.set_value(value)
        print("ok", flush=True)
    server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:3])
