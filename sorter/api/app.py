"""The HTTP face of a site: health, metrics, lines, chutes, pieces, the live page."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

import sorter
from sorter.api import models, views
from sorter.api.access import Access, Gate
from sorter.api.commands import commands_router
from sorter.api.control import LineControl, control_router
from sorter.api.description import describe
from sorter.api.door import Door
from sorter.api.health import checks
from sorter.api.jobs import JobDesk, jobs_router
from sorter.api.pieces import Histories, PieceStore
from sorter.api.plans import plans_router
from sorter.api.pre_advice import pre_advice_router
from sorter.api.problems import handle_problems, no_line, problem, responses
from sorter.api.roles import needs, open_to_all
from sorter.api.sensors import sensor_check, sensors_router
from sorter.api.session_routes import session_router
from sorter.api.shadow import shadow_router
from sorter.config_http import Role
from sorter.errors import UnavailableError
from sorter.outlets.metrics import Exposition
from sorter.outlets.pauses import GcPauses
from sorter.outlets.reading import BoardReader, LineView, ProcessView, RecorderBoardReader
from sorter.outlets.sensor_board import SensorBoardReader
from sorter.outlets.shadows import Shadows
from sorter.ports import HostStatus

STATIC = Path(sorter.__file__).parent / "web" / "static"
"""The live page's files."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""Sent with everything: the page loads from here alone, and nothing embeds it."""

_logger = logging.getLogger(__name__)


class JsonResponse(JSONResponse):
    """JSON of plain data, written by orjson."""

    def render(self, content: Any) -> bytes:
        """Return the bytes that go out."""
        return orjson.dumps(content)


class MetricsResponse(Response):
    """Metrics in the format that was asked for."""

    media_type = "text/plain"


class Beside(Protocol):
    """Works beside the serving of HTTP."""

    async def run(self) -> None:
        """Work until cancelled."""


class Upstream(Beside, Protocol):
    """Asks the upstream host."""

    @property
    def status(self) -> HostStatus:
        """How it stands with the host."""


@dataclass(frozen=True, slots=True)
class Face:
    """What the face shows of a site."""

    site: str
    lines: BoardReader
    recorder: RecorderBoardReader
    store: PieceStore
    control: LineControl
    jobs: JobDesk
    shadows: Shadows
    names: list[str]
    """Of the site's lines, whether they run or not."""
    upstream: Upstream | None = None
    """Asks the upstream host; None where the site has none."""
    gc: GcPauses = field(default_factory=GcPauses)
    """What garbage collection costs this process."""
    sensors: SensorBoardReader | None = None
    """None where the site has none."""
    pusher: Beside | None = None
    """Pushes the metrics; None where they are only scraped."""
    access: Access = field(default_factory=Access)
    """Who may use it."""

    def line(self, name: str) -> tuple[ProcessView, LineView]:
        """Return a line by name; ProblemError where there is none of that name."""
        view = self.lines.read()
        line = view.line(name)
        if line is None:
            raise no_line(name, (other.name for other in view.lines))
        return view, line


