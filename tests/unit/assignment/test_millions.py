"""The compiled decision and the plain one on thousands of pieces; the command asks for millions."""

from tests.unit.assignment.agreement import WITH_JIT, Compared, compare_round

WORLDS = 8 if WITH_JIT else 1


def test_thousands_of_pieces() -> None:
    compared = Compared()
    compare_round(20261126, WORLDS, compared)
    assert compared.worlds == WORLDS
    assert compared.pieces > 900 * WORLDS
    assert compared.decisions.total() > compared.pieces
