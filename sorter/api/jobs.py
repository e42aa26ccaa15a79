"""Work that takes longer than an answer may: a job is begun, looked at, waited for, given up.

Jobs run in processes of their own (the desk is wiring's), so that the face answers meanwhile and
the line feels none of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import Field

from sorter.api.access import by_of
from sorter.api.models import Answer
from sorter.api.problems import ProblemError, responses
from sorter.api.roles import needs
from sorter.config_http import Role
from sorter.errors import UnavailableError

WAIT_S_MAX = 60.0
"""Longest that one question waits for a job's end; ask again then."""
WAITS_MAX = 64
"""Questions that wait at once; one more is told to come again."""


class JobState(StrEnum):
    """How a job stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """What it was given is wrong, or it met a limit; its problem says which."""
    CANCELLED = "cancelled"


@dataclass(slots=True)
class JobRecord:
    """A job as the desk knows it."""

    id: str
    kind: str
    line: str
    """Empty where it is the whole site's."""
    began: str
    """ISO 8601, UTC."""
    folder: Path
    state: JobState = JobState.RUNNING
    doing: str = ""
    share: float = 0.0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    files: Mapping[str, str] = field(default_factory=dict)
    """What its result consists of beside the JSON: media types by file name."""


class BusyError(Exception):
    """Another job of this kind runs; says which."""


class JobDesk(Protocol):
    """Runs jobs: one of each lane at a time, each in a process of its own."""

    def reserve(self, kind: str, line: str) -> JobRecord:
        """Return a job that has its folder but does not run yet; raises BusyError."""

    def discard(self, job: JobRecord) -> None:
        """Forget a job that was reserved and never begun."""

    async def begin(self, job: JobRecord, request: dict[str, Any]) -> None:
        """Have a reserved job run."""

    def jobs(self) -> list[JobRecord]:
        """Return the jobs still known, newest first."""

    def find(self, job_id: str) -> JobRecord | None:
        """Return a job by its id."""

    async def wait(self, job: JobRecord, seconds: float) -> None:
        """Return once a job has ended, or after so long."""

    async def cancel(self, job: JobRecord, by: dict[str, str]) -> None:
        """End a job for a caller; one that has ended stays as it is.

        Raises UnavailableError where that can't be audited.
        """

    async def close(self) -> None:
        """End all jobs."""


class WrongPart(Answer):
    """One thing that is wrong with what a job was given."""

    file: str = Field(examples=["plan.toml"])
    line: int | None = Field(default=None, description="Line of the file, where it has one.")
    field: str = Field(examples=["groups.NODE-320707.chutes"])
    detail: str


class Job(Answer):
    """A job: what it does, how far it is, and where its result is."""

    id: str = Field(examples=["5f0c9a3be2d1"])
    kind: str = Field(examples=["whatif"])
    line: str = Field(examples=["loop-1"])
    state: JobState
    began: str = Field(examples=["2026-11-25T14:05:00.125+00:00"])
    seconds: float = Field(description="Time it has run.", examples=[4.2])
    share: float = Field(description="Share of the present step that is done, 0 to 1.")
    doing: str = Field(description="The present step.", examples=["replaying"])
    result: str = Field(description="Where the result is or will be.")
    files: dict[str, str] = Field(description="Further parts of the result by name: their path.")


class Jobs(Answer):
    """The jobs still known, newest first."""

    jobs: list[Job]


def told(job: JobRecord) -> Job:
    """Return a job as it is answered."""
    base = f"/jobs/{job.id}"
    return Job(
        id=job.id, kind=job.kind, line=job.line, state=job.state, began=job.began,
        seconds=job.seconds, share=job.share, doing=job.doing, result=f"{base}/result",
        files={name: f"{base}/files/{name}" for name in job.files},
    )  # fmt: skip


def reserve(desk: JobDesk, kind: str, line: str) -> JobRecord:
    """Return a job that may be begun; a problem (409) where another one runs."""
    try:
        return desk.reserve(kind, line)
    except BusyError as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from None


def accepted(job: JobRecord, response: Response) -> Job:
    """Answer that a job was begun, and where it is."""
    response.status_code = HTTPStatus.ACCEPTED
    response.headers["Location"] = f"/jobs/{job.id}"
    return told(job)


