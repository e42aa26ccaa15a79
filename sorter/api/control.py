"""What may be changed over HTTP: the active plan version, and the operator's locks."""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from plc_adapters.contract import CHUTE_NUMBER_MAX
from sorter.api.access import by_of
from sorter.api.bodies import Responsible, Text, described, read_body
from sorter.api.problems import ProblemError, responses
from sorter.api.roles import needs
from sorter.config_http import Role
from sorter.errors import CommandError, Refusal
from sorter.plans.versions import PAGE_MAX, VERSIONS_MAX

STATUS = {
    Refusal.REFUSED: HTTPStatus.CONFLICT,
    Refusal.WRONG: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refusal.UNKNOWN: HTTPStatus.NOT_FOUND,
    Refusal.FILE: HTTPStatus.INTERNAL_SERVER_ERROR,
    Refusal.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

ANN = {"who": "ann", "why": "night shift"}
"""Who and why, in examples."""
Version = Annotated[int, Field(strict=True, ge=1, le=VERSIONS_MAX)]
"""Number of a version."""
Chute = Annotated[int, Path(ge=1, le=CHUTE_NUMBER_MAX)]
Before = Annotated[
    int | None, Query(ge=1, le=VERSIONS_MAX, description="Versions below this number.")
]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Versions told at most.")]
Expect = Version
"""Version that must be active, so that of two who change it at once one is told; 409 if another."""


class LineControl(Protocol):
    """Tells a running line what to do."""

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return what came of it; raises CommandError."""


class ActivateBody(Responsible):
    """Which version to activate, when, by whom and why."""

    version: Version
    when: Text = "now"
    """``now``, ``empty`` (once no piece is on the sorter), or an instant with its zone."""
    expect: Expect
    replace: bool = False
    """Put it in place of an activation that waits, which is a conflict otherwise."""


class RollBackBody(Responsible):
    """By whom and why the version before is activated again."""

    expect: Expect
    replace: bool = False


class ReleaseBody(Responsible):
    """By whom and why a line's quarantine is released."""


class LockBody(Responsible):
    """By whom and why a chute is locked or unlocked."""


class ControlResponse(Response):
    """What came of a command."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the bytes that go out."""
        return orjson.dumps(content)


async def ask_line(control: LineControl, command: str, line: str, **more: Any) -> Response:
    """Tell a line something and return what came of it; a refusal is a problem."""
    request = {"command": command, "line": line, **more}
    try:
        return ControlResponse(await asyncio.to_thread(control.ask, request))
    except CommandError as error:
        raise ProblemError(STATUS[error.refusal], str(error)) from None


async def change_line(
    control: LineControl, request: Request, model: type[Responsible], command: str, line: str,
    **more: Any,
) -> Response:  # fmt: skip
    """Have a line change what a request's body says, in the name of who makes it."""
    body = await read_body(request, model)
    return await ask_line(
        control, command, line, **{**body.model_dump(), **more}, by=by_of(request)
    )


def control_router(control: LineControl) -> APIRouter:
    """Return the operations that reach into a running line."""
    router = APIRouter(tags=["control"], responses=responses(404, 503))
    refusals = responses(403, 409, 413, 415, 422, 500)

    change = partial(change_line, control)

    @router.get("/lines/{line}/plans", operation_id="listPlans")
    @needs(Role.VIEWER)
    async def plans(line: str, before: Before = None, limit: Limit = PAGE_MAX) -> Response:
        """The versions of a line's plan: which is active, which waits, which are still in use.

        The newest ones by number; ``next_before`` (null at the oldest) is the next page's
        ``before``. Who activated which, and why: ``GET /lines/{line}/commands``.
        """
        return await ask_line(control, "state", line, before=before, limit=limit)

    @router.post(
        "/lines/{line}/plans/activate", operation_id="activatePlan", responses=refusals,
        openapi_extra=described(ActivateBody, {"version": 4, "when": "empty", "expect": 3, **ANN}),
    )  # fmt: skip
    @needs(Role.ENGINEER)
    async def activate(line: str, request: Request) -> Response:
        """Activate a version of a line's plan; pieces keep the one they were inducted under."""
        return await change(request, ActivateBody, "activate", line)

    @router.post(
        "/lines/{line}/plans/rollback", operation_id="rollBackPlan", responses=refusals,
        openapi_extra=described(RollBackBody, {"expect": 4, **ANN}),
    )  # fmt: skip
    @needs(Role.OPERATOR)
    async def roll_back(line: str, request: Request) -> Response:
        """Activate the version that was active before."""
        return await change(request, RollBackBody, "rollback", line)

    @router.post(
        "/lines/{line}/chutes/{chute}/lock", operation_id="lockChute", responses=refusals,
        openapi_extra=described(LockBody, ANN),
    )  # fmt: skip
    @needs(Role.OPERATOR)
    async def lock(line: str, chute: Chute, request: Request) -> Response:
        """Name a chute for no further piece until it is unlocked."""
        return await change(request, LockBody, "lock", line, chute=chute)

    @router.post(
        "/lines/{line}/chutes/{chute}/unlock", operation_id="unlockChute", responses=refusals,
        openapi_extra=described(LockBody, ANN),
    )  # fmt: skip
    @needs(Role.OPERATOR)
    async def unlock(line: str, chute: Chute, request: Request) -> Response:
        """Let a chute be named again."""
        return await change(request, LockBody, "unlock", line, chute=chute)

    @router.post(
        "/lines/{line}/quarantine/release", operation_id="releaseQuarantine", responses=refusals,
        openapi_extra=described(ReleaseBody),
    )  # fmt: skip
    @needs(Role.OPERATOR)
    async def release(line: str, request: Request) -> Response:
        """Sort again after a quarantine: somebody has looked, and put the sorter right."""
        return await change(request, ReleaseBody, "release_quarantine", line)

    return router
