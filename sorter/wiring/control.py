"""The line process's ear: commands over a Unix socket, one JSON object a line, each answered."""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from plc_adapters.contract import CHUTE_NUMBER_MAX
from sorter.assignment.tables import CODE_MAX, HOLDS_ALL
from sorter.errors import CommandError, ConfigError, Refusal, UnavailableError
from sorter.line.host_desk import HostDesk
from sorter.plans.versions import PAGE_MAX, VERSIONS_MAX
from sorter.ports import HOST_ANSWER, HostAnswer
from sorter.wiring.audit import HTTP, SERVICE, SHELL, AuditLog, Change, Who
from sorter.wiring.control_client import HOST_ANSWERS_MAX, check_owner
from sorter.wiring.orders import NOW, Order
from sorter.wiring.plan_life import PlanLife
from sorter.wiring.switch_over import SwitchOver

REQUEST_BYTES_MAX = 16_384
CONNECTIONS_MAX = 32
"""Connections at once, each with one command under way; a further one is refused."""
IDLE_S = 60.0
"""A connection that asks nothing for so long is closed."""

ABOUT = {
    "activate": ("version", "pending"),
    "rollback": ("version", "pending"),
    "lock": ("locked",),
    "unlock": ("locked",),
    "release_quarantine": ("quarantined",),
    "shadow": ("shadow",),
    "reload_pre_advice": ("pre_advice",),
    "switch": (),
}
"""What of a line's standing each command is about, kept before and after it."""

Version = Annotated[int, Field(strict=True, ge=1, le=VERSIONS_MAX)]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]

_logger = logging.getLogger(__name__)


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    line: str


class By(BaseModel):
    """For whom the face asks: who proved himself, and what he may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    caller: Text
    role: Text


class _Change(_Request):
    """What changes something, by whom and why; each is kept in the audit log."""

    command: str
    who: Text
    why: Text
    by: By | None = None

    def asked(self) -> dict[str, Any]:
        """Return what it asks for beside that."""
        return self.model_dump(exclude={"command", "line", "who", "why", "by"}, exclude_none=True)


class Activate(_Change):
    """Activate a version of the plan."""

    command: Literal["activate"]
    version: Version
    when: Text = NOW
    expect: Version | None = None
    replace: bool = False


class RollBack(_Change):
    """Activate the version that was active before."""

    command: Literal["rollback"]
    expect: Version | None = None
    replace: bool = False


class Lock(_Change):
    """Lock a chute, or unlock it."""

    command: Literal["lock", "unlock"]
    chute: Annotated[int, Field(strict=True, ge=1, le=CHUTE_NUMBER_MAX)]


class Shadow(_Change):
    """Have a version decide beside the active one, or none (0)."""

    command: Literal["shadow"]
    version: Annotated[int, Field(strict=True, ge=0, le=VERSIONS_MAX)]


class Reload(_Change):
    """Use the pre-advice that was compiled last."""

    command: Literal["reload_pre_advice"]


class HostAnswerRow(BaseModel):
    """What the upstream host said of one piece; brand and class by their codes, empty for none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    boot_id: Annotated[int, Field(strict=True, ge=1, le=0xFFFF_FFFF)]
    piece_id: Annotated[int, Field(strict=True, ge=1, le=0xFFFF_FFFF)]
    known: Annotated[bool, Field(strict=True)]
    destination: Annotated[int, Field(strict=True, ge=0, le=CODE_MAX)] = 0
    brand: Annotated[str, Field(max_length=32)] = ""
    service_class: Annotated[str, Field(max_length=32)] = ""
    holds: Annotated[int, Field(strict=True, ge=0, le=HOLDS_ALL)] = 0


class HostAnswers(_Request):
    """Take what the upstream host said; answered with how many, the first ones, were taken."""

    command: Literal["host_answers"]
    answers: Annotated[list[HostAnswerRow], Field(min_length=1, max_length=HOST_ANSWERS_MAX)]


class Release(_Change):
    """Sort again after a quarantine."""

    command: Literal["release_quarantine"]


class Switch(_Change):
    """Hand the line over to the host that stands by."""

    command: Literal["switch"]


