"""Bodies of requests that change or start something: how they are declared, and how large.

A body must be declared as JSON, which no form of a page from elsewhere can be.
"""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sorter.api.access import who_of
from sorter.api.problems import ProblemError

COMMAND_BYTES_MAX = 16_384
"""Size of a command's body."""
JSON = "application/json"
SCHEMAS = "#/components/schemas/"
"""Where an operation's description looks for the models it names."""

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]
"""A name or a reason."""


class Body(BaseModel):
    """A body in JSON; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


B = TypeVar("B", bound=Body)


class Responsible(Body):
    """By whom and why something is changed; both are kept."""

    who: Text
    why: Text


def described(model: type[Body], example: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the body's part of an operation's description, with an example.

    Models within it stand beside it under ``$defs`` until the description is completed.
    """
    content: dict[str, Any] = {"schema": model.model_json_schema(ref_template=SCHEMAS + "{model}")}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {JSON: content}}}


async def read_body(request: Request, model: type[B], bytes_max: int = COMMAND_BYTES_MAX) -> B:
    """Return the checked body of a request that may change or start something.

    Raises:
        ProblemError: it is declared as something else, is too large, or is wrong; every wrong key
            is named.
    """
    declared_as(request, JSON)
    content = bytearray()
    async for part in parts_of(request, bytes_max):
        content += part
    try:
        body = model.model_validate_json(bytes(content))
    except ValidationError as error:
        wrong = [(".".join(map(str, e["loc"])) or "body", e["msg"]) for e in error.errors()]
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "; ".join(f"{field}: {text}" for field, text in wrong),
            problems=[{"file": "body", "field": field, "detail": text} for field, text in wrong],
        ) from None
    if isinstance(body, Responsible):
        return body.model_copy(update={"who": who_of(request, body.who)})
    return body


async def parts_of(request: Request, bytes_max: int) -> AsyncIterator[bytes]:
    """Yield a body as it comes; ProblemError once it is larger than it may be."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > bytes_max:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {bytes_max} bytes here"
            )
        yield part


def declared_as(request: Request, *types: str) -> str:
    """Return the declared type of a body; ProblemError unless it is one of these."""
    declared = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if declared not in types or request.headers.get("content-encoding"):
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"send the body, not compressed, with Content-Type: {' or '.join(types)}",
        )
    return declared
