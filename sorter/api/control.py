"""What may be changed over HTTP: the active plan version, and the operator's locks.

Only from this machine: there is no user yet to hold responsible. A body must be declared as JSON,
and an ``Origin`` must be of this machine, so that a page loaded from elsewhere can't send one.
"""

import asyncio
import ipaddress
from http import HTTPStatus
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sorter.api.problems import ProblemError, responses
from sorter.errors import CommandError, Refusal

BODY_BYTES_MAX = 16_384
STATUS = {
    Refusal.REFUSED: HTTPStatus.CONFLICT,
    Refusal.WRONG: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refusal.UNKNOWN: HTTPStatus.NOT_FOUND,
    Refusal.FILE: HTTPStatus.INTERNAL_SERVER_ERROR,
    Refusal.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

Text = Annotated[str, Field(min_length=1, max_length=200)]


class LineControl(Protocol):
    """Tells a running line what to do."""

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return what came of it; raises CommandError."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    who: Text
    why: Text


class ActivateBody(_Body):
    """Which version to activate, when, by whom and why."""

    version: Annotated[int, Field(strict=True, ge=1)]
    when: Text = "now"
    """``now``, ``empty`` (once no piece is on the sorter), or an instant with its zone."""
    expect: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Version that must be active; another one is a conflict (409)."""
    replace: bool = False
    """Put it in place of an activation that waits, which is a conflict otherwise."""


class RollBackBody(_Body):
    """By whom and why the version before is activated again."""

    expect: Annotated[int, Field(strict=True, ge=1)] | None = None
    replace: bool = False


class LockBody(_Body):
    """By whom and why a chute is locked or unlocked."""


class ControlResponse(Response):
    """What came of a command."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the bytes that go out."""
        return orjson.dumps(content)


def control_router(control: LineControl) -> APIRouter:
    """Return the operations that reach into a running line."""
    router = APIRouter(tags=["control"], responses=responses(404, 503))
    refusals = responses(403, 409, 413, 415, 422, 500)

    async def ask(command: str, line: str, **more: Any) -> Response:
        request = {"command": command, "line": line, **more}
        try:
            return ControlResponse(await asyncio.to_thread(control.ask, request))
        except CommandError as error:
            raise ProblemError(STATUS[error.refusal], str(error)) from None

    @router.get("/lines/{line}/plans", operation_id="listPlans")
    async def plans(line: str) -> Response:
        """The versions of a line's plan: which is active, which waits, which are still in use."""
        return await ask("state", line)

    @router.post(
        "/lines/{line}/plans/activate", operation_id="activatePlan", responses=refusals,
        openapi_extra=_described(ActivateBody),
    )  # fmt: skip
    async def activate(line: str, request: Request) -> Response:
        """Activate a version of a line's plan; pieces keep the one they were inducted under."""
        return await ask("activate", line, **await _body(request, ActivateBody))

    @router.post(
        "/lines/{line}/plans/rollback", operation_id="rollBackPlan", responses=refusals,
        openapi_extra=_described(RollBackBody),
    )  # fmt: skip
    async def roll_back(line: str, request: Request) -> Response:
        """Activate the version that was active before."""
        return await ask("rollback", line, **await _body(request, RollBackBody))

    @router.post(
        "/lines/{line}/chutes/{chute}/lock", operation_id="lockChute", responses=refusals,
        openapi_extra=_described(LockBody),
    )  # fmt: skip
    async def lock(line: str, chute: int, request: Request) -> Response:
        """Name a chute for no further piece until it is unlocked."""
        return await ask("lock", line, chute=chute, **await _body(request, LockBody))

    @router.post(
        "/lines/{line}/chutes/{chute}/unlock", operation_id="unlockChute", responses=refusals,
        openapi_extra=_described(LockBody),
    )  # fmt: skip
    async def unlock(line: str, chute: int, request: Request) -> Response:
        """Let a chute be named again."""
        return await ask("unlock", line, chute=chute, **await _body(request, LockBody))

    return router


def _described(model: type[_Body]) -> dict[str, Any]:
    """Return the body's part of an operation's description."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


async def _body(request: Request, model: type[_Body]) -> dict[str, Any]:
    """Return the checked body of a request that may change something."""
    _check_sender(request)
    declared = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if declared != "application/json":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body with Content-Type: application/json"
        )
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > BODY_BYTES_MAX:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {BODY_BYTES_MAX} bytes"
            )
    try:
        return model.model_validate_json(content).model_dump()
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(wrong)) from None


def _check_sender(request: Request) -> None:
    """Refuse what does not come from this machine, or from a page of elsewhere."""
    origin = request.headers.get("origin")
    hosts = [request.client.host if request.client else ""]
    if origin is not None:
        hosts.append(urlsplit(origin).hostname or "")
    if not all(map(_is_here, hosts)):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "commands are taken from this machine only; use it, or 'sorter plan'",
        )


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
