"""What a line was told, by whom and why, from the store: activations, roll-backs, locks."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from sorter.api.models import Answer
from sorter.api.pieces import Histories
from sorter.api.problems import no_line, responses
from sorter.api.roles import needs
from sorter.config_http import Role

PAGE_MAX = 200
"""Commands told at once."""

Action = Literal[
    "activate",
    "rollback",
    "start",
    "wait",
    "lock",
    "unlock",
    "pre_advice",
    "shadow",
    "release",
    "switch",
]


class LineCommand(Answer):
    """One command that a line carried out; null is what it is not about."""

    number: int = Field(description="From 1 without gaps, in the order of time.", examples=[17])
    at: str = Field(examples=["2026-11-25T14:05:00.125+00:00"])
    action: str = Field(
        description="start is a start that found this version active; wait an activation that "
        "waits for its time; release that of a quarantine.",
        examples=["activate"],
    )
    who: str = Field(examples=["ann"])
    why: str = Field(examples=["night shift"])
    version: int | None = Field(description="Of the plan or the pre-advice.", examples=[4])
    previous: int | None = Field(description="Version that was active before.", examples=[3])
    chute: int | None = Field(examples=[None])
    name: str = Field(
        description="Of the plan or the pre-advice; what a waiting activation waits for.",
        examples=["night"],
    )


class LineCommands(Answer):
    """A page of what a line was told, the newest first."""

    line: str = Field(examples=["loop-1"])
    commands: list[LineCommand]
    next_before: str | None = Field(
        description="``before`` of the next page, of older ones; null on the last.",
        examples=["1795615500125000-17"],
    )


def commands_router(histories: Histories, lines: list[str]) -> APIRouter:
    """Return the operation that tells what a line was told."""
    router = APIRouter(tags=["control"], responses=responses(404, 422, 503))

    @router.get("/lines/{line}/commands", operation_id="listCommands")
    @needs(Role.VIEWER)
    async def commands(
        line: str,
        action: Annotated[
            list[Action] | None, Query(max_length=9, description="Of these kinds; all if none.")
        ] = None,
        before: Annotated[
            str, Query(pattern=r"^(\d{1,16}-\d{1,18})?$", description="Of the page before.")
        ] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_MAX,
    ) -> LineCommands:
        """What a line was told, by whom, when and why, the newest first.

        From the database, which has it some seconds later; ``action=activate&action=rollback``
        are the changes of its plan.
        """
        if line not in lines:
            raise no_line(line, lines)
        page = await histories.of_line(line, list(action or []), before, limit)
        return LineCommands(line=line, **page)

    return router
