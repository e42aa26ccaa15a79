"""Where registers stand among variables, and what a link's settings must agree on."""

from dataclasses import replace
from pathlib import Path

import pytest

from plc_adapters.contract import AdapterError
from plc_adapters.mailbox.table import SEAT_SIZE, image_size, instruction_address, seat_address
from plc_adapters.opcua.nodes import PER_SLOT, NodeMap, Part, parts_of, variables
from plc_adapters.opcua.settings import OpcuaLink

SIEMENS = NodeMap(
    header='s="Mailbox"."header"',
    seat='s="Mailbox"."seats"[{seat}]."head"',
    instruction='s="Mailbox"."seats"[{seat}]."instructions"[{slot}]',
    events='s="Mailbox"."events"[{slot}]',
)


@pytest.mark.parametrize("nodes", [NodeMap(), PER_SLOT, SIEMENS])
@pytest.mark.parametrize("event_slots", [8, 256])
def test_the_variables_cover_the_image_without_overlap(nodes: NodeMap, event_slots: int) -> None:
    at = 0
    found = variables(nodes, event_slots)
    for variable in found:
        assert variable.base == at
        at += variable.size
    assert at == image_size(event_slots)
    assert len({variable.identifier for variable in found}) == len(found)


def told(parts: list[Part]) -> list[tuple[str, str, int]]:
    return [(part.variable.identifier, part.index_range, part.count) for part in parts]


def test_arrays_are_asked_for_by_index_range() -> None:
    nodes = NodeMap()
    assert told(parts_of(nodes, 0, 40)) == [("s=Mailbox.Header", "", 40)]
    assert told(parts_of(nodes, seat_address(1), 5)) == [("s=Mailbox.Seat1", "0:4", 5)]
    assert told(parts_of(nodes, instruction_address(0, 33), 36)) == [
        ("s=Mailbox.Seat0", "26:61", 36)
    ]
    assert told(parts_of(nodes, 1208 + 80, 1)) == [("s=Mailbox.Events", "80", 1)]


def test_slots_are_asked_for_one_by_one() -> None:
    assert told(parts_of(PER_SLOT, 1208 + 80, 80)) == [
        ("s=Mailbox.Event2", "", 40),
        ("s=Mailbox.Event3", "", 40),
    ]
    assert told(parts_of(PER_SLOT, instruction_address(1, 31), 18)) == [
        ("s=Mailbox.Seat1.Instruction31", "", 18)
    ]
    assert told(parts_of(PER_SLOT, seat_address(0), 5)) == [("s=Mailbox.Seat0.Head", "", 5)]
    ends = parts_of(SIEMENS, seat_address(1) + SEAT_SIZE - 18, 18 + 40)
    assert [part.variable.identifier for part in ends] == [
        's="Mailbox"."seats"[1]."instructions"[31]',
        's="Mailbox"."events"[0]',
    ]


SECURE = OpcuaLink("opc.tcp://x:4840", certificate=Path("c"), key=Path("k"), trusted=Path("t"))


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        (replace(SECURE, url="http://x"), "must begin with opc.tcp://"),
        (replace(SECURE, certificate=None), "certificate: missing; security_policy"),
        (replace(SECURE, trusted=None), "trusted: missing"),
        (replace(SECURE, user="a"), "a user needs exactly one of them"),
        (replace(SECURE, security_policy="None", user="a", password_env="X"), "unprotected"),
        (replace(SECURE, user_certificate=Path("u")), "one is useless without the other"),
        (replace(SECURE, nodes=NodeMap(header="Header")), "nodes.header: 'Header' must begin"),
        (replace(SECURE, nodes=NodeMap(seat="s=Seat")), "must hold {seat}"),
        (replace(SECURE, nodes=NodeMap(instruction="s=I{slot}")), "must hold {seat} and {slot}"),
        (replace(SECURE, words_per_read=19_201), "words_per_read: 19201 holds more events"),
    ],
)
def test_what_contradicts_itself_is_named(link: OpcuaLink, problem: str) -> None:
    with pytest.raises(AdapterError, match="//x") as caught:
        OpcuaLink.of(link)
    assert problem in str(caught.value)


def test_settings_are_copied_from_whatever_has_them() -> None:
    assert OpcuaLink.of(SECURE) == SECURE
    most = replace(SECURE, words_per_read=19_200)
    assert OpcuaLink.of(most) == most
    with pytest.raises(AdapterError, match="the settings lack url, security_policy"):
        OpcuaLink.of(object())