class State(_Request):
    """Tell what is active, waiting, locked; and of the versions those below a number."""

    command: Literal["state"]
    before: Annotated[int, Field(strict=True, ge=1)] | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=PAGE_MAX)] = PAGE_MAX


_AnyChange = Activate | RollBack | Lock | Release | Shadow | Reload | Switch
_AnyRequest = _AnyChange | HostAnswers | State
_REQUEST: TypeAdapter[_AnyRequest] = TypeAdapter(
    Annotated[_AnyRequest, Field(discriminator="command")]
)


class Control:
    """Serves the commands of all lines of a process."""

    def __init__(
        self,
        path: Path,
        lives: Mapping[str, PlanLife],
        audit: AuditLog,
        switches: Mapping[str, SwitchOver] | None = None,
    ) -> None:
        """Serve nothing yet.

        Args:
            path: The socket; one left by an earlier process is replaced.
            lives: By name of the line.
            audit: Keeps who changes what; a change that it can't keep is refused.
            switches: Likewise; lines without one can't be handed over.
        """
        self._path = path
        self._lives = lives
        self._audit = audit
        self._turns = {name: asyncio.Lock() for name in lives}
        self._switches = switches or {}
        self._connections = 0

    async def run(self) -> None:
        """Serve until cancelled, and have what waits done in its time.

        Sorting goes on without commands if the socket can't be made.
        """
        watching = [
            asyncio.create_task(life.watch(partial(self._note_due, life)))
            for life in self._lives.values()
        ]
        try:
            await self._mend()
            async with await self._listen():
                try:
                    await asyncio.gather(*watching)
                finally:
                    self._path.unlink(missing_ok=True)
        except OSError as error:
            _logger.error("%s: takes no commands: %s", self._path, error)
            await asyncio.gather(*watching)
        except Exception:
            _logger.exception("commands are no longer taken")
        finally:
            for task in watching:
                task.cancel()

    async def _mend(self) -> None:
        """Look after the audit log's end; what is wrong with it is told, and refuses changes."""
        try:
            await asyncio.to_thread(self._audit.mend)
        except UnavailableError as error:
            _logger.error("%s", error)

    async def _listen(self) -> asyncio.Server:
        with suppress(FileExistsError):
            self._path.parent.mkdir(mode=0o700)
        check_owner(self._path.parent)
        before = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(self._serve, self._path, limit=REQUEST_BYTES_MAX)
        finally:
            os.umask(before)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            await self._converse(reader, writer, _uid_of(writer))
        except (OSError, TimeoutError):
            pass  # the asker went away, or has nothing to ask
        finally:
            self._connections -= 1
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int
    ) -> None:
        if self._connections > CONNECTIONS_MAX:
            busy = f"{CONNECTIONS_MAX} others are being served; try again"
            await _send(writer, _refusal(CommandError(Refusal.UNAVAILABLE, busy)))
            return
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), IDLE_S)
            except ValueError:
                long = f"a request is one line of at most {REQUEST_BYTES_MAX} bytes"
                await _send(writer, _refusal(CommandError(Refusal.WRONG, long)))
                return
            if not line:
                return
            await _send(writer, await self._answer(line, uid))

    async def _answer(self, line: bytes, uid: int) -> bytes:
        try:
            answer = await self._do(_REQUEST.validate_json(line), uid)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            return _refusal(CommandError(Refusal.WRONG, "; ".join(wrong)))
        except CommandError as error:
            return _refusal(error)
        except Exception:
            _logger.exception("a command failed")
            return _refusal(
                CommandError(Refusal.UNAVAILABLE, "a fault of the line process; its log has it")
            )
        return orjson.dumps({"ok": True, **answer}) + b"\n"

    async def _switch(self, life: PlanLife, request: Switch) -> dict[str, Any]:
        switch = self._switches.get(request.line)
        if switch is None:
            alone = f"line {request.line}: this host runs it alone; see 'sorter run --standby'"
            raise CommandError(Refusal.REFUSED, alone)
        answer = await switch.run()
        await life.note_switch(request.who, request.why)
        return answer

    async def _do(self, request: _AnyRequest, uid: int) -> dict[str, Any]:
        life = self._lives.get(request.line)
        if life is None:
            names = ", ".join(self._lives)
            raise CommandError(
                Refusal.UNKNOWN, f"no line {request.line[:80]!r} here; there are: {names}"
            )
        match request:
            case HostAnswers():
                return {"taken": _take(life.desk, request.answers)}
            case State():
                return await life.state(request.before, request.limit)
            case _:
                return await self._audited(life, request, uid)

    async def _audited(self, life: PlanLife, request: _AnyChange, uid: int) -> dict[str, Any]:
        """Make a change, with its intent kept before it and its outcome before it is answered."""
        by = request.by
        who = (
            Who(request.who, HTTP, uid, by.caller, by.role) if by else Who(request.who, SHELL, uid)
        )
        async with self._turns[life.name]:
            before = await _standing(life, request)
            change = Change(request.command, who, request.why, life.name, before, request.asked())
            try:
                number = await asyncio.to_thread(self._audit.begin, change)
            except UnavailableError as error:
                raise CommandError(Refusal.UNAVAILABLE, str(error)) from None
            try:
                answer = await self._carry_out(life, request)
                after = await _standing(life, request)
            except Exception as error:
                await asyncio.to_thread(self._audit.end, number, change, problem=error)
                raise
            await asyncio.to_thread(self._audit.end, number, change, after)
            return answer

    async def _note_due(self, life: PlanLife, order: Order, before: int) -> None:
        """Keep that an activation which waited was made as its time had come."""
        who = Who(order.who, SERVICE, os.getuid())
        change = Change("activate_due", who, order.why, life.name, {"version": before})
        await asyncio.to_thread(self._audit.note, change, {"version": order.version})

    async def _carry_out(  # noqa: PLR0911 - one a command
        self, life: PlanLife, request: _AnyChange
    ) -> dict[str, Any]:
        match request:
            case Activate():
                order = Order(request.version, request.when, request.who, request.why)
                return await life.activate(order, request.expect, replaces=request.replace)
            case RollBack():
                return await life.roll_back(
                    request.who, request.why, request.expect, replaces=request.replace
                )
            case Lock(command="lock"):
                return await life.lock(request.chute, request.who, request.why)
            case Lock():
                return await life.unlock(request.chute, request.who, request.why)
            case Release():
                return await life.release_quarantine(request.who, request.why)
            case Shadow():
                return await life.shadow(request.version, request.who, request.why)
            case Reload():
                return await life.reload_pre_advice(request.who, request.why)
            case Switch():
                return await self._switch(life, request)


