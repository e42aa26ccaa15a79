"""What is said of a PLC whose registers are not the mailbox expected."""

import re

import pytest

from plc_adapters.contract import AdapterError
from plc_adapters.mailbox.proof import prove_layout

PEER = "10.0.0.7:502 unit 1 register 0"
GOOD = [0x1234, 0x5678, 0x4142, 0x4344, 1, 256, *[0] * 34]


def told(changed: dict[int, int], word_order: str = "big", text_order: str = "big") -> str:
    registers = [changed.get(at, word) for at, word in enumerate(GOOD)]
    with pytest.raises(AdapterError) as error:
        prove_layout(registers, PEER, word_order, text_order)  # type: ignore[arg-type]
    assert str(error.value).startswith(f"{PEER}: ")
    return str(error.value)


@pytest.mark.parametrize("word_order", ["big", "little"])
@pytest.mark.parametrize("text_order", ["big", "little"])
@pytest.mark.parametrize("event_slots", [8, 256, 1024])
def test_a_mailbox_stored_as_configured_is_proven(
    word_order: str, text_order: str, event_slots: int
) -> None:
    magic = [0x1234, 0x5678][:: 1 if word_order == "big" else -1]
    text = [0x4142, 0x4344] if text_order == "big" else [0x4241, 0x4443]
    registers = [*magic, *text, 1, event_slots, *[0] * 34]
    prove_layout(registers, PEER, word_order, text_order)  # type: ignore[arg-type]


def test_words_the_other_way() -> None:
    message = told({0: 0x5678, 1: 0x1234})
    assert "reads 16#5678 16#1234" in message
    assert 'set word_order = "little"' in message
    assert 'set word_order = "big"' in told({}, word_order="little")


@pytest.mark.parametrize("words", [(0x3412, 0x7856), (0x7856, 0x3412)])
def test_bytes_within_registers_swapped(words: tuple[int, int]) -> None:
    message = told({0: words[0], 1: words[1]})
    assert "bytes within each register are swapped" in message
    assert "turn the swap off" in message


def test_no_mailbox_at_all() -> None:
    message = told({0: 0, 1: 0xBEEF})
    assert "its first registers read 16#0000 16#BEEF" in message
    assert "16#12345678 should be; correct base_address" in message


def test_texts_the_other_way() -> None:
    message = told({2: 0x4241, 3: 0x4443})
    assert "magic text reads 16#4241 16#4443" in message
    assert 'set string_byte_order = "little"' in message
    assert 'set string_byte_order = "big"' in told({}, text_order="little")


@pytest.mark.parametrize("words", [(0, 0), (0x4344, 0x4142)])
def test_a_text_that_is_neither(words: tuple[int, int]) -> None:
    message = told({2: words[0], 3: words[1]})
    assert "the magic number is right" in message
    assert "ABCD should be; correct the PLC program's constant" in message


def test_another_version() -> None:
    message = told({4: 2})
    assert "layout version 2, this service speaks version 1" in message
    assert "bring the PLC program or the service" in message


@pytest.mark.parametrize("event_slots", [0, 4, 7, 100, 255, 257, 2048, 65535])
def test_a_ring_of_no_allowed_size(event_slots: int) -> None:
    message = told({5: event_slots})
    assert re.search(rf"event_slots is {event_slots}, but must be a power of two from 8", message)
    assert "correct it in the PLC program" in message
