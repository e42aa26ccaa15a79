"""Records the versions of all lines' plans in the database, as they come."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sorter.errors import ConfigError
from sorter.plans.versions import PlanVersion, list_versions
from sorter.store.plans import PlanRow
from sorter.store.records import RecordStore
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

    async def record(self) -> None:
        """Look after new versions if it is time, and write them.

        A version whose files are damaged is told of once and passed over.

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
        self._looked_s = now_s

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
