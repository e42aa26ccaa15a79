"""Who is asking, and how the page logs in and out."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import Field

from sorter.api.access import Access, RefusedError
from sorter.api.bodies import Body, described, read_body
from sorter.api.keys import hash_of
from sorter.api.models import Answer
from sorter.api.problems import ProblemError, responses
from sorter.api.roles import open_to_all
from sorter.api.sessions import COOKIE, SESSION_S
from sorter.config_http import Role


class LogIn(Body):
    """A key, to be shown once."""

    key: str = Field(min_length=1, max_length=200)


class Who(Answer):
    """Who is asking."""

    name: str | None = Field(description="Null for a caller who proved nothing.", examples=["ann"])
    role: Role | None = Field(examples=["operator"])
    how: str | None = Field(
        description="local (this machine, where no keys are configured), key or session.",
        examples=["session"],
    )


NOBODY = Who(name=None, role=None, how=None)


def session_router(access: Access) -> APIRouter:
    """Return the operations on the page's session."""
    router = APIRouter(tags=["session"])

    @router.get("/session", operation_id="getSession")
    @open_to_all
    async def who(request: Request) -> Who:
        """Who is asking; a page that is nobody to the face asks for a key."""
        caller = request.state.caller
        if isinstance(caller, RefusedError):
            return NOBODY
        return Who(name=caller.name, role=caller.role, how=caller.how)

    @router.post(
        "/session", operation_id="beginSession", responses=responses(401, 403, 413, 415, 422),
        openapi_extra=described(LogIn, {"key": "sorter_..."}),
    )  # fmt: skip
    @open_to_all
    async def log_in(request: Request, response: Response) -> Who:
        """Show a key once; a cookie that scripts can't read stands for it from then on."""
        body = await read_body(request, LogIn)
        try:
            caller = access.by_key(body.key)
        except RefusedError as error:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, str(error)) from None
        access.sessions.end(request.cookies.get(COOKIE, ""))
        response.set_cookie(
            COOKIE, access.sessions.begin(caller.name, hash_of(body.key)), max_age=SESSION_S,
            httponly=True, samesite="strict", secure=access.secure,
        )  # fmt: skip
        return Who(name=caller.name, role=caller.role, how="session")

    @router.delete("/session", operation_id="endSession", responses=responses(403))
    @open_to_all
    async def log_out(request: Request, response: Response) -> Who:
        """End the session whose cookie came along."""
        access.sessions.end(request.cookies.get(COOKIE, ""))
        response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=access.secure)
        return NOBODY

    return router
