"""``sorter run``: starts the processes of the service, watches them, and ends them in order."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from sorter.config import SiteFile
from sorter.errors import Exit, SorterError, UnavailableError
from sorter.store.embedded import EmbeddedPostgres
from sorter.wiring.notify import Notifier
from sorter.wiring.parts import Part, parts_of
from sorter.wiring.paths import StatePaths
from sorter.wiring.process import PARENT_VARIABLE, stop_on_signals
from sorter.wiring.state_lock import held

RESTART_FIRST_S = 0.2
RESTART_MAX_S = 10.0
"""A process that dies is started again after a pause that doubles up to this."""
SETTLED_S = 30.0
"""A process that lived so long starts again at the first pause."""
STOP_S = 10.0
"""Time a process has to end after SIGTERM before it is killed."""
FATAL = frozenset({Exit.USAGE, Exit.CONFIG, Exit.FENCED})
"""Exit codes that starting again can't cure; the service ends with them."""

_logger = logging.getLogger(__name__)


class ChildFailedError(SorterError):
    """A process ended in a way that starting it again can't cure."""

    def __init__(self, name: str, code: int, where: str) -> None:
        super().__init__(f"the {name} process gave up with exit code {code}; {where}")
        self.exit_code = Exit(code)


class Child:
    """One process of the service, started again whenever it dies."""

    def __init__(
        self, name: str, command: list[str], env: Mapping[str, str], log: Path | None
    ) -> None:
        self.name = name
        self.pid = 0
        """Of the process now running, 0 while there is none."""
        self.restarts = 0
        self._command = command
        self._env = env
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Keep the process running; raises ChildFailedError where that can't help."""
        pause_s = RESTART_FIRST_S
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            code = await self._once()
            if code in FATAL:
                where = f"its log is {self._log}" if self._log else "its last lines are above"
                raise ChildFailedError(self.name, code, where)
            if loop.time() - started > SETTLED_S:
                pause_s = RESTART_FIRST_S
            _logger.warning(
                "the %s process ended with %s; starting it again in %.1f s",
                self.name,
                signal.Signals(-code).name if code < 0 else f"exit code {code}",
                pause_s,
            )
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RESTART_MAX_S)
            self.restarts += 1

    async def _once(self) -> int:
        output = self._log.open("ab") if self._log else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=dict(self._env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if output:
                output.close()
        self.pid = self._process.pid
        try:
            return await self._process.wait()
        finally:
            self.pid = 0 if self._process.returncode is not None else self.pid

    async def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL if it does not listen."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                _logger.warning("the %s process did not end in %.0f s; killed", self.name, STOP_S)
                process.kill()
                await process.wait()


class Supervisor:
    """The whole service of a site: prepared files, database, line, recorder, face."""

    def __init__(
        self, site: SiteFile, config: Path, *, logs_to_files: bool = False, standby: bool = False
    ) -> None:
        self.site = site
        self.state = StatePaths(site.site.state_dir)
        self.dsn = site.store.dsn
        self.children: dict[Part, Child] = {}
        self._config = config
        self._logs_to_files = logs_to_files
        self._standby = standby
        self._database: EmbeddedPostgres | None = None

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; raises what the service can't cure itself."""
        stop = stop_on_signals()
        await self.run_until(stop)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set, then end everything in order."""
        self.state.make()
        async with AsyncExitStack() as stack:
            stack.enter_context(held(self.state.lock("service"), "service"))
            self._check_port()
            await asyncio.to_thread(self._check_face)
            stack.push_async_callback(asyncio.to_thread, self._stop_database)
            await asyncio.gather(
                asyncio.to_thread(self._prepare), asyncio.to_thread(self._start_database)
            )
            env = {**os.environ, PARENT_VARIABLE: str(os.getpid()), "SORTER_DATABASE_DSN": self.dsn}
            for part in parts_of(self.site):
                self.children[part] = self._child(part, env)
                stack.push_async_callback(self.children[part].stop)
            await self._watch(stop)

    async def _watch(self, stop: asyncio.Event) -> None:
        tasks = [asyncio.create_task(child.run()) for child in self.children.values()]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in [*tasks, stopped]:
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
            Notifier().say("STOPPING=1")

    def _child(self, part: Part, env: Mapping[str, str]) -> Child:
        command = [
            sys.executable,
            "-m",
            "sorter",
            "run",
            "--config",
            str(self._config),
            "--part",
            part,
        ]
        if part is Part.LINE and self._standby:
            command.append("--standby")
        log = self.state.logs / f"{part}.log" if self._logs_to_files else None
        return Child(part, command, env, log)

    def _prepare(self) -> None:
        from sorter.wiring.prepare import prepare  # noqa: PLC0415 - only where plans are compiled

        for note in prepare(self.site):
            _logger.warning("%s", note)

    def _start_database(self) -> None:
        if self.dsn:
            return
        self._database = EmbeddedPostgres(self.state.database, self.state.logs / "postgres.log")
        self._database.start()
        _logger.warning(
            "store.dsn is empty: records go to an embedded database, which is not for production"
        )
        self.dsn = self._database.dsn

    def _stop_database(self) -> None:
        if self._database:
            self._database.stop()

    def _check_face(self) -> None:
        """Refuse to start where the face could let nobody in."""
        from sorter.wiring.check import check_face  # noqa: PLC0415 - once, at the start

        check_face(self.site.http)

    def _check_port(self) -> None:
        """Refuse to start where the face could not listen."""
        http = self.site.http
        family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((http.host, http.port))
            except OSError as error:
                raise UnavailableError(
                    f"{self._config}: http: can't listen on {http.host}:{http.port} "
                    f"({error.strerror}); stop what uses it, or change http.port"
                ) from None
