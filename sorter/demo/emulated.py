"""What the demo makes up around the service, each in a process of its own: sorters, a host."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from sorter.errors import UnavailableError

END_S = 15.0
"""Longest wait for an emulator to end."""


class Emulated:
    """The process, and what it last said."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.status: dict[str, Any] = {}
        """Its counts, told every second and at its end."""
        self._process = process
        self._log = log
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.status = json.loads(line)

    async def started(self) -> None:
        """Return once it serves its PLC; raises UnavailableError with its reason if it can't."""
        while not self.status:
            if self._process.returncode is not None or self._listening.done():
                await self._process.wait()
                reason = self._log.read_text(encoding="utf-8").strip() or "it ended at once"
                raise UnavailableError(f"the emulated sorter did not start: {reason}")
            await asyncio.sleep(0.02)

    def stop_induction(self) -> None:
        """Load no piece any more; the belt runs on."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)

    async def end(self) -> None:
        """End it; its last word is in :attr:`status`."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._listening, END_S)
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


@contextlib.asynccontextmanager
async def emulated(config: Path, settings: Mapping[str, object]) -> AsyncIterator[Emulated]:
    """Run the emulated sorter of a file as long as the context lasts.

    Args:
        config: The emulator's file; its log is written beside it.
        settings: Keys of the file to replace.

    Raises:
        UnavailableError: it did not start, and why.
    """
    command = ["-m", "plc_adapters.emulator", "--json", "--config", str(config)]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    log = config.with_suffix(".log")
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    sorter = Emulated(process, log)
    try:
        await sorter.started()
        yield sorter
    finally:
        await sorter.end()


@contextlib.asynccontextmanager
async def made_up_host(table: Path, port: int) -> AsyncIterator[None]:
    """Run the made-up upstream host as long as the context lasts; its log is beside its table.

    Pieces are sorted without it too: should it not start, they end as for a host that is away.
    """
    command = ["-m", "sorter.demo.host", "--table", str(table), "--port", str(port)]
    with table.with_suffix(".log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
