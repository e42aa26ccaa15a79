"""The printed list of OPC UA nodes: every variable that the adapter asks for, and its size."""

import re

import pytest

from plc_adapters.mailbox.register_map import MapError
from plc_adapters.mailbox.table import image_size
from plc_adapters.opcua.nodes import NAMESPACE, PER_SLOT, NodeMap, variables
from plc_adapters.reference.node_list import as_node_list

ROW = re.compile(
    r"^\| `(.*?)` \| (\d+) \| UInt(16|32)(?:\[(\d+)\])? \| (.*?) \| (\d+)", re.MULTILINE
)


def rows(text: str) -> dict[str, tuple[int, int, str, int]]:
    """By identifier: variables of that kind, size of one, what a host may, first register."""
    return {
        name: (int(copies), int(size or 2), may, int(first))
        for name, copies, _, size, may, first in ROW.findall(text)
    }


@pytest.mark.parametrize("event_slots", [8, 256])
def test_every_variable_of_both_layouts_is_listed(event_slots: int) -> None:
    text = as_node_list(event_slots)
    assert NAMESPACE in text
    by_block, by_slot = (rows(part) for part in text.split("## ")[1:])
    blocks = variables(NodeMap(), event_slots)
    assert [(one.identifier, one.size, one.base) for one in blocks] == [
        (name, size, first) for name, (_, size, _, first) in by_block.items() if name[-4:] != "Head"
    ]
    assert {name for name, row in by_block.items() if "write" in row[2]} == {
        "s=Mailbox.Seat0", "s=Mailbox.Seat1",
    }  # fmt: skip
    slots = variables(PER_SLOT, event_slots)
    head = by_slot.pop("s=Mailbox.Head")
    assert head == by_block["s=Mailbox.Head"] == (1, 2, "read", 12)
    assert sum(copies for copies, *_ in by_slot.values()) == len(slots)
    assert sum(copies * size for copies, size, *_ in by_slot.values()) == image_size(event_slots)
    first = {one.identifier: one.base for one in slots}
    for name, (_, _, _, base) in by_slot.items():
        assert first[name.replace("{seat}", "0").replace("{slot}", "0")] == base


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(MapError) as refused:
        as_node_list(9)
    assert refused.value.setting == "event_slots"
