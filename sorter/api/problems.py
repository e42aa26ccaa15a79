"""Errors as problem+json (RFC 9457): what is wrong, with what, and what to do."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from sorter.api.roles import methods_of
from sorter.errors import UnavailableError

RETRY_AFTER_S = 2
"""What a client is told to wait where something is away."""
MEDIA_TYPE = "application/problem+json"

_logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """An error as RFC 9457 has it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "no line 'loop-9' here; there are: loop-1",
                "instance": "/lines/loop-9",
            }
        },
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="What is wrong with what, and what to do.")
    instance: str


class ProblemError(Exception):
    """Ends a request with a problem; ``more`` are members of its own (RFC 9457, section 3.2)."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.more = more


def no_line(name: str, lines: Iterable[str]) -> ProblemError:
    """Return the problem of a line that is not here."""
    return ProblemError(
        HTTPStatus.NOT_FOUND, f"no line {name[:80]!r} here; there are: {', '.join(lines)}"
    )


class ProblemResponse(Response):
    """A problem as it goes out."""

    media_type = MEDIA_TYPE


def problem(
    request: Request,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Return a problem; ``more`` are members of its own (RFC 9457, section 3.2)."""
    title = HTTPStatus(status).phrase
    content = Problem(
        title=title, status=status, detail=detail, instance=_printable(request.url.path), **more
    )
    told = {"Retry-After": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    told.update(headers or {})
    return ProblemResponse(orjson.dumps(content.model_dump()), status, headers=told)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what an operation's description says about these problems."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def handle_problems(app: FastAPI) -> None:
    """Make every error of the application a problem."""

    @app.exception_handler(ProblemError)
    async def _own(request: Request, error: ProblemError) -> Response:
        return problem(request, error.status, error.detail, error.headers, **error.more)

    @app.exception_handler(UnavailableError)
    async def _unavailable(request: Request, error: UnavailableError) -> Response:
        return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        response = problem(request, error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Starlette knows the methods of one route; an address may have several.
            methods = methods_of(app, request.url.path)
            response.headers["Allow"] = ", ".join(methods) or response.headers["Allow"]
        return response

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(wrong))

    @app.exception_handler(Exception)
    async def _fault(request: Request, error: Exception) -> Response:
        _logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        detail = "a fault of this program; the log of the face process has the trace"
        return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def _printable(text: str) -> str:
    """Return a text that JSON can carry, of bounded length."""
    return text[:200].encode("utf-8", "replace").decode()
