"""What commands over a line's socket leave in the audit log, and what its absence refuses."""

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from sorter.errors import Refusal
from sorter.wiring.audit_chain import Entry, entries, prove
from tests.unit.wiring.test_control import ANN, Rig, eventually

CHUTE = 2
BY = {"caller": "key:shift-2", "role": "operator"}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "state")


def kept(rig: Rig) -> list[Entry]:
    return [entry for entry, _ in entries(rig.state.audit)]


def test_each_change_is_kept_with_who_why_before_and_after(rig: Rig) -> None:
    async def work() -> None:
        await rig.ask("state")
        await rig.ask("lock", chute=CHUTE, by=BY, **ANN)
        await rig.ask("activate", version=2, expect=1, **ANN)
        await rig.ask("rollback", **ANN)
        await rig.ask("shadow", version=3, **ANN)
        await rig.ask("unlock", chute=CHUTE, **ANN)
        await rig.refusal("activate", version=9999, **ANN)

    rig.serve(work)
    found = kept(rig)
    intents, outcomes = found[::2], found[1::2]
    assert [each.action for each in intents] == [
        "lock", "activate", "rollback", "shadow", "unlock", "activate",
    ]  # fmt: skip
    assert [each.of for each in outcomes] == [each.number for each in intents]
    assert [each.outcome for each in outcomes] == ["done"] * 5 + ["refused"]
    assert "9999" in outcomes[-1].problem
    stood = [(before.before, after.after) for before, after in zip(intents, outcomes, strict=True)]
    assert stood[:5] == [
        ({"locked": []}, {"locked": [CHUTE]}),
        ({"version": 1, "pending": None}, {"version": 2, "pending": None}),
        ({"version": 2, "pending": None}, {"version": 1, "pending": None}),
        ({"shadow": 0}, {"shadow": 3}),
        ({"locked": [CHUTE]}, {"locked": []}),
    ]
    assert intents[1].after["version"] == 2
    by_key, by_shell = intents[0].who, intents[1].who
    assert (by_key["caller"], by_key["role"], by_key["via"]) == ("key:shift-2", "operator", "http")
    assert (by_shell["caller"], by_shell["via"], by_shell["uid"]) == ("", "shell", os.getuid())
    assert {each.line for each in found} == {"loop"}
    assert {(each.who["name"], each.why) for each in found} == {("ann", "test")}
    assert prove(rig.state.audit).holds


def test_changes_that_come_at_once_see_each_other(rig: Rig) -> None:
    async def work() -> None:
        await asyncio.gather(*(rig.ask("lock", chute=chute, **ANN) for chute in (1, 2, 3, 4)))

    rig.serve(work)
    found = kept(rig)
    for before, after in zip(found[::2], found[1::2], strict=True):
        assert len(after.after["locked"]) == len(before.before["locked"]) + 1


def test_an_activation_that_waited_is_kept_as_it_is_made(rig: Rig) -> None:
    blank = rig.tracking.snapshot()

    async def work() -> None:
        rig.induct(1)
        await rig.ask("activate", version=2, when="empty", **ANN)
        assert kept(rig)[-1].after["pending"]["version"] == 2
        rig.tracking.restore(blank)
        await eventually(lambda: len(kept(rig)) == 3)

    rig.serve(work)
    last = kept(rig)[-1]
    assert (last.action, last.who["name"], last.who["via"]) == ("activate_due", "ann", "service")
    assert (last.before, last.after) == ({"version": 1}, {"version": 2})


def test_where_the_log_cannot_be_written_nothing_is_changed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, full = os.write, threading.Event()

    def on_disk(file: int, content: bytes) -> int:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, content)

    monkeypatch.setattr("sorter.wiring.audit.os.write", on_disk)

    async def work() -> None:
        full.set()
        refusal, text = await rig.refusal("lock", chute=CHUTE, **ANN)
        full.clear()
        assert refusal == Refusal.UNAVAILABLE
        assert "No space left" in text
        assert "nothing was changed" in text
        state = await rig.ask("state")
        assert (state["locked"], state["commands"][1:]) == ({}, [])
        await rig.ask("lock", chute=CHUTE, **ANN)

    rig.serve(work)
    assert [each.phase for each in kept(rig)] == ["intent", "outcome"]


def test_a_kill_between_intent_and_outcome_is_seen(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = threading.Event()

    async def never(*_: Any) -> dict[str, Any]:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(rig.life, "lock", never)

    async def work() -> None:
        asking = asyncio.create_task(rig.ask("lock", chute=CHUTE, **ANN))
        await eventually(reached.is_set)
        asking.cancel()

    rig.serve(work)
    assert prove(rig.state.audit).open == {1: "lock loop"}


def test_a_half_line_of_a_killed_process_is_mended_as_the_next_begins(rig: Rig) -> None:
    async def lock() -> None:
        await rig.ask("lock", chute=CHUTE, **ANN)

    async def nothing() -> None:
        await rig.ask("state")

    rig.serve(lock)
    (path,) = rig.state.audit.glob("*.ndjson")
    with path.open("ab") as file:
        file.write(b'{"number":3,"at":"20')
    rig.start()
    rig.serve(nothing)
    assert prove(rig.state.audit).holds
    assert kept(rig)[-1].action == "torn_end"
