"""A line's commands over its socket, with a line that has no PLC and no journal."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import pytest

from plc_adapters.contract import EVENT, EventKind
from sorter.assignment.arrays import PlanArrays, no_pre_advice
from sorter.assignment.decider import PLANS_HELD_MAX, Decider
from sorter.assignment.warmup import empty_plan
from sorter.clock import SystemClock
from sorter.errors import CommandError, ConfigError, Refusal
from sorter.line.books import Register
from sorter.line.commands import CommandQueue
from sorter.line.host_desk import ANSWERS_MAX, HostDesk
from sorter.line.keeper import Keeper
from sorter.line.slip import SlipLimits
from sorter.line.tracking import Tracking
from sorter.outlets.board import LineBoard
from sorter.plans.image import write_image
from sorter.plans.versions import Origin, make_version, need_version
from sorter.ports import HostAnswer, HostCount, JournalPort, Standing
from sorter.wiring import control
from sorter.wiring.active import Active, read_active, write_active
from sorter.wiring.audit import AuditLog
from sorter.wiring.control import REQUEST_BYTES_MAX, Control
from sorter.wiring.control_client import HOST_ANSWERS_MAX, LineClient, socket_path
from sorter.wiring.line import hold_versions
from sorter.wiring.paths import StatePaths
from sorter.wiring.plan_life import PlanLife
from tests.unit.line.records import machine

VERSIONS = PLANS_HELD_MAX + 2
WAIT_S = 30.0
ANN = {"who": "ann", "why": "test"}


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - another's state tells of no change
            await asyncio.sleep(0.001)


class Shown:
    """What the board is told."""

    def __init__(self) -> None:
        self.plans: list[int] = []

    def set_plan(
        self,
        name: str,
        version: int,
        brands: list[str],
        classes: list[str],
        groups: dict[int, str],
    ) -> None:
        assert (name, brands, classes, groups) == ("hub", ["", "HX"], ["", "next_day"], {})
        self.plans.append(version)


def build(number: int) -> tuple[PlanArrays, dict[str, Any]]:
    plan = empty_plan()
    plan.scalars[0] = number
    return plan, {
        "name": "hub",
        "brands": ["", "HX"],
        "groups": [""],
        "service_classes": ["", "next_day"],
    }


class Rig:
    """A line with version 1 active, between two batches, and its ear."""

    def __init__(self, folder: Path) -> None:
        self.state = StatePaths(folder)
        self.state.make()
        source = folder / "plan.toml"
        source.write_text("")
        origin = Origin(source, "x", {"plan.toml": source}, "ann", "test", "2026-01-01T00:00:00Z")
        made = [make_version(self.state.versions("loop"), build, origin) for _ in range(VERSIONS)]
        self.active = self.state.active_plan("loop")
        if read_active(self.active) is None:
            write_active(self.active, Active.of(made[0], "ann", "first", "then", 0))
        self.tracking = Tracking(machine(), rows=32)
        self.start()

    def start(self) -> None:
        """Begin as after a restart."""
        active = read_active(self.active)
        assert active is not None
        self.shown = Shown()
        self.kept: list[bytes] = []
        self.standings: list[Standing] = []
        self.decider = Decider(build(active.version)[0], no_pre_advice())
        self.commands = CommandQueue()
        self.commands.end_batch()
        self.desk = HostDesk("loop")
        self.life = PlanLife(
            "loop", self.state, self.commands, self.decider, self.tracking,
            cast("LineBoard", self.shown), SystemClock(), active, self.desk,
            Keeper(0, cast("JournalPort", self), self.tracking, self.decider, SlipLimits(), 1),
        )  # fmt: skip
        self.control = Control(
            socket_path(self.state), {"loop": self.life}, AuditLog(self.state.audit)
        )

    def offer_snapshot(self, line: int, content: bytes) -> None:
        assert line == 0
        self.kept.append(content)

    def offer_standing(self, standing: Standing) -> None:
        self.standings.append(standing)

    def induct(self, piece: int) -> None:
        events = np.zeros(1, EVENT)
        events["kind"], events["boot_id"], events["piece_id"] = EventKind.INDUCTED, 7, piece
        events["plan_version"] = self.decider.plan_version
        self.tracking.apply(events)

    def serve(self, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            serving = asyncio.create_task(self.control.run())
            await eventually(socket_path(self.state).exists)
            try:
                await work()
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)

        asyncio.run(run())

    async def ask(self, command: str, **more: Any) -> dict[str, Any]:
        request = {"command": command, "line": "loop", **more}
        return await asyncio.to_thread(LineClient(self.state).ask, request)

    async def refusal(self, command: str, **more: Any) -> tuple[Refusal, str]:
        with pytest.raises(CommandError) as caught:
            await self.ask(command, **more)
        return caught.value.refusal, str(caught.value)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "state")


def test_the_second_of_two_activations_is_refused_by_naming_the_first(rig: Rig) -> None:
    async def work() -> None:
        asked = [
            rig.ask("activate", version=n, who=who, why="night", expect=1)
            for n, who in ((2, "ann"), (3, "bob"))
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        (good,) = [each for each in answers if isinstance(each, dict)]
        (bad,) = [each for each in answers if isinstance(each, CommandError)]
        active = good["active"]
        assert rig.shown.plans == [active["version"]] == [rig.decider.plan_version]
        assert f"{active['version']} is active since {active['since']}" in str(bad)
        assert f"by {active['who']}: night" in str(bad)
        named = read_active(rig.active)
        assert named is not None
        assert (named.version, named.previous, named.who) == (active["version"], 1, active["who"])

    rig.serve(work)


def test_versions_beyond_those_in_use_are_refused_until_pieces_have_left(rig: Rig) -> None:
    async def work() -> None:
        rig.induct(1)
        for version in range(2, PLANS_HELD_MAX + 1):
            await rig.ask("activate", version=version, **ANN)
            rig.induct(version)
        beyond = PLANS_HELD_MAX + 1
        refusal, text = await rig.refusal("activate", version=beyond, **ANN)
        assert refusal == Refusal.REFUSED
        assert "go by versions 1, 2, 3, 4, 5, 6, 7, 8; wait until some have left" in text
        named = read_active(rig.active)
        assert named is not None
        assert named.version == PLANS_HELD_MAX
        events = np.zeros(1, EVENT)
        events["kind"], events["boot_id"], events["piece_id"] = EventKind.DISCHARGED, 7, 4
        events["status"] = 5
        rig.tracking.apply(events)
        answer = await rig.ask("activate", version=beyond, **ANN)
        assert answer["active"]["version"] == beyond
        newest = await rig.ask("state", limit=2)
        numbers = [version["number"] for version in newest["versions"]]
        assert (numbers, newest["next_before"]) == ([VERSIONS - 1, VERSIONS], VERSIONS - 1)
        state = await rig.ask("state")
        assert state["held"] == [1, 2, 3, 5, 6, 7, 8, 9]
        assert state["pieces"] == {str(version): 1 for version in (1, 2, 3, 5, 6, 7, 8)}

    rig.serve(work)


def test_what_waits_happens_once_the_sorter_is_empty_also_after_a_restart(rig: Rig) -> None:
    rig.induct(1)

    async def wait() -> None:
        assert await rig.refusal("rollback", **ANN) == (
            Refusal.REFUSED, "line loop: no version was active before 1",
        )  # fmt: skip
        answer = await rig.ask("activate", version=2, when="empty", **ANN)
        assert answer["active"]["version"] == 1
        refusal, text = await rig.refusal("activate", version=3, who="bob", why="x")
        assert refusal == Refusal.REFUSED
        assert "version 2 waits for 'empty', by ann: test" in text
        answer = await rig.ask("activate", version=3, when="empty", replace=True, **ANN)
        assert answer["pending"]["version"] == 3

    async def leave() -> None:
        assert (await rig.ask("state"))["pending"]["version"] == 3
        rig.tracking = Tracking(machine(), rows=32)
        rig.life._tracking = rig.tracking
        await eventually(lambda: rig.decider.plan_version == 3)
        assert (await rig.ask("rollback", **ANN))["active"]["version"] == 1
        assert (await rig.ask("rollback", **ANN))["active"]["version"] == 3
        assert [standing.plan for standing in rig.standings] == [3, 1, 3]

    rig.serve(wait)
    rig.start()
    rig.serve(leave)
    assert not rig.state.pending_plan("loop").exists()


def test_locks_are_kept_over_a_restart(rig: Rig) -> None:
    async def lock() -> None:
        await rig.ask("lock", chute=2, who="ann", why="bag torn")
        await rig.ask("lock", chute=3, **ANN)
        await rig.ask("unlock", chute=3, **ANN)
        assert (await rig.refusal("lock", chute=5, **ANN))[0] == Refusal.UNKNOWN

    async def look() -> None:
        assert (await rig.ask("state"))["locked"]["2"]["why"] == "bag torn"

    rig.serve(lock)
    assert [standing.locked for standing in rig.standings] == [(2,), (2, 3), (2,)]
    assert np.flatnonzero(rig.tracking.chutes["locked"]).tolist() == [2]
    rig.tracking = Tracking(machine(), rows=32)
    rig.start()
    assert np.flatnonzero(rig.tracking.chutes["locked"]).tolist() == [2]
    rig.serve(look)


def test_a_restarted_line_holds_what_its_pieces_need_and_tells_what_is_gone(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    plan = rig.decider.plan
    for piece, version in enumerate((0, 1, 2, 3, 3, 99, 99), 1):
        rig.induct(piece)
        rig.tracking.pieces["plan_version"][piece - 1] = version
    folder = rig.state.versions("loop")
    need_version(folder, 3).image.unlink()
    hold_versions("loop", rig.decider, rig.tracking, folder)
    assert rig.decider.held == (1, 2)
    assert rig.decider.plan is plan
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "2 pieces on the sorter were inducted under plan version 99, which can't" in told[0]
    assert "no plan version 99; there are 1 to 10" in told[0]
    assert "version 3, which can't be used" in told[1]
    assert told[1].endswith("they are decided under version 1")


@pytest.mark.parametrize("name", ["loop.pending.json", "loop.json"])
def test_a_damaged_file_of_what_was_told_is_named(rig: Rig, name: str) -> None:
    files = (rig.state.pending_plan("loop"), rig.state.locks("loop"))
    (path,) = [path for path in files if path.name == name]
    for content in ("{", "[1]"):
        path.write_text(content)
        with pytest.raises(ConfigError, match=f"{name}: damaged .*; delete it"):
            rig.start()


def test_pre_advice_is_reloaded_from_the_file_that_names_it(rig: Rig) -> None:
    async def work() -> None:
        refusal, text = await rig.refusal("reload_pre_advice", **ANN)
        assert refusal == Refusal.FILE
        assert "pre_advice.active.json: no pre-advice was compiled yet" in text
        image = write_image("pre_advice", table, rig.state.plans, {})
        write_active(rig.state.pre_advice, Active(image, 4, "x", "today.csv"))
        answer = await rig.ask("reload_pre_advice", **ANN)
        assert (answer["pre_advice"], answer["version"]) == ("today.csv", 4)
        assert rig.decider.pre_advice.brand.tolist() == [9, 0]
        assert [standing.pre_advice for standing in rig.standings] == [image.name]

    table = no_pre_advice()
    table.brand[0] = 9
    rig.serve(work)


@pytest.mark.parametrize(
    ("request_line", "refusal", "message"),
    [
        (b"{", Refusal.WRONG, "Invalid JSON"),
        (b"{}", Refusal.WRONG, "Unable to extract tag using discriminator 'command'"),
        (b'{"command":"halt","line":"loop"}', Refusal.WRONG, "'halt' found using 'command'"),
        (b'{"command":"state","line":"north"}', Refusal.UNKNOWN, "no line 'north' here; there"),
        (b'{"command":"state","line":"loop","x":1}', Refusal.WRONG, "state.x: Extra inputs"),
        (b'{"command":"rollback","line":"loop","why":"x"}', Refusal.WRONG, "rollback.who: Field"),
        (b"x" * (REQUEST_BYTES_MAX + 1), Refusal.WRONG, "one line of at most 16384 bytes"),
    ],
)
def test_a_wrong_request_is_answered(
    rig: Rig, request_line: bytes, refusal: Refusal, message: str
) -> None:
    async def work() -> None:
        path = socket_path(rig.state)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(request_line + b"\n")
        answer = orjson.loads(await reader.readline())
        assert (answer["ok"], answer["refusal"]) == (False, refusal)
        assert message in answer["error"]
        writer.close()
        await writer.wait_closed()
        assert (await rig.ask("state"))["active"]["version"] == 1

    rig.serve(work)


def test_one_connection_too_many_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "CONNECTIONS_MAX", 2)

    async def work() -> None:
        path = socket_path(rig.state)
        held = [await asyncio.open_unix_connection(path) for _ in range(2)]
        await eventually(lambda: rig.control._connections == 2)
        assert (await rig.refusal("state"))[0] == Refusal.UNAVAILABLE
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await eventually(lambda: rig.control._connections == 0)
        assert (await rig.ask("state"))["line"] == "loop"

    rig.serve(work)


def test_a_path_too_long_for_a_socket_is_replaced(tmp_path: Path) -> None:
    deep = Rig(tmp_path / ("d" * 120))
    path = socket_path(deep.state)
    assert len(str(path)) <= 107

    async def work() -> None:
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o777 == 0o600
        assert (await deep.ask("state"))["line"] == "loop"

    try:
        deep.serve(work)
    finally:
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def test_a_socket_without_a_process_is_told(rig: Rig) -> None:
    path = socket_path(rig.state)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(CommandError, match=r"line.sock: the line process does not answer"):
        LineClient(rig.state).ask({"command": "state", "line": "loop"})


def test_answers_of_the_upstream_host_are_taken_as_far_as_there_is_room(rig: Rig) -> None:
    row = {"boot_id": 7, "piece_id": 1, "known": True, "destination": 320706, "brand": "HX"}

    async def work() -> None:
        await rig.ask("activate", version=2, **ANN)
        told = await rig.ask("host_answers", answers=[row, {**row, "known": False, "brand": "?"}])
        assert told["taken"] == 2
        first, second = rig.desk.take(8)
        assert (first["piece_id"], first["brand"], first["destination"]) == (1, 1, 320706)
        assert (first["answer"], second["answer"]) == (HostAnswer.KNOWN, HostAnswer.UNKNOWN)
        assert (second["brand"], rig.desk.counts[HostCount.MISNAMED]) == (0, 1)
        full = ANSWERS_MAX // HOST_ANSWERS_MAX
        for _ in range(full):
            assert (await rig.ask("host_answers", answers=[row] * 64))["taken"] == 64
        assert (await rig.ask("host_answers", answers=[row]))["taken"] == 0
        assert rig.desk.counts[HostCount.REFUSED] == 1

    rig.serve(work)


@pytest.mark.parametrize("wrong", [
    {"boot_id": 0}, {"piece_id": 2**32}, {"destination": 10**12}, {"holds": 32}, {"known": 1},
    {"brand": "x" * 33}, {"more": 1},
])  # fmt: skip
def test_wrong_answers_are_refused_by_their_field(rig: Rig, wrong: dict[str, Any]) -> None:
    row = {"boot_id": 7, "piece_id": 1, "known": True, "destination": 320706, **wrong}

    async def work() -> None:
        refusal, problem = await rig.refusal("host_answers", answers=[row])
        assert refusal is Refusal.WRONG
        assert f"answers.0.{next(iter(wrong))}" in problem
        assert (await rig.refusal("host_answers", answers=[]))[0] is Refusal.WRONG
        assert not len(rig.desk.take(8))

    rig.serve(work)


def test_a_release_is_kept_and_told_twice_changes_nothing(rig: Rig) -> None:
    rig.tracking = Tracking(machine(), rows=32, slip=SlipLimits(1, 1))
    rig.tracking._t.registers[Register.QUARANTINED] = 1
    rig.start()

    async def work() -> None:
        assert (await rig.ask("state"))["quarantined"]
        assert rig.kept == []
        for was in (True, False):
            answer = await rig.ask("release_quarantine", who="ann", why="cleaned")
            assert answer["was_quarantined"] is was
        assert not rig.tracking.quarantined
        (kept,) = rig.kept
        again = Tracking(machine(), rows=32, slip=SlipLimits(1, 1))
        again.restore(kept)
        assert not again.quarantined
        refusal, words = await rig.refusal("release_quarantine", who="ann")
        assert refusal is Refusal.WRONG
        assert "why" in words

    rig.serve(work)
