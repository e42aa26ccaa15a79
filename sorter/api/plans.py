"""Sort plans over HTTP before they run: check, prove, compare, try, keep as a version.

Each is a job (:mod:`sorter.api.jobs`): the answer says where it is.
"""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, Field, model_validator

from sorter.api.access import by_of
from sorter.api.bodies import Body, Responsible, described, read_body
from sorter.api.control import ANN, Version
from sorter.api.jobs import Job, JobDesk, accepted, reserve
from sorter.api.problems import no_line, responses
from sorter.api.roles import needs
from sorter.config_http import Role

PLAN_BODY_BYTES_MAX = 33_554_432
"""Size of a request that brings plans, their tables or recorded pieces along."""
TABLES_MAX = 8
"""Tables of one plan."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]
"""A file's name without a folder."""
Content = Annotated[str, Field(min_length=1)]


class PlanSource(Body):
    """A plan: a version that is kept, a file beside the line's own plan, or its text."""

    version: Version | None = None
    """Number of a version of this line."""
    file: FileName | None = None
    """Name of a file in the folder of the line's plan."""
    toml: Content | None = None
    """The plan itself."""
    tables: dict[FileName, Content] = Field(default_factory=dict, max_length=TABLES_MAX)
    """With ``toml``: the CSV files it names, by name."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(part is not None for part in (self.version, self.file, self.toml)) != 1:
            raise ValueError("give one of version, file, toml")
        if self.tables and self.toml is None:
            raise ValueError("tables come with toml only")
        return self


class Recorded(Body):
    """Recorded pieces: a span of what the line sorted, a day of it, or a table of one's own."""

    begin: AwareDatetime | None = None
    """First scans from this instant on; with ``end``."""
    end: AwareDatetime | None = None
    """First scans before this instant."""
    day: Annotated[str, Field(pattern=r"^(yesterday|today|\d{4}-\d\d-\d\d)$")] | None = None
    """A day of the machine's time zone."""
    source: Annotated[str, Field(pattern="^(store|journal)$")] = "store"
    """Where a span or a day is read: the database, or the line's journal."""
    csv: Content | None = None
    """A table as 'sorter plan whatif --scans' takes it."""
    ndjson: Content | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.begin is None) != (self.end is None):
            raise ValueError("begin and end come together")
        parts = (self.begin, self.day, self.csv, self.ndjson)
        if sum(part is not None for part in parts) != 1:
            raise ValueError("give one of begin with end, day, csv, ndjson")
        if self.begin and self.end and self.begin >= self.end:
            raise ValueError("begin must be before end")
        return self


class PlanBody(Body):
    """The plan to look at."""

    plan: PlanSource


class DiffBody(Body):
    """The plans to compare."""

    before: PlanSource
    after: PlanSource


class WhatIfBody(PlanBody):
    """The plan to try, over what, against what, and what the model assumes."""

    recorded: Recorded
    against: PlanSource | None = None
    """A plan to compare with; what was recorded if left out."""
    lap_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    empty_seconds: Annotated[float, Field(ge=0, le=86_400)] = 120.0


class KeepBody(Responsible):
    """The plan to keep, by whom and why."""

    plan: PlanSource

    @model_validator(mode="after")
    def _is_new(self) -> Self:
        if self.plan.version is not None:
            raise ValueError("a version is kept already; give file or toml")
        return self


A_VERSION: dict[str, Any] = {"plan": {"version": 4}}
A_TEXT: dict[str, Any] = {
    "plan": {
        "toml": 'name = "night"\ncentre = "LYG-HUB"\nroutes = "routes.csv"\n...',
        "tables": {"routes.csv": "prefix,brand,service_class,group\n32,*,*,ALL\n"},
    }
}
A_DAY: dict[str, Any] = {**A_VERSION, "recorded": {"day": "yesterday"}, "against": {"version": 3}}
TWO: dict[str, Any] = {"before": {"version": 3}, "after": {"file": "night.toml"}}


def plans_router(desk: JobDesk, lines: list[str]) -> APIRouter:
    """Return the operations that look at plans and keep them."""
    refusals = responses(403, 404, 409, 413, 415, 422)
    router = APIRouter(tags=["plans"], responses=refusals)

    async def begin(
        kind: str, line: str, request: Request, model: type[Body], response: Response
    ) -> Job:
        body = await read_body(request, model, PLAN_BODY_BYTES_MAX)
        if line not in lines:
            raise no_line(line, lines)
        job = reserve(desk, kind, line)
        await desk.begin(job, {**body.model_dump(mode="json"), "by": by_of(request)})
        return accepted(job, response)

    @router.post("/lines/{line}/plans/check", operation_id="checkPlan", status_code=202,
                 openapi_extra=described(PlanBody, A_TEXT))  # fmt: skip
    @needs(Role.ENGINEER)
    async def check(line: str, request: Request, response: Response) -> Job:
        """Check a plan against the network and the line's machine: every error at once."""
        return await begin("check", line, request, PlanBody, response)

    @router.post("/lines/{line}/plans/prove", operation_id="provePlan", status_code=202,
                 openapi_extra=described(PlanBody, A_VERSION))  # fmt: skip
    @needs(Role.ENGINEER)
    async def prove(line: str, request: Request, response: Response) -> Job:
        """Prove a plan: every destination, brand and class, with any one chute out."""
        return await begin("prove", line, request, PlanBody, response)

    @router.post("/lines/{line}/plans/diff", operation_id="diffPlans", status_code=202,
                 openapi_extra=described(DiffBody, TWO))  # fmt: skip
    @needs(Role.ENGINEER)
    async def diff(line: str, request: Request, response: Response) -> Job:
        """Show what goes elsewhere from one plan to another, by prefix."""
        return await begin("diff", line, request, DiffBody, response)

    @router.post("/lines/{line}/plans/whatif", operation_id="tryPlan", status_code=202,
                 openapi_extra=described(WhatIfBody, A_DAY))  # fmt: skip
    @needs(Role.ENGINEER)
    async def whatif(line: str, request: Request, response: Response) -> Job:
        """Try a plan over recorded pieces; the result has a picture among its files."""
        return await begin("whatif", line, request, WhatIfBody, response)

    @router.post("/lines/{line}/plans", operation_id="keepPlan", status_code=202,
                 openapi_extra=described(KeepBody, {**A_TEXT, **ANN}))  # fmt: skip
    @needs(Role.ENGINEER)
    async def keep(line: str, request: Request, response: Response) -> Job:
        """Compile a plan and keep it as the line's next version, which is not active yet.

        A plan that is the newest version already is not kept twice.
        """
        return await begin("keep", line, request, KeepBody, response)

    return router