async def _standing(life: PlanLife, request: _Change) -> dict[str, Any]:
    """Return what a command is about as it stands now."""
    try:
        standing = await asyncio.to_thread(life.standing)
    except ConfigError as error:
        raise CommandError(Refusal.FILE, str(error)) from None
    return {name: standing[name] for name in ABOUT[request.command]}


def _uid_of(writer: asyncio.StreamWriter) -> int:
    """Return the user whose process is at the other end, as the kernel knows it."""
    handle = os.dup(writer.get_extra_info("socket").fileno())
    with socket.socket(fileno=handle) as connection:
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", peer)
    return int(uid)


def _take(desk: HostDesk, rows: list[HostAnswerRow]) -> int:
    """Give answers to a line's desk; return how many, the first ones, had room."""
    answers = np.zeros(len(rows), HOST_ANSWER)
    for answer, row in zip(answers, rows, strict=True):
        answer["boot_id"], answer["piece_id"] = row.boot_id, row.piece_id
        answer["answer"] = HostAnswer.KNOWN if row.known else HostAnswer.UNKNOWN
        answer["destination"], answer["holds"] = row.destination, row.holds
    return desk.offer(answers, [row.brand for row in rows], [row.service_class for row in rows])


async def _send(writer: asyncio.StreamWriter, answer: bytes) -> None:
    writer.write(answer)
    await writer.drain()


def _refusal(error: CommandError) -> bytes:
    answer = {"ok": False, "error": str(error), "refusal": error.refusal}
    return orjson.dumps(answer) + b"\n"
