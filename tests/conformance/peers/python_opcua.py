"""The server of the ``opcua`` package over plain memory: a variable per slot.

It answers a range with the whole array and would replace the array by a part that is written.
``python -m tests.conformance.peers.python_opcua EVENT_SLOTS CERTIFICATE KEY``
"""

import logging
import sys
import warnings

warnings.simplefilter("ignore")
from opcua import Server, ua  # noqa: E402

from plc_adapters.mailbox.table import image_size  # noqa: E402
from plc_adapters.opcua.nodes import PER_SLOT, variables  # noqa: E402
from tests.conformance.peers.lines import EVENTS, SEATS, Answers, apply  # noqa: E402


def main(event_slots: int, certificate: str, key: str) -> None:
    logging.disable(logging.CRITICAL)
    server = Server()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.load_certificate(certificate)
    server.load_private_key(key)
    index = server.register_namespace(PER_SLOT.namespace)
    registers = [0] * image_size(event_slots)
    found = variables(PER_SLOT, event_slots)
    nodes = []
    for variable in found:
        node_id = ua.NodeId.from_string(f"ns={index};{variable.identifier}")
        value = ua.Variant([0] * variable.size, ua.VariantType.UInt16)
        node = server.get_objects_node().add_variable(node_id, variable.identifier[2:], value)
        node.set_writable()
        nodes.append(node)
    head = server.get_objects_node().add_variable(
        ua.NodeId.from_string(f"ns={index};{PER_SLOT.head}"),
        "Head",
        ua.Variant(0, ua.VariantType.UInt32),
    )
    server.start()
    print(server.bserver.port, flush=True)
    answers = Answers()
    shown: list[list[int]] = [[] for _ in found]
    for line in sys.stdin:
        apply(line, registers)
        written = any(
            SEATS <= int(run.partition(":")[0]) < EVENTS for run in line.split(";") if ":" in run
        )
        # The ring before the header, as a PLC writes it.
        for place in reversed(range(len(found))):
            variable, node = found[place], nodes[place]
            span = slice(variable.base, variable.base + variable.size)
            hosts = SEATS <= variable.base < EVENTS
            if hosts and not written:
                registers[span] = node.get_value()
            elif hosts or registers[span] != shown[place]:
                shown[place] = registers[span]
                node.set_value(ua.Variant(registers[span], ua.VariantType.UInt16))
        head.set_value(ua.Variant(registers[12] << 16 | registers[13], ua.VariantType.UInt32))
        print(answers.to(registers), flush=True)
    server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
