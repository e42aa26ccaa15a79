"""A version that decides beside a line's active one: begun, ended, and what it found."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from sorter.api.bodies import Responsible, described
from sorter.api.control import ANN, ControlResponse, LineControl, LockBody, Version, change_line
from sorter.api.problems import ProblemError, responses
from sorter.api.roles import needs
from sorter.config_http import Role
from sorter.outlets.shadows import Shadows


class ShadowBody(Responsible):
    """Which version shadows the line, by whom and why."""

    version: Version


def shadow_router(control: LineControl, shadows: Shadows) -> APIRouter:
    """Return the operations on the version that shadows a line."""
    router = APIRouter(tags=["control"], responses=responses(404, 503))
    refusals = responses(403, 409, 413, 415, 422, 500)

    @router.post(
        "/lines/{line}/plans/shadow", operation_id="shadowPlan", responses=refusals,
        openapi_extra=described(ShadowBody, {"version": 4, **ANN}),
    )  # fmt: skip
    @needs(Role.ENGINEER)
    async def shadow(line: str, request: Request) -> Response:
        """Have a version decide beside the active one, on live traffic; differences are counted."""
        return await change_line(control, request, ShadowBody, "shadow", line)

    @router.post(
        "/lines/{line}/plans/shadow/stop", operation_id="stopShadow", responses=refusals,
        openapi_extra=described(LockBody, ANN),
    )  # fmt: skip
    @needs(Role.ENGINEER)
    async def stop_shadow(line: str, request: Request) -> Response:
        """Let no version decide beside the active one any more."""
        return await change_line(control, request, LockBody, "shadow", line, version=0)

    @router.get("/lines/{line}/plans/shadow", operation_id="getShadow")
    @needs(Role.VIEWER)
    async def shadowed(line: str) -> Response:
        """What the version that shadows a line would have decided otherwise."""
        found = shadows.read().get(line)
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"nothing shadows line {line[:80]!r}")
        return ControlResponse(found)

    return router
