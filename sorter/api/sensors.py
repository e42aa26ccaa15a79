"""The sensors of a site over HTTP: how they stand, and what they told before."""

import math
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Protocol

from fastapi import APIRouter, Query
from pydantic import Field

from sorter.api.models import Answer, Check
from sorter.api.pieces import Histories
from sorter.api.problems import ProblemError, responses
from sorter.api.roles import needs
from sorter.config_http import Role
from sorter.errors import UnavailableError
from sorter.outlets.sensor_board import SensorsView, SensorView

PAGE_DEFAULT = 100
PAGE_MAX = 1_000
"""Events of one page."""
SILENT_TOLD_MAX = 5
"""Silent sensors that readiness names; of more it tells the number."""
MICROS_MAX = 250_000_000_000_000_000
"""Later than any instant that the database knows events of, and one that it can compare with."""


class SensorBoards(Protocol):
    """Where the sensors process is read."""

    def read(self) -> SensorsView:
        """Return it as it stands; UnavailableError where there is nothing to read."""


class SensorNow(Answer):
    """One sensor as it stands."""

    name: str = Field(examples=["cold-room-1"])
    link: str = Field(description="The connection it is read over.", examples=["cold-room"])
    quantity: str = Field(description="temperature in degrees Celsius, humidity in per cent.")
    status: str = Field(description="waiting, within, low, high, invalid or silent.")
    reading: float | None = Field(description="Null while there is none.", examples=[3.4])
    low: float | None = Field(description="Null for no limit.")
    high: float | None
    read_at: str | None = Field(description="When it was last heard.")
    age_s: float | None
    out_since: str | None = Field(description="Since when out of limits without a break.")
    out_s: float = Field(description="Out of limits since the process began, in seconds.")
    excursions: int
    reads: int
    failures: int
    problem: str = Field(description="Why the newest attempt to read it failed, else empty.")


class SensorsNow(Answer):
    """All sensors of the site."""

    problem: str = Field(description="Why these are not to be trusted, else empty.")
    sensors: list[SensorNow]


class SensorEvent(Answer):
    """One thing a sensor told."""

    at: str
    status: str
    quantity: str
    reading: float | None
    boot_id: int
    sequence: int


class SensorHistory(Answer):
    """A page of what a sensor told, newest first."""

    sensor: str
    events: list[SensorEvent]
    before: str | None = Field(description="Ask for the next page with it; null after the last.")


def sensors_router(boards: SensorBoards | None, histories: Histories) -> APIRouter:
    """Return the operations on sensors; ``boards`` is None where the site has none."""
    router = APIRouter(tags=["sensors"], responses=responses(503))

    @router.get("/sensors", operation_id="listSensors")
    @needs(Role.VIEWER)
    async def sensors() -> SensorsNow:
        """All sensors as they stand; none where the site has none."""
        if boards is None:
            return SensorsNow(problem="", sensors=[])
        view = boards.read()
        return SensorsNow(
            problem=view.problem, sensors=[_now(s, view.now_ns) for s in view.sensors]
        )

    @router.get(
        "/sensors/{name}/history", operation_id="getSensorHistory", responses=responses(400)
    )
    @needs(Role.VIEWER)
    async def history(
        name: str,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
        before: Annotated[str | None, Query(description="Of the page before.")] = None,
    ) -> SensorHistory:
        """What a sensor told, newest first, also one that the site has no more."""
        place = None if before is None else _place(before)
        events = await histories.of_sensor(name, limit, place)
        last = events[-1]["place"] if len(events) == limit else None
        return SensorHistory(
            sensor=name,
            events=[
                SensorEvent(**{key: each[key] for key in SensorEvent.model_fields})
                for each in events
            ],
            before=".".join(map(str, last)) if last else None,
        )

    return router


def sensor_check(boards: SensorBoards) -> Check:
    """Return what readiness tells of the sensors: pieces are sorted without them."""
    return Check(name="sensors", ok=True, reason=_degraded(boards))


def _degraded(boards: SensorBoards) -> str:
    try:
        view = boards.read()
    except UnavailableError as error:
        return f"degraded: {error}"
    if view.problem:
        return f"degraded: {view.problem}"
    silent = [s for s in view.sensors if s.status_name in ("silent", "invalid")]
    if not silent:
        return ""
    told = [
        f"{s.name} is {s.status_name}" + (f" ({s.problem})" if s.problem else "") for s in silent
    ]
    more = len(told) - SILENT_TOLD_MAX
    rest = [f"and {more} more"] if more > 0 else []
    return "degraded: " + "; ".join(told[:SILENT_TOLD_MAX] + rest)


def _place(text: str) -> tuple[int, int, int]:
    found = re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,10})\.([0-9]{1,10})", text, re.ASCII)
    if not found or int(found[1]) > MICROS_MAX:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "before: give what the page before gave as its before"
        )
    return int(found[1]), int(found[2]), int(found[3])


def _now(sensor: SensorView, now_ns: int) -> SensorNow:
    return SensorNow(
        name=sensor.name,
        link=sensor.link,
        quantity=sensor.quantity_name,
        status=sensor.status_name,
        reading=_number(sensor.reading),
        low=_number(sensor.low),
        high=_number(sensor.high),
        read_at=_instant(sensor.read_ns),
        age_s=_number(sensor.age_s(now_ns)),
        out_since=_instant(sensor.out_since_ns),
        out_s=sensor.out_ns / 1e9,
        excursions=sensor.excursions,
        reads=sensor.reads,
        failures=sensor.failures,
        problem=sensor.problem,
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _instant(ns: int) -> str | None:
    if not ns:
        return None
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds")
