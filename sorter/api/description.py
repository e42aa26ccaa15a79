"""What the API says of itself (OpenAPI): its problems, who may use which operation, and how."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from sorter.api.problems import Problem, responses
from sorter.api.roles import OPEN, needs, operations
from sorter.config_http import Role

FROM_THE_DOOR = (421, 429)
"""Problems that any operation may answer with."""
FROM_THE_GATE = (401, 403)
"""And those of operations that need a role."""
SCHEMES: dict[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key that 'sorter key new' made.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": "sorter_session"},
}
OF_FASTAPI = ("HTTPValidationError", "ValidationError")
"""Models of errors that this application never answers with: its own are problems."""
INVALID = "422"
HOW: list[dict[str, list[str]]] = [{"key": []}, {"session": []}]


def describe(app: FastAPI) -> None:
    """Serve the description; ValueError where an operation declares no role."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(app, plain())
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]

    @app.get("/openapi.json", include_in_schema=False)
    @needs(Role.VIEWER)
    async def openapi(_: Request) -> JSONResponse:
        return JSONResponse(described())

    list(operations(app))


def _completed(app: FastAPI, content: dict[str, Any]) -> dict[str, Any]:
    """Add problems, roles, ways to prove who one is, and the models that bodies name."""
    components = content.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.setdefault("Problem", Problem.model_json_schema())
    for name in OF_FASTAPI:
        schemas.pop(name, None)
    components["securitySchemes"] = SCHEMES
    for each in operations(app):
        operation = content["paths"].get(each.path, {}).get(each.method.lower())
        if operation is None:
            continue
        operation["x-role"] = str(each.needs)
        operation["security"] = [] if each.needs == OPEN else HOW
        for body in operation.get("requestBody", {}).get("content", {}).values():
            schemas.update(body.get("schema", {}).pop("$defs", {}))
        known = operation.setdefault("responses", {})
        if INVALID in known:
            known.update({str(status): told for status, told in responses(int(INVALID)).items()})
        for status, told in responses(
            *FROM_THE_DOOR, *(() if each.needs == OPEN else FROM_THE_GATE)
        ).items():
            known.setdefault(str(status), told)
    return content
