"""The face process: HTTP over the boards and the store."""

from sorter.api.access import Access
from sorter.api.app import Face, create_app
from sorter.api.server import serve
from sorter.centre.asker import Asker, Limits
from sorter.centre.host import HttpHost
from sorter.config import SiteFile, Upstream
from sorter.config_push import Push
from sorter.errors import ConfigError
from sorter.outlets.metrics import Exposition
from sorter.outlets.pauses import GcPauses, GcWatch
from sorter.outlets.push import Pusher
from sorter.outlets.questions import QuestionReader
from sorter.outlets.reading import BoardReader, RecorderBoardReader
from sorter.outlets.sensor_board import SensorBoardReader
from sorter.outlets.shadows import Shadows
from sorter.store.pieces import PieceHistories
from sorter.wiring.control_client import HOST_ANSWERS_MAX, LineClient
from sorter.wiring.jobs import Desk
from sorter.wiring.paths import StatePaths
from sorter.wiring.process import settle_memory


def run_face(site: SiteFile) -> None:
    """Serve until SIGTERM.

    Raises:
        ConfigError: the site names no database, or a file that it names can't be used: of its
            upstream host, of the face's keys or certificate.
        UnavailableError: the address can't be listened on.
    """
    if not site.store.dsn:
        raise ConfigError(
            "store.dsn: the face run alone needs a database; name it in the site file or in "
            "SORTER_DATABASE_DSN"
        )
    state = StatePaths(site.site.state_dir)
    state.make()
    asker = asker_of(site.upstream, state) if site.upstream else None
    pauses = GcWatch().start().pauses
    face = Face(
        site.site.name,
        BoardReader(state.line_board),
        RecorderBoardReader(state.recorder_board),
        PieceHistories(site.store.dsn),
        LineClient(state),
        Desk(site, state.jobs),
        Shadows(state.shadows),
        [line.name for line in site.lines],
        asker,
        pauses,
        SensorBoardReader(state.sensor_board) if site.sensor_links else None,
        pusher_of(site.push, site, state, asker, pauses) if site.push else None,
        Access.of(site.http),
    )
    app = create_app(face)
    settle_memory()
    serve(app, site.http.host, site.http.port, site.http.tls)


def pusher_of(
    settings: Push, site: SiteFile, state: StatePaths, asker: Asker | None, pauses: GcPauses
) -> Pusher:
    """Return what pushes the metrics; it reads the boards with readers of its own."""
    exposition = Exposition(
        site.site.name,
        BoardReader(state.line_board),
        RecorderBoardReader(state.recorder_board),
        Shadows(state.shadows),
        (lambda: asker.status) if asker else None,
        pauses,
        SensorBoardReader(state.sensor_board) if site.sensor_links else None,
    )
    return Pusher(settings.gateway, site.site.name, exposition.registry, settings.every_s)


def asker_of(settings: Upstream, state: StatePaths) -> Asker:
    """Return what asks the upstream host.

    Raises:
        ConfigError: a file that its settings name can't be read.
    """
    try:
        token = settings.token
        if settings.token_file:
            token = settings.token_file.read_text(encoding="ascii").strip()
        host = HttpHost(
            settings.url, token, settings.ca, settings.silence_ms / 1000, settings.requests_max
        )
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"upstream: token_file or ca can't be read: {error}; correct the path, the rights or "
            "the file"
        ) from None
    limits = Limits(
        deadline_s=settings.deadline_ms / 1000,
        in_flight_max=settings.in_flight_max,
        batch_max=settings.batch_max,
        requests_max=settings.requests_max,
        attempts_max=settings.attempts_max,
        retry_first_s=settings.retry_first_ms / 1000,
        retry_max_s=settings.retry_max_ms / 1000,
        deliver_max=HOST_ANSWERS_MAX,
    )
    return Asker(settings.url, limits, host, QuestionReader(state.questions), LineClient(state))
