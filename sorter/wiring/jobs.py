"""The face's desk of jobs: each runs in a process of its own and leaves its result in a folder.

A process, and not a pool of them: one can be ended at any instant, gives all its memory back, and
loads compiler and tables that the face never needs.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from sorter.api.jobs import BusyError, JobRecord, JobState
from sorter.config import SiteFile
from sorter.errors import Exit
from sorter.wiring.audit import AuditLog, Change, who_runs
from sorter.wiring.paths import StatePaths
from sorter.wiring.process import PARENT_VARIABLE

JOBS_KEPT = 16
"""Ended jobs whose results stay; older ones are forgotten."""
JOB_S = 600.0
"""Time one job has."""
CANCEL_S = 10.0
"""Time a job has to end after it is told to, before it is killed."""
WORD_BYTES_MAX = 65_536
"""Length of one word of a job about how far it is."""
LANES = {"pre_advice": "pre-advice"}
"""Kinds of jobs that don't wait for those of plans, nor these for them."""
PLANS = "plans"
PARTS = {".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8"}
"""Files that are parts of a job's result, by their ending."""

_logger = logging.getLogger(__name__)


class Desk:
    """Runs the jobs of one face. Used on its event loop only."""

    def __init__(self, site: SiteFile, folder: Path) -> None:
        """Begin with no jobs.

        Args:
            site: Handed to each job.
            folder: For the jobs' folders; what an earlier face left in it is removed.
        """
        self._site = site.model_dump_json().encode()
        self._folder = folder
        self._audit = AuditLog(StatePaths(site.site.state_dir).audit)
        self._jobs: dict[str, JobRecord] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        shutil.rmtree(folder, ignore_errors=True)

    def reserve(self, kind: str, line: str) -> JobRecord:
        """Return a job that has its folder but does not run yet.

        Raises:
            BusyError: another one of its lane runs, or is being prepared.
        """
        lane = LANES.get(kind, PLANS)
        for other in self._jobs.values():
            if other.state == JobState.RUNNING and LANES.get(other.kind, PLANS) == lane:
                raise BusyError(
                    f"job {other.id} ({other.kind}) of {lane} runs since {other.began}; wait for "
                    f"it, or end it with DELETE /jobs/{other.id}"
                )
        self._forget()
        job_id = secrets.token_hex(6)
        folder = self._folder / job_id
        folder.mkdir(parents=True, mode=0o700)
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._jobs[job_id] = JobRecord(job_id, kind, line, began, folder)
        return self._jobs[job_id]

    def discard(self, job: JobRecord) -> None:
        """Forget a job that was reserved and never begun."""
        self._jobs.pop(job.id, None)
        shutil.rmtree(job.folder, ignore_errors=True)

    async def begin(self, job: JobRecord, request: dict[str, Any]) -> None:
        """Have a reserved job run."""
        if job.id in self._jobs and job.state == JobState.RUNNING:
            self._running[job.id] = asyncio.create_task(self._run(job, request))

    def jobs(self) -> list[JobRecord]:
        """Return the jobs still known, newest first."""
        return list(reversed(self._jobs.values()))

    def find(self, job_id: str) -> JobRecord | None:
        """Return a job by its id."""
        return self._jobs.get(job_id)

    async def wait(self, job: JobRecord, seconds: float) -> None:
        """Return once a job has ended, or after so long."""
        running = self._running.get(job.id)
        if running is not None and seconds > 0:
            await asyncio.wait([running], timeout=seconds)

    async def cancel(self, job: JobRecord, by: dict[str, str]) -> None:
        """End a job for a caller; one that has ended stays as it is.

        A job that is writing what it made, which takes an instant, is let end first.

        Raises:
            UnavailableError: it can't be audited; the job goes on.
        """
        if job.state != JobState.RUNNING:
            return
        change = Change(
            "cancel_job", who_runs(by["caller"], by), "", job.line,
            asked={"job": job.id, "kind": job.kind},
        )  # fmt: skip
        number = await asyncio.to_thread(self._audit.begin, change)
        await self._stop(job)
        await asyncio.to_thread(self._audit.end, number, change, {"state": job.state.value})

    async def _stop(self, job: JobRecord) -> None:
        running = self._running.get(job.id)
        if job.state != JobState.RUNNING:
            return
        if running is None:
            job.state = JobState.CANCELLED
            return
        running.cancel()
        await asyncio.wait([running])
        if job.state == JobState.RUNNING:  # it was ended before its first step
            self._running.pop(job.id, None)
            job.state = JobState.CANCELLED

    async def close(self) -> None:
        """End all jobs."""
        for job in list(self._jobs.values()):
            await self._stop(job)

    def _forget(self) -> None:
        ended = [job for job in self._jobs.values() if job.state != JobState.RUNNING]
        for job in ended[: max(0, len(ended) - JOBS_KEPT + 1)]:
            self.discard(job)

    async def _run(self, job: JobRecord, request: dict[str, Any]) -> None:
        began = time.monotonic()
        cancelled = False
        code = 0
        try:
            async with asyncio.timeout(JOB_S):
                code = await self._process(job, request, began)
        except TimeoutError:
            job.problems = [f"job: not done in {JOB_S:.0f} s, and ended; give it less to do"]
        except asyncio.CancelledError:
            cancelled = True
        except OSError as error:
            job.problems = [f"job: can't be run: {error.strerror}; make room on this machine"]
        finally:
            code = await self._end(job, code)
            job.seconds = round(time.monotonic() - began, 3)
            _settle(job, code, cancelled=cancelled)
            self._running.pop(job.id, None)

    async def _process(self, job: JobRecord, request: dict[str, Any], began: float) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sorter.wiring.job_process", str(job.folder), job.kind, job.line,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
            limit=WORD_BYTES_MAX, start_new_session=True,
        )  # fmt: skip
        self._processes[job.id] = process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(ConnectionError):  # it died at once; its exit code tells
            process.stdin.write(self._site + b"\n" + orjson.dumps(request) + b"\n")
            await process.stdin.drain()
            process.stdin.close()
        async for word in process.stdout:
            told = orjson.loads(word)
            job.doing, job.share = told["doing"], told["share"]
            job.seconds = round(time.monotonic() - began, 3)
        return await process.wait()

    async def _end(self, job: JobRecord, code: int) -> int:
        """Make sure that a job's process is gone; return its exit code."""
        process = self._processes.pop(job.id, None)
        if process is None:
            return code
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), CANCEL_S)
                except TimeoutError:
                    process.kill()
                    await process.wait()
        return process.returncode or 0


def _settle(job: JobRecord, code: int, *, cancelled: bool) -> None:
    """Read what an ended job left."""
    result, wrong = job.folder / "result.json", job.folder / "problems.json"
    if code == 0 and result.exists() and not job.problems:
        job.state, job.share, job.doing = JobState.DONE, 1.0, ""
        job.files = {
            path.name: PARTS[path.suffix]
            for path in sorted(job.folder.iterdir())
            if path.suffix in PARTS
        }
        return
    job.state = JobState.CANCELLED if cancelled else JobState.FAILED
    if code == Exit.CONFIG and wrong.exists():
        job.problems = orjson.loads(wrong.read_bytes())
    elif not job.problems:
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        job.problems = [f"job: its process ended with {ended}; the log of the face has more"]
    if job.state == JobState.FAILED:
        _logger.warning("job %s (%s) failed: %s", job.id, job.kind, "; ".join(job.problems[:3]))
