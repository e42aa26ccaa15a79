"""What a decision does to a piece and to the chutes: the room it keeps, the facts it leaves.

These few lines run in the decision itself, when a journaled decision is applied again, and when the
PLC says that it holds another instruction; so the three can't differ.
"""

import numpy as np

from plc_adapters.contract import CHUTES_MAX, CODE_BYTES, Disposition, Records
from sorter.assignment.compiled import compiled
from sorter.assignment.holds import is_hold
from sorter.assignment.missorts import bind_by_decision
from sorter.assignment.rates import take
from sorter.ports import HELD_BACK

CONFLICT = int(Disposition.CONFLICT)
AWAITING_HOST = int(Disposition.AWAITING_HOST)
CONTRADICTED = 2
"""In ``conflict``: not one scan showed two waybills, but two scans one each."""


@compiled
def release(piece: np.void, chutes: Records) -> None:
    """Give back the room that is kept for a piece, if any."""
    number = int(piece["reserved_chute"])
    if number != 0:
        chute = chutes[number]
        chute["reserved"] = max(int(chute["reserved"]) - 1, 0)
        piece["reserved_chute"] = 0


@compiled
def reserve(piece: np.void, chutes: Records, number: int) -> None:
    """Keep room for a piece in this chute instead of where it was kept; 0 keeps none."""
    release(piece, chutes)
    if 0 < number < len(chutes):
        chute = chutes[number]
        chute["reserved"] = int(chute["reserved"]) + 1
        piece["reserved_chute"] = number


@compiled
def hold(decision: np.void, piece: np.void, chutes: Records) -> None:
    """Apply a decision to its piece; move its room, and count it, to the first chute named."""
    bind_by_decision(piece, decision)
    piece["disposition"] = decision["disposition"]
    piece["revision"] = decision["revision"]
    piece["group"] = decision["group"]
    piece["plan_version"] = decision["plan_version"]
    piece["answer"] = 0
    if int(decision["disposition"]) == AWAITING_HOST and piece["asked_lap"] == 0:
        piece["asked_lap"] = int(decision["lap"]) + 1
    if decision["host_answer"] != 0:
        piece["host_answer"] = decision["host_answer"]
        piece["host_holds"] = int(piece["host_holds"]) | int(decision["host_holds"])
    if int(decision["disposition"]) == CONFLICT and piece["conflict"] == 0:
        # Another scan had named a waybill already: this may be another piece.
        piece["conflict"] = 1 if int(piece["waybill_length"]) == 0 else CONTRADICTED
    named = decision["chutes"]
    held = piece["chutes"]
    first = int(named[0])
    if 0 < first < len(chutes) and first != int(held[0]):
        take(chutes[first], int(decision["decided_ns"]))
    for k in range(CHUTES_MAX):
        held[k] = named[k]
    if int(piece["first_chute"]) == 0:
        piece["first_chute"] = first
    reserve(piece, chutes, first)
    if int(decision["waybill_length"]) != 0:
        piece["brand"] = decision["brand"]
        piece["service_class"] = decision["service_class"]
        # A held piece forgets where it was bound: should its row of pre-advice go, no later lap
        # may route it by what an earlier one knew, or by what is printed on it.
        destination = int(decision["destination"])
        if is_hold(int(decision["disposition"])):
            piece["destination"] = HELD_BACK
        elif destination != 0 or int(piece["destination"]) != HELD_BACK:
            piece["destination"] = destination
        piece["waybill_length"] = decision["waybill_length"]
        read = decision["waybill"]
        known = piece["waybill"]
        for k in range(CODE_BYTES):
            known[k] = read[k]
