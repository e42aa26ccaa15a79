"""Health: whether this process lives, and whether pieces are being sorted and recorded."""

import asyncio

from sorter.api.models import Check
from sorter.api.pieces import PieceStore, StoreAwayError, ask
from sorter.errors import UnavailableError
from sorter.outlets.reading import BoardReader, LineView, ProcessView, RecorderBoardReader
from sorter.ports import HostStatus

PING_TIMEOUT_S = 2.0
"""A database that takes longer to answer is away."""


async def checks(
    lines: BoardReader,
    recorder: RecorderBoardReader,
    store: PieceStore,
    host: HostStatus | None = None,
) -> list[Check]:
    """Return what readiness stands on: line process, each line's PLC, recorder, database.

    An upstream host is told of too, but a site without it is ready: its pieces go by their plan.
    """
    database = asyncio.create_task(_database(store))
    try:
        view = lines.read()
        found = [_process(view), *(_plc(line) for line in view.lines)]
        found += [check for line in view.lines for check in _scanners(line)]
    except UnavailableError as error:
        found = [_check("line process", str(error))]
    told = [_upstream(host)] if host else []
    return [*found, _recorder(recorder), await database, *told]


def _upstream(host: HostStatus) -> Check:
    reason = f"degraded: {host.url}: {host.problem}" if host.problem else ""
    return Check(name="upstream host", ok=True, reason=reason)


def _process(view: ProcessView) -> Check:
    if view.problem:
        return _check("line process", view.problem)
    if not view.ready:
        return _check("line process", "still compiling kernels or reading its journal; wait")
    return _check("line process", view.journal.problem)


def _plc(line: LineView) -> Check:
    name = f"plc of {line.name}"
    if not line.reported:
        return _check(name, "the line has not told yet how its link stands; wait")
    if line.link.fenced:
        return _check(name, line.link.problem or "another host was granted this line")
    if not line.link.connected:
        return _check(name, line.link.problem or "not connected")
    if line.link.standby:
        told = f"stands by: the host with epoch {line.link.granted_epoch} has the line"
        return Check(name=name, ok=True, reason=told)
    if line.quarantined:
        return _check(
            name,
            "its pieces were found elsewhere than sent, so none is sorted by its destination; put "
            "the sorter right, then 'sorter line release'",
        )
    return _check(name, "")


def _scanners(line: LineView) -> list[Check]:
    """A scanner that is away leaves every piece unread."""
    return [
        _check(
            f"scanner {name} of {line.name}",
            "" if status.connected else status.problem or "not connected",
        )
        for name, status in line.scanners.items()
    ]


def _recorder(recorder: RecorderBoardReader) -> Check:
    try:
        return _check("recorder", recorder.read().problem)
    except UnavailableError as error:
        return _check("recorder", str(error))


async def _database(store: PieceStore) -> Check:
    try:
        await ask(store.ping(), PING_TIMEOUT_S)
    except StoreAwayError as error:
        return _check("database", str(error))
    return _check("database", "")


def _check(name: str, reason: str) -> Check:
    return Check(name=name, ok=not reason, reason=reason)
