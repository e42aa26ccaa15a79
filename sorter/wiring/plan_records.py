"""Records the versions of all lines' plans, and what lines were told, in the database."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sorter.errors import ConfigError
from sorter.plans.versions import PlanVersion, list_versions
from sorter.store.plans import CommandRow, PlanRow
from sorter.store.records import RecordStore
from sorter.wiring.command_log import FILES_KEPT, log_files, read_file
from sorter.wiring.paths import StatePaths

LOOK_S = 2.0
"""Pause between two looks after new versions."""

_logger = logging.getLogger(__name__)


class PlanRecorder:
    """Knows which versions the database has, and brings it those it lacks."""

    def __init__(self, state: StatePaths, lines: Sequence[str], store: RecordStore) -> None:
        self._folders = {line: state.versions(line) for line in lines}
        self._store = store
        self._recorded: set[Path] = set()
        self._changed_ns: dict[str, int] = {}
        self._looked_s = -LOOK_S
        self._commands = {line: state.commands(line) for line in lines}
        self._told: dict[str, int] = {}

    async def record(self) -> None:
        """Look after new versions and commands if it is time, and write them.

        A version or a file of commands whose files are damaged is told of once and passed over.

        Raises:
            UnavailableError: the database is away.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s < LOOK_S:
            return
        for line, folder in self._folders.items():
            # A version's last file is put there by a rename, which dates the folder.
            changed_ns = folder.stat().st_mtime_ns if folder.exists() else 0
            if changed_ns == self._changed_ns.get(line):
                continue
            try:
                versions = await asyncio.to_thread(list_versions, folder)
            except ConfigError as error:
                _logger.warning("not recorded: %s", error)
                versions = []
            for version in versions:
                await self._record(line, version)
            self._changed_ns[line] = changed_ns
        for line, folder in self._commands.items():
            await self._record_commands(line, folder)
        self._looked_s = now_s

    async def _record_commands(self, line: str, folder: Path) -> None:
        """Write the commands that the database lacks, and remove files that are long in it."""
        files = await asyncio.to_thread(log_files, folder)
        if line not in self._told:
            last = await self._store.last_command(line)
            self._told[line] = await asyncio.to_thread(_number_of, files, last)
        for path in _from(files, self._told[line]):
            try:
                commands = await asyncio.to_thread(read_file, path)
            except ConfigError as error:
                if path not in self._recorded:
                    _logger.warning("not recorded: %s", error)
                self._recorded.add(path)
                continue
            rows = [
                CommandRow(
                    line, c.number, datetime.fromisoformat(c.at), c.action, c.version, c.previous,
                    c.chute, c.name, c.who, c.why,
                )
                for c in commands
                if c.number > self._told[line]
            ]  # fmt: skip
            if rows:
                await self._store.write_commands(rows)
                self._told[line] = rows[-1].number
        for path in files[:-FILES_KEPT]:
            path.unlink(missing_ok=True)

    async def _record(self, line: str, version: PlanVersion) -> None:
        if version.image in self._recorded:
            return
        row = PlanRow(
            line, version.number, version.digest, version.name, version.plan, version.inputs,
            version.who, version.why, datetime.fromisoformat(version.made_at),
        )  # fmt: skip
        try:
            files = await asyncio.to_thread(_contents, version)
        except OSError as error:
            _logger.warning("not recorded: plan version %d of %s: %s: %s; restore it",
                            version.number, line, error.filename, error.strerror)  # fmt: skip
        else:
            await self._store.write_plan(row, files)
        self._recorded.add(version.image)


def _contents(version: PlanVersion) -> dict[str, bytes]:
    return {name: (version.sources_folder / name).read_bytes() for name in version.sources}


def _from(files: list[Path], told: int) -> list[Path]:
    """Return the files that can hold commands after this number."""
    before = [path for path in files if int(path.stem) <= told + 1]
    return files[max(0, len(before) - 1) :]


def _number_of(files: list[Path], last: tuple[int, datetime] | None) -> int:
    """Return the number up to which the database has a log; 0 if the log began anew since."""
    if last is None:
        return 0
    number, at = last
    for path in _from(files, number - 1)[:1]:
        try:
            found = read_file(path)
        except ConfigError:
            return 0
        if any(c.number == number and datetime.fromisoformat(c.at) == at for c in found):
            return number
    return 0