def create_app(face: Face) -> FastAPI:
    """Return the application; it opens the store as it starts and closes it as it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await face.store.open()
        except (UnavailableError, OSError) as error:
            _logger.warning("going on without the database for now: %s", error)
        beside = [asyncio.create_task(each.run()) for each in (face.upstream, face.pusher) if each]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await face.jobs.close()
            await face.store.close()

    app = FastAPI(
        title="Sorting centre",
        version=sorter.__version__,
        summary="What the sorter lines of a centre do, and the history of every piece.",
        lifespan=lifespan,
        docs_url=None,  # the interactive pages load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,  # asked for with a role, as all else: see _describe
        responses={**responses(500)},
        dependencies=[Depends(Gate(face.access).admit)],
    )
    handle_problems(app)
    app.include_router(_health(face))
    app.include_router(_lines(face))
    histories = Histories(face.store)
    app.include_router(_pieces(histories))
    app.include_router(commands_router(histories, face.names))
    app.include_router(sensors_router(face.sensors, histories))
    app.include_router(control_router(face.control))
    app.include_router(shadow_router(face.control, face.shadows))
    app.include_router(plans_router(face.jobs, face.names))
    app.include_router(pre_advice_router(face.jobs))
    app.include_router(jobs_router(face.jobs))
    app.include_router(session_router(face.access))
    _page(app)
    describe(app)
    app.add_middleware(Door, access=face.access)

    @app.middleware("http")
    async def add_headers(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    return app


def _health(face: Face) -> APIRouter:
    router = APIRouter(tags=["health"])
    upstream = face.upstream
    host = (lambda: upstream.status) if upstream else None
    exposition = Exposition(
        face.site, face.lines, face.recorder, face.shadows, host, face.gc, face.sensors
    )

    @router.get("/livez", operation_id="getLive")
    @open_to_all
    async def live() -> models.Live:
        """Whether this process answers; looks at nothing else."""
        return models.Live()

    @router.get(
        "/readyz",
        operation_id="getReady",
        response_class=JsonResponse,
        responses={200: {"model": models.Ready}, **responses(503)},
    )
    @needs(Role.VIEWER)
    async def ready(
        request: Request,
        verbose: Annotated[str | None, Query(description="Tell every check.")] = None,
    ) -> Response:
        """Whether pieces are sorted and recorded: line process, PLCs, database. 503 with reasons.

        A PLC that is away makes the site not ready: no piece is answered then. An upstream host
        that is away does not, nor do silent sensors: they are told as degraded among the checks.
        """
        found = await checks(face.lines, face.recorder, face.store, host and host())
        if face.sensors:
            found.append(sensor_check(face.sensors))
        reasons = [f"{check.name}: {check.reason}" for check in found if not check.ok]
        listed = [check.model_dump() for check in found]
        if reasons:
            more: dict[str, Any] = {"checks": listed} if verbose is not None else {}
            return problem(
                request,
                HTTPStatus.SERVICE_UNAVAILABLE,
                "; ".join(reasons),
                reasons=reasons,
                **more,
            )
        content = models.Ready(ready=True, checks=found if verbose is not None else None)
        return JsonResponse(content.model_dump(exclude_none=True))

    @router.get("/metrics", operation_id="getMetrics", response_class=MetricsResponse)
    @needs(Role.VIEWER)
    async def metrics(request: Request) -> Response:
        """What Prometheus scrapes."""
        content, content_type = exposition.render(request.headers.get("accept", ""))
        return MetricsResponse(content, media_type=content_type)

    return router


def _lines(face: Face) -> APIRouter:
    router = APIRouter(tags=["lines"], responses=responses(503))

    @router.get("/lines", operation_id="listLines")
    @needs(Role.VIEWER)
    async def lines() -> models.Lines:
        """All lines of the site, the line process, the journal and the recorder."""
        view = face.lines.read()
        return models.Lines(
            site=face.site,
            process=views.process(view),
            journal=views.journal(view),
            recorder=views.recorder(face.recorder),
            lines=[views.summary(line) for line in view.lines],
        )

    @router.get("/lines/{line}", operation_id="getLine", responses=responses(404))
    @needs(Role.VIEWER)
    async def line_by_name(line: str) -> models.LineDetail:
        """One line with everything that is counted."""
        return views.detail(face.line(line)[1])

    @router.get("/lines/{line}/chutes", operation_id="listChutes", responses=responses(404))
    @needs(Role.VIEWER)
    async def chutes(line: str) -> models.Chutes:
        """All chutes of a line as they stand."""
        return models.Chutes(line=line, chutes=views.chutes(face.line(line)[1]))

    @router.get("/lines/{line}/picture", operation_id="getPicture", responses=responses(404))
    @needs(Role.VIEWER)
    async def picture(line: str) -> models.Picture:
        """All that the live page draws of a line, in one answer."""
        view, found = face.line(line)
        return views.picture(face.site, view, found, views.recorder(face.recorder))

    @router.get("/ledger", operation_id="getLedger")
    @needs(Role.VIEWER)
    async def ledger() -> models.Ledgers:
        """Whether every piece is explained: the ledger of each line and their sum."""
        return views.ledgers(face.lines.read().lines)

    return router


def _pieces(histories: Histories) -> APIRouter:
    router = APIRouter(tags=["pieces"])

    @router.get(
        "/pieces/{code:path}",
        operation_id="getPiece",
        response_class=JsonResponse,
        responses=responses(400, 404, 503),
    )
    @needs(Role.VIEWER)
    async def piece(code: str) -> Response:
        """The whole history of a piece, by its waybill, its piece id, or line/boot/piece."""
        return JsonResponse(await histories.of(code))

    return router


def _page(app: FastAPI) -> None:
    """Serve the live page."""

    @app.get("/", include_in_schema=False)
    @open_to_all
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/favicon.ico", include_in_schema=False)
    @open_to_all
    async def icon() -> FileResponse:
        return FileResponse(STATIC / "favicon.svg")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
