"""Instructions on their way: numbered, fitted into the ring, written again after a break."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.contract import INSTRUCTION, Records
from plc_adapters.mailbox.clock_map import ClockMap
from plc_adapters.mailbox.outbox import OUTSTANDING_MAX, WAITING_MAX, Outbox
from plc_adapters.mailbox.sequences import SEQUENCES, advance
from plc_adapters.mailbox.table import image_size, instruction_address

EPOCH = 9


def clock_map() -> ClockMap:
    made = ClockMap()
    made.sample(0, 0)
    return made


def instructions(*pieces: int) -> Records:
    records = np.zeros(len(pieces), INSTRUCTION)
    records["piece_id"] = pieces
    records["deadline_ns"] = 5_000_000
    return records


class Peer:
    """A PLC that takes what is next in its seat, as the printed map says."""

    def __init__(self, seat: int, consumed: int) -> None:
        self.image = [0] * image_size(8)
        self.seat = seat
        self.consumed = consumed
        self.taken: list[tuple[int, int]] = []

    def write(self, address: int, registers: list[int]) -> None:
        self.image[address : address + len(registers)] = registers

    def take(self, limit: int = 32) -> None:
        for _ in range(limit):
            expected = advance(self.consumed, 1)
            at = (48, 632)[self.seat] + expected % 32 * 18
            slot = self.image[at : at + 18]
            if slot[16] << 16 | slot[17] != expected:
                return
            assert sum(slot[:15]) & 0xFFFF == slot[15]
            assert slot[0] << 16 | slot[1] == EPOCH
            self.consumed = expected
            self.taken.append((expected, slot[2] << 16 | slot[3]))


def flush(outbox: Outbox, peer: Peer) -> int:
    outbox.number(EPOCH, clock_map())
    runs = 0
    while run := outbox.next_run():
        peer.write(run.address, run.registers)
        outbox.wrote(run)
        runs += 1
    return runs


def test_nothing_to_write_at_first() -> None:
    outbox = Outbox(0, 123, "big")
    assert outbox.next_run() is None
    assert (outbox.outstanding, outbox.waiting) == (0, 0)


def test_instructions_get_sequence_epoch_and_deadline() -> None:
    outbox = Outbox(1, 123, "big")
    outbox.add(instructions(70_000, 5))
    outbox.number(EPOCH, clock_map())
    run = outbox.next_run()
    assert run is not None
    assert (run.address, run.last) == (632 + 18, 2)
    body = [0, EPOCH, 1, 70_000 - 65_536, *[0] * 7, 0, 0, 0, 5]
    assert run.registers[:18] == [*body, sum(body), 0, 1]
    assert run.registers[18 + 2 : 18 + 4] == [0, 5]
    assert run.registers[34:] == [0, 2]


def test_records_given_are_copied() -> None:
    outbox, peer = Outbox(0, 123, "big"), Peer(0, 0)
    given_records = instructions(1)
    outbox.add(given_records)
    given_records["piece_id"] = 2
    flush(outbox, peer)
    peer.take()
    assert peer.taken == [(1, 1)]
    assert given_records["sequence"] == 0


@pytest.mark.parametrize(("words", "lengths"), [(123, [6, 4]), (18, [1] * 10), (40, [2] * 5)])
def test_runs_fit_a_write(words: int, lengths: list[int]) -> None:
    outbox = Outbox(0, words, "big")
    outbox.add(instructions(*range(1, 11)))
    outbox.number(EPOCH, clock_map())
    found = []
    while run := outbox.next_run():
        assert len(run.registers) <= words
        found.append(len(run.registers) // 18)
        outbox.wrote(run)
    assert found == lengths


def test_never_more_outstanding_than_the_ring_holds() -> None:
    outbox, peer = Outbox(0, 123, "big"), Peer(0, 0)
    outbox.add(instructions(*range(1, 101)))
    flush(outbox, peer)
    assert (outbox.outstanding, outbox.waiting) == (OUTSTANDING_MAX, 100 - OUTSTANDING_MAX)
    flush(outbox, peer)
    assert outbox.outstanding == OUTSTANDING_MAX
    peer.take()
    outbox.consume(peer.consumed)
    assert outbox.outstanding == 0
    flush(outbox, peer)
    assert outbox.outstanding == OUTSTANDING_MAX


def test_of_too_many_the_oldest_are_dropped() -> None:
    outbox, peer = Outbox(0, 123, "big"), Peer(0, 0)
    assert outbox.add(instructions(*range(WAITING_MAX))) == 0
    assert outbox.add(instructions(5000, 5001)) == 2
    assert outbox.waiting == WAITING_MAX
    flush(outbox, peer)
    peer.take()
    assert peer.taken[0] == (1, 2)


def test_only_what_is_outstanding_can_be_consumed() -> None:
    outbox, peer = Outbox(0, 123, "big"), Peer(0, 0)
    outbox.add(instructions(1, 2, 3))
    flush(outbox, peer)
    for sequence in (0, 4, SEQUENCES):
        outbox.consume(sequence)
        assert outbox.outstanding == 3
    outbox.consume(2)
    outbox.consume(1)
    assert outbox.outstanding == 1


def test_after_a_break_all_that_was_not_taken_is_written_again() -> None:
    outbox, peer = Outbox(0, 36, "big"), Peer(0, 0)
    outbox.add(instructions(1, 2, 3, 4, 5))
    outbox.number(EPOCH, clock_map())
    first = outbox.next_run()
    assert first is not None
    peer.write(first.address, first.registers)
    outbox.wrote(first)
    assert outbox.next_run() is not None, "this one is lost with the connection"
    peer.take(1)
    assert outbox.reconnect(peer.consumed) == 3
    flush(outbox, peer)
    peer.take()
    assert peer.taken == [(n, n) for n in range(1, 6)]
    outbox.consume(peer.consumed)
    assert outbox.reconnect(peer.consumed) == 0


def test_what_was_taken_is_not_written_even_if_the_write_seemed_lost() -> None:
    outbox, peer = Outbox(0, 123, "big"), Peer(0, 0)
    outbox.add(instructions(1, 2))
    outbox.number(EPOCH, clock_map())
    run = outbox.next_run()
    assert run is not None
    peer.write(run.address, run.registers)
    peer.take()
    outbox.consume(peer.consumed)
    assert outbox.next_run() is None


def test_a_new_boot_drops_what_was_meant_for_the_old_one() -> None:
    outbox = Outbox(0, 123, "big")
    outbox.add(instructions(*range(40)))
    outbox.number(EPOCH, clock_map())
    assert outbox.restart(7) == 40
    assert (outbox.outstanding, outbox.waiting) == (0, 0)
    assert outbox.next_run() is None
    peer = Peer(0, 7)
    outbox.add(instructions(3))
    flush(outbox, peer)
    peer.take()
    assert peer.taken == [(8, 3)]


def test_drop_all_keeps_what_has_a_number() -> None:
    outbox = Outbox(0, 123, "big")
    outbox.add(instructions(1))
    outbox.number(EPOCH, clock_map())
    outbox.add(instructions(2, 3))
    assert outbox.drop_all() == 2
    assert (outbox.outstanding, outbox.waiting) == (1, 0)


@pytest.mark.parametrize("seat", [0, 1])
@given(
    start=st.integers(SEQUENCES - 80, SEQUENCES),
    words=st.sampled_from([18, 54, 123]),
    amounts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 32)), min_size=1, max_size=12),
)
def test_all_arrive_once_and_in_order_across_the_wrap(
    seat: int, start: int, words: int, amounts: list[tuple[int, int]]
) -> None:
    outbox, peer = Outbox(seat, words, "big"), Peer(seat, start)
    assert outbox.restart(start) == 0
    pieces = 0
    for more, taken in [*amounts, *[(0, 32)] * 20]:
        assert outbox.add(instructions(*range(pieces, pieces + more))) == 0
        pieces += more
        outbox.number(EPOCH, clock_map())
        run = outbox.next_run()
        if run is not None:
            first = run.last if len(run.registers) == 18 else None
            assert first is None or run.address == instruction_address(seat, first)
        flush(outbox, peer)
        peer.take(taken)
        outbox.consume(peer.consumed)
    assert [piece for _, piece in peer.taken] == list(range(pieces))
    assert outbox.outstanding == outbox.waiting == 0
