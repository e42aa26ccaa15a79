"""Waybills that the brands send ahead, taken in bulk while the lines run."""

import asyncio
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query, Request, Response

from sorter.api.access import by_of, who_of
from sorter.api.bodies import declared_as, parts_of
from sorter.api.jobs import Job, JobDesk, accepted, reserve
from sorter.api.problems import ProblemError, responses
from sorter.api.roles import needs
from sorter.config_http import Role

PRE_ADVICE_BYTES_MAX = 536_870_912
"""Size of one file; a million lines take some 50 MB."""
WRITE_BYTES = 1_048_576
"""Gathered before they are written beside the loop."""
FILES = {
    "text/csv": "pre_advice.csv",
    "application/x-ndjson": "pre_advice.ndjson",
    "application/ndjson": "pre_advice.ndjson",
}
"""The file a body is kept in, by its declared type."""

ENCODED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "waybill,brand,service_class,destination,holds,expires\n"
                "LXE0000000001,LANXI,next_day,320707,,2026-12-01\n",
            },
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"waybill": "LXE0000000001", "brand": "LANXI", "destination": "320707"}'
                "\n",
            },
        },
    }
}
Word = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Expires = Annotated[
    date | None, Query(description="Last day (UTC) for lines that name none; left out: for ever.")
]


def pre_advice_router(desk: JobDesk) -> APIRouter:
    """Return the operations that load pre-advice."""
    router = APIRouter(tags=["pre-advice"], responses=responses(403, 409, 413, 415, 422, 507))

    async def load(request: Request, response: Response, asked: dict[str, Any]) -> Job:
        name = FILES[declared_as(request, *FILES)]
        job = reserve(desk, "pre_advice", "")
        try:
            with (job.folder / name).open("wb") as file:
                await _take(request, file)
        except OSError as error:
            desk.discard(job)
            raise ProblemError(
                HTTPStatus.INSUFFICIENT_STORAGE, f"can't be kept: {error.strerror}; make room"
            ) from None
        except BaseException:
            desk.discard(job)
            raise
        await desk.begin(job, {**asked, "file": name})
        return accepted(job, response)

    @router.post("/pre-advice", operation_id="mergePreAdvice", status_code=202,
                 openapi_extra=ENCODED)  # fmt: skip
    @needs(Role.OPERATOR)
    async def merge(
        who: Word, why: Word, request: Request, response: Response, expires: Expires = None
    ) -> Job:
        """Add waybills to those loaded before; of a waybill given twice the newer word counts.

        Good lines load whatever others hold; the result names bad ones by their number.
        """
        asked = {
            "who": who_of(request, who),
            "by": by_of(request),
            "why": why,
            "expires": _text(expires),
            "replace": False,
        }
        return await load(request, response, asked)

    @router.put("/pre-advice", operation_id="replacePreAdvice", status_code=202,
                openapi_extra=ENCODED)  # fmt: skip
    @needs(Role.ENGINEER)
    async def replace(
        who: Word, why: Word, request: Request, response: Response, expires: Expires = None
    ) -> Job:
        """Put these waybills in the place of all that were loaded before."""
        asked = {
            "who": who_of(request, who),
            "by": by_of(request),
            "why": why,
            "expires": _text(expires),
            "replace": True,
        }
        return await load(request, response, asked)

    return router


def _text(day: date | None) -> str:
    return day.isoformat() if day else ""


async def _take(request: Request, file: BinaryIO) -> None:
    """Write a body to a file as it comes, never much of it in memory."""
    gathered = bytearray()
    async for part in parts_of(request, PRE_ADVICE_BYTES_MAX):
        gathered += part
        if len(gathered) >= WRITE_BYTES:
            whole, gathered = bytes(gathered), bytearray()
            await asyncio.to_thread(file.write, whole)
    await asyncio.to_thread(file.write, bytes(gathered))
