"""What the upstream host was asked for a piece and what it said, by the piece's decisions."""

from collections.abc import Sequence
from typing import Any

from plc_adapters.contract import Disposition
from sorter.ports import HoldKind, HostAnswer

WAITING = (Disposition.AWAITING_HOST, Disposition.HOST_LATE)
"""Decisions with which the host is asked, or asked again."""
_NAMES = {int(answer): answer.name.lower() for answer in HostAnswer}


def conversation(decisions: Sequence[Any]) -> dict[str, Any] | None:
    """Return what was asked and said of a piece, None where the host was not asked for it.

    Args:
        decisions: Rows of ``decision``, in the order of time.

    Returns:
        Instants as ISO 8601. ``late``: the wait was over, and the piece on its way to the chute for
        that, before an answer came; or none came. An answer that changed nothing any more is not in
        the journal, and so not here.
    """
    asked = [row for row in decisions if row["disposition"] in WAITING and not row["host_answer"]]
    answers = [row for row in decisions if row["host_answer"]]
    if not asked and not answers:
        return None
    first = asked[0]["decided_at"] if asked else None
    answered = answers[0]["decided_at"] if answers else None
    over = [row for row in asked if row["disposition"] == Disposition.HOST_LATE]
    return {
        "asked_at": _time(first),
        "asked": len(asked),
        "answered_at": _time(answered),
        "answered_after_ms": round((answered - first).total_seconds() * 1000)
        if first and answered
        else None,
        "late": bool(over) and (answered is None or over[0]["decided_at"] <= answered),
        "answers": [{"at": _time(row["decided_at"]), **said_of(row)} for row in answers],
    }


def said_of(row: Any) -> dict[str, Any]:
    """Return what the host said, of a decision that its answer led to."""
    return {
        "said": _NAMES.get(row["host_answer"], str(row["host_answer"])),
        "destination": max(row["destination"], 0) or None,
        "holds": [kind.name for kind in HoldKind if row["host_holds"] & kind],
    }


def _time(instant: Any) -> str | None:
    return instant.isoformat(timespec="milliseconds") if instant else None