Wait = Annotated[
    float, Query(ge=0, le=WAIT_S_MAX, description="Seconds to wait for the job's end, if need be.")
]


class Waits:
    """Questions that wait for jobs' ends, a bounded number at once."""

    def __init__(self, desk: JobDesk) -> None:
        self._desk = desk
        self._waiting = 0

    async def wait(self, job: JobRecord, seconds: float) -> None:
        """Return once a job has ended, or after so long; a problem (503) where too many wait."""
        if not seconds:
            return
        if self._waiting >= WAITS_MAX:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{WAITS_MAX} others wait for jobs; ask again"
            )
        self._waiting += 1
        try:
            await self._desk.wait(job, seconds)
        finally:
            self._waiting -= 1


def jobs_router(desk: JobDesk) -> APIRouter:
    """Return the operations on jobs whatever they do."""
    router = APIRouter(tags=["jobs"])
    waits = Waits(desk)

    def known(job_id: str) -> JobRecord:
        job = desk.find(job_id)
        if job is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, f"no job {job_id[:40]!r}; it was never begun, or is forgotten"
            )
        return job

    @router.get("/jobs", operation_id="listJobs")
    @needs(Role.VIEWER)
    async def jobs() -> Jobs:
        """The jobs still known, newest first."""
        return Jobs(jobs=[told(job) for job in desk.jobs()])

    @router.get("/jobs/{job}", operation_id="getJob", responses=responses(404, 503))
    @needs(Role.VIEWER)
    async def job_by_id(job: str, wait: Wait = 0) -> Job:
        """How a job stands; with ``wait``, once it has ended."""
        found = known(job)
        await waits.wait(found, wait)
        return told(found)

    @router.get(
        "/jobs/{job}/result", operation_id="getJobResult", response_class=Response,
        responses={
            200: {"content": {"application/json": {}}}, **responses(404, 409, 410, 422, 503),
        },
    )  # fmt: skip
    @needs(Role.VIEWER)
    async def result(job: str, wait: Wait = 0) -> Response:
        """What a job found; 409 while it runs, 422 with every wrong file and field if it failed."""
        found = known(job)
        await waits.wait(found, wait)
        match found.state:
            case JobState.RUNNING:
                raise ProblemError(HTTPStatus.CONFLICT, f"still {found.doing or 'starting'}; wait")
            case JobState.CANCELLED:
                raise ProblemError(HTTPStatus.GONE, "the job was cancelled; begin another one")
            case JobState.FAILED:
                wrong = [part.model_dump() for part in map(wrong_part, found.problems)]
                raise ProblemError(
                    HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(found.problems[:3]), problems=wrong
                )
        content = (found.folder / "result.json").read_bytes()
        return Response(content, media_type="application/json")

    @router.get(
        "/jobs/{job}/files/{name}", operation_id="getJobFile", response_class=Response,
        responses={200: {"content": {"image/svg+xml": {}, "text/plain": {}}}, **responses(404)},
    )  # fmt: skip
    @needs(Role.VIEWER)
    async def part(job: str, name: str) -> Response:
        """A further part of a result: the picture of a what-if, all bad lines of a load."""
        found = known(job)
        if name not in found.files:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"this job has no {name[:40]!r}")
        return FileResponse(found.folder / name, media_type=found.files[name])

    @router.delete("/jobs/{job}", operation_id="cancelJob", responses=responses(403, 404, 503))
    @needs(Role.ENGINEER)
    async def cancel(job: str, request: Request) -> Job:
        """End a job that runs; one that has ended stays as it is."""
        found = known(job)
        await _cancel(desk, found, by_of(request))
        return told(found)

    return router


async def _cancel(desk: JobDesk, job: JobRecord, by: dict[str, str]) -> None:
    try:
        await desk.cancel(job, by)
    except UnavailableError as error:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None


def wrong_part(text: str) -> WrongPart:
    """Take a problem's line apart: ``file:line: field: what is wrong``, as far as it has these."""
    file, separator, rest = text.partition(": ")
    if not separator:
        return WrongPart(file="", field="", detail=text)
    name, _, number = file.rpartition(":")
    line = int(number) if name and number.isdecimal() else None
    key, separator, _ = rest.partition(": ")
    is_key = bool(separator) and " " not in key
    return WrongPart(
        file=name if line is not None else file, line=line, field=key if is_key else "", detail=text
    )
