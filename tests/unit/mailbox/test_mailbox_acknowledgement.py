"""Which acknowledgements may go to the PLC, across its restarts."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.mailbox.acknowledgement import AcknowledgementGate
from plc_adapters.mailbox.sequences import SEQUENCES, advance, distance


def gate_with(delivered: int, accepted: int = 0) -> AcknowledgementGate:
    gate = AcknowledgementGate()
    gate.resume(accepted)
    gate.delivered = delivered
    return gate


def test_takes_what_was_delivered_and_nothing_else() -> None:
    gate = gate_with(10)
    gate.offer(0)
    assert gate.accepted == 0
    gate.offer(4)
    gate.offer(3)
    assert gate.accepted == 4
    gate.offer(11)
    assert gate.accepted == 4
    gate.offer(10)
    assert gate.accepted == 10


def test_takes_acknowledgements_across_the_wrap() -> None:
    gate = gate_with(3, accepted=SEQUENCES - 1)
    gate.offer(SEQUENCES)
    assert gate.accepted == SEQUENCES
    gate.offer(2)
    assert gate.accepted == 2


def test_reads_freely_while_there_was_no_restart() -> None:
    assert gate_with(10).slots_free(11, 3) == 3


def test_after_a_restart_nothing_is_read_until_the_journal_holds_the_boot_before() -> None:
    gate = gate_with(100)
    gate.offer(98)
    gate.restart(0, 100, journaled=False)
    assert gate.slots_free(1, 3) == 0
    gate.offer(99)
    assert (gate.accepted, gate.slots_free(1, 3)) == (0, 0)
    gate.offer(100)
    assert (gate.accepted, gate.slots_free(1, 3)) == (0, 3)


def test_the_last_word_of_the_boot_before_is_not_taken_for_the_new_one() -> None:
    gate = gate_with(5)
    gate.offer(5)
    gate.restart(0, 5, journaled=False)
    assert gate.slots_free(3, 3) == 2
    gate.delivered = 4
    assert gate.slots_free(5, 3) == 0
    gate.offer(5)
    assert gate.accepted == 0
    gate.offer(4)
    assert gate.accepted == 4
    gate.delivered = 8
    gate.offer(5)
    assert gate.accepted == 5


def test_a_boot_that_begins_at_the_last_word_of_the_one_before() -> None:
    gate = gate_with(5)
    gate.offer(5)
    gate.restart(4, 5, journaled=False)
    assert gate.slots_free(5, 3) == 1
    gate.delivered = 5
    gate.offer(5)
    assert gate.accepted == 4
    assert gate.slots_free(6, 3) == 3
    gate.delivered = 7
    gate.offer(7)
    assert gate.accepted == 7


def test_two_restarts_at_once_still_wait_for_the_first_boot() -> None:
    gate = gate_with(100)
    gate.restart(0, 100, journaled=False)
    gate.restart(0, gate.delivered, journaled=False)
    assert gate.slots_free(1, 3) == 0
    gate.offer(100)
    gate.delivered = 60
    gate.restart(0, 100, journaled=True)
    gate.delivered = 99
    gate.restart(0, gate.delivered, journaled=False)
    gate.restart(0, gate.delivered, journaled=False)
    assert gate.slots_free(1, 3) == 0
    gate.offer(99)
    assert gate.slots_free(1, 3) == 3


def test_a_repeated_last_word_survives_a_boot_that_said_nothing() -> None:
    gate = gate_with(5)
    gate.offer(5)
    for _ in range(3):
        gate.restart(0, gate.delivered, journaled=False)
    gate.delivered = 4
    gate.offer(5)
    assert gate.slots_free(5, 3) == 0
    assert gate.accepted == 0


@dataclass
class World:
    """A PLC that has always more to say and may start anew, and a line that journals behind."""

    gate: AcknowledgementGate = field(default_factory=AcknowledgementGate)
    boot: int = 0
    begun: int = 0
    expected: int = 1
    given: list[tuple[int, int]] = field(default_factory=list)
    journaled: int = 0

    def step(self, action: tuple[str, int]) -> None:
        name, number = action
        if name == "restart":
            self.boot += 1
            self.begun = number
            self.gate.restart(number, self.gate.delivered, journaled=False)
            self.expected = advance(number, 1)
        elif name == "journal":
            self.journaled = min(len(self.given), self.journaled + number)
        else:
            self.read(number)
        if self.journaled:
            self.gate.offer(self.given[self.journaled - 1][1])
        self.check()

    def read(self, wanted: int) -> None:
        for _ in range(self.gate.slots_free(self.expected, wanted)):
            self.given.append((self.boot, self.expected))
            self.gate.delivered = self.expected
            self.expected = advance(self.expected, 1)

    def check(self) -> None:
        """Never acknowledge what the journal does not hold."""
        if distance(self.gate.accepted, self.begun) > 0:
            assert (self.boot, self.gate.accepted) in self.given[: self.journaled]


ACTION = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 3)),
    st.tuples(st.just("journal"), st.integers(1, 4)),
    st.tuples(st.just("restart"), st.sampled_from([0, 0, 0, 1, 3, SEQUENCES - 2])),
)


@given(st.lists(ACTION, max_size=40))
def test_no_run_of_restarts_frees_what_no_journal_holds_nor_blocks_the_ring(
    actions: list[tuple[str, int]],
) -> None:
    world = World()
    for action in actions:
        world.step(action)
    before = len(world.given)
    for _ in range(60):
        world.step(("read", 3))
        world.step(("journal", 100))
    assert len(world.given) > before + 100
    assert distance(world.gate.delivered, world.gate.accepted) <= 3
