"""The promises as a run can check them, against what the PLC itself says it told and did."""

import numpy as np

from plc_adapters.contract import DischargeStatus
from plc_adapters.mailbox.sequences import distance
from sorter.journal.disk import Disk
from sorter.journal.reader import entries
from sorter.line.again import Again, Sources
from sorter.simulation.plant import JOURNAL, LINE, OUTBOUND_CHUTES, is_held, machine
from sorter.simulation.plc import SimulatedPlc
from sorter.simulation.store import SimulatedStore
from sorter.simulation.trace import Violation

DEFAULTED = (
    DischargeStatus.DEFAULT_NO_INSTRUCTION,
    DischargeStatus.DEFAULT_HOST_SILENT,
    DischargeStatus.DEFAULT_LAP_LIMIT,
)


def check_recovered(plc: SimulatedPlc, boot_id: int, sequence: int, *, power_lost: bool) -> None:
    """Check promise 4 as a line starts: the journal holds all that its PLC was told to forget.

    A line on a new machine would start from the store; this one has its own disk. Power takes at
    most what was not synced, and nothing of that was acknowledged.

    Raises:
        Violation: an acknowledged event is gone.
    """
    acknowledged = plc.acknowledged.get(boot_id, 0) if boot_id else 0
    if boot_id and distance(acknowledged, sequence) > 0:
        how = "a power cut" if power_lost else "a kill"
        raise Violation(
            4, f"after {how} the journal ends at {sequence} of boot {boot_id}, but its PLC was "
            f"told to forget up to {acknowledged}",
        )  # fmt: skip


def check_records(plc: SimulatedPlc, store: SimulatedStore) -> None:
    """Check promises 2, 4, 5 and 8 once all is drained.

    Raises:
        Violation: the store and the PLC tell different stories.
    """
    if store.doubled:
        raise Violation(2, f"{store.doubled} rows stand twice")
    for key, told in plc.told.items():
        boot, sequence = key
        row = store.events.get(key)
        must = boot == plc.boot_id or distance(plc.acknowledged[boot], sequence) >= 0
        if row is None and must:
            raise Violation(4, f"event {key} ({told}) was accepted and is nowhere")
        if row is not None and (
            int(row["kind"]) != told.kind
            or int(row["status"]) & 0xFF != told.status & 0xFF
            or int(row["piece_id"]) != told.piece_id
        ):
            raise Violation(2, f"event {key} was told as {told} and is recorded as {row}")
    for key, row in store.events.items():
        if key not in plc.told:
            raise Violation(2, f"event {key} is recorded and was never told: {row}")
    _check_ends(plc, store)
    _check_versions(store)


def _check_ends(plc: SimulatedPlc, store: SimulatedStore) -> None:
    """Each piece that left is recorded once, as the PLC ended it; and a default as a default."""
    ended = plc.ended()
    for key, told in ended.items():
        if key[0] != plc.boot_id:
            continue
        row = store.pieces.get(key)
        if row is None:
            raise Violation(4, f"piece {key} left ({told}) and has no record")
        if int(row["outcome"]) != told.status:
            number = 5 if told.status in DEFAULTED else 2
            raise Violation(number, f"piece {key} left as {told} and is recorded as {row}")


def _check_versions(store: SimulatedStore) -> None:
    """Each piece is decided under one plan version."""
    versions: dict[tuple[int, int], set[int]] = {}
    for row in store.decisions.values():
        key = (int(row["boot_id"]), int(row["piece_id"]))
        versions.setdefault(key, set()).add(int(row["plan_version"]))
    for key, found in versions.items():
        if len(found) > 1:
            raise Violation(8, f"piece {key} was decided under plan versions {sorted(found)}")


def check_holds(plc: SimulatedPlc, store: SimulatedStore) -> None:
    """Check promise 7: no held piece left through an outbound chute because somebody named it.

    Raises:
        Violation: one did.
    """
    for key, told in plc.ended().items():
        row = store.pieces.get(key)
        if row is None or told.status != DischargeStatus.SORTED:
            continue
        length = int(row["waybill_length"])
        text = bytes(np.asarray(row["waybill"])[:length])
        if length and is_held(int(text[-4:])) and told.chute in OUTBOUND_CHUTES:
            raise Violation(7, f"held piece {key} left through outbound chute {told.chute}")


def check_decided_again(disk: Disk) -> None:
    """Check that each decision the journal still holds is the same when it is made once more.

    That is promise 8 to the letter: nothing but the piece, the line and its plan version decided.

    Raises:
        Violation: one is another.
    """
    shared = machine(10_000)
    again = Again(Sources(lambda version: shared.plans[version - 1], lambda _: shared.pre_advice))
    for each in entries(JOURNAL / LINE, 0, disk=disk):
        again.take(each.entry)
    if again.found.differ:
        raise Violation(8, f"decided otherwise when decided again: {again.found.differences[0]}")


def has_ended(plc: SimulatedPlc, store: SimulatedStore) -> bool:
    """Return whether everything that the PLC of the present boot told is in the store."""
    return all(key in store.events for key in plc.told if key[0] == plc.boot_id) and not plc.on_belt
